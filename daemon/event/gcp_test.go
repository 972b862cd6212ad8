package event

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestGCPEntries(t *testing.T) {
	want := []string{
		"03:00:00.123456|shop-prod|europe-west3|compute.googleapis.com|v1.compute.instances.delete|management|write|success||human|user|ada@example.com|198.51.100.7",
		"03:00:44|shop-prod|europe-west3|compute.googleapis.com|v1.compute.instances.delete|progress|write|success||human|user|ada@example.com|198.51.100.7",
		"03:01:00.000000001|shop-prod|europe-west3|iam.googleapis.com|google.iam.admin.v1.CreateServiceAccountKey|management|write|error|PERMISSION_DENIED|service|serviceAccount|deployer@shop-prod.iam.gserviceaccount.com|198.51.100.7",
		"03:02:00|shop-prod|eu|storage.googleapis.com|storage.objects.get|data|read|success||human|user|ada@example.com|198.51.100.7",
		"03:02:01|shop-prod||secretmanager.googleapis.com|google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion|data|read|success||human|user|ada@example.com|198.51.100.7",
		"03:02:02|shop-prod|europe-west3|iam.googleapis.com|google.iam.admin.v1.ListServiceAccounts|management|read|success||human|principal|principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/grace|198.51.100.7",
		"03:03:00|shop-prod|europe-west3|compute.googleapis.com|compute.instances.migrateOnHostMaintenance|management|write|success||cloud-service|serviceAccount|system@google.com|198.51.100.7",
		"03:04:00|shop-prod|europe-west3|storage.googleapis.com|storage.buckets.get|management|read|error|PERMISSION_DENIED|human|user|ada@example.com|private",
	}
	events := requireBriefs(t, "gcp/entries.json", want...)
	require.True(t, events[0].Call())
	require.False(t, events[1].Call(), "the end of an operation is no call of its own")
	require.Equal(t, "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", events[2].Actor.Credential)
	require.Equal(t, "ada@example.com", events[2].Actor.InvokedBy)
	require.Equal(t, "Permission 'iam.serviceAccountKeys.create' denied.", events[2].ErrorMessage)
	require.Equal(t, []string{"projects/shop-prod/zones/europe-west3-a/instances/web-1"}, events[0].Resources)
	require.True(t, strings.HasPrefix(events[0].UID, "a1b2c3-"))

	// The same entries as a sink writes them, from Pub/Sub and out of BigQuery.
	for name, n := range map[string]int{"gcp/storage.json": 8, "gcp/pull.json": 2, "gcp/bigquery.json": 1} {
		same := requireBriefs(t, name, want[:n]...)
		for i := range same {
			require.Equal(t, events[i].UID, same[i].UID, name)
		}
	}
	pushed := requireBriefs(t, "gcp/pubsub.json",
		"03:05:00|organizations/123456789|europe-west3|cloudresourcemanager.googleapis.com|SetIamPolicy|management|write|success||human|user|root@example.com|198.51.100.7")
	var again Event
	require.NoError(t, Decode(providerGCP, pushed[0].Raw, &again))
	require.Equal(t, pushed[0], again, "the raw record is the entry, out of its Base64")
}

// TestGCPBase64 reads Base64 in every variant, and in pieces.
func TestGCPBase64(t *testing.T) {
	entries := formFile(t, "gcp/storage.json")
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		text := `{"message":{"messageId":"1","data":"` + strings.ReplaceAll(e.EncodeToString(entries[0].Raw), "/", `\/`) + `"}}`
		require.Equal(t, entries[0].UID, one(t, text).UID)
		r := NewReader(iotest.OneByteReader(strings.NewReader(text+"\n"+text)), ReaderOptions{})
		for range 2 {
			var got Event
			require.NoError(t, r.Next(&got))
			require.Equal(t, entries[0].UID, got.UID)
		}
	}
	var e Event
	r := NewReader(strings.NewReader(`{"message":{"data":"ey!!"}} {"message":{"data":"eyJ4"}}{"message":{"data":"other"}}`), ReaderOptions{})
	require.ErrorContains(t, r.Next(&e), "found a string, expected")
	require.ErrorContains(t, r.Next(&e), "not JSON")
	require.ErrorContains(t, r.Next(&e), `the keys "data"`)
}

