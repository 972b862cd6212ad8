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

// idFilter is the id filter of an hour that still grows: a chain of Bloom
// filters, each twice the one before. It answers "never seen" without reading
// the disk.
type idFilter struct {
	levels []bloom
	room   int // Keys that the last level still takes.
	next   int // Keys that the next level will take.
	bytes  int64
}

func newIDFilter(keys int) *idFilter { return &idFilter{next: max(keys, 2048)} }

func (f *idFilter) add(h uint64) {
	if f.room == 0 {
		l := newBloom(f.next)
		f.levels = append(f.levels, l)
		f.bytes += int64(8 * len(l))
		f.room = f.next
		f.next *= 2
	}
	f.room--
	f.levels[len(f.levels)-1].add(h)
}

func (f *idFilter) has(h uint64) bool {
	for _, l := range f.levels {
		if l.has(h) {
			return true
		}
	}
	return false
}
