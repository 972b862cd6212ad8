package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

// Whoever has insightd say less may have something to hide: that is an insight on
// insightd itself, made of the control record alone. It belongs to no stream of
// events, so that nothing there, exceptions least of all, keeps it from being told.

// silencing is what is told of it. It is part of the control record, since what it
// was judged by may change.
type silencing struct {
	// ID is of what silences: an exception, a feedback, the rules, an identity that
	// is learned anew.
	ID        string           `json:"id"`
	Operation string           `json:"operation"`
	By        string           `json:"by"`
	At        time.Time        `json:"at"`
	Severity  insight.Severity `json:"severity"`
	Summary   string           `json:"summary"`
	Reasons   []insight.Reason `json:"reasons"`
	Of        []string         `json:"of,omitempty"`
}

const (
	// selfLasts is how long such an insight goes on, so that whoever looks at
	// active ones sees it.
	selfLasts = time.Hour
	// longSilence is from when on an exception is long.
	longSilence = 7 * 24 * time.Hour
	// ownService is the service that was called; what follows is what was.
	ownService    = "insightd"
	putException  = "PutException"
	putFeedback   = "PutFeedback"
	putRebaseline = "PutRebaseline"
	putRules      = "PutRules"
	// selfConfidence is that of what is known rather than estimated.
	selfConfidence = 0.99
)

// impairDefences is the technique of which disabling logs is a part.
const impairDefences = "T1562"

// selfStream is the stream of insights on insightd itself.
var selfStream = event.StreamKey{Provider: insight.ProviderSelf, Account: insight.AccountSelf}

// insight is the insight of a silencing at a time of the clock.
func (d *silencing) insight(now time.Time) insight.Insight {
	in := insight.Insight{
		Type: insight.TypeTrailConcealment, Provider: selfStream.Provider, Account: selfStream.Account,
		Object: ownService + ":" + d.Operation, Service: ownService, Operation: d.Operation, Identity: d.By,
		State: insight.StateStart, Start: d.At, Detected: d.At, Severity: d.Severity, Confidence: selfConfidence,
		Summary: d.Summary, Reasons: slices.Clone(d.Reasons), Resources: slices.Clone(d.Of), KRI: "Data and Kubernetes",
		Attack: []string{"T1562.008"}, Alert: insight.Alert{Reason: noNotifier},
		Extent: insight.Extent{Operations: []string{ownService + ":" + d.Operation}, Identities: []string{d.By}},
	}
	in.Statistics.InsightDuration, in.Statistics.InsightCount = 1, 1
	in.ID = insight.ID(in.Type, selfStream, "", in.Object, d.By+"\x00"+d.ID, in.Start)
	in.Incident = in.ID
	in.Score = weigh(in.Reasons, in.Confidence)
	if end := d.At.Add(selfLasts); !now.Before(end) {
		in.State, in.End = insight.StateEnd, end
	}
	return in
}

// confess tells of a silencing, which may be nil. Nothing is told of a replay, which
// keeps nothing and silences nobody.
func (e *Engine) confess(d *silencing) {
	if d == nil || e.o.StateDir == "" {
		return
	}
	in := d.insight(e.o.Now())
	if in.Active() {
		e.mtx.Lock()
		e.confessed = append(e.confessed, d)
		e.mtx.Unlock()
	}
	if _, err := e.o.Insights.Put(in); err != nil {
		e.o.Logger.Error("Keeping an insight on what is told less of", "id", in.ID, "err", err)
	}
}

// endConfessed ends the insights of silencings that are over by the clock.
func (e *Engine) endConfessed() {
	now := e.o.Now()
	var over []*silencing
	e.mtx.Lock()
	e.confessed = slices.DeleteFunc(e.confessed, func(d *silencing) bool {
		if now.Sub(d.At) < selfLasts {
			return false
		}
		over = append(over, d)
		return true
	})
	e.mtx.Unlock()
	for _, d := range over {
		if _, err := e.o.Insights.Put(d.insight(now)); err != nil {
			e.o.Logger.Error("Ending an insight on what is told less of", "by", d.By, "err", err)
		}
	}
}

