package api

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

const (
	// defaultEvents is how many events a page holds where nothing is said.
	defaultEvents = 100
	// defaultSpan is the range of a histogram or of values where none is given.
	defaultSpan = 24 * time.Hour
	// defaultBuckets is into how many a histogram is cut where no step is given.
	defaultBuckets = 100
	defaultTop     = 10
	maxTop         = 100
	defaultValues  = 50
)

// eventView is an event as a client gets it. Its names are those of the filter
// language.
type eventView struct {
	UID          string    `json:"uid"`
	Time         time.Time `json:"time"`
	Received     time.Time `json:"received,omitzero"`
	Provider     string    `json:"provider"`
	Account      string    `json:"account"`
	Region       string    `json:"region"`
	Service      string    `json:"service"`
	Operation    string    `json:"operation"`
	Category     string    `json:"category"`
	Access       string    `json:"access"`
	Outcome      string    `json:"outcome"`
	ErrorCode    string    `json:"error_code"`
	ErrorMessage string    `json:"error_message,omitempty"`
	Identity     string    `json:"identity"`
	IdentityKind string    `json:"identity_kind"`
	UserType     string    `json:"user_type"`
	Session      string    `json:"session"`
	Credential   string    `json:"credential"`
	MFA          bool      `json:"mfa"`
	IP           string    `json:"ip"`
	Country      string    `json:"country"`
	// ASN is 0 where it is not known.
	ASN       uint32   `json:"asn"`
	Network   string   `json:"network"`
	UserAgent string   `json:"user_agent"`
	Family    string   `json:"user_agent_family"`
	Resources []string `json:"resource"`
	Class     []string `json:"class"`
	Risk      uint8    `json:"risk"`
	Amends    string   `json:"amends,omitempty"`
	Late      bool     `json:"late,omitempty"`
	// Raw is the record as it came, where it was asked for.
	Raw string `json:"raw,omitempty"`
}

func newEventView(e *event.Event) eventView {
	v := eventView{
		UID: e.UID, Time: e.Time.UTC(), Received: e.Received.UTC(),
		Provider: e.Provider, Account: e.Account, Region: e.Region,
		Service: e.Service, Operation: e.Operation, Category: e.Category.String(),
		Access: e.Access.String(), Outcome: e.Outcome.String(), ErrorCode: e.ErrorCode, ErrorMessage: e.ErrorMessage,
		Identity: e.Actor.Identity, IdentityKind: e.Actor.Kind.String(), UserType: e.Actor.RawType,
		Session: e.Actor.Session, Credential: e.Actor.Credential, MFA: e.Actor.MFA,
		IP: e.Source.Address, Country: e.Source.Country, ASN: e.Source.ASN, Network: e.Source.Network.String(),
		UserAgent: e.UserAgent, Family: e.AgentFamily, Resources: e.Resources,
		Class: strings.Fields(e.Class), Risk: e.Risk, Amends: e.Amends, Late: e.Late, Raw: string(e.Raw),
	}
	if v.Resources == nil {
		v.Resources = []string{}
	}
	return v
}

// eventList is a page of events.
type eventList struct {
	Events []eventView `json:"events"`
	Next   string      `json:"next"`
	// Scanned is how many events were looked at.
	Scanned int `json:"scanned"`
}

func newEventList(p event.Page) eventList {
	l := eventList{Events: make([]eventView, len(p.Events)), Next: p.Next, Scanned: p.Scanned}
	for n := range p.Events {
		l.Events[n] = newEventView(&p.Events[n])
	}
	return l
}

// filter returns the filter of a question.
func (q *request) filter() string {
	f := q.text("filter")
	if !utf8.ValidString(f) {
		q.invalid("filter", errNotUTF8)
	}
	return f
}

func (a *API) searchEvents(q *request) (any, error) {
	eq := event.Query{
		Filter: q.filter(), Limit: q.limit(defaultEvents), Cursor: q.text("next"), Around: q.text("around"), Raw: q.flag("raw"),
		Forward: q.oneOf("direction", "forward", "backward") == "forward",
	}
	eq.From, eq.To = q.span()
	q.ranged(eq.From, eq.To)
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	page, err := a.o.Events.Events(q.ctx, eq)
	if err != nil {
		return nil, err
	}
	return newEventList(page), nil
}

func (a *API) getEvent(q *request) (any, error) {
	uid := q.PathValue("uid")
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	e, ok, err := a.o.Events.Get(q.ctx, uid)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("there is no event %q; it may be past its retention", uid)
	}
	return struct {
		Event eventView `json:"event"`
	}{newEventView(&e)}, nil
}

// volume is a histogram.
type volume struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Step is in seconds.
	Step   float64        `json:"step"`
	By     string         `json:"by"`
	Total  uint64         `json:"total"`
	Series []volumeSeries `json:"series"`
}

// volumeSeries holds a count for each step from the start.
type volumeSeries struct {
	Value  string   `json:"value"`
	Counts []uint64 `json:"counts"`
}

// steps are the widths that a histogram gets where none is given.
var steps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

func defaultStep(d time.Duration) time.Duration {
	for _, s := range steps {
		if d/s <= defaultBuckets {
			return s
		}
	}
	return steps[len(steps)-1]
}

