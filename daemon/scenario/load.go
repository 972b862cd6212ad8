package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/simulate"
)

// load reads a statement that makes traffic for a while.
func (p *parser) load(c *cursor, s statement) {
	if _, ok := c.take("file"); ok {
		p.loadFile(c)
		return
	}
	src := p.source(s)
	src.span = c.span()
	src.caller = p.who(c)
	p.clauses(c, &src, true)
	if src.pattern.every == 0 && src.pattern.rate == 0 && src.pattern.clocks == nil {
		c.fail(s.tokens[0].pos, "traffic without a pattern", "one of every 5m, poisson 20/h, at 03:00, weekly mon 10:00, monthly 1 02:00", "")
	}
	p.now.sources = append(p.now.sources, src)
}

// at reads what happens at a time: calls, a record, what a user does, or an
// expectation.
func (p *parser) at(c *cursor, s statement) {
	at := c.time()
	if _, ok := c.take("expect"); ok {
		p.expect(c, s, at)
		return
	}
	if _, ok := c.take("json"); ok {
		p.json(c, at)
		return
	}
	switch what, _ := c.take("thumbs", "rebaseline"); what {
	case "thumbs":
		p.thumbs(c, s, at)
		return
	case "rebaseline":
		p.rebaseline(c, s, at)
		return
	}
	src := p.source(s)
	src.span = span{at, at.Add(maxDays * day)}
	src.pattern.once = true
	src.caller = p.who(c)
	p.clauses(c, &src, false)
	p.now.sources = append(p.now.sources, src)
}

// source begins a source with what all have.
func (p *parser) source(s statement) source {
	n := p.texts[s.source]
	p.texts[s.source]++
	return source{
		pos: s.tokens[0].pos, text: s.source, number: n, fewest: 1, most: 1, failShare: 1, region: p.region, agent: simulate.Agents()["aws-cli"],
		addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.10/32")},
		pattern:   pattern{zone: time.UTC, window: window{days: [7]bool{true, true, true, true, true, true, true}, to: day}},
	}
}

var callerWords = []string{"user", "person", "role", "service", "root"}

// who takes an identity.
func (p *parser) who(c *cursor) simulate.Caller {
	kind := c.one(callerWords)
	who := simulate.Caller{Kind: simulate.CallerKind(slices.Index(callerWords, kind)), Account: p.account}
	if kind == "root" {
		return who
	}
	names := map[string]string{
		"user": "the name of a user", "person": "an e-mail address", "role": "the name of a role", "service": "a service such as lambda.amazonaws.com",
	}
	t := c.word(names[kind])
	if who.Name = t.text; !nameForm.MatchString(who.Name) || kind == "person" && !strings.Contains(who.Name, "@") ||
		kind == "service" && !strings.Contains(who.Name, ".") {
		c.wrong("", names[kind], "")
	}
	if kind == "person" {
		if _, ok := c.take("as"); ok {
			t := c.word("the name of a permission set")
			if who.Role = t.text; !nameForm.MatchString(who.Role) {
				c.wrong("", "the name of a permission set", "")
			}
		}
	}
	return who
}

// nameForm is what IAM takes for a name.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)

// The words that begin a clause of load and of calls at a time.
var (
	callWords    = []string{"from", "agent", "error", "region", "account", "key", "console", "read", "write", "with"}
	patternWords = []string{"every", "poisson", "at", "weekly", "monthly", "weekdays", "weekends", "on", "hours", "zone", "growth"}
)

// clauses takes what is said of the calls of a source, in any order. Only what
// goes on for a while has a pattern.
func (p *parser) clauses(c *cursor, s *source, lasting bool) {
	words := callWords
	if lasting {
		words = append(slices.Clone(patternWords), callWords...)
	}
	for !c.done() {
		t := c.peek()
		switch {
		case t.form == word && contains(words, t.text):
			c.i++
			if lasting && contains(patternWords, t.text) {
				c.pattern(s, t.text)
			} else {
				p.clause(c, s, t.text)
			}
		case t.form == word && countForm.MatchString(t.text):
			c.calls(s)
		case t.form == text || t.form == word && strings.Contains(t.text, ":"):
			if s.apis != nil {
				c.fail(t.pos, "a second list of operations", "one, in which commas separate them", "put a comma between them")
			}
			c.list(func() { s.apis = append(s.apis, c.api()) })
		default:
			c.fail(t.pos, c.found(), "an operation such as ec2:RunInstances, a number of calls, or "+oneOf(words), didYouMean(t.text, words))
		}
	}
	if s.apis == nil {
		c.fail(c.peek().pos, c.found(), "an operation such as ec2:RunInstances", "")
	}
}

