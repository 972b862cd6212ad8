// Package ruletest runs the tests of rules: files that say which records a rule
// matches, and which it must not. They stand beside the packages of the rules, and
// are written like this:
//
//	rule trail-stopped
//
//	base {"eventSource": "cloudtrail.amazonaws.com", "eventTime": "2026-03-02T09:00:00Z"}
//
//	match "logging is stopped"
//	{"eventName": "StopLogging"}
//
//	no match "somebody looks at the trails"
//	{"eventName": "DescribeTrails"}
//
//	match "five refusals in five minutes"
//	5 times every 1m {"eventName": "UpdateTrail", "errorCode": "AccessDenied"}
//
// The form is described in rules/DESIGN.md.
package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/rules"
)

// Decoder makes facts of a record. It returns nil for a record that is no call and
// that rules never see.
type Decoder func(record []byte) (rules.Facts, error)

// File is a file of tests.
type File struct {
	Name  string
	cases []*testCase
	// sets are the packages in which the rules are looked for, in order.
	sets []*rules.Set
}

// testCase is one match or no match.
type testCase struct {
	rule string
	name string
	line int
	// match is whether the rule has to fire, times how often, 0 for any number.
	match   bool
	times   int
	records []record
}

// record is a record of a case, and when it is.
type record struct {
	raw  []byte
	line int
	// after is how long after the case's first record it is; -1 for the record's
	// own time.
	after time.Duration
	// times is how often it comes, every so long.
	times int
	every time.Duration
	// before is on how many days it was seen before the case; 0 where it is part
	// of it.
	before int
}

// Result is what became of a case.
type Result struct {
	File, Rule, Case string
	// Match is whether the rule had to fire.
	Match bool
	// Failure says what does not hold, and is empty where everything does.
	Failure string
	// Err says why the case could not be run.
	Err     error
	Events  int
	Elapsed time.Duration
}

// Passed reports whether the case holds.
func (r *Result) Passed() bool { return r.Failure == "" && r.Err == nil }

// firstWord finds the first statement of a file.
var firstWord = regexp.MustCompile(`^(?:\s+|#[^\n]*\n)*([a-z]+)\b`)

// Is reports whether the text is one of tests of rules: its first statement is
// rule. Scenarios, whose files have the same ending, begin with others.
func Is(text []byte) bool {
	m := firstWord.FindSubmatch(text)
	return m != nil && string(m[1]) == "rule"
}

// Load reads a file of tests and the packages in its folder and in the folder
// above. Packages with errors are an error.
func Load(name string, o rules.Options) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading tests of rules: %w", err)
	}
	f, err := parse(name, string(text))
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(name)
	for _, d := range []string{dir, filepath.Join(dir, "..")} {
		set, err := packages(d, o)
		if err != nil {
			return nil, err
		}
		f.sets = append(f.sets, set)
		if f.missing() == nil {
			return f, nil // What else is in the folder above may be no package.
		}
	}
	c := f.missing()
	return nil, &Error{name, c.line, 1, fmt.Sprintf("found tests of the rule %q, expected a package with it in %s or above", c.rule, dir)}
}

// missing is the first case of a rule that no set has, nil where there is none.
func (f *File) missing() *testCase {
	for _, c := range f.cases {
		if _, ok := f.find(c.rule); !ok {
			return c
		}
	}
	return nil
}

