package engine

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// livingLine has seen some days of an account and stands at a moment of them,
// with everything up to then arrived.
func livingLine(t *testing.T, now *time.Time) *line {
	t.Helper()
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return *now } })
	var past []event.Event
	for _, e := range office(9) {
		if e.Time.Before(*now) {
			past = append(past, e)
		}
	}
	l.deliver(t, past)
	l.tick(t)
	return l
}

// deliverBefore delivers the events before a time, which are the first ones, and
// returns the others.
func (l *line) deliverBefore(t *testing.T, events []event.Event, to time.Time) []event.Event {
	t.Helper()
	n := 0
	for n < len(events) && events[n].Time.Before(to) {
		n++
	}
	l.deliver(t, events[:n])
	return events[n:]
}

// tick is what the daemon does every second.
func (l *line) tick(t *testing.T) {
	t.Helper()
	require.NoError(t, l.engine.Advance(context.Background()))
	require.NoError(t, l.engine.Preview(context.Background()))
}

// rates are the call-rate insights, beside which the key's may stand.
func (l *line) rates(t *testing.T) []insight.Insight {
	return slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return in.Type != insight.TypeAPICallRate })
}

func (l *line) byState(t *testing.T) map[insight.State][]insight.Insight {
	out := map[insight.State][]insight.Insight{}
	for _, in := range l.rates(t) {
		out[in.State] = append(out[in.State], in)
	}
	return out
}

