package simulate

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func records(t *testing.T, zipped []byte) []json.RawMessage {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	var doc struct{ Records []json.RawMessage }
	require.NoError(t, json.Unmarshal(b, &doc))
	return doc.Records
}

func TestWritersAgree(t *testing.T) {
	tr := traffic(t, Options{Seed: 6, Days: 0.3, Accounts: 2, Identities: 40, Late: true, Duplicates: 0.02})
	ctx := context.Background()
	var lines, zipped bytes.Buffer
	told := 0
	require.NoError(t, WriteNDJSON(ctx, &lines, tr, func(n int, _ time.Time) { told = n }))
	require.NoError(t, WriteRecords(ctx, &zipped, tr, nil))
	want := map[string]int{}
	n := 0
	for line := range bytes.SplitSeq(bytes.TrimSuffix(lines.Bytes(), []byte("\n")), []byte("\n")) {
		want[string(line)]++
		n++
	}
	require.Equal(t, n, told)
	require.Len(t, records(t, zipped.Bytes()), n)

	write := func(dir string, period time.Duration) map[string][]byte {
		files, err := WriteS3(ctx, dir, tr, period, nil)
		require.NoError(t, err)
		out := map[string][]byte{}
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			rel, _ := filepath.Rel(dir, path)
			out[rel] = b
			return err
		}))
		require.Len(t, out, files)
		return out
	}
	first := write(t.TempDir(), 0)
	require.Equal(t, first, write(t.TempDir(), 0), "the same traffic gave other files")
	require.Less(t, len(write(t.TempDir(), time.Hour)), len(first))
	got := map[string]int{}
	for name, b := range first {
		require.Regexp(t, `^AWSLogs/\d{12}/CloudTrail/[a-z0-9-]+/2026/03/0\d/\d{12}_CloudTrail_[a-z0-9-]+_202603\d\dT\d{4}Z_[A-Za-z0-9]{16}\.json\.gz$`, filepath.ToSlash(name))
		for _, r := range records(t, b) {
			got[string(r)]++
			rec := parse(t, r)
			require.Contains(t, name, rec.RecipientAccountID+"_CloudTrail_"+rec.AwsRegion+"_")
		}
	}
	require.Equal(t, want, got)
}

func TestWriteS3Errors(t *testing.T) {
	tr := traffic(t, Options{Seed: 6, Days: 0.2, Identities: 20})
	_, err := WriteS3(context.Background(), t.TempDir(), tr, 90*time.Second, nil)
	require.ErrorContains(t, err, "whole minutes")
	taken := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(taken, nil, 0o600))
	_, err = WriteS3(context.Background(), taken, tr, 0, nil)
	require.ErrorContains(t, err, "writing files")
}

func TestWritersStop(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tr := traffic(t, Options{Seed: 6, Days: 1})
	require.ErrorIs(t, WriteNDJSON(ctx, io.Discard, tr, nil), context.Canceled)
	require.ErrorIs(t, WriteRecords(ctx, io.Discard, tr, nil), context.Canceled)
}

func TestNoRecords(t *testing.T) {
	var b bytes.Buffer
	tr := traffic(t, Options{Seed: 6, Days: 0.0001, Identities: 1, Activity: 0.0001})
	require.NoError(t, WriteRecords(context.Background(), &b, tr, nil))
	require.LessOrEqual(t, len(records(t, b.Bytes())), 1)
}
