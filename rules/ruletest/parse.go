package ruletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Error is something in a file of tests that cannot be read.
type Error struct {
	File string
	// Line and Column count from 1.
	Line, Column int
	Text         string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Bounds of a file.
const (
	maxTimes = 10_000
	maxFile  = 4 << 20
)

// parser reads a file of tests.
type parser struct {
	file, text string
	i          int
	rule       string
	base       any
	cases      []*testCase
}

var (
	caseForm   = regexp.MustCompile(`^(no )?match(?: ([0-9]+))?(?: "((?:[^"\\\n]|\\.)*)")?[ \t]*(?:\n|$)`)
	ruleForm   = regexp.MustCompile(`^rule (?:"((?:[^"\\\n]|\\.)*)"|(\S+))[ \t]*(?:\n|$)`)
	recordForm = regexp.MustCompile(`^(?:\+(\S+)[ \t]+)?(?:([0-9]+) times(?: every (\S+))?[ \t]+)?\{`)
	beforeForm = regexp.MustCompile(`^before(?: on ([0-9]+) days?)?[ \t]+\{`)
)

func parse(name, text string) (*File, error) {
	if len(text) > maxFile {
		return nil, &Error{name, 1, 1, fmt.Sprintf("found %d bytes, expected %d at most", len(text), maxFile)}
	}
	p := &parser{file: name, text: strings.ReplaceAll(text, "\r\n", "\n")}
	if !utf8.ValidString(text) {
		return nil, &Error{name, 1, 1, "found bytes that are not UTF-8"}
	}
	for p.space(); p.i < len(p.text); p.space() {
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	if len(p.cases) == 0 {
		return nil, p.fail("found no match and no \"no match\", expected some")
	}
	for _, c := range p.cases {
		if !slices.ContainsFunc(c.records, func(r record) bool { return r.before == 0 }) {
			return nil, &Error{name, c.line, 1, "found a case without records, expected some"}
		}
	}
	return &File{Name: name, cases: p.cases}, nil
}

// space goes past white space and comments.
func (p *parser) space() {
	for p.i < len(p.text) {
		switch p.text[p.i] {
		case ' ', '\t', '\n':
			p.i++
		case '#':
			end := strings.IndexByte(p.text[p.i:], '\n')
			if end < 0 {
				p.i = len(p.text)
				return
			}
			p.i += end
		default:
			return
		}
	}
}

func (p *parser) line() int { return 1 + strings.Count(p.text[:p.i], "\n") }

func (p *parser) fail(format string, args ...any) error {
	start := strings.LastIndexByte(p.text[:p.i], '\n') + 1
	return &Error{p.file, p.line(), utf8.RuneCountInString(p.text[start:p.i]) + 1, fmt.Sprintf(format, args...)}
}

func (p *parser) statement() error {
	rest := p.text[p.i:]
	if m := ruleForm.FindStringSubmatch(rest); m != nil {
		p.rule = m[2]
		if m[2] == "" {
			name, err := strconv.Unquote(`"` + m[1] + `"`)
			if err != nil {
				return p.fail("found a name that cannot be read: %v", err)
			}
			p.rule = name
		}
		p.i += len(m[0])
		return nil
	}
	if p.rule == "" {
		return p.fail("found %s, expected rule and its id first", p.found())
	}
	if m := caseForm.FindStringSubmatch(rest); m != nil {
		return p.testCase(m)
	}
	if strings.HasPrefix(rest, "base") {
		p.i += len("base")
		p.space()
		base, err := p.json()
		if err != nil {
			return err
		}
		p.base = base
		return nil
	}
	if m := recordForm.FindStringSubmatch(rest); m != nil {
		return p.record(m)
	}
	if m := beforeForm.FindStringSubmatch(rest); m != nil {
		return p.before(m)
	}
	return p.fail("found %s, expected rule, base, match, no match, before, or a record", p.found())
}

// found shows the line that cannot be read.
func (p *parser) found() string {
	line, _, _ := strings.Cut(p.text[p.i:], "\n")
	if r := []rune(line); len(r) > 40 {
		line = string(r[:40]) + "…"
	}
	return strconv.Quote(line)
}

func (p *parser) testCase(m []string) error {
	c := &testCase{rule: p.rule, line: p.line(), match: m[1] == ""}
	if m[2] != "" {
		n, err := strconv.Atoi(m[2])
		if err != nil || n < 1 || !c.match {
			return p.fail("found %s, expected match and how often, from 1", p.found())
		}
		c.times = n
	}
	name, err := strconv.Unquote(`"` + m[3] + `"`)
	if err != nil {
		return p.fail("found a name that cannot be read: %v", err)
	}
	if c.name = name; name == "" {
		c.name = fmt.Sprintf("line %d", c.line)
	}
	p.cases = append(p.cases, c)
	p.i += len(m[0])
	return nil
}

func (p *parser) record(m []string) error {
	if len(p.cases) == 0 || p.cases[len(p.cases)-1].rule != p.rule {
		return p.fail("found a record before the rule's first match or no match")
	}
	c := p.cases[len(p.cases)-1]
	r := record{line: p.line(), times: 1, after: -1}
	var err error
	if m[1] != "" {
		if r.after, err = parseSpan(m[1]); err != nil {
			return p.fail("found the time +%s, expected one such as +5m or +1h30m", m[1])
		}
	}
	if m[2] != "" {
		if r.times, err = strconv.Atoi(m[2]); err != nil || r.times < 1 || r.times > maxTimes {
			return p.fail("found %s times, expected 1 to %d", m[2], maxTimes)
		}
	}
	if m[3] != "" {
		if r.every, err = parseSpan(m[3]); err != nil {
			return p.fail("found every %s, expected a time such as 30s or 5m", m[3])
		}
	}
	return p.patched(c, r, m[0])
}

// before reads a record that was seen before those of the case.
func (p *parser) before(m []string) error {
	if len(p.cases) == 0 || p.cases[len(p.cases)-1].rule != p.rule {
		return p.fail("found a record before the rule's first match or no match")
	}
	r := record{line: p.line(), after: -1, before: 1}
	if m[1] != "" {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || n > maxTimes {
			return p.fail("found before on %s days, expected 1 to %d", m[1], maxTimes)
		}
		r.before = n
	}
	return p.patched(p.cases[len(p.cases)-1], r, m[0])
}

// patched reads the object that ends a statement, laid over the base.
func (p *parser) patched(c *testCase, r record, statement string) error {
	p.i += len(statement) - 1
	patch, err := p.json()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(merge(p.base, patch)); err != nil {
		return p.fail("writing the record: %v", err)
	}
	r.raw = bytes.TrimSpace(b.Bytes())
	c.records = append(c.records, r)
	return nil
}

// parseSpan reads a length of time; days are d.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 1000 {
			return 0, errors.New("not a number of days")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("a negative length of time")
	}
	return d, err
}

// json reads the JSON object that stands here.
func (p *parser) json() (any, error) {
	dec := json.NewDecoder(strings.NewReader(p.text[p.i:]))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		if s, ok := errors.AsType[*json.SyntaxError](err); ok {
			p.i = min(p.i+int(s.Offset), len(p.text))
		}
		return nil, p.fail("reading a JSON object: %v", err)
	}
	p.i += int(dec.InputOffset())
	return v, nil
}

// merge lays a patch over a value as RFC 7396 says: objects are merged, null
// takes a member away, everything else is replaced.
func merge(base, patch any) any {
	over, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	under, _ := base.(map[string]any)
	out := make(map[string]any, len(under)+len(over))
	maps.Copy(out, under)
	for k, v := range over {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = merge(out[k], v)
	}
	return out
}
