package engine

import (
	"fmt"
	"math"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// firstFrom is the score from which on a first use is told.
	firstFrom = 3.0
	// firstDays is on how many days an identity has to have been active before
	// anything that it begins is odd.
	firstDays = 3
	// firstQuiet is after how many minutes without such a call the insight ends.
	firstQuiet = 60
	// firstMost bounds what it weighs that the identity rarely begins anything.
	firstMost = 1.7
	// weighPeers is what it weighs that others like it do not call the same.
	weighPeers = 0.5
)

// firsts raises FirstActionInsights: an identity calls something sensitive that
// it never called before, where neither it nor its like do so. Permissions,
// passwords and trails have a detector of their own (operators).
type firsts struct{ memoryless }

func (firsts) types() []string { return []string{insight.TypeFirstAction} }

// begins reports whether an event is of the classes whose first use matters.
func begins(e *event.Event) bool {
	return byClass(e, "sensitive_first_use", "network_change", "mass_deletion") && !isSensitive(e) && !forwarded(e)
}

func (firsts) look(s *stream, e *event.Event, n names, w *who, m models.Minute) (finding, bool) {
	if e.Risk == 0 || s.called(w, n) || len(w.apis) >= apisLimit || w.name == enrich.Hidden || w.name == enrich.Unknown || !begins(e) {
		return finding{}, false
	}
	by := s.circumstances(e, n, w, m)
	if by.Days <= firstDays || m-w.birth < 1440 {
		return finding{}, false
	}
	b, g := s.behaviour(w), s.behaviours
	name := insight.ShortName(w.name)
	chance := b.begins.Chance(g.begins)
	var p pleading
	p.add("novelty", rarely(chance, firstMost), e.API(), number(b.begins.Done()),
		"%s never called %s before, and began to call something sensitive on %s of %s", name, e.API(), number(b.begins.Done()), plural(int(b.begins.Days()), "day", "days"))
	group := groupOf(w)
	users, all := 0, 0
	if u := g.users[n.api]; u != nil {
		users = int(u[group])
	}
	for _, x := range s.identities {
		if groupOf(x) == group {
			all++
		}
	}
	like := [...]string{models.Workload: "workloads", models.Person: "people"}[group]
	p.add("peers", weighPeers*max(0, -math.Log10((float64(users)+0.5)/(float64(all)+2))), users, all,
		"%s of %s %s of the account called it before", number(float64(users)), number(float64(all)), like)
	if tier := max(1, e.Risk); tier > 1 {
		p.add("risk", 0.4*float64(tier-1), tier, "", "the catalogue puts it in tier %d of 3", tier)
	}
	p.around(s, e, w, by, true)
	if p.score < firstFrom {
		return finding{}, false
	}
	level := int(max(1, e.Risk)) - 1
	switch e.Source.Network {
	case event.NetworkTor, event.NetworkVPN, event.NetworkHosting:
		level++
	}
	return finding{
		insight: insight.TypeFirstAction, who: w, object: e.API(), single: true,
		score: p.score, severity: severityOf(level), attack: firstTechniques(e), quiet: firstQuiet,
		events:  selection{identity: w.name, risky: true, data: s.set.DataEvents},
		summary: fmt.Sprintf("%s called %s for the first time in %s", name, e.API(), plural(int(math.Round(by.Days)), "active day", "active days")),
		reasons: p.reasons,
	}, true
}

// firstTechniques are the ATT&CK techniques that a first use may stand for.
func firstTechniques(e *event.Event) []string {
	switch {
	case hasClass(e, "network_change"):
		return []string{"T1562.007"} // Disable or modify cloud firewall.
	case hasClass(e, "mass_deletion"):
		return []string{"T1485"} // Data destruction.
	}
	return []string{"T1078.004"} // Valid accounts: cloud accounts.
}

func (firsts) knows(s *stream, _ string) (string, bool) {
	return fmt.Sprintf("%s sensitive APIs with who called them", number(float64(len(s.behaviours.users)))), len(s.identities) > 0
}
