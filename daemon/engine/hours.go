package engine

import (
	"fmt"
	"math"
	"strings"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// oddHour is how likely an hour is at the most that counts as out of hours.
	oddHour = 0.03
	// oddWeeks is how many weeks of a person have to be known.
	oddWeeks = 1.5
	// hoursFrom is the score from which on it is told. A person who works late is
	// nothing: it takes more that is odd.
	hoursFrom = 3.3
	// hoursQuiet is after how many minutes without an event the insight ends.
	hoursQuiet = 60
)

// hours raises OutOfHoursInsights: a person changes something, or calls something
// sensitive, in an hour of the week in which that person is never active. The
// hours are those of the person, wherever on earth; holidays and vacations are
// hours without activity, of which nothing is told.
type hours struct{ memoryless }

func (hours) types() []string { return []string{insight.TypeOutOfHours} }

func (hours) look(s *stream, e *event.Event, n names, w *who, m models.Minute) (finding, bool) {
	if groupOf(w) != models.Person || e.Access != event.AccessWrite && e.Risk == 0 || forwarded(e) {
		return finding{}, false
	}
	b := s.behaviour(w)
	if b.week == nil {
		return finding{}, false
	}
	at := b.week.At(m)
	if at.Weeks < oddWeeks || at.P >= oddHour {
		return finding{}, false
	}
	by := s.circumstances(e, n, w, m)
	name := insight.ShortName(w.name)
	var p pleading
	p.add("hour", rarely(b.strays.Chance(s.behaviours.strays), 1.5), e.Time.Format("Mon 15:04")+" UTC", usualHours(b.week, m),
		"%s is active %s; it was out of its hours on %s of %s", name, usualHours(b.week, m), number(b.strays.Done()), plural(int(b.strays.Days()), "day", "days"))
	p.add("rarity", min(0.7, math.Log10(oddHour/at.P)), percent(at.P), percent(at.Share), "it is active in such an hour in %s of the weeks", percent(at.P))
	if e.Risk > 0 {
		p.add("risk", 0.4*float64(e.Risk), e.Risk, "", "%s is in tier %d of 3 of the catalogue", e.Operation, e.Risk)
	}
	if by.New && by.NewRarity > 0 {
		p.add("novelty", min(0.5, by.NewRarity/2), "new to "+name, number(by.CallDays), "%s never called %s before", name, e.API())
	}
	p.around(s, e, w, by, false)
	if p.score < hoursFrom {
		return finding{}, false
	}
	return finding{
		insight: insight.TypeOutOfHours, who: w, object: e.API(), single: true,
		score: p.score, severity: severityOf(int(e.Risk) - 1), attack: []string{"T1078.004"}, quiet: hoursQuiet,
		events:  selection{identity: w.name, data: s.set.DataEvents},
		summary: fmt.Sprintf("%s called %s on %s UTC, out of its hours", name, e.API(), e.Time.Format("Monday at 15:04")),
		reasons: p.reasons,
	}, true
}

// usualHours are the hours of an identity in words: the spans of its days that
// are alike, such as "Mon to Fri 07 to 16 UTC".
func usualHours(w *models.Week, m models.Minute) string {
	names := [...]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	var spans [7]string
	for day := range spans {
		hours := w.Usual(day, m)
		from, to := -1, -1
		for h, active := range hours {
			if active {
				if from < 0 {
					from = h
				}
				to = h + 1
			}
		}
		if from >= 0 {
			spans[day] = fmt.Sprintf("%02d to %02d", from, to)
		}
	}
	var out []string
	for day := 0; day < 7; {
		last := day
		for last < 6 && spans[last+1] == spans[day] {
			last++
		}
		switch {
		case spans[day] == "":
		case last > day:
			out = append(out, names[day]+" to "+names[last]+" "+spans[day])
		default:
			out = append(out, names[day]+" "+spans[day])
		}
		day = last + 1
	}
	if len(out) == 0 {
		return "at no hour that is usual"
	}
	return strings.Join(out, ", ") + " UTC"
}

func (hours) knows(s *stream, _ string) (string, bool) {
	people, known := 0, 0
	m := s.passed
	for _, w := range s.identities {
		if groupOf(w) != models.Person {
			continue
		}
		people++
		if w.behaviour != nil && w.behaviour.week != nil && w.behaviour.week.At(m).Weeks >= oddWeeks {
			known++
		}
	}
	if people == 0 {
		return "no person was seen", false
	}
	return fmt.Sprintf("the hours of %d of %d people are known", known, people), true
}
