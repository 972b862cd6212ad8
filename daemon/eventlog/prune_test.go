package eventlog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestReadBehindAPosition(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir, BlockEvents: 40})
	events := newTraffic(3, 2).events(400, 3*time.Hour)
	for chunk := range slices.Chunk(events, 50) {
		_, err := l.Append(ctx, chunk, Logged)
		require.NoError(t, err)
	}
	check := func(l *Log) {
		t.Helper()
		require.Equal(t, uint64(400), l.LastSeq())
		key := keyOf(&events[0])
		for _, minSeq := range []uint64{0, 1, 49, 50, 51, 333, 399, 400, 1000} {
			for _, stream := range []event.StreamKey{{}, key} {
				for _, to := range []time.Time{{}, day0.Add(70 * time.Minute)} {
					for i, maxSeq := range []uint64{0, 350} {
						want := slices.DeleteFunc(inOrder(events, false), func(e event.Event) bool {
							return e.Seq <= minSeq || stream != (event.StreamKey{}) && keyOf(&e) != stream ||
								!to.IsZero() && !e.Time.Before(to) || maxSeq > 0 && e.Seq > maxSeq
						})
						q := ReadQuery{Stream: stream, To: to, MinSeq: minSeq, MaxSeq: maxSeq}
						got, err := l.Read(ctx, q)
						require.NoError(t, err)
						requireSame(t, want, got)
						q.Filter = []string{`outcome="error"`, `access="write" category!="data"`}[i]
						selected, err := l.Read(ctx, q)
						require.NoError(t, err)
						f, err := ParseFilter(q.Filter, Lookups{}, time.Time{}, time.Time{})
						require.NoError(t, err)
						requireSame(t, slices.DeleteFunc(want, func(e event.Event) bool { return !f.Match(&e) }), selected)
						if minSeq == 0 {
							require.NotEmpty(t, selected)
							require.Less(t, len(selected), len(got))
						}
						n := l.CountSince(stream, time.Time{}, to, minSeq)
						if len(got) > 0 {
							require.Positive(t, n)
						}
						require.LessOrEqual(t, n, l.Count(stream, time.Time{}, to))
						if minSeq == 0 && to.IsZero() && maxSeq == 0 {
							require.Len(t, got, n)
						}
						if minSeq >= 400 {
							require.Zero(t, n)
						}
					}
				}
			}
		}
	}
	check(l)
	require.NoError(t, l.Flush(ctx))
	check(l)
	r := openTest(t, Options{Dir: copyDir(t, dir), BlockEvents: 40})
	_, err := r.Read(ctx, ReadQuery{Filter: `no such field="1"`})
	require.ErrorIs(t, err, ErrBadQuery)
	_, err = r.Read(ctx, ReadQuery{MinSeq: 380})
	require.NoError(t, err)
	read, blocks := 0, 0
	for _, hr := range r.hours {
		for _, m := range hr.seg.blocks {
			blocks++
			if m.cached != nil {
				read++
				require.Greater(t, m.hdr.maxSeq, uint64(380))
			}
		}
	}
	require.Positive(t, read)
	require.Less(t, read, blocks/2, "blocks without an event behind the position are not read")
	check(r)
}

func TestControlsBehindAPosition(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	tmp := openTest(t, Options{NoSync: true})
	for i := range 60 {
		c := event.Control{Kind: event.ControlFeedback, Data: []byte(fmt.Sprint(i))}
		for _, l := range []*Log{l, tmp} {
			_, err := l.AppendControl(ctx, c)
			require.NoError(t, err)
		}
		if i%7 == 6 {
			_, err := l.control.rotate(day0)
			require.NoError(t, err)
		}
	}
	all := slices.Collect(l.Controls)
	require.Len(t, all, 60)
	numbers := l.control.numbers()
	require.Equal(t, 0, l.control.firstWith(numbers, 0))
	require.Equal(t, len(numbers)-1, l.control.firstWith(numbers, 60), "only the last file is read")
	for seq := range uint64(62) {
		require.Equal(t, all[min(seq, 60):], append([]event.Control{}, slices.Collect(l.ControlsSince(seq))...), seq)
		require.Len(t, slices.Collect(tmp.ControlsSince(seq)), max(60-int(seq), 0))
	}
	for range l.ControlsSince(3) {
		break
	}
	// Where the beginning of a file is damaged, the files before it are read.
	path := journalPath(filepath.Join(dir, "wal"), "control", numbers[len(numbers)-2])
	p, err := os.ReadFile(path)
	require.NoError(t, err)
	p[journalHeader+4] ^= 1
	require.NoError(t, os.WriteFile(path, p, 0o640))
	require.Equal(t, append(all[48:49:49], all[50:]...), slices.Collect(l.ControlsSince(48)), "all but the one that is damaged")
}

