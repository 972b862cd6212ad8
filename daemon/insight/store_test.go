package insight

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// states says of records what they are, such as "0 Start 0.93".
func states(rs []Record) []string {
	var out []string
	for _, r := range rs {
		d := r.InsightDetails
		out = append(out, fmt.Sprintf("%d %s %.2f", d.Revision, d.State, d.Confidence))
	}
	return out
}

func TestLifecycle(t *testing.T) {
	s := open(t, nil)
	i := sample(0)
	put(t, s, i)

	changed, err := s.Put(i)
	require.NoError(t, err)
	require.False(t, changed, "the same again is nothing new")

	i.Observed = 50
	put(t, s, i)
	require.Equal(t, []string{"0 Start 0.93"}, states(s.Records(i.ID)), "the newest minute is in no record")

	i.Confidence = 0.95
	put(t, s, i)
	require.Equal(t, []string{"0 Start 0.93", "1 Start 0.95"}, states(s.Records(i.ID)))

	end := ended(i, 5*time.Minute)
	put(t, s, end)
	changed, err = s.Put(end)
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, []string{"0 Start 0.93", "1 Start 0.95", "1 End 0.97"}, states(s.Records(i.ID)), "an end belongs to its start's revision")

	changed, err = s.Put(i)
	require.NoError(t, err)
	require.False(t, changed, "its start again, as after a restart")

	end = ended(i, 9*time.Minute)
	put(t, s, end)
	require.Equal(t, []string{"0 Start 0.93", "1 Start 0.95", "1 End 0.97", "2 Start 0.95", "2 End 0.97"}, states(s.Records(i.ID)))
	got, ok := s.Get(i.ID)
	require.True(t, ok)
	require.Equal(t, 2, got.Revision)
	require.Equal(t, end.End, got.End)
	require.Empty(t, s.Active())

	i.State = StateWithdrawn
	put(t, s, i)
	require.Equal(t, []string{"3 Start 0.95", "3 End 0.97", "3 Withdrawn 0.95"}, states(s.Records(i.ID))[5:])
	changed, err = s.Put(i)
	require.NoError(t, err)
	require.False(t, changed)
	page, err := s.List(Query{})
	require.NoError(t, err)
	require.Empty(t, page.Insights, "what was withdrawn is listed only where it is asked for")
	page, err = s.List(Query{State: StateWithdrawn})
	require.NoError(t, err)
	require.Len(t, page.Insights, 1)

	i.State, i.Revision = StateStart, 7
	put(t, s, i)
	require.Equal(t, "7 Start 0.95", states(s.Records(i.ID))[8], "the caller's number, where it is higher")
	require.Len(t, s.Active(), 1)
}

func TestEndThatChangesItsStart(t *testing.T) {
	s := open(t, nil)
	i := sample(0)
	put(t, s, i)
	end := ended(i, 5*time.Minute)
	end.Start = end.Start.Add(10 * time.Second)
	put(t, s, end)
	rs := s.Records(i.ID)
	require.Equal(t, []string{"0 Start 0.93", "1 Start 0.93", "1 End 0.97"}, states(rs), "confidence in a start is what was told then")
	require.Equal(t, end.Start, rs[1].InsightDetails.StartTime)
}

func TestEndWithoutStart(t *testing.T) {
	s := open(t, nil)
	i := ended(sample(0), 5*time.Minute)
	put(t, s, i)
	rs := s.Records(i.ID)
	require.Equal(t, []string{"0 Start 0.97", "0 End 0.97"}, states(rs))
	require.True(t, rs[0].InsightDetails.EndTime.IsZero())
}

