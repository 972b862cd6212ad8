package models

import "math"

const (
	// sharePrior is how many calls the prior share weighs, and priorShare what
	// it is.
	sharePrior = 20
	priorShare = 0.02
	// shareDecay is what a call weighs ten calls later.
	shareDecay = 0.99896
	// shareFactor is how much the share must have risen to count.
	shareFactor = 2
)

// Share is the share of a series' calls that fail: in the last hour, and
// usually. Counts of errors decide; a share says whether the errors rose beyond
// the calls. The zero value is ready to use.
type Share struct {
	calls, errors float32 // decayed by use
	cur           Minute
	hourCalls     [12]uint16 // by five minutes
	hourErrors    [12]uint16
}

// Add takes the calls of minute m and how many of them failed. Minutes never go
// back: an earlier one counts as the newest.
func (s *Share) Add(m Minute, calls, errors float64) {
	m = max(m, s.cur)
	if !(calls >= 0) || !(errors >= 0) {
		return
	}
	calls = max(calls, errors)
	for b := max(s.cur/5, m/5-12) + 1; b <= m/5; b++ {
		i := b % 12
		s.learn(unpack(s.hourCalls[i]), unpack(s.hourErrors[i]))
		s.hourCalls[i], s.hourErrors[i] = 0, 0
	}
	s.cur = m
	i := m / 5 % 12
	s.hourCalls[i] = pack(unpack(s.hourCalls[i]) + calls)
	s.hourErrors[i] = pack(unpack(s.hourErrors[i]) + errors)
}

// learn takes a bucket that left the hour. What failed beyond twice the usual,
// and a burst of calls, is learned in part only.
func (s *Share) learn(calls, errors float64) {
	if calls == 0 {
		return
	}
	usual := s.Usual()
	errors = min(errors, shareFactor*calls*usual+1)
	if calls > 60 {
		errors *= 60 / calls
		calls = 60
	}
	k := float32(math.Pow(shareDecay, calls/10))
	s.calls = s.calls*k + float32(calls)
	s.errors = s.errors*k + float32(errors)
}

// hour is the calls and the errors of the last hour.
func (s *Share) hour() (calls, errors float64) {
	for i := range s.hourCalls {
		calls += unpack(s.hourCalls[i])
		errors += unpack(s.hourErrors[i])
	}
	return calls, errors
}

// Now is the share in the hour that ends with the minute last added.
func (s *Share) Now() float64 {
	calls, errors := s.hour()
	if calls == 0 {
		return 0
	}
	return errors / calls
}

// Usual is the share of the time before that hour, shrunk to a prior.
func (s *Share) Usual() float64 {
	return (float64(s.errors) + sharePrior*priorShare) / (float64(s.calls) + sharePrior)
}

// Doubled reports whether the share at least doubled. A share that cannot
// double, since more than half of the calls fail as a rule, must reach the
// middle between the usual one and all.
func (s *Share) Doubled() bool {
	usual := s.Usual()
	return s.Now() >= min(shareFactor*usual, (1+usual)/2)
}
