package engine

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

const officeRules = `
name: office
version: 3
rules:
  - id: trail-stopped
    title: A trail was stopped or deleted.
    severity: High
    attack: T1562.008
    kri: Identity and Access
    references: [https://example.com/trail]
    runbook: {what: Somebody hides, check: look at the trail, step: start it, rollback: stop it, escalate: at once}
    conditions:
      all:
        - {fact: service, operator: equal, value: cloudtrail.amazonaws.com}
        - {fact: operation, operator: in, value: [StopLogging, DeleteTrail]}
  - id: failed-logins
    title: Failures in a row
    type: aggregate
    groupBy: [identity]
    confidence: 0.9
    conditions:
      all:
        - {fact: operation, operator: equal, value: ConsoleLogin}
        - {fact: outcome, operator: equal, value: error}
        - {fact: occurrences, operator: greaterThanInclusive, value: 5}
        - {fact: withInLast, operator: equal, value: 10 minutes}
  - id: many-reads
    title: Many secrets are read
    type: aggregate
    severity: Critical
    conditions:
      all:
        - {fact: operation, operator: equal, value: GetSecretValue}
        - {fact: occurrences, operator: greaterThanInclusive, value: 4}
        - {fact: withInLast, operator: equal, value: 1 hours}
  - id: open-bucket
    title: A bucket was opened
    conditions:
      all:
        - {fact: operation, operator: equal, value: PutBucketPolicy}
        - {fact: requestParameters, path: $..Principal, operator: contains, value: "*"}
  - id: tried-out
    title: Keys are made
    stage: shadow
    conditions: {all: [{fact: operation, operator: equal, value: CreateAccessKey}]}
`

func ruleSet(t testing.TB, text string) *rules.Set {
	t.Helper()
	set, problems := rules.Parse("office.yaml", []byte(text), rules.Options{})
	require.Empty(t, problems)
	return set
}

func withRules(t testing.TB, text string) func(*Options) {
	set := ruleSet(t, text)
	return func(o *Options) { o.Rules = set }
}

// ruleDay is when the traffic of the rules happens.
var ruleDay = epoch.Add(4 * 24 * time.Hour)

// offences are what the rules find: a trail that is stopped twice within an hour
// and once more hours later, a user for whom sign-ins fail, secrets that two
// read, a policy that opens and one that does not, and a key.
func offences() []event.Event {
	at := ruleDay
	out := []event.Event{
		call("t1", at.Add(time.Hour+7*time.Second), "anna", trail, "StopLogging", event.OutcomeSuccess),
		call("t2", at.Add(time.Hour+40*time.Minute), "anna", trail, "DeleteTrail", event.OutcomeError),
		call("t3", at.Add(6*time.Hour), "anna", trail, "DeleteTrail", event.OutcomeSuccess),
		call("k1", at.Add(2*time.Hour), "deploy", "iam.amazonaws.com", "CreateAccessKey", event.OutcomeSuccess),
	}
	for i := range 7 {
		out = append(out, call(fmt.Sprintf("l%d", i), at.Add(3*time.Hour+time.Duration(i)*time.Minute), "eve", "signin.amazonaws.com", "ConsoleLogin", event.OutcomeError))
	}
	for i := range 5 {
		who := []string{"anna", "backup"}[i%2]
		out = append(out, call(fmt.Sprintf("s%d", i), at.Add(4*time.Hour+time.Duration(i)*5*time.Minute), who, "secretsmanager.amazonaws.com", "GetSecretValue", event.OutcomeSuccess))
	}
	for i, principal := range []string{"*", "111111111111"} {
		e := call(fmt.Sprintf("p%d", i), at.Add(5*time.Hour+time.Duration(i)*2*time.Hour), "deploy", "s3.amazonaws.com", "PutBucketPolicy", event.OutcomeSuccess)
		e.Raw = fmt.Appendf(nil, `{"eventID":%q,"requestParameters":{"bucketPolicy":{"Statement":[{"Effect":"Allow","Principal":%q}]}}}`, e.UID, principal)
		out = append(out, e)
	}
	return out
}

