package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/simulate"
)

// pushClients is how many clients push at once. They share one address, so that
// the daemon takes them for one, as it does collectors behind a proxy.
const pushClients = 8

// BenchmarkPush measures events that clients of the same process push over HTTP
// to a whole daemon, which answers a body once it is durable. Beside it, in the
// same run, is the floor: the same bodies parsed. The processor time includes
// that of the clients, and the final pass as far as it comes while they push.
func BenchmarkPush(b *testing.B) {
	end := time.Now().UTC().Truncate(time.Minute)
	tr, err := simulate.New(simulate.Options{
		Seed: 3, Start: end.Add(-24 * time.Hour), Days: 1, WarmupDays: 1, Identities: 150, Benign: -1,
	})
	require.NoError(b, err)
	var records [][]byte
	for r := range tr.Records() {
		records = append(records, bytes.Clone(r.JSON))
	}
	for _, perBody := range []int{1000, 100} {
		b.Run(fmt.Sprintf("Events=%d", perBody), func(b *testing.B) { benchmarkPush(b, records, perBody) })
	}
}

// bodies joins records to bodies of CloudTrail's form.
func bodies(records [][]byte, perBody int) [][]byte {
	var out [][]byte
	for at := 0; at < len(records); at += perBody {
		body := []byte(`{"Records":[`)
		for i, r := range records[at:min(at+perBody, len(records))] {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, r...)
		}
		out = append(out, append(body, `]}`...))
	}
	return out
}

func benchmarkPush(b *testing.B, records [][]byte, perBody int) {
	all := bodies(records, perBody)
	var floor, line, wall time.Duration
	events := 0
	for b.Loop() {
		before := cpu(b)
		n := 0
		for _, body := range all {
			n += parseAll(b, body)
		}
		floor += cpu(b) - before
		require.Equal(b, len(records), n)

		d := receiver(b)
		runtime.GC()
		before = cpu(b)
		begun := time.Now()
		require.NoError(b, pushAll(d, all))
		wall += time.Since(begun)
		line += cpu(b) - before
		require.Equal(b, uint64(n), d.log.Stats().Events)
		events += n
		d.end()
	}
	b.ReportMetric(float64(line.Nanoseconds())/float64(events)/1000, "line-cpu-µs/event")
	b.ReportMetric(float64(floor.Nanoseconds())/float64(events)/1000, "floor-cpu-µs/event")
	b.ReportMetric(float64(line)/float64(floor), "line/floor")
	b.ReportMetric(float64(events)/wall.Seconds(), "events/s")
}

// receiving is a daemon of a benchmark, and a client of it.
type receiving struct {
	*Daemon
	client *http.Client
	end    func()
}

// receiver starts a daemon with a storage of its own.
func receiver(b *testing.B) *receiving {
	b.Helper()
	d, err := New(Options{StoragePath: b.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	transport := &http.Transport{MaxIdleConnsPerHost: pushClients}
	r := &receiving{Daemon: d, client: &http.Client{Transport: transport}}
	r.end = func() {
		transport.CloseIdleConnections()
		cancel()
		require.NoError(b, <-done)
	}
	require.Eventually(b, func() bool {
		res, err := r.client.Get(d.URL() + "/-/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
	return r
}

// pushAll pushes bodies, several at a time, each once the one before it was
// answered.
func pushAll(d *receiving, all [][]byte) error {
	var next atomic.Int64
	var g errgroup.Group
	for range pushClients {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return nil
				}
				if err := pushOne(d.client, d.URL(), all[i]); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func pushOne(client *http.Client, url string, body []byte) error {
	res, err := client.Post(url+"/api/v1/events", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, answer)
	}
	return err
}

// parseAll is the floor of a body: every record parsed.
func parseAll(b *testing.B, body []byte) int {
	b.Helper()
	r := event.NewReader(bytes.NewReader(body), event.ReaderOptions{})
	for n := 0; ; n++ {
		var e event.Event
		err := r.Next(&e)
		if err == io.EOF {
			return n
		}
		require.NoError(b, err)
	}
}
