package engine

import (
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/tsdb"
)

// metric numbers the metrics of activity.
type metric uint8

const (
	metricEvents metric = iota
	metricIdentity
	metricIdentityAPI
	metricCredential
	metricSource
	metricCount
)

// metricNames are the metrics' names.
var metricNames = [metricCount]string{
	tsdb.MetricEvents, tsdb.MetricIdentityEvents, tsdb.MetricIdentityAPIEvents, tsdb.MetricCredentialEvents, tsdb.MetricSourceEvents,
}

// seriesKey is a series of activity, within a stream.
type seriesKey struct {
	metric  metric
	access  event.Access
	outcome event.Outcome
	extra   uint8 // category, kind or network
	region  symbol
	x, y, z symbol
}

// seriesOf calls yield with the key of every series that an event counts in.
func seriesOf(e *event.Event, t *symbols, yield func(seriesKey)) {
	region := t.of(e.Region)
	service, operation := t.of(e.Service), t.of(e.Operation)
	identity := t.of(e.Actor.Identity)
	yield(seriesKey{metricEvents, e.Access, e.Outcome, uint8(e.Category), region, service, operation, 0})
	yield(seriesKey{metricIdentity, e.Access, e.Outcome, uint8(e.Actor.Kind), region, identity, 0, 0})
	if e.Access == event.AccessWrite || e.Outcome == event.OutcomeError {
		yield(seriesKey{metricIdentityAPI, e.Access, e.Outcome, 0, region, identity, service, operation})
	}
	if c := e.Actor.Credential; c != "" {
		if !event.LongLived(e.Provider, c) {
			c = tsdb.TemporaryCredential
		}
		yield(seriesKey{metricCredential, e.Access, e.Outcome, 0, region, t.of(c), 0, 0})
	}
	yield(seriesKey{metricSource, 0, e.Outcome, uint8(e.Source.Network), 0, t.of(e.Source.Country), 0, 0})
}

// folded is the key that a series beyond the cap counts under instead.
func (k seriesKey) folded(t *symbols) seriesKey {
	o := t.of(tsdb.Overflow)
	switch k.metric {
	case metricEvents, metricIdentityAPI:
		if k.metric == metricEvents {
			k.y = o
		} else {
			k.x = o
		}
	case metricIdentity, metricCredential, metricSource:
		k.x = o
	}
	return k
}

// labels are the labels of a series, name included.
func (k seriesKey) labels(stream event.StreamKey, t *symbols) labels.Labels {
	set := map[string]string{
		labels.MetricName:  metricNames[k.metric],
		tsdb.LabelProvider: stream.Provider,
		tsdb.LabelAccount:  stream.Account,
		tsdb.LabelOutcome:  k.outcome.String(),
	}
	if k.metric != metricSource {
		set[tsdb.LabelRegion] = t.name(k.region)
		set[tsdb.LabelAccess] = k.access.String()
	}
	switch k.metric {
	case metricEvents:
		set[tsdb.LabelService], set[tsdb.LabelOperation] = t.name(k.x), t.name(k.y)
		set[tsdb.LabelCategory] = event.Category(k.extra).String()
	case metricIdentity:
		set[tsdb.LabelIdentity], set[tsdb.LabelIdentityKind] = t.name(k.x), event.Kind(k.extra).String()
	case metricIdentityAPI:
		set[tsdb.LabelIdentity], set[tsdb.LabelService], set[tsdb.LabelOperation] = t.name(k.x), t.name(k.y), t.name(k.z)
	case metricCredential:
		set[tsdb.LabelCredential] = t.name(k.x)
	case metricSource:
		set[tsdb.LabelCountry], set[tsdb.LabelNetwork] = t.name(k.x), event.Network(k.extra).String()
	}
	return labels.FromMap(set)
}

// counter counts one series in the minute under way.
type counter struct {
	series *tsdb.Series
	n      float64
	day    int32 // the last UTC day it was counted in
}

// counts turns the events of a stream's final pass into samples.
type counts struct {
	stream  event.StreamKey
	symbols *symbols
	byKey   map[seriesKey]*counter
	dirty   []*counter
	samples []tsdb.Sample
	set     Settings
	// stored counts the series of all streams.
	stored *atomic.Int64
	day    int32
	// folds counts the events that were counted under __overflow__.
	folds uint64
}

func newCounts(stream event.StreamKey, t *symbols, set Settings, stored *atomic.Int64) *counts {
	return &counts{stream: stream, symbols: t, byKey: map[seriesKey]*counter{}, set: set, stored: stored}
}

// full reports whether no series can be added.
func (c *counts) full() bool {
	return c.set.SeriesPerAccount > 0 && len(c.byKey) >= c.set.SeriesPerAccount ||
		c.set.SeriesInAll > 0 && c.stored.Load() >= int64(c.set.SeriesInAll)
}

// add counts an event.
func (c *counts) add(e *event.Event) {
	seriesOf(e, c.symbols, func(k seriesKey) {
		n := c.byKey[k]
		if n == nil {
			n = c.create(k)
		}
		if n.n == 0 {
			c.dirty = append(c.dirty, n)
			n.day = c.day
		}
		n.n++
	})
}

// create makes the counter of a new series, or hands out that of the series
// that it folds into where there are as many as there may be.
func (c *counts) create(k seriesKey) *counter {
	if c.full() {
		c.folds++
		k = k.folded(c.symbols)
		if n := c.byKey[k]; n != nil {
			return n
		}
	}
	n := &counter{series: tsdb.NewSeries(k.labels(c.stream, c.symbols))}
	c.byKey[k] = n
	c.stored.Add(1)
	return n
}

// close turns what was counted in the minute that ends at t, in milliseconds,
// into samples.
func (c *counts) close(t int64) {
	for _, n := range c.dirty {
		c.samples = append(c.samples, tsdb.Sample{Series: n.series, T: t, V: n.n})
		n.n = 0
	}
	c.dirty = c.dirty[:0]
}

// begin starts a UTC day: series that were not seen for a week make room.
func (c *counts) begin(day int32) {
	c.day = day
	for k, n := range c.byKey {
		if day-n.day > 7 {
			delete(c.byKey, k)
			c.stored.Add(-1)
		}
	}
}
