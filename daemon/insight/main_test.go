package insight

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/insightd/insightd/daemon/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC)

// sample is an insight of the nth minute after the epoch.
func sample(n int) Insight {
	start := epoch.Add(time.Duration(n) * time.Minute)
	i := Insight{
		Type: TypeAPICallRate, Provider: "aws", Account: "111122223333", Region: "eu-central-1",
		Object: "ec2.amazonaws.com:RunInstances", Identity: fmt.Sprintf("arn:aws:iam::111122223333:user/user-%d", n),
		IdentityKind: "human", UserType: "IAMUser", Service: "ec2.amazonaws.com", Operation: "RunInstances",
		State: StateStart, Start: start, Detected: start.Add(42 * time.Second),
		Confidence: 0.93, Score: 4.2, Severity: SeverityMedium, Summary: "RunInstances 40 a minute, usually 2",
		Incident: fmt.Sprintf("incident-%d", n/2), Alert: Alert{Reason: "no notifier is configured"},
		SourceIPs: []SourceIP{{IP: "198.51.100.7", Country: "DE", ASN: 64500, Network: "hosting"}},
		Reasons:   []Reason{{Feature: "rate", Observed: 40, Usual: 2.5, Contribution: 4.2, Text: "40 calls a minute"}},
		Statistics: Statistics{
			Baseline: Average{2.5}, Insight: Average{40}, Upper: 9, InsightDuration: 1, BaselineDuration: 10080, InsightCount: 40,
		},
		Attributions: []Attribution{{Attribute: "userAgent", Insight: []ValueAverage{{"aws-cli", 40}}}},
		Filter:       `provider="aws" account="111122223333"`,
		Observed:     40, Expected: 2.5, Upper: 9,
	}
	i.ID = ID(i.Type, event.StreamKey{Provider: i.Provider, Account: i.Account}, i.Region, i.Object, i.Identity, i.Start)
	return i
}

func ended(i Insight, after time.Duration) Insight {
	i.State, i.End = StateEnd, i.Start.Add(after)
	i.Confidence = 0.97
	i.Statistics.InsightDuration = int(after / time.Minute)
	return i
}

func open(t *testing.T, change func(*Options)) *Store {
	o := Options{Now: func() time.Time { return epoch.Add(24 * time.Hour) }}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func put(t *testing.T, s *Store, is ...Insight) {
	t.Helper()
	for _, i := range is {
		changed, err := s.Put(i)
		require.NoError(t, err)
		require.True(t, changed)
	}
}

func streamOf(i Insight) event.StreamKey {
	return event.StreamKey{Provider: i.Provider, Account: i.Account}
}

// parse reads a filter that is right.
func parse(t testing.TB, s string) *Filter {
	t.Helper()
	f, err := ParseFilter(s, nil)
	require.NoError(t, err)
	return f
}
