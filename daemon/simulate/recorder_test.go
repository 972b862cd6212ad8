package simulate

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
)

// TestRecorderWritesWhatIsSaid writes a call of every kind of caller and reads
// it as the daemon does: it says what was asked for.
func TestRecorderWritesWhatIsSaid(t *testing.T) {
	x, err := enrich.New(enrich.Options{})
	require.NoError(t, err)
	at := time.Date(2026, time.March, 3, 4, 5, 6, 0, time.UTC)
	yes := true
	f := func(c Call, want func(e *event.Event)) {
		t.Helper()
		c.Time, c.Caller.Account = at, "111122223333"
		w := NewRecorder(7)
		b := w.Append(nil, &c)
		require.True(t, json.Valid(b), "%s", b)
		require.Equal(t, b, NewRecorder(7).Append(nil, &c), "the same call gives the same bytes")
		next := c
		next.Number++
		require.NotEqual(t, b, w.Append(nil, &next), "another call has an id of its own")
		require.Equal(t, b, w.Append(nil, &c), "what came in between changes nothing")
		var e event.Event
		require.NoError(t, event.NewReader(bytes.NewReader(b), event.ReaderOptions{}).Next(&e))
		x.Enrich(&e)
		require.Equal(t, c.Caller.Identity(), e.Actor.Identity)
		require.Equal(t, at, e.Time)
		require.Equal(t, "111122223333", e.Account)
		require.Equal(t, Qualified(c.API), e.API())
		require.Equal(t, c.Error, e.ErrorCode)
		require.NotEmpty(t, e.UID)
		want(&e)
	}
	user := Caller{Kind: CallerUser, Name: "alice"}
	f(Call{Caller: user, API: "ec2:RunInstances", From: "198.51.100.7", Agent: Agents()["aws-cli"]}, func(e *event.Event) {
		require.Equal(t, KeyID(Caller{Name: "alice", Account: "111122223333"}, 1), e.Actor.Credential)
		require.Equal(t, event.AccessWrite, e.Access)
		require.Equal(t, "aws-cli", e.AgentFamily)
		require.Equal(t, "198.51.100.7", e.Source.IP.String())
		require.Equal(t, "eu-central-1", e.Region)
		require.Equal(t, event.KindService, e.Actor.Kind)
	})
	f(Call{Caller: user, API: "iam:ListUsers", From: "2001:db8::7", Key: 2, Error: "AccessDenied"}, func(e *event.Event) {
		require.Equal(t, KeyID(Caller{Name: "alice", Account: "111122223333"}, 2), e.Actor.Credential)
		require.Equal(t, event.AccessRead, e.Access)
		require.Equal(t, event.OutcomeError, e.Outcome)
		require.Equal(t, "us-east-1", e.Region)
		require.Equal(t, "2001:db8::7", e.Source.IP.String())
	})
	f(Call{Caller: user, API: "signin:ConsoleLogin", From: "198.51.100.7", Console: true}, func(e *event.Event) {
		require.Equal(t, event.KindHuman, e.Actor.Kind)
	})
	f(Call{Caller: user, API: "ec2:StopInstances", From: "198.51.100.7", Console: true}, func(e *event.Event) {
		require.Equal(t, event.KindHuman, e.Actor.Kind)
		require.Contains(t, e.Actor.Credential, "ASIA")
	})
	f(Call{Caller: Caller{Kind: CallerPerson, Name: "anna@example.com"}, API: "s3:CreateBucket", From: "198.51.100.7", Region: "eu-west-1"}, func(e *event.Event) {
		require.Equal(t, event.KindHuman, e.Actor.Kind)
		require.Equal(t, "eu-west-1", e.Region)
	})
	f(Call{Caller: Caller{Kind: CallerRole, Name: "deployer"}, API: "nosuch:PutThing", From: "host.example.com", Agent: `my "tool"`, Error: "Throttling"}, func(e *event.Event) {
		require.Equal(t, event.KindRole, e.Actor.Kind)
		require.Equal(t, "nosuch.amazonaws.com", e.Service)
		require.Equal(t, "host.example.com", e.Source.Address)
		require.Equal(t, `my "tool"`, e.UserAgent)
		require.Equal(t, event.AccessWrite, e.Access)
	})
	f(Call{Caller: Caller{Kind: CallerRole, Name: "deployer"}, API: "nosuch:DescribeThing", Read: &yes}, func(e *event.Event) {
		require.Equal(t, event.AccessRead, e.Access)
	})
	f(Call{Caller: Caller{Kind: CallerRoot}, API: "cloudtrail:UpdateTrail", Parameters: `{"isMultiRegionTrail":false}`}, func(e *event.Event) {
		require.Equal(t, event.KindRoot, e.Actor.Kind)
		require.Contains(t, string(e.Raw), `"requestParameters":{"isMultiRegionTrail":false}`)
	})
	f(Call{Caller: Caller{Kind: CallerService, Name: "lambda.amazonaws.com"}, API: "ec2:CreateNetworkInterface"}, func(e *event.Event) {
		require.Equal(t, event.KindCloudService, e.Actor.Kind)
	})
}
