package eventlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheFilterOfAnHourIsRarelyWrong fills it as an hour of a busy account does.
func TestTheFilterOfAnHourIsRarelyWrong(t *testing.T) {
	f := newIDFilter(nil)
	const n, step = 1_000_000, 2000
	ask := func(h uint64, from, to int64) bool {
		may, missing := f.ask(h, from, to, 1)
		require.Empty(t, missing, "everything is loaded")
		return may
	}
	id := func(what string, i int) uint64 { return hashUID(fmt.Sprintf("%s-%d", what, i)) }
	for i := 0; i < n; i += step {
		hashes := make([]uint64, step)
		for k := range hashes {
			hashes[k] = id("there", i+k)
		}
		f.add([]*blockMeta{{hdr: &header{rows: step, mint: int64(i), maxt: int64(i + step - 1)}}}, hashes, 1)
	}
	for i := range n {
		require.True(t, ask(id("there", i), int64(i), int64(i)))
	}
	wrong := 0
	for i := range n {
		if ask(id("absent", i), 0, n) {
			wrong++
		}
		require.False(t, ask(id("there", i), n, n+1), "nothing is of that time")
	}
	require.Less(t, wrong, n/2000)
	require.LessOrEqual(t, len(f.levels), 7)
	// As it is found after a start.
	var blocks []*blockMeta
	for _, lv := range f.levels {
		blocks = append(blocks, lv.blocks...)
	}
	require.Len(t, blocks, n/step)
	again := newIDFilter(blocks)
	may, missing := again.ask(id("there", 0), 0, 0, 1)
	require.False(t, may)
	require.Len(t, missing, 1)
}

// TestLateRowsOfAnHourTakeAFilterOfTheirSize adds a row to an hour that was read from
// the disk.
func TestLateRowsOfAnHourTakeAFilterOfTheirSize(t *testing.T) {
	h := &header{rows: filterMost / 2}
	f := newIDFilter([]*blockMeta{{hdr: h}})
	lv := f.add([]*blockMeta{{hdr: &header{rows: 1}}}, []uint64{1}, 1)
	require.Len(t, f.levels, 2)
	require.Equal(t, int64(8*len(newFine(filterLeast))), lv.bytes())
	require.Same(t, lv, f.add([]*blockMeta{{hdr: h}}, []uint64{2}, 7), "the next goes there, too")
	require.Equal(t, uint64(7), lv.used)
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
