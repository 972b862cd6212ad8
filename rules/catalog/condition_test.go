package catalog

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every condition of the default catalogue is tried with a record that it holds
// for, one that it does not hold for, and one that does not have what it is
// about.
func TestDefaultConditions(t *testing.T) {
	tried := map[string]bool{}
	f := func(provider, service, operation, class, record string, want Truth, tier int) {
		t.Helper()
		e, ok := Default().Lookup(provider, service, operation)
		require.True(t, ok, "%s %s", service, operation)
		require.True(t, e.Conditional())
		for _, p := range e.Parts {
			if p.Class != class {
				continue
			}
			require.NotNil(t, p.When)
			require.Equal(t, want, p.When.Check([]byte(record)), p.When.String())
			require.Equal(t, tier, p.tier(want))
			tried[p.When.String()+want.String()] = true
			label, highest := e.Check([]byte(record))
			require.Equal(t, tier > 0, strings.Contains(" "+label+" ", " "+class+" "), label)
			require.GreaterOrEqual(t, highest, tier)
			return
		}
		require.Fail(t, "the operation is not of the class", "%s %s", operation, class)
	}
	// three tries a condition on the members of requestParameters.
	three := func(provider, service, operation, class, yes string, unchecked int, no string, otherwise int, high int) {
		t.Helper()
		f(provider, service, operation, class, `{"requestParameters":`+yes+`}`, Yes, high)
		f(provider, service, operation, class, `{"requestParameters":`+no+`}`, No, otherwise)
		f(provider, service, operation, class, `{"requestParameters":null,"errorCode":"AccessDenied"}`, Unknown, unchecked)
	}
	const trail = TrailConcealment
	three("aws", "cloudtrail.amazonaws.com", "PutEventSelectors", trail, `{"eventSelectors":[{"readWriteType":"All","includeManagementEvents":true},{"includeManagementEvents":false}]}`, 3,
		`{"eventSelectors":[{"readWriteType":"All","includeManagementEvents":true,"dataResources":[],"excludeManagementEventSources":[]}]}`, 2, 3)
	f("aws", "cloudtrail.amazonaws.com", "PutEventSelectors", trail, `{"requestParameters":{"advancedEventSelectors":[{"fieldSelectors":[{"field":"eventCategory","equals":["Data"]}]}]}}`, Yes, 3)
	f("aws", "cloudtrail.amazonaws.com", "PutEventSelectors", trail, `{"requestParameters":{"advancedEventSelectors":[{"fieldSelectors":[{"field":"eventCategory","equals":["Management"]}]}]}}`, No, 2)
	f("aws", "cloudtrail.amazonaws.com", "PutEventSelectors", trail, `{"requestParameters":{"eventSelectors":[{"excludeManagementEventSources":["kms.amazonaws.com"]}]}}`, Yes, 3)
	three("aws", "cloudtrail.amazonaws.com", "PutInsightSelectors", trail, `{"trailName":"t","insightSelectors":[]}`, 3, `{"insightSelectors":[{"insightType":"ApiCallRateInsight"}]}`, 2, 3)
	three("aws", "cloudtrail.amazonaws.com", "UpdateTrail", trail, `{"name":"t","isMultiRegionTrail":false}`, 3, `{"name":"t","isMultiRegionTrail":true,"snsTopicName":"x"}`, 2, 3)
	three("aws", "guardduty.amazonaws.com", "UpdateDetector", trail, `{"enable":true,"dataSources":{"kubernetes":{"auditLogs":{"enable":false}}}}`, 3, `{"enable":true,"findingPublishingFrequency":"ONE_HOUR"}`, 2, 3)
	f("aws", "guardduty.amazonaws.com", "UpdateDetector", trail, `{"requestParameters":{"features":[{"name":"S3_DATA_EVENTS","status":"DISABLED"}]}}`, Yes, 3)
	three("aws", "eks.amazonaws.com", "UpdateClusterConfig", trail, `{"logging":{"clusterLogging":[{"types":["api"],"enabled":true},{"types":["audit"],"enabled":false}]}}`, 2, `{"resourcesVpcConfig":{"endpointPublicAccess":true}}`, NotInClass, 2)
	three("aws", "lambda.amazonaws.com", "AddPermission", PolicyChange, `{"principal":"*","action":"lambda:InvokeFunction"}`, 2, `{"principal":"*","sourceAccount":"111122223333"}`, 2, 3)
	three("aws", "ec2.amazonaws.com", "ModifySnapshotAttribute", PolicyChange, `{"createVolumePermission":{"add":{"items":[{"group":"all"}]}}}`, 2, `{"createVolumePermission":{"remove":{"items":[{"group":"all"}]}}}`, NotInClass, 2)
	three("aws", "ec2.amazonaws.com", "ModifyImageAttribute", PolicyChange, `{"launchPermission":{"add":{"items":[{"group":"all"}]}}}`, 2, `{"description":{"value":"x"}}`, NotInClass, 2)
	shared := func(user string) string {
		return `{"recipientAccountId":"111122223333","requestParameters":{"launchPermission":{"add":{"items":[{"userId":"` + user + `"}]}}}}`
	}
	f("aws", "ec2.amazonaws.com", "ModifyImageAttribute", PolicyChange, shared("444455556666"), Yes, 2)
	f("aws", "ec2.amazonaws.com", "ModifyImageAttribute", PolicyChange, shared("111122223333"), No, NotInClass)
	for _, op := range []string{"ModifyDBInstance", "ModifyDBCluster"} {
		three("aws", "rds.amazonaws.com", op, PasswordChange, `{"masterUserPassword":"****","applyImmediately":true}`, 2, `{"allocatedStorage":100}`, NotInClass, 2)
	}
	three("aws", "s3.amazonaws.com", "PutBucketVersioning", MassDeletion, `{"VersioningConfiguration":{"Status":"Suspended"}}`, 1, `{"versioningConfiguration":{"status":"Enabled"}}`, NotInClass, 1)

	for _, op := range []string{"create", "update", "patch"} {
		f("kubernetes", "", op+" clusterrolebindings", PolicyChange, `{"requestObject":{"roleRef":{"name":"cluster-admin"}}}`, Yes, 3)
		f("kubernetes", "", op+" clusterrolebindings", PolicyChange, `{"requestObject":{"roleRef":{"name":"view"}}}`, No, 2)
		f("kubernetes", "", op+" clusterrolebindings", PolicyChange, `{"level":"Metadata"}`, Unknown, 2)
	}
	for _, op := range []string{"create", "update", "patch", "delete"} {
		f("kubernetes", "", op+" configmaps", PolicyChange, `{"objectRef":{"namespace":"kube-system","name":"aws-auth"}}`, Yes, 2)
		f("kubernetes", "", op+" configmaps", PolicyChange, `{"objectRef":{"namespace":"shop","name":"aws-auth"}}`, No, NotInClass)
		f("kubernetes", "", op+" configmaps", PolicyChange, `{}`, Unknown, NotInClass)
		f("kubernetes", "", op+" configmaps", trail, `{"objectRef":{"namespace":"kube-system","name":"coredns"}}`, Yes, 2)
		f("kubernetes", "", op+" configmaps", trail, `{"objectRef":{"namespace":"kube-system","name":"aws-auth"}}`, No, NotInClass)
		f("kubernetes", "", op+" configmaps", trail, `{"objectRef":null}`, Unknown, NotInClass)
	}
	const pods = "create pods"
	f("kubernetes", "", pods, SensitiveFirstUse, `{"requestObject":{"spec":{"containers":[{"name":"a"},{"securityContext":{"privileged":true}}]}}}`, Yes, 1)
	f("kubernetes", "", pods, SensitiveFirstUse, `{"requestObject":{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}}}`, Yes, 1)
	f("kubernetes", "", pods, SensitiveFirstUse, `{"requestObject":{"spec":{"containers":[{"securityContext":{"privileged":false}}]}}}`, No, NotInClass)
	f("kubernetes", "", pods, SensitiveFirstUse, `{"level":"Metadata"}`, Unknown, NotInClass)
	for _, op := range []string{"create", "update", "patch"} {
		f("kubernetes", "", op+" services", SensitiveFirstUse, `{"requestObject":{"spec":{"type":"NodePort"}}}`, Yes, 1)
		f("kubernetes", "", op+" services", SensitiveFirstUse, `{"requestObject":{"spec":{"type":"ClusterIP"}}}`, No, NotInClass)
		f("kubernetes", "", op+" services", SensitiveFirstUse, `{}`, Unknown, NotInClass)
	}

	f("alibaba", "", "ConsoleSignin", SensitiveFirstUse, `{"userIdentity":{"type":"root-account"}}`, Yes, 1)
	f("alibaba", "", "ConsoleSignin", SensitiveFirstUse, `{"userIdentity":{"type":"ram-user"}}`, No, NotInClass)
	f("alibaba", "", "ConsoleSignin", SensitiveFirstUse, `{}`, Unknown, NotInClass)
	three("alibaba", "actiontrail", "PutInsightSelectors", trail, `{"TrailName":"t","InsightSelectors":"[]"}`, 3, `{"InsightSelectors":"[{\"InsightType\":\"IpInsight\"}]"}`, 2, 3)
	three("alibaba", "actiontrail", "UpdateTrail", trail, `{"Name":"t","EventRW":"Write"}`, 3, `{"Name":"t","EventRW":"All","TrailRegion":"All"}`, 2, 3)
	f("alibaba", "actiontrail", "UpdateTrail", trail, `{"requestParameters":{"TrailRegion":"cn-beijing"}}`, Yes, 3)
	three("alibaba", "sls", "UpdateLogStore", trail, `{"ttl":"30"}`, 2, `{"ttl":365}`, NotInClass, 2)
	three("alibaba", "log", "UpdateLogStore", trail, `{"ttl":30}`, 2, `{"ttl":"365"}`, NotInClass, 2)
	for _, op := range []string{"DeleteBucket", "PutBucketLifecycle"} {
		three("alibaba", "oss", op, trail, `{"bucketName":"acme-actiontrail"}`, NotInClass, `{"bucketName":"photos"}`, NotInClass, 2)
	}

	// Entra ID's records have their fields at the top or inside properties.
	for _, op := range []string{"Add member to role", "Add eligible member to role"} {
		role := func(name string) string {
			return `{"targetResources":[{"modifiedProperties":[{"newValue":null},{"displayName":"Role.DisplayName","newValue":"\"` + name + `\""}]}]}`
		}
		f("azure", "Core Directory", op, PolicyChange, role("Global Administrator"), Yes, 3)
		f("azure", "Core Directory", op, PolicyChange, `{"properties":`+role("Privileged Role Administrator")+`}`, Yes, 3)
		f("azure", "Core Directory", op, PolicyChange, `{"properties":`+role("Global Reader")+`,`+role("Global Reader")[1:], No, 2)
		f("azure", "Core Directory", op, PolicyChange, role("Global Reader"), Unknown, 2)
	}
	const assign, owner = "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	f("azure", "microsoft.authorization", assign, PolicyChange, `{"properties":{"responseBody":"{\"roleDefinitionId\":\"/x/`+owner+`\"}"}}`, Yes, 3)
	f("azure", "microsoft.authorization", assign, PolicyChange, `{"properties":{"requestbody":"{\"Id\":\"`+owner+`\"}"}}`, Yes, 3)
	f("azure", "microsoft.authorization", assign, PolicyChange, `{"properties":{"statusCode":"Created"}}`, No, 2)
	f("azure", "microsoft.authorization", assign, PolicyChange, `{}`, Unknown, 2)

	delta := func(what string) string { return `{"protoPayload":{"serviceData":{"policyDelta":` + what + `}}}` }
	for _, op := range []string{
		"SetIamPolicy", "google.iam.admin.v1.SetIAMPolicy", "storage.setIamPermissions", "run.services.setIamPolicy",
		"google.cloud.iap.v1.IdentityAwareProxyAdminService.SetIamPolicy",
	} {
		f("gcp", "", op, PolicyChange, delta(`{"bindingDeltas":[{"action":"ADD","role":"roles/viewer","member":"allUsers"}]}`), Yes, 3)
		f("gcp", "", op, PolicyChange, delta(`{"bindingDeltas":[{"action":"ADD","role":"roles/owner","member":"user:eve@example.com"}]}`), Yes, 3)
		f("gcp", "", op, PolicyChange, delta(`{"bindingDeltas":[{"action":"REMOVE","role":"roles/owner","member":"allUsers"}]}`), No, 2)
		f("gcp", "", op, PolicyChange, `{}`, Unknown, 2)
	}
	f("gcp", "", "SetIamPolicy", trail, delta(`{"auditConfigDeltas":[{"action":"REMOVE","service":"allServices","logType":"DATA_READ"}]}`), Yes, 3)
	f("gcp", "", "SetIamPolicy", trail, delta(`{"auditConfigDeltas":[{"action":"ADD","logType":"DATA_READ","exemptedMember":"user:eve@example.com"}]}`), Yes, 3)
	f("gcp", "", "SetIamPolicy", trail, delta(`{"auditConfigDeltas":[{"action":"ADD","logType":"DATA_READ"}]}`), No, NotInClass)
	f("gcp", "", "SetIamPolicy", trail, `{}`, Unknown, NotInClass)
	request := func(what string) string { return `{"protoPayload":{"request":` + what + `}}` }
	f("gcp", "", "v1.compute.subnetworks.patch", trail, request(`{"enableFlowLogs":false}`), Yes, 2)
	f("gcp", "", "beta.compute.subnetworks.patch", trail, request(`{"logConfig":{"enable":false}}`), Yes, 2)
	f("gcp", "", "v1.compute.subnetworks.patch", trail, request(`{"privateIpGoogleAccess":false}`), No, NotInClass)
	f("gcp", "", "v1.compute.subnetworks.patch", trail, `{}`, Unknown, NotInClass)
	for _, op := range []string{"dns.policies.patch", "dns.policies.update"} {
		f("gcp", "", op, trail, request(`{"policyResource":{"enableLogging":false}}`), Yes, 2)
		f("gcp", "", op, trail, request(`{"policyResource":{"enableLogging":true}}`), No, NotInClass)
		f("gcp", "", op, trail, `{}`, Unknown, NotInClass)
	}

	for _, e := range Default().Entries() {
		for _, p := range e.Parts {
			if p.When == nil {
				continue
			}
			for _, want := range []Truth{Yes, No, Unknown} {
				require.True(t, tried[p.When.String()+want.String()], "%s %s: %s was not tried as %s", e.Provider, e.Operation, p.When, want)
			}
		}
	}
}

func TestCheckTakesTheRest(t *testing.T) {
	e, ok := Default().Lookup("alibaba", "oss", "DeleteBucket")
	require.True(t, ok)
	require.Equal(t, MassDeletion, e.Label)
	f := func(record, label string, tier int) {
		t.Helper()
		l, n := e.Check([]byte(record))
		require.Equal(t, label, l)
		require.Equal(t, tier, n)
	}
	f(`{"requestParameters":{"bucketName":"audit"}}`, "trail_concealment mass_deletion", 2)
	f(`{"requestParameters":{"bucketName":"x"}}`, "mass_deletion", 1)
	f(``, "mass_deletion", 1)
	f(`no json`, "mass_deletion", 1)

	plain, ok := Default().Lookup("aws", "iam.amazonaws.com", "DeleteUser")
	require.True(t, ok)
	require.False(t, plain.Conditional())
	l, n := plain.Check([]byte(`{}`))
	require.Equal(t, "policy_change mass_deletion", l)
	require.Equal(t, 2, n)
}

func TestCondition(t *testing.T) {
	const record = `{"a":{"b":[{"c":1,"D":"x"},{"c":"2","e":null,"f":[],"g":""}],"yes":"True","no":false,"deep":{"er":{"c":7}}},"s":"text","n":null,"o":"x"}`
	f := func(text string, want Truth) {
		t.Helper()
		c, err := ParseCondition(text)
		require.NoError(t, err, text)
		require.Equal(t, text, c.String())
		require.Equal(t, want, c.Check([]byte(record)), text)
	}
	f(`a.b.c is 1`, Yes)
	f(`a.b.c is "2"`, Yes)
	f(`a.b.c is 3`, No)
	f(`a.b.d is "x"`, Yes)
	f(`A.b.d is o`, Yes)
	f(`a.b.c differs from 1`, Yes)
	f(`a.b.d differs from "x"`, No)
	f(`a.missing differs from "x"`, No)
	f(`a.b.c is below 1.5`, Yes)
	f(`a.b.c is below -1`, No)
	f(`a.b.d is below 5`, No)
	f(`a.yes is true and a.no is false`, Yes)
	f(`a.b.e is set or a.b.f is set or a.b.g is set`, No)
	f(`a.b.e is empty`, Yes)
	f(`a.b is empty`, No)
	f(`a.** is 7`, Yes)
	f(`a.**.er.c is 7`, Yes)
	f(`a.** is 8`, No)
	f(`s contains "ex"`, Yes)
	f(`s starts with "ex"`, No)
	f(`s starts with "te"`, Yes)
	f(`s.t is "x"`, Unknown)
	f(`n is "x"`, Unknown)
	f(`gone.x is set`, Unknown)
	f(`a.b.c is gone.x`, Unknown)
	f(`not gone.x is set`, Unknown)
	f(`gone.x is set or s is "text"`, Yes)
	f(`gone.x is set or s is "other"`, Unknown)
	f(`gone.x is set and s is "other"`, No)
	f(`gone.x is set and s is "text"`, Unknown)
	f(`not (s is "other" or not s is "text")`, Yes)
	f(`s is "other" and s is "text" or s is "text"`, Yes)
}

func TestParseConditionErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		c, err := ParseCondition(text)
		require.Nil(t, c)
		require.EqualError(t, err, want)
	}
	f(``, "column 1: the condition ends, expected a path such as requestParameters.name")
	f(`a.b`, "column 4: the condition ends, expected is, differs from, contains or starts with")
	f(`the parameters reduce coverage`, `column 5: found "parameters", expected is, differs from, contains or starts with`)
	f(`a is`, "column 5: the condition ends, expected a text in quotes, a number, true, false, or a path")
	f(`a is set b`, `column 10: found "b", expected and, or, or the end`)
	f(`a is "x`, "column 6: a text in quotes does not end")
	f(`a is 'x'`, `column 6: unexpected character '\''`)
	f(`a is 1.2.3`, `column 6: bad number "1.2.3"`)
	f(`a is below "x"`, `column 12: found "\"x\"", expected a number`)
	f(`(a is set`, `column 10: the condition ends, expected ")"`)
	f(`a..b is set`, `column 1: bad path "a..b": a member has no name`)
	f(`**.b is set`, `column 1: bad path "**.b": ** stands alone and not at the beginning`)
	f(`a.b* is set`, `column 1: bad path "a.b*": ** stands alone and not at the beginning`)
	f(`a differs "x"`, `column 11: found "\"x\"", expected from`)
	f(`a contains 7`, `column 12: found "7", expected a text in quotes`)
	f(`not`, "column 4: the condition ends, expected a path such as requestParameters.name")
	f(`a is set and or`, `column 14: found "or", expected a path such as requestParameters.name`)
	f(strings.Repeat("(", maxCondition+1), "a condition is longer than 2000 bytes")

	_, err := Parse("mine.csv", strings.NewReader("provider,service,operation,class,tier,when\naws,x,a,z,1,if so\n"))
	require.EqualError(t, err, `mine.csv:2: bad condition "if so": column 4: found "so", expected is, differs from, contains or starts with`)
	_, err = Parse("mine.csv", strings.NewReader("provider,service,operation,class,tier,when,unchecked,otherwise\naws,x,a,z,1,a.b is set,,2\n"))
	require.EqualError(t, err, `mine.csv:2: bad value "2" of otherwise: it is a tier up to the row's own, or -`)
	_, err = Parse("mine.csv", strings.NewReader("provider,service,operation,class,tier,when,unchecked,otherwise\naws,x,a,z,1,,,1\n"))
	require.EqualError(t, err, "mine.csv:2: otherwise is set, but there is no condition in when")
}

