//go:build linux

package endurance

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/simulate"
)

// TestShuffle delivers the same events in order by one client; shuffled within
// the lateness, with doubles, by push, a folder, a file that grows and standard
// input; and all at once as files. Counts and final records are the same.
func TestShuffle(t *testing.T) {
	seed := seedOf(t)
	base := newTraffic(t, trafficOptions{
		seed: seed, history: size[time.Duration](10, 4) * 24 * time.Hour, live: size[time.Duration](24, 4) * time.Hour,
		accounts: 2, identities: 10, ways: []string{byPush},
	})
	events := len(base.truth())
	want := replayed(t, base, configOf())

	run := func(name string, tr *traffic, shuffle bool) outcome {
		t.Logf("%s: %d deliveries", name, len(tr.all))
		folder, second := t.TempDir(), t.TempDir()
		n := newNode(t, configOf(folder, second), tr.live)
		theirs, ours, err := os.Pipe()
		require.NoError(t, err)
		defer theirs.Close()
		defer ours.Close()
		n.spec.Stdin, n.stdin = true, theirs
		d := newDriver(t, n, folder, seed)
		d.stdin, d.shuffle = ours, shuffle
		deliverAll(t, n, d, tr, 0, seed)
		// Standard input ends, so that the daemon can end too.
		require.NoError(t, ours.Close())
		return n.outcome(tr)
	}
	check := func(name string, got outcome) {
		same(t, name+": events", base.truth(), got.events)
		got.totals(t, base)
		same(t, name+": final records", want, got.records)
	}

	ordered := run("in order", base.oneClient(), false)
	check("in order", ordered)
	mixed := run("shuffled, doubled, four ways", base.shuffled(seed, simulate.MaxDelay, 0.05, byPush, byFile, byLines, byStdin), true)
	check("shuffled", mixed)
	sameCounts(t, "counts, in order and shuffled", ordered, mixed)

	// Everything is history: files in which there is no order, under names that
	// say nothing, beside each other in two folders.
	folder, second := t.TempDir(), t.TempDir()
	n := newNode(t, configOf(folder, second), base.last.Add(time.Minute+lateness))
	all := slices.Clone(base.all)
	rnd := rand.New(rand.NewPCG(seed, 5))
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := 0; i < len(all); i += 5000 {
		dir := folder
		if i/5000%2 == 1 {
			dir = second
		}
		name := filepath.Join(dir, all[i].uid+".json.gz")
		require.NoError(t, os.WriteFile(name, document(all[i:min(i+5000, len(all))], true), 0o600))
	}
	n.start()
	n.holds(events)
	n.final(len(base.accounts), base.last.Add(time.Minute))
	files := n.outcome(base)
	check("as files", files)
	sameCounts(t, "counts, in order and as files", ordered, files)
}

// oneClient is the same traffic with one client that pushes in order of time.
func (tr *traffic) oneClient() *traffic {
	out := *tr
	out.all = slices.Clone(tr.all)
	for i := range out.all {
		if d := &out.all[i]; !d.at.Before(tr.live) {
			d.client = 0
		}
	}
	return &out
}

// shuffled is the same traffic with every live event late by up to most, some
// of them twice, by all of the ways.
func (tr *traffic) shuffled(seed uint64, most time.Duration, doubles float64, ways ...string) *traffic {
	out := *tr
	out.all = nil
	rnd := rand.New(rand.NewPCG(seed, 6))
	for _, d := range tr.all {
		if d.at.Before(tr.live) {
			out.all = append(out.all, d)
			continue
		}
		for again := true; again; again = rnd.Float64() < doubles {
			x := d
			x.way, x.client = ways[rnd.IntN(len(ways))], rnd.IntN(pushClients)
			if !d.time.Equal(tr.last) {
				x.at = d.time.Add(time.Duration(rnd.Int64N(int64(most))))
			}
			out.all = append(out.all, x)
		}
	}
	slices.SortStableFunc(out.all, func(a, b delivery) int { return a.at.Compare(b.at) })
	return &out
}
