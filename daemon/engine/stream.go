package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	key      event.StreamKey
	o        *Options
	insights Insights
	// unkept are insights that could not be handed on yet, in order. Only the line
	// knows of them.
	unkept []insight.Insight
	open   *open

	// mtx guards what the final pass owns, against those who ask.
	mtx        sync.Mutex
	set        Settings
	awaited    *Settings // for the next watermark, or nil
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
	lookers    []looker
	behaviours *behaviours
	rules      ruling
	silence    silence
	sights     map[sightKey]*sight
	sightsBy   map[string][]*sight    // by identity, or by address where they have none
	openBy     map[string]int         // open insights by identity
	agreement  map[string][]supported // by identity, of the last two hours
	budget     *budget
	reviews    reviews
	exceptions exceptions
	storms     storms
	gauge      gauge
	recent     recent
	position   position
	preview    *preview
	classes    classes
	labelled   labelled
	shadow     *shadow
	snapshot   snapshotState

	// present is set once the stream has caught up with the clock.
	present   bool
	begun     bool
	first     models.Minute // of the stream's first event
	last      models.Minute // of its last event so far
	firstTime time.Time
	lastTime  time.Time
	passed    models.Minute // time has passed to here
	upkeep    models.Minute
	compacted int // symbols after the last compaction

	events uint64
	future uint64 // on arrival
	late   uint64
	// untaught counts late events that the models have not learned, from
	// untaughtFrom on.
	untaught     uint64
	untaughtFrom time.Time
	relearned    time.Time // when it was made anew last, by the clock

	evicted    uint64 // model states that made room
	forgotten  uint64 // identities that made room
	attached   uint64 // insights that were told with another
	capped     uint64 // insights that were not raised, since too many are open
	suppressed int

	// The slice under way, and where it begins and ends: a part of a minute where
	// minutes are full. Where foreseeing is set there is none, and what has arrived is
	// looked at instead.
	slice              []event.Event
	sliceFrom, sliceTo time.Time
	foreseeing         bool
	// minute is the one under way.
	minute minuteUnderWay
	// arriving says that what is judged has arrived and is not final.
	arriving bool
}

