package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// chunkSamples is how many samples a chunk holds, as in Prometheus' head.
const chunkSamples = promtsdb.DefaultSamplesPerChunk

// dayBlock is the part of a day that goes into a block, as the compactor reads
// it: series after series in the order of their labels, their samples from the
// day's files, some millions at a time.
type dayBlock struct {
	c    *commit
	ctx  context.Context
	part dayPart
	// stored is over what other blocks and the head have of the day, nil where
	// they have nothing.
	stored storage.Querier

	// batch are the samples that are in memory and not consumed yet, of series
	// before next.
	batch []seriesSample
	next  uint32
	// run holds the samples of one series, without repetitions.
	run     []seriesSample
	written int
}

// writeBlock writes a part of a day into a block, and returns how many samples
// that were. The compactor writes it aside, fsyncs it and renames it, so that
// there is all of it or none.
func (c *commit) writeBlock(ctx context.Context, part dayPart) (written int, err error) {
	db := c.db
	b := &dayBlock{c: c, ctx: ctx, part: part}
	mint, maxt := part.start+int64(part.first), part.start+int64(part.last)
	if db.overlaps(mint, maxt) {
		if b.stored, err = db.querier(mint, maxt); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, b.stored.Close()) }()
	}
	compactor, err := promtsdb.NewLeveledCompactorWithOptions(ctx, nil, slog.New(slog.DiscardHandler), []int64{dayMillis}, chunkenc.NewPool(),
		promtsdb.LeveledCompactorOptions{MaxBlockChunkSegmentSize: chunkFileSize, EnableOverlappingCompaction: true})
	if err != nil {
		return 0, fmt.Errorf("writing a block: %w", err)
	}
	// Marked like a block of out-of-order samples: Prometheus then does not take
	// its end for where the head begins.
	base := &promtsdb.BlockMeta{}
	base.Compaction.SetOutOfOrder()
	ids, err := compactor.Write(db.o.Dir, b, mint, maxt+1, base)
	if err != nil {
		return 0, fmt.Errorf("writing a block: %w", err)
	}
	db.metrics.blocks.Add(float64(len(ids)))
	db.metrics.backfilled.Add(float64(b.written))
	return b.written, nil
}

// overlaps says whether anything may be stored from mint to maxt.
func (db *DB) overlaps(mint, maxt int64) bool {
	for _, b := range db.head.Blocks() {
		if b.OverlapsClosedInterval(mint, maxt) {
			return true
		}
	}
	h := db.head.Head()
	return min(h.MinTime(), h.MinOOOTime()) <= maxt
}

// Index implements promtsdb.BlockReader.
func (b *dayBlock) Index() (promtsdb.IndexReader, error) { return dayIndex{dayBlock: b}, nil }

// Chunks implements promtsdb.BlockReader.
func (b *dayBlock) Chunks() (promtsdb.ChunkReader, error) { return dayChunks{}, nil }

// Tombstones implements promtsdb.BlockReader.
func (b *dayBlock) Tombstones() (tombstones.Reader, error) {
	return tombstones.NewMemTombstones(), nil
}

// Meta implements promtsdb.BlockReader.
func (b *dayBlock) Meta() promtsdb.BlockMeta {
	return promtsdb.BlockMeta{MinTime: b.part.start + int64(b.part.first), MaxTime: b.part.start + int64(b.part.last) + 1}
}

// Size implements promtsdb.BlockReader.
func (b *dayBlock) Size() int64 { return 0 }

// load reads the samples of series i, and of as many after it as fit.
func (b *dayBlock) load(i uint32) error {
	for i >= b.next {
		var err error
		if b.batch, b.next, err = b.c.read(b.part, b.next); err != nil {
			return err
		}
	}
	// The compactor asks for each series once, in order, but what it leaves out
	// would be in the way.
	for len(b.batch) > 0 && b.batch[0].index < i {
		b.batch = b.batch[1:]
	}
	n := 0
	for n < len(b.batch) && b.batch[n].index == i {
		n++
	}
	b.run = b.c.deduplicate(b.batch[:n], b.part.start)
	b.batch = b.batch[n:]
	b.c.advance(n)
	return nil
}