// packages reads the packages that are directly in a folder.
func packages(dir string, o rules.Options) (*rules.Set, error) {
	var paths []string
	for _, ending := range []string{"json", "yaml", "yml"} {
		found, err := filepath.Glob(filepath.Join(escaper.Replace(dir), "*."+ending))
		if err != nil {
			return nil, fmt.Errorf("looking for packages of rules in %q: %w", dir, err)
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	set, problems := rules.LoadFiles(paths, o)
	for _, p := range problems {
		if !p.Warning {
			return nil, fmt.Errorf("reading the packages beside tests of rules: %w", p)
		}
	}
	return set, nil
}

// escaper takes the meaning from what means something in a pattern.
var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// find returns the set that has a rule.
func (f *File) find(id string) (*rules.Set, bool) {
	for _, s := range f.sets {
		if _, ok := s.Rule(id); ok {
			return s, true
		}
	}
	return nil, false
}

// Rules lists the rules that the file tests, each once.
func (f *File) Rules() []string {
	var ids []string
	for _, c := range f.cases {
		if !slices.Contains(ids, c.rule) {
			ids = append(ids, c.rule)
		}
	}
	return ids
}

// Run runs the cases of a file.
func (f *File) Run(decode Decoder) []Result {
	out := make([]Result, len(f.cases))
	for i, c := range f.cases {
		begun := time.Now()
		out[i] = f.run(c, decode)
		out[i].Elapsed = time.Since(begun)
	}
	return out
}

// fact is a record as it is evaluated: with its place in time, and what was seen
// before it.
type fact struct {
	rules.Facts
	at   time.Time
	uid  string
	seen *history
}

func (f *fact) Time() time.Time { return f.at }
func (f *fact) UID() string     { return f.uid }

func (f *fact) Fact(x rules.Field) rules.Value {
	switch x {
	case rules.FirstUse:
		return f.seen.first(f.Facts)
	case rules.DaysUsed:
		return rules.Number(float64(f.seen.days[callOf(f.Facts)]))
	}
	return f.Facts.Fact(x)
}

func (f *File) run(c *testCase, decode Decoder) Result {
	r := Result{File: f.Name, Rule: c.rule, Case: c.name, Match: c.match}
	set, _ := f.find(c.rule)
	rule, _ := set.Rule(c.rule)
	if rule.Dormant {
		r.Err = &Error{f.Name, c.line, 1, fmt.Sprintf("found tests of the rule %q, which is dormant", c.rule)}
		return r
	}
	var events []*fact
	var lines []int
	seen := newHistory()
	for i := range c.records {
		rec := &c.records[i]
		facts, err := decode(rec.raw)
		if err != nil {
			r.Err = &Error{f.Name, rec.line, 1, fmt.Sprintf("reading the record: %v", err)}
			return r
		}
		if facts == nil {
			r.Err = &Error{f.Name, rec.line, 1, "found a record that is no call, which rules never see; expected one that is"}
			return r
		}
		if rec.before > 0 {
			seen.note(facts, rec.before)
			continue
		}
		at := facts.Time()
		if rec.after >= 0 && len(events) > 0 {
			at = events[0].at.Add(rec.after)
		}
		for n := range rec.times {
			events = append(events, &fact{facts, at.Add(time.Duration(n) * rec.every), fmt.Sprintf("e%06d", len(events)), seen})
			lines = append(lines, rec.line)
		}
	}
	r.Events = len(events)
	st := rules.NewState(rules.Limits{})
	fired := 0
	for i, e := range events {
		if rule.Type == rules.Boolean {
			st = rules.NewState(rules.Limits{})
		}
		here := 0
		for _, m := range set.Evaluate(st, e, nil) {
			if m.Rule.ID != c.rule {
				continue
			}
			switch m.State {
			case rules.Fired:
				here++
			case rules.Withdrawn:
				here--
			}
		}
		fired += here
		if rule.Type != rules.Boolean { // Of those each record stands for itself.
			seen.note(e.Facts, 0)
		}
		if rule.Type != rules.Boolean {
			continue
		}
		switch {
		case c.match && here == 0 && c.times == 0:
			r.Failure = fmt.Sprintf("%s:%d: the rule does not match this record", f.Name, lines[i])
			return r
		case !c.match && here > 0:
			r.Failure = fmt.Sprintf("%s:%d: the rule matches this record", f.Name, lines[i])
			return r
		}
	}
	switch {
	case c.match && c.times > 0 && fired != c.times:
		r.Failure = fmt.Sprintf("%s:%d: the rule fires %d times, expected %d", f.Name, c.line, fired, c.times)
	case c.match && fired == 0:
		r.Failure = fmt.Sprintf("%s:%d: the rule does not fire", f.Name, c.line)
	case !c.match && fired > 0:
		r.Failure = fmt.Sprintf("%s:%d: the rule fires %d times", f.Name, c.line, fired)
	}
	return r
}
