package eventlog

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// ControlRetention is the kind of the control record that the log writes itself
// before it deletes segments for their size: Time is where what is kept begins.
const ControlRetention = "retention"

// retentionData is the Data of that record.
type retentionData struct {
	MaxBytes int64 `json:"maxBytes"`
}

// AppendControl writes a control record, in one order with the events. A
// watermark holds from then on for what Append calls late. When it returns
// without an error the record is durable, except in a log without a write-ahead
// log, which keeps it in memory.
func (l *Log) AppendControl(ctx context.Context, c event.Control) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if c.Kind == "" {
		return 0, fmt.Errorf("control record has no kind")
	}
	l.ops.RLock()
	defer l.ops.RUnlock()
	l.mtx.Lock()
	if l.closed {
		l.mtx.Unlock()
		return 0, ErrClosed
	}
	seq, done := l.number(c)
	l.mtx.Unlock()
	if done == nil {
		return seq, nil
	}
	if err := <-done; err != nil {
		l.m.failures.WithLabelValues("control").Inc()
		return 0, fmt.Errorf("logging control record: %w", err)
	}
	return seq, nil
}

// number numbers and enqueues a record, under mtx, so that it stands in its
// file in the order of the numbers. A record whose write then fails has been
// applied: events that came after a watermark are told as late, as they are
// once the caller repeats it.
func (l *Log) number(c event.Control) (uint64, <-chan error) {
	l.seq++
	c.Seq = l.seq
	l.apply(&c)
	if l.o.NoSync {
		c.Data = append([]byte(nil), c.Data...)
		l.controls = append(l.controls, c)
		return c.Seq, nil
	}
	return c.Seq, l.commits.enqueue(encodeFrame(nil, frameControl, appendControl(nil, &c), false), true)
}

// apply takes over what a control record says. The caller holds mtx, or is
// alone.
func (l *Log) apply(c *event.Control) {
	switch c.Kind {
	case event.ControlWatermark:
		st := l.stream(c.Stream)
		st.watermark, st.hasWatermark = c.Time.UTC(), true
		switch y := c.Time.Year(); {
		case y < 1970:
			st.watermarkNS = 0
		case y > 2261:
			st.watermarkNS = maxNanos
		default:
			st.watermarkNS = c.Time.UnixNano()
		}
	case ControlRetention:
		// A larger bound than it was deleted under lets history in again.
		var d retentionData
		if json.Unmarshal(c.Data, &d) == nil && l.o.MaxBytes > 0 && l.o.MaxBytes <= d.MaxBytes &&
			c.Time.Year() >= 1970 && c.Time.Year() <= 2261 {
			l.floor = max(l.floor, c.Time.UnixNano())
		}
	}
}

// Watermark returns the time of a stream's newest watermark record, zero where
// there is none.
func (l *Log) Watermark(stream event.StreamKey) time.Time {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	return l.stream(stream).watermark
}

// Controls yields the control records that are durable, in their order.
func (l *Log) Controls(yield func(event.Control) bool) { l.ControlsSince(0)(yield) }

// ControlsSince yields the durable control records behind a position, in their
// order. Files that hold none of them are not read, but for their beginning.
func (l *Log) ControlsSince(seq uint64) iter.Seq[event.Control] {
	return func(yield func(event.Control) bool) {
		if l.o.NoSync {
			l.mtx.Lock()
			controls := slices.Clip(l.controls)
			l.mtx.Unlock()
			i, _ := slices.BinarySearchFunc(controls, seq+1, func(c event.Control, s uint64) int { return cmp.Compare(c.Seq, s) })
			for _, c := range controls[i:] {
				if !yield(c) {
					return
				}
			}
			return
		}
		// Files are read with the journal held, so that none is replaced meanwhile,
		// and yielded without it.
		last := seq
		numbers := l.control.numbers()
		numbers = numbers[l.control.firstWith(numbers, seq):]
		for len(numbers) > 0 {
			n := numbers[0]
			numbers = numbers[1:]
			p, err := l.control.read(n)
			if os.IsNotExist(err) && !slices.Contains(l.control.numbers(), n) {
				// It was pruned meanwhile: an earlier file has now what it had.
				numbers = l.control.numbers()
				continue
			}
			if err != nil {
				l.o.Logger.Error("reading control records failed", "err", err)
				continue
			}
			stop := false
			scanFrames(p, n, func(_ byte, payload []byte) error {
				if stop {
					return nil
				}
				if s, k := binary.Uvarint(payload); k > 0 && s <= last {
					return nil
				}
				c, err := parseControl(payload)
				if err == nil {
					last = c.Seq
					stop = !yield(c)
				}
				return err
			})
			if stop {
				return
			}
		}
	}
}

// firstWith returns the index of the file from which on records behind a
// position stand: the last that begins at or before it, or the first of all.
func (j *journal) firstWith(numbers []uint64, seq uint64) int {
	if seq == 0 {
		return 0
	}
	for i, n := range slices.Backward(numbers) {
		if first, ok := j.firstSeq(n); ok && first <= seq {
			return i
		}
	}
	return 0
}

// firstSeq reads the position of the first record of a control file, where it
// has one that is whole.
func (j *journal) firstSeq(number uint64) (uint64, bool) {
	f, err := os.Open(journalPath(j.dir, j.prefix, number))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	p := make([]byte, 64<<10)
	n, _ := f.ReadAt(p, 0)
	if n < journalHeader {
		return 0, false
	}
	_, payload, _, err := parseFrame(p[journalHeader:n], number)
	if err != nil {
		return 0, false
	}
	c, err := parseControl(payload)
	return c.Seq, err == nil
}
