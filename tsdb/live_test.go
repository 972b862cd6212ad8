package tsdb

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
)

// openMinutes is a LiveSource as the engine has one: minutes that are not
// committed yet.
type openMinutes struct {
	mtx    sync.RWMutex
	series []LiveSeries
}

func (o *openMinutes) LiveSeries(_, _ int64, ms ...*labels.Matcher) []LiveSeries {
	o.mtx.RLock()
	defer o.mtx.RUnlock()
	var out []LiveSeries
next:
	for _, s := range o.series {
		for _, m := range ms {
			if !m.Matches(s.Labels.Get(m.Name)) {
				continue next
			}
		}
		out = append(out, s)
	}
	return out
}

func (o *openMinutes) set(series ...LiveSeries) {
	o.mtx.Lock()
	defer o.mtx.Unlock()
	o.series = series
}

func liveOf(s *Series, t int64, v float64) LiveSeries {
	return LiveSeries{Labels: s.Labels(), T: []int64{t}, V: []float64{v}}
}

func TestLiveMerges(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	at := func(m int) int64 { return SampleTime(epoch.Add(time.Duration(m) * time.Minute)) }
	var first, second openMinutes
	w.db.AddLive(&first)
	w.db.AddLive(&second)

	w.append(w.sample("A", at(0), 1), w.sample("A", at(1), 2), w.sample("B", at(1), 3))
	w.check()

	insight := LiveSeries{
		Labels: labels.FromStrings(labels.MetricName, MetricInsightConfidence, LabelID, "i1", LabelInsightType, "IpInsight"),
		T:      []int64{at(0), at(1), at(2)}, V: []float64{0.5, 0.6, 0.7},
	}
	first.set(
		liveOf(w.of("Z"), at(2), 9),
		// Committed, and not dropped yet.
		liveOf(w.of("A"), at(1), 2),
		liveOf(w.of("A"), at(2), 5),
		LiveSeries{Labels: w.of("None").Labels()},
	)
	second.set(insight, liveOf(w.of("A"), at(3), 6))
	w.expect(w.sample("Z", at(2), 9), w.sample("A", at(2), 5), w.sample("A", at(3), 6))
	w.want[insight.Labels.String()] = map[int64]float64{at(0): 0.5, at(1): 0.6, at(2): 0.7}
	w.check()

	end := epoch.Add(4 * time.Minute)
	require.Equal(t, 14.0, instant(t, w.db.Queryable(), `sum_over_time(activity_events{operation="A"}[4m])`, end))
	require.Equal(t, 9.0, instant(t, w.db.Queryable(), `sum(sum_over_time(activity_events{operation!="A"}[2m])) - 0`, epoch.Add(3*time.Minute))-3)
	require.Equal(t, 0.6, instant(t, w.db.Queryable(), `insight_confidence{id="i1"}`, epoch.Add(2*time.Minute)))

	q, err := w.db.Queryable().Querier(at(0), at(3))
	require.NoError(t, err)
	defer q.Close()
	cq, err := w.db.Queryable().ChunkQuerier(at(0), at(3))
	require.NoError(t, err)
	defer cq.Close()
	ctx := context.Background()
	for _, lq := range []storage.LabelQuerier{q, cq} {
		values, _, err := lq.LabelValues(ctx, LabelOperation, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"A", "B", "Z"}, values)
		values, _, err = lq.LabelValues(ctx, labels.MetricName, nil)
		require.NoError(t, err)
		require.Equal(t, []string{MetricEvents, MetricInsightConfidence}, values)
		values, _, err = lq.LabelValues(ctx, LabelOperation, &storage.LabelHints{Limit: 2})
		require.NoError(t, err)
		require.Equal(t, []string{"A", "B"}, values)
		values, _, err = lq.LabelValues(ctx, LabelOperation, nil, labels.MustNewMatcher(labels.MatchRegexp, LabelOperation, "Z|B"))
		require.NoError(t, err)
		require.Equal(t, []string{"B", "Z"}, values)
		names, _, err := lq.LabelNames(ctx, nil)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(names))
		require.Contains(t, names, LabelInsightType)
		require.Contains(t, names, LabelOutcome)
		names, _, err = lq.LabelNames(ctx, nil, labels.MustNewMatcher(labels.MatchEqual, LabelID, "i1"))
		require.NoError(t, err)
		require.Equal(t, []string{labels.MetricName, LabelID, LabelInsightType}, names)
	}
	// Sorted, and bounded where a limit is asked for.
	set := q.Select(ctx, true, &storage.SelectHints{Start: at(0), End: at(3), Limit: 2}, notHeartbeat())
	var got []string
	for set.Next() {
		got = append(got, set.At().Labels().Get(LabelOperation))
	}
	require.NoError(t, set.Err())
	require.Equal(t, []string{"A", "B"}, got)
	// Outside of the range the sources have nothing.
	set = q.Select(ctx, true, &storage.SelectHints{Start: at(3), End: at(3)}, labels.MustNewMatcher(labels.MatchEqual, LabelOperation, "Z"))
	require.False(t, set.Next())
}

