package insight

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestWatch(t *testing.T) {
	s := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ch, past, complete := s.Watch(ctx, 0)
	require.Empty(t, past)
	require.True(t, complete)

	i := sample(0)
	put(t, s, i)
	i.Confidence = 0.5
	put(t, s, i, ended(i, time.Minute))
	i.State = StateWithdrawn
	put(t, s, i)
	both := ended(sample(1), time.Minute)
	put(t, s, both)

	var seqs []uint64
	for _, want := range []struct {
		kind  Kind
		state State
		rev   int
	}{
		{KindStart, StateStart, 0},
		{KindRevision, StateStart, 1},
		{KindEnd, StateEnd, 1},
		{KindWithdrawn, StateWithdrawn, 2},
		{KindStart, StateStart, 0},
		{KindEnd, StateEnd, 0},
	} {
		c := <-ch
		r := c.Record()
		require.Equal(t, want.kind, c.Kind)
		require.Equal(t, want.state, r.InsightDetails.State)
		require.Equal(t, want.rev, r.InsightDetails.Revision)
		seqs = append(seqs, c.Seq)
	}
	require.IsIncreasing(t, seqs)
	require.Equal(t, seqs[5], s.LastChange())
	cancel()
	_, ok := <-ch
	require.False(t, ok, "it is closed when its context ends")

	_, past, complete = s.Watch(t.Context(), seqs[3])
	require.True(t, complete)
	require.Len(t, past, 2)
	require.Equal(t, seqs[4], past[0].Seq)
	_, past, complete = s.Watch(t.Context(), 1)
	require.False(t, complete, "of another process")
	require.Len(t, past, 6)
}

func TestWatchSlow(t *testing.T) {
	s := open(t, nil)
	ch, _, _ := s.Watch(t.Context(), 0)
	for n := range feedBuffer + 10 {
		put(t, s, sample(n))
	}
	n := 0
	for range ch {
		n++
	}
	require.Equal(t, feedBuffer, n)
	require.Equal(t, 1.0, testutil.ToFloat64(s.metrics.dropped))
	require.Zero(t, s.feed.count())
}

func TestWatchHistory(t *testing.T) {
	s := open(t, nil)
	_, _, _ = s.Watch(t.Context(), 0)
	first := s.feed.seq + 1
	for n := range 3 * feedHistory {
		put(t, s, sample(n))
	}
	_, past, complete := s.Watch(t.Context(), first)
	require.False(t, complete)
	require.GreaterOrEqual(t, len(past), feedHistory)
	require.Equal(t, s.feed.seq, past[len(past)-1].Seq)
	_, again, complete := s.Watch(t.Context(), past[0].Seq)
	require.True(t, complete)
	require.Len(t, again, len(past)-1)
}

func TestWatchClose(t *testing.T) {
	s := open(t, nil)
	ch, _, _ := s.Watch(context.Background(), 0)
	require.NoError(t, s.Close())
	_, ok := <-ch
	require.False(t, ok)
	ch, _, _ = s.Watch(context.Background(), 0)
	_, ok = <-ch
	require.False(t, ok)
}
