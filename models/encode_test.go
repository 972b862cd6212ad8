package models

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStatesSurvive writes and reads everything in the middle of a burst, and
// goes on with both.
func TestStatesSurvive(t *testing.T) {
	a := newRig(t, Calls(), 20)
	a.poisson(2*weekMinutes, 1)
	a.who.New(a.m)
	a.f.AddGap(a.m-3000, a.m-2900)
	a.poisson(10, 25)
	require.True(t, a.c.Open())
	require.True(t, a.c.Pending())

	b := newRig(t, Calls(), 20)
	raw, err := a.c.AppendBinary([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, b.c.UnmarshalBinary(raw[1:]))
	require.Equal(t, a.c, b.c)
	t.Logf("a series is %d bytes written", len(raw)-1)
	raw, err = a.who.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, b.who.UnmarshalBinary(raw))
	require.Equal(t, a.who, b.who)
	raw, err = a.f.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, b.f.UnmarshalBinary(raw))
	require.Equal(t, a.f, b.f)
	b.m, b.g = a.m, a.g
	for range 3000 {
		n := a.g.poisson(1.2)
		require.Equal(t, a.step(n), b.step(n))
	}

	s := Share{}
	s.Add(epoch, 100, 3)
	s.Add(epoch+90, 10, 3)
	raw, err = s.MarshalBinary()
	require.NoError(t, err)
	var s2 Share
	require.NoError(t, s2.UnmarshalBinary(raw))
	require.Equal(t, s, s2)
}

func TestDamagedStates(t *testing.T) {
	c := NewCount(epoch, Workload)
	raw, err := c.MarshalBinary()
	require.NoError(t, err)
	want := c
	for n := range raw {
		require.ErrorIs(t, c.UnmarshalBinary(raw[:n]), errState)
	}
	require.ErrorIs(t, c.UnmarshalBinary(append(slices.Clip(raw), 0)), errState)
	raw[0]++
	require.ErrorIs(t, c.UnmarshalBinary(raw), errState)
	require.Equal(t, want, c)
	require.ErrorContains(t, (&Family{}).UnmarshalBinary([]byte{stateVersion}), "cut short")
	require.ErrorContains(t, (&Novelty{}).UnmarshalBinary(nil), "unknown version")
}

// FuzzCount reads states from anywhere, and runs what can be read.
func FuzzCount(f *testing.F) {
	c := NewCount(epoch, Workload)
	fam := NewFamily(Calls())
	for m := epoch; m < epoch+2*weekMinutes; m += 7 {
		fam.Add(&c, nil, m, float64(m%5))
	}
	raw, _ := c.MarshalBinary()
	f.Add(raw)
	f.Add(raw[:100])
	zero, _ := (&Count{}).MarshalBinary()
	f.Add(zero)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Count
		if c.UnmarshalBinary(b) != nil {
			return
		}
		again, err := c.MarshalBinary()
		require.NoError(t, err)
		require.Len(t, again, len(b))
		f := NewFamily(Calls())
		m := c.cur
		for _, step := range []Minute{0, 1, 70, 5000} {
			if m > 1<<31-1-step-dayMinutes {
				break
			}
			m += step
			f.Add(&c, nil, m, 30)
			f.Tick(&c, nil, m)
		}
	})
}
