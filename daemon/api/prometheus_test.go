package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/regexp"
	promclient "github.com/prometheus/client_golang/api"
	promclientv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/client_golang/prometheus"
	prommodel "github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/tsdb"
)

var promEpoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// promWorld is a server over a real TSDB.
type promWorld struct {
	db     *tsdb.DB
	server *httptest.Server
	o      PrometheusOptions
	clock  atomic.Int64 // Unix seconds.
}

func (w *promWorld) now() time.Time { return time.Unix(w.clock.Load(), 0).UTC() }

func newPromWorld(t *testing.T, change func(*PrometheusOptions)) *promWorld {
	w := &promWorld{}
	w.clock.Store(promEpoch.Add(10 * time.Hour).Unix())
	reg := prometheus.NewRegistry()
	var err error
	w.db, err = tsdb.Open(tsdb.Options{Dir: t.TempDir(), Registerer: reg, Now: w.now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.db.Close()) })
	engine := tsdb.NewQueryEngine(tsdb.EngineOptions{})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })

	var metadata []PrometheusMetadata
	for _, m := range tsdb.Metrics {
		metadata = append(metadata, PrometheusMetadata{Name: m.Name, Type: tsdb.MetricType, Help: m.Help})
	}
	w.o = PrometheusOptions{
		Queryable:  w.db.Queryable(),
		Engine:     engine,
		Stats:      w.db,
		Metadata:   metadata,
		Gatherer:   reg,
		Now:        w.now,
		Flags:      map[string]string{"storage.path": "data"},
		ConfigText: func() string { return "sources: []\n" },
		Build:      PrometheusBuild{Version: "0.1.0", Revision: "abc"},
		Started:    promEpoch,
		Retention:  30 * 24 * time.Hour,
	}
	if change != nil {
		change(&w.o)
	}
	h, err := newPrometheus(w.o)
	require.NoError(t, err)
	w.server = httptest.NewServer(h)
	t.Cleanup(w.server.Close)

	// Two operations for an hour: 60 events of one, 120 of the other.
	var samples []tsdb.Sample
	for i, op := range []string{"RunInstances", "StopInstances"} {
		s := tsdb.NewSeries(promlabels.FromStrings(promlabels.MetricName, tsdb.MetricEvents,
			tsdb.LabelProvider, "aws", tsdb.LabelService, "ec2.amazonaws.com", tsdb.LabelOperation, op))
		for m := range 60 {
			samples = append(samples, tsdb.Sample{Series: s, T: tsdb.SampleTime(promEpoch.Add(time.Duration(m) * time.Minute)), V: float64(i + 1)})
		}
	}
	require.NoError(t, w.db.Append(samples))
	return w
}

