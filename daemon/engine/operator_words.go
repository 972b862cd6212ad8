package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// verdict is what the model says of a sensitive operation.
type verdict struct {
	category models.Category
	tier     uint8
	what     models.Operation
	by       models.Circumstances
	fresh    bool
	odds     models.Odds
}

// severity says how bad it would be if it were true: by the tier of the
// operation, by whether it came about, by who did it from where.
func (v *verdict) severity(e *event.Event, w *who) insight.Severity {
	level := int(v.tier) - 1
	if e.Outcome == event.OutcomeError {
		level--
	}
	if w.kind == event.KindRoot {
		level++
	}
	switch e.Source.Network {
	case event.NetworkTor, event.NetworkVPN, event.NetworkHosting:
		level++
	}
	return [...]insight.Severity{insight.SeverityLow, insight.SeverityMedium, insight.SeverityHigh, insight.SeverityCritical}[max(0, min(level, 3))]
}

// summary says in one sentence who did what, and how usual that is.
func (v *verdict) summary(e *event.Event, w *who) string {
	call := e.Operation
	if e.Outcome == event.OutcomeError {
		call += " (which failed)"
	}
	return fmt.Sprintf("%s %s: called %s of %s; %s", insight.ShortName(w.name), sensitive[v.category].did, call, e.Service, v.habit())
}

// habit says how often the identity does so.
func (v *verdict) habit() string {
	before := v.by.Days - 1
	switch {
	case before < 1:
		return "seen for the first day"
	case v.odds.First:
		return fmt.Sprintf("did so on 0 of %s before", plural(int(math.Round(before)), "active day", "active days"))
	}
	return fmt.Sprintf("did so on about %s of %s", number(math.Ceil(v.odds.Days)), plural(int(math.Round(v.by.Days)), "active day", "active days"))
}

// reasons say why in words and numbers. The contributions add up to the score.
func (l *operators) reasons(s *stream, e *event.Event, w *who, v *verdict, below float64) []insight.Reason {
	o, by := v.odds, v.by
	name := insight.ShortName(w.name)
	out := []insight.Reason{{}} // The operator, last to be weighed.
	rest := round(o.Score)
	add := func(feature string, contribution float64, observed, usual any, text string) {
		contribution = round(contribution)
		rest -= contribution
		out = append(out, insight.Reason{Feature: feature, Observed: observed, Usual: usual, Contribution: contribution, Text: text})
	}
	today := int32(e.Time.Unix() / 86400)
	if o.Place > 0 {
		network := "an unknown network"
		if p, ok := prefixOf(e.Source.IP); ok {
			network = p.String()
		}
		add("network", o.Place, network, seenWith(w.networks, s, w, today, network), fmt.Sprintf("from %s, where %s was first seen within a day and nobody else was before; a new network came up on %s of %s",
			network, name, number(by.PlaceDays), plural(int(by.Days), "day", "days")))
	}
	if o.Tool > 0 {
		add("userAgent", o.Tool, e.AgentFamily, seenWith(w.agents, s, w, today, e.AgentFamily), fmt.Sprintf("with %s, which %s first used within a day; usual are %s", e.AgentFamily, name, seenWith(w.agents, s, w, today, e.AgentFamily)))
	}
	if o.Hour > 0 {
		add("hour", o.Hour, fmt.Sprintf("%02d:%02d UTC", e.Time.Hour(), e.Time.Minute()), percent(by.HourShare), fmt.Sprintf("at %02d:%02d UTC: %s of the calls of %s are within an hour of that", e.Time.Hour(), e.Time.Minute(), percent(by.HourShare), name))
	}
	if o.Alone > 0 {
		add("pause", o.Alone, "after a silence", percent(by.AloneShare), fmt.Sprintf("came out of a silence of more than a quarter of an hour, as %s of the calls of %s do", percent(by.AloneShare), name))
	}
	if o.New > 0 {
		add("novelty", o.New, "new to "+name, number(by.CallDays), fmt.Sprintf("%s never called %s before, and began to call something new on %s of %s", name, e.Operation, number(by.CallDays), plural(int(by.Days), "day", "days")))
	}
	if o.Many > 0 {
		add("breadth", o.Many, o.Breadth, 1, fmt.Sprintf("the %s sensitive operation within an hour that is new to %s", ordinal(o.Breadth), name))
	}
	if o.Call > 0 {
		add("operation", o.Call, e.Operation, "", fmt.Sprintf("%s is not what such operators mostly call", e.Operation))
	}
	out[0] = v.operator(name, round(rest))
	if r, ok := l.violated(l.items(e, w, v.category, v.what.Group, by)); ok {
		out = append(out, insight.Reason{
			Feature: "rule", Observed: r.value(l.items(e, w, v.category, v.what.Group, by)), Usual: valueOf(r.Then),
			Text: fmt.Sprintf("%s; %s: %s", r.words(), name, v.habit()),
		})
	}
	if n, ok := models.Fewest(v.what, o, by, below); ok {
		out = append(out, insight.Reason{
			Feature: "counterfactual", Observed: round(o.Days), Usual: n,
			Text: fmt.Sprintf("would not have been raised if %s had %s on %d of its %s", name, sensitive[v.category].did, n, plural(int(math.Round(by.Days)), "active day", "active days")),
		})
	}
	return out
}

