package engine

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

const firstRules = `
- id: new-to-all
  type: aggregate
  groupBy: [identity, api]
  conditions:
    all:
      - {fact: service, operator: equal, value: ec2.amazonaws.com}
      - {fact: first_use, operator: equal, value: account}
      - {fact: occurrences, operator: greaterThanInclusive, value: 1}
      - {fact: withInLast, operator: equal, value: 60 minutes}
- id: new-to-one
  conditions: {all: [{fact: service, operator: equal, value: ec2.amazonaws.com}, {fact: first_use, operator: equal, value: identity}]}
- id: no-habit
  conditions: {all: [{fact: operation, operator: equal, value: StopLogging}, {not: {fact: days_used, operator: greaterThanInclusive, value: 2}}]}
`

// TestRulesKnowWhatIsNew has rules ask what was called before: by nobody, by others,
// on how many days. A restart in the middle and another order of arrival change
// nothing of it.
func TestRulesKnowWhatIsNew(t *testing.T) {
	const ec2 = "ec2.amazonaws.com"
	day := func(n int) time.Time { return epoch.Add(time.Duration(n) * 24 * time.Hour) }
	events := []event.Event{
		call("a1", day(0), "anna", ec2, "DescribeVpcs", event.OutcomeSuccess),
		call("a2", day(3), "anna", ec2, "DescribeHosts", event.OutcomeSuccess), // The account is too young to say so.
		call("b1", day(8), "bert", ec2, "DescribeVpcs", event.OutcomeSuccess),
		call("b2", day(8).Add(time.Hour), "bert", ec2, "DescribeTags", event.OutcomeError),
		call("b3", day(8).Add(time.Hour+time.Minute), "bert", ec2, "DescribeTags", event.OutcomeSuccess),
		call("b4", day(8).Add(time.Hour+2*time.Minute), "bert", ec2, "DescribeSubnets", event.OutcomeSuccess),
		call("c1", day(9), "carl", ec2, "DescribeTags", event.OutcomeSuccess),
		call("c2", day(9).Add(time.Hour), "carl", ec2, "DescribeTags", event.OutcomeSuccess),
	}
	for n := range 4 {
		events = append(events, call("s"+string(rune('0'+n)), day(8+n).Add(12*time.Hour), "anna", trail, "StopLogging", event.OutcomeSuccess))
	}
	set, problems := rules.Parse("first.yml", []byte(firstRules), rules.Options{})
	require.Empty(t, problems)
	var want []string
	for i, order := range [][]event.Event{events, reversed(events)} {
		l := newLine(t, nil)
		l.engine.SetRules(set)
		if i == 0 {
			l.deliver(t, order[:5])
			l.reach(t, day(8).Add(time.Hour+2*time.Minute))
			require.NoError(t, l.engine.snapshot(true))
			l.restart(t)
			l.engine.SetRules(set)
			order = order[5:]
		}
		l.deliver(t, order)
		require.NoError(t, l.engine.Finish(context.Background()))
		var got []string
		for _, in := range l.insights(t) {
			if in.Type == insight.TypeRule {
				got = append(got, in.Object+" "+in.SampleEventIDs[0])
			}
		}
		if want == nil {
			want = []string{"new-to-one b1", "new-to-all b2", "new-to-all b4", "no-habit s0", "new-to-one c1", "no-habit s1"}
		}
		require.ElementsMatch(t, want, got)
	}
}

// reversed are the events in the other order.
func reversed(events []event.Event) []event.Event {
	out := make([]event.Event, len(events))
	for i := range events {
		out[len(events)-1-i] = events[i]
	}
	return out
}

func TestUseOfAnOperation(t *testing.T) {
	a := &api{}
	for _, day := range []int32{100, 100, 101, 99, 103} {
		a.use(day)
	}
	require.Equal(t, int32(3), a.days)
	a.use(103 + habitLapses + 1)
	require.Equal(t, int32(1), a.days, "what was long ago is no habit")
}
