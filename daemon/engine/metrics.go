package engine

import (
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insightd/insightd/daemon/insight"
)

// metrics are what the engine tells of itself.
type metrics struct {
	arrived, late, future     prometheus.Counter
	damaged, snapshotFailures prometheus.Counter
	refused                   prometheus.Counter
	snapshots                 prometheus.Histogram
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
		damaged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_snapshots_damaged_total", Help: "Snapshots of streams that could not be used at a start.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_series_refusals_total", Help: "Times that the series refused some of the samples that they were given.",
		}),
		snapshotFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "insightd_engine_snapshot_failures_total", Help: "Snapshots of streams that could not be written.",
		}),
		snapshots: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "insightd_engine_snapshot_duration_seconds", Help: "How long writing a stream's snapshot took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
	}
	if reg != nil {
		reg.MustRegister(m.arrived, m.late, m.future, m.damaged, m.snapshotFailures, m.refused, m.snapshots, newCollector(e))
	}
	return m
}

// collector tells of the streams when it is asked.
type collector struct {
	e                                                         *Engine
	watermark, final, series, folded, told, evicted, attached *prometheus.Desc
	capped, forgotten, snapshot, skipped                      *prometheus.Desc
	swallowed, envelopes, lapsed, thumbs                      *prometheus.Desc
	ruleFindings, ruleEvents, ruleCandidates, ruleMatches     *prometheus.Desc
	ruleWindows, ruleEntries, ruleDropped, ruleEvicted        *prometheus.Desc
	ruleTooLate                                               *prometheus.Desc
}

// newCollector returns what tells of the engine's streams.
func newCollector(e *Engine) *collector {
	return &collector{
		e:         e,
		watermark: prometheus.NewDesc("insightd_engine_watermark_timestamp_seconds", "Up to where a stream is final.", []string{"provider", "account"}, nil),
		final:     prometheus.NewDesc("insightd_engine_events_final_total", "Events that became final, by stream.", []string{"provider", "account"}, nil),
		series:    prometheus.NewDesc("insightd_engine_model_series", "Series that have a model, by stream and insight type.", []string{"provider", "account", "insight_type"}, nil),
		folded:    prometheus.NewDesc("insightd_engine_events_folded_total", "Counts of events that went to the overflow series, since the account has as many series as it may.", []string{"provider", "account"}, nil),
		told:      prometheus.NewDesc("insightd_engine_insights_suppressed_total", "Insights that the budget kept from being told.", []string{"provider", "account"}, nil),
		evicted:   prometheus.NewDesc("insightd_engine_model_states_evicted_total", "Model states that made room for others, since the account has as many as it may.", []string{"provider", "account"}, nil),
		capped:    prometheus.NewDesc("insightd_engine_insights_capped_total", "Insights that were not raised, since the account has as many open as it may.", []string{"provider", "account"}, nil),
		forgotten: prometheus.NewDesc("insightd_engine_identities_forgotten_total", "Identities that made room for others, since the account has as many as it may.", []string{"provider", "account"}, nil),
		snapshot:  prometheus.NewDesc("insightd_engine_snapshot_timestamp_seconds", "When a stream's snapshot was written last.", []string{"provider", "account"}, nil),
		skipped:   prometheus.NewDesc("insightd_engine_preview_skipped_total", "Counts of arrived events that were left to the final pass, since too many series had something open.", []string{"provider", "account"}, nil),
		swallowed: prometheus.NewDesc("insightd_engine_insights_swallowed_total", "Insights that were not told, since they are within what users confirmed as normal.", []string{"provider", "account"}, nil),
		envelopes: prometheus.NewDesc("insightd_engine_envelopes", "What users confirmed as normal and is in force.", []string{"provider", "account"}, nil),
		lapsed:    prometheus.NewDesc("insightd_engine_envelopes_lapsed_total", "What users confirmed as normal and was forgotten: unused for 180 days, or one too many.", []string{"provider", "account"}, nil),
		thumbs:    prometheus.NewDesc("insightd_engine_feedback", "Feedback in force, by insight type and verdict.", []string{"provider", "account", "insight_type", "verdict"}, nil),

		ruleFindings:   prometheus.NewDesc("insightd_engine_rule_findings_total", "Final findings of rules, those of rules in shadow too.", []string{"rule"}, nil),
		ruleEvents:     prometheus.NewDesc("insightd_engine_rule_events_total", "Events that rules were asked about.", []string{"provider", "account"}, nil),
		ruleCandidates: prometheus.NewDesc("insightd_engine_rule_candidates_total", "Rules that were evaluated, in all events together: those that the index gave for each.", []string{"provider", "account"}, nil),
		ruleMatches:    prometheus.NewDesc("insightd_engine_rule_matches_total", "Rules of which an event was one that counts.", []string{"provider", "account"}, nil),
		ruleWindows:    prometheus.NewDesc("insightd_engine_rule_windows", "Windows of rules that are remembered, one a group.", []string{"provider", "account"}, nil),
		ruleEntries:    prometheus.NewDesc("insightd_engine_rule_window_entries", "Events that are remembered in windows of rules.", []string{"provider", "account"}, nil),
		ruleDropped:    prometheus.NewDesc("insightd_engine_rule_entries_dropped_total", "Events that windows forgot while they could still count, since they were full.", []string{"provider", "account"}, nil),
		ruleEvicted:    prometheus.NewDesc("insightd_engine_rule_windows_evicted_total", "Windows that made room for others while they could still count.", []string{"provider", "account"}, nil),
		ruleTooLate:    prometheus.NewDesc("insightd_engine_rule_events_too_late_total", "Events that came after their window had been forgotten.", []string{"provider", "account"}, nil),

		attached: prometheus.NewDesc("insightd_engine_insights_attached_total", "Episodes that were told with another insight.", []string{"provider", "account"}, nil),
	}
}

