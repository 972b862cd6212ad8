package tsdb

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
)

// LookbackDelta is how long a sample shows in an instant query: a minute, or a
// count would show for five.
const LookbackDelta = time.Minute

const (
	defaultMaxSamples     = 50_000_000
	defaultQueryTimeout   = 2 * time.Minute
	defaultMaxConcurrency = 20
)

// EngineOptions say what one query may cost.
type EngineOptions struct {
	// MaxSamples bounds the samples that a query holds in memory at once; 0 is
	// 50 million.
	MaxSamples int
	// Timeout ends a query; 0 is two minutes.
	Timeout time.Duration
	// MaxConcurrency bounds the queries that run at once; 0 is 20. Others wait.
	MaxConcurrency int
	// TrackerDir is where the queries that run are noted, so that one that
	// brings the process down is named at the next start. Where it is empty
	// nothing is noted.
	TrackerDir string
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer takes the engine's metrics. It may be nil.
	Registerer prometheus.Registerer
}

// NewQueryEngine returns the engine that evaluates PromQL. The caller closes it.
func NewQueryEngine(o EngineOptions) *promql.Engine {
	if o.MaxSamples <= 0 {
		o.MaxSamples = defaultMaxSamples
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultQueryTimeout
	}
	if o.MaxConcurrency <= 0 {
		o.MaxConcurrency = defaultMaxConcurrency
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var tracker promql.QueryTracker = queryGate(make(chan struct{}, o.MaxConcurrency))
	if o.TrackerDir != "" {
		t, err := promql.NewActiveQueryTracker(o.TrackerDir, o.MaxConcurrency, o.Logger)
		if err == nil {
			tracker = t
		} else {
			o.Logger.Warn("queries that run are not noted", "dir", o.TrackerDir, "err", err)
		}
	}
	return promql.NewEngine(promql.EngineOpts{
		Logger:             o.Logger,
		Reg:                o.Registerer,
		MaxSamples:         o.MaxSamples,
		Timeout:            o.Timeout,
		ActiveQueryTracker: patientTracker{tracker},
		LookbackDelta:      LookbackDelta,
		// A subquery without a step looks at each minute, as there is one sample
		// a minute.
		NoStepSubqueryIntervalFn: func(int64) int64 { return minuteMillis },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true,
	})
}

// patientTracker tells a query that waited for its turn too long from one that
// cannot be evaluated, as the API does.
type patientTracker struct{ promql.QueryTracker }

func (p patientTracker) Insert(ctx context.Context, query string) (int, error) {
	i, err := p.QueryTracker.Insert(ctx, query)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return i, promql.ErrQueryTimeout("query queue")
	case errors.Is(err, context.Canceled):
		return i, promql.ErrQueryCanceled("query queue")
	}
	return i, err
}

// queryGate is a promql.QueryTracker that only bounds how many queries run.
type queryGate chan struct{}

func (g queryGate) GetMaxConcurrent() int { return cap(g) }

func (g queryGate) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case g <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (g queryGate) Delete(int) { <-g }

func (g queryGate) Close() error { return nil }
