package eventlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// disk is how the log changes files and directories. Everything that changes
// them goes through it, so that tests can stand in front: refuse a write as a
// full disk does, or note what a power cut would leave.
type disk struct {
	// tap is given every change before it is made, and makes it by calling do.
	// It is nil outside of tests.
	tap func(op diskOp, do func() error) error
	// reading is called before a segment is read, outside of tests it is nil.
	reading func(path string)
}

// diskOp is one change.
type diskOp struct {
	kind diskKind
	path string
	to   string // Of a rename.
	f    *os.File
	off  int64 // Of a write.
	data []byte
}

type diskKind string

const (
	diskCreate   diskKind = "create"
	diskWrite    diskKind = "write"
	diskTruncate diskKind = "truncate"
	diskSync     diskKind = "sync"
	diskSyncAll  diskKind = "sync all" // The whole file system.
	diskSyncDir  diskKind = "sync directory"
	diskRename   diskKind = "rename"
	diskRemove   diskKind = "remove"
	diskMkdir    diskKind = "make directory"
)

func (d *disk) do(op diskOp, fn func() error) error {
	if d.tap == nil {
		return fn()
	}
	return d.tap(op, fn)
}

// open opens a file, and makes it where flag says so.
func (d *disk) open(path string, flag int) (*os.File, error) {
	if flag&os.O_CREATE == 0 {
		return os.OpenFile(path, flag, 0)
	}
	var f *os.File
	err := d.do(diskOp{kind: diskCreate, path: path}, func() error {
		var err error
		f, err = os.OpenFile(path, flag, 0o640)
		return err
	})
	return f, err
}

func (d *disk) writeAt(f *os.File, p []byte, off int64) error {
	return d.do(diskOp{kind: diskWrite, path: f.Name(), f: f, off: off, data: p}, func() error {
		_, err := f.WriteAt(p, off)
		return err
	})
}

func (d *disk) truncate(f *os.File, size int64) error {
	return d.do(diskOp{kind: diskTruncate, path: f.Name(), f: f, off: size}, func() error { return f.Truncate(size) })
}

func (d *disk) sync(f *os.File) error {
	return d.do(diskOp{kind: diskSync, path: f.Name(), f: f}, f.Sync)
}

func (d *disk) rename(from, to string) error {
	return d.do(diskOp{kind: diskRename, path: from, to: to}, func() error { return os.Rename(from, to) })
}

func (d *disk) remove(path string) error {
	return d.do(diskOp{kind: diskRemove, path: path}, func() error { return os.Remove(path) })
}

// discard removes a file that nobody misses: where that fails the next Open
// removes it.
func (d *disk) discard(path string) { _ = d.remove(path) }

// mkdirAll makes a directory and those above it that are missing, and returns
// the directories that have new entries, which are not durable yet.
func (d *disk) mkdirAll(path string) (changed []string, err error) {
	if _, err := os.Stat(path); err == nil {
		return nil, nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if changed, err = d.mkdirAll(parent); err != nil {
			return nil, err
		}
	}
	err = d.do(diskOp{kind: diskMkdir, path: path}, func() error { return os.Mkdir(path, 0o750) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return append(changed, parent), nil
}

// syncDir makes the entries of a directory durable.
func (d *disk) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening directory to sync it: %w", err)
	}
	err = d.do(diskOp{kind: diskSyncDir, path: dir}, f.Sync)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("syncing directory %q: %w", dir, err)
	}
	return nil
}

// writeAtomic replaces a file by one with these contents. Without sync a crash
// may leave an empty or a partial file, which the reader must notice.
func (d *disk) writeAtomic(path string, p []byte, sync bool) error {
	tmp := path + tmpSuffix
	f, err := d.open(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	err = d.writeAt(f, p, 0)
	if err == nil && sync {
		err = d.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.rename(tmp, path)
	}
	if err != nil {
		d.discard(tmp)
		return err
	}
	if sync {
		return d.syncDir(filepath.Dir(path))
	}
	return nil
}

// tmpSuffix ends the names of files that are not finished.
const tmpSuffix = ".tmp"

// isFull reports whether an error says that the disk, or what may be used of
// it, is full: it passes when there is room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
