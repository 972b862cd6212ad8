package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// forms writes the records 0 to 69 in every form, and things to be passed over.
func forms(t *testing.T, dir string) {
	t.Helper()
	write(t, lines(0, 10), dir, "a.ndjson")
	write(t, document(10, 20), dir, "b.json")
	write(t, gzipped(t, document(20, 30)), dir, "AWSLogs", "c.json.gz")
	write(t, gzipped(t, lines(30, 40)), dir, "AWSLogs", "us-east-1", "d")
	write(t, append([]byte("\xef\xbb\xbf"), lines(40, 50)...), dir, "e.log")
	write(t, []byte("[\n"+record(50)+",\n"+record(51)+"\n]\n"), dir, "f.json")
	write(t, append(lines(52, 69), record(69)...), dir, "g.jsonl") // Without an end of the last line.
	write(t, nil, dir, "h.empty")

	write(t, lines(900, 901), dir, ".hidden")
	write(t, lines(900, 901), dir, ".git", "x.json")
	write(t, lines(900, 901), dir, "x.json.tmp")
	write(t, lines(900, 901), dir, "x.json~")
	write(t, []byte("What this is."), dir, "README.md")
	write(t, gzipped(t, []byte(`{"digestStartTime":"x"}`)), dir, "CloudTrail-Digest", "us-east-1", "y.json.gz")
	write(t, gzipped(t, []byte(`{}`)), dir, "1_CloudTrail-Digest_us-east-1_t_us-east-1_20260309T030000Z.json.gz")
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "loop")))
}

func TestReadsEveryFormOnce(t *testing.T) {
	dir := t.TempDir()
	forms(t, dir)
	for _, workers := range []int{1, 3} {
		sink, f := once(t, FolderOptions{Path: dir, Workers: workers, BatchEvents: 7})
		require.Empty(t, sink.failures)
		require.True(t, sink.has(70))
		require.Equal(t, 70, sink.delivered)
		require.Equal(t, 70, sink.durable)
		s := f.Status()
		require.Equal(t, 8, s.Files)
		require.Equal(t, 8, s.FilesDone)
		require.Equal(t, 0, s.Backlog)
		require.Equal(t, 8, s.Skipped)
		require.True(t, s.AtEnd)
		require.Zero(t, s.Frontier)
		require.EqualValues(t, 70, s.Events)
		require.Equal(t, t0.Add(69*time.Second), s.LastEvent)
		require.Empty(t, s.Err)
		done, total := f.Progress()
		require.Equal(t, total, done)
		require.EqualValues(t, s.Bytes, done)
	}
}

func TestOrderOfNames(t *testing.T) {
	dir := t.TempDir()
	write(t, lines(2, 3), dir, "b", "1.json")
	write(t, lines(0, 1), dir, "a.json")
	write(t, lines(3, 4), dir, "c.json")
	write(t, lines(1, 2), dir, "a2.json")
	sink, _ := once(t, FolderOptions{Path: dir, Workers: 1})
	require.Equal(t, []string{"id-0", "id-1", "id-2", "id-3"}, sink.order)
}

func TestFileAndPattern(t *testing.T) {
	dir := t.TempDir()
	forms(t, dir)
	sink, _ := once(t, FolderOptions{Path: filepath.Join(dir, "a.ndjson")})
	require.True(t, sink.has(10))

	// What a pattern matches may be folders.
	sink, f := once(t, FolderOptions{Path: filepath.Join(dir, "[abA]*")})
	require.True(t, sink.has(40))
	require.Equal(t, 4, f.Status().Files)

	// A name that is asked for is read whatever it is.
	sink, _ = once(t, FolderOptions{Path: filepath.Join(dir, ".hidden")})
	require.Equal(t, 1, sink.delivered)
}

func TestNothingThere(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		s, err := NewFolder(FolderOptions{Path: path})
		require.NoError(t, err)
		require.ErrorContains(t, s.Run(t.Context(), newRecorder()), want)
	}
	dir := t.TempDir()
	f(filepath.Join(dir, "none"), "none; make it, mount what holds it, or correct the source's path")
	f(filepath.Join(dir, "*.json"), "nothing matches ")
	f("/dev/null", "neither a file nor a folder")
}

