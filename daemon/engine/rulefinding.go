package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/rules"
)

const (
	// ruleQuiet is after how many minutes without a match the insight of a rule
	// ends that judges single events; one that counts has its window.
	ruleQuiet = 60
	// ruleLongest is how many minutes an insight of a rule lasts at the most: what
	// goes on all the time is told once a day.
	ruleLongest = 1440
	// ruleLeaves is how many comparisons are told at the most.
	ruleLeaves = 20
	// shadowed is what Suppressed says of findings of rules that are tried out.
	shadowed = "shadow"
)

// ruleMatch is what a finding knows of the rule that made it.
type ruleMatch struct {
	rules.Match
	// group is what the events that count together have in common, as a text.
	group string
}

// groupText writes what events have in common as one text.
func groupText(group []insight.GroupValue) string {
	var b strings.Builder
	for _, v := range group {
		fmt.Fprintf(&b, "\x1f%s=%s", v.Fact, v.Value)
	}
	return b.String()
}

// ruleOf is the rule of a match as an insight tells of it.
func ruleOf(x *rules.Match) *insight.Rule {
	r := x.Rule
	out := &insight.Rule{
		ID: r.ID, Version: r.Version, Hash: r.Hash, Package: r.Package, Title: r.Title, Description: r.Description,
		WindowSeconds: int(r.Window / time.Second), References: slices.Clone(r.References),
	}
	for _, v := range x.Group {
		out.Group = append(out.Group, insight.GroupValue(v))
	}
	if b := insight.Runbook(r.Runbook); b != (insight.Runbook{}) {
		out.Runbook = &b
	}
	return out
}

// ruleFinding is the finding of a match at an event of an identity. What single
// events match is the identity's, in its region; what is counted has one insight a
// group, whoever it is.
func (s *stream) ruleFinding(x *rules.Match, e *event.Event, w *who) finding {
	r := x.Rule
	f := finding{
		insight: insight.TypeRule, who: w, region: e.Region, object: r.ID, always: true,
		severity: insight.Severity(r.Severity), attack: slices.Clone(r.Attack), rule: &ruleMatch{Match: *x},
		quiet: ruleQuiet, until: minuteOf(x.Time) + ruleLongest,
	}
	if r == breakGlassRule {
		f.region = "" // It is one, wherever it is used.
	}
	if r.Shadow {
		f.suppressed = shadowed
	}
	if r.Window > 0 {
		f.shared, f.region = true, ""
		f.quiet = models.Minute((r.Window + time.Minute - 1) / time.Minute)
		f.rule.group = groupText(ruleOf(x).Group)
		for _, v := range x.Group {
			if v.Fact == rules.Region.String() {
				f.region = v.Value
			}
		}
	}
	return f
}

// portrayRule makes the insight of a rule's finding as it starts, and says which
// events are behind it.
func (s *stream) portrayRule(f *finding, e *event.Event, m models.Minute) insight.Insight {
	x := &f.rule.Match
	r := x.Rule
	to := minuteTime(m + 1)
	f.events = selection{uids: slices.Clone(x.UIDs), data: true}
	if !slices.Contains(f.events.uids, e.UID) && x.Time.Equal(e.Time) {
		f.events.uids = append(f.events.uids, e.UID)
	}
	found := s.gather(f.events, x.Since, to)
	f.events.common(found)
	if x.Count > len(f.events.uids) {
		f.events.uids = nil
		found = s.gather(f.events, x.Since, to)
	}
	in := insight.Insight{
		Type: insight.TypeRule, Provider: s.key.Provider, Account: s.key.Account, Region: f.region,
		Object: r.ID, Service: e.Service, Operation: e.Operation,
		State: insight.StateStart, Start: x.Since, Detected: x.Time,
		Severity: f.severity, Attack: f.attack, KRI: r.KRI, Confidence: r.Confidence,
		HighRisk: e.Risk >= highRisk, Rule: ruleOf(x), Filter: f.events.filter(s.key),
	}
	who := f.who
	if len(found.values[attrIdentity]) > 1 {
		who = nil // Several made it: it is the account's.
	}
	if who != nil {
		in.Identity, in.IdentityKind = who.name, who.kind.String()
		in.UserType = cmp.Or(first(who.userTypes), e.Actor.RawType)
	}
	identity := in.Identity
	if f.shared {
		identity = f.rule.group
	}
	if f.suppressed != "" {
		identity += " " + f.suppressed
	}
	in.ID = insight.ID(in.Type, s.key, in.Region, in.Object, identity, in.Start.Truncate(time.Minute))
	in.Summary, in.Reasons = ruleSummary(x, e, who), ruleReasons(x)
	if r == breakGlassRule {
		in.Reasons = s.breakGlassReasons(e)
	}
	in.Score = weigh(in.Reasons, r.Confidence)
	s.evince(&in, found, max(1, int(m-minuteOf(in.Start))+1))
	s.label(&in)
	in.Incident = s.incident(who, found, m)
	return in
}

// ruleSummary says in one line what a rule found.
func ruleSummary(x *rules.Match, e *event.Event, w *who) string {
	by := "several identities, the last of them " + insight.ShortName(e.Actor.Identity) + ","
	if w != nil {
		by = insight.ShortName(w.name)
	}
	did := fmt.Sprintf("%s: %s called %s", strings.TrimRight(x.Rule.Title, "."), by, e.API())
	if e.ErrorCode != "" {
		did += " in vain (" + e.ErrorCode + ")"
	}
	if x.Rule.Window > 0 {
		did += fmt.Sprintf("; %s within %s count", plural(x.Count, "event", "events"), minutes(int(x.Rule.Window/time.Minute)))
	}
	return did
}

// ruleReasons are the comparisons that made an event match, and how many count.
func ruleReasons(x *rules.Match) []insight.Reason {
	var out []insight.Reason
	for i := range x.Leaves[:min(ruleLeaves, len(x.Leaves))] {
		l := &x.Leaves[i]
		out = append(out, insight.Reason{Feature: l.Fact, Observed: l.Observed, Usual: "", Text: l.String()})
	}
	for _, v := range x.Group {
		out = append(out, insight.Reason{Feature: v.Fact, Observed: v.Value, Usual: "", Text: fmt.Sprintf("%s is %s in all of them", v.Fact, v.Value)})
	}
	if x.Rule.Window > 0 {
		out = append(out, insight.Reason{Feature: "occurrences", Observed: float64(x.Count), Usual: "", Text: fmt.Sprintf("%s within %s", plural(x.Count, "event counts", "events count"), minutes(int(x.Rule.Window/time.Minute)))})
	}
	if out == nil {
		out = append(out, insight.Reason{Feature: "rule", Observed: x.Rule.ID, Usual: "", Text: x.Rule.Title})
	}
	return out
}

// weigh has reasons contribute alike to the score of a finding of a confidence,
// and returns it: the one that ofEvent takes for as sure.
func weigh(reasons []insight.Reason, confidence float64) float64 {
	score := round(-2 * math.Log10(1-min(max(confidence, 0), 0.99)))
	rest := score
	for i := range reasons {
		by := round(score / float64(len(reasons)))
		if i == len(reasons)-1 {
			by = round(rest)
		}
		reasons[i].Contribution = by
		rest -= by
	}
	return score
}
