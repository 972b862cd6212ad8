package source

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func someEntries() map[string]entry {
	return map[string]entry{
		"/logs/a.json.gz":         {stat: stat{size: 10, mtime: 1772000000123456789, dev: 66, ino: 1 << 40}, offset: 10, records: 3, headLen: 10, head: 1 << 63, newest: -5},
		"/logs/a.json.gz.1":       {stat: stat{size: 1 << 40, mtime: -1}, offset: 1 << 39, lines: true, newest: 1772000000000000000},
		"":                        {},
		"/logs/ü \n\x00\xff.json": {stat: stat{mtime: 1}},
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	cp, err := OpenCheckpoints(filepath.Join(t.TempDir(), "a", "b"))
	require.NoError(t, err)
	entries, err := cp.load("logs")
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NotNil(t, entries)

	require.NoError(t, cp.save("logs", encodeCheckpoint("logs", someEntries())))
	entries, err = cp.load("logs")
	require.NoError(t, err)
	require.Equal(t, someEntries(), entries)

	require.NoError(t, cp.save("logs", encodeCheckpoint("logs", nil)))
	entries, err = cp.load("logs")
	require.NoError(t, err)
	require.Empty(t, entries)

	// Names that are alike in the file system have files of their own.
	require.NotEqual(t, cp.path("a/b"), cp.path("a_b"))
	require.Equal(t, cp.dir, filepath.Dir(cp.path("../../a")))
	left, err := filepath.Glob(filepath.Join(cp.dir, "*.tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// Whatever byte of a checkpoint is wrong or missing, it is refused.
func TestCheckpointDamage(t *testing.T) {
	good := encodeCheckpoint("logs", someEntries())
	for i := range good {
		_, err := decodeCheckpoint(good[:i], "logs")
		require.Error(t, err, "cut at %d", i)
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x20
		_, err = decodeCheckpoint(bad, "logs")
		require.Error(t, err, "changed at %d", i)
	}
	_, err := decodeCheckpoint(append(slices.Clip(good), 0), "logs")
	require.Error(t, err)
	_, err = decodeCheckpoint(good, "other")
	require.EqualError(t, err, `it is of the source "logs"`)
	next := append([]byte(nil), good...)
	next[len(checkpointMagic)] = 2
	_, err = decodeCheckpoint(next, "logs")
	require.EqualError(t, err, "it has version 2, known is 1")
}

func TestCheckpointErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err := OpenCheckpoints(file)
	require.ErrorContains(t, err, "opening the checkpoints: ")

	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(cp.path("logs"), 0o755)) // A folder in its place.
	_, err = cp.load("logs")
	require.ErrorContains(t, err, "reading the checkpoint ")
	require.ErrorContains(t, cp.save("logs", []byte("x")), "writing the checkpoint ")
}

// Whatever is in the file, reading it does not panic, does not take memory that
// the file does not justify, and what is taken is written back the same.
func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add(encodeCheckpoint("logs", someEntries()))
	f.Add(encodeCheckpoint("logs", nil))
	f.Add([]byte(checkpointMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum is put right, so that what is behind it is reached.
		if len(b) > 4 {
			b = sealed(b[:len(b)-4])
		}
		entries, err := decodeCheckpoint(b, "logs")
		if err != nil {
			return
		}
		again, err := decodeCheckpoint(encodeCheckpoint("logs", entries), "logs")
		require.NoError(t, err)
		require.Equal(t, entries, again)
	})
}

// A line that is an envelope of many records is read on from its start: what is
// around them says whose they are.
func TestCheckpointStandsBetweenEnvelopes(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	for n := range 3 {
		b.Write(document(n*130, n*130+130))
	}
	in := bytes.ReplaceAll(b.Bytes(), []byte("\n"), nil)
	in = bytes.ReplaceAll(in, []byte("]}{"), []byte("]}\n{"))
	write(t, in, dir, "in", "a.json")
	ends := map[int64]bool{0: true, int64(len(in)): true}
	for i, c := range in {
		if c == '\n' {
			ends[int64(i)] = true // Its line break may be read with the next.
			ends[int64(i)+1] = true
		}
	}
	cp, err := OpenCheckpoints(filepath.Join(dir, "state"))
	require.NoError(t, err)
	sink := newRecorder()
	f, err := NewFolder(FolderOptions{Path: filepath.Join(dir, "in"), Name: "in", Checkpoints: cp, BatchEvents: 100, Workers: 1})
	require.NoError(t, err)
	sink.refuse = func() error {
		f.mtx.Lock()
		defer f.mtx.Unlock()
		for _, fl := range f.files {
			require.True(t, ends[fl.offset], "a mark at byte %d", fl.offset)
		}
		return nil
	}
	require.NoError(t, f.Run(t.Context(), sink))
	require.Equal(t, 390, sink.count())
}
