package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// featureException is the feature of the reason that says why an insight is told
// that an exception kept quiet.
const featureException = "exception"

// exceptions are those that a stream has heard of, in the order of their records,
// with what they swallowed of it. Deleted and expired ones stay for as long as they
// are listed.
type exceptions []*insight.Exception

func (l exceptions) byID(id string) *insight.Exception {
	if i := slices.IndexFunc(l, func(x *insight.Exception) bool { return x.ID == id }); i >= 0 && id != "" {
		return l[i]
	}
	return nil
}

// keep forgets those of which nobody is told any more at minute m.
func (l *exceptions) keep(m models.Minute) {
	at := minuteTime(m)
	*l = slices.DeleteFunc(*l, func(x *insight.Exception) bool { return at.Sub(x.Expires) > insight.ExceptionKept })
}

// spread is what a scope is held against.
func (ev *evidence) spread() insight.Spread {
	out := insight.Spread{Peak: float64(ev.peak)}
	for v := range ev.values[attrIdentity] {
		out.Identities = append(out.Identities, v)
	}
	for v := range ev.values[attrAPI] {
		out.Operations = append(out.Operations, v)
	}
	for a := range ev.values[attrAddress] {
		out.Sources = append(out.Sources, ev.sources[a])
	}
	return out
}

// excused keeps an insight from being told that falls within an exception, all that
// is behind it so far. On arrival it counts nothing.
func (s *stream) excused(in *insight.Insight, events selection, m models.Minute) bool {
	var found *evidence
	for _, x := range slices.Backward(s.exceptions) {
		if x.DeletedAt != nil || !x.Holds(in.Start, in.Detected) || !x.Scope.About(in) {
			continue
		}
		if found == nil {
			found = s.gather(events, in.Start, minuteTime(m+1))
		}
		if !x.Scope.Covers(found.spread(), s.key.Provider == providerAzure) {
			continue
		}
		in.Suppressed, in.ExceptedBy = x.Text(), x.ID
		if !s.foreseeing {
			swallowed(x, in)
		}
		return true
	}
	return false
}

// providerAzure is the provider whose operations are compared without case.
const providerAzure = "azure"

// swallowed counts what an exception kept from being told.
func swallowed(x *insight.Exception, in *insight.Insight) {
	x.Swallowed++
	at := in.Start
	x.LastSwallowed = &at
}

// except puts an exception in force, in the place of one of the same id, at minute m.
func (s *stream) except(x *insight.Exception, m models.Minute) {
	if old := s.exceptions.byID(x.ID); old != nil {
		x.Swallowed, x.LastSwallowed = old.Swallowed, old.LastSwallowed
		s.unexcept(old, m)
		s.exceptions = slices.DeleteFunc(s.exceptions, func(o *insight.Exception) bool { return o == old })
	}
	s.exceptions = append(s.exceptions, x)
	azure := s.key.Provider == providerAzure
	s.eachOpen(func(o opened) {
		in := o.insight
		if in.Suppressed != "" || !x.Holds(in.Start, minuteTime(m)) || !x.Scope.About(in) {
			return
		}
		if !x.Scope.Covers(s.gather(o.events, in.Start, minuteTime(m)).spread(), azure) {
			return
		}
		in.Suppressed, in.ExceptedBy = x.Text(), x.ID
		s.suppress(in, true)
		swallowed(x, in)
		s.put(*in)
	})
	for _, t := range s.preview.sorted() {
		in := &t.in
		if in.Suppressed == "" && x.Holds(in.Start, in.Detected) && x.Scope.About(in) && x.Scope.Covers(in.Spread(), azure) {
			in.Suppressed, in.ExceptedBy = x.Text(), x.ID
			s.suppress(in, true)
			s.put(*in)
		}
	}
}

// unexcept tells again of what goes on and an exception kept quiet, which is no more.
func (s *stream) unexcept(x *insight.Exception, m models.Minute) {
	s.eachOpen(func(o opened) {
		if o.insight.ExceptedBy == x.ID {
			s.retell(o.insight, m, fmt.Sprintf("exception %s does not hold any more", x.ID), x)
		}
	})
	for _, t := range s.preview.sorted() {
		if in := &t.in; in.ExceptedBy == x.ID {
			in.Suppressed, in.ExceptedBy = "", ""
			s.suppress(in, true)
			s.put(*in)
		}
	}
}

// retell tells of an open insight again that an exception kept quiet.
func (s *stream) retell(in *insight.Insight, m models.Minute, why string, x *insight.Exception) {
	in.ExceptedBy = ""
	if in.ConfirmedBy != "" {
		return // It is quiet for another reason, too.
	}
	in.Suppressed = ""
	in.Reasons = append(slices.Clone(in.Reasons), insight.Reason{Feature: featureException, Observed: x.ID, Usual: "", Text: why})
	s.suppress(in, in.Rule != nil || s.afford(in, in.Confidence, m))
	if in.Suppressed != "" {
		s.suppressed++
	}
	s.put(*in)
}

