package eventlog

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// TestSlowDiskHoldsUpWhoAsksIt lets nothing be read from segments for a while:
// an Append that has to look into blocks waits, and everybody else goes on.
func TestSlowDiskHoldsUpWhoAsksIt(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	g := newTraffic(61, 1)
	events := g.events(300, 50*time.Minute)
	_, err := l.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	crash := copyDir(t, dir)

	for name, open := range map[string]func() *Log{
		"a duplicate":       func() *Log { return l },
		"the ids of blocks": func() *Log { return openTest(t, Options{Dir: crash}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := open()
			l.cache.forget(l.hours[l.order[0]].seg.blocks)
			var slow atomic.Bool
			asked, gate := make(chan struct{}, 100), make(chan struct{})
			slow.Store(true)
			l.mtx.Lock()
			l.disk.reading = func(string) {
				if slow.Load() {
					asked <- struct{}{}
					<-gate
				}
			}
			l.mtx.Unlock()
			type result struct {
				r   Receipt
				err error
			}
			done := make(chan result, 1)
			go func() {
				r, err := l.Append(ctx, slices.Clone(events), Logged)
				done <- result{r, err}
			}()
			<-asked
			// The disk stands still, in the middle of that Append.
			later := []event.Event{g.event(day0.Add(5 * time.Hour))}
			rec, err := l.Append(ctx, later, Logged)
			require.NoError(t, err)
			require.Equal(t, 1, rec.Accepted)
			require.NotZero(t, l.LastSeq())
			got, err := l.Read(ctx, ReadQuery{From: day0.Add(4 * time.Hour)})
			require.NoError(t, err)
			require.NotEmpty(t, got)
			select {
			case r := <-done:
				t.Fatalf("it did not wait: %v", r)
			default:
			}
			slow.Store(false)
			close(gate)
			r := <-done
			require.NoError(t, r.err)
			require.Equal(t, Receipt{Duplicates: 300}, r.r)
		})
	}
}

// TestRecoveredEventsTakeNoMoreFiltersThanTheyMay restores events of many hours, as
// recovery and decoding anew do.
func TestRecoveredEventsTakeNoMoreFiltersThanTheyMay(t *testing.T) {
	const most = 32 << 10
	l := openTest(t, Options{NoSync: true, BlockEvents: 50, DedupBytes: 2 * most})
	g := newTraffic(5, 1)
	for h := range 100 {
		batch := g.events(50, 30*time.Minute)
		for i := range batch {
			batch[i].Time = batch[i].Time.Add(time.Duration(h) * time.Hour)
			batch[i].Seq = uint64(h*50 + i + 1)
		}
		n, err := l.restore(batch)
		require.NoError(t, err)
		require.Equal(t, 50, n)
	}
	require.Equal(t, 100, l.Stats().Blocks)
	require.LessOrEqual(t, l.filters, int64(most))
}

// TestBatchOfManyHoursReadsEachFilterOnce appends a batch whose hours have more filters
// than memory holds, while others append: the disk is read as often as there are
// filters, and never while everybody waits.
func TestBatchOfManyHoursReadsEachFilterOnce(t *testing.T) {
	const hours, rows = 24, 50
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, BlockEvents: rows})
	require.NoError(t, err)
	g := newTraffic(5, 1)
	var stored []event.Event
	for h := range hours {
		batch := g.events(rows, 30*time.Minute)
		for i := range batch {
			batch[i].Time = batch[i].Time.Add(time.Duration(h) * time.Hour)
		}
		_, err := l.Append(ctx, batch, Logged)
		require.NoError(t, err)
		stored = append(stored, batch[0])
	}
	require.NoError(t, l.Close())
	third := int64(8*len(newFine(rows))) * hours / 3
	l = openTest(t, Options{Dir: dir, BlockEvents: rows, CacheBytes: 1, DedupBytes: int(2 * third)})
	var reads, under int
	others := day0.Add(100 * time.Hour)
	hook := func(string) {
		if !l.mtx.TryLock() {
			under++
			return
		}
		l.mtx.Unlock()
		reads++
		for range 2 * filterGrace {
			others = others.Add(time.Hour)
			if _, err := l.Append(ctx, []event.Event{g.event(others)}, Replayable); err != nil {
				t.Error(err)
			}
		}
	}
	l.mtx.Lock()
	l.disk.reading = hook
	l.mtx.Unlock()
	var batch []event.Event
	for h := range hours {
		batch = append(batch, g.event(day0.Add(time.Duration(h)*time.Hour+10*time.Minute)))
	}
	r, err := l.Append(ctx, batch, Replayable)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: hours}, r)
	require.Zero(t, under)
	require.Equal(t, hours, reads)
	require.LessOrEqual(t, l.filters, third+int64(8*len(newFine(rows))))

	// What was stored is found all the same.
	r, err = l.Append(ctx, stored, Replayable)
	require.NoError(t, err)
	require.Equal(t, Receipt{Duplicates: hours}, r)
	require.Zero(t, under)
}

