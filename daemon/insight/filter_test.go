package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func filtered() Insight {
	i := sample(0)
	i.Severity, i.Confidence, i.KRI, i.HighRisk = SeverityCritical, 0.99, "Data Loss", true
	i.SourceIPs = []SourceIP{{IP: "203.0.113.9", Country: "NL", ASN: 64500, Network: "vpn"}, {IP: "203.0.113.10", Country: "DE", Network: "hosting"}}
	i.AccessKeyIDs, i.Resources, i.Attack = []string{"AKIA1", "AKIA2"}, []string{"i-1"}, []string{"T1078.004"}
	i.Reasons = []Reason{{Feature: "rate", Text: "Twelve times what is Usual."}}
	return i
}

func TestFilter(t *testing.T) {
	i := filtered()
	f := func(source string, want bool) {
		t.Helper()
		require.Equal(t, want, parse(t, source).Match(&i), source)
	}
	f(``, true)
	f(`type="ApiCallRateInsight" severity="Critical" level="High" high_risk="true" suppressed="false" state="active"`, true)
	f(`type!~"Api.*"`, false)
	f(`service="ec2.amazonaws.com", operation=~"Run.*"`, true)
	f(`operation="runinstances"`, false)
	f(`country="DE"`, true)
	f(`country="NL" country="DE"`, true)
	f(`country!="DE"`, false)
	f(`country!="FR"`, true)
	f(`country=~"F.|N."`, true)
	f(`ip!~"203.*"`, false)
	f(`asn="64500" network="vpn" network!="tor"`, true)
	f(`asn=""`, false)
	f(`credential="AKIA2" resource="i-1" attack="T1078.004" kri="Data Loss"`, true)
	f(`region=""`, i.Region == "")
	f(`incident="`+i.Incident+`" id="`+i.ID+`"`, true)
	f(`"TWELVE times"`, true)
	f(`!"twelve times"`, false)
	f(`"no such text"`, false)
	f(`"akia1" "203.0.113.10" "runinst"`, true)

	i.Suppressed, i.State, i.SourceIPs, i.Provider = "budget: none left", StateWithdrawn, nil, "azure"
	f(`suppressed="true" state="withdrawn" country="" country!="DE"`, true)
	f(`operation="runinstances" operation=~"RUN.*"`, true)

	classOf := func(stream event.StreamKey, identity string) string {
		if stream.Account == i.Account && identity == i.Identity {
			return ClassAutomation
		}
		return ""
	}
	for source, want := range map[string]bool{
		`identity_class="Automation"`: true, `user_type="Automation"`: true, `user_type!="Automation"`: false, `identity_class=""`: false,
	} {
		g, err := ParseFilter(source, classOf)
		require.NoError(t, err)
		require.Equal(t, want, g.Match(&i), source)
		require.Equal(t, !want, parse(t, source).Match(&i), "%s: nobody knows", source)
	}

	var none *Filter
	require.True(t, none.Match(&i))
	_, err := ParseFilter(`identiy="anna"`, nil)
	require.ErrorContains(t, err, "did you mean identity?")
}

// TestFilterList holds lists with a filter, and their short ways along indexes,
// against what the filter says.
func TestFilterList(t *testing.T) {
	s := open(t, nil)
	var all []Insight
	for n := range 40 {
		i := sample(n)
		i.Region = []string{"eu-central-1", "us-east-1"}[n%2]
		if n%5 == 0 {
			i = ended(i, time.Minute)
		}
		if n%7 == 0 {
			i.State = StateWithdrawn
		}
		put(t, s, i)
		all = append(all, i)
	}
	for _, source := range []string{
		``, `region="us-east-1"`, `state="withdrawn"`, `state!="active"`, `id="` + all[3].ID + `"`, `id="` + all[7].ID + `"`, `id!="` + all[3].ID + `"`,
		`identity="` + all[9].Identity + `"`, `object="` + all[9].Object + `"`, `incident="` + all[9].Incident + `" region="us-east-1"`, `"user-1"`,
	} {
		f := parse(t, source)
		for _, sort := range []string{"start", "-end", "confidence"} {
			page, err := s.List(Query{Filter: f, Sort: sort, Limit: 100})
			require.NoError(t, err)
			got := map[string]bool{}
			for _, i := range page.Insights {
				got[i.ID] = true
			}
			for _, i := range all {
				want := f.Match(&i) && (i.State != StateWithdrawn || f.names(fieldState))
				require.Equal(t, want, got[i.ID], "%s: %s by %s", source, i.ID, sort)
			}
		}
	}
	// Repeated words widen, each other word narrows.
	page, err := s.List(Query{Region: Words{"us-east-1", "nowhere"}, Identity: Words{all[9].Identity, all[11].Identity}, Filter: parse(t, `state="active"`)})
	require.NoError(t, err)
	require.Len(t, page.Insights, 2)
}

func TestValues(t *testing.T) {
	s := open(t, nil)
	a, b, c := filtered(), sample(1), sample(2)
	b.Suppressed, b.SourceIPs = "budget: none left", []SourceIP{{Country: "DE"}}
	c.State, c.SourceIPs = StateWithdrawn, []SourceIP{{Country: "FR"}}
	for _, i := range []Insight{a, b, c} {
		put(t, s, i)
	}
	f := func(q ValuesQuery, want ...event.ValueCount) {
		t.Helper()
		got, err := s.Values(q)
		require.NoError(t, err)
		require.Equal(t, append([]event.ValueCount{}, want...), got)
	}
	f(ValuesQuery{Field: "country"}, event.ValueCount{Value: "DE", Count: 2}, event.ValueCount{Value: "NL", Count: 1})
	f(ValuesQuery{Field: "country", Limit: 1}, event.ValueCount{Value: "DE", Count: 2})
	f(ValuesQuery{Field: "country", Contains: "n"}, event.ValueCount{Value: "NL", Count: 1})
	f(ValuesQuery{Field: "country", Filter: parse(t, `suppressed="true"`)}, event.ValueCount{Value: "DE", Count: 1})
	f(ValuesQuery{Field: "country", Filter: parse(t, `state="withdrawn"`)}, event.ValueCount{Value: "FR", Count: 1})
	f(ValuesQuery{Field: "country", To: a.Start})
	f(ValuesQuery{Field: "state"}, event.ValueCount{Value: "active", Count: 2}, event.ValueCount{Value: "withdrawn", Count: 1})
	f(ValuesQuery{Field: "attack"}, event.ValueCount{Value: "T1078.004", Count: 1})
	_, err := s.Values(ValuesQuery{Field: "county"})
	require.ErrorIs(t, err, ErrQuery)
	require.ErrorContains(t, err, "did you mean country?")
}
