package event

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOCSFLake(t *testing.T) {
	const none = "unknown|"
	events := requireBriefs(t, "ocsf/lake.json",
		"03:00:00.123|111122223333|eu-central-1|ec2.amazonaws.com|TerminateInstances|management|write|success||"+none+"AssumedRole||198.51.100.7",
		"03:00:00.123|111122223333|eu-central-1|s3.amazonaws.com|GetObject|data|read|error|AccessDenied|"+none+"IAMUser||198.51.100.7",
		"03:00:00.123|111122223333|eu-central-1|signin.amazonaws.com|ConsoleLogin|management|write|error|FailedAuthentication|"+none+"IAMUser||198.51.100.7",
	)
	e := events[0]
	require.Equal(t, providerAWS, e.Provider)
	require.Equal(t, "5c5c5c5c-0000-4000-8000-000000000001", e.UID)
	// Who it was is decided by the same table as for CloudTrail.
	require.Equal(t, Actor{
		RawType: "AssumedRole", Session: "build-1", Credential: "ASIAEXAMPLE", ARN: "arn:aws:sts::111122223333:assumed-role/deployer/build-1",
		PrincipalID: "AROAEXAMPLE:build-1", AccountID: "111122223333", Issuer: "arn:aws:iam::111122223333:role/ops/deployer",
	}, e.Actor)
	require.Equal(t, []string{"arn:aws:ec2:eu-central-1:111122223333:instance/i-1"}, e.Resources)
	require.Equal(t, "aws-cli/2.15", e.UserAgent)

	// 1.0.0-rc.2 has uuid, account_uid and mfa.
	require.Equal(t, "arn:aws:iam::111122223333:user/ada", events[1].Actor.ARN)
	require.Equal(t, "AIDAEXAMPLE", events[1].Actor.PrincipalID)
	require.True(t, events[1].Actor.MFA)
	require.Equal(t, "User is not authorized", events[1].ErrorMessage)
	require.True(t, events[2].Actor.Console)
}

func TestOCSFClouds(t *testing.T) {
	events := requireBriefs(t, "ocsf/clouds.json",
		"03:00:00.123|TENANT||Azure Portal|Logon|management|write|success||human|User|ADA|198.51.100.7",
		"03:00:00|shop-prod|global|x|MFA Factor Disable|management|write|success||human|Admin|admin@example.com|198.51.100.7",
		"03:00:00.123|111122223333|us-east-1|iam.amazonaws.com|AttachUserPolicy|management|write|success||unknown|AssumedRole||198.51.100.7",
		"03:00:00.123|SUB||microsoft.storage|microsoft.storage/storageaccounts/listkeys/action|management|read|success||service|ServicePrincipal|DEPLOYER|198.51.100.7",
	)
	var providers []string
	for _, e := range events {
		providers = append(providers, e.Provider)
		// A rebuild decodes a stored record by the provider that it is of.
		var again Event
		require.NoError(t, Decode(e.Provider, e.Raw, &again))
		require.Equal(t, e, again)
	}
	require.Equal(t, []string{providerAzure, providerGCP, providerAWS, providerAzure}, providers)
	require.True(t, events[0].Actor.MFA)
	require.Equal(t, []string{"bob@example.com"}, events[1].Resources)
}

