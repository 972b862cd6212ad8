package engine

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// What users say of insights and identities is part of the event log. Each such
// record says the watermark of its stream at which it was written: it holds for
// what becomes final from there on, at every repetition and in every rebuild.

// Errors of feedback.
var (
	// ErrNoFeedback is returned where there is nothing to undo.
	ErrNoFeedback = errors.New("no feedback is in force")
	// ErrFeedbackLimit is returned where as much is in force as there may be.
	ErrFeedbackLimit = errors.New("too much feedback is in force")
)

const (
	// feedbackLimit bounds the feedback in force, and feedbackHistory what is
	// kept of one insight.
	feedbackLimit   = 10_000
	feedbackHistory = 20
)

// The actions of a feedback record.
const (
	actionGive = "give"
	actionUndo = "undo"
)

// feedbackData is the Data of a control record of the kind feedback. For an
// undoing, only what is undone, by whom and when is in Feedback.
type feedbackData struct {
	Action   string           `json:"action"`
	Feedback insight.Feedback `json:"feedback"`
	Object   string           `json:"object,omitempty"`
	Score    float64          `json:"score,omitempty"`
	Agreeing int              `json:"agreeing,omitempty"`
	// Silences is nil where nothing is silenced.
	Silences *silencing `json:"silences,omitempty"`
}

// feedback is the record's feedback with all that is known of it.
func (d *feedbackData) feedback(c *event.Control) insight.Feedback {
	f := d.Feedback
	f.Seq, f.Stream, f.From, f.Object, f.Score, f.Agreeing = c.Seq, c.Stream, c.Time, d.Object, d.Score, d.Agreeing
	return f
}

