// Package insight holds what the daemon found: insights with their lifecycle
// from Start to End, their records as readers get them, and the store that
// keeps, indexes and journals them.
package insight

import (
	"time"
)

// The insight types. The first seven are ActionTrail's.
const (
	TypeAPICallRate      = "ApiCallRateInsight"
	TypeAPIErrorRate     = "ApiErrorRateInsight"
	TypeIP               = "IpInsight"
	TypeAk               = "AkInsight"
	TypePolicyChange     = "PolicyChangeInsight"
	TypePasswordChange   = "PasswordChangeInsight"
	TypeTrailConcealment = "TrailConcealmentInsight"
	TypeFirstAction      = "FirstActionInsight"
	TypeOutOfHours       = "OutOfHoursInsight"
	TypeRisk             = "RiskInsight"
	TypeImpossibleTravel = "ImpossibleTravelInsight"
	TypeLoginFailure     = "LoginFailureInsight"
	TypeMassDeletion     = "MassDeletionInsight"
	TypeLogGap           = "LogGapInsight"
	TypeRule             = "RuleInsight"
	stateStart           = "Start"
	stateEnd             = "End"
	stateWithdrawn       = "Withdrawn"
	recordVersion        = "1"
	recordEventType      = "ActivityInsight"
	recordEventCategory  = "Insight"
)

// Types lists the insight types.
var Types = []string{
	TypeAPICallRate, TypeAPIErrorRate, TypeIP, TypeAk, TypePolicyChange, TypePasswordChange, TypeTrailConcealment, TypeFirstAction,
	TypeOutOfHours, TypeRisk, TypeImpossibleTravel, TypeLoginFailure, TypeMassDeletion, TypeLogGap, TypeRule,
}

// ProviderSelf and AccountSelf are the stream of insights on insightd itself: that
// somebody had it say less.
const (
	ProviderSelf = "insightd"
	AccountSelf  = "local"
)

