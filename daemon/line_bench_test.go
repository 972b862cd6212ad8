package daemon

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/simulate"
)

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLine measures the whole line over gzipped CloudTrail files, both
// passes and the models counted, and beside it, in the same run, its floor:
// gunzip and parse. It tells processor time an event, events a second, and the
// ratio of the two. The final pass of one account runs on one processor, so
// several accounts show what the processors can do.
func BenchmarkLine(b *testing.B) {
	for _, accounts := range []int{1, 4} {
		b.Run(fmt.Sprintf("Accounts=%d", accounts), func(b *testing.B) { benchmarkLine(b, accounts) })
	}
}

func benchmarkLine(b *testing.B, accounts int) {
	tr, err := simulate.New(simulate.Options{
		Seed: 3, Days: 3, WarmupDays: 3, Accounts: accounts, Identities: 100 / accounts, Benign: -1,
	})
	require.NoError(b, err)
	dir := b.TempDir()
	_, err = simulate.WriteS3(context.Background(), dir, tr, time.Hour, nil)
	require.NoError(b, err)
	var floor, line time.Duration
	var wall time.Duration
	events := 0
	for b.Loop() {
		before := cpu(b)
		n := decodeAll(b, dir)
		floor += cpu(b) - before

		before = cpu(b)
		r, err := Replay(context.Background(), ReplayOptions{Paths: []string{dir}})
		require.NoError(b, err)
		line += cpu(b) - before
		wall += r.Elapsed
		require.Equal(b, uint64(n), r.Events)
		events += n
	}
	b.ReportMetric(float64(line.Nanoseconds())/float64(events)/1000, "line-cpu-µs/event")
	b.ReportMetric(float64(floor.Nanoseconds())/float64(events)/1000, "floor-cpu-µs/event")
	b.ReportMetric(float64(line)/float64(floor), "line/floor")
	b.ReportMetric(float64(events)/wall.Seconds(), "events/s")
}

// decodeAll is the floor: every file decompressed and every record parsed, on
// one core.
func decodeAll(b *testing.B, dir string) int {
	b.Helper()
	n := 0
	require.NoError(b, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r := event.NewReader(f, event.ReaderOptions{Name: path})
		for {
			var e event.Event
			err := r.Next(&e)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			n++
		}
	}))
	return n
}
