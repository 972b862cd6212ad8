// Package api is what the daemon answers over HTTP: Prometheus' own endpoints
// over our series, and ours for insights, events and what is known of
// identities, all in Prometheus' envelope, with its error types and codes.
//
// What the endpoints answer from comes through the small interfaces in this
// package. openapi.yaml beside this file describes every route; a test holds it
// against the handlers.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/grafana/regexp"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/util/httputil"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// Insights are the insights that were found. The methods are safe for
// concurrent use, and what they return is only read.
type Insights interface {
	List(insight.Query) (insight.Page, error)
	// Values lists the values of a field, the most frequent first.
	Values(insight.ValuesQuery) ([]event.ValueCount, error)
	Get(id string) (insight.Insight, bool)
	// OfIdentity returns the newest insights of an identity and how many go on.
	OfIdentity(stream event.StreamKey, identity string, most int) (newest []insight.Insight, active int)
	Records(id string) []insight.Record
	// Active returns what goes on, in order of start.
	Active() []insight.Insight
	Incidents(insight.IncidentQuery) ([]insight.Incident, string, error)
	Incident(id string) (insight.Incident, []insight.Insight, bool)
	// OpenIncidents returns those with an insight that goes on and is not suppressed.
	OpenIncidents() []insight.Incident
	// LastChange is the number of the newest change.
	LastChange() uint64
	// Watch returns the changes to come, until ctx ends or the reader has fallen
	// behind, and those since the change of number after.
	Watch(ctx context.Context, after uint64) (changes <-chan insight.Change, past []insight.Change, complete bool)
}

// Reviews are what users say of insights and identities. What they say is durable
// when a method returns. The methods are safe for concurrent use. Their errors
// wrap ErrNotFound where there is nothing of that id, and ErrConflict where there
// is something else in its place.
type Reviews interface {
	// Feedback lists what was said of an insight, the newest first, also of one
	// that is past its retention. FeedbackByID returns one.
	Feedback(id string) []insight.Feedback
	FeedbackByID(id string) (insight.Feedback, bool)
	// Review returns what giving feedback would record, and the insights that it
	// would have hidden: the newest of so many.
	Review(id string, verdict insight.Judgement, note, by string) (f insight.Feedback, hidden []insight.Insight, count int, err error)
	// GiveFeedback records it in the place of what was said of the insight.
	GiveFeedback(ctx context.Context, id string, verdict insight.Judgement, note, by string) (insight.Feedback, error)
	// UndoFeedback takes back what is in force of an insight.
	UndoFeedback(ctx context.Context, id, by string) (insight.Feedback, error)
	// Rebaseline has an identity learned anew.
	Rebaseline(ctx context.Context, id, note, by string) (insight.Rebaseline, error)
}

// Events are the stored events. The methods are safe for concurrent use and
// stop when their context ends. Events that they return are the caller's.
type Events interface {
	Events(context.Context, event.Query) (event.Page, error)
	Volume(context.Context, event.VolumeQuery) (event.Volume, error)
	Values(context.Context, event.ValuesQuery) ([]event.ValueCount, error)
	Get(ctx context.Context, uid string) (event.Event, bool, error)
}

// Knowledge is what the engine knows beside insights. The methods are safe for
// concurrent use.
type Knowledge interface {
	Coverage(context.Context) (insight.Coverage, error)
	// Identities lists what is known of identities; next is empty at the end.
	Identities(context.Context, IdentityQuery) (profiles []insight.Profile, next string, err error)
	Identity(ctx context.Context, id string) (insight.Profile, bool, error)
	// IdentityClass is the class of an identity by now, empty where it has none.
	IdentityClass(stream event.StreamKey, identity string) string
	// Rules lists the rules in force, and those with errors, in order of file and
	// id.
	Rules(context.Context) []insight.RuleStatus
	// Bands says what was expected of every series that the selector matches.
	Bands(ctx context.Context, selector string, from, to time.Time, step time.Duration) ([]insight.Band, error)
}

// IdentityQuery asks for what is known of identities. A field at its zero value
// asks for nothing; of lists, one has to fit.
type IdentityQuery struct {
	Provider, Account, Kind []string
	// Class is the class that they are of.
	Class string
	// Text is part of the identity's name, without regard to case.
	Text string
	// Sort is activity, last_seen or risk, the highest first where a minus stands
	// before it, and by stream and name where it is empty.
	Sort  string
	Limit int
	// Next is what the page before gave.
	Next string
}

