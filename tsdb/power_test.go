package tsdb

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

// times is how often a test repeats: what the environment variable says, or
// usual, and a fraction of that with -short.
func times(t *testing.T, env string, usual int) int {
	t.Helper()
	if s := os.Getenv(env); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err, env)
		return n
	}
	if testing.Short() {
		return max(usual/5, 1)
	}
	return usual
}

// call is a call of Append or Backfill that a caller repeats after a crash.
type call struct {
	backfill bool
	samples  []call1
}

// call1 is a sample without its handle, which does not outlive a process.
type call1 struct {
	operation string
	t         int64
	v         float64
}

// power is a DB that is written to at random and loses its power.
type power struct {
	*world
	rnd *rand.Rand
	// minute is the one that is appended next.
	minute time.Time
	// flush numbers the flushes of late counts.
	flush uint64
	// since holds the calls since the last Sync, and synced the lengths of files
	// then.
	since  []call
	synced map[string]int64
	ops    int
}

func newPower(t *testing.T, seed uint64) *power {
	p := &power{
		world: &world{
			t: t, dir: filepath.Join(t.TempDir(), "0"), now: epoch.AddDate(0, 0, 30),
			want: map[string]map[int64]float64{}, series: map[string]*Series{},
		},
		rnd: rand.New(rand.NewPCG(seed, 1)), minute: epoch.AddDate(0, 0, 20),
		synced: map[string]int64{},
	}
	p.open()
	p.db.head.DisableCompactions()
	return p
}

// do makes a call, and checks that it takes everything in.
func (p *power) do(c call) {
	p.t.Helper()
	samples := make([]Sample, len(c.samples))
	for i, s := range c.samples {
		samples[i] = p.sample(s.operation, s.t, s.v)
	}
	if c.backfill {
		require.NoError(p.t, p.db.Backfill(samples))
	} else {
		require.NoError(p.t, p.db.Append(samples))
	}
	p.expect(samples...)
}

// step does one thing at random.
func (p *power) step() {
	p.t.Helper()
	p.ops++
	var c call
	switch n := p.rnd.IntN(100); {
	case n < 50:
		// A minute of live samples; some series are new, some come and go.
		for range 1 + p.rnd.IntN(8) {
			op := fmt.Sprintf("Op%d", p.rnd.IntN(12))
			if p.rnd.IntN(20) == 0 {
				op = fmt.Sprintf("New%d", p.ops)
			}
			c.samples = append(c.samples, call1{op, SampleTime(p.minute), float64(1 + p.rnd.IntN(50))})
		}
		p.minute = p.minute.Add(time.Duration(1+p.rnd.IntN(12)) * time.Minute)
	case n < 70:
		// Late counts, of today or of long ago, many for one series.
		p.flush++
		back := time.Duration(p.rnd.IntN(600)) * time.Minute
		if p.rnd.IntN(4) == 0 {
			back = time.Duration(p.rnd.IntN(15*24*60)) * time.Minute
		}
		for i := range 1 + p.rnd.IntN(60) {
			m := p.minute.Add(-back - time.Duration(i)*time.Minute)
			c.samples = append(c.samples, call1{fmt.Sprintf("Late%d", p.rnd.IntN(3)), LateSampleTime(m, p.flush), float64(1 + p.rnd.IntN(9))})
		}
	case n < 80:
		c.backfill = true
		p.flush++
		from := p.minute.Add(-time.Duration(p.rnd.IntN(10*24*60)) * time.Minute)
		for i := range 1 + p.rnd.IntN(200) {
			c.samples = append(c.samples, call1{fmt.Sprintf("Op%d", p.rnd.IntN(12)), LateSampleTime(from.Add(time.Duration(-7*i)*time.Minute), p.flush), 3})
		}
	case n < 86:
		require.NoError(p.t, p.db.CommitBackfill(context.Background(), nil))
		return
	case n < 92:
		require.NoError(p.t, p.db.head.Compact(context.Background()))
		return
	case n < 94:
		p.db.head.ForceHeadMMap()
		return
	default:
		p.sync()
		return
	}
	// One value a series and timestamp.
	seen := map[string]bool{}
	unique := c.samples[:0]
	for _, s := range c.samples {
		key := fmt.Sprint(s.operation, s.t)
		name := p.of(s.operation).Labels().String()
		if _, ok := p.want[name][s.t]; !ok && !seen[key] {
			seen[key] = true
			unique = append(unique, s)
		}
	}
	c.samples = unique
	p.since = append(p.since, c)
	p.do(c)
}

