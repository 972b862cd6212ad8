package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// window is what one rule knows of one group: the events that count, by term.
type window struct {
	terms [][]entry
	// newest is the time of the last event that counted.
	newest int64
}

// entry is an event that counts. Entries are in the order of (at, uid).
type entry struct {
	at  int64 // Microseconds.
	uid string
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.at, f.at), strings.Compare(e.uid, f.uid))
}

func (w *window) clone() *window {
	c := &window{terms: make([][]entry, len(w.terms)), newest: w.newest}
	for i := range w.terms {
		c.terms[i] = slices.Clone(w.terms[i])
	}
	return c
}

func (w *window) size() int {
	n := 0
	for _, list := range w.terms {
		n += len(list)
	}
	return n
}

// upTo is how many entries of a list come before e, or e with them.
func upTo(list []entry, e entry, inclusive bool) int {
	i, found := slices.BinarySearchFunc(list, e, entry.compare)
	if found && inclusive {
		i++
	}
	return i
}

// count is how many entries lie in the window that ends at e: later than e less
// the window's length, and up to e.
func (w *window) count(list []entry, e entry, length int64, inclusive bool) int {
	end := upTo(list, e, inclusive)
	// The window is open at its beginning: what is exactly its length ago is out.
	begin, _ := slices.BinarySearchFunc(list[:end], e.at-length, func(x entry, at int64) int {
		if x.at <= at {
			return -1
		}
		return 1
	})
	return end - begin
}

// level reports whether a rule holds in the window that ends before e, or with e.
// It follows from the entries alone, so it is the same in whatever order they
// came.
func (w *window) level(p *program, e entry, inclusive bool) bool {
	if p.rule.Type == Sequence {
		return w.chain(p, e, inclusive)
	}
	for i := range p.terms {
		t := &p.terms[i]
		n := w.count(w.terms[i], e, p.window, inclusive)
		if n < t.count || t.test == countEqual && n != t.count {
			return false
		}
	}
	return true
}

// chain reports whether the terms of a sequence come one after the other in the
// window. It looks for the latest that can be, from the end: if that does not fit
// into the window, none does.
func (w *window) chain(p *program, e entry, inclusive bool) bool {
	bound := e
	for i, list := range slices.Backward(w.terms) {
		first := upTo(list, bound, inclusive) - p.terms[i].count
		if first < 0 {
			return false
		}
		bound, inclusive = list[first], false
	}
	return bound.at > e.at-p.window
}

// fires reports whether the rule begins to hold at e, which is one of the entries.
func (w *window) fires(p *program, e entry) bool {
	return w.level(p, e, true) && !w.level(p, e, false)
}

// insert puts an event into the lists of its terms. It returns false where it is
// there already.
func (w *window) insert(e entry, bits uint64) bool {
	fresh := false
	for i := range w.terms {
		if bits&(1<<i) == 0 {
			continue
		}
		if at, found := slices.BinarySearchFunc(w.terms[i], e, entry.compare); !found {
			w.terms[i] = slices.Insert(w.terms[i], at, e)
			fresh = true
		}
	}
	w.newest = max(w.newest, e.at)
	return fresh
}

// after lists the entries later than e that have e in their window, in order.
func (w *window) after(e entry, length int64) []entry {
	var out []entry
	for _, list := range w.terms {
		for _, x := range list[upTo(list, e, true):] {
			if x.at-length >= e.at {
				break
			}
			out = append(out, x)
		}
	}
	slices.SortFunc(out, entry.compare)
	return slices.Compact(out)
}

// slack is how many entries a list keeps beyond twice what its term counts, for
// events that come late.
const slack = 1024

// trim forgets what can no longer count, and returns how many entries it forgot
// for want of room.
func (w *window) trim(p *program, lateness int64) (dropped int) {
	oldest := w.newest - p.window - lateness
	for i := range w.terms {
		list := w.terms[i]
		old := 0
		for old < len(list) && list[old].at <= oldest {
			old++
		}
		over := max(0, len(list)-old-2*p.terms[i].count-slack)
		old += over
		// Many at once, since the rest moves to the front.
		if old > 0 && (old >= 64 || old == len(list) || old*4 > len(list)) {
			w.terms[i] = slices.Delete(list, 0, old)
			dropped += over
		}
	}
	return dropped
}

// observe puts the event of the context into its window and appends what follows.
func (st *State) observe(p *program, bits uint64, out []Match) []Match {
	c := &st.context
	group := p.group(c)
	w := st.window(windowKey{p.key, group}, len(p.terms))
	e := entry{micros(c.facts.Time()), c.facts.UID()}
	lateness := st.limits.Lateness.Microseconds()
	if e.at <= w.newest-p.window-lateness {
		st.stats.TooLate++
		return out
	}
	e.uid = strings.Clone(e.uid)

	later := w.after(e, p.window)
	var fired []bool
	for _, x := range later {
		fired = append(fired, w.fires(p, x))
	}
	before := w.level(p, e, false)
	size := w.size()
	if !w.insert(e, bits) {
		return out
	}
	holds := w.level(p, e, true)
	switch {
	case holds && !before:
		m := w.match(p, Fired, group, e)
		m.Leaves = p.explain(c, bits)
		out = append(out, m)
	case holds:
		out = append(out, w.match(p, Held, group, e))
	}
	for i, x := range later {
		switch now := w.fires(p, x); {
		case now && !fired[i]:
			out = append(out, w.match(p, Fired, group, x))
		case !now && fired[i]:
			out = append(out, w.match(p, Withdrawn, group, x))
		}
	}
	st.stats.Dropped += uint64(w.trim(p, lateness))
	st.entries += w.size() - size
	st.makeRoom()
	return out
}

// maxUIDs bounds how many events a match names.
const maxUIDs = 20

// match says what is known at e.
func (w *window) match(p *program, state MatchState, group string, e entry) Match {
	m := Match{
		Rule: p.rule, State: state, UID: e.uid, Time: time.UnixMicro(e.at).UTC(),
		Until: time.UnixMicro(e.at + p.window).UTC(), Since: time.UnixMicro(e.at).UTC(),
	}
	if len(p.groupBy) > 0 {
		values := strings.Split(group, groupSeparator)
		for i, ref := range p.groupBy {
			m.Group = append(m.Group, GroupValue{ref.text, values[i]})
		}
	}
	var all []entry
	for _, list := range w.terms {
		n := w.count(list, e, p.window, true)
		end := upTo(list, e, true)
		if n > 0 {
			m.Since = minTime(m.Since, time.UnixMicro(list[end-n].at).UTC())
		}
		m.Count += n
		if state == Fired {
			all = append(all, list[max(end-n, end-maxUIDs):end]...)
		}
	}
	slices.SortFunc(all, entry.compare)
	all = slices.Compact(all)
	for _, x := range all[max(0, len(all)-maxUIDs):] {
		m.UIDs = append(m.UIDs, x.uid)
	}
	return m
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
