package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unique"

	"github.com/insightd/insightd/daemon/event"
)

// A block begins with a prefix of fixed size, then a header that says all that
// is needed to decide whether to read the block, then its sections. DESIGN.md
// describes the bytes.
const (
	blockMagic    = "IDBK"
	blockVersion  = 1
	prefixLen     = 24
	maxHeaderLen  = 64 << 20
	maxBlockBytes = 1 << 40
)

// streamID is a stream's key, interned: blocks hold very many of them.
type streamID = unique.Handle[event.StreamKey]

// run is where in a block a stream's rows are. Rows are sorted by stream, and
// within a stream by (time, uid).
type run struct {
	stream     streamID
	start, end int
	mint, maxt int64 // Both inclusive, in nanoseconds.
}

// section is where a column is, from the first byte behind the header.
type section struct {
	id    columnID
	codec uint8
	off   int64
	size  int
	plain int
	crc   uint32
}

// The codecs of sections and frames.
const (
	codecPlain = 0
	codecZstd  = 1
	codecS2    = 2 // Of frames alone.
)

// header is what a block says of itself.
type header struct {
	hour     int64
	decoder  uint32
	enrich   uint32
	rows     int
	mint     int64
	maxt     int64
	minSeq   uint64
	maxSeq   uint64
	rawBytes uint64
	runs     []run
	sections []section
	length   int64 // Of the prefix, the header and all sections.
	body     int64 // Where the sections begin, from the block's first byte.
}

func (h *header) section(id columnID) *section {
	for i := range h.sections {
		if h.sections[i].id == id {
			return &h.sections[i]
		}
	}
	return nil
}

// run returns a stream's run.
func (h *header) run(s streamID) *run {
	for i := range h.runs {
		if h.runs[i].stream == s {
			return &h.runs[i]
		}
	}
	return nil
}

// appendPrefixed appends the prefix and the header.
func (h *header) appendPrefixed(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, blockMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, blockVersion)
	dst = append(dst, make([]byte, prefixLen-6)...)
	body := len(dst)

	dst = binary.AppendVarint(dst, h.hour)
	dst = binary.AppendUvarint(dst, uint64(h.decoder))
	dst = binary.AppendUvarint(dst, uint64(h.enrich))
	dst = binary.AppendUvarint(dst, uint64(h.rows))
	dst = binary.AppendVarint(dst, h.mint)
	dst = binary.AppendUvarint(dst, uint64(h.maxt-h.mint))
	dst = binary.AppendUvarint(dst, h.minSeq)
	dst = binary.AppendUvarint(dst, h.maxSeq-h.minSeq)
	dst = binary.AppendUvarint(dst, h.rawBytes)
	dst = binary.AppendUvarint(dst, uint64(len(h.runs)))
	for _, r := range h.runs {
		k := r.stream.Value()
		dst = appendText(dst, k.Provider)
		dst = appendText(dst, k.Account)
		dst = binary.AppendUvarint(dst, uint64(r.end-r.start))
		dst = binary.AppendUvarint(dst, uint64(r.mint-h.mint))
		dst = binary.AppendUvarint(dst, uint64(r.maxt-r.mint))
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.sections)))
	var total int64
	for _, s := range h.sections {
		dst = append(dst, byte(s.id), s.codec)
		dst = binary.AppendUvarint(dst, uint64(s.size))
		dst = binary.AppendUvarint(dst, uint64(s.plain))
		dst = binary.LittleEndian.AppendUint32(dst, s.crc)
		total += int64(s.size)
	}
	if h.length == 0 { // A header that was read, or written before, stays as it is: others read it.
		h.body = int64(len(dst) - start)
		h.length = h.body + total
	}
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(len(dst)-body))
	binary.LittleEndian.PutUint64(dst[start+12:], uint64(total))
	putHeaderSum(dst[start:], h.hour)
	return dst
}

// headerSum is the checksum of prefix and header without the checksum itself.
func headerSum(hour int64, p []byte) uint32 {
	sum := checksum(uint64(hour), p[:20])
	return sum ^ checksum(uint64(hour)+1, p[prefixLen:])*0x9E3779B1
}

func putHeaderSum(p []byte, hour int64) {
	binary.LittleEndian.PutUint32(p[20:], headerSum(hour, p))
}

var (
	errNoBlock = errors.New("no block begins here")
	errVersion = errors.New("written by a newer version of this program")
)