// Records of real attacks, where they are at hand.
func TestConditionsOnRecords(t *testing.T) {
	f := func(file, operation, label string, tier int) {
		t.Helper()
		p, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "stratus", "docs", "detonation-logs", file+".json"))
		if os.IsNotExist(err) {
			t.Skip("the records of attacks are not here")
		}
		require.NoError(t, err)
		var records []json.RawMessage
		require.NoError(t, json.Unmarshal(p, &records))
		n := 0
		for _, r := range records {
			var head struct{ EventSource, EventName string }
			require.NoError(t, json.Unmarshal(r, &head))
			if head.EventName != operation {
				continue
			}
			n++
			e, ok := Default().Lookup("aws", head.EventSource, head.EventName)
			require.True(t, ok)
			require.True(t, e.Conditional())
			l, got := e.Check(r)
			require.Equal(t, label, l)
			require.Equal(t, tier, got)
		}
		require.NotZero(t, n, file)
	}
	f("aws.defense-evasion.cloudtrail-event-selectors", "PutEventSelectors", TrailConcealment, 3)
	f("aws.exfiltration.ec2-share-ebs-snapshot", "ModifySnapshotAttribute", PolicyChange, 2)
	f("aws.exfiltration.ec2-share-ami", "ModifyImageAttribute", PolicyChange, 2)
	f("aws.persistence.lambda-backdoor-function", "AddPermission20150331v2", PolicyChange, 3)
}

