package eventlog

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// A gram filter says which texts the raw records of a frame may hold, so that a
// search for a substring decompresses only the frames that may have it. It
// holds some of the frame's windows of five bytes: those that begin with a byte
// whose low three bits are 001, which are 1, 9, a, i, q, y and their capitals:
// three hexadecimal digits in sixteen, five of the 32 letters of an access key.
// So the same windows are taken of a frame and of the text that is searched
// for, wherever that text begins, and a text of which none is taken prunes
// nothing. DESIGN.md has the figures.
//
// One bit a window is set in a large filter, which is then folded in halves
// while few enough bits are set.
const (
	gramLen     = 5
	gramMul     = 0x9E3779B97F4A7C15
	gramLogBits = 17
	gramWords   = 1 << (gramLogBits - 6)
	gramFill    = 0.35 // The share of set bits that a filter may have.
)

// gramScratch collects the windows of a frame before they are folded.
type gramScratch [gramWords]uint64

func gramBegins(b byte) bool { return b&7 == 1 }

// gramAt returns the position of the window in the low five bytes of x in a
// filter that is not folded.
func gramAt(x uint64) uint64 { return (x << 24) * gramMul >> (64 - gramLogBits) }

// gramBits returns a bit for each of eight bytes that begins a window.
func gramBits(x uint64) uint64 {
	const ones = 0x0101010101010101
	// Of each byte, 0 where it begins one, and else 1 to 7, which carries into
	// the high bit.
	v := (x ^ ones) & (7 * ones)
	m := ^(v + 0x7F*ones) & (0x80 * ones)
	return m >> 7 * 0x0102040810204080 >> 56
}

func (s *gramScratch) add(p []byte) {
	i := 0
	for ; i+64+8 <= len(p); i += 64 {
		q := p[i : i+72]
		var m uint64
		for j := 0; j < 64; j += 8 {
			m |= gramBits(binary.LittleEndian.Uint64(q[j:])) << j
		}
		for ; m != 0; m &= m - 1 {
			pos := gramAt(binary.LittleEndian.Uint64(q[bits.TrailingZeros64(m)&63:]))
			s[pos>>6&(gramWords-1)] |= 1 << (pos & 63)
		}
	}
	for ; i+gramLen <= len(p); i++ {
		if gramBegins(p[i]) {
			pos := gramAt(gramLoad(p[i:]))
			s[pos>>6&(gramWords-1)] |= 1 << (pos & 63)
		}
	}
}

// fold appends the filter of what was added to dst, and empties the scratch.
func (s *gramScratch) fold(dst []uint64) []uint64 {
	words := s[:]
	for len(words) > 1 {
		half := len(words) / 2
		set := 0
		for i := range half {
			set += bits.OnesCount64(words[i] | words[i+half])
		}
		if float64(set) > gramFill*float64(64*half) {
			break
		}
		for i := range half {
			words[i] |= words[i+half]
		}
		words = words[:half]
	}
	dst = append(dst, words...)
	clear(s[:])
	return dst
}

// gramLoad reads the window at the beginning of p.
func gramLoad(p []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(p)) | uint64(p[4])<<32
}

// gramNeedle returns the positions of the windows that are taken of a text.
func gramNeedle(text string) []uint64 {
	var at []uint64
	p := []byte(text)
	for i := 0; i+gramLen <= len(p); i++ {
		if gramBegins(p[i]) {
			at = append(at, gramAt(gramLoad(p[i:])))
		}
	}
	return at
}

// gramFilter is the filter of one frame: a power of two of words.
type gramFilter []uint64

// may reports whether a frame may hold the text with these windows.
func (f gramFilter) may(needle []uint64) bool {
	if len(f) == 0 {
		return true
	}
	for _, pos := range needle {
		if f[pos>>6&uint64(len(f)-1)]&(1<<(pos&63)) == 0 {
			return false
		}
	}
	return true
}

// appendGrams appends the filters of a block's frames.
func appendGrams(dst []byte, filters []gramFilter) []byte {
	for _, f := range filters {
		dst = append(dst, byte(bits.Len(uint(len(f)))))
		for _, w := range f {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
	}
	return dst
}

var errGrams = errors.New("gram filters have a wrong size")

func parseGrams(p []byte, frames int) ([]gramFilter, error) {
	out := make([]gramFilter, 0, min(frames, len(p)))
	for range frames {
		if len(p) == 0 || p[0] > gramLogBits-5 {
			return nil, errGrams
		}
		words := 0
		if p[0] > 0 {
			words = 1 << (p[0] - 1)
		}
		if len(p) < 1+8*words {
			return nil, errGrams
		}
		f := make(gramFilter, words)
		for i := range f {
			f[i] = binary.LittleEndian.Uint64(p[1+8*i:])
		}
		out = append(out, f)
		p = p[1+8*words:]
	}
	return out, nil
}
