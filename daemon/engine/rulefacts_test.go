package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/rules"
)

// TestRuleFacts says that rules see of an event what its fields say, under the same
// names.
func TestRuleFacts(t *testing.T) {
	e := &event.Event{
		UID: "u", Time: time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC), Provider: "aws", Account: "1", Region: "eu-central-1",
		Service: "iam.amazonaws.com", Operation: "CreateUser", Category: event.CategoryManagement, Access: event.AccessWrite,
		Outcome: event.OutcomeError, ErrorCode: "AccessDenied", ErrorMessage: "no",
		Actor:     event.Actor{Identity: "arn:aws:sts::1:assumed-role/Admin/ada@example.com", Kind: event.KindHuman, RawType: "AssumedRole", Session: "ada@example.com", Credential: "ASIAX", MFA: true},
		Source:    event.Source{Address: "192.0.2.1", IP: netip.MustParseAddr("192.0.2.1"), Country: "DE", ASN: 64500, Network: event.NetworkVPN},
		UserAgent: "aws-cli/2", AgentFamily: "aws-cli", Resources: []string{"arn:r1", "arn:r2"}, Class: "policy_change password_change", Risk: 2,
		Raw: []byte(`{"a":1}`),
	}
	f := RuleFacts(e)
	require.Equal(t, e.Time, f.Time())
	require.Equal(t, "u", f.UID())
	require.Equal(t, e.Raw, f.Raw())
	for x := rules.Provider; x <= rules.UID; x++ {
		v := f.Fact(x)
		field, known := event.FieldByName(x.String())
		switch x {
		case rules.API:
			require.Equal(t, "iam.amazonaws.com:CreateUser", v.String())
		case rules.ErrorMessage:
			require.Equal(t, "no", v.String())
		case rules.UserName:
			require.Equal(t, "ada@example.com", v.String())
		case rules.Resource:
			require.Equal(t, `["arn:r1","arn:r2"]`, v.String())
		case rules.Class:
			require.Equal(t, `["policy_change","password_change"]`, v.String())
		default:
			require.True(t, known, "%s is a field of events", x)
			require.Equal(t, field.Value(e), v.String(), x)
		}
	}
	for i := range event.Fields {
		require.NotPanics(t, func() {
			for x := rules.Provider; x.String() != event.Fields[i].Name; x++ {
			}
		}, "%s is a fact", event.Fields[i].Name)
	}

	// Another event, and one that says nothing.
	r := f.(*ruleFacts)
	r.reset(&event.Event{Actor: event.Actor{Identity: "arn:aws:iam::1:user/team/bob", Kind: event.KindService}})
	name := f.Fact(rules.UserName)
	require.Equal(t, "bob", name.String())
	for _, x := range []rules.Field{rules.Account, rules.Country, rules.ASN, rules.ErrorCode, rules.Outcome} {
		v := f.Fact(x)
		require.True(t, v.IsNull(), x)
	}
	classes := f.Fact(rules.Class)
	require.Equal(t, "[]", classes.String())
	require.Nil(t, f.Raw())
	r.raw = func(*event.Event) []byte { return []byte("{}") }
	require.Equal(t, []byte("{}"), f.Raw())
}
