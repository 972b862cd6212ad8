package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/tsdb"
)

// stateVersion is that of the fields below. A snapshot of another version is
// not read: the stream is made anew from the log.
const stateVersion = 9

// pushed is how far a push client was.
type pushed struct {
	client string
	newest time.Time
}

// fields is everything that the final pass knows of the stream, for a codec to
// write or to read. What is written after a record, read back, and moved on
// over the following records comes to the same as if it had never been written.
func (s *stream) fields(d *codec) {
	s.symbolFields(d)
	d.json(&s.set)
	p := &s.position
	integer(d, &p.seq)
	d.moment(&p.target)
	d.moment(&p.before)
	d.moment(&p.done)
	integer(d, &p.flushed)
	d.moment(&p.flushing)

	d.flag(&s.begun)
	for _, m := range []*models.Minute{&s.first, &s.last, &s.passed, &s.upkeep} {
		integer(d, m)
	}
	d.moment(&s.firstTime)
	d.moment(&s.lastTime)
	for _, n := range []*uint64{&s.events, &s.future, &s.late, &s.untaught, &s.evicted, &s.forgotten, &s.attached, &s.capped} {
		integer(d, n)
	}
	d.moment(&s.untaughtFrom)
	integer(d, &s.suppressed)

	dict(d, &s.apis.byPair, comparePairs, func(k *pair, y *symbol) {
		if d.used != nil {
			return // Used where something else uses them.
		}
		d.text(&k.service)
		d.text(&k.operation)
		d.symbol(y)
	})
	s.countFields(d)
	d.binary(s.learner)
	s.gauge.fields(d)
	s.recent.fields(d)
	s.budget.fields(d)
	s.storms.fields(d)
	s.silence.fields(d)
	s.behaviourFields(d)
	s.identityFields(d)
	for k := range s.families {
		d.binary(s.families[k])
	}
	s.modelFields(d)
	s.episodeFields(d)
	dict(d, &s.groups, strings.Compare, func(k *string, g *group) {
		d.text(k)
		d.text(&g.id)
		integer(d, &g.start)
	})
	dict(d, &s.told, toldKey.compare, func(k *toldKey, t *told) {
		d.text(&k.identity)
		d.symbol(&k.region)
		d.symbol(&k.api)
		d.text(&t.id)
		integer(d, &t.until)
	})
	s.sightFields(d)
	s.agreementFields(d)
	s.reviewFields(d)
	s.exceptionFields(d)
	s.ruleFields(d)
	for _, l := range s.lookers {
		l.fields(s, d)
	}
}

// symbolFields writes the names of the symbols in use.
func (s *stream) symbolFields(d *codec) {
	if d.used != nil {
		return
	}
	var names []string
	if !d.reading() {
		names = make([]string, len(d.renumbered))
		for old, y := range d.renumbered {
			names[y] = s.symbols.name(old)
		}
	}
	list(d, &names, d.text)
	if !d.reading() {
		return
	}
	if len(names) == 0 || names[0] != "" {
		d.fail(errSnapshot)
		return
	}
	for i, name := range names {
		if y := s.symbols.of(name); int(y) != i {
			d.fail(errSnapshot)
			return
		}
	}
	d.names = len(names)
}

// countFields are the series.
func (s *stream) countFields(d *codec) {
	c := s.counts
	integer(d, &c.day)
	integer(d, &c.folds)
	dict(d, &c.byKey, seriesKey.compare, func(k *seriesKey, n **counter) {
		integer(d, &k.metric)
		integer(d, &k.access)
		integer(d, &k.outcome)
		integer(d, &k.extra)
		for _, y := range []*symbol{&k.region, &k.x, &k.y, &k.z} {
			d.symbol(y)
		}
		day := int32(0)
		if *n != nil {
			day = (*n).day
		}
		if integer(d, &day); !d.reading() || d.err != nil {
			return
		}
		if k.metric > metricSource {
			d.fail(errSnapshot)
			return
		}
		*n = &counter{series: tsdb.NewSeries(k.labels(s.key, s.symbols)), day: day}
	})
}

func (k seriesKey) compare(o seriesKey) int {
	return cmp.Or(cmp.Compare(k.metric, o.metric), cmp.Compare(k.region, o.region), cmp.Compare(k.x, o.x),
		cmp.Compare(k.y, o.y), cmp.Compare(k.z, o.z), cmp.Compare(k.access, o.access),
		cmp.Compare(k.outcome, o.outcome), cmp.Compare(k.extra, o.extra))
}

