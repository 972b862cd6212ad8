package engine

import "math"

// incidentRate is how many true incidents an account is taken to see in a day
// before anything is known of it.
const incidentRate = 0.3

// confidence is the probability that an insight of score f is a true one:
// true incidents at the given rate against the false insights of this size or
// more that n series are expected to raise in a day, n/7·10^-f. It is what the
// score itself says, and stays within 0.05 and 0.99.
func confidence(f float64, n int) float64 {
	falseADay := float64(max(n, 1)) / 7 * math.Pow(10, -f)
	c := incidentRate / (incidentRate + falseADay)
	return math.Round(100*min(0.99, max(0.05, c))) / 100
}

// threshold is the score at which a family of n live series starts insights,
// so that no more than the given number of false ones are expected in a day;
// never under 3, one false insight in a thousand series-weeks.
func threshold(n int, falseADay float64) float64 {
	if falseADay <= 0 || n == 0 {
		return 3
	}
	return max(3, math.Log10(float64(n)/7/falseADay))
}

// round keeps three significant decimals, so that records do not carry noise.
func round(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return math.Round(x*1000) / 1000
}

// confidenceIn is the probability that an insight of a detector of single events
// is a true one.
func (s *stream) confidenceIn(typ string, score float64) float64 {
	return round(min(0.99, max(0.05, 1-math.Pow(10, -score/2))))
}
