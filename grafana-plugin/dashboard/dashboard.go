package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// SchemaVersion is the one of Grafana 10.4, the oldest that the plugin runs in;
// newer ones migrate it as they load it.
const SchemaVersion = 39

// PluginID is the id of the datasource's plugin.
const PluginID = "insightd-insightd-datasource"

// UID is the uid of the datasource in the examples of provisioning.
const UID = "insightd"

// The uids of the dashboards: links of the plugin, of alert rules and of users'
// own dashboards point to them, so they stay.
const (
	OverviewUID = "insightd-overview"
	InsightUID  = "insightd-insight"
	IdentityUID = "insightd-identity"
	ActivityUID = "insightd-activity"
	KRIUID      = "insightd-kri"
	ItselfUID   = "insightd-itself"
)

// Dashboard is one of them.
type Dashboard struct {
	// UID is also the name of its file.
	UID         string
	Title       string
	Description string
	// From is the start of the range that it opens with.
	From    string
	Refresh string
	// Variables in the order in which they are shown.
	Variables []Variable
	// Annotated has active insights drawn over its time series.
	Annotated bool
	Rows      []Row
}

// Row is a heading with panels under it, which flow from left to right.
type Row struct {
	Title     string
	Collapsed bool
	// Repeat is the variable for each of whose values the row is there once.
	Repeat string
	Panels []Panel
}

// All gives every dashboard, in the order in which plugin.json lists them.
func All() []Dashboard {
	return []Dashboard{overview(), insight(), identity(), activity(), kri(), itself()}
}

// object is a part of Grafana's JSON that no code of ours looks into.
type object map[string]any

// Import encodes a dashboard as it is imported: whoever imports it chooses the
// datasource.
func (d Dashboard) Import() ([]byte, error) {
	o := d.encode("${DS_INSIGHTD}")
	o["__inputs"] = []object{{
		"name": "DS_INSIGHTD", "label": "insightd", "description": "The insightd whose insights and events are shown.",
		"type": "datasource", "pluginId": PluginID, "pluginName": "insightd",
	}}
	o["__elements"] = object{}
	o["__requires"] = d.requires()
	return indent(o)
}

// Provisioned encodes a dashboard for a folder that Grafana reads: nobody is
// there to choose, so the datasource is named by its uid.
func (d Dashboard) Provisioned() ([]byte, error) {
	return indent(d.encode(UID))
}

// requires lists the plugins that the dashboard needs, as an export does.
func (d Dashboard) requires() []object {
	r := []object{
		{"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0"},
		{"type": "datasource", "id": PluginID, "name": "insightd", "version": "0.1.0"},
	}
	seen := map[string]bool{}
	for _, row := range d.Rows {
		for _, p := range row.Panels {
			if !seen[p.Kind] {
				seen[p.Kind] = true
				r = append(r, object{"type": "panel", "id": p.Kind, "name": p.Kind, "version": ""})
			}
		}
	}
	return r
}

// encode gives the dashboard in Grafana's form; ds is the uid of its datasource.
func (d Dashboard) encode(ds string) object {
	source := object{"type": PluginID, "uid": ds}
	var variables []object
	for _, v := range d.Variables {
		variables = append(variables, v.encode(source))
	}
	annotations := []object{{
		"builtIn": 1, "datasource": object{"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
		"iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
	}}
	if d.Annotated {
		annotations = append(annotations, object{
			"datasource": source, "enable": true, "hide": false, "iconColor": string(colourHigh), "name": "Insights",
			"filter": object{"exclude": true, "ids": d.unannotated()},
			"target": Query{RefID: "Anno", QueryType: "insights", Format: "annotations", Filter: d.insightFilter(), Limit: 200}.encode(source),
		})
	}
	o := object{
		"id": nil, "uid": d.UID, "title": d.Title, "description": d.Description,
		"tags": []string{"insightd"}, "schemaVersion": SchemaVersion, "version": 1, "editable": true,
		"graphTooltip": 1, "fiscalYearStartMonth": 0, "liveNow": false, "weekStart": "", "timezone": "browser",
		"time": object{"from": d.From, "to": "now"}, "refresh": d.Refresh, "timepicker": object{},
		"templating": object{"list": variables}, "annotations": object{"list": annotations},
		"links": []object{{
			"title": "insightd", "type": "dashboards", "tags": []string{"insightd"}, "asDropdown": false,
			"includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
		}},
		"panels": d.panels(source),
	}
	return o
}

// unannotated gives the ids of the panels that have no time axis.
func (d Dashboard) unannotated() []int {
	ids := []int{}
	d.each(func(id int, p Panel) {
		if p.Kind != "timeseries" {
			ids = append(ids, id)
		}
	})
	return ids
}

// insightFilter is what annotations are bound to: the variables that every
// dashboard with annotations has.
func (d Dashboard) insightFilter() string {
	f := ""
	for _, v := range d.Variables {
		switch v.Name {
		case "account", "region":
			f += fmt.Sprintf("%s=~\"$%s\" ", v.Name, v.Name)
		case "identity":
			f += "identity=\"$identity\" "
		}
	}
	if f != "" {
		f = f[:len(f)-1]
	}
	return f
}

// each calls f with every panel and its id. Ids follow the order, rows included.
func (d Dashboard) each(f func(id int, p Panel)) {
	id := 0
	for _, row := range d.Rows {
		if row.Title != "" {
			id++
		}
		for _, p := range row.Panels {
			id++
			f(id, p)
		}
	}
}

// panels places the panels on Grafana's grid of 24 columns.
func (d Dashboard) panels(source object) []object {
	out := []object{}
	id, y := 0, 0
	for _, row := range d.Rows {
		var head object
		if row.Title != "" {
			id++
			head = object{
				"id": id, "type": "row", "title": row.Title, "collapsed": row.Collapsed, "panels": []object{},
				"gridPos": object{"x": 0, "y": y, "w": 24, "h": 1},
			}
			if row.Repeat != "" {
				head["repeat"], head["repeatDirection"] = row.Repeat, "h"
			}
			out = append(out, head)
			y++
		}
		x, high := 0, 0
		for _, p := range row.Panels {
			id++
			if x+p.W > 24 {
				x, y, high = 0, y+high, 0
			}
			o := p.encode(source)
			o["id"], o["gridPos"] = id, object{"x": x, "y": y, "w": p.W, "h": p.H}
			if row.Collapsed {
				head["panels"] = append(head["panels"].([]object), o)
			} else {
				out = append(out, o)
			}
			x, high = x+p.W, max(high, p.H)
		}
		y += high
	}
	return out
}

// indent encodes with sorted keys, so that the same dashboard is the same file.
func indent(o object) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(o); err != nil {
		return nil, fmt.Errorf("encoding a dashboard: %w", err)
	}
	return b.Bytes(), nil
}
