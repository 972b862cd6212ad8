package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// settle waits for what is made in shadow and puts it in force.
func (l *line) settle(t *testing.T) {
	t.Helper()
	l.tick(t)
	l.engine.shadows.Wait()
	l.tick(t)
}

func TestHistoryThatIsAddedIsLearned(t *testing.T) {
	events := append(office(9), attacks()...)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	cut, _ := slices.BinarySearchFunc(events, epoch.Add(5*24*time.Hour), func(e event.Event, at time.Time) int { return e.Time.Compare(at) })
	now := epoch.Add(10 * 24 * time.Hour)
	all := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	all.deliver(t, events)
	all.tick(t)
	want := all.finals(t)

	for _, restarted := range []bool{false, true} {
		l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
		l.deliver(t, events[cut:])
		l.tick(t)
		require.NotEqual(t, want, l.finals(t), "five days less are known")
		l.deliver(t, events[:cut])
		now = now.Add(time.Minute)
		l.tick(t) // Counted, and found to be much.
		require.NotNil(t, l.engine.list()[0].shadow)
		if restarted {
			l.engine.stop()
			l.engine.shadows.Wait()
			l.restart(t)
			l.tick(t)
		} else {
			l.settle(t)
		}
		s := l.engine.list()[0]
		require.Nil(t, s.shadow)
		require.Equal(t, events[0].Time, s.firstTime)
		require.Equal(t, uint64(len(events)), s.events)
		require.Equal(t, want, l.finals(t), "restarted %v", restarted)
		require.Zero(t, s.untaught)
		now = now.Add(-time.Minute)
	}
}

// TestLateEventsBeforeASwapAreCounted delivers what is late between the last watermark
// and the record at which a stream begins to be made anew, and again behind that. Every
// event is in the series, also after a kill, and none is written there in two ways.
func TestLateEventsBeforeASwapAreCounted(t *testing.T) {
	events := office(3)
	cut, _ := slices.BinarySearchFunc(events, epoch.Add(2*24*time.Hour), func(e event.Event, at time.Time) int { return e.Time.Compare(at) })
	f := func(killed func(l *line, next func())) {
		t.Helper()
		now := epoch.Add(3 * 24 * time.Hour)
		l, db := withSeries(t, &now)
		atEnd := true
		l.engine.o.Sources = func() []SourceFrontier { return []SourceFrontier{{Name: "history", AtEnd: atEnd, Frontier: now}} }
		l.deliver(t, events[cut:])
		l.tick(t)
		atEnd = false
		l.deliver(t, events[:cut/3])
		now = now.Add(time.Minute)
		l.tick(t)
		l.deliver(t, events[cut/3:2*cut/3])
		atEnd = true
		l.tick(t) // No watermark.
		s := l.engine.list()[0]
		require.NotNil(t, s.shadow)
		require.False(t, s.position.due())
		next := func() {
			l.engine.shadows.Wait()
			l.deliver(t, events[2*cut/3:cut])
			now = now.Add(time.Minute)
			l.tick(t)
		}
		killed(l, next)
		now = now.Add(time.Minute)
		l.tick(t)
		require.NotSame(t, s, l.engine.list()[0])
		require.Equal(t, float64(len(events)), sum(t, db, "sum(sum_over_time(activity_events[10d]))", now.Add(time.Minute)))
		require.Zero(t, testutil.ToFloat64(l.engine.metrics.refused), "written before with other values")

		again, db := withSeries(t, &now) // From the same records.
		again.engine.o.Log = l.log
		again.restart(t)
		require.Equal(t, float64(len(events)), sum(t, db, "sum(sum_over_time(activity_events[10d]))", now.Add(time.Minute)))
	}
	f(func(_ *line, next func()) { next() })
	f(func(l *line, next func()) { // Before the new stream takes over.
		l.engine.stop()
		l.engine.shadows.Wait()
		l.restart(t)
		next()
	})
	f(func(l *line, next func()) { // After that, and before there is a snapshot of it.
		next()
		l.restart(t)
	})
}

// remade begins to make the only stream anew, which is there when this returns and takes
// over at the next tick. The old one finds nothing more, as if it knew too little.
func (l *line) remade(t *testing.T) {
	t.Helper()
	s := l.engine.list()[0]
	for _, f := range s.families {
		f.SetThreshold(99)
	}
	require.True(t, l.engine.beginShadow(context.Background(), s, l.engine.o.Now(), "a test"))
	require.NoError(t, s.complete(context.Background(), func([]tsdb.Sample) error { return nil }))
	l.engine.shadows.Wait()
}

