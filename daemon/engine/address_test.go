package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// from moves a call to a place.
func from(e event.Event, ip, country string, asn uint32, network event.Network) event.Event {
	e.Source = event.Source{Address: ip, IP: netip.MustParseAddr(ip), Country: country, ASN: asn, Network: network}
	return e
}

// homes are people who work from home by day, each at a provider in Germany,
// and a workload behind a NAT.
func homes(days int) []event.Event {
	var out []event.Event
	for d := range days {
		for h := 8; h < 18; h++ {
			at := epoch.Add(time.Duration(d*24+h) * time.Hour)
			for i, who := range []string{"anna", "ben"} {
				e := call(fmt.Sprintf("h%d-%d-%d", d, h, i), at.Add(time.Duration(i)*time.Minute), who, "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
				e.Actor.Kind = event.KindHuman
				out = append(out, from(e, fmt.Sprintf("80.130.%d.7", 5+i), "DE", 3320, event.NetworkUnknown))
			}
			e := call(fmt.Sprintf("n%d-%d", d, h), at.Add(3*time.Minute), "backup", "s3.amazonaws.com", "PutBucketTagging", event.OutcomeSuccess)
			out = append(out, from(e, fmt.Sprintf("18.184.7.%d", 10+h%3), "DE", 16509, event.NetworkCloud))
		}
	}
	return out
}

// thief is calls of anna's and ben's keys from a hired server: half an hour of
// them, one later in the day, and some on the next day over midnight.
func thief() []event.Event {
	at := epoch.Add(10*24*time.Hour + 14*time.Hour)
	var out []event.Event
	add := func(after time.Duration, who, operation string, risk uint8) {
		e := call(fmt.Sprintf("t%02d", len(out)), at.Add(after), who, "iam.amazonaws.com", operation, event.OutcomeSuccess)
		e.Risk = risk
		if len(out)%2 == 1 {
			e.Region = "us-east-1"
		}
		out = append(out, from(e, "51.15.1.1", "FR", 12876, event.NetworkHosting))
	}
	add(10*time.Second, "anna", "ListUsers", 0)
	add(2*time.Minute, "anna", "ListRoles", 0)
	add(20*time.Minute, "anna", "AttachUserPolicy", 3)
	add(25*time.Minute, "ben", "ListUsers", 0)
	add(31*time.Minute, "anna", "ListUsers", 0)
	add(3*time.Hour, "anna", "ListUsers", 0)
	for i := range 5 {
		add(33*time.Hour+time.Duration(40+10*i)*time.Minute, "anna", "ListUsers", 0)
	}
	return out
}

func (l *line) addresses(t *testing.T) []insight.Insight {
	list := slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return in.Type != insight.TypeIP })
	slices.SortFunc(list, func(a, b insight.Insight) int { return a.Start.Compare(b.Start) })
	return list
}

func reason(t *testing.T, in insight.Insight, feature string) insight.Reason {
	t.Helper()
	i := slices.IndexFunc(in.Reasons, func(r insight.Reason) bool { return r.Feature == feature })
	require.GreaterOrEqual(t, i, 0, feature)
	return in.Reasons[i]
}

func TestANewAddressIsTold(t *testing.T) {
	l := newLine(t, nil)
	l.deliver(t, append(homes(12), thief()...))
	require.NoError(t, l.engine.Finish(context.Background()))
	list := l.addresses(t)
	require.Len(t, list, 3, "one a day, though the second identity used it too, and it came back in the evening")

	x := list[0]
	start := epoch.Add(10*24*time.Hour + 14*time.Hour)
	require.Equal(t, start.Add(10*time.Second), x.Start)
	require.Equal(t, x.Start, x.Detected, "at the first request")
	require.Equal(t, start.Add(31*time.Minute), x.End)
	require.Equal(t, insight.StateEnd, x.State)
	require.Equal(t, "51.15.1.1", x.Object)
	require.Equal(t, "arn:aws:iam::111111111111:user/anna", x.Identity)
	require.Empty(t, x.Region)
	require.Equal(t, 5, x.Statistics.InsightCount)
	i := slices.IndexFunc(x.Attributions, func(a insight.Attribution) bool { return a.Attribute == "userIdentityArn" })
	require.Equal(t, []string{"arn:aws:iam::111111111111:user/anna", "arn:aws:iam::111111111111:user/ben"},
		[]string{x.Attributions[i].Insight[0].Value, x.Attributions[i].Insight[1].Value})
	require.Equal(t, insight.SeverityCritical, x.Severity, "it became graver when a policy was attached")
	require.True(t, x.HighRisk)
	require.Contains(t, x.Summary, "AttachUserPolicy")
	require.Contains(t, x.Filter, `ip="51.15.1.1"`)

	require.Equal(t, "the country FR is new to anna; usual are DE (frequent); anything so new came up on 0 of 10 days", reason(t, x, "address").Text)
	require.Equal(t, "no other identity of the account uses the network 51.15.1.0/24", reason(t, x, "sharedNetwork").Text)
	require.Equal(t, "anybody can hire a place in this network (hosting); anna called from such ones on 0 of 10 days", reason(t, x, "networkClass").Text)
	require.Equal(t, "hosting (unseen)", reason(t, x, "networkClass").Observed)
	require.Equal(t, "the user agent aws-cli is usual", reason(t, x, "userAgent").Text)
	require.Equal(t, "14:00 UTC is no rare hour: anna called in it on 10 of 10 days", reason(t, x, "hour").Text)
	require.Equal(t, "anna called from DE 1 minute before", reason(t, x, "twoCountries").Text)
	for _, x := range list {
		sum := 0.0
		for _, r := range x.Reasons {
			sum += r.Contribution
		}
		require.InDelta(t, x.Score, sum, 1e-9)
		require.GreaterOrEqual(t, x.Score, 1.6)
	}

	// The next day is reported anew, as less of a surprise, and ends at midnight.
	next := list[1]
	require.Equal(t, start.Add(33*time.Hour+40*time.Minute), next.Start)
	require.Equal(t, start.Add(33*time.Hour+50*time.Minute), next.End)
	require.InDelta(t, -1, reason(t, next, "told").Contribution, 1e-9)
	require.Equal(t, start.Add(34*time.Hour), list[2].Start)
	require.InDelta(t, -2, reason(t, list[2], "told").Contribution, 1e-9)
}

