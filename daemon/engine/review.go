package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

const (
	// envelopesLimit bounds what is confirmed of an account: what was not used for
	// longest makes room. thumbsLimit bounds the thumbs likewise, by age.
	envelopesLimit = 1000
	thumbsLimit    = 4096
	// envelopeLife is for how long, in minutes, what was confirmed holds without
	// being used: 180 days.
	envelopeLife = 180 * 1440
)

// envelope is what was confirmed normal, and what it has swallowed.
type envelope struct {
	ID      string    `json:"id"` // of the feedback
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Insight string    `json:"insight"`
	insight.Envelope
	// Used is the minute that it was confirmed in, or swallowed something last.
	Used      models.Minute `json:"used"`
	Swallowed uint64        `json:"swallowed,omitempty"`
	// Last is when the last insight started that it swallowed.
	Last time.Time `json:"last,omitzero"`
}

func (v *envelope) expired(m models.Minute) bool { return m-v.Used > envelopeLife }

// told reports whether a reader had what happened at a time before his eyes when
// he confirmed the insight.
func (v *envelope) told(in *insight.Insight, at time.Time) bool {
	return v.Insight == in.ID && !at.After(v.At)
}

func (v *envelope) text() string {
	return fmt.Sprintf("confirmed normal by %s on %s: feedback %s", v.By, v.At.Format("2006-01-02"), v.ID)
}

// featureEnvelope is the feature of that reason.
const featureEnvelope = "envelope"

// reason says by what an insight is beyond the envelope.
func (v *envelope) reason(by insight.Excess) insight.Reason {
	return insight.Reason{
		Feature: featureEnvelope, Observed: by.Observed, Usual: by.Confirmed,
		Text: fmt.Sprintf("beyond what %s confirmed normal on %s (feedback %s): %s", v.By, v.At.Format("2006-01-02"), v.ID, by.Text),
	}
}

// thumb is what a user said of an insight, for the calibration of confidence.
type thumb struct {
	id, insight, typ string
	score            float64
	agreeing         int
	up               bool
}

// reviews are what users said of a stream's insights, as far as the line needs
// it.
type reviews struct {
	heard     uint64      // the last record that was taken over
	envelopes []*envelope // in order of confirmation
	thumbs    []thumb     // likewise
	swallowed uint64
	forgotten uint64 // envelopes that made room, or expired
}

func (r *reviews) byID(id string) *envelope {
	if id == "" {
		return nil
	}
	for _, v := range r.envelopes {
		if v.ID == id {
			return v
		}
	}
	return nil
}

func (r *reviews) add(v thumb) {
	r.thumbs = append(r.thumbs, v)
	if n := len(r.thumbs) - thumbsLimit; n > 0 {
		r.thumbs = slices.Delete(r.thumbs, 0, n)
	}
}

func (r *reviews) confirm(v *envelope) {
	if len(r.envelopes) >= envelopesLimit {
		oldest := slices.MinFunc(r.envelopes, func(a, b *envelope) int { return cmp.Compare(a.Used, b.Used) })
		r.envelopes = slices.DeleteFunc(r.envelopes, func(o *envelope) bool { return o == oldest })
		r.forgotten++
	}
	r.envelopes = append(r.envelopes, v)
}

// drop forgets what was said of an insight.
func (r *reviews) drop(id string) {
	r.envelopes = slices.DeleteFunc(r.envelopes, func(v *envelope) bool { return v.Insight == id })
	r.thumbs = slices.DeleteFunc(r.thumbs, func(v thumb) bool { return v.insight == id })
}

func (r *reviews) swallow(v *envelope, in *insight.Insight, m models.Minute) {
	v.Used = max(v.Used, m)
	v.Swallowed++
	v.Last = in.Start
	r.swallowed++
}

// keep forgets what was confirmed and has not been used for long by minute m.
func (r *reviews) keep(m models.Minute) {
	n := len(r.envelopes)
	r.envelopes = slices.DeleteFunc(r.envelopes, func(v *envelope) bool { return v.expired(m) })
	r.forgotten += uint64(n - len(r.envelopes))
}

// types are the insight types of which users said something.
func (r *reviews) types() map[string]struct{} {
	out := map[string]struct{}{}
	for _, v := range r.thumbs {
		out[v.typ] = struct{}{}
	}
	return out
}

// thumbs yields what users said of the stream's insights, oldest first.
func (s *stream) thumbs(yield func(models.Thumb) bool) {
	for _, v := range s.reviews.thumbs {
		if !yield(models.Thumb{Type: v.typ, Score: v.score, Agreeing: v.agreeing, Up: v.up}) {
			return
		}
	}
}

