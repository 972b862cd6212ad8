package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/insightd/insightd/daemon/insight"
)

// ErrorType is what kind of error a client gets, in Prometheus' words.
type ErrorType string

// The error types.
const (
	ErrorBadData     ErrorType = "bad_data"
	ErrorExecution   ErrorType = "execution"
	ErrorCanceled    ErrorType = "canceled"
	ErrorTimeout     ErrorType = "timeout"
	ErrorInternal    ErrorType = "internal"
	ErrorUnavailable ErrorType = "unavailable"
	ErrorNotFound    ErrorType = "not_found"
	// ErrorForbidden is ours: Prometheus answers such requests in plain text.
	ErrorForbidden ErrorType = "forbidden"
	// ErrorUnauthorized is ours too: a token is missing, or not known.
	ErrorUnauthorized ErrorType = "unauthorized"
)

// statusCanceled is nginx's code for a client that went away.
const statusCanceled = 499

var errorCodes = map[ErrorType]int{
	ErrorBadData:     http.StatusBadRequest,
	ErrorExecution:   http.StatusUnprocessableEntity,
	ErrorCanceled:    statusCanceled,
	ErrorTimeout:     http.StatusServiceUnavailable,
	ErrorInternal:    http.StatusInternalServerError,
	ErrorUnavailable: http.StatusServiceUnavailable,
	ErrorNotFound:    http.StatusNotFound,
	ErrorForbidden:   http.StatusForbidden,

	ErrorUnauthorized: http.StatusUnauthorized,
}

// Errors that implementations of the interfaces may wrap, where Options.Classify
// is not at hand.
var (
	// ErrBadData marks what the client has to ask, or to send, in another way.
	ErrBadData = errors.New("bad data")
	// ErrNotFound marks that there is nothing of the id that was asked for.
	ErrNotFound = errors.New("not found")
	// ErrConflict marks what cannot be done to a thing as it is now.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable marks what works again later.
	ErrUnavailable = errors.New("unavailable")
)

// failure is an error with everything that a client gets of it.
type failure struct {
	typ  ErrorType
	code int
	text string
	// data may come with an error too: what was done of what was asked.
	data any
}

func (f *failure) Error() string { return f.text }

func badData(format string, args ...any) *failure {
	return &failure{ErrorBadData, http.StatusBadRequest, fmt.Sprintf(format, args...), nil}
}

func notFound(format string, args ...any) *failure {
	return &failure{ErrorNotFound, http.StatusNotFound, fmt.Sprintf(format, args...), nil}
}

func unavailable(format string, args ...any) *failure {
	return &failure{ErrorUnavailable, http.StatusServiceUnavailable, fmt.Sprintf(format, args...), nil}
}

// classify makes of any error what a client gets of it.
func (a *API) classify(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	typ := a.o.Classify(err)
	var tooLarge *http.MaxBytesError
	switch {
	case typ != "":
	case errors.As(err, &tooLarge):
		return &failure{ErrorBadData, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit), nil}
	case errors.Is(err, insight.ErrQuery), errors.Is(err, ErrBadData):
		typ = ErrorBadData
	case errors.Is(err, ErrNotFound):
		typ = ErrorNotFound
	case errors.Is(err, ErrConflict):
		return &failure{ErrorBadData, http.StatusConflict, err.Error(), nil}
	case errors.Is(err, ErrUnavailable):
		typ = ErrorUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{ErrorTimeout, http.StatusServiceUnavailable, fmt.Sprintf("the answer took longer than %s (web.limits.query_timeout); ask for less", a.o.Limits.Timeout), nil}
	case errors.Is(err, context.Canceled):
		typ = ErrorCanceled
	default:
		typ = ErrorInternal
	}
	code, ok := errorCodes[typ]
	if !ok {
		typ, code = ErrorInternal, http.StatusInternalServerError
	}
	return &failure{typ, code, err.Error(), nil}
}

// retryAfter is after how many seconds a client should try again.
const retryAfter = "5"

// envelope is the form of every answer.
type envelope struct {
	Status    string    `json:"status"`
	Data      any       `json:"data,omitempty"`
	ErrorType ErrorType `json:"errorType,omitempty"`
	Error     string    `json:"error,omitempty"`
	Warnings  []string  `json:"warnings,omitempty"`
}

// succeed answers with data.
func (a *API) succeed(w http.ResponseWriter, r *http.Request, data any, warnings []string) {
	a.write(w, r, http.StatusOK, envelope{Status: "success", Data: data, Warnings: warnings})
}

// fail answers with an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := a.classify(err)
	if f.typ == ErrorInternal {
		a.o.Logger.Error("Answering a request", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if f.code == http.StatusServiceUnavailable && f.typ == ErrorUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	a.write(w, r, f.code, envelope{Status: "error", Data: f.data, ErrorType: f.typ, Error: f.text})
}

func (a *API) write(w http.ResponseWriter, r *http.Request, code int, e envelope) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		a.o.Logger.Error("Writing an answer as JSON", "method", r.Method, "path", r.URL.Path, "err", err)
		code = http.StatusInternalServerError
		b.Reset()
		_ = enc.Encode(envelope{Status: "error", ErrorType: ErrorInternal, Error: "the answer could not be written as JSON: " + err.Error()})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here is the client's: it went away.
	_, _ = w.Write(b.Bytes())
}
