package models

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
)

// AddressPool is what the identities of an account have in common: how often
// they come from somewhere new, and who uses which networks. One goroutine owns
// it with the Addresses of its account.
type AddressPool struct {
	params   AddressParams
	rates    [groups][ages]originRates
	networks sharing
	blocks   sharing
	// condemned are the addresses that were confirmed to be strangers', the one
	// that was confirmed last at the end.
	condemned []netip.Addr
}

// NewAddressPool returns a pool that knows only what it was shipped with.
func NewAddressPool(p AddressParams) *AddressPool {
	return &AddressPool{params: p, networks: sharing{}, blocks: sharing{}}
}

// Threshold is the score from which on an address is told.
func (p *AddressPool) Threshold() float64 { return p.params.Threshold }

// Networks is how many networks the identities of the account use.
func (p *AddressPool) Networks() int { return len(p.networks) }

// condemnedKept is how many addresses are known to be strangers'.
const condemnedKept = 256

// Condemn notes that an address was confirmed to be a stranger's: what comes
// from it is told every day, whoever it is, and never teaches.
func (p *AddressPool) Condemn(ip netip.Addr) {
	p.Acquit(ip)
	p.condemned = append(p.condemned, ip)
	if n := len(p.condemned) - condemnedKept; n > 0 {
		p.condemned = slices.Delete(p.condemned, 0, n)
	}
}

// Acquit takes that back.
func (p *AddressPool) Acquit(ip netip.Addr) {
	p.condemned = slices.DeleteFunc(p.condemned, func(o netip.Addr) bool { return o == ip })
}

// Condemned reports whether an address is known to be a stranger's.
func (p *AddressPool) Condemned(ip netip.Addr) bool { return slices.Contains(p.condemned, ip) }

// WithUsers is the score that a verdict would have from a network that so many
// other identities use.
func (p *AddressPool) WithUsers(v *AddressVerdict, n int) float64 {
	return v.Score - v.ByUsers + p.byUsers(n, v.BlockUsers)
}

// byUsers is what is taken off a score for who uses the network, or where nobody
// does, its block.
func (p *AddressPool) byUsers(network, block int) float64 {
	switch {
	case network > 0:
		return -math.Log10(1 + p.params.Shared*float64(network))
	case block > 0:
		return -0.5 * math.Log10(1+p.params.SharedBlock*float64(block))
	}
	return 0
}

// ages are by how many days, the first left out, identities are compared: none,
// the next two, four and eight, and more. Much is new in the first days.
const ages = 5

func ageOf(days float64) int {
	switch {
	case days < 1:
		return 0
	case days < 3:
		return 1
	case days < 7:
		return 2
	case days < 15:
		return 3
	}
	return 4
}

// originRates are on how many days of identities of one group and age something
// was new at a level or beyond it, the program was new, and the network of a
// kind that anybody can hire a place in.
type originRates struct {
	days  float64
	fresh [levels]float64
	agent float64
	hired [hireds]float64
}

const (
	// shippedDays is how many days of identities what is shipped weighs.
	shippedDays = 100
	// ratesKept is how many days of identities count; then all are halved.
	ratesKept = 8192
)

// scale multiplies all.
func (r *originRates) scale(by float64) {
	r.days *= by
	for l := range r.fresh {
		r.fresh[l] *= by
	}
	r.agent *= by
	for h := range r.hired {
		r.hired[h] *= by
	}
}

func (p *AddressPool) cell(g Group, days float64) (own, shipped *originRates) {
	i := ageOf(days)
	return &p.rates[g][i], &shippedRates[g][i]
}

// typical are the rates of identities of a group that are known for so many
// days, together with what is shipped.
func (p *AddressPool) typical(g Group, days float64) originRates {
	own, shipped := p.cell(g, days)
	t := *shipped
	t.scale(shippedDays)
	t.days += own.days
	for l := range t.fresh {
		t.fresh[l] += own.fresh[l]
	}
	t.agent += own.agent
	for h := range t.hired {
		t.hired[h] += own.hired[h]
	}
	return t
}

