package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// patientBody reads a body from a client that may be slow, but not as slow as it
// likes: of every window of waiting it has to fill a share. A deadline for the
// whole would cut off long uploads over thin lines, and one for each read would
// let a byte a minute hold a place for days. Time that we take ourselves does
// not count.
type patientBody struct {
	io.ReadCloser
	deadline func(time.Time) error
	rate     int64 // Bytes a second.
	window   time.Duration
	// multiplexed says that a deadline ends the body when it passes, as over
	// HTTP/2, and not only what reads then.
	multiplexed bool

	waited time.Duration
	got    int64
	err    error
}

func newPatientBody(w http.ResponseWriter, r *http.Request, l *Limits) *patientBody {
	b := &patientBody{
		ReadCloser: r.Body, deadline: http.NewResponseController(w).SetReadDeadline,
		rate: l.BodyRate, window: l.BodyWindow, multiplexed: r.ProtoMajor > 1,
	}
	// Where nobody reads the body the server does, before it sends the answer.
	_ = b.deadline(time.Now().Add(b.window))
	return b
}

// Read waits for what is left of the window.
func (b *patientBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	begun := time.Now()
	// Writers without deadlines are those of tests.
	_ = b.deadline(begun.Add(b.window - b.waited))
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(begun)
	b.got += int64(n)
	if b.got >= int64(float64(b.rate)*b.window.Seconds()) {
		b.got, b.waited = 0, 0
	}
	switch {
	case err == nil && b.multiplexed:
		_ = b.deadline(time.Time{}) // Our own time does not count.
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &failure{ErrorTimeout, http.StatusRequestTimeout, fmt.Sprintf(
			"the body comes too slowly: %d bytes in %s of waiting, where web.limits.min_body_rate asks for %d a second; send it in parts",
			b.got, b.window, b.rate), nil}
	default:
		// What the server reads from now on is for it to bound.
		_ = b.deadline(time.Time{})
	}
	b.err = err
	return n, err
}
