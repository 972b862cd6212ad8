package dashboard

// This file has the looks of the tables that several dashboards show.

// pill fills the cell with the colour of its word. Grafana's cells of type pill
// are younger than 10.4, which would show them without any colour.
var pill = object{"type": "color-background", "mode": "basic", "applyToRow": false}

// gauge draws a number from 0 to 1 as a bar in its cell.
var gauge = object{"type": "gauge", "mode": "gradient", "valueDisplayMode": "text"}

// bar draws a count as a bar in its cell.
var bar = object{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}

// wrapped breaks a long text into lines in its cell.
var wrapped = object{"type": "auto", "wrapText": true}

// toInsight is the address of the insight of a row.
func toInsight() string {
	return keep(open(InsightUID, "insight", "${__data.fields.id:percentencode}"), "account", "region")
}

// toIdentity is the address of the identity of a row.
func toIdentity() string {
	return keep(open(IdentityUID, "identity", "${__data.fields.identity:percentencode}"), "account", "region")
}

// toEvents is the address of a search for events: what is added to the filter is
// a name and the value of a row.
func toEvents(name, value string) string {
	return keep(open(ActivityUID), "account", "region") + "&var-filters=" + name + "%7C%3D%7C" + value
}

// insightTable shows insights. Its rows lead to the insight and its identity.
func insightTable(title, description, none string, q Query) Panel {
	return table(title, description, none, q).
		columns("time", "severity", "confidence", "type", "summary", "identity", "object", "account", "region", "country", "end", "id", "from", "to").
		override(insightColumns()...).
		option("sortBy", []object{{"displayName": "time", "desc": true}})
}

// unseen hides a column that links read. 10.4 looks at the first property, later
// ones at the second.
func unseen(name string) override {
	return byName(name).set("custom.hidden", true).set("custom.hideFrom", object{"viz": true, "legend": true, "tooltip": true})
}

// insightColumns are the looks of the columns of insights, with their links.
func insightColumns() []override {
	return append(recordColumns(),
		byName("end").set("custom.width", 165).set("noValue", "goes on"),
		byName("type").set("custom.cellOptions", object{"type": "color-text"}).set("mappings", typeMapping()).set("custom.width", 190),
		byName("summary").set("links", dataLink("Open the insight", toInsight())),
		byName("identity").set("links", dataLink("Open the identity", toIdentity())).set("custom.width", 240),
		byName("account").set("custom.width", 120),
		byName("region").set("custom.width", 110),
		byName("country").set("custom.width", 75).set("noValue", "-"),
		unseen("id"), unseen("from"), unseen("to"),
	)
}

// recordColumns are the looks of what a record says of an insight.
func recordColumns() []override {
	return []override{
		byName("time").set("custom.width", 165),
		byName("severity").set("custom.cellOptions", pill).set("mappings", severityMapping()).set("custom.width", 85).set("custom.align", "center"),
		byName("confidence").set("custom.cellOptions", gauge).set("unit", "percentunit").set("decimals", 0).
			set("min", 0).set("max", 1).set("thresholds", confidenceSteps()).set("color", object{"mode": "thresholds"}).set("custom.width", 130),
		byName("summary").set("custom.minWidth", 320),
	}
}

// eventColumns are the looks of the columns of events.
func eventColumns() []override {
	return []override{
		byName("time").set("custom.width", 165),
		byName("outcome").set("custom.cellOptions", pill).set("mappings", outcomeMapping()).set("custom.width", 85).set("custom.align", "center"),
		byName("identity").set("links", dataLink("Open the identity", toIdentity())).set("custom.width", 260),
		byName("risk").set("custom.cellOptions", bar).set("min", 0).set("max", 3).set("custom.width", 90).
			set("thresholds", thresholds(colourGood, 1, colourLow, 2, colourMedium, 3, colourHigh)).set("color", object{"mode": "thresholds"}),
		byName("access").set("custom.width", 75),
		byName("country").set("custom.width", 75),
		byName("region").set("custom.width", 110),
	}
}

// facet shows the most frequent values of a field of events; a value leads to
// the search for its events.
func facet(title, by, description string, filter string) Panel {
	p := table(title, description, "No event in this range matches the filters.", values(filter, by, 15)).size(6, 8)
	return p.override(
		byName(by).set("links", dataLink("Search for it", toEvents(by, "${__value.raw:percentencode}"))).set("noValue", "(none)"),
		byName("events").set("custom.cellOptions", bar).set("min", 0).set("custom.width", 150).set("color", fixed(colourPlain)),
	)
}

// identityTable shows identities; a row leads to what is known of one, and to its
// last insight.
func identityTable(title, description, none string, q Query) Panel {
	return table(title, description, none, q).
		columns("identity", "class", "risk", "activeInsights", "lastInsightSeverity", "lastInsightSummary", "lastInsight", "kind", "events", "errorShare", "account", "lastSeen", "lastInsightId").
		override(identityColumns()...)
}

// identityColumns are the looks of the columns of identities.
func identityColumns() []override {
	return []override{
		byName("identity").set("links", dataLink("Open the identity", toIdentity())).set("custom.minWidth", 240),
		byName("class").set("custom.cellOptions", pill).set("custom.width", 110).set("custom.align", "center"),
		byName("risk").set("custom.cellOptions", bar).set("min", 0).set("decimals", 0).set("custom.width", 110).set("color", fixed(colourHigh)),
		byName("activeInsights").set("displayName", "active").set("custom.width", 80).set("color", object{"mode": "thresholds"}).
			set("thresholds", thresholds(colourGood, 1, colourCritical)).set("custom.cellOptions", object{"type": "color-text"}),
		byName("lastInsightSeverity").set("displayName", "severity").set("custom.cellOptions", pill).set("custom.width", 85).set("custom.align", "center"),
		byName("lastInsightSummary").set("displayName", "last insight").set("custom.minWidth", 240).
			set("links", dataLink("Open the insight", keep(open(InsightUID, "insight", "${__data.fields.lastInsightId:percentencode}"), "account", "region"))),
		byName("lastInsight").set("displayName", "last insight at").set("custom.width", 165),
		byName("lastSeen").set("displayName", "last seen").set("custom.width", 165),
		byName("firstSeen").set("displayName", "first seen").set("custom.width", 165),
		byName("errorShare").set("displayName", "failed").set("unit", "percentunit").set("decimals", 0).set("custom.width", 80),
		byName("kind").set("custom.width", 110),
		byName("events").set("custom.width", 90),
		byName("account").set("custom.width", 120),
		unseen("lastInsightId"),
	}
}
