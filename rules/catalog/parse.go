package catalog

import (
	"cmp"
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

//go:embed data/*.csv
var data embed.FS

// header is the first line of a file.
var header = []string{"provider", "service", "operation", "class", "tier", "when", "unchecked", "otherwise"}

// row is one line of a file: what an operation is in one class.
type row struct {
	rowKey
	part Part
}

type rowKey struct {
	provider, service, operation, class string
}

func (k rowKey) compare(o rowKey) int {
	return cmp.Or(strings.Compare(k.provider, o.provider), strings.Compare(k.service, o.service),
		strings.Compare(k.operation, o.operation), strings.Compare(k.class, o.class))
}

func (k rowKey) sameOperation(e Entry) bool {
	return k.provider == e.Provider && k.service == e.Service && k.operation == e.Operation
}

// Default returns the catalogue that is part of the binary.
func Default() *Catalog { return standard() }

var standard = sync.OnceValue(func() *Catalog {
	files, err := data.ReadDir("data")
	if err != nil {
		panic(fmt.Sprintf("reading the built-in catalogue: %v", err))
	}
	var cs []*Catalog
	for _, f := range files {
		r, err := data.Open("data/" + f.Name())
		if err != nil {
			panic(fmt.Sprintf("opening the built-in catalogue: %v", err))
		}
		c, err := Parse(f.Name(), r)
		if err != nil {
			panic(fmt.Sprintf("reading the built-in catalogue: %v", err))
		}
		cs = append(cs, c)
	}
	return Merge(cs...)
})

// maxErrors is how many errors of a file are told at once.
const maxErrors = 20

// Parse reads a catalogue from a CSV file. Its first line is
//
//	provider,service,operation,class,tier,when,unchecked,otherwise
//
// of which the last three may be left out; lines that start with # are comments.
// Name is the file's, for errors, which also carry the line. Parse tells all
// that is wrong with a file, up to twenty errors.
func Parse(name string, r io.Reader) (*Catalog, error) {
	cr := csv.NewReader(r)
	cr.Comment = '#'
	cr.FieldsPerRecord = -1
	cr.ReuseRecord = true
	head, err := cr.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1: the file is empty, expected the line %s", name, strings.Join(header, ","))
	}
	if err != nil {
		return nil, locate(name, err)
	}
	columns := len(head)
	head[0] = strings.TrimPrefix(head[0], "\ufeff")
	for i := range head {
		head[i] = strings.TrimSpace(head[i])
	}
	if columns < len(header)-3 || columns > len(header) || !slices.Equal(head, header[:columns]) {
		line, _ := cr.FieldPos(0)
		return nil, fmt.Errorf("%s:%d: the first line is %q, expected %q; the last three columns may be left out",
			name, line, strings.Join(head, ","), strings.Join(header, ","))
	}
	var (
		rows  []row
		lines = map[rowKey]int{}
		errs  []error
	)
	for len(errs) < maxErrors {
		record, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// What follows a broken quotation cannot be told from it.
			errs = append(errs, locate(name, err))
			break
		}
		line, _ := cr.FieldPos(0)
		parsed, err := parseRow(record, columns)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err))
			continue
		}
		if first, ok := lines[parsed.rowKey]; ok {
			errs = append(errs, fmt.Errorf("%s:%d: %s is of class %s in line %d already",
				name, line, parsed.title(), parsed.class, first))
			continue
		}
		lines[parsed.rowKey] = line
		rows = append(rows, parsed)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return build(rows), nil
}

// locate puts a file's name before the line that an error of encoding/csv has.
func locate(name string, err error) error {
	if pe, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("%s:%d: %w", name, pe.Line, pe.Err)
	}
	return fmt.Errorf("reading %s: %w", name, err)
}

func (k rowKey) title() string {
	if k.service == "" {
		return k.provider + " " + k.operation
	}
	return k.provider + " " + k.service + ":" + k.operation
}

// parseRow reads a line. Its strings are copies.
func parseRow(record []string, columns int) (row, error) {
	if len(record) != columns {
		return row{}, fmt.Errorf("found %d columns, expected %d", len(record), columns)
	}
	var f [8]string
	for i, s := range record {
		if f[i] = strings.Clone(strings.TrimSpace(s)); !printable(f[i]) {
			return row{}, fmt.Errorf("column %s: %q holds characters that cannot be shown", header[i], s)
		}
	}
	r := row{rowKey: rowKey{provider: f[0], service: normalService(f[0], f[1]), operation: f[2], class: f[3]}}
	if matcherOf(r.provider) == noMatcher {
		return row{}, fmt.Errorf("unknown provider %q: the known ones are %s", r.provider, strings.Join(providers[:], ", "))
	}
	if err := checkOperation(r.operation); err != nil {
		return row{}, err
	}
	if !isClass(r.class) {
		return row{}, fmt.Errorf("bad class %q: a class is small letters, digits and underscores, such as policy_change", r.class)
	}
	tier, ok := parseTier(f[4])
	if !ok {
		return row{}, fmt.Errorf("bad tier %q: a tier is 0 (harmless), 1, 2 or 3 (told always)", f[4])
	}
	r.part = Part{Class: r.class, Tier: tier, Unchecked: tier, Otherwise: tier}
	if f[5] == "" {
		for i := 6; i < len(f); i++ {
			if f[i] != "" {
				return row{}, fmt.Errorf("%s is set, but there is no condition in when", header[i])
			}
		}
		return r, nil
	}
	var err error
	if r.part.When, err = ParseCondition(f[5]); err != nil {
		return row{}, fmt.Errorf("bad condition %q: %w", f[5], err)
	}
	if r.part.Unchecked, err = parseOther("unchecked", f[6], tier, tier); err != nil {
		return row{}, err
	}
	r.part.Otherwise, err = parseOther("otherwise", f[7], NotInClass, tier)
	return r, err
}

// parseOther reads the tier that holds where that of the row does not.
func parseOther(column, s string, empty, most int) (int, error) {
	switch s {
	case "":
		return empty, nil
	case "-":
		return NotInClass, nil
	}
	if t, ok := parseTier(s); ok && t <= most {
		return t, nil
	}
	return 0, fmt.Errorf("bad value %q of %s: it is a tier up to the row's own, or -", s, column)
}

func parseTier(s string) (int, bool) {
	if len(s) != 1 || s[0] < '0' || s[0] > '3' {
		return 0, false
	}
	return int(s[0] - '0'), true
}

func checkOperation(op string) error {
	name := strings.TrimSuffix(strings.TrimPrefix(op, "*"), "*")
	switch {
	case op == "":
		return errors.New("the operation is empty")
	case len(op) > maxName/2:
		return fmt.Errorf("the operation is longer than %d bytes", maxName/2)
	case name == "":
		return fmt.Errorf("bad operation %q: a pattern names more than everything", op)
	case strings.Contains(name, "*"):
		return fmt.Errorf("bad operation %q: a * stands only at the beginning or the end", op)
	}
	return nil
}

func isClass(s string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := 'a' <= c && c <= 'z'; !letter && c != '_' && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return s != ""
}
