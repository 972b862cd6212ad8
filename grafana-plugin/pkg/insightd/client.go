package insightd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	jsoniter "github.com/json-iterator/go"
)

const (
	// maxBody bounds an answer, in bytes.
	maxBody = 256 << 20
	// maxURL is how long the parameters of a question may be to be sent in the
	// address: what is longer goes as a form where the endpoint takes one.
	maxURL = 4 << 10
	// tokenHeader carries the token where Authorization is basic's.
	tokenHeader = "X-Insightd-Token"
	// ignored begins the daemon's warning of parameters that it does not know.
	ignored = "unknown parameters were ignored: "
)

// Options are how a daemon is asked.
type Options struct {
	// URL is the daemon's address, with the prefix that a proxy may put before
	// its paths.
	URL string
	// HTTP asks questions. Stream has no limit of time, and reads streams.
	HTTP, Stream *http.Client
	// Token may be empty. It goes in Authorization, or in a header of its own
	// where BasicAuth says that Authorization is taken.
	Token     string
	BasicAuth bool
	// MaxBody bounds an answer, in bytes; 0 is 256 MiB.
	MaxBody int64
}

// Client asks one daemon. It is safe for concurrent use.
type Client struct {
	o    Options
	base *url.URL
}

// New returns a client. It asks nothing yet.
func New(o Options) (*Client, error) {
	if strings.TrimSpace(o.URL) == "" {
		return nil, &Error{Kind: ErrBadRequest, Text: "the datasource has no URL", Hint: hintProduct}
	}
	base, err := url.Parse(strings.TrimRight(strings.TrimSpace(o.URL), "/"))
	if err != nil {
		return nil, fmt.Errorf("reading the URL of the datasource: %w; %s", err, hintProduct)
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, &Error{Kind: ErrBadRequest, Text: fmt.Sprintf("the URL %q has no scheme or no host", o.URL), Hint: hintProduct}
	}
	if o.MaxBody <= 0 {
		o.MaxBody = maxBody
	}
	c := &Client{o: o, base: base}
	for _, h := range []**http.Client{&c.o.HTTP, &c.o.Stream} {
		if *h == nil {
			*h = http.DefaultClient
		}
		own := **h
		own.CheckRedirect = c.redirect
		*h = &own
	}
	return c, nil
}

// redirect follows within the host alone: a token is not for others, and a
// daemon sends nobody elsewhere.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if r.URL.Host != c.base.Host || len(via) > 3 {
		return &Error{Kind: ErrNotInsightd, Text: fmt.Sprintf("%s sends us to %s", c.base.Redacted(), r.URL.Redacted()), Hint: hintProduct}
	}
	return nil
}

// URL is the daemon's address, without a password.
func (c *Client) URL() string { return c.base.Redacted() }

// CloseIdleConnections closes what is kept open.
func (c *Client) CloseIdleConnections() {
	c.o.HTTP.CloseIdleConnections()
	c.o.Stream.CloseIdleConnections()
}

// forms are the endpoints that take their parameters as a form, too.
var forms = []string{
	"/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/insights",
	"/api/v1/events/volume", "/api/v1/identities", "/api/v1/bands", "/api/v1/incidents",
}

