package simulate

// officeNet is the /24 of an organisation's office at a site.
func officeNet(ac *account, site int) uint32 {
	b := sites[site].offices
	return b.addr(hash(uint64(site), 10, uint64(b.base))) &^ 255
}

// where is what an actor's calls have in common for a while.
type where struct {
	sess  int32
	addr  uint32
	agent uint8
	flags uint8
}

// at is from where, as what and in which session the actor would call at t.
func (a *actor) at(r *rng, t int32) where {
	if a.arch.person() {
		return where{sess: t, addr: a.personAddr(r, t), agent: a.agent}
	}
	return a.workload(r, t)
}

// personAddr is the address of a person at a time: of the office, of the home,
// of a telephone, of an hotel, or of where the person travels.
func (a *actor) personAddr(r *rng, t int32) uint32 {
	site := a.siteAt(t)
	s := &sites[site]
	day := int(floorDiv(t+int32(s.offset)*3600, daySeconds))
	d := newRNG(a.person, 11, uint64(day))
	office := d.chance(a.office)
	if site != a.site { // Travelling: an hotel for the days of the journey, or the office there.
		if office && d.chance(0.5) {
			return officeNet(a.acct, site) | uint32(10+a.person%3)
		}
		return s.homes[0].addr(hash(a.person, 12, uint64(day/4)))
	}
	if d.chance(0.012) {
		return s.homes[d.intn(len(s.homes))].addr(d.next())
	}
	if r.chance(0.06) {
		m := s.mobile.addr(hash(a.person, 13))
		return m&^0xffff | uint32(hash(a.person, 14, uint64(day))&0xfffd+1)
	}
	if office {
		return officeNet(a.acct, site) | uint32(10+day%2+int(a.person%2))
	}
	home := s.homes[a.person%uint64(len(s.homes))].addr(hash(a.person, 15))
	return home&^0xffff | uint32(hash(a.person, 16, uint64((day+a.expiry)/a.lease))&0xfffd+1)
}

func (a *actor) siteAt(t int32) int {
	for i := range a.changes {
		if c := &a.changes[i]; c.kind == travel && c.has(t) {
			return c.site
		}
	}
	return a.site
}

// workload is the same for automations.
func (a *actor) workload(r *rng, t int32) where {
	w := where{agent: a.agent}
	n := a.acct.nats[a.acct.region]
	switch {
	case a.arch == ci && a.kind == role:
		w.addr = ciBlock.addr(r.next())
	case len(a.from) > 0:
		w.addr = pick(r, a.from)
	case a.roving:
		w.addr = natBlocks[a.acct.region].addr(hash(a.seed, 17))&^0xffff | uint32(hash(a.seed, 18, uint64(t/7200))&0xfffd+1)
	default:
		w.addr = n[r.intn(3)]
	}
	switch a.naming {
	case byInstance:
		i := int32(r.intn(4))
		w.sess = floorDiv(t-i*1700, 21600)*21600 + i*1700
		w.sess += (i - w.sess) & 15
		for w.sess > t {
			w.sess -= 21600 // A multiple of 16, so that the instance stays.
		}
	case byTask:
		w.sess = floorDiv(t-a.phase, daySeconds)*daySeconds + a.phase
	case byRun:
		w.sess = t
	default:
		w.sess = floorDiv(t-a.phase, 3600)*3600 + a.phase%3600
		if w.sess > t {
			w.sess -= 3600
		}
	}
	return w
}

func floorDiv(a, b int32) int32 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// level is the factor by which legitimate shifts have moved the rate by t.
func (a *actor) level(t int32) float64 {
	f := 1.0
	for i := range a.changes {
		if c := &a.changes[i]; c.kind == levelShift && c.from <= t {
			f *= c.factor
		}
	}
	return f
}
