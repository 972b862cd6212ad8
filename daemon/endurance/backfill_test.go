//go:build linux

package endurance

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBackfillWhileLive runs a live stream, adds a folder with the days before
// what it knows by a reload, kills the daemon in the middle of it, and wants
// what a replay of everything gives.
func TestBackfillWhileLive(t *testing.T) {
	seed := seedOf(t)
	days := time.Duration(setting(t, "DAYS", 10, 90))
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: days * 24 * time.Hour, live: 4 * time.Hour,
		accounts: 2, identities: 6, late: true, duplicates: 0.01,
		activity: size(0.5, 1), ways: []string{byPush, byPush, byFile, byLines},
	})
	history, live := tr.split()
	// What the stream begins with are the last two days; the rest is added.
	known, _ := slices.BinarySearchFunc(history, tr.live.Add(-48*time.Hour), func(d delivery, at time.Time) int { return d.at.Compare(at) })
	middle := tr.live.Add(2 * time.Hour)
	half, _ := slices.BinarySearchFunc(live, middle, func(d delivery, at time.Time) int { return d.at.Compare(at) })

	folder, added := t.TempDir(), t.TempDir()
	n := newNode(t, configOf(folder), tr.live)
	d := newDriver(t, n, folder, seed)
	d.shuffle = true
	d.history(history[known:])
	n.start()
	n.holds(len(d.known))
	d.run(tr.live, live[:half])
	begun := time.Now()

	writeFiles(t, added, history[:known], time.Hour)
	n.configure(configOf(folder, added))
	n.ready()
	code, answer, err := n.do(t.Context(), http.MethodPost, "/-/reload", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code, string(answer))
	// In the middle of it the daemon is killed, and live traffic goes on.
	before := len(d.known)
	d.know(history[:known])
	n.until(time.Minute, "the history is being read", func(ctx context.Context) (bool, error) {
		m, err := n.metrics(ctx)
		return err == nil && int(m["insightd_eventlog_events"]) > before+(len(d.known)-before)/3, err
	})
	n.kill()
	n.start()
	d.run(middle, live[half:])
	n.clock.set(tr.last.Add(time.Minute + lateness))
	n.ready()
	n.holds(len(d.known))
	n.final(len(tr.accounts), tr.last.Add(time.Minute))
	t.Logf("%d days of history, %d events, added to a running stream of %d, in %s", days, known, before, time.Since(begun).Round(time.Second))

	// The rebuild in shadow is swapped in when it is done.
	want := replayed(t, tr, configOf())
	waited := n.records()
	for range size(600, 100) {
		if maps.Equal(want, waited) {
			break
		}
		pause(t.Context(), 200*time.Millisecond)
		waited = n.records()
	}
	same(t, "final records, replayed and added to a running stream", want, waited)

	// And a restart changes nothing.
	n.counted(tr)
	counted := n.counts(tr)
	n.stop()
	n.start()
	n.ready()
	n.final(len(tr.accounts), tr.last.Add(time.Minute))
	got := n.outcome(tr)
	same(t, "events", tr.truth(), got.events)
	got.totals(t, tr)
	same(t, "counts before and after a restart", counted, got.counts)
	same(t, "final records after a restart", want, got.records)
}

// TestCatchUp is a daemon that ran live, was stopped, and finds hours of files
// when it starts again: what is too old for the head of the series goes to
// blocks beside it, and nothing that is in it is lost.
func TestCatchUp(t *testing.T) {
	seed := seedOf(t)
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: 24 * time.Hour, live: 16 * time.Hour, accounts: 1, identities: 20, ways: []string{byPush, byFile},
	})
	history, live := tr.split()
	after := func(at time.Time) int {
		i, _ := slices.BinarySearchFunc(live, at, func(d delivery, at time.Time) int { return d.at.Compare(at) })
		return i
	}
	stopped, started := tr.live.Add(3*time.Hour), tr.live.Add(14*time.Hour)
	folder := t.TempDir()
	n := newNode(t, configOf(folder), tr.live)
	d := newDriver(t, n, folder, seed)
	d.history(history)
	n.start()
	n.holds(len(d.known))
	d.run(tr.live, live[:after(stopped)])
	n.stop()
	missed := live[after(stopped):after(started)]
	writeFiles(t, folder, missed, time.Hour)
	d.know(missed)
	n.clock.set(started)
	n.start()
	n.holds(len(d.known))
	d.run(started, live[after(started):])
	n.clock.set(tr.last.Add(time.Minute + lateness))
	n.final(len(tr.accounts), tr.last.Add(time.Minute))
	got := n.outcome(tr)
	same(t, "events", tr.truth(), got.events)
	got.totals(t, tr)
	same(t, "final records", replayed(t, tr, configOf()), got.records)
}
