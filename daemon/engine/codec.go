package engine

import (
	"bufio"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// errSnapshot marks a snapshot that says something impossible.
var errSnapshot = errors.New("not as it was written")

// maxText bounds the texts of a snapshot, and what models write of themselves.
const maxText = 4 << 20

// codec writes a stream's state or reads it, by one description of its fields
// for both, so that the two cannot part. Symbols are renumbered on the way: only
// those in use are written, in their old order, so what hangs on the order of
// symbols stays as it was. Finding them is the third thing that a codec does.
//
// The first error stays; what follows it does nothing.
type codec struct {
	w *bufio.Writer // to write
	r *bufio.Reader // to read
	// used is set while symbols are looked for.
	used map[symbol]struct{}
	// renumbered says what a symbol is written as.
	renumbered map[symbol]symbol
	// names is how many symbols there are when reading.
	names int
	err   error
	buf   [binary.MaxVarintLen64]byte
}

func (d *codec) reading() bool { return d.r != nil }

func (d *codec) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *codec) write(p []byte) {
	if d.w == nil || d.err != nil {
		return
	}
	if _, err := d.w.Write(p); err != nil {
		d.err = err
	}
}

// number is one integer, as a zigzag varint.
func number64(d *codec, v int64) int64 {
	if d.err != nil {
		return 0
	}
	if !d.reading() {
		d.write(d.buf[:binary.PutVarint(d.buf[:], v)])
		return v
	}
	v, err := binary.ReadVarint(d.r)
	if err != nil {
		d.fail(noEOF(err))
		return 0
	}
	return v
}

// integer is a field of any integer type.
func integer[T ~int | ~int32 | ~int64 | ~uint8 | ~uint32 | ~uint64](d *codec, v *T) {
	n := number64(d, int64(*v))
	if !d.reading() {
		return // Somebody may be reading it: it is not written to.
	}
	if *v = T(n); int64(*v) != n {
		d.fail(errSnapshot)
	}
}

// noEOF makes an end of the file in the middle of something an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *codec) float(v *float64) {
	var p [8]byte
	binary.LittleEndian.PutUint64(p[:], math.Float64bits(*v))
	d.write(p[:])
	if d.reading() && d.full(p[:]) {
		*v = math.Float64frombits(binary.LittleEndian.Uint64(p[:]))
	}
}

func (d *codec) float32(v *float32) {
	var p [4]byte
	binary.LittleEndian.PutUint32(p[:], math.Float32bits(*v))
	d.write(p[:])
	if d.reading() && d.full(p[:]) {
		*v = math.Float32frombits(binary.LittleEndian.Uint32(p[:]))
	}
}

// full reads all of p.
func (d *codec) full(p []byte) bool {
	if d.err != nil {
		return false
	}
	if _, err := io.ReadFull(d.r, p); err != nil {
		d.fail(noEOF(err))
		return false
	}
	return true
}

func (d *codec) flag(v *bool) {
	n := uint8(0)
	if *v {
		n = 1
	}
	integer(d, &n)
	if n > 1 {
		d.fail(errSnapshot)
	}
	if d.reading() {
		*v = n == 1
	}
}

func (d *codec) bytes(p []byte) []byte {
	n := int64(len(p))
	if n = number64(d, n); d.err != nil {
		return nil
	}
	if n < 0 || n > maxText {
		d.fail(errSnapshot)
		return nil
	}
	if !d.reading() {
		d.write(p)
		return p
	}
	p = make([]byte, n)
	if !d.full(p) {
		return nil
	}
	return p
}

func (d *codec) text(v *string) {
	p := d.bytes([]byte(*v))
	if d.reading() {
		*v = string(p)
	}
}

// moment is a time in UTC.
func (d *codec) moment(v *time.Time) {
	set := !v.IsZero()
	d.flag(&set)
	if !set {
		if d.reading() {
			*v = time.Time{}
		}
		return
	}
	s, n := v.Unix(), int64(v.Nanosecond())
	integer(d, &s)
	integer(d, &n)
	if n < 0 || n >= 1e9 {
		d.fail(errSnapshot)
		return
	}
	if d.reading() {
		*v = time.Unix(s, n).UTC()
	}
}

func (d *codec) symbol(v *symbol) {
	if d.used != nil {
		d.used[*v] = struct{}{}
		return
	}
	y := *v
	if d.renumbered != nil {
		y = d.renumbered[y]
	}
	integer(d, &y)
	if d.reading() {
		if int(y) >= d.names {
			d.fail(errSnapshot)
			return
		}
		*v = y
	}
}

// binary is a thing that writes itself.
func (d *codec) binary(v interface {
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
},
) {
	d.blob(func() ([]byte, error) { return v.AppendBinary(nil) }, v.UnmarshalBinary)
}

// json is a thing that is written as JSON.
func (d *codec) json(v any) {
	d.blob(func() ([]byte, error) { return json.Marshal(v) }, func(p []byte) error {
		if err := json.Unmarshal(p, v); err != nil {
			return fmt.Errorf("%w: %w", errSnapshot, err)
		}
		return nil
	})
}

// blob is bytes that others write and read.
func (d *codec) blob(write func() ([]byte, error), read func([]byte) error) {
	if d.err != nil || d.used != nil {
		return
	}
	if d.reading() {
		if p := d.bytes(nil); d.err == nil {
			d.fail(read(p))
		}
		return
	}
	p, err := write()
	if err != nil {
		d.fail(err)
		return
	}
	d.bytes(p)
}

// list is a slice of which each describes the elements. What is read grows with
// what is there, so that a wrong length costs no memory.
func list[T any](d *codec, v *[]T, each func(*T)) {
	n := number64(d, int64(len(*v)))
	if !d.reading() {
		for i := range *v {
			each(&(*v)[i])
		}
		return
	}
	*v = nil
	for i := int64(0); i < n && d.err == nil; i++ {
		var x T
		if each(&x); d.err == nil {
			*v = append(*v, x)
		}
	}
}

// dict is a map, written in the order of its keys.
func dict[K comparable, V any](d *codec, m *map[K]V, order func(a, b K) int, each func(*K, *V)) {
	n := number64(d, int64(len(*m)))
	if !d.reading() {
		keys := make([]K, 0, len(*m))
		for k := range *m {
			keys = append(keys, k)
		}
		if d.used == nil { // The order does not matter to a search.
			slices.SortFunc(keys, order)
		}
		for _, k := range keys {
			v := (*m)[k]
			each(&k, &v)
		}
		return
	}
	*m = map[K]V{}
	for i := int64(0); i < n && d.err == nil; i++ {
		var k K
		var v V
		if each(&k, &v); d.err == nil {
			(*m)[k] = v
		}
	}
}
