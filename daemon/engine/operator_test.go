package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// sensitiveCall is a call of a class and tier of the catalogue.
func sensitiveCall(uid string, at time.Time, who, service, operation, class string, tier uint8) event.Event {
	e := call(uid, at, who, service+".amazonaws.com", operation, event.OutcomeSuccess)
	e.Class, e.Risk = class, tier
	return e
}

// fromPlace moves an event to another address.
func fromPlace(e event.Event, address string) event.Event {
	e.Source = event.Source{Address: address, IP: netip.MustParseAddr(address), Country: "NL", Network: event.NetworkHosting}
	return e
}

func day(n int, clock time.Duration) time.Time {
	return epoch.Add(time.Duration(n)*24*time.Hour + clock)
}

// operatorsAtWork is an account in which deploy changes policies every day and
// stops a trail every other, and anna neither.
func operatorsAtWork(days int) []event.Event {
	out := office(days)
	for d := range days {
		at := day(d, 10*time.Hour+3*time.Minute+10*time.Second)
		out = append(out, sensitiveCall(fmt.Sprintf("p%d", d), at, "deploy", "iam", "PutRolePolicy", "policy_change", 2))
		if d%2 == 0 {
			out = append(out, sensitiveCall(fmt.Sprintf("s%d", d), at.Add(time.Minute), "deploy", "cloudtrail", "StopLogging", "trail_concealment", 3))
		}
	}
	return out
}

// incidents are what anna does, who never did.
func incidents() []event.Event {
	denied := sensitiveCall("i3", day(16, 14*time.Hour), "backup", "cloudtrail", "StopLogging", "trail_concealment", 3)
	denied.Outcome, denied.ErrorCode = event.OutcomeError, "AccessDenied"
	own := sensitiveCall("i5", day(17, 9*time.Hour+time.Minute), "anna", "iam", "ChangePassword", "password_change", 2)
	forwarded := sensitiveCall("i6", day(17, 11*time.Hour), "backup", "kms", "CreateGrant", "policy_change", 2)
	forwarded.Source = event.Source{Address: "ec2.amazonaws.com", Network: event.NetworkCloud}
	return []event.Event{
		sensitiveCall("i0", day(15, 11*time.Hour), "anna", "iam", "AttachUserPolicy", "policy_change", 2),
		sensitiveCall("i1", day(15, 11*time.Hour+20*time.Minute), "anna", "iam", "CreateUser", "policy_change", 2),
		fromPlace(sensitiveCall("i2", day(15, 12*time.Hour+10*time.Minute), "anna", "iam", "CreateLoginProfile", "password_change", 2), "198.51.100.7"),
		denied,
		sensitiveCall("i4", day(18, 12*time.Hour), "anna", "iam", "AttachUserPolicy", "policy_change", 2),
		own, forwarded,
	}
}

// operators are the insights of operators, in order of their start.
func (l *line) operators(t *testing.T) []insight.Insight {
	types := newOperators().types()
	list := slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return !slices.Contains(types, in.Type) })
	slices.SortFunc(list, func(a, b insight.Insight) int { return a.Start.Compare(b.Start) })
	return list
}

// operatorsModel is the detector of the first stream.
func (l *line) operatorsModel(t *testing.T) *operators {
	for _, x := range l.engine.list()[0].lookers {
		if o, ok := x.(*operators); ok {
			return o
		}
	}
	require.Fail(t, "there is no detector of operators")
	return nil
}

func unlimited(o *Options) { o.Settings.BudgetPerDay = 0 }

