package engine

import (
	"slices"

	"github.com/insightd/insightd/models"
)

// recent counts the newest events of a stream that are final, by spans of minutes. How
// much of them is looked at for an insight follows from it, and so from what is final
// alone: not from the blocks of the log, nor from how far the watermark moved at once.
type recent struct {
	spans []span // in order of time
	total int
}

// span is some minutes, from one up to the next span's.
type span struct {
	from models.Minute
	n    int
}

const (
	// recentSpans is how many spans hold as many events as are looked at for one
	// insight: busy minutes are spans of their own.
	recentSpans = 1000
	// recentMinutes is for how long spans stay, at the least: insights end some time
	// after their last event.
	recentMinutes = 2 * 1440
)

// add counts n events of a minute, which is the newest. limit is how many are looked at
// for one insight.
func (r *recent) add(m models.Minute, n, limit int) {
	r.total += n
	if k := len(r.spans) - 1; k >= 0 && r.spans[k].n < max(1, limit/recentSpans) {
		r.spans[k].n += n
	} else {
		r.spans = append(r.spans, span{m, n})
	}
	for len(r.spans) > 1 && r.spans[1].from < m-recentMinutes && r.total-r.spans[0].n >= limit {
		r.total -= r.spans[0].n
		r.spans = slices.Delete(r.spans, 0, 1)
	}
}

// cut is the minute, from the given one on, since which there are no more than limit
// events before minute to; the minute before it is always within. Of what is older than
// the spans nothing is cut: only a rule asks for it, of what came late, and of a day at
// the most.
func (r *recent) cut(from, to models.Minute, limit int) models.Minute {
	n, edge := 0, to
	for _, x := range slices.Backward(r.spans) {
		if x.from >= to {
			continue
		}
		if n > 0 && n+x.n > limit {
			return max(from, edge)
		}
		if n, edge = n+x.n, x.from; edge <= from {
			break
		}
	}
	return from
}

func (r *recent) fields(d *codec) {
	list(d, &r.spans, func(x *span) {
		integer(d, &x.from)
		integer(d, &x.n)
		if x.n <= 0 {
			d.fail(errSnapshot)
		}
		if d.reading() {
			r.total += x.n
		}
	})
}
