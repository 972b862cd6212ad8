package models

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// village is an account whose identities call from places.
type village struct {
	t    *testing.T
	pool *AddressPool
	who  map[string]*Addresses
}

func newVillage(t *testing.T) *village {
	return &village{t, NewAddressPool(DefaultAddressParams()), map[string]*Addresses{}}
}

// of returns an identity; people have names that begin with a capital letter.
func (v *village) of(name string) *Addresses {
	if v.who[name] == nil {
		v.who[name] = NewAddresses(uint32(len(v.who) + 1))
	}
	return v.who[name]
}

// origin is an address in Germany, of system 3320, where the text says no more:
// "address country system agent", "hired" or "cloud" at the end.
func origin(text string, m Minute) *Origin {
	o := &Origin{Minute: m}
	var ip, hired string
	n, _ := fmt.Sscan(text, &ip, &o.Country, &o.System, &o.Agent, &hired)
	if n < 2 {
		o.Country, o.System = "DE", 3320
	}
	if o.Country == "-" {
		o.Country = ""
	}
	if o.Agent == "" {
		o.Agent = "aws-cli"
	}
	o.Address = netip.MustParseAddr(ip)
	switch hired {
	case "hired":
		o.Hired = HiredHost
	case "cloud":
		o.Hired = HiredCloud
	}
	return o
}

// call has an identity call, and returns what is said of it.
func (v *village) call(name, text string, m Minute) (AddressVerdict, bool) {
	a, o := v.of(name), origin(text, m)
	verdict, ok := v.pool.Judge(a, o)
	again, ok2 := v.pool.Judge(a, o)
	require.Equal(v.t, verdict, again, "judging changes nothing")
	require.Equal(v.t, ok, ok2)
	if !a.Again(o.Address, o.Agent, m) {
		doubted := v.pool.Learn(a, o, groupOf(name), false)
		require.Equal(v.t, doubted, a.Doubted(o.Address, m))
		if ok {
			require.Equal(v.t, verdict.Score >= v.pool.Threshold(), doubted)
		}
	}
	require.InDelta(v.t, verdict.Score, verdict.ByLevel+verdict.ByUsers+verdict.ByHired+verdict.ByAgent+verdict.ByHour+verdict.ByApart+verdict.ByTold+verdict.ByConfirmed, 1e-9)
	return verdict, ok
}

func groupOf(name string) Group {
	if name[0] < 'a' {
		return Person
	}
	return Workload
}

// days has an identity call from a place at nine and at five on some days.
func (v *village) days(name, text string, from, to int) {
	for d := from; d < to; d++ {
		for h := 9; h <= 17; h++ {
			v.call(name, text, at(d, h))
		}
	}
}

func at(day, hour int) Minute { return epoch/dayMinutes*dayMinutes + Minute(day*dayMinutes+hour*60) }

func TestAddressLevels(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "80.130.5.9", 0, 14)
	last := -1.0
	f := func(text string, level AddressLevel) {
		t.Helper()
		got, ok := v.pool.Judge(v.of("Anna"), origin(text, at(14, 10)))
		require.True(t, ok)
		require.Equal(t, level, got.Level, text)
		require.Greater(t, got.Score, last, "the more is new, the more it surprises")
		require.Equal(t, got.Score, got.ByLevel)
		last = got.Score
	}
	_, ok := v.pool.Judge(v.of("Anna"), origin("80.130.5.9", at(14, 10)))
	require.False(t, ok, "known")
	f("80.130.5.10", LevelAddress)
	f("80.130.6.10", LevelNetwork)
	f("84.1.1.1", LevelBlock)
	f("84.1.1.1 DE 6805", LevelSystem)
	f("84.1.1.1 NL 60781", LevelCountry)

	// What is not known of an address is not held against it.
	last = -1
	f("84.1.1.1 - 0", LevelBlock)
	last = -1
	f("84.1.1.1 DE 0", LevelBlock)
	f("84.1.1.1 - 6805", LevelSystem)
	f("84.1.1.1 NL 0", LevelCountry)
}

