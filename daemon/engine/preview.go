package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/rules"
)

// preview judges what has arrived and is not final: on copies of the series that
// it touches, so that what matters is told within seconds. What it tells is
// provisional. The final pass confirms it, says something else, or withdraws it;
// nothing that the preview does reaches the models, or what is said in the end.
type preview struct {
	// seq is the log's position up to which arrivals were looked at.
	seq    uint64
	series map[modelKey]*foreseen
	dirty  []*foreseen
	// findings are those of single events that wait to be told.
	findings []arrivedFinding
	// storms goes on from the stream's; nil until something arrives.
	storms storms
	// people and apis are what arrival added to what the stream knows, by
	// identity.
	people map[symbol]*who
	apis   map[apiKey]*api
	// behaviours and doors are what is known of identities and of addresses that
	// people sign in from, with what has arrived.
	behaviours map[symbol]*behaviour
	doors      map[string]*door
	// rules goes on from the windows of the stream's rules; nil until something
	// arrives.
	rules *rules.State
	// groups, tells and budget stand beside the stream's.
	groups map[string]group
	tells  map[toldKey]told
	budget *budget
	// told is what was told and is not final, by id, slot and series.
	told  map[string]*provisional
	slots map[string]*provisional
	keys  map[modelKey]*provisional

	// skipped counts events that were not looked at, since too many series had
	// something open.
	skipped uint64
}

type apiKey struct{ identity, api symbol }

// foreseen is what arrived for one series, by minute.
type foreseen struct {
	key     modelKey
	who     *who
	minutes []foreseenMinute // rising
	last    time.Time
	risk    uint8
	dirty   bool
	// beyond is what arrived that was not confirmed, while it was quiet.
	beyond *insight.Excess
}

type foreseenMinute struct {
	m        models.Minute
	n, calls float64
}

// provisional is an insight that waits for the final pass.
type provisional struct {
	in   insight.Insight
	slot string
	key  modelKey
	// series is false where the insight is known from the store alone.
	series bool
	at     models.Minute // when it was told, in event time
}

// foreseenLimit bounds the series that a preview looks at.
const foreseenLimit = 50_000

// provisionalGrace is how long after its minute became final an insight waits
// for a verdict of its own before it is withdrawn, in minutes.
const provisionalGrace = 2 * accountPatience

func newPreview() *preview {
	p := &preview{told: map[string]*provisional{}, slots: map[string]*provisional{}, keys: map[modelKey]*provisional{}}
	p.clear()
	return p
}

// clear forgets what arrived, but not what was told.
func (p *preview) clear() {
	p.seq, p.dirty, p.findings = 0, nil, nil
	p.series = map[modelKey]*foreseen{}
	p.storms, p.rules = nil, nil
	p.people, p.apis = map[symbol]*who{}, map[apiKey]*api{}
	p.behaviours, p.doors = map[symbol]*behaviour{}, map[string]*door{}
	p.groups, p.tells = map[string]group{}, map[toldKey]told{}
	p.budget = nil
}

// detach is clear where the stream's symbols are about to change.
func (p *preview) detach() {
	p.clear()
	clear(p.keys)
	for _, t := range p.told {
		t.series = false
	}
}

// Preview looks at what has arrived since it was called last, and tells what is
// unusual already. It runs in the goroutine that moves watermarks. A stream whose arrivals
// cannot be read holds no other.
func (e *Engine) Preview(ctx context.Context) error {
	now := e.o.Now()
	var errs []error
	for _, s := range e.list() {
		errs = append(errs, s.foresee(ctx, now))
	}
	return errors.Join(errs...)
}

// arrivalsAtOnce is how many events the preview reads at once, of all streams: while
// the final pass works through a busy minute many arrive.
const arrivalsAtOnce = 100_000

