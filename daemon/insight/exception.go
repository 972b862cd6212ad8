package insight

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Exception says of what readers need not be told for a time: somebody who owns it
// said so, with a reason and an end. What falls within it is raised, marked as
// suppressed, and counted.
type Exception struct {
	ID     string        `json:"id"`
	Kind   ExceptionKind `json:"kind"`
	Owner  string        `json:"owner"`
	Reason string        `json:"reason"`
	Ticket string        `json:"ticket,omitempty"`
	Scope  Scope         `json:"scope"`
	// By is the token or the user that made it, and Created when, by the clock.
	By      string    `json:"by"`
	Created time.Time `json:"created,omitzero"`
	// Starts and Expires are event times; the latter is no part of it. Where Starts
	// is zero it holds for what becomes final, or arrives, once it is made.
	Starts  time.Time `json:"starts,omitzero"`
	Expires time.Time `json:"expires"`
	// Source is ExceptionFromAPI or ExceptionFromConfiguration.
	Source string `json:"source"`
	// State is one of the states of an exception.
	State     string     `json:"state"`
	DeletedBy string     `json:"deletedBy,omitempty"`
	DeletedAt *time.Time `json:"deletedAt,omitempty"`
	// Swallowed is how many insights it kept from being told, and LastSwallowed when
	// the last of them started.
	Swallowed     uint64     `json:"swallowed"`
	LastSwallowed *time.Time `json:"lastSwallowed,omitempty"`

	// Seq is the position of its record in the event log.
	Seq uint64 `json:"-"`
}

// MaxExceptions bounds the exceptions in force: each is held against every new insight.
const MaxExceptions = 1000

// ExceptionKind says what an exception is for.
type ExceptionKind string

// The kinds of exceptions. They work alike, but for maintenance, which has a start.
const (
	// ExceptionMute is for what is known and not to be heard of for a while.
	ExceptionMute ExceptionKind = "mute"
	// ExceptionAllow is for what is allowed, such as a job of automation.
	ExceptionAllow ExceptionKind = "allow"
	// ExceptionMaintenance is for a window in which much is done.
	ExceptionMaintenance ExceptionKind = "maintenance"
)

// ExceptionKinds lists them.
var ExceptionKinds = []ExceptionKind{ExceptionMute, ExceptionAllow, ExceptionMaintenance}

// Where an exception comes from.
const (
	ExceptionFromAPI           = "api"
	ExceptionFromConfiguration = "configuration"
)

// The states of an exception, by the clock.
const (
	ExceptionScheduled = "scheduled"
	ExceptionActive    = "active"
	ExceptionExpired   = "expired"
	ExceptionDeleted   = "deleted"
)

// ExceptionStates lists them.
var ExceptionStates = []string{ExceptionActive, ExceptionScheduled, ExceptionExpired, ExceptionDeleted}

// Scope says what an exception is of: what has all that is set. Its names are those
// of filters and labels.
type Scope struct {
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account,omitempty"`
	// Identity, Operation ("service:operation") and Rule (its id) are globs.
	Identity  string `json:"identity,omitempty"`
	Operation string `json:"operation,omitempty"`
	Type      string `json:"insight_type,omitempty"`
	Rule      string `json:"rule,omitempty"`
	// Network is a CIDR, an address, or a network class such as corporate.
	Network string `json:"network,omitempty"`
	// Country is an ISO 3166-1 alpha-2 code.
	Country string `json:"country,omitempty"`
	// MaxRate is how many calls a minute there may be; 0 is any number.
	MaxRate float64 `json:"max_rate,omitempty"`
}

const (
	// ExceptionLongest is for how long an exception may be made.
	ExceptionLongest = 366 * 24 * time.Hour
	// ExceptionKept is for how long an exception is listed once it is over.
	ExceptionKept = 90 * 24 * time.Hour
	// exceptionText bounds each text of an exception, in bytes.
	exceptionText = 1000
)

// ErrScope marks an exception that cannot be made.
var ErrScope = errors.New("bad exception")

// ExceptionError says what is wrong with an exception.
type ExceptionError struct {
	// Field is the field's name, with the section before it: scope.network.
	Field string
	// Found is what is there, Expected what has to be, and Do what to do.
	Found, Expected, Do string
}

func (e *ExceptionError) Error() string {
	return fmt.Sprintf("%q: found %s, expected %s; %s", e.Field, e.Found, e.Expected, e.Do)
}

// Unwrap makes it an ErrScope.
func (e *ExceptionError) Unwrap() error { return ErrScope }

