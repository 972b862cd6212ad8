package enrich

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
)

// A network is proposed as the organisation's own when this many people called
// from it on this many days.
const (
	MinIdentities = 3
	MinDays       = 5
)

// The width of the networks that are proposed, in bits.
const (
	proposedV4 = 24
	proposedV6 = 48
)

// Bounds of a Learner's memory: about 350 bytes a network, so 1.5 MB.
const (
	// maxNetworks is how many networks are watched. Beyond it the quarter that
	// was idle longest is forgotten.
	maxNetworks = 4096
	// maxPeople is how many identities of a network are told apart. More count
	// as that many.
	maxPeople = 32
)

// Proposed is a network from which several people of an account work.
type Proposed struct {
	CIDR       string
	Identities int
	Days       int
}

// Learner learns from the events of one stream which networks look like the
// organisation's own. It is not safe for use by several goroutines. What it
// knows depends on the events and their order by day alone.
type Learner struct {
	known    []func(netip.Addr) event.Network
	networks map[netip.Prefix]*habit
	// rejected remembers networks that are of no interest: clouds, hosts, VPNs,
	// Tor, and those that are known already.
	rejected map[netip.Prefix]struct{}

	last      netip.Prefix
	lastHabit *habit
}

// habit is what is known of one network.
type habit struct {
	people  []uint64 // Hashes of identities.
	days    int
	lastDay int32
	// recent has a bit for each of the 64 days up to lastDay on which somebody
	// called, so that days that come out of order are not counted twice.
	recent uint64
}

// NewLearner makes a Learner. It never proposes networks of clouds, hosts, VPNs
// and Tor, nor internal ones. The functions, such as Enricher.Network, tell of
// networks that the configuration names, which are not proposed either.
func NewLearner(known ...func(netip.Addr) event.Network) *Learner {
	return &Learner{known: known, networks: map[netip.Prefix]*habit{}, rejected: map[netip.Prefix]struct{}{}}
}

// Observe takes note that an identity called from an address on a day, which
// counts from any day on. Only people count. The identity is not kept.
func (l *Learner) Observe(identity string, kind event.Kind, ip netip.Addr, day int32) {
	if kind != event.KindHuman || !ip.IsValid() || identity == Hidden || identity == Unknown {
		return
	}
	ip = ip.Unmap()
	bits := proposedV6
	if ip.Is4() {
		bits = proposedV4
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return
	}
	if prefix != l.last {
		l.last, l.lastHabit = prefix, l.habit(prefix, ip)
	}
	if h := l.lastHabit; h != nil {
		h.observe(xxhash.Sum64String(identity), day)
	}
}

// habit returns what is known of a network, or nil where it is of no interest.
func (l *Learner) habit(prefix netip.Prefix, ip netip.Addr) *habit {
	if h, ok := l.networks[prefix]; ok {
		return h
	}
	if _, ok := l.rejected[prefix]; ok {
		return nil
	}
	if !l.wanted(ip) {
		if len(l.rejected) >= maxNetworks {
			clear(l.rejected)
		}
		l.rejected[prefix] = struct{}{}
		return nil
	}
	if len(l.networks) >= maxNetworks {
		l.forget()
	}
	h := &habit{}
	l.networks[prefix] = h
	return h
}

func (l *Learner) wanted(ip netip.Addr) bool {
	if isInternal(ip) || !ip.IsGlobalUnicast() {
		return false
	}
	if systems, err := geo.DefaultSystems(); err == nil && systems.Class(systems.System(ip)) != event.NetworkUnknown {
		return false
	}
	for _, f := range l.known {
		if f(ip) != event.NetworkUnknown {
			return false
		}
	}
	return true
}

// forget makes room.
func (l *Learner) forget() {
	all := make([]netip.Prefix, 0, len(l.networks))
	for p := range l.networks {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(l.networks[a].lastDay, l.networks[b].lastDay),
			cmp.Compare(l.networks[a].days, l.networks[b].days), a.Compare(b))
	})
	for _, p := range all[:len(all)/4] {
		delete(l.networks, p)
	}
	l.last, l.lastHabit = netip.Prefix{}, nil
}

func (h *habit) observe(who uint64, day int32) {
	if len(h.people) < maxPeople && !slices.Contains(h.people, who) {
		h.people = append(h.people, who)
	}
	switch {
	case h.days == 0:
		h.days, h.lastDay, h.recent = 1, day, 1
	case day > h.lastDay:
		h.recent = h.recent<<min(int64(day)-int64(h.lastDay), 64) | 1
		h.lastDay = day
		h.days++
	case day < h.lastDay:
		// Days further back than the bits reach are left out.
		back := int64(h.lastDay) - int64(day)
		if back < 64 && h.recent&(1<<back) == 0 {
			h.recent |= 1 << back
			h.days++
		}
	}
}

// Proposed lists the networks that look like the organisation's own, the one
// with the most people first.
func (l *Learner) Proposed() []Proposed {
	var list []Proposed
	for p, h := range l.networks {
		if len(h.people) >= MinIdentities && h.days >= MinDays {
			list = append(list, Proposed{CIDR: p.String(), Identities: len(h.people), Days: h.days})
		}
	}
	slices.SortFunc(list, func(a, b Proposed) int {
		return cmp.Or(cmp.Compare(b.Identities, a.Identities), cmp.Compare(b.Days, a.Days), strings.Compare(a.CIDR, b.CIDR))
	})
	return list
}
