package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// TestMend loses the insights of two streams: each stream is made anew, one after the
// other, and what was found is there again.
func TestMend(t *testing.T) {
	now := epoch.Add(10 * 24 * time.Hour)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	events := append(office(9), attacks()...)
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	l.deliver(t, events)
	for i := range events {
		events[i].Account = "222222222222"
		events[i].UID += "-2"
	}
	l.deliver(t, events)
	l.tick(t)
	want := l.finals(t)
	require.NotEmpty(t, want)

	require.NoError(t, l.store.Reset())
	require.Empty(t, l.finals(t))
	done := 0
	l.engine.Mend("the journal lost something", func() { done++ })
	c, err := l.engine.Coverage(t.Context())
	require.NoError(t, err)
	require.Len(t, c.Streams, 2)
	for _, s := range c.Streams {
		require.True(t, s.Rebuilding)
		require.Equal(t, "the journal lost something", s.RebuildReason)
	}
	for rounds := 0; done == 0; rounds++ {
		require.Less(t, rounds, 6)
		l.tick(t)
		made := 0
		for _, s := range l.engine.list() {
			if s.shadow != nil {
				made++
			}
		}
		require.LessOrEqual(t, made, 1, "one after the other")
		l.engine.shadows.Wait()
	}
	require.Equal(t, want, l.finals(t))
	l.settle(t)
	require.Equal(t, 1, done, "and is told once")
}
