package insight

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func journalFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, journalPrefix+"*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

// fill puts a few insights with all kinds of change into a new directory.
func fill(t *testing.T) (dir string, want map[string][]Record) {
	dir = t.TempDir()
	s := open(t, func(o *Options) { o.Dir = dir })
	i := sample(0)
	put(t, s, i)
	i.Confidence = 0.5
	put(t, s, i, ended(i, time.Minute), sample(1), ended(sample(2), time.Minute))
	gone := sample(1)
	gone.State = StateWithdrawn
	put(t, s, gone)
	want = records(t, s)
	require.NoError(t, s.Close())
	return dir, want
}

func records(t *testing.T, s *Store) map[string][]Record {
	t.Helper()
	out := map[string][]Record{}
	for _, state := range []State{"", StateWithdrawn} {
		page, err := s.List(Query{State: state})
		require.NoError(t, err)
		for _, i := range page.Insights {
			out[i.ID] = s.Records(i.ID)
		}
	}
	return out
}

func TestReopen(t *testing.T) {
	dir, want := fill(t)
	for range 2 {
		s := open(t, func(o *Options) { o.Dir = dir })
		require.Equal(t, want, records(t, s))
		i := sample(2)
		i = ended(i, time.Minute)
		changed, err := s.Put(i)
		require.NoError(t, err)
		require.False(t, changed, "what was kept is known")
		require.NoError(t, s.Close())
	}
}

// TestTornTail cuts the journal at every byte: what is left is a beginning of
// what was put, and the next insight is kept.
func TestTornTail(t *testing.T) {
	dir, _ := fill(t)
	whole, err := os.ReadFile(journalFile(t, dir))
	require.NoError(t, err)
	var frames []int // Where each ends.
	_, err = readJournal(bytes.NewReader(whole), func(f frame) error {
		last := len(journalMagic)
		if len(frames) > 0 {
			last = frames[len(frames)-1]
		}
		frames = append(frames, last+int(f.bytes()))
		return nil
	})
	require.NoError(t, err)
	require.Len(t, frames, 6)

	for n := 0; n < len(whole); n += 1 + n/40 {
		dir := t.TempDir()
		name := filepath.Join(dir, journalName(1))
		require.NoError(t, os.WriteFile(name, whole[:n], 0o666))
		s, err := Open(Options{Dir: dir})
		require.NoError(t, err, "cut at %d", n)
		good := 0
		for _, end := range frames {
			if end <= n {
				good = end
			}
		}
		if good == 0 && n >= len(journalMagic) {
			good = len(journalMagic)
		}
		require.Equal(t, float64(n-good), testutil.ToFloat64(s.metrics.cut), "cut at %d", n)
		put(t, s, sample(50))
		require.NoError(t, s.Close())
		s, err = Open(Options{Dir: dir})
		require.NoError(t, err)
		_, ok := s.Get(sample(50).ID)
		require.True(t, ok, "cut at %d", n)
		require.Zero(t, testutil.ToFloat64(s.metrics.cut))
		require.NoError(t, s.Close())
	}
}

func TestCorruptFrame(t *testing.T) {
	dir, want := fill(t)
	name := journalFile(t, dir)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	at := bytes.Index(b, []byte(sample(2).ID))
	require.Positive(t, at)
	b[at] ^= 1
	require.NoError(t, os.WriteFile(name, b, 0o666))

	s := open(t, func(o *Options) { o.Dir = dir })
	delete(want, sample(2).ID)
	require.Equal(t, want, records(t, s), "it costs that frame only")
	require.Equal(t, 1.0, testutil.ToFloat64(s.metrics.corrupt))
}

func TestForeignJournal(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, journalName(3))
	require.NoError(t, os.WriteFile(name, []byte("insightd insights 2\nwhatever that has"), 0o666))
	_, err := Open(Options{Dir: dir})
	require.ErrorIs(t, err, errNoJournal)
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, "insightd insights 2\nwhatever that has", string(b), "it is left as it was")
}

