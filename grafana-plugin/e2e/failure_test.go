package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
)

// everyType is a query of each type.
func everyType() []any {
	return []any{
		query{"queryType": "promql", "expr": "1+1"},
		query{"queryType": "bands", "expr": "activity_events"},
		query{"queryType": "insights"},
		query{"queryType": "confidence"},
		query{"queryType": "events"},
		query{"queryType": "map"},
		query{"queryType": "identities"},
		query{"queryType": "coverage"},
	}
}

// askAt asks queries of a daemon somewhere.
func askAt(t *testing.T, ctx context.Context, s backend.DataSourceInstanceSettings, queries ...any) (*backend.QueryDataResponse, error) {
	t.Helper()
	req := &backend.QueryDataRequest{PluginContext: Context(s)}
	for n, q := range queries {
		dq, err := DataQuery(string(rune('A'+n)), q, world.Now.Add(-48*time.Hour), world.Now)
		require.NoError(t, err)
		req.Queries = append(req.Queries, dq)
	}
	return world.Plugin.QueryData(ctx, req)
}

// at are settings of a datasource of their own.
func at(uid, url, token string) backend.DataSourceInstanceSettings {
	s := Settings(url, token)
	s.UID = uid
	return s
}

// fails wants every query type, the check and a resource to fail with the same
// status and words.
func fails(t *testing.T, s backend.DataSourceInstanceSettings, want backend.Status, words ...string) {
	t.Helper()
	queries := everyType()
	res, err := askAt(t, t.Context(), s, queries...)
	require.NoError(t, err)
	require.Len(t, res.Responses, len(queries))
	for ref, r := range res.Responses {
		require.Error(t, r.Error, ref)
		require.Equal(t, want, r.Status, r.Error)
		require.Equal(t, backend.ErrorSourceDownstream, r.ErrorSource, r.Error)
		require.Empty(t, r.Frames)
		for _, w := range words {
			require.ErrorContains(t, r.Error, w)
		}
	}
	h, err := world.Plugin.CheckHealth(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, backend.HealthStatusError, h.Status)
	for _, w := range words {
		require.Contains(t, strings.ToLower(h.Message), strings.ToLower(w))
	}
	require.True(t, strings.HasSuffix(h.Message, "."), h.Message)
	a, err := world.Plugin.CallResource(t.Context(), s, http.MethodGet, "events/fields", "")
	require.NoError(t, err)
	require.NotEqual(t, http.StatusOK, a.Status)
	require.NotEqual(t, http.StatusUnauthorized, a.Status, "Grafana would sign the user out")
	require.Contains(t, string(a.Body), `"status":"error"`)
}

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	fails(t, at("away", address, ReadToken), backend.StatusBadGateway, "insightd does not answer", "connection refused", "start insightd")
}

func TestTokens(t *testing.T) {
	fails(t, at("unknown", world.URL, "unknown-token-0123456789"), backend.StatusUnauthorized, "the token is not known", "scope read")
	fails(t, at("none", world.URL, ""), backend.StatusUnauthorized, "a token is needed")
	fails(t, at("ingest", world.URL, PushToken), backend.StatusForbidden, `lacks the scope "read"`)

	// Where basic authentication has Authorization, the token goes in a header of
	// its own.
	s := at("basic", world.URL, ReadToken)
	s.BasicAuthEnabled, s.BasicAuthUser = true, "anna"
	s.DecryptedSecureJSONData["basicAuthPassword"] = "secret"
	res, err := askAt(t, t.Context(), s, query{"queryType": "coverage"})
	require.NoError(t, err)
	require.NoError(t, res.Responses["A"].Error)
}

// serve serves until the test ends.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestOtherProducts(t *testing.T) {
	// What a Prometheus answers: the same paths, and nothing at ours.
	prometheus := http.NewServeMux()
	say := func(path, body string) {
		prometheus.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(body, "{") {
				w.Header().Set("Content-Type", "application/json")
			}
			fmt.Fprint(w, body)
		})
	}
	say("/-/ready", "Prometheus Server is Ready.\n")
	say("/api/v1/status/buildinfo", `{"status":"success","data":{"version":"3.5.0","revision":"x","goVersion":"go1.26"}}`)
	say("/api/v1/query", `{"status":"success","data":{"resultType":"scalar","result":[0,"2"]}}`)
	url := serve(t, prometheus)
	h, err := world.Plugin.CheckHealth(t.Context(), at("prometheus", url, ""))
	require.NoError(t, err)
	require.Equal(t, backend.HealthStatusError, h.Status)
	require.Contains(t, h.Message, "is a Prometheus; use Grafana's Prometheus datasource")
	res, err := askAt(t, t.Context(), at("prometheus", url, ""), query{"queryType": "insights"}, query{"queryType": "events"})
	require.NoError(t, err)
	for _, r := range res.Responses {
		require.ErrorContains(t, r.Error, "what answers is not insightd")
		require.Equal(t, backend.StatusBadGateway, r.Status)
	}

	// A page for people, whatever is asked for.
	html := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>Welcome</html>")
	}))
	fails(t, at("html", html, ""), backend.StatusBadGateway, "what answers is not insightd")

	// A proxy that sends us elsewhere does not get others our token.
	var leaked sync.Map
	elsewhere := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store("token", r.Header.Get("Authorization")+r.Header.Get("X-Insightd-Token"))
	}))
	moved := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusFound)
	}))
	fails(t, at("moved", moved, ReadToken), backend.StatusBadGateway, "sends us to")
	_, got := leaked.Load("token")
	require.False(t, got)

	// A proxy whose backend is gone.
	gone := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>Bad Gateway</html>", http.StatusBadGateway)
	}))
	fails(t, at("gone", gone, ""), backend.StatusBadGateway, "insightd does not answer")
}

