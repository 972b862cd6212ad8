// Package geo tells from an address in which country it is, to which
// autonomous system it belongs, and whether that system is a cloud, a host for
// rent, a VPN or Tor.
//
// Its two tables are part of the binary: data/country.geo and data/asn.geo,
// which daemon/enrich/geogen compiles from public data. Where they come from
// and under which licences is in NOTICE at the root; the form of the files is in
// format.go.
package geo

import (
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/insightd/insightd/daemon/event"
)

//go:embed data/country.geo
var countryFile []byte

//go:embed data/asn.geo
var asnFile []byte

// Countries is a table of countries. It is immutable, and safe for use by
// several goroutines.
type Countries struct {
	info   info
	ranges ranges[uint8]
	codes  []string
}

// Country returns the ISO 3166-1 alpha-2 code of an address, or an empty
// string. An IPv4 address in IPv6 form is looked up as IPv4.
func (c *Countries) Country(ip netip.Addr) string {
	v, ok := c.ranges.lookup(ip)
	if !ok {
		return ""
	}
	return c.codes[v]
}

// Version names the data: where it comes from, and a hash of it.
func (c *Countries) Version() string { return c.info.version() }

// Systems is a table of autonomous systems. It is immutable, and safe for use
// by several goroutines.
type Systems struct {
	info    info
	ranges  ranges[uint32]
	numbers []uint32 // Of the classes, rising.
	classes []event.Network
}

// System returns the number of the autonomous system that announces an
// address, or 0.
func (s *Systems) System(ip netip.Addr) uint32 {
	v, _ := s.ranges.lookup(ip)
	return v
}

// Class returns the class of a system: cloud, hosting, VPN or Tor, and unknown
// where it is none of them, such as the systems of internet providers, firms
// and universities.
func (s *Systems) Class(system uint32) event.Network {
	if i, ok := slices.BinarySearch(s.numbers, system); ok {
		return s.classes[i]
	}
	return event.NetworkUnknown
}

// Version names the data: where it comes from, and a hash of it.
func (s *Systems) Version() string { return s.info.version() }

// DefaultCountries returns the table that is part of the binary. It is
// unpacked at the first call and shared.
func DefaultCountries() (*Countries, error) { return defaultCountries() }

// DefaultSystems returns the table that is part of the binary. It is unpacked
// at the first call and shared.
func DefaultSystems() (*Systems, error) { return defaultSystems() }

var (
	defaultCountries = sync.OnceValues(func() (*Countries, error) {
		c, err := ReadCountries(countryFile)
		if err != nil {
			return nil, fmt.Errorf("unpacking the built-in table of countries: %w", err)
		}
		return c, nil
	})
	defaultSystems = sync.OnceValues(func() (*Systems, error) {
		s, err := ReadSystems(asnFile)
		if err != nil {
			return nil, fmt.Errorf("unpacking the built-in table of autonomous systems: %w", err)
		}
		return s, nil
	})
)