// TestTimesThatDiffer delivers events again with another time.
func TestTimesThatDiffer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	o := Options{Dir: dir, BlockEvents: 50}
	l := openTest(t, o)
	events := newTraffic(62, 2).events(400, 4*time.Hour)
	_, err := l.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	moved := func(by time.Duration) []event.Event {
		out := slices.Clone(events)
		for i := range out {
			if out[i].Time = out[i].Time.Add(by); i%2 == 0 {
				out[i].Time = events[i].Time.Add(-by)
			}
		}
		return out
	}
	check := func(by time.Duration) {
		t.Helper()
		rec, err := l.Append(ctx, moved(by), Logged)
		require.NoError(t, err)
		require.Equal(t, Receipt{Duplicates: 400}, rec)
	}
	for _, by := range []time.Duration{time.Second, 59 * time.Second, time.Minute, 10 * time.Minute, 3 * time.Hour} {
		check(by) // In buffers and blocks; the cache knows all of them.
	}
	require.NoError(t, l.Flush(ctx))
	check(3 * time.Hour)
	l.seen.Reset()
	for _, by := range []time.Duration{time.Second, 59 * time.Second, time.Minute} {
		check(by) // The cache knows none.
	}
	require.NoError(t, l.Close())
	l = openTest(t, o)
	for _, by := range []time.Duration{time.Second, 59 * time.Second, time.Minute} {
		check(by)
	}
	require.Equal(t, uint64(400), l.Stats().Events)
}

// TestTimesFarAheadThatDiffer delivers an event of the last year that the log keeps
// again, with another time that the cache knows it under.
func TestTimesFarAheadThatDiffer(t *testing.T) {
	l := openTest(t, Options{})
	e := newTraffic(3, 1).event(time.Date(2261, 12, 31, 23, 10, 0, 0, time.UTC))
	_, err := l.Append(ctx, []event.Event{e}, Logged)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	for _, by := range []time.Duration{10 * time.Minute, 49*time.Minute + 59*time.Second, -1000 * time.Hour} {
		again := e
		again.Time = e.Time.Add(by)
		r, err := l.Append(ctx, []event.Event{again}, Logged)
		require.NoError(t, err)
		require.Equal(t, Receipt{Duplicates: 1}, r)
	}
}

// TestFiltersTakeNoMoreMemoryThanTheyMay appends what is near to two hours, whose
// filters take more memory than there is: what each batch asks stays, since making it
// anew reads ids from the disk, and what nobody asks goes, and comes back.
func TestFiltersTakeNoMoreMemoryThanTheyMay(t *testing.T) {
	l := openTest(t, Options{BlockEvents: 50, DedupBytes: 2})
	put := func(n int, from time.Time, uid string) Receipt {
		events := newTraffic(63, 1).events(n, time.Minute)
		for i := range events {
			events[i].Time, events[i].UID = from.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("%s-%d", uid, i)
		}
		r, err := l.Append(ctx, events, Logged)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))
		return r
	}
	loaded := func(hr *hourState) (n int) {
		for _, lv := range hr.filter.levels {
			n += int(bit(lv.ids != nil))
		}
		return n
	}
	bytes := func() (n int64) {
		for _, hr := range l.hours {
			if hr.filter != nil {
				for _, lv := range hr.filter.levels {
					n += lv.bytes()
				}
			}
		}
		return n
	}
	turn := day0.Add(time.Hour)
	put(200, turn.Add(-30*time.Second), "before")
	put(200, turn.Add(10*time.Second), "after")
	put(1, turn.Add(20*time.Second), "once")
	before, after := l.hours[hourOf(turn.UnixNano())-1], l.hours[hourOf(turn.UnixNano())]
	for i := range 5 * filterGrace {
		require.Equal(t, Receipt{Accepted: 1}, put(1, turn.Add(20*time.Second), fmt.Sprint("more-", i)))
		require.Equal(t, Receipt{Duplicates: 200}, put(200, turn.Add(-30*time.Second), "before"))
		require.Equal(t, Receipt{Duplicates: 1}, put(1, turn.Add(20*time.Second), "once"))
		require.Len(t, before.filter.levels, 1)
		require.Len(t, after.filter.levels, 1, "what is asked stays")
		require.Equal(t, 2, loaded(before)+loaded(after))
		require.Equal(t, bytes(), l.filters)
	}
	for i := range 2 * filterGrace {
		put(1, turn.Add(time.Duration(i)*time.Hour+30*time.Minute), fmt.Sprint("later-", i))
	}
	require.Zero(t, loaded(before)+loaded(after), "what nobody asks goes")
	require.Equal(t, bytes(), l.filters)
	require.Equal(t, Receipt{Accepted: 1}, put(1, turn.Add(20*time.Second), "new"))
	require.Equal(t, Receipt{Duplicates: 200}, put(200, turn.Add(-30*time.Second), "before"))
	require.Equal(t, Receipt{Duplicates: 200}, put(200, turn.Add(10*time.Second), "after"))
	require.Equal(t, Receipt{Duplicates: 1}, put(1, turn.Add(20*time.Second), "once"))
	require.Equal(t, bytes(), l.filters)
}
