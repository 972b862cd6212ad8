package eventlog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	var told []error
	l = openTest(t, Options{BlockEvents: 200, tap: func(op diskOp, do func() error) error {
		err := do()
		if op.kind == diskRename && strings.HasSuffix(op.to, segmentSuffix) {
			l.files.forget(op.to) // As where many other files were opened meanwhile.
			_, rerr := old.ReadAt(make([]byte, old.hdr.length), 0)
			told = append(told, rerr)
		}
		return err
	}})
	events := scattered(t, l)
	old = l.hours[l.order[0]].seg.blocks[5]
	require.NoError(t, l.seal(muchLater))
	require.Equal(t, []error{errGone}, told)
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	requireSame(t, inOrder(events, false), got)
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
