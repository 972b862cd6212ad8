package models

import (
	"math"
	"net/netip"
	"slices"
)

// AddressParams weigh what a verdict on an address is made of. Scores are powers
// of ten: a point makes an address ten times as surprising.
type AddressParams struct {
	// Threshold is the score from which on an address is told, and what comes
	// from it does not teach.
	Threshold float64
	// OwnDays is how many days of an identity its like weigh against it.
	OwnDays float64
	// Agent bounds what a program adds that is new to the identity.
	Agent float64
	// Hour weighs how rare the hour is for the identity.
	Hour float64
	// Hired weighs how rarely the identity calls from networks of a kind that
	// anybody can hire a place in, and MostHired bounds what that adds.
	Hired, MostHired float64
	// Apart is added where the identity called from another country a short
	// while ago.
	Apart float64
	// Shared and SharedBlock weigh each other identity that uses the network,
	// or its block only.
	Shared, SharedBlock float64
	// Told is taken off for each day on which the like was told before.
	Told float64
	// Doubted is how much of a day counts on which something new was told: who
	// was somewhere new once may be so again, if it was himself.
	Doubted float64
	// Confirmed is how far above the threshold an address scores at least that
	// was confirmed to be a stranger's.
	Confirmed float64
}

// DefaultAddressParams are those of DESIGN.md.
func DefaultAddressParams() AddressParams {
	return AddressParams{
		Threshold: 1.6, OwnDays: 12, Agent: 1.2, Hour: 0.8, Hired: 0.35, MostHired: 0.8,
		Apart: 0.5, Shared: 8, SharedBlock: 2, Told: 1, Doubted: 0.3, Confirmed: 1,
	}
}

// Bounds of what is kept of an identity.
const (
	addressesKept = 32
	networksKept  = 32
	blocksKept    = 16
	systemsKept   = 16
	countriesKept = 16
	agentsKept    = 8
	suspectsKept  = 16
	// daysKept is how many days of an identity count; then all are halved.
	daysKept = 128
	// suspectDays is after how many days it is forgotten that an address was
	// told.
	suspectDays = 30
	// apartMinutes is for how long somebody who called is still there.
	apartMinutes = 120
)

// Addresses are where one identity calls from. The zero value is not in use;
// make it with NewAddresses. One goroutine owns it.
type Addresses struct {
	user  uint32 // stands for the identity among the users of a network
	group Group

	// begun is set by the first call, and first holds on the day of it, on which
	// all is new. day is the last one with calls.
	begun, first bool
	day          int32
	// days are those with calls that are over, without the first. On fresh of
	// them something was new at a level or beyond it, where due were to be
	// expected by identities like it; on agent the program was new, and on
	// hired the network was of that kind.
	days       float32
	fresh, due [levels]float32
	doubted    [levels]float32 // what is granted for days on which it was told
	agent      float32
	hired      [hireds]float32
	// What is known of the day under way.
	today      AddressLevel
	agentToday bool
	hiredToday [hireds]bool
	hoursToday uint32
	hours      [24]uint16 // days with calls in the hour, the one under way too

	addresses recent[netip.Addr]
	networks  recent[uint64]
	blocks    recent[uint64]
	systems   recent[uint32]
	countries recent[string]
	agents    recent[string]
	suspects  []suspect
	last      Origin // the last call that taught
}

// suspect is an address that was told. What comes from it does not teach until
// it comes back on a later day and is not told again.
type suspect struct {
	address        netip.Addr
	network, block uint64
	system         uint32
	country        string
	told           int32 // on how many days
	day            int32 // the last of them
}

// NewAddresses returns those of an identity that was not seen before. The number
// stands for the identity among those of its account.
func NewAddresses(user uint32) *Addresses { return &Addresses{user: user} }

// Knows reports whether an address is known, so that there is nothing to judge.
func (a *Addresses) Knows(ip netip.Addr) bool { return a.last.Address == ip || a.addresses.has(ip) }

// Again takes a call that is like the last one that taught, and so teaches
// nothing but that the identity is still there: the same address and program in
// the same hour. It reports false, and does nothing, where it is not.
func (a *Addresses) Again(ip netip.Addr, agent string, m Minute) bool {
	if a.last.Address != ip || a.last.Minute/60 != m/60 || a.last.Agent != agent {
		return false
	}
	a.last.Minute = m
	return true
}

// Doubted reports whether an address was told on the day of a minute.
func (a *Addresses) Doubted(ip netip.Addr, m Minute) bool {
	i := a.suspect(ip)
	return i >= 0 && a.suspects[i].day == m/dayMinutes
}

