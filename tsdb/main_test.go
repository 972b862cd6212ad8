package tsdb

import (
	"context"
	"maps"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is where the tests' history begins: a Monday, and the start of a UTC day.
var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// world is a DB together with what it must show.
type world struct {
	t   *testing.T
	dir string
	now time.Time
	// clock is now, in Unix nanoseconds, for the DB's own goroutines.
	clock atomic.Int64
	o     Options
	db    *DB
	want  map[string]map[int64]float64

	series map[string]*Series
}

func newWorld(t *testing.T, now time.Time) *world {
	w := &world{t: t, dir: t.TempDir(), now: now, want: map[string]map[int64]float64{}, series: map[string]*Series{}}
	w.open()
	t.Cleanup(func() { require.NoError(t, w.db.Close()) })
	return w
}

// at sets the clock.
func (w *world) at(now time.Time) {
	w.now = now
	w.clock.Store(now.UnixNano())
}

func (w *world) open() {
	w.t.Helper()
	o := w.o
	w.at(w.now)
	o.Dir, o.Now = w.dir, func() time.Time { return time.Unix(0, w.clock.Load()).UTC() }
	db, err := Open(o)
	require.NoError(w.t, err)
	w.db = db
}

// restart closes and opens the DB. Handles stay the callers', as in a daemon
// they would be new.
func (w *world) restart() {
	w.t.Helper()
	require.NoError(w.t, w.db.Close())
	w.series = map[string]*Series{}
	w.open()
}

// of returns the handle of the series of an operation.
func (w *world) of(operation string) *Series {
	s := w.series[operation]
	if s == nil {
		s = newTestSeries(operation)
		w.series[operation] = s
	}
	return s
}

func newTestSeries(operation string) *Series {
	return NewSeries(labels.FromStrings(
		labels.MetricName, MetricEvents,
		LabelProvider, "aws",
		LabelAccount, "123456789012",
		LabelRegion, "eu-central-1",
		LabelService, "ec2.amazonaws.com",
		LabelOperation, operation,
		LabelCategory, "management",
		LabelAccess, "write",
		LabelOutcome, "success",
	))
}

func (w *world) sample(operation string, t int64, v float64) Sample {
	return Sample{Series: w.of(operation), T: t, V: v}
}

// expect notes that the samples must show.
func (w *world) expect(samples ...Sample) {
	for _, s := range samples {
		name := s.Series.Labels().String()
		if w.want[name] == nil {
			w.want[name] = map[int64]float64{}
		}
		w.want[name][s.T] = s.V
	}
}

func (w *world) append(samples ...Sample) {
	w.t.Helper()
	require.NoError(w.t, w.db.Append(samples))
	w.expect(samples...)
}

func (w *world) backfill(samples ...Sample) {
	w.t.Helper()
	require.NoError(w.t, w.db.Backfill(samples))
	w.expect(samples...)
}

func (w *world) commit() {
	w.t.Helper()
	require.NoError(w.t, w.db.CommitBackfill(context.Background(), nil))
	require.Zero(w.t, w.db.PendingBackfill())
}

// check compares all that is stored with what must show, through both queriers.
func (w *world) check() {
	w.t.Helper()
	require.Equal(w.t, w.want, w.read(w.db.Queryable()))
	require.Equal(w.t, w.want, w.readChunks(w.db.Queryable()))
}

func notHeartbeat() *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, MetricHeartbeat)
}

func (w *world) read(q storage.Queryable) map[string]map[int64]float64 {
	w.t.Helper()
	querier, err := q.Querier(math.MinInt64, math.MaxInt64)
	require.NoError(w.t, err)
	defer querier.Close()
	got := map[string]map[int64]float64{}
	set := querier.Select(context.Background(), false, nil, notHeartbeat())
	for set.Next() {
		w.gather(got, set.At().Labels(), set.At().Iterator(nil))
	}
	require.NoError(w.t, set.Err())
	return got
}

func (w *world) readChunks(q storage.ChunkQueryable) map[string]map[int64]float64 {
	w.t.Helper()
	querier, err := q.ChunkQuerier(math.MinInt64, math.MaxInt64)
	require.NoError(w.t, err)
	defer querier.Close()
	got := map[string]map[int64]float64{}
	set := querier.Select(context.Background(), false, nil, notHeartbeat())
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() {
			w.gather(got, set.At().Labels(), it.At().Chunk.Iterator(nil))
		}
		require.NoError(w.t, it.Err())
	}
	require.NoError(w.t, set.Err())
	return got
}

func (w *world) gather(got map[string]map[int64]float64, lset labels.Labels, it chunkenc.Iterator) {
	w.t.Helper()
	name := lset.String()
	if got[name] == nil {
		got[name] = map[int64]float64{}
	}
	for it.Next() == chunkenc.ValFloat {
		t, v := it.At()
		if was, ok := got[name][t]; ok {
			require.Failf(w.t, "two samples at one timestamp", "%s at %d: %v and %v", name, t, was, v)
		}
		got[name][t] = v
	}
	require.NoError(w.t, it.Err())
}

// total is the sum of what must show, in (from, to].
func (w *world) total(from, to time.Time) float64 {
	sum := 0.0
	for _, samples := range w.want {
		for t, v := range maps.All(samples) {
			if t > from.UnixMilli() && t <= to.UnixMilli() {
				sum += v
			}
		}
	}
	return sum
}

// instant evaluates a query that returns one number, or none.
func instant(t testing.TB, q storage.Queryable, query string, at time.Time) float64 {
	t.Helper()
	engine := NewQueryEngine(EngineOptions{})
	defer engine.Close()
	qry, err := engine.NewInstantQuery(context.Background(), q, nil, query, at)
	require.NoError(t, err)
	defer qry.Close()
	res := qry.Exec(context.Background())
	require.NoError(t, res.Err)
	v, err := res.Vector()
	require.NoError(t, err)
	if len(v) == 0 {
		return 0
	}
	require.Len(t, v, 1)
	return v[0].F
}

func newInstantEngine(t testing.TB) *promql.Engine {
	engine := NewQueryEngine(EngineOptions{})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	return engine
}

// parseLabels reads what Labels.String wrote.
func parseLabels(s string) (labels.Labels, error) {
	return parser.NewParser(parser.Options{}).ParseMetric(s)
}
