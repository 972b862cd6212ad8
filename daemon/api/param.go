package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// maxForm bounds the form of a question, in bytes.
const maxForm = 1 << 20

// request is a question under way, with the parameters that it has. A parameter
// that is wrong is remembered, so that a handler reads all and looks once.
type request struct {
	*http.Request
	a        *API
	ctx      context.Context
	asked    map[string]bool
	wrong    error
	warnings []string
}

// query makes a handler of what answers a question.
func (a *API) query(answer func(*request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.o.Limits.Timeout)
		defer cancel()
		q := &request{Request: r, a: a, ctx: ctx, asked: map[string]bool{}}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			if f := a.classify(err); f.typ != ErrorInternal {
				a.fail(w, r, f)
				return
			}
			a.fail(w, r, badData("reading the parameters: %v", err))
			return
		}
		data, err := answer(q)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		if ok, reason := a.o.Lifecycle.Ready(); !ok {
			q.warn("the daemon is not ready, and this may not be everything: " + reason)
		}
		q.unused()
		a.succeed(w, r, data, q.warnings)
	})
}

func (q *request) warn(text string) { q.warnings = append(q.warnings, text) }

// unused warns of parameters that mean nothing here: a filter with a slip in
// its name would otherwise seem to match everything.
func (q *request) unused() {
	var names []string
	for name := range q.Form {
		if !q.asked[name] {
			names = append(names, strconv.Quote(name))
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		q.warn("unknown parameters were ignored: " + strings.Join(names, ", "))
	}
}

func (q *request) text(name string) string {
	q.asked[name] = true
	return q.Form.Get(name)
}

// texts returns all values of a parameter; each may hold several, with commas.
func (q *request) texts(name string) []string {
	q.asked[name] = true
	var out []string
	for _, v := range q.Form[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// whole returns all values of a parameter that may have commas in it.
func (q *request) whole(name string) []string {
	q.asked[name] = true
	return slices.DeleteFunc(slices.Clone(q.Form[name]), func(v string) bool { return v == "" })
}

// someOf returns all values of a parameter that have to be of some words.
func (q *request) someOf(name string, words ...string) []string {
	vs := q.texts(name)
	for _, v := range vs {
		if !slices.Contains(words, v) {
			q.invalid(name, fmt.Errorf("%q is not one of %s", v, strings.Join(words, ", ")))
		}
	}
	return vs
}

// oneOf returns the value of a parameter that has to be one of some words.
func (q *request) oneOf(name string, words ...string) string {
	v := q.text(name)
	if v != "" && !slices.Contains(words, v) {
		q.invalid(name, fmt.Errorf("%q is not one of %s", v, strings.Join(words, ", ")))
		return ""
	}
	return v
}

// invalid remembers the first parameter that is wrong.
func (q *request) invalid(name string, err error) {
	if q.wrong == nil {
		q.wrong = badData("invalid parameter %q: %v", name, err)
	}
}

// time returns a time, zero where it is not given.
func (q *request) time(name string) time.Time {
	v := q.text(name)
	if v == "" {
		return time.Time{}
	}
	t, err := parseTime(v)
	if err != nil {
		q.invalid(name, err)
	}
	return t
}

// parseTime reads RFC 3339 or Unix seconds.
func parseTime(s string) (time.Time, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		// The years 0 to 9999, which JSON can hold.
		if math.IsNaN(f) || f < -62135596800 || f > 253402300799 {
			return time.Time{}, fmt.Errorf("%q is no time that can be", s)
		}
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(math.Round(frac*1e3))*1e6).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot parse %q to a time: it is RFC 3339, such as 2026-03-09T03:00:00Z, or Unix seconds", s)
	}
	return t.UTC(), nil
}

// span returns start and end, which may be open.
func (q *request) span() (from, to time.Time) {
	from, to = q.time("start"), q.time("end")
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.invalid("end", fmt.Errorf("it is before start"))
	}
	return from, to
}

