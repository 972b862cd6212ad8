package eventlog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unique"

	"github.com/insightd/insightd/daemon/event"
)

// driftNanos is by how much the time of an event may differ from delivery to
// delivery and be a duplicate for certain. Providers repeat an event as it was; what
// collectors in between round is well within it.
const driftNanos = int64(time.Minute)

// anyDrift is for an id that the cache knows under another hour.
const anyDrift = int64(100 * 365 * 24 * time.Hour)

// maxLookUps is how often blocks are asked without the mutex before they are
// asked with it.
const maxLookUps = 3

// errUnknown says that only the disk knows whether an event is a duplicate.
var errUnknown = errors.New("not known without reading the disk")

// eventKey is what de-duplication needs of an event.
type eventKey struct {
	t     int64
	hash  uint64
	wrong bool // The time is beyond what is kept.
}

func keysOf(events []event.Event) []eventKey {
	keys := make([]eventKey, len(events))
	for i := range events {
		e := &events[i]
		if y := e.Time.Year(); y < 1970 || y > 2261 {
			keys[i].wrong = true
			continue
		}
		keys[i].t, keys[i].hash = e.Time.UnixNano(), hashUID(e.UID)
	}
	return keys
}

// answers is what the blocks say of the events of a batch, by their index.
type answers map[int][]answer

// answer is what the first blocks of a segment say of an event.
type answer struct {
	seg    *segment
	blocks int
	drift  int64      // How far its time may be off.
	found  *blockMeta // The block that has it, or nil.
}

