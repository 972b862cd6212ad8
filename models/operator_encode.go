package models

import "slices"

func (h *Habit) fields(d *codec) {
	for c := range h.done {
		d.f32(&h.done[c], &h.held[c], &h.total[c])
		d.minute(&h.doneDay[c])
		d.bool(&h.pending[c])
		d.text(&h.pendingOf[c])
		d.bad = d.bad || h.done[c] < 0 || h.held[c] < 0 || h.total[c] < 0
	}
	for i := range h.calls {
		d.u64(&h.calls[i].key)
		d.f32(&h.calls[i].n)
	}
	for i := range h.recent {
		d.u64(&h.recent[i].key)
		d.minute(&h.recent[i].first, &h.recent[i].last)
	}
}

// AppendBinary appends the state to b.
func (h *Habit) AppendBinary(b []byte) ([]byte, error) { return write(b, h.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (h *Habit) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (h *Habit) UnmarshalBinary(b []byte) error {
	var v Habit
	if err := read(b, "habit", v.fields); err != nil {
		return err
	}
	*h = v
	return nil
}

func (g *grouped) fields(d *codec) {
	d.f64(&g.days)
	for c := range g.done {
		d.f64(&g.done[c], &g.first[c], &g.due[c])
		d.bad = d.bad || g.done[c] < 0 || g.first[c] < 0 || g.due[c] < 0
	}
	d.bad = d.bad || g.days < 0
}

func (o *Operators) fields(d *codec) {
	d.minute(&o.day)
	o.all.fields(d)
	for c := range o.total {
		d.f64(&o.total[c])
		d.bad = d.bad || o.total[c] < 0
	}
	names := make([]string, 0, len(o.groups))
	for k := range o.groups {
		names = append(names, k)
	}
	slices.Sort(names)
	for i := range d.count(len(names), groupsKept) {
		if d.reading {
			names = append(names, "")
		}
		d.text(&names[i])
		g := o.groups[names[i]]
		if d.reading {
			g = &grouped{}
			o.groups[names[i]] = g
		}
		g.fields(d)
	}
	keys := o.callKeys()
	slices.Sort(keys)
	for i := range d.count(len(keys), callsKept) {
		if d.reading {
			keys = append(keys, 0)
		}
		d.u64(&keys[i])
		n := o.calls[keys[i]]
		d.f64(&n)
		d.bad = d.bad || n < 0
		if d.reading {
			o.calls[keys[i]] = n
		}
	}
}

// AppendBinary appends the state to b.
func (o *Operators) AppendBinary(b []byte) ([]byte, error) { return write(b, o.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (o *Operators) MarshalBinary() ([]byte, error) { return o.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (o *Operators) UnmarshalBinary(b []byte) error {
	v := NewOperators()
	if err := read(b, "operators", v.fields); err != nil {
		return err
	}
	*o = *v
	return nil
}
