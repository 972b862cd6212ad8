package tsdb

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// killed is the world as a kill leaves it, to be opened.
func (w *world) killed() *world {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "killed")
	require.NoError(w.t, os.CopyFS(dir, os.DirFS(w.dir)))
	return &world{t: w.t, dir: dir, now: w.now, want: w.want, series: map[string]*Series{}}
}

// TestAKillWhileLateSamplesBecomeABlock has a kill after the second log got its next file
// for what comes meanwhile, and before the block is there.
func TestAKillWhileLateSamplesBecomeABlock(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 2))
	w.db.head.DisableCompactions()
	minute := func(ago int) time.Time { return w.now.Add(-time.Duration(ago) * time.Minute) }
	w.append(w.sample("Live", SampleTime(minute(60)), 1), w.sample("Other", SampleTime(minute(60)), 1))
	w.append(w.sample("Live", LateSampleTime(minute(200), 7), 2), w.sample("Other", LateSampleTime(minute(190), 7), 2))
	w.append(w.sample("Live", LateSampleTime(minute(180), 8), 3))
	before := filepath.Join(t.TempDir(), "before")
	require.NoError(t, os.CopyFS(before, os.DirFS(filepath.Join(w.dir, wblDir))))

	require.NoError(t, w.db.head.CompactOOOHead(context.Background()))
	w.append(w.sample("Live", LateSampleTime(minute(170), 9), 4))
	require.NoError(t, w.db.Sync())

	killed := w.killed()
	blocks, err := blockDirs(killed.dir)
	require.NoError(t, err)
	require.NotEmpty(t, blocks)
	for _, dir := range blocks {
		require.NoError(t, os.RemoveAll(dir))
	}
	old, err := segmentFiles(before, 0)
	require.NoError(t, err)
	for _, path := range old {
		require.NoFileExists(t, filepath.Join(killed.dir, wblDir, filepath.Base(path)), "the compaction took it away")
	}
	require.NoError(t, os.CopyFS(filepath.Join(killed.dir, wblDir), os.DirFS(before)))

	for range 2 {
		killed.open()
		require.Empty(t, killed.db.Lost())
		killed.check()
		require.NoError(t, killed.db.Close())
	}
}

// TestLateSamplesOfASeriesThatCameBack has a series leave the head and come back with
// another number, get a late sample, and be read from the logs at a start, which gives it
// its first number again. The next compactions forget the second, which the late sample is
// logged with.
func TestLateSamplesOfASeriesThatCameBack(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 1))
	at := func(hour, minute int) time.Time {
		return epoch.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	live := func(from, to int) {
		for h := from; h < to; h++ {
			for m := 0; m < 60; m += 10 {
				w.append(w.sample("Live", SampleTime(at(h, m)), 1))
			}
		}
	}
	compact := func(from, to int) {
		w.db.head.DisableCompactions()
		h := promtsdb.NewRangeHead(w.db.head.Head(), at(from, 0).UnixMilli(), at(to, 0).UnixMilli()-1)
		require.NoError(t, w.db.head.CompactHead(h))
	}
	w.append(w.sample("Back", SampleTime(at(0, 10)), 1))
	live(0, 6)
	compact(0, 2)
	w.append(w.sample("Back", SampleTime(at(6, 10)), 2))
	w.append(w.sample("Back", LateSampleTime(at(5, 0), 7), 3))
	live(6, 16)
	for hour := 2; hour < 12; hour += 2 {
		for range 4 { // Each start begins another file of the log.
			w.restart()
			w.check()
		}
		compact(hour, hour+2)
	}
	require.NoError(t, w.db.Sync())
	killed := w.killed()
	killed.open()
	killed.check()
	require.NoError(t, killed.db.Close())
}
