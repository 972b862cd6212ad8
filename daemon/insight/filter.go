package insight

import (
	"slices"
	"strconv"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
)

// Field is one thing that insights can be filtered by and listed by. Its name is
// what a reader writes in a filter.
type Field struct {
	Name string
	Help string
	// Value returns the field's value, empty where the insight has none. It is
	// nil where Values is set: for fields that hold a list. identity_class has
	// neither: it is looked up.
	Value  func(*Insight) string
	Values func(*Insight) []string
}

// The words that readers have for states.
const (
	wordActive    = "active"
	wordEnded     = "ended"
	wordWithdrawn = "withdrawn"
)

func stateWord(s State) string {
	switch s {
	case StateStart:
		return wordActive
	case StateEnd:
		return wordEnded
	}
	return wordWithdrawn
}

// fieldState is the field whose condition asks for withdrawn insights too.
const fieldState = "state"

// Fields lists every field that insights can be filtered by, in the order in
// which a reader is shown them.
var Fields = []Field{
	{Name: "type", Help: "the insight type, such as ApiCallRateInsight", Value: func(i *Insight) string { return i.Type }},
	{Name: fieldState, Help: "active, ended or withdrawn; withdrawn ones are left out unless a filter names the state", Value: func(i *Insight) string { return stateWord(i.State) }},
	{Name: "severity", Help: "Low, Medium, High or Critical", Value: func(i *Insight) string { return string(i.Severity) }},
	{Name: "level", Help: "the level of confidence: Low, Medium or High", Value: func(i *Insight) string { return Level(i.Confidence) }},
	{Name: "provider", Help: "aws, azure, alibaba, ibm, gcp, kubernetes", Value: func(i *Insight) string { return i.Provider }},
	{Name: "account", Help: "the account, subscription or project", Value: func(i *Insight) string { return i.Account }},
	{Name: "region", Help: "the provider's region", Value: func(i *Insight) string { return i.Region }},
	{Name: "service", Help: "the provider's name of the service, such as ec2.amazonaws.com", Value: func(i *Insight) string { return i.Service }},
	{Name: filter.Operation, Help: "the API that was called", Value: func(i *Insight) string { return i.Operation }},
	{Name: "object", Help: "what is unusual: service:operation, a key's id, an address, …", Value: func(i *Insight) string { return i.Object }},
	{Name: "identity", Help: "who: the key of a person or workload; empty where it is the account's", Value: func(i *Insight) string { return i.Identity }},
	{Name: "identity_kind", Help: "human, service, role, root, cloud-service or anonymous", Value: func(i *Insight) string { return i.IdentityKind }},
	{Name: "user_type", Help: "the provider's own word for the actor, such as IAMUser", Value: func(i *Insight) string { return i.UserType }},
	{Name: "identity_label", Help: "what the configuration calls the identity: admin, break-glass, ci or data-access", Values: func(i *Insight) []string { return i.IdentityLabels }},
	{Name: filter.IdentityClass, Help: "Automation where the identity behaves like a program; user_type=\"Automation\" is the same"},
	{Name: "ip", Help: "a source address", Values: func(i *Insight) []string { return i.sources(func(s *SourceIP) string { return s.IP }) }},
	{Name: "country", Help: "ISO 3166-1 alpha-2 code of a source address", Values: func(i *Insight) []string { return i.sources(func(s *SourceIP) string { return s.Country }) }},
	{Name: "asn", Help: "autonomous system number of a source address", Values: func(i *Insight) []string {
		return i.sources(func(s *SourceIP) string {
			if s.ASN == 0 {
				return ""
			}
			return strconv.FormatUint(uint64(s.ASN), 10)
		})
	}},
	{Name: "network", Help: "corporate, cloud, hosting, vpn, tor, internal or unknown", Values: func(i *Insight) []string { return i.sources(func(s *SourceIP) string { return s.Network }) }},
	{Name: "credential", Help: "the id of a key that signed the calls", Values: func(i *Insight) []string { return i.AccessKeyIDs }},
	{Name: "resource", Help: "an identifier of a resource that was acted on", Values: func(i *Insight) []string { return i.Resources }},
	{Name: "sensitivity", Help: "the highest sensitivity that the configuration gives a resource: low, medium or high", Value: func(i *Insight) string { return string(i.Sensitivity) }},
	{Name: "kri", Help: "the key risk indicator", Value: func(i *Insight) string { return i.KRI }},
	{Name: "attack", Help: "a MITRE ATT&CK technique, such as T1078.004", Values: func(i *Insight) []string { return i.Attack }},
	{Name: "high_risk", Help: "true where an operation behind it is of the catalogue's highest risk", Value: func(i *Insight) string { return strconv.FormatBool(i.HighRisk) }},
	{Name: "suppressed", Help: "true where a mute, the budget or the like kept it from being notified", Value: func(i *Insight) string { return strconv.FormatBool(i.Suppressed != "") }},
	{Name: "incident", Help: "the id of the incident that it is part of", Value: func(i *Insight) string { return i.Incident }},
	{Name: "id", Help: "the insight's id", Value: func(i *Insight) string { return i.ID }},
}

