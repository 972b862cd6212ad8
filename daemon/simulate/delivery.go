package simulate

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Record is one CloudTrail record as it is delivered.
type Record struct {
	// Time is the event's time.
	Time time.Time
	// Delivered is when the record arrives. It is Time where the traffic is not
	// late and the record is no duplicate.
	Delivered time.Time
	Account   string
	Region    string
	// JSON is the record, without a newline. It is overwritten by the next one:
	// who keeps it keeps a copy.
	JSON []byte
}

// parcel is a call on its way.
type parcel struct {
	call
	// at is when it is delivered, in seconds after the base.
	at int32
	// order decides among those that are delivered at once.
	order uint64
}

// Records returns the records in the order of delivery. It can be called any
// number of times, and each time begins anew. What is in memory is what happens
// within a day or two.
func (t *Traffic) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		r := newRenderer(t)
		var buf []byte
		t.parcels(func(p *parcel) bool {
			if p.flags&borrowed != 0 {
				buf = append(buf[:0], t.borrowed[p.id]...)
			} else {
				buf = r.append(buf[:0], &p.call)
			}
			a := t.actors[p.actor]
			return yield(Record{
				Time: t.at(p.t), Delivered: t.at(p.at), Account: a.acct.id, Region: regions[p.region], JSON: buf,
			})
		})
	}
}

// parcels hands every call to yield in order of delivery, until it returns
// false.
func (t *Traffic) parcels(yield func(*parcel) bool) {
	walkers := make([]*walker, len(t.actors))
	for i, a := range t.actors {
		walkers[i] = t.walk(a)
	}
	var pending, later []parcel
	inc := 0
	for day := -1; int32(day)*daySeconds < t.end+int32(2*MaxDelay/time.Second); day++ {
		for _, w := range walkers {
			if w.a.arch.person() {
				// A person's local day may begin before the day in UTC does, by
				// so much as a journey around the world.
				if day == -1 {
					pending = t.send(pending, w.a.acct, w.next(-1))
				}
				pending = t.send(pending, w.a.acct, w.next(day+1))
			} else {
				pending = t.send(pending, w.a.acct, w.next(day))
			}
		}
		limit := int32(day+1) * daySeconds
		first := inc
		for inc < len(t.injected) && t.injected[inc].t < limit {
			inc++
		}
		pending = t.send(pending, nil, t.injected[first:inc])
		if day < 0 {
			continue
		}
		later = later[:0]
		ready := pending[:0]
		for i := range pending {
			if pending[i].at < limit {
				ready = append(ready, pending[i])
			} else {
				later = append(later, pending[i])
			}
		}
		slices.SortFunc(ready, func(a, b parcel) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
		})
		for i := range ready {
			if !yield(&ready[i]) {
				return
			}
		}
		pending = append(pending[:0], later...)
	}
}

// send addresses calls: it drops what lies outside the traffic or in a gap,
// lets storms throttle, and decides when each is delivered, and whether twice.
// The account is nil for what is injected, which neither gaps nor storms touch.
func (t *Traffic) send(out []parcel, ac *account, calls []call) []parcel {
	for i := range calls {
		c := calls[i]
		if ac != nil && !t.pass(ac, &c, &out) {
			continue
		}
		if c.t < t.start || c.t >= t.end {
			continue
		}
		out = t.post(out, c)
	}
	return out
}

// pass applies the gaps and storms of an account to a call.
func (t *Traffic) pass(ac *account, c *call, out *[]parcel) bool {
	for _, g := range ac.gaps {
		if g.has(c.t) {
			return false
		}
	}
	for i := range ac.storms {
		s := &ac.storms[i]
		if !s.has(c.t) || s.service != catalog[c.api].service || c.err != ok {
			continue
		}
		r := newRNG(c.id, 30)
		if !r.chance(s.share) {
			break
		}
		// What is throttled is tried again, up to three times.
		for try := range 3 {
			retry := *c
			retry.id, retry.err = mix(c.id+uint64(try)+1), throttled
			retry.t += int32(1 + 2*try)
			again := r.chance(s.share)
			if !again {
				retry.err = ok
			}
			if retry.t >= t.start && retry.t < t.end {
				*out = t.post(*out, retry)
			}
			if !again {
				break
			}
		}
		c.err = throttled
		break
	}
	return true
}

// post decides when a call's record is delivered. In order of time that is the
// time of the event. Otherwise a record waits, mostly a minute or two, now and
// then many, until it joins one of the files that each account and region gets
// every five minutes; and within a file there is no order.
func (t *Traffic) post(out []parcel, c call) []parcel {
	p := parcel{call: c, at: c.t, order: uint64(c.actor)<<32 | c.id>>32}
	h := newRNG(c.id, 31)
	if t.o.Late {
		wait := 20 + h.exp(70)
		if h.chance(0.02) {
			wait += h.uniform(0, 900)
		}
		p.at, p.order = t.file(&c, wait), mix(c.id^t.o.Seed)
	}
	out = append(out, p)
	if t.o.Duplicates > 0 && h.chance(t.o.Duplicates) {
		second := p
		second.at = p.at + int32(h.uniform(0, float64(MaxDelay/time.Second)))
		second.order = mix(p.order + 1)
		out = append(out, second)
	}
	return out
}

// file is when the file is delivered that a record joins after its wait.
func (t *Traffic) file(c *call, wait float64) int32 {
	const every = 300
	stream := hash(t.actors[c.actor].acct.seed, 32, uint64(c.region))
	phase := int32(stream % every)
	n := floorDiv(c.t+int32(wait)-phase, every) + 1
	at := n*every + phase + int32(hash(stream, uint64(uint32(n)))%40)
	return min(at, c.t+int32(MaxDelay/time.Second))
}
