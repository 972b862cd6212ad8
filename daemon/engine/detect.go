package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// kind numbers the kinds of model series, after MODELS' letters.
type kind uint8

const (
	kindCalls         kind = iota // A: identity × write API
	kindKey                       // K: writes of a long-lived key, or of all session keys of an identity
	kindNewAPIs                   // N: writes to APIs that the identity first used within a day
	kindErrors                    // E: errors of an identity
	kindAPIErrors                 // P: errors of identity × API
	kindBreadth                   // B: first-of-the-day denied calls to APIs that never succeeded
	kindAccountCalls              // R: writes of an API by anybody
	kindAccountCode               // errors of one code by anybody
	kindAccountErrors             // errors of a service by anybody
	kindCount
)

// kinds says what each kind is called in coverage, which insight it raises,
// and how its family is set up.
var kinds = [kindCount]struct {
	name    string
	insight string
	params  func() models.Params
	errors  bool
	account bool
}{
	kindCalls:         {"calls by identity and API", insight.TypeAPICallRate, models.Calls, false, false},
	kindKey:           {"writes by access key", insight.TypeAk, models.Credentials, false, false},
	kindNewAPIs:       {"writes by access key to APIs new to it", insight.TypeAk, models.NewAPIs, false, false},
	kindErrors:        {"errors by identity", insight.TypeAPIErrorRate, models.Errors, true, false},
	kindAPIErrors:     {"errors by identity and API", insight.TypeAPIErrorRate, models.APIErrors, true, false},
	kindBreadth:       {"denied APIs by identity", insight.TypeAPIErrorRate, models.Breadth, false, false},
	kindAccountCalls:  {"calls by API", insight.TypeAPICallRate, models.AccountCalls, false, true},
	kindAccountCode:   {"errors by code", insight.TypeAPIErrorRate, models.AccountCodes, true, true},
	kindAccountErrors: {"errors by service", insight.TypeAPIErrorRate, models.AccountErrors, true, true},
}

// modelKey is a model series, within a stream. What x and y are depends on the
// kind: an identity and an API; a long-lived key, or in y the identity whose
// session keys are taken together, since each of them lives for hours; an API,
// a code, or a service.
type modelKey struct {
	kind   kind
	region symbol
	x, y   symbol
}

// modelled is a series with its model.
type modelled struct {
	key   modelKey
	who   *who // nil for the account's
	count models.Count
	share *models.Share // for the kinds that count errors
	n     float64       // in the minute under way
	calls float64       // likewise, for the share
	last  time.Time     // of the last event that counted
	risk  uint8
	seen  models.Minute // the last minute with a count

	// What the series' events usually are, learned while nothing is open.
	usual   [attrCount]*tally
	learned float32

	episode *episode
	queued  bool // in stream.episodes
	gone    bool // it made room
}

// learn keeps what an event of the series usually is.
func (x *modelled) learn(attr int, v symbol) {
	if x.usual[attr] == nil {
		x.usual[attr] = new(tally)
	}
	x.usual[attr].add(v, 1)
}

// observe counts an event in the models that it feeds.
func (s *stream) observe(e *event.Event, m models.Minute) {
	n := s.names(e)
	w := s.identity(n.identity, e, m)
	s.rule(e, w)
	s.ruleBreakGlass(e, w)
	if s.judges(e) {
		s.inspect(e, n, w, m)
	}
	w.rest(m)
	w.observe(e, s.symbols, n.api, n.region, n.agent)
	var a *api
	if w.name != enrich.Hidden { // The hidden are many.
		a = w.api(n.api, m)
		a.use(int32(e.Time.Unix() / 86400))
	}
	s.learner.Observe(w.name, e.Actor.Kind, e.Source.IP, int32(e.Time.Unix()/86400))
	if !s.teaches(e, w) {
		return
	}
	usual := attributes{n.identity, n.agent, n.code, s.symbols.of(e.Source.Address), n.api}
	var buf [feedsMost]feed
	for _, f := range s.feeds(buf[:0], e, n, a, w.birth, m, s.storms.stormy(e, n, m)) {
		if !f.counts {
			// Calls count from the series' first error on: most have none.
			if x := s.models[f.key]; x != nil {
				s.touch(x)
				x.calls++
			}
			continue
		}
		by := w
		if kinds[f.key.kind].account {
			by = nil
		}
		x := s.bump(f.key, by, m, e)
		if f.calls {
			x.calls++
		}
		if ep := x.episode.teller(); ep != nil && ep.vigil.by != "" {
			s.stray(ep.raised, &ep.vigil, e)
		}
		s.learnUsual(x, usual)
	}
}

