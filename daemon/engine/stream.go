package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/tsdb"
)

// stream is what one provider's account did, with its series, models and
// budget. One goroutine at a time moves it on; arrival touches only open.
type stream struct {
	key  event.StreamKey
	o    *Options
	open *open

	// mtx guards what the final pass owns, against those who ask.
	mtx        sync.Mutex
	symbols    *symbols
	apis       *apis
	counts     *counts
	identities map[symbol]*who
	learner    *enrich.Learner
	models     map[modelKey]*modelled
	all        [kindCount][]*modelled // in order of creation
	touched    []*modelled
	episodes   []*modelled
	live       [kindCount]int
	families   [kindCount]*models.Family
	slots      map[slotKey]*episode
	groups     map[string]group
	told       map[toldKey]told
	budget     *budget
	gauge      gauge

	begun     bool
	first     models.Minute // of the stream's first event
	last      models.Minute // of its last event so far
	firstTime time.Time
	lastTime  time.Time
	done      time.Time     // everything before it is final
	passed    models.Minute // time has passed to here
	upkeep    models.Minute
	events    uint64
	future    uint64
	late      uint64

	evicted    uint64 // model states that made room
	attached   uint64 // insights that were told with another
	suppressed int

	slice     []event.Event
	sliceFrom time.Time
	seq       uint64
}

func newStream(key event.StreamKey, o *Options) *stream {
	t := newSymbols()
	s := &stream{
		key: key, o: o, open: newOpen(key), symbols: t, apis: newAPIs(t),
		counts:     newCounts(key, t, o),
		identities: map[symbol]*who{}, learner: newLearner(o),
		models: map[modelKey]*modelled{}, slots: map[slotKey]*episode{},
		groups: map[string]group{}, told: map[toldKey]told{}, budget: newBudget(o.BudgetPerDay),
	}
	for k := range s.families {
		s.families[k] = models.NewFamily(kinds[k].params())
	}
	return s
}

// newLearner returns a learner of the organisation's networks that leaves out
// those that are known.
func newLearner(o *Options) *enrich.Learner {
	if o.Network == nil {
		return enrich.NewLearner()
	}
	return enrich.NewLearner(o.Network)
}

// warmUp is how many minutes a stream only learns.
func (s *stream) warmUp() models.Minute { return models.Minute(s.o.WarmUp / time.Minute) }

// start begins the stream at its first event.
func (s *stream) start(first time.Time) {
	s.begun = true
	s.first = minuteOf(first)
	s.last = s.first
	s.passed, s.upkeep = s.first-1, s.first
	s.firstTime = first
	s.done = first.Truncate(time.Minute)
}

func minuteOf(t time.Time) models.Minute { return models.Minute(t.Unix() / 60) }

func (s *stream) readQuery(from, to time.Time) eventlog.ReadQuery {
	return eventlog.ReadQuery{Stream: s.key, From: from, To: to, MaxSeq: s.seq}
}

// advance makes everything before the watermark final: in order of (time, uid),
// slice by slice, whatever the order in which it came. seq is the log's
// position at which the watermark was reached: what came later is late. emit
// takes the samples of each slice.
func (s *stream) advance(ctx context.Context, to time.Time, seq uint64, emit func([]tsdb.Sample) error) error {
	to = to.Truncate(time.Minute)
	s.mtx.Lock()
	s.seq = seq
	s.mtx.Unlock()
	if !s.begun {
		first, ok := s.firstStored()
		if !ok {
			return nil
		}
		s.mtx.Lock()
		s.start(first)
		s.mtx.Unlock()
	}
	for s.done.Before(to) {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := s.done
		next := s.sliceEnd(from, to)
		events, err := s.o.Log.Read(ctx, s.readQuery(from, next))
		if err != nil {
			return fmt.Errorf("reading events of %s from %s: %w", s.key, from.Format(time.RFC3339), err)
		}
		s.mtx.Lock()
		s.slice, s.sliceFrom = events, from
		s.process(next)
		s.slice = nil
		samples := s.counts.samples
		s.counts.samples = s.counts.samples[:0]
		s.done = next
		s.mtx.Unlock()
		if err := emit(samples); err != nil {
			return fmt.Errorf("storing samples of %s: %w", s.key, err)
		}
	}
	return nil
}

