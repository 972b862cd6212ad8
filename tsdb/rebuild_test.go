package tsdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// settled is a closed DB with blocks, a straddling one among them, a head, late
// counts and history that waits.
func settled(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, dir: filepath.Join(t.TempDir(), "series"), now: epoch.AddDate(0, 0, 30),
		want: map[string]map[int64]float64{}, series: map[string]*Series{},
	}
	w.open()
	w.backfill(w.history(epoch, 20, 30, 1)...)
	w.commit()
	for m := range 300 {
		w.append(w.sample("Live", SampleTime(epoch.AddDate(0, 0, 20).Add(time.Duration(m)*time.Minute)), 1))
	}
	w.append(w.sample("Live", LateSampleTime(epoch.AddDate(0, 0, 20), 4), 6))
	require.NoError(t, w.db.head.Compact(context.Background()))
	w.backfill(w.history(epoch.AddDate(0, 0, 3), 9, 90, 2)...)
	require.NoError(t, w.db.Close())
	return w
}

// older keeps what must show to samples before a time.
func (w *world) older(since time.Time) {
	for name, samples := range w.want {
		for at := range samples {
			if at >= since.UnixMilli() {
				delete(samples, at)
			}
		}
		if len(samples) == 0 {
			delete(w.want, name)
		}
	}
}

func (w *world) rebuild(since time.Time, fill func(*DB) error) error {
	return Rebuild(context.Background(), Options{Dir: w.dir, Now: func() time.Time { return w.now }}, since, fill)
}

func TestRebuildKeepsWhatIsOlder(t *testing.T) {
	for name, since := range map[string]time.Time{
		"all":      epoch.AddDate(0, 0, -1),
		"straddle": epoch.AddDate(0, 0, 7).Add(11*time.Hour + 7*time.Minute),
		"head":     epoch.AddDate(0, 0, 20).Add(280 * time.Minute),
		"nothing":  epoch.AddDate(0, 0, 29),
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			w.older(since)
			var filled []Sample
			for m := range 200 {
				s := w.sample("Fresh", SampleTime(since.Add(time.Duration(m)*time.Minute).Truncate(time.Minute).Add(time.Minute)), 2)
				filled = append(filled, s)
			}
			require.NoError(t, w.rebuild(since, func(db *DB) error {
				if err := db.Backfill(filled[:100]); err != nil {
					return err
				}
				return db.Append(filled[100:])
			}))
			w.expect(filled...)
			for _, suffix := range []string{stageSuffix, replacedSuffix} {
				require.NoDirExists(t, w.dir+suffix)
			}
			w.series = map[string]*Series{}
			w.open()
			w.check()
			w.restart()
			w.check()
			require.NoError(t, w.db.Close())
		})
	}
}

// Whenever it stops, there are the old series or the new ones.
func TestRebuildStops(t *testing.T) {
	w := settled(t)
	full := w.want
	broken := errors.New("broken")
	require.ErrorIs(t, w.rebuild(epoch.AddDate(0, 0, 5), func(db *DB) error {
		require.NoError(t, db.Append([]Sample{w.sample("Half", SampleTime(epoch.AddDate(0, 0, 6)), 1)}))
		return broken
	}), broken)
	require.NoDirExists(t, w.dir+stageSuffix)
	w.open()
	w.commit()
	w.check()
	require.NoError(t, w.db.Close())

	// A crash before the stage is whole leaves it behind.
	require.NoError(t, os.CopyFS(w.dir+stageSuffix, os.DirFS(w.dir)))
	w.open()
	w.check()
	require.NoDirExists(t, w.dir+stageSuffix)
	require.NoError(t, w.db.Close())

	// A crash after it is whole: before the first rename, between the two, and
	// before the old ones are deleted.
	for _, renames := range []int{0, 1, 2} {
		stage := w.dir + stageSuffix
		other := &world{t: t, dir: stage, now: w.now, want: map[string]map[int64]float64{}, series: map[string]*Series{}}
		other.open()
		other.append(other.sample("New", SampleTime(epoch.AddDate(0, 0, 6).Add(time.Duration(renames)*time.Minute)), 1))
		require.NoError(t, other.db.Close())
		require.NoError(t, os.WriteFile(filepath.Join(stage, stagedFile), nil, 0o666))
		if renames > 0 {
			require.NoError(t, os.Rename(w.dir, w.dir+replacedSuffix))
		}
		if renames > 1 {
			require.NoError(t, os.Rename(stage, w.dir))
		}
		w.want, w.series = other.want, map[string]*Series{}
		w.open()
		w.check()
		require.NoDirExists(t, stage)
		require.NoDirExists(t, w.dir+replacedSuffix)
		require.NoFileExists(t, filepath.Join(w.dir, stagedFile))
		require.NoError(t, w.db.Close())
	}
	require.NotEmpty(t, full)
}

func TestRebuildOfNothing(t *testing.T) {
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "a", "series"), now: epoch, want: map[string]map[int64]float64{}, series: map[string]*Series{}}
	require.NoError(t, w.rebuild(epoch.Add(-time.Hour), func(db *DB) error {
		return db.Append([]Sample{w.sample("A", SampleTime(epoch.Add(-time.Minute)), 1)})
	}))
	w.expect(w.sample("A", SampleTime(epoch.Add(-time.Minute)), 1))
	w.open()
	w.check()
	require.NoError(t, w.db.Close())
}
