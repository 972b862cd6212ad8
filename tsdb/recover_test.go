package tsdb

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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

	killed := &world{t: t, dir: filepath.Join(t.TempDir(), "killed"), now: w.now, want: w.want, series: map[string]*Series{}}
	require.NoError(t, os.CopyFS(killed.dir, os.DirFS(w.dir)))
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
