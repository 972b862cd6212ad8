package insight

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func countsOf(words ...string) map[string]int {
	out := map[string]int{}
	for _, w := range words {
		out[w]++
	}
	return out
}

func TestExtent(t *testing.T) {
	x := NewExtent(Counts{
		Operations: countsOf("b:B", "a:A"), Countries: countsOf("FR", "DE"),
		Addresses: countsOf("203.0.113.9", "203.0.113.10", "198.51.100.1", "AWS Internal", "", "2001:db8:1:2::3", "::ffff:192.0.2.1",
			"10.1.1.1", "10.1.2.1", "10.1.3.1", "10.2.3.1", "2001:db9:1::1", "2001:db9:2::1", "2001:db9:3::1"),
	}, 7)
	require.Equal(t, Extent{
		Operations: []string{"a:A", "b:B"}, Countries: []string{"DE", "FR"}, Peak: 7,
		Networks: []string{
			"10.1.0.0/16", "10.2.3.0/24", "192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/48", "2001:db9::/32",
			"203.0.113.0/24", "AWS Internal", "unknown",
		},
	}, x)
	for network, want := range map[string]bool{
		"10.1.9.0/24": true, "10.2.3.0/24": true, "10.2.4.0/24": false, "2001:db9:77::/48": true, "2001:db8:2::/48": false,
		"AWS Internal": true, "unknown": true, "elsewhere": false, "": false,
	} {
		require.Equal(t, want, x.holdsNetwork(network), network)
	}
	many := map[string]int{"rare": 1}
	for n := range 100 {
		many[fmt.Sprintf("s:O%03d", n)] = 2
	}
	ops := NewExtent(Counts{Operations: many}, 1).Operations
	require.Len(t, ops, extentLimit)
	require.Contains(t, ops, extentOther)
	require.NotContains(t, ops, "rare")

	y := NewExtent(Counts{Addresses: countsOf("10.2.4.1", "10.2.5.1"), Countries: countsOf("DE", "IT")}, 9)
	x.Absorb(y)
	require.Contains(t, x.Networks, "10.2.0.0/16")
	require.NotContains(t, x.Networks, "10.2.3.0/24")
	require.Equal(t, []string{"DE", "FR", "IT"}, x.Countries)
	require.Equal(t, 9.0, x.Peak)
}

// burstOf is an insight of calls that is over.
func burstOf(edit func(*Insight)) *Insight {
	i := &Insight{
		Type: TypeAPICallRate, Provider: "aws", Account: "1", Region: "eu-central-1", Object: "ec2:RunInstances", Identity: "anna",
		Service: "ec2", Operation: "RunInstances", State: StateEnd, Confidence: 0.5,
		Start: time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 9, 3, 9, 0, 0, time.UTC),
		SourceIPs:  []SourceIP{{IP: "203.0.113.9", Country: "DE"}},
		Statistics: Statistics{InsightCount: 100, Insight: Average{Average: 10}},
		Extent: Extent{
			Operations: []string{"ec2:RunInstances"}, Networks: []string{"203.0.113.0/24"}, Countries: []string{"DE"}, Peak: 20,
		},
	}
	if edit != nil {
		edit(i)
	}
	return i
}

