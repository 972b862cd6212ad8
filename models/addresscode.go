package models

import "net/netip"

// addr is an address, or none.
func (d *codec) addr(v *netip.Addr) {
	n := uint8(v.BitLen() / 8)
	d.u8(&n)
	if !d.reading {
		d.b = append(d.b, v.AsSlice()...)
		return
	}
	b := d.take(int(n))
	*v = netip.Addr{}
	if n == 0 || b == nil {
		return
	}
	a, ok := netip.AddrFromSlice(b)
	if *v = a; !ok {
		d.bad = true
	}
}

func (d *codec) i32(v *int32) {
	u := uint32(*v)
	d.u32(&u)
	*v = int32(u)
}

// some is a list of so many at the most.
func some[T any](d *codec, v *[]T, limit int, each func(*T)) {
	n := uint32(len(*v))
	d.u32(&n)
	if d.reading {
		if int64(n) > int64(limit) {
			d.bad = true
			return
		}
		*v = nil
	}
	for i := 0; i < int(n) && !d.short && !d.bad; i++ {
		if d.reading {
			var x T
			each(&x)
			*v = append(*v, x)
		} else {
			each(&(*v)[i])
		}
	}
}

// keep is a recent set of so many at the most.
func keep[K comparable](d *codec, v *recent[K], limit int, key func(*K)) {
	list := []lately[K](*v)
	some(d, &list, limit, func(x *lately[K]) {
		key(&x.key)
		d.i32(&x.day)
	})
	*v = list
}

func (o *Origin) fields(d *codec) {
	d.addr(&o.Address)
	d.u32(&o.System)
	d.text(&o.Country)
	hired := uint8(o.Hired)
	d.u8(&hired)
	o.Hired = Hired(hired)
	d.text(&o.Agent)
	d.minute(&o.Minute)
}

func (a *Addresses) fields(d *codec) {
	d.u32(&a.user)
	for _, v := range []*bool{&a.begun, &a.first, &a.agentToday} {
		d.bool(v)
	}
	d.i32(&a.day)
	d.f32(&a.days, &a.agent)
	for h := range a.hired {
		d.f32(&a.hired[h])
		d.bool(&a.hiredToday[h])
		d.bad = d.bad || a.hired[h] < 0
	}
	for l := range a.fresh {
		d.f32(&a.fresh[l], &a.due[l], &a.doubted[l])
	}
	today, group := uint8(a.today), uint8(a.group)
	d.u8(&today, &group)
	a.today, a.group = AddressLevel(today), Group(group)
	d.u32(&a.hoursToday)
	d.u16s(a.hours[:])
	keep(d, &a.addresses, addressesKept, d.addr)
	keep(d, &a.networks, networksKept, d.u64)
	keep(d, &a.blocks, blocksKept, d.u64)
	keep(d, &a.systems, systemsKept, d.u32)
	keep(d, &a.countries, countriesKept, d.text)
	keep(d, &a.agents, agentsKept, d.text)
	some(d, &a.suspects, suspectsKept, func(s *suspect) {
		d.addr(&s.address)
		d.u64(&s.network)
		d.u64(&s.block)
		d.u32(&s.system)
		d.text(&s.country)
		d.i32(&s.told)
		d.i32(&s.day)
		d.bad = d.bad || s.told < 0
	})
	a.last.fields(d)
	d.bad = d.bad || a.today >= levels || a.group >= groups || a.days < 0 || a.agent < 0 || a.last.Minute < 0 || a.last.Hired >= hireds
	for l := range a.fresh {
		d.bad = d.bad || a.fresh[l] < 0 || a.due[l] < 0 || a.doubted[l] < 0
	}
}

// AppendBinary appends the state to b.
func (a *Addresses) AppendBinary(b []byte) ([]byte, error) { return write(b, a.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (a *Addresses) MarshalBinary() ([]byte, error) { return a.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (a *Addresses) UnmarshalBinary(b []byte) error {
	var v Addresses
	if err := read(b, "set of addresses", v.fields); err != nil {
		return err
	}
	*a = v
	return nil
}

func (p *AddressPool) fields(d *codec) {
	for k := range p.rates {
		for i := range p.rates[k] {
			r := &p.rates[k][i]
			d.f64(&r.days, &r.agent)
			d.bad = d.bad || r.days < 0 || r.agent < 0
			for h := range r.hired {
				d.f64(&r.hired[h])
				d.bad = d.bad || r.hired[h] < 0
			}
			for l := range r.fresh {
				d.f64(&r.fresh[l])
				d.bad = d.bad || r.fresh[l] < 0
			}
		}
	}
	p.networks.fields(d)
	p.blocks.fields(d)
	some(d, &p.condemned, condemnedKept, d.addr)
}

func (s *sharing) fields(d *codec) {
	networks := s.list()
	if d.reading {
		*s = sharing{}
	}
	some(d, &networks, sharedKept, func(k *uint64) {
		d.u64(k)
		u := (*s)[*k]
		if d.reading {
			u = &users{}
			(*s)[*k] = u
		}
		d.i32(&u.day)
		some(d, &u.who, usersKept, d.u32)
	})
}

// AppendBinary appends to b what the pool has learned. The parameters are not
// written: the reader is made with NewAddressPool first.
func (p *AddressPool) AppendBinary(b []byte) ([]byte, error) { return write(b, p.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (p *AddressPool) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the pool is as it
// was.
func (p *AddressPool) UnmarshalBinary(b []byte) error {
	v := AddressPool{params: p.params}
	if err := read(b, "pool of addresses", v.fields); err != nil {
		return err
	}
	*p = v
	return nil
}
