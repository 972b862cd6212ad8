package tsdb

// The names of the series, which DESIGN.md §4 explains.
const (
	MetricEvents            = "activity_events"
	MetricIdentityEvents    = "activity_identity_events"
	MetricIdentityAPIEvents = "activity_identity_api_events"
	MetricCredentialEvents  = "activity_credential_events"
	MetricSourceEvents      = "activity_source_events"
	MetricInsightConfidence = "insight_confidence"
	MetricInsightObserved   = "insight_observed"
	MetricInsightExpected   = "insight_expected"
	MetricInsightUpper      = "insight_upper"
	MetricIncident          = "incident_confidence"

	// MetricHeartbeat is written by this package alone: it gives an empty head a
	// time to stand at before history is written.
	MetricHeartbeat = "insightd_series_heartbeat"
)

// The names of the labels.
const (
	LabelProvider     = "provider"
	LabelAccount      = "account"
	LabelRegion       = "region"
	LabelService      = "service"
	LabelOperation    = "operation"
	LabelCategory     = "category"
	LabelAccess       = "access"
	LabelOutcome      = "outcome"
	LabelIdentity     = "identity"
	LabelIdentityKind = "identity_kind"
	LabelCredential   = "credential"
	LabelCountry      = "country"
	LabelNetwork      = "network"
	LabelID           = "id"
	LabelInsightType  = "insight_type"
	LabelIncident     = "incident"
	LabelObject       = "object"
)

// Overflow is the value of the folded label of a series that holds what is
// beyond the cap on series.
const Overflow = "__overflow__"

// TemporaryCredential is the credential of all session keys.
const TemporaryCredential = "temporary"

// MetricType is what the metadata says that every metric is.
const MetricType = "gauge"

// Metric describes a metric.
type Metric struct {
	Name string
	Help string
	// Labels are the names of its labels, __name__ left out.
	Labels []string
	// Fold is the label whose value becomes Overflow beyond the cap on series;
	// empty where the metric has no cap.
	Fold string
}

const perMinute = " One sample a minute holds how many events fell in it, and a minute without events has none:" +
	" use sum_over_time, as rate and increase are wrong on it."

var insightLabels = []string{
	LabelID, LabelInsightType, LabelProvider, LabelAccount, LabelRegion, LabelIdentity, LabelObject,
}

// Metrics lists every metric that queries can see, in the order in which a
// reader is shown them.
var Metrics = []Metric{
	{
		Name:   MetricEvents,
		Help:   "Events by operation." + perMinute,
		Labels: []string{LabelProvider, LabelAccount, LabelRegion, LabelService, LabelOperation, LabelCategory, LabelAccess, LabelOutcome},
		Fold:   LabelOperation,
	},
	{
		Name:   MetricIdentityEvents,
		Help:   "Events by identity." + perMinute,
		Labels: []string{LabelProvider, LabelAccount, LabelRegion, LabelIdentity, LabelIdentityKind, LabelAccess, LabelOutcome},
		Fold:   LabelIdentity,
	},
	{
		Name:   MetricIdentityAPIEvents,
		Help:   "Writes and errors by identity and operation." + perMinute,
		Labels: []string{LabelProvider, LabelAccount, LabelRegion, LabelIdentity, LabelService, LabelOperation, LabelAccess, LabelOutcome},
		Fold:   LabelIdentity,
	},
	{
		Name:   MetricCredentialEvents,
		Help:   "Events by long-lived credential; session keys are credential=\"" + TemporaryCredential + "\"." + perMinute,
		Labels: []string{LabelProvider, LabelAccount, LabelRegion, LabelCredential, LabelAccess, LabelOutcome},
		Fold:   LabelCredential,
	},
	{
		Name:   MetricSourceEvents,
		Help:   "Events by where they came from." + perMinute,
		Labels: []string{LabelProvider, LabelAccount, LabelCountry, LabelNetwork, LabelOutcome},
		Fold:   LabelCountry,
	},
	{
		Name:   MetricInsightConfidence,
		Help:   "Confidence of an insight, 0 to 1, in each minute in which it was active.",
		Labels: insightLabels,
	},
	{
		Name:   MetricInsightObserved,
		Help:   "What was observed a minute, in each minute in which the insight was active.",
		Labels: insightLabels,
	},
	{
		Name:   MetricInsightExpected,
		Help:   "What was expected a minute, in each minute in which the insight was active.",
		Labels: insightLabels,
	},
	{
		Name:   MetricInsightUpper,
		Help:   "The rate a minute beyond which the insight starts, in each minute in which it was active.",
		Labels: insightLabels,
	},
	{
		Name:   MetricIncident,
		Help:   "Confidence of an incident, 0 to 1, in each minute in which one of its insights was active.",
		Labels: []string{LabelIncident, LabelProvider, LabelAccount, LabelIdentity},
	},
}

// MetricByName returns the metric of that name.
func MetricByName(name string) (Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}
