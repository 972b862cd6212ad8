package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// liveRetry is after how long a client should come back.
const liveRetry = 5 * time.Second

// live streams what happens to insights as server-sent events: start, revision,
// confirmed, end, withdrawn and superseded, each with the record of the new
// state. What is history by the time it is found is left out, unless quiet=true
// asks for it. A client that comes back with Last-Event-ID gets what it has
// missed, as far as that is kept; where it is not, the comment "missed" says so.
// The first block has an id, so that who was told nothing misses nothing either.
// Filters are those for insights.
func (a *API) live(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, a: a, ctx: r.Context(), asked: map[string]bool{}}
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, badData("reading the parameters: %v", err))
		return
	}
	iq, quiet := insightQuery(q), q.flag("quiet")
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = q.text("last_event_id")
	}
	var after uint64
	if last != "" {
		var err error
		if after, err = strconv.ParseUint(last, 10, 64); err != nil {
			q.invalid("last_event_id", fmt.Errorf("%q is not the id of an event of this stream", last))
		}
	}
	if q.wrong != nil {
		a.fail(w, r, q.wrong)
		return
	}
	select {
	case a.watchers <- struct{}{}:
		defer func() { <-a.watchers }()
	default:
		a.fail(w, r, unavailable("%d streams are open, which is the limit; try again", cap(a.watchers)))
		return
	}
	a.metrics.streams.Inc()
	defer a.metrics.streams.Dec()

	s := &stream{w: w, rc: http.NewResponseController(w), write: a.o.Limits.StreamWrite, quiet: quiet}
	if after == 0 {
		after = a.o.Insights.LastChange()
	}
	changes, past, complete := a.o.Insights.Watch(r.Context(), after)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	fmt.Fprintf(&s.b, "retry: %d\nid: %d\n: insightd\n", liveRetry.Milliseconds(), after)
	if !complete {
		s.b.WriteString(": missed\n")
	}
	s.b.WriteString("\n")
	for n := range past {
		a.tell(s, &iq, &past[n])
	}
	if s.flush() != nil {
		return
	}
	heartbeat := time.NewTicker(a.o.Limits.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case c, ok := <-changes:
			if !ok {
				return // It ended, or we were too slow: the client comes back.
			}
			a.tell(s, &iq, &c)
		case <-heartbeat.C:
			s.b.WriteString(": heartbeat\n\n")
		case <-a.done:
			return
		case <-r.Context().Done():
			return
		}
		if s.flush() != nil {
			return
		}
	}
}

// tell writes a change, if it is one that was asked for.
func (a *API) tell(s *stream, iq *insight.Query, c *insight.Change) {
	if c.Quiet && !s.quiet || !iq.Matches(&c.Insight) {
		return
	}
	b, err := json.Marshal(a.linked(c.Record()))
	if err != nil {
		a.o.Logger.Error("Writing an insight as JSON", "id", c.Insight.ID, "err", err)
		return
	}
	fmt.Fprintf(&s.b, "id: %d\nevent: %s\ndata: %s\n\n", c.Seq, c.Kind, b)
}

// stream is an open stream of events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	b  bytes.Buffer
	// write is how long the client may take to read what it is sent.
	write time.Duration
	// quiet asks for history, too.
	quiet bool
}

// flush sends what was written. A client that does not read is given up.
func (s *stream) flush() error {
	if s.b.Len() == 0 {
		return nil
	}
	// A writer without deadlines is one of a test.
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.write))
	_, err := s.w.Write(s.b.Bytes())
	s.b.Reset()
	if err != nil {
		return err
	}
	err = s.rc.Flush()
	// HTTP/2 resets a stream at its deadline, whether anything is written or not.
	_ = s.rc.SetWriteDeadline(time.Time{})
	return err
}
