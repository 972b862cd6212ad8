package models

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsotonic(t *testing.T) {
	f := func(in []Point, want []Level) {
		t.Helper()
		require.Equal(t, want, Isotonic(in))
	}
	f(nil, nil)
	f([]Point{{1, 5, 1}}, []Level{{1, 5, 1}})
	f([]Point{{1, 1, 1}, {2, 2, 1}}, []Level{{1, 1, 1}, {2, 2, 1}})
	f([]Point{{1, 2, 1}, {2, 1, 1}}, []Level{{1, 1.5, 2}})
	f([]Point{{1, 2, 3}, {2, 1, 1}}, []Level{{1, 1.75, 4}})
	f([]Point{{2, 1, 1}, {1, 0, 1}}, []Level{{1, 0, 1}, {2, 1, 1}})              // Out of order.
	f([]Point{{1, 0, 1}, {1, 1, 1}, {2, 1, 2}}, []Level{{1, 0.5, 2}, {2, 1, 2}}) // Ties in x.
	f([]Point{{1, 1, 1}, {2, 1, 1}}, []Level{{1, 1, 2}})                         // Equal steps are one.
}

// The least squares solution is also g(i) = max over j ≤ i of min over k ≥ i of
// the mean of j to k: R. Barlow, D. Bartholomew, J. Bremner, H. Brunk,
// Statistical inference under order restrictions (1972).
func TestIsotonicIsLeastSquares(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + r.IntN(30)
		points := make([]Point, n)
		for i := range points {
			points[i] = Point{X: float64(i), Y: float64(r.IntN(4)) + 0.1*float64(i), Weight: float64(1 + r.IntN(3))}
		}
		levels := Isotonic(points)
		for i := range points {
			want := math.Inf(-1)
			for j := 0; j <= i; j++ {
				least := math.Inf(1)
				for k := i; k < n; k++ {
					sum, w := 0.0, 0.0
					for _, p := range points[j : k+1] {
						sum += p.Y * p.Weight
						w += p.Weight
					}
					least = min(least, sum/w)
				}
				want = max(want, least)
			}
			got := math.NaN()
			for _, l := range levels {
				if l.From <= points[i].X {
					got = l.Value
				}
			}
			require.InDelta(t, want, got, 1e-9)
		}
	}
}

func TestCoarsen(t *testing.T) {
	levels := []Level{{0, 0.1, 100}, {1, 0.2, 3}, {2, 0.5, 100}, {3, 0.9, 10}, {4, 0.95, 2}}
	require.Equal(t, []Level{
		{0, (0.1*100 + 0.2*3) / 103, 103}, {2, 0.5, 100}, {3, (0.9*10 + 0.95*2) / 12, 12},
	}, coarsen(levels, 12))
	require.Len(t, coarsen(levels, 1000), 1)
	require.Equal(t, levels, coarsen(levels, 1))
	require.Empty(t, coarsen(nil, 1))
}

// The bound is the share at which so many or more are seen with 5 %.
func TestLowerBound(t *testing.T) {
	require.Zero(t, lowerBound(0, 10))
	require.Zero(t, lowerBound(0, 0))
	require.InDelta(t, math.Pow(0.05, 1.0/10), lowerBound(10, 10), 1e-9) // p¹⁰ = 5 %.
	for _, c := range [][2]int{{1, 4}, {7, 20}, {19, 20}, {150, 300}} {
		k, n := c[0], c[1]
		p := lowerBound(float64(k), float64(n))
		tail := 0.0
		for i := k; i <= n; i++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(i + 1))
			d, _ := math.Lgamma(float64(n - i + 1))
			tail += math.Exp(a - b - d + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		}
		require.InDelta(t, 0.05, tail, 1e-9)
	}
}

func BenchmarkIsotonic(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	points := make([]Point, 10_000)
	for i := range points {
		x := 10 * r.Float64()
		points[i] = Point{X: x, Weight: 1}
		if 10*r.Float64() < x {
			points[i].Y = 1
		}
	}
	for b.Loop() {
		Isotonic(points)
	}
}
