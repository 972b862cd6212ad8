package models

import "math"

// The windows over which calls are counted: a minute, five minutes, an hour, a
// day.
const (
	windowMinute = iota
	windowFive
	windowHour
	windowDay
	windows
)

// windowMinutes are the widths of the windows.
var windowMinutes = [windows]int{1, 5, 60, 1440}

// clusterGap is for how long a window must not exceed before the next
// exceedance is a surprise of its own, in minutes.
var clusterGap = [windows]Minute{30, 30, 90, 1440}

const (
	// totalHalfLife is that of the overall count, in hours: 14 days.
	totalHalfLife = 14 * 24
	// weekDecay is what a count in the profile weighs a week later.
	weekDecay = 0.8
	// dispersionDecay and dayDispersionDecay are what the sums of dispersion
	// weigh an hour and a day later.
	dispersionDecay    = 0.994
	dayDispersionDecay = 0.93
	// surpriseHalfLife is that of a series' own surprises, in minutes.
	surpriseHalfLife = 8 * weekMinutes
)

// The flags of a Count.
const (
	flagOpen    = 1 << iota // an episode is open
	flagSeen                // the series has had a call
	flagAdopted             // the open episode is taken as the new level
	flagShift               // an adopted level may still be undone
	flagCluster             // a cluster of surprises is open
	flagAgain               // the open episode came soon after another one
)

// surprise is what a series keeps of its exceedances in one window.
type surprise struct {
	n   float32 // clusters, decayed to end
	sum float32 // of their sizes, winsorised, likewise
	sq  float32 // of the squares of their sizes, likewise
	max float32 // largest excess of the open cluster; 0 where none is open
	end Minute  // last exceedance
}

// Count is the state of one series: a value without pointers, that can be
// copied, and that AppendBinary writes. Fields that every minute touches come
// first, those of an hour's close last.
type Count struct {
	birth Minute // of the identity
	cur   Minute // the minute that the state stands at
	call  Minute // the last minute with a call
	run   Minute // the first minute with a call after a quiet half hour

	rate   float32 // expected calls a minute in this hour
	before float32 // and in the last one
	hour   float32 // calls of this hour so far
	day    float32 // calls of the last 23 whole hours, winsorised
	dayExp float32 // and what was expected in them
	total  float32 // all calls, winsorised and decayed

	flags    uint8
	class    uint8 // maturity class before the first surprise
	busy     uint8 // minutes with calls in this hour
	busyFive uint8 // five-minute buckets with calls in this hour
	hold     uint8 // how long the open episode outlives quiet, in minutes
	group    Group
	base     uint16 // the week in which a count in the profile weighs 1

	minutes [5]uint16  // calls of the last five minutes, by minute modulo 5
	fives   [12]uint16 // of the last twelve five-minute buckets
	disp    [windows]dispersion

	alarm    Minute  // the last minute in which a window short of a day alarmed
	active   float32 // decayed number of hours with calls
	surprise [windows]surprise
	whole    float32 // largest excess of the day's open cluster, with hours that a shorter window explains

	// The open episode.
	open    Minute  // its start as reported
	from    Minute  // the minute that it was seen first
	carried Minute  // the last minute that carried it on
	calls   float32 // its calls since from
	due     float32 // what was expected of them, up to this hour

	// An adopted level shift.
	shiftAt  Minute
	shiftBy  float32
	shiftN   float32 // calls since
	shiftExp float32 // and what the new level expected

	season float32 // held-out log score of the profile less that of a flat rate

	hours   [24]uint16 // winsorised calls of the last 24 hours, by hour of day
	expect  [24]uint16 // what was expected in them, in expectUnit
	profile weekly     // decayed calls by hour of the week, in profileUnit
}

// dispersion is the decayed weighted sum of squared Pearson residuals, and of
// the weights.
type dispersion struct{ sum, weight float32 }

// Group is who a series is about: people are compared with people, since
// their surprises are more and of another size than those of programs.
type Group uint8

// The groups.
const (
	Workload Group = iota // a program, or the account as a whole
	Person
	groups
)

// NewCount returns the state of a series that has seen nothing. birth is the
// first minute of its identity, not of the series: that an API was not called
// since then is evidence.
func NewCount(birth Minute, g Group) Count {
	week, _ := hourOfWeek(birth / 60)
	return Count{birth: birth, cur: birth, call: birth, run: birth, base: uint16(week), group: min(g, groups-1)}
}

// SetGroup moves a series to a group: an identity may show only in time that it
// is a person.
func (c *Count) SetGroup(g Group) { c.group = min(g, groups-1) }

