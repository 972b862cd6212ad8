package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// fails waits until the source says that it fails, why, and what to do.
func fails(t *testing.T, f Source, why, hint string) Status {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(f.Status().Err, why) }, why)
	s := f.Status()
	require.Contains(t, s.Hint, hint)
	require.Contains(t, s.Err, s.Hint)
	require.False(t, s.FailingSince.IsZero())
	eventually(t, func() bool { return f.Status().Retries > 0 }, "it is tried again")
	return s
}

func recovered(t *testing.T, f Source) {
	t.Helper()
	eventually(t, func() bool { s := f.Status(); return s.Err == "" && s.AtEnd }, "it has recovered")
	s := f.Status()
	require.Empty(t, s.Hint)
	require.True(t, s.FailingSince.IsZero())
}

func TestFolderThatGoesAwayAndComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	write(t, lines(0, 5), dir, "a.json")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir, PollInterval: 20 * time.Millisecond}, sink)
	eventually(t, func() bool { return sink.has(5) }, "the first file")
	recovered(t, f)

	away := dir + ".away"
	require.NoError(t, os.Rename(dir, away))
	fails(t, f, "nothing is at "+dir, "make it, mount what holds it")
	write(t, lines(5, 10), away, "b.json")
	require.NoError(t, os.Rename(away, dir))
	eventually(t, func() bool { return sink.has(10) }, "what came meanwhile")
	recovered(t, f)
	require.Equal(t, 10, sink.count(), "nothing was read twice")
}

func TestFolderOfAPatternThatGoesAwayAndComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: filepath.Join(dir, "*.json"), PollInterval: 20 * time.Millisecond}, sink)
	fails(t, f, "nothing is at "+dir, "make it, mount what holds it")
	write(t, lines(0, 5), dir, "a.json")
	eventually(t, func() bool { return sink.has(5) }, "the first file")
	recovered(t, f)

	away := dir + ".away"
	require.NoError(t, os.Rename(dir, away))
	fails(t, f, "nothing is at "+dir, "make it, mount what holds it")
	require.NoError(t, os.Rename(away, dir))
	recovered(t, f)
	write(t, lines(5, 6), dir, "b.json")
	eventually(t, func() bool { return sink.has(6) }, "what came later")
	require.Equal(t, 6, sink.count(), "nothing was read twice")
}

func TestThingsInPlaceOfAFolder(t *testing.T) {
	root := t.TempDir()
	parent := filepath.Join(root, "mount")
	dir := filepath.Join(parent, "logs")
	require.NoError(t, os.WriteFile(parent, nil, 0o600)) // A file in place of a folder.
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir, PollInterval: 20 * time.Millisecond}, sink)
	fails(t, f, "not a directory", "correct the source's path")
	require.True(t, f.Status().AtEnd, "what is not there holds no watermark")

	require.NoError(t, os.Remove(parent))
	require.NoError(t, os.Mkdir(parent, 0o700))
	require.NoError(t, syscall.Mkfifo(dir, 0o600))
	fails(t, f, "is neither a file nor a folder", "name one in")
	require.NoError(t, os.Remove(dir))
	write(t, lines(0, 5), dir, "a.json")
	eventually(t, func() bool { return sink.has(5) }, "the folder at last")
	recovered(t, f)
}

func TestFileThatCannotBeReadIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(t.TempDir(), "target.json")
	require.NoError(t, os.Symlink(target, filepath.Join(dir, "a.json")))
	write(t, lines(5, 10), dir, "b.json")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir, PollInterval: 20 * time.Millisecond}, sink)
	s := fails(t, f, "files that cannot be read: 1", "make the path")
	require.Equal(t, 1, s.FilesDone, "its neighbour was read")
	write(t, lines(0, 5), target)
	eventually(t, func() bool { return sink.has(10) }, "the file is there")
	recovered(t, f)
	require.Len(t, sink.failed(), 1, "it was told once")
}

// The pauses of a file that never could be read grow, however often it is looked
// at; a change of it ends them.
func TestFileThatNeverCouldBeReadIsLeftForAWhile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, lines(0, 5), dir, "a.json")
	now := time.Now()
	f, err := NewFolder(FolderOptions{Path: dir, Follow: true, Now: func() time.Time { return now }})
	require.NoError(t, err)
	tries := func(looks int) (n int) {
		for range looks {
			tasks, err := f.scan(true)
			require.NoError(t, err)
			for i := range tasks {
				n++
				f.trouble(tasks[i].path, tasks[i].stat, &os.PathError{Op: "read", Path: tasks[i].path, Err: syscall.EIO})
			}
			now = now.Add(time.Second)
		}
		return n
	}
	require.Less(t, tries(1000), 50, "in 1000 seconds")
	add(t, path, lines(5, 6))
	require.Equal(t, 1, tries(1))
}

