package models

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// Point is something that was seen at x: y, with a weight above 0.
type Point struct{ X, Y, Weight float64 }

// Level is a step of an isotonic function: its value from From on, up to the
// From of the next one.
type Level struct {
	From   float64
	Value  float64
	Weight float64
}

// Isotonic returns the function of x that never falls and is closest to the
// points, Σ w·(y − g(x))² being least, as steps in order of x. It pools adjacent
// violators: where a step is lower than the one before it, both become one at
// their mean. M. Ayer, H. Brunk, G. Ewing, W. Reid, E. Silverman, An empirical
// distribution function for sampling with incomplete information (Ann. Math.
// Stat. 26, 1955). Steps of the same value are one. It takes n·log n time for
// sorting and n for the rest.
func Isotonic(points []Point) []Level {
	sorted := slices.Clone(points)
	slices.SortStableFunc(sorted, func(a, b Point) int {
		switch {
		case a.X < b.X:
			return -1
		case a.X > b.X:
			return 1
		}
		return 0
	})
	var out []Level
	for i := 0; i < len(sorted); {
		// Points at the same x have the same value.
		l := Level{From: sorted[i].X}
		sum := 0.0
		for ; i < len(sorted) && sorted[i].X == l.From; i++ {
			sum += sorted[i].Weight * sorted[i].Y
			l.Weight += sorted[i].Weight
		}
		l.Value = sum / l.Weight
		out = append(out, l)
		for n := len(out); n > 1 && out[n-2].Value >= out[n-1].Value; n = len(out) {
			out[n-2] = join(out[n-2], out[n-1])
			out = out[:n-1]
		}
	}
	return out
}

// join makes one step of two.
func join(a, b Level) Level {
	w := a.Weight + b.Weight
	return Level{From: a.From, Value: (a.Value*a.Weight + b.Value*b.Weight) / w, Weight: w}
}

// coarsen joins steps that weigh less than least with that neighbour whose value
// is closer, until none is left or there is one step only. The function still
// never falls.
func coarsen(levels []Level, least float64) []Level {
	out := slices.Clone(levels)
	for len(out) > 1 {
		i, light := -1, least
		for k := range out {
			if out[k].Weight < light {
				i, light = k, out[k].Weight
			}
		}
		if i < 0 {
			break
		}
		if i > 0 && (i == len(out)-1 || out[i].Value-out[i-1].Value <= out[i+1].Value-out[i].Value) {
			i--
		}
		out[i] = join(out[i], out[i+1])
		out = slices.Delete(out, i+1, i+2)
	}
	return out
}

// lowerBound is the share that is exceeded with 95 % probability where k of n
// were seen: C. Clopper, E. Pearson, The use of confidence or fiducial limits
// illustrated in the case of the binomial (Biometrika 26, 1934). It is the b at
// which I_b(k, n−k+1) = 5 %, and 0 where k is.
func lowerBound(k, n float64) float64 {
	if k <= 0 || n <= 0 {
		return 0
	}
	return mathext.InvRegIncBeta(k, math.Max(n-k, 0)+1, 0.05)
}
