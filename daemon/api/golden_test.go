package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the goldens in testdata/api anew")

// goldenRule is asked once a rule has found something, which is in no answer before.
const goldenRule = "insight-rule.json"

const goldenDir = "../../testdata/api"

// golden is one request of the golden run. Its body is pushed where there is
// one.
type golden struct {
	// File holds the answer's body.
	File   string `json:"file"`
	Method string `json:"method"`
	Path   string `json:"path"`
	// Pattern is the path of openapi.yaml.
	Pattern string `json:"pattern"`
	Body    string `json:"body,omitempty"`
	Status  int    `json:"status"`
}

// goldens are asked in this order, so that what is pushed is not in what is
// asked before.
func goldens(w *world) []golden {
	get := func(file, pattern, path string) golden {
		return golden{file, http.MethodGet, path, pattern, "", http.StatusOK}
	}
	fails := func(file, pattern, path string, status int) golden {
		return golden{file, http.MethodGet, path, pattern, "", status}
	}
	said := func(file, pattern, path, body string, status int) golden {
		return golden{file, http.MethodPost, path, pattern, body, status}
	}
	e := url.QueryEscape
	const exception = `{"kind":"mute","owner":"anna","reason":"The load test of this week.","ticket":"CHG-42","expires":"2026-03-13T18:00:00Z","scope":{"identity":"*:user/anna","operation":"ec2.amazonaws.com:*"}}`
	push := `{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/anna","accountId":"111122223333","userName":"anna"},` +
		`"eventTime":"2026-03-09T11:59:00Z","eventSource":"ec2.amazonaws.com","eventName":"StopInstances","awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.7",` +
		`"userAgent":"aws-cli/2.15.0","eventID":"pushed-1","eventType":"AwsApiCall","managementEvent":true,"readOnly":false,"recipientAccountId":"111122223333","eventCategory":"Management"}`
	return []golden{
		get("insights.json", "/api/v1/insights", "/api/v1/insights"),
		get("insights-page.json", "/api/v1/insights", "/api/v1/insights?limit=1&sort=-confidence"),
		get("insights-active.json", "/api/v1/insights", "/api/v1/insights?state=active&min_confidence=0.5"),
		get("insights-provisional.json", "/api/v1/insights", "/api/v1/insights?provisional=true"),
		get("insights-withdrawn.json", "/api/v1/insights", "/api/v1/insights?state=withdrawn"),
		get("insight-superseded.json", "/api/v1/insights/{id}", "/api/v1/insights/"+w.ids["former"]),
		get("insights-empty.json", "/api/v1/insights", "/api/v1/insights?type=LogGapInsight"),
		get("insights-warning.json", "/api/v1/insights", "/api/v1/insights?typ=LogGapInsight&limit=1"),
		get("insights-filter.json", "/api/v1/insights", "/api/v1/insights?filter="+e(`type=~"Api.*" country!="NL" "runinstances"`)+"&region=eu-central-1&region=us-east-1"),
		get("insights-fields.json", "/api/v1/insights/fields", "/api/v1/insights/fields"),
		get("insights-values.json", "/api/v1/insights/field/{name}/values", "/api/v1/insights/field/type/values?contains=INSIGHT"),
		get("insight.json", "/api/v1/insights/{id}", "/api/v1/insights/"+w.ids["calls"]),
		get("insight-events.json", "/api/v1/insights/{id}/events", "/api/v1/insights/"+w.ids["failures"]+"/events?limit=3&raw=true"),
		get("insight-samples.json", "/api/v1/insights/{id}/events", "/api/v1/insights/"+w.ids["account"]+"/events"),
		get("insight-records.json", "/api/v1/insights/{id}/records", "/api/v1/insights/"+w.ids["failures"]+"/records"),
		get("insight-records-withdrawn.json", "/api/v1/insights/{id}/records", "/api/v1/insights/"+w.ids["back"]+"/records"),
		said("insight-feedback-dry-run.json", "/api/v1/insights/{id}/feedback", "/api/v1/insights/"+w.ids["calls"]+"/feedback?dry_run=true", `{"verdict":"down","note":"the new job"}`, http.StatusOK),
		said("insight-feedback-given.json", "/api/v1/insights/{id}/feedback", "/api/v1/insights/"+w.ids["calls"]+"/feedback", `{"verdict":"down","note":"the new job"}`, http.StatusOK),
		said("insight-feedback-up.json", "/api/v1/insights/{id}/feedback", "/api/v1/insights/"+w.ids["calls"]+"/feedback", `{"verdict":"up"}`, http.StatusOK),
		get("insight-feedback.json", "/api/v1/insights/{id}/feedback", "/api/v1/insights/"+w.ids["calls"]+"/feedback"),
		get("insight-judged.json", "/api/v1/insights/{id}", "/api/v1/insights/"+w.ids["calls"]),
		{"insight-feedback-undone.json", http.MethodDelete, "/api/v1/insights/" + w.ids["calls"] + "/feedback", "/api/v1/insights/{id}/feedback", "", http.StatusOK},
		said("error-feedback-conflict.json", "/api/v1/insights/{id}/feedback", "/api/v1/insights/"+w.ids["former"]+"/feedback", `{"verdict":"up"}`, http.StatusConflict),
		said("identity-rebaseline.json", "/api/v1/identities/{id}/rebaseline", "/api/v1/identities/0a1b2c3d/rebaseline", `{"note":"moved to another team"}`, http.StatusOK),
		said("exception-dry-run.json", "/api/v1/exceptions", "/api/v1/exceptions?dry_run=true", exception, http.StatusOK),
		said("exception-made.json", "/api/v1/exceptions", "/api/v1/exceptions", exception, http.StatusOK),
		said("exception-window.json", "/api/v1/exceptions", "/api/v1/exceptions", `{"kind":"maintenance","owner":"platform","reason":"The old network goes.","starts":"2026-03-14T22:00:00Z","expires":"2026-03-15T04:00:00Z","scope":{"account":"111122223333","network":"corporate","max_rate":120}}`, http.StatusOK),
		said("error-exception.json", "/api/v1/exceptions", "/api/v1/exceptions", `{"kind":"mute","owner":"anna","reason":"noise","expires":"2026-04-01T00:00:00Z","scope":{"max_rate":5}}`, http.StatusBadRequest),
		get("exceptions.json", "/api/v1/exceptions", "/api/v1/exceptions"),
		get("exceptions-scheduled.json", "/api/v1/exceptions", "/api/v1/exceptions?state=scheduled&kind=maintenance"),
		get("exception.json", "/api/v1/exceptions/{id}", "/api/v1/exceptions/"+w.exception()),
		{"exception-deleted.json", http.MethodDelete, "/api/v1/exceptions/" + w.exception(), "/api/v1/exceptions/{id}", "", http.StatusOK},
		{"error-exception-deleted.json", http.MethodDelete, "/api/v1/exceptions/unknown", "/api/v1/exceptions/{id}", "", http.StatusNotFound},
		get("incidents.json", "/api/v1/incidents", "/api/v1/incidents"),
		get("incidents-filter.json", "/api/v1/incidents", "/api/v1/incidents?filter="+e(`type="ApiErrorRateInsight"`)),
		get("incident.json", "/api/v1/incidents/{id}", "/api/v1/incidents/5f0c2a9be1d34c77"),
		get("events.json", "/api/v1/events", "/api/v1/events?limit=3&filter="+e(`outcome="error" identity=~".*/anna"`)),
		get("events-raw.json", "/api/v1/events", "/api/v1/events?direction=forward&raw=true&limit=1&end=1773057600"),
		get("events-around.json", "/api/v1/events", "/api/v1/events?around=event-030&direction=forward&limit=2"),
		get("events-empty.json", "/api/v1/events", "/api/v1/events?filter="+e(`identity="nobody"`)),
		get("events-volume.json", "/api/v1/events/volume", "/api/v1/events/volume?start=2026-03-09T11:00:00Z&end=2026-03-09T12:00:00Z&step=10m&by=outcome"),
		get("events-places.json", "/api/v1/events/places", "/api/v1/events/places?start=2026-03-09T11:00:00Z&end=2026-03-09T12:00:00Z"),
		get("events-places-coordinates.json", "/api/v1/events/places", "/api/v1/events/places?by=coordinates&start=2026-03-09T11:00:00Z&end=2026-03-09T12:00:00Z"),
		get("events-fields.json", "/api/v1/events/fields", "/api/v1/events/fields"),
		get("events-values.json", "/api/v1/events/field/{name}/values", "/api/v1/events/field/identity/values"),
		get("event.json", "/api/v1/events/{uid}", "/api/v1/events/event-030"),
		get("identities.json", "/api/v1/identities", "/api/v1/identities"),
		get("identities-class.json", "/api/v1/identities", "/api/v1/identities?class=Automation&sort=-risk"),
		get("insights-class.json", "/api/v1/insights", "/api/v1/insights?filter="+e(`identity_class!="Automation" identity!=""`)),
		get("events-class.json", "/api/v1/events", "/api/v1/events?limit=2&filter="+e(`user_type="Automation"`)),
		get("events-high-risk.json", "/api/v1/events", "/api/v1/events?filter="+e(`high_risk="true"`)),
		get("events-class-values.json", "/api/v1/events/field/{name}/values", "/api/v1/events/field/identity_class/values?filter="+e(`{outcome="success"}`)),
		get("identity.json", "/api/v1/identities/{id}", "/api/v1/identities/0a1b2c3d"),
		get("bands.json", "/api/v1/bands", "/api/v1/bands?selector=activity_events&start=2026-03-09T11:50:00Z&end=2026-03-09T12:00:00Z&step=5m"),
		get("coverage.json", "/api/v1/coverage", "/api/v1/coverage"),
		get("alerts.json", "/api/v1/alerts", "/api/v1/alerts"),
		get("status-sources.json", "/api/v1/status/sources", "/api/v1/status/sources"),
		get("query.json", "/api/v1/query", "/api/v1/query?query="+e("sum by (operation) (sum_over_time(activity_events[1h]))")),
		get("query-range.json", "/api/v1/query_range", "/api/v1/query_range?query=activity_events&start=2026-03-09T11:30:00Z&end=2026-03-09T11:35:00Z&step=60"),
		get("query-insights.json", "/api/v1/query_range", "/api/v1/query_range?query="+e(`{__name__=~"insight_.*"}`)+"&start=2026-03-09T11:38:00Z&end=2026-03-09T11:42:00Z&step=60"),
		get("series.json", "/api/v1/series", "/api/v1/series?match[]=activity_events&start=2026-03-09T11:00:00Z&end=2026-03-09T12:00:00Z"),
		get("labels.json", "/api/v1/labels", "/api/v1/labels"),
		get("label-values.json", "/api/v1/label/{name}/values", "/api/v1/label/__name__/values"),
		get("metadata.json", "/api/v1/metadata", "/api/v1/metadata"),
		fails("error-parameter.json", "/api/v1/insights", "/api/v1/insights?start=yesterday", http.StatusBadRequest),
		fails("error-filter.json", "/api/v1/events", "/api/v1/events?filter="+e(`identity=anna`), http.StatusBadRequest),
		fails("error-insight-filter.json", "/api/v1/insights", "/api/v1/insights?filter="+e(`identiy="anna"`), http.StatusBadRequest),
		fails("error-not-found.json", "/api/v1/insights/{id}", "/api/v1/insights/unknown", http.StatusNotFound),
		fails("error-query.json", "/api/v1/query", "/api/v1/query?query="+e("sum("), http.StatusBadRequest),
		get(goldenRule, "/api/v1/insights/{id}", "/api/v1/insights/"+w.ids["rule"]),
		get("rules.json", "/api/v1/rules", "/api/v1/rules"),
		{"push.json", http.MethodPost, "/api/v1/events", "/api/v1/events", `{"Records":[` + push + `,{"no":"record"},` + push + `]}`, http.StatusOK},
		{"push-rejected.json", http.MethodPost, "/api/v1/events", "/api/v1/events", `[{"no":"record"}]`, http.StatusBadRequest},
	}
}