var countForm = regexp.MustCompile(`^[0-9]+(-[0-9]+)?$`)

// calls takes 30 calls in 5m, or 300-900 calls in 1h.
func (c *cursor) calls(s *source) {
	const form = "a number of calls, or two such as 300-900, up to 1000000"
	t := c.word(form)
	a, b, isRange := strings.Cut(t.text, "-")
	var err, err2 error
	s.fewest, err = strconv.Atoi(a)
	s.most = s.fewest
	if isRange {
		s.most, err2 = strconv.Atoi(b)
	}
	if err != nil || err2 != nil || s.fewest > s.most || s.most < 1 || s.most > 1_000_000 {
		c.wrong("", form, "")
	}
	c.one([]string{"calls", "call"})
	if _, ok := c.take("in"); ok {
		s.spread = c.positive()
	}
}

var apiForm = regexp.MustCompile(`^[a-z0-9-]{1,64}:[A-Za-z][A-Za-z0-9_]{0,127}$`)

// api takes an operation. One that is a slip of the keyboard away from one that
// is known is taken for a mistake, unless it stands in quotes. Another verb is
// no slip.
func (c *cursor) api() string {
	const form = "an operation as IAM writes it, such as ec2:RunInstances"
	t := c.word(form)
	if !apiForm.MatchString(t.text) {
		c.wrong("", form, "")
	}
	if t.form == word && !simulate.Known(t.text) {
		for _, k := range simulate.Operations() {
			if sameVerb(k, t.text) && distance(strings.ToLower(k), strings.ToLower(t.text)) <= 1 {
				c.wrong("", "an operation", fmt.Sprintf("did you mean %q? If not, put it into quotes", k))
			}
		}
	}
	return t.text
}

// sameVerb reports whether two operations begin with the same two letters.
func sameVerb(a, b string) bool {
	_, x, _ := strings.Cut(a, ":")
	_, y, _ := strings.Cut(b, ":")
	return len(x) > 1 && len(y) > 1 && strings.EqualFold(x[:2], y[:2])
}

// clause takes what is said of calls after its first word.
func (p *parser) clause(c *cursor, s *source, first string) {
	switch first {
	case "from":
		s.addresses, s.host = nil, ""
		c.list(func() { c.address(s) })
	case "agent":
		t := c.word("a user agent")
		if s.agent = t.text; t.form == word {
			known := simulate.Agents()
			full, ok := known[t.text]
			if !ok {
				var names []string
				for n := range known {
					names = append(names, n)
				}
				slices.Sort(names)
				c.wrong("", oneOf(names)+", or a user agent in quotes", didYouMean(t.text, names))
			}
			s.agent = full
		}
	case "error":
		t := c.word("an error code such as AccessDenied")
		if s.failure = t.text; !errorForm.MatchString(t.text) {
			c.wrong("", "an error code such as AccessDenied", "")
		}
		if !c.done() && c.peek().form == word && strings.HasSuffix(c.peek().text, "%") {
			s.failShare = c.share(0, 100, "a share of 0% to 100%")
		}
	case "region":
		s.region = p.regionName(c)
	case "account":
		s.caller.Account = p.accountID(c)
	case "key":
		if s.caller.Kind != simulate.CallerUser && s.caller.Kind != simulate.CallerRoot {
			c.wrong("it has no key that lasts", "a user with more than one key", "")
		}
		s.key = c.whole(1, 100, "the number of a key, from 1")
	case "console":
		s.console = true
		if s.agent == simulate.Agents()["aws-cli"] {
			s.agent = simulate.Agents()["console"]
		}
	case "read", "write":
		read := first == "read"
		s.read = &read
	case "with":
		t := c.next("the parameters of the request in braces")
		if t.form != object || !json.Valid([]byte(t.text)) {
			c.wrong("", "the parameters of the request as JSON in braces", "")
		}
		s.parameters = t.text
	}
}

var errorForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._]{0,127}$`)

// address takes an address, a network of which each call has another address, or
// the name of a host.
func (c *cursor) address(s *source) {
	const form = "an address, a network such as 198.51.100.0/24, or the name of a host"
	t := c.word(form)
	if a, err := netip.ParseAddr(t.text); err == nil && a.Zone() == "" {
		s.addresses = append(s.addresses, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		return
	}
	if n, err := netip.ParsePrefix(t.text); err == nil {
		if n != n.Masked() {
			c.wrong("bits are set behind the prefix", form, "the network is "+n.Masked().String())
		}
		s.addresses = append(s.addresses, n)
		return
	}
	if !hostForm.MatchString(t.text) || !strings.ContainsAny(t.text, "abcdefghijklmnopqrstuvwxyz ") {
		c.wrong("", form, "")
	}
	s.host = t.text
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9 .-]{1,253}$`)

// pattern takes when a source is at work, after the first word.
func (c *cursor) pattern(s *source, first string) {
	p := &s.pattern
	switch first {
	case "every", "poisson", "at", "weekly", "monthly":
		if p.every != 0 || p.rate != 0 || p.clocks != nil {
			c.wrong("a second pattern", "one", "write another load")
		}
	}
	const clockForm = "a time of day such as 03:00"
	switch first {
	case "every":
		if p.every = c.positive(); p.every < time.Second {
			c.wrong("", "at least 1s", "")
		}
		c.jitter(p)
	case "poisson":
		c.poisson(p)
	case "at":
		c.list(func() {
			const form = "a time of day such as 03:00, or a minute of every hour such as :00"
			t := c.word(form)
			minute, hourly := strings.CutPrefix(t.text, ":")
			if p.clocks != nil && hourly != p.hourly {
				c.wrong("", "times of day, or minutes of every hour, not both", "write another load")
			}
			if p.hourly = hourly; hourly {
				n, err := strconv.Atoi(minute)
				if err != nil || len(minute) != 2 || n < 0 || n > 59 {
					c.wrong("", form, "")
				}
				p.clocks = append(p.clocks, time.Duration(n)*time.Minute)
				return
			}
			d, err := parseClock(t.text)
			if err != nil {
				c.wrong(err.Error(), form, "")
			}
			p.clocks = append(p.clocks, d)
		})
		c.jitter(p)
	case "weekly":
		p.window.days = c.days()
		p.clocks = []time.Duration{c.clock(clockForm)}
		c.jitter(p)
	case "monthly":
		c.list(func() { p.dates = append(p.dates, c.whole(1, 31, "a day of the month")) })
		p.clocks = []time.Duration{c.clock(clockForm)}
		c.jitter(p)
	case "weekdays":
		p.window.days = [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}
		c.hours(p, false)
	case "weekends":
		p.window.days = [7]bool{0: true, 6: true}
		c.hours(p, false)
	case "on":
		p.window.days = c.days()
		c.hours(p, false)
	case "hours":
		c.hours(p, true)
	case "zone":
		t := c.word("a time zone such as Europe/Berlin")
		z, err := time.LoadLocation(t.text)
		if err != nil || t.text == "Local" {
			c.wrong("", "a time zone such as Europe/Berlin", "")
		}
		p.zone = z
	case "growth":
		p.growth = c.share(-50, 100, "a growth a day such as 3% or -2%, between -50% and 100%")
	}
}

// days takes days of the week.
func (c *cursor) days() (out [7]bool) {
	c.list(func() { out[slices.Index(weekdayWords, c.one(weekdayWords))] = true })
	return out
}

// hours takes hours such as 9-17. They may be left out unless they must stand.
func (c *cursor) hours(p *pattern, must bool) {
	const form = "hours such as 9-17 or 22:30-6"
	t := c.peek()
	if !must && (c.done() || t.form != word || !hoursForm.MatchString(t.text) || c.i+1 < len(c.tokens) && strings.HasPrefix(c.tokens[c.i+1].text, "call")) {
		return
	}
	t = c.word(form)
	from, to, err := parseHours(t.text)
	if err != nil {
		c.wrong(err.Error(), form, "")
	}
	p.window.from, p.window.to = from, to
}

var hoursForm = regexp.MustCompile(`^[0-9]{1,2}(:[0-9]{2})?-[0-9]{1,2}(:[0-9]{2})?$`)