func TestADaemonThatIsNotReady(t *testing.T) {
	c := config.Default()
	d, err := daemon.New(daemon.Options{Config: c, StoragePath: t.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-d.CaughtUp()
	h, err := world.Plugin.CheckHealth(t.Context(), at("empty", d.URL(), ""))
	require.NoError(t, err)
	require.Equal(t, backend.HealthStatusOk, h.Status, h.Message)
	require.Contains(t, h.Message, "has no events yet")
	res, err := askAt(t, t.Context(), at("empty", d.URL(), ""), query{"queryType": "insights"}, query{"queryType": "coverage"})
	require.NoError(t, err)
	for _, r := range res.Responses {
		require.NoError(t, r.Error)
		require.Contains(t, notices(r.Frames[0]), "insightd has no events yet")
	}
	cancel()
	require.NoError(t, <-done)

	// What a daemon that reads its history says.
	busy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.URL.Path == "/-/ready" {
			fmt.Fprintln(w, "insightd is not ready: it reads its log")
			return
		}
		fmt.Fprint(w, `{"status":"error","errorType":"unavailable","error":"it reads its log"}`)
	}))
	h, err = world.Plugin.CheckHealth(t.Context(), at("busy", busy, ""))
	require.NoError(t, err)
	require.Equal(t, backend.HealthStatusError, h.Status)
	require.Contains(t, h.Message, "it reads its log; wait until it has read its history")
	res, err = askAt(t, t.Context(), at("busy", busy, ""), query{"queryType": "events"})
	require.NoError(t, err)
	require.Equal(t, backend.Status(http.StatusServiceUnavailable), res.Responses["A"].Status)
}

// A daemon that dies in the middle of an answer leaves no half frame.
func TestADaemonThatDiesInMidQuery(t *testing.T) {
	p := newProxy(t, world.URL)
	s := at("dying", p.url(), ReadToken)
	res, err := askAt(t, t.Context(), s, query{"queryType": "events", "limit": 5000})
	require.NoError(t, err)
	require.NoError(t, res.Responses["A"].Error)
	require.Equal(t, 5000, res.Responses["A"].Frames[0].Rows())

	p.breakAfter(20_000)
	p.cut()
	res, err = askAt(t, t.Context(), s, query{"queryType": "events", "limit": 5000})
	require.NoError(t, err)
	r := res.Responses["A"]
	require.ErrorContains(t, r.Error, "insightd does not answer")
	require.ErrorContains(t, r.Error, "the answer broke off")
	require.Equal(t, backend.StatusBadGateway, r.Status)
	require.Equal(t, backend.ErrorSourceDownstream, r.ErrorSource)
	require.Empty(t, r.Frames)

	// It is back, and so are we.
	p.breakAfter(-1)
	res, err = askAt(t, t.Context(), s, query{"queryType": "events", "limit": 5000})
	require.NoError(t, err)
	require.NoError(t, res.Responses["A"].Error)
}

// A query that is given up is given up at the daemon, too.
func TestCancelledQueries(t *testing.T) {
	begun, ended := make(chan struct{}, 16), make(chan struct{}, 16)
	slow := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, err := askAt(t, ctx, at("slow", slow, ""), query{"queryType": "events"})
	require.Equal(t, codes.Canceled, status.Code(err))
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the daemon was not told")
	}

	// Grafana's own deadline.
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = askAt(t, ctx, at("slow", slow, ""), query{"queryType": "coverage"})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))

	// And the datasource's.
	s := at("hasty", slow, "")
	s.JSONData = []byte(`{"timeout":1}`)
	res, err := askAt(t, t.Context(), s, query{"queryType": "insights"})
	require.NoError(t, err)
	require.ErrorContains(t, res.Responses["A"].Error, "raise the timeout")
	require.Equal(t, backend.StatusTimeout, res.Responses["A"].Status)
}

