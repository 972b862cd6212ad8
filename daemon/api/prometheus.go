package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	prommodel "github.com/prometheus/common/model"
	promroute "github.com/prometheus/common/route"
	promconfig "github.com/prometheus/prometheus/config"
	promexemplar "github.com/prometheus/prometheus/model/exemplar"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	promparser "github.com/prometheus/prometheus/promql/parser"
	promstorage "github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	promhttputil "github.com/prometheus/prometheus/util/httputil"
	promv1 "github.com/prometheus/prometheus/web/api/v1"
)

// promAPIVersion is the version of Prometheus whose API this is. Clients read it
// from status/buildinfo to know what they can ask for, so it is not ours.
const promAPIVersion = "3.15.0"

const (
	promPrefix = "/api/v1"
	// promMaxBody bounds the body of a form, in bytes.
	promMaxBody = 10 << 20
)

// promRoutes are the endpoints of Prometheus' API that are served, by path below
// promPrefix: those that do not need scrape targets, rules or a write path.
var promRoutes = []struct {
	path    string
	methods []string
}{
	{"/query", []string{http.MethodGet, http.MethodPost}},
	{"/query_range", []string{http.MethodGet, http.MethodPost}},
	{"/query_exemplars", []string{http.MethodGet, http.MethodPost}},
	{"/format_query", []string{http.MethodGet, http.MethodPost}},
	{"/parse_query", []string{http.MethodGet, http.MethodPost}},
	{"/series", []string{http.MethodGet, http.MethodPost}},
	{"/labels", []string{http.MethodGet, http.MethodPost}},
	{"/label/{name}/values", []string{http.MethodGet}},
	{"/metadata", []string{http.MethodGet}},
	{"/status/buildinfo", []string{http.MethodGet}},
	{"/status/config", []string{http.MethodGet}},
	{"/status/flags", []string{http.MethodGet}},
	{"/status/runtimeinfo", []string{http.MethodGet}},
	{"/status/tsdb", []string{http.MethodGet}},
}

// PrometheusStats tells what the head of the series holds. It is safe for
// concurrent use.
type PrometheusStats interface {
	Stats(statsByLabelName string, limit int) (*promtsdb.Stats, error)
}

// PrometheusMetadata describes one metric that queries can see.
type PrometheusMetadata struct {
	Name string
	// Type is Prometheus' word: gauge, counter, ….
	Type string
	Help string
	Unit string
}

// PrometheusBuild says what this program was built from.
type PrometheusBuild struct {
	Version   string
	Revision  string
	Branch    string
	BuildUser string
	BuildDate string
}

// PrometheusOptions say what Prometheus' part of the API answers from.
type PrometheusOptions struct {
	// Queryable and Engine answer queries. Both are required.
	Queryable promstorage.SampleAndChunkQueryable
	Engine    promql.QueryEngine
	// Stats are what status/tsdb shows. They are required.
	Stats PrometheusStats
	// Metadata lists the metrics, in the order in which a limit cuts them off.
	Metadata []PrometheusMetadata
	// OwnMetadata lists the metrics of the daemon itself that queries can see. It
	// may be nil.
	OwnMetadata func() []PrometheusMetadata
	// MaxConcurrent bounds the requests that are answered at once; others wait.
	// 0 is 100. Queries are bounded by the engine besides.
	MaxConcurrent int
	// Wait is for how long they wait at most: 5 seconds.
	Wait time.Duration

	Logger *slog.Logger
	// Gatherer has the metrics of the TSDB, for status/tsdb. It may be nil.
	Gatherer prometheus.Gatherer
	// Now is the clock, time.Now where it is nil: when queries without a time
	// are evaluated.
	Now func() time.Time
	// Flags and ConfigText are what status/flags and status/config show. The
	// text has its secrets blanked out. ConfigText may be nil.
	Flags      map[string]string
	ConfigText func() string
	Build      PrometheusBuild
	// Started is when the program started, and Retention how long series are
	// kept, for status/runtimeinfo.
	Started   time.Time
	Retention time.Duration
	// Reloaded tells whether the last reload of the configuration succeeded,
	// and when that was. It may be nil.
	Reloaded func() (ok bool, at time.Time)
	// Ready says whether the series are open. It may be nil. While it says no,
	// requests are answered with unavailable, 503.
	Ready func() bool
	// CORSOrigin matches the origins that browsers may ask from; nil is none.
	CORSOrigin *regexp.Regexp
}