// foresee looks at a stream's arrivals.
func (s *stream) foresee(ctx context.Context, now time.Time) error {
	p := s.preview
	if !s.begun || s.position.due() {
		return nil
	}
	s.adopt() // No record is being carried out.
	if now.Sub(s.position.done) > openWindow+s.set.Lateness {
		p.clear() // It is catching up: what is told then is final.
		return nil
	}
	for last := s.o.Log.LastSeq(); p.seq < last; {
		upTo := min(last, p.seq+arrivalsAtOnce)
		if s.o.Log.CountSince(s.key, s.position.done, time.Time{}, p.seq) == 0 {
			p.seq = last
			break
		}
		q := s.readQuery(s.position.done, now.Add(s.set.Future))
		q.MinSeq, q.MaxSeq = p.seq, upTo
		events, err := s.readJudged(ctx, q)
		if err != nil {
			return fmt.Errorf("reading arrivals of %s: %w", s.key, err)
		}
		s.mtx.Lock()
		for i := range events {
			s.arrive(&events[i])
			s.breathe(i)
		}
		s.mtx.Unlock()
		p.seq = upTo
	}
	if len(p.dirty)+len(p.findings) == 0 {
		return nil
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if p.budget == nil {
		p.budget = s.budget.clone()
		for _, t := range p.told {
			p.budget.take(t.in.Incident, t.in.Confidence, t.at)
		}
	}
	s.foreseeing = true
	defer func() { s.foreseeing = false }()
	findings := p.findings
	p.findings = nil
	for i := range findings {
		s.foreseeFinding(&findings[i])
	}
	// Identities before accounts, since what an identity explains is not told
	// twice.
	dirty := p.dirty
	p.dirty = nil
	for _, account := range [...]bool{false, true} {
		for _, f := range dirty {
			if kinds[f.key.kind].account == account {
				f.dirty = false
				s.foreseeSeries(f)
			}
		}
	}
	return nil
}

// arrive counts an event in the series that it will feed.
func (s *stream) arrive(e *event.Event) {
	p := s.preview
	if s.ahead(e) {
		return
	}
	s.foreseeRules(e)
	if !s.judges(e) {
		return
	}
	m := minuteOf(e.Time)
	n := s.names(e)
	w := s.identities[n.identity]
	if w == nil {
		if w = p.people[n.identity]; w == nil {
			w = newWho(n.identity, s.symbols.name(n.identity), e.Actor.Kind, m)
			w.userTypes = []string{e.Actor.RawType}
			p.people[n.identity] = w
		}
	}
	s.arriving = true
	for _, l := range s.lookers {
		if f, ok := l.look(s, e, n, w, m); ok && len(p.findings) < foreseenLimit {
			p.findings = append(p.findings, arrivedFinding{f, *e, m})
		}
	}
	s.behave(e, n, w, m, false)
	s.arriving = false
	if !s.teaches(e, w) {
		return
	}
	if p.storms == nil {
		p.storms = maps.Clone(s.storms)
	}
	var buf [feedsMost]feed
	for _, f := range s.feeds(buf[:0], e, n, p.api(w, n, m), w.birth, m, p.storms.stormy(e, n, m)) {
		if !f.counts && s.models[f.key] == nil && p.series[f.key] == nil {
			continue
		}
		x := p.series[f.key]
		if x == nil {
			if len(p.series) >= foreseenLimit {
				p.skipped++
				continue
			}
			x = &foreseen{key: f.key}
			if !kinds[f.key.kind].account {
				x.who = w
			}
			p.series[f.key] = x
		}
		x.add(m, f)
		if f.counts {
			if e.Time.After(x.last) {
				x.last = e.Time
			}
			x.risk = max(x.risk, e.Risk)
		}
		if f.counts && len(s.reviews.envelopes) > 0 {
			p.stray(s, x, e)
		}
		if !x.dirty {
			x.dirty = true
			p.dirty = append(p.dirty, x)
		}
	}
}

// api is what an identity has done with an operation, on a copy.
func (p *preview) api(w *who, n names, m models.Minute) *api {
	k := apiKey{n.identity, n.api}
	a := p.apis[k]
	if a == nil {
		a = &api{first: m}
		if known := w.apis[n.api]; known != nil {
			*a = *known
		}
		if len(p.apis) < foreseenLimit {
			p.apis[k] = a
		}
	}
	return a
}

func (f *foreseen) add(m models.Minute, by feed) {
	i, found := slices.BinarySearchFunc(f.minutes, m, func(x foreseenMinute, m models.Minute) int { return int(x.m - m) })
	if !found {
		f.minutes = slices.Insert(f.minutes, i, foreseenMinute{m: m})
	}
	if by.counts {
		f.minutes[i].n++
	}
	if by.calls {
		f.minutes[i].calls++
	}
}

// foreseeSeries judges what arrived for a series, on a copy of its state.
func (s *stream) foreseeSeries(f *foreseen) {
	p := s.preview
	if t := p.keys[f.key]; t != nil {
		switch {
		case t.in.ConfirmedBy != "":
			p.watch(s, t, f)
		case t.in.ExceptedBy != "":
			p.overrun(s, t, f)
		}
		return // Told already.
	}
	if len(f.minutes) == 0 || s.learning(f.who, f.minutes[len(f.minutes)-1].m) != "" {
		return // It only learns.
	}
	x := s.models[f.key]
	var y modelled
	if x != nil {
		y = *x
		if x.share != nil {
			share := *x.share
			y.share = &share
		}
	} else {
		y = *s.newModelled(f.key, f.who)
	}
	y.risk = max(y.risk, f.risk)
	if f.last.After(y.last) {
		y.last = f.last
	}
	var news *models.Novelty
	if n := s.noveltyOf(&y); n != nil {
		copied := *n
		news = &copied
		if x == nil && len(f.minutes) > 0 {
			news.New(f.minutes[0].m)
		}
	}
	var ep *episode
	if final := y.episode; final != nil && final.raised == nil && final.mute == "" {
		ep = &episode{series: &y, start: final.start}
	}
	family := s.family(&y, f.minutes[0].m)
	for _, at := range f.minutes {
		if y.share != nil {
			y.share.Add(at.m, at.calls, at.n)
		}
		if at.n == 0 {
			continue
		}
		var v models.Verdict
		if y.share != nil {
			v = family.ForeseeErrors(&y.count, y.share, news, at.m, at.n)
		} else {
			v = family.Foresee(&y.count, news, at.m, at.n)
		}
		switch v.Change {
		case models.Started, models.Restarted:
			ep = &episode{series: &y, start: v.Start}
		case models.Ended:
			ep = nil
		}
		if ep != nil && s.ripe(&y, ep.start, at.m, v) {
			y.episode = ep
			s.announce(f, &y, at.m, v)
			return
		}
	}
}

// arrivedFinding is a finding with the event that it is about.
type arrivedFinding struct {
	finding
	event event.Event
	m     models.Minute
}

// foreseeFinding tells of what a single event shows, before it is final.
func (s *stream) foreseeFinding(f *arrivedFinding) {
	p := s.preview
	if s.learning(f.who, f.m) != "" && !f.always || s.sights[f.key()] != nil || s.crowded(len(p.told)) {
		return
	}
	slot := f.slot(s.key.Provider)
	if p.slots[slot] != nil {
		return
	}
	in := s.portray(&f.finding, &f.event, f.m)
	if p.told[in.ID] != nil {
		return
	}
	s.decide(&in, &f.finding, p.budget, f.m)
	in.Provisional = true
	p.remember(&provisional{in: in, slot: slot, at: f.m})
	s.put(in)
}

// announce tells of an insight before it is final, unless another one tells of
// it.
func (s *stream) announce(f *foreseen, y *modelled, m models.Minute, v models.Verdict) {
	p := s.preview
	if s.slots[s.slot(y)] != nil {
		return
	}
	if s.crowded(len(p.told)) {
		return
	}
	found := s.gather(s.selection(y), minuteTime(v.Start), minuteTime(m+1))
	if kinds[f.key.kind].account {
		if _, ok := s.explained(y, found, m); ok {
			return
		}
	}
	in := s.compose(y, m, v, found)
	slot := slotText(&in)
	if p.slots[slot] != nil || p.told[in.ID] != nil {
		return
	}
	in.Incident = s.incident(y.who, found, m)
	s.suppress(&in, s.quiet(&in, m) != "" || s.excused(&in, s.selection(y), m) || p.budget.take(in.Incident, in.Confidence, m))
	in.Provisional = true
	y.tell(p.tells, in.ID, forGood)
	p.remember(&provisional{in: in, slot: slot, key: f.key, series: true, at: m})
	s.put(in)
}

func (p *preview) remember(t *provisional) {
	p.told[t.in.ID] = t
	p.slots[t.slot] = t
	if t.series {
		p.keys[t.key] = t
	}
}

func (p *preview) forget(t *provisional) {
	delete(p.told, t.in.ID)
	if p.slots[t.slot] == t {
		delete(p.slots, t.slot)
	}
	if t.series && p.keys[t.key] == t {
		delete(p.keys, t.key)
	}
}

// slot is slotText of the insight that a finding of a provider would be.
func (f *finding) slot(provider string) string {
	in := insight.Insight{Type: f.insight, Provider: provider, Region: f.region, Object: f.object}
	if f.who != nil {
		in.Identity = f.who.name
	}
	if f.rule != nil {
		in.Rule = ruleOf(&f.rule.Match)
	}
	return slotText(&in)
}

// slotText names what an identity or an account may have one open insight of,
// as slotKey does, by what the insight says.
func slotText(in *insight.Insight) string {
	identity, object, region := in.Identity, in.Object, in.Region
	switch in.Type {
	case insight.TypeIP: // One an address, whoever comes first.
		identity = ""
	case insight.TypeAPIErrorRate, insight.TypeFirstAction, insight.TypeOutOfHours, insight.TypeImpossibleTravel:
		object = ""
	case insight.TypeRule:
		if in.Rule != nil && in.Rule.WindowSeconds > 0 { // One a group, whoever it is.
			identity = ""
			object += groupText(in.Rule.Group)
		}
	case insight.TypeAk:
		region = ""
		if !event.LongLived(in.Provider, in.Object) {
			object = ""
		}
	}
	return fmt.Sprintf("%s\x00%s\x00%s\x00%s", in.Type, region, identity, object)
}

// recall takes up again what the store knows to be provisional, after a start.
func (p *preview) recall(list []insight.Insight, s *stream) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	for _, in := range list {
		if p.told[in.ID] == nil {
			p.remember(&provisional{in: in, slot: slotText(&in), at: minuteOf(in.Detected)})
		}
	}
}

