package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// habits are three weeks of identities with habits of their own.
func habits() []event.Event {
	var out []event.Event
	add := func(at time.Time, who string, human bool) {
		e := call(fmt.Sprintf("h%06d", len(out)), at, who, "ec2.amazonaws.com", "CreateTags", event.OutcomeSuccess)
		if e.Actor.Kind = event.KindService; human {
			e.Actor.Kind = event.KindHuman
		}
		e.Risk = 2
		out = append(out, e)
	}
	for d := range 21 {
		day := epoch.Add(time.Duration(d) * 24 * time.Hour)
		weekday := day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
		for n := range 5 {
			// Every day at no fixed time, and on weekends too: a program, if it is
			// not a person.
			at := day.Add(time.Duration(d*67%600+n*83) * time.Minute)
			add(at, "poller", false)
			add(at, "keen", true)
			if weekday {
				add(day.Add(time.Duration(8*60+d*53%90+n*70)*time.Minute), "anna", true)
			}
		}
		if weekday { // Every working day at midnight, on either side of it.
			add(day.Add(24*time.Hour+time.Duration(d%5-2)*time.Minute), "night", true)
		}
		for n := range 300 * min(1, max(0, d-15)) {
			add(day.Add(time.Duration(d*31%700)*time.Minute+time.Duration(n)*time.Second), "flood", true)
		}
		for h := range 24 {
			add(day.Add(time.Duration(h*60+(d*h)%50)*time.Minute), "shared", true)
		}
	}
	slices.SortStableFunc(out, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return out
}

func TestAutomation(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, habits())
	require.NoError(t, l.engine.Finish(context.Background()))
	ask := func(q IdentityQuery) map[string]insight.Profile {
		t.Helper()
		list, next, err := l.engine.Identities(context.Background(), q)
		require.NoError(t, err)
		require.Empty(t, next)
		out := map[string]insight.Profile{}
		for _, p := range list {
			out[insight.ShortName(p.Identity)] = p
		}
		return out
	}
	all := ask(IdentityQuery{})
	f := func(who, reason string) {
		t.Helper()
		p := all[who]
		if reason == "" {
			require.Empty(t, p.ClassReason, who)
			require.Empty(t, p.Class, who)
			return
		}
		require.Equal(t, insight.ClassAutomation, p.Class, who)
		require.Contains(t, p.ClassReason, reason, who)
	}
	f("poller", "active on 21 of 21 days, weekends included")
	f("keen", "")
	f("anna", "")
	f("night", "its first call of the day comes between")
	f("flood", "events on an active day")
	f("shared", "in 24 of the 24 hours")

	class := ask(IdentityQuery{Class: insight.ClassAutomation})
	require.Len(t, class, 4)
	require.Empty(t, ask(IdentityQuery{Class: "Another"}))
	require.Len(t, ask(IdentityQuery{Kind: []string{"service", "role"}}), 1)
	require.Equal(t, uint64(10), all["poller"].Risk)
	require.InDelta(t, 10, all["poller"].RiskUsual, 0.1)
	require.Len(t, l.engine.Automated(), 4)
	stream := event.StreamKey{Provider: all["poller"].Provider, Account: all["poller"].Account}
	require.Equal(t, insight.ClassAutomation, l.engine.IdentityClass(stream, all["poller"].Identity))
	require.Empty(t, l.engine.IdentityClass(stream, all["anna"].Identity))
	require.Empty(t, l.engine.IdentityClass(event.StreamKey{Provider: "aws", Account: "none"}, all["poller"].Identity))

	// Orders, and pages through them.
	for _, sort := range []string{"", "activity", "-activity", "last_seen", "-last_seen", "risk", "-risk"} {
		whole, _, err := l.engine.Identities(context.Background(), IdentityQuery{Sort: sort})
		require.NoError(t, err)
		var paged []insight.Profile
		for q := (IdentityQuery{Sort: sort, Limit: 2}); ; {
			page, next, err := l.engine.Identities(context.Background(), q)
			require.NoError(t, err)
			paged = append(paged, page...)
			if q.Next = next; next == "" {
				break
			}
		}
		require.Equal(t, whole, paged, sort)
		require.True(t, slices.IsSortedFunc(whole, func(a, b insight.Profile) int {
			switch sort {
			case "-activity":
				return int(b.Events) - int(a.Events)
			case "risk":
				return int(a.Risk) - int(b.Risk)
			case "last_seen":
				return a.LastSeen.Compare(b.LastSeen)
			}
			return 0
		}), sort)
	}
	for _, q := range []IdentityQuery{{Sort: "name"}, {Next: "?"}, {Next: "AAAA"}, {Sort: "risk", Next: (&IdentityQuery{}).cursor(row{name: "x"})}} {
		_, _, err := l.engine.Identities(context.Background(), q)
		require.ErrorIs(t, err, ErrIdentities)
	}
}

