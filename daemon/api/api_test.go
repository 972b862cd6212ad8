package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/regexp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

func TestInsightFilters(t *testing.T) {
	w := newWorld(t, nil)
	names := map[string]string{}
	for name, id := range w.ids {
		names[id] = name
	}
	f := func(params string, want ...string) {
		t.Helper()
		code, a := w.ask("/api/v1/insights?" + params)
		require.Equal(t, http.StatusOK, code, a.Error)
		require.Empty(t, a.Warnings)
		var list insightList
		require.NoError(t, json.Unmarshal(a.Data, &list))
		got := []string{}
		for _, r := range list.Insights {
			got = append(got, names[r.SharedEventID])
		}
		slices.Sort(got)
		require.Equal(t, append([]string{}, want...), got)
	}
	f("", "account", "calls", "failures")
	f("type=ApiCallRateInsight", "account", "calls")
	f("type=ApiCallRateInsight&type=ApiErrorRateInsight", "account", "calls", "failures")
	f("type=ApiErrorRateInsight,AkInsight", "failures")
	f("state=active", "account", "calls")
	f("state=ended", "failures")
	f("state=withdrawn", "back", "former")
	f("state=withdrawn&provisional=true")
	f("provisional=true", "account")
	f("provisional=false", "calls", "failures")
	f("provider=aws&account="+worldAccount, "account", "calls", "failures")
	f("account=x")
	f("region=us-east-1")
	f("service=s3.amazonaws.com", "account")
	f("operation=PutBucketPolicy", "account")
	f("object=s3.amazonaws.com:PutBucketPolicy", "account")
	f("identity="+url.QueryEscape(worldAnna), "calls", "failures")
	f("user_type=IAMUser", "calls", "failures")
	f("ip=198.51.100.7", "calls", "failures")
	f("country=DE", "calls", "failures")
	f("min_confidence=0.9", "calls")
	f("level=Low", "account")
	f("severity=High", "calls")
	f("kri=Identity+and+Access&high_risk=true&suppressed=false", "calls")
	f("incident=5f0c2a9be1d34c77", "calls", "failures")
	f("suppressed=true", "account")
	f("start=2026-03-09T11:45:00Z", "account", "calls")
	f("end=1773054600.5", "account")
	f("q=RunInstances%203", "calls")
	f("limit=1&sort=-confidence", "calls")

	// The form says the same.
	code, _, b := w.call(http.MethodPost, "/api/v1/insights", strings.NewReader("type=ApiErrorRateInsight"), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, string(b), w.ids["failures"])
	require.NotContains(t, string(b), w.ids["calls"])
}

