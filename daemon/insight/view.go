package insight

import "time"

// The types in this file are what the engine tells of what it knows, beside
// insights: they are answered by the API as they stand.

// Coverage says what each detector knows, is still learning, or cannot see.
type Coverage struct {
	Streams []StreamCoverage `json:"streams"`
	Sources []SourceCoverage `json:"sources"`
}

// SourceCoverage is how far one source is, and what keeps it.
type SourceCoverage struct {
	Name string `json:"name"`
	// Kind is such as file, stream or push.
	Kind string `json:"kind"`
	// State is one of the source states.
	State string `json:"state"`
	// AtEnd says that nothing is left to read for now.
	AtEnd bool `json:"atEnd"`
	// Frontier is the oldest event time that the source may still deliver. It
	// is absent where that is not known, and where the source is at its end.
	Frontier  *time.Time `json:"frontier,omitempty"`
	LastEvent *time.Time `json:"lastEvent,omitempty"`
	// LagSeconds is how far the reading is behind in event time: 0 at the end,
	// and where that is not known.
	LagSeconds float64 `json:"lagSeconds"`
	// BacklogFiles and BacklogBytes are what is known to be left to read.
	BacklogFiles int   `json:"backlogFiles"`
	BacklogBytes int64 `json:"backlogBytes"`
	// Rate is events a second, of late.
	Rate   float64 `json:"rate"`
	Events uint64  `json:"events"`
	// Errors counts the records and files that could not be read.
	Errors    uint64 `json:"errors"`
	LastError string `json:"lastError,omitempty"`
	// Hint is what to do about LastError.
	Hint string `json:"hint,omitempty"`
}

// The states of a source.
const (
	// SourceReading is one with something left to read.
	SourceReading = "reading"
	// SourceAtEnd is one that has nothing left to read for now.
	SourceAtEnd = "at its end"
	// SourceFailing is one that cannot be read and is tried again.
	SourceFailing = "failing"
	// SourceWaiting is one that could deliver, and has to wait: the disk is
	// full, or the line is behind.
	SourceWaiting = "waiting"
)

// StreamCoverage is the coverage of one provider's account.
type StreamCoverage struct {
	Provider   string     `json:"provider"`
	Account    string     `json:"account"`
	FirstEvent time.Time  `json:"firstEvent"`
	LastEvent  time.Time  `json:"lastEvent"`
	Watermark  *time.Time `json:"watermark,omitempty"`
	Events     uint64     `json:"events"`
	// Late and Future count events that came after the watermark, and events
	// whose time is ahead of their receipt: they change no model.
	Late   uint64 `json:"late"`
	Future uint64 `json:"future"`
	// LiveSeries counts the series by model.
	LiveSeries map[string]int     `json:"liveSeries"`
	Detectors  []DetectorCoverage `json:"detectors"`
	// Suppressed counts insights that the budget kept from being told.
	Suppressed int `json:"suppressed"`
	// Swallowed counts insights that were within what users confirmed as normal,
	// and Envelopes what is confirmed.
	Swallowed uint64 `json:"swallowed"`
	Envelopes int    `json:"envelopes"`
	// Rebaselined are the identities that are being learned anew.
	Rebaselined []Rebaseline `json:"rebaselined"`
	// Provisional is how many insights wait for the final pass. Withdrawn and
	// Superseded are how many of those that are kept and were told on arrival
	// it took back, and how many it put another in the place of.
	Provisional int `json:"provisional"`
	Withdrawn   int `json:"withdrawn"`
	Superseded  int `json:"superseded"`
	// Folded counts events under the label __overflow__, since a series of
	// their own would have been one too many.
	Folded uint64 `json:"folded"`
	// Evicted counts states of models that made room for others.
	Evicted uint64 `json:"evicted"`
	// Capped counts insights that were not raised, since too many are open.
	Capped uint64 `json:"capped"`
	// IdentitiesForgotten counts identities that made room for others.
	IdentitiesForgotten uint64 `json:"identitiesForgotten"`
	// Rebuilding says that the models are being made anew from the event log,
	// and RebuildReason why.
	Rebuilding    bool   `json:"rebuilding"`
	RebuildReason string `json:"rebuildReason,omitempty"`
	// Snapshot is when the state was last kept; absent where it never was.
	Snapshot *time.Time `json:"snapshot,omitempty"`
	// Networks are networks that look like the organisation's own. They are
	// proposed for networks.corporate of the configuration.
	Networks []ProposedNetwork `json:"proposedNetworks"`
}

