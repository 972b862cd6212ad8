package simulate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
)

// capturedRecords are two records of an account in the order newest first, as
// consoles write them, and one of an account that is not its own.
const capturedRecords = `{"Records":[
{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","accountId":"111122223333","accessKeyId":"AKIAX","userName":"eve",
 "sessionContext":{"attributes":{"creationDate":"2024-08-01T13:00:00Z"}}},
 "eventTime":"2024-08-01T13:33:28Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"us-west-2","sourceIPAddress":"203.0.113.9",
 "requestParameters":{"zone":"us-west-2b","other":"us-west-2-lax-1","bucket":"logs-111122223333-x","number":91111222233334,"role":"arn:aws:iam::999988887777:role/r"},
 "responseElements":null,"eventID":"aaaa","readOnly":false,"recipientAccountId":"111122223333","managementEvent":true,"eventCategory":"Management"},
{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","accountId":"111122223333","userName":"eve"},
 "eventTime":"2024-08-01T13:30:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-west-2","sourceIPAddress":"203.0.113.9",
 "requestParameters":null,"responseElements":null,"eventID":"bbbb","readOnly":false,"recipientAccountId":"111122223333","managementEvent":true,"eventCategory":"Management"}
]}`

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, b, 0o600))
	return name
}

// injectedRecords are those of the records that are listed as injected, by id.
func injectedRecords(t *testing.T, tr *Traffic) map[string][]byte {
	t.Helper()
	listed := map[string]bool{}
	for _, in := range tr.Truth().Injected {
		for _, uid := range in.EventIDs {
			require.False(t, listed[uid], "twice: %s", uid)
			listed[uid] = true
		}
	}
	out := map[string][]byte{}
	for r := range tr.Records() {
		if rec := parse(t, r.JSON); listed[rec.EventID] {
			require.True(t, rec.EventTime.Equal(r.Time))
			require.Equal(t, r.Account, rec.RecipientAccountID)
			require.Equal(t, r.Region, rec.AwsRegion)
			require.NotContains(t, string(r.JSON), "\n")
			out[rec.EventID] = bytes.Clone(r.JSON)
		}
	}
	require.Len(t, out, len(listed))
	return out
}

func TestInject(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "takeover.json"), []byte(capturedRecords))
	var z bytes.Buffer
	zip := gzip.NewWriter(&z)
	_, err := zip.Write([]byte(capturedRecords))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	write(t, filepath.Join(dir, "b", "again.json.gz"), z.Bytes())
	write(t, filepath.Join(dir, "README.md"), []byte("Nothing to read."))
	write(t, filepath.Join(dir, "empty.json"), []byte("[]"))
	list, err := ReadCaptured(dir)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "takeover", list[0].Name)
	require.Equal(t, "again", list[1].Name)

	o := Options{Seed: 4, Days: 3, WarmupDays: 1, Identities: 12, Accounts: 2, Incidents: 2, Inject: list}
	tr := traffic(t, o)
	truth := tr.Truth()
	require.Len(t, truth.Injected, 2)
	records := injectedRecords(t, tr)
	require.Len(t, records, 4)
	for i, in := range truth.Injected {
		require.Equal(t, truth.Accounts[i], in.Account)
		require.False(t, in.Start.Before(truth.WarmupEnd))
		require.Equal(t, 208*time.Second, in.End.Sub(in.Start))
		first := parse(t, records[in.EventIDs[0]])
		require.Equal(t, "CreateUser", first.EventName, "the oldest comes first")
		require.True(t, first.EventTime.Equal(in.Start))
		require.Equal(t, "us-east-1", first.AwsRegion, "global services report there")
		require.Equal(t, "arn:aws:iam::"+in.Account+":user/eve", first.UserIdentity.ARN)

		var whole struct {
			UserIdentity struct {
				SessionContext struct {
					Attributes struct{ CreationDate time.Time }
				}
			}
			RequestParameters map[string]any
			AwsRegion         string
		}
		require.NoError(t, json.Unmarshal(records[in.EventIDs[1]], &whole))
		p := whole.RequestParameters
		require.Equal(t, whole.AwsRegion+"b", p["zone"])
		require.Equal(t, "us-west-2-lax-1", p["other"], "another zone's name is left alone")
		require.Equal(t, "logs-"+in.Account+"-x", p["bucket"])
		require.InDelta(t, 91111222233334.0, p["number"], 0, "a longer number is no account")
		require.Equal(t, "arn:aws:iam::999988887777:role/r", p["role"], "another account stays what it is")
		require.Equal(t, in.Start.Add(-30*time.Minute), whole.UserIdentity.SessionContext.Attributes.CreationDate)
	}
	// The first keeps its ids, the second would double them.
	require.Equal(t, []string{"bbbb", "aaaa"}, truth.Injected[0].EventIDs)

	// Twice the same, in every form of delivery, and everything else as before.
	require.Equal(t, sum(t, tr), sum(t, traffic(t, o)))
	o.Late = true
	require.Equal(t, records, injectedRecords(t, traffic(t, o)))
	o.Late, o.Inject = false, nil
	plain := traffic(t, o).Truth()
	truth.Injected = nil
	require.Equal(t, plain, truth)

	// At a given time, or as late as there is room.
	o.Inject, o.InjectAt = list, truth.End.Add(-time.Minute)
	for _, in := range traffic(t, o).Truth().Injected {
		require.Equal(t, truth.End.Add(-time.Second), in.End)
	}
	o.InjectAt = truth.WarmupEnd.Add(5 * time.Hour)
	for _, in := range traffic(t, o).Truth().Injected {
		require.Equal(t, o.InjectAt, in.Start)
	}
}

func TestInjectSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for want, path := range map[string]string{
		"no such file":                      filepath.Join(dir, "absent"),
		"no file there holds":               filepath.Dir(write(t, filepath.Join(dir, "1", "x.txt"), []byte("x"))),
		"it holds no CloudTrail record":     write(t, filepath.Join(dir, "2.json"), []byte("[]")),
		"broken.json: record 1 at byte 0: ": write(t, filepath.Join(dir, "broken.json"), []byte(`{"eventVersion":"1.10","eventTime":"yesterday"}`)),
	} {
		_, err := ReadCaptured(path)
		require.ErrorContains(t, err, want)
	}
	list, err := ReadCaptured(write(t, filepath.Join(dir, "ok.json"), []byte(capturedRecords)))
	require.NoError(t, err)
	_, err = New(Options{Days: 0.002, Identities: 5, Inject: list})
	require.ErrorContains(t, err, "injecting ok: its records span 3m28s")
	_, err = New(Options{Days: 1, Identities: 5, Inject: list, InjectAt: defaultStart.AddDate(1, 0, 0)})
	require.ErrorContains(t, err, "not within the traffic")
}

// What others captured, where it is at hand.
func TestInjectStratus(t *testing.T) {
	const dir = "../../../shared/data/stratus"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the captured attacks are not beside the repository")
	}
	list, err := ReadCaptured(dir)
	require.NoError(t, err)
	require.Len(t, list, 35)
	tr := traffic(t, Options{Seed: 1, Days: 2, WarmupDays: 1, Identities: 10, Inject: list})
	records := injectedRecords(t, tr)
	require.Len(t, records, 310)
	for _, b := range records {
		rec := parse(t, b)
		require.Contains(t, regions, rec.AwsRegion)
		if a := rec.UserIdentity.AccountID; a != "" {
			require.Equal(t, tr.Truth().Accounts[0], a)
		}
	}
}
