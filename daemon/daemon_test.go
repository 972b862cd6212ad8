package daemon

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
)

// started is a daemon of a test, on a port of its own.
type started struct {
	*Daemon
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, o Options) *started {
	t.Helper()
	if o.StoragePath == "" {
		o.StoragePath = t.TempDir()
	}
	o.ListenAddresses = []string{"127.0.0.1:0"}
	o.Tick = 20 * time.Millisecond
	d, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{Daemon: d, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- d.Run(ctx) }()
	t.Cleanup(s.end)
	s.eventually(func() bool { return s.status(http.MethodGet, "/-/ready", nil) == http.StatusOK }, "the daemon is ready")
	return s
}

// end stops the daemon and wants it to stop well. A second call does nothing.
func (s *started) end() {
	if s.done == nil {
		return
	}
	s.stop()
	select {
	case err := <-s.done:
		require.NoError(s.t, err)
	case <-time.After(30 * time.Second):
		require.Fail(s.t, "the daemon did not stop")
	}
	s.done = nil
}

func (s *started) eventually(ok func() bool, what string) {
	s.t.Helper()
	require.Eventually(s.t, ok, time.Minute, 20*time.Millisecond, what)
}

func (s *started) do(method, path string, body io.Reader, header ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+s.Addr()+path, body)
	require.NoError(s.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return res.StatusCode, string(b)
}

func (s *started) status(method, path string, body io.Reader) int {
	s.t.Helper()
	code, _ := s.do(method, path, body)
	return code
}

// data asks and returns the data of the answer.
func (s *started) data(path string, v url.Values, into any) {
	s.t.Helper()
	code, body := s.do(http.MethodGet, path+"?"+v.Encode(), nil)
	require.Equal(s.t, http.StatusOK, code, body)
	var env struct {
		Status string
		Data   json.RawMessage
	}
	require.NoError(s.t, json.Unmarshal([]byte(body), &env))
	require.Equal(s.t, "success", env.Status)
	require.NoError(s.t, json.Unmarshal(env.Data, into))
}

// sum is the value of an instant query that has one.
func (s *started) sum(expr string, at time.Time) float64 {
	s.t.Helper()
	var r struct {
		Result []struct{ Value []any }
	}
	s.data("/api/v1/query", url.Values{"query": {expr}, "time": {at.Format(time.RFC3339)}}, &r)
	if len(r.Result) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(r.Result[0].Value[1].(string), 64)
	require.NoError(s.t, err)
	return v
}

// traffic makes days of an account that end now, with a burst in the last where there
// is enough before it to tell.
func traffic(t *testing.T, days float64, now time.Time) *simulate.Traffic {
	t.Helper()
	begin := now.Add(-time.Duration(days * 24 * float64(time.Hour))).Truncate(time.Second)
	o := simulate.Options{Seed: 5, Start: begin, Days: days, WarmupDays: days, Identities: 12, Benign: -1}
	if days > 2 {
		o.Script = []simulate.Scripted{{Kind: "new_api_burst", At: now.Add(-6 * time.Hour)}}
	}
	tr, err := simulate.New(o)
	require.NoError(t, err)
	return tr
}

