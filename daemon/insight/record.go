package insight

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Record is what a reader gets of an insight: its Start, its End, or that it
// was withdrawn. It is one line of `insightd replay --format=json`, one element
// of /api/v1/insights/{id}/records, and one payload of a webhook. The shape is
// ActionTrail's and CloudTrail's; times are whole seconds in UTC.
type Record struct {
	EventVersion  string `json:"eventVersion"`
	EventType     string `json:"eventType"`
	EventCategory string `json:"eventCategory"`
	// EventID is a hash of what the record says, apart from its revision, what it
	// supersedes and whether it is provisional: a final record has the same id
	// wherever and whenever it is made, whatever was told before it.
	EventID            string    `json:"eventID"`
	SharedEventID      string    `json:"sharedEventID"`
	EventTime          time.Time `json:"eventTime"`
	Provider           string    `json:"provider"`
	RecipientAccountID string    `json:"recipientAccountId"`
	Region             string    `json:"region"`
	InsightDetails     Details   `json:"insightDetails"`
}

// Details are the inside of a record.
type Details struct {
	State       State  `json:"state"`
	InsightType string `json:"insightType"`
	Revision    int    `json:"revision"`
	// Provisional is absent once the final pass has spoken. Supersedes and
	// SupersededBy are ids of insights, and absent where there is none.
	Provisional   bool   `json:"provisional,omitempty"`
	Supersedes    string `json:"supersedes,omitempty"`
	SupersededBy  string `json:"supersededBy,omitempty"`
	InsightObject string `json:"insightObject"`
	Identity      string `json:"identity,omitempty"`
	IdentityKind  string `json:"identityKind,omitempty"`
	// IdentityLabels and Sensitivity are absent where the configuration gives none.
	IdentityLabels []string    `json:"identityLabels,omitempty"`
	Sensitivity    Sensitivity `json:"sensitivity,omitempty"`

	EventSource string `json:"eventSource,omitempty"`
	EventName   string `json:"eventName,omitempty"`

	StartTime    time.Time `json:"startTime"`
	EndTime      time.Time `json:"endTime,omitzero"`
	DetectedTime time.Time `json:"detectedTime"`

	Confidence      float64  `json:"confidence"`
	ConfidenceLevel string   `json:"confidenceLevel"`
	Severity        Severity `json:"severity"`
	// Score is there for types that have one.
	Score      float64 `json:"score,omitempty"`
	Summary    string  `json:"summary"`
	Incident   string  `json:"incident,omitempty"`
	Alert      Alert   `json:"alert"`
	Suppressed string  `json:"suppressed,omitempty"`

	SourceIPs      []SourceIP `json:"sourceIPs"`
	AccessKeyIDs   []string   `json:"accessKeyIds"`
	Resources      []string   `json:"resources"`
	SampleEventIDs []string   `json:"sampleEventIDs"`
	KRI            string     `json:"kri,omitempty"`
	Attack         []string   `json:"attack"`
	Links          Links      `json:"links"`
	Reasons        []Reason   `json:"reasons"`
	// Rule is absent of insights that no rule raised.
	Rule *Rule `json:"rule,omitempty"`

	InsightContext Context `json:"insightContext"`
}

// Links lead to more of an insight. They are paths; whoever knows under which
// URL the daemon is reached puts that before them.
type Links struct {
	Self   string `json:"self"`
	Events string `json:"events"`
	// SupersededBy leads to what took the insight's place. It is absent where
	// nothing did.
	SupersededBy string `json:"supersededBy,omitempty"`
}

// Context holds the numbers of a record.
type Context struct {
	Statistics   Statistics    `json:"statistics"`
	Attributions []Attribution `json:"attributions"`
}

// ID is the id of an insight: 128 bits of a hash of what it is about and the
// minute in which it starts, in hexadecimal.
func ID(typ string, stream event.StreamKey, region, object, identity string, start time.Time) string {
	return hash(uint64(start.Truncate(time.Minute).Unix()), typ, stream.Provider, stream.Account, region, object, identity)
}

