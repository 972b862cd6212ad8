package catalog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// anyDepth is the member of a path that stands for any number of them.
const anyDepth = "**"

// maxCondition bounds the text of a condition, and so how deep it can be.
const maxCondition = 2000

// ParseCondition reads a condition:
//
//	or         = and { "or" and }
//	and        = factor { "and" factor }
//	factor     = "not" factor | "(" or ")" | comparison
//	comparison = path "is" ( "set" | "empty" | "below" number | value )
//	           | path "differs" "from" value
//	           | path ( "contains" | "starts" "with" ) string
//	value      = string | number | "true" | "false" | path
//	path       = name { "." ( name | "**" ) }
//
// Errors name the column, counted in bytes from 1.
func ParseCondition(s string) (*Condition, error) {
	if len(s) > maxCondition {
		return nil, fmt.Errorf("a condition is longer than %d bytes", maxCondition)
	}
	p := &grammar{text: s}
	if err := p.next(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.kind != endToken {
		return nil, p.wrong("and, or, or the end")
	}
	return &Condition{text: s, root: n}, nil
}

type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	stringToken
	numberToken
	openToken
	closeToken
)

// grammar is a condition as it is read, with the token under way.
type grammar struct {
	text  string
	at    int // behind the token
	start int
	kind  tokenKind
	value string
}

func (p *grammar) wrong(expected string) error {
	if p.kind == endToken {
		return fmt.Errorf("column %d: the condition ends, expected %s", p.start+1, expected)
	}
	return fmt.Errorf("column %d: found %q, expected %s", p.start+1, p.text[p.start:p.at], expected)
}

func (p *grammar) next() error {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
	p.start = p.at
	if p.at == len(p.text) {
		p.kind, p.value = endToken, ""
		return nil
	}
	switch c := p.text[p.at]; {
	case c == '(' || c == ')':
		p.at++
		p.kind = openToken
		if c == ')' {
			p.kind = closeToken
		}
	case c == '"':
		quoted, err := strconv.QuotedPrefix(p.text[p.at:])
		if err != nil {
			return fmt.Errorf("column %d: a text in quotes does not end", p.start+1)
		}
		p.at += len(quoted)
		p.kind = stringToken
		if p.value, err = strconv.Unquote(quoted); err != nil {
			return fmt.Errorf("column %d: bad text %s", p.start+1, quoted)
		}
	case isDigit(c) || c == '-':
		for p.at++; p.at < len(p.text) && (isDigit(p.text[p.at]) || p.text[p.at] == '.'); {
			p.at++
		}
		p.kind, p.value = numberToken, p.text[p.start:p.at]
		if _, err := strconv.ParseFloat(p.value, 64); err != nil {
			return fmt.Errorf("column %d: bad number %q", p.start+1, p.value)
		}
	case isWord(c):
		for p.at < len(p.text) && isWord(p.text[p.at]) {
			p.at++
		}
		p.kind, p.value = wordToken, p.text[p.start:p.at]
	default:
		return fmt.Errorf("column %d: unexpected character %q", p.start+1, c)
	}
	return nil
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*' || c == '$'
}

// word takes a keyword where it comes next.
func (p *grammar) word(w string) (bool, error) {
	if p.kind != wordToken || p.value != w {
		return false, nil
	}
	return true, p.next()
}

func (p *grammar) or() (node, error) {
	return p.list("or", p.and, func(n []node) node { return orNode(n) })
}

func (p *grammar) and() (node, error) {
	return p.list("and", p.factor, func(n []node) node { return andNode(n) })
}

// list reads parts with a keyword between them.
func (p *grammar) list(word string, part func() (node, error), join func([]node) node) (node, error) {
	var all []node
	for {
		n, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		more, err := p.word(word)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return join(all), nil
}

func (p *grammar) factor() (node, error) {
	not, err := p.word("not")
	if err != nil {
		return nil, err
	}
	if not {
		n, err := p.factor()
		return notNode{n}, err
	}
	if p.kind == openToken {
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.kind != closeToken {
			return nil, p.wrong(`")"`)
		}
		return n, p.next()
	}
	return p.comparison()
}

func (p *grammar) comparison() (node, error) {
	c := &comparison{}
	var err error
	if c.path, err = p.path(); err != nil {
		return nil, err
	}
	keyword := ""
	if p.kind == wordToken {
		keyword = p.value
	}
	switch keyword {
	case "is", "differs", "contains", "starts":
	default:
		return nil, p.wrong("is, differs from, contains or starts with")
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	switch keyword {
	case "is":
		return c, p.object(c)
	case "differs":
		if err := p.must("from"); err != nil {
			return nil, err
		}
		c.verb = differs
		return c, p.operand(c)
	case "starts":
		if err := p.must("with"); err != nil {
			return nil, err
		}
		c.verb = startsWith
	case "contains":
		c.verb = contains
	}
	if p.kind != stringToken {
		return nil, p.wrong("a text in quotes")
	}
	c.want = p.value
	return c, p.next()
}

// object reads what follows "is".
func (p *grammar) object(c *comparison) error {
	word := ""
	if p.kind == wordToken {
		word = p.value
	}
	switch word {
	case "set":
		c.verb = isSet
		return p.next()
	case "empty":
		c.verb = isEmpty
		return p.next()
	case "below":
		c.verb = isBelow
		if err := p.next(); err != nil {
			return err
		}
		if p.kind != numberToken {
			return p.wrong("a number")
		}
		var err error
		if c.number, err = strconv.ParseFloat(p.value, 64); err != nil {
			return fmt.Errorf("column %d: bad number %q", p.start+1, p.value)
		}
		return p.next()
	}
	c.verb = is
	return p.operand(c)
}

// operand reads what a value is compared with.
func (p *grammar) operand(c *comparison) error {
	switch {
	case p.kind == stringToken || p.kind == numberToken:
		c.want = p.value
		return p.next()
	case p.kind == wordToken && (p.value == "true" || p.value == "false"):
		c.want = p.value
		return p.next()
	case p.kind == wordToken:
		other, err := p.path()
		c.other = other
		return err
	}
	return p.wrong("a text in quotes, a number, true, false, or a path")
}

func (p *grammar) must(w string) error {
	ok, err := p.word(w)
	if err == nil && !ok {
		err = p.wrong(w)
	}
	return err
}

// path reads a path.
func (p *grammar) path() (path, error) {
	if p.kind != wordToken {
		return nil, p.wrong("a path such as requestParameters.name")
	}
	switch p.value {
	case "and", "or", "not", "is", "set", "empty":
		return nil, p.wrong("a path such as requestParameters.name")
	}
	parts := strings.Split(p.value, ".")
	for i, part := range parts {
		if err := checkMember(part, i == 0); err != nil {
			return nil, fmt.Errorf("column %d: bad path %q: %w", p.start+1, p.value, err)
		}
	}
	return parts, p.next()
}

func checkMember(part string, first bool) error {
	switch {
	case part == "":
		return errors.New("a member has no name")
	case part == anyDepth && !first:
		return nil
	case strings.Contains(part, "*"):
		return errors.New("** stands alone and not at the beginning")
	}
	return nil
}
