package eventlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// again decodes as a later program might: other fields, other hours, other ids,
// and some that it cannot decode.
func again(e *event.Event) error {
	switch e.UID[0] {
	case '0':
		e.Region = "half done"
		return errors.New("not understood")
	case '1', '2', '3':
		e.Time = e.Time.Add(90 * time.Minute)
	case '4':
		e.UID = "new-" + e.UID
	case '5':
		e.Account = "999999999999"
	}
	e.Operation = strings.ToUpper(e.Operation)
	e.Seq, e.Received, e.Raw = 0, time.Time{}, e.Raw[:10]
	return nil
}

func decodedAgain(events []event.Event) (out []event.Event, failed uint64) {
	for _, e := range events {
		was := e
		if err := again(&e); err != nil {
			e = was
			failed++
		}
		e.Seq, e.Received, e.Raw = was.Seq, was.Received, was.Raw
		out = append(out, e)
	}
	return out, failed
}

func TestRedecode(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, BlockEvents: 50, MaxBufferedBytes: 1 << 20}
	l := openTest(t, o)
	events := newTraffic(51, 2).events(1000, 5*time.Hour)
	_, err := l.Append(ctx, events[:700], Replayable)
	require.NoError(t, err)
	_, err = l.Append(ctx, events[700:], Logged)
	require.NoError(t, err)
	key := keyOf(&events[0])
	_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: key, Time: day0.Add(time.Hour)})
	require.NoError(t, err)
	last, calls := uint64(0), 0
	report, err := l.Redecode(ctx, again, func(done, total uint64) {
		calls++
		require.Greater(t, done, last)
		require.Equal(t, uint64(1000), total)
		last = done
	})
	require.NoError(t, err)
	require.Equal(t, uint64(1000), last)
	require.Greater(t, calls, 10)
	want, failed := decodedAgain(events)
	require.Equal(t, uint64(1000), report.Events)
	require.Equal(t, failed, report.Failed)
	require.Positive(t, failed)
	require.ErrorContains(t, report.Err, "not understood")
	require.Zero(t, report.Duplicates+report.Lost)
	check := func(l *Log) {
		t.Helper()
		got, err := l.Read(ctx, ReadQuery{})
		require.NoError(t, err)
		requireSame(t, inOrder(want, false), got)
		page, err := l.Events(ctx, event.Query{Limit: 5000, Forward: true, Raw: true})
		require.NoError(t, err)
		requireSame(t, inOrder(want, true), page.Events)
		require.Equal(t, uint64(1000), l.Stats().Events)
		require.Len(t, l.Streams(), 3)
		require.True(t, l.Watermark(key).Equal(day0.Add(time.Hour)))
		require.Equal(t, uint64(1001), l.LastSeq())
		require.Zero(t, l.Stats().Corruptions)
		for _, hr := range l.hours {
			for _, m := range hr.seg.blocks {
				b := &block{hdr: m.hdr, src: m}
				grams, err := b.gramFilters(1)
				require.NoError(t, err)
				require.NotEmpty(t, grams[0], "blocks are not those of a temporary log")
			}
		}
	}
	check(l)
	check(openTest(t, Options{Dir: copyDir(t, dir), BlockEvents: 50}))
	for _, name := range []string{redecodeDir, redecodedDir, replacedDir} {
		require.NoDirExists(t, filepath.Join(dir, name))
	}
	// The log goes on.
	rec, err := l.Append(ctx, append(slices.Clone(want), newTraffic(52, 2).events(10, time.Hour)...), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 10, Duplicates: 1000}, rec)
	require.NoError(t, l.Flush(ctx))
	require.NoError(t, l.Close())
	l = openTest(t, o)
	require.Equal(t, uint64(1010), l.Stats().Events)
	require.NoError(t, l.Verify(ctx))

	// Two that turn out to be the same, and one that turns out impossible.
	report, err = l.Redecode(ctx, func(e *event.Event) error {
		switch e.Seq {
		case 1, 2:
			e.UID, e.Time, e.Account = "same", day0, "1"
		case 3:
			e.Time = time.Time{}
		}
		return nil
	}, nil)
	require.NoError(t, err)
	require.Equal(t, RedecodeReport{Events: 1010, Failed: 1, Err: report.Err, Duplicates: 1}, report)
	require.Equal(t, uint64(1009), l.Stats().Events)

	cancelled, cancel := context.WithCancel(ctx)
	n := 0
	_, err = l.Redecode(cancelled, func(e *event.Event) error {
		if n++; n == 500 {
			cancel()
		}
		e.Operation = "never"
		return nil
	}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, redecodeDir))
	page, err := l.Events(ctx, event.Query{Filter: `operation="never"`})
	require.NoError(t, err)
	require.Empty(t, page.Events)
}

// TestRedecodeIsAllOrNothing stops the process at every change of the disk, and
// has it go on with the disk full.
func TestRedecodeIsAllOrNothing(t *testing.T) {
	base := t.TempDir()
	l, err := Open(Options{Dir: base, BlockEvents: 30})
	require.NoError(t, err)
	events := newTraffic(53, 2).events(120, 3*time.Hour)
	_, err = l.Append(ctx, events[:100], Replayable)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	_, err = l.Append(ctx, events[100:], Logged)
	require.NoError(t, err)
	base = copyDir(t, base)
	require.NoError(t, l.Close())
	want, _ := decodedAgain(events)
	olds, news := 0, 0
	for stop := 0; ; stop++ {
		dir := filepath.Join(t.TempDir(), "log")
		require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
		begun, n := false, 0
		l, err := Open(Options{Dir: dir, BlockEvents: 30, tap: func(op diskOp, do func() error) error {
			if begun {
				if n++; n > stop {
					return syscall.ENOSPC
				}
			}
			return withoutSync(op, do)
		}})
		require.NoError(t, err)
		begun = true
		_, rerr := l.Redecode(ctx, again, nil)
		if rerr != nil {
			require.ErrorIs(t, rerr, syscall.ENOSPC)
		}
		crash := copyDir(t, dir)
		l.Close()
		for _, left := range []string{crash, dir} { // The process died; or it was closed as well as it could.
			r, err := Open(Options{Dir: left, BlockEvents: 30, tap: withoutSync})
			require.NoError(t, err)
			page, err := r.Events(ctx, event.Query{Limit: 1000, Forward: true, Raw: true})
			require.NoError(t, err)
			require.Len(t, page.Events, 120)
			if slices.ContainsFunc(page.Events, func(e event.Event) bool { return e.Account == "999999999999" }) {
				requireSame(t, inOrder(want, true), page.Events)
				news++
			} else {
				requireSame(t, inOrder(events, true), page.Events)
				require.Error(t, rerr)
				olds++
			}
			require.NoError(t, r.Close())
			for _, name := range []string{redecodeDir, redecodedDir, replacedDir} {
				require.NoDirExists(t, filepath.Join(left, name))
			}
		}
		if rerr == nil {
			break
		}
	}
	require.Greater(t, olds, 20)
	require.Greater(t, news, 4)
}
