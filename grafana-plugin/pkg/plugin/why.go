package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/insightd/insightd/grafana-plugin/pkg/insightd"
)

// This file says why an answer is empty.

const (
	noEvents = "insightd has no events yet: push some, or configure a source"
	// coverageAge is how long the coverage is remembered: a dashboard of empty
	// panels asks for it once.
	coverageAge = 15 * time.Second
)

// knowledge remembers the coverage for a while.
type knowledge struct {
	mtx  sync.Mutex
	at   time.Time
	last insightd.Coverage
}

// coverage returns the coverage as it was a short time ago.
func (d *Datasource) coverage(ctx context.Context) (insightd.Coverage, error) {
	k := &d.knowledge
	k.mtx.Lock()
	if !k.at.IsZero() && time.Since(k.at) < coverageAge {
		defer k.mtx.Unlock()
		return k.last, nil
	}
	k.mtx.Unlock()
	c, err := d.client.Coverage(ctx)
	if err != nil {
		return c, err
	}
	k.mtx.Lock()
	defer k.mtx.Unlock()
	k.at, k.last = time.Now(), c
	return c, nil
}

// streams are the accounts whose events insightd has, and where their events lie
// in time.
func streamSpan(c *insightd.Coverage) (first, last time.Time) {
	for n := range c.Streams {
		s := &c.Streams[n]
		if first.IsZero() || s.FirstEvent.Before(first) {
			first = s.FirstEvent
		}
		if s.LastEvent.After(last) {
			last = s.LastEvent
		}
	}
	return first, last
}

// outside says that a range has no events at all, empty where it has some or
// where that cannot be said.
func (r *request) outside(c *insightd.Coverage) string {
	if len(c.Streams) == 0 {
		return noEvents
	}
	first, last := streamSpan(c)
	if r.to.Before(first) || r.from.After(last) {
		return fmt.Sprintf("there are no events in this range: insightd has those from %s to %s", first.Format(time.RFC3339), last.Format(time.RFC3339))
	}
	return ""
}

// whyNoEvents says why there are no events.
func (r *request) whyNoEvents(ctx context.Context) string {
	c, err := r.d.coverage(ctx)
	if err == nil {
		if text := r.outside(&c); text != "" {
			return text
		}
	}
	if f := r.filter(); f != "" {
		return "no event in this range fits the filter " + f
	}
	return "there are no events in this range"
}

// whyNoSeries says why there are no series.
func (r *request) whyNoSeries(ctx context.Context) string {
	c, err := r.d.coverage(ctx)
	if err == nil {
		if text := r.outside(&c); text != "" {
			return text
		}
	}
	switch expr := r.interpolate(r.Expr, sampleInterval); {
	case asksFor(expr, insightPrefix):
		return r.whyNoInsights(ctx, false)
	case asksFor(expr, ownPrefix):
		return "the daemon's own metrics have no sample in this range that fits the query: it keeps those of the last day since its start"
	}
	for n := range r.Filters {
		if k := r.Filters[n].Key; !slices.Contains(seriesLabels, k) {
			return fmt.Sprintf("no series fits: series have no label %s; filters of that name work on events and insights", k)
		}
	}
	return "no series has a sample in this range that fits the query"
}

// seriesLabels are the labels that some series have.
var seriesLabels = []string{
	"provider", "account", "region", "service", "operation", "category", "access", "outcome",
	"identity", "identity_kind", "credential", "country", "network",
	"insight_type", "type", "object", "id",
}

// whyNoInsights says why there are no insights: that there are no events, that
// detectors are still learning, or that nothing unusual happened.
func (r *request) whyNoInsights(ctx context.Context, filtered bool) string {
	c, err := r.d.coverage(ctx)
	if err != nil {
		return "no insight in this range"
	}
	if text := r.outside(&c); text != "" {
		return text
	}
	text := "no insight in this range"
	if filtered {
		text = "no insight in this range fits the query"
	}
	var learning []string
	var until time.Time
	ready := 0
	for s := range c.Streams {
		for _, d := range c.Streams[s].Detectors {
			switch d.State {
			case insightd.DetectorLearning:
				if a := c.Streams[s].Account; !slices.Contains(learning, a) {
					learning = append(learning, a)
				}
				if d.Until.After(until) {
					until = d.Until
				}
			case insightd.DetectorReady:
				ready++
			}
		}
	}
	switch {
	case len(learning) > 0 && !until.IsZero():
		return fmt.Sprintf("%s; %s still being learned until %s", text, accounts(learning), until.UTC().Format(time.RFC3339))
	case len(learning) > 0:
		return fmt.Sprintf("%s; %s still being learned", text, accounts(learning))
	case ready == 0:
		return text + "; no detector can see anything yet: the coverage says why"
	}
	return text + ", and every detector that can see is ready"
}

func accounts(names []string) string {
	if len(names) == 1 {
		return "the account " + names[0] + " is"
	}
	if len(names) > 3 {
		return fmt.Sprintf("%d accounts are", len(names))
	}
	return "the accounts " + strings.Join(names, ", ") + " are"
}
