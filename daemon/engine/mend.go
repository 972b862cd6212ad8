package engine

import (
	"sync"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// mending is the making anew of all streams, one after the other, where a part of
// what is made from the log was lost and nobody knows which stream's it was.
type mending struct {
	mtx    sync.Mutex
	reason string
	// left are the streams that it is still due to, by when each was tried last.
	left map[event.StreamKey]time.Time
	// making is the one that is being made, nobody's where none is.
	making event.StreamKey
	done   func()
}

// Mend has every stream made anew in shadow while the old ones go on, and then calls
// done. The streams are those that Restore brought back.
func (e *Engine) Mend(reason string, done func()) {
	left := map[event.StreamKey]time.Time{}
	for _, s := range e.list() {
		if s.begun {
			left[s.key] = time.Time{}
		}
	}
	if len(left) == 0 {
		done()
		return
	}
	m := &e.mending
	m.mtx.Lock()
	defer m.mtx.Unlock()
	m.reason, m.left, m.done = reason, left, done
}

// due says why a stream is to be made anew, empty where it is not.
func (m *mending) due(key event.StreamKey) string {
	m.mtx.Lock()
	defer m.mtx.Unlock()
	if _, left := m.left[key]; !left {
		return ""
	}
	return m.reason
}

// take gives a stream its turn, until ended is called, and says why it has one. It
// returns nothing where it is another's turn.
func (m *mending) take(key event.StreamKey, now time.Time) (reason string) {
	m.mtx.Lock()
	defer m.mtx.Unlock()
	tried, left := m.left[key]
	if !left || m.making != (event.StreamKey{}) || !tried.IsZero() && now.Sub(tried) < relearnEvery {
		return ""
	}
	m.left[key], m.making = now, key
	return m.reason
}

// ended is told of each stream that was made anew, or could not be.
func (m *mending) ended(key event.StreamKey, made bool) {
	m.mtx.Lock()
	if m.making == key {
		m.making = event.StreamKey{}
	}
	_, left := m.left[key]
	if made {
		delete(m.left, key)
	}
	last, done := left && len(m.left) == 0, m.done
	m.mtx.Unlock()
	if last {
		done()
	}
}
