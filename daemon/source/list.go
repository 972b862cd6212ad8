package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// found is a file that a look at the file system found.
type found struct {
	path string
	stat stat
	err  error // The file is there and cannot be looked at.
}

// listing is what a look at the file system found.
type listing struct {
	files   []found
	skipped map[string]string
	// partial says that not everything was seen.
	partial bool
}

// list looks at everything. The error says that there is nothing at the path.
func (f *Folder) list() (listing, error) {
	l := listing{skipped: map[string]string{}}
	info, err := os.Stat(f.o.Path)
	switch {
	case err == nil && info.IsDir():
		f.walk(&l, f.o.Path)
	case err == nil && !info.Mode().IsRegular():
		return l, &hintedError{f.o.Path + " is neither a file nor a folder", "name one in the source's path"}
	case err == nil:
		f.watch.add(filepath.Dir(f.o.Path))
		l.files = append(l.files, found{path: f.o.Path, stat: statOf(info)})
		f.listRotated(&l)
	case isPattern(f.o.Path):
		return l, f.glob(&l)
	case errors.Is(err, fs.ErrNotExist):
		f.watch.add(filepath.Dir(f.o.Path))
		return l, &hintedError{"nothing is at " + f.o.Path, "make it, mount what holds it, or correct the source's path"}
	default:
		return l, fmt.Errorf("looking at the source's path: %w", err)
	}
	l.sort()
	return l, nil
}

func (l *listing) sort() {
	slices.SortFunc(l.files, func(a, b found) int { return strings.Compare(a.path, b.path) })
}

func isPattern(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// glob lists what matches the pattern.
func (f *Folder) glob(l *listing) error {
	matches, err := filepath.Glob(f.o.Path)
	if err != nil {
		return fmt.Errorf("the pattern %s: %w", f.o.Path, err)
	}
	fixed := filepath.Dir(f.o.Path)
	for isPattern(fixed) {
		fixed = filepath.Dir(fixed)
	}
	f.watch.add(fixed)
	// What Glob cannot read it leaves out without a word.
	if _, err := os.ReadDir(fixed); errors.Is(err, fs.ErrNotExist) {
		return &hintedError{"nothing is at " + fixed + ", where the pattern " + f.o.Path + " begins", "make it, mount what holds it, or correct the source's path"}
	} else if err != nil {
		return fmt.Errorf("looking at where the source's pattern begins: %w", err)
	}
	for _, m := range matches {
		f.watch.add(filepath.Dir(m))
		f.look(l, m)
	}
	l.sort()
	if len(matches) == 0 && !f.o.Follow {
		return fmt.Errorf("nothing matches %s; correct the path", f.o.Path)
	}
	return nil
}

// walk lists a folder and everything below it.
func (f *Folder) walk(l *listing, dir string) {
	f.watch.add(dir) // Before it is read, so that nothing is missed.
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.partial = true
		if !errors.Is(err, fs.ErrNotExist) {
			l.files = append(l.files, found{path: dir, err: err})
		}
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if why := passOver(path); why != "" {
			l.skipped[path] = why
			continue
		}
		f.look(l, path)
	}
}

// look lists one path of a folder. Links to files are followed, links to
// folders are not: they may lead in circles.
func (f *Folder) look(l *listing, path string) {
	if why := passOver(path); why != "" {
		l.skipped[path] = why
		return
	}
	info, err := os.Lstat(path)
	link := err == nil && info.Mode()&fs.ModeSymlink != 0
	if link {
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && !link:
		// It has gone since the folder was read.
	case err != nil:
		l.files = append(l.files, found{path: path, err: err})
	case info.IsDir() && link:
		l.skipped[path] = "a link to a folder"
	case info.IsDir():
		f.walk(l, path)
	case !info.Mode().IsRegular():
		l.skipped[path] = "not a regular file"
	default:
		l.files = append(l.files, found{path: path, stat: statOf(info)})
	}
}

// passOver says why a path in a folder is not read, by its name; it is empty
// where it is read.
func passOver(path string) string {
	name := filepath.Base(path)
	switch {
	case strings.HasPrefix(name, "."):
		return "hidden"
	case strings.HasPrefix(name, "#"), strings.HasSuffix(name, "~"):
		return "temporary"
	case name == "CloudTrail-Digest", strings.Contains(name, "_CloudTrail-Digest_"):
		return "a digest of CloudTrail"
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tmp", ".temp", ".part", ".partial", ".swp", ".crdownload", ".filepart":
		return "temporary"
	case ".md", ".markdown", ".html", ".pdf", ".png", ".jpg":
		return "a document"
	}
	switch name {
	case "LICENSE", "LICENSE.txt", "NOTICE", "README", "README.txt":
		return "a document"
	}
	return ""
}

// deliveryDelay is how much older than its file an event of CloudTrail
// typically is at most.
const deliveryDelay = 15 * time.Minute

// stampOf reads the time of delivery that CloudTrail writes into the names of
// its files, such as 123456789012_CloudTrail_us-east-1_20240802T0855Z_x.json.gz.
func stampOf(path string) (time.Time, bool) {
	name := filepath.Base(path)
	if !strings.Contains(name, "_CloudTrail") {
		return time.Time{}, false
	}
	for part := range strings.SplitSeq(name, "_") {
		if t, err := time.Parse("20060102T1504Z", part); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
