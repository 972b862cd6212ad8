package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// ParseOptions say what a script may refer to.
type ParseOptions struct {
	// Check says what is wrong with a configuration, as Line.Check does. Nothing
	// is checked where it is nil.
	Check func(config []byte) error
	// ReadFile reads a file that the script names, relative to its own folder;
	// nil allows none.
	ReadFile func(name string) ([]byte, error)
}

// ParseFile reads a script from a file.
func ParseFile(name string, check func([]byte) error) (*File, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading a script: %w", err)
	}
	return Parse(name, b, ParseOptions{Check: check, ReadFile: func(other string) ([]byte, error) {
		if !filepath.IsAbs(other) {
			other = filepath.Join(filepath.Dir(name), other)
		}
		return os.ReadFile(other)
	}})
}

// Parse reads a script. name stands in errors; the error is an Errors.
func Parse(name string, src []byte, o ParseOptions) (*File, error) {
	p := &parser{file: name, o: o, texts: map[string]int{}}
	p.reset()
	p.now = p.shared
	if len(src) > maxScript {
		p.fail(position{1, 1}, fmt.Sprintf("%d bytes", len(src)), fmt.Sprintf("a script of at most %d", maxScript), "load records from a file")
		return nil, p.errs
	}
	for _, s := range p.lex(string(src)) {
		p.statement(s)
	}
	p.close()
	if len(p.cases) == 0 && len(p.errs) == 0 {
		p.fail(position{1, 1}, "a script without an expectation", "at least one expect", `"expect none" says that nothing is raised`)
	}
	if len(p.errs) > 0 {
		p.errs.sort()
		return nil, p.errs
	}
	return &File{Name: name, Cases: p.cases}, nil
}

// maxScript is how long a script may be, in bytes.
const maxScript = 1 << 20

// parser reads a script and gathers what is wrong.
type parser struct {
	file  string
	o     ParseOptions
	errs  Errors
	cases []*Case
	// shared is what cases begin with; now is the case that statements go to,
	// which is shared before the first case.
	shared, now *Case
	// begun says that a case has begun with what is shared.
	begun   bool
	account string
	region  string
	// sharedAccount and sharedRegion are those of shared.
	sharedAccount, sharedRegion string
	// texts counts the statements of the same text.
	texts map[string]int
}

func (p *parser) fail(at position, found, expected, do string) {
	p.errs = append(p.errs, &Error{p.file, at.line, at.column, found, expected, do})
}

// defaultAccount is the account of those who have no other.
const defaultAccount = "111122223333"

// reset forgets what cases share.
func (p *parser) reset() {
	name := strings.TrimSuffix(filepath.Base(p.file), ".test")
	p.shared = &Case{File: p.file, Name: name, pos: position{1, 1}, seed: 1, start: defaultStart}
	p.account, p.region = defaultAccount, ""
	p.begun = false
}

// close ends the case that is being read. What is shared is a case itself where
// no case follows it.
func (p *parser) close() {
	switch {
	case p.now == p.shared && p.begun:
		return
	case len(p.now.expects) > 0:
		p.cases = append(p.cases, p.now)
	case p.now == p.shared && p.now.empty():
	case len(p.errs) == 0: // An expectation with an error is none.
		p.fail(p.now.pos, fmt.Sprintf("the case %q without an expectation", p.now.Name), "at least one expect", `"expect none" says that nothing is raised`)
	}
}

// statement reads one statement.
func (p *parser) statement(s statement) {
	c := &cursor{p: p, tokens: s.tokens}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(failed); !ok {
				panic(r)
			}
		}
	}()
	first := c.next("a statement")
	if first.form != word || !contains(statementWords, first.text) {
		c.wrong("", "a statement, "+oneOf(statementWords), didYouMean(first.text, statementWords))
	}
	switch first.text {
	case "case":
		p.begin(c)
	case "clear":
		p.clear()
	case "seed":
		p.now.seed = uint64(c.whole(0, 1<<53, "a whole number"))
	case "start":
		p.start(c)
	case "set":
		p.set(c)
	case "account":
		p.account = p.accountID(c)
	case "region":
		p.region = p.regionName(c)
	case "load":
		p.load(c, s)
	case "at":
		p.at(c, s)
	case "json":
		p.json(c, time.Time{})
	case "gap":
		p.gap(c)
	case "deliver":
		p.delivery(c, s)
	case "expect":
		p.expect(c, s, time.Time{})
	case "rule":
		c.wrong("rules have no language yet", "a statement, "+oneOf(statementWords[:len(statementWords)-1]), "")
	}
	if !c.done() {
		c.fail(c.peek().pos, c.found(), "the end of the statement", "")
	}
}

// begin begins a case with what is shared.
func (p *parser) begin(c *cursor) {
	at := c.tokens[0].pos
	name := c.next("the name of the case in quotes")
	if name.form != text || name.text == "" {
		c.wrong("", "the name of the case in quotes", `write case "`+name.text+`"`)
	}
	if p.now == p.shared {
		p.sharedAccount, p.sharedRegion = p.account, p.region
	} else {
		p.close()
	}
	p.begun = true
	p.now = p.shared.clone()
	p.now.Name, p.now.pos = name.text, at
	p.account, p.region = p.sharedAccount, p.sharedRegion
	for _, other := range p.cases {
		if other.Name == name.text {
			c.wrong("", "a name of its own for each case", fmt.Sprintf("the first is on line %d", other.pos.line))
		}
	}
}

