package engine

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// Exceptions are part of the event log as feedback is. One record is about all
// streams, and says the watermark of each at which it was written; a stream that
// begins later knows it from its start.

// Errors of exceptions.
var (
	// ErrNoException is returned where there is none of that id.
	ErrNoException = errors.New("no such exception")
	// ErrExceptionLimit is returned where as many are in force as there may be.
	ErrExceptionLimit = errors.New("too many exceptions are in force")
	// ErrConfigured is returned where what is to be deleted is of the configuration.
	ErrConfigured = errors.New("the exception is of the configuration")
)

// The actions of an exception record.
const (
	actionPut    = "put"
	actionDelete = "delete"
)

// exceptionData is the Data of a control record of the kind exception. For a
// deletion, only what is deleted, by whom and when is in Exception.
type exceptionData struct {
	Action    string            `json:"action"`
	Exception insight.Exception `json:"exception"`
	// At is the watermark of each stream when it was written.
	At map[string]time.Time `json:"at,omitempty"`
	// Silences is nil where nothing is silenced.
	Silences *silencing `json:"silences,omitempty"`
}

// exceptionBook is all exceptions, for those who ask and for streams that begin.
type exceptionBook struct {
	mtx  sync.RWMutex
	byID map[string]insight.Exception
	// records are those of the log, in order.
	records []event.Control
}

func newExceptionBook() *exceptionBook { return &exceptionBook{byID: map[string]insight.Exception{}} }

func (b *exceptionBook) take(d *exceptionData, c *event.Control) {
	b.mtx.Lock()
	defer b.mtx.Unlock()
	b.records = append(b.records, *c)
	x, known := b.byID[d.Exception.ID]
	switch {
	case d.Action == actionPut:
		x = d.Exception
		x.Seq = c.Seq
	case !known || x.DeletedAt != nil:
		return
	default:
		x.DeletedBy, x.DeletedAt = d.Exception.DeletedBy, d.Exception.DeletedAt
	}
	b.byID[x.ID] = x
}

// known is an exception that is listed at a time.
func (b *exceptionBook) known(id string, now time.Time) (insight.Exception, bool) {
	b.mtx.RLock()
	defer b.mtx.RUnlock()
	x, ok := b.byID[id]
	return x, ok && now.Sub(x.Over()) <= insight.ExceptionKept
}

// all are those that are listed at a time, the newest first.
func (b *exceptionBook) all(now time.Time) []insight.Exception {
	b.mtx.RLock()
	defer b.mtx.RUnlock()
	var out []insight.Exception
	for _, x := range b.byID {
		if now.Sub(x.Over()) <= insight.ExceptionKept {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, compareExceptions)
	return out
}

// forStream is a record of what was said as a stream hears it; ok is false where it
// is not about the stream.
func forStream(c event.Control, key event.StreamKey) (_ event.Control, ok bool) {
	if c.Kind != event.ControlException {
		return c, said(c.Kind) && c.Stream == key
	}
	var d struct {
		At map[string]time.Time `json:"at"`
	}
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return c, false
	}
	c.Stream, c.Time = key, d.At[key.String()]
	return c, true
}

// recallException takes a record of before the start into the book.
func (e *Engine) recallException(c *event.Control) {
	var d exceptionData
	if err := json.Unmarshal(c.Data, &d); err != nil || d.Exception.ID == "" {
		e.o.Logger.Warn("An exception in the event log cannot be read; it is left out", "seq", c.Seq, "err", err)
		return
	}
	e.exceptions.take(&d, c)
	e.confess(d.Silences)
}

// PutException puts an exception in force that was checked: its Kind, Owner, Reason,
// Ticket, Scope, times, By and Source are given, and its ID where it is the
// configuration's. It is durable when this returns, and holds for what becomes
// final, or arrives, from then on.
func (e *Engine) PutException(ctx context.Context, x insight.Exception) (insight.Exception, error) {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	return e.putException(ctx, x)
}

// putException is PutException. The caller holds controlMtx.
func (e *Engine) putException(ctx context.Context, x insight.Exception) (insight.Exception, error) {
	now := e.o.Now().UTC()
	inForce := 0
	for _, o := range e.exceptions.all(now) {
		if o.Over().After(now) && o.ID != x.ID {
			inForce++
		}
	}
	if inForce >= insight.MaxExceptions {
		return x, fmt.Errorf("%w: %d, which is the limit; delete some that no longer matter", ErrExceptionLimit, insight.MaxExceptions)
	}
	x.Created, x.Starts, x.Expires = now.Truncate(time.Second), x.Starts.UTC(), x.Expires.UTC()
	if x.ID == "" {
		h := xxhash.New()
		fmt.Fprintf(h, "%s\x00%d\x00%+v\x00%d", x.By, now.UnixNano(), x.Scope, e.o.Log.LastSeq())
		x.ID = hex.EncodeToString(h.Sum(nil))
	}
	d := exceptionData{Action: actionPut, Exception: x}
	if x.Expires.After(now) {
		d.Silences = e.silencesException(&x)
	}
	if err := e.noteException(ctx, &d); err != nil {
		return x, fmt.Errorf("recording an exception: %w", err)
	}
	e.o.Logger.Info("An exception was made", "by", x.By, "exception", x.ID, "kind", x.Kind, "owner", x.Owner, "reason", x.Reason, "expires", x.Expires, "scope", x.Scope)
	out, _ := e.Exception(x.ID)
	return out, nil
}

