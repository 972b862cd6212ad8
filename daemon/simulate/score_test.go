package simulate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the goldens anew")

// scorePy is the report in the form of score.py --json --sweep --series.
func (r *Report) scorePy() map[string]any {
	str := func(x float64) string {
		if x == math.Trunc(x) {
			return strconv.Itoa(int(x))
		}
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	types, kinds := map[string]any{}, map[string]any{}
	for _, t := range r.Types {
		m := map[string]any{
			"labels": t.Labels, "recall": t.Recall, "recall_95": t.Recall95, "insights": t.Insights, "false": t.False,
			"excused": t.Excused, "false_per_account_day": t.FalseADay, "precision": t.Precision,
			"delay_median_min": t.DelayMedian, "delay_p90_min": t.DelayP90,
			"end_error_median_min": t.EndErrorMedian, "end_error_p90_min": t.EndErrorP90, "ece": t.ECE,
			"false_per_1000_series_weeks": t.FalseIn1000SeriesWeeks,
		}
		if t.ByFalseADay != nil {
			sweep := map[string]any{}
			for _, p := range t.ByFalseADay {
				sweep[str(p.False)] = p.Recall
			}
			m["recall_at_false_a_day"] = sweep
		}
		types[t.Type] = m
	}
	for _, k := range r.Kinds {
		kinds[k.Insight+" "+k.Kind] = fmt.Sprintf("%d/%d", k.Found, k.Labels)
	}
	return map[string]any{
		"insights": r.Insights, "withdrawn": r.Withdrawn, "suppressed": r.Suppressed, "account_days": r.AccountDays,
		"types": types, "kinds": kinds, "false_incidents_per_account_day": r.FalseIncidents,
		"all_types_false_incidents_per_account_day": r.AllFalseIncidents,
		"quiet_addresses_reported":                  fmt.Sprintf("%d/%d", r.QuietReported, r.Quiet),
		"missed_but_other_form_of_identity":         r.OtherForm,
	}
}

// judges compares every number that the product gives with those of score.py.
type judges struct{ python, script, dir string }

func newJudges(t *testing.T) *judges {
	t.Helper()
	script, err := filepath.Abs("../../../shared/score.py")
	require.NoError(t, err)
	if _, err := os.Stat(script); err != nil {
		t.Skip("there is no score.py beside the repository")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	return &judges{python, script, t.TempDir()}
}

func (j *judges) compare(t *testing.T, name string, truth *Truth, records string) {
	t.Helper()
	labels, insights := filepath.Join(j.dir, "labels.json"), filepath.Join(j.dir, "insights.ndjson")
	var b bytes.Buffer
	require.NoError(t, truth.WriteJSON(&b))
	require.NoError(t, os.WriteFile(labels, b.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(insights, []byte(records), 0o600))
	const series = 321
	out, err := exec.Command(j.python, j.script, labels, insights, "--json", "--sweep", "--series", strconv.Itoa(series)).CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)

	var again Truth
	again, err = ReadTruth(&b)
	require.NoError(t, err)
	var r Records
	require.NoError(t, r.ReadRecords(strings.NewReader(records)))
	reading := r.Read()
	judged, err := Judge(&again, reading, SeriesOfAll(truth, reading, series))
	require.NoError(t, err)
	ours, err := json.Marshal(NewReport(judged).scorePy())
	require.NoError(t, err)
	require.JSONEq(t, string(out), string(ours), name)
}

// made writes records that a judge might stumble over, near the labels and the
// legitimate changes of some traffic: withdrawn and superseded ones, several
// revisions, ends that are missing or before the start, accounts and identities
// that are not there, keys and addresses alone, ties.
func made(truth *Truth, seed uint64, n int) string {
	r := newRNG(seed, 77)
	var b strings.Builder
	types := append([]string{"RuleInsight", "FirstActionInsight"}, judged...)
	types = append(types, judged...)
	when := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	for i := range n {
		l := pick(&r, truth.Labels)
		start := l.Start.Add(time.Duration(r.between(-120, 120)) * time.Minute)
		switch r.intn(5) {
		case 0:
			start = l.Start.Add(time.Duration(pick(&r, []int{-5400, -5401, -3600, -3601, -60, -61, 0, 1, 900, 901})) * time.Second)
		case 1:
			start = l.End.Add(time.Duration(pick(&r, []int{-1, 0, 900, 901, 5400, 5401})) * time.Second)
		case 2:
			if len(truth.Benign) > 0 {
				c := pick(&r, truth.Benign)
				start = c.End.Add(time.Duration(pick(&r, []int{-3600, 0, 1, 43200, 43201, 86400, 604801})) * time.Second)
				l.Identity = c.Identity
			}
		case 3:
			start = truth.Start.Add(time.Duration(r.float() * float64(truth.End.Sub(truth.Start)))).Truncate(time.Minute)
		}
		plain := r.chance(0.4) // What a good detector would say.
		if plain {
			l = pick(&r, truth.Labels)
			start = l.Start.Add(time.Duration(r.intn(6)) * time.Minute)
		}
		d := map[string]any{"insightType": l.Insight, "confidence": r.float()}
		if r.chance(0.3) { // At the edges of the bins.
			d["confidence"] = pick(&r, []float64{0, 0.1, 0.3, 0.7, 0.8, 0.99, 1})
		}
		if r.chance(0.2) {
			d["insightType"] = pick(&r, types)
		}
		if seed%4 != 3 || !r.chance(0.02) {
			d["score"] = pick(&r, []float64{3, 3.5, 3.5, 4, 5, 6.25, 7})
		}
		if r.chance(0.05) {
			delete(d, "confidence")
		}
		d["insightObject"] = pick(&r, []string{l.API, l.API + "20150331", l.AccessKey, l.IP, serviceOf(l.API), "AccessDenied", "ec2:Other", ""})
		if d["insightType"] == insightIP || d["insightType"] == insightAk {
			d["insightObject"] = pick(&r, []string{l.AccessKey, l.IP, l.IP, "203.0.113.9"})
		}
		if plain {
			d["insightType"] = l.Insight
			if l.Insight == insightIP {
				d["insightObject"] = l.IP
			}
		}
		identity := pick(&r, []string{l.Identity, l.Identity, l.Identity, "arn:aws:iam::1:user/nobody", "", strings.Replace(l.Identity, ":role/", ":assumed-role/", 1) + "/x"})
		if identity != "" {
			d["identity"] = identity
		} else if r.chance(0.5) {
			d["insightContext"] = map[string]any{"attributions": []any{
				map[string]any{"attribute": "userAgent", "insight": []any{}},
				map[string]any{"attribute": "userIdentityArn", "insight": []any{map[string]any{"value": pick(&r, []string{l.Identity, "x"})}}},
			}}
		}
		if r.chance(0.7) {
			d["startTime"] = when(start)
		}
		if r.chance(0.8) {
			d["detectedTime"] = when(start.Add(time.Duration(r.between(-2, 40)) * time.Minute))
		}
		if r.chance(0.1) {
			d["suppressed"] = "budget"
		}
		rec := map[string]any{
			"sharedEventID": fmt.Sprintf("id%d", i), "eventTime": when(start),
			"recipientAccountId": pick(&r, []string{l.Account, l.Account, l.Account, "", "000000000000"}),
			"region":             pick(&r, []string{l.Region, l.Region, "", "eu-north-1"}), "insightDetails": d,
		}
		write := func(state string, revision int) {
			d["state"] = state
			d["revision"] = revision
			line, err := json.Marshal(rec)
			if err != nil {
				panic(err)
			}
			b.Write(line)
			b.WriteString("\n")
		}
		end := l.End.Add(time.Duration(r.between(-30, 30)) * time.Minute)
		switch r.intn(8) {
		case 0: // It never ends.
			write("Start", 0)
		case 1:
			write("Start", 0)
			write("Withdrawn", 1)
		case 2: // The revisions come in no order, and an older one was withdrawn.
			write("Withdrawn", 1)
			d["score"] = 9.5
			write("Start", 2)
			d["score"] = 1.5
			write("Start", 0)
		case 3: // An end alone, without a time of its own.
			write("End", 0)
		case 4:
			write("Start", 0)
			d["suppressed"] = "mute"
			write("End", 1)
		default:
			write("Start", 0)
			d["endTime"] = when(end)
			delete(d, "suppressed")
			write("Start", 1)
			write("End", 1)
		}
		if r.chance(0.1) {
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestScoreAgreesWithScorePy(t *testing.T) {
	j := newJudges(t)
	for seed := range uint64(8) {
		tr := traffic(t, Options{Seed: seed, Days: 6, WarmupDays: 2, Accounts: 1 + int(seed%2), Identities: 40, Incidents: 12, Benign: 4})
		truth := tr.Truth()
		if seed%3 == 0 {
			truth.Benign = nil
		}
		j.compare(t, fmt.Sprintf("seed %d", seed), &truth, made(&truth, seed, 250))
		if seed == 0 {
			j.compare(t, "no insight", &truth, "")
		}
	}
}

// CompareWithScorePy is for the tests that need the whole daemon.
func CompareWithScorePy(t *testing.T, name string, truth *Truth, records string) {
	newJudges(t).compare(t, name, truth, records)
}

// NewTraffic is traffic for them.
var NewTraffic = traffic

// The golden holds the same numbers where there is no python.
func TestScoreGolden(t *testing.T) {
	truth := traffic(t, Options{Seed: 21, Days: 6, WarmupDays: 2, Identities: 40, Incidents: 12, Benign: 4}).Truth()
	var r Records
	require.NoError(t, r.ReadRecords(strings.NewReader(made(&truth, 21, 250))))
	reading := r.Read()
	j, err := Judge(&truth, reading, SeriesOfAll(&truth, reading, 321))
	require.NoError(t, err)
	got, err := json.MarshalIndent(NewReport(j), "", " ")
	require.NoError(t, err)
	const name = "testdata/report.json"
	if *update {
		require.NoError(t, os.WriteFile(name, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n")
}

func TestReportPoolsRuns(t *testing.T) {
	one := traffic(t, Options{Seed: 1, Days: 6, WarmupDays: 2, Identities: 40, Incidents: 12}).Truth()
	two := traffic(t, Options{Seed: 2, Days: 5, WarmupDays: 2, Identities: 40, Incidents: 12}).Truth()
	judge := func(truth *Truth, seed uint64) *Judgement {
		var r Records
		require.NoError(t, r.ReadRecords(strings.NewReader(made(truth, seed, 250))))
		j, err := Judge(truth, r.Read(), map[string]int{insightCallRate: 100})
		require.NoError(t, err)
		return j
	}
	a, b := judge(&one, 1), judge(&two, 2)
	ra, rb, both := NewReport(a), NewReport(b), NewReport(a, b)
	require.Equal(t, 2, both.Runs)
	require.Equal(t, ra.Insights+rb.Insights, both.Insights)
	require.InDelta(t, 7, both.AccountDays, 1e-9)
	byType := func(r *Report, typ string) TypeReport {
		for _, x := range r.Types {
			if x.Type == typ {
				return x
			}
		}
		return TypeReport{}
	}
	for _, x := range both.Types {
		p, q := byType(ra, x.Type), byType(rb, x.Type)
		require.Equal(t, p.Labels+q.Labels, x.Labels)
		require.Equal(t, p.Found+q.Found, x.Found)
		require.Equal(t, p.False+q.False, x.False)
		require.InDelta(t, float64(x.False)/7, x.FalseADay, 0.0006)
	}
	calls := byType(both, insightCallRate)
	require.InDelta(t, 100, calls.Series, 1e-9)
	require.InDelta(t, float64(calls.False)/100/1.0*1000, *calls.FalseIn1000SeriesWeeks, 0.001)
	require.Len(t, calls.ByFalseIn1000SeriesWeeks, 3)
}

func TestBadRecords(t *testing.T) {
	for in, want := range map[string]string{
		"{}\n":                        "line 1: not an insight record: it has no sharedEventID",
		"\n{\"sharedEventID\":\"a\"}": "line 2: not an insight record: it has no insightDetails",
		`{"sharedEventID":"a","insightDetails":{}}`:                                          "it has no insightType",
		`{"sharedEventID":"a","insightDetails":{"insightType":"x"}}`:                         "it has no eventTime",
		`{"sharedEventID":"a","eventTime":"yesterday","insightDetails":{"insightType":"x"}}`: `"yesterday" is no time`,
		"x": "line 1: not an insight record",
	} {
		var r Records
		require.ErrorContains(t, r.ReadRecords(strings.NewReader(in)), want)
	}
	truth := Truth{Start: defaultStart, End: defaultStart, WarmupEnd: defaultStart}
	_, err := Judge(&truth, Reading{}, nil)
	require.ErrorContains(t, err, "nothing to judge")
}
