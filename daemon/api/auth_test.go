package api

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func token(name, secret string, scopes ...Scope) Token {
	return Token{Name: name, Scopes: scopes, Hash: sha256.Sum256([]byte(secret))}
}

func withTokens(o *Options) {
	o.EnableLifecycle = true
	o.Tokens = []Token{
		token("shipper", "ship-secret-0123456789", ScopeIngest),
		token("grafana", "read-secret-0123456789", ScopeRead),
		token("root", "admin-secret-0123456789", ScopeAdmin),
	}
}

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

// scopes says of every route what it asks for. A route that is added has to be
// added here, so that somebody thinks of it.
var scopes = map[string]Scope{
	"GET /-/healthy": scopeOpen, "GET /-/ready": scopeOpen, "GET /-/login": scopeOpen, "POST /-/login": scopeOpen,
	"POST /api/v1/events": ScopeIngest,
	"POST /-/reload":      ScopeAdmin, "PUT /-/reload": ScopeAdmin, "POST /-/quit": ScopeAdmin, "PUT /-/quit": ScopeAdmin,
	"GET /debug/pprof/": ScopeAdmin, "GET /debug/pprof/cmdline": ScopeAdmin, "GET /debug/pprof/profile": ScopeAdmin,
	"GET /debug/pprof/symbol": ScopeAdmin, "POST /debug/pprof/symbol": ScopeAdmin, "GET /debug/pprof/trace": ScopeAdmin,
	"GET /debug/pprof/{profile}": ScopeAdmin,
	"GET /":                      ScopeRead, "GET /metrics": ScopeRead,
	"GET /api/v1/openapi.yaml": ScopeRead, "GET /api/v1/coverage": ScopeRead, "GET /api/v1/rules": ScopeRead, "GET /api/v1/alerts": ScopeRead,
	"GET /api/v1/insights/live": ScopeRead, "GET /api/v1/insights/{id}": ScopeRead, "GET /api/v1/insights/{id}/events": ScopeRead,
	"GET /api/v1/exceptions": ScopeRead, "POST /api/v1/exceptions": ScopeAdmin,
	"GET /api/v1/exceptions/{id}": ScopeRead, "DELETE /api/v1/exceptions/{id}": ScopeAdmin,
	"GET /api/v1/insights/{id}/feedback": ScopeRead, "POST /api/v1/insights/{id}/feedback": ScopeAdmin, "DELETE /api/v1/insights/{id}/feedback": ScopeAdmin,
	"POST /api/v1/identities/{id}/rebaseline": ScopeAdmin,
	"GET /api/v1/insights/{id}/records":       ScopeRead, "GET /api/v1/incidents/{id}": ScopeRead,
	"GET /api/v1/insights/fields": ScopeRead, "GET /api/v1/insights/field/{name}/values": ScopeRead,
	"POST /api/v1/insights/field/{name}/values": ScopeRead,
	"GET /api/v1/events/places":                 ScopeRead, "POST /api/v1/events/places": ScopeRead,
	"GET /api/v1/events": ScopeRead, "GET /api/v1/events/fields": ScopeRead, "GET /api/v1/events/{uid}": ScopeRead,
	"GET /api/v1/identities/{id}": ScopeRead, "GET /api/v1/label/{name}/values": ScopeRead, "GET /api/v1/metadata": ScopeRead,
}

func init() {
	for _, path := range []string{
		"insights", "incidents", "events/volume", "events/field/{name}/values", "identities", "bands",
		"query", "query_range", "query_exemplars", "format_query", "parse_query", "series", "labels",
	} {
		scopes["GET /api/v1/"+path], scopes["POST /api/v1/"+path] = ScopeRead, ScopeRead
	}
	for _, path := range []string{"sources", "buildinfo", "config", "flags", "runtimeinfo", "tsdb"} {
		scopes["GET /api/v1/status/"+path] = ScopeRead
	}
}

