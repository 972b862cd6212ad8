package plugin

import (
	"context"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// coverage answers what the detectors know and how the sources are.
func (r *request) coverage(ctx context.Context) (data.Frames, error) {
	c, err := r.d.client.Coverage(ctx)
	if err != nil {
		return nil, err
	}
	var f *data.Frame
	var why string
	switch r.Format {
	case "sources":
		f, why = sourceFrame(c.Sources), "insightd has no sources: events are pushed to it, or a source has to be configured"
	case "streams":
		f, why = streamFrame(c.Streams), noEvents
	default:
		f, why = detectorFrame(c.Streams), noEvents
	}
	frames := data.Frames{f}
	executed(frames, "GET /api/v1/coverage")
	told(frames, c.Notes)
	if f.Rows() == 0 {
		notice(frames, data.NoticeSeverityInfo, why)
	}
	return frames, nil
}

// detection is a detector with the stream that it watches.
type detection struct {
	*insightd.Stream
	*insightd.Detector
}

func detectorFrame(streams []insightd.Stream) *data.Frame {
	var rows []detection
	for s := range streams {
		for n := range streams[s].Detectors {
			rows = append(rows, detection{&streams[s], &streams[s].Detectors[n]})
		}
	}
	return table("detectors",
		column("provider", rows, func(d *detection) string { return d.Provider }),
		column("account", rows, func(d *detection) string { return d.Account }),
		column("region", rows, func(d *detection) string { return d.Region }),
		column("type", rows, func(d *detection) string { return d.Type }),
		with(column("state", rows, func(d *detection) string { return d.State }), &data.FieldConfig{
			Mappings: data.ValueMappings{data.ValueMapper{
				insightd.DetectorReady:    {Text: "Ready", Color: "green", Index: 0},
				insightd.DetectorLearning: {Text: "Learning", Color: "yellow", Index: 1},
				insightd.DetectorBlind:    {Text: "Blind", Color: "red", Index: 2},
			}}, Custom: cell("color-text"),
		}),
		described(column("until", rows, func(d *detection) *time.Time { return optional(d.Until) }), "When a detector that learns becomes ready"),
		column("reason", rows, func(d *detection) string { return d.Reason }),
	)
}

func sourceFrame(rows []insightd.Source) *data.Frame {
	return table("sources",
		column("name", rows, func(s *insightd.Source) string { return s.Name }),
		column("kind", rows, func(s *insightd.Source) string { return s.Kind }),
		with(column("state", rows, func(s *insightd.Source) string { return s.State }), &data.FieldConfig{
			Mappings: data.ValueMappings{data.ValueMapper{
				"reading":    {Text: "Reading", Color: "blue", Index: 0},
				"at its end": {Text: "At its end", Color: "green", Index: 1},
				"waiting":    {Text: "Waiting", Color: "yellow", Index: 2},
				"failing":    {Text: "Failing", Color: "red", Index: 3},
			}}, Custom: cell("color-text"),
		}),
		column("lastEvent", rows, func(s *insightd.Source) *time.Time { return optional(s.LastEvent) }),
		with(column("lag", rows, func(s *insightd.Source) float64 { return s.LagSeconds }), &data.FieldConfig{Unit: "s"}),
		with(column("rate", rows, func(s *insightd.Source) float64 { return s.Rate }), &data.FieldConfig{Unit: "cps", Description: "Events a second, of late"}),
		column("events", rows, func(s *insightd.Source) float64 { return float64(s.Events) }),
		column("errors", rows, func(s *insightd.Source) float64 { return float64(s.Errors) }),
		column("backlogFiles", rows, func(s *insightd.Source) float64 { return float64(s.BacklogFiles) }),
		with(column("backlogBytes", rows, func(s *insightd.Source) float64 { return float64(s.BacklogBytes) }), &data.FieldConfig{Unit: "bytes"}),
		column("lastError", rows, func(s *insightd.Source) string { return s.LastError }),
		column("hint", rows, func(s *insightd.Source) string { return s.Hint }),
	)
}

func streamFrame(rows []insightd.Stream) *data.Frame {
	detectors := func(state string) func(*insightd.Stream) float64 {
		return func(s *insightd.Stream) float64 {
			n := 0
			for _, d := range s.Detectors {
				if d.State == state {
					n++
				}
			}
			return float64(n)
		}
	}
	return table("streams",
		column("provider", rows, func(s *insightd.Stream) string { return s.Provider }),
		column("account", rows, func(s *insightd.Stream) string { return s.Account }),
		column("firstEvent", rows, func(s *insightd.Stream) *time.Time { return optional(s.FirstEvent) }),
		column("lastEvent", rows, func(s *insightd.Stream) *time.Time { return optional(s.LastEvent) }),
		described(column("watermark", rows, func(s *insightd.Stream) *time.Time { return optional(s.Watermark) }), "Until when everything is judged finally"),
		column("events", rows, func(s *insightd.Stream) float64 { return float64(s.Events) }),
		column("late", rows, func(s *insightd.Stream) float64 { return float64(s.Late) }),
		column("future", rows, func(s *insightd.Stream) float64 { return float64(s.Future) }),
		column("liveSeries", rows, func(s *insightd.Stream) float64 {
			n := 0
			for _, c := range s.LiveSeries {
				n += c
			}
			return float64(n)
		}),
		column("ready", rows, detectors(insightd.DetectorReady)),
		column("learning", rows, detectors(insightd.DetectorLearning)),
		column("blind", rows, detectors(insightd.DetectorBlind)),
		column("provisional", rows, func(s *insightd.Stream) float64 { return float64(s.Provisional) }),
		column("withdrawn", rows, func(s *insightd.Stream) float64 { return float64(s.Withdrawn) }),
		column("suppressed", rows, func(s *insightd.Stream) float64 { return float64(s.Suppressed) }),
		column("folded", rows, func(s *insightd.Stream) float64 { return float64(s.Folded) }),
		column("rebuilding", rows, func(s *insightd.Stream) bool { return s.Rebuilding }),
	)
}
