package engine

import (
	"fmt"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// deletionFrom is the score from which on deletions are told.
const deletionFrom = 3.0

// deletionFloors are how many there have to be by span at the least: in one, ten
// and sixty minutes.
var deletionFloors = [len(models.BurstSpans)]int{10, 15, 25}

// deletions raises MassDeletionInsights: an identity deletes more in 1, 10 or 60
// minutes than it ever does. Who tears environments down every evening is usual,
// and what CloudFormation and its like delete for somebody is theirs.
type deletions struct{ memoryless }

func (deletions) types() []string { return []string{insight.TypeMassDeletion} }

// deletes reports whether an event deleted something that is missed.
func deletes(e *event.Event) bool {
	return e.Outcome == event.OutcomeSuccess && byClass(e, "mass_deletion") && !forwarded(e)
}

func (deletions) look(s *stream, e *event.Event, _ names, w *who, m models.Minute) (finding, bool) {
	if w.name == enrich.Hidden || w.name == enrich.Unknown || !deletes(e) {
		return finding{}, false
	}
	d := s.behaviour(w).deletions
	if d == nil {
		return finding{}, false // The first.
	}
	burst, ok := d.Judge(m, deletionFloors)
	if !ok {
		return finding{}, false
	}
	name := insight.ShortName(w.name)
	var p pleading
	p.add("deletions", burst.Tail, burst.Count, round(burst.Usual), "%s deleted %d things in %s; its largest such count on a day is usually %s, and %s with deletions are known",
		name, burst.Count, minutes(int(burst.Span)), number(round(burst.Usual)), plural(int(burst.Days), "day", "days"))
	if active := s.circumstances(e, names{}, w, m).Days; active > firstDays {
		p.add("novelty", rarely((burst.Days+0.5)/(active+1), 1.5), round(burst.Days), round(active), "%s deleted anything on %s of %s", name, number(round(burst.Days)), plural(int(active), "active day", "active days"))
	}
	if p.score < deletionFrom {
		return finding{}, false
	}
	level := 1
	if float64(burst.Count) >= 10*burst.Usual {
		level++
	}
	if groupOf(w) == models.Person || e.Actor.Kind == event.KindRoot {
		level++
	}
	return finding{
		insight: insight.TypeMassDeletion, who: w, object: "mass_deletion",
		score: p.score, severity: severityOf(level), attack: []string{"T1485"}, // Data destruction.
		kri:     "Data and Kubernetes",
		quiet:   60,
		events:  selection{identity: w.name, class: "mass_deletion", outcome: event.OutcomeSuccess, data: s.set.DataEvents},
		summary: fmt.Sprintf("%s deleted %d things in %s, last with %s", name, burst.Count, minutes(int(burst.Span)), e.API()),
		reasons: p.reasons,
	}, true
}

func (deletions) knows(s *stream, _ string) (string, bool) {
	n := 0
	for _, w := range s.identities {
		if w.behaviour != nil && w.behaviour.deletions != nil {
			n++
		}
	}
	return fmt.Sprintf("%s deleted something before", plural(n, "identity", "identities")), len(s.identities) > 0
}