// Queries of a request are asked side by side, and not all at once.
func TestConcurrencyIsBounded(t *testing.T) {
	var mtx sync.Mutex
	now, most := 0, 0
	full, free := make(chan struct{}), make(chan struct{})
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mtx.Lock()
		now++
		most = max(most, now)
		if now == 6 {
			close(full)
		}
		mtx.Unlock()
		select {
		case <-free:
		case <-r.Context().Done():
		}
		mtx.Lock()
		now--
		mtx.Unlock()
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"scalar","result":[0,"2"]}}`)
	}))
	var queries []any
	for range 20 {
		queries = append(queries, query{"queryType": "promql", "expr": "1", "instant": true})
	}
	go func() {
		select {
		case <-full:
			close(free)
		case <-t.Context().Done():
		}
	}()
	res, err := askAt(t, t.Context(), at("many", url, ""), queries...)
	require.NoError(t, err)
	require.Len(t, res.Responses, 20)
	for _, r := range res.Responses {
		require.NoError(t, r.Error)
	}
	require.Equal(t, 6, most)

	// Many dashboards at once, of the real one.
	var all sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		all.Go(func() {
			res, err := askAt(t, t.Context(), world.Settings(), query{"queryType": "insights"}, query{"queryType": "events"}, query{"queryType": "coverage"}, query{"queryType": "confidence"})
			if err == nil {
				for _, r := range res.Responses {
					err = r.Error
					if err != nil {
						break
					}
				}
			}
			errs <- err
		})
	}
	all.Wait()
	for range 8 {
		require.NoError(t, <-errs)
	}
}

func TestHealth(t *testing.T) {
	h, err := world.Plugin.CheckHealth(t.Context(), world.Settings())
	require.NoError(t, err)
	require.Equal(t, backend.HealthStatusOk, h.Status, h.Message)
	require.Contains(t, h.Message, "insightd")
	require.Contains(t, h.Message, "of 2 accounts")
	var d struct {
		URL          string
		Capabilities map[string]bool
		Streams      int
	}
	require.NoError(t, json.Unmarshal(h.JSONDetails, &d))
	require.Equal(t, world.URL, d.URL)
	require.Equal(t, 2, d.Streams)
	require.Equal(t, map[string]bool{"insightFilter": true, "places": true, "live": true, "bands": true}, d.Capabilities)
	for _, url := range []string{"", "127.0.0.1:9470", "ftp://127.0.0.1", "http://"} {
		s := at("url "+url, url, "")
		res, err := askAt(t, t.Context(), s, query{"queryType": "coverage"})
		require.NoError(t, err)
		require.ErrorContains(t, res.Responses["A"].Error, "URL")
		require.Equal(t, backend.ErrorSourceDownstream, res.Responses["A"].ErrorSource)
		h, err := world.Plugin.CheckHealth(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, backend.HealthStatusError, h.Status)
		require.Contains(t, h.Message, "URL")
	}
}

func TestResources(t *testing.T) {
	get := func(path, query string) (int, string) {
		t.Helper()
		a, err := world.Plugin.CallResource(t.Context(), world.Settings(), http.MethodGet, path, query)
		require.NoError(t, err)
		return a.Status, string(a.Body)
	}
	direct := func(path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, world.URL+"/api/v1/"+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+ReadToken)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(b)
	}
	insight, _ := chosen(t)
	for _, r := range [][2]string{
		{"events/fields", ""},
		{"insights/fields", ""},
		{"events/field/service/values", "limit=3&filter=access%3D%22write%22&start=" + world.From.Format(time.RFC3339)},
		{"insights/field/type/values", "contains=ip"},
		{"labels", "match[]=activity_events"},
		{"label/account/values", ""},
		{"metadata", ""},
		{"identities", "limit=2&kind=human"},
		{"insights/" + insight, ""},
		{"format_query", "query=sum(rate(x[5m]))"},
		{"parse_query", "query=up"},
	} {
		path := r[0]
		code, body := get(path, r[1])
		require.Equal(t, http.StatusOK, code, "%s: %s", path, body)
		if r[1] != "" {
			path += "?" + r[1]
		}
		require.Equal(t, direct(path), body, "the daemon's own JSON")
	}
	code, body := get("coverage", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"detectors"`)

	// Nothing else, and nothing but reading.
	for _, path := range []string{"", "query", "events", "status/config", "insights/live", "events/field/x/../values", "../../-/quit", "events/fields/..", "insights/../rules", "label//values"} {
		code, body := get(path, "")
		require.Contains(t, []int{http.StatusNotFound, http.StatusTemporaryRedirect, http.StatusMovedPermanently}, code, "%s: %s", path, body)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		a, err := world.Plugin.CallResource(t.Context(), world.Settings(), method, "events/fields", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusMethodNotAllowed, a.Status)
	}
	// Parameters that are not on the list are not passed on: the daemon would warn.
	code, body = get("events/fields", "debug=true")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, body, "unknown parameters")
	code, body = get("events/field/colour/values", "")
	require.Equal(t, http.StatusNotFound, code, body)
	code, body = get("events/field/service/values", "filter=x")
	require.Equal(t, http.StatusBadRequest, code, body)
}
