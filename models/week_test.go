package models

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// monday is the first minute of a Monday.
const monday Minute = (4 + 7*2900) * dayMinutes // 1970-01-05 was a Monday.

// office observes weeks of Monday to Friday, 8 to 17.
func officeWeeks(w *Week, weeks int, off ...int) {
	for d := range Minute(7 * weeks) {
		if d%7 >= 5 {
			continue
		}
		if len(off) > 0 && int(d) >= off[0] && int(d) < off[1] {
			continue
		}
		for h := Minute(8); h < 17; h++ {
			w.Observe(monday + d*dayMinutes + h*60 + 5)
			w.Observe(monday + d*dayMinutes + h*60 + 50) // The same hour is one hour.
		}
	}
}

func TestWeekKnowsTheHoursOfAnIdentity(t *testing.T) {
	require.Equal(t, int32(0), hourOf(monday/60))
	var w Week
	require.Equal(t, Hour{P: 1}, w.At(monday), "of nothing nothing is odd")
	officeWeeks(&w, 4)
	next := monday + 28*dayMinutes
	at := func(day, hour Minute) float64 { return w.At(next + day*dayMinutes + hour*60).P }
	require.Greater(t, at(1, 10), 0.8)
	require.Less(t, at(1, 3), 0.03, "a night of a weekday")
	require.Less(t, at(5, 10), 0.05, "a Saturday, though the hour is one of work on others")
	require.Greater(t, at(1, 17), 0.1, "an hour later than usual is not odd")
	h := w.At(next)
	require.InDelta(t, 4, h.Weeks, 0.8, "older weeks weigh less")
	require.InDelta(t, 45.0/168, h.Share, 0.03)
	usual := w.Usual(0, next)
	require.True(t, usual[8] && usual[16] && !usual[7] && !usual[17])
	require.Zero(t, w.Usual(6, next))

	// What is done in an odd hour does not excuse what is done next.
	odd := w.At(next + 2*60).P
	require.True(t, w.Fresh(next+2*60))
	w.Observe(next + 2*60)
	require.False(t, w.Fresh(next+2*60+30))
	require.InDelta(t, odd, w.At(next+2*60+30).P, 0.001)
	w.Observe(next + 14*60)
	require.Greater(t, w.At(next+7*dayMinutes+2*60).P, odd)
}

func TestWeekForgivesHolidaysAndLearnsAnotherShift(t *testing.T) {
	var w Week
	officeWeeks(&w, 8, 28, 42) // Two weeks off.
	next := monday + 56*dayMinutes
	require.Greater(t, w.At(next+10*60).P, 0.6, "two weeks off take little away")
	for d := range Minute(42) { // From now on by night, every day.
		for h := Minute(20); h < 24; h++ {
			w.Observe(next + d*dayMinutes + h*60)
		}
	}
	next += 42 * dayMinutes
	require.Greater(t, w.At(next+21*60).P, 0.3)
	require.Greater(t, w.At(next+5*dayMinutes+21*60).P, 0.3)
	require.Less(t, w.At(next+3*60).P, 0.03)
}

func TestWeekGoesOnForYears(t *testing.T) {
	var w Week
	for d := range Minute(7 * 400) {
		w.Observe(monday + d*dayMinutes + 9*60)
	}
	next := monday + 7*400*dayMinutes
	require.Greater(t, w.At(next+9*60).P, 0.4, "its neighbours, in which it is not active, count too")
	require.Less(t, w.At(next+21*60).P, 0.01)
	require.InDelta(t, 8/0.6931, w.At(next).Weeks, 0.1)
	before := w
	w.Observe(monday) // Before the last one.
	require.Equal(t, before, w)
}

// TestWeekIsReadAsItIsWritten writes what is known of somebody who works for years, on
// every day, and comes back after years.
func TestWeekIsReadAsItIsWritten(t *testing.T) {
	var w Week
	work := func(from, days Minute) {
		t.Helper()
		for d := from; d < from+days; d++ {
			for h := Minute(8); h < 17; h++ {
				w.Observe(monday + d*dayMinutes + h*60)
				b, err := w.MarshalBinary()
				require.NoError(t, err)
				var read Week
				require.NoError(t, read.UnmarshalBinary(b), "day %d, hour %d", d, h)
				require.Equal(t, w, read)
			}
		}
	}
	work(0, 1200)
	work(5*365, 30)

	w.last = math.MaxInt32
	b, err := w.MarshalBinary()
	require.NoError(t, err)
	require.ErrorIs(t, new(Week).UnmarshalBinary(b), errState, "no minute is in that hour")
}

