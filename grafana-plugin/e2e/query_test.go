package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/grafana-plugin/pkg/plugin"
)

type query = map[string]any

// ask asks one query over the last two days and wants an answer.
func ask(t *testing.T, q any) data.Frames {
	t.Helper()
	return askOver(t, 48, q)
}

func askOver(t *testing.T, hours float64, q any) data.Frames {
	t.Helper()
	res, err := world.Query(t.Context(), hours, q)
	require.NoError(t, err)
	r := res.Responses["A"]
	require.NoError(t, r.Error)
	require.Equal(t, backend.StatusOK, r.Status)
	require.NotEmpty(t, r.Frames)
	return r.Frames
}

// refused asks one query and wants an error.
func refused(t *testing.T, q any) backend.DataResponse {
	t.Helper()
	res, err := world.Query(t.Context(), 48, q)
	require.NoError(t, err)
	r := res.Responses["A"]
	require.Error(t, r.Error)
	return r
}

func field(t *testing.T, f *data.Frame, name string) *data.Field {
	t.Helper()
	got, at := f.FieldByName(name)
	require.GreaterOrEqual(t, at, 0, "the field %s", name)
	return got
}

func texts(t *testing.T, f *data.Frame, name string) []string {
	t.Helper()
	c := field(t, f, name)
	out := make([]string, c.Len())
	for n := range out {
		out[n] = c.At(n).(string)
	}
	return out
}

func numbers(t *testing.T, f *data.Frame, name string) []float64 {
	t.Helper()
	c := field(t, f, name)
	out := make([]float64, c.Len())
	for n := range out {
		v, err := c.FloatAt(n)
		require.NoError(t, err)
		out[n] = v
	}
	return out
}

func notices(f *data.Frame) string {
	if f.Meta == nil {
		return ""
	}
	var out []string
	for _, n := range f.Meta.Notices {
		out = append(out, n.Text)
	}
	return strings.Join(out, "\n")
}

// chosen are an insight on a call rate, and its identity.
func chosen(t *testing.T) (insight, identity string) {
	t.Helper()
	f := ask(t, query{"queryType": "insights", "types": []string{"ApiCallRateInsight"}, "sort": "-confidence", "filter": `identity!=""`})[0]
	require.Positive(t, f.Rows())
	return texts(t, f, "id")[0], texts(t, f, "identity")[0]
}

// sample is one of testdata/queries.json, which the frontend reads too.
type sample struct {
	Name  string
	Query json.RawMessage
}

func samples(t *testing.T) []sample {
	t.Helper()
	b, err := os.ReadFile("../testdata/queries.json")
	require.NoError(t, err)
	insight, identity := chosen(t)
	text := strings.NewReplacer("$insight", insight, "$identity", identity).Replace(string(b))
	var out []sample
	require.NoError(t, json.Unmarshal([]byte(text), &out))
	return out
}

// Every form of every query type is answered with data, in frames of the type that
// the contract names.
func TestEverySampleIsAnswered(t *testing.T) {
	types := map[string]data.FrameType{
		"promql": data.FrameTypeTimeSeriesMulti, "bands": data.FrameTypeTimeSeriesMulti, "confidence": data.FrameTypeTimeSeriesMulti,
		"insights logs": data.FrameTypeLogLines, "events logs": data.FrameTypeLogLines, "events volume": data.FrameTypeTimeSeriesMulti,
		"insights timeline": "", "map country": data.FrameTypeNumericLong, "map coordinates": data.FrameTypeNumericLong,
	}
	seen := map[string]bool{}
	for _, s := range samples(t) {
		q, err := plugin.ParseQuery(s.Query)
		require.NoError(t, err, s.Name)
		seen[q.QueryType+" "+q.Format] = true
		t.Run(s.Name, func(t *testing.T) {
			frames := ask(t, s.Query)
			f := frames[0]
			want, ok := types[strings.TrimSpace(q.QueryType+" "+q.Format)]
			switch {
			case !ok:
				want = data.FrameTypeTable
			case q.Instant:
				want = data.FrameTypeNumericMulti
			}
			rows := 0
			for _, f := range frames {
				require.Equal(t, "A", f.RefID)
				require.NotNil(t, f.Meta)
				require.Equal(t, want, f.Meta.Type)
				rows += f.Rows()
				if slices.Contains([]data.FrameType{data.FrameTypeTimeSeriesMulti, data.FrameTypeNumericMulti, data.FrameTypeNumericLong}, want) {
					require.Equal(t, data.FrameTypeVersion{0, 1}, f.Meta.TypeVersion)
				} else {
					require.NotEmpty(t, f.Fields)
				}
			}
			require.NotEmpty(t, f.Meta.ExecutedQueryString)
			if q.Format == "coordinates" || (q.Format == "agents" || q.Format == "rule") && rows == 0 {
				require.NotEmpty(t, notices(f), "no rows, and no reason")
				return
			}
			require.Positive(t, rows, notices(f))
		})
	}
	for _, typ := range []string{"promql", "bands", "insights", "confidence", "events", "map", "identities", "coverage"} {
		for _, format := range plugin.Formats(typ) {
			require.True(t, seen[typ+" "+format], "queries.json has no sample of %s %s", typ, format)
		}
	}
}

