package models

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShippedPriors reads the file that is part of the program: every family has
// its prior.
func TestShippedPriors(t *testing.T) {
	shipped, err := readPriors(priorJSON)
	require.NoError(t, err)
	for _, p := range []Params{
		Calls(), AccountCalls(), Credentials(), NewAPIs(), Errors(), APIErrors(), AccountCodes(), AccountErrors(), Breadth(),
	} {
		require.NotNil(t, shipped[p.Name], p.Name)
		require.Same(t, priors()[p.Name], NewFamily(p).prior)
	}
	require.Same(t, &plainPrior, NewFamily(Params{Name: "unheard of"}).prior)

	for _, c := range []struct{ old, new string }{
		{`"person"`, `"people"`},
		{`"habit": `, `"habit": -`},
		{`"dispersion": [`, `"dispersion": [0.5,`},
		{`{`, `[`},
	} {
		_, err := readPriors(bytes.Replace(priorJSON, []byte(c.old), []byte(c.new), 1))
		require.Error(t, err, c.new)
	}
}

// TestFitPriors fits priors to a family that surprised as often as is known.
func TestFitPriors(t *testing.T) {
	f := NewFamily(Params{Name: "calls", Clean: true})
	e := &f.pools[Person].cells[windowFive][classFew]
	e.weeks = 500
	for i := range 100 {
		e.learn(0.5+float64(i%10), 1, &plainPrior[Person].cells[windowFive][classFew])
	}
	b, err := FitPriors([]*Family{f, NewFamily(Params{Name: "errors"})})
	require.NoError(t, err)
	again, err := FitPriors([]*Family{f, NewFamily(Params{Name: "errors"})})
	require.NoError(t, err)
	require.Equal(t, string(b), string(again))
	fitted, err := readPriors(b)
	require.NoError(t, err)
	require.Len(t, fitted, 2)
	p := fitted["calls"][Person].cells[windowFive][classFew]
	require.InDelta(t, 0.2, p.rate, 0.01)
	require.InDelta(t, e.sum/e.n, p.size, 0.01)
	require.InDelta(t, 0.5, p.tail(5), 0.12)
	require.Less(t, p.tail(30), 0.02)

	_, err = FitPriors(nil)
	require.ErrorContains(t, err, "no families")
	_, err = FitPriors([]*Family{NewFamily(Params{})})
	require.ErrorContains(t, err, "no name")
}

// TestRateGivesWayToTheTenant takes a class that never surprised where the
// priors were fitted.
func TestRateGivesWayToTheTenant(t *testing.T) {
	p := priorCell{rate: 1e-9}
	require.InDelta(t, leastRate, (&cell{}).rate(&p), 1e-12)
	require.InDelta(t, 1e-4, (&cell{n: 5, weeks: 20_000}).rate(&p), 1e-5, "half of what was seen, after a month")
	require.InDelta(t, 2.5e-4, (&cell{n: 500, weeks: 2_000_000}).rate(&p), 1e-5)
}

// TestPeopleAreComparedWithPeople lets people surprise every day, and programs
// never.
func TestPeopleAreComparedWithPeople(t *testing.T) {
	f := NewFamily(Params{Name: "unheard of", MinEffect: 5})
	rig := func(g Group) float64 {
		c := NewCount(0, g)
		c.cur = 10 * dayMinutes
		return f.Foresee(&c, nil, 10*dayMinutes, 30).F
	}
	before := rig(Workload)
	require.InDelta(t, before, rig(Person), 1e-9)
	for class := range classes {
		for w := range windows {
			for range 50 {
				f.pools[Person].cells[w][class].learn(200, 1, &f.prior[Person].cells[w][class])
			}
			f.pools[Person].cells[w][class].weeks = 20
		}
	}
	require.InDelta(t, before, rig(Workload), 1e-9)
	require.Less(t, rig(Person), before-0.5)
}

// TestErrorsThatFollowTheCalls gives a series twenty times its errors, with and
// without twenty times its calls.
func TestErrorsThatFollowTheCalls(t *testing.T) {
	run := func(calls float64) (most float64) {
		f, c, s := NewFamily(APIErrors()), NewCount(0, Workload), new(Share)
		for m := Minute(0); m < 10*dayMinutes; m += 10 {
			s.Add(m, 10, 0.5)
			f.AddErrors(&c, s, nil, m, 0.5)
		}
		for m := Minute(10 * dayMinutes); m < 10*dayMinutes+30; m++ {
			s.Add(m, calls, 2)
			most = max(most, f.AddErrors(&c, s, nil, m, 2).F)
		}
		return most
	}
	require.Zero(t, run(40))
	require.Greater(t, run(4), 2.0)
}

// TestAJobThatDoesMoreIsOneEpisode runs a job every two hours, which then does
// five times as much.
func TestAJobThatDoesMoreIsOneEpisode(t *testing.T) {
	r := newRig(t, Calls(), 1)
	r.who = nil
	var starts []Minute
	for hour := 0; hour < 24*14; hour += 2 {
		n := 12.0
		if hour >= 24*12 {
			n = 60
		}
		for range 4 {
			if v := r.step(n); v.Change == Started || v.Change == Restarted {
				starts = append(starts, v.Start)
			}
		}
		r.m += 116
	}
	starts = slices.DeleteFunc(starts, func(m Minute) bool { return m < epoch+12*dayMinutes })
	require.NotEmpty(t, starts)
	require.LessOrEqual(t, len(starts), 2)
}
