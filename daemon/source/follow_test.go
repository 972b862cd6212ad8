package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewFilesAndFolders(t *testing.T) {
	dir := t.TempDir()
	write(t, lines(0, 5), dir, "a.json")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir}, sink)
	eventually(t, func() bool { return f.Status().AtEnd && sink.has(5) }, "the first file")

	write(t, gzipped(t, document(5, 10)), dir, "b.json.gz")
	eventually(t, func() bool { return sink.has(10) }, "a new file")
	write(t, lines(10, 15), dir, "new", "deep", "c.json")
	eventually(t, func() bool { return sink.has(15) }, "a file in new folders")
	write(t, lines(15, 20), dir, "new", "deep", "d.json")
	eventually(t, func() bool { return sink.has(20) }, "a file in a folder that was new")
	temp := write(t, lines(20, 25), dir, "e.json.tmp")
	require.NoError(t, os.Rename(temp, filepath.Join(dir, "e.json")))
	eventually(t, func() bool { return sink.has(25) }, "a file that got its name when it was complete")
	eventually(t, func() bool { s := f.Status(); return s.AtEnd && s.Files == 5 && s.FilesDone == 5 }, "at the end again")
	require.Equal(t, 25, sink.count(), "nothing was read twice")
	require.Empty(t, sink.failed())
}

// Without word from the file system, new files are found by looking.
func TestPolling(t *testing.T) {
	dir := t.TempDir()
	sink := newRecorder()
	f, err := NewFolder(FolderOptions{Path: dir, Follow: true})
	require.NoError(t, err)
	look := func() {
		tasks, err := f.scan(true)
		require.NoError(t, err)
		require.NoError(t, f.process(t.Context(), sink, tasks))
	}
	look()
	write(t, lines(0, 5), dir, "x", "a.json")
	look()
	require.True(t, sink.has(5))
	look()
	require.Equal(t, 5, sink.delivered)
	require.NoError(t, os.Remove(filepath.Join(dir, "x", "a.json")))
	look()
	require.Zero(t, f.Status().Files)
}

func TestPathThatComesLater(t *testing.T) {
	dir := t.TempDir()
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: filepath.Join(dir, "logs"), PollInterval: 20 * time.Millisecond}, sink)
	eventually(t, func() bool { return f.Status().Err != "" }, "it is missed")
	require.Contains(t, f.Status().Err, "nothing is at ")
	write(t, lines(0, 5), dir, "logs", "a.json")
	eventually(t, func() bool { s := f.Status(); return sink.has(5) && s.AtEnd && s.Err == "" }, "it came")
}

// A log grows by whole lines, half lines and lines without an end; each record
// is read once.
func TestGrowingFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 3), dir, "audit.log")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: path}, sink)
	eventually(t, func() bool { return sink.has(3) }, "what was there")

	next := record(3) + "\n"
	add(t, path, []byte(next[:100]))
	eventually(t, func() bool { return !f.unfinishedSince(path).IsZero() }, "half a line is waited for")
	require.True(t, sink.has(3))
	require.True(t, f.Status().AtEnd)
	add(t, path, []byte(next[100:]))
	eventually(t, func() bool { return sink.has(4) }, "the other half")
	add(t, path, []byte(record(4)))
	eventually(t, func() bool { return sink.has(5) }, "a line without an end that is complete")
	add(t, path, append([]byte("\n"), lines(5, 8)...))
	eventually(t, func() bool { return sink.has(8) }, "its end, and more")
	require.Equal(t, 8, sink.count())
	require.Empty(t, sink.failed())

	// A bad record is numbered from the start of the file.
	size := len(lines(0, 8))
	add(t, path, []byte("what?\n"))
	eventually(t, func() bool { return len(sink.failed()) == 1 }, "a bad record")
	bad := sink.failed()[0]
	require.Equal(t, 9, bad.Record)
	require.InDelta(t, size, bad.Offset, 1)
}

// unfinishedSince is since when a file ends in the middle of something.
func (f *Folder) unfinishedSince(path string) time.Time {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	if fl := f.files[path]; fl != nil {
		return fl.unfinished
	}
	return time.Time{}
}

func TestGrowsWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 500), dir, "audit.log")
	sink := newRecorder()
	n := 500
	sink.refuse = func() error { // Called in each delivery, in the middle of the file.
		if n < 1000 {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			b := lines(n, n+25)
			n += 25
			_, err = f.Write(b)
			return err
		}
		return nil
	}
	f, _ := follow(t, FolderOptions{Path: path, BatchEvents: 10}, sink)
	eventually(t, func() bool { return sink.has(1000) && f.Status().AtEnd }, "all of it")
	require.Equal(t, 1000, sink.count())
	require.Empty(t, sink.failed())
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 5), dir, "audit.log")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir, PollInterval: 50 * time.Millisecond}, sink)
	eventually(t, func() bool { return sink.has(5) && f.Status().AtEnd }, "what was there")

	// Renamed, with a last line written after that, and a new file in place.
	old := filepath.Join(dir, "audit.log.1")
	require.NoError(t, os.Rename(path, old))
	add(t, old, lines(5, 6))
	write(t, lines(6, 9), dir, "audit.log")
	eventually(t, func() bool { return sink.has(9) }, "both files")
	eventually(t, func() bool { s := f.Status(); return s.AtEnd && s.Files == 2 }, "two files")
	require.Equal(t, 9, sink.count(), "the old one was not read again")

	// Cut back to nothing and written anew, in place.
	require.NoError(t, os.WriteFile(path, lines(9, 10), 0o644))
	eventually(t, func() bool { return sink.has(10) }, "what was written after the cut")
	require.Equal(t, 10, sink.count())

	// Another file of the same size or larger under the same name.
	require.NoError(t, os.Remove(path))
	write(t, lines(10, 20), dir, "audit.log")
	eventually(t, func() bool { return sink.has(20) }, "the file that took the place")
	require.Empty(t, sink.failed())
}

// A document or a compressed file that is still being written is no failure
// until nobody has written to it for a while.
func TestUnfinishedDocuments(t *testing.T) {
	dir := t.TempDir()
	zipped := gzipped(t, lines(0, 200))
	plain := []byte("[\n" + record(200) + ",\n" + record(201) + "\n]\n")
	line := bytes.ReplaceAll(document(202, 210), []byte("\n"), nil)
	a := write(t, zipped[:len(zipped)/2], dir, "a.json.gz")
	b := write(t, plain[:len(plain)-20], dir, "b.json")
	c := write(t, line[:500], dir, "c.json") // One line without an end.

	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	sink := newRecorder()
	f, err := NewFolder(FolderOptions{Path: dir, Follow: true, Now: clock, Workers: 1})
	require.NoError(t, err)
	look := func() {
		tasks, err := f.scan(true)
		require.NoError(t, err)
		require.NoError(t, f.process(t.Context(), sink, tasks))
		f.settle()
	}
	look()
	require.Empty(t, sink.failures)
	require.False(t, f.Status().AtEnd, "two files are unfinished")
	require.Equal(t, 2, f.Status().Backlog)
	read := f.Status().Bytes
	look()
	require.Equal(t, read, f.Status().Bytes, "nothing has changed, nothing is read")

	require.NoError(t, os.WriteFile(b, plain, 0o644))
	look()
	require.Empty(t, sink.failures)
	require.Equal(t, 1, f.Status().Backlog)

	now.Add(int64(2 * time.Minute))
	look()
	require.Len(t, sink.failures, 2)
	require.Equal(t, a, sink.failures[0].Name)
	require.ErrorIs(t, sink.failures[0].Err, io.ErrUnexpectedEOF)
	require.Equal(t, c, sink.failures[1].Name)
	require.ErrorContains(t, sink.failures[1].Err, "the last line is incomplete since ")
	require.True(t, f.Status().AtEnd)
	look()
	require.Len(t, sink.failures, 2, "told once")

	require.NoError(t, os.WriteFile(a, zipped, 0o644))
	require.NoError(t, os.WriteFile(c, line, 0o644))
	look()
	require.True(t, sink.has(210))
	require.Len(t, sink.failures, 2)
}

// A backlog of known age does not hold the watermark at the beginning of time.
func TestFrontier(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 10), dir, "audit.log")
	sink := newRecorder()
	f, err := NewFolder(FolderOptions{Path: dir, Follow: true, Workers: 1})
	require.NoError(t, err)
	require.False(t, f.Status().AtEnd)
	require.Zero(t, f.Status().Frontier)
	look := func() Status {
		t.Helper()
		tasks, err := f.scan(true)
		require.NoError(t, err)
		before := f.Status()
		require.NoError(t, f.process(t.Context(), sink, tasks))
		f.settle()
		require.True(t, f.Status().AtEnd)
		return before
	}
	require.Zero(t, look().Frontier, "before the first look all is unknown")

	add(t, path, lines(10, 12))
	s := look()
	require.False(t, s.AtEnd)
	require.Equal(t, t0.Add(9*time.Second), s.Frontier, "a log goes on where it was")

	write(t, gzipped(t, lines(12, 13)), dir, "111122223333_CloudTrail_us-east-1_20260309T0315Z_x.json.gz")
	require.Equal(t, t0, look().Frontier, "CloudTrail's files say when they were delivered")

	write(t, lines(13, 14), dir, "other.json")
	add(t, path, lines(14, 15))
	s = look()
	require.False(t, s.AtEnd)
	require.Zero(t, s.Frontier, "a new file may hold anything")
	require.True(t, sink.has(15))
}

