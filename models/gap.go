package models

import (
	"iter"
	"slices"
)

// gapsKept bounds how many gaps a family remembers: the newest.
const gapsKept = 512

// gap is a time in which an account has no event though some were due, from a
// minute up to, and without, another.
type gap struct{ from, to Minute }

// gaps are disjoint and in order of time.
type gaps []gap

func (g *gaps) add(from, to Minute) {
	if from >= to {
		return
	}
	if n := len(*g); n > 0 {
		last := &(*g)[n-1]
		if from <= last.to {
			last.to = max(last.to, to)
			// One that reaches back swallows what it covers.
			for last.from = min(last.from, from); n > 1 && (*g)[n-2].to >= last.from; n-- {
				(*g)[n-2] = gap{min((*g)[n-2].from, last.from), max((*g)[n-2].to, last.to)}
				*g = (*g)[:n-1]
				last = &(*g)[n-2]
			}
			return
		}
		if n >= gapsKept {
			*g = append((*g)[:0], (*g)[1:]...)
		}
	}
	*g = append(*g, gap{from, to})
}

// Away says that the identity of the series that is added to next was away from
// one minute up to another: for that series it is a gap in the data. It holds
// until it is called again; an empty span is none.
func (f *Family) Away(from, to Minute) { f.away = gap{from, to} }

// missing is how many minutes from one up to another were in gaps.
func (f *Family) missing(from, to Minute) Minute {
	if f.away.from <= from && f.away.to >= to {
		return to - from
	}
	sum := max(0, min(f.away.to, to)-max(f.away.from, from))
	for i := len(f.gaps) - 1; i >= 0 && f.gaps[i].to > from; i-- {
		if g := f.gaps[i]; g.from < to {
			sum += min(g.to, to) - max(g.from, from)
		}
	}
	return min(sum, to-from)
}

// missingHours yields the hours from one up to another that were in gaps, in
// whole or in part.
func (f *Family) missingHours(from, to int32) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		next, all := from, f.gaps
		if f.away.to > f.away.from {
			i, _ := slices.BinarySearchFunc(all, f.away, func(a, b gap) int { return int(a.from - b.from) })
			all = slices.Insert(slices.Clone(all), i, f.away)
		}
		for _, g := range all {
			for h := max(next, g.from/60); h < to && h*60 < g.to; h++ {
				if !yield(h) {
					return
				}
				next = h + 1
			}
		}
	}
}
