package plugin

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/experimental"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden frames anew")

// goldens are what the daemon's own tests wrote, by file.
const goldens = "../../../testdata/api"

// golden is one of them.
type golden struct {
	File, Method, Path, Pattern string
	Status                      int
}

// replay is a server that answers as the daemon did when its goldens were
// written: for each pattern of the API the file that a test names. What it does
// not name is an error of the test.
func replay(t *testing.T, files ...string) *httptest.Server {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldens, "index.json"))
	require.NoError(t, err)
	var index []golden
	require.NoError(t, json.Unmarshal(b, &index))
	mux := http.NewServeMux()
	for _, file := range append(files, "coverage.json", "events-fields.json", "insights-fields.json") {
		for _, g := range index {
			if g.File != file {
				continue
			}
			body, err := os.ReadFile(filepath.Join(goldens, file))
			require.NoError(t, err)
			pages := 0
			mux.HandleFunc(g.Method+" "+g.Pattern, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(g.Status)
				if r.URL.Query().Get("next") != "" {
					pages++ // The first page is the last.
					empty := `{"status":"success","data":{"insights":[],"events":[],"identities":[],"next":""}}`
					_, _ = w.Write([]byte(empty))
					return
				}
				_, _ = w.Write(body)
			})
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("asked for %s, of which there is no golden here", r.URL)
		http.NotFound(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// datasource is one for a daemon at an address.
func datasource(t testing.TB, url string) *Datasource {
	t.Helper()
	d, err := New(context.Background(), backend.DataSourceInstanceSettings{
		UID: "uid", Name: "insightd", URL: url, JSONData: []byte(`{}`),
	})
	require.NoError(t, err)
	t.Cleanup(d.(*Datasource).Dispose)
	return d.(*Datasource)
}

// The range of the goldens.
var (
	goldenFrom = time.Date(2026, time.March, 9, 11, 0, 0, 0, time.UTC)
	goldenTo   = time.Date(2026, time.March, 9, 12, 0, 0, 0, time.UTC)
)

func dataQuery(json string) backend.DataQuery {
	return backend.DataQuery{
		RefID: "A", JSON: []byte(json), TimeRange: backend.TimeRange{From: goldenFrom, To: goldenTo},
		MaxDataPoints: 500, Interval: time.Minute,
	}
}

// What the daemon answers becomes these frames. A change of the API, or of the
// frames that users' panels hang on, is seen here.
func TestGoldenFrames(t *testing.T) {
	const insight = `"insightId":"de2e2541c7166d83253f90b667a92bb3"`
	for name, c := range map[string]struct {
		query string
		files []string
	}{
		"promql":               {`{"queryType":"promql","expr":"activity_events","legend":"{{operation}}"}`, []string{"query-range.json"}},
		"promql-instant":       {`{"queryType":"promql","expr":"sum by (operation) (sum_over_time(activity_events[1h]))","instant":true}`, []string{"query.json"}},
		"promql-rate":          {`{"queryType":"promql","expr":"rate(activity_events[5m])","legend":"__auto"}`, []string{"query-range.json"}},
		"bands":                {`{"queryType":"bands","expr":"activity_events","step":"5m"}`, []string{"bands.json"}},
		"insights-table":       {`{"queryType":"insights"}`, []string{"insights.json"}},
		"insights-empty":       {`{"queryType":"insights","types":["LogGapInsight"]}`, []string{"insights-empty.json"}},
		"insights-cut":         {`{"queryType":"insights","limit":1}`, []string{"insights-page.json", "insights-values.json"}},
		"insights-logs":        {`{"queryType":"insights","format":"logs"}`, []string{"insights.json"}},
		"insights-annotations": {`{"queryType":"insights","format":"annotations"}`, []string{"insights.json"}},
		"insights-timeline":    {`{"queryType":"insights","format":"timeline"}`, []string{"insights.json"}},
		"insights-withdrawn":   {`{"queryType":"insights","state":"withdrawn"}`, []string{"insights-withdrawn.json"}},
		"insight-summary":      {`{"queryType":"insights","format":"summary",` + insight + `}`, []string{"insight.json"}},
		"insight-reasons":      {`{"queryType":"insights","format":"reasons",` + insight + `}`, []string{"insight.json"}},
		"insight-attributions": {`{"queryType":"insights","format":"attributions",` + insight + `}`, []string{"insight.json"}},
		"insight-rule":         {`{"queryType":"insights","format":"rule",` + insight + `}`, []string{"insight-rule.json"}},
		"insight-no-rule":      {`{"queryType":"insights","format":"rule",` + insight + `}`, []string{"insight.json"}},
		"insight-rule-summary": {`{"queryType":"insights","format":"summary",` + insight + `}`, []string{"insight-rule.json"}},
		"insight-records":      {`{"queryType":"insights","format":"records",` + insight + `}`, []string{"insight-records.json"}},
		"confidence":           {`{"queryType":"confidence","groupBy":["insight_type"]}`, []string{"insights.json"}},
		"confidence-count":     {`{"queryType":"confidence","measure":"count","minConfidence":0.5,"step":"10m"}`, []string{"insights-active.json"}},
		"confidence-number":    {`{"queryType":"confidence","instant":true,"groupBy":["identity","object"]}`, []string{"insights.json"}},
		"events-logs":          {`{"queryType":"events"}`, []string{"events-raw.json"}},
		"events-table":         {`{"queryType":"events","format":"table","limit":2}`, []string{"events.json", "events-volume.json"}},
		"events-empty":         {`{"queryType":"events","filter":"identity=\"nobody\""}`, []string{"events-empty.json"}},
		"events-insight":       {`{"queryType":"events","insightId":"a2b4d25b42c1aff7943f2ffd0aa40c13"}`, []string{"insight-events.json"}},
		"events-volume":        {`{"queryType":"events","format":"volume","by":"outcome","step":"10m"}`, []string{"events-volume.json"}},
		"events-values":        {`{"queryType":"events","format":"values","by":"identity"}`, []string{"events-values.json"}},
		"map-country":          {`{"queryType":"map"}`, []string{"events-places.json"}},
		"map-coordinates":      {`{"queryType":"map","format":"coordinates"}`, []string{"events-places-coordinates.json"}},
		"map-insights":         {`{"queryType":"map","of":"insights"}`, []string{"insights.json"}},
		"identities":           {`{"queryType":"identities"}`, []string{"identities.json"}},
		"identity-summary":     {`{"queryType":"identities","format":"summary","identityId":"0a1b2c3d"}`, []string{"identity.json"}},
		"identity-hours":       {`{"queryType":"identities","format":"hours","identityId":"arn:aws:iam::111122223333:user/anna"}`, []string{"identities.json"}},
		"identity-networks":    {`{"queryType":"identities","format":"networks","identityId":"0a1b2c3d"}`, []string{"identity.json"}},
		"coverage-detectors":   {`{"queryType":"coverage"}`, nil},
		"coverage-sources":     {`{"queryType":"coverage","format":"sources"}`, nil},
		"coverage-streams":     {`{"queryType":"coverage","format":"streams"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := replay(t, c.files...)
			res, err := datasource(t, s.URL).QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{dataQuery(c.query)}})
			require.NoError(t, err)
			r := res.Responses["A"]
			require.NoError(t, r.Error)
			experimental.CheckGoldenJSONResponse(t, "testdata", name, &r, *update)
		})
	}
}

// What the daemon refuses is told in its own words, with the status that fits.
func TestGoldenErrors(t *testing.T) {
	f := func(query, file string, status backend.Status, want string) {
		t.Helper()
		s := replay(t, file)
		res, err := datasource(t, s.URL).QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{dataQuery(query)}})
		require.NoError(t, err)
		r := res.Responses["A"]
		require.EqualError(t, r.Error, want)
		require.Equal(t, status, r.Status)
		require.Equal(t, backend.ErrorSourceDownstream, r.ErrorSource)
	}
	f(`{"queryType":"promql","expr":"sum(","instant":true}`, "error-query.json", 400, `bad query: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`)
	f(`{"queryType":"events","filter":"identity=anna"}`, "error-filter.json", 400, `bad query: invalid query: filter, column 10: found "anna", expected a quoted value for identity`)
	f(`{"queryType":"insights","format":"summary","insightId":"unknown"}`, "error-not-found.json", 404, `not found: there is no insight "unknown"; it may be past its retention`)
	f(`{"queryType":"insights"}`, "insights-warning.json", 501, `this insightd is too old for the plugin: /api/v1/insights does not know the parameters "typ"; update insightd`)
}
