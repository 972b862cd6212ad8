package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"
)

// rotatedFor is for how long after its last write a file is read on that stood
// under the name of a source's one file: whoever writes a log may learn late
// that it was renamed.
const rotatedFor = time.Hour

// listRotated lists what stood under the name of the source's one file and was
// renamed, as rotation does: its last lines may not have been read.
func (f *Folder) listRotated(l *listing) {
	moved := f.known(l)
	for in, k := range moved {
		if info, err := os.Stat(k.path); err == nil && statOf(info).is(in) {
			l.files = append(l.files, found{path: k.path, stat: statOf(info)})
			delete(moved, in)
		}
	}
	if len(moved) == 0 {
		return
	}
	dir := filepath.Dir(f.o.Path)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.files = append(l.files, found{path: dir, err: err})
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // It has gone since, or is none of ours.
		}
		st, path := statOf(info), filepath.Join(dir, e.Name())
		if k, ok := moved[inode{st.dev, st.ino}]; ok && k.begins(path) {
			l.files = append(l.files, found{path: path, stat: st})
		}
	}
}

// knownFile is a file that was read before, and where it was then.
type knownFile struct {
	path string
	entry
}

// known holds the files that were read before and are not listed, but for those
// that are done with.
func (f *Folder) known(l *listing) map[inode]knownFile {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	out := map[inode]knownFile{}
	for path, fl := range f.files {
		quiet := f.o.Now().Sub(time.Unix(0, fl.mtime)) > rotatedFor
		done := path != f.o.Path && fl.read && f.troubled[path] == nil && quiet
		if fl.known && fl.ino != 0 && !done {
			out[inode{fl.dev, fl.ino}] = knownFile{path, fl.entry}
		}
	}
	for i := range l.files {
		delete(out, inode{l.files[i].stat.dev, l.files[i].stat.ino})
	}
	return out
}

// begins reports whether the file at a path begins as the known one does: the
// number of a file that was deleted is given to another, which is none of ours.
func (k *knownFile) begins(path string) bool {
	fd, err := os.Open(path)
	if err != nil {
		return true // Its reader says what is wrong.
	}
	defer fd.Close()
	head, err := readHead(fd, k.headLen)
	return err != nil || xxhash.Sum64(head) == k.head
}

// is reports whether the stat is that of the file with a number.
func (s stat) is(in inode) bool { return s.dev == in.dev && s.ino == in.ino }