func TestBadParameters(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Limits.Page = 500
		o.Limits.Range = 48 * time.Hour
		o.Limits.Points = 100
	})
	f := func(path, want string) {
		t.Helper()
		code, a := w.ask(path)
		require.Equal(t, http.StatusBadRequest, code, path)
		require.Equal(t, ErrorBadData, a.ErrorType)
		require.Contains(t, a.Error, want)
	}
	f("/api/v1/insights?start=x", `invalid parameter "start": cannot parse "x" to a time`)
	f("/api/v1/insights?start=NaN", `invalid parameter "start": "NaN" is no time`)
	f("/api/v1/insights?end=1e300", `invalid parameter "end"`)
	f("/api/v1/insights?start=2&end=1", `invalid parameter "end": it is before start`)
	f("/api/v1/insights?state=open", `"open" is not one of active, ended, withdrawn`)
	f("/api/v1/insights?level=high", `invalid parameter "level"`)
	f("/api/v1/insights?severity=Bad", `invalid parameter "severity"`)
	f("/api/v1/insights?min_confidence=2", `"2" is not a number from 0 to 1`)
	f("/api/v1/insights?min_confidence=NaN", `invalid parameter "min_confidence"`)
	f("/api/v1/insights?suppressed=perhaps", `"perhaps" is neither true nor false`)
	f("/api/v1/insights?limit=0", `invalid parameter "limit": "0" is not a number above zero`)
	f("/api/v1/insights?limit=501", `501 is more than 500; page with next`)
	f("/api/v1/insights?sort=size", `sort "size"`)
	f("/api/v1/insights?next=x", `next "x" is not from a page`)
	f("/api/v1/insights?%zz", `reading the parameters`)
	f("/api/v1/incidents?next=x", `next "x"`)
	f("/api/v1/incidents?state=withdrawn", `invalid parameter "state"`)
	f("/api/v1/insights/"+w.ids["calls"]+"/events?limit=x", `invalid parameter "limit"`)
	f("/api/v1/events?direction=up", `invalid parameter "direction"`)
	f("/api/v1/events?filter=%ff", `invalid parameter "filter": it is not UTF-8`)
	f("/api/v1/events?filter=%7B", "filter, column")
	f("/api/v1/events?next=x", "invalid cursor")
	f("/api/v1/events?raw=x", `invalid parameter "raw"`)
	f("/api/v1/events?start=0&end=172801", `the range of 2d1s is longer than 2d`)
	f("/api/v1/events/volume?start=0&end=172801", `the range of 2d1s is longer than 2d`)
	f("/api/v1/events/volume?step=0", `"0" is not above zero`)
	f("/api/v1/events/volume?step=x", `cannot parse "x" to a duration`)
	f("/api/v1/events/volume?step=1e300", `invalid parameter "step"`)
	f("/api/v1/events/volume?step=1s", `the range has 86400 steps, more than 100`)
	f("/api/v1/events/volume?by=colour", `there is no field "colour"; there are provider`)
	f("/api/v1/events/volume?top=101", `"101" is not a number from 0 to 100`)
	f("/api/v1/events/volume?start=2026-03-10T00:00:00Z", `invalid parameter "start": it is in the future`)
	f("/api/v1/events/field/identity/values?limit=-1", `invalid parameter "limit"`)
	f("/api/v1/identities?kind=robot", `invalid parameter "kind"`)
	f("/api/v1/identities?next=broken", `bad data: next "broken"`)
	f("/api/v1/bands", `invalid parameter "selector": it is missing`)
	f("/api/v1/bands?selector=up&step=10m", `must name one of the activity_ metrics`)
	f("/api/v1/bands?selector=activity_events&start=0&end=7000&step=60", `the range has 116 steps, more than 100`)
	f("/api/v1/rules?type=x", `invalid parameter "type"`)

	code, _, b := w.call(http.MethodPost, "/api/v1/insights", strings.NewReader("q="+strings.Repeat("x", maxForm)), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusRequestEntityTooLarge, code)
	require.Contains(t, decode(t, b).Error, "larger than 1048576 bytes")
}

func TestNotFound(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{
		"/api/v1/insights/x", "/api/v1/insights/x/events", "/api/v1/insights/x/records", "/api/v1/incidents/x", "/api/v1/events/x",
		"/api/v1/events/field/colour/values", "/api/v1/identities/x", "/api/v1/nothing", "/api/v1/insights/x/feedback",
		"/api/v1/exceptions/x", "/api/v2", "/nothing", "/-/", "/api/v1/targets",
	} {
		code, a := w.ask(path)
		require.Equal(t, http.StatusNotFound, code, path)
		require.Equal(t, ErrorNotFound, a.ErrorType)
		require.NotEmpty(t, a.Error)
	}
	code, header, b := w.call(http.MethodPost, "/api/v1/coverage", nil)
	require.Equal(t, http.StatusMethodNotAllowed, code)
	require.Equal(t, "GET", header.Get("Allow"))
	require.Contains(t, decode(t, b).Error, "POST is not allowed here, but GET is")
	code, header, _ = w.call(http.MethodDelete, "/api/v1/events", nil)
	require.Equal(t, http.StatusMethodNotAllowed, code)
	require.Equal(t, "GET, POST", header.Get("Allow"))
	code, _, b = w.call(http.MethodHead, "/api/v1/coverage", nil)
	require.Equal(t, http.StatusOK, code)
	require.Empty(t, b)
}

func TestPagesOfEvents(t *testing.T) {
	w := newWorld(t, nil)
	seen := map[string]bool{}
	path := "/api/v1/events?limit=7"
	for next := ""; ; {
		_, a := w.ask(path + next)
		var l eventList
		require.NoError(t, json.Unmarshal(a.Data, &l))
		for _, e := range l.Events {
			require.False(t, seen[e.UID])
			seen[e.UID] = true
		}
		if l.Next == "" {
			break
		}
		next = "&next=" + url.QueryEscape(l.Next)
	}
	require.Len(t, seen, 60)
}

