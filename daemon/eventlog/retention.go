package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// maintainLoop does from time to time what is not urgent.
func (l *Log) maintainLoop() {
	defer close(l.stopped)
	t := time.NewTicker(maintainEvery)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.wake:
			l.idleMtx.Lock()
			if err := l.flush(); err != nil {
				l.o.Logger.Error("flushing the event log failed", "err", err)
			}
			l.idleMtx.Unlock()
		case <-t.C:
			l.idleMtx.Lock()
			if err := l.maintain(l.o.Now()); err != nil {
				l.o.Logger.Error("maintaining the event log failed", "err", err)
			}
			l.idleMtx.Unlock()
		}
	}
}

// maintain deletes what is beyond the retention, keeps the write-ahead log
// short, and seals hours that nothing was added to for a while.
func (l *Log) maintain(now time.Time) error {
	err := l.retain(now)
	if l.events != nil {
		total, opened := l.events.bytes()
		if total > walFlushBytes || total > journalHeader && now.Sub(opened) > walFlushAge {
			err = errors.Join(err, l.flush())
		}
	}
	// Nobody may ask to append until what failed is tried again.
	err = errors.Join(err, l.unstick())
	return errors.Join(err, l.seal(now.Add(-sealAfter)))
}

// floorAt is the time, in nanoseconds, before which events are refused.
func (l *Log) floorAt(now time.Time) int64 {
	if l.o.Retention == 0 {
		return l.floor
	}
	return max(l.floor, now.Add(-l.o.Retention).UnixNano())
}

// retain deletes whole hours: those before the retention, and the oldest while
// all are more than they may be. The latter is noted as a control record first,
// so that what was deleted is not taken in again.
func (l *Log) retain(now time.Time) error {
	if l.o.Retention == 0 && l.o.MaxBytes == 0 {
		return nil
	}
	l.mtx.Lock()
	floor := l.floorAt(now)
	var total int64
	for _, hr := range l.hours {
		if hr.seg != nil {
			total += hr.seg.bytes
		}
	}
	var drop []*hourState
	reasons := map[string]int{}
	for i, hour := range l.order {
		hr := l.hours[hour]
		if hr.seg == nil {
			continue
		}
		bySize := l.o.MaxBytes > 0 && total > l.o.MaxBytes && i < len(l.order)-1
		byTime := l.o.Retention > 0 && (hour+1)*hourNanos <= floor
		if !bySize && !byTime {
			break
		}
		if hr.buf != nil || len(hr.frozen) > 0 {
			// What is being written to the hour would come back. Next time.
			break
		}
		total -= hr.seg.bytes
		drop = append(drop, hr)
		if byTime {
			reasons["time"]++
		} else {
			reasons["size"]++
			floor = max(floor, (hour+1)*hourNanos)
		}
	}
	if len(drop) == 0 {
		l.mtx.Unlock()
		return nil
	}
	var done <-chan error
	if reasons["size"] > 0 {
		data, err := json.Marshal(retentionData{MaxBytes: l.o.MaxBytes})
		if err != nil {
			l.mtx.Unlock()
			return err
		}
		_, done = l.number(event.Control{Kind: ControlRetention, Time: nanoTime(floor), Data: data})
	}
	l.mtx.Unlock()
	if done != nil {
		if err := <-done; err != nil {
			return fmt.Errorf("noting what retention deletes: %w", err)
		}
	}

	var errs []error
	for _, hr := range drop {
		errs = append(errs, l.deleteHour(hr))
	}
	for reason, n := range reasons {
		l.m.deleted.WithLabelValues(reason).Add(float64(n))
	}
	l.mtx.Lock()
	minSeq := l.recount()
	l.mtx.Unlock()
	l.o.Logger.Info("retention deleted segments", "segments", len(drop), "kept_from", nanoTime(floor))
	if !l.o.NoSync {
		errs = append(errs, l.pruneControls(minSeq))
	}
	return errors.Join(errs...)
}

func (l *Log) deleteHour(hr *hourState) error {
	hr.seg.wmtx.Lock()
	defer hr.seg.wmtx.Unlock()
	l.mtx.Lock()
	if hr.buf != nil || len(hr.frozen) > 0 {
		// Events that were accepted before the floor was raised.
		l.mtx.Unlock()
		return nil
	}
	seg := hr.seg
	seg.dead.Store(true)
	delete(l.hours, hr.hour)
	delete(l.dirty, seg)
	seg.broken.Store(nil)
	l.unkeep(seg, seg.end)
	l.dropFilter(hr)
	if i, ok := slices.BinarySearch(l.order, hr.hour); ok {
		l.order = slices.Delete(slices.Clone(l.order), i, i+1)
	}
	blocks := seg.blocks
	l.mtx.Unlock()
	l.cache.forget(blocks)
	// The index goes last: without a segment it is removed at the next start.
	err := l.disk.remove(seg.path)
	l.files.forget(seg.path) // Now that nobody can open it again.
	if ierr := l.disk.remove(indexPath(seg.path)); !errors.Is(ierr, fs.ErrNotExist) {
		err = errors.Join(err, ierr)
	}
	// Directories of days that are empty now.
	for dir, i := filepath.Dir(seg.path), 0; i < 3; dir, i = filepath.Dir(dir), i+1 {
		if l.disk.remove(dir) != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting segment: %w", err)
	}
	return nil
}

