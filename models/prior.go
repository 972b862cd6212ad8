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
		{0.01272, 1.94, 1.2, 0.98, 128, 6},   // first day of the identity; 2 clusters
		{0.01275, 2.03, 2, 0.9, 128, 6},      // no surprise yet, in use since the identity's first day; 173 clusters
		{1.725e-05, 3.43, 1.2, 0.98, 256, 1}, // no surprise yet, of an identity that rarely does anything new; 3 clusters
		{1.127e-05, 3.08, 1.2, 0.98, 256, 1}, // no surprise yet; 0 clusters
		{1.024e-05, 3.08, 1.2, 0.98, 256, 1}, // no surprise yet, of an identity that often does something new; 0 clusters
		{0.7067, 1.8, 1.2, 0.9, 128, 8},      // one or two surprises before; 296 clusters
		{3.06, 1.81, 1.2, 0.98, 64, 6},       // three to nine surprises before; 777 clusters
		{46.54, 1.25, 0.5, 0.98, 64, 8},      // ten or more surprises before; 18880 clusters
	},
	{
		{0.06479, 1.81, 4, 0.98, 64, 6},      // first day of the identity; 17 clusters
		{0.03185, 1.67, 2, 0.7, 128, 6},      // no surprise yet, in use since the identity's first day; 367 clusters
		{0.000532, 3.11, 1.2, 0.98, 256, 4},  // no surprise yet, of an identity that rarely does anything new; 63 clusters
		{0.0001371, 3.37, 1.2, 0.98, 256, 2}, // no surprise yet; 4 clusters
		{0.0001839, 3.62, 1.2, 0.98, 256, 2}, // no surprise yet, of an identity that often does something new; 13 clusters
		{0.9044, 1.32, 4, 0.35, 128, 6},      // one or two surprises before; 948 clusters
		{3.861, 0.945, 2, 0.2, 128, 8},       // three to nine surprises before; 3314 clusters
		{23.02, 0.392, 0.8, 0.2, 8, 3},       // ten or more surprises before; 34460 clusters
	},
	{
		{0.1684, 1.17, 4, 0.35, 16, 2},       // first day of the identity; 32 clusters
		{0.05085, 1.02, 2, 0.2, 256, 8},      // no surprise yet, in use since the identity's first day; 473 clusters
		{0.001129, 2.7, 4, 0.98, 128, 4},     // no surprise yet, of an identity that rarely does anything new; 134 clusters
		{0.0002433, 2.84, 1.2, 0.98, 128, 3}, // no surprise yet; 9 clusters
		{0.000693, 2.84, 1.2, 0.98, 128, 3},  // no surprise yet, of an identity that often does something new; 58 clusters
		{0.831, 0.491, 0.5, 0.1, 32, 1},      // one or two surprises before; 1962 clusters
		{3.427, 0.269, 0.5, 0.05, 16, 3},     // three to nine surprises before; 6611 clusters
		{6.4, 0.269, 0.8, 0.2, 1, 2},         // ten or more surprises before; 10969 clusters
	},
	{
		{0.07331, 0.928, 4, 0.2, 2, 1},    // first day of the identity; 12 clusters
		{0.1172, 1.36, 0.8, 0.98, 32, 4},  // no surprise yet, in use since the identity's first day; 1015 clusters
		{0.0009773, 1.38, 4, 0.98, 32, 6}, // no surprise yet, of an identity that rarely does anything new; 116 clusters
		{0.0002228, 1.75, 4, 0.98, 32, 3}, // no surprise yet; 8 clusters
		{0.0005981, 1.51, 4, 0.9, 64, 8},  // no surprise yet, of an identity that often does something new; 50 clusters
		{0.4322, 0.486, 0.5, 0.2, 16, 2},  // one or two surprises before; 2154 clusters
		{0.6862, 0.446, 0.5, 0.2, 64, 6},  // three to nine surprises before; 1036 clusters
		{0.6497, 0.472, 0.5, 0.2, 4, 1},   // ten or more surprises before; 0 clusters
	},
}

