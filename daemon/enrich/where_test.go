package enrich

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestWhere(t *testing.T) {
	x := newEnricher(t, Options{
		Corporate: []netip.Prefix{prefix("198.51.100.0/24"), prefix("10.20.0.0/16"), prefix("2001:db8:7::/48"), prefix("52.94.76.0/24")},
		Networks: []NetworkRange{
			{prefix("203.0.113.0/24"), event.NetworkVPN},
			{prefix("203.0.113.128/25"), event.NetworkTor},
			{prefix("198.51.0.0/16"), event.NetworkHosting},
			{prefix("198.51.100.7/32"), event.NetworkHosting},
			{prefix("::ffff:192.0.2.0/120"), event.NetworkCloud},
			{prefix("95.216.0.0/16"), event.NetworkUnknown},
			{prefix("10.99.0.0/16"), event.NetworkVPN},
			{prefix("2001:db8:8::/48"), event.NetworkVPN},
		},
	})
	f := func(address, ip, country string, system uint32, network string) {
		t.Helper()
		for range 2 {
			e := event.Event{Source: event.Source{Address: address}}
			x.Enrich(&e)
			want := netip.Addr{}
			if ip != "" {
				want = netip.MustParseAddr(ip)
				require.Equal(t, network, x.Network(want).String(), address)
			}
			require.Equal(t, event.Source{Address: address, IP: want, Country: country, ASN: system, Network: mustNetwork(t, network)}, e.Source)
		}
	}
	// By whom an address belongs to.
	f("52.95.1.1", "52.95.1.1", "US", 16509, "cloud")
	f("88.198.0.1", "88.198.0.1", "DE", 24940, "hosting")
	f("193.32.249.1", "193.32.249.1", "NL", 39351, "vpn")
	f("23.129.64.1", "23.129.64.1", "US", 396507, "tor")
	f("84.128.0.1", "84.128.0.1", "DE", 3320, "unknown")
	f("2001:4860:4860::8888", "2001:4860:4860::8888", "US", 15169, "cloud")

	// What is no address of the internet.
	for _, ip := range []string{"10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "::1", "fe80::1", "fd00::1"} {
		f(ip, ip, "", 0, "internal")
	}
	f("100.128.0.1", "100.128.0.1", "US", 21928, "unknown")
	f("0.0.0.0", "0.0.0.0", "", 0, "unknown")
	f("2001:db8::1", "2001:db8::1", "", 0, "unknown")

	// What the configuration says wins: corporate first, then the longest prefix.
	f("198.51.100.1", "198.51.100.1", "", 0, "corporate")
	f("198.51.100.7", "198.51.100.7", "", 0, "corporate")
	f("52.94.76.9", "52.94.76.9", "US", 16509, "corporate")
	f("10.20.30.40", "10.20.30.40", "", 0, "corporate")
	f("2001:db8:7::1", "2001:db8:7::1", "", 0, "corporate")
	f("198.51.1.1", "198.51.1.1", "US", 0, "hosting")
	f("203.0.113.1", "203.0.113.1", "", 0, "vpn")
	f("203.0.113.200", "203.0.113.200", "", 0, "tor")
	f("192.0.2.9", "192.0.2.9", "", 0, "cloud")
	f("95.216.1.1", "95.216.1.1", "FI", 24940, "unknown")
	f("10.99.0.1", "10.99.0.1", "", 0, "vpn")
	f("2001:db8:8::1", "2001:db8:8::1", "", 0, "vpn")

	// Forms.
	f("::ffff:88.198.0.1", "88.198.0.1", "DE", 24940, "hosting")
	f("88.198.0.1:443", "88.198.0.1", "DE", 24940, "hosting")
	f("[2a01:4f8::1]:443", "2a01:4f8::1", "DE", 24940, "hosting")
	f("[2a01:4f8::1]", "2a01:4f8::1", "DE", 24940, "hosting")
	f("fe80::1%eth0", "fe80::1", "", 0, "internal")

	// What is no address.
	f("AWS Internal", "", "", 0, "cloud")
	f("config.amazonaws.com", "", "", 0, "cloud")
	f("ec2.amazonaws.com.cn", "", "", 0, "cloud")
	f("private", "", "", 0, "internal")
	f("gce-internal-ip", "", "", 0, "internal")
	f("host.example.com", "", "", 0, "unknown")
	f("amazonaws.com.example", "", "", 0, "unknown")
	f("1.2.3", "", "", 0, "unknown")
	f("", "", "", 0, "unknown")
}

func mustNetwork(t *testing.T, name string) event.Network {
	n, ok := event.ParseNetwork(name)
	require.True(t, ok)
	return n
}

