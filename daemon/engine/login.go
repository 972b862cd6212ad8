package engine

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// doorSpan is how far back sign-ins count together, in minutes, and
	// doorTries how many of them are kept of an identity or an address.
	doorSpan  = 60
	doorTries = 32
	// doorsKept is how many addresses are known; those of which nothing was heard
	// for longest make room.
	doorsKept = 4096
	// guessed is how many failures before a success are told, sprayed how many
	// users from an address that fail, and forced how many failures of one
	// within forcedSpan minutes.
	guessed    = 5
	sprayed    = 5
	forced     = 10
	forcedSpan = 10
	// loginFrom is the score from which on sign-ins are told. Who mistypes every
	// day has a past of that.
	loginFrom = 2.0
	// loginUsual is how many failures a day has that has any, of whom nothing is
	// known.
	loginUsual = 1
	// sprayedUsual is how many users fail from an address on a bad day.
	sprayedUsual = 1
)

// door is what is known of the sign-ins of an identity, or from an address: the
// last ones, in order of time.
type door struct {
	tries []try
}

type try struct {
	at     models.Minute
	who    uint64 // whose, or from where
	failed bool
}

// add notes a sign-in. What is older than doorSpan is forgotten.
func (d *door) add(t try) {
	i := len(d.tries)
	for i > 0 && d.tries[i-1].at > t.at {
		i--
	}
	d.tries = slices.Insert(d.tries, i, t)
	newest := d.tries[len(d.tries)-1].at
	old := 0
	for old < len(d.tries) && (newest-d.tries[old].at >= doorSpan || len(d.tries)-old > doorTries) {
		old++
	}
	d.tries = slices.Delete(d.tries, 0, old)
}

// failures counts those that failed within some minutes up to m.
func (d *door) failures(m, span models.Minute) (n int) {
	for _, t := range d.tries {
		if t.failed && t.at <= m && m-t.at < span {
			n++
		}
	}
	return n
}

// distinct counts of how many others those are that failed within doorSpan
// minutes up to m.
func (d *door) distinct(m models.Minute, also uint64) int {
	seen := map[uint64]bool{also: true}
	for _, t := range d.tries {
		if t.failed && t.at <= m && m-t.at < doorSpan {
			seen[t.who] = true
		}
	}
	return len(seen)
}

func (d *door) clone() *door { return &door{tries: slices.Clone(d.tries)} }

func (d *door) fields(c *codec) {
	list(c, &d.tries, func(t *try) {
		integer(c, &t.at)
		integer(c, &t.who)
		c.flag(&t.failed)
	})
	if len(d.tries) > doorTries+1 {
		c.fail(errSnapshot)
	}
}

// doorFields are the addresses from which somebody signed in.
func (g *behaviours) doorFields(d *codec) {
	dict(d, &g.doors, strings.Compare, func(k *string, x **door) {
		if d.reading() {
			*x = &door{}
		}
		d.text(k)
		(*x).fields(d)
	})
}

// signIns are the operations by which people sign in, by provider: service (or
// none for any) and operation.
var signIns = map[string][][2]string{
	"aws":     {{"signin.amazonaws.com", "ConsoleLogin"}, {"signin.amazonaws.com", "UserAuthentication"}, {"sso.amazonaws.com", "Authenticate"}, {"signin.amazonaws.com", "CredentialVerification"}},
	"alibaba": {{"", "ConsoleSignin"}},
	"azure":   {{"", "Sign-in activity"}},
	"gcp":     {{"", "google.login.LoginService.loginSuccess"}, {"", "google.login.LoginService.loginFailure"}},
	"ibm":     {{"", "iam-identity.user-identity.login"}, {"", "iam-identity.user.login"}},
}

// signIn reports whether an event is somebody signing in.
func signIn(e *event.Event) bool {
	for _, s := range signIns[e.Provider] {
		if s[1] == e.Operation && (s[0] == "" || s[0] == e.Service) {
			return true
		}
	}
	return false
}

// tryDoor notes a sign-in with its identity and its address.
func (s *stream) tryDoor(e *event.Event, w *who, m models.Minute, final bool) {
	if !signIn(e) {
		return
	}
	failed := e.Outcome == event.OutcomeError
	if w.name != enrich.Hidden && w.name != enrich.Unknown {
		b := s.preview.behaviours[w.id]
		if final {
			b = w.behaviour
		}
		if b != nil {
			b.door.add(try{m, hashText(e.Source.Address, ""), failed})
			if failed {
				b.failures.Add(m, 1)
			}
		}
	}
	if e.Source.Address == "" {
		return
	}
	doors := s.preview.doors
	if final {
		doors = s.behaviours.doors
	}
	d := doors[e.Source.Address]
	if d == nil {
		if !final {
			if len(doors) >= doorsKept {
				return
			}
			d = s.door(e.Source.Address).clone()
		} else {
			d = &door{}
			s.behaviours.makeRoom()
		}
		doors[strings.Clone(e.Source.Address)] = d
	}
	d.add(try{m, hashText(e.Actor.Identity, ""), failed})
}

