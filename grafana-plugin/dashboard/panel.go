package dashboard

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Panel is one panel.
type Panel struct {
	// Kind is the id of Grafana's panel plugin.
	Kind  string
	Title string
	// Description says what is seen and what to make of it.
	Description string
	// None says why the panel is empty, where it is.
	None string
	W, H int
	// Targets are named A, B, C in order.
	Targets []Query
	// Interval is the least step, for instance "1m": a count stands for a minute.
	Interval   string
	MaxPoints  int
	Transforms []object
	Links      []object

	options   object
	defaults  object
	overrides []override
}

// override changes the fields that it matches.
type override struct {
	matcher    object
	properties []object
}

// byName matches the field of a name.
func byName(name string) override {
	return override{matcher: object{"id": "byName", "options": name}}
}

// byPattern matches fields by a regular expression over their names.
func byPattern(re string) override {
	return override{matcher: object{"id": "byRegexp", "options": re}}
}

// set adds a property.
func (o override) set(id string, value any) override {
	o.properties = append(slices.Clip(o.properties), object{"id": id, "value": value})
	return o
}

// encode gives the panel in Grafana's form, without its place.
func (p Panel) encode(source object) object {
	var targets []object
	for i, q := range p.Targets {
		q.RefID = string(rune('A' + i))
		targets = append(targets, q.encode(source))
	}
	defaults := object{"noValue": p.None}
	maps.Copy(defaults, p.defaults)
	overrides := []object{}
	for _, o := range p.overrides {
		overrides = append(overrides, object{"matcher": o.matcher, "properties": o.properties})
	}
	o := object{
		"type": p.Kind, "title": p.Title, "description": p.Description, "datasource": source,
		"targets": targets, "options": p.options, "pluginVersion": "10.4.0",
		"fieldConfig": object{"defaults": defaults, "overrides": overrides},
	}
	if p.Interval != "" {
		o["interval"] = p.Interval
	}
	if p.MaxPoints > 0 {
		o["maxDataPoints"] = p.MaxPoints
	}
	if len(p.Transforms) > 0 {
		o["transformations"] = p.Transforms
	}
	if len(p.Links) > 0 {
		o["links"] = p.Links
	}
	return o
}

// reduce is how a panel makes one value of a field.
func reduce(calc string) object {
	return object{"calcs": []string{calc}, "fields": "", "values": false}
}

// stat shows one number; calc makes it of the series.
func stat(title, description, none, calc string, q Query) Panel {
	return Panel{
		Kind: "stat", Title: title, Description: description, None: none, W: 4, H: 4, Targets: []Query{q}, Interval: "1m",
		options: object{
			"reduceOptions": reduce(calc), "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
			"orientation": "auto", "textMode": "auto", "wideLayout": true, "showPercentChange": false,
		},
		defaults: object{"color": object{"mode": "thresholds"}, "thresholds": thresholds(colourPlain), "unit": "short"},
	}
}

// timeseries shows series over time.
func timeseries(title, description, none string, qs ...Query) Panel {
	return Panel{
		Kind: "timeseries", Title: title, Description: description, None: none, W: 12, H: 8, Targets: qs, Interval: "1m",
		options: object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		},
		defaults: object{
			"color": object{"mode": "palette-classic"}, "unit": "short", "min": 0,
			"custom": object{
				"drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 10,
				"showPoints": "auto", "pointSize": 5, "spanNulls": false, "axisBorderShow": false,
				"stacking": object{"mode": "none", "group": "A"}, "thresholdsStyle": object{"mode": "off"},
			},
		},
	}
}

// bars has a time series show counts: stacked bars.
func (p Panel) bars() Panel {
	custom := maps.Clone(p.defaults["custom"].(object))
	custom["drawStyle"], custom["fillOpacity"], custom["lineWidth"] = "bars", 70, 0
	custom["stacking"] = object{"mode": "normal", "group": "A"}
	return p.with("custom", custom)
}

// table shows rows.
func table(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "table", Title: title, Description: description, None: none, W: 24, H: 9, Targets: []Query{q},
		options: object{
			"showHeader": true, "cellHeight": "sm",
			"footer": object{"show": false, "countRows": false, "reducer": []string{"sum"}, "fields": ""},
		},
		defaults: object{"custom": object{"align": "auto", "cellOptions": object{"type": "auto"}, "filterable": true, "inspect": false}},
	}
}

