package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestStreamToItsEnd(t *testing.T) {
	in := append(lines(0, 2500), "what?\n"...)
	in = append(in, lines(2500, 3000)...)
	for _, b := range [][]byte{in, gzipped(t, in)} {
		sink := newRecorder()
		s := NewStream(StreamOptions{Reader: bytes.NewReader(b), BatchEvents: 100})
		require.Equal(t, "standard input", s.Name())
		require.NoError(t, s.Run(t.Context(), sink))
		require.True(t, sink.has(3000))
		require.Equal(t, 3000, sink.durable)
		require.Len(t, sink.failures, 1)
		require.Equal(t, 2501, sink.failures[0].Record)
		st := s.Status()
		require.True(t, st.AtEnd)
		require.EqualValues(t, 3000, st.Events)
		require.EqualValues(t, 1, st.Failures)
		require.EqualValues(t, len(b), st.Bytes)
		require.Equal(t, 1, st.FilesDone)
		require.Empty(t, st.Err)
	}
}

func TestStreamThatBreaks(t *testing.T) {
	sink := newRecorder()
	in := io.MultiReader(bytes.NewReader(lines(0, 5)), errReader{errors.New("the wire is cut")})
	s := NewStream(StreamOptions{Name: "in", Reader: in})
	require.NoError(t, s.Run(t.Context(), sink))
	require.True(t, sink.has(5))
	require.Equal(t, 5, sink.durable)
	require.Len(t, sink.failures, 1)
	require.ErrorContains(t, sink.failures[0].Err, "the wire is cut")
	require.Contains(t, s.Status().Err, "the wire is cut")
	require.True(t, s.Status().AtEnd)
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// An event that comes alone is delivered and made durable at once, while the
// stream goes on.
func TestStreamGoesOn(t *testing.T) {
	var now atomic.Int64
	now.Store(t0.Unix())
	r, w := io.Pipe()
	sink := newRecorder()
	s := NewStream(StreamOptions{Reader: r, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), sink) }()

	_, err := w.Write(lines(0, 1))
	require.NoError(t, err)
	eventually(t, func() bool { return sink.has(1) && s.Status().Events == 1 }, "delivered")
	eventually(t, func() bool { sink.mtx.Lock(); defer sink.mtx.Unlock(); return sink.durable == 1 }, "durable")
	st := s.Status()
	require.False(t, st.AtEnd)
	require.Equal(t, t0, st.Frontier)
	now.Add(60)
	st = s.Status()
	require.True(t, st.AtEnd, "nothing came for a minute")
	require.Zero(t, st.Frontier)
	require.NoError(t, w.Close())
	require.NoError(t, <-done)
}

func TestStreamIsStopped(t *testing.T) {
	r, w := io.Pipe()
	sink := newRecorder()
	s := NewStream(StreamOptions{Reader: r})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	_, err := w.Write(lines(0, 1))
	require.NoError(t, err)
	eventually(t, func() bool { return sink.has(1) }, "delivered")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, r.Close()) // The reader under way ends with its input.
}

// held is a sink that delivers once its gate is open, and only to who still waits, as
// the log does.
type held struct {
	*recorder
	came, gate chan struct{}
}

func (h held) Deliver(ctx context.Context, name string, events []event.Event) error {
	select {
	case h.came <- struct{}{}:
	default:
	}
	<-h.gate
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.recorder.Deliver(ctx, name, events)
}

// TestStreamThatIsStoppedDeliversWhatWasRead stops one of which a part is being
// delivered and another waits: neither can be read again.
func TestStreamThatIsStoppedDeliversWhatWasRead(t *testing.T) {
	r, w := io.Pipe()
	sink := held{newRecorder(), make(chan struct{}, 1), make(chan struct{})}
	s := NewStream(StreamOptions{Reader: r, Retry: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, sink) }()
	_, err := w.Write(lines(0, 900))
	require.NoError(t, err)
	<-sink.came
	eventually(t, func() bool {
		s.mtx.Lock()
		defer s.mtx.Unlock()
		return s.taken+len(s.pending.events) == 900
	}, "read")
	cancel()
	close(sink.gate)
	require.ErrorIs(t, <-done, context.Canceled)
	require.True(t, sink.has(900))
	require.Equal(t, 900, sink.durable)
	require.NoError(t, r.Close())
}

func TestStreamAndASinkThatFails(t *testing.T) {
	run := func(retry bool) (*recorder, *Stream, error) {
		sink := newRecorder()
		left := 1
		sink.refuse = func() error {
			if left--; left >= 0 {
				return errors.New("no space left")
			}
			return nil
		}
		s := NewStream(StreamOptions{Reader: bytes.NewReader(lines(0, 3000)), Retry: retry})
		return sink, s, s.Run(t.Context(), sink)
	}
	_, _, err := run(false)
	require.ErrorContains(t, err, "no space left")
	sink, s, err := run(true)
	require.NoError(t, err)
	require.True(t, sink.has(3000))
	require.Empty(t, s.Status().Err)
}

func TestStreamOptionsAreTold(t *testing.T) {
	sink := newRecorder()
	s := NewStream(StreamOptions{Reader: strings.NewReader(""), Provider: "asw"})
	require.NoError(t, s.Run(t.Context(), sink))
	require.Len(t, sink.failures, 1)
	require.ErrorContains(t, sink.failures[0].Err, `unknown provider "asw"`)
}
