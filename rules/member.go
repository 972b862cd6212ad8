package rules

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxWords bounds the texts of a rule, in bytes.
const maxWords = 16 << 10

// techniqueForm is how techniques of MITRE ATT&CK are named.
var techniqueForm = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// ruleMember reads one key of a rule, all but conditions and timezone.
func (p *parser) ruleMember(r *Rule, c *compiler, m *member) {
	switch m.key {
	case "comment":
		// A comment is always ignored; as a text it is the rule's title too.
		if m.value.kind == nodeText && len(m.value.text) <= maxWords {
			r.Comment = m.value.text
		}
	case "dormant":
		r.Dormant, _ = p.boolean(m.value, m.key)
	case "type":
		p.ruleType(r, m)
	case "event":
		p.event(r, m.value)
	case "name":
		p.text(m.value, m.key)
	case "priority":
		p.priority(m.value)
	case "id":
		p.text(m.value, m.key)
	case "title":
		r.Title, _ = p.text(m.value, m.key)
	case "description":
		r.Description, _ = p.text(m.value, m.key)
	case "version":
		r.Version, _ = p.textOrNumber(m.value, m.key)
	case "severity":
		r.Severity, _ = p.oneOf(m.value, m.key, severities)
	case "kri":
		r.KRI, _ = p.oneOf(m.value, m.key, kris)
	case "stage":
		r.Shadow = p.stage(m.value)
	case "confidence":
		if m.value.kind != nodeNumber || m.value.number < 0 || m.value.number > 1 {
			p.fail(m.value.at, "found %s as the confidence, expected a number from 0 to 1", m.value.describe())
			return
		}
		r.Confidence = m.value.number
	case "attack":
		r.Attack = p.texts(m.value, m.key)
		for _, t := range r.Attack {
			if !techniqueForm.MatchString(t) {
				p.fail(m.value.at, "found %s as a technique, expected one such as T1078.004", quote(t))
			}
		}
	case "references":
		r.References = p.texts(m.value, m.key)
	case "provider":
		r.Providers = p.providers(m.value)
	case "groupBy":
		r.GroupBy = p.texts(m.value, m.key)
		c.groupAt = m.value.at
	case "requirePresent":
		c.present, _ = p.boolean(m.value, m.key)
	case "runbook":
		p.runbook(r, m.value)
	}
}

// knownProviders are those that insightd has decoders of. Records in OCSF may be
// of others.
var knownProviders = []string{"aws", "azure", "alibaba", "ibm", "gcp", "kubernetes"}

func (p *parser) providers(n *node) []string {
	list := p.texts(n, "provider")
	for _, name := range list {
		if !slices.Contains(knownProviders, name) {
			p.warn(n.at, "found the provider %s, expected one of %s%s", quote(name), strings.Join(knownProviders, ", "), didYouMean(name, knownProviders))
		}
	}
	return list
}

func (p *parser) ruleType(r *Rule, m *member) {
	s, ok := p.text(m.value, m.key)
	if !ok {
		return
	}
	i := slices.Index(typeNames[:], s)
	if i < 0 {
		p.warn(m.value.at, "found the type %s, which is evaluated as boolean; expected one of %s%s", quote(s), strings.Join(typeNames[:], ", "), didYouMean(s, typeNames[:]))
		return
	}
	if r.Type = Type(i); r.Type == Sequence {
		p.extension(r, m.at, "sequence")
	}
}

func (p *parser) event(r *Rule, n *node) {
	if n.kind != nodeObject {
		p.fail(n.at, "found %s as the event, expected an object with type and params", n.describe())
		return
	}
	for i := range n.members {
		m := &n.members[i]
		switch m.key {
		case "type":
			p.text(m.value, "event.type")
		case "comment":
		case "params":
			if m.value.kind != nodeObject {
				p.fail(m.value.at, "found %s as the event's params, expected an object", m.value.describe())
				continue
			}
			// What else they say is passed on by the library and means nothing.
			if f := m.value.find("findingType"); f != nil {
				r.FindingType, _ = p.text(f.value, "findingType")
			}
		default:
			p.fail(m.at, "found the key %s in an event, expected type or params", quote(m.key))
		}
	}
	if n.find("type") == nil {
		p.fail(n.at, "found an event without a type, expected one")
	}
}

func (p *parser) runbook(r *Rule, n *node) {
	if n.kind != nodeObject {
		p.fail(n.at, "found %s as the runbook, expected an object", n.describe())
		return
	}
	parts := map[string]*string{
		"what": &r.Runbook.What, "check": &r.Runbook.Check, "step": &r.Runbook.Step,
		"rollback": &r.Runbook.Rollback, "escalate": &r.Runbook.Escalate,
	}
	for i := range n.members {
		m := &n.members[i]
		part, ok := parts[m.key]
		if !ok {
			p.fail(m.at, "found the key %s in a runbook, expected what, check, step, rollback or escalate", quote(m.key))
			continue
		}
		*part, _ = p.text(m.value, m.key)
	}
}

// priority says in which order the library runs rules, which is all the same here.
func (p *parser) priority(n *node) {
	if n.kind != nodeNumber || n.number < 1 {
		p.fail(n.at, "found %s as a priority, expected a number of 1 or more", n.describe())
	}
}

func (p *parser) stage(n *node) bool {
	s, _ := p.oneOf(n, "stage", []string{"active", "shadow"})
	return s == "shadow"
}

func (p *parser) timezone(n *node, fallback *time.Location) (*time.Location, string) {
	name, ok := p.text(n, "timezone")
	if !ok {
		return fallback, ""
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		p.fail(n.at, "found the time zone %s, expected one such as Europe/Berlin", quote(name))
		return fallback, ""
	}
	return loc, name
}

func (p *parser) text(n *node, key string) (string, bool) {
	if n.kind != nodeText || strings.TrimSpace(n.text) == "" {
		p.fail(n.at, "found %s as the %s, expected a text", n.describe(), key)
		return "", false
	}
	if len(n.text) > maxWords {
		p.fail(n.at, "found %d bytes as the %s, expected %d at most", len(n.text), key, maxWords)
		return "", false
	}
	return strings.TrimSpace(n.text), true
}

func (p *parser) textOrNumber(n *node, key string) (string, bool) {
	if n.kind == nodeNumber {
		return n.text, true
	}
	return p.text(n, key)
}

func (p *parser) boolean(n *node, key string) (value, ok bool) {
	if n.kind != nodeBool {
		p.fail(n.at, "found %s as %s, expected true or false", n.describe(), key)
		return false, false
	}
	return n.number == 1, true
}

func (p *parser) oneOf(n *node, key string, words []string) (string, bool) {
	s, ok := p.text(n, key)
	if ok && !slices.Contains(words, s) {
		p.fail(n.at, "found %s as the %s, expected one of %s%s", quote(s), key, strings.Join(words, ", "), didYouMean(s, words))
		return "", false
	}
	return s, ok
}

// texts reads one text or a list of them.
func (p *parser) texts(n *node, key string) []string {
	items := []*node{n}
	if n.kind == nodeList {
		items = n.items
	}
	if len(items) == 0 || len(items) > 64 {
		p.fail(n.at, "found %d texts as the %s, expected 1 to 64", len(items), key)
		return nil
	}
	var out []string
	for _, item := range items {
		s, ok := p.text(item, key)
		switch {
		case !ok:
		case slices.Contains(out, s):
			p.fail(item.at, "found %s twice as the %s, expected it once", quote(s), key)
		default:
			out = append(out, s)
		}
	}
	return out
}
