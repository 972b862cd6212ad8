package source

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics shows the statuses of sources whenever somebody asks.
type metrics struct {
	statuses func() []Status
	now      func() time.Time

	up, lag, lastEvent, events, failures, retries, bytes, backlog, backlogBytes, files, skipped *prometheus.Desc
}

// RegisterMetrics registers the metrics of all sources, which statuses lists,
// each under a name of its own. Nothing is registered where reg is nil.
func RegisterMetrics(reg prometheus.Registerer, statuses func() []Status, now func() time.Time) error {
	if reg == nil {
		return nil
	}
	return reg.Register(newMetrics(statuses, now))
}

func newMetrics(statuses func() []Status, now func() time.Time) *metrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("insightd_source_"+name, help, []string{"source", "kind"}, nil)
	}
	return &metrics{
		statuses:     statuses,
		now:          now,
		up:           desc("up", "1 where the source can be read and delivered, 0 where it fails."),
		lag:          desc("lag_seconds", "How far the reading is behind, in event time; 0 at the end of what is there."),
		lastEvent:    desc("last_event_timestamp_seconds", "The newest event time that was read."),
		events:       desc("events_total", "Events that were read and delivered, duplicates included."),
		failures:     desc("failures_total", "Records and files that could not be read."),
		retries:      desc("retries_total", "What was tried again: looks at a path or a file that cannot be read, and deliveries."),
		bytes:        desc("read_bytes_total", "Bytes that were read, as they are stored."),
		backlog:      desc("backlog_files", "Files that are there and have not been read."),
		backlogBytes: desc("backlog_bytes", "Bytes of files that were found and have not been read, as they are stored."),
		files:        desc("files", "Files that are there and not passed over."),
		skipped:      desc("skipped_files", "Files that are passed over: hidden, temporary, digests, documents."),
	}
}

// Describe is of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.up, m.lag, m.lastEvent, m.events, m.failures, m.retries, m.bytes, m.backlog, m.backlogBytes, m.files, m.skipped,
	} {
		ch <- d
	}
}

// Collect is of prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m.statuses() {
		send := func(d *prometheus.Desc, t prometheus.ValueType, v float64) {
			ch <- prometheus.MustNewConstMetric(d, t, v, s.Name, s.Kind)
		}
		up := 1.0
		if s.Err != "" {
			up = 0
		}
		send(m.up, prometheus.GaugeValue, up)
		switch from := s.behind(); {
		case s.AtEnd:
			send(m.lag, prometheus.GaugeValue, 0)
		case !from.IsZero():
			send(m.lag, prometheus.GaugeValue, max(0, m.now().Sub(from).Seconds()))
		}
		if !s.LastEvent.IsZero() {
			send(m.lastEvent, prometheus.GaugeValue, float64(s.LastEvent.UnixMilli())/1000)
		}
		send(m.events, prometheus.CounterValue, float64(s.Events))
		send(m.failures, prometheus.CounterValue, float64(s.Failures))
		send(m.retries, prometheus.CounterValue, float64(s.Retries))
		send(m.bytes, prometheus.CounterValue, float64(s.Bytes))
		send(m.backlog, prometheus.GaugeValue, float64(s.Backlog))
		send(m.backlogBytes, prometheus.GaugeValue, float64(s.BacklogBytes))
		send(m.files, prometheus.GaugeValue, float64(s.Files))
		send(m.skipped, prometheus.GaugeValue, float64(s.Skipped))
	}
}

// behind is the event time up to which the source has been read.
func (s *Status) behind() time.Time {
	if !s.Frontier.IsZero() {
		return s.Frontier
	}
	return s.LastEvent
}