// hash joins its arguments so that no two lists of them give the same bytes.
func hash(n uint64, parts ...string) string {
	b := binary.BigEndian.AppendUint64(nil, n)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// StartRecord is the record of the insight's start. What it says is what i
// says, so the Start of an insight that has ended is made from what was told
// then: see Store.Records.
func (i *Insight) StartRecord() Record {
	return i.record(StateStart, i.Start)
}

// EndRecord is the record of the insight's end.
func (i *Insight) EndRecord() Record { return i.record(StateEnd, i.End) }

// WithdrawnRecord is the record of the insight's withdrawal. It stands at the
// time of the event that decided so.
func (i *Insight) WithdrawnRecord() Record {
	at := i.Detected
	if at.IsZero() {
		at = i.Start
	}
	return i.record(StateWithdrawn, at)
}

// Record is the record of the state that the insight is in.
func (i *Insight) Record() Record {
	switch i.State {
	case StateEnd:
		return i.EndRecord()
	case StateWithdrawn:
		return i.WithdrawnRecord()
	}
	return i.StartRecord()
}

func (i *Insight) record(s State, at time.Time) Record {
	end := seconds(i.End)
	if s == StateStart {
		end = time.Time{}
	}
	const insights = "/api/v1/insights/"
	path := insights + i.ID
	links := Links{Self: path, Events: path + "/events"}
	if i.SupersededBy != "" {
		links.SupersededBy = insights + i.SupersededBy
	}
	r := Record{
		EventVersion:       recordVersion,
		EventType:          recordEventType,
		EventCategory:      recordEventCategory,
		SharedEventID:      i.ID,
		EventTime:          seconds(at),
		Provider:           i.Provider,
		RecipientAccountID: i.Account,
		Region:             i.Region,
		InsightDetails: Details{
			State:           s,
			InsightType:     i.Type,
			Revision:        i.Revision,
			Provisional:     i.Provisional,
			Supersedes:      i.Supersedes,
			SupersededBy:    i.SupersededBy,
			InsightObject:   i.Object,
			Identity:        i.Identity,
			IdentityKind:    i.IdentityKind,
			IdentityLabels:  i.IdentityLabels,
			Sensitivity:     i.Sensitivity,
			EventSource:     i.Service,
			EventName:       i.Operation,
			StartTime:       seconds(i.Start),
			EndTime:         end,
			DetectedTime:    seconds(i.Detected),
			Confidence:      i.Confidence,
			ConfidenceLevel: Level(i.Confidence),
			Severity:        i.Severity,
			Score:           i.Score,
			Summary:         i.Summary,
			Incident:        i.Incident,
			Alert:           i.Alert,
			Suppressed:      i.Suppressed,
			SourceIPs:       list(i.SourceIPs),
			AccessKeyIDs:    list(i.AccessKeyIDs),
			Resources:       list(i.Resources),
			SampleEventIDs:  list(i.SampleEventIDs),
			KRI:             i.KRI,
			Attack:          list(i.Attack),
			Links:           links,
			Reasons:         list(i.Reasons),
			Rule:            i.Rule,
			InsightContext:  Context{Statistics: i.Statistics, Attributions: attributions(i.Attributions)},
		},
	}
	r.EventID = r.id()
	return r
}

// id is the hash of what the record says.
func (r *Record) id() string {
	d := r.InsightDetails
	d.Revision, d.Supersedes, d.Provisional = 0, "", false
	b, err := json.Marshal(&d)
	if err != nil {
		// Only an insight that no store takes, with a number that is not finite.
		b = fmt.Appendf(nil, "%+v", d)
	}
	return hash(uint64(r.EventTime.Unix()), r.SharedEventID, string(b))
}

// seconds cuts a time to what records hold. Zero stays zero.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// list makes of no list an empty one, so that it is [] in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func attributions(as []Attribution) []Attribution {
	out := make([]Attribution, len(as))
	for n, a := range as {
		out[n] = Attribution{Attribute: a.Attribute, Insight: list(a.Insight), Baseline: list(a.Baseline)}
	}
	return out
}
