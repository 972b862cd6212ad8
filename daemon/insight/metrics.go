package insight

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the store tells of itself and, since a Prometheus that is
// already there can page on it at once, of the insights that go on.
type metrics struct {
	told, withdrawn                          *prometheus.CounterVec
	dropped, expired, failures, corrupt, cut prometheus.Counter
	collectors                               []prometheus.Collector
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_insights_total", Help: "Insights that were raised, by type and severity at their start.",
		}, []string{"type", "severity"}),
		withdrawn: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_insights_withdrawn_total", Help: "Insights that a final verdict took back.",
		}, []string{"type"}),
		dropped:  counter("insightd_insight_watchers_dropped_total", "Watchers of insights that did not keep up."),
		expired:  counter("insightd_insights_expired_total", "Insights that were deleted since they are past their retention."),
		failures: counter("insightd_insight_journal_failures_total", "Writes of the insights' journal that failed."),
		corrupt:  counter("insightd_insight_journal_corrupt_frames_total", "Frames of the insights' journal that could not be read at the start."),
		cut:      counter("insightd_insight_journal_cut_bytes_total", "Bytes of a torn tail that were cut off the insights' journal at the start."),
	}
	m.collectors = []prometheus.Collector{m.told, m.withdrawn, m.dropped, m.expired, m.failures, m.corrupt, m.cut}
	return m
}

// register makes the metrics known to reg, which may be nil, all or none.
func (m *metrics) register(reg prometheus.Registerer, s *Store) error {
	if reg == nil {
		return nil
	}
	m.collectors = append(m.collectors, &collector{s: s})
	for n, c := range m.collectors {
		if err := reg.Register(c); err != nil {
			for _, done := range m.collectors[:n] {
				reg.Unregister(done)
			}
			return err
		}
	}
	return nil
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.collectors {
		reg.Unregister(c)
	}
}

func (m *metrics) count(k Kind, i *Insight) {
	switch k {
	case KindStart:
		m.told.WithLabelValues(i.Type, string(i.Severity)).Inc()
	case KindWithdrawn:
		m.withdrawn.WithLabelValues(i.Type).Inc()
	}
}

var (
	descConfidence = prometheus.NewDesc(MetricConfidence,
		"Confidence in an insight that goes on and is not suppressed, from 0 to 1.",
		[]string{"id", "insight_type", "provider", "account", "region", "identity", "object", "severity"}, nil)
	descActive = prometheus.NewDesc("insightd_insights_active",
		"Insights that go on.", []string{"suppressed"}, nil)
	descStored = prometheus.NewDesc("insightd_insights_stored",
		"Insights that are kept.", nil, nil)
	descWatchers = prometheus.NewDesc("insightd_insight_watchers",
		"Watchers of insights.", nil, nil)
	descJournal = prometheus.NewDesc("insightd_insight_journal_size_bytes",
		"Size of the insights' journal.", nil, nil)
)

// collector tells of the insights when it is asked.
type collector struct{ s *Store }

// Describe sends the descriptions of the insights' metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConfidence, descActive, descStored, descWatchers, descJournal} {
		ch <- d
	}
}

// Collect sends the insights' metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, values ...string) {
		m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, values...)
		if err != nil {
			m = prometheus.NewInvalidMetric(d, errors.Join(errors.New("telling of an insight"), err))
		}
		ch <- m
	}
	var active, suppressed float64
	for _, i := range c.s.Active() {
		if i.Suppressed != "" {
			suppressed++
			continue
		}
		active++
		gauge(descConfidence, i.Confidence, i.ID, i.Type, i.Provider, i.Account, i.Region, i.Identity, i.Object, string(i.Severity))
	}
	gauge(descActive, active, "false")
	gauge(descActive, suppressed, "true")
	gauge(descStored, float64(c.s.count()))
	gauge(descWatchers, float64(c.s.feed.count()))
	gauge(descJournal, float64(c.s.journalSize()))
}

// count is how many insights are kept.
func (s *Store) count() int {
	it, err := s.db.Txn(false).Get(tableInsight, indexID)
	if err != nil {
		return 0
	}
	n := 0
	for it.Next() != nil {
		n++
	}
	return n
}

func (s *Store) journalSize() int64 {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.journal == nil {
		return 0
	}
	return s.journal.size
}
