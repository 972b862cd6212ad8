package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// When it is cheaper to read a whole metric than to look series up one by one:
// from how many series on, where these are at least one in how many of the head,
// and up to which span of time.
const (
	bulkCheck      = 64
	bulkShare      = 20
	bulkSpanMillis = 2 * hourMillis
)

// Append writes live samples to the head, in one commit where they are the newest
// of their series. Samples may be out of
// order and may repeat what is stored; those that are too old for the head go
// into the pending backfill, so that none is lost. Where some samples are
// refused the error says so and is ErrFuture, ErrConflict or ErrInvalid to
// errors.Is; all others were written. On any other error a caller repeats the
// call: samples that were written do no harm.
//
// Commits are not fsynced: see Sync.
func (db *DB) Append(samples []Sample) error {
	done, err := db.begin()
	if err != nil {
		return err
	}
	defer done()
	return db.append(samples)
}

// append is Append for those who keep Close from closing already.
func (db *DB) append(samples []Sample) error {
	if len(samples) == 0 {
		return nil
	}
	if err := db.room(); err != nil {
		return err
	}
	b := &appendBatch{db: db, known: db.knowledge(), future: db.future(), expired: db.expired()}
	if err := b.appendFresh(samples); err != nil {
		return err
	}
	if err := b.appendChecked(); err != nil {
		return err
	}
	if len(b.old) > 0 {
		if err := db.spool.add(b.old); err != nil {
			return err
		}
		db.metrics.tooOld.Add(float64(len(b.old)))
	}
	return b.refused.err(db.metrics)
}

// knowledge is what the DB knows of its bounds at one moment.
type knowledge struct {
	// maxt is at or after every sample that is stored, noTime where none is.
	maxt int64
	// headMin is from where on samples of a series that the head does not know
	// cannot be stored, math.MaxInt64 where there is no such time.
	headMin int64
	// oldest is the oldest time that the head takes, noTime where it is empty.
	oldest int64
}

func (db *DB) knowledge() knowledge {
	k := knowledge{maxt: noTime, headMin: math.MaxInt64, oldest: noTime}
	h := db.head.Head()
	// After a crash that cost the WAL, what came out of order may be all there is.
	k.maxt = h.MaxOOOTime()
	if minValid, ok := h.AppendableMinValidTime(); ok {
		k.maxt = max(k.maxt, h.MaxTime())
		k.headMin = minValid
		k.oldest = min(h.MaxTime()-outOfOrderWindow.Milliseconds(), minValid)
	}
	for _, b := range db.head.Blocks() {
		k.maxt = max(k.maxt, b.MaxTime()-1)
		k.headMin = max(k.headMin, b.MaxTime())
	}
	return k
}

// lateCommit is how many samples that were looked up a commit holds: Prometheus
// makes a buffer as large as the commit for each series whose first sample is out
// of order.
const lateCommit = 512

// appendBatch is one call of Append under way.
type appendBatch struct {
	db      *DB
	known   knowledge
	future  int64
	expired int64
	refused refusals
	// doubtful samples may be at a timestamp that is stored already.
	doubtful []Sample
	// old samples are too old for the head.
	old []Sample
}

// appendFresh writes the samples that are known to be the newest of their
// series, and puts the others aside.
func (b *appendBatch) appendFresh(samples []Sample) error {
	app := b.db.head.Appender(context.Background())
	refs, _ := app.(storage.GetRef)
	n := 0
	for i := range samples {
		s := &samples[i]
		if !b.db.check(s, b.future, b.expired, &b.refused) {
			continue
		}
		if s.T < b.known.oldest {
			b.old = append(b.old, *s)
			continue
		}
		s.Series.mtx.Lock()
		s.Series.own(b.db)
		if !b.fresh(s, refs) {
			s.Series.mtx.Unlock()
			b.doubtful = append(b.doubtful, *s)
			continue
		}
		ok, err := b.write(app, s)
		s.Series.mtx.Unlock()
		if err != nil {
			b.forget(samples)
			return errors.Join(err, app.Rollback())
		}
		if ok {
			n++
		}
	}
	return b.commit(app, n, samples)
}

// fresh says whether no sample of the series can be stored at or after s. The
// series' lock is held.
func (b *appendBatch) fresh(s *Sample, refs storage.GetRef) bool {
	if s.Series.maxt != noTime {
		return s.T > s.Series.maxt
	}
	if s.T > b.known.maxt {
		return true
	}
	if s.T < b.known.headMin || refs == nil {
		return false
	}
	// A series that the head does not know can have samples in blocks only,
	// and these are older.
	ref, _ := refs.GetRef(s.Series.lset, s.Series.lset.Hash())
	return ref == 0
}

// write gives a sample to app. It returns false where the sample was put aside
// or refused. The series' lock is held.
func (b *appendBatch) write(app storage.Appender, s *Sample) (bool, error) {
	ref, err := app.Append(s.Series.ref, s.Series.lset, s.T, s.V)
	switch {
	case err == nil:
		s.Series.ref = ref
		s.Series.maxt = max(s.Series.maxt, s.T)
		return true, nil
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		b.old = append(b.old, *s)
		return false, nil
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		b.refused.add(refusedConflict, s, ErrConflict)
		return false, nil
	}
	return false, fmt.Errorf("appending %s at %d: %w", seriesName(s.Series), s.T, err)
}

