package simulate

import "math"

// call is one API call before it is rendered: all that the record needs which
// does not follow from the actor and the API. It is small, since a day of them
// is held in memory.
type call struct {
	id     uint64 // Decides the event's ids and its parameters.
	t      int32  // Seconds after the base.
	sess   int32  // When the session began, likewise.
	addr   uint32 // IPv4.
	actor  int32
	api    apiID
	err    failure
	region uint8
	agent  uint8
	flags  uint8
}

// The flags of a call.
const (
	console  = 1 << iota // From a browser, with a second factor.
	injected             // Part of an incident. It shows in no record.
	borrowed             // A record that was captured elsewhere, by its id in Traffic.borrowed.
)

// failure is how a call failed; services have their own codes for each.
type failure uint8

const (
	ok failure = iota
	denied
	throttled
	missing
	invalid
	expired
)

// walker generates what one actor does, a day at a time and in order of days.
// Two walkers of an actor generate the same.
type walker struct {
	t   *Traffic
	a   *actor
	rng rng
	day int
	n   uint32  // Calls made for the day so far.
	ar  float64 // autoscale: the logarithm of the demand.
	out []call
}

func (t *Traffic) walk(a *actor) *walker { return &walker{t: t, a: a} }

// next generates a day: the local one of a person, the one in UTC of others.
// The calls are in no order, and may run over the day's end. The slice is
// valid until the next call of next.
func (w *walker) next(day int) []call {
	w.day, w.n, w.out = day, 0, w.out[:0]
	w.rng = newRNG(w.a.seed, 20, uint64(day))
	switch w.a.arch {
	case dev, analyst, admin, secops:
		w.person()
	case ci:
		w.ci()
	case cron:
		w.cron()
	case autoscale:
		w.autoscale()
	case poll:
		w.poll()
	case app, drift:
		w.app()
	case etl:
		w.etl()
	case weekly:
		w.weekly()
	case sparse:
		w.sparse()
	case awsService:
		w.service()
	}
	w.rotate()
	return w.out
}

// rotate makes the calls by which somebody replaces his own access key.
func (w *walker) rotate() {
	for i := range w.a.changes {
		c := &w.a.changes[i]
		if c.kind != keyRotation || int(floorDiv(c.from, daySeconds)) != w.day {
			continue
		}
		t := float64(c.from)
		from := w.a.at(&w.rng, c.from)
		w.fail(t-60, id("iam:CreateAccessKey"), ok, from)
		w.fail(t+900, id("iam:UpdateAccessKey"), ok, from)
	}
}

// emit adds a call of an API at t. Whether it fails is drawn.
func (w *walker) emit(t float64, api apiID, from where) {
	w.fail(t, api, w.outcome(api), from)
}

func (w *walker) fail(t float64, api apiID, err failure, from where) {
	s := int32(math.Floor(t))
	if s < w.a.joined {
		return
	}
	w.out = append(w.out, call{
		// Actor, day and number make it unique, and mix keeps it so.
		id: mix(w.t.o.Seed ^ (uint64(w.a.idx)<<44 | uint64(w.day+2)<<32 | uint64(w.n))),
		t:  s, sess: from.sess, addr: from.addr, actor: w.a.idx, api: api, err: err,
		region: w.a.regionOf(&w.rng, api), agent: from.agent, flags: from.flags,
	})
	w.n++
}

// outcome draws whether and how a call of an API fails.
func (w *walker) outcome(api apiID) failure {
	p := w.a.errors
	if w.a.failure > 0 && api == w.a.failing {
		p = w.a.failure
	}
	if !w.rng.chance(p) {
		return ok
	}
	if w.a.failure > 0 && api == w.a.failing {
		return missing
	}
	switch u := w.rng.float(); {
	case u < 0.35:
		return denied
	case u < 0.65:
		return missing
	case u < 0.85:
		return invalid
	}
	return throttled
}

// reps returns the repertoire at a time, after any change of role, and what a
// newly used service adds to it.
func (w *walker) reps(t int32) (*repertoire, *repertoire) {
	own := &w.a.rep
	var extra *repertoire
	for i := range w.a.changes {
		switch c := &w.a.changes[i]; {
		case c.from > t:
		case c.kind == roleChange:
			own = c.pack
		case c.kind == newService:
			extra = c.pack
		}
	}
	return own, extra
}

// choose picks an API, more likely one of the front. It reports false where
// there is none.
func (w *walker) choose(t int32, writes bool) (apiID, bool) {
	own, extra := w.reps(t)
	if extra != nil && w.rng.chance(0.15) {
		own = extra
	}
	s := own.reads
	if writes && len(own.writes) > 0 || len(s) == 0 {
		s = own.writes
	}
	if len(s) == 0 {
		return 0, false
	}
	u := w.rng.float()
	return s[int(float64(len(s))*u*u)], true
}

// one emits one call of the actor's own choice.
func (w *walker) one(t float64, writes bool, from where) {
	if api, ok := w.choose(int32(math.Floor(t)), writes); ok {
		w.emit(t, api, from)
	}
}

