package rules

import (
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"
)

// program is a rule as it is run.
type program struct {
	rule *Rule
	// key names what the program does: state is kept under it, so that a rule
	// whose title was changed keeps its windows and one whose conditions were
	// does not.
	key string
	// providers are those whose events it looks at.
	providers []string
	// base is what every event has to match; nil where the terms say it all.
	base condition
	// terms are the sorts of events that a window waits for. A boolean rule has
	// none, an aggregate rule one.
	terms []term
	// window is how long it looks back, in microseconds.
	window  int64
	groupBy []*factRef
	// refs are all facts that it asks for.
	refs []*factRef
}

// term is one sort of events within a window and how many of them there have
// to be.
type term struct {
	filter condition // Nil where the base says it all.
	test   countTest
	count  int
}

// countTest is how a count is compared.
type countTest uint8

const (
	countAtLeast countTest = iota
	countEqual
)

// anchors of the program's events.
func (p *program) anchors() ([]anchor, bool) {
	var parts allOf
	if p.base != nil {
		parts = append(parts, p.base)
	}
	if len(p.terms) > 0 {
		var terms anyOf
		for _, t := range p.terms {
			if t.filter == nil {
				terms = nil
				break
			}
			terms = append(terms, t.filter)
		}
		if terms != nil {
			parts = append(parts, terms)
		}
	}
	keys, ok := parts.anchors()
	if len(p.providers) > 0 {
		byProvider := make([]anchor, len(p.providers))
		for i, name := range p.providers {
			byProvider[i] = anchor{Provider, name}
		}
		if !ok || better(byProvider, keys) {
			return byProvider, true
		}
	}
	return keys, ok
}

// concerns reports whether the rule looks at events of the provider.
func (p *program) concerns(provider string) bool {
	return len(p.providers) == 0 || slices.Contains(p.providers, provider)
}

// matches returns which terms an event is one of, as bits. A boolean rule has
// the first bit.
func (p *program) matches(c *context) uint64 {
	if !p.concerns(c.provider) || p.base != nil && !p.base.holds(c) {
		return 0
	}
	if len(p.terms) == 0 {
		return 1
	}
	var bits uint64
	for i := range p.terms {
		if f := p.terms[i].filter; f == nil || f.holds(c) {
			bits |= 1 << i
		}
	}
	return bits
}

// explain lists the leaves that made an event match.
func (p *program) explain(c *context, bits uint64) []Leaf {
	var out []Leaf
	if p.base != nil {
		out = p.base.explain(c, true, out)
	}
	for i := range p.terms {
		if f := p.terms[i].filter; f != nil && bits&(1<<i) != 0 {
			out = f.explain(c, true, out)
		}
	}
	return out
}

// group returns the key of the group that an event belongs to.
func (p *program) group(c *context) string {
	if len(p.groupBy) == 0 {
		v := c.facts.Fact(Account)
		return c.provider + groupSeparator + strings.Clone(v.text)
	}
	parts := make([]string, len(p.groupBy))
	for i, ref := range p.groupBy {
		if v := ref.value(c); v.kind != kindNull {
			parts[i] = groupValue(&v)
		}
	}
	return strings.Join(parts, groupSeparator)
}

// groupValue is a value as a part of a group's key. A long one is cut, with a
// checksum in the place of the rest.
func groupValue(v *Value) string {
	s := v.String()
	if v.kind >= kindText && len(v.text) > maxShown {
		s += strconv.FormatUint(uint64(crc32.Checksum([]byte(v.text), castagnoli)), 16)
	}
	return strings.ReplaceAll(s, groupSeparator, " ")
}

// groupSeparator stands between the values of a group's key.
const groupSeparator = "\x1f"

// micros is a time in microseconds, which holds whatever a record may say.
func micros(t time.Time) int64 { return t.UnixMicro() }