// silencesException is what an exception silences: Low where it is narrow and
// short, Medium where it is not, and High where it covers what tells of hiding, or
// a critical identity.
func (e *Engine) silencesException(x *insight.Exception) *silencing {
	from := x.Created
	if x.Starts.After(from) {
		from = x.Starts
	}
	d := &silencing{
		ID: x.ID, Operation: putException, By: x.By, At: x.Created, Severity: insight.SeverityLow, Of: []string{x.ID},
		Summary: fmt.Sprintf("%s had insightd tell nothing of %s until %s: %s (%s)", x.By, scopeText(&x.Scope), x.Expires.Format(time.RFC3339), x.Reason, x.Kind),
	}
	d.because("scope", scopeText(&x.Scope), fmt.Sprintf("exception %s of %s covers %s", x.ID, x.Owner, scopeText(&x.Scope)))
	d.because("duration", x.Expires.Sub(from).Hours(), fmt.Sprintf("it holds for %s", spanText(x.Expires.Sub(from))))
	if x.Expires.Sub(from) >= longSilence {
		d.atLeast(insight.SeverityMedium)
	}
	if !x.Scope.Narrow() {
		d.grave(insight.SeverityMedium, "breadth", "broad", "it names no identity, no operation and no rule")
	}
	if e.concealing(&x.Scope) {
		d.grave(insight.SeverityHigh, "concealment", true, "what it covers tells of somebody who hides what he does")
	}
	if label := e.coversCritical(x.Scope.Identity); label != "" {
		d.grave(insight.SeverityHigh, insight.FeatureCritical, label, "it covers an identity that the configuration calls "+label)
	}
	return d
}

// silencesFeedback is what a thumbs-down silences: as little as can be, since its
// envelope is what one insight was.
func (e *Engine) silencesFeedback(f *insight.Feedback) *silencing {
	if f.Verdict != insight.Down || f.Envelope == nil {
		return nil
	}
	of := cmp.Or(f.Envelope.Identity, "account "+f.Stream.Account)
	d := &silencing{
		ID: f.ID, Operation: putFeedback, By: f.By, At: f.At, Severity: insight.SeverityLow, Of: []string{f.ID, f.Insight},
		Summary: fmt.Sprintf("%s confirmed as normal what %s of %s told: %s", f.By, f.InsightType, insight.ShortName(of), cmp.Or(f.Note, "without a note")),
	}
	d.because("envelope", f.Insight, fmt.Sprintf("what is like insight %s is not told any more", f.Insight))
	if f.InsightType == insight.TypeTrailConcealment {
		d.grave(insight.SeverityHigh, "concealment", true, "the insight told of somebody who hides what he does")
	}
	if label := e.coversCritical(f.Envelope.Identity); label != "" {
		d.grave(insight.SeverityHigh, insight.FeatureCritical, label, "it is of an identity that the configuration calls "+label)
	}
	return d
}

// silencesRebaseline is what learning an identity anew silences: everything that
// models would tell of it meanwhile.
func (e *Engine) silencesRebaseline(r *rebaselineData, key event.StreamKey) *silencing {
	span := spanText(e.current().WarmUp)
	d := &silencing{
		ID: key.Provider + " " + key.Account + " " + r.Identity, Operation: putRebaseline, By: r.By, At: r.At,
		Severity: insight.SeverityMedium, Of: []string{r.Identity},
		Summary: fmt.Sprintf("%s had insightd learn %s anew, of which models tell nothing for %s: %s", r.By, insight.ShortName(r.Identity), span, cmp.Or(r.Note, "without a note")),
	}
	d.because("identity", r.Identity, fmt.Sprintf("what %s usually does is forgotten, and its open insights end", r.Identity))
	d.because("duration", e.current().WarmUp.Hours(), fmt.Sprintf("it is only learned for %s", span))
	if label := e.coversCritical(r.Identity); label != "" {
		d.grave(insight.SeverityHigh, insight.FeatureCritical, label, "the configuration calls it "+label)
	}
	return d
}

