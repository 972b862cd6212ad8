package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
)

// nightly is a burst of the backup at the same hour of a day.
func nightly(day, n int) []event.Event {
	at := epoch.Add(time.Duration(day)*24*time.Hour + 14*time.Hour)
	return burst(fmt.Sprintf("n%d-", day), at, 10*time.Minute, n, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
}

// moved has events come from another address.
func moved(events []event.Event, address, country string) []event.Event {
	for i := range events {
		events[i].Source = event.Source{Address: address, IP: netip.MustParseAddr(address), Country: country}
	}
	return events
}

// ofDay is the call-rate insight of a day's burst.
func (l *line) ofDay(t *testing.T, day int) insight.Insight {
	t.Helper()
	for _, in := range l.rates(t) {
		if in.State != insight.StateWithdrawn && int(in.Start.Sub(epoch).Hours()/24) == day {
			return in
		}
	}
	require.Fail(t, "nothing was raised", "day %d", day)
	return insight.Insight{}
}

func (l *line) give(t *testing.T, id string, verdict insight.Judgement, note string) insight.Feedback {
	t.Helper()
	f, err := l.store.Review(id, verdict, note)
	require.NoError(t, err)
	f.By = "anna"
	f, err = l.engine.GiveFeedback(context.Background(), f)
	require.NoError(t, err)
	require.Equal(t, insight.FeedbackInForce, f.State)
	return f
}

func (l *line) undo(t *testing.T, id string) {
	t.Helper()
	f, err := l.engine.UndoFeedback(context.Background(), id, "ben")
	require.NoError(t, err)
	require.Equal(t, insight.FeedbackUndone, f.State)
	require.Equal(t, "ben", f.UndoneBy)
}

func midnight(day int) time.Time { return epoch.Add(time.Duration(day) * 24 * time.Hour) }

// weeks is an account with a burst of the backup on several days: the same at
// first, then a larger one, and one from elsewhere.
func weeks() []event.Event {
	return slices.Concat(office(15), nightly(6, 300), nightly(7, 290), nightly(8, 310), nightly(9, 1200), moved(nightly(10, 1200), "198.51.100.7", "DE"))
}

// reviewed runs those weeks, with what a user says in between.
func reviewed(t *testing.T, l *line, between func()) (first, second insight.Feedback) {
	l.deliver(t, weeks())
	l.reach(t, midnight(7))
	first = l.give(t, l.ofDay(t, 6).ID, insight.Down, "the new backup")
	between() // It was not heard yet.
	l.reach(t, midnight(7))
	between()
	l.reach(t, midnight(7).Add(14*time.Hour+8*time.Minute))
	require.Equal(t, insight.StateStart, l.ofDay(t, 7).State)
	require.NotEmpty(t, l.ofDay(t, 7).Suppressed)
	between()
	l.reach(t, midnight(8))
	l.undo(t, first.Insight)
	l.reach(t, midnight(8))
	between()
	l.reach(t, midnight(9))
	second = l.give(t, l.ofDay(t, 8).ID, insight.Down, "")
	l.reach(t, midnight(10))
	l.give(t, l.ofDay(t, 9).ID, insight.Up, "")
	between()
	require.NoError(t, l.engine.Finish(context.Background()))
	return first, second
}

func TestWhatIsConfirmedStaysQuietWithinItsEnvelope(t *testing.T) {
	l := newLine(t, nil)
	f, second := reviewed(t, l, func() {})
	require.Equal(t, midnight(7), f.From)
	require.Equal(t, insight.Envelope{
		InsightType: insight.TypeAPICallRate, Region: "eu-central-1", Identity: "arn:aws:iam::111111111111:user/backup",
		Object: "s3.amazonaws.com:PutBucketTagging", Count: f.Envelope.Count,
		Extent: insight.Extent{Networks: []string{"203.0.113.0/24"}, Countries: []string{"DE"}, Peak: f.Envelope.Peak},
	}, *f.Envelope)
	require.InDelta(t, 31, f.Envelope.Peak, 1)
	require.InDelta(t, 302, f.Envelope.Count, 2)

	// The insight that was reviewed was over: nothing else is said of it.
	require.Empty(t, l.ofDay(t, 6).Suppressed)
	envelope := func(in insight.Insight) string {
		for _, r := range in.Reasons {
			if r.Feature == "envelope" {
				return r.Text
			}
		}
		return ""
	}
	same := l.ofDay(t, 7)
	require.Equal(t, "confirmed normal by anna on 2026-05-01: feedback "+f.ID, same.Suppressed)
	require.Equal(t, f.ID, same.ConfirmedBy)
	require.Equal(t, same.Suppressed, same.Alert.Reason)
	require.Equal(t, insight.StateEnd, same.State)
	larger, elsewhere := l.ofDay(t, 9), l.ofDay(t, 10)
	require.Empty(t, larger.Suppressed)
	require.Contains(t, envelope(larger), "beyond what anna confirmed normal on 2026-05-01 (feedback "+second.ID+"): ")
	require.Contains(t, envelope(larger), " in a minute, where 3")
	require.Empty(t, elsewhere.Suppressed)
	require.Contains(t, envelope(elsewhere), "network 198.51.100.0/24, where 203.0.113.0/24 was confirmed")
	again := l.ofDay(t, 8)
	require.Empty(t, again.Suppressed, "it was taken back")
	require.Empty(t, envelope(again))

	list := l.engine.Feedback(f.Insight)
	require.Len(t, list, 1)
	require.Equal(t, insight.FeedbackUndone, list[0].State)
	s := l.engine.list()[0]
	require.Equal(t, uint64(1), s.reviews.swallowed)
	up, down := s.countThumbs(insight.TypeAPICallRate)
	require.Equal(t, [2]int{1, 1}, [2]int{up, down})
	up, down = s.countThumbs(insight.TypeAk)
	require.Equal(t, [2]int{}, [2]int{up, down})
	require.Positive(t, s.reviews.thumbs[0].score)
	require.Equal(t, 1, s.reviews.thumbs[1].agreeing, "the key's insight of the same burst")
}

// TestAStreamThatBeginsAgainHearsWhatWasSaidOfIt says something of an account of which
// the log holds nothing any more, but the store an insight.
func TestAStreamThatBeginsAgainHearsWhatWasSaidOfIt(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		l := newLine(t, nil)
		l.deliver(t, append(office(9), attacks()...))
		require.NoError(t, l.engine.Finish(context.Background()))
		f, err := l.store.Review(l.rates(t)[0].ID, insight.Down, "")
		require.NoError(t, err)
		f.By = "anna"

		later := newLine(t, nil)
		f, err = later.engine.GiveFeedback(context.Background(), f)
		require.NoError(t, err)
		if restarted {
			later.restart(t)
		}
		later.deliver(t, office(2))
		require.NoError(t, later.engine.Finish(context.Background()))
		require.NotNil(t, later.engine.list()[0].reviews.byID(f.ID), "restarted %v", restarted)
	}
}

