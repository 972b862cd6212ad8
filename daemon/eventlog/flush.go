package eventlog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// writeBuffer writes a frozen buffer as blocks and registers them. Where
// another goroutine does so it waits for it.
func (l *Log) writeBuffer(b *buffer) error {
	l.mtx.Lock()
	for b.state == bufferWriting {
		l.cond.Wait()
	}
	if b.state == bufferWritten {
		l.mtx.Unlock()
		return nil
	}
	b.state = bufferWriting
	hr := l.hours[b.hour]
	if hr.seg == nil {
		hr.seg = &segment{hour: hr.hour, path: segmentPath(l.o.Dir, hr.hour), files: l.files}
		hr.filter = newIDFilter(nil)
	}
	seg := hr.seg
	view := b.snapshot(&l.o)
	l.mtx.Unlock()

	v := view()
	enc := encoders.Get().(*encoder)
	var data []byte
	var metas []*blockMeta
	step := blockRows(v.hdr.rows, l.o.BlockEvents)
	for lo := 0; lo < v.hdr.rows; lo += step {
		at := int64(len(data))
		var h *header
		data, h = enc.encode(data, v, lo, min(lo+step, v.hdr.rows))
		metas = append(metas, &blockMeta{seg: seg, off: at, hdr: h})
	}
	encoders.Put(enc)

	// Blocks are registered in the order in which they are in the file, since an
	// index covers a prefix of it. The segment may have been merged meanwhile.
	seg.wmtx.Lock()
	for seg.dead.Load() {
		seg.wmtx.Unlock()
		l.mtx.Lock()
		seg = hr.seg
		l.mtx.Unlock()
		seg.wmtx.Lock()
	}
	defer seg.wmtx.Unlock()
	for _, m := range metas {
		m.seg = seg
	}
	at, err := seg.append(data)

	l.mtx.Lock()
	defer l.mtx.Unlock()
	defer l.cond.Broadcast()
	if err != nil {
		b.state = bufferFrozen
		l.stuck = err
		l.m.failures.WithLabelValues("segment").Inc()
		return err
	}
	b.state = bufferWritten
	l.buffered -= b.accounted
	hr.frozen = slices.DeleteFunc(slices.Clone(hr.frozen), func(x *buffer) bool { return x == b })
	for _, m := range metas {
		m.off += at
	}
	seg.blocks = append(seg.blocks, metas...)
	seg.bytes = seg.end
	seg.written = l.o.Now()
	if hr.filter != nil {
		if lv := hr.filter.add(metas, b.hashes, l.tick); len(lv.blocks) == len(metas) {
			l.filters += lv.bytes()
			l.evictFilters()
		}
	}
	if !l.o.NoSync {
		l.dirty[seg] = struct{}{}
		l.keep(seg, at, data)
		if at == segmentHeader {
			for dir := filepath.Dir(seg.path); len(dir) >= len(l.o.Dir); dir = filepath.Dir(dir) {
				l.dirs[dir] = struct{}{}
			}
		}
	}
	l.m.blocks.Add(float64(len(metas)))
	l.m.written.Add(float64(len(data)))
	return nil
}

// blockRows is how many rows of a buffer each block gets, so that none is left
// with a few.
func blockRows(rows, full int) int {
	blocks := max((rows+full/2)/full, 1)
	return (rows + blocks - 1) / blocks
}

// Flush makes every event that was accepted before durable in blocks, and
// deletes the files of the write-ahead log that are not needed any more.
func (l *Log) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.ops.RLock()
	defer l.ops.RUnlock()
	if l.isClosed() {
		return ErrClosed
	}
	return l.flush()
}

func (l *Log) flush() error {
	l.flushMtx.Lock()
	defer l.flushMtx.Unlock()
	l.mtx.Lock()
	fatal, unsynced := l.fatal, l.unsynced
	l.mtx.Unlock()
	if fatal != nil {
		return fatal
	}
	if unsynced != nil {
		// To segments that could not be synced nothing is added.
		if err := l.syncSegments(); err != nil {
			return fmt.Errorf("flushing the event log: %w", err)
		}
	}
	// Events are in a buffer before they are in the write-ahead log. So what the
	// files before the new one hold is in the buffers that are frozen next, or
	// in blocks.
	var upTo uint64
	if l.events != nil {
		var err error
		if upTo, err = l.events.rotate(l.o.Now()); err != nil {
			l.m.failures.WithLabelValues("wal").Inc()
			upTo = 0 // The old files stay; what is buffered is written all the same.
			l.o.Logger.Error("rotating the write-ahead log failed", "err", err)
		}
	}
	l.mtx.Lock()
	for _, hr := range l.hours {
		if hr.buf != nil {
			l.freeze(hr)
		}
	}
	l.frozen()
	l.mtx.Unlock()
	var errs []error
	for _, b := range l.allFrozen() {
		if err := l.writeBuffer(b); err != nil {
			// The other hours' blocks would fail as well.
			errs = append(errs, err)
			break
		}
	}
	if len(errs) == 0 {
		errs = append(errs, l.syncSegments())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("flushing the event log: %w", err)
	}
	l.mtx.Lock()
	l.stuck = nil
	l.mtx.Unlock()
	if l.events == nil {
		return nil
	}
	return l.events.remove(upTo)
}
