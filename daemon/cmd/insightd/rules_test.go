package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const rulePacks = "../../../rules/ruletest/testdata/packs"

func TestCheckRules(t *testing.T) {
	code, out, errs := call(t, "", "check", "rules", "../../../rules/testdata/packages", rulePacks)
	require.Equal(t, 0, code, errs)
	require.Equal(t, "rules: 13, errors: 0\n", out)
	require.Contains(t, errs, `example-aggregate.json:23:38: warning: rule "five-failed-logins": found a comma before "}"`)

	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`[{"id":"a","conditions":{"all":[]}}, {"id":"b","conditions":{"all":[{"fact":"operation","operator":"equal","value":"X"}]}}]`), 0o600))
	code, out, errs = call(t, "", "check", "rules", bad)
	require.Equal(t, 1, code)
	require.Equal(t, "rules: 2, errors: 1\n", out)
	require.Contains(t, errs, bad+`:1:32: rule "a": found nothing in all, which the library takes for true; expected a condition`)

	code, out, _ = call(t, "", "check", "rules", "--compatible", "../../../rules/testdata/packages/ibm.json")
	require.Equal(t, 0, code)
	require.Equal(t, "rules: 5, errors: 0\n", out)
	code, _, errs = call(t, "", "check", "rules", "--compatible", rulePacks)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "found groupBy, which is an extension")

	off := filepath.Join(t.TempDir(), "off.yml")
	require.NoError(t, os.WriteFile(off, []byte("- {id: aws-group-changed, dormant: true}\n"), 0o600))
	code, out, errs = call(t, "", "check", "rules", off)
	require.Equal(t, 0, code, errs)
	require.Equal(t, "rules: 1, errors: 0\n", out)

	code, out, _ = call(t, "", "check", "rules", filepath.Join(rulePacks, "none.json"))
	require.Equal(t, 1, code)
	require.Equal(t, "rules: 0, errors: 1\n", out)
}

// TestTestRunsRuleTests runs tests of rules through the decoder and the enrichment
// of the line, and beside a scenario.
func TestTestRunsRuleTests(t *testing.T) {
	code, out, errs := call(t, "", "test", rulePacks)
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, out, "trail.test: trail-stopped: stopped, deleted (")
	require.Contains(t, errs, "passed: 5\nfailed: 0\n")
	code, _, errs = call(t, "", "test", "--run=refused", rulePacks)
	require.Equal(t, 0, code)
	require.Contains(t, errs, "passed: 3\n")

	dir := t.TempDir()
	for _, name := range []string{"trail.yaml", "trail.test"} {
		text, err := os.ReadFile(filepath.Join(rulePacks, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	scenario := "load 4d role web every 30m dynamodb:UpdateTable from 52.16.4.20 agent sdk-java\nexpect none\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "calm.test"), []byte(scenario), 0o600))
	code, out, errs = call(t, "", "test", dir)
	require.Equal(t, 0, code, out+errs)
	require.Contains(t, errs, "passed: 6\nfailed: 0\n")

	wrong := filepath.Join(dir, "wrong.test")
	require.NoError(t, os.WriteFile(wrong, []byte("rule trail-stopped\nmatch\n{\"eventName\":\"X\"}\n"), 0o600))
	code, out, errs = call(t, "", "test", dir)
	require.Equal(t, 2, code, "a record that no decoder knows")
	require.Contains(t, out, "ERROR "+wrong)
	require.Contains(t, errs, "cases that could not be run: 1")
	require.NoError(t, os.WriteFile(wrong, []byte("rule nobody\nmatch\n{}\n"), 0o600))
	code, out, errs = call(t, "", "test", dir)
	require.Equal(t, 2, code)
	require.Empty(t, out)
	require.Contains(t, errs, wrong+`:2:1: found tests of the rule "nobody"`)
}
