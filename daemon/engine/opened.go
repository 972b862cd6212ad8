package engine

import (
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// opened is an open insight of the final pass, of a series or of single events.
// What a detector itself keeps quiet is none.
type opened struct {
	insight *insight.Insight
	vigil   *vigil
	// events are those behind it, and seen is the last minute in which there were any.
	events selection
	seen   models.Minute
}

// eachOpen calls do with every open insight, in an order that depends on nothing but
// what they are.
func (s *stream) eachOpen(do func(opened)) {
	for _, k := range sortedSlots(s.slots) {
		if ep := s.slots[k]; ep.raised != nil {
			do(opened{ep.raised, &ep.vigil, s.selection(ep.series), ep.series.seen})
		}
	}
	for _, k := range sortedSights(s.sights) {
		if o := s.sights[k]; !k.suppressed {
			do(opened{&o.raised, &o.vigil, o.events, o.seen})
		}
	}
}
