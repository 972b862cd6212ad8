package models

import "math"

const (
	// leastExpected is the least that is ever expected in a window, in calls.
	leastExpected = 1e-6
	// mostTail bounds tails that no count has.
	mostTail = 1e9
	// ownClusters is from how many clusters on a series is judged by its own.
	ownClusters = 1.5
	// ownPrior is how many clusters of the pool weigh beside a series' own.
	ownPrior = 3
	// habitPrior is how many surprises of an identity like any other weigh
	// beside an identity's own.
	habitPrior = 1
	// pooledTail is the share of the pool's tail in a series' own.
	pooledTail = 0.03
	// gateTail is the tail at which the gate for the enormous grants gateBase;
	// each doubling grants one more.
	gateTail = 23
	// gateRuns is how much a surprise in a series that is nearly all surprises
	// takes from what the gate grants: the logarithm of so many times their share.
	gateRuns = 20
	// unbegun is how many more series an identity could begin than it has. They
	// all count as exposure, but false insights are told by the series there are.
	unbegun = 2.5
)

// gateBase is what the gate grants at gateTail, by window. Few legitimate bursts
// are long and low, so the day's is higher.
var gateBase = [windows]float64{1, 1, 1, 1.75}

// log4 pays for taking the largest of four windows.
var log4 = math.Log10(windows)

// sight is what is seen in the windows that end with a minute.
type sight struct {
	observed, expected [windows]float64
	// tail, base and f are, for each window that exceeds, -log10 of the count's
	// probability, the score, and the score with the gate; else 0.
	tail, base, f [windows]float64
	// whole is what the day saw with what a shorter window explains of it; 0
	// where that explains nothing.
	whole float64
}

// see counts the windows that end with minute m, in which n calls fell. The
// rings have the calls already. The rings are coarse, so the longer windows end
// with m and begin up to a bucket late; what is expected is for the same time.
func (c *Count) see(s *sight, m Minute, n float64) {
	rate, before := float64(c.rate), float64(c.before)
	in := m%60 + 1 // minutes of this hour
	s.observed[windowMinute], s.expected[windowMinute] = n, rate
	five, hour := 0.0, 0.0
	for _, v := range c.minutes {
		five += unpack(v)
	}
	for _, v := range c.fives {
		hour += unpack(v)
	}
	span := func(minutes Minute) float64 {
		now := min(minutes, in)
		return rate*float64(now) + before*float64(minutes-now)
	}
	s.observed[windowFive], s.expected[windowFive] = five, span(5)
	s.observed[windowHour], s.expected[windowHour] = hour, span(56+m%5)
	mine, due := float64(c.hour), rate*float64(in)
	if c.alarm > 0 && m-c.alarm < 60 && c.alarm < m {
		s.whole = float64(c.day) + mine
		mine = min(mine, due) // A shorter window explains the hour.
	}
	s.observed[windowDay], s.expected[windowDay] = float64(c.day)+mine, float64(c.dayExp)+due
}

// maturity is the class of a series in a window, with its clusters as they weigh
// in minute m.
func (c *Count) maturity(w int, m Minute) (class int, n float64) {
	if p := &c.surprise[w]; p.n > 0 {
		n = float64(p.n)
		if m > p.end {
			n *= math.Exp2(-float64(m-p.end) / surpriseHalfLife)
		}
	}
	switch {
	case n >= 9.5:
		class = classMany
	case n >= 2.5:
		class = classSome
	case n >= 0.5:
		class = classFew
	case c.young(m):
		class = classFirst
	case c.class == classCore && c.steady(m):
		class = classSteady
	case c.active > newHours:
		class = classCore // It is new no more.
	default:
		class = int(c.class)
	}
	return class, n
}

// newHours is for how many hours with calls a series is new. What was never used
// is one of many that could be begun, so its surprises are rare by the series
// that could be; once it is in use it is one of those that are.
const newHours = 30

// steadyShare is the share of hours with calls from which a series is steady,
// and steadyAfter for how long it must be known: most first surprises are those
// of a series whose hours are not learned yet.
const (
	steadyShare = 0.2
	steadyAfter = 6 * dayMinutes
)

