package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// test compares a fact with a value.
type test func(fact, value *Value) bool

// operators are those of the library; their guards are part of them.
var operators = map[string]test{
	"equal":    func(f, v *Value) bool { return f.same(v) },
	"notEqual": func(f, v *Value) bool { return !f.same(v) },
	"in":       isIn,
	"notIn":    func(f, v *Value) bool { return !isIn(f, v) },
	"contains": func(f, v *Value) bool { return has(f, v) },
	"doesNotContain": func(f, v *Value) bool {
		return f.kind == kindList && !has(f, v)
	},
	"lessThan":             ordered(func(c int) bool { return c < 0 }),
	"lessThanInclusive":    ordered(func(c int) bool { return c <= 0 }),
	"greaterThan":          ordered(func(c int) bool { return c > 0 }),
	"greaterThanInclusive": ordered(func(c int) bool { return c >= 0 }),
}

// extensionOperators are ours.
var extensionOperators = map[string]test{
	"startsWith": func(f, v *Value) bool {
		return f.kind == kindText && v.kind == kindText && strings.HasPrefix(f.text, v.text)
	},
	"endsWith": func(f, v *Value) bool {
		return f.kind == kindText && v.kind == kindText && strings.HasSuffix(f.text, v.text)
	},
	"like": func(f, v *Value) bool {
		return f.kind == kindText && v.kind == kindText && like(f.text, v.text)
	},
	"inNetwork": inNetwork,
}

// decorators change what an operator is given or answers.
var decorators = map[string]func(test) test{
	"not": func(next test) test {
		return func(f, v *Value) bool { return !next(f, v) }
	},
	"swap": func(next test) test {
		return func(f, v *Value) bool { return next(v, f) }
	},
	"someFact": func(next test) test {
		return func(f, v *Value) bool {
			some := false
			f.each(func(item *Value) bool { some = next(item, v); return !some })
			return some
		}
	},
	"everyFact": func(next test) test {
		return func(f, v *Value) bool {
			every := true
			return f.each(func(item *Value) bool { every = next(item, v); return every }) && every
		}
	},
	"someValue": func(next test) test {
		return func(f, v *Value) bool {
			some := false
			v.each(func(item *Value) bool { some = next(f, item); return !some })
			return some
		}
	},
	"everyValue": func(next test) test {
		return func(f, v *Value) bool {
			every := true
			return v.each(func(item *Value) bool { every = next(f, item); return every }) && every
		}
	},
}

// isIn reports whether a list has the fact, or a text has it as a part.
func isIn(f, v *Value) bool {
	switch v.kind {
	case kindList:
		return has(v, f)
	case kindText:
		switch f.kind {
		case kindText:
			return strings.Contains(v.text, f.text)
		case kindNumber, kindBool:
			return strings.Contains(v.text, f.String())
		}
	}
	return false
}

// has reports whether a list has a value.
func has(list, v *Value) bool {
	if v.kind >= kindList {
		return false
	}
	found := false
	list.each(func(item *Value) bool {
		found = item.same(v)
		return !found
	})
	return found
}

func ordered(holds func(int) bool) test {
	return func(f, v *Value) bool {
		if !f.numeric() {
			return false
		}
		c, ok := f.compare(v)
		return ok && holds(c)
	}
}

// like compares a text with a pattern in which * stands for anything and ? for
// one character.
func like(s, pattern string) bool {
	star, retry := -1, 0
	i, j := 0, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, retry = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			retry++
			i, j = retry, star+1
		default:
			return false
		}
	}
	for j < len(pattern) && pattern[j] == '*' {
		j++
	}
	return j == len(pattern)
}

// inNetwork reports whether an address, or every address of a network, lies in a
// network or one of a list of them. The networks of a rule are checked when it is
// read.
func inNetwork(f, v *Value) bool {
	if f.kind != kindText {
		return false
	}
	inner, err := parseNetwork(f.text)
	if err != nil {
		return false
	}
	in := func(n *Value) bool {
		if n.kind != kindText {
			return false
		}
		outer, err := parseNetwork(n.text)
		return err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
	}
	if v.kind == kindList {
		some := false
		v.each(func(n *Value) bool { some = in(n); return !some })
		return some
	}
	return in(v)
}