// operator is the reason that is about the identity's habit.
func (v *verdict) operator(name string, contribution float64) insight.Reason {
	o := v.odds
	r := insight.Reason{
		Feature: "operator", Observed: v.habit(), Contribution: contribution,
		Usual: fmt.Sprintf("%s: on %s of the days", groupName(v.what.Group), percent(o.Group)),
	}
	did := sensitive[v.category].did
	if v.what.Category == models.SelfService {
		did += " of its own"
	}
	if o.First {
		r.Text = fmt.Sprintf("%s never %s before, in %s; of %s, about one in %s begins to on such a day", name, did,
			plural(max(0, int(math.Round(v.by.Days-1))), "active day", "active days"), groupName(v.what.Group), number(math.Round(1/o.P)))
	} else {
		r.Text = fmt.Sprintf("%s %s on about %s of %s, expected on one day in %s; %s: on %s of the days", name, did,
			number(math.Ceil(o.Days)), plural(int(math.Round(v.by.Days)), "active day", "active days"), number(math.Round(1/o.P)), groupName(v.what.Group), percent(o.Group))
	}
	return r
}

// seenWith lists what an identity is mostly seen with, beside a value, with how
// often it is.
func seenWith(past known, s *stream, w *who, today int32, but string) string {
	var out []string
	for _, v := range past.list(s.symbols, w.span()) {
		y := s.symbols.byName[v.Value]
		if b := past[y].bucket(w.span(), today); v.Value != but && b != "unseen" && len(out) < 3 {
			out = append(out, v.Value+" ("+b+")")
		}
	}
	return cmp.Or(strings.Join(out, ", "), "nothing else")
}

// items are an operation as a transaction of the rules, in order.
func (l *operators) items(e *event.Event, w *who, c models.Category, group string, by models.Circumstances) []string {
	network := "known"
	switch {
	case !e.Source.IP.IsValid():
		network = "none"
	case by.NewPlace:
		network = "new"
	}
	h := e.Time.Hour() / 6 * 6
	out := []string{
		"category=" + sensitive[c].class, "group=" + group, "hours=" + fmt.Sprintf("%02d to %02d UTC", h, h+6),
		"identity=" + w.name, "network=" + network, "operation=" + e.Operation, "service=" + e.Service,
	}
	if e.AgentFamily != "" {
		out = append(out, "agent="+e.AgentFamily)
	}
	slices.Sort(out)
	return out
}

const (
	// ruleCount is in how many transactions of four weeks both sides of a rule
	// are at least, and ruleConfidence how often it holds at least.
	ruleCount      = 5
	ruleConfidence = 0.9
	// rulesLimit bounds the rules that are kept, the best of them.
	rulesLimit = 500
)

// mine finds the rules that hold among the operations of the last four weeks.
func (l *operators) mine() {
	list, all := l.table.List()
	sets := models.FrequentItemSets(list, models.Mined{Count: ruleCount, Items: 3, Sets: 20_000})
	rules := models.Rules(sets, all, ruleConfidence, func(item string) bool {
		attr, _, _ := strings.Cut(item, "=")
		return attr == "identity" || attr == "group" || attr == "network" || attr == "agent" || attr == "hours"
	})
	// A rule is about a category. "All that iac does" would be another matter.
	rules = slices.DeleteFunc(rules, func(r models.Rule) bool {
		return !slices.ContainsFunc(r.If, func(item string) bool { return strings.HasPrefix(item, "category=") })
	})
	slices.SortStableFunc(rules, better)
	l.rules = rules[:min(len(rules), rulesLimit)]
}

// better orders rules, the one that says most first.
func better(a, b models.Rule) int {
	return cmp.Or(cmp.Compare(b.Conviction(), a.Conviction()), cmp.Compare(b.Count, a.Count), cmp.Compare(len(a.If), len(b.If)),
		cmp.Compare(aboutWhom(b), aboutWhom(a)), slices.Compare(a.If, b.If), strings.Compare(a.Then, b.Then))
}

