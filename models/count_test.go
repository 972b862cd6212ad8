package models

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rig is one series under test, with the minutes told as a caller would.
type rig struct {
	t       *testing.T
	f       *Family
	c       Count
	who     *Novelty
	m       Minute
	changes []change
	last    Verdict
	g       *maker
}

type change struct {
	m Minute
	v Verdict
}

func newRig(t *testing.T, p Params, seed uint64) *rig {
	who := NewNovelty(epoch)
	return &rig{t: t, f: NewFamily(p), c: NewCount(epoch, Workload), who: &who, m: epoch, g: &maker{Rand: rand.New(rand.NewPCG(seed, 9))}}
}

// step tells of n calls in the next minute.
func (r *rig) step(n float64) Verdict {
	if n > 0 {
		r.last = r.f.Add(&r.c, r.who, r.m, n)
	} else {
		r.last = r.f.Tick(&r.c, r.who, r.m)
	}
	switch r.last.Change {
	case Started, Ended, Restarted:
		r.changes = append(r.changes, change{r.m, r.last})
	}
	require.False(r.t, math.IsNaN(r.last.F) || math.IsInf(r.last.F, 0))
	require.InDelta(r.t, r.last.F, r.last.Parts[0].Contribution+r.last.Parts[1].Contribution+r.last.Parts[2].Contribution, 1e-9)
	r.m++
	if (r.m-epoch)%360 == 0 {
		r.f.Advance(r.m, func(yield func(*Count, *Novelty) bool) { yield(&r.c, r.who) })
	}
	return r.last
}

// poisson steps through so many minutes at a rate.
func (r *rig) poisson(minutes int, rate float64) {
	for range minutes {
		r.step(r.g.poisson(rate))
	}
}

func (r *rig) started(since Minute) *change {
	for i := range r.changes {
		if c := &r.changes[i]; c.m >= since && (c.v.Change == Started || c.v.Change == Restarted) {
			return c
		}
	}
	return nil
}

func (r *rig) ended(since Minute) *change {
	for i := range r.changes {
		if c := &r.changes[i]; c.m >= since && c.v.Change == Ended {
			return c
		}
	}
	return nil
}

func TestScoreIsMonotone(t *testing.T) {
	g := &maker{Rand: rand.New(rand.NewPCG(6, 6))}
	for seed := range uint64(12) {
		r := newRig(t, Errors(), seed)
		rate := g.scaled(0.01, 5)
		for range 4 + int(seed) {
			r.poisson(1440+g.IntN(1440), rate)
			r.poisson(g.IntN(40), rate*10)
			last := -1.0
			for n := 1.0; n < 5000; n = math.Ceil(n * 1.07) {
				v := r.f.Peek(r.c, *r.who, r.m, n)
				require.GreaterOrEqual(t, v.F, last-1e-9, "n=%g", n)
				last = v.F
			}
			require.Greater(t, last, 3.0)
		}
	}
}

func TestPeekChangesNothing(t *testing.T) {
	r := newRig(t, Calls(), 1)
	r.poisson(3000, 1)
	for n := 1.0; n < 1e6; n *= 3 {
		c, who := r.c, *r.who
		family, err := r.f.MarshalBinary()
		require.NoError(t, err)
		v := r.f.Peek(r.c, *r.who, r.m+Minute(n/10), n)
		require.Equal(t, c, r.c)
		require.Equal(t, who, *r.who)
		after, err := r.f.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, family, after)
		if n > 100 && n < 1000 {
			require.Equal(t, Started, v.Change)
			require.Equal(t, v, r.f.Peek(r.c, *r.who, r.m+Minute(n/10), n))
		}
	}
	require.Equal(t, r.f.Peek(r.c, *r.who, r.m, 300), r.f.Add(&r.c, r.who, r.m, 300))
}

