package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The kinds of incident.
const (
	kindBurst2        = "burst_x2"
	kindBurst5        = "burst_x5"
	kindBurst20       = "burst_x20"
	kindNewAPI        = "new_api_burst"
	kindSlowLow       = "slow_low"
	kindCredEnum      = "cred_enum"
	kindErrors5       = "error_burst_x5"
	kindErrors20      = "error_burst_x20"
	kindKeyNight      = "key_abuse_night"
	kindIPUnknown     = "ip_unknown"
	kindIPKnown       = "ip_known_prefix"
	kindPolicy        = "policy_op"
	kindPassword      = "password_op"
	kindTrail         = "trail_op"
	kindTakeover      = "takeover"
	kindPoisonSeed    = "poison_seed"
	kindPoisonRepeat  = "poison_repeat"
	insightCallRate   = "ApiCallRateInsight"
	insightErrorRate  = "ApiErrorRateInsight"
	insightIP         = "IpInsight"
	insightAk         = "AkInsight"
	insightPolicy     = "PolicyChangeInsight"
	insightPassword   = "PasswordChangeInsight"
	insightTrail      = "TrailConcealmentInsight"
	insightLogGap     = "LogGapInsight"
	poisonsPerAccount = 2
)

// KindKeyAbuse is key_abuse_night at any hour. It is for scripts.
const KindKeyAbuse = "key_abuse"

// Kinds returns the names of the kinds of incident that can be drawn.
// poison_seed and poison_repeat come as a pair: either name stands for both.
func Kinds() []string {
	return []string{
		kindBurst2, kindBurst5, kindBurst20, kindNewAPI, kindSlowLow, kindCredEnum, kindErrors5, kindErrors20, kindKeyNight,
		kindIPUnknown, kindIPKnown, kindPolicy, kindPassword, kindTrail, kindTakeover, kindPoisonSeed, kindPoisonRepeat,
	}
}

// plot is an incident that is being planned.
type plot struct {
	t    *Traffic
	a    *actor
	p    *profile
	rng  rng
	kind string
	no   uint64 // Number of the plot, part of its events' ids.
	n    uint64
	// at is when it starts, and duration overrides what would be drawn.
	at       int32
	duration float64
	calls    []call
	labels   []claim
}

// claim is a label before its events are counted.
type claim struct {
	insight string
	mine    func(*call) bool
	size    float64
	ref     float64
	hard    bool
	quiet   bool
}

// planner plans the incidents of an account.
type planner struct {
	t        *Traffic
	ac       *account
	rng      rng
	profiles map[int32]*profile
	busy     map[int32][]span
	poisons  int
	plots    []*plot
}

// attack plans all incidents and writes them into the truth.
func (t *Traffic) attack() error {
	var all []*plot
	no := uint64(0)
	for i, ac := range t.accounts {
		p := &planner{t: t, ac: ac, rng: newRNG(ac.seed, 50), profiles: map[int32]*profile{}, busy: map[int32][]span{}}
		for j := range t.o.Script {
			if s := &t.o.Script[j]; s.Account == i {
				if err := p.scripted(s, &no); err != nil {
					return fmt.Errorf("script entry %d: %w", j, err)
				}
			}
		}
		days := float64(t.end-t.warm) / daySeconds
		p.draw(p.rng.poisson(t.o.Incidents*days), &no)
		all = append(all, p.plots...)
	}
	for _, p := range all {
		p.settle()
	}
	all = slices.DeleteFunc(all, func(p *plot) bool { return len(p.calls) == 0 })
	slices.SortStableFunc(all, func(a, b *plot) int { return cmp.Compare(a.calls[0].t, b.calls[0].t) })
	for i, p := range all {
		t.injected = append(t.injected, p.calls...)
		p.tell(fmt.Sprintf("inc-%04d", i+1))
	}
	t.sortInjected()
	slices.SortStableFunc(t.truth.Labels, func(a, b Label) int { return a.Start.Compare(b.Start) })
	return nil
}

// sortInjected puts the calls that are injected into order of time.
func (t *Traffic) sortInjected() {
	slices.SortFunc(t.injected, func(a, b call) int { return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.id, b.id)) })
}

// draw plans n incidents of the account. The kinds are dealt from shuffled
// decks, so that all come about equally often.
func (p *planner) draw(n int, no *uint64) {
	var deck []string
	for misses := 0; n > 0 && misses < 200; {
		if len(deck) == 0 {
			deck = append(deck, p.t.o.Kinds...)
			shuffle(&p.rng, deck)
		}
		kind := deck[0]
		deck = deck[1:]
		if p.one(kind, no) {
			n--
		} else {
			misses++
		}
	}
}