func TestAnAttackIsToldWhileItGoesOnAndConfirmed(t *testing.T) {
	now := epoch.Add(7*24*time.Hour + 14*time.Hour)
	l := livingLine(t, &now)
	attack := burst("x", now, 8*time.Minute, 160, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
	told := time.Time{}
	for len(attack) > 0 {
		now = now.Add(10 * time.Second)
		attack = l.deliverBefore(t, attack, now)
		l.tick(t)
		if list := l.rates(t); len(list) > 0 && told.IsZero() {
			told = now
			require.True(t, list[0].Provisional)
			require.Equal(t, insight.StateStart, list[0].State)
			require.Equal(t, "s3.amazonaws.com:PutBucketTagging", list[0].Object)
			require.NotEmpty(t, list[0].Reasons)
			require.NotEmpty(t, list[0].SampleEventIDs)
		}
	}
	start := epoch.Add(7*24*time.Hour + 14*time.Hour)
	require.False(t, told.IsZero(), "nothing was told")
	require.Less(t, told.Sub(start), 4*time.Minute)
	id := l.rates(t)[0].ID
	require.Len(t, l.rates(t), 1, "told once")

	// The final verdict comes when the watermark has passed.
	for range 120 {
		now = now.Add(time.Minute)
		l.tick(t)
	}
	final, ok := l.store.Get(id)
	require.True(t, ok)
	require.False(t, final.Provisional)
	require.Equal(t, insight.StateEnd, final.State)
	s := l.engine.list()[0]
	require.Empty(t, s.preview.told)
	require.Zero(t, l.store.Totals().Withdrawn)
}

func TestWhatBeganEarlierThanItSeemedSupersedes(t *testing.T) {
	now := epoch.Add(7*24*time.Hour + 14*time.Hour)
	l := livingLine(t, &now)
	attack := burst("x", now, 10*time.Minute, 200, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
	now = now.Add(10 * time.Minute)
	l.deliver(t, attack[120:])
	l.tick(t)
	require.Len(t, l.rates(t), 1)
	early := l.rates(t)[0]
	require.True(t, early.Provisional)
	now = now.Add(5 * time.Minute)
	l.deliver(t, attack[:120])
	for range 120 {
		now = now.Add(time.Minute)
		l.tick(t)
	}
	by := l.byState(t)
	require.Len(t, by[insight.StateEnd], 1)
	final := by[insight.StateEnd][0]
	require.Equal(t, early.ID, final.Supersedes)
	old, ok := l.store.Get(early.ID)
	require.True(t, ok, "the old id keeps answering")
	require.Equal(t, insight.StateWithdrawn, old.State)
	require.Equal(t, final.ID, old.SupersededBy)
	require.Positive(t, l.store.Totals().Superseded)
	require.Zero(t, l.store.Totals().Withdrawn)
}

func TestProvisionalInsightsOutliveARestart(t *testing.T) {
	now := epoch.Add(7*24*time.Hour + 14*time.Hour)
	l := livingLine(t, &now)
	l.deliver(t, burst("x", now, 5*time.Minute, 120, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	now = now.Add(5 * time.Minute)
	l.tick(t)
	told := len(l.insights(t))
	require.Positive(t, told)
	l.restart(t)
	l.tick(t)
	require.Len(t, l.insights(t), told, "not told twice")
	require.Len(t, l.engine.list()[0].preview.told, told)
	for range 90 {
		now = now.Add(time.Minute)
		l.tick(t)
	}
	list := l.rates(t)
	require.Len(t, list, 1)
	require.Equal(t, insight.StateEnd, list[0].State)
	require.False(t, list[0].Provisional)
}

func TestPreviewTeachesNothing(t *testing.T) {
	events := append(office(9), attacks()...)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	want := newLine(t, nil)
	want.deliver(t, events)
	want.reach(t, epoch.Add(9*24*time.Hour))

	now := epoch
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	for len(events) > 0 {
		now = now.Add(7 * time.Minute)
		events = l.deliverBefore(t, events, now)
		l.tick(t)
	}
	l.reach(t, epoch.Add(9*24*time.Hour))
	require.Equal(t, want.finals(t), l.finals(t))
	require.Positive(t, l.store.Totals().Told)
	require.Zero(t, l.store.Totals().Withdrawn)
}

// TestPreviewTellsNothingOfWhatIsLate has somebody arrive of whom something final is
// said then that came late, with and without a preview between.
func TestPreviewTellsNothingOfWhatIsLate(t *testing.T) {
	told := func(look func(*line)) insight.Insight {
		now := epoch.Add(4*24*time.Hour + 14*time.Hour)
		l := newLine(t, func(o *Options) {
			withRules(t, officeRules)(o)
			o.Now = func() time.Time { return now }
		})
		l.deliverBefore(t, office(9), now)
		require.NoError(t, l.engine.Advance(context.Background()))
		arrived := call("g1", now.Add(-5*time.Minute), "ghost", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
		arrived.Actor.RawType = "AssumedRole"
		l.deliver(t, []event.Event{arrived})
		look(l)
		l.deliver(t, []event.Event{call("g2", now.Add(-2*time.Hour), "ghost", "cloudtrail.amazonaws.com", "StopLogging", event.OutcomeSuccess)})
		now = now.Add(time.Minute)
		require.NoError(t, l.engine.Advance(context.Background()))
		require.Len(t, l.byRule(t)["trail-stopped"], 1)
		return l.byRule(t)["trail-stopped"][0]
	}
	want := told(func(*line) {})
	require.Equal(t, "IAMUser", want.UserType)
	require.Equal(t, want, told(func(l *line) { require.NoError(t, l.engine.Preview(context.Background())) }))
}

// TestArrivalsThatCannotBeReadHoldNoOthers has somebody attack one of two accounts; the
// log cannot read the other.
func TestArrivalsThatCannotBeReadHoldNoOthers(t *testing.T) {
	now := epoch.Add(6*24*time.Hour + 14*time.Hour)
	h := &harmed{}
	l := newLine(t, func(o *Options) {
		h.Log = o.Log
		o.Log, o.Now = h, func() time.Time { return now }
	})
	events := office(9)
	other := slices.Clone(events)
	for i := range other {
		other[i].Account = "000000000000"
	}
	l.deliverBefore(t, other, now)
	l.deliverBefore(t, events, now)
	l.tick(t)
	require.Empty(t, l.rates(t))

	h.account = "000000000000"
	now = now.Add(10 * time.Minute)
	rest := attacks()
	l.deliverBefore(t, rest, now)
	for i := range rest {
		rest[i].Account = h.account
	}
	l.deliverBefore(t, rest, now)
	require.ErrorContains(t, l.engine.Preview(context.Background()), "a block is harmed")
	told := l.rates(t)
	require.Len(t, told, 1)
	require.True(t, told[0].Provisional)
	require.NotEqual(t, h.account, told[0].Account)
}