// Check reports what is wrong with an exception that is made at a time, nil where
// nothing is.
func (x *Exception) Check(now time.Time) *ExceptionError {
	wrong := func(field, found, expected, do string) *ExceptionError {
		return &ExceptionError{field, found, expected, do}
	}
	from := now
	if x.Starts.After(now) {
		from = x.Starts
	}
	switch {
	case !slices.Contains(ExceptionKinds, x.Kind):
		return wrong("kind", fmt.Sprintf("%q", x.Kind), "mute, allow or maintenance", "say which of them it is")
	case strings.TrimSpace(x.Owner) == "":
		return wrong("owner", "nobody", "who answers for it", "name a person or a team")
	case strings.TrimSpace(x.Reason) == "":
		return wrong("reason", "none", "why it is needed", "write a sentence that somebody understands in a year")
	case x.Expires.IsZero():
		return wrong("expires", "no time", "when it is over", "give a time in RFC 3339, such as 2026-04-01T06:00:00Z, at most 366 days ahead")
	case x.Kind == ExceptionMaintenance && x.Starts.IsZero():
		return wrong("starts", "no time", "when the window begins", "give a time in RFC 3339, such as 2026-04-01T04:00:00Z")
	case !x.Starts.IsZero() && !x.Expires.After(x.Starts):
		return wrong("expires", x.Expires.Format(time.RFC3339), "a time after starts, which is "+x.Starts.Format(time.RFC3339), "correct the one or the other")
	case x.Expires.Sub(from) > ExceptionLongest:
		return wrong("expires", x.Expires.Format(time.RFC3339), "at most 366 days ahead", "choose an earlier time and make it anew when that has come")
	}
	for _, t := range [...]struct{ field, text string }{
		{"owner", x.Owner},
		{"reason", x.Reason},
		{"ticket", x.Ticket},
		{"scope.provider", x.Scope.Provider},
		{"scope.account", x.Scope.Account},
		{"scope.identity", x.Scope.Identity},
		{"scope.operation", x.Scope.Operation},
		{"scope.rule", x.Scope.Rule},
	} {
		if len(t.text) > exceptionText {
			return wrong(t.field, fmt.Sprintf("%d bytes", len(t.text)), fmt.Sprintf("at most %d", exceptionText), "shorten it")
		}
	}
	return x.Scope.check()
}

func (s *Scope) check() *ExceptionError {
	_, _, known := s.network()
	switch {
	case !s.narrows():
		return &ExceptionError{
			"scope", "nothing that narrows it", "at least one of provider, account, identity, operation, insight_type, rule, network and country",
			"say of what it is to be: an exception of everything is none",
		}
	case s.Provider != "" && !slices.Contains(event.Providers(), s.Provider):
		return &ExceptionError{"scope.provider", fmt.Sprintf("%q", s.Provider), "one of " + strings.Join(event.Providers(), ", "), "correct it"}
	case s.Type != "" && !slices.Contains(Types, s.Type):
		return &ExceptionError{"scope.insight_type", fmt.Sprintf("%q", s.Type), "one of " + strings.Join(Types, ", "), "correct it"}
	case s.Operation != "" && !event.Anything(s.Operation) && !strings.ContainsAny(s.Operation, ":*"):
		return &ExceptionError{"scope.operation", fmt.Sprintf("%q", s.Operation), "service:operation, such as s3.amazonaws.com:DeleteBucket or *:DeleteBucket", "put the service before it"}
	case !known:
		return &ExceptionError{"scope.network", fmt.Sprintf("%q", s.Network), "a CIDR such as 198.51.100.0/24, an address, or one of " + strings.Join(networkClasses(), ", "), "correct it"}
	case s.Country != "" && (len(s.Country) != 2 || strings.ToUpper(s.Country) != s.Country):
		return &ExceptionError{"scope.country", fmt.Sprintf("%q", s.Country), "two capital letters, such as DE", "correct it"}
	case s.MaxRate < 0:
		return &ExceptionError{"scope.max_rate", fmt.Sprint(s.MaxRate), "a number of calls a minute above 0", "correct it, or leave it out"}
	}
	return nil
}

// narrows reports whether the scope asks for anything. A rate alone does not.
func (s *Scope) narrows() bool {
	return s.Provider != "" || s.Type != "" || s.Network != "" || s.Country != "" || !event.Anything(s.Account) || s.Narrow()
}

// Narrow reports whether the scope is of certain identities, operations or rules,
// rather than of all that a network, a country or an account does.
func (s *Scope) Narrow() bool {
	return !event.Anything(s.Identity) || !event.Anything(s.Operation) || !event.Anything(s.Rule)
}

// network is the network of the scope: as a prefix or as a class.
func (s *Scope) network() (p netip.Prefix, class string, known bool) {
	if s.Network == "" {
		return p, "", true
	}
	if slices.Contains(networkClasses(), s.Network) {
		return p, s.Network, true
	}
	if a, err := netip.ParseAddr(s.Network); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), "", true
	}
	p, err := netip.ParsePrefix(s.Network)
	return p.Masked(), "", err == nil
}