// TestTailIsCalibrated compares how often windows exceed with what their
// p-values promise, on negative binomial counts.
func TestTailIsCalibrated(t *testing.T) {
	for _, phi := range []float64{1, 3, 8} {
		for _, rate := range []float64{0.3, 3} {
			p := Params{MinEffect: 1e-9, Threshold: 99}
			r := newRig(t, p, uint64(100*phi+rate))
			over, of := [windows]float64{}, [windows]float64{}
			for m := range 10 * weekMinutes {
				n := r.g.negativeBinomial(rate, phi)
				r.step(n)
				if m < 4*weekMinutes {
					continue
				}
				c := r.c // Minutes without calls count as well.
				c.advance(r.f, r.m-1)
				var s sight
				c.see(&s, r.m-1, n)
				for w, every := range []int{1, 5, 60, 1440} {
					if m%every != every-1 && w != windowMinute {
						continue
					}
					of[w]++
					phi := r.c.dispersed(w, r.f.dispersed(&r.c, w))
					if nbTail(s.observed[w], s.expected[w], phi) > 2 {
						over[w]++
					}
				}
			}
			for w, n := range of {
				share := over[w] / n
				t.Logf("phi %g rate %g window %d: %.4f of %.0f beyond p = 0.01", phi, rate, windowMinutes[w], share, n)
				bound := 0.02
				if phi*rate < 8 && phi > 1 {
					bound = 0.05 // Dispersion is winsorised; what is rare and bursty loses some of it.
				}
				require.Less(t, share, bound+3*math.Sqrt(bound/n), "window %d", windowMinutes[w])
				if n*rate > 20_000 && rate*float64(windowMinutes[w]) > 10 {
					require.Greater(t, share, 0.003, "window %d", windowMinutes[w])
				}
			}
		}
	}
}

// TestSeasonIsLearned recovers the rate by hour of a day with a wave and quiet
// weekends.
func TestSeasonIsLearned(t *testing.T) {
	r := newRig(t, Calls(), 7)
	true24 := func(m Minute) float64 { return 2 * wave(m, 0.8, 0.3, 0.3) }
	for range 5 * weekMinutes {
		r.step(r.g.poisson(true24(r.m)))
	}
	var err, size, flat float64
	for h := r.m / 60; h < r.m/60+168; h++ {
		want := true24(h*60 + 30)
		err += math.Abs(r.c.rateIn(h, r.m/60) - want)
		flat += math.Abs(r.c.flatRate(h) - want)
		size += want
	}
	t.Logf("mean error of the rate %.1f %%, of a flat one %.1f %%", 100*err/size, 100*flat/size)
	require.Less(t, err/size, 0.15)
	require.True(t, r.c.Seasonal())

	even := newRig(t, Calls(), 8)
	even.poisson(5*weekMinutes, 2)
	require.False(t, even.c.Seasonal(), "season %g of a flat series", even.c.season)
	for h := r.m / 60; h < r.m/60+168; h++ {
		require.InEpsilon(t, 2, even.c.rateIn(h, r.m/60), 0.25)
	}
}

// TestIdleIsLearnedInOneStep compares a long silence, learned when the next call
// comes, with the same told hour by hour.
func TestIdleIsLearnedInOneStep(t *testing.T) {
	for _, idle := range []Minute{30, 61, 600, 1380} {
		a, b := newRig(t, Calls(), 9), newRig(t, Calls(), 9)
		a.poisson(3*weekMinutes, 0.5)
		b.poisson(3*weekMinutes, 0.5)
		a.f.closeClusters(&a.c, a.who, a.m+2*dayMinutes)
		b.f.closeClusters(&b.c, b.who, b.m+2*dayMinutes)
		for m := b.m; m < b.m+idle; m += 7 {
			b.c.advance(b.f, m)
		}
		to := a.m + idle
		va, vb := a.f.Add(&a.c, a.who, to, 40), b.f.Add(&b.c, b.who, to, 40)
		require.InEpsilon(t, vb.Expected+1e-3, va.Expected+1e-3, 0.05, "after %d minutes", idle)
		require.InDelta(t, vb.F, va.F, 0.3, "after %d minutes", idle)
		require.InDelta(t, float64(b.c.total), float64(a.c.total), 0.02*float64(b.c.total)+0.01)
		for w := range windowDay {
			require.InEpsilon(t, b.c.dispersed(w, 1), a.c.dispersed(w, 1), 0.1, "window %d after %d minutes", w, idle)
		}
	}
}

