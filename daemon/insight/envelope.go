package insight

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// Envelope is what was confirmed normal with an insight: that type, that
// identity, that object and those operations, from those networks, up to that
// rate and that many events. An insight within it is not told; what is beyond it
// is.
type Envelope struct {
	InsightType string `json:"insightType"`
	Region      string `json:"region,omitempty"`
	Identity    string `json:"identity,omitempty"`
	// Object is empty where it is not part of what was confirmed.
	Object string `json:"object,omitempty"`
	Extent
	// Count is how many events there were; 0 is not known, since the insight goes
	// on.
	Count int `json:"count,omitempty"`
}

// shape says what of an insight its type is about.
type shape struct{ object, operations, identities, regions, size bool }

// shape is what an envelope of the insight confirms, beside networks and
// countries:
//
//   - calls: the API, up to that size;
//   - errors of an identity, of which the object is whichever API failed most:
//     those APIs, up to that size; of an account: the code or service;
//   - keys, of which an insight is one for all regions: the operations, in those
//     regions, up to that size, and the key unless it is one of a session, which
//     the next session does not have;
//   - addresses, of which an insight is one for all who come from there: the
//     networks, for those identities, in any region;
//   - anything else, such as a change of policy: the object and the operations.
func (i *Insight) shape() shape {
	switch i.Type {
	case TypeAPICallRate:
		return shape{object: true, size: true}
	case TypeAPIErrorRate:
		return shape{object: i.Identity == "", operations: i.Identity != "", size: true}
	case TypeAk:
		lasting := event.LongLived(i.Provider, i.Object)
		return shape{object: lasting, operations: true, regions: true, size: true}
	case TypeIP:
		return shape{identities: true}
	}
	return shape{object: true, operations: true}
}

// Envelope is what somebody confirms who says that the insight is normal.
func (i *Insight) Envelope() Envelope {
	s := i.shape()
	v := Envelope{InsightType: i.Type, Region: i.Region, Identity: i.Identity, Extent: i.extent()}
	if s.object {
		v.Object = i.Object
	}
	if !s.operations {
		v.Operations = nil
	}
	if !s.identities {
		v.Identities = nil
	}
	if !s.regions {
		v.Regions = nil
	}
	if s.identities || s.regions {
		v.Region = ""
	}
	if !s.size {
		v.Peak = 0
		return v
	}
	if i.State == StateEnd {
		v.Count = i.Statistics.InsightCount
	}
	return v
}

// Clone returns a copy that shares no memory with the envelope.
func (v *Envelope) Clone() Envelope {
	c := *v
	for _, l := range []*[]string{&c.Operations, &c.Networks, &c.Countries, &c.Identities, &c.Regions} {
		*l = slices.Clone(*l)
	}
	return c
}

// Grow takes into the envelope what another extent spans, as far as the envelope
// is about such things.
func (v *Envelope) Grow(x Extent) {
	if len(v.Operations) == 0 {
		x.Operations = nil
	}
	if len(v.Identities) == 0 {
		x.Identities = nil
	}
	if len(v.Regions) == 0 {
		x.Regions = nil
	}
	if v.Peak == 0 {
		x.Peak = 0
	}
	v.Absorb(x)
}

// About reports whether the insight is of the kind that was confirmed, within
// the envelope or beyond it.
func (v *Envelope) About(i *Insight) bool {
	s := i.shape()
	if v.InsightType != i.Type || s.object && v.Object != i.Object {
		return false
	}
	if s.identities {
		return has(v.Identities, i.Identity)
	}
	return v.Identity == i.Identity && (s.regions || v.Region == i.Region)
}

// Excess is by what an insight is beyond an envelope.
type Excess struct {
	// Observed and Confirmed are numbers or words.
	Observed, Confirmed any
	Text                string
}

// Beyond reports by what an insight that the envelope is about is beyond it.
func (v *Envelope) Beyond(i *Insight) (Excess, bool) {
	s, x := i.shape(), i.extent()
	if s.identities {
		if w, found := missing(x.Identities, v.Identities); found {
			return strange("identity", w, v.Identities), true
		}
	}
	if s.regions {
		if w, found := missing(x.Regions, v.Regions); found {
			return strange("region", w, v.Regions), true
		}
	}
	if s.operations {
		if w, found := missing(x.Operations, v.Operations); found {
			return strange("operation", w, v.Operations), true
		}
	}
	for _, n := range x.Networks {
		if !v.holdsNetwork(n) {
			return strange("network", n, v.Networks), true
		}
	}
	if w, found := missing(x.Countries, v.Countries); found {
		return strange("country", w, v.Countries), true
	}
	if s.size {
		return v.Larger(x.Peak, float64(i.Statistics.InsightCount))
	}
	return Excess{}, false
}

// Stray reports by what one event of an insight within the envelope is beyond
// it.
func (v *Envelope) Stray(e *event.Event) (Excess, bool) {
	network := Network(e.Source.Address)
	switch {
	case len(v.Identities) > 0 && !has(v.Identities, e.Actor.Identity):
		return strange("identity", strings.Clone(e.Actor.Identity), v.Identities), true
	case len(v.Regions) > 0 && !has(v.Regions, e.Region):
		return strange("region", strings.Clone(e.Region), v.Regions), true
	case !v.holdsNetwork(network):
		return strange("network", strings.Clone(network), v.Networks), true
	case e.Source.Country != "" && !has(v.Countries, e.Source.Country):
		return strange("country", strings.Clone(e.Source.Country), v.Countries), true
	case len(v.Operations) > 0 && !has(v.Operations, e.API()):
		return strange("operation", e.API(), v.Operations), true
	}
	return Excess{}, false
}

// Larger reports whether so many events in a minute, or so many in all, are more
// than was confirmed. 0 is never more.
func (v *Envelope) Larger(peak, count float64) (Excess, bool) {
	switch {
	case v.Peak > 0 && peak > margin(v.Peak):
		return Excess{peak, v.Peak, fmt.Sprintf("%s in a minute, where %s were confirmed", figure(peak), figure(v.Peak))}, true
	case v.Count > 0 && count > margin(float64(v.Count)):
		return Excess{count, v.Count, fmt.Sprintf("%s events, where %d were confirmed", figure(count), v.Count)}, true
	}
	return Excess{}, false
}

// margin is up to how much is as much as x: a quarter more, or three standard
// deviations of a Poisson count where that is more, since the same again is never
// the same number.
func margin(x float64) float64 { return x + max(x/4, 3*math.Sqrt(x)) }

func figure(x float64) string {
	if x == math.Trunc(x) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// missing is the first word of a list that the sorted other one does not have.
func missing(list, from []string) (string, bool) {
	for _, w := range list {
		if !has(from, w) {
			return w, true
		}
	}
	return "", false
}

// strange is an excess that is a word which was not confirmed.
func strange(what, word string, known []string) Excess {
	text := fmt.Sprintf("%s %s, where none was confirmed", what, word)
	if len(known) > 0 {
		text = fmt.Sprintf("%s %s, where %s was confirmed", what, word, few(known))
	}
	return Excess{word, few(known), text}
}

// few names some words of a list.
func few(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(list[:most], ", "), len(list)-most)
}