func TestPromQL(t *testing.T) {
	frames := ask(t, query{"queryType": "promql", "expr": "sum by (account) (sum_over_time(activity_events[1h]))", "step": "1h", "legend": "of {{ account }}"})
	require.Len(t, frames, 2)
	for _, f := range frames {
		require.Equal(t, data.FieldTypeTime, f.Fields[0].Type())
		require.Equal(t, float64(3600_000), f.Fields[0].Config.Interval)
		require.Equal(t, "Value", f.Fields[1].Name)
		require.Len(t, f.Fields[1].Labels, 1)
		require.Equal(t, "of "+f.Fields[1].Labels["account"], f.Fields[1].Config.DisplayNameFromDS)
		require.InDelta(t, 48, f.Rows(), 2)
	}
	require.Contains(t, frames[0].Meta.ExecutedQueryString, "Step: 3600s")

	f := ask(t, query{"queryType": "promql", "expr": `activity_events{account="nobody"}`})[0]
	require.Empty(t, f.Fields, "no data is a frame without fields")
	require.Contains(t, notices(f), "no series has a sample in this range")

	f = ask(t, query{"queryType": "promql", "expr": "sum(rate(activity_events[5m]))"})[0]
	require.Contains(t, notices(f), "sum_over_time")
	f = ask(t, query{"queryType": "promql", "expr": "sum(sum_over_time(activity_events[5m]))"})[0]
	require.Empty(t, notices(f))

	// Ad-hoc filters go into every selector.
	both := query{"queryType": "promql", "expr": "sum(sum_over_time(activity_events[2d])) + sum(sum_over_time(activity_events[2d]))", "instant": true}
	all := numbers(t, ask(t, both)[0], "Value")[0]
	both["filters"] = []query{{"key": "outcome", "operator": "=", "value": "error"}}
	errs := ask(t, both)[0]
	require.Contains(t, errs.Meta.ExecutedQueryString, `sum(sum_over_time(activity_events{outcome="error"}[2d])) + sum(sum_over_time(activity_events{outcome="error"}[2d]))`)
	require.Less(t, numbers(t, errs, "Value")[0], all/4)
	require.Positive(t, numbers(t, errs, "Value")[0])

	r := refused(t, query{"queryType": "promql", "expr": "sum("})
	require.Equal(t, backend.StatusBadRequest, r.Status)
	require.Equal(t, backend.ErrorSourceDownstream, r.ErrorSource)
	require.ErrorContains(t, r.Error, "unclosed left parenthesis")
}

func TestBandsAreNamedForAFill(t *testing.T) {
	_, identity := chosen(t)
	frames := ask(t, query{"queryType": "bands", "expr": `activity_identity_events{identity="` + identity + `", access="read", outcome="success"}`})
	require.GreaterOrEqual(t, len(frames), 4)
	var names []string
	for _, f := range frames[:4] {
		names = append(names, f.Fields[1].Name)
		require.Equal(t, frames[0].Fields[1].Labels, f.Fields[1].Labels)
	}
	require.Equal(t, []string{"upper", "lower", "expected", "observed"}, names)
	require.Equal(t, frames[1].Fields[1].Config.DisplayNameFromDS, frames[0].Fields[1].Config.Custom["fillBelowTo"])

	f := ask(t, query{"queryType": "bands"})[0]
	require.Contains(t, notices(f), "write a selector")
}

