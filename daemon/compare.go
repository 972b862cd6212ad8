package daemon

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// Change is what became of an insight under another configuration.
type Change string

// The changes.
const (
	// Gained insights are there under the other configuration only, Lost ones under
	// the first only.
	Gained Change = "gained"
	Lost   Change = "lost"
	// Moved insights are there under both, and what a reader is told of them differs.
	Moved Change = "moved"
)

// Difference is an insight that is not the same under two configurations.
type Difference struct {
	Change Change `json:"change"`
	// Fields are what differs in an insight that moved: object, start, level,
	// severity, suppressed.
	Fields []string `json:"fields,omitempty"`
	// Before is the insight under the first configuration, After under the other; nil
	// where it is not there. They are records of how it ended, or of its start where
	// it goes on.
	Before *insight.Record `json:"before,omitempty"`
	After  *insight.Record `json:"after,omitempty"`
}

// Comparison is what differs between two configurations.
type Comparison struct {
	// First and Other are what each of them found.
	First, Other *Report
	// Differences are those gained, then those lost, then those that moved; of each
	// first what is told, then what is suppressed, in order of time.
	Differences []Difference
	// Same counts the insights that are the same.
	Same int
}

// Count is how many insights changed in one way.
func (c *Comparison) Count(change Change) int {
	n := 0
	for i := range c.Differences {
		if c.Differences[i].Change == change {
			n++
		}
	}
	return n
}

// Compare runs history through the line under the configuration of the options and
// under another, and tells what differs. The history is read once and judged twice:
// what the other configuration understands otherwise is understood anew as it is read
// from the temporary log.
func Compare(ctx context.Context, o ReplayOptions, other *config.Config) (*Comparison, error) {
	o.setDefaults()
	begun := time.Now()
	t, err := readTemporary(ctx, o)
	if err != nil {
		return nil, err
	}
	defer t.close()
	part := int64(0)
	if judging := o.Judging; judging != nil {
		o.Judging = func(done, total int64) { judging(part*total+done, 2*total) }
	}
	c := &Comparison{}
	if c.First, err = t.report(ctx, o, t.judge, begun); err != nil {
		return nil, err
	}
	first := t.judge
	first.engine, t.in.engine = nil, nil // The second takes as much memory as it did.

	begun, part, o.Config = time.Now(), 1, other
	second, err := newJudge(o, t.log, first)
	if err != nil {
		return nil, err
	}
	defer second.store.Close()
	if c.Other, err = t.report(ctx, o, second, begun); err != nil {
		return nil, err
	}
	c.Differences, c.Same = differences(c.First.Insights, c.Other.Insights)
	return c, nil
}

// understand returns how events are understood by one enrichment that are stored as
// another understands them, and which of them need their records for that. Both are nil
// where nothing differs.
func understand(stored, now *enrich.Enricher) (again func(*event.Event), raw func(*event.Event) bool) {
	switch {
	case maps.Equal(stored.Versions(), now.Versions()):
		return nil, nil
	case stored.SamePeople(now):
		return now.Again, now.Conditional
	}
	return func(e *event.Event) {
		late, raw := e.Late, e.Raw
		// What was read can be read again.
		if len(raw) > 0 && decodeAgain(now, e) == nil {
			e.Late = late
		}
	}, func(*event.Event) bool { return true }
}

// pair is an insight under both configurations.
type pair struct{ before, after *insight.Insight }

// differences pairs the insights of two configurations, and tells those that differ
// and how many do not. What was withdrawn counts as not there.
func differences(before, after []insight.Insight) (out []Difference, same int) {
	b, a := inOrder(before), inOrder(after)
	var pairs []pair
	for _, alike := range []func(x *insight.Insight) likeness{byID, byObject, byIncident} {
		pairs, b, a = join(pairs, b, a, alike)
	}
	for _, in := range toldFirst(a) {
		out = append(out, Difference{Change: Gained, After: recordOf(in)})
	}
	for _, in := range toldFirst(b) {
		out = append(out, Difference{Change: Lost, Before: recordOf(in)})
	}
	slices.SortStableFunc(pairs, func(x, y pair) int { return inTime(x.after, y.after) })
	for _, p := range pairs {
		if fields := moved(p); len(fields) > 0 {
			out = append(out, Difference{Change: Moved, Fields: fields, Before: recordOf(p.before), After: recordOf(p.after)})
		} else {
			same++
		}
	}
	return out, same
}