// Pusher takes in events that clients send. It is safe for concurrent use.
type Pusher interface {
	// Push reads records from body, which is not compressed, until its end, and
	// returns once they are durable. source names the client. Errors of body
	// are returned wrapped, and an error that the body is to blame for wraps
	// ErrBadData. The result counts, with an error too.
	Push(ctx context.Context, source string, body io.Reader, o PushOptions) (PushResult, error)
}

// PushOptions say how a body is read.
type PushOptions struct {
	// Provider is whose records they are; empty detects it.
	Provider string
	// Account is the account of records that name none.
	Account string
	// MaxRecordBytes is how large one record may be.
	MaxRecordBytes int
}

// PushResult says what became of the records of a body.
type PushResult struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	// Refused counts events that are older than what is kept.
	Refused int `json:"refused"`
	// Omitted counts records that were left out, since another one tells of the
	// same call.
	Omitted  int         `json:"omitted,omitempty"`
	Rejected []Rejection `json:"rejected"`
	// Unlisted counts rejections beyond those that are listed.
	Unlisted int `json:"unlisted,omitempty"`
}

// Reject notes a record that was not taken in. Only the first are listed: a
// body may hold millions.
func (r *PushResult) Reject(index int, why string) {
	if len(r.Rejected) >= maxRejections {
		r.Unlisted++
		return
	}
	r.Rejected = append(r.Rejected, Rejection{Index: index, Error: why})
}

// Rejection says why a record was not taken in. Index counts the records of the
// body from 0.
type Rejection struct {
	Index int    `json:"index"`
	Error string `json:"error"`
}

// Lifecycle is what the management endpoints can do.
type Lifecycle struct {
	// Ready says whether the daemon has read what it needs, or what it still
	// waits for. Nil is always ready.
	Ready func() (ready bool, reason string)
	// Reload reads the configuration again. Nil offers no reload.
	Reload func() error
	// Quit begins the shutdown and returns at once. Nil offers none.
	Quit func()
}

