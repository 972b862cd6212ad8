package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
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
	// Confidence and Severity are the highest of the insights'.
	Confidence      float64  `json:"confidence"`
	ConfidenceLevel string   `json:"confidenceLevel"`
	Severity        Severity `json:"severity"`
	// Summary is that of the insight of which we are most confident.
	Summary  string   `json:"summary"`
	Types    []string `json:"insightTypes"`
	Regions  []string `json:"regions"`
	Insights int      `json:"insights"`
	// Suppressed is how many of the insights were not notified.
	Suppressed int `json:"suppressed"`
}

// IncidentQuery asks for incidents. A field at its zero value asks for nothing.
type IncidentQuery struct {
	// State is StateStart or StateEnd.
	State                       State
	Provider, Account, Identity string
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
	it, err := s.db.Txn(false).Get(tableInsight, indexIncident)
	if err != nil {
		return nil, "", fmt.Errorf("listing incidents: %w", err)
	}
	found := []Incident{}
	var members []*Insight
	finish := func() {
		if len(members) == 0 {
			return
		}
		in := incident(members)
		members = members[:0]
		p := place{key: timeKey(in.Start), id: in.ID}
		if q.fits(&in) && (after == nil || o.compare(p, *after) > 0) {
			found = append(found, in)
		}
	}
	for x := it.Next(); x != nil; x = it.Next() {
		i := x.(*entry).cur
		if i.State == StateWithdrawn {
			continue
		}
		if len(members) > 0 && members[0].Incident != i.Incident {
			finish()
		}
		members = append(members, i)
	}
	finish()
	slices.SortFunc(found, func(a, b Incident) int {
		return o.compare(place{timeKey(a.Start), a.ID}, place{timeKey(b.Start), b.ID})
	})
	if len(found) <= q.Limit {
		return found, "", nil
	}
	found = found[:q.Limit]
	last := found[len(found)-1]
	return found, o.cursor(place{timeKey(last.Start), last.ID}), nil
}

func (q *IncidentQuery) fits(in *Incident) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(string(q.State), string(in.State)) && is(q.Provider, in.Provider) && is(q.Account, in.Account) &&
		is(q.Identity, in.Identity) && (q.To.IsZero() || in.Start.Before(q.To)) &&
		(q.From.IsZero() || in.State == StateStart || !in.End.Before(q.From))
}

// Incident returns an incident with its insights in order of start.
func (s *Store) Incident(id string) (Incident, []Insight, bool) {
	if id == "" {
		return Incident{}, nil, false
	}
	it, err := s.db.Txn(false).Get(tableInsight, indexIncident, textKey(id))
	if err != nil {
		return Incident{}, nil, false
	}
	var members []*Insight
	for x := it.Next(); x != nil; x = it.Next() {
		if i := x.(*entry).cur; i.State != StateWithdrawn {
			members = append(members, i)
		}
	}
	if len(members) == 0 {
		return Incident{}, nil, false
	}
	slices.SortFunc(members, func(a, b *Insight) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	out := make([]Insight, len(members))
	for n, i := range members {
		out[n] = *i
	}
	return incident(members), out, true
}

// incident sums insights up. There is at least one.
func incident(members []*Insight) Incident {
	m := members[0]
	in := Incident{
		ID: m.Incident, Provider: m.Provider, Account: m.Account, Identity: m.Identity,
		State: StateEnd, Start: m.Start, Insights: len(members),
	}
	var best *Insight
	for _, i := range members {
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
		if severityRank[i.Severity] > severityRank[in.Severity] {
			in.Severity = i.Severity
		}
		if i.Suppressed != "" {
			in.Suppressed++
		}
		if best == nil || cmp.Or(cmp.Compare(i.Confidence, best.Confidence), best.Start.Compare(i.Start), strings.Compare(best.ID, i.ID)) > 0 {
			best = i
		}
		in.Types = append(in.Types, i.Type)
		if i.Region != "" {
			in.Regions = append(in.Regions, i.Region)
		}
	}
	if in.State == StateStart {
		in.End = time.Time{}
	}
	if in.Identity == several {
		in.Identity = ""
	}
	in.Start, in.End = seconds(in.Start), seconds(in.End)
	in.Confidence, in.ConfidenceLevel, in.Summary = best.Confidence, Level(best.Confidence), best.Summary
	in.Types, in.Regions = distinct(in.Types), distinct(in.Regions)
	return in
}

// several stands for more than one identity while an incident is summed up. No
// identity is called so.
const several = "\x00"

func distinct(l []string) []string {
	l = list(l)
	slices.Sort(l)
	return slices.Compact(l)
}
