package engine

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// reasons say why an address is told, in words and numbers. The contributions
// add up to the score.
func (l *addressLooker) reasons(s *stream, e *event.Event, w *who, m models.Minute, v *models.AddressVerdict, program string) []insight.Reason {
	who, days := insight.ShortName(w.name), int(v.Days)+1
	var out []insight.Reason
	add := func(feature string, observed, usual any, by float64, format string, args ...any) {
		out = append(out, insight.Reason{Feature: feature, Observed: observed, Usual: usual, Contribution: round(by), Text: fmt.Sprintf(format, args...)})
	}
	observed, usual, text := s.newness(e, w, v)
	add("address", observed, usual, v.ByLevel, "%s; anything so new came up on %.0f of %s", text, v.Fresh, daysKnown(days))
	switch network, block := addressRanges(e.Source.IP); {
	case v.Users > 0:
		add("sharedNetwork", v.Users, 0, v.ByUsers, "%s of the account %s the network %s", people(v.Users), uses(v.Users), network)
	case v.BlockUsers > 0:
		add("sharedNetwork", v.BlockUsers, 0, v.ByUsers, "%s of the account %s networks of %s", people(v.BlockUsers), uses(v.BlockUsers), block)
	default:
		add("sharedNetwork", 0, 0, 0, "no other identity of the account uses the network %s", network)
	}
	switch n := e.Source.Network; n {
	case event.NetworkHosting, event.NetworkVPN, event.NetworkTor, event.NetworkCloud:
		add("networkClass", n.String()+" ("+bucketOf(v.HiredDays, v.Days)+")", "", v.ByHired,
			"anybody can hire a place in this network (%s); %s called from such ones on %.0f of %s", n, who, v.HiredDays, daysKnown(days))
	}
	if agents := known3(w.agents.list(s.symbols, w.span())); program != "" && v.NewAgent {
		add("userAgent", program+" (unseen)", agents, v.ByAgent, "the user agent %s is new to %s%s", program, who, usualAre(agents))
	} else if program != "" {
		add("userAgent", program, agents, 0, "the user agent %s is usual", program)
	}
	at := fmt.Sprintf("%02d:00 UTC", m/60%24)
	if v.ByHour > 0 {
		add("hour", at, "", v.ByHour, "%s is rare: %s called in this hour on %d of %s", at, who, v.HourDays, daysKnown(days))
	} else {
		add("hour", at, "", 0, "%s is no rare hour: %s called in it on %d of %s", at, who, v.HourDays, daysKnown(days))
	}
	if v.Apart > 0 {
		add("twoCountries", e.Source.Country, v.From, v.ByApart, "%s called from %s %s before", who, v.From, minutes(int(v.Apart)))
	}
	if v.Told > 0 {
		add("told", v.Told, "", v.ByTold, "the like of it was told on %s before, which each makes it ten times as usual", daysKnown(v.Told))
	}
	if v.ByConfirmed > 0 {
		add("confirmed", e.Source.Address, "", v.ByConfirmed, "somebody confirmed that it was right to tell of this address")
	}
	add("threshold", round(v.Score), round(l.pool.Threshold()), 0, "%s", l.nearest(v))
	return out
}

// newness says what of an address is new to an identity.
func (s *stream) newness(e *event.Event, w *who, v *models.AddressVerdict) (observed, usual, text string) {
	who := insight.ShortName(w.name)
	network, block := addressRanges(e.Source.IP)
	system := fmt.Sprintf("AS%d", e.Source.ASN)
	networks := known3(w.networks.list(s.symbols, w.span()))
	switch v.Level {
	case models.LevelAddress:
		return e.Source.Address, networks, fmt.Sprintf("the address %s is new to %s, though not its network %s", e.Source.Address, who, network)
	case models.LevelNetwork:
		return network, networks, fmt.Sprintf("the network %s is new to %s, though not others of %s", network, who, block)
	case models.LevelBlock:
		if e.Source.ASN == 0 {
			return block, networks, fmt.Sprintf("the networks of %s are new to %s, and nothing more is known of them%s", block, who, usualAre(networks))
		}
		return block, networks, fmt.Sprintf("the networks of %s are new to %s, though not others of %s", block, who, system)
	case models.LevelSystem:
		return system, networks, fmt.Sprintf("the provider %s is new to %s%s", system, who, usualAre(networks))
	}
	countries := known3(w.countries.list(s.symbols, w.span()))
	return e.Source.Country + " (unseen)", countries, fmt.Sprintf("the country %s is new to %s%s", e.Source.Country, who, usualAre(countries))
}

// nearest says what would have had to be otherwise for nothing to be told.
func (l *addressLooker) nearest(v *models.AddressVerdict) string {
	if v.ByConfirmed > 0 {
		return "is raised every day, until the feedback on it is taken back"
	}
	const most = 8
	for n := v.Users + 1; n <= most; n++ {
		if l.pool.WithUsers(v, n) < l.pool.Threshold() {
			return fmt.Sprintf("would not have been raised from a network that %s %s", people(n), uses(n))
		}
	}
	for _, other := range []struct {
		by   float64
		text string
	}{
		{v.ByAgent, "with a usual user agent"},
		{v.ByHour, "at a usual hour"},
		{v.ByAgent + v.ByHour, "with a usual user agent at a usual hour"},
	} {
		if other.by > 0 && v.Score-other.by < l.pool.Threshold() {
			return "would not have been raised " + other.text
		}
	}
	return "would not have been raised from a network that the identity knows"
}

// addressRanges are the network and the block of an address in words.
func addressRanges(ip netip.Addr) (network, block string) {
	bits := 16
	if ip.Is6() && !ip.Is4In6() {
		bits = 32
	}
	if p, ok := prefixOf(ip); ok {
		network = p.String()
	}
	if p, err := ip.Unmap().Prefix(bits); err == nil {
		block = p.String()
	}
	return network, block
}

// known3 are the three most frequent of what is known, in words.
func known3(list []insight.Known) string {
	var out []string
	for _, k := range list[:min(3, len(list))] {
		out = append(out, k.Value+" ("+k.Frequency+")")
	}
	return strings.Join(out, ", ")
}

func usualAre(list string) string {
	if list == "" {
		return ""
	}
	return "; usual are " + list
}

// bucketOf says how often something happens on so many of all days, in the
// words of knownValue.bucket.
func bucketOf(n, days float64) string {
	switch {
	case n == 0:
		return "unseen"
	case n*7 >= days:
		return "frequent"
	case n*30 >= days && n > 1:
		return "infrequent"
	}
	return "rare"
}

// people are so many other identities.
func people(n int) string {
	switch {
	case n == 1:
		return "one other identity"
	case n >= 8:
		return "eight or more other identities"
	}
	return fmt.Sprintf("%d other identities", n)
}

func uses(n int) string {
	if n == 1 {
		return "uses"
	}
	return "use"
}

// daysKnown are so many days.
func daysKnown(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