// TestIdleForWeeks is a series that stops, and goes on after a long time.
func TestIdleForWeeks(t *testing.T) {
	for _, idle := range []Minute{2 * dayMinutes, 5 * weekMinutes, 60 * weekMinutes, 300 * weekMinutes} {
		r := newRig(t, Calls(), 9)
		r.poisson(3*weekMinutes, 0.5)
		r.step(1)
		phi := r.c.dispersed(windowHour, 1)
		weight := math.Exp2(-float64(idle) / 60 / totalHalfLife)
		total := float64(r.c.total)
		r.m += idle
		v := r.step(1)
		require.Equal(t, None, v.Change)
		require.InDelta(t, total*weight, float64(r.c.total), 0.05*total*weight+0.1)
		require.InEpsilon(t, phi, r.c.dispersed(windowHour, 1), 0.5, "silence is no noise")
		start := r.m
		r.poisson(30, 25)
		require.NotNil(t, r.started(start), "after %d minutes", idle)
		require.Zero(t, r.c.hours[(r.m/60+12)%24])
	}
}

func TestFirstUseAfterWeeksIsFound(t *testing.T) {
	r := newRig(t, Calls(), 10)
	r.m += 19 * dayMinutes
	start := r.m
	for range 10 {
		r.step(6)
	}
	s := r.started(start)
	require.NotNil(t, s)
	require.LessOrEqual(t, s.m-start, Minute(6))
	require.Equal(t, start, s.v.Start)
	require.Equal(t, 19*dayMinutes, s.v.HistoryMinutes-int(s.m-start))
	require.Contains(t, s.v.Class, "no surprise yet")
	require.Zero(t, s.v.Clusters)
	for r.ended(start) == nil {
		r.step(0)
	}
	e := r.ended(start)
	require.Equal(t, start, e.v.Start)
	require.Equal(t, start+9, e.v.End)
	require.Equal(t, start+9+holdShort, e.m)
	require.False(t, r.c.Open())
}

// TestBurstsAreFound puts bursts on steady series and asks for when they start
// and end.
func TestBurstsAreFound(t *testing.T) {
	found, of := map[float64]int{}, map[float64]int{}
	var delays, starts, ends []float64
	for seed := range uint64(60) {
		for _, by := range []float64{5, 20} {
			r := newRig(t, Calls(), seed)
			rate := r.g.scaled(0.5, 5)
			r.poisson(2*weekMinutes+r.g.IntN(1440), rate)
			of[by]++
			start, length := r.m, 10+r.g.IntN(50)
			peak := 0.0 // the 95th percentile of the minutes with calls
			for nbTail(peak+1, rate, 1) < 1.3 {
				peak++
			}
			r.poisson(length, rate+(by-1)*peak)
			end := r.m - 1
			r.poisson(240, rate)
			s := r.started(start)
			if s == nil || s.m > end+15 {
				continue
			}
			found[by]++
			delays = append(delays, float64(s.m-start))
			starts = append(starts, math.Abs(float64(s.v.Start-start)))
			if e := r.ended(s.m); e != nil {
				ends = append(ends, math.Abs(float64(e.v.End-end)))
			}
		}
	}
	t.Logf("found %v of %v; delay %v/%v, start error %v/%v, end error %v/%v min (median/p90)", found, of,
		quantile(delays, .5), quantile(delays, .9), quantile(starts, .5), quantile(starts, .9), quantile(ends, .5), quantile(ends, .9))
	require.GreaterOrEqual(t, found[5], 57)
	require.Equal(t, of[20], found[20])
	require.LessOrEqual(t, quantile(delays, .9), 15.0)
	require.LessOrEqual(t, quantile(starts, .9), 6.0)
	require.LessOrEqual(t, quantile(ends, .9), 6.0)
	require.Len(t, ends, found[5]+found[20], "every episode ends")
}

func TestSlowAndLowIsFound(t *testing.T) {
	found := 0
	for seed := range uint64(20) {
		r := newRig(t, Calls(), seed)
		for range 15 * 24 { // A call now and then, by day.
			h := (r.m - epoch) / 60 % 24
			rate := 0.0
			if h >= 8 && h < 18 {
				rate = 0.005
			}
			r.poisson(60, rate)
		}
		start := r.m
		for r.m < start+16*60 {
			if (r.m-start)%8 == 0 {
				r.step(1)
			} else {
				r.step(0)
			}
		}
		if s := r.started(start); s != nil {
			found++
			require.Contains(t, []int{60, 1440}, s.v.Window)
			require.InDelta(t, float64(start), float64(s.v.Start), 120)
		}
	}
	t.Logf("slow and low: %d of 20", found)
	require.GreaterOrEqual(t, found, 15)
}

