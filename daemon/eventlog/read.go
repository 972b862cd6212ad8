package eventlog

import (
	"context"
	"errors"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
	"unique"

	"github.com/insightd/insightd/daemon/event"
)

// ReadQuery asks for the events of a span of time for the final pass.
type ReadQuery struct {
	// Stream is whose events are asked for; the zero value asks for all.
	Stream event.StreamKey
	// From and To bound the event time: From inclusive, To exclusive. A zero
	// value leaves that side open.
	From, To time.Time
	// MaxSeq leaves out what was stored later; 0 is no bound.
	MaxSeq uint64
	// MinSeq leaves out what was stored up to that position: only events with a
	// larger Seq are returned. Blocks that have none are not read.
	MinSeq uint64
	// Filter leaves out the events that it does not select. Of those only the columns
	// are read that it names.
	Filter string
	// Raw, where it is set, chooses the events that come with their raw records;
	// the others come without. A raw record costs the unpacking of its frame. One
	// that is damaged stays empty, which is logged and counted.
	Raw func(*event.Event) bool
}

// bounds are nanoseconds, the lower inclusive and the upper exclusive.
type bounds struct{ from, to int64 }

// share is how many of n events that are evenly spread over a span are within the
// bounds, and one at least.
func (w bounds) share(n int, mint, maxt int64) int {
	if w.from <= mint && maxt < w.to {
		return n
	}
	within := float64(min(maxt, w.to-1)-max(mint, w.from)) + 1
	return max(1, int(float64(n)*within/(float64(maxt-mint)+1)))
}

// span turns times into bounds.
func span(from, to time.Time) bounds {
	b := bounds{0, math.MaxInt64}
	if !from.IsZero() && from.Year() >= 1970 {
		b.from = math.MaxInt64
		if from.Year() <= 2261 {
			b.from = from.UnixNano()
		}
	}
	if !to.IsZero() && to.Year() <= 2261 {
		b.to = 0
		if to.Year() >= 1970 {
			b.to = to.UnixNano()
		}
	}
	return b
}

// part is a block that takes part in an answer: a buffer's, or one on disk.
type part struct {
	view *block
	meta *blockMeta
}

// open returns the part's columns.
func (l *Log) open(p part) *block {
	if p.meta == nil {
		return p.view
	}
	return l.cache.get(p.meta)
}

func (p part) mint() int64 {
	if p.meta == nil {
		return p.view.hdr.mint
	}
	return p.meta.hdr.mint
}

func (p part) maxt() int64 {
	if p.meta == nil {
		return p.view.hdr.maxt
	}
	return p.meta.hdr.maxt
}

// collect returns the blocks and buffers whose times meet the bounds and that
// want takes, by hour. It holds the mutex only to list them.
func (l *Log) collect(w bounds, want func(*header) bool, wantBuffer func(*buffer) bool) ([][]part, error) {
	type source struct {
		meta *blockMeta
		buf  *buffer
		view func() *block
	}
	var hours [][]source
	l.mtx.Lock()
	if l.closed {
		l.mtx.Unlock()
		return nil, ErrClosed
	}
	lo := sort.Search(len(l.order), func(i int) bool { return l.order[i] >= hourOf(w.from) })
	for _, hour := range l.order[lo:] {
		if hour*hourNanos >= w.to {
			break
		}
		hr := l.hours[hour]
		var out []source
		if hr.seg != nil {
			for _, m := range hr.seg.blocks {
				if m.hdr.maxt >= w.from && m.hdr.mint < w.to && !m.dead.Load() && (want == nil || want(m.hdr)) {
					out = append(out, source{meta: m})
				}
			}
		}
		for b := range hr.buffers() {
			if wantBuffer == nil || wantBuffer(b) {
				out = append(out, source{buf: b, view: b.snapshot(&l.o)})
			}
		}
		if len(out) > 0 {
			hours = append(hours, out)
		}
	}
	l.mtx.Unlock()

	parts := make([][]part, len(hours))
	for i, hour := range hours {
		parts[i] = make([]part, 0, len(hour))
		for _, s := range hour {
			if s.meta != nil {
				parts[i] = append(parts[i], part{meta: s.meta})
				continue
			}
			v := s.view()
			l.mtx.Lock()
			if len(s.buf.times) == len(v.times) {
				s.buf.view = v
			}
			l.mtx.Unlock()
			if v.hdr.maxt >= w.from && v.hdr.mint < w.to {
				parts[i] = append(parts[i], part{view: v})
			}
		}
	}
	return parts, nil
}

// retry repeats a question while segments that it reads are deleted under it. Of those
// that are merged meanwhile it reads the old files.
func retry[T any](l *Log, fn func() (T, error)) (T, error) {
	defer l.questions.begin()()
	for range 8 {
		if out, err := fn(); !errors.Is(err, errGone) {
			return out, err
		}
	}
	return fn()
}

