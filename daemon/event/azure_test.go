package event

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	azureSubscription = "8f3b0c5a-1d2e-4f60-9a7b-5c6d7e8f9a0b"
	azureTenant       = "1c9d2e3f-4a5b-4c6d-8e7f-901a2b3c4d5e"
	azureAda          = "5b2f6a10-7c3d-4e8f-a1b2-c3d4e5f60718"
	azureDeployer     = "77aa88bb-99cc-40dd-8eee-ff0011223344"
)

// formFile decodes the records of a file of testdata.
func formFile(t *testing.T, name string) []Event {
	t.Helper()
	return recordsOf(t, fileOf(t, "", name))
}

// brief says in a line what matters of an event.
func brief(e Event) string {
	s := strings.Join([]string{
		e.Time.Format("15:04:05.999999999"), e.Account, e.Region, e.Service, e.Operation, e.Category.String(), e.Access.String(),
		e.Outcome.String(), e.ErrorCode, e.Actor.Kind.String(), e.Actor.RawType, e.Actor.Identity, e.Source.Address,
	}, "|")
	for from, to := range map[string]string{azureSubscription: "SUB", azureTenant: "TENANT", azureAda: "ADA", azureDeployer: "DEPLOYER"} {
		s = strings.ReplaceAll(s, from, to)
	}
	return s
}

func requireBriefs(t *testing.T, name string, want ...string) []Event {
	t.Helper()
	events := formFile(t, name)
	var got []string
	for _, e := range events {
		got = append(got, brief(e))
	}
	require.Equal(t, want, got)
	return events
}

func TestAzureEventHub(t *testing.T) {
	const deleted = "SUB|global|microsoft.compute|microsoft.compute/virtualmachines/delete|"
	events := requireBriefs(t, "azure/eventhub.json",
		"03:00:00.1234567|"+deleted+"progress|write|||human|User|ADA|198.51.100.7",
		"03:00:01|"+deleted+"progress|write|||human|User|ADA|198.51.100.7",
		"03:00:41.25|"+deleted+"management|write|success||human|User|ADA|198.51.100.7",
		"03:00:09.5|SUB|global|microsoft.authorization|microsoft.authorization/roleassignments/write|management|write|error|AuthorizationFailed|service|ManagedIdentity|DEPLOYER|203.0.113.9",
	)
	calls := 0
	for i, e := range events {
		require.Equal(t, providerAzure, e.Provider)
		require.Equal(t, hashUID(e.Raw), e.UID, "exports have no id")
		require.Equal(t, i < 3, e.Actor.MFA)
		if e.Call() && e.Operation == "microsoft.compute/virtualmachines/delete" {
			calls++
		}
	}
	require.Equal(t, 1, calls, "what started, was accepted and succeeded counts once")
	require.Equal(t, "tok-1", events[0].Actor.Session)
	require.Equal(t, "The client does not have authorization.", events[3].ErrorMessage)
	require.Equal(t, netip.MustParseAddr("203.0.113.9"), events[3].Source.IP)
	require.Len(t, events[0].Resources, 1)
}

func TestAzureStorage(t *testing.T) {
	events := requireBriefs(t, "azure/storage.json",
		"03:00:00|SUB|westeurope|microsoft.compute|microsoft.compute/virtualmachines/delete|progress|write|||human|User|ADA|198.51.100.7",
		"03:00:02|SUB|westeurope|microsoft.compute|microsoft.compute/virtualmachines/delete|management|write|success||human|User|ADA|198.51.100.7",
		"03:02:00.1|SUB||microsoft.keyvault|SecretGet|data|read|success||human|User|ADA|198.51.100.7",
		"03:02:01.1|SUB|westeurope|microsoft.storage|PutBlob|data|write|error|AuthorizationPermissionMismatch|service|ServicePrincipal|DEPLOYER|198.51.100.7",
	)
	require.Equal(t, "azcopy/10", events[3].UserAgent)
}

func TestAzureREST(t *testing.T) {
	const policies = "SUB||microsoft.keyvault|microsoft.keyvault/vaults/accesspolicies/write|"
	events := requireBriefs(t, "azure/rest.json",
		"03:01:00|"+policies+"progress|write|||human|User|ADA|198.51.100.7",
		"03:01:01.5|"+policies+"management|write|success||human|User|ADA|198.51.100.7",
		"03:01:05|SUB||microsoft.storage|microsoft.storage/storageaccounts/listkeys/action|management|read|error|Conflict|human|User|ADA|2001:db8::7",
		"03:05:00|SUB||microsoft.servicehealth|microsoft.servicehealth/incident/action|management|write|success||cloud-service||microsoft.servicehealth|",
	)
	require.Equal(t, "9a0b0000-0000-4000-8000-000000000002", events[1].UID)

	// The SDKs and the tables of Log Analytics have the same record.
	for _, name := range []string{"azure/sdk.json", "azure/table.json"} {
		same := formFile(t, name)
		require.Len(t, same, 1)
		require.True(t, strings.EqualFold(events[1].Resources[0], same[0].Resources[0]))
		same[0].Raw, same[0].Resources = events[1].Raw, events[1].Resources
		require.Equal(t, events[1], same[0], name)
	}
}