// TestSteadySeriesStayQuiet counts false starts over a thousand series-weeks.
func TestSteadySeriesStayQuiet(t *testing.T) {
	const series, weeks = 200, 6
	f := NewFamily(Calls())
	g := &maker{Rand: rand.New(rand.NewPCG(11, 1))}
	counts, rates, who := make([]Count, series), make([]float64, series), make([]Novelty, series)
	for i := range counts {
		counts[i], rates[i], who[i] = NewCount(epoch, Workload), g.scaled(0.005, 4), NewNovelty(epoch)
	}
	starts := 0
	for m := epoch; m < epoch+weeks*weekMinutes; m++ {
		for i := range counts {
			v := Verdict{}
			if n := g.poisson(rates[i]); n > 0 {
				v = f.Add(&counts[i], &who[i], m, n)
			} else if counts[i].Open() {
				v = f.Tick(&counts[i], &who[i], m)
			}
			if v.Change == Started && m >= epoch+weekMinutes {
				starts++
			}
		}
		if (m-epoch)%360 == 0 {
			f.Advance(m, func(yield func(*Count, *Novelty) bool) {
				for i := range counts {
					yield(&counts[i], &who[i])
				}
			})
		}
	}
	t.Logf("%d false starts in %d series-weeks of Poisson counts", starts, series*(weeks-1))
	require.LessOrEqual(t, starts, 2)
}

// TestPoisonDoesNotTeach has an attack of hours at 30 times the peak in the
// first days, and a third of it later.
func TestPoisonDoesNotTeach(t *testing.T) {
	for seed := range uint64(18) {
		r := newRig(t, Calls(), seed)
		rate := r.g.scaled(0.05, 2)
		r.poisson(2*dayMinutes+r.g.IntN(3*dayMinutes), rate)
		peak := max(1, rate+1.6*math.Sqrt(rate))
		hours := 3 + r.g.IntN(6)
		poison := r.m
		r.poisson(60*hours, 30*peak)
		require.NotNil(t, r.started(poison))
		r.poisson(2*dayMinutes+r.g.IntN(8*dayMinutes), rate)
		repeat := r.m
		r.poisson(30, 10*peak)
		s := r.started(repeat)
		require.NotNil(t, s, "seed %d rate %g hours %d", seed, rate, hours)
		require.Less(t, s.m-repeat, Minute(30))
	}
}

func TestLevelShiftIsAdopted(t *testing.T) {
	r := newRig(t, Calls(), 12)
	r.poisson(2*weekMinutes, 0.5)
	start := r.m
	r.poisson(3*dayMinutes, 3)
	s := r.started(start)
	require.NotNil(t, s)
	e := r.ended(s.m)
	require.NotNil(t, e)
	require.True(t, e.v.Adopted)
	require.InDelta(t, float64(start+shiftAfter), float64(e.v.End), 60)
	later := r.m
	require.Nil(t, r.started(e.m+1), "the new level is usual")
	require.InEpsilon(t, 3, r.c.hourRate(r.m/60), 0.35)
	r.poisson(dayMinutes, 3)
	require.Nil(t, r.started(later))
	// And what is above the new level is found.
	again := r.m
	r.poisson(20, 90)
	require.NotNil(t, r.started(again))
}

func TestLevelShiftIsUndone(t *testing.T) {
	r := newRig(t, Calls(), 13)
	r.poisson(2*weekMinutes, 0.5)
	usual := r.c.hourRate(r.m / 60)
	start := r.m
	r.poisson(13*60, 8)
	require.NotNil(t, r.started(start))
	require.NotZero(t, r.c.flags&flagShift)
	require.Greater(t, r.c.hourRate(r.m/60), 3.0)
	r.poisson(13*60, 0.5)
	require.Zero(t, r.c.flags&flagShift)
	require.InEpsilon(t, usual, r.c.hourRate(r.m/60), 0.6, "the level fell back")
	again := r.m
	r.poisson(30, 25)
	require.NotNil(t, r.started(again), "what is above the old level is found")

	// A night after the shift, with no calls at all, ends the same.
	r = newRig(t, Calls(), 14)
	r.poisson(2*weekMinutes, 0.5)
	r.poisson(13*60, 8)
	require.NotZero(t, r.c.flags&flagShift)
	r.m += 3 * dayMinutes
	r.step(1)
	require.Zero(t, r.c.flags&flagShift)
	require.Less(t, r.c.hourRate(r.m/60), 1.0)
}

