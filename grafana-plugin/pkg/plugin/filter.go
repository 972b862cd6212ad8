package plugin

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Filter is an ad-hoc filter: what a click on ± in Explore, or the bar of
// filters of a dashboard, adds.
type Filter struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	Values   []string `json:"values"`
}

// The operators with several values are Grafana's: one of them, none of them.
const (
	opOneOf  = "=|"
	opNoneOf = "!=|"
)

var (
	filterOperators = []string{"=", "!=", "=~", "!~", opOneOf, opNoneOf}
	filterName      = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// listed are the labels under which a log line has the further values of a
	// field that holds a list.
	listed = regexp.MustCompile(`^(resource|class|ip|country|network|credential|attack)_\d+$`)
)

func (f *Filter) check() error {
	f.Key = strings.TrimSpace(f.Key)
	if listed.MatchString(f.Key) {
		f.Key = f.Key[:strings.LastIndexByte(f.Key, '_')]
	}
	if !filterName.MatchString(f.Key) {
		return wrongf("cannot filter by %q: it is no name of a field", f.Key)
	}
	if f.Operator == "" {
		f.Operator = "="
	}
	if !slices.Contains(filterOperators, f.Operator) {
		return wrongf("unknown operator %q of the filter for %s: it is one of %s", f.Operator, f.Key, strings.Join(filterOperators, " "))
	}
	return nil
}

// matcher makes one of the four operators of matchers out of the six.
func (f *Filter) matcher() (op, value string) {
	several := func() string {
		vs := f.Values
		if len(vs) == 0 {
			vs = []string{f.Value}
		}
		quoted := make([]string, len(vs))
		for n, v := range vs {
			quoted[n] = regexp.QuoteMeta(v)
		}
		return strings.Join(quoted, "|")
	}
	switch f.Operator {
	case opOneOf:
		return "=~", several()
	case opNoneOf:
		return "!~", several()
	}
	return f.Operator, f.Value
}

// condition writes a condition of the filter language.
func condition(name, op, value string) string { return name + op + strconv.Quote(value) }

// oneOf writes the condition that a field has one of some values; none is no
// condition.
func oneOf(name string, values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return condition(name, "=", values[0])
	}
	f := Filter{Key: name, Operator: opOneOf, Values: values}
	op, value := f.matcher()
	return condition(name, op, value)
}

// filter joins the filter of the query, its ad-hoc filters and more conditions.
func (r *request) filter(more ...string) string {
	parts := make([]string, 0, len(r.Filters)+len(more)+1)
	own := strings.TrimSpace(r.Filter)
	if strings.HasPrefix(own, "{") && strings.HasSuffix(own, "}") {
		own = strings.TrimSpace(own[1 : len(own)-1])
	}
	parts = append(parts, strings.TrimSuffix(own, ","))
	for n := range r.Filters {
		f := &r.Filters[n]
		op, value := f.matcher()
		parts = append(parts, condition(f.Key, op, value))
	}
	parts = append(parts, more...)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

var matchTypes = map[string]labels.MatchType{
	"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp,
}

// matchers makes matchers of the ad-hoc filters.
func (r *request) matchers() ([]*labels.Matcher, error) {
	ms := make([]*labels.Matcher, 0, len(r.Filters))
	for n := range r.Filters {
		f := &r.Filters[n]
		op, value := f.matcher()
		m, err := labels.NewMatcher(matchTypes[op], f.Key, value)
		if err != nil {
			return nil, wrongf("the filter for %s: %v", f.Key, err)
		}
		ms = append(ms, m)
	}
	return ms, nil
}