// errorsPrior is fitted to errors by identity and API.
var errorsPrior = prior{
	{
		{0.007838, 1.51, 4, 0.98, 64, 6},   // first day of the identity; 0 clusters
		{0.007367, 1.67, 4, 0.98, 64, 8},   // no surprise yet, in use since the identity's first day; 44 clusters
		{0.0005649, 2.61, 4, 0.98, 256, 8}, // no surprise yet, of an identity that rarely does anything new; 7 clusters
		{0.0002616, 2.54, 4, 0.98, 256, 6}, // no surprise yet; 1 clusters
		{0.0003494, 2.44, 4, 0.98, 256, 8}, // no surprise yet, of an identity that often does something new; 0 clusters
		{0.6897, 1.58, 4, 0.98, 64, 8},     // one or two surprises before; 90 clusters
		{3.229, 1.41, 4, 0.98, 32, 6},      // three to nine surprises before; 321 clusters
		{23.84, 0.978, 4, 0.35, 32, 6},     // ten or more surprises before; 3260 clusters
	},
	{
		{0.02643, 1.25, 4, 0.9, 64, 8},       // first day of the identity; 1 clusters
		{0.0215, 1.24, 4, 0.9, 16, 3},        // no surprise yet, in use since the identity's first day; 120 clusters
		{0.002194, 2.57, 1.2, 0.98, 256, 8},  // no surprise yet, of an identity that rarely does anything new; 21 clusters
		{0.0007755, 2.75, 1.2, 0.98, 256, 6}, // no surprise yet; 6 clusters
		{0.001485, 2.49, 4, 0.98, 256, 8},    // no surprise yet, of an identity that often does something new; 3 clusters
		{0.5971, 1.07, 4, 0.1, 16, 1.5},      // one or two surprises before; 210 clusters
		{4.03, 0.892, 4, 0.98, 8, 3},         // three to nine surprises before; 711 clusters
		{23.75, 0.509, 0.5, 0.35, 16, 4},     // ten or more surprises before; 8046 clusters
	},
	{
		{0.1253, 0.589, 1.2, 0.2, 8, 1},   // first day of the identity; 6 clusters
		{0.06291, 0.66, 1.2, 0.7, 2, 1.5}, // no surprise yet, in use since the identity's first day; 283 clusters
		{0.007904, 1.89, 4, 0.9, 16, 1.5}, // no surprise yet, of an identity that rarely does anything new; 65 clusters
		{0.001744, 2.52, 4, 0.98, 256, 8}, // no surprise yet; 16 clusters
		{0.005749, 2.3, 4, 0.98, 64, 3},   // no surprise yet, of an identity that often does something new; 13 clusters
		{0.8137, 0.551, 0.8, 0.2, 8, 1.5}, // one or two surprises before; 773 clusters
		{2.894, 0.286, 0.8, 0.05, 1, 1},   // three to nine surprises before; 2021 clusters
		{6.801, 0.215, 0.5, 0.02, 1, 1.5}, // ten or more surprises before; 3663 clusters
	},
	{
		{0.2716, 0.527, 1.2, 0.35, 2, 1},  // first day of the identity; 6 clusters
		{0.1749, 0.391, 0.8, 0.7, 1, 1.5}, // no surprise yet, in use since the identity's first day; 600 clusters
		{0.01237, 0.919, 2, 0.5, 16, 3},   // no surprise yet, of an identity that rarely does anything new; 101 clusters
		{0.001959, 1.7, 4, 0.98, 32, 3},   // no surprise yet; 18 clusters
		{0.006041, 1.29, 4, 0.9, 8, 1.5},  // no surprise yet, of an identity that often does something new; 12 clusters
		{0.4066, 0.308, 0.8, 0.05, 8, 2},  // one or two surprises before; 1124 clusters
		{0.5488, 0.296, 0.5, 0.1, 8, 2},   // three to nine surprises before; 308 clusters
		{0.544, 0.346, 0.5, 0.1, 2, 1},    // ten or more surprises before; 0 clusters
	},
}