func TestUnusualOperatorsAreReported(t *testing.T) {
	l := newLine(t, unlimited)
	l.deliver(t, append(operatorsAtWork(20), incidents()...))
	require.NoError(t, l.engine.Finish(context.Background()))

	var told, usual []insight.Insight
	for _, in := range l.operators(t) {
		require.Equal(t, insight.StateEnd, in.State)
		sum := 0.0
		for _, r := range in.Reasons {
			sum += r.Contribution
			require.NotEmpty(t, r.Text, r.Feature)
		}
		require.InDelta(t, in.Score, sum, 1e-9, "contributions add up: %+v", in.Reasons)
		if in.Suppressed == usualOperator {
			usual = append(usual, in)
		} else if in.Start.After(day(14, 0)) {
			told = append(told, in)
		}
	}
	// Who stops a trail is always reported; its usual operator tells nobody.
	require.GreaterOrEqual(t, len(usual), 6)
	for _, in := range usual {
		require.Equal(t, "Low", insight.Level(in.Confidence))
		require.Equal(t, insight.TypeTrailConcealment, in.Type)
		require.True(t, in.HighRisk)
	}
	require.Len(t, told, 4, "one's own password and what a service does are nothing")

	x := told[0]
	require.Equal(t, insight.TypePolicyChange, x.Type)
	require.Equal(t, "iam.amazonaws.com", x.Object)
	require.Equal(t, day(15, 11*time.Hour), x.Start)
	require.Equal(t, day(15, 11*time.Hour+20*time.Minute), x.End, "the last of its operations")
	require.Equal(t, 2, x.Statistics.InsightCount)
	require.Equal(t, []string{"i0", "i1"}, x.SampleEventIDs)
	require.Equal(t, []string{"T1098.003"}, x.Attack[:1])
	require.Equal(t, "anna changed permissions: called AttachUserPolicy of iam.amazonaws.com; did so on 0 of 15 active days before", x.Summary)
	require.Equal(t, insight.SeverityMedium, x.Severity)
	texts := ""
	for _, r := range x.Reasons {
		texts += r.Text + "\n"
	}
	require.Contains(t, texts, "anna never changed permissions before, in 15 active days")
	require.Contains(t, texts, "15 of 15 changes of permissions")
	require.Contains(t, texts, "in four weeks were made by deploy (support ")
	require.Regexp(t, `would not have been raised if anna had changed permissions on \d+ of its 16 active days`, texts)

	x = told[1]
	require.Equal(t, insight.TypePasswordChange, x.Type)
	require.Equal(t, insight.SeverityHigh, x.Severity, "from a place that anybody can hire")
	require.Greater(t, x.Score, told[0].Score)
	i := slices.IndexFunc(x.Reasons, func(r insight.Reason) bool { return r.Feature == "network" })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, "198.51.100.0/24", x.Reasons[i].Observed)
	require.Equal(t, "203.0.113.0/24 (frequent)", x.Reasons[i].Usual)

	x = told[2]
	require.Equal(t, insight.TypeTrailConcealment, x.Type)
	require.Equal(t, insight.SeverityMedium, x.Severity, "it was denied")
	require.Contains(t, x.Summary, "StopLogging (which failed)")

	x = told[3]
	require.Equal(t, insight.TypePolicyChange, x.Type)
	require.Equal(t, day(18, 12*time.Hour), x.Start, "the second attack is not usual")
	require.Less(t, x.Score, told[0].Score)
}

// What is always reported is so from the first minute on.
func TestTierThreeIsToldWhileLearning(t *testing.T) {
	l := newLine(t, unlimited)
	l.deliver(t, append(office(3),
		sensitiveCall("w1", epoch.Add(5*time.Hour), "anna", "guardduty", "DeleteDetector", "trail_concealment", 3),
		sensitiveCall("w2", epoch.Add(6*time.Hour), "anna", "iam", "PutUserPolicy", "policy_change", 2)))
	require.NoError(t, l.engine.Finish(context.Background()))
	list := l.operators(t)
	require.Len(t, list, 1)
	require.Equal(t, insight.TypeTrailConcealment, list[0].Type)
	require.Empty(t, list[0].Suppressed)
}

func TestOperatorsAreTheSameInAnyOrderAndAfterRestarts(t *testing.T) {
	events := append(operatorsAtWork(20), incidents()...)
	l := newLine(t, unlimited)
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	want := l.finals(t)
	require.Contains(t, want, insight.TypePasswordChange)

	r := rand.New(rand.NewPCG(5, 6))
	l = newLine(t, unlimited)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	l.deliver(t, events)
	for d := 13; d < 20; d++ {
		l.reach(t, day(d, time.Duration(r.IntN(24*60))*time.Minute))
		l.reach(t, day(d, 23*time.Hour))
		require.NoError(t, l.engine.snapshot(true))
		before := l.operatorsModel(t)
		l.restart(t)
		require.Equal(t, before.rules, l.operatorsModel(t).rules)
		require.Equal(t, before.model, l.operatorsModel(t).model)
	}
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Equal(t, want, l.finals(t))
}

