package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
	"github.com/insightd/insightd/rules"
)

// simulated writes traffic with incidents in it into a file.
func simulated(t *testing.T, o simulate.Options) string {
	t.Helper()
	tr, err := simulate.New(o)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(context.Background(), &b, tr, nil))
	file := filepath.Join(t.TempDir(), "events.ndjson")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	return file
}

func configOf(t *testing.T, yaml string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.yml", []byte(yaml))
	require.NoError(t, err)
	return c
}

// TestCompare judges the same history under two configurations: what the second finds
// is what it finds where it reads the history itself, whatever it understands
// otherwise, and the differences are those that are to be expected.
func TestCompare(t *testing.T) {
	file := simulated(t, simulate.Options{Seed: 5, Days: 5, WarmupDays: 4, Identities: 8, Activity: 0.5, Incidents: 4})
	o := ReplayOptions{Paths: []string{file}, Config: config.Default()}
	first, err := Replay(context.Background(), o)
	require.NoError(t, err)
	from := map[string]int{}
	for _, in := range first.Insights {
		for _, s := range in.SourceIPs {
			if in.Type == insight.TypeIP {
				from[s.IP]++
			}
		}
	}
	require.NotEmpty(t, from)
	offices := ""
	for ip := range from {
		offices += fmt.Sprintf("%q,", ip+"/32")
	}
	byRule := 0
	for _, in := range first.Insights {
		if in.Rule != nil {
			byRule++
		}
	}
	require.Positive(t, byRule)

	compare := func(yaml string) *Comparison {
		t.Helper()
		other := configOf(t, yaml)
		c, err := Compare(context.Background(), o, other)
		require.NoError(t, err)
		require.Equal(t, records(t, first), records(t, c.First))
		alone := o
		alone.Config = other
		r, err := Replay(context.Background(), alone)
		require.NoError(t, err)
		require.Equal(t, records(t, r), records(t, c.Other), yaml)
		require.Len(t, first.Insights, c.Count(Lost)+c.Count(Moved)+c.Same)
		require.Len(t, r.Insights, c.Count(Gained)+c.Count(Moved)+c.Same)
		return c
	}
	lost := func(c *Comparison, typ string) (n int) {
		for _, d := range c.Differences {
			if d.Change == Lost && d.Before.InsightDetails.InsightType == typ {
				n++
			}
		}
		return n
	}

	same := compare("lateness: 30m\n")
	require.Empty(t, same.Differences)
	require.Equal(t, len(first.Insights), same.Same)

	packs := compare("rules: {packs: []}\n")
	require.Equal(t, byRule, lost(packs, insight.TypeRule), "rules find nothing any more")
	require.Equal(t, byRule, packs.Count(Lost), "and all else is there")
	require.Zero(t, packs.Count(Gained))

	networks := compare("networks: {corporate: [" + offices + "]}\n")
	require.Positive(t, lost(networks, insight.TypeIP), "addresses of offices are not new")

	warm := compare("models: {warm_up: 8d}\n")
	require.Positive(t, warm.Count(Lost), "models are silent for longer")
	for _, d := range warm.Differences {
		if d.Change == Lost {
			require.NotEqual(t, insight.TypeRule, d.Before.InsightDetails.InsightType, "rules are not")
		}
	}

	budget := compare("models: {budget: {false_insights_per_day: 0.1}}\n")
	require.NotEmpty(t, budget.Differences)

	compare("identities: {people_sessions: ['.*']}\n")
}