// peekHeader returns how long prefix and header at the beginning of p are.
func peekHeader(p []byte) (int, error) {
	if len(p) < prefixLen || string(p[:4]) != blockMagic {
		return 0, errNoBlock
	}
	n := binary.LittleEndian.Uint32(p[8:])
	if n > maxHeaderLen {
		return 0, fmt.Errorf("block header claims %d bytes", n)
	}
	return prefixLen + int(n), nil
}

// parseHeader reads prefix and header from p, which holds exactly those.
func parseHeader(p []byte, hour int64) (*header, error) {
	n, err := peekHeader(p)
	if err != nil {
		return nil, err
	}
	if len(p) < n {
		return nil, errShort
	}
	p = p[:n]
	if binary.LittleEndian.Uint32(p[20:]) != headerSum(hour, p) {
		return nil, fmt.Errorf("block header: %w", errCRC)
	}
	// Prefix and checksum are the same in every version, so that a block of a
	// newer program is told from a damaged one and never cut.
	if v := binary.LittleEndian.Uint16(p[4:]); v != blockVersion {
		return nil, fmt.Errorf("%w: block has version %d, this program reads %d", errVersion, v, blockVersion)
	}
	return parseHeaderBody(p, hour)
}

// parseHeaderBody is parseHeader behind the checksum. It trusts nothing.
func parseHeaderBody(p []byte, hour int64) (*header, error) {
	total := binary.LittleEndian.Uint64(p[12:])
	c := cursor{p: p[prefixLen:]}
	h := &header{body: int64(len(p))}
	h.hour = c.varint()
	h.decoder = uint32(c.uvarint())
	h.enrich = uint32(c.uvarint())
	h.rows = c.size(1 << 17)
	h.mint = c.varint()
	h.maxt = h.mint + int64(c.uvarint())
	h.minSeq = c.uvarint()
	h.maxSeq = h.minSeq + c.uvarint()
	h.rawBytes = c.uvarint()
	if c.err == nil && (h.hour != hour || h.rows == 0 || h.maxt < h.mint || h.maxSeq < h.minSeq ||
		hourOf(h.mint) != hour || hourOf(h.maxt) != hour) {
		return nil, errors.New("block header contradicts itself")
	}
	nruns := c.size(len(c.p))
	if c.err != nil {
		return nil, fmt.Errorf("block header: %w", c.err)
	}
	h.runs = make([]run, 0, nruns)
	row := 0
	for range nruns {
		// Cloned, since the header would keep the whole index alive.
		k := event.StreamKey{Provider: string([]byte(c.text())), Account: string([]byte(c.text()))}
		r := run{stream: unique.Make(k), start: row}
		r.end = row + c.size(h.rows-row)
		r.mint = h.mint + int64(c.uvarint())
		r.maxt = r.mint + int64(c.uvarint())
		if c.err == nil && (r.end == r.start || r.mint < h.mint || r.maxt < r.mint || r.maxt > h.maxt) {
			return nil, errors.New("block header has a run that is out of bounds")
		}
		if c.err != nil {
			return nil, fmt.Errorf("block header: %w", c.err)
		}
		row = r.end
		h.runs = append(h.runs, r)
	}
	if row != h.rows {
		return nil, errors.New("block header's runs do not add up")
	}
	nsec := c.size(numColumns)
	var off int64
	for range nsec {
		s := section{id: columnID(c.byte()), codec: c.byte(), off: off}
		s.size = c.size(math.MaxInt32)
		s.plain = c.size(math.MaxInt32)
		s.crc = c.uint32()
		if c.err == nil && (s.codec > codecZstd || s.codec == codecPlain && s.plain != s.size) {
			return nil, fmt.Errorf("block section %d has codec %d and sizes %d, %d", s.id, s.codec, s.size, s.plain)
		}
		off += int64(s.size)
		h.sections = append(h.sections, s)
	}
	if c.err != nil {
		return nil, fmt.Errorf("block header: %w", c.err)
	}
	if uint64(off) != total {
		return nil, errors.New("block header's sections do not add up")
	}
	h.length = h.body + off
	return h, nil
}

const hourNanos = int64(3600e9)

// hourOf returns the hour since 1970 that a time in nanoseconds falls in.
func hourOf(t int64) int64 {
	h := t / hourNanos
	if t%hourNanos < 0 {
		h--
	}
	return h
}
