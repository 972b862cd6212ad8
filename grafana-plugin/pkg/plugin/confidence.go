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
)

// insightLabels are those of insight_confidence.
var insightLabels = []string{"insight_type", "provider", "account", "region", "identity", "object", "id"}

func insightLabel(i *record, name string) string {
	switch name {
	case "insight_type":
		return i.Details.Type
	case "provider":
		return i.Provider
	case "account":
		return i.Account
	case "region":
		return i.Region
	case "identity":
		return i.Details.Identity
	case "object":
		return i.Details.Object
	}
	return i.ID
}

const measureCount = "count"

// confidence answers the highest confidence of insights, or how many there are,
// by labels. It asks for insights rather than for insight_confidence, so that
// every filter works, and so that an insight shorter than a step is not missed
// between two points. As in insight_confidence, those that are suppressed are
// left out: an alert on them is what a mute was made against.
func (r *request) confidence(ctx context.Context) (data.Frames, error) {
	if r.Measure != measureCount {
		r.MinConfidence = 0
	}
	step, err := r.step(sampleInterval)
	if err != nil {
		return nil, err
	}
	left := r.applicable(ctx, fieldsOfInsights)
	v := r.confidenceValues()
	page, err := r.d.client.Insights(ctx, v, maxRows)
	if err != nil {
		return nil, err
	}
	var frames data.Frames
	if r.Instant {
		frames = r.confidenceNumbers(page.Items)
	} else {
		frames = r.confidenceSeries(page.Items, step)
	}
	executed(frames, fmt.Sprintf("GET /api/v1/insights?%s\nStep: %s", v.Encode(), duration(step)))
	notice(frames, data.NoticeSeverityWarning, left...)
	told(frames, page.Notes)
	if page.More {
		notice(frames, data.NoticeSeverityWarning, cut(len(page.Items), 0, "insights"))
	}
	if len(page.Items) == 0 {
		notice(frames, data.NoticeSeverityInfo, r.whyNoInsights(ctx, r.narrowed()))
	}
	return frames, nil
}

func (r *request) confidenceValues() url.Values {
	q := *r.Query
	q.State, q.HighRisk, q.Suppressed, q.Sort = "", false, "hide", ""
	asked := *r
	asked.Query = &q
	return asked.insightValues()
}

// grouped are the insights with the same labels.
type grouped struct {
	labels   data.Labels
	insights []*record
}

// group parts insights by the labels that the query keeps, in order of these.
func (r *request) group(rows []record) []grouped {
	by := map[string]int{}
	var out []grouped
	for n := range rows {
		i := &rows[n]
		var key strings.Builder
		labels := data.Labels{}
		for _, name := range r.GroupBy {
			value := insightLabel(i, name)
			key.WriteString(strconv.Quote(value))
			if value != "" {
				labels[name] = value
			}
		}
		at, ok := by[key.String()]
		if !ok {
			at = len(out)
			by[key.String()] = at
			out = append(out, grouped{labels: labels})
		}
		out[at].insights = append(out[at].insights, i)
	}
	if len(out) == 0 && len(r.GroupBy) == 0 && r.Measure == measureCount {
		out = append(out, grouped{labels: data.Labels{}}) // None is a number.
	}
	slices.SortStableFunc(out, func(a, b grouped) int { return strings.Compare(a.labels.String(), b.labels.String()) })
	return out
}

func (r *request) measureName() string {
	if r.Measure == measureCount {
		return "insights"
	}
	return "confidence"
}

func (r *request) measureConfig(labels data.Labels) *data.FieldConfig {
	c := &data.FieldConfig{}
	if r.Measure != measureCount {
		c = confidenceConfig()
		c.Color, c.Custom = nil, nil // A colour for each series.
	}
	if r.Legend != "" && r.Legend != autoLegend {
		c.DisplayNameFromDS = legend(r.Legend, "", labels)
	}
	return c
}

// confidenceNumbers is one number for the whole range and each group.
func (r *request) confidenceNumbers(rows []record) data.Frames {
	frames := data.Frames{}
	for _, g := range r.group(rows) {
		value := float64(len(g.insights))
		if r.Measure != measureCount {
			value = 0
			for _, i := range g.insights {
				value = max(value, i.Details.Confidence)
			}
		}
		f := number(r.measureName(), g.labels, r.to, value)
		f.Fields[1].Config = r.measureConfig(g.labels)
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		frames = append(frames, nothing(data.FrameTypeNumericMulti))
	}
	return frames
}

// confidenceSeries has a point for each step, which stands for the insights that
// went on in it. Where there were none, a count is 0 and a confidence is absent.
func (r *request) confidenceSeries(rows []record, step time.Duration) data.Frames {
	first := align(r.from, step)
	points := int(r.to.Sub(first)/step) + 1
	frames := data.Frames{}
	for _, g := range r.group(rows) {
		values, seen := make([]float64, points), make([]bool, points)
		for _, i := range g.insights {
			from := max(0, int(i.Details.Start.Sub(first)/step))
			last := points - 1
			if end := i.Details.End; !end.IsZero() {
				last = min(last, int(end.Sub(first)/step))
			}
			for n := from; n <= last; n++ {
				seen[n] = true
				if r.Measure == measureCount {
					values[n]++
				} else {
					values[n] = max(values[n], i.Details.Confidence)
				}
			}
		}
		times, kept := make([]time.Time, 0, points), make([]float64, 0, points)
		for n := range points {
			if seen[n] || r.Measure == measureCount {
				times, kept = append(times, first.Add(time.Duration(n)*step)), append(kept, values[n])
			}
		}
		if len(times) == 0 {
			continue
		}
		f := series(r.measureName(), g.labels, times, kept, step)
		f.Fields[1].Config = r.measureConfig(g.labels)
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		frames = append(frames, nothing(data.FrameTypeTimeSeriesMulti))
	}
	return frames
}
