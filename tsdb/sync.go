package tsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// Sync makes durable what Append and Backfill wrote before it was called:
// Prometheus writes its logs at a commit, but does not fsync them. What mapped
// chunks hold is in the logs too until it is in a block, and blocks are fsynced.
func (db *DB) Sync() error {
	done, err := db.begin()
	if err != nil {
		return err
	}
	defer done()
	return db.sync()
}

func (db *DB) sync() error {
	if db.wounded.Load() {
		return errWounded
	}
	db.syncMtx.Lock()
	defer db.syncMtx.Unlock()
	seen, err := db.spool.sync()
	if err != nil {
		return err
	}
	for _, name := range []string{walDir, wblDir} {
		if err := db.syncTree(filepath.Join(db.o.Dir, name), seen); err != nil {
			return fmt.Errorf("syncing series: %w", err)
		}
	}
	if maps.Equal(seen, db.synced) {
		return nil
	}
	if err := db.noteSync(seen); err != nil {
		return err
	}
	db.synced = seen
	return nil
}

// syncTree fsyncs the files under dir that are not as long as they were at their
// last fsync, and the directories: the logs only ever grow.
func (db *DB) syncTree(dir string, seen map[string]int64) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			// Checkpoints and truncation take files away.
			return nil
		}
		if err != nil {
			return err
		}
		if e.IsDir() {
			return ignoreMissing(syncFile(path))
		}
		st, err := os.Stat(path)
		if err != nil {
			return ignoreMissing(err)
		}
		if size, ok := db.synced[path]; !ok || size != st.Size() {
			if err := syncFile(path); err != nil {
				return ignoreMissing(err)
			}
		}
		seen[path] = st.Size()
		return nil
	})
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
