package models

import "math"

// The maturity classes of a series: how much it, or failing that its identity,
// has surprised before. A series is compared with those of its class.
const (
	classFirst  = iota // the identity's first day
	classSteady        // no surprise yet; likewise, and busy in many hours of the day
	classCore          // no surprise yet; known since the identity's first day
	classRarely        // no surprise yet; the identity rarely begins something new
	classNow           // likewise, now and then
	classOften         // likewise, often
	classFew           // one or two surprises
	classSome          // three to nine
	classMany          // ten or more
	classes
)

var classNames = [classes]string{
	"first day of the identity",
	"no surprise yet, busy in many hours of the day",
	"no surprise yet, in use since the identity's first day",
	"no surprise yet, of an identity that rarely does anything new",
	"no surprise yet",
	"no surprise yet, of an identity that often does something new",
	"one or two surprises before",
	"three to nine surprises before",
	"ten or more surprises before",
}

const (
	// exceedance is the tail from which a window is surprised: p < 0.032.
	exceedance = 1.5
	// priorClusters is how many clusters the shipped tails weigh.
	priorClusters = 20
	// priorSurprises is how many clusters the shipped rates weigh, but for no more
	// than priorExposure, in series-weeks: what never happened where the priors
	// were fitted must not take years to be believed here. leastRate is the least
	// rate that is held possible, likewise.
	priorSurprises = 3
	priorExposure  = 30_000
	leastRate      = 1e-5
	// priorSeries is how many series the shipped dispersions weigh.
	priorSeries = 10
	// priorWeeks is how many weeks of identities the shipped habits weigh.
	priorWeeks = 4
	// tailClusters is how many of the largest clusters the pool's tail is
	// fitted to.
	tailClusters = 20
)

// The bins of excesses grow with the excess: edge k is 2·(e^{0.06k}−1).
const (
	excessBins = 96
	binWidth   = 0.06
	binScale   = 2.0
)

// size is the size of a cluster with the largest excess x: about x/2 where it is
// small, and its logarithm where it is large.
func size(x float64) float64 { return math.Log1p(x / binScale) }

var binEdges = func() (t [excessBins + 1]float64) {
	for k := range t {
		t[k] = binScale * math.Expm1(binWidth*float64(k))
	}
	return t
}()

// cell is what a family knows of the surprises of one class in one window.
type cell struct {
	n     float64 // clusters
	sum   float64 // their sizes
	sq    float64 // the squares of their sizes
	weeks float64 // exposure, in series-weeks
	bins  [excessBins]float32

	fitted float64 // n when curve was made
	curve  [excessBins + 1]float32
}

// learn takes the largest excess of a cluster, which counts for weight of one.
func (e *cell) learn(x, weight float64, p *priorCell) {
	z := size(x)
	e.n += weight
	e.sum += weight * z
	e.sq += weight * z * z
	e.bins[min(excessBins-1, int(z/binWidth))] += float32(weight)
	if e.n-e.fitted >= max(0.5, 0.02*e.fitted) {
		e.fit(p)
	}
}

// fit makes the curve: the log of the probability that a cluster's largest
// excess is above each edge. It is the share of clusters above, with an
// exponential tail fitted to the twenty largest, and with the shipped tail as
// so many clusters more.
func (e *cell) fit(p *priorCell) {
	// The edge above which the largest clusters lie, and their mean excess.
	k, above, sum := excessBins, 0.0, 0.0
	for k > 0 && above < tailClusters {
		k--
		above += float64(e.bins[k])
		sum += float64(e.bins[k]) * (binEdges[k] + binEdges[k+1]) / 2
	}
	mean := (sum-above*binEdges[k]+2)/(above+2) + 0.05
	count := e.n
	for i := range e.curve {
		n := count
		if i > k {
			n = above * math.Exp(-(binEdges[i]-binEdges[k])/mean)
		}
		e.curve[i] = float32(math.Log((n + priorClusters*p.tail(binEdges[i])) / (e.n + priorClusters)))
		if i < excessBins {
			count -= float64(e.bins[i])
		}
		if i > 0 {
			e.curve[i] = min(e.curve[i], e.curve[i-1])
		}
	}
	e.fitted = e.n
}

// tail is the probability that a cluster's largest excess is x or more.
func (e *cell) tail(x float64) float64 {
	if x <= 0 {
		return 1
	}
	at := size(x) / binWidth
	k := int(at)
	if k >= excessBins {
		// Beyond the last edge, at 630, on with the last slope.
		slope := float64(e.curve[excessBins]-e.curve[excessBins-1]) / (binEdges[excessBins] - binEdges[excessBins-1])
		return math.Exp(float64(e.curve[excessBins]) + slope*(x-binEdges[excessBins]))
	}
	share := (x - binEdges[k]) / (binEdges[k+1] - binEdges[k])
	return math.Exp(float64(e.curve[k]) + share*float64(e.curve[k+1]-e.curve[k]))
}

// rate is the clusters a series-week.
func (e *cell) rate(p *priorCell) float64 {
	rate := max(p.rate, leastRate)
	weeks := min(priorSurprises/rate, priorExposure)
	return (e.n + rate*weeks) / (e.weeks + weeks)
}

// moments are the mean and the mean square of the sizes of clusters.
func (e *cell) moments(p *priorCell) (mean, sq float64) {
	n := e.n + priorClusters
	return (e.sum + priorClusters*p.size) / n, (e.sq + priorClusters*p.square) / n
}

// pool is what the series of a family share.
type pool struct {
	cells [windows][classes]cell
	// logDisp and disps are the sum of the log dispersions of series, and how
	// many they are: their geometric mean is what a series' own is shrunk to.
	logDisp, disps [windows]float64
	// surprises and identities are days with a first surprise, and the weeks of
	// identities in which they fell.
	surprises, identities float64
}

// learnDispersion takes the dispersion of a series, one of many: the last
// thousand or so weigh.
func (p *pool) learnDispersion(w int, phi float64) {
	p.logDisp[w] += math.Log(phi)
	if p.disps[w]++; p.disps[w] > 4000 {
		p.logDisp[w] /= 2
		p.disps[w] /= 2
	}
}