// steady reports whether the series has calls in many hours of the day.
func (c *Count) steady(m Minute) bool {
	return m-c.birth >= steadyAfter && float64(c.active)*60 > steadyShare*c.minutesSeen(m/60)
}

// weeks is how long the series is known in minute m, as its surprises weigh.
func (c *Count) weeks(m Minute) float64 {
	const life = surpriseHalfLife / weekMinutes / math.Ln2
	return life*(1-math.Exp2(-float64(m-c.birth)/surpriseHalfLife)) + 0.05
}

// judge scores the count x in a window that ends with minute m.
func (f *Family) judge(c *Count, who *Novelty, w int, m Minute, x, mu float64) (tail, base, score float64) {
	mu = max(mu, leastExpected)
	if x-mu < f.params.MinEffect {
		return 0, 0, 0
	}
	phi := c.dispersed(w, f.dispersed(c, w))
	if x <= mu+0.8*math.Sqrt(mu*phi) { // Surely no exceedance.
		return 0, 0, 0
	}
	tail = min(nbTail(x, mu, phi), mostTail)
	if !(tail > exceedance) { // Nor where a damaged state made it no number.
		return 0, 0, 0
	}
	n, rarity := f.rarity(c, who, w, m, tail-exceedance)
	base = max(0, rarity)
	score = base
	if f.params.Gate && !c.young(m) {
		raw := min(nbTail(x, mu, c.dispersed(w, ownDispersion)), mostTail)
		score = max(score, gateBase[w]+math.Log2(raw/gateTail)-math.Log2(1+gateRuns*n/(float64(c.active)+1)))
	}
	return tail, base, score
}

// rarity is -log10 of how many clusters with such an excess or a larger one are
// expected in a week of the series, less what is paid for the windows; and the
// series' own clusters.
func (f *Family) rarity(c *Count, who *Novelty, w int, m Minute, excess float64) (n, rarity float64) {
	class, n := c.maturity(w, m)
	e, p := f.cell(c, w, class)
	s, rate := e.tail(excess), e.rate(p)
	if n < ownClusters {
		rate *= f.habit(c, who, m)
		if class == classRarely || class == classNow || class == classOften {
			rate *= unbegun
		}
	} else {
		mean, variance := c.sizes(w, n, e, p)
		s = (1-pooledTail)*gammaTail(size(excess), mean, variance) + pooledTail*s
		rate = (n + 1) / (c.weeks(m) + 1/rate)
	}
	return n, -math.Log10(max(rate*s, tiny)) - log4
}

// sizes are the mean and the variance of the sizes of a series' clusters, shrunk
// to those of its class.
func (c *Count) sizes(w int, n float64, e *cell, p *priorCell) (mean, variance float64) {
	q := &c.surprise[w]
	k := n / float64(q.n)
	mean, sq := e.moments(p)
	pooled := sq - mean*mean
	mean = (float64(q.sum)*k + ownPrior*mean) / (n + ownPrior)
	own := float64(q.sq)*k - float64(q.sum)*k*float64(q.sum)/float64(q.n)
	return mean, (max(0, own) + ownPrior*pooled) / (n + ownPrior)
}

// habit is how much more often than others an identity's series surprise for
// the first time.
func (f *Family) habit(c *Count, who *Novelty, m Minute) float64 {
	if who == nil {
		return 1
	}
	p := f.pool(c)
	mean := (p.surprises + priorWeeks*f.prior[c.group].habit) / (p.identities + priorWeeks)
	weeks := surpriseHalfLife / weekMinutes / math.Ln2 * (1 - math.Exp2(-float64(m-who.birth)/surpriseHalfLife))
	return (who.known(m) + habitPrior) / (weeks*mean + habitPrior)
}

// upper is the least count in a window at which the score reaches the
// threshold.
func (f *Family) upper(c *Count, who *Novelty, w int, m Minute, mu float64) float64 {
	return least(math.Ceil(mu+f.params.MinEffect), func(x float64) bool {
		_, _, score := f.judge(c, who, w, m, x, mu)
		return score >= f.params.Threshold
	})
}

