package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// History that is added to a running stream comes after its watermark: the
// series count it, the models do not know it. Where that is much, the stream is
// made anew in shadow from everything that the log holds, while the old one goes
// on, and takes its place when it has caught up.

const (
	// relearnLeast and relearnShare are how many late events, and what share of
	// all, are worth it.
	relearnLeast = 100
	relearnShare = 0.02
	// relearnEvery is how much time passes between two times at the least, by the
	// clock.
	relearnEvery = 10 * time.Minute
)

// shadow is the making of a stream.
type shadow struct {
	reason string
	// fresh is the new stream, once it is at the record that it began with.
	done  chan struct{}
	fresh *stream
	err   error
}

// collected keeps what a shadow finds until it takes over: every telling, in order, since
// the record that is carried out again tells each of them again. A store that knew the
// newest alone would take the others for news.
type collected struct {
	said []insight.Insight
	// found are the ids.
	found map[string]bool
}

func newCollected() *collected { return &collected{found: map[string]bool{}} }

// Put makes collected an Insights.
func (c *collected) Put(in insight.Insight) (bool, error) {
	c.said = append(c.said, in)
	c.found[in.ID] = true
	return true, nil
}

// Provisional makes collected an Insights.
func (c *collected) Provisional(event.StreamKey) []insight.Insight { return nil }

// Sweep makes collected an Insights.
func (c *collected) Sweep(event.StreamKey, time.Time, time.Time, func(string) bool) (int, error) {
	return 0, nil
}

// Announce makes collected an Insights.
func (c *collected) Announce(event.StreamKey) int { return 0 }

// Sync makes collected an Insights.
func (c *collected) Sync() error { return nil }

// quiet reports whether every source is read to its end: whoever adds history
// is done with it.
func (e *Engine) quiet() bool {
	if e.o.Sources == nil {
		return true
	}
	for _, f := range e.o.Sources() {
		if !f.AtEnd {
			return false
		}
	}
	return true
}

// reconsider begins to make a stream anew where it has to be, and puts the new
// one in force when it is there. No record of the stream is due.
func (e *Engine) reconsider(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
	if sh := s.shadow; sh != nil {
		select {
		case <-sh.done:
		default:
			return nil
		}
		s.mtx.Lock()
		s.shadow = nil
		s.mtx.Unlock()
		err := sh.err
		if err == nil {
			err = e.takeOver(ctx, s, sh.fresh)
		}
		if err != nil && ctx.Err() == nil {
			e.o.Logger.Error("Making models anew failed; the old ones stay", "stream", s.key, "err", err)
		}
		e.mending.ended(s.key, err == nil)
		return nil
	}
	now := e.o.Now()
	reason := e.mending.take(s.key, now)
	switch {
	case reason != "":
	case float64(s.untaught) >= max(relearnLeast, relearnShare*float64(s.events)) && now.Sub(s.relearned) >= relearnEvery && e.quiet():
		reason = fmt.Sprintf("%d events came after their time, the oldest of %s", s.untaught, s.untaughtFrom.Format(time.RFC3339))
	default:
		return nil
	}
	if err := e.settle(ctx); err != nil {
		e.mending.ended(s.key, false)
		return err
	}
	if !e.beginShadow(ctx, s, now, reason) {
		e.mending.ended(s.key, false)
		return nil
	}
	if err := e.settle(ctx); err != nil {
		return err
	}
	return s.complete(ctx, emit)
}

// beginShadow records that a stream is made anew, and begins to. The record is one of
// the old stream's too: what came late before it goes to the series once that carries it
// out, since the new stream knows it as history.
func (e *Engine) beginShadow(ctx context.Context, s *stream, now time.Time, reason string) bool {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	target := s.position.target
	seq, err := e.o.Log.AppendControl(ctx, event.Control{Kind: event.ControlRebuild, Stream: s.key, Time: target})
	if err != nil {
		e.o.Logger.Error("Recording that models are made anew", "stream", s.key, "err", err)
		return false
	}
	s.order(seq, target)
	sh := &shadow{reason: reason, done: make(chan struct{})}
	s.mtx.Lock()
	s.shadow, s.relearned = sh, now
	s.mtx.Unlock()
	e.o.Logger.Info("Making models and insights anew", "stream", s.key, "reason", sh.reason)
	e.shadows.Go(func() {
		defer close(sh.done)
		sh.fresh, sh.err = e.freshStream(e.shadowing, s.key, seq, target)
	})
	return true
}

