package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options says where a log lives and how much it may use.
type Options struct {
	// Dir is the log's directory. It is made where it is missing, and belongs
	// to one process at a time.
	Dir string
	// NoSync is for the temporary log of a replay: nothing is fsynced, there is
	// no write-ahead log, no lock and no background goroutine, and control
	// records stay in memory.
	NoSync bool
	// BlockEvents is how many events a full block holds.
	BlockEvents int
	// MaxBufferedBytes bounds the memory of all open buffers together. Beyond
	// it the fullest are written as smaller blocks.
	MaxBufferedBytes int64
	// DedupBytes bounds the memory of de-duplication: half is a cache of where
	// ids were seen, half are id filters of hours.
	DedupBytes int
	// CacheBytes bounds the decoded columns that are kept for readers.
	CacheBytes int64
	// Retention is how long events are kept, counted from their own time; zero
	// keeps them for ever.
	Retention time.Duration
	// MaxBytes bounds the segments on disk; the oldest hours go first. Zero is
	// no bound.
	MaxBytes int64
	// DecoderVersion and EnrichVersion are noted in every block, so that a
	// reader knows which code made its columns.
	DecoderVersion uint32
	EnrichVersion  uint32

	// Lookups are for filters that name what no event has. They are safe for concurrent
	// use, and asked once a question.
	Lookups Lookups

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time

	// lasting is set where a log without sync is made for its segments, which
	// are encoded as those of any log.
	lasting bool
	// tap is a test's, see disk.
	tap func(op diskOp, do func() error) error
}

// Bounds of the options, and of what one question may ask for.
const (
	maxBlockEvents  = 32768
	maxBlockRaw     = 32 << 20 // Raw bytes after which a block is full whatever its count.
	maxEventRaw     = 256 << 20
	defaultLimit    = 100
	maxLimit        = 100_000
	maxBuckets      = 100_000
	maxValues       = 1 << 20 // Distinct values that one question counts apart.
	defaultTop      = 10
	walFlushBytes   = 64 << 20
	walFlushAge     = time.Hour
	controlFileSize = 16 << 20
	maintainEvery   = 30 * time.Second
	sealAfter       = 10 * time.Minute
)

// The errors that callers tell apart.
var (
	// ErrClosed is returned by a log that was closed.
	ErrClosed = errors.New("event log is closed")
	// ErrLocked is returned by Open where another process has the directory.
	ErrLocked = errors.New("event log directory is in use by another process")
	// ErrCursor is returned for a cursor that no page gave.
	ErrCursor = errors.New("invalid cursor: use the value of next of the page before")
	// ErrBadQuery is wrapped by the errors of a question that cannot be answered
	// as it was asked.
	ErrBadQuery = errors.New("invalid query")
)

func (o *Options) validate() error {
	if o.Dir == "" {
		return errors.New("event log needs a directory")
	}
	if o.BlockEvents == 0 {
		o.BlockEvents = 2000
	}
	if o.BlockEvents < 1 || o.BlockEvents > maxBlockEvents {
		return fmt.Errorf("event log block size %d is not within 1 to %d events", o.BlockEvents, maxBlockEvents)
	}
	if o.MaxBufferedBytes == 0 {
		o.MaxBufferedBytes = 256 << 20
	}
	if o.DedupBytes == 0 {
		o.DedupBytes = 64 << 20
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MaxBufferedBytes < 0 || o.DedupBytes < 0 || o.CacheBytes < 0 || o.MaxBytes < 0 || o.Retention < 0 {
		return errors.New("event log sizes and retention cannot be negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}
