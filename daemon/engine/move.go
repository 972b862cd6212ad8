package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/tsdb"
)

// roundEvents is how many events of a stream become final before the others
// and the snapshots have their turn.
const roundEvents = 2_000_000

// Advance moves every stream to its watermark, several at a time.
func (e *Engine) Advance(ctx context.Context) error {
	e.endConfessed()
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

// move moves streams to their targets, round after round until nothing is left
// to be done. What a round has done is in a snapshot before the next begins, so
// that a crash in the middle of a long history costs a part of it.
//
// What the log held at a record must be there after a crash as well, or it would
// come again and be counted twice: the log settles between the records and their
// being carried out. It does so before them too, or what comes again would come
// late.
func (e *Engine) move(ctx context.Context, target func(*stream) (time.Time, bool)) error {
	for {
		if err := e.order(ctx, target); err != nil {
			return err
		}
		// Whoever ordered them: a record that is due is carried out on a log that
		// has settled since.
		if slices.ContainsFunc(e.list(), func(s *stream) bool { return s.position.due() }) {
			if err := e.settle(ctx); err != nil {
				return err
			}
		}
		var more atomic.Bool
		err := e.each(ctx, func(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
			if err := e.moveStream(ctx, s, emit); err != nil {
				return err
			}
			if s.position.due() {
				more.Store(true)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := e.snapshot(false); err != nil {
			e.o.Logger.Error("Writing snapshots; a restart reads more of the event log", "err", err)
		}
		if !more.Load() {
			return nil
		}
	}
}

// order writes the next watermark of every stream that can move on.
func (e *Engine) order(ctx context.Context, target func(*stream) (time.Time, bool)) error {
	type next struct {
		s  *stream
		to time.Time
	}
	var list []next
	for _, s := range e.list() {
		if s.position.due() {
			continue
		}
		to, ok := target(s)
		if to = to.Truncate(time.Minute); !ok || !s.position.target.Before(to) {
			continue
		}
		if !s.begun {
			if first, ok := s.firstStored(); !ok || !first.Before(to) {
				continue // Nothing would become final.
			}
		}
		list = append(list, next{s, to})
	}
	if len(list) == 0 {
		return nil
	}
	if err := e.settle(ctx); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(recordsAtOnce)
	for _, n := range list {
		g.Go(func() error { return e.record(gctx, n.s, n.to) })
	}
	return g.Wait()
}

func (e *Engine) settle(ctx context.Context) error {
	if err := e.o.Log.Settle(ctx); err != nil {
		return fmt.Errorf("making events durable before they become final: %w", err)
	}
	return nil
}

// recordsAtOnce is how many watermarks are written at a time: the log makes them
// durable together.
const recordsAtOnce = 64

// moveStream carries out the record that is due.
func (e *Engine) moveStream(ctx context.Context, s *stream, emit func([]tsdb.Sample) error) error {
	if !s.position.due() {
		if err := s.send(emit); err != nil {
			return err
		}
	} else {
		if err := s.advance(ctx, emit, roundEvents); err != nil {
			return err
		}
		s.preview.drop(s)
		s.open.drop(s.position.done.UnixMilli())
	}
	if !s.position.due() {
		e.tell(s)
	}
	if s.begun && !s.position.due() {
		if err := e.reconsider(ctx, s, emit); err != nil {
			return err
		}
		e.arriveAtPresent(s)
	}
	return nil
}

// arriveAtPresent has what still goes on told once a stream has caught up: while
// it was behind, nobody was told of what was over long ago.
func (e *Engine) arriveAtPresent(s *stream) {
	behind := e.o.Now().Sub(s.position.done) > e.current().Lateness+5*time.Minute
	if behind || s.present {
		s.present = !behind
		return
	}
	s.present = true
	e.o.Insights.Announce(s.key)
}

// record writes a stream's next watermark into the log.
func (e *Engine) record(ctx context.Context, s *stream, to time.Time) error {
	// The settings of the record are those that stand before it in the log.
	e.controlMtx.RLock()
	defer e.controlMtx.RUnlock()
	seq, err := e.o.Log.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: s.key, Time: to})
	if err != nil {
		return fmt.Errorf("recording the watermark of %s: %w", s.key, err)
	}
	e.tell(s) // What was said stands before the record.
	set := e.current()
	s.await(&set)
	s.adopt()
	s.order(seq, to)
	return nil
}

// backfillAge is how old a sample may be, by the clock, to go to the head of
// the series like a live one; older ones are written as blocks.
const backfillAge = 6 * time.Hour

// each runs do for every stream, several at a time, with a function that stores
// samples. Where one fails the others go on, and an error is returned. Blocks of history
// are written at the end.
func (e *Engine) each(ctx context.Context, do func(context.Context, *stream, func([]tsdb.Sample) error) error) error {
	var backfilled atomic.Int64
	edge := e.o.Now().Add(-backfillAge).UnixMilli()
	emit := func(samples []tsdb.Sample) error {
		if e.o.Series == nil {
			return nil
		}
		i := sampleIndex(samples, edge)
		if i > 0 {
			backfilled.Add(int64(i))
			if err := e.taken(e.o.Series.Backfill(samples[:i])); err != nil {
				return err
			}
		}
		if i == len(samples) {
			return nil
		}
		return e.taken(e.o.Series.Append(samples[i:]))
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range e.list() {
		g.Go(func() error { return do(ctx, s, emit) })
	}
	err := g.Wait()
	if n := backfilled.Load(); n > 0 && n >= int64(e.o.GatherSamples) {
		if cerr := e.taken(e.o.Series.CommitBackfill(ctx, nil)); cerr != nil {
			err = errors.Join(err, fmt.Errorf("writing the history of series: %w", cerr))
		}
	}
	return err
}

// taken is the error of writing samples, but for those that were refused: that
// is told, and trying again would not change it.
func (e *Engine) taken(err error) error {
	if err == nil || !tsdb.Refused(err) {
		return err
	}
	e.metrics.refused.Inc()
	e.o.Logger.Error("Samples were refused; what is there stays", "err", err)
	return nil
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