// freshStream makes a stream anew from everything that the log held at a position, up
// to a watermark, under the settings that were in force. What it finds is kept with it.
func (e *Engine) freshStream(ctx context.Context, key event.StreamKey, seq uint64, target time.Time) (*stream, error) {
	fresh := newStream(key, &e.o, e.o.Settings)
	fresh.insights = newCollected()
	fresh.counts.stored = e.storedBeside(key)
	steps := slices.AppendSeq([]step{}, e.stepsOf(key, 0, seq))
	steps = append(steps, step{Control: event.Control{Kind: event.ControlWatermark, Time: target}})
	if err := fresh.retrace(ctx, seq, steps, func([]tsdb.Sample) error { return nil }); err != nil {
		return nil, fmt.Errorf("making %s anew: %w", key, err)
	}
	return fresh, nil
}

// storedBeside counts the series of all other streams: those of a stream that is made
// anew count against the limit by themselves until they take the place of the old ones.
func (e *Engine) storedBeside(key event.StreamKey) *atomic.Int64 {
	s := e.stream(key)
	s.mtx.Lock()
	defer s.mtx.Unlock()
	n := new(atomic.Int64)
	n.Store(e.o.stored.Load() - int64(len(s.counts.byKey)))
	return n
}

// relearn is the making of a stream that a restart repeats: the old one carries out the
// record, and the new one takes its place.
func (e *Engine) relearn(ctx context.Context, s *stream, seq uint64, emit func([]tsdb.Sample) error) (*stream, error) {
	s.order(seq, s.position.target)
	if err := s.complete(ctx, emit); err != nil {
		return nil, err
	}
	fresh, err := e.freshStream(ctx, s.key, seq, s.position.target)
	if err != nil {
		return nil, err
	}
	e.swap(s, fresh)
	return fresh, nil
}

// takeOver brings a new stream to where the old one is and puts it in force.
func (e *Engine) takeOver(ctx context.Context, s, fresh *stream) error {
	for c := range e.stepsOf(s.key, fresh.position.seq, math.MaxUint64) {
		switch {
		case c.Kind == event.ControlConfig:
			fresh.await(c.set)
		case said(c.Kind) && c.Seq <= s.reviews.heard:
			fresh.hear(&c.Control)
		case c.Kind == event.ControlWatermark && c.Seq <= s.position.seq:
			fresh.order(c.Seq, c.Time)
			if err := fresh.complete(ctx, func([]tsdb.Sample) error { return nil }); err != nil {
				return err
			}
		}
	}
	e.swap(s, fresh)
	e.o.Logger.Info("Models were made anew", "stream", s.key, "events", fresh.events, "from", fresh.firstTime)
	return nil
}

// swap puts a new stream in the place of the old one, and its insights in the
// place of the old one's.
func (e *Engine) swap(s, fresh *stream) {
	found, _ := fresh.insights.(*collected)
	s.mtx.Lock()
	fresh.mtx.Lock()
	fresh.open, fresh.future, fresh.relearned = s.open, s.future, s.relearned
	fresh.late, fresh.rules.findings = s.late, s.rules.findings
	fresh.snapshot, fresh.preview = s.snapshot, s.preview
	fresh.preview.detach()
	fresh.insights, fresh.unkept = e.o.Insights, s.unkept
	fresh.counts.stored = e.o.stored
	e.o.stored.Add(int64(len(fresh.counts.byKey) - len(s.counts.byKey)))
	fresh.mtx.Unlock()
	s.mtx.Unlock()
	e.mtx.Lock()
	e.streams[s.key] = fresh
	e.mtx.Unlock()

	from := fresh.firstTime
	if s.firstTime.Before(from) {
		from = s.firstTime
	}
	fresh.confirm(found)
	for _, in := range found.said {
		fresh.put(in)
	}
	gone, err := e.o.Insights.Sweep(s.key, from, fresh.position.done, func(id string) bool { return found.found[id] })
	if err != nil {
		e.o.Logger.Error("Withdrawing insights that were not found again", "stream", s.key, "err", err)
	}
	fresh.present = false
	if gone > 0 {
		e.o.Logger.Info("Insights were withdrawn, since more history says otherwise", "stream", s.key, "insights", gone)
	}
}

// confirm settles what was told on arrival of what a new stream found, which says then
// what it takes the place of.
func (s *stream) confirm(c *collected) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	newest := map[string]*insight.Insight{}
	for i := range c.said {
		newest[c.said[i].ID] = &c.said[i]
	}
	superseded := map[string]string{}
	for i := range c.said {
		in := &c.said[i]
		if last := newest[in.ID]; last.State != insight.StateWithdrawn && s.preview.meant(last) {
			if old := s.preview.confirmed(s, *last); old != "" {
				superseded[in.ID] = old
			}
		}
		in.Supersedes = superseded[in.ID]
	}
	s.eachOpen(func(o opened) { o.insight.Supersedes = superseded[o.insight.ID] })
}