// identity returns what is known of an event's identity.
func (s *stream) identity(id symbol, e *event.Event, m models.Minute) *who {
	w := s.identities[id]
	if w == nil {
		s.forget()
		w = newWho(id, s.symbols.name(id), e.Actor.Kind, m)
		s.identities[id] = w
	}
	return w
}

// teaches reports whether an event reaches the models. The hidden are many, and
// never have a baseline.
func (s *stream) teaches(e *event.Event, w *who) bool { return s.judges(e) && w.name != enrich.Hidden }

// names are the symbols of what an event says.
type names struct{ region, identity, api, agent, code, service symbol }

func (s *stream) names(e *event.Event) names {
	t := s.symbols
	return names{
		region: t.of(e.Region), identity: t.of(e.Actor.Identity), api: s.apis.of(e.Service, e.Operation),
		agent: t.of(e.AgentFamily), code: t.of(e.ErrorCode), service: t.of(e.Service),
	}
}

// feed is a model series that an event feeds: it counts there, or as one of the
// calls of which errors are a share, or as both.
type feed struct {
	key           modelKey
	counts, calls bool
}

// feedsMost is how many series an event feeds at the most.
const feedsMost = 9

// feeds lists the series that an event feeds. a is what its identity has done
// with its API so far, and is moved on; birth is when the identity came, and
// storm says that the service throttles everybody.
func (s *stream) feeds(out []feed, e *event.Event, n names, a *api, birth, m models.Minute, storm bool) []feed {
	write, failed := e.Access == event.AccessWrite, e.Outcome == event.OutcomeError
	// What fails is told once, as an error: a script that tries the same in vain
	// is no burst of calls.
	if write && !failed {
		out = append(out, feed{modelKey{kindCalls, n.region, n.identity, n.api}, true, false},
			feed{modelKey{kindAccountCalls, n.region, n.api, 0}, true, false})
	}
	if e.Actor.Kind == event.KindCloudService {
		return out
	}
	if c := e.Actor.Credential; write && !failed && c != "" {
		key, by := symbol(0), n.identity
		if event.LongLived(e.Provider, c) {
			key, by = s.symbols.of(c), 0
		}
		out = append(out, feed{modelKey{kindKey, n.region, key, by}, true, false})
		if m-a.first < 1440 && m-birth >= 1440 { // On the first day everything is new.
			// What is new is so in all regions.
			out = append(out, feed{modelKey{kindNewAPIs, 0, key, by}, true, false})
		}
	}
	// The share needs the calls that succeed too.
	if !storm {
		out = append(out, feed{modelKey{kindErrors, n.region, n.identity, 0}, failed, true},
			feed{modelKey{kindAPIErrors, n.region, n.identity, n.api}, failed, true})
	}
	out = append(out, feed{modelKey{kindAccountErrors, n.region, n.service, 0}, failed, true})
	if !failed {
		a.succeeded = true
		return out
	}
	out = append(out, feed{modelKey{kindAccountCode, n.region, n.code, 0}, true, false})
	if day := int32(e.Time.Unix() / 86400); denied(e.ErrorCode) && !a.succeeded && a.denied != day {
		a.denied = day
		out = append(out, feed{modelKey{kindBreadth, n.region, n.identity, 0}, true, false})
	}
	return out
}