// RuleBreakGlass is the id of the built-in rule that tells of each use of an
// identity that is labelled so.
const RuleBreakGlass = "break-glass"

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
//
// The names in the tags are those of the store's journal. What readers get is a
// Record.
type Insight struct {
	// ID is a hash of type, stream, region, object, identity and start minute:
	// the sharedEventID of its records.
	ID       string `json:"id"`
	Type     string `json:"type"`
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account,omitempty"`
	Region   string `json:"region,omitempty"`
	// Object is what is unusual: "service:operation", a key's id, an address, ….
	Object string `json:"object,omitempty"`
	// Identity is empty where the insight is the account's.
	Identity     string `json:"identity,omitempty"`
	IdentityKind string `json:"identityKind,omitempty"`
	// UserType is the provider's own word for the actor, such as IAMUser. It can
	// be filtered by and is not part of a record.
	UserType string `json:"userType,omitempty"`
	// IdentityLabels are what the configuration calls the identity, sorted, and
	// Sensitivity is the highest of the resources'.
	IdentityLabels []string    `json:"identityLabels,omitempty"`
	Sensitivity    Sensitivity `json:"sensitivity,omitempty"`

	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
	// HighRisk says that an operation behind the insight is in the catalogue's
	// highest risk tier. It can be filtered by and is not part of a record.
	HighRisk bool `json:"highRisk,omitempty"`

	State    State `json:"state"`
	Revision int   `json:"revision"`
	// Provisional says that this was told on arrival, and that the final pass
	// has not spoken yet. What is withdrawn is never provisional.
	Provisional bool `json:"provisional,omitempty"`
	// Supersedes is the id of the insight in whose place this one came, and
	// SupersededBy, of a withdrawn one, the id of that which took its place.
	Supersedes   string `json:"supersedes,omitempty"`
	SupersededBy string `json:"supersededBy,omitempty"`
	// Start and End are event times. End is zero while State is Start.
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
	// Detected is the time of the event that decided.
	Detected time.Time `json:"detected,omitzero"`

	Confidence float64 `json:"confidence"`
	// Score is -log10 of the expected number of false insights of this size in
	// a series-week; 0 where the type has none.
	Score    float64  `json:"score,omitempty"`
	Severity Severity `json:"severity,omitempty"`

	Summary  string `json:"summary,omitempty"`
	Incident string `json:"incident,omitempty"`
	Alert    Alert  `json:"alert,omitzero"`

	SourceIPs      []SourceIP `json:"sourceIPs,omitempty"`
	AccessKeyIDs   []string   `json:"accessKeyIds,omitempty"`
	Resources      []string   `json:"resources,omitempty"`
	SampleEventIDs []string   `json:"sampleEventIDs,omitempty"`
	KRI            string     `json:"kri,omitempty"`
	Attack         []string   `json:"attack,omitempty"`
	Reasons        []Reason   `json:"reasons,omitempty"`
	Statistics     Statistics `json:"statistics,omitzero"`
	// Rule is what raised a RuleInsight; nil of other types.
	Rule         *Rule         `json:"rule,omitempty"`
	Attributions []Attribution `json:"attributions,omitempty"`

	// Suppressed names the mute, the budget or the shadow stage that keeps the
	// insight from being notified; empty where nothing does.
	Suppressed string `json:"suppressed,omitempty"`
	// ConfirmedBy is the id of the feedback that confirmed such insights as
	// normal, where Suppressed says so. It is not part of a record.
	ConfirmedBy string `json:"confirmedBy,omitempty"`
	// ExceptedBy is the id of the exception that the insight falls within, where
	// Suppressed says so. It is not part of a record.
	ExceptedBy string `json:"exceptedBy,omitempty"`
	// Extent is what the insight spans.
	Extent Extent `json:"extent,omitzero"`
	// Filter selects the events behind the insight, in the filter language of
	// daemon/eventlog; together with Start and End.
	Filter string `json:"filter,omitempty"`

	// Selector is the series that was unusual, in the form that /api/v1/bands
	// takes; empty where no stored series is what was counted. It is not part of
	// a record.
	Selector string `json:"selector,omitempty"`

	// Observed, Expected and Upper are per minute, of the newest minute of the
	// insight: what insight_observed, insight_expected and insight_upper show.
	Observed float64 `json:"observed,omitempty"`
	Expected float64 `json:"expected,omitempty"`
	Upper    float64 `json:"upper,omitempty"`
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

// The labels of critical identities.
const (
	LabelAdmin      = "admin"
	LabelBreakGlass = "break-glass"
	LabelCI         = "ci"
	LabelDataAccess = "data-access"
)

// Sensitivity says how bad it would be if somebody got a resource.
type Sensitivity string

// The sensitivities, in rising order. What has none was not given one.
const (
	SensitivityLow    Sensitivity = "low"
	SensitivityMedium Sensitivity = "medium"
	SensitivityHigh   Sensitivity = "high"
)

// FeatureCritical is the feature of the reason that says why the severity is a step
// higher than it would be.
const FeatureCritical = "critical"

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

// SuppressedByBudget begins what Suppressed says of an insight for which there
// was no room in the budget, and which nothing else is held against.
const SuppressedByBudget = "budget: "

// FeatureAgreement is the feature of the reason that says how many other types
// of insight the same identity had shortly before; confidence takes it in.
const FeatureAgreement = "agreement"

// FeatureAutomation is the feature of the reason that says that a person has begun
// to behave like a program. It contributes nothing to a score.
const FeatureAutomation = "automation"

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

// Agreeing is how many other types of insight the same identity had shortly
// before this one, which its confidence takes in.
func (i *Insight) Agreeing() int {
	for _, r := range i.Reasons {
		if n, ok := r.Observed.(float64); ok && r.Feature == FeatureAgreement {
			return int(n)
		}
	}
	return 0
}

// Active reports whether the insight goes on.
func (i *Insight) Active() bool { return i.State == StateStart }
