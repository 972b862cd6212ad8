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
	// now is the one that is being made.
	now  event.StreamKey
	busy bool
	done func()
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
	m := &e.mending
	m.mtx.Lock()
	m.reason, m.left, m.done = reason, left, done
	m.mtx.Unlock()
	m.finish()
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

// take reports whether it is a stream's turn, which it is until ended is called.
func (m *mending) take(key event.StreamKey, now time.Time) bool {
	m.mtx.Lock()
	defer m.mtx.Unlock()
	tried, left := m.left[key]
	if !left || m.busy || !tried.IsZero() && now.Sub(tried) < relearnEvery {
		return false
	}
	m.left[key], m.now, m.busy = now, key, true
	return true
}

// ended is told of each stream that was made anew, or could not be.
func (m *mending) ended(key event.StreamKey, made bool) {
	m.mtx.Lock()
	if m.busy && m.now == key {
		m.busy = false
	}
	_, left := m.left[key]
	if made {
		delete(m.left, key)
	}
	m.mtx.Unlock()
	if left && made {
		m.finish()
	}
}

// finish says that nothing is left, once.
func (m *mending) finish() {
	m.mtx.Lock()
	done := m.done
	if len(m.left) > 0 {
		done = nil
	}
	if done != nil {
		m.done = nil
	}
	m.mtx.Unlock()
	if done != nil {
		done()
	}
}
