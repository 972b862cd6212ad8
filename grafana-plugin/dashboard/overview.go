package dashboard

// scope is the part of a filter that every dashboard binds to its variables.
const scope = `account=~"$account" region=~"$region"`

// scoped is the same as matchers of PromQL.
const scoped = `account=~"$account",region=~"$region"`

// kept is the scope of insights on the overview.
const kept = scope + ` type=~"$type" severity=~"$severity" level=~"$level"`

// quiet is what panels of insights say where there are none.
const quiet = "No insight in this range matches the variables above. That is good news, unless the coverage on the dashboard insightd itself says that something cannot be seen."

func overview() Dashboard {
	counted := func(title, description string, q Query, steps object) Panel {
		return stat(title, description, "None", "lastNotNull", q).steps(steps)
	}
	none := thresholds(colourGood, 1, colourMedium)
	return Dashboard{
		UID: OverviewUID, Title: "insightd / Overview", From: "now-24h", Refresh: "1m", Annotated: true,
		Description: "What is unusual in the cloud accounts now and lately, who did it and from where.",
		Variables: []Variable{
			accountVariable(), regionVariable(), typeVariable(), severityVariable(), levelVariable(),
		},
		Rows: []Row{{Panels: []Panel{
			counted("Active insights", "Insights that go on at the end of the range, whatever their confidence. The line shows how many there were over time.",
				count(kept, 0), none),
			counted("High confidence", "Active insights with a confidence of 0.8 or more: of such, about that share were right in generated traffic.",
				count(kept, 0.8), thresholds(colourGood, 1, colourCritical)),
			counted("High or critical", "Active insights whose severity is High or Critical: what was done would do harm.",
				Query{QueryType: "confidence", Measure: "count", Filter: kept, Severities: []string{"High", "Critical"}}, thresholds(colourGood, 1, colourCritical)),
			stat("Highest confidence", "The highest confidence of an active insight.", "None", "lastNotNull", highest(kept)).
				unit("percentunit").with("min", 0).with("max", 1).steps(confidenceSteps()),
			stat("Events", "Audit events in the range.", "None in this range: is a source connected? See the dashboard insightd itself.", "sum",
				promQL(`sum(sum_over_time(activity_events{`+scoped+`}[$__interval]))`, "events")).with("color", fixed(colourPlain)).
				link("Search the events", keep(open(ActivityUID), "account", "region")),
			stat("Failed", "The share of events that ended in an error, at the end of the range.", "No events", "lastNotNull",
				promQL(`sum(sum_over_time(activity_events{outcome="error",`+scoped+`}[15m])) / sum(sum_over_time(activity_events{`+scoped+`}[15m]))`, "failed")).
				unit("percentunit").steps(thresholds(colourPlain, 0.2, colourMedium, 0.5, colourCritical)),
		}}, {Title: "Insights", Panels: []Panel{
			timeseries("Confidence over time", "The highest confidence of each type of insight while it was active. The dashes are the bounds of the levels Medium and High.",
				quiet, highest(kept, "insight_type")).size(16, 9).
				unit("percentunit").with("max", 1).
				with("thresholds", confidenceSteps()).dashed().override(typeOverrides()...),
			gauges("By type", "How many insights of each type were active in the range.", quiet, insights(kept)).size(4, 9).counting("type").override(typeOverrides()...),
			donut("By severity", "How many insights of each severity were active in the range.", quiet, insights(kept)).size(4, 9).counting("severity").override(severityOverrides()...),
			insightTable("Insights", "Insights that were active in the range, the newest first. A summary leads to the insight, an identity to what is known of it. New ones appear as they are told.", quiet,
				Query{QueryType: "insights", Format: "table", Filter: kept, Limit: 200, Live: true}).size(24, 10),
			timeline("When", "Each line is a type of insight, coloured by the highest severity of what went on.", quiet,
				Query{QueryType: "insights", Format: "timeline", Filter: kept, By: "type", Limit: 500}).size(24, 8),
		}}, {Title: "Where from", Panels: []Panel{
			world("World", "Circles are events by country, larger for more and redder the more of them failed. Rings are insights by country, coloured by their highest confidence. No tile server is asked.",
				"No event in this range has a known country. Private addresses and the providers' own services have none.",
				[]layer{{name: "Events", target: "A", size: "events", colour: "errorShare", opacity: 0.3}, {name: "Insights", target: "B", size: "insights", colour: "confidence", opacity: 0.8}},
				countries("events", scope), countries("insights", kept)).
				override(
					byName("errorShare").set("unit", "percentunit").set("thresholds", thresholds(colourPlain, 0.2, colourMedium, 0.5, colourCritical)),
					byName("confidence").set("unit", "percentunit").set("thresholds", confidenceSteps()),
				).size(14, 12),
			table("Countries of insights", "Insights by the countries of their addresses.", "No insight in this range has an address with a known country.", countries("insights", kept)).size(10, 12).
				override(
					byName("lookup").set("displayName", "country").set("links", dataLink("Search its events", toEvents("country", "${__value.raw:percentencode}"))),
					byName("insights").set("custom.cellOptions", bar).set("min", 0),
					byName("confidence").set("custom.cellOptions", gauge).set("unit", "percentunit").set("min", 0).set("max", 1).set("decimals", 0).
						set("thresholds", confidenceSteps()).set("color", object{"mode": "thresholds"}),
				),
		}}, {Title: "Who and what", Panels: []Panel{
			identityTable("Identities at risk", "Identities by risk, with the insights that they have open. Automation is what acts daily, at fixed times, or far more than others.",
				"No identity is known yet: the daemon has read no events of these accounts.",
				Query{QueryType: "identities", Format: "table", Filter: `account=~"$account"`, Sort: "-risk", Limit: 20}).size(12, 10),
			insightTable("High-risk operations that are unusual for who called them",
				"Insights with an operation of the highest risk: among them what an identity did for the first time.",
				"No unusual operation of the highest risk in this range.",
				Query{QueryType: "insights", Format: "table", Filter: kept, HighRisk: true, Sort: "-confidence", Limit: 50}).size(12, 10),
		}}, {Title: "Activity", Panels: []Panel{
			timeseries("Events by outcome", "Events over time; a bar is one step of the graph. Insights are drawn over it.", "No events in this range.",
				promQL(`sum by (outcome) (sum_over_time(activity_events{`+scoped+`}[$__interval]))`, "{{outcome}}")).bars().override(outcomeOverrides()...),
			timeseries("Writes by service", "The services with the most writes; the rest is Other.", "No writes in this range.",
				volume(scope+` access="write"`, "service", 8)).bars(),
		}}},
	}
}
