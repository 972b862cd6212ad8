package ruletest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/rules"
)

// trailFacts are what these tests need of a CloudTrail record. The daemon's own
// decoder is tried with the same files by the tests of the command.
type trailFacts struct {
	EventTime    time.Time
	EventSource  string
	EventName    string
	ErrorCode    string
	UserIdentity struct{ ARN string }
	raw          []byte
}

func (f *trailFacts) Time() time.Time { return f.EventTime }
func (f *trailFacts) UID() string     { return "the record's own" }
func (f *trailFacts) Raw() []byte     { return f.raw }

func (f *trailFacts) Fact(x rules.Field) rules.Value {
	switch x {
	case rules.Provider:
		return rules.Text("aws")
	case rules.Service:
		return rules.TextOrNull(f.EventSource)
	case rules.Operation:
		return rules.TextOrNull(f.EventName)
	case rules.Identity:
		return rules.TextOrNull(f.UserIdentity.ARN)
	case rules.Outcome:
		if f.ErrorCode != "" {
			return rules.Text("error")
		}
		return rules.Text("success")
	}
	return rules.Value{}
}

func decode(record []byte) (rules.Facts, error) {
	f := &trailFacts{raw: record}
	if err := json.Unmarshal(record, f); err != nil {
		return nil, err
	}
	if f.EventName == "" {
		return nil, errors.New("found no eventName")
	}
	return f, nil
}

func TestRun(t *testing.T) {
	const name = "testdata/packs/trail.test"
	f, err := Load(name, rules.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"trail-stopped", "trail-refused"}, f.Rules())
	results := f.Run(decode)
	require.Len(t, results, 5)
	for _, r := range results {
		require.NoError(t, r.Err)
		require.Empty(t, r.Failure, r.Case)
		require.NotZero(t, r.Events)
	}

	// Each rule fails its own test when its conditions are turned around.
	f, err = Load(name, rules.Options{Negate: true})
	require.NoError(t, err)
	failed := map[string]bool{}
	for _, r := range f.Run(decode) {
		failed[r.Rule] = failed[r.Rule] || !r.Passed()
	}
	require.Equal(t, map[string]bool{"trail-stopped": true, "trail-refused": true}, failed)
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/packs/trail.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "trail.yaml"), text, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tests"), 0o700))
	name := filepath.Join(dir, "tests", "x.test") // The package is in the folder above.
	write := func(text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	const base = "base {\"eventSource\":\"cloudtrail.amazonaws.com\",\"eventTime\":\"2026-03-02T09:00:00Z\"}\n"
	failure := func(text, want string) {
		t.Helper()
		write(text)
		f, err := Load(name, rules.Options{})
		require.NoError(t, err)
		require.Equal(t, name+want, f.Run(decode)[0].Failure)
	}
	failure("rule trail-stopped\n"+base+"match\n{\"eventName\":\"X\"}\n", ":4: the rule does not match this record")
	failure("rule trail-stopped\n"+base+"no match\n{\"eventName\":\"X\"}\n{\"eventName\":\"DeleteTrail\"}\n", ":5: the rule matches this record")
	failure("rule trail-stopped\n"+base+"match 2\n{\"eventName\":\"DeleteTrail\"}\n", ":3: the rule fires 1 times, expected 2")
	failure("rule trail-refused\n"+base+"match\n{\"eventName\":\"UpdateTrail\"}\n", ":3: the rule does not fire")
	failure("rule trail-refused\n"+base+"no match\n3 times {\"eventName\":\"UpdateTrail\",\"errorCode\":\"X\"}\n", ":3: the rule fires 1 times")

	wrong := func(text, want string) {
		t.Helper()
		write(text)
		f, err := Load(name, rules.Options{})
		if err == nil {
			err = f.Run(decode)[0].Err
		}
		require.Error(t, err, text)
		require.Equal(t, name+want, err.Error())
	}
	wrong("rule a\n", `:2:1: found no match and no "no match", expected some`)
	wrong("match\n", `:1:1: found "match", expected rule and its id first`)
	wrong("rule trail-stopped\nmatch\n", `:2:1: found a case without records, expected some`)
	wrong("rule trail-stopped\n{}\n", `:2:1: found a record before the rule's first match or no match`)
	wrong("rule trail-stopped\nmtach\n", `:2:1: found "mtach", expected rule, base, match, no match, before, or a record`)
	wrong("rule trail-stopped\nno match 2\n", `:2:1: found "no match 2", expected match and how often, from 1`)
	wrong("rule trail-stopped\nmatch\n  +5q {}\n", `:3:3: found the time +5q, expected one such as +5m or +1h30m`)
	wrong("rule trail-stopped\nmatch\n0 times {}\n", `:3:1: found 0 times, expected 1 to 10000`)
	wrong("rule trail-stopped\nmatch\n{\"a\":}\n", `:3:7: reading a JSON object: invalid character '}' looking for beginning of value`)
	wrong("rule trail-stopped\nmatch\n{\"a\":1}\n", `:3:1: reading the record: found no eventName`)
	wrong("rule nobody\nmatch\n{\"a\":1}\n", `:2:1: found tests of the rule "nobody", expected a package with it in `+filepath.Join(dir, "tests")+` or above`)
}

func TestIs(t *testing.T) {
	require.True(t, Is([]byte("# a\n\n  rule x\n")))
	require.False(t, Is([]byte("# rule x\nload 18d user a every 5m s3:ListBuckets\n")))
	require.False(t, Is([]byte("rules\n")))
	require.False(t, Is(nil))
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/packs/trail.test")
	require.NoError(f, err)
	f.Add(string(text))
	f.Add("rule a\nmatch\n+1d 5 times every 1s {\"a\":{\"b\":null}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse("x.test", text)
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Positive(t, e.Line)
			require.Positive(t, e.Column)
			return
		}
		require.NotEmpty(t, file.cases)
	})
}

// TestFolderAbove says that the folder above is looked into where the package is not
// beside its tests, and left alone where it is: a configuration may stand there.
func TestFolderAbove(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	rule := "- {id: a, conditions: {all: [{fact: operation, operator: equal, value: X}]}}\n"
	beside := write("own/a.yml", rule)
	test := write("own/a.test", "rule a\nmatch\n{\"eventName\": \"X\"}\n")
	above := write("insightd.yml", "lateness: 30m\n")
	_, err := Load(test, rules.Options{})
	require.NoError(t, err)
	require.NoError(t, os.Remove(beside))
	_, err = Load(test, rules.Options{})
	require.ErrorContains(t, err, above)
	require.NoError(t, os.WriteFile(above, []byte(rule), 0o600))
	f, err := Load(test, rules.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, f.Rules())
}
