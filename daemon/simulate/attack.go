package simulate

import (
	"math"
	"slices"
)

// plan makes the calls and the labels of an incident by its kind. It reports
// false where the actor is not suited.
func (p *plot) plan() bool {
	switch p.kind {
	case kindBurst2:
		return p.burst(2)
	case kindBurst5:
		return p.burst(5)
	case kindBurst20:
		return p.burst(20)
	case kindNewAPI:
		return p.newAPI()
	case kindSlowLow:
		return p.slowLow()
	case kindCredEnum:
		return p.credEnum()
	case kindErrors5:
		return p.errorBurst(5)
	case kindErrors20:
		return p.errorBurst(20)
	case kindKeyNight, KindKeyAbuse:
		return p.keyAbuse()
	case kindIPUnknown:
		return p.address(p.foreign(0.5), false)
	case kindIPKnown:
		w := p.a.at(&p.rng, p.at)
		// Hosts of the office that nobody else uses: people have 10 to 13,
		// servers 40 to 99.
		w.addr = officeNet(p.a.acct, p.a.site) | uint32(p.rng.between(110, 240))
		return p.address(w, true)
	case kindPolicy:
		return p.operation(policy, insightPolicy)
	case kindPassword:
		return p.operation(password, insightPassword)
	case kindTrail:
		return p.operation(trail, insightTrail)
	case kindTakeover:
		return p.takeover()
	case kindPoisonSeed:
		return p.poison(30, p.rng.uniform(180, 480))
	case kindPoisonRepeat:
		return p.poison(10, p.rng.uniform(20, 60))
	}
	return false
}

// length draws how long something goes on, in seconds, unless it is given.
func (p *plot) length(low, high float64) float64 {
	d := p.rng.uniform(low, high)
	if p.duration > 0 {
		return p.duration
	}
	return d
}

// add adds a call. The first of a plot is exactly at its start.
func (p *plot) add(t float64, api apiID, err failure, from where) {
	c := call{
		t: int32(math.Floor(t)), sess: min(from.sess, int32(t)), addr: from.addr, actor: p.a.idx, api: api, err: err,
		region: p.a.regionOf(&p.rng, api), agent: from.agent, flags: from.flags | injected,
	}
	c.id = p.nextID()
	p.calls = append(p.calls, c)
}

func (p *plot) claim(insight string, mine func(*call) bool) *claim {
	p.labels = append(p.labels, claim{insight: insight, mine: mine})
	return &p.labels[len(p.labels)-1]
}

// foreign is an attacker's place: a rented server as a rule, and a program that
// others use too.
func (p *plot) foreign(rented float64) where {
	agent := toolAgent(p.rng.intn(4))
	if p.rng.chance(0.3) {
		agent = libraryAgent(p.rng.intn(len(libraries)))
	}
	if p.rng.chance(0.25) {
		agent = p.a.agent
	}
	return where{sess: p.at, addr: foreign(&p.rng, sites[p.a.site].country, rented), agent: agent}
}

// usual is the actor's own place at the start of the incident.
func (p *plot) usual() where { return p.a.at(&p.rng, p.at) }

// poisson adds calls at a rate a minute for some minutes, one at the very
// start.
func (p *plot) poisson(api apiID, rate, seconds float64, from where) {
	start := float64(p.at)
	for t := 0.0; t < seconds; t += 60 {
		n := p.rng.poisson(rate * min(1, (seconds-t)/60))
		for i := range n {
			at := start + t + p.rng.uniform(0, min(60, seconds-t))
			if t == 0 && i == 0 {
				at = start
			}
			err := ok
			if p.rng.chance(min(p.a.errors, 0.05)) {
				err = missing
			}
			p.add(at, api, err, from)
		}
	}
}

