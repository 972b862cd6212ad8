package insight

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func arrived(i Insight) Insight {
	i.Provisional = true
	return i
}

func withdrawn(i Insight) Insight {
	i.State = StateWithdrawn
	return i
}

// kindsOf drains what a watcher has been told.
func kindsOf(ch <-chan Change) []Kind {
	var out []Kind
	for {
		select {
		case c := <-ch:
			out = append(out, c.Kind)
		default:
			return out
		}
	}
}

// TestProvisional puts one thing after the other, and looks at what that comes
// to: the records, what watchers were told, and whether the newest is
// provisional.
func TestProvisional(t *testing.T) {
	i := sample(0)
	sure := i
	sure.Confidence = 0.95 // As high as before.
	grave := i
	grave.Severity = SeverityCritical
	unsure := i
	unsure.Confidence = 0.6
	end := ended(i, 5*time.Minute)
	later := ended(i, 9*time.Minute)
	whole := starting(&end)
	successor := withdrawn(i)
	successor.SupersededBy = sample(1).ID

	f := func(name string, puts []Insight, wantRecords []string, wantKinds []Kind, provisional bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			change := func(o *Options) {
				o.Dir = dir
				o.Now = func() time.Time { return epoch.Add(10 * time.Minute) }
			}
			s := open(t, change)
			ch, _, _ := s.Watch(t.Context(), 0)
			for _, p := range puts {
				_, err := s.Put(p)
				require.NoError(t, err)
				changed, err := s.Put(p)
				require.NoError(t, err)
				require.False(t, changed, "the same again is nothing new")
			}
			require.Equal(t, wantRecords, states(s.Records(i.ID)))
			require.Equal(t, wantKinds, kindsOf(ch))
			got, _ := s.Get(i.ID)
			require.Equal(t, provisional, got.Provisional)
			require.Equal(t, provisional, len(s.Provisional(streamOf(i))) == 1)
			want, tally := s.Records(i.ID), s.Totals()
			require.NoError(t, s.Close())
			s = open(t, change)
			require.Equal(t, want, s.Records(i.ID), "after a restart")
			require.Equal(t, tally, s.Totals(), "after a restart")
		})
	}
	kinds := func(ks ...Kind) []Kind { return ks }
	f("confirmed in its place", []Insight{arrived(i), i},
		[]string{"0 Start 0.93"}, kinds(KindStart, KindConfirmed), false)
	f("final says something else", []Insight{arrived(i), sure},
		[]string{"0 Start 0.93", "1 Start 0.95"}, kinds(KindStart, KindRevision), false)
	f("provisional after final", []Insight{i, arrived(grave)},
		[]string{"0 Start 0.93"}, kinds(KindStart), false)
	f("provisional end after final start", []Insight{i, arrived(end)},
		[]string{"0 Start 0.93"}, kinds(KindStart), false)
	f("a little else every second", []Insight{arrived(i), arrived(sure)},
		[]string{"0 Start 0.95"}, kinds(KindStart), true)
	f("another severity", []Insight{arrived(i), arrived(grave)},
		[]string{"0 Start 0.93", "1 Start 0.93"}, kinds(KindStart, KindRevision), true)
	f("another level", []Insight{arrived(i), arrived(unsure)},
		[]string{"0 Start 0.93", "1 Start 0.60"}, kinds(KindStart, KindRevision), true)
	f("ends on arrival", []Insight{arrived(i), arrived(end)},
		[]string{"0 Start 0.93", "0 End 0.97"}, kinds(KindStart, KindEnd), true)
	f("the end moves", []Insight{arrived(i), arrived(end), arrived(later)},
		[]string{"0 Start 0.93", "0 End 0.97"}, kinds(KindStart, KindEnd), true)
	f("confirmed start and end", []Insight{arrived(i), arrived(end), i, end},
		[]string{"0 Start 0.93", "0 End 0.97"}, kinds(KindStart, KindEnd, KindConfirmed), false)
	f("another start keeps the end until there is a final one", []Insight{arrived(i), arrived(end), sure},
		[]string{"0 Start 0.93", "0 End 0.97", "1 Start 0.95", "1 End 0.97"}, kinds(KindStart, KindEnd, KindRevision), true)
	f("another end", []Insight{arrived(i), arrived(end), i, later},
		[]string{"0 Start 0.93", "0 End 0.97", "1 Start 0.93", "1 End 0.97"}, kinds(KindStart, KindEnd, KindRevision), false)
	f("only the end is final", []Insight{arrived(whole), end},
		[]string{"0 Start 0.97", "0 End 0.97"}, kinds(KindStart, KindConfirmed, KindEnd), false)
	f("only the end is final and says something else", []Insight{arrived(i), end},
		[]string{"0 Start 0.93", "1 Start 0.97", "1 End 0.97"}, kinds(KindStart, KindEnd), false)
	f("withdrawn", []Insight{arrived(i), withdrawn(arrived(i))},
		[]string{"0 Start 0.93", "1 Start 0.93", "1 Withdrawn 0.93"}, kinds(KindStart, KindWithdrawn), false)
	f("not revived on arrival", []Insight{arrived(i), withdrawn(i), arrived(i)},
		[]string{"0 Start 0.93", "1 Start 0.93", "1 Withdrawn 0.93"}, kinds(KindStart, KindWithdrawn), false)
	f("revived by the final pass", []Insight{arrived(i), withdrawn(i), i},
		[]string{"0 Start 0.93", "1 Start 0.93", "1 Withdrawn 0.93", "2 Start 0.93"}, kinds(KindStart, KindWithdrawn, KindRevision), false)
	f("superseded", []Insight{arrived(i), successor},
		[]string{"0 Start 0.93", "1 Start 0.93", "1 Withdrawn 0.93"}, kinds(KindStart, KindSuperseded), false)
	f("withdrawn, and then there is a successor", []Insight{arrived(i), withdrawn(i), successor},
		[]string{"0 Start 0.93", "1 Start 0.93", "1 Withdrawn 0.93", "2 Start 0.93", "2 Withdrawn 0.93"},
		kinds(KindStart, KindWithdrawn, KindSuperseded), false)
}

