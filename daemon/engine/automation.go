package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// startsKept is of how many of its last active days an identity's first
	// minute is kept.
	startsKept = 16
	// Fixed times: so many days are looked at, on so large a share of which the
	// first call falls into so many minutes.
	fixedDays    = 7
	fixedShare   = 0.8
	fixedMinutes = 10
	// Daily: over so many days it was active on so large a share.
	dailyDays  = 14
	dailyShare = 0.9
	// A person who is active every day works by night too if it is none: in so
	// many hours of the day, each with so large a share of what it does.
	nightHours     = 20
	nightHourShare = 0.005
	// Far more than others: so many times the median of the account's identities,
	// and events a day, where there are so many to compare with.
	farTimes  = 20
	farEvents = 200
	farOthers = 5
	farDays   = 3
	// A person who begins to behave like a program: active in so many hours in a
	// row, so many more than ever before in so many days.
	busyHoursInRow = 16
	busyHoursMore  = 4
	busyDays       = 5
)

// busyRun counts the hours in a row in which an identity is active.
type busyRun struct {
	hour            int32 // the last one, since 1970
	length, longest int   // of this run, and of those before it
}

// add takes in an event. Events come in order of time; a late one counts nothing.
func (r *busyRun) add(hour int32) {
	switch {
	case hour <= r.hour && r.length > 0:
		return
	case hour == r.hour+1:
		r.length++
	default:
		r.longest = max(r.longest, r.length)
		r.length = 1
	}
	r.hour = hour
}

// likeProgram returns the reason that a person has begun to behave like a program:
// no sleep in so many hours, which is not the person's way. ok is false where that
// is not so. It says nothing of a score: whose key is in a script's hands is told
// by other insights.
func (w *who) likeProgram(m models.Minute) (r insight.Reason, ok bool) {
	run := w.busy
	alive := run.hour - int32(run.length) - int32(w.first.Unix()/3600) // hours, before the run began
	if w.kind != event.KindHuman && w.kind != event.KindRoot || alive < 24*busyDays || m/60 > run.hour+1 ||
		run.length < busyHoursInRow || run.length < run.longest+busyHoursMore {
		return r, false
	}
	before := "never in two"
	if run.longest > 1 {
		before = fmt.Sprintf("never in more than %d", run.longest)
	}
	return insight.Reason{
		Feature: insight.FeatureAutomation, Observed: float64(run.length), Usual: float64(run.longest),
		Text: fmt.Sprintf("active in %d hours in a row, as a program is; %s before", run.length, before),
	}, true
}

// classes are the identities of a stream that behave like programs, with the
// reason. They are made anew when the watermark has moved.
type classes struct {
	at     time.Time
	events uint64
	reason map[string]string // by name, since symbols change when a stream is made smaller
}

// automated returns, by identity, why it is taken for a program. The caller has
// the stream's mutex; what is returned is not written to any more.
func (s *stream) automated() map[string]string {
	c := &s.classes
	if c.reason != nil && c.at.Equal(s.position.done) && c.events == s.events {
		return c.reason
	}
	var rates []float64
	for _, w := range s.identities {
		if w.days >= farDays && w.classifiable() {
			rates = append(rates, w.perDay())
		}
	}
	usual := math.Inf(1)
	if len(rates) >= farOthers {
		slices.Sort(rates)
		usual = max(1, rates[len(rates)/2])
	}
	reasons := map[string]string{}
	for _, w := range s.identities {
		if r := w.automation(usual); r != "" {
			reasons[w.name] = r
		}
	}
	*c = classes{at: s.position.done, events: s.events, reason: reasons}
	return reasons
}

// classifiable reports whether the identity is one, rather than many or a part
// of the cloud.
func (w *who) classifiable() bool {
	return w.kind != event.KindCloudService && w.kind != event.KindAnonymous && w.name != "" && w.name != enrich.Hidden && w.name != enrich.Unknown
}

// perDay is how many events the identity has on a day on which it is active.
func (w *who) perDay() float64 { return float64(w.events) / float64(max(1, w.days)) }

// automation says in words why the identity is taken for a program; it is empty
// where it is not. usual is how many events a day the account's identities have.
func (w *who) automation(usual float64) string {
	if !w.classifiable() {
		return ""
	}
	var why []string
	if days := w.calendarDays(); days >= dailyDays && float64(w.days) >= dailyShare*float64(days) {
		hours := w.busyHours()
		switch {
		case w.kind != event.KindHuman && w.kind != event.KindRoot:
			why = append(why, fmt.Sprintf("active on %d of %d days, weekends included", w.days, days))
		case hours >= nightHours:
			why = append(why, fmt.Sprintf("active on %d of %d days, in %d of the 24 hours", w.days, days, hours))
		}
	}
	if from, n, of := w.fixed(); of >= fixedDays && float64(n) >= fixedShare*float64(of) {
		to := (from + fixedMinutes) % 1440
		why = append(why, fmt.Sprintf("its first call of the day comes between %02d:%02d and %02d:%02d UTC on %d of its last %d active days", from/60, from%60, to/60, to%60, n, of))
	}
	if r := w.perDay(); w.days >= farDays && r >= farEvents && r >= farTimes*usual {
		why = append(why, fmt.Sprintf("%.0f events on an active day, %.0f times what is usual for the account's identities", r, r/usual))
	}
	return strings.Join(why, "; ")
}

// calendarDays is how many UTC days there are from the first event to the last.
func (w *who) calendarDays() int {
	if w.events == 0 {
		return 0
	}
	return int(w.last.Unix()/86400-w.first.Unix()/86400) + 1
}

// busyHours is in how many hours of the day a share of its events falls.
func (w *who) busyHours() int {
	n := 0
	for _, h := range w.hours {
		if float64(h) >= nightHourShare*float64(w.events) && h > 0 {
			n++
		}
	}
	return n
}

// startOfDay notes the first event of a day.
func (w *who) startOfDay(at time.Time) {
	at = at.UTC()
	w.starts[(w.days-1)%startsKept] = uint16(at.Hour()*60 + at.Minute())
}

// fixed returns the minute of the day from which on, within ten minutes, most of
// the first calls of a day come: on n of the last days. The day has no seam.
func (w *who) fixed() (from, n, of int) {
	of = min(w.days, startsKept)
	var twice [2 * startsKept]uint16 // Sorted, and again a day later.
	copy(twice[:], w.starts[:of])
	slices.Sort(twice[:of])
	for k, at := range twice[:of] {
		twice[of+k] = at + 1440
	}
	end := 0
	for k, at := range twice[:of] {
		for end < k+of && twice[end] < at+fixedMinutes {
			end++
		}
		if end-k > n {
			from, n = int(at), end-k
		}
	}
	return from, n, of
}

// riskUsual is the average of the daily risk over the active days before the
// last.
func (w *who) riskUsual() float64 {
	if w.days < 2 {
		return 0
	}
	return float64(w.riskTotal-w.riskDay) / float64(w.days-1)
}

// IdentityClass returns the class of an identity, empty where it has none.
func (e *Engine) IdentityClass(key event.StreamKey, identity string) string {
	e.mtx.RLock()
	s := e.streams[key]
	e.mtx.RUnlock()
	if s == nil || identity == "" {
		return ""
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.automated()[identity] != "" {
		return insight.ClassAutomation
	}
	return ""
}

// Automated returns the identities of that class, in any account.
func (e *Engine) Automated() map[string]bool {
	out := map[string]bool{}
	for _, s := range e.list() {
		s.ask(func() {
			for name := range s.automated() {
				out[name] = true
			}
		})
	}
	return out
}