// networkClasses are the words for classes of networks.
func networkClasses() []string {
	var out []string
	for n := event.NetworkUnknown; n <= event.NetworkInternal; n++ {
		out = append(out, n.String())
	}
	return out
}

// Spread is everything that the events of an insight have that a scope may ask for,
// rather than only the most frequent of it.
type Spread struct {
	Identities, Operations []string
	Sources                []SourceIP
	// Peak is the most events in one minute.
	Peak float64
}

// Spread is what is kept of it: where there were many of something, not all.
func (i *Insight) Spread() Spread {
	x := i.extent()
	out := Spread{Identities: x.Identities, Operations: x.Operations, Sources: i.SourceIPs, Peak: x.Peak}
	for _, a := range i.Attributions {
		if a.Attribute != "userIdentityArn" || i.Identity != "" && i.Type != TypeIP {
			continue
		}
		for _, v := range a.Insight {
			if !slices.Contains(out.Identities, v.Value) {
				out.Identities = append(out.Identities, v.Value)
			}
		}
	}
	return out
}

// About reports whether an insight may fall within the scope, by what it says of
// itself.
func (s *Scope) About(i *Insight) bool {
	rule := ""
	if i.Rule != nil {
		rule = i.Rule.ID
	}
	switch {
	case s.Provider != "" && s.Provider != i.Provider,
		s.Account != "" && !event.Glob(s.Account, i.Account),
		s.Type != "" && s.Type != i.Type,
		s.Rule != "" && (rule == "" || !event.Glob(s.Rule, rule)),
		i.Provider == ProviderSelf,
		// Whoever means break-glass says so.
		rule == RuleBreakGlass && s.Rule != RuleBreakGlass:
		return false
	case s.Identity != "" && i.Identity != "":
		return event.Glob(s.Identity, i.Identity)
	}
	return true
}

// Covers reports whether all that was done falls within the scope, of which
// something About it is known. azure compares operations without case.
func (s *Scope) Covers(x Spread, azure bool) bool {
	if s.MaxRate > 0 && x.Peak > s.MaxRate {
		return false
	}
	fits := func(pattern string, list []string, fold bool) bool {
		if pattern == "" {
			return true
		}
		if fold {
			pattern = strings.ToLower(pattern)
		}
		for _, v := range list {
			if fold {
				v = strings.ToLower(v)
			}
			if !event.Glob(pattern, v) {
				return false
			}
		}
		return len(list) > 0
	}
	if !fits(s.Identity, x.Identities, false) || !fits(s.Operation, x.Operations, azure) {
		return false
	}
	if s.Network == "" && s.Country == "" {
		return true
	}
	prefix, class, _ := s.network()
	for _, src := range x.Sources {
		ip, err := netip.ParseAddr(src.IP)
		switch {
		case s.Country != "" && s.Country != src.Country,
			class != "" && class != cmp.Or(src.Network, event.NetworkUnknown.String()),
			prefix.IsValid() && (err != nil || !prefix.Contains(ip.Unmap())):
			return false
		}
	}
	return len(x.Sources) > 0
}

// Text is what Suppressed says of an insight that falls within the exception.
func (x *Exception) Text() string {
	return fmt.Sprintf("exception %s: %s of %s until %s", x.ID, x.Kind, x.Owner, x.Expires.UTC().Format("2006-01-02T15:04:05Z"))
}

// Holds reports whether the exception is in force at an event time, for what began
// at start.
func (x *Exception) Holds(start, at time.Time) bool {
	return !start.Before(x.Starts) && at.Before(x.Expires)
}

// StateAt is the state of an exception by the clock.
func (x *Exception) StateAt(now time.Time) string {
	switch {
	case x.DeletedAt != nil:
		return ExceptionDeleted
	case !now.Before(x.Expires):
		return ExceptionExpired
	case now.Before(x.Starts):
		return ExceptionScheduled
	}
	return ExceptionActive
}

// Over is when an exception ended, or will.
func (x *Exception) Over() time.Time {
	if x.DeletedAt != nil && x.DeletedAt.Before(x.Expires) {
		return *x.DeletedAt
	}
	return x.Expires
}

// Excepted returns the insights that an exception would have kept from being told:
// the newest, as many as limit says, and how many there are. Its times are left
// out: what matters is what it is of.
func (s *Store) Excepted(x *Exception, limit int) (newest []Insight, count int) {
	o, _ := parseOrder("-start")
	es, err := gather(s.db.Txn(false), indexStart, nil, o, nil, 0, func(i *Insight) bool {
		return i.State != StateWithdrawn && x.Scope.About(i) && x.Scope.Covers(i.Spread(), i.Provider == "azure")
	})
	if err != nil {
		return nil, 0 // The index is there.
	}
	for _, e := range es[:min(limit, len(es))] {
		newest = append(newest, *e.cur)
	}
	return newest, len(es)
}
