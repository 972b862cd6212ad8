package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// A snapshot of a State:
//
//	"IDRW" | version u16 | 0 u16 | swept varint | windows | CRC32C u32 of all before it
//
// windows is a uvarint count, and of each, in the order of (program, group):
//
//	program text | group text | newest varint | terms uvarint | of each term:
//	    entries uvarint | of each entry: time varint | uid text
//
// Integers are little-endian; varint (zigzag) and uvarint are those of
// encoding/binary; text is a uvarint length and the bytes. Times are microseconds
// since 1970, of every entry but a term's first less the one before. The same state makes
// the same bytes.
const (
	snapshotMagic   = "IDRW"
	snapshotVersion = 1
)

// ErrSnapshot marks bytes that are no snapshot of this version, or a damaged one.
// What they were is made anew from the events.
var ErrSnapshot = errors.New("not a snapshot of rule windows")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot appends what the state remembers to b. A fork has none.
func (st *State) Snapshot(b []byte) []byte {
	begin := len(b)
	b = append(b, snapshotMagic...)
	b = binary.LittleEndian.AppendUint16(b, snapshotVersion)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.AppendVarint(b, st.swept)
	keys := st.keys()
	slices.SortFunc(keys, windowKey.compare)
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, key := range keys {
		w := st.windows[key]
		b = appendText(b, key.program)
		b = appendText(b, key.group)
		b = binary.AppendVarint(b, w.newest)
		b = binary.AppendUvarint(b, uint64(len(w.terms)))
		for _, list := range w.terms {
			b = binary.AppendUvarint(b, uint64(len(list)))
			var last int64
			for _, e := range list {
				b = binary.AppendVarint(b, e.at-last)
				b = appendText(b, e.uid)
				last = e.at
			}
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[begin:], castagnoli))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Restore reads a snapshot. It keeps nothing of b.
func Restore(b []byte, l Limits) (*State, error) {
	if len(b) < len(snapshotMagic)+8 || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, fmt.Errorf("reading a snapshot of rule windows: %w", ErrSnapshot)
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v != snapshotVersion {
		return nil, fmt.Errorf("reading a snapshot of rule windows: found version %d, expected %d: %w", v, snapshotVersion, ErrSnapshot)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("reading a snapshot of rule windows: the checksum is wrong: %w", ErrSnapshot)
	}
	r := &snapshotReader{b: body[8:]}
	st := r.state(l)
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("reading a snapshot of rule windows: %w", ErrSnapshot)
	}
	st.makeRoom()
	return st, nil
}

// snapshotReader reads the body of a snapshot. After the first fault everything
// that it reads is nothing.
type snapshotReader struct {
	b   []byte
	bad bool
}

func (r *snapshotReader) fail() {
	r.b, r.bad = nil, true
}

func (r *snapshotReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things of at least so many bytes each.
func (r *snapshotReader) count(least int) int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64((len(r.b)-n)/least) {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *snapshotReader) text() string {
	n := r.count(1)
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// time reads a time that arithmetic cannot take beyond its range.
func (r *snapshotReader) time(base int64) int64 {
	v := r.varint() + base
	if v < minMicros || v > -minMicros {
		r.fail()
		return 0
	}
	return v
}

func (r *snapshotReader) state(l Limits) *State {
	st := NewState(l)
	st.swept = r.time(0)
	var last windowKey
	for i := range r.count(5) {
		key := windowKey{r.text(), r.text()}
		if r.bad || i > 0 && key.compare(last) <= 0 {
			r.fail()
			return st
		}
		last = key
		w := &window{newest: r.time(0)}
		terms := r.count(1)
		if terms < 1 || terms > maxTerms {
			r.fail()
			return st
		}
		for range terms {
			w.terms = append(w.terms, r.entries(w.newest))
		}
		st.windows[key] = w
		st.entries += w.size()
	}
	return st
}

func (r *snapshotReader) entries(newest int64) []entry {
	n := r.count(2)
	if n == 0 {
		return nil
	}
	list := make([]entry, 0, n)
	var last entry
	for i := range n {
		e := entry{at: r.time(last.at), uid: r.text()}
		if r.bad || i > 0 && e.compare(last) <= 0 || e.at > newest {
			r.fail()
			return nil
		}
		list, last = append(list, e), e
	}
	return list
}