func TestGapHoldsEpisodes(t *testing.T) {
	r := newRig(t, Calls(), 15)
	r.poisson(2*weekMinutes, 1)
	start := r.m
	r.poisson(10, 20)
	require.NotNil(t, r.started(start))
	last := r.m - 1
	before := r.c.hourRate(r.m/60 + 4)
	for range 200 { // Nothing comes at all.
		r.f.AddGap(last+1, r.m+1)
		require.Equal(t, Continues, r.step(0).Change)
	}
	r.poisson(10, 20)
	require.Nil(t, r.ended(start))
	end := r.m - 1
	r.poisson(100, 1)
	e := r.ended(start)
	require.NotNil(t, e)
	require.InDelta(t, float64(end), float64(e.v.End), 6)
	require.InEpsilon(t, before, r.c.hourRate(r.m/60), 0.1, "a gap teaches nothing")

	// Without the gap it would have ended.
	r = newRig(t, Calls(), 15)
	r.poisson(2*weekMinutes, 1)
	r.poisson(10, 20)
	last = r.m
	for range 20 {
		r.step(0)
	}
	require.NotNil(t, r.ended(last))
}

func TestGapsTeachNothing(t *testing.T) {
	r := newRig(t, Calls(), 16)
	r.poisson(2*weekMinutes, 1)
	rate := r.c.hourRate(r.m / 60)
	phi := r.c.dispersed(windowHour, 1)
	r.f.AddGap(r.m, r.m+4*dayMinutes)
	r.m += 4 * dayMinutes
	r.step(1)
	require.InEpsilon(t, rate, r.c.hourRate(r.m/60), 0.1)
	require.InEpsilon(t, phi, r.c.dispersed(windowHour, 1), 0.1)
	require.EqualValues(t, 100, r.f.missing(r.m-dayMinutes-100, r.m-dayMinutes))
}

func TestGaps(t *testing.T) {
	f := NewFamily(Calls())
	f.AddGap(10, 10)
	require.Empty(t, f.gaps)
	f.AddGap(10, 20)
	f.AddGap(20, 30)
	f.AddGap(12, 31)
	f.AddGap(40, 50)
	f.AddGap(60, 61)
	require.Equal(t, gaps{{10, 31}, {40, 50}, {60, 61}}, f.gaps)
	require.EqualValues(t, 21+10+1, f.missing(0, 100))
	require.EqualValues(t, 1+5, f.missing(30, 45))
	f.AddGap(45, 70) // One that reaches back.
	require.Equal(t, gaps{{10, 31}, {40, 70}}, f.gaps)
	f.AddGap(5, 80)
	require.Equal(t, gaps{{5, 80}}, f.gaps)
	f.AddGap(200, 400)
	require.Equal(t, []int32{0, 1, 3, 4, 5, 6}, slices.Collect(f.missingHours(0, 100)))
	require.Equal(t, []int32{1, 3}, slices.Collect(f.missingHours(1, 4)))
	for i := range Minute(2 * gapsKept) {
		f.AddGap(1000+10*i, 1005+10*i)
	}
	require.Len(t, f.gaps, gapsKept)
}

// TestRestarted is a caller that does not Tick.
func TestRestarted(t *testing.T) {
	r := newRig(t, Calls(), 17)
	r.poisson(2*weekMinutes, 0.1)
	start := r.m
	for range 5 {
		r.step(30)
	}
	require.NotNil(t, r.started(start))
	end := r.m - 1
	r.m += 300
	v := r.step(300)
	require.Equal(t, Restarted, v.Change)
	require.Equal(t, end, v.End)
	require.Equal(t, r.m-1, v.Start)
	require.Equal(t, Continues, r.step(300).Change)
	r.m += 300
	v = r.step(1)
	require.Equal(t, Ended, v.Change)
	require.Equal(t, end+302, v.End)
}

