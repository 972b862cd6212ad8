package insight

import (
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Provisional returns the insights of a stream that wait for the final pass, in
// order of start and id.
func (s *Store) Provisional(stream event.StreamKey) []Insight {
	o, _ := parseOrder("start")
	return s.gathered(stream, o, func(i *Insight) bool { return i.Provisional })
}

// gathered returns the insights of a stream that match, in an order.
func (s *Store) gathered(stream event.StreamKey, o order, match func(*Insight) bool) []Insight {
	es, err := gather(s.db.Txn(false), indexAccount, textKey(stream.Provider, stream.Account), o, nil, 0, match)
	if err != nil {
		return nil // The index is there, and so is its key.
	}
	out := make([]Insight, len(es))
	for n, e := range es {
		out[n] = *e.cur
	}
	return out
}

// Sweep withdraws every final insight of a stream that started from from,
// inclusive, to to, exclusive, and that keep does not know. It is for after a
// rebuild, which puts what it finds and knows nothing of the rest. What waits
// for the final pass is left to that. A second time does nothing.
func (s *Store) Sweep(stream event.StreamKey, from, to time.Time, keep func(id string) bool) (withdrawn int, err error) {
	o, _ := parseOrder("start")
	stale := s.gathered(stream, o, func(i *Insight) bool {
		return !i.Provisional && i.State != StateWithdrawn && !i.Start.Before(from) && i.Start.Before(to) && !keep(i.ID)
	})
	for n := range stale {
		changed, err := s.sweep(&stale[n])
		if err != nil {
			return withdrawn, fmt.Errorf("withdrawing what a rebuild did not find: %w", err)
		}
		if changed {
			withdrawn++
		}
	}
	return withdrawn, nil
}

// sweep withdraws an insight of which nothing else has been said meanwhile.
func (s *Store) sweep(i *Insight) (bool, error) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	e := get(s.db.Txn(false), i.ID)
	if e == nil || e.cur.Revision != i.Revision || e.cur.State != i.State {
		return false, nil
	}
	w := *e.cur
	w.State = StateWithdrawn
	return s.put(&w)
}

// Reset forgets all insights, before they are made anew from the event log.
func (s *Store) Reset() error { return s.ResetSince(time.Time{}) }

// ResetSince forgets the insights that started at t or later, before they are
// made anew from an event log whose oldest event is of t. The zero time forgets
// all.
func (s *Store) ResetSince(t time.Time) error {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.closed {
		return ErrClosed
	}
	txn := s.db.Txn(true)
	defer txn.Abort()
	if t.IsZero() {
		if s.journal != nil {
			if _, err := s.journal.append(frameReset, nil); err != nil {
				s.metrics.failures.Inc()
				return fmt.Errorf("forgetting insights: %w", err)
			}
			s.journal.garbage = s.journal.size
		}
		if _, err := txn.DeleteAll(tableInsight, indexID); err != nil {
			return fmt.Errorf("forgetting insights: %w", err)
		}
		txn.Commit()
		clear(s.tallies)
		clear(s.unheard)
		return nil
	}
	it, err := txn.LowerBound(tableInsight, indexStart, numberKey(timeKey(t)))
	if err != nil {
		return fmt.Errorf("forgetting insights: %w", err)
	}
	var es []*entry
	for o := it.Next(); o != nil; o = it.Next() {
		if e := o.(*entry); !e.cur.Start.Before(t) { // The index holds microseconds.
			es = append(es, e)
		}
	}
	if err := s.remove(txn, es); err != nil {
		return fmt.Errorf("forgetting insights: %w", err)
	}
	return nil
}
