package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// looker is a detector that judges single events, where models of counts judge
// minutes. Its methods are called by the stream's goroutine. It keeps no pointer
// to the stream, which is made anew now and then. What it knows of an identity is
// kept with that, since an identity may be forgotten, or learned anew.
type looker interface {
	// types are the insight types that it raises.
	types() []string
	// look judges an event by what was learned so far, and changes nothing. It
	// is asked on arrival too, about events that are not final.
	look(s *stream, e *event.Event, n names, w *who, m models.Minute) (finding, bool)
	// learn takes in an event that is final, after look and before w.observe.
	// open says that an insight of the identity is open: what happens then is
	// not usual.
	learn(s *stream, e *event.Event, n names, w *who, m models.Minute, open bool)
	// knows says in words what the detector of a type has to go by in this
	// stream; sees is false where it has nothing to look at.
	knows(s *stream, typ string) (reason string, sees bool)
	// fields is what it learned, for the stream's snapshot.
	fields(s *stream, d *codec)
}

// newLookers returns the detectors of single events, with nothing learned.
func newLookers() []looker {
	return []looker{newAddressLooker(), newOperators(), firsts{}, hours{}, risks{}, deletions{}, travels{}, logins{}}
}

// finding is what a detector says of one event: an insight has to start, or
// goes on.
type finding struct {
	insight string
	// who is the identity; nil where the insight is the account's.
	who *who
	// shared says that there is one insight for all identities; who is then the
	// first of them.
	shared bool
	region string
	object string
	// single says that an identity has one open, whatever its object.
	single bool
	// always says that the insight is raised while the stream still learns, too.
	always bool
	// firm says that it is told however doubtful it is.
	firm bool
	// suppressed says why the insight is not to be notified, where the detector
	// itself knows.
	suppressed string
	score      float64
	severity   insight.Severity
	summary    string
	reasons    []insight.Reason // Their contributions add up to score.
	attack     []string
	kri        string // "Identity and Access" where it is empty
	// rule is what made the finding, where it was a rule. Every match keeps the
	// insight open then.
	rule *ruleMatch
	// events are those that belong to the insight. Each of them keeps it open.
	events selection
	// quiet is after how many minutes without such an event the insight ends,
	// and until the first minute that is not part of it any more, where it ends
	// then at the latest; 0 for none.
	quiet models.Minute
	until models.Minute
}

// sightKey is what there is one open insight of at a time.
type sightKey struct {
	insight, region, who, object string
	suppressed                   bool // by the detector
}

func (k sightKey) compare(o sightKey) int {
	c := cmp.Or(strings.Compare(k.insight, o.insight), strings.Compare(k.region, o.region),
		strings.Compare(k.who, o.who), strings.Compare(k.object, o.object))
	if c != 0 || k.suppressed == o.suppressed {
		return c
	}
	if o.suppressed {
		return -1
	}
	return 1
}

func (f *finding) key() sightKey {
	k := sightKey{insight: f.insight, region: f.region, object: f.object, suppressed: f.suppressed != ""}
	if f.who != nil && !f.shared {
		k.who = f.who.name
	}
	if f.single {
		k.object = ""
	}
	if f.rule != nil {
		k.object += f.rule.group
	}
	return k
}

// sight is an open insight that a detector of single events raised.
type sight struct {
	key    sightKey
	raised insight.Insight
	vigil  vigil
	events selection
	quiet  models.Minute
	until  models.Minute
	seen   models.Minute // of its last event
}

// index is what events of the sight have in common, to find it by.
func (o *sight) index() string { return cmp.Or(o.events.identity, o.events.address) }

// inspect shows an event to the detectors of single events.
func (s *stream) inspect(e *event.Event, n names, w *who, m models.Minute) {
	if len(s.sights) > 0 {
		for _, at := range [...]string{e.Actor.Identity, e.Source.Address} {
			for _, o := range s.sightsBy[at] {
				if o.events.matches(e) && (o.until == 0 || m < o.until) {
					o.seen = m
					if o.vigil.by != "" {
						s.straySight(o, e, m)
					}
				}
			}
		}
	}
	for _, l := range s.lookers {
		if f, ok := l.look(s, e, n, w, m); ok {
			s.find(&f, e, m)
		}
		l.learn(s, e, n, w, m, s.openBy[w.name] > 0)
	}
	s.behave(e, n, w, m, true)
}