func TestHistoryIsReadJudgedAndServed(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Minute)
	tr := traffic(t, 4, now)
	folder, storage := t.TempDir(), t.TempDir()
	_, err := simulate.WriteS3(context.Background(), folder, tr, time.Hour, nil)
	require.NoError(t, err)
	events := 0
	for range tr.Records() {
		events++
	}

	c := config.Default()
	c.Sources = []config.Source{{Type: "file", Name: "trail", Path: folder, Follow: true, PollInterval: time.Second}}
	s := start(t, Options{Config: c, StoragePath: storage})
	s.eventually(func() bool {
		select {
		case <-s.CaughtUp():
			return true
		default:
			return false
		}
	}, "history is read")
	check := func() {
		t.Helper()
		require.Equal(t, float64(events), s.sum("sum(sum_over_time(activity_events[20d]))", now.Add(10*time.Minute)))
		var page struct{ Insights []map[string]any }
		s.data("/api/v1/insights", url.Values{"type": {"ApiCallRateInsight"}}, &page)
		require.NotEmpty(t, page.Insights)
		var found struct{ Events []map[string]any }
		s.data("/api/v1/events", url.Values{"filter": {`access="write"`}, "limit": {"5"}}, &found)
		require.Len(t, found.Events, 5)
	}
	check()

	// The label's own insight is there, with its events behind it.
	label := tr.Truth().Labels[0]
	var page struct {
		Insights []struct {
			SharedEventID  string
			InsightDetails struct{ Identity, InsightObject string }
		}
	}
	s.data("/api/v1/insights", url.Values{"identity": {label.Identity}, "type": {label.Insight}}, &page)
	require.NotEmpty(t, page.Insights, "the burst of %s", label.Identity)
	var behind struct{ Events []map[string]any }
	s.data("/api/v1/insights/"+page.Insights[0].SharedEventID+"/events", url.Values{"limit": {"1000"}}, &behind)
	require.InDelta(t, label.Events, len(behind.Events), float64(label.Events)/5)

	// After a restart everything is as it was, and the files are not read again.
	s.end()
	s = start(t, Options{Config: c, StoragePath: storage})
	s.eventually(func() bool {
		select {
		case <-s.CaughtUp():
			return true
		default:
			return false
		}
	}, "the restart is done")
	check()

	// A rebuild makes the same from the log alone.
	s.end()
	r, err := Rebuild(context.Background(), Options{Config: c, StoragePath: storage}, RebuildOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, r.Insights)
	s = start(t, Options{Config: c, StoragePath: storage})
	check()
}

func TestPushIsDurableCountedOnceAndQueriedByPromtool(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Minute)
	tr := traffic(t, 0.05, now)
	var body bytes.Buffer
	events := 0
	for r := range tr.Records() {
		body.Write(r.JSON)
		body.WriteByte('\n')
		events++
	}
	s := start(t, Options{})
	push := func() (res struct {
		Accepted, Duplicates int
		Rejected             []any
	},
	) {
		code, answer := s.do(http.MethodPost, "/api/v1/events", bytes.NewReader(body.Bytes()), "Content-Type", "application/x-ndjson")
		require.Equal(t, http.StatusOK, code, answer)
		var env struct{ Data json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(answer), &env))
		require.NoError(t, json.Unmarshal(env.Data, &res))
		return res
	}
	first, second := push(), push()
	require.Equal(t, events, first.Accepted)
	require.Empty(t, first.Rejected)
	require.Equal(t, events, second.Duplicates)
	require.Zero(t, second.Accepted)
	require.Equal(t, float64(events), s.sum("sum(sum_over_time(activity_events[1d]))", now.Add(time.Minute)))

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus has it): its part of the test is left out")
	}
	at := now.Add(time.Minute).Format(time.RFC3339)
	out, err := exec.CommandContext(t.Context(), promtool, "query", "instant", "--time", at, "http://"+s.Addr(), "sum(sum_over_time(activity_events[1d]))").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), fmt.Sprintf("=> %d @", events))
	out, err = exec.CommandContext(t.Context(), promtool, "query", "range", "--start", strconv.FormatInt(now.Add(-time.Hour).Unix(), 10),
		"--end", strconv.FormatInt(now.Unix(), 10), "--step", "5m", "http://"+s.Addr(), "sum by (outcome) (sum_over_time(activity_events[5m]))").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), `{outcome="success"}`)
}

