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

// callsPrior is fitted to calls by identity and API. Each line: rate, size, exp,
// heavy, scale, shape.
var callsPrior = prior{
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
		{0.1039, 1.76, 4, 0.98, 64, 6},       // first day of the identity; 15 clusters
		{0.06952, 1.13, 4, 0.02, 32, 1.5},    // no surprise yet, busy in many hours of the day; 94 clusters
		{0.06314, 1.59, 2, 0.7, 64, 4},       // no surprise yet, in use since the identity's first day; 353 clusters
		{0.0004804, 3.07, 1.2, 0.98, 256, 4}, // no surprise yet, of an identity that rarely does anything new; 34 clusters
		{0.0001298, 3, 1.2, 0.98, 256, 3},    // no surprise yet; 1 clusters
		{0.000181, 3.47, 1.2, 0.98, 256, 2},  // no surprise yet, of an identity that often does something new; 7 clusters
		{1.366, 1.13, 4, 0.2, 64, 3},         // one or two surprises before; 794 clusters
		{4.592, 0.855, 2, 0.2, 128, 8},       // three to nine surprises before; 2214 clusters
		{23.95, 0.38, 0.8, 0.2, 4, 2},        // ten or more surprises before; 20375 clusters
	},
	{
		{0.2124, 1.39, 4, 0.5, 32, 4},        // first day of the identity; 28 clusters
		{0.1051, 0.783, 2, 0.7, 8, 3},        // no surprise yet, busy in many hours of the day; 63 clusters
		{0.1288, 0.896, 2, 0.2, 64, 3},       // no surprise yet, in use since the identity's first day; 662 clusters
		{0.001151, 2.95, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that rarely does anything new; 82 clusters
		{0.0002237, 2.86, 1.2, 0.98, 256, 4}, // no surprise yet; 3 clusters
		{0.0007603, 3.32, 1.2, 0.98, 256, 4}, // no surprise yet, of an identity that often does something new; 38 clusters
		{1.281, 0.562, 1.2, 0.05, 256, 1.5},  // one or two surprises before; 1253 clusters
		{3.832, 0.321, 0.5, 0.1, 4, 1.5},     // three to nine surprises before; 4117 clusters
		{7.116, 0.3, 0.8, 0.7, 1, 2},         // ten or more surprises before; 9117 clusters
	},
	{
		{0.08546, 0.818, 4, 0.5, 8, 4},     // first day of the identity; 8 clusters
		{0.2805, 0.417, 0.5, 0.2, 16, 3},   // no surprise yet, busy in many hours of the day; 96 clusters
		{0.1318, 0.944, 2, 0.35, 32, 4},    // no surprise yet, in use since the identity's first day; 706 clusters
		{0.001011, 1.35, 4, 0.7, 32, 6},    // no surprise yet, of an identity that rarely does anything new; 72 clusters
		{0.0002453, 1.5, 4, 0.98, 32, 4},   // no surprise yet; 4 clusters
		{0.0006812, 1.48, 4, 0.9, 64, 8},   // no surprise yet, of an identity that often does something new; 34 clusters
		{0.454, 0.434, 0.8, 0.1, 64, 4},    // one or two surprises before; 1158 clusters
		{0.7402, 0.423, 0.5, 0.1, 128, 8},  // three to nine surprises before; 586 clusters
		{0.7095, 0.452, 0.5, 0.1, 32, 1.5}, // ten or more surprises before; 0 clusters
	},
}

// errorsPrior is fitted to errors by identity and API.
var errorsPrior = prior{
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
		{0.001341, 2.56, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that rarely does anything new; 8 clusters
		{0.0007298, 2.59, 1.2, 0.98, 256, 4}, // no surprise yet; 3 clusters
		{0.001217, 2.47, 1.2, 0.98, 256, 6},  // no surprise yet, of an identity that often does something new; 2 clusters
		{0.9604, 0.979, 4, 0.5, 4, 1.5},      // one or two surprises before; 179 clusters
		{4.855, 0.763, 2, 0.7, 4, 2},         // three to nine surprises before; 485 clusters
		{27.44, 0.459, 0.5, 0.2, 64, 8},      // ten or more surprises before; 5147 clusters
	},
	{
		{0.2364, 0.715, 1.2, 0.98, 4, 2},    // first day of the identity; 8 clusters
		{0.149, 0.529, 1.2, 0.02, 2, 1},     // no surprise yet, busy in many hours of the day; 56 clusters
		{0.1008, 0.668, 2, 0.9, 2, 1.5},     // no surprise yet, in use since the identity's first day; 231 clusters
		{0.007314, 2, 1.2, 0.98, 64, 4},     // no surprise yet, of an identity that rarely does anything new; 36 clusters
		{0.001326, 2.36, 1.2, 0.98, 128, 4}, // no surprise yet; 5 clusters
		{0.006402, 2.43, 4, 0.98, 128, 4},   // no surprise yet, of an identity that often does something new; 10 clusters
		{0.9451, 0.565, 1.2, 0.5, 1, 1},     // one or two surprises before; 501 clusters
		{3.055, 0.31, 0.8, 0.05, 1, 1},      // three to nine surprises before; 1196 clusters
		{7.143, 0.216, 0.5, 0.02, 2, 1.5},   // ten or more surprises before; 2479 clusters
	},
	{
		{0.2447, 0.573, 1.2, 0.5, 2, 1},    // first day of the identity; 4 clusters
		{0.5712, 0.284, 0.5, 0.5, 2, 3},    // no surprise yet, busy in many hours of the day; 119 clusters
		{0.1659, 0.359, 0.8, 0.35, 1, 1.5}, // no surprise yet, in use since the identity's first day; 343 clusters
		{0.01248, 0.905, 0.8, 0.9, 4, 1.5}, // no surprise yet, of an identity that rarely does anything new; 61 clusters
		{0.001536, 1.58, 4, 0.9, 16, 1.5},  // no surprise yet; 6 clusters
		{0.007772, 1.32, 4, 0.35, 32, 1.5}, // no surprise yet, of an identity that often does something new; 10 clusters
		{0.4298, 0.307, 0.5, 0.35, 2, 2},   // one or two surprises before; 621 clusters
		{0.566, 0.313, 0.5, 0.1, 8, 2},     // three to nine surprises before; 160 clusters
		{0.5595, 0.359, 0.5, 0.2, 1, 1},    // ten or more surprises before; 0 clusters
	},
}
