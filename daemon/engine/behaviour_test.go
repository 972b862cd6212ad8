package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/enrich/geo"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
)

// town is an account's traffic, added to by its methods.
type town struct {
	events []event.Event
	n      int
}

// add adds a call; class and tier are the catalogue's.
func (y *town) add(at time.Time, who, service, operation, class string, tier uint8, kind event.Kind) *event.Event {
	y.n++
	e := call(fmt.Sprintf("t%06d", y.n), at, who, service+".amazonaws.com", operation, event.OutcomeSuccess)
	e.Class, e.Risk, e.Actor.Kind = class, tier, kind
	if kind == event.KindHuman {
		e.Actor.Credential = ""
	}
	y.events = append(y.events, e)
	return &y.events[len(y.events)-1]
}

// whence moves an event to an address of a country and a class of network.
func whence(e *event.Event, address, country string, network event.Network) *event.Event {
	e.Source = event.Source{Address: address, IP: netip.MustParseAddr(address), Country: country, Network: network}
	return e
}

// home is where people of the tests call from.
func home(e *event.Event) *event.Event { return whence(e, "62.153.10.11", "DE", event.NetworkUnknown) }

// townspeople are those who work by day on weekdays; epoch is a Monday.
var townspeople = []string{"anna", "ben", "carla", "dora", "emil", "frida"}

// newTown is a number of days of people at work, and of a backup that runs all
// day.
func newTown(days int) *town {
	y := &town{}
	r := rand.New(rand.NewPCG(3, 5))
	for d := range days {
		for m := 0; m < 1440; m += 4 {
			at := day(d, time.Duration(m)*time.Minute)
			y.add(at.Add(time.Duration(r.IntN(200))*time.Second), "backup", "s3", "PutBucketTagging", "", 0, event.KindService)
			if h := at.Hour(); d%7 >= 5 || h < 8 || h >= 17 {
				continue
			}
			for _, who := range townspeople {
				if r.IntN(8) == 0 {
					home(y.add(at.Add(time.Duration(r.IntN(200))*time.Second), who, "ec2", "CreateTags", "", 0, event.KindHuman))
				}
			}
			if m%60 == 0 {
				home(y.add(at, "frida", "ec2", "GetPasswordData", "sensitive_first_use", 1, event.KindHuman))
			}
		}
	}
	return y
}

// find runs the traffic and returns the insights of the types of behaviour.
func (y *town) find(t *testing.T, edit func(*Options)) []insight.Insight {
	t.Helper()
	l := newLine(t, func(o *Options) {
		unlimited(o)
		if edit != nil {
			edit(o)
		}
	})
	r := rand.New(rand.NewPCG(1, 1))
	events := slices.Clone(y.events)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	l.deliver(t, events)
	require.NoError(t, l.engine.Finish(context.Background()))
	return behaviourInsights(t, l)
}

var behaviourTypes = []string{
	insight.TypeFirstAction, insight.TypeOutOfHours, insight.TypeRisk, insight.TypeMassDeletion,
	insight.TypeImpossibleTravel, insight.TypeLoginFailure, insight.TypeLogGap,
}

func behaviourInsights(t *testing.T, l *line) []insight.Insight {
	t.Helper()
	out := slices.DeleteFunc(l.insights(t), func(in insight.Insight) bool { return !slices.Contains(behaviourTypes, in.Type) })
	for _, in := range out {
		sum := 0.0
		for _, r := range in.Reasons {
			require.NotEmpty(t, r.Text, "%s: %s", in.Summary, r.Feature)
			sum += r.Contribution
		}
		require.InDelta(t, in.Score, sum, 1e-6, "the reasons of %s add up: %+v", in.Summary, in.Reasons)
		require.NotEmpty(t, in.Summary)
		require.NotEmpty(t, in.Incident)
		require.NotEmpty(t, in.Filter)
		require.NotEmpty(t, in.Attack)
	}
	return out
}

// one is the only insight there is.
func one(t *testing.T, list []insight.Insight) insight.Insight {
	t.Helper()
	var words []string
	for _, in := range list {
		words = append(words, in.Type+": "+in.Summary)
	}
	require.Len(t, list, 1, "have %v", words)
	return list[0]
}