func TestGCPUID(t *testing.T) {
	const head = `{"insertId":"i","protoPayload":{"serviceName":"s","methodName":"m"},`
	f := func(rest string) string { return one(t, head+rest+"}").UID }
	const entry = `"timestamp":"2026-03-09T03:00:00.5Z","logName":"projects/p/logs/a"`
	require.Equal(t, f(entry), f(`"timestamp":"2026-03-09T03:00:00.500000000Z","logName":"projects/p/logs/a","severity":"INFO"`))
	require.NotEqual(t, f(entry), f(`"timestamp":"2026-03-09T03:00:00.6Z","logName":"projects/p/logs/a"`))
	require.NotEqual(t, f(entry), f(`"timestamp":"2026-03-09T03:00:00.5Z","logName":"projects/p/logs/b"`))
}

func TestGCPWhoAndHow(t *testing.T) {
	f := func(auth, log, want string) {
		t.Helper()
		e := one(t, `{"timestamp":"2026-03-09T03:00:00Z","logName":"projects/p/logs/cloudaudit.googleapis.com%2F`+log+
			`","protoPayload":{"serviceName":"s.googleapis.com","methodName":"m","authenticationInfo":`+auth+`}}`)
		require.Equal(t, want, e.Actor.Kind.String()+" "+e.Actor.RawType+" "+e.Actor.Identity, auth)
		require.Equal(t, "p", e.Account)
	}
	f(`{"principalEmail":"ada@example.com"}`, "activity", "human user ada@example.com")
	f(`{"principalSubject":"user:ada@example.com"}`, "activity", "human user ada@example.com")
	f(`{"principalEmail":"x","principalSubject":"serviceAccount:d@p.iam.gserviceaccount.com"}`, "activity", "service serviceAccount d@p.iam.gserviceaccount.com")
	f(`{"principalEmail":"42-compute@developer.gserviceaccount.com"}`, "activity", "service serviceAccount 42-compute@developer.gserviceaccount.com")
	f(`{"principalSubject":"serviceAccount:p.svc.id.goog[ns/sa]"}`, "activity", "service serviceAccount p.svc.id.goog[ns/sa]")
	f(`{"principalEmail":"service-42@gcp-sa-pubsub.iam.gserviceaccount.com"}`, "activity", "cloud-service serviceAccount service-42@gcp-sa-pubsub.iam.gserviceaccount.com")
	f(`{"principalEmail":"42@cloudservices.gserviceaccount.com"}`, "activity", "cloud-service serviceAccount 42@cloudservices.gserviceaccount.com")
	f(`{"principalSubject":"principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/repo"}`, "activity",
		"service principal principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/repo")
	f(`{}`, "system_event", "cloud-service  s.googleapis.com")
	f(`{}`, "data_access", "unknown  ")
	f(`{"principalEmail":"allUsers"}`, "data_access", "anonymous  anonymous")

	g := func(log, method, types string, category Category, access Access) {
		t.Helper()
		var infos []string
		for typ := range strings.FieldsSeq(types) {
			infos = append(infos, `{"permissionType":"`+typ+`"}`)
		}
		e := one(t, `{"timestamp":"2026-03-09T03:00:00Z","logName":"projects/p/logs/cloudaudit.googleapis.com%2F`+log+
			`","protoPayload":{"serviceName":"s","methodName":"`+method+`","authorizationInfo":[`+strings.Join(infos, ",")+`]}}`)
		require.Equal(t, category, e.Category)
		require.Equal(t, access, e.Access)
	}
	g("activity", "google.iam.admin.v1.GetIamPolicy", "ADMIN_READ", CategoryManagement, AccessWrite)
	g("data_access", "google.iam.admin.v1.GetIamPolicy", "ADMIN_READ", CategoryManagement, AccessRead)
	g("data_access", "x", "DATA_READ", CategoryData, AccessRead)
	g("data_access", "x", "ADMIN_READ DATA_WRITE DATA_READ", CategoryData, AccessWrite)
	g("data_access", "storage.objects.list", "", CategoryData, AccessRead)
	g("data_access", "storage.objects.create", "", CategoryData, AccessWrite)
	g("data_access", "v1.compute.instances.aggregatedList", "", CategoryData, AccessRead)
	g("data_access", "google.longrunning.Operations.ListOperations", "", CategoryData, AccessRead)
	g("data_access", "listen", "", CategoryData, AccessWrite)

	h := func(operation string, want Category) {
		t.Helper()
		e := one(t, `{"timestamp":"2026-03-09T03:00:00Z","protoPayload":{"serviceName":"s","methodName":"m"},"operation":`+operation+`}`)
		require.Equal(t, want, e.Category, operation)
	}
	h(`{"id":"o","first":true}`, CategoryManagement)
	h(`{"id":"o","first":true,"last":true}`, CategoryManagement)
	h(`{"id":"o","last":true}`, CategoryProgress)
	h(`{"id":"o"}`, CategoryProgress)
	h(`{}`, CategoryManagement)
}

func TestGCPErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode(providerGCP, []byte(text), &e), want)
	}
	const payload = `"protoPayload":{"serviceName":"s","methodName":"m"}`
	f(`{`+payload+`}`, "found neither timestamp nor receiveTimestamp")
	f(`{`+payload+`,"timestamp":"x"}`, `timestamp "x" is no time`)
	f(`{`+payload+`,"receiveTimestamp":"y"}`, `receiveTimestamp "y" is no time`)
	f(`{"insertId":"a","logName":"b","textPayload":"c"}`, "expected an entry of Google's Cloud Audit Logs")
	f(`{"protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.list"},"timestamp":"2026-03-09T03:00:00Z"}`, "expected an entry of Google's")
	f(`{"protoPayload":{"serviceName":"s",}}`, "not JSON: found '}', expected a key in quotes")
	f(`{"entries":[]}`, "an envelope")
}

func TestGCPAgreesOnChangedRecords(t *testing.T) { checkMutations(t, &gcpDecoder, "gcp") }

func FuzzGCP(f *testing.F) { fuzzForm(f, &gcpDecoder, "gcp") }

// TestDataGoogleAndAzure reads what others have recorded of Google and Azure.
func TestDataGoogleAndAzure(t *testing.T) {
	const folder = dataFolder + "/plaso/test_data/jsonl/"
	read := func(name string) (events []Event, rejected int) {
		file, err := os.Open(folder + name)
		if err != nil {
			t.Skipf("the public audit logs are not here: %v", err)
		}
		defer file.Close()
		r := NewReader(file, ReaderOptions{})
		for {
			var e Event
			switch err := r.Next(&e); {
			case err == nil:
				require.NotEmpty(t, e.Account)
				require.NotEmpty(t, e.Actor.Identity)
				require.NotEmpty(t, e.Operation)
				events = append(events, e)
			case r.done == nil:
				rejected++
			default:
				return events, rejected
			}
		}
	}
	events, rejected := read("gcp_logging.jsonl")
	require.Len(t, events, 9)
	require.Equal(t, 2, rejected, "what is no audit log")
	calls := map[string]int{}
	for _, e := range events {
		require.Equal(t, providerGCP, e.Provider)
		checkForm(t, &gcpDecoder, e.Raw)
		if e.Call() {
			calls[e.Operation]++
		}
	}
	require.Equal(t, map[string]int{
		"beta.compute.networks.insert": 1, "v1.compute.firewalls.insert": 1, "beta.compute.instances.insert": 2,
		"google.iam.admin.v1.CreateServiceAccount": 2,
	}, calls, "operations that went on count once")

	events, rejected = read("azure_activity_log.jsonl")
	require.Len(t, events, 4)
	require.Zero(t, rejected)
	for _, e := range events {
		require.Equal(t, providerAzure, e.Provider)
		require.Equal(t, "microsoft.compute", e.Service)
		require.Equal(t, CategoryProgress, e.Category, "all of them have only started")
		checkForm(t, &azureDecoder, e.Raw)
	}
}