func TestAddressScore(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "80.130.5.9", 0, 14)
	// Thirteen days count, on which as much was due as is shipped for their ages;
	// the pool has Anna's days alone.
	due, rates := 0.0, [ages]originRates{}
	for d := range 12 { // The thirteenth is not over.
		i := ageOf(float64(d))
		g := shippedRates[Person][i].fresh[LevelCountry] * shippedDays / (shippedDays + rates[i].days)
		due += float64(float32(g))
		rates[i].days++
	}
	g := shippedRates[Person][3].fresh[LevelCountry] * shippedDays / (shippedDays + rates[3].days)
	got, ok := v.pool.Judge(v.of("Anna"), origin("84.1.1.1 NL 60781", at(14, 10)))
	require.True(t, ok)
	require.InDelta(t, -math.Log10(12*g/(due/g+12)), got.Score, 1e-4)
	require.Equal(t, 13.0, got.Days)
	require.Zero(t, got.Fresh)

	f := func(text string, m Minute, by func(v *AddressVerdict) float64, low, high float64) {
		t.Helper()
		x, ok := v.pool.Judge(v.of("Anna"), origin(text, m))
		require.True(t, ok)
		require.GreaterOrEqual(t, by(&x), low)
		require.LessOrEqual(t, by(&x), high)
	}
	f("84.1.1.1 NL 60781 Boto3", at(14, 10), func(v *AddressVerdict) float64 { return v.ByAgent }, 1.2, 1.2)
	f("84.1.1.1 NL 60781 aws-cli hired", at(14, 10), func(v *AddressVerdict) float64 { return v.ByHired }, 0.5, 0.8)
	f("84.1.1.1 NL 60781 aws-cli cloud", at(14, 10), func(v *AddressVerdict) float64 { return v.ByHired }, 0.5, 0.8)
	f("84.1.1.1 NL 60781", at(14, 3), func(v *AddressVerdict) float64 { return v.ByHour }, 0.5, 1.2)
	f("84.1.1.1 NL 60781", at(14, 12), func(v *AddressVerdict) float64 { return v.ByHour }, 0, 0)
	f("84.1.1.1 NL 60781", at(13, 18), func(v *AddressVerdict) float64 { return v.ByApart }, 0.5, 0.5)
	f("84.1.1.1 NL 60781", at(13, 20), func(v *AddressVerdict) float64 { return v.ByApart }, 0, 0)
	f("84.1.1.1 DE 60781", at(13, 18), func(v *AddressVerdict) float64 { return v.ByApart }, 0, 0)
}

func TestNothingIsSaidOfTheFirstDay(t *testing.T) {
	v := newVillage(t)
	for h := range 24 {
		_, ok := v.call("Anna", fmt.Sprintf("80.%d.5.9", 1+h), at(0, h))
		require.False(t, ok)
	}
	_, ok := v.call("Anna", "90.1.1.1", at(1, 1))
	require.True(t, ok)
}

func TestOfficesAreQuiet(t *testing.T) {
	v := newVillage(t)
	for _, name := range []string{"Anna", "Ben", "Carl"} {
		v.days(name, "80.130.5.9", 0, 14)
	}
	// The office moves to another provider. Who comes first is told, nobody else.
	got, ok := v.call("Anna", "62.153.7.10 DE 6805", at(14, 9))
	require.True(t, ok)
	require.GreaterOrEqual(t, got.Score, v.pool.Threshold())
	v.call("Anna", "62.153.7.10 DE 6805", at(15, 9))
	for i, name := range []string{"Ben", "Carl"} {
		got, ok = v.call(name, fmt.Sprintf("62.153.7.%d DE 6805", 20+i), at(15, 10))
		require.True(t, ok)
		require.Equal(t, 1+i, got.Users)
		require.Less(t, got.Score, v.pool.Threshold())
	}
	// The address itself is known to nobody as little as its network.
	x, _ := v.pool.Judge(v.of("Carl"), origin("99.1.1.1 DE 7922", at(15, 12)))
	require.GreaterOrEqual(t, x.Score, v.pool.Threshold())
	for n := range 9 {
		y := x
		y.Users, y.ByUsers = n, v.pool.byUsers(n, 0)
		require.InDelta(t, x.Score+y.ByUsers, v.pool.WithUsers(&x, n), 1e-12)
	}
	require.Less(t, v.pool.WithUsers(&x, 2), v.pool.Threshold())
}

