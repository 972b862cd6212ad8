//go:build linux

package endurance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/simulate"
)

const (
	// bodyEvents is how many events a pushed body has.
	bodyEvents = 1000
	// flatFrom is how long a run must be for its quarters to be compared: before
	// that caches and buffers are still filling.
	flatFrom = 10 * time.Minute
)

// tolerance is by how much a median of the last quarter may be above that of
// the second: a factor, and something on top for numbers that are small.
type tolerance struct{ factor, plus float64 }

// tolerances: memory moves with the garbage collector's pace, and latencies
// with whatever else the machine does. A leak of a byte an event would be 27 MB
// in half an hour at 10,000 a second, and something that is slower the more
// there is doubles its latency when there is twice as much.
var tolerances = map[string]tolerance{
	"memory MB":     {1.15, 24},
	"goroutines":    {1.1, 10},
	"open files":    {1.1, 16},
	"push p50 ms":   {1.5, 10},
	"push p99 ms":   {2, 150},
	"query p50 ms":  {1.5, 10},
	"query p99 ms":  {2, 150},
	"search p50 ms": {1.5, 10},
	"search p99 ms": {2, 150},
	"list p50 ms":   {1.5, 10},
	"list p99 ms":   {2, 150},
}

// TestEndurance runs the built binary at a tenth of its top speed, with
// questions all the time.
func TestEndurance(t *testing.T) {
	minutes := setting(t, "MINUTES", 0, 60)
	span, rate := time.Duration(minutes)*time.Minute, 10_000
	if minutes == 0 {
		span, rate = 15*time.Second, 2000
	}
	n := newNode(t, "lateness: 1m\nmodels:\n  warm_up: 10m\n", time.Now())
	n.binary = filepath.Join(n.dir, "insightd")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", n.binary, "../cmd/insightd").CombinedOutput()
	require.NoError(t, err, string(out))
	n.start()
	n.ready()

	l := &load{node: n, stamps: templates(t, seedOf(t)), begun: time.Now(), span: span}
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	var wg sync.WaitGroup
	for i := range pushClients {
		wg.Go(func() { l.push(ctx, i, time.Second*bodyEvents*pushClients/time.Duration(rate)) })
	}
	for kind, ask := range l.questions() {
		wg.Go(func() { l.ask(ctx, kind, ask) })
	}
	wg.Go(func() { l.watch(ctx) })
	l.sample(ctx, max(time.Second, span/400))
	wg.Wait()
	if err := l.err.Load(); err != nil {
		require.NoError(t, *err)
	}

	// Nothing was lost or doubled.
	l.node.until(time.Minute, "all is counted", func(ctx context.Context) (bool, error) {
		m, err := n.metrics(ctx)
		return int64(m["insightd_eventlog_events"]) == l.pushed.Load(), err
	})
	l.node.until(time.Minute, "every event is in the series", func(ctx context.Context) (bool, error) {
		var r struct{ Result []struct{ Value [2]any } }
		expr := fmt.Sprintf("sum(sum_over_time(activity_events[%ds]))", int(span.Seconds())+600)
		at := strconv.FormatInt(time.Now().Add(2*time.Minute).Unix(), 10)
		err := n.data(ctx, "/api/v1/query", url.Values{"query": {expr}, "time": {at}}, &r)
		return err == nil && len(r.Result) == 1 && r.Result[0].Value[1] == strconv.FormatInt(l.pushed.Load(), 10), err
	})
	table := l.quarters()
	t.Logf("%d events in %s, %.0f a second\n%s", l.pushed.Load(), span, float64(l.pushed.Load())/span.Seconds(), printed(table))
	require.Positive(t, l.pushed.Load())
	if span < flatFrom {
		t.Logf("the run is shorter than %s: its quarters are not compared", flatFrom)
	} else {
		require.Greater(t, float64(l.pushed.Load()), 0.9*float64(rate)*span.Seconds(), "the load was not kept up")
		for name, tol := range tolerances {
			q := table[name]
			if limit := q[1]*tol.factor + tol.plus; q[3] > limit {
				t.Errorf("%s is not flat: %.1f in the second quarter, %.1f in the last, at most %.1f is allowed", name, q[1], q[3], limit)
			}
		}
	}
	n.stop()
}

