package tsdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"os"

	"github.com/prometheus/prometheus/model/labels"
)

// The files of the backfill. All fixed-size numbers are little-endian, uvarint
// is that of encoding/binary.
//
//	file    = "insightdspool" version:1 kind:1 frame*
//	frame   = length:4 crc:4 payload, where length is that of the payload and
//	          crc its CRC-32C
//	payload = n:uvarint record*n
//
// The records of kind 'S', series: the first of the file has the number 0.
//
//	record = labels:uvarint (name value)*labels, each a uvarint length and bytes
//
// The records of kind 'D', a day's samples:
//
//	record = series:uvarint millisecond-of-the-day:uvarint value:uvarint
//
// where value is the float's bits, reversed, since small whole numbers end in
// zeros. A file of version 2 would get another reader beside this one; this one
// refuses it.
const (
	frameMagic   = "insightdspool"
	frameVersion = 1
	frameSeries  = 'S'
	frameSamples = 'D'

	fileHeaderSize  = len(frameMagic) + 2
	frameHeaderSize = 8
	// maxFrame bounds a payload, so that a broken length asks for no memory.
	maxFrame = 16 << 20
	// maxSpoolSeries bounds the series of an epoch.
	maxSpoolSeries = math.MaxInt32 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errFrame   = errors.New("backfill record is broken")
	errVersion = errors.New("backfill is of another version")
)

func appendFileHeader(b []byte, kind byte) []byte {
	b = append(b, frameMagic...)
	return append(b, frameVersion, kind)
}

func appendFrame(b []byte, n int, records []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeaderSize)...)
	b = binary.AppendUvarint(b, uint64(n))
	b = append(b, records...)
	payload := b[start+frameHeaderSize:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b
}

func appendSample(b []byte, id uint32, ms uint64, v float64) []byte {
	b = binary.AppendUvarint(b, uint64(id))
	b = binary.AppendUvarint(b, ms)
	return binary.AppendUvarint(b, bits.ReverseBytes64(math.Float64bits(v)))
}

func appendLabels(b []byte, lset labels.Labels) []byte {
	b = binary.AppendUvarint(b, uint64(lset.Len()))
	lset.Range(func(l labels.Label) {
		b = binary.AppendUvarint(b, uint64(len(l.Name)))
		b = append(b, l.Name...)
		b = binary.AppendUvarint(b, uint64(len(l.Value)))
		b = append(b, l.Value...)
	})
	return b
}

// cutUvarint takes a uvarint off b.
func cutUvarint(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errFrame
	}
	return v, b[n:], nil
}

// cutString takes a length and as many bytes off b.
func cutString(b []byte) (string, []byte, error) {
	n, b, err := cutUvarint(b)
	if err != nil || n > uint64(len(b)) {
		return "", nil, errFrame
	}
	return string(b[:n]), b[n:], nil
}

// spooled is a sample of a day file.
type spooled struct {
	id uint32
	// ms is the millisecond of the day.
	ms uint32
	v  float64
}

// readSamples calls f with each sample of a payload.
func readSamples(payload []byte, f func(spooled) error) error {
	n, b, err := cutUvarint(payload)
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		var id, ms, v uint64
		if id, b, err = cutUvarint(b); err != nil {
			return err
		}
		if ms, b, err = cutUvarint(b); err != nil {
			return err
		}
		if v, b, err = cutUvarint(b); err != nil {
			return err
		}
		if id > maxSpoolSeries || ms >= uint64(dayMillis) {
			return errFrame
		}
		if err := f(spooled{id: uint32(id), ms: uint32(ms), v: math.Float64frombits(bits.ReverseBytes64(v))}); err != nil {
			return err
		}
	}
	return nil
}