// bounded returns start and end of a question for events, within the limit of a
// range. Open ends become now and otherwise before the other.
func (q *request) bounded(otherwise time.Duration) (from, to time.Time) {
	from, to = q.span()
	if to.IsZero() {
		to = q.a.o.Now().UTC()
	}
	if from.IsZero() {
		from = to.Add(-otherwise)
	}
	if to.Before(from) {
		q.invalid("start", fmt.Errorf("it is in the future, and no end is given"))
	}
	q.ranged(from, to)
	return from, to
}

func (q *request) ranged(from, to time.Time) {
	if d := to.Sub(from); !from.IsZero() && !to.IsZero() && d > q.a.o.Limits.Range {
		q.invalid("start", fmt.Errorf("the range of %s is longer than %s (web.limits.max_query_range)", model.Duration(d.Truncate(time.Second)), model.Duration(q.a.o.Limits.Range)))
	}
}

// duration returns a duration in Prometheus' form or in seconds.
func (q *request) duration(name string, otherwise time.Duration) time.Duration {
	v := q.text(name)
	if v == "" {
		return otherwise
	}
	d, err := parseDuration(v)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is not above zero", v)
	}
	if err != nil {
		q.invalid(name, err)
		return otherwise
	}
	return d
}

func parseDuration(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		ns := f * float64(time.Second)
		if math.IsNaN(ns) || math.Abs(ns) > math.MaxInt64/2 {
			return 0, fmt.Errorf("%q is no duration that can be", s)
		}
		return time.Duration(ns), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("cannot parse %q to a duration: it is such as 5m, or seconds", s)
	}
	return time.Duration(d), nil
}

// limit returns the limit of a page.
func (q *request) limit(otherwise int) int {
	v := q.text("limit")
	if v == "" {
		return min(otherwise, q.a.o.Limits.Page)
	}
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < 1:
		q.invalid("limit", fmt.Errorf("%q is not a number above zero", v))
		return otherwise
	case n > q.a.o.Limits.Page:
		q.invalid("limit", fmt.Errorf("%d is more than %d; page with next", n, q.a.o.Limits.Page))
		return otherwise
	}
	return n
}

// number returns a number from least to most.
func (q *request) number(name string, least, most float64) float64 {
	v := q.text(name)
	if v == "" {
		return least
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= least && f <= most) {
		q.invalid(name, fmt.Errorf("%q is not a number from %g to %g", v, least, most))
		return least
	}
	return f
}

// truth returns true or false, nil where it is not given.
func (q *request) truth(name string) *bool {
	v := q.text(name)
	if v == "" {
		return nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		q.invalid(name, fmt.Errorf("%q is neither true nor false", v))
		return nil
	}
	return &b
}

// flag is truth where nothing is false.
func (q *request) flag(name string) bool {
	b := q.truth(name)
	return b != nil && *b
}

// boundOf names the key of the configuration that bounds a queue.
var boundOf = map[string]string{
	"searches":           " (web.limits.max_concurrent_queries)",
	"pushes":             " (web.limits.max_concurrent_pushes)",
	"pushes of your own": " (half of web.limits.max_concurrent_pushes)",
}

// acquire takes a place in a queue, and waits for one no longer than the limit.
// The caller gives it back.
func (a *API) acquire(ctx context.Context, gate chan struct{}, what string) error {
	err := enter(ctx, gate, a.o.Limits.SearchWait)
	if errors.Is(err, errFull) {
		return unavailable("%d %s are under way, which is the limit%s; try again", cap(gate), what, boundOf[what])
	}
	return err
}

// errFull says that no place came free in time.
var errFull = errors.New("all places are taken")

// enter takes a place in a queue, or waits for one.
func enter(ctx context.Context, gate chan struct{}, longest time.Duration) error {
	select {
	case gate <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(longest)
	defer wait.Stop()
	select {
	case gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return errFull
	}
}
