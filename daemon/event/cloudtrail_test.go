package event

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func decodeFixture(t *testing.T, name string) Event {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	var e Event
	require.NoError(t, Decode("", b, &e))
	return e
}

func TestManagementRecord(t *testing.T) {
	e := decodeFixture(t, "management.json")
	require.NotEmpty(t, e.Raw)
	e.Raw = nil
	require.Equal(t, Event{
		UID: "0828c0d2-3589-4390-b954-c78b4a7df44b", Time: time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC),
		Provider: "aws", Account: "111122223333", Region: "eu-central-1",
		Service: "ec2.amazonaws.com", Operation: "TerminateInstances",
		Category: CategoryManagement, Access: AccessWrite, Outcome: OutcomeError,
		ErrorCode:    "Client.UnauthorizedOperation",
		ErrorMessage: "You are not authorized to perform this operation. Encoded message: …",
		Actor: Actor{
			RawType: "AssumedRole", Session: "ada@example.org", Credential: "ASIAEXAMPLE000000001", MFA: true,
			ARN:         "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ada@example.org",
			PrincipalID: "AROAEXAMPLE00000001:ada@example.org", AccountID: "111122223333",
			Issuer:     "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
			OnBehalfOf: "a1b2c3d4-example", Console: true,
		},
		Source:    Source{Address: "198.51.100.7", IP: netip.MustParseAddr("198.51.100.7")},
		UserAgent: "aws-cli/2.31.0 md/awscrt#0.27.6",
		Resources: []string{"i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2"},
	}, e)
}

func TestDataRecord(t *testing.T) {
	e := decodeFixture(t, "data.json")
	require.Equal(t, CategoryData, e.Category)
	require.Equal(t, AccessRead, e.Access)
	require.Equal(t, OutcomeSuccess, e.Outcome)
	require.Equal(t, "config.amazonaws.com", e.Actor.InvokedBy)
	require.Equal(t, "AWSService", e.Actor.RawType)
	require.Equal(t, "AWS Internal", e.Source.Address)
	require.False(t, e.Source.IP.IsValid())
	require.False(t, e.Actor.MFA)
	require.Equal(t, []string{"arn:aws:s3:::example-artifacts/a/b/c", "arn:aws:s3:::example-artifacts"}, e.Resources)
}

func TestSignInRecord(t *testing.T) {
	e := decodeFixture(t, "login.json")
	require.Equal(t, AccessWrite, e.Access)
	require.Equal(t, OutcomeError, e.Outcome)
	require.Equal(t, "UsernameNotFound", e.ErrorCode)
	require.Equal(t, "No username found in supplied account", e.ErrorMessage)
	require.Equal(t, CategoryManagement, e.Category)
	require.True(t, e.Actor.Console)
	require.True(t, e.Actor.MFA)
	require.Equal(t, "HIDDEN_DUE_TO_SECURITY_REASONS", e.Actor.Name)
	require.Equal(t, netip.MustParseAddr("2001:db8::7"), e.Source.IP)
}

func TestInsightRecord(t *testing.T) {
	e := decodeFixture(t, "insight.json")
	require.Equal(t, CategoryInsight, e.Category)
	require.False(t, e.Call())
	require.Equal(t, "lambda.amazonaws.com:UpdateFunctionCode", e.API())
	require.Equal(t, "AccessDenied", e.ErrorCode)
	require.Equal(t, OutcomeUnknown, e.Outcome)
	require.Equal(t, "49dfd327-5991-494b-98bf-6fe1eb3e3732", e.UID)
	require.Equal(t, "111122223333", e.Account)
}

