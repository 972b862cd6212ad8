package eventlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// A journal file is a header and frames. A frame is
//
//	magic "IDWF" | stored length u32 | plain length u32 | CRC32C u32 | kind u8 | codec u8 | payload
//
// The checksum covers everything but the magic and itself, and begins with the
// file's number, so that a frame is good only in its own file.
const (
	journalMagic   = "IDWL"
	journalVersion = 1
	journalHeader  = 16
	frameMagic     = "IDWF"
	frameHeader    = 18

	frameEvents  = 1
	frameControl = 2
)

func appendJournalHeader(p []byte, number uint64) []byte {
	p = append(p, journalMagic...)
	p = binary.LittleEndian.AppendUint16(p, journalVersion)
	p = append(p, 0, 0)
	return binary.LittleEndian.AppendUint64(p, number)
}

// encodeFrame makes a frame without its checksum, which needs the number of the
// file that it goes to. It uses the memory of buf where that is enough. The
// payload is compressed where packed is true: with S2 rather than zstd, which
// takes a third of the time, and the frame is deleted soon.
func encodeFrame(buf []byte, kind byte, payload []byte, packed bool) []byte {
	most := len(payload)
	if packed {
		most = s2.MaxEncodedLen(len(payload))
	}
	if cap(buf) < frameHeader+most {
		buf = make([]byte, frameHeader+most)
	}
	p := buf[:frameHeader]
	clear(p)
	copy(p, frameMagic)
	binary.LittleEndian.PutUint32(p[8:], uint32(len(payload)))
	p[16], p[17] = kind, codecPlain
	if packed {
		p[17] = codecS2
		p = p[:frameHeader+len(s2.Encode(buf[frameHeader:frameHeader+most], payload))]
	}
	if !packed || len(p)-frameHeader >= len(payload) {
		p[17] = codecPlain
		p = append(p[:frameHeader], payload...)
	}
	binary.LittleEndian.PutUint32(p[4:], uint32(len(p)-frameHeader))
	return p
}

func frameSum(p []byte, number uint64) uint32 {
	sum := checksum(number, p[4:12])
	return crc32.Update(sum, castagnoli, p[16:])
}

func sealFrame(p []byte, number uint64) {
	binary.LittleEndian.PutUint32(p[12:], frameSum(p, number))
}

// parseFrame reads the frame at the beginning of p and returns how long it is.
func parseFrame(p []byte, number uint64) (kind byte, payload []byte, length int, err error) {
	if len(p) < frameHeader {
		return 0, nil, 0, errShort
	}
	if string(p[:4]) != frameMagic {
		return 0, nil, 0, errors.New("no frame begins here")
	}
	n := int(binary.LittleEndian.Uint32(p[4:]))
	if n > len(p)-frameHeader {
		return 0, nil, 0, errShort
	}
	length = frameHeader + n
	if frameSum(p[:length], number) != binary.LittleEndian.Uint32(p[12:]) {
		return 0, nil, 0, errCRC
	}
	plain := int(binary.LittleEndian.Uint32(p[8:]))
	payload = p[frameHeader:length:length]
	switch p[17] {
	case codecPlain:
	case codecS2:
		n, err := s2.DecodedLen(payload)
		if err != nil || n != plain || n > maxPlain {
			return 0, nil, length, fmt.Errorf("frame decompresses to %d bytes instead of %d: %w", n, plain, errors.Join(err, s2.ErrCorrupt))
		}
		if payload, err = s2.Decode(nil, payload); err != nil {
			return 0, nil, length, fmt.Errorf("decompressing: %w", err)
		}
	case codecZstd:
		if payload, err = decompress(payload, plain); err != nil {
			return 0, nil, length, err
		}
	default:
		return 0, nil, length, fmt.Errorf("%w: frame has codec %d", errVersion, p[17])
	}
	return p[16], payload, length, nil
}

// frameGap is a part of a journal file in which no frame is whole.
type frameGap struct {
	off, end int
	err      error
}

// scanFrames reads the frames of a whole file and calls fn with each. It goes
// on behind what is damaged, and returns where that is. An error of fn is told
// as a gap too.
func scanFrames(p []byte, number uint64, fn func(kind byte, payload []byte) error) []frameGap {
	var gaps []frameGap
	if want := appendJournalHeader(nil, number); !bytes.Equal(p[:min(len(p), journalHeader)], want[:min(len(p), journalHeader)]) || len(p) < journalHeader {
		gaps = append(gaps, frameGap{0, min(len(p), journalHeader), errors.New("file header is not as it was written")})
	}
	for off := min(journalHeader, len(p)); off < len(p); {
		kind, payload, n, err := parseFrame(p[off:], number)
		if err == nil {
			err = fn(kind, payload)
		}
		if err == nil {
			off += n
			continue
		}
		gap := frameGap{off, len(p), err}
		for at := off + 1; ; at++ {
			i := bytes.Index(p[at:], []byte(frameMagic))
			if i < 0 {
				break
			}
			at += i
			if _, _, _, err := parseFrame(p[at:], number); err == nil {
				gap.end = at
				break
			}
		}
		gaps = append(gaps, gap)
		off = gap.end
	}
	return gaps
}
