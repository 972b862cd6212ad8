package source

import (
	"context"
	"slices"

	"github.com/insightd/insightd/daemon/event"
)

// maxBatchBytes is after how many bytes of records a batch is full whatever
// its count, so that large records do not fill the memory.
const maxBatchBytes = 4 << 20

// batch gathers events for one delivery. Its memory is used again and again.
type batch struct {
	events []event.Event
	bytes  int
	newest int64 // Unix nanoseconds; 0 is none.
}

// next returns the place for the next event. It counts once it is kept.
func (b *batch) next() *event.Event {
	n := len(b.events)
	b.events = slices.Grow(b.events, 1)
	return &b.events[:n+1][n]
}

// keep counts the event that next gave.
func (b *batch) keep() {
	b.events = b.events[:len(b.events)+1]
	e := &b.events[len(b.events)-1]
	b.bytes += len(e.Raw)
	b.newest = max(b.newest, e.Time.UnixNano())
}

func (b *batch) full(most int) bool { return len(b.events) >= most || b.bytes >= maxBatchBytes }

// reset empties the batch, and lets go of what its events point to.
func (b *batch) reset() {
	clear(b.events)
	b.events, b.bytes, b.newest = b.events[:0], 0, 0
}

// deliver hands the batch over, however often that takes, and empties it.
func (b *batch) deliver(ctx context.Context, i *insister, t *tally, sink Sink, name string) error {
	if len(b.events) == 0 {
		return nil
	}
	err := i.insist(ctx, "storing events", func() error { return sink.Deliver(ctx, name, b.events) })
	if err != nil {
		return err
	}
	t.delivered(len(b.events), unixTime(b.newest))
	b.reset()
	return nil
}