func TestRoamingWorkloadsAreQuiet(t *testing.T) {
	v := newVillage(t)
	g := newDice(3)
	told := map[string]int{}
	for d := range 28 {
		for h := range 24 {
			f := func(name, text string) {
				if x, ok := v.call(name, text, at(d, h)); ok && x.Score >= v.pool.Threshold() {
					told[name]++
				}
			}
			f("runner", fmt.Sprintf("20.109.%d.%d US 8075", g.n(256), g.n(256)))
			f("lambda", fmt.Sprintf("3.208.%d.%d US 14618", g.n(256), g.n(256)))
			f("nat", fmt.Sprintf("18.184.7.%d DE 16509 aws-cli cloud", 10+g.n(3)))
			f("cluster", fmt.Sprintf("%d.%d.%d.%d DE 16509 aws-cli cloud", 18+g.n(3), 184+g.n(40), g.n(256), g.n(256)))
		}
	}
	require.Empty(t, told["runner"])
	require.Empty(t, told["lambda"])
	require.Empty(t, told["nat"])
	require.LessOrEqual(t, told["cluster"], 2, "anywhere in its cloud")
	// And yet their keys cannot be used from just anywhere.
	for _, name := range []string{"runner", "lambda", "nat", "cluster"} {
		x, ok := v.pool.Judge(v.of(name), origin("51.15.1.1 FR 12876 aws-cli hired", at(28, 4)))
		require.True(t, ok)
		require.GreaterOrEqual(t, x.Score, v.pool.Threshold(), name)
	}
}

func TestWhatWasToldDoesNotTeach(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "80.130.5.9", 0, 14)
	v.days("Ben", "80.130.5.9", 0, 14)
	const thief = "51.15.1.1 FR 12876 aws-cli hired"
	first, ok := v.call("Anna", thief, at(14, 10))
	require.True(t, ok)
	require.GreaterOrEqual(t, first.Score, v.pool.Threshold())
	_, ok = v.call("Anna", thief, at(14, 12))
	require.False(t, ok, "once a day")
	require.False(t, v.of("Anna").countries.has("FR"))
	x, _ := v.pool.Judge(v.of("Ben"), origin(thief, at(14, 13)))
	require.Zero(t, x.Users, "a thief is no colleague")
	require.InDelta(t, first.ByLevel, x.ByLevel, 0.05)

	// Others of the same kind surprise less, by one for each day told.
	x, _ = v.pool.Judge(v.of("Anna"), origin("5.79.1.1 FR 60781 aws-cli hired", at(14, 10)))
	require.Equal(t, 1, x.Told)
	require.Equal(t, -1.0, x.ByTold)
	require.InDelta(t, first.ByLevel, x.ByLevel, 0.05)
	// And others of another kind too, as if a part of a day had been seen.
	x, _ = v.pool.Judge(v.of("Anna"), origin("5.79.1.1 NL 60781 aws-cli hired", at(14, 10)))
	require.Zero(t, x.Told)
	require.Less(t, x.ByLevel, first.ByLevel-0.3)

	// Each day takes one off, until it is taken for usual.
	days := 0
	for d := 15; d < 28; d++ {
		x, ok = v.call("Anna", thief, at(d, 10))
		if !ok || x.Score < v.pool.Threshold() {
			break
		}
		days++
		require.Equal(t, days, x.Told)
	}
	require.Equal(t, int(math.Floor(first.Score-v.pool.Threshold())), days)
	require.True(t, v.of("Anna").countries.has("FR"))
	require.Empty(t, v.of("Anna").suspects)

	// What is long ago is told again as at first.
	v.call("Ben", thief, at(14, 10))
	x, ok = v.pool.Judge(v.of("Ben"), origin(thief, at(14+suspectDays, 10)))
	require.True(t, ok)
	require.Equal(t, 1, x.Told)
	x, ok = v.pool.Judge(v.of("Ben"), origin(thief, at(15+suspectDays, 10)))
	require.True(t, ok)
	require.Zero(t, x.Told)
}

