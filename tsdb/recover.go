package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// recovery is one Open on its way from the files of a directory to a DB that
// serves nothing false.
type recovery struct {
	db    *DB
	known bool
	// old is the state that was read.
	old state
	// salvaged says that samples of damaged blocks went into the backfill.
	salvaged bool
}

// prepare makes the directory readable, before Prometheus sees it.
func (r *recovery) prepare() error {
	db := r.db
	var err error
	if r.old, r.known, err = readState(db.o.Dir); err != nil {
		return err
	}
	db.state = r.old
	db.state.Clean, db.state.Files = false, r.old.Files

	if db.spool, err = openSpool(filepath.Join(db.o.Dir, backfillDir), spoolOptions{
		logger: db.logger, now: db.o.Now, promised: r.promised, gone: r.goneBackfill,
	}); err != nil {
		return err
	}
	dirs, err := blockDirs(db.o.Dir)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := r.block(dir, false); err != nil {
			return err
		}
	}
	logs, err := repairLogs(db.o.Dir, r.old, db.logger)
	if err != nil {
		return err
	}
	if logs.lost {
		db.metrics.corruptions.WithLabelValues(corruptLog).Inc()
		db.gone(r.headRange())
	}
	// What mapped chunks hold is in the logs too. They are never fsynced, and name
	// a series by a number that another series has if the logs lost the first.
	if err := os.RemoveAll(filepath.Join(db.o.Dir, headChunkDir)); err != nil {
		return err
	}
	if err := r.unmark(logs.marked); err != nil {
		return err
	}
	return db.writeState(false)
}

// unmark takes the marks of mapped chunks out of files of the logs, since the chunks are
// gone. Prometheus knows a mark of a chunk that it did not map, but for that of a series
// of which nothing was mapped: there it would leave out what stands before it, which is
// in no block where a compaction did not come to its end.
func (r *recovery) unmark(names []string) error {
	if len(names) == 0 {
		return nil
	}
	db := r.db
	for _, name := range names {
		delete(db.state.Files, name) // It will be shorter.
	}
	if err := writeState(db.o.Dir, db.state); err != nil {
		return err
	}
	for _, name := range names {
		if err := rewriteLog(filepath.Join(db.o.Dir, filepath.FromSlash(name)), db.logger); err != nil {
			return fmt.Errorf("writing a log of series anew: %w", err)
		}
	}
	return nil
}

// promised is how long a file of the backfill was when it was last fsynced.
func (r *recovery) promised(path string) int64 {
	rel, err := filepath.Rel(r.db.o.Dir, path)
	if err != nil {
		return 0
	}
	return r.old.Files[filepath.ToSlash(rel)]
}

// goneBackfill notes that samples of the backfill are lost.
func (r *recovery) goneBackfill(lost Range) {
	r.db.metrics.corruptions.WithLabelValues(corruptBackfill).Inc()
	r.db.gone(lost)
}

// headRange is what the logs may have held.
func (r *recovery) headRange() Range {
	if r.known && r.old.Mint <= r.old.Maxt {
		return Range{Mint: r.old.Mint, Maxt: r.old.Maxt}
	}
	now := r.db.o.Now()
	return Range{Mint: now.Add(-outOfOrderWindow).UnixMilli() - headSpanMillis, Maxt: now.Add(maxAhead).UnixMilli()}
}

// block checks a block, and sets it aside where it is damaged, after what can be
// read of it went into the backfill.
func (r *recovery) block(dir string, deep bool) error {
	c, err := checkBlock(dir, deep)
	if err != nil {
		return err
	}
	for _, path := range c.restored {
		r.db.metrics.corruptions.WithLabelValues(corruptBlock).Inc()
		r.db.logger.Error("file of a block was damaged and is restored", "file", path)
	}
	if len(c.damaged) == 0 {
		return nil
	}
	if err := r.db.salvage(dir, c.damaged); err != nil {
		return err
	}
	r.salvaged = true
	return setAside(dir)
}