// find raises the insight of a finding, or makes the open one graver.
func (s *stream) find(f *finding, e *event.Event, m models.Minute) {
	if s.learning(f.who, m) != "" && !f.always {
		return
	}
	k := f.key()
	if o := s.sights[k]; o != nil {
		s.worsen(o, f, e, m)
		return
	}
	if s.crowded(0) {
		s.capped++
		return
	}
	in := s.portray(f, e, m)
	by := s.decide(&in, f, s.budget, m)
	if in.Suppressed != "" && by == "" && in.ExceptedBy == "" {
		s.suppressed++
	}
	in.Supersedes = s.preview.confirmed(s, in)
	o := &sight{key: k, raised: in, vigil: vigil{by: by}, events: f.events, quiet: f.quiet, until: f.until, seen: m}
	s.addSight(o)
	s.conceal(&in, m)
	if f.suppressed == "" {
		s.support(in.Type, in.Identity, m)
	}
	s.put(in)
}

// decide says whether an insight of a finding is told. It returns the id of the
// feedback that confirmed such insights as normal, if that keeps it from it.
func (s *stream) decide(in *insight.Insight, f *finding, b *budget, m models.Minute) (by string) {
	told := true
	if in.Suppressed = f.suppressed; f.suppressed == "" {
		by = s.quiet(in, m)
		// The budget is of what models may be wrong with.
		told = by != "" || s.excused(in, f.events, m) || f.rule != nil
		switch c := f.sureness(in, b); {
		case told:
		case b == s.budget:
			told = s.afford(in, c, m)
		default:
			told = b.take(in.Incident, c, m)
		}
	}
	s.suppress(in, told)
	return by
}

// straySight tells of a quiet insight again to which an event belongs that is
// beyond what was confirmed.
func (s *stream) straySight(o *sight, e *event.Event, m models.Minute) {
	s.stray(&o.raised, &o.vigil, e)
	if v := s.reviews.byID(o.vigil.by); v != nil && o.vigil.beyond != nil {
		s.exceed(&o.raised, &o.vigil, m, v, *o.vigil.beyond)
		s.put(o.raised)
	}
}

// graver is by how much a score must rise for an open insight to get a revision.
const graver = 0.5

// worsen has an open insight tell of a finding that weighs more than the one
// that started it.
func (s *stream) worsen(o *sight, f *finding, e *event.Event, m models.Minute) {
	old := &o.raised
	if f.score < old.Score+graverOf(old, graver) && rank(f.severity) <= rank(graded(old)) {
		return
	}
	if f.score < old.Score { // Only what happened is worse, not how odd it is.
		f.score, f.reasons = old.Score, old.Reasons
	}
	in := s.portray(f, e, m)
	carry(&in, old)
	in.Identity, in.IdentityKind, in.UserType = old.Identity, old.IdentityKind, old.UserType
	s.evince(&in, s.gather(o.events, in.Start, minuteTime(m+1)), max(1, int(m-minuteOf(in.Start))+1))
	if v := s.reviews.byID(o.vigil.by); v != nil {
		if by, beyond := v.Beyond(&in); beyond {
			s.exceed(&in, &o.vigil, m, v, by)
		}
	}
	if withheld(&in) && s.afford(&in, f.sureness(&in, s.budget), m) { // It is surer now.
		s.suppress(&in, true)
		s.suppressed--
	}
	o.raised = in
	s.put(in)
}

