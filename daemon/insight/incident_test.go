package insight

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// takeover is an incident of six insights of anna, told in order of start.
func takeover() []Insight {
	var out []Insight
	for n, typ := range []string{TypeIP, TypeRule, TypePolicyChange, TypePolicyChange, TypePasswordChange, TypeTrailConcealment, TypeAPICallRate} {
		i := sample(10 * n)
		i.Type, i.Identity, i.Incident, i.Confidence = typ, "arn:aws:iam::111122223333:user/anna", "x", 0.5+0.05*float64(n)
		if typ == TypeRule {
			i.Rule = &Rule{ID: "keys", Title: "Access key created."}
			i.Severity = SeverityHigh
		}
		i.ID = ID(i.Type, streamOf(i), i.Region, i.Object, i.Identity, i.Start)
		out = append(out, ended(i, 5*time.Minute))
	}
	for n := range out {
		out[n].Confidence = 0.5 + 0.05*float64(n)
	}
	return out
}

func TestIncidentIsOneLine(t *testing.T) {
	s := open(t, nil)
	put(t, s, takeover()...)
	in, _, ok := s.Incident("x")
	require.True(t, ok)
	require.Equal(t, "anna: unusual address, then access key created, then unusual change of permissions (2), then unusual change of a password, and 2 more", in.Title)
	require.Equal(t, SeverityHigh, in.Severity)
	require.Equal(t, 0.86, in.Confidence, "1 - (1-0.8)(1-0.55/2): a rule agrees with models")
	require.Len(t, in.Timeline, 7)
	list, _, err := s.Incidents(IncidentQuery{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Empty(t, list[0].Timeline)
	require.Equal(t, in.Title, list[0].Title)
}

// TestIncidentGrows holds that an incident's confidence never falls while more of
// it comes to light.
func TestIncidentGrows(t *testing.T) {
	s := open(t, nil)
	before := 0.0
	for _, i := range takeover() {
		put(t, s, i)
		in, _, _ := s.Incident("x")
		require.GreaterOrEqual(t, in.Confidence, before)
		before = in.Confidence
	}
}

func TestIncidentWithoutIdentity(t *testing.T) {
	s := open(t, nil)
	i := sample(0)
	i.Identity, i.Incident, i.Type = "", "x", "OtherInsight"
	put(t, s, i)
	in, _, _ := s.Incident("x")
	require.Equal(t, "account 111122223333: OtherInsight", in.Title)
}

func TestIncidentSeries(t *testing.T) {
	now := epoch.Add(2 * time.Hour)
	s := open(t, func(o *Options) { o.Now = func() time.Time { return now } })
	all := takeover() // Each lasts five minutes of every ten.
	all[6].State, all[6].End = StateStart, time.Time{}
	quiet := sample(200)
	quiet.Incident, quiet.Suppressed = "quiet", "budget"
	put(t, s, append(all, quiet)...)
	ms := func(minutes int) int64 { return epoch.Add(time.Duration(minutes) * time.Minute).UnixMilli() }
	name := labels.MustNewMatcher(labels.MatchEqual, labels.MetricName, MetricIncident)
	f := func(mint, maxt int64, wantT []int64, wantV []float64, m ...*labels.Matcher) {
		t.Helper()
		got := s.LiveSeries(mint, maxt, append(m, name)...)
		if wantT == nil {
			require.Empty(t, got)
			return
		}
		require.Len(t, got, 1)
		require.Equal(t, `{__name__="incident_confidence", account="111122223333", identity="arn:aws:iam::111122223333:user/anna", incident="x", provider="aws"}`, got[0].Labels.String())
		require.Equal(t, wantT, got[0].T)
		require.Equal(t, wantV, got[0].V)
	}
	f(ms(5), ms(12), []int64{ms(5), ms(6), ms(11), ms(12)}, []float64{0.5, 0.5, 0.66, 0.66})
	f(ms(7), ms(10), nil, nil)
	f(ms(56)+1, ms(62), []int64{ms(61), ms(62)}, []float64{0.86, 0.86})
	f(ms(119), ms(300), []int64{ms(119), ms(120)}, []float64{0.86, 0.86})
	is := func(name, value string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, name, value) }
	f(ms(119), ms(119), []int64{ms(119)}, []float64{0.86}, is("incident", "x"))
	f(ms(119), ms(119), []int64{ms(119)}, []float64{0.86}, is("account", "111122223333"), is("pod", ""))
	f(ms(119), ms(119), nil, nil, is("incident", "quiet"))
	f(ms(119), ms(119), nil, nil, is("account", "other"))
	require.Len(t, s.OpenIncidents(), 1)
}