func (a *API) eventVolume(q *request) (any, error) {
	vq := event.VolumeQuery{Filter: q.filter(), By: q.text("by"), Top: int(q.number("top", 0, maxTop))}
	vq.From, vq.To = q.bounded(defaultSpan)
	vq.Step = q.duration("step", defaultStep(vq.To.Sub(vq.From)))
	if vq.Top == 0 {
		vq.Top = defaultTop
	}
	if vq.By != "" {
		q.field("by", vq.By)
	}
	if n := int64(vq.To.Sub(vq.From) / vq.Step); n > int64(a.o.Limits.Points) {
		q.invalid("step", errTooManyPoints(n, a.o.Limits.Points))
	}
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	v, err := a.o.Events.Volume(q.ctx, vq)
	if err != nil {
		return nil, err
	}
	out := volume{Start: v.From.UTC(), End: vq.To, Step: v.Step.Seconds(), By: vq.By, Series: make([]volumeSeries, len(v.Series))}
	for n, s := range v.Series {
		out.Series[n] = volumeSeries{Value: s.Value, Counts: s.Counts}
		if s.Counts == nil {
			out.Series[n].Counts = []uint64{}
		}
		for _, c := range s.Counts {
			out.Total += c
		}
	}
	return out, nil
}

// field checks that there is a field of that name.
func (q *request) field(param, name string) {
	if _, ok := event.FieldByName(name); !ok {
		q.invalid(param, errNoField(name, eventNames()))
	}
}

// fieldView is a field as a client gets it.
type fieldView struct {
	Name string `json:"name"`
	Help string `json:"help"`
	// List says that there can be several values of it.
	List bool `json:"list"`
}

type fieldList struct {
	Fields []fieldView `json:"fields"`
}

// valueList is the values of a field, the most frequent first.
type valueList struct {
	Field  string             `json:"field"`
	Values []event.ValueCount `json:"values"`
}

func (a *API) eventFields(*request) (any, error) {
	out := make([]fieldView, len(event.Fields))
	for n, f := range event.Fields {
		out[n] = fieldView{Name: f.Name, Help: f.Help, List: f.Values != nil}
	}
	out = append(out, fieldView{
		Name: filter.IdentityClass,
		Help: "Automation where the identity behaves like a program, as far as is known by now; user_type=\"Automation\" is the same. Histograms cannot be split by it",
	}, fieldView{
		Name: filter.HighRisk,
		Help: "true where somebody did what he did not do before and what is of high risk, as far as is known by now. Histograms cannot be split by it",
	})
	return fieldList{out}, nil
}

func (a *API) eventValues(q *request) (any, error) {
	name := q.PathValue("name")
	_, lookedUp := lookedUpFields[name]
	if _, ok := event.FieldByName(name); !ok && !lookedUp {
		return nil, notFound("%v", errNoField(name, eventNames()))
	}
	vq := event.ValuesQuery{Filter: q.filter(), Field: name, Contains: q.text("contains"), Limit: q.limit(defaultValues)}
	vq.From, vq.To = q.bounded(defaultSpan)
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	ask := a.o.Events.Values
	if lookedUp {
		ask = a.lookedUpValues
	}
	values, err := ask(q.ctx, vq)
	if err != nil {
		return nil, err
	}
	if values == nil {
		values = []event.ValueCount{}
	}
	return valueList{name, values}, nil
}

// lookedUpFields are those that no event has, with the one value that can be counted.
var lookedUpFields = map[string]string{filter.IdentityClass: filter.Automation, filter.HighRisk: filter.True}

// lookedUpValues counts the events of the one value that there is of a field that is
// looked up.
func (a *API) lookedUpValues(ctx context.Context, q event.ValuesQuery) ([]event.ValueCount, error) {
	value := lookedUpFields[q.Field]
	if !strings.Contains(strings.ToLower(value), strings.ToLower(q.Contains)) {
		return nil, nil
	}
	v, err := a.o.Events.Volume(ctx, event.VolumeQuery{
		Filter: narrowed(q.Filter, q.Field+`="`+value+`"`), From: q.From, To: q.To, Step: max(1, q.To.Sub(q.From)),
	})
	if err != nil {
		return nil, err
	}
	n := uint64(0)
	for _, s := range v.Series {
		for _, c := range s.Counts {
			n += c
		}
	}
	if n == 0 {
		return nil, nil
	}
	return []event.ValueCount{{Value: value, Count: n}}, nil
}

// narrowed adds a condition to a filter.
func narrowed(f, condition string) string {
	f = strings.TrimSpace(f)
	if strings.HasPrefix(f, "{") && strings.HasSuffix(f, "}") {
		f = f[1 : len(f)-1]
	}
	return f + " " + condition
}

type paramError string

func (e paramError) Error() string { return string(e) }

const errNotUTF8 paramError = "it is not UTF-8"

func errTooManyPoints(n int64, most int) error {
	return paramError("the range has " + strconv.FormatInt(n, 10) + " steps, more than " + strconv.Itoa(most) + "; take a longer step or a shorter range")
}

func errNoField(name string, names []string) error {
	return paramError("there is no field " + strconv.Quote(name) + "; there are " + strings.Join(names, ", "))
}

func eventNames() []string {
	names := make([]string, len(event.Fields))
	for n, f := range event.Fields {
		names[n] = f.Name
	}
	return names
}