// salvage takes what can be read of a damaged block into the backfill, and notes
// what cannot. The block stays.
func (db *DB) salvage(dir string, damaged []string) error {
	db.metrics.corruptions.WithLabelValues(corruptBlock).Inc()
	read := readBlock(dir, func(_ *Series, samples []Sample) error { return db.spool.add(samples) })
	if read.failed != nil {
		return fmt.Errorf("saving the samples of damaged block %q: %w", dir, read.failed)
	}
	if _, err := db.spool.sync(); err != nil {
		return fmt.Errorf("saving the samples of damaged block %q: %w", dir, err)
	}
	db.logger.Error("block is damaged, setting it aside and keeping what can be read", "block", dir, "damaged", damaged,
		"faults", read.faults, "samples", read.samples, "of", read.meta.Stats.NumSamples)
	for _, lost := range read.lost {
		db.gone(lost)
	}
	return nil
}

// gone notes a range of which samples are lost, as far as samples can be there.
func (db *DB) gone(r Range) {
	r = Range{Mint: max(r.Mint, db.expired(), 0), Maxt: min(r.Maxt, db.future())}
	db.stateMtx.Lock()
	defer db.stateMtx.Unlock()
	db.state.Lost = addRange(db.state.Lost, r)
	db.logger.Error("samples are lost", "mint", r.Mint, "maxt", r.Maxt)
	if err := writeState(db.o.Dir, db.state); err != nil {
		db.logger.Error("noting what is lost", "err", err)
	}
}

// openHead opens Prometheus' TSDB. Where that fails it looks closer at what is
// there, sets aside what is damaged, and tries again.
func (r *recovery) openHead() error {
	err := r.tryHead()
	for attempt := 0; err != nil; attempt++ {
		if transient(err) || attempt == 2 {
			return err
		}
		r.db.logger.Error("opening series failed, looking for damage", "err", err)
		if attempt == 0 {
			dirs, derr := blockDirs(r.db.o.Dir)
			if derr != nil {
				return errors.Join(err, derr)
			}
			for _, dir := range dirs {
				if derr := r.block(dir, true); derr != nil {
					return errors.Join(err, derr)
				}
			}
		} else {
			r.db.metrics.corruptions.WithLabelValues(corruptLog).Inc()
			r.db.gone(r.headRange())
			for _, name := range []string{walDir, wblDir} {
				if aerr := setAside(filepath.Join(r.db.o.Dir, name)); aerr != nil {
					return errors.Join(err, aerr)
				}
			}
		}
		if rerr := os.RemoveAll(filepath.Join(r.db.o.Dir, headChunkDir)); rerr != nil {
			return errors.Join(err, rerr)
		}
		err = r.tryHead()
	}
	return nil
}

// transient says whether an error is not about what files hold.
func transient(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, fs.ErrPermission) ||
		errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.EROFS)
}

// tryHead opens Prometheus' TSDB once.
func (r *recovery) tryHead() error {
	db, o := r.db, r.db.o
	// The retention is counted from our clock. Prometheus' own counts from the
	// newest block, and would keep a daemon's data for ever that reads no more.
	var opened atomic.Pointer[promtsdb.DB]
	opts := promtsdb.DefaultOptions()
	opts.NoLockfile = true // The lock is ours, and taken.
	opts.RetentionDuration = 0
	opts.MaxBlockDuration = o.maxBlock()
	opts.OutOfOrderTimeWindow = outOfOrderWindow.Milliseconds()
	opts.WALCompression = compression.Snappy
	opts.StripeSize = stripeSize
	opts.MaxBlockChunkSegmentSize = chunkFileSize
	opts.BlocksToDelete = func(blocks []*promtsdb.Block) map[blockID]struct{} {
		var headSize int64
		if p := opened.Load(); p != nil {
			headSize = p.Head().Size()
		}
		deletable := blocksToDelete(blocks, o.Now().UnixMilli(), o.Retention.Milliseconds(), o.MaxBytes, headSize)
		db.seeBlocks(blocks, deletable)
		return deletable
	}
	opts.BlockCompactionExcludeFunc = func(meta *promtsdb.BlockMeta) bool {
		p := opened.Load()
		return p == nil || db.unsettled(meta, p.Head().MinTime())
	}
	// A registry for each attempt: Prometheus leaves what it registered there,
	// over errors and over Close, and panics at the second time.
	reg := prometheus.NewRegistry()
	head, err := promtsdb.Open(o.Dir, o.Logger, reg, opts, nil)
	if err != nil {
		return err
	}
	opened.Store(head)
	db.head = head
	db.metrics.all = append(db.metrics.all, reg)
	return nil
}