// byRule are the insights of rules, by the rule and in order of start.
func (l *line) byRule(t *testing.T) map[string][]insight.Insight {
	out := map[string][]insight.Insight{}
	for _, in := range l.insights(t) {
		if in.Type == insight.TypeRule {
			out[in.Object] = append(out[in.Object], in)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b insight.Insight) int { return a.Start.Compare(b.Start) })
	}
	return out
}

func TestRulesRaiseInsights(t *testing.T) {
	l := newLine(t, withRules(t, officeRules))
	l.deliver(t, append(office(6), offences()...))
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)
	require.Len(t, found, 5)

	require.Len(t, found["trail-stopped"], 2)
	x := found["trail-stopped"][0]
	require.Equal(t, ruleDay.Add(time.Hour+7*time.Second), x.Start)
	require.Equal(t, ruleDay.Add(time.Hour+40*time.Minute), x.End, "it ends with its last match, an hour after it")
	require.Equal(t, insight.StateEnd, x.State)
	require.Equal(t, insight.SeverityHigh, x.Severity)
	require.Equal(t, 0.8, x.Confidence, "by the severity")
	require.Equal(t, []string{"T1562.008"}, x.Attack)
	require.Equal(t, "Identity and Access", x.KRI)
	require.Equal(t, "arn:aws:iam::111111111111:user/anna", x.Identity)
	require.Equal(t, "eu-central-1", x.Region)
	require.Equal(t, "A trail was stopped or deleted: anna called cloudtrail.amazonaws.com:StopLogging", x.Summary)
	require.Equal(t, []string{"t1", "t2"}, x.SampleEventIDs)
	require.Equal(t, 2, x.Statistics.InsightCount)
	require.Contains(t, x.Filter, `uid=~"t1|t2"`)
	require.Empty(t, x.Suppressed)
	sum := 0.0
	for _, r := range x.Reasons {
		sum += r.Contribution
	}
	require.InDelta(t, x.Score, sum, 1e-9)
	require.Equal(t, "operation", x.Reasons[1].Feature)
	require.Equal(t, "StopLogging", x.Reasons[1].Observed)
	set := l.engine.o.Rules
	r, _ := set.Rule("trail-stopped")
	require.Equal(t, &insight.Rule{
		ID: "trail-stopped", Version: "3", Hash: r.Hash, Package: "office", Title: "A trail was stopped or deleted.", References: []string{"https://example.com/trail"},
		Runbook: &insight.Runbook{What: "Somebody hides", Check: "look at the trail", Step: "start it", Rollback: "stop it", Escalate: "at once"},
	}, x.Rule)
	require.Equal(t, x.Rule, l.store.Records(x.ID)[0].InsightDetails.Rule)

	x = found["failed-logins"][0]
	require.Len(t, found["failed-logins"], 1)
	require.Equal(t, ruleDay.Add(3*time.Hour), x.Start, "the first event that counts")
	require.Equal(t, ruleDay.Add(3*time.Hour+4*time.Minute), x.Detected, "the fifth")
	require.Equal(t, ruleDay.Add(3*time.Hour+6*time.Minute), x.End)
	require.Equal(t, 7, x.Statistics.InsightCount)
	require.Equal(t, 0.9, x.Confidence)
	require.Equal(t, "arn:aws:iam::111111111111:user/eve", x.Identity)
	require.Equal(t, []insight.GroupValue{{Fact: "identity", Value: "arn:aws:iam::111111111111:user/eve"}}, x.Rule.Group)
	require.Equal(t, 600, x.Rule.WindowSeconds)
	require.Contains(t, x.Summary, "5 events within 10 minutes count")

	x = found["many-reads"][0]
	require.Len(t, found["many-reads"], 1)
	require.Empty(t, x.Identity, "several made it")
	require.Contains(t, x.Summary, "several identities")
	require.Equal(t, 5, x.Statistics.InsightCount)

	require.Len(t, found["open-bucket"], 1, "the other one opens nothing")
	require.Equal(t, ruleDay.Add(5*time.Hour), found["open-bucket"][0].Start)

	x = found["tried-out"][0]
	require.Equal(t, "shadow", x.Suppressed)
	require.Equal(t, insight.Alert{Reason: "shadow"}, x.Alert)
	require.Equal(t, map[string]uint64{"trail-stopped": 2, "failed-logins": 1, "many-reads": 1, "open-bucket": 1, "tried-out": 1}, l.engine.RuleFindings())
	require.Zero(t, l.engine.list()[0].rules.open)
}

