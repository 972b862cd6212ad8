package models

import "math"

const (
	// hazardPrior is how many days of an identity the rate of all weighs.
	hazardPrior = 4
	// hazardLife is the half-life of what is known of all identities, in days.
	hazardLife = 28
	// hazardAged is at how many days the past of an identity is halved.
	hazardAged = 90
)

// Hazard is on how many of its active days an identity did something of a sort
// that is rare. The zero value has seen nothing.
type Hazard struct {
	days, done       float32
	day              int32 // the last one, plus 1
	doneNow, daysNow bool  // they wait for the day to be over
}

// Hazards is the same of all identities of an account. Make it with NewHazards.
type Hazards struct {
	days, done float64
	day        int32
	prior      float64
}

// NewHazards returns one of which nothing is known; prior is the share of days
// that is taken for usual, with the weight of thirty.
func NewHazards(prior float64) *Hazards { return &Hazards{prior: prior} }

const hazardKnown = 30

// rate is the share of days of all identities.
func (p *Hazards) rate() float64 {
	return (p.done + hazardKnown*p.prior) / (p.days + hazardKnown)
}

// Chance is how likely the identity is to do such a thing on a day: its own
// share, shrunk to that of all. Days are counted once they are over, so that the
// second time on a day is as odd as the first.
func (h *Hazard) Chance(p *Hazards) float64 {
	return min(1, (float64(h.done)+hazardPrior*p.rate())/(float64(h.days)+hazardPrior))
}

// Days are the active days that are over, and Done those on which it did.
func (h *Hazard) Days() float64 { return float64(h.days) }

// Done is on how many of them it did.
func (h *Hazard) Done() float64 { return float64(h.done) }

// Active notes a minute in which the identity is active.
func (h *Hazard) Active(p *Hazards, m Minute) {
	day := m/dayMinutes + 1
	if day <= h.day {
		return
	}
	p.advance(day)
	if h.daysNow {
		h.days++
		p.days++
	}
	if h.doneNow {
		h.done++
		p.done++
	}
	if h.days >= hazardAged {
		h.days /= 2
		h.done /= 2
	}
	h.day, h.daysNow, h.doneNow = day, true, false
}

// Do notes that the identity does such a thing, in a minute that Active was told
// of.
func (h *Hazard) Do(m Minute) { h.doneNow = h.doneNow || m/dayMinutes+1 == h.day }

// advance lets what is known of all fade.
func (p *Hazards) advance(day int32) {
	if p.day == 0 {
		p.day = day
	}
	if day <= p.day {
		return
	}
	f := math.Exp2(-float64(day-p.day) / hazardLife)
	p.days *= f
	p.done *= f
	p.day = day
}

func (h *Hazard) fields(d *codec) {
	d.f32(&h.days, &h.done)
	d.minute(&h.day)
	d.bool(&h.doneNow)
	d.bool(&h.daysNow)
	d.bad = d.bad || h.days < 0 || h.done < 0 || h.done > h.days
}

// AppendBinary appends the state to b.
func (h *Hazard) AppendBinary(b []byte) ([]byte, error) { return write(b, h.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (h *Hazard) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (h *Hazard) UnmarshalBinary(b []byte) error {
	var v Hazard
	if err := read(b, "hazard", v.fields); err != nil {
		return err
	}
	*h = v
	return nil
}

func (p *Hazards) fields(d *codec) {
	d.f64(&p.days, &p.done)
	d.minute(&p.day)
	d.bad = d.bad || p.days < 0 || p.done < 0
}

// AppendBinary appends the state to b. The prior is not part of it.
func (p *Hazards) AppendBinary(b []byte) ([]byte, error) { return write(b, p.fields), nil }

// MarshalBinary is the state as AppendBinary writes it.
func (p *Hazards) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote. On an error the state is as it
// was.
func (p *Hazards) UnmarshalBinary(b []byte) error {
	v := Hazards{prior: p.prior}
	if err := read(b, "hazards", v.fields); err != nil {
		return err
	}
	*p = v
	return nil
}