// makeRoom forgets the quarter of the addresses of which nothing was heard for
// longest.
func (g *behaviours) makeRoom() {
	if len(g.doors) < doorsKept {
		return
	}
	keys := make([]string, 0, len(g.doors))
	for k := range g.doors {
		keys = append(keys, k)
	}
	last := func(k string) models.Minute { d := g.doors[k]; return d.tries[len(d.tries)-1].at }
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(last(a), last(b)), strings.Compare(a, b)) })
	for _, k := range keys[:len(keys)/4] {
		delete(g.doors, k)
	}
}

// door is what is known of an address, with what has arrived where that is
// judged. It is never nil.
func (s *stream) door(address string) *door {
	if s.arriving {
		if d := s.preview.doors[address]; d != nil {
			return d
		}
	}
	if d := s.behaviours.doors[address]; d != nil {
		return d
	}
	return &door{}
}

// logins raises LoginFailureInsights: failures and then a success, by one user or
// from one address; one address that fails for many users; and a user for whom
// sign-ins fail again and again.
type logins struct{ memoryless }

func (logins) types() []string { return []string{insight.TypeLoginFailure} }

func (logins) look(s *stream, e *event.Event, _ names, w *who, m models.Minute) (finding, bool) {
	if !signIn(e) {
		return finding{}, false
	}
	known := w.name != enrich.Hidden && w.name != enrich.Unknown
	b := &behaviour{}
	if known {
		b = s.behaviour(w)
	}
	own, from := &b.door, s.door(e.Source.Address)
	f := finding{insight: insight.TypeLoginFailure, quiet: doorSpan, attack: []string{"T1110"}} // Brute force.
	var p pleading
	name := insight.ShortName(w.name)
	if e.Outcome != event.OutcomeError {
		mine, theirs := own.failures(m, doorSpan), from.failures(m, doorSpan)
		if !known || max(mine, theirs) < guessed {
			return finding{}, false
		}
		f.who, f.object, f.severity = w, e.Operation, insight.SeverityHigh
		f.events = selection{identity: w.name, operation: e.Operation, data: s.set.DataEvents}
		f.attack = append(f.attack, "T1078.004")
		if theirs > mine {
			p.add("failures", min(6, 2+math.Log2(float64(theirs)/guessed)), theirs, 0, "%d sign-ins from %s failed within an hour before %s got in from there", theirs, placeName(e), name)
		} else {
			p.add("failures", b.failures.Tail(float64(mine), loginUsual)+1, mine, round(b.failures.Usual(loginUsual)),
				"%d sign-ins of %s failed within an hour before it got in; on a day with any it is usually %s", mine, name, number(round(b.failures.Usual(loginUsual))))
		}
		f.summary = fmt.Sprintf("%s signed in from %s after %d failures within an hour", name, placeName(e), max(mine, theirs))
		return f.plead(&p, loginFrom)
	}
	if users := from.distinct(m, hashText(e.Actor.Identity, "")); e.Source.Address != "" && users >= sprayed {
		f.object, f.severity = e.Source.Address, insight.SeverityMedium
		f.events = selection{address: e.Source.Address, operation: e.Operation, data: s.set.DataEvents}
		f.attack = []string{"T1110.003"} // Password spraying.
		p.add("users", min(6, 2+math.Log2(float64(users)/sprayed)), users, sprayedUsual, "sign-ins of %d users failed from %s within an hour", users, placeName(e))
		f.summary = fmt.Sprintf("sign-ins of %d users failed from %s within an hour", users, placeName(e))
		return f.plead(&p, loginFrom)
	}
	if !known {
		return finding{}, false
	}
	if n := own.failures(m, forcedSpan) + 1; n >= forced {
		today := b.failures.Now(m) + 1
		f.who, f.object, f.severity = w, e.Operation, insight.SeverityMedium
		f.events = selection{identity: w.name, operation: e.Operation, data: s.set.DataEvents}
		f.attack = []string{"T1110.001"} // Password guessing.
		p.add("failures", 1+b.failures.Tail(today, loginUsual), n, round(b.failures.Usual(loginUsual)),
			"%d sign-ins of %s failed within %s, %s on the day; on a day with any it is usually %s", n, name, minutes(forcedSpan), number(today), number(round(b.failures.Usual(loginUsual))))
		f.summary = fmt.Sprintf("%d sign-ins of %s failed within %s", n, name, minutes(forcedSpan))
		return f.plead(&p, loginFrom)
	}
	return finding{}, false
}

// plead makes a finding of what speaks for it, if that is enough.
func (f finding) plead(p *pleading, from float64) (finding, bool) {
	f.score, f.reasons = p.score, p.reasons
	return f, p.score >= from
}

func (logins) knows(s *stream, _ string) (string, bool) {
	n := 0
	for _, w := range s.identities {
		if w.behaviour != nil && w.behaviour.failures.Days() > 0 {
			n++
		}
	}
	if len(s.behaviours.doors) == 0 {
		return "no sign-in was seen", false
	}
	return fmt.Sprintf("sign-ins from %s; %s failed at it before", plural(len(s.behaviours.doors), "address", "addresses"), plural(n, "identity", "identities")), true
}