func (a *Addresses) suspect(ip netip.Addr) int {
	return slices.IndexFunc(a.suspects, func(s suspect) bool { return s.address == ip })
}

// AddressVerdict is how surprising it is that an identity calls from an address.
type AddressVerdict struct {
	// Score is the sum of the parts.
	Score float64
	Level AddressLevel
	// Days is how many days of the identity are known beside its first. Fresh is
	// on how many of them something was new at this level or beyond.
	Days, Fresh float64
	// Users is how many other identities use the network, BlockUsers how many
	// its block; eight stands for more.
	Users, BlockUsers int
	// HiredDays is on how many days the identity called from networks of this
	// kind, where anybody can hire a place in it, HourDays on how many in this
	// hour, today left out.
	HiredDays float64
	HourDays  int
	// NewAgent says that the program is new to the identity.
	NewAgent bool
	// Apart is how many minutes ago the identity called from another country,
	// From; 0 where it did not.
	Apart Minute
	From  string
	// Told is on how many days the like was told before.
	Told int
	// What each of these adds to the score or takes off it, and that the address
	// was confirmed to be a stranger's.
	ByLevel, ByUsers, ByHired, ByAgent, ByHour, ByApart, ByTold, ByConfirmed float64
}

// Judge says how surprising an origin is. It reports false where there is
// nothing to say: the address is known, or was told today, or the identity is in
// its first day. It changes nothing.
func (p *AddressPool) Judge(a *Addresses, o *Origin) (v AddressVerdict, ok bool) {
	day := o.day()
	bad := p.Condemned(o.Address)
	if !a.begun || a.first && day <= a.day || a.Knows(o.Address) && !bad {
		return v, false
	}
	network, block := prefixes(o.Address)
	v.Level = a.level(o, network, block)
	for i := range a.suspects {
		s := &a.suspects[i]
		switch {
		case s.address == o.Address && s.day == day:
			return v, false
		case day-s.day <= suspectDays && s.like(o, v.Level, network, block):
			v.Told += int(s.told)
		}
	}
	p.weigh(&v, a, o, network, block)
	if least := p.params.Threshold + p.params.Confirmed; bad && v.Score < least {
		v.ByConfirmed = least - v.Score
		v.Score = least
	}
	return v, true
}

// level is how much of an address is new. Where neither system nor country are
// known a new block is no more than that.
func (a *Addresses) level(o *Origin, network, block uint64) AddressLevel {
	switch {
	case a.networks.has(network):
		return LevelAddress
	case a.blocks.has(block):
		return LevelNetwork
	case o.System != 0 && a.systems.has(o.System):
		return LevelBlock
	case o.Country != "" && !a.countries.has(o.Country):
		return LevelCountry
	case o.System != 0:
		return LevelSystem
	}
	return LevelBlock
}

// like reports whether what is new about an origin was new about the suspect.
func (s *suspect) like(o *Origin, l AddressLevel, network, block uint64) bool {
	switch l {
	case LevelNetwork:
		return s.network == network
	case LevelBlock:
		return s.block == block
	case LevelSystem:
		return s.system == o.System
	case LevelCountry:
		return s.country == o.Country
	}
	return s.address == o.Address
}

// weigh adds up the score.
func (p *AddressPool) weigh(v *AddressVerdict, a *Addresses, o *Origin, network, block uint64) {
	w := &p.params
	v.Days = float64(a.days)
	t := p.typical(a.group, v.Days)
	if o.day() > a.day && !a.first {
		v.Days++ // The last day is over, though it has not been counted.
	}
	// The days of an identity weigh by how much was to be expected on them: much
	// is new in the first ones.
	g := t.fresh[v.Level] / t.days
	v.Fresh = float64(a.fresh[v.Level])
	fresh := v.Fresh
	if v.Told == 0 { // Else it is what was told.
		fresh += float64(a.doubted[v.Level])
	}
	v.ByLevel = -math.Log10(min(1, (fresh+w.OwnDays*g)/(float64(a.due[v.Level])/g+w.OwnDays)))

	v.Users, v.BlockUsers = p.networks.others(network, a.user), p.blocks.others(block, a.user)
	v.ByUsers = p.byUsers(v.Users, v.BlockUsers)
	rate := func(own, like float64) float64 {
		return min(1, (own+w.OwnDays*like/t.days)/(v.Days+w.OwnDays))
	}
	if h := o.Hired; h != NotHired {
		v.HiredDays = float64(a.hired[h])
		v.ByHired = min(w.MostHired, -w.Hired*math.Log10(rate(v.HiredDays, t.hired[h])))
	}
	if v.NewAgent = o.Agent != "" && !a.agents.has(o.Agent); v.NewAgent {
		v.ByAgent = min(w.Agent, -math.Log10(rate(float64(a.agent), t.agent)))
	}
	h := o.hour()
	if v.HourDays = int(a.hours[h]); o.day() == a.day && a.hoursToday&(1<<h) != 0 {
		v.HourDays--
	}
	v.ByHour = w.Hour * a.rarity(h)
	if l := &a.last; l.Country != "" && o.Country != "" && l.Country != o.Country && o.Minute-l.Minute <= apartMinutes {
		v.Apart, v.From, v.ByApart = max(1, o.Minute-l.Minute), l.Country, w.Apart
	}
	v.ByTold = -w.Told * float64(v.Told)
	v.Score = v.ByLevel + v.ByUsers + v.ByHired + v.ByAgent + v.ByHour + v.ByApart + v.ByTold
}

