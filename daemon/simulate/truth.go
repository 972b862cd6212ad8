package simulate

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Truth says what is in the traffic: the incidents that were put into it, the
// insights that a good detector should raise for them, and the legitimate
// changes that are no incidents. It is the labels file.
type Truth struct {
	Start     time.Time  `json:"start"`
	End       time.Time  `json:"end"`
	WarmupEnd time.Time  `json:"warmupEnd"`
	Accounts  []string   `json:"accounts"`
	Labels    []Label    `json:"labels"`
	Benign    []Benign   `json:"benign"`
	Incidents []Incident `json:"incidents"`
	// Injected is what was captured elsewhere and put into the traffic.
	Injected []Injected `json:"injected,omitempty"`
}

// Label is one insight that a good detector should raise, or should not where
// Expected is false. Start and End are the times of the first and the last of
// the injected events that belong to it.
type Label struct {
	// Incident joins the labels of one attack.
	Incident string `json:"incident"`
	// Type is the kind of incident, such as burst_x5.
	Type string `json:"type"`
	// Insight is the insight type, such as ApiCallRateInsight.
	Insight string `json:"insight"`
	// Identity has the form of the daemon's identities: a user ARN, a
	// workload's role ARN, or a person's assumed-role ARN with the session.
	Identity string `json:"identity"`
	// API is the most frequent one of APIs, both as source:name.
	API       string   `json:"api"`
	APIs      []string `json:"apis"`
	AccessKey string   `json:"accessKey,omitempty"`
	IP        string   `json:"ip,omitempty"`
	Account   string   `json:"account"`
	// Region is the one in which most of the events happened.
	Region    string    `json:"region"`
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	StartUnix int64     `json:"startUnix"`
	EndUnix   int64     `json:"endUnix"`
	// Size is the factor of a burst, and the number of events of what has none.
	Size float64 `json:"size"`
	// RefPerMin is what a burst's factor is of: the 95th percentile of the
	// series' minutes with events, or an API's usual errors a minute.
	RefPerMin float64 `json:"refPerMin"`
	Events    int     `json:"events"`
	Errors    int     `json:"errors"`
	Hard      bool    `json:"hard"`
	Expected  bool    `json:"expected"`
}

// Benign is a legitimate change. Where Identity is empty it is the account's.
type Benign struct {
	Type     string    `json:"type"`
	Identity string    `json:"identity,omitempty"`
	Account  string    `json:"account"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Note     string    `json:"note,omitempty"`
}

// Incident is one attack with the ids of its events.
type Incident struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Account  string    `json:"account"`
	Identity string    `json:"identity"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	EventIDs []string  `json:"eventIDs"`
}

// UnmarshalJSON reads a label. One that says nothing of it is expected.
func (l *Label) UnmarshalJSON(b []byte) error {
	type plain Label
	p := plain{Expected: true}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*l = Label(p)
	return nil
}

// ReadTruth reads a labels file.
func ReadTruth(r io.Reader) (Truth, error) {
	var t Truth
	if err := json.NewDecoder(r).Decode(&t); err != nil {
		return Truth{}, fmt.Errorf("reading labels: %w", err)
	}
	return t, nil
}

// WriteJSON writes the truth as indented JSON, as the labels file holds it.
func (t Truth) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(t); err != nil {
		return fmt.Errorf("writing labels: %w", err)
	}
	return nil
}
