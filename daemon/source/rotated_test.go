package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// looking returns a folder of one worker, and what looks at everything and reads it.
func looking(t *testing.T, o FolderOptions, sink Sink) (f *Folder, look func()) {
	t.Helper()
	o.Follow, o.Workers = true, 1
	f, err := NewFolder(o)
	require.NoError(t, err)
	f.restore(sink)
	return f, func() {
		t.Helper()
		tasks, err := f.scan(true)
		require.NoError(t, err)
		require.NoError(t, f.process(t.Context(), sink, tasks))
		f.settle()
	}
}

// A source that names one file reads the lines that were written to it just
// before it was renamed, and those that are written to it after that.
func TestRotationOfOneFileMissesNoLine(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 5), dir, "audit.log")
	write(t, lines(100, 105), dir, "another.log")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: path, PollInterval: 50 * time.Millisecond}, sink)
	eventually(t, func() bool { return sink.has(5) && f.Status().AtEnd }, "what was there")

	old := filepath.Join(dir, "audit-1.log")
	add(t, path, lines(5, 8))
	require.NoError(t, os.Rename(path, old))
	write(t, lines(8, 10), dir, "audit.log")
	eventually(t, func() bool { return sink.has(10) && f.Status().AtEnd }, "both files")
	add(t, old, lines(10, 12))
	eventually(t, func() bool { return sink.has(12) }, "lines by whom had not heard of it")

	require.NoError(t, os.Remove(old))
	eventually(t, func() bool { s := f.Status(); return s.Files == 1 && s.AtEnd }, "the old one is gone")
	require.Equal(t, 12, sink.count(), "nothing was read twice, and nothing of others")
	require.Empty(t, sink.failed())
}

func TestRotationOfOneFileWhileNothingRuns(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 5), dir, "audit.log")
	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)
	sink := newRecorder()
	f, look := looking(t, FolderOptions{Path: path, Checkpoints: cp}, sink)
	look()
	require.NoError(t, f.commit(t.Context(), sink))

	add(t, path, lines(5, 800))
	require.NoError(t, os.Rename(path, filepath.Join(dir, "audit-1.log")))
	write(t, lines(800, 810), dir, "audit.log")
	_, look = looking(t, FolderOptions{Path: path, Checkpoints: cp}, sink)
	look()
	require.True(t, sink.has(810))
	require.Equal(t, 810, sink.count())
}

// The file is renamed after it was found and before it is opened.
func TestRotationBetweenALookAndTheReading(t *testing.T) {
	for _, what := range []string{"audit.log", ""} {
		dir := t.TempDir()
		path := write(t, lines(0, 5), dir, "audit.log")
		sink := newRecorder()
		f, look := looking(t, FolderOptions{Path: filepath.Join(dir, what)}, sink)
		look()
		add(t, path, lines(5, 8))
		tasks, err := f.scan(true)
		require.NoError(t, err)
		require.NoError(t, os.Rename(path, filepath.Join(dir, "audit-1.log")))
		write(t, lines(8, 10), dir, "audit.log")
		require.NoError(t, f.process(t.Context(), sink, tasks))
		look()
		require.True(t, sink.has(10), what)
		require.Equal(t, 10, sink.count(), "nothing was read twice")
		require.True(t, f.Status().AtEnd)
	}
}

// What was renamed is left alone once nobody has written to it for an hour, and
// another file that got its number is none of the source's.
func TestFilesThatWereRotatedAreLeft(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 5), dir, "audit.log")
	now := time.Now()
	sink := newRecorder()
	f, look := looking(t, FolderOptions{Path: path, Now: func() time.Time { return now }}, sink)
	look()
	old := filepath.Join(dir, "audit-1.log")
	require.NoError(t, os.Rename(path, old))
	write(t, lines(5, 6), dir, "audit.log")
	look()
	require.Equal(t, 2, f.Status().Files)
	now = now.Add(2 * rotatedFor)
	look()
	require.Equal(t, 1, f.Status().Files)

	// In place, which keeps the number.
	require.NoError(t, os.Rename(path, old))
	write(t, lines(7, 8), dir, "audit.log")
	require.NoError(t, os.WriteFile(old, []byte("what?\n"), 0o600))
	look()
	require.Equal(t, 1, f.Status().Files)
	require.Equal(t, 7, sink.count())
	require.Empty(t, sink.failed())
}
