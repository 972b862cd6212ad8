package models

import "math"

// The profile is the decayed count of calls by hour of the week, and the
// expectation that follows from it. Exposures are not stored: they follow from
// the age, since every hour after the birth counts, and gaps in the data are
// filled with what was expected.

const (
	// priorCalls and priorMinutes are what every series is taken to have seen.
	priorCalls   = 0.02
	priorMinutes = 60
	// dayPrior and weekPrior are how many minutes of exposure the less specific
	// rate weighs against the more specific: all hours against the same hour of
	// all days, and on to weekdays or weekends, and to the hour of the week.
	dayPrior  = 120
	weekPrior = 90
	// rebaseWeeks is after how many weeks the profile's base is moved.
	rebaseWeeks = 24
)

// decayed are the powers of weekDecay.
var decayed = func() (t [256]float64) {
	for i := range t {
		t[i] = math.Pow(weekDecay, float64(i))
	}
	return t
}()

// weeksDecayed is what a count weighs n weeks later.
func weeksDecayed(n int32) float64 {
	if n < 0 {
		n = 0
	}
	return decayed[min(n, 255)]
}

// hourOfWeek is the week since the Monday before the Unix epoch, which was a
// Thursday, and the hour in it, Monday 00:00 UTC being 0.
func hourOfWeek(hour int32) (week, h int32) {
	h = hour + 72
	return h / 168, h % 168
}

// addProfile adds x calls of the given hour. A count is stored with what it
// would weigh in the base week, so that a new week changes nothing.
func (c *Count) addProfile(hour int32, x float64) {
	if x <= 0 {
		return
	}
	week, h := hourOfWeek(hour)
	if age := week - int32(c.base); age > rebaseWeeks {
		k := weeksDecayed(age)
		c.profile.scale(k)
		c.base = uint16(week)
	}
	c.profile.add(h%24, h/24, x/(profileUnit*weeksDecayed(week-int32(c.base))))
}

// flatRate is l₀, the overall rate a minute at the beginning of an hour.
func (c *Count) flatRate(hour int32) float64 {
	return (float64(c.total) + priorCalls) / (c.minutesSeen(hour) + priorMinutes)
}

// minutesSeen is the minutes from the birth to the beginning of an hour, each
// weighing half after totalHalfLife.
func (c *Count) minutesSeen(hour int32) float64 {
	age := float64(hour - c.birth/60)
	return 60 * (1 - math.Exp2(-age/totalHalfLife)) / (1 - float64(totalDecay))
}

// hourRate is λ, the expected calls a minute in an hour, when all before it is
// learned.
func (c *Count) hourRate(hour int32) float64 { return c.rateIn(hour, hour) }

// rateIn is the expected calls a minute in an hour, when the hours before another
// one are learned: the rate of the hour of the week, shrunk to that of the same hour on weekdays or at weekends,
// this to the same hour of all days, and this to the overall rate.
func (c *Count) rateIn(hour, learned int32) float64 {
	_, wanted := hourOfWeek(hour)
	week, h := hourOfWeek(learned)
	birthWeek, birthHour := hourOfWeek(c.birth / 60)
	scale := profileUnit * weeksDecayed(week-int32(c.base))
	today, days := wanted/24, c.profile.week(wanted%24)
	var all, class, same struct{ calls, minutes float64 }
	for day := range int32(7) {
		x := days[day] * scale
		// The first week that had this hour, and the minutes seen since.
		b, w := day*24+wanted%24, birthWeek
		if b < birthHour {
			w++
		}
		minutes := 0.0
		if w <= week {
			minutes = 60 * weekDecay / (1 - weekDecay) * (1 - weeksDecayed(week-w))
			if b < h {
				minutes += 60
			}
		}
		all.calls += x
		all.minutes += minutes
		if (day >= 5) == (today >= 5) {
			class.calls += x
			class.minutes += minutes
		}
		if day == today {
			same.calls, same.minutes = x, minutes
		}
	}
	l := c.flatRate(learned)
	l = (all.calls + dayPrior*l) / (all.minutes + dayPrior)
	l = (class.calls + weekPrior*l) / (class.minutes + weekPrior)
	return (same.calls + weekPrior*l) / (same.minutes + weekPrior)
}

// seasonHalfLife is how fast the held-out score forgets, in hours: with a
// half-life of ten days it weighs what two weeks would.
const seasonHalfLife = 240

var seasonDecay = float32(math.Exp2(-1.0 / seasonHalfLife))

// learnSeason takes how much better the profile predicted hour h, before it was
// learned, than the flat rate: the difference of the Poisson log-likelihoods,
// in nats, over the dispersion.
func (c *Count) learnSeason(h int32, x, mu float64) {
	c.season *= seasonDecay
	if c.total < 1 {
		return
	}
	flat := 60 * c.flatRate(h)
	gain := flat - mu
	if x > 0 {
		x = min(x, 3*max(mu, flat)+2) // A burst is no season.
		gain += x * math.Log(mu/flat)
	}
	c.season += float32(gain / c.dispersed(windowHour, ownDispersion))
}