// rowKey is a row of an answer: its time, its part and where it is there.
type rowKey struct {
	t    int64
	part uint32
	row  uint32
}

// Read returns the events that are asked for in order of (time, uid), without
// their raw records but where q.Raw asks for them: those in memory as those on
// disk. Their strings are shared
// with the blocks that they come from.
//
// A block that is damaged is left out, which is logged and counted.
func (l *Log) Read(ctx context.Context, q ReadQuery) ([]event.Event, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	return retry(l, func() ([]event.Event, error) { return l.read(ctx, q) })
}

func (l *Log) read(ctx context.Context, q ReadQuery) ([]event.Event, error) {
	w := span(q.From, q.To)
	maxSeq := q.MaxSeq
	if maxSeq == 0 {
		maxSeq = math.MaxUint64
	}
	all := q.Stream == (event.StreamKey{})
	id := unique.Make(q.Stream)
	hours, err := l.collect(w, func(h *header) bool {
		if h.minSeq > maxSeq || h.maxSeq <= q.MinSeq {
			return false
		}
		if all {
			return true
		}
		r := h.run(id)
		return r != nil && r.maxt >= w.from && r.mint < w.to
	}, func(b *buffer) bool {
		return b.newer(q.MinSeq) && (all || slices.ContainsFunc(b.streams, func(s bufferStream) bool {
			return s.id == id && s.maxt >= w.from && s.mint < w.to
		}))
	})
	if err != nil {
		return nil, err
	}
	pick := picker{w: w, seqs: seqRange{q.MinSeq, maxSeq}, want: func(r *run) bool { return all || r.stream == id }}
	if q.Filter != "" {
		if pick.plan, err = newPlan(q.Filter, q.From, q.To, Lookups{}); err != nil {
			return nil, err
		}
	}
	var out []event.Event
	for _, parts := range hours {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if out, err = l.readHour(out, parts, &pick, q.Raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// seqRange is which positions are asked for: those beyond above, up to most.
type seqRange struct{ above, most uint64 }

func (r seqRange) has(seq uint64) bool { return seq > r.above && seq <= r.most }

// picker says which rows are asked for.
type picker struct {
	w    bounds
	seqs seqRange
	want func(*run) bool
	plan *plan // Nil where there is no filter.
}

// look opens a block where it has rows that are selected, which it returns if there
// is a filter.
func (q *picker) look(b *block) (*filler, []uint32, error) {
	var selected []uint32
	if q.plan != nil {
		var err error
		if selected, _, err = q.plan.rows(b, q.w); err != nil || len(selected) == 0 {
			return nil, nil, err
		}
	}
	f, err := b.filler()
	return f, selected, err
}

// newer reports whether the buffer holds an event that was stored after a
// position. The one that was added last almost always has the largest.
func (b *buffer) newer(seq uint64) bool {
	if seq == 0 {
		return true
	}
	for _, s := range slices.Backward(b.seqs) {
		if s > seq {
			return true
		}
	}
	return false
}

// readHour appends an hour's rows to out, in order.
func (l *Log) readHour(out []event.Event, parts []part, q *picker, raw func(*event.Event) bool) ([]event.Event, error) {
	fillers := make([]*filler, len(parts))
	var keys []rowKey
	var ends []int // Where each sorted run of keys ends.
	for i, p := range parts {
		b := l.open(p)
		f, selected, err := q.look(b)
		if isCorrupt(err) {
			l.damagedBlock(p.meta, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		fillers[i] = f
		for j := range b.hdr.runs {
			r := &b.hdr.runs[j]
			if !q.want(r) || r.maxt < q.w.from || r.mint >= q.w.to {
				continue
			}
			lo, hi := rowRange(b.times, r, q.w)
			before := len(keys)
			for row := lo; row < hi; row++ {
				if q.plan != nil { // On to the next that is selected.
					at, _ := slices.BinarySearch(selected, uint32(row))
					if selected = selected[at:]; len(selected) == 0 || int(selected[0]) >= hi {
						break
					}
					row = int(selected[0])
				}
				if q.seqs.has(b.seqs[row]) {
					keys = append(keys, rowKey{b.times[row], uint32(i), uint32(row)})
				}
			}
			if len(keys) > before {
				ends = append(ends, len(keys))
			}
		}
	}
	keys = mergeRuns(keys, ends, func(a, b rowKey) bool {
		if a.t != b.t {
			return a.t < b.t
		}
		return compareTies(fillers[a.part].b, int(a.row), fillers[b.part].b, int(b.row)) < 0
	})
	n := len(out)
	out = slices.Grow(out, len(keys))[:n+len(keys)]
	for i, k := range keys {
		f := fillers[k.part]
		f.fill(&out[n+i], runOf(f.b.hdr, int(k.row)), int(k.row))
	}
	if raw == nil {
		return out, nil
	}
	readers := make([]*rawReader, len(parts))
	for i, k := range keys {
		e := &out[n+i]
		if !raw(e) {
			continue
		}
		r := readers[k.part]
		if r == nil {
			r = fillers[k.part].b.rawReader()
			readers[k.part] = r
		}
		p, err := r.row(int(k.row))
		if isCorrupt(err) {
			l.damagedBlock(parts[k.part].meta, err)
		} else if err != nil {
			return nil, err
		}
		// Cloned: the frame would live as long as the event.
		e.Raw = append([]byte(nil), p...)
	}
	return out, nil
}

// compareTies orders rows of one time by uid, then by stream.
func compareTies(a *block, arow int, b *block, brow int) int {
	if c := strings.Compare(a.ids[arow], b.ids[brow]); c != 0 {
		return c
	}
	return compareKeys(runOf(a.hdr, arow).stream.Value(), runOf(b.hdr, brow).stream.Value())
}

// runOf returns the run that a row is in.
func runOf(h *header, row int) *run {
	if len(h.runs) == 1 {
		return &h.runs[0]
	}
	i := sort.Search(len(h.runs), func(i int) bool { return h.runs[i].end > row })
	return &h.runs[i]
}

// rowRange returns the rows of a run that are within the bounds.
func rowRange(times []int64, r *run, w bounds) (lo, hi int) {
	lo, hi = r.start, r.end
	if r.mint < w.from {
		lo += sort.Search(hi-lo, func(i int) bool { return times[lo+i] >= w.from })
	}
	if r.maxt >= w.to {
		hi = lo + sort.Search(hi-lo, func(i int) bool { return times[lo+i] >= w.to })
	}
	return lo, hi
}

// mergeRuns merges neighbouring sorted runs, which end at ends, until one is
// left.
func mergeRuns(keys []rowKey, ends []int, less func(a, b rowKey) bool) []rowKey {
	if len(ends) < 2 {
		return keys
	}
	from, to := keys, make([]rowKey, len(keys))
	for len(ends) > 1 {
		var next []int
		start := 0
		for i := 0; i < len(ends); i += 2 {
			if i+1 == len(ends) {
				copy(to[start:], from[start:ends[i]])
				next = append(next, ends[i])
				break
			}
			a, b, o := start, ends[i], start
			for a < ends[i] && b < ends[i+1] {
				if less(from[b], from[a]) {
					to[o] = from[b]
					b++
				} else {
					to[o] = from[a]
					a++
				}
				o++
			}
			o += copy(to[o:], from[a:ends[i]])
			copy(to[o:], from[b:ends[i+1]])
			start = ends[i+1]
			next = append(next, start)
		}
		from, to = to, from
		ends = next
	}
	return from
}

// Count returns about how many events Read would return, from headers alone: of a
// block that is in part within the bounds as many as if its events were evenly
// spread. It is 0 only where there are none. The zero stream counts all.
func (l *Log) Count(stream event.StreamKey, from, to time.Time) int {
	return l.CountSince(stream, from, to, 0)
}

// CountSince is Count for Read with MinSeq.
func (l *Log) CountSince(stream event.StreamKey, from, to time.Time, minSeq uint64) int {
	w := span(from, to)
	all := stream == (event.StreamKey{})
	id := unique.Make(stream)
	n := 0
	l.mtx.Lock()
	defer l.mtx.Unlock()
	lo := sort.Search(len(l.order), func(i int) bool { return l.order[i] >= hourOf(w.from) })
	for _, hour := range l.order[lo:] {
		if hour*hourNanos >= w.to {
			break
		}
		hr := l.hours[hour]
		if hr.newestSeq() <= minSeq {
			continue
		}
		if hr.seg != nil {
			for _, m := range hr.seg.blocks {
				if m.dead.Load() || m.hdr.maxSeq <= minSeq {
					continue
				}
				for i := range m.hdr.runs {
					if r := &m.hdr.runs[i]; (all || r.stream == id) && r.maxt >= w.from && r.mint < w.to {
						n += w.share(r.end-r.start, r.mint, r.maxt)
					}
				}
			}
		}
		for b := range hr.buffers() {
			if !b.newer(minSeq) {
				continue
			}
			for _, s := range b.streams {
				if (all || s.id == id) && s.maxt >= w.from && s.mint < w.to {
					n += w.share(s.rows, s.mint, s.maxt)
				}
			}
		}
	}
	return n
}
