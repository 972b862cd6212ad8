package enrich

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func TestLearner(t *testing.T) {
	l := NewLearner()
	observe := func(n int, from, to int32, ip string) {
		for day := from; day <= to; day++ {
			for i := range n {
				l.Observe(fmt.Sprint("person", i), event.KindHuman, netip.MustParseAddr(ip), day)
			}
		}
	}
	observe(3, 100, 104, "203.0.113.7")
	observe(4, 100, 104, "203.0.114.7")
	observe(2, 100, 130, "203.0.115.7")        // Too few people.
	observe(9, 100, 103, "203.0.116.7")        // Too few days.
	observe(9, 100, 130, "88.198.0.1")         // Hosting.
	observe(9, 100, 130, "52.95.1.1")          // Cloud.
	observe(9, 100, 130, "193.32.249.1")       // VPN.
	observe(9, 100, 130, "23.129.64.1")        // Tor.
	observe(9, 100, 130, "10.1.2.3")           // Internal.
	observe(9, 100, 130, "100.64.1.1")         // Behind a carrier's NAT.
	observe(9, 100, 130, "224.0.0.1")          // Multicast.
	observe(3, 100, 110, "2001:db8:7:1::1")    // These two are in one /48.
	observe(3, 111, 112, "2001:db8:7:ffff::1") //
	observe(5, 100, 110, "::ffff:203.0.117.1")
	for day := range int32(30) {
		for i := range 9 {
			l.Observe(fmt.Sprint("robot", i), event.KindService, netip.MustParseAddr("203.0.118.1"), 100+day)
			l.Observe(Hidden, event.KindHuman, netip.MustParseAddr("203.0.118.1"), 100+day)
			l.Observe(fmt.Sprint("person", i), event.KindHuman, netip.Addr{}, 100+day)
		}
	}
	require.Equal(t, []Proposed{
		{CIDR: "203.0.117.0/24", Identities: 5, Days: 11},
		{CIDR: "203.0.114.0/24", Identities: 4, Days: 5},
		{CIDR: "2001:db8:7::/48", Identities: 3, Days: 13},
		{CIDR: "203.0.113.0/24", Identities: 3, Days: 5},
	}, l.Proposed())
}

func TestLearnerKnown(t *testing.T) {
	x := newEnricher(t, Options{Corporate: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	l := NewLearner(x.Network)
	for day := range int32(9) {
		for i := range 9 {
			for _, ip := range []string{"203.0.113.1", "203.0.114.1"} {
				l.Observe(fmt.Sprint(i), event.KindHuman, netip.MustParseAddr(ip), day)
			}
		}
	}
	require.Equal(t, []Proposed{{CIDR: "203.0.114.0/24", Identities: 9, Days: 9}}, l.Proposed())
}

// Days that come out of order count once each.
func TestLearnerDays(t *testing.T) {
	f := func(want int, days ...int32) {
		t.Helper()
		h := &habit{}
		for _, d := range days {
			h.observe(1, d)
		}
		require.Equal(t, want, h.days)
	}
	f(1, 0)
	f(1, 5, 5, 5)
	f(3, 5, 6, 7, 6, 5)
	f(3, 7, 5, 6, 5)
	f(2, 5, 1000, 1000)
	f(1, 1000, 5)
	f(1, 1000, 900, 900)
	f(2, 1000, 937, 937)
	f(2, -5, 1<<30)
	f(2, -1<<31, 1<<31-1)
}

// Memory is bounded, and what is kept does not hang on the order in a map.
func TestLearnerBounds(t *testing.T) {
	run := func() []Proposed {
		l := NewLearner()
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 20_000 {
			day := int32(i / 1000)
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], 84<<24|1<<23|uint32(r.IntN(12_000))<<8)
			for who := range 3 {
				l.Observe(fmt.Sprint(who), event.KindHuman, netip.AddrFrom4(b), day)
			}
			for who := range 40 {
				l.Observe(fmt.Sprint(who), event.KindHuman, netip.MustParseAddr("203.0.113.1"), day)
			}
			l.Observe("p", event.KindHuman, netip.AddrFrom4([4]byte{88, 198, byte(i >> 8), byte(i)}), day)
		}
		require.LessOrEqual(t, len(l.networks), maxNetworks)
		require.LessOrEqual(t, len(l.rejected), maxNetworks)
		return l.Proposed()
	}
	first := run()
	require.Equal(t, Proposed{CIDR: "203.0.113.0/24", Identities: maxPeople, Days: 20}, first[0])
	require.Equal(t, first, run())
}

func BenchmarkLearner(b *testing.B) {
	l := NewLearner()
	var ips [64]netip.Addr
	var who [50]string
	for i := range ips {
		ips[i] = netip.AddrFrom4([4]byte{84, 128, byte(i), 1})
	}
	for i := range who {
		who[i] = fmt.Sprint("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/person", i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		l.Observe(who[i%50], event.KindHuman, ips[i&63], int32(i>>16))
		i++
	}
}
