package event

import (
	"io"
	"sync"
)

const (
	firstSlab = 16 << 10
	fullSlab  = 256 << 10
	// minRead is the least room at the end of a slab that is worth a read.
	minRead = 4 << 10
)

// input reads a stream into slabs. What has been read stays where it is for as
// long as anybody points to it: a slab that is full is left to its events, and
// only its unread end is copied into the next one.
type input struct {
	src io.Reader
	// buf is what has been read of the current slab; buf[pos:] is unread.
	buf []byte
	pos int
	// base is the offset of buf[0] in the decompressed stream.
	base int64
	// err is what ended the stream, io.EOF at its proper end.
	err     error
	started bool
	unzip   *gunzipper
}

// offset is the place of the unread part in the decompressed stream.
func (in *input) offset() int64 { return in.base + int64(in.pos) }

// held is how many bytes are read and not used.
func (in *input) held() int { return len(in.buf) - in.pos }

// fill reads once more. It reports false at the end of the stream. Indices
// into buf are void afterwards; indices into buf[pos:] still hold.
func (in *input) fill() bool {
	if !in.started {
		in.started = true
		return in.start()
	}
	return in.read()
}

// more fills until there is twice as much to look at, or a slab more. It reports
// false where there is nothing more. Looking at the same text again after each
// call costs its length a few times, however small the pieces are that it comes
// in.
func (in *input) more() (got bool) {
	for want := in.held() + min(max(in.held(), 1), fullSlab); in.held() < want && in.fill(); {
		got = true
	}
	return got
}

// start looks at the first bytes: gzip is unpacked, and a byte-order mark is
// stepped over.
func (in *input) start() bool {
	for in.held() < 3 && in.read() {
	}
	if b := in.buf; len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b {
		in.unzip = gunzippers.Get().(*gunzipper)
		in.unzip.open(&rest{head: b, src: in.src, err: in.err})
		in.src, in.buf, in.err = in.unzip, nil, nil
		for in.held() < 3 && in.read() {
		}
	}
	if b := in.buf; len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf {
		in.pos = 3
	}
	return in.held() > 0 || in.read()
}

func (in *input) read() bool {
	if in.err != nil {
		return false
	}
	if cap(in.buf)-len(in.buf) < minRead {
		in.grow()
	}
	for range 100 {
		n, err := in.src.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf = in.buf[:len(in.buf)+n]
		if err != nil {
			in.stop(err)
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	in.stop(io.ErrNoProgress)
	return false
}

// grow begins a new slab with the unread end of the old one.
func (in *input) grow() {
	size := min(max(2*cap(in.buf), firstSlab), fullSlab)
	if held := in.held(); 2*held > size {
		size = 2*held + minRead
	}
	slab := make([]byte, in.held(), size)
	copy(slab, in.buf[in.pos:])
	in.base += int64(in.pos)
	in.buf, in.pos = slab, 0
}

// private begins a slab that is the caller's alone, and drops what is unread.
func (in *input) private() {
	in.base += int64(len(in.buf))
	in.buf, in.pos = make([]byte, 0, fullSlab), 0
}

// forget drops what is read, and reuses its memory. It may be called where
// nobody has seen it: after private.
func (in *input) forget() {
	in.base += int64(len(in.buf))
	in.buf, in.pos = in.buf[:0], 0
}

func (in *input) stop(err error) {
	in.err = err
	if in.unzip != nil {
		in.unzip.src = nil
		gunzippers.Put(in.unzip)
		in.unzip = nil
	}
	in.src = nil
}

var gunzippers = sync.Pool{New: func() any { return new(gunzipper) }}

// rest gives bytes that were read already, and then the rest of the stream,
// which may have ended.
type rest struct {
	head []byte
	src  io.Reader
	err  error
}

func (r *rest) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.src.Read(p)
}
