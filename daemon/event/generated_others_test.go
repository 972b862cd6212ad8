package event

import (
	"strings"
	"testing"
)

// generatedTimes begin every list of strings, so that most records have a time.
var generatedTimes = []string{
	"", "2026-03-09T03:00:00Z", "2026-03-09T03:00:00.123456Z", "2026-03-09T03:00:00.94+0000", "2026-03-09T03:00:00+0000",
	"2026-03-09T03:00:00.25+02:00", "2026-02-29T00:00:00Z", "2026-03-09 03:00:00.5", "2026-03-09T03:00:00.Z", "2026-03-09T03:00:00.1234567891Z",
}

// vocabulary is what the records of a format are made of.
type vocabulary struct {
	decoder *decoder
	keys    []string
	strings []string
	// parts are what makes a record, in which # stands for a string of strings.
	parts []string
}

var vocabularies = []vocabulary{
	{
		decoder: &kubernetesDecoder,
		keys: []string{
			"auditID", "stage", "verb", "requestURI", "requestReceivedTimestamp", "stageTimestamp", "timestamp", "metadata",
			"creationTimestamp", "user", "username", "groups", "extra", "impersonatedUser", "sourceIPs", "userAgent", "objectRef",
			"resource", "namespace", "name", "apiGroup", "apiVersion", "subresource", "responseStatus", "status", "reason",
			"message", "code", "annotations", "authorization.k8s.io/decision", "category", "properties", "protoPayload", "insertId",
			"operation", "first", "serviceName", "methodName", "resourceName", "authenticationInfo", "principalEmail",
			"requestMetadata", "callerIp", "callerSuppliedUserAgent", "labels", "project_id", "location", "cluster_name",
			"authentication.kubernetes.io/pod-name", "accessKeyId", "kind", "auditI\\u0044", "acsRegion", "log", "\xff", "",
		},
		strings: []string{
			"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic", "Later", "get", "watch", "create", "proxy", "list",
			"pods", "namespaces", "tokenreviews", "exec", "log", "kube-system", "apps", "apps/v1beta1", "v1", "/healthz?x=1",
			"/api/v1/pods", "/", "/x.php", "Failure", "Success", "Forbidden", "forbid", "allow", "k8s.io", "compute.googleapis.com",
			"io.k8s.core.v1.pods.exec.create", "io.k8s.apps.v1.deployments.get", "core/v1/namespaces/a/pods/b", "rbac.k8s.io/v1/roles",
			"system:anonymous", "system:serviceaccount:a:b", "system:node:n", "ada@example.org", "system:unauthenticated", "kube-audit",
			"198.51.100.7", "fe80::1%eth0", "X509SHA256=00", "JTI=1", "caf\\u00e9", "\\ud83d", "\xff\xfe",
		},
		parts: []string{
			`"auditID":#`, `"verb":#`, `"stage":#`, `"requestURI":#`, `"requestReceivedTimestamp":@`, `"stageTimestamp":@`, `"timestamp":@`,
			`"verb":"get","auditID":"a","stageTimestamp":@`, `"verb":"watch","auditID":"a","timestamp":@,"stage":"ResponseComplete"`,
			`"objectRef":{"resource":#,"namespace":#,"name":#,"apiGroup":#,"subresource":#}`, `"objectRef":{"resource":"pods","apiVersion":#,"name":#}`,
			`"user":{"username":#,"groups":[#,#],"extra":{"authentication.kubernetes.io/pod-name":[#],"authentication.kubernetes.io/credential-id":[#,#]}}`,
			`"user":{"username":#,"extra":{"accessKeyId":[#]}}`, `"impersonatedUser":{"username":#}`, `"sourceIPs":[#,#]`, `"sourceIPs":[#,7]`,
			`"responseStatus":{"code":403,"reason":#,"message":#}`, `"responseStatus":{"code":200}`, `"responseStatus":{"status":#,"code":#}`,
			`"annotations":{"authorization.k8s.io/decision":#}`, `"metadata":{"creationTimestamp":@}`,
			`"protoPayload":{"serviceName":"k8s.io","methodName":#,"resourceName":#,"status":{"code":7,"message":#},"requestMetadata":{"callerIp":#}},"timestamp":@`,
			`"protoPayload":{"serviceName":#,"methodName":#,"authenticationInfo":{"principalEmail":#}}`,
			`"operation":{"first":true}`, `"operation":{"id":#}`, `"insertId":#`, `"resource":{"labels":{"project_id":#,"location":#,"cluster_name":#}}`,
		},
	},
	{
		decoder: &actionTrailDecoder,
		keys: []string{
			"eventId", "eventTime", "eventName", "eventType", "eventCategory", "eventSource", "serviceName", "acsRegion", "eventRW",
			"sourceIpAddress", "userAgent", "errorCode", "errorMessage", "recipientAccountId", "recipient", "resourceName",
			"userIdentity", "additionalEventData", "referencedResources", "insightDetails", "type", "userName", "accountId",
			"principalId", "accessKeyId", "invokedBy", "sessionContext", "attributes", "mfaAuthenticated", "isMFAChecked",
			"insightType", "eventID", "auditID", "event\\u004eame", "\xff", "",
		},
		strings: []string{
			"ApiCall", "ConsoleSignin", "ConsoleSignout", "ConsoleOperation", "AliyunServiceEvent", "ActionTrailInsight", "Management",
			"Data", "Insight", "Read", "Write", "root-account", "ram-user", "assumed-role", "role:session", "1:s", "true", "false",
			"Ecs", "ecs.aliyuncs.com", "DescribeInstances", "DeleteTrail", "198.51.100.7", "::1", "oss-internal", "STS.N", "caf\\u00e9", "\xff",
		},
		parts: []string{
			`"eventName":#`, `"eventName":#`, `"eventTime":@`, `"eventTime":@`, `"acsRegion":#`, `"serviceName":#`, `"eventRW":#`, `"eventId":#`,
			`"eventType":#`, `"eventCategory":#`, `"eventSource":#`, `"sourceIpAddress":#`, `"errorCode":#`, `"errorMessage":#`, `"errorCode":404`,
			`"recipientAccountId":#`, `"recipient":7`, `"resourceName":#`, `"referencedResources":{"a":[#,#],"b":#,"c":[7]}`,
			`"userIdentity":{"type":#,"userName":#,"principalId":#,"accountId":12,"sessionContext":{"attributes":{"mfaAuthenticated":#}}}`,
			`"userIdentity":{"type":"assumed-role","userName":#,"principalId":#}`, `"additionalEventData":{"isMFAChecked":#}`,
			`"insightDetails":{"insightType":#,"sourceIpAddress":#}`, `"eventType":"AliyunServiceEvent"`,
		},
	},
	{
		decoder: &cadfDecoder,
		keys: []string{
			"id", "eventTime", "action", "outcome", "dataEvent", "logSourceCRN", "initiator", "observer", "target", "reason", "name",
			"authnId", "typeURI", "credential", "type", "host", "address", "agent", "reasonCode", "reasonType", "reasonForFailure",
			"message", "payload", "auditID", "actio\\u006e", "\xff", "",
		},
		strings: []string{
			"success", "failure", "pending", "a.b.read", "iam-identity.user-apikey.login", "kms.secrets.list-versions", "nodots", "x.",
			"IBMid-1", "iam-ServiceId-1", "iam-Profile-1", "crn-crn:v1:x", "ada@example.org", "user", "service/security/account/user",
			"service/security/account/serviceid", "clientid", "token", "public-access", "apikey-serviceid", "s2s-authorization",
			"compute-resource", "instance-identity-token", "198.51.100.7/1234", "198.51.100.7", "2001:db8::1", "200", "403", "0",
			"crn:v1:bluemix:public:kms:us-south:a/7:1::", "crn:v1:b:p:k::o/7:", "crn:v1", "true", "false", "caf\\u00e9", "\xff",
		},
		parts: []string{
			`"action":#`, `"action":"a.b.c"`, `"eventTime":@`, `"eventTime":@`, `"id":#`, `"outcome":#`, `"dataEvent":#`, `"dataEvent":true`,
			`"logSourceCRN":#`, `"observer":{"name":#}`, `"target":{"id":#,"name":#}`, `"target":{"name":#}`,
			`"reason":{"reasonCode":403,"reasonType":#,"reasonForFailure":#}`, `"reason":{"reasonCode":#,"reasonType":#}`,
			`"initiator":{"id":#,"name":#,"typeURI":#,"authnId":#,"credential":{"type":#},"host":{"address":#,"agent":#}}`,
			`"initiator":{"name":#,"credential":{"type":#}}`, `"initiator":{"id":#}`,
		},
	},
}