func (o *PrometheusOptions) validate() error {
	switch {
	case o.Queryable == nil:
		return errors.New("no queryable is given")
	case o.Engine == nil:
		return errors.New("no query engine is given")
	case o.Stats == nil:
		return errors.New("no statistics of the series are given")
	case o.MaxConcurrent < 0:
		return fmt.Errorf("maximum of %d concurrent requests is negative", o.MaxConcurrent)
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = 100
	}
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.Gatherers{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Flags == nil {
		o.Flags = map[string]string{}
	}
	if o.ConfigText == nil {
		o.ConfigText = func() string { return "" }
	}
	if o.Reloaded == nil {
		started := o.Started
		o.Reloaded = func() (bool, time.Time) { return true, started }
	}
	if o.Ready == nil {
		o.Ready = func() bool { return true }
	}
	if o.CORSOrigin == nil {
		o.CORSOrigin = regexp.MustCompile(`^\b$`)
	}
	return nil
}

// promHandler serves Prometheus' part of the API.
type promHandler struct {
	o PrometheusOptions
	// upstream has Prometheus' own handlers, below no prefix.
	upstream *promroute.Router
	gate     chan struct{}
	mux      *http.ServeMux
}

// newPrometheus returns a handler of promRoutes.
func newPrometheus(o PrometheusOptions) (*promHandler, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("setting up Prometheus' API: %w", err)
	}
	h := &promHandler{o: o, upstream: promroute.New(), gate: make(chan struct{}, o.MaxConcurrent), mux: http.NewServeMux()}
	h.newAPI().Register(h.upstream)
	h.Register(h.mux)
	return h, nil
}

// Register puts the endpoints on mux, each by its method and path.
func (h *promHandler) Register(mux *http.ServeMux) {
	own := map[string]http.HandlerFunc{
		"/metadata":         h.metadata,
		"/status/config":    h.config,
		"/status/buildinfo": h.buildInfo,
	}
	for _, r := range promRoutes {
		// Prometheus' own handlers see to the headers for browsers themselves.
		serve := http.HandlerFunc(http.StripPrefix(promPrefix, h.upstream).ServeHTTP)
		if f, ok := own[r.path]; ok {
			serve = h.cors(f)
		}
		for _, m := range append([]string{http.MethodOptions}, r.methods...) {
			mux.HandleFunc(m+" "+promPrefix+r.path, h.wrap(r.path, serve))
		}
	}
}

// ServeHTTP serves the endpoints, for who has no mux.
func (h *promHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// cors lets the browsers of the allowed origins read what serve answers.
func (h *promHandler) cors(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		promhttputil.SetCORS(w, h.o.CORSOrigin, r)
		serve(w, r)
	}
}