// weekday is the day of the week of a day, 0 for Sunday.
func (w *walker) weekday(day int) int { return (int(w.t.base.Weekday()) + day%7 + 7) % 7 }

// person generates a person's local day.
func (w *walker) person() {
	a, r := w.a, &w.rng
	noon := int32(w.day)*daySeconds + 43200 - int32(sites[a.site].offset)*3600
	site := a.siteAt(noon)
	midnight := float64(w.day)*daySeconds - float64(sites[site].offset)*3600
	for i := range a.changes {
		if c := &a.changes[i]; c.kind == vacation && c.has(noon) {
			return
		}
	}
	workday, mean := 1.0, 4.6*a.rate*w.t.o.Activity
	if wd := w.weekday(w.day); wd == 0 || wd == 6 {
		workday = a.weekend
	}
	if a.acct.holidays[[2]int{a.site, w.day}] {
		workday = min(workday, 0.04)
	}
	if r.chance(0.05) { // Ill, or in meetings all day.
		workday *= 0.1
	}
	hour := func() float64 {
		switch u := r.float(); {
		case u < 0.47:
			return 10 + a.shift + float64(1.0*r.norm())
		case u < 0.93:
			return 14.7 + a.shift + float64(1.3*r.norm())
		}
		return r.uniform(7, 21) + a.shift
	}
	for range r.poisson(mean * workday) {
		w.session(midnight + float64(3600*hour()))
	}
	for c := policy; c <= trail; c++ {
		for range r.poisson(a.ops[c] * workday) {
			t := midnight + float64(3600*hour())
			from := a.at(r, int32(t))
			pages, _ := w.reps(int32(t))
			if len(pages.pages) > 0 {
				w.page(t-r.uniform(20, 90), pages.pages[0], from)
			}
			w.emit(t, usualOp(a, c, r), from)
		}
	}
	// A password is changed when it expires, at the first session of the day.
	if a.kind == iamUser && (w.day+a.expiry)%90 == 0 && workday > 0.5 {
		t := midnight + float64((9+a.shift)*3600)
		from := a.at(r, int32(t))
		from.agent, from.flags = a.browser, console
		w.fail(t, id("signin:ConsoleLogin"), ok, from)
		w.fail(t+25, id("iam:ChangePassword"), ok, from)
	}
}

// usualOp is a sensitive operation that somebody does as a matter of course:
// everybody has two or three of a class.
func usualOp(a *actor, c class, r *rng) apiID {
	all := classOps[c]
	return all[hash(a.seed, 21, uint64(c), uint64(r.intn(3)))%uint64(len(all))]
}

// session is a while in which a person works: in the console, on the command
// line, or with a tool that makes many calls.
func (w *walker) session(t float64) {
	a, r := w.a, &w.rng
	from := a.at(r, int32(t))
	rep, _ := w.reps(int32(t))
	if r.chance(a.stubborn) {
		// The script that never gives up: the same call fails again and again.
		if api, found := w.choose(int32(t), r.chance(0.4)); found {
			how := pick(r, []failure{denied, expired, missing, invalid})
			for at, n := t, r.between(8, 60); n > 0; n-- {
				w.fail(at, api, how, from)
				at += r.exp(9)
			}
		}
	}
	if len(rep.pages) > 0 && r.chance(a.console) {
		from.agent, from.flags = a.browser, console
		if a.kind == iamUser || r.chance(0.5) {
			err := ok
			if r.chance(0.03) {
				w.fail(t-20, id("signin:ConsoleLogin"), denied, from)
			}
			w.fail(t, id("signin:ConsoleLogin"), err, from)
		}
		at := t + r.uniform(2, 8)
		for range r.between(2, 7) {
			w.page(at, rep.pages[int(float64(len(rep.pages))*r.float()*r.float())], from)
			at += 6 + r.exp(70)
			if r.chance(0.3) {
				for range r.between(1, 3) {
					w.one(at, true, from)
					at += 3 + r.exp(12)
				}
			}
		}
		return
	}
	if (a.arch == dev || a.arch == admin) && r.chance(0.13) {
		// Plan and apply: many reads within a minute, then some writes.
		from.agent = toolAgent(4)
		at := t
		for range r.between(30, 110) {
			w.one(at, false, from)
			at += r.exp(0.5)
		}
		if r.chance(0.6) {
			at += r.uniform(20, 200)
			for range r.between(3, 20) {
				w.one(at, true, from)
				at += r.exp(4)
			}
		}
		return
	}
	at := t
	for range r.between(3, 22) {
		w.one(at, r.chance(0.28), from)
		at += r.exp(22)
	}
}

// page is what a console's page calls when it opens.
func (w *walker) page(t float64, apis []apiID, from where) {
	from.agent, from.flags = w.a.browser, console
	for _, api := range apis {
		if w.rng.chance(0.75) {
			w.emit(t+w.rng.uniform(0, 2.5), api, from)
		}
	}
}
