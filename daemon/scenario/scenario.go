// Package scenario is the project's own script language: a .test file loads
// traffic, moves time, and says which insights there have to be, and which not.
//
// A script is read into cases. Each case's traffic becomes real CloudTrail
// records, which go through the line as a replay's do; what comes out is held
// against the case's expectations. The same script gives the same records
// whenever and wherever it runs: what is random follows from its seed.
//
// The language is described in DESIGN.md beside this file.
package scenario

import (
	"context"
	"io"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// Line is the line that traffic goes through. Its methods are safe for
// concurrent use.
type Line interface {
	// Check says what is wrong with a configuration, a YAML document. The error
	// completes "found …".
	Check(config []byte) error
	// Run reads records, one a line, to the end and returns what was found. now is
	// the clock while they are read.
	Run(ctx context.Context, config []byte, records io.Reader, now time.Time) (Output, error)
	// Live takes records as they are delivered while the clock moves, as the
	// daemon gets them, and carries out the actions when it is their time.
	Live(ctx context.Context, config []byte, deliveries *Deliveries) (Output, error)
}

// Output is what the line found.
type Output struct {
	Insights []insight.Insight
	// Records are the final Start and End records of the insights, one a line,
	// without what only tells how they came about.
	Records []byte
	// Events is how many were taken in, and Failures how many could not be read.
	Events, Failures uint64
}

// File is a script.
type File struct {
	Name  string
	Cases []*Case
}

// Case is a part of a script that runs by itself: its own statements after those
// that all of the file's cases share.
type Case struct {
	File string
	Name string
	pos  position

	seed     uint64
	start    time.Time
	settings []setting
	sources  []source
	gaps     []gap
	// deliveries are the ways in which the same records come. Every
	// expectation holds for each of them, and what is found is the same.
	deliveries []delivery
	actions    []Action
	expects    []*expectation
}

// defaultStart is a Monday.
var defaultStart = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

// setting is a key of the configuration.
type setting struct {
	key, value string
	pos        position
}

// gap is a span in which nothing is delivered, or nothing of one account.
type gap struct {
	span
	account string
}

// has reports whether an event falls into the gap.
func (g *gap) has(at time.Time, account string) bool {
	return g.span.has(at) && (g.account == "" || g.account == account)
}

// span is [from, to).
type span struct{ from, to time.Time }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// empty reports whether the case says nothing yet.
func (c *Case) empty() bool {
	return len(c.settings)+len(c.sources)+len(c.gaps)+len(c.deliveries)+len(c.actions)+len(c.expects) == 0
}

// clone returns a case that begins with what this one has.
func (c *Case) clone() *Case {
	d := *c
	d.settings = append([]setting(nil), c.settings...)
	d.sources = append([]source(nil), c.sources...)
	d.gaps = append([]gap(nil), c.gaps...)
	d.actions = append([]Action(nil), c.actions...)
	d.deliveries = append([]delivery(nil), c.deliveries...)
	d.expects = append([]*expectation(nil), c.expects...)
	return &d
}
