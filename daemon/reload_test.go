package daemon

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/source"
)

// mute is an exception of a file.
func mute(id string) string {
	return fmt.Sprintf("exceptions: [{id: %s, kind: mute, owner: anna, reason: known, expires: %s, scope: {identity: \"*:user/%s\"}}]\n",
		id, time.Now().Add(48*time.Hour).UTC().Truncate(24*time.Hour).Format(time.RFC3339), id)
}

// The first of two reloads is slow to read its file: the second finds a newer one.
func TestTheLastOfTwoReloadsWins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "insightd.yml")
	conf := func(name string) []byte {
		return fmt.Appendf(nil, "web: {tokens: [{name: %s, scopes: [read], token: hunter2-%s-0123456789}]}\n", name, name)
	}
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s := start(t, Options{ConfigFile: file})

	require.NoError(t, os.Remove(file))
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- s.Reload() }()
	w, err := os.OpenFile(file, os.O_WRONLY, 0) // Returns once the first reads.
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file+".new", conf("after"), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
	go func() { second <- s.Reload() }()
	select {
	case err := <-second:
		second <- err
	case <-time.After(time.Second): // It waits for the first.
	}
	_, err = w.Write(conf("before"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	ask := func(name string) int {
		code, _ := s.do(http.MethodGet, "/api/v1/insights", nil, "Authorization", "Bearer hunter2-"+name+"-0123456789")
		return code
	}
	require.Equal(t, http.StatusOK, ask("after"))
	require.Equal(t, http.StatusUnauthorized, ask("before"))
}

// still is a daemon whose line does not move: of a configuration file.
func still(t *testing.T, text string) (d *Daemon, put func(string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "insightd.yml")
	put = func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	put(text)
	d, err := New(Options{ConfigFile: file, StoragePath: t.TempDir(), ListenAddresses: []string{"127.0.0.1:0"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Stop() }) // Its log may be closed already.
	require.NoError(t, d.restore(t.Context()))
	return d, put
}

// A reload that the log cannot note changes nothing, and one that it need not note
// needs no log.
func TestReloadWhileTheLogCannotBeWrittenTo(t *testing.T) {
	d, put := still(t, mute("old"))
	require.NoError(t, d.begin(t.Context(), d.config.Load()))
	require.NoError(t, d.log.Close())
	old := d.config.Load()

	put("lateness: 5m\nsources: [{path: " + t.TempDir() + "}]\nweb: {tokens: [{name: a, scopes: [read], token: hunter2-plain-0123456789}]}\n")
	require.Error(t, d.Reload())
	ok, _ := d.reloaded.get()
	require.False(t, ok)
	require.Same(t, old, d.config.Load())
	require.Empty(t, d.sources.status())
	x, _ := d.engine.Exception("old")
	require.Equal(t, "active", x.State)

	put(mute("old") + "web: {tokens: [{name: a, scopes: [read], token: hunter2-plain-0123456789}]}\n")
	require.NoError(t, d.Reload())
	require.NotSame(t, old, d.config.Load())
}

// What is reloaded while models are restored is in force when that is done.
func TestReloadBeforeTheDaemonIsReady(t *testing.T) {
	d, put := still(t, "")
	configured := d.config.Load()
	put(mute("early") + "sources: [{name: in, path: " + t.TempDir() + "}]\n")
	require.NoError(t, d.Reload())
	require.Empty(t, d.sources.status(), "nothing is read before the line is restored")
	require.NoError(t, d.begin(context.Background(), configured))
	require.Len(t, d.engine.Exceptions(), 1)
	require.Len(t, d.sources.status(), 1)
}

// hanging is a source whose read hangs until its file system is back.
type hanging struct{ back chan struct{} }

func (h hanging) Name() string                           { return "away" }
func (h hanging) Run(context.Context, source.Sink) error { <-h.back; return nil }
func (h hanging) Status() source.Status                  { return source.Status{Name: "away"} }

// A source that hangs holds up neither the reload that removes it nor who asks, and
// the one that takes its name begins once it has ended.
func TestReloadRemovesASourceThatHangs(t *testing.T) {
	d, put := still(t, "")
	require.NoError(t, d.begin(t.Context(), d.config.Load()))
	h := hanging{make(chan struct{})}
	old := &runningSource{Source: h, conf: config.Source{Name: "away"}}
	d.sources.mtx.Lock()
	d.sources.start("away", old, nil)
	d.sources.mtx.Unlock()
	require.Len(t, d.sources.frontiers(), 1)

	done := make(chan error, 1)
	go func() { done <- d.Reload() }()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		close(h.back)
		require.Fail(t, "the reload waits for the source")
	}
	require.Empty(t, d.sources.frontiers())

	put("sources: [{name: away, path: " + t.TempDir() + "}]\n")
	require.NoError(t, d.Reload())
	status := func() string { return d.sources.status()[0].Kind }
	require.Empty(t, status(), "the old one has not ended")
	close(h.back)
	require.Eventually(t, func() bool { return status() == "file" }, time.Minute, time.Millisecond)
}
