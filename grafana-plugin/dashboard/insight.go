package dashboard

// unchosen is what the panels of one insight say until one is chosen.
const unchosen = "No insight is chosen, or it is no longer kept. Choose one in the table below, or open one from the overview."

func insight() Dashboard {
	one := func(format string) Query {
		return Query{QueryType: "insights", Format: format, InsightID: "$insight"}
	}
	return Dashboard{
		UID: InsightUID, Title: "insightd / Insight", From: "now-24h", Refresh: "",
		Description: "One insight: what was expected and what was observed, why it was raised, who and what contributed, and the events behind it.",
		Variables: []Variable{
			{Name: "insight", Label: "Insight", Kind: "textbox", Description: "The id of an insight. Links to this dashboard fill it in."},
			accountVariable(), regionVariable(),
		},
		Rows: []Row{{Panels: []Panel{
			stat("Verdict", "How bad it would be, how sure insightd is, and whether it goes on.", unchosen, "lastNotNull", one("summary")).
				fields("severity", "confidence", "type", "state").option("colorMode", "background_solid").option("graphMode", "none").
				override(
					byName("type").set("mappings", typeMapping()),
					byName("severity").set("mappings", severityMapping()),
				).size(14, 4),
			stat("Counted", "Events a minute during the insight, what was usual before it, and the bound beyond which it starts. They are 0 where nothing is counted.",
				unchosen, "lastNotNull", one("summary")).
				fields("average", "usual", "upper", "events", "duration").option("graphMode", "none").size(10, 4),
			table("What happened", "Who did what, from where, and what became of the telling.", unchosen, one("summary")).
				columns("time", "end", "summary", "identity", "object", "account", "region", "ip", "country", "network", "attack", "alert", "supersededBy", "id", "from", "to").
				override(insightColumns()...).size(24, 4),
			timeseries("Observed and expected",
				"What was counted and what the model expected of the series, a step of the graph each. The band is what is usual; the insight is where the line leaves it. The bounds of an insight hold for the whole series, whatever it is that was told.",
				"No insight is chosen, or it has no series: only rates, errors and keys are counted. The reasons below say why it was raised.",
				Query{QueryType: "bands", InsightID: "$insight"}).band().size(15, 9),
			timeseries("Confidence", "The confidence of the insight in each minute in which it was active, as it was told.",
				unchosen, highest(`id="$insight"`)).unit("percentunit").with("max", 1).with("thresholds", confidenceSteps()).dashed().size(9, 9),
		}}, {Title: "Why", Panels: []Panel{
			table("Reasons", "What makes it unusual. The contributions add up to the score, −log₁₀ of how many false insights of this size are to be expected in a week of the series.",
				unchosen, one("reasons")).size(14, 9).override(
				byName("contribution").set("custom.cellOptions", bar).set("min", 0).set("decimals", 2).set("custom.width", 150).set("color", fixed(colourMedium)),
				byName("feature").set("custom.width", 130),
				byName("observed").set("custom.width", 120),
				byName("usual").set("custom.width", 120),
				byName("text").set("custom.minWidth", 240),
			),
			table("Attributions", "Who and what contributed: averages a minute in the insight, and in the baseline before it. Five values a side.",
				"No insight is chosen, or it has no attributions: one event raised it.", one("attributions")).size(10, 9).override(
				byName("attribute").set("custom.width", 150),
				byName("insight").set("custom.cellOptions", bar).set("min", 0).set("custom.width", 130).set("color", fixed(colourHigh)),
				byName("baseline").set("custom.cellOptions", bar).set("min", 0).set("custom.width", 130).set("color", fixed(colourGood)),
			),
			table("Rule", "The rule that raised it: what it means, how to check it without changing anything, the safest first step and how to take that back, and when to call others.",
				"No insight is chosen, or no rule raised it: the reasons say what did.", one("rule")).size(24, 8).override(
				byName("part").set("custom.width", 170),
				byName("text").set("custom.cellOptions", wrapped),
			),
		}}, {Title: "Its events", Panels: []Panel{
			logs("Events", "The events behind the insight, each with its whole record; the newest of the range while none is chosen. Open a line for its fields.",
				"The events of this insight are older than the retention of the event log (storage.events.retention).",
				Query{QueryType: "events", Format: "logs", InsightID: "$insight", Limit: 500}).size(24, 12),
		}}, {Title: "Its history, and others", Panels: []Panel{
			table("Records", "How it was told: its Start and End, revision by revision. Confidence in a Start is what was told then.",
				unchosen, one("records")).size(24, 6).override(recordColumns()...).override(
				byName("supersedes").set("links", dataLink("Open it", keep(open(InsightUID, "insight", "${__value.raw:percentencode}"), "account", "region"))),
				byName("supersededBy").set("links", dataLink("Open it", keep(open(InsightUID, "insight", "${__value.raw:percentencode}"), "account", "region"))),
			),
			insightTable("Insights in the range", "All insights of the range. A summary opens it in the panels above.", quiet, insights(scope)).size(24, 10),
		}}},
	}
}