// countThumbs counts what users said of insights of a type.
func (s *stream) countThumbs(insightType string) (up, down int) {
	for _, v := range s.reviews.thumbs {
		switch {
		case v.typ != insightType:
		case v.up:
			up++
		default:
			down++
		}
	}
	return up, down
}

// hear takes over what was said of the stream, or of something in it. What it
// has heard already changes nothing. The stream stands at the record's watermark.
func (s *stream) hear(c *event.Control) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if c.Seq <= s.reviews.heard {
		return
	}
	s.reviews.heard = c.Seq
	// Everything up to here is in the log, and nothing of it at hand.
	s.slice, s.sliceFrom = nil, s.position.done
	m := models.Minute(0)
	if !c.Time.IsZero() {
		m = minuteOf(c.Time)
	}
	switch c.Kind {
	case event.ControlFeedback:
		var d feedbackData
		if err := json.Unmarshal(c.Data, &d); err != nil || d.Feedback.ID == "" {
			s.o.Logger.Warn("Feedback in the event log cannot be read; it is left out", "seq", c.Seq, "err", err)
			return
		}
		f := d.feedback(c)
		if d.Action == actionGive {
			s.give(&f, m)
		} else {
			s.undo(&f, m)
		}
	case event.ControlException:
		var d exceptionData
		if err := json.Unmarshal(c.Data, &d); err != nil || d.Exception.ID == "" {
			s.o.Logger.Warn("An exception in the event log cannot be read; it is left out", "seq", c.Seq, "err", err)
			return
		}
		s.heedException(&d, c, m)
	case event.ControlRebaseline:
		var d rebaselineData
		if err := json.Unmarshal(c.Data, &d); err != nil {
			s.o.Logger.Warn("A re-baseline in the event log cannot be read; it is left out", "seq", c.Seq, "err", err)
			return
		}
		if w := s.identities[s.symbols.byName[d.Identity]]; w != nil && w.name == d.Identity {
			w.renewed = &renewal{Note: d.Note, By: d.By, At: d.At, From: c.Time}
			s.rebaseline(w, m)
		}
	}
}

// give puts feedback in force.
func (s *stream) give(f *insight.Feedback, m models.Minute) {
	r := &s.reviews
	r.drop(f.Insight)
	r.add(thumb{f.ID, f.Insight, f.InsightType, f.Score, f.Agreeing, f.Verdict == insight.Up})
	var v *envelope
	if f.Verdict == insight.Down && f.Envelope != nil {
		used := m
		if used == 0 {
			used = minuteOf(f.At)
		}
		v = &envelope{ID: f.ID, By: f.By, At: f.At, Insight: f.Insight, Envelope: f.Envelope.Clone(), Used: used}
		r.confirm(v)
	}
	s.tellLookers(f, f.Verdict == insight.Up)
	s.review(v, m)
}

// attentive is a looker that goes by what users say of its insights.
type attentive interface {
	// hear is told whether an insight of a type about an object was right.
	hear(typ, object string, right bool)
}

// tellLookers tells the detectors of single events what a user said.
func (s *stream) tellLookers(f *insight.Feedback, right bool) {
	for _, l := range s.lookers {
		if a, ok := l.(attentive); ok {
			a.hear(f.InsightType, f.Object, right)
		}
	}
}

// undo takes feedback back.
func (s *stream) undo(f *insight.Feedback, m models.Minute) {
	if slices.ContainsFunc(s.reviews.thumbs, func(v thumb) bool { return v.id == f.ID }) || s.reviews.byID(f.ID) != nil {
		s.reviews.drop(f.Insight)
		s.tellLookers(f, false)
		s.review(nil, m)
	}
}

// vigil is what an open insight keeps that is within what was confirmed.
type vigil struct {
	by string  // the id of the feedback; empty where the insight is told
	n  float64 // events since its start
	// beyond is what happened in the minute under way that was not confirmed.
	beyond *insight.Excess
}

func (g *vigil) fields(d *codec) {
	d.text(&g.by)
	d.float(&g.n)
}

// review has the open insights follow what is confirmed now: v came, if it is not
// nil, and others may have gone.
func (s *stream) review(v *envelope, m models.Minute) {
	s.eachOpen(func(o opened) { s.reviewOpen(o.insight, o.vigil, o.events, v, m) })
	s.preview.review(s, v)
}