// inOrder lists what was not withdrawn in order of time.
func inOrder(list []insight.Insight) []*insight.Insight {
	list = standing(list)
	out := make([]*insight.Insight, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	slices.SortStableFunc(out, inTime)
	return out
}

func inTime(a, b *insight.Insight) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
}

// toldFirst has what is suppressed come after what is told.
func toldFirst(list []*insight.Insight) []*insight.Insight {
	slices.SortStableFunc(list, func(a, b *insight.Insight) int {
		switch {
		case a.Suppressed == "" && b.Suppressed != "":
			return -1
		case a.Suppressed != "" && b.Suppressed == "":
			return 1
		}
		return 0
	})
	return list
}

func recordOf(in *insight.Insight) *insight.Record {
	r := in.Record()
	return &r
}

// likeness is what two insights have in common that may be the same one.
type likeness struct{ id, typ, provider, account, identity, object, group, incident string }

func byID(in *insight.Insight) likeness { return likeness{id: in.ID} }

func byObject(in *insight.Insight) likeness {
	l := likeness{typ: in.Type, provider: in.Provider, account: in.Account, identity: in.Identity, object: in.Object}
	if in.Rule != nil {
		for _, v := range in.Rule.Group {
			l.group += v.Fact + "=" + v.Value + "\n"
		}
	}
	return l
}

// byIncident is for insights that have the same cause and name another object, such
// as the service of most of the calls. What rules find is told apart by the rule.
func byIncident(in *insight.Insight) likeness {
	if in.Rule != nil {
		return byObject(in)
	}
	return likeness{typ: in.Type, provider: in.Provider, account: in.Account, identity: in.Identity, incident: in.Incident}
}

// near is how far apart two insights may be that are the same one and started, or
// ended, at other times.
const near = time.Hour

// join pairs those of the insights that are alike and at the same time, each with the
// nearest, and returns those that are left. Both lists are in order of time.
func join(pairs []pair, before, after []*insight.Insight, alike func(*insight.Insight) likeness) (_ []pair, restBefore, restAfter []*insight.Insight) {
	groups := map[likeness][]*insight.Insight{}
	for _, in := range after {
		l := alike(in)
		groups[l] = append(groups[l], in)
	}
	taken := map[*insight.Insight]bool{}
	for _, in := range before {
		var best *insight.Insight
		for _, x := range groups[alike(in)] {
			if !taken[x] && overlap(in, x) && (best == nil || apart(in, x) < apart(in, best)) {
				best = x
			}
		}
		if best == nil {
			restBefore = append(restBefore, in)
			continue
		}
		taken[best] = true
		pairs = append(pairs, pair{in, best})
	}
	for _, in := range after {
		if !taken[in] {
			restAfter = append(restAfter, in)
		}
	}
	return pairs, restBefore, restAfter
}

// overlap reports whether two insights were at the same time, or nearly.
func overlap(a, b *insight.Insight) bool {
	before := func(x, y *insight.Insight) bool { return !x.End.IsZero() && x.End.Add(near).Before(y.Start) }
	return !before(a, b) && !before(b, a)
}

func apart(a, b *insight.Insight) time.Duration { return a.Start.Sub(b.Start).Abs() }

// moved says what differs of an insight.
func moved(p pair) []string {
	var out []string
	b, a := p.before, p.after
	for _, f := range []struct {
		name   string
		differ bool
	}{
		{"object", a.Object != b.Object},
		{"start", !a.Start.Truncate(time.Second).Equal(b.Start.Truncate(time.Second))},
		{"level", insight.Level(a.Confidence) != insight.Level(b.Confidence)},
		{"severity", a.Severity != b.Severity},
		{"suppressed", a.Suppressed != b.Suppressed},
	} {
		if f.differ {
			out = append(out, f.name)
		}
	}
	return out
}
