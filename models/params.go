package models

// Params set up a Family.
type Params struct {
	// MinEffect is how many calls a window must have above its expectation to
	// be looked at, in calls.
	MinEffect float64
	// Threshold is the F at which an episode starts; 0 is 3, which is one false
	// insight in a thousand series-weeks.
	Threshold float64
	// Potential is how many series of this kind an identity could begin any
	// day, as far as anybody knows: they are part of the exposure of "never
	// used before".
	Potential float64

	// Clean says that the traffic has nothing in it that an insight is for: every
	// surprise then belongs to what series share. It is for fitting priors.
	Clean bool

	prior *prior
}

// DefaultThreshold is one false insight in a thousand series-weeks.
const DefaultThreshold = 3

// Calls are the parameters of calls by identity and API, and by API.
func Calls() Params {
	return Params{MinEffect: 20, Threshold: DefaultThreshold, Potential: 50, prior: &callsPrior}
}

// Credentials are the parameters of the writes of an access key.
func Credentials() Params {
	return Params{MinEffect: 10, Threshold: DefaultThreshold, Potential: 1, prior: &callsPrior}
}

// Errors are the parameters of errors by identity, by identity and API, by code
// and by service.
func Errors() Params {
	return Params{MinEffect: 5, Threshold: DefaultThreshold, Potential: 3, prior: &errorsPrior}
}

// Breadth are the parameters of denied calls to APIs that the identity never
// succeeded in.
func Breadth() Params {
	return Params{MinEffect: 4, Threshold: DefaultThreshold, Potential: 1, prior: &breadthPrior}
}

// NewAPIs are the parameters of writes to APIs first used within a day.
func NewAPIs() Params {
	return Params{MinEffect: 10, Threshold: DefaultThreshold, Potential: 1, prior: &callsPrior}
}