func TestAddendum(t *testing.T) {
	e := decodeFixture(t, "addendum.json")
	require.Equal(t, "7f1d2c3b-0000-4000-8000-000000000002", e.UID)
	require.Equal(t, "7f1d2c3b-0000-4000-8000-000000000001", e.Amends)
	require.False(t, e.Call())

	f := func(addendum string) Event {
		t.Helper()
		var e Event
		require.NoError(t, Decode("aws", []byte(record(`"eventID":"e-1","addendum":`+addendum)), &e))
		return e
	}
	// The reasons of an ordinary event that comes late.
	for _, reason := range []string{"DELIVERY_DELAY", "SERVICE_OUTAGE"} {
		e = f(`{"reason":"` + reason + `"}`)
		require.True(t, e.Call())
		require.Equal(t, "e-1", e.UID)
		require.Empty(t, e.Amends)
	}
	// The original's id, under the original's id.
	e = f(`{"reason":"UPDATED_DATA"}`)
	require.Equal(t, "e-1", e.Amends)
	require.Regexp(t, `^e-1\+[0-9a-f]{16}$`, e.UID)
	same := f(`{"reason":"UPDATED_DATA"}`)
	require.Equal(t, e.UID, same.UID, "the same addendum again is a duplicate")
	other := f(`{"reason":"UPDATED_DATA","updatedFields":"x"}`)
	require.NotEqual(t, e.UID, other.UID, "another addendum to the same event is none")
	e = f(`{"reason":"UPDATED_DATA","originalEventID":"e-1"}`)
	require.Equal(t, "e-1", e.Amends)
	require.NotEqual(t, "e-1", e.UID)
	require.True(t, func() bool { e := f(`null`); return e.Call() }())
}

// record is a small record with more fields.
func record(fields string) string {
	return `{"eventTime":"2026-03-09T03:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1",` + fields + `}`
}

