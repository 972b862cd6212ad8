package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/insight"
)

// The types of this file have the shape of Prometheus' rules and alerts, so that
// what lists those lists detectors, rules and insights.

type alert struct {
	Labels      labels.Labels `json:"labels"`
	Annotations labels.Labels `json:"annotations"`
	State       string        `json:"state"`
	ActiveAt    time.Time     `json:"activeAt"`
	Value       string        `json:"value"`
}

type ruleGroup struct {
	Name           string    `json:"name"`
	File           string    `json:"file"`
	Rules          []rule    `json:"rules"`
	Interval       float64   `json:"interval"`
	Limit          int       `json:"limit"`
	EvaluationTime float64   `json:"evaluationTime"`
	LastEvaluation time.Time `json:"lastEvaluation"`
}

type rule struct {
	State          string        `json:"state"`
	Name           string        `json:"name"`
	Query          string        `json:"query"`
	Duration       float64       `json:"duration"`
	KeepFiringFor  float64       `json:"keepFiringFor"`
	Labels         labels.Labels `json:"labels"`
	Annotations    labels.Labels `json:"annotations"`
	Alerts         []alert       `json:"alerts"`
	Health         string        `json:"health"`
	LastError      string        `json:"lastError,omitempty"`
	EvaluationTime float64       `json:"evaluationTime"`
	LastEvaluation time.Time     `json:"lastEvaluation"`
	Type           string        `json:"type"`
}

// ruleFile stands where Prometheus names the file of a rule.
const ruleFile = "detectors"

// newAlert makes an alert of an active insight. Its labels are what tells it
// from others; what is said of it is in the annotations.
func (a *API) newAlert(i *insight.Insight) alert {
	b := labels.NewScratchBuilder(9)
	for name, value := range map[string]string{
		labels.AlertName: i.Type, "severity": strings.ToLower(string(i.Severity)), "id": i.ID, "provider": i.Provider,
		"account": i.Account, "region": i.Region, "identity": i.Identity, "object": i.Object, "incident": i.Incident,
	} {
		if value != "" {
			b.Add(name, value)
		}
	}
	b.Sort()
	links := a.linked(i.Record()).InsightDetails.Links
	return alert{
		Labels: b.Labels(),
		Annotations: labels.FromStrings(
			"summary", i.Summary, "confidence", format(i.Confidence), "confidenceLevel", insight.Level(i.Confidence), "insight", links.Self),
		State:    "firing",
		ActiveAt: i.Start.UTC(),
		Value:    format(i.Confidence),
	}
}

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// activeAlerts are the alerts of the insights that go on, by type. Suppressed
// ones are not told.
func (a *API) activeAlerts() map[string][]alert {
	byType := map[string][]alert{}
	for _, i := range a.o.Insights.Active() {
		if i.Suppressed == "" {
			byType[i.Type] = append(byType[i.Type], a.newAlert(&i))
		}
	}
	return byType
}

// incidentRule names the rule whose alerts are the incidents.
const incidentRule = "Incident"

// incidentAlerts are the incidents that go on as alerts: whatever an incident has
// of insights, it is one alert. Its labels stay the same while it grows.
func (a *API) incidentAlerts() []alert {
	out := []alert{}
	for _, in := range a.o.Insights.OpenIncidents() {
		b := labels.NewScratchBuilder(5)
		for name, value := range map[string]string{
			labels.AlertName: incidentRule, "incident": in.ID, "provider": in.Provider, "account": in.Account, "identity": in.Identity,
		} {
			if value != "" {
				b.Add(name, value)
			}
		}
		b.Sort()
		out = append(out, alert{
			Labels: b.Labels(),
			Annotations: labels.FromStrings(
				"title", in.Title, "summary", in.Summary, "severity", strings.ToLower(string(in.Severity)),
				"confidence", format(in.Confidence), "confidenceLevel", in.ConfidenceLevel,
				"insights", strconv.Itoa(in.Insights), "insightTypes", strings.Join(in.Types, " "), "incident", a.o.ExternalURL+"/api/v1/incidents/"+in.ID),
			State:    "firing",
			ActiveAt: in.Start,
			Value:    format(in.Confidence),
		})
	}
	return out
}

// alerts answers the incidents that go on: six insights of one takeover are one
// alert. The insights are with the rules.
func (a *API) alerts(*request) (any, error) {
	return struct {
		Alerts []alert `json:"alerts"`
	}{a.incidentAlerts()}, nil
}

