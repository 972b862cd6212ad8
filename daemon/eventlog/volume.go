package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// OtherValue is the name under which Volume counts the values beyond the most
// frequent.
const OtherValue = "Other"

// tallied holds the counts of one value: as pairs of bucket and count while
// they are few, then one number a bucket.
type tallied struct {
	total uint64
	pairs []bucketCount
	dense []uint64
}

type bucketCount struct {
	bucket uint32
	count  uint32
}

func (t *tallied) add(bucket, buckets int) {
	t.total++
	if t.dense != nil {
		t.dense[bucket]++
		return
	}
	if n := len(t.pairs); n > 0 && t.pairs[n-1].bucket == uint32(bucket) && t.pairs[n-1].count < 1<<31 {
		t.pairs[n-1].count++
		return
	}
	if len(t.pairs) >= 4+buckets/2 {
		t.dense = make([]uint64, buckets)
		t.addTo(t.dense)
		t.pairs = nil
		t.dense[bucket]++
		return
	}
	t.pairs = append(t.pairs, bucketCount{uint32(bucket), 1})
}

// addTo adds the counts to sums.
func (t *tallied) addTo(sums []uint64) {
	for _, p := range t.pairs {
		sums[p.bucket] += uint64(p.count)
	}
	if t.dense != nil && &t.dense[0] != &sums[0] {
		for i, n := range t.dense {
			sums[i] += n
		}
	}
}

// tally counts rows by the values of a field and by bucket of time. Each worker
// has its own.
type tally struct {
	field   string // Empty counts all under one value.
	from    int64
	step    int64
	buckets int
	values  map[string]*tallied
	other   *tallied // Values beyond the bound on how many are told apart.
}

func newTally(field string, from, step int64, buckets int) *tally {
	return &tally{field: field, from: from, step: step, buckets: buckets, values: map[string]*tallied{}, other: &tallied{}}
}

func (y *tally) value(v string) *tallied {
	t, ok := y.values[v]
	if !ok {
		if len(y.values) >= maxValues {
			return y.other
		}
		t = &tallied{}
		y.values[strings.Clone(v)] = t // Or a dictionary would live as long as the tally.
	}
	return t
}

// count counts rows of a block, which are in order of time within each run.
func (y *tally) count(b *block, rows []uint32) error {
	if len(rows) == 0 {
		return nil
	}
	var times []int64
	if y.buckets > 1 {
		var err error
		if times, err = b.timeColumn(); err != nil {
			return err
		}
	}
	// bucket follows the rows, so that it divides only where a bucket ends.
	bucket, begins, ends := 0, int64(0), int64(-1)
	at := func(row uint32) int {
		if times == nil {
			return 0
		}
		if t := times[row]; t >= ends || t < begins {
			bucket = int((t - y.from) / y.step)
			begins = y.from + int64(bucket)*y.step
			ends = begins + y.step
		}
		return bucket
	}
	if y.field == "" {
		t := y.value("")
		for _, row := range rows {
			t.add(at(row), y.buckets)
		}
		return nil
	}
	col, err := b.field(y.field)
	if err != nil {
		return err
	}
	words := col.words()
	split := y.field == "class"
	if col.off == nil && !split {
		to := make([]*tallied, len(words))
		for _, row := range rows {
			id := col.at(int(row))
			if to[id] == nil {
				to[id] = y.value(words[id])
			}
			to[id].add(at(row), y.buckets)
		}
		return nil
	}
	for _, row := range rows {
		k := at(row)
		switch {
		case split:
			for _, w := range orEmpty(strings.Fields(words[col.at(int(row))])) {
				y.value(w).add(k, y.buckets)
			}
		case col.off[row] == col.off[row+1]:
			y.value("").add(k, y.buckets)
		default:
			for _, w := range col.flat[col.off[row]:col.off[row+1]] {
				y.value(w).add(k, y.buckets)
			}
		}
	}
	return nil
}

