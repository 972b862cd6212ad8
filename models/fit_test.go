package models

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

var fit = flag.Bool("fit", false, "fit the shipped priors to generated traffic and print them")

// thinned keeps of every call whether it failed: few do, but for some series
// most.
func thinned(t *traffic, seed uint64) *traffic {
	g := &maker{Rand: rand.New(rand.NewPCG(seed, 5))}
	out := *t
	out.lines = nil
	for _, l := range t.lines {
		q := g.scaled(0.003, 0.1)
		if g.Float64() < 0.05 {
			q = g.uniform(0.2, 1)
		}
		e := line{who: l.who, api: l.api}
		for _, s := range l.samples {
			k := 0.0
			for range int(s.n) {
				if g.Float64() < q {
					k++
				}
			}
			if k > 0 {
				e.samples = append(e.samples, sample{s.m, k})
			}
		}
		if len(e.samples) > 0 {
			out.lines = append(out.lines, e)
		}
	}
	out.incidents = nil
	return &out
}

// TestFitPrior prints the tables of prior.go when asked to.
func TestFitPrior(t *testing.T) {
	if !*fit {
		t.Skip("run with -fit to fit the shipped priors")
	}
	for _, kind := range []string{"callsPrior", "errorsPrior"} {
		var sum [windows][classes]cell
		for seed := uint64(1001); seed <= 1006; seed++ {
			tr := generate(seed, 35, false)
			p := Calls()
			if kind == "errorsPrior" {
				tr, p = thinned(tr, seed), Errors()
			}
			p.prior = nil
			o := replay(tr, p)
			for w := range sum {
				for c := range sum[w] {
					e := &o.family.pools[Workload].cells[w][c]
					sum[w][c].n += e.n
					sum[w][c].weeks += e.weeks
					sum[w][c].sum += e.sum
					for i, b := range e.bins {
						sum[w][c].bins[i] += b
					}
				}
			}
		}
		var b strings.Builder
		fmt.Fprintf(&b, "var %s = prior{\n", kind)
		for w := range sum {
			b.WriteString("\t{\n")
			for c := range sum[w] {
				p := fitCell(pooled(sum[w][:], c))
				fmt.Fprintf(&b, "\t\t{%.4g, %.3g, %.3g, %.3g, %.3g, %.3g}, // %s: %.0f clusters\n", p.rate, p.size, p.exp, p.heavy, p.scale, p.shape, classNames[c], sum[w][c].n)
			}
			b.WriteString("\t},\n")
		}
		b.WriteString("}\n")
		t.Log("\n" + b.String())
	}
}

// pooled is a class with what its neighbours know where it has few clusters.
func pooled(cells []cell, c int) *cell {
	near := map[int][]int{
		classFirst: {classCore}, classSteady: {classCore}, classRarely: {classNow, classOften}, classNow: {classRarely, classOften},
		classOften: {classRarely, classNow}, classMany: {classSome},
	}
	out := cells[c]
	if out.n >= 30 {
		return &out
	}
	var parent cell
	for _, i := range append(near[c], c) {
		parent.n += cells[i].n
		parent.weeks += cells[i].weeks
		parent.sum += cells[i].sum
		for b, v := range cells[i].bins {
			parent.bins[b] += v
		}
	}
	// As if five clusters at the neighbours' rate had been seen as well.
	k := 5 / max(parent.n, 5)
	out.n += k * parent.n
	out.weeks += k * parent.weeks
	out.sum += k * parent.sum
	for b := range out.bins {
		out.bins[b] += float32(k) * parent.bins[b]
	}
	return &out
}

// fitCell fits the mixture to the clusters by least squares of logs.
func fitCell(e *cell) priorCell {
	best := priorCell{rate: (e.n + 0.5) / (e.weeks + 1), size: (e.sum + 0.6) / (e.n + 1)}
	loss := math.Inf(1)
	for _, exp := range []float64{0.3, 0.5, 0.8, 1.2, 2, 4} {
		for _, heavy := range []float64{0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.98} {
			for _, scale := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256} {
				for _, shape := range []float64{1, 1.5, 2, 3, 4, 6, 8} {
					p := priorCell{exp: exp, heavy: heavy, scale: scale, shape: shape}
					sum, above := 0.02*math.Abs(math.Log(exp))+0.02*shape, e.n
					for i := range excessBins {
						if want := above / e.n; i > 0 && above >= min(1, 0.05*e.n) {
							d := math.Log(p.tail(binEdges[i])) - math.Log(want)
							sum += d * d * above / (above + 3)
						}
						above -= float64(e.bins[i])
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
