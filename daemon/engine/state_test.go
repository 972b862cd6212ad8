package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
)

// reach moves every stream to a time.
func (l *line) reach(t *testing.T, to time.Time) {
	t.Helper()
	require.NoError(t, l.engine.move(context.Background(), func(*stream) (time.Time, bool) { return to, true }))
}

// restart begins again with what is in the log and in the snapshots.
func (l *line) restart(t *testing.T) {
	t.Helper()
	again, err := New(l.engine.o)
	require.NoError(t, err)
	require.NoError(t, again.Restore(context.Background()))
	l.engine = again
}

func TestStateSurvivesWriting(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, append(office(9), attacks()...))
	at := epoch.Add(6*24*time.Hour + 14*time.Hour)
	for _, to := range []time.Duration{-24 * time.Hour, 5 * time.Minute, 4*time.Hour + 6*time.Minute, 30*time.Hour + 7*time.Minute} {
		l.reach(t, at.Add(to))
		s := l.engine.list()[0]
		var first, second bytes.Buffer
		require.NoError(t, s.encode(&first, []pushed{{"client", at}}))
		again, pushes, err := decode(bytes.NewReader(first.Bytes()), &l.engine.o)
		require.NoError(t, err)
		require.Equal(t, []pushed{{"client", at}}, pushes)
		require.NoError(t, again.encode(&second, pushes))
		require.Equal(t, first.Bytes(), second.Bytes())
		require.Len(t, again.episodes, len(s.episodes))
		require.Len(t, again.slots, len(s.slots))
		require.Equal(t, s.live, again.live)
	}
	require.NotEmpty(t, l.engine.list()[0].told)
}

func TestStateThatIsCutIsRefused(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, office(2))
	l.reach(t, epoch.Add(40*time.Hour))
	var b bytes.Buffer
	require.NoError(t, l.engine.list()[0].encode(&b, nil))
	for n := 0; n < b.Len(); n += max(97, b.Len()/300) {
		_, _, err := decode(bytes.NewReader(b.Bytes()[:n]), &l.engine.o)
		require.Error(t, err, "cut to %d of %d bytes", n, b.Len())
	}
}

// TestRestartsChangeNothing restarts at random moments, each time from a
// snapshot that is some records old, and compares what was found in the end.
func TestRestartsChangeNothing(t *testing.T) {
	events := append(office(9), attacks()...)
	undisturbed := newLine(t, nil)
	undisturbed.deliver(t, events)
	require.NoError(t, undisturbed.engine.Finish(context.Background()))
	want := undisturbed.finals(t)
	require.NotEmpty(t, want)

	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 7))
		now := epoch
		l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
		next := 0
		for now.Before(epoch.Add(10 * 24 * time.Hour)) {
			now = now.Add(time.Duration(20+r.IntN(200)) * time.Minute)
			to := next
			for to < len(events) && events[to].Time.Before(now) {
				to++
			}
			batch := slices.Clone(events[next:to])
			r.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
			l.deliver(t, batch)
			next = to
			require.NoError(t, l.engine.Advance(context.Background()))
			require.NoError(t, l.engine.Preview(context.Background()))
			if r.IntN(4) == 0 {
				// Sometimes the newest snapshot is lost as well.
				if r.IntN(2) == 0 {
					if kept := snapshotsOf(l.engine.o.StateDir, l.engine.list()[0].key); len(kept) > 1 {
						require.NoError(t, os.Remove(filepath.Join(l.engine.o.StateDir, kept[0])))
					}
				}
				l.restart(t)
			}
		}
		require.Equal(t, want, l.finals(t), "seed %d", seed)
	}
}

// finals are the final records, which do not depend on when what arrived: of the
// newest revision, without its number and what it supersedes.
func (l *line) finals(t *testing.T) string {
	t.Helper()
	var out []byte
	for _, in := range l.insights(t) {
		if in.State == insight.StateWithdrawn {
			continue
		}
		if in.Type == insight.TypeLogGap && in.State == insight.StateStart {
			continue // The silence after the last event: a line that is finished does not wait.
		}
		require.False(t, in.Provisional, in.ID)
		for _, r := range l.store.Records(in.ID) {
			if r.InsightDetails.Revision != in.Revision {
				continue
			}
			r.InsightDetails.Revision, r.InsightDetails.Supersedes = 0, ""
			b, err := json.Marshal(r)
			require.NoError(t, err)
			out = append(append(out, b...), '\n')
		}
	}
	return string(out)
}

// unreadable is a snapshot with a right checksum, of which a part is not there.
func unreadable(t *testing.T, b []byte) []byte {
	t.Helper()
	body, err := io.ReadAll(s2.NewReader(bytes.NewReader(b[snapshotHeader : len(b)-4])))
	require.NoError(t, err)
	out := bytes.NewBuffer(slices.Clone(b[:snapshotHeader]))
	w := s2.NewWriter(out)
	_, err = w.Write(body[:len(body)*2/3])
	require.NoError(t, errors.Join(err, w.Close()))
	return binary.LittleEndian.AppendUint32(out.Bytes(), crc32.Checksum(out.Bytes(), castagnoli))
}

