package daemon

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCloudsArePushedAndFound pushes records of Azure, Entra ID, Google and OCSF
// in their wrappings, and finds them as events, counted once and enriched.
func TestCloudsArePushedAndFound(t *testing.T) {
	s := start(t, Options{})
	// The records of the decoders' tests, moved to the hour before this one.
	hour := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	old := time.Date(2026, 3, 9, 3, 0, 0, 0, time.UTC)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("event", "testdata", name))
		require.NoError(t, err)
		return strings.NewReplacer(old.Format("2006-01-02T15:"), hour.Format("2006-01-02T15:"),
			strconv.FormatInt(old.UnixMilli()/1000, 10), strconv.FormatInt(hour.UnixMilli()/1000, 10)).Replace(string(b))
	}
	push := func(body, provider string, want int) {
		t.Helper()
		code, answer := s.do(http.MethodPost, "/api/v1/events?provider="+provider, strings.NewReader(body), "Content-Type", "application/json")
		require.Equal(t, http.StatusOK, code, answer)
		var env struct {
			Data struct {
				Accepted int
				Rejected []any
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		require.Empty(t, env.Data.Rejected)
		require.Equal(t, want, env.Data.Accepted)
	}
	push(read("azure/eventhub.json"), "", 4)
	push(read("azure/rest.json"), "azure", 4)
	push(read("azure/entra-export.json"), "", 6)
	entries := strings.Split(strings.TrimSpace(read("gcp/storage.json")), "\n")
	push(fmt.Sprintf(`{"message":{"data":%q,"messageId":"1"},"subscription":"s"}`, base64.StdEncoding.EncodeToString([]byte(entries[0]))), "gcp", 1)
	push(strings.Join(entries[1:], "\n"), "", len(entries)-1)
	push(strings.Join(entries, "\n"), "", 0)
	push(read("ocsf/lake.json"), "", 3)
	push(read("ocsf/clouds.json"), "ocsf", 4)

	type view struct {
		UID, Provider, Account, Service, Operation, Category, Access, Outcome, Identity string
		ErrorCode                                                                       string `json:"error_code"`
		IdentityKind                                                                    string `json:"identity_kind"`
		UserType                                                                        string `json:"user_type"`
		IP, Network                                                                     string
		Class                                                                           []string
		Risk                                                                            int
	}
	find := func(filter string) (all []view) {
		t.Helper()
		var found struct{ Events []view }
		s.data("/api/v1/events", url.Values{"filter": {filter}, "limit": {"100"}}, &found)
		return found.Events
	}
	const (
		ada      = "5b2f6a10-7c3d-4e8f-a1b2-c3d4e5f60718"
		deployer = "77aa88bb-99cc-40dd-8eee-ff0011223344"
	)
	f := func(filter, provider, access, outcome, identity, kind, class string, risk int) {
		t.Helper()
		all := find(filter + ` category!="progress"`)
		require.Len(t, all, 1, filter)
		e := all[0]
		require.Equal(t, []string{provider, access, outcome, identity, kind}, []string{e.Provider, e.Access, e.Outcome, e.Identity, e.IdentityKind}, filter)
		require.Equal(t, class, strings.Join(e.Class, " "), filter)
		require.Equal(t, risk, e.Risk, filter)
	}
	f(`operation="microsoft.compute/virtualmachines/delete"`, "azure", "write", "success", ada, "human", "mass_deletion", 1)
	f(`operation="microsoft.authorization/roleassignments/write"`, "azure", "write", "error", deployer, "service", "policy_change", 2)
	f(`operation="microsoft.keyvault/vaults/accesspolicies/write"`, "azure", "write", "success", ada, "human", "policy_change", 2)
	f(`operation="Add member to role"`, "azure", "write", "success", ada, "human", "policy_change", 3)
	f(`operation="Sign-in activity" error_code="50126"`, "azure", "write", "error", ada, "human", "", 0)
	f(`operation="v1.compute.instances.delete"`, "gcp", "write", "success", "ada@example.com", "human", "mass_deletion", 1)
	f(`operation="google.iam.admin.v1.CreateServiceAccountKey"`, "gcp", "write", "error", "deployer@shop-prod.iam.gserviceaccount.com", "service", "password_change", 2)
	f(`operation=~".*AccessSecretVersion"`, "gcp", "read", "success", "ada@example.com", "human", "sensitive_first_use", 1)
	f(`operation="storage.buckets.get"`, "gcp", "read", "error", "ada@example.com", "human", "", 0)
	require.Equal(t, "internal", find(`operation="storage.buckets.get"`)[0].Network)
	// Whoever it is that OCSF tells of, he is who CloudTrail would tell of.
	f(`operation="TerminateInstances"`, "aws", "write", "success", "arn:aws:iam::111122223333:role/ops/deployer", "role", "mass_deletion", 1)
	f(`operation="ConsoleLogin"`, "aws", "write", "error", "arn:aws:iam::111122223333:user/ada", "human", "sensitive_first_use", 1)
	f(`operation="Logon"`, "azure", "write", "success", ada, "human", "", 0)
	f(`operation="MFA Factor Disable"`, "gcp", "write", "success", "admin@example.com", "human", "", 0)

	// All that Azure and Google tell of one operation is kept, and counts once.
	require.Len(t, find(`operation="microsoft.compute/virtualmachines/delete"`), 3)
	require.Len(t, find(`operation="v1.compute.instances.delete"`), 2)
	for _, operation := range []string{"microsoft.compute/virtualmachines/delete", "v1.compute.instances.delete"} {
		expr := fmt.Sprintf(`sum(sum_over_time(activity_events{operation=%q}[3h]))`, operation)
		require.InDelta(t, 1, s.sum(expr, hour.Add(2*time.Hour)), 0, operation)
	}
}
