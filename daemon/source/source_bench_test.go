package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// drain takes everything and keeps nothing.
type drain struct{}

func (drain) Deliver(context.Context, string, []event.Event) error { return nil }
func (drain) Flush(context.Context) error                          { return nil }
func (drain) Failed(string, event.RecordError)                     {}

// BenchmarkFolder reads 200 gzipped files of 250 events each, as CloudTrail
// delivers them, and 1 file of 50,000 lines.
func BenchmarkFolder(b *testing.B) {
	const files, perFile = 200, 250
	gz, log := b.TempDir(), b.TempDir()
	for i := range files {
		doc := document(i*perFile, (i+1)*perFile)
		benchWrite(b, doc, filepath.Join(gz, fmt.Sprintf("%03d.json.gz", i)), true)
	}
	benchWrite(b, lines(0, files*perFile), filepath.Join(log, "audit.log"), false)
	for _, c := range []struct{ name, path string }{{"gzip", gz}, {"lines", log}} {
		b.Run(c.name, func(b *testing.B) {
			cp, err := OpenCheckpoints(b.TempDir())
			require.NoError(b, err)
			floor := decodeAlone(b, c.path)
			n := 0
			for b.Loop() {
				// A name of its own each time, or there is nothing to read.
				f, err := NewFolder(FolderOptions{Path: c.path, Name: fmt.Sprint(n), Checkpoints: cp})
				require.NoError(b, err)
				require.NoError(b, f.Run(b.Context(), drain{}))
				require.EqualValues(b, files*perFile, f.Status().Events)
				n++
			}
			b.SetBytes(int64(len(lines(0, files*perFile))))
			b.ReportMetric(b.Elapsed().Seconds()/float64(n)/floor.Seconds(), "x-decode-alone")
			b.ReportMetric(float64(n*files*perFile)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// decodeAlone is how long one goroutine takes to decode everything, and nothing
// else: the floor of a single core.
func decodeAlone(b *testing.B, dir string) time.Duration {
	b.Helper()
	l, err := (&Folder{o: FolderOptions{Path: dir}}).list()
	require.NoError(b, err)
	begun := time.Now()
	for _, found := range l.files {
		fd, err := os.Open(found.path)
		require.NoError(b, err)
		r := event.NewReader(fd, event.ReaderOptions{})
		for err == nil {
			var e event.Event
			err = r.Next(&e)
		}
		require.ErrorIs(b, err, io.EOF)
		require.NoError(b, fd.Close())
	}
	return time.Since(begun)
}

// BenchmarkCheckpoint encodes what is remembered of 100,000 files.
func BenchmarkCheckpoint(b *testing.B) {
	entries := map[string]entry{}
	for i := range 100_000 {
		entries[fmt.Sprintf("/logs/AWSLogs/111122223333/CloudTrail/us-east-1/2026/03/%02d/%06d.json.gz", i%28, i)] = entry{
			stat: stat{size: 70_000, mtime: int64(i), dev: 66, ino: uint64(i)}, offset: 70_000, records: 250, headLen: headSize, newest: int64(i),
		}
	}
	var size int
	for b.Loop() {
		size = len(encodeCheckpoint("logs", entries))
	}
	b.SetBytes(int64(size))
	b.ReportMetric(float64(size)/float64(len(entries)), "B/file")
}
