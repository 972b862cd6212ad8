package rules

import (
	"slices"
	"strings"
)

// anchor is a fact that an event has to have for a rule to hold: the operation is
// DeleteTrail, a class is policy_change.
type anchor struct {
	field Field
	text  string
}

// anchorRanks says how few events have a given value of a field, the rarest
// first. Fields that are not here are no anchors.
var anchorRanks = map[Field]int{
	Operation: 1, API: 1, UID: 1, ErrorCode: 2, Class: 3, Credential: 3, Identity: 3, IP: 3, Service: 4, UserType: 5,
	IdentityKind: 5, Network: 6, Country: 6, Category: 7, Outcome: 8, Provider: 9, Access: 9,
}

// better reports whether events with one of the keys are rarer than with one of
// the others.
func better(keys, than []anchor) bool {
	a, b := worst(keys), worst(than)
	return a < b || a == b && len(keys) < len(than)
}

func worst(keys []anchor) int {
	rank := 0
	for _, k := range keys {
		rank = max(rank, anchorRanks[k.field])
	}
	return rank
}

// anchors of a leaf are the texts that a field has to be equal to.
func (l *leaf) anchors() ([]anchor, bool) {
	if l.fact.kind != refField || l.fact.path != nil || l.other != nil || len(l.operator.decorators) > 0 {
		return nil, false
	}
	if _, ok := anchorRanks[l.fact.field]; !ok {
		return nil, false
	}
	key := func(v *Value) anchor { return anchor{l.fact.field, strings.ToLower(v.text)} }
	switch l.operator.base {
	case "contains":
		if l.fact.field == Class && l.value.kind == kindText {
			return []anchor{key(&l.value)}, true
		}
	case "equal":
		if l.fact.field != Class && l.value.kind == kindText {
			return []anchor{key(&l.value)}, true
		}
	case "in":
		if l.fact.field == Class || l.value.kind != kindList {
			return nil, false
		}
		keys := make([]anchor, len(l.value.list))
		for i := range l.value.list {
			v := &l.value.list[i]
			if v.kind != kindText {
				return nil, false
			}
			keys[i] = key(v)
		}
		return keys, true
	}
	return nil, false
}

// index finds the rules that an event may match.
type index struct {
	// fields are those that some rule is anchored to, and of each the rules by
	// value in small letters.
	fields []fieldIndex
	// always are the rules without an anchor.
	always []uint32
}

type fieldIndex struct {
	field Field
	rules map[string][]uint32
}

func newIndex(programs []*program) *index {
	x := &index{}
	for i, p := range programs {
		keys, ok := p.anchors()
		if !ok {
			x.always = append(x.always, uint32(i))
			continue
		}
		for _, k := range keys {
			f := x.field(k.field)
			if list := f.rules[k.text]; len(list) == 0 || list[len(list)-1] != uint32(i) {
				f.rules[k.text] = append(list, uint32(i))
			}
		}
	}
	return x
}

func (x *index) field(f Field) *fieldIndex {
	i := slices.IndexFunc(x.fields, func(g fieldIndex) bool { return g.field == f })
	if i < 0 {
		i = len(x.fields)
		x.fields = append(x.fields, fieldIndex{f, map[string][]uint32{}})
	}
	return &x.fields[i]
}

// candidates appends the rules that the event may match, in their order.
func (x *index) candidates(f Facts, scratch []byte, out []uint32) ([]uint32, []byte) {
	out = append(out, x.always...)
	for i := range x.fields {
		fi := &x.fields[i]
		v := f.Fact(fi.field)
		switch v.kind {
		case kindText:
			scratch = appendLower(scratch[:0], v.text)
			out = append(out, fi.rules[string(scratch)]...)
		case kindList:
			for j := range v.list {
				scratch = appendLower(scratch[:0], v.list[j].text)
				out = append(out, fi.rules[string(scratch)]...)
			}
		}
	}
	if len(out) > len(x.always) {
		slices.Sort(out)
		out = slices.Compact(out)
	}
	return out, scratch
}

// appendLower appends a text in the small letters of strings.ToLower.
func appendLower(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 0x80 {
			return append(b[:0], strings.ToLower(s)...)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}
