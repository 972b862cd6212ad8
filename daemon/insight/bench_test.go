package insight

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// crowd fills a store with n insights of one account over 90 days, a twentieth
// of which go on.
func crowd(tb testing.TB, n int) *Store {
	tb.Helper()
	begin := epoch.Add(-90 * 24 * time.Hour)
	s, err := Open(Options{Now: func() time.Time { return epoch }})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	for k := range n {
		i := sample(k % 2000)
		i.Start = begin.Add(time.Duration(k) * 90 * 24 * time.Hour / time.Duration(n))
		i.Detected = i.Start.Add(42 * time.Second)
		i.Object = fmt.Sprintf("service-%d.amazonaws.com:Operation%d", k%40, k%300)
		i.Type = []string{TypeAPICallRate, TypeAPIErrorRate, TypeIP, TypeAk}[k%4]
		i.Confidence = float64(k%100) / 100
		i.Incident = fmt.Sprintf("incident-%d", k/3)
		i.ID = ID(i.Type, streamOf(i), i.Region, i.Object, i.Identity, i.Start)
		_, err := s.Put(i)
		require.NoError(tb, err)
		if k%20 != 0 {
			_, err = s.Put(ended(i, 12*time.Minute))
			require.NoError(tb, err)
		}
	}
	return s
}

// BenchmarkCrowd asks a store of 100,000 insights what the page, the API and
// PromQL ask.
func BenchmarkCrowd(b *testing.B) {
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := crowd(b, n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	bytes := float64(after.HeapAlloc-before.HeapAlloc) / n

	yes := true
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"newest", Query{}},
		{"active", Query{State: StateStart}},
		{"account", Query{Provider: Words{"aws"}, Account: Words{"111122223333"}}},
		{"type", Query{Types: []string{TypeIP}}},
		{"identity", Query{Identity: Words{sample(7).Identity}}},
		{"day", Query{Provider: Words{"aws"}, Account: Words{"111122223333"}, From: epoch.Add(-24 * time.Hour), To: epoch}},
		{"filter", Query{Filter: parse(b, `type=~"Ip.*" country!="DE" "runinst"`)}},
		{"confidence", Query{Sort: "-confidence"}},
		{"recent", Query{State: StateEnd, Sort: "-end"}},
		{"withdrawn", Query{State: StateWithdrawn}},
		{"suppressed", Query{Suppressed: &yes}},
		{"text", Query{Q: "nothing has this"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("incidents", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.Incidents(IncidentQuery{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("series", func(b *testing.B) {
		m := labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, MetricConfidence)
		for b.Loop() {
			s.LiveSeries(epoch.Add(-time.Minute).UnixMilli(), epoch.UnixMilli(), m)
		}
	})
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Get("")
		}
		b.ReportMetric(bytes, "B/insight")
	})
}

// BenchmarkPutAgain puts what is known already, as the engine does every second.
func BenchmarkPutAgain(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	require.NoError(b, err)
	defer s.Close()
	i := sample(0)
	_, err = s.Put(i)
	require.NoError(b, err)
	for b.Loop() {
		if _, err := s.Put(i); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPutProvisional puts what is a little different every time, so that it
// takes the place of what was told.
func BenchmarkPutProvisional(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	require.NoError(b, err)
	defer s.Close()
	i := sample(0)
	i.Provisional = true
	n := 0
	for b.Loop() {
		n++
		i.Statistics.InsightCount = n
		if _, err := s.Put(i); err != nil {
			b.Fatal(err)
		}
	}
	require.Len(b, s.Records(i.ID), 1)
}
