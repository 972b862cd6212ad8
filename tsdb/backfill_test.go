package tsdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// history makes samples of some operations, one in n minutes.
func (w *world) history(from time.Time, days, n int, seed uint64) []Sample {
	rnd := rand.New(rand.NewPCG(seed, seed))
	var out []Sample
	for m := 0; m < days*24*60; m += 1 + rnd.IntN(2*n) {
		op := fmt.Sprintf("Op%d", rnd.IntN(6))
		out = append(out, w.sample(op, SampleTime(from.Add(time.Duration(m)*time.Minute)), float64(1+rnd.IntN(90))))
	}
	// History comes sorted by file, not by time.
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return w.unique(out)
}

// unique drops samples at timestamps that must show already.
func (w *world) unique(in []Sample) []Sample {
	seen := map[string]bool{}
	var out []Sample
	for _, s := range in {
		name := s.Series.Labels().String()
		key := fmt.Sprint(name, s.T)
		if _, ok := w.want[name][s.T]; ok || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, s)
	}
	return out
}

func TestBackfillThreeWeeksThenLive(t *testing.T) {
	end := epoch.AddDate(0, 0, 21)
	w := newWorld(t, end.Add(time.Hour))
	all := w.history(epoch, 21, 5, 1)
	for i := 0; i < len(all); i += 500 {
		w.backfill(all[i:min(i+500, len(all))]...)
	}
	require.Equal(t, len(all), w.db.PendingBackfill())
	require.Empty(t, w.read(w.db.Queryable()))

	var done, total int
	require.NoError(t, w.db.CommitBackfill(context.Background(), func(d, of int) { done, total = d, of }))
	require.Equal(t, len(all), total)
	require.Equal(t, total, done)
	require.Zero(t, w.db.PendingBackfill())
	w.check()

	// No block reaches into the head's time, except those of out-of-order samples
	// that Prometheus itself leaves out when it looks for where the head begins.
	metas, err := w.db.BlockMetas()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(metas), 20)
	for _, m := range metas {
		if m.MaxTime > w.db.head.Head().MinTime() {
			require.True(t, m.Compaction.FromOutOfOrder())
			require.Equal(t, blockMillis, m.MaxTime-m.MinTime)
		}
	}
	entries, err := os.ReadDir(filepath.Join(w.dir, backfillDir))
	require.NoError(t, err)
	require.Empty(t, entries)

	for m := range 600 {
		minute := end.Add(time.Duration(m) * time.Minute)
		w.at(minute.Add(time.Minute))
		w.append(w.sample("Op1", SampleTime(minute), float64(m+1)))
	}
	w.check()
	require.NoError(t, w.db.head.Compact(context.Background()))
	w.check()
	w.restart()
	w.check()
	require.Equal(t, w.total(epoch, w.now), instant(t, w.db.Queryable(), "sum(sum_over_time(activity_events[22d]))", w.now))
	q, err := w.db.Queryable().Querier(epoch.UnixMilli(), w.now.UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	values, _, err := q.LabelValues(context.Background(), LabelOperation, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Op0", "Op1", "Op2", "Op3", "Op4", "Op5"}, values)
}

func TestBackfillWhileLive(t *testing.T) {
	live := epoch.AddDate(0, 0, 10)
	w := newWorld(t, live)
	for m := range 240 {
		minute := live.Add(time.Duration(m) * time.Minute)
		w.at(minute.Add(time.Minute))
		w.append(w.sample("Live", SampleTime(minute), float64(m+1)))
	}
	// History reaches into the time that the head has.
	all := w.history(epoch, 10, 8, 3)
	for m := range 239 {
		all = append(all, w.sample("Recent", SampleTime(live.Add(time.Duration(m)*time.Minute)), 2))
	}
	// One goroutine goes on appending while the history is written.
	started, stop, stopped := make(chan struct{}), make(chan struct{}), make(chan error)
	next, appended := 240, []Sample{}
	w.at(live.Add(24 * time.Hour))
	liveSeries := w.of("Live")
	go func() {
		close(started)
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			s := Sample{Series: liveSeries, T: SampleTime(live.Add(time.Duration(next) * time.Minute)), V: 1}
			if next < 290 {
				if err := w.db.Append([]Sample{s}); err != nil {
					<-stop
					stopped <- err
					return
				}
				appended = append(appended, s)
				next++
			}
		}
	}()
	<-started
	w.backfill(all...)
	w.commit()
	close(stop)
	require.NoError(t, <-stopped)
	w.expect(appended...)
	w.check()
	w.restart()
	w.check()
	w.append(w.sample("Live", SampleTime(live.Add(800*time.Minute)), 5))
	require.NoError(t, w.db.head.Compact(context.Background()))
	w.restart()
	w.check()
	require.Equal(t, w.total(epoch, w.now), instant(t, w.db.Queryable(), "sum(sum_over_time(activity_events[12d]))", w.now))
}

