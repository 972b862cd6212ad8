package event

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readFixture reads the events of a file of testdata, which hold no bad record.
// How many were left out comes behind them.
func readFixture(t *testing.T, name string) ([]Event, int) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	r := NewReader(bytes.NewReader(b), ReaderOptions{Name: name})
	var list []Event
	for {
		var e Event
		err := r.Next(&e)
		if err == io.EOF {
			return list, r.Omitted()
		}
		require.NoError(t, err)
		var again Event
		require.NoError(t, Decode(e.Provider, e.Raw, &again))
		if again.Account == "" {
			again.Account = e.Account // What is around a record may name the cluster.
		}
		require.Equal(t, e, again)
		e.Raw = nil
		list = append(list, e)
	}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return v.UTC()
}

func TestKubernetesForms(t *testing.T) {
	const audit = "5a1d0c3e-8f54-4c4e-9c11-2f0f6d3b7a0"
	ip := netip.MustParseAddr
	f := func(name string, omitted int, want ...Event) {
		t.Helper()
		got, left := readFixture(t, "kubernetes/"+name)
		require.Equal(t, omitted, left, name)
		for i := range want {
			want[i].Provider, want[i].Category = "kubernetes", CategoryManagement
		}
		require.Equal(t, want, got, name)
	}
	f("create.json", 0, Event{
		UID: audit + "1/ResponseComplete", Time: at(t, "2026-03-09T03:00:00.123456Z"),
		Service: "rbac.authorization.k8s.io", Operation: "create clusterrolebindings", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{
			Identity: "ada@example.org", Kind: KindHuman, RawType: "User", Name: "ada@example.org",
			Credential: "X509SHA256=0f3a",
		},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		UserAgent: "kubectl/v1.34.1 (linux/amd64) kubernetes/93248f9", Resources: []string{"clusterrolebindings/ada-admin"},
	})
	f("exec.json", 0, Event{
		UID: audit + "2/ResponseStarted", Time: at(t, "2026-03-09T03:00:01Z"),
		Service: "core", Operation: "get pods/exec", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{
			Identity: "system:serviceaccount:ci:runner", Kind: KindService, RawType: "ServiceAccount",
			Name: "system:serviceaccount:ci:runner", Session: "runner-xyz",
		},
		Source:    Source{Address: "10.0.3.4", IP: ip("10.0.3.4")},
		Resources: []string{"namespaces/shop/pods/cart-0", "namespaces/shop"},
	})
	f("list.json", 1, Event{
		UID: audit + "3/ResponseComplete", Time: at(t, "2026-03-09T03:00:02Z"),
		Service: "core", Operation: "list secrets", Access: AccessRead, Outcome: OutcomeError,
		ErrorCode: "Forbidden", ErrorMessage: "secrets is forbidden",
		Actor: Actor{
			Identity: "bob", Kind: KindHuman, RawType: "User", Name: "bob", Session: "carol", OnBehalfOf: "carol",
		},
		Source: Source{Address: "2001:db8::7", IP: ip("2001:db8::7")}, Resources: []string{"secrets"},
	}, Event{
		UID: audit + "4/Panic", Time: at(t, "2026-03-09T03:00:03Z"),
		Service: "nonresource", Operation: "get /healthz", Access: AccessRead, Outcome: OutcomeError, ErrorCode: "InternalError",
		Actor: Actor{
			Identity: "anonymous", Kind: KindAnonymous, RawType: "Anonymous", Name: "system:anonymous",
		},
		Source: Source{Address: "198.51.100.9", IP: ip("198.51.100.9")}, Resources: []string{"/healthz"},
	})
	f("alpha.json", 0, Event{
		UID: audit + "5/ResponseComplete", Time: at(t, "2017-09-11T19:55:05Z"),
		Service: "apps", Operation: "create deployments", Access: AccessWrite, Outcome: OutcomeError, ErrorCode: "Conflict",
		Actor:     Actor{Identity: "system:admin", Kind: KindHuman, RawType: "User", Name: "system:admin"},
		Source:    Source{Address: "::1", IP: ip("::1")},
		Resources: []string{"namespaces/shop/deployments/cart", "namespaces/shop"},
	})
	f("gke.json", 0, Event{
		UID: "0b2c-1", Time: at(t, "2026-03-09T03:00:04.25Z"), Account: "shop-prod/europe-west3/blue", Region: "europe-west3",
		Service: "core", Operation: "create pods/exec", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor:     Actor{Identity: "ada@example.org", Kind: KindHuman, RawType: "User", Name: "ada@example.org"},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		UserAgent: "kubectl/v1.34.1", Resources: []string{"namespaces/shop/pods/cart-0/exec", "namespaces/shop"},
	}, Event{
		UID: "0b2c-2", Time: at(t, "2026-03-09T03:00:06Z"), Account: "shop-prod/europe-west3/blue", Region: "europe-west3",
		Service: "rbac.authorization.k8s.io", Operation: "delete clusterroles", Access: AccessWrite,
		Outcome: OutcomeError, ErrorCode: "Forbidden", ErrorMessage: "PERMISSION_DENIED",
		Actor: Actor{
			Identity: "bot@shop-prod.iam.gserviceaccount.com", Kind: KindService, RawType: "User",
			Name: "bot@shop-prod.iam.gserviceaccount.com",
		},
		Source: Source{Address: "198.51.100.8", IP: ip("198.51.100.8")}, Resources: []string{"clusterroles/edit-all"},
	})
	f("aks.json", 0, Event{
		UID: audit + "6/ResponseComplete", Time: at(t, "2026-03-09T03:00:07Z"),
		Account: "/subscriptions/11112222-3333-4444-5555-666677778888/resourcegroups/shop/providers/microsoft.containerservice/managedclusters/blue",
		Service: "core", Operation: "delete secrets", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor:     Actor{Identity: "ada@example.org", Kind: KindHuman, RawType: "User", Name: "ada@example.org"},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		Resources: []string{"namespaces/shop/secrets/db", "namespaces/shop"},
	})
	f("eks.json", 0, Event{
		UID: audit + "7/ResponseComplete", Time: at(t, "2026-03-09T03:00:08Z"), Account: "111122223333/blue",
		Service: "core", Operation: "patch configmaps", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{
			Identity: "kubernetes-admin", Kind: KindHuman, RawType: "User", Name: "kubernetes-admin", Credential: "AKIAEXAMPLE00001",
		},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		Resources: []string{"namespaces/kube-system/configmaps/aws-auth", "namespaces/kube-system"},
	})
}

