package scenario_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/scenario"
)

// TestScenarios runs every script of the project through the line.
func TestScenarios(t *testing.T) {
	if underRace {
		t.Skip("make scenarios runs them without the race detector; the other tests here go through the line under it")
	}
	line := &daemon.ScenarioLine{TempDir: t.TempDir()}
	names, err := scenario.Find([]string{"../../testdata/scenarios"})
	require.NoError(t, err)
	var files []*scenario.File
	for _, name := range names {
		f, err := scenario.ParseFile(name, line.Check)
		require.NoError(t, err)
		files = append(files, f)
	}
	err = scenario.Run(context.Background(), files, scenario.Options{Line: line}, func(r *scenario.Result) {
		t.Run(r.File+" "+r.Case, func(t *testing.T) {
			require.NoError(t, r.Err)
			for _, f := range r.Failures {
				t.Errorf("%s", f.String())
			}
		})
	})
	require.NoError(t, err)
}

// result runs a script of one case.
func result(t *testing.T, src string) *scenario.Result {
	t.Helper()
	line := &daemon.ScenarioLine{TempDir: t.TempDir()}
	f, err := scenario.Parse("x.test", []byte(src), scenario.ParseOptions{Check: line.Check})
	require.NoError(t, err)
	require.Len(t, f.Cases, 1)
	return f.Cases[0].Run(context.Background(), line)
}

// attack is traffic with a burst that nobody could miss.
const attack = `
load 5d role web poisson 30/h dynamodb:UpdateTable from 52.16.4.20 agent sdk-java
at +4d10:00 role web 2000 calls in 10m dynamodb:UpdateTable from 52.16.4.20 agent sdk-java
`

// TestAScenarioGoesThroughTheLine runs what holds and what does not.
func TestAScenarioGoesThroughTheLine(t *testing.T) {
	r := result(t, attack+"expect ApiCallRateInsight for role web on dynamodb:UpdateTable starting +4d10:00 ± 1m")
	require.True(t, r.Passed(), "%v %v", r.Err, r.Failures)
	require.Greater(t, r.Events, uint64(5000))
	require.NotEmpty(t, r.Insights)

	r = result(t, attack+"expect none\nexpect IpInsight for user nobody")
	require.NoError(t, r.Err)
	require.Len(t, r.Failures, 2)
	require.Contains(t, r.Failures[0].Text, "expected none, found")
	require.Contains(t, r.Failures[0].Text, "ApiCallRateInsight on dynamodb.amazonaws.com:UpdateTable by arn:aws:iam::111122223333:role/web")
	require.Contains(t, r.Failures[1].Text, "raised were")

	r = result(t, "set models.warm_up 5d\n"+attack+"expect none")
	require.True(t, r.Passed(), "settings reach the models: %v", r.Failures)
}

// TestDeliveriesAreHeldAgainstEachOther delivers in time and far too late: what
// comes after the watermark teaches no model, and the records differ.
func TestDeliveriesAreHeldAgainstEachOther(t *testing.T) {
	const script = `
load 4d user a every 3m s3:ListBuckets
load 4d role web poisson 30/h dynamodb:UpdateTable
at +3d10:00 role web 2000 calls in 10m dynamodb:UpdateTable
expect ApiCallRateInsight for role web
deliver live
`
	r := result(t, script+"deliver live, late 25m\ndeliver shuffled, twice 5%")
	require.True(t, r.Passed(), "%v %v", r.Err, r.Failures)

	r = result(t, script+"deliver live, late 12h")
	require.NoError(t, r.Err)
	require.NotEmpty(t, r.Failures)
	require.Contains(t, r.Failures[0].Text, "expected the same records as delivered live, found others delivered live, late 12h")
}

// TestActionsNeedSomethingToActOn gives verdicts on what there is and is not.
func TestActionsNeedSomethingToActOn(t *testing.T) {
	const again = attack + "load +5d for 1d role web every 30m dynamodb:DescribeTable\nexpect ApiCallRateInsight for role web\n"
	r := result(t, again+"at +4d12:00 thumbs down ApiCallRateInsight for role web")
	require.True(t, r.Passed(), "%v %v", r.Err, r.Failures)

	r = result(t, again+"at +4d12:00 thumbs down IpInsight for role web")
	require.ErrorContains(t, r.Err, "x.test:6:1: expected IpInsight with identity role web to give a verdict on at +4d12:00, found none\n  raised were ")
	r = result(t, again+"at +4d09:00 thumbs up ApiCallRateInsight")
	require.ErrorContains(t, r.Err, "to give a verdict on at +4d09:00, found none\n  nothing was raised", "it was not told by then")

	r = result(t, again+"at +4d12:00 rebaseline user nobody")
	require.ErrorContains(t, r.Err, "x.test:6:1: found arn:aws:iam::111122223333:user/nobody, expected an identity that has made calls by +4d12:00")
	r = result(t, again+"at +4d12:00 rebaseline role web\ndeliver shuffled")
	require.ErrorContains(t, r.Err, "found a delivery that is shuffled in a case in which a user acts")
}

func TestSettingsAreChecked(t *testing.T) {
	line := &daemon.ScenarioLine{}
	f := func(src, want string) {
		t.Helper()
		_, err := scenario.Parse("x.test", []byte(src+"\nload 1d user a every 1h s3:ListBuckets\nexpect none"), scenario.ParseOptions{Check: line.Check})
		require.EqualError(t, err, want)
	}
	f("set models.warm_up 3", `x.test:1:20: found "3" (a number without a unit), expected a duration such as 90d, 30m or 1h30m, with the units ms, s, m, h, d, w and y; put a unit behind the number`)
	f("set models.warmup 3d", `x.test:1:19: found the unknown key "warmup", expected one of warm_up, data_events, budget; did you mean "warm_up"?`)
	f("set networks.corporate [62.153.10.1/24]", `x.test:1:24: found "62.153.10.1/24" (bits are set behind the prefix; the network is 62.153.10.0/24), expected a network such as 198.51.100.0/24 or 2001:db8::/32, or an address; correct the value`)
}
