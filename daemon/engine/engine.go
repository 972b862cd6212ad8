// Package engine is the line itself: it knows in which order an event becomes
// counts, counts become verdicts, and verdicts become insights.
//
// A stream is a provider's account. Events reach it through the event log: on
// arrival they show in the open minutes, and when the stream's watermark has
// passed them they are read back in order of (time, uid) and are final. Live,
// replay, backfill and rebuild are this one program; they differ in who moves
// the watermark.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// Log is what the engine needs of the event log. Its methods are safe for
// concurrent use.
type Log interface {
	// Read returns a stream's events of a span of time in order of (time, uid).
	Read(ctx context.Context, q eventlog.ReadQuery) ([]event.Event, error)
	// Count is an upper bound of how many events Read would return.
	Count(stream event.StreamKey, from, to time.Time) int
	Streams() []eventlog.StreamStat
	AppendControl(ctx context.Context, c event.Control) (uint64, error)
	Watermark(stream event.StreamKey) time.Time
}

// Series is where samples go. Nothing is stored where it is nil, as in a
// replay.
type Series interface {
	Append(samples []tsdb.Sample) error
	Backfill(samples []tsdb.Sample) error
	CommitBackfill(ctx context.Context, progress func(done, total int)) error
}

// Insights is where insights go. Put is called in order of event time for a
// stream, by several streams at once.
type Insights interface {
	Put(in insight.Insight) (bool, error)
}

// SourceFrontier says how far a source is. A source that is at its end is
// passed over by the clock; one with a backlog of unknown age, whose Frontier
// is zero, holds every watermark.
type SourceFrontier struct {
	Name     string
	AtEnd    bool
	Frontier time.Time
}

// Options are what an Engine is made of.
type Options struct {
	Log      Log
	Series   Series
	Insights Insights
	// Sources returns how far the sources are that are read, rather than push.
	Sources func() []SourceFrontier

	// Network classes an address, so that networks that are known are not
	// proposed. It may be nil.
	Network func(netip.Addr) event.Network

	// Lateness is how much later than another event one may come.
	Lateness time.Duration
	// Future is how far ahead of its receipt an event may be.
	Future time.Duration
	// WarmUp is how long a stream only learns, in event time.
	WarmUp time.Duration
	// BudgetPerDay is how many incidents of an account are told in a day; 0 is
	// no limit.
	BudgetPerDay float64
	// SeriesPerAccount caps the stored series of an account; 0 is no limit.
	SeriesPerAccount int
	// SeriesInAll caps the stored series of all accounts; 0 is no limit.
	SeriesInAll int
	// ModelStates caps the model states of an account: the longest idle ones
	// make room. 0 is no limit.
	ModelStates int
	// SliceEvents is how many events of a stream the final pass holds in memory
	// at once, at the most: an hour with more is read in parts. 0 is 100,000.
	SliceEvents int
	// DataEvents lets the data category into the call-rate models.
	DataEvents bool

	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// stored counts the series of all streams.
	stored *atomic.Int64
}

func (o *Options) validate() error {
	switch {
	case o.Log == nil:
		return errors.New("engine: no event log")
	case o.Insights == nil:
		return errors.New("engine: nowhere to put insights")
	case o.Lateness < 0 || o.Future < 0 || o.WarmUp < 0:
		return errors.New("engine: a duration is negative")
	}
	o.stored = new(atomic.Int64)
	if o.SliceEvents <= 0 {
		o.SliceEvents = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Engine runs the streams. Its methods are safe for concurrent use, but for
// those that move watermarks: one goroutine calls these.
type Engine struct {
	o       Options
	metrics *metrics

	mtx     sync.RWMutex
	streams map[event.StreamKey]*stream
	pushes  map[pushKey]*push
}

type pushKey struct {
	stream event.StreamKey
	client string
}

// push is how far a push client is.
type push struct {
	newest time.Time // event time
	seen   time.Time // by our clock
}

// pushIdle is after how long without a word from a push client the clock
// passes it over.
const pushIdle = time.Minute

// New returns an Engine without streams; they begin with their first event.
func New(o Options) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	e := &Engine{o: o, streams: map[event.StreamKey]*stream{}, pushes: map[pushKey]*push{}}
	e.metrics = newMetrics(o.Registerer, e)
	return e, nil
}

// stream returns the stream of that key, which it makes if need be.
func (e *Engine) stream(key event.StreamKey) *stream {
	e.mtx.RLock()
	s := e.streams[key]
	e.mtx.RUnlock()
	if s != nil {
		return s
	}
	e.mtx.Lock()
	defer e.mtx.Unlock()
	if s = e.streams[key]; s == nil {
		key = event.StreamKey{Provider: strings.Clone(key.Provider), Account: strings.Clone(key.Account)}
		s = newStream(key, &e.o)
		e.streams[key] = s
	}
	return s
}

// list returns the streams in order of their keys.
func (e *Engine) list() []*stream {
	e.mtx.RLock()
	defer e.mtx.RUnlock()
	out := make([]*stream, 0, len(e.streams))
	for _, s := range e.streams {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *stream) int { return strings.Compare(a.key.String(), b.key.String()) })
	return out
}