// rules answers the incidents and every detector as a group with one rule, and
// every package of rules as a group. Its parameters are Prometheus'.
func (a *API) rules(q *request) (any, error) {
	typ := q.oneOf("type", "alert", "record")
	names, groups, files := q.texts("rule_name[]"), q.texts("rule_group[]"), q.texts("file[]")
	bare := q.flag("exclude_alerts")
	if q.wrong != nil {
		return nil, q.wrong
	}
	c, err := a.o.Knowledge.Coverage(q.ctx)
	if err != nil {
		return nil, err
	}
	wanted := func(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }
	active := a.activeAlerts()
	last := time.Time{}
	for i := range c.Streams {
		if w := c.Streams[i].Watermark; w != nil && w.After(last) {
			last = w.UTC()
		}
	}
	out := []ruleGroup{}
	if typ != "record" && wanted(names, incidentRule) && wanted(groups, incidentRule) && wanted(files, ruleFile) {
		r := rule{
			State: "inactive", Name: incidentRule, Query: insight.MetricIncident, Alerts: []alert{}, Health: "ok",
			LastEvaluation: last, Type: "alerting",
			Annotations: labels.FromStrings("summary", "Insights of one identity, or of one cause, within an hour."),
		}
		alerts := a.incidentAlerts()
		if len(alerts) > 0 {
			r.State = "firing"
		}
		if !bare {
			r.Alerts = alerts
		}
		out = append(out, ruleGroup{Name: incidentRule, File: ruleFile, Rules: []rule{r}, Interval: 60, LastEvaluation: last})
	}
	for _, d := range detectors(c, active) {
		if typ == "record" || !wanted(names, d.typ) || !wanted(groups, d.typ) || !wanted(files, ruleFile) {
			continue
		}
		r := rule{
			State: "inactive", Name: d.typ, Query: fmt.Sprintf("%s{insight_type=%q}", insight.MetricConfidence, d.typ),
			Alerts: []alert{}, Annotations: d.annotations(), Health: d.health(), LastEvaluation: d.last, Type: "alerting",
		}
		if len(active[d.typ]) > 0 {
			r.State = "firing"
		}
		if !bare {
			r.Alerts = append(r.Alerts, active[d.typ]...)
		}
		out = append(out, ruleGroup{Name: d.typ, File: ruleFile, Rules: []rule{r}, Interval: 60, LastEvaluation: d.last})
	}
	byRule := map[string][]alert{}
	for _, al := range active[insight.TypeRule] {
		id := al.Labels.Get("object")
		byRule[id] = append(byRule[id], al)
	}
	for _, s := range a.o.Knowledge.Rules(q.ctx) {
		if typ == "record" || !wanted(names, s.ID) || !wanted(groups, s.Package) || !wanted(files, s.File) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].File != s.File || out[n-1].Name != s.Package {
			out = append(out, ruleGroup{Name: s.Package, File: s.File, Interval: 60, LastEvaluation: last})
		}
		g := &out[len(out)-1]
		g.Rules = append(g.Rules, packaged(&s, byRule[s.ID], bare, last))
	}
	return struct {
		Groups []ruleGroup `json:"groups"`
	}{out}, nil
}

// packaged is a rule of a package.
func packaged(s *insight.RuleStatus, active []alert, bare bool, last time.Time) rule {
	r := rule{
		State: "inactive", Name: s.ID, Query: fmt.Sprintf("%s{insight_type=%q,object=%q}", insight.MetricConfidence, insight.TypeRule, s.ID),
		KeepFiringFor: float64(s.WindowSeconds), Alerts: []alert{}, Health: "ok", LastError: s.Problem, LastEvaluation: last, Type: "alerting",
	}
	switch s.State {
	case insight.RuleError:
		r.Health = "err"
	case insight.RuleDormant:
		r.Health = "unknown"
	}
	if s.Severity != "" {
		r.Labels = labels.FromStrings("severity", strings.ToLower(s.Severity))
	}
	b := labels.NewScratchBuilder(10)
	for name, value := range map[string]string{
		"summary": s.Title, "description": s.Description, "stage": string(s.State), "kind": s.Type, "version": s.Version, "hash": s.Hash,
		"kri": s.KRI, "attack": strings.Join(s.Attack, " "),
	} {
		if value != "" {
			b.Add(name, value)
		}
	}
	if s.State != insight.RuleError {
		b.Add("confidence", format(s.Confidence))
		b.Add("findings", strconv.FormatUint(s.Findings, 10))
	}
	b.Sort()
	r.Annotations = b.Labels()
	if len(active) > 0 {
		r.State = "firing"
	}
	if !bare {
		r.Alerts = append(r.Alerts, active...)
	}
	return r
}

// detector is what coverage says of a detector in all streams and regions.
type detector struct {
	typ                    string
	ready, learning, blind int
	last                   time.Time
}

// detectors sums the coverage up by type. A type with insights is there even
// where the coverage does not know it.
func detectors(c insight.Coverage, active map[string][]alert) []*detector {
	byType := map[string]*detector{}
	of := func(typ string) *detector {
		if byType[typ] == nil {
			byType[typ] = &detector{typ: typ}
		}
		return byType[typ]
	}
	for typ := range active {
		of(typ)
	}
	for _, s := range c.Streams {
		for _, dc := range s.Detectors {
			d := of(dc.InsightType)
			switch dc.State {
			case "ready":
				d.ready++
			case "learning":
				d.learning++
			default:
				d.blind++
			}
			if s.Watermark != nil && s.Watermark.After(d.last) {
				d.last = s.Watermark.UTC()
			}
		}
	}
	out := make([]*detector, 0, len(byType))
	for _, d := range byType {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *detector) int { return strings.Compare(a.typ, b.typ) })
	return out
}

// health is ok once the detector can say something of any region.
func (d *detector) health() string {
	if d.ready > 0 {
		return "ok"
	}
	return "unknown"
}

func (d *detector) annotations() labels.Labels {
	return labels.FromStrings("ready", strconv.Itoa(d.ready), "learning", strconv.Itoa(d.learning), "blind", strconv.Itoa(d.blind))
}
