package models

import (
	"iter"
	"math"
	"slices"
)

// Family is what the series of one stream and one kind share: parameters, the
// pools of surprises, the population's dispersion, and the gaps in the data.
// It is not safe for concurrent use.
type Family struct {
	params Params
	prior  *prior
	pools  [groups]pool
	gaps   gaps
	begin  Minute // the first minute that it was told of
	begun  bool
	kept   Minute // the last upkeep
	dry    bool   // nothing is to be learned
	away   gap    // when the identity of the next series was away
}

// NewFamily returns a family that knows only what it was shipped with.
func NewFamily(p Params) *Family { return newFamily(p, priors()[p.Name]) }

// newFamily returns a family with a prior; nil is one of which nothing is known.
func newFamily(p Params, shipped *prior) *Family {
	f := &Family{params: p, prior: shipped}
	if f.prior == nil {
		f.prior = &plainPrior
	}
	if f.params.Threshold == 0 {
		f.params.Threshold = DefaultThreshold
	}
	for g := range f.pools {
		for w := range f.pools[g].cells {
			for c := range f.pools[g].cells[w] {
				f.pools[g].cells[w][c].fit(&f.prior[g].cells[w][c])
			}
		}
	}
	return f
}

// Clone returns a copy that shares nothing that changes.
func (f *Family) Clone() *Family {
	g := *f
	g.gaps = slices.Clone(f.gaps)
	return &g
}

// pool is what the series of a series' group share.
func (f *Family) pool(c *Count) *pool { return &f.pools[c.group] }

// dispersed is the population's dispersion in a window. What was shipped weighs
// ten series.
func (f *Family) dispersed(c *Count, w int) float64 {
	p := f.pool(c)
	return math.Exp((p.logDisp[w] + priorSeries*math.Log(f.prior[c.group].dispersion[w])) / (p.disps[w] + priorSeries))
}

// cell is what they share in a window and a class, and what was shipped of it.
func (f *Family) cell(c *Count, w, class int) (*cell, *priorCell) {
	return &f.pools[c.group].cells[w][class], &f.prior[c.group].cells[w][class]
}

// Threshold is the F at which an episode starts.
func (f *Family) Threshold() float64 { return f.params.Threshold }

// SetThreshold sets the F at which an episode starts.
func (f *Family) SetThreshold(tau float64) { f.params.Threshold = tau }

// SetPotential sets how many series an identity could begin any day, such as
// the number of write APIs that are in use in the account.
func (f *Family) SetPotential(n float64) { f.params.Potential = n }

// AddGap tells that the account had no event at all from minute from up to, and
// without, minute to, though some were due. Gaps come in order of time; one
// that overlaps or touches the last makes it longer. A gap holds episodes open,
// and counts as what was expected.
func (f *Family) AddGap(from, to Minute) { f.gaps.add(from, to) }

// Add takes n, the final count of minute m, into the series and judges it.
// Minutes never go back for a series: an earlier one counts as the newest.
// who is nil for a series without an identity, and for kinds that are not about
// new things. While c is Pending, a caller that wants to be told of every end
// at its time calls Tick for the minutes between.
func (f *Family) Add(c *Count, who *Novelty, m Minute, n float64) Verdict {
	return f.add(c, who, m, n, false)
}

// AddErrors is Add for a series of errors, of which s has been told the minute.
// Where their share of the calls is no larger than usual the calls are the
// reason for the errors, and the count is learned and no surprise.
func (f *Family) AddErrors(c *Count, s *Share, who *Novelty, m Minute, n float64) Verdict {
	return f.add(c, who, m, n, !s.Doubled())
}

// add is Add; what is excused is only learned.
func (f *Family) add(c *Count, who *Novelty, m Minute, n float64, excused bool) Verdict {
	if !f.begun {
		f.begun, f.begin, f.kept = true, m, m
	}
	if c.flags&flagSeen == 0 {
		c.flags |= flagSeen
		c.class = who.class(c.birth, m)
		if !c.young(m) {
			// As if it had been seen to come evenly: that nobody of the identity
			// called it so far is evidence, and a burst of first calls counts in
			// full.
			for w := range c.disp {
				c.disp[w] = dispersion{evenWeight, evenWeight}
			}
		}
	}
	m = max(m, c.cur)
	if !(n > 0) {
		return f.Tick(c, who, m)
	}
	n = min(n, mostCalls)
	var v Verdict
	if c.flags&flagOpen != 0 && f.over(c, m-1) {
		f.end(c, &v)
		v.Change = Restarted
	}
	c.advance(f, m)
	if c.rate == 0 {
		c.rate = float32(c.hourRate(m / 60))
		c.before = c.rate
	}
	n = c.count(m, n)
	f.closeClusters(c, who, m)
	var s sight
	c.see(&s, m, n)
	best := -1
	for w := range s.f {
		if excused {
			break
		}
		s.tail[w], s.base[w], s.f[w] = f.judge(c, who, w, m, s.observed[w], s.expected[w])
		if s.tail[w] > 0 && (best < 0 || s.f[w] > s.f[best]) {
			best = w
		}
	}
	if best >= 0 && max(s.f[windowMinute], s.f[windowFive], s.f[windowHour]) >= alarmScore {
		c.alarm = m
	}
	if !c.young(m) && !c.alarmed(m) {
		c.learnDispersion(windowMinute, n, s.expected[windowMinute])
	}
	if best < 0 && c.flags&flagOpen == 0 {
		if v.Change == Restarted {
			v.Change = Ended
		}
		v.HistoryMinutes = int(m - c.birth)
		return v
	}
	ended := v
	if best >= 0 {
		f.tell(c, &s, &v, best, m)
		for w := range s.tail {
			if s.tail[w] > 0 {
				c.exceed(w, m, s.tail[w]-exceedance)
			}
		}
	}
	if s.whole > 0 && !excused {
		f.precede(c, &s, m)
	}
	v.HistoryMinutes = int(m - c.birth)
	v.Change, v.End = ended.Change, ended.End
	f.follow(c, &s, &v, m, n)
	switch v.Change {
	case Restarted:
		if c.flags&flagOpen == 0 { // No new one.
			v.Change, v.Start, v.End, v.Adopted = Ended, ended.Start, ended.End, ended.Adopted
		}
	case Started, Continues:
		if w := max(best, 0); best >= 0 {
			v.Upper = f.upper(c, who, w, m, s.expected[w])
		}
	}
	return v
}

