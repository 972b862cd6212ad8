// Package web is the built-in page: what runs here, how the sources are, what
// was found, and what can be asked. It is one page without anything from
// elsewhere, and works without scripts.
package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Data is what the page shows.
type Data struct {
	Version string
	// Now is the time at which the data was true, and Started that of the
	// daemon's start.
	Now, Started time.Time
	Ready        bool
	// Waiting says what a daemon that is not ready waits for.
	Waiting string
	// Stopped says why nothing is taken in and what to do, such as that the disk
	// is full. It is empty where all goes on.
	Stopped string
	// Tally counts the insights that are kept.
	Tally   insight.Tally
	Storage []Store
	Sources []Source
	// Streams are what the engine says of each account.
	Streams []insight.StreamCoverage
	// Active are the incidents that go on, and Recent the last that are over;
	// both as they should be listed.
	Active, Recent []Incident
}

// Incident is a line of what was found.
type Incident struct {
	insight.Incident
	// Only is the insight, where there is one alone.
	Only *insight.Insight
	// Provisional says that an insight was told on arrival and waits for the final
	// pass.
	Provisional bool
}

// NewIncident returns an incident as the page shows it.
func NewIncident(in insight.Incident, members []insight.Insight) Incident {
	out := Incident{Incident: in}
	if len(members) == 1 {
		out.Only = &members[0]
	}
	for n := range members {
		out.Provisional = out.Provisional || members[n].Provisional
	}
	return out
}

// Store is one of the things that are kept.
type Store struct {
	Name string
	// Holds says what is in it, such as "1,200 events since 2026-03-09".
	Holds string
	Bytes int64
	// Retention is how long it is kept; 0 is for ever.
	Retention time.Duration
}

// Source is where events come from.
type Source struct {
	Name string
	Kind string
	// State is what it does: "reading", "at its end", ….
	State string
	// Healthy is false where Detail says what is wrong.
	Healthy bool
	Detail  string
	// Hint says what to do about it.
	Hint   string
	Events uint64
	// Frontier is up to which event time it was read; zero where that is not
	// known.
	Frontier time.Time
	// Lag is how far the reading is behind in event time: 0 at the end. LastEvent
	// is the newest event's time; zero where there is none.
	Lag       time.Duration
	LastEvent time.Time
	// Rate is events a second, of late.
	Rate float64
	// BacklogFiles and BacklogBytes are left to read, and Errors counts what
	// could not be read.
	BacklogFiles int
	BacklogBytes int64
	Errors       uint64
}

// NewSource returns a source as the page shows it.
func NewSource(c insight.SourceCoverage) Source {
	s := Source{
		Name: c.Name, Kind: c.Kind, State: c.State, Healthy: c.State != insight.SourceFailing && c.State != insight.SourceWaiting,
		Detail: c.LastError, Hint: c.Hint, Events: c.Events, Lag: time.Duration(c.LagSeconds * float64(time.Second)), Rate: c.Rate,
		BacklogFiles: c.BacklogFiles, BacklogBytes: c.BacklogBytes, Errors: c.Errors,
	}
	if strings.Contains(c.LastError, c.Hint) {
		s.Hint = "" // It is said already.
	}
	if c.Frontier != nil {
		s.Frontier = *c.Frontier
	}
	if c.LastEvent != nil {
		s.LastEvent = *c.LastEvent
	}
	return s
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// Page serves the page.
type Page struct {
	data   func(context.Context) Data
	logger *slog.Logger
	tmpl   *template.Template
	policy string
}

// New returns the page. data is asked at every view, by several goroutines at
// once, and answers fast; logger may be nil.
func New(data func(context.Context) Data, logger *slog.Logger) (*Page, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	tmpl, err := template.New("page").Funcs(functions).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("reading the page's template: %w", err)
	}
	return &Page{
		data: data, logger: logger, tmpl: tmpl,
		policy: "default-src 'none'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src " +
			source(pageCSS) + "; script-src " + source(pageJS),
	}, nil
}

