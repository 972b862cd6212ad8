package source

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// task is a file that is to be read, as its last reader left it.
type task struct {
	path  string
	stat  stat // As it was found.
	from  entry
	known bool
	told  bool
	err   error // The file cannot be looked at.
	// planned is how many bytes Progress counts it for.
	planned int64
}

// unfinishedFor is after how long a file that ends in the middle of something
// is taken to stay so, and is reported. Until then somebody is writing it.
const unfinishedFor = time.Minute

// scan looks for what is to be read: everywhere, or where the file system told
// of something. Tasks are in the order of paths.
func (f *Folder) scan(all bool) ([]task, error) {
	heard, missed := f.watch.take()
	all = all || missed
	if !all {
		if len(heard) == 0 {
			return nil, nil
		}
		if info, err := os.Stat(f.o.Path); err != nil || !info.IsDir() {
			all = true // A file or a pattern: it is quick to look at all of it.
		}
	}
	if !all {
		return f.consider(f.listHeard(heard), false), nil
	}
	l, err := f.list()
	f.mtx.Lock()
	if err != nil && (f.rootErr == nil || f.rootErr.Error() != err.Error()) {
		f.o.Logger.Warn("The source cannot be read; it is tried again", "err", err, "hint", hintOf(err))
	}
	if err == nil && f.rootErr != nil {
		f.o.Logger.Info("The source can be read again")
		f.looks.reset()
	}
	f.rootErr = err
	f.mtx.Unlock()
	if err != nil {
		// What was read stays known: a file system that is away comes back.
		return nil, err
	}
	return f.consider(l, true), nil
}

// listHeard lists the paths that the file system told of.
func (f *Folder) listHeard(heard map[string]struct{}) listing {
	l := listing{skipped: map[string]string{}}
	for path := range heard {
		if !f.passedOver(path, &l) {
			f.look(&l, path)
		}
	}
	l.sort()
	// A folder that is heard of and a file in it give the file twice.
	l.files = slices.CompactFunc(l.files, func(a, b found) bool { return a.path == b.path })
	return l
}

// passedOver reports whether a path is inside something that is passed over,
// and notes that.
func (f *Folder) passedOver(path string, l *listing) bool {
	rel, err := filepath.Rel(f.o.Path, path)
	if err != nil || rel == "." || strings.HasPrefix(rel, "..") {
		return true
	}
	at := f.o.Path
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		at = filepath.Join(at, part)
		if why := passOver(at); why != "" {
			l.skipped[at] = why
			return true
		}
	}
	return false
}

// consider compares what was found with what is known. all says that what was
// not found is not there.
func (f *Folder) consider(l listing, all bool) []task {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	var tasks []task
	for _, found := range l.files {
		if r := f.retries[found.path]; r != nil && !all {
			r.at = time.Time{} // The file system's word ends a pause.
		}
		if t, ok := f.compare(found); ok {
			tasks = append(tasks, t)
			f.total.Add(t.planned)
		}
	}
	if !all {
		maps.Copy(f.skipped, l.skipped)
		return tasks
	}
	f.skipped = l.skipped
	if !l.partial && len(f.files) > len(l.files) {
		there := make(map[string]struct{}, len(l.files))
		for _, found := range l.files {
			there[found.path] = struct{}{}
		}
		for path := range f.files {
			if _, ok := there[path]; !ok {
				f.forget(path)
			}
		}
	}
	return tasks
}

// compare makes a task of a file that has changed. mtx is held.
func (f *Folder) compare(found found) (task, bool) {
	fl := f.files[found.path]
	if found.err != nil {
		if old := f.troubled[found.path]; old != nil && old.Error() == found.err.Error() {
			return task{}, false
		}
		return task{path: found.path, err: found.err}, true
	}
	if fl == nil {
		fl = &file{}
		if old := f.files[f.inodes[inode{found.stat.dev, found.stat.ino}]]; old != nil && found.stat.ino != 0 &&
			old.dev == found.stat.dev && old.ino == found.stat.ino {
			*fl = *old // It has been renamed.
			f.inodes[inode{fl.dev, fl.ino}] = found.path
			f.changed = true
		}
		f.files[found.path] = fl
	}
	same := fl.stat == found.stat
	overdue := !fl.unfinished.IsZero() && !fl.told && f.o.Now().Sub(fl.unfinished) > unfinishedFor
	if same && !overdue && (fl.read || !fl.unfinished.IsZero()) && f.troubled[found.path] == nil {
		return task{}, false
	}
	if r := f.retries[found.path]; r != nil && r.stat == found.stat && f.o.Now().Before(r.at) {
		return task{}, false
	}
	t := task{path: found.path, stat: found.stat, from: fl.entry, known: fl.known, told: fl.told && same, planned: found.stat.size}
	if fl.known && fl.lines && fl.offset <= found.stat.size {
		t.planned -= fl.offset
	}
	fl.read = false
	f.open[found.path] = t.frontier()
	return t, true
}

// frontier is the oldest event time that the file may still hold, zero where
// nothing is known of that.
func (t *task) frontier() time.Time {
	if t.known && t.from.lines && t.from.newest != 0 {
		return unixTime(t.from.newest)
	}
	if stamp, ok := stampOf(t.path); ok {
		return stamp.Add(-deliveryDelay)
	}
	return time.Time{}
}

// replacedBy reports whether another file took the place of the known one after
// it was found. The next look finds where that one is now, and its last lines.
func (t *task) replacedBy(st stat) bool {
	in := inode{t.from.dev, t.from.ino}
	return t.known && t.stat.is(in) && !st.is(in)
}

// mark notes how far a file has been delivered. read says that nothing is left
// of it for now.
func (f *Folder) mark(path string, e entry, read bool, unfinished time.Time, told bool) {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	fl := f.files[path]
	if fl == nil {
		fl = &file{}
		f.files[path] = fl
	}
	// A file that is read as a whole is known once it has been.
	fl.entry, fl.known, fl.read = e, read || e.lines, read
	fl.unfinished, fl.told = unfinished, told
	if e.ino != 0 {
		f.inodes[inode{e.dev, e.ino}] = path
	}
	f.changed = true
	delete(f.troubled, path)
	delete(f.retries, path)
	if read {
		delete(f.open, path)
	} else if e.newest != 0 && e.lines {
		f.open[path] = unixTime(e.newest)
	}
}

// trouble notes that a file cannot be read, and reports whether that is news.
func (f *Folder) trouble(path string, st stat, err error) bool {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	old := f.troubled[path]
	f.troubled[path] = err
	r := f.retries[path]
	if r == nil {
		r = &retry{pauses: f.looks}
		r.reset()
		f.retries[path] = r
	}
	r.at, r.stat = f.o.Now().Add(r.next()), st
	f.looked++
	if f.files[path] == nil {
		f.files[path] = &file{}
	}
	delete(f.open, path)
	return old == nil || old.Error() != err.Error()
}

// gone notes that a file is no longer there.
func (f *Folder) gone(path string) {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.forget(path)
}

// forget drops a file. mtx is held.
func (f *Folder) forget(path string) {
	if fl := f.files[path]; fl != nil {
		if key := (inode{fl.dev, fl.ino}); f.inodes[key] == path {
			delete(f.inodes, key)
		}
		f.changed = f.changed || fl.known
	}
	delete(f.files, path)
	delete(f.open, path)
	delete(f.troubled, path)
	delete(f.retries, path)
}
