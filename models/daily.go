package models

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

const (
	// dailyLife is the half-life of what is known of an identity's days, in days
	// on which there was something.
	dailyLife = 30
	// dailyPrior is how many days the prior weighs, and dailySpread the standard
	// deviation that it takes for usual, of natural logarithms: a factor of two.
	dailyPrior  = 3
	dailySpread = 0.7
	// dailyLeast is the spread at the least: nobody's days are the same.
	dailyLeast = 0.25
	// dailyFreedom is how many degrees of freedom the prior has: it is of many
	// identities.
	dailyFreedom = 8
	// dailyMost bounds what a tail is told as.
	dailyMost = 12
)

// Daily is how much of something an identity does on the days on which it does
// any: mean and variance of log(1+x), older days weighing less. The zero value
// has seen nothing.
type Daily struct {
	n, mean, m2 float32
	day         int32 // the one under way, plus 1
	now         float32
}

// Add adds to what there is on the day of minute m, and returns the day's sum. An
// earlier day counts as the one under way.
func (x *Daily) Add(m Minute, n float64) float64 {
	x.turn(m)
	x.now += float32(n)
	return float64(x.now)
}

// Most raises the day's value to n, for what is a largest rather than a sum.
func (x *Daily) Most(m Minute, n float64) float64 {
	x.turn(m)
	x.now = max(x.now, float32(n))
	return float64(x.now)
}

// turn closes the days before that of minute m.
func (x *Daily) turn(m Minute) {
	day := m/dayMinutes + 1
	if day <= x.day {
		return
	}
	if x.now > 0 {
		f := float32(math.Exp2(-1.0 / dailyLife))
		x.n, x.m2 = x.n*f+1, x.m2*f
		y := float32(math.Log1p(float64(x.now)))
		d := y - x.mean
		x.mean += d / x.n
		x.m2 += d * (y - x.mean)
	}
	x.day, x.now = day, 0
}

// Now is what there is on the day of minute m.
func (x *Daily) Now(m Minute) float64 {
	if m/dayMinutes+1 > x.day {
		return 0
	}
	return float64(x.now)
}

// Days is how many days are known, older ones weighing less.
func (x *Daily) Days() float64 { return float64(x.n) }

// Usual is the median of the days that are known, and usual of what one is taken
// to be of which nothing is known.
func (x *Daily) Usual(usual float64) float64 {
	mean, _ := x.moments(usual)
	return math.Expm1(mean)
}

// moments are the mean and the spread of log(1+x), with the prior.
func (x *Daily) moments(usual float64) (mean, spread float64) {
	n := float64(x.n)
	prior := math.Log1p(usual)
	mean = (float64(x.mean)*n + dailyPrior*prior) / (n + dailyPrior)
	between := n * dailyPrior / (n + dailyPrior) * (float64(x.mean) - prior) * (float64(x.mean) - prior)
	if n < 1 {
		between = 0
	}
	// How far the identity is from the prior widens what is expected only while
	// little is known of it.
	between /= 1 + n
	v := (float64(x.m2) + dailyPrior*dailySpread*dailySpread + between) / (n + dailyPrior)
	return mean, max(dailyLeast, math.Sqrt(v))
}

// Tail is −log₁₀ of the chance that a day has n or more, by Student's
// distribution with as many degrees of freedom as days are known and the prior
// has (Gelman et al., Bayesian Data Analysis, 3.2: the predictive
// distribution of a normal one with unknown mean and variance). Of an identity
// of which nothing is known the median is taken for usual. It is 12 at most.
func (x *Daily) Tail(n, usual float64) float64 {
	mean, spread := x.moments(usual)
	known := float64(x.n) + dailyPrior
	t := (math.Log1p(n) - mean) / (spread * math.Sqrt(1+1/known))
	if t <= 0 {
		return 0
	}
	// Abramowitz and Stegun 26.5.27.
	free := float64(x.n) + dailyFreedom
	p := mathext.RegIncBeta(free/2, 0.5, free/(free+t*t)) / 2
	if p <= 0 {
		return dailyMost
	}
	return min(dailyMost, -math.Log10(p))
}

func (x *Daily) fields(d *codec) {
	d.f32(&x.n, &x.mean, &x.m2, &x.now)
	d.minute(&x.day)
	d.bad = d.bad || x.n < 0 || x.m2 < 0 || x.now < 0 || x.mean < 0
}

// AppendBinary appends the state to b.
func (x *Daily) AppendBinary(b []byte) ([]byte, error) { return write(b, x.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (x *Daily) MarshalBinary() ([]byte, error) { return x.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (x *Daily) UnmarshalBinary(b []byte) error {
	var v Daily
	if err := read(b, "daily", v.fields); err != nil {
		return err
	}
	*x = v
	return nil
}