// gauges shows one bar a field or row.
func gauges(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "bargauge", Title: title, Description: description, None: none, W: 6, H: 8, Targets: []Query{q}, Interval: "1m",
		options: object{
			"reduceOptions": reduce("lastNotNull"), "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": true,
			"valueMode": "color", "namePlacement": "auto", "minVizHeight": 16, "minVizWidth": 8, "maxVizHeight": 300, "sizing": "auto",
		},
		defaults: object{"color": object{"mode": "palette-classic"}, "min": 0, "unit": "short"},
	}
}

// world shows countries or coordinates. Its ground is a file of outlines that
// Grafana brings along: no tile server is asked, so it works without internet,
// and nobody learns where one looks.
func world(title, description, none string, layers []layer, qs ...Query) Panel {
	var ls []object
	for _, l := range layers {
		ls = append(ls, l.encode())
	}
	return Panel{
		Kind: "geomap", Title: title, Description: description, None: none, W: 12, H: 12, Targets: qs,
		options: object{
			"basemap": object{"type": "geojson", "name": "Countries", "config": object{
				"src": "public/maps/countries.geojson", "rules": []object{},
				"style": object{"color": object{"fixed": string(colourMute)}, "opacity": 0.2, "lineWidth": 1},
			}},
			"layers":   ls,
			"controls": object{"mouseWheelZoom": true, "showZoom": true, "showAttribution": false, "showScale": false, "showMeasure": false, "showDebug": false},
			"tooltip":  object{"mode": "details"},
			"view":     object{"id": "zero", "lat": 20, "lon": 0, "zoom": 1.5, "allLayers": true, "noRepeat": true},
		},
		defaults: object{"color": object{"mode": "thresholds"}, "thresholds": thresholds(colourPlain), "unit": "short"},
	}
}

// layer is one layer of markers, found by Grafana's Auto mode: by the field
// lookup, or by latitude and longitude.
type layer struct {
	// name is shown, target is the letter of the query that it draws.
	name, target string
	// size and colour are fields.
	size, colour string
	opacity      float64
}

func (l layer) encode() object {
	return object{
		"type": "markers", "name": l.name, "tooltip": true, "location": object{"mode": "auto"},
		"filterData": object{"id": "byRefId", "options": l.target},
		"config": object{
			"showLegend": true,
			"style": object{
				"color": object{"field": l.colour, "fixed": string(colourPlain)}, "opacity": l.opacity,
				"size":        object{"field": l.size, "fixed": 6, "min": 4, "max": 28},
				"symbol":      object{"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
				"symbolAlign": object{"horizontal": "center", "vertical": "center"},
				"textConfig":  object{"fontSize": 12, "offsetX": 0, "offsetY": 0, "textAlign": "center", "textBaseline": "middle"},
				"rotation":    object{"fixed": 0, "min": -360, "max": 360, "mode": "mod"},
			},
		},
	}
}

// logs shows log lines.
func logs(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "logs", Title: title, Description: description, None: none, W: 24, H: 16, Targets: []Query{q},
		options: object{
			"showTime": true, "showLabels": false, "showCommonLabels": false, "wrapLogMessage": false, "prettifyLogMessage": false,
			"enableLogDetails": true, "dedupStrategy": "none", "sortOrder": "Descending",
		},
	}
}

// timeline shows what went on when, one line a name.
func timeline(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "state-timeline", Title: title, Description: description, None: none, W: 24, H: 8, Targets: []Query{q},
		options: object{
			"mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.8,
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": object{"mode": "single", "sort": "none"},
		},
		defaults: object{
			"color": object{"mode": "thresholds"}, "thresholds": thresholds(colourPlain), "mappings": severityMapping(),
			"custom": object{"fillOpacity": 80, "lineWidth": 0, "spanNulls": false},
		},
	}
}

// size changes how much room a panel takes.
func (p Panel) size(w, h int) Panel {
	p.W, p.H = w, h
	return p
}

// with sets a default of all fields.
func (p Panel) with(key string, value any) Panel {
	d := maps.Clone(p.defaults)
	d[key] = value
	p.defaults = d
	return p
}

// option sets an option of the panel.
func (p Panel) option(key string, value any) Panel {
	d := maps.Clone(p.options)
	d[key] = value
	p.options = d
	return p
}

// unit sets the unit of all fields.
func (p Panel) unit(u string) Panel { return p.with("unit", u) }

// steps colours values by thresholds.
func (p Panel) steps(t object) Panel {
	return p.with("thresholds", t).with("color", object{"mode": "thresholds"})
}

// override adds overrides.
func (p Panel) override(os ...override) Panel {
	p.overrides = append(slices.Clip(p.overrides), os...)
	return p
}

// transform adds a transformation of Grafana's.
func (p Panel) transform(id string, options object) Panel {
	p.Transforms = append(slices.Clip(p.Transforms), object{"id": id, "options": options})
	return p
}

