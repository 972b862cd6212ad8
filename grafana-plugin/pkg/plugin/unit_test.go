package plugin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func parsed(t *testing.T, text string) *request {
	t.Helper()
	q, err := ParseQuery([]byte(text))
	require.NoError(t, err)
	r, err := (&Datasource{}).request(q, dataQuery(text))
	require.NoError(t, err)
	return r
}

func TestFilters(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		require.Equal(t, want, parsed(t, query).filter())
	}
	f(`{"queryType":"events"}`, "")
	f(`{"queryType":"events","filter":" {outcome=\"error\", \"AKIA\",} "}`, `outcome="error", "AKIA"`)
	f(`{"queryType":"events","filter":"a=\"b\"","filters":[{"key":"ip","operator":"!=","value":"1.2.3.4"}]}`, `a="b" ip!="1.2.3.4"`)
	f(`{"queryType":"events","filters":[{"key":"identity","value":"say \"hi\" \\ there"}]}`, `identity="say \"hi\" \\ there"`)
	f(`{"queryType":"events","filters":[{"key":"service","operator":"=|","value":"x","values":["a.b","c|d"]}]}`, `service=~"a\\.b|c\\|d"`)
	f(`{"queryType":"events","filters":[{"key":"service","operator":"!=|","value":"a.b"}]}`, `service!~"a\\.b"`)
	f(`{"queryType":"events","filters":[{"key":"resource_2","operator":"=","value":"i-1"},{"key":"user_type","operator":"=~","value":"I.*"}]}`, `resource="i-1" user_type=~"I.*"`)
}

