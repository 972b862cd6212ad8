package source

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	statuses := []Status{
		{
			Name: "trail", Kind: kindFile, AtEnd: true, LastEvent: t0, Events: 10, Failures: 1, Bytes: 1000,
			Files: 3, FilesDone: 3, Skipped: 2,
		},
		{Name: "behind", Kind: kindFile, Frontier: t0, LastEvent: t0.Add(time.Minute), Files: 5, Backlog: 4, Err: "full"},
		{Name: "new", Kind: kindStream},
	}
	require.NoError(t, RegisterMetrics(nil, nil, nil))
	require.NoError(t, RegisterMetrics(reg, func() []Status { return statuses }, func() time.Time { return t0.Add(time.Hour) }))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP insightd_source_up 1 where the source can be read and delivered, 0 where it fails.
# TYPE insightd_source_up gauge
insightd_source_up{kind="file",source="behind"} 0
insightd_source_up{kind="file",source="trail"} 1
insightd_source_up{kind="stream",source="new"} 1
# HELP insightd_source_lag_seconds How far the reading is behind, in event time; 0 at the end of what is there.
# TYPE insightd_source_lag_seconds gauge
insightd_source_lag_seconds{kind="file",source="behind"} 3600
insightd_source_lag_seconds{kind="file",source="trail"} 0
# HELP insightd_source_events_total Events that were read and delivered, duplicates included.
# TYPE insightd_source_events_total counter
insightd_source_events_total{kind="file",source="behind"} 0
insightd_source_events_total{kind="file",source="trail"} 10
insightd_source_events_total{kind="stream",source="new"} 0
# HELP insightd_source_backlog_files Files that are there and have not been read.
# TYPE insightd_source_backlog_files gauge
insightd_source_backlog_files{kind="file",source="behind"} 4
insightd_source_backlog_files{kind="file",source="trail"} 0
insightd_source_backlog_files{kind="stream",source="new"} 0
`), "insightd_source_up", "insightd_source_lag_seconds", "insightd_source_events_total", "insightd_source_backlog_files"))
	count, err := testutil.GatherAndCount(reg, "insightd_source_read_bytes_total", "insightd_source_failures_total",
		"insightd_source_files", "insightd_source_skipped_files", "insightd_source_last_event_timestamp_seconds")
	require.NoError(t, err)
	require.Equal(t, 3*4+2, count)
}

func TestRate(t *testing.T) {
	now := t0
	ta := tally{now: func() time.Time { return now }}
	for range 20 {
		ta.delivered(90, t0)
		now = now.Add(time.Second)
	}
	var s Status
	ta.status(&s)
	require.InDelta(t, 90, s.Rate, 0.01)
	require.EqualValues(t, 1800, s.Events)
	now = now.Add(time.Hour)
	ta.status(&s)
	require.Zero(t, s.Rate)
}
