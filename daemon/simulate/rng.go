package simulate

import "math"

// rng is a splitmix64 generator. It is our own, and not math/rand's, because
// the same seed has to give the same bytes with every release of Go.
type rng struct{ s uint64 }

// newRNG returns a generator whose stream depends on all the parts.
func newRNG(parts ...uint64) rng { return rng{hash(parts...)} }

// mix is the finaliser of splitmix64: a bijection of 64 bits.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func hash(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h = mix(h ^ mix(p+0x9e3779b97f4a7c15))
	}
	return h
}

func (r *rng) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	return mix(r.s)
}

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// chance reports true with probability p.
func (r *rng) chance(p float64) bool { return r.float() < p }

// intn returns a number in [0, n), and 0 where n is not positive.
func (r *rng) intn(n int) int {
	if n <= 0 {
		return 0
	}
	return int((r.next() >> 32) * uint64(n) >> 32)
}

// between returns a number in [a, b], both included.
func (r *rng) between(a, b int) int { return a + r.intn(b-a+1) }

// uniform returns a number in [a, b).
func (r *rng) uniform(a, b float64) float64 { return a + float64((b-a)*r.float()) }

// norm returns a standard normal number (Box-Muller, one of the pair).
func (r *rng) norm() float64 {
	u := 1 - r.float()
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*r.float())
}

// exp returns an exponentially distributed number of that mean.
func (r *rng) exp(mean float64) float64 { return -mean * math.Log(1-r.float()) }

// poisson returns a Poisson number: by multiplication up to a mean of 30, and
// by the rounded normal beyond, where the two can hardly be told apart.
func (r *rng) poisson(mean float64) int {
	if mean <= 0 {
		return 0
	}
	if mean > 30 {
		return max(0, int(math.Round(mean+float64(math.Sqrt(mean)*r.norm()))))
	}
	limit, p, n := math.Exp(-mean), r.float(), 0
	for p > limit {
		p *= r.float()
		n++
	}
	return n
}

// pick returns an element of s, which is not empty.
func pick[T any](r *rng, s []T) T { return s[r.intn(len(s))] }

// shuffle puts s into a random order.
func shuffle[T any](r *rng, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := r.intn(i + 1)
		s[i], s[j] = s[j], s[i]
	}
}
