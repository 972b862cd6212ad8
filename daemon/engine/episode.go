package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// episode is what a series is in while its model says that it is unusual.
type episode struct {
	series *modelled
	start  models.Minute
	// mute says why the episode raises no insight: the stream still learns, or
	// another insight explains it. It stays so for the whole episode.
	mute string
	// raised is the insight, once there is one.
	raised *insight.Insight
	vigil  vigil

	// host is the episode whose insight tells of this one too. An insight goes
	// on until the last of its episodes is over: guests counts those that are
	// not, over is set once its own is, and until is the last minute of any.
	host   *episode
	guests int
	over   bool
	until  models.Minute
}

// slotKey is what an identity or an account may have one open insight of at a
// time: several series of its errors rise together, and a reader is told once.
type slotKey struct {
	insight string
	region  symbol
	who     symbol // identity or key
	object  symbol // the API, where each has its own
}

func (s *stream) slot(x *modelled) slotKey {
	k := slotKey{insight: kinds[x.key.kind].insight, region: x.key.region, who: x.key.x, object: x.key.y}
	switch x.key.kind {
	case kindAPIErrors:
		k.object = 0 // One with the identity's other errors.
	case kindKey, kindNewAPIs:
		k.region = 0 // A key is one in all regions.
	case kindAccountCode, kindAccountErrors:
		k.who, k.object = 0, 0
	}
	return k
}

// follow does what a verdict asks for: starts an episode, raises its insight,
// ends it.
func (s *stream) follow(x *modelled, m models.Minute, v models.Verdict) {
	if v.Change == models.Restarted && x.episode != nil {
		s.end(x, v)
		x.episode = nil
	}
	switch v.Change {
	case models.Started, models.Restarted:
		x.episode = &episode{series: x, start: v.Start, mute: s.learning(x.who, m)}
		if !x.queued {
			x.queued = true
			s.episodes = append(s.episodes, x)
		}
		s.raise(x, m, v)
	case models.Continues:
		if x.episode == nil {
			return
		}
		if ep := x.episode.teller(); ep.vigil.by != "" {
			n := x.n
			if ep != x.episode {
				n = 0 // The host counts its own.
			}
			s.watch(ep.raised, &ep.vigil, m, n)
		}
		s.raise(x, m, v)
		s.aggravate(x, m, v)
	case models.Ended:
		if x.episode != nil {
			s.end(x, v)
			x.episode = nil
		}
	}
}

// accountPatience is for how many minutes an account-level series waits before
// it is told: one identity may explain it by then.
const accountPatience = 5

// raise raises the insight of an episode unless it has one already, something
// mutes it, or its gate is not open (yet).
func (s *stream) raise(x *modelled, m models.Minute, v models.Verdict) {
	ep := x.episode
	if ep.raised != nil || ep.mute != "" || !s.ripe(x, ep.start, m, v) {
		return
	}
	slot := s.slot(x)
	if other := s.slots[slot]; other != nil {
		ep.mute = "told with " + other.raised.ID
		ep.host = other
		other.guests++
		s.attached++
		s.preview.replaced(s, x.key, other.raised.ID)
		s.join(other, x, m, v.Start)
		return
	}
	if s.crowded(0) {
		ep.mute = "limit"
		s.capped++
		return
	}
	found := s.gather(s.selection(x), minuteTime(v.Start), minuteTime(m+1))
	if kinds[x.key.kind].account {
		if by, ok := s.explained(x, found, m); ok {
			ep.mute = "explained by " + cmp.Or(by, "identities that are learned anew")
			s.attached++
			s.preview.replaced(s, x.key, by)
			return
		}
	}
	in := s.compose(x, m, v, found)
	in.Incident = s.incident(x.who, found, m)
	ep.vigil = vigil{by: s.quiet(&in, m), n: float64(found.total)}
	quiet := ep.vigil.by != "" || s.excused(&in, s.selection(x), m)
	s.suppress(&in, quiet || s.afford(&in, in.Confidence, m))
	if in.Suppressed != "" && !quiet {
		s.suppressed++
	}
	in.Supersedes = s.preview.confirmed(s, in)
	ep.raised = &in
	s.slots[slot] = ep
	if ep.vigil.by == "" { // What is normal may teach.
		s.openBy[in.Identity]++
	}
	x.tell(s.told, in.ID, forGood)
	s.support(in.Type, culprit(&in, found), m)
	s.put(in)
}