// call asks for a path and returns the status and the decoded envelope.
func (w *promWorld) call(t *testing.T, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	var req *http.Request
	var err error
	if method == http.MethodPost {
		req, err = http.NewRequestWithContext(t.Context(), method, w.server.URL+path, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req, err = http.NewRequestWithContext(t.Context(), method, w.server.URL+path+"?"+form.Encode(), nil)
		require.NoError(t, err)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if len(body) == 0 {
		return res.StatusCode, nil
	}
	var envelope map[string]any
	require.NoError(t, json.Unmarshal(body, &envelope), "%s", body)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	return res.StatusCode, envelope
}

// Every endpoint that is mounted works, in both forms, with and without
// arguments: a missing retriever would panic.
func TestPrometheusEveryEndpoint(t *testing.T) {
	w := newPromWorld(t, nil)
	good := map[string]url.Values{
		"/query":           {"query": {"sum(sum_over_time(activity_events[1h]))"}, "time": {fmt.Sprint(promEpoch.Add(time.Hour).Unix())}},
		"/query_range":     {"query": {"activity_events"}, "start": {fmt.Sprint(promEpoch.Unix())}, "end": {fmt.Sprint(promEpoch.Add(time.Hour).Unix())}, "step": {"60"}},
		"/query_exemplars": {"query": {"activity_events"}},
		"/format_query":    {"query": {"sum( activity_events )"}},
		"/parse_query":     {"query": {"sum( activity_events )"}},
		"/series":          {"match[]": {"activity_events"}},
	}
	for _, r := range promRoutes {
		path := promPrefix + strings.ReplaceAll(r.path, "{name}", "operation")
		for _, m := range r.methods {
			code, envelope := w.call(t, m, path, good[r.path])
			require.Equal(t, http.StatusOK, code, "%s %s: %v", m, path, envelope)
			require.Equal(t, "success", envelope["status"])
			require.Contains(t, envelope, "data")
			// Whatever else is asked, it is answered.
			code, envelope = w.call(t, m, path, url.Values{"query": {"("}, "match[]": {"("}, "limit": {"x"}, "start": {"x"}, "end": {"x"}, "step": {"x"}, "limit_per_metric": {"x"}})
			if code == http.StatusBadRequest {
				require.Equal(t, "error", envelope["status"])
				require.Equal(t, "bad_data", envelope["errorType"])
			} else {
				require.Equal(t, http.StatusOK, code, "%s %s", m, path)
			}
			_, _ = w.call(t, m, path, nil)
		}
		code, _ := w.call(t, http.MethodOptions, path, nil)
		require.Equal(t, http.StatusNoContent, code)
	}
	// What would panic or write is not there.
	for _, path := range []string{
		"/targets", "/targets/metadata", "/scrape_pools", "/alertmanagers", "/rules", "/alerts",
		"/read", "/write", "/otlp/v1/metrics", "/admin/tsdb/snapshot", "/admin/tsdb/delete_series", "/status/walreplay",
		"/notifications", "/notifications/live", "/features", "/openapi.yaml", "/search/metric_names", "/status/tsdb/blocks",
	} {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			res, err := http.DefaultClient.Do(promMust(http.NewRequestWithContext(t.Context(), m, w.server.URL+promPrefix+path, nil)))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusNotFound, res.StatusCode, "%s %s", m, path)
		}
	}
}

