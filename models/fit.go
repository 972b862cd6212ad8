package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// FitPriors fits what families are shipped with to families that have seen
// traffic, and returns the contents of priors.json. Families of one name, such
// as those of several accounts, are taken together. The traffic is to have
// nothing in it that an insight is for, and the families are to be Clean. The
// same families in the same order give the same bytes.
func FitPriors(families []*Family) ([]byte, error) {
	var names []string
	seen := map[string]*[groups]pool{}
	for _, f := range families {
		name := f.params.Name
		if name == "" {
			return nil, errors.New("fitting priors: a family has no name")
		}
		if seen[name] == nil {
			seen[name] = new([groups]pool)
			names = append(names, name)
		}
		for g := range f.pools {
			seen[name][g].merge(&f.pools[g])
		}
	}
	if len(names) == 0 {
		return nil, errors.New("fitting priors: no families; the traffic has no events that are modelled")
	}
	out := priorFile{Families: map[string]map[string]priorText{}}
	for _, name := range names {
		out.Families[name] = map[string]priorText{}
		for g := range seen[name] {
			out.Families[name][groupNames[g]] = fitPool(&seen[name][g], &seen[name][1-g])
		}
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return nil, fmt.Errorf("fitting priors: %w", err)
	}
	return append(rows.ReplaceAllFunc(b, oneLine), '\n'), nil
}

// merge adds what another pool has learned.
func (p *pool) merge(q *pool) {
	for w := range p.cells {
		for c := range p.cells[w] {
			p.cells[w][c].merge(&q.cells[w][c], 1)
		}
		p.logDisp[w] += q.logDisp[w]
		p.disps[w] += q.disps[w]
	}
	p.surprises += q.surprises
	p.identities += q.identities
}

func (e *cell) merge(o *cell, weight float64) {
	e.n += weight * o.n
	e.sum += weight * o.sum
	e.sq += weight * o.sq
	e.weeks += weight * o.weeks
	for i, b := range o.bins {
		e.bins[i] += float32(weight) * b
	}
}

// fitPool fits the prior of a group. other is the pool of the other group, which
// speaks where this one has seen next to nothing.
func fitPool(p, other *pool) priorText {
	var out priorText
	for w := range p.cells {
		for c := range p.cells[w] {
			out.Cells[w][c] = rowOf(fitCell(borrowed(&p.cells[w], &other.cells[w], c)))
		}
		out.Dispersion[w] = figures(math.Exp((p.logDisp[w] + 1) / (p.disps[w] + 1)))
	}
	out.Habit = figures((p.surprises + 0.25) / (p.identities + 1))
	return out
}

const (
	// fewClusters is from how many clusters a class is fitted by itself.
	fewClusters = 30
	// borrowedClusters is how many of its neighbours' a class with fewer takes
	// in, at their rate.
	borrowedClusters = 5
)

// neighbours are the classes that a class with few clusters borrows from.
var neighbours = [classes][]int{
	classFirst: {classCore}, classSteady: {classCore}, classCore: {classSteady},
	classRarely: {classNow, classOften}, classNow: {classRarely, classOften}, classOften: {classRarely, classNow},
	classFew: {classSome}, classSome: {classFew}, classMany: {classSome},
}

// borrowed is a class with what its neighbours know where it has few clusters,
// and where they have none either, with what the other group knows.
func borrowed(cells, other *[classes]cell, c int) *cell {
	out := cells[c]
	if out.n >= fewClusters {
		return &out
	}
	var near cell
	for _, i := range append([]int{c}, neighbours[c]...) {
		near.merge(&cells[i], 1)
	}
	if near.n < borrowedClusters {
		for _, i := range append([]int{c}, neighbours[c]...) {
			near.merge(&other[i], 1)
		}
	}
	out.merge(&near, borrowedClusters/max(near.n, borrowedClusters))
	return &out
}

// fitCell fits the mixture of an exponential and a Lomax distribution to the
// clusters by least squares of the logarithms of their survival function.
func fitCell(e *cell) priorCell {
	best := priorCell{
		rate: (e.n + 0.5) / (e.weeks + 1),
		size: (e.sum + 0.6) / (e.n + 1), square: (e.sq + 0.6) / (e.n + 1),
	}
	best.square = max(best.square, 1.02*best.size*best.size)
	if e.n == 0 { // Nobody ever surprised.
		plain := plainPrior[Workload].cells[windowMinute][classCore]
		best.exp, best.heavy, best.scale, best.shape = plain.exp, plain.heavy, plain.scale, plain.shape
		return best
	}
	loss := math.Inf(1)
	for _, exp := range []float64{0.3, 0.5, 0.8, 1.2, 2, 4, 8} {
		for _, heavy := range []float64{0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.98} {
			for _, scale := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256} {
				for _, shape := range []float64{1, 1.5, 2, 3, 4, 6, 8} {
					p := priorCell{exp: exp, heavy: heavy, scale: scale, shape: shape}
					// Where there are few clusters, the shorter tail is held for true.
					sum, above := 0.02*math.Abs(math.Log(exp))-0.02*shape+0.02*math.Log(scale), e.n
					for i := range excessBins {
						if i > 0 && above >= min(1, 0.05*e.n) {
							d := math.Log(p.tail(binEdges[i])) - math.Log(above/e.n)
							sum += d * d * above / (above + 3)
						}
						above -= float64(e.bins[i])
						if sum >= loss {
							break
						}
					}
					if sum < loss {
						loss = sum
						best.exp, best.heavy, best.scale, best.shape = exp, heavy, scale, shape
					}
				}
			}
		}
	}
	return best
}
