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
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/tsdb"
)

// Log is what the engine needs of the event log. Its methods are safe for
// concurrent use.
type Log interface {
	// Read returns a stream's events of a span of time in order of (time, uid).
	Read(ctx context.Context, q eventlog.ReadQuery) ([]event.Event, error)
	// Count is about how many events Read would return, CountSince of those with a
	// larger number than seq. They are 0 only where there are none.
	Count(stream event.StreamKey, from, to time.Time) int
	CountSince(stream event.StreamKey, from, to time.Time, seq uint64) int
	LastSeq() uint64
	// Settle makes durable what the log has taken in.
	Settle(ctx context.Context) error
	Streams() []eventlog.StreamStat
	AppendControl(ctx context.Context, c event.Control) (uint64, error)
	// ControlsSince yields the control records with a larger number than seq.
	ControlsSince(seq uint64) iter.Seq[event.Control]
	// Thin tells the log which of them nobody will ask for again.
	Thin(seq uint64) error
}

// Series is where samples go. Nothing is stored where it is nil, as in a
// replay. What is written again with the same values changes nothing.
type Series interface {
	Append(samples []tsdb.Sample) error
	Backfill(samples []tsdb.Sample) error
	CommitBackfill(ctx context.Context, progress func(done, total int)) error
	// Sync makes durable what was written.
	Sync() error
}

// Insights is where insights go. Put is called in order of event time for a
// stream, by several streams at once.
type Insights interface {
	Put(in insight.Insight) (bool, error)
	// Provisional lists what was said of a stream and is not final.
	Provisional(stream event.StreamKey) []insight.Insight
	// Sweep withdraws the final insights that started in a span of time and that
	// keep does not know.
	Sweep(stream event.StreamKey, from, to time.Time, keep func(id string) bool) (int, error)
	// Announce tells of what still goes on, which was not told while a stream
	// was catching up.
	Announce(stream event.StreamKey) int
	Sync() error
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
	// Locate says where an address is, where a database of cities knows. It may be
	// nil.
	Locate func(netip.Addr) (geo.Point, bool)
	// Reinterpret, where it is set, changes events as they are read: a rebuild
	// under today's catalogue and databases.
	Reinterpret func(*event.Event)
	// Raw chooses the events that Reinterpret needs with their raw records. It
	// may be nil where it needs none.
	Raw func(*event.Event) bool

	// Clean says that the events have nothing in them that an insight is for: it
	// is for fitting priors, not for use.
	Clean bool
	// Settings are in force until Configure.
	Settings Settings
	// Rules are in force until SetRules. There are none where it is nil.
	Rules *rules.Set
	// StateDir holds the streams' snapshots. Where it is empty there are none.
	StateDir string
	// PushIdle is after how long without a word from a push client the clock
	// passes it over; 0 is a minute.
	PushIdle time.Duration
	// SnapshotEvery is how much time passes between a stream's snapshots, by the
	// clock; 0 is five minutes.
	SnapshotEvery time.Duration
	// GatherSamples is from how many samples of history on they are committed at
	// once; fewer are left to the series to commit in time.
	GatherSamples int
	// SliceEvents is about how many events of a stream the final pass holds in memory
	// at once: an hour with more is read in parts, down to a second. 0 is 100,000.
	SliceEvents int

	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// evidence is how many events of a stream are looked at for one insight.
	evidence int
	// stored counts the series of all streams.
	stored *atomic.Int64
	// ruleset is the rules in force.
	ruleset *atomic.Pointer[rules.Set]
	// lookers makes a stream's detectors of single events.
	lookers func() []looker
	metrics *metrics
}

func (o *Options) validate() error {
	switch {
	case o.Log == nil:
		return errors.New("engine: no event log")
	case o.Insights == nil:
		return errors.New("engine: nowhere to put insights")
	}
	o.complete()
	return o.Settings.validate()
}

