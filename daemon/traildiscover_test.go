package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
)

// wildCall is an operation as CloudTrail names it.
type wildCall struct{ service, operation string }

// wildSample is an operation that was used in attacks, with a record of a call of it;
// nil where none was published.
type wildSample struct {
	wildCall
	record map[string]any
}

// lambdaVersion ends the names of Lambda's operations in records.
var lambdaVersion = regexp.MustCompile(`\d{8}(v\d+)?$`)

// wildSamples reads TrailDiscover's operations that were used in the wild.
func wildSamples(t *testing.T) []wildSample {
	t.Helper()
	docs := filepath.Join(sharedData, "traildiscover", "docs")
	text, err := os.ReadFile(filepath.Join(docs, "events.json"))
	if err != nil {
		t.Skip("TrailDiscover's records are not here: ", err)
	}
	var events []struct {
		EventName, EventSource string
		UsedInWild             bool
	}
	require.NoError(t, json.Unmarshal(text, &events))
	records := map[wildCall]map[string]any{}
	names, err := filepath.Glob(filepath.Join(docs, "logExamples", "*.cloudtrail"))
	require.NoError(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		var list []map[string]any
		if json.Unmarshal(text, &list) != nil {
			var one map[string]any
			require.NoError(t, json.Unmarshal(text, &one), name)
			list = append(list, one)
		}
		for _, r := range list {
			service, _ := r["eventSource"].(string)
			operation, _ := r["eventName"].(string)
			if c := (wildCall{service, operation}); records[c] == nil {
				records[c] = r
			}
		}
	}
	var out []wildSample
	for _, e := range events {
		c := wildCall{e.EventSource, e.EventName}
		if e.UsedInWild && !slices.ContainsFunc(out, func(s wildSample) bool { return s.wildCall == c }) {
			out = append(out, wildSample{c, records[c]})
		}
	}
	require.Greater(t, len(out), 200)
	return out
}

// trafficRecord is what matters here of a record of the traffic.
type trafficRecord struct {
	EventSource, EventName, RecipientAccountID, AwsRegion, SourceIPAddress, UserAgent string
	UserIdentity                                                                      map[string]any
}