// A decoder may give an address that it alone understands, and a country.
func TestWhereByDecoder(t *testing.T) {
	x := newEnricher(t, Options{})
	e := event.Event{Source: event.Source{IP: netip.MustParseAddr("::ffff:88.198.0.1")}}
	x.Enrich(&e)
	require.Equal(t, "DE", e.Source.Country)
	require.Equal(t, netip.MustParseAddr("88.198.0.1"), e.Source.IP)
	require.Equal(t, event.NetworkHosting, e.Source.Network)

	e = event.Event{Source: event.Source{Address: "gateway 7", IP: netip.MustParseAddr("88.198.0.1")}}
	x.Enrich(&e)
	require.EqualValues(t, 24940, e.Source.ASN)

	e = event.Event{Source: event.Source{Country: "PT"}}
	x.Enrich(&e)
	require.Equal(t, "PT", e.Source.Country)
}

func TestOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := New(o)
		require.EqualError(t, err, want)
	}
	f(Options{Corporate: []netip.Prefix{{}}}, "checking the options: a corporate network is no valid prefix")
	f(Options{Networks: []NetworkRange{{Network: event.NetworkVPN}}}, "checking the options: a network of class vpn is no valid prefix")
	f(Options{Networks: []NetworkRange{{prefix("1.0.0.0/8"), 99}}}, "checking the options: network 1.0.0.0/8: unknown class 99")
	f(Options{Networks: []NetworkRange{{prefix("1.0.0.0/8"), event.NetworkVPN}, {prefix("1.2.3.4/8"), event.NetworkTor}}},
		"network 1.0.0.0/8 is given as vpn and as tor")
	f(Options{PeopleSessions: []string{"("}}, `compiling the pattern "(" of people's sessions: error parsing regexp: missing closing ): `+"`^(?:()$`")
	_, err := New(Options{CountryDB: "none.mmdb"})
	require.ErrorIs(t, err, os.ErrNotExist)
	broken := filepath.Join(t.TempDir(), "broken.mmdb")
	require.NoError(t, os.WriteFile(broken, []byte("no database"), 0o600))
	_, err = New(Options{ASNDB: broken})
	require.ErrorContains(t, err, "opening the database of autonomous systems: reading")
}

func TestVersions(t *testing.T) {
	a, b := newEnricher(t, Options{}), newEnricher(t, Options{Corporate: []netip.Prefix{prefix("198.51.100.0/24")}})
	require.Equal(t, a.Versions(), newEnricher(t, Options{}).Versions())
	require.NotEqual(t, a.Versions()["settings"], b.Versions()["settings"])
	for _, k := range []string{"enrich", "catalog", "country", "asn", "settings"} {
		require.NotEmpty(t, a.Versions()[k], k)
	}
}

func TestDatabases(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, m mmdb) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, m.bytes(), 0o600))
		return file
	}
	country := write("country.mmdb", mmdb{"Test-Country", map[string]any{
		"88.198.0.0/16": map[string]any{"country": map[string]any{"iso_code": "PT"}},
		"9.0.0.0/8":     map[string]any{"country_code": "es"},
		"7.0.0.0/8":     map[string]any{"country": "IT"},
		"6.0.0.0/8":     map[string]any{"country": map[string]any{"iso_code": "too long"}},
		"2a01:4f8::/32": map[string]any{"country": map[string]any{"iso_code": "GR"}},
	}})
	asn := write("asn.mmdb", mmdb{"Test-ASN", map[string]any{
		"88.198.0.0/16": map[string]any{"autonomous_system_number": uint32(16509)},
		"9.0.0.0/8":     map[string]any{"asn": "AS39351"},
		"7.0.0.0/8":     map[string]any{"asn": "ASX"},
	}})
	f := func(o Options, address, country string, system uint32, network event.Network) {
		t.Helper()
		e := event.Event{Source: event.Source{Address: address}}
		newEnricher(t, o).Enrich(&e)
		require.Equal(t, country, e.Source.Country)
		require.Equal(t, system, e.Source.ASN)
		require.Equal(t, network, e.Source.Network)
	}
	both := Options{CountryDB: country, ASNDB: asn}
	f(both, "88.198.0.1", "PT", 16509, event.NetworkCloud)
	f(both, "9.1.1.1", "ES", 39351, event.NetworkVPN)
	f(both, "7.1.1.1", "IT", 0, event.NetworkUnknown)
	f(both, "6.1.1.1", "", 0, event.NetworkUnknown)
	f(both, "2a01:4f8::1", "GR", 0, event.NetworkUnknown)
	f(both, "52.95.1.1", "", 0, event.NetworkUnknown)
	f(Options{CityDB: country}, "88.198.0.1", "PT", 24940, event.NetworkHosting)
	f(Options{ASNDB: asn}, "88.198.0.1", "DE", 16509, event.NetworkCloud)

	v := newEnricher(t, both).Versions()
	require.Equal(t, "country.mmdb Test-Country 2026-01-02", v["country"])
	require.Equal(t, "asn.mmdb Test-ASN 2026-01-02", v["asn"])
}
