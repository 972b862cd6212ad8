package eventlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

var ctx = context.Background()

// inOrder sorts events as Read returns them.
func inOrder(events []event.Event, raw bool) []event.Event {
	out := make([]event.Event, len(events))
	for i, e := range events {
		out[i] = stored(e, raw)
	}
	slices.SortFunc(out, func(a, b event.Event) int {
		pa, pb := position{a.Time.UnixNano(), a.UID, keyOf(&a)}, position{b.Time.UnixNano(), b.UID, keyOf(&b)}
		return pa.compare(&pb)
	})
	return out
}

func keyOf(e *event.Event) event.StreamKey {
	return event.StreamKey{Provider: e.Provider, Account: e.Account}
}

// copyDir is what a crash leaves: the files as they are, without Close.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

func requireSame(t testing.TB, want, got []event.Event) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i], got[i], "event %d", i)
	}
}

func TestRoundTrip(t *testing.T) {
	g := newTraffic(1, 3)
	events := g.events(2500, 3*time.Hour)
	// Ids that are no UUIDs, odd times, and fields at their zero values.
	for i := range events[:200] {
		events[i].UID = fmt.Sprintf("%064x", i)
		events[i].Time = events[i].Time.Add(time.Duration(i) * time.Nanosecond)
	}
	events[7] = event.Event{UID: "BARE", Provider: "aws", Account: events[0].Account, Time: events[7].Time}
	events[8].Source.Address, events[8].Source.IP = "AWS Internal", events[7].Source.IP
	events[9].UID = strings.ToUpper(events[9].UID)
	events[10].Resources = []string{"", "a", "a"}
	events[11].Raw = []byte(strings.Repeat("x", 700_000))
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })

	for _, d := range []Durability{Logged, Replayable} {
		dir := t.TempDir()
		l := openTest(t, Options{Dir: dir, BlockEvents: 300, DecoderVersion: 3, EnrichVersion: 9})
		rec, err := l.Append(ctx, events, d)
		require.NoError(t, err)
		require.Equal(t, Receipt{Accepted: len(events)}, rec)
		for i, e := range events {
			require.Equal(t, uint64(i+1), e.Seq)
		}
		check := func(l *Log) {
			t.Helper()
			got, err := l.Read(ctx, ReadQuery{})
			require.NoError(t, err)
			requireSame(t, inOrder(events, false), got)
			some := func(e *event.Event) bool { return e.Access == event.AccessWrite }
			want := inOrder(events, true)
			for i := range want {
				if !some(&want[i]) {
					want[i].Raw = nil
				}
			}
			got, err = l.Read(ctx, ReadQuery{Raw: some})
			require.NoError(t, err)
			requireSame(t, want, got)
			page, err := l.Events(ctx, event.Query{Limit: 5000, Forward: true, Raw: true})
			require.NoError(t, err)
			require.Empty(t, page.Next)
			requireSame(t, inOrder(events, true), page.Events)
			require.Equal(t, uint64(len(events)), l.Stats().Events)
			require.Zero(t, l.Stats().Corruptions)
		}
		check(l)
		require.NoError(t, l.Flush(ctx))
		require.Zero(t, l.Stats().Buffered)
		require.Equal(t, uint32(3), l.hours[l.order[0]].seg.blocks[0].hdr.decoder)
		check(l)
		streams := l.Streams()
		require.NoError(t, l.Verify(ctx))
		require.NoError(t, l.Close())
		l = openTest(t, Options{Dir: dir})
		check(l)
		require.Equal(t, streams, l.Streams())
		require.NoError(t, l.Verify(ctx))
		require.Equal(t, uint64(len(events)), l.Stats().LastSeq)
	}
}

