package tsdb

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

func sampleFile(frames ...[]spooled) []byte {
	b := appendFileHeader(nil, frameSamples)
	for _, f := range frames {
		var records []byte
		for _, s := range f {
			records = appendSample(records, s.id, uint64(s.ms), s.v)
		}
		b = appendFrame(b, len(f), records)
	}
	return b
}

func readAll(b []byte) (got []spooled, lost int64, err error) {
	loss, err := readFrames(bytes.NewReader(b), int64(len(b)), frameSamples, func(payload []byte) error {
		return readSamples(payload, func(s spooled) error {
			got = append(got, s)
			return nil
		})
	})
	return got, loss.bytes, err
}

func TestFrames(t *testing.T) {
	first := []spooled{{0, 0, 0}, {1, 60_000, 1}, {math.MaxInt32 - 1, uint32(dayMillis - 1), 12345.25}, {2, 5, -1}, {3, 6, math.MaxFloat64}}
	second := []spooled{{9, 9, 9}}
	b := sampleFile(first, second)
	got, lost, err := readAll(b)
	require.NoError(t, err)
	require.Zero(t, lost)
	require.Equal(t, append(append([]spooled{}, first...), second...), got)

	// A broken frame costs that frame.
	broken := bytes.Clone(b)
	broken[fileHeaderSize+frameHeaderSize+2] ^= 1
	got, lost, err = readAll(broken)
	require.NoError(t, err)
	require.Equal(t, second, got)
	require.Positive(t, lost)

	// A torn tail is cut, wherever it is torn.
	whole := len(sampleFile(first))
	for n := range len(b) {
		got, lost, err = readAll(b[:n])
		require.NoError(t, err)
		switch {
		case n == fileHeaderSize, n == whole:
			require.Zero(t, lost)
		case n > whole:
			require.Equal(t, first, got)
			require.Equal(t, int64(n-whole), lost)
		case n < fileHeaderSize:
			require.Equal(t, int64(n), lost)
		default:
			require.Empty(t, got)
			require.Equal(t, int64(n-fileHeaderSize), lost)
		}
	}

	// Pages that were never written read as zeros.
	got, lost, err = readAll(make([]byte, 4096))
	require.NoError(t, err)
	require.Empty(t, got)
	require.Equal(t, int64(4096), lost)

	newer := bytes.Clone(b)
	newer[len(frameMagic)]++
	_, _, err = readAll(newer)
	require.ErrorIs(t, err, errVersion)
}

func TestLabelFrames(t *testing.T) {
	want := []labels.Labels{
		labels.FromStrings(labels.MetricName, "x"),
		newTestSeries("Ü \"quoted\"").Labels(),
		labels.EmptyLabels(),
	}
	var records []byte
	for _, l := range want {
		records = appendLabels(records, l)
	}
	b := appendFrame(appendFileHeader(nil, frameSeries), len(want), records)
	path := filepath.Join(t.TempDir(), "series")
	require.NoError(t, os.WriteFile(path, b, 0o666))
	var got []labels.Labels
	lost, err := readFile(path, frameSeries, func(p []byte) error {
		return readLabels(p, func(l labels.Labels) error { got = append(got, l); return nil })
	})
	require.NoError(t, err)
	require.Zero(t, lost)
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, labels.Equal(want[i], got[i]))
	}
	c, err := countRecords(path, frameSeries)
	require.NoError(t, err)
	require.Equal(t, spoolCount{records: len(want), good: int64(len(b))}, c)

	// After a broken frame of series their numbers are not known.
	two := appendFrame(bytes.Clone(b), len(want), records)
	two[fileHeaderSize+4] ^= 1
	lost, err = readFrames(bytes.NewReader(two), int64(len(two)), frameSeries, func([]byte) error {
		require.Fail(t, "a frame after a broken one was read")
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, frameLoss{bytes: int64(len(two) - fileHeaderSize), at: int64(fileHeaderSize)}, lost)
}

func FuzzFrames(f *testing.F) {
	f.Add(sampleFile([]spooled{{0, 1, 2}, {3, 4, 5}}, []spooled{{1, 1, 1}}), true)
	f.Add(sampleFile(), true)
	f.Add([]byte("insightdspool"), false)
	f.Add(appendFrame(appendFileHeader(nil, frameSeries), 1, appendLabels(nil, labels.FromStrings("a", "b"))), false)
	f.Add(appendFrame(appendFileHeader(nil, frameSeries), 1<<40, []byte{200, 200, 200}), false)
	f.Fuzz(func(t *testing.T, b []byte, samples bool) {
		kind := byte(frameSeries)
		if samples {
			kind = frameSamples
		}
		read := func(payload []byte) error {
			if samples {
				return readSamples(payload, func(s spooled) error {
					if int64(s.ms) >= dayMillis || s.id > maxSpoolSeries {
						t.Fatal("sample out of bounds")
					}
					return nil
				})
			}
			return readLabels(payload, func(labels.Labels) error { return nil })
		}
		lost, err := readFrames(bytes.NewReader(b), int64(len(b)), kind, read)
		if lost.bytes < 0 || lost.bytes > int64(len(b)) || lost.at < 0 || lost.at > int64(len(b)) {
			t.Fatalf("lost %v of %d bytes: %v", lost, len(b), err)
		}
		// The payload by itself, which a checksum would have kept out.
		_ = read(b)
		// What is written is read again.
		framed := appendFrame(appendFileHeader(nil, kind), 1, b)
		seen := 0
		lost, err = readFrames(bytes.NewReader(framed), int64(len(framed)), kind, func([]byte) error { seen++; return nil })
		if err != nil || lost.bytes != 0 || seen != 1 {
			t.Fatalf("own frame: %d seen, %v lost, %v", seen, lost, err)
		}
	})
}
