package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

const (
	loginPath = "/-/login"
	// maxLogin bounds the form, in bytes.
	maxLogin = 16 << 10
)

// Browsers cannot be told to send a token, so a person gives it once, in a form,
// and the browser gets a signed session for it.
const loginCSS = `:root{color-scheme:light dark;--bg:#fbfbfa;--fg:#1d2126;--soft:#565d66;--line:#d9dcdf;--card:#fff;--link:#0b57b0;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#15181c;--fg:#e6e8ea;--soft:#a7afb8;--line:#343a41;--card:#1d2126;--link:#8ab8f5;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;padding:12vh 1.25rem 2rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:28rem;margin:0 auto;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:6px}
h1{font-size:1.5rem;margin:0 0 1rem}
label{display:block;font-weight:600}
input{width:100%;font:inherit;margin:.25rem 0 1rem;padding:.5rem .75rem;border:1px solid var(--soft);border-radius:6px;background:var(--bg);color:var(--fg)}
button{font:inherit;font-weight:600;padding:.5rem 1.25rem;border:0;border-radius:6px;background:var(--link);color:var(--card);cursor:pointer}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
p{margin:1rem 0 0}.soft{color:var(--soft);font-size:.925rem}.bad{margin:0 0 1rem;color:var(--bad);font-weight:600}
code{font:.875rem ui-monospace,monospace}`

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in: insightd</title>
<link rel="icon" href="data:,">
<style>{{.CSS}}</style>
</head>
<body>
<main>
<h1>insightd</h1>
{{with .Wrong}}<p class="bad" role="alert">{{.}}</p>
{{end}}<form method="post" action="{{.Action}}">
<input type="hidden" name="next" value="{{.Next}}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false">
<button>Sign in</button>
</form>
<p class="soft">A token with the scope <code>read</code> of <code>web.tokens</code> in the configuration. The browser stays signed in for 12 hours, or until the daemon ends. Programs send the header <code>Authorization: Bearer TOKEN</code>.</p>
</main>
</body>
</html>
`))

var loginPolicy = func() string {
	sum := sha256.Sum256([]byte(loginCSS))
	return "default-src 'none'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// base is the path under which others reach the daemon, without a slash at the
// end.
func (a *API) base() string { return strings.TrimSuffix(a.external.Path, "/") }

// showLogin shows the form. next is where it leads to.
func (a *API) showLogin(w http.ResponseWriter, code int, next, wrong string) {
	var b bytes.Buffer
	err := loginPage.Execute(&b, struct {
		CSS                 template.CSS
		Action, Next, Wrong string
	}{template.CSS(loginCSS), a.base() + loginPath, next, wrong})
	if err != nil {
		a.o.Logger.Error("Making the form to sign in", "err", err)
		http.Error(w, "the form could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", loginPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // An error here is the client's: it went away.
}

// loginForm shows the form to who asks for it.
func (a *API) loginForm(w http.ResponseWriter, r *http.Request) {
	if tokens, _ := a.auth.inForce(); len(tokens) == 0 {
		http.Redirect(w, r, a.base()+"/", http.StatusSeeOther)
		return
	}
	a.showLogin(w, http.StatusOK, "/", "")
}

// login makes a session of a token.
func (a *API) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, badData("reading the form: %v", err))
		return
	}
	next := ours(r.PostForm.Get("next"))
	tokens, _ := a.auth.inForce()
	if len(tokens) > 0 {
		t := find(tokens, strings.TrimSpace(r.PostForm.Get("token")))
		if t == nil {
			a.showLogin(w, http.StatusUnauthorized, next, "This token is not known.")
			return
		}
		until := a.o.Now().Add(sessionTime).Unix()
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: fmt.Sprintf("%s/%d/%s", t.Name, until, a.auth.sign(t, until)),
			Path: a.base() + "/", HttpOnly: true, Secure: a.encrypted(r), SameSite: http.SameSiteStrictMode,
		})
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, a.base()+next, http.StatusSeeOther)
}

// ours returns a path on this server, the page where next is anything else.
func ours(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || u.Path == loginPath {
		return "/"
	}
	return next
}

// encrypted reports whether the browser speaks TLS, with us or with a proxy
// under the external URL: then it sends the session over nothing else.
func (a *API) encrypted(r *http.Request) bool {
	return r.TLS != nil || a.external.Scheme == "https" && strings.EqualFold(a.external.Host, r.Host)
}
