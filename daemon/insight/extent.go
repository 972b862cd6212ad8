package insight

import (
	"net/netip"
	"slices"
	"strings"
)

// Extent is what an insight spans: what a reader reviewed when he judges it.
// It is no part of a record.
type Extent struct {
	// Operations are what was called, as "service:operation", sorted.
	Operations []string `json:"operations,omitempty"`
	// Networks are where it came from, sorted: the /24 or IPv6 /48 of each
	// address, and the /16 or /32 where several of those were in it; or a name,
	// such as "AWS Internal", as it is.
	Networks []string `json:"networks,omitempty"`
	// Countries are those of the addresses, sorted.
	Countries []string `json:"countries,omitempty"`
	// Identities are who did it, and Regions where, sorted, where an insight may
	// be of several.
	Identities []string `json:"identities,omitempty"`
	Regions    []string `json:"regions,omitempty"`
	// Peak is the most events in one minute.
	Peak float64 `json:"peak,omitempty"`
}

const (
	// extentLimit bounds each list of an extent. What is beyond it is one word,
	// extentOther, which no list of what was confirmed makes up for.
	extentLimit = 64
	extentOther = "others"
	// widerFrom is of how many networks the wider one is taken in their place:
	// workloads get their addresses from a pool.
	widerFrom = 3
	// noNetwork is the network of an event without an address.
	noNetwork = "unknown"
)

// Counts are how often each of what an extent lists was there, by name.
type Counts struct{ Operations, Addresses, Countries, Identities, Regions map[string]int }

// NewExtent returns the extent of events of which there were at most so many in
// a minute.
func NewExtent(c Counts, peak int) Extent {
	networks := make(map[string]int, len(c.Addresses))
	for a, n := range c.Addresses {
		networks[Network(a)] += n
	}
	return Extent{
		Operations: mostOf(c.Operations), Networks: mostOf(widen(networks)), Countries: mostOf(c.Countries),
		Identities: mostOf(c.Identities), Regions: mostOf(c.Regions), Peak: float64(peak),
	}
}

// Absorb takes into the extent what another one spans.
func (x *Extent) Absorb(o Extent) {
	join := func(a, b []string) []string {
		counts := make(map[string]int, len(a)+len(b))
		for _, w := range slices.Concat(a, b) {
			counts[w] = 1
		}
		return mostOf(counts)
	}
	networks := make(map[string]int, len(x.Networks)+len(o.Networks))
	for _, n := range slices.Concat(x.Networks, o.Networks) {
		networks[n] = 1
	}
	*x = Extent{
		Operations: join(x.Operations, o.Operations), Networks: mostOf(widen(networks)), Countries: join(x.Countries, o.Countries),
		Identities: join(x.Identities, o.Identities), Regions: join(x.Regions, o.Regions), Peak: max(x.Peak, o.Peak),
	}
}

// Network is the network that an address belongs to: its /24, or /48 of IPv6. A
// name is a network of its own.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	switch {
	case address == "":
		return noNetwork
	case err != nil:
		return address
	}
	return networkOf(ip)
}

func networkOf(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return noNetwork
	}
	return p.String()
}

// wider is the /16 of a /24, the /32 of a /48, and empty for anything else.
func wider(network string) string {
	p, err := netip.ParsePrefix(network)
	if err != nil {
		return ""
	}
	bits := 0
	switch {
	case p.Addr().Is4() && p.Bits() == 24:
		bits = 16
	case p.Addr().Is6() && p.Bits() == 48:
		bits = 32
	default:
		return ""
	}
	p, err = p.Addr().Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// widen puts wider networks in the place of those of which several are known.
func widen(networks map[string]int) map[string]int {
	in := map[string]int{}
	for n := range networks {
		if w := wider(n); w != "" {
			in[w]++
		}
	}
	out := make(map[string]int, len(networks))
	for n, count := range networks {
		if w := wider(n); w != "" && in[w] >= widerFrom {
			n = w
		}
		out[n] += count
	}
	return out
}

// mostOf lists what there was most of, sorted by name.
func mostOf(counts map[string]int) []string {
	if len(counts) == 0 {
		return nil
	}
	list := make([]string, 0, len(counts))
	for v := range counts {
		list = append(list, v)
	}
	if len(list) > extentLimit {
		slices.SortFunc(list, func(a, b string) int {
			if counts[a] != counts[b] {
				return counts[b] - counts[a]
			}
			return strings.Compare(a, b)
		})
		list = append(list[:extentLimit-1], extentOther)
	}
	slices.Sort(list)
	for n := range list {
		list[n] = strings.Clone(list[n])
	}
	return list
}

// holdsNetwork reports whether a network is one of the extent's, or within one.
func (x *Extent) holdsNetwork(network string) bool {
	return has(x.Networks, network) || has(x.Networks, wider(network))
}

// has reports whether a sorted list has a word.
func has(list []string, word string) bool {
	_, found := slices.BinarySearch(list, word)
	return found
}

// extent is what the insight spans, as far as it says: insights of before
// extents were kept say it by their addresses and numbers.
func (i *Insight) extent() Extent {
	x := i.Extent
	if len(x.Operations) == 0 && i.Operation != "" {
		x.Operations = []string{i.Service + ":" + i.Operation}
	}
	if len(x.Networks) == 0 && len(i.SourceIPs) > 0 {
		addresses, countries := map[string]int{}, map[string]int{}
		for _, s := range i.SourceIPs {
			addresses[s.IP]++
			if s.Country != "" {
				countries[s.Country]++
			}
		}
		from := NewExtent(Counts{Addresses: addresses, Countries: countries}, 0)
		x.Networks, x.Countries = from.Networks, from.Countries
	}
	if len(x.Identities) == 0 && i.Identity != "" {
		x.Identities = []string{i.Identity}
	}
	if len(x.Regions) == 0 && i.Region != "" {
		x.Regions = []string{i.Region}
	}
	x.Peak = max(x.Peak, i.Observed, i.Statistics.Insight.Average)
	return x
}
