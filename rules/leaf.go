package rules

import (
	"slices"
	"strings"
)

// leafKeys are what a comparison may say.
var leafKeys = []string{"fact", "operator", "value", "path", "params", "priority", "name", "comment", "requirePresent"}

// leaf reads one comparison.
func (c *compiler) leaf(n *node) condition {
	l := &leaf{present: c.present}
	c.onlyKeys(n, leafKeys...)
	for _, key := range leafKeys[:3] {
		if n.find(key) == nil {
			c.fail(n.at, "found a comparison without %s, expected fact, operator and value", key)
			return l
		}
	}
	name, ok := c.text(n.get("fact"), "fact")
	if !ok {
		return l
	}
	op, ok := c.text(n.get("operator"), "operator")
	if !ok {
		return l
	}
	var err error
	if l.operator, err = parseOperator(op); err != nil {
		c.fail(n.get("operator").at, "%v", err)
		return l
	}
	if l.operator.extension {
		c.extension(c.rule, n.get("operator").at, "the operator "+l.operator.base)
	}
	if m := n.find("requirePresent"); m != nil {
		c.extension(c.rule, m.at, "requirePresent")
		l.present, _ = c.boolean(m.value, m.key)
	}
	if m := n.find("priority"); m != nil {
		c.priority(m.value)
	}
	if l.fact = c.fact(name, n.get("fact").at, n.find("path"), n.find("params")); l.fact == nil {
		return l
	}
	value := n.get("value")
	if value.kind == nodeObject && value.find("fact") != nil {
		l.other = c.otherFact(value)
		return l
	}
	l.value = value.asValue()
	if err := l.operator.accepts(&l.value); err != nil {
		c.fail(value.at, "%v", err)
		return l
	}
	c.fits(l, value.at)
	l.lower = lowered(l.value)
	return l
}

// otherFact reads a fact that stands where a value does.
func (c *compiler) otherFact(n *node) *factRef {
	c.onlyKeys(n, "fact", "path", "params")
	name, ok := c.text(n.get("fact"), "fact")
	if !ok {
		return nil
	}
	return c.fact(name, n.get("fact").at, n.find("path"), n.find("params"))
}

// fact reads the name of a fact with its path. It returns nil where that cannot
// be.
func (c *compiler) fact(name string, at place, pathMember, params *member) *factRef {
	ref := &factRef{text: name, clock: c.zone}
	pathText := ""
	if pathMember != nil {
		if pathMember.value.kind != nodeText {
			c.fail(pathMember.value.at, "found %s as a path, expected a text", pathMember.value.describe())
			return nil
		}
		pathText, at = pathMember.value.text, pathMember.value.at
	}
	if params != nil && name != factTimeOfDay {
		c.warn(params.at, "found params of %s, which takes none; they are left aside", name)
	}
	switch name {
	case factEventTime, factTimeOfDay, factWeekday:
		if pathMember != nil {
			c.fail(pathMember.at, "found a path of %s, which has no parts", name)
			return nil
		}
		return c.clockFact(ref, name, at, params)
	case factOccurrences, factWithInLast:
		c.fail(at, "found %s here, expected it at the root of an aggregate or coincident rule; is the rule's type right?", name)
		return nil
	case factActions:
		c.warn(at, "found actions here, which is the record's member of that name; the actions of a coincident rule stand at its root")
	}
	// A name with full stops in it is a name and a path.
	if pathMember == nil && strings.ContainsAny(name, ".[") {
		if i := strings.IndexAny(name, ".["); i > 0 && name[0] != '$' {
			name, pathText = name[:i], name[i:]
		} else {
			name, pathText = factRecord, name
		}
	} else if pathMember != nil {
		ref.text = name + dotted(pathText)
	}
	if pathText != "" || pathMember != nil {
		p, err := parsePath(pathText)
		if err != nil {
			c.fail(at, "%v", err)
			return nil
		}
		if len(p.steps) > 0 {
			ref.path = p
		}
	}
	c.place(ref, name, at)
	c.program.refs = append(c.program.refs, ref)
	return ref
}

// place decides where a fact is looked up.
func (c *compiler) place(ref *factRef, name string, at place) {
	ref.member = name
	field := Field(slices.Index(fieldNames[:], name))
	switch {
	case name == factRecord:
		ref.kind, ref.member = refRecord, ""
	case name == factAction && ref.path == nil:
		ref.kind, ref.field = refField, Operation
	case int(field) < int(numFields) && slices.Contains(fieldNames[:], name) && (ref.path == nil || field == Resource || field == Class):
		ref.kind, ref.field = refField, field
		if field.history() {
			c.extension(c.rule, at, name)
		}
	default:
		ref.kind = refRecord
		if f, ok := cadf[name+keysOf(ref.path)]; ok {
			ref.kind, ref.field = refCADF, f
		}
		if ref.kind == refRecord && !twin(name) {
			if hint := didYouMean(name, knownFacts); hint != "" {
				c.warn(at, "found the fact %s, which is the record's member of that name%s", quote(name), hint)
			}
		}
	}
}

