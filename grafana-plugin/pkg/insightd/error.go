package insightd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// The kinds of failure. An Error wraps one of them.
var (
	// ErrAway is that nobody answers, or that the answer broke off.
	ErrAway = errors.New("insightd does not answer")
	// ErrNotReady is that the daemon cannot answer yet, or not now.
	ErrNotReady = errors.New("insightd is not ready")
	// ErrUnauthorized is that a token or a password is missing or not known.
	ErrUnauthorized = errors.New("insightd does not know who asks")
	// ErrForbidden is that the token may not do this.
	ErrForbidden = errors.New("insightd refuses")
	// ErrNotInsightd is that something else answers.
	ErrNotInsightd = errors.New("what answers is not insightd")
	// ErrBadRequest is that the question is wrong.
	ErrBadRequest = errors.New("bad query")
	// ErrNotFound is that there is nothing of the id that was asked for.
	ErrNotFound = errors.New("not found")
	// ErrTooOld is that the daemon does not know what the plugin needs.
	ErrTooOld = errors.New("this insightd is too old for the plugin")
	// ErrTimeout is that the answer took too long.
	ErrTimeout = errors.New("the query took too long")
	// ErrTooLarge is that the answer is larger than what is read of one.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrInternal is that the daemon failed.
	ErrInternal = errors.New("insightd failed")
)

// Error is a failure: its kind, the daemon's own words, and what to do.
type Error struct {
	Kind error
	// Code is the HTTP status, 0 where there was no answer.
	Code int
	// Text is what the daemon, or the connection, said.
	Text string
	// Hint is what to do next. It may be empty.
	Hint string
}

// Error joins kind, text and hint.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.Error())
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

const (
	hintAway    = "start insightd, or correct the URL in the datasource's settings"
	hintToken   = "enter a token with the scope read in the datasource's settings"
	hintProduct = "the URL has to be insightd's own, such as http://127.0.0.1:9470"
	hintUpdate  = "update insightd"
	hintLess    = "ask for a shorter range or with a narrower filter"
	hintTimeout = hintLess + ", or raise the timeout in the datasource's settings"
)

// connection makes an Error of what the transport said. A question that was
// given up keeps the error of its context.
func (c *Client) connection(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return &Error{Kind: ErrTimeout, Hint: hintTimeout}
		}
		return fmt.Errorf("asking insightd: %w", cause)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if timedOut(err) {
		return &Error{Kind: ErrTimeout, Text: c.plain(err), Hint: hintTimeout}
	}
	return &Error{Kind: ErrAway, Text: c.plain(err), Hint: hintAway}
}

// timedOut reports whether an error, or one that it wraps, is of a timeout: those
// around it may not pass that on.
func timedOut(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if n, ok := err.(net.Error); ok && n.Timeout() { //nolint:errorlint // The chain is walked here.
			return true
		}
	}
	return false
}

// plain is the text of an error without the address that it was asked at, whose
// query would bury what is said; the daemon's address stands in its place.
func (c *Client) plain(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Sprintf("%s: %v", c.base.Redacted(), err)
}

// refusal makes an Error of an answer that is no success. env holds what the
// answer's envelope said; ours says whether it had one.
func (c *Client) refusal(code int, env *envelope, ours bool) error {
	e := &Error{Code: code, Text: env.Error}
	if !ours {
		e.Text = fmt.Sprintf("%s answered %d %s", c.base.Redacted(), code, http.StatusText(code))
	}
	switch {
	case code == http.StatusUnauthorized:
		e.Kind, e.Hint = ErrUnauthorized, hintToken
		if !ours {
			e.Hint = "enter user and password in the datasource's settings"
		}
	case code == http.StatusForbidden:
		e.Kind = ErrForbidden
		if !ours {
			e.Hint = "ask whoever keeps the proxy in between"
		}
	case !ours && (code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout):
		e.Kind, e.Hint = ErrAway, hintAway
	case !ours:
		e.Kind, e.Hint = ErrNotInsightd, hintProduct
	case code == http.StatusNotFound && strings.HasPrefix(env.Error, "there is nothing at"):
		e.Kind, e.Hint = ErrTooOld, hintUpdate
	case code == http.StatusNotFound:
		e.Kind = ErrNotFound
	case env.ErrorType == "timeout":
		e.Kind = ErrTimeout
	case code == http.StatusServiceUnavailable:
		e.Kind = ErrNotReady
	case code < http.StatusInternalServerError:
		e.Kind = ErrBadRequest
	default:
		e.Kind = ErrInternal
	}
	return e
}

// missing makes of the answer that there is no event or insight of such an id
// what it is where the id is an endpoint of newer daemons.
func missing(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrNotFound) {
		return &Error{Kind: ErrTooOld, Code: e.Code, Hint: hintUpdate}
	}
	return err
}
