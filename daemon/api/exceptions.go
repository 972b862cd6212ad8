package api

import (
	"context"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Exceptions are of what readers need not be told for a time. What changes is
// durable when a method returns. The methods are safe for concurrent use. Their
// errors wrap ErrNotFound where there is none of that id, and ErrConflict where it
// cannot be changed so.
type Exceptions interface {
	// Exceptions lists those in force, those to come, and those that were within 90
	// days, the newest first. Exception returns one.
	Exceptions() []insight.Exception
	Exception(id string) (insight.Exception, bool)
	// Excepted returns the insights that one would have kept from being told: the
	// newest of so many.
	Excepted(x insight.Exception, limit int) (newest []insight.Insight, count int)
	PutException(ctx context.Context, x insight.Exception) (insight.Exception, error)
	DeleteException(ctx context.Context, id, by string) (insight.Exception, error)
}

// maxExcepted is how many of the insights are listed that an exception would have
// kept from being told.
const maxExcepted = 100

// exceptionBody is what a user says of an exception.
type exceptionBody struct {
	Kind    insight.ExceptionKind `json:"kind"`
	Owner   string                `json:"owner"`
	Reason  string                `json:"reason"`
	Ticket  string                `json:"ticket"`
	Starts  time.Time             `json:"starts"`
	Expires time.Time             `json:"expires"`
	Scope   insight.Scope         `json:"scope"`
}

// exceptionView is an exception, with what it would have kept from being told where
// that is asked for.
type exceptionView struct {
	Exception insight.Exception `json:"exception"`
	DryRun    bool              `json:"dryRun"`
	Hidden    *hiddenList       `json:"hidden,omitempty"`
}

func (a *API) listExceptions(q *request) (any, error) {
	states, kinds := q.texts("state"), q.texts("kind")
	for _, s := range states {
		if !slices.Contains(insight.ExceptionStates, s) {
			return nil, badData(`"state" is %q: it is active, scheduled, expired or deleted`, s)
		}
	}
	for _, k := range kinds {
		if !slices.Contains(insight.ExceptionKinds, insight.ExceptionKind(k)) {
			return nil, badData(`"kind" is %q: it is mute, allow or maintenance`, k)
		}
	}
	list := slices.DeleteFunc(a.o.Exceptions.Exceptions(), func(x insight.Exception) bool {
		return len(states) > 0 && !slices.Contains(states, x.State) || len(kinds) > 0 && !slices.Contains(kinds, string(x.Kind))
	})
	return struct {
		Exceptions []insight.Exception `json:"exceptions"`
	}{listed(list)}, nil
}

func (a *API) getException(q *request) (any, error) {
	id := q.PathValue("id")
	x, ok := a.o.Exceptions.Exception(id)
	if !ok {
		return nil, notFound("there is no exception %q; it may have ended more than 90 days ago", id)
	}
	return exceptionView{Exception: x}, nil
}

func (a *API) putException(q *request) (any, error) {
	var said exceptionBody
	dry := q.flag("dry_run")
	if q.wrong != nil {
		return nil, q.wrong
	}
	if err := q.said(&said, true); err != nil {
		return nil, err
	}
	x := insight.Exception{
		Kind: said.Kind, Owner: said.Owner, Reason: said.Reason, Ticket: said.Ticket, Starts: said.Starts.UTC(), Expires: said.Expires.UTC(),
		Scope: said.Scope, By: askedBy(q.Request), Source: insight.ExceptionFromAPI,
	}
	now := a.o.Now()
	if wrong := x.Check(now); wrong != nil {
		return nil, badData("%v", wrong)
	}
	if !x.Expires.After(now) {
		return nil, badData(`"expires" is %s, which is over; give a time in the future, at most 366 days ahead`, x.Expires.Format(time.RFC3339))
	}
	if dry {
		newest, count := a.o.Exceptions.Excepted(x, maxExcepted)
		h := newHidden(newest, count)
		x.State = x.StateAt(now)
		return exceptionView{Exception: x, DryRun: true, Hidden: &h}, nil
	}
	if err := a.settled(); err != nil {
		return nil, err
	}
	x, err := a.o.Exceptions.PutException(q.ctx, x)
	if err != nil {
		return nil, err
	}
	return exceptionView{Exception: x}, nil
}

func (a *API) deleteException(q *request) (any, error) {
	if err := a.settled(); err != nil {
		return nil, err
	}
	x, err := a.o.Exceptions.DeleteException(q.ctx, q.PathValue("id"), askedBy(q.Request))
	if err != nil {
		return nil, err
	}
	return exceptionView{Exception: x}, nil
}

// newHidden lists insights that something would have hidden: the newest of so many.
func newHidden(newest []insight.Insight, count int) hiddenList {
	h := hiddenList{Count: count, Insights: []hidden{}}
	for _, in := range newest {
		h.Insights = append(h.Insights, hidden{
			ID: in.ID, InsightType: in.Type, State: in.State, StartTime: in.Start.UTC().Truncate(time.Second),
			Confidence: in.Confidence, Severity: in.Severity, Summary: in.Summary, Suppressed: in.Suppressed,
		})
	}
	return h
}

// exceptionRoutes are the endpoints of exceptions.
func (a *API) exceptionRoutes() []route {
	const list, one = "/api/v1/exceptions", "/api/v1/exceptions/{id}"
	return []route{
		{get, list, a.query(a.listExceptions), false},
		{post, list, a.query(a.putException), false},
		{get, one, a.query(a.getException), false},
		{remove, one, a.query(a.deleteException), false},
	}
}
