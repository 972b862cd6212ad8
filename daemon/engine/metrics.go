package engine

import (
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
		reg.MustRegister(m.arrived, m.late, m.future, m.damaged, m.snapshotFailures, m.refused, m.snapshots, &collector{
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
		})
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

// Describe sends the descriptions of the streams' metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.watermark, c.final, c.series, c.folded, c.told, c.evicted, c.attached, c.capped, c.forgotten, c.snapshot, c.skipped, c.swallowed, c.envelopes, c.lapsed, c.thumbs,
		c.ruleFindings, c.ruleEvents, c.ruleCandidates, c.ruleMatches, c.ruleWindows, c.ruleEntries, c.ruleDropped, c.ruleEvicted, c.ruleTooLate,
	} {
		ch <- d
	}
}

// Collect sends the streams' metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.e.list() {
		c.collect(s, ch)
	}
	for id, n := range c.e.RuleFindings() {
		ch <- prometheus.MustNewConstMetric(c.ruleFindings, prometheus.CounterValue, float64(n), id)
	}
}

// collect sends a stream's metrics.
func (c *collector) collect(s *stream, ch chan<- prometheus.Metric) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	p, a := s.key.Provider, s.key.Account
	if s.begun {
		ch <- prometheus.MustNewConstMetric(c.watermark, prometheus.GaugeValue, float64(s.position.done.Unix()), p, a)
	}
	ch <- prometheus.MustNewConstMetric(c.final, prometheus.CounterValue, float64(s.events), p, a)
	for typ, n := range s.liveSeries() {
		ch <- prometheus.MustNewConstMetric(c.series, prometheus.GaugeValue, float64(n), p, a, typ)
	}
	ch <- prometheus.MustNewConstMetric(c.folded, prometheus.CounterValue, float64(s.counts.folds), p, a)
	ch <- prometheus.MustNewConstMetric(c.told, prometheus.CounterValue, float64(s.suppressed), p, a)
	ch <- prometheus.MustNewConstMetric(c.evicted, prometheus.CounterValue, float64(s.evicted), p, a)
	ch <- prometheus.MustNewConstMetric(c.capped, prometheus.CounterValue, float64(s.capped), p, a)
	ch <- prometheus.MustNewConstMetric(c.forgotten, prometheus.CounterValue, float64(s.forgotten), p, a)
	ch <- prometheus.MustNewConstMetric(c.skipped, prometheus.CounterValue, float64(s.preview.skipped), p, a)
	ch <- prometheus.MustNewConstMetric(c.swallowed, prometheus.CounterValue, float64(s.reviews.swallowed), p, a)
	ch <- prometheus.MustNewConstMetric(c.envelopes, prometheus.GaugeValue, float64(len(s.reviews.envelopes)), p, a)
	ch <- prometheus.MustNewConstMetric(c.lapsed, prometheus.CounterValue, float64(s.reviews.forgotten), p, a)
	for typ := range s.reviews.types() {
		up, down := s.countThumbs(typ)
		ch <- prometheus.MustNewConstMetric(c.thumbs, prometheus.GaugeValue, float64(up), p, a, typ, string(insight.Up))
		ch <- prometheus.MustNewConstMetric(c.thumbs, prometheus.GaugeValue, float64(down), p, a, typ, string(insight.Down))
	}
	if !s.snapshot.at.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.snapshot, prometheus.GaugeValue, float64(s.snapshot.at.Unix()), p, a)
	}
	ch <- prometheus.MustNewConstMetric(c.attached, prometheus.CounterValue, float64(s.attached), p, a)
	st := s.rules.state.Stats()
	for _, x := range [...]struct {
		desc *prometheus.Desc
		typ  prometheus.ValueType
		n    uint64
	}{
		{c.ruleEvents, prometheus.CounterValue, st.Events},
		{c.ruleCandidates, prometheus.CounterValue, st.Candidates},
		{c.ruleMatches, prometheus.CounterValue, st.Matches},
		{c.ruleDropped, prometheus.CounterValue, st.Dropped},
		{c.ruleEvicted, prometheus.CounterValue, st.Evicted},
		{c.ruleTooLate, prometheus.CounterValue, st.TooLate},
		{c.ruleWindows, prometheus.GaugeValue, uint64(st.Windows)},
		{c.ruleEntries, prometheus.GaugeValue, uint64(st.Entries)},
	} {
		ch <- prometheus.MustNewConstMetric(x.desc, x.typ, float64(x.n), p, a)
	}
}