// kube is a record of Kubernetes with further fields.
func kube(fields string) string {
	return `{"auditID":"a","requestReceivedTimestamp":"2026-03-09T03:00:00Z",` + fields + `}`
}

func TestKubernetesStages(t *testing.T) {
	f := func(fields, wantUID, wantErr string) {
		t.Helper()
		var e Event
		err := Decode("kubernetes", []byte(kube(fields)), &e)
		if wantErr != "" {
			require.ErrorContains(t, err, wantErr)
			return
		}
		require.NoError(t, err)
		require.Equal(t, wantUID, e.UID)
	}
	f(`"verb":"get"`, "a/ResponseComplete", "")
	f(`"verb":"get","stage":"ResponseComplete"`, "a/ResponseComplete", "")
	f(`"verb":"get","stage":"ResponseStarted"`, "", "left out: the response has begun only")
	f(`"verb":"get","stage":"RequestReceived"`, "", "left out: the request was received only")
	f(`"verb":"watch","stage":"RequestReceived"`, "", "left out")
	f(`"verb":"watch","stage":"ResponseStarted"`, "a/ResponseStarted", "")
	f(`"verb":"watch","stage":"ResponseComplete"`, "a/ResponseStarted", "")
	f(`"verb":"watch","stage":"Panic"`, "a/Panic", "")
	for _, sub := range []string{"exec", "attach", "portforward", "proxy", "log"} {
		f(`"verb":"create","stage":"ResponseStarted","objectRef":{"resource":"pods","subresource":"`+sub+`"}`, "a/ResponseStarted", "")
	}
	f(`"verb":"get","stage":"Later"`, "", `stage "Later" is none of`)
	f(`"verb":""`, "", "expected a Kubernetes audit record")
	f(`"verb":"get","protoPayload":{"serviceName":"k8s.io"}`, "", "expected a Kubernetes audit record")
}

