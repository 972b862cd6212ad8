package rules

import (
	"slices"
	"strings"
)

// condition is a part of a rule's conditions. Conditions are immutable.
type condition interface {
	// holds reports whether the condition holds for an event.
	holds(c *context) bool
	// explain appends the leaves that made it hold, or made it not hold where
	// that was wanted.
	explain(c *context, wanted bool, out []Leaf) []Leaf
	// anchors returns keys of which an event has one whenever the condition
	// holds for it, false where there are none.
	anchors() ([]anchor, bool)
	// costs says how dear it is to check.
	costs() int
}

// cheapest puts what is cheap to check before what is dear.
func cheapest(list []condition) []condition {
	slices.SortStableFunc(list, func(a, b condition) int { return a.costs() - b.costs() })
	return list
}

func dearest(list []condition) int {
	most := 0
	for _, x := range list {
		most = max(most, x.costs())
	}
	return most
}

// Leaf is a comparison that decided, for a finding's reasons.
type Leaf struct {
	// Fact is the fact as the rule names it, with its path.
	Fact     string
	Operator string
	// Value is what the rule compares with, Observed what the event says.
	Value, Observed string
	// Holds is false where the comparison did not hold and stands under a not.
	Holds bool
}

// String shows the leaf as a reader would say it.
func (l *Leaf) String() string {
	var b strings.Builder
	b.WriteString(l.Fact + " is " + l.Observed)
	if !l.Holds {
		b.WriteString(", not")
	} else {
		b.WriteString(",")
	}
	b.WriteString(" " + l.Operator + " " + l.Value)
	return b.String()
}

type allOf []condition

func (n allOf) holds(c *context) bool {
	for _, x := range n {
		if !x.holds(c) {
			return false
		}
	}
	return true
}

func (n allOf) explain(c *context, wanted bool, out []Leaf) []Leaf {
	for _, x := range n {
		if x.holds(c) == wanted {
			out = x.explain(c, wanted, out)
		}
	}
	return out
}

// anchors takes the best of its parts: any of them has to hold.
func (n allOf) anchors() ([]anchor, bool) {
	var best []anchor
	found := false
	for _, x := range n {
		if keys, ok := x.anchors(); ok && (!found || better(keys, best)) {
			best, found = keys, true
		}
	}
	return best, found
}

func (n allOf) costs() int { return dearest(n) }

type anyOf []condition

func (n anyOf) costs() int { return dearest(n) }

func (n anyOf) holds(c *context) bool {
	for _, x := range n {
		if x.holds(c) {
			return true
		}
	}
	return false
}

func (n anyOf) explain(c *context, wanted bool, out []Leaf) []Leaf {
	for _, x := range n {
		if x.holds(c) == wanted {
			out = x.explain(c, wanted, out)
		}
	}
	return out
}

// anchors needs those of every part: any one may be what holds.
func (n anyOf) anchors() ([]anchor, bool) {
	var all []anchor
	for _, x := range n {
		keys, ok := x.anchors()
		if !ok {
			return nil, false
		}
		all = append(all, keys...)
	}
	return all, true
}

type notOf struct{ condition }

func (n notOf) holds(c *context) bool { return !n.condition.holds(c) }

func (n notOf) explain(c *context, wanted bool, out []Leaf) []Leaf {
	return n.condition.explain(c, !wanted, out)
}

func (n notOf) costs() int { return n.condition.costs() }

func (n notOf) anchors() ([]anchor, bool) { return nil, false }

// leaf is one comparison.
type leaf struct {
	fact     *factRef
	operator *operator
	value    Value
	// other, where it is not nil, is the fact to compare with.
	other *factRef
	// lower is value in small letters, for facts that are compared without case.
	lower Value
	// present asks for the fact to be there.
	present bool
}

func (l *leaf) holds(c *context) bool {
	fact, value := &c.left, &l.value
	*fact = l.fact.value(c)
	if l.present && fact.kind == kindNull {
		return false
	}
	if l.other != nil {
		value = &c.right
		*value = l.other.value(c)
	}
	if l.fact.folds(c) && fact.kind == kindText {
		fact.text = strings.ToLower(fact.text)
		if l.other == nil {
			value = &l.lower
		} else {
			value.text = strings.ToLower(value.text)
		}
	}
	return l.operator.test(fact, value)
}

func (l *leaf) costs() int {
	switch {
	case l.fact == nil:
		return 0 // It could not be read, and is not run.
	case l.other != nil:
		return max(l.fact.costs(), l.other.costs())
	}
	return l.fact.costs()
}

func (l *leaf) explain(c *context, _ bool, out []Leaf) []Leaf {
	fact, value := l.fact.value(c), l.value
	if l.other != nil {
		value = l.other.value(c)
	}
	return append(out, Leaf{
		Fact: l.fact.text, Operator: l.operator.text,
		Value: value.String(), Observed: fact.String(), Holds: l.holds(c),
	})
}

// lowered returns a literal in small letters.
func lowered(v Value) Value {
	switch v.kind {
	case kindText:
		v.text = strings.ToLower(v.text)
	case kindList:
		list := make([]Value, len(v.list))
		for i := range v.list {
			list[i] = lowered(v.list[i])
		}
		v.list = list
	}
	return v
}