func TestOddCalls(t *testing.T) {
	r := newRig(t, Calls(), 18)
	for _, n := range []float64{math.NaN(), -5, 0, math.Inf(1), 1e300, 0.5, 3} {
		v := r.f.Add(&r.c, nil, r.m, n)
		require.False(t, math.IsNaN(v.F) || math.IsInf(v.F, 0), "%g: %v", n, v)
		r.m += 13
	}
	// A minute that goes back counts as the newest.
	m := r.c.cur
	r.f.Add(&r.c, nil, m-1000, 5)
	require.Equal(t, m, r.c.cur)
	// A series may begin long after, or in, its identity's first minute.
	for _, birth := range []Minute{0, 1, 59, 60, epoch} {
		c := NewCount(birth, Workload)
		require.Zero(t, r.f.Add(&c, nil, birth, 1).F)
		for m := birth; m < birth+3*dayMinutes; m += 17 {
			v := r.f.Add(&c, nil, m, 2)
			require.False(t, math.IsNaN(v.F))
		}
	}
	require.Zero(t, r.f.Peek(NewCount(epoch, Workload), NewNovelty(epoch), epoch-10, 3).F)
}

func TestVerdictExplains(t *testing.T) {
	r := newRig(t, Calls(), 19)
	r.poisson(2*weekMinutes, 1)
	start := r.m
	for r.started(start) == nil {
		r.step(15)
	}
	v := r.started(start).v
	require.GreaterOrEqual(t, v.F, r.f.Threshold())
	require.Greater(t, v.Observed, v.Expected)
	require.LessOrEqual(t, v.Upper, v.Observed)
	require.Greater(t, v.Upper, v.Expected+Calls().MinEffect-1)
	require.NotEmpty(t, v.Class)
	require.Greater(t, v.Tail, 2.0)
	require.InDelta(t, 2*weekMinutes, v.HistoryMinutes, 20)
	require.Equal(t, "started", v.Change.String())
}

// TestPresetsFind has a typical incident for each kind, on a series that had
// nothing for ten days, or little.
func TestPresetsFind(t *testing.T) {
	for _, tc := range []struct {
		name    string
		params  Params
		before  float64 // calls a minute
		minutes int
		n       int // calls of the incident, spread over the minutes
		// threshold is what the engine starts them at; 0 is the default.
		threshold float64
	}{
		{"calls, first use", Calls(), 0, 20, 60, 0},
		{"calls", Calls(), 0.05, 20, 120, 0},
		{"key, first use", Credentials(), 0, 30, 30, 0},
		{"key", Credentials(), 0.05, 30, 120, 0},
		{"new APIs", NewAPIs(), 0, 20, 20, 0},
		{"errors, the first", Errors(), 0, 20, 20, 2},
		{"errors", Errors(), 0.005, 20, 40, 2},
		{"breadth", Breadth(), 0, 15, 24, 2},
		{"breadth, known for some", Breadth(), 0.0005, 15, 25, 2},
	} {
		found := 0
		for seed := range uint64(10) {
			tc.params.Threshold = cmp.Or(tc.threshold, DefaultThreshold)
			r := newRig(t, tc.params, seed)
			r.who = nil
			r.step(0)
			if tc.before > 0 {
				r.poisson(10*dayMinutes, tc.before)
			} else {
				r.m += 10 * dayMinutes
			}
			start, left := r.m, tc.n
			for i := tc.minutes; i > 0; i-- {
				k := (left + i - 1) / i
				r.step(float64(k))
				left -= k
			}
			if s := r.started(start); s != nil {
				found++
			}
		}
		t.Logf("%s: %d of 10", tc.name, found)
		require.GreaterOrEqual(t, found, 8, tc.name)
	}
}

// What is expected of somebody does not fade while he is away.
func TestAwayKeepsTheLevel(t *testing.T) {
	back := func(away bool) float64 {
		f := NewFamily(Calls())
		c := NewCount(0, Person)
		for d := range Minute(14) {
			for m := Minute(9 * 60); m < 17*60; m += 6 {
				f.Add(&c, nil, d*dayMinutes+m, 1)
			}
		}
		if away {
			f.Away(13*dayMinutes+17*60, 28*dayMinutes+9*60)
		}
		f.Add(&c, nil, 28*dayMinutes+9*60, 1)
		return float64(c.rate)
	}
	require.InDelta(t, 1.0/6, back(true), 0.03)
	require.Less(t, back(false), 0.1)
}
