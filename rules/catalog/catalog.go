// Package catalog knows operations of cloud APIs: of which classes they are,
// such as a change of a policy or the concealment of a trail, and how risky
// they are.
//
// The data is in data/*.csv, one file a provider, and is part of the binary.
// Users add files of their own in the same form: Parse reads them, Merge lays
// them over the default. DESIGN.md beside this file describes the form and
// where the names come from.
package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// The classes of the default catalogue. A file may use others.
const (
	// PolicyChange changes who may do what.
	PolicyChange = "policy_change"
	// PasswordChange changes passwords, keys, second factors or secrets.
	PasswordChange = "password_change"
	// TrailConcealment keeps what happens from being recorded or seen.
	TrailConcealment = "trail_concealment"
	// MassDeletion is a deletion that hurts where there are many.
	MassDeletion = "mass_deletion"
	// SensitiveFirstUse is worth a look when an identity does it for the first
	// time.
	SensitiveFirstUse = "sensitive_first_use"
	// NetworkChange opens or redirects networks.
	NetworkChange = "network_change"
)

// Entry is what the catalogue says of one operation.
type Entry struct {
	Provider string
	// Service is the service's name without suffix, such as "ec2"; empty where
	// the entry holds for any service.
	Service string
	// Operation is the name in the catalogue. It may be shorter than what was
	// looked up: see Lookup.
	Operation string
	// Classes are the classes of the operation, of the highest tier first.
	Classes []string
	// Label is Classes with a space between.
	Label string
	// Tier is the highest tier of the classes: 3 is told always, 2 where the
	// operator is unusual, 1 at a first use or in a burst. 0 is harmless.
	Tier int
	// When says which parameters the tier supposes, empty where there is no
	// condition. Classes, Label and Tier are what holds where it cannot be
	// checked; Check says what holds for a record.
	When string
	// Parts says the same class by class, with the classes that hold only where
	// the condition does.
	Parts []Part
}

// Part is what the catalogue says of an operation in one class.
type Part struct {
	Class string
	Tier  int
	// When is the condition on parameters under which Tier holds, nil where there
	// is none.
	When *Condition
	// Unchecked is the tier that holds where the record does not have what When
	// is about, and Otherwise the one where When does not hold. They are
	// NotInClass where the operation is then not of the class at all.
	Unchecked, Otherwise int
}

// NotInClass is the tier of an operation that is routine unless its condition
// holds.
const NotInClass = -1

// tier is what a part comes to.
func (p *Part) tier(t Truth) int {
	switch t {
	case Yes:
		return p.Tier
	case No:
		return p.Otherwise
	}
	return p.Unchecked
}

// Conditional reports whether what the operation is depends on its parameters,
// so that Check reads the record.
func (e *Entry) Conditional() bool { return e.When != "" }

// Check returns the classes, as Entry.Label, and the tier that an operation has
// with the parameters of a record, in the provider's own form. An empty record
// has none.
func (e *Entry) Check(record []byte) (label string, tier int) {
	if !e.Conditional() {
		return e.Label, e.Tier
	}
	type held struct {
		class string
		tier  int
	}
	var buf [4]held
	all := buf[:0]
	for i := range e.Parts {
		p := &e.Parts[i]
		t := p.Tier
		if p.When != nil {
			truth := Unknown
			if len(record) > 0 {
				truth = p.When.Check(record)
			}
			t = p.tier(truth)
		}
		if t > 0 {
			all = append(all, held{p.Class, t})
		}
	}
	if len(all) == 0 {
		return "", 0
	}
	slices.SortStableFunc(all, func(a, b held) int { return cmp.Compare(b.tier, a.tier) })
	if len(all) == 1 {
		return all[0].class, all[0].tier
	}
	classes := make([]string, len(all))
	for i := range all {
		classes[i] = all[i].class
	}
	return strings.Join(classes, " "), all[0].tier
}

// Catalog is a set of entries. It is immutable, and safe for use by several
// goroutines.
type Catalog struct {
	rows    []row
	tables  [numMatchers]*table
	version string
}

// Len returns how many entries there are.
func (c *Catalog) Len() int {
	n := 0
	for _, t := range c.tables {
		n += len(t.records)
	}
	return n
}

// Entries returns all entries, in order of provider, service and operation.
// The caller does not write to what they point to.
func (c *Catalog) Entries() []Entry {
	var all []Entry
	for _, t := range c.tables {
		for _, r := range t.records {
			all = append(all, r.Entry)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider),
			strings.Compare(a.Service, b.Service), strings.Compare(a.Operation, b.Operation))
	})
	return all
}

// Version identifies the content: it is a hash of all rows, whatever their
// order and however they are spread over files.
func (c *Catalog) Version() string { return c.version }

// Merge lays catalogues over each other. Where two say something of the same
// operation and class, the later one holds; so tier 0 in a file of one's own
// makes a class harmless for an operation.
func Merge(cs ...*Catalog) *Catalog {
	at := map[rowKey]int{}
	var rows []row
	for _, c := range cs {
		if c == nil {
			continue
		}
		for _, r := range c.rows {
			if i, ok := at[r.rowKey]; ok {
				rows[i] = r
				continue
			}
			at[r.rowKey] = len(rows)
			rows = append(rows, r)
		}
	}
	return build(rows)
}

// build makes a catalogue of rows that are valid and have no key twice.
func build(rows []row) *Catalog {
	slices.SortFunc(rows, func(a, b row) int { return a.compare(b.rowKey) })
	c := &Catalog{rows: rows, version: versionOf(rows)}
	var parts [numMatchers][]*record
	for i := 0; i < len(rows); {
		r := &record{Entry: Entry{Provider: rows[i].provider, Service: rows[i].service, Operation: rows[i].operation}}
		for ; i < len(rows) && rows[i].sameOperation(r.Entry); i++ {
			r.Parts = append(r.Parts, rows[i].part)
		}
		m := matcherOf(r.Provider)
		parts[m] = append(parts[m], r)
	}
	for m := range parts {
		c.tables[m] = newTable(matcher(m), parts[m])
	}
	return c
}

func versionOf(rows []row) string {
	h := sha256.New()
	for _, r := range rows {
		fmt.Fprintf(h, "%q %q %q %q %d %q %d %d\n", r.provider, r.service, r.operation, r.class,
			r.part.Tier, r.part.When, r.part.Unchecked, r.part.Otherwise)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// summarise fills what follows from the parts.
func (e *Entry) summarise() {
	slices.SortFunc(e.Parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), strings.Compare(a.Class, b.Class))
	})
	var whens []string
	for _, p := range e.Parts {
		if p.When != nil && !slices.Contains(whens, p.When.text) {
			whens = append(whens, p.When.text)
		}
		// A tier of 0 says that the operation is harmless in the class.
		if p.Unchecked <= 0 {
			continue
		}
		e.Classes = append(e.Classes, p.Class)
		e.Tier = max(e.Tier, p.Unchecked)
	}
	e.When = strings.Join(whens, "; ")
	e.Label = strings.Join(e.Classes, " ")
}