// Pending reports whether time alone can change something worth telling: an
// episode or a cluster of surprises is open.
func (c *Count) Pending() bool { return c.flags&(flagOpen|flagCluster) != 0 }

// Open reports whether an episode is open.
func (c *Count) Open() bool { return c.flags&flagOpen != 0 }

// Last is the last minute with a call, or the birth where there was none.
func (c *Count) Last() Minute { return c.call }

// Seasonal reports whether the hours of the week predict the series so much
// better than a flat rate that a user may be told: by more than 10 nats.
func (c *Count) Seasonal() bool { return c.season > 10 }

// young reports whether the identity is in its first day.
func (c *Count) young(m Minute) bool { return m-c.birth < dayMinutes }

// dispersed is the series' variance over its mean in a window, shrunk to g.
func (c *Count) dispersed(w int, g float64) float64 {
	d := c.disp[w]
	return max(1, (float64(d.sum)+g*0.5)/(float64(d.weight)+0.5))
}

// ownDispersion is the prior with which a series' dispersion is judged where
// the population has no say.
const ownDispersion = 1.5

// alarmed reports whether a window short of a day alarms about minute m: what
// it counts then is no noise.
func (c *Count) alarmed(m Minute) bool { return c.alarm > 0 && m-c.alarm < 30 }

// learnDispersion takes a count x where mu were expected. It is not told of the
// identity's first day, when nothing is known to differ from.
func (c *Count) learnDispersion(w int, x, mu float64) {
	if c.flags&flagShift != 0 {
		return // What is expected is on trial.
	}
	mu = max(mu, 1e-5)
	r := (x - mu) * (x - mu) / mu
	r = min(r, 12*c.dispersed(w, ownDispersion)+4)
	k := min(mu, 5)
	c.disp[w].sum += float32(r * k)
	c.disp[w].weight += float32(k)
}

// learnZeros takes n counts of zero where mu were expected in each.
func (c *Count) learnZeros(w int, n, mu float64) {
	if c.flags&flagShift != 0 {
		return
	}
	k := min(mu, 5)
	c.disp[w].sum += float32(n * k * mu)
	c.disp[w].weight += float32(n * k)
}

// learnSilence takes so many hours without a call where flat calls were expected
// in each, by the overall rate at their beginning. What is rare shows by its
// silences that it comes evenly; that a busy series stops says nothing of its
// noise.
func (c *Count) learnSilence(hours, flat float64) {
	const life = totalHalfLife / math.Ln2
	flat *= life / hours * (1 - math.Exp(-hours/life)) // The rate falls meanwhile.
	if hours <= 0 || c.flags&flagShift != 0 {
		return
	}
	for w, minutes := range windowMinutes {
		mu := flat * float64(minutes) / 60
		d, n := dispersionDecay, hours*60/float64(minutes)
		if w == windowDay {
			d = float64(hourOfDayDecay)
		}
		// So many counts of zero that fade by the hour.
		left := math.Pow(d, hours)
		n *= (1 - left) / (1 - d) / hours
		k := min(mu, 5) * n
		c.disp[w].sum = c.disp[w].sum*float32(left) + float32(k*min(mu, 1))
		c.disp[w].weight = c.disp[w].weight*float32(left) + float32(k)
	}
}

// advance moves the state to minute m: finished buckets and hours are learned.
// Hours without a call cost little, and past a day of them nothing.
func (c *Count) advance(f *Family, m Minute) {
	if m <= c.cur {
		return
	}
	if b := c.cur / 5; m/5 > b {
		if x := c.fives[b%12]; x != 0 && !c.young(c.cur) && !c.alarmed(c.cur) {
			c.learnDispersion(windowFive, unpack(x), 5*float64(c.rate))
		}
		for i := max(b+1, m/5-11); i <= m/5; i++ {
			c.fives[i%12] = 0
		}
	}
	for i := max(c.cur+1, m-4); i <= m; i++ {
		c.minutes[i%5] = 0
	}
	from, to := c.cur/60, m/60
	if from < to {
		c.closeHour(f, from, true)
		c.idle(f, from+1, to)
		c.before = c.rate
		c.rate = float32(c.hourRate(to))
		if c.flags&flagShift != 0 && to*60-c.shiftAt >= shiftTrial {
			c.reviewShift(to * 60)
		}
		c.sumDay(to)
	}
	c.cur = m
}

