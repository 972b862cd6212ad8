package engine

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// withSeries is a line that stores series in a real TSDB, at a clock that the
// test sets.
func withSeries(t *testing.T, now *time.Time) (*line, *tsdb.DB) {
	t.Helper()
	// The database looks at its clock whenever it likes: at what the engine saw
	// last.
	var seen atomic.Int64
	seen.Store(now.UnixNano())
	db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Unix(0, seen.Load()) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	l := newLine(t, func(o *Options) {
		o.Series = db
		o.Now = func() time.Time {
			seen.Store(now.UnixNano())
			return *now
		}
	})
	db.AddLive(l)
	return l, db
}

// LiveSeries serves the open minutes of the line's engine, which a restart
// replaces.
func (l *line) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	return l.engine.LiveSeries(mint, maxt, ms...)
}

// sum asks for a sum of counts by PromQL.
func sum(t *testing.T, db *tsdb.DB, expr string, at time.Time) float64 {
	t.Helper()
	engine := tsdb.NewQueryEngine(tsdb.EngineOptions{})
	q, err := engine.NewInstantQuery(context.Background(), db.Queryable(), nil, expr, at)
	require.NoError(t, err)
	defer q.Close()
	res := q.Exec(context.Background())
	require.NoError(t, res.Err)
	v, err := res.Vector()
	require.NoError(t, err)
	if len(v) == 0 {
		return 0
	}
	require.Len(t, v, 1)
	return v[0].F
}