func TestOCSFFields(t *testing.T) {
	const head = `{"class_uid":6003,"cloud":{"provider":"AWS"},"api":{"operation":"PutThing","service":{"name":"s"}},`
	f := func(rest string, check func(e Event)) {
		t.Helper()
		check(one(t, head+rest+"}"))
	}
	at := time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC)
	for _, text := range []string{
		`"time":1773025200000`, `"time":1773025200000.0`, `"time":1.7730252e12`, `"time":"1773025200000"`,
		`"time_dt":"2026-03-09T03:00:00Z"`, `"time":null,"time_dt":"2026-03-09T04:00:00+01:00"`, `"time":"2026-03-09T03:00:00Z"`,
	} {
		f(text, func(e Event) { require.Equal(t, at, e.Time, text) })
	}
	const when = `"time":1773025200000,`
	for provider, want := range map[string]string{
		"AWS": "aws", "Amazon Web Services": "aws", "azure": "azure", "Microsoft Azure": "azure", "GCP": "gcp", "Google Cloud": "gcp",
		"Alibaba Cloud": "alibaba", "IBM Cloud": "ibm", "Kubernetes": "kubernetes",
	} {
		f(when+`"cloud":{"provider":"`+provider+`"}`, func(e Event) { require.Equal(t, want, e.Provider) })
	}
	f(when+`"cloud":{},"metadata":{"product":{"vendor_name":"Google"}}`, func(e Event) { require.Equal(t, "gcp", e.Provider) })

	for status, want := range map[string]Outcome{
		`"status_id":1`: OutcomeSuccess, `"status_id":2`: OutcomeError, `"status":"Failure"`: OutcomeError, `"status":"Success"`: OutcomeSuccess,
		`"status_id":1,"status":"Failure"`: OutcomeSuccess, `"status_id":0,"status":"failure"`: OutcomeError,
		`"api":{"response":{"error":"Denied"}}`: OutcomeError, `"severity_id":1`: OutcomeSuccess,
	} {
		f(when+status, func(e Event) { require.Equal(t, want, e.Outcome, status) })
	}
	f(when+`"status_id":2,"status_code":"403","message":"no"`, func(e Event) {
		require.Equal(t, "403 no", e.ErrorCode+" "+e.ErrorMessage)
	})
	for activity, want := range map[string]Access{"1": AccessWrite, "2": AccessRead, "3": AccessWrite, "4": AccessWrite, "99": AccessWrite, "0": AccessWrite} {
		f(when+`"activity_id":`+activity, func(e Event) { require.Equal(t, want, e.Access, activity) })
	}
	f(when+`"activity_id":99,"api":{"operation":"ListThings"}`, func(e Event) { require.Equal(t, AccessRead, e.Access) })

	for id, want := range map[string]Kind{"1": KindHuman, "2": KindHuman, "3": KindCloudService, "4": KindService, "0": KindService} {
		f(when+`"cloud":{"provider":"IBM"},"actor":{"user":{"uid":"IBMid-1","type_id":`+id+`}}`, func(e Event) {
			require.Equal(t, want, e.Actor.Kind)
			require.Equal(t, "IBMid-1", e.Actor.Identity)
		})
	}
	f(when+`"cloud":{"provider":"GCP"},"actor":{"invoked_by":"scheduler"}`, func(e Event) {
		require.Equal(t, KindCloudService, e.Actor.Kind)
		require.Equal(t, "scheduler", e.Actor.Identity)
	})
	f(when+`"src_endpoint":{"domain":"lambda.amazonaws.com"}`, func(e Event) {
		require.Equal(t, "lambda.amazonaws.com", e.Source.Address)
		require.False(t, e.Source.IP.IsValid())
	})

	name := func(class, activity, want string) {
		t.Helper()
		e := one(t, `{"class_uid":`+class+`,"activity_id":`+activity+`,"activity_name":"Other","cloud":{"provider":"AWS"},`+when+`"metadata":{"product":{"name":"IdP"}}}`)
		require.Equal(t, want, e.Operation)
		require.Equal(t, "IdP", e.Service)
		require.Equal(t, AccessWrite, e.Access)
	}
	for i, want := range ocsfAccountChanges {
		name("3001", string(rune('1'+i%9)), ocsfAccountChanges[i%9])
		require.NotEmpty(t, want)
	}
	name("3001", "10", "MFA Factor Enable")
	name("3001", "11", "MFA Factor Disable")
	name("3001", "99", "Other")
	name("3002", "1", "Logon")
	name("3002", "2", "Logoff")
}

func TestOCSFErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode("ocsf", []byte(text), &e), want)
	}
	f(`{"class_uid":2004,"time":1}`, "found an OCSF event of class 2004, expected one of class 6003")
	f(`{"class_uid":6003,"cloud":{"provider":"AWS"}}`, "found neither time nor time_dt")
	f(`{"class_uid":6003,"cloud":{"provider":"AWS"},"time":"soon"}`, `time "soon" is none`)
	f(`{"class_uid":6003,"time":1}`, `cloud.provider is "", expected one of AWS`)
	f(`{"class_uid":6003,"time":1,"cloud":{"provider":"Oracle"},"metadata":{"product":{"vendor_name":"AWS"}}}`, `cloud.provider is "Oracle"`)
	f(`{"type_uid":600301}`, "expected an OCSF event")
	f(`{"class_uid":6003,"time":01}`, "not JSON: found '1'")
}

func TestOCSFAgreesOnChangedRecords(t *testing.T) { checkMutations(t, &ocsfDecoder, "ocsf") }

func FuzzOCSF(f *testing.F) { fuzzForm(f, &ocsfDecoder, "ocsf") }
