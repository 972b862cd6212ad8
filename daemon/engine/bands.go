package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/tsdb"
)

// What one question for bands may cost.
const (
	bandsSeries  = 50
	bandsPoints  = 11_000
	bandsHistory = 35 * 24 * time.Hour
)

// ErrBands marks a question for bands that cannot be answered as it was asked.
var ErrBands = errors.New("bad question for bands")

// Bands computes what was expected of each series that a selector matches, from
// the stored series with the models' own code: the five weeks before from teach.
func (e *Engine) Bands(ctx context.Context, q storage.Queryable, selector string, from, to time.Time, step time.Duration) ([]insight.Band, error) {
	ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("%w: selector %q: %w", ErrBands, selector, err)
	}
	if err := checkBands(ms, from, to, step); err != nil {
		return nil, err
	}
	mint, maxt := from.Add(-bandsHistory).UnixMilli()+1, to.UnixMilli()
	querier, err := q.Querier(mint, maxt)
	if err != nil {
		return nil, fmt.Errorf("opening the series: %w", err)
	}
	defer querier.Close()
	set := querier.Select(ctx, true, &storage.SelectHints{Start: mint, End: maxt}, ms...)
	out := []insight.Band{}
	var it chunkenc.Iterator
	for set.Next() {
		if len(out) == bandsSeries {
			return nil, fmt.Errorf("%w: selector %q matches more than %d series; narrow it", ErrBands, selector, bandsSeries)
		}
		s := set.At()
		it = s.Iterator(it)
		counts := map[models.Minute]float64{}
		var order []models.Minute
		for it.Next() == chunkenc.ValFloat {
			t, v := it.At()
			// A sample stands at the end of its minute, late ones within it.
			m := models.Minute((t - 1) / 60_000)
			if _, seen := counts[m]; !seen {
				order = append(order, m)
			}
			counts[m] += v
		}
		if err := it.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.Labels(), err)
		}
		if len(order) > 0 {
			out = append(out, band(s.Labels(), counts, order, from, to, step))
		}
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("reading series: %w", err)
	}
	return out, nil
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

// band runs one series through the model.
func band(lset labels.Labels, counts map[models.Minute]float64, order []models.Minute, from, to time.Time, step time.Duration) insight.Band {
	params := models.Calls
	if lset.Get(tsdb.LabelOutcome) == "error" {
		params = models.Errors
	}
	b := insight.Band{Labels: lset.Map()}
	width := models.Minute(step / time.Minute)
	history := func(yield func(models.Minute, float64) bool) {
		for _, m := range order {
			if !yield(m, counts[m]) {
				return
			}
		}
	}
	for p := range models.Bands(models.NewFamily(params()), order[0], history, minuteOf(from), minuteOf(to), int(width)) {
		observed := 0.0
		for m := p.Start; m < p.Start+width; m++ {
			observed += counts[m]
		}
		b.Times = append(b.Times, int64(p.Start+width)*60)
		b.Observed = append(b.Observed, observed)
		b.Expected = append(b.Expected, round(p.Expected))
		b.Lower = append(b.Lower, round(p.Lower))
		b.Upper = append(b.Upper, round(p.Upper))
	}
	return b
}
