package eventlog

import (
	"context"
)

// Settle makes durable what Append has taken in so far and what is not durable
// yet: events that can be read again, and those of pushes that are not
// acknowledged. Who has carried out a watermark that covers them cannot be
// surprised by their coming a second time after a crash. It is next to nothing
// where there is nothing to do.
func (l *Log) Settle(ctx context.Context) error {
	if l.o.NoSync || l.settled() {
		return nil
	}
	return l.Flush(ctx)
}

// settled reports whether everything that was taken in is durable.
func (l *Log) settled() bool {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	if len(l.dirty) > 0 {
		return false
	}
	for _, hr := range l.hours {
		for b := range hr.buffers() {
			if b.unlogged > 0 {
				return false
			}
		}
	}
	return true
}

// mark notes that a row is durable in the write-ahead log. The caller holds the
// log's mtx.
func (b *buffer) mark(row int) {
	if !b.logged[row] {
		b.logged[row] = true
		b.unlogged--
	}
}

// newestSeq is the largest number of the hour's events. The caller holds the
// log's mtx.
func (hr *hourState) newestSeq() uint64 {
	if hr.newest > 0 {
		return hr.newest
	}
	if hr.seg != nil {
		for _, m := range hr.seg.blocks {
			hr.newest = max(hr.newest, m.hdr.maxSeq)
		}
	}
	for b := range hr.buffers() {
		for _, s := range b.seqs {
			hr.newest = max(hr.newest, s)
		}
	}
	return hr.newest
}
