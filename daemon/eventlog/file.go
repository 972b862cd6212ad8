package eventlog

import (
	"container/list"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// maxOpenFiles bounds the segment files that are open at once.
const maxOpenFiles = 128

// fileCache keeps the files that were used last open. Reads at an offset and
// appends share a file. It is safe for concurrent use.
type fileCache struct {
	mtx   sync.Mutex
	files map[string]*openFile
	order list.List // Of *openFile, used last first.
}

type openFile struct {
	f    *os.File
	path string
	refs int
	gone bool // Close it with the last reference.
	elem *list.Element
}

func newFileCache() *fileCache { return &fileCache{files: map[string]*openFile{}} }

// use opens a file, or takes the one that is open, and hands it to fn.
func (c *fileCache) use(path string, create bool, fn func(*os.File) error) error {
	of, err := c.acquire(path, create)
	if err != nil {
		return err
	}
	defer c.release(of)
	return fn(of.f)
}

func (c *fileCache) acquire(path string, create bool) (*openFile, error) {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	if of, ok := c.files[path]; ok {
		of.refs++
		c.order.MoveToFront(of.elem)
		return of, nil
	}
	mode := os.O_RDWR
	if create {
		mode |= os.O_CREATE
	}
	f, err := os.OpenFile(path, mode, 0o640)
	if err != nil {
		return nil, err
	}
	of := &openFile{f: f, path: path, refs: 1}
	of.elem = c.order.PushFront(of)
	c.files[path] = of
	for e := c.order.Back(); e != nil && len(c.files) > maxOpenFiles; {
		prev := e.Prev()
		if old := e.Value.(*openFile); old.refs == 0 {
			c.drop(old)
			old.f.Close()
		}
		e = prev
	}
	return of, nil
}

func (c *fileCache) drop(of *openFile) {
	c.order.Remove(of.elem)
	delete(c.files, of.path)
}

func (c *fileCache) release(of *openFile) {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	of.refs--
	if of.refs == 0 && of.gone {
		of.f.Close()
	}
}

// forget closes a file that is deleted or replaced, as soon as nobody uses it.
func (c *fileCache) forget(path string) {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	of, ok := c.files[path]
	if !ok {
		return
	}
	c.drop(of)
	of.gone = true
	if of.refs == 0 {
		of.f.Close()
	}
}

func (c *fileCache) closeAll() {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	for _, of := range c.files {
		of.gone = true
		if of.refs == 0 {
			of.f.Close()
		}
	}
	clear(c.files)
	c.order.Init()
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening directory to sync it: %w", err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("syncing directory %q: %w", dir, err)
	}
	return nil
}

// writeAtomic replaces a file by one with these contents. Without sync a crash
// may leave an empty or a partial file, which the reader must notice.
func writeAtomic(path string, p []byte, sync bool) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(p)
	if err == nil && sync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	if sync {
		return syncDir(filepath.Dir(path))
	}
	return nil
}
