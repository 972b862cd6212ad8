package insightd

import (
	"context"
	"net/url"
	"time"
)

// Profile is what is known of an identity.
type Profile struct {
	ID          string      `json:"id"`
	Provider    string      `json:"provider"`
	Account     string      `json:"account"`
	Identity    string      `json:"identity"`
	Kind        string      `json:"identityKind"`
	Class       string      `json:"identityClass"`
	ClassReason string      `json:"identityClassReason"`
	UserTypes   []string    `json:"userTypes"`
	FirstSeen   time.Time   `json:"firstSeen"`
	LastSeen    time.Time   `json:"lastSeen"`
	Events      uint64      `json:"events"`
	Errors      uint64      `json:"errors"`
	ActiveDays  int         `json:"activeDays"`
	Hours       []float64   `json:"hours"`
	Operations  []Known     `json:"operations"`
	Networks    []Known     `json:"networks"`
	Countries   []Known     `json:"countries"`
	Agents      []Known     `json:"userAgents"`
	Regions     []Known     `json:"regions"`
	Risk        *float64    `json:"risk"`
	RiskUsual   *float64    `json:"riskUsual"`
	Active      *int        `json:"activeInsights"`
	LastInsight *InsightRef `json:"lastInsight"`
	Rebaselined *Rebaseline `json:"rebaselined"`
}

// Known is a value that an identity has been seen with.
type Known struct {
	Value     string `json:"value"`
	Count     uint64 `json:"count"`
	Frequency string `json:"frequency"`
}

// InsightRef is the newest insight of an identity.
type InsightRef struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Start      time.Time `json:"startTime"`
	Confidence float64   `json:"confidence"`
	Severity   string    `json:"severity"`
	Summary    string    `json:"summary"`
}

// Rebaseline says that an identity is being learned anew.
type Rebaseline struct {
	Note  string    `json:"note"`
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// identityPage is how many identities are asked for at a time.
const identityPage = 1000

// Identities lists identities, at most limit of them.
func (c *Client) Identities(ctx context.Context, v url.Values, limit int) (Page[Profile], error) {
	return pages(ctx, v, limit, identityPage, func(ctx context.Context, v url.Values) ([]Profile, string, Notes, error) {
		var p struct {
			Identities []Profile `json:"identities"`
			Next       string    `json:"next"`
		}
		notes, err := c.get(ctx, "/api/v1/identities", v, &p)
		return p.Identities, p.Next, notes, err
	})
}

// Identity returns one identity by its id.
func (c *Client) Identity(ctx context.Context, id string) (Profile, Notes, error) {
	var p struct {
		Identity Profile `json:"identity"`
	}
	if err := identifier("identity", id); err != nil {
		return p.Identity, Notes{}, err
	}
	notes, err := c.get(ctx, "/api/v1/identities/"+id, nil, &p)
	return p.Identity, notes, err
}

// Coverage says what the detectors know, and how the sources are.
type Coverage struct {
	Streams []Stream `json:"streams"`
	Sources []Source `json:"sources"`
	Notes   `json:"-"`
}

// Stream is one provider's account.
type Stream struct {
	Provider      string         `json:"provider"`
	Account       string         `json:"account"`
	FirstEvent    time.Time      `json:"firstEvent"`
	LastEvent     time.Time      `json:"lastEvent"`
	Watermark     time.Time      `json:"watermark"`
	Events        uint64         `json:"events"`
	Late          uint64         `json:"late"`
	Future        uint64         `json:"future"`
	LiveSeries    map[string]int `json:"liveSeries"`
	Detectors     []Detector     `json:"detectors"`
	Suppressed    int            `json:"suppressed"`
	Provisional   int            `json:"provisional"`
	Withdrawn     int            `json:"withdrawn"`
	Folded        uint64         `json:"folded"`
	Capped        uint64         `json:"capped"`
	Rebuilding    bool           `json:"rebuilding"`
	RebuildReason string         `json:"rebuildReason"`
}

// The states of a detector.
const (
	DetectorReady    = "ready"
	DetectorLearning = "learning"
	DetectorBlind    = "blind"
)

// Detector is what one detector can say in one region.
type Detector struct {
	Type   string    `json:"insightType"`
	Region string    `json:"region"`
	State  string    `json:"state"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Source is where events come from.
type Source struct {
	Name         string    `json:"name"`
	Kind         string    `json:"kind"`
	State        string    `json:"state"`
	AtEnd        bool      `json:"atEnd"`
	Frontier     time.Time `json:"frontier"`
	LastEvent    time.Time `json:"lastEvent"`
	LagSeconds   float64   `json:"lagSeconds"`
	BacklogFiles int       `json:"backlogFiles"`
	BacklogBytes int64     `json:"backlogBytes"`
	Rate         float64   `json:"rate"`
	Events       uint64    `json:"events"`
	Errors       uint64    `json:"errors"`
	LastError    string    `json:"lastError"`
	Hint         string    `json:"hint"`
}

// Coverage returns the coverage.
func (c *Client) Coverage(ctx context.Context) (Coverage, error) {
	var w Coverage
	notes, err := c.get(ctx, "/api/v1/coverage", nil, &w)
	w.Notes = notes
	return w, err
}

// Band is what was expected of a series. Numbers that are not known are nil.
type Band struct {
	Labels map[string]string `json:"labels"`
	// Times are Unix seconds.
	Times    []int64    `json:"times"`
	Observed []*float64 `json:"observed"`
	Expected []*float64 `json:"expected"`
	Lower    []*float64 `json:"lower"`
	Upper    []*float64 `json:"upper"`
}

// Bands returns the bands of every series that a selector matches.
func (c *Client) Bands(ctx context.Context, v url.Values) ([]Band, Notes, error) {
	var p struct {
		Bands []Band `json:"bands"`
	}
	notes, err := c.get(ctx, "/api/v1/bands", v, &p)
	return p.Bands, notes, err
}