// Whatever instant a source is stopped at, the next one reads what is left,
// and what is read twice was not durable.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	const total = 3000
	for i := range 10 {
		b := document(i*100, i*100+100)
		if i%2 == 0 {
			b = gzipped(t, b)
		}
		write(t, b, dir, "in", fmt.Sprintf("%02d.json", i))
	}
	log := write(t, lines(1000, total), dir, "in", "audit.log")
	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)

	crash := errors.New("crash")
	durable := newRecorder() // What survives.
	for stop := 1; ; stop += 3 {
		sink := newRecorder()
		deliveries := 0
		sink.refuse = func() error {
			if deliveries++; deliveries > stop {
				return crash
			}
			return nil
		}
		// A flush makes what was delivered survive.
		sink.onFlush = func() error {
			for id, n := range sink.seen {
				durable.seen[id] += n
			}
			clear(sink.seen)
			return nil
		}
		f, err := NewFolder(FolderOptions{Path: filepath.Join(dir, "in"), Name: "in", Checkpoints: cp, Workers: 2, BatchEvents: 90})
		require.NoError(t, err)
		err = f.Run(t.Context(), sink)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, crash)
		// The crash may come before or after a checkpoint.
		if stop%2 == 0 {
			require.NoError(t, f.commit(t.Context(), sink))
		}
	}
	require.True(t, durable.has(total))

	// All has been read: a restart reads nothing, and then only what is new.
	run := func() *recorder {
		sink, _ := once(t, FolderOptions{Path: filepath.Join(dir, "in"), Name: "in", Checkpoints: cp})
		return sink
	}
	require.Zero(t, run().delivered)
	add(t, log, lines(total, total+2))
	require.Equal(t, 2, run().delivered)
	require.Zero(t, run().delivered)

	// Renamed while nothing ran.
	require.NoError(t, os.Rename(log, log+".1"))
	require.Zero(t, run().delivered)

	// Damaged: reported, and everything is read again.
	name := cp.path("in")
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(name, b, 0o644))
	sink := run()
	require.Equal(t, total+2, sink.delivered)
	require.Len(t, sink.failures, 1)
	require.ErrorContains(t, sink.failures[0].Err, "its checksum does not match; everything is read again")
	require.Zero(t, run().delivered)
}

// A source that is followed remembers on the way out.
func TestRestartOfFollowed(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 10), dir, "audit.log")
	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)
	for n := 10; n < 40; n += 10 {
		sink := newRecorder()
		f, stop := follow(t, FolderOptions{Path: path, Checkpoints: cp}, sink)
		eventually(t, func() bool { return f.Status().AtEnd }, "read")
		half := []byte(record(n))
		add(t, path, half[:50])
		eventually(t, func() bool { return !f.unfinishedSince(path).IsZero() }, "half a line")
		stop()
		require.Equal(t, 10, sink.count())
		add(t, path, append(half[50:], '\n'))
		add(t, path, lines(n+1, n+10))
	}
	sink, _ := once(t, FolderOptions{Path: path, Checkpoints: cp})
	require.Equal(t, 10, sink.count())
}

// The checkpoint is written while a long backlog is read, and only of what was
// flushed before.
func TestCheckpointFollowsFlush(t *testing.T) {
	dir := t.TempDir()
	write(t, lines(0, 100), dir, "in", "a.log")
	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)
	sink := newRecorder()
	f, err := NewFolder(FolderOptions{Path: filepath.Join(dir, "in"), Name: "in", Checkpoints: cp, BatchEvents: 10, Workers: 1})
	require.NoError(t, err)
	offsets := []int64{}
	sink.refuse = func() error {
		sink.mtx.Unlock()
		defer sink.mtx.Lock()
		if err := f.commit(t.Context(), sink); err != nil {
			return err
		}
		entries, err := cp.load("in")
		for _, e := range entries {
			offsets = append(offsets, e.offset)
			if e.records != sink.count() {
				err = fmt.Errorf("%d records in the checkpoint, %d were delivered", e.records, sink.count())
			}
		}
		return err
	}
	require.NoError(t, f.Run(t.Context(), sink))
	require.Len(t, offsets, 9)
	require.IsIncreasing(t, offsets)
}
