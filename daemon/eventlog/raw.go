package eventlog

import (
	"encoding/binary"
	"errors"
)

// rawFrame is one compressed run of raw records.
type rawFrame struct {
	row, rows   int
	off         int64 // From the beginning of the raw section.
	size, plain int
	crc         uint32
}

// rawDir says where the raw record of each row is.
type rawDir struct {
	frames []rawFrame
	start  []uint32 // Of each row within its frame.
	length []uint32
	frame  []uint32 // Of each row.
}

// rawDirectory returns where raw records are.
func (b *block) rawDirectory() (*rawDir, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.dir != nil {
		return b.dir, nil
	}
	p, err := b.load(colRawDir)
	if err != nil {
		return nil, err
	}
	s := b.hdr.section(colRaw)
	if s == nil {
		s = &section{}
	}
	d, err := parseRawDir(p, b.hdr.rows, int64(s.size))
	if err != nil {
		return nil, corruptAside("raw directory", err)
	}
	b.dir = d
	b.grow(int64(12 * b.hdr.rows))
	return d, nil
}

func appendRawDir(dst []byte, frames []rawFrame, lengths []uint32) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(frames)))
	for _, f := range frames {
		dst = binary.AppendUvarint(dst, uint64(f.rows))
		dst = binary.AppendUvarint(dst, uint64(f.size))
		dst = binary.AppendUvarint(dst, uint64(f.plain))
		dst = binary.LittleEndian.AppendUint32(dst, f.crc)
	}
	for _, n := range lengths {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func parseRawDir(p []byte, rows int, rawSize int64) (*rawDir, error) {
	d := &rawDir{start: make([]uint32, rows), length: make([]uint32, rows), frame: make([]uint32, rows)}
	c := cursor{p: p}
	row := 0
	var off int64
	for range c.size(rows) {
		f := rawFrame{row: row, off: off}
		f.rows = c.size(rows - row)
		f.size = c.size(maxPlain)
		f.plain = c.size(maxPlain)
		f.crc = c.uint32()
		row += f.rows
		off += int64(f.size)
		d.frames = append(d.frames, f)
	}
	if c.err == nil && (row != rows || off > rawSize) {
		return nil, errors.New("frames do not add up")
	}
	for i, f := range d.frames {
		at := 0
		for r := f.row; r < f.row+f.rows; r++ {
			n := c.size(f.plain - at)
			d.frame[r], d.start[r], d.length[r] = uint32(i), uint32(at), uint32(n)
			at += n
		}
	}
	return d, c.err
}

// gramFilters returns the filters of the block's raw frames.
func (b *block) gramFilters(frames int) ([]gramFilter, error) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	if b.grams != nil {
		return b.grams, nil
	}
	p, err := b.load(colRawGrams)
	var g []gramFilter
	if err == nil {
		if g, err = parseGrams(p, frames); err != nil {
			err = corruptAside("gram filters", err)
		}
	}
	if isCorrupt(err) && b.damaged != nil {
		b.damaged(err)
		g, err = make([]gramFilter, frames), nil // Which prune nothing.
	}
	if err != nil {
		return nil, err
	}
	b.grams = g
	b.grow(int64(len(p)))
	return g, nil
}

// rawReader reads raw records of one block. It keeps the frames that it
// decompressed, and is for one goroutine and one question.
type rawReader struct {
	b      *block
	frames map[uint32][]byte
	bad    map[uint32]error
}

func (b *block) rawReader() *rawReader {
	return &rawReader{b: b, frames: map[uint32][]byte{}, bad: map[uint32]error{}}
}

// row returns a raw record, which shares memory with others of its frame.
func (r *rawReader) row(row int) ([]byte, error) {
	if r.b.src == nil {
		return r.b.raws[row], nil
	}
	d, err := r.b.rawDirectory()
	if err != nil {
		return nil, err
	}
	i := d.frame[row]
	p, ok := r.frames[i]
	if !ok {
		if err := r.bad[i]; err != nil {
			return nil, err
		}
		if p, err = r.b.frame(d, int(i)); err != nil {
			r.bad[i] = err
			return nil, err
		}
		r.frames[i] = p
	}
	at, n := d.start[row], d.length[row]
	return p[at : at+n : at+n], nil
}

// frame reads one frame of raw records.
func (b *block) frame(d *rawDir, i int) ([]byte, error) {
	f := &d.frames[i]
	s := b.hdr.section(colRaw)
	if s == nil {
		return nil, corruptAside("raw frame", errShort)
	}
	p, err := b.readAt(b.hdr.body+s.off+f.off, f.size)
	if err != nil {
		return nil, err
	}
	if checksum(uint64(colRaw), p) != f.crc {
		return nil, corruptAside("raw frame", errCRC)
	}
	out, err := decompressRaw(p, f.plain)
	if err != nil {
		return nil, corruptAside("raw frame", err)
	}
	return out, nil
}
