package eventlog

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestSettleMakesWhatCanBeReadAgainDurable(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir})
	require.NoError(t, err)
	ctx := context.Background()
	require.True(t, l.settled())
	at := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	events := func(prefix string, n int) []event.Event {
		var out []event.Event
		for i := range n {
			out = append(out, event.Event{UID: prefix + string(rune('a'+i)), Time: at.Add(time.Duration(i) * time.Second), Provider: "aws", Account: "1", Raw: []byte("{}")})
		}
		return out
	}
	_, err = l.Append(ctx, events("r", 5), Replayable)
	require.NoError(t, err)
	require.False(t, l.settled())
	require.NoError(t, l.Settle(ctx))
	require.True(t, l.settled())
	_, err = l.Append(ctx, events("p", 5), Logged)
	require.NoError(t, err)
	require.True(t, l.settled(), "acknowledged is durable")

	key := event.StreamKey{Provider: "aws", Account: "1"}
	last := l.LastSeq()
	require.Zero(t, l.CountSince(key, time.Time{}, time.Time{}, last))
	require.Equal(t, 10, l.CountSince(key, time.Time{}, time.Time{}, 0))
	require.NoError(t, l.Close())

	l, err = Open(Options{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	require.Zero(t, l.CountSince(key, time.Time{}, time.Time{}, last))
	_, err = l.Append(ctx, events("s", 1), Logged)
	require.NoError(t, err)
	require.Positive(t, l.CountSince(key, time.Time{}, time.Time{}, last))
	require.True(t, l.settled())
}
