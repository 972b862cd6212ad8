package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

// renewal says who had an identity learned anew, when, and from when on.
type renewal struct {
	Note string    `json:"note,omitempty"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	From time.Time `json:"from"`
}

// rebaselineOf is what readers are told of a renewal.
func (s *stream) rebaselineOf(w *who) *insight.Rebaseline {
	r := w.renewed
	if r == nil {
		return nil
	}
	return &insight.Rebaseline{Identity: w.name, Note: r.Note, By: r.By, At: r.At, From: r.From, Until: r.From.Add(s.set.WarmUp)}
}

// profile is an identity as the API shows it.
func (s *stream) profile(w *who) insight.Profile {
	p := w.profile(s.key, s.symbols)
	p.Rebaselined, p.Labels = s.rebaselineOf(w), s.labelsOf(w.name)
	s.classify(&p, w)
	return p
}

// Rebaseline records that the role of an identity, by its id, changed: from what
// becomes final from now on it is learned as if it were new. known is false where
// there is no such identity.
func (e *Engine) Rebaseline(ctx context.Context, id, note, by string) (r insight.Rebaseline, known bool, err error) {
	var key event.StreamKey
	name := ""
	if !e.find(id, func(s *stream, w *who) { key, name = s.key, w.name }) {
		return r, false, nil
	}
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	d := rebaselineData{Identity: name, Note: note, By: by, At: e.o.Now().UTC().Truncate(time.Second)}
	d.Silences = e.silencesRebaseline(&d, key)
	c, err := e.say(ctx, event.ControlRebaseline, key, &d)
	if err != nil {
		return r, true, fmt.Errorf("recording the re-baseline of %s: %w", name, err)
	}
	e.confess(d.Silences)
	return insight.Rebaseline{
		Identity: name, Note: note, By: by, At: d.At, From: c.Time, Until: c.Time.Add(e.current().WarmUp),
	}, true, nil
}

// recallRebaseline takes over a record of before the start.
func (e *Engine) recallRebaseline(c *event.Control) {
	var d rebaselineData
	if err := json.Unmarshal(c.Data, &d); err == nil { // hear says what cannot be read.
		e.confess(d.Silences)
	}
}

// find calls do with the identity of that id and its stream, which is locked, and
// reports whether there is one.
func (e *Engine) find(id string, do func(*stream, *who)) bool {
	within := func(s *stream) bool {
		s.mtx.Lock()
		defer s.mtx.Unlock()
		for _, w := range s.identities {
			if profileID(s.key, w.name) == id {
				do(s, w)
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(e.list(), within)
}

// rebaseline forgets what is known of an identity, which is learned anew from
// minute m on: its insights end, and its series, its habits and what was
// confirmed of it go. What its organisation does stays.
func (s *stream) rebaseline(w *who, m models.Minute) {
	s.endOf(w, m)
	gone := func(x *modelled) bool { return x.who == w }
	s.episodes = slices.DeleteFunc(s.episodes, gone)
	for k := range s.all {
		for _, x := range s.all[k] {
			if gone(x) {
				delete(s.models, x.key)
				x.gone = true
				s.live[k]--
			}
		}
		s.all[k] = slices.DeleteFunc(s.all[k], gone)
	}
	for k := range s.told {
		if k.identity == w.name {
			delete(s.told, k)
		}
	}
	s.reviews.envelopes = slices.DeleteFunc(s.reviews.envelopes, func(v *envelope) bool { return v.Identity == w.name })
	// What lookers know of it is with it.
	anew := newWho(w.id, w.name, w.kind, m)
	anew.userTypes, anew.first, anew.last, anew.renewed = w.userTypes, w.first, w.last, w.renewed
	*w = *anew
	s.preview.clear()
}

// endOf ends the open insights of an identity before minute m, whatever goes on.
func (s *stream) endOf(w *who, m models.Minute) {
	for k := range s.all {
		for _, x := range s.all[k] {
			if x.who == w && x.episode != nil {
				s.end(x, models.Verdict{End: min(max(x.seen, x.episode.start), m-1)})
				x.episode = nil
			}
		}
	}
	for _, k := range sortedSlots(s.slots) {
		if ep := s.slots[k]; ep.series.who == w {
			s.dismiss(ep) // Of a key that another identity uses, too.
			s.finish(ep)
		}
	}
	for _, k := range sortedSights(s.sights) {
		if o := s.sights[k]; o.raised.Identity == w.name {
			s.endSight(o)
		}
	}
}

// dismiss has the guests of an episode go on without an insight that tells of them.
func (s *stream) dismiss(host *episode) {
	for k := range s.all {
		for _, x := range s.all[k] {
			if x.episode != nil && x.episode.host == host {
				x.episode.host = nil
			}
		}
	}
	host.guests = 0
}

// learning says why an episode of an identity, or of the account where w is nil,
// that starts at minute m raises nothing; it is empty where it does.
func (s *stream) learning(w *who, m models.Minute) string {
	switch {
	case m-s.first < s.warmUp():
		return "learning"
	case w.learns(m, s.warmUp()):
		return "learning: re-baselined"
	}
	return ""
}

// learns reports whether an identity is being learned anew at minute m.
func (w *who) learns(m, warmUp models.Minute) bool {
	return w != nil && w.renewed != nil && m-minuteOf(w.renewed.From) < warmUp
}

// renewing lists the identities that are being learned anew.
func (s *stream) renewing() []insight.Rebaseline {
	out := []insight.Rebaseline{}
	m := minuteOf(s.position.done)
	for _, w := range s.identities {
		if w.learns(m, s.warmUp()) {
			out = append(out, *s.rebaselineOf(w))
		}
	}
	slices.SortFunc(out, func(a, b insight.Rebaseline) int { return strings.Compare(a.Identity, b.Identity) })
	return out
}
