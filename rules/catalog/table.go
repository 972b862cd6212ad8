package catalog

import (
	"cmp"
	"slices"
	"strings"
	"unsafe"
)

// A matcher says how names of a provider are compared.
type matcher uint8

const (
	// matchAWS compares operations exactly, without the dates that Lambda and
	// CloudFront put behind theirs, and services without ".amazonaws.com".
	matchAWS matcher = iota
	// matchAzure compares operations without case, as exports write them in
	// capitals, and without a full stop or white space at the end.
	matchAzure
	// matchAlibaba compares operations exactly and services without case and
	// without what follows, as in "ecs-cn-hangzhou.aliyuncs.com".
	matchAlibaba
	// matchGCP compares the last parts of a dotted method, without versions: the
	// entry "compute.instances.insert" holds for "beta.compute.instances.insert".
	matchGCP
	// From here on operations are compared exactly: ibm, kubernetes.

	numMatchers = 6
	noMatcher   = matcher(numMatchers)
)

// providers are in the order of the matchers.
var providers = [numMatchers]string{"aws", "azure", "alibaba", "gcp", "ibm", "kubernetes"}

func matcherOf(provider string) matcher {
	for i, p := range providers {
		if p == provider {
			return matcher(i)
		}
	}
	return noMatcher
}

// record is an entry and what it is found by.
type record struct {
	Entry
	// name is the operation in the form in which it is compared: in small
	// letters for Azure, without versions for GCP.
	name string
}

// table holds the records of one provider.
type table struct {
	matcher matcher
	records []*record
	// byName finds records by the operation, in the form that key makes of it:
	// those of a service first, those of any service last.
	byName map[string][]*record
	// patterns are the records whose operation has a * at either end, the
	// longest first.
	patterns []*record
}

func newTable(m matcher, records []*record) *table {
	t := &table{matcher: m, records: records, byName: make(map[string][]*record, len(records))}
	for _, r := range records {
		r.name = t.nameOf(r.Operation)
		if isPattern(r.Operation) {
			t.patterns = append(t.patterns, r)
			continue
		}
		k := t.key(r)
		t.byName[k] = append(t.byName[k], r)
	}
	// An operation that several records hold for is found once: the most
	// particular of them takes over what the others say.
	own := make([][]Part, len(records))
	for i, r := range records {
		own[i] = slices.Clone(r.Parts)
	}
	for _, r := range records {
		for j, q := range records {
			if q == r || !t.covers(q, r) {
				continue
			}
			for _, p := range own[j] {
				if !slices.ContainsFunc(r.Parts, func(have Part) bool { return have.Class == p.Class }) {
					r.Parts = append(r.Parts, p)
				}
			}
		}
		r.summarise()
	}
	for _, rs := range t.byName {
		slices.SortStableFunc(rs, func(a, b *record) int {
			return cmp.Or(cmp.Compare(len(b.name), len(a.name)), cmp.Compare(len(b.Service), len(a.Service)))
		})
	}
	slices.SortStableFunc(t.patterns, func(a, b *record) int { return cmp.Compare(len(b.Operation), len(a.Operation)) })
	return t
}

// nameOf is the form in which an operation of the catalogue is compared.
func (t *table) nameOf(operation string) string {
	switch t.matcher {
	case matchAzure:
		return foldName(operation)
	case matchGCP:
		if !isPattern(operation) {
			return plainName(operation)
		}
	}
	return operation
}

// key is the name under which a record that is no pattern is found.
func (t *table) key(r *record) string {
	if t.matcher == matchGCP {
		return lastPart(r.name)
	}
	return r.name
}

// covers reports whether everything that r holds for is held for by q too.
func (t *table) covers(q, r *record) bool {
	if q.Service != "" && q.Service != r.Service {
		return false
	}
	switch {
	case isPattern(q.Operation):
		if isPattern(r.Operation) && len(r.Operation) <= len(q.Operation) {
			return false
		}
		return matchPattern(q.name, r.name)
	case isPattern(r.Operation):
		return false
	case t.matcher == matchGCP:
		return matchTail(q.name, r.name)
	}
	return q.name == r.name
}

// Lookup returns what the catalogue says of an operation. Service is the
// provider's own name, such as "ec2.amazonaws.com". Where several entries hold,
// it returns the most particular one, which has the classes of the others too.
// It reports false where there is none. Lookup does not allocate; the caller
// does not write to what the entry points to.
func (c *Catalog) Lookup(provider, service, operation string) (Entry, bool) {
	m := matcherOf(provider)
	if m == noMatcher {
		return Entry{}, false
	}
	if r := c.tables[m].find(service, operation); r != nil {
		return r.Entry, true
	}
	return Entry{}, false
}

// maxName is the longest operation of Azure and GCP that is looked up; the
// longest of a catalogue is half of it.
const maxName = 256

func (t *table) find(service, operation string) *record {
	switch t.matcher {
	case matchAWS:
		if r := pick(t.byName[operation], serviceAWS(service)); r != nil {
			return r
		}
		if n := len(operation); n > 8 && operation[n-1] >= '0' && operation[n-1] <= '9' {
			if r := pick(t.byName[withoutDate(operation)], serviceAWS(service)); r != nil {
				return r
			}
		}
	case matchAzure:
		var buf [maxName]byte
		name, ok := fold(buf[:], operation)
		if !ok {
			return nil
		}
		if r := pick(t.byName[string(name)], service); r != nil {
			return r
		}
		return t.pattern(service, view(name))
	case matchAlibaba:
		for _, r := range t.byName[operation] {
			if serviceAlibaba(r.Service, service) {
				return r
			}
		}
	case matchGCP:
		var buf [maxName]byte
		name, ok := plain(buf[:], operation)
		if !ok {
			return nil
		}
		service = strings.TrimSuffix(service, ".googleapis.com")
		for _, r := range t.byName[lastPart(view(name))] {
			if matchTail(r.name, view(name)) && serviceIs(r.Service, service) {
				return r
			}
		}
	default:
		if r := pick(t.byName[operation], service); r != nil {
			return r
		}
	}
	return t.pattern(service, operation)
}

// pattern returns the longest pattern that holds.
func (t *table) pattern(service, name string) *record {
	for _, r := range t.patterns {
		if serviceIs(r.Service, service) && matchPattern(r.name, name) {
			return r
		}
	}
	return nil
}

// view is a buffer as a string. Nothing may keep the string.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// pick returns the first record of a service.
func pick(rs []*record, service string) *record {
	for _, r := range rs {
		if serviceIs(r.Service, service) {
			return r
		}
	}
	return nil
}

func serviceIs(want, service string) bool {
	return want == "" || want == service || strings.EqualFold(want, service)
}
