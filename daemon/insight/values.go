package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// ValuesQuery asks for the most frequent values of a field of insights.
type ValuesQuery struct {
	Filter *Filter
	// ClassOf looks up the values of identity_class.
	ClassOf ClassOf
	// From and To ask for insights that were active in that range.
	From, To time.Time
	Field    string
	// Contains keeps the values that contain this text, without regard to case.
	Contains string
	// Limit is how many values are returned at the most; 0 is DefaultLimit.
	Limit int
}

// Values returns the values that insights have of a field, with how many have
// each, the most frequent first and without the empty one. Suppressed ones count; withdrawn ones do where
// the field or the filter is about the state.
func (s *Store) Values(q ValuesQuery) ([]event.ValueCount, error) {
	f, ok := FieldByName(q.Field)
	if !ok {
		return nil, fmt.Errorf("%w: unknown field %q: %s", ErrQuery, q.Field, filter.Hint(q.Field, FieldNames()))
	}
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	all := Query{Filter: q.Filter, From: q.From, To: q.To}
	match := all.matcher()
	if q.Field == fieldState {
		match = all.fits
	}
	index, prefix := all.index()
	contains := strings.ToLower(q.Contains)
	counts := map[string]uint64{}
	err := walk(s.db.Txn(false), index, prefix, false, nil, func(e *entry) bool {
		if match(e.cur) {
			for _, v := range f.all(e.cur, q.ClassOf) {
				if v != "" && containsFold(v, contains) {
					counts[v]++
				}
			}
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("listing the values of %s: %w", q.Field, err)
	}
	out := make([]event.ValueCount, 0, len(counts))
	for v, n := range counts {
		out = append(out, event.ValueCount{Value: v, Count: n})
	}
	slices.SortFunc(out, func(a, b event.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), q.Limit)], nil
}
