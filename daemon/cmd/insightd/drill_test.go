package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
		{"--fit-priors", []string{"--fit-priors=x", "--fit-confidence=y"}},
	} {
		code, _, errs := call(t, "", append([]string{"drill"}, c.args...)...)
		require.Equal(t, exitUsage, code, c.want)
		require.Contains(t, errs, c.want)
	}
	code, _, errs := call(t, "", "drill", "--labels=absent.json", "--insights=absent.ndjson")
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "opening the labels")
}

func TestDrillFitsConfidence(t *testing.T) {
	dir := t.TempDir()
	labels, insights, table := filepath.Join(dir, "labels.json"), filepath.Join(dir, "insights.ndjson"), filepath.Join(dir, "table.csv")
	require.NoError(t, os.WriteFile(labels, []byte(`{"start":"2026-03-01T00:00:00Z","warmupEnd":"2026-03-02T00:00:00Z","end":"2026-03-12T00:00:00Z",
		"labels":[{"insight":"AkInsight","type":"key_abuse_night","identity":"eve","start":"2026-03-05T00:00:00Z","end":"2026-03-05T01:00:00Z"}]}`), 0o600))
	write := func(n int) {
		var b strings.Builder
		for i := range n {
			// A third of the low scores is right, and of the high ones all but a few;
			// what a detector holds back counts for nothing.
			score, who, suppressed := 3.0, "ann", ""
			if i%2 == 0 {
				score = 6
			}
			if score == 3 && i%3 == 0 || score == 6 && i%10 != 0 {
				who = "eve"
			}
			if i%5 == 0 {
				suppressed = "budget: more than 5 a day"
			}
			for _, held := range []string{suppressed, "usual operator"} {
				fmt.Fprintf(&b, `{"sharedEventID":"%d%s","eventTime":"2026-03-05T00:10:00Z","insightDetails":{"state":"Start","insightType":"AkInsight","insightObject":"k","identity":%q,"confidence":0.5,"score":%g,"suppressed":%q}}`+"\n", i, held, who, score, held)
			}
		}
		require.NoError(t, os.WriteFile(insights, []byte(b.String()), 0o600))
	}
	args := []string{"drill", "--labels", labels, "--insights", insights, "--fit-confidence", table}
	write(10)
	code, _, errs := call(t, "", args...)
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "too few insights")
	write(300)
	code, _, errs = call(t, "", args...)
	require.Equal(t, exitOK, code, errs)
	got, err := os.ReadFile(table)
	require.NoError(t, err)
	require.Contains(t, string(got), "type,agreeing,from,right,of\nAkInsight,0,3,50,150\nAkInsight,0,6,120,150\n")
	require.Contains(t, string(got), "# files; 300 insights.")
}

func TestDrillFitsPriors(t *testing.T) {
	dir := t.TempDir()
	var files [2]string
	for i := range files {
		name := filepath.Join(dir, strconv.Itoa(i))
		code, out, errs := call(t, "", append(smallDrill, "--seed=3", "--fit-priors", name)...)
		require.Equal(t, exitOK, code, errs)
		require.Empty(t, out)
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		files[i] = string(b)
	}
	require.Equal(t, files[0], files[1], "the same seeds give the same priors")
	shipped, err := os.ReadFile("../../../models/priors.json")
	require.NoError(t, err)
	type priors struct {
		Families map[string]map[string]struct {
			Cells [][][]float64 `json:"cells"`
		} `json:"families"`
	}
	var got, want priors
	require.NoError(t, json.Unmarshal([]byte(files[0]), &got))
	require.NoError(t, json.Unmarshal(shipped, &want))
	require.Equal(t, slices.Sorted(maps.Keys(want.Families)), slices.Sorted(maps.Keys(got.Families)))
	for name, groups := range got.Families {
		for group, p := range groups {
			require.Len(t, p.Cells, len(want.Families[name][group].Cells), name)
		}
	}
}

// TestCleanTrafficIsQuiet makes two weeks without incidents: all detectors and packs
// together raise at most one incident a day after the first.
func TestCleanTrafficIsQuiet(t *testing.T) {
	code, out, errs := call(t, "", "drill", "--seed=31-32", "--days=14", "--warmup-days=7", "--identities=40", "--activity=0.5", "--incidents=0", "--format=json")
	require.Equal(t, exitOK, code, errs)
	var got drillResult
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.InDelta(t, 14, got.Pooled.AccountDays, 1e-9)
	require.Positive(t, got.Pooled.Suppressed, "something is found, and told to nobody")
	require.LessOrEqual(t, got.Pooled.AllFalseIncidents, 1.0)
}