// DetectorCoverage is what one detector can say in one region.
type DetectorCoverage struct {
	InsightType string `json:"insightType"`
	Region      string `json:"region"`
	// State is ready, learning or blind.
	State string `json:"state"`
	// Until is when a learning detector becomes ready.
	Until  *time.Time `json:"until,omitempty"`
	Reason string     `json:"reason"`
}

// ProposedNetwork is a network from which several people of an account work.
type ProposedNetwork struct {
	CIDR       string `json:"cidr"`
	Identities int    `json:"identities"`
	Days       int    `json:"days"`
}

// Profile is what is known of an identity so far.
type Profile struct {
	// ID is stable and fit for a path: a hash of provider, account and identity.
	ID           string    `json:"id"`
	Provider     string    `json:"provider"`
	Account      string    `json:"account"`
	Identity     string    `json:"identity"`
	IdentityKind string    `json:"identityKind"`
	UserTypes    []string  `json:"userTypes"`
	FirstSeen    time.Time `json:"firstSeen"`
	LastSeen     time.Time `json:"lastSeen"`
	Events       uint64    `json:"events"`
	Errors       uint64    `json:"errors"`
	ActiveDays   int       `json:"activeDays"`
	// Labels are what the configuration calls the identity, sorted.
	Labels []string `json:"identityLabels,omitempty"`
	// Class is ClassAutomation for what behaves like a program, and empty where
	// nothing says so; ClassReason says why, in words.
	Class       string `json:"identityClass,omitempty"`
	ClassReason string `json:"identityClassReason,omitempty"`
	// Risk is the sum of the catalogue's risk tiers (0 to 3) of its operations on
	// the UTC day of LastSeen, and RiskUsual the average of the active days
	// before.
	Risk      uint64  `json:"risk"`
	RiskUsual float64 `json:"riskUsual"`
	// ActiveInsights counts those that go on and LastInsight is the newest,
	// without what is suppressed.
	ActiveInsights int          `json:"activeInsights"`
	LastInsight    *LastInsight `json:"lastInsight,omitempty"`
	// Hours holds the share of events by hour of day, UTC.
	Hours      [24]float64  `json:"hours"`
	Operations []Known      `json:"operations"`
	Networks   []Known      `json:"networks"`
	Countries  []Known      `json:"countries"`
	Agents     []Known      `json:"userAgents"`
	Regions    []Known      `json:"regions"`
	Insights   []InsightRef `json:"insights,omitempty"`
	// Rebaselined is the last time that the identity began to be learned anew.
	Rebaselined *Rebaseline `json:"rebaselined,omitempty"`
}

// ClassAutomation is the class of identities that act daily, at fixed times, or
// far more than others.
const ClassAutomation = "Automation"

// LastInsight is the newest insight of an identity.
type LastInsight struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Start      time.Time `json:"startTime"`
	Confidence float64   `json:"confidence"`
	Severity   Severity  `json:"severity"`
	Summary    string    `json:"summary"`
}

// Known is a value that an identity has been seen with.
type Known struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
	// Frequency is frequent (daily to weekly), infrequent (a few times a month)
	// or rare.
	Frequency string `json:"frequency"`
}

// InsightRef points to an insight.
type InsightRef struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Summary string `json:"summary"`
}

// Band is what is expected of a series, one point a step.
type Band struct {
	Labels   map[string]string `json:"labels"`
	Times    []int64           `json:"times"` // Unix seconds, the end of each step.
	Observed []float64         `json:"observed"`
	Expected []float64         `json:"expected"`
	Lower    []float64         `json:"lower"`
	Upper    []float64         `json:"upper"`
}
