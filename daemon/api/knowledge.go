package api

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

const (
	defaultIdentities = 100
	// maxProfileInsights is how many insights an identity is shown with.
	maxProfileInsights = 20
	// defaultBand is the range of bands where none is given.
	defaultBand = 6 * time.Hour
)

func (a *API) coverage(q *request) (any, error) {
	c, err := a.o.Knowledge.Coverage(q.ctx)
	if err != nil {
		return nil, err
	}
	if c.Streams == nil {
		c.Streams = []insight.StreamCoverage{}
	}
	for n := range c.Streams {
		c.Streams[n].Rebaselined = listed(c.Streams[n].Rebaselined)
	}
	if c.Sources == nil {
		c.Sources = []insight.SourceCoverage{}
	}
	return c, nil
}

// identityList is a page of identities.
type identityList struct {
	Identities []insight.Profile `json:"identities"`
	Next       string            `json:"next"`
}

func (a *API) listIdentities(q *request) (any, error) {
	iq := IdentityQuery{
		Provider: q.texts("provider"), Account: q.texts("account"),
		Kind:  q.someOf("kind", "human", "service", "role", "root", "cloud-service", "anonymous", "unknown"),
		Class: q.oneOf("class", insight.ClassAutomation),
		Sort:  q.oneOf("sort", "activity", "-activity", "last_seen", "-last_seen", "risk", "-risk"),
		Text:  q.text("q"), Limit: q.limit(defaultIdentities), Next: q.text("next"),
	}
	if q.wrong != nil {
		return nil, q.wrong
	}
	found, next, err := a.o.Knowledge.Identities(q.ctx, iq)
	if err != nil {
		return nil, err
	}
	out := identityList{Identities: make([]insight.Profile, len(found)), Next: next}
	for n := range found {
		out.Identities[n] = a.profile(found[n])
	}
	return out, nil
}

func (a *API) getIdentity(q *request) (any, error) {
	id := q.PathValue("id")
	p, ok, err := a.o.Knowledge.Identity(q.ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound("there is no identity of id %q; /api/v1/identities lists them", id)
	}
	return struct {
		Identity insight.Profile `json:"identity"`
	}{a.profile(p)}, nil
}

// profile puts the insights of an identity into its profile.
func (a *API) profile(p insight.Profile) insight.Profile {
	newest, active := a.o.Insights.OfIdentity(event.StreamKey{Provider: p.Provider, Account: p.Account}, p.Identity, maxProfileInsights)
	p.ActiveInsights = active
	p.Insights = make([]insight.InsightRef, len(newest))
	for n, i := range newest {
		p.Insights[n] = insight.InsightRef{ID: i.ID, Type: i.Type, Summary: i.Summary}
		if p.LastInsight == nil && i.Suppressed == "" {
			p.LastInsight = &insight.LastInsight{
				ID: i.ID, Type: i.Type, Start: i.Start.UTC().Truncate(time.Second),
				Confidence: i.Confidence, Severity: i.Severity, Summary: i.Summary,
			}
		}
	}
	if p.UserTypes == nil {
		p.UserTypes = []string{}
	}
	for _, l := range []*[]insight.Known{&p.Operations, &p.Networks, &p.Countries, &p.Agents, &p.Regions} {
		if *l == nil {
			*l = []insight.Known{}
		}
	}
	return p
}

// numbers are numbers of which some are not known: these are null.
type numbers []float64

// MarshalJSON writes the numbers.
func (ns numbers) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for n, v := range ns {
		if n > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return append(b, ']'), nil
}

var _ json.Marshaler = numbers{}

// bandView is a band as a client gets it.
type bandView struct {
	Labels   map[string]string `json:"labels"`
	Times    []int64           `json:"times"`
	Observed numbers           `json:"observed"`
	Expected numbers           `json:"expected"`
	Lower    numbers           `json:"lower"`
	Upper    numbers           `json:"upper"`
}

func (a *API) bands(q *request) (any, error) {
	selector := q.text("selector")
	if selector == "" {
		q.invalid("selector", paramError(`it is missing; it is such as activity_identity_events{account="111122223333"}`))
	}
	from, to := q.bounded(defaultBand)
	step := q.duration("step", time.Minute)
	if n := int64(to.Sub(from) / step); n > int64(a.o.Limits.Points) {
		q.invalid("step", errTooManyPoints(n, a.o.Limits.Points))
	}
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := a.acquire(q.ctx, a.searches, "searches"); err != nil {
		return nil, err
	}
	defer func() { <-a.searches }()
	found, err := a.o.Knowledge.Bands(q.ctx, selector, from, to, step)
	if err != nil {
		return nil, err
	}
	out := make([]bandView, len(found))
	for n, b := range found {
		out[n] = bandView{Labels: b.Labels, Times: b.Times, Observed: b.Observed, Expected: b.Expected, Lower: b.Lower, Upper: b.Upper}
		if b.Labels == nil {
			out[n].Labels = map[string]string{}
		}
		if b.Times == nil {
			out[n].Times = []int64{}
		}
	}
	return struct {
		Bands []bandView `json:"bands"`
	}{out}, nil
}