// TestConfirmedStrangersAreAlwaysTold has the thief come back day by day, with
// and without a thumbs-up.
func TestConfirmedStrangersAreAlwaysTold(t *testing.T) {
	f := func(want int, review func(l *line, id string)) string {
		t.Helper()
		l := newLine(t, nil)
		events := homes(22)
		for d := 10; d < 20; d++ {
			e := call(fmt.Sprintf("t%d", d), midnight(d).Add(15*time.Hour), "anna", "iam.amazonaws.com", "ListUsers", event.OutcomeSuccess)
			events = append(events, from(e, "51.15.1.1", "FR", 12876, event.NetworkHosting))
		}
		l.deliver(t, events)
		l.reach(t, midnight(11))
		review(l, l.addresses(t)[0].ID)
		l.reach(t, midnight(15))
		require.NoError(t, l.engine.snapshot(true))
		l.restart(t)
		require.NoError(t, l.engine.Finish(context.Background()))
		list := l.addresses(t)
		require.Len(t, list, want)
		for _, x := range list {
			sum := 0.0
			for _, r := range x.Reasons {
				sum += r.Contribution
			}
			require.InDelta(t, x.Score, sum, 1e-9)
		}
		return l.finals(t)
	}
	plain := f(3, func(*line, string) {})
	f(10, func(l *line, id string) { l.give(t, id, insight.Up, "not ours") })
	require.Equal(t, plain, f(3, func(l *line, id string) {
		l.give(t, id, insight.Up, "not ours")
		l.undo(t, id)
	}))
}

func TestAddressesThatSayNothing(t *testing.T) {
	at := epoch.Add(10*24*time.Hour + 14*time.Hour)
	f := func(edit func(*event.Event)) {
		t.Helper()
		e := from(call("x", at, "anna", "iam.amazonaws.com", "ListUsers", event.OutcomeSuccess), "51.15.1.1", "FR", 12876, event.NetworkHosting)
		edit(&e)
		l := newLine(t, nil)
		l.deliver(t, append(homes(11), e))
		require.NoError(t, l.engine.Finish(context.Background()))
		require.Empty(t, l.addresses(t))
	}
	f(func(e *event.Event) { e.Source.Network = event.NetworkCorporate })
	f(func(e *event.Event) { *e = from(*e, "10.1.2.3", "", 0, event.NetworkInternal) })
	f(func(e *event.Event) {
		e.Source = event.Source{Address: "cloudformation.amazonaws.com", Network: event.NetworkCloud}
	})
	f(func(e *event.Event) { e.Actor.Kind = event.KindCloudService })
	f(func(e *event.Event) { e.Category = event.CategoryData })
	f(func(e *event.Event) { *e = from(*e, "80.130.6.9", "DE", 3320, event.NetworkUnknown) }) // Ben's network.
	f(func(e *event.Event) { e.Actor.Identity = "arn:aws:iam::111111111111:user/new" })
	f(func(e *event.Event) { e.Time = epoch.Add(20 * time.Hour) }) // It only learns.
}

