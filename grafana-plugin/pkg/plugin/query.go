package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/prometheus/common/model"
)

// Query is one query of a panel, of Explore or of an alert rule. It is the same
// as in src/types.ts; DESIGN.md says who uses which field.
type Query struct {
	QueryType string `json:"queryType"`
	Version   int    `json:"version"`
	Format    string `json:"format"`

	Expr    string `json:"expr"`
	Instant bool   `json:"instant"`
	Legend  string `json:"legend"`
	Step    string `json:"step"`

	Filter  string   `json:"filter"`
	Filters []Filter `json:"filters"`

	Types         []string `json:"types"`
	Severities    []string `json:"severities"`
	State         string   `json:"state"`
	MinConfidence float64  `json:"minConfidence"`
	HighRisk      bool     `json:"highRisk"`
	Suppressed    string   `json:"suppressed"`
	InsightID     string   `json:"insightId"`
	Measure       string   `json:"measure"`
	GroupBy       []string `json:"groupBy"`

	By        string `json:"by"`
	Top       int    `json:"top"`
	Direction string `json:"direction"`
	Of        string `json:"of"`

	Kinds         []string `json:"kinds"`
	IdentityClass string   `json:"identityClass"`
	IdentityID    string   `json:"identityId"`

	Sort  string `json:"sort"`
	Limit int    `json:"limit"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// The query types.
const (
	TypePromQL     = "promql"
	TypeBands      = "bands"
	TypeInsights   = "insights"
	TypeConfidence = "confidence"
	TypeEvents     = "events"
	TypeMap        = "map"
	TypeIdentities = "identities"
	TypeCoverage   = "coverage"
)

// formats are the forms of each query type, the first of which is the default.
var formats = map[string][]string{
	TypePromQL:     {""},
	TypeBands:      {""},
	TypeInsights:   {"table", "logs", "annotations", "timeline", "summary", "reasons", "attributions", "rule", "records"},
	TypeConfidence: {""},
	TypeEvents:     {"logs", "table", "volume", "values"},
	TypeMap:        {"country", "coordinates"},
	TypeIdentities: {"table", "summary", "hours", "operations", "networks", "countries", "agents", "regions"},
	TypeCoverage:   {"detectors", "sources", "streams"},
}

// Formats lists the forms of a query type, the default first.
func Formats(queryType string) []string { return slices.Clone(formats[queryType]) }

// alertable reports whether alert rules can evaluate the answer: a time series,
// or numbers.
func (q *Query) alertable() bool {
	switch q.QueryType {
	case TypePromQL, TypeBands, TypeConfidence:
		return true
	case TypeEvents:
		return q.Format == "volume"
	}
	return false
}

// wrong is the error of a query that its writer has to change.
type wrong struct{ text string }

func (w wrong) Error() string { return w.text }

func wrongf(format string, args ...any) error { return wrong{fmt.Sprintf(format, args...)} }

// ParseQuery reads a query and checks what can be checked without the daemon.
func ParseQuery(b []byte) (*Query, error) {
	q := &Query{}
	if err := json.Unmarshal(b, q); err != nil {
		return nil, wrongf("the query cannot be read: %v", err)
	}
	if q.QueryType == "" {
		return nil, wrongf("the query has no queryType: it is one of %s", strings.Join(queryTypes(), ", "))
	}
	known, ok := formats[q.QueryType]
	if !ok {
		return nil, wrongf("unknown queryType %q: it is one of %s", q.QueryType, strings.Join(queryTypes(), ", "))
	}
	if q.Format == "" || len(known) == 1 {
		q.Format = known[0]
	}
	if !slices.Contains(known, q.Format) {
		return nil, wrongf("unknown format %q of %s: it is one of %s", q.Format, q.QueryType, strings.Join(known, ", "))
	}
	q.Types, q.Severities, q.Kinds, q.GroupBy = chosen(q.Types), chosen(q.Severities), chosen(q.Kinds), chosen(q.GroupBy)
	return q, q.check()
}

// check holds fields against the words that they may be.
func (q *Query) check() error {
	for _, f := range []struct {
		name, value string
		words       []string
	}{
		{"state", q.State, []string{"active", "ended", "withdrawn"}},
		{"suppressed", q.Suppressed, []string{"hide", "show", "only"}},
		{"measure", q.Measure, []string{"max", "count"}},
		{"direction", q.Direction, []string{"backward", "forward"}},
		{"of", q.Of, []string{"events", "insights"}},
	} {
		if f.value != "" && !slices.Contains(f.words, f.value) {
			return wrongf("unknown %s %q: it is one of %s", f.name, f.value, strings.Join(f.words, ", "))
		}
	}
	if !(q.MinConfidence >= 0 && q.MinConfidence <= 1) {
		return wrongf("minConfidence is %g: it is a number from 0 to 1", q.MinConfidence)
	}
	for _, g := range q.GroupBy {
		if !slices.Contains(insightLabels, g) {
			return wrongf("cannot group by %q: it is one of %s", g, strings.Join(insightLabels, ", "))
		}
	}
	for n := range q.Filters {
		if err := q.Filters[n].check(); err != nil {
			return err
		}
	}
	return nil
}

func queryTypes() []string {
	return []string{TypePromQL, TypeBands, TypeInsights, TypeConfidence, TypeEvents, TypeMap, TypeIdentities, TypeCoverage}
}

// chosen leaves out what a variable stands for where nothing is chosen.
func chosen(l []string) []string {
	return slices.DeleteFunc(l, func(s string) bool {
		s = strings.TrimSpace(s)
		return s == "" || s == "$__all" || s == "All"
	})
}

const (
	// defaultRows is how many rows an answer has where the query does not say.
	defaultRows = 1000
	// maxRows is how many a query may ask for.
	maxRows = 50_000
	// defaultPoints is how many points a series has where the request does not
	// say, and maxPoints the daemon's own bound.
	defaultPoints = 1000
	maxPoints     = 11_000
)

// request is a query under way.
type request struct {
	*Query
	d *Datasource
	// from and to are the range of the query.
	from, to time.Time
	interval time.Duration
	points   int64
}

// request joins a query with what Grafana says beside it.
func (d *Datasource) request(q *Query, dq backend.DataQuery) (*request, error) {
	r := &request{
		Query: q, d: d, from: dq.TimeRange.From.UTC(), to: dq.TimeRange.To.UTC(),
		interval: dq.Interval, points: dq.MaxDataPoints,
	}
	for _, t := range []struct {
		name, text string
		into       *time.Time
	}{{"from", q.From, &r.from}, {"to", q.To, &r.to}} {
		if t.text == "" {
			continue
		}
		at, err := parseTime(t.text)
		if err != nil {
			return nil, wrongf("%s: %v", t.name, err)
		}
		*t.into = at
	}
	if r.from.IsZero() || r.to.IsZero() {
		return nil, wrongf("the query has no time range")
	}
	if r.to.Before(r.from) {
		return nil, wrongf("the range of the query ends before it begins")
	}
	return r, nil
}

// parseTime reads RFC 3339 or Unix milliseconds, which is how links write times.
func parseTime(s string) (time.Time, error) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("cannot read %q as a time: it is RFC 3339, such as 2026-03-09T03:00:00Z, or Unix milliseconds", s)
	}
	return t.UTC(), nil
}

// rows is how many rows the answer may have: as many as the query asks for, or
// else as many as the request has place for.
func (r *request) rows() int {
	switch {
	case r.Limit > 0:
		return min(r.Limit, maxRows)
	case r.points > 0 && r.Format != "annotations":
		// Grafana sends 100 with every query for annotations, whatever their number.
		return int(min(r.points, defaultRows))
	}
	return defaultRows
}

// step is the width of a point: what the panel has place for, not below least
// nor below the step that the query gives, and so that the daemon takes it.
func (r *request) step(least time.Duration) (time.Duration, error) {
	if s := strings.TrimSpace(r.Step); s != "" && !strings.HasPrefix(s, "$") {
		d, err := parseDuration(s)
		if err != nil {
			return 0, wrongf("step: %v", err)
		}
		least = max(least, d)
	}
	points := r.points
	if points <= 0 {
		points = defaultPoints
	}
	points = min(points, maxPoints)
	step := max(r.interval, least)
	if span := r.to.Sub(r.from); int64(span/step) >= points {
		step = niceStep(span, points, least)
	}
	return step, nil
}

// niceSteps are the widths that people read.
var niceSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// niceStep is the least of the widths at which a span has fewer points than so
// many.
func niceStep(span time.Duration, points int64, least time.Duration) time.Duration {
	for _, s := range niceSteps {
		if s >= least && int64(span/s) < points {
			return s
		}
	}
	return max(least, (span/time.Duration(points)).Truncate(time.Second)+time.Second)
}

// parseDuration reads a duration in Prometheus' form, or seconds.
func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if f <= 0 || f > 1e9 {
			return 0, fmt.Errorf("%q seconds are not above zero", s)
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("cannot read %q as a duration: it is such as 5m", s)
	}
	return time.Duration(d), nil
}
