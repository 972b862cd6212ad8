package tsdb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func benchDB(b *testing.B, now time.Time) *DB {
	b.Helper()
	db, err := Open(Options{Dir: b.TempDir(), Now: func() time.Time { return now }})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return db
}

func benchSeries(n int) []*Series {
	out := make([]*Series, n)
	for i := range out {
		out[i] = newTestSeries(fmt.Sprintf("Operation%d", i))
	}
	return out
}

// BenchmarkAppend appends minutes of a thousand series each.
func BenchmarkAppend(b *testing.B) {
	const n = 1000
	db := benchDB(b, epoch.AddDate(10, 0, 0))
	series := benchSeries(n)
	batch := make([]Sample, n)
	minute := epoch
	for b.Loop() {
		for i, s := range series {
			batch[i] = Sample{Series: s, T: SampleTime(minute), V: float64(i % 7)}
		}
		require.NoError(b, db.Append(batch))
		minute = minute.Add(time.Minute)
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkAppendRepeated appends what is stored already, as after a crash.
func BenchmarkAppendRepeated(b *testing.B) {
	const n = 1000
	db := benchDB(b, epoch.AddDate(10, 0, 0))
	batch := make([]Sample, n)
	for i, s := range benchSeries(n) {
		batch[i] = Sample{Series: s, T: SampleTime(epoch), V: float64(i % 7)}
	}
	require.NoError(b, db.Append(batch))
	for b.Loop() {
		for i, s := range batch {
			batch[i].Series = NewSeries(s.Series.Labels())
		}
		require.NoError(b, db.Append(batch))
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkAppendLate appends counts that came after the watermark.
func BenchmarkAppendLate(b *testing.B) {
	const n = 100
	db := benchDB(b, epoch.AddDate(10, 0, 0))
	series := benchSeries(n)
	for _, s := range series {
		require.NoError(b, db.Append([]Sample{{Series: s, T: SampleTime(epoch.Add(12 * time.Hour)), V: 1}}))
	}
	batch := make([]Sample, n)
	flush := uint64(0)
	for b.Loop() {
		minute := epoch.Add(time.Duration(flush%600) * time.Minute)
		for i, s := range series {
			batch[i] = Sample{Series: s, T: LateSampleTime(minute, flush), V: 1}
		}
		require.NoError(b, db.Append(batch))
		flush++
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkBackfill takes in and commits three weeks of 200 series that have a
// sample every four minutes: 1.5 million samples.
func BenchmarkBackfill(b *testing.B) {
	const days, n, every = 21, 200, 4
	series := benchSeries(n)
	total := 0
	for b.Loop() {
		db := benchDB(b, epoch.AddDate(0, 0, days))
		batch := make([]Sample, 0, n*60)
		for m := 0; m < days*24*60; m += every {
			for i, s := range series {
				batch = append(batch, Sample{Series: s, T: SampleTime(epoch.Add(time.Duration(m) * time.Minute)), V: float64((m + i) % 11)})
			}
			if len(batch) == cap(batch) {
				require.NoError(b, db.Backfill(batch))
				total += len(batch)
				batch = batch[:0]
			}
		}
		require.NoError(b, db.Backfill(batch))
		total += len(batch)
		require.NoError(b, db.CommitBackfill(context.Background(), nil))
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkBackfillSparse is a day of 50,000 series with three samples each, as
// identities and operations have.
func BenchmarkBackfillSparse(b *testing.B) {
	const n = 50_000
	series := benchSeries(n)
	total := 0
	for b.Loop() {
		db := benchDB(b, epoch.AddDate(0, 0, 3))
		batch := make([]Sample, 0, 3*n)
		for k := range 3 {
			for i, s := range series {
				batch = append(batch, Sample{Series: s, T: SampleTime(epoch.Add(time.Duration(k*400+i%400) * time.Minute)), V: 1})
			}
		}
		batch = append(batch, Sample{Series: series[0], T: SampleTime(epoch.AddDate(0, 0, 2)), V: 1})
		require.NoError(b, db.Backfill(batch))
		total += len(batch)
		require.NoError(b, db.CommitBackfill(context.Background(), nil))
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkQueryRange sums a day of 200 series in steps of five minutes, with
// and without live series.
func BenchmarkQueryRange(b *testing.B) {
	const n = 200
	db := benchDB(b, epoch.AddDate(0, 0, 10))
	series := benchSeries(n)
	for m := 0; m < 24*60; m += 2 {
		batch := make([]Sample, n)
		for i, s := range series {
			batch[i] = Sample{Series: s, T: SampleTime(epoch.Add(time.Duration(m) * time.Minute)), V: 1}
		}
		require.NoError(b, db.Append(batch))
	}
	engine := newInstantEngine(b)
	run := func(b *testing.B) {
		for b.Loop() {
			qry, err := engine.NewRangeQuery(context.Background(), db.Queryable(), nil, "sum(sum_over_time(activity_events[5m]))",
				epoch, epoch.Add(24*time.Hour), 5*time.Minute)
			require.NoError(b, err)
			require.NoError(b, qry.Exec(context.Background()).Err)
			qry.Close()
		}
	}
	b.Run("stored", run)
	var open openMinutes
	live := make([]LiveSeries, n)
	for i, s := range series {
		live[i] = liveOf(s, SampleTime(epoch.Add(24*time.Hour)), 1)
	}
	open.set(live...)
	db.AddLive(&open)
	b.Run("live", run)
}
