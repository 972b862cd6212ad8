package models

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// States are written as a version byte and their fields in a fixed order,
// little endian, floats by their bits. Each type lists its fields once, for
// both directions.

// stateVersion is the version of the formats.
const stateVersion = 3

// mostValue bounds every number in a state.
const mostValue = 1e18

// errState is a state that was not written by this version of the package, or
// was damaged since.
var errState = errors.New("not a model state")

// codec writes the fields that are shown to it, or reads them.
type codec struct {
	b       []byte
	reading bool
	short   bool
	bad     bool
}

// take returns the next n bytes to be read, or nil where they are missing.
func (d *codec) take(n int) []byte {
	if len(d.b) < n {
		d.short, d.b = true, nil
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *codec) u8(vs ...*uint8) {
	for _, v := range vs {
		if !d.reading {
			d.b = append(d.b, *v)
		} else if b := d.take(1); b != nil {
			*v = b[0]
		}
	}
}

func (d *codec) u16(vs ...*uint16) {
	for _, v := range vs {
		if !d.reading {
			d.b = binary.LittleEndian.AppendUint16(d.b, *v)
		} else if b := d.take(2); b != nil {
			*v = binary.LittleEndian.Uint16(b)
		}
	}
}

func (d *codec) u16s(vs []uint16) {
	for i := range vs {
		d.u16(&vs[i])
	}
}

func (d *codec) u32(v *uint32) {
	if !d.reading {
		d.b = binary.LittleEndian.AppendUint32(d.b, *v)
	} else if b := d.take(4); b != nil {
		*v = binary.LittleEndian.Uint32(b)
	}
}

func (d *codec) u64(v *uint64) {
	lo, hi := uint32(*v), uint32(*v>>32)
	d.u32(&lo)
	d.u32(&hi)
	*v = uint64(hi)<<32 | uint64(lo)
}

// text is a string of at most 64 KiB.
func (d *codec) text(v *string) {
	n := uint16(min(len(*v), math.MaxUint16))
	d.u16(&n)
	if !d.reading {
		d.b = append(d.b, (*v)[:n]...)
	} else if b := d.take(int(n)); b != nil {
		*v = string(b)
	}
}

func (d *codec) minute(vs ...*Minute) {
	for _, v := range vs {
		u := uint32(*v)
		d.u32(&u)
		*v = Minute(u)
	}
}

func (d *codec) f32(vs ...*float32) {
	for _, v := range vs {
		u := math.Float32bits(*v)
		d.u32(&u)
		*v = math.Float32frombits(u)
		d.bad = d.bad || !(math.Abs(float64(*v)) <= mostValue)
	}
}

func (d *codec) f64(vs ...*float64) {
	for _, v := range vs {
		if !d.reading {
			d.b = binary.LittleEndian.AppendUint64(d.b, math.Float64bits(*v))
		} else if b := d.take(8); b != nil {
			*v = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
		d.bad = d.bad || !(math.Abs(*v) <= mostValue)
	}
}

func (d *codec) bool(v *bool) {
	var u uint8
	if *v {
		u = 1
	}
	d.u8(&u)
	*v = u != 0
}

// write appends a state's fields to b.
func write(b []byte, fields func(*codec)) []byte {
	d := codec{b: append(b, stateVersion)}
	fields(&d)
	return d.b
}

// read reads a state's fields from all of b.
func read(b []byte, what string, fields func(*codec)) error {
	if len(b) == 0 || b[0] != stateVersion {
		return fmt.Errorf("reading the state of a %s: %w: unknown version", what, errState)
	}
	d := codec{b: b[1:], reading: true}
	fields(&d)
	switch {
	case d.short:
		return fmt.Errorf("reading the state of a %s: %w: cut short", what, errState)
	case len(d.b) > 0:
		return fmt.Errorf("reading the state of a %s: %w: %d bytes too many", what, errState, len(d.b))
	case d.bad:
		return fmt.Errorf("reading the state of a %s: %w: a value that cannot be", what, errState)
	}
	return nil
}

func (c *Count) fields(d *codec) {
	d.minute(&c.birth, &c.cur, &c.call, &c.run)
	d.f32(&c.rate, &c.before, &c.hour, &c.day, &c.dayExp, &c.total)
	for w := range c.disp {
		d.f32(&c.disp[w].sum, &c.disp[w].weight)
	}
	for w := range c.surprise {
		p := &c.surprise[w]
		d.f32(&p.n, &p.sum, &p.sq, &p.max)
		d.minute(&p.end)
	}
	d.u16s(c.minutes[:])
	d.u16s(c.fives[:])
	d.u8(&c.flags, &c.class, &c.busy, &c.busyFive, &c.hold, (*uint8)(&c.group))
	d.u16(&c.base)
	d.minute(&c.alarm, &c.open, &c.from, &c.carried, &c.shiftAt)
	d.f32(&c.calls, &c.due, &c.shiftBy, &c.shiftN, &c.shiftExp, &c.active, &c.season, &c.whole)
	d.u16s(c.hours[:])
	d.u16s(c.expect[:])
	for h := range c.profile {
		for i := range c.profile[h] {
			d.u8(&c.profile[h][i])
		}
	}
	for _, p := range c.surprise {
		d.bad = d.bad || p.n < 0 || p.sum < 0 || p.sq < 0 || p.max < 0
	}
	for _, p := range c.disp {
		d.bad = d.bad || p.sum < 0 || p.weight < 0
	}
	d.bad = d.bad || c.class >= classes || c.group >= groups || c.birth < 0 || c.cur < c.birth || c.rate < 0 || c.before < 0 ||
		c.hour < 0 || c.day < 0 || c.dayExp < 0 || c.total < 0 || c.active < 0 || c.shiftBy < 0 || c.whole < 0
}

// AppendBinary appends the state to b.
func (c *Count) AppendBinary(b []byte) ([]byte, error) { return write(b, c.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (c *Count) MarshalBinary() ([]byte, error) { return c.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (c *Count) UnmarshalBinary(b []byte) error {
	var v Count
	if err := read(b, "series", v.fields); err != nil {
		return err
	}
	*c = v
	return nil
}

func (w *Novelty) fields(d *codec) {
	d.minute(&w.birth, &w.last, &w.since, &w.mark, &w.surprised)
	d.f32(&w.news, &w.pend, &w.surprises)
}

// AppendBinary appends the state to b.
func (w *Novelty) AppendBinary(b []byte) ([]byte, error) { return write(b, w.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (w *Novelty) MarshalBinary() ([]byte, error) { return w.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (w *Novelty) UnmarshalBinary(b []byte) error {
	var v Novelty
	if err := read(b, "novelty", v.fields); err != nil {
		return err
	}
	*w = v
	return nil
}

func (s *Share) fields(d *codec) {
	d.f32(&s.calls, &s.errors)
	d.minute(&s.cur)
	d.u16s(s.hourCalls[:])
	d.u16s(s.hourErrors[:])
}

// AppendBinary appends the state to b.
func (s *Share) AppendBinary(b []byte) ([]byte, error) { return write(b, s.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (s *Share) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (s *Share) UnmarshalBinary(b []byte) error {
	var v Share
	if err := read(b, "share", v.fields); err != nil {
		return err
	}
	*s = v
	return nil
}

func (f *Family) fields(d *codec) {
	d.f64(&f.params.Threshold, &f.params.Potential)
	d.bool(&f.begun)
	d.minute(&f.begin, &f.kept)
	for g := range f.pools {
		f.pools[g].fields(d)
	}
	n := uint32(len(f.gaps))
	d.u32(&n)
	if d.reading {
		if n > gapsKept {
			d.bad = true
			return
		}
		f.gaps = make(gaps, n)
	}
	for i := range f.gaps {
		d.minute(&f.gaps[i].from, &f.gaps[i].to)
	}
}

func (p *pool) fields(d *codec) {
	for w := range p.cells {
		for c := range p.cells[w] {
			e := &p.cells[w][c]
			d.f64(&e.n, &e.sum, &e.sq, &e.weeks, &e.fitted)
			for i := range e.bins {
				d.f32(&e.bins[i])
			}
			for i := range e.curve {
				d.f32(&e.curve[i])
			}
		}
		d.f64(&p.logDisp[w], &p.disps[w])
	}
	d.f64(&p.surprises, &p.identities)
}

// AppendBinary appends to b what the family has learned, with its threshold and
// potential. The other parameters and what it was shipped with are not written:
// the reader is made with NewFamily first.
func (f *Family) AppendBinary(b []byte) ([]byte, error) { return write(b, f.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (f *Family) MarshalBinary() ([]byte, error) { return f.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the family is as it
// was.
func (f *Family) UnmarshalBinary(b []byte) error {
	v := *f
	v.gaps = nil
	if err := read(b, "family", v.fields); err != nil {
		return err
	}
	*f = v
	return nil
}
