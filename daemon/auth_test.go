package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
)

// logged is a log that a test reads while others write to it.
type logged struct {
	mtx sync.Mutex
	b   bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	return l.b.String()
}

// TestSecretsShowNowhere starts with a token of each form, asks everything, and
// looks for the tokens in all that came back, in the log and in the storage.
func TestSecretsShowNowhere(t *testing.T) {
	const plain, inFile, hashed = "hunter2-plain-0123456789", "hunter2-in-file-0123456789", "hunter2-hashed-0123456789"
	sum := sha256.Sum256([]byte(hashed))
	fresh, storage := t.TempDir(), t.TempDir()
	file, secretFile := filepath.Join(fresh, "insightd.yml"), filepath.Join(fresh, "reader")
	write := func(name, text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	write(secretFile, inFile+"\n")
	good := `web:
  tokens:
    - {name: root, scopes: [admin, ingest, read], token: ` + plain + `}
    - {name: reader, scopes: [read], token_file: reader}
    - {name: shipper, scopes: [ingest], token_sha256: "` + hex.EncodeToString(sum[:]) + `"}
`
	write(file, good)
	log := &logged{}
	s := start(t, Options{
		ConfigFile: file, StoragePath: storage, EnableLifecycle: true,
		Flags:  map[string]string{"config.file": file},
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	var all strings.Builder
	ask := func(method, path, body string, header ...string) int {
		t.Helper()
		if body != "" && !strings.Contains(path, "login") {
			header = append(header, "Content-Type", "application/json")
		}
		code, answer := s.do(method, path, strings.NewReader(body), header...)
		all.WriteString(answer)
		return code
	}
	admin := []string{"Authorization", "Bearer " + plain}
	paths := []string{
		"/", "/metrics", "/-/login", "/-/ready", "/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/sources", "/api/v1/status/runtimeinfo",
		"/api/v1/status/buildinfo", "/api/v1/status/tsdb", "/api/v1/coverage", "/api/v1/insights", "/api/v1/events", "/api/v1/identities",
		"/api/v1/openapi.yaml", "/api/v1/rules", "/api/v1/alerts", "/api/v1/label/__name__/values",
		"/debug/pprof/cmdline", "/debug/pprof/", "/debug/pprof/goroutine?debug=2",
	}
	push := func(secret, id string) int {
		return ask(http.MethodPost, "/api/v1/events", strings.ReplaceAll(oneEvent(), "e-1", id), "Authorization", "Bearer "+secret)
	}
	require.Equal(t, http.StatusOK, push(hashed, "e-1"))
	require.Equal(t, http.StatusForbidden, push(inFile, "e-2"))
	require.Equal(t, http.StatusUnauthorized, push(plain+"x", "e-3"))
	for _, path := range paths {
		require.Equal(t, http.StatusOK, ask(http.MethodGet, path, "", admin...), path)
		ask(http.MethodGet, path, "", "Authorization", "Bearer "+inFile)
		ask(http.MethodGet, path, "", "Authorization", "Bearer "+plain+"x", "Accept", "text/html")
		ask(http.MethodGet, path, "", "X-Insightd-Token", hashed+"x")
	}
	require.Contains(t, all.String(), "token: <secret>")
	require.Contains(t, all.String(), "token_sha256: <secret>")
	require.Contains(t, all.String(), `client="shipper",result="accepted"} 1`)
	ask(http.MethodPost, "/-/login", "token="+plain, "Content-Type", "application/x-www-form-urlencoded")
	ask(http.MethodPost, "/-/login", "token="+plain+"x", "Content-Type", "application/x-www-form-urlencoded")

	// Files that are wrong are told of, tokens are not.
	for _, wrong := range []string{
		strings.Replace(good, "token: "+plain, "token: ["+plain+"]", 1),
		strings.Replace(good, "token: "+plain, "token: "+plain+"\n      other: x", 1),
		strings.Replace(good, "token_file: reader", "token: "+plain, 1),
		strings.Replace(good, "token: "+plain, "token: hunter2", 1),
		strings.Replace(good, "token: "+plain, `token: "hunter2 hunter2 hunter2"`, 1),
		strings.Replace(good, "name: shipper", "name: root", 1),
		good + "  limits: {max_headers: 1}\n",
	} {
		write(file, wrong)
		require.Equal(t, http.StatusInternalServerError, ask(http.MethodPost, "/-/reload", "", admin...))
	}
	write(file, good)
	write(secretFile, "hunter2\n")
	require.Equal(t, http.StatusInternalServerError, ask(http.MethodPost, "/-/reload", "", admin...))
	require.Contains(t, all.String(), "holds a token of 7 characters")

	// A token that was changed in its file is in force after a reload, and the
	// one before is not.
	const changed = "hunter2-changed-0123456789"
	write(secretFile, changed)
	require.Equal(t, http.StatusOK, ask(http.MethodPost, "/-/reload", "", admin...))
	require.Equal(t, http.StatusOK, ask(http.MethodGet, "/api/v1/insights", "", "Authorization", "Bearer "+changed))
	require.Equal(t, http.StatusUnauthorized, ask(http.MethodGet, "/api/v1/insights", "", "Authorization", "Bearer "+inFile))
	require.NotContains(t, log.String(), "waits for a restart")
	s.end()

	stored := filepath.WalkDir(storage, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NotContains(t, string(b), "hunter2", path)
		return err
	})
	require.NoError(t, stored)
	for _, secret := range []string{"hunter2", hex.EncodeToString(sum[:])} {
		require.NotContains(t, all.String(), secret)
		require.NotContains(t, log.String(), secret)
	}
	require.Contains(t, log.String(), "The configuration was reloaded")
}

func oneEvent() string {
	return string(hostileRecord("e-1", recordTime(0), "arn:aws:iam::111111111111:user/anna", "AKIAIOSFODNN7EXAMPLE", "198.51.100.7", "RunInstances"))
}

// run runs a daemon that a test has made, and ends it with the test.
func run(t *testing.T, d *Daemon) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{Daemon: d, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- d.Run(ctx) }()
	t.Cleanup(s.end)
	return s
}

func TestMissingTokenFileStopsTheStart(t *testing.T) {
	c := config.Default()
	c.Web.Tokens = []config.Token{{Name: "a", Scopes: []string{"read"}, TokenFile: filepath.Join(t.TempDir(), "none")}}
	_, err := New(Options{Config: c, StoragePath: t.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, `reading the token "a"`)
	require.ErrorContains(t, err, "correct web.tokens")
}

func TestWarnsOfAnOpenAddress(t *testing.T) {
	const warning = "Everybody who reaches this address"
	f := func(address, webConfig string, tokens []config.Token, want bool) {
		t.Helper()
		log := &logged{}
		d := &Daemon{o: Options{WebConfigFile: webConfig}, logger: slog.New(slog.NewTextHandler(log, nil))}
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		defer l.Close()
		d.listeners = append(d.listeners, l)
		c := config.Default()
		c.Web.Tokens = tokens
		d.warnIfOpen(c)
		require.Equal(t, want, strings.Contains(log.String(), warning), "%s", address)
	}
	f("127.0.0.1:0", "", nil, false)
	f("0.0.0.0:0", "", nil, true)
	f("0.0.0.0:0", "web.yml", nil, false)
	f("0.0.0.0:0", "", []config.Token{{Name: "a"}}, false)
}

// A file that is empty while somebody writes it lets nobody in.
func TestReloadDropsNotAllTokensOfAnOpenAddress(t *testing.T) {
	const good = "web: {tokens: [{name: a, scopes: [read], token: hunter2-plain-0123456789}]}\n"
	f := func(address string, refused bool) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "insightd.yml")
		require.NoError(t, os.WriteFile(file, []byte(good), 0o600))
		d, err := New(Options{ConfigFile: file, StoragePath: t.TempDir(), ListenAddresses: []string{address}})
		require.NoError(t, err)
		s := run(t, d)
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		if err := s.Reload(); refused {
			require.ErrorContains(t, err, "web.tokens is empty")
			require.Equal(t, http.StatusUnauthorized, s.status(http.MethodGet, "/api/v1/insights", nil))
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, os.WriteFile(file, []byte(good), 0o600))
		require.NoError(t, s.Reload())
	}
	f("0.0.0.0:0", true)
	f("127.0.0.1:0", false)
}