// TestEveryFieldIsKept gives every column a value of its own, so that none can
// stand in for another.
func TestEveryFieldIsKept(t *testing.T) {
	e := event.Event{UID: "uid", Provider: "aws", Account: "account", Time: day0, Received: day0.Add(time.Minute), Raw: []byte("raw"), Resources: []string{"r1", "r2"}}
	for i, c := range stringColumns {
		c.set(&e, fmt.Sprintf("column %d", c.id))
		require.Equal(t, fmt.Sprintf("column %d", c.id), c.get(&e), "%d", i)
	}
	for i, c := range enumColumns {
		c.set(&e, uint8(i+1))
	}
	e.Actor.MFA = true
	e.Source.ASN = 64500
	l := openTest(t, Options{})
	for i := range 2 {
		batch := []event.Event{e}
		batch[0].UID += fmt.Sprint(i)
		_, err := l.Append(ctx, batch, Logged)
		require.NoError(t, err)
		require.Equal(t, batch[0], l.hours[l.order[0]].buf.event(0))
		for range 2 {
			got, ok, err := l.Get(ctx, batch[0].UID)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, batch[0], got)
			require.NoError(t, l.Flush(ctx))
		}
		p, err := parseEvents(appendEvent([]byte{1}, &batch[0]))
		require.NoError(t, err)
		require.Equal(t, batch, p)
	}
	// Whatever is added to Event is either kept or named here.
	unkept := map[string]bool{
		"Late": true, "IP": true, "Name": true, "ARN": true, "PrincipalID": true, "AccountID": true,
		"InvokedBy": true, "Issuer": true, "IDProvider": true, "OnBehalfOf": true, "Console": true,
	}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Name == "Actor" || f.Name == "Source" {
				walk(v.Field(i))
			} else if !unkept[f.Name] && f.Name != "Seq" {
				require.False(t, v.Field(i).IsZero(), "%s is not stored", f.Name)
			}
		}
	}
	walk(reflect.ValueOf(e))
}

func TestAppendCopiesWhatItKeeps(t *testing.T) {
	l := openTest(t, Options{})
	raw := []byte(`{"eventID":"the-id","eventName":"StopLogging"}`)
	e := event.Event{UID: alias(raw[12:18]), Operation: alias(raw[33:44]), Provider: "aws", Account: alias(raw[12:18]), Time: day0, Raw: raw}
	want := e
	want.UID, want.Operation, want.Account, want.Raw = "the-id", "StopLogging", "the-id", slices.Clone(raw)
	_, err := l.Append(ctx, []event.Event{e}, Logged)
	require.NoError(t, err)
	want.Seq = 1
	for i := range raw {
		raw[i] = '#'
	}
	got, ok, err := l.Get(ctx, "the-id")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, want, got)
	require.Equal(t, event.StreamKey{Provider: "aws", Account: "the-id"}, l.Streams()[0].Key)
}

func TestDuplicates(t *testing.T) {
	g := newTraffic(2, 2)
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir, BlockEvents: 100})
	events := g.events(1000, 2*time.Hour)
	batch := append(slices.Clone(events), events[:50]...)
	rec, err := l.Append(ctx, batch, Replayable)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 1000, Duplicates: 50}, rec, "within a batch")
	for _, e := range batch[1000:] {
		require.Zero(t, e.Seq)
	}
	again := func(l *Log, d Durability, what string) {
		t.Helper()
		rec, err := l.Append(ctx, slices.Clone(events), d)
		require.NoError(t, err)
		require.Equal(t, Receipt{Duplicates: 1000}, rec, what)
	}
	again(l, Replayable, "in buffers and blocks")
	again(l, Logged, "not durable yet")
	require.NoError(t, l.Flush(ctx))
	again(l, Logged, "in blocks")

	other := events[0]
	other.Account = "another"
	moved := events[1]
	moved.Time = moved.Time.Add(30 * time.Minute).Add(3 * time.Hour)
	near := events[2]
	near.Time = near.Time.Add(time.Second)
	rec, err = l.Append(ctx, []event.Event{other, moved, near}, Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 1, Duplicates: 2}, rec, "the same id of another account is another event, whatever its time")

	require.NoError(t, l.Close())
	l = openTest(t, Options{Dir: dir, BlockEvents: 100})
	again(l, Logged, "after a restart")
	l.seen.Reset()
	again(l, Logged, "with an empty cache")
	for _, hr := range l.hours {
		hr.filter = nil
	}
	again(l, Replayable, "with filters to load")
	require.Equal(t, uint64(1001), l.Stats().Events)
}

