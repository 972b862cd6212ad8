package eventlog

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/insightd/insightd/daemon/event"
)

// Durability says when an event must survive a crash.
type Durability int

const (
	// Logged events are durable when Append returns: what was pushed, or came on
	// standard input.
	Logged Durability = iota
	// Replayable events can be read again from where they came. They are durable
	// once Flush returned, after which their source moves its checkpoint.
	Replayable
)

// Receipt says what became of a batch.
type Receipt struct {
	Accepted   int
	Duplicates int
	// TooOld counts events before the retention, and those whose time is before
	// 1970 or beyond what nanoseconds hold.
	TooOld int
}

func (r *Receipt) add(o Receipt) {
	r.Accepted += o.Accepted
	r.Duplicates += o.Duplicates
	r.TooOld += o.TooOld
}

const (
	chunkEvents = 4096 // Events that are taken under one hold of the mutex.
	chunkRaw    = 16 << 20
)

// Append stores the events that it does not have. It sets Seq of those that it
// accepted, and Late of those whose stream's watermark had passed them; Seq
// stays 0 for duplicates and for what was refused. It keeps copies only.
//
// When it returns without an error, Logged events are durable, duplicates
// included. After an error some of the batch may be stored, and be found as
// duplicates when it is sent again: that is safe, since a duplicate is answered
// only once its original or itself is durable. While blocks cannot be written,
// as on a full disk, nothing is accepted.
func (l *Log) Append(ctx context.Context, events []event.Event, d Durability) (Receipt, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	var total Receipt
	for i := range events {
		events[i].Seq, events[i].Late = 0, false
		if events[i].UID == "" {
			return total, fmt.Errorf("event %d of the batch has no uid", i)
		}
		if len(events[i].Raw) > maxEventRaw {
			return total, fmt.Errorf("event %d of the batch is %d bytes, more than %d", i, len(events[i].Raw), maxEventRaw)
		}
	}
	for len(events) > 0 {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, raw := 0, 0
		for n < len(events) && n < chunkEvents && (n == 0 || raw+len(events[n].Raw) <= chunkRaw) {
			raw += len(events[n].Raw)
			n++
		}
		r, n, err := l.appendChunk(events[:n], d)
		if err != nil {
			return total, err
		}
		total.add(r)
		events = events[n:]
	}
	return total, nil
}

// placed is where an event is until its block is written.
type placed struct {
	b   *buffer
	row int
}

// chunk is what appendChunk knows of its events.
type chunk struct {
	keys    []eventKey
	places  []placed      // The rows that are to be logged.
	again   []event.Event // What is logged for duplicates whose original is not durable yet.
	receipt Receipt
	late    int
	wrong   int // Whose time is beyond what is kept.
	raw     int
}

// take numbers and buffers events until one needs the disk to be read, which is
// not done here, and returns how many it took. The caller holds mtx.
func (l *Log) take(c *chunk, events []event.Event, known answers, logged, read bool) (int, error) {
	floor := l.floorAt(l.o.Now())
	var hr *hourState
	defer func() { l.account(hr) }()
	for i := range events {
		e, k := &events[i], c.keys[i]
		if k.wrong {
			c.wrong++
			continue
		}
		if k.t < floor {
			c.receipt.TooOld++
			continue
		}
		if hour := hourOf(k.t); hr == nil || hr.hour != hour {
			l.account(hr)
			hr = l.hourState(hour)
		}
		st := l.stream(event.StreamKey{Provider: e.Provider, Account: e.Account})
		was, err := l.duplicate(hr, st.id, e.UID, k, known[i], read)
		if err != nil {
			return i, err
		}
		if was.stored {
			c.receipt.Duplicates++
			if logged && !was.durable {
				l.logAgain(c, e, was)
			}
			continue
		}
		l.seq++
		e.Seq = l.seq
		if st.hasWatermark && k.t < st.watermarkNS {
			e.Late = true
			c.late++
		}
		b, row := l.insert(hr, st, e, k.t, k.hash)
		c.raw += len(e.Raw)
		c.receipt.Accepted++
		if logged {
			c.places = append(c.places, placed{b, row})
		}
	}
	return len(events), nil
}