// outgrown says by what the events of a span go beyond an exception; empty where
// they do not.
func (s *stream) outgrown(x *insight.Exception, in *insight.Insight, found *evidence) string {
	scope := x.Scope
	scope.MaxRate = 0
	switch {
	case !x.Holds(in.Start, found.last):
		// What is usual goes on as well, and an insight of a rate ends some time
		// after what was not.
		if float64(found.peak) < in.Upper/2 {
			return ""
		}
		return fmt.Sprintf("goes on after exception %s, which ended at %s", x.ID, x.Expires.UTC().Format(time.RFC3339))
	case !scope.Covers(found.spread(), s.key.Provider == providerAzure):
		return fmt.Sprintf("goes beyond exception %s: not all of it is of its identity, operation, network and country", x.ID)
	case x.Scope.MaxRate > 0 && float64(found.peak) > x.Scope.MaxRate:
		return fmt.Sprintf("goes beyond exception %s: %d calls in a minute, where it is of %g at the most", x.ID, found.peak, x.Scope.MaxRate)
	}
	return ""
}

// supervise tells of the open insights that were quiet and went beyond their
// exceptions in minute m, whose events are all known.
func (s *stream) supervise(m models.Minute) {
	if len(s.exceptions) == 0 || !s.anyExcepted() {
		return
	}
	s.eachOpen(func(o opened) {
		in := o.insight
		if in.ExceptedBy == "" || o.seen != m {
			return
		}
		x := s.exceptions.byID(in.ExceptedBy)
		if x == nil {
			x = &insight.Exception{ID: in.ExceptedBy, Expires: in.Start} // It was forgotten long after its end.
		}
		if found := s.gather(o.events, minuteTime(m), minuteTime(m+1)); found.total > 0 {
			if why := s.outgrown(x, in, found); why != "" {
				s.retell(in, m, why, x)
			}
		}
	})
}

// anyExcepted reports whether an exception keeps an open insight quiet.
func (s *stream) anyExcepted() bool {
	for _, ep := range s.slots {
		if ep.raised.ExceptedBy != "" {
			return true
		}
	}
	for _, o := range s.sights {
		if o.raised.ExceptedBy != "" {
			return true
		}
	}
	return false
}

// joined tells of a quiet insight to which a further series came that is beyond
// its exception.
func (s *stream) joined(in *insight.Insight, found *evidence, m models.Minute) {
	if x := s.exceptions.byID(in.ExceptedBy); x != nil && found.total > 0 {
		if why := s.outgrown(x, in, found); why != "" {
			s.retell(in, m, why, x)
		}
	}
}

// overrun is supervise for what was told on arrival of a series.
func (p *preview) overrun(s *stream, t *provisional, f *foreseen) {
	in := &t.in
	x := s.exceptions.byID(in.ExceptedBy)
	if x == nil {
		return
	}
	peak, last := 0.0, models.Minute(0)
	for _, at := range f.minutes {
		if at.m >= minuteOf(in.Start) && at.n > 0 {
			peak, last = max(peak, at.n), at.m
		}
	}
	why := ""
	switch {
	case !x.Holds(in.Start, f.last) && peakSince(f, x.Expires) >= max(1, in.Upper/2):
		why = fmt.Sprintf("goes on after exception %s, which ended at %s", x.ID, x.Expires.UTC().Format(time.RFC3339))
	case x.Scope.MaxRate > 0 && peak > x.Scope.MaxRate:
		why = fmt.Sprintf("goes beyond exception %s: %g calls in a minute, where it is of %g at the most", x.ID, peak, x.Scope.MaxRate)
	default:
		return
	}
	in.Suppressed, in.ExceptedBy = "", ""
	in.Reasons = append(slices.Clone(in.Reasons), insight.Reason{Feature: featureException, Observed: x.ID, Usual: "", Text: why})
	s.suppress(in, p.budget.take(in.Incident, in.Confidence, last))
	s.put(*in)
}

// peakSince is the most that arrived in one minute from a time on.
func peakSince(f *foreseen, at time.Time) float64 {
	peak := 0.0
	for _, v := range f.minutes {
		if v.m >= minuteOf(at) {
			peak = max(peak, v.n)
		}
	}
	return peak
}

// heedException takes over an exception record at minute m.
func (s *stream) heedException(d *exceptionData, c *event.Control, m models.Minute) {
	x := d.Exception
	switch old := s.exceptions.byID(x.ID); {
	case d.Action == actionPut:
		x.Seq, x.Swallowed, x.LastSwallowed = c.Seq, 0, nil
		s.except(&x, m)
	case old != nil && old.DeletedAt == nil:
		old.DeletedBy, old.DeletedAt = x.DeletedBy, x.DeletedAt
		s.unexcept(old, m)
	}
}

// exceptionFields are the exceptions that the stream has heard of.
func (s *stream) exceptionFields(d *codec) {
	list(d, (*[]*insight.Exception)(&s.exceptions), func(x **insight.Exception) {
		if d.reading() {
			*x = &insight.Exception{}
		}
		d.json(*x)
	})
}

// compareExceptions puts the newest first.
func compareExceptions(a, b insight.Exception) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.Seq, a.Seq))
}