// TestRulesChangeNothingElse holds everything but the findings of rules to what it
// is without rules, but for the incident that they make together.
func TestRulesChangeNothingElse(t *testing.T) {
	run := func(edit func(*Options)) string {
		l := newLine(t, edit)
		l.deliver(t, slices.Concat(office(9), attacks(), offences()))
		require.NoError(t, l.engine.Finish(context.Background()))
		var b bytes.Buffer
		for _, in := range l.insights(t) {
			if in.Type != insight.TypeRule {
				in.Incident = ""
				fmt.Fprintf(&b, "%+v\n", in)
			}
		}
		return b.String()
	}
	noisy := officeRules + `
  - id: noise
    title: Everything that writes
    conditions: {all: [{fact: access, operator: equal, value: write}]}
`
	require.Equal(t, run(nil), run(withRules(t, noisy)))
}

// TestRulesAreTheSameInAnyOrderAndAfterRestarts also makes the stream anew from its
// log.
func TestRulesAreTheSameInAnyOrderAndAfterRestarts(t *testing.T) {
	events := append(office(6), offences()...)
	l := newLine(t, withRules(t, officeRules))
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	want := l.finals(t)
	require.NotEmpty(t, l.byRule(t))

	r := rand.New(rand.NewPCG(5, 6))
	l = newLine(t, withRules(t, officeRules))
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	l.deliver(t, events)
	for at := 90 * time.Hour; at < 6*24*time.Hour; at += time.Duration(1+r.IntN(30)) * time.Minute {
		l.reach(t, epoch.Add(at))
		if r.IntN(8) == 0 {
			require.NoError(t, l.engine.snapshot(true))
			old := l.engine.list()[0].rules
			l.restart(t)
			s := l.engine.list()[0]
			require.Equal(t, old.state.Snapshot(nil), s.rules.state.Snapshot(nil))
			require.Equal(t, old.open, s.rules.open)
		}
	}
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Equal(t, want, l.finals(t))

	require.NoError(t, l.store.ResetSince(time.Time{}))
	require.NoError(t, Forget(l.engine.o.StateDir))
	again, err := New(l.engine.o)
	require.NoError(t, err)
	require.NoError(t, again.Rebuild(context.Background()))
	l.engine = again
	require.Equal(t, want, l.finals(t))
}

// TestRulesAreToldOnArrival ticks as the daemon does: what matches is told at the
// next look, and confirmed when it is final.
func TestRulesAreToldOnArrival(t *testing.T) {
	now := ruleDay
	l := newLine(t, func(o *Options) {
		withRules(t, officeRules)(o)
		o.Now = func() time.Time { return now }
	})
	list := append(office(6), offences()...)
	slices.SortFunc(list, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	list = l.deliverBefore(t, list, now)
	l.tick(t)
	told := map[string]time.Time{}
	for range 9 * 60 {
		now = now.Add(time.Minute)
		list = l.deliverBefore(t, list, now)
		l.tick(t)
		for id, found := range l.byRule(t) {
			if told[id].IsZero() {
				told[id] = now
				require.True(t, found[0].Provisional, id)
				require.Equal(t, id == "tried-out", found[0].Suppressed != "")
			}
			for _, in := range found {
				require.NotEqual(t, insight.StateWithdrawn, in.State, id)
				require.Equal(t, !in.Detected.Truncate(time.Minute).Before(now.Add(-30*time.Minute)), in.Provisional, "%s at %s", id, now)
			}
		}
	}
	require.Equal(t, map[string]time.Time{
		"trail-stopped": ruleDay.Add(time.Hour + time.Minute),
		"tried-out":     ruleDay.Add(2*time.Hour + time.Minute),
		"failed-logins": ruleDay.Add(3*time.Hour + 5*time.Minute),
		"many-reads":    ruleDay.Add(4*time.Hour + 16*time.Minute),
		"open-bucket":   ruleDay.Add(5*time.Hour + time.Minute),
	}, told)
	require.Zero(t, l.store.Totals().Withdrawn)
	require.Len(t, l.byRule(t)["trail-stopped"], 2)
}

// TestRulesSeeNoFutureAndNoAddenda holds that only calls whose time is believed
// reach rules.
func TestRulesSeeNoFutureAndNoAddenda(t *testing.T) {
	l := newLine(t, withRules(t, officeRules))
	list := offences()[:3]
	list[0].Received = list[0].Time.Add(-time.Hour)
	list[1].Amends = "x"
	list[2].Category = event.CategoryData
	l.deliver(t, append(office(6), list...))
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)["trail-stopped"]
	require.Len(t, found, 1)
	require.Equal(t, list[2].Time, found[0].Start, "data events are for rules")
}

