package plugin

import (
	"cmp"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

const (
	// defaultLanes is how many lanes a timeline has where the query does not say.
	defaultLanes = 20
	otherLane    = "Other"
)

// laneOf says in which lane of a timeline an insight stands, by the field that
// the query names; its type is the default.
var laneOf = map[string]func(*record) string{
	"type":     func(i *record) string { return i.Details.Type },
	"severity": func(i *record) string { return i.Details.Severity },
	"provider": func(i *record) string { return i.Provider },
	"account":  func(i *record) string { return i.Account },
	"region":   func(i *record) string { return i.Region },
	"service":  func(i *record) string { return i.Details.Service },
	"object":   func(i *record) string { return i.Details.Object },
	"identity": func(i *record) string { return i.Details.Identity },
	"kri":      func(i *record) string { return i.Details.KRI },
}

var severityRanks = map[string]int{"Low": 1, "Medium": 2, "High": 3, "Critical": 4}

// timeline makes a frame for the state timeline panel: a field a lane, whose
// value is the highest severity that goes on, and null where nothing does. There
// is a row wherever something begins or ends.
func (r *request) timeline(rows []record) *data.Frame {
	lane := laneOf[r.By]
	if lane == nil {
		lane = laneOf["type"]
	}
	lanes := map[string][]*record{}
	for n := range rows {
		k := lane(&rows[n])
		if k == "" {
			k = "None"
		}
		lanes[k] = append(lanes[k], &rows[n])
	}
	names := topLanes(lanes, r.Top)
	at := r.turns(rows)
	fields := []*data.Field{data.NewField("time", nil, at)}
	for _, name := range names {
		f := data.NewField(name, nil, states(at, lanes[name], r.to))
		f.Config = severityConfig()
		f.Config.Custom = nil // Cells of tables are none here.
		fields = append(fields, f)
	}
	f := data.NewFrame("insights", fields...)
	f.Meta = &data.FrameMeta{PreferredVisualization: data.VisTypeGraph}
	return f
}

// topLanes orders lanes by how much is in them, and puts those beyond top into
// one.
func topLanes(lanes map[string][]*record, top int) []string {
	if top <= 0 {
		top = defaultLanes
	}
	names := make([]string, 0, len(lanes))
	for k := range lanes {
		names = append(names, k)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(lanes[b]), len(lanes[a])), cmp.Compare(a, b))
	})
	if len(names) > top {
		for _, k := range names[top:] {
			lanes[otherLane] = append(lanes[otherLane], lanes[k]...)
		}
		names = append(slices.DeleteFunc(names[:top], func(k string) bool { return k == otherLane }), otherLane)
	}
	return names
}

// turns are the times at which something begins or ends, with those of the range
// around them.
func (r *request) turns(rows []record) []time.Time {
	if len(rows) == 0 {
		return []time.Time{}
	}
	at := []time.Time{r.from, r.to}
	for n := range rows {
		for _, t := range []time.Time{rows[n].Details.Start, over(&rows[n], r.to)} {
			if t.After(r.from) && t.Before(r.to) {
				at = append(at, t)
			}
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return slices.CompactFunc(at, time.Time.Equal)
}

// over is when an insight no longer goes on: at least a second after its start,
// or what was but a moment could not be seen.
func over(i *insightd.Record, to time.Time) time.Time {
	if i.Details.End.IsZero() {
		return latest(to, i.Details.Start).Add(time.Second)
	}
	return latest(i.Details.End, i.Details.Start.Add(time.Second))
}

// states are the highest severities of some insights at each of the times.
func states(at []time.Time, of []*record, to time.Time) []*string {
	out := make([]*string, len(at))
	for _, i := range of {
		first, _ := slices.BinarySearchFunc(at, i.Details.Start, time.Time.Compare)
		end := over(i, to)
		// What began before the first row is in it.
		for n := first; n < len(at) && at[n].Before(end); n++ {
			if out[n] == nil || severityRanks[*out[n]] < severityRanks[i.Details.Severity] {
				out[n] = &i.Details.Severity
			}
		}
	}
	return out
}
