package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	gopath "path"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // A rule means the same on every machine.
)

// Options say how packages are read.
type Options struct {
	// Compatible refuses what is an extension: what is left runs in
	// json-rules-engine too.
	Compatible bool
	// Negate turns every rule's conditions around, for tests of rules: a test
	// that still holds then tests nothing.
	Negate bool
	// Beside are rules that are in use beside those that are read: a dormant rule
	// without conditions may name one of them. It may be nil.
	Beside *Set
}

// parsed is a rule that was read, sound or not.
type parsed struct {
	id string
	at place
	// program is nil where the rule has errors, and where it only takes another
	// out of use.
	program *program
	rule    *Rule
	// sound is set where the rule has no errors.
	sound bool
}

// maxRules bounds how many rules a file may have.
const maxRules = 20_000

// parser reads the rules of one file.
type parser struct {
	problems
	o    Options
	pack defaults
}

// defaults are what a package says for all of its rules.
type defaults struct {
	name, version, kri string
	zone               *time.Location
	zoneName           string
	providers          []string
	present, shadow    bool
	severity           string
	extensions         []string
}

// parseFile reads the rules of one package. The file's name says whether it is
// JSON or YAML and is what problems name.
func parseFile(name string, text []byte, o Options) ([]parsed, []Problem) {
	p := &parser{problems: problems{file: name}, o: o, pack: defaults{zone: time.UTC, zoneName: "UTC"}}
	p.pack.name = strings.TrimSuffix(gopath.Base(name), gopath.Ext(name))
	root, err := p.read(name, text)
	if err != nil {
		if s, ok := errors.AsType[*syntaxError](err); ok {
			p.fail(s.at, "%s", s.text)
		} else {
			p.fail(place{}, "%v", err)
		}
		return nil, p.sorted()
	}
	var out []parsed
	slips := len(p.list)
	for _, n := range p.ruleNodes(root) {
		out = append(out, p.parseRule(n))
		p.attribute(p.list[:slips], n)
	}
	return out, p.sorted()
}

// attribute gives slips of JSON within a rule its id: while it was read, nobody
// knew whose they are.
func (p *parser) attribute(slips []Problem, n *node) {
	if n.kind != nodeObject {
		return
	}
	id := ruleID(n)
	for i := range slips {
		if at := (place{slips[i].Line, slips[i].Column}); !at.before(n.at) && !n.end.before(at) {
			slips[i].Rule = id
		}
	}
}

func (p *parser) read(name string, text []byte) (*node, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("found %d bytes, expected %d at most", len(text), maxFile)
	}
	if ext := gopath.Ext(name); ext == ".yaml" || ext == ".yml" {
		p.extension(nil, place{1, 1}, "YAML")
		return readYAML(string(text))
	}
	return readJSON(string(text), p.warn)
}

// extension notes that a rule or its package uses something of ours.
func (p *parser) extension(r *Rule, at place, what string) {
	if p.o.Compatible {
		p.fail(at, "found %s, which is an extension, in a package that has to be compatible", what)
	}
	list := &p.pack.extensions
	if r != nil {
		list = &r.Extensions
	}
	if !slices.Contains(*list, what) {
		*list = append(*list, what)
	}
}

// packageKeys are what a package may say beside its rules.
var packageKeys = []string{"type", "name", "comment", "rule", "rules", "timezone", "version", "kri", "provider", "requirePresent", "stage", "severity", "title", "description"}

// ruleNodes returns the rules of a package: a list of them, one alone, or an
// object with a list of them and what holds for all.
func (p *parser) ruleNodes(root *node) []*node {
	if root.kind == nodeObject && root.find("conditions") == nil && root.find("event") == nil && root.find("id") == nil {
		return p.ruleNodesOf(root)
	}
	if root.kind == nodeObject {
		return []*node{root}
	}
	return p.ruleList(root)
}

func (p *parser) ruleNodesOf(root *node) []*node {
	var list *node
	for i := range root.members {
		m := &root.members[i]
		switch m.key {
		case "rule", "rules":
			if list != nil {
				p.fail(m.at, "found both rule and rules in a package, expected one of them")
				continue
			}
			list = m.value
		case "type", "name":
			if s, ok := p.text(m.value, m.key); ok {
				p.pack.name = s
			}
		case "comment":
		case "timezone":
			p.extension(nil, m.at, "timezone")
			p.pack.zone, p.pack.zoneName = p.timezone(m.value, p.pack.zone)
		case "version":
			p.extension(nil, m.at, "version")
			p.pack.version, _ = p.textOrNumber(m.value, m.key)
		case "kri":
			p.extension(nil, m.at, "kri")
			p.pack.kri, _ = p.oneOf(m.value, m.key, kris)
		case "provider":
			p.extension(nil, m.at, "provider")
			p.pack.providers = p.providers(m.value)
		case "requirePresent":
			p.extension(nil, m.at, "requirePresent")
			p.pack.present, _ = p.boolean(m.value, m.key)
		case "stage":
			p.extension(nil, m.at, "stage")
			p.pack.shadow = p.stage(m.value)
		case "severity":
			p.extension(nil, m.at, "severity")
			p.pack.severity, _ = p.oneOf(m.value, m.key, severities)
		case "title", "description":
			p.extension(nil, m.at, m.key)
		default:
			p.fail(m.at, "found the key %s in a package, expected one of %s%s", quote(m.key), strings.Join(packageKeys, ", "), didYouMean(m.key, packageKeys))
		}
	}
	if list == nil {
		p.fail(root.at, "found a package without rules, expected the key rule or rules")
		return nil
	}
	return p.ruleList(list)
}

