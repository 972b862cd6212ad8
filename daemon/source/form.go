package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
)

// plan says which part of a file is to be read, and how.
type plan struct {
	stat
	// start and end bound what is read. end is beyond the file where it is
	// read as a whole, to wherever it ends by then.
	start, end int64
	// records is how many records stand before start.
	records int
	// newest is the newest event time before start, in Unix nanoseconds.
	newest  int64
	lines   bool
	headLen int
	head    uint64
}

// headSize is how much of the start of a file tells it from another.
const headSize = 4 << 10

// maxTail is the longest incomplete line that is waited for.
const maxTail = 16 << 20

// wholeFile is an end that is beyond every file.
const wholeFile = math.MaxInt64

// newPlan looks at an open file, of which known says whether from is known. A
// file that has grown is read on from where it was left; one that is cut or is
// another one under the same name is read from the start.
func newPlan(fd *os.File, st stat, from entry, known, follow bool) (plan, error) {
	p := plan{stat: st, end: wholeFile}
	head, err := readHead(fd, int(min(headSize, st.size)))
	if err != nil {
		return p, err
	}
	// The head grows with the file until it is full.
	p.headLen, p.head = len(head), xxhash.Sum64(head)
	if known && from.lines && from.offset > 0 && from.offset <= st.size &&
		from.dev == st.dev && from.ino == st.ino &&
		from.headLen <= len(head) && xxhash.Sum64(head[:from.headLen]) == from.head {
		p.lines = true
		p.start, p.records, p.newest = from.offset, from.records, from.newest
		return p, p.bound(fd, follow)
	}
	if p.lines, err = isLines(fd, head, st.size); err != nil {
		return p, err
	}
	return p, p.bound(fd, follow)
}

// bound sets the end of what is read of a file of lines: behind the last line
// that is complete, since somebody may be writing the rest. A file that is not
// followed is read to its end, whatever is there.
func (p *plan) bound(fd io.ReaderAt, follow bool) error {
	if !p.lines {
		return nil
	}
	p.end = p.size
	if !follow {
		return nil
	}
	tail, err := lastLine(fd, p.start, p.size)
	if err != nil || p.size-tail > maxTail {
		return err
	}
	b := make([]byte, p.size-tail)
	if _, err := fd.ReadAt(b, tail); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if b = bytes.TrimSpace(b); len(b) > 0 && !json.Valid(b) {
		p.end = tail
	}
	return nil
}

func readHead(fd io.ReaderAt, n int) ([]byte, error) {
	b := make([]byte, n)
	n, err := fd.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// isLines decides from the start of a file whether each of its lines stands on
// its own, so that the file can be read on from a line. gzip, JSON lists and
// objects over several lines are read as a whole.
func isLines(fd io.ReaderAt, head []byte, size int64) (bool, error) {
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		return false, nil
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(text) == 0 {
		return int64(len(head)) == size, nil
	}
	if text[0] != '{' {
		return text[0] != '[', nil
	}
	// The first line, from the object's brace on.
	last := text[0]
	in := io.MultiReader(bytes.NewReader(text), io.NewSectionReader(fd, int64(len(head)), max(0, min(size, maxTail)-int64(len(head)))))
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		b, _, whole := bytes.Cut(buf[:n], []byte("\n"))
		if b = bytes.TrimRight(b, " \t\r"); len(b) > 0 {
			last = b[len(b)-1]
		}
		switch {
		case whole:
			return last == '}', nil
		case errors.Is(err, io.EOF):
			// One line without an end: it may be being written.
			return size <= maxTail, nil
		case err != nil:
			return false, err
		}
	}
}

// lastLine is where the last line between start and end begins, which may be
// empty.
func lastLine(fd io.ReaderAt, start, end int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for at := end; at > start; {
		n := min(int64(len(buf)), at-start)
		at -= n
		m, err := fd.ReadAt(buf[:n], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:m], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
	}
	return start, nil
}

// unixTime is the time of Unix nanoseconds, the zero time for 0.
func unixTime(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
