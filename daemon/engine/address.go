package engine

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// addressQuiet is after how many minutes without a call from its address an
// IpInsight ends.
const addressQuiet = 60

// addressLooker raises IpInsights: somebody calls from an address that is new to
// him, more surprisingly than his like do. There is one an address and day, for
// all identities.
type addressLooker struct {
	pool *models.AddressPool
	// told are the addresses that were told on a day, at most toldAddresses:
	// what comes from them later in the day is not told again.
	told map[netip.Addr]struct{}
	day  int32
	// programs are what user agents stand for. They are not part of the state.
	programs map[string]string
}

// toldAddresses and programsKept bound what is kept of addresses and of user
// agents.
const (
	toldAddresses = 4096
	programsKept  = 1024
)

func newAddressLooker() *addressLooker {
	return &addressLooker{
		pool: models.NewAddressPool(models.DefaultAddressParams()),
		told: map[netip.Addr]struct{}{}, programs: map[string]string{},
	}
}

func (l *addressLooker) types() []string { return []string{insight.TypeIP} }

// public reports whether an event has an address that says something of who
// called: that of somebody, who may be anywhere.
func public(e *event.Event, w *who) bool {
	if !e.Source.IP.IsValid() || e.Source.Network == event.NetworkInternal {
		return false
	}
	switch e.Actor.Kind {
	case event.KindCloudService, event.KindAnonymous:
		return false
	}
	return w.name != enrich.Hidden && w.name != enrich.Unknown
}

// look judges an event by its address.
func (l *addressLooker) look(s *stream, e *event.Event, _ names, w *who, m models.Minute) (finding, bool) {
	if w.addresses == nil || e.Source.Network == event.NetworkCorporate || w.addresses.Knows(e.Source.IP) && !l.pool.Condemned(e.Source.IP) || !public(e, w) {
		return finding{}, false
	}
	var open *sight
	if l.day == m/1440 {
		if _, told := l.told[e.Source.IP]; told {
			if open = s.sights[sightKey{insight: insight.TypeIP, object: e.Source.Address}]; open == nil {
				return finding{}, false // It is over, and there is one a day.
			}
		}
	}
	o := l.origin(s, e, m)
	v, ok := l.pool.Judge(w.addresses, &o)
	switch {
	case ok && v.Score >= l.pool.Threshold():
		return l.finding(s, e, w, m, &v, o.Agent), true
	case open != nil && e.Risk >= 2 && w.addresses.Doubted(o.Address, m):
		f := l.finding(s, e, w, m, nil, "")
		return f, rank(f.severity) > rank(graded(&open.raised))
	}
	return finding{}, false
}

// learn takes in an event.
func (l *addressLooker) learn(s *stream, e *event.Event, _ names, w *who, m models.Minute, _ bool) {
	if !public(e, w) {
		return
	}
	if w.addresses == nil {
		w.addresses = models.NewAddresses(uint32(xxhash.Sum64String(w.name)))
	}
	if w.addresses.Again(e.Source.IP, l.program(e), m) && !l.pool.Condemned(e.Source.IP) {
		return
	}
	o := l.origin(s, e, m)
	trusted := e.Source.Network == event.NetworkCorporate || s.learning(w, m) != ""
	if !l.pool.Learn(w.addresses, &o, groupOf(w), trusted) {
		return
	}
	if day := m / 1440; day != l.day {
		clear(l.told)
		l.day = day
	}
	if len(l.told) < toldAddresses {
		l.told[o.Address] = struct{}{}
	}
}

// hear takes over what somebody said of an insight: whether its address is a
// stranger's.
func (l *addressLooker) hear(typ, object string, right bool) {
	ip, err := netip.ParseAddr(object)
	switch {
	case typ != insight.TypeIP || err != nil:
	case right:
		l.pool.Condemn(ip)
	default:
		l.pool.Acquit(ip)
	}
}

// knows says what the detector has to go by.
func (l *addressLooker) knows(s *stream, _ string) (string, bool) {
	n := 0
	for _, w := range s.identities {
		if w.addresses != nil {
			n++
		}
	}
	if n == 0 {
		return "no event has a public source address", false
	}
	return fmt.Sprintf("%d identities call from %d networks", n, l.pool.Networks()), true
}

// fields is what the account's identities have in common. What is known of each
// is with the identity.
func (l *addressLooker) fields(_ *stream, d *codec) {
	d.binary(l.pool)
	integer(d, &l.day)
	dict(d, &l.told, netip.Addr.Compare, func(a *netip.Addr, _ *struct{}) {
		text := a.String()
		if d.text(&text); !d.reading() || d.err != nil {
			return
		}
		var err error
		if *a, err = netip.ParseAddr(text); err != nil {
			d.fail(errSnapshot)
		}
	})
}