// aboutWhom is 1 for a rule that names who does it, which says most to a reader.
func aboutWhom(r models.Rule) int {
	if strings.HasPrefix(r.Then, "identity=") {
		return 1
	}
	return 0
}

// violated returns the best rule that speaks of an operation and does not hold
// for it.
func (l *operators) violated(items []string) (rule, bool) {
	for _, r := range l.rules {
		applies := !slices.ContainsFunc(r.If, func(item string) bool { return !slices.Contains(items, item) })
		if applies && (rule{r}).value(items) != "" && !slices.Contains(items, r.Then) {
			return rule{r}, true
		}
	}
	return rule{}, false
}

// rule is a rule that can be put into words.
type rule struct{ models.Rule }

// value is what a transaction has in the place of the rule's right side.
func (r rule) value(items []string) string {
	attr, _, _ := strings.Cut(r.Then, "=")
	for _, item := range items {
		if strings.HasPrefix(item, attr+"=") {
			return valueOf(item)
		}
	}
	return ""
}

// valueOf is an item without its attribute, names short.
func valueOf(item string) string {
	attr, value, _ := strings.Cut(item, "=")
	switch attr {
	case "identity":
		return insight.ShortName(value)
	case "group":
		return groupName(value)
	}
	return value
}

// groupName is a group as people speak of it: a role of Identity Center without
// what is put around its name.
func groupName(group string) string {
	rest, ok := strings.CutPrefix(group, "people of AWSReservedSSO_")
	if !ok {
		return group
	}
	if i := strings.LastIndexByte(rest, '_'); i > 0 {
		rest = rest[:i]
	}
	return "people of " + rest
}

// words says the rule: "412 of 413 changes of permissions in four weeks were
// made by iac".
func (r rule) words() string {
	what, more := "", ""
	for _, item := range r.If {
		attr, value, _ := strings.Cut(item, "=")
		switch attr {
		case "category":
			for c := range sensitive {
				if sensitive[c].class == value {
					what = sensitive[c].noun
				}
			}
		case "operation":
			more += " by " + value
		case "service":
			more += " in " + value
		case "hours":
			more += " between " + strings.Replace(value, " to ", " and ", 1)
		case "network":
			more += " from " + value + " networks"
		case "agent":
			more += " with " + value
		default:
			more += " of " + valueOf(item)
		}
	}
	attr, _, _ := strings.Cut(r.Then, "=")
	how := map[string]string{"identity": "were made by ", "group": "were made by ", "agent": "were made with ", "hours": "were made between ", "network": "came from networks of the kind "}[attr] + valueOf(r.Then)
	if attr == "hours" {
		how = strings.Replace(how, " to ", " and ", 1)
	}
	return fmt.Sprintf("%d of %d %s%s in four weeks %s (support %s, confidence %.3f, lift %s, conviction %s)",
		r.Count, r.Of, what, more, how, percent(r.Support()), r.Confidence(), number(r.Lift()), number(r.Conviction()))
}

// techniques names the MITRE ATT&CK techniques that an operation may be.
func techniques(e *event.Event, c models.Category) []string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(e.Operation, p) })
	}
	switch c {
	case models.PolicyChange:
		switch {
		case has("CreateUser", "CreateServiceAccount", "create serviceaccounts"):
			return []string{"T1136.003"} // Create account: cloud account.
		case has("Snapshot", "Image", "ResourceShare"):
			return []string{"T1537"} // Transfer data to cloud account.
		case has("IdentityProvider", "SAMLProvider", "OpenIDConnect", "ExternalIdP", "federation", "TrustAnchor"):
			return []string{"T1484.002"} // Domain or tenant policy modification: trust.
		}
		return []string{"T1098.003"} // Account manipulation: additional cloud roles.
	case models.PasswordChange:
		switch {
		case has("MFA", "Strong Authentication", "account-mfa"):
			return []string{"T1556.006"} // Modify authentication process: MFA.
		case has("SSHPublicKey", "KeyPair"):
			return []string{"T1098.004"} // Account manipulation: SSH authorized keys.
		case has("ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial", "DeleteSecret"):
			return []string{"T1485"} // Data destruction.
		}
		return []string{"T1098.001"} // Account manipulation: additional cloud credentials.
	}
	return []string{"T1562.008"} // Impair defenses: disable or modify cloud logs.
}

// plural writes a number of things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func percent(x float64) string {
	switch {
	case x > 0 && x < 0.001:
		return "less than 0.1 %"
	case x < 0.1:
		return fmt.Sprintf("%.1f %%", 100*x)
	}
	return fmt.Sprintf("%.0f %%", 100*x)
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "first"
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}