func promMust(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

// Prometheus' own client understands what is answered.
func TestPrometheusClient(t *testing.T) {
	w := newPromWorld(t, nil)
	client, err := promclient.NewClient(promclient.Config{Address: w.server.URL})
	require.NoError(t, err)
	api := promclientv1.NewAPI(client)
	ctx := context.Background()
	from, to := promEpoch, promEpoch.Add(time.Hour)

	v, warnings, err := api.Query(ctx, "sum by (operation) (sum_over_time(activity_events[1h]))", to)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, prommodel.ValVector, v.Type())
	sums := map[string]float64{}
	for _, s := range v.(prommodel.Vector) {
		sums[string(s.Metric["operation"])] = float64(s.Value)
	}
	require.Equal(t, map[string]float64{"RunInstances": 60, "StopInstances": 120}, sums)

	v, _, err = api.QueryRange(ctx, `activity_events{operation="RunInstances"}`, promclientv1.Range{Start: from, End: to, Step: time.Minute})
	require.NoError(t, err)
	matrix := v.(prommodel.Matrix)
	require.Len(t, matrix, 1)
	require.Len(t, matrix[0].Values, 60)
	require.Equal(t, prommodel.TimeFromUnixNano(from.Add(time.Minute).UnixNano()), matrix[0].Values[0].Timestamp)

	v, _, err = api.Query(ctx, "scalar(vector(7))", to)
	require.NoError(t, err)
	require.Equal(t, prommodel.ValScalar, v.Type())

	names, _, err := api.LabelNames(ctx, nil, from, to)
	require.NoError(t, err)
	require.Contains(t, names, prommodel.LabelName("operation"))
	values, _, err := api.LabelValues(ctx, "operation", []string{"activity_events"}, from, to)
	require.NoError(t, err)
	require.Equal(t, prommodel.LabelValues{"RunInstances", "StopInstances"}, values)
	series, _, err := api.Series(ctx, []string{"activity_events"}, from, to)
	require.NoError(t, err)
	require.Len(t, series, 2)

	metadata, err := api.Metadata(ctx, "", "")
	require.NoError(t, err)
	require.Len(t, metadata, len(tsdb.Metrics))
	require.Equal(t, promclientv1.MetricTypeGauge, metadata[tsdb.MetricEvents][0].Type)
	require.Contains(t, metadata[tsdb.MetricEvents][0].Help, "sum_over_time")
	metadata, err = api.Metadata(ctx, tsdb.MetricEvents, "")
	require.NoError(t, err)
	require.Equal(t, []string{tsdb.MetricEvents}, slices.Collect(maps.Keys(metadata)))
	metadata, err = api.Metadata(ctx, "", "2")
	require.NoError(t, err)
	require.Len(t, metadata, 2)
	metadata, err = api.Metadata(ctx, "none", "")
	require.NoError(t, err)
	require.Empty(t, metadata)

	build, err := api.Buildinfo(ctx)
	require.NoError(t, err)
	require.Equal(t, promAPIVersion, build.Version)
	require.Equal(t, "abc", build.Revision)
	cfg, err := api.Config(ctx)
	require.NoError(t, err)
	require.Equal(t, "sources: []\n", cfg.YAML)
	flags, err := api.Flags(ctx)
	require.NoError(t, err)
	require.Equal(t, promclientv1.FlagsResult{"storage.path": "data"}, flags)
	info, err := api.Runtimeinfo(ctx)
	require.NoError(t, err)
	require.Equal(t, "30d", info.StorageRetention)
	require.True(t, info.ReloadConfigSuccess)
	require.Equal(t, promEpoch, info.StartTime)
	stats, err := api.TSDB(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, stats.HeadStats.NumSeries)
	require.Equal(t, 2, stats.HeadStats.ChunkCount)
	require.Equal(t, "activity_events", stats.SeriesCountByMetricName[0].Name)
	exemplars, err := api.QueryExemplars(ctx, "activity_events", from, to)
	require.NoError(t, err)
	require.Empty(t, exemplars)

	_, _, err = api.Query(ctx, "sum(", to)
	require.ErrorContains(t, err, "bad_data")
	_, _, err = api.QueryRange(ctx, "activity_events", promclientv1.Range{Start: from, End: from.AddDate(1, 0, 0), Step: time.Second})
	require.ErrorContains(t, err, "11,000 points")
}

func TestPrometheusQueriesWithoutTime(t *testing.T) {
	w := newPromWorld(t, nil)
	w.clock.Store(promEpoch.Add(time.Hour).Unix())
	code, envelope := w.call(t, http.MethodGet, "/api/v1/query", url.Values{"query": {"sum(activity_events)"}})
	require.Equal(t, http.StatusOK, code)
	result := envelope["data"].(map[string]any)["result"].([]any)
	require.Equal(t, []any{float64(w.clock.Load()), "3"}, result[0].(map[string]any)["value"])
}

func TestPrometheusUnavailable(t *testing.T) {
	ready := false
	w := newPromWorld(t, func(o *PrometheusOptions) { o.Ready = func() bool { return ready } })
	code, envelope := w.call(t, http.MethodGet, "/api/v1/query", url.Values{"query": {"1"}})
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "unavailable", envelope["errorType"])
	ready = true
	code, _ = w.call(t, http.MethodGet, "/api/v1/query", url.Values{"query": {"1"}})
	require.Equal(t, http.StatusOK, code)
	// Series that are closed answer 503 wherever they are found to be.
	require.NoError(t, w.db.Close())
	for path, form := range map[string]url.Values{
		"/query":                  {"query": {"activity_events"}},
		"/query_range":            {"query": {"activity_events"}, "start": {"0"}, "end": {"60"}, "step": {"60"}},
		"/series":                 {"match[]": {"activity_events"}},
		"/labels":                 nil,
		"/label/operation/values": nil,
		"/status/tsdb":            nil,
	} {
		code, envelope = w.call(t, http.MethodGet, promPrefix+path, form)
		require.Equal(t, http.StatusServiceUnavailable, code, "%s: %v", path, envelope)
		require.Equal(t, "error", envelope["status"])
	}
}