func TestAQuietTownHasNoInsights(t *testing.T) {
	y := newTown(24)
	// A colleague does what frida does every day, from where they all sit.
	home(y.add(day(21, 10*time.Hour), "anna", "ec2", "GetPasswordData", "sensitive_first_use", 1, event.KindHuman))
	// Somebody works an hour longer, and somebody on a Saturday; both do what they always do.
	home(y.add(day(21, 17*time.Hour+20*time.Minute), "ben", "ec2", "CreateTags", "", 0, event.KindHuman))
	home(y.add(day(19, 11*time.Hour), "carla", "ec2", "CreateTags", "", 0, event.KindHuman))
	require.Empty(t, y.find(t, nil))
}

func TestAFirstSensitiveActionFromAStrangePlace(t *testing.T) {
	y := newTown(24)
	at := day(22, 10*time.Hour)
	for i, op := range []string{"GetAccountAuthorizationDetails", "ListAccessKeys"} {
		e := whence(y.add(at.Add(time.Duration(i)*time.Minute), "dora", "iam", op, "sensitive_first_use", 1, event.KindHuman), "198.51.100.7", "DE", event.NetworkHosting)
		e.AgentFamily, e.UserAgent = "Boto3", "Boto3/1.40"
	}
	in := one(t, y.find(t, nil))
	require.Equal(t, insight.TypeFirstAction, in.Type)
	require.Equal(t, "iam.amazonaws.com:GetAccountAuthorizationDetails", in.Object, "one insight for all that it begins")
	require.Equal(t, at, in.Start)
	require.Equal(t, "arn:aws:iam::111111111111:user/dora", in.Identity)
	require.Equal(t, 2, in.Statistics.InsightCount)
}

func TestOutOfHours(t *testing.T) {
	y := newTown(24)
	at := day(22, 3*time.Hour+7*time.Minute) // A Tuesday.
	e := whence(y.add(at, "emil", "ec2", "CreateKeyPair", "password_change", 2, event.KindHuman), "198.51.100.9", "DE", event.NetworkUnknown)
	e.Access = event.AccessWrite
	list := y.find(t, nil)
	in := one(t, list)
	require.Equal(t, insight.TypeOutOfHours, in.Type)
	require.Equal(t, at, in.Start)
	require.Contains(t, in.Summary, "Tuesday at 03:07 UTC")
	require.Contains(t, in.Reasons[0].Text, "Mon to Fri 08 to 17 UTC")
	require.Equal(t, insight.SeverityMedium, in.Severity)
}

func TestADayOfMoreRisk(t *testing.T) {
	y := newTown(24)
	for d := range 24 {
		home(y.add(day(d, 9*time.Hour), "ben", "secretsmanager", "GetSecretValue", "sensitive_first_use", 1, event.KindHuman))
	}
	for i := range 60 {
		home(y.add(day(21, 9*time.Hour+time.Duration(5*i)*time.Minute), "ben", "secretsmanager", "GetSecretValue", "sensitive_first_use", 1, event.KindHuman))
	}
	in := one(t, y.find(t, nil))
	require.Equal(t, insight.TypeRisk, in.Type)
	require.Equal(t, day(21, 9*time.Hour).Truncate(24*time.Hour), in.Start.Truncate(24*time.Hour))
	require.False(t, in.End.After(day(22, 0)), "it is a day's")
}

func TestMassDeletion(t *testing.T) {
	y := newTown(24)
	for d := range 24 { // A teardown every evening.
		for i := range 40 {
			y.add(day(d, 20*time.Hour+time.Duration(i)*3*time.Second), "reaper", "ec2", "TerminateInstances", "mass_deletion", 1, event.KindService)
		}
	}
	at := day(22, 11*time.Hour)
	for i := range 60 {
		home(y.add(at.Add(time.Duration(i)*4*time.Second), "carla", "ec2", "DeleteSnapshot", "mass_deletion", 1, event.KindHuman))
		e := y.add(at.Add(time.Duration(i)*4*time.Second), "ben", "ec2", "DeleteVolume", "mass_deletion", 1, event.KindHuman)
		e.Source = event.Source{Address: "ec2.amazonaws.com", Network: event.NetworkCloud} // A service does it for him.
		failed := home(y.add(at.Add(time.Duration(i)*4*time.Second), "anna", "ec2", "DeleteVolume", "mass_deletion", 1, event.KindHuman))
		failed.Outcome, failed.ErrorCode = event.OutcomeError, "DependencyViolation"
	}
	found := y.find(t, nil)
	in := one(t, slices.DeleteFunc(found, func(in insight.Insight) bool { return in.Type != insight.TypeMassDeletion }))
	require.Equal(t, "arn:aws:iam::111111111111:user/carla", in.Identity)
	require.Less(t, in.Detected.Sub(at), 2*time.Minute)
	require.Equal(t, insight.SeverityCritical, in.Severity, "a person, and ten times as many as usual")
	require.Contains(t, in.Filter, `class="mass_deletion"`)
}

