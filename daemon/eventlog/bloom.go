package eventlog

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// bloom is a blocked Bloom filter over 64-bit hashes of event ids: a key sets
// six bits within one line of 512, so that a question touches one cache line.
// At 12 bits a key about one absent key in 200 is told as present.
type bloom []uint64

const (
	bloomLine       = 8 // Words in a line.
	bloomBitsPerKey = 12
	bloomProbes     = 6
)

func newBloom(keys int) bloom {
	lines := (keys*bloomBitsPerKey + 511) / 512
	return make(bloom, max(lines, 1)*bloomLine)
}

func (b bloom) line(h uint64) []uint64 {
	hi, _ := bits.Mul64(h, uint64(len(b)/bloomLine))
	return b[hi*bloomLine : hi*bloomLine+bloomLine : hi*bloomLine+bloomLine]
}

func (b bloom) add(h uint64) {
	line := b.line(h)
	x := h * 0x9E3779B97F4A7C15
	for range bloomProbes {
		line[x>>6&7] |= 1 << (x & 63)
		x >>= 9
	}
}

func (b bloom) has(h uint64) bool {
	if len(b) == 0 {
		return false
	}
	line := b.line(h)
	x := h * 0x9E3779B97F4A7C15
	for range bloomProbes {
		if line[x>>6&7]&(1<<(x&63)) == 0 {
			return false
		}
		x >>= 9
	}
	return true
}

func (b bloom) appendTo(dst []byte) []byte {
	for _, w := range b {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	return dst
}

func parseBloom(p []byte) (bloom, error) {
	if len(p) == 0 || len(p)%(8*bloomLine) != 0 {
		return nil, errors.New("id filter has a wrong size")
	}
	b := make(bloom, len(p)/8)
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(p[8*i:])
	}
	return b, nil
}

// fine is a blocked Bloom filter like bloom, of 24 bits and ten probes a key: about
// one absent key in 16,000 is told as present. A wrong answer for an hour is dear,
// since its blocks around the event's time are asked then, and a busy hour has
// hundreds of them a minute.
type fine []uint64

const (
	fineBitsPerKey = 24
	fineProbes     = 10
)

func newFine(keys int) fine {
	lines := (keys*fineBitsPerKey + 511) / 512
	return make(fine, max(lines, 1)*bloomLine)
}

// probes calls visit with the word and the bit of each probe of a key, until it
// says false.
func (b fine) probes(h uint64, visit func(word *uint64, bit uint64) bool) bool {
	line := bloom(b).line(h)
	x := h * 0x9E3779B97F4A7C15
	for i := range fineProbes {
		if i == fineProbes/2 { // 64 bits are enough for seven probes.
			x = (h ^ h>>29) * 0xBF58476D1CE4E5B9
		}
		if !visit(&line[x>>6&7], 1<<(x&63)) {
			return false
		}
		x >>= 9
	}
	return true
}

func (b fine) add(h uint64) {
	b.probes(h, func(word *uint64, bit uint64) bool { *word |= bit; return true })
}

func (b fine) has(h uint64) bool {
	return b.probes(h, func(word *uint64, bit uint64) bool { return *word&bit != 0 })
}

// An hour's filter grows in levels of Bloom filters. Each is four times the one
// before, since few levels are few wrong answers, up to filterMost keys: that many
// ids are read in half a second.
const (
	filterLeast  = 2048
	filterGrowth = 4
	filterMost   = 1 << 20
)

// idFilter is the id filter of an hour: levels that each know the ids of some of its
// blocks. It answers "never seen" without reading the disk. What is stored in order
// has levels that follow each other in time, so that few of them are asked, and those
// that nobody asks can leave memory one by one.
type idFilter struct {
	levels []*filterLevel
	next   int // Keys that the next level will take: few in an hour that nobody adds to.
}

// filterLevel is the filter over some blocks.
type filterLevel struct {
	of         *idFilter
	ids        fine // Nil while it is not loaded.
	room       int  // Keys that it still takes.
	blocks     []*blockMeta
	mint, maxt int64
	used       uint64 // When it was asked last.
	gone       bool   // The filter that it is part of is not in use any more.
}

// newIDFilter returns a filter over blocks, of which nothing is loaded.
func newIDFilter(blocks []*blockMeta) *idFilter {
	f := &idFilter{next: filterLeast}
	rows := 0
	for _, m := range blocks {
		if len(f.levels) == 0 || rows+m.hdr.rows > filterMost {
			f.levels = append(f.levels, &filterLevel{of: f, mint: m.hdr.mint, maxt: m.hdr.maxt})
			rows = 0
		}
		rows += m.hdr.rows
		f.levels[len(f.levels)-1].cover(m)
	}
	return f
}

func (lv *filterLevel) cover(m *blockMeta) {
	lv.blocks = append(lv.blocks, m)
	lv.mint, lv.maxt = min(lv.mint, m.hdr.mint), max(lv.maxt, m.hdr.maxt)
}

func (lv *filterLevel) bytes() int64 { return int64(8 * len(lv.ids)) }

// add adds new blocks with the ids in them, and returns the level that has them.
func (f *idFilter) add(blocks []*blockMeta, hashes []uint64, now uint64) *filterLevel {
	var lv *filterLevel
	if n := len(f.levels); n > 0 {
		lv = f.levels[n-1]
	}
	if lv == nil || lv.ids == nil || lv.room < len(hashes) {
		keys := max(f.next, len(hashes))
		lv = &filterLevel{of: f, ids: newFine(keys), room: keys, mint: blocks[0].hdr.mint, maxt: blocks[0].hdr.maxt, used: now}
		f.levels = append(f.levels, lv)
		f.next = min(f.next*filterGrowth, filterMost)
	}
	lv.used = now
	for _, m := range blocks {
		lv.cover(m)
	}
	for _, h := range hashes {
		lv.ids.add(h)
	}
	lv.room -= len(hashes)
	return lv
}

// ask reports whether an id may be that of an event of a span of time. Where no level
// that is loaded knows it, missing are those that are not.
func (f *idFilter) ask(h uint64, from, to int64, now uint64) (may bool, missing []*filterLevel) {
	for _, lv := range f.levels {
		if lv.mint > to || lv.maxt < from {
			continue
		}
		lv.used = now
		switch {
		case lv.ids == nil:
			missing = append(missing, lv)
		case lv.ids.has(h):
			return true, nil
		}
	}
	return false, missing
}