func TestParseFilter(t *testing.T) {
	f := func(text string, want ...term) {
		t.Helper()
		got, err := parseFilter(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("")
	f(" {a=\"b\", c != 'd' , e=~`f\\.g`} ", term{"a", "=", "b"}, term{"c", "!=", "d"}, term{"e", "=~", `f\.g`})
	f(`"some text" !"not this" x!~"y\"z"`, term{"", "", "some text"}, term{"", "!", "not this"}, term{"x", "!~", `y"z`})
	for _, bad := range []string{`a`, `a=`, `a=b`, `a="b`, `="b"`, `!x`, `a=="b"`, `a="\q"`} {
		_, err := parseFilter(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add(`a="b" !"c" d=~'e'`)
	f.Add("{x!~`y`,}")
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := parseFilter(text)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, c := range terms {
			again.WriteString(condition(c.name, c.op, c.value) + " ")
		}
		same, err := parseFilter(again.String())
		require.NoError(t, err)
		require.Equal(t, terms, same)
	})
}

func TestExpressions(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		got, _, err := parsed(t, query).expression(time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(`{"queryType":"promql","expr":" sum(x) "}`, "sum(x)")
	f(`{"queryType":"promql","expr":"sum_over_time(x[$__interval]) + sum_over_time(x[${__range}]) + $__range_s + $__interval_ms + x[$__rate_interval:]"}`,
		"sum_over_time(x[60s]) + sum_over_time(x[3600s]) + 3600 + 60000 + x[240s:]")
	// What cannot be read is for the daemon to say, unless it is to be changed.
	f(`{"queryType":"promql","expr":"sum("}`, "sum(")
	_, _, err := parsed(t, `{"queryType":"promql","expr":"sum(","filters":[{"key":"a","value":"b"}]}`).expression(time.Minute)
	require.ErrorContains(t, err, "no filter can be added")
	f(`{"queryType":"promql","expr":"a{x=\"1\"} / on (y) b offset 5m","filters":[{"key":"x","value":"1"},{"key":"z","operator":"=|","values":["p","q.r"]}]}`,
		`a{x="1",z=~"p|q\\.r"} / on (y) b{x="1",z=~"p|q\\.r"} offset 5m`)
	f(`{"queryType":"promql","expr":"max(insight_confidence) + max({__name__=\"insight_upper\"}) + activity_events","filters":[{"key":"type","value":"AkInsight"}]}`,
		`max(insight_confidence{insight_type="AkInsight"}) + max({__name__="insight_upper",insight_type="AkInsight"}) + activity_events{type="AkInsight"}`)
}

func TestCountsAreNoCounters(t *testing.T) {
	f := func(expr string, warned bool) {
		t.Helper()
		b, err := json.Marshal(map[string]string{"queryType": "promql", "expr": expr})
		require.NoError(t, err)
		_, notes, err := parsed(t, string(b)).expression(time.Minute)
		require.NoError(t, err)
		require.Equal(t, warned, len(notes) > 0, expr)
	}
	f("rate(activity_events[5m])", true)
	f(`sum by (x) (increase({__name__="activity_identity_events"}[5m]))`, true)
	f("1 + irate(activity_source_events[1h] offset 1d)", true)
	f("sum_over_time(activity_events[5m])", false)
	f("rate(insightd_events_total[5m])", false)
	f("rate({account=\"1\"}[5m])", false)
}

func TestWhatAnExpressionAsksFor(t *testing.T) {
	require.True(t, asksFor(`max(insight_confidence{type="x"})`, insightPrefix))
	require.False(t, asksFor(`sum by (insight_type) (insightd_insight_active)`, insightPrefix))
	require.True(t, asksFor(`sum by (insight_type) (insightd_insight_active)`, ownPrefix))
	require.False(t, asksFor(`sum(`, insightPrefix))
}

func TestSteps(t *testing.T) {
	f := func(query string, points int64, span, interval, least, want time.Duration) {
		t.Helper()
		r := parsed(t, query)
		r.points, r.interval = points, interval
		r.to = r.from.Add(span)
		got, err := r.step(least)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if points > 0 {
			require.LessOrEqual(t, int64(span/got), points)
		}
		require.LessOrEqual(t, int64(span/got), int64(maxPoints))
	}
	const promql = `{"queryType":"promql","expr":"x"}`
	f(promql, 1000, time.Hour, 15*time.Second, time.Second, 15*time.Second)
	f(promql, 1000, time.Hour, 15*time.Second, time.Minute, time.Minute)
	f(promql, 100, 24*time.Hour, time.Second, time.Second, 15*time.Minute)
	f(promql, 0, 24*time.Hour, 0, time.Second, 2*time.Minute)
	f(promql, 43200, 30*24*time.Hour, time.Second, time.Second, 5*time.Minute)
	f(promql, 10, 10*365*24*time.Hour, time.Second, time.Second, 365*24*time.Hour+time.Second)
	f(`{"queryType":"promql","expr":"x","step":"5m"}`, 1000, time.Hour, time.Second, time.Second, 5*time.Minute)
	f(`{"queryType":"promql","expr":"x","step":"90"}`, 1000, time.Hour, time.Second, time.Second, 90*time.Second)
	f(`{"queryType":"promql","expr":"x","step":"$__interval"}`, 1000, time.Hour, 30*time.Second, time.Second, 30*time.Second)
}

func TestRows(t *testing.T) {
	f := func(query string, points int64, want int) {
		t.Helper()
		r := parsed(t, query)
		r.points = points
		require.Equal(t, want, r.rows())
	}
	f(`{"queryType":"insights"}`, 0, 1000)
	f(`{"queryType":"insights"}`, 300, 300)
	f(`{"queryType":"insights"}`, 5000, 1000)
	f(`{"queryType":"insights","limit":7}`, 300, 7)
	f(`{"queryType":"insights","limit":700}`, 300, 700)
	f(`{"queryType":"events","limit":70000000}`, 300, maxRows)
	f(`{"queryType":"insights","format":"annotations"}`, 100, 1000)
}

func TestRanges(t *testing.T) {
	r := parsed(t, `{"queryType":"events","from":"2026-03-09T03:00:00+01:00","to":"1773057600000"}`)
	require.Equal(t, time.Date(2026, time.March, 9, 2, 0, 0, 0, time.UTC), r.from)
	require.Equal(t, goldenTo, r.to)
	require.Equal(t, time.Date(2026, time.March, 9, 11, 50, 0, 0, time.UTC), align(time.Date(2026, time.March, 9, 11, 59, 59, 0, time.UTC), 10*time.Minute))
}

func TestLegends(t *testing.T) {
	metric := map[string]string{"__name__": "m", "b": "2", "a": "1"}
	require.Equal(t, `m{a="1", b="2"}`, legend("", "expr", metric))
	require.Equal(t, "m", legend("", "expr", map[string]string{"__name__": "m"}))
	require.Equal(t, "expr", legend("", "expr", nil))
	require.Empty(t, legend("__auto", "expr", metric))
	require.Equal(t, "expr", legend("__auto", "expr", nil))
	require.Equal(t, "1 of m and ", legend("{{a}} of {{ __name__ }} and {{c}}", "expr", metric))
}

func FuzzLabelWriter(f *testing.F) {
	f.Add("a", "b\"\\\n\x00é", "c")
	f.Fuzz(func(t *testing.T, name, value, more string) {
		var w labelWriter
		w.add("x", value)
		w.list("y", []string{more, value})
		w.add("z"+name, name)
		var got map[string]string
		require.NoError(t, json.Unmarshal(w.json(), &got))
		if value != "" && json.Valid([]byte(`"`+value+`"`)) {
			var want string
			require.NoError(t, json.Unmarshal([]byte(`"`+value+`"`), &want))
			if want == value {
				require.Equal(t, value, got["x"])
			}
		}
	})
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
}

// Every label that an insight's series has is one that the frames can group by.
func TestInsightLabels(t *testing.T) {
	var i record
	i.ID, i.Provider, i.Account, i.Region = "1", "2", "3", "4"
	i.Details.Type, i.Details.Identity, i.Details.Object = "5", "6", "7"
	seen := map[string]bool{}
	for _, l := range insightLabels {
		seen[insightLabel(&i, l)] = true
		require.Contains(t, seriesLabels, l)
	}
	require.Len(t, seen, len(insightLabels))
}

func TestResourcesAreMatched(t *testing.T) {
	f := func(path string, ok bool) {
		t.Helper()
		found := false
		for n := range allowed {
			found = found || allowed[n].match(path)
		}
		require.Equal(t, ok, found, path)
	}
	f("events/fields", true)
	f("events/field/user_agent/values", true)
	f("label/__name__/values", true)
	f("insights/de2e2541c7166d83253f90b667a92bb3", true)
	f("insights/live", false)
	f("identities/0a1b2c3d", true)
	f("identities/0a1b2c3d/rebaseline", false)
	f("events/field//values", false)
	f("events/field/../values", false)
	f("status/config", false)
	f("", false)
}
