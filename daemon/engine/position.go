package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/tsdb"
)

// position is where a stream stands in the log. A watermark record is carried
// out in three steps: events before its time are read slice by slice and become
// final; then those go to the series that came too late for the record before;
// then the next record's turn comes. What is read is what the log held at the
// record, so that a repetition reads the same. A rebuild record is carried out likewise:
// its time is that of the watermark before it, so only late events are left to it.
type position struct {
	// seq is the record that is being carried out, or was last.
	seq uint64
	// target is its watermark, and before that of the record before it.
	target, before time.Time
	// done is up to where everything is final.
	done time.Time
	// flushed is the record at which late events went to the series last, 0 before
	// the first record with events, and flushing up to which time those of this record
	// have.
	flushed  uint64
	flushing time.Time
}

// due reports whether the record is not carried out in full.
func (p *position) due() bool { return p.done.Before(p.target) || p.flushed != p.seq }

// whole reports whether no minute is final in part.
func (p *position) whole() bool { return p.done.Equal(p.done.Truncate(time.Minute)) }

// order takes over the next record, and with a new watermark the settings that wait for
// one.
func (s *stream) order(seq uint64, to time.Time) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	p := &s.position
	if to = to.Truncate(time.Minute); to.After(p.target) {
		s.configure()
	} else {
		to = p.target // A watermark never goes back.
	}
	p.before, p.target, p.seq = p.target, to, seq
}

func (s *stream) readQuery(from, to time.Time) eventlog.ReadQuery {
	return eventlog.ReadQuery{Stream: s.key, From: from, To: to, MaxSeq: s.position.seq}
}

// slice is a part of a stream's events.
type slice struct {
	from, to time.Time
	events   []event.Event
	err      error
}

// advance carries out the record that is due, as far as limit events go: in
// order of (time, uid), slice by slice, whatever the order in which they came, and
// it stops after a minute's last slice only. The next slice is read while one is
// under way, unless a second is so full that two would be too much for memory. emit
// takes the samples.
func (s *stream) advance(ctx context.Context, emit func([]tsdb.Sample) error, limit int) error {
	if err := s.send(emit); err != nil {
		return err
	}
	if !s.begun {
		first, err := s.firstEvent(ctx)
		if err != nil {
			return err
		}
		if first.IsZero() {
			s.mtx.Lock()
			s.position.done, s.position.flushed = s.position.target, s.position.seq
			s.mtx.Unlock()
			return nil
		}
		s.mtx.Lock()
		s.start(first)
		s.mtx.Unlock()
	}
	ctx, cancel := context.WithCancel(ctx)
	var next chan slice
	defer func() {
		cancel()
		if next != nil {
			<-next // The log is not read any more when this returns.
		}
	}()
	read := func(from time.Time) chan slice {
		if !from.Before(s.position.target) {
			return nil
		}
		ch := make(chan slice, 1)
		go func() { ch <- s.readSlice(ctx, from) }()
		return ch
	}
	next = read(s.position.done)
	for next != nil && (limit > 0 || !s.position.whole()) {
		got := <-next
		next = nil
		if got.err != nil {
			return got.err
		}
		full := len(got.events) > s.o.SliceEvents
		if !full {
			next = read(got.to)
		}
		limit -= len(got.events)
		to := got.to
		s.take(got)
		if got.events = nil; full {
			next = read(to)
		}
		if err := s.send(emit); err != nil {
			return err
		}
	}
	if s.position.done.Before(s.position.target) {
		return nil
	}
	if err := s.flushLate(ctx, emit); err != nil {
		return err
	}
	return s.send(emit)
}

// readSlice reads the slice that begins at a time.
func (s *stream) readSlice(ctx context.Context, from time.Time) slice {
	to := s.sliceEnd(from, s.position.target, time.Second, func(from, to time.Time) int { return s.o.Log.Count(s.key, from, to) })
	events, err := s.readJudged(ctx, s.readQuery(from, to))
	if err != nil {
		err = fmt.Errorf("reading events of %s from %s: %w", s.key, from.Format(time.RFC3339), err)
	}
	return slice{from, to, events, err}
}

// take makes a slice final.
func (s *stream) take(g slice) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.slice, s.sliceFrom, s.sliceTo = g.events, g.from, g.to
	s.process(g.to)
	s.slice = nil
	s.position.done = g.to
}

// send hands the samples and insights on that are waiting. Where that fails they wait
// for the next time.
func (s *stream) send(emit func([]tsdb.Sample) error) error {
	if err := s.keepInsights(); err != nil {
		return err
	}
	s.mtx.Lock()
	samples := s.counts.samples
	s.mtx.Unlock()
	if len(samples) == 0 {
		return nil
	}
	if err := emit(samples); err != nil {
		return fmt.Errorf("storing samples of %s: %w", s.key, err)
	}
	s.mtx.Lock()
	s.counts.samples = s.counts.samples[:0]
	s.mtx.Unlock()
	return nil
}

// firstEvent is the time of the stream's first event that the log held at the
// record, or zero where none is before the watermark.
func (s *stream) firstEvent(ctx context.Context) (time.Time, error) {
	first, ok := s.firstStored()
	from := first.Truncate(time.Minute)
	for ok && from.Before(s.position.target) {
		g := s.readSlice(ctx, from)
		if g.err != nil {
			return time.Time{}, g.err
		}
		for i := range g.events {
			if e := &g.events[i]; !s.ahead(e) {
				return e.Time, nil
			}
		}
		from = g.to
	}
	return time.Time{}, nil
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

// sliceEnd is how far a slice goes: to the end of an hour, over hours without
// events, and less far where an hour is too much for memory, but no less than least.
func (s *stream) sliceEnd(from, to time.Time, least time.Duration, count func(from, to time.Time) int) time.Time {
	next := from.Truncate(time.Hour).Add(time.Hour)
	for next.Before(to) && count(from, next) == 0 {
		next = next.Add(time.Hour)
	}
	if next.After(to) {
		next = to
	}
	for count(from, next) > s.o.SliceEvents {
		unit := time.Minute
		if next.Sub(from) <= unit {
			unit = least
		}
		half := from.Add(next.Sub(from) / 2).Truncate(unit)
		if !half.After(from) {
			half = from.Truncate(unit).Add(unit)
		}
		if !half.Before(next) {
			break
		}
		next = half
	}
	return next
}
