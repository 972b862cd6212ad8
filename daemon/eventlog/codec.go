package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// maxPlain bounds what one section, frame or batch may decompress to.
const maxPlain = 1 << 30

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errShort = errors.New("data ends too early")
	errCRC   = errors.New("checksum does not match")
)

// codecs returns the process' zstd coders: both are stateless in the use that
// is made of them here and safe for concurrent use.
var codecs = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	n := max(runtime.GOMAXPROCS(0), 2)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(n), zstd.WithWindowSize(512<<10), zstd.WithSingleSegment(true))
	if err != nil {
		panic(fmt.Sprintf("zstd encoder options: %v", err))
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(n), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(maxPlain))
	if err != nil {
		panic(fmt.Sprintf("zstd decoder options: %v", err))
	}
	return enc, dec
})

func compress(dst, src []byte) []byte {
	enc, _ := codecs()
	return enc.EncodeAll(src, dst)
}

// leastS2 is the least frame of raw records that is compressed with S2. From
// here on a block of S2, which begins with its length as a uvarint, cannot be
// taken for zstd, which begins with its magic number.
const leastS2 = 128

const zstdMagic = "\x28\xb5\x2f\xfd"

// compressRaw appends a frame of raw records to dst: in S2 where it is to be
// quick, which takes a third of the time of zstd and nearly twice the room.
func compressRaw(dst, src []byte, quick bool) []byte {
	if !quick || len(src) < leastS2 {
		return compress(dst, src)
	}
	n := len(dst)
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
	return dst[:n+len(s2.Encode(dst[n:cap(dst)], src))]
}

// decompressRaw returns the plain bytes of a frame of raw records, or an error.
func decompressRaw(src []byte, plain int) ([]byte, error) {
	if len(src) >= 4 && string(src[:4]) == zstdMagic {
		return decompress(src, plain)
	}
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	// As for zstd: S2 takes five bytes for a copy of at most 16 MB.
	if n != plain || n > maxPlain || n > (len(src)/5+1)*(16<<20) {
		return nil, fmt.Errorf("decompressed size is %d bytes instead of %d", n, plain)
	}
	out, err := s2.Decode(nil, src)
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	return out, nil
}

// decompress returns exactly plain bytes, or an error.
func decompress(src []byte, plain int) ([]byte, error) {
	if plain < 0 || plain > maxPlain {
		return nil, fmt.Errorf("decompressed size %d is out of bounds", plain)
	}
	// A zstd block of at most 128 KB takes at least three bytes, so that a size
	// that was tampered with cannot make us allocate without bound.
	if plain > (len(src)/3+1)*(128<<10) {
		return nil, fmt.Errorf("decompressed size %d is more than %d bytes can hold", plain, len(src))
	}
	_, dec := codecs()
	out, err := dec.DecodeAll(src, make([]byte, 0, plain))
	if err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	if len(out) != plain {
		return nil, fmt.Errorf("decompressed to %d bytes instead of %d", len(out), plain)
	}
	return out, nil
}

// checksum is the CRC32C of p, begun with a seed that says where p belongs (a
// file's number, a segment's hour), so that a record found elsewhere fails.
func checksum(seed uint64, p []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, p)
}

// cursor reads the primitives of our formats from memory. The first error
// stays, and every read after it gives zero.
type cursor struct {
	p   []byte
	err error
}

func (c *cursor) fail() {
	if c.err == nil {
		c.err = errShort
	}
	c.p = nil
}

func (c *cursor) uvarint() uint64 {
	if len(c.p) > 0 && c.p[0] < 0x80 {
		v := c.p[0]
		c.p = c.p[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.p)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.p = c.p[n:]
	return v
}

func (c *cursor) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// size reads a count or a length that cannot exceed limit.
func (c *cursor) size(limit int) int {
	v := c.uvarint()
	if v > uint64(limit) {
		c.fail()
		return 0
	}
	return int(v)
}

// bytes returns the next n bytes, which stay the reader's.
func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.p) {
		c.fail()
		return nil
	}
	b := c.p[:n:n]
	c.p = c.p[n:]
	return b
}

func (c *cursor) byte() byte {
	if len(c.p) == 0 {
		c.fail()
		return 0
	}
	b := c.p[0]
	c.p = c.p[1:]
	return b
}

func (c *cursor) uint32() uint32 {
	b := c.bytes(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// text returns the next string with its length before it, sharing the memory
// of what is read.
func (c *cursor) text() string { return alias(c.bytes(c.size(len(c.p)))) }

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// alias returns b as a string without a copy: b must never be written again.
func alias(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// nanos bounds: times that do not fit in nanoseconds since 1970 are refused.
const maxNanos = math.MaxInt64
