package tsdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// dayBatch is about how many samples of a day are in memory at once. A day
	// that has more is read several times.
	dayBatch = 4 << 20
	// recentBatch is how many samples go into the head in one call.
	recentBatch = 20_000
	// commitRounds bounds how often CommitBackfill goes back to samples that
	// became too old for the head while it worked.
	commitRounds = 4
)

// Backfill takes in history: samples of any time and in any order. They are
// gathered by the day on disk, and queries see them after CommitBackfill. What
// it refuses, it refuses like Append, except for ErrConflict, which
// CommitBackfill tells.
func (db *DB) Backfill(samples []Sample) error {
	done, err := db.begin()
	if err != nil {
		return err
	}
	defer done()
	if err := db.room(); err != nil {
		return err
	}

	var refused refusals
	future, expired := db.future(), db.expired()
	good := samples
	for i := range samples {
		if db.check(&samples[i], future, expired, &refused) {
			if len(good) != len(samples) {
				good = append(good, samples[i])
			}
			continue
		}
		if len(good) == len(samples) {
			good = slices.Clone(samples[:i])
		}
	}
	if err := db.spool.add(good); err != nil {
		return err
	}
	return refused.err(db.metrics)
}

// CommitBackfill writes what Backfill took in, and what was too old for the head,
// to blocks, and what is recent to the head; then queries see it. Samples that
// are stored already are not written again. progress, which may be nil, is told
// how many samples are done.
//
// It may run while other goroutines append, take in more history, or query. When
// it is stopped or fails, what is not written waits for the next call. Where
// samples were refused it returns ErrConflict to errors.Is, and all others were
// written.
func (db *DB) CommitBackfill(ctx context.Context, progress func(done, total int)) error {
	release, err := db.begin()
	if err != nil {
		return err
	}
	defer release()
	return db.commitBackfill(ctx, progress)
}

// commitBackfill is CommitBackfill for those who keep Close from closing already.
func (db *DB) commitBackfill(ctx context.Context, progress func(done, total int)) error {
	db.commitMtx.Lock()
	defer db.commitMtx.Unlock()
	if db.spool.pending() == 0 {
		return nil
	}
	if err := db.room(); err != nil {
		return fmt.Errorf("committing backfill: %w", err)
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(db.ctx, func() { cancel(ErrClosed) })()

	var refused refusals
	c := &commit{db: db, progress: progress, refused: &refused, warned: make(map[string]bool)}
	for range commitRounds {
		days, err := db.spool.seal()
		if err != nil {
			return fmt.Errorf("committing backfill: %w", err)
		}
		if len(days) == 0 {
			break
		}
		if err := c.round(ctx, days); err != nil {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
				err = fmt.Errorf("%w: %w", cause, err)
			}
			return errors.Join(fmt.Errorf("committing backfill: %w", err), refused.err(db.metrics))
		}
	}
	return errors.Join(refused.err(db.metrics), c.told)
}

// commit is one CommitBackfill under way.
type commit struct {
	db       *DB
	progress func(done, total int)
	refused  *refusals

	done, total int
	// told is what appending to the head refused, and counted.
	told error

	// lsets are the sorted labels of all series of the sealed epochs, and handles the
	// handles of those that have samples for the head.
	lsets   []labels.Labels
	handles []*Series
	byHash  map[uint64][]uint32
	// numbers turns the numbers of an epoch into indexes of lsets.
	numbers map[uint32][]uint32
	// warned are the files of which it was said that they lost samples.
	warned map[string]bool
}

// round writes the days and deletes their files, once queries see what they held.
func (c *commit) round(ctx context.Context, days []spoolDay) error {
	db := c.db
	for _, d := range days {
		c.total += d.count
	}
	if err := c.readSeries(days); err != nil {
		return err
	}
	boundary, err := db.boundary(ctx, days)
	if err != nil {
		return err
	}
	db.logger.Info("writing backfill", "samples", c.total-c.done, "series", len(c.lsets), "boundary", boundary)

	written := days[:0:0]
	for rest := days; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].day == rest[0].day {
			n++
		}
		if err := c.day(ctx, rest[:n], boundary); err != nil {
			return errors.Join(err, db.spool.remove(written))
		}
		written = append(written, rest[:n]...)
		rest = rest[n:]
	}
	// Besides compacting what came out of order, this makes the blocks seen.
	if err := db.head.CompactOOOHead(ctx); err != nil {
		return errors.Join(fmt.Errorf("loading blocks: %w", err), db.spool.remove(written))
	}
	// What does not wait any more shows.
	return db.spool.remove(written)
}

