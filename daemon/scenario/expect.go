package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
)

// demand is what an expectation demands of the insights that its conditions
// hold for.
type demand uint8

const (
	some      demand = iota // At least, or exactly, so many.
	none                    // That there is none.
	nothing                 // That there is none beside those of other expectations.
	incidents               // One of each type, all of one incident.
)

// expectation is something that has to be true of what was found.
type expectation struct {
	pos    position
	text   string
	demand demand
	types  []string // Empty is any.
	count  int
	exact  bool
	conds  []condition
	// plain says that the expectation is of the whole case, not of a moment.
	plain bool
}

// condition is one thing that is said of an insight.
type condition struct {
	name string
	// want is what is said, as the report shows it.
	want string
	// holds reports whether it is true of an insight, and what is instead.
	holds func(in *insight.Insight) (bool, string)
}

// insightTypes are the types that can be expected.
var insightTypes = []string{
	insight.TypeAPICallRate, insight.TypeAPIErrorRate, insight.TypeIP, insight.TypeAk, insight.TypePolicyChange,
	insight.TypePasswordChange, insight.TypeTrailConcealment, insight.TypeFirstAction, insight.TypeOutOfHours,
	insight.TypeRisk, insight.TypeImpossibleTravel, insight.TypeLoginFailure, insight.TypeMassDeletion,
	insight.TypeLogGap, insight.TypeRule,
}

// expect reads an expectation. at is the moment that it is about, zero for the
// whole case.
func (p *parser) expect(c *cursor, s statement, at time.Time) {
	x := &expectation{pos: s.tokens[0].pos, text: s.source, count: 1, plain: at.IsZero()}
	if !x.plain {
		x.conds = append(x.conds, p.activeAt(at))
	}
	switch how, _ := c.take("none", "nothing", "incident", "exactly", "at"); how {
	case "none":
		x.demand = none
		if _, of := c.take("of"); of || contains(insightTypes, c.peek().text) {
			x.types = c.types()
		}
	case "nothing":
		x.demand = nothing
		c.one([]string{"else"})
	case "incident":
		x.demand = incidents
		c.one([]string{"of"})
		x.types = c.types()
	case "exactly":
		x.exact = true
		x.count = c.whole(1, 10000, "a number from 1 on")
		x.types = c.types()
	case "at":
		c.one([]string{"least"})
		x.count = c.whole(1, 10000, "a number from 1 on")
		x.types = c.types()
	default:
		x.types = c.types()
	}
	if x.demand == some && len(x.types) > 1 {
		c.wrong("", "one type of insight", "write an expectation for each type, or expect incident of …")
	}
	for !c.done() {
		x.conds = append(x.conds, p.condition(c, x))
	}
	p.now.expects = append(p.now.expects, x)
}

// types takes types of insights.
func (c *cursor) types() []string {
	var out []string
	c.list(func() {
		t := c.next("a type of insight, " + oneOf(insightTypes[:7]) + ", …")
		if t.form != word || !contains(insightTypes, t.text) {
			near := didYouMean(t.text, insightTypes)
			if full := t.text + "Insight"; near == "" && contains(insightTypes, full) {
				near = fmt.Sprintf("did you mean %q?", full)
			}
			c.wrong("", "a type of insight, "+oneOf(insightTypes[:7])+", …", near)
		}
		out = append(out, t.text)
	})
	return out
}

// conditionWords begin conditions.
var conditionWords = []string{
	"for", "on", "during", "starting", "detected", "ending", "active", "ended", "confidence", "score", "severity",
	"suppressed", "notified", "reason", "summary", "address", "region",
}

