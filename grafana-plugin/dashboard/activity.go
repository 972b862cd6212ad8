package dashboard

// searched is what the panels of the search are bound to: variables, and what is
// written into the filter. Ad-hoc filters are added by the datasource.
const searched = scope + ` provider=~"$provider" $search`

func activity() Dashboard {
	const nothing = "No event in this range matches the filters. Take one away, or choose a longer range."
	return Dashboard{
		UID: ActivityUID, Title: "insightd / Activity", From: "now-6h", Refresh: "", Annotated: true,
		Description: "Search through audit events: how many over time, the most frequent values, and the events themselves.",
		Variables: []Variable{
			list("providers", "provider", "Provider", "aws, azure, alibaba, ibm, gcp, kubernetes."),
			accountVariable(), regionVariable(),
			{Name: "search", Label: "Filter", Kind: "textbox", Description: `The filter language: outcome="error" operation=~"Delete.*" "a text in the raw event". Side by side means and.`},
			{Name: "filters", Label: "Filters", Kind: "adhoc", Description: "Fields of events; a click on a value of a table or of a log line adds one."},
		},
		Rows: []Row{{Panels: []Panel{
			stat("Events", "Events that match, in the range.", nothing, "sum", volume(searched, "", 0)).with("color", fixed(colourPlain)),
			stat("Failed", "Events that match and ended in an error.", "None", "sum", volume(searched+` outcome="error"`, "", 0)).steps(thresholds(colourGood, 1, colourMedium)),
			stat("High risk", "Events that match whose operation is of the highest risk.", "None", "sum", volume(searched+` risk="3"`, "", 0)).steps(thresholds(colourGood, 1, colourCritical)),
			stat("Denied", "Events that match and were denied, by the words that providers have for it.", "None", "sum",
				volume(searched+` error_code=~"(?i).*(denied|unauthori[sz]ed|forbidden).*"`, "", 0)).steps(thresholds(colourGood, 1, colourMedium)),
			gauges("By provider", "Events that match, by provider. The tables below go further.", nothing, values(searched, "provider", 6)).size(8, 4).
				transform("rowsToFields", object{"mappings": []object{{"fieldName": "provider", "handlerKey": "field.name"}, {"fieldName": "events", "handlerKey": "field.value"}}}),
			timeseries("Frequency by provider", "Events that match over time. Drag to zoom; a click on a name shows one alone. Insights are drawn over it.", nothing,
				volume(searched, "provider", 6)).bars().size(16, 8),
			timeseries("Failures by code", "Errors over time by the provider's code.", "No error in this range matches the filters.",
				volume(searched+` outcome="error"`, "error_code", 6)).bars().size(8, 8),
		}}, {Title: "Most frequent values", Panels: []Panel{
			facet("Services", "service", "The services that were called.", searched),
			facet("Operations", "operation", "The operations that were called.", searched),
			facet("Identities", "identity", "Who called.", searched),
			facet("Credentials", "credential", "The keys that signed.", searched),
			facet("Addresses", "ip", "Where calls came from. The providers' own services have names in place of addresses.", searched),
			facet("Networks", "network", "Classes of the networks that calls came from.", searched),
			facet("Programs", "user_agent_family", "The programs that called.", searched),
			facet("Resources", "resource", "What was acted on.", searched),
		}}, {Title: "Where from", Panels: []Panel{
			world("World", "Events that match by country: larger is more, redder is more of them failed.",
				"No event that matches has a known country.",
				[]layer{{name: "Events", target: "A", size: "events", colour: "errorShare", opacity: 0.5}}, countries("events", searched)).
				override(byName("errorShare").set("unit", "percentunit").set("thresholds", thresholds(colourPlain, 0.2, colourMedium, 0.5, colourCritical))).size(14, 11),
			table("Countries", "Events that match by country. What has none is private, or a service of the provider.", nothing, countries("events", searched)).size(10, 11).override(
				byName("lookup").set("displayName", "country").set("noValue", "(none)").set("links", dataLink("Search for it", toEvents("country", "${__value.raw:percentencode}"))),
				byName("events").set("custom.cellOptions", bar).set("min", 0),
				byName("errorShare").set("unit", "percentunit").set("decimals", 0).set("displayName", "failed"),
			),
		}}, {Title: "Events", Panels: []Panel{
			logs("Events", "Events that match, the newest first, each with its whole record. Open a line for its fields; plus and minus there filter by them.",
				nothing, Query{QueryType: "events", Format: "logs", Filter: searched, Limit: 500}),
		}}, {Title: "Events as a table", Collapsed: true, Panels: []Panel{
			table("Events", "The same events as rows.", nothing, Query{QueryType: "events", Format: "table", Filter: searched, Limit: 500}).
				columns("time", "outcome", "access", "service", "operation", "error_code", "identity", "ip", "country", "region", "account", "risk").
				override(eventColumns()...).size(24, 14),
		}}},
	}
}
