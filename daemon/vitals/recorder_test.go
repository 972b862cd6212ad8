package vitals

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func named(name string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, name)
}

func newRecorder(t testing.TB, now *time.Time, edit func(*Options)) (*Recorder, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	o := Options{Gatherer: reg, Registerer: reg, Now: func() time.Time { return *now }}
	if edit != nil {
		edit(&o)
	}
	r, err := New(o)
	require.NoError(t, err)
	return r, reg
}

func TestASampleAMinute(t *testing.T) {
	now := epoch.Add(20 * time.Second)
	r, reg := newRecorder(t, &now, func(o *Options) { o.Skip = []string{"insight_confidence"} })
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_total", Help: "Events."}, []string{"source"})
	skipped := prometheus.NewGauge(prometheus.GaugeOpts{Name: "insight_confidence", Help: "Served otherwise."})
	reg.MustRegister(c, skipped)
	for range 5 {
		c.WithLabelValues("trail").Add(10)
		require.NoError(t, r.Gather())
		require.NoError(t, r.Gather(), "once a minute")
		now = now.Add(time.Minute)
	}
	now = now.Add(-time.Minute)
	got := r.LiveSeries(0, math.MaxInt64, named("events_total"))
	require.Len(t, got, 1)
	require.Equal(t, `{__name__="events_total", source="trail"}`, got[0].Labels.String())
	require.Equal(t, []float64{10, 20, 30, 40, 50}, got[0].V)
	for n, at := range got[0].T {
		require.Equal(t, epoch.Add(time.Duration(n)*time.Minute).UnixMilli(), at)
	}
	part := r.LiveSeries(got[0].T[1], got[0].T[2], named("events_total"))
	require.Equal(t, []float64{20, 30}, part[0].V)
	require.Empty(t, r.LiveSeries(0, math.MaxInt64, named("insight_confidence")))
	require.Empty(t, r.LiveSeries(0, math.MaxInt64, named("events_total"), labels.MustNewMatcher(labels.MatchEqual, "source", "other")))
	require.NotEmpty(t, r.LiveSeries(0, math.MaxInt64, labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, "insightd_vitals_.*")))
	for _, m := range r.Metrics() {
		require.NotEqual(t, "insight_confidence", m.Name)
	}
}

// TestAMinuteAlwaysShows looks at every second around the start of a minute that
// is gathered late: the lookback of a minute finds one sample.
func TestAMinuteAlwaysShows(t *testing.T) {
	now := epoch
	r, reg := newRecorder(t, &now, nil)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "level", Help: "A level."})
	reg.MustRegister(g)
	g.Set(1)
	require.NoError(t, r.Gather())
	g.Set(2)
	look := func() []float64 {
		ms := now.UnixMilli()
		var v []float64
		for _, s := range r.LiveSeries(ms-59_999, ms, named("level")) {
			v = append(v, s.V...)
		}
		return v
	}
	for range 119 {
		now = now.Add(time.Second)
		require.Equal(t, []float64{1}, look(), now)
	}
	now = epoch.Add(100 * time.Second)
	require.NoError(t, r.Gather())
	require.Equal(t, []float64{2}, look())
	now = now.Add(5 * time.Minute)
	require.Empty(t, look(), "nobody gathers any more")
}

// TestNamesAreThoseOfTheTextFormat holds every sample against what /metrics
// shows.
func TestNamesAreThoseOfTheTextFormat(t *testing.T) {
	now := epoch
	r, reg := newRecorder(t, &now, nil)
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Help: "Time.", Buckets: []float64{0.25, 1, 10}})
	s := prometheus.NewSummary(prometheus.SummaryOpts{Name: "size_bytes", Help: "Size.", Objectives: map[float64]float64{0.5: 0.05}})
	u := prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "other", Help: "Another."}, func() float64 { return 7 })
	reg.MustRegister(h, s, u)
	for _, v := range []float64{0.1, 0.5, 20} {
		h.Observe(v)
		s.Observe(v)
	}
	require.NoError(t, r.Gather())
	got := map[string]float64{}
	for _, l := range r.LiveSeries(0, math.MaxInt64) {
		require.Len(t, l.V, 1)
		got[l.Labels.String()] = l.V[0]
	}
	for text, want := range map[string]float64{
		`{__name__="took_seconds_bucket", le="0.25"}`: 1, `{__name__="took_seconds_bucket", le="1"}`: 2,
		`{__name__="took_seconds_bucket", le="10"}`: 2, `{__name__="took_seconds_bucket", le="+Inf"}`: 3,
		`{__name__="took_seconds_count"}`: 3, `{__name__="took_seconds_sum"}`: 20.6,
		`{__name__="size_bytes", quantile="0.5"}`: 0.5, `{__name__="size_bytes_count"}`: 3, `{__name__="other"}`: 7,
	} {
		v, ok := got[text]
		require.True(t, ok, "%s among %v", text, got)
		require.InDelta(t, want, v, 1e-9, text)
	}
}