func TestADamagedSnapshotIsToldAndDoneWithout(t *testing.T) {
	events := append(office(9), attacks()...)
	want := ""
	for _, harm := range []func(name string, b []byte) []byte{
		nil,
		func(_ string, b []byte) []byte { b[len(b)/2] ^= 4; return b },
		func(_ string, b []byte) []byte { return b[:len(b)/3] },
		func(_ string, b []byte) []byte { return nil },
		func(_ string, b []byte) []byte { return unreadable(t, b) },
	} {
		l := newLine(t, nil)
		l.deliver(t, events)
		l.reach(t, epoch.Add(158*time.Hour))
		l.engine.list()[0].snapshot.at = time.Time{}
		l.reach(t, epoch.Add(159*time.Hour))
		dir := l.engine.o.StateDir
		if harm != nil {
			kept := snapshotsOf(dir, l.engine.list()[0].key)
			require.Len(t, kept, 2)
			for _, name := range kept {
				b, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), harm(name, b), 0o600))
			}
			require.Empty(t, Lost(l.log, dir, l.engine.o.Logger), "the records are all there")
			require.NoError(t, writeThinned(dir, 1<<40))
			require.Equal(t, []event.StreamKey{l.engine.list()[0].key}, Lost(l.log, dir, l.engine.o.Logger))
		} else {
			require.NoError(t, writeThinned(dir, 1<<40))
			require.Empty(t, Lost(l.log, dir, l.engine.o.Logger))
		}
		l.restart(t)
		require.NoError(t, l.engine.Finish(context.Background()))
		if got := l.records(t); want == "" {
			want = got
		} else {
			require.Equal(t, want, got)
		}
	}
	require.NotEmpty(t, want)
}

// crowded is a store that has no room for a while.
type crowded struct {
	Insights
	full bool
}

// Put makes crowded an Insights.
func (c *crowded) Put(in insight.Insight) (bool, error) {
	if c.full {
		return false, errors.New("no room")
	}
	return c.Insights.Put(in)
}

// TestInsightsWaitForRoom has a store without room while an attack begins and ends: the
// line waits, and a stream that ends meanwhile says it again.
func TestInsightsWaitForRoom(t *testing.T) {
	same := newLine(t, nil)
	same.deliver(t, append(office(9), attacks()...))
	require.NoError(t, same.engine.Finish(context.Background()))
	want := same.finals(t)
	require.NotEmpty(t, want)

	at := epoch.Add(6*24*time.Hour + 14*time.Hour)
	for _, restarted := range []bool{false, true} {
		var c *crowded
		l := newLine(t, func(o *Options) { c = &crowded{Insights: o.Insights}; o.Insights = c })
		l.deliver(t, append(office(9), attacks()...))
		l.reach(t, at)
		c.full = true
		to := func(*stream) (time.Time, bool) { return at.Add(3 * time.Hour), true }
		for range 2 {
			require.ErrorContains(t, l.engine.move(context.Background(), to), "no room")
		}
		require.NotEmpty(t, l.engine.list()[0].unkept)
		require.Empty(t, l.insights(t))
		if restarted {
			require.NoError(t, l.engine.Close())
			c.full = false
			l.restart(t)
			require.NotEmpty(t, l.insights(t))
		}
		c.full = false
		l.reach(t, at.Add(3*time.Hour)) // The record that was due.
		require.Empty(t, l.engine.list()[0].unkept)
		require.NoError(t, l.engine.Finish(context.Background()))
		require.Equal(t, want, l.finals(t), restarted)
	}
}

// TestWhatCanNeverBeKeptHoldsNothingUp puts an insight without an id.
func TestWhatCanNeverBeKeptHoldsNothingUp(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, office(1))
	s := l.engine.list()[0]
	s.put(insight.Insight{})
	require.Empty(t, s.unkept)
}

// unsettled is a log that cannot settle for some calls.
type unsettled struct {
	Log
	fail, calls int
}

// Settle makes unsettled a Log.
func (u *unsettled) Settle(ctx context.Context) error {
	u.calls++
	if u.calls == u.fail {
		return errors.New("no room")
	}
	return u.Log.Settle(ctx)
}

// TestARecordIsCarriedOutOnASettledLogOnly fails to settle behind a record that
// is written, and moves on with that record due.
func TestARecordIsCarriedOutOnASettledLogOnly(t *testing.T) {
	u := &unsettled{fail: 2}
	l := newLine(t, func(o *Options) { u.Log = o.Log; o.Log = u })
	l.deliver(t, office(2))
	to := func(*stream) (time.Time, bool) { return epoch.Add(40 * time.Hour), true }
	require.ErrorContains(t, l.engine.move(context.Background(), to), "no room")
	s := l.engine.list()[0]
	require.True(t, s.position.due())
	require.False(t, s.begun, "nothing was carried out")
	require.NoError(t, l.engine.move(context.Background(), to))
	require.Equal(t, 3, u.calls, "it settled before it went on")
	require.False(t, s.position.due())
}

// harmed is a log of which one account's events cannot be read.
type harmed struct {
	Log
	account string
}

func (h *harmed) Read(ctx context.Context, q eventlog.ReadQuery) ([]event.Event, error) {
	if q.Stream.Account == h.account {
		return nil, errors.New("a block is harmed")
	}
	return h.Log.Read(ctx, q)
}

func TestAStreamThatCannotMoveHoldsNoOther(t *testing.T) {
	l := newLine(t, func(o *Options) { o.Log, o.SliceEvents = &harmed{o.Log, "000000000000"}, 10 })
	events := office(3)
	other := slices.Clone(events[:10])
	for i := range other {
		other[i].Account = "000000000000"
	}
	l.deliver(t, slices.Concat(events, other))
	require.ErrorContains(t, l.engine.Finish(context.Background()), "a block is harmed")
	first, second := l.engine.list()[0], l.engine.list()[1]
	require.True(t, first.position.due())
	require.False(t, second.position.due())
	require.Equal(t, uint64(len(events)), second.events)
}
