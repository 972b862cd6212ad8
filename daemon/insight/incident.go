package insight

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-memdb"
)

// Incident is insights of one identity, or of one cause, as one line.
type Incident struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	Account  string `json:"account"`
	// Identity is empty where the insights are of several, or the account's.
	Identity string `json:"identity,omitempty"`
	// State is Start while any of the insights goes on.
	State State     `json:"state"`
	Start time.Time `json:"startTime"`
	End   time.Time `json:"endTime,omitzero"`
	// Confidence is that of the surest insight, and more where rules and models
	// both found something (agreed).
	Confidence      float64 `json:"confidence"`
	ConfidenceLevel string  `json:"confidenceLevel"`
	// Severity is the highest of the insights'.
	Severity Severity `json:"severity"`
	// Title says who it is about and what happened, in order.
	Title string `json:"title"`
	// Summary is that of the insight of which we are most confident.
	Summary  string   `json:"summary"`
	Types    []string `json:"insightTypes"`
	Regions  []string `json:"regions"`
	Insights int      `json:"insights"`
	// Suppressed is how many of the insights were not notified.
	Suppressed int `json:"suppressed"`
	// Timeline is what happened, in order of start. Lists leave it out.
	Timeline []Step `json:"timeline,omitempty"`
}

// Step is the start of an insight in an incident.
type Step struct {
	Time       time.Time `json:"time"`
	ID         string    `json:"id"`
	Type       string    `json:"insightType"`
	Severity   Severity  `json:"severity"`
	Confidence float64   `json:"confidence"`
	Summary    string    `json:"summary"`
	Suppressed string    `json:"suppressed,omitempty"`
}

// IncidentQuery asks for incidents. A field at its zero value asks for nothing.
type IncidentQuery struct {
	// State is StateStart or StateEnd.
	State                       State
	Provider, Account, Identity Words
	// Filter asks for incidents with an insight that fits.
	Filter *Filter
	// From and To ask for incidents that were active in that range.
	From, To time.Time
	// Limit is how many a page holds at the most; 0 is DefaultLimit.
	Limit int
	// Next is what the page before gave.
	Next string
}

// Incidents lists incidents, the newest start first. Insights that were
// withdrawn are no part of one.
func (s *Store) Incidents(q IncidentQuery) ([]Incident, string, error) {
	if q.Limit < 0 {
		return nil, "", fmt.Errorf("%w: limit %d is negative", ErrQuery, q.Limit)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	o := order{name: "incident", falling: true}
	var after *place
	if q.Next != "" {
		p, err := o.parse(q.Next)
		if err != nil {
			return nil, "", err
		}
		after = &p
	}
	txn := s.db.Txn(false)
	best := top[string]{n: q.Limit + 1, o: o}
	var sum Incident
	fits := false // One of the insights does.
	finish := func() {
		if !fits {
			return
		}
		sum.close()
		p := place{key: timeKey(sum.Start), id: sum.ID}
		if q.fits(&sum) && (after == nil || o.compare(p, *after) > 0) {
			best.add(p, sum.ID)
		}
	}
	err := walk(txn, indexIncident, nil, false, nil, func(e *entry) bool {
		i := e.cur
		if i.State == StateWithdrawn {
			return true
		}
		if sum.Insights > 0 && sum.ID != i.Incident {
			finish()
			sum, fits = Incident{}, false
		}
		sum.join(i)
		fits = fits || q.Filter.Match(i)
		return true
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing incidents: %w", err)
	}
	finish()
	found := []Incident{}
	for _, id := range best.sorted() {
		if members := members(txn, id); len(members) > 0 {
			found = append(found, incident(members))
		}
	}
	if len(found) <= q.Limit {
		return found, "", nil
	}
	found = found[:q.Limit]
	last := found[len(found)-1]
	return found, o.cursor(place{timeKey(last.Start), last.ID}), nil
}

func (q *IncidentQuery) fits(in *Incident) bool {
	return (q.State == "" || q.State == in.State) && q.Provider.fit(in.Provider) && q.Account.fit(in.Account) &&
		q.Identity.fit(in.Identity) && (q.To.IsZero() || in.Start.Before(q.To)) &&
		(q.From.IsZero() || in.State == StateStart || !in.End.Before(q.From))
}

// Incident returns an incident with its insights in order of start.
func (s *Store) Incident(id string) (Incident, []Insight, bool) {
	if id == "" {
		return Incident{}, nil, false
	}
	members := members(s.db.Txn(false), id)
	if len(members) == 0 {
		return Incident{}, nil, false
	}
	out := make([]Insight, len(members))
	for n, i := range members {
		out[n] = *i
	}
	in := incident(members)
	for _, i := range members {
		in.Timeline = append(in.Timeline, Step{
			Time: seconds(i.Start), ID: i.ID, Type: i.Type, Severity: i.Severity, Confidence: i.Confidence,
			Summary: i.Summary, Suppressed: i.Suppressed,
		})
	}
	return in, out, true
}

// OpenIncidents returns the incidents that insights which go on and are not suppressed
// belong to, in order of start and id.
func (s *Store) OpenIncidents() []Incident {
	return s.incidentsOf(slices.DeleteFunc(s.Active(), func(i Insight) bool { return i.Suppressed != "" }))
}

// incidentsOf sums up the incidents of insights, in order of start and id.
func (s *Store) incidentsOf(list []Insight) []Incident {
	txn := s.db.Txn(false)
	seen := map[string]bool{"": true}
	var out []Incident
	for n := range list {
		id := list[n].Incident
		if seen[id] {
			continue
		}
		seen[id] = true
		if m := members(txn, id); len(m) > 0 {
			out = append(out, incident(m))
		}
	}
	slices.SortFunc(out, func(a, b Incident) int { return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID)) })
	return out
}

