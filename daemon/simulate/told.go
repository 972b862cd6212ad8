package simulate

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Told is what a reader was told of one insight: what its Start record said,
// and the end that its End record gave. Times are seconds since 1970.
type Told struct {
	ID       string
	Type     string
	Object   string // Without the version suffix of Lambda's operations.
	Identity string // Empty where the insight is the account's.
	Account  string
	Region   string
	// Top is the identity that did most of it, by its attributions.
	Top string
	// Confidence and Score are nil where the record has none.
	Confidence *float64
	Score      *float64
	// Agreeing is how many other types of insight the same identity had.
	Agreeing int
	// Start is never after Seen, the time of the event that decided. End is
	// open where HasEnd is false.
	Start, Seen, End float64
	HasEnd           bool
	// Suppressed says why nobody was told; it is empty where somebody was.
	Suppressed string
}

// line is what the judge reads of a record.
type line struct {
	SharedEventID      string `json:"sharedEventID"`
	EventTime          string `json:"eventTime"`
	RecipientAccountID string `json:"recipientAccountId"`
	Region             string `json:"region"`
	Details            *struct {
		State      string   `json:"state"`
		Type       string   `json:"insightType"`
		Revision   int      `json:"revision"`
		Object     string   `json:"insightObject"`
		Identity   string   `json:"identity"`
		Start      string   `json:"startTime"`
		End        string   `json:"endTime"`
		Detected   string   `json:"detectedTime"`
		Confidence *float64 `json:"confidence"`
		Score      *float64 `json:"score"`
		Suppressed string   `json:"suppressed"`
		Reasons    []struct {
			Feature  string `json:"feature"`
			Observed any    `json:"observed"`
		} `json:"reasons"`
		Context struct {
			Attributions []struct {
				Attribute string `json:"attribute"`
				Insight   []struct {
					Value string `json:"value"`
				} `json:"insight"`
			} `json:"attributions"`
		} `json:"insightContext"`
	} `json:"insightDetails"`
}

// Reading is what records say when each insight is taken in its newest form.
type Reading struct {
	// Told are in order of their start. Those that were suppressed are among
	// them, those that were withdrawn are not.
	Told      []Told
	Withdrawn int
}

// Records are the Start, End and Withdrawn records of insights on the way to
// being read. The zero value is ready to use.
type Records struct {
	order []string
	byID  map[string][]line
}

// Add adds a record of the product.
func (r *Records) Add(rec *insight.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("reading a record of insight %s: %w", rec.SharedEventID, err)
	}
	return r.addJSON(b)
}

func (r *Records) addJSON(b []byte) error {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return fmt.Errorf("not an insight record: %w", err)
	}
	switch {
	case l.SharedEventID == "":
		return errors.New("not an insight record: it has no sharedEventID")
	case l.Details == nil:
		return errors.New("not an insight record: it has no insightDetails")
	case l.Details.Type == "":
		return errors.New("not an insight record: it has no insightType")
	}
	for _, t := range []string{l.EventTime, l.Details.Start, l.Details.End, l.Details.Detected} {
		if _, err := seconds(t); err != nil {
			return err
		}
	}
	if l.EventTime == "" {
		return errors.New("not an insight record: it has no eventTime")
	}
	if r.byID == nil {
		r.byID = map[string][]line{}
	}
	if r.byID[l.SharedEventID] == nil {
		r.order = append(r.order, l.SharedEventID)
	}
	r.byID[l.SharedEventID] = append(r.byID[l.SharedEventID], l)
	return nil
}

// ReadRecords adds records from NDJSON, as `insightd replay --format=json`
// prints them.
func (r *Records) ReadRecords(in io.Reader) error {
	s := bufio.NewScanner(in)
	s.Buffer(nil, 16<<20)
	for n := 1; s.Scan(); n++ {
		b := bytes.TrimSpace(s.Bytes())
		if len(b) == 0 {
			continue
		}
		if err := r.addJSON(b); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}

// Read returns the insights of the records. Of an insight the newest revision
// counts. One whose newest revision is withdrawn never was.
func (r *Records) Read() Reading {
	var out Reading
	for _, id := range r.order {
		lines := slices.Clone(r.byID[id])
		slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.Details.Revision, b.Details.Revision) })
		last := &lines[len(lines)-1]
		if last.Details.State == string(insight.StateWithdrawn) {
			out.Withdrawn++
			continue
		}
		// What was told is what the newest record but an End says.
		start, end := last, (*line)(nil)
		for i := range lines {
			if lines[i].Details.State == string(insight.StateEnd) {
				end = &lines[i]
			} else {
				start = &lines[i]
			}
		}
		out.Told = append(out.Told, tell(start, end, last))
	}
	slices.SortStableFunc(out.Told, func(a, b Told) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// tell joins the records of an insight. end may be nil.
func tell(start, end, last *line) Told {
	d := start.Details
	t := Told{
		ID: start.SharedEventID, Type: d.Type, Object: plainName(d.Object), Identity: d.Identity,
		Account: start.RecipientAccountID, Region: start.Region, Confidence: d.Confidence, Score: d.Score,
		Suppressed: cmp.Or(last.Details.Suppressed, d.Suppressed),
	}
	// The times were read once already.
	t.Seen, _ = seconds(cmp.Or(d.Detected, start.EventTime))
	t.Start, _ = seconds(cmp.Or(d.Start, start.EventTime))
	t.Start = min(t.Start, t.Seen)
	if end != nil {
		t.HasEnd = true
		t.End, _ = seconds(cmp.Or(end.Details.End, end.EventTime))
	}
	for _, a := range d.Context.Attributions {
		if a.Attribute == "userIdentityArn" {
			if len(a.Insight) > 0 {
				t.Top = a.Insight[0].Value
			}
			break
		}
	}
	for _, r := range d.Reasons {
		if n, ok := r.Observed.(float64); ok && r.Feature == insight.FeatureAgreement {
			t.Agreeing = int(n)
		}
	}
	return t
}

// version is the suffix that Lambda's operations have.
var version = regexp.MustCompile(`\d{8}(v\d+)?$`)

// plainName is an operation without the suffix of its version.
func plainName(s string) string { return version.ReplaceAllString(s, "") }

// seconds reads a time as seconds since 1970, 0 where there is none.
func seconds(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, fmt.Errorf("%q is no time as RFC 3339 has them", s)
	}
	return unix(t), nil
}

// unix is a time as seconds since 1970.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// serviceOf is the service of a source:name.
func serviceOf(api string) string {
	s, _, _ := strings.Cut(api, ":")
	return s
}