// wrap bounds what a request may cost before Prometheus sees it.
func (h *promHandler) wrap(path string, serve http.HandlerFunc) http.HandlerFunc {
	fail := func(w http.ResponseWriter, r *http.Request, code int, errorType, text string) {
		h.cors(func(w http.ResponseWriter, _ *http.Request) { promError(w, code, errorType, text) })(w, r)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			h.cors(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })(w, r)
			return
		}
		if !h.o.Ready() {
			fail(w, r, http.StatusServiceUnavailable, "unavailable", "the series are not open yet")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, promMaxBody)
		if err := r.ParseForm(); err != nil {
			if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
				err = fmt.Errorf("the form exceeds the bound of %d bytes", tooLarge.Limit)
			}
			fail(w, r, http.StatusBadRequest, "bad_data", err.Error())
			return
		}
		if path == "/query" && r.Form.Get("time") == "" {
			r.Form.Set("time", strconv.FormatFloat(float64(h.o.Now().UnixMilli())/1000, 'f', 3, 64))
		}
		err := enter(r.Context(), h.gate, h.o.Wait)
		switch {
		case errors.Is(err, errFull):
			fail(w, r, http.StatusServiceUnavailable, "unavailable", fmt.Sprintf("%d queries are under way, which is the limit (web.limits.max_concurrent_queries); try again", cap(h.gate)))
			return
		case err != nil:
			fail(w, r, http.StatusServiceUnavailable, "unavailable", "the request waited for its turn until it was given up")
			return
		}
		defer func() { <-h.gate }()
		serve(w, r)
	}
}

// newAPI makes Prometheus' own API. It is the only place that knows the order of
// its parameters. What it gets no retriever for is not in promRoutes.
func (h *promHandler) newAPI() *promv1.API {
	o := h.o
	return promv1.NewAPI(
		o.Engine,
		o.Queryable,
		nil, nil, // no remote write
		promExemplars{},
		nil, // scrape pools
		nil, // targets
		nil, // Alertmanagers
		func() promconfig.Config { return promconfig.Config{} },
		o.Flags,
		promv1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		promStats{o.Stats},
		"",       // the directory that snapshots go to
		false,    // no admin endpoints
		false, 0, // no search endpoints
		o.Logger,
		nil,         // rules
		0, 1, 1<<20, // remote read, which is not served
		false, // not an agent
		o.CORSOrigin,
		h.runtimeInfo,
		&promv1.PrometheusVersion{},
		nil, nil, // no notifications
		o.Gatherer,
		nil, // a registerer for remote read
		nil, // the default renderer of statistics
		false, nil,
		false, false, false, // no OTLP
		false,
		time.Minute,
		false,
		false,
		promErrorCode,
		nil,
		promv1.OpenAPIOptions{},
		promparser.NewParser(promparser.Options{}),
	)
}

// promErrorCode makes unavailable 503, where Prometheus answers 500. Its first
// parameter has a type that Prometheus does not export.
func promErrorCode[N ~int](n N, err error) (int, bool) {
	if stored, ok := errors.AsType[promql.ErrStorage](err); ok {
		err = stored.Err
	}
	if n == N(promv1.ErrorUnavailable) || errors.Is(err, promtsdb.ErrNotReady) {
		return http.StatusServiceUnavailable, true
	}
	return 0, false
}

// runtimeInfo is what status/runtimeinfo shows.
func (h *promHandler) runtimeInfo() (promv1.RuntimeInfo, error) {
	ok, at := h.o.Reloaded()
	info := promv1.RuntimeInfo{
		StartTime:           h.o.Started.UTC(),
		ServerTime:          h.o.Now().UTC(),
		ReloadConfigSuccess: ok,
		LastConfigTime:      at.UTC(),
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		GOMEMLIMIT:          debug.SetMemoryLimit(-1),
	}
	if h.o.Retention > 0 {
		info.StorageRetention = prommodel.Duration(h.o.Retention).String()
	}
	var err error
	if info.Hostname, err = os.Hostname(); err != nil {
		return info, fmt.Errorf("asking for the host's name: %w", err)
	}
	if info.CWD, err = os.Getwd(); err != nil {
		return info, fmt.Errorf("asking for the working directory: %w", err)
	}
	sample := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
	if runtimemetrics.Read(sample); sample[0].Value.Kind() == runtimemetrics.KindUint64 {
		info.GOGC = strconv.FormatUint(sample[0].Value.Uint64(), 10)
	}
	return info, nil
}

