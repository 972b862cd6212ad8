package models

// Minute counts minutes since the Unix epoch, in UTC.
type Minute = int32

// Change says what a verdict does to the episode of its series.
type Change uint8

// The changes.
const (
	// None is a series that is as usual and was so before.
	None Change = iota
	// Started is an episode that begins with this verdict.
	Started
	// Continues is an episode that goes on. The verdict's F may be low: an
	// episode outlives short quiet times.
	Continues
	// Ended is an episode that is over; Verdict.End says since when.
	Ended
	// Restarted is an episode that was over before this minute, without a Tick
	// to tell so, and another that begins with it. Start is of the new one,
	// End of the old one. It does not happen to callers that Tick every minute
	// while Count.Pending.
	Restarted
)

// String is the change in a word.
func (c Change) String() string {
	switch c {
	case Started:
		return "started"
	case Continues:
		return "continues"
	case Ended:
		return "ended"
	case Restarted:
		return "restarted"
	}
	return "none"
}

// Part is one addend of a verdict's F.
type Part struct {
	// Feature is "tail" (how improbable the count is by itself), "pool" (what
	// the series' own past surprises and those of its like make of that) or
	// "gate" (what is granted to the enormous).
	Feature      string
	Contribution float64
}

// Verdict is what a model says of a minute.
type Verdict struct {
	// F is -log10 of the expected number of false insights of this size in a
	// series-week: the largest over the windows, less log10 4. It is 0 where no
	// window is far enough above its expectation, and never below.
	F float64
	// Window is the deciding window in minutes: 1, 5, 60 or 1440; 0 where none is.
	Window int
	// Observed and Expected are counts in the window. Upper is the least count
	// at which F would reach the threshold, all else being equal; it is 0
	// unless an episode is open or starts.
	Observed, Expected, Upper float64
	// Tail is -log10 of the probability of Observed or more in the window, by
	// the series' own expectation and dispersion.
	Tail float64
	// Clusters is how many separate surprises the series had in this window.
	Clusters int
	// Class says in words with which series this one is compared.
	Class string
	// HistoryMinutes is how long the series' identity is known.
	HistoryMinutes int
	// Change is what this verdict does to the episode.
	Change Change
	// Start and End are of the episode, or of the one that just ended: the
	// minute of the first call of what is unusual, and the last minute so far
	// that carried it on.
	Start, End Minute
	// Adopted is set while the episode is taken as the series' new level.
	Adopted bool
	// Parts add up to F.
	Parts [3]Part
}
