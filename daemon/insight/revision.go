package insight

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// ErrInvalid marks an insight that cannot be kept.
var ErrInvalid = errors.New("invalid insight")

// Kind says what happened to an insight.
type Kind string

// The kinds of change.
const (
	// KindStart is a new insight.
	KindStart Kind = "start"
	// KindRevision is one of which something else is said than before.
	KindRevision Kind = "revision"
	// KindEnd is one that is over.
	KindEnd Kind = "end"
	// KindConfirmed is one that was told on arrival, and of which the final pass
	// says the same.
	KindConfirmed Kind = "confirmed"
	// KindWithdrawn is one that was taken back.
	KindWithdrawn Kind = "withdrawn"
	// KindSuperseded is one that was taken back since another took its place.
	KindSuperseded Kind = "superseded"
)

// revision is one telling of an insight. It is never written to once it is
// stored.
type revision struct {
	// Start is what was told at the start.
	Start Insight `json:"start"`
	// End is nil while the insight goes on.
	End *Insight `json:"end,omitempty"`
	// Withdrawn is nil unless this revision takes the insight back.
	Withdrawn *Insight `json:"withdrawn,omitempty"`
	// Told says that the revision was told on arrival, also after the final
	// pass has confirmed it.
	Told bool `json:"told,omitempty"`
	// bytes is what the revision takes up in the journal.
	bytes int64
}

// entry is an insight with all its revisions, as it stands in the tables. It is
// never written to once it is stored.
type entry struct {
	id        string
	revisions []revision // At least one; rising numbers.
	// cur is the newest that was said.
	cur *Insight
}

func newEntry(revisions []revision) *entry {
	e := &entry{id: revisions[0].Start.ID, revisions: revisions}
	last := &e.revisions[len(revisions)-1]
	e.cur = last.newest()
	return e
}

func (r *revision) newest() *Insight {
	switch {
	case r.Withdrawn != nil:
		return r.Withdrawn
	case r.End != nil:
		return r.End
	}
	return &r.Start
}

// with returns the entry with r in it: in place of the revision of the same
// number, or as its newest. It also returns what it took the place of.
func (e *entry) with(r revision) (*entry, *revision) {
	if e == nil {
		return newEntry([]revision{r}), nil
	}
	for n := range e.revisions {
		if e.revisions[n].Start.Revision == r.Start.Revision {
			rs := slices.Clone(e.revisions)
			old := rs[n]
			rs[n] = r
			return newEntry(rs), &old
		}
	}
	rs := append(slices.Clone(e.revisions), r)
	slices.SortStableFunc(rs, func(a, b revision) int { return a.Start.Revision - b.Start.Revision })
	return newEntry(rs), nil
}

// records are the records of every revision, each with its Start, its End once
// it had ended, and its withdrawal.
func (e *entry) records() []Record {
	var out []Record
	for n := range e.revisions {
		r := &e.revisions[n]
		out = append(out, r.Start.StartRecord())
		if r.End != nil {
			out = append(out, r.End.EndRecord())
		}
		if r.Withdrawn != nil {
			out = append(out, r.Withdrawn.WithdrawnRecord())
		}
	}
	return out
}

// told returns the revision that results when i is said of the insight, and
// what happened. No kinds, nil, means that nothing new was said; an empty list
// means that something is to be kept of which nobody is told.
func (e *entry) told(i *Insight) (revision, []Kind) {
	if e == nil {
		return first(i)
	}
	last := &e.revisions[len(e.revisions)-1]
	next := max(i.Revision, last.Start.Revision+1)
	switch {
	case i.State == StateWithdrawn:
		return last.withdraw(i, next)
	case i.Provisional && (last.Withdrawn != nil || !last.newest().Provisional || !last.Start.Provisional):
		return *last, nil // The final pass has spoken.
	case last.Withdrawn != nil:
		if i.State == StateEnd {
			return revision{Start: starting(i), End: i}.numbered(next), []Kind{KindEnd}
		}
		return revision{Start: *i}.numbered(next), []Kind{KindRevision}
	case i.Provisional:
		return last.provisional(i, next)
	case i.State == StateStart && e.overtaken(i):
		return *last, nil
	case i.State == StateStart:
		return last.start(i, next)
	}
	return last.end(i, next)
}

// overtaken reports whether a final start was said before and something else was
// since: records that are carried out again say everything once more.
func (e *entry) overtaken(i *Insight) bool {
	return slices.ContainsFunc(e.revisions[:len(e.revisions)-1], func(r revision) bool {
		return !r.Start.Provisional && r.Withdrawn == nil && same(&r.Start, i) && r.Start.levels() == i.levels()
	})
}