// Arrived tells the engine of events that the log has taken in: those with a
// Seq. client names the push client that sent them, and is empty where a source
// was read.
func (e *Engine) Arrived(client string, events []event.Event) {
	now := e.o.Now()
	var s *stream
	var newest time.Time
	note := func() {
		if s != nil && client != "" && !newest.IsZero() {
			e.pushed(s.key, client, newest, now)
		}
	}
	for i := range events {
		ev := &events[i]
		if ev.Seq == 0 {
			continue
		}
		if s == nil || s.key.Account != ev.Account || s.key.Provider != ev.Provider {
			note()
			newest = time.Time{}
			s = e.stream(event.StreamKey{Provider: ev.Provider, Account: ev.Account})
		}
		e.metrics.arrived.Inc()
		if s.ahead(ev) {
			e.metrics.future.Inc()
			s.mtx.Lock()
			s.future++
			s.mtx.Unlock()
			continue
		}
		if ev.Time.After(newest) {
			newest = ev.Time
		}
		if ev.Late {
			e.metrics.late.Inc()
			s.mtx.Lock()
			s.late++
			s.mtx.Unlock()
		}
		if !ev.Call() || e.o.Series == nil {
			continue
		}
		switch {
		case ev.Late:
			s.open.addLate(ev)
		case now.Sub(ev.Time) < openWindow:
			s.open.add(ev)
		}
	}
	note()
}

func (e *Engine) pushed(key event.StreamKey, client string, newest, now time.Time) {
	e.mtx.Lock()
	defer e.mtx.Unlock()
	k := pushKey{key, client}
	p := e.pushes[k]
	if p == nil {
		p = &push{}
		e.pushes[k] = p
	}
	if newest.After(p.newest) {
		p.newest = newest
	}
	p.seen = now
}

// watermark is up to where a stream may become final at this moment: the least
// over its sources of the oldest event time that each may still deliver, less
// the allowed lateness. ok is false while a source with a backlog holds it.
func (e *Engine) watermark(key event.StreamKey) (w time.Time, ok bool) {
	now := e.o.Now()
	w = now
	if e.o.Sources != nil {
		for _, f := range e.o.Sources() {
			switch {
			case f.AtEnd:
			case f.Frontier.IsZero():
				return time.Time{}, false
			case f.Frontier.Before(w):
				w = f.Frontier
			}
		}
	}
	e.mtx.Lock()
	for k, p := range e.pushes {
		if now.Sub(p.seen) >= pushIdle {
			delete(e.pushes, k)
		} else if k.stream == key && p.newest.Before(w) {
			w = p.newest
		}
	}
	e.mtx.Unlock()
	return w.Add(-e.o.Lateness).Truncate(time.Minute), true
}

// Advance moves every stream to its watermark, several at a time.
func (e *Engine) Advance(ctx context.Context) error {
	return e.move(ctx, func(s *stream) (time.Time, bool) { return e.watermark(s.key) })
}

// Finish makes everything in the log final: the end of a replay, when nothing
// more will come.
func (e *Engine) Finish(ctx context.Context) error {
	last := map[event.StreamKey]time.Time{}
	for _, st := range e.o.Log.Streams() {
		last[st.Key] = st.Last
		e.stream(st.Key)
	}
	return e.move(ctx, func(s *stream) (time.Time, bool) {
		t := last[s.key]
		return t.Truncate(time.Minute).Add(time.Minute), !t.IsZero()
	})
}