func (s *stream) reviewOpen(in *insight.Insight, g *vigil, events selection, v *envelope, m models.Minute) {
	if v != nil && (v.Insight == in.ID || v.About(in)) {
		found := s.gather(events, in.Start, minuteTime(m))
		beyond := false
		if v.Insight == in.ID {
			v.Grow(in.Extent)
			v.Grow(found.extent(in.Type))
		} else {
			_, beyond = v.Beyond(in)
		}
		if !beyond {
			was := g.by
			in.Suppressed, in.ConfirmedBy = v.text(), v.ID
			s.suppress(in, true)
			*g = vigil{by: v.ID, n: float64(found.total)}
			s.reviews.swallow(v, in, m)
			if was == "" {
				s.closeFor(in)
			}
			s.put(*in)
			return
		}
	}
	if g.by != "" && s.reviews.byID(g.by) == nil {
		s.reopen(in, g, m)
		s.put(*in)
	}
}

// reopen tells of an open insight again that was kept from being told. The caller
// puts it.
func (s *stream) reopen(in *insight.Insight, g *vigil, m models.Minute) {
	*g = vigil{}
	in.Suppressed, in.ConfirmedBy = "", ""
	excused := false
	if x := s.exceptions.byID(in.ExceptedBy); x != nil { // It falls within one still.
		in.Suppressed, excused = x.Text(), true
	}
	s.suppress(in, excused || in.Rule != nil || s.afford(in, in.Confidence, m))
	if in.Suppressed != "" && !excused {
		s.suppressed++
	}
	s.openFor(in)
}

// exceed is reopen for an insight that is beyond what was confirmed. The caller
// puts it.
func (s *stream) exceed(in *insight.Insight, g *vigil, m models.Minute, v *envelope, by insight.Excess) {
	s.reopen(in, g, m)
	in.Reasons = append(slices.Clone(in.Reasons), v.reason(by))
}

// teller is the episode whose insight tells of an episode: its host, or itself.
func (ep *episode) teller() *episode {
	if ep != nil && ep.host != nil {
		return ep.host
	}
	return ep
}

// join has the insight of a host span what a further series of it saw, too. What
// would be an insight of its own is held against what was confirmed like one.
func (s *stream) join(host *episode, x *modelled, m models.Minute, from models.Minute) {
	in := host.raised
	found := s.gather(s.selection(x), minuteTime(from), minuteTime(m+1))
	more := found.extent(in.Type)
	more.Peak = 0 // Its events may be the host's, too.
	if v := s.reviews.byID(host.vigil.by); v != nil {
		guest := *in
		guest.Extent = more
		by, beyond := v.Beyond(&guest)
		switch {
		case !beyond:
		case v.told(in, minuteTime(m)):
			v.Grow(more)
		default:
			s.exceed(in, &host.vigil, m, v, by)
			s.put(*in)
		}
	}
	in.Extent.Absorb(more)
	s.joined(in, found, m)
}

// quiet keeps an insight from being told that is within what was confirmed as
// normal, and returns what confirmed it. To one that is beyond, it adds by what.
// On arrival it counts nothing.
func (s *stream) quiet(in *insight.Insight, m models.Minute) (by string) {
	var near *envelope
	var excess insight.Excess
	for _, v := range slices.Backward(s.reviews.envelopes) {
		if !v.About(in) || v.expired(m) {
			continue
		}
		over, beyond := v.Beyond(in)
		if beyond && !s.foreseeing && v.told(in, in.Detected) {
			v.Grow(in.Extent)
			beyond = false
		}
		if !beyond {
			in.Suppressed, in.ConfirmedBy = v.text(), v.ID
			if !s.foreseeing {
				s.reviews.swallow(v, in, m)
			}
			return v.ID
		}
		if near == nil {
			near, excess = v, over
		}
	}
	if near != nil {
		in.Reasons = append(slices.Clone(in.Reasons), near.reason(excess))
	}
	return ""
}

// stray notes by what an event of a quiet insight is beyond what was confirmed.
func (s *stream) stray(in *insight.Insight, g *vigil, e *event.Event) {
	v := s.reviews.byID(g.by)
	if v == nil || g.beyond != nil {
		return
	}
	by, beyond := v.Stray(e)
	switch {
	case !beyond:
	case v.told(in, e.Time):
		v.Grow(extentOf(e))
	default:
		g.beyond = &by
	}
}