func TestOptions(t *testing.T) {
	f := func(o FolderOptions, want string) {
		t.Helper()
		_, err := NewFolder(o)
		require.ErrorContains(t, err, want)
	}
	f(FolderOptions{}, "no path")
	f(FolderOptions{Path: "a", Workers: -1}, "negative")
	f(FolderOptions{Path: "[a"}, "syntax error in pattern")
	f(FolderOptions{Path: "a", Provider: "asw"}, `unknown provider "asw"`)
	s, err := NewFolder(FolderOptions{Path: "a/"})
	require.NoError(t, err)
	require.Equal(t, "a", s.Name())
}

func TestBadRecordsAndFiles(t *testing.T) {
	dir := t.TempDir()
	bad := append(lines(0, 2), "no json at all\n"...)
	offset := int64(len(lines(0, 2)))
	bad = append(bad, lines(2, 4)...)
	write(t, bad, dir, "a.json")
	whole := gzipped(t, lines(4, 5000))
	write(t, whole[:len(whole)/2], dir, "b.json.gz")
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "c.json")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d.json"), 0o755)) // A folder, whatever its name.
	write(t, document(5000, 5010)[:1000], dir, "e.json")

	sink, f := once(t, FolderOptions{Path: dir, Workers: 1})
	byName := map[string]int{}
	for i, e := range sink.failures {
		byName[filepath.Base(e.Name)] = i
	}
	require.Len(t, sink.failures, 4, "%v", sink.failures)
	a := sink.failures[byName["a.json"]]
	require.Equal(t, 3, a.Record)
	require.Equal(t, offset, a.Offset)
	require.ErrorIs(t, sink.failures[byName["b.json.gz"]].Err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, sink.failures[byName["c.json"]].Err, os.ErrNotExist)
	require.ErrorIs(t, sink.failures[byName["e.json"]].Err, io.ErrUnexpectedEOF)

	for i := range 100 { // What came before the break was delivered.
		require.NotZero(t, sink.seen[fmt.Sprintf("id-%d", i)], i)
	}
	s := f.Status()
	require.EqualValues(t, 4, s.Failures)
	require.Contains(t, s.Err, "files that cannot be read: 1; the first: ")
	require.True(t, s.AtEnd)
}

func TestReplayStopsWhereTheSinkFails(t *testing.T) {
	dir := t.TempDir()
	write(t, lines(0, 10), dir, "a.json")
	full := errors.New("no space left")

	sink := newRecorder()
	sink.refuse = func() error { return full }
	f, err := NewFolder(FolderOptions{Path: dir})
	require.NoError(t, err)
	require.ErrorIs(t, f.Run(t.Context(), sink), full)

	sink = newRecorder()
	sink.onFlush = func() error { return full }
	f, err = NewFolder(FolderOptions{Path: dir})
	require.NoError(t, err)
	require.ErrorIs(t, f.Run(t.Context(), sink), full)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, err = NewFolder(FolderOptions{Path: dir})
	require.NoError(t, err)
	require.ErrorIs(t, f.Run(ctx, newRecorder()), context.Canceled)
}

// A followed source waits for a sink that fails, and loses nothing.
func TestFollowWaitsForTheSink(t *testing.T) {
	dir := t.TempDir()
	write(t, lines(0, 10), dir, "a.json")
	sink := newRecorder()
	left, flushes := 2, 1
	sink.refuse = func() error {
		if left--; left >= 0 {
			return errors.New("no space left")
		}
		return nil
	}
	sink.onFlush = func() error {
		if flushes--; flushes >= 0 {
			return errors.New("no space left")
		}
		return nil
	}
	f, stop := follow(t, FolderOptions{Path: dir}, sink)
	eventually(t, func() bool {
		return f.Status().Err == "storing events: no space left; it is tried again until it succeeds"
	}, "the wait shows")
	eventually(t, func() bool { return sink.has(10) && f.Status().AtEnd && f.Status().Err == "" }, "the wait ends")
	stop()
	require.Equal(t, 10, sink.durable)
}

func TestStampOf(t *testing.T) {
	at, ok := stampOf("/x/111122223333_CloudTrail_us-east-1_20240802T0855Z_aBc.json.gz")
	require.True(t, ok)
	require.Equal(t, time.Date(2024, 8, 2, 8, 55, 0, 0, time.UTC), at)
	_, ok = stampOf("/x/20240802T0855Z_other.json")
	require.False(t, ok)
}
