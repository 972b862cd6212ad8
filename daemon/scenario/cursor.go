package scenario

import (
	"strconv"
	"strings"
	"time"
)

// failed is what parsing a statement is given up with, once its error is noted.
type failed struct{}

// cursor goes through the tokens of a statement.
type cursor struct {
	p      *parser
	tokens []token
	i      int
}

// fail notes an error at a token and gives the statement up.
func (c *cursor) fail(at position, found, expected, do string) {
	c.p.fail(at, found, expected, do)
	panic(failed{})
}

// done reports whether the statement has no further token.
func (c *cursor) done() bool { return c.i == len(c.tokens) }

// peek is the next token; behind the last it is an empty word there.
func (c *cursor) peek() token {
	if !c.done() {
		return c.tokens[c.i]
	}
	last := c.tokens[len(c.tokens)-1]
	return token{pos: position{last.pos.line, last.pos.column + len([]rune(last.text))}}
}

// found says what the next token is, for an error.
func (c *cursor) found() string {
	if c.done() {
		return "the end of the statement"
	}
	return quote(c.peek().text)
}

// next takes the next token, which has to be there.
func (c *cursor) next(expected string) token {
	if c.done() {
		c.fail(c.peek().pos, c.found(), expected, "")
	}
	c.i++
	return c.tokens[c.i-1]
}

// wrong gives up at the token that was taken last.
func (c *cursor) wrong(why, expected, do string) {
	t := c.tokens[c.i-1]
	found := quote(t.text)
	if why != "" {
		found += " (" + why + ")"
	}
	c.fail(t.pos, found, expected, do)
}

// is reports whether the next token is that word or mark.
func (c *cursor) is(w string) bool {
	t := c.peek()
	return !c.done() && (t.form == word || t.form == mark) && t.text == w
}

// take takes the next token where it is one of the words, and says which.
func (c *cursor) take(words ...string) (string, bool) {
	for _, w := range words {
		if c.is(w) {
			c.i++
			return w, true
		}
	}
	return "", false
}

// word takes a word or a text in quotes.
func (c *cursor) word(expected string) token {
	t := c.next(expected)
	if t.form != word && t.form != text {
		c.wrong("", expected, "")
	}
	return t
}

// one takes one of the words.
func (c *cursor) one(words []string) string {
	t := c.next(oneOf(words))
	if t.form != word || !contains(words, t.text) {
		c.wrong("", oneOf(words), didYouMean(t.text, words))
	}
	return t.text
}

func (c *cursor) time() time.Time {
	t := c.word(timeForm)
	at, err := parseTime(t.text, c.p.now.start)
	if err != nil {
		c.wrong(err.Error(), timeForm, "")
	}
	return at
}

func (c *cursor) duration() time.Duration {
	t := c.word(durationForm)
	d, err := parseDuration(t.text)
	if err != nil {
		do := ""
		if strings.HasPrefix(err.Error(), "a number") {
			do = "put a unit behind the number"
		}
		c.wrong(err.Error(), durationForm, do)
	}
	return d
}

// positive takes a duration that is more than nothing.
func (c *cursor) positive() time.Duration {
	d := c.duration()
	if d <= 0 {
		c.wrong("nothing", "a duration of at least 1s", "")
	}
	return d
}

// clock takes a time of day.
func (c *cursor) clock(expected string) time.Duration {
	t := c.word(expected)
	d, err := parseClock(t.text)
	if err != nil {
		c.wrong(err.Error(), expected, "")
	}
	return d
}

// list takes what f takes, and what follows after commas.
func (c *cursor) list(f func()) {
	for {
		f()
		if _, more := c.take(","); !more {
			return
		}
	}
}

// number takes a number between bounds.
func (c *cursor) number(least, most float64, expected string) float64 {
	t := c.word(expected)
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil || !(f >= least && f <= most) {
		c.wrong("", expected, "")
	}
	return f
}

// whole takes a whole number between bounds.
func (c *cursor) whole(least, most int, expected string) int {
	t := c.word(expected)
	n, err := strconv.Atoi(t.text)
	if err != nil || n < least || n > most {
		c.wrong("", expected, "")
	}
	return n
}

// share takes a percentage, such as 30% or -2.5%, and returns it as a share.
func (c *cursor) share(least, most float64, expected string) float64 {
	t := c.word(expected)
	digits, ok := strings.CutSuffix(t.text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(f >= least && f <= most) {
		c.wrong("", expected, "")
	}
	return f / 100
}