// source is how a policy names a text that stands in the page.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// ServeHTTP answers with the page as things are.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	err := p.tmpl.Execute(&b, struct {
		Data
		Address string
		CSS     template.CSS
		JS      template.JS
	}{p.data(r.Context()), address(r), template.CSS(pageCSS), template.JS(pageJS)})
	if err != nil {
		p.logger.Error("Making the page", "err", err)
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // An error here is the client's: it went away.
}

// address is under what the daemon was asked, for examples.
func address(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + strings.TrimSuffix(r.URL.Path, "/")
}

var functions = template.FuncMap{
	"stamp":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"ago":      ago,
	"lasting":  lasting,
	"bytes":    byteSize,
	"count":    count,
	"rate":     rate,
	"caps":     caps,
	"share":    share,
	"percent":  func(v float64) string { return strconv.Itoa(int(v*100+0.5)) + " %" },
	"level":    insight.Level,
	"lower":    func(v any) string { return strings.ToLower(fmt.Sprint(v)) },
	"words":    func(t string) string { return strings.TrimSuffix(t, "Insight") },
	"detector": detectors,
	"who":      who,
	"path":     url.PathEscape,
}

// ago says how long before now a time was.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + lasting(-d)
	}
	return lasting(d) + " ago"
}

// lasting says a duration in its two largest units.
func lasting(d time.Duration) string {
	units := []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for n, u := range units {
		if d < u.d {
			continue
		}
		s := fmt.Sprintf("%d %s", d/u.d, u.name)
		if n+1 < len(units) {
			if rest := d % u.d / units[n+1].d; rest > 0 {
				s += fmt.Sprintf(" %d %s", rest, units[n+1].name)
			}
		}
		return s
	}
	return "0 s"
}

func byteSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1024 {
			break
		}
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + unit
}

// count groups the digits of a number.
func count(v any) string {
	s := fmt.Sprint(v)
	for n := len(s) - 3; n > 0; n -= 3 {
		s = s[:n] + "," + s[n:]
	}
	return s
}

// rate says events a second.
func rate(v float64) string {
	switch {
	case v <= 0:
		return "0/s"
	case v < 0.1:
		return "< 0.1/s"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 1, 64) + "/s"
	}
	return count(int64(v+0.5)) + "/s"
}

// share says which part of what was told on arrival was taken back.
func share(t insight.Tally) string {
	return strconv.FormatFloat(100*t.WithdrawnShare(), 'f', 1, 64) + " %"
}

// caps says, one a line, what a bound has changed in what is known of an
// account.
func caps(s insight.StreamCoverage) []string {
	var out []string
	add := func(n uint64, one, many string) {
		switch {
		case n == 1:
			out = append(out, "1 "+one)
		case n > 1:
			out = append(out, count(n)+" "+many)
		}
	}
	add(s.Folded, "event is counted under __overflow__: there are more series than their cap",
		"events are counted under __overflow__: there are more series than their cap")
	add(s.Evicted, "model made room for another, and would learn anew", "models made room for others, and would learn anew")
	add(s.Capped, "insight was not raised: too many are open", "insights were not raised: too many are open")
	add(s.IdentitiesForgotten, "identity made room for another", "identities made room for others")
	add(uint64(max(0, s.Suppressed)), "insight is over the budget, and was not told", "insights are over the budget, and were not told")
	return out
}

// detectors sums up what the detectors of a stream can say.
func detectors(s insight.StreamCoverage) string {
	n := map[string]int{}
	for _, d := range s.Detectors {
		n[d.State]++
	}
	var out []string
	for _, state := range []string{"ready", "learning", "blind"} {
		if n[state] > 0 {
			out = append(out, fmt.Sprintf("%d %s", n[state], state))
		}
	}
	if len(out) == 0 {
		return "none yet"
	}
	return strings.Join(out, ", ")
}

// who is whom an incident is about.
func who(i Incident) string {
	if i.Identity == "" {
		return i.Provider + " " + i.Account
	}
	return i.Identity
}
