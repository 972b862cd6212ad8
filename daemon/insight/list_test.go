package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestList(t *testing.T) {
	s := open(t, nil)
	yes, no := true, false

	a := sample(0)
	a.Severity, a.Confidence, a.KRI, a.HighRisk = SeverityCritical, 0.99, "Data Loss", true
	b := sample(10)
	b.Type, b.Identity, b.Object, b.Service, b.Operation = TypeIP, "", "203.0.113.9", "", ""
	b.Region, b.Suppressed, b.Confidence, b.UserType = "us-east-1", "budget", 0.3, ""
	b.SourceIPs = []SourceIP{{IP: "203.0.113.9", Country: "NL"}, {IP: "203.0.113.10", Country: "DE"}}
	c := ended(sample(20), 30*time.Minute)
	c.Provider, c.Account, c.Score = "azure", "sub-1", 9
	for _, i := range []Insight{a, b, c} {
		put(t, s, i)
	}
	names := map[string]string{a.ID: "a", b.ID: "b", c.ID: "c"}
	f := func(q Query, want string) {
		t.Helper()
		page, err := s.List(q)
		require.NoError(t, err)
		got := ""
		for _, i := range page.Insights {
			got += names[i.ID]
		}
		require.Equal(t, want, got)
	}
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	f(Query{}, "cba")
	f(Query{Sort: "start"}, "abc")
	f(Query{Sort: "-start"}, "cba")
	f(Query{Sort: "-confidence"}, "acb")
	f(Query{Sort: "-severity", Provider: Words{"aws"}}, "ab")
	f(Query{Sort: "-score", Types: []string{TypeAPICallRate}}, "ca")
	f(Query{Sort: "end"}, "c"+smaller(a.ID, b.ID, names))
	f(Query{Types: []string{TypeIP}}, "b")
	f(Query{Types: []string{TypeIP, TypeAPICallRate}}, "cba")
	f(Query{Types: []string{"Nothing"}}, "")
	f(Query{State: StateStart}, "ba")
	f(Query{State: StateEnd}, "c")
	f(Query{Provider: Words{"azure"}}, "c")
	f(Query{Provider: Words{"aws"}, Account: Words{a.Account}}, "ba")
	f(Query{Region: Words{"us-east-1"}}, "b")
	f(Query{Service: Words{"ec2.amazonaws.com"}}, "ca")
	f(Query{Operation: Words{"RunInstances"}}, "ca")
	f(Query{Object: Words{"203.0.113.9"}}, "b")
	f(Query{Identity: Words{a.Identity}}, "a")
	f(Query{UserType: Words{"IAMUser"}}, "ca")
	f(Query{IP: Words{"203.0.113.10"}}, "b")
	f(Query{Country: Words{"DE"}}, "cba")
	f(Query{IP: Words{"203.0.113.10"}, Country: Words{"NL"}}, "")
	f(Query{MinConfidence: 0.95}, "ca")
	f(Query{Level: Words{"Low"}}, "b")
	f(Query{Severity: Words{string(SeverityCritical)}}, "a")
	f(Query{KRI: Words{"Data Loss"}}, "a")
	f(Query{HighRisk: &yes}, "a")
	f(Query{HighRisk: &no}, "cb")
	f(Query{Suppressed: &yes}, "b")
	f(Query{Suppressed: &no}, "ca")
	f(Query{Incident: Words{a.Incident}}, "a")
	f(Query{Q: "RUNinst"}, "cba")
	f(Query{Q: "USER-20"}, "c")
	f(Query{Q: "203.0.113.10"}, "b")
	f(Query{To: at(10)}, "a")
	f(Query{From: at(51)}, "ba")
	f(Query{From: at(50), To: at(52)}, "cba")
	f(Query{From: at(50), To: at(52), State: StateEnd}, "c")

	for _, q := range []Query{{Sort: "size"}, {Limit: -1}, {Next: "?"}, {Next: "AAAA"}} {
		_, err := s.List(q)
		require.ErrorIs(t, err, ErrQuery)
	}
}

func smaller(a, b string, names map[string]string) string {
	if a < b {
		return names[a] + names[b]
	}
	return names[b] + names[a]
}

