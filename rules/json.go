package rules

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// syntaxError is what keeps a file from being read at all.
type syntaxError struct {
	at   place
	text string
}

func (e *syntaxError) Error() string { return e.text }

// jsonReader reads a package that is written as JSON. It is strict but for the
// slips that published packages have, of which each is told as a warning: a comma
// too many before a closing bracket, a comma too few between members, a bracket
// that is missing where only one can be meant.
type jsonReader struct {
	text string
	i    int
	line int
	// column is that of the character at counted, on the same line. It is counted
	// on from there, or a long line would be counted again and again.
	column, counted int
	// comma is where the last comma stood.
	comma place
	warn  func(at place, format string, args ...any)
}

// readJSON reads the one value of a text.
func readJSON(text string, warn func(at place, format string, args ...any)) (n *node, err error) {
	r := &jsonReader{text: strings.TrimPrefix(text, "\ufeff"), line: 1, column: 1, warn: warn}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *syntaxError:
			n, err = nil, e
		default:
			panic(e)
		}
	}()
	r.space()
	if r.i == len(r.text) {
		r.fail("found an empty file, expected a package of rules")
	}
	n = r.value(0, true)
	r.space()
	if r.i < len(r.text) {
		r.fail("found %s behind the end of the package, expected nothing", r.found())
	}
	return n, nil
}

func (r *jsonReader) place() place {
	r.column += utf8.RuneCountInString(r.text[r.counted:r.i])
	r.counted = r.i
	return place{r.line, r.column}
}

func (r *jsonReader) fail(format string, args ...any) {
	panic(&syntaxError{r.place(), fmt.Sprintf(format, args...)})
}

// found shows what stands here.
func (r *jsonReader) found() string {
	if r.i >= len(r.text) {
		return "the end of the file"
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.i:])
	return strconv.QuoteRune(c)
}

func (r *jsonReader) peek() byte {
	if r.i < len(r.text) {
		return r.text[r.i]
	}
	return 0
}

func (r *jsonReader) space() {
	for ; r.i < len(r.text); r.i++ {
		switch r.text[r.i] {
		case '\n':
			r.line++
			r.column, r.counted = 1, r.i+1
		case ' ', '\t', '\r':
		default:
			return
		}
	}
}

// value reads a value. The outermost one may lack its closing bracket.
func (r *jsonReader) value(depth int, outermost bool) *node {
	if depth > maxDepth {
		r.fail("found values within values deeper than %d", maxDepth)
	}
	n := &node{at: r.place()}
	switch c := r.peek(); {
	case c == '{':
		n.kind = nodeObject
		r.object(n, depth, outermost)
	case c == '[':
		n.kind = nodeList
		r.list(n, depth, outermost)
	case c == '"':
		n.kind, n.text = nodeText, r.string()
	case c == '-' || c >= '0' && c <= '9':
		r.number(n)
	case r.word("true"):
		n.kind, n.number = nodeBool, 1
	case r.word("false"):
		n.kind = nodeBool
	case r.word("null"):
	default:
		r.fail("found %s, expected a value", r.found())
	}
	n.end = r.place()
	return n
}

func (r *jsonReader) word(w string) bool {
	if !strings.HasPrefix(r.text[r.i:], w) {
		return false
	}
	r.i += len(w)
	return true
}

func (r *jsonReader) object(n *node, depth int, outermost bool) {
	r.i++
	for comma := false; ; {
		r.space()
		if r.closes('}', comma, len(n.members) > 0, outermost) {
			return
		}
		at := r.place()
		if r.peek() != '"' {
			r.fail("found %s, expected a key in quotes or }", r.found())
		}
		if len(n.members) > 0 && !comma {
			r.warn(at, "a comma is missing before this key")
		}
		key := r.string()
		if n.find(key) != nil {
			panic(&syntaxError{at, fmt.Sprintf("found the key %s twice in one object, expected it once", quote(key))})
		}
		r.space()
		if r.peek() != ':' {
			r.fail("found %s, expected : after the key %s", r.found(), quote(key))
		}
		r.i++
		r.space()
		n.members = append(n.members, member{key, at, r.value(depth+1, false)})
		r.space()
		comma = r.readComma()
	}
}

