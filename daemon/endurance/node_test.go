//go:build linux

package endurance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// node is a daemon in a process that is started, killed and started again over
// the same storage.
type node struct {
	t      *testing.T
	spec   spec
	url    string
	dir    string
	clock  *clock
	client *http.Client
	stdin  *os.File // what the child reads, where spec.Stdin is set
	attr   *syscall.SysProcAttr
	// binary, if set, is insightd as it is built, with the wall clock.
	binary string

	mtx  sync.Mutex
	cmd  *exec.Cmd // nil while nothing runs
	done chan error
	hold *os.File
	kept int // kills so far
	// broken says that the daemon ended by itself.
	broken bool
}

// newNode prepares a daemon with a configuration of its own, at a time.
func newNode(t *testing.T, config string, at time.Time) *node {
	t.Helper()
	dir := t.TempDir()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	n := &node{
		t: t, dir: dir, url: "http://" + address,
		spec: spec{
			Storage: filepath.Join(dir, "data"), Listen: address,
			Config: filepath.Join(dir, "insightd.yml"), Clock: filepath.Join(dir, "clock"),
		},
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
	}
	n.clock = newClock(t, n.spec.Clock, at)
	n.configure(config)
	t.Cleanup(func() {
		n.kill()
		n.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the end of what %s logged:\n%s", dir, n.logTail(40))
		}
	})
	return n
}

func (n *node) configure(config string) {
	n.t.Helper()
	require.NoError(n.t, os.WriteFile(n.spec.Config, []byte(config), 0o600))
}

// failed reports whether the daemon ended by itself.
func (n *node) failed() bool {
	n.mtx.Lock()
	defer n.mtx.Unlock()
	return n.broken
}

func (n *node) logFile() string { return filepath.Join(n.dir, "log") }

// start runs the daemon. It does not wait for it.
func (n *node) start() {
	n.t.Helper()
	require.NoError(n.t, n.tryStart())
}

