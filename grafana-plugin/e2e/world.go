package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
)

// The tokens that the daemon of a world takes.
const (
	ReadToken = "read-token-0123456789"
	// PushToken may push events, and nothing else.
	PushToken = "push-token-0123456789"
)

const (
	days       = 8
	identities = 13
	accounts   = 2
	// liveSpan is how much traffic there is beyond the history, to be pushed.
	liveSpan = 10 * time.Minute
)

// now is when every world begins to live: a Tuesday afternoon. From then on its
// clock runs as ours does.
var now = time.Date(2026, time.March, 10, 15, 0, 0, 0, time.UTC)

// World is a daemon with days of traffic of two accounts, and the plugin before
// it. It is safe for concurrent use.
type World struct {
	// URL is the daemon's address.
	URL string
	// From and Now are when the traffic begins, and the end of its history.
	From, Now time.Time
	// Truth says which attacks are in it.
	Truth simulate.Truth
	// Plugin is asked over gRPC.
	Plugin *Plugin

	dir     string
	traffic *simulate.Traffic
	stop    context.CancelFunc
	done    chan error
}

// script is what happens in the last days, and in the live minutes.
func script() []simulate.Scripted {
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	return []simulate.Scripted{
		{Kind: "new_api_burst", At: before(2 * time.Hour), Duration: 10 * time.Minute},
		{Kind: "burst_x20", At: before(5 * time.Hour), Duration: 12 * time.Minute},
		{Kind: "cred_enum", At: before(26 * time.Hour), Duration: 10 * time.Minute},
		{Kind: simulate.KindKeyAbuse, At: before(29 * time.Hour), Duration: 10 * time.Minute},
		{Kind: "policy_op", At: before(8 * time.Hour), Account: 1},
		{Kind: "password_op", At: before(30 * time.Hour), Account: 1},
		{Kind: "trail_op", At: before(3 * time.Hour), Account: 1},
		{Kind: "ip_unknown", At: before(6 * time.Hour)},
		{Kind: "burst_x20", At: before(4 * time.Minute), Duration: 12 * time.Minute, Account: 1},
		{Kind: "trail_op", At: now.Add(2 * time.Minute)},
	}
}

// Start makes a world under a folder that is the caller's to delete. It takes
// some seconds. Stop it.
func Start(ctx context.Context, dir string) (_ *World, err error) {
	w := &World{From: now.Add(-days * 24 * time.Hour), Now: now, dir: dir, done: make(chan error, 1)}
	o := simulate.Options{
		Seed: 11, Start: w.From, Days: days + liveSpan.Hours()/24, WarmupDays: days,
		Accounts: accounts, Identities: identities, Activity: 0.6, Benign: -1, Script: script(),
	}
	if w.traffic, err = simulate.New(o); err != nil {
		return nil, fmt.Errorf("making traffic: %w", err)
	}
	w.Truth = w.traffic.Truth()
	history := filepath.Join(dir, "history.ndjson")
	if err := w.writeHistory(history); err != nil {
		return nil, err
	}
	c := config.Default()
	c.Lateness = time.Minute // The traffic comes in order.
	c.Sources = []config.Source{{Type: "file", Name: "history", Path: history, Follow: true, PollInterval: time.Minute}}
	c.Web.Tokens = []config.Token{
		{Name: "grafana", Scopes: []string{"read"}, Token: ReadToken},
		{Name: "shipper", Scopes: []string{"ingest"}, Token: PushToken},
	}
	began := time.Now()
	d, err := daemon.New(daemon.Options{
		Config: c, StoragePath: filepath.Join(dir, "data"), ListenAddresses: []string{"127.0.0.1:0"},
		Tick: 50 * time.Millisecond, PushIdle: 2 * time.Second,
		Now: func() time.Time { return now.Add(time.Since(began)) },
	})
	if err != nil {
		return nil, fmt.Errorf("making the daemon: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() { w.done <- d.Run(running) }()
	select {
	case <-d.CaughtUp():
	case err := <-w.done:
		cancel()
		return nil, fmt.Errorf("running the daemon: %w", err)
	case <-ctx.Done():
		cancel()
		return nil, errors.Join(ctx.Err(), <-w.done)
	}
	w.URL = d.URL()
	if w.Plugin, err = StartPlugin(); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

// StopDaemon stops the daemon and leaves the plugin: it is away then.
func (w *World) StopDaemon() error {
	if w.stop == nil {
		return nil
	}
	w.stop()
	w.stop = nil
	return <-w.done
}

// Stop stops everything.
func (w *World) Stop() error {
	var err error
	if w.Plugin != nil {
		err = w.Plugin.Stop()
	}
	return errors.Join(err, w.StopDaemon())
}

func (w *World) writeHistory(name string) error {
	var b bytes.Buffer
	for r := range w.traffic.Records() {
		if r.Time.Before(w.Now) {
			b.Write(r.JSON)
			b.WriteByte('\n')
		}
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

// PushLive pushes what happens in the live minutes: an attack on a trail among
// it. It says how many events were new to the daemon.
func (w *World) PushLive(ctx context.Context) (int, error) {
	var b bytes.Buffer
	for r := range w.traffic.Records() {
		if !r.Time.Before(w.Now) {
			b.Write(r.JSON)
			b.WriteByte('\n')
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/api/v1/events?provider=aws&source=live", &b)
	if err != nil {
		return 0, fmt.Errorf("making a push: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Authorization", "Bearer "+PushToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("pushing events: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("pushing events: %s: %s: %w", res.Status, answer, err)
	}
	var said struct {
		Data struct{ Accepted int }
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return 0, fmt.Errorf("reading the answer to a push: %w", err)
	}
	return said.Data.Accepted, nil
}

// Settings are those of a datasource for the daemon, with the token that reads.
func (w *World) Settings() backend.DataSourceInstanceSettings {
	return Settings(w.URL, ReadToken)
}

// Query asks the plugin with the range and the limits that a dashboard of so many
// hours sends. Each query is JSON, or what JSON can be made of.
func (w *World) Query(ctx context.Context, hours float64, queries ...any) (*backend.QueryDataResponse, error) {
	req := &backend.QueryDataRequest{PluginContext: Context(w.Settings())}
	for n, q := range queries {
		dq, err := DataQuery(string(rune('A'+n)), q, w.Now.Add(-time.Duration(hours*float64(time.Hour))), w.Now.Add(time.Minute))
		if err != nil {
			return nil, err
		}
		req.Queries = append(req.Queries, dq)
	}
	return w.Plugin.QueryData(ctx, req)
}
