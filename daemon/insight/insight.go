// Package insight holds what the daemon found: insights with their lifecycle
// from Start to End, their records as readers get them, and the store that
// keeps, indexes and journals them.
package insight

import (
	"time"
)

// The insight types. The first seven are ActionTrail's.
const (
	TypeAPICallRate       = "ApiCallRateInsight"
	TypeAPIErrorRate      = "ApiErrorRateInsight"
	TypeIP                = "IpInsight"
	TypeAk                = "AkInsight"
	TypePolicyChange      = "PolicyChangeInsight"
	TypePasswordChange    = "PasswordChangeInsight"
	TypeTrailConcealment  = "TrailConcealmentInsight"
	TypeFirstAction       = "FirstActionInsight"
	TypeOutOfHours        = "OutOfHoursInsight"
	TypeRisk              = "RiskInsight"
	TypeImpossibleTravel  = "ImpossibleTravelInsight"
	TypeLoginFailure      = "LoginFailureInsight"
	TypeMassDeletion      = "MassDeletionInsight"
	TypeLogGap            = "LogGapInsight"
	TypeRule              = "RuleInsight"
	stateStart            = "Start"
	stateEnd              = "End"
	stateWithdrawn        = "Withdrawn"
	recordVersion         = "1"
	recordEventType       = "ActivityInsight"
	recordEventCategory   = "Insight"
	defaultRecordsPerPage = 100
)

// State is where an insight stands.
type State string

// The states of an insight.
const (
	// StateStart is an insight that goes on.
	StateStart State = stateStart
	// StateEnd is one that is over.
	StateEnd State = stateEnd
	// StateWithdrawn is one that a final verdict took back.
	StateWithdrawn State = stateWithdrawn
)

// Insight is one unusual thing that was found, in its newest revision.
// Insights are values: the engine makes them, the store keeps them, and nobody
// writes to one that he did not make.
type Insight struct {
	// ID is a hash of type, stream, region, object, identity and start minute:
	// the sharedEventID of its records.
	ID       string
	Type     string
	Provider string
	Account  string
	Region   string
	// Object is what is unusual: "service:operation", a key's id, an address, ….
	Object string
	// Identity is empty where the insight is the account's.
	Identity     string
	IdentityKind string
	Service      string
	Operation    string

	State    State
	Revision int
	// Start and End are event times. End is zero while State is Start.
	Start time.Time
	End   time.Time
	// Detected is the time of the event that decided.
	Detected time.Time

	Confidence float64
	// Score is -log10 of the expected number of false insights of this size in
	// a series-week; 0 where the type has none.
	Score    float64
	Severity Severity

	Summary  string
	Incident string
	Alert    Alert

	SourceIPs      []SourceIP
	AccessKeyIDs   []string
	Resources      []string
	SampleEventIDs []string
	KRI            string
	Attack         []string
	Reasons        []Reason
	Statistics     Statistics
	Attributions   []Attribution

	// Suppressed names the mute, the budget or the shadow stage that keeps the
	// insight from being notified; empty where nothing does.
	Suppressed string
	// Filter selects the events behind the insight, in the filter language of
	// daemon/eventlog; together with Start and End.
	Filter string

	// Observed, Expected and Upper are per minute, of the newest minute of the
	// insight: what insight_observed, insight_expected and insight_upper show.
	Observed, Expected, Upper float64
}

// Severity says how bad it would be if it were true.
type Severity string

// The severities, in rising order.
const (
	SeverityLow      Severity = "Low"
	SeverityMedium   Severity = "Medium"
	SeverityHigh     Severity = "High"
	SeverityCritical Severity = "Critical"
)

// Alert says under which id an insight was notified, or why it was not.
type Alert struct {
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// SourceIP is an address behind an insight.
type SourceIP struct {
	IP      string `json:"ip"`
	Country string `json:"country,omitempty"`
	ASN     uint32 `json:"asn,omitempty"`
	Network string `json:"network,omitempty"`
}

// Reason is one part of why an insight was raised. The contributions of an
// insight's reasons add up to its score.
type Reason struct {
	Feature string `json:"feature"`
	// Observed and Usual are numbers or words.
	Observed     any     `json:"observed"`
	Usual        any     `json:"usual"`
	Contribution float64 `json:"contribution"`
	Text         string  `json:"text"`
}

// Statistics are per-minute averages, as CloudTrail's and ActionTrail's.
type Statistics struct {
	Baseline Average `json:"baseline"`
	Insight  Average `json:"insight"`
	// Upper is the rate a minute beyond which the insight would have started.
	Upper float64 `json:"upper"`
	// InsightDuration and BaselineDuration are in minutes.
	InsightDuration  int `json:"insightDuration"`
	BaselineDuration int `json:"baselineDuration"`
	// InsightCount is how many events there were during the insight.
	InsightCount int `json:"insightCount"`
}

// Average is an average a minute.
type Average struct {
	Average float64 `json:"average"`
}

// Attribution names the values of an attribute that did most, in the insight
// and in its baseline: at most five a side, and "Other" for the rest.
type Attribution struct {
	Attribute string         `json:"attribute"`
	Insight   []ValueAverage `json:"insight"`
	Baseline  []ValueAverage `json:"baseline"`
}

// ValueAverage is a value's average a minute.
type ValueAverage struct {
	Value   string  `json:"value"`
	Average float64 `json:"average"`
}

// Level is the word for a confidence: Medium from 0.5, High from 0.8.
func Level(confidence float64) string {
	switch {
	case confidence >= 0.8:
		return "High"
	case confidence >= 0.5:
		return "Medium"
	}
	return "Low"
}

// Active reports whether the insight goes on.
func (i *Insight) Active() bool { return i.State == StateStart }
