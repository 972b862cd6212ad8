package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
)

// listener reads a stream of events.
type listener struct {
	t   *testing.T
	res *http.Response
	r   *bufio.Reader
}

func (w *world) listen(path, last string) *listener {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+path, nil)
	require.NoError(w.t, err)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := w.server.Client().Do(req)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { res.Body.Close() })
	require.Equal(w.t, http.StatusOK, res.StatusCode)
	require.Equal(w.t, "text/event-stream", res.Header.Get("Content-Type"))
	l := &listener{w.t, res, bufio.NewReader(res.Body)}
	return l
}

// next returns the lines of the next block.
func (l *listener) next() []string {
	l.t.Helper()
	var out []string
	for {
		line, err := l.r.ReadString('\n')
		require.NoError(l.t, err)
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return out
		}
		out = append(out, line)
	}
}

// event returns the next event, with its id.
func (l *listener) event() (id, kind string, r insight.Record) {
	l.t.Helper()
	b := l.next()
	require.Len(l.t, b, 3)
	require.NoError(l.t, json.Unmarshal([]byte(strings.TrimPrefix(b[2], "data: ")), &r))
	return strings.TrimPrefix(b[0], "id: "), strings.TrimPrefix(b[1], "event: "), r
}

func TestLive(t *testing.T) {
	w := newWorld(t, nil)
	l := w.listen("/api/v1/insights/live", "")
	require.Equal(t, []string{"retry: 5000", fmt.Sprint("id: ", w.insights.LastChange()), ": insightd"}, l.next())
	calls := w.listen("/api/v1/insights/live?type=ApiCallRateInsight&min_confidence=0.5", "")
	calls.next()

	failures, _ := w.insights.Get(w.ids["failures"])
	failures.Confidence = 0.7
	in, _ := w.insights.Get(w.ids["calls"])
	put := func(i insight.Insight) {
		changed, err := w.insights.Put(i)
		require.NoError(t, err)
		require.True(t, changed)
	}
	put(failures)
	in.Confidence = 0.94
	put(in)
	in.State, in.End = insight.StateEnd, in.Start.Add(time.Minute)
	put(in)
	in.State = insight.StateWithdrawn
	put(in)
	in.ID, in.State, in.Revision = "new", insight.StateStart, 0
	put(in)

	var ids []string
	for _, want := range []string{"revision", "revision", "end", "withdrawn", "start"} {
		id, kind, r := l.event()
		require.Equal(t, want, kind)
		require.NotEmpty(t, r.EventID)
		ids = append(ids, id)
	}
	for _, want := range []string{"revision", "end", "withdrawn", "start"} {
		_, kind, r := calls.event()
		require.Equal(t, want, kind)
		require.Equal(t, insight.TypeAPICallRate, r.InsightDetails.InsightType)
	}

	// What was told on arrival is confirmed, or gives place to another; history
	// is told only to whom asks for it.
	all := w.listen("/api/v1/insights/live?quiet=true", "")
	all.next()
	account, _ := w.insights.Get(w.ids["account"])
	account.Provisional = false
	put(account)
	history := in
	history.ID, history.State, history.Start = "history", insight.StateEnd, in.Start.Add(-24*time.Hour)
	history.End, history.Detected = history.Start.Add(time.Minute), history.Start
	put(history)
	account.State, account.SupersededBy = insight.StateWithdrawn, w.ids["calls"]
	put(account)
	for _, want := range []string{"confirmed", "superseded"} {
		_, kind, _ := l.event()
		require.Equal(t, want, kind)
	}
	for _, want := range []string{"confirmed", "start", "end", "superseded"} {
		_, kind, _ := all.event()
		require.Equal(t, want, kind)
	}

	// Who comes back gets what he has missed.
	again := w.listen("/api/v1/insights/live", ids[2])
	again.next()
	for n, want := range []string{"withdrawn", "start", "confirmed", "superseded"} {
		id, kind, _ := again.event()
		require.Equal(t, want, kind)
		if n < 2 {
			require.Equal(t, ids[3+n], id)
		}
	}
	old := w.listen("/api/v1/insights/live?last_event_id=1", "")
	require.Contains(t, old.next(), ": missed")

	code, a := w.ask("/api/v1/insights/live?last_event_id=x")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, a.Error, `invalid parameter "last_event_id"`)

	// Close ends the streams, or a server would wait for them.
	w.api.Close()
	_, err := l.r.ReadString('\n')
	require.Error(t, err)
}

// TestWhoWasToldNothingMissesNothing comes back with the id of the first block.
func TestWhoWasToldNothingMissesNothing(t *testing.T) {
	w := newWorld(t, nil)
	first := w.listen("/api/v1/insights/live", "").next()
	calls, _ := w.insights.Get(w.ids["calls"])
	calls.Confidence = 0.94
	_, err := w.insights.Put(calls)
	require.NoError(t, err)
	again := w.listen("/api/v1/insights/live", strings.TrimPrefix(first[1], "id: "))
	again.next()
	_, kind, _ := again.event()
	require.Equal(t, "revision", kind)
}

// TestLiveOutlastsItsDeadlines listens for longer than a client may take to read,
// and than the server lets others write.
func TestLiveOutlastsItsDeadlines(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		w := newWorld(t, func(o *Options) {
			o.Limits.Heartbeat, o.Limits.StreamWrite = 100*time.Millisecond, 50*time.Millisecond
		})
		w.overTLS(http2, 120*time.Millisecond)
		l := w.listen("/api/v1/insights/live", "")
		require.Equal(t, http2, l.res.ProtoMajor == 2)
		l.next()
		for range 3 {
			require.Equal(t, []string{": heartbeat"}, l.next())
		}
		w.api.Close()
	}
}

func TestLiveHeartbeatAndLimit(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Limits.Heartbeat = 10 * time.Millisecond
		o.Limits.Watchers = 1
	})
	l := w.listen("/api/v1/insights/live", "")
	l.next()
	require.Equal(t, []string{": heartbeat"}, l.next())
	require.Equal(t, []string{": heartbeat"}, l.next())
	code, a := w.ask("/api/v1/insights/live")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, a.Error, "1 streams are open, which is the limit")
}
