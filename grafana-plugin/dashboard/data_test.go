package dashboard

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/grafana-plugin/e2e"
	"github.com/insightd/insightd/grafana-plugin/pkg/plugin"
)

// empty are the panels that have nothing to show of the simulated account, each
// with why. They have to say so, and have to be taken out of here when they
// have something to show.
var empty = map[string]string{
	"insightd-kri/Without an indicator/Other insights": "every detector says what its insights are about",
	"insightd-insight/Why/Rule":                        "the insight that is chosen has a series: no rule raised it",
}

// started is the world of a test, with what is chosen in it.
type started struct {
	*e2e.World
	// insight has a series; identity is whose it is.
	insight, identity string
	// metrics is what the daemon tells of itself at /metrics.
	metrics string
}

// start runs a daemon on days of accounts with attacks in them, and the backend
// before it.
func start(t *testing.T) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	w, err := e2e.Start(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Stop()) })
	s := &started{World: w}
	f := s.ask(t, 48*time.Hour, map[string]any{
		"refId": "A", "queryType": "insights", "types": []string{"ApiCallRateInsight"}, "filter": `identity!=""`, "sort": "-confidence",
	})[0]
	require.Positive(t, f.Rows(), "no attack was found")
	ids, _ := f.FieldByName("id")
	who, _ := f.FieldByName("identity")
	s.insight, s.identity = ids.At(0).(string), who.At(0).(string)

	_, err = w.PushLive(ctx) // Pushes are counted from the first one on.
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+"/metrics", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+e2e.ReadToken)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, string(b))
	s.metrics = string(b)
	return s
}

// filled puts values in the place of variables, as the frontend does: every list
// stands at All, and nothing is written into the search.
func (s *started) filled(q map[string]any) []byte {
	b, err := json.Marshal(q)
	if err != nil {
		panic(err)
	}
	text := string(b)
	text = regexp.MustCompile(`=~\\"\$\w+`).ReplaceAllString(text, `=~\".*`)
	text = strings.NewReplacer("$insight", s.insight, "$identity", s.identity, " $search", "").Replace(text)
	return []byte(text)
}

// ask asks the backend, as Grafana does.
func (s *started) ask(t *testing.T, span time.Duration, q map[string]any) data.Frames {
	t.Helper()
	text := s.filled(q)
	require.NotContains(t, strings.ReplaceAll(string(text), "$__interval", ""), "$", "a variable has no value")
	_, err := plugin.ParseQuery(text)
	require.NoError(t, err)
	res, err := s.Query(t.Context(), span.Hours(), json.RawMessage(text))
	require.NoError(t, err)
	a := res.Responses["A"]
	require.NoError(t, a.Error, string(text))
	require.NotEmpty(t, a.Frames, string(text))
	return a.Frames
}

// names are those by which overrides, transformations and links know fields.
func names(frames data.Frames) map[string]bool {
	out := map[string]bool{}
	for _, f := range frames {
		for _, x := range f.Fields {
			out[x.Name] = true
			if x.Config != nil && x.Config.DisplayNameFromDS != "" {
				out[x.Config.DisplayNameFromDS] = true
			}
		}
	}
	return out
}

// Every target of every dashboard, asked through the backend of a daemon that
// holds traffic, gives rows, or says why it has none. What panels name of the
// answer is in it.
func TestTargetsAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a daemon on five days of traffic")
	}
	s := start(t)
	seen := map[string]bool{}
	for _, d := range All() {
		t.Run(d.UID, func(t *testing.T) {
			f, _ := load(t, provisionFolder, d.UID)
			from, ok := strings.CutPrefix(d.From, "now-")
			require.True(t, ok)
			span := map[string]time.Duration{"6h": 6 * time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour}[from]
			require.NotZero(t, span)
			span = max(span, 48*time.Hour) // The attacks are spread over two days.
			section := ""
			for _, p := range f.Panels {
				if p.Type == "row" {
					section = p.Title + "/"
				}
				for _, p := range flat([]filePanel{p}) {
					name := d.UID + "/" + section + p.Title
					seen[name] = true
					t.Run(section+p.Title, func(t *testing.T) { answered(t, s, name, span, p) })
				}
			}
			for _, a := range f.Annotations.List {
				if a.Name == "Insights" && d.UID != IdentityUID {
					require.NotZero(t, rows(s.ask(t, span, a.Target)), "annotations")
				}
			}
		})
	}
	t.Run("alert rules", func(t *testing.T) { alerts(t, s) })
	for name := range empty {
		require.True(t, seen[name], "%s is none of the panels", name)
	}
}

