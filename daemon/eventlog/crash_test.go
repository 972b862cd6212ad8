package eventlog

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// built is a log on disk with something in every kind of file: sealed segments,
// segments without an index, a write-ahead log and control records.
type built struct {
	dir     string
	events  []event.Event
	byUID   map[string]event.Event
	lastSeq uint64
	durable int // How many of the events must survive a crash.
}

func build(t testing.TB) *built {
	t.Helper()
	b := &built{dir: t.TempDir(), byUID: map[string]event.Event{}}
	g := newTraffic(11, 2)
	b.events = g.events(600, 3*time.Hour)
	key := keyOf(&b.events[0])
	l := openTest(t, Options{Dir: b.dir, BlockEvents: 60})
	_, err := l.Append(ctx, b.events[:300], Replayable)
	require.NoError(t, err)
	require.NoError(t, l.Close()) // Which seals.

	l = openTest(t, Options{Dir: b.dir, BlockEvents: 60})
	_, err = l.Append(ctx, b.events[300:450], Logged)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: key, Time: day0.Add(time.Hour)})
	require.NoError(t, err)
	for chunk := range slices.Chunk(b.events[450:], 10) {
		_, err = l.Append(ctx, chunk, Logged)
		require.NoError(t, err)
	}
	_, err = l.AppendControl(ctx, event.Control{Kind: event.ControlWatermark, Stream: key, Time: day0.Add(2 * time.Hour)})
	require.NoError(t, err)
	b.durable, b.lastSeq = 600, l.Stats().LastSeq
	for _, e := range b.events {
		b.byUID[e.UID] = e
	}
	b.dir = copyDir(t, b.dir) // The crash.
	return b
}

func (b *built) files(t testing.TB) []string {
	var out []string
	require.NoError(t, filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "LOCK" {
			rel, _ := filepath.Rel(b.dir, path)
			out = append(out, rel)
		}
		return err
	}))
	return out
}

// requireTrue opens a damaged copy and checks that everything it serves is what
// was stored. It returns how many events there are and what damage was found.
func (b *built) requireTrue(t testing.TB, dir string) (events int, damage uint64) {
	t.Helper()
	l, err := Open(Options{Dir: dir, BlockEvents: 60, tap: withoutSync})
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, e := range got {
		require.False(t, seen[e.UID], "served twice")
		seen[e.UID] = true
		want, ok := b.byUID[e.UID]
		require.True(t, ok, "an event that nobody stored: %q", e.UID)
		if e.Seq > b.lastSeq {
			want.Seq = e.Seq // Lost before, and stored anew.
		}
		require.Equal(t, stored(want, false), e)
	}
	page, err := l.Events(ctx, event.Query{Limit: 1000, Raw: true})
	require.NoError(t, err)
	for _, e := range page.Events {
		want := stored(b.byUID[e.UID], true)
		if e.Seq > b.lastSeq {
			want.Seq = e.Seq
		}
		if e.Raw == nil {
			want.Raw = nil // Lost, which is told as damage.
		}
		require.Equal(t, want, e)
	}
	_, err = l.Events(ctx, event.Query{Filter: `"no such text anywhere"`})
	require.NoError(t, err)
	last := uint64(0)
	for c := range l.Controls {
		require.Equal(t, event.ControlWatermark, c.Kind)
		require.Greater(t, c.Seq, last)
		last = c.Seq
	}
	l.Verify(ctx)
	damage = l.Stats().Corruptions

	// The log goes on: what was lost can be stored again.
	again := slices.Clone(b.events)
	rec, err := l.Append(ctx, again, Logged)
	require.NoError(t, err)
	require.Equal(t, len(b.events), rec.Accepted+rec.Duplicates)
	require.NoError(t, l.Flush(ctx))
	for _, e := range b.events[:5] {
		_, ok, err := l.Get(ctx, e.UID)
		require.NoError(t, err)
		require.True(t, ok)
	}
	return len(got), damage
}

func TestCrashLosesNothingThatIsDurable(t *testing.T) {
	b := build(t)
	files := b.files(t)
	for _, kind := range []string{".seg", ".idx", "events-", "control-"} {
		require.True(t, slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, kind) }), "no %s among %v", kind, files)
	}
	n, damage := b.requireTrue(t, copyDir(t, b.dir))
	require.Equal(t, b.durable, n)
	require.Zero(t, damage)
	// A crash while it recovers, and again.
	for range 3 {
		dir := copyDir(t, b.dir)
		l, err := Open(Options{Dir: dir, BlockEvents: 60})
		require.NoError(t, err)
		b.dir = copyDir(t, dir)
		require.NoError(t, l.Close())
	}
	n, damage = b.requireTrue(t, b.dir)
	require.Equal(t, b.durable, n)
	require.Zero(t, damage)
}

