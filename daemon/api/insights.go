package api

import (
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// maxRelated is how many related insights are told.
const maxRelated = 20

// insightList is a page of insights, each as the record of its newest state.
type insightList struct {
	Insights []insight.Record `json:"insights"`
	Next     string           `json:"next"`
}

// insightView is one insight with what stands around it.
type insightView struct {
	Insight insight.Record `json:"insight"`
	// Revisions is how often something else was said of it.
	Revisions int `json:"revisions"`
	// Filter selects the events behind it, in the filter language of events.
	Filter string `json:"filter"`
	// Selector is its series, as bands takes it; absent where it has none.
	Selector string    `json:"selector,omitempty"`
	Related  []related `json:"related"`
	// Feedback is what was said of it, the newest first.
	Feedback []insight.Feedback `json:"feedback"`
	// ConfirmedBy is what confirmed such insights as normal, where that keeps
	// this one from being notified.
	ConfirmedBy *insight.Feedback `json:"confirmedBy,omitempty"`
}

// related is another insight that may belong to it.
type related struct {
	ID          string           `json:"id"`
	InsightType string           `json:"insightType"`
	State       insight.State    `json:"state"`
	StartTime   time.Time        `json:"startTime"`
	Confidence  float64          `json:"confidence"`
	Severity    insight.Severity `json:"severity"`
	Summary     string           `json:"summary"`
	// Relation is "incident", or "identity" within a day.
	Relation string `json:"relation"`
}

// linked puts the external URL before a record's links.
func (a *API) linked(r insight.Record) insight.Record {
	l := &r.InsightDetails.Links
	l.Self, l.Events = a.o.ExternalURL+l.Self, a.o.ExternalURL+l.Events
	if l.SupersededBy != "" {
		l.SupersededBy = a.o.ExternalURL + l.SupersededBy
	}
	return r
}

func (a *API) records(is []insight.Insight) []insight.Record {
	out := make([]insight.Record, len(is))
	for n := range is {
		out[n] = a.linked(is[n].Record())
	}
	return out
}

// insightQuery reads the filters for insights.
func insightQuery(q *request) insight.Query {
	iq := insight.Query{
		Filter:        insightFilter(q),
		Types:         q.texts("type"),
		State:         insightState(q),
		Provider:      q.texts("provider"),
		Account:       q.texts("account"),
		Region:        q.texts("region"),
		Service:       q.texts("service"),
		Operation:     q.texts("operation"),
		Object:        q.whole("object"),
		Identity:      q.whole("identity"),
		UserType:      q.texts("user_type"),
		IP:            q.texts("ip"),
		Country:       q.texts("country"),
		MinConfidence: q.number("min_confidence", 0, 1),
		Level:         q.someOf("level", "Low", "Medium", "High"),
		Severity:      q.someOf("severity", "Low", "Medium", "High", "Critical"),
		KRI:           q.whole("kri"),
		HighRisk:      q.truth("high_risk"),
		Incident:      q.texts("incident"),
		Suppressed:    q.truth("suppressed"),
		Provisional:   q.truth("provisional"),
		Q:             q.text("q"),
	}
	iq.From, iq.To = q.span()
	return iq
}

// insightFilter reads the filter of a question for insights.
func insightFilter(q *request) *insight.Filter {
	f, err := insight.ParseFilter(q.filter(), q.a.o.Knowledge.IdentityClass)
	if err != nil && q.wrong == nil {
		q.wrong = badData("invalid query: %v", err)
	}
	return f
}

func insightState(q *request) insight.State {
	switch q.oneOf("state", "active", "ended", "withdrawn") {
	case "active":
		return insight.StateStart
	case "ended":
		return insight.StateEnd
	case "withdrawn":
		return insight.StateWithdrawn
	}
	return ""
}

func (a *API) listInsights(q *request) (any, error) {
	iq := insightQuery(q)
	iq.Sort, iq.Limit, iq.Next = q.text("sort"), q.limit(insight.DefaultLimit), q.text("next")
	if q.wrong != nil {
		return nil, q.wrong
	}
	page, err := a.o.Insights.List(iq)
	if err != nil {
		return nil, err
	}
	return insightList{Insights: a.records(page.Insights), Next: page.Next}, nil
}

// insight returns the insight of the path.
func (a *API) insight(q *request) (insight.Insight, error) {
	id := q.PathValue("id")
	in, ok := a.o.Insights.Get(id)
	if !ok {
		return in, notFound("there is no insight %q; it may be past its retention", id)
	}
	return in, nil
}

func (a *API) getInsight(q *request) (any, error) {
	in, err := a.insight(q)
	if err != nil {
		return nil, err
	}
	v := insightView{Insight: a.linked(in.Record()), Filter: in.Filter, Selector: in.Selector, Related: []related{}, Feedback: listed(a.o.Reviews.Feedback(in.ID))}
	if f, ok := a.o.Reviews.FeedbackByID(in.ConfirmedBy); ok {
		v.ConfirmedBy = &f
	}
	for n, r := range a.o.Insights.Records(in.ID) {
		if n == 0 || r.InsightDetails.State == insight.StateStart {
			v.Revisions++
		}
	}
	add := func(others []insight.Insight, relation string) {
		for _, o := range others {
			known := slices.ContainsFunc(v.Related, func(r related) bool { return r.ID == o.ID })
			if o.ID == in.ID || known || len(v.Related) == maxRelated {
				continue
			}
			v.Related = append(v.Related, related{
				ID: o.ID, InsightType: o.Type, State: o.State, StartTime: o.Start.UTC().Truncate(time.Second),
				Confidence: o.Confidence, Severity: o.Severity, Summary: o.Summary, Relation: relation,
			})
		}
	}
	if in.Incident != "" {
		page, err := a.o.Insights.List(insight.Query{Incident: insight.Words{in.Incident}, Limit: maxRelated + 1})
		if err != nil {
			return nil, err
		}
		add(page.Insights, "incident")
	}
	if in.Identity != "" {
		page, err := a.o.Insights.List(insight.Query{
			Provider: insight.Words{in.Provider}, Account: insight.Words{in.Account}, Identity: insight.Words{in.Identity}, Limit: maxRelated + 1,
			From: in.Start.Add(-24 * time.Hour), To: in.Start.Add(24 * time.Hour),
		})
		if err != nil {
			return nil, err
		}
		add(page.Insights, "identity")
	}
	return v, nil
}

func (a *API) insightFields(*request) (any, error) {
	out := fieldList{make([]fieldView, len(insight.Fields))}
	for n, f := range insight.Fields {
		out.Fields[n] = fieldView{Name: f.Name, Help: f.Help, List: f.Values != nil}
	}
	return out, nil
}

// insightValues answers the values that insights have of a field, over all that
// are kept where no range is given.
func (a *API) insightValues(q *request) (any, error) {
	name := q.PathValue("name")
	if _, ok := insight.FieldByName(name); !ok {
		return nil, notFound("%v", errNoField(name, insight.FieldNames()))
	}
	vq := insight.ValuesQuery{
		Filter: insightFilter(q), ClassOf: a.o.Knowledge.IdentityClass, Field: name,
		Contains: q.text("contains"), Limit: q.limit(defaultValues),
	}
	vq.From, vq.To = q.span()
	if q.wrong != nil {
		return nil, q.wrong
	}
	values, err := a.o.Insights.Values(vq)
	if err != nil {
		return nil, err
	}
	return valueList{name, values}, nil
}

func (a *API) insightRecords(q *request) (any, error) {
	in, err := a.insight(q)
	if err != nil {
		return nil, err
	}
	rs := a.o.Insights.Records(in.ID)
	out := make([]insight.Record, len(rs))
	for n := range rs {
		out[n] = a.linked(rs[n])
	}
	return struct {
		Records []insight.Record `json:"records"`
	}{out}, nil
}

// insightEvents answers the events behind an insight, in order of time.
func (a *API) insightEvents(q *request) (any, error) {
	in, err := a.insight(q)
	if err != nil {
		return nil, err
	}
	eq := event.Query{
		Filter: in.Filter, From: in.Start, Forward: true,
		Limit: q.limit(defaultEvents), Cursor: q.text("next"), Raw: q.flag("raw"),
	}
	if q.wrong != nil {
		return nil, q.wrong
	}
	if !in.End.IsZero() {
		eq.To = in.End.Add(time.Nanosecond) // It is the time of the last event.
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	if in.Filter == "" {
		return a.sampleEvents(q, in)
	}
	page, err := a.o.Events.Events(q.ctx, eq)
	if err != nil {
		return nil, err
	}
	return newEventList(page), nil
}

// sampleEvents answers the sample events of an insight that no filter selects.
func (a *API) sampleEvents(q *request, in insight.Insight) (any, error) {
	var page event.Page
	for _, uid := range in.SampleEventIDs {
		e, ok, err := a.o.Events.Get(q.ctx, uid)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue // It is past its retention.
		}
		if !q.flag("raw") {
			e.Raw = nil
		}
		page.Events = append(page.Events, e)
	}
	page.Scanned = len(page.Events)
	slices.SortStableFunc(page.Events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return newEventList(page), nil
}

// incidentList is a page of incidents.
type incidentList struct {
	Incidents []insight.Incident `json:"incidents"`
	Next      string             `json:"next"`
}

func (a *API) listIncidents(q *request) (any, error) {
	iq := insight.IncidentQuery{
		Provider: q.texts("provider"), Account: q.texts("account"), Identity: q.whole("identity"),
		Filter: insightFilter(q), Limit: q.limit(insight.DefaultLimit), Next: q.text("next"),
	}
	switch q.oneOf("state", "active", "ended") {
	case "active":
		iq.State = insight.StateStart
	case "ended":
		iq.State = insight.StateEnd
	}
	iq.From, iq.To = q.span()
	if q.wrong != nil {
		return nil, q.wrong
	}
	found, next, err := a.o.Insights.Incidents(iq)
	if err != nil {
		return nil, err
	}
	return incidentList{Incidents: found, Next: next}, nil
}

func (a *API) getIncident(q *request) (any, error) {
	id := q.PathValue("id")
	in, members, ok := a.o.Insights.Incident(id)
	if !ok {
		return nil, notFound("there is no incident %q; its insights may be past their retention", id)
	}
	return struct {
		Incident insight.Incident `json:"incident"`
		Insights []insight.Record `json:"insights"`
	}{in, a.records(members)}, nil
}
