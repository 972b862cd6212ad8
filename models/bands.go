package models

import "iter"

// bandLower is the probability with which a count lies below the lower band.
const bandLower = 0.01

// Band is what a series was expected to do in the step that begins at Start.
type Band struct {
	Start Minute
	// Expected, Lower and Upper are counts in the step. Upper is the least count
	// that would have started an episode, by the window next to the step's width.
	Expected, Lower, Upper float64
}

// Bands runs a series' history, counts in order of time, through the model, and
// yields what was expected from minute from up to minute to, in steps of step
// minutes. Each band is made from what came before its start. The family is
// read and not changed; it is as it is now, since its own past is not kept.
// group is with whom the series is compared.
func Bands(f *Family, birth Minute, group Group, counts iter.Seq2[Minute, float64], from, to Minute, step int) iter.Seq[Band] {
	return func(yield func(Band) bool) {
		g := f.Clone()
		g.dry, g.begun = true, true
		b := bander{f: g, c: NewCount(birth, group), next: from, to: to, step: Minute(max(1, step))}
		for m, n := range counts {
			if m >= to {
				break
			}
			if !b.until(m, yield) {
				return
			}
			g.Add(&b.c, nil, max(m, birth), n)
		}
		if to > from {
			b.until(to-1, yield)
		}
	}
}

// bander makes the bands of one series.
type bander struct {
	f        *Family
	c        Count
	next, to Minute
	step     Minute
	last     Band
	rate     float32
	hour     int32
}

// until yields the bands of the steps that begin up to minute m. What the
// series did in m itself is not known yet.
func (b *bander) until(m Minute, yield func(Band) bool) bool {
	for ; b.next <= m && b.next < b.to; b.next += b.step {
		if !yield(b.band(b.next)) {
			return false
		}
	}
	return true
}

// band is the band of the step that begins in minute m.
func (b *bander) band(m Minute) Band {
	if m < b.c.birth {
		return Band{Start: m} // Nobody was there.
	}
	// The state stands at the last minute with a call: a copy goes on, so that
	// idle time is learned in one step when the next call comes, as it is live.
	c := b.c
	c.advance(b.f, m)
	if c.rate == 0 {
		c.rate = float32(c.hourRate(m / 60))
	}
	w := windowMinute
	for w < windowDay && windowMinutes[w] < int(b.step) {
		w++
	}
	within := m/60 == (m+b.step-1)/60
	if within && b.last.Expected > 0 && b.rate == c.rate && b.hour == m/60 {
		b.last.Start = m
		return b.last
	}
	mu := 0.0
	for at := m; at < m+b.step; {
		end := min((at/60+1)*60, m+b.step)
		rate := float64(c.rate)
		if at/60 != m/60 {
			rate = c.rateIn(at/60, m/60)
		}
		mu += rate * float64(end-at)
		at = end
	}
	out := Band{Start: m, Expected: mu}
	out.Lower = nbLower(mu, c.dispersed(w, b.f.dispersed(&c, w)), bandLower)
	out.Upper = b.f.upper(&c, nil, w, m, mu)
	if within {
		b.last, b.rate, b.hour = out, c.rate, m/60
	}
	return out
}