// carry has a newer telling of an insight keep what is settled about it.
func carry(in, old *insight.Insight) {
	in.ID, in.Start, in.Detected, in.Incident, in.Supersedes = old.ID, old.Start, old.Detected, old.Incident, old.Supersedes
	in.Suppressed, in.ConfirmedBy, in.ExceptedBy, in.Alert = old.Suppressed, old.ConfirmedBy, old.ExceptedBy, old.Alert
	if rank(in.Severity) < rank(old.Severity) {
		in.Severity = old.Severity
		in.Reasons = slices.DeleteFunc(slices.Clone(in.Reasons), ofCritical)
		if i := slices.IndexFunc(old.Reasons, ofCritical); i >= 0 {
			in.Reasons = append(in.Reasons, old.Reasons[i])
		}
	}
	in.HighRisk = in.HighRisk || old.HighRisk
	for _, feature := range [...]string{featureEnvelope, featureException} {
		of := func(r insight.Reason) bool { return r.Feature == feature }
		if i := slices.IndexFunc(old.Reasons, of); i >= 0 && !slices.ContainsFunc(in.Reasons, of) {
			in.Reasons = append(slices.Clone(in.Reasons), old.Reasons[i])
		}
	}
}

func rank(v insight.Severity) int {
	return slices.Index([]insight.Severity{insight.SeverityLow, insight.SeverityMedium, insight.SeverityHigh, insight.SeverityCritical}, v)
}

// expected is the confidence at most of an insight that its detector itself
// takes for usual: Low.
const expected = 0.2

// portray makes the insight of a finding as it starts.
func (s *stream) portray(f *finding, e *event.Event, m models.Minute) insight.Insight {
	if f.rule != nil {
		return s.portrayRule(f, e, m)
	}
	in := insight.Insight{
		Type: f.insight, Provider: s.key.Provider, Account: s.key.Account, Region: f.region,
		Object: f.object, Service: e.Service, Operation: e.Operation,
		State: insight.StateStart, Start: e.Time, Detected: e.Time,
		Score: round(f.score), Severity: f.severity, Summary: f.summary, Reasons: f.reasons, Attack: f.attack,
		HighRisk: e.Risk >= highRisk, KRI: cmp.Or(f.kri, "Identity and Access"), Filter: f.events.filter(s.key),
	}
	if f.who != nil {
		in.Identity, in.IdentityKind = f.who.name, f.who.kind.String()
		in.UserType = cmp.Or(first(f.who.userTypes), e.Actor.RawType)
	}
	identity := in.Identity
	if f.shared {
		identity = "" // Whoever comes first, it is one insight.
	}
	if f.suppressed != "" {
		identity += " " + f.suppressed // It stands beside one that is told.
	}
	in.ID = insight.ID(in.Type, s.key, in.Region, in.Object, identity, in.Start.Truncate(time.Minute))
	found := s.gather(f.events, e.Time, minuteTime(m+1))
	s.confide(&in, culprit(&in, found), 0, m)
	if f.suppressed != "" {
		in.Confidence = min(in.Confidence, expected)
	}
	s.evince(&in, found, 1)
	s.label(&in)
	in.Incident = s.incident(f.who, found, m)
	return in
}

// evince puts what the events behind an insight have in common into it; span is
// how many minutes they took.
func (s *stream) evince(in *insight.Insight, found *evidence, span int) {
	rate := float64(found.total) / float64(span)
	in.Observed = round(rate)
	in.Statistics.Insight.Average = in.Observed
	in.Statistics.InsightDuration, in.Statistics.InsightCount = span, found.total
	in.Statistics.BaselineDuration = min(int(s.last-s.first), 28*1440)
	in.Extent = found.extent(in.Type)
	in.SourceIPs, in.AccessKeyIDs = found.addresses(topSlots), found.keys(topSlots)
	in.Resources, in.SampleEventIDs = found.resources, found.samples
	in.Attributions = nil
	for attr, name := range attrNames {
		var now []valueCount
		for v, n := range found.values[attr] {
			now = append(now, valueCount{attrValue(attr, v), float64(n)})
		}
		if list := shares(now, float64(found.total), rate); list != nil {
			in.Attributions = append(in.Attributions, insight.Attribution{Attribute: name, Insight: list})
		}
	}
}

// crowded reports whether no further insight may be open; told is how many are
// that are not final.
func (s *stream) crowded(told int) bool {
	return s.set.OpenInsights > 0 && len(s.slots)+len(s.sights)-s.rules.open+told >= s.set.OpenInsights
}