// extentOf is the extent of one event.
func extentOf(e *event.Event) insight.Extent {
	one := func(word string) map[string]int {
		if word == "" {
			return nil
		}
		return map[string]int{word: 1}
	}
	return insight.NewExtent(insight.Counts{
		Operations: one(e.API()), Addresses: map[string]int{e.Source.Address: 1},
		Countries: one(e.Source.Country), Identities: one(e.Actor.Identity), Regions: one(e.Region),
	}, 1)
}

// watch tells of a quiet insight again that n more events in minute m took beyond
// what was confirmed.
func (s *stream) watch(in *insight.Insight, g *vigil, m models.Minute, n float64) {
	v := s.reviews.byID(g.by)
	if v == nil {
		return
	}
	g.n += n
	by, beyond := v.Larger(n, g.n)
	switch {
	case g.beyond != nil:
		by, beyond = *g.beyond, true
	case beyond && v.Count == 0 && v.told(in, minuteTime(m)):
		v.Peak = max(v.Peak, n)
		beyond = false
	}
	if beyond {
		s.exceed(in, g, m, v, by)
		s.put(*in)
	}
}

// measure notes how large an insight became in the end that a reader confirmed
// while it went on.
func (s *stream) measure(g *vigil, found *evidence) {
	if v := s.reviews.byID(g.by); v != nil && v.Count == 0 && v.Peak > 0 {
		v.Count = found.total
	}
}

// review has what was told on arrival follow what is confirmed now.
func (p *preview) review(s *stream, v *envelope) {
	for _, t := range p.sorted() {
		in := &t.in
		switch {
		case v != nil && (v.Insight == in.ID || v.covers(in)):
			in.Suppressed, in.ConfirmedBy = v.text(), v.ID
		case in.ConfirmedBy != "" && s.reviews.byID(in.ConfirmedBy) == nil:
			in.Suppressed, in.ConfirmedBy = "", ""
		default:
			continue
		}
		s.suppress(in, true)
		s.put(*in)
	}
}

func (v *envelope) covers(in *insight.Insight) bool {
	if !v.About(in) {
		return false
	}
	_, beyond := v.Beyond(in)
	return !beyond
}

// sorted lists what was told on arrival, in order of start and id.
func (p *preview) sorted() []*provisional {
	out := make([]*provisional, 0, len(p.told))
	for _, t := range p.told {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *provisional) int {
		return cmp.Or(a.in.Start.Compare(b.in.Start), cmp.Compare(a.in.ID, b.in.ID))
	})
	return out
}

// stray notes by what an event of a series is beyond what was confirmed, where it
// was told on arrival and is quiet.
func (p *preview) stray(s *stream, f *foreseen, e *event.Event) {
	t := p.keys[f.key]
	if t == nil || f.beyond != nil {
		return
	}
	if v := s.reviews.byID(t.in.ConfirmedBy); v != nil {
		if by, beyond := v.Stray(e); beyond {
			f.beyond = &by
		}
	}
}

// watch tells of what was told on arrival and was quiet, where arrivals of its
// series are beyond what was confirmed.
func (p *preview) watch(s *stream, t *provisional, f *foreseen) {
	v := s.reviews.byID(t.in.ConfirmedBy)
	if v == nil {
		return
	}
	peak, count, last := 0.0, 0.0, models.Minute(0)
	for _, at := range f.minutes {
		if at.m >= minuteOf(t.in.Start) {
			peak, count, last = max(peak, at.n), count+at.n, at.m
		}
	}
	by, beyond := v.Larger(peak, count)
	if f.beyond != nil {
		by, beyond = *f.beyond, true
	}
	if !beyond || v.told(&t.in, minuteTime(last)) {
		return
	}
	in := &t.in
	in.Suppressed, in.ConfirmedBy = "", ""
	s.suppress(in, p.budget.take(in.Incident, in.Confidence, last))
	in.Reasons = append(slices.Clone(in.Reasons), v.reason(by))
	s.put(*in)
}

// reviewFields are what users said.
func (s *stream) reviewFields(d *codec) {
	r := &s.reviews
	integer(d, &r.heard)
	integer(d, &r.swallowed)
	integer(d, &r.forgotten)
	list(d, &r.thumbs, func(v *thumb) {
		d.text(&v.id)
		d.text(&v.insight)
		d.text(&v.typ)
		d.float(&v.score)
		integer(d, &v.agreeing)
		d.flag(&v.up)
	})
	list(d, &r.envelopes, func(v **envelope) {
		if d.reading() {
			*v = &envelope{}
		}
		d.json(*v)
	})
}
