package models

import "math/bits"

// A series keeps more than two hundred counts. They are packed as floats without
// sign: in 16 bits, of which 10 are the fraction, exact for whole numbers below
// 2,048 and within a 1,300th above; those of the profile in 12 bits, of which 7
// are the fraction, exact below 256 units and within a 170th above. Counts that
// have fractions are packed in a smaller unit.

const (
	// profileUnit is the unit in which the profile's counts are packed.
	profileUnit = 1.0 / 64
	// expectUnit is the unit in which expected counts of an hour are packed.
	expectUnit = 1.0 / (1 << 20)
	packLimit  = 1 << 62
)

// pack packs x, rounded to the nearest that has a code. Negative and absurdly
// large numbers are clipped.
func pack(x float64) uint16 { return packed(min(x, packLimit), 10) }

// unpack is the number that a code stands for.
func unpack(c uint16) float64 { return unpacked(c, 10) }

// packed packs x with so many bits of fraction.
func packed(x float64, fraction int) uint16 {
	if !(x > 0) {
		return 0
	}
	u := uint64(x + 0.5)
	if u < 2<<fraction {
		return uint16(u)
	}
	e := bits.Len64(u) - fraction - 1
	m := (u + 1<<(e-1)) >> e // A carry is the next exponent's first.
	return uint16(uint64(e)<<fraction + m)
}

func unpacked(c uint16, fraction int) float64 {
	if c < 2<<fraction {
		return float64(c)
	}
	one := uint16(1) << fraction
	return float64(uint64(one|c&(one-1)) << (c>>fraction - 1))
}

// weekly holds a number for each hour of the week, in 12 bits each: the seven
// days of an hour of the day stand together, since they are read together.
type weekly [24]weekRow

// weeklyFraction and weeklyLimit are the bits of fraction and the largest number.
const (
	weeklyFraction = 7
	weeklyLimit    = 255 << 30
)

// week returns the numbers of an hour of the day, Monday's first.
func (p *weekly) week(hour int32) (out [7]float64) {
	b := &p[hour]
	for day := range out {
		out[day] = unpacked(b.code(day), weeklyFraction)
	}
	return out
}

// add adds x to the number of an hour and a day.
func (p *weekly) add(hour, day int32, x float64) {
	b := &p[hour]
	b.set(int(day), packed(min(unpacked(b.code(int(day)), weeklyFraction)+x, weeklyLimit), weeklyFraction))
}

// scale multiplies all numbers.
func (p *weekly) scale(by float64) {
	for hour := range p {
		b := &p[hour]
		for day := range 7 {
			if c := b.code(day); c != 0 {
				b.set(day, packed(min(unpacked(c, weeklyFraction)*by, weeklyLimit), weeklyFraction))
			}
		}
	}
}

// weekRow is the codes of one hour of the day.
type weekRow [11]uint8

func (b *weekRow) code(day int) uint16 {
	i := day * 3 / 2
	if day&1 == 0 {
		return uint16(b[i]) | uint16(b[i+1]&15)<<8
	}
	return uint16(b[i]>>4) | uint16(b[i+1])<<4
}

func (b *weekRow) set(day int, c uint16) {
	i := day * 3 / 2
	if day&1 == 0 {
		b[i], b[i+1] = uint8(c), b[i+1]&0xf0|uint8(c>>8)
	} else {
		b[i], b[i+1] = b[i]&15|uint8(c<<4), uint8(c>>4)
	}
}
