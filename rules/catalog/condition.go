package catalog

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Truth is what a condition comes to for a record.
type Truth uint8

// The truths of a condition.
const (
	// Unknown is that of a condition on what the record does not have at all,
	// such as the parameters of a call that was denied before they were read.
	Unknown Truth = iota
	// No is that of a condition that does not hold.
	No
	// Yes is that of one that does.
	Yes
)

func truthOf(yes bool) Truth {
	if yes {
		return Yes
	}
	return No
}

// Condition is a condition on the parameters of a call, such as
//
//	requestParameters.enable is false or requestParameters.features.status is "DISABLED"
//
// A path goes into a provider's own record. Where it meets a list it goes into
// every element; ** stands for any number of members. A comparison holds where
// one of the values at its path makes it hold. A path whose first member the
// record does not have, or has without content, makes its comparison Unknown,
// and "not", "and" and "or" go on as in Kleene's logic.
//
// A Condition is immutable, and safe for use by several goroutines.
type Condition struct {
	text string
	root node
}

// String returns the condition as it was written.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	return c.text
}

// Check says whether the condition holds for a record. What is no JSON object
// is Unknown. Check keeps nothing of the record.
func (c *Condition) Check(record []byte) Truth {
	if c == nil {
		return Unknown
	}
	// Only the members that the condition names are read in full.
	var members map[string]json.RawMessage
	if json.Unmarshal(record, &members) != nil {
		return Unknown
	}
	return c.root.check(&document{members: members, read: map[string]any{}})
}

// document is a record of which members are read as they are asked for.
type document struct {
	members map[string]json.RawMessage
	read    map[string]any
}

// member returns a member of the record, nil where it is not there or says
// nothing.
func (d *document) member(name string) any {
	if v, ok := d.read[name]; ok {
		return v
	}
	var v any
	raw, ok := d.members[name]
	if !ok {
		for k, r := range d.members {
			if strings.EqualFold(k, name) {
				raw, ok = r, true
				break
			}
		}
	}
	if ok {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			v = nil
		}
	}
	d.read[name] = v
	return v
}

// node is a part of a condition.
type node interface {
	check(d *document) Truth
}

type orNode []node

func (n orNode) check(d *document) Truth {
	out := No
	for _, x := range n {
		switch x.check(d) {
		case Yes:
			return Yes
		case Unknown:
			out = Unknown
		}
	}
	return out
}

type andNode []node

func (n andNode) check(d *document) Truth {
	out := Yes
	for _, x := range n {
		switch x.check(d) {
		case No:
			return No
		case Unknown:
			out = Unknown
		}
	}
	return out
}

type notNode struct{ node }

func (n notNode) check(d *document) Truth {
	switch n.node.check(d) {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

// verb is what a comparison asks of the values at its path.
type verb uint8

const (
	isSet      verb = iota // has content: not null, "", [] or {}
	isEmpty                // has none, or is not there
	is                     // equals
	differs                // is there and is another
	contains               // has a text within it
	startsWith             // begins with a text
	isBelow                // is a number under another
)

// path is where in a record a value is.
type path []string

// comparison is a verb with what it is about.
type comparison struct {
	path path
	verb verb
	// want is a text as it is compared; other is a path in its place.
	want   string
	number float64
	other  path
}

func (c *comparison) check(d *document) Truth {
	root := d.member(c.path[0])
	if !filled(root) {
		return Unknown
	}
	if _, scalar := text(root); scalar && len(c.path) > 1 {
		return Unknown // Such as HIDDEN_DUE_TO_SECURITY_REASONS.
	}
	want := c.want
	if c.other != nil {
		found := false
		each(d.member(c.other[0]), c.other[1:], func(v any) bool {
			want, found = text(v)
			return found
		})
		if !found {
			if each(root, c.path[1:], filled) {
				return Unknown
			}
			return No
		}
	}
	hit := each(root, c.path[1:], func(v any) bool {
		if c.verb == isSet || c.verb == isEmpty {
			return filled(v)
		}
		s, ok := text(v)
		if !ok {
			return false
		}
		switch c.verb {
		case is:
			return s == want
		case differs:
			return s != want
		case contains:
			return strings.Contains(s, want)
		case startsWith:
			return strings.HasPrefix(s, want)
		default: // isBelow
			n, err := strconv.ParseFloat(s, 64)
			return err == nil && n < c.number
		}
	})
	return truthOf(hit != (c.verb == isEmpty))
}

// each calls fn with the values at a path until it returns true, which it then
// returns itself.
func each(v any, p path, fn func(any) bool) bool {
	if list, ok := v.([]any); ok {
		// A list at the end of a path stands for its elements too.
		if len(p) == 0 && fn(v) {
			return true
		}
		for _, e := range list {
			if each(e, p, fn) {
				return true
			}
		}
		return false
	}
	if len(p) == 0 {
		return fn(v)
	}
	m, ok := v.(map[string]any)
	if p[0] == anyDepth {
		if each(v, p[1:], fn) {
			return true
		}
		for _, e := range m {
			if each(e, p, fn) {
				return true
			}
		}
		return false
	}
	if !ok {
		return false
	}
	if e, ok := m[p[0]]; ok {
		return each(e, p[1:], fn)
	}
	// Services write the first letter now large, now small.
	for k, e := range m {
		if strings.EqualFold(k, p[0]) && each(e, p[1:], fn) {
			return true
		}
	}
	return false
}

// filled reports whether a value has content.
func filled(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// text is a scalar as it is compared: true, "true" and "True" are one.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		switch v {
		case "True", "TRUE":
			return "true", true
		case "False", "FALSE":
			return "false", true
		}
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// String returns the word for a truth.
func (t Truth) String() string { return [...]string{"unknown", "no", "yes"}[t] }