// TestTokensBesideBasicUsers asks through exporter-toolkit's users, who take the
// header Authorization.
func TestTokensBesideBasicUsers(t *testing.T) {
	web := filepath.Join(t.TempDir(), "web.yml")
	// The password is "password".
	require.NoError(t, os.WriteFile(web, []byte("basic_auth_users:\n  anna: $2a$05$/iJTYISrIBbRYNVSx.1Wa.WiyW8aCmRvQASqNu1cihKNkSWgEPmRe\n"), 0o600))
	c := config.Default()
	c.Web.Tokens = []config.Token{{Name: "reader", Scopes: []string{"read"}, Token: "hunter2-plain-0123456789"}}
	d, err := New(Options{Config: c, StoragePath: t.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}, WebConfigFile: web})
	require.NoError(t, err)
	s := run(t, d)
	basic := []string{"Authorization", "Basic YW5uYTpwYXNzd29yZA=="}
	s.eventually(func() bool { code, _ := s.do(http.MethodGet, "/-/ready", nil, basic...); return code == http.StatusOK }, "the daemon is ready")
	f := func(want int, header ...string) {
		t.Helper()
		code, answer := s.do(http.MethodGet, "/api/v1/insights", nil, header...)
		require.Equal(t, want, code, answer)
	}
	f(http.StatusUnauthorized)
	f(http.StatusUnauthorized, basic...)
	f(http.StatusUnauthorized, "Authorization", "Bearer hunter2-plain-0123456789")
	f(http.StatusUnauthorized, "X-Insightd-Token", "hunter2-plain-0123456789")
	f(http.StatusOK, append(basic, "X-Insightd-Token", "hunter2-plain-0123456789")...)
}
