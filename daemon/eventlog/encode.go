package eventlog

import (
	"encoding/binary"
	"sync"
)

const frameBytes = 256 << 10

// encoder makes blocks. Its buffers are used again from block to block.
type encoder struct {
	body    []byte
	plain   []byte
	frame   []byte
	lengths []uint32
	frames  []rawFrame
	filters []gramFilter
	words   []uint64
	grams   gramScratch
	narrow  narrow
	hdr     *header
	// quick is set for the blocks of a temporary log: columns as they are, raw
	// records in S2, no gram filters.
	quick bool
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// quicken has the blocks that are made of a buffer's block encoded quickly
// rather than small. The header of a buffer's block has no other sections.
func (h *header) quicken() { h.sections = []section{{id: colRaw, codec: codecS2}} }

func (h *header) quick() bool {
	s := h.section(colRaw)
	return s != nil && s.codec == codecS2
}

// encode appends rows lo to hi of a buffer's block to dst as a block of its
// own, and returns its header.
func (e *encoder) encode(dst []byte, b *block, lo, hi int) ([]byte, *header) {
	src := b.hdr
	h := &header{hour: src.hour, decoder: src.decoder, enrich: src.enrich, rows: hi - lo}
	e.hdr = h
	e.quick = src.quick()
	e.body = e.body[:0]
	for _, r := range src.runs {
		s, t := max(r.start, lo), min(r.end, hi)
		if s >= t {
			continue
		}
		h.runs = append(h.runs, run{stream: r.stream, start: s - lo, end: t - lo, mint: b.times[s], maxt: b.times[t-1]})
	}
	h.mint, h.maxt = h.runs[0].mint, h.runs[0].maxt
	for _, r := range h.runs {
		h.mint, h.maxt = min(h.mint, r.mint), max(h.maxt, r.maxt)
	}
	h.minSeq, h.maxSeq = b.seqs[lo], b.seqs[lo]
	for _, s := range b.seqs[lo:hi] {
		h.minSeq, h.maxSeq = min(h.minSeq, s), max(h.maxSeq, s)
	}
	for _, raw := range b.raws[lo:hi] {
		h.rawBytes += uint64(len(raw))
	}

	e.plain = appendTimes(e.plain[:0], b.times[lo:hi])
	e.section(colTime)
	e.plain = e.plain[:0]
	prev := int64(h.minSeq)
	for _, s := range b.seqs[lo:hi] {
		e.plain = binary.AppendVarint(e.plain, int64(s)-prev)
		prev = int64(s)
	}
	e.section(colSeq)
	e.plain = appendUIDs(e.plain[:0], b.ids[lo:hi])
	e.section(colUID)
	e.numbers(colReceived, b.cols[colReceived], lo, hi)
	for i := range stringColumns {
		e.strings(stringColumns[i].id, b.cols[stringColumns[i].id], lo, hi)
	}
	for i := range enumColumns {
		e.enum(enumColumns[i].id, b.cols[enumColumns[i].id], lo, hi)
	}
	e.numbers(colASN, b.cols[colASN], lo, hi)
	e.lists(b.cols[colResources], lo, hi)
	f := newBloom(h.rows)
	for _, uid := range b.ids[lo:hi] {
		f.add(hashUID(uid))
	}
	e.plain = f.appendTo(e.plain[:0])
	e.section(colBloom)
	e.raws(b.raws[lo:hi])

	// The header is as long as its numbers are, so the body was made first.
	dst = h.appendPrefixed(dst)
	return append(dst, e.body...), h
}

// section closes the section whose bytes are in plain, compressed where that
// saves enough to be worth the reader's time.
func (e *encoder) section(id columnID) {
	s := section{id: id, off: int64(len(e.body)), plain: len(e.plain)}
	if !e.quick && len(e.plain) > 64 && id != colBloom && id != colRawGrams {
		e.body = compress(e.body, e.plain)
		s.codec = codecZstd
		s.size = len(e.body) - int(s.off)
	}
	if s.codec == codecPlain || s.size > len(e.plain)*31/32 {
		e.body = append(e.body[:s.off], e.plain...)
		s.codec = codecPlain
		s.size = len(e.plain)
	}
	s.crc = checksum(uint64(id), e.body[s.off:])
	e.hdr.sections = append(e.hdr.sections, s)
}

func (e *encoder) strings(id columnID, c *column, lo, hi int) {
	e.narrow.run(c.ids[lo:hi], len(c.dict))
	n := &e.narrow
	if len(n.used) == 1 && c.dict[n.used[0]] == "" {
		return
	}
	e.plain = appendDict(e.plain[:0], c.dict, n.used)
	e.plain = appendIDs(e.plain, n.ids, len(n.used))
	e.section(id)
}

func (e *encoder) numbers(id columnID, c *column, lo, hi int) {
	e.narrow.run(c.ids[lo:hi], len(c.nums))
	n := &e.narrow
	if len(n.used) == 1 && c.nums[n.used[0]] == 0 {
		return
	}
	e.plain = binary.AppendUvarint(e.plain[:0], uint64(len(n.used)))
	var prev int64
	for _, id := range n.used {
		e.plain = binary.AppendVarint(e.plain, c.nums[id]-prev)
		prev = c.nums[id]
	}
	e.plain = appendIDs(e.plain, n.ids, len(n.used))
	e.section(id)
}

func (e *encoder) enum(id columnID, c *column, lo, hi int) {
	e.plain = e.plain[:0]
	first, same := c.ids[lo], true
	for _, v := range c.ids[lo:hi] {
		same = same && v == first
		e.plain = append(e.plain, byte(v))
	}
	if same {
		if first == 0 {
			return
		}
		e.plain = e.plain[:1]
	}
	e.section(id)
}

func (e *encoder) lists(c *column, lo, hi int) {
	ids := c.ids[c.off[lo]:c.off[hi]]
	if len(ids) == 0 {
		return
	}
	e.narrow.run(ids, len(c.dict))
	n := &e.narrow
	e.plain = appendDict(e.plain[:0], c.dict, n.used)
	for i := lo; i < hi; i++ {
		e.plain = binary.AppendUvarint(e.plain, uint64(c.off[i+1]-c.off[i]))
	}
	e.plain = appendIDs(e.plain, n.ids, len(n.used))
	e.section(colResources)
}

// raws writes the raw records in frames, each with its gram filter.
func (e *encoder) raws(raws [][]byte) {
	e.frames, e.lengths, e.filters, e.words = e.frames[:0], e.lengths[:0], e.filters[:0], e.words[:0]
	start := len(e.body)
	// The frames are compressed behind the columns, and moved behind the
	// directory and the filters, which are not known before.
	var packed []byte
	packed, e.body = e.body[start:], e.body[:start:start]
	for row := 0; row < len(raws); {
		e.frame = e.frame[:0]
		first := row
		for row < len(raws) && (row == first || len(e.frame)+len(raws[row]) <= frameBytes) {
			e.frame = append(e.frame, raws[row]...)
			if !e.quick {
				e.grams.add(raws[row])
			}
			e.lengths = append(e.lengths, uint32(len(raws[row])))
			row++
		}
		at := len(packed)
		packed = compressRaw(packed, e.frame, e.quick)
		w := len(e.words)
		if len(e.frame) > 0 && !e.quick {
			e.words = e.grams.fold(e.words)
		}
		e.frames = append(e.frames, rawFrame{rows: row - first, size: len(packed) - at, plain: len(e.frame), crc: checksum(uint64(colRaw), packed[at:])})
		e.filters = append(e.filters, gramFilter(e.words[w:len(e.words):len(e.words)]))
	}
	e.plain = appendRawDir(e.plain[:0], e.frames, e.lengths)
	e.section(colRawDir)
	e.plain = appendGrams(e.plain[:0], e.filters)
	e.section(colRawGrams)
	s := section{id: colRaw, off: int64(len(e.body)), size: len(packed), plain: len(packed)}
	e.body = append(e.body, packed...)
	e.hdr.sections = append(e.hdr.sections, s)
	if cap(e.frame) > 4*frameBytes {
		e.frame = nil
	}
}