// twin reports whether a name is a field's as records write it: userAgent for
// user_agent.
func twin(name string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	return slices.ContainsFunc(knownFacts, func(known string) bool { return known != name && plain(known) == plain(name) })
}

// keysOf writes a path of plain keys as .a.b, and nothing else.
func keysOf(p *path) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	for i := range p.steps {
		if p.steps[i].kind != stepKey {
			return ""
		}
		b.WriteString("." + p.steps[i].key)
	}
	return b.String()
}

// dotted shows a path behind the name of its fact.
func dotted(text string) string {
	text = strings.TrimPrefix(text, "$")
	if text != "" && text[0] != '.' && text[0] != '[' {
		return "." + text
	}
	return text
}

// clockFact reads a fact of the time of the event.
func (c *compiler) clockFact(ref *factRef, name string, at place, params *member) *factRef {
	switch name {
	case factEventTime:
		ref.kind = refEventTime
		return ref
	case factWeekday:
		c.extension(c.rule, at, factWeekday)
		ref.kind = refWeekday
		return ref
	}
	ref.kind = refTimeOfDay
	const expected = `expected {"dayStartTime": "HHMM", "dayEndTime": "HHMM"}`
	if params == nil || params.value.kind != nodeObject {
		c.fail(at, "found timeOfDay without params, %s", expected)
		return nil
	}
	for _, end := range []struct {
		key string
		to  *int
	}{{"dayStartTime", &ref.from}, {"dayEndTime", &ref.to}} {
		n := params.value.get(end.key)
		if n == nil || n.kind != nodeText {
			c.fail(params.at, "found params of timeOfDay without the text %s, %s", end.key, expected)
			return nil
		}
		minute, ok := parseClock(n.text)
		if !ok {
			c.fail(n.at, "found the time of day %s, expected one from \"0000\" to \"2359\"", quote(n.text))
			return nil
		}
		*end.to = minute
		params := params.value
		if len(params.members) > 2 {
			c.onlyKeys(params, "dayStartTime", "dayEndTime")
			return nil
		}
	}
	return ref
}

// fits says of a value that the fact can never be equal to it, and writes CADF's
// word for an outcome as ours.
func (c *compiler) fits(l *leaf, at place) {
	if len(l.operator.decorators) > 0 && !slices.Equal(l.operator.decorators, []string{"not"}) {
		return
	}
	base := l.operator.base
	equality := base == "equal" || base == "notEqual" || base == "in" || base == "notIn"
	switch l.fact.kind {
	case refEventTime:
		each := l.value
		if each.kind != kindList {
			each = List([]Value{l.value})
		}
		each.each(func(v *Value) bool {
			if _, ok := parseClock(v.text); v.kind == kindText && !ok {
				c.fail(at, "found %s as a time of day, expected one from \"0000\" to \"2359\"", v.shown())
			}
			return true
		})
		return
	case refTimeOfDay:
		if l.value.kind != kindBool || base != "equal" && base != "notEqual" {
			c.fail(at, "found timeOfDay compared with %s by %s, expected equal with true or false", l.value.shown(), base)
		}
		return
	case refField:
		if l.fact.path != nil {
			return
		}
	default:
		return
	}
	if l.fact.field == Resource || l.fact.field == Class {
		if base != "contains" && base != "doesNotContain" {
			c.fail(at, "found %s of %s, which is a list; expected contains, or someFact:%s", base, l.fact.text, base)
		}
		return
	}
	if l.fact.field == Outcome {
		l.value = outcome(l.value)
	}
	if !equality {
		return
	}
	want := kindText
	switch l.fact.field {
	case MFA:
		want = kindBool
	case ASN, Risk, DaysUsed:
		want = kindNumber
	}
	wrong := func(v *Value) bool { return v.kind != want && v.kind != kindNull }
	bad := wrong(&l.value)
	if l.value.kind == kindList {
		bad = slices.ContainsFunc(l.value.list, func(v Value) bool { return wrong(&v) })
	} else if base == "in" || base == "notIn" {
		bad = false // A text of which the fact may be a part.
	}
	if bad {
		c.fail(at, "found %s compared with %s, expected %s", l.fact.text, l.value.shown(), []string{kindBool: "true or false", kindNumber: "a number", kindText: "a text"}[want])
	}
}

// outcome is the literal with CADF's failure written as error.
func outcome(v Value) Value {
	switch {
	case v.kind == kindText && v.text == "failure":
		return Text("error")
	case v.kind == kindList:
		list := make([]Value, len(v.list))
		for i := range v.list {
			list[i] = outcome(v.list[i])
		}
		return List(list)
	}
	return v
}