// lookUp asks the disk what take will need to know, without the mutex: a slow
// disk holds up who has to ask it, and nobody else. It loads the id filters of
// the hours that the events are in, and looks in their blocks for the events
// that the filters know. With all it does so for the hours under which the
// cache knows an event too, whatever its time.
func (l *Log) lookUp(events []event.Event, keys []eventKey, all bool) (answers, error) {
	type question struct {
		i      int
		seg    *segment
		blocks []*blockMeta
		drift  int64
	}
	var ask []question
	for range 2 {
		ask = ask[:0]
		missing := map[int64]struct{}{}
		l.mtx.Lock()
		l.tick++
		var hr, before, after *hourState
		hour := int64(-1)
		for i := range keys {
			k := &keys[i]
			if k.wrong {
				continue
			}
			if h := hourOf(k.t); h != hour {
				hour = h
				hr, before, after = l.hours[h], l.hours[h-1], l.hours[h+1]
			}
			for n, hr := range [4]*hourState{hr, near(before, k.t, -driftNanos), near(after, k.t, driftNanos), nil} {
				if n == 3 && all {
					hr = l.cached(k.hash)
				}
				if hr == nil || hr.seg == nil || len(hr.seg.blocks) == 0 {
					continue
				}
				q := question{i, hr.seg, hr.seg.blocks, driftNanos}
				if n == 3 {
					q.drift = anyDrift
				}
				hr.used = l.tick
				if hr.filter == nil {
					missing[hr.hour] = struct{}{}
				} else if hr.filter.has(k.hash, k.t-q.drift, k.t+q.drift) {
					ask = append(ask, q)
				}
			}
		}
		l.mtx.Unlock()
		if len(missing) == 0 {
			break
		}
		for hour := range missing {
			if err := l.loadFilter(hour); err != nil {
				return nil, err
			}
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	known := make(answers, len(ask))
	for _, q := range ask {
		e := &events[q.i]
		s := unique.Make(event.StreamKey{Provider: e.Provider, Account: e.Account})
		m, _, err := l.locate(q.blocks, s, e.UID, keys[q.i].hash, keys[q.i].t, q.drift)
		if errors.Is(err, errGone) {
			continue // It was merged, or deleted: take finds no answer and it is asked again.
		}
		if err != nil {
			return nil, err
		}
		known[q.i] = append(known[q.i], answer{q.seg, len(q.blocks), q.drift, m})
	}
	return known, nil
}

// near returns the hour where a time that is off by drift falls in it.
func near(hr *hourState, t, drift int64) *hourState {
	if hr == nil || hourOf(t+drift) != hr.hour {
		return nil
	}
	return hr
}

// cached returns the hour under which an id was seen lately. The cache may forget,
// and may be wrong. The caller holds mtx.
func (l *Log) cached(hash uint64) *hourState {
	var k, v [8]byte
	binary.LittleEndian.PutUint64(k[:], hash)
	got, ok := l.seen.HasGet(v[:0], k[:])
	if !ok || len(got) != 8 {
		return nil
	}
	return l.hours[int64(binary.LittleEndian.Uint64(got))]
}

// duplicate reports whether an event is stored already, and whether the one
// that is stored is durable. It looks in the hours that the event's time is in
// or near to: in their buffers, then in the filter over their blocks, and only
// where that knows the id in the blocks around its time. The cache adds ids that
// were seen lately under another time; what it says is confirmed in the same way. What
// only blocks know is taken from known; with read they are read, else the error
// is errUnknown. The caller holds mtx.
func (l *Log) duplicate(hr *hourState, s streamID, uid string, k eventKey, known []answer, read bool) (dup, durable bool, err error) {
	if dup, durable, err = l.inHour(hr, s, uid, k, driftNanos, known, read); dup || err != nil {
		return dup, durable, err
	}
	for _, drift := range [2]int64{-driftNanos, driftNanos} {
		if hour := hourOf(k.t + drift); hour != hr.hour {
			if dup, durable, err = l.inHour(l.hours[hour], s, uid, k, driftNanos, known, read); dup || err != nil {
				return dup, durable, err
			}
		}
	}
	return l.inHour(l.cached(k.hash), s, uid, k, anyDrift, known, read)
}

// inHour looks for an event in one hour, under times that are off by drift at the
// most.
func (l *Log) inHour(hr *hourState, s streamID, uid string, k eventKey, drift int64, known []answer, read bool) (dup, durable bool, err error) {
	if hr == nil {
		return false, false, nil
	}
	for b := range hr.buffers() {
		if row := b.find(k.hash, s, uid); row >= 0 {
			return true, b.logged[row], nil
		}
	}
	if hr.seg == nil || len(hr.seg.blocks) == 0 {
		return false, false, nil
	}
	if hr.filter == nil {
		if !read {
			return false, false, errUnknown
		}
		f := l.filterFor(hr.seg)
		if err := l.addIDs(f, hr.seg.blocks); err != nil {
			return false, false, err
		}
		l.setFilter(hr, f)
	}
	hr.used = l.tick
	if !hr.filter.has(k.hash, k.t-drift, k.t+drift) {
		return false, false, nil
	}
	var m *blockMeta
	i := slices.IndexFunc(known, func(a answer) bool {
		return a.seg == hr.seg && a.drift >= drift && (a.found != nil && !a.found.dead.Load() || a.found == nil && a.blocks == len(hr.seg.blocks))
	})
	switch {
	case i >= 0:
		m = known[i].found
	case !read:
		return false, false, errUnknown
	default:
		m, _, err = l.locate(hr.seg.blocks, s, uid, k.hash, k.t, drift)
	}
	if err != nil || m == nil {
		l.m.confirms.WithLabelValues("absent").Inc()
		return false, false, err
	}
	l.m.confirms.WithLabelValues("found").Inc()
	return true, m.off+m.hdr.length <= hr.seg.synced, nil
}

// locate finds an event's row among blocks: first in those whose times include
// its own, then in those that are within drift of it.
func (l *Log) locate(blocks []*blockMeta, s streamID, uid string, h uint64, t, drift int64) (*blockMeta, int, error) {
	for _, around := range []bool{true, false} {
		for _, m := range blocks {
			if (m.hdr.mint <= t && t <= m.hdr.maxt) != around || m.dead.Load() || m.hdr.mint-drift > t || t > m.hdr.maxt+drift {
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

// loadFilter makes the id filter of an hour from the ids of its blocks, where
// it has none. Those that are added meanwhile are read too.
func (l *Log) loadFilter(hour int64) error {
	l.filterMtx.Lock()
	defer l.filterMtx.Unlock()
	var (
		f    *idFilter
		seg  *segment
		done int
	)
	for {
		l.mtx.Lock()
		hr := l.hours[hour]
		if hr == nil || hr.seg == nil || hr.filter != nil {
			l.mtx.Unlock()
			return nil
		}
		if seg != hr.seg {
			seg, done = hr.seg, 0
			f = l.filterFor(seg)
		}
		blocks := seg.blocks
		if done == len(blocks) {
			l.setFilter(hr, f)
			l.mtx.Unlock()
			return nil
		}
		l.mtx.Unlock()
		switch err := l.addIDs(f, blocks[done:]); {
		case errors.Is(err, errGone):
			seg = nil
		case err != nil:
			return err
		default:
			done = len(blocks)
		}
	}
}

// filterFor returns an empty filter with room for a segment's ids.
func (l *Log) filterFor(s *segment) *idFilter {
	n := 0
	for _, m := range s.blocks {
		n += m.hdr.rows
	}
	return newIDFilter(n + l.o.BlockEvents)
}

// addIDs adds the ids of blocks to a filter.
func (l *Log) addIDs(f *idFilter, blocks []*blockMeta) error {
	for _, m := range blocks {
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
			f.add(hashUID(id), m.hdr.mint, m.hdr.maxt)
		}
	}
	return nil
}

// setFilter gives an hour its filter. The caller holds mtx.
func (l *Log) setFilter(hr *hourState, f *idFilter) {
	hr.filter = f
	hr.used = l.tick
	l.filters += f.bytes
	l.evictFilters()
}

// The eight filters that were asked last are kept, and those that the last four
// batches asked, whatever memory they take: to make that of a busy hour anew takes
// seconds. At the turn of an hour each batch asks two, and late events an older one.
const (
	filtersKept = 8
	filterGrace = 4
)

// evictFilters drops the filters that were used longest ago, until they take
// three quarters of what they may.
func (l *Log) evictFilters() {
	limit := int64(l.o.DedupBytes / 2)
	if l.filters <= limit {
		return
	}
	var have []*hourState
	for _, hr := range l.hours {
		if hr.filter != nil {
			have = append(have, hr)
		}
	}
	slices.SortFunc(have, func(a, b *hourState) int { return cmp.Compare(a.used, b.used) })
	for _, hr := range have[:max(0, len(have)-filtersKept)] {
		if l.filters <= limit/4*3 || l.tick-hr.used < filterGrace {
			return
		}
		l.filters -= hr.filter.bytes
		hr.filter = nil
	}
}