// first is what comes of an insight that is new.
func first(i *Insight) (revision, []Kind) {
	switch i.State {
	case StateEnd:
		return revision{Start: starting(i), End: i}.numbered(i.Revision), []Kind{KindStart, KindEnd}
	case StateWithdrawn:
		return revision{Start: starting(i), Withdrawn: i}.numbered(i.Revision), []Kind{KindStart, i.takenBack()}
	}
	return revision{Start: *i}, []Kind{KindStart}
}

// start is what comes of a final start.
func (r *revision) start(i *Insight, next int) (revision, []Kind) {
	was := r.Start.Provisional
	out, kinds := revision{Start: *i}.numbered(next), []Kind{KindRevision}
	if same(&r.Start, i) {
		if !was {
			return r.level(i)
		}
		out, kinds = out.numbered(r.Start.Revision), []Kind{KindConfirmed}
	}
	if was && r.End != nil && !r.End.End.Before(i.Start) {
		// The final pass has come to the start and not yet to the end: what was
		// told of that on arrival holds, or the insight would seem to begin
		// again.
		end := *r.End
		end.Start, end.Detected = i.Start, i.Detected
		out.End = &end
		out = out.numbered(out.Start.Revision)
		if kinds[0] == KindConfirmed {
			kinds = []Kind{} // The end is still to be confirmed.
		}
	}
	return out, kinds
}

// end is what comes of a final end.
func (r *revision) end(i *Insight, next int) (revision, []Kind) {
	number := r.Start.Revision
	switch {
	case r.Start.Provisional:
		// The final pass has told of no start of its own, so it is made from
		// the end, as for an insight that is new: history is told alike.
		if s := starting(i); !same(&r.Start, &s) || r.End != nil && !same(r.End, i) {
			kind := KindEnd
			if r.End != nil {
				kind = KindRevision
			}
			return revision{Start: s, End: i}.numbered(next), []Kind{kind}
		}
		kinds := []Kind{KindConfirmed}
		if r.End == nil {
			kinds = append(kinds, KindEnd)
		}
		return revision{Start: starting(i), End: i}.numbered(number), kinds
	case r.End == nil && !differs(&r.Start, i) && i.Revision <= number:
		return revision{Start: r.Start, End: i}.numbered(number), []Kind{KindEnd}
	case r.End == nil:
		return revision{Start: amended(r.Start, i), End: i}.numbered(next), []Kind{KindEnd}
	case same(r.End, i) && r.End.Provisional:
		return revision{Start: r.Start, End: i}.numbered(number), []Kind{KindConfirmed}
	case same(r.End, i):
		if r.End.levels() == i.levels() {
			return *r, nil
		}
		return revision{Start: r.Start, End: i}.numbered(number), []Kind{}
	}
	return revision{Start: amended(r.Start, i), End: i}.numbered(next), []Kind{KindRevision}
}

// provisional is what comes of what is told on arrival, over what was told on
// arrival. Most of it changes every second: that takes the place of what was
// said. Only what somebody would act on makes a revision.
func (r *revision) provisional(i *Insight, next int) (revision, []Kind) {
	number := r.Start.Revision
	if i.State == StateStart {
		switch {
		case same(&r.Start, i):
			return r.level(i)
		case r.End != nil || r.Start.weighs(i) || i.Revision > number:
			return revision{Start: *i}.numbered(next), []Kind{KindRevision}
		}
		return revision{Start: *i}.numbered(number), []Kind{}
	}
	switch {
	case r.End == nil && r.Start.Suppressed == i.Suppressed && i.Revision <= number:
		return revision{Start: amended(r.Start, i), End: i}.numbered(number), []Kind{KindEnd}
	case r.End == nil:
		return revision{Start: amended(r.Start, i), End: i}.numbered(next), []Kind{KindEnd}
	case same(r.End, i) && r.End.levels() == i.levels():
		return *r, nil
	case r.End.weighs(i):
		return revision{Start: amended(r.Start, i), End: i}.numbered(next), []Kind{KindRevision}
	}
	return revision{Start: amended(r.Start, i), End: i}.numbered(number), []Kind{}
}

// withdraw is what comes of a withdrawal, which repeats what was told.
func (r *revision) withdraw(i *Insight, next int) (revision, []Kind) {
	out := revision{Start: r.Start, End: r.End, Withdrawn: i}.numbered(next)
	switch {
	case r.Withdrawn == nil, r.Withdrawn.SupersededBy == "" && i.SupersededBy != "":
		return out, []Kind{i.takenBack()}
	case same(r.Withdrawn, i):
		return *r, nil
	}
	return out, []Kind{KindRevision}
}

// takenBack is the kind of a withdrawal.
func (i *Insight) takenBack() Kind {
	if i.SupersededBy != "" {
		return KindSuperseded
	}
	return KindWithdrawn
}

