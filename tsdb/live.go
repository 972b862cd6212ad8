package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// LiveSource holds series that are not stored yet, or never will be: the open
// minutes of the line, and the insights.
//
// LiveSeries returns those that match all of ms, with their samples from mint
// to maxt, both inclusive and in Unix milliseconds. It is called by many
// goroutines at once, is quick, and does not call the DB. What it returns is
// only read, and the source does not write to it afterwards.
//
// A source that hands its samples on to the DB drops them after Append has
// returned, not before: readers look at the sources first and at the DB then,
// so that they see each sample at least once, and one that they see twice counts
// once.
type LiveSource interface {
	LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []LiveSeries
}

// LiveSeries is one series of a LiveSource.
type LiveSeries struct {
	// Labels hold the metric's name as __name__.
	Labels labels.Labels
	// T is sorted and in Unix milliseconds; V is as long.
	T []int64
	V []float64
}

// AddLive makes what s holds part of what queries see.
func (db *DB) AddLive(s LiveSource) {
	db.liveMtx.Lock()
	defer db.liveMtx.Unlock()
	db.live = append(slices.Clone(db.live), s)
}

func (db *DB) sources() []LiveSource {
	db.liveMtx.RLock()
	defer db.liveMtx.RUnlock()
	return db.live
}

// Queryable shows what is stored merged with what the live sources hold. Where
// both have a sample at a timestamp it counts once.
func (db *DB) Queryable() storage.SampleAndChunkQueryable { return queryable{db} }

type queryable struct{ db *DB }

func (q queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return &liveQuerier{live: live{db: q.db, mint: mint, maxt: maxt}}, nil
}

func (q queryable) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return &liveChunkQuerier{live: live{db: q.db, mint: mint, maxt: maxt}}, nil
}

// live reads the sources and the DB for one query. The DB is opened anew for
// each selector, since the sources have to be read before that, and they cannot
// be without the selector's matchers.
type live struct {
	db         *DB
	mint, maxt int64
	opened     []io.Closer
	// release lets go of the DB, nil where it is not held. It is held from the
	// first selector on until the querier is closed, as series are read after
	// Select has returned.
	release func()
}

// hold keeps the DB from being closed.
func (l *live) hold() error {
	if l.release != nil {
		return nil
	}
	release, err := l.db.begin()
	if err != nil {
		return err
	}
	l.release = release
	return nil
}

// close closes what was opened for the query.
func (l *live) close() error {
	var errs []error
	for _, q := range l.opened {
		errs = append(errs, q.Close())
	}
	l.opened = nil
	if l.release != nil {
		l.release()
		l.release = nil
	}
	return errors.Join(errs...)
}

// series reads the sources: one sorted set a source, without empty sets.
func (l *live) series(hints *storage.SelectHints, ms []*labels.Matcher) [][]storage.Series {
	mint, maxt := l.mint, l.maxt
	if hints != nil {
		// As in Prometheus' blocks: hints narrow the range.
		mint, maxt = max(mint, hints.Start), min(maxt, hints.End)
	}
	var sets [][]storage.Series
	for _, source := range l.db.sources() {
		if set := newLiveSet(source.LiveSeries(mint, maxt, ms...), mint, maxt); len(set) > 0 {
			sets = append(sets, set)
		}
	}
	return sets
}

// stored opens the DB. It is called after the sources were read.
func (l *live) stored() (storage.Querier, error) {
	if err := l.hold(); err != nil {
		return nil, err
	}
	q, err := l.db.querier(l.mint, l.maxt)
	if err != nil {
		return nil, err
	}
	l.opened = append(l.opened, q)
	return q, nil
}

// storedChunks is stored for chunks.
func (l *live) storedChunks() (storage.ChunkQuerier, error) {
	if err := l.hold(); err != nil {
		return nil, err
	}
	q, err := l.db.head.ChunkQuerier(l.mint, l.maxt)
	if err != nil {
		return nil, fmt.Errorf("opening stored series: %w", err)
	}
	l.opened = append(l.opened, q)
	return q, nil
}

// labelValues is LabelValues of both queriers.
func (l *live) labelValues(ctx context.Context, name string, hints *storage.LabelHints, ms []*labels.Matcher) ([]string, annotations.Annotations, error) {
	unstored := l.labels(name, ms)
	q, err := l.stored()
	if err != nil {
		return nil, nil, err
	}
	values, ws, err := q.LabelValues(ctx, name, hints, ms...)
	return mergeLabels(values, unstored, hints), ws, err
}

// labelNames is LabelNames of both queriers.
func (l *live) labelNames(ctx context.Context, hints *storage.LabelHints, ms []*labels.Matcher) ([]string, annotations.Annotations, error) {
	unstored := l.labels("", ms)
	q, err := l.stored()
	if err != nil {
		return nil, nil, err
	}
	names, ws, err := q.LabelNames(ctx, hints, ms...)
	return mergeLabels(names, unstored, hints), ws, err
}

// labels lists the values of a label of what the sources hold, or where name is
// empty the names of all labels.
func (l *live) labels(name string, ms []*labels.Matcher) []string {
	seen := make(map[string]struct{})
	for _, source := range l.db.sources() {
		for _, s := range source.LiveSeries(l.mint, l.maxt, ms...) {
			if from, to := within(s.T, l.mint, l.maxt); from == to {
				continue
			}
			if name != "" {
				if v := s.Labels.Get(name); v != "" {
					seen[v] = struct{}{}
				}
				continue
			}
			s.Labels.Range(func(lb labels.Label) { seen[lb.Name] = struct{}{} })
		}
	}
	values := make([]string, 0, len(seen))
	for v := range seen {
		values = append(values, v)
	}
	slices.Sort(values)
	return values
}

