package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamesOfElsewhereAreRefused asks under names that somebody may point to this machine.
func TestNamesOfElsewhereAreRefused(t *testing.T) {
	local := func(o *Options) { o.LocalNames, o.ExternalURL = true, "https://insightd.example/x/" }
	ask := func(w *world, host string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/api/v1/insights", nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(b)
	}
	w := newWorld(t, local)
	for _, host := range []string{
		"127.0.0.1:9470", "127.0.0.1", "[::1]:9470", "::1", "localhost:1", "LocalHost.", "a.localhost",
		"192.0.2.7:80", "insightd.example", "Insightd.Example:8443",
	} {
		code, body := ask(w, host)
		require.Equal(t, http.StatusOK, code, "%s: %s", host, body)
	}
	for _, host := range []string{"evil.example:9470", "evil.example", "127.0.0.1.evil.example", "insightd.example.evil.example", "localhost.evil.example:80"} {
		code, body := ask(w, host)
		require.Equal(t, http.StatusMisdirectedRequest, code, host)
		require.Contains(t, body, "--web.external-url")
	}
	code, _ := ask(newWorld(t, nil), "evil.example")
	require.Equal(t, http.StatusOK, code, "who has users knows who asks")
	code, _ = ask(newWorld(t, func(o *Options) { local(o); withTokens(o) }), "evil.example")
	require.Equal(t, http.StatusUnauthorized, code, "a token says who asks")

	// On another address a warning was given, and names are those of the network.
	r := httptest.NewRequest(http.MethodGet, "http://evil.example/api/v1/insights", nil)
	for address, want := range map[string]int{"192.0.2.1": http.StatusOK, "127.0.0.1": http.StatusMisdirectedRequest, "::1": http.StatusMisdirectedRequest} {
		at := &net.TCPAddr{IP: net.ParseIP(address), Port: 9470}
		rec := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(rec, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(at))))
		require.Equal(t, want, rec.Code, address)
	}
}
