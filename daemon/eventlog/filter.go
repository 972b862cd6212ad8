package eventlog

import (
	"bytes"
	"strings"

	"github.com/grafana/regexp"

	"github.com/insightd/insightd/daemon/event"
)

// Filter selects events. It is a conjunction: every condition must hold.
//
//	provider="aws" operation=~"Delete.*|Stop.*" outcome!="error" "AKIA"
//
// Conditions stand side by side, with commas between them if one likes, with or
// without braces around them. Names are those of event.Fields. Regular
// expressions are anchored at both ends, as in Prometheus. A field that holds a
// list satisfies = and =~ where one of its values does, and != and !~ where
// none of them is what must not be; an empty list is like one empty value. A
// text alone must occur in the raw record, upper and lower case apart, and one
// with ! before it must not. The operations of Azure are compared without case.
type Filter struct {
	source     string
	conditions []condition
}

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opMatch
	opNotMatch
	opContains
	opNotContains
)

func (o operator) negative() bool { return o == opNotEqual || o == opNotMatch || o == opNotContains }

// condition is one term of a filter.
type condition struct {
	field *event.Field // Nil for texts.
	op    operator
	value string
	re    *regexp.Regexp // Of =~ and !~.
	// fold matches without case: it is there for operations.
	fold *regexp.Regexp
	// needle and grams are of texts.
	needle []byte
	grams  []uint64
}

// String returns the filter as it was written.
func (f *Filter) String() string { return f.source }

// newCondition compiles a condition.
func newCondition(field *event.Field, op operator, value string) (condition, error) {
	c := condition{field: field, op: op, value: value}
	switch op {
	case opContains, opNotContains:
		c.needle = []byte(value)
		c.grams = gramNeedle(value)
	case opMatch, opNotMatch:
		var err error
		if c.re, err = regexp.Compile("^(?s:" + value + ")$"); err != nil {
			return c, err
		}
		if field.Name == "operation" {
			if c.fold, err = regexp.Compile("(?i)^(?s:" + value + ")$"); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// accepts reports whether a value is what the condition names, leaving aside
// whether it must be or must not be.
func (c *condition) accepts(v string, azure bool) bool {
	if c.re != nil {
		if azure && c.fold != nil {
			return c.fold.MatchString(v)
		}
		return c.re.MatchString(v)
	}
	if azure && c.field.Name == "operation" {
		return strings.EqualFold(v, c.value)
	}
	return v == c.value
}

// acceptsAny is accepts for a field of several values.
func (c *condition) acceptsAny(values []string, azure bool) bool {
	if len(values) == 0 {
		return c.accepts("", azure)
	}
	for _, v := range values {
		if c.accepts(v, azure) {
			return true
		}
	}
	return false
}

const providerAzure = "azure"

// Match reports whether an event satisfies the filter.
func (f *Filter) Match(e *event.Event) bool {
	for i := range f.conditions {
		c := &f.conditions[i]
		var is bool
		switch {
		case c.field == nil:
			is = bytes.Contains(e.Raw, c.needle)
		case c.field.Values != nil:
			is = c.acceptsAny(c.field.Values(e), e.Provider == providerAzure)
		default:
			is = c.accepts(c.field.Value(e), e.Provider == providerAzure)
		}
		if is == c.op.negative() {
			return false
		}
	}
	return true
}