func TestDuplicateIsDurableBeforeItIsAnswered(t *testing.T) {
	g := newTraffic(2, 1)
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir, BlockEvents: 100})
	events := g.events(250, time.Hour)
	// 200 of them are in blocks that were not synced, 50 in memory.
	_, err := l.Append(ctx, slices.Clone(events), Replayable)
	require.NoError(t, err)
	rec, err := l.Append(ctx, slices.Clone(events[100:]), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Duplicates: 150}, rec)

	// A crash of the machine: what was not synced is lost.
	crash := copyDir(t, dir)
	require.NoError(t, os.RemoveAll(filepath.Join(crash, "events")))
	r := openTest(t, Options{Dir: crash})
	got, err := r.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	require.Len(t, got, 150)
	rec, err = r.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 100, Duplicates: 150}, rec)

	// A crash of the process: all is there, and nothing twice.
	r = openTest(t, Options{Dir: copyDir(t, dir)})
	require.Equal(t, uint64(250), r.Stats().Events)
}

// TestAnEventKeepsItsNumberOverACrash delivers an event again, a little different,
// before its original is durable, and after a watermark that covers that: over a
// crash the event stays what the watermark was carried out with.
func TestAnEventKeepsItsNumberOverACrash(t *testing.T) {
	for name, original := range map[string]func(l *Log, events []event.Event){
		"that can be read again": func(l *Log, events []event.Event) {
			_, err := l.Append(ctx, events, Replayable)
			require.NoError(t, err)
		},
		"whose logging failed": func(l *Log, events []event.Event) {
			require.NoError(t, l.events.f.Close())
			_, err := l.Append(ctx, events, Logged)
			require.ErrorIs(t, err, os.ErrClosed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := openTest(t, Options{Dir: dir})
			events := newTraffic(3, 1).events(10, time.Hour)
			original(l, slices.Clone(events))
			covered, err := l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: keyOf(&events[0]), Time: day0.Add(time.Hour)})
			require.NoError(t, err)
			want, err := l.Read(ctx, ReadQuery{MaxSeq: covered, Raw: func(*event.Event) bool { return true }})
			require.NoError(t, err)
			require.Len(t, want, 10)
			for i := range events {
				events[i].Time, events[i].Received = events[i].Time.Add(time.Second), events[i].Received.Add(time.Minute)
				events[i].UserAgent, events[i].Raw = "another", []byte("{}")
			}
			rec, err := l.Append(ctx, events, Logged)
			require.NoError(t, err)
			require.Equal(t, Receipt{Duplicates: 10}, rec)
			require.True(t, l.settled(), "what is logged is durable, whoever had it logged")

			crash := openTest(t, Options{Dir: copyDir(t, dir)})
			got, err := crash.Read(ctx, ReadQuery{MaxSeq: covered, Raw: func(*event.Event) bool { return true }})
			require.NoError(t, err)
			requireSame(t, want, got)
		})
	}
}