func TestFields(t *testing.T) {
	f := func(fields string, check func(t *testing.T, e Event)) {
		t.Helper()
		t.Run(fields, func(t *testing.T) {
			raw := []byte(record(fields))
			checkCloudTrail(t, raw)
			var e Event
			require.NoError(t, Decode("", raw, &e))
			check(t, e)
		})
	}
	who := func(identity string, check func(t *testing.T, a Actor)) {
		t.Helper()
		f(`"userIdentity":`+identity, func(t *testing.T, e Event) { check(t, e.Actor) })
	}
	equal := func(want any, get func(e Event) any) func(*testing.T, Event) {
		return func(t *testing.T, e Event) { require.Equal(t, want, get(e)) }
	}

	// Account.
	account := func(e Event) any { return e.Account }
	f(`"recipientAccountId":"1","userIdentity":{"accountId":"2"}`, equal("1", account))
	f(`"userIdentity":{"accountId":"2"}`, equal("2", account))
	f(`"recipientAccountId":null`, equal("", account))

	// Access.
	access := func(e Event) any { return e.Access }
	f(`"readOnly":true`, equal(AccessRead, access))
	f(`"readOnly":"true"`, equal(AccessRead, access))
	f(`"readOnly":false,"eventName":"GetUser"`, equal(AccessWrite, access))
	f(`"readOnly":"false","eventName":"GetUser"`, equal(AccessWrite, access))
	f(`"readOnly":null,"eventName":"GetUser"`, equal(AccessRead, access))
	f(`"eventName":"GetFunction20150331v2"`, equal(AccessRead, access))
	f(`"x":1`, equal(AccessWrite, access))

	// Category.
	category := func(e Event) any { return e.Category }
	f(`"eventCategory":"Management"`, equal(CategoryManagement, category))
	f(`"eventCategory":"Data"`, equal(CategoryData, category))
	f(`"eventCategory":"NetworkActivity","eventType":"AwsVpceEvent"`, equal(CategoryNetwork, category))
	f(`"eventType":"AwsVpceEvent"`, equal(CategoryNetwork, category))
	f(`"eventCategory":"Aggregated"`, equal(CategoryUnknown, category))
	f(`"managementEvent":false`, equal(CategoryData, category))
	f(`"managementEvent":"true"`, equal(CategoryManagement, category))
	f(`"eventType":"AwsApiCall"`, equal(CategoryManagement, category))
	f(`"eventSource":"s3.amazonaws.com","eventName":"PutObject"`, equal(CategoryData, category))
	f(`"eventSource":"s3.amazonaws.com","eventName":"PutBucketAcl"`, equal(CategoryManagement, category))
	f(`"eventSource":"lambda.amazonaws.com","eventName":"Invoke"`, equal(CategoryData, category))
	f(`"eventType":"AwsCloudTrailInsight","insightDetails":{"eventName":"A","eventSource":"b"}`, equal(CategoryInsight, category))

	// Outcome.
	outcome := func(e Event) any { return [2]any{e.Outcome, e.ErrorCode} }
	f(`"errorCode":"AccessDenied"`, equal([2]any{OutcomeError, "AccessDenied"}, outcome))
	f(`"errorCode":null,"errorMessage":null`, equal([2]any{OutcomeSuccess, ""}, outcome))
	f(`"errorMessage":"it failed"`, equal([2]any{OutcomeError, ""}, outcome))
	f(`"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}`, equal([2]any{OutcomeSuccess, ""}, outcome))
	f(`"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}`, equal([2]any{OutcomeError, "ConsoleLoginFailure"}, outcome))
	f(`"eventName":"ConsoleLogin","errorMessage":"Failed authentication","responseElements":{"ConsoleLogin":"Failure"}`,
		equal([2]any{OutcomeError, "FailedAuthentication"}, outcome))
	f(`"eventName":"SwitchRole","responseElements":{"SwitchRole":"Failure"}`, equal([2]any{OutcomeError, "SwitchRoleFailure"}, outcome))
	f(`"eventName":"CheckMfa","responseElements":{"CheckMfa":"Success"}`, equal([2]any{OutcomeSuccess, ""}, outcome))
	f(`"eventName":"UserAuthentication","serviceEventDetails":{"UserAuthentication":"Failure"}`,
		equal([2]any{OutcomeError, "UserAuthenticationFailure"}, outcome))
	f(`"responseElements":{"ConsoleLogin":"Failure"}`, equal([2]any{OutcomeSuccess, ""}, outcome)) // Not that operation's.

	// Actor.
	who(`{"type":"IAMUser","userName":"ada","arn":"arn:aws:iam::1:user/ada","principalId":"AIDA","accountId":"1","accessKeyId":"AKIA"}`,
		func(t *testing.T, a Actor) {
			require.Equal(t, Actor{RawType: "IAMUser", Name: "ada", ARN: "arn:aws:iam::1:user/ada", PrincipalID: "AIDA", AccountID: "1", Credential: "AKIA"}, a)
		})
	who(`{"type":"AssumedRole","principalId":"AROA:i-0123"}`, func(t *testing.T, a Actor) { require.Equal(t, "i-0123", a.Session) })
	who(`{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/r/s","principalId":"AROA:x"}`, func(t *testing.T, a Actor) { require.Equal(t, "s", a.Session) })
	who(`{"type":"FederatedUser","principalId":"1:bob"}`, func(t *testing.T, a Actor) { require.Equal(t, "bob", a.Session) })
	who(`{"type":"IAMUser","principalId":"AROA:User"}`, func(t *testing.T, a Actor) { require.Empty(t, a.Session) })
	who(`{"type":"SAMLUser","identityProvider":"idp"}`, func(t *testing.T, a Actor) { require.Equal(t, "idp", a.IDProvider) })
	who(`{"type":"IdentityCenterUser","onBehalfOf":{"userId":"u"},"credentialId":"c"}`, func(t *testing.T, a Actor) {
		require.Equal(t, "u", a.OnBehalfOf)
		require.Equal(t, "c", a.Credential)
	})
	who(`{"sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}`, func(t *testing.T, a Actor) { require.False(t, a.MFA) })
	who(`{"sessionContext":{"attributes":{"mfaAuthenticated":true}}}`, func(t *testing.T, a Actor) { require.True(t, a.MFA) })
	who(`{"sessionContext":{"sessionIssuer":{}}}`, func(t *testing.T, a Actor) { require.Empty(t, a.Issuer) })
	who(`"a string"`, func(t *testing.T, a Actor) { require.Equal(t, Actor{}, a) })
	who(`{"userName":"one","type":"x"},"userIdentity":{"userName":"two"}`, func(t *testing.T, a Actor) {
		require.Equal(t, Actor{Name: "two"}, a)
	})
	f(`"additionalEventData":{"MFAUsed":"Yes"}`, equal(true, func(e Event) any { return e.Actor.MFA }))
	console := func(e Event) any { return e.Actor.Console }
	f(`"sessionCredentialFromConsole":true`, equal(true, console))
	f(`"sessionCredentialFromConsole":"true"`, equal(true, console))
	f(`"eventType":"AwsConsoleSignIn"`, equal(true, console))
	f(`"eventType":"AwsApiCall"`, equal(false, console))

	// Resources.
	resources := func(e Event) any { return e.Resources }
	f(`"resources":[{"ARN":"a"},{"type":"x"},null,3,{"ARN":"b","accountId":"1"}],"requestParameters":{"userName":"u"}`, equal([]string{"a", "b"}, resources))
	f(`"requestParameters":{"userName":"u","policyArn":"p","other":"o"}`, equal([]string{"u", "p"}, resources))
	f(`"requestParameters":{"userName":{"x":1},"bucketName":"HIDDEN_DUE_TO_SECURITY_REASONS"}`, equal([]string(nil), resources))
	f(`"resources":[],"requestParameters":{"instanceId":"i-1"}`, equal([]string{"i-1"}, resources))

	// Time, operation, keys in other spellings.
	f(`"eventName":"AddPermission20150331v2"`, equal("AddPermission", func(e Event) any { return e.Operation }))
	f(`"EventName":"Other","eventname":"Other"`, equal("CreateUser", func(e Event) any { return e.Operation }))
	f(`"event\u004eame":"Escaped"`, equal("Escaped", func(e Event) any { return e.Operation }))
	f(`"eventTime":"2026-03-09T03:00:00.5Z"`, equal(500*int(time.Millisecond), func(e Event) any { return e.Time.Nanosecond() }))
	f("\"userAgent\":\"a\xffb\"", equal("a\ufffdb", func(e Event) any { return e.UserAgent }))
	f(`"message":"{\"eventName\":\"x\"}","data":{"eventName":"y"}`, equal("CreateUser", func(e Event) any { return e.Operation }))
}