func TestEveryRouteHasItsScope(t *testing.T) {
	reloads := 0
	w := newWorld(t, func(o *Options) {
		withTokens(o)
		o.Lifecycle.Reload = func() error { reloads++; return nil }
		o.Lifecycle.Quit = func() { reloads++ }
		o.Limits.Heartbeat = time.Hour
	})
	secrets := map[Scope]string{ScopeIngest: "ship-secret-0123456789", ScopeRead: "read-secret-0123456789", ScopeAdmin: "admin-secret-0123456789"}
	served := 0
	for _, r := range w.api.routes() {
		for _, m := range r.methods {
			served++
			name := m + " " + r.path
			want, ok := scopes[name]
			require.True(t, ok, "%s: decide what it asks for", name)
			path := strings.NewReplacer("{id}", "x", "{uid}", "x", "{name}", "identity", "{profile}", "heap").Replace(r.path)
			code, header, b := w.call(m, path, nil)
			if want == scopeOpen {
				require.NotEqual(t, http.StatusForbidden, code, name)
				continue
			}
			require.Equal(t, http.StatusUnauthorized, code, name)
			require.Equal(t, `Bearer realm="insightd"`, header.Get("WWW-Authenticate"), name)
			require.Equal(t, ErrorUnauthorized, decode(t, b).ErrorType, name)
			for scope, secret := range secrets {
				if scope == want {
					continue
				}
				code, header, b := w.call(m, path, nil, bearer(secret)...)
				require.Equal(t, http.StatusForbidden, code, "%s with %s", name, scope)
				require.Contains(t, header.Get("WWW-Authenticate"), fmt.Sprintf(`error="insufficient_scope", scope=%q`, want))
				require.Contains(t, decode(t, b).Error, fmt.Sprintf("lacks the scope %q", want), name)
			}
		}
	}
	require.Zero(t, reloads)
	require.Len(t, scopes, served, "no scope is left of a route that is gone")

	// With its own scope each does its work.
	for path, scope := range map[string]Scope{
		"/api/v1/insights": ScopeRead, "/metrics": ScopeRead, "/": ScopeRead, "/debug/pprof/cmdline": ScopeAdmin,
	} {
		code, _, b := w.call(http.MethodGet, path, nil, bearer(secrets[scope])...)
		require.Equal(t, http.StatusOK, code, "%s: %s", path, b)
	}
	code, _, b := w.call(http.MethodPost, "/-/reload", nil, bearer(secrets[ScopeAdmin])...)
	require.Equal(t, http.StatusOK, code, "%s", b)
	require.Equal(t, 1, reloads)
	code, _, b = w.call(http.MethodPost, "/api/v1/events", strings.NewReader(pushRecord("a")), bearer(secrets[ScopeIngest])...)
	require.Equal(t, http.StatusOK, code, "%s", b)
	// What is not there is not guarded either.
	code, _, _ = w.call(http.MethodGet, "/api/v1/nothing", nil)
	require.Equal(t, http.StatusNotFound, code)
}

func TestWhereTokensStand(t *testing.T) {
	w := newWorld(t, withTokens)
	f := func(want int, headers ...string) {
		t.Helper()
		code, _, b := w.call(http.MethodGet, "/api/v1/insights", nil, headers...)
		require.Equal(t, want, code, "%s", b)
	}
	f(200, "Authorization", "Bearer read-secret-0123456789")
	f(200, "Authorization", "bearer  read-secret-0123456789 ")
	f(200, "X-Insightd-Token", "read-secret-0123456789")
	// A user of basic authentication was looked at before us.
	f(200, "Authorization", "Basic YTpi", "X-Insightd-Token", "read-secret-0123456789")
	f(401, "Authorization", "Basic YTpi")
	f(401, "Authorization", "Basic cmVhZC1zZWNyZXQtMDEyMzQ1Njc4OTo=")
	f(401, "Authorization", "Bearer")
	f(401, "Authorization", "Bearer ")
	f(401, "Authorization", "read-secret-0123456789")
	f(401, "Authorization", "Bearer read-secret-012345678")
	f(401, "Authorization", "Bearer read-secret-0123456789x")
	f(401, "Authorization", "Bearer grafana")
	f(401, "X-Insightd-Token", "", "Authorization", "Bearer read-secret-0123456789")
	f(401, "Cookie", "insightd_session=grafana")
	f(401, "Cookie", "insightd_session=grafana/99999999999/"+strings.Repeat("A", 43))

	_, header, _ := w.call(http.MethodGet, "/api/v1/insights", nil, bearer("wrong")...)
	require.Equal(t, `Bearer realm="insightd", error="invalid_token"`, header.Get("WWW-Authenticate"))
}

func TestTokenNamesThePushClient(t *testing.T) {
	s := &source{}
	w := newWorld(t, func(o *Options) {
		withTokens(o)
		o.Pusher = s
	})
	code, _, b := w.call(http.MethodPost, "/api/v1/events", strings.NewReader("[]"), bearer("ship-secret-0123456789")...)
	require.Equal(t, http.StatusOK, code, "%s", b)
	require.Equal(t, "push/shipper", s.name)
	_, _, b = w.call(http.MethodGet, "/metrics", nil, bearer("read-secret-0123456789")...)
	require.Contains(t, string(b), `insightd_http_pushed_events_total{client="shipper",result="accepted"} 1`)
	require.Contains(t, string(b), `insightd_http_requests_total{code="200",handler="/api/v1/events"} 1`)
}

func TestSetTokens(t *testing.T) {
	w := newWorld(t, withTokens)
	read := func(secret string) int {
		code, _, _ := w.call(http.MethodGet, "/api/v1/insights", nil, bearer(secret)...)
		return code
	}
	// An open stream ends with its token.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/insights/live", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer read-secret-0123456789")
	res, err := w.server.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)

	w.api.SetTokens([]Token{token("other", "other-secret-0123456789", ScopeRead)})
	_, err = io.ReadAll(res.Body)
	require.NoError(t, err, "the stream has ended")
	require.Equal(t, http.StatusUnauthorized, read("read-secret-0123456789"))
	require.Equal(t, http.StatusOK, read("other-secret-0123456789"))
	w.api.SetTokens(nil)
	require.Equal(t, http.StatusOK, read("whatever"))
}