// TestHarmedBeginning is of a journal that no insight was written to yet, too.
func TestHarmedBeginning(t *testing.T) {
	for _, frames := range []int{0, 1} {
		whole := []byte(journalMagic)
		for range frames {
			whole = appendFrame(whole, frameReset, nil)
		}
		dir := t.TempDir()
		name := filepath.Join(dir, journalName(1))
		for at := range len(journalMagic) {
			b := slices.Clone(whole)
			b[at] ^= 4
			require.NoError(t, os.WriteFile(name, b, 0o666))
			s, err := Open(Options{Dir: dir})
			require.NoError(t, err)
			require.NoError(t, s.Close())
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Equal(t, whole, got)
		}
	}
}

func TestCompact(t *testing.T) {
	dir, _ := fill(t)
	s := open(t, func(o *Options) { o.Dir = dir })
	i := sample(1)
	i.State = StateStart
	for n := range 200 {
		i.Observed = float64(n) + 100
		put(t, s, i)
	}
	before := s.journalSize()
	require.Greater(t, s.journal.garbage, before/2)

	// Writers go on while it is written.
	c, err := s.journal.begin()
	require.NoError(t, err)
	put(t, s, sample(60))
	c.abandon()
	require.NoError(t, s.compact())
	require.Less(t, s.journalSize(), before/4)
	put(t, s, sample(61))
	want := records(t, s)
	require.NoError(t, s.Close())
	require.Equal(t, journalName(2), filepath.Base(journalFile(t, dir)))

	s = open(t, func(o *Options) { o.Dir = dir })
	require.Equal(t, want, records(t, s))
	require.Zero(t, s.journal.garbage)
}

// TestCompactLate puts an insight between the snapshot and the swap.
func TestCompactLate(t *testing.T) {
	dir, _ := fill(t)
	s := open(t, func(o *Options) { o.Dir = dir })
	c, err := s.journal.begin()
	require.NoError(t, err)
	put(t, s, sample(70))
	s.mtx.Lock()
	err = c.finish()
	s.mtx.Unlock()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, func(o *Options) { o.Dir = dir })
	_, ok := s.Get(sample(70).ID)
	require.True(t, ok)
}

func TestCrashWhileCompacting(t *testing.T) {
	dir, want := fill(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, journalName(2)+journalPartial), []byte("half"), 0o666))
	s := open(t, func(o *Options) { o.Dir = dir })
	require.Equal(t, want, records(t, s))
	require.NoError(t, s.Close())
	require.Equal(t, journalName(1), filepath.Base(journalFile(t, dir)))
}

func FuzzJournal(f *testing.F) {
	whole := []byte(journalMagic)
	whole = appendFrame(whole, frameRevision, []byte(`{"start":{"id":"a"}}`))
	whole = appendFrame(whole, frameDelete, []byte("a"))
	whole = appendFrame(whole, frameReset, nil)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	hit := slices.Clone(whole)
	hit[len(journalMagic)] ^= 0x10 // A length, so that the next frame has to be looked for.
	f.Add(hit)
	f.Add([]byte(journalMagic))
	f.Add([]byte("insightd"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		type kept struct {
			kind    byte
			payload string
		}
		read := func(b []byte) (found findings, frames []kept, err error) {
			found, err = readJournal(bytes.NewReader(b), func(f frame) error {
				frames = append(frames, kept{f.kind, string(f.payload)})
				return nil
			})
			return found, frames, err
		}
		found, frames, err := read(b)
		require.NoError(t, err)
		require.LessOrEqual(t, found.good, int64(len(b)))
		require.Len(t, frames, found.frames)
		// What is good stays so when the rest is cut off and more is put behind.
		if found.good == 0 {
			return
		}
		again := appendFrame(slices.Clone(b[:found.good]), frameDelete, []byte("next"))
		second, more, err := read(again)
		require.NoError(t, err)
		require.Equal(t, int64(len(again)), second.good)
		require.Equal(t, append(frames, kept{frameDelete, "next"}), more)
		require.Equal(t, found.corrupt, second.corrupt)
	})
}

func TestReadJournalError(t *testing.T) {
	_, err := readJournal(io.MultiReader(bytes.NewReader([]byte(journalMagic+"12")), errReader{}), func(frame) error { return nil })
	require.ErrorIs(t, err, os.ErrPermission)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, os.ErrPermission }