func TestWhatWasToldOnArrivalIsSettledByTheNewStream(t *testing.T) {
	f := func(arrived int, want insight.State) {
		t.Helper()
		now := epoch.Add(7*24*time.Hour + 14*time.Hour)
		l := livingLine(t, &now)
		attack := burst("x", now, 10*time.Minute, 200, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
		now = now.Add(10 * time.Minute)
		l.deliver(t, attack[200-arrived:])
		l.tick(t)
		require.Len(t, l.rates(t), 1)
		told := l.rates(t)[0]
		require.True(t, told.Provisional)
		l.deliver(t, attack[:200-arrived])
		l.remade(t)
		old := l.engine.list()[0]
		now = now.Add(30 * time.Minute)
		l.tick(t)
		require.NotSame(t, old, l.engine.list()[0])
		for range 90 {
			now = now.Add(time.Minute)
			l.tick(t)
			got, ok := l.store.Get(told.ID)
			require.True(t, ok)
			require.False(t, got.State == insight.StateWithdrawn && got.SupersededBy == "", "found, and withdrawn")
		}
		got, _ := l.store.Get(told.ID)
		require.Equal(t, want, got.State)
		require.False(t, got.Provisional)
		ended := l.byState(t)[insight.StateEnd]
		require.Len(t, ended, 1)
		if want == insight.StateWithdrawn {
			require.Equal(t, ended[0].ID, got.SupersededBy)
			require.Equal(t, told.ID, ended[0].Supersedes)
		}
		require.Zero(t, l.store.Totals().Withdrawn)
		require.Empty(t, l.engine.list()[0].preview.told)
	}
	f(200, insight.StateEnd)      // The same.
	f(80, insight.StateWithdrawn) // It began earlier than it seemed.
}

func TestAnOldInsightSettlesNothingThatWasToldSince(t *testing.T) {
	now := epoch.Add(8*24*time.Hour + 14*time.Hour)
	l := livingLine(t, &now)
	l.deliver(t, burst("o", now.Add(-25*time.Hour), 8*time.Minute, 160, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	l.deliver(t, burst("x", now, 8*time.Minute, 160, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	now = now.Add(8 * time.Minute)
	l.tick(t)
	require.Len(t, l.rates(t), 1, "the models of now do not know the older one")
	told := l.rates(t)[0]
	require.True(t, told.Provisional)
	l.remade(t)
	l.tick(t)
	require.Len(t, l.byState(t)[insight.StateEnd], 1)
	got, ok := l.store.Get(told.ID)
	require.True(t, ok)
	require.True(t, got.Provisional)
	require.Equal(t, insight.StateStart, got.State)
}

// TestASwapSaysWhatItsRepetitionSays has an insight grow that the new stream alone found,
// and restarts from before the swap.
func TestASwapSaysWhatItsRepetitionSays(t *testing.T) {
	now := epoch.Add(8 * 24 * time.Hour)
	l := livingLine(t, &now)
	l.remade(t)
	l.deliver(t, burst("x", now.Add(-28*time.Minute), 8*time.Minute, 300, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	now = now.Add(2 * time.Hour)
	l.tick(t) // One record has all of it, and the new stream takes over behind that.
	want := l.finals(t)
	require.Len(t, l.rates(t), 1)
	l.loseSnapshot(t)
	l.restart(t)
	require.Equal(t, want, l.finals(t))
	require.Positive(t, l.rates(t)[0].Revision, "it grew")
}

// TestANewStreamJudgesUnderTheSettingsOfThen changes settings while a stream is made anew.
// What the new one says is the same live, after a restart, in a rebuild, and where the
// stream is made anew once more.
func TestANewStreamJudgesUnderTheSettingsOfThen(t *testing.T) {
	ctx := context.Background()
	now := epoch.Add(8 * 24 * time.Hour)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	require.NoError(t, l.engine.Configure(ctx, l.engine.o.Settings, nil))
	attack := func(prefix string, at time.Time) []event.Event {
		return burst(prefix, at, 8*time.Minute, 300, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
	}
	l.deliverBefore(t, office(9), now)
	l.deliver(t, attack("o", now.Add(-10*time.Hour)))
	l.tick(t)
	l.remade(t)
	set := l.engine.o.Settings
	set.Labels = &Labels{Identities: []IdentityLabel{{Pattern: "*:user/backup", Label: "admin"}}}
	require.NoError(t, l.engine.Configure(ctx, set, nil))
	l.deliver(t, attack("x", now.Add(-28*time.Minute)))
	old := l.engine.list()[0]
	now = now.Add(2 * time.Hour)
	l.tick(t) // One record has all of it, and the new stream takes over behind that.
	require.NotSame(t, old, l.engine.list()[0])
	require.Len(t, l.rates(t), 2)
	require.Empty(t, l.rates(t)[0].IdentityLabels)
	require.Equal(t, []string{"admin"}, l.rates(t)[1].IdentityLabels)
	want := l.finals(t)

	l.loseSnapshot(t)
	l.restart(t)
	require.Equal(t, want, l.finals(t))
	l.remade(t)
	l.tick(t)
	require.Equal(t, want, l.finals(t))
	store, err := insight.Open(insight.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	o := l.engine.o
	o.Insights, o.StateDir = store, t.TempDir()
	rebuilt, err := New(o)
	require.NoError(t, err)
	require.NoError(t, rebuilt.Rebuild(ctx))
	require.Equal(t, want, (&line{l.log, rebuilt, store}).finals(t))
}

func TestTheSeriesOfAStreamThatIsMadeAnewCountOnce(t *testing.T) {
	now := epoch.Add(3 * 24 * time.Hour)
	l, _ := withSeries(t, &now)
	l.deliver(t, office(3))
	l.tick(t)
	n := len(l.engine.list()[0].counts.byKey)
	require.Positive(t, n)
	require.EqualValues(t, n, l.engine.o.stored.Load())
	l.remade(t)
	require.EqualValues(t, n, l.engine.o.stored.Load())
	l.tick(t)
	require.EqualValues(t, n, l.engine.o.stored.Load())
	old := l.engine.list()[0]
	l.engine.stop() // What is begun now fails.
	l.remade(t)
	require.Error(t, old.shadow.err)
	l.tick(t)
	require.Same(t, old, l.engine.list()[0])
	require.EqualValues(t, n, l.engine.o.stored.Load())
}

// loseSnapshot removes the newest snapshot of the only stream, before which there is
// another.
func (l *line) loseSnapshot(t *testing.T) {
	t.Helper()
	kept := snapshotsOf(l.engine.o.StateDir, l.engine.list()[0].key)
	require.Len(t, kept, 2)
	require.NoError(t, os.Remove(filepath.Join(l.engine.o.StateDir, kept[0])))
}

// TestLateCountsAreRepeatedAlike restarts in the middle of late deliveries and
// compares every sum with the events.
func TestLateCountsAreRepeatedAlike(t *testing.T) {
	now := epoch.Add(2 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	events := office(2)
	l.deliver(t, events)
	l.tick(t)
	n := len(events)
	for round := range 30 {
		live := burst(fmt.Sprintf("l%d-", round), now, time.Minute, 5, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
		late := burst(fmt.Sprintf("o%d-", round), now.Add(-time.Duration(90+17*round)*time.Minute), time.Minute, 3, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
		l.deliver(t, live)
		l.deliver(t, late)
		n += len(live) + len(late)
		now = now.Add(time.Minute)
		if round%3 != 1 {
			l.tick(t)
		}
		if round%7 == 5 {
			o := l.engine.o
			again, err := New(o)
			require.NoError(t, err)
			require.NoError(t, again.Restore(context.Background()))
			l.engine = again
		}
	}
	now = now.Add(2 * time.Minute)
	l.tick(t)
	for _, metric := range []string{"activity_events", "activity_identity_events", "activity_credential_events"} {
		require.Equal(t, float64(n), sum(t, db, fmt.Sprintf("sum(sum_over_time(%s[10d]))", metric), now.Add(time.Minute)), metric)
	}
	require.Equal(t, uint64(90), l.engine.Totals().Late)
}

func TestOpenInsightsAreCapped(t *testing.T) {
	l := newLine(t, func(o *Options) { o.Settings.OpenInsights = 1 })
	at := epoch.Add(6 * 24 * time.Hour)
	var many []event.Event
	for i := range 5 {
		many = append(many, burst(fmt.Sprintf("m%d-", i), at, 8*time.Minute, 200, fmt.Sprintf("new%d", i), "s3.amazonaws.com", fmt.Sprintf("Delete%d", i), event.OutcomeSuccess)...)
	}
	l.deliver(t, append(office(7), many...))
	require.NoError(t, l.engine.Finish(context.Background()))
	s := l.engine.list()[0]
	require.Positive(t, s.capped)
	open, most := 0, 0
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, in := range l.insights(t) {
		changes = append(changes, change{in.Detected, 1})
		if in.State == insight.StateEnd {
			changes = append(changes, change{in.End.Add(time.Minute), -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return a.at.Compare(b.at) })
	for _, c := range changes {
		open += c.by
		most = max(most, open)
	}
	require.Equal(t, 1, most)
}

func TestIdentitiesBeyondTheCapMakeRoom(t *testing.T) {
	l := newLine(t, func(o *Options) { o.Settings.Identities = 50 })
	events := append(office(3), strangers(500)...)
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	s := l.engine.list()[0]
	require.LessOrEqual(t, len(s.identities), 50)
	require.Positive(t, s.forgotten)
	require.Contains(t, s.identities, s.symbols.of("arn:aws:iam::111111111111:user/backup"), "who is there stays")
	for _, x := range s.models {
		require.True(t, x.who == nil || s.identities[x.who.id] == x.who)
	}
}

func TestNamesThatNothingUsesAreForgotten(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, office(4))
	l.reach(t, epoch.Add(60*time.Hour))
	s := l.engine.list()[0]
	for i := range compactFrom + 1 {
		s.symbols.of(fmt.Sprintf("198.51.100.%d", i))
	}
	require.True(t, s.overgrown())
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Less(t, len(s.symbols.names), 1000)

	same := newLine(t, nil)
	same.deliver(t, office(4))
	require.NoError(t, same.engine.Finish(context.Background()))
	require.Equal(t, same.finals(t), l.finals(t))
	require.Equal(t, same.engine.ModelSeries(), l.engine.ModelSeries())
}
