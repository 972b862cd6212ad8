package models

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func history(samples []sample) iter.Seq2[Minute, float64] {
	return func(yield func(Minute, float64) bool) {
		for _, s := range samples {
			if !yield(s.m, s.n) {
				return
			}
		}
	}
}

func TestBands(t *testing.T) {
	r := newRig(t, Calls(), 21)
	var samples []sample
	for range 3 * weekMinutes {
		n := r.g.poisson(2 * wave(r.m, 0.7, 0.3, 0.5))
		if n > 0 {
			samples = append(samples, sample{r.m, n})
		}
		r.step(n)
	}
	before, err := r.f.MarshalBinary()
	require.NoError(t, err)
	for _, step := range []int{1, 5, 15, 60, 1440} {
		from, to := epoch+2*weekMinutes, epoch+3*weekMinutes
		bands := slices.Collect(Bands(r.f, epoch, Workload, history(samples), from, to, step))
		require.Len(t, bands, int(to-from)/step)
		inside := 0
		sums := map[Minute]float64{}
		for _, s := range samples {
			sums[(s.m-from)/Minute(step)] += s.n
		}
		for i, b := range bands {
			require.Equal(t, from+Minute(i*step), b.Start)
			require.LessOrEqual(t, b.Lower, b.Expected+1)
			require.Greater(t, b.Upper, b.Expected)
			require.InEpsilon(t, b.Expected, 2*float64(step)*wave(b.Start+Minute(step/2), 0.7, 0.3, 0.5), 0.9, "step %d", step)
			if x := sums[Minute(i)]; x >= b.Lower && x < b.Upper {
				inside++
			}
		}
		require.Greater(t, float64(inside)/float64(len(bands)), 0.95, "step %d", step)
	}
	after, err := r.f.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, before, after, "bands change nothing")

	// What is expected at a time does not depend on what came after, nor on
	// where the range begins.
	full := slices.Collect(Bands(r.f, epoch, Workload, history(samples), epoch, epoch+2*weekMinutes, 60))
	cut, _ := slices.BinarySearchFunc(samples, epoch+2*weekMinutes, func(s sample, m Minute) int { return int(s.m - m) })
	part := slices.Collect(Bands(r.f, epoch, Workload, history(samples[:cut]), epoch+weekMinutes, epoch+2*weekMinutes, 60))
	require.Equal(t, full[7*24:], part)

	// A reader that has enough, an empty range, a series without calls, and a
	// time before its birth.
	for b := range Bands(r.f, epoch, Workload, history(samples), epoch, epoch+weekMinutes, 5) {
		require.Equal(t, epoch, b.Start)
		break
	}
	require.Empty(t, slices.Collect(Bands(r.f, epoch, Workload, history(samples), epoch, epoch, 5)))
	none := slices.Collect(Bands(r.f, epoch, Workload, history(nil), epoch+weekMinutes, epoch+weekMinutes+10, 5))
	require.Len(t, none, 2)
	require.Less(t, none[0].Expected, 0.01)
	require.Greater(t, none[0].Upper, 19.0)
	require.Equal(t, []Band{{Start: epoch - 5}}, slices.Collect(Bands(r.f, epoch, Workload, history(nil), epoch-5, epoch, 5)))
}

// BenchmarkBands is the bands of a week by five minutes over a month's history.
func BenchmarkBands(b *testing.B) {
	f := NewFamily(Calls())
	var samples []sample
	for m := epoch; m < epoch+4*weekMinutes; m += 3 {
		samples = append(samples, sample{m, float64(1 + m%4)})
	}
	n := 0
	for b.Loop() {
		for range Bands(f, epoch, Workload, history(samples), epoch+3*weekMinutes, epoch+4*weekMinutes, 5) {
			n++
		}
	}
	require.NotZero(b, n)
}
