package dashboard

// colour is one that Grafana knows by name, in light and dark themes.
type colour string

// The same thing has the same colour on every dashboard, and those of severity
// and confidence are the ones that the backend gives its fields.
const (
	colourCritical colour = "red"
	colourHigh     colour = "orange"
	colourMedium   colour = "yellow"
	colourLow      colour = "blue"
	colourGood     colour = "green"
	colourPlain    colour = "semi-dark-blue"
	colourMute     colour = "#808080"
)

// severities from the least to the worst, which is the order of sorting too.
var severities = []struct {
	name   string
	colour colour
}{
	{"Low", colourLow}, {"Medium", colourMedium}, {"High", colourHigh}, {"Critical", colourCritical},
}

// types gives every type of insight a colour of its own.
var types = []struct {
	name   string
	colour colour
}{
	{"ApiCallRateInsight", "blue"},
	{"ApiErrorRateInsight", "purple"},
	{"AkInsight", "orange"},
	{"IpInsight", "light-blue"},
	{"PolicyChangeInsight", "yellow"},
	{"PasswordChangeInsight", "light-green"},
	{"TrailConcealmentInsight", "dark-red"},
	{"FirstActionInsight", "green"},
	{"OutOfHoursInsight", "dark-purple"},
	{"RiskInsight", "red"},
	{"ImpossibleTravelInsight", "dark-blue"},
	{"LoginFailureInsight", "dark-orange"},
	{"MassDeletionInsight", "light-red"},
	{"LogGapInsight", "dark-yellow"},
	{"RuleInsight", "dark-green"},
}

// severityMapping colours the words of severities and levels of confidence.
func severityMapping() []object {
	opts := object{}
	for i, s := range severities {
		opts[s.name] = object{"text": s.name, "color": string(s.colour), "index": i}
	}
	return []object{{"type": "value", "options": opts}}
}

// typeMapping colours the names of the types.
func typeMapping() []object {
	opts := object{}
	for i, t := range types {
		opts[t.name] = object{"text": t.name, "color": string(t.colour), "index": i}
	}
	return []object{{"type": "value", "options": opts}}
}

// outcomeMapping colours success and error.
func outcomeMapping() []object {
	return []object{{"type": "value", "options": object{
		"success": object{"text": "success", "color": string(colourGood), "index": 0},
		"error":   object{"text": "error", "color": string(colourCritical), "index": 1},
	}}}
}

// fixed is a colour that depends on nothing.
func fixed(c colour) object { return object{"mode": "fixed", "fixedColor": string(c)} }

// thresholds gives steps of colour: the first one from below, then pairs of a
// value and the colour from there on.
func thresholds(first colour, steps ...any) object {
	s := []object{{"color": string(first), "value": nil}}
	for i := 0; i+1 < len(steps); i += 2 {
		s = append(s, object{"value": steps[i], "color": string(steps[i+1].(colour))})
	}
	return object{"mode": "absolute", "steps": s}
}

// confidenceSteps are those of the levels of confidence.
func confidenceSteps() object {
	return thresholds(colourLow, 0.5, colourMedium, 0.8, colourCritical)
}

// typeOverrides colour series that are named after a type.
func typeOverrides() []override {
	var out []override
	for _, t := range types {
		out = append(out, byName(t.name).set("color", fixed(t.colour)))
	}
	return out
}

// severityOverrides colour fields that are named after a severity.
func severityOverrides() []override {
	var out []override
	for _, s := range severities {
		out = append(out, byName(s.name).set("color", fixed(s.colour)))
	}
	return out
}

// outcomeOverrides colour series that are named after an outcome.
func outcomeOverrides() []override {
	return []override{
		byName("success").set("color", fixed(colourGood)),
		byName("error").set("color", fixed(colourCritical)),
	}
}