func TestEntraGraph(t *testing.T) {
	events := requireBriefs(t, "azure/graph-audit.json",
		"03:10:00.123|||Core Directory|Add member to role|management|write|success||human|User|ADA|198.51.100.7",
		"03:10:00.123|||Account Provisioning|Update user|management|write|error|failure|service|ServicePrincipal|DEPLOYER|",
		"03:10:00.123|||Core Directory|Consent to application|management|write|success||cloud-service||Core Directory|",
	)
	require.Equal(t, []string{"bob@example.com", "6c6c6c6c-0000-4000-8000-000000000002"}, events[0].Resources)
	require.Equal(t, "Mozilla/5.0", events[0].UserAgent)
	require.Equal(t, "Directory_e5_1", events[0].UID)
	require.Equal(t, "ada@example.com", events[0].Actor.Name)

	const in = "|||microsoft.aadiam|Sign-in activity|"
	events = requireBriefs(t, "azure/graph-signin.json",
		"03:20:00"+in+"management|write|success||human|User|ADA|198.51.100.7",
		"03:20:00"+in+"management|write|error|50126|human|User|ADA|198.51.100.7",
		"03:20:00"+in+"progress|write||50074|human|User|ADA|198.51.100.7",
		"03:20:00"+in+"management|write|error|50034|human|User|hidden|198.51.100.7",
		"03:20:00"+in+"management|read|success||human|User|ADA|198.51.100.7",
	)
	for i, e := range events {
		require.Equal(t, i == 0, e.Actor.MFA, "a factor counts where the sign-in succeeded")
		require.Equal(t, i < 4, e.Actor.Console)
		require.Equal(t, "DE", e.Source.Country)
		require.NotContains(t, e.Actor.Name, "hunter2", "what was typed may have been a password")
	}
}

func TestEntraExport(t *testing.T) {
	const in = "TENANT||microsoft.aadiam|Sign-in activity|management|"
	events := requireBriefs(t, "azure/entra-export.json",
		"03:10:00.123|TENANT||Core Directory|Add member to role|management|write|success||human|User|ADA|198.51.100.7",
		"03:20:00|"+in+"write|success||human|User|ADA|198.51.100.7",
		"03:20:00|"+in+"write|error|50126|human|User|ADA|198.51.100.7",
		"03:20:00|"+in+"read|success||human|User|ADA|198.51.100.7",
		"03:20:00|"+in+"read|success||service|ServicePrincipal|DEPLOYER|198.51.100.7",
		"03:20:00|"+in+"read|success||service|ManagedIdentity|DEPLOYER|198.51.100.7",
	)
	require.Equal(t, "66ea54eb-0000-4000-8000-000000000002", events[2].UID)
	require.Equal(t, "Invalid username or password.", events[2].ErrorMessage)
	require.Equal(t, "3d3d3d3d-0000-4000-8000-000000000001", events[4].Actor.Credential)
	require.Empty(t, events[5].Actor.Credential, "a managed identity has no key")

	// Graph and the tables of Log Analytics have the same records.
	events = append(events[2:3:3], events[0])
	for i, e := range formFile(t, "azure/entra-table.json") {
		require.Equal(t, brief(events[i]), brief(e))
		require.Equal(t, events[i].UID, e.UID)
	}
}