func TestInsightsAsATable(t *testing.T) {
	f := ask(t, query{"queryType": "insights"})[0]
	require.Greater(t, f.Rows(), 10)
	for n, name := range []string{"time", "end", "type", "severity", "confidence", "object", "identity", "account", "region", "country", "summary", "links"} {
		require.Equal(t, name, f.Fields[n].Name)
	}
	for _, want := range world.Truth.Labels {
		if want.Start.After(world.Now) {
			continue
		}
		require.Contains(t, texts(t, f, "type"), want.Insight)
	}
	require.Equal(t, "percentunit", field(t, f, "confidence").Config.Unit)
	require.NotEmpty(t, field(t, f, "confidence").Config.Thresholds.Steps)
	require.NotEmpty(t, field(t, f, "severity").Config.Mappings)
	links := field(t, f, "links").Config.Links
	require.Contains(t, links[0].URL, "/d/insightd-insight?var-insight=${__data.fields.id")
	require.Equal(t, "insightd", links[1].Internal.DatasourceUID)
	behind := links[1].Internal.Query.(map[string]any)
	require.Equal(t, "events", behind["queryType"])
	require.Equal(t, "${__data.fields.id}", behind["insightId"])
	require.Contains(t, field(t, f, "identity").Config.Links[0].URL, "/d/insightd-identity?var-identity=")

	// What the link asks for is what is behind the insight.
	row := slices.Index(texts(t, f, "type"), "ApiCallRateInsight")
	events := ask(t, query{
		"queryType": "events", "format": "table", "insightId": texts(t, f, "id")[row],
		"from": texts(t, f, "from")[row], "to": texts(t, f, "to")[row],
	})[0]
	require.Positive(t, events.Rows())
	for _, who := range texts(t, events, "identity") {
		require.Equal(t, texts(t, f, "identity")[row], who)
	}

	// Filters, each by its own way.
	only := func(q query, column string, ok func(string) bool) int {
		t.Helper()
		q["queryType"] = "insights"
		f := ask(t, q)[0]
		for _, v := range texts(t, f, column) {
			require.True(t, ok(v), "%s in %v", v, q)
		}
		return f.Rows()
	}
	require.Positive(t, only(query{"types": []string{"IpInsight", "AkInsight"}}, "type", func(s string) bool { return s == "IpInsight" || s == "AkInsight" }))
	require.Positive(t, only(query{"severities": []string{"Critical", "High"}}, "severity", func(s string) bool { return s == "Critical" || s == "High" }))
	require.Positive(t, only(query{"filter": `{type="IpInsight"}`}, "type", func(s string) bool { return s == "IpInsight" }))
	require.Positive(t, only(query{"filters": []query{{"key": "type", "operator": "!=|", "values": []string{"IpInsight"}}}}, "type", func(s string) bool { return s != "IpInsight" }))
	require.Positive(t, only(query{"state": "ended"}, "state", func(s string) bool { return s == "End" }))
	require.Positive(t, only(query{"minConfidence": 0.8}, "level", func(s string) bool { return s == "High" }))

	// Limits, and what is said of them.
	cut := ask(t, query{"queryType": "insights", "limit": 3})[0]
	require.Equal(t, 3, cut.Rows())
	require.Contains(t, notices(cut), "3 of "+strconv.Itoa(f.Rows())+" insights")
	cut = ask(t, query{"queryType": "insights", "limit": 3, "minConfidence": 0.5})[0]
	require.Contains(t, notices(cut), "there are more")

	// A filter of the dashboard that means nothing here is left out, and one that
	// the query names is an error.
	f = ask(t, query{"queryType": "insights", "filters": []query{{"key": "outcome", "operator": "=", "value": "error"}}})[0]
	require.Contains(t, notices(f), "outcome is left out here")
	require.Positive(t, f.Rows())
	r := refused(t, query{"queryType": "insights", "filter": `outcome="error"`})
	require.Equal(t, backend.StatusBadRequest, r.Status)
}

func TestNothingSaysWhy(t *testing.T) {
	res, err := world.Query(t.Context(), 48,
		query{"queryType": "insights", "filter": `account="nobody"`},
		query{"queryType": "insights", "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"},
		query{"queryType": "events", "filter": `account="nobody"`},
		query{"queryType": "insights", "format": "reasons"},
		query{"queryType": "identities", "format": "hours"},
		query{"queryType": "identities", "filter": `account="nobody"`},
		query{"queryType": "insights", "format": "timeline", "filter": `account="nobody"`},
	)
	require.NoError(t, err)
	for ref, want := range map[string]string{
		"A": "no insight in this range fits the query", "B": "insightd has those from 2026-03-02T15:0", "C": `fits the filter account="nobody"`,
		"D": "choose an insight", "E": "choose an identity", "F": "no identity fits", "G": "no insight in this range fits the query",
	} {
		r := res.Responses[ref]
		require.NoError(t, r.Error)
		require.Zero(t, r.Frames[0].Rows(), ref)
		require.NotEmpty(t, r.Frames[0].Fields, ref)
		require.Contains(t, notices(r.Frames[0]), want, ref)
	}
}

