package vitals

import "github.com/prometheus/client_golang/prometheus"

// metrics tell of the record itself.
type metrics struct{ r *Recorder }

var (
	descSeries = prometheus.NewDesc("insightd_vitals_series",
		"Series of the daemon's own metrics that are remembered.", nil, nil)
	descBytes = prometheus.NewDesc("insightd_vitals_size_bytes",
		"Memory that their samples take.", nil, nil)
	descDropped = prometheus.NewDesc("insightd_vitals_dropped_samples_total",
		"Samples that were not remembered, since there were too many series.", nil, nil)
	descFailures = prometheus.NewDesc("insightd_vitals_failures_total",
		"Minutes in which not all metrics could be gathered.", nil, nil)
)

func newMetrics(reg prometheus.Registerer, r *Recorder) (*metrics, error) {
	m := &metrics{r}
	if reg == nil {
		return m, nil
	}
	return m, reg.Register(m)
}

// Describe sends the descriptions of the metrics.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSeries, descBytes, descDropped, descFailures} {
		ch <- d
	}
}

// Collect sends the metrics.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.r.mtx.RLock()
	defer m.r.mtx.RUnlock()
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64) {
		ch <- prometheus.MustNewConstMetric(d, t, v)
	}
	send(descSeries, prometheus.GaugeValue, float64(len(m.r.byKey)))
	send(descBytes, prometheus.GaugeValue, float64(m.r.bytes))
	send(descDropped, prometheus.CounterValue, float64(m.r.dropped))
	send(descFailures, prometheus.CounterValue, float64(m.r.failures))
}
