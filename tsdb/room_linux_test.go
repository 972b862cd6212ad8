package tsdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallDisk mounts a file system of that size, which only root may.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("this machine lets the test make no small file system: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fill leaves less than room bytes of the disk.
func fillDisk(t *testing.T, dir string, room int64) (file string) {
	t.Helper()
	file = filepath.Join(dir, "ballast")
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	for {
		free, ok := freeBytes(dir)
		require.True(t, ok)
		if free <= room {
			return file
		}
		_, err := f.Write(make([]byte, min(free-room, 1<<20)))
		if errors.Is(err, syscall.ENOSPC) {
			return file
		}
		require.NoError(t, err)
	}
}

func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "160m")
	w := &world{
		t: t, dir: filepath.Join(disk, "series"), now: epoch.AddDate(0, 0, 30), o: Options{Reserve: 8 << 20},
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	defer func() { require.NoError(t, w.db.Close()) }()
	w.db.head.DisableCompactions()
	minute := epoch.AddDate(0, 0, 20)
	live := func() Sample { minute = minute.Add(time.Minute); return w.sample("Live", SampleTime(minute), 1) }
	for range 400 {
		w.append(live())
	}
	w.backfill(w.history(epoch, 5, 60, 1)...)

	// Full: nothing is taken in, and queries go on.
	ballast := fillDisk(t, disk, 4<<20)
	refusedSample := live()
	require.ErrorIs(t, w.db.Append([]Sample{refusedSample}), syscall.ENOSPC)
	require.ErrorIs(t, w.db.Backfill([]Sample{refusedSample}), syscall.ENOSPC)
	require.ErrorIs(t, w.db.CommitBackfill(context.Background(), nil), syscall.ENOSPC)
	require.ErrorIs(t, w.db.head.Compact(context.Background()), syscall.ENOSPC)
	require.Positive(t, w.db.PendingBackfill())
	require.Equal(t, 400.0, instant(t, w.db.Queryable(), `sum(sum_over_time(activity_events{operation="Live"}[1d]))`, minute))

	// There is room: all works, by itself.
	require.NoError(t, os.Remove(ballast))
	w.append(refusedSample)
	require.NoError(t, w.db.head.Compact(context.Background()))
	w.commit()
	w.check()
	require.NoError(t, w.db.Sync())

	// Full within a compaction, which had room to begin.
	w.backfill(w.history(epoch.AddDate(0, 0, 6), 5, 60, 2)...)
	w.db.o.Reserve = -1
	ballast = fillDisk(t, disk, 1<<20)
	require.ErrorIs(t, w.db.CommitBackfill(context.Background(), nil), syscall.ENOSPC)
	w.db.o.Reserve = 8 << 20
	require.NoError(t, os.Remove(ballast))
	w.commit()
	w.check()
	w.restart()
	w.check()
}

// A log that could not be written to the end promises nothing from then on, and
// a restart mends it.
func TestDiskFullWithinACommit(t *testing.T) {
	disk := smallDisk(t, "48m")
	w := &world{
		t: t, dir: filepath.Join(disk, "series"), now: epoch.AddDate(0, 0, 30), o: Options{Reserve: -1},
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	w.db.head.DisableCompactions()
	minute := epoch.AddDate(0, 0, 20)
	for m := range 50 {
		w.append(w.sample("Live", SampleTime(minute.Add(time.Duration(m)*time.Minute)), 1))
	}
	require.NoError(t, w.db.Sync())
	ballast := fillDisk(t, disk, 0)
	// New series are what Prometheus' log may lack afterwards.
	var failed []Sample
	var err error
	for n := 0; err == nil && n < 200; n++ {
		var batch []Sample
		for i := range 200 {
			batch = append(batch, w.sample("New"+string(rune('A'+n%26))+time.Duration(n*200+i).String(), SampleTime(minute.Add(2*time.Hour)), 2))
		}
		failed = append(failed, batch...)
		err = w.db.Append(batch)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, os.Remove(ballast))
	// Appending works again; only Sync does not promise it.
	require.NoError(t, w.db.Append(failed))
	require.ErrorIs(t, w.db.Sync(), errWounded)
	require.NoError(t, w.db.Close())
	w.series = map[string]*Series{}
	w.open()
	defer func() { require.NoError(t, w.db.Close()) }()
	require.NoError(t, w.db.Append(failed))
	w.expect(failed...)
	require.NoError(t, w.db.Sync())
	w.check()
}
