package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// behaviour is what the detectors of behaviour know of an identity.
type behaviour struct {
	week *models.Week // in which hours it is active; people only
	// begins, strays and travels are on how many days it first called something
	// sensitive, was active out of its hours, and seemed to travel too fast.
	begins, strays, travels models.Hazard
	risk                    models.Daily   // of what it calls, by the tiers of the catalogue
	deletions               *models.Bursts // nil before the first
	failures                models.Daily   // sign-ins that failed
	door                    door
	stay                    stay
	// seen is, of a copy, the minute of its newest event.
	seen models.Minute
}

// clone is a copy that shares nothing.
func (b *behaviour) clone() *behaviour {
	c := *b
	if b.week != nil {
		w := *b.week
		c.week = &w
	}
	if b.deletions != nil {
		d := *b.deletions
		c.deletions = &d
	}
	c.door = *b.door.clone()
	return &c
}

func (b *behaviour) fields(d *codec) {
	week, deletions := b.week != nil, b.deletions != nil
	d.flag(&week)
	d.flag(&deletions)
	if d.reading() {
		if week {
			b.week = new(models.Week)
		}
		if deletions {
			b.deletions = new(models.Bursts)
		}
	}
	if week {
		d.binary(b.week)
	}
	if deletions {
		d.binary(b.deletions)
	}
	for _, h := range []*models.Hazard{&b.begins, &b.strays, &b.travels} {
		d.binary(h)
	}
	d.binary(&b.risk)
	d.binary(&b.failures)
	b.door.fields(d)
	b.stay.fields(d)
}

// behaviours is what an account's identities have in common.
type behaviours struct {
	begins, strays, travels *models.Hazards
	// users is how many identities ever called an API of a class, by whether they
	// are people.
	users map[symbol]*[2]int32
	doors map[string]*door // by address
}

func newBehaviours() *behaviours {
	return &behaviours{
		begins: models.NewHazards(0.02), strays: models.NewHazards(0.05), travels: models.NewHazards(0.002),
		users: map[symbol]*[2]int32{}, doors: map[string]*door{},
	}
}

// behaviour is what is known of an identity: with what has arrived, where that is
// judged, and as it is final otherwise. It is never nil.
func (s *stream) behaviour(w *who) *behaviour {
	if s.arriving {
		if b := s.preview.behaviours[w.id]; b != nil {
			return b
		}
	}
	if w.behaviour != nil {
		return w.behaviour
	}
	return &behaviour{}
}

// called reports whether an identity made a call before: with what has arrived, where
// that is judged.
func (s *stream) called(w *who, n names) bool {
	return w.apis[n.api] != nil || s.arriving && s.preview.apis[apiKey{n.identity, n.api}] != nil
}

// behave takes in an event, after it was judged. final is false on arrival, when
// it is noted on a copy, and teaches nothing about others.
func (s *stream) behave(e *event.Event, n names, w *who, m models.Minute, final bool) {
	if w.name == enrich.Hidden || w.name == enrich.Unknown {
		s.tryDoor(e, w, m, final)
		return
	}
	var b *behaviour
	if final {
		if w.behaviour == nil {
			w.behaviour = &behaviour{}
		}
		b = w.behaviour
	} else {
		if b = s.preview.behaviours[w.id]; b == nil {
			if len(s.preview.behaviours) >= foreseenLimit {
				return
			}
			b = s.behaviour(w).clone()
			s.preview.behaviours[w.id] = b
		}
	}
	if final {
		g := s.behaviours
		b.begins.Active(g.begins, m)
		b.travels.Active(g.travels, m)
		s.notice(b, e, n, w, m)
	}
	b.seen = max(b.seen, m)
	if e.Risk > 0 && !forwarded(e) {
		b.risk.Add(m, riskWeight(e))
	}
	if deletes(e) {
		if b.deletions == nil {
			b.deletions = new(models.Bursts)
		}
		b.deletions.Add(m)
	}
	if stays(e, w) {
		b.stay.move(e, m)
	}
	s.tryDoor(e, w, m, final)
}

