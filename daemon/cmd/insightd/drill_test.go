package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// smallDrill is a drill that takes seconds.
var smallDrill = []string{
	"drill", "--days=4", "--warmup-days=2", "--identities=15", "--incidents=6",
	"--kind=new_api_burst", "--kind=cred_enum", "--kind=slow_low", "--no-benign",
}

func TestDrill(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := call(t, "", append(smallDrill, "--seed=1-2", "--format=json", "--keep", dir)...)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, errs, "msg=Drilled")
	var got drillResult
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Len(t, got.Seeds, 2)
	require.Equal(t, uint64(2), got.Seeds[1].Seed)
	require.Positive(t, got.Seeds[0].Events)
	require.InDelta(t, 4, got.Pooled.AccountDays, 1e-9)
	found := 0
	for _, x := range got.Pooled.Types {
		found += x.Found
		if x.Type == "ApiCallRateInsight" {
			require.Positive(t, x.Series)
			require.NotNil(t, x.FalseIn1000SeriesWeeks)
		}
	}
	require.Positive(t, found)

	// What was kept scores the same, but for the series, which files do not know.
	code, out, errs = call(t, "", "drill", "--format=json",
		"--labels", filepath.Join(dir, "seed-2.labels.json"), "--insights", filepath.Join(dir, "seed-2.insights.ndjson"))
	require.Equal(t, exitOK, code, errs)
	var files drillResult
	require.NoError(t, json.Unmarshal([]byte(out), &files))
	want := got.Seeds[1].Report
	for i := range want.Types {
		want.Types[i].Series, want.Types[i].FalseIn1000SeriesWeeks, want.Types[i].ByFalseIn1000SeriesWeeks = 0, nil, nil
	}
	for i := range want.Kinds {
		want.Kinds[i].ByFalseIn1000SeriesWeeks = nil
	}
	require.Equal(t, want, files.Pooled)

	// And what was kept of the traffic replays to the same records.
	code, records, errs := call(t, "", "replay", "--format=json", filepath.Join(dir, "seed-2.events.ndjson.gz"))
	require.Equal(t, exitOK, code, errs)
	kept, err := os.ReadFile(filepath.Join(dir, "seed-2.insights.ndjson"))
	require.NoError(t, err)
	require.Equal(t, string(kept), records)
}

func TestDrillFailsWhereItIsAskedTo(t *testing.T) {
	code, out, errs := call(t, "", append(smallDrill, "--min-recall=1", "--max-false=0")...)
	require.Equal(t, exitError, code)
	require.Contains(t, out, "LABELS")
	require.Contains(t, out, "new_api_burst")
	require.Contains(t, errs, "recall of ")
	require.Contains(t, errs, "asked for at least 1")
}

func TestDrillUsage(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--labels and --insights", []string{"--labels=x"}},
		{"--seed", []string{"--seed=3-1"}},
		{"--seed", []string{"--seed=x"}},
		{"--days", []string{"--days=3", "--warmup-days=3"}},
		{"--budget", []string{"--budget=-3"}},
		{"--min-recall", []string{"--min-recall=80"}},
		{"unknown kind", []string{"--kind=x"}},
		{"--memory", []string{"--memory=1MB"}},
	} {
		code, _, errs := call(t, "", append([]string{"drill"}, c.args...)...)
		require.Equal(t, exitUsage, code, c.want)
		require.Contains(t, errs, c.want)
	}
	code, _, errs := call(t, "", "drill", "--labels=absent.json", "--insights=absent.ndjson")
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "opening the labels")
}