func TestEnvelope(t *testing.T) {
	f := func(name string, reviewed, other func(*Insight), about bool, beyond string) {
		t.Helper()
		v := burstOf(reviewed).Envelope()
		o := burstOf(reviewed)
		if other != nil {
			other(o)
		}
		require.Equal(t, about, v.About(o), name)
		if !about {
			return
		}
		x, over := v.Beyond(o)
		require.Equal(t, beyond != "", over, "%s: %s", name, x.Text)
		if over {
			require.Contains(t, x.Text, beyond, name)
		}
	}
	f("the same", nil, nil, true, "")
	f("another identity", nil, func(i *Insight) { i.Identity = "ben" }, false, "")
	f("another type", nil, func(i *Insight) { i.Type = TypeAk }, false, "")
	f("another region", nil, func(i *Insight) { i.Region = "us-east-1" }, false, "")
	f("another API", nil, func(i *Insight) { i.Object = "ec2:StopInstances" }, false, "")
	f("the same network", nil, func(i *Insight) { i.Extent.Networks = []string{"203.0.113.0/24"} }, true, "")
	f("another network", nil, func(i *Insight) { i.Extent.Networks = []string{"198.51.100.0/24", "203.0.113.0/24"} }, true, "network 198.51.100.0/24, where 203.0.113.0/24 was confirmed")
	f("another country", nil, func(i *Insight) { i.Extent.Countries = []string{"FR"} }, true, "country FR, where DE was confirmed")
	f("by its addresses", func(i *Insight) { i.Extent = Extent{} }, func(i *Insight) { i.SourceIPs = []SourceIP{{IP: "192.0.2.1", Country: "DE"}} }, true, "network 192.0.2.0/24")
	f("a little larger", nil, func(i *Insight) { i.Extent.Peak, i.Statistics.InsightCount = 33, 130 }, true, "")
	f("faster", nil, func(i *Insight) { i.Extent.Peak = 34 }, true, "34 in a minute, where 20 were confirmed")
	f("longer", nil, func(i *Insight) { i.Statistics.InsightCount = 131 }, true, "131 events, where 100 were confirmed")
	f("while it goes on", func(i *Insight) { i.State, i.End = StateStart, time.Time{} }, func(i *Insight) { i.Statistics.InsightCount = 1000 }, true, "")

	failing := func(i *Insight) {
		i.Type = TypeAPIErrorRate
		i.Extent.Operations = []string{"ec2:RunInstances", "ec2:StopInstances"}
	}
	f("errors, mostly of another API", failing, func(i *Insight) { i.Object = "ec2:StopInstances" }, true, "")
	f("errors of a further API", failing, func(i *Insight) { i.Extent.Operations = append(i.Extent.Operations, "iam:ListUsers") }, true, "operation iam:ListUsers, where ec2:RunInstances, ec2:StopInstances was confirmed")
	ofAccount := func(i *Insight) { failing(i); i.Identity, i.Object = "", "AccessDenied" }
	f("errors of the account", ofAccount, func(i *Insight) { i.Extent.Operations = []string{"iam:ListUsers"} }, true, "")
	f("another code", ofAccount, func(i *Insight) { i.Object = "Throttling" }, false, "")

	key := func(i *Insight) { i.Type, i.Object = TypeAk, "AKIAX" }
	f("another key", key, func(i *Insight) { i.Object = "AKIAY" }, false, "")
	f("another operation of a key", key, func(i *Insight) { i.Extent.Operations = []string{"iam:CreateUser"} }, true, "operation iam:CreateUser")
	f("another region of a key", key, func(i *Insight) { i.Region, i.Extent.Regions = "us-east-1", []string{"us-east-1"} }, true, "region us-east-1, where eu-central-1 was confirmed")
	f("another session", func(i *Insight) { i.Type, i.Object = TypeAk, "ASIAX" }, func(i *Insight) { i.Object = "ASIAY" }, true, "")

	address := func(i *Insight) { i.Type, i.Object = TypeIP, "203.0.113.9" }
	f("another region from there", address, func(i *Insight) { i.Region = "us-east-1" }, true, "")
	f("somebody else", address, func(i *Insight) { i.Identity = "ben" }, false, "")
	f("another address nearby", address, func(i *Insight) { i.Object, i.Statistics.InsightCount = "203.0.113.10", 5000 }, true, "")
	f("another identity from there", address, func(i *Insight) { i.Extent.Identities = []string{"anna", "ben"} }, true, "identity ben, where anna was confirmed")
	f("the second identity first", func(i *Insight) { address(i); i.Extent.Identities = []string{"anna", "ben"} }, func(i *Insight) { i.Identity = "ben" }, true, "")

	policy := func(i *Insight) { i.Type, i.Object = TypePolicyChange, "ec2" }
	f("more changes of a policy", policy, func(i *Insight) { i.Statistics.InsightCount, i.Extent.Peak = 5000, 500 }, true, "")
	f("another change of a policy", policy, func(i *Insight) { i.Extent.Operations = []string{"ec2:ModifyVpc"} }, true, "operation ec2:ModifyVpc")
}

