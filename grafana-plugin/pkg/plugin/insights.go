package plugin

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// insights answers a list of insights in one of its forms, or one insight.
func (r *request) insights(ctx context.Context) (data.Frames, error) {
	switch r.Format {
	case "summary", "reasons", "attributions", "rule", "records":
		return r.insightView(ctx)
	}
	page, left, err := r.listInsights(ctx, r.rows())
	if err != nil {
		return nil, err
	}
	var f *data.Frame
	switch r.Format {
	case "logs":
		f = insightLogs(page.Items)
	case "annotations":
		f = r.insightAnnotations(page.Items)
	case "timeline":
		f = r.timeline(page.Items)
	default:
		f = r.insightTable("insights", page.Items)
	}
	frames := data.Frames{f}
	executed(frames, "GET /api/v1/insights?"+r.insightValues().Encode())
	notice(frames, data.NoticeSeverityWarning, left...)
	told(frames, page.Notes)
	switch {
	case len(page.Items) == 0:
		notice(frames, data.NoticeSeverityInfo, r.whyNoInsights(ctx, r.narrowed()))
	case page.More:
		notice(frames, data.NoticeSeverityWarning, cut(len(page.Items), r.countInsights(ctx), "insights"))
	}
	return frames, nil
}

// listInsights reads the insights of the query, at most so many. What it says
// beside them is which ad-hoc filters do not apply.
func (r *request) listInsights(ctx context.Context, limit int) (insightd.Page[insightd.Record], []string, error) {
	if r.InsightID != "" {
		v, err := r.d.client.Insight(ctx, r.InsightID)
		return insightd.Page[insightd.Record]{Items: []insightd.Record{v.Insight}, Notes: v.Notes}, nil, err
	}
	left := r.applicable(ctx, fieldsOfInsights)
	page, err := r.d.client.Insights(ctx, r.insightValues(), limit)
	return page, left, err
}

