package eventlog

import (
	"cmp"
	"context"
	"encoding/binary"
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
		r, err := l.appendChunk(events[:n], d)
		if err != nil {
			return total, err
		}
		total.add(r)
		events = events[n:]
	}
	return total, nil
}

// placed is where an event of a batch is until its block is written.
type placed struct {
	b   *buffer
	row int
}

func (l *Log) appendChunk(events []event.Event, d Durability) (Receipt, error) {
	if err := l.unstick(); err != nil {
		return Receipt{}, err
	}
	logged := d == Logged && !l.o.NoSync
	var r Receipt
	var places []placed
	if logged {
		places = make([]placed, 0, len(events))
	}
	var again []int // Duplicates whose original is not durable yet.
	var err error

	l.mtx.Lock()
	if l.closed {
		l.mtx.Unlock()
		return r, ErrClosed
	}
	floor := l.floorAt(l.o.Now())
	var late, wrong, raw int
	var hr *hourState
	for i := range events {
		e := &events[i]
		if y := e.Time.Year(); y < 1970 || y > 2261 {
			wrong++
			continue
		}
		t := e.Time.UnixNano()
		if t < floor {
			r.TooOld++
			continue
		}
		if hour := hourOf(t); hr == nil || hr.hour != hour {
			l.account(hr)
			hr = l.hourState(hour)
		}
		st := l.stream(event.StreamKey{Provider: e.Provider, Account: e.Account})
		h := hashUID(e.UID)
		var dup, durable bool
		if dup, durable, err = l.duplicate(hr, st.id, e.UID, h, t); err != nil {
			break
		}
		if dup {
			r.Duplicates++
			if logged && !durable {
				again = append(again, i)
			}
			continue
		}
		l.seq++
		e.Seq = l.seq
		if st.hasWatermark && t < st.watermarkNS {
			e.Late = true
			late++
		}
		b, row := l.insert(hr, st, e, t, h)
		raw += len(e.Raw)
		r.Accepted++
		if logged {
			places = append(places, placed{b, row})
		}
	}
	l.account(hr)
	shadow := l.seq
	l.seq += uint64(len(again))
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
		return Receipt{}, fmt.Errorf("looking for duplicates: %w", err)
	}

	l.m.appended.Add(float64(r.Accepted))
	l.m.duplicates.Add(float64(r.Duplicates))
	l.m.late.Add(float64(late))
	l.m.rawBytes.Add(float64(raw))
	l.m.refused.WithLabelValues("retention").Add(float64(r.TooOld))
	l.m.refused.WithLabelValues("time").Add(float64(wrong))
	r.TooOld += wrong

	if logged && r.Accepted+len(again) > 0 {
		mem := walBuffers.Get().(*walBuffer)
		defer walBuffers.Put(mem)
		frame := binary.AppendUvarint(mem.payload[:0], uint64(r.Accepted+len(again)))
		for i := range events {
			if events[i].Seq != 0 {
				frame = appendEvent(frame, &events[i])
			}
		}
		for _, i := range again {
			// A duplicate is answered once it is durable, and its original may not
			// be: it is logged too, and dropped at recovery where the original is
			// there.
			e := events[i]
			shadow++
			e.Seq = shadow
			frame = appendEvent(frame, &e)
		}
		mem.payload = frame
		mem.frame = encodeFrame(mem.frame[:cap(mem.frame)], frameEvents, frame, true)
		if err := <-l.commits.enqueue(mem.frame, false); err != nil {
			l.m.failures.WithLabelValues("wal").Inc()
			unnumber(events)
			return Receipt{}, fmt.Errorf("logging events: %w", err)
		}
		l.mtx.Lock()
		for _, p := range places {
			p.b.logged[p.row] = true
		}
		l.mtx.Unlock()
		if total, _ := l.events.bytes(); total > walFlushBytes {
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
	}
	return r, nil
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
	stuck, fatal := l.stuck, l.fatal
	l.mtx.Unlock()
	if fatal != nil {
		return fatal
	}
	if stuck == nil {
		return nil
	}
	for _, b := range l.allFrozen() {
		if err := l.writeBuffer(b); err != nil {
			return fmt.Errorf("event log takes nothing until it can write: %w", err)
		}
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
