package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Action is what a user does while records are delivered: says something of
// insights, or that the role of an identity changed.
type Action struct {
	At time.Time
	// Identity and Account are whose role changed; empty where it is a verdict on
	// insights.
	Identity, Account string
	Verdict           insight.Judgement

	of   *Case
	what *expectation
}

// Chosen lists the insights that the verdict is about, by their ids.
func (a *Action) Chosen(found []insight.Insight) ([]string, error) {
	var out []string
	for _, i := range a.what.matching(found) {
		out = append(out, found[i].ID)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s:%d:%d: expected %s%s to give a verdict on at %s, found none%s%s", a.of.File, a.what.pos.line, a.what.pos.column,
			a.what.types[0], a.what.describe(), offset(a.At, a.of.start), a.what.nearest(a.of, found), a.of.instead(found))
	}
	return out, nil
}

// Unknown is the error of an action on an identity that the line does not know.
func (a *Action) Unknown() error {
	return fmt.Errorf("%s:%d:%d: found %s, expected an identity that has made calls by %s", a.of.File, a.what.pos.line, a.what.pos.column,
		a.Identity, offset(a.At, a.of.start))
}

// thumbs reads a verdict on the insights of a type for which conditions hold.
func (p *parser) thumbs(c *cursor, s statement, at time.Time) {
	verdict := insight.Judgement(c.one([]string{string(insight.Up), string(insight.Down)}))
	x := &expectation{pos: s.tokens[0].pos, text: s.source, plain: true}
	if x.types = c.types(); len(x.types) > 1 {
		c.wrong("", "one type of insight", "write a statement for each type")
	}
	for !c.done() {
		x.conds = append(x.conds, p.condition(c, x))
	}
	p.now.actions = append(p.now.actions, Action{At: at, Verdict: verdict, what: x})
}

// rebaseline reads that the role of an identity changed.
func (p *parser) rebaseline(c *cursor, s statement, at time.Time) {
	who := p.who(c)
	p.now.actions = append(p.now.actions, Action{
		At: at, Identity: who.Identity(), Account: who.Account, what: &expectation{pos: s.tokens[0].pos, text: s.source},
	})
}

// acted are the case's actions in order of time.
func (c *Case) acted() []Action {
	out := slices.Clone(c.actions)
	slices.SortStableFunc(out, func(a, b Action) int { return a.At.Compare(b.At) })
	for i := range out {
		out[i].of = c
	}
	return out
}
