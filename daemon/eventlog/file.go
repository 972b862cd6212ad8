package eventlog

import (
	"container/list"
	"os"
	"sync"
	"sync/atomic"
)

// maxOpenFiles bounds the segment files that are open at once.
const maxOpenFiles = 128

// fileCache keeps the files that were used last open. Reads at an offset and
// appends share a file. It is safe for concurrent use.
type fileCache struct {
	disk *disk
	// lost is set where a file was closed that had been written to and not been
	// synced: a file that is opened anew need not tell of a write that failed
	// before.
	lost atomic.Bool

	mtx   sync.Mutex
	files map[string]*openFile
	order list.List // Of *openFile, used last first.
}

type openFile struct {
	f    *os.File
	path string
	refs int
	gone bool // Close it with the last reference.
	// unsynced is set while the file has writes that no sync has covered.
	unsynced atomic.Bool
	elem     *list.Element
}

func newFileCache(d *disk) *fileCache { return &fileCache{disk: d, files: map[string]*openFile{}} }

// use opens a file, or takes the one that is open, and hands it to fn.
func (c *fileCache) use(path string, fn func(*os.File) error) error {
	of, err := c.acquire(path, false)
	if err != nil {
		return err
	}
	defer c.release(of)
	return fn(of.f)
}

// write is use for who writes to the file, which is made where it is missing.
func (c *fileCache) write(path string, fn func(*os.File) error) error {
	of, err := c.acquire(path, true)
	if err != nil {
		return err
	}
	defer c.release(of)
	of.unsynced.Store(true)
	return fn(of.f)
}

// sync makes a file durable. What is written to it meanwhile may or may not be.
func (c *fileCache) sync(path string) error {
	of, err := c.acquire(path, false)
	if err != nil {
		return err
	}
	defer c.release(of)
	of.unsynced.Store(false)
	if err := c.disk.sync(of.f); err != nil {
		of.unsynced.Store(true)
		return err
	}
	return nil
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
	f, err := c.disk.open(path, mode)
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
			if old.unsynced.Load() {
				c.lost.Store(true)
			}
			old.f.Close()
		}
		e = prev
	}
	return of, nil
}

// retain is acquire for a file that has another name by now, or none. It reports
// whether somebody has it open still.
func (c *fileCache) retain(of *openFile) bool {
	c.mtx.Lock()
	defer c.mtx.Unlock()
	if of.refs == 0 {
		return false
	}
	of.refs++
	return true
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
