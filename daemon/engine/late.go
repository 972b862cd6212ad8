package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/tsdb"
)

// flushLate counts what came after the watermark before this record: events
// that the log numbered between the two records, and whose minutes were final by
// then. Their samples stand inside their minutes, where this record's number
// says.
func (s *stream) flushLate(ctx context.Context, emit func([]tsdb.Sample) error) error {
	p := &s.position
	if p.flushed == p.seq || p.before.IsZero() || p.flushed == 0 {
		s.flushedAll()
		return nil
	}
	count := func(from, to time.Time) int { return s.o.Log.CountSince(s.key, from, to, p.flushed) }
	if count(time.Time{}, p.before) > 0 {
		first, _ := s.firstStored()
		from := first.Truncate(time.Minute)
		if from.Before(p.flushing) {
			from = p.flushing
		}
		for from.Before(p.before) {
			to := s.sliceEnd(from, p.before, time.Minute, count)
			q := s.readQuery(from, to)
			q.MinSeq = p.flushed
			events, err := s.readJudged(ctx, q)
			if err != nil {
				return fmt.Errorf("reading late events of %s from %s: %w", s.key, from.Format(time.RFC3339), err)
			}
			s.countLate(events)
			s.mtx.Lock()
			p.flushing = to
			s.mtx.Unlock()
			if err := s.send(emit); err != nil {
				return err
			}
			from = to
		}
	}
	s.flushedAll()
	return nil
}

// flushedAll notes that the record is carried out.
func (s *stream) flushedAll() {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.position.flushed, s.position.flushing = s.position.seq, time.Time{}
}

// countLate counts late events, which are in order of time, into samples.
func (s *stream) countLate(events []event.Event) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	// Everything up to here is in the log, and nothing of it at hand.
	s.slice, s.sliceFrom = nil, s.position.done
	for i := 0; i < len(events); {
		minute := events[i].Time.Truncate(time.Minute)
		for ; i < len(events) && events[i].Time.Before(minute.Add(time.Minute)); i++ {
			e := &events[i]
			if s.ahead(e) {
				continue
			}
			s.late++
			if e.Call() {
				s.counts.add(e)
				s.ruleLate(e)
			}
			if s.judges(e) {
				if s.untaught == 0 || e.Time.Before(s.untaughtFrom) {
					s.untaughtFrom = e.Time
				}
				s.untaught++
			}
		}
		s.counts.close(tsdb.LateSampleTime(minute, s.position.seq))
	}
}