// series returns a write API of the actor with enough history to speak of a
// rate.
func (p *plot) series(most float64) *usage {
	var all []*usage
	for _, u := range p.p.list {
		if !catalog[u.api].read && u.minutes >= 12 && u.p95 <= most && catalog[u.api].class == plain && catalog[u.api].service.source != "signin.amazonaws.com" {
			all = append(all, u)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return pick(&p.rng, all)
}

// burst adds k-1 times the usual of one write API on top of it.
func (p *plot) burst(k float64) bool {
	u := p.series(60)
	if u == nil {
		return false
	}
	rate := (k - 1) * u.p95
	from, known := p.usual(), p.rng.chance(0.6)
	if !known {
		from = p.foreign(0.85)
	}
	p.poisson(u.api, rate, p.length(600, 3600), from)
	p.rated(u, rate, k)
	if !known {
		p.claim(insightIP, nil)
	}
	return len(p.calls) >= 5
}

// rated claims the insights of a burst on a known series: the key's only where
// the burst at least doubles what the key does.
func (p *plot) rated(u *usage, rate, size float64) {
	c := p.claim(insightCallRate, nil)
	c.size, c.ref = size, u.p95
	if rate >= p.p.key {
		c = p.claim(insightAk, nil)
		c.size, c.ref = size, p.p.key
	}
}

// poison is a burst on a small series for hours.
func (p *plot) poison(times, minutes float64) bool {
	u := p.series(2)
	if u == nil {
		return false
	}
	rate := times * u.p95
	p.poisson(u.api, rate, p.length(minutes*60, minutes*60), p.usual())
	p.rated(u, rate, times)
	return true
}

// unused returns the APIs of a list that the actor never uses.
func (p *plot) unused(all []apiID) []apiID {
	var out []apiID
	for _, api := range all {
		if p.p.apis[api] == nil && !slices.Contains(p.a.rep.writes, api) && !slices.Contains(p.a.rep.reads, api) {
			out = append(out, api)
		}
	}
	return out
}

// newAPI is a burst of something destructive that the actor never did.
func (p *plot) newAPI() bool {
	apis := p.unused(classOps[destructive])
	if len(apis) == 0 {
		return false
	}
	api, from := pick(&p.rng, apis), p.usual()
	n := p.rng.between(12, 150)
	p.spread(n, p.length(180, 1800), from, func() (apiID, failure) {
		if p.rng.chance(0.05) {
			return api, missing
		}
		return api, ok
	})
	p.claim(insightCallRate, nil)
	p.claim(insightAk, nil)
	return true
}

// spread adds n calls over some seconds, the first at the start.
func (p *plot) spread(n int, seconds float64, from where, what func() (apiID, failure)) {
	for i := range n {
		t := float64(p.at)
		if i > 0 {
			t += p.rng.uniform(0, seconds)
		}
		api, err := what()
		p.add(t, api, err, from)
	}
}

// slowLow is one call every now and then, for many hours, of something that the
// actor does seldom or never.
func (p *plot) slowLow() bool {
	var apis []apiID
	for _, u := range p.p.list {
		if op := &catalog[u.api]; !op.read && op.class == plain && op.service.source != "signin.amazonaws.com" && u.calls < 8*p.p.days {
			apis = append(apis, u.api)
		}
	}
	if len(apis) == 0 || p.rng.chance(0.5) {
		apis = p.unused(classOps[plain])
		apis = slices.DeleteFunc(apis, func(a apiID) bool { return catalog[a].read || a == id("signin:ConsoleLogin") })
	}
	api, from := pick(&p.rng, apis), p.usual()
	end := float64(p.at) + p.length(10*3600, 24*3600)
	for t := float64(p.at); t < end; t += p.rng.uniform(360, 1200) {
		p.add(t, api, ok, from)
	}
	p.claim(insightCallRate, nil).hard = true
	return true
}

// credEnum tries out what a stolen credential may do.
func (p *plot) credEnum() bool {
	from := p.foreign(0.85)
	p.enumerate(p.rng.between(30, 250), p.rng.between(30, 40), p.length(240, 1800), 0.8, from)
	p.claim(insightErrorRate, func(c *call) bool { return c.err != ok })
	p.claim(insightIP, nil)
	return true
}

// enumerate adds calls over so many APIs, of which a share is denied.
func (p *plot) enumerate(n, breadth int, seconds, share float64, from where) {
	apis := append([]apiID(nil), enumeration...)
	shuffle(&p.rng, apis)
	apis = apis[:min(breadth, len(apis))]
	i := 0
	p.spread(n, seconds, from, func() (apiID, failure) {
		// Every one once, then at random.
		api := apis[i%len(apis)]
		if i >= len(apis) {
			api = pick(&p.rng, apis)
		}
		i++
		if p.rng.chance(share) {
			return api, denied
		}
		return api, ok
	})
}

// errorBurst raises the share of errors of one API to k times the usual, by
// failing calls on top of the usual ones.
func (p *plot) errorBurst(k float64) bool {
	hour := floorDiv(p.at, 3600) % 24
	if hour < 0 {
		hour += 24
	}
	seconds := p.length(900, 3600)
	least := 8.0
	if k >= 20 {
		least = 15
	}
	type choice struct {
		u          *usage
		extra, ref float64
	}
	var all []choice
	for _, u := range p.p.list {
		rate := float64(u.hours[hour]) / float64(p.p.days*60)
		share := max(0.01, float64(u.errors)/float64(u.calls))
		want := min(0.9, k*share)
		if share > 0.4 || u.calls < 100 {
			continue
		}
		if extra := rate * (want - share) / (1 - want); extra*seconds/60 >= least && extra*seconds/60 < 5000 {
			all = append(all, choice{u, extra, rate * share})
		}
	}
	if len(all) == 0 {
		return false
	}
	c, from := pick(&p.rng, all), p.usual()
	how := pick(&p.rng, []failure{denied, missing, invalid, throttled})
	n := max(int(least), p.rng.poisson(c.extra*seconds/60))
	p.spread(n, seconds, from, func() (apiID, failure) { return c.u.api, how })
	cl := p.claim(insightErrorRate, nil)
	cl.size, cl.ref, cl.hard = k, c.ref, k < 20
	return true
}

// keyAbuse is what thieves of a key do: machines, keys and users of their own,
// in regions where nobody looks.
func (p *plot) keyAbuse() bool {
	from := p.foreign(0.85)
	seconds := p.length(600, 3000)
	far := uint8(p.rng.intn(len(regions)))
	share := p.rng.uniform(0.05, 0.25)
	p.spread(p.rng.between(15, 120), seconds, from, func() (apiID, failure) {
		if p.rng.chance(share) {
			return pick(&p.rng, abuse), denied
		}
		return pick(&p.rng, abuse), ok
	})
	for i := range p.calls {
		if c := &p.calls[i]; !catalog[c.api].service.global && p.rng.chance(0.4) {
			c.region = far
		}
	}
	p.claim(insightAk, nil)
	p.claim(insightIP, nil)
	return true
}

// address is some of the actor's usual calls from elsewhere.
func (p *plot) address(from where, quiet bool) bool {
	w := p.t.walk(p.a)
	w.rng = newRNG(p.rng.next())
	n := p.rng.between(3, 25)
	seconds := p.length(120, 2400)
	p.spread(n, seconds, from, func() (apiID, failure) {
		api, _ := w.choose(p.at, p.rng.chance(0.3))
		return api, ok
	})
	p.claim(insightIP, nil).quiet = quiet
	return true
}

// operation is a few sensitive operations by somebody who never does any.
func (p *plot) operation(c class, insight string) bool {
	var apis []apiID
	for _, api := range classOps[c] {
		if catalog[api].name != "ChangePassword" && p.p.apis[api] == nil {
			apis = append(apis, api)
		}
	}
	from, elsewhere := p.usual(), p.rng.chance(0.4)
	if elsewhere {
		from = p.foreign(0.85)
	}
	p.spread(p.rng.between(1, 4), p.length(60, 900), from, func() (apiID, failure) { return pick(&p.rng, apis), ok })
	p.claim(insight, nil)
	if elsewhere {
		p.claim(insightIP, nil)
	}
	return true
}

// takeover is all of it: a look around, a policy and a password of one's own,
// the trail stopped, and much deleted.
func (p *plot) takeover() bool {
	apis := p.unused(classOps[destructive])
	if len(apis) == 0 {
		return false
	}
	from := p.foreign(0.85)
	whole := p.length(1800, 4000)
	start := p.at
	phase := func(share float64) { p.at = start + int32(whole*share) }
	p.enumerate(p.rng.between(40, 90), 28, whole*0.25, 0.75, from)
	phase(0.3)
	p.spread(p.rng.between(1, 3), whole*0.1, from, func() (apiID, failure) { return pick(&p.rng, classOps[policy]), ok })
	phase(0.42)
	operations := ids("iam:CreateLoginProfile iam:CreateAccessKey iam:UpdateLoginProfile iam:DeactivateMFADevice")
	p.spread(p.rng.between(1, 2), whole*0.08, from, func() (apiID, failure) { return pick(&p.rng, operations), ok })
	phase(0.55)
	p.add(float64(p.at), id("cloudtrail:StopLogging"), ok, from)
	phase(0.65)
	api := pick(&p.rng, apis)
	p.spread(p.rng.between(30, 120), whole*0.34, from, func() (apiID, failure) { return api, ok })
	p.at = start
	of := func(c class) func(*call) bool {
		return func(x *call) bool { return catalog[x.api].class == c }
	}
	p.claim(insightIP, nil)
	p.claim(insightErrorRate, func(c *call) bool { return c.err != ok })
	p.claim(insightPolicy, of(policy))
	p.claim(insightPassword, of(password))
	p.claim(insightTrail, of(trail))
	p.claim(insightCallRate, func(c *call) bool { return c.api == api })
	return true
}
