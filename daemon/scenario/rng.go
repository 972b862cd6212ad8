package scenario

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// rng is what is random in a statement. It uses a source whose output is fixed,
// and no function of the standard library whose may change.
type rng struct{ src *rand.PCG }

// newRNG returns the generator of a statement: the same text under the same seed
// gives the same numbers, whatever stands around it.
func newRNG(seed uint64, text string, number int) rng {
	h := fnv.New64a()
	h.Write([]byte(text)) // It returns no error.
	return rng{rand.NewPCG(seed^0x9e3779b97f4a7c15, h.Sum64()+uint64(number)*0xbf58476d1ce4e5b9)}
}

// float is a number in [0, 1).
func (r rng) float() float64 { return float64(r.src.Uint64()>>11) / (1 << 53) }

// below is a whole number in [0, n), 0 where n is not positive.
func (r rng) below(n int) int {
	if n <= 0 {
		return 0
	}
	return int((r.src.Uint64() >> 32) * uint64(n) >> 32)
}

// exp is exponentially distributed with mean 1.
func (r rng) exp() float64 { return -math.Log(1 - r.float()) }

// round rounds up or down, so that the mean is x.
func (r rng) round(x float64) int {
	n := math.Floor(x)
	if r.float() < x-n {
		n++
	}
	return int(n)
}