// TestGoldens asks everything once, holds the answers against the goldens that
// the plugin's tests read, and against openapi.yaml.
func TestGoldens(t *testing.T) {
	w := newWorld(t, nil)
	doc := loadOpenAPI(t)
	var index []golden
	for _, g := range goldens(w) {
		if g.File == goldenRule {
			_, err := w.insights.Put(worldRule())
			require.NoError(t, err)
		}
		var body *strings.Reader
		code, header, got := 0, http.Header(nil), []byte(nil)
		if g.Body != "" {
			body = strings.NewReader(g.Body)
			code, header, got = w.call(g.Method, g.Path, body, "Content-Type", "application/json")
		} else {
			code, header, got = w.call(g.Method, g.Path, nil)
		}
		require.Equal(t, g.Status, code, "%s: %s", g.Path, got)
		require.Equal(t, "application/json", header.Get("Content-Type"), g.Path)
		fits(t, doc, g, got)

		var b bytes.Buffer
		require.NoError(t, json.Indent(&b, got, "", "  "))
		compare(t, g.File, b.Bytes())
		index = append(index, g)
	}
	b, err := json.MarshalIndent(index, "", "  ")
	require.NoError(t, err)
	compare(t, "index.json", append(b, '\n'))

	// Nothing is left of goldens that are written no more.
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(t, err)
	for _, f := range files {
		name := filepath.Base(f)
		known := name == "index.json" || slices.ContainsFunc(index, func(g golden) bool { return g.File == name })
		if !known && *update {
			require.NoError(t, os.Remove(f))
			continue
		}
		require.True(t, known, "%s is no golden", name)
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join(goldenDir, name)
	if *update {
		require.NoError(t, os.MkdirAll(goldenDir, 0o777))
		require.NoError(t, os.WriteFile(file, got, 0o666))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
}

func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPIFile)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

// fits holds an answer against its schema.
func fits(t *testing.T, doc *openapi3.T, g golden, body []byte) {
	t.Helper()
	item := doc.Paths.Value(g.Pattern)
	require.NotNil(t, item, g.Pattern)
	op := item.GetOperation(g.Method)
	require.NotNil(t, op, "%s %s", g.Method, g.Pattern)
	res := op.Responses.Status(g.Status)
	require.NotNil(t, res, "%s %s: %d is not described", g.Method, g.Pattern, g.Status)
	content := res.Value.Content.Get("application/json")
	require.NotNil(t, content)
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	require.NoError(t, content.Schema.Value.VisitJSON(v), "%s %s", g.Method, g.Path)
}

// TestOpenAPI holds the routes of openapi.yaml against those that are served.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t, nil)
	doc := loadOpenAPI(t)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range w.api.routes() {
		for _, m := range r.methods {
			served = append(served, m+" "+r.path)
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	require.Equal(t, served, described)

	// Every parameter in a path is described, and every parameter of ours is
	// asked for by its handler: one that is not would be warned of.
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for part := range strings.SplitSeq(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok {
					require.NotNil(t, op.Parameters.GetByInAndName("path", strings.TrimSuffix(name, "}")), path)
				}
			}
			if method != http.MethodGet || !strings.HasPrefix(path, "/api/v1/") || slices.Contains(op.Tags, "daemon") ||
				path == "/api/v1/insights/live" || slices.ContainsFunc(promRoutes, func(p struct {
				path    string
				methods []string
			},
			) bool {
				return promPrefix+p.path == path
			}) {
				continue
			}
			q := url.Values{}
			for _, p := range op.Parameters {
				if p.Value.In == "query" {
					q.Set(p.Value.Name, sampleValue(p.Value))
				}
			}
			target := strings.NewReplacer("{id}", w.ids["calls"], "{uid}", "event-030", "{name}", "identity").Replace(path)
			if path == "/api/v1/incidents/{id}" {
				target = "/api/v1/incidents/5f0c2a9be1d34c77"
			}
			if path == "/api/v1/exceptions/{id}" {
				code, a := w.post("/api/v1/exceptions", `{"kind":"mute","owner":"anna","reason":"x","expires":"2026-03-13T18:00:00Z","scope":{"country":"DE"}}`)
				require.Equal(t, http.StatusOK, code, a.Error)
				target = "/api/v1/exceptions/" + w.exception()
			}
			if path == "/api/v1/identities/{id}" {
				target = "/api/v1/identities/0a1b2c3d"
			}
			q.Del("next")
			code, a := w.ask(target + "?" + q.Encode())
			require.Equal(t, http.StatusOK, code, "%s?%s: %s", target, q.Encode(), a.Error)
			require.Empty(t, a.Warnings, target)
		}
	}
}

// sampleValue is a value that a parameter may have.
func sampleValue(p *openapi3.Parameter) string {
	s := p.Schema.Value
	if s.Type.Is("array") {
		s = s.Items.Value
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0].(string)
	case s.Type.Is("boolean"):
		return "true"
	case s.Type.Is("integer"):
		return "1"
	case s.Type.Is("number"):
		return "0.5"
	}
	switch p.Name {
	case "around":
		return "event-030"
	case "start":
		return "2026-03-09T11:00:00Z"
	case "end":
		return "2026-03-09T12:00:00Z"
	case "step":
		return "5m"
	case "by":
		return "region"
	case "filter":
		return `provider="aws"`
	}
	return "x"
}
