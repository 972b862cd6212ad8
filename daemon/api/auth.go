package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Scope is what a token is for. A scope contains no other.
type Scope string

// The scopes.
const (
	// ScopeIngest pushes events.
	ScopeIngest Scope = "ingest"
	// ScopeRead sees everything that is shown, the daemon's own metrics and
	// configuration included.
	ScopeRead Scope = "read"
	// ScopeAdmin reloads, stops, profiles, and changes what is kept.
	ScopeAdmin Scope = "admin"
	// scopeOpen is what everybody may ask: whether the daemon lives.
	scopeOpen Scope = ""
)

// Token is one that clients may send.
type Token struct {
	// Name is under which logs and metrics know the client.
	Name   string
	Scopes []Scope
	// Hash is the SHA-256 of the token, which is not kept.
	Hash [sha256.Size]byte
}

// tokenHeader carries a token where Authorization is taken by a user of basic
// authentication, which is looked at before us.
const tokenHeader = "X-Insightd-Token"

const (
	sessionCookie = "insightd_session"
	// sessionTime is how long a browser stays signed in.
	sessionTime = 12 * time.Hour
)

// auth knows the tokens and the sessions made of them. Sessions are signed, not
// kept: they end with the process, with their token, and with their time.
type auth struct {
	key [sha256.Size]byte
	now func() time.Time

	mtx    sync.RWMutex
	tokens []Token
	// streams ends when the tokens change, and with it every open stream: its
	// client comes back and is asked again.
	streams context.Context
	end     context.CancelFunc
}

func newAuth(tokens []Token, now func() time.Time) *auth {
	a := &auth{now: now}
	_, _ = rand.Read(a.key[:]) // It never fails.
	a.streams, a.end = context.WithCancel(context.Background())
	a.tokens = slices.Clone(tokens)
	return a
}

// SetTokens puts other tokens in force. None lets everybody do everything.
func (a *API) SetTokens(tokens []Token) {
	a.auth.mtx.Lock()
	defer a.auth.mtx.Unlock()
	if reflect.DeepEqual(a.auth.tokens, tokens) || len(a.auth.tokens)+len(tokens) == 0 {
		return
	}
	a.auth.tokens = slices.Clone(tokens)
	a.auth.end()
	a.auth.streams, a.auth.end = context.WithCancel(context.Background())
}

// close ends the streams.
func (a *auth) close() {
	a.mtx.RLock()
	defer a.mtx.RUnlock()
	a.end()
}

// inForce returns the tokens, which are only read, and what ends streams.
func (a *auth) inForce() ([]Token, context.Context) {
	a.mtx.RLock()
	defer a.mtx.RUnlock()
	return a.tokens, a.streams
}

// find looks a token up by its hash. Every token is compared with, each in
// constant time, so that time tells nothing of any.
func find(tokens []Token, secret string) *Token {
	sum := sha256.Sum256([]byte(secret))
	var found *Token
	for i := range tokens {
		if subtle.ConstantTimeCompare(sum[:], tokens[i].Hash[:]) == 1 {
			found = &tokens[i]
		}
	}
	return found
}

// credential returns the token that the headers of a request hold. Basic users
// are not ours: exporter-toolkit has looked at them.
func credential(r *http.Request) (secret string, given bool) {
	if v := r.Header.Values(tokenHeader); len(v) > 0 {
		return v[0], true
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret), true
	}
	return "", false
}

// who returns the token that a request stands for. The error says why there is
// none.
func (a *auth) who(r *http.Request, tokens []Token) (*Token, error) {
	if secret, given := credential(r); given {
		if t := find(tokens, secret); t != nil {
			return t, nil
		}
		return nil, unauthorized("the token is not known; send one of those that web.tokens in the configuration lists")
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if t := a.session(c.Value, tokens); t != nil {
			return t, nil
		}
		return nil, unauthorized("the session has ended; sign in again at /-/login")
	}
	return nil, unauthorized("a token is needed; send it in the header Authorization: Bearer TOKEN, or sign in at /-/login")
}

func unauthorized(text string) *failure {
	return &failure{ErrorUnauthorized, http.StatusUnauthorized, text, nil}
}

// session returns the token of a signed session, nil where it holds no more.
func (a *auth) session(value string, tokens []Token) *Token {
	name, rest, _ := strings.Cut(value, "/")
	until, mac, ok := strings.Cut(rest, "/")
	n := slices.IndexFunc(tokens, func(t Token) bool { return t.Name == name })
	unix, err := strconv.ParseInt(until, 10, 64)
	if !ok || n < 0 || err != nil || !a.now().Before(time.Unix(unix, 0)) {
		return nil
	}
	if !hmac.Equal([]byte(mac), []byte(a.sign(&tokens[n], unix))) {
		return nil
	}
	return &tokens[n]
}

// sign makes the signature of a session. The token's hash is in it, so another
// token under the same name ends the session.
func (a *auth) sign(t *Token, until int64) string {
	m := hmac.New(sha256.New, a.key[:])
	fmt.Fprintf(m, "session %d %s %x", until, t.Name, t.Hash)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// scopeOf is what a route asks for. What changes something is for admin unless
// it is said otherwise, so that a route that is added is not open by accident.
func scopeOf(method, path string, methods []string) Scope {
	switch {
	case path == "/-/healthy", path == "/-/ready", path == loginPath:
		return scopeOpen
	case method == http.MethodPost && path == "/api/v1/events":
		return ScopeIngest
	case strings.HasPrefix(path, "/debug/"):
		return ScopeAdmin
	case slices.Contains(methods, http.MethodGet):
		return ScopeRead // Questions may be asked by POST too.
	}
	return ScopeAdmin
}

type tokenKey struct{}

// tokenName is the name of the token that a request came with, empty where it
// came without.
func tokenName(r *http.Request) string {
	name, _ := r.Context().Value(tokenKey{}).(string)
	return name
}

// guarded lets a request through to a route where its token may.
func (a *API) guarded(rt route, serve http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope := scopeOf(r.Method, rt.path, rt.methods)
		tokens, streams := a.auth.inForce()
		if len(tokens) == 0 || scope == scopeOpen {
			serve.ServeHTTP(w, r)
			return
		}
		t, err := a.auth.who(r, tokens)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		if !slices.Contains(t.Scopes, scope) {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="insightd", error="insufficient_scope", scope=%q`, scope))
			a.fail(w, r, &failure{ErrorForbidden, http.StatusForbidden, fmt.Sprintf("the token %q lacks the scope %q; give it that in web.tokens, or use another token", t.Name, scope), nil})
			return
		}
		ctx := context.WithValue(r.Context(), tokenKey{}, t.Name)
		if rt.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(streams, cancel)()
		}
		serve.ServeHTTP(w, r.WithContext(ctx))
	})
}

// refuse answers who has not said who he is: with the form where a person looks
// at it in a browser, and with the envelope otherwise.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	challenge := `Bearer realm="insightd"`
	if _, given := credential(r); given {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		a.showLogin(w, http.StatusUnauthorized, r.URL.RequestURI(), "")
		return
	}
	a.fail(w, r, err)
}
