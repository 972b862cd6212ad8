package tsdb

import (
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// minuteMillis is how long the minute of a sample is.
const minuteMillis = int64(time.Minute / time.Millisecond)

// lateSlots is how many places within a minute late counts can stand at.
const lateSlots = uint64(minuteMillis - 1)

// SampleTime is where the sample of the minute [minute, minute+60 s) stands: at
// its end, since range selectors are open on the left. It is in Unix
// milliseconds; what minute has below a whole minute is cut off.
func SampleTime(minute time.Time) int64 {
	return minuteStart(minute) + minuteMillis
}

// LateSampleTime is where counts of that minute stand that came after the
// watermark and were flushed at control record n of the log. It is within the
// minute, so that sums over ranges of whole minutes stay exact, and the same at
// each repetition, so that a flush that is repeated after a crash writes
// identical samples.
func LateSampleTime(minute time.Time, n uint64) int64 {
	return minuteStart(minute) + minuteMillis - int64(1+n%lateSlots)
}

// minuteStart rounds down to a whole minute, for times before 1970 too.
func minuteStart(t time.Time) int64 {
	ms := t.UnixMilli()
	m := ms % minuteMillis
	if m < 0 {
		m += minuteMillis
	}
	return ms - m
}

// Series is a handle on one series: its labels and what a DB remembers of it.
// A caller keeps one handle a series for as long as the series is in use, and
// need not give it back. A handle is safe for concurrent use.
type Series struct {
	lset labels.Labels

	mtx sync.Mutex
	// owner is the DB that the fields below are about.
	owner *DB
	// ref is the head's reference, 0 where it is not known.
	ref storage.SeriesRef
	// maxt is the newest timestamp that this process knows to be the newest of
	// the series, noTime where it does not know any.
	maxt int64
	// spool is the number of the series in an epoch of a spool.
	spoolOwner *spool
	spoolEpoch uint32
	spool      uint32
	validity   validity
}

// NewSeries returns a handle on the series with these labels. The metric's name
// is among them as __name__. The labels are kept: the caller does not write to
// their memory later. Labels with empty values are left out.
func NewSeries(lset labels.Labels) *Series {
	return &Series{lset: lset.WithoutEmpty(), maxt: noTime}
}

// Labels returns the labels of the series, __name__ included.
func (s *Series) Labels() labels.Labels { return s.lset }

// own makes the handle one of db. What it knows of another DB is forgotten. The
// lock is held.
func (s *Series) own(db *DB) {
	if s.owner != db {
		s.owner, s.ref, s.maxt = db, 0, noTime
	}
}

// newest is the newest timestamp that db is known to have of the series, noTime
// where that is not known.
func (s *Series) newest(db *DB) int64 {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.own(db)
	return s.maxt
}

// know notes that db has a sample of the series at t.
func (s *Series) know(db *DB, t int64) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.own(db)
	s.maxt = max(s.maxt, t)
}

// validity says whether labels can name a series.
type validity uint8

const (
	validityUnknown validity = iota
	validityGood
	validityBad
)

// valid says whether the labels can name a series: there is a name, no label
// comes twice, and all is UTF-8.
func (s *Series) valid() bool {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.validity == validityUnknown {
		s.validity = validityBad
		_, dup := s.lset.HasDuplicateLabelNames()
		if s.lset.Get(labels.MetricName) != "" && !dup && s.lset.IsValid(model.UTF8Validation) {
			s.validity = validityGood
		}
	}
	return s.validity == validityGood
}

// Sample is one value of a series.
type Sample struct {
	Series *Series
	// T is in Unix milliseconds, as SampleTime or LateSampleTime give it.
	T int64
	// V is a finite number.
	V float64
}
