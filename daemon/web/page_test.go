package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
)

var window = flag.String("window", "1200,1500", "the size of the window of -screenshot")

var screenshot = flag.String("screenshot", "", "write a screenshot of the page to this file, with chromium")

var now = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func full() Data {
	watermark := now.Add(-31 * time.Minute)
	start := now.Add(-10 * time.Minute)
	return Data{
		Version: "0.1.0", Now: now, Started: now.Add(-26 * time.Hour), Ready: true,
		Storage: []Store{
			{"Events", "1,234,567 events since 2026-02-01", 280 << 20, 90 * 24 * time.Hour},
			{"Series", "8,200 series", 12 << 20, 0},
		},
		Sources: []Source{
			{
				Name: "trail", Kind: "file", State: "reading", Healthy: true, Events: 1234567, Frontier: now.Add(-time.Minute),
				Lag: 90 * time.Second, LastEvent: now.Add(-90 * time.Second), Rate: 1234.4, BacklogFiles: 12, BacklogBytes: 3 << 20,
			},
			NewSource(insight.SourceCoverage{
				Name: "azure", Kind: "file", State: insight.SourceFailing, Errors: 3,
				LastError: "opening /logs: permission denied", Hint: "let the user of the daemon read the folder",
			}),
		},
		Stopped: "The disk of /data is full: make room for 64.0 MiB",
		Tally:   insight.Tally{Stored: 900, Active: 1, Provisional: 1, Told: 200, Withdrawn: 7, Superseded: 2},
		Streams: []insight.StreamCoverage{{
			Provider: "aws", Account: "111122223333", LastEvent: now.Add(-90 * time.Second), Watermark: &watermark, Events: 1234567, Late: 12,
			Detectors: []insight.DetectorCoverage{{State: "ready"}, {State: "ready"}, {State: "learning"}},
			Folded:    12345, Evicted: 1, Capped: 2, IdentitiesForgotten: 3, Suppressed: 4, Snapshot: &watermark,
			Rebuilding: true, RebuildReason: "history came in",
		}, {Provider: "azure", Account: "sub-1"}},
		Active: []Incident{NewIncident(insight.Incident{
			ID: "i1", Provider: "aws", Account: "111122223333", Identity: "arn:aws:iam::111122223333:user/<script>alert(1)</script>",
			State: insight.StateStart, Start: start, Confidence: 0.93, Severity: insight.SeverityHigh, Insights: 1,
		}, []insight.Insight{{
			ID: "0123456789abcdef0123456789abcdef", Type: insight.TypeAPICallRate, Provider: "aws", Account: "111122223333", Region: "eu-central-1",
			Identity: "arn:aws:iam::111122223333:user/<script>alert(1)</script>", State: insight.StateStart, Start: start, Provisional: true,
			Confidence: 0.93, Severity: insight.SeverityHigh, Summary: "RunInstances 40 a minute & usually 2",
		}}), NewIncident(insight.Incident{
			ID: "c/d", Provider: "aws", Account: "111122223333", State: insight.StateStart, Start: start, Confidence: 0.8, Severity: insight.SeverityCritical,
			Title: "anna: unusual address, then <b>", Summary: "from <b>", Insights: 3, Suppressed: 1,
		}, make([]insight.Insight, 3))},
		Recent: []Incident{NewIncident(insight.Incident{
			ID: "i3", Provider: "aws", Account: "111122223333", State: insight.StateEnd, Start: start.Add(-time.Hour), End: start.Add(-48 * time.Minute),
			Confidence: 0.41, Severity: insight.SeverityLow, Insights: 1,
		}, []insight.Insight{{
			ID: "a/b", Type: insight.TypeAPIErrorRate, Provider: "aws", Account: "111122223333", State: insight.StateEnd,
			Start: start.Add(-time.Hour), End: start.Add(-48 * time.Minute), Confidence: 0.41, Severity: insight.SeverityLow,
			Summary: "AccessDenied 12 a minute, usually 0",
		}})},
	}
}

func get(t *testing.T, d Data) (string, http.Header) {
	t.Helper()
	p, err := New(func(context.Context) Data { return d }, nil)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String(), w.Header()
}