// TestRulesAndWhatComesLate holds that an event that comes after the watermark is
// for rules, too.
func TestRulesAndWhatComesLate(t *testing.T) {
	l := newLine(t, withRules(t, officeRules))
	all := offences()
	logins := all[4:11]
	// Four in time, the fifth when all is final; a trail that is stopped is late as
	// a whole.
	l.deliver(t, slices.Concat(office(6), logins[:2], logins[4:6]))
	l.reach(t, ruleDay.Add(8*time.Hour))
	require.Empty(t, l.byRule(t))
	late := []event.Event{all[0], logins[3]}
	l.deliver(t, late)
	l.reach(t, ruleDay.Add(9*time.Hour))
	l.reach(t, ruleDay.Add(9*time.Hour+time.Minute))
	found := l.byRule(t)
	require.Len(t, found["trail-stopped"], 1)
	x := found["trail-stopped"][0]
	require.Equal(t, all[0].Time, x.Start)
	require.Equal(t, all[0].Time, x.End)
	x = found["failed-logins"][0]
	require.Equal(t, logins[5].Time, x.Detected, "the one by which there are five")
	require.Equal(t, 5, x.Statistics.InsightCount)
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Len(t, l.byRule(t)["failed-logins"], 1)
}

// TestWhatComesLateHasItsEvidence has an event come late since which there were more
// events than are looked at for one insight.
func TestWhatComesLateHasItsEvidence(t *testing.T) {
	l := newLine(t, func(o *Options) {
		withRules(t, officeRules)(o)
		o.evidence = 100
	})
	l.deliver(t, office(6))
	l.reach(t, epoch.Add(5*24*time.Hour))
	late := call("late", epoch.Add(30*time.Hour), "anna", "cloudtrail.amazonaws.com", "StopLogging", event.OutcomeSuccess)
	l.deliver(t, []event.Event{late})
	l.reach(t, epoch.Add(5*24*time.Hour+time.Minute))
	require.Len(t, l.byRule(t)["trail-stopped"], 1)
	x := l.byRule(t)["trail-stopped"][0]
	require.Equal(t, 1, x.Statistics.InsightCount)
	require.Equal(t, []string{late.UID}, x.SampleEventIDs)
	require.Len(t, x.SourceIPs, 1)
}

// TestRulesAreSwapped puts other rules in force: they hold from the next watermark
// on, and what did not change keeps its window.
func TestRulesAreSwapped(t *testing.T) {
	l := newLine(t, withRules(t, officeRules))
	l.deliver(t, append(office(6), offences()...))
	l.reach(t, ruleDay.Add(3*time.Hour+3*time.Minute)) // Three failures are known.
	l.engine.SetRules(ruleSet(t, `
- id: failed-logins
  title: Has another title
  type: aggregate
  groupBy: [identity]
  conditions:
    all:
      - {fact: operation, operator: equal, value: ConsoleLogin}
      - {fact: outcome, operator: equal, value: error}
      - {fact: occurrences, operator: greaterThanInclusive, value: 5}
      - {fact: withInLast, operator: equal, value: 10 minutes}
`))
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)
	require.Len(t, found["failed-logins"], 1)
	require.Equal(t, "Has another title", found["failed-logins"][0].Rule.Title)
	require.Len(t, found["trail-stopped"], 1)
	require.NotContains(t, found, "many-reads")
}