// missing leaves out the samples of series i that are stored.
func (b *dayBlock) missing(i uint32) error {
	if b.stored == nil || len(b.run) == 0 {
		return nil
	}
	lset, start := b.c.lsets[i], b.part.start
	hints := &storage.SelectHints{Start: start + int64(b.run[0].ms), End: start + int64(b.run[len(b.run)-1].ms)}
	set := b.stored.Select(b.ctx, false, hints, exactly(lset)...)
	for set.Next() {
		series := set.At()
		if !labels.Equal(series.Labels(), lset) {
			continue
		}
		it := series.Iterator(nil)
		b.run = slices.DeleteFunc(b.run, func(s seriesSample) bool {
			t := start + int64(s.ms)
			if it.Seek(t) != chunkenc.ValFloat {
				return false
			}
			st, v := it.At()
			if st != t {
				return false
			}
			if math.Float64bits(v) == math.Float64bits(s.v) {
				b.c.db.metrics.repeated.Inc()
			} else {
				b.c.conflict(i, t)
			}
			return true
		})
		if err := it.Err(); err != nil {
			return fmt.Errorf("looking up stored samples of %s: %w", lset, err)
		}
	}
	if err := set.Err(); err != nil {
		return fmt.Errorf("looking up stored samples of %s: %w", lset, err)
	}
	return nil
}

// dayIndex is the index of a dayBlock. It has what a compactor reads; the other
// methods of the interface would panic.
type dayIndex struct {
	promtsdb.IndexReader
	*dayBlock
}

// Symbols returns all strings of the labels.
func (x dayIndex) Symbols() index.StringIter {
	seen := make(map[string]struct{})
	for i, n := range x.part.counts {
		if n == 0 {
			continue
		}
		x.c.lsets[i].Range(func(l labels.Label) {
			seen[l.Name] = struct{}{}
			seen[l.Value] = struct{}{}
		})
	}
	symbols := make([]string, 0, len(seen))
	for s := range seen {
		symbols = append(symbols, s)
	}
	slices.Sort(symbols)
	return index.NewStringListIter(symbols)
}

// Postings returns all series, whatever is asked for: a compactor asks for all.
func (x dayIndex) Postings(context.Context, string, ...string) (index.Postings, error) {
	var refs []storage.SeriesRef
	for i, n := range x.part.counts {
		if n > 0 {
			refs = append(refs, storage.SeriesRef(i))
		}
	}
	return index.NewListPostings(refs), nil
}

// SortedPostings returns p: series are numbered in the order of their labels.
func (x dayIndex) SortedPostings(p index.Postings) index.Postings { return p }

// Series reads the samples of a series and makes chunks of them.
func (x dayIndex) Series(ref storage.SeriesRef, builder *labels.ScratchBuilder, chks *[]chunks.Meta) error {
	*chks = (*chks)[:0]
	if err := context.Cause(x.ctx); err != nil {
		return err
	}
	i := uint32(ref)
	if err := x.load(i); err != nil {
		return err
	}
	if err := x.missing(i); err != nil {
		return err
	}
	builder.Assign(x.c.lsets[i])
	x.written += len(x.run)
	for rest := x.run; len(rest) > 0; {
		n := min(len(rest), chunkSamples)
		chunk := chunkenc.NewXORChunk()
		app, err := chunk.Appender()
		if err != nil {
			return fmt.Errorf("writing a chunk: %w", err)
		}
		for _, s := range rest[:n] {
			app.Append(0, x.part.start+int64(s.ms), s.v)
		}
		*chks = append(*chks, chunks.Meta{
			Chunk:   chunk,
			MinTime: x.part.start + int64(rest[0].ms),
			MaxTime: x.part.start + int64(rest[n-1].ms),
		})
		rest = rest[n:]
	}
	return nil
}

// Close implements promtsdb.IndexReader.
func (dayIndex) Close() error { return nil }

// dayChunks returns the chunks that dayIndex made.
type dayChunks struct{}

// ChunkOrIterable implements promtsdb.ChunkReader.
func (dayChunks) ChunkOrIterable(m chunks.Meta) (chunkenc.Chunk, chunkenc.Iterable, error) {
	return m.Chunk, nil, nil
}

// Close implements promtsdb.ChunkReader.
func (dayChunks) Close() error { return nil }
