package engine

import (
	"sort"

	"github.com/insightd/insightd/daemon/insight"
)

// The attributes that insights attribute to, in the order in which they are
// shown. The first is learned for account-level series only.
const (
	attrIdentity = iota
	attrAgent
	attrError
	attrAddress
	attrAPI
	attrCount
)

var attrNames = [attrCount]string{"userIdentityArn", "userAgent", "errorCode", "sourceIPAddress", "eventName"}

// topSlots is how many values a side of an attribution shows.
const topSlots = 5

// slot is a value with how often it was seen.
type slot struct {
	value symbol
	n     float32
}

// tally keeps the most frequent values of one attribute of one series in
// little memory, by the space-saving algorithm (Metwally, Agrawal and El
// Abbadi 2005): a new value takes the place and the count of the least.
type tally [topSlots]slot

func (t *tally) add(v symbol, n float32) {
	least := 0
	for i := range t {
		if t[i].value == v && t[i].n > 0 {
			t[i].n += n
			return
		}
		if t[i].n < t[least].n {
			least = i
		}
	}
	t[least] = slot{v, t[least].n + n}
}

// halve forgets half of what is known.
func (t *tally) halve() {
	for i := range t {
		t[i].n /= 2
	}
}

// shares turns counts of values into averages a minute that add up to the
// given rate: the five largest and "Other". Counts of a space-saving tally may
// exceed total; they are scaled down to it.
func shares(counts []valueCount, total, rate float64) []insight.ValueAverage {
	if total <= 0 || rate <= 0 {
		return nil
	}
	sort.Slice(counts, func(i, j int) bool {
		if counts[i].n != counts[j].n {
			return counts[i].n > counts[j].n
		}
		return counts[i].value < counts[j].value
	})
	sum := 0.0
	for _, c := range counts {
		sum += c.n
	}
	scale := rate / total
	if sum > total {
		scale = rate / sum
	}
	var out []insight.ValueAverage
	rest := rate
	for i, c := range counts {
		if i == topSlots {
			break
		}
		out = append(out, insight.ValueAverage{Value: c.value, Average: round(c.n * scale)})
		rest -= c.n * scale
	}
	if rest > rate*0.005 {
		out = append(out, insight.ValueAverage{Value: "Other", Average: round(rest)})
	}
	return out
}

type valueCount struct {
	value string
	n     float64
}
