package insight

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

func TestLiveSeries(t *testing.T) {
	now := epoch.Add(10*time.Minute + 30*time.Second)
	s := open(t, func(o *Options) { o.Now = func() time.Time { return now } })
	over := sample(2)
	over.Start = over.Start.Add(20 * time.Second)
	over = ended(over, 2*time.Minute) // 3:02:20 to 3:04:20: three minutes.
	active := sample(7)
	active.Identity, active.IdentityKind = "", ""
	quiet := sample(3)
	quiet.Suppressed = "budget"
	gone := sample(4)
	gone.State = StateWithdrawn
	later := sample(11)
	put(t, s, over, active, quiet, gone, later)

	ms := func(minutes int) int64 { return epoch.Add(time.Duration(minutes) * time.Minute).UnixMilli() }
	match := func(typ labels.MatchType, name, value string) *labels.Matcher {
		return labels.MustNewMatcher(typ, name, value)
	}
	f := func(mint, maxt int64, id string, wantT []int64, ms ...*labels.Matcher) {
		t.Helper()
		for _, l := range s.LiveSeries(mint, maxt, ms...) {
			if l.Labels.Get("id") == id {
				require.Equal(t, wantT, l.T)
				require.Len(t, l.V, len(l.T))
				return
			}
		}
		require.Nil(t, wantT, "the series is not there")
	}
	name := match(labels.MatchEqual, labels.MetricName, MetricConfidence)
	f(ms(0), ms(60), over.ID, []int64{ms(3), ms(4), ms(5)}, name)
	f(ms(0), ms(60), active.ID, []int64{ms(8), ms(9), ms(10)}, name)
	f(ms(4), ms(4), over.ID, []int64{ms(4)}, name)
	f(ms(3)+1, ms(5)-1, over.ID, []int64{ms(4)}, name)
	f(ms(6), ms(60), over.ID, nil, name)
	f(ms(0), ms(60), quiet.ID, nil, name)
	f(ms(0), ms(60), gone.ID, nil, name)
	f(ms(0), ms(60), later.ID, nil, name)
	f(ms(0), ms(60), over.ID, []int64{ms(3), ms(4), ms(5)}, name, match(labels.MatchRegexp, "identity", ".*user-2"))
	f(ms(0), ms(60), active.ID, nil, name, match(labels.MatchNotEqual, "identity", ""))
	f(ms(0), ms(60), active.ID, []int64{ms(8), ms(9), ms(10)}, name, match(labels.MatchEqual, "identity", ""), match(labels.MatchEqual, "pod", ""))
	f(ms(0), ms(60), active.ID, nil, match(labels.MatchEqual, labels.MetricName, "activity_events"))

	all := s.LiveSeries(ms(0), ms(60))
	require.Len(t, all, 10, "four of each insight, and one of each incident")
	values := map[string]float64{}
	for _, l := range all {
		if l.Labels.Get("id") == over.ID {
			values[l.Labels.Get(labels.MetricName)] = l.V[0]
		}
	}
	require.Equal(t, map[string]float64{MetricConfidence: 0.97, MetricObserved: 40, MetricExpected: 2.5, MetricUpper: 9}, values)
	require.Equal(t, `{__name__="insight_confidence", account="111122223333", id="`+over.ID+`", identity="arn:aws:iam::111122223333:user/user-2", insight_type="ApiCallRateInsight", object="ec2.amazonaws.com:RunInstances", provider="aws", region="eu-central-1"}`,
		all[0].Labels.String())
}