func TestLiveIteratorSeeks(t *testing.T) {
	ts := []int64{10, 20, 30}
	for _, c := range []struct{ mint, maxt, from, to int64 }{
		{0, 100, 0, 3}, {10, 30, 0, 3}, {11, 29, 1, 2}, {21, 29, 2, 2}, {31, 99, 3, 3}, {0, 9, 0, 0}, {30, 10, 2, 2},
	} {
		from, to := within(ts, c.mint, c.maxt)
		require.Equal(t, []int64{c.from, c.to}, []int64{int64(from), int64(to)}, c)
	}
}

// A reader sees each minute exactly once while minutes are committed and then
// dropped from memory.
func TestLiveHandsOverWithoutAGap(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	var open openMinutes
	w.db.AddLive(&open)
	const minutes = 400
	s := w.of("A")
	at := func(m int) int64 { return SampleTime(epoch.Add(time.Duration(m) * time.Minute)) }
	open.set(liveOf(s, at(0), 1))

	var wg sync.WaitGroup
	stop := make(chan struct{})
	engine := newInstantEngine(t)
	failed := make(chan string, 4)
	for range 2 {
		wg.Go(func() {
			last := 0.0
			for {
				select {
				case <-stop:
					return
				default:
				}
				qry, err := engine.NewInstantQuery(context.Background(), w.db.Queryable(), nil,
					"sum_over_time(activity_events[1d])", epoch.Add(24*time.Hour))
				if err != nil {
					failed <- err.Error()
					return
				}
				v, err := qry.Exec(context.Background()).Vector()
				switch {
				case err != nil:
					failed <- err.Error()
				case len(v) != 1:
					failed <- "no series"
				case v[0].F < last:
					failed <- "a minute was lost"
				case v[0].F > minutes+1:
					failed <- "a minute was counted twice"
				default:
					last = v[0].F
					qry.Close()
					continue
				}
				qry.Close()
				return
			}
		})
	}
	for m := range minutes {
		sample := Sample{Series: s, T: at(m), V: 1}
		// The next minute opens, this one is committed, and then dropped.
		open.set(liveOf(s, at(m), 1), liveOf(s, at(m+1), 1))
		require.NoError(t, w.db.Append([]Sample{sample}))
		w.expect(sample)
		open.set(liveOf(s, at(m+1), 1))
	}
	close(stop)
	wg.Wait()
	close(failed)
	require.Empty(t, <-failed)
	open.set()
	w.check()
}

// handingOver is a source whose minute is committed and dropped in the moment
// in which it is looked at: the worst that a reader can meet.
type handingOver struct {
	db     *DB
	sample Sample
	err    error
}

func (h *handingOver) LiveSeries(int64, int64, ...*labels.Matcher) []LiveSeries {
	h.err = h.db.Append([]Sample{h.sample})
	return nil
}

func TestLiveIsReadBeforeWhatIsStored(t *testing.T) {
	ctx := context.Background()
	at := SampleTime(epoch)
	for name, sees := range map[string]func(*testing.T, *DB) bool{
		"Select": func(t *testing.T, db *DB) bool {
			q, err := db.Queryable().Querier(at-1, at+1)
			require.NoError(t, err)
			defer q.Close()
			set := q.Select(ctx, false, nil, notHeartbeat())
			seen := set.Next() && set.At().Iterator(nil).Next() != chunkenc.ValNone
			require.NoError(t, set.Err())
			return seen
		},
		"chunk Select": func(t *testing.T, db *DB) bool {
			q, err := db.Queryable().ChunkQuerier(at-1, at+1)
			require.NoError(t, err)
			defer q.Close()
			set := q.Select(ctx, false, nil, notHeartbeat())
			seen := set.Next() && set.At().Iterator(nil).Next()
			require.NoError(t, set.Err())
			return seen
		},
		"LabelValues": func(t *testing.T, db *DB) bool {
			q, err := db.Queryable().Querier(at-1, at+1)
			require.NoError(t, err)
			defer q.Close()
			values, _, err := q.LabelValues(ctx, LabelOperation, nil)
			require.NoError(t, err)
			return slices.Contains(values, "A")
		},
		"LabelNames": func(t *testing.T, db *DB) bool {
			q, err := db.Queryable().ChunkQuerier(at-1, at+1)
			require.NoError(t, err)
			defer q.Close()
			names, _, err := q.LabelNames(ctx, nil)
			require.NoError(t, err)
			return slices.Contains(names, LabelOperation)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, epoch.Add(48*time.Hour))
			// The head has begun, so that a querier that is opened too early is
			// one over it.
			beat := NewSeries(labels.FromStrings(labels.MetricName, MetricHeartbeat))
			require.NoError(t, w.db.Append([]Sample{{Series: beat, T: at, V: 1}}))
			source := &handingOver{db: w.db, sample: w.sample("A", at, 5)}
			w.db.AddLive(source)
			require.True(t, sees(t, w.db), "a minute was in neither place")
			require.NoError(t, source.err)
		})
	}
}
