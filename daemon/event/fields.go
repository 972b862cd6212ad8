package event

import (
	"strconv"
	"strings"
)

// Field is one thing that events can be filtered, counted and listed by. Name
// is what a reader writes in a filter; where the field is a label of a series,
// it is the label's name too.
type Field struct {
	Name string
	Help string
	// Value returns the field's value, empty where the event has none. A field
	// with many values returns the first; Values returns all.
	Value func(*Event) string
	// Values is set for fields that hold a list.
	Values func(*Event) []string
}

// Fields lists every field that can be filtered by, in the order in which a
// reader is shown them. Its order is not part of any format.
var Fields = []Field{
	{Name: "provider", Help: "aws, azure, alibaba, ibm, gcp, kubernetes", Value: func(e *Event) string { return e.Provider }},
	{Name: "account", Help: "the account, subscription or project that was acted in", Value: func(e *Event) string { return e.Account }},
	{Name: "region", Help: "the provider's region", Value: func(e *Event) string { return e.Region }},
	{Name: "service", Help: "the provider's name of the service, such as ec2.amazonaws.com", Value: func(e *Event) string { return e.Service }},
	{Name: "operation", Help: "the API that was called", Value: func(e *Event) string { return e.Operation }},
	{Name: "category", Help: "management, data, insight, network or progress (of a call that another record stands for)", Value: func(e *Event) string { return e.Category.String() }},
	{Name: "access", Help: "read or write", Value: func(e *Event) string { return e.Access.String() }},
	{Name: "outcome", Help: "success or error", Value: func(e *Event) string { return e.Outcome.String() }},
	{Name: "error_code", Help: "the provider's error code, empty on success", Value: func(e *Event) string { return e.ErrorCode }},
	{Name: "identity", Help: "who: the key of a person or workload", Value: func(e *Event) string { return e.Actor.Identity }},
	{Name: "identity_kind", Help: "human, service, role, root, cloud-service or anonymous", Value: func(e *Event) string { return e.Actor.Kind.String() }},
	{Name: "user_type", Help: "the provider's own word for the actor, such as IAMUser", Value: func(e *Event) string { return e.Actor.RawType }},
	{Name: "session", Help: "the session's name", Value: func(e *Event) string { return e.Actor.Session }},
	{Name: "credential", Help: "the id of the key that signed the call", Value: func(e *Event) string { return e.Actor.Credential }},
	{Name: "mfa", Help: "true where the session was opened with a second factor", Value: func(e *Event) string {
		if e.Actor.MFA {
			return "true"
		}
		return "false"
	}},
	{Name: "ip", Help: "the source address as the provider gave it", Value: func(e *Event) string { return e.Source.Address }},
	{Name: "country", Help: "ISO 3166-1 alpha-2 code of the source address", Value: func(e *Event) string { return e.Source.Country }},
	{Name: "asn", Help: "autonomous system number of the source address", Value: func(e *Event) string {
		if e.Source.ASN == 0 {
			return ""
		}
		return strconv.FormatUint(uint64(e.Source.ASN), 10)
	}},
	{Name: "network", Help: "corporate, cloud, hosting, vpn, tor, internal or unknown", Value: func(e *Event) string { return e.Source.Network.String() }},
	{Name: "user_agent", Help: "the user agent as it came", Value: func(e *Event) string { return e.UserAgent }},
	{Name: "user_agent_family", Help: "the user agent without versions, such as aws-cli", Value: func(e *Event) string { return e.AgentFamily }},
	{Name: "resource", Help: "an identifier of a resource that was acted on", Value: func(e *Event) string {
		if len(e.Resources) == 0 {
			return ""
		}
		return e.Resources[0]
	}, Values: func(e *Event) []string { return e.Resources }},
	{Name: "class", Help: "a class that the catalogue gives the operation, such as policy_change", Value: func(e *Event) string {
		first, _, _ := strings.Cut(e.Class, " ")
		return first
	}, Values: func(e *Event) []string { return strings.Fields(e.Class) }},
	{Name: "risk", Help: "the catalogue's risk tier, 0 to 3", Value: func(e *Event) string { return strconv.Itoa(int(e.Risk)) }},
	{Name: "uid", Help: "the event's id", Value: func(e *Event) string { return e.UID }},
}

// FieldByName returns the field of that name.
func FieldByName(name string) (*Field, bool) {
	for i := range Fields {
		if Fields[i].Name == name {
			return &Fields[i], true
		}
	}
	return nil, false
}