// jitter takes ± 1m, where it stands there.
func (c *cursor) jitter(p *pattern) {
	if _, ok := c.take("±"); ok {
		p.jitter = c.positive()
	}
}

// poisson takes a rate such as 20/h.
func (c *cursor) poisson(p *pattern) {
	const form = "a rate such as 20/h, with the units s, m, h, d and w"
	t := c.word(form)
	n, unit, _ := strings.Cut(t.text, "/")
	f, err := strconv.ParseFloat(n, 64)
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}[unit]
	if err != nil || seconds == 0 || !(f > 0 && f <= 1e6) {
		c.wrong("", form, "")
	}
	if p.rate = f / seconds; p.rate > 1000 {
		c.wrong("", "at most 1000 a second", "")
	}
}

// json takes a record as it is. Its time is replaced where the statement has
// one.
func (p *parser) json(c *cursor, at time.Time) {
	t := c.next("a record as JSON in braces")
	if t.form != object || !json.Valid([]byte(t.text)) {
		c.wrong("", "a record as JSON in braces", "")
	}
	list, err := rawRecords("", []byte(t.text))
	if err != nil {
		c.wrong(err.Error(), "a record that the daemon can read", "")
	}
	p.addRaw(c, list, at)
}

// loadFile takes the records of a file, moved so that the first happens at the
// time that is given, if one is.
func (p *parser) loadFile(c *cursor) {
	t := c.word("the name of a file")
	if p.o.ReadFile == nil {
		c.wrong("no files can be read here", "a script without files", "")
	}
	b, err := p.o.ReadFile(t.text)
	if err != nil {
		c.wrong(err.Error(), "a file, by its path from the script's folder", "")
	}
	list, err := rawRecords(t.text, b)
	if err != nil {
		c.wrong(err.Error(), "records that the daemon can read", "")
	}
	var at time.Time
	if _, ok := c.take("at"); ok {
		at = c.time()
	}
	p.addRaw(c, list, at)
}

// addRaw adds records, moved so that the first happens at a time unless that is
// zero.
func (p *parser) addRaw(c *cursor, list []rawRecord, at time.Time) {
	first := list[0].at
	for _, r := range list {
		if r.at.Before(first) {
			first = r.at
		}
	}
	if !at.IsZero() {
		by := at.Sub(first)
		for i := range list {
			r := &list[i]
			was := r.at
			r.at = r.at.Add(by)
			moved, ok := retime(r.json, was, r.at)
			if !ok {
				c.wrong("an eventTime that cannot be moved", "records with an eventTime in RFC 3339", "leave the time out of the statement")
			}
			r.json = moved
		}
	}
	for _, r := range list {
		if y := r.at.Year(); y < 2021 || y > 2080 {
			c.wrong("an event of the year "+strconv.Itoa(y), "events between the years 2021 and 2080", "say when it happens, with at")
		}
	}
	p.now.sources = append(p.now.sources, source{pos: c.tokens[0].pos, raw: list})
}

// rawRecords reads records as the daemon does.
func rawRecords(name string, b []byte) ([]rawRecord, error) {
	r := event.NewReader(bytes.NewReader(b), event.ReaderOptions{Name: name})
	var out []rawRecord
	for {
		var e event.Event
		err := r.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		// Records of a case are written one a line.
		var line bytes.Buffer
		if err := json.Compact(&line, e.Raw); err != nil {
			return nil, fmt.Errorf("a record that is no JSON: %w", err)
		}
		out = append(out, rawRecord{e.Time, line.Bytes()})
	}
	if len(out) == 0 {
		return nil, errors.New("no record")
	}
	return out, nil
}

// retime puts another time into a record.
func retime(raw []byte, was, now time.Time) ([]byte, bool) {
	var r struct {
		EventTime string `json:"eventTime"`
	}
	if json.Unmarshal(raw, &r) != nil || r.EventTime == "" {
		return nil, false
	}
	old, err := time.Parse(time.RFC3339, r.EventTime)
	if err != nil || !old.Equal(was) {
		return nil, false
	}
	from := []byte(`"eventTime":"` + r.EventTime + `"`)
	if !bytes.Contains(raw, from) {
		return nil, false
	}
	return bytes.Replace(raw, from, []byte(`"eventTime":"`+now.UTC().Format(time.RFC3339)+`"`), 1), true
}