// TestFeedbackIsRepeated restarts, with and without snapshots and thinned records,
// rebuilds, and makes the stream anew in shadow: the records stay the same.
func TestFeedbackIsRepeated(t *testing.T) {
	l := newLine(t, nil)
	reviewed(t, l, func() {})
	want, state := l.finals(t), encoded(t, l)
	require.Contains(t, want, "confirmed normal by anna")
	again := func(edit func(*Options)) *line {
		store, err := insight.Open(insight.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		o := l.engine.o
		o.Insights, o.StateDir = store, t.TempDir()
		if edit != nil {
			edit(&o)
		}
		e, err := New(o)
		require.NoError(t, err)
		return &line{l.log, e, store}
	}
	ctx := context.Background()

	repeated := again(nil)
	require.NoError(t, repeated.engine.Restore(ctx))
	require.Equal(t, want, repeated.finals(t))
	require.Equal(t, state, encoded(t, repeated))
	require.Equal(t, l.engine.Feedback(l.ofDay(t, 6).ID), repeated.engine.Feedback(l.ofDay(t, 6).ID))

	rebuilt := again(nil)
	require.NoError(t, rebuilt.engine.Rebuild(ctx))
	require.Equal(t, want, rebuilt.finals(t))

	// Of the watermarks only the newest is left.
	require.NoError(t, l.log.Thin(l.log.LastSeq()+1))
	marks := 0
	for c := range l.log.ControlsSince(0) {
		if c.Kind == event.ControlWatermark {
			marks++
		}
	}
	require.Equal(t, 1, marks)
	rebuilt = again(nil)
	require.NoError(t, rebuilt.engine.Rebuild(ctx))
	require.Equal(t, want, rebuilt.finals(t))

	s := l.engine.list()[0]
	fresh, err := l.engine.freshStream(ctx, s.key, l.log.LastSeq()+1, s.position.target)
	require.NoError(t, err)
	l.engine.swap(s, fresh)
	require.Equal(t, want, l.finals(t))
	require.Equal(t, s.reviews.swallowed, fresh.reviews.swallowed)
}

// encoded is the state of the only stream.
func encoded(t *testing.T, l *line) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, l.engine.list()[0].encode(&b, nil))
	return b.Bytes()
}