// insightValues are the parameters of the list of insights.
func (r *request) insightValues() url.Values {
	v := url.Values{"start": {insightd.Time(r.from)}, "end": {insightd.Time(r.to)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("filter", r.filter())
	set("state", r.State)
	set("sort", r.Sort)
	if len(r.Types) > 0 {
		v["type"] = r.Types
	}
	if len(r.Severities) > 0 {
		v["severity"] = r.Severities
	}
	if r.MinConfidence > 0 {
		v.Set("min_confidence", strconv.FormatFloat(r.MinConfidence, 'g', -1, 64))
	}
	if r.HighRisk {
		v.Set("high_risk", "true")
	}
	switch r.Suppressed {
	case "show":
	case "only":
		v.Set("suppressed", "true")
	default:
		v.Set("suppressed", "false")
	}
	return v
}

// narrowed reports whether the query asks for some insights only.
func (r *request) narrowed() bool {
	return r.filter() != "" || len(r.Types) > 0 || len(r.Severities) > 0 || r.State != "" || r.MinConfidence > 0 || r.HighRisk
}

// countInsights counts what the query fits, 0 where that is not known: the
// daemon counts by fields, of which confidence is none.
func (r *request) countInsights(ctx context.Context) int {
	if r.MinConfidence > 0 || r.InsightID != "" {
		return 0
	}
	more := []string{oneOf("type", r.Types), oneOf("severity", r.Severities)}
	if r.State != "" {
		more = append(more, condition("state", "=", r.State))
	}
	if r.HighRisk {
		more = append(more, condition("high_risk", "=", "true"))
	}
	if r.Suppressed != "show" {
		more = append(more, condition("suppressed", "=", strconv.FormatBool(r.Suppressed == "only")))
	}
	counts, err := r.d.client.InsightValues(ctx, "type", url.Values{
		"filter": {r.filter(more...)}, "start": {insightd.Time(r.from)}, "end": {insightd.Time(r.to)}, "limit": {"1000"},
	})
	if err != nil {
		return 0
	}
	n := 0
	for _, c := range counts {
		n += int(c.Count)
	}
	return n
}

// cut says that there is more than what is shown.
func cut(shown, total int, what string) string {
	if total <= shown {
		return fmt.Sprintf("the first %s %s are shown, and there are more: ask for a shorter range, or raise the limit", thousands(shown), what)
	}
	return fmt.Sprintf("%s of %s %s are shown: ask for a shorter range, or raise the limit", thousands(shown), thousands(total), what)
}

// unique keeps the values of a list that are not empty, each once.
func unique(n int, value func(int) string) []string {
	var out []string
	for i := range n {
		if v := value(i); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func countries(i *insightd.Record) []string {
	return unique(len(i.Details.Sources), func(n int) string { return i.Details.Sources[n].Country })
}

func addresses(i *insightd.Record) []string {
	return unique(len(i.Details.Sources), func(n int) string { return i.Details.Sources[n].IP })
}

func networks(i *insightd.Record) []string {
	return unique(len(i.Details.Sources), func(n int) string { return i.Details.Sources[n].Network })
}

// margin is how much of a range a link shows before and behind an insight.
const margin = 30 * time.Minute

// linkFrom and linkTo are the range that links of an insight carry, in Unix
// milliseconds: every version of Grafana takes them, in a query and in a URL.
func linkFrom(i *insightd.Record) string {
	return strconv.FormatInt(i.Details.Start.Add(-margin).UnixMilli(), 10)
}

func linkTo(i *insightd.Record) string {
	end := i.Details.End
	if end.IsZero() {
		end = latest(i.Details.Start, i.Details.Detected).Add(margin)
	}
	return strconv.FormatInt(end.Add(margin).UnixMilli(), 10)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

type record = insightd.Record

// insightFields are the fields of the insights' table. The stream has them too.
func (d *Datasource) insightFields(rows []record) []*data.Field {
	return []*data.Field{
		column("time", rows, func(i *record) time.Time { return i.Details.Start }),
		column("end", rows, func(i *record) *time.Time { return optional(i.Details.End) }),
		column("type", rows, func(i *record) string { return i.Details.Type }),
		with(column("severity", rows, func(i *record) string { return i.Details.Severity }), severityConfig()),
		with(column("confidence", rows, func(i *record) float64 { return i.Details.Confidence }), confidenceConfig()),
		column("object", rows, func(i *record) string { return i.Details.Object }),
		with(column("identity", rows, func(i *record) string { return i.Details.Identity }), linked(identityLink())),
		column("account", rows, func(i *record) string { return i.Account }),
		column("region", rows, func(i *record) string { return i.Region }),
		column("country", rows, func(i *record) string { return strings.Join(countries(i), ", ") }),
		with(column("summary", rows, func(i *record) string { return i.Details.Summary }), linked(insightLink("id"), d.eventsLink())),
		with(column("links", rows, func(*record) string { return "Open" }), linked(insightLink("id"), d.eventsLink())),
		with(column("state", rows, func(i *record) string { return i.Details.State }), stateConfig()),
		column("level", rows, func(i *record) string { return i.Details.ConfidenceLevel }),
		column("provider", rows, func(i *record) string { return i.Provider }),
		column("service", rows, func(i *record) string { return i.Details.Service }),
		column("operation", rows, func(i *record) string { return i.Details.Operation }),
		column("identity_kind", rows, func(i *record) string { return i.Details.IdentityKind }),
		column("ip", rows, func(i *record) string { return strings.Join(addresses(i), ", ") }),
		column("network", rows, func(i *record) string { return strings.Join(networks(i), ", ") }),
		column("kri", rows, func(i *record) string { return i.Details.KRI }),
		column("attack", rows, func(i *record) string { return strings.Join(i.Details.Attack, ", ") }),
		described(column("rule", rows, ruleTitle), "The rule that raised it"),
		described(column("runbook", rows, runbook), "What the rule says to do"),
		described(column("score", rows, func(i *record) float64 { return i.Details.Score }), "-log10 of the expected number of false insights of this size in a series-week"),
		described(column("suppressed", rows, func(i *record) string { return i.Details.Suppressed }), "What kept it from being notified"),
		column("provisional", rows, func(i *record) bool { return i.Details.Provisional }),
		column("incident", rows, func(i *record) string { return i.Details.Incident }),
		column("id", rows, func(i *record) string { return i.ID }),
		with(column("from", rows, linkFrom), hidden()),
		with(column("to", rows, linkTo), hidden()),
	}
}

func (r *request) insightTable(name string, rows []record) *data.Frame {
	f := table(name, r.d.insightFields(rows)...)
	f.Meta.UniqueRowIDFields = []int{slices.IndexFunc(f.Fields, func(f *data.Field) bool { return f.Name == "id" })}
	return f
}

// logLevels are Grafana's words for severities.
var logLevels = map[string]string{"Low": "info", "Medium": "warning", "High": "error", "Critical": "critical"}

func insightLogs(rows []record) *data.Frame {
	return logs("insights",
		column("timestamp", rows, func(i *record) time.Time { return i.Details.Start }),
		column("body", rows, func(i *record) string { return i.Details.Summary }),
		column("severity", rows, func(i *record) string { return logLevels[i.Details.Severity] }),
		column("id", rows, func(i *record) string { return i.ID }),
		column("labels", rows, func(i *record) rawJSON {
			var l labelWriter
			l.add("type", i.Details.Type)
			l.add("state", stateWords[i.Details.State])
			l.add("severity", i.Details.Severity)
			l.add("level", i.Details.ConfidenceLevel)
			l.add("confidence", strconv.FormatFloat(i.Details.Confidence, 'g', 3, 64))
			l.add("provider", i.Provider)
			l.add("account", i.Account)
			l.add("region", i.Region)
			l.add("object", i.Details.Object)
			l.add("identity", i.Details.Identity)
			l.add("identity_kind", i.Details.IdentityKind)
			l.add("service", i.Details.Service)
			l.add("operation", i.Details.Operation)
			l.list("ip", addresses(i))
			l.list("country", countries(i))
			l.list("network", networks(i))
			l.list("credential", i.Details.Keys)
			l.list("attack", i.Details.Attack)
			l.add("kri", i.Details.KRI)
			l.add("incident", i.Details.Incident)
			l.add("rule", ruleTitle(i))
			l.add("runbook", runbook(i))
			return l.json()
		}),
	)
}

// stateWords are the words of the filter language for states.
var stateWords = map[string]string{
	insightd.StateStart: "active", insightd.StateEnd: "ended", insightd.StateWithdrawn: "withdrawn",
}

// insightAnnotations has the names that Grafana looks for. What goes on lasts
// until the end of the range.
func (r *request) insightAnnotations(rows []record) *data.Frame {
	return table("insights",
		column("time", rows, func(i *record) time.Time { return i.Details.Start }),
		column("timeEnd", rows, func(i *record) time.Time {
			if i.Details.End.IsZero() {
				return latest(i.Details.Start, r.to)
			}
			return i.Details.End
		}),
		column("title", rows, func(i *record) string {
			return fmt.Sprintf("%s: %s, confidence %.0f %%", strings.TrimSuffix(i.Details.Type, "Insight"), i.Details.Severity, 100*i.Details.Confidence)
		}),
		column("text", rows, func(i *record) string {
			if steps := runbook(i); steps != "" {
				return i.Details.Summary + "\n" + steps
			}
			return i.Details.Summary
		}),
		column("tags", rows, func(i *record) string {
			tags := []string{i.Details.Type, i.Details.Severity, i.Details.Service, i.Account, i.Region}
			return strings.Join(slices.DeleteFunc(tags, func(s string) bool { return s == "" }), ",")
		}),
		with(column("id", rows, func(i *record) string { return i.ID }), linked(insightLink("id"))),
	)
}
