package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
)

// reviews takes what users say to the store of insights, which knows what they
// speak of, and to the engine, which records it and follows it.
type reviews struct{ d *Daemon }

// hiddenMost is how many insights are told of that a feedback would have hidden.
const hiddenMost = 1000

func (r reviews) Feedback(id string) []insight.Feedback { return r.d.engine.Feedback(id) }

func (r reviews) FeedbackByID(id string) (insight.Feedback, bool) {
	return r.d.engine.FeedbackByID(id)
}

// Review says what giving feedback would record and would have hidden.
func (r reviews) Review(id string, verdict insight.Judgement, note, by string) (insight.Feedback, []insight.Insight, int, error) {
	f, err := r.review(id, verdict, note, by)
	if err != nil {
		return f, nil, 0, err
	}
	newest, count := r.d.insights.Hidden(f, hiddenMost)
	return f, newest, count, nil
}

func (r reviews) review(id string, verdict insight.Judgement, note, by string) (insight.Feedback, error) {
	f, err := r.d.insights.Review(id, verdict, note)
	f.By = by
	return f, reviewError(err)
}

func (r reviews) GiveFeedback(ctx context.Context, id string, verdict insight.Judgement, note, by string) (insight.Feedback, error) {
	f, err := r.review(id, verdict, note, by)
	if err != nil {
		return f, err
	}
	f, err = r.d.engine.GiveFeedback(ctx, f)
	return f, reviewError(err)
}

func (r reviews) UndoFeedback(ctx context.Context, id, by string) (insight.Feedback, error) {
	f, err := r.d.engine.UndoFeedback(ctx, id, by)
	return f, reviewError(err)
}

func (r reviews) Rebaseline(ctx context.Context, id, note, by string) (insight.Rebaseline, error) {
	b, known, err := r.d.engine.Rebaseline(ctx, id, note, by)
	if err == nil && !known {
		err = fmt.Errorf("%w: there is no identity of id %q; /api/v1/identities lists them", api.ErrNotFound, id)
	}
	return b, err
}

// reviewError is an error in the API's words.
func reviewError(err error) error {
	switch {
	case errors.Is(err, insight.ErrUnknown), errors.Is(err, engine.ErrNoFeedback):
		return fmt.Errorf("%w: %w", api.ErrNotFound, err)
	case errors.Is(err, insight.ErrTakenBack), errors.Is(err, engine.ErrFeedbackLimit):
		return fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return err
}
