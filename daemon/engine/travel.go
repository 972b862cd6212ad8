package engine

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// flight is the speed in km/h beyond which nobody travels, take-off and
	// landing included.
	flight = 1000
	// travelLeast is how far apart two places are at the least, in kilometres.
	travelLeast = 500
	// travelFrom is the score from which on a journey is told.
	travelFrom = 2.5
	// travelSpan is for how many minutes a place is remembered: nowhere on earth
	// is farther.
	travelSpan = 20 * 60
)

// stay is where a person was last, by an address of an ordinary network.
type stay struct {
	country string
	address netip.Addr
	at      models.Minute
	set     bool
}

// move notes where an event came from.
func (y *stay) move(e *event.Event, m models.Minute) {
	if y.set && m < y.at {
		return
	}
	if y.country != e.Source.Country {
		y.country = string(append([]byte(nil), e.Source.Country...))
	}
	y.address, y.at, y.set = e.Source.IP, m, true
}

func (y *stay) fields(d *codec) {
	d.flag(&y.set)
	d.text(&y.country)
	integer(d, &y.at)
	text := ""
	if y.address.IsValid() {
		text = y.address.String()
	}
	if d.text(&text); d.reading() && text != "" && d.err == nil {
		var err error
		if y.address, err = netip.ParseAddr(text); err != nil {
			d.fail(errSnapshot)
		}
	}
}

// stays reports whether an event says where a person is: not through a network
// that anybody may be behind, wherever he is.
func stays(e *event.Event, w *who) bool {
	return groupOf(w) == models.Person && e.Source.IP.IsValid() && e.Source.Country != "" &&
		e.Source.Network == event.NetworkUnknown && !forwarded(e)
}

// trip is a journey between two events.
type trip struct {
	from    string
	km      float64
	minutes int
	speed   float64 // km/h
	cities  bool    // the places are known to the city
}

// trip is the journey that an event stands for.
func (y *stay) trip(s *stream, e *event.Event, m models.Minute) (trip, bool) {
	if !y.set || m < y.at || m-y.at > travelSpan || y.address == e.Source.IP {
		return trip{}, false
	}
	t := trip{from: y.country, minutes: int(m - y.at)}
	if s.o.Locate != nil {
		a, known := s.o.Locate(y.address)
		b, also := s.o.Locate(e.Source.IP)
		if t.cities = known && also; t.cities {
			// A database is wrong by some tens of kilometres.
			t.km = max(0, a.Distance(b)-100)
		}
	}
	if !t.cities {
		t.km = geo.Apart(y.country, e.Source.Country)
	}
	if t.km < travelLeast {
		return trip{}, false
	}
	t.speed = t.km / (math.Max(1, float64(t.minutes)) / 60)
	return t, true
}

// travels raises ImpossibleTravelInsights: a person calls from two places between
// which nobody could have travelled. Corporate, cloud, hosting, VPN and Tor
// networks are no places: they neither alarm nor move anybody.
type travels struct{ memoryless }

func (travels) types() []string { return []string{insight.TypeImpossibleTravel} }

func (travels) look(s *stream, e *event.Event, n names, w *who, m models.Minute) (finding, bool) {
	if !stays(e, w) {
		return finding{}, false
	}
	b := s.behaviour(w)
	t, ok := b.stay.trip(s, e, m)
	if !ok || t.speed <= flight {
		return finding{}, false
	}
	name := insight.ShortName(w.name)
	var p pleading
	p.add("speed", rarely(b.travels.Chance(s.behaviours.travels), 3), round(t.speed), flight,
		"%s was in %s %s before, at least %s km away: %s km/h; that happened on %s of %s",
		name, t.from, minutes(t.minutes), number(math.Round(t.km)), number(math.Round(t.speed)), number(b.travels.Done()), plural(int(b.travels.Days()), "day", "days"))
	if signIn(e) {
		p.add("signIn", 0.3, e.Operation, "", "it signed in there")
	}
	p.around(s, e, w, s.circumstances(e, n, w, m), false)
	if p.score < travelFrom {
		return finding{}, false
	}
	level := 1
	if signIn(e) || e.Access == event.AccessWrite || e.Risk > 0 {
		level++
	}
	return finding{
		insight: insight.TypeImpossibleTravel, who: w, object: e.Source.Address, single: true,
		score: p.score, severity: severityOf(level), attack: []string{"T1078.004"},
		quiet:   60,
		events:  selection{identity: w.name, address: e.Source.Address, data: s.set.DataEvents},
		summary: fmt.Sprintf("%s called from %s %s after %s, at least %s km away", name, placeName(e), minutes(t.minutes), t.from, number(math.Round(t.km))),
		reasons: p.reasons,
	}, true
}

func (travels) knows(s *stream, _ string) (string, bool) {
	n := 0
	for _, w := range s.identities {
		if w.behaviour != nil && w.behaviour.stay.set {
			n++
		}
	}
	if n == 0 {
		return "nobody called from an ordinary network of a known country", false
	}
	return fmt.Sprintf("it is known where %s were last", plural(n, "person", "people")), true
}
