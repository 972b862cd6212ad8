package engine

import (
	"context"
	"slices"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/rules"
)

// ruling is what a stream knows of rules: those in use, and their windows. Rules
// teach nothing. What is learned they know by the facts first_use and days_used alone.
type ruling struct {
	set   *rules.Set
	state *rules.State
	facts ruleFacts
	found []rules.Match // Of one event; used again.
	// probe and probed ask which events have to be read with their records. They
	// are used by the goroutine that reads, while another may evaluate.
	probe  *rules.State
	probed ruleFacts
	// open is how many insights of rules are open.
	open int
	// findings counts by rule since the daemon started.
	findings map[string]uint64
}

func newRuling(set *rules.Set) ruling {
	return ruling{set: set, state: rules.NewState(rules.Limits{}), probe: rules.NewState(rules.Limits{}), findings: map[string]uint64{}}
}

// rulesInForce are the rules that streams use from their next watermark on.
func (o *Options) rulesInForce() *rules.Set {
	if o.ruleset != nil {
		return o.ruleset.Load()
	}
	none, _ := rules.Load(nil, rules.Options{})
	return none
}

// SetRules puts rules in force: for what arrives from now on, and for what becomes
// final from each stream's next watermark on. Rules whose conditions are as they were
// keep their windows.
func (e *Engine) SetRules(set *rules.Set) { e.o.ruleset.Store(set) }

// adopt has the stream use the rules that are in force.
func (s *stream) adopt() {
	set := s.o.rulesInForce()
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.rules.set == set {
		return
	}
	s.rules.set = set
	s.rules.state.Adopt(set)
	if fork := s.preview.rules; fork != nil {
		fork.Adopt(set)
	}
}

// RuleFindings counts the findings of each rule in all streams since the daemon
// started.
func (e *Engine) RuleFindings() map[string]uint64 {
	out := map[string]uint64{}
	for _, s := range e.list() {
		s.ask(func() {
			for id, n := range s.rules.findings {
				out[id] += n
			}
		})
	}
	return out
}

// RuleMatches counts by rule the events that are final and that its conditions
// match, in all streams since the daemon started. Of a rule that counts they are
// those that count, whether it fired or not.
func (e *Engine) RuleMatches() map[string]uint64 {
	out := map[string]uint64{}
	for _, s := range e.list() {
		s.ask(func() {
			for id, n := range s.rules.state.Matched() {
				out[id] += n
			}
		})
	}
	return out
}

// readJudged is read with the records that rules look into. It is called by one
// goroutine at a time.
func (s *stream) readJudged(ctx context.Context, q eventlog.ReadQuery) ([]event.Event, error) {
	r := &s.rules
	if r.set.Active() == 0 {
		return s.read(ctx, q)
	}
	return s.readWith(ctx, q, func(e *event.Event) bool {
		if !e.Call() || s.ahead(e) {
			return false
		}
		r.probed.reset(e)
		return r.set.NeedsRecord(r.probe, &r.probed)
	})
}

// evaluate returns the rules that an event matches, with the windows of st. They are
// good until it is called again.
func (s *stream) evaluate(st *rules.State, e *event.Event) []rules.Match {
	r := &s.rules
	if r.set.Active() == 0 || !e.Call() {
		return nil
	}
	r.facts.reset(e)
	r.facts.s = s
	r.found = r.set.Evaluate(st, &r.facts, r.found[:0])
	return r.found
}

// rule raises the insights of the rules that an event matches which is final.
func (s *stream) rule(e *event.Event, w *who) {
	list := s.evaluate(s.rules.state, e)
	for i := range list {
		s.ruled(&list[i], list, e, w)
	}
}

// ruleLate is rule for an event that came after its minute was final.
func (s *stream) ruleLate(e *event.Event) {
	list := s.evaluate(s.rules.state, e)
	if len(list) == 0 && !s.breakGlass(e) {
		return
	}
	w := s.acquaintance(e)
	s.ruleBreakGlass(e, w)
	for i := range list {
		s.ruled(&list[i], list, e, w)
	}
}

// acquaintance is what is known of an event's identity, and somebody new where
// nothing is: what only the preview knows of is none of it.
func (s *stream) acquaintance(e *event.Event) *who {
	id := s.symbols.of(e.Actor.Identity)
	if w := s.identities[id]; w != nil {
		return w
	}
	w := newWho(id, s.symbols.name(id), e.Actor.Kind, minuteOf(e.Time))
	w.userTypes = []string{e.Actor.RawType}
	return w
}

