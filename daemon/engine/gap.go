package engine

import "github.com/insightd/insightd/models"

// A silence of a stream is a gap in the data, not quiet, where at least
// gapEvents were expected in it and it lasts gapMinutes or more: nobody stops
// everything at once, a trail does.
const (
	gapMinutes = 15
	gapEvents  = 30
)

// gauge learns how many events a stream sees in each hour of the week, to tell
// a gap from a quiet night. Past weeks count 0.7 of the next.
type gauge struct {
	hours [168]float32 // events
	seen  [168]float32 // hours
	total float32
	weeks float32
	hour  int32
	count float32
	begun bool
}

// hourOfWeek of a minute, Monday 00:00 UTC being 0. The Unix epoch was a Thursday.
func hourOfWeek(hour int32) int32 { return (hour + 72) % 168 }

// add counts n events in minute m.
func (g *gauge) add(m models.Minute, n float32) {
	g.to(m / 60)
	g.count += n
}

// to closes the hours before the given one.
func (g *gauge) to(hour int32) {
	if !g.begun {
		g.begun, g.hour = true, hour
		return
	}
	if hour-g.hour > 168*8 { // A silence of two months teaches nothing.
		g.hour, g.count = hour, 0
	}
	for ; g.hour < hour; g.hour++ {
		h := hourOfWeek(g.hour)
		g.hours[h] = g.hours[h]*0.7 + g.count
		g.seen[h] = g.seen[h]*0.7 + 1
		g.total = g.total*0.994 + g.count
		g.weeks = g.weeks*0.994 + 1
		g.count = 0
	}
}

// expected returns how many events a stream like this sees between two
// minutes. An hour that is not known is taken for a quarter of the average.
func (g *gauge) expected(from, to models.Minute) float64 {
	if g.weeks < 6 {
		return 0
	}
	return g.sum(from, to, 0.25)
}

// sum adds up the events of the hours between two minutes. An hour that is not
// known is taken for a share of the average.
func (g *gauge) sum(from, to models.Minute, unknown float64) float64 {
	average := float64(g.total) / float64(g.weeks)
	sum := 0.0
	for m := from; m < to; {
		next := min((m/60+1)*60, to)
		rate := unknown * average
		if h := hourOfWeek(m / 60); g.seen[h] > 0.5 {
			rate = min(float64(g.hours[h])/float64(g.seen[h]), average)
		}
		sum += rate * float64(next-m) / 60
		m = next
	}
	return sum
}

// due returns how many events a stream like this sees between two minutes, of
// the hours of the week that are known.
func (g *gauge) due(from, to models.Minute) float64 {
	if g.weeks == 0 {
		return 0
	}
	return g.sum(from, to, 0)
}

// gap reports whether no event from minute from to minute to is a gap.
func (g *gauge) gap(from, to models.Minute) bool {
	if to-from < gapMinutes {
		return false
	}
	if to-from > 3*1440 {
		return true
	}
	return g.expected(from, to) >= gapEvents
}