// evenWeight is how much evidence of independent calls a series is given that
// begins after its identity's first day.
const evenWeight = 3

// mostCalls is the most calls that a minute is believed to have.
const mostCalls = 1e9

// count puts n calls of minute m into the rings, and returns all calls of the
// minute.
func (c *Count) count(m Minute, n float64) float64 {
	if m-c.call > quietBefore || c.call == c.birth {
		c.run = m
	}
	c.call = m
	c.hour += float32(n)
	one, five := &c.minutes[m%5], &c.fives[m/5%12]
	if *one == 0 {
		c.busy++
	}
	if *five == 0 {
		c.busyFive++
	}
	*five = pack(unpack(*five) + n)
	if *one != 0 {
		n += unpack(*one)
	}
	*one = pack(n)
	return n
}

// tell puts what window w shows into the verdict.
func (f *Family) tell(c *Count, s *sight, v *Verdict, w int, m Minute) {
	class, n := c.maturity(w, m)
	v.F, v.Window, v.Tail = max(0, s.f[w]), windowMinutes[w], s.tail[w]
	v.Observed, v.Expected = s.observed[w], s.expected[w]
	v.Clusters, v.Class = int(n+0.5), classNames[class]
	v.Parts = [3]Part{
		{"tail", s.tail[w]},
		{"pool", s.base[w] - s.tail[w]},
		{"gate", v.F - s.base[w]},
	}
}

// Tick tells a series that time has passed to the end of minute m without
// calls: clusters that are over close, an episode that is over ends. It costs
// next to nothing unless the series is Pending.
func (f *Family) Tick(c *Count, who *Novelty, m Minute) Verdict {
	var v Verdict
	if !c.Pending() || m <= c.cur {
		if c.flags&flagOpen != 0 {
			v.Change = Continues
			f.describe(c, &v)
		}
		return v
	}
	c.advance(f, m)
	f.closeClusters(c, who, m)
	v.HistoryMinutes = int(m - c.birth)
	switch {
	case c.flags&flagOpen == 0:
	case f.over(c, m):
		f.end(c, &v)
	default:
		v.Change = Continues
		f.describe(c, &v)
	}
	return v
}

// Peek judges n calls in minute m on a copy, and changes nothing.
func (f *Family) Peek(c Count, who Novelty, m Minute, n float64) Verdict {
	return f.Foresee(&c, &who, m, n)
}

// Foresee is Add for somebody who looks ahead on copies of his own: it moves
// the series on, and teaches the family nothing.
func (f *Family) Foresee(c *Count, who *Novelty, m Minute, n float64) Verdict {
	return f.foresee(c, who, m, n, false)
}

// ForeseeErrors is AddErrors likewise.
func (f *Family) ForeseeErrors(c *Count, s *Share, who *Novelty, m Minute, n float64) Verdict {
	return f.foresee(c, who, m, n, !s.Doubled())
}

func (f *Family) foresee(c *Count, who *Novelty, m Minute, n float64, excused bool) Verdict {
	begin, begun, kept := f.begin, f.begun, f.kept
	f.dry = true
	v := f.add(c, who, m, n, excused)
	f.dry = false
	f.begin, f.begun, f.kept = begin, begun, kept
	return v
}

// Advance is the pools' upkeep: clusters that are over close, and the time
// since the last upkeep becomes exposure of each series' class, and of the
// series that identities could have begun. live yields every live series of the
// family, with its identity's Novelty or nil. Every six hours of event time is
// often enough; before an hour has passed nothing is done.
func (f *Family) Advance(m Minute, live iter.Seq2[*Count, *Novelty]) {
	if !f.begun || m-f.kept < 60 {
		return
	}
	weeks := float64(m-f.kept) / weekMinutes
	var series [groups][windows][classes]float64
	var potential [groups][classes]float64
	for c, who := range live {
		if c.birth > m {
			continue
		}
		f.closeClusters(c, who, m)
		for w := range c.surprise {
			class, _ := c.maturity(w, m)
			series[c.group][w][class]++
		}
		if who != nil && who.mark < m {
			who.mark = m
			class := int(who.class(who.birth, m))
			if class == classCore {
				class = classFirst
			}
			potential[c.group][class] += f.params.Potential
			f.pool(c).identities += weeks
		}
	}
	for g := range series {
		for w := range series[g] {
			for class, n := range series[g][w] {
				if class == classFirst && m-f.begin < dayMinutes {
					continue
				}
				f.pools[g].cells[w][class].weeks += weeks * (n + potential[g][class])
			}
		}
	}
	f.kept = m
}
