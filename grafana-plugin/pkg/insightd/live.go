package insightd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Change is what happened to an insight.
type Change struct {
	// Kind is start, revision, confirmed, end, withdrawn or superseded.
	Kind   string
	Record Record
}

const (
	// leastWait and mostWait bound how long a broken stream is waited for before
	// it is opened again. The daemon may name a wait in between.
	leastWait = time.Second
	mostWait  = 30 * time.Second
	// silence is after how long without a byte a stream counts as broken: the
	// daemon says every 15 seconds that it lives.
	silence = 60 * time.Second
	// maxLine bounds a line of a stream, in bytes.
	maxLine = 4 << 20
)

// Live tells the changes of insights that fit v, in order, until ctx ends or tell
// returns an error. A stream that breaks is opened again where it broke. What
// another try does not change, such as a token that is not known, is an error.
func (c *Client) Live(ctx context.Context, v url.Values, tell func(Change) error) error {
	s := &stream{c: c, v: v, tell: tell, wait: leastWait, floor: leastWait}
	for {
		err := s.read(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errTell), errors.Is(err, ErrUnauthorized), errors.Is(err, ErrForbidden),
			errors.Is(err, ErrBadRequest), errors.Is(err, ErrTooOld), errors.Is(err, ErrNotInsightd):
			return err
		}
		// Half of the wait is chance, so that not all come back at once.
		pause := time.NewTimer(s.wait/2 + rand.N(s.wait/2+1))
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
		s.wait = min(2*s.wait, mostWait)
	}
}

// errTell marks an error of who is told.
var errTell = errors.New("telling a change")

// stream is a stream over its connections.
type stream struct {
	c    *Client
	v    url.Values
	tell func(Change) error
	// last is the id of the newest change that was told.
	last string
	// wait is how long to wait before the next connection, and floor what the
	// daemon asked for at the least.
	wait, floor time.Duration
}

// read opens the stream and reads it until it breaks.
func (s *stream) read(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := s.c.request(ctx, "/api/v1/insights/live", s.v)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		r.Header.Set("Last-Event-ID", s.last)
	}
	res, err := s.c.o.Stream.Do(r)
	if err != nil {
		return s.c.connection(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		env, _ := parse(b, skip)
		ours := env.Status == "success" || env.Status == "error"
		return s.c.refusal(res.StatusCode, env, ours)
	}
	quiet := time.AfterFunc(silence, func() { cancel(errors.New("the stream is silent")) })
	defer quiet.Stop()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	var id, kind string
	var data []byte
	for lines.Scan() {
		quiet.Reset(silence)
		s.wait = s.floor // It works.
		line := lines.Bytes()
		if len(line) == 0 {
			if err := s.dispatch(id, kind, data); err != nil {
				return err
			}
			id, kind, data = "", "", nil
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			kind = string(value)
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "retry":
			if ms, err := strconv.Atoi(string(value)); err == nil {
				s.floor = min(max(time.Duration(ms)*time.Millisecond, leastWait), mostWait)
			}
		}
	}
	return lines.Err()
}

// dispatch tells one change. A block without one may say where the stream begins.
func (s *stream) dispatch(id, kind string, data []byte) error {
	if len(data) > 0 {
		var r Record
		if err := codec.Unmarshal(data, &r); err != nil {
			return &Error{Kind: ErrNotInsightd, Text: fmt.Sprintf("reading a change: %v", err), Hint: hintProduct}
		}
		if err := s.tell(Change{Kind: kind, Record: r}); err != nil {
			return fmt.Errorf("%w: %w", errTell, err)
		}
	}
	if id != "" {
		s.last = id
	}
	return nil
}
