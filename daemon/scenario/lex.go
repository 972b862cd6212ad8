package scenario

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// position is a place in a script, counted from 1.
type position struct{ line, column int }

// form is what kind of token it is.
type form uint8

const (
	word   form = iota
	text        // In quotes, which are taken off.
	object      // JSON in braces.
	mark        // One of , .. ± and +-, which is written ±.
)

// token is a piece of a statement.
type token struct {
	form form
	text string
	pos  position
	// spaced says that white space stands before it.
	spaced bool
}

// statement is a line of the script with those that go on with it.
type statement struct {
	tokens []token
	// source is the statement's text, for what is random in it.
	source string
}

// statementWords begin statements.
var statementWords = []string{"case", "clear", "seed", "start", "set", "account", "region", "load", "at", "json", "gap", "deliver", "expect", "rule"}

// lex cuts a script into statements. A line that is indented goes on with the
// statement before, unless it begins with a word that begins statements.
func (p *parser) lex(src string) []statement {
	var out []statement
	for n, line := range strings.Split(strings.ReplaceAll(src, "\r\n", "\n"), "\n") {
		if !utf8.ValidString(line) {
			p.fail(position{n + 1, 1}, "bytes that are no UTF-8", "text in UTF-8", "")
			continue
		}
		tokens, ok := p.lexLine(line, n+1)
		if !ok || len(tokens) == 0 {
			continue
		}
		indented := line[0] == ' ' || line[0] == '\t'
		if indented && len(out) > 0 && !begins(tokens) {
			s := &out[len(out)-1]
			s.tokens = append(s.tokens, tokens...)
			s.source += " " + strings.TrimSpace(line)
			continue
		}
		out = append(out, statement{tokens: tokens, source: strings.TrimSpace(line)})
	}
	return out
}

// begins reports whether the tokens of a line begin a statement. "at" does where
// a time follows: "at :00" is a part of a load.
func begins(tokens []token) bool {
	if tokens[0].form != word || !contains(statementWords, tokens[0].text) {
		return false
	}
	if tokens[0].text != "at" {
		return true
	}
	return len(tokens) > 1 && tokens[1].form == word && looksLikeTime(tokens[1].text)
}

// lexLine cuts a line into tokens, up to its comment.
func (p *parser) lexLine(line string, number int) ([]token, bool) {
	var out []token
	for i := 0; i < len(line); {
		c := line[i]
		if c == ' ' || c == '\t' {
			i++
			continue
		}
		if c == '#' {
			break
		}
		t := token{pos: position{number, utf8.RuneCountInString(line[:i]) + 1}, spaced: i > 0 && (line[i-1] == ' ' || line[i-1] == '\t')}
		n := markAt(line[i:])
		switch {
		case n > 0:
			t.form, t.text = mark, line[i:i+n]
			if t.text == "+-" {
				t.text = "±"
			}
		case c == '"':
			s, used, err := unquote(line[i:])
			if err != nil {
				p.fail(t.pos, err.Error(), `a text in quotes, in which \" and \\ stand for " and \`, "close the quotes on the same line")
				return nil, false
			}
			t.form, t.text, n = text, s, used
		case c == '{':
			if n = braces(line[i:]); n == 0 {
				p.fail(t.pos, "a brace that does not end", "JSON on one line", "close it on the same line")
				return nil, false
			}
			t.form, t.text = object, line[i:i+n]
		default:
			n = wordLength(line[i:])
			t.text = line[i : i+n]
		}
		i += n
		out = append(out, t)
	}
	return out, true
}

// markAt is the length of the mark that s begins with, or 0.
func markAt(s string) int {
	for _, m := range [...]string{",", "..", "±", "+-"} {
		// The two dots of a path are none.
		if strings.HasPrefix(s, m) && !(m == ".." && len(s) > 2 && (s[2] == '/' || s[2] == '.')) {
			return len(m)
		}
	}
	return 0
}

// wordLength is how far a word goes. A quote or a brace inside belongs to it.
func wordLength(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	for n < len(s) {
		if s[n] == ' ' || s[n] == '\t' || markAt(s[n:]) > 0 {
			return n
		}
		_, w := utf8.DecodeRuneInString(s[n:])
		n += w
	}
	return n
}

// unquote reads the quoted text that s begins with, and says how long it is with
// its quotes.
func unquote(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i + 1, nil
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == '\\':
			return "", 0, fmt.Errorf(`a \ before something else`)
		case c < ' ':
			return "", 0, fmt.Errorf("a control character")
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("quotes that are not closed")
}

// braces is the length of the balanced braces that s begins with, 0 where they
// do not end. Braces in strings do not count.
func braces(s string) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
