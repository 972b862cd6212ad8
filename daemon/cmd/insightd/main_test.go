package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
)

// call runs the command as the shell would.
func call(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

func TestUsageErrorsSayWhatToDo(t *testing.T) {
	code, _, errs := call(t, "", "nonsense")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "insightd --help")
	code, _, errs = call(t, "", "rebuild", "--storage.path", filepath.Join(t.TempDir(), "absent"))
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "--storage.path")
	code, _, errs = call(t, "", "simulate", "--format=s3")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "--output")
}

func TestCheckConfigTellsFileLineAndColumn(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yml"), filepath.Join(dir, "bad.yml")
	require.NoError(t, os.WriteFile(good, []byte("lateness: 20m\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("lateness: soon\nfutur: 1m\n"), 0o600))
	code, out, _ := call(t, "", "check", "config", good)
	require.Equal(t, exitOK, code)
	require.Contains(t, out, "files: 1, errors: 0")
	code, out, errs := call(t, "", "check", "config", good, bad)
	require.Equal(t, exitError, code)
	require.Contains(t, out, "files: 2, errors: 1")
	require.Contains(t, errs, "bad.yml:1:11")
	require.Contains(t, errs, "bad.yml:2:1")
}

func TestSimulateAndReplay(t *testing.T) {
	dir := t.TempDir()
	events, labels := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "labels.json")
	code, _, errs := call(t, "", "simulate", "--days=3", "--warmup-days=2", "--identities=10", "--incidents=4", "--kind=new_api_burst", "--no-benign", "-o", events, "--labels", labels)
	require.Equal(t, exitOK, code, errs)
	var truth struct{ Labels []json.RawMessage }
	b, err := os.ReadFile(labels)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &truth))
	require.NotEmpty(t, truth.Labels)

	code, table, errs := call(t, "", "replay", events)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, table, "ApiCallRateInsight")
	require.Contains(t, errs, "duplicates: 0\ndecode failures: 0\n")

	// Standard input gives the same, as records.
	stream, err := os.ReadFile(events)
	require.NoError(t, err)
	code, out, errs := call(t, string(stream), "replay", "--format=json", "-")
	require.Equal(t, exitOK, code, errs)
	for line := range strings.Lines(out) {
		var r insight.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		require.NotEmpty(t, r.SharedEventID)
	}
	code, again, _ := call(t, "", "replay", "--format=json", events)
	require.Equal(t, exitOK, code)
	require.Equal(t, out, again)
}

func TestQuerySaysWhatIsWrong(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\""}`))
	}))
	defer s.Close()
	code, _, errs := call(t, "", "query", "--url", s.URL, "instant", "up(")
	require.Equal(t, exitError, code)
	require.Contains(t, errs, `bad_data: invalid parameter "query"`)
	s.Close()
	code, _, errs = call(t, "", "query", "--url", s.URL, "instant", "up")
	require.Equal(t, exitError, code)
	require.Contains(t, errs, "is the daemon running there?")
}

// TestDemo runs the demo as make demo does, at a higher speed: what was put into
// the hour and this version can judge has to be found.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo takes a while")
	}
	var out bytes.Buffer
	term := &terminal{out: &out, err: &out, logger: promslog.NewNopLogger()}
	f := &demoFlags{days: 8, identities: 25, speed: 240, seed: 7, exit: true, listen: []string{"127.0.0.1:0"}}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	require.NoError(t, f.run(ctx, term), out.String())
	_, table, found := strings.Cut(out.String(), "INJECTED")
	require.True(t, found, out.String())
	table, _, _ = strings.Cut(table, "\n\n")
	require.NotContains(t, table, "missed", out.String())
	for _, kind := range []string{"new_api_burst", "cred_enum", "burst_x20", "key_abuse"} {
		require.Contains(t, table, kind)
	}
}