func (n *node) tryStart() error {
	text, err := json.Marshal(n.spec)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	theirs, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirs.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	if n.binary != "" {
		cmd = exec.Command(n.binary, "serve", "--config.file="+n.spec.Config, "--storage.path="+n.spec.Storage,
			"--web.listen-address="+n.spec.Listen, "--web.enable-lifecycle")
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = n.attr
	if n.spec.Stdin {
		cmd.Stdin = n.stdin
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	n.mtx.Lock()
	defer n.mtx.Unlock()
	n.cmd, n.done, n.hold = cmd, done, ours
	return nil
}

// kill ends the daemon as a power cut would end it, but for what the kernel
// still writes.
func (n *node) kill() {
	n.mtx.Lock()
	defer n.mtx.Unlock()
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	err := <-n.done
	n.hold.Close()
	n.cmd = nil
	n.kept++
	if status, ok := stateOf(err); !ok || status.Signal() != syscall.SIGKILL {
		n.broken = true
		n.t.Errorf("the daemon ended before it was killed: %v\n%s", err, n.logTail(60))
	}
}

func stateOf(err error) (syscall.WaitStatus, bool) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return status, ok
}

// stop ends the daemon in order.
func (n *node) stop() {
	n.t.Helper()
	n.mtx.Lock()
	defer n.mtx.Unlock()
	require.NotNil(n.t, n.cmd, "nothing runs")
	require.NoError(n.t, n.cmd.Process.Signal(syscall.SIGTERM))
	var err error
	select {
	case err = <-n.done:
	case <-time.After(time.Minute):
		_ = n.cmd.Process.Signal(syscall.SIGQUIT)
		err = errors.Join(errors.New("the daemon did not stop within a minute"), <-n.done)
	}
	n.hold.Close()
	n.cmd = nil
	require.NoError(n.t, err, n.logTail(60))
}

// ended reports whether the process is over without having been told to, and
// how.
func (n *node) ended() (bool, error) {
	n.mtx.Lock()
	defer n.mtx.Unlock()
	if n.cmd == nil {
		return false, nil
	}
	select {
	case err := <-n.done:
		n.done <- err
		return true, err
	default:
		return false, nil
	}
}

func (n *node) logText() string {
	b, err := os.ReadFile(n.logFile())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (n *node) logTail(lines int) string {
	all := strings.Split(strings.TrimSuffix(n.logText(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// do asks once. The error is of a daemon that cannot be reached.
func (n *node) do(ctx context.Context, method, path string, body []byte, header ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := n.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, b, err
}

// data asks and takes the data out of the envelope.
func (n *node) data(ctx context.Context, path string, v url.Values, into any) error {
	code, b, err := n.do(ctx, http.MethodGet, path+"?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	if code != http.StatusOK {
		return fmt.Errorf("GET %s: %d: %s", path, code, b)
	}
	var env struct{ Data json.RawMessage }
	if err := json.Unmarshal(b, &env); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return json.Unmarshal(env.Data, into)
}

// until polls while the daemon may be away, and fails the test if it is not
// true in the end.
func (n *node) until(limit time.Duration, what string, ok func(ctx context.Context) (bool, error)) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	var last error
	for {
		fine, err := ok(ctx)
		if fine {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if dead, err := n.ended(); dead {
			require.Failf(n.t, "the daemon ended", "%v\n%s", err, n.logTail(60))
		}
		if !pause(ctx, 5*time.Millisecond) {
			n.tell()
			require.Failf(n.t, "not in time: "+what, "after %s; the last error: %v", limit, last)
		}
	}
}

// tell logs what a daemon that hangs says of itself.
func (n *node) tell() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.t.Context()), 10*time.Second)
	defer cancel()
	for _, path := range []string{"/-/ready", "/api/v1/status/sources", "/api/v1/coverage", "/debug/pprof/goroutine?debug=1"} {
		code, b, err := n.do(ctx, http.MethodGet, path, nil)
		n.t.Logf("%s: %d %v %s", path, code, err, b[:min(len(b), 12_000)])
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (n *node) ready() {
	n.t.Helper()
	n.until(2*time.Minute, "the daemon is ready", func(ctx context.Context) (bool, error) {
		code, _, err := n.do(ctx, http.MethodGet, "/-/ready", nil)
		return code == http.StatusOK, err
	})
}

// metrics are the values of the daemon's own metrics, by name and labels.
func (n *node) metrics(ctx context.Context) (map[string]float64, error) {
	code, b, err := n.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, fmt.Errorf("GET /metrics: %d", code)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+strconv.Quote(l.GetValue()))
			}
			key := name
			if len(labels) > 0 {
				key += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Gauge != nil:
				out[key] = m.Gauge.GetValue()
			case m.Counter != nil:
				out[key] = m.Counter.GetValue()
			case m.Untyped != nil:
				out[key] = m.Untyped.GetValue()
			}
		}
	}
	return out, nil
}

// holds waits until the daemon has so many events and nothing left to read.
func (n *node) holds(events int) {
	n.t.Helper()
	n.until(3*time.Minute, fmt.Sprintf("the log holds %d events", events), func(ctx context.Context) (bool, error) {
		m, err := n.metrics(ctx)
		if err != nil {
			return false, err
		}
		have := int(m["insightd_eventlog_events"])
		if have > events {
			require.Failf(n.t, "events are stored twice", "delivered %d, stored %d", events, have)
		}
		return have == events, fmt.Errorf("%d events", have)
	})
}

// final waits until every stream is final up to a time.
func (n *node) final(streams int, upTo time.Time) {
	n.t.Helper()
	const name = "insightd_engine_watermark_timestamp_seconds{"
	n.until(3*time.Minute, fmt.Sprintf("%d streams are final up to %s", streams, upTo), func(ctx context.Context) (bool, error) {
		m, err := n.metrics(ctx)
		if err != nil {
			return false, err
		}
		there := 0
		var least float64
		for key, v := range m {
			if strings.HasPrefix(key, name) {
				if there == 0 || v < least {
					least = v
				}
				there++
			}
		}
		return there == streams && int64(least) >= upTo.Unix(), fmt.Errorf("%d streams, final up to %s", there, time.Unix(int64(least), 0).UTC())
	})
}
