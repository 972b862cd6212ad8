package eventlog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// scattered stores events of one hour in small blocks, and returns them.
func scattered(t testing.TB, l *Log) []event.Event {
	t.Helper()
	events := newTraffic(8, 2).events(300, time.Hour)
	for chunk := range slices.Chunk(events, 30) {
		_, err := l.Append(ctx, chunk, Replayable)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))
	}
	return events
}

// muchLater is when every hour was left alone for long enough.
var muchLater = time.Now().Add(1000 * time.Hour)

// TestReaderOfAMergedHourIsNotGivenTheNewFile reads an old block when the new file
// just got the name of the old one, which nobody has open.
func TestReaderOfAMergedHourIsNotGivenTheNewFile(t *testing.T) {
	var l *Log
	var old *blockMeta
	var whole, got []byte
	l = openTest(t, Options{BlockEvents: 200, tap: func(op diskOp, do func() error) error {
		err := do()
		if op.kind == diskRename && strings.HasSuffix(op.to, segmentSuffix) {
			l.files.forget(op.to) // As where many other files were opened meanwhile.
			got = make([]byte, len(whole))
			if _, rerr := old.ReadAt(got, 0); rerr != nil {
				return rerr
			}
		}
		return err
	}})
	events := scattered(t, l)
	old = l.hours[l.order[0]].seg.blocks[5]
	whole = make([]byte, old.hdr.length)
	_, err := old.ReadAt(whole, 0)
	require.NoError(t, err)
	require.NoError(t, l.seal(muchLater))
	require.Equal(t, whole, got)
	_, err = old.ReadAt(whole, 0)
	require.ErrorIs(t, err, errGone, "nobody asks any more: the old file is closed")
	after, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	requireSame(t, inOrder(events, false), after)
}

// TestQuestionsGoOnWhileHoursAreMerged has an hour that a question is about to read
// merged each time that it reads the first.
func TestQuestionsGoOnWhileHoursAreMerged(t *testing.T) {
	const hours, rows = 20, 10
	for name, ask := range map[string]func(l *Log) (int, error){
		"Read": func(l *Log) (int, error) {
			events, err := l.Read(ctx, ReadQuery{})
			return len(events), err
		},
		"Volume": func(l *Log) (n int, err error) {
			v, err := l.Volume(ctx, event.VolumeQuery{Step: 24 * time.Hour, By: "access"})
			for _, s := range v.Series {
				n += int(s.Counts[0])
			}
			return n, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := openTest(t, Options{CacheBytes: 1})
			g := newTraffic(9, 1)
			put := func(h, n int) {
				var batch []event.Event
				for range n {
					batch = append(batch, g.event(day0.Add(time.Duration(h)*time.Hour)))
				}
				_, err := l.Append(ctx, batch, Replayable)
				require.NoError(t, err)
				require.NoError(t, l.Flush(ctx))
			}
			put(0, rows)
			for h := range hours - 1 {
				for range rows / 2 {
					put(h+1, 2)
				}
			}
			var mtx sync.Mutex
			merged, first := 0, l.hours[l.order[0]].seg.path
			hook := func(path string) {
				if path != first {
					return
				}
				mtx.Lock()
				defer mtx.Unlock()
				if merged < hours-1 {
					merged++
					if err := l.merge(l.hours[l.order[merged]].seg); err != nil {
						t.Error(err)
					}
				}
			}
			l.mtx.Lock()
			l.disk.reading = hook
			l.mtx.Unlock()
			n, err := ask(l)
			require.NoError(t, err)
			require.Equal(t, hours*rows, n)
			require.NotZero(t, merged)
			require.Len(t, l.hours[l.order[1]].seg.blocks, 1)
			require.Zero(t, l.questions.open())
		})
	}
}

// TestDamagedHoursAreSealed damages a small block: the hour is not merged, and gets
// its index, so that the next Open loses no more than the damage did.
func TestDamagedHoursAreSealed(t *testing.T) {
	for name, c := range map[string]struct {
		section columnID
		left    int // Events.
		raw     int // Of them those with their raw record.
	}{
		"a raw frame": {colRaw, 300, 270},
		"a column":    {colUserAgent, 270, 270},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openTest(t, Options{Dir: dir, BlockEvents: 200})
			scattered(t, l)
			seg := l.hours[l.order[0]].seg
			m := seg.blocks[3]
			flip(t, seg.path, m.off+m.hdr.body+m.hdr.section(c.section).off+30)
			for range 2 { // The second time there is nothing to do.
				require.NoError(t, l.seal(muchLater))
				require.FileExists(t, indexPath(seg.path))
				require.Same(t, seg, l.hours[l.order[0]].seg)
				require.Equal(t, uint64(1), l.Stats().Corruptions)
			}
			left, err := filepath.Glob(seg.path + ".*")
			require.NoError(t, err)
			require.Empty(t, left)
			for _, l := range []*Log{l, openTest(t, Options{Dir: copyDir(t, dir)})} {
				got, err := l.Read(ctx, ReadQuery{Raw: func(*event.Event) bool { return true }})
				require.NoError(t, err)
				require.Len(t, got, c.left)
				got = slices.DeleteFunc(got, func(e event.Event) bool { return len(e.Raw) == 0 })
				require.Len(t, got, c.raw)
			}
		})
	}
}

// flip damages one byte of a file.
func flip(t testing.TB, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(t, err)
	b[0] ^= 0xFF
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
}