func TestBackfillOlderAndOverlapping(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 30))
	week := func(n int) time.Time { return epoch.AddDate(0, 0, 7*n) }
	w.backfill(w.history(week(2), 7, 10, 1)...)
	w.commit()
	w.check()
	// Older than all blocks.
	w.backfill(w.history(week(0), 7, 10, 2)...)
	w.commit()
	w.check()
	// Over both, with all that is there already once more.
	more := w.history(week(0), 21, 10, 3)
	w.backfill(more...)
	again := w.history(week(0), 7, 10, 2)
	require.Empty(t, again)
	for name, samples := range w.want {
		for at, v := range samples {
			if at%3 == 0 {
				w.backfill(Sample{Series: w.byName(name), T: at, V: v})
			}
		}
	}
	w.commit()
	w.check()
	require.NotEmpty(t, w.db.head.Blocks())

	// Compaction merges what overlaps once the head is past it, and nothing changes.
	for m := range 5 * 60 {
		w.append(w.sample("Live", SampleTime(week(3).Add(time.Duration(m)*time.Minute)), 1))
	}
	require.NoError(t, w.db.head.Compact(context.Background()))
	metas, err := w.db.BlockMetas()
	require.NoError(t, err)
	for i := 1; i < len(metas); i++ {
		require.LessOrEqual(t, metas[i-1].MaxTime, metas[i].MinTime)
	}
	w.check()
	w.restart()
	w.check()
}

// byName returns the handle of the series with these labels.
func (w *world) byName(name string) *Series {
	for _, s := range w.series {
		if s.Labels().String() == name {
			return s
		}
	}
	require.Fail(w.t, "no such series", name)
	return nil
}

func TestBackfillConflicts(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	old, recent := SampleTime(epoch), SampleTime(epoch.AddDate(0, 0, 9))
	// Within one commit the first stays, whatever the handle.
	w.backfill(w.sample("A", old, 1), w.sample("A", recent, 1))
	require.NoError(t, w.db.Backfill([]Sample{
		{Series: newTestSeries("A"), T: old, V: 2},
		{Series: newTestSeries("A"), T: recent, V: 2},
		{Series: newTestSeries("A"), T: old, V: 1},
	}))
	require.ErrorIs(t, w.db.CommitBackfill(context.Background(), nil), ErrConflict)
	require.Zero(t, w.db.PendingBackfill())
	w.check()
	// What is stored stays.
	require.NoError(t, w.db.Backfill([]Sample{w.sample("A", old, 3), w.sample("A", recent, 3), w.sample("A", old+1, 4)}))
	w.expect(w.sample("A", old+1, 4))
	require.ErrorIs(t, w.db.CommitBackfill(context.Background(), nil), ErrConflict)
	w.check()
	w.restart()
	w.check()
}

func TestBackfillNewerThanHead(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 30))
	for m := range 100 {
		w.append(w.sample("Live", SampleTime(epoch.Add(time.Duration(m)*time.Minute)), 1))
	}
	// The daemon was away for two weeks, and reads what it missed.
	w.backfill(w.history(epoch.AddDate(0, 0, 1), 14, 6, 4)...)
	w.commit()
	w.check()
	w.restart()
	w.check()
	// A stream that still lags loses nothing.
	late := w.sample("Live", SampleTime(epoch.Add(101*time.Minute)), 6)
	require.NoError(t, w.db.Append([]Sample{late}))
	w.expect(late)
	w.commit()
	w.check()
}

func TestBackfillSurvivesRestart(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.backfill(w.history(epoch, 3, 20, 1)...)
	n := w.db.PendingBackfill()
	w.restart()
	require.Equal(t, n, w.db.PendingBackfill())
	w.backfill(w.history(epoch, 4, 20, 2)...)
	w.restart()
	w.commit()
	w.check()
}

func TestBackfillStops(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.backfill(w.history(epoch, 5, 4, 1)...)
	ctx, cancel := context.WithCancel(context.Background())
	err := w.db.CommitBackfill(ctx, func(done, total int) {
		if done > total/2 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Positive(t, w.db.PendingBackfill())
	// What was written is not written again, and nothing is lost.
	w.commit()
	w.check()
	w.restart()
	w.check()

	// Close stops it too.
	w.backfill(w.history(epoch.AddDate(0, 0, 5), 5, 4, 1)...)
	closed := make(chan error, 1)
	err = w.db.CommitBackfill(context.Background(), func(done, total int) {
		if closed != nil && done > total/2 {
			c := closed
			closed = nil
			w.db.cancel()
			c <- nil
		}
	})
	require.ErrorIs(t, err, ErrClosed)
	w.restart()
	w.commit()
	w.check()
}

// A crash leaves blocks half written and torn files.
func TestBackfillCleansUp(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.backfill(w.history(epoch, 3, 20, 1)...)
	require.NoError(t, w.db.Close())

	half := filepath.Join(w.dir, "01HQ0000000000000000000000.tmp-for-creation")
	require.NoError(t, os.MkdirAll(filepath.Join(half, "chunks"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(half, "index"), []byte("half"), 0o666))
	// A file of samples that lost its series, and a torn tail.
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, backfillDir, "20000-77.samples"), []byte("insightdspool"), 0o666))
	names, err := filepath.Glob(filepath.Join(w.dir, backfillDir, "*-1"+spoolDaySuffix))
	require.NoError(t, err)
	require.Len(t, names, 3)
	f, err := os.OpenFile(names[0], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte{200, 0, 0, 0, 1, 2, 3, 4, 5})
	require.NoError(t, err)
	require.NoError(t, f.Close())

	w.open()
	require.NoDirExists(t, half)
	w.commit()
	w.check()
}

