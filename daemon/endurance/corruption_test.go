//go:build linux

package endurance

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// damage is one way to harm a file.
type damage struct {
	path   string
	offset int64
	// cut says that the file ends at offset; else the bits of mask are flipped
	// in the byte there.
	cut  bool
	mask byte
}

func (d damage) String() string {
	if d.cut {
		return fmt.Sprintf("%s cut to %d bytes", d.path, d.offset)
	}
	return fmt.Sprintf("%s byte %d xor %#02x", d.path, d.offset, d.mask)
}

func (d damage) apply(dir string) error {
	name := filepath.Join(dir, d.path)
	if d.cut {
		return os.Truncate(name, d.offset)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	b[d.offset] ^= d.mask
	return os.WriteFile(name, b, 0o600)
}

// TestCorruption flips a byte of a file of the storage, or cuts a file, and
// starts the daemon over it: it becomes ready, serves nothing that is not true,
// and what is missing it has told in its log.
func TestCorruption(t *testing.T) {
	seed := seedOf(t)
	flips, cuts := setting(t, "FLIPS", 18, 1000), setting(t, "CUTS", 6, 200)
	tr := newTraffic(t, trafficOptions{
		seed: seed, history: 3 * 24 * time.Hour, live: 3 * time.Hour, accounts: 2, identities: 4, activity: 0.5,
		ways: []string{byPush, byPush, byFile, byLines},
	})
	folder := t.TempDir()
	n := newNode(t, configOf(folder), tr.live)
	d := newDriver(t, n, folder, seed)
	deliverAll(t, n, d, tr, 1, seed)
	n.kill() // A storage that was in use: with a write-ahead log in it.
	n.start()
	n.ready()
	n.counted(tr)
	truth := outcome{events: tr.truth(), counts: n.counts(tr), samples: n.samples(tr), records: n.records()}
	truth.totals(t, tr)
	require.NotEmpty(t, truth.records)
	n.kill()
	killed := copyOf(t, n.spec.Storage)
	n.start()
	n.ready()
	n.stop()
	stopped := copyOf(t, n.spec.Storage)

	rnd := rand.New(rand.NewPCG(seed, 7))
	hit := map[string]int{}
	for i := range flips + cuts {
		dir := [...]string{killed, stopped}[i%2]
		harm := choose(t, dir, rnd)
		if harm.cut = i >= flips; harm.cut && harm.offset == 0 && rnd.IntN(4) > 0 {
			harm.offset++
		}
		hit[top(harm.path)]++
		t.Run(fmt.Sprintf("%04d", i), func(t *testing.T) { survive(t, n, dir, harm, tr, &truth) })
		if t.Failed() && i > 50 {
			break // Enough is known.
		}
	}
	t.Logf("damaged files by folder: %v", hit)
}

// choose draws a file, each with the same chance so that small ones come up,
// and a byte of it.
func choose(t *testing.T, dir string, rnd *rand.Rand) damage {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Size() > 0 {
			files = append(files, path)
		}
		return err
	}))
	// Folders first, or the many segments would be all that is harmed.
	byFolder := map[string][]string{}
	for _, f := range files {
		rel, err := filepath.Rel(dir, f)
		require.NoError(t, err)
		byFolder[top(rel)] = append(byFolder[top(rel)], rel)
	}
	folders := slices.Sorted(maps.Keys(byFolder))
	in := byFolder[folders[rnd.IntN(len(folders))]]
	rel := in[rnd.IntN(len(in))]
	info, err := os.Stat(filepath.Join(dir, rel))
	require.NoError(t, err)
	offset := rnd.Int64N(info.Size())
	if rnd.IntN(3) == 0 { // Heads and tails of files have the most meaning.
		offset = min(info.Size()-1, rnd.Int64N(64))
	}
	return damage{path: rel, offset: offset, mask: byte(1 << rnd.IntN(8))}
}

// top is the folder of the storage that a file is in.
func top(path string) string {
	name, _, _ := strings.Cut(path, string(filepath.Separator))
	return name
}