// stamp is a record with the places where its time and its id stand.
type stamp struct {
	raw      []byte
	time, id int
}

// templates are records of a day, to be stamped with new times and ids.
func templates(t *testing.T, seed uint64) []stamp {
	t.Helper()
	tr, err := simulate.New(simulate.Options{Seed: seed, Days: 0.25, Identities: 60, Accounts: 2, Benign: -1})
	require.NoError(t, err)
	var out []stamp
	for r := range tr.Records() {
		s := stamp{raw: bytes.Clone(r.JSON)}
		s.time = bytes.Index(s.raw, []byte(`"eventTime":"`)) + len(`"eventTime":"`)
		s.id = bytes.Index(s.raw, []byte(uidOf(s.raw)))
		out = append(out, s)
	}
	require.NotEmpty(t, out)
	return out
}

// load is what a daemon has to bear, and how it bears it.
type load struct {
	node   *node
	stamps []stamp
	begun  time.Time
	span   time.Duration
	pushed atomic.Int64
	next   atomic.Int64
	err    atomic.Pointer[error]

	mtx    sync.Mutex
	values map[string][4][]float64 // by name and quarter
}

func (l *load) note(name string, v float64) {
	q := min(3, int(4*time.Since(l.begun)/l.span))
	l.mtx.Lock()
	defer l.mtx.Unlock()
	if l.values == nil {
		l.values = map[string][4][]float64{}
	}
	all := l.values[name]
	all[q] = append(all[q], v)
	l.values[name] = all
}

func (l *load) fail(err error) { l.err.CompareAndSwap(nil, &err) }

// body is new events in the order of the templates, of the second that is.
func (l *load) body(rnd *rand.Rand) []byte {
	var b bytes.Buffer
	at := time.Now().UTC().Format(time.RFC3339)
	from := rnd.IntN(len(l.stamps))
	for i := range bodyEvents {
		s := &l.stamps[(from+i)%len(l.stamps)]
		start := b.Len()
		b.Write(s.raw)
		b.WriteByte('\n')
		raw := b.Bytes()[start:]
		copy(raw[s.time:], at)
		copy(raw[s.id:], newID(uint64(l.next.Add(1)), rnd))
	}
	return b.Bytes()
}

// newID is a UUID that holds a number.
func newID(n uint64, rnd *rand.Rand) string {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(rnd.Uint64()), byte(n>>(8*i))
	}
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// push sends a body every so often, whatever the daemon does meanwhile.
func (l *load) push(ctx context.Context, client int, every time.Duration) {
	rnd := rand.New(rand.NewPCG(uint64(client), 8))
	tick := time.NewTicker(every)
	defer tick.Stop()
	d := &driver{node: l.node}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		body := l.body(rnd)
		begun := time.Now()
		// What has begun is finished, so that it is known what was stored.
		code, answer, err := d.pushOnce(context.WithoutCancel(ctx), client, body, []string{"Content-Type", "application/x-ndjson"})
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("a push was answered %d: %s", code, answer)
		}
		if err == nil {
			err = acknowledged(answer, bodyEvents)
		}
		if err != nil {
			l.fail(err)
			return
		}
		l.pushed.Add(bodyEvents)
		l.note("push", float64(time.Since(begun).Microseconds())/1000)
	}
}

