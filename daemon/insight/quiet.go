package insight

import (
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// quietAfter is after how long an insight is history, of which nobody is to be
// notified.
const quietAfter = time.Hour

// quiet reports whether what is now said of an insight is history: it ended
// more than an hour ago, or goes on in a past that the final pass is still
// working through. Who has heard that it goes on has to hear what comes of it,
// too. The store's lock is held.
func (s *Store) quiet(old, e *entry) bool {
	edge := s.o.Now().Add(-quietAfter)
	_, unheard := s.unheard[e.id]
	heard := old != nil && old.cur.Active() && !unheard
	switch {
	case heard:
	case e.cur.Active() && (unheard || e.cur.Detected.Before(edge)):
		s.unheard[e.id] = struct{}{}
		return true
	case e.cur.Active():
	default:
		// A withdrawal says no end of its own.
		over := e.over()
		if old != nil && e.cur.End.IsZero() {
			over = old.over()
		}
		delete(s.unheard, e.id)
		return unheard || over.Before(edge)
	}
	delete(s.unheard, e.id)
	return false
}

// Announce publishes the start of each insight of a stream that goes on and of
// which, since it was detected long ago, nobody was notified. It is for when the
// final pass has come to the present: what still goes on then is no history.
func (s *Store) Announce(stream event.StreamKey) int {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	txn := s.db.Txn(false)
	n := 0
	for id := range s.unheard {
		e := get(txn, id)
		switch {
		case e == nil:
		case e.cur.Stream() != stream:
			continue
		case e.cur.Active():
			s.feed.publish(KindStart, e.cur, false)
			n++
		}
		delete(s.unheard, id)
	}
	return n
}
