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
type prior [groups][windows][classes]priorCell

// plainPrior is that of a family of which nothing is known.
var plainPrior = func() (p prior) {
	for w := range p[0] {
		for c := range p[0][w] {
			p[0][w][c] = priorCell{rate: 0.5, size: 0.6, exp: 1.2, heavy: 0.3, scale: 4, shape: 1.5}
		}
	}
	p[1] = p[0]
	return p
}()

// breadthPrior is that of errors, of which breadth takes the few that are new:
// surprises are held to be three times as rare. It is not fitted.
var breadthPrior = func() prior {
	p := errorsPrior
	for w := range p[0] {
		for c := range p[0][w] {
			p[0][w][c].rate /= 3
		}
	}
	p[1] = p[0]
	return p
}()

// callsPrior is fitted to calls by identity and API. Each line: rate, size, exp,
// heavy, scale, shape.
var callsPrior = both([windows][classes]priorCell{
	{
		{0.01444, 1.71, 0.8, 0.9, 64, 3},     // first day of the identity; 0 clusters
		{0.01907, 1.5, 4, 0.98, 32, 4},       // no surprise yet, busy in many hours of the day; 40 clusters
		{0.01959, 1.92, 0.8, 0.9, 128, 6},    // no surprise yet, in use since the identity's first day; 117 clusters
		{1.105e-05, 2.66, 1.2, 0.98, 256, 1}, // no surprise yet, of an identity that rarely does anything new; 1 clusters
		{8.06e-06, 2.15, 1.2, 0.98, 256, 1},  // no surprise yet; 0 clusters
		{7.314e-06, 2.15, 1.2, 0.98, 256, 1}, // no surprise yet, of an identity that often does something new; 0 clusters
		{0.9906, 1.57, 2, 0.7, 128, 8},       // one or two surprises before; 236 clusters
		{4.009, 1.56, 0.8, 0.98, 64, 6},      // three to nine surprises before; 587 clusters
		{53.61, 1.13, 0.3, 0.9, 64, 8},       // ten or more surprises before; 12602 clusters
	},
	{
		{0.1039, 1.63, 4, 0.98, 64, 8},       // first day of the identity; 15 clusters
		{0.06952, 1.13, 4, 0.02, 32, 1},      // no surprise yet, busy in many hours of the day; 94 clusters
		{0.06314, 1.6, 2, 0.7, 64, 4},        // no surprise yet, in use since the identity's first day; 353 clusters
		{0.0004804, 3.14, 1.2, 0.98, 256, 4}, // no surprise yet, of an identity that rarely does anything new; 34 clusters
		{0.0001298, 3.04, 1.2, 0.98, 256, 3}, // no surprise yet; 1 clusters
		{0.000181, 3.49, 1.2, 0.98, 256, 2},  // no surprise yet, of an identity that often does something new; 7 clusters
		{1.365, 1.11, 2, 0.5, 16, 2},         // one or two surprises before; 794 clusters
		{4.597, 0.838, 2, 0.2, 32, 3},        // three to nine surprises before; 2213 clusters
		{23.96, 0.374, 0.5, 0.2, 8, 3},       // ten or more surprises before; 20383 clusters
	},
	{
		{0.2124, 1.19, 4, 0.05, 64, 1},       // first day of the identity; 28 clusters
		{0.1051, 0.781, 2, 0.7, 8, 3},        // no surprise yet, busy in many hours of the day; 63 clusters
		{0.1288, 0.939, 2, 0.2, 256, 8},      // no surprise yet, in use since the identity's first day; 662 clusters
		{0.001151, 3.12, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that rarely does anything new; 82 clusters
		{0.0002237, 2.51, 1.2, 0.98, 256, 6}, // no surprise yet; 3 clusters
		{0.0007603, 2.65, 4, 0.98, 128, 4},   // no surprise yet, of an identity that often does something new; 38 clusters
		{1.284, 0.591, 1.2, 0.05, 256, 1.5},  // one or two surprises before; 1253 clusters
		{3.81, 0.319, 0.5, 0.2, 2, 1.5},      // three to nine surprises before; 4110 clusters
		{7.099, 0.299, 0.8, 0.7, 1, 2},       // ten or more surprises before; 9084 clusters
	},
	{
		{0.1229, 0.8, 1.2, 0.98, 16, 6},    // first day of the identity; 13 clusters
		{0.3057, 0.495, 0.5, 0.35, 8, 2},   // no surprise yet, busy in many hours of the day; 74 clusters
		{0.1629, 1.18, 2, 0.7, 64, 8},      // no surprise yet, in use since the identity's first day; 821 clusters
		{0.001487, 1.69, 4, 0.98, 32, 4},   // no surprise yet, of an identity that rarely does anything new; 106 clusters
		{0.0002892, 1.7, 4, 0.98, 128, 8},  // no surprise yet; 5 clusters
		{0.001137, 1.68, 4, 0.98, 64, 8},   // no surprise yet, of an identity that often does something new; 57 clusters
		{0.4472, 0.533, 0.8, 0.1, 256, 6},  // one or two surprises before; 1314 clusters
		{0.7871, 0.473, 0.5, 0.1, 128, 3},  // three to nine surprises before; 767 clusters
		{0.7483, 0.494, 0.5, 0.1, 64, 1.5}, // ten or more surprises before; 0 clusters
	},
})

// errorsPrior is fitted to errors by identity and API.
var errorsPrior = both([windows][classes]priorCell{
	{
		{0.01514, 1.31, 1.2, 0.98, 32, 4},    // first day of the identity; 0 clusters
		{0.01061, 1.53, 4, 0.98, 64, 6},      // no surprise yet, busy in many hours of the day; 9 clusters
		{0.01434, 1.43, 4, 0.98, 64, 8},      // no surprise yet, in use since the identity's first day; 37 clusters
		{0.0004705, 2.27, 4, 0.98, 128, 3},   // no surprise yet, of an identity that rarely does anything new; 4 clusters
		{0.0002291, 2.11, 1.2, 0.98, 128, 3}, // no surprise yet; 0 clusters
		{0.0003179, 2.11, 1.2, 0.98, 128, 3}, // no surprise yet, of an identity that often does something new; 0 clusters
		{1.191, 1.41, 4, 0.9, 64, 8},         // one or two surprises before; 81 clusters
		{3.56, 1.31, 4, 0.98, 32, 6},         // three to nine surprises before; 208 clusters
		{28.82, 1.06, 4, 0.5, 32, 6},         // ten or more surprises before; 2231 clusters
	},
	{
		{0.04099, 1.26, 1.2, 0.98, 64, 8},    // first day of the identity; 1 clusters
		{0.04151, 1.08, 4, 0.02, 8, 1.5},     // no surprise yet, busy in many hours of the day; 33 clusters
		{0.0333, 1.25, 4, 0.35, 32, 3},       // no surprise yet, in use since the identity's first day; 84 clusters
		{0.001341, 2.55, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that rarely does anything new; 8 clusters
		{0.0007298, 2.59, 1.2, 0.98, 256, 4}, // no surprise yet; 3 clusters
		{0.001217, 2.47, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that often does something new; 2 clusters
		{0.9604, 0.979, 4, 0.5, 4, 1.5},      // one or two surprises before; 179 clusters
		{4.855, 0.762, 2, 0.7, 4, 2},         // three to nine surprises before; 485 clusters
		{27.43, 0.452, 0.5, 0.35, 16, 4},     // ten or more surprises before; 5145 clusters
	},
	{
		{0.2181, 0.736, 2, 0.2, 8, 1},       // first day of the identity; 7 clusters
		{0.149, 0.526, 1.2, 0.02, 2, 1},     // no surprise yet, busy in many hours of the day; 56 clusters
		{0.1008, 0.669, 2, 0.9, 2, 1.5},     // no surprise yet, in use since the identity's first day; 231 clusters
		{0.007314, 2.16, 4, 0.98, 32, 2},    // no surprise yet, of an identity that rarely does anything new; 36 clusters
		{0.001326, 2.41, 1.2, 0.98, 128, 4}, // no surprise yet; 5 clusters
		{0.006402, 2.46, 4, 0.98, 128, 4},   // no surprise yet, of an identity that often does something new; 10 clusters
		{0.9451, 0.565, 0.8, 0.2, 8, 1.5},   // one or two surprises before; 501 clusters
		{3.051, 0.308, 0.5, 0.2, 1, 1.5},    // three to nine surprises before; 1195 clusters
		{7.115, 0.215, 0.5, 0.02, 2, 1.5},   // ten or more surprises before; 2468 clusters
	},
	{
		{0.2901, 0.583, 1.2, 0.5, 2, 1},     // first day of the identity; 5 clusters
		{0.6203, 0.305, 0.5, 0.7, 2, 3},     // no surprise yet, busy in many hours of the day; 119 clusters
		{0.1815, 0.44, 1.2, 0.35, 1, 1.5},   // no surprise yet, in use since the identity's first day; 361 clusters
		{0.0144, 1.19, 1.2, 0.98, 16, 3},    // no surprise yet, of an identity that rarely does anything new; 70 clusters
		{0.001697, 1.77, 1.2, 0.98, 128, 8}, // no surprise yet; 7 clusters
		{0.009924, 1.65, 1.2, 0.98, 32, 3},  // no surprise yet, of an identity that often does something new; 13 clusters
		{0.4594, 0.383, 0.5, 0.35, 2, 1.5},  // one or two surprises before; 696 clusters
		{0.5964, 0.348, 0.8, 0.05, 8, 1},    // three to nine surprises before; 209 clusters
		{0.5864, 0.389, 0.5, 0.2, 2, 1},     // ten or more surprises before; 0 clusters
	},
})

func both(p [windows][classes]priorCell) prior { return prior{p, p} }
