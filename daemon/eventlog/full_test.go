package eventlog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// faults is a disk that refuses what refuse says. A refused write writes a part
// first, as a full disk does; a refused sync drops what was written since the
// last, as the kernel may.
type faults struct {
	mtx    sync.Mutex
	refuse func(op diskOp) error // Nil refuses nothing.
	keep   bool                  // A refused sync drops nothing.
	synced map[string]int64      // By path: how long the file was at its last sync.
	count  map[diskKind]int      // Refused so far.
}

func (f *faults) set(refuse func(op diskOp) error) {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.refuse = refuse
}

func (f *faults) refused(kind diskKind) int {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	return f.count[kind]
}

func (f *faults) tap(op diskOp, do func() error) error {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	if f.synced == nil {
		f.synced, f.count = map[string]int64{}, map[diskKind]int{}
	}
	var err error
	if f.refuse != nil {
		err = f.refuse(op)
	}
	if err == nil {
		if err = do(); err != nil {
			return err
		}
		switch op.kind {
		case diskSync:
			st, err := op.f.Stat()
			if err != nil {
				return err
			}
			f.synced[op.path] = st.Size()
		case diskRename:
			f.synced[op.to] = f.synced[op.path]
			delete(f.synced, op.path)
		case diskRemove:
			delete(f.synced, op.path)
		}
		return nil
	}
	f.count[op.kind]++
	switch op.kind {
	case diskWrite:
		op.f.WriteAt(op.data[:len(op.data)/2], op.off)
	case diskSync:
		if st, serr := op.f.Stat(); serr == nil && !f.keep {
			from := min(f.synced[op.path], st.Size())
			g, oerr := os.OpenFile(op.path, os.O_RDWR, 0)
			if oerr == nil {
				g.WriteAt(make([]byte, st.Size()-from), from)
				g.Close()
			}
		}
	}
	return &fs.PathError{Op: string(op.kind), Path: op.path, Err: err}
}

// full refuses an operation on files whose path contains a part.
func full(kind diskKind, part string) func(diskOp) error {
	return func(op diskOp) error {
		if op.kind == kind && (strings.Contains(op.path, part) || strings.Contains(op.to, part)) {
			return syscall.ENOSPC
		}
		return nil
	}
}

// requireExactly opens what a crash would leave and checks that it has the
// events, each once, with the bytes that were stored.
func requireExactly(t testing.TB, dir string, want []event.Event) {
	t.Helper()
	l, err := Open(Options{Dir: copyDir(t, dir), BlockEvents: 40})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	page, err := l.Events(ctx, event.Query{Limit: maxLimit, Forward: true, Raw: true})
	require.NoError(t, err)
	wanted := map[string]event.Event{}
	for _, e := range want {
		wanted[e.UID] = stored(e, true)
	}
	seqs := map[uint64]bool{}
	for _, e := range page.Events {
		w, ok := wanted[e.UID]
		require.True(t, ok, "%s is there twice, or was not stored", e.UID)
		require.False(t, seqs[e.Seq], "number %d is there twice", e.Seq)
		seqs[e.Seq] = true
		w.Seq = e.Seq // A duplicate that was logged has a number of its own.
		require.Equal(t, w, e)
		delete(wanted, e.UID)
	}
	require.Empty(t, wanted, "acknowledged and not there")
	require.NoError(t, l.Verify(ctx))
}

func TestFullDiskOnASmallFileSystem(t *testing.T) {
	dir := smallFileSystem(t, 3<<20)
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	l, err := Open(Options{Dir: filepath.Join(dir, "log"), BlockEvents: 100})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	var acked []event.Event
	g := newTraffic(41, 2)
	var failed error
	for i := 0; failed == nil && i < 1000; i++ {
		batch := g.events(30, 3*time.Hour)
		if _, failed = l.Append(ctx, batch, Durability(i%2)); failed == nil {
			acked = append(acked, batch...)
		}
		if failed == nil && i%10 == 9 {
			failed = l.Flush(ctx)
		}
	}
	require.ErrorIs(t, failed, syscall.ENOSPC)
	require.Error(t, l.Flush(ctx))
	for range 3 {
		_, err := l.Append(ctx, g.events(30, 3*time.Hour), Logged)
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.Error(t, l.maintain(day0.Add(24*time.Hour)))
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(got), len(acked), "questions go on")

	require.NoError(t, os.Remove(ballast))
	batch := g.events(30, 3*time.Hour)
	_, err = l.Append(ctx, batch, Logged)
	require.NoError(t, err, "it recovers by itself")
	require.NoError(t, l.Flush(ctx))
	acked = append(acked, batch...)
	page, err := l.Events(ctx, event.Query{Limit: maxLimit, Raw: true})
	require.NoError(t, err)
	there := map[string]int{}
	for _, e := range page.Events {
		there[e.UID]++
		require.Equal(t, 1, there[e.UID])
	}
	for _, e := range acked {
		require.Equal(t, 1, there[e.UID])
	}
	requireExactly(t, filepath.Join(dir, "log"), page.Events)
	require.NoError(t, l.maintain(day0.Add(24*time.Hour)))
	require.Zero(t, l.Stats().Corruptions)
}

