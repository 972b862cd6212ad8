package engine

import (
	"strings"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// withheld reports whether the budget keeps an insight from being told.
func withheld(in *insight.Insight) bool {
	return strings.HasPrefix(in.Suppressed, insight.SuppressedByBudget)
}

// graverOf is by how much the score of an open insight must rise for a revision: less
// than most where it is withheld, since it may be sure enough then.
func graverOf(in *insight.Insight, most float64) float64 {
	if withheld(in) {
		return graver / 2
	}
	return most
}

// sureness is the confidence by which the budget takes an insight of the finding:
// what is firm is not too doubtful to be told.
func (f *finding) sureness(in *insight.Insight, b *budget) float64 {
	if f.firm {
		return max(in.Confidence, b.doubtful()+0.01)
	}
	return in.Confidence
}

// afford reports whether the budget lets an insight of a confidence be told at minute
// m that is about to be. What was withheld of its incident, and is open, is told with it: what
// is too doubtful alone is not so beside something that is told.
func (s *stream) afford(in *insight.Insight, confidence float64, m models.Minute) bool {
	if !s.budget.take(in.Incident, confidence, m) {
		return false
	}
	var open []*insight.Insight
	s.eachOpen(func(o opened) {
		if o.insight.Incident == in.Incident && o.insight.ID != in.ID && withheld(o.insight) {
			open = append(open, o.insight)
		}
	})
	for _, o := range open {
		o.Suppressed = ""
		s.suppress(o, true)
		s.suppressed--
		s.put(*o)
	}
	return true
}
