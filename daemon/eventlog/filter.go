package eventlog

import (
	"bytes"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// Filter selects events, in the language of daemon/event/filter. Names are those
// of event.Fields. A field that holds a list satisfies = and =~ where one of its
// values does, and != and !~ where none of them is what must not be; an empty
// list is like one empty value. A text is looked for in the raw record, upper
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

// fieldNames are the names of all fields.
var fieldNames = func() []string {
	out := make([]string, len(event.Fields))
	for i, f := range event.Fields {
		out[i] = f.Name
	}
	return out
}()

// ParseFilter reads a filter. An empty one selects everything.
func ParseFilter(s string) (*Filter, error) {
	cs, err := filter.Parse(s, fieldNames)
	if err != nil {
		return nil, err
	}
	f := &Filter{source: s, conditions: make([]condition, len(cs))}
	for i, c := range cs {
		f.conditions[i].Condition = c
		if c.Name == "" {
			f.conditions[i].needle, f.conditions[i].grams = []byte(c.Value), gramNeedle(c.Value)
			continue
		}
		f.conditions[i].field, _ = event.FieldByName(c.Name)
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