// clear ends what cases share: what follows begins with nothing.
func (p *parser) clear() {
	p.close()
	p.reset()
	p.now = p.shared
}

// start sets the time that + counts from.
func (p *parser) start(c *cursor) {
	if len(p.now.sources)+len(p.now.gaps)+len(p.now.expects) > 0 {
		c.wrong("times before it count from another start", "it before everything that has a time", "move it to the top")
	}
	t := c.word("a date such as 2026-03-02, or a time in RFC 3339")
	if strings.HasPrefix(t.text, "+") {
		c.wrong("", "a date such as 2026-03-02, or a time in RFC 3339", "")
	}
	at, err := parseTime(t.text, time.Time{})
	if err != nil {
		c.wrong(err.Error(), "a date such as 2026-03-02, or a time in RFC 3339", "")
	}
	p.now.start = at
}

// set changes a key of the configuration.
func (p *parser) set(c *cursor) {
	key := c.word("a key of the configuration such as models.warm_up")
	if !settingKey.MatchString(key.text) {
		c.wrong("", "a key of the configuration such as models.warm_up", "")
	}
	value := c.peek()
	var b strings.Builder
	for first := true; !c.done(); first = false {
		t := c.next("")
		if t.spaced && !first {
			b.WriteByte(' ')
		}
		if t.form == text {
			fmt.Fprintf(&b, "%q", t.text)
		} else {
			b.WriteString(t.text)
		}
	}
	if b.Len() == 0 {
		c.fail(value.pos, c.found(), "a value", "")
	}
	s := setting{key.text, b.String(), value.pos}
	if p.o.Check != nil {
		if err := p.o.Check(configuration([]setting{s})); err != nil {
			c.fail(value.pos, strings.TrimPrefix(err.Error(), "found "), "", "")
		}
	}
	for i := range p.now.settings {
		if p.now.settings[i].key == s.key { // The last one holds.
			p.now.settings[i] = s
			return
		}
	}
	p.now.settings = append(p.now.settings, s)
}

var settingKey = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*$`)

// configuration is settings as a YAML document.
func configuration(list []setting) []byte {
	type node struct {
		value string
		keys  []string
		under map[string]*node
	}
	root := &node{under: map[string]*node{}}
	for _, s := range list {
		n := root
		for part := range strings.SplitSeq(s.key, ".") {
			next := n.under[part]
			if next == nil {
				next = &node{under: map[string]*node{}}
				n.under[part] = next
				n.keys = append(n.keys, part)
			}
			n = next
		}
		n.value = s.value
	}
	var b strings.Builder
	var write func(n *node, depth int)
	write = func(n *node, depth int) {
		for _, k := range n.keys {
			u := n.under[k]
			fmt.Fprintf(&b, "%s%s: %s\n", strings.Repeat("  ", depth), k, u.value)
			if u.value == "" {
				write(u, depth+1)
			}
		}
	}
	write(root, 0)
	return []byte(b.String())
}

// gap has nothing delivered for a while.
func (p *parser) gap(c *cursor) {
	g := gap{span: c.span()}
	if _, ok := c.take("account"); ok {
		g.account = p.accountID(c)
	}
	p.now.gaps = append(p.now.gaps, g)
}

// span takes 21d, TIME..TIME, or TIME for DURATION.
func (c *cursor) span() span {
	const form = "a span such as 21d, +2d..+3d or +2d for 3h"
	if !c.done() && !looksLikeTime(c.peek().text) {
		t := c.word(form)
		d, err := parseDuration(t.text)
		if err != nil {
			c.wrong(err.Error(), form, "")
		}
		return span{c.p.now.start, c.p.now.start.Add(d)}
	}
	s := span{from: c.time()}
	if how, ok := c.take("..", "for"); ok && how == "for" {
		s.to = s.from.Add(c.positive())
	} else if ok {
		s.to = c.time()
	} else {
		c.fail(c.peek().pos, c.found(), form, "")
	}
	if !s.from.Before(s.to) {
		c.wrong("it is not after the start of the span", "a later time", "")
	}
	if s.to.Sub(s.from) > maxDays*day {
		c.wrong("", fmt.Sprintf("a span of at most %d days", maxDays), "")
	}
	return s
}

// delivery says how records come.
func (p *parser) delivery(c *cursor, s statement) {
	d := delivery{pos: s.tokens[0].pos, text: strings.TrimPrefix(s.source, "deliver")}
	forms := []string{"in", "shuffled", "late", "twice", "live"}
	c.list(func() {
		switch c.one(forms) {
		case "in":
			c.one([]string{"order"})
		case "shuffled":
			d.shuffled = true
		case "late":
			d.late = 25 * time.Minute
			if !c.done() && !c.is(",") {
				d.late = c.positive()
			}
		case "twice":
			d.twice = c.share(0, 100, "a share such as 5%")
		case "live":
			d.live = true
		}
	})
	if d.live && d.shuffled {
		c.wrong("", "late deliveries where they are live", "what is live comes in time, or late")
	}
	p.now.deliveries = append(p.now.deliveries, d)
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

func (p *parser) accountID(c *cursor) string {
	t := c.word("an account of 12 digits")
	if !accountForm.MatchString(t.text) {
		c.wrong("", "an account of 12 digits", "")
	}
	return t.text
}

func (p *parser) regionName(c *cursor) string {
	t := c.word("a region such as eu-central-1")
	if !regionForm.MatchString(t.text) {
		c.wrong("", "a region such as eu-central-1", "")
	}
	return t.text
}