// rarity is how rare an hour is for the identity, in powers of ten beyond half
// of the average hour's share, at most 1.5. The hours beside it count half.
func (a *Addresses) rarity(h int) float64 {
	sum := 0
	for _, n := range a.hours {
		sum += int(n)
	}
	if sum < 20 {
		return 0 // Too few to speak of habits.
	}
	near := 2*float64(a.hours[h]) + float64(a.hours[(h+23)%24]) + float64(a.hours[(h+1)%24]) + 0.5
	return max(0, min(1.5, -math.Log10(24*near/(4*float64(sum)+12))-0.3))
}

// Learn takes a call, and reports whether its address is doubted: it is told
// today. What comes from it teaches nothing then, or who comes twice would be
// usual. Where the origin is trusted, that is not asked. The identity is compared
// with the group.
func (p *AddressPool) Learn(a *Addresses, o *Origin, g Group, trusted bool) bool {
	a.group = g
	day := o.day()
	bad := p.Condemned(o.Address)
	if !bad && a.begun && day == a.day && a.addresses.seen(o.Address, day) && a.hoursToday&(1<<o.hour()) != 0 &&
		(o.Agent == "" || a.agents.seen(o.Agent, day)) {
		a.last = *o
		return false
	}
	if (bad || !trusted) && p.doubt(a, o) {
		return true
	}
	switch {
	case !a.begun:
		a.begun, a.first, a.day = true, true, day
	case day > a.day:
		p.count(a)
		a.first, a.day = false, day
		a.today, a.agentToday, a.hiredToday, a.hoursToday = LevelKnown, false, [hireds]bool{}, 0
	}
	network, block := prefixes(o.Address)
	if !a.addresses.has(o.Address) {
		a.today = max(a.today, a.level(o, network, block))
	}
	a.addresses.touch(o.Address, day, addressesKept)
	a.networks.touch(network, day, networksKept)
	a.blocks.touch(block, day, blocksKept)
	if o.System != 0 {
		a.systems.touch(o.System, day, systemsKept)
	}
	if o.Country != "" {
		a.countries.touch(o.Country, day, countriesKept)
	}
	if o.Agent != "" {
		a.agentToday = a.agentToday || !a.agents.has(o.Agent)
		a.agents.touch(o.Agent, day, agentsKept)
	}
	a.hiredToday[o.Hired] = true
	if h := uint32(1) << o.hour(); a.hoursToday&h == 0 {
		a.hoursToday |= h
		a.hours[o.hour()]++
	}
	p.networks.use(network, a.user, day)
	p.blocks.use(block, a.user, day)
	a.last = *o
	return false
}

// doubt reports whether an origin is to be doubted, and remembers it.
func (p *AddressPool) doubt(a *Addresses, o *Origin) bool {
	if a.Doubted(o.Address, o.Minute) {
		return true
	}
	v, ok := p.Judge(a, o)
	if !ok {
		return false
	}
	i := a.suspect(o.Address)
	if v.Score < p.params.Threshold {
		if i >= 0 { // It came back, and is not told again.
			a.suspects = slices.Delete(a.suspects, i, i+1)
		}
		return false
	}
	if !slices.ContainsFunc(a.suspects, func(s suspect) bool { return s.day == o.day() }) {
		for l := LevelAddress; l <= v.Level; l++ {
			a.doubted[l] += float32(p.params.Doubted)
		}
	}
	if i < 0 {
		if i = len(a.suspects); i < suspectsKept {
			a.suspects = append(a.suspects, suspect{})
		} else {
			i = 0
			for j := range a.suspects {
				if a.suspects[j].day < a.suspects[i].day {
					i = j
				}
			}
		}
		network, block := prefixes(o.Address)
		a.suspects[i] = suspect{address: o.Address, network: network, block: block, system: o.System, country: o.Country}
	}
	a.suspects[i].told++
	a.suspects[i].day = o.day()
	return true
}