// A process that is killed loses what it had not written yet, and what is there
// is whole.
func TestBackfillSurvivesKill(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.db.head.DisableCompactions()
	var all []Sample
	for i := range 30_000 {
		all = append(all, w.sample(fmt.Sprintf("Op%d", i%50), SampleTime(epoch.Add(time.Duration(i/25)*time.Minute)), float64(i)))
	}
	all = w.unique(all)
	w.backfill(all...)
	killed := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.CopyFS(killed, os.DirFS(w.dir)))

	after := &world{t: t, dir: killed, now: w.now, want: w.want, series: map[string]*Series{}}
	after.open()
	defer func() { require.NoError(t, after.db.Close()) }()
	require.Greater(t, after.db.PendingBackfill(), len(all)/2)
	require.Less(t, after.db.PendingBackfill(), len(all))
	n := after.db.PendingBackfill()
	after.commit()
	seen := 0
	for name, samples := range after.read(after.db.Queryable()) {
		for at, v := range samples {
			require.Equal(t, w.want[name][at], v)
			seen++
		}
	}
	require.Equal(t, n, seen)
	// The caller gives all of it again.
	for i := range all {
		all[i].Series = after.of(fmt.Sprintf("Op%d", i%50))
	}
	require.NoError(t, after.db.Backfill(all))
	after.commit()
	after.check()
}

// A day that was written to a block, but whose files a crash left, is not
// counted twice.
func TestBackfillCrashAfterBlock(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.backfill(w.history(epoch, 3, 5, 1)...)
	require.NoError(t, w.db.Sync())
	kept := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(kept, "b"), os.DirFS(filepath.Join(w.dir, backfillDir))))
	w.commit()
	w.check()
	require.NoError(t, w.db.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, backfillDir)))
	require.NoError(t, os.CopyFS(filepath.Join(w.dir, backfillDir), os.DirFS(filepath.Join(kept, "b"))))
	w.open()
	require.Positive(t, w.db.PendingBackfill())
	w.commit()
	w.check()
	require.Zero(t, testutil.ToFloat64(w.db.metrics.blocks))
	require.Positive(t, testutil.ToFloat64(w.db.metrics.repeated))
}

func TestBackfillManyDaysInLittleMemory(t *testing.T) {
	w := newWorld(t, epoch)
	s := w.of("A")
	var batch []Sample
	for d := range 100 {
		for m := range 50 {
			batch = append(batch, Sample{Series: s, T: SampleTime(epoch.AddDate(0, 0, -d-1).Add(time.Duration(m) * time.Minute)), V: float64(m + d)})
		}
	}
	w.backfill(batch...)
	require.LessOrEqual(t, w.db.spool.memory, spoolMemory)
	w.commit()
	w.check()
}

// A day that does not fit in memory is read several times.
func TestBackfillInParts(t *testing.T) {
	for _, batch := range []int{1, 7, 100, 1000} {
		w := newWorld(t, epoch.AddDate(0, 0, 10))
		w.db.dayBatch = batch
		w.backfill(w.history(epoch, 2, 3, 1)...)
		var done, total int
		require.NoError(t, w.db.CommitBackfill(context.Background(), func(d, of int) {
			require.GreaterOrEqual(t, d, done)
			done, total = d, of
		}))
		require.Equal(t, total, done)
		w.check()
		w.db.dayBatch = batch
		w.backfill(w.history(epoch, 2, 3, 2)...)
		w.commit()
		w.check()
		w.restart()
		w.check()
	}
}

func TestBackfillBefore1970(t *testing.T) {
	w := newWorld(t, epoch)
	at := time.Date(1969, 12, 30, 22, 10, 0, 0, time.UTC)
	w.backfill(w.sample("A", SampleTime(at), 1), w.sample("A", SampleTime(at.AddDate(0, 0, 40)), 1))
	w.commit()
	w.check()
}

func TestBackfillHidesHeartbeatFromMetrics(t *testing.T) {
	_, ok := MetricByName(MetricHeartbeat)
	require.False(t, ok)
	for _, m := range Metrics {
		require.NotEmpty(t, m.Help, m.Name)
		require.NotContains(t, m.Name, "_total")
		if m.Fold != "" {
			require.Contains(t, m.Labels, m.Fold)
		}
		for _, l := range m.Labels {
			require.NotEqual(t, labels.MetricName, l)
		}
	}
	m, ok := MetricByName(MetricEvents)
	require.True(t, ok)
	require.Equal(t, LabelOperation, m.Fold)
}
