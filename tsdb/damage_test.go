package tsdb

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
)

// damaged is a directory with every kind of file that series have, and what it
// must show.
func damaged(t *testing.T, closed bool) *power {
	t.Helper()
	p := newPower(t, 3)
	p.fill(t)
	p.sync()
	if closed {
		require.NoError(t, p.db.Close())
		return p
	}
	to := p.dir + "-killed"
	require.NoError(t, os.CopyFS(to, os.DirFS(p.dir)))
	require.NoError(t, p.db.Close())
	p.dir = to
	return p
}

func (p *power) fill(t *testing.T) {
	t.Helper()
	for range 40 {
		p.step()
	}
	// Some compactions make a checkpoint of the log.
	for range 6 {
		for range 40 {
			p.do(call{samples: []call1{{"Live", SampleTime(p.minute), 2}, {"Op" + strconv.Itoa(p.rnd.IntN(9)), SampleTime(p.minute) + 1, 1}}})
			p.minute = p.minute.Add(7 * time.Minute)
		}
		require.NoError(t, p.db.head.Compact(context.Background()))
	}
	for i := range 60 {
		p.flush++
		p.do(call{samples: []call1{{"Late0", LateSampleTime(p.minute.Add(-time.Duration(i)*time.Minute), p.flush), 4}}})
	}
	p.db.head.ForceHeadMMap()
	for i := range 200 {
		p.flush++
		p.do(call{backfill: true, samples: []call1{{"Op" + strconv.Itoa(i%20), LateSampleTime(p.minute.Add(-time.Duration(i)*33*time.Minute), p.flush), 5}}})
	}
	checkpoints, err := filepath.Glob(filepath.Join(p.dir, walDir, "checkpoint.*"))
	require.NoError(t, err)
	require.NotEmpty(t, checkpoints)
}

// kindOf groups files, so that each kind is hit as often as others.
func kindOf(rel string) string {
	switch {
	case strings.Contains(rel, "checkpoint."):
		return "checkpoint"
	case strings.Contains(rel, chunksDir+"/"):
		return "block chunks"
	case len(rel) > 27 && rel[26] == '/':
		return filepath.Base(rel)
	}
	return strings.Split(rel, "/")[0]
}

// glance reads what is stored as far as there is no error.
func (p *power) glance() (got map[string]map[int64]float64, failed error) {
	p.t.Helper()
	got = map[string]map[int64]float64{}
	q, err := p.db.Queryable().Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return got, err
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, notHeartbeat())
	for set.Next() {
		name := set.At().Labels().String()
		got[name] = map[int64]float64{}
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			got[name][at] = v
		}
		if it.Err() != nil {
			failed = it.Err()
		}
	}
	if set.Err() != nil {
		failed = set.Err()
	}
	return got, failed
}

// nothingFalse checks that what was read is true.
func (p *power) nothingFalse(got map[string]map[int64]float64) {
	p.t.Helper()
	for name, samples := range got {
		for at, v := range samples {
			want, ok := p.want[name][at]
			require.True(p.t, ok, "%s at %d was never written", name, at)
			require.Equal(p.t, want, v, "%s at %d", name, at)
		}
	}
}

// missing counts what is not there, and checks that Lost tells of it.
func (p *power) missing(got map[string]map[int64]float64) int {
	p.t.Helper()
	n := 0
	lost := p.db.Lost()
	for name, samples := range p.want {
		for at := range samples {
			if _, ok := got[name][at]; ok {
				continue
			}
			n++
			require.True(p.t, slices.ContainsFunc(lost, func(r Range) bool { return at >= r.Mint && at <= r.Maxt }),
				"%s at %d is gone, and is not in %v", name, at, lost)
		}
	}
	return n
}

