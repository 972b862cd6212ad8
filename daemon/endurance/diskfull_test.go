//go:build linux

package endurance

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDiskFull gives the daemon a disk of its own, and has somebody else fill
// it. A user namespace lets a process mount one without being root.
func TestDiskFull(t *testing.T) {
	seed := seedOf(t)
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: 24 * time.Hour, live: 8 * time.Hour, accounts: 1, identities: 30, ways: []string{byPush, byPush, byFile, byLines},
	})
	history, live := tr.split()
	folder := t.TempDir()
	n := newNode(t, configOf(folder), tr.live)
	require.NoError(t, os.Mkdir(n.spec.Storage, 0o700))
	n.spec.Disk = 256 << 20
	n.attr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if why := n.tryDisk(); why != "" {
		t.Skip("a file system of its own cannot be had here: ", why)
	}
	d := newDriver(t, n, folder, seed)
	d.history(history)
	n.start()
	n.ready()
	n.holds(len(d.known))

	// Clients push until the disk is full.
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGUSR2))
	n.until(time.Minute, "the disk is full", func(context.Context) (bool, error) {
		return strings.Contains(n.logText(), diskIsFull), nil
	})
	pushed := 0
	var refusal string
	for pushed < len(live) {
		batch := live[pushed:min(pushed+100, len(live))]
		n.clock.set(batch[len(batch)-1].at)
		code, answer, err := d.pushOnce(t.Context(), 0, lines(batch), []string{"Content-Type", "application/x-ndjson"})
		require.NoError(t, err)
		if code != http.StatusOK {
			require.Equal(t, http.StatusServiceUnavailable, code, string(answer))
			refusal = string(answer)
			break
		}
		require.NoError(t, acknowledged(answer, len(batch)))
		d.know(batch)
		pushed += len(batch)
	}
	require.NotEmpty(t, refusal, "%d events were pushed to a full disk", pushed)
	t.Logf("full after %d pushed events: %s", pushed, refusal)
	require.Contains(t, refusal, "no space left on device")

	// Files wait, and the folder says why.
	next := n.clock.now().Add(step)
	waiting, _ := slices.BinarySearchFunc(live, next, func(d delivery, at time.Time) int { return d.at.Compare(at) })
	files := live[pushed:waiting]
	require.NotEmpty(t, files)
	writeFiles(t, folder, files, time.Hour)
	n.until(time.Minute, "the folder says that it waits", func(ctx context.Context) (bool, error) {
		var s struct{ Sources []struct{ Error string } }
		err := n.data(ctx, "/api/v1/status/sources", nil, &s)
		return err == nil && len(s.Sources) == 1 && strings.Contains(s.Sources[0].Error, "no space left"), err
	})

	// Questions are answered.
	require.NotEmpty(t, n.counts(tr))
	var page struct{ Events []any }
	require.NoError(t, n.data(t.Context(), "/api/v1/events", url.Values{"limit": {"10"}}, &page))
	require.Len(t, page.Events, 10)
	var found struct{ Insights []any }
	require.NoError(t, n.data(t.Context(), "/api/v1/insights", nil, &found))

	// There is room: all goes on by itself, and what was acknowledged is there.
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGUSR1))
	d.know(files)
	n.holds(len(d.known))
	d.run(next, live[waiting:])
	n.clock.set(tr.last.Add(time.Minute + lateness))
	n.final(len(tr.accounts), tr.last.Add(time.Minute))
	events := n.allEvents(tr)
	same(t, "events", tr.truth(), events)
	n.counted(tr)
	(&outcome{counts: n.counts(tr), samples: n.samples(tr)}).totals(t, tr)
	n.until(time.Minute, "the folder is well again", func(ctx context.Context) (bool, error) {
		var s struct{ Sources []struct{ Error string } }
		err := n.data(ctx, "/api/v1/status/sources", nil, &s)
		return err == nil && len(s.Sources) == 1 && s.Sources[0].Error == "", err
	})
	n.stop()
}

// tryDisk starts the daemon once, and says why it cannot have its disk.
func (n *node) tryDisk() string {
	n.t.Helper()
	if err := n.tryStart(); err != nil {
		return err.Error()
	}
	for {
		if over, _ := n.ended(); over {
			n.mtx.Lock()
			defer n.mtx.Unlock()
			n.cmd = nil
			n.hold.Close()
			return n.logTail(1)
		}
		if code, _, err := n.do(n.t.Context(), http.MethodGet, "/-/ready", nil); err == nil && code == http.StatusOK {
			n.stop()
			return ""
		}
		pause(n.t.Context(), 10*time.Millisecond)
	}
}
