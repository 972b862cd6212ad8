package eventlog

import (
	"bytes"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// Filter selects events, in the language of daemon/event/filter. Names are those
// of event.Fields. A field that holds a list satisfies = and =~ where one of its
// values does, and != and !~ where none of them is what must not be; an empty
// list is like one empty value. identity_class, and user_type="Automation" for
// the same, is looked up when the filter is read: it holds for the identities
// that are of that class by now, in any account. So is high_risk: it is true of the
// events that are known by now to be first uses of high risk. A text is looked for in
// the raw record, upper and lower case apart.
type Filter struct {
	source     string
	conditions []condition
}

// condition is one term of a filter.
type condition struct {
	filter.Condition
	field *event.Field // Nil for texts.
	// needle and grams are of texts.
	needle []byte
	grams  []uint64
}

// fieldNames are the names of all fields that can be counted and listed by.
var fieldNames = func() []string {
	out := make([]string, len(event.Fields))
	for i, f := range event.Fields {
		out[i] = f.Name
	}
	return out
}()

// filterNames are those that can be filtered by.
var filterNames = append(slices.Clone(fieldNames), filter.IdentityClass, filter.HighRisk)

// Lookups are what filters name and no event has. Each is asked when a filter names
// it, and what it returns is only read. They may be nil, and nothing is of it.
type Lookups struct {
	// Automated returns the identities of the class Automation.
	Automated func() map[string]bool
	// HighRisk returns the ids of the events that are high_risk, within a span of time
	// of which either end may be open.
	HighRisk func(from, to time.Time) map[string]bool
}

// ParseFilter reads a filter. An empty one selects everything. What is looked up is
// good from one time to the other.
func ParseFilter(s string, l Lookups, from, to time.Time) (*Filter, error) {
	cs, err := filter.Parse(s, filterNames)
	if err != nil {
		return nil, err
	}
	f := &Filter{source: s, conditions: make([]condition, 0, len(cs))}
	for _, c := range cs {
		var always bool
		switch c.Name {
		case filter.IdentityClass:
			var members map[string]bool
			if l.Automated != nil {
				members = l.Automated()
			}
			c, always = c.Among("identity", filter.Automation, "", members)
		case filter.HighRisk:
			var members map[string]bool
			if l.HighRisk != nil {
				members = l.HighRisk(from, to)
			}
			c, always = c.Among("uid", filter.True, filter.False, members)
		}
		if always {
			continue
		}
		out := condition{Condition: c}
		if c.Name == "" {
			out.needle, out.grams = []byte(c.Value), gramNeedle(c.Value)
		} else {
			out.field, _ = event.FieldByName(c.Name)
		}
		f.conditions = append(f.conditions, out)
	}
	return f, nil
}

// String returns the filter as it was written.
func (f *Filter) String() string { return f.source }

const providerAzure = "azure"

// Match reports whether an event satisfies the filter.
func (f *Filter) Match(e *event.Event) bool {
	azure := e.Provider == providerAzure
	for i := range f.conditions {
		c := &f.conditions[i]
		var is bool
		switch {
		case c.field == nil:
			is = bytes.Contains(e.Raw, c.needle)
		case c.field.Values != nil:
			is = c.AcceptsAny(c.field.Values(e), azure)
		default:
			is = c.Accepts(c.field.Value(e), azure)
		}
		if is == c.Op.Negative() {
			return false
		}
	}
	return true
}