// rebaselineData is the Data of a control record of the kind rebaseline.
type rebaselineData struct {
	Identity string    `json:"identity"`
	Note     string    `json:"note,omitempty"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	// Silences is nil in records of earlier versions.
	Silences *silencing `json:"silences,omitempty"`
}

// said reports whether a record is something that users said.
func said(kind string) bool {
	return kind == event.ControlFeedback || kind == event.ControlRebaseline || kind == event.ControlException
}

// book is what users said of insights, for those who ask. It is made from the
// log's records.
type book struct {
	mtx sync.RWMutex
	// byInsight lists what was said of an insight, the oldest first. byID says of
	// which insight each was.
	byInsight map[string][]insight.Feedback
	byID      map[string]string
	inForce   int
}

func newBook() *book {
	return &book{byInsight: map[string][]insight.Feedback{}, byID: map[string]string{}}
}

// take takes over what a record says. The same record again changes nothing.
func (b *book) take(d *feedbackData, f insight.Feedback) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	list := b.byInsight[f.Insight]
	at := slices.IndexFunc(list, func(o insight.Feedback) bool { return o.ID == f.ID })
	switch {
	case d.Action == actionGive && at < 0:
		for n := range list {
			if list[n].State == insight.FeedbackInForce {
				list[n].State = insight.FeedbackReplaced
				b.inForce--
			}
		}
		f.State = insight.FeedbackInForce
		b.inForce++
		list = append(list, f)
		b.byID[f.ID] = f.Insight
		if len(list) > feedbackHistory {
			delete(b.byID, list[0].ID)
			list = slices.Clone(list[1:])
		}
		b.byInsight[f.Insight] = list
	case d.Action == actionUndo && at >= 0 && list[at].State == insight.FeedbackInForce:
		list[at].State = insight.FeedbackUndone
		list[at].UndoneBy, list[at].UndoneAt = f.UndoneBy, f.UndoneAt
		b.inForce--
	}
}

// of lists what was said of an insight, the newest first.
func (b *book) of(id string) []insight.Feedback {
	b.mtx.RLock()
	defer b.mtx.RUnlock()
	out := slices.Clone(b.byInsight[id])
	slices.Reverse(out)
	return out
}

// current is what is in force of an insight.
func (b *book) current(id string) (insight.Feedback, bool) {
	for _, f := range b.of(id) {
		if f.State == insight.FeedbackInForce {
			return f, true
		}
	}
	return insight.Feedback{}, false
}

func (b *book) full() bool {
	b.mtx.RLock()
	defer b.mtx.RUnlock()
	return b.inForce >= feedbackLimit
}

// recallFeedback takes a record of before the start into the book.
func (e *Engine) recallFeedback(c *event.Control) {
	var d feedbackData
	if err := json.Unmarshal(c.Data, &d); err == nil && d.Feedback.ID != "" {
		e.book.take(&d, d.feedback(c))
		e.confess(d.Silences)
	}
}

// GiveFeedback records what somebody says of an insight; it takes the place of
// what was said of it before. f is what Review made of the insight, with By. The
// same again by the same person changes nothing. It is durable when this returns,
// and holds for what becomes final, or arrives, from then on.
func (e *Engine) GiveFeedback(ctx context.Context, f insight.Feedback) (insight.Feedback, error) {
	// Nobody's watermark may come between the record and its taking effect.
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	old, there := e.book.current(f.Insight)
	if old = e.counted(old); there && old.State == insight.FeedbackInForce && old.Verdict == f.Verdict && old.Note == f.Note && old.By == f.By {
		return old, nil
	}
	if !there && e.book.full() {
		return f, fmt.Errorf("%w: %d, which is the limit; undo some that no longer matter", ErrFeedbackLimit, feedbackLimit)
	}
	now := e.o.Now().UTC()
	h := xxhash.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\x00%d", f.Insight, f.Verdict, f.By, now.UnixNano(), len(e.book.of(f.Insight)))
	f.ID, f.At, f.State = hex.EncodeToString(h.Sum(nil)), now.Truncate(time.Second), ""
	d := feedbackData{Action: actionGive, Feedback: f, Object: f.Object, Score: f.Score, Agreeing: f.Agreeing, Silences: e.silencesFeedback(&f)}
	return e.note(ctx, f.Stream, &d)
}

// UndoFeedback takes back what is in force of an insight.
func (e *Engine) UndoFeedback(ctx context.Context, id, by string) (insight.Feedback, error) {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	f, there := e.book.current(id)
	if !there {
		return f, fmt.Errorf("%w of insight %q", ErrNoFeedback, id)
	}
	now := e.o.Now().UTC().Truncate(time.Second)
	d := feedbackData{Action: actionUndo, Object: f.Object, Feedback: insight.Feedback{
		ID: f.ID, Insight: f.Insight, InsightType: f.InsightType, Verdict: f.Verdict, UndoneBy: by, UndoneAt: &now,
	}}
	return e.note(ctx, f.Stream, &d)
}

// note writes a feedback record and takes it into the book. The caller holds controlMtx.
func (e *Engine) note(ctx context.Context, key event.StreamKey, d *feedbackData) (insight.Feedback, error) {
	c, err := e.say(ctx, event.ControlFeedback, key, d)
	if err != nil {
		return insight.Feedback{}, fmt.Errorf("recording feedback on insight %s: %w", d.Feedback.Insight, err)
	}
	e.book.take(d, d.feedback(&c))
	e.confess(d.Silences)
	e.o.Logger.Info("Feedback was recorded", "action", d.Action, "by", cmp.Or(d.Feedback.By, d.Feedback.UndoneBy), "verdict", d.Feedback.Verdict, "insight", d.Feedback.Insight, "feedback", d.Feedback.ID)
	for _, f := range e.book.of(d.Feedback.Insight) {
		if f.ID == d.Feedback.ID {
			return e.counted(f), nil
		}
	}
	return d.feedback(&c), nil
}

// say writes what a user said of something in a stream into the log, and has the
// stream hear it before its next watermark, also one that is to begin. The caller holds
// controlMtx.
func (e *Engine) say(ctx context.Context, kind string, key event.StreamKey, data any) (event.Control, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return event.Control{}, err
	}
	c := event.Control{Kind: kind, Stream: key, Data: b}
	e.mtx.RLock()
	s := e.streams[key]
	e.mtx.RUnlock()
	if s != nil {
		s.mtx.Lock()
		c.Time = s.position.target
		s.mtx.Unlock()
	}
	if c.Seq, err = e.o.Log.AppendControl(ctx, c); err != nil {
		return c, err
	}
	e.mtx.Lock()
	defer e.mtx.Unlock()
	e.unheard[key] = append(e.unheard[key], c)
	return c, nil
}

// tell has a stream hear what was said of it and waits. No record of the stream
// is due.
func (e *Engine) tell(s *stream) {
	e.mtx.Lock()
	list := e.unheard[s.key]
	delete(e.unheard, s.key)
	e.mtx.Unlock()
	for i := range list {
		s.hear(&list[i])
	}
}

// Feedback lists what was said of an insight, the newest first.
func (e *Engine) Feedback(id string) []insight.Feedback {
	list := e.book.of(id)
	for n := range list {
		list[n] = e.counted(list[n])
	}
	return list
}

// FeedbackByID returns one feedback.
func (e *Engine) FeedbackByID(id string) (insight.Feedback, bool) {
	e.book.mtx.RLock()
	of := e.book.byID[id]
	e.book.mtx.RUnlock()
	for _, f := range e.book.of(of) {
		if f.ID == id {
			return e.counted(f), true
		}
	}
	return insight.Feedback{}, false
}

// counted is feedback with what it has swallowed.
func (e *Engine) counted(f insight.Feedback) insight.Feedback {
	e.mtx.RLock()
	s := e.streams[f.Stream]
	e.mtx.RUnlock()
	if s == nil || f.Envelope == nil {
		return f
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	v := s.reviews.byID(f.ID)
	if v == nil {
		if f.State == insight.FeedbackInForce && f.Seq <= s.reviews.heard {
			f.State = insight.FeedbackLapsed
		}
		return f
	}
	bounds := v.Clone()
	f.Envelope, f.Swallowed = &bounds, v.Swallowed
	if at := v.Last; !at.IsZero() {
		f.LastSwallowed = &at
	}
	return f
}
