package tsdb

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"
)

func TestEngineBounds(t *testing.T) {
	w := newWorld(t, epoch.Add(48*time.Hour))
	for m := range 300 {
		w.append(w.sample("A", SampleTime(epoch.Add(time.Duration(m)*time.Minute)), 1))
	}
	dir := t.TempDir()
	engine := NewQueryEngine(EngineOptions{MaxSamples: 100, MaxConcurrency: 1, TrackerDir: dir, Registerer: prometheus.NewRegistry()})
	defer engine.Close()
	require.FileExists(t, filepath.Join(dir, "queries.active"))
	run := func(e *promql.Engine, ctx context.Context, query string) error {
		qry, err := e.NewInstantQuery(ctx, w.db.Queryable(), nil, query, epoch.Add(5*time.Hour))
		require.NoError(t, err)
		defer qry.Close()
		return qry.Exec(ctx).Err
	}
	ctx := context.Background()
	require.NoError(t, run(engine, ctx, "sum_over_time(activity_events[30m])"))
	require.ErrorAs(t, run(engine, ctx, "sum_over_time(activity_events[5h])"), new(promql.ErrTooManySamples))

	// Without a directory the number of queries is bounded all the same.
	gate := queryGate(make(chan struct{}, 1))
	i, err := gate.Insert(ctx, "q")
	require.NoError(t, err)
	full, cancel := context.WithCancel(ctx)
	cancel()
	_, err = gate.Insert(full, "q")
	require.ErrorIs(t, err, context.Canceled)
	gate.Delete(i)
	_, err = gate.Insert(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, 1, gate.GetMaxConcurrent())

	// A subquery without a step looks at each minute.
	require.Equal(t, 10.0, instant(t, w.db.Queryable(), "count_over_time(activity_events[10m:])", epoch.Add(5*time.Hour)))

	slow := NewQueryEngine(EngineOptions{Timeout: time.Nanosecond})
	defer slow.Close()
	require.ErrorAs(t, run(slow, ctx, "activity_events"), new(promql.ErrQueryTimeout))
}