// FieldByName returns the field of that name.
func FieldByName(name string) (*Field, bool) {
	for n := range Fields {
		if Fields[n].Name == name {
			return &Fields[n], true
		}
	}
	return nil, false
}

// FieldNames are the names of all fields.
func FieldNames() []string {
	out := make([]string, len(Fields))
	for n, f := range Fields {
		out[n] = f.Name
	}
	return out
}

// sources returns what the addresses behind the insight have of one kind, each
// once.
func (i *Insight) sources(of func(*SourceIP) string) []string {
	var out []string
	for n := range i.SourceIPs {
		if v := of(&i.SourceIPs[n]); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// ClassOf looks up the class of an identity as it is now; empty where it has
// none. It is safe for concurrent use. Nil knows of none.
type ClassOf func(stream event.StreamKey, identity string) string

func (c ClassOf) of(i *Insight) string {
	if c == nil || i.Identity == "" {
		return ""
	}
	return c(event.StreamKey{Provider: i.Provider, Account: i.Account}, i.Identity)
}

// all returns the field's values.
func (f *Field) all(i *Insight, classOf ClassOf) []string {
	switch {
	case f.Values != nil:
		return f.Values(i)
	case f.Value != nil:
		return []string{f.Value(i)}
	}
	return []string{classOf.of(i)}
}

// Filter selects insights, in the language of daemon/event/filter. Names are
// those of Fields. A field that holds a list satisfies = and =~ where one of its
// values does, and != and !~ where none of them is what must not be. A text is
// looked for in what the insight says, without regard to case. A Filter is safe
// for concurrent use, and nil selects everything.
type Filter struct {
	conditions []condition
	classOf    ClassOf
}

// condition is one term of a filter. The text of one without a field is in lower
// case.
type condition struct {
	filter.Condition
	field *Field
}

// ParseFilter reads a filter. An empty one selects everything.
func ParseFilter(s string, classOf ClassOf) (*Filter, error) {
	cs, err := filter.Parse(s, FieldNames())
	if err != nil {
		return nil, err
	}
	f := &Filter{conditions: make([]condition, len(cs)), classOf: classOf}
	for n, c := range cs {
		if c.Name == "" {
			c.Value = strings.ToLower(c.Value)
		}
		f.conditions[n].Condition = c
		f.conditions[n].field, _ = FieldByName(c.Name)
	}
	return f, nil
}

// Match reports whether an insight satisfies the filter.
func (f *Filter) Match(i *Insight) bool {
	if f == nil {
		return true
	}
	azure := i.Provider == "azure"
	for n := range f.conditions {
		c := &f.conditions[n]
		var is bool
		switch {
		case c.field == nil:
			is = i.mentions(c.Value)
		case c.field.Value == nil && c.field.Values == nil:
			is = c.Accepts(f.classOf.of(i), azure)
		case c.field.Values != nil:
			is = c.AcceptsAny(c.field.Values(i), azure)
		default:
			is = c.Accepts(c.field.Value(i), azure)
		}
		if is == c.Op.Negative() {
			return false
		}
	}
	return true
}

// names reports whether the filter has a condition on a field.
func (f *Filter) names(field string) bool {
	return f != nil && slices.ContainsFunc(f.conditions, func(c condition) bool { return c.Name == field })
}

// equal returns the value that a field has to have, empty where the filter
// leaves it open.
func (f *Filter) equal(field string) string {
	if f == nil {
		return ""
	}
	for _, c := range f.conditions {
		if c.Name == field && c.Op == filter.Equal {
			return c.Value
		}
	}
	return ""
}
