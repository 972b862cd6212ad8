package eventlog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"
	"unique"

	"github.com/insightd/insightd/daemon/event"
)

// driftNanos is by how much the time of an event may differ from delivery to
// delivery and be a duplicate for certain. Providers repeat an event as it was; what
// collectors in between round is well within it.
const driftNanos = int64(time.Minute)

// anyDrift is for an id that the cache knows, whatever the time it had.
const anyDrift = int64(100 * 365 * 24 * time.Hour)

// around returns the span of times that are off from t by drift at the most.
func around(t, drift int64) (from, to int64) {
	if t > math.MaxInt64-drift {
		return t - drift, math.MaxInt64
	}
	return t - drift, t + drift
}

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

// answers is what the disk says of the events of a batch, by their index. It is nil
// where the disk was not asked.
type answers map[int]*lookedUp

// of returns the entry of an event, made where it is new.
func (a answers) of(i int) *lookedUp {
	k := a[i]
	if k == nil {
		k = &lookedUp{}
		a[i] = k
	}
	return k
}

// lookedUp is what the disk says of an event.
type lookedUp struct {
	blocks []answer
	// absent are the levels that do not know its id. They were not in memory, and need
	// not stay there: a level that was read from the disk gets no further ids.
	absent []*filterLevel
}

// answer is what the first blocks of a segment say of an event.
type answer struct {
	seg    *segment
	blocks int
	drift  int64      // How far its time may be off.
	found  *blockMeta // The block that has it, or nil.
}

// question is whether an hour has an event.
type question struct {
	i      int // The event's index in the batch.
	seg    *segment
	blocks []*blockMeta
	drift  int64
}

// lookUp asks the disk what take will need to know, without the mutex: a slow
// disk holds up who has to ask it, and nobody else. Where levels of the id filters of
// the hours that the events are in are not in memory it makes them, one after the
// other, and asks each about all events that need it at once. It looks in the blocks
// for the events that the filters know. With all it does so for the hours under which
// the cache knows an event too, whatever its time.
func (l *Log) lookUp(events []event.Event, keys []eventKey, all bool) (answers, error) {
	var ask []question
	var missing map[*filterLevel][]question
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
			from, to := around(k.t, q.drift)
			may, levels := l.filterOf(hr).ask(k.hash, from, to, l.tick)
			if may {
				ask = append(ask, q)
			}
			for _, lv := range levels {
				if missing == nil {
					missing = map[*filterLevel][]question{}
				}
				missing[lv] = append(missing[lv], q)
			}
		}
	}
	l.mtx.Unlock()
	if len(ask)+len(missing) == 0 {
		return nil, nil
	}
	out := answers{}
	for lv, qs := range missing {
		ids, err := l.loadLevel(lv)
		if errors.Is(err, errGone) {
			continue // It was merged, or deleted: take finds no answer and another filter is asked.
		}
		if err != nil {
			return nil, err
		}
		for _, q := range qs {
			if ids.has(keys[q.i].hash) {
				ask = append(ask, q)
			} else {
				k := out.of(q.i)
				k.absent = append(k.absent, lv)
			}
		}
	}
	for _, q := range ask {
		e := &events[q.i]
		s := unique.Make(event.StreamKey{Provider: e.Provider, Account: e.Account})
		m, _, err := l.locate(q.blocks, s, e.UID, keys[q.i].hash, keys[q.i].t, q.drift)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k := out.of(q.i)
		k.blocks = append(k.blocks, answer{q.seg, len(q.blocks), q.drift, m})
	}
	return out, nil
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

// original is what is known of the event that another may be a duplicate of.
type original struct {
	stored  bool
	durable bool
	placed  // Where it is in a buffer; b is nil where it is in a block.
}

// duplicate finds the original of an event. It looks in the hours that the event's time
// is in or near to: in their buffers, then in the filter over their blocks, and only
// where that knows the id in the blocks around its time. The cache adds ids that
// were seen lately under another time; what it says is confirmed in the same way. What
// only blocks know is taken from known; with read they are read, else the error
// is errUnknown. The caller holds mtx.
func (l *Log) duplicate(hr *hourState, s streamID, uid string, k eventKey, known *lookedUp, read bool) (original, error) {
	if was, err := l.inHour(hr, s, uid, k, driftNanos, known, read); was.stored || err != nil {
		return was, err
	}
	for _, drift := range [2]int64{-driftNanos, driftNanos} {
		if hour := hourOf(k.t + drift); hour != hr.hour {
			if was, err := l.inHour(l.hours[hour], s, uid, k, driftNanos, known, read); was.stored || err != nil {
				return was, err
			}
		}
	}
	return l.inHour(l.cached(k.hash), s, uid, k, anyDrift, known, read)
}

