package models

import "math"

// An episode is what a series is in while it is unusual: from a score at the
// threshold until it has been without half of that for a while.

const (
	// holdShort, holdHour and holdDay are for how many minutes an episode
	// outlives quiet, by the window that carried it last.
	holdShort = 15
	holdHour  = 30
	holdDay   = 120
	// againWithin is for how long an episode after another one is the same
	// happening once more, and holdAgain for how many minutes it then outlives
	// quiet: a job that runs every two hours and does more than it did is one
	// episode, and becomes the new level.
	againWithin = 720
	holdAgain   = 180
	// quietBefore is the quiet after which calls are a new run, in minutes.
	quietBefore = 30
	// carryShare is the share of a window's mean excess that its newest part
	// must have for the window to carry an episode on: a burst stays in the
	// hour's window for an hour after its end.
	carryShare = 0.25
	// shiftAfter is how long an episode lasts until it is taken as the new
	// level, and shiftAfterDay where only the window of a day sees it.
	shiftAfter    = 720
	shiftAfterDay = 1440
	// shiftTrial is for how long a new level is on trial, in minutes.
	shiftTrial = 720
	// shiftLimit is how much at most a level can rise at once, shiftLeast how
	// much it must.
	shiftLimit = 30
	shiftLeast = 1.3
	// shiftEvidence is how many calls the trial must expect to be decided.
	shiftEvidence = 10
	// alarmScore is the score from which an hour is held to be explained.
	alarmScore = 2.5
)

// carries reports whether what is seen with minute m carries an episode on, and
// for how long it then outlives quiet.
func (f *Family) carries(c *Count, s *sight, m Minute) (hold uint8, ok bool) {
	half := f.params.Threshold / 2
	newest := func(part, whole int, units float64) bool {
		excess := s.observed[whole] - s.expected[whole]
		return s.observed[part]-s.expected[part] >= carryShare*excess/units
	}
	if s.f[windowMinute] >= half || s.f[windowFive] >= half && newest(windowMinute, windowFive, 5) {
		return holdShort, true
	}
	// How long it may have gone on: the excess may be all from within that.
	age := float64(m-c.run) + 1
	if c.flags&flagOpen != 0 {
		age = min(age, float64(m-c.open)+1)
	}
	if s.f[windowHour] >= half && newest(windowFive, windowHour, max(1, min(60, age)/5)) {
		return holdHour, true
	}
	// The newest hour may itself only remember: its own newest part has to show
	// that it goes on.
	if s.f[windowDay] >= half && newest(windowHour, windowDay, max(1, min(dayMinutes, age)/60)) &&
		newest(windowFive, windowHour, max(1, min(60, age)/5)) {
		return holdDay, true
	}
	return 0, false
}

// begin is the minute in which what window w sees in minute m began: the start
// of the run of buckets that is likeliest at the window's rate rather than at
// the expected one, and no earlier than the calls' own run.
func (c *Count) begin(s *sight, w int, m Minute) Minute {
	width := Minute(windowMinutes[w])
	high := s.observed[w] / float64(width)
	low := max(s.expected[w]/float64(width), 1e-9)
	if high <= low {
		return m
	}
	even := (high - low) / math.Log(high/low) // A bucket at this rate favours neither.
	start, best, sum := m, 0.0, 0.0
	try := func(at, minutes Minute, n float64) {
		sum += n - even*float64(minutes)
		if n > 0 && sum >= best {
			start, best = at, sum
		}
	}
	switch w {
	case windowMinute, windowFive:
		for i := m; i > m-5 && i >= 0; i-- {
			try(i, 1, unpack(c.minutes[i%5]))
		}
		return max(start, min(c.run, m))
	case windowHour:
		for b := m / 5; b > m/5-12 && b >= 0; b-- {
			try(b*5, min(5, m-b*5+1), unpack(c.fives[b%12]))
		}
		return c.sharpen(start, 5, m)
	}
	h := m / 60
	try(h*60, m%60+1, float64(c.hour))
	for h--; h > m/60-24 && h >= 0; h-- {
		try(h*60, 60, unpack(c.hours[h%24]))
	}
	if start = c.sharpen(start, 60, m); m-start < 56 {
		for b := start / 5; b <= m/5; b++ {
			if c.fives[b%12] != 0 {
				return c.sharpen(max(start, b*5), 5, m)
			}
		}
	}
	return start
}