// A file that is damaged is told of and counted once, its neighbours are read,
// and it is read again when it has been replaced.
func TestDamagedGzip(t *testing.T) {
	dir := t.TempDir()
	good := gzipped(t, document(0, 5))
	bad := append([]byte(nil), good...)
	bad[len(bad)-6] ^= 0xff // The checksum.
	path := write(t, bad, dir, "a.json.gz")
	write(t, gzipped(t, document(5, 10)), dir, "b.json.gz")
	sink := newRecorder()
	f, _ := follow(t, FolderOptions{Path: dir, PollInterval: 20 * time.Millisecond}, sink)
	eventually(t, func() bool { return f.Status().AtEnd && len(sink.failed()) == 1 }, "both files")
	require.Equal(t, uint64(1), f.Status().Failures)
	require.Equal(t, path, sink.failed()[0].Name)
	require.NoError(t, os.WriteFile(path+".tmp", good, 0o600))
	require.NoError(t, os.Rename(path+".tmp", path))
	eventually(t, func() bool { return sink.has(10) }, "the good file")
	require.Len(t, sink.failed(), 1)
}

func TestFullDiskIsWaitedFor(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	dir := t.TempDir()
	write(t, lines(0, 5), dir, "a.json")
	sink := newRecorder()
	sink.refuse = func() error {
		if full.Load() {
			return fmt.Errorf("storing events: %w", &fs.PathError{Op: "write", Path: "wal", Err: syscall.ENOSPC})
		}
		return nil
	}
	f, _ := follow(t, FolderOptions{Path: dir}, sink)
	s := fails(t, f, "no space left on device", "free space for --storage.path")
	require.Contains(t, s.Err, "it is tried again until it succeeds")
	require.False(t, s.AtEnd, "what waits holds the watermark")
	full.Store(false)
	eventually(t, func() bool { return sink.has(5) }, "there is space")
	recovered(t, f)
}

// A source that is read once waits for its path, where it is told to.
func TestReadOnceWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	f, err := NewFolder(FolderOptions{Path: path, Retry: true, PollInterval: 10 * time.Millisecond})
	require.NoError(t, err)
	sink, done := newRecorder(), make(chan error, 1)
	go func() { done <- f.Run(t.Context(), sink) }()
	fails(t, f, "nothing is at "+path, "make it")
	require.True(t, f.Status().AtEnd, "what is not there holds no watermark")
	write(t, lines(0, 5), path)
	require.NoError(t, <-done)
	require.True(t, sink.has(5))
	recovered(t, f)
}

func TestPausesDoubleWithJitter(t *testing.T) {
	p := pauses{least: time.Second, most: time.Minute}
	differ := false
	for range 3 {
		for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			d := p.next()
			require.GreaterOrEqual(t, d, want*time.Second/2, "pause %d", n)
			require.LessOrEqual(t, d, want*time.Second, "pause %d", n)
			differ = differ || d != want*time.Second
		}
		p.reset()
	}
	require.True(t, differ, "chance has its part")
	for range 100 {
		require.LessOrEqual(t, p.next(), time.Minute)
	}
}

func TestHints(t *testing.T) {
	require.Empty(t, hintOf(nil))
	require.Empty(t, hintOf(errors.New("something else")))
	for err, want := range map[error]string{
		syscall.EACCES: "let the user", syscall.EROFS: "let the user", syscall.ENOENT: "make the path", syscall.ENOTDIR: "correct the source's path",
		syscall.EDQUOT: "free space", syscall.EIO: "look after the disk", syscall.ESTALE: "network file system", syscall.EMFILE: "limit of open files",
	} {
		require.Contains(t, hintOf(fmt.Errorf("reading: %w", &fs.PathError{Op: "open", Path: "x", Err: err})), want)
	}
}

func TestHealthIsAMetric(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	now := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	s := Status{Name: "trail", Kind: kindFile, Retries: 3, BacklogBytes: 1000, Frontier: now.Add(-time.Minute), Err: "gone"}
	var since time.Time
	s.finish(now, &since)
	require.Equal(t, 60.0, s.LagSeconds)
	require.Equal(t, now, s.FailingSince)
	require.NoError(t, RegisterMetrics(reg, func() []Status { return []Status{s} }, func() time.Time { return now }))
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`# HELP insightd_source_backlog_bytes Bytes of files that were found and have not been read, as they are stored.
# TYPE insightd_source_backlog_bytes gauge
insightd_source_backlog_bytes{kind="file",source="trail"} 1000
# HELP insightd_source_lag_seconds How far the reading is behind, in event time; 0 at the end of what is there.
# TYPE insightd_source_lag_seconds gauge
insightd_source_lag_seconds{kind="file",source="trail"} 60
# HELP insightd_source_retries_total What was tried again: looks at a path or a file that cannot be read, and deliveries.
# TYPE insightd_source_retries_total counter
insightd_source_retries_total{kind="file",source="trail"} 3
# HELP insightd_source_up 1 where the source can be read and delivered, 0 where it fails.
# TYPE insightd_source_up gauge
insightd_source_up{kind="file",source="trail"} 0
`), "insightd_source_backlog_bytes", "insightd_source_lag_seconds", "insightd_source_retries_total", "insightd_source_up"))
}