// TestRestartsBetweenFeedback restarts after each step, from the snapshot there
// is, or from the one before.
func TestRestartsBetweenFeedback(t *testing.T) {
	whole := newLine(t, nil)
	reviewed(t, whole, func() {})
	want := whole.finals(t)
	for _, snapshots := range []string{"of now", "of before", "none"} {
		l := newLine(t, nil)
		restart := func() {
			if snapshots == "of now" {
				require.NoError(t, l.engine.Close())
			}
			if snapshots == "none" {
				for _, name := range snapshotsOf(l.engine.o.StateDir, l.engine.list()[0].key) {
					require.NoError(t, os.Remove(filepath.Join(l.engine.o.StateDir, name)))
				}
			}
			l.restart(t)
		}
		reviewed(t, l, restart)
		// The clock of the test stands still, so the ids of feedback are the same.
		require.Equal(t, want, l.finals(t), "snapshots: %s", snapshots)
	}
}

func TestAnOpenInsightFollowsWhatIsSaidOfIt(t *testing.T) {
	now := midnight(7).Add(14*time.Hour + 34*time.Minute)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	start := midnight(7).Add(14 * time.Hour)
	steady := burst("a", start, 50*time.Minute, 600, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
	strange := moved(burst("b", start.Add(20*time.Minute), time.Minute, 3, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess), "192.0.2.7", "FR")
	later := moved(burst("c", start.Add(40*time.Minute), time.Minute, 3, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess), "192.0.3.7", "FR")
	l.deliver(t, slices.Concat(office(8), steady, strange, later))
	l.reach(t, start.Add(10*time.Minute))
	in := l.ofDay(t, 7)
	require.Equal(t, insight.StateStart, in.State)
	require.Empty(t, in.Suppressed)

	// It is quiet from the next moment on, and the reader has seen 34 minutes of it.
	f := l.give(t, in.ID, insight.Down, "")
	l.reach(t, start.Add(10*time.Minute))
	require.Contains(t, l.ofDay(t, 7).Suppressed, f.ID)
	require.Zero(t, l.store.Totals().Active-l.store.Totals().Suppressed-besides(t, l)-len(l.confessed(t)))
	l.reach(t, start.Add(30*time.Minute))
	require.Contains(t, l.ofDay(t, 7).Suppressed, f.ID, "what came from elsewhere was seen as well")
	s := l.engine.list()[0]
	require.Equal(t, []string{"192.0.2.0/24", "203.0.113.0/24"}, s.reviews.envelopes[0].Networks)
	require.Zero(t, s.openBy[in.Identity]-besides(t, l), "what is normal may teach")

	// Taken back, it is told again; confirmed again, it is quiet.
	l.undo(t, in.ID)
	l.reach(t, start.Add(30*time.Minute))
	require.Empty(t, l.ofDay(t, 7).Suppressed)
	require.Equal(t, 1, s.openBy[in.Identity]-besides(t, l))
	f = l.give(t, in.ID, insight.Down, "again")
	l.reach(t, start.Add(35*time.Minute))
	require.Contains(t, l.ofDay(t, 7).Suppressed, f.ID)

	// Of another network after the review it is told again.
	l.reach(t, start.Add(42*time.Minute))
	in = l.ofDay(t, 7)
	require.Empty(t, in.Suppressed)
	require.Equal(t, insight.StateStart, in.State)
	require.Equal(t, "envelope", in.Reasons[len(in.Reasons)-1].Feature)
	require.Contains(t, in.Reasons[len(in.Reasons)-1].Text, "network 192.0.3.0/24")
	sum := 0.0
	for _, r := range in.Reasons {
		sum += r.Contribution
	}
	require.InDelta(t, in.Score, sum, 0.005)
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Empty(t, l.ofDay(t, 7).Suppressed)
	require.Empty(t, s.openBy)
}

// besides is how many other insights go on beside that of the calls.
func besides(t *testing.T, l *line) int {
	t.Helper()
	n := 0
	for _, in := range l.store.Active() {
		if in.Type != insight.TypeAPICallRate && in.Suppressed == "" && in.Provider != insight.ProviderSelf {
			n++
		}
	}
	return n
}

func TestWhatIsConfirmedIsQuietOnArrivalToo(t *testing.T) {
	now := midnight(7).Add(13 * time.Hour)
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	events := slices.Concat(office(9), nightly(6, 200), nightly(7, 200), nightly(8, 200),
		burst("m", midnight(8).Add(14*time.Hour+6*time.Minute), 4*time.Minute, 200, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess))
	slices.SortStableFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	events = l.deliverBefore(t, events, now)
	l.tick(t)
	f := l.give(t, l.ofDay(t, 6).ID, insight.Down, "")
	run := func(to time.Time) {
		for now.Before(to) {
			now = now.Add(30 * time.Second)
			events = l.deliverBefore(t, events, now)
			l.tick(t)
		}
	}
	run(midnight(7).Add(14*time.Hour + 9*time.Minute))
	in := l.ofDay(t, 7)
	require.True(t, in.Provisional)
	require.Contains(t, in.Suppressed, f.ID)
	require.Zero(t, l.engine.list()[0].reviews.swallowed, "the final pass counts")
	now = midnight(8).Add(13 * time.Hour)
	events = l.deliverBefore(t, events, now)
	l.tick(t)
	require.False(t, l.ofDay(t, 7).Provisional)
	require.Equal(t, uint64(1), l.engine.list()[0].reviews.swallowed)

	// What grows is told as soon as it is beyond what was confirmed.
	run(midnight(8).Add(14*time.Hour + 6*time.Minute))
	require.Contains(t, l.ofDay(t, 8).Suppressed, f.ID)
	run(midnight(8).Add(14*time.Hour + 8*time.Minute))
	in = l.ofDay(t, 8)
	require.True(t, in.Provisional)
	require.Empty(t, in.Suppressed)
	require.Equal(t, "envelope", in.Reasons[len(in.Reasons)-1].Feature)
	run(midnight(8).Add(16 * time.Hour))
	in = l.ofDay(t, 8)
	require.False(t, in.Provisional)
	require.Empty(t, in.Suppressed)

	// What is provisional can be judged as well.
	l.undo(t, f.Insight)
}

func TestAProvisionalInsightIsConfirmed(t *testing.T) {
	now := midnight(7).Add(14 * time.Hour)
	l := livingLine(t, &now)
	attack := nightly(7, 160)
	for range 12 {
		now = now.Add(30 * time.Second)
		attack = l.deliverBefore(t, attack, now)
		l.tick(t)
	}
	in := l.ofDay(t, 7)
	require.True(t, in.Provisional)
	f := l.give(t, in.ID, insight.Down, "")
	l.tick(t)
	require.Contains(t, l.ofDay(t, 7).Suppressed, f.ID)
	require.True(t, l.ofDay(t, 7).Provisional)
	l.undo(t, in.ID)
	l.tick(t)
	require.Empty(t, l.ofDay(t, 7).Suppressed)
	f = l.give(t, in.ID, insight.Down, "indeed")
	for range 120 {
		now = now.Add(time.Minute)
		attack = l.deliverBefore(t, attack, now)
		l.tick(t)
	}
	in = l.ofDay(t, 7)
	require.False(t, in.Provisional)
	require.Equal(t, insight.StateEnd, in.State)
	require.Contains(t, in.Suppressed, f.ID)
	v := l.engine.list()[0].reviews.byID(f.ID)
	require.Equal(t, in.Statistics.InsightCount, v.Count, "known once it is over")
}

func TestFeedbackIsIdempotentAndReplaced(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, slices.Concat(office(8), nightly(6, 120)))
	l.reach(t, midnight(7))
	id := l.ofDay(t, 6).ID
	records := func() (n int) {
		for c := range l.log.ControlsSince(0) {
			if c.Kind == event.ControlFeedback {
				n++
			}
		}
		return n
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := l.store.Review(id, insight.Down, "normal")
			if err == nil {
				f.By = "anna"
				_, err = l.engine.GiveFeedback(context.Background(), f)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, records())
	l.give(t, id, insight.Up, "")
	l.reach(t, midnight(7))
	require.Empty(t, l.engine.list()[0].reviews.envelopes)
	list := l.engine.Feedback(id)
	require.Len(t, list, 2)
	require.Equal(t, []string{insight.FeedbackInForce, insight.FeedbackReplaced}, []string{list[0].State, list[1].State})
	got, ok := l.engine.FeedbackByID(list[1].ID)
	require.True(t, ok)
	require.Equal(t, list[1], got)
	_, ok = l.engine.FeedbackByID("unknown")
	require.False(t, ok)

	l.undo(t, id)
	_, err := l.engine.UndoFeedback(context.Background(), id, "ben")
	require.ErrorIs(t, err, ErrNoFeedback)
	// Only what matters is kept of it.
	for n := range 2 * feedbackHistory {
		l.give(t, id, insight.Up, fmt.Sprint(n))
	}
	require.Len(t, l.engine.Feedback(id), feedbackHistory)
	require.Len(t, l.engine.book.byID, feedbackHistory)
	require.Equal(t, 1, l.engine.book.inForce)
}

// TestUnreadableFeedbackIsLeftOut has records in the log that nobody could have
// written.
func TestUnreadableFeedbackIsLeftOut(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, slices.Concat(office(8), nightly(6, 120)))
	l.reach(t, midnight(3))
	key := l.engine.list()[0].key
	for _, kind := range []string{event.ControlFeedback, event.ControlRebaseline} {
		for _, data := range []string{"", "17", `{"action":"give"}`, `{"identity":"nobody"}`, `{"action":"undo","feedback":{"id":"x"}}`} {
			_, err := l.log.AppendControl(context.Background(), event.Control{Kind: kind, Stream: key, Data: []byte(data), Time: midnight(3)})
			require.NoError(t, err)
		}
	}
	l.restart(t)
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Empty(t, l.ofDay(t, 6).Suppressed)
}

