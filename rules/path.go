package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// stepKind says what a step of a path goes to.
type stepKind uint8

const (
	stepKey    stepKind = iota // the member of that name
	stepIndex                  // the element of that index, from the end where it is negative
	stepAll                    // every member or element
	stepDeep                   // the value itself and everything in it
	stepFilter                 // the elements for which a filter holds
)

// step is one step of a path.
type step struct {
	kind   stepKind
	key    string
	index  int
	filter *filter
}

// path says where in a value another is. It is read from JSONPath ($.a.b[0].c,
// $..c, $.a[*].b, $.a[?(@.b=='x')].c) and from the shorter forms .a.b and a.b.
type path struct {
	text  string
	steps []step
	// definite is set where the path can lead to one value only.
	definite bool
}

// maxSteps bounds the length of a path.
const maxSteps = 32

// parsePath reads a path.
func parsePath(text string) (*path, error) {
	r := &pathReader{text: text}
	p := &path{text: text, definite: true}
	r.space()
	switch {
	case r.take("$"):
	case r.at() == '.' || r.at() == '[':
	case r.i < len(r.text):
		// A name alone stands for .name.
		name := r.name()
		if name == "" {
			return nil, r.wrong("a name, $ or a full stop")
		}
		p.steps = append(p.steps, step{kind: stepKey, key: name})
	default:
		return nil, errors.New("found an empty path, expected one such as $.name")
	}
	if err := r.steps(p); err != nil {
		return nil, err
	}
	if r.space(); r.i < len(r.text) {
		return nil, r.wrong("a full stop or [")
	}
	return p, nil
}

// pathReader reads the text of a path.
type pathReader struct {
	text string
	i    int
	// depth is how many filters the reader is in, deep how many .. it has met.
	depth, deep int
}

func (r *pathReader) at() byte {
	if r.i < len(r.text) {
		return r.text[r.i]
	}
	return 0
}

func (r *pathReader) take(s string) bool {
	if !strings.HasPrefix(r.text[r.i:], s) {
		return false
	}
	r.i += len(s)
	return true
}

func (r *pathReader) space() {
	for r.at() == ' ' {
		r.i++
	}
}

func (r *pathReader) wrong(expected string) error {
	found := "its end"
	if r.i < len(r.text) {
		found = quote(r.text[r.i:])
	}
	return fmt.Errorf("found %s in the path %s, expected %s", found, quote(r.text), expected)
}

// name reads a name up to the next character that has a meaning in a path.
func (r *pathReader) name() string {
	end := strings.IndexAny(r.text[r.i:], ".[]()=!<>&|'\"* ")
	if end < 0 {
		end = len(r.text) - r.i
	}
	name := r.text[r.i : r.i+end]
	r.i += end
	return name
}