// attributes are the values that an event has of each attribute.
type attributes [attrCount]symbol

// learnUsual learns what the events of a series usually are. What happens while
// an insight is open is not usual.
func (s *stream) learnUsual(x *modelled, ev attributes) {
	if x.episode != nil {
		return
	}
	if x.learned++; x.learned >= 4096 {
		x.learned /= 2
		for _, u := range x.usual {
			if u != nil {
				u.halve()
			}
		}
	}
	for i, v := range ev {
		if x.always(i) {
			continue
		}
		x.learn(i, v)
	}
}

// always reports whether the events of the series all have the same value of an
// attribute.
func (x *modelled) always(attr int) bool {
	switch attr {
	case attrIdentity:
		return x.who != nil
	case attrAPI:
		return x.key.kind == kindCalls || x.key.kind == kindAPIErrors || x.key.kind == kindAccountCalls
	}
	return false
}

// bump counts an event in a series, which it makes if need be.
func (s *stream) bump(k modelKey, w *who, m models.Minute, e *event.Event) *modelled {
	x := s.models[k]
	if x == nil {
		s.makeRoom()
		x = s.newModelled(k, w)
		if news := s.noveltyOf(x); news != nil {
			news.New(m)
		}
		s.models[k] = x
		w.keep(x)
		s.all[k.kind] = append(s.all[k.kind], x)
		s.live[k.kind]++
	}
	s.touch(x)
	x.n++
	x.last = e.Time
	x.seen = m
	x.risk = max(x.risk, e.Risk)
	return x
}

// newModelled returns a series that has seen nothing, of an identity or, where w
// is nil, of the account.
func (s *stream) newModelled(k modelKey, w *who) *modelled {
	birth := s.first
	if w != nil {
		birth = w.birth
	}
	x := &modelled{key: k, who: w, count: models.NewCount(birth, groupOf(w))}
	if old := w.lastKey(k); old != nil {
		x.count = old.count.Heir() // A new key goes on where the last one stopped.
	}
	if kinds[k.kind].errors {
		x.share = new(models.Share)
	}
	return x
}

// groupOf is with whom a series of an identity is compared; of the account's
// own where w is nil.
func groupOf(w *who) models.Group {
	if w != nil && (w.kind == event.KindHuman || w.kind == event.KindRoot) {
		return models.Person
	}
	return models.Workload
}

// makeRoom forgets the model states that were idle longest, a twentieth of them,
// where the account has as many as it may. What is open stays.
func (s *stream) makeRoom() {
	if s.set.ModelStates <= 0 || len(s.models) < s.set.ModelStates {
		return
	}
	var idle []*modelled
	for _, kind := range s.all {
		for _, x := range kind {
			if s.idle(x) {
				idle = append(idle, x)
			}
		}
	}
	slices.SortStableFunc(idle, func(a, b *modelled) int { return cmp.Compare(a.seen, b.seen) })
	s.evict(idle[:min(len(idle), len(s.models)/20+1)])
}

// idle reports whether a series can be forgotten: nothing is open that tells of
// it, and it has nothing in the minute under way.
func (s *stream) idle(x *modelled) bool {
	if x.episode != nil || x.queued || x.n != 0 || x.calls != 0 {
		return false
	}
	host := s.slots[s.slot(x)]
	return host == nil || host.series != x
}

// evict forgets series.
func (s *stream) evict(list []*modelled) {
	for _, x := range list {
		delete(s.models, x.key)
		x.gone = true
		s.live[x.key.kind]--
		s.evicted++
	}
	for k := range s.all {
		s.all[k] = slices.DeleteFunc(s.all[k], func(x *modelled) bool { return x.gone })
	}
}

