package packs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/rules/packs"
	"github.com/insightd/insightd/rules/ruletest"
)

// load reads what is shipped. Not even a warning is let through: what users copy
// from has to be clean.
func load(t *testing.T) *rules.Set {
	t.Helper()
	set, problems := rules.Load([]rules.Layer{packs.Layer()}, rules.Options{})
	for _, p := range problems {
		t.Error(p.Error())
	}
	require.False(t, t.Failed(), "the packages have problems")
	return set
}

// tests reads the tests of all packages.
func tests(t *testing.T, o rules.Options) []*ruletest.File {
	t.Helper()
	names, err := filepath.Glob("*/*.test")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	files := make([]*ruletest.File, 0, len(names))
	for _, name := range names {
		f, err := ruletest.Load(name, o)
		require.NoError(t, err)
		files = append(files, f)
	}
	return files
}

var (
	ruleID    = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)
	technique = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)
)

// TestWords holds every rule to what a reader of its finding needs.
func TestWords(t *testing.T) {
	providers := []string{"aws", "azure", "alibaba", "ibm", "gcp", "kubernetes"}
	list := load(t).Rules()
	require.NotEmpty(t, list)
	titles := map[string]string{}
	for _, r := range list {
		t.Run(r.ID, func(t *testing.T) {
			require.Regexp(t, ruleID, r.ID)
			folder, _, _ := strings.Cut(strings.TrimPrefix(r.File, packs.Name+"/"), "/")
			require.Contains(t, providers, folder)
			require.Equal(t, []string{folder}, r.Providers, "a rule looks at the events of its folder's provider")
			require.True(t, strings.HasPrefix(r.ID, folder+"-"), "the id begins with the provider")
			require.NotEmpty(t, r.Version)
			require.NotEqual(t, r.ID, r.Title, "the rule has no title")
			require.Empty(t, titles[folder+r.Title], "another rule has this title")
			titles[folder+r.Title] = r.ID
			require.False(t, strings.HasSuffix(r.Title, "."), "a title is no sentence")
			sentence(t, "description", r.Description)
			require.NotEmpty(t, r.KRI)
			require.NotEmpty(t, r.Attack)
			for _, a := range r.Attack {
				require.Regexp(t, technique, a)
			}
			for part, text := range map[string]string{
				"what": r.Runbook.What, "check": r.Runbook.Check, "step": r.Runbook.Step,
				"rollback": r.Runbook.Rollback, "escalate": r.Runbook.Escalate,
			} {
				sentence(t, part, text)
			}
			require.False(t, r.Dormant, "a dormant rule cannot be tested: ship it as shadow")
		})
	}
}

// sentence requires a text to be written out.
func sentence(t *testing.T, what, text string) {
	t.Helper()
	require.Greater(t, len(text), 14, "the %s says too little", what)
	require.Regexp(t, `[.)]$`, text, "the %s is no sentence", what)
	require.Equal(t, strings.Join(strings.Fields(text), " "), text, "the %s has odd white space", what)
}

// TestEvents runs the tests of all rules with the daemon's own decoders. Each rule
// has a case that matches and one that does not, and fails them when its conditions
// are turned around: all that match, and of the others at least one, since what
// does not reach a count does not reach it then either.
func TestEvents(t *testing.T) {
	decode, err := daemon.RuleDecoder()
	require.NoError(t, err)
	type tally struct{ match, noMatch int }
	count := func(o rules.Options, each func(r *ruletest.Result) bool) map[string]*tally {
		counts := map[string]*tally{}
		for _, f := range tests(t, o) {
			for _, r := range f.Run(decode) {
				require.NoError(t, r.Err)
				if counts[r.Rule] == nil {
					counts[r.Rule] = &tally{}
				}
				switch {
				case !each(&r):
				case r.Match:
					counts[r.Rule].match++
				default:
					counts[r.Rule].noMatch++
				}
			}
		}
		return counts
	}
	held := count(rules.Options{}, func(r *ruletest.Result) bool {
		if !r.Passed() {
			t.Errorf("%s, %s: %s", r.Rule, r.Case, r.Failure)
		}
		return true
	})
	negated := count(rules.Options{Negate: true}, func(r *ruletest.Result) bool {
		if r.Match && r.Passed() {
			t.Errorf("%s, %s: the case holds with the rule turned around as well", r.Rule, r.Case)
		}
		return !r.Passed()
	})
	for _, r := range load(t).Rules() {
		c := held[r.ID]
		if c == nil || c.match == 0 || c.noMatch == 0 {
			t.Errorf("%s has no case that matches, or none that does not", r.ID)
			continue
		}
		if negated[r.ID].noMatch == 0 {
			t.Errorf("%s: no case that must not match fails with the rule turned around", r.ID)
		}
	}
}

// TestIndexed holds the packages to what makes rules cost nothing: an event meets
// only those that name its operation, class or service.
func TestIndexed(t *testing.T) {
	for _, r := range load(t).Unindexed() {
		t.Errorf("%s meets every event: write an operation, a class or a service into its conditions", r.ID)
	}
}

// TestQuiet holds severities to what is active: what is told at once has to be
// rare, and what is in shadow is told to nobody.
func TestQuiet(t *testing.T) {
	active := 0
	for _, r := range load(t).Rules() {
		if !r.Shadow {
			active++
		}
		if r.Shadow && r.Severity == rules.Critical {
			t.Errorf("%s is critical and in shadow", r.ID)
		}
	}
	require.NotZero(t, active)
}