// survive starts a daemon over a copy of a storage that was harmed.
func survive(t *testing.T, whole *node, dir string, harm damage, tr *traffic, truth *outcome) {
	n := newNode(t, "", tr.last.Add(time.Minute+lateness))
	config, err := os.ReadFile(whole.spec.Config)
	require.NoError(t, err)
	n.configure(string(config))
	require.NoError(t, os.CopyFS(n.spec.Storage, os.DirFS(dir)))
	require.NoError(t, harm.apply(n.spec.Storage))
	t.Log(harm)
	n.start()
	n.ready()
	n.until(time.Minute, "sources are read", func(ctx context.Context) (bool, error) {
		var s struct{ Sources []struct{ AtEnd bool } }
		err := n.data(ctx, "/api/v1/status/sources", nil, &s)
		return err == nil && !slices.ContainsFunc(s.Sources, func(x struct{ AtEnd bool }) bool { return !x.AtEnd }), err
	})

	n.until(time.Minute, "insights are made anew where some were lost", func(ctx context.Context) (bool, error) {
		m, err := n.metrics(ctx)
		harmed, told := m["insightd_insights_harmed"]
		return told && harmed == 0, err
	})

	lost := map[string]int{}
	events := n.allEvents(tr)
	for uid, raw := range events {
		want, ok := truth.events[uid]
		require.True(t, ok, "an event that never was: %s", uid)
		// A raw record that is damaged is left out, never served wrong.
		if raw == "" && want != "" {
			lost["raw records"]++
			continue
		}
		require.Equal(t, want, raw, "event %s", uid)
	}
	lost["events"] = len(truth.events) - len(events)

	// A block of series that cannot be read any more is an error of the question
	// that needs it, and no answer that is wrong.
	for _, name := range metricNames {
		sums, err := n.trySums(name, tr.last.Add(2*time.Minute), tr.last.Sub(tr.begin)+24*time.Hour)
		if err != nil {
			require.Equal(t, "series", top(harm.path), "%s: %v", name, err)
			t.Logf("%s cannot be summed: %v", name, err)
			continue
		}
		for key, v := range sums {
			require.LessOrEqual(t, v, truth.counts[key], key)
			lost["counts"] -= int(v)
		}
		for key, v := range truth.counts {
			if strings.HasPrefix(key, name+"{") {
				lost["counts"] += int(v)
			}
		}
	}

	records := n.records()
	for key, record := range records {
		if want, ok := truth.records[key]; !ok || want != record {
			// Insights can be made anew only from what there is.
			require.Positive(t, lost["events"], "an insight that never was: %s\n%s", key, difference(want, record))
		}
	}
	if lost["records"] = len(truth.records) - len(records); lost["events"] == 0 {
		require.Zero(t, lost["records"], "insights can be made anew while the events are there")
	}
	n.stop()

	maps.DeleteFunc(lost, func(_ string, v int) bool { return v == 0 })
	if log := n.logText(); len(lost) > 0 {
		t.Logf("lost: %v", lost)
		require.True(t, strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR"),
			"something is lost (%v), and the log does not tell", lost)
	}
}

// allEvents are all events that are served, by id.
func (n *node) allEvents(tr *traffic) map[string]string {
	n.t.Helper()
	type served struct{ UID, Raw string }
	out := map[string]string{}
	next := ""
	for {
		var page struct {
			Events []served
			Next   string
		}
		v := url.Values{
			"limit": {"10000"}, "raw": {"true"}, "next": {next},
			"start": {tr.begin.Format(time.RFC3339)}, "end": {tr.last.Add(time.Hour).Format(time.RFC3339)},
		}
		require.NoError(n.t, n.data(n.t.Context(), "/api/v1/events", v, &page))
		for _, e := range page.Events {
			_, twice := out[e.UID]
			require.False(n.t, twice, "event %s is served twice", e.UID)
			out[e.UID] = e.Raw
		}
		if next = page.Next; next == "" {
			return out
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
