package engine

import (
	"fmt"
	"math"
	"sort"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// silence raises LogGapInsights: a whole account falls silent against its own
// rhythm. A source that cannot be read holds the watermark, so nothing is silent
// by it; a trail that was stopped is.
type silence struct {
	// raised is the insight while it goes on; open says that it does.
	raised insight.Insight
	open   bool
	// quiet is the longest silence of a day, by the events that were due in it: who
	// does everything on the hour is silent for most of it.
	quiet models.Daily
	// concealed is the newest operation that concealed something.
	concealed concealment
}

const (
	// silenceFrom is the score from which on a silence is told.
	silenceFrom = 2.0
	// silenceUsual is how many events are due in the longest silence of a day of
	// an account of which nothing is known.
	silenceUsual = 5
)

// concealment is an insight of what conceals.
type concealment struct {
	id, incident, identity, summary string
	at                              models.Minute
}

// concealedSpan is how long after an operation that conceals a silence may be its
// doing, in minutes.
const concealedSpan = 120

// conceal remembers an insight of what conceals, whether it is told or not.
func (s *stream) conceal(in *insight.Insight, m models.Minute) {
	if in.Type == insight.TypeTrailConcealment {
		s.silence.concealed = concealment{in.ID, in.Incident, in.Identity, in.Summary, m}
	}
}

// silent raises the insight of a silence that goes on at minute m.
func (s *stream) silent(m models.Minute) {
	x := &s.silence
	if x.open || m <= s.last+gapMinutes || m-s.first < s.warmUp() {
		return
	}
	from := s.last + 1
	gap := func(i int) bool {
		to := from + models.Minute(i) + 1
		due := 0.0
		if to-from >= gapMinutes {
			due = s.gauge.due(from, to)
		}
		return due >= gapEvents && x.quiet.Tail(due, silenceUsual) >= silenceFrom
	}
	if !gap(int(m - from)) {
		return
	}
	// The first minute at which it is one, however time passed.
	n := sort.Search(int(m-from), gap)
	at := from + models.Minute(n)
	due := s.gauge.due(from, at+1)
	in := insight.Insight{
		Type: insight.TypeLogGap, Provider: s.key.Provider, Account: s.key.Account, Object: s.key.Provider,
		State: insight.StateStart, Start: minuteTime(from), Detected: minuteTime(at), Severity: insight.SeverityMedium,
		KRI: "Data and Kubernetes", Attack: []string{"T1562.008"}, // Disable or modify cloud logs.
		Filter: fmt.Sprintf("provider=%q account=%q", s.key.Provider, s.key.Account),
	}
	in.Summary = fmt.Sprintf("no event of the account for %s, where about %s were due", minutes(int(at-from)+1), number(math.Round(due)))
	var p pleading
	p.add("silence", x.quiet.Tail(due, silenceUsual), 0, round(due), "about %s events were due since %s UTC, by this hour of the past weeks; in the longest silence of a day it is usually %s",
		number(math.Round(due)), minuteTime(from).Format("15:04"), number(math.Round(x.quiet.Usual(silenceUsual))))
	if c := x.concealed; c.id != "" && from-c.at <= concealedSpan {
		p.add("concealment", 2, c.summary, "", "%s before: %s", minutes(int(max(1, from-c.at))), c.summary)
		in.Severity, in.Incident, in.Identity = insight.SeverityHigh, c.incident, c.identity
	}
	in.Score, in.Reasons = p.score, p.reasons
	in.ID = insight.ID(in.Type, s.key, "", in.Object, in.Identity, in.Start)
	in.Statistics.Baseline.Average = round(due / float64(at-from+1))
	in.Expected = in.Statistics.Baseline.Average
	in.Statistics.BaselineDuration = min(int(s.last-s.first), 28*1440)
	s.confide(&in, in.Identity, 0, at)
	if in.Incident == "" {
		in.Incident = in.ID[:16]
	}
	s.suppress(&in, s.afford(&in, in.Confidence, at))
	x.raised, x.open = in, true
	s.put(in)
}

// broken ends the insight of a silence at minute m, in which there is an event
// again.
func (s *stream) broken(m models.Minute) {
	x := &s.silence
	if m-s.last > gapMinutes && s.last > s.first {
		// Of a gap in the data only a part is learned, or the next were usual.
		due := s.gauge.due(s.last+1, m)
		if x.open {
			due = min(due, 2*x.quiet.Usual(silenceUsual))
		}
		x.quiet.Most(m, due)
	}
	if !x.open {
		return
	}
	in := x.raised
	in.State, in.End = insight.StateEnd, minuteTime(m)
	in.Statistics.InsightDuration = int(m - minuteOf(in.Start))
	x.open, x.raised = false, insight.Insight{}
	s.put(in)
}

func (x *silence) fields(d *codec) {
	d.flag(&x.open)
	if x.open {
		d.json(&x.raised)
	}
	d.binary(&x.quiet)
	for _, t := range []*string{&x.concealed.id, &x.concealed.incident, &x.concealed.identity, &x.concealed.summary} {
		d.text(t)
	}
	integer(d, &x.concealed.at)
}
