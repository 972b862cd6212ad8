package scenario

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Result is what became of a case.
type Result struct {
	File, Case string
	Elapsed    time.Duration
	Failures   []Failure
	// Err says why the case could not be run.
	Err error
	// Events is how many events went through the line, in the first delivery.
	Events uint64
	// Insights shows what was raised, with the reasons.
	Insights []string
}

// Passed reports whether every expectation holds.
func (r *Result) Passed() bool { return r.Err == nil && len(r.Failures) == 0 }

// Options say how scripts are run.
type Options struct {
	Line Line
	// Match, where it is not nil, chooses cases by "file: name".
	Match *regexp.Regexp
	// Parallel is how many cases run at once; 0 is one a processor.
	Parallel int
}

// Find returns the scripts that are meant: files as they are named, and every
// .test file below folders, in order.
func Find(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("looking for scripts: %w", err)
		}
		if !info.IsDir() {
			out = append(out, path)
			continue
		}
		n := len(out)
		err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(name) == ".test" {
				out = append(out, name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking for scripts: %w", err)
		}
		if len(out) == n {
			return nil, fmt.Errorf("looking for scripts: there is no file named *.test below %s", path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Run runs the cases of scripts, several at once, and tells done of each in the
// order of the scripts. It returns an error only where the context ends.
func Run(ctx context.Context, files []*File, o Options, done func(*Result)) error {
	var cases []*Case
	for _, f := range files {
		for _, c := range f.Cases {
			if o.Match == nil || o.Match.MatchString(c.File+": "+c.Name) {
				cases = append(cases, c)
			}
		}
	}
	parallel := o.Parallel
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	results := make([]chan *Result, len(cases))
	for i := range results {
		results[i] = make(chan *Result, 1)
	}
	var g errgroup.Group
	g.SetLimit(parallel)
	go func() {
		for i, c := range cases {
			g.Go(func() error {
				results[i] <- c.Run(ctx, o.Line)
				return nil
			})
		}
	}()
	for i := range cases {
		r := <-results[i]
		if err := ctx.Err(); err != nil {
			continue
		}
		done(r)
	}
	return ctx.Err()
}

// Run runs one case.
func (c *Case) Run(ctx context.Context, line Line) *Result {
	begun := time.Now()
	r := &Result{File: c.File, Case: c.Name}
	r.Err = c.run(ctx, line, r)
	r.Elapsed = time.Since(begun)
	return r
}

func (c *Case) run(ctx context.Context, line Line, r *Result) error {
	entries, err := c.entries()
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("%s:%d:%d: found no event in the case, expected traffic; write a load", c.File, c.pos.line, c.pos.column)
	}
	config := configuration(c.settings)
	now := entries[len(entries)-1].at.Add(day)
	deliveries := slices.Clone(c.deliveries)
	if len(deliveries) == 0 {
		deliveries = []delivery{{}}
	}
	var first Output
	for i := range deliveries {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := &deliveries[i]
		if len(c.actions) > 0 {
			// Who says something of an insight has been told of it.
			if d.live = true; d.shuffled {
				return fmt.Errorf("%s:%d:%d: found a delivery that is shuffled in a case in which a user acts, expected one in time or late", c.File, d.pos.line, d.pos.column)
			}
		}
		var out Output
		if d.live {
			out, err = line.Live(ctx, config, c.deliver(d, entries))
		} else {
			out, err = line.Run(ctx, config, &feed{d: c.deliver(d, entries)}, now)
		}
		if err != nil {
			return fmt.Errorf("%s:%d:%d: running the case delivered %s: %w", c.File, c.pos.line, c.pos.column, d, err)
		}
		if out.Failures > 0 {
			return fmt.Errorf("%s:%d:%d: %d records of the case could not be read", c.File, c.pos.line, c.pos.column, out.Failures)
		}
		if i == 0 {
			first, r.Events = out, out.Events
			for j := range out.Insights {
				in := &out.Insights[j]
				var b strings.Builder
				b.WriteString(c.line(in)[1:])
				for _, why := range in.Reasons {
					fmt.Fprintf(&b, "\n      %+.2f %s: %s", why.Contribution, why.Feature, why.Text)
				}
				r.Insights = append(r.Insights, b.String())
			}
		} else if f, differs := c.differs(d, &deliveries[0], &out, &first); differs {
			r.Failures = append(r.Failures, f)
			continue
		}
		for _, f := range c.judge(out.Insights) {
			if i > 0 {
				f.Text += "\n  delivered " + d.String()
			}
			r.Failures = append(r.Failures, f)
		}
	}
	return nil
}

// differs reports whether one delivery led to other records than the first.
func (c *Case) differs(d, first *delivery, got, want *Output) (Failure, bool) {
	if bytes.Equal(got.Records, want.Records) {
		return Failure{}, false
	}
	f := Failure{File: c.File, Line: d.pos.line, Column: d.pos.column}
	a, b := bytes.Split(want.Records, []byte("\n")), bytes.Split(got.Records, []byte("\n"))
	i := 0
	for i < len(a) && i < len(b) && bytes.Equal(a[i], b[i]) {
		i++
	}
	at := func(lines [][]byte) string {
		if i < len(lines) && len(lines[i]) > 0 {
			return string(lines[i])
		}
		return "nothing"
	}
	f.Text = fmt.Sprintf("expected the same records as delivered %s, found others delivered %s\n  record %d was %s\n  and is now %s",
		first, d, i+1, at(a), at(b))
	return f, true
}
