package eventlog

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
)

// position is where a page ended: events are in order of time, uid, provider
// and account.
type position struct {
	t      int64
	uid    string
	stream event.StreamKey
}

func (p *position) compare(o *position) int {
	return cmp.Or(cmp.Compare(p.t, o.t), strings.Compare(p.uid, o.uid), compareKeys(p.stream, o.stream))
}

const cursorVersion = 1

func (p *position) encode(forward bool) string {
	b := []byte{cursorVersion, bit(forward)}
	b = binary.AppendVarint(b, p.t)
	b = appendText(b, p.uid)
	b = appendText(b, p.stream.Provider)
	b = appendText(b, p.stream.Account)
	b = binary.LittleEndian.AppendUint32(b, checksum(cursorVersion, b))
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string, forward bool) (*position, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 6 || checksum(cursorVersion, b[:len(b)-4]) != binary.LittleEndian.Uint32(b[len(b)-4:]) || b[0] != cursorVersion {
		return nil, ErrCursor
	}
	if b[1] != bit(forward) {
		return nil, fmt.Errorf("%w: it is of the other direction", ErrCursor)
	}
	c := cursor{p: b[2 : len(b)-4]}
	p := &position{t: c.varint(), uid: c.text()}
	p.stream.Provider, p.stream.Account = c.text(), c.text()
	if c.err != nil {
		return nil, ErrCursor
	}
	return p, nil
}

// found is a row of an answer.
type found struct {
	position
	b    *block
	meta *blockMeta
	row  int
}

// Events returns a page of the events that satisfy a filter, the newest first
// unless asked otherwise. A cursor is a place in the order, so that pages
// neither repeat nor skip an event that was there when the first was asked for.
func (l *Log) Events(ctx context.Context, q event.Query) (event.Page, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	return retry(l, func() (event.Page, error) { return l.page(ctx, q) })
}

func (l *Log) page(ctx context.Context, q event.Query) (event.Page, error) {
	var page event.Page
	p, err := newPlan(q.Filter, q.From, q.To, l.o.Lookups)
	if err != nil {
		return page, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	if limit > maxLimit {
		return page, fmt.Errorf("%w: a page holds at most %d events", ErrBadQuery, maxLimit)
	}
	s := &pageScan{l: l, p: p, limit: limit, forward: q.Forward}
	w := p.w
	if q.Cursor == "" && q.Around != "" {
		e, ok, err := l.get(ctx, q.Around)
		if err != nil {
			return page, err
		}
		if !ok {
			return page, fmt.Errorf("%w: there is no event %q to look around", ErrBadQuery, q.Around)
		}
		at := position{t: e.Time.UnixNano(), uid: e.UID, stream: event.StreamKey{Provider: e.Provider, Account: e.Account}}
		q.Cursor = at.encode(q.Forward)
	}
	if q.Cursor != "" {
		if s.after, err = decodeCursor(q.Cursor, q.Forward); err != nil {
			return page, fmt.Errorf("%w: %w", ErrBadQuery, err)
		}
		if q.Forward {
			w.from = max(w.from, s.after.t)
		} else if s.after.t < math.MaxInt64 {
			w.to = min(w.to, s.after.t+1)
		}
	}
	hours, err := l.hoursIn(w)
	if err != nil {
		return page, err
	}
	if !q.Forward {
		slices.Reverse(hours)
	}
	for _, hour := range hours {
		if len(s.best) > limit {
			break
		}
		if err := s.hour(ctx, hour, w); err != nil {
			return page, err
		}
	}
	page.Scanned = s.scanned
	rows := s.best
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = rows[limit-1].encode(q.Forward)
	}
	page.Events, err = l.fetch(rows, q.Raw)
	return page, err
}

// hoursIn lists the hours that meet the bounds, rising.
func (l *Log) hoursIn(w bounds) ([]int64, error) {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	lo := sort.Search(len(l.order), func(i int) bool { return l.order[i] >= hourOf(w.from) })
	hi := sort.Search(len(l.order), func(i int) bool { return l.order[i]*hourNanos >= w.to })
	if lo >= hi {
		return nil, nil
	}
	return slices.Clone(l.order[lo:hi]), nil
}

