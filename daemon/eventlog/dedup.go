package eventlog

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// duplicate reports whether an event is stored already, and whether the one
// that is stored is durable. An event that was delivered twice has the same
// time, so the hour of its time is looked at for certain: its buffers, then the
// filter over its blocks, and only where that knows the id the blocks. The
// cache adds ids that were seen lately under another hour; it may forget, and
// what it says is confirmed in the same way. The caller holds mtx.
func (l *Log) duplicate(hr *hourState, s streamID, uid string, h uint64, t int64) (dup, durable bool, err error) {
	if dup, durable, err = l.inHour(hr, s, uid, h, t); dup || err != nil {
		return dup, durable, err
	}
	var k, v [8]byte
	binary.LittleEndian.PutUint64(k[:], h)
	got, ok := l.seen.HasGet(v[:0], k[:])
	if !ok || len(got) != 8 {
		return false, false, nil
	}
	hour := int64(binary.LittleEndian.Uint64(got))
	if hour == hr.hour {
		return false, false, nil
	}
	other, ok := l.hours[hour]
	if !ok {
		return false, false, nil
	}
	return l.inHour(other, s, uid, h, t)
}

// inHour looks for an event in one hour.
func (l *Log) inHour(hr *hourState, s streamID, uid string, h uint64, t int64) (dup, durable bool, err error) {
	for b := range hr.buffers() {
		if row := b.find(h, s, uid); row >= 0 {
			return true, b.logged[row], nil
		}
	}
	if hr.seg == nil || len(hr.seg.blocks) == 0 {
		return false, false, nil
	}
	if hr.filter == nil {
		if err := l.loadFilter(hr); err != nil {
			return false, false, err
		}
	}
	l.tick++
	hr.used = l.tick
	if !hr.filter.has(h) {
		return false, false, nil
	}
	m, _, err := l.locate(hr.seg.blocks, s, uid, h, t)
	if err != nil || m == nil {
		l.m.confirms.WithLabelValues("absent").Inc()
		return false, false, err
	}
	l.m.confirms.WithLabelValues("found").Inc()
	return true, m.off+m.hdr.length <= hr.seg.synced, nil
}

// locate finds an event's row among blocks: first in those whose times include
// its own, then in the others.
func (l *Log) locate(blocks []*blockMeta, s streamID, uid string, h uint64, t int64) (*blockMeta, int, error) {
	for _, around := range []bool{true, false} {
		for _, m := range blocks {
			if (m.hdr.mint <= t && t <= m.hdr.maxt) != around || m.dead.Load() {
				continue
			}
			b := l.cache.get(m)
			may, err := b.mayHave(h)
			row := -1
			if err == nil && may {
				row, err = b.rowOf(s, uid)
			}
			switch {
			case isCorrupt(err):
				l.damagedBlock(m, err)
			case err != nil:
				return nil, 0, err
			case row >= 0:
				return m, row, nil
			}
		}
	}
	return nil, 0, nil
}

// loadFilter makes the id filter of an hour from the ids of its blocks.
func (l *Log) loadFilter(hr *hourState) error {
	n := 0
	for _, m := range hr.seg.blocks {
		n += m.hdr.rows
	}
	f := newIDFilter(n + l.o.BlockEvents)
	for _, m := range hr.seg.blocks {
		if m.dead.Load() {
			continue
		}
		ids, err := l.cache.get(m).uidColumn()
		if isCorrupt(err) {
			l.damagedBlock(m, err)
			continue
		}
		if err != nil {
			return err
		}
		for _, id := range ids {
			f.add(hashUID(id))
		}
	}
	hr.filter = f
	l.filters += f.bytes
	l.evictFilters(hr)
	return nil
}

// evictFilters drops the filters that were used longest ago, until they take
// three quarters of what they may.
func (l *Log) evictFilters(keep *hourState) {
	limit := int64(l.o.DedupBytes / 2)
	if l.filters <= limit {
		return
	}
	var have []*hourState
	for _, hr := range l.hours {
		if hr.filter != nil && hr != keep {
			have = append(have, hr)
		}
	}
	slices.SortFunc(have, func(a, b *hourState) int { return cmp.Compare(a.used, b.used) })
	for _, hr := range have {
		if l.filters <= limit/4*3 {
			return
		}
		l.filters -= hr.filter.bytes
		hr.filter = nil
	}
}