// condition takes one condition.
func (p *parser) condition(c *cursor, x *expectation) condition {
	t := c.peek()
	w := c.one(conditionWords)
	start := p.now.start
	switch w {
	case "for":
		return p.whose(c)
	case "on":
		return p.object(c, x)
	case "during":
		r := c.when()
		return condition{"time", r.text, func(in *insight.Insight) (bool, string) {
			over := in.Active() || !in.End.Before(r.from)
			return over && !in.Start.After(r.to), lasting(in, start)
		}}
	case "starting":
		return c.moment("start", start, func(in *insight.Insight) time.Time { return in.Start })
	case "detected":
		return c.moment("detection", start, func(in *insight.Insight) time.Time { return in.Detected })
	case "ending":
		return c.moment("end", start, func(in *insight.Insight) time.Time { return in.End })
	case "active", "ended":
		if !x.plain {
			c.fail(t.pos, quote(w), "no state where a moment is given", "what was active then is looked at")
		}
		return condition{"state", w, func(in *insight.Insight) (bool, string) {
			is := map[bool]string{true: "active", false: "ended"}[in.Active()]
			return is == w, is
		}}
	case "confidence":
		return c.confidence()
	case "score":
		return c.bound("score", func(in *insight.Insight) float64 { return in.Score })
	case "severity":
		return c.severity()
	case "suppressed":
		want := "suppressed"
		why := ""
		if c.peek().form == text {
			why = c.next("").text
			want = fmt.Sprintf("suppressed for %q", why)
		}
		return condition{"suppression", want, func(in *insight.Insight) (bool, string) {
			return in.Suppressed != "" && includes(in.Suppressed, why), suppression(in)
		}}
	case "notified":
		return condition{"suppression", "notified", func(in *insight.Insight) (bool, string) { return in.Suppressed == "", suppression(in) }}
	case "reason":
		want := c.word("a text that a reason has").text
		return condition{"reasons", fmt.Sprintf("one with %q", want), func(in *insight.Insight) (bool, string) {
			var all []string
			for _, r := range in.Reasons {
				if includes(r.Text, want) || includes(r.Feature, want) {
					return true, ""
				}
				all = append(all, strconv.Quote(r.Text))
			}
			return false, strings.Join(all, ", ")
		}}
	case "summary":
		want := c.word("a text that the summary has").text
		return condition{"summary", fmt.Sprintf("with %q", want), func(in *insight.Insight) (bool, string) {
			return includes(in.Summary, want), quote(in.Summary)
		}}
	case "address":
		want := c.word("an address").text
		return condition{"addresses", want, func(in *insight.Insight) (bool, string) {
			var all []string
			for _, a := range in.SourceIPs {
				all = append(all, a.IP)
			}
			return contains(all, want), strings.Join(all, ", ")
		}}
	}
	want := p.regionName(c)
	return condition{"region", want, func(in *insight.Insight) (bool, string) { return in.Region == want, in.Region }}
}

