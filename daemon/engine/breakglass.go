package engine

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

// breakGlassRule tells of every use of an identity that is for emergencies. It is
// built in, since what it asks for is not in the event: the label. Like other rules
// it teaches nothing, needs no history, and costs no budget; no limit of open
// insights holds it back either.
var breakGlassRule = newBreakGlassRule()

func newBreakGlassRule() *rules.Rule {
	r := &rules.Rule{
		ID: insight.RuleBreakGlass, Package: "built in", Version: "1", Type: rules.Boolean, Severity: rules.High, Confidence: 0.99,
		Title:       "An identity for emergencies is used",
		Description: "The configuration calls the identity break-glass (identities.critical.break_glass): each call of its own is told.",
		KRI:         "Identity and Access", Attack: []string{"T1078.004"},
		Runbook: rules.Runbook{
			What:     "Either there is an emergency and somebody opened the safe, or somebody has what was in it.",
			Check:    "Ask whoever keeps the credentials whether they were handed out, to whom and for what, and list what the identity did in the events behind this insight.",
			Step:     "If nobody knows of it, end the identity's sessions and disable its keys, but not the identity that you would use for that.",
			Rollback: "Enable the keys again once it is known that the use was meant.",
			Escalate: "At once, unless the keeper of the credentials confirms the emergency. Afterwards change the credentials either way.",
		},
	}
	h := xxhash.New()
	fmt.Fprintf(h, "%+v", *r)
	r.Hash = hex.EncodeToString(h.Sum(nil))
	return r
}

// BuiltInRules are the rules that are of no package. They cannot be switched off.
func BuiltInRules() []*rules.Rule { return []*rules.Rule{breakGlassRule} }

// breakGlassMatch is the match of an event that is such a use.
func breakGlassMatch(e *event.Event) *rules.Match {
	return &rules.Match{
		Rule: breakGlassRule, State: rules.Fired, Time: e.Time, UID: e.UID, Since: e.Time, Until: e.Time, Count: 1, UIDs: []string{strings.Clone(e.UID)},
	}
}

// ruleBreakGlass raises the insight of a use that is final, or has it go on: one
// for all regions.
func (s *stream) ruleBreakGlass(e *event.Event, w *who) {
	if s.breakGlass(e) {
		s.ruled(breakGlassMatch(e), nil, e, w)
	}
}

// breakGlassReasons say why a use is told: who said that the identity is for
// emergencies, from where it was used, and what it did first.
func (s *stream) breakGlassReasons(e *event.Event) []insight.Reason {
	pattern := ""
	for _, x := range s.set.Labels.Identities {
		if x.Label == insight.LabelBreakGlass && event.Glob(x.Pattern, e.Actor.Identity) {
			pattern = x.Pattern
			break
		}
	}
	from := cmp.Or(e.Source.Address, "an address that is not told")
	if e.Source.Country != "" {
		from += " in " + e.Source.Country
	}
	did := e.API()
	if e.ErrorCode != "" {
		did += " in vain (" + e.ErrorCode + ")"
	}
	return []insight.Reason{
		{Feature: "identity_label", Observed: insight.LabelBreakGlass, Usual: "", Text: fmt.Sprintf("the configuration says that it is break-glass: identities.critical.break_glass has %s", pattern)},
		{Feature: "source", Observed: e.Source.Address, Usual: "", Text: fmt.Sprintf("from %s, a network of the class %s", from, e.Source.Network)},
		{Feature: "operation", Observed: e.API(), Usual: "", Text: fmt.Sprintf("first of all it called %s at %s", did, e.Time.UTC().Format(time.RFC3339))},
	}
}