func TestBadBodiesAreRefusedAndDisturbNothing(t *testing.T) {
	s := start(t, Options{})
	var torn bytes.Buffer
	zw := gzip.NewWriter(&torn)
	_, err := zw.Write([]byte(strings.Repeat(`{"eventID":"x"}`, 1000)))
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	for name, c := range map[string]struct {
		body, contentType, path string
		code                    int
	}{
		"empty":            {"", "application/json", "/api/v1/events", 400},
		"torn gzip":        {torn.String()[:torn.Len()/2], "application/json", "/api/v1/events", 400},
		"wrong type":       {"a=b", "multipart/form-data; boundary=x", "/api/v1/events", 415},
		"unknown provider": {`{"eventID":"x"}`, "application/json", "/api/v1/events?provider=acme", 400},
	} {
		header := []string{"Content-Type", c.contentType}
		if name == "torn gzip" {
			header = append(header, "Content-Encoding", "gzip")
		}
		code, answer := s.do(http.MethodPost, c.path, strings.NewReader(c.body), header...)
		require.Equal(t, c.code, code, "%s: %s", name, answer)
		require.Contains(t, answer, `"status":"error"`, name)
	}
	good := `{"eventVersion":"1.09","eventTime":"` + time.Now().UTC().Format(time.RFC3339) + `","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"eu-central-1","eventID":"e-1","recipientAccountId":"111111111111","readOnly":false,"eventType":"AwsApiCall","eventCategory":"Management","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111111111111:user/anna","accountId":"111111111111","userName":"anna"}}`
	code, answer := s.do(http.MethodPost, "/api/v1/events", strings.NewReader(good+"\n{\"eventID\":\"\xff\xfe\"}\nnot json\n"), "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusOK, code, answer)
	require.Contains(t, answer, `"accepted":1`)
	require.Equal(t, 2, strings.Count(answer, `"index":`), answer)
}

func TestReloadKeepsTheOldConfigurationOnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "insightd.yml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("networks:\n  corporate: [203.0.113.0/24]\n")
	s := start(t, Options{ConfigFile: file, EnableLifecycle: true})
	text := func() string {
		var c struct{ YAML string }
		s.data("/api/v1/status/config", nil, &c)
		return c.YAML
	}
	require.Contains(t, text(), "203.0.113.0/24")

	write("networks:\n  corporate: [203.0.113.0/240]\nlatness: 1m\n")
	code, answer := s.do(http.MethodPost, "/-/reload", nil)
	require.Equal(t, http.StatusInternalServerError, code, answer)
	require.Contains(t, answer, "insightd.yml:2:")
	require.Contains(t, answer, "lateness", "a hint at the nearest key")
	require.Contains(t, text(), "203.0.113.0/24")
	_, metrics := s.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, "insightd_config_last_reload_successful 0")

	write("networks:\n  corporate: [198.51.100.0/24]\n")
	code, answer = s.do(http.MethodPost, "/-/reload", nil)
	require.Equal(t, http.StatusOK, code, answer)
	require.Contains(t, text(), "198.51.100.0/24")
	_, metrics = s.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, "insightd_config_last_reload_successful 1")
}

func TestStandardInputIsASource(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Minute)
	tr := traffic(t, 0.02, now)
	var body bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(context.Background(), &body, tr, nil))
	n := bytes.Count(body.Bytes(), []byte("\n"))
	s := start(t, Options{Stdin: &body})
	s.eventually(func() bool {
		return s.sum("sum(sum_over_time(activity_events[1d]))", now.Add(time.Minute)) == float64(n)
	}, "all of standard input is counted")
}

// TestRequestsThatDoNotEndAreCutOff stops a daemon while a client has not sent
// what it announced.
func TestRequestsThatDoNotEndAreCutOff(t *testing.T) {
	d, err := New(Options{StoragePath: t.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}})
	require.NoError(t, err)
	d.grace = 50 * time.Millisecond
	s := run(t, d)
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue", "the body is waited for")
	s.end()
}

func TestTwoDaemonsDoNotShareAStorage(t *testing.T) {
	dir := t.TempDir()
	start(t, Options{StoragePath: dir})
	_, err := New(Options{StoragePath: dir, ListenAddresses: []string{"127.0.0.1:0"}})
	require.ErrorContains(t, err, "in use by another process")
}

func TestEventsOlderThanTheRetentionAreRefusedAndTold(t *testing.T) {
	tr := traffic(t, 0.01, time.Now().AddDate(-1, 0, 0))
	var body bytes.Buffer
	require.NoError(t, simulate.WriteNDJSON(context.Background(), &body, tr, nil))
	n := bytes.Count(body.Bytes(), []byte("\n"))
	s := start(t, Options{})
	code, answer := s.do(http.MethodPost, "/api/v1/events", &body, "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusOK, code, answer)
	require.Contains(t, answer, `"accepted":0`)
	require.Contains(t, answer, fmt.Sprintf(`"refused":%d`, n))
	_, page := s.do(http.MethodGet, "/", nil)
	require.Contains(t, page, fmt.Sprintf("%d older than its retention were refused", n))
}