// pageScan collects the first rows of an order.
type pageScan struct {
	l       *Log
	p       *plan
	limit   int
	forward bool
	after   *position
	best    []found // Sorted in the order asked for, at most limit+1.
	scanned int
}

func (s *pageScan) compare(a, b *position) int {
	if s.forward {
		return a.compare(b)
	}
	return b.compare(a)
}

// hour looks through one hour, block after block in the order of their ends,
// until no block that is left can have a row that belongs on the page.
func (s *pageScan) hour(ctx context.Context, hour int64, w bounds) error {
	w = bounds{max(w.from, hour*hourNanos), min(w.to, (hour+1)*hourNanos)}
	hours, err := s.l.collect(w, s.p.wants, nil)
	if err != nil || len(hours) == 0 {
		return err
	}
	parts := hours[0]
	slices.SortFunc(parts, func(a, b part) int {
		if s.forward {
			return cmp.Compare(a.mint(), b.mint())
		}
		return cmp.Compare(b.maxt(), a.maxt())
	})
	wave := runtime.GOMAXPROCS(0)
	for len(parts) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.best) > s.limit {
			worst := s.best[s.limit].t
			if s.forward && parts[0].mint() > worst || !s.forward && parts[0].maxt() < worst {
				return nil
			}
			if s.forward {
				w.to = min(w.to, worst+1)
			} else {
				w.from = max(w.from, worst)
			}
		}
		n := min(wave, len(parts))
		rows := make([][]found, n)
		scanned := make([]int, n)
		var g errgroup.Group
		for i, p := range parts[:n] {
			g.Go(func() error {
				var err error
				rows[i], scanned[i], err = s.block(p, w)
				if isCorrupt(err) {
					s.l.damagedBlock(p.meta, err)
					return nil
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i := range rows {
			s.best = append(s.best, rows[i]...)
			s.scanned += scanned[i]
		}
		slices.SortFunc(s.best, func(a, b found) int { return s.compare(&a.position, &b.position) })
		if len(s.best) > s.limit+1 {
			clear(s.best[s.limit+1:])
			s.best = s.best[:s.limit+1]
		}
		parts = parts[n:]
	}
	return nil
}

func (s *pageScan) block(p part, w bounds) ([]found, int, error) {
	b := s.l.open(p)
	rows, scanned, err := s.p.rows(b, w)
	if err != nil || len(rows) == 0 {
		return nil, scanned, err
	}
	uids, err := b.uidColumn()
	if err != nil {
		return nil, scanned, err
	}
	times, err := b.timeColumn()
	if err != nil {
		return nil, scanned, err
	}
	out := make([]found, 0, len(rows))
	r := &b.hdr.runs[0]
	for _, row := range rows {
		if int(row) >= r.end {
			r = runOf(b.hdr, int(row))
		}
		f := found{position{times[row], uids[row], r.stream.Value()}, b, p.meta, int(row)}
		if s.after == nil || s.compare(&f.position, s.after) > 0 {
			out = append(out, f)
		}
	}
	return out, scanned, nil
}

// fetch makes events of rows, with or without their raw records. A row whose
// block turns out damaged is left out.
func (l *Log) fetch(rows []found, raw bool) ([]event.Event, error) {
	fillers := map[*block]*filler{}
	readers := map[*block]*rawReader{}
	out := make([]event.Event, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		f, ok := fillers[r.b]
		if !ok {
			var err error
			if f, err = r.b.filler(); isCorrupt(err) {
				l.damagedBlock(r.meta, err)
			} else if err != nil {
				return nil, err
			}
			fillers[r.b] = f
			readers[r.b] = r.b.rawReader()
		}
		if f == nil {
			continue
		}
		out = append(out, event.Event{})
		e := &out[len(out)-1]
		f.fill(e, runOf(r.b.hdr, r.row), r.row)
		if !raw {
			continue
		}
		p, err := readers[r.b].row(r.row)
		if isCorrupt(err) {
			l.damagedBlock(r.meta, err)
		} else if err != nil {
			return nil, err
		}
		if len(p) > 0 {
			// Cloned: the frame would live as long as the event.
			e.Raw = append([]byte(nil), p...)
		}
	}
	return out, nil
}

// Get returns an event with its raw record by its uid. Where several accounts
// have an event of that uid it is one of them.
func (l *Log) Get(ctx context.Context, uid string) (event.Event, bool, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	type answer struct {
		e  event.Event
		ok bool
	}
	a, err := retry(l, func() (answer, error) {
		e, ok, err := l.get(ctx, uid)
		return answer{e, ok}, err
	})
	return a.e, a.ok, err
}

func (l *Log) get(ctx context.Context, uid string) (event.Event, bool, error) {
	h := hashUID(uid)
	l.mtx.Lock()
	if l.closed {
		l.mtx.Unlock()
		return event.Event{}, false, ErrClosed
	}
	var view func() *block
	var metas []*blockMeta
	for i := len(l.order) - 1; i >= 0 && view == nil; i-- {
		hr := l.hours[l.order[i]]
		for b := range hr.buffers() {
			if b.findUID(h, uid) >= 0 {
				view = b.snapshot(&l.o)
			}
		}
		if hr.seg != nil {
			metas = append(metas, hr.seg.blocks...)
		}
	}
	// The cache may know the hour.
	var k, v [8]byte
	binary.LittleEndian.PutUint64(k[:], h)
	if got, ok := l.seen.HasGet(v[:0], k[:]); ok && len(got) == 8 {
		if hr, ok := l.hours[int64(binary.LittleEndian.Uint64(got))]; ok && hr.seg != nil {
			metas = append(slices.Clone(hr.seg.blocks), metas...)
		}
	}
	l.mtx.Unlock()

	look := func(b *block, m *blockMeta) (event.Event, bool, error) {
		ids, err := b.uidColumn()
		if err != nil {
			return event.Event{}, false, err
		}
		row := slices.Index(ids, uid)
		if row < 0 {
			return event.Event{}, false, nil
		}
		events, err := l.fetch([]found{{b: b, meta: m, row: row}}, true)
		if err != nil || len(events) == 0 {
			return event.Event{}, false, err
		}
		return events[0], true, nil
	}
	if view != nil {
		return look(view(), nil)
	}
	for i, m := range metas {
		if i%64 == 0 && ctx.Err() != nil {
			return event.Event{}, false, ctx.Err()
		}
		if m.dead.Load() {
			continue
		}
		b := l.cache.get(m)
		may, err := b.mayHave(h)
		if err == nil && may {
			var e event.Event
			var ok bool
			if e, ok, err = look(b, m); ok {
				return e, true, nil
			}
		}
		if isCorrupt(err) {
			l.damagedBlock(m, err)
		} else if err != nil {
			return event.Event{}, false, err
		}
	}
	return event.Event{}, false, nil
}

// Addenda returns the events that amend the event with that uid, the oldest
// first, with their raw records.
func (l *Log) Addenda(ctx context.Context, uid string) ([]event.Event, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	return retry(l, func() ([]event.Event, error) {
		hours, err := l.collect(bounds{0, math.MaxInt64}, func(h *header) bool { return h.section(colAmends) != nil }, nil)
		if err != nil || uid == "" {
			return nil, err
		}
		var rows []found
		for _, parts := range hours {
			for _, p := range parts {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				b := l.open(p)
				col, err := b.column(colAmends)
				if isCorrupt(err) {
					l.damagedBlock(p.meta, err)
					continue
				}
				if err != nil {
					return nil, err
				}
				if !slices.Contains(col.dict, uid) {
					continue
				}
				for row := range b.hdr.rows {
					if col.dict[col.at(row)] == uid {
						rows = append(rows, found{b: b, meta: p.meta, row: row})
					}
				}
			}
		}
		events, err := l.fetch(rows, true)
		slices.SortFunc(events, func(a, b event.Event) int {
			return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.UID, b.UID))
		})
		return events, err
	})
}
