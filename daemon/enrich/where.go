package enrich

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
)

// place knows where addresses are.
type place struct {
	corporate, networks prefixes
	country             func(netip.Addr) string
	system              func(netip.Addr) uint32
	class               func(uint32) event.Network
	known               *cache[location]
	city                *database // Nil where none is configured.

	countryVersion, systemVersion string
}

// location is what is known of an address.
type location struct {
	ip      netip.Addr
	country string
	system  uint32
	network event.Network
}

func newPlace(o Options) (*place, error) {
	p := &place{known: newCache[location](4096)}
	for _, c := range o.Corporate {
		if err := p.corporate.add(c, event.NetworkCorporate); err != nil {
			return nil, err
		}
	}
	for _, n := range o.Networks {
		if err := p.networks.add(n.Prefix, n.Network); err != nil {
			return nil, err
		}
	}
	systems, err := geo.DefaultSystems()
	if err != nil {
		return nil, err
	}
	p.class = systems.Class
	if o.ASNDB != "" {
		db, err := openDB(o.ASNDB)
		if err != nil {
			return nil, fmt.Errorf("opening the database of autonomous systems: %w", err)
		}
		p.system, p.systemVersion = db.system, db.version()
	} else {
		p.system, p.systemVersion = systems.System, systems.Version()
	}
	if o.CityDB != "" {
		if p.city, err = openDB(o.CityDB); err != nil {
			return nil, fmt.Errorf("opening the database of cities: %w", err)
		}
	}
	if file := firstOf(o.CountryDB, o.CityDB); file != "" {
		db, err := openDB(file)
		if err != nil {
			return nil, fmt.Errorf("opening the database of countries: %w", err)
		}
		p.country, p.countryVersion = db.country, db.version()
	} else {
		countries, err := geo.DefaultCountries()
		if err != nil {
			return nil, err
		}
		p.country, p.countryVersion = countries.Country, countries.Version()
	}
	return p, nil
}

// where fills in what is known of an event's address.
func (p *place) where(s *event.Source) {
	var l location
	if s.Address == "" {
		l = p.of(s.IP)
	} else {
		var ok bool
		if l, ok = p.known.get(s.Address); !ok {
			ip := parseAddr(s.Address)
			if l = p.of(ip); !ip.IsValid() {
				l.network = ofName(s.Address)
			}
			p.known.put(s.Address, l)
		}
		if !l.ip.IsValid() && s.IP.IsValid() {
			// The decoder understood more of the address than we do.
			l = p.of(s.IP)
		}
	}
	s.IP, s.ASN, s.Network = l.ip, l.system, l.network
	if l.ip.IsValid() || s.Country == "" {
		s.Country = l.country
	}
}

// of looks an address up. What the configuration says of an address wins over
// what it is by itself, and that over whom it belongs to.
func (p *place) of(ip netip.Addr) location {
	if !ip.IsValid() {
		return location{}
	}
	ip = ip.Unmap().WithZone("")
	l := location{ip: ip, country: p.country(ip), system: p.system(ip)}
	if n, ok := p.corporate.of(ip); ok {
		l.network = n
	} else if n, ok := p.networks.of(ip); ok {
		l.network = n
	} else if isInternal(ip) {
		l.network = event.NetworkInternal
	} else if l.system != 0 {
		l.network = p.class(l.system)
	}
	if isInternal(ip) || isExample(ip) {
		l.country, l.system = "", 0
	}
	return l
}

var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// examples are the networks that documentation uses, RFC 5737 and 3849. They
// are nowhere, whatever a table says.
var examples = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
}

func isExample(ip netip.Addr) bool {
	return slices.ContainsFunc(examples, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// isInternal reports whether an address is not routed in the internet: private,
// loopback, link-local, and what carriers use behind their NAT.
func isInternal(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.Is4() && carrierNAT.Contains(ip)
}

// parseAddr reads an address as providers write them, which may have a port
// behind it or brackets around it.
func parseAddr(s string) netip.Addr {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr()
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil {
			return ip
		}
	}
	return netip.Addr{}
}

// ofName is the class of what stands in place of an address: AWS itself, or what
// Google writes for addresses inside its customer's networks.
func ofName(name string) event.Network {
	switch {
	case isAWS(name):
		return event.NetworkCloud
	case name == "private" || name == "gce-internal-ip":
		return event.NetworkInternal
	}
	return event.NetworkUnknown
}

// isAWS reports whether what stands in place of an address is AWS itself:
// "AWS Internal", or the name of a service such as "config.amazonaws.com".
func isAWS(address string) bool {
	return address == "AWS Internal" || strings.HasSuffix(address, ".amazonaws.com") ||
		strings.HasSuffix(address, ".amazonaws.com.cn")
}

// prefixes gives classes to networks. The longest prefix wins.
type prefixes struct {
	networks map[netip.Prefix]event.Network
	// lengths4 and lengths6 are the lengths there are, the longest first.
	lengths4, lengths6 []int
}

func (p *prefixes) add(prefix netip.Prefix, n event.Network) error {
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	prefix = prefix.Masked()
	if have, ok := p.networks[prefix]; ok && have != n {
		return fmt.Errorf("network %s is given as %s and as %s", prefix, have, n)
	}
	if p.networks == nil {
		p.networks = map[netip.Prefix]event.Network{}
	}
	p.networks[prefix] = n
	lengths := &p.lengths6
	if prefix.Addr().Is4() {
		lengths = &p.lengths4
	}
	if !slices.Contains(*lengths, prefix.Bits()) {
		*lengths = append(*lengths, prefix.Bits())
		slices.SortFunc(*lengths, func(a, b int) int { return b - a })
	}
	return nil
}

func (p *prefixes) of(ip netip.Addr) (event.Network, bool) {
	lengths := p.lengths6
	if ip.Is4() {
		lengths = p.lengths4
	}
	for _, bits := range lengths {
		prefix, err := ip.Prefix(bits)
		if err != nil {
			continue
		}
		if n, ok := p.networks[prefix]; ok {
			return n, true
		}
	}
	return event.NetworkUnknown, false
}
