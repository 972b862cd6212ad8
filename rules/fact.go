package rules

import (
	"slices"
	"strings"
	"time"
	"unsafe"
)

// Facts is what rules ask about one event. It is used by one goroutine and only
// while Evaluate runs; the texts that it gives may share memory with the record.
type Facts interface {
	// Time is when the event happened.
	Time() time.Time
	// UID is the event's id. Events of one time are ordered by it.
	UID() string
	// Fact returns a fact that insightd knows of events of every provider, null
	// where the event does not say. Provider is null for a record that is no event
	// of a provider: then fields are looked for in the record, by every rule.
	Fact(f Field) Value
	// Raw returns the record as it came, a JSON object that a decoder has
	// accepted, and nil where there is none. It is asked for only where a rule
	// looks into the record.
	Raw() []byte
}

// Field is a fact that insightd knows of events of every provider.
type Field uint8

// The fields. Their names are those by which events are filtered.
const (
	Provider Field = iota
	Account
	Region
	Service
	Operation
	API
	Category
	Access
	Outcome
	ErrorCode
	ErrorMessage
	Identity
	IdentityKind
	UserName
	UserType
	Session
	Credential
	MFA
	IP
	Country
	ASN
	Network
	UserAgent
	UserAgentFamily
	Resource
	Class
	Risk
	UID
	// FirstUse and DaysUsed say what was known of the call before the event. They
	// are of who keeps such knowledge, and null where nobody does, or where too
	// little is known.
	FirstUse // "account" where nobody of the account made the call before, "identity" where others did
	DaysUsed // on how many days before that of the event the identity made the call
	numFields
)

// fieldNames are the names under which rules speak of fields.
var fieldNames = [numFields]string{
	Provider: "provider", Account: "account", Region: "region", Service: "service",
	Operation: "operation", API: "api", Category: "category", Access: "access", Outcome: "outcome",
	ErrorCode: "error_code", ErrorMessage: "error_message", Identity: "identity",
	IdentityKind: "identity_kind", UserName: "user_name", UserType: "user_type", Session: "session",
	Credential: "credential", MFA: "mfa", IP: "ip", Country: "country", ASN: "asn", Network: "network",
	UserAgent: "user_agent", UserAgentFamily: "user_agent_family", Resource: "resource",
	Class: "class", Risk: "risk", UID: "uid", FirstUse: "first_use", DaysUsed: "days_used",
}

func (f Field) String() string { return fieldNames[f] }

// history reports whether the fact is about what came before the event.
func (f Field) history() bool { return f == FirstUse || f == DaysUsed }

// cadf says which fields stand for names of CADF. Those that IBM's records say
// themselves are read there, and taken from the field for every other provider.
var cadf = map[string]Field{
	"initiator.id":            Identity,
	"initiator.name":          UserName,
	"initiator.host.address":  IP,
	"initiator.host.agent":    UserAgent,
	"reason.reasonCode":       ErrorCode,
	"reason.reasonType":       ErrorCode,
	"reason.reasonForFailure": ErrorMessage,
	"target.id":               Resource,
	"target.name":             Resource,
	"message":                 ErrorMessage,
}

// Facts that are computed.
const (
	factEventTime   = "event_time"
	factTimeOfDay   = "timeOfDay"
	factWeekday     = "weekday"
	factOccurrences = "occurrences"
	factWithInLast  = "withInLast"
	factActions     = "actions"
	factAction      = "action"
	factRecord      = "record"
)

// knownFacts lists every name that is no member of a record, for hints.
var knownFacts = append(slices.Clone(fieldNames[:]),
	factEventTime, factTimeOfDay, factWeekday, factOccurrences, factWithInLast, factActions, factAction, factRecord)

// refKind says where a fact is to be had.
type refKind uint8

const (
	refField  refKind = iota
	refCADF           // in the record of IBM and in one alone, else a field
	refRecord         // in the record
	refEventTime
	refTimeOfDay
	refWeekday
)

// factRef is a fact as a rule names it.
type factRef struct {
	kind refKind
	// text is how findings name it.
	text  string
	field Field
	// member is the member of the record in which it is, empty for the whole.
	member string
	path   *path
	// clock is the time zone of the rule.
	clock *time.Location
	// from and to bound the time of day, in minutes.
	from, to int
	// slot is where the event's value is kept while it is evaluated, for facts
	// behind a path: rules often ask for the same. It counts from 1.
	slot int
}

// costs says how dear it is to look a fact up, for the order of comparisons.
func (r *factRef) costs() int {
	switch {
	case r.path != nil && !r.path.definite:
		return 3
	case r.path != nil || r.kind == refRecord:
		return 2
	case r.kind == refCADF:
		return 1
	}
	return 0
}

// slots gives the same slot to facts that are the same.
type slots map[string]int

func (s slots) assign(r *factRef) {
	if r.path == nil {
		return
	}
	key := string([]byte{byte(r.kind), byte(r.field)}) + r.member + "\x00" + r.path.text
	if s[key] == 0 {
		s[key] = len(s) + 1
	}
	r.slot = s[key]
}