func orEmpty(words []string) []string {
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

// merge adds what another worker counted.
func (y *tally) merge(o *tally) {
	for v, t := range o.values {
		mine, ok := y.values[v]
		if !ok {
			y.values[v] = t
			continue
		}
		mine.join(t, y.buckets)
	}
	y.other.join(o.other, y.buckets)
}

func (t *tallied) join(o *tallied, buckets int) {
	t.total += o.total
	if t.dense == nil && o.dense == nil && len(t.pairs)+len(o.pairs) <= buckets {
		t.pairs = append(t.pairs, o.pairs...)
		return
	}
	if t.dense == nil {
		t.dense = make([]uint64, buckets)
		for _, p := range t.pairs {
			t.dense[p.bucket] += uint64(p.count)
		}
		t.pairs = nil
	}
	o.addTo(t.dense)
}

// scan counts everything that a plan selects, on all processors.
func (l *Log) scan(ctx context.Context, p *plan, fresh func() *tally) (*tally, error) {
	l.ops.RLock()
	defer l.ops.RUnlock()
	return retry(l, func() (*tally, error) {
		hours, err := l.collect(p.w, p.wants, nil)
		if err != nil {
			return nil, err
		}
		var parts []part
		for _, h := range hours {
			parts = append(parts, h...)
		}
		workers := min(runtime.GOMAXPROCS(0), max(len(parts), 1))
		tallies := []*tally{}
		for range workers {
			tallies = append(tallies, fresh())
		}
		var next atomic.Int64
		g, ctx := errgroup.WithContext(ctx)
		for _, y := range tallies {
			g.Go(func() error {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(parts) {
						return nil
					}
					if err := ctx.Err(); err != nil {
						return err
					}
					b := l.open(parts[i])
					rows, _, err := p.rows(b, p.w)
					if err == nil {
						err = y.count(b, rows)
					}
					if isCorrupt(err) {
						l.damagedBlock(parts[i].meta, err)
					} else if err != nil {
						return err
					}
				}
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		for _, y := range tallies[1:] {
			tallies[0].merge(y)
		}
		return tallies[0], nil
	})
}

// sorted returns the values, the most frequent first.
func (y *tally) sorted() []event.ValueCount {
	out := make([]event.ValueCount, 0, len(y.values))
	for v, t := range y.values {
		out = append(out, event.ValueCount{Value: v, Count: t.total})
	}
	slices.SortFunc(out, func(a, b event.ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return out
}

func checkField(name string) error {
	if _, ok := event.FieldByName(name); !ok {
		return fmt.Errorf("%w: unknown field %q: %s", ErrBadQuery, name, filter.Hint(name, fieldNames))
	}
	return nil
}

// Volume counts the events that satisfy a filter over time. The first bucket
// begins at From; where that is zero, at the oldest event, rounded down to a
// multiple of the step. An event counts once for each value of a field that
// holds several. Beyond about a million values of By the rest is "Other" too.
func (l *Log) Volume(ctx context.Context, q event.VolumeQuery) (event.Volume, error) {
	p, err := newPlan(q.Filter, q.From, q.To, l.o.Lookups)
	if err != nil {
		return event.Volume{}, err
	}
	if q.Step <= 0 {
		return event.Volume{}, fmt.Errorf("%w: the step must be positive", ErrBadQuery)
	}
	if q.By != "" {
		if err := checkField(q.By); err != nil {
			return event.Volume{}, err
		}
	}
	step := int64(q.Step)
	first, last, some := l.extent()
	if q.From.IsZero() {
		if !some {
			return event.Volume{Step: q.Step}, nil
		}
		p.w.from = first - first%step
	}
	if q.To.IsZero() {
		p.w.to = max(last+1, p.w.from)
		if !some {
			p.w.to = p.w.from
		}
	}
	width := max(p.w.to-p.w.from, 0)
	n := (width-1)/step + 1
	if width == 0 {
		n = 0
	}
	if n > maxBuckets {
		return event.Volume{}, fmt.Errorf("%w: %d buckets are more than %d: use a longer step or a shorter range", ErrBadQuery, n, maxBuckets)
	}
	out := event.Volume{From: nanoTime(p.w.from), Step: q.Step}
	if n == 0 {
		return out, nil
	}
	y, err := l.scan(ctx, p, func() *tally { return newTally(q.By, p.w.from, step, int(n)) })
	if err != nil {
		return event.Volume{}, err
	}
	if q.By == "" {
		counts := make([]uint64, n)
		y.value("").addTo(counts)
		out.Series = []event.VolumeSeries{{Counts: counts}}
		return out, nil
	}
	top := q.Top
	if top <= 0 {
		top = defaultTop
	}
	var rest []uint64
	for i, v := range y.sorted() {
		if i < top {
			counts := make([]uint64, n)
			y.values[v.Value].addTo(counts)
			out.Series = append(out.Series, event.VolumeSeries{Value: v.Value, Counts: counts})
			continue
		}
		if rest == nil {
			rest = make([]uint64, n)
		}
		y.values[v.Value].addTo(rest)
	}
	if y.other.total > 0 {
		if rest == nil {
			rest = make([]uint64, n)
		}
		y.other.addTo(rest)
	}
	if rest != nil {
		out.Series = append(out.Series, event.VolumeSeries{Value: OtherValue, Counts: rest})
	}
	return out, nil
}

// Values counts the values of a field over the events that satisfy a filter,
// the most frequent first. Events without a value are not counted.
func (l *Log) Values(ctx context.Context, q event.ValuesQuery) ([]event.ValueCount, error) {
	p, err := newPlan(q.Filter, q.From, q.To, l.o.Lookups)
	if err != nil {
		return nil, err
	}
	if err := checkField(q.Field); err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	y, err := l.scan(ctx, p, func() *tally { return newTally(q.Field, 0, int64(time.Hour), 1) })
	if err != nil {
		return nil, err
	}
	contains := strings.ToLower(q.Contains)
	out := slices.DeleteFunc(y.sorted(), func(v event.ValueCount) bool {
		return v.Value == "" || !strings.Contains(strings.ToLower(v.Value), contains)
	})
	return slices.Clone(out[:min(limit, len(out))]), nil
}