// readLabels calls f with the labels of each series of a payload.
func readLabels(payload []byte, f func(labels.Labels) error) error {
	n, b, err := cutUvarint(payload)
	if err != nil {
		return err
	}
	var lb labels.ScratchBuilder
	for ; n > 0; n-- {
		var count uint64
		if count, b, err = cutUvarint(b); err != nil {
			return err
		}
		lb.Reset()
		for ; count > 0; count-- {
			var name, value string
			if name, b, err = cutString(b); err != nil {
				return err
			}
			if value, b, err = cutString(b); err != nil {
				return err
			}
			lb.Add(name, value)
		}
		lb.Sort()
		if err := f(lb.Labels()); err != nil {
			return err
		}
	}
	return nil
}

// frameLoss is what of a file cannot be read.
type frameLoss struct {
	// bytes is how much that is, at where it begins.
	bytes, at int64
}

// readFrames calls f with the payload of each frame of r, which is of that kind
// and has that size. A frame whose checksum is wrong is left out, and the rest
// of a file whose end is torn. Of series, what follows a broken frame is left
// out too, as its numbers are not known. The payload is valid until f returns.
func readFrames(r io.Reader, size int64, kind byte, f func(payload []byte) error) (lost frameLoss, err error) {
	br := bufio.NewReaderSize(r, 1<<16)
	head := make([]byte, fileHeaderSize)
	all := frameLoss{bytes: size}
	if size < int64(len(head)) {
		return all, nil
	}
	if _, err := io.ReadFull(br, head); err != nil {
		return all, err
	}
	if string(head[:len(frameMagic)]) != frameMagic {
		return all, nil
	}
	if v := head[len(frameMagic)]; v != frameVersion {
		return all, fmt.Errorf("%w: %d, and this program reads %d", errVersion, v, frameVersion)
	}
	if head[len(frameMagic)+1] != kind {
		return all, nil
	}
	left := size - int64(len(head))
	lose := func(n int64) {
		if lost.bytes == 0 {
			lost.at = size - left
		}
		lost.bytes += n
	}
	var header [frameHeaderSize]byte
	var payload []byte
	for left > 0 {
		if left < frameHeaderSize {
			lose(left)
			return lost, nil
		}
		if _, err := io.ReadFull(br, header[:]); err != nil {
			return lost, err
		}
		n := int64(binary.LittleEndian.Uint32(header[:]))
		// What was never written reads as zeros.
		if n == 0 || n > maxFrame || n > left-frameHeaderSize {
			lose(left)
			return lost, nil
		}
		if int64(cap(payload)) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if _, err := io.ReadFull(br, payload); err != nil {
			return lost, err
		}
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
			if kind == frameSeries {
				lose(left)
				return lost, nil
			}
			lose(frameHeaderSize + n)
			left -= frameHeaderSize + n
			continue
		}
		left -= frameHeaderSize + n
		if err := f(payload); err != nil {
			return lost, err
		}
	}
	return lost, nil
}

// readFile is readFrames of a file.
func readFile(path string, kind byte, f func(payload []byte) error) (lost frameLoss, err error) {
	r, err := os.Open(path)
	if err != nil {
		return lost, err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return lost, err
	}
	lost, err = readFrames(r, st.Size(), kind, f)
	if err != nil {
		return lost, fmt.Errorf("reading %q: %w", path, err)
	}
	return lost, nil
}

// spoolCount is what is in a file of the backfill.
type spoolCount struct {
	records int
	// good is where the last frame before any damage ends.
	good int64
	// lost is how many bytes cannot be read.
	lost int64
	// foreign says that the file is of a version that this program does not read.
	foreign bool
}

// countRecords counts the records of a file.
func countRecords(path string, kind byte) (c spoolCount, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	lost, err := readFile(path, kind, func(payload []byte) error {
		k, _, err := cutUvarint(payload)
		c.records += int(k)
		return err
	})
	c.lost, c.good = lost.bytes, st.Size()
	if lost.bytes > 0 {
		c.good = lost.at
	}
	switch {
	case errors.Is(err, errVersion):
		c.foreign = true
	case errors.Is(err, errFrame):
		c.lost, c.good = max(c.lost, 1), 0
	case err != nil:
		return c, err
	}
	return c, nil
}
