package models

// Params set up a Family.
type Params struct {
	// Name is the name under which the family's prior is shipped; where there is
	// none of that name, nothing is taken to be known.
	Name string
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
	// Gate lets in what is enormous by the series' own measure, whatever the pool
	// says. It is for calls: fifty errors where none are expected are as
	// improbable as anything, and come from any script that does not give up.
	Gate bool
	// Clean says that the traffic has nothing in it that an insight is for: every
	// surprise then belongs to what series share. It is for fitting priors.
	Clean bool
}

// DefaultThreshold is one false insight in a thousand series-weeks.
const DefaultThreshold = 3

// Calls are the parameters of calls by identity and API.
func Calls() Params {
	return Params{Name: "calls", Gate: true, MinEffect: 20, Threshold: DefaultThreshold, Potential: 50}
}

// AccountCalls are the parameters of calls of an API by anybody.
func AccountCalls() Params {
	return Params{Name: "accountCalls", Gate: true, MinEffect: 20, Threshold: DefaultThreshold, Potential: 50}
}

// Credentials are the parameters of the writes of an access key.
func Credentials() Params {
	return Params{Name: "credentials", Gate: true, MinEffect: 10, Threshold: DefaultThreshold, Potential: 1}
}

// NewAPIs are the parameters of writes to APIs first used within a day.
func NewAPIs() Params {
	return Params{Name: "newAPIs", Gate: true, MinEffect: 10, Threshold: DefaultThreshold, Potential: 1}
}

// Errors are the parameters of the errors of an identity.
func Errors() Params {
	return Params{Name: "errors", MinEffect: 5, Threshold: DefaultThreshold, Potential: 3}
}

// APIErrors are the parameters of errors by identity and API.
func APIErrors() Params {
	return Params{Name: "apiErrors", MinEffect: 5, Threshold: DefaultThreshold, Potential: 3}
}

// AccountCodes are the parameters of errors of one code by anybody.
func AccountCodes() Params {
	return Params{Name: "accountCodes", MinEffect: 5, Threshold: DefaultThreshold, Potential: 3}
}

// AccountErrors are the parameters of errors of a service by anybody.
func AccountErrors() Params {
	return Params{Name: "accountErrors", MinEffect: 5, Threshold: DefaultThreshold, Potential: 3}
}

// Breadth are the parameters of denied calls to APIs that the identity never
// succeeded in.
func Breadth() Params {
	return Params{Name: "breadth", MinEffect: 4, Threshold: DefaultThreshold, Potential: 1}
}