func (k toldKey) compare(o toldKey) int {
	return cmp.Or(strings.Compare(k.identity, o.identity), cmp.Compare(k.region, o.region), cmp.Compare(k.api, o.api))
}

func comparePairs(a, b pair) int {
	return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.operation, b.operation))
}

func (g *gauge) fields(d *codec) {
	for i := range g.hours {
		d.float32(&g.hours[i])
		d.float32(&g.seen[i])
	}
	d.float32(&g.total)
	d.float32(&g.weeks)
	integer(d, &g.hour)
	d.float32(&g.count)
	d.flag(&g.begun)
}

func (b *budget) fields(d *codec) {
	for _, v := range []*float64{&b.perDay, &b.burst, &b.tokens} {
		d.float(v)
	}
	integer(d, &b.last)
	dict(d, &b.used, strings.Compare, func(k *string, t *taken) {
		d.text(k)
		d.flag(&t.told)
		d.float(&t.cost)
		integer(d, &t.at)
	})
}

// identityFields are what is known of identities.
func (s *stream) identityFields(d *codec) {
	dict(d, &s.identities, cmp.Compare[symbol], func(y *symbol, w **who) {
		if d.reading() {
			*w = &who{}
		}
		d.symbol(y)
		(*w).fields(d)
		if d.reading() && d.err == nil {
			(*w).id, (*w).name = *y, s.symbols.name(*y)
		}
	})
}

func (w *who) fields(d *codec) {
	integer(d, &w.kind)
	integer(d, &w.birth)
	integer(d, &w.awayFrom)
	integer(d, &w.awayTo)
	integer(d, &w.restDays)
	d.binary(&w.novelty)
	d.binary(&w.failures)
	d.moment(&w.first)
	d.moment(&w.last)
	integer(d, &w.events)
	integer(d, &w.errors)
	integer(d, &w.days)
	integer(d, &w.day)
	for i := range w.hours {
		integer(d, &w.hours[i])
	}
	for i := range w.starts {
		n := int32(w.starts[i])
		if integer(d, &n); d.reading() {
			if n < 0 || n >= 1440 {
				d.fail(errSnapshot)
				return
			}
			w.starts[i] = uint16(n)
		}
	}
	integer(d, &w.busy.hour)
	integer(d, &w.busy.length)
	integer(d, &w.busy.longest)
	integer(d, &w.riskDay)
	integer(d, &w.riskTotal)
	list(d, &w.userTypes, d.text)
	renewed := w.renewed != nil
	if d.flag(&renewed); renewed {
		if d.reading() {
			w.renewed = new(renewal)
		}
		d.json(w.renewed)
	}
	for _, k := range []*known{&w.operations, &w.networks, &w.countries, &w.agents, &w.regions} {
		m := map[symbol]*knownValue(*k)
		dict(d, &m, cmp.Compare[symbol], func(y *symbol, v **knownValue) {
			if d.reading() {
				*v = &knownValue{}
			}
			d.symbol(y)
			integer(d, &(*v).n)
			integer(d, &(*v).days)
			integer(d, &(*v).last)
		})
		if d.reading() {
			*k = m
		}
	}
	dict(d, &w.apis, cmp.Compare[symbol], func(y *symbol, a **api) {
		if d.reading() {
			*a = &api{}
		}
		d.symbol(y)
		integer(d, &(*a).first)
		d.flag(&(*a).succeeded)
		integer(d, &(*a).denied)
		integer(d, &(*a).days)
		integer(d, &(*a).day)
	})
	from := w.addresses != nil
	if d.flag(&from); from {
		if d.reading() {
			w.addresses = new(models.Addresses)
		}
		d.binary(w.addresses)
	}
	behaves := w.behaviour != nil
	if d.flag(&behaves); behaves {
		if d.reading() {
			w.behaviour = &behaviour{}
		}
		w.behaviour.fields(d)
	}
}

func (k *modelKey) fields(d *codec) {
	integer(d, &k.kind)
	d.symbol(&k.region)
	d.symbol(&k.x)
	d.symbol(&k.y)
	if k.kind >= kindCount {
		d.fail(errSnapshot)
	}
}

// modelFields are the series' models, in the order in which they were made.
func (s *stream) modelFields(d *codec) {
	for k := range s.all {
		list(d, &s.all[k], func(x **modelled) {
			if d.reading() {
				*x = &modelled{}
			}
			s.modelledFields(d, *x)
			if !d.reading() || d.err != nil {
				return
			}
			if (*x).key.kind != kind(k) || s.models[(*x).key] != nil {
				d.fail(errSnapshot)
				return
			}
			s.models[(*x).key] = *x
			(*x).who.keep(*x)
		})
		if d.reading() {
			s.live[k] = len(s.all[k])
		}
	}
}

