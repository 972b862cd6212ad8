package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a package, or that its author should
// know of.
type Problem struct {
	File string
	// Line and Column count from 1. They are 0 where the file as a whole is meant.
	Line, Column int
	// Rule is the id of the rule that has the problem, empty where it is the
	// package's, or where the rule has no id.
	Rule string
	// Warning is set where the rule is used all the same. A rule with a problem
	// that is no warning is not used; the others of its package are.
	Warning bool
	Text    string
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Rule != "" {
		fmt.Fprintf(&b, "rule %s: ", quote(p.Rule))
	}
	b.WriteString(p.Text)
	return b.String()
}

// Errors counts the problems that are no warnings.
func Errors(problems []Problem) int {
	n := 0
	for i := range problems {
		if !problems[i].Warning {
			n++
		}
	}
	return n
}

// problems gathers what is wrong in one file.
type problems struct {
	file string
	// rule is the id of the rule that is read, where it is known.
	rule string
	list []Problem
	// failed is set by the first error of the rule that is read.
	failed bool
}

func (p *problems) add(at place, warning bool, format string, args ...any) {
	if !warning {
		p.failed = true
	}
	p.list = append(p.list, Problem{
		File: p.file, Line: at.line, Column: at.column, Rule: p.rule, Warning: warning,
		Text: fmt.Sprintf(format, args...),
	})
}

func (p *problems) fail(at place, format string, args ...any) { p.add(at, false, format, args...) }
func (p *problems) warn(at place, format string, args ...any) { p.add(at, true, format, args...) }

// sorted returns the problems in the order of the file's lines.
func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p.list
}

func sortedKeys(members []member) []string {
	keys := make([]string, len(members))
	for i := range members {
		keys[i] = members[i].key
	}
	slices.Sort(keys)
	return keys
}

// didYouMean returns "; did you mean …?" where one of the words is near to what
// was written, and nothing where none is.
func didYouMean(written string, words []string) string {
	best, least := "", 0
	for _, w := range words {
		d := distance(strings.ToLower(written), strings.ToLower(w))
		if d <= max(1, len(w)/4) && (best == "" || d < least) {
			best, least = w, d
		}
	}
	if best == "" || best == written {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the least number of insertions, deletions, replacements and swaps
// of neighbours that make b from a (optimal string alignment).
func distance(a, b string) int {
	const far = 64
	if len(a) > far || len(b) > far {
		return far
	}
	var rows [3][far + 1]int
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := range len(a) {
		before, last, next := &rows[i%3], &rows[(i+1)%3], &rows[(i+2)%3]
		next[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			next[j+1] = min(last[j+1]+1, next[j]+1, last[j]+same)
			if i > 0 && j > 0 && a[i-1] == b[j] && a[i] == b[j-1] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