func newStream(key event.StreamKey, o *Options, set Settings) *stream {
	t := newSymbols()
	s := &stream{
		key: key, o: o, insights: o.Insights, set: set, open: newOpen(key, set.SeriesPerAccount), symbols: t, apis: newAPIs(t),
		counts:     newCounts(key, t, set, o.stored),
		identities: map[symbol]*who{}, learner: newLearner(o),
		models: map[modelKey]*modelled{}, slots: map[slotKey]*episode{},
		groups: map[string]group{}, told: map[toldKey]told{}, budget: newBudget(set.BudgetPerDay), storms: storms{},
		preview: newPreview(), lookers: o.lookers(), behaviours: newBehaviours(), rules: newRuling(o.rulesInForce()),
		sights: map[sightKey]*sight{}, sightsBy: map[string][]*sight{}, openBy: map[string]int{},
		agreement: map[string][]supported{},
	}
	for k := range s.families {
		p := kinds[k].params()
		p.Clean = o.Clean
		s.families[k] = models.NewFamily(p)
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
func (s *stream) warmUp() models.Minute { return models.Minute(s.set.WarmUp / time.Minute) }

// start begins the stream at its first event.
func (s *stream) start(first time.Time) {
	s.begun = true
	s.first = minuteOf(first)
	s.last = s.first
	s.passed, s.upkeep = s.first-1, s.first
	s.firstTime = first
	s.position.done = first.Truncate(time.Minute)
	s.position.flushed = 0 // Before this nothing was final, so nothing of it is late.
}

func minuteOf(t time.Time) models.Minute { return models.Minute(t.Unix() / 60) }

// minuteUnderWay is a minute that has begun and is not final.
type minuteUnderWay struct {
	open   bool
	at     models.Minute
	events int
}

// process runs the slice's events through series and models, minute by minute,
// and then time itself to its end.
func (s *stream) process(to time.Time) {
	for i := range s.slice {
		e := &s.slice[i]
		if m := minuteOf(e.Time); !s.minute.open || s.minute.at != m {
			s.closeMinute()
			s.openMinute(m)
		}
		s.final(e)
		s.breathe(i)
	}
	if s.minute.open && s.minute.at < minuteOf(to) {
		s.closeMinute()
	}
	s.pass(minuteOf(to) - 1)
}

// openMinute begins a minute that has events.
func (s *stream) openMinute(m models.Minute) {
	s.minute = minuteUnderWay{open: true, at: m}
	s.pass(m - 1)
	if s.overgrown() {
		if err := s.compact(); err != nil {
			s.o.Logger.Error("Making a stream smaller", "stream", s.key, "err", err)
		}
	}
	if day := m / 1440; day != s.counts.day {
		s.counts.begin(day)
		s.retune()
	}
}

// final counts an event of the minute under way.
func (s *stream) final(e *event.Event) {
	if s.ahead(e) {
		return
	}
	s.minute.events++
	s.lastTime = e.Time
	if e.Call() && s.o.Series != nil { // A replay has nobody to count for.
		s.counts.add(e)
	}
	s.observe(e, s.minute.at)
}

// closeMinute makes the minute under way final.
func (s *stream) closeMinute() {
	m, n := s.minute.at, s.minute.events
	s.minute = minuteUnderWay{}
	if n == 0 {
		return
	}
	s.events += uint64(n)
	s.broken(m)
	s.last = m
	s.gauge.add(m, float32(n))
	s.recent.add(m, n, s.o.evidence)
	s.counts.close(tsdb.SampleTime(minuteTime(m)))
	s.judge(m)
}

// breathe lets those in who wait to read the stream, at every thousandth event:
// a minute may have so many that they would wait for seconds. Only the line writes
// to a stream, so nothing changes meanwhile.
func (s *stream) breathe(i int) {
	if i&1023 == 1023 {
		s.mtx.Unlock()
		s.mtx.Lock()
	}
}

// pass lets time pass to minute m, after the events of the last minute that had
// any: what is over ends, unless the silence is a gap in the data. It comes to
// the same whether it is called once or for every minute, since all that is due at a
// minute is done before the next.
func (s *stream) pass(m models.Minute) {
	for s.passed < m {
		if len(s.episodes)+len(s.sights) > 0 {
			s.passed++
			gap := s.hold(s.passed)
			s.tick(s.passed)
			s.endSights(s.passed, gap)
			s.supervise(s.passed)
		} else { // Nothing can end.
			s.passed = min(m, s.upkeep+upkeepMinutes)
			s.hold(s.passed)
		}
		s.silent(s.passed)
		if s.upkeep+upkeepMinutes <= s.passed {
			s.upkeep += upkeepMinutes
			s.keep(s.upkeep)
		}
	}
}

// hold tells the models that the silence up to minute m is a gap, if it is one.
func (s *stream) hold(m models.Minute) bool {
	if m <= s.last || !s.gauge.gap(s.last+1, m+1) {
		return false
	}
	for _, f := range s.families {
		f.AddGap(s.last+1, m+1)
	}
	return true
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
	s.reviews.keep(m)
	s.exceptions.keep(m)
	s.storms.forget(m)
	s.rules.state.Advance(minuteTime(m))
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
	s.keepAgreement(m)
}

// retune sets the thresholds for the number of live series, once a day, and
// how many write APIs an identity could begin to use.
func (s *stream) retune() {
	s.families[kindCalls].SetPotential(float64(max(10, s.live[kindAccountCalls])))
	n := 0
	for _, live := range s.live {
		n += live
	}
	tau := threshold(n, s.set.BudgetPerDay)
	for k, f := range s.families {
		f.SetThreshold(max(leastThreshold, tau-ease[kinds[k].insight]))
	}
}

// ahead reports whether an event is too far ahead of its receipt to be
// believed. It is stored, and moves nothing.
func (s *stream) ahead(e *event.Event) bool { return ahead(e, s.set.Future) }

func ahead(e *event.Event, future time.Duration) bool {
	return !e.Received.IsZero() && e.Time.Sub(e.Received) > future
}

// read reads events from the log, as they are to be understood.
func (s *stream) read(ctx context.Context, q eventlog.ReadQuery) ([]event.Event, error) {
	return s.readWith(ctx, q, nil)
}

// readWith is read where record chooses the events that come with their records.
// It may be nil.
func (s *stream) readWith(ctx context.Context, q eventlog.ReadQuery, record func(*event.Event) bool) ([]event.Event, error) {
	again := s.o.Reinterpret
	if again == nil {
		q.Raw = record
		return s.o.Log.Read(ctx, q)
	}
	q.Raw = func(e *event.Event) bool {
		if s.o.Raw != nil && s.o.Raw(e) {
			return true
		}
		if record == nil {
			return false
		}
		today := *e
		again(&today)
		return record(&today)
	}
	events, err := s.o.Log.Read(ctx, q)
	for i := range events {
		e := &events[i]
		again(e)
		if record == nil || !record(e) {
			e.Raw = nil
		}
	}
	return events, err
}

// put hands an insight on. Where that fails it waits, as do those that follow it, for
// send.
func (s *stream) put(in insight.Insight) {
	s.unkept = append(s.unkept, in)
	if len(s.unkept) > 1 {
		return
	}
	if err := s.keepInsights(); err != nil {
		s.o.Logger.Warn("An insight cannot be kept yet; it is tried again", "stream", s.key, "err", err)
	}
}

// keepInsights hands on the insights that wait, in their order, up to the first that
// cannot be kept. What can never be kept is told, and left out.
func (s *stream) keepInsights() error {
	for len(s.unkept) > 0 {
		in := &s.unkept[0]
		switch _, err := s.insights.Put(*in); {
		case errors.Is(err, insight.ErrInvalid):
			s.o.Logger.Error("An insight cannot be kept; it is left out", "stream", s.key, "id", in.ID, "err", err)
		case err != nil:
			return fmt.Errorf("keeping insight %s of %s: %w", in.ID, s.key, err)
		}
		s.unkept = slices.Delete(s.unkept, 0, 1)
	}
	return nil
}