func TestAzureWhoAndHow(t *testing.T) {
	const head = `{"time":"2026-03-09T03:00:00Z","resourceId":"/subscriptions/S","operationName":"Microsoft.A/b/write","category":"Administrative",`
	f := func(rest, kind, user, identity string) {
		t.Helper()
		e := one(t, head+rest+"}")
		require.Equal(t, []string{kind, user, identity}, []string{e.Actor.Kind.String(), e.Actor.RawType, e.Actor.Identity}, rest)
	}
	f(`"identity":{"claims":{"oid":"`+strings.ToUpper(azureAda)+`","idtyp":"user"}}`, "human", "User", azureAda)
	f(`"identity":{"authorization":{"evidence":{"principalId":"`+strings.ReplaceAll(azureAda, "-", "")+`","principalType":"User"}}}`, "human", "User", azureAda)
	f(`"identity":{"authorization":{"evidence":{"principalId":"00112233445566778899aabbccddeeff","principalType":"Group"}},"claims":{"upn":"Ada@example.com"}}`, "human", "User", "ada@example.com")
	f(`"identity":{"claims":{"appid":"`+azureDeployer+`"}}`, "service", "ServicePrincipal", azureDeployer)
	f(`"caller":"`+azureDeployer+`"`, "service", "ServicePrincipal", azureDeployer)
	f(`"caller":"ada@example.com"`, "human", "User", "ada@example.com")
	f(`"caller":"Microsoft.Advisor"`, "cloud-service", "", "microsoft.advisor")
	f(`"identity":{}`, "cloud-service", "", "microsoft.a")

	g := func(rest string, category Category, outcome Outcome, code string) {
		t.Helper()
		e := one(t, head+rest+"}")
		require.Equal(t, category, e.Category, rest)
		require.Equal(t, outcome, e.Outcome, rest)
		require.Equal(t, code, e.ErrorCode, rest)
	}
	for _, word := range []string{"Start", "Started", "Accept", "Accepted", "In Progress", "InProgress", "Running", "STARTED"} {
		g(`"resultType":"`+word+`"`, CategoryProgress, OutcomeUnknown, "")
		g(`"status":{"value":"`+word+`"}`, CategoryProgress, OutcomeUnknown, "")
	}
	for _, word := range []string{"Success", "Succeeded", "Active", "Resolved", "Completed", ""} {
		g(`"resultType":"`+word+`"`, CategoryManagement, OutcomeSuccess, "")
	}
	g(`"eventName":{"value":"BeginRequest"}`, CategoryProgress, OutcomeUnknown, "")
	g(`"eventName":{"value":"EndRequest"}`, CategoryManagement, OutcomeSuccess, "")
	g(`"resultSignature":"Started."`, CategoryProgress, OutcomeUnknown, "")
	g(`"resultType":"Failure","resultSignature":"Failed.Conflict"`, CategoryManagement, OutcomeError, "Conflict")
	g(`"resultType":"Failed","resultSignature":"None"`, CategoryManagement, OutcomeError, "Failed")
	g(`"resultType":"Failed","properties":{"statusCode":"BadRequest"}`, CategoryManagement, OutcomeError, "BadRequest")
	g(`"resultType":"Failed","properties":"{\"statusMessage\":{\"code\":\"QuotaExceeded\"}}"`, CategoryManagement, OutcomeError, "QuotaExceeded")
	g(`"resultType":"Canceled"`, CategoryManagement, OutcomeError, "Canceled")

	access := func(operation string, want Access) {
		t.Helper()
		e := one(t, strings.Replace(head, "Microsoft.A/b/write", operation, 1)+`"resultType":"Success"}`)
		require.Equal(t, want, e.Access, operation)
		require.Equal(t, strings.ToLower(operation), e.Operation, "the case says nothing")
	}
	access("Microsoft.Compute/virtualMachines/read", AccessRead)
	access("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", AccessWrite)
	access("Microsoft.Compute/virtualMachines/delete", AccessWrite)
	access("Microsoft.Compute/virtualMachines/restart/action", AccessWrite)
	access("MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION", AccessRead)
	access("Microsoft.Resources/deployments/validate/action", AccessRead)
}

// TestAzureCaseIsOne holds an export to what the REST interface has: the same
// account, service, operation and identity, however they are written.
func TestAzureCaseIsOne(t *testing.T) {
	const text = `{"time":"2026-03-09T03:00:00Z","resourceId":"/subscriptions/` + azureSubscription +
		`/resourceGroups/a","operationName":"Microsoft.Compute/disks/delete","category":"Administrative","resultType":"Success","identity":{"claims":{"oid":"` + azureAda + `"}}}`
	e := one(t, text)
	r := strings.NewReplacer(azureSubscription, strings.ToUpper(azureSubscription), "Microsoft.Compute/disks/delete", "MICROSOFT.COMPUTE/DISKS/DELETE", azureAda, strings.ToUpper(azureAda))
	capitals := one(t, r.Replace(text))
	require.Equal(t, brief(e), brief(capitals))
}

func TestAzureErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var e Event
		require.ErrorContains(t, Decode(providerAzure, []byte(text), &e), want)
	}
	const head = `{"resourceId":"/subscriptions/S","operationName":"Microsoft.A/b/write"`
	f(head+`}`, "found no time")
	f(head+`,"time":"yesterday"}`, `the time "yesterday" is no time`)
	f(head+`,"time":}`, "not JSON: found '}', expected a value")
	f(`{"a":1}`, "expected a record of Azure's Activity Log")
	f(`{"time":"2026-03-09T03:00:00Z","operationName":"a","resourceId":"/x","category":"kube-audit","properties":{"log":"{}"}}`, "expected a record of Azure's")
	f(`{"records":[]}`, "an envelope")

	r := NewReader(strings.NewReader(`{"records":[`+head+`,"time":"2026-03-09T03:00:00Z"},`+head+`,"time":"x"}]}`), ReaderOptions{Name: "f"})
	var e Event
	require.NoError(t, r.Next(&e))
	require.Equal(t, time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC), e.Time)
	require.ErrorContains(t, r.Next(&e), "f: record 2 at byte 114: the time \"x\" is no time")
}

func TestAzureAgreesOnChangedRecords(t *testing.T) { checkMutations(t, &azureDecoder, "azure") }

func FuzzAzure(f *testing.F) { fuzzForm(f, &azureDecoder, "azure") }