func TestImpossibleTravel(t *testing.T) {
	y := newTown(24)
	at := day(22, 12*time.Hour)
	go1 := func(minutes int, who, address, country string, network event.Network) {
		whence(y.add(at.Add(time.Duration(minutes)*time.Minute), who, "ec2", "CreateTags", "", 0, event.KindHuman), address, country, network)
	}
	go1(0, "anna", "62.153.10.11", "DE", event.NetworkUnknown)
	go1(30, "anna", "126.12.1.9", "JP", event.NetworkUnknown)
	go1(40, "ben", "126.12.1.10", "JP", event.NetworkVPN)         // Anybody may be behind it,
	go1(41, "ben", "62.153.10.11", "DE", event.NetworkUnknown)    // and it moved nobody.
	go1(42, "carla", "126.12.1.11", "JP", event.NetworkCorporate) // An office that calls out elsewhere.
	go1(50, "dora", "81.56.4.4", "FR", event.NetworkUnknown)      // Neighbours may be a step apart.
	found := y.find(t, nil)
	in := one(t, slices.DeleteFunc(found, func(in insight.Insight) bool { return in.Type != insight.TypeImpossibleTravel }))
	require.Equal(t, "arn:aws:iam::111111111111:user/anna", in.Identity)
	require.Equal(t, "126.12.1.9", in.Object)
	require.Contains(t, in.Summary, "after DE")
	require.Greater(t, in.Reasons[0].Observed, 10_000.0)
}

func TestTravelByCitiesWhereTheyAreKnown(t *testing.T) {
	y := newTown(24)
	at := day(22, 12*time.Hour)
	for d := range 23 {
		whence(y.add(day(d, 12*time.Hour), "gus", "ec2", "CreateTags", "", 0, event.KindHuman), "198.51.100.1", "US", event.NetworkUnknown)
	}
	whence(y.add(at.Add(time.Hour), "gus", "ec2", "CreateTags", "", 0, event.KindHuman), "198.51.100.2", "US", event.NetworkUnknown)
	travels := func(list []insight.Insight) []insight.Insight {
		return slices.DeleteFunc(list, func(in insight.Insight) bool {
			return in.Type != insight.TypeImpossibleTravel || in.Object != "198.51.100.2"
		})
	}
	require.Empty(t, travels(y.find(t, nil)), "within a country nothing is far")
	in := one(t, travels(y.find(t, func(o *Options) { o.Locate = cities })))
	require.Contains(t, in.Reasons[0].Text, "km away")
}

// signIn adds a sign-in.
func (y *town) signIn(at time.Time, who, address string, ok bool) *event.Event {
	e := y.add(at, who, "signin", "ConsoleLogin", "sensitive_first_use", 1, event.KindHuman)
	if !ok {
		e.Outcome, e.ErrorCode = event.OutcomeError, "Failed authentication"
	}
	return whence(e, address, "DE", event.NetworkUnknown)
}

