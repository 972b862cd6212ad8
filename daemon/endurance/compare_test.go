//go:build linux

package endurance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
)

// metricNames are the five metrics that are stored.
var metricNames = []string{
	"activity_events", "activity_identity_events", "activity_identity_api_events", "activity_credential_events", "activity_source_events",
}

// outcome is what a run left: what is compared between runs.
type outcome struct {
	// events are raw records by id.
	events map[string]string
	// counts are sums over all time by series.
	counts map[string]float64
	// samples are those of activity_events, by series: time in milliseconds, a
	// space, and value. They tell where counts differ.
	samples map[string][]string
	// records are the final records of insights, by id and state.
	records map[string]string
}

// outcome asks a node for what it found, stops it, and reads its log.
func (n *node) outcome(tr *traffic) outcome {
	n.t.Helper()
	n.counted(tr)
	o := outcome{counts: n.counts(tr), records: n.records(), samples: n.samples(tr)}
	n.stop()
	o.events = storedEvents(n.t, n.spec.Storage)
	return o
}

// counted waits until every event is counted, for a while: the counts of
// history are seen once their blocks are written. What is still missing then is
// told by those who compare.
func (n *node) counted(tr *traffic) {
	n.t.Helper()
	want := float64(len(tr.truth()))
	for range 100 {
		sum := 0.0
		for _, v := range n.sums("activity_events", tr.last.Add(2*time.Minute), tr.last.Sub(tr.begin)+24*time.Hour) {
			sum += v
		}
		if sum == want {
			return
		}
		pause(n.t.Context(), 100*time.Millisecond)
	}
	// What the daemon says of itself helps to see why.
	m, err := n.metrics(n.t.Context())
	require.NoError(n.t, err)
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if v := m[key]; v != 0 && (strings.Contains(key, "late") || strings.Contains(key, "pending") || strings.Contains(key, "refused") || strings.HasPrefix(key, "insightd_series_")) {
			n.t.Logf("not every event is counted: %s %v", key, v)
		}
	}
}

// counts are the sums of every series, by PromQL.
func (n *node) counts(tr *traffic) map[string]float64 {
	n.t.Helper()
	out := map[string]float64{}
	for _, name := range metricNames {
		maps.Copy(out, n.sums(name, tr.last.Add(2*time.Minute), tr.last.Sub(tr.begin)+24*time.Hour))
	}
	return out
}

func (n *node) sums(name string, at time.Time, span time.Duration) map[string]float64 {
	n.t.Helper()
	out, err := n.trySums(name, at, span)
	require.NoError(n.t, err)
	return out
}

// trySums is the sum of every series of a metric over a span.
func (n *node) trySums(name string, at time.Time, span time.Duration) (map[string]float64, error) {
	var r struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	expr := fmt.Sprintf("sum_over_time(%s[%ds])", name, int(span.Seconds()))
	if err := n.data(n.t.Context(), "/api/v1/query", url.Values{"query": {expr}, "time": {at.Format(time.RFC3339)}}, &r); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, x := range r.Result {
		v, err := strconv.ParseFloat(x.Value[1].(string), 64)
		if err != nil {
			return nil, fmt.Errorf("reading the sum of %s: %w", name, err)
		}
		out[seriesName(name, x.Metric)] = v
	}
	return out, nil
}

func seriesName(name string, labels map[string]string) string {
	var b strings.Builder
	b.WriteString(name + "{")
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k != "__name__" {
			fmt.Fprintf(&b, "%s=%q,", k, labels[k])
		}
	}
	return strings.TrimSuffix(b.String(), ",") + "}"
}

// samples are the stored samples of activity_events.
func (n *node) samples(tr *traffic) map[string][]string {
	n.t.Helper()
	var r struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any
		}
	}
	expr := fmt.Sprintf("activity_events[%ds]", int((tr.last.Sub(tr.begin) + 24*time.Hour).Seconds()))
	require.NoError(n.t, n.data(n.t.Context(), "/api/v1/query", url.Values{"query": {expr}, "time": {tr.last.Add(2 * time.Minute).Format(time.RFC3339)}}, &r))
	out := map[string][]string{}
	for _, x := range r.Result {
		key := seriesName("activity_events", x.Metric)
		for _, v := range x.Values {
			out[key] = append(out[key], fmt.Sprintf("%d %v", int64(v[0].(float64)*1000+0.5), v[1]))
		}
	}
	return out
}

