package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTestRunsScripts runs scripts that hold, do not hold, and have errors.
func TestTestRunsScripts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, src string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(src), 0o600))
		return path
	}
	const load = "load 4d role web poisson 30/h dynamodb:UpdateTable from 52.16.4.20 agent sdk-java\n" +
		"at +3d10:00 role web 2000 calls in 10m dynamodb:UpdateTable from 52.16.4.20 agent sdk-java\n"
	good := write("good.test", load+"case \"told\"\nexpect ApiCallRateInsight for role web\ncase \"learned\"\nset models.warm_up 4d\nexpect none\n")
	code, out, errs := call(t, "", "test", "-v", good)
	require.Equal(t, 0, code, out+errs)
	require.Regexp(t, `^PASS .*good.test: told \([0-9.]+s, [0-9]+ events\)\n  raised `, out)
	require.Contains(t, out, "\n  raised ApiCallRateInsight on dynamodb.amazonaws.com:UpdateTable by arn:aws:iam::111122223333:role/web, +3d10:00")
	require.Contains(t, out, "\nPASS "+good+": learned (")
	require.Contains(t, errs, "passed: 2\nfailed: 0\nseconds: ")

	code, out, _ = call(t, "", "test", "--run=learn", good)
	require.Equal(t, 0, code)
	require.NotContains(t, out, "told")
	code, _, errs = call(t, "", "test", "--run=nothing", good)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "there is no such case")
	code, _, errs = call(t, "", "test", "--run=(", good)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "--run: ")

	bad := write("bad.test", load+"expect none\n")
	code, out, errs = call(t, "", "test", bad)
	require.Equal(t, 1, code)
	require.Contains(t, out, "FAIL "+bad+": bad (")
	require.Contains(t, out, "  "+bad+":3:1: expected none, found\n")
	require.Contains(t, errs, "cases that do not hold: 1")

	// The folder has both of them.
	code, out, errs = call(t, "", "test", dir)
	require.Equal(t, 1, code)
	require.Contains(t, out, "PASS "+good)
	require.Contains(t, errs, "passed: 2\nfailed: 1\n")

	write("wrong.test", "laod 4d user a every 1h s3:ListBuckets\nexpect none\n")
	code, out, errs = call(t, "", "test", dir)
	require.Equal(t, 2, code)
	require.Empty(t, out, "nothing runs where a script has errors")
	require.Contains(t, errs, `wrong.test:1:1: found "laod", expected a statement`)
	require.Contains(t, errs, `did you mean "load"?`)

	code, _, errs = call(t, "", "test", write("nothing.test", "expect none\n"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "cases that could not be run: 1")

	code, _, errs = call(t, "", "test", filepath.Join(dir, "missing.test"))
	require.Equal(t, 2, code)
	require.Contains(t, errs, "looking for scripts")
}