func TestConcurrentAppendsStoreEachEventOnce(t *testing.T) {
	g := newTraffic(4, 3)
	events := g.events(6000, 4*time.Hour)
	reg := prometheus.NewRegistry()
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir, BlockEvents: 200, Registerer: reg})
	var wg sync.WaitGroup
	var mtx sync.Mutex
	var accepted int
	seqs := map[uint64]string{}
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			mine := slices.Clone(events)
			r.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			for chunk := range slices.Chunk(mine, 500) {
				rec, err := l.Append(ctx, chunk, Durability(w%2))
				mtx.Lock()
				if err != nil {
					t.Error(err)
				}
				accepted += rec.Accepted
				for _, e := range chunk {
					if e.Seq != 0 {
						if seqs[e.Seq] != "" {
							t.Errorf("number %d was given twice", e.Seq)
						}
						seqs[e.Seq] = e.UID
					}
				}
				mtx.Unlock()
				if w == 3 {
					if err := l.Flush(ctx); err != nil {
						t.Error(err)
					}
				}
				if _, err := l.Read(ctx, ReadQuery{From: day0, To: day0.Add(time.Hour)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, len(events), accepted)
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	require.Len(t, got, len(events))
	for _, e := range got {
		require.Equal(t, seqs[e.Seq], e.UID)
	}
	require.Equal(t, 6000.0, testutil.ToFloat64(l.m.appended))
	require.Equal(t, 18000.0, testutil.ToFloat64(l.m.duplicates))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestControlsAndLate(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	aws := event.StreamKey{Provider: "aws", Account: "1"}
	one := func(uid string, at time.Duration, account string) event.Event {
		return event.Event{UID: uid, Provider: "aws", Account: account, Time: day0.Add(at), Raw: []byte("{}")}
	}
	events := []event.Event{one("a", time.Minute, "1")}
	_, err := l.Append(ctx, events, Logged)
	require.NoError(t, err)
	require.False(t, events[0].Late)
	require.Zero(t, l.Watermark(aws))
	seq, err := l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: aws, Time: day0.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, uint64(2), seq)
	_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlConfig, Data: []byte(`{"a":1}`)})
	require.NoError(t, err)
	events = []event.Event{one("b", time.Minute, "1"), one("c", time.Hour, "1"), one("d", time.Minute, "2"), one("a", time.Minute, "1")}
	rec, err := l.Append(ctx, events, Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 3, Duplicates: 1}, rec)
	require.Equal(t, []bool{true, false, false, false}, []bool{events[0].Late, events[1].Late, events[2].Late, events[3].Late})
	require.Equal(t, []uint64{4, 5, 6, 0}, []uint64{events[0].Seq, events[1].Seq, events[2].Seq, events[3].Seq})

	want := []event.Control{
		{Seq: 2, Kind: event.ControlWatermark, Stream: aws, Time: day0.Add(time.Hour)},
		{Seq: 3, Kind: event.ControlConfig, Data: []byte(`{"a":1}`)},
	}
	require.Equal(t, want, slices.Collect(l.Controls))
	// Read as of the watermark leaves out what came after it.
	got, err := l.Read(ctx, ReadQuery{Stream: aws, To: day0.Add(time.Hour), MaxSeq: seq})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "a", got[0].UID)
	require.Equal(t, 2, l.Count(aws, day0, day0.Add(time.Hour)))

	for _, dir := range []string{copyDir(t, dir), copyDir(t, dir)} {
		for range 2 { // The second time from blocks.
			r := openTest(t, Options{Dir: dir})
			require.Equal(t, want, slices.Collect(r.Controls))
			require.True(t, r.Watermark(aws).Equal(day0.Add(time.Hour)))
			next := []event.Event{one("late", time.Minute, "1")}
			next[0].UID += fmt.Sprint(r.Stats().LastSeq)
			_, err := r.Append(ctx, next, Logged)
			require.NoError(t, err)
			require.True(t, next[0].Late)
			require.Greater(t, next[0].Seq, uint64(6))
			require.NoError(t, r.Close())
		}
	}

	tmp := openTest(t, Options{NoSync: true})
	_, err = tmp.AppendControl(ctx, want[0])
	require.NoError(t, err)
	require.Len(t, slices.Collect(tmp.Controls), 1)
	require.NoDirExists(t, filepath.Join(tmp.o.Dir, "wal"))
	require.NoFileExists(t, filepath.Join(tmp.o.Dir, "LOCK"))
}

func TestControlsSurvivePruning(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	key := event.StreamKey{Provider: "aws", Account: "1"}
	var last uint64
	for i := range 50 {
		seq, err := l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: key, Time: day0.Add(time.Duration(i) * time.Minute)})
		require.NoError(t, err)
		if i%10 == 0 {
			_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlFeedback, Data: []byte(fmt.Sprint(i))})
			require.NoError(t, err)
		}
		last = seq
	}
	_, err := l.control.rotate(day0)
	require.NoError(t, err)
	require.NoError(t, l.pruneControls(last-3))
	got := slices.Collect(l.Controls)
	require.Len(t, got, 5+1+4-0, "what users said, the newest watermark before, and those after")
	require.True(t, slices.IsSortedFunc(got, func(a, b event.Control) int { return int(a.Seq) - int(b.Seq) }))
	// A crash between the new file and the removal of the old.
	require.NoError(t, l.Close())
	files, err := filepath.Glob(filepath.Join(dir, "wal", "control-*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	r := openTest(t, Options{Dir: dir})
	require.Equal(t, got, slices.Collect(r.Controls))
	require.True(t, r.Watermark(key).Equal(day0.Add(49*time.Minute)))
}

func TestOneProcessHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, "stop the other insightd")
	require.NoError(t, l.Close())
	require.NoError(t, l.Close(), "closing twice is harmless")
	openTest(t, Options{Dir: dir})

	_, err = l.Append(ctx, newTraffic(1, 1).events(1, time.Hour), Logged)
	require.ErrorIs(t, err, ErrClosed)
	_, err = l.Read(ctx, ReadQuery{})
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, l.Flush(ctx), ErrClosed)
	_, err = l.AppendControl(ctx, event.Control{Kind: "x"})
	require.ErrorIs(t, err, ErrClosed)
}