func (s *stream) modelledFields(d *codec, x *modelled) {
	x.key.fields(d)
	personal := x.who != nil
	if d.flag(&personal); personal {
		id := symbol(0)
		if x.who != nil {
			id = x.who.id
		}
		d.symbol(&id)
		if d.reading() && d.err == nil {
			if x.who = s.identities[id]; x.who == nil {
				d.fail(errSnapshot)
			}
		}
	}
	d.binary(&x.count)
	share := x.share != nil
	if d.flag(&share); share {
		if d.reading() {
			x.share = new(models.Share)
		}
		d.binary(x.share)
	}
	d.moment(&x.last)
	integer(d, &x.risk)
	integer(d, &x.seen)
	d.float32(&x.learned)
	for i := range x.usual {
		u := x.usual[i]
		there := u != nil
		if d.flag(&there); !there {
			continue
		}
		if d.reading() {
			u = new(tally)
			x.usual[i] = u
		}
		for j := range u {
			d.symbol(&u[j].value)
			d.float32(&u[j].n)
		}
	}
}

// episodeFields are the open episodes, and those that wait for their guests.
func (s *stream) episodeFields(d *codec) {
	var eps []*episode
	number := map[*episode]int{}
	note := func(ep *episode) {
		for ; ep != nil; ep = ep.host {
			if _, seen := number[ep]; seen {
				return
			}
			number[ep] = len(eps)
			eps = append(eps, ep)
		}
	}
	if !d.reading() {
		for k := range s.all {
			for _, x := range s.all[k] {
				note(x.episode)
			}
		}
		for _, k := range sortedSlots(s.slots) {
			note(s.slots[k])
		}
	}
	hosts := []int{}
	list(d, &eps, func(ep **episode) {
		if d.reading() {
			*ep = &episode{}
		}
		e := *ep
		var key modelKey
		host := -1
		if !d.reading() {
			key = e.series.key
			if e.host != nil {
				host = number[e.host]
			}
		}
		key.fields(d)
		own := e.series != nil && e.series.episode == e
		d.flag(&own)
		integer(d, &e.start)
		d.text(&e.mute)
		e.vigil.fields(d)
		raised := e.raised != nil
		if d.flag(&raised); raised {
			if d.reading() {
				e.raised = new(insight.Insight)
			}
			d.json(e.raised)
		}
		integer(d, &host)
		integer(d, &e.guests)
		d.flag(&e.over)
		integer(d, &e.until)
		if !d.reading() || d.err != nil {
			return
		}
		hosts = append(hosts, host)
		if e.series = s.models[key]; e.series == nil {
			d.fail(fmt.Errorf("%w: an episode without its series", errSnapshot))
			return
		}
		if own {
			e.series.episode = e
		}
	})
	if d.reading() && d.err == nil {
		for i, h := range hosts {
			if h >= len(eps) {
				d.fail(errSnapshot)
				return
			}
			if h >= 0 {
				eps[i].host = eps[h]
			}
		}
	}
	var keys []slotKey
	if !d.reading() {
		keys = sortedSlots(s.slots)
	}
	list(d, &keys, func(k *slotKey) {
		d.text(&k.insight)
		d.symbol(&k.region)
		d.symbol(&k.who)
		d.symbol(&k.object)
		n := 0
		if !d.reading() {
			n = number[s.slots[*k]]
		}
		integer(d, &n)
		if !d.reading() || d.err != nil {
			return
		}
		if n < 0 || n >= len(eps) || eps[n].raised == nil {
			d.fail(errSnapshot)
			return
		}
		s.slots[*k] = eps[n]
	})
	list(d, &s.episodes, func(x **modelled) {
		var key modelKey
		if !d.reading() {
			key = (*x).key
		}
		key.fields(d)
		if !d.reading() || d.err != nil {
			return
		}
		if *x = s.models[key]; *x == nil {
			d.fail(errSnapshot)
			return
		}
		(*x).queued = true
	})
}

func sortedSlots(slots map[slotKey]*episode) []slotKey {
	keys := make([]slotKey, 0, len(slots))
	for k := range slots {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b slotKey) int {
		return cmp.Or(strings.Compare(a.insight, b.insight), cmp.Compare(a.region, b.region),
			cmp.Compare(a.who, b.who), cmp.Compare(a.object, b.object))
	})
	return keys
}