func TestPage(t *testing.T) {
	body, header := get(t, full())
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	for _, want := range []string{
		"Version 0.1.0, running for 1 d 2 h", "Ready.", "1,234,567", "280.0 MiB", "90 d", "2026-03-09 11:29:00", "1 min 30 s ago", "2 ready, 1 learning",
		"RunInstances 40 a minute &amp; usually 2", "&lt;script&gt;alert(1)&lt;/script&gt;", "93 %", "High", "for 12 min",
		`href="api/v1/incidents/c%2Fd">anna: unusual address, then &lt;b&gt;`, "3 insights, 1 suppressed; the surest: from &lt;b&gt;", `href="api/v1/insights/0123456789abcdef0123456789abcdef/events"`, `href="api/v1/insights/a%2Fb"`,
		"permission denied", "nothing is final yet", "none yet", "<title>(2) insightd</title>",
		"Nothing is taken in at the moment.</strong> The disk of /data is full", "The models of aws 111122223333 are being made anew</strong>: history came in.",
		">provisional</span>", "1 provisional, which", "Of 200 told on arrival, 3.5 % (7) were", "and 2 gave place to others",
		"1,234/s", "12 files", "3.0 MiB", "1 min 30 s behind", "3 not read", "What to do: let the user of the daemon read the folder",
		"12,345 events are counted under __overflow__", "1 model made room for another", "2 insights were not raised", "3 identities made room", "4 insights are over the budget",
		"state kept 31 min ago", "Caps are in force in aws 111122223333:",
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "<script>alert(1)")
	require.Equal(t, 1, strings.Count(body, ">provisional</span>"), "the final one is not")
	require.NotContains(t, body, "ZgotmplZ", "a value that the template refused")
	require.NotContains(t, body, "http://")
	// The attribution of the address tables is the one link that leads elsewhere.
	require.NotContains(t, strings.Replace(body, `<a href="https://db-ip.com">`, "", 1), "https://")
}

// TestPolicy holds the hashes of the policy against what is in the page.
func TestPolicy(t *testing.T) {
	body, header := get(t, full())
	policy := header.Get("Content-Security-Policy")
	for _, tag := range []string{"style", "script"} {
		_, rest, ok := strings.Cut(body, "<"+tag+">")
		require.True(t, ok)
		text, _, ok := strings.Cut(rest, "</"+tag+">")
		require.True(t, ok)
		sum := sha256.Sum256([]byte(text))
		require.Contains(t, policy, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	require.NotContains(t, policy, "unsafe")
}

func TestEmptyPage(t *testing.T) {
	body, _ := get(t, Data{Version: "0.1.0", Now: now, Started: now, Waiting: "reading 3 of 9 files"})
	for _, want := range []string{
		"Not ready yet: reading 3 of 9 files", "no event has come in yet", "No source is configured", "No account is known yet", "Nothing is kept on disk",
		"running for 0 s", "@cloudtrail.json.gz http://example.com/api/v1/events",
	} {
		require.Contains(t, body, want)
	}
}

// TestQuietPage has nothing to tell of caps, banners and shares.
func TestQuietPage(t *testing.T) {
	d := full()
	d.Stopped, d.Tally = "", insight.Tally{Stored: 3}
	d.Streams = d.Streams[1:]
	d.Active = nil
	body, _ := get(t, d)
	require.NotContains(t, body, "class=\"banner")
	require.NotContains(t, body, "Caps are in force")
	require.NotContains(t, body, "told on arrival, ")
	require.Contains(t, body, "None of the insights that are kept was told before it was final.")
}

func TestWords(t *testing.T) {
	require.Equal(t, "0/s", rate(0))
	require.Equal(t, "< 0.1/s", rate(0.01))
	require.Equal(t, "1.5/s", rate(1.5))
	require.Equal(t, "0.0 %", share(insight.Tally{}))
	require.Equal(t, "never", ago(now, time.Time{}))
	require.Equal(t, "in 5 s", ago(now, now.Add(5*time.Second)))
	require.Equal(t, "2 h", lasting(2*time.Hour+3*time.Second))
	require.Equal(t, "999", count(999))
	require.Equal(t, "1,000", count(1000))
	require.Equal(t, "12 B", byteSize(12))
	require.Equal(t, "1.5 KiB", byteSize(1536))
	require.Equal(t, "2048.0 TiB", byteSize(2<<50))
}

// TestBrowser has a browser run the page, and refresh it.
func TestBrowser(t *testing.T) {
	if *screenshot == "" {
		t.Skip("-screenshot names no file")
	}
	chromium, err := exec.LookPath("chromium")
	require.NoError(t, err)
	d := full()
	if strings.Contains(*screenshot, "empty") {
		d = Data{Version: "0.1.0", Now: now, Started: now, Waiting: "reading 3 of 9 files"}
	}
	p, err := New(func(context.Context) Data { return d }, nil)
	require.NoError(t, err)
	var views atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		views.Add(1)
		p.ServeHTTP(w, r)
	}))
	defer server.Close()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--window-size=" + *window,
		"--enable-logging=stderr", "--virtual-time-budget=11000", "--screenshot=" + *screenshot,
	}
	if strings.Contains(*screenshot, "dark") {
		args = append(args, "--blink-settings=preferredColorScheme=0")
	}
	out, err := exec.Command(chromium, append(args, server.URL+"/")...).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "CONSOLE", "the browser complains of nothing")
	require.EqualValues(t, 2, views.Load(), "the page has renewed itself")
	stat, err := os.Stat(*screenshot)
	require.NoError(t, err)
	require.Positive(t, stat.Size())
}
