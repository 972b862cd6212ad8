package plugin

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

const (
	metricName = "__name__"
	// autoLegend asks for the name that Grafana makes of the labels.
	autoLegend = "__auto"
)

// promql answers an expression: a time series for each series of a range, a
// number for each of an instant.
func (r *request) promql(ctx context.Context) (data.Frames, error) {
	step, err := r.step(time.Second)
	if err != nil {
		return nil, err
	}
	expr, notes, err := r.expression(step)
	if err != nil {
		return nil, err
	}
	kind := data.FrameTypeTimeSeriesMulti
	if r.Instant {
		kind = data.FrameTypeNumericMulti
	}
	if expr == "" {
		frames := data.Frames{nothing(kind)}
		notice(frames, data.NoticeSeverityInfo, "the query is empty: write an expression, such as sum(sum_over_time(activity_events[5m]))")
		return frames, nil
	}
	var res insightd.Result
	asked := fmt.Sprintf("Expr: %s\nTime: %s", expr, r.to.Format(time.RFC3339))
	if r.Instant {
		res, err = r.d.client.Query(ctx, expr, r.to)
	} else {
		from, to := align(r.from, step), align(r.to, step)
		asked = fmt.Sprintf("Expr: %s\nStep: %s\nRange: %s to %s", expr, duration(step), from.Format(time.RFC3339), to.Format(time.RFC3339))
		res, err = r.d.client.QueryRange(ctx, expr, from, to, step)
	}
	if err != nil {
		return nil, err
	}
	frames := r.results(&res, kind, step)
	executed(frames, asked)
	notice(frames, data.NoticeSeverityWarning, notes...)
	told(frames, res.Notes)
	if len(res.Series) == 0 && res.Type != "string" {
		notice(frames, data.NoticeSeverityInfo, r.whyNoSeries(ctx))
	}
	return frames, nil
}

// align cuts a time to a multiple of the step, so that a dashboard that is
// refreshed asks for the same points again.
func align(t time.Time, step time.Duration) time.Time {
	ms := step.Milliseconds()
	return time.UnixMilli(int64(math.Floor(float64(t.UnixMilli())/float64(ms))) * ms).UTC()
}

// results makes a frame of every series.
func (r *request) results(res *insightd.Result, kind data.FrameType, step time.Duration) data.Frames {
	if res.Type == "string" {
		return data.Frames{table("", data.NewField("value", nil, []string{res.Text}))}
	}
	frames := make(data.Frames, 0, max(1, len(res.Series)))
	for n := range res.Series {
		s := &res.Series[n]
		name, labels := split(s.Metric)
		var f *data.Frame
		if kind == data.FrameTypeNumericMulti {
			f = number(name, labels, s.Times[len(s.Times)-1], s.Values[len(s.Values)-1])
		} else {
			f = series(name, labels, s.Times, s.Values, step)
		}
		if l := legend(r.Legend, r.Expr, s.Metric); l != "" {
			f.Fields[1].Config = &data.FieldConfig{DisplayNameFromDS: l}
		}
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		frames = append(frames, nothing(kind))
	}
	return frames
}

// split parts the name of a metric from its labels.
func split(metric map[string]string) (string, data.Labels) {
	name := data.TimeSeriesValueFieldName
	labels := make(data.Labels, len(metric))
	for k, v := range metric {
		if k == metricName {
			name = v
			continue
		}
		labels[k] = v
	}
	return name, labels
}

var legendPart = regexp.MustCompile(`\{\{\s*(.+?)\s*\}\}`)

// legend is the name of a series, empty where Grafana makes one of its own.
func legend(format, expr string, metric map[string]string) string {
	switch format {
	case autoLegend:
		if len(metric) == 0 {
			return expr
		}
		return ""
	case "":
		return verbose(expr, metric)
	}
	return legendPart.ReplaceAllStringFunc(format, func(part string) string {
		return metric[legendPart.FindStringSubmatch(part)[1]]
	})
}

// verbose writes a series as PromQL does.
func verbose(expr string, metric map[string]string) string {
	if len(metric) == 0 {
		return expr
	}
	parts := make([]string, 0, len(metric))
	for k, v := range metric {
		if k != metricName {
			parts = append(parts, k+"="+strconv.Quote(v))
		}
	}
	sort.Strings(parts)
	if len(parts) == 0 {
		return metric[metricName]
	}
	return metric[metricName] + "{" + strings.Join(parts, ", ") + "}"
}