// closeHour learns the hour h, of which the state has the calls and the rate.
// Whether its count is noise too is for the caller to say: after a day without
// calls the series stopped.
func (c *Count) closeHour(f *Family, h int32, noise bool) {
	start := h * 60
	x, mu := float64(c.hour), 60*float64(c.rate)
	if c.rate == 0 { // Nothing was ever scored.
		mu = 60 * c.hourRate(h)
	}
	young := c.young(start)
	missing := float64(f.missing(start, start+60)) / 60
	limit := mu + 3*math.Sqrt(c.dispersed(windowHour, ownDispersion)*mu) + 2
	// An hour that is no surprise by itself counts in full in its day.
	learned, inDay := min(x, limit), min(x, limit+f.params.MinEffect/2)
	if young {
		learned = x // The first day is taken as it is.
	}
	if c.alarm > 0 && start-c.alarm < 60 {
		inDay = min(inDay, mu) // A shorter window explains the hour.
	}
	learned += mu * missing
	if c.flags&flagOpen != 0 {
		c.due += float32(mu / 60 * float64(min(60, start+60-c.from)))
	}
	if c.flags&flagShift != 0 {
		c.shiftN += float32(x)
		c.shiftExp += float32(mu * (1 - missing))
	}
	if missing == 0 && noise {
		c.learnSeason(h, x, mu)
		c.fade()
		if !young && (c.alarm == 0 || start-c.alarm >= 60) {
			c.learnDispersion(windowHour, x, mu)
		}
		if !young {
			c.learnZeros(windowMinute, float64(60-min(60, c.busy)), mu/60)
			c.learnZeros(windowFive, float64(12-min(12, c.busyFive)), mu/12)
		}
	}
	c.addProfile(h, learned)
	c.total = c.total*totalDecay + float32(learned)
	c.active *= totalDecay
	if x > 0 {
		c.active++
	}
	c.hours[h%24] = pack(inDay)
	c.expect[h%24] = pack(mu * (1 - missing) / expectUnit)
	if h%24 == 23 && !young && noise {
		c.sumDay(h + 1)
		first := (h + 1) % 24
		c.learnDispersion(windowDay, float64(c.day)+unpack(c.hours[first]),
			float64(c.dayExp)+unpack(c.expect[first])*expectUnit)
		for w := range c.disp {
			if c.disp[w].weight > 3 && !f.dry {
				f.pool(c).learnDispersion(w, c.dispersed(w, ownDispersion))
			}
		}
	}
	c.hour, c.busy, c.busyFive = 0, 0, 0
}

// fade lets the sums of dispersion age by an hour.
func (c *Count) fade() {
	d, day := float32(dispersionDecay), hourOfDayDecay
	for w := range c.disp {
		if w == windowDay {
			d = day
		}
		c.disp[w].sum *= d
		c.disp[w].weight *= d
	}
}

// hourOfDayDecay is dayDispersionDecay by the hour.
var hourOfDayDecay = float32(math.Pow(dayDispersionDecay, 1.0/24))

// totalDecay is what the overall count weighs an hour later.
var totalDecay = float32(math.Exp2(-1.0 / totalHalfLife))

// idle learns the hours from one up to, and without, another, in which nothing
// was called: the last day of them one by one, what was before in one step.
func (c *Count) idle(f *Family, from, to int32) {
	if from >= to {
		return
	}
	skip := to - 24
	noise := from >= skip
	if from < skip {
		n, at := float64(skip-from), from
		flat := 60 * c.flatRate(from)
		for h := range f.missingHours(from, skip) { // Gaps count as expected.
			c.total *= float32(math.Exp2(-float64(h-at) / totalHalfLife))
			at = h
			missing := float64(f.missing(h*60, h*60+60)) / 60
			x := 60 * c.hourRate(h) * missing
			c.addProfile(h, x)
			c.total += float32(x)
		}
		c.total *= float32(math.Exp2(-float64(skip-at) / totalHalfLife))
		c.learnSilence(n-float64(f.missing(from*60, skip*60))/60, flat)
		c.active *= float32(math.Exp2(-n / totalHalfLife))
		if c.flags&flagShift != 0 {
			c.shiftExp += float32(flat * (n - float64(f.missing(from*60, skip*60))/60))
		}
		from = skip
	}
	for h := from; h < to; h++ {
		c.rate = float32(c.hourRate(h))
		c.closeHour(f, h, noise)
	}
}

// sumDay sums the 23 whole hours before hour h.
func (c *Count) sumDay(h int32) {
	var x, mu float64
	for i := range c.hours {
		if int32(i) != h%24 {
			x += unpack(c.hours[i])
			mu += unpack(c.expect[i])
		}
	}
	c.day, c.dayExp = float32(x), float32(mu*expectUnit)
}

// Heir is the state of a series that goes on as this one does: with its profile
// and its surprises, and with nothing open.
func (c *Count) Heir() Count {
	h := *c
	h.flags &^= flagOpen | flagAdopted | flagAgain
	return h
}