func (s *stream) addSight(o *sight) {
	s.sights[o.key] = o
	if o.key.insight == insight.TypeRule {
		s.rules.open++
		return // It goes on by matches, and what happens meanwhile is learned.
	}
	at := o.index()
	s.sightsBy[at] = append(s.sightsBy[at], o)
	if !o.key.suppressed && o.vigil.by == "" {
		s.openFor(&o.raised)
	}
}

func (s *stream) dropSight(o *sight) {
	delete(s.sights, o.key)
	if o.key.insight == insight.TypeRule {
		s.rules.open--
		return
	}
	at := o.index()
	if s.sightsBy[at] = slices.DeleteFunc(s.sightsBy[at], func(x *sight) bool { return x == o }); len(s.sightsBy[at]) == 0 {
		delete(s.sightsBy, at)
	}
	if !o.key.suppressed && o.vigil.by == "" {
		s.closeFor(&o.raised)
	}
}

// openFor notes that an insight is open: what its identity does meanwhile is not
// usual. Of rules this is not so, since they are not about what is usual.
func (s *stream) openFor(in *insight.Insight) {
	if in.Type != insight.TypeRule {
		s.openBy[in.Identity]++
	}
}

// closeFor is the opposite of openFor.
func (s *stream) closeFor(in *insight.Insight) {
	if in.Type != insight.TypeRule {
		s.closeBy(in.Identity)
	}
}

// closeBy notes that an insight of an identity is over.
func (s *stream) closeBy(identity string) {
	if s.openBy[identity]--; s.openBy[identity] <= 0 {
		delete(s.openBy, identity)
	}
}

// endSights ends the insights of single events that are over at minute m, whose
// events are all known. A gap in the data ends nothing by its silence.
func (s *stream) endSights(m models.Minute, gap bool) {
	var over []*sight
	for _, o := range s.sights {
		if o.until != 0 && m+1 >= o.until || !gap && m-o.seen >= o.quiet {
			over = append(over, o)
		}
	}
	slices.SortFunc(over, func(a, b *sight) int { return a.key.compare(b.key) })
	for _, o := range over {
		s.endSight(o)
	}
}

func (s *stream) endSight(o *sight) {
	s.dropSight(o)
	s.conclude(o)
}

// conclude tells that what was seen is over.
func (s *stream) conclude(o *sight) {
	in := o.raised
	span := max(1, int(o.seen-minuteOf(in.Start))+1)
	found := s.gather(o.events, in.Start, minuteTime(o.seen+1))
	in.State, in.End = insight.StateEnd, found.lastOr(minuteTime(o.seen+1))
	if in.Rule != nil {
		in.Filter = o.events.filter(s.key)
	}
	s.evince(&in, found, span)
	s.measure(&o.vigil, found)
	s.put(in)
}

// sightFields are the open insights of single events.
func (s *stream) sightFields(d *codec) {
	dict(d, &s.sights, sightKey.compare, func(k *sightKey, v **sight) {
		if d.reading() {
			*v = &sight{}
		}
		o := *v
		for _, t := range []*string{&k.insight, &k.region, &k.who, &k.object} {
			d.text(t)
		}
		d.flag(&k.suppressed)
		d.json(&o.raised)
		o.vigil.fields(d)
		o.events.fields(d)
		for _, n := range []*models.Minute{&o.quiet, &o.until, &o.seen} {
			integer(d, n)
		}
		if d.reading() {
			o.key = *k
		}
	})
	if !d.reading() || d.err != nil {
		return
	}
	sights := s.sights
	s.sights = map[sightKey]*sight{}
	for _, k := range sortedSights(sights) {
		s.addSight(sights[k])
	}
	for _, ep := range s.slots {
		if ep.vigil.by == "" {
			s.openBy[ep.raised.Identity]++
		}
	}
}

func sortedSights(sights map[sightKey]*sight) []sightKey {
	keys := make([]sightKey, 0, len(sights))
	for k := range sights {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, sightKey.compare)
	return keys
}