func TestConfidence(t *testing.T) {
	res, err := world.Query(t.Context(), 48,
		query{"queryType": "confidence"},
		query{"queryType": "confidence", "groupBy": []string{"insight_type", "account"}},
		query{"queryType": "confidence", "measure": "count", "minConfidence": 0.8},
		query{"queryType": "confidence", "measure": "count", "filter": `account="nobody"`},
		query{"queryType": "confidence", "filter": `account="nobody"`},
		query{"queryType": "confidence", "instant": true, "groupBy": []string{"id"}, "types": []string{"TrailConcealmentInsight"}},
	)
	require.NoError(t, err)
	for ref, r := range res.Responses {
		require.NoError(t, r.Error, ref)
	}
	highest := slices.Max(numbers(t, res.Responses["A"].Frames[0], "confidence"))
	table := ask(t, query{"queryType": "insights"})[0]
	require.Equal(t, slices.Max(numbers(t, table, "confidence")), highest)

	grouped := res.Responses["B"].Frames
	require.Greater(t, len(grouped), 4)
	for _, f := range grouped {
		require.Len(t, f.Fields[1].Labels, 2)
	}
	counts := numbers(t, res.Responses["C"].Frames[0], "insights")
	require.Positive(t, slices.Max(counts))
	require.Zero(t, slices.Min(counts))
	none := res.Responses["D"].Frames[0]
	require.Zero(t, slices.Max(numbers(t, none, "insights")), "none is a number")
	require.Empty(t, res.Responses["E"].Frames[0].Fields, "no confidence of nothing")
	for _, f := range res.Responses["F"].Frames {
		require.Equal(t, data.FrameTypeNumericMulti, f.Meta.Type)
		require.NotEmpty(t, f.Fields[1].Labels["id"])
	}
}

func TestEvents(t *testing.T) {
	f := ask(t, query{"queryType": "events", "limit": 25, "filter": `outcome="error"`})[0]
	require.Equal(t, 25, f.Rows())
	var names []string
	for _, c := range f.Fields {
		names = append(names, c.Name)
	}
	require.Equal(t, []string{"timestamp", "body", "severity", "id", "labels"}, names)
	require.Contains(t, notices(f), "25 of ")
	for n := range f.Rows() {
		var labels map[string]string
		require.NoError(t, json.Unmarshal(f.Fields[4].At(n).(json.RawMessage), &labels))
		require.Equal(t, "error", labels["outcome"])
		require.Equal(t, "error", f.Fields[2].At(n))
		var raw map[string]any
		require.NoError(t, json.Unmarshal([]byte(f.Fields[1].At(n).(string)), &raw), "the body is the event as it came")
		require.Equal(t, labels["operation"], raw["eventName"])
	}

	// More than a page, in order, without gaps.
	f = ask(t, query{"queryType": "events", "limit": 12_000})[0]
	require.Equal(t, 12_000, f.Rows())
	ids := texts(t, f, "id")
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 12_000)

	total := func(q query) float64 {
		q["queryType"], q["format"] = "events", "volume"
		sum := 0.0
		for _, f := range ask(t, q) {
			require.LessOrEqual(t, f.Rows(), 1000)
			for _, v := range numbers(t, f, "events") {
				sum += v
			}
		}
		return sum
	}
	all := total(query{})
	require.Equal(t, all, total(query{"by": "provider"}))
	require.Equal(t, all, total(query{"by": "operation", "top": 3}))

	insight, identity := chosen(t)
	behind := ask(t, query{"queryType": "events", "insightId": insight})[0]
	require.Positive(t, behind.Rows())
	narrowed := ask(t, query{"queryType": "events", "insightId": insight, "filters": []query{{"key": "identity", "operator": "=", "value": identity}}})[0]
	require.Positive(t, narrowed.Rows())
	require.Positive(t, total(query{"insightId": insight}))

	f = ask(t, query{"queryType": "events", "format": "values", "by": "outcome"})[0]
	require.ElementsMatch(t, []string{"success", "error"}, texts(t, f, "outcome"))

	r := refused(t, query{"queryType": "events", "filter": "identity=anna"})
	require.Equal(t, backend.StatusBadRequest, r.Status)
	require.ErrorContains(t, r.Error, "expected a quoted value")
}