func TestSignInsThatFail(t *testing.T) {
	y := newTown(24)
	for d := range 24 { // Who mistypes twice a day is let in without a word.
		for i, ok := range []bool{false, false, true} {
			y.signIn(day(d, 8*time.Hour+time.Duration(i)*time.Minute), "emil", "62.153.10.11", ok)
		}
	}
	guess := day(22, 10*time.Hour)
	for i := range 8 {
		y.signIn(guess.Add(time.Duration(i)*time.Minute), "anna", "62.153.10.50", i == 7)
	}
	spray := day(22, 13*time.Hour)
	for i, who := range []string{"anna", "ben", "carla", "dora", "frida", "x1", "x2"} {
		y.signIn(spray.Add(time.Duration(i)*time.Minute), who, "62.153.10.60", false)
	}
	force := day(22, 16*time.Hour)
	for i := range 14 {
		y.signIn(force.Add(time.Duration(i)*20*time.Second), "ben", fmt.Sprintf("62.153.10.%d", 70+i), false)
	}
	found := slices.DeleteFunc(y.find(t, nil), func(in insight.Insight) bool { return in.Type != insight.TypeLoginFailure })
	slices.SortFunc(found, func(a, b insight.Insight) int { return a.Start.Compare(b.Start) })
	require.Len(t, found, 3)
	require.Equal(t, guess.Add(7*time.Minute), found[0].Start)
	require.Equal(t, insight.SeverityHigh, found[0].Severity)
	require.Contains(t, found[0].Summary, "anna signed in from 62.153.10.50 (DE) after 7 failures")
	require.Equal(t, "62.153.10.60", found[1].Object)
	require.Empty(t, found[1].Identity)
	require.Contains(t, found[1].Attack, "T1110.003")
	require.Contains(t, found[2].Summary, "sign-ins of ben failed")
	require.Contains(t, found[2].Attack, "T1110.001")
}

func TestASilenceAfterAConcealment(t *testing.T) {
	y := newTown(24)
	stop := day(22, 9*time.Hour+58*time.Minute)
	whence(y.add(stop, "dora", "cloudtrail", "StopLogging", "trail_concealment", 3, event.KindHuman), "198.51.100.7", "NL", event.NetworkHosting)
	y.events = slices.DeleteFunc(y.events, func(e event.Event) bool {
		return e.Time.After(stop) && e.Time.Before(day(22, 14*time.Hour))
	})
	l := newLine(t, unlimited)
	l.deliver(t, y.events)
	require.NoError(t, l.engine.Finish(context.Background()))
	found := behaviourInsights(t, l)
	in := one(t, slices.DeleteFunc(found, func(in insight.Insight) bool { return in.Type != insight.TypeLogGap }))
	require.WithinDuration(t, stop, in.Start, 2*time.Minute)
	require.Equal(t, insight.StateEnd, in.State)
	require.WithinDuration(t, day(22, 14*time.Hour), in.End, 5*time.Minute)
	require.Equal(t, insight.SeverityHigh, in.Severity)
	require.Contains(t, in.Identity, "user/dora", "who stopped the trail")
	var trail insight.Insight
	for _, x := range l.insights(t) {
		if x.Type == insight.TypeTrailConcealment {
			trail = x
		}
	}
	require.Equal(t, trail.Incident, in.Incident)
	require.Equal(t, "concealment", in.Reasons[1].Feature)
}

func TestASilentNightIsNoGap(t *testing.T) {
	y := &town{}
	for d := range 20 {
		for m := 8 * 60; m < 17*60; m += 2 {
			home(y.add(day(d, time.Duration(m)*time.Minute), "anna", "ec2", "CreateTags", "", 0, event.KindHuman))
		}
	}
	require.Empty(t, y.find(t, nil))
}