// A byte that is not what it was, wherever it is: the DB opens, serves nothing
// false, tells what is gone, and is whole once that is written again.
func TestFlippedBytes(t *testing.T) {
	flips := times(t, "INSIGHTD_FLIPS", 22)
	for _, closed := range []bool{true, false} {
		name := "killed"
		if closed {
			name = "closed"
		}
		t.Run(name, func(t *testing.T) {
			p := damaged(t, closed)
			base, want := p.dir, p.want
			byKind := map[string][]string{}
			for rel, size := range lengths(t, base) {
				if size > 0 && filepath.Base(rel) != "lock" {
					byKind[kindOf(rel)] = append(byKind[kindOf(rel)], rel)
				}
			}
			kinds := slices.Sorted(maps.Keys(byKind))
			require.GreaterOrEqual(t, len(kinds), 9, kinds)
			outcome := map[string]*[4]int{}
			rnd := rand.New(rand.NewPCG(uint64(flips), 9))
			for i := range flips / 2 {
				kind := kinds[i%len(kinds)]
				rels := byKind[kind]
				slices.Sort(rels)
				rel := rels[rnd.IntN(len(rels))]
				p.dir = filepath.Join(t.TempDir(), "d")
				require.NoError(t, os.CopyFS(p.dir, os.DirFS(base)))
				p.want, p.series = want, map[string]*Series{}
				path := filepath.Join(p.dir, rel)
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				at := rnd.IntN(len(b))
				// Much is padding: three of four flips hit what says something.
				for try := 0; try < 1000 && b[at] == 0 && i%4 != 0; try++ {
					at = rnd.IntN(len(b))
				}
				was := b[at]
				for b[at] == was {
					b[at] = byte(rnd.Uint32())
				}
				require.NoError(t, os.WriteFile(path, b, 0o666))
				what := fmt.Sprintf("%s, byte %d from %d to %d", rel, at, was, b[at])
				t.Log(what)
				o := outcome[kind]
				if o == nil {
					o = new([4]int)
					outcome[kind] = o
				}
				o[0]++
				p.flipped(o)
				require.NoError(t, os.RemoveAll(p.dir))
			}
			for _, kind := range kinds {
				if o := outcome[kind]; o != nil {
					t.Logf("%-14s flips %d, errors at first %d, told %d, something lost %d", kind, o[0], o[1], o[2], o[3])
				}
			}
		})
	}
}

// flipped opens a directory in which a byte was flipped and looks at all of it.
func (p *power) flipped(o *[4]int) {
	t := p.t
	t.Helper()
	p.open()
	defer func() { require.NoError(t, p.db.Close()) }()
	p.db.head.DisableCompactions()
	got, err := p.glance()
	p.nothingFalse(got)
	if err != nil {
		o[1]++
	}
	require.NoError(t, p.db.Verify(context.Background()))
	require.NoError(t, p.db.CommitBackfill(context.Background(), nil))
	got, err = p.glance()
	require.NoError(t, err)
	p.nothingFalse(got)
	told := 0.0
	for _, kind := range []string{corruptLog, corruptBlock, corruptBackfill} {
		told += testutil.ToFloat64(p.db.metrics.corruptions.WithLabelValues(kind))
	}
	if told > 0 {
		o[2]++
	}
	if p.missing(got) > 0 {
		o[3]++
		require.Positive(t, told)
	}
	lost := p.db.Lost()

	// It stays so after a restart, and what is lost is remembered.
	require.NoError(t, p.db.Close())
	p.series = map[string]*Series{}
	p.open()
	p.db.head.DisableCompactions()
	again, err := p.glance()
	require.NoError(t, err)
	require.Equal(t, got, again)
	require.Equal(t, lost, p.db.Lost())

	// Everything is written again.
	var all []Sample
	for name, samples := range p.want {
		lset, err := parseLabels(name)
		require.NoError(t, err)
		s := NewSeries(lset)
		for at, v := range samples {
			all = append(all, Sample{Series: s, T: at, V: v})
		}
	}
	require.NoError(t, p.db.Backfill(all))
	require.NoError(t, p.db.CommitBackfill(context.Background(), nil))
	p.compare()
	require.NoError(t, p.db.Sync())
	for _, r := range lost {
		require.NoError(t, p.db.Restored(r))
	}
	require.Empty(t, p.db.Lost())
}