func TestBounds(t *testing.T) {
	now := epoch
	fill := func(edit func(*Options), minutes int) *Recorder {
		now = epoch
		r, reg := newRecorder(t, &now, edit)
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "level", Help: "A level."}, []string{"n"})
		reg.MustRegister(g)
		for m := range minutes {
			for n := range 20 {
				g.WithLabelValues(fmt.Sprint(n)).Set(math.Sin(float64(m*n)) * 1e6)
			}
			require.NoError(t, r.Gather())
			now = now.Add(time.Minute)
		}
		now = now.Add(-time.Minute)
		return r
	}
	oldest := func(r *Recorder) time.Time {
		return time.UnixMilli(r.LiveSeries(0, math.MaxInt64, named("level"))[0].T[0]).UTC()
	}
	day := fill(nil, 2*1440)
	require.LessOrEqual(t, now.Sub(oldest(day)), 24*time.Hour+chunkSamples*time.Minute)
	require.GreaterOrEqual(t, now.Sub(oldest(day)), 24*time.Hour)
	require.NoError(t, testutil.GatherAndCompare(day.o.Gatherer, strings.NewReader(fmt.Sprintf(
		"# HELP insightd_vitals_size_bytes Memory that their samples take.\n# TYPE insightd_vitals_size_bytes gauge\ninsightd_vitals_size_bytes %d\n", day.bytes)), "insightd_vitals_size_bytes"))
	counted := 0
	for _, x := range day.byKey {
		for _, c := range x.chunks {
			counted += len(c.data.Bytes())
		}
	}
	require.Equal(t, counted, day.bytes)

	few := fill(func(o *Options) { o.MaxSeries = 5 }, 3)
	require.Len(t, few.byKey, 5)
	require.Positive(t, few.dropped)

	small := fill(func(o *Options) { o.MaxBytes = 64 << 10 }, 1440)
	require.LessOrEqual(t, small.bytes, 64<<10)
	require.Less(t, now.Sub(oldest(small)), 24*time.Hour)
	require.NotEmpty(t, small.LiveSeries(now.UnixMilli(), now.UnixMilli(), named("level")), "the newest stay")
}

// TestSeriesThatEndAreForgotten has a series that is told for an hour only.
func TestSeriesThatEndAreForgotten(t *testing.T) {
	now := epoch
	r, reg := newRecorder(t, &now, func(o *Options) { o.Keep = time.Hour })
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "level", Help: "A level."}, []string{"n"})
	reg.MustRegister(g)
	g.WithLabelValues("gone").Set(1)
	require.NoError(t, r.Gather())
	g.Reset()
	for range 4 * 60 {
		now = now.Add(time.Minute)
		require.NoError(t, r.Gather())
		require.Empty(t, r.LiveSeries(now.UnixMilli(), now.UnixMilli(), named("level")))
	}
	require.NotContains(t, r.byName, "level")
}

type failing struct{ prometheus.Gatherer }

func (f failing) Gather() ([]*dto.MetricFamily, error) {
	list, _ := f.Gatherer.Gather()
	return list, errors.New("one collector failed")
}

func TestWhatCouldBeGatheredIsKept(t *testing.T) {
	now := epoch
	r, reg := newRecorder(t, &now, nil)
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "level", Help: "A level."}))
	r.o.Gatherer = failing{reg}
	require.ErrorContains(t, r.Gather(), "one collector failed")
	require.Len(t, r.LiveSeries(0, math.MaxInt64, named("level")), 1)
	require.Equal(t, uint64(1), r.failures)
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "level", Help: "A level."}))
		r, err := New(Options{Gatherer: reg})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		r.Run(ctx)
		require.Len(t, r.LiveSeries(0, math.MaxInt64, named("level"))[0].T, 11)
	})
}

func TestMetrics(t *testing.T) {
	now := epoch
	r, reg := newRecorder(t, &now, nil)
	require.NoError(t, r.Gather())
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	_, err = New(Options{})
	require.ErrorContains(t, err, "nothing to gather from")
	_, err = New(Options{Gatherer: reg, Keep: -1})
	require.ErrorContains(t, err, "negative")
}

// BenchmarkGather remembers about as many series as a daemon has, a minute an
// operation.
func BenchmarkGather(b *testing.B) {
	now := epoch
	r, reg := newRecorder(b, &now, nil)
	reg.MustRegister(collectors.NewGoCollector())
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took_seconds", Help: "Time.", Buckets: prometheus.DefBuckets}, []string{"handler"})
	reg.MustRegister(h)
	for n := range 60 {
		h.WithLabelValues(fmt.Sprint(n)).Observe(0.3)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.WithLabelValues("7").Observe(0.1)
		if err := r.Gather(); err != nil {
			b.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	b.ReportMetric(float64(len(r.byKey)), "series")
	b.ReportMetric(float64(r.bytes)/float64(max(1, len(r.byKey))), "B/series")
}

// BenchmarkLiveSeries reads a day of one series among a thousand.
func BenchmarkLiveSeries(b *testing.B) {
	now := epoch
	r, reg := newRecorder(b, &now, nil)
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "level", Help: "A level."}, []string{"n"})
	reg.MustRegister(g)
	for m := range 1440 {
		for n := range 1000 {
			g.WithLabelValues(fmt.Sprint(n)).Set(float64(m * n))
		}
		if err := r.Gather(); err != nil {
			b.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	one := labels.MustNewMatcher(labels.MatchEqual, "n", "77")
	b.ReportAllocs()
	for b.Loop() {
		if s := r.LiveSeries(0, math.MaxInt64, named("level"), one); len(s) != 1 || len(s[0].T) < 1440 {
			b.Fatal(len(s))
		}
	}
}