func TestStray(t *testing.T) {
	v := burstOf(func(i *Insight) { i.Type, i.Object = TypeAk, "AKIAX" }).Envelope()
	f := func(address, country, operation, want string) {
		t.Helper()
		x, beyond := v.Stray(&event.Event{Region: "eu-central-1", Service: "ec2", Operation: operation, Source: event.Source{Address: address, Country: country}})
		require.Equal(t, want != "", beyond, x.Text)
		if beyond {
			require.Contains(t, x.Text, want)
		}
	}
	f("203.0.113.77", "DE", "RunInstances", "")
	f("203.0.113.77", "", "RunInstances", "")
	f("203.0.114.77", "DE", "RunInstances", "network 203.0.114.0/24")
	f("", "", "RunInstances", "network unknown")
	f("203.0.113.77", "FR", "RunInstances", "country FR")
	f("203.0.113.77", "DE", "StopInstances", "operation ec2:StopInstances")

	x, beyond := v.Stray(&event.Event{Region: "us-east-1", Service: "ec2", Operation: "RunInstances", Source: event.Source{Address: "203.0.113.77"}})
	require.True(t, beyond)
	require.Contains(t, x.Text, "region us-east-1")

	grown := v.Clone()
	grown.Grow(Extent{Operations: []string{"ec2:StopInstances"}, Networks: []string{"AWS Internal"}, Identities: []string{"ben"}, Peak: 99})
	require.Equal(t, []string{"ec2:RunInstances", "ec2:StopInstances"}, grown.Operations)
	require.Equal(t, []string{"203.0.113.0/24", "AWS Internal"}, grown.Networks)
	require.Empty(t, grown.Identities, "it is not about identities")
	require.Equal(t, 99.0, grown.Peak)
	require.Equal(t, []string{"ec2:RunInstances"}, v.Operations, "a clone shares nothing")
}

func TestReview(t *testing.T) {
	s, err := Open(Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	put := func(id string, edit func(*Insight)) {
		t.Helper()
		i := burstOf(edit)
		i.ID = id
		_, err := s.Put(*i)
		require.NoError(t, err)
	}
	put("first", func(i *Insight) {
		i.Score, i.Reasons = 4.5, []Reason{{Feature: "rate", Observed: 7.0}, {Feature: FeatureAgreement, Observed: 1.0}}
	})
	put("same", func(i *Insight) { i.Start = i.Start.Add(-24 * time.Hour); i.End = i.End.Add(-24 * time.Hour) })
	put("larger", func(i *Insight) { i.Start = i.Start.Add(-48 * time.Hour); i.Extent.Peak = 100 })
	put("key", func(i *Insight) { i.Type, i.Object, i.Start = TypeAk, "AKIAX", i.Start.Add(time.Minute) })
	put("long before", func(i *Insight) { i.Type, i.Start = TypeAPIErrorRate, i.Start.Add(-3*time.Hour) })
	put("ben's", func(i *Insight) { i.Type, i.Identity = TypePolicyChange, "ben" })
	put("elsewhere", func(i *Insight) { i.Account = "2" })
	put("gone", func(i *Insight) { i.State, i.Region = StateWithdrawn, "us-east-1" })
	put("former", func(i *Insight) { i.State, i.Region, i.SupersededBy = StateWithdrawn, "us-east-2", "next" })
	put("next", func(i *Insight) { i.State, i.Region, i.SupersededBy = StateWithdrawn, "us-east-2", "first" })

	f, err := s.Review("first", Down, "normal")
	require.NoError(t, err)
	want := burstOf(nil).Envelope()
	require.Equal(t, Feedback{
		Insight: "first", InsightType: TypeAPICallRate, Verdict: Down, Note: "normal", Envelope: &want,
		Stream: event.StreamKey{Provider: "aws", Account: "1"}, Object: "ec2:RunInstances", Score: 4.5, Agreeing: 1,
	}, f)
	newest, count := s.Hidden(f, 10)
	require.Equal(t, 2, count)
	require.Equal(t, []string{"first", "same"}, []string{newest[0].ID, newest[1].ID})
	newest, count = s.Hidden(f, 1)
	require.Equal(t, 2, count)
	require.Len(t, newest, 1)

	f, err = s.Review("first", Up, "")
	require.NoError(t, err)
	require.Nil(t, f.Envelope)
	_, count = s.Hidden(f, 10)
	require.Zero(t, count)

	_, err = s.Review("unknown", Up, "")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = s.Review("gone", Up, "")
	require.ErrorIs(t, err, ErrTakenBack)
	_, err = s.Review("former", Up, "")
	require.ErrorIs(t, err, ErrTakenBack)
	require.ErrorContains(t, err, "former gave place to first; judge that")
}
