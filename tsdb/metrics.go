package tsdb

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Why samples are refused: indexes of metrics.refused.
const (
	refusedInvalid = iota
	refusedFuture
	refusedConflict
	refusedExpired
	numRefused
)

var refusedNames = [numRefused]string{"invalid", "future", "conflict", "expired"}

// What is found damaged: the kinds of metrics.corruptions.
const (
	corruptLog      = "log"
	corruptBlock    = "block"
	corruptBackfill = "backfill"
)

// metrics are what the DB tells of itself, beside what Prometheus' TSDB does.
type metrics struct {
	appended   prometheus.Counter
	backfilled prometheus.Counter
	repeated   prometheus.Counter
	tooOld     prometheus.Counter
	blocks     prometheus.Counter
	refused    [numRefused]prometheus.Counter

	refusedVec  *prometheus.CounterVec
	corruptions *prometheus.CounterVec
	all         []prometheus.Collector
}

// newMetrics makes the counters and registers them with reg, which may be nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		appended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_series_samples_appended_total",
			Help: "Samples written to the head.",
		}),
		backfilled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_series_samples_backfilled_total",
			Help: "Samples of history written to blocks.",
		}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_series_samples_repeated_total",
			Help: "Samples that were stored already and were not written again.",
		}),
		tooOld: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_series_samples_too_old_total",
			Help: "Live samples that were too old for the head and went into the pending backfill.",
		}),
		blocks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_series_backfill_blocks_total",
			Help: "Blocks of history written.",
		}),
		refusedVec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "insightd_series_samples_refused_total",
			Help: "Samples that were not taken in: invalid, in the future, past the retention, or at a timestamp where another value stands.",
		}, []string{"reason"}),
	}
	m.corruptions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "insightd_series_corruptions_total",
		Help: "Files of series that were found damaged: logs of the head, blocks, or the pending backfill.",
	}, []string{"kind"})
	for _, kind := range []string{corruptLog, corruptBlock, corruptBackfill} {
		m.corruptions.WithLabelValues(kind)
	}
	for i, name := range refusedNames {
		m.refused[i] = m.refusedVec.WithLabelValues(name)
	}
	m.all = []prometheus.Collector{m.appended, m.backfilled, m.repeated, m.tooOld, m.blocks, m.refusedVec, m.corruptions}
	if reg != nil {
		reg.MustRegister(m.all...)
	}
	return m
}

// register registers the counters, and gauges of what db holds, with reg, which
// may be nil. On an error none stays registered.
func (m *metrics) register(reg prometheus.Registerer, db *DB) error {
	if reg == nil {
		return nil
	}
	m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "insightd_series_backfill_pending_samples",
		Help: "Samples of history that wait to be written to blocks.",
	}, func() float64 { return float64(db.spool.pending()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "insightd_series_lost_seconds",
		Help: "Time of which samples were found gone and were not restored yet.",
	}, func() float64 {
		sum := 0.0
		for _, r := range db.Lost() {
			sum += float64(r.Maxt-r.Mint+1) / 1000
		}
		return sum
	}))
	for i, c := range m.all {
		if err := reg.Register(c); err != nil {
			for _, c := range m.all[:i] {
				reg.Unregister(c)
			}
			m.all = nil
			return err
		}
	}
	return nil
}

// unregister takes back what register registered.
func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg == nil {
		return
	}
	for _, c := range m.all {
		reg.Unregister(c)
	}
}