func FuzzCondition(f *testing.F) {
	f.Add(`a.b is "x" or not (c.** is below 3 and d is set)`, `{"a":{"b":["x",{"c":null}]},"c":[[1,2],{"x":-1}],"d":""}`)
	f.Add(`a.**.** differs from b`, `{"a":[[[{"b":{}}]]],"b":"y"}`)
	f.Add(`s starts with "\u00e9"`, `{"s":"é"}`)
	f.Fuzz(func(t *testing.T, text, record string) {
		c, err := ParseCondition(text)
		if err != nil {
			require.Nil(t, c)
			return
		}
		if strings.Count(text, anyDepth) > 3 || len(record) > 4096 {
			return // Cubes of the record's size are slow enough.
		}
		got := c.Check([]byte(record))
		require.Equal(t, got, c.Check([]byte(record)))
		again, err := ParseCondition("not (" + text + ")")
		if err != nil {
			return // Too long by now.
		}
		require.Equal(t, map[Truth]Truth{Yes: No, No: Yes, Unknown: Unknown}[got], again.Check([]byte(record)))
	})
}

func BenchmarkCheck(b *testing.B) {
	e, _ := Default().Lookup("aws", "cloudtrail.amazonaws.com", "PutEventSelectors")
	record := []byte(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/x","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE","userName":"x"},"eventTime":"2026-03-09T03:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"PutEventSelectors","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.9","userAgent":"aws-cli/2","requestParameters":{"trailName":"organization","eventSelectors":[{"readWriteType":"All","includeManagementEvents":true,"dataResources":[],"excludeManagementEventSources":[]}]},"responseElements":null}`)
	b.ReportAllocs()
	for b.Loop() {
		e.Check(record)
	}
}