func TestSumsEqualEventsWhereverTheWatermarkIs(t *testing.T) {
	events := office(3)
	now := epoch.Add(3 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	l.deliver(t, events)
	require.NoError(t, l.engine.Advance(context.Background()))
	check := func(n int, when string) {
		t.Helper()
		for _, metric := range []string{"activity_events", "activity_identity_events", "activity_credential_events", "activity_source_events"} {
			require.Equal(t, float64(n), sum(t, db, fmt.Sprintf("sum(sum_over_time(%s[10d]))", metric), now.Add(time.Minute)), "%s %s", metric, when)
		}
	}
	check(len(events), "after history")

	// An hour live: events arrive, the watermark follows half an hour behind.
	n := len(events)
	for m := range 60 {
		live := burst(fmt.Sprintf("l%d-", m), now, time.Minute, 7, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
		l.deliver(t, live)
		n += len(live)
		now = now.Add(time.Minute)
		require.NoError(t, l.engine.Advance(context.Background()))
		if m%13 == 0 {
			check(n, fmt.Sprintf("after %d minutes", m))
		}
	}
	check(n, "after an hour")

	// Events that come after the watermark change the series, and are counted.
	late := burst("late", now.Add(-2*time.Hour), time.Minute, 5, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
	l.deliver(t, late)
	now = now.Add(time.Minute)
	require.NoError(t, l.engine.Advance(context.Background()))
	check(n+5, "after late events")
	require.Equal(t, uint64(5), l.engine.Totals().Late)

	// Events from the future move nothing.
	future := burst("f", now.Add(5*time.Hour), time.Minute, 3, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
	for i := range future {
		future[i].Received = now
	}
	l.deliver(t, future)
	require.NoError(t, l.engine.Advance(context.Background()))
	check(n+5, "after events from the future")
	require.Equal(t, uint64(3), l.engine.Totals().Future)
}

// TestFirstEventsCountOnce has a stream of which only something is known whose time is
// not believed: what it begins with then is older than its watermark.
func TestFirstEventsCountOnce(t *testing.T) {
	now := epoch.Add(3 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	ahead := call("f", now.Add(-time.Hour), "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
	ahead.Received = ahead.Time.Add(-2 * time.Hour)
	l.deliver(t, []event.Event{ahead})
	require.NoError(t, l.engine.Advance(context.Background()))
	require.False(t, l.engine.list()[0].begun)
	l.deliver(t, burst("o", now.Add(-2*time.Hour), 5*time.Minute, 20, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess))
	for range 2 {
		now = now.Add(time.Minute)
		require.NoError(t, l.engine.Advance(context.Background()))
		require.Equal(t, 20.0, sum(t, db, "sum(sum_over_time(activity_events[10d]))", now.Add(time.Minute)))
		require.Zero(t, l.engine.Totals().Late)
	}
	// What comes late from now on counts, too.
	l.deliver(t, burst("l", now.Add(-2*time.Hour), 5*time.Minute, 3, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess))
	now = now.Add(time.Minute)
	require.NoError(t, l.engine.Advance(context.Background()))
	require.Equal(t, 23.0, sum(t, db, "sum(sum_over_time(activity_events[10d]))", now.Add(time.Minute)))
	require.Equal(t, uint64(3), l.engine.Totals().Late)
}

func TestWatermarkWaitsForBacklogAndPushClients(t *testing.T) {
	now := epoch.Add(24 * time.Hour)
	sources := []SourceFrontier{{Name: "a"}}
	l := newLine(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Sources = func() []SourceFrontier { return sources }
	})
	key := event.StreamKey{Provider: "aws", Account: "111111111111"}
	_, ok := l.engine.watermark(key)
	require.False(t, ok, "a backlog holds it")
	sources[0].AtEnd = true
	w, ok := l.engine.watermark(key)
	require.True(t, ok)
	require.Equal(t, now.Add(-30*time.Minute), w, "the clock passes what is at its end")

	batch := burst("p", now.Add(-3*time.Hour), time.Minute, 2, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
	_, err := l.log.Append(context.Background(), batch, eventlog.Replayable)
	require.NoError(t, err)
	l.engine.Arrived("client", batch)
	w, _ = l.engine.watermark(key)
	require.Equal(t, now.Add(-3*time.Hour-30*time.Minute), w, "a push client that is behind")
	done := l.engine.Pushing("client")
	now = now.Add(time.Hour)
	w, _ = l.engine.watermark(key)
	require.Equal(t, now.Add(-4*time.Hour-30*time.Minute), w, "and takes its time")
	done()
	now = now.Add(time.Minute)
	w, _ = l.engine.watermark(key)
	require.Equal(t, now.Add(-30*time.Minute), w, "and silent")
}

func TestSeriesBeyondTheCapAreFolded(t *testing.T) {
	now := epoch.Add(24 * time.Hour)
	l, db := withSeries(t, &now)
	l.engine.settings.SeriesPerAccount = 40
	l.deliver(t, strangers(200))
	require.NoError(t, l.engine.Advance(context.Background()))
	require.Equal(t, 200.0, sum(t, db, "sum(sum_over_time(activity_identity_events[2d]))", now), "nothing is lost")
	require.Positive(t, sum(t, db, `sum(sum_over_time(activity_identity_events{identity="__overflow__"}[2d]))`, now))
	require.LessOrEqual(t, sum(t, db, `count(count_over_time({__name__=~"activity_.*"}[2d]))`, now), 45.0)
}

func TestBandsFollowTheSeries(t *testing.T) {
	now := epoch.Add(9 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	l.deliver(t, office(9))
	require.NoError(t, l.engine.Advance(context.Background()))
	bands, err := l.engine.Bands(context.Background(), db.Queryable(), `activity_events{operation="CreateTags"}`, now.Add(-24*time.Hour), now.Add(-time.Hour), time.Hour)
	require.NoError(t, err)
	require.Len(t, bands, 1)
	b := bands[0]
	require.Len(t, b.Times, 23)
	i := slices.Index(b.Times, epoch.Add(8*24*time.Hour+13*time.Hour).Unix()) // 12:00 to 13:00.
	require.InDelta(t, 10, b.Expected[i], 5)
	require.Greater(t, b.Upper[i], b.Expected[i])
	night := slices.Index(b.Times, epoch.Add(8*24*time.Hour+3*time.Hour).Unix())
	require.Less(t, b.Expected[night], 1.0)
	_, err = l.engine.Bands(context.Background(), db.Queryable(), `up`, now.Add(-time.Hour), now, time.Hour)
	require.ErrorIs(t, err, ErrBands)
}

// TestSelectorsSayWhatWasUnusual asks for the bands of each insight by its
// selector: they hold the same counts as the insight, beyond what they bound.
func TestSelectorsSayWhatWasUnusual(t *testing.T) {
	now := epoch.Add(9 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	l.deliver(t, append(office(9), attacks()...))
	require.NoError(t, l.engine.Advance(context.Background()))
	kinds := map[string]bool{}
	for _, i := range l.insights(t) {
		if i.Selector == "" {
			continue
		}
		kinds[i.Type] = true
		from := i.Start.Truncate(time.Minute)
		to := i.End.Truncate(time.Minute).Add(time.Minute)
		if !to.After(from) {
			to = from.Add(time.Minute)
		}
		ask := func(to time.Time, step time.Duration) insight.Band {
			t.Helper()
			bands, err := l.engine.Bands(context.Background(), db.Queryable(), i.Selector, from, to, step)
			require.NoError(t, err, i.Selector)
			require.Len(t, bands, 1, i.Selector)
			return bands[0]
		}
		observed := 0.0
		for _, v := range ask(to, time.Minute).Observed {
			observed += v
		}
		require.InDelta(t, float64(i.Statistics.InsightCount), observed, 0.5, "%s: %s", i.Summary, i.Selector)
		five := ask(from.Add(5*time.Minute), 5*time.Minute)
		require.Greater(t, five.Observed[0], five.Upper[0], i.Summary)
	}
	require.True(t, kinds[insight.TypeAPICallRate] && kinds[insight.TypeAPIErrorRate], "%v", kinds)
}

func TestBandsOfSums(t *testing.T) {
	now := epoch.Add(3 * 24 * time.Hour)
	l, db := withSeries(t, &now)
	l.deliver(t, office(3))
	require.NoError(t, l.engine.Advance(context.Background()))
	ask := func(selector string) []insight.Band {
		t.Helper()
		bands, err := l.engine.Bands(context.Background(), db.Queryable(), selector, now.Add(-48*time.Hour), now, time.Hour)
		require.NoError(t, err, selector)
		return bands
	}
	total := func(b insight.Band) (n float64) {
		for _, v := range b.Observed {
			n += v
		}
		return n
	}
	single, all := 0.0, ask(`sum(activity_events)`)
	require.Len(t, all, 1)
	for _, b := range ask(`activity_events`) {
		single += total(b)
	}
	require.Equal(t, single, total(all[0]))
	require.Positive(t, single)
	require.Equal(t, "activity_events", all[0].Labels["__name__"])
	require.NotContains(t, all[0].Labels, "operation")
	by := ask(`(sum by (operation) (activity_events{access="write"}))`)
	require.Greater(t, len(by), 1)
	require.Equal(t, by[0].Labels["operation"], ask(`sum without (region, outcome, access) (activity_events{access="write"})`)[0].Labels["operation"])
	for _, wrong := range []string{`sum(rate(activity_events[5m]))`, `avg(activity_events)`, `activity_events offset 5m`, `activity_events @ 0`, `activity_events[5m]`, `sum(up)`, `sum(`} {
		_, err := l.engine.Bands(context.Background(), db.Queryable(), wrong, now.Add(-time.Hour), now, time.Minute)
		require.ErrorIs(t, err, ErrBands, wrong)
	}
}

func TestModelStatesBeyondTheCapMakeRoom(t *testing.T) {
	l := newLine(t, func(o *Options) { o.Settings.ModelStates = 100 })
	events := append(office(3), strangers(500)...)
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	s := l.engine.list()[0]
	require.LessOrEqual(t, len(s.models), 100)
	require.Positive(t, s.evicted)
	n := 0
	for k, list := range s.all {
		require.Len(t, list, s.live[k])
		n += len(list)
	}
	require.Equal(t, len(s.models), n)
	require.Contains(t, s.models, modelKey{kindCalls, s.symbols.of("eu-central-1"), s.symbols.of("arn:aws:iam::111111111111:user/backup"), s.symbols.of("s3.amazonaws.com:PutBucketTagging")}, "what is in use stays")
}

func TestMetricsAreWellFormed(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	l := newLine(t, func(o *Options) { o.Registerer = reg })
	l.deliver(t, office(2))
	require.NoError(t, l.engine.Finish(context.Background()))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// TestAnAccountThatIsNotUTF8StopsNothing gathers the metrics of streams whose
// accounts cannot be labels, as the log of an older version may have them.
func TestAnAccountThatIsNotUTF8StopsNothing(t *testing.T) {
	now := epoch.Add(2 * 24 * time.Hour)
	l, _ := withSeries(t, &now)
	for n := 1; n <= 2; n++ { // The second time the streams are recalled.
		reg := prometheus.NewPedanticRegistry()
		l.engine.o.Registerer = reg
		again, err := New(l.engine.o)
		require.NoError(t, err)
		require.NoError(t, again.Restore(context.Background()))
		l.engine = again
		for _, account := range []string{"prod", "prod\xfe", "prod\xff"} {
			e := call(fmt.Sprint(account, n), epoch.Add(time.Duration(n)*time.Hour), "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
			e.Account = account
			l.deliver(t, []event.Event{e})
		}
		_, err = reg.Gather()
		require.NoError(t, err)
		require.NoError(t, l.engine.Advance(context.Background()), "the line goes on")
		var accounts []string
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "insightd_engine_watermark_timestamp_seconds" {
				for _, m := range f.Metric {
					accounts = append(accounts, m.Label[0].GetValue())
				}
			}
		}
		require.ElementsMatch(t, []string{"prod", `"prod\xfe"`, `"prod\xff"`}, accounts)
		now = now.Add(24 * time.Hour)
	}
}

// TestAStreamIsFreeWhileItsMetricsAreSent moves the line on while a collector
// waits for its reader.
func TestAStreamIsFreeWhileItsMetricsAreSent(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, office(1))
	sent := make(chan prometheus.Metric)
	go func() {
		defer close(sent)
		newCollector(l.engine).Collect(sent)
	}()
	require.NotNil(t, <-sent)
	require.NoError(t, l.engine.Finish(context.Background()))
	for m := range sent {
		require.NotNil(t, m)
	}
}
