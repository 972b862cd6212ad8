package insight

import (
	"reflect"
	"strings"
)

// maxWords bounds the table of words. Where it is full it begins anew: what
// shares a word with nothing costs a word more.
const maxWords = 1 << 15

// words keeps one copy of each word that many insights say.
type words map[string]string

// word returns the kept copy of w.
func (ws words) word(w string) string {
	if w == "" {
		return ""
	}
	if kept, ok := ws[w]; ok {
		return kept
	}
	if len(ws) >= maxWords {
		clear(ws)
	}
	w = strings.Clone(w)
	ws[w] = w
	return w
}

// intern lets i share its words. Nobody else knows i or its lists yet: they are
// written to.
func (ws words) intern(i *Insight) {
	for _, p := range []*string{
		&i.Type, &i.Provider, &i.Account, &i.Region, &i.Object, &i.Identity, &i.IdentityKind, &i.UserType,
		&i.Service, &i.Operation, &i.KRI, &i.Alert.Reason, &i.Suppressed, (*string)(&i.State), (*string)(&i.Severity),
	} {
		*p = ws.word(*p)
	}
	for _, list := range [][]string{i.Extent.Operations, i.Extent.Networks, i.Extent.Countries, i.Extent.Identities, i.Extent.Regions} {
		for n := range list {
			list[n] = ws.word(list[n])
		}
	}
	for n := range i.Attack {
		i.Attack[n] = ws.word(i.Attack[n])
	}
	for n := range i.SourceIPs {
		s := &i.SourceIPs[n]
		s.IP, s.Country, s.Network = ws.word(s.IP), ws.word(s.Country), ws.word(s.Network)
	}
	for n := range i.Reasons {
		i.Reasons[n].Feature = ws.word(i.Reasons[n].Feature)
	}
	for n := range i.Attributions {
		a := &i.Attributions[n]
		a.Attribute = ws.word(a.Attribute)
		for _, side := range [][]ValueAverage{a.Insight, a.Baseline} {
			for k := range side {
				side[k].Value = ws.word(side[k].Value)
			}
		}
	}
}

// compact lets the parts of a revision that nobody else knows yet share what
// they say alike, with one another and with the revision before it. known is
// the insight without it, and may be nil.
func (r *revision) compact(known *entry) {
	var before *Insight
	if known != nil {
		before = &known.revisions[len(known.revisions)-1].Start
	}
	for _, i := range []*Insight{&r.Start, r.End, r.Withdrawn} {
		if i == nil {
			continue
		}
		if before != nil {
			i.share(before)
		}
		before = i
	}
}

// share takes over from b, in place of its own copies, what both say.
func (i *Insight) share(b *Insight) {
	text := func(p *string, q string) {
		if *p == q {
			*p = q
		}
	}
	text(&i.ID, b.ID)
	text(&i.Summary, b.Summary)
	text(&i.Incident, b.Incident)
	text(&i.Filter, b.Filter)
	text(&i.Selector, b.Selector)
	text(&i.Alert.ID, b.Alert.ID)
	alike(&i.SourceIPs, b.SourceIPs)
	alike(&i.AccessKeyIDs, b.AccessKeyIDs)
	alike(&i.Resources, b.Resources)
	alike(&i.SampleEventIDs, b.SampleEventIDs)
	alike(&i.Attack, b.Attack)
	i.Rule = i.Rule.share(b.Rule)
	alike(&i.Reasons, b.Reasons)
	alike(&i.Attributions, b.Attributions)
	alike(&i.Extent.Operations, b.Extent.Operations)
	alike(&i.Extent.Networks, b.Extent.Networks)
	alike(&i.Extent.Countries, b.Extent.Countries)
}

func alike[T any](p *[]T, q []T) {
	if len(*p) == len(q) && len(q) > 0 && reflect.DeepEqual(*p, q) {
		*p = q
	}
}