// logAgain has a duplicate logged whose original is not durable, so that it can be
// answered. Of an original in a buffer that is its row as it is there, number and all:
// whichever of the two recovery comes upon, the event is the one that questions were
// answered with and that watermarks cover. An original in a block that was not synced
// is covered by none that was carried out, since Settle syncs it before: the duplicate
// gets a number of its own. The caller holds mtx.
func (l *Log) logAgain(c *chunk, e *event.Event, was original) {
	if was.b != nil {
		c.again = append(c.again, was.b.event(was.row))
		c.places = append(c.places, was.placed)
		return
	}
	l.seq++
	again := *e
	again.Seq = l.seq
	c.again = append(c.again, again)
}

// appendChunk appends events, at least one, and returns how many.
func (l *Log) appendChunk(events []event.Event, d Durability) (Receipt, int, error) {
	if err := l.unstick(); err != nil {
		return Receipt{}, 0, err
	}
	logged := d == Logged && !l.o.NoSync
	c := &chunk{keys: keysOf(events)}
	if logged {
		c.places = make([]placed, 0, len(events))
	}
	var n int
	var err error
	for attempt := 0; ; attempt++ {
		var known answers
		if known, err = l.lookUp(events, c.keys, attempt > 0); err != nil {
			return Receipt{}, 0, fmt.Errorf("looking for duplicates: %w", err)
		}
		l.mtx.Lock()
		if l.closed {
			l.mtx.Unlock()
			return Receipt{}, 0, ErrClosed
		}
		// Where blocks come and go faster than they are asked, the disk is read
		// with everybody waiting.
		n, err = l.take(c, events, known, logged, attempt >= maxLookUps)
		if err == nil || n > 0 || !errors.Is(err, errUnknown) {
			break
		}
		l.mtx.Unlock()
	}
	if errors.Is(err, errUnknown) {
		err = nil // The rest is asked about anew.
	}
	events = events[:n]
	r, again, places := c.receipt, c.again, c.places
	full := l.frozen()
	full = append(full, l.relieve()...)
	l.mtx.Unlock()
	defer func() {
		for _, b := range full {
			if err := l.writeBuffer(b); err != nil {
				// The events are accepted and stay in memory; the next Append tries
				// again before it accepts more.
				l.o.Logger.Error("writing a block failed, it is kept in memory", "err", err)
				return
			}
		}
	}()
	if err != nil {
		unnumber(events)
		return Receipt{}, 0, fmt.Errorf("looking for duplicates: %w", err)
	}

	l.m.appended.Add(float64(r.Accepted))
	l.m.duplicates.Add(float64(r.Duplicates))
	l.m.late.Add(float64(c.late))
	l.m.rawBytes.Add(float64(c.raw))
	l.m.refused.WithLabelValues("retention").Add(float64(r.TooOld))
	l.m.refused.WithLabelValues("time").Add(float64(c.wrong))
	r.TooOld += c.wrong

	if logged && r.Accepted+len(again) > 0 {
		mem := walBuffers.Get().(*walBuffer)
		defer walBuffers.Put(mem)
		frame := binary.AppendUvarint(mem.payload[:0], uint64(r.Accepted+len(again)))
		for i := range events {
			if events[i].Seq != 0 {
				frame = appendEvent(frame, &events[i])
			}
		}
		for i := range again {
			frame = appendEvent(frame, &again[i])
		}
		mem.payload = frame
		mem.frame = encodeFrame(mem.frame[:cap(mem.frame)], frameEvents, frame, true)
		if err := <-l.commits.enqueue(mem.frame, false); err != nil {
			l.m.failures.WithLabelValues("wal").Inc()
			unnumber(events)
			return Receipt{}, 0, fmt.Errorf("logging events: %w", err)
		}
		l.mtx.Lock()
		for _, p := range places {
			p.b.mark(p.row)
		}
		l.mtx.Unlock()
		if total, _ := l.events.bytes(); total > walFlushBytes {
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
	return r, n, nil
}

// unnumber takes back what was told of events whose batch failed.
func unnumber(events []event.Event) {
	for i := range events {
		events[i].Seq, events[i].Late = 0, false
	}
}

// walBuffer is the memory that a batch for the write-ahead log is encoded in.
type walBuffer struct{ payload, frame []byte }

var walBuffers = sync.Pool{New: func() any { return new(walBuffer) }}

// insert copies an event into the buffer of its hour. The caller holds mtx.
func (l *Log) insert(hr *hourState, st *streamState, e *event.Event, t int64, h uint64) (*buffer, int) {
	b := hr.buf
	if b == nil {
		b = &buffer{hour: hr.hour, opened: l.o.Now()}
		hr.buf = b
	}
	row := b.add(e, st.id, t, h)
	b.unlogged++
	hr.newest = max(hr.newestSeq(), e.Seq)
	st.note(1, t, t)
	var k, v [8]byte
	binary.LittleEndian.PutUint64(k[:], h)
	binary.LittleEndian.PutUint64(v[:], uint64(hr.hour))
	l.seen.Set(k[:], v[:])
	if n := len(b.times); n >= l.o.BlockEvents || b.rawBytes >= maxBlockRaw {
		// With many streams a buffer is let grow, so that it can be cut into
		// blocks of few streams each: reading a stream reads fewer blocks then.
		if n < l.o.BlockEvents*min(len(b.streams)/16, 16) && b.rawBytes < min(maxBlockRaw, l.o.MaxBufferedBytes/4) {
			return b, row
		}
		l.freeze(hr)
	}
	return b, row
}

// freeze closes the hour's open buffer.
func (l *Log) freeze(hr *hourState) {
	l.account(hr)
	hr.buf.state = bufferFrozen
	hr.frozen = append(hr.frozen, hr.buf)
	l.full = append(l.full, hr.buf)
	hr.buf = nil
}

// frozen returns the buffers that were frozen since it was asked last: who took
// them from it writes them.
func (l *Log) frozen() []*buffer {
	full := l.full
	l.full = nil
	return full
}

// account brings the sum of buffered bytes up to date with the hour's open
// buffer.
func (l *Log) account(hr *hourState) {
	if hr == nil || hr.buf == nil {
		return
	}
	n := hr.buf.held()
	l.buffered += n - hr.buf.accounted
	hr.buf.accounted = n
}

// relieve freezes the fullest buffers where all together are more than the
// bound, until what stays open is below three quarters of it.
func (l *Log) relieve() []*buffer {
	if l.buffered <= l.o.MaxBufferedBytes {
		return nil
	}
	var open []*hourState
	var sum int64
	for _, hr := range l.hours {
		if hr.buf != nil {
			open = append(open, hr)
			sum += hr.buf.accounted
		}
	}
	slices.SortFunc(open, func(a, b *hourState) int {
		return cmp.Or(cmp.Compare(b.buf.accounted, a.buf.accounted), cmp.Compare(a.hour, b.hour))
	})
	for _, hr := range open {
		if sum <= l.o.MaxBufferedBytes/4*3 {
			break
		}
		sum -= hr.buf.accounted
		l.freeze(hr)
	}
	return l.frozen()
}

// unstick tries to write again what could not be written.
func (l *Log) unstick() error {
	l.mtx.Lock()
	stuck, fatal, err := l.stuck, l.fatal, l.unsynced
	l.mtx.Unlock()
	if fatal != nil {
		return fatal
	}
	if stuck == nil {
		return nil
	}
	if err != nil {
		err = l.syncSegments()
	}
	if err == nil {
		for _, b := range l.allFrozen() {
			if err = l.writeBuffer(b); err != nil {
				break
			}
		}
	}
	if err != nil {
		return stands(err)
	}
	l.mtx.Lock()
	defer l.mtx.Unlock()
	l.stuck = nil
	return nil
}

func (l *Log) allFrozen() []*buffer {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	var out []*buffer
	for _, h := range l.order {
		out = append(out, l.hours[h].frozen...)
	}
	return out
}
