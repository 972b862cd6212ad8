package models

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file scores detectors as the Numenta Anomaly Benchmark does. Its
// description is A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection
// Algorithms: the Numenta Anomaly Benchmark", ICMLA 2015 (arXiv:1510.03336),
// and, where that leaves a choice, the documentation in github.com/numenta/NAB
// (v1.1). A detector gives every row a score; the rows at or above one threshold
// for all series are its detections.

// nabProfile is what a right and a wrong detection and a missed window weigh.
type nabProfile struct {
	name             string
	hit, miss, alarm float64
}

// nabProfiles are the three application profiles of the benchmark, as in its
// config/profiles.json.
var nabProfiles = []nabProfile{
	{"standard", 1, 1, 0.11},
	{"reward_low_FP_rate", 1, 1, 0.22},
	{"reward_low_FN_rate", 1, 2, 0.11},
}

// nabWindow is a labelled anomaly: its first and its last row.
type nabWindow struct{ first, last int }

// nabSigmoid is what a detection is worth at position y, in widths of the
// window from its end: 0.99 at the beginning (y = -1), 0 at the end, -0.99 a
// width behind it. It is 2/(1 + e^5y) - 1, and -1 from three widths on.
func nabSigmoid(y float64) float64 {
	if y >= 3 {
		return -1
	}
	return 2/(1+math.Exp(5*y)) - 1
}

// nabProbation is how many rows at the beginning do not count, since a detector
// learns in them: 15 % of the series, and of 5,000 rows at most.
func nabProbation(rows int) int {
	return min(int(0.15*float64(rows)), 750)
}

// nabWorth is what a detection in a row is worth, before the profile's weights,
// and the window that the row lies in, or -1. In a window it is the sigmoid over
// that at the window's beginning, so that the earliest detection is worth 1;
// outside it depends on how far the last window is behind.
func nabWorth(windows []nabWindow, row int) (worth float64, window int) {
	last := -1
	for i, w := range windows {
		switch {
		case row > w.last:
			last = i
		case row >= w.first:
			width := float64(w.last - w.first + 1)
			return nabSigmoid(-float64(w.last-row+1)/width) / nabSigmoid(-1), i
		}
	}
	if last < 0 {
		return -1, -1
	}
	w := windows[last]
	return nabSigmoid(float64(row-w.last) / float64(w.last-w.first)), -1
}

// nabResult is how good the detections on some series are.
type nabResult struct {
	threshold float64 // rows with this score and more are detections
	raw       float64 // what the detections are worth, less what was missed
	score     float64 // raw on the scale from the detector that is silent, 0, to the perfect one, 100
	inside    int     // detections inside of windows
	outside   int     // and outside
	found     int     // windows with a detection
	windows   int
}

