package models

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShare(t *testing.T) {
	var s Share
	require.False(t, s.Doubled(), "nothing was called")
	require.InDelta(t, priorShare, s.Usual(), 1e-9)
	m := epoch
	for range 7 * 24 * 60 { // Five in a hundred fail.
		failed := 0.0
		if m%10 == 0 {
			failed = 1
		}
		s.Add(m, 2, failed)
		m++
	}
	require.InDelta(t, 0.05, s.Usual(), 0.01)
	require.InDelta(t, 0.05, s.Now(), 0.02)
	require.False(t, s.Doubled())

	busy := s // More calls with as many errors a call.
	for range 60 {
		busy.Add(m, 40, 2)
		m++
	}
	require.False(t, busy.Doubled())

	failing := s // As many calls, most of which fail.
	for range 60 {
		failing.Add(m, 2, 1)
		m++
	}
	require.True(t, failing.Doubled())
	require.InDelta(t, 0.5, failing.Now(), 0.05)
	for range 24 * 60 {
		failing.Add(m, 2, 1)
		m++
	}
	require.Less(t, failing.Usual(), 0.5, "it learns slowly")

	quiet := s // The hour passes.
	quiet.Add(m+dayMinutes, 1, 0)
	require.Zero(t, quiet.Now())
	require.False(t, quiet.Doubled())

	var most Share // One that fails most of the time cannot double.
	for i := range Minute(5000) {
		most.Add(epoch+i, 10, 8)
	}
	require.Greater(t, most.Usual(), 0.5)
	require.False(t, most.Doubled())
	for i := range Minute(60) {
		most.Add(epoch+5000+i, 10, 10)
	}
	require.True(t, most.Doubled())
}

func TestShareOdd(t *testing.T) {
	var s Share
	s.Add(epoch, math.NaN(), 1)
	s.Add(epoch, -1, 0)
	require.Zero(t, s.Now())
	s.Add(epoch, 0, 4) // Errors are calls.
	require.EqualValues(t, 1, s.Now())
	s.Add(epoch-500, 4, 0) // Back in time counts as now.
	require.Equal(t, 0.5, s.Now())
}