// readSeries reads the series of the days' epochs, so that a series that several
// epochs have is one.
func (c *commit) readSeries(days []spoolDay) error {
	c.lsets, c.handles = nil, nil
	c.byHash = make(map[uint64][]uint32)
	c.numbers = make(map[uint32][]uint32)
	for _, d := range days {
		if _, ok := c.numbers[d.epoch]; ok {
			continue
		}
		numbers := []uint32{}
		path := c.db.spool.seriesPath(d.epoch)
		lost, err := readFile(path, frameSeries, func(payload []byte) error {
			return readLabels(payload, func(lset labels.Labels) error {
				numbers = append(numbers, c.index(lset))
				return nil
			})
		})
		if err != nil && !errors.Is(err, errFrame) {
			return err
		}
		if lost.bytes > 0 || err != nil {
			c.db.logger.Warn("backfill lost series, leaving out their samples", "file", path, "bytes", lost.bytes)
		}
		c.numbers[d.epoch] = numbers
	}
	c.sortSeries()
	c.handles = make([]*Series, len(c.lsets))
	return nil
}

// sortSeries numbers the series anew, in the order of their labels.
func (c *commit) sortSeries() {
	order := make([]uint32, len(c.lsets))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return labels.Compare(c.lsets[a], c.lsets[b]) })
	sorted := make([]labels.Labels, len(order))
	places := make([]uint32, len(order))
	for place, i := range order {
		sorted[place] = c.lsets[i]
		places[i] = uint32(place)
	}
	for _, numbers := range c.numbers {
		for i, n := range numbers {
			numbers[i] = places[n]
		}
	}
	c.lsets, c.byHash = sorted, nil
}

func (c *commit) index(lset labels.Labels) uint32 {
	h := lset.Hash()
	for _, i := range c.byHash[h] {
		if labels.Equal(c.lsets[i], lset) {
			return i
		}
	}
	i := uint32(len(c.lsets))
	c.lsets = append(c.lsets, lset)
	c.byHash[h] = append(c.byHash[h], i)
	return i
}

// boundary is where blocks have to end. It is at or before everything that the
// head holds in order: Prometheus takes the end of the newest block for where
// the head begins, and drops what its WAL has before that at the next start.
func (db *DB) boundary(ctx context.Context, days []spoolDay) (int64, error) {
	maxt := int64(noTime)
	// The newest samples are in the newest day.
	last := days[len(days)-1].day
	for _, d := range days {
		if d.day != last {
			continue
		}
		_, err := readFile(d.path, frameSamples, func(payload []byte) error {
			return readSamples(payload, func(s spooled) error {
				maxt = max(maxt, d.day*dayMillis+int64(s.ms))
				return nil
			})
		})
		if err != nil && !errors.Is(err, errFrame) {
			return 0, err
		}
	}
	for _, b := range db.head.Blocks() {
		maxt = max(maxt, b.MaxTime())
	}
	maxt = min(maxt, db.future())
	h := db.head.Head()
	_, started := h.AppendableMinValidTime()
	if (!started || maxt > h.MaxTime()+hourMillis) && maxt != noTime {
		// The head is empty, or far behind: it starts at the newest history.
		heartbeat := NewSeries(labels.FromStrings(labels.MetricName, MetricHeartbeat))
		if err := db.append([]Sample{{Series: heartbeat, T: maxt, V: 1}}); err != nil {
			return 0, fmt.Errorf("writing a heartbeat: %w", err)
		}
	}
	// What the head holds of more than three hours goes into its own blocks, so
	// that what is after the boundary is not too old for the head.
	if err := db.head.Compact(ctx); err != nil {
		return 0, fmt.Errorf("compacting the head: %w", err)
	}
	b := min(h.MinTime(), h.MaxTime()-headSpanMillis)
	b -= ((b % blockMillis) + blockMillis) % blockMillis
	return b, nil
}

// dayPart is what of a day's files goes to the same place.
type dayPart struct {
	files []spoolDay
	// start is when the day begins.
	start int64
	// from and to bound the milliseconds of the day, to exclusive.
	from, to uint32
	// counts holds the number of samples of each series, total their sum, and
	// first and last the bounds of their times.
	counts      []uint32
	total       int
	first, last uint32
}

// has reports whether a sample is in the part.
func (p *dayPart) has(ms uint32) bool { return ms >= p.from && ms < p.to }

// day writes the files of one day: what is before the boundary to a block, the
// rest to the head.
func (c *commit) day(ctx context.Context, files []spoolDay, boundary int64) error {
	db := c.db
	start := files[0].day * dayMillis
	count := 0
	for _, f := range files {
		count += f.count
	}
	if start+dayMillis <= db.expired() {
		c.refused.counts[refusedExpired] += count
		c.advance(count)
		return nil
	}
	cut := uint32(min(max(boundary-start, 0), dayMillis))
	old := dayPart{files: files, start: start, from: 0, to: cut}
	recent := dayPart{files: files, start: start, from: cut, to: uint32(dayMillis)}
	if err := c.count(files, &old, &recent); err != nil {
		return err
	}
	if old.total > 0 {
		if _, err := c.writeBlock(ctx, old); err != nil {
			return err
		}
	}
	if recent.total > 0 {
		for next := uint32(0); int(next) < len(c.lsets); {
			var batch []seriesSample
			var err error
			if batch, next, err = c.read(recent, next); err != nil {
				return err
			}
			if err := c.appendRecent(ctx, batch, start); err != nil {
				return err
			}
			c.advance(len(batch))
		}
		// The head's logs, and what went back into the backfill.
		if err := db.sync(); err != nil {
			return err
		}
	}
	return nil
}