func TestKubernetesDetails(t *testing.T) {
	f := func(fields string, check func(*Event)) {
		t.Helper()
		var e Event
		require.NoError(t, Decode("", []byte(kube(fields)), &e), fields)
		require.Equal(t, "kubernetes", e.Provider)
		check(&e)
	}
	user := func(name string, identity string, kind Kind, raw string) {
		t.Helper()
		f(`"verb":"get","user":{"username":"`+name+`","groups":["system:unauthenticated"]}`, func(e *Event) {
			require.Equal(t, identity, e.Actor.Identity)
			require.Equal(t, kind, e.Actor.Kind, name)
			require.Equal(t, raw, e.Actor.RawType)
		})
	}
	user("system:anonymous", "anonymous", KindAnonymous, "Anonymous")
	user("", "anonymous", KindAnonymous, "Anonymous")
	user("system:serviceaccount:a:b", "system:serviceaccount:a:b", KindService, "ServiceAccount")
	user("system:node:ip-10-0-0-1", "system:node:ip-10-0-0-1", KindCloudService, "Node")
	user("system:kube-scheduler", "system:kube-scheduler", KindCloudService, "System")
	user("eks:node-manager", "eks:node-manager", KindCloudService, "System")
	user("aksService", "aksService", KindCloudService, "System")
	user("system:admin", "system:admin", KindHuman, "User")
	user("arn:aws:sts::1:assumed-role/ci/run-1", "arn:aws:sts::1:assumed-role/ci/run-1", KindService, "User")
	user("arn:aws:sts::1:assumed-role/dev/ada@example.org", "arn:aws:sts::1:assumed-role/dev/ada@example.org", KindHuman, "User")
	user("minikube-user", "minikube-user", KindHuman, "User")

	path := func(uri, want string) {
		t.Helper()
		f(`"verb":"get","requestURI":"`+uri+`"`, func(e *Event) { require.Equal(t, "get "+want, e.Operation, uri) })
	}
	path("/", "/")
	path("/api?timeout=32s", "/api")
	path("/apis/apps/v1", "/apis")
	path("/wp-login.php", "other")
	path("/healthz/etcd", "/healthz")
	path("", "other")
	path("healthz", "other")

	status := func(status, decision string, outcome Outcome, code string) {
		t.Helper()
		f(`"verb":"get","stage":"ResponseComplete","responseStatus":`+status+`,"annotations":{"authorization.k8s.io/decision":"`+decision+`"}`, func(e *Event) {
			require.Equal(t, outcome, e.Outcome, status)
			require.Equal(t, code, e.ErrorCode, status)
		})
	}
	status(`{"code":200}`, "allow", OutcomeSuccess, "")
	status(`{"code":302}`, "allow", OutcomeSuccess, "")
	status(`{"status":"Success"}`, "", OutcomeSuccess, "")
	status(`{"code":404}`, "allow", OutcomeError, "NotFound")
	status(`{"code":418}`, "allow", OutcomeError, "418")
	status(`{"code":409,"reason":"AlreadyExists"}`, "allow", OutcomeError, "AlreadyExists")
	status(`{"status":"Failure","reason":"Timeout"}`, "allow", OutcomeError, "Timeout")
	status(`null`, "forbid", OutcomeError, "Forbidden")
	status(`null`, "allow", OutcomeUnknown, "")

	access := func(verb, resource, sub string, want Access) {
		t.Helper()
		f(`"verb":"`+verb+`","objectRef":{"resource":"`+resource+`","subresource":"`+sub+`"}`, func(e *Event) { require.Equal(t, want, e.Access) })
	}
	access("get", "pods", "", AccessRead)
	access("watch", "pods", "", AccessRead)
	access("get", "pods", "exec", AccessWrite)
	access("get", "pods", "log", AccessRead)
	access("create", "selfsubjectaccessreviews", "", AccessRead)
	access("create", "tokenreviews", "", AccessRead)
	access("deletecollection", "pods", "", AccessWrite)

	resources := func(ref string, want ...string) {
		t.Helper()
		f(`"verb":"get","objectRef":`+ref, func(e *Event) { require.Equal(t, want, e.Resources) })
	}
	resources(`{"resource":"nodes"}`, "nodes")
	resources(`{"resource":"nodes","name":"n1"}`, "nodes/n1")
	resources(`{"resource":"pods","namespace":"a"}`, "namespaces/a/pods", "namespaces/a")
	resources(`{"resource":"namespaces","namespace":"a","name":"a"}`, "namespaces/a")
	resources(`{"resource":"namespaces","name":"foo"}`, "namespaces/foo")

	var e Event
	require.ErrorContains(t, Decode("", []byte(`{"auditID":"a","verb":"get"}`), &e), "found none of requestReceivedTimestamp")
	require.ErrorContains(t, Decode("", []byte(`{"auditID":"a","verb":"get","stageTimestamp":"noon"}`), &e), `stageTimestamp "noon" is no time`)
	require.NoError(t, Decode("", []byte(`{"requestURI":"/","verb":"get","stageTimestamp":"2026-03-09T03:00:00Z"}`), &e))
	require.Len(t, e.UID, 32, "without auditID, a hash")
}