func (d *silencing) atLeast(v insight.Severity) {
	if rank(d.Severity) < rank(v) {
		d.Severity = v
	}
}

func (d *silencing) because(feature string, observed any, text string) {
	d.Reasons = append(d.Reasons, insight.Reason{Feature: feature, Observed: observed, Usual: "", Text: text})
}

// grave is because for what is of a severity at the least.
func (d *silencing) grave(v insight.Severity, feature string, observed any, text string) {
	d.atLeast(v)
	d.because(feature, observed, text)
}

// concealing reports whether a scope covers insights on who hides what he does: their
// type, a rule about it, or everything that an identity or a network does.
func (e *Engine) concealing(s *insight.Scope) bool {
	if s.Type != "" && s.Type != insight.TypeRule {
		return s.Type == insight.TypeTrailConcealment
	}
	if s.Rule != "" {
		return slices.ContainsFunc(e.o.rulesInForce().Rules(), func(r *rules.Rule) bool { return conceals(r) && event.Glob(s.Rule, r.ID) })
	}
	if event.Anything(s.Operation) {
		return true
	}
	return slices.ContainsFunc(concealingOperations, func(op string) bool { return event.Glob(strings.ToLower(s.Operation), op) })
}

// conceals reports whether a rule tells of who hides what he does.
func conceals(r *rules.Rule) bool {
	return slices.ContainsFunc(r.Attack, func(t string) bool { return t == impairDefences || strings.HasPrefix(t, impairDefences+".") })
}

// concealingOperations stand for those by which what happens is no longer recorded,
// in lower case: exceptions are rarely of one of them alone by its service.
var concealingOperations = []string{
	"cloudtrail.amazonaws.com:stoplogging", "cloudtrail.amazonaws.com:deletetrail", "cloudtrail.amazonaws.com:updatetrail",
	"cloudtrail.amazonaws.com:puteventselectors", "guardduty.amazonaws.com:deletedetector", "guardduty.amazonaws.com:updatedetector",
	"config.amazonaws.com:stopconfigurationrecorder", "config.amazonaws.com:deleteconfigurationrecorder",
	"ec2.amazonaws.com:deleteflowlogs", "logs.amazonaws.com:deleteloggroup", "actiontrail:stoplogging", "actiontrail:deletetrail",
}

// coversCritical is a label of an identity that a pattern covers; empty where there
// is none. Patterns are compared as texts, and with the identities that are known.
func (e *Engine) coversCritical(pattern string) string {
	l := e.current().Labels
	if l == nil || pattern == "" {
		return ""
	}
	for _, x := range l.Identities {
		if event.Glob(x.Pattern, pattern) || event.Glob(pattern, x.Pattern) {
			return x.Label
		}
	}
	for _, s := range e.list() {
		label := ""
		s.ask(func() {
			for _, w := range s.identities {
				if event.Glob(pattern, w.name) {
					if of := s.labelsOf(w.name); len(of) > 0 {
						label = of[0]
						return
					}
				}
			}
		})
		if label != "" {
			return label
		}
	}
	return ""
}

// scopeText says a scope in words.
func scopeText(s *insight.Scope) string {
	var parts []string
	for _, p := range [...]struct{ name, value string }{
		{"provider", s.Provider},
		{"account", s.Account},
		{"identity", s.Identity},
		{"operation", s.Operation},
		{"insight type", s.Type},
		{"rule", s.Rule},
		{"network", s.Network},
		{"country", s.Country},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	if s.MaxRate > 0 {
		parts = append(parts, fmt.Sprintf("at most %g calls a minute", s.MaxRate))
	}
	return strings.Join(parts, ", ")
}

// spanText writes how long something holds.
func spanText(d time.Duration) string {
	if d >= 48*time.Hour {
		return plural(int(d/(24*time.Hour)), "day", "days")
	}
	return minutes(max(1, int(d/time.Minute)))
}