func TestAnOperatorIsToldOnArrival(t *testing.T) {
	now := day(15, 10*time.Hour+50*time.Minute)
	l := newLine(t, func(o *Options) {
		unlimited(o)
		o.Now = func() time.Time { return now }
	})
	events := append(operatorsAtWork(20), incidents()...)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	events = l.deliverBefore(t, events, now)
	l.tick(t)
	told := func() []insight.Insight {
		return slices.DeleteFunc(l.operators(t), func(in insight.Insight) bool { return in.Start.Before(day(15, 11*time.Hour)) })
	}
	for range 12 {
		now = now.Add(time.Minute)
		events = l.deliverBefore(t, events, now)
		l.tick(t)
	}
	require.Len(t, told(), 1)
	require.True(t, told()[0].Provisional)
	id := told()[0].ID
	for range 60 {
		now = now.Add(time.Minute)
		events = l.deliverBefore(t, events, now)
		l.tick(t)
	}
	require.False(t, told()[0].Provisional)
	require.Equal(t, id, told()[0].ID)
	require.Zero(t, l.store.Totals().Withdrawn)
}

func TestCoverageOfOperators(t *testing.T) {
	l := newLine(t, unlimited)
	l.deliver(t, operatorsAtWork(20))
	require.NoError(t, l.engine.Finish(context.Background()))
	for _, d := range l.engine.list()[0].detectors(day(20, 0)) {
		if d.InsightType == insight.TypePolicyChange {
			require.Equal(t, "ready", d.State)
			require.Regexp(t, `^1 of 3 identities changed permissions before; \d+ rules in force$`, d.Reason)
			return
		}
	}
	require.Fail(t, "the detector is not there")
}

func TestForwardedCalls(t *testing.T) {
	f := func(address string, k event.Kind, want bool) {
		t.Helper()
		e := event.Event{Source: event.Source{Address: address}, Actor: event.Actor{Kind: k}}
		if ip, err := netip.ParseAddr(address); err == nil {
			e.Source.IP = ip
		}
		require.Equal(t, want, forwarded(&e), address)
	}
	f("203.0.113.9", event.KindRole, false)
	f("203.0.113.9", event.KindCloudService, true)
	f("ec2.amazonaws.com", event.KindHuman, true)
	f("AWS Internal", event.KindHuman, true)
	f("cloudformation.amazonaws.com", event.KindHuman, false)
	f("", event.KindHuman, false)
}

func TestSelfServiceOfOperators(t *testing.T) {
	f := func(identity, operation string, resources []string, want bool) {
		t.Helper()
		e := event.Event{Provider: "aws", Service: "iam.amazonaws.com", Operation: operation, Resources: resources, Actor: event.Actor{Identity: identity}}
		require.Equal(t, want, selfService(&e), "%s %v", operation, resources)
	}
	const anna = "arn:aws:iam::111111111111:user/people/anna"
	f(anna, "ChangePassword", nil, true)
	f(anna, "CreateAccessKey", nil, true)
	f(anna, "CreateAccessKey", []string{"anna"}, true)
	f(anna, "UpdateAccessKey", []string{"anna", "AKIAX"}, true)
	f(anna, "CreateAccessKey", []string{"bob"}, false)
	f(anna, "CreateLoginProfile", []string{"anna"}, false)
	f(anna, "DeactivateMFADevice", []string{"anna"}, false)
	f("arn:aws:iam::111111111111:role/x", "CreateAccessKey", nil, false)
}