// confirmed settles what was told of an insight that is final now. It returns
// the id that the insight takes the place of, if it was told under another.
func (p *preview) confirmed(s *stream, in insight.Insight) (supersedes string) {
	if t := p.told[in.ID]; t != nil {
		p.forget(t)
		return ""
	}
	if t := p.slots[slotText(&in)]; t != nil {
		s.takeBack(t, in.ID)
		return t.in.ID
	}
	return ""
}

// meant reports whether what was told under the id of an insight, or of its slot, is
// about the same: not where the insight was over before that began.
func (p *preview) meant(in *insight.Insight) bool {
	if p.told[in.ID] != nil {
		return true
	}
	t := p.slots[slotText(in)]
	return t != nil && (in.State != insight.StateEnd || !in.End.Before(t.in.Start))
}

// replaced settles what was told of a series of which another insight tells.
func (p *preview) replaced(s *stream, key modelKey, by string) {
	if t := p.keys[key]; t != nil && t.in.ID != by {
		s.takeBack(t, by)
	}
}

// takeBack withdraws what was told, or points from it to what took its place.
func (s *stream) takeBack(t *provisional, by string) {
	s.preview.forget(t)
	in := t.in
	in.State, in.SupersededBy = insight.StateWithdrawn, by
	s.put(in)
}