// questions are what dashboards and people ask, over the last minutes: what is
// older makes no question slower.
func (l *load) questions() map[string]func(rnd *rand.Rand) (string, url.Values) {
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	return map[string]func(rnd *rand.Rand) (string, url.Values){
		"query": func(rnd *rand.Rand) (string, url.Values) {
			expr := []string{
				`sum by (service) (sum_over_time(activity_events[5m]))`,
				`topk(5, sum by (identity) (sum_over_time(activity_identity_events[5m])))`,
				`sum by (outcome) (sum_over_time(activity_events{access="write"}[1m]))`,
			}[rnd.IntN(3)]
			now := time.Now()
			return "/api/v1/query_range", url.Values{"query": {expr}, "start": {unix(now.Add(-5 * time.Minute))}, "end": {unix(now)}, "step": {"15"}}
		},
		"search": func(rnd *rand.Rand) (string, url.Values) {
			now := time.Now()
			v := url.Values{"start": {unix(now.Add(-time.Minute))}, "end": {unix(now.Add(time.Second))}}
			if rnd.IntN(4) == 0 {
				v.Set("by", "service")
				v.Set("step", "10")
				return "/api/v1/events/volume", v
			}
			v.Set("filter", []string{`access="write" outcome="error"`, `service="iam.amazonaws.com"`, `operation=~"Delete.*"`}[rnd.IntN(3)])
			v.Set("limit", "100")
			return "/api/v1/events", v
		},
		"list": func(rnd *rand.Rand) (string, url.Values) {
			return []string{"/api/v1/insights", "/api/v1/alerts", "/api/v1/coverage"}[rnd.IntN(3)], url.Values{}
		},
	}
}

// askEvery is how often each kind of question is asked.
const askEvery = 250 * time.Millisecond

func (l *load) ask(ctx context.Context, kind string, question func(*rand.Rand) (string, url.Values)) {
	rnd := rand.New(rand.NewPCG(uint64(len(kind)), 9))
	for pause(ctx, askEvery) {
		path, v := question(rnd)
		begun := time.Now()
		code, answer, err := l.node.do(ctx, http.MethodGet, path+"?"+v.Encode(), nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.fail(err)
			return
		case code != http.StatusOK:
			l.fail(fmt.Errorf("GET %s?%s: %d: %s", path, v.Encode(), code, answer))
			return
		}
		l.note(kind, float64(time.Since(begun).Microseconds())/1000)
	}
}

// watch follows the insights as they come, and comes back every half minute, as
// browsers do.
func (l *load) watch(ctx context.Context) {
	client := &http.Client{}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		visit, cancel := context.WithTimeout(ctx, 30*time.Second)
		req, err := http.NewRequestWithContext(visit, http.MethodGet, l.node.url+"/api/v1/insights/live", nil)
		if err == nil {
			var res *http.Response
			if res, err = client.Do(req); err == nil {
				if res.StatusCode != http.StatusOK {
					l.fail(fmt.Errorf("following insights: %s", res.Status))
				}
				_, _ = io.Copy(io.Discard, bufio.NewReader(res.Body))
				res.Body.Close()
			}
		}
		if err != nil && visit.Err() == nil {
			l.fail(fmt.Errorf("following insights: %w", err))
		}
		cancel()
	}
}

// sample looks at the process until ctx ends.
func (l *load) sample(ctx context.Context, every time.Duration) {
	pid := l.node.cmd.Process.Pid
	for pause(ctx, every) {
		if rss, err := residentMB(pid); err == nil {
			l.note("memory MB", rss)
		}
		if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			l.note("open files", float64(len(fds)))
		}
		if m, err := l.node.metrics(ctx); err == nil {
			l.note("goroutines", m["go_goroutines"])
		}
	}
}

func residentMB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

// quarters are medians of samples, and median and 99th percentile of latencies,
// by quarter of the run.
func (l *load) quarters() map[string][4]float64 {
	out := map[string][4]float64{}
	for name, quarters := range l.values {
		_, plain := tolerances[name]
		for q, vs := range quarters {
			slices.Sort(vs)
			at := func(p float64) float64 {
				if len(vs) == 0 {
					return 0
				}
				return vs[min(len(vs)-1, int(p*float64(len(vs))))]
			}
			set := func(key string, v float64) {
				all := out[key]
				all[q] = v
				out[key] = all
			}
			if plain {
				set(name, at(0.5))
			} else {
				set(name+" p50 ms", at(0.5))
				set(name+" p99 ms", at(0.99))
			}
		}
	}
	return out
}

func printed(table map[string][4]float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s %10s %10s %10s %10s\n", "median of", "quarter 1", "2", "3", "4")
	for _, name := range slices.Sorted(maps.Keys(table)) {
		q := table[name]
		fmt.Fprintf(&b, "%-16s %10.1f %10.1f %10.1f %10.1f\n", name, q[0], q[1], q[2], q[3])
	}
	return b.String()
}
