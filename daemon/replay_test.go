package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/simulate"
)

// sharedData is where public events lie that are not part of the project.
const sharedData = "../../shared/data"

// TestPublicCloudTrailFiles reads every CloudTrail file of the public data:
// each record is decoded or reported with a reason.
func TestPublicCloudTrailFiles(t *testing.T) {
	if _, err := os.Stat(sharedData); err != nil {
		t.Skip("the public data is not here: ", err)
	}
	for folder, want := range map[string]uint64{
		"stratus":       310,
		"traildiscover": 0,
		"streamalert":   0,
		"trailscraper":  0,
		"plaso":         0,
	} {
		var mtx sync.Mutex
		var failures []string
		r, err := Replay(context.Background(), ReplayOptions{
			Paths: []string{filepath.Join(sharedData, folder)},
			Failed: func(f event.RecordError) {
				mtx.Lock()
				defer mtx.Unlock()
				failures = append(failures, f.Error())
			},
		})
		require.NoError(t, err, folder)
		require.Len(t, failures, int(r.Failures), "every failure has a reason")
		for _, f := range failures {
			require.Contains(t, f, "record ", "a reason says where")
		}
		if want > 0 {
			require.Equal(t, want, r.Events, folder)
		}
		require.Positive(t, r.Events, folder)
		t.Logf("%s: events %d, duplicates %d, failures %d", folder, r.Events, r.Duplicates, r.Failures)
	}
}

func records(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, rec := range r.Records {
		require.NoError(t, enc.Encode(rec))
	}
	return b.String()
}

// TestTheOrderOfFilesChangesNothing replays the same events as one file in
// order, as files of a bucket, and as files with shuffled lines under shuffled
// names: the records are the same byte for byte.
func TestTheOrderOfFilesChangesNothing(t *testing.T) {
	tr, err := simulate.New(simulate.Options{
		Seed: 11, Days: 4, WarmupDays: 2, Identities: 10, Accounts: 2, Incidents: 4, Late: true, Duplicates: 0.01,
	})
	require.NoError(t, err)
	var plain bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(context.Background(), &plain, tr, nil))
	one := filepath.Join(t.TempDir(), "all.ndjson")
	require.NoError(t, os.WriteFile(one, plain.Bytes(), 0o600))
	bucket := t.TempDir()
	_, err = simulate.WriteS3(context.Background(), bucket, tr, 6*time.Hour, nil)
	require.NoError(t, err)

	shuffled := t.TempDir()
	lines := strings.SplitAfter(strings.TrimSuffix(plain.String(), "\n"), "\n")
	rnd := rand.New(rand.NewPCG(1, 1))
	rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	for i := 0; i < len(lines); i += 5000 {
		name := filepath.Join(shuffled, strings.Repeat("x", 1+rnd.IntN(9))+string(rune('a'+i/5000))+".ndjson")
		require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines[i:min(i+5000, len(lines))], "")+"\n"), 0o600))
	}

	want := ""
	for i, path := range []string{one, bucket, shuffled, shuffled} {
		o := ReplayOptions{Paths: []string{path}}
		if i == 3 {
			o.Memory = 16 << 20 // Far less than the traffic takes.
		}
		r, err := Replay(context.Background(), o)
		require.NoError(t, err)
		require.Zero(t, r.Failures)
		require.Positive(t, r.Duplicates)
		got := records(t, r)
		require.NotEmpty(t, r.Insights)
		if want == "" {
			want = got
		}
		require.Equal(t, want, got, path)
	}
}

func TestReplaySaysWhatItCannotRead(t *testing.T) {
	_, err := Replay(context.Background(), ReplayOptions{})
	require.ErrorContains(t, err, "nothing to replay")
	_, err = Replay(context.Background(), ReplayOptions{Paths: []string{filepath.Join(t.TempDir(), "absent")}})
	require.Error(t, err)
}