func TestBadEvents(t *testing.T) {
	l := openTest(t, Options{})
	_, err := l.Append(ctx, []event.Event{{Provider: "aws", Time: day0}}, Logged)
	require.ErrorContains(t, err, "event 0 of the batch has no uid")
	rec, err := l.Append(ctx, []event.Event{
		{UID: "zero"}, {UID: "far", Time: time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)}, {UID: "ok", Time: day0},
	}, Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 1, TooOld: 2}, rec)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = l.Append(cancelled, []event.Event{{UID: "x", Time: day0}}, Logged)
	require.ErrorIs(t, err, context.Canceled)
	_, err = Open(Options{})
	require.Error(t, err)
	_, err = Open(Options{Dir: t.TempDir(), BlockEvents: 1 << 20})
	require.Error(t, err)
}

func TestBlocksThatCannotBeWrittenAreKeptAndTriedAgain(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir, BlockEvents: 50})
	events := newTraffic(5, 1).events(120, time.Hour)
	// A directory where the segment should be: writing it fails.
	path := segmentPath(dir, hourOf(day0.UnixNano()))
	require.NoError(t, os.MkdirAll(path, 0o750))
	rec, err := l.Append(ctx, slices.Clone(events[:60]), Replayable)
	require.NoError(t, err)
	require.Equal(t, 60, rec.Accepted)
	_, err = l.Append(ctx, slices.Clone(events[60:]), Logged)
	require.ErrorContains(t, err, "takes nothing until it can write")
	require.Error(t, l.Flush(ctx))
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	require.Len(t, got, 60, "questions go on")

	require.NoError(t, os.Remove(path))
	rec, err = l.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 60, Duplicates: 60}, rec)
	require.NoError(t, l.Flush(ctx))
	r := openTest(t, Options{Dir: copyDir(t, dir)})
	require.Equal(t, uint64(120), r.Stats().Events)
}

func TestWriteAheadLogThatFails(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	events := newTraffic(5, 1).events(30, time.Hour)
	_, err := l.Append(ctx, slices.Clone(events[:10]), Logged)
	require.NoError(t, err)
	require.NoError(t, l.events.f.Close())
	batch := slices.Clone(events[10:20])
	_, err = l.Append(ctx, batch, Logged)
	require.Error(t, err)
	require.ErrorIs(t, err, os.ErrClosed)
	require.Zero(t, batch[0].Seq)
	// Sent again it goes to a new file, and is durable though its first copy is
	// in memory already.
	rec, err := l.Append(ctx, slices.Clone(events[10:]), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 10, Duplicates: 10}, rec)
	r := openTest(t, Options{Dir: copyDir(t, dir)})
	require.Equal(t, uint64(30), r.Stats().Events)
	require.Zero(t, r.Stats().Corruptions)
}