// weighs reports whether to is something that somebody would act on who was
// told i.
func (i *Insight) weighs(to *Insight) bool {
	return i.Severity != to.Severity || Level(i.Confidence) != Level(to.Confidence) ||
		i.Suppressed != to.Suppressed || i.Supersedes != to.Supersedes
}

// level takes over what no record says: the numbers of the newest minute. This
// is no new revision, and nothing that readers are told of.
func (r *revision) level(i *Insight) (revision, []Kind) {
	if r.End != nil || r.Start.levels() == i.levels() {
		return *r, nil
	}
	out := *r
	out.Start.Observed, out.Start.Expected, out.Start.Upper = i.Observed, i.Expected, i.Upper
	return out, []Kind{}
}

func (i *Insight) levels() [3]float64 { return [3]float64{i.Observed, i.Expected, i.Upper} }

// numbered gives the revision and what is in it a number.
func (r revision) numbered(n int) revision {
	r.Start.Revision = n
	if r.End != nil {
		end := *r.End
		end.Revision = n
		r.End = &end
	}
	if r.Withdrawn != nil {
		w := *r.Withdrawn
		w.Revision = n
		r.Withdrawn = &w
	}
	return r
}

// starting is the start of an insight of which only the end was told.
func starting(i *Insight) Insight {
	s := *i
	s.State, s.End = StateStart, time.Time{}
	return s
}

// differs reports whether an end says something else of the start than the
// start did. Its confidence and its numbers are its own.
func differs(start, end *Insight) bool {
	return !start.Start.Equal(end.Start) || !start.Detected.Equal(end.Detected) || start.Suppressed != end.Suppressed
}

// amended is a start with what an end says of it.
func amended(start Insight, end *Insight) Insight {
	start.Start, start.Detected, start.Suppressed = end.Start, end.Detected, end.Suppressed
	return start
}

// since says of a revision that took the place of old, or is newer, whether it
// was told on arrival. old may be nil.
func (r revision) since(old *entry, i *Insight) revision {
	r.Told = i.Provisional
	if old != nil {
		last := &old.revisions[len(old.revisions)-1]
		r.Told = r.Told || last.Told && last.Start.Revision == r.Start.Revision
	}
	return r
}

// same reports whether two insights say the same, apart from the revision, the
// numbers of the newest minute, what they span, which series they are of, and
// whether it is final.
func same(a, b *Insight) bool {
	x, y := *a, *b
	for _, i := range []*Insight{&x, &y} {
		i.Revision, i.Observed, i.Expected, i.Upper, i.Provisional = 0, 0, 0, 0, false
		i.Extent, i.Selector = Extent{}, ""
	}
	return reflect.DeepEqual(&x, &y)
}

// canonical returns a copy of i that shares no memory with it and says what is
// left of it after a restart. It is an error where i cannot be kept.
func canonical(i Insight) (*Insight, error) {
	switch {
	case i.ID == "":
		return nil, fmt.Errorf("%w: it has no id", ErrInvalid)
	case len(i.ID) > maxID:
		return nil, fmt.Errorf("%w: its id has %d bytes, more than %d", ErrInvalid, len(i.ID), maxID)
	case i.Type == "":
		return nil, fmt.Errorf("%w: %s has no type", ErrInvalid, i.ID)
	case i.Start.IsZero():
		return nil, fmt.Errorf("%w: %s has no start", ErrInvalid, i.ID)
	case i.Revision < 0:
		return nil, fmt.Errorf("%w: %s has revision %d", ErrInvalid, i.ID, i.Revision)
	}
	switch i.State {
	case StateStart:
		i.End = time.Time{}
	case StateEnd:
		if i.End.Before(i.Start) {
			return nil, fmt.Errorf("%w: %s ends before its start", ErrInvalid, i.ID)
		}
	case StateWithdrawn:
		i.Provisional = false
	default:
		return nil, fmt.Errorf("%w: %s has state %q", ErrInvalid, i.ID, i.State)
	}
	if !(i.Confidence >= 0 && i.Confidence <= 1) {
		return nil, fmt.Errorf("%w: %s has confidence %g, which is not from 0 to 1", ErrInvalid, i.ID, i.Confidence)
	}
	i.Start, i.End, i.Detected = i.Start.UTC(), i.End.UTC(), i.Detected.UTC()
	if i.Detected.IsZero() {
		i.Detected = i.Start
	}
	b, err := json.Marshal(&i)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, i.ID, err)
	}
	if len(b) > maxInsight {
		return nil, fmt.Errorf("%w: %s has %d bytes, more than %d", ErrInvalid, i.ID, len(b), maxInsight)
	}
	c := new(Insight)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, i.ID, err)
	}
	return c, nil
}

const (
	// maxID bounds the id of an insight: ours have 32 bytes.
	maxID = 256
	// maxInsight bounds what an insight takes up as JSON. Three of them, which
	// is a whole revision, fit a frame of the journal.
	maxInsight = 1 << 20
)
