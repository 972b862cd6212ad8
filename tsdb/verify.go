package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Verify reads all files of all blocks and compares them with their checksums.
// What is damaged is set aside, and what can be read of it goes into other
// blocks; Lost tells what cannot. A DB calls it by itself after Open and once a
// day, so that damage is found while the event log still has what it cost.
func (db *DB) Verify(ctx context.Context) error {
	done, err := db.begin()
	if err != nil {
		return err
	}
	defer done()
	return db.verify(ctx)
}

func (db *DB) verify(ctx context.Context) error {
	found := false
	for _, b := range db.head.Blocks() {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := b.Dir()
		c, err := checkBlock(dir, true)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, path := range c.restored {
			db.metrics.corruptions.WithLabelValues(corruptBlock).Inc()
			db.logger.Error("file of a block was damaged and is restored", "file", path)
		}
		if len(c.damaged) == 0 {
			continue
		}
		if _, err := os.Stat(dir); err != nil {
			// Compaction or retention took it away meanwhile.
			continue
		}
		if err := db.salvage(dir, c.damaged); err != nil {
			return err
		}
		if err := linkTree(dir, dir+asideSuffix); err != nil {
			return fmt.Errorf("setting a damaged block aside: %w", err)
		}
		db.blockMtx.Lock()
		db.condemned[b.Meta().ULID] = true
		db.blockMtx.Unlock()
		found = true
	}
	if !found {
		return nil
	}
	// This closes and deletes what was condemned.
	if err := db.head.CompactOOOHead(ctx); err != nil {
		return fmt.Errorf("setting damaged blocks aside: %w", err)
	}
	if err := db.commitBackfill(ctx, nil); err != nil && !Refused(err) {
		return fmt.Errorf("writing what was saved of damaged blocks: %w", err)
	}
	return nil
}

// linkTree makes the folder to hold the files of from, without copying them
// where the file system can link, and fsyncs the folders.
func linkTree(from, to string) error {
	var folders []string
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if e.IsDir() {
			folders = append(folders, target)
			return os.MkdirAll(target, 0o777)
		}
		if err := os.Link(path, target); err == nil || errors.Is(err, fs.ErrExist) {
			return nil
		}
		return copyFile(path, target)
	})
	for _, folder := range append(folders, filepath.Dir(to)) {
		if err == nil {
			err = syncFile(folder)
		}
	}
	return err
}

func copyFile(from, to string) error {
	b, err := os.Open(from)
	if err != nil {
		return err
	}
	defer b.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = f.ReadFrom(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
