package source

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"
)

// The pauses between looks at a path or a file that cannot be read double from
// the least to the most. A poll interval below the least is used in its place.
const (
	leastLook = time.Second
	mostLook  = time.Minute
)

// pauses are pauses that double, each shortened by chance by up to a half: many
// sources that lost the same disk do not come back to it in the same instant.
type pauses struct {
	least, most time.Duration
	n           int
}

// next is how long to wait before the next try.
func (p *pauses) next() time.Duration {
	d := p.most
	if p.n < 20 { // More doublings are beyond any most.
		d = min(p.least<<p.n, p.most)
		p.n++
	}
	return d/2 + rand.N(d/2+1)
}

func (p *pauses) reset() { p.n = 0 }

// retry is when a file that cannot be read is tried again.
type retry struct {
	pauses
	at   time.Time
	stat stat // As it was found when it could not be read.
}

// hintedError is an error that knows what to do about it.
type hintedError struct{ text, hint string }

func (e *hintedError) Error() string { return withHint(e.text, e.hint) }

// hintOf says what to do about an error, empty where nobody knows.
func hintOf(err error) string {
	if e, ok := errors.AsType[*hintedError](err); ok {
		return e.hint
	}
	var sys syscall.Errno
	errors.As(err, &sys)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrPermission), sys == syscall.EROFS:
		return "let the user that insightd runs as read the path, and write to its own storage"
	case errors.Is(err, fs.ErrNotExist):
		return "make the path, mount what holds it, or correct the source's path"
	case sys == syscall.ENOTDIR, sys == syscall.EISDIR, sys == syscall.ELOOP, sys == syscall.ENAMETOOLONG:
		return "correct the source's path"
	case sys == syscall.ENOSPC, sys == syscall.EDQUOT:
		return "free space for --storage.path, or lower storage.events.max_size or storage.events.retention"
	case sys == syscall.EIO, sys == syscall.ESTALE, sys == syscall.ETIMEDOUT, sys == syscall.ENOTCONN, sys == syscall.ENXIO, sys == syscall.ENODEV:
		return "look after the disk or the network file system; the kernel's log says more"
	case sys == syscall.EMFILE, sys == syscall.ENFILE:
		return "raise the limit of open files (ulimit -n, LimitNOFILE)"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return "the file is damaged or was cut off: fetch it again"
	}
	return ""
}

// withHint says what is wrong and what to do about it.
func withHint(text, hint string) string {
	if hint == "" || strings.HasSuffix(text, hint) {
		return text
	}
	return text + "; " + hint
}

// finish fills in what follows from the rest of a status. since is kept by the
// source: since when it fails.
func (s *Status) finish(now time.Time, since *time.Time) {
	switch {
	case s.Err == "":
		*since = time.Time{}
	case since.IsZero():
		*since = now // Somebody looks every second.
	}
	s.FailingSince = *since
	if from := s.behind(); !s.AtEnd && !from.IsZero() {
		s.LagSeconds = max(0, now.Sub(from).Seconds())
	}
}
