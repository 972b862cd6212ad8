package source

import (
	"sync"
	"time"
)

// tally counts what a source has read.
type tally struct {
	now func() time.Time

	mtx       sync.Mutex
	events    uint64
	failures  uint64
	bytes     uint64
	lastEvent time.Time
	lastRead  time.Time
	// seconds holds the events of the last seconds, a slot each.
	seconds [rateSeconds]struct {
		unix   int64
		events uint64
	}
}

const rateSeconds = 10

// delivered counts a batch and the newest event time in it.
func (t *tally) delivered(n int, newest time.Time) {
	now := t.now()
	t.mtx.Lock()
	defer t.mtx.Unlock()
	t.events += uint64(n)
	if newest.After(t.lastEvent) {
		t.lastEvent = newest
	}
	t.lastRead = now
	s := &t.seconds[uint64(now.Unix())%rateSeconds]
	if s.unix != now.Unix() {
		s.unix, s.events = now.Unix(), 0
	}
	s.events += uint64(n)
}

func (t *tally) failed() {
	t.mtx.Lock()
	defer t.mtx.Unlock()
	t.failures++
}

func (t *tally) read(n int) {
	t.mtx.Lock()
	defer t.mtx.Unlock()
	t.bytes += uint64(n)
}

// status fills in what the tally knows.
func (t *tally) status(s *Status) {
	now := t.now().Unix()
	t.mtx.Lock()
	defer t.mtx.Unlock()
	s.Events, s.Failures, s.Bytes = t.events, t.failures, t.bytes
	s.LastEvent, s.LastRead = t.lastEvent, t.lastRead
	var n uint64
	for _, slot := range t.seconds {
		// The second that has not ended is left out.
		if age := now - slot.unix; age >= 1 && age < rateSeconds {
			n += slot.events
		}
	}
	s.Rate = float64(n) / (rateSeconds - 1)
}
