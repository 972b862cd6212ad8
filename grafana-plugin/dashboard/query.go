package dashboard

import "encoding/json"

// Query is what a panel asks; ../DESIGN.md describes the fields.
type Query struct {
	RefID         string   `json:"refId"`
	QueryType     string   `json:"queryType"`
	Version       int      `json:"version"`
	Format        string   `json:"format,omitempty"`
	Expr          string   `json:"expr,omitempty"`
	Instant       bool     `json:"instant,omitempty"`
	Legend        string   `json:"legend,omitempty"`
	Step          string   `json:"step,omitempty"`
	Filter        string   `json:"filter,omitempty"`
	Types         []string `json:"types,omitempty"`
	Severities    []string `json:"severities,omitempty"`
	State         string   `json:"state,omitempty"`
	MinConfidence float64  `json:"minConfidence,omitempty"`
	HighRisk      bool     `json:"highRisk,omitempty"`
	Suppressed    string   `json:"suppressed,omitempty"`
	InsightID     string   `json:"insightId,omitempty"`
	Measure       string   `json:"measure,omitempty"`
	GroupBy       []string `json:"groupBy,omitempty"`
	By            string   `json:"by,omitempty"`
	Top           int      `json:"top,omitempty"`
	Direction     string   `json:"direction,omitempty"`
	Of            string   `json:"of,omitempty"`
	Kinds         []string `json:"kinds,omitempty"`
	IdentityClass string   `json:"identityClass,omitempty"`
	IdentityID    string   `json:"identityId,omitempty"`
	Sort          string   `json:"sort,omitempty"`
	Limit         int      `json:"limit,omitempty"`
	Live          bool     `json:"live,omitempty"`
}

// encode gives the query as a target.
func (q Query) encode(source object) object {
	q.Version = 1
	b, err := json.Marshal(q)
	if err != nil {
		panic(err) // A struct of strings and numbers always encodes.
	}
	o := object{}
	if err := json.Unmarshal(b, &o); err != nil {
		panic(err)
	}
	o["datasource"] = source
	return o
}

// promQL asks for series; legend is as in Grafana's Prometheus datasource.
func promQL(expr, legend string) Query {
	return Query{QueryType: "promql", Expr: expr, Legend: legend}
}

// insights asks for insights in the range, as a table.
func insights(filter string) Query {
	return Query{QueryType: "insights", Format: "table", Filter: filter, Limit: 200}
}

// highest asks for the highest confidence over time. Series are named after the
// labels, so that overrides find them.
func highest(filter string, by ...string) Query {
	q := Query{QueryType: "confidence", Measure: "max", Filter: filter, GroupBy: by, Legend: "confidence"}
	if len(by) > 0 {
		q.Legend = "{{" + by[0] + "}}"
	}
	return q
}

// count asks how many insights of at least a confidence there are over time.
func count(filter string, least float64, by ...string) Query {
	return Query{QueryType: "confidence", Measure: "count", Filter: filter, MinConfidence: least, GroupBy: by, Legend: "insights"}
}

// values asks for the most frequent values of a field of events.
func values(filter, by string, top int) Query {
	return Query{QueryType: "events", Format: "values", Filter: filter, By: by, Top: top}
}

// volume asks for the number of events over time.
func volume(filter, by string, top int) Query {
	return Query{QueryType: "events", Format: "volume", Filter: filter, By: by, Top: top}
}

// countries asks for a map; of is events or insights.
func countries(of, filter string) Query {
	return Query{QueryType: "map", Format: "country", Of: of, Filter: filter}
}