// TestFullDiskEverywhere refuses one kind of operation on one kind of file
// while events, control records and maintenance go on.
func TestFullDiskEverywhere(t *testing.T) {
	for _, c := range []struct {
		name    string
		refuse  func(diskOp) error
		kind    diskKind
		appends bool // Append goes on.
		flushes bool // Flush goes on.
	}{
		{"block", full(diskWrite, ".seg"), diskWrite, false, false},
		{"segment", full(diskCreate, ".seg"), diskCreate, false, false},
		{"directory of a day", full(diskMkdir, "2026"), diskMkdir, false, false},
		{"sync of a segment", full(diskSync, ".seg"), diskSync, false, false},
		{"sync of a segment and its copy", full(diskSync, "events"), diskSync, false, false},
		{"copy of a segment", func(op diskOp) error {
			return errors.Join(full(diskSync, ".seg")(op), full(diskWrite, ".tmp")(op))
		}, diskSync, false, false},
		{"rename of the copy", func(op diskOp) error {
			if op.kind == diskSync && strings.HasSuffix(op.path, ".seg") || op.kind == diskRename {
				return syscall.ENOSPC
			}
			return nil
		}, diskRename, false, false},
		{"sync of a directory", full(diskSyncDir, "2026"), diskSyncDir, false, false},
		{"batch in the write-ahead log", full(diskWrite, "events-"), diskWrite, false, true},
		{"sync of the write-ahead log", full(diskSync, "events-"), diskSync, false, true},
		{"rotation of the write-ahead log", full(diskCreate, "events-"), diskCreate, true, true},
		{"directory of the write-ahead log", full(diskSyncDir, "wal"), diskSyncDir, true, true},
		{"index", full(diskWrite, ".idx"), diskWrite, true, true},
		{"rename of an index", full(diskRename, ".idx"), diskRename, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			now := day0
			f := &faults{}
			l := openTest(t, Options{Dir: dir, BlockEvents: 40, Now: func() time.Time { return now }, tap: f.tap})
			g := newTraffic(43, 2)
			first := g.events(100, 2*time.Hour)
			if c.kind != diskMkdir {
				_, err := l.Append(ctx, first, Replayable)
				require.NoError(t, err)
				require.NoError(t, l.Flush(ctx))
			}
			second, third := g.events(100, 3*time.Hour), g.events(100, 3*time.Hour)

			f.set(c.refuse)
			_, aerr := l.Append(ctx, slices.Clone(second), Logged)
			ferr := l.Flush(ctx)
			_, aerr2 := l.Append(ctx, slices.Clone(third), Logged)
			now = now.Add(5 * time.Hour)
			merr := l.maintain(now)
			now = now.Add(time.Hour)
			merr = errors.Join(merr, l.maintain(now))
			require.Positive(t, f.refused(c.kind))
			for _, err := range []error{aerr, ferr, aerr2, merr} {
				if err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC)
				}
			}
			require.Equal(t, c.appends, aerr2 == nil, aerr2)
			require.Equal(t, c.flushes, ferr == nil, ferr)
			got, err := l.Read(ctx, ReadQuery{})
			require.NoError(t, err)
			require.NotEmpty(t, got, "questions go on")
			if aerr == nil {
				want := slices.Concat(first, second)
				if c.kind == diskMkdir {
					want = second
				}
				if aerr2 == nil {
					want = append(want, third...)
				}
				requireExactly(t, dir, want)
			}

			f.set(nil)
			for _, batch := range [][]event.Event{first, second, third} {
				_, err = l.Append(ctx, batch, Logged)
				require.NoError(t, err, "it recovers by itself")
			}
			requireExactly(t, dir, slices.Concat(first, second, third))
			require.NoError(t, l.Flush(ctx))
			requireExactly(t, dir, slices.Concat(first, second, third))
			now = now.Add(time.Hour)
			require.NoError(t, l.maintain(now))
			require.FileExists(t, indexPath(segmentPath(dir, hourOf(day0.UnixNano()))))
			require.Zero(t, l.Stats().Corruptions)
			require.Zero(t, l.kept)
		})
	}
}