// one plans an incident at a random time with somebody whom it suits. It
// reports false where nobody was found.
func (p *planner) one(kind string, no *uint64) bool {
	if kind == kindPoisonSeed || kind == kindPoisonRepeat {
		return p.poison(no)
	}
	span := p.t.end - p.t.warm
	for range 150 {
		at := p.t.warm + int32(p.rng.float()*float64(span))
		a := p.victim(kind, "")
		if a == nil {
			return false
		}
		if p.try(a, kind, at, 0, no, true) != nil {
			return true
		}
	}
	return false
}

// scripted plans an incident of the script, with anybody whom it suits.
func (p *planner) scripted(s *Scripted, no *uint64) error {
	at := int32(s.At.Sub(p.t.base) / time.Second)
	for range 400 {
		a := p.victim(s.Kind, s.Archetype)
		if a == nil {
			break
		}
		if p.try(a, s.Kind, at, s.Duration.Seconds(), no, false) != nil {
			return nil
		}
	}
	return fmt.Errorf("no identity %s is suited to %s at %s", s.Archetype, s.Kind, s.At.Format(time.RFC3339))
}

// victim draws somebody for a kind of incident, without looking at the profile.
func (p *planner) victim(kind, archetype string) *actor {
	var all []*actor
	for _, a := range p.ac.actors {
		if a.arch == awsService || a.joined > p.t.start || archetype != "" && a.arch.String() != archetype {
			continue
		}
		switch kind {
		case kindKeyNight, KindKeyAbuse:
			// Long-lived keys are what leaks most.
			if a.kind == iamUser {
				all = append(all, a, a, a)
			}
		case kindIPKnown:
			if !a.arch.person() || a.office < 0.2 {
				continue
			}
		case kindPolicy:
			if a.ops[policy] > 0 {
				continue
			}
		case kindPassword:
			if a.ops[password] > 0 {
				continue
			}
		case kindTrail:
			if a.ops[trail] > 0 {
				continue
			}
		case kindTakeover:
			if a.ops != [classes]float64{} {
				continue
			}
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return nil
	}
	return pick(&p.rng, all)
}

func (p *planner) profile(a *actor) *profile {
	q := p.profiles[a.idx]
	if q == nil {
		q = p.t.profile(a)
		p.profiles[a.idx] = q
	}
	return q
}

// try plans an incident with one actor. A free one may be moved to a fitting
// hour; one of a script may not. It returns nil where it does not suit.
func (p *planner) try(a *actor, kind string, at int32, duration float64, no *uint64, free bool) *plot {
	q := p.profile(a)
	for i := range a.changes {
		if c := &a.changes[i]; c.kind == vacation && c.has(at) {
			return nil
		}
	}
	if q.active < 2 && a.arch != sparse {
		return nil
	}
	*no++
	pl := &plot{
		t: p.t, a: a, p: q, rng: newRNG(p.ac.seed, 51, *no), kind: kind, no: *no, at: at, duration: duration,
	}
	if free {
		pl.move()
	}
	if !pl.plan() || len(pl.calls) == 0 {
		return nil
	}
	slices.SortStableFunc(pl.calls, func(a, b call) int { return cmp.Compare(a.t, b.t) })
	whole := span{pl.calls[0].t, pl.calls[len(pl.calls)-1].t}
	if free && (whole.from < p.t.warm && kind != kindPoisonSeed || whole.to >= p.t.end) {
		return nil
	}
	// Two incidents of one identity stay a day apart, or it would not be clear
	// which of them an insight is about.
	gap := int32(daySeconds)
	if !free {
		gap = 3600
	}
	for _, b := range p.busy[a.idx] {
		if whole.from < b.to+gap && b.from < whole.to+gap {
			return nil
		}
	}
	p.busy[a.idx] = append(p.busy[a.idx], whole)
	p.plots = append(p.plots, pl)
	return pl
}

// move moves the start into an hour in which the actor is at work, for what
// would happen there, or into the night.
func (p *plot) move() {
	switch p.kind {
	case kindKeyNight:
		offset := int32(sites[p.a.site].offset) * 3600
		day := floorDiv(p.at+offset, daySeconds)
		p.at = day*daySeconds - offset + int32(p.rng.between(3600, 15000))
	case kindBurst2, kindBurst5, kindBurst20, kindErrors5, kindErrors20, kindIPKnown, kindNewAPI, kindPolicy, kindPassword, kindTrail, kindIPUnknown:
		if !p.rng.chance(0.75) {
			return
		}
		total := 0
		for _, n := range p.p.hours {
			total += n
		}
		u := p.rng.intn(total)
		for hour, n := range p.p.hours {
			if u -= n; u < 0 {
				p.at = floorDiv(p.at, daySeconds)*daySeconds + int32(hour*3600+p.rng.intn(3600))
				break
			}
		}
		// People's calls of the weekend are few.
		if wd := p.t.at(p.at).Weekday(); p.a.arch.person() && (wd == time.Saturday || wd == time.Sunday) {
			p.at += 2 * daySeconds
		}
	}
}

// poison plans a pair: a burst of hours within the warm-up, which a detector
// might learn as usual, and a smaller one of the same after it.
func (p *planner) poison(no *uint64) bool {
	limit := poisonsPerAccount
	if !slices.ContainsFunc(p.t.o.Kinds, func(k string) bool { return k != kindPoisonSeed && k != kindPoisonRepeat }) {
		limit = 1 << 30
	}
	room := p.t.warm - p.t.start - 2*daySeconds
	if p.poisons >= limit || room <= 0 {
		return false
	}
	for range 40 {
		a := p.victim(kindPoisonSeed, "")
		if a == nil {
			return false
		}
		mark := *no
		seed := p.try(a, kindPoisonSeed, p.t.start+daySeconds+int32(p.rng.float()*float64(room)), 0, no, true)
		if seed == nil {
			continue
		}
		for range 40 {
			at := p.t.warm + int32(p.rng.float()*float64(p.t.end-p.t.warm))
			// The same stream of chance chooses the same series again.
			*no = mark
			if p.try(a, kindPoisonRepeat, at, 0, no, true) != nil {
				*no += 2
				p.plots[len(p.plots)-1].renumber(*no)
				p.poisons++
				return true
			}
		}
		p.plots = slices.DeleteFunc(p.plots, func(q *plot) bool { return q == seed })
		b := p.busy[a.idx]
		p.busy[a.idx] = b[:len(b)-1]
	}
	return false
}

// settle drops what lies outside the traffic.
func (p *plot) settle() {
	p.calls = slices.DeleteFunc(p.calls, func(c call) bool { return c.t < p.t.start || c.t >= p.t.end })
}

// renumber gives the events of a plot new ids.
func (p *plot) renumber(no uint64) {
	p.no, p.n = no, 0
	for i := range p.calls {
		p.calls[i].id = p.nextID()
	}
}

// nextID returns the id of the next event. The highest bit keeps it apart from
// every actor's own; after mix nothing of that is left to see.
func (p *plot) nextID() uint64 {
	p.n++
	return mix(p.t.o.Seed ^ (1<<63 | p.no<<24 | p.n))
}

// tell writes the incident and its labels into the truth.
func (p *plot) tell(name string) {
	tr := &p.t.truth
	in := Incident{
		ID: name, Type: p.kind, Account: p.a.acct.id, Identity: p.a.identity,
		Start: p.t.at(p.calls[0].t), End: p.t.at(p.calls[len(p.calls)-1].t),
	}
	for i := range p.calls {
		in.EventIDs = append(in.EventIDs, eventID(&p.calls[i]))
	}
	tr.Incidents = append(tr.Incidents, in)
	for _, cl := range p.labels {
		if l, found := p.label(&cl); found {
			l.Incident = name
			tr.Labels = append(tr.Labels, l)
		}
	}
}

func (p *plot) label(cl *claim) (Label, bool) {
	l := Label{
		Type: p.kind, Insight: cl.insight, Identity: p.a.identity, Account: p.a.acct.id,
		Size: cl.size, RefPerMin: cl.ref, Hard: cl.hard, Expected: !cl.quiet,
	}
	apis, keys, ips, regs := tally{}, tally{}, tally{}, tally{}
	for i := range p.calls {
		c := &p.calls[i]
		if cl.mine != nil && !cl.mine(c) {
			continue
		}
		if l.Events == 0 {
			l.StartUnix = p.t.at(c.t).Unix()
		}
		l.EndUnix = p.t.at(c.t).Unix()
		l.Events++
		if c.err != ok {
			l.Errors++
		}
		apis.count(catalog[c.api].qualified)
		keys.count(string(p.a.appendKey(nil, c)))
		ips.count(string(appendAddr(nil, c.addr)))
		regs.count(regions[c.region])
	}
	if l.Events == 0 {
		return l, false
	}
	l.Start, l.End = time.Unix(l.StartUnix, 0).UTC(), time.Unix(l.EndUnix, 0).UTC()
	l.APIs = apis.names()
	l.API, l.AccessKey, l.IP, l.Region = l.APIs[0], keys.names()[0], ips.names()[0], regs.names()[0]
	if l.Size == 0 {
		l.Size = float64(l.Events)
	}
	return l, true
}

// tally counts names.
type tally map[string]int

func (t tally) count(s string) { t[s]++ }

// names returns the names, the most frequent first.
func (t tally) names() []string {
	out := make([]string, 0, len(t))
	for s := range t {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(t[b], t[a]), cmp.Compare(a, b)) })
	return out
}