// recount makes the streams' counts anew from what is kept, and returns the
// smallest number of an event. The caller holds mtx.
func (l *Log) recount() uint64 {
	for _, st := range l.streams {
		st.events, st.first, st.last = 0, 0, 0
	}
	minSeq := uint64(math.MaxUint64)
	for _, hr := range l.hours {
		for b := range hr.buffers() {
			for _, s := range b.streams {
				l.streams[s.id].note(s.rows, s.mint, s.maxt)
			}
			for _, s := range b.seqs {
				minSeq = min(minSeq, s)
			}
		}
		if hr.seg == nil {
			continue
		}
		for _, m := range hr.seg.blocks {
			if m.dead.Load() {
				continue
			}
			minSeq = min(minSeq, m.hdr.minSeq)
			for _, r := range m.hdr.runs {
				l.streams[r.stream].note(r.end-r.start, r.mint, r.maxt)
			}
		}
	}
	return minSeq
}

// seal writes the indexes that are missing: of all hours, or of those that
// ended and were written before a time.
func (l *Log) seal(before time.Time) error {
	l.mtx.Lock()
	var todo []*segment
	for _, hour := range l.order {
		s := l.hours[hour].seg
		if s == nil || s.indexed == len(s.blocks) && !s.reseal.Load() || !before.IsZero() &&
			(s.written.After(before) || nanoTime((hour+1)*hourNanos).After(before)) {
			continue
		}
		todo = append(todo, s)
	}
	l.mtx.Unlock()
	if len(todo) == 0 {
		return nil
	}
	if err := l.syncSegments(); err != nil {
		return err
	}
	var errs []error
	for _, s := range todo {
		if !before.IsZero() { // Not at Close, which is to be quick.
			if l.questions.open() >= maxReplaced {
				break // Until slow questions are done.
			}
			if err := l.merge(s); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, l.sealSegment(s))
	}
	return errors.Join(errs...)
}

func (l *Log) sealSegment(s *segment) error {
	l.mtx.Lock()
	if hr := l.hours[s.hour]; hr != nil {
		s = hr.seg // It may have been merged.
	}
	l.mtx.Unlock()
	s.wmtx.Lock()
	defer s.wmtx.Unlock()
	l.mtx.Lock()
	blocks, end := s.blocks, s.bytes
	ready := s.synced >= s.bytes && !s.dead.Load()
	l.mtx.Unlock()
	if !ready || len(blocks) == 0 {
		return nil
	}
	// Not synced: an index that a crash lost or tore is made again.
	again := s.reseal.Swap(false)
	whole := slices.DeleteFunc(slices.Clone(blocks), func(m *blockMeta) bool { return m.dead.Load() })
	if err := l.disk.writeAtomic(indexPath(s.path), encodeIndex(s.hour, end, whole), false); err != nil {
		if again {
			s.reseal.Store(true)
		}
		l.m.failures.WithLabelValues("index").Inc()
		return fmt.Errorf("writing index of segment %q: %w", s.path, err)
	}
	l.mtx.Lock()
	s.indexed = len(blocks)
	l.mtx.Unlock()
	return nil
}

// Verify reads every byte of every block and returns what is wrong with them,
// one error a block. It is slow and disturbs nobody.
func (l *Log) Verify(ctx context.Context) error {
	l.ops.RLock()
	defer l.ops.RUnlock()
	l.mtx.Lock()
	var blocks []*blockMeta
	for _, hour := range l.order {
		if s := l.hours[hour].seg; s != nil {
			blocks = append(blocks, s.blocks...)
		}
	}
	l.mtx.Unlock()
	var errs []error
	for _, m := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Not through the cache, which would be emptied.
		b := &block{hdr: m.hdr, src: m}
		err := b.verify()
		if err == nil {
			_, err = readHeader(m, 0, m.hdr.length, m.seg.hour)
		}
		if err != nil && !errors.Is(err, errGone) {
			if isCorrupt(err) {
				l.damagedBlock(m, err)
			}
			errs = append(errs, fmt.Errorf("segment %q, block at %d: %w", m.seg.path, m.off, err))
		}
	}
	return errors.Join(errs...)
}