// TestAnInsightOfARuleIsBounded: what matches all the time is told once a day, is
// named by what it has in common once it is much, and takes no room of others.
func TestAnInsightOfARuleIsBounded(t *testing.T) {
	l := newLine(t, func(o *Options) {
		withRules(t, `[{id: tags, title: Tags, conditions: {all: [{fact: operation, operator: equal, value: PutBucketTagging}]}}]`)(o)
		o.Settings.OpenInsights = 1
	})
	l.deliver(t, append(office(4), attacks()[:0]...))
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)["tags"]
	require.Len(t, found, 4)
	for _, in := range found[:3] {
		require.Less(t, in.End.Sub(in.Start), 24*time.Hour)
		require.Greater(t, in.End.Sub(in.Start), 23*time.Hour+50*time.Minute)
		require.Equal(t, 288, in.Statistics.InsightCount)
		require.NotContains(t, in.Filter, "uid")
		require.Contains(t, in.Filter, `operation="PutBucketTagging"`)
	}
}

func TestCoverageTellsOfRules(t *testing.T) {
	now := epoch.Add(2 * 24 * time.Hour)
	l := newLine(t, func(o *Options) {
		withRules(t, officeRules)(o)
		o.Now = func() time.Time { return now }
	})
	l.deliver(t, office(1))
	require.NoError(t, l.engine.Finish(context.Background()))
	c := l.engine.list()[0].detectors(epoch.Add(24 * time.Hour))
	last := c[len(c)-1]
	require.Equal(t, insight.DetectorCoverage{InsightType: insight.TypeRule, State: "ready", Reason: "4 rules look at this account, and 1 in shadow"}, last)
}

// TestWhatWasConfirmedOfARuleStaysQuiet: within what a user confirmed as normal a
// rule's findings are not told, beyond it they are, and the budget has no part in
// it.
func TestWhatWasConfirmedOfARuleStaysQuiet(t *testing.T) {
	l := newLine(t, func(o *Options) {
		withRules(t, officeRules)(o)
		o.Settings.BudgetPerDay = 0.001
	})
	stop := func(day int) event.Event {
		return call(fmt.Sprintf("stop%d", day), epoch.Add(time.Duration(day)*24*time.Hour+10*time.Hour), "anna", trail, "StopLogging", event.OutcomeSuccess)
	}
	elsewhere := moved([]event.Event{stop(5)}, "192.0.2.7", "FR")
	l.deliver(t, slices.Concat(office(7), []event.Event{stop(3), stop(4)}, elsewhere))
	l.reach(t, epoch.Add(3*24*time.Hour+12*time.Hour))
	first := l.byRule(t)["trail-stopped"][0]
	require.Empty(t, first.Suppressed)
	f := l.give(t, first.ID, insight.Down, "planned")
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)["trail-stopped"]
	require.Len(t, found, 3)
	require.Contains(t, found[1].Suppressed, f.ID)
	require.Empty(t, found[2].Suppressed)
	require.Equal(t, featureEnvelope, found[2].Reasons[len(found[2].Reasons)-1].Feature)
	require.Empty(t, l.engine.list()[0].openBy)
}

// TestRulesGoByTodaysWords: a rebuild that interprets events anew shows rules what
// they are today, with their records.
func TestRulesGoByTodaysWords(t *testing.T) {
	var moved []event.Event
	for _, e := range offences() {
		if e.Operation == "PutBucketPolicy" {
			e.Operation = "OldName"
		}
		moved = append(moved, e)
	}
	l := newLine(t, withRules(t, officeRules))
	l.deliver(t, append(office(6), moved...))
	require.NoError(t, l.engine.Finish(context.Background()))
	require.NotContains(t, l.byRule(t), "open-bucket")

	o := l.engine.o
	o.Reinterpret = func(e *event.Event) {
		if e.Operation == "OldName" {
			e.Operation = "PutBucketPolicy"
		}
	}
	require.NoError(t, l.store.ResetSince(time.Time{}))
	require.NoError(t, Forget(o.StateDir))
	again, err := New(o)
	require.NoError(t, err)
	require.NoError(t, again.Rebuild(context.Background()))
	l.engine = again
	require.Len(t, l.byRule(t)["open-bucket"], 1)
}
