package plugin

import (
	"fmt"
	"math"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// alertableVersion marks frames that alert rules evaluate: without it Grafana
// 10.4 guesses at their form.
var alertableVersion = data.FrameTypeVersion{0, 1}

// column makes a field of a value of every row. T is one of the types that a
// field may hold.
func column[R, T any](name string, rows []R, value func(*R) T) *data.Field {
	vs := make([]T, len(rows))
	for n := range rows {
		vs[n] = value(&rows[n])
	}
	return data.NewField(name, nil, vs)
}

// with sets how a field is shown.
func with(f *data.Field, c *data.FieldConfig) *data.Field {
	f.Config = c
	return f
}

// described sets what a field is, as its header shows it.
func described(f *data.Field, text string) *data.Field {
	if f.Config == nil {
		f.Config = &data.FieldConfig{}
	}
	f.Config.Description = text
	return f
}

// table makes a frame of the form table.
func table(name string, fields ...*data.Field) *data.Frame {
	f := data.NewFrame(name, fields...)
	f.Meta = &data.FrameMeta{Type: data.FrameTypeTable, PreferredVisualization: data.VisTypeTable}
	return f
}

// logs makes a frame of log lines.
func logs(name string, fields ...*data.Field) *data.Frame {
	f := data.NewFrame(name, fields...)
	f.Meta = &data.FrameMeta{Type: data.FrameTypeLogLines, PreferredVisualization: data.VisTypeLogs}
	return f
}

// series makes a frame of one time series. A step of zero says nothing of how far
// apart its points are.
func series(name string, labels data.Labels, times []time.Time, values any, step time.Duration) *data.Frame {
	at := data.NewField(data.TimeSeriesTimeFieldName, nil, times)
	if step > 0 {
		at.Config = &data.FieldConfig{Interval: float64(step.Milliseconds())}
	}
	f := data.NewFrame("", at, data.NewField(name, labels, values))
	f.Meta = &data.FrameMeta{
		Type: data.FrameTypeTimeSeriesMulti, TypeVersion: alertableVersion, PreferredVisualization: data.VisTypeGraph,
	}
	return f
}

// number makes a frame of one number at a time.
func number(name string, labels data.Labels, at time.Time, value float64) *data.Frame {
	f := data.NewFrame("",
		data.NewField(data.TimeSeriesTimeFieldName, nil, []time.Time{at}),
		data.NewField(name, labels, []float64{value}))
	f.Meta = &data.FrameMeta{Type: data.FrameTypeNumericMulti, TypeVersion: alertableVersion}
	return f
}

// nothing is the answer without data of a form that alert rules evaluate: it has
// no fields, since a series without points would be one with a value of nothing.
func nothing(t data.FrameType) *data.Frame {
	return data.NewFrame("").SetMeta(&data.FrameMeta{Type: t, TypeVersion: alertableVersion})
}

// notice adds notices to the first frame.
func notice(frames data.Frames, severity data.NoticeSeverity, texts ...string) {
	for _, t := range texts {
		if t != "" && len(frames) > 0 {
			frames[0].AppendNotices(data.Notice{Severity: severity, Text: t})
		}
	}
}

// told adds what the daemon said beside its answer.
func told(frames data.Frames, n insightd.Notes) {
	notice(frames, data.NoticeSeverityWarning, n.Warnings...)
	notice(frames, data.NoticeSeverityInfo, n.Infos...)
}

// executed sets what was asked, for the query inspector.
func executed(frames data.Frames, text string) {
	if len(frames) > 0 {
		frames[0].Meta.ExecutedQueryString = text
	}
}

// optional is nil where a time is zero.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// The colours of severity, from harmless to bad; they are Grafana's names.
var severityColors = map[string]string{"Low": "blue", "Medium": "yellow", "High": "orange", "Critical": "red"}

func severityConfig() *data.FieldConfig {
	m := data.ValueMapper{}
	for n, s := range []string{"Low", "Medium", "High", "Critical"} {
		m[s] = data.ValueMappingResult{Text: s, Color: severityColors[s], Index: n}
	}
	return &data.FieldConfig{
		Mappings:    data.ValueMappings{m},
		Description: "How bad it would be if it were true",
		Custom:      cell("color-text"),
	}
}

func stateConfig() *data.FieldConfig {
	return &data.FieldConfig{Mappings: data.ValueMappings{data.ValueMapper{
		insightd.StateStart:     {Text: "Active", Color: "orange", Index: 0},
		insightd.StateEnd:       {Text: "Ended", Color: "text", Index: 1},
		insightd.StateWithdrawn: {Text: "Withdrawn", Color: "purple", Index: 2},
	}}, Custom: cell("color-text")}
}

// confidenceConfig shows a confidence as a share, with the levels as thresholds.
func confidenceConfig() *data.FieldConfig {
	c := &data.FieldConfig{
		Unit:        "percentunit",
		Description: "How sure insightd is: Medium from 50 %, High from 80 %",
		Thresholds: &data.ThresholdsConfig{Mode: data.ThresholdsModeAbsolute, Steps: []data.Threshold{
			{Value: lowest, Color: "blue"}, {Value: 0.5, Color: "yellow"}, {Value: 0.8, Color: "red"},
		}},
		Color:  map[string]any{"mode": "thresholds"},
		Custom: map[string]any{"cellOptions": map[string]any{"type": "gauge", "mode": "basic"}},
	}
	return c.SetMin(0).SetMax(1).SetDecimals(0)
}

// shareConfig shows a share from 0 to 1.
func shareConfig(description string) *data.FieldConfig {
	c := &data.FieldConfig{Unit: "percentunit", Description: description}
	return c.SetMin(0).SetMax(1)
}

// cell sets the form of a table's cells.
func cell(kind string) map[string]any {
	return map[string]any{"cellOptions": map[string]any{"type": kind}}
}

// hidden keeps a field out of sight that links read. 10.4 looks at the first of
// the two, later ones at both.
func hidden() *data.FieldConfig {
	return &data.FieldConfig{Custom: map[string]any{
		"hidden": true, "hideFrom": map[string]any{"viz": true, "legend": true, "tooltip": true},
	}}
}

// linked is a field config of links alone.
func linked(links ...data.DataLink) *data.FieldConfig { return &data.FieldConfig{Links: links} }

// eventsLink leads from an insight of a row to the events behind it, in Explore.
// The row has the fields id, from and to.
func (d *Datasource) eventsLink() data.DataLink {
	return d.explore("Events behind it", map[string]any{
		"refId": "A", "queryType": TypeEvents, "format": "logs", "version": 1,
		"insightId": "${__data.fields.id}", "from": "${__data.fields.from}", "to": "${__data.fields.to}",
		"direction": "forward",
	})
}

// explore is a link to Explore with a query to this datasource.
func (d *Datasource) explore(title string, query map[string]any) data.DataLink {
	query["datasource"] = map[string]any{"type": ID, "uid": d.uid}
	return data.DataLink{Title: title, Internal: &data.InternalDataLink{
		DatasourceUID: d.uid, DatasourceName: d.name, Query: query,
	}}
}

// insightLink leads to the dashboard of the insight that a field of the row names.
func insightLink(field string) data.DataLink {
	return data.DataLink{
		Title: "Dashboard of the insight",
		URL:   fmt.Sprintf("/d/insightd-insight?var-insight=${__data.fields.%s:percentencode}", field),
	}
}

// identityLink leads to the dashboard of the row's identity.
func identityLink() data.DataLink {
	return data.DataLink{Title: "Dashboard of the identity", URL: "/d/insightd-identity?var-identity=${__data.fields.identity:percentencode}"}
}

// plural writes a number of things, with separators.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a number with separators.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// lowest is the value of the first step of thresholds.
var lowest = data.ConfFloat64(math.Inf(-1))
