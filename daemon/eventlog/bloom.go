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
// before, since few levels are few wrong answers, up to filterMost keys, so that a
// full hour does not take memory for what does not come.
const (
	filterLeast  = 2048
	filterGrowth = 4
	filterMost   = 4 << 20
)

// idFilter is the id filter of an hour that still grows. It answers "never seen"
// without reading the disk.
type idFilter struct {
	levels []filterLevel
	room   int // Keys that the last level still takes.
	next   int // Keys that the next level will take.
	bytes  int64
}

// filterLevel knows the ids of events of a span of time. What arrives in order has
// levels that follow each other in time, so that few of them are asked.
type filterLevel struct {
	ids        fine
	mint, maxt int64
}

func newIDFilter(keys int) *idFilter { return &idFilter{next: max(keys, filterLeast)} }

// add adds the id of an event of a span of time.
func (f *idFilter) add(h uint64, mint, maxt int64) {
	if f.room == 0 {
		l := newFine(f.next)
		f.levels = append(f.levels, filterLevel{l, mint, maxt})
		f.bytes += int64(8 * len(l))
		f.room = f.next
		f.next = min(f.next*filterGrowth, filterMost)
	}
	f.room--
	l := &f.levels[len(f.levels)-1]
	l.mint, l.maxt = min(l.mint, mint), max(l.maxt, maxt)
	l.ids.add(h)
}

// has reports whether an id may be that of an event of a span of time.
func (f *idFilter) has(h uint64, from, to int64) bool {
	for i := range f.levels {
		if l := &f.levels[i]; l.mint <= to && l.maxt >= from && l.ids.has(h) {
			return true
		}
	}
	return false
}
