package daemon

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
)

// BenchmarkSeriesMemory measures what one more active series costs in all: in
// the series' head, in the engine's counters, and in the models and identities
// that stand behind it. Every identity has a key of its own and two APIs. The
// same number of events comes from few identities and from many, so what caches
// hold stays out of it.
func BenchmarkSeriesMemory(b *testing.B) {
	for b.Loop() {
		few, fewSeries, fewModels := activeHeap(b, 5_000, 80)
		many, manySeries, manyModels := activeHeap(b, 20_000, 20)
		b.ReportMetric(float64(many-few)/float64(manySeries-fewSeries), "B/series")
		b.ReportMetric(float64(manyModels-fewModels)/float64(manySeries-fewSeries), "models/series")
		b.ReportMetric(float64(manySeries), "series")
	}
}

// activeHeap is what a daemon holds once some identities have called some times
// within three hours, and how many series and models that made.
func activeHeap(b *testing.B, identities, calls int) (bytes, series, models int) {
	b.Helper()
	now := time.Now().UTC().Truncate(time.Minute)
	d, err := New(Options{StoragePath: b.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}, Now: func() time.Time { return now }})
	require.NoError(b, err)
	ctx := context.Background()
	require.NoError(b, d.restore(ctx))
	before := heap()
	start := now.Add(-3 * time.Hour)
	for round := range calls {
		for lo := 0; lo < identities; lo += 1000 {
			at := start.Add(time.Duration(round) * 2 * time.Minute)
			_, err := d.intake.take(ctx, "", manyEvents(b, round, lo, 1000, at), eventlog.Replayable)
			require.NoError(b, err)
		}
	}
	require.NoError(b, d.engine.Advance(ctx))
	require.NoError(b, d.log.Flush(ctx))
	st, err := d.series.Stats("__name__", 1)
	require.NoError(b, err)
	for _, n := range d.engine.ModelSeries() {
		models += n
	}
	bytes = int(heap() - before)
	require.NoError(b, d.Stop())
	return bytes, int(st.NumSeries), models
}

// manyEvents is a call of each of n identities.
func manyEvents(b *testing.B, round, lo, n int, at time.Time) []event.Event {
	b.Helper()
	out := make([]event.Event, n)
	for i := range out {
		who := lo + i
		raw := fmt.Sprintf(`{"eventVersion":"1.08","eventID":"m-%d-%d","eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":%q,`+
			`"awsRegion":"eu-central-1","readOnly":false,"recipientAccountId":"111122223333","sourceIPAddress":"203.0.113.9","userIdentity":{"type":"IAMUser",`+
			`"arn":"arn:aws:iam::111122223333:user/person-%06d","accountId":"111122223333","userName":"person-%06d","accessKeyId":"AKIA%016d"}}`,
			round, who, at.Format(time.RFC3339), []string{"CreateTags", "DeleteTags"}[round%2], who, who, who)
		require.NoError(b, event.Decode("aws", []byte(raw), &out[i]))
	}
	return out
}

// heap is what is in use once garbage is gone.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
