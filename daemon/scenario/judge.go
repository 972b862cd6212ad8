package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Failure is an expectation that does not hold.
type Failure struct {
	File         string
	Line, Column int
	// Text says what was expected and what there was instead, in lines.
	Text string
}

func (f *Failure) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// judge holds what was found against the expectations of a case.
func (c *Case) judge(found []insight.Insight) []Failure {
	var out []Failure
	told := make([]bool, len(found))
	for _, x := range c.expects {
		if x.demand == nothing {
			continue
		}
		matching := x.matching(found)
		if x.plain && x.demand != none {
			for _, i := range matching {
				told[i] = true
			}
		}
		if text := x.judge(c, found, matching); text != "" {
			out = append(out, c.failure(x, text))
		}
	}
	for _, x := range c.expects {
		if x.demand != nothing {
			continue
		}
		var more []insight.Insight
		for i, in := range found {
			if !told[i] && x.all(&found[i]) {
				more = append(more, in)
			}
		}
		if len(more) > 0 {
			out = append(out, c.failure(x, "expected nothing beside the other expectations, found"+c.list(more)))
		}
	}
	slices.SortStableFunc(out, func(a, b Failure) int { return a.Line - b.Line })
	return out
}

func (c *Case) failure(x *expectation, text string) Failure {
	return Failure{File: c.File, Line: x.pos.line, Column: x.pos.column, Text: text}
}

// matching lists the insights of the expected types for which every condition
// holds.
func (x *expectation) matching(found []insight.Insight) []int {
	var out []int
	for i := range found {
		if x.typed(&found[i]) && x.all(&found[i]) {
			out = append(out, i)
		}
	}
	return out
}

func (x *expectation) typed(in *insight.Insight) bool {
	return len(x.types) == 0 || contains(x.types, in.Type)
}

func (x *expectation) all(in *insight.Insight) bool {
	for _, cond := range x.conds {
		if ok, _ := cond.holds(in); !ok {
			return false
		}
	}
	return true
}

// judge says why an expectation does not hold, and nothing where it does.
func (x *expectation) judge(c *Case, found []insight.Insight, matching []int) string {
	switch x.demand {
	case none:
		if len(matching) == 0 {
			return ""
		}
		var list []insight.Insight
		for _, i := range matching {
			list = append(list, found[i])
		}
		return fmt.Sprintf("expected none%s, found%s", x.describe(), c.list(list))
	case incidents:
		return x.judgeIncident(c, found, matching)
	}
	if len(matching) == x.count || len(matching) > x.count && !x.exact {
		return ""
	}
	number := ""
	switch {
	case x.exact:
		number = fmt.Sprintf("exactly %d ", x.count)
	case x.count > 1:
		number = fmt.Sprintf("at least %d ", x.count)
	}
	text := fmt.Sprintf("expected %s%s%s, found ", number, x.types[0], x.describe())
	if len(matching) > 0 {
		var list []insight.Insight
		for _, i := range matching {
			list = append(list, found[i])
		}
		return text + fmt.Sprint(len(matching)) + c.list(list)
	}
	return text + "none" + x.nearest(c, found) + c.instead(found)
}

// judgeIncident looks for an incident that has an insight of each type.
func (x *expectation) judgeIncident(c *Case, found []insight.Insight, matching []int) string {
	of := map[string]map[string]bool{}
	var best []string
	for _, i := range matching {
		in := &found[i]
		if of[in.Incident] == nil {
			of[in.Incident] = map[string]bool{}
		}
		of[in.Incident][in.Type] = true
		if in.Incident != "" && len(of[in.Incident]) > len(best) {
			best = nil
			for _, t := range x.types {
				if of[in.Incident][t] {
					best = append(best, t)
				}
			}
		}
	}
	if len(best) == len(x.types) {
		return ""
	}
	had := "none of them"
	if len(best) > 0 {
		had = "at most " + strings.Join(best, ", ")
	}
	return fmt.Sprintf("expected one incident of %s%s, found %s in one%s", strings.Join(x.types, ", "), x.describe(), had, c.instead(found))
}

// describe is what an expectation says of its insights.
func (x *expectation) describe() string {
	var b strings.Builder
	if x.demand == none && len(x.types) > 0 {
		b.WriteString(" of " + strings.Join(x.types, ", "))
	}
	for i, cond := range x.conds {
		if i == 0 {
			b.WriteString(" with ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(cond.name + " " + cond.want)
	}
	return b.String()
}

// nearest says of the insight that comes nearest in what it differs.
func (x *expectation) nearest(c *Case, found []insight.Insight) string {
	best, least := -1, 0
	var differs []string
	for i := range found {
		if !x.typed(&found[i]) {
			continue
		}
		var d []string
		for _, cond := range x.conds {
			if ok, is := cond.holds(&found[i]); !ok {
				d = append(d, fmt.Sprintf("%s is %s and not %s", cond.name, is, cond.want))
			}
		}
		if best < 0 || len(d) < least {
			best, least, differs = i, len(d), d
		}
	}
	if best < 0 {
		return ""
	}
	return "\n  the nearest" + c.line(&found[best]) + "\n    " + strings.Join(differs, "\n    ")
}

// instead lists everything that was found.
func (c *Case) instead(found []insight.Insight) string {
	if len(found) == 0 {
		return "\n  nothing was raised"
	}
	return fmt.Sprintf("\n  raised were %d:", len(found)) + c.list(found)
}

// listed is how many insights a report shows.
const listed = 30

// list shows insights, one a line.
func (c *Case) list(found []insight.Insight) string {
	var b strings.Builder
	for i := range found {
		if i == listed {
			fmt.Fprintf(&b, "\n    and %d more", len(found)-listed)
			break
		}
		b.WriteString("\n   " + c.line(&found[i]))
	}
	return b.String()
}

// line shows an insight: type, object, who, from when to when, and how sure.
func (c *Case) line(in *insight.Insight) string {
	who := in.Identity
	if who == "" {
		who = "the account"
	}
	end := "goes on"
	if !in.Active() {
		end = offset(in.End, c.start)
	}
	s := fmt.Sprintf(" %s on %s by %s, %s (%s) to %s, confidence %.2f %s, severity %s",
		in.Type, in.Object, who, offset(in.Start, c.start), in.Start.UTC().Format(time.DateTime), end,
		in.Confidence, insight.Level(in.Confidence), in.Severity)
	if in.Suppressed != "" {
		s += ", suppressed for " + quote(in.Suppressed)
	}
	if in.Summary != "" {
		s += ": " + in.Summary
	}
	return s
}