func TestTierIn(t *testing.T) {
	f := func(class string, risk uint8, asked string, want uint8) {
		t.Helper()
		require.Equal(t, want, tierIn(&event.Event{Class: class, Risk: risk}, asked))
	}
	f("", 0, "policy_change", 0)
	f("policy_change", 2, "policy_change", 2)
	f("trail_concealment policy_change", 3, "trail_concealment", 3)
	f("trail_concealment policy_change", 3, "policy_change", 2)
	f("mass_deletion", 1, "policy_change", 0)
	f("sensitive_first_use password_change", 1, "password_change", 1)
}

// The rules are words that a reader can check.
func TestRulesAreWords(t *testing.T) {
	l := newOperators()
	for i := range 40 {
		who := "iac"
		if i == 7 {
			who = "anna"
		}
		l.table.Add([]string{"category=policy_change", "group=g", "hours=06 to 12 UTC", "identity=arn:aws:iam::1:role/" + who, "network=known", "operation=PutRolePolicy", "service=iam.amazonaws.com"}, 30_000_000)
	}
	l.mine()
	r, ok := l.violated([]string{"category=policy_change", "group=g", "hours=06 to 12 UTC", "identity=arn:aws:iam::1:user/bob", "network=known", "operation=PutRolePolicy", "service=iam.amazonaws.com"})
	require.True(t, ok)
	require.True(t, strings.HasPrefix(r.words(), "39 of 40 changes of permissions in four weeks were made by iac (support "), r.words())
	require.Equal(t, "bob", r.value([]string{"identity=arn:aws:iam::1:user/bob"}))
	_, ok = l.violated([]string{"category=policy_change", "identity=arn:aws:iam::1:role/iac", "network=known"})
	require.False(t, ok)
	_, ok = l.violated([]string{"category=trail_concealment", "identity=arn:aws:iam::1:user/bob"})
	require.False(t, ok)
}

func TestGroupName(t *testing.T) {
	require.Equal(t, "people of Power_User", groupName("people of AWSReservedSSO_Power_User_0123456789abcdef"))
	require.Equal(t, "people of admin", groupName("people of admin"))
	require.Equal(t, "root", groupName("root"))
}

// What an operation is under today's catalogue may hang on its parameters: the
// raw records of those that say so are read back, and no others.
func TestReinterpretReadsWhatItNeeds(t *testing.T) {
	var mtx sync.Mutex // The next slice is read beside the one under way.
	raws := map[string]bool{}
	l := newLine(t, func(o *Options) {
		unlimited(o)
		o.Raw = func(e *event.Event) bool { return e.Operation == "UpdateTrail" }
		o.Reinterpret = func(e *event.Event) {
			mtx.Lock()
			raws[e.Operation] = raws[e.Operation] || len(e.Raw) > 0
			mtx.Unlock()
			if strings.Contains(string(e.Raw), "u2") {
				e.Class, e.Risk = "trail_concealment", 3
			}
		}
	})
	l.deliver(t, append(office(3),
		call("u1", day(2, 5*time.Hour), "anna", "cloudtrail.amazonaws.com", "UpdateTrail", event.OutcomeSuccess),
		call("u2", day(2, 6*time.Hour), "anna", "cloudtrail.amazonaws.com", "UpdateTrail", event.OutcomeSuccess)))
	require.NoError(t, l.log.Flush(context.Background()))
	require.NoError(t, l.engine.Finish(context.Background()))
	list := l.operators(t)
	require.Len(t, list, 1)
	require.Equal(t, []string{"u2"}, list[0].SampleEventIDs)
	require.Equal(t, map[string]bool{"UpdateTrail": true, "CreateTags": false, "PutBucketTagging": false, "UpdateFunctionCode": false}, raws)
}

func BenchmarkOperatorsLook(b *testing.B) {
	l := newOperators()
	s := &stream{identities: map[symbol]*who{}}
	w := newWho(1, "arn:aws:iam::1:user/anna", event.KindHuman, 0)
	e := call("u", epoch, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
	w.apis[2] = &api{first: 0}
	n := names{identity: 1, api: 2}
	at := minuteOf(epoch)
	b.ReportAllocs()
	for b.Loop() {
		at++
		if _, ok := l.look(s, &e, n, w, at); ok {
			b.Fatal("nothing is odd about it")
		}
		l.learn(s, &e, n, w, at, false)
	}
}