// TestFinalRecords tells the same insight on many ways: what is final in the end
// is the same byte for byte, but for the revision.
func TestFinalRecords(t *testing.T) {
	i := sample(0)
	end := ended(i, 5*time.Minute)
	other := i
	other.Confidence, other.Severity = 0.4, SeverityLow
	final := func(puts ...Insight) []Record {
		s := open(t, nil)
		for _, p := range puts {
			_, err := s.Put(p)
			require.NoError(t, err)
		}
		rs := s.Records(i.ID)
		last := rs[len(rs)-1].InsightDetails.Revision
		var out []Record
		for _, r := range rs {
			require.Equal(t, r.InsightDetails.Revision < last, r.InsightDetails.Revision != last)
			if r.InsightDetails.Revision == last {
				r.InsightDetails.Revision = 0
				out = append(out, r)
			}
		}
		return out
	}
	want := final(i, end)
	require.Len(t, want, 2)
	require.Equal(t, want, final(arrived(i), i, end))
	require.Equal(t, want, final(arrived(other), arrived(i), i, end))
	require.Equal(t, want, final(arrived(other), i, end))
	require.Equal(t, want, final(arrived(i), arrived(ended(i, time.Minute)), i, end))
	require.Equal(t, want, final(arrived(other), arrived(ended(other, time.Minute)), i, end))
	require.Equal(t, want, final(arrived(i), withdrawn(i), i, end))
	want = final(end)
	require.Equal(t, want, final(arrived(other), end))
	require.Equal(t, want, final(arrived(i), arrived(end), end))
	require.Equal(t, want, final(arrived(other), arrived(ended(other, time.Minute)), end))
}

func TestSuperseded(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, func(o *Options) { o.Registerer = reg })
	old, next := sample(0), sample(1)
	next.Supersedes = old.ID
	put(t, s, arrived(old), next, arrived(sample(2)), arrived(sample(3)), sample(3), arrived(sample(4)))
	old.State, old.SupersededBy = StateWithdrawn, next.ID
	put(t, s, old, withdrawn(sample(4)))

	got, ok := s.Get(old.ID)
	require.True(t, ok, "the old id goes on to answer")
	d := got.Record().InsightDetails
	require.Equal(t, next.ID, d.SupersededBy)
	require.Equal(t, "/api/v1/insights/"+next.ID, d.Links.SupersededBy)
	got, _ = s.Get(next.ID)
	require.Equal(t, old.ID, got.Record().InsightDetails.Supersedes)

	want := Tally{Stored: 5, Active: 3, Provisional: 1, Told: 4, Withdrawn: 1, Superseded: 1}
	require.Equal(t, want, s.Totals())
	require.Equal(t, want, s.Tally(streamOf(old)))
	require.Equal(t, 0.25, want.WithdrawnShare())
	require.Zero(t, Tally{}.WithdrawnShare())
	for n, v := range map[float64]*prometheus.CounterVec{4: s.metrics.provisional, 1: s.metrics.confirmed} {
		require.Equal(t, n, testutil.ToFloat64(v.WithLabelValues(old.Type)))
	}
	require.Equal(t, 1.0, testutil.ToFloat64(s.metrics.withdrawn.WithLabelValues(old.Type)))
	require.Equal(t, 1.0, testutil.ToFloat64(s.metrics.superseded.WithLabelValues(old.Type)))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, m := range families {
		if m.GetName() == "insightd_insight_withdrawn_share" {
			require.Equal(t, 0.25, m.GetMetric()[0].GetGauge().GetValue())
			return
		}
	}
	require.Fail(t, "the share is told")
}