func TestThin(t *testing.T) {
	a, b := event.StreamKey{Provider: "aws", Account: "1"}, event.StreamKey{Provider: "aws", Account: "2"}
	mark := func(k event.StreamKey, minute int) event.Control {
		return event.Control{Kind: event.ControlWatermark, Stream: k, Time: day0.Add(time.Duration(minute) * time.Minute)}
	}
	config := event.Control{Kind: event.ControlConfig, Data: []byte("{}")}
	said := event.Control{Kind: event.ControlFeedback, Data: []byte("{}")}
	unknown := event.Control{Kind: "other", Stream: a}
	records := []event.Control{
		mark(a, 1), mark(b, 1), mark(a, 2), said, config, // 1 to 5
		mark(a, 3), mark(a, 4), unknown, mark(b, 2), config, // 6 to 10
		config, mark(a, 5), mark(a, 6), unknown, mark(a, 7), // 11 to 15
	}
	for _, c := range []struct {
		seq  uint64
		want []uint64
	}{
		{0, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{1, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{4, []uint64{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{7, []uint64{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{9, []uint64{2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		{14, []uint64{2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15}},
		{99, []uint64{2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 15}},
	} {
		dir := t.TempDir()
		l := openTest(t, Options{Dir: dir})
		tmp := openTest(t, Options{NoSync: true})
		for i, r := range records {
			for _, l := range []*Log{l, tmp} {
				seq, err := l.AppendControl(ctx, r)
				require.NoError(t, err)
				require.Equal(t, uint64(i+1), seq)
			}
			if i%6 == 5 {
				_, err := l.control.rotate(day0)
				require.NoError(t, err)
			}
		}
		seqs := func(l *Log) (out []uint64) {
			for r := range l.Controls {
				out = append(out, r.Seq)
			}
			return out
		}
		before := copyDir(t, dir)
		require.NoError(t, l.thin(c.seq))
		require.NoError(t, tmp.Thin(c.seq))
		require.Equal(t, c.want, seqs(l), c.seq)
		require.Equal(t, c.want, seqs(tmp), c.seq)
		require.Len(t, l.control.numbers(), 2)
		for _, k := range []event.StreamKey{a, b} {
			r := openTest(t, Options{Dir: copyDir(t, dir)})
			require.True(t, r.Watermark(k).Equal(l.Watermark(k)))
			require.Equal(t, c.want, seqs(r))
		}
		// A crash between the new file and the removal of the old ones.
		after := copyDir(t, dir)
		files, err := filepath.Glob(filepath.Join(before, "wal", "control-*"))
		require.NoError(t, err)
		for i, f := range files[1:] {
			if (c.seq+uint64(i))%3 == 0 {
				continue
			}
			p, err := os.ReadFile(f)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(after, "wal", filepath.Base(f)), p, 0o640))
		}
		r := openTest(t, Options{Dir: after})
		got := seqs(r)
		require.True(t, slices.IsSorted(got))
		require.Subset(t, got, c.want)
		require.NoError(t, r.thin(c.seq))
		require.Equal(t, c.want, seqs(r))
	}
}

func TestThinWaitsUntilItIsWorthIt(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	write := func(bytes int) {
		n := 0
		for n < bytes {
			c := event.Control{Kind: event.ControlWatermark, Stream: event.StreamKey{Provider: "aws", Account: "1"}, Time: day0, Data: make([]byte, 16<<10)}
			_, err := l.AppendControl(ctx, c)
			require.NoError(t, err)
			n += len(c.Data)
		}
	}
	write(100 << 10)
	require.NoError(t, l.Thin(l.LastSeq()))
	before := len(slices.Collect(l.Controls))
	require.Greater(t, before, 5)
	write(200 << 10)
	require.NoError(t, l.Thin(l.LastSeq()+1))
	require.Len(t, slices.Collect(l.Controls), 1)
	require.Less(t, l.Stats().WALBytes, int64(20<<10))
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Thin(1), ErrClosed)
}
