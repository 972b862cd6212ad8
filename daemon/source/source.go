// Package source is where bytes come from: files and folders, standard input.
// A source reads, has daemon/event decode, and hands batches of events to a
// Sink. It remembers how far it has read, and moves that memory only once the
// sink has made durable what was handed over: after a crash something may be
// delivered again, which de-duplication makes harmless, and nothing is lost.
package source

import (
	"context"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Sink takes what sources read. Its methods are called by several goroutines
// at once.
type Sink interface {
	// Deliver stores events, and may change them. It blocks for as long as it
	// cannot take more. The slice is the caller's again once it returns; the
	// memory that the events point to is never written again. A batch whose
	// delivery failed may be delivered again as a whole.
	Deliver(ctx context.Context, source string, events []event.Event) error
	// Flush returns once everything that was delivered is durable.
	Flush(ctx context.Context) error
	// Failed is told of each record, and with Record 0 of each file, that
	// could not be read. The source goes on.
	Failed(source string, f event.RecordError)
}

// Source is one place that events are read from.
type Source interface {
	Name() string
	// Run reads until ctx is done, or to the end where the source has one. It
	// is called once. A source without an end returns no error once ctx is
	// done; one that has an end and did not get there returns that of ctx.
	Run(ctx context.Context, sink Sink) error
	// Status may be called at any time, by any goroutine.
	Status() Status
}

// Status says how far a source is.
type Status struct {
	Name string `json:"name"`
	// Kind is file or stream.
	Kind string `json:"kind"`
	Path string `json:"path,omitempty"`
	// AtEnd says that nothing is left to read for now.
	AtEnd bool `json:"atEnd"`
	// Frontier is the oldest event time that the source may still deliver,
	// beyond lateness. It is zero where AtEnd is set, and where there is a
	// backlog of unknown age.
	Frontier time.Time `json:"frontier,omitzero"`
	// LastEvent is the newest event time, LastRead when an event was last read.
	LastEvent time.Time `json:"lastEvent,omitzero"`
	LastRead  time.Time `json:"lastRead,omitzero"`
	Events    uint64    `json:"events"`
	Failures  uint64    `json:"failures"`
	// Bytes counts what was read, as it is stored.
	Bytes uint64 `json:"bytes"`
	// Files counts the files that are there, FilesDone those of them that have
	// been read, Backlog those that have not, and Skipped what is passed over:
	// hidden and temporary files, digests of CloudTrail, documents.
	Files     int `json:"files"`
	FilesDone int `json:"filesDone"`
	Backlog   int `json:"backlog"`
	Skipped   int `json:"skipped"`
	// BacklogBytes is how much of the files that were found has not been read,
	// as it is stored.
	BacklogBytes int64 `json:"backlogBytes"`
	// LagSeconds is how far the reading is behind in event time: 0 at the end,
	// and where that is not known.
	LagSeconds float64 `json:"lagSeconds"`
	// Err says why the source fails and what to do. It is empty where all is
	// well. Hint is what to do alone, where that is known.
	Err  string `json:"error,omitempty"`
	Hint string `json:"hint,omitempty"`
	// FailingSince is since when there is an Err. Retries counts failures after
	// which it is tried again.
	FailingSince time.Time `json:"failingSince,omitzero"`
	Retries      uint64    `json:"retries"`
	// Rate is events a second over the last ten seconds.
	Rate float64 `json:"rate"`
}

// The kinds of source.
const (
	kindFile   = "file"
	kindStream = "stream"
)
