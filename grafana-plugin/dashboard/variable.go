package dashboard

import "strings"

// Variable is one of a dashboard.
type Variable struct {
	Name, Label, Description string
	// Kind is query, custom, textbox, adhoc or constant.
	Kind string
	// Of is what a query variable lists; see VariableQuery in src/types.ts.
	Of object
	// Options of a custom variable, and the text that a textbox begins with.
	Options []string
	Multi   bool
}

// all is the text of the choice of everything.
const all = "$__all"

// list is a variable with the values of one of the lists that ../DESIGN.md names.
func list(of, name, label, description string) Variable {
	return Variable{
		Name: name, Label: label, Description: description, Kind: "query", Multi: true,
		Of: object{"refId": "variable", "list": of},
	}
}

// The variables that dashboards share, so that links between them carry them.
func accountVariable() Variable {
	return list("accounts", "account", "Account", "Accounts, subscriptions or projects that were acted in.")
}

func regionVariable() Variable {
	return list("regions", "region", "Region", "Regions of the provider.")
}

func typeVariable() Variable {
	return list("insightTypes", "type", "Insight type", "Types of insights.")
}

func levelVariable() Variable {
	return Variable{
		Name: "level", Label: "Confidence", Kind: "custom", Multi: true, Options: []string{"High", "Medium", "Low"},
		Description: "Levels of confidence: Medium from 0.5, High from 0.8.",
	}
}

func severityVariable() Variable {
	return Variable{
		Name: "severity", Label: "Severity", Kind: "custom", Multi: true, Options: []string{"Critical", "High", "Medium", "Low"},
		Description: "Severities of insights.",
	}
}

// encode gives the variable in Grafana's form.
func (v Variable) encode(source object) object {
	o := object{
		"name": v.Name, "label": v.Label, "description": v.Description, "type": v.Kind, "hide": 0, "skipUrlSync": false,
	}
	switch v.Kind {
	case "query":
		o["datasource"], o["query"], o["definition"] = source, v.Of, ""
		o["refresh"], o["sort"], o["regex"] = 2, 5, "" // With the range; by the alphabet, without case.
		o["options"] = []object{}
	case "custom":
		o["query"] = strings.Join(v.Options, ",")
		opts := []object{}
		for _, s := range v.Options {
			opts = append(opts, object{"text": s, "value": s, "selected": false})
		}
		o["options"], o["queryValue"] = opts, ""
	case "textbox":
		text := strings.Join(v.Options, "")
		o["query"] = text
		o["options"] = []object{{"text": text, "value": text, "selected": true}}
		o["current"] = object{"text": text, "value": text, "selected": false}
	case "adhoc":
		o["datasource"], o["filters"], o["baseFilters"] = source, []object{}, []object{}
	}
	if v.Kind == "query" || v.Kind == "custom" {
		o["multi"], o["includeAll"] = v.Multi, v.Multi
		o["current"] = object{}
		if v.Multi {
			// A matcher with =~ that takes everything is cheaper than a list of
			// all values, and takes what has none as well.
			o["allValue"] = ".*"
			o["current"] = object{"selected": true, "text": []string{"All"}, "value": []string{all}}
		}
	}
	return o
}
