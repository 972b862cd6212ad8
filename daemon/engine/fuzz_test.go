package engine

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
)

// FuzzState reads what is not a stream's state: it must be refused, or make a
// stream that can be written and read again.
func FuzzState(f *testing.F) {
	log, err := eventlog.Open(eventlog.Options{Dir: f.TempDir(), NoSync: true})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, log.Close()) })
	store, err := insight.Open(insight.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, store.Close()) })
	o := Options{Log: log, Insights: store, Settings: Settings{Lateness: time.Hour, WarmUp: time.Hour, BudgetPerDay: 5}}
	e, err := New(o)
	require.NoError(f, err)
	add := func(events []event.Event, to time.Duration) {
		_, err := log.Append(context.Background(), events, eventlog.Replayable)
		require.NoError(f, err)
		e.Arrived("", events)
		require.NoError(f, e.move(context.Background(), func(*stream) (time.Time, bool) { return epoch.Add(to), true }))
		var b bytes.Buffer
		require.NoError(f, e.list()[0].encode(&b, []pushed{{"client", epoch}}))
		f.Add(b.Bytes())
	}
	add([]event.Event{call("a", epoch, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)}, time.Hour)
	add(burst("x", epoch.Add(2*time.Hour), 5*time.Minute, 200, "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeError), 2*time.Hour+4*time.Minute)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, pushes, err := decode(bytes.NewReader(b), &e.o)
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		require.NoError(t, s.encode(&first, pushes))
		again, pushes, err := decode(bytes.NewReader(first.Bytes()), &e.o)
		require.NoError(t, err)
		require.NoError(t, again.encode(&second, pushes))
		require.Equal(t, first.Bytes(), second.Bytes())
	})
}
