package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// StreamOptions say what a Stream reads.
type StreamOptions struct {
	// Name is under which logs and metrics know the source. "standard input"
	// where it is empty.
	Name   string
	Reader io.Reader
	// Provider is whose records they are. Empty detects it for each record.
	Provider string
	// Account is the account of records that name none.
	Account string
	// BatchEvents is how many events are delivered at once, at most. 0 stands
	// for 1000.
	BatchEvents int
	// Retry has Run wait for a sink that fails, rather than return its error.
	Retry bool

	Now    func() time.Time
	Logger *slog.Logger
}

func (o *StreamOptions) setDefaults() {
	o.Name = cmp.Or(o.Name, "standard input")
	o.BatchEvents = cmp.Or(o.BatchEvents, defaultBatchEvents)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("source", o.Name)
}

// Stream reads what comes once and cannot be read again, such as standard
// input. Events are delivered as soon as they are there, in batches as large
// as have come while the last one was on its way.
type Stream struct {
	o      StreamOptions
	tally  tally
	insist insister

	mtx sync.Mutex
	// room is told when pending has been taken, and when closed is set.
	room    sync.Cond
	pending batch
	// closed says that nobody takes pending any more.
	closed bool
	// taken is how many events are on their way to the sink.
	taken int
	ended bool
	begun time.Time
	err   error
	// failing is since when Status has an Err.
	failing time.Time
}

// NewStream returns a source that has not begun to read.
func NewStream(o StreamOptions) *Stream {
	o.setDefaults()
	s := &Stream{o: o, tally: tally{now: o.Now}, insist: insister{logger: o.Logger, once: !o.Retry}}
	s.room.L = &s.mtx
	return s
}

// Name is the source's name.
func (s *Stream) Name() string { return s.o.Name }

// idleAfter is after how long without an event the clock passes a stream over.
const idleAfter = time.Minute

// Status says how far the source is. A stream is at its end when it has ended,
// and while nothing has come for a minute: nobody knows whether more will.
func (s *Stream) Status() Status {
	st := Status{Name: s.o.Name, Kind: kindStream, Files: 1}
	s.tally.status(&st)
	s.mtx.Lock()
	defer s.mtx.Unlock()
	st.Err, st.Hint = s.insist.err()
	if s.err != nil {
		st.Hint = hintOf(s.err)
		st.Err = withHint(s.err.Error(), st.Hint)
	}
	st.Retries = s.insist.tries.Load()
	quiet := st.LastRead
	if quiet.IsZero() {
		quiet = s.begun
	}
	idle := !quiet.IsZero() && s.o.Now().Sub(quiet) >= idleAfter
	st.AtEnd = (s.ended || idle) && s.taken == 0 && len(s.pending.events) == 0
	if s.ended {
		st.FilesDone = 1
	} else {
		st.Backlog = 1
	}
	if !st.AtEnd {
		st.Frontier = st.LastEvent
	}
	st.finish(s.o.Now(), &s.failing)
	return st
}

// Run reads to the end of the stream. Where ctx is done before, what was read by then is
// delivered still, since it cannot be read again, for as long as a last commit may take.
// A Read that is under way goes on until something comes, and what it reads is lost.
func (s *Stream) Run(ctx context.Context, sink Sink) error {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastCommit, cancel) })()
	var (
		ready = make(chan struct{}, 1)
		ended = make(chan error, 1)
	)
	s.mtx.Lock()
	s.begun = s.o.Now()
	s.mtx.Unlock()
	go func() { ended <- s.read(sink, ready) }()
	defer func() {
		s.mtx.Lock()
		defer s.mtx.Unlock()
		s.closed = true
		s.room.Broadcast()
	}()

	// What was delivered is made durable within a second.
	var (
		due    <-chan time.Time
		cannot error
	)
	for open := true; open; {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.take(last, sink), s.flush(last, sink))
		case cannot = <-ended:
			open = false
		case <-due:
			due = nil
			if err := s.flush(last, sink); err != nil {
				return err
			}
			continue
		case <-ready:
		}
		if err := s.take(last, sink); err != nil {
			return err
		}
		if due == nil && open {
			due = time.After(commitEvery)
		}
	}
	if cannot != nil {
		s.tally.failed()
		sink.Failed(s.o.Name, event.RecordError{Name: s.o.Name, Err: cannot})
	}
	if err := s.flush(last, sink); err != nil {
		return err
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.ended, s.err = true, cannot
	return nil
}

func (s *Stream) flush(ctx context.Context, sink Sink) error {
	err := s.insist.insist(ctx, "making events durable", func() error { return sink.Flush(ctx) })
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("making the events of %s durable: %w", s.o.Name, err)
	}
	return err
}

// take delivers what has come.
func (s *Stream) take(ctx context.Context, sink Sink) error {
	s.mtx.Lock()
	b := s.pending
	s.pending = batch{}
	s.taken = len(b.events)
	s.room.Broadcast()
	s.mtx.Unlock()

	err := b.deliver(ctx, &s.insist, &s.tally, sink, s.o.Name)
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.taken = 0
	if err == nil && len(s.pending.events) == 0 {
		s.pending = b // Its memory is used again.
	}
	return err
}

// read puts events into pending until the stream ends. The error says that its
// rest cannot be read.
func (s *Stream) read(sink Sink, ready chan<- struct{}) error {
	in := &streamReader{r: s.o.Reader, t: &s.tally}
	r := event.NewReader(in, event.ReaderOptions{Provider: s.o.Provider, Account: s.o.Account})
	for {
		var e event.Event
		err := r.Next(&e)
		var bad *event.RecordError
		switch {
		case errors.As(err, &bad):
			bad.Name = s.o.Name
			s.tally.failed()
			sink.Failed(s.o.Name, *bad)
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		e.Received = s.o.Now().UTC()
		if !s.put(&e) {
			return nil
		}
		select {
		case ready <- struct{}{}:
		default:
		}
	}
}

// put waits for room, and reports false where nobody takes events any more.
func (s *Stream) put(e *event.Event) bool {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	for s.pending.full(s.o.BatchEvents) && !s.closed {
		s.room.Wait()
	}
	if s.closed {
		return false
	}
	*s.pending.next() = *e
	s.pending.keep()
	return true
}

type streamReader struct {
	r io.Reader
	t *tally
}

func (s *streamReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.t.read(n)
	return n, err
}
