package insight

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHarm loses a part of a journal that others count on: the store says so, over
// starts and compactions, until everything was put again.
func TestHarm(t *testing.T) {
	first := t.TempDir()
	again := func(s *Store) {
		for _, i := range []Insight{sample(0), sample(1), ended(sample(0), time.Minute)} {
			_, err := s.Put(i)
			require.NoError(t, err)
		}
	}
	s, err := Open(Options{Dir: first})
	require.NoError(t, err)
	again(s)
	want := records(t, s)
	require.NoError(t, s.Sync())
	require.Empty(t, s.Harm())
	require.NoError(t, s.Close())
	name := filepath.Base(journalFile(t, first))
	whole, err := os.ReadFile(filepath.Join(first, name))
	require.NoError(t, err)
	mark, err := os.ReadFile(filepath.Join(first, durableName))
	require.NoError(t, err)

	flipped := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for what, journal := range map[string][]byte{
		"a byte of another insight": flipped(bytes.Index(whole, []byte(sample(1).ID))),
		"a byte of the last":        flipped(len(whole) - 2),
		"a byte of its end":         whole[:len(whole)-1],
		"all but its beginning":     whole[:len(journalMagic)],
		"everything":                nil,
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), journal, 0o666))
			require.NoError(t, os.WriteFile(filepath.Join(dir, durableName), mark, 0o666))
			for range 2 {
				s, err := Open(Options{Dir: dir})
				require.NoError(t, err)
				require.NotEmpty(t, s.Harm())
				require.NotEqual(t, want, records(t, s))
				require.NoError(t, s.Sync())
				require.NoError(t, s.compact())
				require.NoError(t, s.Close())
			}
			s, err := Open(Options{Dir: dir})
			require.NoError(t, err)
			require.NotEmpty(t, s.Harm())
			again(s)
			require.NoError(t, s.Mended())
			require.Empty(t, s.Harm())
			require.NoError(t, s.Close())
			s, err = Open(Options{Dir: dir})
			require.NoError(t, err)
			require.Empty(t, s.Harm())
			require.Equal(t, want, records(t, s))
			require.NoError(t, s.Close())
		})
	}

	// What nobody counts on yet is a torn tail, and a mark that cannot be read says
	// nothing.
	dir := t.TempDir()
	s, err = Open(Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Sync())
	again(s)
	require.NoError(t, s.Close())
	require.NoError(t, os.Truncate(filepath.Join(dir, name), int64(len(whole)-1)))
	for _, b := range [][]byte{nil, mark[:len(mark)-1], bytes.Replace(mark, []byte(" "), []byte("  "), 1), {}} {
		if b != nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, durableName), b, 0o666))
		}
		s, err = Open(Options{Dir: dir})
		require.NoError(t, err)
		require.Empty(t, s.Harm())
		again(s)
		require.Equal(t, want, records(t, s))
		require.NoError(t, s.Close())
	}
}