func TestEnvelopesMakeRoomAndLapse(t *testing.T) {
	var r reviews
	for n := range envelopesLimit + 10 {
		r.confirm(&envelope{ID: fmt.Sprint(n), Used: int32(1_000_000 + n%500)})
	}
	require.Len(t, r.envelopes, envelopesLimit)
	require.Nil(t, r.byID("0"), "it was not used for longest")
	require.Equal(t, uint64(10), r.forgotten)
	r.keep(1_000_000 + envelopeLife)
	require.Len(t, r.envelopes, envelopesLimit)
	r.keep(1_000_000 + 499 + envelopeLife)
	require.Len(t, r.envelopes, 2, "those of the last minute")
	for n := range thumbsLimit + 1 {
		r.add(thumb{id: fmt.Sprint(n)})
	}
	require.Len(t, r.thumbs, thumbsLimit)
	require.Equal(t, "1", r.thumbs[0].id)
}

func TestFeedbackSurvivesPruning(t *testing.T) {
	dir := t.TempDir()
	log, err := eventlog.Open(eventlog.Options{Dir: dir})
	require.NoError(t, err)
	l := newLine(t, func(o *Options) { o.Log = log })
	l.log = log
	l.deliver(t, slices.Concat(office(8), nightly(6, 120)))
	l.reach(t, midnight(7))
	id := l.ofDay(t, 6).ID
	f := l.give(t, id, insight.Down, "normal")
	l.reach(t, midnight(8))
	require.NoError(t, log.Thin(log.LastSeq()+1))
	require.NoError(t, log.Close())

	log, err = eventlog.Open(eventlog.Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	o := l.engine.o
	o.Log, o.StateDir = log, t.TempDir()
	e, err := New(o)
	require.NoError(t, err)
	require.NoError(t, e.Rebuild(context.Background()))
	require.Equal(t, []insight.Feedback{f}, e.Feedback(id))
	require.NotNil(t, e.list()[0].reviews.byID(f.ID))
}

func TestAnIdentityIsLearnedAnew(t *testing.T) {
	run := func(l *line) insight.Rebaseline {
		l.deliver(t, slices.Concat(office(13), nightly(6, 120), nightly(9, 300),
			burst("r", midnight(8).Add(3*time.Hour), 40*time.Minute, 400, "backup", "ec2.amazonaws.com", "CreateSnapshot", event.OutcomeSuccess),
			burst("s", midnight(11).Add(3*time.Hour), 10*time.Minute, 200, "backup", "ec2.amazonaws.com", "DeleteSnapshot", event.OutcomeSuccess)))
		l.reach(t, midnight(7))
		l.give(t, l.ofDay(t, 6).ID, insight.Down, "")
		// It begins anew in the middle of an insight.
		l.reach(t, midnight(8).Add(3*time.Hour+10*time.Minute))
		var id string
		profiles, _, err := l.engine.Identities(context.Background(), IdentityQuery{Text: "backup"})
		require.NoError(t, err)
		require.Len(t, profiles, 1)
		require.Nil(t, profiles[0].Rebaselined)
		id = profiles[0].ID
		r, known, err := l.engine.Rebaseline(context.Background(), id, "now makes snapshots", "anna")
		require.NoError(t, err)
		require.True(t, known)
		_, known, err = l.engine.Rebaseline(context.Background(), "unknown", "", "anna")
		require.NoError(t, err)
		require.False(t, known)

		l.reach(t, midnight(8).Add(3*time.Hour+20*time.Minute))
		p, _, err := l.engine.Identity(context.Background(), id)
		require.NoError(t, err)
		require.Equal(t, r, *p.Rebaselined)
		require.Less(t, p.Events, uint64(200), "it is learned anew")
		c, err := l.engine.Coverage(context.Background())
		require.NoError(t, err)
		require.Equal(t, []insight.Rebaseline{r}, c.Streams[0].Rebaselined)
		require.Zero(t, c.Streams[0].Envelopes)
		said := l.engine.Feedback(l.ofDay(t, 6).ID)
		require.Equal(t, insight.FeedbackLapsed, said[0].State)
		require.NotNil(t, said[0].Envelope, "it still says what it was")
		require.NoError(t, l.engine.Finish(context.Background()))
		c, err = l.engine.Coverage(context.Background())
		require.NoError(t, err)
		require.Empty(t, c.Streams[0].Rebaselined, "it is over")
		return r
	}
	l := newLine(t, nil)
	r := run(l)
	require.Equal(t, midnight(8).Add(3*time.Hour+10*time.Minute), r.From)
	require.Equal(t, r.From.Add(24*time.Hour), r.Until)
	var found []string
	for _, in := range l.rates(t) {
		require.Equal(t, insight.StateEnd, in.State)
		found = append(found, fmt.Sprintf("%d %s %s", int(in.Start.Sub(epoch).Hours()/24), strings.TrimPrefix(in.Object, "ec2.amazonaws.com:"), insight.ShortName(in.Identity)))
	}
	// That of day 8 ends where the identity begins anew, and nothing more is said
	// of it. That of day 9 is of a series with a day and a half of history.
	require.Equal(t, []string{
		"6 s3.amazonaws.com:PutBucketTagging backup", "8 CreateSnapshot backup",
		"9 s3.amazonaws.com:PutBucketTagging backup", "11 DeleteSnapshot backup",
	}, found)
	require.False(t, l.ofDay(t, 8).End.After(r.From))
	require.Empty(t, l.ofDay(t, 9).Suppressed, "what was confirmed is forgotten too")

	want := l.finals(t)
	store, err := insight.Open(insight.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, way := range []func(*Engine, context.Context) error{(*Engine).Restore, (*Engine).Rebuild} {
		require.NoError(t, store.Reset())
		o := l.engine.o
		o.Insights, o.StateDir = store, t.TempDir()
		e, err := New(o)
		require.NoError(t, err)
		require.NoError(t, way(e, context.Background()))
		require.Equal(t, want, (&line{l.log, e, store}).finals(t))
	}
}

// TestAnIdentityIsLearnedAnewWhoseKeyGoesOn re-baselines an identity while the insight of
// its key tells of what the same user does under another name: the insight ends, and
// what is left can be written and read.
func TestAnIdentityIsLearnedAnewWhoseKeyGoesOn(t *testing.T) {
	use := func(prefix, who, region string, at time.Time, span time.Duration, n int) []event.Event {
		list := burst(prefix, at, span, n, who, "ec2.amazonaws.com", "CreateSnapshot", event.OutcomeSuccess)
		for i := range list {
			list[i].Region, list[i].Actor.Credential = region, "AKIAanna"
		}
		return list
	}
	at := midnight(6).Add(3 * time.Hour)
	l := newLine(t, nil)
	l.deliver(t, slices.Concat(office(8),
		use("a", "annabel", "us-east-1", midnight(1), 5*24*time.Hour, 300), use("b", "annette", "us-west-2", midnight(1), 5*24*time.Hour, 300),
		use("c", "annabel", "us-east-1", at, 30*time.Minute, 600), use("d", "annette", "us-west-2", at.Add(5*time.Minute), 30*time.Minute, 600)))
	l.reach(t, at.Add(15*time.Minute))
	s := l.engine.list()[0]
	var host *episode
	for k, ep := range s.slots {
		if k.insight == insight.TypeAk {
			host = ep
		}
	}
	require.NotNil(t, host)
	require.Equal(t, "annabel", insight.ShortName(host.series.who.name))
	require.Positive(t, host.guests, "annette's series is told with it")
	id := host.raised.ID

	profiles, _, err := l.engine.Identities(context.Background(), IdentityQuery{Text: "annabel"})
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	_, known, err := l.engine.Rebaseline(context.Background(), profiles[0].ID, "", "ben")
	require.NoError(t, err)
	require.True(t, known)
	l.reach(t, at.Add(16*time.Minute))
	in, _ := l.store.Get(id)
	require.Equal(t, insight.StateEnd, in.State)
	s.ask(func() { require.NoError(t, s.compact()) })
	require.NoError(t, l.engine.Finish(context.Background()))
	for _, r := range l.store.Records(id) {
		require.LessOrEqual(t, r.EventTime, at.Add(16*time.Minute), "it ends once")
	}
}

func TestSingleEventsThatAreConfirmedStayQuietAndTeach(t *testing.T) {
	at := epoch.Add(4 * 24 * time.Hour)
	for _, more := range []bool{false, true} {
		events := append(office(7), trails()...)
		if more {
			events = append(events, call("t6", at.Add(25*time.Hour+5*time.Minute), "anna", trail, "UpdateTrail", event.OutcomeSuccess))
		}
		events = append(events, call("t7", at.Add(50*time.Hour), "anna", trail, "DeleteTrail", event.OutcomeSuccess))
		l := newLine(t, func(o *Options) { watchTrails(o); unlimited(o) })
		l.deliver(t, events)
		l.reach(t, at.Add(5*time.Hour))
		list := l.trails(t)
		require.Len(t, list, 1)
		f := l.give(t, list[0].ID, insight.Down, "")
		require.Equal(t, []string{trail + ":DeleteTrail", trail + ":DescribeTrails", trail + ":StopLogging"}, f.Envelope.Operations)
		l.reach(t, at.Add(25*time.Hour+2*time.Minute))
		list = l.trails(t)
		require.Len(t, list, 2)
		require.Contains(t, list[1].Suppressed, f.ID)
		require.Empty(t, l.engine.list()[0].openBy)
		require.NoError(t, l.engine.snapshot(true))
		l.restart(t)
		require.NoError(t, l.engine.Finish(context.Background()))
		list = l.trails(t)
		require.Len(t, list, 2, "what is normal is learned")
		require.Equal(t, insight.StateEnd, list[1].State)
		if !more {
			require.Contains(t, list[1].Suppressed, f.ID)
			continue
		}
		require.Empty(t, list[1].Suppressed)
		require.Empty(t, list[1].ConfirmedBy)
		require.Contains(t, list[1].Reasons[len(list[1].Reasons)-1].Text, "operation "+trail+":UpdateTrail")
		require.Empty(t, l.engine.list()[0].openBy)
	}
}

// TestWhatIsToldWithAQuietInsightIsWatchedToo hides an enumeration behind errors
// that were confirmed.
func TestWhatIsToldWithAQuietInsightIsWatchedToo(t *testing.T) {
	at := midnight(6).Add(14 * time.Hour)
	failing := func(day int) []event.Event {
		return burst(fmt.Sprintf("f%d-", day), midnight(day).Add(14*time.Hour), 20*time.Minute, 300, "deploy", "iam.amazonaws.com", "ListUsers", event.OutcomeError)
	}
	var probes []event.Event
	for n := range 40 {
		probes = append(probes, call(fmt.Sprintf("p%d", n), at.Add(24*time.Hour+10*time.Minute+time.Duration(n)*6*time.Second), "deploy", "iam.amazonaws.com", fmt.Sprintf("Get%d", n), event.OutcomeError))
	}
	for _, probed := range []bool{false, true} {
		events := slices.Concat(office(8), failing(6), failing(7))
		if probed {
			events = append(events, probes...)
		}
		l := newLine(t, nil)
		errors := func() []insight.Insight {
			return slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return in.Type != insight.TypeAPIErrorRate })
		}
		l.deliver(t, events)
		l.reach(t, midnight(7))
		require.Len(t, errors(), 1)
		f := l.give(t, errors()[0].ID, insight.Down, "")
		require.Equal(t, []string{"iam.amazonaws.com:ListUsers"}, f.Envelope.Operations)
		require.NoError(t, l.engine.Finish(context.Background()))
		list := errors()
		require.Len(t, list, 2)
		if !probed {
			require.Contains(t, list[1].Suppressed, f.ID)
			continue
		}
		require.Empty(t, list[1].Suppressed)
		require.Contains(t, list[1].Reasons[len(list[1].Reasons)-1].Text, "operation iam.amazonaws.com:Get")
		require.Contains(t, list[1].Extent.Operations, "iam.amazonaws.com:Get7")
	}
}