// includes reports whether a text is part of another, whatever the case of
// letters.
func includes(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

func suppression(in *insight.Insight) string {
	if in.Suppressed == "" {
		return "notified"
	}
	return "suppressed for " + quote(in.Suppressed)
}

// whose takes an identity, or account for what is nobody's.
func (p *parser) whose(c *cursor) condition {
	want, name := "", "the account"
	if _, ok := c.take("account"); !ok {
		from := c.i
		who := p.who(c)
		want = who.Identity()
		var words []string
		for _, t := range c.tokens[from:c.i] {
			words = append(words, t.text)
		}
		name = strings.Join(words, " ")
	}
	return condition{"identity", name, func(in *insight.Insight) (bool, string) {
		if in.Identity == "" {
			return want == "", "the account"
		}
		return in.Identity == want, in.Identity
	}}
}

// object takes what an insight is about: an operation, a user's key, an address,
// a service, or any other text.
func (p *parser) object(c *cursor, x *expectation) condition {
	t := c.word("what the insight is about: an operation, key N of WHO, an address, a service")
	var want []string
	switch {
	case t.form == word && t.text == "key":
		n := c.whole(1, 100, "the number of a key, from 1")
		c.one([]string{"of"})
		who := p.who(c)
		if who.Kind != simulate.CallerUser && who.Kind != simulate.CallerRoot {
			c.wrong("it has no key that lasts", "a user", "")
		}
		want = []string{simulate.KeyID(who, n)}
	case apiForm.MatchString(t.text):
		want = []string{t.text, simulate.Qualified(t.text)}
	default:
		want = []string{t.text, t.text + ".amazonaws.com"}
	}
	shown := want[len(want)-1]
	if t.form == word && strings.ContainsAny(t.text, ".:") && !apiForm.MatchString(t.text) {
		shown = t.text // An address is no service.
	}
	return condition{"object", shown, func(in *insight.Insight) (bool, string) { return contains(want, in.Object), in.Object }}
}

// interval is a span of which both ends count, and how it is told of.
type interval struct {
	from, to time.Time
	text     string
}

var (
	longAgo = time.Unix(0, 0).UTC()
	farOff  = time.Unix(1<<33, 0).UTC()
)

// when takes TIME..TIME, TIME ± DURATION, TIME for DURATION, before TIME or
// after TIME.
func (c *cursor) when() interval {
	const form = "a span such as +2d..+3d, +2d10:00 ± 5m, +2d for 3h, before +2d or after +2d"
	start := c.p.now.start
	switch w, _ := c.take("before", "after"); w {
	case "before":
		at := c.time()
		return interval{longAgo, at.Add(-1), "before " + offset(at, start)}
	case "after":
		at := c.time()
		return interval{at.Add(1), farOff, "after " + offset(at, start)}
	}
	if c.done() || !looksLikeTime(c.peek().text) {
		c.fail(c.peek().pos, c.found(), form, "")
	}
	at := c.time()
	how, ok := c.take("..", "±", "for")
	if !ok {
		c.fail(c.peek().pos, c.found(), form, "")
	}
	r := interval{from: at}
	switch how {
	case "±":
		d := c.duration()
		r.from, r.to = at.Add(-d), at.Add(d)
	case "for":
		r.to = at.Add(c.positive())
	default:
		if r.to = c.time(); r.to.Before(at) {
			c.wrong("it is before the start of the span", "a later time", "")
		}
	}
	r.text = "between " + offset(r.from, start) + " and " + offset(r.to, start)
	return r
}

// lasting shows from when to when an insight lasted.
func lasting(in *insight.Insight, start time.Time) string {
	if in.Active() {
		return offset(in.Start, start) + " and going on"
	}
	return offset(in.Start, start) + " to " + offset(in.End, start)
}

// moment takes when something of an insight was.
func (c *cursor) moment(name string, start time.Time, of func(*insight.Insight) time.Time) condition {
	r := c.when()
	return condition{name, r.text, func(in *insight.Insight) (bool, string) {
		t := of(in)
		if t.IsZero() {
			return false, "none"
		}
		return !t.Before(r.from) && !t.After(r.to), offset(t, start)
	}}
}

// activeAt is the condition that an insight was told of by a moment, and not
// over.
func (p *parser) activeAt(at time.Time) condition {
	start := p.now.start
	return condition{"time", "active at " + offset(at, start), func(in *insight.Insight) (bool, string) {
		ok := !in.Start.After(at) && !in.Detected.After(at) && (in.Active() || !in.End.Before(at))
		return ok, lasting(in, start) + ", detected at " + offset(in.Detected, start)
	}}
}

// levels are the words for confidences, in rising order.
var levels = []string{insight.Level(0), insight.Level(0.5), insight.Level(0.8)}

// confidence takes a level, at least a level, or a bound such as >= 0.8.
func (c *cursor) confidence() condition {
	least := false
	if _, ok := c.take("at"); ok {
		c.one([]string{"least"})
		least = true
	} else if contains(bounds, c.peek().text) {
		return c.bound("confidence", func(in *insight.Insight) float64 { return in.Confidence })
	}
	want := c.one(levels)
	return ranked("confidence", want, least, levels, func(in *insight.Insight) (string, string) {
		l := insight.Level(in.Confidence)
		return l, fmt.Sprintf("%s (%.2f)", l, in.Confidence)
	})
}

// severities are the words for severities, in rising order.
var severities = []string{
	string(insight.SeverityLow), string(insight.SeverityMedium), string(insight.SeverityHigh), string(insight.SeverityCritical),
}

// severity takes a severity, or at least one.
func (c *cursor) severity() condition {
	_, least := c.take("at")
	if least {
		c.one([]string{"least"})
	}
	return ranked("severity", c.one(severities), least, severities, func(in *insight.Insight) (string, string) {
		return string(in.Severity), string(in.Severity)
	})
}

// ranked is a condition on one of several words that have an order.
func ranked(name, want string, least bool, order []string, of func(*insight.Insight) (value, shown string)) condition {
	shown := want
	if least {
		shown = "at least " + want
	}
	return condition{name, shown, func(in *insight.Insight) (bool, string) {
		v, s := of(in)
		if least {
			return slices.Index(order, v) >= slices.Index(order, want), s
		}
		return v == want, s
	}}
}

// bounds are the ways to compare a number.
var bounds = []string{">=", ">", "<=", "<"}

// bound takes a bound such as >= 0.8.
func (c *cursor) bound(name string, of func(*insight.Insight) float64) condition {
	op := c.one(bounds)
	n := c.number(-1e9, 1e9, "a number")
	return condition{name, op + " " + strconv.FormatFloat(n, 'g', -1, 64), func(in *insight.Insight) (bool, string) {
		v := of(in)
		ok := map[string]bool{">=": v >= n, ">": v > n, "<=": v <= n, "<": v < n}[op]
		return ok, strconv.FormatFloat(v, 'g', 4, 64)
	}}
}