// origin is where an event came from, as the model sees it. Its strings do not
// share memory with the event.
func (l *addressLooker) origin(s *stream, e *event.Event, m models.Minute) models.Origin {
	o := models.Origin{
		Address: e.Source.IP, System: e.Source.ASN, Country: s.symbols.name(s.symbols.of(e.Source.Country)),
		Agent: l.program(e), Minute: m,
	}
	switch e.Source.Network {
	case event.NetworkHosting, event.NetworkVPN, event.NetworkTor:
		o.Hired = models.HiredHost
	case event.NetworkCloud:
		o.Hired = models.HiredCloud
	}
	return o
}

// program is the family of an event's user agent and what it runs on: keys that
// were stolen on a Mac are tried out on Linux.
func (l *addressLooker) program(e *event.Event) string {
	p, ok := l.programs[e.UserAgent]
	if !ok || !strings.HasPrefix(p, e.AgentFamily) {
		p = strings.Clone(e.AgentFamily)
		if on := platform(e.UserAgent); p != "" && on != "" {
			p += " on " + on
		}
		if len(l.programs) >= programsKept {
			clear(l.programs)
		}
		l.programs[strings.Clone(e.UserAgent)] = p
	}
	return p
}

// platforms are words in user agents, in the order in which they are looked for:
// where a program runs says more than on what.
var platforms = [...]struct{ word, name string }{
	{"exec-env/AWS_Lambda", "Lambda"},
	{"exec-env/AWS_ECS", "ECS"},
	{"exec-env/CloudShell", "CloudShell"},
	{"kali", "Kali"},
	{"parrot", "Parrot"},
	{"pentoo", "Pentoo"},
	{"Android", "Android"},
	{"iPhone", "iOS"},
	{"macos", "macOS"},
	{"Macintosh", "macOS"},
	{"Darwin", "macOS"},
	{"darwin", "macOS"},
	{"windows", "Windows"},
	{"Windows", "Windows"},
	{"linux", "Linux"},
	{"Linux", "Linux"},
}

// platform is what a program runs on, as its user agent says; empty where it
// does not.
func platform(userAgent string) string {
	for i := range platforms {
		if strings.Contains(userAgent, platforms[i].word) {
			return platforms[i].name
		}
	}
	return ""
}

// addressSeverity says how bad it would be: by the network and by what was
// called.
func addressSeverity(e *event.Event) insight.Severity {
	level := 0
	switch e.Source.Network {
	case event.NetworkTor:
		level = 2
	case event.NetworkHosting:
		level = 1
	}
	switch {
	case e.Risk >= highRisk:
		level += 2
	case e.Risk == 2:
		level++
	}
	if e.Actor.Kind == event.KindRoot {
		level++
	}
	return [...]insight.Severity{insight.SeverityLow, insight.SeverityMedium, insight.SeverityHigh, insight.SeverityCritical}[min(level, 3)]
}

// finding is the insight that an event starts, or where there is no verdict,
// what makes an open one graver.
func (l *addressLooker) finding(s *stream, e *event.Event, w *who, m models.Minute, v *models.AddressVerdict, program string) finding {
	f := finding{
		insight: insight.TypeIP, who: w, shared: true, object: e.Source.Address,
		severity: addressSeverity(e), attack: []string{"T1078.004"}, // Valid accounts: cloud accounts.
		events: selection{address: e.Source.Address, data: s.set.DataEvents},
		quiet:  addressQuiet, until: (m/1440 + 1) * 1440,
	}
	if e.Source.Network == event.NetworkTor {
		f.attack = append(f.attack, "T1090.003") // Multi-hop proxy.
	}
	f.summary = fmt.Sprintf("%s called %s from %s, which is new to it", insight.ShortName(w.name), e.API(), placeName(e))
	if v != nil {
		f.reasons = l.reasons(s, e, w, m, v, program)
		for _, r := range f.reasons {
			f.score += r.Contribution
		}
	}
	return f
}

// placeName is an address with what is known of it.
func placeName(e *event.Event) string {
	var known []string
	if c := e.Source.Country; c != "" {
		known = append(known, c)
	}
	if n := e.Source.ASN; n != 0 {
		known = append(known, fmt.Sprintf("AS%d", n))
	}
	if n := e.Source.Network; n != event.NetworkUnknown {
		known = append(known, n.String())
	}
	if len(known) == 0 {
		return e.Source.Address
	}
	return e.Source.Address + " (" + strings.Join(known, ", ") + ")"
}