// columns shows these columns, in this order, under their own names, and none of
// the others. Frames bring more than a panel has room for.
func (p Panel) columns(names ...string) Panel {
	index := object{}
	for i, n := range names {
		index[n] = i
	}
	return p.transform("filterFieldsByName", object{"include": object{"names": names}}).
		transform("organize", object{"indexByName": index, "excludeByName": object{}, "renameByName": object{}})
}

// link adds a link of the panel.
func (p Panel) link(title, url string) Panel {
	p.Links = append(slices.Clip(p.Links), object{"title": title, "url": url, "targetBlank": false})
	return p
}

// open is the address of another dashboard, with the range and variables.
func open(uid string, variables ...string) string {
	parts := []string{"/d/" + uid + "/?${__url_time_range}"}
	for i := 0; i+1 < len(variables); i += 2 {
		parts = append(parts, "var-"+variables[i]+"="+variables[i+1])
	}
	return strings.Join(parts, "&")
}

// keep gives variables of the dashboard on in a link.
func keep(url string, names ...string) string {
	for _, n := range names {
		url += fmt.Sprintf("&${%s:queryparam}", n)
	}
	return url
}

// dataLink is one that is there on every value of a field.
func dataLink(title, url string) []object {
	return []object{{"title": title, "url": url, "targetBlank": false}}
}

// dashed draws the steps of the thresholds as dashed lines.
func (p Panel) dashed() Panel {
	custom := maps.Clone(p.defaults["custom"].(object))
	custom["thresholdsStyle"] = object{"mode": "dashed"}
	return p.with("custom", custom)
}

// donut shows shares of a whole.
func donut(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "piechart", Title: title, Description: description, None: none, W: 6, H: 8, Targets: []Query{q},
		options: object{
			"reduceOptions": reduce("lastNotNull"), "pieType": "donut", "displayLabels": []string{"value"},
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "values": []string{}},
			"tooltip": object{"mode": "single", "sort": "none"},
		},
		defaults: object{"color": object{"mode": "palette-classic"}, "unit": "short"},
	}
}

// counting has a panel of single values show how many rows of a table have each
// value of a column: the rows are grouped, and each group becomes a field.
func (p Panel) counting(column string) Panel {
	return p.transform("groupBy", object{"fields": object{
		column: object{"operation": "groupby", "aggregations": []string{}},
		"id":   object{"operation": "aggregate", "aggregations": []string{"count"}},
	}}).transform("rowsToFields", object{"mappings": []object{
		{"fieldName": column, "handlerKey": "field.name"}, {"fieldName": "id (count)", "handlerKey": "field.value"},
	}})
}

// band draws observed, expected, lower and upper: the room between the bounds is
// filled, and the bounds themselves are not drawn. Where a query gives several
// bands the backend names them apart, and what each fills to.
func (p Panel) band() Panel {
	return p.override(
		byPattern("^observed").set("color", fixed(colourHigh)),
		byPattern("^expected").set("color", fixed(colourGood)),
		byPattern("^lower").set("color", fixed(colourMute)).set("custom.hideFrom", object{"legend": true, "tooltip": false, "viz": false}),
		byPattern("^upper").set("color", fixed(colourMute)),
		byName("upper").set("custom.fillBelowTo", "lower").set("custom.fillOpacity", 15).set("custom.lineWidth", 0),
		byName("lower").set("custom.fillOpacity", 0).set("custom.lineWidth", 0),
	)
}

// fields has a panel of single values show these fields.
func (p Panel) fields(names ...string) Panel {
	r := reduce("lastNotNull")
	r["fields"] = "/^(" + strings.Join(names, "|") + ")$/"
	return p.option("reduceOptions", r).option("textMode", "value_and_name")
}

// columns shows a bar for each row.
func columns(title, description, none string, q Query) Panel {
	return Panel{
		Kind: "barchart", Title: title, Description: description, None: none, W: 12, H: 8, Targets: []Query{q},
		options: object{
			"orientation": "vertical", "xTickLabelRotation": 0, "xTickLabelSpacing": 0, "showValue": "never", "stacking": "none",
			"groupWidth": 0.7, "barWidth": 0.97, "barRadius": 0, "fullHighlight": false, "xField": "hour",
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": []string{}},
			"tooltip": object{"mode": "single", "sort": "none"},
		},
		defaults: object{
			"color": fixed(colourPlain), "min": 0, "unit": "percentunit",
			"custom": object{"fillOpacity": 80, "lineWidth": 0, "axisBorderShow": false},
		},
	}
}