// count counts an identity's day that is over. The first does not count.
func (p *AddressPool) count(a *Addresses) {
	if a.first {
		return
	}
	days := float64(a.days)
	t := p.typical(a.group, days)
	for l := LevelAddress; l < levels; l++ {
		a.due[l] += float32(t.fresh[l] / t.days)
	}
	g, _ := p.cell(a.group, days)
	if g.days >= ratesKept {
		g.scale(0.5)
	}
	g.days++
	a.days++
	for l := LevelAddress; l <= a.today; l++ {
		g.fresh[l]++
		a.fresh[l]++
	}
	if a.agentToday {
		g.agent++
		a.agent++
	}
	for h, today := range a.hiredToday {
		if today {
			g.hired[h]++
			a.hired[h]++
		}
	}
	if a.days < daysKept {
		return
	}
	a.days /= 2
	for l := range a.fresh {
		a.fresh[l] /= 2
		a.due[l] /= 2
		a.doubted[l] /= 2
	}
	a.agent /= 2
	for h := range a.hired {
		a.hired[h] /= 2
	}
	for h := range a.hours {
		a.hours[h] /= 2
	}
}

// sharing says which identities of an account use a network.
type sharing map[uint64]*users

// users are some of the identities that use a network.
type users struct {
	who []uint32
	day int32 // of the last use
}

const (
	// sharedKept is how many networks are known with who uses them. Beyond it
	// the quarter that was idle longest is forgotten.
	sharedKept = 4096
	// usersKept is how many users of a network are told apart: one more than
	// others that count.
	usersKept = 9
)

// others is how many identities but one use a network, up to eight.
func (s sharing) others(network uint64, but uint32) int {
	u := s[network]
	if u == nil {
		return 0
	}
	n := len(u.who)
	if slices.Contains(u.who, but) {
		n--
	}
	return min(n, usersKept-1)
}

// use notes that an identity uses a network on a day.
func (s sharing) use(network uint64, who uint32, day int32) {
	u := s[network]
	if u == nil {
		if len(s) >= sharedKept {
			s.forget()
		}
		u = &users{}
		s[network] = u
	}
	u.day = day
	if len(u.who) < usersKept && !slices.Contains(u.who, who) {
		u.who = append(u.who, who)
	}
}

// list is the networks in an order that does not hang on chance.
func (s sharing) list() []uint64 {
	all := make([]uint64, 0, len(s))
	for k := range s {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// forget makes room.
func (s sharing) forget() {
	all := s.list()
	slices.SortStableFunc(all, func(a, b uint64) int { return cmp.Compare(s[a].day, s[b].day) })
	for _, k := range all[:len(all)/4] {
		delete(s, k)
	}
}

// shippedRates are rates a day: measured on generated traffic without attacks
// and rounded, with a floor under what never happened there. Each line: the
// levels from a new address to a new country.
var shippedRates = [groups][ages]originRates{
	Workload: {
		{days: 1, fresh: [levels]float64{0, 0.3, 0.3, 0.1, 0.02, 0.005}, agent: 0.05, hired: [hireds]float64{0, 0.02, 0.5}},
		{days: 1, fresh: [levels]float64{0, 0.25, 0.25, 0.03, 0.01, 0.003}, agent: 0.03, hired: [hireds]float64{0, 0.01, 0.5}},
		{days: 1, fresh: [levels]float64{0, 0.2, 0.2, 0.01, 0.005, 0.002}, agent: 0.02, hired: [hireds]float64{0, 0.01, 0.5}},
		{days: 1, fresh: [levels]float64{0, 0.2, 0.2, 0.005, 0.002, 0.001}, agent: 0.01, hired: [hireds]float64{0, 0.01, 0.5}},
		{days: 1, fresh: [levels]float64{0, 0.2, 0.2, 0.004, 0.002, 0.001}, agent: 0.01, hired: [hireds]float64{0, 0.01, 0.5}},
	},
	Person: {
		{days: 1, fresh: [levels]float64{0, 0.7, 0.5, 0.45, 0.2, 0.02}, agent: 0.3, hired: [hireds]float64{0, 0.02, 0.02}},
		{days: 1, fresh: [levels]float64{0, 0.45, 0.4, 0.3, 0.1, 0.01}, agent: 0.1, hired: [hireds]float64{0, 0.01, 0.01}},
		{days: 1, fresh: [levels]float64{0, 0.3, 0.3, 0.15, 0.06, 0.006}, agent: 0.04, hired: [hireds]float64{0, 0.01, 0.01}},
		{days: 1, fresh: [levels]float64{0, 0.3, 0.28, 0.05, 0.02, 0.004}, agent: 0.02, hired: [hireds]float64{0, 0.01, 0.01}},
		{days: 1, fresh: [levels]float64{0, 0.3, 0.28, 0.04, 0.01, 0.004}, agent: 0.01, hired: [hireds]float64{0, 0.01, 0.01}},
	},
}
