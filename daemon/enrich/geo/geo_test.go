package geo

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestDefault(t *testing.T) {
	countries, err := DefaultCountries()
	require.NoError(t, err)
	systems, err := DefaultSystems()
	require.NoError(t, err)
	f := func(ip, country string, system uint32, class event.Network) {
		t.Helper()
		a := netip.MustParseAddr(ip)
		require.Equal(t, country, countries.Country(a), ip)
		require.Equal(t, system, systems.System(a), ip)
		require.Equal(t, class.String(), systems.Class(system).String(), ip)
	}
	f("8.8.8.8", "US", 15169, event.NetworkCloud)
	f("::ffff:8.8.8.8", "US", 15169, event.NetworkCloud)
	f("2001:4860:4860::8888", "US", 15169, event.NetworkCloud)
	f("52.94.76.1", "US", 16509, event.NetworkCloud)
	f("13.64.0.1", "US", 8075, event.NetworkCloud)
	f("95.216.1.1", "FI", 24940, event.NetworkHosting)
	f("88.198.0.1", "DE", 24940, event.NetworkHosting)
	f("2a01:4f8::1", "DE", 24940, event.NetworkHosting)
	f("167.99.0.1", "US", 14061, event.NetworkHosting)
	f("193.32.249.1", "NL", 39351, event.NetworkVPN)
	f("23.129.64.1", "US", 396507, event.NetworkTor)
	f("84.128.0.1", "DE", 3320, event.NetworkUnknown)
	f("130.37.0.1", "NL", 1103, event.NetworkUnknown)
	f("0.0.0.0", "", 0, event.NetworkUnknown)
	f("255.255.255.255", "", 0, event.NetworkUnknown)
	f("::", "", 0, event.NetworkUnknown)
	f("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", 0, event.NetworkUnknown)
	require.Empty(t, countries.Country(netip.Addr{}))
	require.Zero(t, systems.System(netip.Addr{}))
	require.Regexp(t, `^ip-location-db geo-whois-asn-country [0-9.]+ \([0-9a-f]{16}\)$`, countries.Version())
	require.Regexp(t, `^ip-location-db asn [0-9.]+ \([0-9a-f]{16}\)$`, systems.Version())

	for _, c := range countries.codes {
		require.Regexp(t, `^([A-Z]{2})?$`, c)
	}
	require.Greater(t, len(countries.codes), 230)
	t.Logf("countries: %d IPv4, %d IPv6 ranges; systems: %d IPv4, %d IPv6 ranges, %d with a class",
		len(countries.ranges.v4), len(countries.ranges.v6), len(systems.ranges.v4), len(systems.ranges.v6), len(systems.numbers))
}

func TestTablesAreSmall(t *testing.T) {
	require.Less(t, len(countryFile)+len(asnFile), 5<<20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	countries, err := ReadCountries(countryFile)
	require.NoError(t, err)
	systems, err := ReadSystems(asnFile)
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	runtime.KeepAlive(countries)
	runtime.KeepAlive(systems)
	t.Logf("files %d + %d bytes, memory %d bytes", len(countryFile), len(asnFile), grown)
	require.Less(t, grown, int64(24<<20))
}

// Tables of random ranges give what a walk over the ranges gives.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	codes := []string{"", "DE", "FR", "US", "JP"}
	for range 20 {
		v4, v6 := []Range[string]{{0, codes[r.IntN(5)]}}, []Range[string]{{0, codes[r.IntN(5)]}}
		for range r.IntN(300) {
			v4 = append(v4, Range[string]{uint64(r.Uint32() >> r.IntN(20)), codes[r.IntN(5)]})
			v6 = append(v6, Range[string]{r.Uint64() >> (1 + r.IntN(50)) &^ (1<<r.IntN(40) - 1), codes[r.IntN(5)]})
		}
		v4, v6 = sorted(v4), sorted(v6)
		file, err := WriteCountries("test 1", v4, v6)
		require.NoError(t, err)
		again, err := WriteCountries("test 1", v4, v6)
		require.NoError(t, err)
		require.Equal(t, file, again)
		c, err := ReadCountries(file)
		require.NoError(t, err)
		f := func(rs []Range[string], a uint64, ip netip.Addr) {
			t.Helper()
			want := ""
			for _, x := range rs {
				if x.Start <= a {
					want = x.Value
				}
			}
			require.Equal(t, want, c.Country(ip), ip)
		}
		for _, x := range v4 {
			for _, a := range []uint64{x.Start, x.Start + 1, x.Start - 1} {
				a &= 1<<32 - 1
				f(v4, a, addr4(uint32(a)))
			}
		}
		for _, x := range v6 {
			for _, a := range []uint64{x.Start, x.Start + 1, x.Start - 1} {
				f(v6, a, addr6(a))
			}
		}
	}
}

