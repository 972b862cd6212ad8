package api

import (
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed openapi.yaml
var openAPIFile []byte

// openAPI answers the description of all endpoints.
func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPIFile)
}

// sources answers how the sources are.
func (a *API) sources(*request) (any, error) {
	return struct {
		Sources any `json:"sources"`
	}{a.o.Status()}, nil
}

func (a *API) healthy(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "insightd is healthy.")
}

func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	if ok, reason := a.o.Lifecycle.Ready(); !ok {
		plain(w, http.StatusServiceUnavailable, "insightd is not ready: "+reason)
		return
	}
	plain(w, http.StatusOK, "insightd is ready.")
}

// lifecycle lets a handler act where the endpoints are enabled.
func (a *API) lifecycle(offered bool, serve http.HandlerFunc) http.Handler {
	if a.o.EnableLifecycle && offered {
		return serve
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusForbidden, "Lifecycle API is not enabled: start with --web.enable-lifecycle.")
	})
}

func (a *API) reload(w http.ResponseWriter, _ *http.Request) {
	if err := a.o.Lifecycle.Reload(); err != nil {
		plain(w, http.StatusInternalServerError, fmt.Sprintf("failed to reload config, the old one stays in force: %v", err))
		return
	}
	plain(w, http.StatusOK, "The configuration is reloaded.")
}

func (a *API) quit(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "Requesting termination... Goodbye!")
	_ = http.NewResponseController(w).Flush()
	a.o.Lifecycle.Quit()
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

// insideRoutes are the endpoints that show the program from inside.
func (a *API) insideRoutes() []route {
	metrics := promhttp.HandlerFor(a.o.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorLog:          errorLog{a},
	})
	return []route{
		{get, "/metrics", metrics, false},
		{get, "/debug/pprof/", http.HandlerFunc(pprof.Index), true},
		{get, "/debug/pprof/cmdline", http.HandlerFunc(pprof.Cmdline), true},
		{get, "/debug/pprof/profile", http.HandlerFunc(pprof.Profile), true},
		{getPost, "/debug/pprof/symbol", http.HandlerFunc(pprof.Symbol), true},
		{get, "/debug/pprof/trace", http.HandlerFunc(pprof.Trace), true},
		{get, "/debug/pprof/{profile}", http.HandlerFunc(pprof.Index), true},
	}
}

// errorLog is where promhttp says what went wrong.
type errorLog struct{ a *API }

// Println logs an error.
func (l errorLog) Println(v ...any) {
	l.a.o.Logger.Error("Gathering metrics", "err", fmt.Sprint(v...))
}
