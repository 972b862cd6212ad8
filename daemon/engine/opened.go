package engine

import (
	"cmp"
	"slices"
	"strings"

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

// eachOpen calls do with every open insight, in order of start and id: which is told
// first where not all can be does not hang on what arrived first.
func (s *stream) eachOpen(do func(opened)) {
	all := make([]opened, 0, len(s.slots)+len(s.sights))
	for _, ep := range s.slots {
		if ep.raised != nil {
			all = append(all, opened{ep.raised, &ep.vigil, s.selection(ep.series), ep.series.seen})
		}
	}
	for k, o := range s.sights {
		if !k.suppressed {
			all = append(all, opened{&o.raised, &o.vigil, o.events, o.seen})
		}
	}
	slices.SortFunc(all, func(a, b opened) int {
		return cmp.Or(a.insight.Start.Compare(b.insight.Start), strings.Compare(a.insight.ID, b.insight.ID))
	})
	for _, o := range all {
		do(o)
	}
}