func TestFullDiskWhileMerging(t *testing.T) {
	for _, refuse := range []func(diskOp) error{full(diskCreate, ".seg.tmp"), full(diskWrite, ".seg.tmp"), full(diskSync, ".seg.tmp"), full(diskRename, ".seg.tmp")} {
		dir := filepath.Join(t.TempDir(), "log")
		now := day0
		f := &faults{}
		l := openTest(t, Options{Dir: dir, BlockEvents: 100, Now: func() time.Time { return now }, tap: f.tap})
		events := newTraffic(44, 2).events(200, time.Hour)
		for chunk := range slices.Chunk(events, 20) {
			_, err := l.Append(ctx, chunk, Replayable)
			require.NoError(t, err)
			require.NoError(t, l.Flush(ctx))
		}
		require.Equal(t, 10, l.Stats().Blocks)
		now = now.Add(3 * time.Hour)
		f.set(refuse)
		require.ErrorIs(t, l.maintain(now), syscall.ENOSPC)
		require.Equal(t, 10, l.Stats().Blocks)
		requireExactly(t, dir, events)
		extra := newTraffic(45, 1).events(10, time.Hour)
		_, err := l.Append(ctx, extra, Logged)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))
		f.set(nil)
		now = now.Add(time.Hour)
		require.NoError(t, l.maintain(now))
		require.LessOrEqual(t, l.Stats().Blocks, 3)
		requireExactly(t, dir, slices.Concat(events, extra))
		left, err := filepath.Glob(filepath.Join(dir, "events", "*", "*", "*", "*.tmp"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestControlRecordsOnAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	f := &faults{}
	l := openTest(t, Options{Dir: dir, tap: f.tap})
	for _, kind := range []diskKind{diskWrite, diskSync} {
		n := len(slices.Collect(l.Controls))
		f.set(full(kind, "control-"))
		_, err := l.AppendControl(ctx, event.Control{Kind: event.ControlFeedback})
		require.ErrorIs(t, err, syscall.ENOSPC)
		f.set(nil)
		_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlFeedback})
		require.NoError(t, err)
		require.Len(t, slices.Collect(l.Controls), n+1)
	}
	f.set(full(diskWrite, "control-"))
	require.ErrorIs(t, l.thin(100), syscall.ENOSPC)
	f.set(full(diskWrite, ".tmp"))
	require.ErrorIs(t, l.thin(100), syscall.ENOSPC)
	f.set(nil)
	require.NoError(t, l.thin(100))
	r := openTest(t, Options{Dir: copyDir(t, dir)})
	require.Len(t, slices.Collect(r.Controls), 2)
}

// TestSyncThatLosesWhatWasWritten drops what a sync could not write and is held
// in no memory: the log takes nothing more until it is opened again, and then
// has what was acknowledged from the write-ahead log.
func TestSyncThatLosesWhatWasWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	f := &faults{}
	l, err := Open(Options{Dir: dir, BlockEvents: 40, tap: f.tap})
	require.NoError(t, err)
	l.kept = maxKept
	events := newTraffic(46, 1).events(100, time.Hour)
	_, err = l.Append(ctx, events, Logged)
	require.NoError(t, err)
	f.set(full(diskSync, ".seg"))
	require.ErrorIs(t, l.Flush(ctx), errLost)
	f.set(nil)
	require.ErrorContains(t, l.Flush(ctx), "until it is restarted")
	_, err = l.Append(ctx, events, Logged)
	require.ErrorContains(t, err, "until it is restarted")
	require.Error(t, l.Close())
	r := openTest(t, Options{Dir: dir})
	require.Equal(t, uint64(100), r.Stats().Events)
	require.NotZero(t, r.Stats().Corruptions, "the blocks that are gone are told")

	// Where the bytes can still be read no memory is needed.
	dir = filepath.Join(t.TempDir(), "log")
	f = &faults{keep: true}
	l = openTest(t, Options{Dir: dir, BlockEvents: 40, tap: f.tap})
	l.kept = maxKept
	_, err = l.Append(ctx, events, Replayable)
	require.NoError(t, err)
	once := false
	f.set(func(op diskOp) error {
		if op.kind == diskSync && strings.HasSuffix(op.path, ".seg") && !once {
			once = true
			return syscall.EIO
		}
		return nil
	})
	require.NoError(t, l.Flush(ctx))
	require.True(t, once)
	requireExactly(t, dir, events)
}
