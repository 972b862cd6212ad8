package insight

import "reflect"

// Rule is the rule by which a RuleInsight was raised, as it was then: what is read
// of it later may be another version.
type Rule struct {
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
	// Hash is made of everything that the rule says.
	Hash        string `json:"hash"`
	Package     string `json:"package,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// WindowSeconds is how long a rule that counts looks back; 0 for one that
	// judges single events.
	WindowSeconds int `json:"windowSeconds,omitempty"`
	// Group is what the events that counted together have in common.
	Group      []GroupValue `json:"group,omitempty"`
	References []string     `json:"references,omitempty"`
	Runbook    *Runbook     `json:"runbook,omitempty"`
}

// GroupValue is a fact that the events of a rule's window have in common.
type GroupValue struct {
	Fact  string `json:"fact"`
	Value string `json:"value"`
}

// Runbook says what to do about a finding: what it means, how to check it without
// changing anything, the safest first step, how to take that back, and when to
// call others.
type Runbook struct {
	What     string `json:"what,omitempty"`
	Check    string `json:"check,omitempty"`
	Step     string `json:"step,omitempty"`
	Rollback string `json:"rollback,omitempty"`
	Escalate string `json:"escalate,omitempty"`
}

// share takes over b where both say the same: runbooks are long.
func (r *Rule) share(b *Rule) *Rule {
	if r != nil && b != nil && reflect.DeepEqual(r, b) {
		return b
	}
	return r
}

// RuleState says whether a rule is used.
type RuleState string

// The states of rules.
const (
	RuleActive RuleState = "active"
	// RuleShadow is one that is evaluated and told to nobody.
	RuleShadow RuleState = "shadow"
	// RuleDormant is one that is listed and not evaluated.
	RuleDormant RuleState = "dormant"
	// RuleError is one with errors, which is not used. Where it was to take the
	// place of another, that one stays in use and is listed as well.
	RuleError RuleState = "error"
)

// RuleStatus is a rule of the packages in force.
type RuleStatus struct {
	ID, Package, File, Version, Hash   string
	Line                               int
	Title, Description, Severity, Type string
	Attack                             []string
	KRI                                string
	State                              RuleState
	// WindowSeconds is how long it looks back.
	WindowSeconds int
	Confidence    float64
	// Problem says what is wrong with a rule of the state error.
	Problem string
	// Findings is how many final findings it had since the daemon started.
	Findings uint64
}