func TestHazardIsSharedUntilTheIdentityIsKnown(t *testing.T) {
	p := NewHazards(0.01)
	var never, daily Hazard
	require.InDelta(t, 0.01, never.Chance(p), 1e-9)
	for d := range Minute(30) {
		never.Active(p, monday+d*dayMinutes)
		daily.Active(p, monday+d*dayMinutes)
		daily.Do(monday + d*dayMinutes)
	}
	require.Equal(t, 29.0, never.Days(), "today is not over")
	require.Greater(t, daily.Chance(p), 0.9)
	require.Less(t, never.Chance(p), daily.Chance(p)/5)
	var stranger Hazard
	require.Greater(t, stranger.Chance(p), 0.2, "half of them do it every day")
	// The second time on a day is as odd as the first.
	before := never.Chance(p)
	never.Do(monday + 29*dayMinutes)
	require.Equal(t, before, never.Chance(p))
	never.Active(p, monday+30*dayMinutes)
	require.Greater(t, never.Chance(p), before)
}

func TestDailyTails(t *testing.T) {
	var x Daily
	for d := range Minute(30) {
		for range 20 + d%5 {
			x.Add(monday+d*dayMinutes, 1)
		}
	}
	m := monday + 30*dayMinutes
	x.Add(m, 1)
	require.InDelta(t, 20, x.Usual(2), 5)
	require.Zero(t, x.Tail(10, 2))
	require.Less(t, x.Tail(30, 2), 1.5)
	require.Greater(t, x.Tail(300, 2), 4.0)
	require.Greater(t, x.Tail(3000, 2), x.Tail(300, 2))
	require.Equal(t, 1.0, x.Now(m))
	require.Zero(t, x.Now(m+dayMinutes))

	var none Daily
	require.Less(t, none.Tail(6, 3), 1.0, "of nobody known a little is nothing")
	require.Greater(t, none.Tail(100, 3), 1.5)
	// Student's distribution with eight degrees of freedom: P(T > 2.306) = 0.025.
	known := 2.306 * dailySpread * 1.1547005
	require.InDelta(t, 1.602, none.Tail((1+3)*math.Exp(known)-1, 3), 0.01)
}

func TestBurstsAreHeldAgainstTheirOwnPast(t *testing.T) {
	floors := [3]int{5, 10, 20}
	var quiet, busy Bursts
	for d := range Minute(30) {
		for i := range Minute(60) { // A teardown of 60 in six minutes, every day.
			busy.Add(monday + d*dayMinutes + 600 + i/10)
		}
		if d%7 == 0 {
			quiet.Add(monday + d*dayMinutes + 600)
		}
	}
	m := monday + 30*dayMinutes
	for range 39 {
		busy.Add(m)
		quiet.Add(m)
	}
	b, ok := busy.Judge(m, floors)
	require.True(t, ok)
	require.Less(t, b.Tail, 3.0)
	q, ok := quiet.Judge(m, floors)
	require.True(t, ok)
	require.Greater(t, q.Tail, 3.5)
	require.Equal(t, 40, q.Count)
	_, ok = quiet.Judge(m+120, floors)
	require.False(t, ok, "two hours later they are forgotten")
	quiet.Add(m - 100) // Too late to count.
	quiet.Add(m - 2)
	q, _ = quiet.Judge(m, floors)
	require.Equal(t, 41, quiet.count(60)+1)
}

func TestBehaviourStatesRoundTrip(t *testing.T) {
	var w Week
	officeWeeks(&w, 3)
	var h Hazard
	p := NewHazards(0.02)
	var x Daily
	var b Bursts
	for d := range Minute(9) {
		h.Active(p, monday+d*dayMinutes)
		h.Do(monday + d*dayMinutes)
		x.Add(monday+d*dayMinutes, float64(d))
		b.Add(monday + d*dayMinutes)
	}
	for _, c := range []struct {
		from interface{ MarshalBinary() ([]byte, error) }
		to   interface{ UnmarshalBinary([]byte) error }
	}{{&w, new(Week)}, {&h, new(Hazard)}, {p, NewHazards(0.02)}, {&x, new(Daily)}, {&b, new(Bursts)}} {
		raw, err := c.from.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, c.to.UnmarshalBinary(raw))
		require.Equal(t, c.from, c.to)
		require.Error(t, c.to.UnmarshalBinary(raw[:len(raw)-1]))
		require.Equal(t, c.from, c.to, "what cannot be read changes nothing")
	}
}