func TestGKEDetails(t *testing.T) {
	f := func(payload, rest string, wantErr string) (e Event) {
		t.Helper()
		err := Decode("", []byte(`{"timestamp":"2026-03-09T03:00:00Z",`+rest+`"protoPayload":{"serviceName":"k8s.io",`+payload+`}}`), &e)
		if wantErr != "" {
			require.ErrorContains(t, err, wantErr)
			return e
		}
		require.NoError(t, err)
		return e
	}
	require.Equal(t, "get pods/log", f(`"methodName":"io.k8s.core.v1.pods.log.get"`, "", "").Operation)
	require.Equal(t, "create widgets", f(`"methodName":"org.example.shop.v1alpha1.widgets.create"`, "", "").Operation)
	f(`"methodName":"create"`, "", "found no protoPayload.methodName")
	f(`"methodName":"io.k8s.pods"`, "", "found no protoPayload.methodName")
	f(`"methodName":"io.k8s.core.v1.pods.watch"`, `"operation":{"id":"1","last":true},`, "left out: the operation goes on")
	require.Equal(t, "watch pods", f(`"methodName":"io.k8s.core.v1.pods.watch"`, `"operation":{"id":"1","first":true},`, "").Operation)
	for code, want := range map[string]string{
		"3": "BadRequest", "4": "Timeout", "5": "NotFound", "6": "AlreadyExists", "7": "Forbidden", "8": "TooManyRequests",
		"9": "Conflict", "10": "Conflict", "13": "InternalError", "14": "ServiceUnavailable", "16": "Unauthorized", "2": "2",
	} {
		require.Equal(t, want, f(`"methodName":"io.k8s.core.v1.pods.get","status":{"code":`+code+`}`, "", "").ErrorCode)
	}
	var e Event
	require.Error(t, Decode("kubernetes", []byte(`{"timestamp":"2026-03-09T03:00:00Z","protoPayload":{"serviceName":"compute.googleapis.com","methodName":"io.k8s.core.v1.pods.get"}}`), &e))
}