func TestRecordWithoutID(t *testing.T) {
	var a, b, c Event
	require.NoError(t, Decode("", []byte(record(`"x":1`)), &a))
	require.NoError(t, Decode("", []byte(" "+record(`"x":1`)+"\n"), &b))
	require.NoError(t, Decode("", []byte(record(`"x":2`)), &c))
	require.Regexp(t, `^[0-9a-f]{32}$`, a.UID)
	require.Equal(t, a.UID, b.UID)
	require.NotEqual(t, a.UID, c.UID)
	require.NotEqual(t, a.UID[:16], a.UID[16:])
}

func TestTimeFallsBackToLogstash(t *testing.T) {
	e := decodeFixture(t, "logstash.json")
	require.Equal(t, time.Date(2026, 3, 9, 3, 0, 7, 123e6, time.UTC), e.Time)
	require.Equal(t, "host.example.org", e.Source.Address)
	require.Equal(t, "session", e.Actor.Session)
}

func TestDecodeErrors(t *testing.T) {
	f := func(provider, raw, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode(provider, []byte(raw), &e), want)
	}
	f("aws", record(`"eventTime":"yesterday"`), `eventTime "yesterday" is no time`)
	f("aws", `{"eventSource":"a","eventName":"b"}`, "neither eventTime nor @timestamp")
	f("aws", `{"eventSource":"a","eventName":"b","@timestamp":"x"}`, `@timestamp "x" is no time`)
	f("aws", `{"kind":"Event","auditID":"1"}`, `found an object with the keys "kind", "auditID", expected a CloudTrail record`)
	f("aws", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`, `"f", …, expected`)
	f("aws", `{}`, "found an empty object")
	f("aws", `[1]`, "found a list")
	f("aws", `"x"`, "found a string")
	f("aws", `12`, "found a number")
	f("aws", `null`, "found null")
	f("aws", `true`, "found a boolean")
	f("aws", ``, "the text ends early")
	f("aws", `{"a":`, "the text ends early")
	f("aws", record(`"x":1`)+"x", "found 'x', expected the end")
	f("aws", `{"detail":`+record(`"x":1`)+`}`, "found an envelope around records")
	f("aws", `{"acsRegion":"cn-hangzhou","eventSource":"a","eventName":"b","eventTime":"2026-03-09T03:00:00Z"}`, "expected a CloudTrail record")
	f("oracle", `{}`, `unknown provider "oracle": the known ones are `+strings.Join(Providers(), ", "))
}

func TestDecodeAllocatesLittle(t *testing.T) {
	c := makeCorpus()
	p := stringPool{size: 128}
	var e Event
	i := 0
	n := testing.AllocsPerRun(2000, func() {
		decodeCloudTrail(c.records[i%len(c.records)], &e, &p)
		i++
	})
	require.Zero(t, n, "the lists of resources are allocated many at once")
}

func TestListsOfThePoolStayApart(t *testing.T) {
	p := stringPool{size: 4}
	var lists [][]string
	for i := range 50 {
		p.begin()
		for range i % 6 {
			p.add(string(rune('a' + i%26)))
		}
		lists = append(lists, p.take())
	}
	for i, list := range lists {
		require.Len(t, list, i%6)
		require.Equal(t, len(list), cap(list))
		for _, s := range list {
			require.Equal(t, string(rune('a'+i%26)), s)
		}
	}
}
