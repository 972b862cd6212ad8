package models

import "math"

// dayMinutes and weekMinutes are a day and a week in minutes.
const (
	dayMinutes  = 1440
	weekMinutes = 10080
)

// Novelty is how often an identity begins something new: a person who tries an
// API every day surprises nobody with another. The zero value is not in use;
// make it with NewNovelty.
type Novelty struct {
	birth Minute
	last  Minute  // up to which news is decayed
	since Minute  // of the first of pend
	mark  Minute  // the last upkeep that counted the identity
	news  float32 // half-life a week
	pend  float32 // waits a day, so that today's novelties do not excuse each other

	surprises float32 // days with a first surprise of a series, decayed to surprised
	surprised Minute  // the last such day, which waits likewise
}

// NewNovelty returns that of an identity first seen in minute birth.
func NewNovelty(birth Minute) Novelty {
	return Novelty{birth: birth, last: birth, since: birth, mark: birth - 1}
}

// New notes that the identity began something new in minute m.
func (w *Novelty) New(m Minute) {
	if m-w.birth < dayMinutes {
		return // On the first day everything is new.
	}
	w.settle(m)
	if w.pend == 0 {
		w.since = m
	}
	w.pend++
}

// settle lets what waited a day count.
func (w *Novelty) settle(m Minute) {
	if m > w.last {
		w.news *= float32(math.Exp2(-float64(m-w.last) / weekMinutes))
		w.last = m
	}
	if w.pend > 0 && m-w.since > dayMinutes {
		w.news += w.pend
		w.pend = 0
	}
}

// perWeek is the identity's rate of novelties, with what still waits left out.
// 1.44 is 1/ln 2, the weeks that an endless past weighs at that half-life.
func (w *Novelty) perWeek(m Minute) float64 {
	news := float64(w.news)
	if m > w.last {
		news *= math.Exp2(-float64(m-w.last) / weekMinutes)
	}
	if w.pend > 0 && m-w.since > dayMinutes {
		news += float64(w.pend)
	}
	return news / (min(float64(m-w.birth)/weekMinutes, 1.44) + 0.1)
}

// class is the maturity class of a series that an identity, known since birth,
// begins in minute m. Where nothing is known of its novelties it is taken for
// one that begins something new now and then.
func (w *Novelty) class(birth, m Minute) uint8 {
	if m-birth < dayMinutes {
		return classCore
	}
	if w == nil {
		return classNow
	}
	switch r := w.perWeek(m); {
	case r < 0.35:
		return classRarely
	case r < 2:
		return classNow
	}
	return classOften
}

// surprise notes that a series of the identity surprised for one of the first
// times in minute m, and whether that counts: once a day it does.
func (w *Novelty) surprise(m Minute) bool {
	if w.surprised != 0 && m-w.surprised < dayMinutes {
		return false
	}
	w.surprises = float32(w.known(m))
	w.surprised = m
	return true
}

// known is how many days with a first surprise are known by minute m, all but
// that of the last day.
func (w *Novelty) known(m Minute) float64 {
	n := float64(w.surprises)
	if w.surprised == 0 {
		return n
	}
	if m > w.surprised {
		n *= math.Exp2(-float64(m-w.surprised) / surpriseHalfLife)
	}
	if m-w.surprised >= dayMinutes {
		n++
	}
	return n
}
