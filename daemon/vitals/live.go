package vitals

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// LiveSeries is one series. It has the fields of the type of the same name in
// package tsdb.
type LiveSeries struct {
	// Labels hold the metric's name as __name__.
	Labels labels.Labels
	// T is sorted and in Unix milliseconds; V is as long.
	T []int64
	V []float64
}

// LiveSeries returns the series that match all of ms, with their samples from
// mint to maxt, both inclusive and in Unix milliseconds.
//
// A minute that has begun and is not gathered yet shows what the one before it
// said: queries look back a minute, and would otherwise find nothing between the
// start of a minute and the moment at which it is gathered.
func (r *Recorder) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []LiveSeries {
	now := r.o.Now().UnixMilli()
	r.mtx.RLock()
	defer r.mtx.RUnlock()
	pending := r.last + every.Milliseconds()
	// Where it is not due there is nothing to show, nor where nobody gathers any
	// more.
	due := now >= pending && now < pending+every.Milliseconds() && pending >= mint && pending <= maxt
	var out []LiveSeries
	var it chunkenc.Iterator
	for _, list := range r.named(ms) {
		for _, x := range list {
			if !matches(x.labels, ms) {
				continue
			}
			s := LiveSeries{Labels: x.labels}
			it = x.samples(&s, mint, maxt, it)
			if due && x.chunks[len(x.chunks)-1].maxt == r.last {
				s.T, s.V = append(s.T, pending), append(s.V, x.newest)
			}
			if len(s.T) > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

// named returns the series of the names that can match.
func (r *Recorder) named(ms []*labels.Matcher) [][]*series {
	for _, m := range ms {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			if list := r.byName[m.Value]; list != nil {
				return [][]*series{list}
			}
			return nil
		}
	}
	out := make([][]*series, 0, len(r.byName))
next:
	for name, list := range r.byName {
		for _, m := range ms {
			if m.Name == labels.MetricName && !m.Matches(name) {
				continue next
			}
		}
		out = append(out, list)
	}
	return out
}

func matches(l labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// samples puts the samples from mint to maxt into s. The iterator is used again.
func (x *series) samples(s *LiveSeries, mint, maxt int64, it chunkenc.Iterator) chunkenc.Iterator {
	for _, c := range x.chunks {
		if c.maxt < mint || c.mint > maxt {
			continue
		}
		for it = c.data.Iterator(it); it.Next() == chunkenc.ValFloat; {
			if t, v := it.At(); t >= mint && t <= maxt {
				s.T, s.V = append(s.T, t), append(s.V, v)
			}
		}
	}
	return it
}

// Metric describes a metric that is remembered.
type Metric struct{ Name, Type, Help string }

// Metrics lists what there is to remember now, in order of name.
func (r *Recorder) Metrics() []Metric {
	families, _ := r.o.Gatherer.Gather() // What could be gathered is told.
	var out []Metric
	for _, f := range families {
		if slices.Contains(r.o.Skip, f.GetName()) {
			continue
		}
		out = append(out, Metric{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()})
	}
	return out
}