// TestEventNames holds the names in answers against those of the filter
// language.
func TestEventNames(t *testing.T) {
	e := worldEvents()[59]
	b, err := json.Marshal(newEventView(&e))
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(b, &got))
	for _, f := range event.Fields {
		v, ok := got[f.Name]
		require.True(t, ok, f.Name)
		want := f.Value(&e)
		if f.Values != nil {
			require.Equal(t, want, v.([]any)[0])
			continue
		}
		if s := fmt.Sprint(v); f.Name != "session" {
			require.Equal(t, want, s, f.Name)
		}
	}
}

func TestRules(t *testing.T) {
	w := newWorld(t, nil)
	f := func(params string, want ...string) {
		t.Helper()
		_, a := w.ask("/api/v1/rules?" + params)
		var data struct{ Groups []struct{ Name string } }
		require.NoError(t, json.Unmarshal(a.Data, &data))
		got := []string{}
		for _, g := range data.Groups {
			got = append(got, g.Name)
		}
		require.Equal(t, append([]string{}, want...), got)
	}
	f("", "Incident", "AkInsight", "ApiCallRateInsight", "ApiErrorRateInsight", "ours", "rules/ours.yml")
	f("file[]=rules/ours.yml&rule_name[]=bucket-opened", "ours")
	f("type=alert&rule_group[]=AkInsight", "AkInsight")
	f("rule_name[]=AkInsight&rule_name[]=ApiCallRateInsight", "AkInsight", "ApiCallRateInsight")
	f("file[]=detectors&rule_group[]=AkInsight", "AkInsight")
	f("file[]=other")
	f("type=record")
	_, a := w.ask("/api/v1/rules?exclude_alerts=true")
	require.Contains(t, string(a.Data), `"firing"`)
	require.NotContains(t, string(a.Data), worldAnna)
}

func TestManagement(t *testing.T) {
	ready, reloads, quits := false, 0, 0
	var reloadErr error
	change := func(o *Options) {
		o.Lifecycle = Lifecycle{
			Ready:  func() (bool, string) { return ready, "reading 3 of 9 files" },
			Reload: func() error { reloads++; return reloadErr },
			Quit:   func() { quits++ },
		}
	}
	w := newWorld(t, func(o *Options) {
		change(o)
		o.EnableLifecycle = true
	})
	f := func(method, path string, wantCode int, want string) {
		t.Helper()
		code, _, b := w.call(method, path, nil)
		require.Equal(t, wantCode, code, path)
		require.Contains(t, string(b), want)
	}
	f(http.MethodGet, "/-/healthy", http.StatusOK, "insightd is healthy.")
	f(http.MethodHead, "/-/healthy", http.StatusOK, "")
	f(http.MethodGet, "/-/ready", http.StatusServiceUnavailable, "insightd is not ready: reading 3 of 9 files")
	_, a := w.ask("/api/v1/insights")
	require.Equal(t, []string{"the daemon is not ready, and this may not be everything: reading 3 of 9 files"}, a.Warnings)
	ready = true
	f(http.MethodGet, "/-/ready", http.StatusOK, "insightd is ready.")
	f(http.MethodPost, "/-/reload", http.StatusOK, "reloaded")
	reloadErr = errors.New("insightd.yml:3:1: no such field")
	f(http.MethodPut, "/-/reload", http.StatusInternalServerError, "insightd.yml:3:1: no such field")
	f(http.MethodGet, "/-/reload", http.StatusMethodNotAllowed, "PUT")
	f(http.MethodPost, "/-/quit", http.StatusOK, "Goodbye")
	require.Equal(t, 2, reloads)
	require.Equal(t, 1, quits)
	f(http.MethodGet, "/", http.StatusOK, "the page")
	f(http.MethodGet, "/metrics", http.StatusOK, `insight_confidence{account="111122223333"`)
	f(http.MethodGet, "/debug/pprof/", http.StatusOK, "goroutine")
	f(http.MethodGet, "/debug/pprof/goroutine?debug=1", http.StatusOK, "goroutine profile")
	f(http.MethodGet, "/debug/pprof/cmdline", http.StatusOK, "api.test")
	f(http.MethodGet, "/api/v1/openapi.yaml", http.StatusOK, "openapi: 3")

	w = newWorld(t, change)
	f(http.MethodPost, "/-/reload", http.StatusForbidden, "not enabled")
	f(http.MethodPut, "/-/quit", http.StatusForbidden, "not enabled")
	require.Equal(t, 2, reloads)
	require.Equal(t, 1, quits)
}