// firstStored is the time of the stream's first event in the log.
func (s *stream) firstStored() (time.Time, bool) {
	for _, st := range s.o.Log.Streams() {
		if st.Key == s.key {
			return st.First, st.Events > 0
		}
	}
	return time.Time{}, false
}

// sliceEnd is how far the next slice goes: to the end of an hour, over hours
// without events, and less far where an hour is too much for memory.
func (s *stream) sliceEnd(from, to time.Time) time.Time {
	next := from.Truncate(time.Hour).Add(time.Hour)
	for next.Before(to) && s.o.Log.Count(s.key, from, next) == 0 {
		next = next.Add(time.Hour)
	}
	if next.After(to) {
		next = to
	}
	for s.o.Log.Count(s.key, from, next) > s.o.SliceEvents && next.Sub(from) > time.Minute {
		next = from.Add(next.Sub(from) / 2).Truncate(time.Minute)
		if !next.After(from) {
			next = from.Add(time.Minute)
		}
	}
	return next
}

// process runs the slice's events through series and models, minute by minute,
// and then time itself to its end.
func (s *stream) process(to time.Time) {
	events := s.slice
	for i := 0; i < len(events); {
		m := minuteOf(events[i].Time)
		j := i
		for j < len(events) && minuteOf(events[j].Time) == m {
			j++
		}
		s.minute(m, events[i:j])
		i = j
	}
	s.pass(minuteOf(to) - 1)
}

// minute makes one minute final.
func (s *stream) minute(m models.Minute, events []event.Event) {
	s.pass(m - 1)
	if day := m / 1440; day != s.counts.day {
		s.counts.begin(day)
		s.retune()
	}
	counted := 0
	for i := range events {
		e := &events[i]
		if s.ahead(e) {
			continue
		}
		counted++
		s.lastTime = e.Time
		if e.Call() {
			s.counts.add(e)
		}
		s.observe(e, m)
	}
	if counted == 0 {
		return
	}
	s.events += uint64(counted)
	s.last = m
	s.gauge.add(m, float32(counted))
	s.counts.close(tsdb.SampleTime(minuteTime(m)))
	s.judge(m)
}

// pass lets time pass to minute m, after the events of the last minute that had
// any: what is over ends, unless the silence is a gap in the data. It comes to
// the same whether it is called once or for every minute.
func (s *stream) pass(m models.Minute) {
	for s.passed < m && len(s.episodes) > 0 {
		s.passed++
		s.hold(s.passed)
		s.tick(s.passed)
	}
	if s.passed < m {
		s.passed = m
		s.hold(m)
	}
	for s.upkeep+upkeepMinutes <= m {
		s.upkeep += upkeepMinutes
		s.keep(s.upkeep)
	}
}

// hold tells the models that the silence up to minute m is a gap, if it is one.
func (s *stream) hold(m models.Minute) {
	if m > s.last && s.gauge.gap(s.last+1, m+1) {
		for _, f := range s.families {
			f.AddGap(s.last+1, m+1)
		}
	}
}

// upkeepMinutes is how often the pools are looked after.
const upkeepMinutes = 360

// keep closes clusters that ended and moves the exposure of the pools on.
func (s *stream) keep(m models.Minute) {
	for k, f := range s.families {
		f.Advance(m, func(yield func(*models.Count, *models.Novelty) bool) {
			for _, x := range s.all[k] {
				if !yield(&x.count, s.noveltyOf(x)) {
					return
				}
			}
		})
	}
	for k, t := range s.told {
		if t.until < m {
			delete(s.told, k)
		}
	}
	for who, g := range s.groups {
		if m-g.start > 2*incidentSpan {
			delete(s.groups, who)
		}
	}
}

// retune sets the thresholds for the number of live series, once a day, and
// how many write APIs an identity could begin to use.
func (s *stream) retune() {
	s.families[kindCalls].SetPotential(float64(max(10, s.live[kindAccountCalls])))
	for k, f := range s.families {
		f.SetThreshold(threshold(s.live[k], s.o.BudgetPerDay))
	}
}

// ahead reports whether an event is too far ahead of its receipt to be
// believed. It is stored, and moves nothing.
func (s *stream) ahead(e *event.Event) bool {
	return !e.Received.IsZero() && e.Time.Sub(e.Received) > s.o.Future
}

// put hands an insight on.
func (s *stream) put(in insight.Insight) {
	if _, err := s.o.Insights.Put(in); err != nil {
		s.o.Logger.Error("Keeping an insight", "id", in.ID, "err", err)
	}
}
