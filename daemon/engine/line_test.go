package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
)

var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// call is an event of a test.
func call(uid string, at time.Time, identity, service, operation string, outcome event.Outcome) event.Event {
	e := event.Event{
		UID: uid, Time: at, Received: at, Provider: "aws", Account: "111111111111", Region: "eu-central-1",
		Service: service, Operation: operation, Category: event.CategoryManagement,
		Access: event.AccessWrite, Outcome: outcome,
		Actor:     event.Actor{Identity: "arn:aws:iam::111111111111:user/" + identity, Kind: event.KindService, RawType: "IAMUser", Credential: "AKIA" + identity},
		Source:    event.Source{Address: "203.0.113.9", IP: netip.MustParseAddr("203.0.113.9"), Country: "DE", Network: event.NetworkCorporate},
		UserAgent: "aws-cli/2", AgentFamily: "aws-cli", Raw: []byte(`{"eventID":"` + uid + `"}`),
	}
	if outcome == event.OutcomeError {
		e.ErrorCode = "AccessDenied"
	}
	return e
}

// office is some days of an account: two workloads that run evenly and a person
// who works by day.
func office(days int) []event.Event {
	r := rand.New(rand.NewPCG(1, 2))
	var out []event.Event
	add := func(at time.Time, who, service, op string, o event.Outcome) {
		out = append(out, call(fmt.Sprintf("u%06d", len(out)), at, who, service, op, o))
	}
	for m := range days * 1440 {
		at := epoch.Add(time.Duration(m) * time.Minute)
		if m%5 == 0 {
			add(at.Add(time.Duration(r.IntN(60))*time.Second), "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
		}
		if m%15 == 3 {
			add(at.Add(7*time.Second), "deploy", "lambda.amazonaws.com", "UpdateFunctionCode", event.OutcomeSuccess)
		}
		if h := at.Hour(); h >= 8 && h < 17 && r.IntN(6) == 0 {
			add(at.Add(30*time.Second), "anna", "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
		}
	}
	return out
}

// burst is n calls evenly over a span.
func burst(prefix string, from time.Time, span time.Duration, n int, who, service, op string, o event.Outcome) []event.Event {
	var out []event.Event
	for i := range n {
		out = append(out, call(fmt.Sprintf("%s%04d", prefix, i), from.Add(span*time.Duration(i)/time.Duration(n)), who, service, op, o))
	}
	return out
}

// strangers are calls of n identities, one each, a minute apart.
func strangers(n int) []event.Event {
	var out []event.Event
	for i := range n {
		out = append(out, call(fmt.Sprintf("c%d", i), epoch.Add(time.Duration(i)*time.Minute), fmt.Sprintf("user%d", i), "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess))
	}
	return out
}

// line is an engine over a log of its own.
type line struct {
	log    *eventlog.Log
	engine *Engine
	store  *insight.Store
}

func newLine(t *testing.T, edit func(*Options)) *line {
	t.Helper()
	log, err := eventlog.Open(eventlog.Options{Dir: t.TempDir(), NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	store, err := insight.Open(insight.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	o := Options{
		Log: log, Insights: store, StateDir: t.TempDir(),
		Settings: Settings{Lateness: 30 * time.Minute, Future: 10 * time.Minute, WarmUp: 24 * time.Hour, BudgetPerDay: 5},
		Now:      func() time.Time { return epoch.Add(60 * 24 * time.Hour) },
	}
	if edit != nil {
		edit(&o)
	}
	e, err := New(o)
	require.NoError(t, err)
	return &line{log, e, store}
}

// deliver stores events in batches.
func (l *line) deliver(t *testing.T, events []event.Event) {
	t.Helper()
	for batch := range slices.Chunk(slices.Clone(events), 500) {
		_, err := l.log.Append(context.Background(), batch, eventlog.Replayable)
		require.NoError(t, err)
		l.engine.Arrived("", batch)
	}
}

func (l *line) insights(t *testing.T) []insight.Insight {
	t.Helper()
	page, err := l.store.List(insight.Query{Sort: "start", Limit: 1000})
	require.NoError(t, err)
	return page.Insights
}

// records is what a reader gets in the end, without the numbers of revisions.
func (l *line) records(t *testing.T) string {
	t.Helper()
	var out []byte
	for _, in := range l.insights(t) {
		for _, r := range l.store.Records(in.ID) {
			b, err := json.Marshal(r)
			require.NoError(t, err)
			out = append(append(out, b...), '\n')
		}
	}
	return string(out)
}

func attacks() []event.Event {
	at := epoch.Add(6*24*time.Hour + 14*time.Hour)
	return slices.Concat(
		burst("x", at, 10*time.Minute, 120, "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess),
		burst("y", at.Add(4*time.Hour), 8*time.Minute, 90, "anna", "ec2.amazonaws.com", "TerminateInstances", event.OutcomeSuccess),
		burst("z", at.Add(30*time.Hour), 10*time.Minute, 80, "deploy", "iam.amazonaws.com", "ListUsers", event.OutcomeError),
	)
}

func TestAttacksAreRaisedAndEnd(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, append(office(9), attacks()...))
	require.NoError(t, l.engine.Finish(context.Background()))

	at := epoch.Add(6*24*time.Hour + 14*time.Hour)
	found := map[string]insight.Insight{}
	for _, in := range l.insights(t) {
		found[in.Type+" "+in.Object+" "+insight.ShortName(in.Identity)] = in
	}
	x, ok := found["ApiCallRateInsight s3.amazonaws.com:PutBucketTagging backup"]
	require.True(t, ok, "have %v", keysOf(found))
	require.Equal(t, insight.StateEnd, x.State)
	require.WithinDuration(t, at, x.Start, 5*time.Minute)
	require.WithinDuration(t, at.Add(10*time.Minute), x.End, 5*time.Minute)
	require.Less(t, x.Detected.Sub(at), 10*time.Minute)
	require.Greater(t, x.Score, 3.0)
	require.Equal(t, "service", x.IdentityKind)
	require.InDelta(t, 0.2, x.Statistics.Baseline.Average, 0.1)
	require.Greater(t, x.Statistics.Insight.Average, 5.0)
	require.GreaterOrEqual(t, x.Statistics.InsightCount, 118)

	y, ok := found["ApiCallRateInsight ec2.amazonaws.com:TerminateInstances anna"]
	require.True(t, ok, "have %v", keysOf(found))
	require.WithinDuration(t, at.Add(4*time.Hour), y.Start, time.Minute)
	require.Equal(t, []insight.SourceIP{{IP: "203.0.113.9", Country: "DE", Network: "corporate"}}, y.SourceIPs)
	require.Equal(t, []string{"AKIAanna"}, y.AccessKeyIDs)
	require.Len(t, y.SampleEventIDs, 5)

	z, ok := found["ApiErrorRateInsight iam.amazonaws.com:ListUsers deploy"]
	require.True(t, ok, "have %v", keysOf(found))
	require.WithinDuration(t, at.Add(30*time.Hour), z.Start, 2*time.Minute)

	for _, in := range found {
		require.False(t, in.Start.Before(at.Add(-time.Minute)), "%s is false", in.Summary)
		require.NotEmpty(t, in.Summary)
		require.NotEmpty(t, in.Identity, "an identity explains it: %s", in.Summary)
		sum := 0.0
		for _, r := range in.Reasons {
			sum += r.Contribution
		}
		require.InDelta(t, in.Score, sum, 0.005, "reasons of %s add up", in.Summary)
	}
}

func keysOf(m map[string]insight.Insight) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// TestOrderChangesNothing delivers the same events in several orders, and moves
// the watermark at once, in steps, in slices of seconds, and after a restart: the
// records are the same byte for byte.
func TestOrderChangesNothing(t *testing.T) {
	events := append(office(9), attacks()...)
	// What is found at one event tells of the rest of its minute too.
	for _, e := range burst("f", epoch.Add(7*24*time.Hour+11*time.Hour), 50*time.Second, 300, "anna", "iam.amazonaws.com", "AttachUserPolicy", event.OutcomeSuccess) {
		events = append(events, from(e, "51.15.1.1", "FR", 12876, event.NetworkHosting))
	}
	last := epoch.Add(9 * 24 * time.Hour)
	want := ""
	finish := func(l *line) { require.NoError(t, l.engine.Finish(context.Background())) }
	for name, run := range map[string]func(*line){
		"in order": func(l *line) { l.deliver(t, events); finish(l) },
		"shuffled": func(l *line) {
			e := slices.Clone(events)
			rand.New(rand.NewPCG(3, 4)).Shuffle(len(e), func(i, j int) { e[i], e[j] = e[j], e[i] })
			l.deliver(t, e)
			finish(l)
		},
		"twice": func(l *line) { l.deliver(t, events); l.deliver(t, events); finish(l) },
		"step by step": func(l *line) {
			l.deliver(t, events)
			for w := epoch; w.Before(last); w = w.Add(37 * time.Minute) {
				require.NoError(t, l.engine.move(context.Background(), func(*stream) (time.Time, bool) { return w, true }))
			}
			finish(l)
		},
		"in parts of minutes": func(l *line) {
			l.engine.o.SliceEvents = 1
			l.deliver(t, events)
			finish(l)
		},
		"restarted": func(l *line) {
			l.deliver(t, events)
			require.NoError(t, l.engine.move(context.Background(), func(*stream) (time.Time, bool) { return epoch.Add(158*time.Hour + 5*time.Minute), true }))
			again, err := New(l.engine.o)
			require.NoError(t, err)
			require.NoError(t, again.Restore(context.Background()))
			l.engine = again
			finish(l)
		},
	} {
		l := newLine(t, nil)
		run(l)
		got := l.records(t)
		require.NotEmpty(t, got)
		if want == "" {
			want = got
		}
		require.Equal(t, want, got, name)
	}
}

// TestEvidenceIsCutAlike has more events behind an insight than are looked at: which of
// them are follows from what is final, however the watermark moves.
func TestEvidenceIsCutAlike(t *testing.T) {
	events := append(office(9), attacks()...)
	last := epoch.Add(9 * 24 * time.Hour)
	few := func(o *Options) { o.evidence = 60 }
	want := newLine(t, few)
	want.deliver(t, events)
	require.NoError(t, want.engine.Finish(context.Background()))
	all := newLine(t, nil)
	all.deliver(t, events)
	require.NoError(t, all.engine.Finish(context.Background()))
	cut := 0
	whole := map[string]int{}
	for _, in := range all.insights(t) {
		whole[in.Type+in.Object+in.Identity] = in.Statistics.InsightCount
	}
	for _, in := range want.insights(t) {
		if n := whole[in.Type+in.Object+in.Identity]; in.Statistics.InsightCount < n {
			cut++
			require.Positive(t, in.Statistics.InsightCount, in.Summary)
		}
	}
	require.Positive(t, cut)
	for name, run := range map[string]func(*line){
		"in steps": func(l *line) {
			for w := epoch; w.Before(last); w = w.Add(7 * time.Minute) {
				l.reach(t, w)
			}
		},
		"in parts of minutes": func(l *line) { l.engine.o.SliceEvents = 1 },
		"restarted": func(l *line) {
			l.reach(t, epoch.Add(158*time.Hour+5*time.Minute))
			l.restart(t)
		},
	} {
		l := newLine(t, few)
		l.deliver(t, events)
		run(l)
		require.NoError(t, l.engine.Finish(context.Background()))
		require.Equal(t, want.finals(t), l.finals(t), name)
	}
}

// TestTimePassesAlikeAtOnceAndInSteps lets bursts go over the times at which models are
// looked after: what models know of them is the same however the watermark moves.
func TestTimePassesAlikeAtOnceAndInSteps(t *testing.T) {
	var events []event.Event
	add := func(at time.Time, who, operation string, n int, span time.Duration) {
		events = append(events, burst(fmt.Sprintf("q%d-", len(events)), at, span, n, who, "s3.amazonaws.com", operation, event.OutcomeSuccess)...)
	}
	add(epoch.Add(40*time.Minute), "batch", "PutObjectTagging", 1, time.Minute)
	for d := range 12 {
		day := epoch.Add(time.Duration(d) * 24 * time.Hour)
		for h := 1; h < 24; h += 4 {
			add(day.Add(time.Duration(h)*time.Hour), "batch", "PutObjectTagging", 3, 5*time.Minute)
		}
		if d >= 2 {
			who := []string{"batch", "anna", "deploy"}[d%3]
			add(day.Add(13*time.Hour+55*time.Minute), who, "PutBucketTagging", 60+d*7, 10*time.Minute)
			add(day.Add(17*time.Hour+40*time.Minute), who, "PutBucketTagging", 90+d*5, 10*time.Minute)
		}
	}
	end := epoch.Add(12 * 24 * time.Hour)
	run := func(step time.Duration) (finals string, families [kindCount][]byte) {
		l := newLine(t, nil)
		l.deliver(t, events)
		for at := epoch.Add(time.Hour); step > 0 && at.Before(end); at = at.Add(step) {
			l.reach(t, at)
		}
		l.reach(t, end)
		for k, f := range l.engine.list()[0].families {
			b, err := f.MarshalBinary()
			require.NoError(t, err)
			families[k] = b
		}
		return l.finals(t), families
	}
	finals, families := run(0)
	require.NotEmpty(t, finals)
	for _, step := range []time.Duration{10 * time.Minute, 5 * time.Hour} {
		f, learned := run(step)
		require.Equal(t, finals, f, step)
		require.Equal(t, families, learned, step)
	}
}

func TestTheFirstDayOnlyTeaches(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, append(office(2), burst("x", epoch.Add(20*time.Hour), 10*time.Minute, 300, "backup", "s3.amazonaws.com", "DeleteBucket", event.OutcomeSuccess)...))
	require.NoError(t, l.engine.Finish(context.Background()))
	for _, in := range l.insights(t) {
		require.False(t, in.Start.Before(epoch.Add(24*time.Hour)), in.Summary)
	}
	c, err := l.engine.Coverage(context.Background())
	require.NoError(t, err)
	require.Len(t, c.Streams, 1)
	require.Equal(t, "aws", c.Streams[0].Provider)
}

func TestDataEventsAndAddendaStayOutOfTheModels(t *testing.T) {
	l := newLine(t, nil)
	data := burst("d", epoch.Add(5*24*time.Hour), 10*time.Minute, 500, "backup", "s3.amazonaws.com", "PutObject", event.OutcomeSuccess)
	for i := range data {
		data[i].Category = event.CategoryData
	}
	amended := burst("m", epoch.Add(5*24*time.Hour+2*time.Hour), 10*time.Minute, 500, "backup", "s3.amazonaws.com", "DeleteBucket", event.OutcomeSuccess)
	for i := range amended {
		amended[i].Amends = "x"
	}
	l.deliver(t, slices.Concat(office(6), data, amended))
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Empty(t, l.insights(t))
}
