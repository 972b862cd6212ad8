package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/tsdb"
)

// openWindow is how far back an event may lie to show in the open minutes. What
// is older comes with the final pass.
const openWindow = 3 * time.Hour

// open counts what has arrived and is not final yet: the minutes after the
// watermark. It is served beside the stored series until the watermark passes.
// It has its own symbols, so that arrival never waits for the final pass.
type open struct {
	mtx     sync.Mutex
	stream  event.StreamKey
	symbols *symbols
	series  map[seriesKey]*openSeries
	// lists are the series by metric. A list grows in place or is replaced, so
	// that who has taken one can look through it without the lock.
	lists [metricCount][]*openSeries
	// limit is how many series there may be at a time; others count in the
	// overflow series. 0 is no limit.
	limit int
}

type openSeries struct {
	labels labels.Labels // never written to
	t      []int64       // ends of minutes in milliseconds, rising
	v      []float64
}

func newOpen(stream event.StreamKey, limit int) *open {
	o := &open{stream: stream, series: map[seriesKey]*openSeries{}, limit: limit}
	o.symbols = o.newSymbols()
	return o
}

// newSymbols are names enough for as many series as there may be.
func (o *open) newSymbols() *symbols {
	t := newSymbols()
	t.limit = 2 * o.limit
	return t
}

// add counts an event that has arrived.
func (o *open) add(e *event.Event) {
	t := tsdb.SampleTime(e.Time)
	o.mtx.Lock()
	defer o.mtx.Unlock()
	seriesOf(e, o.symbols, func(k seriesKey) {
		s := o.series[k]
		if s == nil && o.limit > 0 && len(o.series) >= o.limit {
			k = k.folded(o.symbols)
			s = o.series[k]
		}
		if s == nil {
			s = &openSeries{labels: k.labels(o.stream, o.symbols)}
			o.series[k] = s
			o.lists[k.metric] = append(o.lists[k.metric], s)
		}
		s.add(t)
	})
}

// drop forgets the minutes that end at or before t, in milliseconds: they are
// stored.
func (o *open) drop(t int64) {
	o.mtx.Lock()
	defer o.mtx.Unlock()
	var gone [metricCount]bool
	for k, s := range o.series {
		i := 0
		for i < len(s.t) && s.t[i] <= t {
			i++
		}
		if i == len(s.t) {
			delete(o.series, k)
			s.t, s.v = nil, nil
			gone[k.metric] = true
		} else if i > 0 {
			s.t, s.v = s.t[i:], s.v[i:]
		}
	}
	for m := range o.lists {
		if !gone[m] {
			continue
		}
		left := make([]*openSeries, 0, len(o.lists[m]))
		for _, s := range o.lists[m] {
			if len(s.t) > 0 {
				left = append(left, s)
			}
		}
		o.lists[m] = left
	}
	if len(o.symbols.names) > 1<<16+8*len(o.series) {
		o.renumber()
	}
}

// renumber forgets the symbols that no series uses.
func (o *open) renumber() {
	old, series := o.symbols, o.series
	o.symbols, o.series = o.newSymbols(), make(map[seriesKey]*openSeries, len(series))
	for k, s := range series {
		for _, y := range []*symbol{&k.region, &k.x, &k.y, &k.z} {
			*y = o.symbols.of(old.name(*y))
		}
		o.series[k] = s
	}
}

func (s *openSeries) add(t int64) {
	i := len(s.t)
	for i > 0 && s.t[i-1] > t {
		i--
	}
	if i > 0 && s.t[i-1] == t {
		s.v[i-1]++
		return
	}
	s.t = append(s.t, 0)
	s.v = append(s.v, 0)
	copy(s.t[i+1:], s.t[i:])
	copy(s.v[i+1:], s.v[i:])
	s.t[i], s.v[i] = t, 1
}

// liveSeries copies the open series that match. Arrival does not wait for the
// looking, only for the copying.
func (o *open) liveSeries(mint, maxt int64, ms []*labels.Matcher) []tsdb.LiveSeries {
	o.mtx.Lock()
	lists := o.lists
	o.mtx.Unlock()
	var found []*openSeries
	for m, list := range lists {
		if !named(metric(m), ms) {
			continue
		}
	next:
		for _, s := range list {
			for _, m := range ms {
				if !m.Matches(s.labels.Get(m.Name)) {
					continue next
				}
			}
			found = append(found, s)
		}
	}
	var out []tsdb.LiveSeries
	for part := range slices.Chunk(found, 1000) {
		o.mtx.Lock()
		for _, s := range part {
			l := tsdb.LiveSeries{Labels: s.labels}
			for i, t := range s.t {
				if t >= mint && t <= maxt {
					l.T = append(l.T, t)
					l.V = append(l.V, s.v[i])
				}
			}
			if len(l.T) > 0 {
				out = append(out, l)
			}
		}
		o.mtx.Unlock()
	}
	return out
}

// named reports whether series of a metric may match.
func named(m metric, ms []*labels.Matcher) bool {
	for _, x := range ms {
		if x.Name == labels.MetricName && !x.Matches(metricNames[m]) {
			return false
		}
	}
	return true
}
