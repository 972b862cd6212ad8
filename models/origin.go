package models

import "net/netip"

// Origin is where a call came from and with what, as far as it is known. Who
// keeps one keeps its strings.
type Origin struct {
	// Address is a plain address: neither IPv4 in IPv6 form nor with a zone.
	Address netip.Addr
	// System is the number of the autonomous system, 0 where it is not known.
	System uint32
	// Country is the code of the country, empty where it is not known.
	Country string
	// Hired says in what kind of network it is, if anybody can hire a place there.
	Hired Hired
	// Agent is the program that called, empty where it is not known.
	Agent string
	// Minute is when it was, in UTC.
	Minute Minute
}

func (o *Origin) day() int32 { return o.Minute / dayMinutes }
func (o *Origin) hour() int  { return int(o.Minute / 60 % 24) }

// Hired is a kind of network in which anybody can hire a place.
type Hired uint8

// The kinds. Workloads call from clouds as a matter of course, and from hosting
// networks rarely, so the two are counted apart.
const (
	NotHired  Hired = iota
	HiredHost       // Hosting, VPN, Tor.
	HiredCloud
	hireds
)

// AddressLevel is how much of an address is new to an identity. A higher one has the
// lower ones in it: what comes from a new country comes from a new network.
type AddressLevel uint8

// The levels. A network is a /24, of IPv6 a /48; a block a /16, of IPv6 a /32.
const (
	LevelKnown   AddressLevel = iota // Nothing is new.
	LevelAddress                     // A new address of a known network.
	LevelNetwork                     // A new network of a known block.
	LevelBlock                       // A new block of a known autonomous system, or of an unknown one.
	LevelSystem                      // A new autonomous system of a known country.
	LevelCountry                     // A new country.
	levels
)

// prefixes are the network and the block of an address as numbers. Those of IPv6
// have the highest bit set, so that they never meet those of IPv4.
func prefixes(a netip.Addr) (network, block uint64) {
	if a.Is4() {
		b := a.As4()
		block = uint64(b[0])<<8 | uint64(b[1])
		return block<<8 | uint64(b[2]), block
	}
	b := a.As16()
	for _, x := range b[:4] {
		block = block<<8 | uint64(x)
	}
	const six = 1 << 63
	return six | block<<16 | uint64(b[4])<<8 | uint64(b[5]), six | block
}

// recent is a small set in which the one that was idle longest makes room.
type recent[K comparable] []lately[K]

type lately[K comparable] struct {
	key K
	day int32 // on which it was seen last
}

func (r recent[K]) index(k K) int {
	for i := range r {
		if r[i].key == k {
			return i
		}
	}
	return -1
}

func (r recent[K]) has(k K) bool { return r.index(k) >= 0 }

// seen reports whether k is known to have been seen on a day.
func (r recent[K]) seen(k K, day int32) bool {
	i := r.index(k)
	return i >= 0 && r[i].day == day
}

// touch notes that k was seen on a day, in a set of so many at the most.
func (r *recent[K]) touch(k K, day int32, limit int) {
	if i := r.index(k); i >= 0 {
		(*r)[i].day = day
		return
	}
	if len(*r) < limit {
		*r = append(*r, lately[K]{k, day})
		return
	}
	oldest := 0
	for i := range *r {
		if (*r)[i].day < (*r)[oldest].day {
			oldest = i
		}
	}
	(*r)[oldest] = lately[K]{k, day}
}
