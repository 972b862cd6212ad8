package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/insightd/insightd/daemon/insight"
)

const (
	// maxSaid bounds the body of what a user says, in bytes, and maxNote its note,
	// in characters.
	maxSaid = 64 << 10
	maxNote = 4000
	// maxHidden is how many of the insights are listed that a feedback would have
	// hidden.
	maxHidden = 1000
)

// listed makes of no list an empty one, so that it is [] in JSON.
func listed[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// feedbackBody is what a user says of an insight.
type feedbackBody struct {
	Verdict insight.Judgement `json:"verdict"`
	Note    string            `json:"note"`
}

// feedbackView is a feedback with what it would have hidden, where that is asked
// for.
type feedbackView struct {
	Feedback insight.Feedback `json:"feedback"`
	DryRun   bool             `json:"dryRun"`
	Hidden   *hiddenList      `json:"hidden,omitempty"`
}

// hiddenList are insights that a feedback would have hidden: the newest of Count.
type hiddenList struct {
	Count    int      `json:"count"`
	Insights []hidden `json:"insights"`
}

type hidden struct {
	ID          string           `json:"id"`
	InsightType string           `json:"insightType"`
	State       insight.State    `json:"state"`
	StartTime   time.Time        `json:"startTime"`
	Confidence  float64          `json:"confidence"`
	Severity    insight.Severity `json:"severity"`
	Summary     string           `json:"summary"`
	// Suppressed is why it was not notified as it is; empty where it was.
	Suppressed string `json:"suppressed"`
}

func (a *API) listFeedback(q *request) (any, error) {
	id := q.PathValue("id")
	list := a.o.Reviews.Feedback(id)
	if len(list) == 0 {
		if _, err := a.insight(q); err != nil {
			return nil, err
		}
	}
	return struct {
		Feedback []insight.Feedback `json:"feedback"`
	}{listed(list)}, nil
}

func (a *API) giveFeedback(q *request) (any, error) {
	var said feedbackBody
	dry := q.flag("dry_run")
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := q.said(&said, true); err != nil {
		return nil, err
	}
	if said.Verdict != insight.Up && said.Verdict != insight.Down {
		return nil, badData(`"verdict" is %q: it is "up" (this was right to tell) or "down" (this is normal)`, said.Verdict)
	}
	if err := checkNote(said.Note); err != nil {
		return nil, err
	}
	id, by := q.PathValue("id"), askedBy(q.Request)
	if dry {
		f, newest, count, err := a.o.Reviews.Review(id, said.Verdict, said.Note, by)
		if err != nil {
			return nil, err
		}
		h := newHidden(newest[:min(len(newest), maxHidden)], count)
		return feedbackView{Feedback: f, DryRun: true, Hidden: &h}, nil
	}
	if err := a.settled(); err != nil {
		return nil, err
	}
	f, err := a.o.Reviews.GiveFeedback(q.ctx, id, said.Verdict, said.Note, by)
	if err != nil {
		return nil, err
	}
	return feedbackView{Feedback: f}, nil
}

func (a *API) undoFeedback(q *request) (any, error) {
	if err := a.settled(); err != nil {
		return nil, err
	}
	f, err := a.o.Reviews.UndoFeedback(q.ctx, q.PathValue("id"), askedBy(q.Request))
	if err != nil {
		return nil, err
	}
	return feedbackView{Feedback: f}, nil
}

func (a *API) rebaseline(q *request) (any, error) {
	var said struct {
		Note string `json:"note"`
	}
	if err := q.said(&said, false); err != nil {
		return nil, err
	}
	if err := checkNote(said.Note); err != nil {
		return nil, err
	}
	if err := a.settled(); err != nil {
		return nil, err
	}
	r, err := a.o.Reviews.Rebaseline(q.ctx, q.PathValue("id"), said.Note, askedBy(q.Request))
	if err != nil {
		return nil, err
	}
	return struct {
		Rebaseline insight.Rebaseline `json:"rebaseline"`
	}{r}, nil
}

// settled is an error while the daemon does not know yet where its streams stand.
func (a *API) settled() error {
	if ok, reason := a.o.Lifecycle.Ready(); !ok {
		return unavailable("the daemon is not ready (%s); try again", reason)
	}
	return nil
}

func checkNote(note string) error {
	if n := utf8.RuneCountInString(note); n > maxNote {
		return badData(`"note" has %d characters, which is more than %d`, n, maxNote)
	}
	return nil
}

// said reads the JSON object of a body. Without one, and where it may be missing,
// nothing was said.
func (q *request) said(into any, needed bool) error {
	p, err := io.ReadAll(io.LimitReader(q.Body, maxSaid+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the body: %w", err)
	case len(p) > maxSaid:
		return &failure{ErrorBadData, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxSaid), nil}
	}
	typ := q.Header.Get("Content-Type")
	media, _, merr := mime.ParseMediaType(typ)
	switch {
	case len(p) == 0 && typ == "" && !needed:
		return nil
	case merr != nil || media != "application/json":
		return &failure{ErrorBadData, http.StatusUnsupportedMediaType, fmt.Sprintf("the content type is %q: send a JSON object with the content type application/json", typ), nil}
	case len(p) == 0 && !needed:
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(p)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badData("the body is no JSON object of the form that is expected: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badData("the body goes on behind its JSON object")
	}
	return nil
}
