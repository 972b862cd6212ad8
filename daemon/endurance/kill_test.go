//go:build linux

package endurance

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// configOf is a configuration that reads a folder and keeps everything.
func configOf(folders ...string) string {
	text := "lateness: 30m\nstorage:\n  events: {retention: 2y}\n  series: {retention: 2y}\n  insights: {retention: 2y}\nsources:\n"
	for i, f := range folders {
		text += fmt.Sprintf("  - {type: file, name: folder-%d, path: %q, follow: true, poll_interval: 500ms}\n", i, f)
	}
	return text
}

// deliverAll runs a node through traffic: history, live part, and time until
// all is final. It is killed so many times meanwhile.
func deliverAll(t *testing.T, n *node, d *driver, tr *traffic, kills int, seed uint64) {
	t.Helper()
	history, live := tr.split()
	d.history(history)
	begun := time.Now()
	k := newKiller(n, kills, seed)
	defer k.done.Wait()
	d.before = k.pace
	n.start()
	d.node.holds(len(d.known))
	d.run(tr.live, live)
	// The clock stands still from then on, and a daemon that starts waits for push
	// clients that it knows until they have been idle for a while.
	k.finish()
	require.False(t, n.failed(), "the daemon ended by itself; see above")
	n.ready()
	// A watermark one minute after the last event: where a replay ends.
	n.clock.set(tr.last.Add(time.Minute + lateness))
	d.node.holds(len(d.known))
	n.final(len(tr.accounts), tr.last.Add(time.Minute))
	t.Logf("%d events delivered over %s of traffic, %d kills, in %s", len(d.known), tr.last.Sub(tr.begin), kills, time.Since(begun).Round(time.Second))
}

// TestKill kills the daemon at random moments, also while it starts, and finds
// what an undisturbed run finds.
func TestKill(t *testing.T) {
	kills := setting(t, "KILLS", 8, 200)
	seed := seedOf(t)
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: size[time.Duration](10, 4) * 24 * time.Hour, live: time.Duration(max(3, kills/4)) * time.Hour,
		accounts: 2, identities: 10, late: true, duplicates: 0.02,
		ways: []string{byPush, byPush, byPush, byFile, byLines},
	})
	run := func(kills int) outcome {
		folder := t.TempDir()
		n := newNode(t, configOf(folder), tr.live)
		d := newDriver(t, n, folder, seed)
		d.shuffle = true
		deliverAll(t, n, d, tr, kills, seed)
		return n.outcome(tr)
	}
	killed := run(kills)
	same(t, "events of the killed run", tr.truth(), killed.events)
	killed.totals(t, tr)
	calm := run(0)
	same(t, "events of the undisturbed run", tr.truth(), calm.events)
	calm.totals(t, tr)
	sameCounts(t, "counts, undisturbed and killed", calm, killed)
	want := replayed(t, tr, configOf())
	same(t, "final records, replayed and undisturbed", want, calm.records)
	same(t, "final records, replayed and killed", want, killed.records)
}

// TestKillWithLateEvents delivers one event in six hours after the lateness. They
// change log and series, and those stay exact over kills. What models make of
// them is another matter, until a rebuild.
func TestKillWithLateEvents(t *testing.T) {
	kills := setting(t, "KILLS", 4, 50)
	seed := seedOf(t)
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: 2 * 24 * time.Hour, live: time.Duration(max(3, kills/4)) * time.Hour,
		accounts: 2, identities: 6, ways: []string{byPush, byPush, byFile, byLines},
	})
	tr.delay(6, time.Hour, 4*time.Hour)
	folder := t.TempDir()
	n := newNode(t, configOf(folder), tr.live)
	d := newDriver(t, n, folder, seed)
	d.shuffle = true
	deliverAll(t, n, d, tr, kills, seed)
	got := n.outcome(tr)
	same(t, "events", tr.truth(), got.events)
	got.totals(t, tr)
}

// size is one number at full size, and another otherwise.
func size[V any](full, small V) V {
	if fullSize() {
		return full
	}
	return small
}