// TestWildOperations puts each operation that TrailDiscover lists as used in the wild
// into accounts that are known for three weeks and in which nobody ever called one of
// them, one every 65 minutes: by the key of a user that the account knows, from
// hosting networks that it never used; by one from where it always is; and as the
// record was captured, by a user whom nobody knows.
func TestWildOperations(t *testing.T) {
	samples := wildSamples(t)
	wild := map[wildCall]bool{}
	for _, s := range samples {
		wild[wildCall{s.service, lambdaVersion.ReplaceAllString(s.operation, "")}] = true
	}
	const known, every = 21 * 24 * time.Hour, 65 * time.Minute
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	tr, err := simulate.New(simulate.Options{
		Seed: 5, Start: begin, Accounts: 3, Identities: 12, Activity: 0.15, Benign: -1,
		Days: (known + every*time.Duration(len(samples)+1)).Hours() / 24,
	})
	require.NoError(t, err)
	var all, out bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(context.Background(), &all, tr, nil))

	// users are the users with a long-lived key by account, with a record of theirs
	// and how many they have.
	type user struct {
		record trafficRecord
		n      int
	}
	users := map[string]map[string]*user{}
	lines := bufio.NewScanner(&all)
	lines.Buffer(nil, 1<<20)
	dropped, kept := 0, 0
	for lines.Scan() {
		var r trafficRecord
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		if users[r.RecipientAccountID] == nil {
			users[r.RecipientAccountID] = map[string]*user{}
		}
		if wild[wildCall{r.EventSource, lambdaVersion.ReplaceAllString(r.EventName, "")}] {
			dropped++
			continue
		}
		kept++
		out.Write(lines.Bytes())
		out.WriteByte('\n')
		key, _ := r.UserIdentity["accessKeyId"].(string)
		if arn, _ := r.UserIdentity["arn"].(string); r.UserIdentity["type"] == "IAMUser" && strings.HasPrefix(key, "AKIA") {
			u := users[r.RecipientAccountID][arn]
			if u == nil {
				u = &user{record: r}
				users[r.RecipientAccountID][arn] = u
			}
			u.n++
		}
	}
	require.NoError(t, lines.Err())

	ways := []string{"a known key from hosting networks", "a known key from its usual network", "as it was captured"}
	accounts := slices.Sorted(maps.Keys(users))
	require.Len(t, accounts, len(ways))
	for a, account := range accounts {
		var who trafficRecord
		most := 0
		for _, arn := range slices.Sorted(maps.Keys(users[account])) {
			if u := users[account][arn]; u.n > most {
				who, most = u.record, u.n
			}
		}
		require.Positive(t, most, "the account has a user with a key")
		for i, s := range samples {
			r := maps.Clone(s.record)
			if r == nil {
				r = map[string]any{
					"eventVersion": "1.09", "eventSource": s.service, "eventName": s.operation, "eventType": "AwsApiCall",
					"eventCategory": "Management", "managementEvent": true, "sourceIPAddress": "0.0.0.0",
					"userIdentity": map[string]any{"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "TrailDiscover", "accessKeyId": "AKIAEXAMPLE"},
				}
			}
			identity, _ := r["userIdentity"].(map[string]any)
			identity = maps.Clone(identity)
			switch a {
			case 0, 1:
				identity = who.UserIdentity
				r["sourceIPAddress"], r["userAgent"], r["awsRegion"] = who.SourceIPAddress, who.UserAgent, who.AwsRegion
				if a == 0 { // DigitalOcean's and Hetzner's.
					r["sourceIPAddress"], r["userAgent"] = fmt.Sprintf([]string{"159.89.%d.17", "88.198.%d.9"}[i%2], i%250), "Boto3/1.34 Python/3.11"
				}
			default:
				if identity == nil {
					identity = map[string]any{"type": "Unknown"}
				}
				identity["accountId"] = account
				identity["arn"] = "arn:aws:iam::" + account + ":user/TrailDiscover"
			}
			r["userIdentity"], r["recipientAccountId"] = identity, account
			r["eventTime"] = begin.Add(known + every*time.Duration(i)).Format(time.RFC3339)
			r["eventID"] = fmt.Sprintf("wild-%d-%d", a, i)
			text, err := json.Marshal(r)
			require.NoError(t, err)
			out.Write(text)
			out.WriteByte('\n')
		}
	}
	file := filepath.Join(t.TempDir(), "all.ndjson")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	report, err := Replay(context.Background(), ReplayOptions{Paths: []string{file}})
	require.NoError(t, err)
	require.Zero(t, report.Failures)

	type finding struct{ medium, rule bool }
	found := map[string]finding{}
	for _, in := range report.Insights {
		if in.Suppressed != "" || in.Type == insight.TypeFirstAction || in.Severity == insight.SeverityLow {
			continue
		}
		for _, id := range in.SampleEventIDs {
			f := found[id]
			found[id] = finding{true, f.rule || in.Type == insight.TypeRule}
		}
	}
	for a, way := range ways {
		n, rules, published, of := 0, 0, 0, 0
		var missed []string
		for i, s := range samples {
			f := found[fmt.Sprintf("wild-%d-%d", a, i)]
			if s.record != nil {
				of++
			}
			if f.rule {
				rules++
			}
			if !f.medium {
				missed = append(missed, strings.TrimSuffix(s.service, ".amazonaws.com")+":"+s.operation)
				continue
			}
			n++
			if s.record != nil {
				published++
			}
		}
		t.Logf("%s: %d of %d told (%d by rules), %d of the %d with a published record; missed: %s", way, n, len(samples), rules, published, of, strings.Join(missed, " "))
		require.GreaterOrEqual(t, 10*n, 9*len(samples), way)
		require.GreaterOrEqual(t, 10*published, 9*of, way)
	}
	t.Logf("%d events of the traffic were kept, %d left out", kept, dropped)
}
