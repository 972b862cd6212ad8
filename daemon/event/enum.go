package event

// The enumerations are small numbers in memory and in columns, and words at
// every edge. Numbers are part of the on-disk format: new ones go at the end.

// Access says whether a call reads or writes.
type Access uint8

// The values of Access.
const (
	AccessUnknown Access = iota
	AccessRead
	AccessWrite
)

// Outcome says whether a call succeeded.
type Outcome uint8

// The values of Outcome.
const (
	OutcomeUnknown Outcome = iota
	OutcomeSuccess
	OutcomeError
)

// Category is the provider's category of the record.
type Category uint8

// The values of Category.
const (
	CategoryUnknown Category = iota
	CategoryManagement
	CategoryData
	CategoryInsight
	CategoryNetwork
	// CategoryProgress is of records that tell how a call gets on which another
	// record stands for. They are kept and searchable, and are no calls.
	CategoryProgress
)

// Kind is what kind of actor made a call, decided from the event alone.
type Kind uint8

// The values of Kind.
const (
	KindUnknown Kind = iota
	KindHuman
	KindService
	KindRole
	KindRoot
	KindCloudService
	KindAnonymous
)

// Network is the class of the network that a call came from.
type Network uint8

// The values of Network.
const (
	NetworkUnknown Network = iota
	NetworkCorporate
	NetworkCloud
	NetworkHosting
	NetworkVPN
	NetworkTor
	NetworkInternal
)

var (
	accessNames   = []string{"", "read", "write"}
	outcomeNames  = []string{"", "success", "error"}
	categoryNames = []string{"", "management", "data", "insight", "network", "progress"}
	kindNames     = []string{"unknown", "human", "service", "role", "root", "cloud-service", "anonymous"}
	networkNames  = []string{"unknown", "corporate", "cloud", "hosting", "vpn", "tor", "internal"}
)

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return ""
}

func number(names []string, s string) (uint8, bool) {
	for i, n := range names {
		if n == s {
			return uint8(i), true
		}
	}
	return 0, false
}

func (a Access) String() string   { return name(accessNames, uint8(a)) }
func (o Outcome) String() string  { return name(outcomeNames, uint8(o)) }
func (c Category) String() string { return name(categoryNames, uint8(c)) }
func (k Kind) String() string     { return name(kindNames, uint8(k)) }
func (n Network) String() string  { return name(networkNames, uint8(n)) }

// ParseNetwork returns the network class of that name.
func ParseNetwork(s string) (Network, bool) {
	n, ok := number(networkNames, s)
	return Network(n), ok
}

// ParseKind returns the kind of that name.
func ParseKind(s string) (Kind, bool) {
	n, ok := number(kindNames, s)
	return Kind(n), ok
}