// complete fills in what was left out.
func (o *Options) complete() {
	o.stored = new(atomic.Int64)
	if o.Rules == nil {
		o.Rules, _ = rules.Load(nil, rules.Options{})
	}
	o.ruleset = new(atomic.Pointer[rules.Set])
	o.ruleset.Store(o.Rules)
	if o.lookers == nil {
		o.lookers = newLookers
	}
	if o.evidence <= 0 {
		o.evidence = evidenceLimit
	}
	if o.SliceEvents <= 0 {
		o.SliceEvents = 100_000
	}
	if o.PushIdle <= 0 {
		o.PushIdle = time.Minute
	}
	if o.SnapshotEvery <= 0 {
		o.SnapshotEvery = 5 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Engine runs the streams. Its methods are safe for concurrent use, but for
// those that move watermarks: one goroutine calls these.
type Engine struct {
	o       Options
	metrics *metrics

	// controlMtx is held while a control record is written that changes what
	// follows it.
	controlMtx sync.RWMutex
	noted      string     // The configuration of the last record.
	notedRules *rulesData // nil before there is any record of rules

	mtx      sync.RWMutex
	settings Settings
	streams  map[event.StreamKey]*stream
	pushes   map[pushKey]*push
	// pushing counts the pushes of a client that are under way.
	pushing map[string]int

	book       *book
	exceptions *exceptionBook
	// confessed are silencings of which an insight goes on.
	confessed []*silencing
	// unheard are records of what users said that their streams have not heard.
	unheard map[event.StreamKey][]event.Control

	// opened is the log's last position before anything arrived.
	opened uint64

	mending mending

	// shadows are streams that are being made anew, until shadowing ends.
	shadows   sync.WaitGroup
	shadowing context.Context
	stop      context.CancelFunc
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

// New returns an Engine without streams; they begin with their first event, or
// with Restore.
func New(o Options) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		o: o, settings: o.Settings, streams: map[event.StreamKey]*stream{}, pushes: map[pushKey]*push{}, pushing: map[string]int{},
		book: newBook(), exceptions: newExceptionBook(), unheard: map[event.StreamKey][]event.Control{},
	}
	if o.StateDir != "" {
		if err := os.MkdirAll(o.StateDir, 0o750); err != nil {
			return nil, fmt.Errorf("making the folder of snapshots: %w", err)
		}
		if _, known := readThinned(o.StateDir); !known {
			// Whoever finds records without this file has lost it.
			if err := writeThinned(o.StateDir, 0); err != nil {
				return nil, err
			}
		}
	}
	e.metrics = newMetrics(o.Registerer, e)
	e.o.metrics = e.metrics
	e.shadowing, e.stop = context.WithCancel(context.Background())
	e.load()
	return e, nil
}

// Close ends what runs in the background, and writes the last snapshots. Nothing
// moves watermarks any more when it is called.
func (e *Engine) Close() error {
	e.stop()
	e.shadows.Wait()
	return e.snapshot(true)
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
		s = newStream(key, &e.o, e.settings)
		e.streams[key] = s
		if list := append(e.unheardOf(key), e.unheard[key]...); len(list) > 0 {
			slices.SortFunc(list, func(a, b event.Control) int { return cmp.Compare(a.Seq, b.Seq) })
			e.unheard[key] = list
		}
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
	now, future := e.o.Now(), e.current().Future
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
			key := event.StreamKey{Provider: ev.Provider, Account: ev.Account}
			if client != "" && !ahead(ev, future) {
				// Before others see the stream: else its watermark would be the clock's.
				e.pushed(key, client, ev.Time, now)
			}
			s = e.stream(key)
		}
		e.metrics.arrived.Inc()
		if ahead(ev, future) {
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
		}
		if !ev.Call() || e.o.Series == nil {
			continue
		}
		switch {
		case ev.Late: // It shows once it is in the series.
		case now.Sub(ev.Time) < openWindow:
			s.open.add(ev)
		}
	}
	note()
}

// Pushing tells the engine that a client has begun to push: until done is called
// it is not silent, however long the disk takes.
func (e *Engine) Pushing(client string) (done func()) {
	e.mtx.Lock()
	e.pushing[client]++
	e.mtx.Unlock()
	return func() {
		now := e.o.Now()
		e.mtx.Lock()
		defer e.mtx.Unlock()
		if e.pushing[client]--; e.pushing[client] == 0 {
			delete(e.pushing, client)
		}
		for k, p := range e.pushes {
			if k.client == client {
				p.seen = now
			}
		}
	}
}

func (e *Engine) pushed(key event.StreamKey, client string, newest, now time.Time) {
	e.mtx.Lock()
	defer e.mtx.Unlock()
	k := pushKey{key, client}
	p := e.pushes[k]
	if p == nil {
		p = &push{}
		k.stream = event.StreamKey{Provider: strings.Clone(key.Provider), Account: strings.Clone(key.Account)}
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
	lateness := e.current().Lateness
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
		if now.Sub(p.seen) >= e.o.PushIdle && e.pushing[k.client] == 0 {
			delete(e.pushes, k)
		} else if k.stream == key && p.newest.Before(w) {
			w = p.newest
		}
	}
	e.mtx.Unlock()
	return w.Add(-lateness).Truncate(time.Minute), true
}

// LiveSeries serves the open minutes. It makes Engine a tsdb.LiveSource.
func (e *Engine) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	var out []tsdb.LiveSeries
	for _, s := range e.list() {
		out = append(out, s.open.liveSeries(mint, maxt, ms)...)
	}
	return out
}
