package rules

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// referenceCases is where the cases of the library are, beside the project.
const referenceCases = "../../shared/reference/rule-cases.json"

// otherwise are the cases in which a rule deliberately does something else than
// in the library. DESIGN.md says why.
var otherwise = map[string]string{
	// Paths of both syntaxes work side by side.
	"path .reasonCode (jsonpath default)": "fires",
	// A fact that is not there is null; it never stops other rules.
	"undefined fact default": "fires",
	// What the library ignores without a word is refused when it is read.
	"empty any":                           "refused",
	"any+all at root: any false all true": "refused",
}

func TestReferenceCases(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(referenceCases))
	if os.IsNotExist(err) {
		t.Skipf("%s is not there", referenceCases)
	}
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Name       string
			Conditions json.RawMessage
			Facts      json.RawMessage
			Result     string
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Cases)
	seen := 0
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got := runCase(t, c.Conditions, c.Facts)
			if want, ok := otherwise[c.Name]; ok {
				seen++
				require.NotEqual(t, want, c.Result)
				require.Equal(t, want, got)
				return
			}
			want := c.Result
			if len(want) > 3 && want[:3] == "ERR" {
				want = "refused"
			}
			require.Equal(t, want, got)
		})
	}
	require.Len(t, otherwise, seen)
}

// runCase evaluates conditions as the library's cases are given.
func runCase(t *testing.T, conditions, facts []byte) string {
	t.Helper()
	rule := append([]byte(`{"event":{"type":"case"},"conditions":`), conditions...)
	set, problems := Parse("case.json", append(rule, '}'), Options{})
	if Errors(problems) > 0 {
		require.Empty(t, set.Rules())
		return "refused"
	}
	f := &testFacts{at: monday, uid: "a", raw: facts}
	var special struct {
		EventTime string `json:"event_time"`
	}
	require.NoError(t, json.Unmarshal(facts, &special))
	if special.EventTime != "" {
		at, err := time.Parse("1504", special.EventTime)
		require.NoError(t, err)
		f.at = monday.Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
	}
	if len(set.Evaluate(NewState(Limits{}), f, nil)) > 0 {
		return "fires"
	}
	return "no"
}
