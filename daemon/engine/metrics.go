package engine

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the engine tells of itself.
type metrics struct {
	arrived, late, future prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{
		arrived: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_events_arrived_total", Help: "Events that the log has taken in.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_events_late_total", Help: "Events that came after their stream's watermark: they change log and series, and no model.",
		}),
		future: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_events_future_total", Help: "Events whose time is too far ahead of their receipt: they are stored, and change nothing else.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.arrived, m.late, m.future, &collector{
			e:         e,
			watermark: prometheus.NewDesc("insightd_engine_watermark_timestamp_seconds", "Up to where a stream is final.", []string{"provider", "account"}, nil),
			final:     prometheus.NewDesc("insightd_engine_events_final_total", "Events that became final, by stream.", []string{"provider", "account"}, nil),
			series:    prometheus.NewDesc("insightd_engine_model_series", "Series that have a model, by stream and insight type.", []string{"provider", "account", "insight_type"}, nil),
			folded:    prometheus.NewDesc("insightd_engine_events_folded_total", "Counts of events that went to the overflow series, since the account has as many series as it may.", []string{"provider", "account"}, nil),
			told:      prometheus.NewDesc("insightd_engine_insights_suppressed_total", "Insights that the budget kept from being told.", []string{"provider", "account"}, nil),
			evicted:   prometheus.NewDesc("insightd_engine_model_states_evicted_total", "Model states that made room for others, since the account has as many as it may.", []string{"provider", "account"}, nil),
			attached:  prometheus.NewDesc("insightd_engine_insights_attached_total", "Episodes that were told with another insight.", []string{"provider", "account"}, nil),
		})
	}
	return m
}

// collector tells of the streams when it is asked.
type collector struct {
	e                                                         *Engine
	watermark, final, series, folded, told, evicted, attached *prometheus.Desc
}

// Describe sends the descriptions of the streams' metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.watermark, c.final, c.series, c.folded, c.told, c.evicted, c.attached} {
		ch <- d
	}
}

// Collect sends the streams' metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.e.list() {
		s.mtx.Lock()
		p, a := s.key.Provider, s.key.Account
		if s.begun {
			ch <- prometheus.MustNewConstMetric(c.watermark, prometheus.GaugeValue, float64(s.done.Unix()), p, a)
		}
		ch <- prometheus.MustNewConstMetric(c.final, prometheus.CounterValue, float64(s.events), p, a)
		for typ, n := range s.liveSeries() {
			ch <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(n), p, a, typ)
		}
		ch <- prometheus.MustNewConstMetric(c.folded, prometheus.CounterValue, float64(s.counts.folds), p, a)
		ch <- prometheus.MustNewConstMetric(c.told, prometheus.CounterValue, float64(s.suppressed), p, a)
		ch <- prometheus.MustNewConstMetric(c.evicted, prometheus.CounterValue, float64(s.evicted), p, a)
		ch <- prometheus.MustNewConstMetric(c.attached, prometheus.CounterValue, float64(s.attached), p, a)
		s.mtx.Unlock()
	}
}