// Limits bound what a request may cost. A zero stands for the default; errors
// name the bound.
type Limits struct {
	// BodyBytes bounds a pushed body as it comes: 64 MiB.
	BodyBytes int64
	// DecompressedBytes bounds it once it is decompressed: 512 MiB.
	DecompressedBytes int64
	// Ratio bounds how many times larger than as it comes a body may be when
	// decompressed, once it is above 8 MiB: 250.
	Ratio int
	// RecordBytes bounds a single record of a body: 2 MiB.
	RecordBytes int
	// BodyRate is how many bytes a second a client has to send at least, over
	// any BodyWindow that it is waited for: 2 KiB over 20 seconds.
	BodyRate   int64
	BodyWindow time.Duration
	// HeaderBytes and Headers bound the headers of a request: 64 KiB, 100.
	HeaderBytes, Headers int
	// Connections bounds the open connections, and half of it those of one
	// address: 1,000.
	Connections int
	// Page bounds the limit parameter: 10,000.
	Page int
	// Range bounds end minus start of a question for events: 400 days.
	Range time.Duration
	// Points bounds the points of a histogram or a band: 11,000.
	Points int
	// Searches bounds the questions for events that are answered at once: 16.
	// Others wait for at most SearchWait: 5 seconds.
	Searches   int
	SearchWait time.Duration
	// Pushes bounds the bodies that are read at once, and half of it those of
	// one address: 32. Others wait likewise.
	Pushes int
	// Watchers bounds the open streams of insights: 100.
	Watchers int
	// Timeout ends a question: 2 minutes.
	Timeout time.Duration
	// Heartbeat is how often a stream without news says that it lives: 15
	// seconds. StreamWrite is how long its client may take to read what it is
	// sent: 10 seconds.
	Heartbeat, StreamWrite time.Duration
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (l *Limits) validate() error {
	if l.BodyBytes < 0 || l.DecompressedBytes < 0 || l.BodyRate < 0 || l.BodyWindow < 0 || l.Ratio < 0 || l.RecordBytes < 0 ||
		l.HeaderBytes < 0 || l.Headers < 0 || l.Connections < 0 || l.Page < 0 || l.Range < 0 || l.Points < 0 ||
		l.Searches < 0 || l.SearchWait < 0 || l.Pushes < 0 || l.Watchers < 0 || l.Timeout < 0 || l.Heartbeat < 0 || l.StreamWrite < 0 {
		return errors.New("a limit is negative")
	}
	*l = Limits{
		BodyBytes:         or(l.BodyBytes, 64<<20),
		DecompressedBytes: or(l.DecompressedBytes, 512<<20),
		Ratio:             or(l.Ratio, 250),
		RecordBytes:       or(l.RecordBytes, 2<<20),
		BodyRate:          or(l.BodyRate, 2<<10),
		BodyWindow:        or(l.BodyWindow, 20*time.Second),
		HeaderBytes:       or(l.HeaderBytes, 64<<10),
		Headers:           or(l.Headers, 100),
		Connections:       or(l.Connections, 1000),
		Page:              or(l.Page, 10_000),
		Range:             or(l.Range, 400*24*time.Hour),
		Points:            or(l.Points, 11_000),
		Searches:          or(l.Searches, 16),
		SearchWait:        or(l.SearchWait, 5*time.Second),
		Pushes:            or(l.Pushes, 32),
		Watchers:          or(l.Watchers, 100),
		Timeout:           or(l.Timeout, 2*time.Minute),
		Heartbeat:         or(l.Heartbeat, 15*time.Second),
		StreamWrite:       or(l.StreamWrite, 10*time.Second),
	}
	return nil
}

// Options are what an API answers from.
type Options struct {
	Insights   Insights
	Events     Events
	Knowledge  Knowledge
	Reviews    Reviews
	Exceptions Exceptions
	Pusher     Pusher
	Prometheus PrometheusOptions

	Lifecycle Lifecycle
	// EnableLifecycle lets /-/reload and /-/quit act; otherwise they answer 403.
	EnableLifecycle bool
	// Locator says where addresses are; nil knows of none.
	Locator Locator
	// Status tells how the sources are, for status/sources: a list of anything
	// that JSON can hold. It may be nil.
	Status func() any
	// Page is the page at /. It may be nil.
	Page http.Handler

	// ExternalURL is put before the paths in links, without a slash at the end.
	// It may be empty.
	ExternalURL string
	// CORSOrigin matches the origins that browsers may ask from; nil is none.
	CORSOrigin *regexp.Regexp
	// Tokens are those that clients may send. Without any, everybody may do
	// everything.
	Tokens []Token
	// LocalNames has requests that come over loopback answered under names of this
	// machine and of ExternalURL alone, as long as there are no tokens.
	LocalNames bool
	Limits     Limits
	// Classify says what an error of the interfaces is to a client: ErrorBadData,
	// ErrorUnavailable, …; empty where it does not know. It may be nil.
	Classify func(error) ErrorType

	// Gatherer is what /metrics shows.
	Gatherer   prometheus.Gatherer
	Registerer prometheus.Registerer
	Logger     *slog.Logger
	Now        func() time.Time
}

func (o *Options) validate() error {
	switch {
	case o.Insights == nil:
		return errors.New("no insights are given")
	case o.Events == nil:
		return errors.New("no events are given")
	case o.Knowledge == nil:
		return errors.New("no knowledge is given")
	case o.Reviews == nil:
		return errors.New("nothing takes in feedback")
	case o.Exceptions == nil:
		return errors.New("nothing takes in exceptions")
	case o.Pusher == nil:
		return errors.New("nothing takes in events")
	}
	if o.Lifecycle.Ready == nil {
		o.Lifecycle.Ready = func() (bool, string) { return true, "" }
	}
	if o.Status == nil {
		o.Status = func() any { return []any{} }
	}
	if o.Classify == nil {
		o.Classify = func(error) ErrorType { return "" }
	}
	if o.CORSOrigin == nil {
		o.CORSOrigin = regexp.MustCompile(`^\b$`)
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.Gatherers{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ExternalURL = strings.TrimSuffix(o.ExternalURL, "/")
	return o.Limits.validate()
}

// external is ExternalURL, empty where there is none.
func (o *Options) external() (*url.URL, error) {
	u, err := url.Parse(o.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("the external URL: %w", err)
	}
	if o.ExternalURL != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("the external URL %q is no URL of a web server; give it as https://HOST, with :PORT and /PATH where others need them (--web.external-url)", o.ExternalURL)
	}
	return u, nil
}

// API answers requests. Close it before the server shuts down, or streams keep
// it waiting.
type API struct {
	o        Options
	external *url.URL // Empty where others need no other name.
	metrics  *metrics
	prom     *promHandler
	handler  http.Handler
	mux      *http.ServeMux
	guard    *http.CrossOriginProtection
	searches chan struct{}
	pushes   *places
	auth     *auth
	conns    *connections
	watchers chan struct{}

	once sync.Once
	done chan struct{}
}

// New returns an API. It does not listen.
func New(o Options) (*API, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	a := &API{
		o:        o,
		mux:      http.NewServeMux(),
		guard:    http.NewCrossOriginProtection(),
		searches: make(chan struct{}, o.Limits.Searches),
		pushes:   newPlaces(o.Limits.Pushes),
		auth:     newAuth(o.Tokens, o.Now),
		watchers: make(chan struct{}, o.Limits.Watchers),
		done:     make(chan struct{}),
	}
	var err error
	if a.external, err = o.external(); err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	if o.Prometheus.CORSOrigin == nil {
		o.Prometheus.CORSOrigin = o.CORSOrigin
	}
	o.Prometheus.Wait = o.Limits.SearchWait
	if a.prom, err = newPrometheus(o.Prometheus); err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	if a.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("setting up the API: registering metrics: %w", err)
	}
	a.conns = newConnections(o.Limits.Connections, a.metrics)
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024))
	if err != nil {
		return nil, fmt.Errorf("setting up the API: %w", err)
	}
	for _, r := range a.routes() {
		serve := r.serve
		if !r.stream {
			serve = compress(serve)
		}
		serve = a.guarded(r, serve)
		serve = a.metrics.instrument(r.path, r.stream, serve)
		for _, m := range r.methods {
			pattern := m + " " + r.path
			if strings.HasSuffix(r.path, "/") {
				pattern += "{$}"
			}
			a.mux.Handle(pattern, serve)
		}
	}
	a.mux.Handle("/", a.metrics.instrument("", false, http.HandlerFunc(a.unknown)))
	a.handler = http.HandlerFunc(a.serve)
	return a, nil
}

