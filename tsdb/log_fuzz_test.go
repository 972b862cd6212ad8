package tsdb

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/stretchr/testify/require"
)

// logOf is a file of a log with some records, as Prometheus writes it.
func logOf(t testing.TB, c compression.Type, records ...[]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	w, err := wlog.NewSize(slog.New(slog.DiscardHandler), nil, dir, wlog.DefaultSegmentSize, c)
	require.NoError(t, err)
	require.NoError(t, w.Log(records...))
	require.NoError(t, w.Close())
	b, err := os.ReadFile(filepath.Join(dir, "00000000"))
	require.NoError(t, err)
	return b
}

// someRecords are records of a few bytes up to several pages.
func someRecords(n int) [][]byte {
	rnd := rand.New(rand.NewPCG(uint64(n), 1))
	out := make([][]byte, n)
	for i := range out {
		out[i] = make([]byte, 1+rnd.IntN(90_000>>rnd.IntN(12)))
		for j := range out[i] {
			out[i][j] = byte(rnd.Uint32())
		}
	}
	return out
}

func TestScanLog(t *testing.T) {
	want := someRecords(60)
	for _, c := range compression.Types() {
		b := logOf(t, c, want...)
		var got [][]byte
		keep := func(r []byte) error { got = append(got, bytes.Clone(r)); return nil }
		sc, err := scanLog(bytes.NewReader(b), keep)
		require.NoError(t, err)
		require.False(t, sc.damaged)
		require.Equal(t, want, got)
		require.Equal(t, len(want), sc.records)

		// A byte that is flipped costs what is in its page at most, and what
		// is read is what was written, in order.
		for at := 5; at < len(b); at += 4099 {
			broken := bytes.Clone(b)
			broken[at] ^= 4
			got = nil
			sc, err := scanLog(bytes.NewReader(broken), keep)
			require.NoError(t, err)
			require.True(t, sc.damaged, at)
			require.LessOrEqual(t, sc.bad, int64(at))
			require.LessOrEqual(t, sc.good, sc.bad)
			next := 0
			for _, r := range got {
				for next < len(want) && !bytes.Equal(want[next], r) {
					next++
				}
				require.Less(t, next, len(want))
				next++
			}
			whole, err := scanLog(bytes.NewReader(broken[:sc.good]), nil)
			require.NoError(t, err)
			require.False(t, whole.damaged)
		}
	}
}

func FuzzScanLog(f *testing.F) {
	f.Add(logOf(f, compression.Snappy, []byte("a record"), bytes.Repeat([]byte("long "), 20_000)))
	f.Add(logOf(f, compression.None, []byte("a record"), []byte{}))
	f.Add(logOf(f, compression.Zstd, bytes.Repeat([]byte("z"), 400))[:450])
	f.Add(make([]byte, logPage+3))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		sc, err := scanLog(bytes.NewReader(b), func([]byte) error { n++; return nil })
		if err != nil || n != sc.records || sc.good > int64(len(b)) || sc.damaged && sc.good > sc.bad {
			t.Fatalf("%+v of %d bytes, %d records: %v", sc, len(b), n, err)
		}
		if !sc.damaged {
			return
		}
		// What is cut there has no damage left.
		if cut, err := scanLog(bytes.NewReader(b[:sc.good]), nil); err != nil || cut.damaged || cut.good != sc.good {
			t.Fatalf("cut at %d: %+v: %v", sc.good, cut, err)
		}
	})
}

func FuzzChecked(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte("a\nb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if line, ok := checked(b); ok && !bytes.Equal(withChecksum(line)[:len(line)], line) {
			t.Fatal("line is not what it was")
		}
		if bytes.IndexByte(b, '\n') >= 0 {
			return
		}
		line, ok := checked(withChecksum(b))
		if !ok || !bytes.Equal(line, b) {
			t.Fatalf("%q is read as %q", b, line)
		}
	})
}
