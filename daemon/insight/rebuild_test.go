package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestSweep(t *testing.T) {
	s := open(t, nil)
	elsewhere := sample(3)
	elsewhere.Account = "999999999999"
	elsewhere.ID = ID(elsewhere.Type, streamOf(elsewhere), elsewhere.Region, elsewhere.Object, elsewhere.Identity, elsewhere.Start)
	put(t, s, sample(0), sample(1), ended(sample(2), time.Minute), elsewhere, arrived(sample(4)), sample(5), sample(9))
	keep := func(id string) bool { return id == sample(1).ID }
	for n, want := range []int{3, 0} {
		got, err := s.Sweep(streamOf(sample(0)), epoch, epoch.Add(9*time.Minute), keep)
		require.NoError(t, err)
		require.Equal(t, want, got, "round %d", n)
	}
	page, err := s.List(Query{Sort: "start"})
	require.NoError(t, err)
	var ids []string
	for _, i := range page.Insights {
		ids = append(ids, i.ID)
	}
	require.ElementsMatch(t, []string{sample(1).ID, elsewhere.ID, sample(4).ID, sample(9).ID}, ids)
	require.Equal(t, []string{"1 Start 0.97", "1 End 0.97", "1 Withdrawn 0.97"}, states(s.Records(sample(2).ID))[2:])
	require.Zero(t, s.Totals().Withdrawn, "what was never told on arrival is not in the share")

	put(t, s, sample(0))
	got, _ := s.Get(sample(0).ID)
	require.Equal(t, StateStart, got.State, "a rebuild may find it again")
}

func TestResetSince(t *testing.T) {
	dir := t.TempDir()
	s := open(t, func(o *Options) { o.Dir = dir })
	put(t, s, sample(0), ended(sample(1), time.Hour), sample(2), arrived(sample(3)))
	require.NoError(t, s.ResetSince(epoch.Add(2*time.Minute)))
	check := func() {
		t.Helper()
		page, err := s.List(Query{Sort: "start"})
		require.NoError(t, err)
		require.Len(t, page.Insights, 2)
		require.Equal(t, sample(0).ID, page.Insights[0].ID)
		require.Equal(t, sample(1).ID, page.Insights[1].ID)
		require.Equal(t, Tally{Stored: 2, Active: 1}, s.Totals())
	}
	check()
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.ResetSince(epoch), ErrClosed)
	s = open(t, func(o *Options) { o.Dir = dir })
	check()
	require.NoError(t, s.Reset())
	require.Zero(t, s.Totals())
}

func TestQuiet(t *testing.T) {
	now := epoch.Add(10 * time.Minute)
	s := open(t, func(o *Options) { o.Now = func() time.Time { return now } })
	ch, _, _ := s.Watch(t.Context(), 0)
	expect := func(want ...bool) {
		t.Helper()
		var got []bool
		for range want {
			got = append(got, (<-ch).Quiet)
		}
		require.Equal(t, want, got)
		require.Empty(t, kindsOf(ch))
	}
	put(t, s, sample(0), ended(sample(1), time.Minute))
	expect(false, false, false)

	now = epoch.Add(5 * time.Hour)
	old := ended(sample(2), time.Minute)
	put(t, s, old)
	expect(true, true)
	put(t, s, withdrawn(old))
	expect(true)
	put(t, s, ended(sample(0), time.Minute))
	expect(false) // Somebody has been told that it goes on.

	// History that the final pass works through.
	put(t, s, sample(3), ended(sample(3), time.Minute), sample(4), sample(5))
	expect(true, true, true, true)
	require.Zero(t, s.Announce(event.StreamKey{Provider: "aws", Account: "999999999999"}))
	require.Equal(t, 2, s.Announce(streamOf(old)))
	expect(false, false)
	require.Zero(t, s.Announce(streamOf(old)))
	put(t, s, withdrawn(sample(4)))
	expect(false)
}