// TestPages goes through pages of every size in every order, and finds
// everything once.
func TestPages(t *testing.T) {
	s := open(t, nil)
	const n = 23
	for k := range n {
		i := sample(k / 3) // Some start at the same time.
		i.Object = string(rune('a' + k))
		i.ID = ID(i.Type, streamOf(i), i.Region, i.Object, i.Identity, i.Start)
		put(t, s, i)
	}
	for _, filter := range []Query{{}, {Provider: Words{"aws"}, Account: Words{"111122223333"}}, {State: StateStart}} {
		for _, sort := range []string{"", "start", "-start", "confidence", "-severity", "end"} {
			whole := filter
			whole.Sort, whole.Limit = sort, 100
			all, err := s.List(whole)
			require.NoError(t, err)
			require.Len(t, all.Insights, n)
			require.Empty(t, all.Next)
			for limit := 1; limit <= n; limit += 3 {
				q := filter
				q.Sort, q.Limit = sort, limit
				var got []Insight
				for {
					page, err := s.List(q)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Insights), limit)
					got = append(got, page.Insights...)
					if q.Next = page.Next; q.Next == "" {
						break
					}
				}
				require.Equal(t, all.Insights, got)
			}
		}
	}
	page, err := s.List(Query{Limit: 1})
	require.NoError(t, err)
	_, err = s.List(Query{Sort: "start", Next: page.Next})
	require.ErrorIs(t, err, ErrQuery, "a cursor belongs to its order")

	// What comes in between shifts no page.
	put(t, s, sample(100))
	next, err := s.List(Query{Limit: n, Next: page.Next})
	require.NoError(t, err)
	require.Len(t, next.Insights, n-1)
}

func TestIncidents(t *testing.T) {
	s := open(t, nil)
	a := sample(0)
	a.Incident = "x"
	b := ended(sample(5), time.Minute)
	b.Incident, b.Identity, b.Confidence, b.Severity, b.Region = "x", a.Identity, 0.99, SeverityHigh, "us-east-1"
	b.Summary, b.Suppressed = "the surer one", "budget"
	c := ended(sample(9), time.Minute)
	c.Incident = "y"
	gone := sample(11)
	gone.Incident, gone.State = "z", StateWithdrawn
	put(t, s, a, b, c, gone)

	list, next, err := s.Incidents(IncidentQuery{})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, list, 2)
	require.Equal(t, "y", list[0].ID)
	require.Equal(t, StateEnd, list[0].State)
	require.Equal(t, c.End, list[0].End)
	require.Equal(t, Incident{
		ID: "x", Provider: "aws", Account: "111122223333", Identity: a.Identity, State: StateStart, Start: a.Start,
		Confidence: 0.93, ConfidenceLevel: "High", Severity: SeverityMedium, Summary: a.Summary, Title: "user-0: unusual call rate",
		Types: []string{TypeAPICallRate}, Regions: []string{"eu-central-1", "us-east-1"}, Insights: 2, Suppressed: 1,
	}, list[1])

	list, next, err = s.Incidents(IncidentQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, "y", list[0].ID)
	list, next, err = s.Incidents(IncidentQuery{Limit: 1, Next: next})
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, "x", list[0].ID)

	// One insight that fits is enough, and the incident is summed up whole.
	list, _, err = s.Incidents(IncidentQuery{Filter: parse(t, `suppressed="true"`), Account: Words{a.Account, "another"}})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "x", list[0].ID)
	require.Equal(t, 2, list[0].Insights)
	list, _, err = s.Incidents(IncidentQuery{Filter: parse(t, `suppressed="true"`), Account: Words{"another"}})
	require.NoError(t, err)
	require.Empty(t, list)

	list, _, err = s.Incidents(IncidentQuery{State: StateEnd})
	require.NoError(t, err)
	require.Len(t, list, 1)
	list, _, err = s.Incidents(IncidentQuery{From: c.End.Add(time.Second)})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "x", list[0].ID)

	one, members, ok := s.Incident("x")
	require.True(t, ok)
	require.Equal(t, 2, one.Insights)
	require.Equal(t, a.ID, members[0].ID)
	require.Equal(t, []Step{
		{Time: a.Start, ID: a.ID, Type: a.Type, Severity: a.Severity, Confidence: a.Confidence, Summary: a.Summary},
		{Time: b.Start, ID: b.ID, Type: b.Type, Severity: b.Severity, Confidence: b.Confidence, Summary: b.Summary, Suppressed: "budget"},
	}, one.Timeline)
	_, _, ok = s.Incident("z")
	require.False(t, ok)
	_, _, ok = s.Incident("")
	require.False(t, ok)

	d := sample(7)
	d.Incident = "x"
	put(t, s, d)
	one, _, _ = s.Incident("x")
	require.Empty(t, one.Identity, "of several identities")
}

func BenchmarkList(b *testing.B) {
	s, err := Open(Options{})
	require.NoError(b, err)
	defer s.Close()
	for n := range 10_000 {
		if _, err := s.Put(sample(n)); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]Query{
		"newest":     {},
		"confidence": {Sort: "-confidence"},
		"identity":   {Identity: Words{sample(5000).Identity}},
		"text":       {Q: "user-9999"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := s.List(q)
				if err != nil || len(page.Insights) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}
