package enrich

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

func newEnricher(t testing.TB, o Options) *Enricher {
	t.Helper()
	x, err := New(o)
	require.NoError(t, err)
	return x
}

func TestWhoAWS(t *testing.T) {
	x := newEnricher(t, Options{PeopleSessions: []string{`person-\d+`, `ops|duty`}})
	f := func(name string, e event.Event, identity, kind string) {
		t.Helper()
		e.Provider = "aws"
		if e.Account == "" {
			e.Account = "111122223333"
		}
		// Twice: the second time the caches answer.
		for range 2 {
			got := e
			x.Enrich(&got)
			require.Equal(t, identity, got.Actor.Identity, name)
			require.Equal(t, kind, got.Actor.Kind.String(), name)
		}
	}
	type A = event.Actor
	const (
		userARN    = "arn:aws:iam::123456789012:user/team/Alice"
		roleARN    = "arn:aws:iam::123456789012:role/service/path/Deploy"
		sessionARN = "arn:aws:sts::123456789012:assumed-role/Deploy/i-0123456789abcdef0"
		ssoARN     = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/alice"
		ssoIssuer  = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef"
	)
	actor := func(a A) event.Event { return event.Event{Actor: a, Service: "ec2.amazonaws.com", Region: "eu-west-1"} }

	// IAM users.
	user := A{RawType: "IAMUser", ARN: userARN, Name: "Alice", PrincipalID: "AIDA1", AccountID: "123456789012"}
	f("user with a key", actor(user), userARN, "service")
	mfa := user
	mfa.MFA = true
	f("user with a second factor", actor(mfa), userARN, "human")
	console := user
	console.Console = true
	f("user in the console", actor(console), userARN, "human")
	e := actor(user)
	e.Service, e.Operation = "signin.amazonaws.com", "ConsoleLogin"
	f("user who signs in", e, userARN, "human")
	e = actor(user)
	e.UserAgent = "console.amazonaws.com"
	f("user of the console's agent", e, userARN, "human")
	e = actor(user)
	e.UserAgent = "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.666]"
	f("user of the S3 console", e, userARN, "human")
	e.UserAgent = "console.ec2.amazonaws.com"
	f("user of a service's console", e, userARN, "human")
	f("user without an ARN", actor(A{RawType: "IAMUser", Name: "Bob", AccountID: "123456789012"}), "arn:aws:iam::123456789012:user/Bob", "service")
	e = actor(A{RawType: "IAMUser", Name: "Bob"})
	e.Region = "us-gov-west-1"
	f("user without ARN and account", e, "arn:aws-us-gov:iam::111122223333:user/Bob", "service")
	f("user by principal", actor(A{RawType: "IAMUser", PrincipalID: "AIDA9"}), "AIDA9", "service")
	e = actor(A{RawType: "IAMUser", Name: "HIDDEN_DUE_TO_SECURITY_REASONS", AccountID: "123456789012"})
	e.Service = "signin.amazonaws.com"
	f("user name that may be a password", e, "hidden", "human")
	f("user on behalf of whom a service acts", actor(A{RawType: "IAMUser", ARN: userARN, InvokedBy: "cloudformation.amazonaws.com"}), userARN, "service")
	f("type that is new, ARN that is a user's", actor(A{RawType: "User", ARN: userARN, MFA: true}), userARN, "human")

	// Root.
	f("root", actor(A{RawType: "Root", ARN: "arn:aws:iam::123456789012:root", AccountID: "123456789012"}), "arn:aws:iam::123456789012:root", "root")
	f("root with a second factor", actor(A{RawType: "Root", ARN: "arn:aws:iam::123456789012:root", MFA: true}), "arn:aws:iam::123456789012:root", "root")
	f("root without an ARN", actor(A{RawType: "Root", AccountID: "123456789012"}), "arn:aws:iam::123456789012:root", "root")
	e = actor(A{RawType: "Root"})
	e.Region = "cn-north-1"
	f("root in China without account", e, "arn:aws-cn:iam::111122223333:root", "root")
	f("root without type", actor(A{ARN: "arn:aws:iam::123456789012:root"}), "arn:aws:iam::123456789012:root", "root")
	f("root session of another account", actor(A{RawType: "AssumedRoot", ARN: "arn:aws:sts::123456789012:assumed-root", AccountID: "123456789012"}), "arn:aws:iam::123456789012:root", "root")

	// Assumed roles of workloads.
	f("role by its issuer, with path", actor(A{RawType: "AssumedRole", ARN: sessionARN, Issuer: roleARN}), roleARN, "role")
	f("role without issuer", actor(A{RawType: "AssumedRole", ARN: sessionARN}), "arn:aws:iam::123456789012:role/Deploy", "role")
	f("role in China", actor(A{RawType: "AssumedRole", ARN: "arn:aws-cn:sts::123456789012:assumed-role/Deploy/x"}), "arn:aws-cn:iam::123456789012:role/Deploy", "role")
	f("role in GovCloud", actor(A{RawType: "AssumedRole", ARN: "arn:aws-us-gov:sts::123456789012:assumed-role/Deploy/x"}), "arn:aws-us-gov:iam::123456789012:role/Deploy", "role")
	f("role without a session", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Deploy"}), "arn:aws:iam::123456789012:role/Deploy", "role")
	f("role without ARN", actor(A{RawType: "AssumedRole", Issuer: roleARN, PrincipalID: "AROA1:x"}), roleARN, "role")
	f("role by principal", actor(A{RawType: "AssumedRole", PrincipalID: "AROA1:run-77", AccountID: "123456789012"}), "123456789012:AROA1", "role")
	f("role of a kind of its own", actor(A{RawType: "AssumedRole", ARN: "..."}), "...", "role")
	f("role with nothing", actor(A{RawType: "AssumedRole"}), "unknown", "role")
	f("role on behalf of which a service acts", actor(A{RawType: "AssumedRole", ARN: sessionARN, Issuer: roleARN, InvokedBy: "autoscaling.amazonaws.com"}), roleARN, "role")
	f("role that is linked to a service", actor(A{
		RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling",
		Issuer: "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
	}),
		"arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "role")
	f("session with @ that is no e-mail", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Deploy/build@42"}), "arn:aws:iam::123456789012:role/Deploy", "role")
	f("Role", actor(A{RawType: "Role", ARN: roleARN}), roleARN, "role")
	f("Role with the ARN of a session", actor(A{RawType: "Role", ARN: sessionARN}), "arn:aws:iam::123456789012:role/Deploy", "role")

	// Assumed roles of people.
	f("person by SSO", actor(A{RawType: "AssumedRole", ARN: ssoARN, Issuer: ssoIssuer}), ssoARN, "human")
	f("person by SSO, type unknown", actor(A{RawType: "Unknown", ARN: ssoARN}), ssoARN, "human")
	f("person by e-mail", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/alice@example.com", Issuer: roleARN}),
		"arn:aws:sts::123456789012:assumed-role/Admin/alice@example.com", "human")
	f("person by pattern", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/person-7", Issuer: roleARN}),
		"arn:aws:sts::123456789012:assumed-role/Admin/person-7", "human")
	f("person by the second pattern", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/duty"}),
		"arn:aws:sts::123456789012:assumed-role/Admin/duty", "human")
	f("pattern holds for the whole name", actor(A{RawType: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/Admin/duty-bot"}),
		"arn:aws:iam::123456789012:role/Admin", "role")
	f("person without ARN", actor(A{RawType: "AssumedRole", Issuer: ssoIssuer, PrincipalID: "AROA1:alice"}), ssoARN, "human")

	// Federated users.
	const federated = "arn:aws:sts::123456789012:federated-user/alice"
	f("federated", actor(A{RawType: "FederatedUser", ARN: federated}), federated, "service")
	f("federated in the console", actor(A{RawType: "FederatedUser", ARN: federated, Console: true}), federated, "human")
	f("federated by e-mail", actor(A{RawType: "FederatedUser", ARN: federated + "@example.com"}), federated+"@example.com", "human")
	f("federated without type", actor(A{ARN: federated}), federated, "service")

	// Services.
	f("service", actor(A{RawType: "AWSService", InvokedBy: "config.amazonaws.com"}), "config.amazonaws.com", "cloud-service")
	f("service without a name", actor(A{RawType: "AWSService"}), "ec2.amazonaws.com", "cloud-service")
	f("service without a type", actor(A{AccountID: "123456789012", InvokedBy: "ec2.amazonaws.com"}), "ec2.amazonaws.com", "cloud-service")

	// Other accounts.
	f("another account's role", actor(A{RawType: "AWSAccount", AccountID: "999988887777", PrincipalID: "AROA1:session"}), "999988887777:AROA1", "role")
	f("another account's user", actor(A{RawType: "AWSAccount", AccountID: "999988887777", PrincipalID: "AIDA1"}), "999988887777:AIDA1", "service")
	f("another account's root", actor(A{RawType: "AWSAccount", AccountID: "999988887777", PrincipalID: "999988887777"}), "999988887777:999988887777", "root")
	f("another account", actor(A{RawType: "AWSAccount", AccountID: "999988887777"}), "999988887777", "service")
	f("another account without any", actor(A{RawType: "AWSAccount"}), "unknown", "unknown")

	// Nobody.
	f("anonymous", actor(A{RawType: "AWSAccount", AccountID: "ANONYMOUS_PRINCIPAL"}), "anonymous", "anonymous")
	f("anonymous by principal", actor(A{RawType: "Unknown", PrincipalID: "Anonymous"}), "anonymous", "anonymous")
	f("nothing", actor(A{}), "unknown", "unknown")
	f("unknown", actor(A{RawType: "Unknown"}), "unknown", "unknown")
	f("unknown with a principal", actor(A{RawType: "Unknown", PrincipalID: "P1", Name: "n"}), "P1", "unknown")
	f("unknown with a name", actor(A{RawType: "Unknown", Name: "alice"}), "alice", "unknown")
	f("unknown with a hidden name", actor(A{RawType: "Unknown", Name: "HIDDEN_DUE_TO_SECURITY_REASONS"}), "hidden", "unknown")
	f("unknown ARN", actor(A{RawType: "New", ARN: "arn:aws:thing::1:x"}), "arn:aws:thing::1:x", "unknown")

	// Web identities.
	f("SAML", actor(A{RawType: "SAMLUser", IDProvider: "bdGOnTesti4+BlJd=", Name: "alice", PrincipalID: "bdGOnTesti4+BlJd=:alice"}), "bdGOnTesti4+BlJd=:alice", "human")
	f("SAML without a provider", actor(A{RawType: "SAMLUser", Name: "alice", PrincipalID: "hash=:alice"}), "hash=:alice", "human")
	f("web identity of a person", actor(A{RawType: "WebIdentityUser", IDProvider: "accounts.google.com", Name: "1234"}), "accounts.google.com:1234", "human")
	f("web identity of a pod", actor(A{
		RawType: "WebIdentityUser", IDProvider: "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/X",
		Name: "system:serviceaccount:prod:app",
	}), "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/X:system:serviceaccount:prod:app", "service")
	f("web identity without a name", actor(A{RawType: "WebIdentityUser", PrincipalID: "p:c:u"}), "p:c:u", "service")
	f("Identity Center", actor(A{RawType: "IdentityCenterUser", OnBehalfOf: "544894e8-80c1", AccountID: "123456789012"}), "544894e8-80c1", "human")
	f("Identity Center without a type", actor(A{OnBehalfOf: "544894e8-80c1"}), "544894e8-80c1", "human")
	f("directory", actor(A{RawType: "Directory", Name: `CORP\alice`}), `CORP\alice`, "human")
}

func TestWhoOthers(t *testing.T) {
	x := newEnricher(t, Options{})
	f := func(provider string, a event.Actor, identity string, kind event.Kind) {
		t.Helper()
		e := event.Event{Provider: provider, Actor: a}
		x.Enrich(&e)
		require.Equal(t, identity, e.Actor.Identity)
		require.Equal(t, kind, e.Actor.Kind)
	}
	f("azure", event.Actor{Identity: "0f1e-object", Kind: event.KindHuman, Name: "alice"}, "0f1e-object", event.KindHuman)
	f("kubernetes", event.Actor{Name: "system:serviceaccount:a:b"}, "system:serviceaccount:a:b", event.KindUnknown)
	f("gcp", event.Actor{PrincipalID: "user:a@example.com", Name: "a@example.com"}, "user:a@example.com", event.KindUnknown)
	f("ibm", event.Actor{}, "unknown", event.KindUnknown)
}

func TestWhoAlibaba(t *testing.T) {
	x := newEnricher(t, Options{})
	f := func(a event.Actor, identity string, kind event.Kind) {
		t.Helper()
		for range 2 {
			e := event.Event{Provider: "alibaba", Account: "7", Actor: a}
			x.Enrich(&e)
			require.Equal(t, identity, e.Actor.Identity)
			require.Equal(t, kind, e.Actor.Kind)
		}
	}
	type A = event.Actor
	f(A{RawType: "root-account", Name: "root", AccountID: "1"}, "acs:ram::1:root", event.KindRoot)
	f(A{RawType: "ram-user", Name: "ada", AccountID: "1"}, "acs:ram::1:user/ada", event.KindService)
	f(A{RawType: "ram-user", Name: "ada", MFA: true}, "acs:ram::7:user/ada", event.KindHuman)
	f(A{RawType: "ram-user", Name: "ada", Console: true}, "acs:ram::7:user/ada", event.KindHuman)
	f(A{RawType: "ram-user", PrincipalID: "288"}, "288", event.KindService)
	f(A{RawType: "assumed-role", Name: "ci", Session: "build-7", PrincipalID: "300:build-7", AccountID: "1"}, "acs:ram::1:role/ci", event.KindRole)
	f(A{RawType: "assumed-role", PrincipalID: "300:build-7"}, "300", event.KindRole)
	f(A{InvokedBy: "kms.aliyuncs.com"}, "kms.aliyuncs.com", event.KindCloudService)
	f(A{RawType: "cloudsso-user", PrincipalID: "u-1", Console: true}, "u-1", event.KindHuman)
	f(A{}, "unknown", event.KindUnknown)

	e := event.Event{Provider: "alibaba", UserAgent: "AliyunConsole", Actor: A{RawType: "ram-user", Name: "ada"}}
	x.Enrich(&e)
	require.Equal(t, "ada", e.Actor.Identity, "without an account the name is all there is")
	require.Equal(t, event.KindHuman, e.Actor.Kind)
}

// TestWhatOthers looks operations of other providers up under the names that
// their decoders give them, with the records that conditions are checked on.
func TestWhatOthers(t *testing.T) {
	x := newEnricher(t, Options{})
	f := func(record, class string, risk uint8) {
		t.Helper()
		var e event.Event
		require.NoError(t, event.Decode("", []byte(record), &e))
		x.Enrich(&e)
		require.Equal(t, class, e.Class, record)
		require.Equal(t, risk, e.Risk, record)
	}
	const at = `"stageTimestamp":"2026-03-09T03:00:00Z","auditID":"a"`
	f(`{`+at+`,"verb":"create","objectRef":{"resource":"clusterrolebindings","apiGroup":"rbac.authorization.k8s.io"},"requestObject":{"roleRef":{"name":"cluster-admin"}}}`, "policy_change", 3)
	f(`{`+at+`,"verb":"create","objectRef":{"resource":"clusterrolebindings"},"requestObject":{"roleRef":{"name":"view"}}}`, "policy_change", 2)
	f(`{`+at+`,"verb":"create","objectRef":{"resource":"pods","subresource":"exec"}}`, "sensitive_first_use", 1)
	f(`{`+at+`,"verb":"get","objectRef":{"resource":"secrets","namespace":"a"}}`, "sensitive_first_use", 1)
	f(`{`+at+`,"verb":"update","objectRef":{"resource":"configmaps","namespace":"kube-system","name":"aws-auth"}}`, "policy_change", 2)
	f(`{`+at+`,"verb":"update","objectRef":{"resource":"configmaps","namespace":"shop","name":"aws-auth"}}`, "", 0)
	f(`{`+at+`,"verb":"list","objectRef":{"resource":"pods"}}`, "", 0)
	f(`{"timestamp":"2026-03-09T03:00:00Z","protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.exec.create"}}`, "sensitive_first_use", 1)

	const when = `"eventTime":"2026-03-09T03:00:00Z"`
	f(`{`+when+`,"eventName":"AttachPolicyToUser","serviceName":"Ram","eventSource":"ram.aliyuncs.com"}`, "policy_change", 2)
	f(`{`+when+`,"eventName":"DeleteTrail","serviceName":"Actiontrail"}`, "trail_concealment", 3)
	f(`{`+when+`,"eventName":"DescribeInstances","serviceName":"Ecs"}`, "", 0)
	f(`{`+when+`,"eventName":"DeleteTrail","sourceIpAddress":"198.51.100.7","eventSource":"actiontrail.cn-hangzhou.aliyuncs.com"}`, "trail_concealment", 3)
	f(`{`+when+`,"eventName":"ConsoleSignin","serviceName":"AasSub","userIdentity":{"type":"root-account"}}`, "sensitive_first_use", 1)
	f(`{`+when+`,"eventName":"ConsoleSignin","serviceName":"AasSub","userIdentity":{"type":"ram-user"}}`, "", 0)

	f(`{`+when+`,"action":"kms.secrets.read","initiator":{}}`, "sensitive_first_use", 1)
	f(`{`+when+`,"action":"iam-am.policy.delete","initiator":{}}`, "policy_change mass_deletion", 2)
	f(`{`+when+`,"action":"containers-kubernetes.key.create","initiator":{}}`, "password_change", 2)
	f(`{`+when+`,"action":"logdnaat.archive-configuration.update","initiator":{}}`, "trail_concealment", 3)
}

// What an operation is may depend on its parameters, which are looked at where
// the record is at hand, in whatever order events come.
func TestEnrichChecksParameters(t *testing.T) {
	x := newEnricher(t, Options{})
	f := func(operation, parameters, class string, risk uint8) {
		t.Helper()
		e := event.Event{Provider: "aws", Service: "rds.amazonaws.com", Operation: operation}
		if operation == "UpdateTrail" {
			e.Service = "cloudtrail.amazonaws.com"
		}
		if parameters != "" {
			e.Raw = []byte(`{"requestParameters":` + parameters + `}`)
		}
		x.Enrich(&e)
		require.True(t, x.Conditional(&e))
		require.Equal(t, class, e.Class)
		require.Equal(t, risk, e.Risk)
		e.Class, e.Risk = "stale", 1
		x.Again(&e)
		require.Equal(t, class, e.Class)
		require.Equal(t, risk, e.Risk)
	}
	f("ModifyDBInstance", `{"masterUserPassword":"****"}`, "password_change", 2)
	f("ModifyDBInstance", `{"allocatedStorage":20}`, "", 0)
	f("ModifyDBInstance", "", "password_change", 2)
	f("UpdateTrail", `{"isMultiRegionTrail":false}`, "trail_concealment", 3)
	f("UpdateTrail", `{"isMultiRegionTrail":true}`, "trail_concealment", 2)
	f("UpdateTrail", `null`, "trail_concealment", 3)
	require.False(t, x.Conditional(&event.Event{Provider: "aws", Service: "iam.amazonaws.com", Operation: "DeleteUser"}))
	require.False(t, x.Conditional(&event.Event{Provider: "aws", Service: "ec2.amazonaws.com", Operation: "DescribeVolumes"}))
}

// An event that is enriched again is the same: nothing is left of before.
func TestEnrichAgain(t *testing.T) {
	x := newEnricher(t, Options{})
	e := event.Event{
		Provider: "aws", Account: "123456789012", Service: "iam.amazonaws.com", Operation: "DeleteUser",
		UserAgent: "aws-cli/2.0", Actor: event.Actor{RawType: "IAMUser", ARN: "arn:aws:iam::123456789012:user/a"},
		Source: event.Source{Address: "8.8.8.8"},
	}
	x.Enrich(&e)
	again := e
	x.Enrich(&again)
	require.Equal(t, e, again)
	require.Equal(t, "policy_change mass_deletion", e.Class)
	require.EqualValues(t, 2, e.Risk)
	require.Equal(t, "aws-cli", e.AgentFamily)
	require.Equal(t, "US", e.Source.Country)

	e.Service, e.Operation, e.UserAgent = "ec2.amazonaws.com", "DescribeVolumes", ""
	e.Source.Address, e.Source.IP = "", e.Source.IP.Next()
	e.Actor = event.Actor{RawType: "AWSService", InvokedBy: "config.amazonaws.com", Identity: "left", Kind: event.KindHuman}
	x.Enrich(&e)
	require.Empty(t, e.Class)
	require.Zero(t, e.Risk)
	require.Empty(t, e.AgentFamily)
	require.Equal(t, "config.amazonaws.com", e.Actor.Identity)
	require.Equal(t, event.KindCloudService, e.Actor.Kind)
	require.EqualValues(t, 15169, e.Source.ASN)
}

func TestIsEmail(t *testing.T) {
	f := func(s string, want bool) {
		t.Helper()
		require.Equal(t, want, isEmail(s), s)
	}
	f("alice@example.com", true)
	f("a.b+c@mail.example.co.uk", true)
	f("alice", false)
	f("alice@localhost", false)
	f("@example.com", false)
	f("alice@example.", false)
	f("alice@.com", false)
	f("a@b@c.d", false)
	f("a b@c.d", false)
	f("", false)
}
