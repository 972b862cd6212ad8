package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
)

// A checkpoint's bytes. Numbers are varints of encoding/binary, u unsigned and
// s signed; text is its length (u) and its bytes.
//
//	"insightd checkpoint\n"
//	version (one byte): 1
//	name of the source (text)
//	number of files (u), and for each, in the order of paths:
//	  how many bytes of the path are as in the one before (u), the rest (text)
//	  size (u), mtime in Unix nanoseconds (s), device (u), inode (u)
//	  offset (u), records (u)
//	  length of the head (u), XXH64 of the head (8 bytes, little endian)
//	  newest event time in Unix nanoseconds (s), 0 for none
//	  flags (one byte): bit 0 says that the file is read by lines
//	CRC32C of all of the above (4 bytes, little endian)
//
// A reader refuses other versions, which costs reading the files once more.

const (
	checkpointMagic   = "insightd checkpoint\n"
	checkpointVersion = 1
	flagLines         = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeCheckpoint(source string, entries map[string]entry) []byte {
	b := make([]byte, 0, 64+len(source)+96*len(entries))
	b = append(b, checkpointMagic...)
	b = append(b, checkpointVersion)
	b = appendText(b, source)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	last := ""
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		e := entries[path]
		same := 0
		for same < len(last) && same < len(path) && last[same] == path[same] {
			same++
		}
		b = binary.AppendUvarint(b, uint64(same))
		b = appendText(b, path[same:])
		last = path
		b = binary.AppendUvarint(b, uint64(e.size))
		b = binary.AppendVarint(b, e.mtime)
		b = binary.AppendUvarint(b, e.dev)
		b = binary.AppendUvarint(b, e.ino)
		b = binary.AppendUvarint(b, uint64(e.offset))
		b = binary.AppendUvarint(b, uint64(e.records))
		b = binary.AppendUvarint(b, uint64(e.headLen))
		b = binary.LittleEndian.AppendUint64(b, e.head)
		b = binary.AppendVarint(b, e.newest)
		var flags byte
		if e.lines {
			flags |= flagLines
		}
		b = append(b, flags)
	}
	return sealed(b)
}

// sealed puts the checksum behind b.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clip(b), crc32.Checksum(b, castagnoli))
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decodeCheckpoint is the inverse of encodeCheckpoint.
func decodeCheckpoint(b []byte, source string) (map[string]entry, error) {
	if len(b) < len(checkpointMagic)+1+4 || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return nil, errors.New("it is no checkpoint")
	}
	if v := b[len(checkpointMagic)]; v != checkpointVersion {
		return nil, fmt.Errorf("it has version %d, known is %d", v, checkpointVersion)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errors.New("its checksum does not match")
	}
	d := &checkpointReader{b: body[len(checkpointMagic)+1:]}
	if name := d.text(); d.err == nil && name != source {
		return nil, fmt.Errorf("it is of the source %q", name)
	}
	n := d.count()
	// An entry takes at least 18 bytes, which bounds what a wrong number costs.
	if d.err == nil && n > len(d.b)/18 {
		return nil, errors.New("it has fewer files than it says")
	}
	entries := make(map[string]entry, n)
	last := ""
	for range n {
		same := d.count()
		if d.err == nil && same > len(last) {
			return nil, errors.New("a path shares more than there is")
		}
		if d.err != nil {
			return nil, d.err
		}
		path := last[:same] + d.text()
		last = path
		var e entry
		e.size, e.mtime, e.dev, e.ino = int64(d.uvarint()), d.varint(), d.uvarint(), d.uvarint()
		e.offset, e.records, e.headLen = int64(d.uvarint()), d.count(), d.count()
		if h := d.take(8); h != nil {
			e.head = binary.LittleEndian.Uint64(h)
		}
		e.newest = d.varint()
		if f := d.take(1); f != nil {
			e.lines = f[0]&flagLines != 0
		}
		if d.err == nil && (e.size < 0 || e.offset < 0) {
			return nil, errors.New("a size is out of range")
		}
		entries[path] = e
	}
	if d.err == nil && (len(d.b) > 0 || len(entries) != n) {
		return nil, errors.New("it does not end where it should")
	}
	return entries, d.err
}

// checkpointReader reads values one after the other; after an error it gives
// zeros.
type checkpointReader struct {
	b   []byte
	err error
}

var errShort = errors.New("it ends too early")

func (d *checkpointReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *checkpointReader) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number that is at most what an int holds.
func (d *checkpointReader) count() int {
	v := d.uvarint()
	if v > 1<<62 {
		d.b, d.err = nil, errors.New("a number is out of range")
		return 0
	}
	return int(v)
}

func (d *checkpointReader) take(n int) []byte {
	if n > len(d.b) {
		d.b, d.err = nil, errShort
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *checkpointReader) text() string { return string(d.take(d.count())) }