func TestCompression(t *testing.T) {
	w := newWorld(t, nil)
	code, header, b := w.call(http.MethodGet, "/api/v1/events", nil, "Accept-Encoding", "gzip")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "gzip", header.Get("Content-Encoding"))
	z, err := gzip.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.True(t, json.Valid(plain))
	require.Less(t, len(b), len(plain)/4)
}

func TestOrigins(t *testing.T) {
	quits := 0
	w := newWorld(t, func(o *Options) {
		o.CORSOrigin = regexp.MustCompile(`^https://grafana\.example$`)
		o.Lifecycle.Quit = func() { quits++ }
		o.EnableLifecycle = true
	})
	_, header, _ := w.call(http.MethodGet, "/api/v1/coverage", nil, "Origin", "https://grafana.example")
	require.Equal(t, "https://grafana.example", header.Get("Access-Control-Allow-Origin"))
	_, header, _ = w.call(http.MethodGet, "/api/v1/query?query=1", nil, "Origin", "https://grafana.example")
	require.Equal(t, "https://grafana.example", header.Get("Access-Control-Allow-Origin"))
	_, header, _ = w.call(http.MethodGet, "/api/v1/coverage", nil, "Origin", "https://evil.example")
	require.Empty(t, header.Get("Access-Control-Allow-Origin"))
	code, header, _ := w.call(http.MethodOptions, "/api/v1/insights", nil, "Origin", "https://grafana.example")
	require.Equal(t, http.StatusNoContent, code)
	require.Equal(t, "https://grafana.example", header.Get("Access-Control-Allow-Origin"))

	// A page from elsewhere can neither stop the daemon nor push events.
	for _, path := range []string{"/-/quit", "/api/v1/events"} {
		code, _, b := w.call(http.MethodPost, path, strings.NewReader("[]"), "Origin", "https://evil.example")
		require.Equal(t, http.StatusForbidden, code, path)
		require.Equal(t, ErrorForbidden, decode(t, b).ErrorType)
		code, _, _ = w.call(http.MethodPost, path, strings.NewReader("[]"), "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, code, path)
	}
	require.Zero(t, quits)
	code, _, _ = w.call(http.MethodPost, "/api/v1/events", strings.NewReader("[]"), "Origin", "https://grafana.example")
	require.Equal(t, http.StatusOK, code)
}

// storedEvents is what the doubles below stand in front of.
type storedEvents = Events

// slowEvents answers when it is told to.
type slowEvents struct {
	storedEvents
	begun, end chan struct{}
}

func (s slowEvents) Events(ctx context.Context, q event.Query) (event.Page, error) {
	s.begun <- struct{}{}
	select {
	case <-s.end:
		return event.Page{}, nil
	case <-ctx.Done():
		return event.Page{}, ctx.Err()
	}
}

func TestConcurrencyLimit(t *testing.T) {
	slow := slowEvents{begun: make(chan struct{}), end: make(chan struct{})}
	w := newWorld(t, func(o *Options) {
		slow.storedEvents = o.Events
		o.Events = slow
		o.Limits.Searches, o.Limits.SearchWait = 1, time.Millisecond
	})
	done := make(chan int)
	go func() {
		res, err := w.server.Client().Get(w.server.URL + "/api/v1/events")
		if err != nil {
			done <- 0
			return
		}
		_ = res.Body.Close()
		done <- res.StatusCode
	}()
	<-slow.begun
	code, header, b := w.call(http.MethodGet, "/api/v1/events", nil)
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "5", header.Get("Retry-After"))
	require.Equal(t, "1 searches are under way, which is the limit (web.limits.max_concurrent_queries); try again", decode(t, b).Error)
	close(slow.end)
	require.Equal(t, http.StatusOK, <-done)
	go func() { <-slow.begun }()
	code, _, _ = w.call(http.MethodGet, "/api/v1/events", nil)
	require.Equal(t, http.StatusOK, code, "the place is free again")
}