// unsettled says whether a block is not to be merged with others yet. One that
// reaches into the head's time is marked as of out-of-order samples, so that
// Prometheus does not take its end for where the head begins; a merge with
// another takes the mark off, and the next start would drop live samples. One
// that gathered late samples waits for others of its days.
func (db *DB) unsettled(meta *promtsdb.BlockMeta, headMin int64) bool {
	if !meta.Compaction.FromOutOfOrder() {
		return false
	}
	return meta.MaxTime > headMin || db.o.Gather > 0 && meta.Compaction.Level == 1 && db.o.Now().Sub(meta.ULID.Timestamp()) < settleAfter
}

// finish brings what the recovery saved to where queries see it.
func (r *recovery) finish() error {
	ctx := context.Background()
	// The second log names series by number. Where the first lost a series, another one
	// gets its number, and would get its samples at the next start. And a series that left
	// the head and came back has two numbers, of which the first log forgets one after a
	// start (https://github.com/prometheus/prometheus/issues/19744).
	if err := r.db.head.CompactOOOHead(ctx); err != nil {
		return fmt.Errorf("compacting what came out of order: %w", err)
	}
	if r.salvaged {
		if err := r.db.CommitBackfill(ctx, nil); err != nil && !Refused(err) {
			return fmt.Errorf("writing what was saved of damaged blocks: %w", err)
		}
	}
	return nil
}

// writeState fsyncs what is there of logs and backfill, and writes the state with
// the lengths of these files. clean says that nothing will be written any more.
func (db *DB) writeState(clean bool) error {
	files := make(map[string]int64)
	for _, name := range []string{walDir, wblDir, backfillDir} {
		err := filepath.WalkDir(filepath.Join(db.o.Dir, name), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && (e.IsDir() || isAside(e.Name())) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil {
				err = syncFile(path)
			}
			if err != nil {
				return ignoreMissing(err)
			}
			rel, err := filepath.Rel(db.o.Dir, path)
			files[filepath.ToSlash(rel)] = info.Size()
			return err
		})
		if err != nil {
			return fmt.Errorf("writing the state of series: %w", err)
		}
	}
	db.stateMtx.Lock()
	defer db.stateMtx.Unlock()
	db.state.Clean, db.state.Files = clean, files
	return writeState(db.o.Dir, db.state)
}

// noteSync notes the lengths of fsynced files, which are given by their paths,
// and the bounds of the head.
func (db *DB) noteSync(sizes map[string]int64) error {
	files := make(map[string]int64, len(sizes))
	for path, size := range sizes {
		rel, err := filepath.Rel(db.o.Dir, path)
		if err != nil {
			return fmt.Errorf("writing the state of series: %w", err)
		}
		files[filepath.ToSlash(rel)] = size
	}
	h := db.head.Head()
	mint, maxt := min(h.MinTime(), h.MinOOOTime()), max(h.MaxTime(), h.MaxOOOTime())
	db.stateMtx.Lock()
	defer db.stateMtx.Unlock()
	db.state.Clean, db.state.Files, db.state.Mint, db.state.Maxt = false, files, mint, maxt
	return writeState(db.o.Dir, db.state)
}

// seeBlocks writes checksums for blocks that have none, and picks those that
// verify found damaged. Prometheus calls it whenever its blocks changed.
func (db *DB) seeBlocks(blocks []*promtsdb.Block, deletable map[blockID]struct{}) {
	db.blockMtx.Lock()
	defer db.blockMtx.Unlock()
	for _, b := range blocks {
		id := b.Meta().ULID
		if db.condemned[id] {
			deletable[id] = struct{}{}
		}
		if _, gone := deletable[id]; gone || db.summed[id] {
			continue
		}
		if _, ok := readSum(b.Dir()); !ok {
			if err := writeSum(b.Dir()); err != nil {
				db.logger.Error("writing the checksums of a block", "err", err)
				continue
			}
		}
		db.summed[id] = true
	}
	for id := range db.summed {
		if !slices.ContainsFunc(blocks, func(b *promtsdb.Block) bool { return b.Meta().ULID == id }) {
			delete(db.summed, id)
		}
	}
}
