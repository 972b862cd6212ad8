package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/insight"
)

// bucket says how often a value is seen among days known: frequent on at least
// one day a week, infrequent on at least one in thirty, else rare; unseen where
// it came up today. The buckets are GuardDuty's.
func (v *knownValue) bucket(days int, today int32) string {
	switch {
	case v == nil || v.days <= 1 && v.last == today && days > 1:
		return "unseen"
	case int(v.days)*7 >= days:
		return "frequent"
	case int(v.days)*30 >= days && v.days > 1:
		return "infrequent"
	}
	return "rare"
}

// prefixOf is the network that an address is known under: its /24, or its /48
// where it is of IPv6.
func prefixOf(ip netip.Addr) (netip.Prefix, bool) {
	bits := 24
	if ip.Is6() && !ip.Is4In6() {
		bits = 48
	}
	p, err := ip.Unmap().Prefix(bits)
	return p, err == nil
}

// habits tell what is unusual for the identity in the events behind an insight,
// against what is usual for it. They weigh nothing by themselves.
func (s *stream) habits(w *who, found *evidence) []insight.Reason {
	if w == nil || found.total == 0 {
		return nil
	}
	var networks, countries map[string]int
	for a, n := range found.values[attrAddress] {
		src, ok := found.sources[a]
		if !ok {
			continue
		}
		if ip, err := netip.ParseAddr(src.IP); err == nil {
			if p, ok := prefixOf(ip); ok {
				networks = count(networks, p.String(), n)
			}
		}
		if src.Country != "" {
			countries = count(countries, src.Country, n)
		}
	}
	var out []insight.Reason
	today := int32(found.first.Unix() / 86400)
	for _, h := range []struct {
		feature, word string
		now           map[string]int
		past          known
	}{
		{"network", "from the network", networks, w.networks},
		{"country", "from the country", countries, w.countries},
		{"userAgent", "with the agent", found.values[attrAgent], w.agents},
		{"operation", "calling", found.values[attrAPI], w.operations},
	} {
		if r, ok := s.habit(w, today, h.feature, h.word, h.now, h.past, found.total); ok {
			out = append(out, r)
		}
	}
	return out
}

func count(m map[string]int, v string, n int) map[string]int {
	if m == nil {
		m = map[string]int{}
	}
	m[v] += n
	return m
}

// habitShare is the share of an insight's events that a value must have to be
// called unusual.
const habitShare = 0.2

// habit is one of them: the values that the identity rarely has, or never had
// before today.
func (s *stream) habit(w *who, today int32, feature, word string, now map[string]int, past known, total int) (insight.Reason, bool) {
	var odd []string
	n := 0
	for _, v := range ranked(now, topSlots) {
		if v == "" || float64(now[v]) < habitShare*float64(total) {
			continue
		}
		y, seen := s.symbols.byName[v]
		var k *knownValue
		if seen {
			k = past[y]
		}
		if b := k.bucket(w.span(), today); b == "unseen" || b == "rare" {
			odd = append(odd, v+" ("+b+")")
			n += now[v]
		}
	}
	if len(odd) == 0 {
		return insight.Reason{}, false
	}
	var usual []string
	for _, v := range past.list(s.symbols, w.span()) {
		if _, now := now[v.Value]; !now && len(usual) < 3 {
			usual = append(usual, v.Value+" ("+v.Frequency+")")
		}
	}
	text := fmt.Sprintf("%d of %d calls %s %s", n, total, word, strings.Join(odd, ", "))
	if len(usual) > 0 {
		text += "; usual are " + strings.Join(usual, ", ")
	}
	return insight.Reason{Feature: feature, Observed: strings.Join(odd, ", "), Usual: cmp.Or(strings.Join(usual, ", "), "nothing else is known"), Text: text}, true
}

// contributors names who and what did most beyond what is usual, in words.
func contributors(list []insight.Attribution) []insight.Reason {
	var parts []string
	for _, a := range list {
		best, most, total := "", 0.0, 0.0
		for _, v := range a.Insight {
			total += v.Average
			usual := 0.0
			if i := slices.IndexFunc(a.Baseline, func(b insight.ValueAverage) bool { return b.Value == v.Value }); i >= 0 {
				usual = a.Baseline[i].Average
			}
			if v.Value != "Other" && v.Average-usual > most {
				best, most = v.Value, v.Average-usual
			}
		}
		if best != "" && total > 0 && best != "null" && best != "unknown" {
			parts = append(parts, fmt.Sprintf("%s %s (%.0f %%)", attrWords[a.Attribute], best, 100*min(1, most/total)))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return []insight.Reason{{Feature: "contributors", Observed: strings.Join(parts, ", "), Usual: "", Text: "most of what is beyond the usual: " + strings.Join(parts, ", ")}}
}

// attrWords are the attributes as people say them.
var attrWords = map[string]string{
	"userIdentityArn": "identity", "userAgent": "agent", "errorCode": "error", "sourceIPAddress": "address", "eventName": "operation",
}
