package insight

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScopes(t *testing.T) {
	in := Insight{
		Type: TypeAPICallRate, Provider: "aws", Account: "111122223333", Identity: "arn:aws:iam::111122223333:user/anna",
		Service: "ec2.amazonaws.com", Operation: "RunInstances",
		SourceIPs: []SourceIP{{IP: "198.51.100.7", Country: "DE", Network: "corporate"}, {IP: "198.51.100.9", Country: "DE", Network: "corporate"}},
		Extent:    Extent{Operations: []string{"ec2.amazonaws.com:RunInstances"}, Peak: 30},
	}
	f := func(s Scope, want bool) {
		t.Helper()
		require.Equal(t, want, s.About(&in) && s.Covers(in.Spread(), in.Provider == "azure"), "%+v", s)
	}
	f(Scope{Identity: "*:user/anna"}, true)
	f(Scope{Identity: "*:user/ben"}, false)
	f(Scope{Provider: "aws", Account: "1111*", Type: TypeAPICallRate}, true)
	f(Scope{Provider: "azure"}, false)
	f(Scope{Type: TypeAk}, false)
	f(Scope{Operation: "ec2.amazonaws.com:*"}, true)
	f(Scope{Operation: "ec2.amazonaws.com:runinstances"}, false)
	f(Scope{Network: "198.51.100.0/24"}, true)
	f(Scope{Network: "198.51.100.7"}, false) // The other address is not within.
	f(Scope{Network: "corporate", Country: "DE"}, true)
	f(Scope{Network: "vpn"}, false)
	f(Scope{Country: "NL"}, false)
	f(Scope{Account: "*", Country: "DE", MaxRate: 30}, true)
	f(Scope{Country: "DE", MaxRate: 29}, false)
	f(Scope{Rule: "*"}, false) // It is of no rule.

	in.Provider, in.Rule = "azure", &Rule{ID: "azure-keys"}
	f(Scope{Operation: "EC2.amazonaws.com:runinstances", Rule: "azure-*"}, true)
	in.Rule.ID = RuleBreakGlass
	f(Scope{Identity: "*:user/anna"}, false)
	f(Scope{Rule: "*"}, false)
	f(Scope{Rule: RuleBreakGlass}, true)
	in.Provider = ProviderSelf
	f(Scope{Rule: RuleBreakGlass}, false)

	// Of the account, and of more identities than are named.
	in = Insight{Type: TypeAPICallRate, Provider: "aws", Attributions: []Attribution{{Attribute: "userIdentityArn", Insight: []ValueAverage{{Value: "ann"}, {Value: "anna"}}}}}
	f(Scope{Identity: "ann*"}, true)
	in.Attributions[0].Insight = append(in.Attributions[0].Insight, ValueAverage{Value: "Other"})
	f(Scope{Identity: "ann*"}, false)
}

func TestStatesOfExceptions(t *testing.T) {
	at := time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
	x := Exception{Starts: at, Expires: at.Add(time.Hour)}
	require.Equal(t, ExceptionScheduled, x.StateAt(at.Add(-1)))
	require.Equal(t, ExceptionActive, x.StateAt(at))
	require.Equal(t, ExceptionExpired, x.StateAt(at.Add(time.Hour)))
	require.True(t, x.Holds(at, at.Add(time.Hour-1)))
	require.False(t, x.Holds(at, at.Add(time.Hour)), "the end is no part of it")
	require.False(t, x.Holds(at.Add(-1), at), "it began before")
	gone := at.Add(time.Minute)
	x.DeletedAt = &gone
	require.Equal(t, ExceptionDeleted, x.StateAt(at))
	require.Equal(t, gone, x.Over())
}

// BenchmarkScopes holds an insight against as many exceptions as there may be.
func BenchmarkScopes(b *testing.B) {
	scopes := make([]Scope, 1000)
	for i := range scopes {
		scopes[i] = Scope{Identity: fmt.Sprintf("arn:aws:iam::*:user/job-%d", i), Operation: "ec2.amazonaws.com:*"}
	}
	in := Insight{Type: TypeAPICallRate, Provider: "aws", Identity: "arn:aws:iam::111122223333:user/anna", Service: "ec2.amazonaws.com", Operation: "RunInstances"}
	x := in.Spread()
	for b.Loop() {
		for i := range scopes {
			if scopes[i].About(&in) && scopes[i].Covers(x, false) {
				b.Fatal("none is of it")
			}
		}
	}
}
