package simulate_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/simulate"
)

func TestScoreAgreesWithScorePyOnAReplay(t *testing.T) {
	tr := simulate.NewTraffic(t, simulate.Options{Seed: 3, Days: 9, WarmupDays: 5, Identities: 30, Incidents: 10, Late: true})
	truth := tr.Truth()
	var events, records bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(t.Context(), &events, tr, nil))
	rep, err := daemon.Replay(t.Context(), daemon.ReplayOptions{Paths: []string{"-"}, Stdin: &events, TempDir: t.TempDir()})
	require.NoError(t, err)
	var read simulate.Records
	enc := json.NewEncoder(&records)
	for i := range rep.Records {
		require.NoError(t, enc.Encode(rep.Records[i]))
		require.NoError(t, read.Add(&rep.Records[i]))
	}
	require.NotEmpty(t, rep.Records)
	simulate.CompareWithScorePy(t, "replay", &truth, records.String())

	// Records as they are and as they are printed say the same.
	var printed simulate.Records
	require.NoError(t, printed.ReadRecords(bytes.NewReader(records.Bytes())))
	require.Equal(t, printed.Read(), read.Read())
}