// Describe sends the descriptions of the streams' metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.watermark, c.final, c.series, c.folded, c.told, c.evicted, c.attached, c.capped, c.forgotten, c.snapshot, c.skipped, c.swallowed, c.envelopes, c.lapsed, c.thumbs,
		c.ruleFindings, c.ruleEvents, c.ruleCandidates, c.ruleMatches, c.ruleWindows, c.ruleEntries, c.ruleDropped, c.ruleEvicted, c.ruleTooLate,
	} {
		ch <- d
	}
}

// Collect sends the streams' metrics. A stream is held while its numbers are read,
// and not while they are sent: whatever goes wrong there, the line goes on.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.e.list() {
		p, a := labelValue(s.key.Provider), labelValue(s.key.Account)
		for _, x := range c.read(s) {
			send(ch, x.desc, x.typ, x.value, append([]string{p, a}, x.labels...)...)
		}
	}
	for id, n := range c.e.RuleFindings() {
		send(ch, c.ruleFindings, prometheus.CounterValue, float64(n), id)
	}
}

// reading is one of a stream's metrics, with its labels after provider and
// account.
type reading struct {
	desc   *prometheus.Desc
	typ    prometheus.ValueType
	value  float64
	labels []string
}

// read reads a stream's numbers as they are at one moment.
func (c *collector) read(s *stream) (out []reading) {
	counter := func(d *prometheus.Desc, v uint64) {
		out = append(out, reading{d, prometheus.CounterValue, float64(v), nil})
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out = append(out, reading{d, prometheus.GaugeValue, v, labels})
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.begun {
		gauge(c.watermark, float64(s.position.done.Unix()))
	}
	if at := s.snapshot.at; !at.IsZero() {
		gauge(c.snapshot, float64(at.Unix()))
	}
	for typ, n := range s.liveSeries() {
		gauge(c.series, float64(n), typ)
	}
	gauge(c.envelopes, float64(len(s.reviews.envelopes)))
	for typ := range s.reviews.types() {
		up, down := s.countThumbs(typ)
		gauge(c.thumbs, float64(up), typ, string(insight.Up))
		gauge(c.thumbs, float64(down), typ, string(insight.Down))
	}
	counter(c.final, s.events)
	counter(c.folded, s.counts.folds)
	counter(c.told, uint64(s.suppressed))
	counter(c.evicted, s.evicted)
	counter(c.capped, s.capped)
	counter(c.forgotten, s.forgotten)
	counter(c.skipped, s.preview.skipped)
	counter(c.swallowed, s.reviews.swallowed)
	counter(c.lapsed, s.reviews.forgotten)
	counter(c.attached, s.attached)
	rules := s.rules.state.Stats()
	counter(c.ruleEvents, rules.Events)
	counter(c.ruleCandidates, rules.Candidates)
	counter(c.ruleMatches, rules.Matches)
	counter(c.ruleDropped, rules.Dropped)
	counter(c.ruleEvicted, rules.Evicted)
	counter(c.ruleTooLate, rules.TooLate)
	gauge(c.ruleWindows, float64(rules.Windows))
	gauge(c.ruleEntries, float64(rules.Entries))
	return out
}

// send sends a metric, or what is wrong with it.
func send(ch chan<- prometheus.Metric, d *prometheus.Desc, typ prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, typ, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	ch <- m
}

// labelValue is a text as a label can hold it. What is not UTF-8, which an account
// of an older log may not be, is quoted, so that two of them stay two.
func labelValue(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strconv.Quote(s)
}
