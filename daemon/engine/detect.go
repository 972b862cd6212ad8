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
	kindAPIErrors:     {"errors by identity and API", insight.TypeAPIErrorRate, models.Errors, true, false},
	kindBreadth:       {"denied APIs by identity", insight.TypeAPIErrorRate, models.Breadth, false, false},
	kindAccountCalls:  {"calls by API", insight.TypeAPICallRate, models.Calls, false, true},
	kindAccountCode:   {"errors by code", insight.TypeAPIErrorRate, models.Errors, true, true},
	kindAccountErrors: {"errors by service", insight.TypeAPIErrorRate, models.Errors, true, true},
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
	t := s.symbols
	region, identity := t.of(e.Region), t.of(e.Actor.Identity)
	op := s.apis.of(e.Service, e.Operation)
	agent := t.of(e.AgentFamily)

	w := s.identities[identity]
	if w == nil {
		w = &who{id: identity, name: t.name(identity), kind: e.Actor.Kind, birth: m, apis: map[symbol]*api{}}
		w.novelty = models.NewNovelty(m)
		s.identities[identity] = w
	}
	w.observe(e, t, op, region, agent)
	s.learner.Observe(w.name, e.Actor.Kind, e.Source.IP, int32(e.Time.Unix()/86400))

	// The hidden are many, and never have a baseline.
	if !s.judges(e) || w.name == enrich.Hidden {
		return
	}
	write, failed := e.Access == event.AccessWrite, e.Outcome == event.OutcomeError
	machine := e.Actor.Kind == event.KindCloudService
	ev := attributes{identity, agent, t.of(e.ErrorCode), t.of(e.Source.Address), op}

	a := w.apis[op]
	if a == nil {
		a = &api{first: m}
		w.apis[op] = a
	}
	if write {
		x := s.bump(modelKey{kindCalls, region, identity, op}, w, m, e)
		s.learnUsual(x, ev)
		r := s.bump(modelKey{kindAccountCalls, region, op, 0}, nil, m, e)
		s.learnUsual(r, ev)
	}
	if machine {
		return
	}
	if c := e.Actor.Credential; write && c != "" {
		key, by := symbol(0), identity
		if longLived(e.Provider, c) {
			key, by = t.of(c), 0
		}
		s.learnUsual(s.bump(modelKey{kindKey, region, key, by}, w, m, e), ev)
		if m-a.first < 1440 {
			s.learnUsual(s.bump(modelKey{kindNewAPIs, region, key, by}, w, m, e), ev)
		}
	}
	s.observeErrors(e, w, a, ev, region, identity, op, m)
	if !failed {
		a.succeeded = true
	}
}

// observeErrors counts an event in the models of errors: the share needs the
// calls that succeed too, of the series that know errors.
func (s *stream) observeErrors(e *event.Event, w *who, a *api, ev attributes, region, identity, op symbol, m models.Minute) {
	failed := e.Outcome == event.OutcomeError
	t := s.symbols
	service := t.of(e.Service)
	for _, k := range [...]modelKey{
		{kindErrors, region, identity, 0},
		{kindAPIErrors, region, identity, op},
		{kindAccountErrors, region, service, 0},
	} {
		if !failed {
			// Calls count from the series' first error on: most have none.
			if x := s.models[k]; x != nil {
				s.touch(x)
				x.calls++
			}
			continue
		}
		by := w
		if kinds[k.kind].account {
			by = nil
		}
		x := s.bump(k, by, m, e)
		x.calls++
		s.learnUsual(x, ev)
	}
	if !failed {
		return
	}
	code := s.bump(modelKey{kindAccountCode, region, t.of(e.ErrorCode), 0}, nil, m, e)
	s.learnUsual(code, ev)
	if day := int32(e.Time.Unix() / 86400); denied(e.ErrorCode) && !a.succeeded && a.denied != day {
		a.denied = day
		s.learnUsual(s.bump(modelKey{kindBreadth, region, identity, 0}, w, m, e), ev)
	}
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
		birth := s.first
		if w != nil {
			birth = w.birth
		}
		x = &modelled{key: k, who: w, count: models.NewCount(birth)}
		if kinds[k.kind].errors {
			x.share = new(models.Share)
		}
		if k.kind == kindCalls {
			w.novelty.New(m)
		}
		s.models[k] = x
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

// makeRoom forgets the model states that were idle longest, a twentieth of them,
// where the account has as many as it may. What is open stays.
func (s *stream) makeRoom() {
	if s.o.ModelStates <= 0 || len(s.models) < s.o.ModelStates {
		return
	}
	var idle []*modelled
	for _, kind := range s.all {
		for _, x := range kind {
			if x.episode == nil && !x.queued && x.n == 0 && x.calls == 0 {
				idle = append(idle, x)
			}
		}
	}
	slices.SortStableFunc(idle, func(a, b *modelled) int { return cmp.Compare(a.seen, b.seen) })
	for _, x := range idle[:min(len(idle), len(s.models)/20+1)] {
		delete(s.models, x.key)
		x.gone = true
		s.live[x.key.kind]--
		s.evicted++
	}
	for k := range s.all {
		s.all[k] = slices.DeleteFunc(s.all[k], func(x *modelled) bool { return x.gone })
	}
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
				s.follow(x, m, s.families[x.key.kind].Add(&x.count, s.noveltyOf(x), m, x.n))
			}
		}
	}
	for _, x := range s.touched {
		x.n, x.calls = 0, 0
	}
	s.touched = s.touched[:0]
}

// noveltyOf is how often the series' identity does something new, for the kind
// that is about new things.
func (s *stream) noveltyOf(x *modelled) *models.Novelty {
	if x.key.kind == kindCalls && x.who != nil {
		return &x.who.novelty
	}
	return nil
}

// tick tells the series with open episodes that time has passed to m.
func (s *stream) tick(m models.Minute) {
	keep := s.episodes[:0]
	for _, x := range s.episodes {
		if x.episode != nil && x.seen < m {
			s.follow(x, m, s.families[x.key.kind].Tick(&x.count, s.noveltyOf(x), m))
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
	return e.Call() && (e.Category != event.CategoryData || s.o.DataEvents)
}

// denied reports whether an error code says that the caller may not.
func denied(code string) bool {
	return strings.Contains(code, "Denied") || strings.Contains(code, "Unauthorized") ||
		strings.Contains(code, "Forbidden") || strings.Contains(code, "NotAuthorized")
}
