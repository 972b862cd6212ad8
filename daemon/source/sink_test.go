package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/insightd/insightd/daemon/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC)

// record is the nth record of these tests: the time of each is a second after
// the one before.
func record(n int) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","accountId":"111122223333","userName":"ana"},`+
		`"eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"us-east-1",`+
		`"eventID":"id-%d","eventCategory":"Management","recipientAccountId":"111122223333"}`,
		t0.Add(time.Duration(n)*time.Second).Format(time.RFC3339), n)
}

// lines are the records from first up to and without end, one a line.
func lines(first, end int) []byte {
	var b bytes.Buffer
	for n := first; n < end; n++ {
		b.WriteString(record(n))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// document is a file as CloudTrail writes it.
func document(first, end int) []byte {
	b := bytes.ReplaceAll(bytes.TrimSpace(lines(first, end)), []byte("\n"), []byte(",\n"))
	return append(append([]byte(`{"Records":[`), b...), "]}"...)
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func write(t *testing.T, b []byte, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, b, 0o644))
	return path
}

// benchWrite writes a file for a benchmark.
func benchWrite(b *testing.B, content []byte, path string, zipped bool) {
	b.Helper()
	if zipped {
		content = gzipped(b, content)
	}
	require.NoError(b, os.WriteFile(path, content, 0o644))
}

func add(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// recorder is a sink that keeps count of what it is given, as the event log
// would: an id is new once.
type recorder struct {
	mtx       sync.Mutex
	seen      map[string]int
	order     []string
	delivered int
	durable   int
	failures  []event.RecordError
	// refuse, where it is set, is asked before each delivery.
	refuse func() error
	// onFlush, where it is set, is called in each flush.
	onFlush func() error
}

func newRecorder() *recorder { return &recorder{seen: map[string]int{}} }

func (r *recorder) Deliver(_ context.Context, _ string, events []event.Event) error {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	if r.refuse != nil {
		if err := r.refuse(); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		if e.Provider != "aws" || e.Account != "111122223333" || e.Received.IsZero() || len(e.Raw) == 0 {
			return errors.New("an event lacks something")
		}
		if r.seen[e.UID]++; r.seen[e.UID] == 1 {
			r.order = append(r.order, e.UID)
		}
		*e = event.Event{UID: "used again"} // As a sink may.
	}
	r.delivered += len(events)
	return nil
}

func (r *recorder) Flush(context.Context) error {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	if r.onFlush != nil {
		if err := r.onFlush(); err != nil {
			return err
		}
	}
	r.durable = r.delivered
	return nil
}

func (r *recorder) Failed(_ string, f event.RecordError) {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	r.failures = append(r.failures, f)
}

// has reports whether exactly the records from 0 up to n were seen.
func (r *recorder) has(n int) bool {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	for i := range n {
		if r.seen[fmt.Sprintf("id-%d", i)] == 0 {
			return false
		}
	}
	return len(r.seen) == n
}

func (r *recorder) failed() []event.RecordError {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	return append([]event.RecordError(nil), r.failures...)
}

func (r *recorder) count() int {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	return r.delivered
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, cond func() bool, what string) {
	t.Helper()
	require.Eventually(t, cond, 20*time.Second, 5*time.Millisecond, what)
}

// once reads a path to its end.
func once(t *testing.T, o FolderOptions) (*recorder, *Folder) {
	t.Helper()
	sink := newRecorder()
	f, err := NewFolder(o)
	require.NoError(t, err)
	require.NoError(t, f.Run(t.Context(), sink))
	return sink, f
}

// follow starts a source that is followed, and returns what ends it.
func follow(t *testing.T, o FolderOptions, sink *recorder) (f *Folder, stop func()) {
	t.Helper()
	o.Follow = true
	if o.PollInterval == 0 {
		o.PollInterval = time.Hour // What is found is found by being told.
	}
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	f, err := NewFolder(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, sink) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-done)
	}
	t.Cleanup(stop)
	return f, stop
}
