package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/insight"
)

// TestReplayRulesAndCompare tries rules on history, and then what they change.
func TestReplayRulesAndCompare(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	events := filepath.Join(dir, "events.ndjson")
	code, _, errs := call(t, "", "simulate", "--days=2", "--warmup-days=1", "--identities=10", "--no-benign", "-o", events)
	require.Equal(t, exitOK, code, errs)
	mine := file("mine.yml", `
- id: instances
  title: Somebody looks at instances
  conditions: {all: [{fact: operation, operator: equal, value: DescribeInstances}]}
- id: quiet
  stage: shadow
  conditions: {all: [{fact: operation, operator: equal, value: GetCallerIdentity}]}
- id: broken
  conditions: {all: [{fact: operation, operator: equals, value: X}]}
`)

	code, out, errs := call(t, "", "replay", "--rules", mine, "--rules.packs=none", events)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, errs, mine+`:9:50: rule "broken": `)
	lines := strings.Split(out, "\n")
	require.Regexp(t, `^RULE +SEVERITY +STAGE +INSIGHTS +EVENTS +ACCOUNTS +FIRST +LAST +TITLE$`, lines[0])
	require.Regexp(t, `(?m)^instances +Medium +active +[1-9]\d* +[1-9]\d* +1 +\d{4}-\d\d-\d\d \d\d:\d\d +.* +Somebody looks at instances$`, out)
	require.Regexp(t, `(?m)^quiet +Medium +shadow +[1-9]`, out)
	require.Contains(t, out, "rules: 2, matched: 2\n")
	require.Contains(t, out, "RuleInsight")

	code, out, errs = call(t, "", "replay", "--rules", mine, "--format=json", events)
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^rules: [1-9]\d\d, matched: `, errs, "the shipped rules are there too")
	for line := range strings.Lines(out) {
		var r insight.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		require.Equal(t, insight.TypeRule, r.InsightDetails.InsightType)
	}

	other := file("other.yml", "rules: {packs: [], files: [mine.yml]}\n")
	code, out, errs = call(t, "", "replay", "--compare", other, "--exit-code", events)
	require.Equal(t, exitError, code)
	require.NotContains(t, errs, "insightd:")
	require.Regexp(t, `(?m)^gained +\d{4}-.* Somebody looks at instances`, out)
	require.Regexp(t, `\ngained: [1-9]\d*, lost: \d+, moved: \d+, same: \d+\n$`, out)
	code, again, errs := call(t, "", "replay", "--compare", other, "--format=json", events)
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^gained: [1-9]`, errs)
	gained := 0
	for line := range strings.Lines(again) {
		var d daemon.Difference
		require.NoError(t, json.Unmarshal([]byte(line), &d))
		if d.Change == daemon.Gained {
			require.Nil(t, d.Before)
			gained++
		}
	}
	require.Equal(t, gained, strings.Count(out, "\ngained "))
	code, out, _ = call(t, "", "replay", "--config.file", other, "--compare", other, "--exit-code", events)
	require.Equal(t, exitOK, code)
	require.Regexp(t, `^gained: 0, lost: 0, moved: 0, same: \d+\n$`, out)

	for _, wrong := range [][]string{{"--exit-code"}, {"--rules.packs=none,aws"}, {"--rules.packs="}} {
		code, _, errs = call(t, "", append(append([]string{"replay"}, wrong...), events)...)
		require.Equal(t, exitUsage, code, wrong)
		require.Contains(t, errs, "insightd replay --help")
	}
	code, _, errs = call(t, "", "replay", "--rules.packs=axs", events)
	require.Equal(t, exitError, code)
	require.Contains(t, errs, `no pack "axs" is shipped`)
}