func TestActionTrailForms(t *testing.T) {
	const account = "5105431946222327"
	ip := netip.MustParseAddr
	f := func(name string, want ...Event) {
		t.Helper()
		got, omitted := readFixture(t, "alibaba/"+name)
		require.Zero(t, omitted)
		for i := range want {
			want[i].Provider = "alibaba"
			if want[i].Account == "" && want[i].UID != "3AD717A2-0006" {
				want[i].Account = account
			}
			if want[i].Category == CategoryUnknown {
				want[i].Category = CategoryManagement
			}
		}
		require.Equal(t, want, got, name)
	}
	f("management.json", Event{
		UID: "3AD717A2-0001", Time: at(t, "2026-03-09T03:00:00Z"), Region: "cn-hangzhou",
		Service: "Ram", Operation: "AttachPolicyToUser", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor:     Actor{RawType: "root-account", Name: "root", PrincipalID: account, AccountID: account, MFA: true},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		Resources: []string{"AdministratorAccess", "deploy"},
	}, Event{
		UID: "3AD717A2-0002", Time: at(t, "2026-03-09T03:00:01Z"), Region: "cn-beijing",
		Service: "Ecs", Operation: "DescribeInstances", Access: AccessRead, Outcome: OutcomeError,
		ErrorCode: "Forbidden.RAM", ErrorMessage: "User not authorized to operate on the specified resource",
		Actor: Actor{
			RawType: "assumed-role", Name: "ci", PrincipalID: "300885955105822912:build-7", AccountID: account,
			Session: "build-7", Credential: "STS.NTexample",
		},
		Source:    Source{Address: "203.0.113.9", IP: ip("203.0.113.9")},
		UserAgent: "AlibabaCloud (Linux; amd64) Java/1.8", Resources: []string{"i-2ze0001"},
	}, Event{
		UID: "3AD717A2-0003", Time: at(t, "2026-03-09T03:00:02Z"), Region: "cn-hangzhou",
		Service: "AasSub", Operation: "ConsoleSignin", Access: AccessWrite, Outcome: OutcomeError,
		ErrorCode: "ConsoleSigninFailure", ErrorMessage: "password is wrong",
		Actor:  Actor{RawType: "ram-user", Name: "ada", PrincipalID: "28815", AccountID: account, MFA: true, Console: true},
		Source: Source{Address: "198.51.100.9", IP: ip("198.51.100.9")},
	}, Event{
		UID: "3AD717A2-0004", Time: at(t, "2026-03-09T03:27:00Z"), Region: "cn-hangzhou", Category: CategoryInsight,
		Service: "Actiontrail", Operation: "IpInsight", Access: AccessWrite,
	})
	f("log_service.json", Event{
		UID: "3AD717A2-0005", Time: at(t, "2026-03-09T03:00:03Z"), Region: "cn-hangzhou",
		Service: "Actiontrail", Operation: "StopLogging", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{
			RawType: "ram-user", Name: "ada", PrincipalID: "28815", AccountID: account, Credential: "LTAI5texample",
		},
		Source: Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
	}, Event{
		UID: "3AD717A2-0006", Time: at(t, "2026-03-09T03:00:04Z"), Region: "cn-hangzhou",
		Service: "Kms", Operation: "RotateKey", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{InvokedBy: "kms.aliyuncs.com"},
	})
	f("lookup.json", Event{
		UID: "3AD717A2-0007", Time: at(t, "2026-03-09T03:00:05Z"), Category: CategoryData,
		Service: "Oss", Operation: "PutBucketAcl", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor:  Actor{RawType: "ram-user", Name: "bob", AccountID: account},
		Source: Source{Address: "oss-internal"},
	}, Event{
		UID: "3AD717A2-0008", Time: at(t, "2026-03-09T03:00:06Z"), Region: "cn-hangzhou",
		Service: "Actiontrail", Operation: "DeleteTrail", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor: Actor{RawType: "ram-user", Name: "bob", AccountID: account},
	}, Event{
		UID: "3AD717A2-0009", Time: at(t, "2021-05-01T03:27:00Z"), Region: "cn-hangzhou", Category: CategoryInsight,
		Service: "Actiontrail", Operation: "IpInsight", Access: AccessWrite,
		Actor:  Actor{RawType: "ram-user"},
		Source: Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
	})
}

func TestActionTrailErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode("alibaba", []byte(text), &e), want)
	}
	f(`{"eventName":"a","serviceName":"b"}`, "found no eventTime")
	f(`{"eventName":"a","serviceName":"b","eventTime":"noon"}`, `eventTime "noon" is no time`)
	f(`{"eventName":"a","eventTime":"2026-03-09T03:00:00Z"}`, "expected an ActionTrail record")
	f(`{"acsRegion":"a","eventTime":"2026-03-09T03:00:00Z"}`, "expected an ActionTrail record")
	f(record(`"x":1`), "expected an ActionTrail record")
	f(`{"eventName":"a","serviceName":"b"`, "the text ends early")
	f(`{"eventName":"a","serviceName":b}`, "found 'b', expected a value")
}

func TestCADFForms(t *testing.T) {
	ip := netip.MustParseAddr
	f := func(name string, want ...Event) {
		t.Helper()
		got, omitted := readFixture(t, "ibm/"+name)
		require.Zero(t, omitted)
		for i := range want {
			want[i].Provider = "ibm"
			if want[i].Category == CategoryUnknown {
				want[i].Category = CategoryManagement
			}
			if want[i].UID == "" {
				require.Len(t, got[i].UID, 32, "without an id, a hash")
				want[i].UID = got[i].UID
			}
		}
		require.Equal(t, want, got, name)
	}
	f("tracker.json", Event{
		UID: "916faca9-0001", Time: at(t, "2026-03-09T03:00:00.94Z"), Account: "7131c65c6ad70bdc209bb564997a5f1c", Region: "global",
		Service: "iam-groups", Operation: "iam-groups.member.add", Access: AccessWrite, Outcome: OutcomeSuccess,
		Actor:     Actor{Identity: "IBMid-120000EXAM", Kind: KindHuman, RawType: "user", Name: "ada@example.org", PrincipalID: "IBMid-120000EXAM"},
		Source:    Source{Address: "198.51.100.7", IP: ip("198.51.100.7")},
		UserAgent: "curl/8.5.0", Resources: []string{"crn:v1:bluemix:public:iam-groups:global:a/7131c65c6ad70bdc209bb564997a5f1c::groups:AccessGroupId-89"},
	}, Event{
		Time: at(t, "2026-03-09T03:00:01.01Z"), Account: "7131c65c6ad70bdc209bb564997a5f1c", Region: "us-south",
		Service: "iam-identity", Operation: "iam-identity.serviceid-apikey.login", Access: AccessWrite, Outcome: OutcomeError,
		ErrorCode: "400", ErrorMessage: "Provided API key could not be found",
		Actor:     Actor{Identity: "iam-ServiceId-89", Kind: KindService, RawType: "serviceid", Name: "deployer", PrincipalID: "iam-ServiceId-89"},
		Source:    Source{Address: "203.0.113.9", IP: ip("203.0.113.9")},
		Resources: []string{"crn:v1:bluemix:public:iam-identity:us-south:a/7131c65c6ad70bdc209bb564997a5f1c::apikey:1"},
	})
	f("wrapped.json", Event{
		UID: "496cbc9b-0001", Time: at(t, "2026-03-09T03:00:02.81Z"), Account: "82a90f2e", Region: "us-south-1",
		Service: "is", Operation: "is.volume.volume.update", Access: AccessWrite,
		Actor: Actor{
			Identity: "iam-Profile-11", Kind: KindRole, RawType: "user", PrincipalID: "iam-Profile-11",
			OnBehalfOf: "IBMid-120000EXAM", Session: "IBMid-120000EXAM",
		},
		Source:    Source{Address: "192.0.2.0", IP: ip("192.0.2.0")},
		UserAgent: "grpc-go/1.22.1", Resources: []string{"crn:v1:bluemix:public:is:us-south-1:a/82a90f2e::volume:r006-1"},
	}, Event{
		Time: at(t, "2026-03-09T03:00:03.1Z"), Account: "82a90f2e", Region: "eu-de", Category: CategoryData,
		Service: "kms", Operation: "kms.secrets.read", Access: AccessRead, Outcome: OutcomeSuccess,
		Actor: Actor{
			Identity: "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/82a90f2e:1::", Kind: KindCloudService,
			RawType: "s2s-authorization", PrincipalID: "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/82a90f2e:1::",
		},
		Resources: []string{"root-key"},
	}, Event{
		Time: at(t, "2026-03-09T03:00:04.1Z"), Region: "global",
		Service: "cloud-object-storage", Operation: "cloud-object-storage.object.read", Access: AccessRead,
		Outcome: OutcomeError, ErrorCode: "403",
		Actor:     Actor{Identity: "anonymous", Kind: KindAnonymous, RawType: "public-access"},
		Resources: []string{"crn:v1:bluemix:public:cloud-object-storage:global:s/82a90f2e:1:bucket:b"},
	})
}

func TestCADFErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode("ibm", []byte(text), &e), want)
	}
	f(`{"action":"a.b.c","initiator":{}}`, "found no eventTime")
	f(`{"action":"a.b.c","initiator":{},"eventTime":"noon"}`, `eventTime "noon" is no time`)
	f(`{"action":"a.b.c","eventTime":"2026-03-09T03:00:00.1+0000"}`, "expected a CADF record")
	f(`{"action":7,"initiator":{}}`, "expected a CADF record")
	f(`{"action":"a","initiator":{"id":}}`, "found '}', expected a value")
}

func TestCRNPlace(t *testing.T) {
	f := func(crn, account, region string) {
		t.Helper()
		a, r := crnPlace(crn)
		require.Equal(t, account, a, crn)
		require.Equal(t, region, r, crn)
	}
	f("", "", "")
	f("crn:", "", "")
	f("crn:v1:bluemix:public:kms:us-south", "", "us-south")
	f("crn:v1:bluemix:public:kms:us-south:a/1", "1", "us-south")
	f("crn:v1:bluemix:public:kms::a/1:x", "1", "")
	f("crn:v1:bluemix:public:kms:us-south:o/1:x", "", "us-south")
	f("arn:aws:iam::1:user/a", "", "")
}

func TestClusterHoldsForWhatIsInside(t *testing.T) {
	one := func(id string) string { return strings.Replace(kube(`"verb":"get"`), `"a"`, `"`+id+`"`, 1) }
	text := `{"logGroup":"/aws/eks/blue/cluster","logEvents":[{"message":` + one("1") + `},{"message":` + one("2") + `}]}` +
		one("3") + `{"logGroup":"/aws/lambda/f","logEvents":[{"message":` + one("4") + `}]}` +
		`{"owner":"1","logGroup":"/aws/eks/red/cluster","logEvents":[{"message":` + one("5") + `}]}[` + one("6") + `]`
	r := NewReader(strings.NewReader(text), ReaderOptions{Account: "home"})
	var got []string
	for {
		var e Event
		err := r.Next(&e)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got = append(got, e.UID[:1]+" "+e.Account)
	}
	require.Equal(t, []string{"1 blue", "2 blue", "3 home", "4 home", "5 1/red", "6 home"}, got)
}
