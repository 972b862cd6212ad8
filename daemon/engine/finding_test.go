package engine

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// trailLooker is a small detector: who deletes a trail is reported, unless he has
// done so before. Whoever stops one weighs more.
type trailLooker struct{ seen map[string]bool }

func (l *trailLooker) types() []string { return []string{insight.TypeTrailConcealment} }

func (l *trailLooker) look(_ *stream, e *event.Event, _ names, w *who, _ models.Minute) (finding, bool) {
	score := map[string]float64{"DeleteTrail": 1, "StopLogging": 3}[e.Operation]
	if score == 0 || l.seen[w.name] {
		return finding{}, false
	}
	return finding{
		insight: insight.TypeTrailConcealment, who: w, object: e.Service, score: score, severity: insight.SeverityHigh,
		summary: insight.ShortName(w.name) + " called " + e.Operation,
		reasons: []insight.Reason{{Feature: "operator", Contribution: score, Text: "never did so"}},
		events:  selection{identity: w.name, service: e.Service}, quiet: 60,
	}, true
}

func (l *trailLooker) learn(_ *stream, e *event.Event, _ names, w *who, _ models.Minute, open bool) {
	if e.Operation == "DeleteTrail" && !open {
		l.seen[w.name] = true
	}
}

func (l *trailLooker) knows(*stream, string) (string, bool) { return "it was told", true }

func (l *trailLooker) fields(_ *stream, d *codec) {
	dict(d, &l.seen, cmp.Compare[string], func(k *string, v *bool) { d.text(k); d.flag(v) })
}

func watchTrails(o *Options) {
	o.lookers = func() []looker { return []looker{&trailLooker{seen: map[string]bool{}}} }
}

const trail = "cloudtrail.amazonaws.com"

// trails are operations on trails: of one who teaches that he does so, of a
// stranger who does three things within an hour, and of the same a day later.
func trails() []event.Event {
	at := epoch.Add(4 * 24 * time.Hour)
	list := []event.Event{
		call("t0", epoch.Add(time.Hour), "deploy", trail, "DeleteTrail", event.OutcomeSuccess),
		call("t1", at, "deploy", trail, "DeleteTrail", event.OutcomeSuccess),
		call("t2", at.Add(time.Hour), "anna", trail, "DeleteTrail", event.OutcomeSuccess),
		call("t3", at.Add(80*time.Minute), "anna", trail, "StopLogging", event.OutcomeError),
		call("t4", at.Add(100*time.Minute), "anna", trail, "DescribeTrails", event.OutcomeSuccess),
		call("t5", at.Add(25*time.Hour), "anna", trail, "DeleteTrail", event.OutcomeSuccess),
	}
	for i := range list {
		list[i].Risk = 3
	}
	return list
}

func (l *line) trails(t *testing.T) []insight.Insight {
	list := slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool {
		return in.Type != insight.TypeTrailConcealment || in.Provider == insight.ProviderSelf
	})
	slices.SortFunc(list, func(a, b insight.Insight) int { return a.Start.Compare(b.Start) })
	return list
}

func TestSingleEventsRaiseInsights(t *testing.T) {
	l := newLine(t, watchTrails)
	l.deliver(t, append(office(6), trails()...))
	require.NoError(t, l.engine.Finish(context.Background()))

	list := l.trails(t)
	require.Len(t, list, 2, "what happens under an open insight teaches nothing")
	at := epoch.Add(4 * 24 * time.Hour)
	x := list[0]
	require.Equal(t, at.Add(time.Hour), x.Start)
	require.Equal(t, at.Add(time.Hour), x.Detected)
	require.Equal(t, at.Add(100*time.Minute), x.End, "each of its events keeps it open")
	require.Equal(t, insight.StateEnd, x.State)
	require.InDelta(t, 3, x.Score, 1e-9, "it became graver")
	require.Equal(t, "anna called StopLogging", x.Summary)
	require.Equal(t, 3, x.Statistics.InsightCount)
	require.Equal(t, []string{"t2", "t3", "t4"}, x.SampleEventIDs)
	require.Equal(t, []string{"AKIAanna"}, x.AccessKeyIDs)
	require.True(t, x.HighRisk)
	require.NotEmpty(t, x.Incident)
	require.Equal(t, at.Add(25*time.Hour), list[1].Start)
	require.Empty(t, l.engine.list()[0].openBy)
}

func TestSingleEventsAreTheSameInAnyOrderAndAfterRestarts(t *testing.T) {
	events := append(office(6), trails()...)
	l := newLine(t, watchTrails)
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	want := l.finals(t)

	r := rand.New(rand.NewPCG(3, 4))
	l = newLine(t, watchTrails)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	l.deliver(t, events)
	for at := 90 * time.Hour; at < 6*24*time.Hour; at += time.Duration(20+r.IntN(100)) * time.Minute {
		l.reach(t, epoch.Add(at))
		if r.IntN(3) == 0 {
			require.NoError(t, l.engine.snapshot(true))
			open := slices.Sorted(maps.Keys(l.engine.list()[0].openBy))
			l.restart(t)
			require.Equal(t, open, slices.Sorted(maps.Keys(l.engine.list()[0].openBy)))
		}
	}
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Equal(t, want, l.finals(t))
}

func TestASingleEventIsToldOnArrival(t *testing.T) {
	at := epoch.Add(4 * 24 * time.Hour)
	now := at
	l := newLine(t, func(o *Options) {
		watchTrails(o)
		o.Now = func() time.Time { return now }
	})
	list := append(office(6), trails()...)
	slices.SortFunc(list, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	list = l.deliverBefore(t, list, now)
	l.tick(t)
	for range 100 {
		now = now.Add(time.Minute)
		list = l.deliverBefore(t, list, now)
		l.tick(t)
		if told := l.trails(t); now.Sub(at) > time.Hour {
			require.Len(t, told, 1)
			require.Equal(t, at.Add(time.Hour), told[0].Start)
			require.Equal(t, now.Sub(at) < 91*time.Minute, told[0].Provisional, "%s", now)
		} else {
			require.Empty(t, told)
		}
	}
	require.Zero(t, l.store.Totals().Withdrawn)
	require.Equal(t, "it was told", l.engine.list()[0].detectors(now)[3].Reason)
}
