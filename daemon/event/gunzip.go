package event

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// gunzipper decompresses gzip (RFC 1952): members one behind the other, each
// with its checksum verified. What is decoded is handed out before more is
// waited for. It is large, and worth keeping: S3 holds CloudTrail in many small
// files.
type gunzipper struct {
	inflater
	src  io.Reader
	err  error
	step gunzipStep
	// taken is up to where out has been handed out.
	taken int
	sum   uint32
	size  uint32
	// members is how many have ended.
	members int
}

type gunzipStep uint8

const (
	gunzipHeader gunzipStep = iota
	gunzipBody
	gunzipTrailer
)

// open begins with the first member in src.
func (g *gunzipper) open(src io.Reader) {
	g.src, g.err, g.step, g.members, g.taken = src, nil, gunzipHeader, 0, 0
	g.ip, g.n, g.bits, g.nbits, g.op = 0, 0, 0, 0, 0
	clear(g.in[:padding])
}

// Read fills p with what is decoded.
func (g *gunzipper) Read(p []byte) (int, error) {
	for g.taken == g.op {
		if g.err != nil {
			return 0, g.err
		}
		g.decode()
	}
	n := copy(p, g.out[g.taken:g.op])
	g.taken += n
	return n, nil
}

// decode goes on by one step, which may bring output, an error or neither.
func (g *gunzipper) decode() {
	g.slide()
	before := g.op
	g.taken = before
	more, err := g.next()
	if g.step == gunzipBody || g.op > before {
		got := g.out[before:g.op]
		g.sum = crc32.Update(g.sum, crc32.IEEETable, got)
		g.size += uint32(len(got))
	}
	if err != nil {
		g.err = err
		return
	}
	if !more || g.op > before {
		return // Whoever waits is served before more is read.
	}
	if err := g.fill(g.src); err != nil {
		if err == io.EOF && (g.step != gunzipHeader || g.n > 0 || g.members == 0) {
			err = io.ErrUnexpectedEOF
		}
		g.err = err
	}
}

// next does what comes next in a member. more says that it lacks input.
func (g *gunzipper) next() (more bool, err error) {
	switch g.step {
	case gunzipHeader:
		n, err := gzipHeader(g.in[g.ip:g.n])
		if err != nil {
			return false, err
		}
		if n == 0 && g.n-g.ip == inSize {
			return false, gzip.ErrHeader // A name of 32 KB.
		}
		if n == 0 {
			return true, nil
		}
		g.ip += n
		g.sum, g.size = 0, 0
		g.reset()
		g.step = gunzipBody
	case gunzipBody:
		if more, err = g.run(); more || err != nil {
			return more, err
		}
		if g.state == inflateDone {
			g.giveBack()
			g.bits, g.nbits = 0, 0 // The rest of the last byte is padding.
			g.step = gunzipTrailer
		}
	case gunzipTrailer:
		if g.n-g.ip < 8 {
			return true, nil
		}
		t := g.in[g.ip : g.ip+8]
		if binary.LittleEndian.Uint32(t) != g.sum || binary.LittleEndian.Uint32(t[4:]) != g.size {
			return false, gzip.ErrChecksum
		}
		g.ip += 8
		g.members++
		g.step = gunzipHeader
	}
	return false, nil
}

// gzipHeader returns how long the header of a member is, and 0 where b does not
// hold all of it.
func gzipHeader(b []byte) (int, error) {
	const fixed = 10
	for i, want := range []byte{0x1f, 0x8b, 8} {
		if i < len(b) && b[i] != want {
			return 0, gzip.ErrHeader
		}
	}
	if len(b) < fixed {
		return 0, nil
	}
	const (
		flagSum = 1 << (iota + 1)
		flagExtra
		flagName
		flagComment
	)
	n, flags := fixed, b[3]
	if flags&flagExtra != 0 {
		if len(b) < n+2 {
			return 0, nil
		}
		if n += 2 + int(binary.LittleEndian.Uint16(b[n:])); len(b) < n {
			return 0, nil
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag == 0 {
			continue
		}
		end := bytes.IndexByte(b[n:], 0)
		if end < 0 {
			return 0, nil
		}
		n += end + 1
	}
	if flags&flagSum != 0 {
		if len(b) < n+2 {
			return 0, nil
		}
		if binary.LittleEndian.Uint16(b[n:]) != uint16(crc32.ChecksumIEEE(b[:n])) {
			return 0, gzip.ErrHeader
		}
		n += 2
	}
	return n, nil
}