// closeCluster ends an open cluster: it is one surprise more, and the pool of
// its class learns its largest excess in full.
func (f *Family) closeCluster(c *Count, who *Novelty, w int) {
	p := &c.surprise[w]
	class, n := c.maturity(w, p.end)
	e, prior := f.cell(c, w, class)
	x, own := float64(p.max), float64(p.max)
	p.max = 0
	if w == windowDay {
		own, c.whole = max(own, float64(c.whole)), 0
	}
	weight := f.innocence(c, who, w, p.end, x)
	if x <= explained { // The pool of days learns nothing from shorter windows.
		weight = 0
	}
	z := size(own)
	if n >= ownClusters {
		mean, variance := c.sizes(w, n, e, prior)
		z = min(z, mean+3*math.Sqrt(variance))
	}
	if c.young(p.end) {
		// On a stream's first day everybody seems new. And what surprises
		// before anything is known of a series says nothing of it.
		if c.birth-f.begin >= dayMinutes && !f.dry && weight > 0 {
			e.learn(x, weight, prior)
		}
		return
	}
	if !f.dry && weight > 0 {
		e.learn(x, weight, prior)
	}
	if who != nil && n < ownClusters && who.surprise(p.end) && !f.dry {
		f.pool(c).surprises++
	}
	p.n++
	p.sum += float32(z)
	p.sq += float32(z * z)
}

// trueRate is how many clusters a series-week are taken to be what an insight is
// for, rather than chance.
const trueRate = 1e-3

// leastInnocence is what a cluster counts for at the least: where much that
// surprises is harmless after all, the pool has to find out.
const leastInnocence = 0.1

// innocence is the probability that a cluster is chance and belongs into the
// pool: where fewer of its size are expected than there are true ones, it
// mostly is one of these.
func (f *Family) innocence(c *Count, who *Novelty, w int, m Minute, excess float64) float64 {
	if f.params.Clean {
		return 1
	}
	_, rarity := f.rarity(c, who, w, m, excess)
	return max(leastInnocence, 1/(1+trueRate*math.Pow(10, min(rarity+log4, 300))))
}

// closeClusters ends the clusters that are over in minute m.
func (f *Family) closeClusters(c *Count, who *Novelty, m Minute) {
	if c.flags&flagCluster == 0 {
		return
	}
	open := false
	for w := range c.surprise {
		if p := &c.surprise[w]; p.max > 0 {
			if m-p.end > clusterGap[w] {
				f.closeCluster(c, who, w)
			} else {
				open = true
			}
		}
	}
	if !open {
		c.flags &^= flagCluster
	}
}

// explained is the excess that the day is given where a shorter window explains
// all of it: enough to have a cluster open.
const explained = 1e-6

// precede notes what the day that ends with minute m would exceed by with what a
// shorter window explains. That starts nothing; but a burst is a precedent for
// the next one in every window that will see it.
func (f *Family) precede(c *Count, s *sight, m Minute) {
	mu := max(s.expected[windowDay], leastExpected)
	if s.whole-mu < f.params.MinEffect {
		return
	}
	if tail := min(nbTail(s.whole, mu, c.dispersed(windowDay, f.dispersed(c, windowDay))), mostTail); tail > exceedance {
		c.whole = max(c.whole, float32(tail-exceedance))
		c.exceed(windowDay, m, explained)
	}
}

// again reports whether what window w sees is no more than what its open cluster
// has seen, of which an episode has told already: a cluster is one surprise.
func (c *Count) again(s *sight, w int) bool {
	p := &c.surprise[w]
	seen := p.max
	if w == windowDay {
		seen = max(seen, c.whole)
	}
	return c.carried > 0 && float32(s.tail[w]-exceedance) < seen
}

// exceed notes that a window ending with minute m exceeds.
func (c *Count) exceed(w int, m Minute, excess float64) {
	p := &c.surprise[w]
	if p.n > 0 && m > p.end {
		k := float32(math.Exp2(-float64(m-p.end) / surpriseHalfLife))
		p.n *= k
		p.sum *= k
		p.sq *= k
	}
	c.flags |= flagCluster
	p.max = max(p.max, float32(excess))
	p.end = m
}
