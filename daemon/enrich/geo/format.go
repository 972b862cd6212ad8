package geo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/insightd/insightd/daemon/event"
)

// A file of this package, all numbers in little endian:
//
//	8 bytes   "insd.geo"
//	1 byte    version of the format, 1
//	1 byte    kind: 1 countries, 2 systems
//	2 bytes   0
//	4 bytes   length of the payload
//	8 bytes   XXH64 of the payload
//	          the payload as one zstd frame
//
// The payload, in which n is an unsigned varint and text is a length n and that
// many bytes:
//
//	text      where the data comes from
//	n         how many values there are; then each: countries two letters (or
//	          two zero bytes for none), systems their number n, 0 for none
//	n         systems only: how many have a class; then each: how much its
//	          number is above the one before as n, and the class as one byte,
//	          which is the number of an event.Network
//	ranges    of IPv4 addresses
//	ranges    of the upper 64 bits of IPv6 addresses
//
// Ranges are: how many as n; then how far each starts above the one before; then
// for each which value it has, as n. A distance d that is a multiple of the unit
// (2^8 for IPv4, 2^16 for IPv6) is d / unit × 2, any other one d × 2 + 1. The
// first range starts at 0.
//
// A reader refuses a version that it does not know. The next version, if there
// is one, comes with the binary that knows it, since the files are part of it.

const (
	magic         = "insd.geo"
	formatVersion = 1
	headerSize    = 24
	kindCountries = 1
	kindSystems   = 2
	unitV4        = 8
	unitV6        = 16
	// maxPayload bounds what a file may unpack to, in bytes.
	maxPayload = 64 << 20
)

// Errors of the readers.
var (
	// ErrFormat is the answer to bytes that are no table of the wanted kind and
	// version.
	ErrFormat = errors.New("no table of this kind and version")
	// ErrCorrupt is the answer to a table whose bytes have changed.
	ErrCorrupt = errors.New("the table is corrupt")
)

type info struct {
	source string
	sum    uint64
}

func (i info) version() string { return fmt.Sprintf("%s (%016x)", i.source, i.sum) }

// Range is a range of addresses for the writers: it starts at Start, the upper
// 64 bits for IPv6, and ends where the next one starts.
type Range[V any] struct {
	Start uint64
	Value V
}

// WriteCountries makes a file of ranges, which are in order and start at 0.
// Country codes have two letters or are empty.
func WriteCountries(source string, v4, v6 []Range[string]) ([]byte, error) {
	values, number := dictionary(v4, v6)
	if len(values) > 256 {
		return nil, fmt.Errorf("found %d country codes, a table holds 256", len(values))
	}
	b := appendText(nil, source)
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		switch len(v) {
		case 0:
			b = append(b, 0, 0)
		case 2:
			b = append(b, v...)
		default:
			return nil, fmt.Errorf("bad country code %q", v)
		}
	}
	b, err := appendRanges(b, v4, number, unitV4, 32)
	if err != nil {
		return nil, fmt.Errorf("writing IPv4 ranges: %w", err)
	}
	if b, err = appendRanges(b, v6, number, unitV6, 64); err != nil {
		return nil, fmt.Errorf("writing IPv6 ranges: %w", err)
	}
	return seal(kindCountries, b)
}

// SystemClass is the class of an autonomous system, for WriteSystems.
type SystemClass struct {
	System uint32
	Class  event.Network
}

// WriteSystems makes a file of ranges, which are in order and start at 0, and
// of classes, which are in order of their systems.
func WriteSystems(source string, v4, v6 []Range[uint32], classes []SystemClass) ([]byte, error) {
	values, number := dictionary(v4, v6)
	b := appendText(nil, source)
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = binary.AppendUvarint(b, uint64(len(classes)))
	var last uint32
	for _, c := range classes {
		if c.System <= last {
			return nil, fmt.Errorf("the class of system %d is out of order", c.System)
		}
		b = binary.AppendUvarint(b, uint64(c.System-last))
		b = append(b, byte(c.Class))
		last = c.System
	}
	b, err := appendRanges(b, v4, number, unitV4, 32)
	if err != nil {
		return nil, fmt.Errorf("writing IPv4 ranges: %w", err)
	}
	if b, err = appendRanges(b, v6, number, unitV6, 64); err != nil {
		return nil, fmt.Errorf("writing IPv6 ranges: %w", err)
	}
	return seal(kindSystems, b)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendRanges[V comparable](b []byte, rs []Range[V], number map[V]uint64, unit uint, width int) ([]byte, error) {
	if len(rs) == 0 || rs[0].Start != 0 {
		return nil, errors.New("the first range does not start at 0")
	}
	b = binary.AppendUvarint(b, uint64(len(rs)))
	var last uint64
	for i, r := range rs {
		d := r.Start - last
		if i > 0 && r.Start <= last || bits.Len64(r.Start) > width {
			return nil, fmt.Errorf("range %d is out of order", i)
		}
		switch {
		case d&(1<<unit-1) == 0:
			d = d >> unit << 1
		case d >= 1<<63:
			return nil, fmt.Errorf("range %d is too far from the one before", i)
		default:
			d = d<<1 | 1
		}
		b = binary.AppendUvarint(b, d)
		last = r.Start
	}
	for _, r := range rs {
		b = binary.AppendUvarint(b, number[r.Value])
	}
	return b, nil
}

func seal(kind byte, payload []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false), zstd.WithWindowSize(8<<20))
	if err != nil {
		return nil, fmt.Errorf("making a compressor: %w", err)
	}
	defer w.Close()
	b := append([]byte(magic), formatVersion, kind, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(payload))
	return w.EncodeAll(payload, b), nil
}

