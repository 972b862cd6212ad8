package insight

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// The metrics of insights.
const (
	MetricConfidence = "insight_confidence"
	MetricObserved   = "insight_observed"
	MetricExpected   = "insight_expected"
	MetricUpper      = "insight_upper"
)

// seriesMetrics are the series that every insight has.
var seriesMetrics = []struct {
	name  string
	value func(*Insight) float64
}{
	{MetricConfidence, func(i *Insight) float64 { return i.Confidence }},
	{MetricExpected, func(i *Insight) float64 { return i.Expected }},
	{MetricObserved, func(i *Insight) float64 { return i.Observed }},
	{MetricUpper, func(i *Insight) float64 { return i.Upper }},
}

// LiveSeries is one series of insights. It has the fields of the type of the
// same name in package tsdb.
type LiveSeries struct {
	// Labels hold the metric's name as __name__.
	Labels labels.Labels
	// T is sorted and in Unix milliseconds; V is as long.
	T []int64
	V []float64
}

const minuteMillis = int64(time.Minute / time.Millisecond)

// LiveSeries returns the series of insights and incidents that match all of ms, with a sample
// for each minute in which the insight was active, from mint to maxt, both
// inclusive and in Unix milliseconds. As with all our series, the sample of a
// minute stands at its end. There is none for minutes that have not ended, for
// insights that were withdrawn, nor for those that are suppressed: who alerts on
// insight_confidence is told what a notifier would be told.
func (s *Store) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []LiveSeries {
	maxt = min(maxt, s.o.Now().UnixMilli())
	var wanted []int
	for n, m := range seriesMetrics {
		if matches(ms, labels.MetricName, m.name) {
			wanted = append(wanted, n)
		}
	}
	if mint > maxt {
		return nil
	}
	incidents := s.incidentSeries(mint, maxt, ms)
	if len(wanted) == 0 {
		return incidents
	}
	var out []LiveSeries
	for _, i := range s.during(mint, maxt, ms) {
		// The first end of a minute that is not before mint.
		first, last := max(i.firstMinute(), floorMinute(mint+minuteMillis-1)), i.lastMinute(maxt)
		if first > last {
			continue
		}
		t := make([]int64, 0, (last-first)/minuteMillis+1)
		for at := first; at <= last; at += minuteMillis {
			t = append(t, at)
		}
		for _, n := range wanted {
			l := LiveSeries{Labels: i.labels(seriesMetrics[n].name), T: t, V: make([]float64, len(t))}
			v := seriesMetrics[n].value(i)
			for k := range l.V {
				l.V[k] = v
			}
			out = append(out, l)
		}
	}
	return append(out, incidents...)
}

// during returns, in order of start, the insights that can have a sample from
// mint to maxt and match.
func (s *Store) during(mint, maxt int64, ms []*labels.Matcher) []*Insight {
	txn := s.db.Txn(false)
	var out []*Insight
	visit := func(e *entry) bool {
		i := e.cur
		if i.State != StateWithdrawn && i.Suppressed == "" && i.Start.UnixMilli() <= maxt && i.labelled(ms) {
			out = append(out, i)
		}
		return true
	}
	for _, m := range ms {
		if m.Name == "id" && m.Type == labels.MatchEqual && m.Value != "" {
			if e := get(txn, m.Value); e != nil {
				visit(e)
			}
			return out
		}
	}
	// The sample of the last minute stands up to a minute behind the end.
	from := timeKey(time.UnixMilli(max(mint, minMillis) - minuteMillis))
	if err := walk(txn, indexEnd, nil, false, &from, visit); err != nil {
		return nil // The index is there, and so is its key.
	}
	slices.SortFunc(out, func(a, b *Insight) int {
		return cmp.Or(a.Start.Compare(b.Start), strings.Compare(a.ID, b.ID))
	})
	return out
}

// minMillis is early enough for all insights, and far enough from the least
// number to count back from.
const minMillis = -1 << 43

// floorMinute is the start of the minute in which t is, before 1970 too.
func floorMinute(t int64) int64 {
	m := t % minuteMillis
	if m < 0 {
		m += minuteMillis
	}
	return t - m
}

// seriesLabels are the labels of insights' series beside the name, in order.
var seriesLabels = []struct {
	name  string
	value func(*Insight) string
}{
	{"account", func(i *Insight) string { return i.Account }},
	{"id", func(i *Insight) string { return i.ID }},
	{"identity", func(i *Insight) string { return i.Identity }},
	{"insight_type", func(i *Insight) string { return i.Type }},
	{"object", func(i *Insight) string { return i.Object }},
	{"provider", func(i *Insight) string { return i.Provider }},
	{"region", func(i *Insight) string { return i.Region }},
}

func (i *Insight) labels(metric string) labels.Labels {
	b := labels.NewScratchBuilder(len(seriesLabels) + 1)
	b.Add(labels.MetricName, metric)
	for _, l := range seriesLabels {
		if v := l.value(i); v != "" {
			b.Add(l.name, v)
		}
	}
	b.Sort()
	return b.Labels()
}

// labelled reports whether the labels of the insight beside the name match. A
// label that it does not have is empty.
func (i *Insight) labelled(ms []*labels.Matcher) bool {
next:
	for _, m := range ms {
		if m.Name == labels.MetricName {
			continue
		}
		for _, l := range seriesLabels {
			if l.name == m.Name {
				if !m.Matches(l.value(i)) {
					return false
				}
				continue next
			}
		}
		if !m.Matches("") {
			return false
		}
	}
	return true
}

// matches reports whether the matchers of one label, if there are any, match.
func matches(ms []*labels.Matcher, name, value string) bool {
	for _, m := range ms {
		if m.Name == name && !m.Matches(value) {
			return false
		}
	}
	return true
}
