package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The kinds of legitimate change.
const (
	holiday       = "holiday"
	missingData   = "missing_data"
	levelShift    = "level_shift"
	roleChange    = "role_change"
	vacation      = "vacation"
	travel        = "travel"
	keyRotation   = "key_rotation"
	throttleStorm = "throttle_storm"
	newService    = "new_service"
	newHire       = "new_hire"
)

// changesPerMonth is how often each happens in an account of 100 identities in
// 30 days. What is an account's own matter does not grow with its identities.
var changesPerMonth = []struct {
	kind    string
	mean    float64
	account bool
}{
	{missingData, 2, true},
	{throttleStorm, 3, true},
	{levelShift, 3, false},
	{roleChange, 1.5, false},
	{vacation, 5, false},
	{travel, 3, false},
	{keyRotation, 3, false},
	{newService, 3, false},
	{newHire, 1.5, false},
}

// change decides the legitimate changes of every account.
func (t *Traffic) change() {
	if t.o.Benign < 0 {
		return
	}
	for _, ac := range t.accounts {
		t.celebrate(ac)
		for _, c := range changesPerMonth {
			mean := c.mean * t.o.Benign * float64(t.end-t.start) / (30 * daySeconds)
			if !c.account {
				mean *= float64(t.o.Identities) / 100
			}
			// Each kind draws from a stream of its own, so that none moves the others.
			kr := newRNG(ac.seed, 41, hashString(c.kind))
			for range kr.poisson(mean) {
				t.changeOne(ac, c.kind, &kr)
			}
		}
	}
	slices.SortStableFunc(t.truth.Benign, func(a, b Benign) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Identity, b.Identity))
	})
}

func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// benign lists a change.
func (t *Traffic) benign(kind string, ac *account, a *actor, s span, note string) {
	b := Benign{Type: kind, Account: ac.id, Start: t.at(max(s.from, t.start)), End: t.at(min(s.to, t.end)), Note: note}
	if a != nil {
		b.Identity = a.identity
	}
	if b.End.After(b.Start) {
		t.truth.Benign = append(t.truth.Benign, b)
	}
}

// celebrate gives every country its fixed holidays, and one or two others.
func (t *Traffic) celebrate(ac *account) {
	first, last := int(floorDiv(t.start, daySeconds)), int(floorDiv(t.end-1, daySeconds))
	people := map[int]bool{}
	for _, a := range ac.actors {
		if a.arch.person() {
			people[a.site] = true
		}
	}
	for site := range sites {
		hr := newRNG(hash(t.o.Seed, 42, hashString(sites[site].country)))
		for day := first; day <= last; day++ {
			date := t.base.AddDate(0, 0, day)
			weekend := date.Weekday() == time.Saturday || date.Weekday() == time.Sunday
			fixed := (date.Month() == time.January || date.Month() == time.May) && date.Day() == 1 || date.Month() == time.December && date.Day() == 25
			if drawn := hr.chance(0.05 * min(1, t.o.Benign)); weekend || !fixed && !drawn {
				continue
			}
			ac.holidays[[2]int{site, day}] = true
			if people[site] {
				from := int32(day)*daySeconds - int32(sites[site].offset)*3600
				t.benign(holiday, ac, nil, span{from, from + daySeconds}, sites[site].country)
			}
		}
	}
}