// context is what is known of the event that is evaluated. It is used again and
// again by one State.
type context struct {
	facts    Facts
	provider string
	// plain is set where the facts are no event of a provider, but a record alone:
	// what is a field otherwise stands in it.
	plain   bool
	members []recordMember
	raw     string
	read    bool
	// kept are the values of slots, each of the event whose turn it says.
	kept []keptValue
	turn uint64
	// used are the slots that have a value of this event.
	used []int
	// whole, left and right are what is looked up and compared right now. They
	// are here since comparisons take pointers.
	whole, left, right Value
}

type keptValue struct {
	turn  uint64
	value Value
}

type recordMember struct{ key, value string }

// release lets go of the event.
func (c *context) release() {
	clear(c.members)
	for _, slot := range c.used {
		c.kept[slot] = keptValue{}
	}
	*c = context{members: c.members[:0], kept: c.kept, turn: c.turn, used: c.used[:0]}
}

func (c *context) reset(f Facts, slots int) {
	if len(c.kept) <= slots {
		c.kept = make([]keptValue, slots+1)
	}
	*c = context{facts: f, members: c.members[:0], kept: c.kept, turn: c.turn + 1}
	p := f.Fact(Provider)
	c.provider, c.plain = p.text, p.kind == kindNull
}

// record reads where the members of the record are, once an event.
func (c *context) record() {
	if c.read {
		return
	}
	c.read = true
	if raw := c.facts.Raw(); len(raw) > 0 {
		c.raw = unsafe.String(&raw[0], len(raw))
		eachMember(c.raw, func(key, value string) bool {
			c.members = append(c.members, recordMember{key, value})
			return true
		})
	}
}

// member returns a member of the record, or all of it.
func (c *context) member(name string) Value {
	c.record()
	if name == "" {
		return valueOf(c.raw[skipSpace(c.raw, 0):])
	}
	for i := range c.members {
		if sameKey(c.members[i].key, name) {
			return valueOf(c.members[i].value)
		}
	}
	return Value{}
}

// value returns what the event says of a fact.
func (r *factRef) value(c *context) Value {
	if r.slot == 0 {
		return r.read(c)
	}
	k := &c.kept[r.slot]
	if k.turn != c.turn {
		*k = keptValue{c.turn, r.read(c)}
		c.used = append(c.used, r.slot)
	}
	return k.value
}

func (r *factRef) read(c *context) Value {
	v := &c.whole // Or each look-up would allocate.
	switch r.kind {
	case refField:
		*v = c.facts.Fact(r.field)
		if v.kind == kindNull && c.plain {
			*v = c.member(r.member)
		}
	case refCADF:
		if !c.plain && c.provider != "ibm" {
			*v = c.facts.Fact(r.field)
			if v.kind == kindList {
				return v.item(0) // CADF has one target.
			}
			return *v
		}
		*v = c.member(r.member)
	case refRecord:
		*v = c.member(r.member)
	case refEventTime:
		return Text(clockText(minuteOf(c.facts.Time(), r.clock)))
	case refTimeOfDay:
		return Bool(within(minuteOf(c.facts.Time(), r.clock), r.from, r.to))
	case refWeekday:
		return Text(c.facts.Time().In(r.clock).Weekday().String()[:3])
	}
	if r.path == nil {
		return *v
	}
	if v.kind < kindList {
		// The path of a fact that has no parts is left aside, as in the library,
		// but a text that holds JSON has parts.
		if _, ok := v.opened(); !ok {
			return *v
		}
	}
	return r.path.resolve(v)
}

// folds reports whether the fact is compared without case for this event: Azure
// writes its operations in any.
func (r *factRef) folds(c *context) bool {
	return r.kind == refField && (r.field == Operation || r.field == Service || r.field == API) && c.provider == "azure"
}

// minuteOf is the minute of the day in a time zone.
func minuteOf(t time.Time, loc *time.Location) int {
	t = t.In(loc)
	return t.Hour()*60 + t.Minute()
}

// clockText writes a minute of the day as HHMM.
func clockText(minute int) string {
	h, m := minute/60, minute%60
	return string([]byte{'0' + byte(h/10), '0' + byte(h%10), '0' + byte(m/10), '0' + byte(m%10)})
}

// parseClock reads HHMM into a minute of the day.
func parseClock(s string) (int, bool) {
	if len(s) != 4 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[2]-'0')*10+int(s[3]-'0')
	return h*60 + m, h < 24 && m < 60
}

// within reports whether a minute is from one time of day to another. By day both
// ends belong to it; over midnight neither does, so that the night from 1700 to
// 0800 is what the day from 0800 to 1700 is not, and the same as an event_time
// before "0800" or after "1700".
func within(minute, from, to int) bool {
	if from <= to {
		return minute >= from && minute <= to
	}
	return minute > from || minute < to
}
