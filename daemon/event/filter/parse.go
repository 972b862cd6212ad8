package filter

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says where a filter cannot be understood, and why.
type Error struct {
	// Column counts characters from 1.
	Column int
	// Found is what stands there, as a reader would name it.
	Found string
	// Expected says what should.
	Expected string
	// Hint says more, such as the names that there are.
	Hint string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("filter, column %d: found %s, expected %s", e.Column, e.Found, e.Expected)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

const (
	// MaxLen is how long a filter may be, in bytes.
	MaxLen        = 64 << 10
	maxConditions = 256
)

// parser reads a filter from left to right.
type parser struct {
	s     string
	at    int
	names []string
}

// Parse reads a filter over the fields of these names. An empty one has no
// conditions, and selects everything.
func Parse(s string, names []string) ([]Condition, error) {
	if len(s) > MaxLen {
		return nil, fmt.Errorf("filter is %d bytes long, more than %d", len(s), MaxLen)
	}
	p := &parser{s: s, names: names}
	var out []Condition
	p.space()
	braces := p.take("{")
	for {
		p.space()
		if p.at == len(p.s) || braces && p.s[p.at] == '}' {
			break
		}
		if len(out) > 0 && p.take(",") {
			p.space()
			// A comma at the end is allowed, as in PromQL.
			if p.at == len(p.s) || braces && p.s[p.at] == '}' {
				break
			}
		}
		if len(out) == maxConditions {
			return nil, p.fail(p.at, fmt.Sprintf("at most %d conditions", maxConditions), "")
		}
		c, err := p.condition()
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if braces && !p.take("}") {
		return nil, p.fail(p.at, "a closing brace", "")
	}
	p.space()
	if p.at < len(p.s) {
		return nil, p.fail(p.at, "the end of the filter", "")
	}
	return out, nil
}

func (p *parser) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.s[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *parser) fail(at int, expected, hint string) error {
	found := "the end of the filter"
	if at < len(p.s) {
		word := p.s[at:]
		if n := strings.IndexAny(word, " \t\r\n"); n > 0 {
			word = word[:n]
		}
		if r := []rune(word); len(r) > 20 {
			word = string(r[:20]) + "…"
		}
		found = strconv.Quote(word)
	}
	return &Error{Column: utf8.RuneCountInString(p.s[:at]) + 1, Found: found, Expected: expected, Hint: hint}
}

func isNameByte(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

func isQuote(b byte) bool { return b == '"' || b == '\'' || b == '`' }

func (p *parser) condition() (Condition, error) {
	start := p.at
	switch b := p.s[p.at]; {
	case isQuote(b):
		return p.text(Contains)
	case b == '!':
		p.at++
		p.space()
		if p.at == len(p.s) || !isQuote(p.s[p.at]) {
			return Condition{}, p.fail(p.at, "a quoted text after !", "")
		}
		return p.text(NotContains)
	case !isNameByte(b):
		return Condition{}, p.fail(start, "the name of a field or a quoted text", "")
	}
	for p.at < len(p.s) && isNameByte(p.s[p.at]) {
		p.at++
	}
	name := p.s[start:p.at]
	if !slices.Contains(p.names, name) {
		return Condition{}, &Error{
			Column: utf8.RuneCountInString(p.s[:start]) + 1, Found: strconv.Quote(name),
			Expected: "the name of a field", Hint: Hint(name, p.names),
		}
	}
	p.space()
	var op Operator
	switch {
	case p.take("=~"):
		op = Match
	case p.take("!~"):
		op = NotMatch
	case p.take("!="):
		op = NotEqual
	case p.take("="):
		p.take("=") // What a programmer writes.
		op = Equal
	default:
		return Condition{}, p.fail(p.at, fmt.Sprintf("=, !=, =~ or !~ after %s", name), "")
	}
	p.space()
	at := p.at
	value, err := p.quoted(fmt.Sprintf("a quoted value for %s", name))
	if err != nil {
		return Condition{}, err
	}
	c, err := newCondition(name, op, value)
	if err != nil {
		hint := err.Error()
		if syn, ok := errors.AsType[*syntax.Error](err); ok {
			hint = syn.Code.String() + ": `" + syn.Expr + "`"
		}
		return Condition{}, p.fail(at, "a regular expression", hint)
	}
	return c, nil
}

func (p *parser) text(op Operator) (Condition, error) {
	at := p.at
	value, err := p.quoted("a quoted text")
	if err != nil {
		return Condition{}, err
	}
	if value == "" {
		return Condition{}, p.fail(at, "a text that is not empty", "")
	}
	return newCondition("", op, value)
}

// quoted reads a string in double quotes, single quotes or backquotes, with the
// escapes of Go in the first two.
func (p *parser) quoted(expected string) (string, error) {
	start := p.at
	if p.at == len(p.s) || !isQuote(p.s[p.at]) {
		return "", p.fail(p.at, expected, "")
	}
	q := p.s[p.at]
	p.at++
	if q == '`' {
		n := strings.IndexByte(p.s[p.at:], '`')
		if n < 0 {
			p.at = start
			return "", p.fail(len(p.s), "a closing `", "")
		}
		v := p.s[p.at : p.at+n]
		p.at += n + 1
		return v, nil
	}
	var out []byte
	for rest := p.s[p.at:]; ; {
		if rest == "" {
			return "", p.fail(len(p.s), "a closing "+string(rune(q)), "")
		}
		if rest[0] == q {
			p.at = len(p.s) - len(rest) + 1
			return string(out), nil
		}
		if rest[0] != '\\' {
			out = append(out, rest[0])
			rest = rest[1:]
			continue
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, q)
		if err != nil {
			return "", p.fail(len(p.s)-len(rest), "an escape such as \\n, \\t, \\\\ or \\"+string(rune(q)),
				"write \\\\ for a backslash, or put the value in backquotes")
		}
		if multibyte {
			out = utf8.AppendRune(out, r)
		} else {
			out = append(out, byte(r))
		}
		rest = tail
	}
}

// Hint names the nearest of some fields, and all of them.
func Hint(name string, names []string) string {
	best, least := "", 1+len(name)/2
	for _, f := range names {
		if d := distance(strings.ToLower(name), f); d < least {
			best, least = f, d
		}
	}
	hint := "the fields are " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
	if best != "" {
		hint = fmt.Sprintf("did you mean %s? ", best) + hint
	}
	return hint
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour that make a into b.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, prev[j]+1, cur[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			cur[j] = d
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
