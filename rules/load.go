package rules

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Layer is a folder of packages. A rule of a later layer takes the place of the
// rule of the same id in an earlier one.
type Layer struct {
	// Name is put before the names of files in problems and findings.
	Name string
	// FS is the folder. Every file in it whose name ends in .json, .yaml or .yml
	// is a package, but those whose names begin with a full stop or an underscore.
	FS fs.FS
	// Paths are files and folders of the system, in the place of FS.
	Paths []string
}

// Load reads the packages of all layers and compiles their rules. It returns what
// is sound, and what is wrong with the rest: a bad rule disables itself only, a
// file that cannot be read its rules only. A bad rule that would have taken the
// place of another leaves that one in use.
//
// Nothing is half loaded: the set is whole, and who has an older one in use puts
// this one in its place at once or not at all.
func Load(layers []Layer, o Options) (*Set, []Problem) {
	l := newLoader(o)
	for i := range layers {
		l.layer(&layers[i])
	}
	return newSet(l.list), l.problems
}

// LoadFiles reads packages and folders of them as one layer.
func LoadFiles(paths []string, o Options) (*Set, []Problem) {
	l := newLoader(o)
	l.paths(paths)
	return newSet(l.list), l.problems
}

// Parse reads one package. Its name says whether it is JSON or YAML, and is what
// problems name.
func Parse(name string, text []byte, o Options) (*Set, []Problem) {
	l := newLoader(o)
	l.file(name, text, nil)
	return newSet(l.list), l.problems
}

// Check reads packages and folders of them as one layer, and returns how many
// rules they have, sound or not, and what is wrong.
func Check(paths []string, o Options) (rules int, problems []Problem) {
	l := newLoader(o)
	l.paths(paths)
	return l.count, l.problems
}

// loader gathers rules.
type loader struct {
	o        Options
	list     []parsed
	problems []Problem
	// at says where in list the rule of an id is, layers of which layer it is.
	at     map[string]int
	layers []int
	// now is the layer that is read.
	now int
	// count is how many rules were read, sound or not.
	count int
}

func newLoader(o Options) *loader { return &loader{o: o, at: map[string]int{}} }

// isPackage reports whether a file of that name is a package.
func isPackage(name string) bool {
	switch filepath.Ext(name) {
	case ".json", ".yaml", ".yml":
		base := filepath.Base(name)
		return base[0] != '.' && base[0] != '_'
	}
	return false
}

// broken notes that something could not be read.
func (l *loader) broken(file, what string, err error) {
	l.problems = append(l.problems, Problem{File: file, Text: fmt.Sprintf("reading %s: %v", what, err)})
}

func (l *loader) paths(paths []string) {
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			l.broken(p, "the package", err)
		case info.IsDir():
			l.walk(&Layer{Name: p, FS: os.DirFS(p)})
		default:
			text, err := os.ReadFile(p)
			l.file(p, text, err)
		}
	}
}

// layer reads the packages of a folder, which may take the place of those of the
// layers before.
func (l *loader) layer(layer *Layer) {
	l.now++
	if layer.FS == nil {
		l.paths(layer.Paths)
		return
	}
	l.walk(layer)
}

func (l *loader) walk(layer *Layer) {
	err := fs.WalkDir(layer.FS, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			l.broken(layer.file(name), "the folder of packages", err)
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			if base := d.Name(); len(base) > 1 && (base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
		case isPackage(name):
			text, err := fs.ReadFile(layer.FS, name)
			l.file(layer.file(name), text, err)
		}
		return nil
	})
	if err != nil {
		l.broken(layer.Name, "the folder of packages", err)
	}
}

// beside reports whether a rule is in use that is not read here.
func (l *loader) beside(id string) bool {
	if l.o.Beside == nil {
		return false
	}
	_, ok := l.o.Beside.Rule(id)
	return ok
}

// file is the name of a file of the layer in problems.
func (layer *Layer) file(name string) string {
	if layer.Name == "" {
		return name
	}
	return strings.TrimSuffix(layer.Name, "/") + "/" + name
}

// file reads one file.
func (l *loader) file(name string, text []byte, err error) {
	if err != nil {
		l.broken(name, "the package", err)
		return
	}
	list, found := parseFile(name, text, l.o)
	p := &problems{file: name, list: found}
	for i := range list {
		l.rule(p, &list[i])
	}
	l.count += len(list)
	l.problems = append(l.problems, p.sorted()...)
}

// rule takes one rule in.
func (l *loader) rule(p *problems, r *parsed) {
	if r.id == "" {
		return // It has been told.
	}
	p.rule = r.id
	at, known := l.at[r.id]
	switch {
	case known && l.layers[at] == l.now:
		first := l.list[at].rule
		p.fail(r.at, "found the id of the rule in %s:%d again, expected another", first.File, first.Line)
	case !r.sound && known:
		p.warn(r.at, "the rule of this id in %s stays in use", l.list[at].rule.File)
	case !r.sound:
	case r.program == nil && !known && l.beside(r.id):
		// It takes a rule out of use that is not read here.
	case r.program == nil && !known:
		p.fail(r.at, "found a dormant rule without conditions, and no rule of this id to take out of use")
	case r.program == nil:
		// The words stay those of the rule that is out of use now.
		rule := *l.list[at].rule
		rule.Dormant, rule.File, rule.Line, rule.Hash = true, r.rule.File, r.rule.Line, r.rule.Hash
		l.list[at], l.layers[at] = parsed{id: r.id, at: r.at, rule: &rule, sound: true}, l.now
	case known:
		l.list[at], l.layers[at] = *r, l.now
	default:
		l.at[r.id] = len(l.list)
		l.list, l.layers = append(l.list, *r), append(l.layers, l.now)
	}
}
