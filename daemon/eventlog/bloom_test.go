package eventlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheFilterOfAnHourIsRarelyWrong fills it as an hour of a busy account does.
func TestTheFilterOfAnHourIsRarelyWrong(t *testing.T) {
	f := newIDFilter(0)
	const n = 1_000_000
	for i := range n {
		f.add(hashUID(fmt.Sprintf("there-%d", i)), int64(i), int64(i))
	}
	for i := range n {
		require.True(t, f.has(hashUID(fmt.Sprintf("there-%d", i)), int64(i), int64(i)))
	}
	wrong := 0
	for i := range n {
		if f.has(hashUID(fmt.Sprintf("absent-%d", i)), 0, n) {
			wrong++
		}
		require.False(t, f.has(hashUID(fmt.Sprintf("there-%d", i)), n, n+1), "nothing is of that time")
	}
	require.Less(t, wrong, n/2000)
	require.LessOrEqual(t, len(f.levels), 6)
}

// BenchmarkAppendToAFullHour appends events of an hour that holds many already:
// what a wrong answer of its filter costs grows with them.
func BenchmarkAppendToAFullHour(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir(), NoSync: true})
	require.NoError(b, err)
	defer l.Close()
	const batch = 1000
	gen := newTraffic(77, 1)
	start := day0
	next := 0
	hour := func(n int) {
		events := gen.events(batch, time.Second)
		for i := range events {
			events[i].UID = fmt.Sprintf("hour-%09d", next)
			events[i].Time = start.Add(time.Duration(next) * time.Hour / 4_000_000)
			next++
		}
		b.StartTimer()
		_, err := l.Append(ctx, events, Replayable)
		b.StopTimer()
		require.NoError(b, err)
	}
	for next < 1_000_000 {
		hour(batch)
	}
	b.ResetTimer()
	b.StopTimer()
	for range b.N {
		hour(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/event")
}
