package models

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// exactTail is −log₁₀ P(X ≥ k) by summing terms in 300 bits. With t₀ = 1 and the
// ratio of neighbouring probabilities the common factor cancels.
func exactTail(k int, ratio func(j int) float64) float64 {
	f := func(x float64) *big.Float { return new(big.Float).SetPrec(300).SetFloat64(x) }
	term, all, tail := f(1), f(0), f(0)
	limit := new(big.Float).SetPrec(300).SetMantExp(big.NewFloat(1), -120)
	for j := 0; ; j++ {
		all.Add(all, term)
		if j >= k {
			tail.Add(tail, term)
			if ratio(j) < 0.999 && term.Cmp(f(0).Mul(tail, limit)) < 0 {
				break
			}
		}
		term.Mul(term, f(ratio(j)))
	}
	q := tail.Quo(tail, all)
	e := q.MantExp(nil)
	m, _ := q.SetMantExp(q, -e).Float64()
	return -(math.Log10(m) + float64(e)*math.Log10(2))
}

func TestTailsAgainstExactSums(t *testing.T) {
	worst := 0.0
	check := func(what string, got, want float64) {
		t.Helper()
		err := math.Abs(got-want) / (1 + want)
		worst = max(worst, err)
		require.Less(t, err, 1e-10, "%s: %v, want %v", what, got, want)
	}
	for _, mu := range []float64{1e-5, 0.01, 0.3, 1, 4, 17, 120, 900} {
		for _, k := range []int{1, 2, 5, 20, 60, 150, 500, 1000, 3000} {
			if float64(k) < mu/4 {
				continue // The sum of what is nearly one says nothing.
			}
			check(fmt.Sprintf("poisson k=%d mu=%g", k, mu), poissonTail(float64(k), mu),
				exactTail(k, func(j int) float64 { return mu / float64(j+1) }))
			for _, phi := range []float64{1.03, 1.5, 3, 10, 40} {
				r, q := mu/(phi-1), 1-1/phi
				check(fmt.Sprintf("negative binomial k=%d mu=%g phi=%g", k, mu, phi), nbTail(float64(k), mu, phi),
					exactTail(k, func(j int) float64 { return (float64(j) + r) / float64(j+1) * q }))
			}
		}
	}
	t.Logf("largest error of -log10 p, over 1 + -log10 p: %.2g", worst)
}

func TestTailsAgainstGonum(t *testing.T) {
	for _, mu := range []float64{0.01, 0.5, 3, 40, 2000} {
		for _, by := range []float64{0.2, 0.5, 0.9, 1, 1.1, 1.5, 2, 3} {
			k := math.Floor(mu*by) + 1
			if p := 1 - (distuv.Poisson{Lambda: mu}).CDF(k-1); p > 1e-4 {
				require.InDelta(t, -math.Log10(p), poissonTail(k, mu), 1e-9, "k=%g mu=%g", k, mu)
			}
			for _, phi := range []float64{1.1, 2, 25} {
				if p := mathext.RegIncBeta(k, mu/(phi-1), 1-1/phi); p > 1e-280 {
					require.InDelta(t, -math.Log10(p), nbTail(k, mu, phi), 1e-7*(1-math.Log10(p)), "k=%g mu=%g phi=%g", k, mu, phi)
				}
			}
		}
	}
}

func TestTailsAreMonotoneAndBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for range 3000 {
		mu, phi := math.Exp(12*r.Float64()-6), 1+math.Exp(8*r.Float64()-4)
		last := -1.0
		for k := 0.0; k < 4*mu+200; k += 1 + math.Floor(mu/10) {
			s := nbTail(k, mu, phi)
			require.False(t, math.IsNaN(s) || s < 0, "k=%g mu=%g phi=%g: %g", k, mu, phi, s)
			require.GreaterOrEqual(t, s, last-1e-9, "k=%g mu=%g phi=%g", k, mu, phi)
			last = s
		}
	}
	for _, k := range []float64{1, 1e3, 1e6, 1e9, 1e12} {
		for _, mu := range []float64{0, 1e-12, 1, 1e6, 1e12} {
			for _, phi := range []float64{0, 1, 1.02, 2, 1e6} {
				s := nbTail(k, mu, phi)
				require.False(t, math.IsNaN(s) || s < 0, "k=%g mu=%g phi=%g: %g", k, mu, phi, s)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for range 2000 {
		mu, phi, s := math.Exp(10*r.Float64()-4), 1+3*r.Float64(), 0.5+5*r.Float64()
		x := nbUpper(mu, phi, s)
		require.GreaterOrEqual(t, nbTail(x, mu, phi), s)
		if x > math.Floor(mu) {
			require.Less(t, nbTail(x-1, mu, phi), s)
		}
		low := nbLower(mu, phi, 0.01)
		require.LessOrEqual(t, low, mu+1)
		// P(X < low) ≤ 1 % < P(X ≤ low).
		require.LessOrEqual(t, 1-math.Pow(10, -nbTail(low, mu, phi)), 0.01+1e-12)
		require.Greater(t, 1-math.Pow(10, -nbTail(low+1, mu, phi)), 0.01-1e-12)
	}
}

func TestGammaTail(t *testing.T) {
	for _, mean := range []float64{0.1, 1, 4} {
		require.InDelta(t, math.Exp(-2/mean), gammaTail(2, mean, mean*mean), 1e-12) // exponential
		for _, variance := range []float64{0, 0.01, 1, 100} {
			last := 1.0
			for z := 0.0; z < 8; z += 0.05 {
				p := gammaTail(z, mean, variance)
				require.False(t, math.IsNaN(p))
				require.LessOrEqual(t, p, last+1e-12)
				last = p
			}
		}
	}
	require.InDelta(t, 0.5, gammaTail(3, 3, 1e-4), 0.01) // normal
}

func TestPack(t *testing.T) {
	for x := range 2048 {
		require.Equal(t, float64(x), unpack(pack(float64(x))))
	}
	last := -1.0
	for c := range 1 << 16 {
		x := unpack(uint16(c))
		if c>>10 > 52 {
			break // beyond packLimit
		}
		require.Greater(t, x, last)
		require.Equal(t, uint16(c), pack(x))
		last = x
	}
	r := rand.New(rand.NewPCG(5, 1))
	for range 100_000 {
		x := math.Exp(40 * r.Float64())
		require.InEpsilon(t, x, max(1, unpack(pack(x))), max(1.0/1300, 0.51/x))
	}
	require.Zero(t, pack(-1))
	require.Zero(t, pack(math.NaN()))
	require.EqualValues(t, packLimit, unpack(pack(math.Inf(1))))

	var p weekly
	want := [24][7]float64{}
	for range 20_000 {
		h, d, x := r.IntN(24), r.IntN(7), math.Exp(8*r.Float64())
		p.add(int32(h), int32(d), x)
		want[h][d] += x
		got := p.week(int32(h))
		require.InDelta(t, want[h][d], got[d], 0.51+want[h][d]/170)
		want[h][d] = got[d]
		for i, v := range got {
			require.Equal(t, want[h][i], v, "another day changed")
		}
		if want[h][d] > 1e6 {
			p.scale(1e-4)
			for i := range want {
				want[i] = p.week(int32(i))
			}
		}
	}
	p.add(3, 3, 1e300)
	require.EqualValues(t, weeklyLimit, p.week(3)[3])
}