func TestCondemnedAddresses(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "80.130.5.9", 0, 14)
	v.days("Ben", "80.130.6.9", 0, 14)
	const thief = "51.15.1.1 FR 12876 aws-cli hired"
	v.call("Anna", thief, at(14, 10))
	v.pool.Condemn(netip.MustParseAddr("51.15.1.1"))
	for d := 15; d < 40; d++ {
		for _, name := range []string{"Anna", "Ben"} {
			x, ok := v.call(name, thief, at(d, 10))
			require.True(t, ok)
			require.GreaterOrEqual(t, x.Score, v.pool.Threshold()+1-1e-9)
			_, ok = v.call(name, thief, at(d, 11))
			require.False(t, ok, "once a day")
		}
	}
	require.False(t, v.of("Ben").countries.has("FR"))

	// What was learned before it was condemned is told too.
	v.days("Carl", "80.130.7.9", 0, 14)
	v.pool.Condemn(netip.MustParseAddr("80.130.7.9"))
	x, ok := v.call("Carl", "80.130.7.9", at(14, 10))
	require.True(t, ok)
	require.Equal(t, v.pool.Threshold()+1, x.Score)
	v.pool.Acquit(netip.MustParseAddr("80.130.7.9"))
	_, ok = v.call("Carl", "80.130.7.9", at(15, 10))
	require.False(t, ok)

	for i := range 2 * condemnedKept {
		v.pool.Condemn(netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)}))
	}
	require.Len(t, v.pool.condemned, condemnedKept)
	require.False(t, v.pool.Condemned(netip.MustParseAddr("51.15.1.1")))
}

func TestTrustedOriginsTeachAtOnce(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "80.130.5.9", 0, 14)
	o := origin("51.15.1.1 FR 12876", at(14, 10))
	require.False(t, v.pool.Learn(v.of("Anna"), o, Person, true))
	require.True(t, v.of("Anna").Knows(o.Address))
}

func TestIPv6(t *testing.T) {
	v := newVillage(t)
	v.days("Anna", "2003:e1:1::9", 0, 14)
	for text, level := range map[string]AddressLevel{
		"2003:e1:1:ffff::1 DE 3320": LevelAddress, "2003:e1:2::1 DE 3320": LevelNetwork, "2003:e2:1::1 DE 3320": LevelBlock,
		"2a02::1 DE 6805": LevelSystem, "2a02::1 NL 60781": LevelCountry, "32.3.0.225 DE 3320": LevelBlock,
	} {
		got, ok := v.pool.Judge(v.of("Anna"), origin(text, at(14, 10)))
		require.True(t, ok)
		require.Equal(t, level, got.Level, text)
	}
}

// TestAddressesAreBounded calls from everywhere with everything for two years.
func TestAddressesAreBounded(t *testing.T) {
	p := NewAddressPool(DefaultAddressParams())
	g := newDice(5)
	a := NewAddresses(1)
	for i := range 100_000 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(g.n(1<<31)))
		o := &Origin{
			Address: netip.AddrFrom4(b), System: uint32(g.n(1000)), Country: fmt.Sprint(g.n(99)),
			Agent: fmt.Sprint(g.n(99)), Hired: Hired(g.n(3)), Minute: at(0, 0) + Minute(i*10),
		}
		p.Learn(a, o, Group(g.n(2)), g.n(3) > 0)
		if i%1000 == 0 {
			p.Judge(a, o)
		}
	}
	require.Len(t, a.addresses, addressesKept)
	require.Len(t, a.agents, agentsKept)
	require.Len(t, a.countries, countriesKept)
	require.LessOrEqual(t, len(a.suspects), suspectsKept)
	require.LessOrEqual(t, p.Networks(), sharedKept)
	require.LessOrEqual(t, len(p.blocks), sharedKept)
	require.Less(t, float64(a.days), float64(daysKept))
	raw, err := a.MarshalBinary()
	require.NoError(t, err)
	require.Less(t, len(raw), 4096)
	for l := LevelAddress + 1; l < levels; l++ {
		require.LessOrEqual(t, a.fresh[l], a.fresh[l-1])
	}
}