// alerts asks the queries of the alert rules as Grafana's alerting does, which
// takes numbers with labels alone, and finds in the labels what the texts need.
func alerts(t *testing.T, s *started) {
	for _, r := range readAlerting(t).Groups[0].Rules {
		q, err := e2e.DataQuery("A", r.Data[0].Model, s.Now.Add(-8*time.Hour), s.Now)
		require.NoError(t, err)
		res, err := s.Plugin.QueryData(t.Context(), &backend.QueryDataRequest{
			PluginContext: e2e.Context(s.Settings()), Queries: []backend.DataQuery{q}, Headers: map[string]string{"FromAlert": "true"},
		})
		require.NoError(t, err)
		a := res.Responses["A"]
		require.NoError(t, a.Error, r.Title)
		require.NotEmpty(t, a.Frames, r.Title)
		above := 0.0
		for _, f := range a.Frames {
			require.Equal(t, data.FrameTypeTimeSeriesMulti, f.Meta.Type)
			require.Len(t, f.Fields, 2, r.Title)
			labels := f.Fields[1].Labels
			needed := []string{"id", "insight_type", "provider", "account", "object"}
			if r.Data[0].QueryType == "promql" { // An incident, of whatever insights.
				needed = []string{"incident", "provider", "account"}
			}
			for _, name := range needed {
				require.NotEmpty(t, labels[name], "%s needs the label %s", r.Title, name)
			}
			if only, ok := r.Data[0].Model["types"].([]any); ok {
				require.Contains(t, only, labels["insight_type"])
			}
			last, err := f.Fields[1].FloatAt(f.Fields[1].Len() - 1)
			require.NoError(t, err)
			above = max(above, last)
			require.NotContains(t, render(t, r.Annotations["description"], labels), "no value")
		}
		require.Greater(t, above, 0.5, "%s would have told of none of the attacks", r.Title)
	}
}

func rows(frames data.Frames) int {
	n := 0
	for _, f := range frames {
		n += f.Rows()
	}
	return n
}

// ownMetric is the name of one of those that a program keeps of itself.
var ownMetric = regexp.MustCompile(`\b(?:insightd|process|go)_\w+`)

// tells checks that the daemon has the metrics of an expression, with the labels
// by which it sums them.
func (s *started) tells(t *testing.T, expr string) {
	t.Helper()
	for _, name := range ownMetric.FindAllString(expr, -1) {
		found := regexp.MustCompile(`(?m)^` + name + `(?:\{(.*)\})? `).FindStringSubmatch(s.metrics)
		require.NotNil(t, found, "the daemon has no metric %s", name)
		for _, m := range regexp.MustCompile(`by \(([\w, ]+)\)`).FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(m[1], ",") {
				require.Contains(t, found[1], strings.TrimSpace(label)+"=", "a label of %s", name)
			}
		}
	}
}

// answered asks a panel's targets.
func answered(t *testing.T, s *started, name string, span time.Duration, p filePanel) {
	t.Helper()
	var all data.Frames
	for _, q := range p.Targets {
		frames := s.ask(t, span, q)
		all = append(all, frames...)
		n := rows(frames)
		zero := counted(frames)
		if expr, ok := q["expr"].(string); ok && ownMetric.MatchString(expr) {
			// The daemon's own samples are a minute apart, and it is younger: it is
			// enough that it has such a metric, and that an empty answer says why.
			s.tells(t, expr)
			if n == 0 {
				require.NotEmpty(t, notices(frames), "%s is empty and does not say why", name)
			}
			continue
		}
		if why, ok := empty[name]; ok {
			require.True(t, n == 0 || zero, "%s has %d rows, and is thought to be empty: %s", name, n, why)
		} else {
			require.NotZero(t, n, "%s %v has no rows: %v", name, q["refId"], notices(frames))
		}
		if n == 0 {
			require.NotEmpty(t, notices(frames), "%s is empty and does not say why", name)
		}
	}
	if _, ok := empty[name]; ok {
		return
	}
	known := names(all)
	for _, tr := range p.Transformations {
		if include, ok := tr.Options["include"].(map[string]any); ok && tr.ID == "filterFieldsByName" {
			kept := map[string]bool{}
			for _, c := range include["names"].([]any) {
				require.True(t, known[c.(string)], "%s shows the column %s, which the answer does not have: %v", name, c, known)
				kept[c.(string)] = true
			}
			known = kept
		}
		if tr.ID == "groupBy" {
			for c := range tr.Options["fields"].(map[string]any) {
				require.True(t, known[c], "%s groups by %s, which the answer does not have", name, c)
			}
		}
	}
	b, err := json.Marshal(p.FieldConfig.Overrides)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`__data\.fields\.(\w+)`).FindAllStringSubmatch(string(b), -1) {
		require.True(t, known[m[1]], "%s: a link reads the field %s, which is not there", name, m[1])
	}
	for _, o := range p.FieldConfig.Overrides {
		if field, ok := o.Matcher.Options.(string); ok && o.Matcher.ID == "byName" && !slices.Contains(coloured(), field) && !seldom[field] {
			require.True(t, known[field], "%s changes the field %s, which the answer does not have: %v", name, field, known)
		}
	}
}

// seldom are columns that looks are written for once, and that not every table
// that uses these looks shows.
var seldom = func() map[string]bool {
	m := map[string]bool{}
	for _, looks := range [][]override{insightColumns(), identityColumns(), eventColumns()} {
		for _, o := range looks {
			m[o.matcher["options"].(string)] = true
		}
	}
	return m
}()

// coloured are names of values, which are there when such a value is.
func coloured() []string {
	out := []string{"success", "error"}
	for _, t := range types {
		out = append(out, t.name)
	}
	for _, s := range severities {
		out = append(out, s.name)
	}
	return out
}

// counted reports whether all that there is are counts of zero.
func counted(frames data.Frames) bool {
	for _, f := range frames {
		for _, x := range f.Fields {
			if x.Type() == data.FieldTypeTime {
				continue
			}
			for n := range x.Len() {
				if v, err := x.FloatAt(n); err != nil || v != 0 {
					return false
				}
			}
		}
	}
	return true
}

func notices(frames data.Frames) []string {
	var out []string
	for _, f := range frames {
		if f.Meta == nil {
			continue
		}
		for _, n := range f.Meta.Notices {
			out = append(out, n.Text)
		}
	}
	return out
}
