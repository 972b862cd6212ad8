package dashboard

// itself shows whether the daemon sees what it is to see.
func itself() Dashboard {
	const recent = "The daemon keeps its own metrics for the last 24 hours, in memory: before that, and before its start, there are none."
	rate := func(metric string) string { return "sum(rate(" + metric + "[5m]))" }
	share := func(title, description, expr string) Panel {
		return stat(title, description, "Nothing to tell yet", "lastNotNull", promQL(expr, "share")).unit("percentunit").
			steps(thresholds(colourGood, 0.02, colourLow, 0.05, colourHigh))
	}
	return Dashboard{
		UID: ItselfUID, Title: "insightd / insightd itself", From: "now-6h", Refresh: "1m",
		Description: "Whether insightd sees what it is to see: how fast it reads, how far behind it is, what it could not read, and what each detector knows.",
		Rows: []Row{{Panels: []Panel{
			stat("Events a second", "How many events arrived, averaged over five minutes.", recent, "lastNotNull", promQL(rate("insightd_engine_events_arrived_total"), "events")).
				unit("eps").with("color", fixed(colourPlain)),
			stat("Behind", "How far the watermark is behind the clock: what is older is final. It is the allowed lateness (30 minutes unless configured) where nothing is wrong.",
				recent, "lastNotNull", promQL("time() - min(insightd_engine_watermark_timestamp_seconds > 0)", "behind")).
				unit("s").steps(thresholds(colourGood, 3600, colourMedium, 14400, colourCritical)),
			stat("Sources", "The share of sources that can be read.", "No source is configured: events come by push alone.", "lastNotNull", promQL("avg(insightd_source_up)", "up")).
				unit("percentunit").steps(thresholds(colourHigh, 0.5, colourMedium, 1, colourGood)),
			stat("Decode failures", "Records and files of sources that could not be read since the daemon started. Their neighbours were taken in; the sources below say which and what to do.",
				"No source is configured: events come by push alone.", "lastNotNull", promQL("sum(insightd_source_failures_total)", "failures")).steps(thresholds(colourGood, 1, colourMedium)),
			share("Withdrawn", "The share of insights that were told on arrival and taken back when everything had arrived.", "max(insightd_insight_withdrawn_share)"),
			stat("Active insights", "Insights that go on, suppressed ones included.", "None", "lastNotNull", promQL("sum(insightd_insights_active)", "insights")).steps(thresholds(colourPlain)),
		}}, {Title: "What can be seen", Panels: []Panel{
			table("Detectors", "What each detector knows, is still learning, or cannot see, and why, by account and region.",
				"No account is known: the daemon has read no events yet. Connect a source, or push some.", Query{QueryType: "coverage", Format: "detectors"}).size(14, 11).override(
				byName("state").set("custom.cellOptions", pill).set("custom.width", 90).set("custom.align", "center"),
				byName("type").set("custom.cellOptions", object{"type": "color-text"}).set("mappings", typeMapping()).set("custom.width", 190),
				byName("reason").set("custom.minWidth", 240),
			),
			table("Streams", "One line an account: how far it is, what came late or from the future, what bounds folded, evicted or held back.",
				"No account is known: the daemon has read no events yet.", Query{QueryType: "coverage", Format: "streams"}).size(10, 11),
			table("Sources", "Where events come from: how far each is, what is wrong with it, and what to do.",
				"No source is configured: events come by push alone.", Query{QueryType: "coverage", Format: "sources"}).size(24, 7).override(
				byName("state").set("custom.cellOptions", pill).set("custom.width", 100),
				byName("hint").set("custom.minWidth", 240),
				byName("errors").set("custom.cellOptions", object{"type": "color-text"}).set("color", object{"mode": "thresholds"}).set("thresholds", thresholds(colourGood, 1, colourCritical)),
			),
		}}, {Title: "Ingest", Panels: []Panel{
			timeseries("Events a second", "Events that arrived, that became final, and that came late or from the future.", recent,
				promQL(rate("insightd_engine_events_arrived_total"), "arrived"), promQL(rate("insightd_engine_events_final_total"), "final"),
				promQL(rate("insightd_engine_events_late_total"), "late"), promQL(rate("insightd_engine_events_future_total"), "from the future")).unit("eps"),
			timeseries("Lag", "How far behind the clock each source's newest event is, and the watermark that they hold.", recent,
				promQL("max by (source) (insightd_source_lag_seconds)", "{{source}}"),
				promQL("time() - min(insightd_engine_watermark_timestamp_seconds > 0)", "watermark")).unit("s"),
			timeseries("Decode failures", "Records a minute that could not be decoded: of sources, by their name, and pushed ones that were rejected.", recent,
				promQL("60 * sum by (source) (rate(insightd_source_failures_total[5m]))", "{{source}}"),
				promQL(`60 * sum(rate(insightd_http_pushed_events_total{result="rejected"}[5m]))`, "pushed")).unit("cpm"),
			timeseries("Requests", "Requests a second by code of the answer.", recent,
				promQL("sum by (code) (rate(insightd_http_requests_total[5m]))", "{{code}}")).unit("reqps"),
		}}, {Title: "Insights and models", Panels: []Panel{
			timeseries("Insights", "Insights that go on, and those that wait for the final verdict.", recent,
				promQL("sum(insightd_insights_active)", "active"), promQL("sum(insightd_insights_provisional)", "provisional")),
			timeseries("Taken back", "The share of insights that were told on arrival and withdrawn. It is to stay under 5 %.", recent,
				promQL("max(insightd_insight_withdrawn_share)", "withdrawn")).unit("percentunit").with("thresholds", thresholds(colourGood, 0.05, colourHigh)).dashed(),
			timeseries("Model series", "Series that a model watches, by type of insight.", recent,
				promQL("sum by (insight_type) (insightd_engine_model_series)", "{{insight_type}}")),
			timeseries("Held back", "Insights an hour that the budget suppressed, that a bound did not let open, and that feedback swallowed.", recent,
				promQL("3600 * sum(rate(insightd_engine_insights_suppressed_total[5m]))", "suppressed"),
				promQL("3600 * sum(rate(insightd_engine_insights_capped_total[5m]))", "capped"),
				promQL("3600 * sum(rate(insightd_engine_insights_swallowed_total[5m]))", "swallowed")).bars(),
		}}, {Title: "Resources", Panels: []Panel{
			timeseries("Memory", "Memory of the process, and of it what Go's heap uses.", recent,
				promQL("process_resident_memory_bytes", "resident"), promQL("go_memstats_heap_inuse_bytes", "heap")).unit("bytes"),
			timeseries("Processor", "Processor seconds a second: 1 is one core.", recent,
				promQL("rate(process_cpu_seconds_total[5m])", "cores")),
			timeseries("Answers", "How long requests take: half of them, and all but one in twenty.", recent,
				promQL("histogram_quantile(0.5, sum by (le) (rate(insightd_http_request_duration_seconds_bucket[5m])))", "median"),
				promQL("histogram_quantile(0.95, sum by (le) (rate(insightd_http_request_duration_seconds_bucket[5m])))", "95 %")).unit("s"),
			timeseries("Writes to disk", "How long fsyncs of the event log take: an event is acknowledged after one.", recent,
				promQL("histogram_quantile(0.95, sum by (le) (rate(insightd_eventlog_fsync_duration_seconds_bucket[5m])))", "95 %")).unit("s"),
		}}},
	}
}