// steps reads steps as long as there are some.
func (r *pathReader) steps(p *path) error {
	for {
		if len(p.steps) > maxSteps {
			return fmt.Errorf("found more than %d steps in the path %s, expected fewer", maxSteps, quote(r.text))
		}
		switch {
		case r.take(".."):
			p.definite = false
			if r.deep++; r.deep > 2 {
				return fmt.Errorf("found more than two .. in the path %s, expected fewer", quote(r.text))
			}
			p.steps = append(p.steps, step{kind: stepDeep})
			if r.at() == '[' {
				continue
			}
			if err := r.member(p); err != nil {
				return err
			}
		case r.take("."):
			if err := r.member(p); err != nil {
				return err
			}
		case r.take("["):
			if err := r.bracket(p); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// member reads what stands behind a full stop.
func (r *pathReader) member(p *path) error {
	if r.take("*") {
		p.definite = false
		p.steps = append(p.steps, step{kind: stepAll})
		return nil
	}
	name := r.name()
	if name == "" {
		return r.wrong("a name or *")
	}
	p.steps = append(p.steps, step{kind: stepKey, key: name})
	return nil
}

// bracket reads what stands behind [, and ].
func (r *pathReader) bracket(p *path) error {
	r.space()
	switch c := r.at(); {
	case c == '*':
		r.i++
		p.definite = false
		p.steps = append(p.steps, step{kind: stepAll})
	case c == '\'' || c == '"':
		name, err := r.quoted()
		if err != nil {
			return err
		}
		p.steps = append(p.steps, step{kind: stepKey, key: name})
	case c == '?':
		r.i++
		p.definite = false
		f, err := r.filter()
		if err != nil {
			return err
		}
		p.steps = append(p.steps, step{kind: stepFilter, filter: f})
	case c == '-' || c >= '0' && c <= '9':
		end := r.i + 1
		for end < len(r.text) && r.text[end] >= '0' && r.text[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(r.text[r.i:end])
		if err != nil || n > 1<<20 || n < -1<<20 {
			return r.wrong("an index")
		}
		r.i = end
		p.steps = append(p.steps, step{kind: stepIndex, index: n})
	default:
		return r.wrong("an index, a name in quotes, * or ?(…)")
	}
	r.space()
	if !r.take("]") {
		return r.wrong("]")
	}
	return nil
}

// quoted reads a text in single or double quotes; a backslash takes the next
// character as it is.
func (r *pathReader) quoted() (string, error) {
	mark := r.at()
	begin := r.i
	var b strings.Builder
	for r.i++; r.i < len(r.text); r.i++ {
		switch c := r.text[r.i]; {
		case c == mark:
			r.i++
			return b.String(), nil
		case c == '\\' && r.i+1 < len(r.text):
			r.i++
			b.WriteByte(r.text[r.i])
		default:
			b.WriteByte(c)
		}
	}
	r.i = begin
	return "", r.wrong("a text that ends")
}

// find calls f for every value that the path leads to from v, until f returns
// false.
func (p *path) find(v *Value, f func(*Value) bool) { follow(v, p.steps, 0, f) }

// one returns the value that a definite path leads to, null where there is none.
func (p *path) one(v *Value) Value {
	cur := *v
	for i := range p.steps {
		s := &p.steps[i]
		if inner, ok := cur.opened(); ok {
			cur = inner
		}
		var next Value
		switch s.kind {
		case stepKey:
			next = cur.member(s.key)
		case stepIndex:
			next = cur.item(s.index)
		}
		if next.kind == kindNull {
			return Value{}
		}
		cur = next
	}
	return cur
}

// resolve returns what the path leads to: one value where the path is definite,
// else a list of all, and null where there is nothing.
func (p *path) resolve(v *Value) Value {
	if p.definite {
		return p.one(v)
	}
	var hits []Value
	p.find(v, func(hit *Value) bool {
		hits = append(hits, *hit)
		return len(hits) < maxHits
	})
	if hits == nil {
		return Value{}
	}
	return List(hits)
}

// maxHits bounds how many values a path leads to.
const maxHits = 10_000

// follow goes the steps from v on. It returns false once f did.
func follow(v *Value, steps []step, depth int, f func(*Value) bool) bool {
	if len(steps) == 0 {
		return f(v)
	}
	cur := *v
	if inner, ok := cur.opened(); ok {
		cur = inner
	}
	s := &steps[0]
	switch s.kind {
	case stepKey:
		next := cur.member(s.key)
		return next.kind == kindNull || follow(&next, steps[1:], depth, f)
	case stepIndex:
		next := cur.item(s.index)
		return next.kind == kindNull || follow(&next, steps[1:], depth, f)
	case stepAll:
		return cur.children(func(child *Value) bool { return follow(child, steps[1:], depth, f) })
	case stepFilter:
		return cur.children(func(child *Value) bool {
			return !s.filter.holds(child) || follow(child, steps[1:], depth, f)
		})
	}
	if !follow(&cur, steps[1:], depth, f) {
		return false
	}
	if depth >= maxDepth {
		return true
	}
	return cur.children(func(child *Value) bool {
		if inner, ok := child.opened(); ok {
			child = &inner
		}
		return child.kind < kindList || follow(child, steps, depth+1, f)
	})
}

// opened returns what a text holds that is JSON itself: policies often stand in
// records as texts.
func (v *Value) opened() (Value, bool) {
	if v.kind != kindText {
		return Value{}, false
	}
	i := skipSpace(v.text, 0)
	if i >= len(v.text) || v.text[i] != '{' && v.text[i] != '[' {
		return Value{}, false
	}
	return valueOf(v.text[i:]), true
}

// member returns a member of an object, null where there is none.
func (v *Value) member(name string) Value {
	var out Value
	if v.kind == kindObject {
		eachMember(v.text, func(key, value string) bool {
			if !sameKey(key, name) {
				return true
			}
			out = valueOf(value)
			return false
		})
	}
	return out
}

// item returns an element of a list, null where there is none.
func (v *Value) item(index int) Value {
	if index < 0 {
		n := 0
		v.each(func(*Value) bool { n++; return true })
		if index += n; index < 0 {
			return Value{}
		}
	}
	var out Value
	v.each(func(item *Value) bool {
		if index == 0 {
			out = *item
		}
		index--
		return index >= 0
	})
	return out
}

// children calls f for every member or element until f returns false, and
// returns false then.
func (v *Value) children(f func(*Value) bool) bool {
	more := true
	switch v.kind {
	case kindObject:
		eachMember(v.text, func(_, value string) bool {
			child := valueOf(value)
			more = f(&child)
			return more
		})
	case kindList:
		v.each(func(item *Value) bool {
			more = f(item)
			return more
		})
	}
	return more
}