func (c *commit) advance(n int) {
	c.done += n
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
}

// seriesSample is a sample of a day: of the series with that index, at that
// millisecond of the day.
type seriesSample struct {
	index uint32
	ms    uint32
	v     float64
}

// each calls f with each sample of a day's files.
func (c *commit) each(files []spoolDay, f func(seriesSample)) error {
	for _, file := range files {
		numbers := c.numbers[file.epoch]
		unknown := 0
		lost, err := readFile(file.path, frameSamples, func(payload []byte) error {
			return readSamples(payload, func(s spooled) error {
				if int(s.id) >= len(numbers) {
					unknown++
					return nil
				}
				f(seriesSample{index: numbers[s.id], ms: s.ms, v: s.v})
				return nil
			})
		})
		if err != nil && !errors.Is(err, errFrame) {
			return err
		}
		if (lost.bytes > 0 || unknown > 0 || err != nil) && !c.warned[file.path] {
			c.warned[file.path] = true
			c.db.logger.Warn("backfill lost samples", "file", file.path, "bytes", lost.bytes, "without_series", unknown)
		}
	}
	return nil
}

// count counts the samples of the parts of a day.
func (c *commit) count(files []spoolDay, parts ...*dayPart) error {
	for _, p := range parts {
		p.counts = make([]uint32, len(c.lsets))
		p.first, p.last = math.MaxUint32, 0
	}
	return c.each(files, func(s seriesSample) {
		for _, p := range parts {
			if p.has(s.ms) {
				p.counts[s.index]++
				p.total++
				p.first, p.last = min(p.first, s.ms), max(p.last, s.ms)
			}
		}
	})
}

// read reads the samples of the series from first on, of as many as fit in a
// batch, and at least of one that has some. They are in order of series and
// time; samples at one timestamp keep the order in which they came. end is the
// series to go on with.
func (c *commit) read(p dayPart, first uint32) (batch []seriesSample, end uint32, err error) {
	total := 0
	for end = first; int(end) < len(p.counts); end++ {
		n := int(p.counts[end])
		if total > 0 && total+n > c.db.dayBatch {
			break
		}
		total += n
	}
	if total == 0 {
		return nil, end, nil
	}
	// A counting sort by series keeps the order; most series are in order of
	// time already.
	places := make([]int, end-first)
	at := 0
	for i := range places {
		places[i] = at
		at += int(p.counts[first+uint32(i)])
	}
	batch = make([]seriesSample, total)
	err = c.each(p.files, func(s seriesSample) {
		if s.index < first || s.index >= end || !p.has(s.ms) {
			return
		}
		i := s.index - first
		batch[places[i]] = s
		places[i]++
	})
	if err != nil {
		return nil, end, err
	}
	for rest := batch; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].index == rest[0].index {
			n++
		}
		if run := rest[:n]; !slices.IsSortedFunc(run, byTime) {
			slices.SortStableFunc(run, byTime)
		}
		rest = rest[n:]
	}
	return batch, end, nil
}

func byTime(a, b seriesSample) int { return cmp.Compare(a.ms, b.ms) }

// deduplicate keeps the first sample of each timestamp of a series.
func (c *commit) deduplicate(run []seriesSample, start int64) []seriesSample {
	if len(run) == 0 {
		return nil
	}
	out := run[:1]
	for _, s := range run[1:] {
		last := out[len(out)-1]
		switch {
		case s.ms != last.ms:
			out = append(out, s)
		case math.Float64bits(s.v) == math.Float64bits(last.v):
			c.db.metrics.repeated.Inc()
		default:
			c.conflict(s.index, start+int64(s.ms))
		}
	}
	return out
}

func (c *commit) conflict(index uint32, t int64) {
	c.refused.add(refusedConflict, &Sample{Series: &Series{lset: c.lsets[index]}, T: t}, ErrConflict)
}

// appendRecent writes samples to the head, in order of time.
func (c *commit) appendRecent(ctx context.Context, tail []seriesSample, start int64) error {
	slices.SortStableFunc(tail, byTime)
	batch := make([]Sample, 0, min(len(tail), recentBatch))
	for len(tail) > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n := min(len(tail), recentBatch)
		batch = batch[:0]
		for _, s := range tail[:n] {
			if c.handles[s.index] == nil {
				c.handles[s.index] = NewSeries(c.lsets[s.index])
			}
			batch = append(batch, Sample{Series: c.handles[s.index], T: start + int64(s.ms), V: s.v})
		}
		if err := c.db.append(batch); Refused(err) {
			c.told = errors.Join(c.told, err)
		} else if err != nil {
			return err
		}
		tail = tail[n:]
	}
	return nil
}