// sameCounts compares the counts of two runs, and tells in which minutes they
// differ.
func sameCounts(t *testing.T, what string, want, got outcome) {
	t.Helper()
	same(t, what, want.counts, got.counts)
	told := 0
	for key, ws := range want.samples {
		if want.counts[key] == got.counts[key] || told == 3 {
			continue
		}
		told++
		gs := got.samples[key]
		only := func(a, b []string) (out []string) {
			for _, s := range a {
				if !slices.Contains(b, s) {
					out = append(out, s)
				}
			}
			return out[:min(len(out), 12)]
		}
		t.Logf("%s: samples (ms, value) of the one only: %v; of the other only: %v", key, only(ws, gs), only(gs, ws))
	}
}

// records are the final records: of insights whose newest revision is neither
// provisional nor withdrawn.
func (n *node) records() map[string]string {
	n.t.Helper()
	out := map[string]string{}
	next := ""
	for {
		var page struct {
			Insights []json.RawMessage
			Next     string
		}
		require.NoError(n.t, n.data(n.t.Context(), "/api/v1/insights", url.Values{"limit": {"500"}, "next": {next}}, &page))
		for _, raw := range page.Insights {
			head := headOf(n.t, raw)
			if head.InsightDetails.Provisional || head.InsightDetails.State == "Withdrawn" {
				continue
			}
			var all struct{ Records []json.RawMessage }
			require.NoError(n.t, n.data(n.t.Context(), "/api/v1/insights/"+head.SharedEventID+"/records", nil, &all))
			addRecords(n.t, out, all.Records)
		}
		if next = page.Next; next == "" {
			return out
		}
	}
}

type recordHead struct {
	SharedEventID  string
	InsightDetails struct {
		State       string
		Revision    int
		Provisional bool
	}
}

func headOf(t testing.TB, raw []byte) recordHead {
	t.Helper()
	var h recordHead
	require.NoError(t, json.Unmarshal(raw, &h))
	return h
}

// addRecords keeps the records of the newest revision of an insight, which says all
// that holds: one that had ended may go on by it. They are kept without what may
// differ: revision and supersedes; eventID is made without the revision.
func addRecords(t testing.TB, out map[string]string, raws []json.RawMessage) {
	t.Helper()
	newest := map[string]int{}
	for _, raw := range raws {
		h := headOf(t, raw)
		newest[h.SharedEventID] = max(newest[h.SharedEventID], h.InsightDetails.Revision)
	}
	for _, raw := range raws {
		if h := headOf(t, raw); h.InsightDetails.Revision == newest[h.SharedEventID] {
			out[h.SharedEventID+" "+h.InsightDetails.State] = plain(t, raw)
		}
	}
}

func plain(t testing.TB, raw []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	require.NoError(t, dec.Decode(&m))
	details := m["insightDetails"].(map[string]any)
	delete(details, "revision")
	delete(details, "supersedes")
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return string(b)
}

// storedEvents reads the log of a daemon that has stopped.
func storedEvents(t *testing.T, dir string) map[string]string {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Dir: dir})
	require.NoError(t, err)
	defer log.Close()
	out := map[string]string{}
	q := event.Query{Limit: 10_000, Forward: true, Raw: true}
	for {
		page, err := log.Events(context.WithoutCancel(t.Context()), q)
		require.NoError(t, err)
		for i := range page.Events {
			e := &page.Events[i]
			_, twice := out[e.UID]
			require.False(t, twice, "event %s is stored twice", e.UID)
			out[e.UID] = string(e.Raw)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return out
		}
	}
}

