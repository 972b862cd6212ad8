package insight

import (
	"github.com/insightd/insightd/daemon/event"
)

// Tally counts the insights that are kept.
type Tally struct {
	// Stored are all, Active those that go on, and Suppressed those of them
	// that are not notified.
	Stored, Active, Suppressed int
	// Provisional wait for the final pass.
	Provisional int
	// Told were told on arrival. Of these Withdrawn were taken back, and
	// Superseded gave place to others.
	Told, Withdrawn, Superseded int
}

// WithdrawnShare is the share of what was told on arrival that was taken back:
// 0 where nothing was told.
func (t Tally) WithdrawnShare() float64 {
	if t.Told == 0 {
		return 0
	}
	return float64(t.Withdrawn) / float64(t.Told)
}

// plus adds n times u.
func (t Tally) plus(u Tally, n int) Tally {
	return Tally{
		Stored: t.Stored + n*u.Stored, Active: t.Active + n*u.Active, Suppressed: t.Suppressed + n*u.Suppressed,
		Provisional: t.Provisional + n*u.Provisional,
		Told:        t.Told + n*u.Told, Withdrawn: t.Withdrawn + n*u.Withdrawn, Superseded: t.Superseded + n*u.Superseded,
	}
}

// tally counts one insight.
func (e *entry) tally() Tally {
	t := Tally{Stored: 1}
	if e.cur.Active() {
		t.Active = 1
		if e.cur.Suppressed != "" {
			t.Suppressed = 1
		}
	}
	if e.cur.Provisional {
		t.Provisional = 1
	}
	if !e.toldOnArrival() {
		return t
	}
	t.Told = 1
	switch {
	case e.cur.State != StateWithdrawn:
	case e.cur.SupersededBy != "":
		t.Superseded = 1
	default:
		t.Withdrawn = 1
	}
	return t
}

func (e *entry) toldOnArrival() bool {
	for n := range e.revisions {
		if e.revisions[n].Told {
			return true
		}
	}
	return false
}

// tallies counts what is kept, stream by stream.
type tallies map[event.StreamKey]Tally

// add counts e, which may be nil, n times: 1 where it came, -1 where it went.
func (ts tallies) add(e *entry, n int) {
	if e == nil {
		return
	}
	k := e.cur.Stream()
	t := ts[k].plus(e.tally(), n)
	if t == (Tally{}) {
		delete(ts, k)
		return
	}
	ts[k] = t
}

// Stream is the provider's account that the insight is about.
func (i *Insight) Stream() event.StreamKey {
	return event.StreamKey{Provider: i.Provider, Account: i.Account}
}

// Tally counts the insights of a stream that are kept.
func (s *Store) Tally(stream event.StreamKey) Tally {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	return s.tallies[stream]
}

// Totals counts all insights that are kept.
func (s *Store) Totals() Tally {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	var sum Tally
	for _, t := range s.tallies {
		sum = sum.plus(t, 1)
	}
	return sum
}