// parseNetwork reads a network, or an address as a network of one.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.IndexByte(s, '/') >= 0 {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, err
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = a.Unmap().WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// operator is an operator with its decorators, as a rule writes it.
type operator struct {
	text       string
	test       test
	base       string
	decorators []string
	extension  bool
}

// maxDecorators bounds how long an operator is.
const maxDecorators = 8

// parseOperator reads decorators and operator, as in "someFact:not:equal".
func parseOperator(text string) (*operator, error) {
	words := strings.Split(text, ":")
	base := words[len(words)-1]
	o := &operator{text: text, base: base, decorators: words[:len(words)-1]}
	t, ok := operators[base]
	if !ok {
		if t, ok = extensionOperators[base]; !ok {
			return nil, fmt.Errorf("unknown operator: %s, expected one of %s%s", quote(base), strings.Join(operatorNames(), ", "), didYouMean(base, operatorNames()))
		}
		o.extension = true
	}
	if len(o.decorators) > maxDecorators {
		return nil, fmt.Errorf("found %d decorators before an operator, expected %d at most", len(o.decorators), maxDecorators)
	}
	for _, word := range slices.Backward(o.decorators) {
		d, ok := decorators[word]
		if !ok {
			return nil, fmt.Errorf("unknown decorator: %s, expected one of not, swap, someFact, everyFact, someValue, everyValue", quote(word))
		}
		t = d(t)
	}
	o.test = t
	return o, nil
}

func operatorNames() []string {
	names := make([]string, 0, len(operators)+len(extensionOperators))
	for name := range operators {
		names = append(names, name)
	}
	for name := range extensionOperators {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// accepts says what is wrong with a literal value for the operator: what would
// make the library throw, or never hold.
func (o *operator) accepts(v *Value) error {
	for _, word := range o.decorators {
		switch word {
		case "swap":
			return nil // The value stands where the fact does.
		case "someValue", "everyValue":
			if v.kind != kindList {
				return fmt.Errorf("found %s as the value of %s, expected a list", v.shown(), o.text)
			}
			var err error
			v.each(func(item *Value) bool {
				err = (&operator{text: o.text, base: o.base}).accepts(item)
				return err == nil
			})
			return err
		}
	}
	switch o.base {
	case "equal", "notEqual":
		if v.kind >= kindList {
			return fmt.Errorf("found %s as the value of %s, which no fact is equal to; write in or notIn for one of several", v.shown(), o.text)
		}
	case "in", "notIn":
		if v.kind != kindList && v.kind != kindText {
			return fmt.Errorf("found %s as the value of %s, expected a list or a text", v.shown(), o.text)
		}
		if v.kind == kindList && len(v.list) == 0 {
			return fmt.Errorf("found an empty list as the value of %s, expected something in it", o.text)
		}
	case "lessThan", "lessThanInclusive", "greaterThan", "greaterThanInclusive":
		if n := v.asNumber(); n != n {
			return fmt.Errorf("found %s as the value of %s, expected a number", v.shown(), o.text)
		}
	case "startsWith", "endsWith", "like":
		if v.kind != kindText || v.text == "" {
			return fmt.Errorf("found %s as the value of %s, expected a text", v.shown(), o.text)
		}
	case "inNetwork":
		return acceptsNetworks(v)
	}
	return nil
}

func acceptsNetworks(v *Value) error {
	if v.kind == kindText {
		v = &Value{kind: kindList, list: []Value{*v}}
	}
	if v.kind != kindList || len(v.list) == 0 {
		return fmt.Errorf("found %s as the value of inNetwork, expected a network or a list of them", v.shown())
	}
	for i := range v.list {
		n := &v.list[i]
		if n.kind != kindText {
			return fmt.Errorf("found %s as a network, expected one such as \"10.0.0.0/8\"", n.shown())
		}
		if _, err := parseNetwork(n.text); err != nil {
			return fmt.Errorf("found %s as a network, expected one such as \"10.0.0.0/8\"", quote(n.text))
		}
	}
	return nil
}

// shown is the value as errors show it.
func (v *Value) shown() string {
	switch v.kind {
	case kindText:
		return quote(v.text)
	case kindObject:
		return "an object"
	case kindList:
		return "a list"
	}
	return v.String()
}

var errBareLeaf = errors.New("found a comparison at the root of the conditions, expected all, any or not around it")