func (b *appendBatch) commit(app storage.Appender, n int, samples []Sample) error {
	if n == 0 {
		// A rollback writes no record.
		return app.Rollback()
	}
	if err := app.Commit(); err != nil {
		b.forget(samples)
		b.db.wounded.Store(true)
		return fmt.Errorf("committing %d samples: %w", n, err)
	}
	b.db.metrics.appended.Add(float64(n))
	return nil
}

// forget drops what is known of the series of samples, since it is not sure any
// more what of them is stored.
func (b *appendBatch) forget(samples []Sample) {
	for i := range samples {
		if s := samples[i].Series; s != nil {
			s.mtx.Lock()
			s.maxt = noTime
			s.mtx.Unlock()
		}
	}
}

// appendChecked looks up what is stored at the doubtful samples and writes
// those that are missing.
func (b *appendBatch) appendChecked() error {
	if len(b.doubtful) == 0 {
		return nil
	}
	ds := b.doubtful
	stored, err := b.db.stored(ds, b.known.maxt)
	if err != nil {
		return err
	}

	app := b.db.head.Appender(context.Background())
	n := 0
	for i := range ds {
		s := &ds[i]
		st := stored.find(s.Series.lset)
		if v, ok := st.values[s.T]; ok {
			// The first of several at a timestamp stays.
			if math.Float64bits(v) == math.Float64bits(s.V) {
				b.db.metrics.repeated.Inc()
			} else {
				b.refused.add(refusedConflict, s, ErrConflict)
			}
			s.Series.know(b.db, st.newest)
			continue
		}
		s.Series.mtx.Lock()
		s.Series.own(b.db)
		s.Series.maxt = max(s.Series.maxt, st.newest)
		ok, err := b.write(app, s)
		s.Series.mtx.Unlock()
		if err != nil {
			b.forget(ds)
			return errors.Join(err, app.Rollback())
		}
		if ok {
			st.values[s.T] = s.V
			n++
		}
		if n == lateCommit {
			if err := b.commit(app, n, ds); err != nil {
				return err
			}
			app, n = b.db.head.Appender(context.Background()), 0
		}
	}
	return b.commit(app, n, ds)
}

// storedSeries holds what is stored of one series.
type storedSeries struct {
	lset labels.Labels
	// mint and maxt bound what is looked up, both inclusive.
	mint, maxt int64
	// values are the stored values at the timestamps that were asked for.
	values map[int64]float64
	// newest is the newest timestamp that was found, noTime where none was.
	newest int64
}

// storedSet holds what is stored of some series, by the hash of their labels.
type storedSet map[uint64][]*storedSeries

// find returns the entry of the labels, or nil.
func (ss storedSet) find(lset labels.Labels) *storedSeries {
	for _, st := range ss[lset.Hash()] {
		if labels.Equal(st.lset, lset) {
			return st
		}
	}
	return nil
}

// stored looks up what is stored at the timestamps of ds. Where the newest
// timestamp of a series is not known, it is looked up too: at most at maxt.
func (db *DB) stored(ds []Sample, maxt int64) (storedSet, error) {
	ss := make(storedSet, len(ds))
	byMetric := make(map[string][]*storedSeries)
	// Only the timestamps that were asked for are kept, or a series with a long
	// past would fill the memory.
	asked := make(map[int64]struct{}, len(ds))
	for i := range ds {
		s := &ds[i]
		asked[s.T] = struct{}{}
		lset := s.Series.lset
		st := ss.find(lset)
		if st == nil {
			st = &storedSeries{lset: lset, values: make(map[int64]float64, 1), mint: s.T, maxt: s.T, newest: noTime}
			if s.Series.newest(db) == noTime {
				st.maxt = max(s.T, maxt)
			}
			h := lset.Hash()
			ss[h] = append(ss[h], st)
			name := lset.Get(labels.MetricName)
			byMetric[name] = append(byMetric[name], st)
		}
		st.mint, st.maxt = min(st.mint, s.T), max(st.maxt, s.T)
	}
	for name, group := range byMetric {
		if err := db.readStored(ss, asked, name, group); err != nil {
			return nil, fmt.Errorf("looking up stored samples of %s: %w", name, err)
		}
	}
	return ss, nil
}

// readStored looks up the series of one metric.
func (db *DB) readStored(ss storedSet, asked map[int64]struct{}, name string, group []*storedSeries) error {
	mint, maxt := group[0].mint, group[0].maxt
	for _, st := range group {
		mint, maxt = min(mint, st.mint), max(maxt, st.maxt)
	}
	q, err := db.querier(mint, maxt)
	if err != nil {
		return err
	}
	defer q.Close()

	var it chunkenc.Iterator
	read := func(mint, maxt int64, ms ...*labels.Matcher) error {
		hints := &storage.SelectHints{Start: mint, End: maxt}
		set := q.Select(context.Background(), false, hints, ms...)
		for set.Next() {
			series := set.At()
			st := ss.find(series.Labels())
			if st == nil {
				continue
			}
			it = series.Iterator(it)
			for it.Next() == chunkenc.ValFloat {
				t, v := it.At()
				if _, ok := asked[t]; ok {
					st.values[t] = v
				}
				st.newest = max(st.newest, t)
			}
			if err := it.Err(); err != nil {
				return err
			}
		}
		return set.Err()
	}
	many := len(group) >= bulkCheck && uint64(len(group))*bulkShare >= db.head.Head().NumSeries()
	if many && maxt-mint <= bulkSpanMillis {
		return read(mint, maxt, labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name))
	}
	for _, st := range group {
		if err := read(st.mint, st.maxt, exactly(st.lset)...); err != nil {
			return err
		}
	}
	return nil
}
