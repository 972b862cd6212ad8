package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	t.Logf("Count %d bytes, Novelty %d, Share %d, Family %d", unsafe.Sizeof(Count{}), unsafe.Sizeof(Novelty{}), unsafe.Sizeof(Share{}), unsafe.Sizeof(Family{}))
	require.LessOrEqual(t, unsafe.Sizeof(Count{}), uintptr(656))
	require.LessOrEqual(t, unsafe.Sizeof(Novelty{}), uintptr(32))
	require.LessOrEqual(t, unsafe.Sizeof(Share{}), uintptr(64))
}

// BenchmarkAdd prints updates a second: one series again and again, and many
// series chosen by Zipf's law or evenly, in time that moves on as it would with
// one update a series in half an hour.
func BenchmarkAdd(b *testing.B) {
	b.Run("hot", func(b *testing.B) { benchmarkAdd(b, 1, false, 1) })
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("zipf/%d", n), func(b *testing.B) { benchmarkAdd(b, n, true, n/30) })
		b.Run(fmt.Sprintf("uniform/%d", n), func(b *testing.B) { benchmarkAdd(b, n, false, n/30) })
	}
}

func benchmarkAdd(b *testing.B, series int, zipf bool, perMinute int) {
	f := NewFamily(Calls())
	counts := make([]Count, series)
	for i := range counts {
		counts[i] = NewCount(epoch, Workload)
	}
	r := rand.New(rand.NewPCG(1, 2))
	z := rand.NewZipf(r, 1.1, 10, uint64(series-1))
	// A minute's counts are final: a series has one update in it.
	type update struct {
		line uint32
		next bool // with it a minute ends
		n    float64
	}
	updates := make([]update, 1<<20)
	minute := make([]int32, series)
	at, inMinute := int32(1), 0
	for i := 0; i < len(updates); {
		k := r.IntN(series)
		if zipf {
			k = int(z.Uint64() * 2654435761 % uint64(series)) // Hot ones are not neighbours.
		}
		if inMinute++; minute[k] != at {
			minute[k] = at
			updates[i] = update{uint32(k), false, 1 + float64(r.IntN(3))}
			i++
		}
		if inMinute >= perMinute {
			updates[i-1].next = true
			at, inMinute = at+1, 0
		}
	}
	// Every series has a week behind it at its own rate.
	who := NewNovelty(epoch)
	m := epoch + weekMinutes
	times := make([]int, series)
	for _, u := range updates {
		times[u.line]++
	}
	known := map[int]Count{}
	for k, n := range times {
		if _, ok := known[n]; !ok {
			c := NewCount(epoch, Workload)
			for t := epoch; t < m; t++ {
				if r.Float64() < float64(n)/float64(at) {
					f.Add(&c, &who, t, 1+float64(r.IntN(3)))
				}
			}
			known[n] = c
		}
		counts[k] = known[n]
	}
	i := 0
	step := func() {
		u := &updates[i&(1<<20-1)]
		f.Add(&counts[u.line], &who, m, u.n)
		if i++; u.next {
			m++
		}
	}
	for range series {
		step()
	}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		step()
	}
	// Neighbours on the machine stretch the wall clock, not this.
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(float64(unsafe.Sizeof(Count{})), "bytes/series")
}

// cpu is the CPU time that the process has used, in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkAdvance is the pools' upkeep, a series.
func BenchmarkAdvance(b *testing.B) {
	const series = 100_000
	f := NewFamily(Calls())
	counts := make([]Count, series)
	who := NewNovelty(epoch)
	for i := range counts {
		counts[i] = NewCount(epoch, Workload)
		f.Add(&counts[i], &who, epoch, 1)
	}
	m := epoch
	for b.Loop() {
		m += 360
		f.Advance(m, func(yield func(*Count, *Novelty) bool) {
			for i := range counts {
				if !yield(&counts[i], &who) {
					return
				}
			}
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/series")
}

// BenchmarkTail is one evaluation of the negative binomial's tail.
func BenchmarkTail(b *testing.B) {
	s := 0.0
	for b.Loop() {
		s += nbTail(40, 6, 2.5)
	}
	require.False(b, math.IsNaN(s))
}