// aggravate has the insight that tells of an episode say how far it has come,
// where that is much further than what was told.
func (s *stream) aggravate(x *modelled, m models.Minute, v models.Verdict) {
	ep := x.episode
	own := ep.host == nil
	if !own {
		ep = ep.host
	}
	if ep.raised == nil || v.F < ep.raised.Score+graverOf(ep.raised, 2*graver) || !s.ripe(x, x.episode.start, m, v) {
		return
	}
	old := ep.raised
	in := s.compose(x, m, v, s.gather(s.selection(x), minuteTime(v.Start), minuteTime(m+1)))
	if !own { // What it is about stays.
		told := *old
		told.Score, told.Confidence, told.Severity, told.HighRisk = in.Score, in.Confidence, in.Severity, in.HighRisk
		told.Observed, told.Expected, told.Upper, told.Statistics = in.Observed, in.Expected, in.Upper, in.Statistics
		told.Summary, told.Reasons = in.Summary, in.Reasons
		in = told
	}
	carry(&in, old)
	in.Region, in.Object = old.Region, old.Object
	if withheld(&in) && s.afford(&in, in.Confidence, m) { // What was too dear is surer now.
		s.suppress(&in, true)
		s.suppressed--
	}
	ep.raised = &in
	s.put(in)
}

// ripe reports whether a verdict is enough to be told.
func (s *stream) ripe(x *modelled, start, m models.Minute, v models.Verdict) bool {
	switch {
	case v.F < s.families[x.key.kind].Threshold():
	case kinds[x.key.kind].account && m-start < accountPatience:
	default:
		return true
	}
	return false
}

// compose makes the insight of an episode as it starts, all but its incident.
func (s *stream) compose(x *modelled, m models.Minute, v models.Verdict, found *evidence) insight.Insight {
	in := s.describe(x, m, v, found)
	in.State, in.Start, in.Detected = insight.StateStart, found.firstOr(minuteTime(v.Start)), x.last
	in.ID = insight.ID(in.Type, s.key, in.Region, in.Object, in.Identity, in.Start.Truncate(time.Minute))
	s.confide(&in, culprit(&in, found), s.live[x.key.kind], m)
	in.Severity = severity(in.Type, x.risk, x.kindOfWho(), found)
	s.label(&in)
	return in
}

// noNotifier is why an insight was not sent anywhere that nothing keeps quiet.
const noNotifier = "no notifier is configured; insight_confidence on /metrics shows it"

// suppress says why an insight is not notified.
func (s *stream) suppress(in *insight.Insight, told bool) {
	if !told {
		in.Suppressed = fmt.Sprintf(insight.SuppressedByBudget+"more than %g false insights a day would be expected", s.set.BudgetPerDay)
		if most := s.budget.doubtful(); in.Confidence <= most {
			in.Suppressed = fmt.Sprintf(insight.SuppressedByBudget+"no more than %s of such insights are right, and nothing else of the incident is told", percent(most))
		}
	}
	in.Alert = insight.Alert{Reason: noNotifier}
	if in.Suppressed != "" {
		in.Alert.Reason = in.Suppressed
	}
}

// end ends the episode of a series, and the insight that tells of it unless
// another of its episodes goes on.
func (s *stream) end(x *modelled, v models.Verdict) {
	ep := x.episode
	if ep.host != nil {
		ep.host.guests--
		ep.host.until = max(ep.host.until, v.End)
		ep = ep.host
	} else {
		ep.over = true
		ep.until = max(ep.until, v.End)
	}
	if ep.raised != nil && ep.over && ep.guests == 0 {
		s.finish(ep)
	}
}

// finish ends an insight.
func (s *stream) finish(ep *episode) {
	x := ep.series
	delete(s.slots, s.slot(x))
	if ep.vigil.by == "" {
		s.closeBy(ep.raised.Identity)
	}
	in := *ep.raised
	x.tell(s.told, in.ID, ep.until)
	found := s.gather(s.selection(x), minuteTime(ep.start), minuteTime(ep.until+1))
	in.State = insight.StateEnd
	in.End = found.lastOr(minuteTime(ep.until + 1))
	minutes := max(1, int(ep.until-ep.start)+1)
	rate := float64(found.total) / float64(minutes)
	in.Statistics.Insight.Average = round(rate)
	in.Statistics.InsightDuration = minutes
	in.Statistics.InsightCount = found.total
	in.Attributions = s.attribute(x, found, rate, in.Statistics.Baseline.Average)
	in.Observed = round(rate)
	in.Extent = found.extent(in.Type)
	in.Extent.Absorb(ep.raised.Extent)
	s.measure(&ep.vigil, found)
	s.put(in)
}

// toldFor is how long after its end an identity's insight still explains what
// the account sees.
const toldFor = 60 // minutes

// toldKey is an identity in a region that has had an insight of its own, of an
// API where that was about one.
type toldKey struct {
	identity string
	region   symbol
	api      symbol
}

// told is that insight. until is when it no longer explains anything.
type told struct {
	id    string
	until models.Minute
}

// forGood is a minute that does not come: an insight that goes on explains.
const forGood = 1 << 30