// TestClassesStandWhileNamesAreForgotten makes a stream smaller in the middle of a
// record, where those who ask are let in, and asks for classes that are known. A page
// of identities is under way meanwhile.
func TestClassesStandWhileNamesAreForgotten(t *testing.T) {
	l := newLine(t, nil)
	s := l.engine.stream(event.StreamKey{Provider: "aws", Account: "111111111111"})
	for i := range compactFrom {
		s.symbols.of(fmt.Sprintf("198.51.100.%d", i)) // The identities' symbols are larger.
	}
	s.compacted = compactFrom
	l.deliver(t, habits())
	require.NoError(t, l.engine.Finish(context.Background()))
	want := l.engine.Automated()
	require.NotEmpty(t, want)
	profiles, _, err := l.engine.Identities(context.Background(), IdentityQuery{})
	require.NoError(t, err)
	rows, err := l.engine.rows(context.Background(), &IdentityQuery{}, func(*who) uint64 { return 0 })
	require.NoError(t, err)
	s.ask(func() { require.NoError(t, s.compact()) })
	for _, r := range rows {
		p, known := r.profile()
		require.True(t, known)
		require.Equal(t, r.identity, p.Identity)
	}
	require.Less(t, len(s.symbols.names), compactFrom)
	require.Equal(t, want, l.engine.Automated())
	again, _, err := l.engine.Identities(context.Background(), IdentityQuery{})
	require.NoError(t, err)
	require.Equal(t, profiles, again)
}

// Who asks and panics is recovered by the server, and keeps nobody from the stream.
func TestAPanicGivesTheStreamBack(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, office(1))
	s := l.engine.list()[0]
	require.Panics(t, func() { s.ask(func() { panic("a reader") }) })
	require.True(t, s.mtx.TryLock())
	s.mtx.Unlock()
}

// TestFixedTimesHaveNoSeam holds the window of ten minutes against midnight.
func TestFixedTimesHaveNoSeam(t *testing.T) {
	w := newWho(1, "cron", event.KindService, 0)
	for d := range 10 {
		w.days++
		w.startOfDay(epoch.Add(time.Duration(d)*24*time.Hour + time.Duration(d%5-2)*time.Minute))
	}
	from, n, of := w.fixed()
	require.Equal(t, 23*60+58, from)
	require.Equal(t, 10, n)
	require.Equal(t, 10, of)
}

func BenchmarkAutomated(b *testing.B) {
	s := &stream{symbols: newSymbols(), identities: map[symbol]*who{}}
	for n := range 10_000 {
		y := s.symbols.of(fmt.Sprintf("identity-%d", n))
		w := newWho(y, s.symbols.name(y), event.KindService, 0)
		for d := range 30 {
			at := epoch.Add(time.Duration(d)*24*time.Hour + time.Duration((n*d)%1440)*time.Minute)
			w.observe(&event.Event{Time: at}, s.symbols, 1, 1, 1)
		}
		s.identities[y] = w
	}
	for b.Loop() {
		s.classes = classes{}
		s.automated()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/identity")
}

// A person who works by day and then goes on through the night is told as what
// looks like a program, in whatever insight there is.
func TestPersonLikeAProgram(t *testing.T) {
	l := newLine(t, nil)
	var events []event.Event
	add := func(who string, at time.Time) {
		e := call(fmt.Sprintf("p%06d", len(events)), at, who, "ec2.amazonaws.com", "DescribeInstances", event.OutcomeSuccess)
		e.Actor.Kind = event.KindHuman
		events = append(events, e)
	}
	begin := epoch.Truncate(24 * time.Hour)
	for h := range 10*24 + 8 {
		at := begin.Add(time.Duration(h)*time.Hour + 7*time.Minute)
		add("always", at)
		if day := h % 24; day >= 8 && day < 17 || h >= 9*24+8 {
			add("anna", at)
		}
		if day := h % 24; day >= 8 && day < 17 {
			add("bert", at)
		}
	}
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	s := l.engine.list()[0]
	s.mtx.Lock()
	defer s.mtx.Unlock()
	m := minuteOf(events[len(events)-1].Time)
	f := func(who, want string) {
		t.Helper()
		in := insight.Insight{Type: insight.TypePolicyChange, Score: 4}
		for range 2 { // A revision says it once more, not twice.
			s.confide(&in, call("", begin, who, "", "", event.OutcomeSuccess).Actor.Identity, 0, m)
		}
		if want == "" {
			require.Empty(t, in.Reasons, who)
			return
		}
		require.Len(t, in.Reasons, 1)
		require.Equal(t, insight.FeatureAutomation, in.Reasons[0].Feature)
		require.Zero(t, in.Reasons[0].Contribution)
		require.Equal(t, want, in.Reasons[0].Text)
	}
	f("anna", "active in 24 hours in a row, as a program is; never in more than 9 before")
	f("bert", "")
	f("always", "")
	f("nobody", "")
	m += 120
	f("anna", "") // She has stopped.
}