// changeOne makes one change of a kind, where there is somebody for it.
func (t *Traffic) changeOne(ac *account, kind string, r *rng) {
	whole := t.end - t.start
	at := t.start + int32(r.float()*float64(whole))
	victim := func(can func(*actor) bool) *actor {
		var all []*actor
		for _, a := range ac.actors {
			// One change an actor is enough: two at once would hide each other.
			if a.arch != awsService && len(a.changes) == 0 && can(a) {
				all = append(all, a)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return pick(r, all)
	}
	person := func(a *actor) bool { return a.arch.person() }
	switch kind {
	case missingData:
		s := span{at, at + int32(r.between(1800, 12600))}
		ac.gaps = append(ac.gaps, s)
		t.benign(kind, ac, nil, s, "")
	case throttleStorm:
		s := span{at, at + int32(r.between(600, 2700))}
		sv := services[pick(r, []string{"ec2", "kms", "sts", "ssm", "monitoring", "lambda", "states"})]
		ac.storms = append(ac.storms, storm{s, sv, r.uniform(0.3, 0.7)})
		t.benign(kind, ac, nil, s, sv.source)
	case levelShift:
		a := victim(func(a *actor) bool {
			return a.arch == app || a.arch == poll || a.arch == ci || a.arch == autoscale || a.arch == cron || a.arch == etl
		})
		if a == nil {
			return
		}
		f := r.uniform(1.6, 3.5)
		if r.chance(0.4) {
			f = 1 / f
		}
		a.changes = append(a.changes, change{kind: kind, span: span{at, never}, factor: f})
		t.benign(kind, ac, a, span{at, at + daySeconds/2}, fmt.Sprintf("x%.2f", f))
	case roleChange:
		a := victim(func(a *actor) bool { return a.arch == dev || a.arch == analyst })
		if a == nil {
			return
		}
		to := pick(r, []archetype{analyst, dev, admin})
		if to == a.arch {
			to = secops
		}
		rep := repertoires[to].part(r, to)
		a.changes = append(a.changes, change{kind: kind, span: span{at, never}, pack: &rep})
		t.benign(kind, ac, a, span{at, at + 2*daySeconds}, a.arch.String()+" to "+to.String())
	case vacation:
		if a := victim(person); a != nil {
			from := floorDiv(at, daySeconds) * daySeconds
			s := span{from, from + int32(r.between(5, 15))*daySeconds}
			a.changes = append(a.changes, change{kind: kind, span: s})
			t.benign(kind, ac, a, s, "")
		}
	case travel:
		if a := victim(person); a != nil {
			site := r.intn(len(sites))
			if sites[site].country == sites[a.site].country {
				site = (site + 1) % len(sites)
			}
			if sites[site].country == sites[a.site].country {
				site = (site + 1) % len(sites)
			}
			s := span{at, at + int32(r.between(3, 9))*daySeconds}
			a.changes = append(a.changes, change{kind: kind, span: s, site: site})
			t.benign(kind, ac, a, s, sites[site].country)
		}
	case keyRotation:
		if a := victim(func(a *actor) bool { return a.kind == iamUser }); a != nil {
			k := accessKey{at, "AKIA" + string(appendBase32(nil, r.next(), 16))}
			a.keys = append(a.keys, k)
			a.changes = append(a.changes, change{kind: kind, span: span{at, at + daySeconds}})
			t.benign(kind, ac, a, span{at - 600, at + daySeconds}, k.id)
		}
	case newService:
		if a := victim(func(a *actor) bool { return a.arch == app || a.arch == ci || a.arch == poll || a.arch == cron }); a != nil {
			p := &packs[r.intn(len(packs))]
			a.changes = append(a.changes, change{kind: kind, span: span{at, never}, pack: p})
			t.benign(kind, ac, a, span{at, at + daySeconds}, catalog[p.writes[0]].service.source)
		}
	case newHire:
		// The numbers go on where those of the account's first people end.
		k := 10_000 + len(ac.actors)
		used := map[string]bool{}
		for _, a := range ac.actors {
			used[a.name], used[a.function] = true, true
			local, _, _ := strings.Cut(a.name, "@")
			used[local] = true
		}
		a := t.addActor(ac, pick(r, []archetype{dev, dev, dev, analyst, admin}), k, used)
		a.joined = at
		a.changes = append(a.changes, change{kind: kind, span: span{at, never}})
		t.benign(kind, ac, a, span{at, at + 2*daySeconds}, a.arch.String())
	}
}
