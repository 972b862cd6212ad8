package rules

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// compiler makes a program of a rule's conditions.
type compiler struct {
	*parser
	rule *Rule
	zone *time.Location
	// present is whether a missing fact makes a leaf not hold.
	present bool
	groupAt place
	program program
	// conditions counts what was read, against maxConditions.
	conditions int
}

// Bounds of a rule.
const (
	maxConditions = 10_000
	maxTerms      = 32
	maxCount      = 100_000
)

// compile reads the conditions. What it returns is of use only where no problem
// was found.
func (c *compiler) compile(m *member) *program {
	c.program.rule, c.program.providers = c.rule, c.rule.Providers
	root := m.value
	key, ok := c.joint(root)
	if !ok {
		return nil
	}
	if c.rule.Type == Boolean {
		c.program.base = c.condition(root, 0)
		if len(c.rule.GroupBy) > 0 {
			c.fail(c.groupAt, "found groupBy in a boolean rule, which counts nothing")
		}
	} else {
		if key.key != "all" {
			c.fail(key.at, "found %s at the root of a rule of type %s, expected all", key.key, c.rule.Type)
			return nil
		}
		c.windowed(key)
	}
	for _, name := range c.rule.GroupBy {
		if ref := c.fact(name, c.groupAt, nil, nil); ref != nil {
			c.program.groupBy = append(c.program.groupBy, ref)
		}
	}
	if c.failed {
		return nil
	}
	if c.o.Negate {
		c.program.negate()
	}
	return &c.program
}

// joint returns the one key of all, any and not that an object has.
func (c *compiler) joint(n *node) (*member, bool) {
	if n.kind != nodeObject {
		c.fail(n.at, "found %s as conditions, expected an object with all, any or not", n.describe())
		return nil, false
	}
	var joint *member
	for i := range n.members {
		m := &n.members[i]
		switch m.key {
		case "all", "any", "not":
			if joint != nil {
				c.fail(m.at, "found %s and %s in one object, of which the library ignores one; expected one of them", joint.key, m.key)
				return nil, false
			}
			joint = m
		case "comment", "priority", "name":
		case "condition":
			c.fail(m.at, "found a shared condition, which is not supported; write the condition out")
			return nil, false
		case "fact", "operator", "value":
			if n.find("fact") != nil && joint == nil && n.find("all") == nil && n.find("any") == nil && n.find("not") == nil {
				c.fail(m.at, "%v", errBareLeaf)
			} else {
				c.fail(m.at, "found %s beside all, any or not, expected one or the other", m.key)
			}
			return nil, false
		default:
			c.fail(m.at, "found the key %s in conditions, expected all, any or not", quote(m.key))
			return nil, false
		}
	}
	if joint == nil {
		c.fail(n.at, "found conditions without all, any or not, expected one of them")
		return nil, false
	}
	return joint, true
}

// parts returns what stands in all or any.
func (c *compiler) parts(m *member) []*node {
	switch {
	case m.value.kind != nodeList:
		c.fail(m.value.at, "%q must be an array, found %s", m.key, m.value.describe())
		return nil
	case len(m.value.items) == 0:
		c.fail(m.value.at, "found nothing in %s, which the library takes for true; expected a condition", m.key)
		return nil
	}
	return m.value.items
}

// condition reads a condition of a single event.
func (c *compiler) condition(n *node, depth int) condition {
	if c.conditions++; c.conditions > maxConditions {
		if c.conditions == maxConditions+1 {
			c.fail(n.at, "found more than %d conditions in a rule, expected fewer", maxConditions)
		}
		return allOf{}
	}
	if n.kind == nodeObject && n.find("fact") != nil && n.find("all") == nil && n.find("any") == nil && n.find("not") == nil && depth > 0 {
		return c.leaf(n)
	}
	m, ok := c.joint(n)
	if !ok {
		return allOf{}
	}
	if m.key == "not" {
		if m.value.kind != nodeObject {
			c.fail(m.value.at, "\"not\" must be an object, found %s", m.value.describe())
			return allOf{}
		}
		return notOf{c.condition(m.value, depth+1)}
	}
	var list []condition
	for _, part := range c.parts(m) {
		list = append(list, c.condition(part, depth+1))
	}
	if m.key == "any" {
		return anyOf(cheapest(list))
	}
	return allOf(cheapest(list))
}