// DeleteException takes an exception back that is in force or will be.
func (e *Engine) DeleteException(ctx context.Context, id, by string) (insight.Exception, error) {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	x, ok := e.Exception(id)
	switch {
	case !ok || x.State == insight.ExceptionDeleted || x.State == insight.ExceptionExpired:
		return x, fmt.Errorf("%w in force as %q", ErrNoException, id)
	case x.Source == insight.ExceptionFromConfiguration:
		return x, fmt.Errorf("%w: remove %q from exceptions in its file and reload it", ErrConfigured, id)
	}
	return e.deleteException(ctx, &x, by)
}

// deleteException is DeleteException of one that there is. The caller holds controlMtx.
func (e *Engine) deleteException(ctx context.Context, x *insight.Exception, by string) (insight.Exception, error) {
	now := e.o.Now().UTC().Truncate(time.Second)
	d := exceptionData{Action: actionDelete, Exception: insight.Exception{ID: x.ID, Kind: x.Kind, DeletedBy: by, DeletedAt: &now}}
	if err := e.noteException(ctx, &d); err != nil {
		return *x, fmt.Errorf("recording that exception %s is deleted: %w", x.ID, err)
	}
	e.o.Logger.Info("An exception was deleted", "by", by, "exception", x.ID, "owner", x.Owner)
	out, _ := e.Exception(x.ID)
	return out, nil
}

// ConfigureExceptions puts the configuration's exceptions in force, and deletes
// those that it had before and has no more. What is as it was stays as it is.
func (e *Engine) ConfigureExceptions(ctx context.Context, list []insight.Exception) error {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	configured := map[string]bool{}
	for _, x := range list {
		configured[x.ID] = true
	}
	// Those that are gone make room for new ones.
	for _, x := range e.exceptions.all(e.o.Now()) {
		if x.Source != insight.ExceptionFromConfiguration || configured[x.ID] || x.DeletedAt != nil {
			continue
		}
		if _, err := e.deleteException(ctx, &x, insight.ExceptionFromConfiguration); err != nil {
			return err
		}
	}
	for _, x := range list {
		e.exceptions.mtx.RLock()
		old, ok := e.exceptions.byID[x.ID]
		e.exceptions.mtx.RUnlock()
		if ok && old.DeletedAt == nil && old.Source == x.Source && sameException(&old, &x) {
			continue
		}
		if _, err := e.putException(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// sameException reports whether two exceptions say the same.
func sameException(a, b *insight.Exception) bool {
	return a.Kind == b.Kind && a.Owner == b.Owner && a.Reason == b.Reason && a.Ticket == b.Ticket && a.Scope == b.Scope &&
		a.Starts.Equal(b.Starts) && a.Expires.Equal(b.Expires)
}

// noteException writes an exception record, has every stream hear it before its
// next watermark, and takes it into the book. The caller holds controlMtx.
func (e *Engine) noteException(ctx context.Context, d *exceptionData) error {
	d.At = map[string]time.Time{}
	for _, s := range e.list() {
		s.mtx.Lock()
		if t := s.position.target; !t.IsZero() {
			d.At[s.key.String()] = t
		}
		s.mtx.Unlock()
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	c := event.Control{Kind: event.ControlException, Data: b}
	if c.Seq, err = e.o.Log.AppendControl(ctx, c); err != nil {
		return err
	}
	e.mtx.Lock()
	e.exceptions.take(d, &c)
	for key := range maps.Keys(e.streams) {
		of := c
		of.Stream, of.Time = key, d.At[key.String()]
		e.unheard[key] = append(e.unheard[key], of)
	}
	e.mtx.Unlock()
	e.confess(d.Silences)
	return nil
}

// unheardOf are the exception records that a stream which begins now has to hear.
// The caller holds mtx.
func (e *Engine) unheardOf(key event.StreamKey) []event.Control {
	e.exceptions.mtx.RLock()
	defer e.exceptions.mtx.RUnlock()
	out := slices.Clone(e.exceptions.records)
	for i := range out {
		out[i].Stream, out[i].Time = key, time.Time{}
	}
	return out
}

// Exceptions lists those that are in force, will be, or were within 90 days, the
// newest first.
func (e *Engine) Exceptions() []insight.Exception {
	list := e.exceptions.all(e.o.Now())
	for i := range list {
		list[i] = e.swallowedBy(list[i])
	}
	return list
}

// Exception returns one of them.
func (e *Engine) Exception(id string) (insight.Exception, bool) {
	x, ok := e.exceptions.known(id, e.o.Now())
	if !ok {
		return x, false
	}
	return e.swallowedBy(x), true
}

// swallowedBy is an exception with its state and what it has swallowed in all
// streams.
func (e *Engine) swallowedBy(x insight.Exception) insight.Exception {
	x.State, x.Swallowed, x.LastSwallowed = x.StateAt(e.o.Now()), 0, nil
	for _, s := range e.list() {
		s.ask(func() {
			if o := s.exceptions.byID(x.ID); o != nil {
				x.Swallowed += o.Swallowed
				if at := o.LastSwallowed; at != nil && (x.LastSwallowed == nil || at.After(*x.LastSwallowed)) {
					x.LastSwallowed = at
				}
			}
		})
	}
	return x
}