// buildInfo answers status/buildinfo: Prometheus' shape, and what the program is.
func (h *promHandler) buildInfo(w http.ResponseWriter, _ *http.Request) {
	promRespond(w, struct {
		promv1.PrometheusVersion
		Application        string `json:"application"`
		ApplicationVersion string `json:"applicationVersion"`
	}{
		PrometheusVersion: promv1.PrometheusVersion{
			Version:   promAPIVersion,
			Revision:  h.o.Build.Revision,
			Branch:    h.o.Build.Branch,
			BuildUser: h.o.Build.BuildUser,
			BuildDate: h.o.Build.BuildDate,
			GoVersion: runtime.Version(),
		},
		Application:        "insightd",
		ApplicationVersion: h.o.Build.Version,
	})
}

// config answers status/config. Prometheus' own shows its own kind of file.
func (h *promHandler) config(w http.ResponseWriter, _ *http.Request) {
	promRespond(w, map[string]string{"yaml": h.o.ConfigText()})
}

// promMetric is one entry of the metadata of a metric.
type promMetric struct {
	Type string `json:"type"`
	Unit string `json:"unit"`
	Help string `json:"help"`
}

// metadata answers as Prometheus does, whose own handler reads scrape targets.
func (h *promHandler) metadata(w http.ResponseWriter, r *http.Request) {
	limit, perMetric := -1, -1
	for name, v := range map[string]*int{"limit": &limit, "limit_per_metric": &perMetric} {
		s := r.Form.Get(name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			promError(w, http.StatusBadRequest, "bad_data", name+" must be a number")
			return
		}
		*v = n
	}
	metric := r.Form.Get("metric")
	found := map[string][]promMetric{}
	all := h.o.Metadata
	if h.o.OwnMetadata != nil {
		all = slices.Concat(all, h.o.OwnMetadata())
	}
	for _, m := range all {
		if metric != "" && m.Name != metric {
			continue
		}
		entries, ok := found[m.Name]
		if !ok && limit >= 0 && len(found) >= limit {
			continue
		}
		if perMetric > 0 && len(entries) >= perMetric {
			continue
		}
		found[m.Name] = append(entries, promMetric{Type: m.Type, Unit: m.Unit, Help: m.Help})
	}
	promRespond(w, found)
}

// promRespond answers with Prometheus' envelope.
func promRespond(w http.ResponseWriter, data any) {
	promWrite(w, http.StatusOK, map[string]any{"status": "success", "data": data})
}

// promError answers with an error in Prometheus' envelope.
func promError(w http.ResponseWriter, code int, errorType, text string) {
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	promWrite(w, code, map[string]any{"status": "error", "errorType": errorType, "error": text})
}

func promWrite(w http.ResponseWriter, code int, v any) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here is the client's: it went away.
	_, _ = w.Write([]byte(b.String()))
}

// promExemplars has no exemplars.
type promExemplars struct{}

func (promExemplars) ExemplarQuerier(context.Context) (promstorage.ExemplarQuerier, error) {
	return promExemplars{}, nil
}

func (promExemplars) Select(int64, int64, ...[]*promlabels.Matcher) ([]promexemplar.QueryResult, error) {
	return []promexemplar.QueryResult{}, nil
}

// errPromAdmin is what the endpoints answer that nobody can reach.
var errPromAdmin = errors.New("not offered")

// promStats is what Prometheus asks its TSDB for, of which status/tsdb needs the
// statistics only.
type promStats struct{ PrometheusStats }

func (promStats) CleanTombstones() error { return errPromAdmin }

func (promStats) Delete(context.Context, int64, int64, ...*promlabels.Matcher) error {
	return errPromAdmin
}

func (promStats) Snapshot(string, bool) error { return errPromAdmin }

func (promStats) WALReplayStatus() (promtsdb.WALReplayStatus, error) {
	return promtsdb.WALReplayStatus{}, errPromAdmin
}

func (promStats) BlockMetas() ([]promtsdb.BlockMeta, error) { return nil, errPromAdmin }
