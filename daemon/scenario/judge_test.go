package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
)

var alice = simulate.Caller{Kind: simulate.CallerUser, Name: "alice", Account: defaultAccount}

// raised are the insights that expectations are held against below.
func raised() []insight.Insight {
	at := func(d time.Duration) time.Time { return defaultStart.Add(10*day + d) }
	return []insight.Insight{
		{
			Type: insight.TypeAPICallRate, Region: "eu-central-1", Object: "ec2.amazonaws.com:RunInstances", Identity: alice.Identity(),
			State: insight.StateEnd, Start: at(0), End: at(20 * time.Minute), Detected: at(3 * time.Minute),
			Confidence: 0.9, Score: 4.5, Severity: insight.SeverityMedium, Incident: "one", Summary: "alice called RunInstances 60 times",
			Reasons:   []insight.Reason{{Feature: "window", Text: "60 in 5 minutes"}},
			SourceIPs: []insight.SourceIP{{IP: "51.15.40.9"}},
		},
		{
			Type: insight.TypeAk, Region: "eu-central-1", Object: simulate.KeyID(alice, 1), Identity: alice.Identity(),
			State: insight.StateStart, Start: at(time.Minute), Detected: at(5 * time.Minute),
			Confidence: 0.6, Severity: insight.SeverityHigh, Incident: "one", Suppressed: "budget: more than 5 incidents a day",
		},
		{
			Type: insight.TypeAPICallRate, Region: "eu-central-1", Object: "s3.amazonaws.com:DeleteBucket",
			State: insight.StateEnd, Start: at(day), End: at(day + time.Hour), Detected: at(day), Confidence: 0.3, Severity: insight.SeverityLow, Incident: "two",
		},
	}
}

// judged holds expectations against the insights above.
func judged(t *testing.T, expects string, found []insight.Insight) []Failure {
	t.Helper()
	return parse(t, "load 14d user alice every 1h s3:ListBuckets\n"+expects).Cases[0].judge(found)
}

func TestExpectations(t *testing.T) {
	f := func(holds bool, expects string) {
		t.Helper()
		failures := judged(t, expects, raised())
		require.Equal(t, holds, len(failures) == 0, "%s\n%v", expects, failures)
	}
	f(true, "expect ApiCallRateInsight")
	f(true, "expect exactly 2 ApiCallRateInsight")
	f(false, "expect exactly 1 ApiCallRateInsight")
	f(true, "expect at least 2 ApiCallRateInsight")
	f(false, "expect at least 3 ApiCallRateInsight")
	f(true, "expect ApiCallRateInsight for user alice on ec2:RunInstances")
	f(false, "expect ApiCallRateInsight for user bob on ec2:RunInstances")
	f(true, "expect exactly 1 ApiCallRateInsight for account")
	f(true, "expect AkInsight on key 1 of user alice active suppressed \"Budget\"")
	f(false, "expect AkInsight on key 2 of user alice")
	f(false, "expect AkInsight suppressed \"mute\"")
	f(false, "expect AkInsight notified")
	f(false, "expect AkInsight ended")
	f(true, "expect ApiCallRateInsight notified confidence High severity Medium score > 4 reason \"5 minutes\" summary \"60 times\" address 51.15.40.9 region eu-central-1")
	f(true, "expect AkInsight confidence at least Medium severity at least High")
	f(false, "expect AkInsight confidence at least High")
	f(true, "expect AkInsight confidence >= 0.6")
	f(false, "expect AkInsight confidence < 0.6")
	f(true, "expect ApiCallRateInsight starting +10d..+10d00:01 detected before +10d00:05 ending +10d00:20 ± 1m")
	f(false, "expect ApiCallRateInsight starting +10d..+10d00:01 detected before +10d00:02")
	f(false, "expect AkInsight ending after +10d")
	f(true, "expect AkInsight during +12d for 1h")
	f(false, "expect ApiCallRateInsight during +12d for 1h")
	f(true, "expect none of IpInsight, PolicyChangeInsight")
	f(false, "expect none")
	f(true, "expect none starting before +10d confidence High")
	f(true, "expect none during +10d00:30..+10d23:00 for account")
	f(true, "at +10d00:10 expect ApiCallRateInsight for user alice")
	f(false, "at +10d00:02 expect ApiCallRateInsight for user alice")
	f(false, "at +10d00:30 expect ApiCallRateInsight for user alice")
	f(true, "at +10d00:30 expect AkInsight")
	f(true, "at +10d00:02 expect none")
	f(true, "expect incident of ApiCallRateInsight, AkInsight for user alice")
	f(false, "expect incident of ApiCallRateInsight, AkInsight, IpInsight")
	f(false, "expect incident of ApiCallRateInsight, AkInsight for account")
	f(true, "expect nothing else\nexpect ApiCallRateInsight\nexpect AkInsight")
	f(false, "expect nothing else\nexpect ApiCallRateInsight")
	f(false, "expect nothing else\nexpect ApiCallRateInsight\nat +10d01:00 expect AkInsight")
	f(true, "expect nothing else notified\nexpect ApiCallRateInsight")
}

func TestAFailureSaysWhatThereWasInstead(t *testing.T) {
	failures := judged(t, "expect ApiCallRateInsight for user alice\n  on ec2:StopInstances confidence Medium", raised()[:2])
	require.Len(t, failures, 1)
	require.Equal(t, strings.Join([]string{
		`x.test:2:1: expected ApiCallRateInsight with identity user alice, object ec2.amazonaws.com:StopInstances, confidence Medium, found none`,
		`  the nearest ApiCallRateInsight on ec2.amazonaws.com:RunInstances by arn:aws:iam::111122223333:user/alice, +10d00:00 (2026-03-12 00:00:00) to +10d00:20, confidence 0.90 High, severity Medium: alice called RunInstances 60 times`,
		`    object is ec2.amazonaws.com:RunInstances and not ec2.amazonaws.com:StopInstances`,
		`    confidence is High (0.90) and not Medium`,
		`  raised were 2:`,
		`    ApiCallRateInsight on ec2.amazonaws.com:RunInstances by arn:aws:iam::111122223333:user/alice, +10d00:00 (2026-03-12 00:00:00) to +10d00:20, confidence 0.90 High, severity Medium: alice called RunInstances 60 times`,
		`    AkInsight on ` + simulate.KeyID(alice, 1) + ` by arn:aws:iam::111122223333:user/alice, +10d00:01 (2026-03-12 00:01:00) to goes on, confidence 0.60 Medium, severity High, suppressed for "budget: more than 5 incidents a day"`,
	}, "\n"), failures[0].String())

	failures = judged(t, "expect IpInsight", nil)
	require.Equal(t, "x.test:2:1: expected IpInsight, found none\n  nothing was raised", failures[0].String())
}