// drop forgets arrivals that are final now, and withdraws what the final pass
// has seen and not found unusual.
func (p *preview) drop(s *stream) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	done := minuteOf(s.position.done)
	for k, f := range p.series {
		i := 0
		for i < len(f.minutes) && f.minutes[i].m < done {
			i++
		}
		if i == len(f.minutes) {
			f.minutes = nil
			delete(p.series, k)
		} else if i > 0 {
			f.minutes = slices.Clone(f.minutes[i:])
		}
	}
	for k, a := range p.apis {
		if a.first < done {
			delete(p.apis, k)
		}
	}
	for k := range p.people {
		if s.identities[k] != nil {
			delete(p.people, k)
		}
	}
	for k, b := range p.behaviours {
		if b.seen < done {
			delete(p.behaviours, k)
		}
	}
	for k, d := range p.doors {
		if d.tries[len(d.tries)-1].at < done {
			delete(p.doors, k)
		}
	}
	for k, g := range p.groups {
		if done-g.start > 2*incidentSpan {
			delete(p.groups, k)
		}
	}
	if p.rules != nil {
		p.rules.Advance(s.position.done)
	}
	p.budget = nil
	if len(p.told) == 0 {
		clear(p.tells)
		return
	}
	var over []*provisional
	for _, t := range p.told {
		if t.at+provisionalGrace >= done {
			continue
		}
		if x := s.models[t.key]; t.series && x != nil && x.episode != nil && x.episode.raised == nil && x.episode.mute == "" {
			continue // It is still to be decided.
		}
		over = append(over, t)
	}
	slices.SortFunc(over, func(a, b *provisional) int { return a.in.Start.Compare(b.in.Start) })
	for _, t := range over {
		s.takeBack(t, "")
	}
}
