package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
)

// intake is the first half of the line: it enriches what sources and push
// clients deliver, has the log keep it, and tells the engine.
type intake struct {
	log      *eventlog.Log
	engine   *engine.Engine
	enricher *current
	now      func() time.Time
	logger   *slog.Logger

	accepted   atomic.Uint64
	duplicates atomic.Uint64
	failures   atomic.Uint64
	tooOld     atomic.Uint64
	// refusals has what is too old told of once a minute.
	refusals rate.Sometimes
	// unread are the records that could not be read, by source: *unread.
	unread sync.Map
	// onFailure is told of every record that could not be read, where it is set.
	onFailure func(event.RecordError)
}

// newIntake returns an intake of which l is told what it leaves out.
func newIntake(log *eventlog.Log, e *engine.Engine, enricher *current, now func() time.Time, l *slog.Logger) *intake {
	return &intake{log: log, engine: e, enricher: enricher, now: now, logger: l, refusals: rate.Sometimes{Interval: time.Minute}}
}

// current is the enricher in force, which a reload replaces.
type current = atomic.Pointer[enrich.Enricher]

// take enriches events, stores them, and tells the engine of the new ones.
func (in *intake) take(ctx context.Context, client string, events []event.Event, d eventlog.Durability) (eventlog.Receipt, error) {
	x := in.enricher.Load()
	now := in.now().UTC()
	for i := range events {
		if events[i].Received.IsZero() {
			events[i].Received = now
		}
		x.Enrich(&events[i])
	}
	r, err := in.log.Append(ctx, events, d)
	if err != nil {
		return r, fmt.Errorf("storing events: %w", err)
	}
	in.accepted.Add(uint64(r.Accepted))
	in.duplicates.Add(uint64(r.Duplicates))
	if r.TooOld > 0 {
		in.refused(r.TooOld)
	}
	in.engine.Arrived(client, events)
	return r, nil
}

// refused counts events that are older than what is kept.
func (in *intake) refused(n int) {
	total := in.tooOld.Add(uint64(n))
	in.refusals.Do(func() {
		in.logger.Warn("Events older than storage.events.retention are refused; lengthen it to keep them", "refused", total)
	})
}

// readable is the sink of sources that can be read again: their events are
// durable once they flush, and then their checkpoints move.
type readable struct{ *intake }

// Deliver takes a batch of a source that can be read again.
func (r readable) Deliver(ctx context.Context, _ string, events []event.Event) error {
	_, err := r.take(ctx, "", events, eventlog.Replayable)
	return err
}

// passing is the sink of what passes once, such as standard input: it is durable
// as it is delivered.
type passing struct{ *intake }

// Deliver takes a batch that nobody could send again.
func (p passing) Deliver(ctx context.Context, _ string, events []event.Event) error {
	_, err := p.take(ctx, "", events, eventlog.Logged)
	return err
}

// Flush makes everything that was delivered durable.
func (in *intake) Flush(ctx context.Context) error { return in.log.Flush(ctx) }

// unread are the records of a source that could not be read.
type unread struct {
	n     atomic.Uint64
	tells rate.Sometimes
}

// unreadTold is how many of them the log tells one by one; after these it tells of one a
// minute, with how many there were, since a folder may hold millions.
const unreadTold = 10

// Failed notes a record that could not be read.
func (in *intake) Failed(source string, f event.RecordError) {
	in.failures.Add(1)
	if in.onFailure != nil {
		in.onFailure(f)
		return
	}
	known, _ := in.unread.LoadOrStore(source, &unread{tells: rate.Sometimes{First: unreadTold, Interval: time.Minute}})
	u := known.(*unread)
	n := u.n.Add(1)
	u.tells.Do(func() {
		in.logger.Warn("A record could not be read", "source", source, "file", f.Name, "record", f.Record, "byte", f.Offset, "unread", n, "err", f.Err)
	})
}

// pushBatch is how many events of a body are stored at once.
const pushBatch = 1000

// pushBytes is after how many bytes of records a batch is full whatever its
// count, so that a few bodies of large records do not fill the memory.
const pushBytes = 4 << 20

// pushBatches keeps the memory of batches: half a megabyte, of which a small
// body uses little, takes longer to make than that body to read.
var pushBatches = sync.Pool{New: func() any {
	batch := make([]event.Event, 0, pushBatch)
	return &batch
}}

// Push stores the events of a body. It returns once they are durable.
func (in *intake) Push(ctx context.Context, client string, body io.Reader, o api.PushOptions) (res api.PushResult, _ error) {
	defer in.engine.Pushing(client)()
	res.Rejected = []api.Rejection{}
	r := event.NewReader(body, event.ReaderOptions{
		Name: client, Provider: o.Provider, Account: o.Account, Received: in.now().UTC(), MaxRecordBytes: o.MaxRecordBytes,
	})
	defer func() { res.Omitted = r.Omitted() }()
	mem := pushBatches.Get().(*[]event.Event)
	batch, size := (*mem)[:0], 0
	defer func() {
		clear(batch) // Raw events are let go of.
		pushBatches.Put(mem)
	}()
	flush := func() error {
		receipt, err := in.take(ctx, client, batch, eventlog.Logged)
		res.Accepted += receipt.Accepted
		res.Duplicates += receipt.Duplicates
		res.Refused += receipt.TooOld
		clear(batch) // Raw events are let go of.
		batch, size = batch[:0], 0
		return err
	}
	for {
		batch = append(batch, event.Event{})
		err := r.Next(&batch[len(batch)-1])
		var bad *event.RecordError
		switch {
		case err == nil:
			size += len(batch[len(batch)-1].Raw)
			if len(batch) == pushBatch || size >= pushBytes {
				if err := flush(); err != nil {
					return res, err
				}
			}
			continue
		case errors.As(err, &bad):
			batch = dropLast(batch)
			in.failures.Add(1)
			res.Reject(bad.Record-1, bad.Err.Error())
			continue
		}
		batch = dropLast(batch)
		if ferr := flush(); ferr != nil {
			return res, ferr
		}
		if errors.Is(err, io.EOF) {
			return res, nil
		}
		return res, fmt.Errorf("%w: reading the body: %w", api.ErrBadData, err)
	}
}

// dropLast takes off an event that was not filled, and lets go of what it has.
func dropLast(batch []event.Event) []event.Event {
	n := len(batch) - 1
	clear(batch[n:])
	return batch[:n]
}