func (p *power) sync() {
	p.t.Helper()
	require.NoError(p.t, p.db.Sync())
	p.since = nil
	p.synced = lengths(p.t, p.dir)
}

// lengths tells how long each file under dir is.
func lengths(t *testing.T, dir string) map[string]int64 {
	t.Helper()
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

// garbage is what may stand behind the cut: zeros, noise, or what stood in
// other places of the file.
func (p *power) garbage(old []byte) []byte {
	b := make([]byte, p.rnd.IntN(40_000))
	switch p.rnd.IntN(3) {
	case 0:
		for i := range b {
			b[i] = byte(p.rnd.Uint32())
		}
	case 1:
		if len(old) > 0 {
			from := p.rnd.IntN(len(old))
			b = append([]byte{}, old[from:min(from+len(b), len(old))]...)
		}
	}
	return b
}

// crash takes the power away: of what was not fsynced, any beginning is left,
// with garbage behind it. The world goes on with what the disk holds.
func (p *power) crash() {
	p.t.Helper()
	to := filepath.Join(filepath.Dir(p.dir), strconv.Itoa(p.ops))
	// A commit of history fsyncs the logs by itself.
	p.db.stateMtx.Lock()
	for rel, size := range p.db.state.Files {
		p.synced[filepath.FromSlash(rel)] = max(p.synced[filepath.FromSlash(rel)], size)
	}
	p.db.stateMtx.Unlock()
	require.NoError(p.t, os.CopyFS(to, os.DirFS(p.dir)))
	require.NoError(p.t, p.db.Close())
	require.NoError(p.t, os.RemoveAll(p.dir))
	p.dir = to
	left := lengths(p.t, to)
	for _, rel := range slices.Sorted(maps.Keys(left)) { // In one order, or a seed would repeat nothing.
		size, path := left[rel], filepath.Join(to, rel)
		synced := p.synced[rel]
		switch {
		case strings.Contains(rel, "checkpoint."):
			// Fsynced before it was renamed.
		case strings.HasPrefix(rel, walDir), strings.HasPrefix(rel, wblDir), strings.HasPrefix(rel, backfillDir):
			require.GreaterOrEqual(p.t, size, synced, rel)
			p.cut(path, synced+p.rnd.Int64N(size-synced+1))
		case strings.HasPrefix(rel, headChunkDir):
			p.cut(path, p.rnd.Int64N(size+1))
		case filepath.Base(rel) == sumFile && synced == 0 && p.rnd.IntN(2) == 0:
			require.NoError(p.t, os.Remove(path))
		}
	}
	p.reopen()
}

// reopen opens the directory. What Open finds it makes durable.
func (p *power) reopen() {
	p.t.Helper()
	p.series = map[string]*Series{}
	p.open()
	p.db.head.DisableCompactions()
	p.synced = lengths(p.t, p.dir)
}

func (p *power) cut(path string, n int64) {
	p.t.Helper()
	old, err := os.ReadFile(path)
	require.NoError(p.t, err)
	b := append([]byte{}, old[:n]...)
	if p.rnd.IntN(3) == 0 {
		b = append(b, p.garbage(old)...)
	}
	require.NoError(p.t, os.WriteFile(path, b, 0o666))
}

// repeat makes all calls since the last Sync again, and compares every sample.
func (p *power) repeat() {
	p.t.Helper()
	require.Empty(p.t, p.db.Lost())
	for _, c := range p.since {
		p.do(c)
	}
	require.NoError(p.t, p.db.CommitBackfill(context.Background(), nil))
	p.compare()
}

// compare compares all that is stored with what must show.
func (p *power) compare() {
	p.t.Helper()
	got := p.read(p.db.Queryable())
	for name, samples := range p.want {
		for at, v := range samples {
			g, ok := got[name][at]
			require.True(p.t, ok, "%s at %s is lost", name, time.UnixMilli(at).UTC())
			require.Equal(p.t, v, g, "%s at %d", name, at)
		}
		require.Len(p.t, got[name], len(samples), name)
	}
	require.Len(p.t, got, len(p.want))
}

// Whatever the moment, what was written before the last Sync is there after a
// power cut, and what is written again is there once. One directory goes
// through several cuts, since some damage shows at the second start only.
func TestPowerCuts(t *testing.T) {
	cuts := times(t, "INSIGHTD_CUTS", 6)
	const perLife = 3
	for life := 0; life*perLife < cuts; life++ {
		t.Run(strconv.Itoa(life), func(t *testing.T) {
			p := newPower(t, uint64(life))
			defer func() { require.NoError(t, p.db.Close()) }()
			for range min(perLife, cuts-life*perLife) {
				for range 20 + p.rnd.IntN(60) {
					p.step()
				}
				p.crash()
				p.repeat()
				if p.rnd.IntN(2) == 0 {
					require.NoError(t, p.db.Close())
					p.reopen()
					p.compare()
				}
			}
			p.restart()
			p.compare()
		})
	}
}

// A program that is killed loses nothing that was written, only what was
// buffered of the backfill: the copy is what the kernel has.
func TestKilled(t *testing.T) {
	p := newPower(t, 77)
	defer func() { require.NoError(t, p.db.Close()) }()
	for range 80 {
		p.step()
	}
	for range 2 {
		to := p.dir + "-killed"
		require.NoError(t, os.CopyFS(to, os.DirFS(p.dir)))
		require.NoError(t, p.db.Close())
		p.dir = to
		p.reopen()
		p.repeat()
		for range 20 {
			p.step()
		}
	}
}

// Repeating everything there is changes nothing, wherever it stands.
func TestRepetitionChangesNothing(t *testing.T) {
	p := newPower(t, 5)
	defer func() { require.NoError(t, p.db.Close()) }()
	var all []call
	for range 80 {
		before := len(p.since)
		p.step()
		if len(p.since) > before {
			all = append(all, p.since[before:]...)
		}
	}
	for range 2 {
		for _, c := range all {
			p.do(c)
			// Through the other door too.
			c.backfill = !c.backfill
			p.do(c)
		}
		require.NoError(t, p.db.CommitBackfill(context.Background(), nil))
		p.compare()
		p.restart()
		p.db.head.DisableCompactions()
		p.compare()
	}

	// Another value is refused, whatever holds the first: told at once or at the
	// commit, counted, and never stored.
	want := map[string]map[int64]float64{}
	for name, samples := range p.want {
		want[name] = maps.Clone(samples)
	}
	told := 0
	for _, c := range all {
		samples := make([]Sample, len(c.samples))
		for i, s := range c.samples {
			samples[i] = p.sample(s.operation, s.t, s.v+1)
		}
		n := len(samples)
		var err error
		if c.backfill {
			require.NoError(t, p.db.Backfill(samples))
			err = p.db.CommitBackfill(context.Background(), nil)
		} else if err = p.db.Append(samples); p.db.PendingBackfill() > 0 {
			err = p.db.CommitBackfill(context.Background(), nil)
		}
		if n > 0 {
			require.ErrorIs(t, err, ErrConflict)
			told += n
		}
	}
	p.want = want
	p.compare()
	require.Equal(t, told, int(testutil.ToFloat64(p.db.metrics.refused[refusedConflict])))
}

// A block of out-of-order samples that reaches into the head's time is not
// merged with others: the merged block would be taken for where the head begins,
// and the next start would drop the head's samples before its end.
func TestMergesSpareTheHead(t *testing.T) {
	w := newWorld(t, epoch.AddDate(0, 0, 1))
	w.db.head.DisableCompactions()
	day := epoch.Add(6 * time.Hour)
	for m := -180; m < 7*60-10; m++ {
		w.append(w.sample("Live", SampleTime(day.Add(time.Duration(m)*time.Minute)), 1))
	}
	require.NoError(t, w.db.head.Compact(context.Background()))
	// The head has 10:00 to 12:50; late counts of 10:00 to 12:30 become blocks.
	for m := range 150 {
		w.append(w.sample("Live", LateSampleTime(day.Add(4*time.Hour+time.Duration(m)*time.Minute), 7), 2))
	}
	require.NoError(t, w.db.head.CompactOOOHead(context.Background()))
	require.NoError(t, w.db.head.Compact(context.Background()))
	w.check()
	w.restart()
	w.check()
	// Once the head is past them they are.
	w.db.head.DisableCompactions()
	for m := range 6 * 60 {
		w.append(w.sample("Live", SampleTime(day.Add(7*time.Hour+time.Duration(m)*time.Minute)), 1))
	}
	n := len(w.db.head.Blocks())
	require.NoError(t, w.db.head.Compact(context.Background()))
	require.Less(t, len(w.db.head.Blocks()), n)
	w.check()
	w.restart()
	w.check()
}
