package eventlog

import (
	"bytes"
	"slices"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// Filter selects events, in the language of daemon/event/filter. Names are those
// of event.Fields. A field that holds a list satisfies = and =~ where one of its
// values does, and != and !~ where none of them is what must not be; an empty
// list is like one empty value. identity_class, and user_type="Automation" for
// the same, is looked up when the filter is read: it holds for the identities
// that are of that class by now, in any account. A text is looked for in the raw record, upper
// and lower case apart.
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
var filterNames = append(slices.Clone(fieldNames), filter.IdentityClass)

// ParseFilter reads a filter. An empty one selects everything. automated returns
// the identities of the class Automation; it may be nil, and nobody is of it.
func ParseFilter(s string, automated func() map[string]bool) (*Filter, error) {
	cs, err := filter.Parse(s, filterNames)
	if err != nil {
		return nil, err
	}
	f := &Filter{source: s, conditions: make([]condition, 0, len(cs))}
	for _, c := range cs {
		if c.Name == filter.IdentityClass {
			var members map[string]bool
			if automated != nil {
				members = automated()
			}
			among, always := c.Among("identity", filter.Automation, members)
			if always {
				continue
			}
			c = among
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
