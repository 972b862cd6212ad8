package daemon

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fixtureDay is the day of the records in the decoders' testdata. Tests that
// keep them move it, since events that are older than the retention are refused.
const fixtureDay = "2026-03-09"

// shownEvent is what a test wants to see of an event.
type shownEvent struct {
	Provider, Account, Region, Service, Operation string
	Access, Outcome, ErrorCode                    string
	Identity, Kind, Class                         string
}

// TestEveryProviderIsTakenInAndFound pushes records as each cloud delivers them
// and looks for their events.
func TestEveryProviderIsTakenInAndFound(t *testing.T) {
	day := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	s := start(t, Options{})
	push := func(file, query string) (res struct {
		Accepted, Duplicates, Omitted int
		Rejected                      []any
	},
	) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join("event", "testdata", file))
		require.NoError(t, err)
		body := strings.ReplaceAll(string(b), fixtureDay, day)
		code, answer := s.do(http.MethodPost, "/api/v1/events?"+query, strings.NewReader(body), "Content-Type", "application/json")
		require.Equal(t, http.StatusOK, code, answer)
		var env struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		require.NoError(t, json.Unmarshal(env.Data, &res))
		require.Empty(t, res.Rejected, file)
		return res
	}
	found := func(uid string) shownEvent {
		t.Helper()
		var data struct {
			Events []struct {
				Provider, Account, Region, Service, Operation, Access, Outcome string
				ErrorCode                                                      string `json:"error_code"`
				Identity                                                       string
				IdentityKind                                                   string `json:"identity_kind"`
				Class                                                          any
			}
		}
		s.data("/api/v1/events", url.Values{"filter": {`uid="` + uid + `"`}, "start": {day + "T00:00:00Z"}}, &data)
		require.Len(t, data.Events, 1, uid)
		e := data.Events[0]
		class, _ := e.Class.(string)
		if list, ok := e.Class.([]any); ok && len(list) > 0 {
			class, _ = list[0].(string)
		}
		return shownEvent{
			e.Provider, e.Account, e.Region, e.Service, e.Operation, e.Access, e.Outcome, e.ErrorCode, e.Identity, e.IdentityKind, class,
		}
	}

	for file, query := range map[string]string{
		"kubernetes/create.json":  "provider=kubernetes&account=blue",
		"kubernetes/exec.json":    "account=blue",
		"kubernetes/gke.json":     "",
		"kubernetes/aks.json":     "",
		"kubernetes/eks.json":     "account=elsewhere",
		"alibaba/management.json": "", "alibaba/log_service.json": "provider=alibaba",
		"ibm/tracker.json": "provider=ibm", "ibm/wrapped.json": "",
	} {
		require.Positive(t, push(file, query).Accepted, file)
		require.Zero(t, push(file, query).Accepted, "%s a second time", file)
	}
	list := push("kubernetes/list.json", "account=blue")
	require.Equal(t, 2, list.Accepted)
	require.Equal(t, 1, list.Omitted, "the record of the request that was received only")

	const (
		audit   = "5a1d0c3e-8f54-4c4e-9c11-2f0f6d3b7a0"
		account = "5105431946222327"
		tracker = "7131c65c6ad70bdc209bb564997a5f1c"
	)
	want := map[string]shownEvent{
		audit + "1/ResponseComplete": {
			"kubernetes", "blue", "", "rbac.authorization.k8s.io", "create clusterrolebindings", "write", "success", "",
			"ada@example.org", "human", "policy_change",
		},
		audit + "2/ResponseStarted": {
			"kubernetes", "blue", "", "core", "get pods/exec", "write", "success", "",
			"system:serviceaccount:ci:runner", "service", "sensitive_first_use",
		},
		audit + "3/ResponseComplete": {
			"kubernetes", "blue", "", "core", "list secrets", "read", "error", "Forbidden", "bob", "human", "sensitive_first_use",
		},
		audit + "6/ResponseComplete": {
			"kubernetes", "/subscriptions/11112222-3333-4444-5555-666677778888/resourcegroups/shop/providers/microsoft.containerservice/managedclusters/blue",
			"", "core", "delete secrets", "write", "success", "", "ada@example.org", "human", "mass_deletion",
		},
		audit + "7/ResponseComplete": {
			"kubernetes", "111122223333/blue", "", "core", "patch configmaps", "write", "success", "", "kubernetes-admin", "human", "policy_change",
		},
		"0b2c-1": {
			"kubernetes", "shop-prod/europe-west3/blue", "europe-west3", "core", "create pods/exec", "write", "success", "",
			"ada@example.org", "human", "sensitive_first_use",
		},
		"3AD717A2-0001": {
			"alibaba", account, "cn-hangzhou", "Ram", "AttachPolicyToUser", "write", "success", "",
			"acs:ram::" + account + ":root", "root", "policy_change",
		},
		"3AD717A2-0002": {
			"alibaba", account, "cn-beijing", "Ecs", "DescribeInstances", "read", "error", "Forbidden.RAM",
			"acs:ram::" + account + ":role/ci", "role", "",
		},
		"3AD717A2-0003": {
			"alibaba", account, "cn-hangzhou", "AasSub", "ConsoleSignin", "write", "error", "ConsoleSigninFailure",
			"acs:ram::" + account + ":user/ada", "human", "",
		},
		"3AD717A2-0005": {
			"alibaba", account, "cn-hangzhou", "Actiontrail", "StopLogging", "write", "success", "",
			"acs:ram::" + account + ":user/ada", "service", "trail_concealment",
		},
		"916faca9-0001": {
			"ibm", tracker, "global", "iam-groups", "iam-groups.member.add", "write", "success", "", "IBMid-120000EXAM", "human", "policy_change",
		},
		"496cbc9b-0001": {
			"ibm", "82a90f2e", "us-south-1", "is", "is.volume.volume.update", "write", "", "", "iam-Profile-11", "role", "",
		},
	}
	for uid, event := range want {
		require.Equal(t, event, found(uid), uid)
	}

	// What the log is decoded anew into is the same, though the records do not
	// name their cluster.
	s.end()
	_, err := Rebuild(context.Background(), Options{StoragePath: s.o.StoragePath}, RebuildOptions{Decode: true})
	require.NoError(t, err)
	s = start(t, Options{StoragePath: s.o.StoragePath})
	for uid, event := range want {
		require.Equal(t, event, found(uid), uid)
	}
}

// TestReplayReadsEveryProvider reads a folder in which the records of all clouds
// lie beside each other.
func TestReplayReadsEveryProvider(t *testing.T) {
	folder := filepath.Join("event", "testdata")
	events := uint64(0)
	for name, want := range map[string]uint64{"kubernetes": 9, "alibaba": 9, "ibm": 5} {
		r, err := Replay(context.Background(), ReplayOptions{Paths: []string{filepath.Join(folder, name)}, Account: "blue"})
		require.NoError(t, err)
		require.Zero(t, r.Failures, name)
		require.Equal(t, want, r.Events, name)
		events += r.Events
	}
	r, err := Replay(context.Background(), ReplayOptions{Paths: []string{
		filepath.Join(folder, "kubernetes"), filepath.Join(folder, "alibaba"), filepath.Join(folder, "ibm"), filepath.Join(folder, "records.json"),
	}})
	require.NoError(t, err)
	require.Zero(t, r.Failures)
	require.Greater(t, r.Events, events)
}