// TestFlippedBytes flips bits of one byte after another, spread over every
// file. Open must work, nothing false be served, and the damage be told.
func TestFlippedBytes(t *testing.T) {
	b := build(t)
	places := 20
	if testing.Short() {
		places = 4
	}
	for _, file := range b.files(t) {
		clean, err := os.ReadFile(filepath.Join(b.dir, file))
		require.NoError(t, err)
		lost := 0
		for i := range places {
			at := (2*i - places) * len(clean) / places
			if i < places/2 {
				at = i // The header byte by byte.
			}
			dir := copyDir(t, b.dir)
			bad := slices.Clone(clean)
			bad[at] ^= 1 << (i % 8)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), bad, 0o640))
			n, damage := b.requireTrue(t, dir)
			require.NotZero(t, damage, "%s: byte %d of %d", file, at, len(clean))
			lost = max(lost, b.durable-n)
		}
		t.Logf("%s: at most %d of %d events lost", file, lost, b.durable)
		require.LessOrEqual(t, lost, 60, "more than the block that was hit")
		if strings.HasSuffix(file, ".idx") || strings.Contains(file, "control") {
			require.Zero(t, lost)
		}
	}
}

// TestCutFiles cuts every file at places spread over it.
func TestCutFiles(t *testing.T) {
	b := build(t)
	for _, file := range b.files(t) {
		clean, err := os.ReadFile(filepath.Join(b.dir, file))
		require.NoError(t, err)
		last := 0
		for i := range 7 {
			dir := copyDir(t, b.dir)
			require.NoError(t, os.WriteFile(filepath.Join(dir, file), clean[:i*len(clean)/7], 0o640))
			n, _ := b.requireTrue(t, dir)
			require.GreaterOrEqual(t, n, last, "the longer the file, the more is there")
			last = n
			_, damage := b.requireTrue(t, dir)
			require.Zero(t, damage, "what was damaged is repaired: %s cut at %d of %d", file, i*len(clean)/7, len(clean))
		}
	}
}

// TestDamage damages one random place of a random file after another: a bit is
// flipped, a byte goes missing, is added, a sector is zero, or the rest is cut.
// What is lost is told, nothing false is served, and the log goes on.
func TestDamage(t *testing.T) {
	b := build(t)
	files := b.files(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range cuts(t, 40) {
		file := files[r.IntN(len(files))]
		p, err := os.ReadFile(filepath.Join(b.dir, file))
		require.NoError(t, err)
		clean := slices.Clone(p)
		at := r.IntN(len(p))
		what := r.IntN(5)
		switch what {
		case 0:
			p[at] ^= 1 << r.IntN(8)
		case 1:
			p = slices.Delete(p, at, at+1)
		case 2:
			p = slices.Insert(p, at, byte(r.Uint32()))
		case 3:
			clear(p[at:min(at+512, len(p))])
		case 4:
			p = p[:at]
		}
		dir := copyDir(t, b.dir)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), p, 0o640))
		n, damage := b.requireTrue(t, dir)
		// A file that is cut between two records is a whole file that is shorter.
		if what != 4 && !bytes.Equal(p, clean) {
			require.NotZero(t, damage, "%d: %s, %d at %d of %d", i, file, what, at, len(clean))
		}
		if strings.HasSuffix(file, ".idx") || strings.Contains(file, "control") {
			require.Equal(t, b.durable, n, "%d: %s, %d at %d of %d", i, file, what, at, len(clean))
		}
		require.NoError(t, os.RemoveAll(dir))
	}
}

func TestMissingFiles(t *testing.T) {
	b := build(t)
	for _, file := range b.files(t) {
		dir := copyDir(t, b.dir)
		require.NoError(t, os.Remove(filepath.Join(dir, file)))
		n, _ := b.requireTrue(t, dir)
		if strings.HasSuffix(file, ".idx") {
			require.Equal(t, b.durable, n)
		}
	}
}

func TestTornTails(t *testing.T) {
	b := build(t)
	for _, tail := range []string{"x", strings.Repeat("\x00", 5000), blockMagic + "\x01\x00\x00\x00\xff\xff\x00\x00", frameMagic + strings.Repeat("\x01", 40)} {
		for _, file := range b.files(t) {
			if strings.HasSuffix(file, ".idx") {
				continue
			}
			dir := copyDir(t, b.dir)
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString(tail)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			n, damage := b.requireTrue(t, dir)
			require.Equal(t, b.durable, n)
			require.Equal(t, uint64(1), damage, "%s with %q", file, tail)
			n, damage = b.requireTrue(t, dir)
			require.Equal(t, b.durable, n)
			require.Zero(t, damage, "it is cut for good")
		}
	}
}

func TestNewerVersionsAreNotTouched(t *testing.T) {
	b := build(t)
	for _, file := range b.files(t) {
		if !strings.HasSuffix(file, ".seg") {
			continue
		}
		path := filepath.Join(b.dir, file)
		os.Remove(indexPath(path))
		p, err := os.ReadFile(path)
		require.NoError(t, err)
		hour, _ := segmentHour(strings.TrimPrefix(file, "events/"))
		n, err := peekHeader(p[segmentHeader:])
		require.NoError(t, err)
		block := p[segmentHeader : segmentHeader+n]
		block[4] = blockVersion + 1
		putHeaderSum(block, hour)
		require.NoError(t, os.WriteFile(path, p, 0o640))
		_, err = Open(Options{Dir: b.dir})
		require.ErrorIs(t, err, errVersion)
		require.ErrorContains(t, err, "block has version 2")
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, p, after)
		return
	}
}