// members are the insights of an incident, in order of start, without those that
// were withdrawn.
func members(txn *memdb.Txn, id string) []*Insight {
	var out []*Insight
	err := walk(txn, indexIncident, textKey(id), false, nil, func(e *entry) bool {
		if e.cur.Incident == id && e.cur.State != StateWithdrawn {
			out = append(out, e.cur)
		}
		return true
	})
	if err != nil {
		return nil // The index is there, and so is its key.
	}
	slices.SortFunc(out, func(a, b *Insight) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	return out
}

// join adds what an incident can be asked for by. Members come in order of
// start; close comes behind the last.
func (in *Incident) join(i *Insight) {
	if in.Insights == 0 {
		*in = Incident{
			ID: i.Incident, Provider: i.Provider, Account: i.Account, Identity: i.Identity,
			State: StateEnd, Start: i.Start,
		}
	}
	in.Insights++
	if i.Start.Before(in.Start) {
		in.Start = i.Start
	}
	switch {
	case i.Active():
		in.State = StateStart
	case i.End.After(in.End):
		in.End = i.End
	}
	switch {
	case in.Identity == "":
		in.Identity = i.Identity // An account's insight joins an identity's incident.
	case i.Identity != "" && i.Identity != in.Identity:
		in.Identity = several
	}
}

func (in *Incident) close() {
	if in.State == StateStart {
		in.End = time.Time{}
	}
	if in.Identity == several {
		in.Identity = ""
	}
	in.Start, in.End = seconds(in.Start), seconds(in.End)
}

// incident sums insights up. There is at least one. What nobody was told of says
// how sure and how bad an incident is only where there is nothing else.
func incident(members []*Insight) Incident {
	var in Incident
	told := make([]*Insight, 0, len(members))
	for _, i := range members {
		in.join(i)
		if i.Suppressed != "" {
			in.Suppressed++
		} else {
			told = append(told, i)
		}
		in.Types = append(in.Types, i.Type)
		if i.Region != "" {
			in.Regions = append(in.Regions, i.Region)
		}
	}
	if len(told) == 0 {
		told = members
	}
	var best *Insight
	for _, i := range told {
		if severityRank[i.Severity] > severityRank[in.Severity] {
			in.Severity = i.Severity
		}
		if best == nil || cmp.Or(cmp.Compare(i.Confidence, best.Confidence), best.Start.Compare(i.Start), strings.Compare(best.ID, i.ID)) > 0 {
			best = i
		}
	}
	in.close()
	in.Confidence = agreed(told)
	in.ConfidenceLevel, in.Summary, in.Title = Level(in.Confidence), best.Summary, title(&in, told)
	in.Types, in.Regions = distinct(in.Types), distinct(in.Regions)
	return in
}

// agreed is how sure an incident of insights is. That models agree is in their
// insights' confidence already (it says how often insights with so many other
// types beside them were right), so the surest counts. Rules know nothing of
// models: where both found something, the less sure side takes away half of its
// confidence of what doubt is left.
func agreed(told []*Insight) float64 {
	var rule, model float64
	for _, i := range told {
		if i.Type == TypeRule {
			rule = max(rule, i.Confidence)
		} else {
			model = max(model, i.Confidence)
		}
	}
	doubt := (1 - max(rule, model)) * (1 - min(rule, model)/2)
	return math.Round(100*(1-doubt)) / 100
}

// several stands for more than one identity while an incident is summed up. No
// identity is called so.
const several = "\x00"

func distinct(l []string) []string {
	l = list(l)
	slices.Sort(l)
	return slices.Compact(l)
}
