// Package event holds the vocabulary of the line: the Event that every room
// speaks of, the questions that can be asked of stored events, and one decoder
// a provider that turns records into events.
//
// The package is a leaf: it imports nothing of ours. Field names follow OCSF
// API Activity (class 6003); the names under which a reader filters or graphs
// are in fields.go.
package event

import (
	"net/netip"
	"strings"
	"time"
)

// Event is one call that somebody made to a cloud's API, or that a cloud
// reported of itself.
//
// The strings of an event that comes from a decoder may share memory with Raw.
// They are never written to, but whoever keeps one for longer than the event
// keeps a clone (strings.Clone), or the whole buffer lives as long.
type Event struct {
	// UID is the key of de-duplication within Provider and Account: CloudTrail's
	// eventID, or a hash of the raw record where there is none.
	UID string
	// Time is when the call was made, in UTC.
	Time time.Time
	// Received is when this daemon first saw the event, in UTC.
	Received time.Time
	// Seq is the event's position in the event log. It is 0 until it is stored.
	Seq uint64
	// Late is set by the event log where the event came after its stream's
	// watermark had passed its time. It is not stored.
	Late bool

	Provider  string
	Account   string
	Region    string
	Service   string
	Operation string
	Category  Category
	Access    Access
	Outcome   Outcome
	// ErrorCode is the provider's own code, empty on success.
	ErrorCode    string
	ErrorMessage string

	Actor  Actor
	Source Source

	UserAgent string
	// AgentFamily is UserAgent without versions and platform, such as "aws-cli".
	AgentFamily string
	Resources   []string

	// Class is what kinds of operation the catalogue says it is, such as
	// "policy_change", with a space between where it is of several; empty where
	// the catalogue does not know it.
	Class string
	// Risk is the catalogue's risk tier, 0 (unknown or harmless) to 3.
	Risk uint8

	// Amends is the UID of the event that this one, an addendum, corrects.
	Amends string

	// Raw is the record as it came.
	Raw []byte
}

// Actor says who made a call. Decoders fill the provider's own words; enrich
// decides Identity and Kind from them.
type Actor struct {
	// Identity is the key under which a person or a workload is known, within
	// Provider and Account.
	Identity string
	Kind     Kind
	// RawType is the provider's own word: IAMUser, AssumedRole, ….
	RawType string
	// Session is the name of the session, such as the last part of an
	// assumed-role ARN.
	Session string
	// Credential is the id of the key that signed the call.
	Credential string
	MFA        bool

	// What follows is what the provider said, and is not stored in columns.

	Name        string // userName
	ARN         string // arn
	PrincipalID string // principalId
	AccountID   string // accountId of the caller
	InvokedBy   string // invokedBy
	Issuer      string // ARN of the session issuer
	IDProvider  string // identityProvider
	OnBehalfOf  string // onBehalfOf.userId
	Console     bool   // the session came from the console's sign-in
}

// Source says where a call came from.
type Source struct {
	// Address is the address as the provider gave it. It may be a host name or
	// "AWS Internal"; IP is valid only where it is an address.
	Address string
	IP      netip.Addr
	// Country is the ISO 3166-1 alpha-2 code, or empty.
	Country string
	ASN     uint32
	Network Network
}

// Call reports whether the event counts as a call of an API by somebody.
// Insight records, addenda and records of progress are kept and searchable, but
// are no calls.
func (e *Event) Call() bool {
	return e.Category != CategoryInsight && e.Category != CategoryProgress && e.Amends == ""
}

// API is the name under which insights speak of an operation:
// "ec2.amazonaws.com:RunInstances".
func (e *Event) API() string { return e.Service + ":" + e.Operation }

// LongLived reports whether a credential is a key that lasts, rather than one of
// a session: keys of AWS' users begin with AKIA and those of sessions with ASIA,
// which EKS has too; Alibaba Cloud's temporary ones begin with STS.
func LongLived(provider, credential string) bool {
	switch provider {
	case providerAWS:
		return len(credential) > 4 && strings.HasPrefix(credential, "AKIA")
	case providerAlibaba:
		return !strings.HasPrefix(credential, "STS.")
	case providerKubernetes:
		return !strings.HasPrefix(credential, "ASIA")
	}
	return true
}