// tell remembers that the identity of a series has an insight, until minute m
// and a while after.
func (x *modelled) tell(in map[toldKey]told, id string, m models.Minute) {
	if x.who == nil {
		return
	}
	k := toldKey{identity: x.who.name, region: x.key.region}
	in[k] = told{id, m + toldFor}
	if x.key.kind == kindCalls {
		k.api = x.key.y
		in[k] = told{id, m + toldFor}
	}
}

// explained reports whether identities that have insights of their own do half
// of what an account-level series sees, or more. Calls must be of the same API;
// any insight of an identity explains its errors. That an identity is learned
// anew explains what it does, without an insight.
func (s *stream) explained(x *modelled, found *evidence, m models.Minute) (string, bool) {
	n, most, id := 0, 0, ""
	for name, c := range found.values[attrIdentity] {
		k := toldKey{identity: name, region: x.key.region}
		if x.key.kind == kindAccountCalls {
			k.api = x.key.x
		}
		t, ok := s.told[k]
		if !ok && s.foreseeing {
			t, ok = s.preview.tells[k]
		}
		if !ok || t.until < m {
			if s.identities[s.symbols.byName[name]].learns(m, s.warmUp()) {
				n += c
			}
			continue
		}
		n += c
		if c > most || c == most && t.id < id {
			most, id = c, t.id
		}
	}
	return id, n > 0 && n*2 >= found.total
}

// highRisk is the tier of the catalogue from which an operation is high risk.
const highRisk = 3

// describe makes the insight of an episode: everything that a reader is told
// but its times and its id.
func (s *stream) describe(x *modelled, m models.Minute, v models.Verdict, found *evidence) insight.Insight {
	t := s.symbols
	// What is told is what happened since the start, which may be less than the
	// window that decided: a burst of two minutes is enough for a day's.
	span := max(1, min(int(m-v.Start)+1, v.Window))
	in := insight.Insight{
		Type: kinds[x.key.kind].insight, Provider: s.key.Provider, Account: s.key.Account,
		Region: t.name(x.key.region), Score: round(v.F),
	}
	if x.key.region == 0 { // Of all regions: the one where most happened.
		in.Region = first(ranked(found.regions, 1))
	}
	if x.who != nil {
		in.Identity, in.IdentityKind = x.who.name, x.who.kind.String()
		in.UserType = first(x.who.userTypes)
	}
	in.HighRisk = x.risk >= highRisk
	in.Object, in.Service, in.Operation = s.object(x, found)
	usual := v.Expected / float64(v.Window)
	in.Observed, in.Expected = round(v.Observed/float64(span)), round(usual)
	in.Upper = round(v.Upper / float64(span))
	in.Statistics = insight.Statistics{
		Baseline:         insight.Average{Average: in.Expected},
		Insight:          insight.Average{Average: in.Observed},
		Upper:            in.Upper,
		InsightDuration:  span,
		BaselineDuration: min(v.HistoryMinutes, 28*1440),
		InsightCount:     found.total,
	}
	in.Attributions = s.attribute(x, found, in.Observed, in.Expected)
	in.SourceIPs, in.AccessKeyIDs = found.addresses(topSlots), found.keys(topSlots)
	in.Resources, in.SampleEventIDs = found.resources, found.samples
	in.Extent = found.extent(in.Type)
	in.Reasons = slices.Concat(reasons(x, v), contributors(in.Attributions), s.habits(x.who, found))
	in.Summary = s.summary(x, span, v.Observed, usual*float64(span), in)
	in.Attack = attack(x.key.kind, found)
	in.KRI = "Identity and Access"
	q := s.selection(x)
	in.Filter, in.Selector = q.filter(s.key), s.selector(x)
	return in
}

// object is what the insight is about: an API for identities and calls, a key,
// a code or a service.
func (s *stream) object(x *modelled, found *evidence) (object, service, operation string) {
	t := s.symbols
	switch x.key.kind {
	case kindCalls, kindAPIErrors:
		object = t.name(x.key.y)
	case kindAccountCalls:
		object = t.name(x.key.x)
	case kindKey, kindNewAPIs:
		if object = t.name(x.key.x); object == "" {
			object = first(found.keys(1))
		}
	case kindAccountCode, kindAccountErrors:
		object = t.name(x.key.x)
	case kindErrors, kindBreadth:
		object, _ = found.top(attrAPI)
	}
	api := object
	if x.key.kind == kindKey || x.key.kind == kindNewAPIs || x.key.kind == kindAccountCode || x.key.kind == kindAccountErrors {
		api, _ = found.top(attrAPI)
	}
	service, operation, _ = strings.Cut(api, ":")
	if x.key.kind == kindAccountErrors {
		service, operation = object, ""
	}
	return object, service, operation
}

// first is the first of a list, empty where it is.
func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func (x *modelled) kindOfWho() event.Kind {
	if x.who == nil {
		return event.KindUnknown
	}
	return x.who.kind
}

// minuteTime is the start of a minute.
func minuteTime(m models.Minute) time.Time { return time.Unix(int64(m)*60, 0).UTC() }