// forget forgets the identities that were idle longest, a twentieth of them,
// with their series, where the account has as many as it may.
func (s *stream) forget() {
	if s.set.Identities <= 0 || len(s.identities) < s.set.Identities {
		return
	}
	busy := map[*who]bool{}
	for _, o := range s.sights {
		if w := s.identities[s.symbols.of(o.raised.Identity)]; w != nil {
			busy[w] = true
		}
	}
	for _, kind := range s.all {
		for _, x := range kind {
			if x.who != nil && !s.idle(x) {
				busy[x.who] = true
			}
		}
	}
	var idle []*who
	for _, w := range s.identities {
		if !busy[w] {
			idle = append(idle, w)
		}
	}
	slices.SortFunc(idle, func(a, b *who) int { return cmp.Or(a.last.Compare(b.last), strings.Compare(a.name, b.name)) })
	gone := map[*who]bool{}
	for _, w := range idle[:min(len(idle), len(s.identities)/20+1)] {
		gone[w] = true
		delete(s.identities, w.id)
		s.forgotten++
	}
	var series []*modelled
	for _, kind := range s.all {
		for _, x := range kind {
			if gone[x.who] {
				series = append(series, x)
			}
		}
	}
	s.evict(series)
}

// touch notes that a series has something in the minute under way.
func (s *stream) touch(x *modelled) {
	if x.n == 0 && x.calls == 0 {
		s.touched = append(s.touched, x)
	}
}

// judge closes a minute: every series that was touched is scored, identities
// before accounts, since what an identity explains is not told twice.
func (s *stream) judge(m models.Minute) {
	for _, account := range [...]bool{false, true} {
		for _, x := range s.touched {
			if kinds[x.key.kind].account != account {
				continue
			}
			if x.share != nil {
				x.share.Add(m, x.calls, x.n)
			}
			if x.n > 0 {
				x.count.SetGroup(groupOf(x.who))
				s.follow(x, m, s.score(x, m))
			}
		}
	}
	for _, x := range s.touched {
		x.n, x.calls = 0, 0
	}
	s.touched = s.touched[:0]
}

// score judges what a series has in a minute.
func (s *stream) score(x *modelled, m models.Minute) models.Verdict {
	f := s.family(x, m)
	if x.share != nil {
		return f.AddErrors(&x.count, x.share, s.noveltyOf(x), m, x.n)
	}
	return f.Add(&x.count, s.noveltyOf(x), m, x.n)
}

// family is the series' family, told when its identity was away last, as it
// shows in minute m.
func (s *stream) family(x *modelled, m models.Minute) *models.Family {
	f := s.families[x.key.kind]
	if x.who != nil {
		f.Away(x.who.away(m))
	} else {
		f.Away(0, 0)
	}
	return f
}

// noveltyOf is how often the series' identity does something new, or fails in
// something new, for the kinds that are about new things.
func (s *stream) noveltyOf(x *modelled) *models.Novelty {
	switch {
	case x.who == nil:
	case x.key.kind == kindCalls:
		return &x.who.novelty
	case x.key.kind == kindAPIErrors:
		return &x.who.failures
	}
	return nil
}

// tick tells the series with open episodes that time has passed to m.
func (s *stream) tick(m models.Minute) {
	keep := s.episodes[:0]
	for _, x := range s.episodes {
		if x.episode != nil && x.seen < m {
			s.follow(x, m, s.family(x, m).Tick(&x.count, s.noveltyOf(x), m))
		}
		if x.episode != nil {
			keep = append(keep, x)
		} else {
			x.queued = false
		}
	}
	clear(s.episodes[len(keep):])
	s.episodes = keep
}

// judges reports whether the models look at an event: at calls, and at those of
// the data category where the configuration asks for them.
func (s *stream) judges(e *event.Event) bool {
	return e.Call() && (e.Category != event.CategoryData || s.set.DataEvents)
}

// denied reports whether an error code says that the caller may not.
func denied(code string) bool {
	return strings.Contains(code, "Denied") || strings.Contains(code, "Unauthorized") ||
		strings.Contains(code, "Forbidden") || strings.Contains(code, "NotAuthorized")
}