func TestWriteAheadLogIsDeletedOnceBlocksAreDurable(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Options{Dir: dir})
	events := newTraffic(5, 1).events(100, time.Hour)
	_, err := l.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	before := l.Stats().WALBytes
	require.Greater(t, before, int64(10_000))
	require.NoError(t, l.Flush(ctx))
	require.Less(t, l.Stats().WALBytes, int64(100))
	files, err := filepath.Glob(filepath.Join(dir, "wal", "events-*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	r := openTest(t, Options{Dir: copyDir(t, dir)})
	require.Equal(t, uint64(100), r.Stats().Events)
}

func TestBufferedBytesStayWithinTheirBound(t *testing.T) {
	const bound = 8 << 20
	l := openTest(t, Options{NoSync: true, MaxBufferedBytes: bound})
	g := newTraffic(6, 2)
	// Sorted by region: every region's days come one after the other, so that
	// two thousand hours are open at once.
	var most int64
	n := 0
	for range 4 {
		for h := range 2000 {
			batch := make([]event.Event, 3)
			for i := range batch {
				batch[i] = g.event(day0.Add(time.Duration(h)*time.Hour + time.Duration(i)*time.Minute))
			}
			_, err := l.Append(ctx, batch, Replayable)
			require.NoError(t, err)
			n += len(batch)
			l.mtx.Lock()
			most = max(most, l.buffered)
			l.mtx.Unlock()
		}
		l.files.mtx.Lock()
		require.LessOrEqual(t, len(l.files.files), maxOpenFiles)
		l.files.mtx.Unlock()
	}
	require.LessOrEqual(t, most, int64(bound))
	require.Greater(t, most, int64(bound/2))
	require.Equal(t, uint64(n), l.Stats().Events)
	require.Equal(t, n, l.Count(event.StreamKey{}, time.Time{}, time.Time{}))
	got, err := l.Read(ctx, ReadQuery{From: day0.Add(700 * time.Hour), To: day0.Add(710 * time.Hour)})
	require.NoError(t, err)
	require.Len(t, got, 4*3*10)
}

func TestManyStreamsAreCutIntoBlocksOfFew(t *testing.T) {
	l := openTest(t, Options{NoSync: true, BlockEvents: 100})
	g := newTraffic(6, 400)
	events := g.events(6000, time.Hour)
	_, err := l.Append(ctx, events, Replayable)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	key := keyOf(&events[17])
	n := 0
	for _, m := range l.hours[l.order[0]].seg.blocks {
		require.LessOrEqual(t, m.hdr.rows, 100)
		if m.hdr.run(l.stream(key).id) != nil {
			n++
		}
	}
	require.LessOrEqual(t, n, 12, "a stream is in few of the %d blocks", l.Stats().Blocks)
	got, err := l.Read(ctx, ReadQuery{Stream: key})
	require.NoError(t, err)
	requireSame(t, slices.DeleteFunc(inOrder(events, false), func(e event.Event) bool { return keyOf(&e) != key }), got)
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	now := day0.Add(10 * time.Hour)
	o := Options{Dir: dir, Retention: 5 * time.Hour, Now: func() time.Time { return now }}
	l := openTest(t, o)
	g := newTraffic(7, 2)
	events := g.events(1000, 10*time.Hour)
	rec, err := l.Append(ctx, slices.Clone(events), Logged)
	require.NoError(t, err)
	require.Equal(t, 500, rec.TooOld)
	require.Equal(t, 500, rec.Accepted)
	require.NoError(t, l.Flush(ctx))
	now = now.Add(2 * time.Hour)
	require.NoError(t, l.maintain(now))
	require.Equal(t, 3, l.Stats().Segments)
	require.Equal(t, uint64(300), l.Stats().Events)
	require.True(t, l.Stats().Oldest.Equal(day0.Add(7*time.Hour)), l.Stats().Oldest)
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	require.Len(t, got, 300)
	require.NoDirExists(t, filepath.Dir(segmentPath(dir, hourOf(day0.UnixNano())))+"/05.seg")
	require.Equal(t, 2.0, testutil.ToFloat64(l.m.deleted.WithLabelValues("time")))
	require.NoError(t, l.Close())

	o.Retention, o.MaxBytes = 0, l.Stats().Bytes*2/3+1000
	l = openTest(t, o)
	require.NoError(t, l.maintain(now))
	require.Equal(t, 2, l.Stats().Segments)
	// What was deleted is not taken in again, after a restart either.
	for range 2 {
		rec, err = l.Append(ctx, slices.Clone(events[700:]), Logged)
		require.NoError(t, err)
		require.Equal(t, Receipt{Duplicates: 200, TooOld: 100}, rec)
		require.NoError(t, l.Close())
		l = openTest(t, o)
	}
}

// TestDeletedFilesAreClosed reads a segment when it is about to be deleted.
func TestDeletedFilesAreClosed(t *testing.T) {
	now := day0.Add(2 * time.Hour)
	var l *Log
	var err error
	l = openTest(t, Options{Retention: 5 * time.Hour, Now: func() time.Time { return now }, tap: func(op diskOp, do func() error) error {
		if op.kind == diskRemove && strings.HasSuffix(op.path, segmentSuffix) {
			err = l.files.use(op.path, func(*os.File) error { return nil })
		}
		return do()
	}})
	_, aerr := l.Append(ctx, newTraffic(7, 2).events(100, 2*time.Hour), Logged)
	require.NoError(t, aerr)
	require.NoError(t, l.Flush(ctx))
	now = now.Add(4 * time.Hour)
	require.NoError(t, l.maintain(now))
	require.NoError(t, err)
	require.Equal(t, 1, l.Stats().Segments)
	l.files.mtx.Lock()
	defer l.files.mtx.Unlock()
	require.Len(t, l.files.files, 1)
}

func TestMaintainSealsAndFlushes(t *testing.T) {
	dir := t.TempDir()
	now := day0
	l := openTest(t, Options{Dir: dir, Now: func() time.Time { return now }})
	_, err := l.Append(ctx, newTraffic(7, 2).events(100, time.Hour), Logged)
	require.NoError(t, err)
	require.NoError(t, l.maintain(now))
	require.Equal(t, 100, l.Stats().Buffered)
	now = now.Add(2 * time.Hour)
	require.NoError(t, l.maintain(now))
	require.Zero(t, l.Stats().Buffered, "an old write-ahead log is flushed")
	idx := indexPath(segmentPath(dir, hourOf(day0.UnixNano())))
	require.NoFileExists(t, idx)
	now = now.Add(time.Hour)
	require.NoError(t, l.maintain(now))
	require.FileExists(t, idx)
}

func TestSmallBlocksAreMerged(t *testing.T) {
	dir := t.TempDir()
	now := day0
	l := openTest(t, Options{Dir: dir, BlockEvents: 200, Now: func() time.Time { return now }, EnrichVersion: 4})
	events := newTraffic(8, 2).events(1000, time.Hour)
	for chunk := range slices.Chunk(events, 30) {
		_, err := l.Append(ctx, chunk, Replayable)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))
	}
	before := l.Stats()
	require.Equal(t, 34, before.Blocks)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { // Readers notice nothing.
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := l.Read(ctx, ReadQuery{})
				if err != nil || len(got) != 1000 {
					t.Errorf("%d events, %v", len(got), err)
					return
				}
			}
		})
	}
	now = now.Add(3 * time.Hour)
	require.NoError(t, l.maintain(now))
	close(stop)
	wg.Wait()
	after := l.Stats()
	require.LessOrEqual(t, after.Blocks, 5)
	require.Less(t, after.Bytes, before.Bytes*9/10)
	require.Equal(t, before.Events, after.Events)
	require.Zero(t, after.Corruptions)
	require.NoError(t, l.Verify(ctx))
	require.Equal(t, uint32(4), l.hours[l.order[0]].seg.blocks[0].hdr.enrich)
	rec, err := l.Append(ctx, append(slices.Clone(events), newTraffic(9, 1).events(10, time.Hour)...), Logged)
	require.NoError(t, err)
	require.Equal(t, Receipt{Accepted: 10, Duplicates: 1000}, rec)
	crash := openTest(t, Options{Dir: copyDir(t, dir)})
	require.Equal(t, uint64(1010), crash.Stats().Events)
	page, err := crash.Events(ctx, event.Query{Forward: true, Raw: true, Limit: 2000})
	require.NoError(t, err)
	want := map[string]event.Event{}
	for _, e := range events {
		want[e.UID] = stored(e, true)
	}
	n := 0
	for _, e := range page.Events {
		if w, ok := want[e.UID]; ok {
			require.Equal(t, w, e)
			n++
		}
	}
	require.Equal(t, 1000, n)
}