// recordOf is an object with, mostly, what makes a record of a vocabulary.
func (g generator) recordOf(v *vocabulary) []byte {
	var parts []string
	for range 2 + g.IntN(9) {
		part := []byte(pick(g, v.parts))
		var b strings.Builder
		for _, c := range part {
			switch c {
			case '#':
				b.WriteString(`"` + pick(g, g.strings) + `"`)
			case '@':
				b.WriteString(`"` + pick(g, generatedTimes) + `"`)
			default:
				b.WriteByte(c)
			}
		}
		parts = append(parts, b.String())
	}
	for range g.IntN(4) {
		var b strings.Builder
		g.value(&b, 1)
		parts = append(parts, `"`+pick(g, g.keys)+`":`+b.String())
	}
	g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return []byte("{" + strings.Join(parts, ",") + "}")
}

func TestOtherDecodersAgreeOnGeneratedRecords(t *testing.T) {
	for i := range vocabularies {
		v := &vocabularies[i]
		t.Run(v.decoder.provider, func(t *testing.T) {
			g := newGenerator(uint64(21 + i))
			g.keys, g.strings = v.keys, append(v.strings, generatedTimes...)
			n, decoded := 10000, 0
			if testing.Short() {
				n = 2000
			}
			for range n {
				raw := g.recordOf(v)
				var (
					e Event
					p stringPool
				)
				if _, verdict, _ := v.decoder.decode(raw, &e, &p); verdict == verdictDecoded {
					decoded++
				}
				checkDecoder(t, v.decoder, references[v.decoder], raw)
				// And with one byte changed, which mostly breaks it.
				raw[g.IntN(len(raw))] = byte(pick(g, []int{'"', '\\', '{', '}', '[', ']', ',', ':', 0, 0xff, ' ', 'x'}))
				checkDecoder(t, v.decoder, references[v.decoder], raw)
			}
			if decoded < n/10 {
				t.Fatalf("of %d records only %d were decoded: the words make too few", n, decoded)
			}
		})
	}
}

func TestOtherDecodersAgreeOnFixturesWithEveryByteChanged(t *testing.T) {
	const others = "\"\\{}[],: 0x\x01\xff"
	for d, ref := range references {
		if d == &cloudTrailDecoder {
			continue
		}
		for _, text := range fixtures(t, "testdata/"+d.provider) {
			for i := range text {
				was := text[i]
				text[i] = others[i%len(others)]
				checkDecoder(t, d, ref, text)
				text[i] = was
			}
		}
	}
}
