package plugin

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// The names of the four series of a band, to which overrides refer.
const (
	bandObserved = "observed"
	bandExpected = "expected"
	bandLower    = "lower"
	bandUpper    = "upper"
)

// bands answers what was expected of the series of a selector, or of an insight.
func (r *request) bands(ctx context.Context) (data.Frames, error) {
	step, err := r.step(sampleInterval)
	if err != nil {
		return nil, err
	}
	var selector, why string
	var notes []string
	if r.InsightID != "" {
		view, err := r.d.client.Insight(ctx, r.InsightID)
		if err != nil {
			return nil, err
		}
		selector = view.Selector
		why = fmt.Sprintf("an insight of the type %s has no series of its own: it says what happened, not how often", view.Insight.Details.Type)
	} else {
		if selector, notes, err = r.expression(step); err != nil {
			return nil, err
		}
		why = `the query is empty: write a selector, such as activity_identity_events{account="111122223333"}`
	}
	if selector == "" {
		frames := data.Frames{nothing(data.FrameTypeTimeSeriesMulti)}
		notice(frames, data.NoticeSeverityInfo, why)
		return frames, nil
	}
	from, to := align(r.from, step), align(r.to, step)
	if !from.Before(to) {
		from = to.Add(-step)
	}
	found, said, err := r.d.client.Bands(ctx, url.Values{
		"selector": {selector}, "start": {insightd.Time(from)}, "end": {insightd.Time(to)}, "step": {insightd.Seconds(step)},
	})
	if err != nil {
		return nil, err
	}
	frames := make(data.Frames, 0, max(1, 4*len(found)))
	for n := range found {
		frames = append(frames, r.band(&found[n], len(found) > 1, step)...)
	}
	if len(frames) == 0 {
		frames = append(frames, nothing(data.FrameTypeTimeSeriesMulti))
		notice(frames, data.NoticeSeverityInfo, r.whyNoSeries(ctx))
	}
	executed(frames, fmt.Sprintf("Selector: %s\nStep: %s\nRange: %s to %s", selector, duration(step), from.Format(time.RFC3339), to.Format(time.RFC3339)))
	notice(frames, data.NoticeSeverityWarning, notes...)
	told(frames, said)
	return frames, nil
}

// band makes the four frames of a series. Where there are several series, each
// has its own in its name; the upper one fills to its lower one.
func (r *request) band(b *insightd.Band, several bool, step time.Duration) data.Frames {
	_, labels := split(b.Labels)
	times := make([]time.Time, len(b.Times))
	for n, t := range b.Times {
		times[n] = time.Unix(t, 0).UTC()
	}
	suffix := ""
	if several {
		suffix = " " + legend(r.Legend, r.Expr, b.Labels)
		if r.Legend == autoLegend {
			suffix = " " + verbose(r.Expr, b.Labels)
		}
	}
	frames := make(data.Frames, 0, 4)
	for _, s := range []struct {
		name   string
		values []*float64
		custom map[string]any
	}{
		{bandUpper, b.Upper, map[string]any{"lineWidth": 0, "fillOpacity": 12, "fillBelowTo": bandLower + suffix}},
		{bandLower, b.Lower, map[string]any{"lineWidth": 0, "fillOpacity": 0}},
		{bandExpected, b.Expected, map[string]any{"lineStyle": map[string]any{"fill": "dash", "dash": []int{6, 6}}, "fillOpacity": 0}},
		{bandObserved, b.Observed, map[string]any{"lineWidth": 2, "fillOpacity": 0}},
	} {
		values := s.values
		if len(values) != len(times) {
			values = make([]*float64, len(times))
		}
		f := series(s.name, labels, times, values, step)
		f.Fields[1].Config = &data.FieldConfig{DisplayNameFromDS: s.name + suffix, Custom: s.custom}
		frames = append(frames, f)
	}
	return frames
}
