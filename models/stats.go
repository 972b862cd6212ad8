package models

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// The tails are computed in logs throughout: a burst of 300 calls where one is
// expected has a probability far below what a float64 holds, and the gate for
// the enormous asks how far.

const (
	// fractionTerms bounds the terms of continued fractions and series. They
	// need about the square root of the larger parameter near the mean, and
	// far fewer in the tails.
	fractionTerms = 20_000
	// fractionError is the relative step at which they stop.
	fractionError = 1e-14
	// poissonBelow is the dispersion below which a negative binomial is taken
	// for a Poisson distribution: its second parameter μ/(φ−1) grows without
	// bound there.
	poissonBelow = 1.02
	// surelyTail is the tail of what cannot be: more than none where none is
	// expected at all.
	surelyTail = 300
	// lostDigits is how close to one the other side of a tail may come.
	lostDigits = 1e-2
	tiny       = 1e-300
)

// nbTail is −log₁₀ P(X ≥ k) of a negative binomial with mean mu and variance
// phi·mu. With r = μ/(φ−1) and q = 1−1/φ, P(X ≥ k) = I_q(k, r), the regularised
// incomplete beta function (Abramowitz and Stegun 26.5.26, 6.6.2). k need not
// be whole.
func nbTail(k, mu, phi float64) float64 {
	if k <= 0 {
		return 0
	}
	if mu <= 0 {
		return surelyTail
	}
	if phi < poissonBelow {
		return poissonTail(k, mu)
	}
	return -logBeta(k, mu/(phi-1), 1-1/phi) / math.Ln10
}

// poissonTail is −log₁₀ P(X ≥ k) of a Poisson distribution with mean mu, which
// is P(k, μ), the regularised lower incomplete gamma function: its series below
// k+1, one less Lentz's continued fraction of Q(k, μ) above (Numerical Recipes
// 6.2).
func poissonTail(k, mu float64) float64 {
	if k <= 0 {
		return 0
	}
	if mu <= 0 {
		return surelyTail
	}
	front := k*math.Log(mu) - mu - lgamma(k)
	if mu < k+1 {
		sum, term := 1/k, 1/k
		for n := 1.0; n < fractionTerms; n++ {
			term *= mu / (k + n)
			sum += term
			if term < sum*fractionError {
				break
			}
		}
		return max(0, -(front+math.Log(sum))/math.Ln10)
	}
	b := mu + 1 - k
	c, d := 1/tiny, 1/b
	h := d
	for n := 1.0; n < fractionTerms; n++ {
		a := -n * (n - k)
		b += 2
		d = 1 / away(a*d+b)
		c = away(b + a/c)
		h *= d * c
		if math.Abs(d*c-1) < fractionError {
			break
		}
	}
	return -logOneLess(front+math.Log(h)) / math.Ln10
}

// logBeta is ln I_x(a, b), by the continued fraction on the side where it
// converges fast, unless what remains of one there would have lost its digits.
func logBeta(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return -surelyTail * math.Ln10
	case x >= 1:
		return 0
	}
	front := a*math.Log(x) + b*math.Log1p(-x) + lgamma(a+b) - lgamma(a) - lgamma(b)
	if x >= (a+1)/(a+b+2) {
		if y := front - math.Log(b) + math.Log(betaFraction(b, a, 1-x)); y < -lostDigits {
			return logOneLess(y)
		}
	}
	return min(0, front-math.Log(a)+math.Log(betaFraction(a, b, x)))
}

// betaFraction is the continued fraction of the incomplete beta function by
// Lentz's method (DLMF 8.17.22, Numerical Recipes 6.4).
func betaFraction(a, b, x float64) float64 {
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	h := d
	for n := 1.0; n < fractionTerms; n++ {
		t := n * (b - n) * x / ((a + 2*n - 1) * (a + 2*n))
		d = 1 / away(1+t*d)
		c = away(1 + t/c)
		h *= d * c
		t = -(a + n) * (a + b + n) * x / ((a + 2*n) * (a + 2*n + 1))
		d = 1 / away(1+t*d)
		c = away(1 + t/c)
		h *= d * c
		if math.Abs(d*c-1) < fractionError {
			break
		}
	}
	return h
}

// gammaTail is P(Z ≥ z) of a gamma distribution with the given moments, which
// is exponential where they are equal and close to normal where the variance is
// small.
func gammaTail(z, mean, variance float64) float64 {
	if z <= 0 {
		return 1
	}
	shape := max(0.25, min(1e4, mean*mean/max(variance, 1e-9)))
	return mathext.GammaIncRegComp(shape, z*shape/mean)
}

// away keeps a denominator away from zero.
func away(x float64) float64 {
	if math.Abs(x) < tiny {
		return tiny
	}
	return x
}

// logOneLess is ln(1 − e^y), for y of at most about zero.
func logOneLess(y float64) float64 {
	if y >= 0 {
		return -surelyTail * math.Ln10
	}
	if y > -math.Ln2 {
		return math.Log(-math.Expm1(y))
	}
	return math.Log1p(-math.Exp(y))
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// nbUpper is the least whole count whose tail is at least s.
func nbUpper(mu, phi, s float64) float64 {
	return least(math.Floor(mu), func(x float64) bool { return nbTail(x, mu, phi) >= s })
}

// nbLower is the largest whole count that is undercut with probability p at
// most.
func nbLower(mu, phi, p float64) float64 {
	// P(X < x) ≤ p is P(X ≥ x) ≥ 1−p.
	bound := -math.Log10(1 - p)
	x := least(0, func(x float64) bool { return nbTail(x, mu, phi) > bound })
	return max(0, x-1)
}

// least is the least whole number of at least from at which ok, which must be
// monotone, holds.
func least(from float64, ok func(float64) bool) float64 {
	if ok(from) {
		return from
	}
	step := 1.0
	for ; !ok(from + step); step *= 2 {
		if step > 1e15 {
			return from + step
		}
	}
	low, high := from, from+step
	if step > 1 {
		low = from + step/2
	}
	for high-low > 1 {
		if mid := math.Floor((low + high) / 2); ok(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}
