package tsdb

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

func TestSampleTime(t *testing.T) {
	m := epoch.Add(90 * time.Minute)
	require.Equal(t, m.Add(time.Minute).UnixMilli(), SampleTime(m))
	require.Equal(t, SampleTime(m), SampleTime(m.Add(59*time.Second)))

	before := time.UnixMilli(-90_000)
	require.Equal(t, int64(-60_000), SampleTime(before))

	seen := map[int64]bool{}
	for n := range uint64(59_999) {
		at := LateSampleTime(m, n)
		require.Greater(t, at, m.UnixMilli())
		require.Less(t, at, SampleTime(m))
		seen[at] = true
	}
	require.Len(t, seen, 59_999)
	require.Equal(t, LateSampleTime(m, 7), LateSampleTime(m, 7+59_999))
}

func TestSumOverTimeIsExact(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	rnd := rand.New(rand.NewPCG(1, 2))
	for m := range 6 * 60 {
		minute := epoch.Add(time.Duration(m) * time.Minute)
		var batch []Sample
		for op := range 5 {
			if rnd.IntN(3) == 0 {
				batch = append(batch, w.sample(fmt.Sprintf("Op%d", op), SampleTime(minute), float64(1+rnd.IntN(50))))
			}
		}
		w.append(batch...)
		if m%7 == 3 && m > 30 {
			w.append(w.sample("Op0", LateSampleTime(minute.Add(-25*time.Minute), uint64(m)), 3))
		}
	}
	w.check()
	for _, r := range []time.Duration{time.Minute, 5 * time.Minute, 17 * time.Minute, time.Hour, 3 * time.Hour} {
		for _, at := range []time.Duration{59 * time.Minute, 3 * time.Hour, 5*time.Hour + 3*time.Minute} {
			end := epoch.Add(at)
			got := instant(t, w.db.Queryable(), "sum(sum_over_time(activity_events["+model.Duration(r).String()+"]))", end)
			require.Equal(t, w.total(end.Add(-r), end), got, "range %s to %s", r, at)
		}
	}
	// A count shows for a minute, not for five.
	w.append(w.sample("Last", SampleTime(epoch.Add(7*time.Hour)), 9))
	end := epoch.Add(7*time.Hour + time.Minute)
	require.Equal(t, 9.0, instant(t, w.db.Queryable(), `sum(activity_events{operation="Last"})`, end.Add(59*time.Second)))
	require.Zero(t, instant(t, w.db.Queryable(), `sum(activity_events{operation="Last"})`, end.Add(60*time.Second)))
}

func TestAppendRepeats(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	var all []Sample
	for m := range 200 {
		all = append(all, w.sample("A", SampleTime(epoch.Add(time.Duration(m)*time.Minute)), float64(m+1)))
	}
	w.append(all...)
	// Once more in the same process, with the same handles and with new ones,
	// and after a restart.
	require.NoError(t, w.db.Append(all))
	for _, s := range all[100:150] {
		require.NoError(t, w.db.Append([]Sample{{Series: newTestSeries("A"), T: s.T, V: s.V}}))
	}
	w.check()
	w.restart()
	for i := range all {
		all[i].Series = w.of("A")
	}
	require.NoError(t, w.db.Append(all))
	w.check()

	// Another value at a timestamp is refused, wherever that stands.
	for _, i := range []int{199, 150, 0} {
		s := all[i]
		s.V += 1000
		require.ErrorIs(t, w.db.Append([]Sample{s}), ErrConflict)
		s.Series = newTestSeries("A")
		require.ErrorIs(t, w.db.Append([]Sample{s}), ErrConflict)
	}
	// The rest of a batch is written.
	bad := all[199]
	bad.V++
	good := w.sample("B", bad.T, 5)
	require.ErrorIs(t, w.db.Append([]Sample{bad, good}), ErrConflict)
	w.expect(good)
	// Within a batch the first stays.
	first, second := w.sample("C", bad.T, 1), w.sample("C", bad.T, 2)
	require.ErrorIs(t, w.db.Append([]Sample{first, second}), ErrConflict)
	w.expect(first)
	w.check()
}

func TestAppendRepeatsManySeries(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	var all []Sample
	for m := range 30 {
		for op := range 3 * bulkCheck {
			all = append(all, w.sample(fmt.Sprintf("Op%d", op), SampleTime(epoch.Add(time.Duration(m)*time.Minute)), float64(m+op)))
		}
	}
	w.append(all...)
	w.restart()
	for i := range all {
		all[i].Series = NewSeries(all[i].Series.Labels())
	}
	require.NoError(t, w.db.Append(all[:len(all)/2]))
	for i := range all {
		all[i].V++
	}
	require.ErrorIs(t, w.db.Append(all), ErrConflict)
	w.check()
}

