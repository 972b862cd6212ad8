package simulate

import (
	"slices"
	"strings"
)

// The minutes and hours, in seconds, by which an insight may miss its label.
const (
	foundBefore = 60
	foundAfter  = 15 * 60
	openBefore  = 3600
	nearBy      = 90 * 60
)

// grace is for how long after a legitimate change what it may bring with it is
// excused, in seconds: what a new identity does first it may do days later.
var grace = map[string]float64{
	newHire: 7 * daySeconds, roleChange: 7 * daySeconds, newService: 2 * daySeconds,
	levelShift: daySeconds, travel: daySeconds / 2,
}

// judged are the types of insight that there are labels of.
var judged = []string{insightCallRate, insightErrorRate, insightIP, insightAk, insightPolicy, insightPassword, insightTrail}

// target is a label with what matching needs of it.
type target struct {
	*Label
	start, end float64
	apis       []string // Without versions.
}

func newTarget(l *Label) target {
	t := target{Label: l, start: unix(l.Start), end: unix(l.End)}
	for _, a := range l.APIs {
		t.apis = append(t.apis, plainName(a))
	}
	return t
}

// differ reports whether two names are known and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// about reports whether an insight is about a label: account and identity
// agree, or for keys the key, and for addresses also the address. An insight
// of the account's is about a label where region and API agree, or where the
// label's identity did most of it.
func (t *Told) about(l *target) bool {
	if differ(t.Account, l.Account) {
		return false
	}
	sameIP := l.IP != "" && t.Object == l.IP
	sameKey := l.AccessKey != "" && t.Object == l.AccessKey
	switch {
	case t.Type == insightIP && l.Insight == insightIP && !sameIP:
		return false
	case t.Identity != "":
		return t.Identity == l.Identity || t.Type == insightAk && sameKey
	case t.Type == insightAk:
		return sameKey
	case t.Type == insightIP:
		return sameIP
	case t.Type != l.Insight:
		return false
	case t.Type == insightCallRate:
		if differ(t.Region, l.Region) {
			return false
		}
	case t.Type != insightErrorRate:
		return false
	}
	if t.Top != "" {
		return t.Top == l.Identity
	}
	if t.Type == insightErrorRate && t.Object != "" && !strings.Contains(t.Object, ":") && !strings.HasSuffix(t.Object, ".com") {
		return true // An error code, of whatever API.
	}
	return slices.ContainsFunc(l.apis, func(a string) bool { return t.Object == a || t.Object == serviceOf(a) })
}

// finds reports whether an insight is what the label asks for, in time: it was
// seen from a minute before the label's start to a quarter of an hour after its
// end, or it began within the hour before and was still open.
func (t *Told) finds(l *target, end float64) bool {
	if t.Type != l.Insight || !t.about(l) {
		return false
	}
	seen := t.Seen >= l.start-foundBefore && t.Seen <= l.end+foundAfter && end >= l.start-foundBefore
	open := t.Start >= l.start-openBefore && t.Start <= l.start && end >= l.start
	return seen || open
}

// near reports whether an insight began or was seen around a label.
func (t *Told) near(l *target) bool {
	in := func(s float64) bool { return s >= l.start-nearBy && s <= l.end+nearBy }
	return in(t.Start) || in(t.Seen)
}

// excuses reports whether a legitimate change may be why there is an insight:
// of its identity, or of whoever did most of an account's. A holiday and a
// vacation excuse nothing, and missing data the insight that says that there are
// none.
func (b *Benign) excuses(t *Told) bool {
	switch b.Type {
	case holiday, vacation:
		return false
	case missingData:
		return t.Type == insightLogGap && t.Account == b.Account && t.Start <= unix(b.End) && t.Start >= unix(b.Start)-foundBefore
	}
	who := t.Identity
	if who == "" {
		who = t.Top
	}
	return !differ(t.Account, b.Account) && (b.Identity == "" || b.Identity == who) &&
		t.Start >= unix(b.Start) && t.Start <= unix(b.End)+grace[b.Type]
}

// incidents counts the groups of insights, which are in order of their start: an
// incident are those of one identity that start within an hour of its first; an
// account's insight joins the incident of any of its identities.
func incidents(list []Told) int {
	type incident struct {
		start             float64
		account, identity string
	}
	var open []incident
	n := 0
	for i := range list {
		t := &list[i]
		open = slices.DeleteFunc(open, func(o incident) bool { return t.Start-o.start > 3600 })
		at := slices.IndexFunc(open, func(o incident) bool { return o.account == t.Account && !differ(o.identity, t.Identity) })
		if at < 0 {
			n++
			open = append(open, incident{t.Start, t.Account, t.Identity})
		} else if open[at].identity == "" {
			open[at].identity = t.Identity
		}
	}
	return n
}

// bareName is the role or the user of an identity, by which a miss can be told
// from an identity that is written in another form.
func bareName(identity string) string {
	parts := strings.Split(identity, "/")
	if len(parts) > 1 && strings.Contains(parts[0], ":assumed-role") {
		return parts[1]
	}
	return parts[len(parts)-1]
}