func TestAddressStatesSurvive(t *testing.T) {
	a := newVillage(t)
	step := func(v *village, d, h int) []AddressVerdict {
		var out []AddressVerdict
		g := newDice(uint64(100*d + h))
		for i, name := range []string{"Anna", "Ben", "runner"} {
			text := fmt.Sprintf("80.130.%d.%d", g.n(3), i)
			if g.n(40) == 0 {
				text = fmt.Sprintf("51.%d.1.1 FR 12876 Boto3 hired", g.n(20))
			}
			x, _ := v.call(name, text, at(d, h))
			out = append(out, x)
		}
		return out
	}
	for d := range 20 {
		for h := range 24 {
			step(a, d, h)
		}
	}
	require.NotEmpty(t, a.of("Anna").suspects)

	a.pool.Condemn(netip.MustParseAddr("51.1.1.1"))

	b := newVillage(t)
	for name, x := range a.who {
		raw, err := x.AppendBinary([]byte("x"))
		require.NoError(t, err)
		b.who[name] = &Addresses{}
		require.NoError(t, b.who[name].UnmarshalBinary(raw[1:]))
		require.Equal(t, x, b.who[name])
		t.Logf("the addresses of %s are %d bytes written", name, len(raw)-1)
	}
	raw, err := a.pool.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, b.pool.UnmarshalBinary(raw))
	require.Equal(t, a.pool, b.pool)
	for d := 20; d < 25; d++ {
		for h := range 24 {
			require.Equal(t, step(a, d, h), step(b, d, h))
		}
	}

	// Of what is damaged nothing is taken over.
	want := *b.pool
	for n := range len(raw) {
		require.ErrorIs(t, b.pool.UnmarshalBinary(raw[:n]), errState)
	}
	require.Equal(t, want, *b.pool)
}

func FuzzAddresses(f *testing.F) {
	p := NewAddressPool(DefaultAddressParams())
	a := NewAddresses(7)
	for d := range 5 {
		p.Learn(a, origin(fmt.Sprintf("80.130.%d.9", d), at(d, 9)), Person, false)
		p.Learn(a, origin(fmt.Sprintf("51.%d.1.1 FR 12876 Boto3 hired", d), at(d, 9)), Person, false)
	}
	p.Learn(a, origin("2003:e1:1::9", at(5, 1)), Person, true)
	raw, _ := a.MarshalBinary()
	f.Add(raw)
	f.Add(raw[:200])
	none, _ := NewAddresses(0).MarshalBinary()
	f.Add(none)
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Addresses
		if a.UnmarshalBinary(b) != nil {
			return
		}
		again, err := a.MarshalBinary()
		require.NoError(t, err)
		require.Len(t, again, len(b))
		p := NewAddressPool(DefaultAddressParams())
		for d := range 4 {
			o := origin(fmt.Sprintf("51.%d.1.1 FR 12876 Boto3 hired", d), a.last.Minute%(1<<30)+Minute(d*1000))
			v, _ := p.Judge(&a, o)
			require.False(t, math.IsNaN(v.Score) || math.IsInf(v.Score, 0))
			p.Learn(&a, o, Group(d%2), d%3 == 0)
		}
	})
}

// dice are a small source of chance that is the same everywhere.
type dice uint64

func newDice(seed uint64) *dice { d := dice(seed*2 + 1); return &d }

func (d *dice) n(limit int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(uint64(*d>>33) % uint64(limit))
}

// BenchmarkAddresses is what an event costs: of an identity that goes on as
// before; that changes among known addresses; that comes from a new one.
func BenchmarkAddresses(b *testing.B) {
	p := NewAddressPool(DefaultAddressParams())
	a := NewAddresses(1)
	var known, fresh []*Origin
	for i := range 24 {
		known = append(known, origin(fmt.Sprintf("80.130.%d.9", i), at(14, 9)))
		fresh = append(fresh, origin(fmt.Sprintf("51.%d.1.1 FR 12876 Boto3 hired", i), at(14, 9)))
	}
	for d := range 15 {
		for h := range 24 {
			for _, o := range known {
				o.Minute = at(d, h)
				p.Learn(a, o, Person, true)
			}
		}
	}
	run := func(name string, f func(i int)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				f(i)
			}
		})
	}
	run("same", func(int) {
		o := known[23]
		if a.Knows(o.Address) && a.Again(o.Address, o.Agent, o.Minute) {
			return
		}
		b.Fatal("it is not the same")
	})
	run("known", func(i int) {
		o := known[i%len(known)]
		if a.Knows(o.Address) && !a.Again(o.Address, o.Agent, o.Minute) {
			p.Learn(a, o, Person, false)
		}
	})
	run("new", func(i int) {
		if _, ok := p.Judge(a, fresh[i%len(fresh)]); !ok {
			b.Fatal("it is not new")
		}
	})
}
