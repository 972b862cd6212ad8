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

// Condition is one term of a filter.
type Condition struct {
	// Name is the field's. It is empty for texts, which have Contains or
	// NotContains.
	Name  string
	Op    Operator
	Value string
	// Regexp is that of Match and NotMatch.
	Regexp *regexp.Regexp
	// fold matches without case: it is there for operations.
	fold *regexp.Regexp
}

// newCondition compiles a condition.
func newCondition(name string, op Operator, value string) (Condition, error) {
	c := Condition{Name: name, Op: op, Value: value}
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
	case c.Regexp != nil && fold:
		return c.fold.MatchString(v)
	case c.Regexp != nil:
		return c.Regexp.MatchString(v)
	case fold:
		return strings.EqualFold(v, c.Value)
	}
	return v == c.Value
}

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