// nabSweep scores every threshold that makes a difference, from the highest,
// with which nothing is a detection, down.
func nabSweep(p nabProfile, windows [][]nabWindow, scores [][]float64) []nabResult {
	type row struct {
		score, worth   float64
		series, window int
	}
	var rows []row
	best := make([][]float64, len(windows)) // By window: what its best detection is worth.
	n := 0
	for i, s := range scores {
		best[i] = make([]float64, len(windows[i]))
		n += len(windows[i])
		for k := nabProbation(len(s)); k < len(s); k++ {
			worth, window := nabWorth(windows[i], k)
			rows = append(rows, row{s[k], worth, i, window})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	at := nabResult{threshold: math.Inf(1), windows: n}
	null, perfect := -p.miss*float64(n), p.hit*float64(n)
	gain, cost := null, 0.0
	var out []nabResult
	tell := func() {
		at.raw = gain + p.alarm*cost
		at.score = 100 * (at.raw - null) / (perfect - null)
		out = append(out, at)
	}
	for _, r := range rows {
		if r.score != at.threshold {
			tell()
			at.threshold = r.score
		}
		if r.window < 0 {
			at.outside++
			cost += r.worth
			continue
		}
		at.inside++
		// The rows of a window are all worth more than nothing.
		b := &best[r.series][r.window]
		if *b == 0 {
			at.found++
			gain += p.miss
		}
		if r.worth > *b {
			gain += p.hit * (r.worth - *b)
			*b = r.worth
		}
	}
	tell()
	return out
}

// nabBest is the result at the best threshold, which is how the benchmark
// chooses one.
func nabBest(p nabProfile, windows [][]nabWindow, scores [][]float64) nabResult {
	return slices.MaxFunc(nabSweep(p, windows, scores), func(a, b nabResult) int { return cmp.Compare(a.raw, b.raw) })
}

// nabAt is the result at a given threshold.
func nabAt(p nabProfile, threshold float64, windows [][]nabWindow, scores [][]float64) nabResult {
	sweep := nabSweep(p, windows, scores)
	at := sweep[0]
	for _, r := range sweep {
		if r.threshold >= threshold {
			at = r
		}
	}
	return at
}

// nabFlags are scores that are 1 in some rows and 0 in the others.
func nabFlags(rows int, at ...int) []float64 {
	s := make([]float64, rows)
	for _, i := range at {
		s[i] = 1
	}
	return s
}

// TestNABScorer has detections of which the worth can be worked out by hand.
func TestNABScorer(t *testing.T) {
	// 100 rows, of which 15 are probation; a window of 20 rows, another of 11.
	one, two := nabWindow{40, 59}, nabWindow{80, 90}
	f := func(at []int, want [3]float64, found, inside, outside int) {
		t.Helper()
		for i, p := range nabProfiles {
			r := nabAt(p, 1, [][]nabWindow{{one, two}}, [][]float64{nabFlags(100, at...)})
			require.InDelta(t, want[i], r.raw, 1e-6, p.name)
			require.Equal(t, []int{found, inside, outside, 2}, []int{r.found, r.inside, r.outside, r.windows})
		}
	}
	// Silence misses both windows; the first rows of both are perfect.
	f(nil, [3]float64{-2, -2, -4}, 0, 0, 0)
	f([]int{40, 80}, [3]float64{2, 2, 2}, 2, 2, 0)
	// Probation does not count.
	f([]int{0, 14, 40, 80}, [3]float64{2, 2, 2}, 2, 2, 0)
	f([]int{15, 40, 80}, [3]float64{1.89, 1.78, 1.89}, 2, 2, 1)
	// The earliest of a window counts, the others cost nothing.
	f([]int{40, 45, 59, 80}, [3]float64{2, 2, 2}, 2, 4, 0)
	// In the middle: y = -(59-50+1)/20 = -0.5, and tanh(1.25)/tanh(2.5), as
	// 2/(1+e^5y) - 1 = -tanh(5y/2).
	middle := 0.848284 / 0.986614
	f([]int{50}, [3]float64{middle - 1, middle - 1, middle - 2}, 1, 1, 0)
	// In the last row: y = -1/20, tanh(0.125)/tanh(2.5).
	last := 0.124353 / 0.986614
	f([]int{59}, [3]float64{last - 1, last - 1, last - 2}, 1, 1, 0)
	// Before any window an alarm costs its whole weight; 5 rows behind the
	// second, of 11 rows, y = 5/10 costs tanh(1.25) of it.
	f([]int{39}, [3]float64{-2.11, -2.22, -4.11}, 0, 0, 1)
	f([]int{95}, [3]float64{-2 - 0.11*0.848284, -2 - 0.22*0.848284, -4 - 0.11*0.848284}, 0, 0, 1)
	// Just behind a window it costs little: y = 1/19, tanh(0.1315789).
	f([]int{60}, [3]float64{-2 - 0.11*0.130825, -2 - 0.22*0.130825, -4 - 0.11*0.130825}, 0, 0, 1)

	// Three widths behind, all of it.
	require.InDelta(t, -1, nabSigmoid(3), 0)
	require.InDelta(t, -0.999999, nabSigmoid(2.9), 1e-6)
	// Probation ends to grow at 5,000 rows.
	require.Equal(t, []int{604, 750, 750}, []int{nabProbation(4032), nabProbation(5000), nabProbation(22695)})
}

// TestNABScale has the two ends of the scale, and what lies between and below.
func TestNABScale(t *testing.T) {
	windows := [][]nabWindow{{{40, 59}, {80, 90}}, {}, {{200, 299}}}
	silent := [][]float64{nabFlags(100), nabFlags(100), nabFlags(1000)}
	perfect := [][]float64{nabFlags(100, 40, 80), nabFlags(100), nabFlags(1000, 200)}
	noisy := [][]float64{nabFlags(100), nabFlags(100, 20, 30, 40), nabFlags(1000)}
	for _, p := range nabProfiles {
		require.InDelta(t, 0, nabAt(p, 1, windows, silent).score, 1e-9)
		require.InDelta(t, 100, nabAt(p, 1, windows, perfect).score, 1e-9)
		require.InDelta(t, 100, nabBest(p, windows, perfect).score, 1e-9)
		require.InDelta(t, -100*3*p.alarm/(3*(p.hit+p.miss)), nabAt(p, 1, windows, noisy).score, 1e-9)
		// The best threshold is then the one that nothing reaches.
		require.Zero(t, nabBest(p, windows, noisy).score)
		require.True(t, math.IsInf(nabBest(p, windows, noisy).threshold, 1))
	}
}

// TestNABBest compares the sweep with every threshold on its own.
func TestNABBest(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	windows := [][]nabWindow{{{40, 59}, {80, 90}}, {{150, 199}}}
	scores := [][]float64{make([]float64, 120), make([]float64, 400)}
	for i := range scores {
		for k := range scores[i] {
			scores[i][k] = float64(g.IntN(50)) // With ties.
		}
		scores[i][windows[i][0].first+5] = 60
	}
	for _, p := range nabProfiles {
		best := nabResult{raw: math.Inf(-1)}
		for tau := 61.0; tau >= 0; tau-- {
			flags := [][]float64{make([]float64, 120), make([]float64, 400)}
			for i := range scores {
				for k, s := range scores[i] {
					if s >= tau {
						flags[i][k] = 1
					}
				}
			}
			r := nabAt(p, 1, windows, flags)
			require.InDelta(t, r.raw, nabAt(p, tau, windows, scores).raw, 1e-9)
			if r.raw > best.raw+1e-9 {
				best = r
				best.threshold = tau
			}
		}
		got := nabBest(p, windows, scores)
		require.InDelta(t, best.raw, got.raw, 1e-9)
		require.InDelta(t, best.threshold, got.threshold, 0)
		require.Equal(t, best.outside, got.outside)
		require.Greater(t, got.score, 0.0)
	}
}