func TestMap(t *testing.T) {
	f := ask(t, query{"queryType": "map", "of": "insights"})[0]
	require.Positive(t, f.Rows())
	require.Equal(t, "lookup", f.Fields[0].Name)
	for _, c := range texts(t, f, "lookup") {
		require.Len(t, c, 2)
	}
	require.Contains(t, notices(ask(t, query{"queryType": "map", "of": "insights", "format": "coordinates"})[0]), "countries")
	f = ask(t, query{"queryType": "map"})[0]
	require.Positive(t, f.Rows())
	require.Equal(t, "lookup", f.Fields[0].Name)
	for _, name := range []string{"latitude", "longitude"} {
		_, at := f.FieldByName(name)
		require.Negative(t, at, "Auto mode takes coordinates first")
	}
	sum := 0.0
	for n, v := range numbers(t, f, "events") {
		sum += v
		require.InDelta(t, numbers(t, f, "errors")[n]/v, numbers(t, f, "errorShare")[n], 1e-9)
	}
	require.Positive(t, sum)
}

func TestIdentities(t *testing.T) {
	f := ask(t, query{"queryType": "identities", "sort": "-events"})[0]
	require.Greater(t, f.Rows(), 20)
	require.True(t, slices.IsSortedFunc(numbers(t, f, "events"), func(a, b float64) int { return int(b - a) }))
	humans := ask(t, query{"queryType": "identities", "kinds": []string{"human", "role"}})[0]
	for _, k := range texts(t, humans, "kind") {
		require.Contains(t, []string{"human", "role"}, k)
	}
	require.Positive(t, humans.Rows())
	filtered := ask(t, query{"queryType": "identities", "filter": `identity_kind="human"`, "filters": []query{{"key": "account", "operator": "=", "value": texts(t, humans, "account")[0]}}})[0]
	require.Positive(t, filtered.Rows())
	require.Less(t, filtered.Rows(), f.Rows())
	automated := ask(t, query{"queryType": "identities", "identityClass": "Automation"})[0]
	require.Positive(t, automated.Rows())
	require.Less(t, automated.Rows(), f.Rows())
	for n, c := range texts(t, automated, "class") {
		require.Equal(t, "Automation", c)
		require.NotEmpty(t, texts(t, automated, "classReason")[n])
	}
	byFilter := ask(t, query{"queryType": "identities", "filter": `identity_class="Automation"`})[0]
	require.Equal(t, automated.Rows(), byFilter.Rows())
	require.Positive(t, slices.Max(numbers(t, f, "activeInsights")))
	require.Contains(t, texts(t, f, "lastInsightType"), "TrailConcealmentInsight")
	cut := ask(t, query{"queryType": "identities", "limit": 2})[0]
	require.Contains(t, notices(cut), "2 of "+strconv.Itoa(f.Rows())+" identities")

	// By its id and by its key.
	who, id := texts(t, f, "identity")[0], texts(t, f, "id")[0]
	for _, key := range []string{who, id} {
		one := ask(t, query{"queryType": "identities", "format": "summary", "identityId": key})[0]
		require.Equal(t, []string{id}, texts(t, one, "id"))
		require.Equal(t, 24, ask(t, query{"queryType": "identities", "format": "hours", "identityId": key})[0].Rows())
	}
	require.Contains(t, notices(ask(t, query{"queryType": "identities", "format": "hours", "identityId": "arn:nobody"})[0]), "there is no identity")
	require.Equal(t, backend.StatusBadRequest, refused(t, query{"queryType": "identities", "filter": `outcome="error"`}).Status)
	require.Equal(t, backend.StatusBadRequest, refused(t, query{"queryType": "identities", "sort": "name"}).Status)
}

// alert asks as an alert rule does.
func alert(t *testing.T, q query) backend.DataResponse {
	t.Helper()
	req := &backend.QueryDataRequest{PluginContext: Context(world.Settings()), Headers: map[string]string{"FromAlert": "true"}}
	dq, err := DataQuery("A", q, world.Now.Add(-world.Now.Sub(world.From)/4), world.Now)
	require.NoError(t, err)
	dq.MaxDataPoints = 43200
	req.Queries = []backend.DataQuery{dq}
	res, err := world.Plugin.QueryData(context.Background(), req)
	require.NoError(t, err)
	return res.Responses["A"]
}

