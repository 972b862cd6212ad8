package insightd

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// Record is an insight as the daemon tells it: its newest state, or one of those
// that it was in.
type Record struct {
	EventID   string    `json:"eventID"`
	ID        string    `json:"sharedEventID"`
	EventTime time.Time `json:"eventTime"`
	Provider  string    `json:"provider"`
	Account   string    `json:"recipientAccountId"`
	Region    string    `json:"region"`
	Details   Details   `json:"insightDetails"`
}

// The states of a record.
const (
	StateStart     = "Start"
	StateEnd       = "End"
	StateWithdrawn = "Withdrawn"
)

// Details are the inside of a record.
type Details struct {
	State           string    `json:"state"`
	Type            string    `json:"insightType"`
	Revision        int       `json:"revision"`
	Provisional     bool      `json:"provisional"`
	Supersedes      string    `json:"supersedes"`
	SupersededBy    string    `json:"supersededBy"`
	Object          string    `json:"insightObject"`
	Identity        string    `json:"identity"`
	IdentityKind    string    `json:"identityKind"`
	Service         string    `json:"eventSource"`
	Operation       string    `json:"eventName"`
	Start           time.Time `json:"startTime"`
	End             time.Time `json:"endTime"`
	Detected        time.Time `json:"detectedTime"`
	Confidence      float64   `json:"confidence"`
	ConfidenceLevel string    `json:"confidenceLevel"`
	Severity        string    `json:"severity"`
	Score           float64   `json:"score"`
	Summary         string    `json:"summary"`
	Incident        string    `json:"incident"`
	Alert           struct {
		ID     string `json:"id"`
		Reason string `json:"reason"`
	} `json:"alert"`
	Suppressed     string     `json:"suppressed"`
	Sources        []SourceIP `json:"sourceIPs"`
	Keys           []string   `json:"accessKeyIds"`
	Resources      []string   `json:"resources"`
	SampleEventIDs []string   `json:"sampleEventIDs"`
	KRI            string     `json:"kri"`
	Attack         []string   `json:"attack"`
	Reasons        []Reason   `json:"reasons"`
	// Rule is what raised it; nil where no rule did.
	Rule    *Rule `json:"rule"`
	Context struct {
		Statistics   Statistics    `json:"statistics"`
		Attributions []Attribution `json:"attributions"`
	} `json:"insightContext"`
}

// Rule is the rule that raised an insight, as it was then.
type Rule struct {
	ID            string   `json:"id"`
	Version       string   `json:"version"`
	Hash          string   `json:"hash"`
	Package       string   `json:"package"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	WindowSeconds int      `json:"windowSeconds"`
	References    []string `json:"references"`
	Group         []struct {
		Fact  string `json:"fact"`
		Value string `json:"value"`
	} `json:"group"`
	Runbook struct {
		What     string `json:"what"`
		Check    string `json:"check"`
		Step     string `json:"step"`
		Rollback string `json:"rollback"`
		Escalate string `json:"escalate"`
	} `json:"runbook"`
}

// SourceIP is an address behind an insight.
type SourceIP struct {
	IP      string `json:"ip"`
	Country string `json:"country"`
	ASN     uint32 `json:"asn"`
	Network string `json:"network"`
}

// Reason is one part of why an insight was raised. What was observed and what is
// usual are numbers or words.
type Reason struct {
	Feature      string  `json:"feature"`
	Observed     any     `json:"observed"`
	Usual        any     `json:"usual"`
	Contribution float64 `json:"contribution"`
	Text         string  `json:"text"`
}

// Statistics are averages a minute, and durations in minutes.
type Statistics struct {
	Baseline struct {
		Average float64 `json:"average"`
	} `json:"baseline"`
	Insight struct {
		Average float64 `json:"average"`
	} `json:"insight"`
	Upper            float64 `json:"upper"`
	InsightDuration  int     `json:"insightDuration"`
	BaselineDuration int     `json:"baselineDuration"`
	InsightCount     int     `json:"insightCount"`
}

// Attribution names the values of an attribute that did most, in averages a
// minute.
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

// Related is another insight that may belong to one.
type Related struct {
	ID         string    `json:"id"`
	Type       string    `json:"insightType"`
	State      string    `json:"state"`
	Start      time.Time `json:"startTime"`
	Confidence float64   `json:"confidence"`
	Severity   string    `json:"severity"`
	Summary    string    `json:"summary"`
	Relation   string    `json:"relation"`
}

// View is one insight with what stands around it.
type View struct {
	Insight   Record    `json:"insight"`
	Revisions int       `json:"revisions"`
	Filter    string    `json:"filter"`
	Related   []Related `json:"related"`
	// Selector is that of its series, in PromQL; empty where it has none.
	Selector string `json:"selector"`
	Notes    `json:"-"`
}

// insightPage is how many insights are asked for at a time: about 4 MB.
const insightPage = 1000

// Insights lists insights, at most limit of them.
func (c *Client) Insights(ctx context.Context, v url.Values, limit int) (Page[Record], error) {
	return pages(ctx, v, limit, insightPage, func(ctx context.Context, v url.Values) ([]Record, string, Notes, error) {
		var p struct {
			Insights []Record `json:"insights"`
			Next     string   `json:"next"`
		}
		notes, err := c.get(ctx, "/api/v1/insights", v, &p)
		return p.Insights, p.Next, notes, err
	})
}

// Insight returns one insight.
func (c *Client) Insight(ctx context.Context, id string) (View, error) {
	var w View
	if err := identifier("insight", id); err != nil {
		return w, err
	}
	notes, err := c.get(ctx, "/api/v1/insights/"+id, nil, &w)
	w.Notes = notes
	return w, err
}

// Records returns the records of one insight, in order.
func (c *Client) Records(ctx context.Context, id string) ([]Record, Notes, error) {
	if err := identifier("insight", id); err != nil {
		return nil, Notes{}, err
	}
	var p struct {
		Records []Record `json:"records"`
	}
	notes, err := c.get(ctx, "/api/v1/insights/"+id+"/records", nil, &p)
	return p.Records, notes, err
}

// InsightValues returns the values of a field of insights, with their counts.
func (c *Client) InsightValues(ctx context.Context, field string, v url.Values) ([]ValueCount, error) {
	if err := identifier("field", field); err != nil {
		return nil, err
	}
	var p struct {
		Values []ValueCount `json:"values"`
	}
	_, err := c.get(ctx, "/api/v1/insights/field/"+field+"/values", v, &p)
	return p.Values, err
}

// identifier refuses what would be more than one segment of a path.
func identifier(what, id string) error {
	if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\?#%") || len(id) > 512 {
		return &Error{Kind: ErrBadRequest, Text: what + " " + quoted(id) + " is no id"}
	}
	return nil
}

func quoted(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return `"` + s + `"`
}