func TestAddressesAreTheSameInAnyOrderAndAfterRestarts(t *testing.T) {
	events := append(homes(12), thief()...)
	l := newLine(t, nil)
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	want := l.finals(t)
	require.Contains(t, want, "51.15.1.1")

	r := rand.New(rand.NewPCG(3, 4))
	l = newLine(t, nil)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	l.deliver(t, events)
	for at := 9 * 24 * time.Hour; at < 12*24*time.Hour; at += time.Duration(5+r.IntN(100)) * time.Minute {
		l.reach(t, epoch.Add(at))
		if r.IntN(3) == 0 {
			require.NoError(t, l.engine.snapshot(true))
			old := l.engine.list()[0]
			l.restart(t)
			s := l.engine.list()[0]
			require.Equal(t, old.lookers[0].(*addressLooker).told, s.lookers[0].(*addressLooker).told)
			require.Equal(t, old.lookers[0].(*addressLooker).pool, s.lookers[0].(*addressLooker).pool)
			require.ElementsMatch(t, slices.Collect(maps.Keys(old.sights)), slices.Collect(maps.Keys(s.sights)))
		}
	}
	require.NoError(t, l.engine.Finish(context.Background()))
	require.Equal(t, want, l.finals(t))
}

func TestANewAddressIsToldOnArrival(t *testing.T) {
	at := epoch.Add(10*24*time.Hour + 14*time.Hour)
	now := at
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	list := append(homes(12), thief()...)
	slices.SortFunc(list, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	list = l.deliverBefore(t, list, now)
	l.tick(t)
	require.Empty(t, l.addresses(t))
	for range 120 {
		now = now.Add(time.Minute)
		list = l.deliverBefore(t, list, now)
		l.tick(t)
		told := l.addresses(t)
		require.Len(t, told, 1, "%s", now)
		require.Equal(t, at.Add(10*time.Second), told[0].Start)
		require.Equal(t, now.Sub(at) < 31*time.Minute, told[0].Provisional, "%s", now)
	}
	require.Zero(t, l.store.Totals().Withdrawn)
}

func TestCoverageOfAddresses(t *testing.T) {
	f := func(events []event.Event, state, reason string) {
		t.Helper()
		l := newLine(t, nil)
		l.deliver(t, events)
		require.NoError(t, l.engine.Finish(context.Background()))
		s := l.engine.list()[0]
		all := s.detectors(s.lastTime)
		i := slices.IndexFunc(all, func(d insight.DetectorCoverage) bool { return d.InsightType == insight.TypeIP })
		require.Equal(t, insight.DetectorCoverage{InsightType: insight.TypeIP, State: state, Reason: reason}, all[i])
	}
	f(homes(3), "ready", "3 identities call from 3 networks")
	inside := homes(3)
	for i := range inside {
		inside[i] = from(inside[i], "10.1.2.3", "", 0, event.NetworkInternal)
	}
	f(inside, "blind", "no event has a public source address")
}

func TestPrograms(t *testing.T) {
	l := newAddressLooker()
	f := func(family, userAgent, want string) {
		t.Helper()
		for range 2 {
			require.Equal(t, want, l.program(&event.Event{AgentFamily: family, UserAgent: userAgent}))
		}
	}
	f("aws-cli", "aws-cli/2.33.4 ua/2.1 os/macos#25.2.0 md/arch#arm64", "aws-cli on macOS")
	f("aws-cli", "aws-cli/2.33.4 os/linux#6.8.0-kali-amd64", "aws-cli on Kali")
	f("Boto3", "Boto3/1.42 os/linux#5.10 exec-env/AWS_Lambda_python3.12", "Boto3 on Lambda")
	f("Chrome", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/145.0.0.0", "Chrome on Windows")
	f("python-requests", "python-requests/2.32.5", "python-requests")
	f("", "", "")
	for i := range 3 * programsKept {
		l.program(&event.Event{AgentFamily: "x", UserAgent: fmt.Sprint(i)})
	}
	require.LessOrEqual(t, len(l.programs), programsKept)
}

// BenchmarkAddressLooker is what an event costs whose address is known.
func BenchmarkAddressLooker(b *testing.B) {
	l := newAddressLooker()
	s := newStream(event.StreamKey{Provider: "aws", Account: "1"}, &Options{lookers: newLookers}, Settings{})
	w := newWho(1, "anna", event.KindHuman, 0)
	list := homes(3)
	for i := range list {
		l.learn(s, &list[i], names{}, w, minuteOf(list[i].Time), false)
	}
	events := []*event.Event{&list[len(list)-2], &list[len(list)-1]}
	for name, n := range map[string]int{"same": 1, "two addresses in turn": 2} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				e := events[i%n]
				m := minuteOf(e.Time)
				if _, ok := l.look(s, e, names{}, w, m); ok {
					b.Fatal("it is known")
				}
				l.learn(s, e, names{}, w, m, false)
			}
		})
	}
}