func TestPutInvalid(t *testing.T) {
	s := open(t, nil)
	f := func(name string, change func(*Insight)) {
		t.Helper()
		i := sample(0)
		change(&i)
		_, err := s.Put(i)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	f("id", func(i *Insight) { i.ID = "" })
	f("type", func(i *Insight) { i.Type = "" })
	f("start", func(i *Insight) { i.Start = time.Time{} })
	f("state", func(i *Insight) { i.State = "Over" })
	f("revision", func(i *Insight) { i.Revision = -1 })
	f("end", func(i *Insight) { i.State, i.End = StateEnd, i.Start.Add(-time.Second) })
	f("confidence", func(i *Insight) { i.Confidence = math.NaN() })
	f("confidence", func(i *Insight) { i.Confidence = 1.5 })
	f("score", func(i *Insight) { i.Score = math.Inf(1) })
	f("reason", func(i *Insight) { i.Reasons = []Reason{{Observed: math.NaN()}} })
	f("reason", func(i *Insight) { i.Reasons = []Reason{{Observed: func() {}}} })
	f("size", func(i *Insight) { i.Summary = string(make([]byte, maxInsight)) })
	page, err := s.List(Query{})
	require.NoError(t, err)
	require.Empty(t, page.Insights)
}

func TestPutKeepsNoMemory(t *testing.T) {
	s := open(t, nil)
	i := sample(0)
	put(t, s, i)
	i.SourceIPs[0].IP = "192.0.2.1"
	i.Reasons[0].Text = "something else"
	got, _ := s.Get(i.ID)
	require.Equal(t, "198.51.100.7", got.SourceIPs[0].IP)
	require.Equal(t, "40 calls a minute", got.Reasons[0].Text)
}

func TestReset(t *testing.T) {
	dir := t.TempDir()
	s := open(t, func(o *Options) { o.Dir = dir })
	put(t, s, sample(0), sample(1))
	require.NoError(t, s.Reset())
	put(t, s, sample(2))
	require.Len(t, s.Active(), 1)
	require.NoError(t, s.Close())
	_, err := s.Put(sample(3))
	require.ErrorIs(t, err, ErrClosed)

	s = open(t, func(o *Options) { o.Dir = dir })
	require.Len(t, s.Active(), 1)
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	now := epoch
	change := func(o *Options) {
		o.Dir, o.Retention, o.Now = dir, time.Hour, func() time.Time { return now }
	}
	s := open(t, change)
	long := sample(2)
	put(t, s, sample(0), ended(sample(0), 5*time.Minute), sample(1), long, ended(long, 100*time.Minute))
	now = epoch.Add(90 * time.Minute)
	require.NoError(t, s.Maintain())
	check := func() {
		t.Helper()
		page, err := s.List(Query{Sort: "start"})
		require.NoError(t, err)
		require.Len(t, page.Insights, 2)
		require.Equal(t, sample(1).ID, page.Insights[0].ID, "what goes on stays")
		require.Equal(t, long.ID, page.Insights[1].ID)
	}
	check()
	require.NoError(t, s.Close())
	s = open(t, change)
	check()
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, func(o *Options) { o.Registerer = reg })
	i := sample(0)
	put(t, s, i, ended(i, time.Minute), sample(1))
	quiet := sample(2)
	quiet.Suppressed = "budget"
	put(t, s, quiet)
	quiet.State = StateWithdrawn
	put(t, s, quiet)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, 3.0, testutil.ToFloat64(s.metrics.told.WithLabelValues(TypeAPICallRate, "Medium")))
	require.Equal(t, 1.0, testutil.ToFloat64(s.metrics.withdrawn.WithLabelValues(TypeAPICallRate)))
	n, err := testutil.GatherAndCount(reg, MetricConfidence)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	bad := sample(3)
	bad.Object = "\xff\xfe"
	put(t, s, bad)
	_, err = reg.Gather()
	require.NoError(t, err, "what is not UTF-8 does not take the metrics down")

	_, err = Open(Options{Registerer: reg})
	require.ErrorContains(t, err, "registering metrics")
	require.NoError(t, s.Close())
	again, err := Open(Options{Registerer: reg})
	require.NoError(t, err, "Close makes place for another")
	require.NoError(t, again.Close())
}

func BenchmarkPut(b *testing.B) {
	for _, dir := range []string{"", b.TempDir()} {
		name := "memory"
		if dir != "" {
			name = "journal"
		}
		b.Run(name, func(b *testing.B) {
			s, err := Open(Options{Dir: dir})
			require.NoError(b, err)
			defer s.Close()
			n := 0
			for b.Loop() {
				i := sample(n)
				n++
				if _, err := s.Put(i); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "insights/s")
		})
	}
}

// Records that are carried out again tell the revisions of an insight once more.
func TestWhatWasOvertakenChangesNothing(t *testing.T) {
	s := open(t, nil)
	first := sample(7)
	first.State, first.Score = StateStart, 3
	second := first
	second.Score, second.Observed = 4, first.Observed+10
	end := second
	end.State = StateEnd
	end.End = end.Start.Add(time.Hour)
	put(t, s, first, second, end)
	want := s.Records(first.ID)
	for _, i := range []Insight{first, second, end} {
		changed, err := s.Put(i)
		require.NoError(t, err)
		require.False(t, changed)
	}
	require.Equal(t, want, s.Records(first.ID))
}