// ruled raises the insight of a match, has the open one go on, or takes it back.
// all are the matches of the event.
func (s *stream) ruled(x *rules.Match, all []rules.Match, e *event.Event, w *who) {
	f, m := s.ruleFinding(x, e, w), minuteOf(x.Time)
	o := s.sights[f.key()]
	switch {
	case x.State == rules.Withdrawn:
		// What came late may only have moved the beginning.
		instead := slices.ContainsFunc(all, func(y rules.Match) bool {
			return y.State == rules.Fired && y.Rule == x.Rule && slices.Equal(y.Group, x.Group)
		})
		if o != nil && !instead && o.raised.Detected.Equal(x.Time) {
			s.dropSight(o)
			in := o.raised
			in.State = insight.StateWithdrawn
			s.put(in)
		}
	case o == nil:
		if s.set.OpenInsights > 0 && s.rules.open >= s.set.OpenInsights && x.Rule != breakGlassRule {
			s.capped++
			return
		}
		s.addSight(s.sightOf(&f, e, m))
	case m+o.quiet < minuteOf(o.raised.Start): // It came late, and is of another time.
		s.conclude(s.sightOf(&f, e, m))
	default:
		o.seen = max(o.seen, m)
		o.events.admit(e)
		if o.vigil.by != "" {
			s.straySight(o, e, m)
		}
	}
}

// sightOf tells of a finding of a rule as a new insight.
func (s *stream) sightOf(f *finding, e *event.Event, m models.Minute) *sight {
	in := s.portray(f, e, m)
	by := s.decide(&in, f, s.budget, m)
	in.Supersedes = s.preview.confirmed(s, in)
	s.rules.findings[f.object]++
	s.put(in)
	return &sight{key: f.key(), raised: in, vigil: vigil{by: by}, events: f.events, quiet: f.quiet, until: f.until, seen: m}
}

// foreseeRules looks for rules that an event matches on arrival, on a copy of
// their windows.
func (s *stream) foreseeRules(e *event.Event) {
	p, r := s.preview, &s.rules
	if p.rules == nil {
		p.rules = r.state.Fork()
	}
	found := s.evaluate(p.rules, e)
	if s.breakGlass(e) {
		found = append(slices.Clone(found), *breakGlassMatch(e))
	}
	var w *who
	for _, x := range found {
		if x.State != rules.Fired || len(p.findings) >= foreseenLimit {
			continue
		}
		if w == nil {
			if w = p.people[s.symbols.of(e.Actor.Identity)]; w == nil {
				w = s.acquaintance(e)
			}
		}
		f := s.ruleFinding(&x, e, w)
		if s.sights[f.key()] != nil || p.slots[f.slot(s.key.Provider)] != nil {
			continue
		}
		arrived := *e
		arrived.Raw = nil
		p.findings = append(p.findings, arrivedFinding{f, arrived, minuteOf(x.Time)})
	}
}

// ruleStateChunk is in pieces of how many bytes windows are written into a
// snapshot.
const ruleStateChunk = 1 << 20

// ruleFields are the windows of the rules.
func (s *stream) ruleFields(d *codec) {
	if d.used != nil {
		return
	}
	var chunks [][]byte
	if !d.reading() {
		chunks = slices.Collect(slices.Chunk(s.rules.state.Snapshot(nil), ruleStateChunk))
	}
	list(d, &chunks, func(p *[]byte) { *p = d.bytes(*p) })
	if !d.reading() || d.err != nil {
		return
	}
	st, err := rules.Restore(slices.Concat(chunks...), rules.Limits{})
	if err != nil {
		d.fail(err)
		return
	}
	st.Adopt(s.rules.set)
	s.rules.state = st
}

// ruleCoverage says how many rules look at the stream.
func (s *stream) ruleCoverage() (active, shadow int) {
	for _, r := range s.rules.set.Rules() {
		switch {
		case r.Dormant || len(r.Providers) > 0 && !slices.Contains(r.Providers, s.key.Provider):
		case r.Shadow:
			shadow++
		default:
			active++
		}
	}
	return active, shadow
}
