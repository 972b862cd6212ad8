package models

import "math"

// priorCell is what a family is shipped with for one class and window: the
// clusters a series-week, and the tail of their excesses as a mixture of an
// exponential and a Lomax distribution, which has a far heavier tail.
type priorCell struct {
	rate  float64
	size  float64 // mean size of clusters
	exp   float64 // mean of the exponential part
	heavy float64 // share of the Lomax part
	scale float64 // of the Lomax part
	shape float64 // of the Lomax part
}

// tail is the probability that an excess is x or more.
func (p *priorCell) tail(x float64) float64 {
	return (1-p.heavy)*math.Exp(-x/p.exp) + p.heavy*math.Pow(1+x/p.scale, -p.shape)
}

// prior is what a family is shipped with.
type prior [windows][classes]priorCell

// plainPrior is that of a family of which nothing is known.
var plainPrior = func() (p prior) {
	for w := range p {
		for c := range p[w] {
			p[w][c] = priorCell{rate: 0.5, size: 0.6, exp: 1.2, heavy: 0.3, scale: 4, shape: 1.5}
		}
	}
	return p
}()

var callsPrior, errorsPrior = plainPrior, plainPrior