func (p *parser) ruleList(list *node) []*node {
	switch {
	case list.kind != nodeList:
		p.fail(list.at, "found %s, expected a list of rules", list.describe())
		return nil
	case len(list.items) > maxRules:
		p.fail(list.at, "found %d rules in a file, expected %d at most", len(list.items), maxRules)
		return nil
	}
	return list.items
}

// ruleKeys are what a rule may say.
var ruleKeys = []string{
	"comment", "dormant", "type", "conditions", "event", "name", "priority",
	"id", "title", "description", "severity", "confidence", "kri", "attack", "references", "stage", "version",
	"timezone", "provider", "groupBy", "requirePresent", "runbook",
}

// libraryKeys are those that are no extension.
var libraryKeys = ruleKeys[:7]

// parseRule reads one rule.
func (p *parser) parseRule(n *node) parsed {
	p.failed, p.rule = false, ""
	defer func() { p.rule = "" }()
	out := parsed{at: n.at}
	if n.kind != nodeObject {
		p.fail(n.at, "found %s in a list of rules, expected a rule", n.describe())
		return out
	}
	r := &Rule{
		Package: p.pack.name, File: p.file, Line: n.at.line, Version: p.pack.version, KRI: p.pack.kri,
		Severity: p.pack.severity, Shadow: p.pack.shadow, Confidence: unsaid, Providers: p.pack.providers,
	}
	if r.Severity == "" {
		r.Severity = defaultSeverity
	}
	out.rule = r
	r.ID = ruleID(n)
	p.rule, out.id = r.ID, r.ID
	if r.ID == "" {
		p.fail(n.at, "found a rule without a name, expected event.type or id")
	}
	c := &compiler{parser: p, rule: r, zone: p.pack.zone, present: p.pack.present}
	zoneName := p.pack.zoneName
	for i := range n.members {
		m := &n.members[i]
		if !slices.Contains(libraryKeys, m.key) {
			if !slices.Contains(ruleKeys, m.key) {
				p.fail(m.at, "found the key %s in a rule, expected one of %s%s", quote(m.key), strings.Join(ruleKeys, ", "), didYouMean(m.key, ruleKeys))
				continue
			}
			p.extension(r, m.at, m.key)
		}
		if m.key == "timezone" {
			c.zone, zoneName = p.timezone(m.value, c.zone)
			continue
		}
		p.ruleMember(r, c, m)
	}
	r.Title = firstOf(r.Title, r.Comment, r.ID)
	if r.Confidence == unsaid {
		r.Confidence = defaultConfidence[r.Severity]
	}
	r.Hash = p.hash(n, zoneName, nil)
	conditions := n.find("conditions")
	if conditions == nil {
		if r.Dormant && !p.failed {
			out.sound = true
			return out // It takes the rule of this id out of use.
		}
		p.fail(n.at, "found a rule without conditions, expected the key conditions")
		return out
	}
	prog := c.compile(conditions)
	if p.failed {
		return out
	}
	prog.key = p.hash(n, zoneName, func(key string) bool { return slices.Contains(wordsOnly, key) })
	out.program, out.sound = prog, true
	return out
}

// wordsOnly are the keys of a rule that change nothing in what it finds.
var wordsOnly = []string{
	"comment", "event", "name", "priority", "title", "description", "severity", "confidence",
	"kri", "attack", "references", "stage", "version", "runbook", "dormant",
}

// ruleID is the id of a rule, before anything else of it is read.
func ruleID(n *node) string {
	if id := n.get("id"); id != nil && id.kind == nodeText {
		return strings.TrimSpace(id.text)
	}
	if event := n.get("event"); event != nil && event.kind == nodeObject {
		if t := event.get("type"); t != nil && t.kind == nodeText {
			return strings.TrimSpace(t.text)
		}
	}
	return ""
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// hash is made of what a rule says and what its package says for it.
func (p *parser) hash(n *node, zone string, skip func(string) bool) string {
	var b strings.Builder
	for _, m := range sortedKeys(n.members) {
		if m == "comment" || skip != nil && skip(m) {
			continue
		}
		b.WriteString(m + ":")
		n.get(m).canonical(&b, func(key string) bool { return key == "comment" })
	}
	fmt.Fprintf(&b, "|%s|%s|%q|%t|%t", ruleID(n), zone, p.pack.providers, p.pack.present, p.o.Negate)
	if skip == nil {
		fmt.Fprintf(&b, "|%s|%s|%s|%t", p.pack.version, p.pack.kri, p.pack.severity, p.pack.shadow)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}
