package engine

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/tsdb"
)

// load takes the streams from their snapshots, before anything arrives.
func (e *Engine) load() {
	e.opened = e.o.Log.LastSeq()
	now := e.o.Now()
	for _, st := range e.o.Log.Streams() {
		if e.o.StateDir == "" {
			e.stream(st.Key)
			continue
		}
		s, pushes := loadSnapshot(e.o.StateDir, st.Key, &e.o)
		if s == nil {
			e.stream(st.Key)
			continue
		}
		e.o.stored.Add(int64(len(s.counts.byKey)))
		e.streams[st.Key] = s
		for _, p := range pushes {
			e.pushes[pushKey{st.Key, p.client}] = &push{newest: p.newest, seen: now}
		}
	}
}

// step is a control record as one stream sees it.
type step struct {
	event.Control
	set *Settings // of a config record
}

// steps are the control records by stream, in order; those that are about all
// streams are in each list.
func (e *Engine) steps() map[event.StreamKey][]step {
	out := map[event.StreamKey][]step{}
	for _, s := range e.list() {
		out[s.key] = nil
	}
	own := func(c event.Control) {
		if list, ok := out[c.Stream]; ok {
			out[c.Stream] = append(list, step{Control: c})
		} else if said(c.Kind) { // It may begin again.
			e.mtx.Lock()
			e.unheard[c.Stream] = append(e.unheard[c.Stream], c)
			e.mtx.Unlock()
		}
	}
	for c := range e.o.Log.ControlsSince(0) {
		switch c.Kind {
		case event.ControlConfig:
			set, err := settingsOf(&c)
			if err != nil {
				e.o.Logger.Warn("A configuration in the event log cannot be read; the one before stays in force", "seq", c.Seq, "err", err)
				continue
			}
			e.noted = string(c.Data)
			for k := range out {
				out[k] = append(out[k], step{c, set})
			}
		case event.ControlRules:
			e.recallRules(&c)
		case event.ControlException:
			e.recallException(&c)
			for k := range out {
				if of, ok := forStream(c, k); ok {
					out[k] = append(out[k], step{Control: of})
				}
			}
		case event.ControlFeedback:
			e.recallFeedback(&c)
			own(c)
		case event.ControlRebaseline:
			e.recallRebaseline(&c)
			own(c)
		case event.ControlWatermark, event.ControlRebuild:
			own(c)
		}
	}
	return out
}

// stepsOf yields the control records after one position and before another as one
// stream sees them.
func (e *Engine) stepsOf(key event.StreamKey, after, before uint64) iter.Seq[step] {
	return func(yield func(step) bool) {
		for c := range e.o.Log.ControlsSince(after) {
			if c.Seq >= before {
				return
			}
			st, ok := step{Control: c}, c.Stream == key
			switch {
			case c.Kind == event.ControlConfig:
				set, err := settingsOf(&c)
				st.set, ok = set, err == nil // It was told at the start.
			case said(c.Kind):
				st.Control, ok = forStream(c, key)
			}
			if ok && !yield(st) {
				return
			}
		}
	}
}

// Restore brings the streams from their snapshots to where they were: the
// records that follow are carried out once more, on what the log held at each.
func (e *Engine) Restore(ctx context.Context) error { return e.bring(ctx, e.repeat) }

// Rebuild makes the streams anew from everything that the log holds, under the
// settings that were in force, or under today's throughout where events are
// reinterpreted. Events that came late are learned like others.
func (e *Engine) Rebuild(ctx context.Context) error { return e.bring(ctx, e.rebuild) }

// bring brings every stream to its last record by the given way.
func (e *Engine) bring(ctx context.Context, by func(context.Context, *stream, []step, func([]tsdb.Sample) error) error) error {
	steps := e.steps()
	err := e.each(ctx, func(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
		if err := by(ctx, s, steps[s.key], emit); err != nil {
			return err
		}
		return e.reopen(ctx, s.key)
	})
	if err != nil {
		return err
	}
	return e.snapshot(false)
}

