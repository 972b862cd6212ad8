package eventlog

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the log tells of itself.
type metrics struct {
	appended   prometheus.Counter
	duplicates prometheus.Counter
	refused    *prometheus.CounterVec
	late       prometheus.Counter
	rawBytes   prometheus.Counter
	blocks     prometheus.Counter
	written    prometheus.Counter
	failures   *prometheus.CounterVec
	fsync      *prometheus.HistogramVec
	corruption *prometheus.CounterVec
	deleted    *prometheus.CounterVec
	recovered  prometheus.Counter
	confirms   *prometheus.CounterVec

	all []prometheus.Collector
}

func newMetrics(l *Log) *metrics {
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "insightd_eventlog_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	vec := func(name, label, help string, values ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "insightd_eventlog_" + name, Help: help}, []string{label})
		for _, v := range values {
			c.WithLabelValues(v)
		}
		m.all = append(m.all, c)
		return c
	}
	*m = metrics{
		appended:   counter("events_appended_total", "Events that were stored."),
		duplicates: counter("events_duplicate_total", "Events that were refused because they are stored already."),
		refused:    vec("events_refused_total", "reason", "Events that were refused for another reason.", "retention", "time"),
		late:       counter("events_late_total", "Events that were stored after the watermark of their stream had passed their time."),
		rawBytes:   counter("raw_bytes_total", "Bytes of raw records that were stored, before compression."),
		blocks:     counter("blocks_written_total", "Blocks that were written to segments."),
		written:    counter("segment_written_bytes_total", "Bytes that were written to segments."),
		failures:   vec("write_failures_total", "file", "Writes or syncs that failed.", "wal", "control", "segment", "index"),
		corruption: vec("corruptions_total", "file", "Damage that was found in files of the log.", "segment", "index", "wal", "control"),
		deleted:    vec("segments_deleted_total", "reason", "Segments that retention deleted.", "time", "size"),
		recovered:  counter("events_recovered_total", "Events that were taken from the write-ahead log at start."),
		confirms:   vec("dedup_confirmations_total", "result", "Times that an id which a filter or the cache knew was looked for in blocks.", "found", "absent"),
		all:        m.all,
	}
	m.fsync = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "insightd_eventlog_fsync_duration_seconds",
		Help:    "How long syncs took.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
	}, []string{"file"})
	m.all = append(m.all, m.fsync)
	gauge := func(name, help string, value func(Stats) float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "insightd_eventlog_" + name, Help: help},
			func() float64 { return value(l.Stats()) }))
	}
	gauge("events", "Events that are kept.", func(s Stats) float64 { return float64(s.Events) })
	gauge("segment_bytes", "Bytes of all segments.", func(s Stats) float64 { return float64(s.Bytes) })
	gauge("segments", "Segments, each an hour of event time.", func(s Stats) float64 { return float64(s.Segments) })
	gauge("blocks", "Blocks in all segments.", func(s Stats) float64 { return float64(s.Blocks) })
	gauge("wal_bytes", "Bytes of the write-ahead log.", func(s Stats) float64 { return float64(s.WALBytes) })
	gauge("buffered_bytes", "Bytes of events in memory that no block on disk holds yet.", func(s Stats) float64 { return float64(s.BufferedBytes) })
	gauge("buffered_events", "Events in memory that no block on disk holds yet.", func(s Stats) float64 { return float64(s.Buffered) })
	return m
}

// register makes the metrics known. After an error none is registered.
func (m *metrics) register(reg prometheus.Registerer) error {
	for i, c := range m.all {
		if err := reg.Register(c); err != nil {
			for _, c := range m.all[:i] {
				reg.Unregister(c)
			}
			return fmt.Errorf("registering the metrics of the event log: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	for _, c := range m.all {
		reg.Unregister(c)
	}
}