func TestAlertRules(t *testing.T) {
	for _, q := range []query{
		{"queryType": "confidence", "groupBy": []string{"insight_type"}},
		{"queryType": "confidence", "measure": "count", "minConfidence": 0.8},
		{"queryType": "confidence", "instant": true},
		{"queryType": "promql", "expr": "sum by (account) (sum_over_time(activity_events[$__interval]))"},
		{"queryType": "promql", "expr": "sum by (account) (sum_over_time(activity_events[1h]))", "instant": true},
		{"queryType": "events", "format": "volume", "by": "outcome"},
	} {
		r := alert(t, q)
		require.NoError(t, r.Error, q)
		require.NotEmpty(t, r.Frames)
		for _, f := range r.Frames {
			require.Equal(t, data.FrameTypeVersion{0, 1}, f.Meta.TypeVersion)
			require.Contains(t, []data.FrameType{data.FrameTypeTimeSeriesMulti, data.FrameTypeNumericMulti}, f.Meta.Type)
			require.Len(t, f.Fields, 2, "a time and a number: alert rules evaluate nothing else")
			require.True(t, f.Fields[1].Type().Numeric())
			if f.Meta.Type == data.FrameTypeTimeSeriesMulti {
				for n := 1; n < f.Rows(); n++ {
					require.Greater(t, f.Fields[0].At(n), f.Fields[0].At(n-1))
				}
			}
		}
	}
	// No data is no error.
	for _, q := range []query{
		{"queryType": "confidence", "filter": `account="nobody"`},
		{"queryType": "promql", "expr": `activity_events{account="nobody"}`},
		{"queryType": "promql", "expr": `activity_events{account="nobody"}`, "instant": true},
	} {
		r := alert(t, q)
		require.NoError(t, r.Error, q)
		require.Len(t, r.Frames, 1)
		require.Empty(t, r.Frames[0].Fields)
	}
	for _, q := range []query{
		{"queryType": "insights"},
		{"queryType": "insights", "format": "logs"},
		{"queryType": "events"},
		{"queryType": "events", "format": "table"},
		{"queryType": "map"},
		{"queryType": "identities"},
		{"queryType": "coverage"},
	} {
		r := alert(t, q)
		require.ErrorContains(t, r.Error, "alert rules cannot evaluate", q)
		require.Equal(t, backend.Status(http.StatusBadRequest), r.Status)
	}
}

func TestQueriesThatAreWrong(t *testing.T) {
	for text, q := range map[string]query{
		"unknown queryType":           {"queryType": "oracle"},
		"has no queryType":            {},
		"unknown format":              {"queryType": "events", "format": "poem"},
		"unknown state":               {"queryType": "insights", "state": "odd"},
		"minConfidence":               {"queryType": "insights", "minConfidence": 2},
		"cannot group by":             {"queryType": "confidence", "groupBy": []string{"colour"}},
		"unknown operator":            {"queryType": "events", "filters": []query{{"key": "ip", "operator": "~", "value": "x"}}},
		"no name of a field":          {"queryType": "events", "filters": []query{{"key": "ip} or", "operator": "=", "value": "x"}}},
		"cannot read":                 {"queryType": "events", "from": "yesterday"},
		"ends before it begins":       {"queryType": "events", "from": "2026-03-09T00:00:00Z", "to": "2026-03-08T00:00:00Z"},
		"cannot read \"often\"":       {"queryType": "promql", "expr": "1", "step": "often"},
		"is no id":                    {"queryType": "insights", "format": "summary", "insightId": "../events"},
		"there is no insight \"abc\"": {"queryType": "insights", "format": "summary", "insightId": "abc"},
	} {
		r := refused(t, q)
		require.ErrorContains(t, r.Error, text)
		require.Equal(t, backend.ErrorSourceDownstream, r.ErrorSource, text)
		require.Contains(t, []backend.Status{backend.StatusBadRequest, backend.StatusNotFound}, r.Status, text)
	}
	// One that fails fails alone.
	res, err := world.Query(t.Context(), 24, query{"queryType": "oracle"}, query{"queryType": "coverage"})
	require.NoError(t, err)
	require.Error(t, res.Responses["A"].Error)
	require.NoError(t, res.Responses["B"].Error)
}