// open checks a file's header and sum, and returns its payload.
func open(kind byte, file []byte) (payload []byte, sum uint64, err error) {
	if len(file) < headerSize || string(file[:len(magic)]) != magic ||
		file[8] != formatVersion || file[9] != kind || file[10] != 0 || file[11] != 0 {
		return nil, 0, ErrFormat
	}
	size := binary.LittleEndian.Uint32(file[12:])
	sum = binary.LittleEndian.Uint64(file[16:])
	if size > maxPayload {
		return nil, 0, fmt.Errorf("%w: it unpacks to %d bytes, the limit is %d", ErrCorrupt, size, maxPayload)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPayload))
	if err != nil {
		return nil, 0, fmt.Errorf("making a decompressor: %w", err)
	}
	defer r.Close()
	// The header's size is not trusted with memory: a file does not unpack to
	// more than some two hundred times its own size.
	payload, err = r.DecodeAll(file[headerSize:], make([]byte, 0, min(int(size), 256*len(file))))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(payload) != int(size) || xxhash.Sum64(payload) != sum {
		return nil, 0, fmt.Errorf("%w: size or sum differ", ErrCorrupt)
	}
	return payload, sum, nil
}

// ReadCountries reads a file that WriteCountries made. It does not keep it.
func ReadCountries(file []byte) (*Countries, error) {
	payload, sum, err := open(kindCountries, file)
	if err != nil {
		return nil, err
	}
	return parseCountries(payload, sum)
}

func parseCountries(payload []byte, sum uint64) (*Countries, error) {
	r := reader{b: payload}
	c := &Countries{info: info{source: r.text(), sum: sum}}
	n := r.count(2)
	if n > 256 {
		return nil, fmt.Errorf("%w: %d countries", ErrCorrupt, n)
	}
	for range n {
		code := r.take(2)
		if r.failed {
			break
		}
		if code[0] == 0 {
			c.codes = append(c.codes, "")
		} else {
			c.codes = append(c.codes, string(code))
		}
	}
	values := make([]uint8, n)
	for i := range values {
		values[i] = uint8(i)
	}
	readRanges(&r, &c.ranges, values)
	if err := r.end(); err != nil {
		return nil, err
	}
	return c, nil
}

// ReadSystems reads a file that WriteSystems made. It does not keep it.
func ReadSystems(file []byte) (*Systems, error) {
	payload, sum, err := open(kindSystems, file)
	if err != nil {
		return nil, err
	}
	return parseSystems(payload, sum)
}

func parseSystems(payload []byte, sum uint64) (*Systems, error) {
	r := reader{b: payload}
	s := &Systems{info: info{source: r.text(), sum: sum}}
	values := make([]uint32, r.count(1))
	for i := range values {
		values[i] = uint32(r.number(1<<32 - 1))
	}
	n := r.count(2)
	s.numbers, s.classes = make([]uint32, n), make([]event.Network, n)
	var last uint64
	for i := range n {
		d := r.number(1<<32 - 1 - last)
		if r.failed || d == 0 {
			r.failed = true
			break
		}
		last += d
		s.numbers[i] = uint32(last)
		s.classes[i] = event.Network(r.take(1)[0])
		if s.classes[i].String() == "" {
			r.failed = true
		}
	}
	readRanges(&r, &s.ranges, values)
	if err := r.end(); err != nil {
		return nil, err
	}
	return s, nil
}

func readRanges[V uint8 | uint32](r *reader, rs *ranges[V], values []V) {
	rs.v4, rs.v4Values = readColumn[uint32](r, values, unitV4, 1<<32-1)
	rs.v6, rs.v6Values = readColumn[uint64](r, values, unitV6, 1<<64-1)
	if !r.failed {
		rs.index()
	}
}

func readColumn[A uint32 | uint64, V any](r *reader, values []V, unit uint, last uint64) ([]A, []V) {
	n := r.count(2)
	if n == 0 || len(values) == 0 {
		r.failed = true
		return nil, nil
	}
	starts, column := make([]A, n), make([]V, n)
	var a uint64
	for i := range starts {
		d := r.number(1<<64 - 1)
		if d&1 == 0 {
			if d >>= 1; d > 1<<(64-unit)-1 {
				r.failed = true
				return nil, nil
			}
			d <<= unit
		} else {
			d >>= 1
		}
		if (d == 0) != (i == 0) || d > last-a {
			r.failed = true
			return nil, nil
		}
		a += d
		starts[i] = A(a)
	}
	for i := range column {
		column[i] = values[r.number(uint64(len(values)-1))]
	}
	return starts, column
}

// reader reads a payload. Once something is wrong it is failed, and gives zero
// values.
type reader struct {
	b      []byte
	i      int
	failed bool
}

// number reads a number up to a limit.
func (r *reader) number(limit uint64) uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.i:])
	if n <= 0 || v > limit {
		r.failed = true
		return 0
	}
	r.i += n
	return v
}

// count reads how many things of at least size bytes follow.
func (r *reader) count(size int) int { return int(r.number(uint64((len(r.b) - r.i) / size))) }

var zeros [2]byte

func (r *reader) take(n int) []byte {
	if r.failed || n > len(r.b)-r.i {
		r.failed = true
		return zeros[:min(n, len(zeros))]
	}
	r.i += n
	return r.b[r.i-n : r.i]
}

func (r *reader) text() string { return string(r.take(r.count(1))) }

func (r *reader) end() error {
	if r.failed || r.i != len(r.b) {
		return fmt.Errorf("%w: the payload ends or goes wrong at byte %d of %d", ErrCorrupt, r.i, len(r.b))
	}
	return nil
}
