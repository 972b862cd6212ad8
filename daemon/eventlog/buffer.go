package eventlog

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// arena holds the bytes of a buffer's strings and raw records in few pieces.
type arena struct {
	free []byte
	next int
	held int64 // Bytes of all pieces.
}

const (
	arenaFirst = 2 << 10
	arenaMost  = 128 << 10
)

func (a *arena) alloc(n int) []byte {
	if n > len(a.free) {
		if n > arenaMost/8 {
			a.held += int64(n)
			return make([]byte, n)
		}
		a.next = min(max(2*a.next, arenaFirst, 2*n), arenaMost)
		a.free = make([]byte, a.next)
		a.held += int64(a.next)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

func (a *arena) text(s string) string {
	if s == "" {
		return ""
	}
	b := a.alloc(len(s))
	copy(b, s)
	return alias(b)
}

func (a *arena) bytes(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	b := a.alloc(len(p))
	copy(b, p)
	return b
}

var dictSeed = maphash.MakeSeed()

// dictBuilder gives the values of a column their ids. Values and ids are only
// ever appended to, so that a reader who copied the slices needs no lock.
type dictBuilder struct {
	vals []string
	ids  []uint32
	tab  []uint32 // Open addressing; id plus one.
	last uint32   // The id given last: the same value often follows.
	held int64
}

func (d *dictBuilder) id(a *arena, s string) uint32 {
	if len(d.vals) > 0 && d.vals[d.last] == s {
		return d.last
	}
	if 2*len(d.vals) >= len(d.tab) {
		d.rehash()
	}
	mask := uint32(len(d.tab) - 1)
	i := uint32(maphash.String(dictSeed, s)) & mask
	for d.tab[i] != 0 {
		if id := d.tab[i] - 1; d.vals[id] == s {
			d.last = id
			return id
		}
		i = (i + 1) & mask
	}
	d.vals = append(d.vals, a.text(s))
	d.last = uint32(len(d.vals) - 1)
	d.tab[i] = d.last + 1
	return d.last
}

func (d *dictBuilder) rehash() {
	n := max(2*len(d.tab), 8)
	d.held += int64(n) * (4 + 8) // The table and, of as many strings at most half full, their headers.
	d.tab = make([]uint32, n)
	mask := uint32(n - 1)
	for id, s := range d.vals {
		i := uint32(maphash.String(dictSeed, s)) & mask
		for d.tab[i] != 0 {
			i = (i + 1) & mask
		}
		d.tab[i] = uint32(id) + 1
	}
}

// numberBuilder is dictBuilder for numbers.
type numberBuilder struct {
	vals []int64
	ids  []uint32
	tab  []uint32
	last uint32
	held int64
}

func (d *numberBuilder) add(v int64) {
	if len(d.vals) > 0 && d.vals[d.last] == v {
		d.ids = append(d.ids, d.last)
		return
	}
	if 2*len(d.vals) >= len(d.tab) {
		n := max(2*len(d.tab), 8)
		d.held += int64(n) * (4 + 4)
		d.tab = make([]uint32, n)
		for id, v := range d.vals {
			i := d.slot(v)
			d.tab[i] = uint32(id) + 1
		}
	}
	i := d.slot(v)
	if d.tab[i] == 0 {
		d.vals = append(d.vals, v)
		d.tab[i] = uint32(len(d.vals))
	}
	d.last = d.tab[i] - 1
	d.ids = append(d.ids, d.last)
}

// slot returns where v is, or the free place where it belongs.
func (d *numberBuilder) slot(v int64) uint32 {
	mask := uint32(len(d.tab) - 1)
	i := uint32(uint64(v)*gramMul>>32) & mask
	for d.tab[i] != 0 && d.vals[d.tab[i]-1] != v {
		i = (i + 1) & mask
	}
	return i
}

// bufferStream is what a buffer knows of one stream.
type bufferStream struct {
	id         streamID
	rows       int
	mint, maxt int64
}

// bufferState says how far a buffer is on its way to disk.
type bufferState uint8

const (
	bufferOpen    bufferState = iota
	bufferFrozen              // Nothing is added any more; it waits to be written.
	bufferWriting             // Somebody writes it.
	bufferWritten             // Its block is registered.
)

// buffer collects the events of an hour until they make a block. Except where
// said otherwise it is guarded by the log's mutex.
type buffer struct {
	hour   int64
	opened time.Time

	arena    arena
	strs     [len(stringColumns)]dictBuilder
	enums    [len(enumColumns)][]uint8
	asn      numberBuilder
	received numberBuilder
	res      dictBuilder // Its ids are those of all rows together.
	resOff   []uint32
	times    []int64
	seqs     []uint64
	ids      []string
	hashes   []uint64
	streamOf []uint32
	streams  []bufferStream
	raws     [][]byte
	rawBytes int64
	logged   []bool   // Whether the row is durable in the write-ahead log.
	unlogged int      // How many are not.
	tab      []uint32 // The rows by hash of their id: open addressing, row plus one.
	lastOf   int      // The stream of the row before.

	state     bufferState
	accounted int64  // What of held is in the log's sum.
	view      *block // Of the first len(view.times) rows, once somebody asked.
}

// rowCost is what a row takes beside its strings and its raw record.
const rowCost = 4*(len(stringColumns)+2) + len(enumColumns) + 4 + 8 + 8 + 16 + 8 + 4 + 24 + 1 + 8

// held is how many bytes the buffer takes; slices that grow by doubling are
// counted as three quarters full.
func (b *buffer) held() int64 {
	n := b.arena.held + int64(len(b.times))*int64(rowCost)*4/3 + b.asn.held + b.received.held + b.res.held + int64(4*len(b.res.ids)) + 4096
	for i := range b.strs {
		n += b.strs[i].held
	}
	return n
}

// find returns the row of an event, or -1.
func (b *buffer) find(h uint64, s streamID, uid string) int {
	if len(b.tab) == 0 {
		return -1
	}
	mask := uint64(len(b.tab) - 1)
	for i := h & mask; b.tab[i] != 0; i = (i + 1) & mask {
		row := int(b.tab[i] - 1)
		if b.hashes[row] == h && b.ids[row] == uid && b.streams[b.streamOf[row]].id == s {
			return row
		}
	}
	return -1
}

// findUID returns a row with that uid in any stream, or -1.
func (b *buffer) findUID(h uint64, uid string) int {
	if len(b.tab) == 0 {
		return -1
	}
	mask := uint64(len(b.tab) - 1)
	for i := h & mask; b.tab[i] != 0; i = (i + 1) & mask {
		if row := int(b.tab[i] - 1); b.hashes[row] == h && b.ids[row] == uid {
			return row
		}
	}
	return -1
}

func (b *buffer) index(h uint64, row int) {
	if 2*row >= len(b.tab) {
		b.tab = make([]uint32, max(2*len(b.tab), 16))
		for r, h := range b.hashes[:row] {
			b.place(h, r)
		}
	}
	b.place(h, row)
}

func (b *buffer) place(h uint64, row int) {
	mask := uint64(len(b.tab) - 1)
	i := h & mask
	for b.tab[i] != 0 {
		i = (i + 1) & mask
	}
	b.tab[i] = uint32(row) + 1
}

// add copies an event into the buffer; t is its time in nanoseconds and h the
// hash of its id.
func (b *buffer) add(e *event.Event, s streamID, t int64, h uint64) int {
	row := len(b.times)
	b.view = nil
	si := b.lastOf
	if len(b.streams) == 0 || b.streams[si].id != s {
		si = slices.IndexFunc(b.streams, func(x bufferStream) bool { return x.id == s })
		if si < 0 {
			si = len(b.streams)
			b.streams = append(b.streams, bufferStream{id: s, mint: t, maxt: t})
		}
		b.lastOf = si
	}
	st := &b.streams[si]
	st.rows++
	st.mint, st.maxt = min(st.mint, t), max(st.maxt, t)

	for i := range stringColumns {
		d := &b.strs[i]
		d.ids = append(d.ids, d.id(&b.arena, stringColumns[i].get(e)))
	}
	for i := range enumColumns {
		b.enums[i] = append(b.enums[i], enumColumns[i].get(e))
	}
	b.asn.add(int64(e.Source.ASN))
	var received int64
	if !e.Received.IsZero() {
		received = e.Received.UnixNano()
	}
	b.received.add(received)
	if row == 0 {
		b.resOff = append(b.resOff, 0)
	}
	for _, r := range e.Resources {
		b.res.ids = append(b.res.ids, b.res.id(&b.arena, r))
	}
	b.resOff = append(b.resOff, uint32(len(b.res.ids)))
	b.times = append(b.times, t)
	b.seqs = append(b.seqs, e.Seq)
	b.ids = append(b.ids, b.arena.text(e.UID))
	b.index(h, row)
	b.hashes = append(b.hashes, h)
	b.streamOf = append(b.streamOf, uint32(si))
	b.raws = append(b.raws, b.arena.bytes(e.Raw))
	b.rawBytes += int64(len(e.Raw))
	b.logged = append(b.logged, false)
	return row
}

// event returns a row as an event. It shares the buffer's memory, which is only ever
// appended to.
func (b *buffer) event(row int) event.Event {
	k := b.streams[b.streamOf[row]].id.Value()
	e := event.Event{UID: b.ids[row], Seq: b.seqs[row], Time: nanoTime(b.times[row]), Provider: k.Provider, Account: k.Account, Raw: b.raws[row]}
	if ns := b.received.vals[b.received.ids[row]]; ns != 0 {
		e.Received = nanoTime(ns)
	}
	for i := range stringColumns {
		stringColumns[i].set(&e, b.strs[i].vals[b.strs[i].ids[row]])
	}
	for i := range enumColumns {
		enumColumns[i].set(&e, b.enums[i][row])
	}
	e.Source.ASN = uint32(b.asn.vals[b.asn.ids[row]])
	for _, id := range b.res.ids[b.resOff[row]:b.resOff[row+1]] {
		e.Resources = append(e.Resources, b.res.vals[id])
	}
	return e
}

// snapshot copies what a reader needs of the buffer, under the log's mutex.
// What it returns makes the view, outside of the mutex.
func (b *buffer) snapshot(o *Options) func() *block {
	if b.view != nil && len(b.view.times) == len(b.times) {
		v := b.view
		return func() *block { return v }
	}
	// The rows up to here never change: only what is behind them is written.
	c := *b
	c.streams = slices.Clone(b.streams)
	return func() *block { return c.sorted(o) }
}

// sorted makes the block of a snapshot.
func (b *buffer) sorted(o *Options) *block {
	n := len(b.times)
	rank := make([]int, len(b.streams))
	order := make([]int, len(b.streams))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		return compareKeys(b.streams[x].id.Value(), b.streams[y].id.Value())
	})
	for i, s := range order {
		rank[s] = i
	}
	perm := make([]uint32, n)
	for i := range perm {
		perm[i] = uint32(i)
	}
	slices.SortFunc(perm, func(x, y uint32) int {
		if b.streamOf[x] != b.streamOf[y] {
			return rank[b.streamOf[x]] - rank[b.streamOf[y]]
		}
		if c := cmp.Compare(b.times[x], b.times[y]); c != 0 {
			return c
		}
		return strings.Compare(b.ids[x], b.ids[y])
	})
	h := &header{hour: b.hour, decoder: o.DecoderVersion, enrich: o.EnrichVersion, rows: n}
	if o.NoSync && !o.lasting {
		h.quicken()
	}
	v := &block{
		hdr:   h,
		times: make([]int64, n), seqs: make([]uint64, n), ids: make([]string, n), raws: make([][]byte, n),
	}
	for i, p := range perm {
		v.times[i], v.seqs[i], v.ids[i], v.raws[i] = b.times[p], b.seqs[p], b.ids[p], b.raws[p]
	}
	row := 0
	for _, s := range order {
		st := &b.streams[s]
		h.runs = append(h.runs, run{stream: st.id, start: row, end: row + st.rows, mint: v.times[row], maxt: v.times[row+st.rows-1]})
		row += st.rows
	}
	h.mint, h.maxt, h.minSeq, h.maxSeq = slices.Min(v.times), slices.Max(v.times), slices.Min(v.seqs), slices.Max(v.seqs)
	pick := func(ids []uint32) []uint32 {
		out := make([]uint32, n)
		for i, p := range perm {
			out[i] = ids[p]
		}
		return out
	}
	for i := range stringColumns {
		v.cols[stringColumns[i].id] = &column{dict: b.strs[i].vals, ids: pick(b.strs[i].ids)}
	}
	names := enumNames()
	for i := range enumColumns {
		ids := make([]uint32, n)
		for j, p := range perm {
			ids[j] = uint32(b.enums[i][p])
		}
		v.cols[enumColumns[i].id] = &column{dict: names[enumColumns[i].id], ids: ids}
	}
	v.cols[colASN] = &column{nums: b.asn.vals, ids: pick(b.asn.ids)}
	v.cols[colReceived] = &column{nums: b.received.vals, ids: pick(b.received.ids)}
	res := &column{dict: b.res.vals, off: make([]uint32, n+1)}
	for i, p := range perm {
		for _, id := range b.res.ids[b.resOff[p]:b.resOff[p+1]] {
			res.ids = append(res.ids, id)
			res.flat = append(res.flat, b.res.vals[id])
		}
		res.off[i+1] = uint32(len(res.ids))
	}
	v.cols[colResources] = res
	return v
}

func compareKeys(a, b event.StreamKey) int {
	if c := strings.Compare(a.Provider, b.Provider); c != 0 {
		return c
	}
	return strings.Compare(a.Account, b.Account)
}