// TestDifferences says which insights are taken for the same one.
func TestDifferences(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	in := func(id string, minute int, change ...func(*insight.Insight)) insight.Insight {
		x := insight.Insight{
			ID: id, Type: insight.TypeAPICallRate, Provider: "aws", Account: "1", Identity: "anna", Object: "ec2:Run", Incident: "i1",
			State: insight.StateEnd, Start: at.Add(time.Duration(minute) * time.Minute), Severity: insight.SeverityLow, Confidence: 0.9,
		}
		x.End = x.Start.Add(5 * time.Minute)
		for _, f := range change {
			f(&x)
		}
		return x
	}
	tell := func(before, after []insight.Insight) (out []string) {
		ds, same := differences(before, after)
		for _, d := range ds {
			text := string(d.Change)
			for _, r := range []*insight.Record{d.Before, d.After} {
				if r != nil {
					text += " " + r.SharedEventID
				}
			}
			out = append(out, fmt.Sprint(text, " ", d.Fields))
		}
		return append(out, fmt.Sprint("same ", same))
	}
	list := func(l ...insight.Insight) []insight.Insight { return l }
	object := func(x *insight.Insight) { x.Object = "ec2:Stop" }
	severe := func(x *insight.Insight) { x.Severity, x.Confidence = insight.SeverityHigh, 0.6 }
	muted := func(x *insight.Insight) { x.Suppressed = "budget: full" }
	elsewhere := func(x *insight.Insight) { x.Incident = "i2" }
	withdrawn := func(x *insight.Insight) { x.State = insight.StateWithdrawn }

	require.Equal(t, []string{"same 1"}, tell(list(in("a", 0)), list(in("a", 0))))
	require.Equal(t, []string{"moved a a [level severity]", "same 0"}, tell(list(in("a", 0)), list(in("a", 0, severe))))
	require.Equal(t, []string{"moved a b [start suppressed]", "same 0"}, tell(list(in("a", 0)), list(in("b", 3, muted))))
	require.Equal(t, []string{"gained b []", "lost a []", "same 0"}, tell(list(in("a", 0)), list(in("b", 90))), "it is another one")
	require.Equal(t, []string{"moved a b [object start]", "same 0"}, tell(list(in("a", 0)), list(in("b", 1, object))), "of the same incident")
	require.Equal(t, []string{"gained b []", "lost a []", "same 0"}, tell(list(in("a", 0)), list(in("b", 1, object, elsewhere))))
	require.Equal(t, []string{"gained c []", "moved a b [start]", "same 1"},
		tell(list(in("a", 0), in("x", 300)), list(in("c", 20), in("b", 2), in("x", 300))), "the nearest")
	require.Equal(t, []string{"lost a []", "same 0"}, tell(list(in("a", 0)), list(in("a", 0, withdrawn))))
	require.Equal(t, []string{"gained b []", "gained a []", "same 0"}, tell(nil, list(in("a", 0, muted), in("b", 500))), "what is told comes first")
}

// TestReplayRules says what rules that were asked for would have raised, beside the
// shipped ones and in their place.
func TestReplayRules(t *testing.T) {
	file := simulated(t, simulate.Options{Seed: 5, Days: 2, WarmupDays: 1, Identities: 10, Accounts: 2})
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine.yml")
	require.NoError(t, os.WriteFile(mine, []byte(`
- id: runs
  severity: Low
  conditions: {all: [{fact: operation, operator: equal, value: RunInstances}]}
- id: tried
  stage: shadow
  conditions: {all: [{fact: operation, operator: equal, value: PutMetricData}]}
- id: never
  conditions: {all: [{fact: operation, operator: equal, value: NoSuchCall}]}
- {id: aws-group-changed, dormant: true}
- id: broken
  conditions: {all: [{fact: operation, operator: equals, value: X}]}
`), 0o600))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	want := map[string]uint64{"runs": 0, "tried": 0, "never": 0, "aws-group-changed": 0}
	for line := range bytes.Lines(b) {
		var e struct{ EventName string }
		require.NoError(t, json.Unmarshal(line, &e))
		switch e.EventName {
		case "RunInstances":
			want["runs"]++
		case "PutMetricData":
			want["tried"]++
		}
	}
	require.Positive(t, want["runs"]+want["tried"])

	var problems []string
	r, err := Replay(context.Background(), ReplayOptions{Paths: []string{file}, Rules: []string{dir}, Problem: func(p rules.Problem) { problems = append(problems, p.Error()) }})
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0], mine+`:12:`)
	raised := map[string]int{}
	for _, in := range r.Insights {
		if in.Rule != nil {
			raised[in.Rule.ID]++
		}
	}
	asked := map[string]uint64{}
	for i, x := range r.Rules {
		require.Equal(t, raised[x.ID], x.Insights, x.ID)
		require.Equal(t, i < len(want), x.Asked, "they come first")
		if x.Asked {
			asked[x.ID] = x.Events
		}
		if x.Insights > 0 {
			require.Positive(t, x.Accounts)
			require.False(t, x.Last.Before(x.First))
		}
		switch x.ID {
		case "tried":
			require.Equal(t, insight.RuleShadow, x.State)
		case "aws-group-changed":
			require.Equal(t, insight.RuleDormant, x.State)
		}
	}
	require.Equal(t, want, asked)
	require.Positive(t, raised["runs"]+raised["tried"])

	_, err = Replay(context.Background(), ReplayOptions{Paths: []string{file}, Rules: []string{filepath.Join(dir, "nowhere")}})
	require.ErrorContains(t, err, "reading --rules: ")
}