// repeat carries out a stream's records after its position.
func (e *Engine) repeat(ctx context.Context, s *stream, steps []step, emit func([]tsdb.Sample) error) error {
	if s.begun && s.position.due() {
		if err := s.complete(ctx, emit); err != nil {
			return err
		}
	}
	for _, c := range steps {
		if c.Seq <= s.position.seq {
			continue
		}
		switch c.Kind {
		case event.ControlConfig:
			s.await(c.set)
		case event.ControlFeedback, event.ControlRebaseline, event.ControlException:
			s.hear(&c.Control)
		case event.ControlWatermark:
			s.order(c.Seq, c.Time)
			if err := s.complete(ctx, emit); err != nil {
				return err
			}
		case event.ControlRebuild:
			fresh, err := e.relearn(ctx, s, c.Seq, emit)
			if err != nil {
				return err
			}
			s = fresh
		}
	}
	return nil
}

// complete carries out a record to its end.
func (s *stream) complete(ctx context.Context, emit func([]tsdb.Sample) error) error {
	for {
		if err := s.advance(ctx, emit, roundEvents); err != nil {
			return err
		}
		if !s.begun || !s.position.due() {
			return nil
		}
	}
}

// rebuild moves a new stream to the last watermark that was recorded.
func (e *Engine) rebuild(ctx context.Context, s *stream, steps []step, emit func([]tsdb.Sample) error) error {
	seq := uint64(0)
	for _, c := range steps {
		if c.Kind == event.ControlWatermark {
			seq = c.Seq
		}
	}
	if e.o.Reinterpret != nil {
		steps = slices.DeleteFunc(slices.Clone(steps), func(c step) bool { return c.Kind == event.ControlConfig })
	}
	return s.retrace(ctx, seq, steps, emit)
}

// retrace moves a new stream through what the log held at a position, up to the last
// watermark of the steps, and stops where settings changed or something was said. Which
// watermarks were between may be thinned out: the newest before a change is there, and
// what was said says its own.
func (s *stream) retrace(ctx context.Context, seq uint64, steps []step, emit func([]tsdb.Sample) error) error {
	to := func(t time.Time) error {
		if t.IsZero() {
			return nil // Nothing was final.
		}
		s.order(seq, t)
		return s.complete(ctx, emit)
	}
	var last time.Time
	for _, c := range steps {
		switch {
		case c.Kind == event.ControlWatermark:
			last = c.Time
		case c.Kind == event.ControlConfig:
			if err := to(last); err != nil {
				return err
			}
			s.await(c.set)
		case said(c.Kind):
			if err := to(c.Time); err != nil {
				return err
			}
			s.hear(&c.Control)
		}
	}
	return to(last)
}

// reopen shows again what the log held after a stream's watermark when it was
// opened.
func (e *Engine) reopen(ctx context.Context, key event.StreamKey) error {
	s := e.stream(key)
	s.preview.recall(e.o.Insights.Provisional(key), s)
	if e.o.Series == nil || e.opened == 0 {
		return nil
	}
	now := e.o.Now()
	from := s.position.done
	if oldest := now.Add(-openWindow); from.Before(oldest) {
		from = oldest
	}
	events, err := e.o.Log.Read(ctx, eventlog.ReadQuery{Stream: key, From: from, MaxSeq: e.opened})
	if err != nil {
		return fmt.Errorf("reading the open minutes of %s: %w", key, err)
	}
	s.mtx.Lock()
	known, future := s.snapshot.seq, s.set.Future
	for i := range events {
		if e := &events[i]; ahead(e, future) && e.Seq > known {
			s.future++
		}
	}
	s.mtx.Unlock()
	for i := range events {
		if ev := &events[i]; ev.Call() && !ahead(ev, future) {
			s.open.add(ev)
		}
	}
	return nil
}
