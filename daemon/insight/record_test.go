package insight

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

var update = flag.Bool("update", false, "write the goldens anew")

func TestRecordGolden(t *testing.T) {
	start := sample(0)
	end := ended(start, 12*time.Minute)
	withdrawn := start
	withdrawn.State, withdrawn.Revision = StateWithdrawn, 1
	account := sample(1)
	account.Identity, account.IdentityKind, account.Score = "", "", 0
	account.Reasons, account.Attributions, account.SourceIPs = nil, nil, nil
	account.Suppressed = "budget"

	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	for _, r := range []Record{start.StartRecord(), end.EndRecord(), withdrawn.WithdrawnRecord(), account.Record()} {
		require.NoError(t, enc.Encode(r))
	}
	const name = "testdata/records.json"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o666))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

func TestRecordTimes(t *testing.T) {
	i := sample(0)
	i.Start = time.Date(2026, 3, 9, 5, 0, 1, 999_999_999, time.FixedZone("", 7200))
	r := i.StartRecord()
	b, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(b), `"eventTime":"2026-03-09T03:00:01Z"`)
	require.NotContains(t, string(b), `"endTime"`)
}

func TestIDs(t *testing.T) {
	i := sample(0)
	require.Len(t, i.ID, 32)
	key := event.StreamKey{Provider: "aws", Account: "1"}
	base := ID("T", key, "r", "o", "i", epoch)
	require.Equal(t, base, ID("T", key, "r", "o", "i", epoch.Add(59*time.Second)), "the minute counts")
	for name, other := range map[string]string{
		"minute":   ID("T", key, "r", "o", "i", epoch.Add(time.Minute)),
		"type":     ID("U", key, "r", "o", "i", epoch),
		"shifted":  ID("T", key, "ro", "", "i", epoch),
		"account":  ID("T", event.StreamKey{Provider: "aws", Account: "2"}, "r", "o", "i", epoch),
		"provider": ID("T", event.StreamKey{Provider: "aws1", Account: ""}, "r", "o", "i", epoch),
	} {
		require.NotEqual(t, base, other, name)
	}

	start, end := i.StartRecord(), i.EndRecord()
	require.Len(t, start.EventID, 32)
	require.NotEqual(t, start.EventID, end.EventID)
	require.Equal(t, start.SharedEventID, end.SharedEventID)
	j := i
	j.Revision, j.Provisional, j.Supersedes = 1, true, base
	require.Equal(t, start.EventID, j.StartRecord().EventID, "what was told before it is not in it")
	j.Confidence = 0.5
	require.NotEqual(t, start.EventID, j.StartRecord().EventID)
	require.Equal(t, start.EventID, i.StartRecord().EventID)
}

// TestScore has the scoring script of the contract read our records, where it
// is at hand.
func TestScore(t *testing.T) {
	script, err := filepath.Abs("../../../shared/score.py")
	require.NoError(t, err)
	if _, err := os.Stat(script); err != nil {
		t.Skip("the scoring script is not at hand")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	s := open(t, nil)
	found := sample(0)
	put(t, s, found, ended(found, 12*time.Minute))
	back := sample(30)
	put(t, s, back)
	back.State = StateWithdrawn
	put(t, s, back)
	quiet := sample(60)
	quiet.Suppressed = "budget"
	put(t, s, quiet)

	dir := t.TempDir()
	records, err := os.Create(filepath.Join(dir, "records.ndjson"))
	require.NoError(t, err)
	enc := json.NewEncoder(records)
	for _, id := range []string{found.ID, back.ID, quiet.ID} {
		for _, r := range s.Records(id) {
			require.NoError(t, enc.Encode(r))
		}
	}
	require.NoError(t, records.Close())
	stamp := func(d time.Duration) string { return epoch.Add(d).Format(time.RFC3339) }
	truth, err := json.Marshal(map[string]any{
		"start": stamp(-24 * time.Hour), "end": stamp(24 * time.Hour), "warmupEnd": stamp(-time.Hour),
		"accounts": []string{found.Account},
		"labels": []map[string]any{{
			"insight": found.Type, "type": "burst", "identity": found.Identity, "account": found.Account,
			"region": found.Region, "apis": []string{found.Object}, "start": stamp(0), "end": stamp(12 * time.Minute),
		}},
	})
	require.NoError(t, err)
	labels := filepath.Join(dir, "labels.json")
	require.NoError(t, os.WriteFile(labels, truth, 0o666))

	out, err := exec.Command("python3", script, labels, records.Name(), "--json").CombinedOutput()
	require.NoError(t, err, string(out))
	var score struct {
		Insights, Withdrawn, Suppressed int
		Types                           map[string]struct {
			Recall float64
			False  int     `json:"false"`
			End    float64 `json:"end_error_median_min"`
		}
	}
	require.NoError(t, json.Unmarshal(out, &score))
	require.Equal(t, 1, score.Insights)
	require.Equal(t, 1, score.Withdrawn)
	require.Equal(t, 1, score.Suppressed)
	require.Equal(t, 1.0, score.Types[found.Type].Recall)
	require.Zero(t, score.Types[found.Type].False)
	require.Zero(t, score.Types[found.Type].End)
}
