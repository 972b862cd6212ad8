package models

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"sync"
)

// priorCell is what a family is shipped with for one group, class and window:
// the clusters a series-week, the mean and the mean square of their sizes, and
// the tail of their excesses as a mixture of an exponential and a Lomax
// distribution, which has a far heavier tail.
type priorCell struct {
	rate   float64
	size   float64 // mean size of clusters
	square float64 // mean of the squares of their sizes
	exp    float64 // mean of the exponential part
	heavy  float64 // share of the Lomax part
	scale  float64 // of the Lomax part
	shape  float64 // of the Lomax part
}

// tail is the probability that an excess is x or more.
func (p *priorCell) tail(x float64) float64 {
	return (1-p.heavy)*math.Exp(-x/p.exp) + p.heavy*math.Pow(1+x/p.scale, -p.shape)
}

// prior is what a family is shipped with.
type prior [groups]struct {
	cells      [windows][classes]priorCell
	dispersion [windows]float64 // of the population
	habit      float64          // days with a first surprise, an identity and week
}

// plainPrior is that of a family of which nothing is known.
var plainPrior = func() (p prior) {
	for g := range p {
		for w := range p[g].cells {
			p[g].dispersion[w] = math.E
			for c := range p[g].cells[w] {
				p[g].cells[w][c] = priorCell{rate: 0.5, size: 0.6, square: 0.72, exp: 1.2, heavy: 0.3, scale: 4, shape: 1.5}
			}
		}
		p[g].habit = 0.25
	}
	return p
}()

// priorJSON is what families are shipped with. FitPriors makes it.
//
//go:embed priors.json
var priorJSON []byte

// priors are the shipped priors by the families' names.
var priors = sync.OnceValue(func() map[string]*prior {
	p, err := readPriors(priorJSON)
	if err != nil {
		panic(err) // The file is part of the program, and a test reads it.
	}
	return p
})

// priorFile is priors.json.
type priorFile struct {
	Families map[string]map[string]priorText `json:"families"`
}

// priorText is the prior of a group. Each row is rate, size, square, exp, heavy,
// scale, shape; rows are in order of windows and classes.
type priorText struct {
	Dispersion [windows]float64             `json:"dispersion"`
	Habit      float64                      `json:"habit"`
	Cells      [windows][classes][7]float64 `json:"cells"`
}

var groupNames = [groups]string{"workload", "person"}

// readPriors reads priors.json and checks that it can be computed with.
func readPriors(b []byte) (map[string]*prior, error) {
	var file priorFile
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("reading the shipped priors: %w", err)
	}
	out := map[string]*prior{}
	for name, byGroup := range file.Families {
		p := new(prior)
		for g, group := range groupNames {
			t, found := byGroup[group]
			if !found {
				return nil, fmt.Errorf("reading the shipped priors: family %q has no group %q", name, group)
			}
			p[g].dispersion, p[g].habit = t.Dispersion, t.Habit
			sound := t.Habit > 0
			for w := range t.Cells {
				sound = sound && t.Dispersion[w] >= 1
				for c, r := range t.Cells[w] {
					p[g].cells[w][c] = priorCell{r[0], r[1], r[2], r[3], r[4], r[5], r[6]}
					for _, v := range r {
						sound = sound && v > 0 && v < mostValue
					}
					sound = sound && r[4] < 1 && r[2] > r[1]*r[1]
				}
			}
			if !sound {
				return nil, fmt.Errorf("reading the shipped priors: family %q, group %q: a number that cannot be", name, group)
			}
		}
		out[name] = p
	}
	return out, nil
}

func rowOf(p priorCell) [7]float64 {
	r := [7]float64{p.rate, p.size, p.square, p.exp, p.heavy, p.scale, p.shape}
	for i, v := range r {
		r[i] = figures(v)
	}
	return r
}

// figures rounds to four significant figures.
func figures(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v // What FormatFloat writes can be read.
	}
	return out
}

// rows are the rows of numbers in priors.json, which oneLine writes on a line
// each.
var (
	rows  = regexp.MustCompile(`\[[-0-9.e+,\s]+\]`)
	space = regexp.MustCompile(`\s+`)
)

func oneLine(b []byte) []byte { return space.ReplaceAll(b, nil) }