// isLeaf reports whether a node is a comparison of the fact.
func isLeaf(n *node, fact string) bool {
	f := n.get("fact")
	return f != nil && f.kind == nodeText && f.text == fact
}

// windowed reads the root of a rule that looks at a window.
func (c *compiler) windowed(root *member) {
	var base allOf
	var counted, windowAt *node
	for _, part := range c.parts(root) {
		switch {
		case isLeaf(part, factWithInLast):
			if windowAt != nil {
				c.fail(part.at, "found withInLast twice, expected it once")
				continue
			}
			windowAt = part
			c.within(part)
		case isLeaf(part, factOccurrences) && c.rule.Type == Aggregate:
			if counted != nil {
				c.fail(part.at, "found occurrences twice, expected it once")
				continue
			}
			counted = part
			if t, ok := c.occurrences(part); ok {
				c.program.terms = append(c.program.terms, t)
			}
		case isLeaf(part, factOccurrences):
			c.fail(part.at, "found occurrences at the root of a rule of type %s, expected it beside its action in an all of their own", c.rule.Type)
		case isLeaf(part, factActions) && c.rule.Type != Aggregate:
			c.actions(part)
		case c.rule.Type != Aggregate && c.counts(part):
			c.term(part)
		default:
			base = append(base, c.condition(part, 1))
		}
	}
	if len(base) > 0 {
		c.program.base = allOf(cheapest(base))
	}
	if c.failed {
		return // What is missing may be what could not be read.
	}
	if windowAt == nil {
		c.fail(root.at, "found no withInLast at the root of a rule of type %s, expected one", c.rule.Type)
	}
	switch {
	case c.rule.Type == Aggregate && counted == nil:
		c.fail(root.at, "found no occurrences at the root of an aggregate rule, expected one")
	case c.rule.Type == Aggregate && len(base) == 0:
		c.fail(root.at, "found nothing in an aggregate rule that says which events to count, expected a comparison")
	case c.rule.Type != Aggregate && len(c.program.terms) == 0:
		c.fail(root.at, "found no actions in a rule of type %s, expected some with contains, or with occurrences in an all of their own", c.rule.Type)
	case c.rule.Type != Aggregate && len(c.program.terms) == 1:
		c.warn(root.at, "found one action in a rule of type %s, expected several", c.rule.Type)
	case len(c.program.terms) > maxTerms:
		c.fail(root.at, "found %d actions in a rule, expected %d at most", len(c.program.terms), maxTerms)
	}
}

// counts reports whether a part is an all with occurrences directly in it.
func (c *compiler) counts(n *node) bool {
	all := n.get("all")
	return all != nil && all.kind == nodeList &&
		slices.ContainsFunc(all.items, func(item *node) bool { return isLeaf(item, factOccurrences) })
}

// term reads an all of comparisons and how often they have to hold, the form in
// which packages write coincident rules.
func (c *compiler) term(n *node) {
	m, ok := c.joint(n)
	if !ok {
		return
	}
	var filter allOf
	var t term
	found := false
	for _, part := range c.parts(m) {
		if !isLeaf(part, factOccurrences) {
			filter = append(filter, c.condition(part, 1))
			continue
		}
		if found {
			c.fail(part.at, "found occurrences twice, expected it once")
			continue
		}
		found = true
		if t, ok = c.occurrences(part); !ok {
			return
		}
	}
	if len(filter) == 0 {
		c.fail(n.at, "found nothing beside occurrences that says what to count, expected a comparison")
		return
	}
	// A second event of the sort does not hide the first: the count has been
	// reached.
	t.test, t.filter = countAtLeast, allOf(cheapest(filter))
	c.program.terms = append(c.program.terms, t)
}