func TestPrometheusErrorCode(t *testing.T) {
	code, ok := promErrorCode(3, promtsdb.ErrNotReady)
	require.True(t, ok)
	require.Equal(t, http.StatusServiceUnavailable, code)
	code, ok = promErrorCode(6, io.EOF) // ErrorUnavailable
	require.True(t, ok)
	require.Equal(t, http.StatusServiceUnavailable, code)
	_, ok = promErrorCode(3, io.EOF)
	require.False(t, ok)
}

func TestPrometheusBounds(t *testing.T) {
	w := newPromWorld(t, func(o *PrometheusOptions) { o.MaxConcurrent = 1 })
	code, envelope := w.call(t, http.MethodPost, "/api/v1/query", url.Values{"query": {strings.Repeat("x", promMaxBody)}})
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, envelope["error"], "10485760 bytes")

	h, err := newPrometheus(w.o)
	require.NoError(t, err)
	h.gate <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/labels", nil))
	require.Equal(t, http.StatusServiceUnavailable, rec.Code)
}

func TestPrometheusCORS(t *testing.T) {
	for _, c := range []struct {
		allow *regexp.Regexp
		want  string
	}{
		{nil, ""},
		{regexp.MustCompile("^(?:.*)$"), "*"},
		{regexp.MustCompile("^https://grafana$"), "https://grafana"},
		{regexp.MustCompile("^https://other$"), ""},
	} {
		w := newPromWorld(t, func(o *PrometheusOptions) { o.CORSOrigin = c.allow })
		for _, path := range []string{"/labels", "/metadata"} {
			for _, m := range []string{http.MethodGet, http.MethodOptions} {
				req := promMust(http.NewRequestWithContext(t.Context(), m, w.server.URL+promPrefix+path, nil))
				req.Header.Set("Origin", "https://grafana")
				res, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, c.want, res.Header.Get("Access-Control-Allow-Origin"), path)
			}
		}
	}
}

func TestPrometheusRefusesOptions(t *testing.T) {
	w := newPromWorld(t, nil)
	for _, change := range []func(*PrometheusOptions){
		func(o *PrometheusOptions) { o.Queryable = nil },
		func(o *PrometheusOptions) { o.Engine = nil },
		func(o *PrometheusOptions) { o.Stats = nil },
		func(o *PrometheusOptions) { o.MaxConcurrent = -1 },
	} {
		o := w.o
		change(&o)
		_, err := newPrometheus(o)
		require.Error(t, err)
	}
}

// The version that clients are told is that of the module that answers them.
func TestPrometheusVersion(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(t, err)
	minor := strings.Split(promAPIVersion, ".")
	// Prometheus 3.15.0 is the Go module v0.315.0.
	require.Contains(t, string(mod), fmt.Sprintf("github.com/prometheus/prometheus v0.%s%s.%s", minor[0], minor[1], minor[2]))
}

// The real promtool asks the real server.
func TestPrometheusPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	w := newPromWorld(t, nil)
	out, err := exec.CommandContext(t.Context(), promtool, "query", "instant", "--time", promEpoch.Add(time.Hour).Format(time.RFC3339),
		w.server.URL, "sum(sum_over_time(activity_events[1h]))").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "=> 180 @")
	out, err = exec.CommandContext(t.Context(), promtool, "query", "range", "--start", promEpoch.Format(time.RFC3339),
		"--end", promEpoch.Add(time.Hour).Format(time.RFC3339), "--step", "1m", w.server.URL, "sum(activity_events)").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 60, strings.Count(string(out), "3 @["))
	out, err = exec.CommandContext(t.Context(), promtool, "query", "labels", w.server.URL, "operation").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "StopInstances")
}
