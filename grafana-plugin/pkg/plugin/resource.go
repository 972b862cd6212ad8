package plugin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// resource is a path that editors may ask for, with what they may say beside it.
// {id} stands for an id, {name} for the name of a field or a label.
type resource struct {
	path       string
	parameters []string
}

var (
	valueParameters = []string{"filter", "start", "end", "contains", "limit"}
	labelParameters = []string{"match[]", "start", "end", "limit"}
)

// allowed are the only paths that are passed on: a datasource is no proxy to
// whatever stands behind it.
var allowed = []resource{
	{"events/fields", nil},
	{"insights/fields", nil},
	{"events/field/{name}/values", valueParameters},
	{"insights/field/{name}/values", valueParameters},
	{"labels", labelParameters},
	{"label/{name}/values", labelParameters},
	{"metadata", []string{"metric", "limit", "limit_per_metric"}},
	{"series", labelParameters},
	{"coverage", nil},
	{"identities", []string{"provider", "account", "kind", "class", "q", "sort", "limit", "next"}},
	{"identities/{id}", nil},
	{"insights/{id}", nil},
	{"format_query", []string{"query"}},
	{"parse_query", []string{"query"}},
}

// match reports whether a path is one of this resource.
func (r *resource) match(path string) bool {
	want, have := strings.Split(r.path, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for n, w := range want {
		switch {
		case w == have[n]:
		case w == "{id}" && hexID.MatchString(have[n]):
		case w == "{name}" && filterName.MatchString(have[n]):
		default:
			return false
		}
	}
	return true
}

// maxParameters bounds what is sent on, in bytes.
const maxParameters = 64 << 10

// newResources answers editors with the daemon's own JSON.
func newResources(c *insightd.Client) backend.CallResourceHandler {
	return httpadapter.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			refuse(w, http.StatusMethodNotAllowed, "resources are read with GET alone")
			return
		}
		path := strings.Trim(r.URL.Path, "/")
		at := slices.IndexFunc(allowed, func(a resource) bool { return a.match(path) })
		if at < 0 {
			refuse(w, http.StatusNotFound, "there is no resource "+strings.ToValidUTF8(path, "?")+"; the plugin's DESIGN.md lists those that there are")
			return
		}
		v := url.Values{}
		for name, values := range r.URL.Query() {
			if slices.Contains(allowed[at].parameters, name) {
				v[name] = values
			}
		}
		if len(r.URL.RawQuery) > maxParameters {
			refuse(w, http.StatusRequestURITooLong, "the parameters of the resource are too long")
			return
		}
		a, err := c.Raw(r.Context(), "/api/v1/"+path, v)
		if err != nil {
			status := http.StatusBadGateway
			if s, ok := statusOf(err); ok {
				status = int(s)
			}
			backend.Logger.FromContext(r.Context()).Info("A resource could not be read", "path", path, "err", err)
			refuse(w, status, err.Error())
			return
		}
		if !strings.HasPrefix(a.ContentType, "application/json") {
			refuse(w, http.StatusBadGateway, (&insightd.Error{Kind: insightd.ErrNotInsightd, Text: c.URL() + " answered with " + a.ContentType}).Error())
			return
		}
		code := a.Code
		if code == http.StatusUnauthorized {
			// Grafana's own 401 would sign the user out.
			code = http.StatusBadGateway
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write(a.Body) // An error here is Grafana's: it went away.
	}))
}

// refuse answers in the daemon's own envelope.
func refuse(w http.ResponseWriter, code int, text string) {
	b, err := json.Marshal(map[string]string{"status": "error", "errorType": "bad_data", "error": text})
	if err != nil {
		b = []byte(`{"status":"error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}
