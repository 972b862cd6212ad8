package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a script.
type Error struct {
	File string
	// Line and Column count from 1.
	Line, Column int
	// Found is what the script says, Expected what would be right, and Do the
	// next step, which may be empty.
	Found, Expected, Do string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: found %s", e.File, e.Line, e.Column, e.Found)
	if e.Expected != "" {
		b.WriteString(", expected " + e.Expected)
	}
	if e.Do != "" {
		b.WriteString("; " + e.Do)
	}
	return b.String()
}

// Errors is everything that is wrong in a script, in the order of its lines.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As the single errors.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// quote shows a text of the script in an error, shortened.
func quote(s string) string {
	const shown = 60
	if r := []rune(s); len(r) > shown {
		s = string(r[:shown]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// oneOf lists words as an error expects them.
func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

func contains(words []string, w string) bool { return slices.Contains(words, w) }

// didYouMean returns a hint at the word that is nearest to what was written, and
// nothing where none is near.
func didYouMean(written string, words []string) string {
	best, least := "", 0
	for _, w := range words {
		d := distance(strings.ToLower(written), strings.ToLower(w))
		if d <= max(1, len(w)/3) && (best == "" || d < least) {
			best, least = w, d
		}
	}
	if best == "" || best == written {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is the least number of insertions, deletions, replacements and swaps
// of neighbours that make b from a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := range len(a) {
		before, last, next := rows[i%3], rows[(i+1)%3], rows[(i+2)%3]
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
