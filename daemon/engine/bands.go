package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// What one question for bands may cost. bandsSummed is how many series may be
// summed up in all.
const (
	bandsSeries  = 50
	bandsSummed  = 1000
	bandsPoints  = 11_000
	bandsHistory = 35 * 24 * time.Hour
)

// ErrBands marks a question for bands that cannot be answered as it was asked.
var ErrBands = errors.New("bad question for bands")

// Bands computes what was expected of each series that a selector matches, from
// the stored series with the models' own code, by what the account's series have
// taught so far: the five weeks before from teach. The sum over a selector, with
// by or without, asks for bands of the sums.
func (e *Engine) Bands(ctx context.Context, q storage.Queryable, selector string, from, to time.Time, step time.Duration) ([]insight.Band, error) {
	asked, err := parseBands(selector)
	if err != nil {
		return nil, err
	}
	if err := checkBands(asked.matchers, from, to, step); err != nil {
		return nil, err
	}
	mint, maxt := from.Add(-bandsHistory).UnixMilli()+1, to.UnixMilli()
	querier, err := q.Querier(mint, maxt)
	if err != nil {
		return nil, fmt.Errorf("opening the series: %w", err)
	}
	defer querier.Close()
	set := querier.Select(ctx, true, &storage.SelectHints{Start: mint, End: maxt}, asked.matchers...)
	byKey := map[string]*bandSum{}
	var sums []*bandSum
	var it chunkenc.Iterator
	n := 0
	for set.Next() {
		series := set.At()
		l := series.Labels()
		key := asked.key(l)
		sum := byKey[key]
		if n++; n > bandsSummed || sum == nil && len(sums) == bandsSeries {
			return nil, fmt.Errorf("%w: %q matches more than %d series, or makes bands of more than %d; narrow it", ErrBands, selector, bandsSummed, bandsSeries)
		}
		if sum == nil {
			sum = &bandSum{labels: l, counts: map[models.Minute]float64{}}
			byKey[key] = sum
			sums = append(sums, sum)
		}
		it = series.Iterator(it)
		if err := sum.add(l, it); err != nil {
			return nil, fmt.Errorf("reading %s: %w", l, err)
		}
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("reading series: %w", err)
	}
	out := []insight.Band{}
	for _, sum := range sums {
		if len(sum.counts) > 0 {
			out = append(out, sum.band(e.expecting(sum.labels), from, to, step))
		}
	}
	return out, nil
}

// bandQuery is what bands are asked for.
type bandQuery struct {
	matchers []*labels.Matcher
	// sum takes the series together that have the same values of by, or, where
	// without is set, of all labels but these.
	sum, without bool
	by           []string
}

// parseBands reads a selector, or the sum over one.
func parseBands(s string) (bandQuery, error) {
	var q bandQuery
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(s)
	if err != nil {
		return q, fmt.Errorf("%w: selector %q: %w", ErrBands, s, err)
	}
	expr = unparen(expr)
	if sum, ok := expr.(*parser.AggregateExpr); ok && sum.Op == parser.SUM {
		q.sum, q.without, q.by = true, sum.Without, sum.Grouping
		expr = unparen(sum.Expr)
	}
	v, ok := expr.(*parser.VectorSelector)
	if !ok || v.OriginalOffset != 0 || v.OriginalOffsetExpr != nil || v.Timestamp != nil || v.StartOrEnd != 0 {
		return q, fmt.Errorf("%w: selector %q: it is a selector of one metric, or the sum over one, without offset and @", ErrBands, s)
	}
	q.matchers = v.LabelMatchers
	return q, nil
}

func unparen(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}

// key tells apart what is not summed up.
func (q *bandQuery) key(l labels.Labels) string {
	switch {
	case !q.sum:
		return l.String()
	case q.without:
		return labels.NewBuilder(l).Del(q.by...).Labels().String()
	}
	return labels.NewBuilder(l).Keep(q.by...).Labels().String()
}

// bandSum is the counts of a series, or of several together.
type bandSum struct {
	// labels are those that all have.
	labels labels.Labels
	counts map[models.Minute]float64
}

// add takes a series in.
func (b *bandSum) add(l labels.Labels, it chunkenc.Iterator) error {
	common := labels.NewBuilder(b.labels)
	b.labels.Range(func(have labels.Label) {
		if l.Get(have.Name) != have.Value {
			common.Del(have.Name)
		}
	})
	b.labels = common.Labels()
	for it.Next() == chunkenc.ValFloat {
		t, v := it.At()
		// A sample stands at the end of its minute, late ones within it.
		b.counts[models.Minute((t-1)/60_000)] += v
	}
	return it.Err()
}

func checkBands(ms []*labels.Matcher, from, to time.Time, step time.Duration) error {
	named := false
	for _, m := range ms {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual && strings.HasPrefix(m.Value, "activity_") {
			named = true
		}
	}
	switch {
	case !named:
		return fmt.Errorf("%w: the selector must name one of the activity_ metrics", ErrBands)
	case step < time.Minute || step%time.Minute != 0:
		return fmt.Errorf("%w: step must be whole minutes, of at least one", ErrBands)
	case !to.After(from):
		return fmt.Errorf("%w: end must be after start", ErrBands)
	case to.Sub(from)/step > bandsPoints:
		return fmt.Errorf("%w: more than %d points a series; take a longer step", ErrBands, bandsPoints)
	}
	return nil
}

// band runs the counts through the model.
func (b *bandSum) band(by expecting, from, to time.Time, step time.Duration) insight.Band {
	out := insight.Band{Labels: b.labels.Map()}
	width := models.Minute(step / time.Minute)
	order := slices.Sorted(maps.Keys(b.counts))
	history := func(yield func(models.Minute, float64) bool) {
		for _, m := range order {
			if !yield(m, b.counts[m]) {
				return
			}
		}
	}
	// A series begins with its identity, or with the account: that nothing was
	// called before its first call is evidence. What is older than the history
	// begins with the first count.
	birth := order[0]
	if by.birth >= minuteOf(from.Add(-bandsHistory)) {
		birth = min(birth, by.birth)
	}
	for p := range models.Bands(by.family, birth, by.group, history, minuteOf(from), minuteOf(to), int(width)) {
		observed := 0.0
		for m := p.Start; m < p.Start+width; m++ {
			observed += b.counts[m]
		}
		out.Times = append(out.Times, int64(p.Start+width)*60)
		out.Observed = append(out.Observed, observed)
		out.Expected = append(out.Expected, round(p.Expected))
		out.Lower = append(out.Lower, round(p.Lower))
		out.Upper = append(out.Upper, round(p.Upper))
	}
	return out
}
