package insight

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the store tells of itself and, since a Prometheus that is
// already there can page on it at once, of the insights that go on.
type metrics struct {
	told                                     *prometheus.CounterVec
	provisional, confirmed                   *prometheus.CounterVec
	withdrawn, superseded                    *prometheus.CounterVec
	dropped, expired, failures, corrupt, cut prometheus.Counter
	collectors                               []prometheus.Collector
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	byType := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"type"})
	}
	m := &metrics{
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_insights_total", Help: "Insights that were raised, by type and severity at their start.",
		}, []string{"type", "severity"}),
		provisional: byType("insightd_insight_provisional_total", "Insights that were told on arrival."),
		confirmed:   byType("insightd_insight_confirmed_total", "Insights told on arrival that the final pass upheld, in the same words or in others."),
		withdrawn:   byType("insightd_insight_withdrawn_total", "Insights that a final verdict took back."),
		superseded:  byType("insightd_insight_superseded_total", "Insights that a final verdict put another in the place of."),

		dropped:  counter("insightd_insight_watchers_dropped_total", "Watchers of insights that did not keep up."),
		expired:  counter("insightd_insights_expired_total", "Insights that were deleted since they are past their retention."),
		failures: counter("insightd_insight_journal_failures_total", "Writes of the insights' journal that failed."),
		corrupt:  counter("insightd_insight_journal_corrupt_frames_total", "Frames of the insights' journal that could not be read at the start."),
		cut:      counter("insightd_insight_journal_cut_bytes_total", "Bytes of a torn tail that were cut off the insights' journal at the start."),
	}
	m.collectors = []prometheus.Collector{m.told, m.provisional, m.confirmed, m.withdrawn, m.superseded, m.dropped, m.expired, m.failures, m.corrupt, m.cut}
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
	case KindSuperseded:
		m.superseded.WithLabelValues(i.Type).Inc()
	}
}

// judged counts what was told on arrival and what came of it. old may be nil.
func (m *metrics) judged(old, e *entry) {
	if e.toldOnArrival() && (old == nil || !old.toldOnArrival()) {
		m.provisional.WithLabelValues(e.cur.Type).Inc()
	}
	if old != nil && old.cur.Provisional && !e.cur.Provisional && e.cur.State != StateWithdrawn {
		m.confirmed.WithLabelValues(e.cur.Type).Inc()
	}
}

var (
	descConfidence = prometheus.NewDesc(MetricConfidence,
		"Confidence in an insight that goes on and is not suppressed, from 0 to 1. Of many, only the 2,000 surest are here.",
		[]string{"id", "insight_type", "provider", "account", "region", "identity", "object", "severity"}, nil)
	descIncident = prometheus.NewDesc(MetricIncident,
		"Confidence in an incident with an insight that goes on and is not suppressed, from 0 to 1. Of many, only those of the 2,000 surest insights are here.",
		[]string{"incident", "provider", "account", "identity"}, nil)
	descActive = prometheus.NewDesc("insightd_insights_active",
		"Insights that go on.", []string{"suppressed"}, nil)
	descProvisional = prometheus.NewDesc("insightd_insights_provisional",
		"Insights that wait for the final pass.", nil, nil)
	descShare = prometheus.NewDesc("insightd_insight_withdrawn_share",
		"Share, from 0 to 1, of the insights told on arrival, as far as they are kept, that the final pass took back.", nil, nil)
	descStored = prometheus.NewDesc("insightd_insights_stored",
		"Insights that are kept.", nil, nil)
	descWatchers = prometheus.NewDesc("insightd_insight_watchers",
		"Watchers of insights.", nil, nil)
	descJournal = prometheus.NewDesc("insightd_insight_journal_size_bytes",
		"Size of the insights' journal.", nil, nil)
	descHarmed = prometheus.NewDesc("insightd_insights_harmed",
		"1 while insights may be missing or not be the newest, since the journal was found damaged and they are made anew.", nil, nil)
)

// collector tells of the insights when it is asked.
type collector struct{ s *Store }

// Describe sends the descriptions of the insights' metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConfidence, descIncident, descActive, descProvisional, descShare, descStored, descWatchers, descJournal, descHarmed} {
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
	surest := c.s.surest(maxConfidence)
	for _, i := range surest {
		gauge(descConfidence, i.Confidence, i.ID, i.Type, i.Provider, i.Account, i.Region, i.Identity, i.Object, string(i.Severity))
	}
	for _, in := range c.s.incidentsOf(surest) {
		gauge(descIncident, in.Confidence, in.ID, in.Provider, in.Account, in.Identity)
	}
	t := c.s.Totals()
	gauge(descActive, float64(t.Active-t.Suppressed), "false")
	gauge(descActive, float64(t.Suppressed), "true")
	gauge(descProvisional, float64(t.Provisional))
	gauge(descShare, t.WithdrawnShare())
	gauge(descStored, float64(t.Stored))
	gauge(descWatchers, float64(c.s.feed.count()))
	gauge(descJournal, float64(c.s.journalSize()))
	harmed := 0.0
	if c.s.Harm() != "" {
		harmed = 1
	}
	gauge(descHarmed, harmed)
}

// maxConfidence bounds how many insights /metrics tells of one by one.
const maxConfidence = 2000

// surest returns the insights that go on and are not suppressed: those of the
// highest confidence where there are more than n.
func (s *Store) surest(n int) []Insight {
	no := false
	page, err := s.List(Query{State: StateStart, Suppressed: &no, Sort: "-confidence", Limit: n})
	if err != nil {
		return nil // The question is a good one.
	}
	return page.Insights
}

func (s *Store) journalSize() int64 {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.journal == nil {
		return 0
	}
	return s.journal.size
}
