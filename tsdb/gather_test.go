package tsdb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// Ninety days of history are added to a head that lives, as late samples, in
// flushes at several control positions for the same minutes.
func TestNinetyDaysAddedToALiveHead(t *testing.T) {
	const days, flushes, every = 90, 6, 97
	live := epoch.AddDate(0, 0, days)
	w := &world{
		t: t, dir: t.TempDir(), now: live.Add(10 * time.Hour), o: Options{Gather: 30 * time.Second, Retention: 100 * 24 * time.Hour},
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	defer func() { require.NoError(t, w.db.Close()) }()
	minute := live
	tick := func() {
		w.append(w.sample("Live", SampleTime(minute), 1))
		minute = minute.Add(time.Minute)
	}
	for range 200 {
		tick()
	}
	total := 0
	for f := range flushes {
		var late []Sample
		for m := 0; m < days*24*60; m += every {
			at := epoch.Add(time.Duration(m) * time.Minute)
			late = append(late, w.sample(fmt.Sprintf("Op%d", m%5), LateSampleTime(at, uint64(1000+f)), float64(1+f)))
		}
		w.backfill(late...)
		total += len(late)
		tick()
		require.NoError(t, w.db.Sync())
	}
	require.Equal(t, total, w.db.PendingBackfill())

	// The flow ends, and soon all of it shows, each day written once.
	w.at(w.now.Add(31 * time.Second))
	require.Eventually(t, func() bool { return w.db.PendingBackfill() == 0 }, time.Minute, 10*time.Millisecond)
	require.InDelta(t, days, testutil.ToFloat64(w.db.metrics.blocks), 2)
	w.check()
	w.restart()
	w.check()

	// More of the same days comes after a while: other blocks, which are merged
	// once no more came for long.
	var more []Sample
	for m := 0; m < days*24*60; m += 7 * every {
		more = append(more, w.sample("More", LateSampleTime(epoch.Add(time.Duration(m)*time.Minute), 5000), 2))
	}
	w.backfill(more...)
	w.at(w.now.Add(31 * time.Second))
	require.Eventually(t, func() bool { return w.db.PendingBackfill() == 0 }, time.Minute, 10*time.Millisecond)
	n := len(w.db.head.Blocks())
	require.NoError(t, w.db.head.Compact(context.Background()))
	require.Len(t, w.db.head.Blocks(), n, "blocks of late samples were merged at once")
	w.check()
	w.restart()
	w.check()
	require.Equal(t, w.total(epoch, w.now), instant(t, w.db.Queryable(), "sum(sum_over_time(activity_events[95d]))", w.now))
}

func TestGatherWaits(t *testing.T) {
	w := &world{
		t: t, dir: t.TempDir(), now: epoch, o: Options{Gather: 10 * time.Second},
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	defer func() { require.NoError(t, w.db.Close()) }()
	require.False(t, w.db.gathered())
	w.backfill(w.sample("A", SampleTime(epoch.AddDate(0, 0, -5)), 1))
	require.False(t, w.db.gathered())
	// What keeps coming is written after ten times as long.
	for i := range 10 {
		w.at(epoch.Add(time.Duration(i+1) * 9 * time.Second))
		w.backfill(w.sample("A", SampleTime(epoch.AddDate(0, 0, -5).Add(time.Duration(i+1)*time.Minute)), 1))
		require.False(t, w.db.gathered())
	}
	w.at(epoch.Add(100 * time.Second))
	require.Eventually(t, func() bool { return w.db.PendingBackfill() == 0 }, time.Minute, 10*time.Millisecond)
	w.check()
}
