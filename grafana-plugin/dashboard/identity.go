package dashboard

// stranger is what the panels of one identity say of one that is not known.
const stranger = "Nothing is known of this identity: it did nothing in these accounts, or has been idle for so long that others took its place (limits.identities)."

func identity() Dashboard {
	one := func(format string) Query {
		return Query{QueryType: "identities", Format: format, IdentityID: "$identity"}
	}
	usual := func(title, format, description string) Panel {
		return table(title, description, "Nothing was counted of this yet. "+stranger, one(format)).size(8, 9).override(
			byName("events").set("custom.cellOptions", bar).set("min", 0).set("custom.width", 130).set("color", fixed(colourPlain)),
			byName("frequency").set("custom.cellOptions", pill).set("custom.width", 100).set("custom.align", "center"),
		)
	}
	const its = `identity="$identity" ` + scope
	const series = `identity="$identity",` + scoped
	return Dashboard{
		UID: IdentityUID, Title: "insightd / Identity", From: "now-7d", Refresh: "", Annotated: true,
		Description: "One person or workload: its usual and unusual hours, operations, networks and countries, and its insights.",
		Variables: []Variable{
			{Name: "identity", Label: "Identity", Kind: "query", Description: "A person or workload.", Of: object{"refId": "variable", "list": "identities"}},
			accountVariable(), regionVariable(),
		},
		Rows: []Row{{Panels: []Panel{
			stat("At a glance", "Over all time, whatever the range: what it is, how much it does, what fails, and the risk of what it does.", stranger, "lastNotNull", one("summary")).
				fields("kind", "class", "risk", "activeInsights", "events", "errorShare", "activeDays").option("graphMode", "none").
				override(
					byName("risk").set("decimals", 0),
					byName("activeInsights").set("displayName", "active insights").set("thresholds", thresholds(colourGood, 1, colourCritical)),
					byName("errorShare").set("displayName", "failed"),
					byName("activeDays").set("displayName", "active days"),
				).size(24, 4),
			table("What is known", "When it was seen, why it counts as automation where it does, and the last insight that it had.", stranger, one("summary")).
				columns("identity", "account", "firstSeen", "lastSeen", "userTypes", "classReason", "lastInsight", "lastInsightSeverity", "lastInsightSummary", "lastInsightId").
				override(identityColumns()...).override(
				byName("classReason").set("displayName", "why automation").set("custom.minWidth", 240),
				byName("userTypes").set("displayName", "types").set("custom.width", 140),
			).size(24, 4),
			columns("Hours of the day", "How its active hours are spread over the hours of the day, in UTC. Insights raised at an hour that is low here say so.", stranger, one("hours")).size(24, 6),
		}}, {Title: "Insights", Panels: []Panel{
			timeseries("Confidence", "The highest confidence of its insights, by type.", "It had no insight in this range.",
				highest(its, "insight_type")).size(24, 7).unit("percentunit").
				with("max", 1).with("thresholds", confidenceSteps()).dashed().override(typeOverrides()...),
			insightTable("Insights", "Its insights that were active in the range.", "It had no insight in this range.", insights(its)).size(24, 7),
		}}, {Title: "Usual and unusual", Panels: []Panel{
			usual("Operations", "operations", "Operations that it called, with how usual they are for it. A value that is rare is a reason in insights."),
			usual("Networks", "networks", "Classes of networks that it came from."),
			usual("Countries", "countries", "Countries that it came from."),
			usual("Programs", "agents", "Programs that it used, by the family of their user agent.").size(12, 8),
			usual("Regions", "regions", "Regions of the provider that it acted in.").size(12, 8),
		}}, {Title: "Activity", Panels: []Panel{
			timeseries("Events by outcome", "Its events over time, by outcome.", "It did nothing in this range.",
				promQL(`sum by (outcome) (sum_over_time(activity_identity_events{`+series+`}[$__interval]))`, "{{outcome}}")).bars().override(outcomeOverrides()...).size(8, 8),
			timeseries("Writes by operation", "What it changed; the rest is Other.", "It changed nothing in this range.",
				volume(its+` access="write"`, "operation", 8)).bars().size(8, 8),
			timeseries("Errors by code", "What it was denied and what failed, by the provider's code; the rest is Other.", "It met no error in this range.",
				volume(its+` outcome="error"`, "error_code", 8)).bars().size(8, 8),
			world("Where from", "Its events by country: larger is more, redder is more of them failed.", "None of its events in this range has a known country.",
				[]layer{{name: "Events", target: "A", size: "events", colour: "errorShare", opacity: 0.5}}, countries("events", its)).
				override(byName("errorShare").set("unit", "percentunit").set("thresholds", thresholds(colourPlain, 0.2, colourMedium, 0.5, colourCritical))).size(9, 12),
			logs("Events", "Its events, the newest first.", "It did nothing in this range.",
				Query{QueryType: "events", Format: "logs", Filter: its, Limit: 200}).size(15, 12),
		}}},
	}
}
