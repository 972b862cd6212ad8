package eventlog

import (
	"context"
	"encoding/json"
	"fmt"
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
func (l *Log) Controls(yield func(event.Control) bool) {
	if l.o.NoSync {
		l.mtx.Lock()
		controls := slices.Clip(l.controls)
		l.mtx.Unlock()
		for _, c := range controls {
			if !yield(c) {
				return
			}
		}
		return
	}
	// Files are read with the journal held, so that none is replaced meanwhile,
	// and yielded without it. After a crash while records were pruned, or a prune
	// meanwhile, some stand in two files.
	var last uint64
	for _, n := range l.control.numbers() {
		p, err := l.control.read(n)
		if err != nil {
			if !os.IsNotExist(err) {
				l.o.Logger.Error("reading control records failed", "err", err)
			}
			continue
		}
		stop := false
		scanFrames(p, n, func(_ byte, payload []byte) error {
			if stop {
				return nil
			}
			c, err := parseControl(payload)
			if err == nil && c.Seq > last {
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

// pruneControls rewrites the control files that are closed without what nothing
// depends on any more: of the records before minSeq, which is the smallest
// number of an event that is kept, only the newest watermark of each stream,
// the newest retention and the newest configuration stay, and all that users
// said.
func (l *Log) pruneControls(minSeq uint64) error {
	j := l.control
	j.mtx.Lock()
	defer j.mtx.Unlock()
	var old []uint64
	for n := range j.old {
		old = append(old, n)
	}
	if len(old) == 0 {
		return nil
	}
	// Which records are the newest is only known at the end of the last file.
	type key struct {
		kind   string
		stream event.StreamKey
	}
	newest := map[key]uint64{}
	each := func(fn func(c event.Control, payload []byte) error) error {
		for _, n := range sortedNumbers(old) {
			p, err := os.ReadFile(journalPath(j.dir, j.prefix, n))
			if err != nil {
				return err
			}
			var failed error
			scanFrames(p, n, func(_ byte, payload []byte) error {
				c, err := parseControl(payload)
				if err == nil && failed == nil {
					failed = fn(c, payload)
				}
				return err
			})
			if failed != nil {
				return failed
			}
		}
		return nil
	}
	single := func(kind string) bool {
		return kind == event.ControlWatermark || kind == event.ControlConfig || kind == ControlRetention
	}
	if err := each(func(c event.Control, _ []byte) error {
		if single(c.Kind) && c.Seq < minSeq {
			newest[key{c.Kind, c.Stream}] = c.Seq
		}
		return nil
	}); err != nil {
		return fmt.Errorf("reading control records to prune: %w", err)
	}
	// All old files become one under the last of their numbers, which is
	// replaced at once; the others are then deleted. A crash in between leaves
	// records twice, which Controls and recovery bear.
	last := sortedNumbers(old)[len(old)-1]
	out := appendJournalHeader(nil, last)
	if err := each(func(c event.Control, payload []byte) error {
		if single(c.Kind) && c.Seq < minSeq && newest[key{c.Kind, c.Stream}] != c.Seq {
			return nil
		}
		f := encodeFrame(nil, frameControl, payload, false)
		sealFrame(f, last)
		out = append(out, f...)
		return nil
	}); err != nil {
		return fmt.Errorf("reading control records to prune: %w", err)
	}
	if err := writeAtomic(journalPath(j.dir, j.prefix, last), out, true); err != nil {
		return fmt.Errorf("pruning control records: %w", err)
	}
	for _, n := range old {
		j.total -= j.old[n]
		delete(j.old, n)
		if n != last {
			if err := os.Remove(journalPath(j.dir, j.prefix, n)); err != nil {
				return fmt.Errorf("pruning control records: %w", err)
			}
		}
	}
	j.old[last] = int64(len(out))
	j.total += int64(len(out))
	return nil
}