func TestAppendLate(t *testing.T) {
	w := newWorld(t, epoch.Add(72*time.Hour))
	newest := epoch.Add(48 * time.Hour)
	w.append(w.sample("A", SampleTime(newest), 1))
	// In the window.
	for h := 1; h < 24; h++ {
		w.append(w.sample("A", LateSampleTime(newest.Add(-time.Duration(h)*time.Hour), uint64(h)), float64(h)))
		w.append(w.sample("New", LateSampleTime(newest.Add(-time.Duration(h)*time.Hour), uint64(h)), float64(h)))
	}
	require.Zero(t, w.db.PendingBackfill())
	w.check()
	// Beyond it: nothing is lost.
	old := []Sample{
		w.sample("A", SampleTime(newest.Add(-25*time.Hour)), 2),
		w.sample("A", SampleTime(newest.Add(-30*24*time.Hour)), 3),
		w.sample("Other", SampleTime(newest.Add(-300*24*time.Hour)), 4),
	}
	require.NoError(t, w.db.Append(old))
	require.Equal(t, 3, w.db.PendingBackfill())
	w.check()
	w.expect(old...)
	w.commit()
	w.check()
	w.restart()
	w.check()
}

func TestAppendManyLate(t *testing.T) {
	w := newWorld(t, epoch.Add(72*time.Hour))
	w.append(w.sample("A", SampleTime(epoch.Add(23*time.Hour)), 1))
	var batch []Sample
	for i := range 3*lateCommit + 1 {
		batch = append(batch, w.sample(fmt.Sprintf("Op%d", i%40), SampleTime(epoch.Add(time.Duration(i/40)*time.Minute)), float64(i+1)))
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	w.append(batch...)
	w.check()
	w.restart()
	w.check()
}

func TestAppendRefuses(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	now := w.now
	ahead := w.sample("A", SampleTime(now.Add(10*time.Minute)), 1)
	w.append(ahead)
	require.ErrorIs(t, w.db.Append([]Sample{w.sample("A", now.Add(maxAhead).UnixMilli()+1, 1)}), ErrFuture)
	require.ErrorIs(t, w.db.Append([]Sample{w.sample("A", now.AddDate(10, 0, 0).UnixMilli(), 1)}), ErrFuture)
	require.ErrorIs(t, w.db.Backfill([]Sample{w.sample("A", now.AddDate(10, 0, 0).UnixMilli(), 1)}), ErrFuture)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		require.ErrorIs(t, w.db.Append([]Sample{w.sample("A", now.UnixMilli(), v)}), ErrInvalid)
	}
	require.ErrorIs(t, w.db.Append([]Sample{{T: now.UnixMilli(), V: 1}}), ErrInvalid)
	for _, lset := range []labels.Labels{
		labels.EmptyLabels(),
		labels.FromStrings("a", "b"),
		labels.FromStrings(labels.MetricName, "x", "a", "\xff"),
		labels.New(labels.Label{Name: labels.MetricName, Value: "x"}, labels.Label{Name: "a", Value: "1"}, labels.Label{Name: "a", Value: "2"}),
	} {
		bad := Sample{Series: NewSeries(lset), T: now.UnixMilli(), V: 1}
		require.ErrorIs(t, w.db.Append([]Sample{bad}), ErrInvalid, lset)
		good := w.sample("B", now.UnixMilli(), 1)
		require.ErrorIs(t, w.db.Backfill([]Sample{good, bad, good}), ErrInvalid, lset)
		w.expect(good)
	}
	w.commit()
	w.check()

	require.NoError(t, w.db.Close())
	require.ErrorIs(t, w.db.Append([]Sample{ahead}), ErrClosed)
	require.ErrorIs(t, w.db.Backfill([]Sample{ahead}), ErrClosed)
	require.ErrorIs(t, w.db.CommitBackfill(context.Background(), nil), ErrClosed)
	require.ErrorIs(t, w.db.Sync(), ErrClosed)
	_, err := w.db.Stats("", 1)
	require.ErrorIs(t, err, ErrClosed)
	q, err := w.db.Queryable().Querier(0, 1)
	require.NoError(t, err)
	_, _, err = q.LabelNames(context.Background(), nil)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, q.Select(context.Background(), false, nil, notHeartbeat()).Err(), ErrClosed)
	require.NoError(t, q.Close())
}

func TestAppendConcurrently(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	const streams, minutes = 4, 300
	samples := make([][]Sample, streams)
	for s := range streams {
		for m := range minutes {
			// Streams lag behind each other.
			at := SampleTime(epoch.Add(time.Duration(m-60*s) * time.Minute))
			samples[s] = append(samples[s], w.sample(fmt.Sprintf("Stream%d", s), at, float64(m+1)))
		}
		w.expect(samples[s]...)
	}
	var wg sync.WaitGroup
	errs := make(chan error, streams)
	for s := range streams {
		wg.Go(func() {
			for i := 0; i < minutes; i += 3 {
				if err := w.db.Append(samples[s][i : i+3]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	require.NoError(t, <-errs)
	w.check()
	w.restart()
	w.check()
}

func TestAppendIntoAnotherDB(t *testing.T) {
	a, b := newWorld(t, epoch.Add(48*time.Hour)), newWorld(t, epoch.Add(48*time.Hour))
	a.append(a.sample("X", SampleTime(epoch), 1), a.sample("Y", SampleTime(epoch), 2))
	b.append(b.sample("Other", SampleTime(epoch), 1))
	for _, op := range []string{"Y", "X"} {
		s := a.of(op)
		b.append(Sample{Series: s, T: SampleTime(epoch), V: 7})
		b.backfill(Sample{Series: s, T: SampleTime(epoch.AddDate(0, -1, 0)), V: 7})
		a.backfill(Sample{Series: s, T: SampleTime(epoch.AddDate(0, -1, 0)), V: 8})
	}
	a.commit()
	b.commit()
	a.check()
	b.check()
}