// mergeLabels merges two sorted lists.
func mergeLabels(stored, unstored []string, hints *storage.LabelHints) []string {
	if len(unstored) > 0 {
		stored = append(slices.Clone(stored), unstored...)
		slices.Sort(stored)
		stored = slices.Compact(stored)
	}
	if hints != nil && hints.Limit > 0 && len(stored) > hints.Limit {
		stored = stored[:hints.Limit]
	}
	return stored
}

// limitOf is how many series are asked for, 0 for all.
func limitOf(hints *storage.SelectHints) int {
	if hints == nil {
		return 0
	}
	return hints.Limit
}

// liveQuerier is the Querier of a queryable.
type liveQuerier struct{ live }

func (q *liveQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	sets := q.series(hints, ms)
	stored, err := q.stored()
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	if len(sets) == 0 {
		return stored.Select(ctx, sortSeries, hints, ms...)
	}
	merged := make([]storage.SeriesSet, 0, len(sets)+1)
	for _, set := range sets {
		merged = append(merged, &listSet{series: set})
	}
	merged = append(merged, stored.Select(ctx, true, hints, ms...))
	return storage.NewMergeSeriesSet(merged, limitOf(hints), storage.ChainedSeriesMerge)
}

func (q *liveQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.labelValues(ctx, name, hints, ms)
}

func (q *liveQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.labelNames(ctx, hints, ms)
}

func (q *liveQuerier) Close() error { return q.close() }

// liveChunkQuerier is the ChunkQuerier of a queryable.
type liveChunkQuerier struct{ live }

func (q *liveChunkQuerier) Select(ctx context.Context, sortSeries bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	sets := q.series(hints, ms)
	stored, err := q.storedChunks()
	if err != nil {
		return storage.ErrChunkSeriesSet(err)
	}
	if len(sets) == 0 {
		return stored.Select(ctx, sortSeries, hints, ms...)
	}
	merged := make([]storage.ChunkSeriesSet, 0, len(sets)+1)
	for _, set := range sets {
		merged = append(merged, storage.NewSeriesSetToChunkSet(&listSet{series: set}))
	}
	merged = append(merged, stored.Select(ctx, true, hints, ms...))
	return storage.NewMergeChunkSeriesSet(merged, limitOf(hints), storage.NewCompactingChunkSeriesMerger(storage.ChainedSeriesMerge))
}

func (q *liveChunkQuerier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.labelValues(ctx, name, hints, ms)
}

func (q *liveChunkQuerier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.labelNames(ctx, hints, ms)
}

func (q *liveChunkQuerier) Close() error { return q.close() }

// newLiveSet makes a set, sorted by labels and one series a label set, of what a
// source returned.
func newLiveSet(ls []LiveSeries, mint, maxt int64) []storage.Series {
	ls = slices.Clone(ls)
	slices.SortStableFunc(ls, func(a, b LiveSeries) int { return labels.Compare(a.Labels, b.Labels) })
	var set []storage.Series
	for len(ls) > 0 {
		n := 1
		for n < len(ls) && labels.Equal(ls[n].Labels, ls[0].Labels) {
			n++
		}
		var same []storage.Series
		for _, s := range ls[:n] {
			from, to := within(s.T, mint, maxt)
			if to = min(to, len(s.V)); from < to {
				same = append(same, newLiveSeries(s.Labels, s.T[from:to], s.V[from:to]))
			}
		}
		switch len(same) {
		case 0:
		case 1:
			set = append(set, same[0])
		default:
			set = append(set, storage.ChainedSeriesMerge(same...))
		}
		ls = ls[n:]
	}
	return set
}

// within returns which of the sorted times ts are from mint to maxt.
func within(ts []int64, mint, maxt int64) (from, to int) {
	from = sort.Search(len(ts), func(i int) bool { return ts[i] >= mint })
	to = sort.Search(len(ts), func(i int) bool { return ts[i] > maxt })
	return from, max(from, to)
}

// listSet is a storage.SeriesSet of a list.
type listSet struct {
	series []storage.Series
	i      int
}

func (s *listSet) Next() bool                      { s.i++; return s.i <= len(s.series) }
func (s *listSet) At() storage.Series              { return s.series[s.i-1] }
func (*listSet) Err() error                        { return nil }
func (*listSet) Warnings() annotations.Annotations { return nil }

// newLiveSeries makes a storage.Series of samples.
func newLiveSeries(lset labels.Labels, ts []int64, vs []float64) storage.Series {
	samples := make([]liveSample, len(ts))
	list := make([]chunks.Sample, len(ts))
	for i := range ts {
		samples[i] = liveSample{t: ts[i], v: vs[i]}
		list[i] = &samples[i]
	}
	return storage.NewListSeries(lset, list)
}

// liveSample is a chunks.Sample.
type liveSample struct {
	t int64
	v float64
}

func (s *liveSample) T() int64                      { return s.t }
func (s *liveSample) ST() int64                     { return 0 }
func (s *liveSample) F() float64                    { return s.v }
func (s *liveSample) H() *histogram.Histogram       { return nil }
func (s *liveSample) FH() *histogram.FloatHistogram { return nil }
func (s *liveSample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s *liveSample) Copy() chunks.Sample           { c := *s; return &c }
