package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const (
	// stageSuffix is what the folder ends in where new series are made, and
	// replacedSuffix where the old ones wait to be deleted.
	stageSuffix    = ".stage"
	replacedSuffix = ".replaced"
	// stagedFile says that a stage is whole.
	stagedFile = "insightd.staged"
)

// Rebuild makes the series under o.Dir anew, while no DB has them open. Of the
// old ones is kept what is older than since, which is the oldest event that can
// be counted again; fill, which may be nil, writes what is newer to the DB that
// it is given, and need not commit or sync. Until fill is through, all happens
// in a folder beside o.Dir, so that after an error or a crash the old series
// are as they were; then the new ones take their place as a whole.
func Rebuild(ctx context.Context, o Options, since time.Time, fill func(*DB) error) (err error) {
	if err := o.validate(); err != nil {
		return fmt.Errorf("rebuilding series: %w", err)
	}
	if err := finishStage(o.Dir); err != nil {
		return fmt.Errorf("rebuilding series: %w", err)
	}
	stage := o.Dir + stageSuffix
	if err := os.RemoveAll(stage); err != nil {
		return fmt.Errorf("rebuilding series: %w", err)
	}
	if err := os.MkdirAll(stage, 0o777); err != nil {
		return fmt.Errorf("rebuilding series: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("rebuilding series: %w", err), os.RemoveAll(stage))
		}
	}()
	if err := keepOlder(ctx, o, stage, since.UnixMilli()); err != nil {
		return err
	}
	if fill != nil {
		n := o
		n.Dir = stage
		if err := fillStage(ctx, n, fill); err != nil {
			return err
		}
	}
	if err := replaceFile(filepath.Join(stage, stagedFile), []byte("whole\n")); err != nil {
		return err
	}
	// The entry of the stage itself.
	if err := syncFile(filepath.Dir(stage)); err != nil {
		return err
	}
	return finishStage(o.Dir)
}

// finishStage puts a stage that is whole in the place of dir, and deletes one
// that is not, unless it is being made: nobody opens dir then.
func finishStage(dir string) error {
	stage, replaced := dir+stageSuffix, dir+replacedSuffix
	_, err := os.Stat(filepath.Join(stage, stagedFile))
	if err == nil {
		if err := os.RemoveAll(replaced); err != nil {
			return fmt.Errorf("replacing series: %w", err)
		}
		if err := os.Rename(dir, replaced); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replacing series: %w", err)
		}
		if err := os.Rename(stage, dir); err != nil {
			return fmt.Errorf("replacing series: %w", err)
		}
		if err := syncFile(filepath.Dir(dir)); err != nil {
			return fmt.Errorf("replacing series: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing series: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, stagedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replacing series: %w", err)
	}
	for _, left := range []string{stage, replaced} {
		if err := os.RemoveAll(left); err != nil {
			return fmt.Errorf("replacing series: %w", err)
		}
	}
	return nil
}

// keepOlder fills the stage with what is older than since. Blocks that are older
// as a whole are linked, of all else the samples are written again.
func keepOlder(ctx context.Context, o Options, stage string, since int64) (err error) {
	if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	old := o
	old.Registerer = nil
	old.Gather = 0
	from, err := Open(old)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := from.CommitBackfill(ctx, nil); err != nil && !Refused(err) {
		return err
	}
	// Nothing is merged or deleted while blocks are linked.
	from.head.DisableCompactions()
	mint := int64(math.MaxInt64)
	for _, b := range from.head.Blocks() {
		switch {
		case b.MaxTime() <= since:
			if err := linkTree(b.Dir(), filepath.Join(stage, filepath.Base(b.Dir()))); err != nil {
				return err
			}
		case b.MinTime() < since:
			mint = min(mint, b.MinTime())
		}
	}
	h := from.head.Head()
	mint = min(mint, h.MinTime(), h.MinOOOTime())
	n := old
	n.Dir = stage
	return fillStage(ctx, n, func(to *DB) error {
		from.stateMtx.Lock()
		lost := from.state.Lost
		from.stateMtx.Unlock()
		for _, r := range lost {
			// What is newer is counted again.
			to.gone(Range{Mint: r.Mint, Maxt: min(r.Maxt, since-1)})
		}
		if mint >= since {
			return nil
		}
		return copySamples(ctx, from, to, mint, since-1)
	})
}

// copySamples takes what one DB has from mint to maxt into the backfill of
// another.
func copySamples(ctx context.Context, from, to *DB, mint, maxt int64) error {
	q, err := from.querier(mint, maxt)
	if err != nil {
		return err
	}
	defer q.Close()
	set := q.Select(ctx, false, &storage.SelectHints{Start: mint, End: maxt}, labels.MustNewMatcher(labels.MatchNotEqual, labels.MetricName, ""))
	var it chunkenc.Iterator
	batch := make([]Sample, 0, recentBatch)
	for set.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := NewSeries(set.At().Labels())
		for it = set.At().Iterator(it); it.Next() == chunkenc.ValFloat; {
			t, v := it.At()
			batch = append(batch, Sample{Series: s, T: t, V: v})
			if len(batch) == cap(batch) {
				if err := to.Backfill(batch); err != nil && !Refused(err) {
					return err
				}
				batch = batch[:0]
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	if err := set.Err(); err != nil {
		return err
	}
	if err := to.Backfill(batch); err != nil && !Refused(err) {
		return err
	}
	return nil
}

// fillStage opens the stage for fill, and commits and closes it.
func fillStage(ctx context.Context, o Options, fill func(*DB) error) (err error) {
	o.Registerer, o.Gather = nil, 0
	db, err := Open(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := fill(db); err != nil {
		return err
	}
	if err := db.CommitBackfill(ctx, nil); err != nil && !Refused(err) {
		return err
	}
	return db.Sync()
}