// actions reads "actions contains X", the form in which the documentation writes
// coincident rules.
func (c *compiler) actions(n *node) {
	op, value := n.get("operator"), n.get("value")
	c.onlyKeys(n, "fact", "operator", "value", "comment", "priority")
	if op == nil || op.kind != nodeText || op.text != "contains" || value == nil || value.kind != nodeText {
		c.fail(n.at, "found a comparison of actions other than contains with a text, expected \"operator\": \"contains\" and an action")
		return
	}
	equal, err := parseOperator("equal")
	if err != nil {
		c.fail(n.at, "%v", err)
		return
	}
	l := &leaf{
		fact: &factRef{kind: refField, field: Operation, member: factAction, text: factAction}, operator: equal,
		value: Text(value.text), lower: Text(strings.ToLower(value.text)),
	}
	c.program.terms = append(c.program.terms, term{filter: l, test: countAtLeast, count: 1})
}

// occurrences reads how many events there have to be.
func (c *compiler) occurrences(n *node) (term, bool) {
	c.onlyKeys(n, "fact", "operator", "value", "comment", "priority")
	op, value := n.get("operator"), n.get("value")
	if op == nil || op.kind != nodeText {
		c.fail(n.at, "found occurrences without an operator, expected equal, greaterThan or greaterThanInclusive")
		return term{}, false
	}
	if value == nil || value.kind != nodeNumber || value.number < 1 || value.number != float64(int(value.number)) || value.number > maxCount {
		c.fail(n.at, "found occurrences without a positive whole number of at most %d as its value, expected one", maxCount)
		return term{}, false
	}
	t := term{count: int(value.number)}
	switch op.text {
	case "equal":
		t.test = countEqual
	case "greaterThan":
		t.count++
	case "greaterThanInclusive":
	default:
		c.fail(op.at, "found the operator %s of occurrences, expected equal, greaterThan or greaterThanInclusive", quote(op.text))
		return term{}, false
	}
	return t, true
}

// within reads the length of the window.
func (c *compiler) within(n *node) {
	c.onlyKeys(n, "fact", "operator", "value", "comment", "priority")
	op, value := n.get("operator"), n.get("value")
	if op == nil || op.kind != nodeText || op.text != "equal" {
		c.fail(n.at, "found withInLast without the operator equal, expected it")
		return
	}
	const expected = `expected "X minutes" from 1 to 1440 or "X hours" from 1 to 24`
	if value == nil || value.kind != nodeText {
		c.fail(n.at, "found withInLast without a text as its value, %s", expected)
		return
	}
	number, unit, _ := strings.Cut(value.text, " ")
	x, err := strconv.Atoi(number)
	most, length := 0, time.Duration(0)
	switch unit {
	case "minutes", "minute":
		most, length = 1440, time.Minute
	case "hours", "hour":
		most, length = 24, time.Hour
	}
	if err != nil || x < 1 || x > most || number[0] == '+' {
		c.fail(value.at, "found the window %s, %s", quote(value.text), expected)
		return
	}
	c.rule.Window = time.Duration(x) * length
	c.program.window = c.rule.Window.Microseconds()
}

// onlyKeys says of every other key that it is not understood here.
func (c *compiler) onlyKeys(n *node, keys ...string) {
	for i := range n.members {
		if m := &n.members[i]; !slices.Contains(keys, m.key) {
			c.fail(m.at, "found the key %s here, expected one of %s%s", quote(m.key), strings.Join(keys, ", "), didYouMean(m.key, keys))
		}
	}
}

// negate turns a program around: every event that did not count does.
func (p *program) negate() {
	if len(p.terms) == 0 || p.terms[0].filter == nil {
		p.base = notOf{p.base}
		return
	}
	for i := range p.terms {
		f := allOf{p.terms[i].filter}
		if p.base != nil {
			f = append(f, p.base)
		}
		p.terms[i].filter = notOf{f}
	}
	p.base = nil
}
