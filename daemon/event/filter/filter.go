// Package filter is the filter language in which events and insights are asked
// for. It knows words and operators; which fields there are, and where their
// values stand, is up to whoever asks.
//
//	provider="aws" operation=~"Delete.*|Stop.*" outcome!="error" "AKIA"
//
// Conditions stand side by side, with commas between them if one likes, with or
// without braces around them, and all of them have to hold. Regular expressions
// are anchored at both ends, as in Prometheus. A text alone must occur in what
// is asked for, and one with ! before it must not.
//
// The tests of daemon/eventlog and daemon/insight hold it to that, and fuzz it.
package filter

import (
	"strings"

	"github.com/grafana/regexp"
)

// Operator is what a condition does with its value.
type Operator uint8

// The operators.
const (
	Equal Operator = iota
	NotEqual
	Match
	NotMatch
	Contains
	NotContains
)

// Negative reports whether the condition names what must not be.
func (o Operator) Negative() bool { return o == NotEqual || o == NotMatch || o == NotContains }

// Operation is the name of the field whose values some providers write in any
// case.
const Operation = "operation"

// IdentityClass is the name of the field that holds what is learned of an
// identity, and Automation its value for what behaves like a program. It is
// looked up when it is asked for. user_type="Automation" means the same, for
// those who know it from elsewhere.
const (
	IdentityClass = "identity_class"
	Automation    = "Automation"
	aliasName     = "user_type"
)

// HighRisk is the name of the field that is true of what nobody did before and that is
// of high risk, and false of all else. Of events it is looked up when it is asked for.
const (
	HighRisk = "high_risk"
	True     = "true"
	False    = "false"
)

// Condition is one term of a filter.
type Condition struct {
	// Name is the field's. It is empty for texts, which have Contains or
	// NotContains.
	Name  string
	Op    Operator
	Value string
	// Regexp is that of Match and NotMatch.
	Regexp *regexp.Regexp
	// set, where it is not nil, is what Value and Regexp are otherwise.
	set map[string]bool
	// fold matches without case: it is there for operations.
	fold *regexp.Regexp
}

// newCondition compiles a condition.
func newCondition(name string, op Operator, value string) (Condition, error) {
	c := Condition{Name: name, Op: op, Value: value}
	if name == aliasName && value == Automation && (op == Equal || op == NotEqual) {
		c.Name = IdentityClass
	}
	if op != Match && op != NotMatch {
		return c, nil
	}
	var err error
	if c.Regexp, err = regexp.Compile("^(?s:" + value + ")$"); err != nil {
		return c, err
	}
	if name == Operation {
		if c.fold, err = regexp.Compile("(?i)^(?s:" + value + ")$"); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Accepts reports whether a value is what the condition names, leaving aside
// whether it must be or must not be. Operations are compared without case where
// fold says so: Azure writes its own in any.
func (c *Condition) Accepts(v string, fold bool) bool {
	fold = fold && c.Name == Operation
	switch {
	case c.set != nil:
		return c.set[v]
	case c.Regexp != nil && fold:
		return c.fold.MatchString(v)
	case c.Regexp != nil:
		return c.Regexp.MatchString(v)
	case fold:
		return strings.EqualFold(v, c.Value)
	}
	return v == c.Value
}

// Among makes of a condition on what is looked up one on a field that holds names:
// members are those of which the value is within, of all others it is without. always
// is set where the condition holds for everything.
func (c *Condition) Among(name, within, without string, members map[string]bool) (out Condition, always bool) {
	in, other := c.Accepts(within, false) != c.Op.Negative(), c.Accepts(without, false) != c.Op.Negative()
	out = Condition{Name: name, Op: Equal, Value: c.Value, set: members}
	switch {
	case in && other:
		return out, true
	case other:
		out.Op = NotEqual
	case !in:
		out.set = map[string]bool{}
	}
	if out.set == nil {
		out.set = map[string]bool{}
	}
	return out, false
}

// Members are the values that a condition that Among made names, nil of any other. They
// are only read.
func (c *Condition) Members() map[string]bool { return c.set }

// AcceptsAny is Accepts for a field of several values. It holds where it does
// for one of them, and no values are like one that is empty.
func (c *Condition) AcceptsAny(values []string, fold bool) bool {
	if len(values) == 0 {
		return c.Accepts("", fold)
	}
	for _, v := range values {
		if c.Accepts(v, fold) {
			return true
		}
	}
	return false
}
