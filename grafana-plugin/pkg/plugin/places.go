package plugin

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// lookup is the name of the field by which the geomap panel places a row when it
// is left to find out by itself.
const lookup = "lookup"

// maxPlaces is how many places an answer has at the most.
const maxPlaces = 5000

// places answers where events or insights came from.
func (r *request) places(ctx context.Context) (data.Frames, error) {
	if r.Of == "insights" {
		return r.insightPlaces(ctx)
	}
	left := r.applicable(ctx, fieldsOfEvents)
	v := r.eventValues()
	v.Set("by", r.Format)
	v.Set("limit", strconv.Itoa(maxPlaces))
	list, err := r.d.client.Places(ctx, v)
	if err != nil {
		return nil, err
	}
	found := list.Places
	all := len(found)
	unplaced := 0.0
	found = slices.DeleteFunc(found, func(p insightd.Place) bool {
		no := p.Country == ""
		if r.Format == "coordinates" {
			no = p.Latitude == nil || p.Longitude == nil
		}
		if no {
			unplaced += float64(p.Events)
		}
		return no
	})
	f := placeFrame("events", r.Format == "coordinates", found)
	frames := data.Frames{f}
	executed(frames, "GET /api/v1/events/places?"+v.Encode())
	notice(frames, data.NoticeSeverityWarning, left...)
	told(frames, list.Notes)
	if list.Omitted > 0 {
		notice(frames, data.NoticeSeverityWarning, cut(all, all+list.Omitted, "places"))
	}
	switch {
	case all == 0:
		notice(frames, data.NoticeSeverityInfo, r.whyNoEvents(ctx))
	case unplaced > 0 && r.Format == "coordinates":
		notice(frames, data.NoticeSeverityInfo, plural(int(unplaced), "event has", "events have")+" no coordinates: where their address is, is not known")
	case unplaced > 0:
		notice(frames, data.NoticeSeverityInfo, plural(int(unplaced), "event has", "events have")+" no country: their address is internal or not known")
	}
	return frames, nil
}

// placeFrame puts first what the geomap panel looks for. Coordinates are there
// only where every row has them, since the panel takes them before a look-up.
func placeFrame(name string, coordinates bool, rows []insightd.Place) *data.Frame {
	var fields []*data.Field
	if coordinates {
		fields = append(fields,
			column("latitude", rows, func(p *insightd.Place) float64 { return *p.Latitude }),
			column("longitude", rows, func(p *insightd.Place) float64 { return *p.Longitude }),
			column("city", rows, func(p *insightd.Place) string { return p.City }),
			column("country", rows, func(p *insightd.Place) string { return p.Country }))
	} else {
		fields = append(fields, column(lookup, rows, func(p *insightd.Place) string { return p.Country }))
	}
	fields = append(fields,
		column("events", rows, func(p *insightd.Place) float64 { return float64(p.Events) }),
		column("errors", rows, func(p *insightd.Place) float64 { return float64(p.Errors) }),
		with(column("errorShare", rows, func(p *insightd.Place) float64 {
			if p.Events == 0 {
				return 0
			}
			return float64(p.Errors) / float64(p.Events)
		}), shareConfig("Errors among the events")))
	return longFrame(name, fields...)
}

// longFrame makes a frame of numbers by texts.
func longFrame(name string, fields ...*data.Field) *data.Frame {
	f := data.NewFrame(name, fields...)
	f.Meta = &data.FrameMeta{Type: data.FrameTypeNumericLong, TypeVersion: alertableVersion}
	return f
}

// insightPlace is what is known of the insights from a country.
type insightPlace struct {
	country                  string
	insights, active, severe float64
	confidence               float64
}

// insightPlaces answers from which countries insights came. An insight with
// several counts in each.
func (r *request) insightPlaces(ctx context.Context) (data.Frames, error) {
	if r.Format == "coordinates" {
		f := longFrame("insights",
			data.NewField("latitude", nil, []float64{}), data.NewField("longitude", nil, []float64{}),
			data.NewField("insights", nil, []float64{}))
		frames := data.Frames{f}
		notice(frames, data.NoticeSeverityInfo, "insights know the countries of their addresses, not the coordinates: choose the form country, or a map of events")
		return frames, nil
	}
	page, left, err := r.listInsights(ctx, maxRows)
	if err != nil {
		return nil, err
	}
	by := map[string]*insightPlace{}
	nowhere := 0
	for n := range page.Items {
		i := &page.Items[n]
		from := countries(i)
		if len(from) == 0 {
			nowhere++
		}
		for _, c := range from {
			p := by[c]
			if p == nil {
				p = &insightPlace{country: c}
				by[c] = p
			}
			p.insights++
			if i.Details.State == insightd.StateStart {
				p.active++
			}
			if severityRanks[i.Details.Severity] >= severityRanks["High"] {
				p.severe++
			}
			p.confidence = max(p.confidence, i.Details.Confidence)
		}
	}
	rows := make([]*insightPlace, 0, len(by))
	for _, p := range by {
		rows = append(rows, p)
	}
	slices.SortFunc(rows, func(a, b *insightPlace) int {
		return cmp.Or(cmp.Compare(b.insights, a.insights), cmp.Compare(a.country, b.country))
	})
	f := longFrame("insights",
		column(lookup, rows, func(p **insightPlace) string { return (*p).country }),
		column("insights", rows, func(p **insightPlace) float64 { return (*p).insights }),
		column("active", rows, func(p **insightPlace) float64 { return (*p).active }),
		described(column("severe", rows, func(p **insightPlace) float64 { return (*p).severe }), "Of severity High or Critical"),
		with(column("confidence", rows, func(p **insightPlace) float64 { return (*p).confidence }), confidenceConfig()))
	frames := data.Frames{f}
	executed(frames, "GET /api/v1/insights?"+r.insightValues().Encode())
	notice(frames, data.NoticeSeverityWarning, left...)
	told(frames, page.Notes)
	switch {
	case len(page.Items) == 0:
		notice(frames, data.NoticeSeverityInfo, r.whyNoInsights(ctx, r.narrowed()))
	case nowhere > 0:
		notice(frames, data.NoticeSeverityInfo, plural(nowhere, "insight has", "insights have")+" no address of a known country")
	}
	if page.More {
		notice(frames, data.NoticeSeverityWarning, cut(len(page.Items), r.countInsights(ctx), "insights"))
	}
	return frames, nil
}
