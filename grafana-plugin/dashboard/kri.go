package dashboard

// kri shows the insights by what they put at risk, as findings are grouped in
// the cards of IBM's Activity Insights.
func kri() Dashboard {
	section := func(name, about, none string) Row {
		filter := `kri="` + name + `" ` + scope + ` level=~"$level"`
		return Row{Title: name, Panels: []Panel{
			stat("Active", about+" Insights that go on at the end of the range.", "None", "lastNotNull", count(filter, 0)).
				steps(thresholds(colourGood, 1, colourMedium)).size(4, 4),
			stat("High confidence", "Of these, with a confidence of 0.8 or more.", "None", "lastNotNull", count(filter, 0.8)).
				steps(thresholds(colourGood, 1, colourCritical)).size(4, 4),
			timeseries("Confidence over time", "The highest confidence of each type of insight while it was active.", none, highest(filter, "insight_type")).
				size(10, 8).unit("percentunit").with("max", 1).
				with("thresholds", confidenceSteps()).dashed().override(typeOverrides()...),
			donut("By severity", "Insights that were active in the range.", none, insights(filter)).counting("severity").override(severityOverrides()...).size(6, 8),
			insightTable("Findings", "Insights that were active in the range, the newest first.", none, insights(filter)).size(24, 8),
		}}
	}
	return Dashboard{
		UID: KRIUID, Title: "insightd / Key risk indicators", From: "now-7d", Refresh: "5m", Annotated: true,
		Description: "Insights by what is at risk: identity and access; data and Kubernetes.",
		Variables:   []Variable{accountVariable(), regionVariable(), levelVariable()},
		Rows: []Row{
			section("Identity and Access", "Who may do what, and with which keys and passwords.",
				"No finding on identity and access in this range matches the variables above."),
			section("Data and Kubernetes", "Stores of data, keys of encryption, certificates, clusters.",
				"No finding on data and Kubernetes in this range matches the variables above. Findings of this kind come from rules; the dashboard insightd itself lists what is active."),
			{Title: "Without an indicator", Panels: []Panel{
				insightTable("Other insights", "Insights that belong to no key risk indicator.", "Every insight in this range belongs to an indicator above, or there was none.",
					insights(`kri="" `+scope+` level=~"$level"`)).size(24, 8),
			}},
		},
	}
}