func TestTimeout(t *testing.T) {
	slow := slowEvents{begun: make(chan struct{}, 1), end: make(chan struct{})}
	w := newWorld(t, func(o *Options) {
		slow.storedEvents = o.Events
		o.Events = slow
		o.Limits.Timeout = time.Millisecond
	})
	code, a := w.ask("/api/v1/events")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, ErrorTimeout, a.ErrorType)
	require.Contains(t, a.Error, "longer than 1ms")
}

// brokenEvents fails as nobody expected.
type brokenEvents struct {
	storedEvents
	err error
}

func (b brokenEvents) Get(context.Context, string) (event.Event, bool, error) {
	return event.Event{}, false, b.err
}

func TestErrorTypes(t *testing.T) {
	f := func(err error, code int, typ ErrorType) {
		t.Helper()
		w := newWorld(t, func(o *Options) { o.Events = brokenEvents{o.Events, err} })
		got, a := w.ask("/api/v1/events/x")
		require.Equal(t, code, got)
		require.Equal(t, typ, a.ErrorType)
		require.NotEmpty(t, a.Error)
	}
	f(errors.New("out of luck"), http.StatusInternalServerError, ErrorInternal)
	f(fmt.Errorf("asking: %w", ErrUnavailable), http.StatusServiceUnavailable, ErrorUnavailable)
	f(fmt.Errorf("asking: %w", ErrBadData), http.StatusBadRequest, ErrorBadData)
	f(fmt.Errorf("asking: %w", insight.ErrQuery), http.StatusBadRequest, ErrorBadData)
	f(fmt.Errorf("asking: %w", context.Canceled), statusCanceled, ErrorCanceled)
}

func TestMetrics(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		w.ask("/api/v1/insights/" + w.ids["calls"])
	}
	w.ask("/api/v1/insights/x")
	w.ask("/somewhere/else")
	w.call(http.MethodPost, "/api/v1/events", strings.NewReader("[]"))
	w.ask("/api/v1/query?query=1")
	problems, err := testutil.GatherAndLint(w.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	count := func(handler, code string) float64 {
		return testutil.ToFloat64(w.api.metrics.requests.WithLabelValues(handler, code))
	}
	require.Equal(t, 3.0, count("/api/v1/insights/{id}", "200"))
	require.Equal(t, 1.0, count("/api/v1/insights/{id}", "404"))
	require.Equal(t, 1.0, count("", "404"), "paths that nobody serves share a label")
	require.Equal(t, 1.0, count("/api/v1/events", "200"))
	require.Equal(t, 1.0, count("/api/v1/query", "200"))
	require.Zero(t, testutil.ToFloat64(w.api.metrics.inFlight))

	_, err = New(w.o)
	require.ErrorContains(t, err, "registering metrics")
	w.api.Close()
	again, err := New(w.o)
	require.NoError(t, err, "Close makes place for another")
	again.Close()
}

func TestOptions(t *testing.T) {
	w := newWorld(t, nil)
	f := func(change func(*Options), want string) {
		t.Helper()
		o := w.o
		o.Registerer = prometheus.NewRegistry()
		change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	f(func(o *Options) { o.Insights = nil }, "no insights")
	f(func(o *Options) { o.Events = nil }, "no events")
	f(func(o *Options) { o.Knowledge = nil }, "no knowledge")
	f(func(o *Options) { o.Reviews = nil }, "nothing takes in feedback")
	f(func(o *Options) { o.Pusher = nil }, "nothing takes in events")
	f(func(o *Options) { o.Limits.Page = -1 }, "a limit is negative")
	f(func(o *Options) { o.Prometheus.Engine = nil }, "no query engine")
	f(func(o *Options) { o.ExternalURL = "insightd.example" }, `"insightd.example" is no URL of a web server`)
	f(func(o *Options) { o.ExternalURL = "insightd.example:9480/x" }, "is no URL of a web server")
	f(func(o *Options) { o.ExternalURL = "ftp://insightd.example" }, "is no URL of a web server")
	f(func(o *Options) { o.ExternalURL = "https://insightd.example:x" }, "the external URL: ")
}

func TestExternalURL(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ExternalURL = "https://insightd.example/x/" })
	_, a := w.ask("/api/v1/insights/" + w.ids["calls"])
	require.Contains(t, string(a.Data), `"self":"https://insightd.example/x/api/v1/insights/`)
}