// sharpen finds the minute of the first call in a bucket, where it is known.
func (c *Count) sharpen(start, width, m Minute) Minute {
	if c.run >= start {
		return min(c.run, m)
	}
	if end := start + width; start > m-5 {
		for i := start; i < min(end, m+1); i++ {
			if c.minutes[i%5] != 0 {
				return i
			}
		}
	}
	return start
}

// over reports whether the open episode is over once minute m has passed: it
// was quiet for long enough, gaps in the data left out.
func (f *Family) over(c *Count, m Minute) bool {
	if m-c.carried < Minute(c.hold) {
		return false
	}
	return m-c.carried-f.missing(c.carried+1, m+1) >= Minute(c.hold)
}

// follow moves the episode of a series on by minute m, in which n calls were
// seen, and completes the verdict.
func (f *Family) follow(c *Count, s *sight, v *Verdict, m Minute, n float64) {
	hold, carried := f.carries(c, s, m)
	open := c.flags&flagOpen != 0
	switch {
	case open && carried:
		c.carried = m
		c.hold = hold
		if c.flags&flagAgain != 0 {
			c.hold = holdAgain
		}
		c.calls += float32(n)
		v.Change = Continues
	case open && f.over(c, m):
		f.end(c, v)
		return
	case open:
		c.calls += float32(n)
		v.Change = Continues
	case carried && v.F >= f.params.Threshold: // What only lingers in a window starts nothing.
		w := f.deciding(s)
		if c.again(s, w) {
			return
		}
		again := c.carried > 0 && m-c.carried < againWithin
		c.flags = c.flags&^(flagAdopted|flagAgain) | flagOpen
		c.open, c.from, c.carried = c.begin(s, w, m), m, m
		if c.hold = hold; !carried {
			c.hold = [windows]uint8{holdShort, holdShort, holdHour, holdDay}[w]
		}
		if again {
			c.flags |= flagAgain
			c.hold = holdAgain
		}
		c.calls, c.due = float32(n), -c.rate*float32(m%60)
		if v.Change != Restarted {
			v.Change = Started
		}
	default:
		return
	}
	f.adopt(c, s, m)
	f.describe(c, v)
}

// deciding is the window with the highest score.
func (f *Family) deciding(s *sight) int {
	best := 0
	for w := range s.f {
		if s.f[w] > s.f[best] {
			best = w
		}
	}
	return best
}

// describe puts the open episode into the verdict.
func (f *Family) describe(c *Count, v *Verdict) {
	v.Start = c.open
	if v.Change != Restarted {
		v.End = c.carried
	}
	v.Adopted = c.flags&flagAdopted != 0
}

// end ends the open episode.
func (f *Family) end(c *Count, v *Verdict) {
	v.Change = Ended
	f.describe(c, v)
	c.flags &^= flagOpen | flagAdopted
}

// adopt takes an episode that lasts as the series' new level: the profile is
// raised, its shape kept.
func (f *Family) adopt(c *Count, s *sight, m Minute) {
	after := Minute(shiftAfter)
	if m-c.alarm > holdDay {
		after = shiftAfterDay
	}
	if m-c.open < after || m-c.from < shiftAfter || c.flags&flagShift != 0 {
		return
	}
	due := float64(c.due) + float64(c.rate)*float64(m%60+1)
	by := min(shiftLimit, float64(c.calls)/max(due, 0.05))
	if by < shiftLeast {
		return
	}
	c.scale(by)
	c.flags |= flagShift | flagAdopted
	c.shiftAt, c.shiftBy = m, float32(by)
	c.shiftN, c.shiftExp = 0, -c.rate*float32(m%60+1) // The hour under way is not all new.
	c.shiftN = -c.hour
	c.from, c.calls, c.due = m, 0, -c.rate*float32(m%60)
}

// reviewShift undoes a level shift when the calls fell back during its trial,
// and else makes it final. minute is the start of an hour.
func (c *Count) reviewShift(minute Minute) {
	if c.shiftExp < shiftEvidence && minute-c.shiftAt < 6*shiftTrial {
		return // Too little was due to tell; at night, say.
	}
	c.flags &^= flagShift
	// The geometric mean of the old and the new level lies between.
	if float64(c.shiftN) < float64(c.shiftExp)/math.Sqrt(float64(c.shiftBy)) {
		c.scale(1 / float64(c.shiftBy))
	}
}

// scale multiplies everything that is expected.
func (c *Count) scale(by float64) {
	c.profile.scale(by)
	for i, v := range c.expect {
		c.expect[i] = pack(unpack(v) * by)
	}
	c.total *= float32(by)
	c.rate *= float32(by)
	c.before *= float32(by)
	c.dayExp *= float32(by)
}