// Handler returns what serves all endpoints.
func (a *API) Handler() http.Handler { return a.handler }

// Close ends the streams and takes the metrics back. Other requests are
// answered to their end.
func (a *API) Close() {
	a.once.Do(func() {
		close(a.done)
		a.auth.close()
		a.metrics.unregister(a.o.Registerer)
	})
}

// route is an endpoint. Its path is the label of its metrics.
type route struct {
	methods []string
	path    string
	serve   http.Handler
	// stream marks what goes on for long: its time is not measured, and it is
	// not compressed.
	stream bool
}

var (
	get     = []string{http.MethodGet}
	post    = []string{http.MethodPost}
	remove  = []string{http.MethodDelete}
	getPost = []string{http.MethodGet, http.MethodPost}
	change  = []string{http.MethodPost, http.MethodPut}
)

// routes are all endpoints.
func (a *API) routes() []route {
	rs := []route{
		{getPost, "/api/v1/insights", a.query(a.listInsights), false},
		{get, "/api/v1/insights/live", http.HandlerFunc(a.live), true},
		{get, "/api/v1/insights/fields", a.query(a.insightFields), false},
		{getPost, "/api/v1/insights/field/{name}/values", a.query(a.insightValues), false},
		{get, "/api/v1/insights/{id}", a.query(a.getInsight), false},
		{get, "/api/v1/insights/{id}/events", a.query(a.insightEvents), false},
		{get, "/api/v1/insights/{id}/records", a.query(a.insightRecords), false},
		{get, "/api/v1/insights/{id}/feedback", a.query(a.listFeedback), false},
		{post, "/api/v1/insights/{id}/feedback", a.query(a.giveFeedback), false},
		{remove, "/api/v1/insights/{id}/feedback", a.query(a.undoFeedback), false},
		{getPost, "/api/v1/incidents", a.query(a.listIncidents), false},
		{get, "/api/v1/incidents/{id}", a.query(a.getIncident), false},
		{get, "/api/v1/events", a.query(a.searchEvents), false},
		{post, "/api/v1/events", http.HandlerFunc(a.push), false},
		{getPost, "/api/v1/events/volume", a.query(a.eventVolume), false},
		{getPost, "/api/v1/events/places", a.query(a.eventPlaces), false},
		{get, "/api/v1/events/fields", a.query(a.eventFields), false},
		{getPost, "/api/v1/events/field/{name}/values", a.query(a.eventValues), false},
		{get, "/api/v1/events/{uid}", a.query(a.getEvent), false},
		{getPost, "/api/v1/identities", a.query(a.listIdentities), false},
		{get, "/api/v1/identities/{id}", a.query(a.getIdentity), false},
		{post, "/api/v1/identities/{id}/rebaseline", a.query(a.rebaseline), false},
		{getPost, "/api/v1/bands", a.query(a.bands), false},
		{get, "/api/v1/coverage", a.query(a.coverage), false},
		{get, "/api/v1/rules", a.query(a.rules), false},
		{get, "/api/v1/alerts", a.query(a.alerts), false},
		{get, "/api/v1/status/sources", a.query(a.sources), false},
		{get, "/api/v1/openapi.yaml", http.HandlerFunc(a.openAPI), false},
		{get, "/-/healthy", http.HandlerFunc(a.healthy), false},
		{get, "/-/ready", http.HandlerFunc(a.ready), false},
		{get, loginPath, http.HandlerFunc(a.loginForm), false},
		{post, loginPath, http.HandlerFunc(a.login), false},
		{change, "/-/reload", a.lifecycle(a.o.Lifecycle.Reload != nil, a.reload), false},
		{change, "/-/quit", a.lifecycle(a.o.Lifecycle.Quit != nil, a.quit), false},
	}
	rs = append(rs, a.exceptionRoutes()...)
	rs = append(rs, a.insideRoutes()...)
	for _, p := range promRoutes {
		rs = append(rs, route{p.methods, promPrefix + p.path, a.prom, false})
	}
	if a.o.Page != nil {
		rs = append(rs, route{get, "/", a.o.Page, false})
	}
	return rs
}

