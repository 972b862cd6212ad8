package plugin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// insightView answers what is known of one insight. Where none is chosen yet,
// there are the fields and the reason.
func (r *request) insightView(ctx context.Context) (data.Frames, error) {
	path := "GET /api/v1/insights/" + r.InsightID
	var view insightd.View
	var records []record
	var notes insightd.Notes
	var err error
	switch {
	case r.InsightID == "":
	case r.Format == "records":
		path += "/records"
		records, notes, err = r.d.client.Records(ctx, r.InsightID)
	default:
		view, err = r.d.client.Insight(ctx, r.InsightID)
		notes = view.Notes
	}
	if err != nil {
		return nil, err
	}
	var f *data.Frame
	why := "choose an insight"
	if r.InsightID != "" {
		why = fmt.Sprintf("insightd tells no %s of this insight", r.Format)
	}
	switch r.Format {
	case "reasons":
		f = reasonFrame(view.Insight.Details.Reasons)
	case "rule":
		f = ruleFrame(&view.Insight)
		if r.InsightID != "" {
			why = "no rule raised this insight; the reasons say what did"
		}
	case "attributions":
		f = attributionFrame(view.Insight.Details.Context.Attributions)
	case "records":
		f = recordFrame(records)
	default:
		f = r.summaryFrame(&view)
	}
	frames := data.Frames{f}
	if r.InsightID != "" {
		executed(frames, path)
	}
	told(frames, notes)
	if f.Rows() == 0 {
		notice(frames, data.NoticeSeverityInfo, why)
	}
	return frames, nil
}

// summaryFrame is one row with everything that an insight says in one word or
// number.
func (r *request) summaryFrame(v *insightd.View) *data.Frame {
	var rows []record
	if v.Insight.ID != "" {
		rows = []record{v.Insight}
	}
	f := r.insightTable("insight", rows)
	stats := func(i *record) *insightd.Statistics { return &i.Details.Context.Statistics }
	perMinute := func(name, description string, value func(*insightd.Statistics) float64) *data.Field {
		return with(column(name, rows, func(i *record) float64 { return value(stats(i)) }),
			&data.FieldConfig{Unit: "cpm", Description: description})
	}
	minutes := func(name string, value func(*insightd.Statistics) int) *data.Field {
		return with(column(name, rows, func(i *record) float64 { return float64(value(stats(i))) }), &data.FieldConfig{Unit: "m"})
	}
	f.Fields = append(f.Fields,
		perMinute("average", "Events a minute during the insight", func(s *insightd.Statistics) float64 { return s.Insight.Average }),
		perMinute("usual", "Events a minute before it", func(s *insightd.Statistics) float64 { return s.Baseline.Average }),
		perMinute("upper", "Events a minute beyond which it starts", func(s *insightd.Statistics) float64 { return s.Upper }),
		minutes("duration", func(s *insightd.Statistics) int { return s.InsightDuration }),
		minutes("baselineDuration", func(s *insightd.Statistics) int { return s.BaselineDuration }),
		column("events", rows, func(i *record) float64 { return float64(stats(i).InsightCount) }),
		column("revisions", rows, func(*record) float64 { return float64(v.Revisions) }),
		column("detected", rows, func(i *record) *time.Time { return optional(i.Details.Detected) }),
		column("filter", rows, func(*record) string { return v.Filter }),
		column("selector", rows, func(*record) string { return v.Selector }),
		column("alert", rows, func(i *record) string {
			if i.Details.Alert.ID != "" {
				return "notified as " + i.Details.Alert.ID
			}
			return i.Details.Alert.Reason
		}),
		column("supersededBy", rows, func(i *record) string { return i.Details.SupersededBy }),
	)
	return f
}

// text writes a number or a word.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return fmt.Sprint(v)
}

func reasonFrame(rows []insightd.Reason) *data.Frame {
	return table("reasons",
		column("feature", rows, func(r *insightd.Reason) string { return r.Feature }),
		column("text", rows, func(r *insightd.Reason) string { return r.Text }),
		column("observed", rows, func(r *insightd.Reason) string { return text(r.Observed) }),
		column("usual", rows, func(r *insightd.Reason) string { return text(r.Usual) }),
		described(column("contribution", rows, func(r *insightd.Reason) float64 { return r.Contribution }), "Its part of the score: the contributions add up to it"),
	)
}

// attributed is a value of an attribute on both sides.
type attributed struct {
	attribute, value  string
	insight, baseline *float64
}

func attributionFrame(as []insightd.Attribution) *data.Frame {
	var rows []attributed
	for n := range as {
		first := len(rows)
		for k := range as[n].Insight {
			v := &as[n].Insight[k]
			rows = append(rows, attributed{as[n].Attribute, v.Value, &v.Average, nil})
		}
		for k := range as[n].Baseline {
			v := &as[n].Baseline[k]
			at := slices.IndexFunc(rows[first:], func(a attributed) bool { return a.value == v.Value })
			if at < 0 {
				rows = append(rows, attributed{as[n].Attribute, v.Value, nil, &v.Average})
				continue
			}
			rows[first+at].baseline = &v.Average
		}
	}
	return table("attributions",
		column("attribute", rows, func(a *attributed) string { return a.attribute }),
		column("value", rows, func(a *attributed) string { return a.value }),
		with(column("insight", rows, func(a *attributed) *float64 { return a.insight }), &data.FieldConfig{Unit: "cpm", Description: "Events a minute during the insight"}),
		with(column("baseline", rows, func(a *attributed) *float64 { return a.baseline }), &data.FieldConfig{Unit: "cpm", Description: "Events a minute before it"}),
	)
}

func recordFrame(rows []record) *data.Frame {
	return table("records",
		column("time", rows, func(i *record) time.Time { return i.EventTime }),
		with(column("state", rows, func(i *record) string { return i.Details.State }), stateConfig()),
		column("revision", rows, func(i *record) float64 { return float64(i.Details.Revision) }),
		with(column("severity", rows, func(i *record) string { return i.Details.Severity }), severityConfig()),
		with(column("confidence", rows, func(i *record) float64 { return i.Details.Confidence }), confidenceConfig()),
		column("provisional", rows, func(i *record) bool { return i.Details.Provisional }),
		column("summary", rows, func(i *record) string { return i.Details.Summary }),
		column("alert", rows, func(i *record) string {
			if i.Details.Alert.ID != "" {
				return "notified as " + i.Details.Alert.ID
			}
			return i.Details.Alert.Reason
		}),
		column("suppressed", rows, func(i *record) string { return i.Details.Suppressed }),
		column("supersedes", rows, func(i *record) string { return i.Details.Supersedes }),
		column("supersededBy", rows, func(i *record) string { return i.Details.SupersededBy }),
		column("eventId", rows, func(i *record) string { return i.EventID }),
	)
}