// TestBehaviourIsToldOnArrival delivers a deletion as it happens.
func TestBehaviourIsToldOnArrival(t *testing.T) {
	y := newTown(23)
	at := day(22, 11*time.Hour)
	for i := range 60 {
		home(y.add(at.Add(time.Duration(i)*4*time.Second), "carla", "ec2", "DeleteSnapshot", "mass_deletion", 1, event.KindHuman))
	}
	slices.SortStableFunc(y.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	now := day(22, 10*time.Hour)
	l := newLine(t, func(o *Options) { unlimited(o); o.Now = func() time.Time { return now } })
	rest := l.deliverBefore(t, y.events, now)
	l.tick(t)
	for now.Before(at.Add(5 * time.Minute)) {
		now = now.Add(20 * time.Second)
		rest = l.deliverBefore(t, rest, now)
		l.tick(t)
	}
	in := one(t, slices.DeleteFunc(behaviourInsights(t, l), func(in insight.Insight) bool { return in.Type != insight.TypeMassDeletion }))
	require.True(t, in.Provisional)
	require.Less(t, in.Detected.Sub(at), 2*time.Minute)
	for len(rest) > 0 {
		now = now.Add(10 * time.Minute)
		rest = l.deliverBefore(t, rest, now)
		l.tick(t)
	}
	in = one(t, slices.DeleteFunc(behaviourInsights(t, l), func(in insight.Insight) bool { return in.Type != insight.TypeMassDeletion }))
	require.False(t, in.Provisional, "confirmed under the id that it was told with")
	require.Equal(t, insight.StateEnd, in.State)
}

// TestBehaviourSurvivesRestarts compares what is found over restarts with what an
// undisturbed line finds.
func TestBehaviourSurvivesRestarts(t *testing.T) {
	y := newTown(24)
	at := day(22, 12*time.Hour)
	for i := range 60 {
		home(y.add(at.Add(time.Duration(i)*4*time.Second), "carla", "ec2", "DeleteSnapshot", "mass_deletion", 1, event.KindHuman))
	}
	whence(y.add(at.Add(30*time.Minute), "anna", "ec2", "CreateTags", "", 0, event.KindHuman), "126.12.1.9", "JP", event.NetworkUnknown)
	whence(y.add(day(22, 3*time.Hour), "emil", "ec2", "CreateKeyPair", "password_change", 2, event.KindHuman), "198.51.100.9", "DE", event.NetworkUnknown)
	for i := range 8 {
		y.signIn(at.Add(time.Duration(i)*time.Minute), "ben", "62.153.10.50", i == 7)
	}
	slices.SortStableFunc(y.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	undisturbed := newLine(t, nil)
	undisturbed.deliver(t, y.events)
	require.NoError(t, undisturbed.engine.Finish(context.Background()))
	want := undisturbed.finals(t)
	require.Contains(t, want, insight.TypeMassDeletion)
	require.Contains(t, want, insight.TypeImpossibleTravel)
	require.Contains(t, want, insight.TypeLoginFailure)

	r := rand.New(rand.NewPCG(2, 7))
	now := epoch
	l := newLine(t, func(o *Options) { o.Now = func() time.Time { return now } })
	rest := y.events
	for now.Before(epoch.Add(25 * 24 * time.Hour)) {
		now = now.Add(time.Duration(60+r.IntN(400)) * time.Minute)
		rest = l.deliverBefore(t, rest, now)
		l.tick(t)
		if r.IntN(4) == 0 {
			l.restart(t)
		}
	}
	require.Equal(t, want, l.finals(t))
}

// cities knows two of them.
func cities(a netip.Addr) (geo.Point, bool) {
	switch a.String() {
	case "198.51.100.1":
		return geo.Point{Latitude: 40.7, Longitude: -74}, true // New York.
	case "198.51.100.2":
		return geo.Point{Latitude: 34.05, Longitude: -118.2}, true // Los Angeles.
	}
	return geo.Point{}, false
}

// TestWhatArrivedIsNoFirstUseAgain has somebody begin something at his desk, which is
// little, and do it again from elsewhere before the first time is final.
func TestWhatArrivedIsNoFirstUseAgain(t *testing.T) {
	at := day(22, 10*time.Hour)
	for _, first := range []bool{false, true} {
		now := at
		y := newTown(24)
		before := y.events
		y.events = nil
		if first {
			home(y.add(at.Add(-2*time.Minute), "dora", "iam", "ListAccessKeys", "sensitive_first_use", 1, event.KindHuman))
		}
		e := whence(y.add(at.Add(-time.Minute), "dora", "iam", "ListAccessKeys", "sensitive_first_use", 1, event.KindHuman), "198.51.100.7", "DE", event.NetworkHosting)
		e.AgentFamily, e.UserAgent = "Boto3", "Boto3/1.40"
		slices.SortStableFunc(before, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
		l := newLine(t, func(o *Options) {
			unlimited(o)
			o.Now = func() time.Time { return now }
		})
		l.deliverBefore(t, before, at.Add(-10*time.Minute))
		l.tick(t)
		l.deliver(t, y.events)
		l.tick(t)
		told := behaviourInsights(t, l)
		now = at.Add(time.Hour)
		l.tick(t)
		if first {
			require.Empty(t, told)
			require.Empty(t, behaviourInsights(t, l), "and the final pass agrees")
			continue
		}
		require.Equal(t, insight.TypeFirstAction, one(t, told).Type)
		require.Equal(t, one(t, told).ID, one(t, behaviourInsights(t, l)).ID)
	}
}