// serve is what every request goes through.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// First of all: the server reads the body behind every answer.
	if r.Body != nil && r.Body != http.NoBody {
		// A copy: the server looks at the body of its own request to see whether
		// what was not read of it is worth reading.
		r = r.WithContext(r.Context())
		r.Body = newPatientBody(w, r, &a.o.Limits)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		httputil.SetCORS(w, a.o.CORSOrigin, r)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if err := a.misdirected(r); err != nil {
		a.fail(w, r, err)
		return
	}
	// A page that somebody happens to visit must not push events or stop the
	// daemon: browsers say from where they ask.
	if origin := r.Header.Get("Origin"); origin == "" || !a.o.CORSOrigin.MatchString(origin) {
		if err := a.guard.Check(r); err != nil {
			a.fail(w, r, &failure{ErrorForbidden, http.StatusForbidden, "this request of a browser comes from another origin, which is not allowed", nil})
			return
		}
	}
	if err := a.checkHeaders(r); err != nil {
		a.fail(w, r, err)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// checkHeaders holds the headers against their bounds. The server has bounds of
// its own, which are wider and do not say what they are.
func (a *API) checkHeaders(r *http.Request) error {
	l := &a.o.Limits
	size, n := len(r.Method)+len(r.RequestURI), 0
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
			n++
		}
	}
	wrong := ""
	switch {
	case size > l.HeaderBytes:
		wrong = fmt.Sprintf("request line and headers have %d bytes, which is more than %d (web.limits.max_header_size)", size, l.HeaderBytes)
	case n > l.Headers:
		wrong = fmt.Sprintf("the request has %d headers, which is more than %d (web.limits.max_headers)", n, l.Headers)
	default:
		return nil
	}
	return &failure{ErrorBadData, http.StatusRequestHeaderFieldsTooLarge, wrong + "; send the parameters of a question as a form by POST", nil}
}

// unknown answers what no endpoint does: that there is none, or that it takes
// other methods.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := a.mux.Handler(other); pattern != "/" && pattern != "" {
			allow = append(allow, m)
		}
	}
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		a.fail(w, r, &failure{ErrorBadData, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here, but %s is", r.Method, strings.Join(allow, " and ")), nil})
		return
	}
	a.fail(w, r, &failure{ErrorNotFound, http.StatusNotFound, fmt.Sprintf("there is nothing at %q; /api/v1/openapi.yaml lists what there is", r.URL.Path), nil})
}