// browser is a client with cookies that does not follow redirects.
func (w *world) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	c := *w.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

func visit(t *testing.T, c *http.Client, method, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Accept", "text/html,application/xhtml+xml")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := c.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(b)
}

func TestBrowsersSignIn(t *testing.T) {
	clock := worldNow
	w := newWorld(t, func(o *Options) {
		withTokens(o)
		o.Now = func() time.Time { return clock }
	})
	c := w.browser()
	page := w.server.URL + "/api/v1/insights?state=active&limit=5"
	res, body := visit(t, c, http.MethodGet, page, nil)
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	require.Contains(t, body, `name="next" value="/api/v1/insights?state=active&amp;limit=5"`)
	require.Contains(t, body, `action="/-/login"`)
	require.NotContains(t, body, "<script")

	login := func(secret, next string) *http.Response {
		t.Helper()
		res, body := visit(t, c, http.MethodPost, w.server.URL+loginPath, url.Values{"token": {secret}, "next": {next}})
		require.NotContains(t, body, "read-secret")
		return res
	}
	res = login("wrong", "/")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Empty(t, res.Cookies())
	res = login(" read-secret-0123456789\n", "/api/v1/insights?state=active&limit=5")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Equal(t, "/api/v1/insights?state=active&limit=5", res.Header.Get("Location"))
	require.Len(t, res.Cookies(), 1)
	cookie := res.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.False(t, cookie.Secure, "this is no TLS")
	require.NotContains(t, cookie.Value, "secret")

	status := func(path string) int {
		t.Helper()
		res, _ := visit(t, c, http.MethodGet, w.server.URL+path, nil)
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, status("/"))
	require.Equal(t, http.StatusOK, status("/api/v1/insights"))
	require.Equal(t, http.StatusForbidden, status("/debug/pprof/"), "the session has the scopes of its token")

	// A session that was tampered with is none.
	name, rest, _ := strings.Cut(cookie.Value, "/")
	for _, forged := range []string{"root/" + rest, name + "/9" + rest, cookie.Value + "A", cookie.Value[:len(cookie.Value)-1]} {
		code, _, _ := w.call(http.MethodGet, "/api/v1/insights", nil, "Cookie", sessionCookie+"="+forged)
		require.Equal(t, http.StatusUnauthorized, code, forged)
	}
	// A header that is wrong is not made good by a session.
	code, _, _ := w.call(http.MethodGet, "/api/v1/insights", nil, "Cookie", sessionCookie+"="+cookie.Value, "Authorization", "Bearer wrong")
	require.Equal(t, http.StatusUnauthorized, code)

	// It ends with its time, and with its token, though the name stays.
	clock = clock.Add(sessionTime)
	require.Equal(t, http.StatusUnauthorized, status("/"))
	res = login("read-secret-0123456789", "/")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.Equal(t, http.StatusOK, status("/"))
	w.api.SetTokens([]Token{token("grafana", "another-secret-0123456789", ScopeRead)})
	require.Equal(t, http.StatusUnauthorized, status("/"))

	// A page from elsewhere cannot sign anybody in.
	code, _, _ = w.call(http.MethodPost, loginPath, strings.NewReader("token=another-secret-0123456789"),
		"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, code)

	// Without tokens there is nothing to sign in to.
	w.api.SetTokens(nil)
	require.Equal(t, http.StatusSeeOther, status(loginPath))
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"/": "/", "/api/v1/insights/a%2Fb?x=1": "/api/v1/insights/a%2Fb?x=1", "": "/", "//evil.example": "/", `/\evil.example`: "/",
		"https://evil.example/": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/", "x": "/", "/-/login?a=b": "/", "///evil.example": "/",
	} {
		require.Equal(t, want, ours(next), next)
	}
}

func TestSessionOfAProxy(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		withTokens(o)
		o.ExternalURL = "https://watch.example/insightd/"
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+loginPath, strings.NewReader("token=read-secret-0123456789"))
	require.NoError(t, err)
	req.Host = "watch.example"
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := w.browser().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "/insightd/", res.Header.Get("Location"))
	require.True(t, res.Cookies()[0].Secure)
	require.Equal(t, "/insightd/", res.Cookies()[0].Path)
}

func BenchmarkAuth(b *testing.B) {
	var tokens []Token
	for n := range 20 {
		tokens = append(tokens, token(fmt.Sprint("t", n), fmt.Sprint("secret-0123456789-", n), ScopeIngest))
	}
	a := newAuth(tokens, time.Now)
	defer a.close()
	r, err := http.NewRequest(http.MethodPost, "/api/v1/events", nil)
	require.NoError(b, err)
	r.Header.Set("Authorization", "Bearer secret-0123456789-19")
	for b.Loop() {
		in, _ := a.inForce()
		if _, err := a.who(r, in); err != nil {
			b.Fatal(err)
		}
	}
}
