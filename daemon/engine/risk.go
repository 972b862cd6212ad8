package engine

import (
	"fmt"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// riskFrom is the score from which on a day is told, and riskLeast the sum.
	riskFrom  = 3.0
	riskLeast = 24
	// riskUsual is the sum of a day that is taken for usual of whom nothing is
	// known.
	riskUsual = 4
)

// risks raises RiskInsights: what an identity calls on a day is riskier, taken
// together, than on its other days, though no single call may be odd. A call
// weighs 1, 4 or 16 by the tier of the catalogue.
type risks struct{ memoryless }

func (risks) types() []string { return []string{insight.TypeRisk} }

func (risks) look(s *stream, e *event.Event, _ names, w *who, m models.Minute) (finding, bool) {
	if e.Risk == 0 || forwarded(e) || w.name == enrich.Hidden || w.name == enrich.Unknown {
		return finding{}, false
	}
	b := s.behaviour(w)
	sum := b.risk.Now(m) + riskWeight(e)
	if sum < riskLeast {
		return finding{}, false
	}
	tail := b.risk.Tail(sum, riskUsual)
	if tail < riskFrom {
		return finding{}, false
	}
	name, usual := insight.ShortName(w.name), b.risk.Usual(riskUsual)
	var p pleading
	p.add("risk", tail, round(sum), round(usual), "the calls of %s on %s add up to a risk of %s, usually %s on a day with any; %s are known",
		name, e.Time.Format("2 January"), number(sum), number(round(usual)), plural(int(b.risk.Days()), "such day", "such days"))
	level := 0
	switch {
	case sum >= 10*usual && e.Risk >= 2:
		level = 2
	case sum >= 10*usual || e.Risk >= 2:
		level = 1
	}
	return finding{
		insight: insight.TypeRisk, who: w, object: "risk",
		score: p.score, severity: severityOf(level), attack: []string{"T1078.004"},
		quiet: 1440, until: (m/1440 + 1) * 1440,
		events:  selection{identity: w.name, risky: true, data: s.set.DataEvents},
		summary: fmt.Sprintf("the calls of %s add up to a risk of %s on a day, usually %s", name, number(sum), number(round(usual))),
		reasons: p.reasons,
	}, true
}

func (risks) knows(s *stream, _ string) (string, bool) {
	n := 0
	for _, w := range s.identities {
		if w.behaviour != nil && w.behaviour.risk.Days() > 0 {
			n++
		}
	}
	return fmt.Sprintf("the daily risk of %s is known", plural(n, "identity", "identities")), len(s.identities) > 0
}
