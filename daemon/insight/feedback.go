package insight

import (
	"errors"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Judgement is what somebody says of an insight.
type Judgement string

// The judgements.
const (
	// Up says that it was right to tell.
	Up Judgement = "up"
	// Down says that it is normal and not worth telling.
	Down Judgement = "down"
)

// The states of a feedback.
const (
	// FeedbackInForce is the newest of its insight.
	FeedbackInForce = "in force"
	// FeedbackReplaced gave place to a newer one.
	FeedbackReplaced = "replaced"
	// FeedbackUndone was taken back.
	FeedbackUndone = "undone"
	// FeedbackLapsed confirms nothing any more: its envelope was not used for
	// long, made room, or was of an identity that was learned anew.
	FeedbackLapsed = "lapsed"
)

// Feedback is what somebody said of an insight.
type Feedback struct {
	ID string `json:"id"`
	// Insight is the id of the insight, and InsightType its type.
	Insight     string    `json:"insight"`
	InsightType string    `json:"insightType"`
	Verdict     Judgement `json:"verdict"`
	Note        string    `json:"note"`
	// By is the token or the user that said it, At when by the clock, and From
	// the event time from which on it holds.
	By   string    `json:"by"`
	At   time.Time `json:"at,omitzero"`
	From time.Time `json:"from,omitzero"`
	// State is one of the states of a feedback, and empty where it was not given.
	State    string     `json:"state"`
	UndoneBy string     `json:"undoneBy,omitempty"`
	UndoneAt *time.Time `json:"undoneAt,omitempty"`
	// Envelope is what a thumbs-down confirms as normal.
	Envelope *Envelope `json:"envelope,omitempty"`
	// Swallowed is how many insights were within the envelope since, and
	// LastSwallowed when the last of them started.
	Swallowed     uint64     `json:"swallowed"`
	LastSwallowed *time.Time `json:"lastSwallowed,omitempty"`

	// Seq is the position of its record in the event log. Stream, Object, Score
	// and Agreeing are of the insight; see Insight.Agreeing.
	Seq      uint64          `json:"-"`
	Stream   event.StreamKey `json:"-"`
	Object   string          `json:"-"`
	Score    float64         `json:"-"`
	Agreeing int             `json:"-"`
}

// Rebaseline says that the role of an identity changed: what was known of it is
// forgotten, and learned anew.
type Rebaseline struct {
	Identity string `json:"identity"`
	Note     string `json:"note"`
	// By is the token or the user that said it, At when by the clock, and From
	// the event time from which on it holds.
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	From time.Time `json:"from"`
	// Until is up to when the identity raises nothing while it is learned.
	Until time.Time `json:"until"`
}

// Errors of feedback.
var (
	// ErrUnknown is returned where there is no such insight.
	ErrUnknown = errors.New("no such insight")
	// ErrTakenBack marks an insight that no longer holds, so that nothing can be
	// said of it.
	ErrTakenBack = errors.New("insight was taken back")
)

// Review returns what somebody says who judges an insight: all that follows from
// the insight. Who, when and from when on are left to the caller.
func (s *Store) Review(id string, verdict Judgement, note string) (Feedback, error) {
	in, ok := s.Get(id)
	if !ok {
		return Feedback{}, fmt.Errorf("%w as %q; it may be past its retention", ErrUnknown, id)
	}
	if in.State == StateWithdrawn {
		if newer := s.successor(&in); newer != "" {
			return Feedback{}, fmt.Errorf("%w: %s gave place to %s; judge that", ErrTakenBack, id, newer)
		}
		return Feedback{}, fmt.Errorf("%w: the final verdict on %s is that it was nothing; there is nothing to judge", ErrTakenBack, id)
	}
	f := Feedback{
		Insight: in.ID, InsightType: in.Type, Verdict: verdict, Note: note,
		Stream: in.Stream(), Object: in.Object, Score: in.Score, Agreeing: in.Agreeing(),
	}
	if verdict == Down {
		v := in.Envelope()
		f.Envelope = &v
	}
	return f, nil
}

// successor is the insight that stands in the place of one in the end.
func (s *Store) successor(in *Insight) string {
	id, seen := "", map[string]bool{in.ID: true}
	for next := in.SupersededBy; next != "" && !seen[next]; {
		id, seen[next] = next, true
		newer, ok := s.Get(next)
		if !ok {
			break
		}
		next = newer.SupersededBy
	}
	return id
}

// Hidden returns the insights that an envelope would have kept from being told:
// the newest, as many as limit says, and how many there are. Those that others
// kept from being told are among them.
func (s *Store) Hidden(f Feedback, limit int) (newest []Insight, count int) {
	if f.Envelope == nil {
		return nil, 0
	}
	of := Insight{Provider: f.Stream.Provider, Account: f.Stream.Account, Identity: f.Envelope.Identity}
	found := s.like(&of, func(i *Insight) bool {
		if !f.Envelope.About(i) {
			return false
		}
		_, beyond := f.Envelope.Beyond(i)
		return !beyond
	})
	return found[:min(limit, len(found))], len(found)
}

// like returns the insights of the same stream and identity that match and were
// not withdrawn, the newest start first.
func (s *Store) like(in *Insight, match func(*Insight) bool) []Insight {
	index, key := indexAccount, textKey(in.Provider, in.Account)
	if in.Identity != "" {
		index, key = indexIdentity, textKey(in.Identity)
	}
	o, _ := parseOrder("-start")
	es, err := gather(s.db.Txn(false), index, key, o, nil, 0, func(i *Insight) bool {
		return i.State != StateWithdrawn && i.Stream() == in.Stream() && i.Identity == in.Identity && match(i)
	})
	if err != nil {
		return nil // The index is there, and so is its key.
	}
	out := make([]Insight, len(es))
	for n, e := range es {
		out[n] = *e.cur
	}
	return out
}
