package tsdb

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// TestAnotherAttemptRegistersAgain opens series of which the first attempt
// fails, and opens them once more, with one registry throughout.
func TestAnotherAttemptRegistersAgain(t *testing.T) {
	reg := prometheus.NewRegistry()
	now := epoch.Add(30 * 24 * time.Hour)
	o := Options{Dir: t.TempDir(), Registerer: reg, Now: func() time.Time { return now }}
	db, err := Open(o)
	require.NoError(t, err)
	s := NewSeries(labels.FromStrings(labels.MetricName, MetricEvents, LabelAccount, "1"))
	require.NoError(t, db.Append([]Sample{{Series: s, T: SampleTime(now.Add(-time.Hour)), V: 1}}))
	require.NoError(t, db.Backfill([]Sample{{Series: s, T: SampleTime(epoch), V: 3}}))
	require.NoError(t, db.CommitBackfill(t.Context(), nil))
	require.NoError(t, db.Close())

	indexes, err := filepath.Glob(filepath.Join(o.Dir, "*", "index"))
	require.NoError(t, err)
	require.NotEmpty(t, indexes)
	require.NoError(t, os.Truncate(indexes[0], 40))
	db, err = Open(o)
	require.NoError(t, err)
	require.NotEmpty(t, db.Lost())
	require.NoError(t, db.Close())

	db, err = Open(o)
	require.NoError(t, err)
	n, err := testutil.GatherAndCount(reg, "prometheus_tsdb_head_series")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, db.Close())
}