func (r *jsonReader) list(n *node, depth int, outermost bool) {
	r.i++
	for comma := false; ; {
		r.space()
		if r.closes(']', comma, len(n.items) > 0, outermost) {
			return
		}
		if len(n.items) > 0 && !comma {
			if c := r.peek(); c != '{' && c != '"' {
				r.fail("found %s, expected a comma or ]", r.found())
			}
			r.warn(r.place(), "a comma is missing before this value")
		}
		n.items = append(n.items, r.value(depth+1, false))
		r.space()
		comma = r.readComma()
	}
}

func (r *jsonReader) readComma() bool {
	if r.peek() != ',' {
		return false
	}
	r.comma = r.place()
	r.i++
	return true
}

// closes reports whether an object or a list ends here, and reads its closing
// bracket if it is there. After a comma the end is the one slip that is told;
// of a bracket that is missing, the other is.
func (r *jsonReader) closes(bracket byte, comma, filled, outermost bool) bool {
	switch c := r.peek(); {
	case c == bracket:
		if comma {
			r.warn(r.comma, "found a comma before %q, which is left out", string(bracket))
		}
		r.i++
		return true
	case c == ']' && bracket == '}' && filled, c == '}' && bracket == ']' && filled:
		// The bracket belongs to what this stands in. Where it does not, reading
		// fails there.
		r.warn(r.place(), "a %q is missing before this bracket", string(bracket))
		return true
	case r.i >= len(r.text) && outermost && filled:
		// No more than the last bracket: a file that was cut off lacks several.
		r.warn(r.place(), "a %q is missing at the end of the file", string(bracket))
		return true
	case r.i >= len(r.text):
		r.fail("found the end of the file, expected %q; is it complete?", string(bracket))
	}
	return false
}

func (r *jsonReader) number(n *node) {
	begin := r.i
	digits := func() bool {
		from := r.i
		for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
			r.i++
		}
		return r.i > from
	}
	if r.peek() == '-' {
		r.i++
	}
	sound := r.peek() != '0' || r.i+1 >= len(r.text) || r.text[r.i+1] < '0' || r.text[r.i+1] > '9'
	sound = digits() && sound
	if r.peek() == '.' {
		r.i++
		sound = digits() && sound
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.i++
		if c := r.peek(); c == '+' || c == '-' {
			r.i++
		}
		sound = digits() && sound
	}
	n.kind, n.text = nodeNumber, r.text[begin:r.i]
	v, err := strconv.ParseFloat(n.text, 64)
	if !sound || err != nil {
		panic(&syntaxError{n.at, fmt.Sprintf("found the number %s, expected one as JSON writes it; put a time such as \"0800\" in quotes", n.text)})
	}
	n.number = v
}

// string reads a text in quotes.
func (r *jsonReader) string() string {
	at := r.place()
	r.i++
	begin := r.i
	var b strings.Builder
	for r.i < len(r.text) {
		switch c := r.text[r.i]; {
		case c == '"':
			b.WriteString(r.text[begin:r.i])
			r.i++
			if s := b.String(); utf8.ValidString(s) {
				return s
			}
			panic(&syntaxError{at, "found bytes that are not UTF-8 in this text"})
		case c == '\\':
			b.WriteString(r.text[begin:r.i])
			r.escape(&b)
			begin = r.i
		case c < ' ':
			r.fail("found %s in a text, expected it to end on its line", r.found())
		default:
			r.i++
		}
	}
	panic(&syntaxError{at, "found no end of this text"})
}

func (r *jsonReader) escape(b *strings.Builder) {
	if r.i+1 >= len(r.text) {
		r.fail("found the end of the file in a text")
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	c := r.text[r.i+1]
	if k := strings.IndexByte(from, c); k >= 0 {
		b.WriteByte(to[k])
		r.i += 2
		return
	}
	if c != 'u' {
		r.fail(`found \%c in a text, expected an escape that JSON knows`, c)
	}
	u := r.hex(r.i)
	if u < 0 {
		r.fail(`found \u without four hexadecimal digits`)
	}
	r.i += 6
	if utf16.IsSurrogate(u) {
		if low := r.hex(r.i); low >= 0 {
			if u2 := utf16.DecodeRune(u, low); u2 != utf8.RuneError {
				r.i += 6
				u = u2
			}
		}
	}
	b.WriteRune(u)
}

// hex reads the four digits of \uXXXX at i, -1 where there is none.
func (r *jsonReader) hex(i int) rune {
	if i+6 > len(r.text) || r.text[i] != '\\' || r.text[i+1] != 'u' {
		return -1
	}
	v, err := strconv.ParseUint(r.text[i+2:i+6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(v)
}
