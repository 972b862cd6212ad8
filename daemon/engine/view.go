package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// liveSeries counts the model series by the insight type that they raise.
func (s *stream) liveSeries() map[string]int {
	out := map[string]int{}
	for k, n := range s.live {
		out[kinds[k].insight] += n
	}
	return out
}

// ask has do read the stream with its mutex, which is given back even where do panics:
// who asks over HTTP is recovered, and the line would wait for the mutex for ever.
func (s *stream) ask(do func()) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	do()
}

// ModelSeries counts the model series of all streams by insight type.
func (e *Engine) ModelSeries() map[string]int {
	out := map[string]int{}
	for _, s := range e.list() {
		s.ask(func() {
			for typ, n := range s.liveSeries() {
				out[typ] += n
			}
		})
	}
	return out
}

// Totals sums what the streams have seen.
type Totals struct {
	Events, Late, Future uint64
	Suppressed           int
	First, Last          time.Time
}

// Totals returns the sums over all streams.
func (e *Engine) Totals() Totals {
	var t Totals
	for _, s := range e.list() {
		s.ask(func() {
			t.Events += s.events
			t.Late += s.late
			t.Future += s.future
			t.Suppressed += s.suppressed
			if s.begun && (t.First.IsZero() || s.firstTime.Before(t.First)) {
				t.First = s.firstTime
			}
			if s.lastTime.After(t.Last) {
				t.Last = s.lastTime
			}
		})
	}
	return t
}

// Coverage says what each detector knows, is still learning, or cannot see.
func (e *Engine) Coverage(context.Context) (insight.Coverage, error) {
	c := insight.Coverage{Streams: []insight.StreamCoverage{}}
	for _, s := range e.list() {
		of := s.coverage(e.o.Now())
		if reason := e.mending.due(s.key); reason != "" {
			of.Rebuilding, of.RebuildReason = true, reason
		}
		c.Streams = append(c.Streams, of)
	}
	return c, nil
}

func (s *stream) coverage(now time.Time) insight.StreamCoverage {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	c := insight.StreamCoverage{
		Provider: s.key.Provider, Account: s.key.Account, FirstEvent: s.firstTime, LastEvent: s.lastTime,
		Events: s.events, Late: s.late, Future: s.future, LiveSeries: s.liveSeries(),
		Suppressed: s.suppressed, Networks: []insight.ProposedNetwork{},
	}
	if s.begun {
		done := s.position.done
		c.Watermark = &done
	}
	c.Provisional, c.Folded, c.Evicted, c.Capped, c.IdentitiesForgotten = len(s.preview.told), s.counts.folds, s.evicted, s.capped, s.forgotten
	if s.shadow != nil {
		c.Rebuilding, c.RebuildReason = true, s.shadow.reason
	}
	if at := s.snapshot.at; !at.IsZero() {
		c.Snapshot = &at
	}
	c.Swallowed, c.Envelopes, c.Rebaselined = s.reviews.swallowed, len(s.reviews.envelopes), s.renewing()
	for _, p := range s.learner.Proposed() {
		c.Networks = append(c.Networks, insight.ProposedNetwork{CIDR: p.CIDR, Identities: p.Identities, Days: p.Days})
	}
	c.Detectors = s.detectors(now)
	return c
}

// detectors says of each insight type whether it can be raised.
func (s *stream) detectors(now time.Time) []insight.DetectorCoverage {
	out := []insight.DetectorCoverage{}
	ready := s.firstTime.Add(s.set.WarmUp)
	add := func(typ, region, reason string, sees bool) {
		d := insight.DetectorCoverage{InsightType: typ, Region: region, State: "ready", Reason: reason}
		switch {
		case !sees:
			d.State = "blind"
		case s.position.done.Before(ready):
			d.State, d.Until = "learning", &ready
			d.Reason = fmt.Sprintf("the first %s of an account teach and raise nothing", s.set.WarmUp)
		case now.Sub(s.lastTime) > 24*time.Hour:
			d.State = "blind"
			d.Reason = "no event of the account since " + s.lastTime.Format(time.RFC3339)
		}
		out = append(out, d)
	}
	regions := map[string]map[symbol]int{}
	for k := range s.models {
		typ := kinds[k.kind].insight
		if k.region == 0 {
			continue // Of all regions: the key has others in each of them.
		}
		if regions[typ] == nil {
			regions[typ] = map[symbol]int{}
		}
		regions[typ][k.region]++
	}
	for _, typ := range []string{insight.TypeAPICallRate, insight.TypeAPIErrorRate, insight.TypeAk} {
		var names []string
		for r := range regions[typ] {
			names = append(names, s.symbols.name(r))
		}
		slices.Sort(names)
		for _, r := range names {
			add(typ, r, fmt.Sprintf("%d series have a model", regions[typ][s.symbols.byName[r]]), true)
		}
		if len(names) == 0 {
			add(typ, "", "no event of the account has what this detector looks at", false)
		}
	}
	for _, l := range s.lookers {
		for _, typ := range l.types() {
			reason, sees := l.knows(s, typ)
			add(typ, "", reason, sees)
		}
	}
	active, shadow := s.ruleCoverage()
	reason := plural(active, "rule looks", "rules look") + " at this account"
	if shadow > 0 {
		reason += fmt.Sprintf(", and %d in shadow", shadow)
	}
	ready = s.firstTime // Rules learn nothing.
	add(insight.TypeRule, "", reason, active+shadow > 0)
	return out
}

// FinalUpTo is up to when everything is final: the least of the streams'
// watermarks.
func (e *Engine) FinalUpTo() time.Time {
	var least time.Time
	for _, s := range e.list() {
		s.ask(func() {
			if s.begun && (least.IsZero() || s.position.done.Before(least)) {
				least = s.position.done
			}
		})
	}
	return least
}

// Families are what the series of the streams have taught, for fitting priors.
// Nothing may move the streams meanwhile.
func (e *Engine) Families() []*models.Family {
	var out []*models.Family
	for _, s := range e.list() {
		out = append(out, s.families[:]...)
	}
	return out
}
