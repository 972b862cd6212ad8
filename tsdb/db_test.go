package tsdb

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestOpenRefuses(t *testing.T) {
	for _, o := range []Options{
		{},
		{Dir: t.TempDir(), Retention: -1},
		{Dir: t.TempDir(), Retention: time.Minute},
		{Dir: t.TempDir(), MaxBytes: -1},
	} {
		_, err := Open(o)
		require.Error(t, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	_, err := Open(Options{Dir: file})
	require.ErrorContains(t, err, "opening series")

	// One process, one DB.
	dir := t.TempDir()
	db, err := Open(Options{Dir: dir})
	require.NoError(t, err)
	_, err = Open(Options{Dir: dir})
	require.Error(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
}

func TestMetricsAreClean(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	newMetrics(reg)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)

	reg = prometheus.NewPedanticRegistry()
	w := &world{t: t, dir: t.TempDir(), now: epoch, o: Options{Registerer: reg}, want: map[string]map[int64]float64{}, series: map[string]*Series{}}
	w.open()
	w.append(w.sample("A", SampleTime(epoch.Add(-time.Hour)), 1))
	w.backfill(w.sample("A", SampleTime(epoch.Add(-time.Hour*100)), 1))
	require.NoError(t, w.db.Append([]Sample{w.sample("A", SampleTime(epoch.Add(-time.Hour)), 1)}))
	n, err := testutil.GatherAndCount(reg, "insightd_series_backfill_pending_samples", "insightd_series_samples_refused_total", "prometheus_tsdb_head_chunks")
	require.NoError(t, err)
	require.Equal(t, 1+numRefused+1, n)
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP insightd_series_samples_repeated_total Samples that were stored already and were not written again.
# TYPE insightd_series_samples_repeated_total counter
insightd_series_samples_repeated_total 1
# HELP insightd_series_samples_appended_total Samples written to the head.
# TYPE insightd_series_samples_appended_total counter
insightd_series_samples_appended_total 1
# HELP insightd_series_backfill_pending_samples Samples of history that wait to be written to blocks.
# TYPE insightd_series_backfill_pending_samples gauge
insightd_series_backfill_pending_samples 1
`), "insightd_series_samples_repeated_total", "insightd_series_samples_appended_total", "insightd_series_backfill_pending_samples"))
	require.NoError(t, w.db.Close())
}

func TestRetentionByTime(t *testing.T) {
	w := &world{
		t: t, dir: t.TempDir(), now: epoch.AddDate(0, 0, 10), o: Options{Retention: 30 * 24 * time.Hour},
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	defer func() { require.NoError(t, w.db.Close()) }()
	w.backfill(w.history(epoch, 10, 10, 1)...)
	w.commit()
	w.check()
	n := len(w.db.head.Blocks())

	// The daemon reads nothing more: the newest block does not move, the clock
	// does.
	w.at(epoch.AddDate(0, 0, 35))
	require.NoError(t, w.db.head.CompactOOOHead(context.Background()))
	require.Less(t, len(w.db.head.Blocks()), n)
	for _, b := range w.db.head.Blocks() {
		require.Greater(t, b.MaxTime(), w.db.expired())
	}
	// What is past the retention is not written, and no error.
	require.NoError(t, w.db.Backfill([]Sample{w.sample("Old", SampleTime(epoch), 1)}))
	require.NoError(t, w.db.Append([]Sample{w.sample("Old", SampleTime(epoch), 1)}))
	require.Zero(t, w.db.PendingBackfill())

	// What waited for too long neither.
	late := w.sample("Late", SampleTime(epoch.AddDate(0, 0, 6)), 1)
	require.NoError(t, w.db.Backfill([]Sample{late}))
	w.at(epoch.AddDate(0, 0, 60))
	w.commit()
	require.Empty(t, w.db.head.Blocks())
}

func TestRetentionBySize(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 30))
	w.backfill(w.history(epoch, 20, 3, 1)...)
	w.commit()
	blocks := w.db.head.Blocks()
	require.Greater(t, len(blocks), 10)
	var size int64
	for _, b := range blocks {
		size += b.Size()
	}
	newest := blocks[len(blocks)-1].Meta().ULID
	oldest := blocks[0].Meta().ULID
	deletable := blocksToDelete(blocks, 0, 0, size/2, 0)
	require.Contains(t, deletable, oldest)
	require.NotContains(t, deletable, newest)
	require.InDelta(t, len(blocks)/2, len(deletable), float64(len(blocks)/4))
	require.Empty(t, blocksToDelete(blocks, 0, 0, size, 0))
	require.Len(t, blocksToDelete(blocks, 0, 0, size, size), len(blocks))
	require.Empty(t, blocksToDelete(blocks, w.now.UnixMilli(), 0, 0, size))

	w.o.MaxBytes = size / 2
	w.restart()
	require.Less(t, len(w.db.head.Blocks()), len(blocks))
	require.NotEmpty(t, w.db.head.Blocks())
}

func TestMaxBlock(t *testing.T) {
	for retention, want := range map[time.Duration]int64{
		0:                     maxBlockMillis,
		2 * time.Hour:         blockMillis,
		90 * 24 * time.Hour:   9 * dayMillis,
		2000 * 24 * time.Hour: maxBlockMillis,
	} {
		require.Equal(t, want, (&Options{Retention: retention}).maxBlock(), retention)
	}
}

func TestBounds(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 30))
	_, _, ok := w.db.Bounds()
	require.False(t, ok)
	w.append(w.sample("A", SampleTime(epoch.AddDate(0, 0, 20)), 1))
	w.backfill(w.sample("A", SampleTime(epoch), 1))
	w.commit()
	mint, maxt, ok := w.db.Bounds()
	require.True(t, ok)
	require.Equal(t, SampleTime(epoch), mint)
	require.Equal(t, SampleTime(epoch.AddDate(0, 0, 20)), maxt)
}

// fsynced tells how long each file was when it was last fsynced.
func fsynced(t *testing.T, dir string) map[string]int64 {
	sizes := map[string]int64{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		sizes[rel] = st.Size()
		return err
	}))
	return sizes
}

// What Sync promised is there after a crash that loses everything that was
// written and not fsynced since.
func TestSyncSurvivesPowerLoss(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	// Nothing moves in the background while the files are copied.
	w.db.head.DisableCompactions()
	// In order, out of order, and history that waits.
	for m := range 400 {
		minute := epoch.AddDate(0, 0, 8).Add(time.Duration(m) * time.Minute)
		w.append(w.sample("A", SampleTime(minute), float64(m)), w.sample(fmt.Sprintf("Op%d", m%9), SampleTime(minute), 1))
		if m%10 == 0 {
			w.append(w.sample("A", LateSampleTime(minute.Add(-5*time.Hour), uint64(m)), 3))
		}
	}
	w.backfill(w.history(epoch, 2, 30, 1)...)
	w.db.head.ForceHeadMMap()
	require.NoError(t, w.db.Sync())
	sizes := fsynced(t, w.dir)
	promised := map[string]map[int64]float64{}
	for name, samples := range w.want {
		promised[name] = map[int64]float64{}
		maps.Copy(promised[name], samples)
	}
	for m := range 300 {
		minute := epoch.AddDate(0, 0, 8).Add(time.Duration(400+m) * time.Minute)
		w.append(w.sample("A", SampleTime(minute), 7), w.sample("Lost", SampleTime(minute), 7))
	}
	w.backfill(w.sample("Lost", SampleTime(epoch), 7))

	// The crash: files are cut back, and mapped chunks, which are never synced,
	// keep only their beginning.
	crashed := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(crashed, "d"), os.DirFS(w.dir)))
	crashed = filepath.Join(crashed, "d")
	for rel := range fsynced(t, crashed) {
		path := filepath.Join(crashed, rel)
		size, ok := sizes[rel]
		switch {
		case strings.HasPrefix(rel, "wal"), strings.HasPrefix(rel, "wbl"), strings.HasPrefix(rel, backfillDir):
			if !ok {
				require.NoError(t, os.Remove(path))
				continue
			}
			require.NoError(t, os.Truncate(path, size))
		case strings.HasPrefix(rel, "chunks_head"):
			require.NoError(t, os.Truncate(path, 8))
		}
	}

	after := &world{t: t, dir: crashed, now: w.now, want: promised, series: map[string]*Series{}}
	after.open()
	defer func() { require.NoError(t, after.db.Close()) }()
	after.commit()
	after.check()

	// What was lost is written again, with what was not.
	again := []Sample{}
	for name, samples := range w.want {
		for at, v := range samples {
			again = append(again, Sample{Series: w.byName(name), T: at, V: v})
		}
	}
	require.NoError(t, after.db.Append(again))
	after.expect(again...)
	after.commit()
	after.check()
}

func TestSyncIsCheapWhenNothingChanged(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 10))
	w.append(w.sample("A", SampleTime(epoch), 1))
	require.NoError(t, w.db.Sync())
	before := len(w.db.synced)
	require.Positive(t, before)
	require.NoError(t, w.db.Sync())
	require.Len(t, w.db.synced, before)
}