// request makes a request to a path under the daemon's address.
func (c *Client) request(ctx context.Context, path string, v url.Values) (*http.Request, error) {
	u := *c.base
	u.RawPath = c.base.EscapedPath() + escaped(path)
	u.Path = c.base.Path + path
	q := v.Encode()
	method, body := http.MethodGet, io.Reader(nil)
	if len(q) > maxURL && (slices.Contains(forms, path) || strings.HasPrefix(path, "/api/v1/events/field/")) {
		method, body = http.MethodPost, strings.NewReader(q)
	} else {
		u.RawQuery = q
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("making a request to insightd: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "application/json")
	switch {
	case c.o.Token == "":
	case c.o.BasicAuth:
		r.Header.Set(tokenHeader, c.o.Token)
	default:
		r.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	return r, nil
}

// escaped escapes the segments of a path, slashes apart.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for n, p := range parts {
		parts[n] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// Answer is what came of a question, as it came.
type Answer struct {
	Code        int
	ContentType string
	Body        []byte
}

// Raw asks and returns the answer, whatever it says. An error is one of the
// connection.
func (c *Client) Raw(ctx context.Context, path string, v url.Values) (*Answer, error) {
	r, err := c.request(ctx, path, v)
	if err != nil {
		return nil, err
	}
	res, err := c.o.HTTP.Do(r)
	if err != nil {
		return nil, c.connection(ctx, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, c.o.MaxBody+1))
	if err != nil {
		return nil, c.connection(ctx, fmt.Errorf("the answer broke off: %w", err))
	}
	if int64(len(b)) > c.o.MaxBody {
		return nil, &Error{Kind: ErrTooLarge, Code: res.StatusCode, Text: fmt.Sprintf("it is more than %d MiB", c.o.MaxBody>>20), Hint: hintLess}
	}
	return &Answer{Code: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Body: b}, nil
}

// envelope is what stands around the data of an answer.
type envelope struct {
	Status    string
	ErrorType string
	Error     string
	Warnings  []string
	Infos     []string
}

// Notes are what the daemon says beside its answer.
type Notes struct {
	Warnings, Infos []string
}

// Add takes in other notes, each once.
func (n *Notes) Add(o Notes) {
	for _, w := range o.Warnings {
		if !slices.Contains(n.Warnings, w) {
			n.Warnings = append(n.Warnings, w)
		}
	}
	for _, i := range o.Infos {
		if !slices.Contains(n.Infos, i) {
			n.Infos = append(n.Infos, i)
		}
	}
}

// codec reads the daemon's JSON, whose names are written one way only.
var codec = jsoniter.Config{CaseSensitive: true}.Froze()

// get asks and decodes the data of the answer into a value.
func (c *Client) get(ctx context.Context, path string, v url.Values, into any) (Notes, error) {
	return c.decode(ctx, path, v, func(it *jsoniter.Iterator) { it.ReadVal(into) })
}

// decode asks and lets read decode the data of the answer.
func (c *Client) decode(ctx context.Context, path string, v url.Values, read func(*jsoniter.Iterator)) (Notes, error) {
	a, err := c.Raw(ctx, path, v)
	if err != nil {
		return Notes{}, err
	}
	env, err := parse(a.Body, read)
	ours := env.Status == "success" || env.Status == "error"
	if a.Code != http.StatusOK || env.Status == "error" {
		return Notes{}, c.refusal(a.Code, env, ours)
	}
	if !ours {
		return Notes{}, &Error{Kind: ErrNotInsightd, Code: a.Code, Text: fmt.Sprintf("%s answered with %q", c.base.Redacted(), a.ContentType), Hint: hintProduct}
	}
	if err != nil {
		return Notes{}, &Error{Kind: ErrNotInsightd, Code: a.Code, Text: fmt.Sprintf("reading the answer to %s: %v", path, err), Hint: hintProduct}
	}
	for _, w := range env.Warnings {
		// An answer to half of the question would be a wrong one.
		if names, ok := strings.CutPrefix(w, ignored); ok {
			return Notes{}, &Error{Kind: ErrTooOld, Code: a.Code, Text: fmt.Sprintf("%s does not know the parameters %s", path, names), Hint: hintUpdate}
		}
	}
	return Notes{Warnings: env.Warnings, Infos: env.Infos}, nil
}

// parse reads an envelope, and its data with read.
func parse(b []byte, read func(*jsoniter.Iterator)) (*envelope, error) {
	env := &envelope{}
	it := jsoniter.ParseBytes(codec, b)
	if it.WhatIsNext() != jsoniter.ObjectValue {
		return env, errors.New("it is not a JSON object")
	}
	for key := it.ReadObject(); key != ""; key = it.ReadObject() {
		switch key {
		case "status":
			env.Status = it.ReadString()
		case "errorType":
			env.ErrorType = it.ReadString()
		case "error":
			env.Error = it.ReadString()
		case "warnings":
			it.ReadVal(&env.Warnings)
		case "infos":
			it.ReadVal(&env.Infos)
		case "data":
			read(it)
		default:
			it.Skip()
		}
	}
	if it.Error != nil && it.Error != io.EOF {
		return env, it.Error
	}
	return env, nil
}

// skip is for answers whose data do not matter.
func skip(it *jsoniter.Iterator) { it.Skip() }