// Restore brings the streams back to where they were: everything in the log up
// to each stream's last watermark runs through series and models again. Samples
// up to stored, which the TSDB has, are not written again; a zero time writes
// all, which is a rebuild.
func (e *Engine) Restore(ctx context.Context, stored time.Time) error {
	for _, st := range e.o.Log.Streams() {
		e.stream(st.Key)
	}
	return e.each(ctx, stored, func(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
		w := e.o.Log.Watermark(s.key)
		if !w.IsZero() {
			if err := s.advance(ctx, w, 0, emit); err != nil {
				return err
			}
		}
		return e.reopen(ctx, s, w)
	})
}

// reopen shows again what the log holds after a stream's watermark.
func (e *Engine) reopen(ctx context.Context, s *stream, from time.Time) error {
	if e.o.Series == nil {
		return nil
	}
	now := e.o.Now()
	if oldest := now.Add(-openWindow); from.Before(oldest) {
		from = oldest
	}
	events, err := e.o.Log.Read(ctx, eventlog.ReadQuery{Stream: s.key, From: from, To: now.Add(e.o.Future)})
	if err != nil {
		return fmt.Errorf("reading the open minutes of %s: %w", s.key, err)
	}
	for i := range events {
		if ev := &events[i]; ev.Call() && !s.ahead(ev) {
			s.open.add(ev)
		}
	}
	return nil
}

// move moves streams to their targets.
func (e *Engine) move(ctx context.Context, target func(*stream) (time.Time, bool)) error {
	return e.each(ctx, time.Time{}, func(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
		to, ok := target(s)
		if !ok {
			return nil
		}
		return e.moveStream(ctx, s, to, emit)
	})
}

// backfillAge is how old a sample may be, by the clock, to go to the head of
// the series like a live one; older ones are written as blocks.
const backfillAge = 6 * time.Hour

// each runs do for every stream, several at a time, with a function that stores
// the samples after a time. Blocks of history are written at the end.
func (e *Engine) each(ctx context.Context, after time.Time, do func(context.Context, *stream, func([]tsdb.Sample) error) error) error {
	var backfilled atomic.Bool
	edge := e.o.Now().Add(-backfillAge).UnixMilli()
	emit := func(samples []tsdb.Sample) error {
		if e.o.Series == nil {
			return nil
		}
		if !after.IsZero() {
			samples = samples[sampleIndex(samples, after.UnixMilli()+1):]
		}
		i := sampleIndex(samples, edge)
		if i > 0 {
			backfilled.Store(true)
			if err := e.o.Series.Backfill(samples[:i]); err != nil {
				return err
			}
		}
		if i == len(samples) {
			return nil
		}
		return e.o.Series.Append(samples[i:])
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range e.list() {
		g.Go(func() error { return do(gctx, s, emit) })
	}
	err := g.Wait()
	if backfilled.Load() {
		if cerr := e.o.Series.CommitBackfill(ctx, nil); cerr != nil {
			err = errors.Join(err, fmt.Errorf("writing the history of series: %w", cerr))
		}
	}
	return err
}

// sampleIndex is the index of the first sample at or after t, in milliseconds.
func sampleIndex(samples []tsdb.Sample, t int64) int {
	i, _ := slices.BinarySearchFunc(samples, t, func(s tsdb.Sample, t int64) int {
		if s.T < t {
			return -1
		}
		return 1
	})
	return i
}

func (e *Engine) moveStream(ctx context.Context, s *stream, to time.Time, emit func([]tsdb.Sample) error) error {
	to = to.Truncate(time.Minute)
	if s.begun && !s.done.Before(to) {
		return nil
	}
	if !s.begun {
		if first, ok := s.firstStored(); !ok || !first.Before(to) {
			return nil // Nothing would become final.
		}
	}
	seq, err := e.o.Log.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: s.key, Time: to})
	if err != nil {
		return fmt.Errorf("recording the watermark of %s: %w", s.key, err)
	}
	if err := s.advance(ctx, to, seq, emit); err != nil {
		return err
	}
	if e.o.Series == nil {
		return nil
	}
	s.open.drop(to.UnixMilli())
	if late := s.open.takeLate(seq); len(late) > 0 {
		return e.o.Series.Append(late)
	}
	return nil
}

// LiveSeries serves the open minutes. It makes Engine a tsdb.LiveSource.
func (e *Engine) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	var out []tsdb.LiveSeries
	for _, s := range e.list() {
		out = append(out, s.open.liveSeries(mint, maxt, ms)...)
	}
	return out
}