// replayed are the final records of a replay of everything.
func replayed(t *testing.T, tr *traffic, yaml string) map[string]string {
	t.Helper()
	c, err := config.Parse("replay", []byte(yaml))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "all.ndjson")
	require.NoError(t, os.WriteFile(file, lines(tr.all), 0o600))
	r, err := daemon.Replay(t.Context(), daemon.ReplayOptions{Paths: []string{file}, Config: c, TempDir: t.TempDir()})
	require.NoError(t, err)
	require.Zero(t, r.Failures)
	by := map[string][]json.RawMessage{}
	for _, rec := range r.Records {
		raw, err := json.Marshal(rec)
		require.NoError(t, err)
		by[rec.SharedEventID] = append(by[rec.SharedEventID], raw)
	}
	out := map[string]string{}
	for _, raws := range by {
		addRecords(t, out, raws)
	}
	t.Logf("replay: %d events, %d insights, %d records", r.Events, len(r.Insights), len(out))
	require.NotEmpty(t, out, "the traffic has no insights: the comparison would say nothing")
	return out
}

// same compares, and tells the first differences.
func same[V comparable](t *testing.T, what string, want, got map[string]V) {
	t.Helper()
	var missing, more, differ []string
	for k, w := range want {
		g, ok := got[k]
		switch {
		case !ok:
			missing = append(missing, fmt.Sprintf("%s: %v", k, brief(w)))
		case g != w:
			differ = append(differ, fmt.Sprintf("%s:\n  %s", k, difference(w, g)))
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			more = append(more, fmt.Sprintf("%s: %v", k, brief(g)))
		}
	}
	if len(missing)+len(more)+len(differ) == 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d as wanted, of %d; %d missing, %d too many, %d differ\n", what, len(want)-len(missing)-len(differ), len(want), len(missing), len(more), len(differ))
	for _, part := range []struct {
		name string
		list []string
	}{{"missing", missing}, {"too many", more}, {"differs", differ}} {
		slices.Sort(part.list)
		for _, s := range part.list[:min(3, len(part.list))] {
			fmt.Fprintf(&b, "%s %s\n", part.name, s)
		}
	}
	t.Error(b.String())
}

func brief(v any) string {
	s := fmt.Sprint(v)
	return s[:min(len(s), 300)]
}

// difference shows where two texts begin to differ.
func difference(want, got any) string {
	w, g := fmt.Sprint(want), fmt.Sprint(got)
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	from := max(0, i-60)
	cut := func(s string) string { return s[from:min(len(s), i+160)] }
	return fmt.Sprintf("want …%s…\n  got  …%s…", cut(w), cut(g))
}

// totals checks the counts against the truth: every event is counted once, and
// in its minute.
func (o *outcome) totals(t *testing.T, tr *traffic) {
	t.Helper()
	want := map[int64]float64{}
	known := map[string]bool{}
	for i := range tr.all {
		if d := &tr.all[i]; !known[d.uid] {
			known[d.uid] = true
			want[d.time.Truncate(time.Minute).Unix()]++
		}
	}
	sum := map[string]float64{}
	for k, v := range o.counts {
		name, _, _ := strings.Cut(k, "{")
		sum[name] += v
	}
	for _, name := range []string{"activity_events", "activity_identity_events", "activity_source_events"} {
		if sum[name] != float64(len(known)) {
			t.Errorf("%s counts %v events of %d", name, sum[name], len(known))
		}
	}
	// The sample of a minute stands at its end, late counts before that.
	got := map[int64]float64{}
	for _, samples := range o.samples {
		for _, s := range samples {
			at, v, _ := strings.Cut(s, " ")
			ms, err := strconv.ParseInt(at, 10, 64)
			require.NoError(t, err)
			n, err := strconv.ParseFloat(v, 64)
			require.NoError(t, err)
			got[(ms-1)/60_000*60] += n
		}
	}
	var wrong []int64
	for m := range want {
		if got[m] != want[m] {
			wrong = append(wrong, m)
		}
	}
	for m := range got {
		if want[m] == 0 {
			wrong = append(wrong, m)
		}
	}
	if len(wrong) == 0 {
		return
	}
	slices.Sort(wrong)
	var b strings.Builder
	for i, m := range wrong {
		if i < 5 || i >= len(wrong)-3 {
			fmt.Fprintf(&b, "  %s: %v of %v\n", time.Unix(m, 0).UTC().Format(time.RFC3339), got[m], want[m])
		}
	}
	t.Errorf("%d minutes of %d are counted wrong, the first and the last:\n%s", len(wrong), len(want), b.String())
}
