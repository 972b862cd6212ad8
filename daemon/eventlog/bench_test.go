package eventlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/insightd/insightd/daemon/event"
)

// cpu returns the processor time that the process has used: on a machine that
// others use too it says more than the clock does.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill stores n events of one day. The records are made
// from 20,000 templates with ids of their own, since making each would take
// longer than storing it.
func fill(b *testing.B, l *Log, n, accounts int) []event.Event {
	b.Helper()
	g := newTraffic(1, accounts)
	base := g.events(20_000, 24*time.Hour)
	batch := make([]event.Event, 0, 1000)
	var keep []event.Event
	for i := range n {
		e := base[i%len(base)]
		e.UID = g.uuid()
		e.Time = day0.Add(time.Duration(int64(24*time.Hour) / int64(n) * int64(i))).Truncate(time.Second)
		batch = append(batch, e)
		if len(batch) == cap(batch) || i == n-1 {
			_, err := l.Append(context.Background(), batch, Replayable)
			require.NoError(b, err)
			keep = append(keep, batch[0])
			batch = batch[:0]
		}
	}
	require.NoError(b, l.Flush(context.Background()))
	return keep
}

func benchmarkAppend(b *testing.B, d Durability, o Options, batch int) {
	g := newTraffic(1, 3)
	const n = 40_000
	events := g.events(n, time.Hour)
	size := 0
	for i := range events {
		size += len(events[i].Raw)
	}
	b.SetBytes(int64(size))
	total := 0
	var last Stats
	start := cpu()
	for b.Loop() {
		o.Dir = b.TempDir()
		l, err := Open(o)
		require.NoError(b, err)
		for i := 0; i < n; i += batch {
			r, err := l.Append(context.Background(), events[i:i+batch], d)
			require.NoError(b, err)
			total += r.Accepted
		}
		require.NoError(b, l.Flush(context.Background()))
		last = l.Stats()
		require.NoError(b, l.Close())
	}
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(total), "cpu-ns/event")
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(last.Bytes)/n, "bytes/event")
	b.ReportMetric(float64(size)/n, "rawbytes/event")
}

func BenchmarkAppendReplayable(b *testing.B) { benchmarkAppend(b, Replayable, Options{}, 1000) }
func BenchmarkAppendLogged(b *testing.B)     { benchmarkAppend(b, Logged, Options{}, 1000) }
func BenchmarkAppendTemporary(b *testing.B) {
	benchmarkAppend(b, Replayable, Options{NoSync: true}, 1000)
}

// BenchmarkRead reads a day hour by hour: from disk, as a rebuild does, and
// with the blocks decoded already, as the live engine mostly finds them.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name     string
		cache    int64
		accounts int
	}{{"Disk", 1, 1}, {"Cached", 256 << 20, 1}, {"CachedThreeStreams", 256 << 20, 3}} {
		b.Run(c.name, func(b *testing.B) {
			l := openTest(b, Options{NoSync: true, CacheBytes: c.cache})
			fill(b, l, 200_000, c.accounts)
			stream := l.Streams()[0].Key
			total := 0
			start := cpu()
			for b.Loop() {
				for h := range 24 {
					from := day0.Add(time.Duration(h) * time.Hour)
					events, err := l.Read(context.Background(), ReadQuery{Stream: stream, From: from, To: from.Add(time.Hour)})
					require.NoError(b, err)
					total += len(events)
				}
			}
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(total), "cpu-ns/event")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/event")
		})
	}
}

// BenchmarkReadSelected reads 100,000 events of a stream for those of one
// identity and operation, as the evidence of an insight is read.
func BenchmarkReadSelected(b *testing.B) {
	l := openTest(b, Options{NoSync: true})
	keep := fill(b, l, 100_000, 1)
	q := ReadQuery{Stream: l.Streams()[0].Key, From: day0, To: day0.Add(24 * time.Hour)}
	e := keep[len(keep)/2]
	filter := fmt.Sprintf("identity=%q operation=%q", e.Actor.Identity, e.Operation)
	for _, c := range []struct{ name, filter string }{{"All", ""}, {"Filter", filter}} {
		b.Run(c.name, func(b *testing.B) {
			q.Filter = c.filter
			for b.Loop() {
				events, err := l.Read(context.Background(), q)
				require.NoError(b, err)
				require.NotEmpty(b, events)
			}
		})
	}
}

// BenchmarkSearch asks for a day of a million events, with a filter and a
// histogram by minute or by value.
func BenchmarkSearch(b *testing.B) {
	l := openTest(b, Options{NoSync: true, CacheBytes: 1})
	keep := fill(b, l, 1_000_000, 3)
	st := l.Stats()
	b.Logf("%d events, %d blocks, %.1f bytes an event, raw %.1f", st.Events, st.Blocks, float64(st.Bytes)/float64(st.Events), float64(st.RawBytes)/float64(st.Events))
	to := day0.Add(24 * time.Hour)
	for _, c := range []struct{ name, filter, by string }{
		{"Volume", `service="ec2.amazonaws.com" outcome="error"`, "operation"},
		{"VolumeRegex", `operation=~"Delete.*|Run.*" identity!~".*person.*"`, "identity"},
		{"VolumeAll", ``, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				_, err := l.Volume(context.Background(), event.VolumeQuery{Filter: c.filter, From: day0, To: to, Step: 5 * time.Minute, By: c.by})
				require.NoError(b, err)
			}
		})
	}
	b.Run("Page", func(b *testing.B) {
		for b.Loop() {
			p, err := l.Events(context.Background(), event.Query{Filter: `outcome="error" access="write"`, From: day0, To: to, Limit: 100, Raw: true})
			require.NoError(b, err)
			require.Len(b, p.Events, 100)
		}
	})
	b.Run("Rare", func(b *testing.B) {
		for b.Loop() {
			_, err := l.Events(context.Background(), event.Query{Filter: `credential="AKIAABSENTABSENT0000"`, From: day0, To: to})
			require.NoError(b, err)
		}
	})
	b.Run("TextAbsent", func(b *testing.B) {
		for b.Loop() {
			_, err := l.Events(context.Background(), event.Query{Filter: `"3f2504e0-4f89-41d3-9a0c-0305e82c3301"`, From: day0, To: to})
			require.NoError(b, err)
		}
	})
	b.Run("Get", func(b *testing.B) {
		i := 0
		for b.Loop() {
			e := keep[i*7919%len(keep)]
			i++
			_, ok, err := l.Get(context.Background(), e.UID)
			require.NoError(b, err)
			require.True(b, ok)
		}
	})
	b.Run("GetCold", func(b *testing.B) {
		i := 0
		for b.Loop() {
			l.seen.Reset()
			e := keep[i*7919%len(keep)]
			i++
			_, ok, err := l.Get(context.Background(), e.UID)
			require.NoError(b, err)
			require.True(b, ok)
		}
	})
	b.Run("GetAbsent", func(b *testing.B) {
		for b.Loop() {
			_, ok, err := l.Get(context.Background(), "3f2504e0-4f89-41d3-9a0c-0305e82c3301")
			require.NoError(b, err)
			require.False(b, ok)
		}
	})
}