func sorted(rs []Range[string]) []Range[string] {
	slices.SortStableFunc(rs, func(a, b Range[string]) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	return slices.CompactFunc(rs, func(a, b Range[string]) bool { return a.Start == b.Start })
}

func addr4(a uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a)
	return netip.AddrFrom4(b)
}

// addr6 avoids addresses that are IPv4 in IPv6 form.
func addr6(upper uint64) netip.Addr {
	b := [16]byte{15: 1}
	binary.BigEndian.PutUint64(b[:], upper)
	return netip.AddrFrom16(b)
}

func TestSystemsRoundTrip(t *testing.T) {
	v4 := []Range[uint32]{{0, 0}, {1 << 24, 64512}, {1<<24 + 256, 4_294_967_295}, {1<<32 - 1, 7}}
	v6 := []Range[uint32]{{0, 0}, {0x2001 << 48, 64512}, {1<<63 + 1, 9}}
	file, err := WriteSystems("test 2", v4, v6, []SystemClass{{7, event.NetworkVPN}, {4_294_967_295, event.NetworkTor}})
	require.NoError(t, err)
	s, err := ReadSystems(file)
	require.NoError(t, err)
	require.EqualValues(t, 64512, s.System(netip.MustParseAddr("1.0.0.255")))
	require.EqualValues(t, 4_294_967_295, s.System(netip.MustParseAddr("1.0.1.0")))
	require.EqualValues(t, 7, s.System(netip.MustParseAddr("255.255.255.255")))
	require.EqualValues(t, 64512, s.System(netip.MustParseAddr("2001::")))
	require.EqualValues(t, 9, s.System(netip.MustParseAddr("8000:0:0:1::")))
	require.Equal(t, event.NetworkVPN, s.Class(7))
	require.Equal(t, event.NetworkTor, s.Class(4_294_967_295))
	require.Equal(t, event.NetworkUnknown, s.Class(64512))
	require.Equal(t, "test 2", s.info.source)

	_, err = ReadCountries(file)
	require.ErrorIs(t, err, ErrFormat)
}

func TestWriteErrors(t *testing.T) {
	ok := []Range[string]{{0, "DE"}}
	f := func(v4, v6 []Range[string], want string) {
		t.Helper()
		_, err := WriteCountries("x", v4, v6)
		require.EqualError(t, err, want)
	}
	f(nil, ok, "writing IPv4 ranges: the first range does not start at 0")
	f(ok, []Range[string]{{1, "DE"}}, "writing IPv6 ranges: the first range does not start at 0")
	f([]Range[string]{{0, "DE"}, {5, "FR"}, {5, "DE"}}, ok, "writing IPv4 ranges: range 2 is out of order")
	f([]Range[string]{{0, "DE"}, {1 << 32, "FR"}}, ok, "writing IPv4 ranges: range 1 is out of order")
	f([]Range[string]{{0, "DEU"}}, ok, `bad country code "DEU"`)
	f(ok, []Range[string]{{0, "DE"}, {1<<63 + 1, "FR"}}, "writing IPv6 ranges: range 1 is too far from the one before")
	_, err := WriteSystems("x", []Range[uint32]{{0, 0}}, []Range[uint32]{{0, 0}}, []SystemClass{{7, 1}, {7, 2}})
	require.EqualError(t, err, "the class of system 7 is out of order")
}

