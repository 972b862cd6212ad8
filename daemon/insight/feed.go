package insight

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// feedBuffer is how many changes a watcher may be behind before it is
	// dropped.
	feedBuffer = 256
	// feedHistory is how many changes are kept for watchers that come back.
	feedHistory = 1024
)

// Change is one thing that happened to an insight.
type Change struct {
	// Seq rises with every change, over restarts too.
	Seq  uint64
	Kind Kind
	// Insight is what is now said of it.
	Insight Insight
	// Quiet says that this is history: nobody is to be notified.
	Quiet bool
}

// Record is what readers are told of the change: the record of the insight's
// new state.
func (c *Change) Record() Record { return c.Insight.Record() }

// feed tells watchers of changes. A watcher that does not keep up is dropped:
// nobody waits for it.
type feed struct {
	dropped prometheus.Counter

	mtx      sync.Mutex
	seq      uint64
	first    uint64 // What had been before the oldest of history.
	history  []Change
	watchers map[chan Change]struct{}
	closed   bool
}

func newFeed(seq uint64, dropped prometheus.Counter) *feed {
	return &feed{seq: seq, first: seq, dropped: dropped, watchers: map[chan Change]struct{}{}}
}

func (f *feed) publish(k Kind, said *Insight, quiet bool) {
	c := Change{Kind: k, Insight: *said, Quiet: quiet}
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.seq++
	c.Seq = f.seq
	if len(f.history) >= 2*feedHistory {
		n := copy(f.history, f.history[len(f.history)-feedHistory:])
		clear(f.history[n:])
		f.history = f.history[:n]
		f.first = f.history[0].Seq - 1
	}
	f.history = append(f.history, c)
	for ch := range f.watchers {
		select {
		case ch <- c:
		default:
			delete(f.watchers, ch)
			close(ch)
			f.dropped.Inc()
		}
	}
}

// watch returns a channel of what happens from now on, and what happened since
// the change of number after. complete is false where some of that is not kept
// any more. after 0 asks for nothing of the past.
func (f *feed) watch(ctx context.Context, after uint64) (ch chan Change, past []Change, complete bool) {
	ch = make(chan Change, feedBuffer)
	f.mtx.Lock()
	defer f.mtx.Unlock()
	if f.closed {
		close(ch)
		return ch, nil, true
	}
	complete = true
	if after > 0 {
		complete = after >= f.first
		for _, c := range f.history {
			if c.Seq > after {
				past = append(past, c)
			}
		}
	}
	f.watchers[ch] = struct{}{}
	context.AfterFunc(ctx, func() { f.leave(ch) })
	return ch, past, complete
}

func (f *feed) leave(ch chan Change) {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	if _, ok := f.watchers[ch]; ok {
		delete(f.watchers, ch)
		close(ch)
	}
}

func (f *feed) count() int {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	return len(f.watchers)
}

func (f *feed) close() {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.closed = true
	for ch := range f.watchers {
		delete(f.watchers, ch)
		close(ch)
	}
}

// LastChange is the Seq of the newest change, from which on Watch misses nothing.
func (s *Store) LastChange() uint64 {
	s.feed.mtx.Lock()
	defer s.feed.mtx.Unlock()
	return s.feed.seq
}

// Watch returns a channel of the changes to come, in order. It is closed when
// ctx ends, when the store is closed, and when the reader has fallen too far
// behind: who still wants to know then watches again from the last Seq that he
// has seen.
//
// Where after is a Seq, past holds what has happened since, as far as it is
// kept: complete says whether that is everything.
func (s *Store) Watch(ctx context.Context, after uint64) (changes <-chan Change, past []Change, complete bool) {
	return s.feed.watch(ctx, after)
}
