package insight

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// MetricIncident is the series that every incident has of which somebody was told.
const MetricIncident = "incident_confidence"

// incidentSeries returns the series of incidents that match all of ms: in each
// minute in which one of its insights was active, how sure of the incident its
// insights up to then make, so that it grows as they agree. What is withdrawn or
// suppressed is no part of it.
func (s *Store) incidentSeries(mint, maxt int64, ms []*labels.Matcher) []LiveSeries {
	if !matches(ms, labels.MetricName, MetricIncident) {
		return nil
	}
	var ids []string
	for _, m := range ms {
		if m.Name == labelIncident && m.Type == labels.MatchEqual && m.Value != "" {
			ids = []string{m.Value}
		}
	}
	if ids == nil {
		for _, i := range s.during(mint, maxt, nil) {
			if i.Incident != "" {
				ids = append(ids, i.Incident)
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	txn := s.db.Txn(false)
	var out []LiveSeries
	for _, id := range ids {
		told := slices.DeleteFunc(members(txn, id), func(i *Insight) bool { return i.Suppressed != "" })
		if len(told) == 0 {
			continue
		}
		in := incident(told)
		if l := (LiveSeries{Labels: in.labels()}); labels.Selector(ms).Matches(l.Labels) {
			l.T, l.V = confidences(told, mint, maxt)
			if len(l.T) > 0 {
				out = append(out, l)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b LiveSeries) int {
		return strings.Compare(a.Labels.Get(labelIncident), b.Labels.Get(labelIncident))
	})
	return out
}

// labelIncident is the label that holds the id of an incident.
const labelIncident = "incident"

func (in *Incident) labels() labels.Labels {
	b := labels.NewScratchBuilder(5)
	b.Add(labels.MetricName, MetricIncident)
	for _, l := range [...][2]string{{"account", in.Account}, {"identity", in.Identity}, {labelIncident, in.ID}, {"provider", in.Provider}} {
		if l[1] != "" {
			b.Add(l[0], l[1])
		}
	}
	b.Sort()
	return b.Labels()
}

// confidences are the samples of an incident from mint to maxt. Its insights are
// in order of start.
func confidences(told []*Insight, mint, maxt int64) (t []int64, v []float64) {
	known, value := 0, 0.0
	var until int64 // The last sample of those that have started.
	mint = floorMinute(mint + minuteMillis - 1)
	for at := max(mint, told[0].firstMinute()); at <= maxt; at += minuteMillis {
		for known < len(told) && told[known].firstMinute() <= at {
			until = max(until, told[known].lastMinute(maxt))
			known++
			value = agreed(told[:known])
		}
		if at > until {
			if known == len(told) {
				break
			}
			at = told[known].firstMinute() - minuteMillis
			continue
		}
		t, v = append(t, at), append(v, value)
	}
	return t, v
}

// firstMinute and lastMinute are the times of the first and the last sample of an
// insight, in Unix milliseconds; the last up to maxt.
func (i *Insight) firstMinute() int64 { return floorMinute(i.Start.UnixMilli()) + minuteMillis }

func (i *Insight) lastMinute(maxt int64) int64 {
	if i.Active() {
		return maxt
	}
	return min(maxt, floorMinute(i.End.UnixMilli())+minuteMillis)
}