func TestReadErrors(t *testing.T) {
	file, err := WriteCountries("x", []Range[string]{{0, ""}, {77, "DE"}}, []Range[string]{{0, "FR"}})
	require.NoError(t, err)
	_, err = ReadCountries(file)
	require.NoError(t, err)
	// Every torn and every changed file is refused.
	for i := range file {
		_, err = ReadCountries(file[:i])
		require.Error(t, err, i)
		b := bytes.Clone(file)
		b[i] ^= 0x10
		if c, err := ReadCountries(b); err == nil {
			// A bit of the frame's header that changes nothing of what it holds.
			require.Equal(t, "DE", c.Country(addr4(77)), i)
		}
	}
	_, err = ReadCountries(nil)
	require.ErrorIs(t, err, ErrFormat)

	// Payloads whose sum is right and that are wrong all the same.
	f := func(payload ...byte) {
		t.Helper()
		file, err := seal(kindCountries, payload)
		require.NoError(t, err)
		_, err = ReadCountries(file)
		require.ErrorIs(t, err, ErrCorrupt)
		require.NotErrorIs(t, err, ErrFormat)
	}
	f()
	f(0)
	f(0, 0, 1, 0, 0, 1, 0, 0)                                               // No value.
	f(0, 1, 'D', 'E', 1, 0, 1, 1, 0, 0)                                     // A value that is not there.
	f(0, 1, 'D', 'E', 1, 2, 0, 1, 0, 0)                                     // It does not start at 0.
	f(0, 1, 'D', 'E', 2, 0, 0, 0, 0, 1, 0, 0)                               // Two that start at 0.
	f(0, 1, 'D', 'E', 1, 0, 0, 1, 0, 0, 0)                                  // A byte too many.
	f(0, 1, 'D', 'E', 255, 255, 255, 255, 15, 0, 0)                         // More than fit.
	f(0, 1, 'D', 'E', 2, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0, 0, 1, 0, 0) // Beyond the last address.
}

// The payloads, so that what is behind the compression and the sum is reached.
func FuzzParse(f *testing.F) {
	file, err := WriteCountries("x", []Range[string]{{0, ""}, {77, "DE"}}, []Range[string]{{0, "FR"}})
	require.NoError(f, err)
	payload, _, err := open(kindCountries, file)
	require.NoError(f, err)
	f.Add(payload, uint32(80))
	file, err = WriteSystems("x", []Range[uint32]{{0, 0}, {256, 5}}, []Range[uint32]{{0, 0}}, []SystemClass{{5, 3}})
	require.NoError(f, err)
	payload, _, err = open(kindSystems, file)
	require.NoError(f, err)
	f.Add(payload, uint32(1<<24))
	f.Add([]byte{0, 1, 'D', 'E', 1, 0, 0, 1, 0, 0}, uint32(0))
	f.Fuzz(func(t *testing.T, payload []byte, a uint32) {
		if c, err := parseCountries(payload, 0); err == nil {
			c.Country(addr4(a))
			c.Country(addr6(uint64(a) << 32))
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
		}
		if s, err := parseSystems(payload, 0); err == nil {
			s.Class(s.System(addr4(a)))
			s.Class(s.System(addr6(uint64(a) << 32)))
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}

func FuzzRead(f *testing.F) {
	file, err := WriteCountries("x", []Range[string]{{0, ""}, {77, "DE"}}, []Range[string]{{0, "FR"}})
	require.NoError(f, err)
	f.Add(file)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, file []byte) {
		if c, err := ReadCountries(file); err == nil {
			c.Country(addr4(77))
		}
		if s, err := ReadSystems(file); err == nil {
			s.System(addr4(77))
		}
	})
}

func addresses() (v4, v6 [4096]netip.Addr) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range v4 {
		v4[i] = addr4(r.Uint32N(224 << 24))
		v6[i] = addr6(0x2a00<<48 | r.Uint64N(12<<48))
	}
	return v4, v6
}

func BenchmarkLookup(b *testing.B) {
	countries, err := DefaultCountries()
	require.NoError(b, err)
	systems, err := DefaultSystems()
	require.NoError(b, err)
	v4, v6 := addresses()
	f := func(name string, ips [4096]netip.Addr, look func(netip.Addr)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				look(ips[i&4095])
				i++
			}
		})
	}
	country := func(ip netip.Addr) { countries.Country(ip) }
	system := func(ip netip.Addr) { systems.Class(systems.System(ip)) }
	f("country/v4", v4, country)
	f("country/v6", v6, country)
	f("system-and-class/v4", v4, system)
	f("system-and-class/v6", v6, system)
}

func BenchmarkRead(b *testing.B) {
	b.Run("countries", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := ReadCountries(countryFile)
			require.NoError(b, err)
		}
	})
	b.Run("systems", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := ReadSystems(asnFile)
			require.NoError(b, err)
		}
	})
}