// inHour looks for an event in one hour, under times that are off by drift at the
// most.
func (l *Log) inHour(hr *hourState, s streamID, uid string, k eventKey, drift int64, known *lookedUp, read bool) (original, error) {
	if hr == nil {
		return original{}, nil
	}
	for b := range hr.buffers() {
		if row := b.find(k.hash, s, uid); row >= 0 {
			return original{true, b.logged[row], placed{b, row}}, nil
		}
	}
	if hr.seg == nil || len(hr.seg.blocks) == 0 {
		return original{}, nil
	}
	from, to := around(k.t, drift)
	may, missing := l.filterOf(hr).ask(k.hash, from, to, l.tick)
	var blocks []answer
	if known != nil {
		blocks = known.blocks
		missing = slices.DeleteFunc(missing, func(lv *filterLevel) bool { return slices.Contains(known.absent, lv) })
	}
	if !may && len(missing) == 0 {
		return original{}, nil
	}
	i := slices.IndexFunc(blocks, func(a answer) bool {
		return a.seg == hr.seg && a.drift >= drift && (a.found != nil && !a.found.dead.Load() || a.found == nil && a.blocks == len(hr.seg.blocks))
	})
	if i < 0 && !read {
		return original{}, errUnknown
	}
	if i < 0 && !may {
		for _, lv := range missing {
			ids, err := l.idsOf(lv.blocks)
			if err != nil {
				return original{}, err
			}
			l.fill(lv, ids)
			may = may || ids.has(k.hash)
		}
		if !may {
			return original{}, nil
		}
	}
	var m *blockMeta
	var err error
	if i >= 0 {
		m = blocks[i].found
	} else {
		m, _, err = l.locate(hr.seg.blocks, s, uid, k.hash, k.t, drift)
	}
	if err != nil || m == nil {
		l.m.confirms.WithLabelValues("absent").Inc()
		return original{}, err
	}
	l.m.confirms.WithLabelValues("found").Inc()
	return original{stored: true, durable: m.off+m.hdr.length <= hr.seg.synced}, nil
}

// locate finds an event's row among blocks: first in those whose times include
// its own, then in those that are within drift of it.
func (l *Log) locate(blocks []*blockMeta, s streamID, uid string, h uint64, t, drift int64) (*blockMeta, int, error) {
	from, to := around(t, drift)
	for _, within := range []bool{true, false} {
		for _, m := range blocks {
			if (m.hdr.mint <= t && t <= m.hdr.maxt) != within || m.dead.Load() || m.hdr.mint > to || m.hdr.maxt < from {
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

// filterOf returns the filter of an hour that has blocks. The caller holds mtx.
func (l *Log) filterOf(hr *hourState) *idFilter {
	if hr.filter == nil {
		hr.filter = newIDFilter(hr.seg.blocks)
	}
	return hr.filter
}

// dropFilter forgets the filter of an hour whose blocks are not there any more. The
// caller holds mtx.
func (l *Log) dropFilter(hr *hourState) {
	if hr.filter == nil {
		return
	}
	for _, lv := range hr.filter.levels {
		l.filters -= lv.bytes()
		lv.gone = true
	}
	hr.filter = nil
}

// loadLevel returns the ids of a level, which it makes from its blocks where it is not
// in memory.
func (l *Log) loadLevel(lv *filterLevel) (fine, error) {
	l.filterMtx.Lock()
	defer l.filterMtx.Unlock()
	l.mtx.Lock()
	ids, gone := lv.ids, lv.gone
	l.mtx.Unlock()
	if gone {
		return nil, errGone
	}
	if ids != nil {
		return ids, nil
	}
	ids, err := l.idsOf(lv.blocks)
	if err != nil {
		return nil, err
	}
	l.mtx.Lock()
	defer l.mtx.Unlock()
	l.fill(lv, ids)
	return ids, nil
}

// fill puts a level that was read into its filter. It gets no further blocks, not when
// it is in memory either. The caller holds mtx.
func (l *Log) fill(lv *filterLevel, ids fine) {
	if lv.ids != nil || lv.gone {
		return
	}
	lv.ids, lv.used, lv.room = ids, l.tick, 0
	l.filters += lv.bytes()
	l.evictFilters()
}

// idsOf reads the ids of blocks into a filter.
func (l *Log) idsOf(blocks []*blockMeta) (fine, error) {
	n := 0
	for _, m := range blocks {
		n += m.hdr.rows
	}
	f := newFine(n)
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
			return nil, err
		}
		for _, id := range ids {
			f.add(hashUID(id))
		}
	}
	return f, nil
}

// filterGrace is for how many passes over batches, whosever they are, a level that was
// asked stays, whatever memory that takes: what each batch of a source asks is made
// once.
const filterGrace = 4

// evictFilters takes the levels out of memory that were asked longest ago, until
// the rest takes three quarters of what it may. The caller holds mtx.
func (l *Log) evictFilters() {
	limit := int64(l.o.DedupBytes / 2)
	if l.filters <= limit {
		return
	}
	var old []*filterLevel
	for _, hr := range l.hours {
		if hr.filter == nil {
			continue
		}
		for _, lv := range hr.filter.levels {
			if lv.ids != nil && l.tick-lv.used >= filterGrace {
				old = append(old, lv)
			}
		}
	}
	slices.SortFunc(old, func(a, b *filterLevel) int { return cmp.Compare(a.used, b.used) })
	for _, lv := range old {
		if l.filters <= limit/4*3 {
			return
		}
		l.filters -= lv.bytes()
		lv.ids = nil
		if last := len(lv.of.levels) - 1; lv == lv.of.levels[last] {
			lv.of.next = filterLeast // Nobody adds to the hour any more, or little.
		}
	}
}
