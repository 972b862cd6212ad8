package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// confessed are the insights on insightd itself, in order of start.
func (l *line) confessed(t *testing.T) []insight.Insight {
	t.Helper()
	return slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return in.Provider != insight.ProviderSelf })
}

func (l *line) except(t *testing.T, id string, kind insight.ExceptionKind, scope insight.Scope, starts, expires time.Time) insight.Exception {
	t.Helper()
	x := insight.Exception{
		ID: id, Kind: kind, Owner: "the backup team", Reason: "the move", By: "anna", Source: insight.ExceptionFromAPI,
		Scope: scope, Starts: starts, Expires: expires,
	}
	require.Nil(t, x.Check(l.engine.o.Now()))
	x, err := l.engine.PutException(context.Background(), x)
	require.NoError(t, err)
	return x
}

const (
	backup  = "*:user/backup"
	tagging = "s3.amazonaws.com:PutBucketTagging"
)

// exceptionWeeks are bursts of the backup on many days, of which two change on the
// way: one grows, and one moves elsewhere.
func exceptionWeeks() []event.Event {
	at := midnight(14).Add(14 * time.Hour)
	swelling := slices.Concat(
		burst("w", at, 10*time.Minute, 300, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess),
		burst("v", at.Add(10*time.Minute), 5*time.Minute, 600, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	return slices.Concat(office(17), nightly(6, 300), nightly(7, 290), nightly(8, 1200), nightly(9, 300), nightly(10, 300),
		nightly(11, 300), moved(nightly(12, 300), "198.51.100.7", "DE"), nightly(13, 300), swelling, nightly(15, 300))
}

// atSix is the clock of those tests.
func atSix(o *Options) { o.Now = func() time.Time { return midnight(6) } }

// excepted runs those weeks, with exceptions that come and go.
func excepted(t *testing.T, l *line, between func()) {
	t.Helper()
	ctx := context.Background()
	l.deliver(t, exceptionWeeks())
	l.reach(t, midnight(7))
	l.except(t, "nightly", insight.ExceptionMute, insight.Scope{Identity: backup, Operation: tagging, MaxRate: 60}, time.Time{}, midnight(9).Add(14*time.Hour+5*time.Minute))
	between() // It was not heard yet.
	l.reach(t, midnight(7))
	between()
	l.reach(t, midnight(7).Add(14*time.Hour+8*time.Minute))
	require.Equal(t, insight.StateStart, l.ofDay(t, 7).State)
	require.Contains(t, l.ofDay(t, 7).Suppressed, "exception nightly: mute of the backup team until ")
	between()
	l.reach(t, midnight(9).Add(14*time.Hour+4*time.Minute))
	require.Contains(t, l.ofDay(t, 9).Suppressed, "exception nightly")
	between()
	l.reach(t, midnight(11))
	l.except(t, "office", insight.ExceptionAllow, insight.Scope{Identity: backup, Network: "203.0.113.0/24"}, time.Time{}, midnight(60))
	between()
	l.reach(t, midnight(13).Add(14*time.Hour+5*time.Minute))
	require.Contains(t, l.ofDay(t, 13).Suppressed, "exception office")
	_, err := l.engine.DeleteException(ctx, "office", "ben")
	require.NoError(t, err)
	l.reach(t, midnight(13).Add(14*time.Hour+5*time.Minute))
	between()
	l.except(t, "window", insight.ExceptionMaintenance, insight.Scope{Identity: backup, MaxRate: 60}, midnight(14).Add(13*time.Hour), midnight(15).Add(14*time.Hour+30*time.Minute))
	l.reach(t, midnight(14).Add(14*time.Hour+7*time.Minute))
	require.Contains(t, l.ofDay(t, 14).Suppressed, "exception window: maintenance")
	between()
	require.NoError(t, l.engine.Finish(ctx))
}

// reasonOf is the text of a reason, empty where there is none of that feature.
func reasonOf(in insight.Insight, feature string) string {
	for _, r := range in.Reasons {
		if r.Feature == feature {
			return r.Text
		}
	}
	return ""
}

func TestExceptionsKeepQuietWhatFallsWithinThem(t *testing.T) {
	l := newLine(t, atSix)
	excepted(t, l, func() {})
	require.Empty(t, l.ofDay(t, 6).Suppressed, "it was before")
	quiet := l.ofDay(t, 7)
	require.Equal(t, insight.StateEnd, quiet.State)
	require.Equal(t, "exception nightly: mute of the backup team until 2026-03-11T14:05:00Z", quiet.Suppressed)
	require.Equal(t, quiet.Suppressed, quiet.Alert.Reason)
	require.Equal(t, "nightly", quiet.ExceptedBy)
	require.Empty(t, l.ofDay(t, 8).Suppressed, "it was of at most 60 calls a minute")
	f := func(day int, want string) {
		t.Helper()
		in := l.ofDay(t, day)
		require.Empty(t, in.Suppressed)
		require.Contains(t, reasonOf(in, featureException), want)
		records := l.store.Records(in.ID)
		require.NotEmpty(t, records[0].InsightDetails.Suppressed, "it was quiet at first")
		require.Empty(t, records[len(records)-1].InsightDetails.Suppressed)
	}
	f(9, "goes on after exception nightly, which ended at 2026-03-11T14:05:00Z")
	require.Empty(t, l.ofDay(t, 10).Suppressed, "what is new after its end is told")
	require.Contains(t, l.ofDay(t, 11).Suppressed, "exception office")
	require.Empty(t, l.ofDay(t, 12).Suppressed, "it came from elsewhere")
	f(13, "exception office does not hold any more")
	f(14, "calls in a minute, where it is of 60 at the most")
	require.Contains(t, l.ofDay(t, 15).Suppressed, "exception window", "a usual call after its end is not going on")

	list := l.engine.Exceptions()
	require.Len(t, list, 3)
	byID := map[string]insight.Exception{}
	for _, x := range list {
		byID[x.ID] = x
	}
	require.Equal(t, insight.ExceptionActive, byID["nightly"].State)
	require.GreaterOrEqual(t, byID["nightly"].Swallowed, uint64(2))
	require.True(t, byID["nightly"].LastSwallowed.Equal(l.ofDay(t, 9).Start), "%v", byID["nightly"].LastSwallowed)
	require.Equal(t, insight.ExceptionDeleted, byID["office"].State)
	require.Equal(t, "ben", byID["office"].DeletedBy)
	require.Equal(t, insight.ExceptionScheduled, byID["window"].State)

	// What has them tell less is told itself.
	told := l.confessed(t)
	require.Len(t, told, 3)
	severities := map[string]insight.Severity{}
	for _, in := range told {
		require.Equal(t, insight.TypeTrailConcealment, in.Type)
		require.Equal(t, "insightd:PutException", in.Object)
		require.Equal(t, "anna", in.Identity)
		require.Empty(t, in.Suppressed)
		severities[in.Resources[0]] = in.Severity
	}
	require.Equal(t, map[string]insight.Severity{
		"nightly": insight.SeverityLow,                                  // Narrow and short.
		"office":  insight.SeverityHigh, "window": insight.SeverityHigh, // Whatever the identity does, trails included.
	}, severities)
}

// TestExceptionsAreRepeated restarts, with and without snapshots and thinned
// records, rebuilds, and makes the stream anew in shadow.
func TestExceptionsAreRepeated(t *testing.T) {
	l := newLine(t, atSix)
	excepted(t, l, func() {})
	want, state, known := l.finals(t), encoded(t, l), l.engine.Exceptions()
	require.Contains(t, want, "insightd:PutException")
	again := func() *line {
		store, err := insight.Open(insight.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		o := l.engine.o
		o.Insights, o.StateDir = store, t.TempDir()
		e, err := New(o)
		require.NoError(t, err)
		return &line{l.log, e, store}
	}
	ctx := context.Background()
	repeated := again()
	require.NoError(t, repeated.engine.Restore(ctx))
	require.Equal(t, want, repeated.finals(t))
	require.Equal(t, state, encoded(t, repeated))
	require.Equal(t, known, repeated.engine.Exceptions())

	require.NoError(t, l.log.Thin(l.log.LastSeq()+1))
	rebuilt := again()
	require.NoError(t, rebuilt.engine.Rebuild(ctx))
	require.Equal(t, want, rebuilt.finals(t))
	require.Equal(t, known, rebuilt.engine.Exceptions())

	s := l.engine.list()[0]
	fresh, err := l.engine.freshStream(ctx, s.key, l.log.LastSeq()+1, s.position.target)
	require.NoError(t, err)
	l.engine.swap(s, fresh)
	require.Equal(t, want, l.finals(t))
	require.Equal(t, known, l.engine.Exceptions())
}

// TestSettingsHoldFromTheNextWatermark changes settings and says something between two
// watermarks. What is told then costs what it did, in every repetition.
func TestSettingsHoldFromTheNextWatermark(t *testing.T) {
	ctx := context.Background()
	at := midnight(7).Add(14*time.Hour + 8*time.Minute)
	l := newLine(t, atSix)
	l.deliver(t, slices.Concat(office(9), nightly(6, 300), nightly(7, 290)))
	set := l.engine.o.Settings
	require.NoError(t, l.engine.Configure(ctx, set, nil))
	l.reach(t, midnight(7))
	l.except(t, "nightly", insight.ExceptionMute, insight.Scope{Identity: backup, Operation: tagging}, time.Time{}, midnight(60))
	l.reach(t, at)
	require.Contains(t, l.ofDay(t, 7).Suppressed, "exception nightly")
	set.BudgetPerDay = 1
	require.NoError(t, l.engine.Configure(ctx, set, nil))
	_, err := l.engine.DeleteException(ctx, "nightly", "ben")
	require.NoError(t, err)
	l.reach(t, at) // Nothing is to be carried out, and what was said is heard.
	require.Empty(t, l.ofDay(t, 7).Suppressed)
	l.reach(t, at.Add(time.Minute))
	set.BudgetPerDay = 3
	require.NoError(t, l.engine.Configure(ctx, set, nil)) // For a watermark that is still to come.
	l.reach(t, at)
	require.InDelta(t, 1, l.engine.list()[0].set.BudgetPerDay, 0)
	want := *l.engine.list()[0].budget

	f := func(bring func(*Engine) error) {
		t.Helper()
		store, err := insight.Open(insight.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		o := l.engine.o
		o.Insights, o.StateDir, o.Settings = store, t.TempDir(), set
		again, err := New(o)
		require.NoError(t, err)
		require.NoError(t, bring(again))
		require.Equal(t, want, *again.list()[0].budget)
		require.Equal(t, l.finals(t), (&line{l.log, again, store}).finals(t))
	}
	f(func(e *Engine) error { return e.Restore(ctx) })
	f(func(e *Engine) error { return e.Rebuild(ctx) })
	require.NoError(t, l.log.Thin(l.log.LastSeq()+1))
	f(func(e *Engine) error { return e.Rebuild(ctx) })
}

func TestRestartsBetweenExceptions(t *testing.T) {
	whole := newLine(t, atSix)
	excepted(t, whole, func() {})
	want, known := whole.finals(t), whole.engine.Exceptions()
	for _, snapshots := range []string{"of now", "of before", "none"} {
		l := newLine(t, atSix)
		restart := func() {
			if snapshots == "of now" {
				require.NoError(t, l.engine.Close())
			}
			if snapshots == "none" {
				for _, name := range snapshotsOf(l.engine.o.StateDir, l.engine.list()[0].key) {
					require.NoError(t, os.Remove(filepath.Join(l.engine.o.StateDir, name)))
				}
			}
			l.restart(t)
		}
		excepted(t, l, restart)
		require.Equal(t, want, l.finals(t), "snapshots: %s", snapshots)
		require.Equal(t, known, l.engine.Exceptions())
	}
}

func TestAStreamThatBeginsLaterKnowsTheExceptions(t *testing.T) {
	l := newLine(t, func(o *Options) { atSix(o); officeLabels(o) })
	l.except(t, "drill", insight.ExceptionMaintenance, insight.Scope{Rule: insight.RuleBreakGlass}, epoch.Add(-time.Hour), midnight(1))
	l.except(t, "mute", insight.ExceptionMute, insight.Scope{Identity: "*" + "user/emergency"}, time.Time{}, midnight(30))
	l.deliver(t, emergency())
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)[insight.RuleBreakGlass]
	require.Len(t, found, 2)
	require.Contains(t, found[0].Suppressed, "exception drill")
	require.Empty(t, found[1].Suppressed, "it is after the drill, and the mute does not name the rule")
}

// TestAStreamWithoutAWatermarkKnowsTheExceptions makes everything anew before anything of
// the account was final.
func TestAStreamWithoutAWatermarkKnowsTheExceptions(t *testing.T) {
	l := newLine(t, func(o *Options) { atSix(o); officeLabels(o) })
	l.except(t, "drill", insight.ExceptionMaintenance, insight.Scope{Rule: insight.RuleBreakGlass}, epoch.Add(-time.Hour), midnight(1))
	l.deliver(t, emergency())
	again, err := New(l.engine.o)
	require.NoError(t, err)
	require.NoError(t, again.Rebuild(context.Background()))
	l.engine = again
	require.NoError(t, l.engine.Finish(context.Background()))
	found := l.byRule(t)[insight.RuleBreakGlass]
	require.Len(t, found, 2)
	require.Contains(t, found[0].Suppressed, "exception drill")
}

func TestTheConfigurationsExceptions(t *testing.T) {
	l := newLine(t, atSix)
	ctx := context.Background()
	x := insight.Exception{
		ID: "nightly", Kind: insight.ExceptionMute, Owner: "ben", Reason: "known", By: insight.ExceptionFromConfiguration, Source: insight.ExceptionFromConfiguration,
		Scope: insight.Scope{Identity: backup, Operation: tagging}, Expires: midnight(20),
	}
	y := x
	y.ID, y.Expires = "past", midnight(5)
	seq := func() uint64 { return l.log.LastSeq() }
	require.NoError(t, l.engine.ConfigureExceptions(ctx, []insight.Exception{x, y}))
	require.Len(t, l.engine.Exceptions(), 2)
	require.Len(t, l.confessed(t), 1, "what is past silences nothing")
	require.Equal(t, insight.SeverityMedium, l.confessed(t)[0].Severity, "it is for more than a week")
	at := seq()
	require.NoError(t, l.engine.ConfigureExceptions(ctx, []insight.Exception{x, y}))
	require.Equal(t, at, seq(), "nothing changed")
	_, err := l.engine.DeleteException(ctx, "nightly", "anna")
	require.ErrorIs(t, err, ErrConfigured)
	_, err = l.engine.DeleteException(ctx, "none", "anna")
	require.ErrorIs(t, err, ErrNoException)

	x.Reason = "still known"
	require.NoError(t, l.engine.ConfigureExceptions(ctx, []insight.Exception{x}))
	got, ok := l.engine.Exception("nightly")
	require.True(t, ok)
	require.Equal(t, "still known", got.Reason)
	require.Equal(t, insight.ExceptionActive, got.State)
	got, _ = l.engine.Exception("past")
	require.Equal(t, insight.ExceptionDeleted, got.State)

	l.restart(t)
	require.NoError(t, l.engine.ConfigureExceptions(ctx, nil))
	got, _ = l.engine.Exception("nightly")
	require.Equal(t, insight.ExceptionDeleted, got.State)
	require.NoError(t, l.engine.ConfigureExceptions(ctx, []insight.Exception{x}), "it may come again")
	got, _ = l.engine.Exception("nightly")
	require.Equal(t, insight.ExceptionActive, got.State)
}

// TestWhatArrivesFirstIsNotPreferred ends an exception that kept two insights quiet, of
// which the budget has room for one: which is told follows from what they are.
func TestWhatArrivesFirstIsNotPreferred(t *testing.T) {
	told := func(first, second string) (out []string) {
		now := midnight(7).Add(14 * time.Hour)
		l := livingLine(t, &now)
		l.except(t, "both", insight.ExceptionMute, insight.Scope{Operation: tagging}, time.Time{}, midnight(60))
		at := now
		now = now.Add(10 * time.Minute)
		for _, who := range []string{first, second} {
			l.deliver(t, burst(who, at, 9*time.Minute, 200, who, "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
			l.tick(t)
		}
		now = at.Add(39 * time.Minute)
		l.tick(t)
		s := l.engine.list()[0]
		cost, open := 0.0, 0
		s.eachOpen(func(o opened) {
			if in := o.insight; in.ExceptedBy == "both" {
				cost = max(cost, leastCost, 1-in.Confidence)
				open++
			}
		})
		require.GreaterOrEqual(t, open, 2)
		s.budget.tokens, s.budget.last = cost, minuteOf(s.position.done)
		_, err := l.engine.DeleteException(context.Background(), "both", "ben")
		require.NoError(t, err)
		l.tick(t)
		for _, in := range l.rates(t) {
			if in.Suppressed == "" {
				out = append(out, insight.ShortName(in.Identity))
			}
		}
		require.Len(t, out, 1, "the budget has room for one")
		return out
	}
	require.Equal(t, told("aaa", "bbb"), told("bbb", "aaa"))
}

func TestExceptionsInForceAreBounded(t *testing.T) {
	l := newLine(t, atSix)
	for i := range insight.MaxExceptions {
		l.except(t, fmt.Sprint("x", i), insight.ExceptionMute, insight.Scope{Identity: fmt.Sprint("i", i), Operation: "a:b"}, time.Time{}, midnight(7))
	}
	_, err := l.engine.PutException(context.Background(), insight.Exception{Kind: insight.ExceptionMute, Scope: insight.Scope{Identity: "a"}, Expires: midnight(7)})
	require.ErrorIs(t, err, ErrExceptionLimit)
}

// TestWhatIsToldOfASilencingEnds moves the clock.
func TestWhatIsToldOfASilencingEnds(t *testing.T) {
	now := midnight(6)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	l.except(t, "a", insight.ExceptionMute, insight.Scope{Network: "corporate", Operation: "s3.amazonaws.com:Get*"}, time.Time{}, midnight(7))
	require.Equal(t, insight.StateStart, l.confessed(t)[0].State)
	now = now.Add(59 * time.Minute)
	require.NoError(t, l.engine.Advance(context.Background()))
	require.Equal(t, insight.StateStart, l.confessed(t)[0].State)
	now = now.Add(time.Minute)
	require.NoError(t, l.engine.Advance(context.Background()))
	in := l.confessed(t)[0]
	require.Equal(t, insight.StateEnd, in.State)
	require.True(t, in.End.Equal(midnight(6).Add(time.Hour)))
	want := l.finals(t)
	l.restart(t)
	require.Equal(t, want, l.finals(t))
}