// notice teaches what an event says of its identity beside others.
func (s *stream) notice(b *behaviour, e *event.Event, n names, w *who, m models.Minute) {
	g := s.behaviours
	if e.Class != "" && w.apis[n.api] == nil {
		u := g.users[n.api]
		if u == nil {
			u = new([2]int32)
			g.users[n.api] = u
		}
		u[groupOf(w)]++
		if begins(e) {
			b.begins.Do(m)
		}
	}
	if groupOf(w) != models.Person {
		return
	}
	if b.week == nil {
		b.week = new(models.Week)
	}
	if b.week.Fresh(m) {
		if at := b.week.At(m); at.Weeks >= oddWeeks {
			b.strays.Active(s.behaviours.strays, m)
			if at.P < oddHour {
				b.strays.Do(m)
			}
		}
		b.week.Observe(m)
	}
	if trip, ok := b.stay.trip(s, e, m); ok && stays(e, w) && trip.speed > flight {
		b.travels.Do(m)
	}
}

// behaviourFields are what the account's identities have in common.
func (s *stream) behaviourFields(d *codec) {
	g := s.behaviours
	for _, h := range []*models.Hazards{g.begins, g.strays, g.travels} {
		d.binary(h)
	}
	dict(d, &g.users, func(a, b symbol) int { return int(a) - int(b) }, func(y *symbol, u **[2]int32) {
		if d.reading() {
			*u = new([2]int32)
		}
		d.symbol(y)
		integer(d, &(*u)[0])
		integer(d, &(*u)[1])
	})
	g.doorFields(d)
}

// circumstances say how an event differs from what its identity usually does.
func (s *stream) circumstances(e *event.Event, n names, w *who, m models.Minute) models.Circumstances {
	op := w.operator
	if op == nil {
		op = &operator{}
	}
	return op.usual.Compare(s.callOf(e, n, w, m))
}

// pleading gathers what speaks for an insight: reasons whose contributions add up to
// its score.
type pleading struct {
	score   float64
	reasons []insight.Reason
}

// add adds a reason.
func (p *pleading) add(feature string, by float64, observed, usual any, format string, args ...any) {
	by = round(by)
	p.score = round(p.score + by)
	p.reasons = append(p.reasons, insight.Reason{Feature: feature, Observed: observed, Usual: usual, Contribution: by, Text: fmt.Sprintf(format, args...)})
}

// around adds what is odd about where an event came from, with what, and when.
func (p *pleading) around(s *stream, e *event.Event, w *who, by models.Circumstances, hour bool) {
	name, today := insight.ShortName(w.name), int32(e.Time.Unix()/86400)
	if by.NewPlace && by.PlaceRarity > 0 {
		network := "an unknown network"
		if pre, ok := prefixOf(e.Source.IP); ok {
			network = pre.String()
		}
		p.add("network", min(1, by.PlaceRarity), network, seenWith(w.networks, s, w, today, network),
			"from %s, where %s was first seen within a day; a new network came up on %s of %s", network, name, number(by.PlaceDays), plural(int(by.Days), "day", "days"))
	}
	if by.NewTool && by.ToolRarity > 0 {
		p.add("userAgent", min(0.7, by.ToolRarity), e.AgentFamily, seenWith(w.agents, s, w, today, e.AgentFamily),
			"with %s, which %s first used within a day", e.AgentFamily, name)
	}
	if hour && by.HourRarity > 0 {
		p.add("hour", min(0.7, by.HourRarity/2), fmt.Sprintf("%02d:%02d UTC", e.Time.Hour(), e.Time.Minute()), percent(by.HourShare),
			"at %02d:%02d UTC: %s of the calls of %s are within an hour of that", e.Time.Hour(), e.Time.Minute(), percent(by.HourShare), name)
	}
}

// rarely is how much a chance weighs, in powers of ten. It is bounded: of the few
// days and people of an account no rate much below a hundredth can be known.
func rarely(chance, most float64) float64 { return min(most, -math.Log10(chance)) }

// memoryless is the part of a looker that keeps nothing of its own: what its
// questions need is with the identity and the stream (see behave).
type memoryless struct{}

func (memoryless) learn(*stream, *event.Event, names, *who, models.Minute, bool) {}

func (memoryless) fields(*stream, *codec) {}

// severityOf is the severity of a number of steps from Low on.
func severityOf(level int) insight.Severity {
	return [...]insight.Severity{insight.SeverityLow, insight.SeverityMedium, insight.SeverityHigh, insight.SeverityCritical}[max(0, min(level, 3))]
}

// riskWeight is what an event weighs by its tier: each weighs four of the one
// below.
func riskWeight(e *event.Event) float64 {
	return math.Pow(4, float64(max(1, e.Risk)-1))
}

// byClass reports whether an event is of one of some classes of the catalogue.
func byClass(e *event.Event, classes ...string) bool {
	return e.Class != "" && slices.ContainsFunc(classes, func(c string) bool { return hasClass(e, c) })
}
