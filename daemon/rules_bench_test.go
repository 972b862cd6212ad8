package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/simulate"
)

// BenchmarkLineRules measures the whole line over the same files without rules and
// with 50, 500 and 5,000, in turn in the same run, and tells how much of its speed
// with 50 the line has with more. One rule in seventeen is about an operation that
// the files have, one in ten counts within a window, and one in ten looks into the
// record. Of each the best of the runs counts, and reading the packages does not: it
// is done once.
func BenchmarkLineRules(b *testing.B) {
	tr, err := simulate.New(simulate.Options{Seed: 3, Days: 3, WarmupDays: 3, Identities: 100, Benign: -1})
	require.NoError(b, err)
	dir := b.TempDir()
	_, err = simulate.WriteS3(context.Background(), dir, tr, time.Hour, nil)
	require.NoError(b, err)
	known := operationsOf(b, dir)
	counts := []int{0, 50, 500, 5000}
	var configs []*config.Config
	for _, n := range counts {
		c := config.Default()
		c.Rules = config.Rules{Files: []string{filepath.Join(b.TempDir(), "rules.json")}}
		require.NoError(b, os.WriteFile(c.Rules.Files[0], []byte(benchmarkRules(n, known)), 0o600))
		configs = append(configs, c)
	}
	used := make([]time.Duration, len(counts))
	events := uint64(0)
	for b.Loop() {
		for i, c := range configs {
			before := cpu(b)
			_, err := loadRules(c)
			require.NoError(b, err)
			loaded := cpu(b)
			r, err := Replay(context.Background(), ReplayOptions{Paths: []string{dir}, Config: c})
			require.NoError(b, err)
			if took := cpu(b) - loaded - (loaded - before); used[i] == 0 || took < used[i] {
				used[i] = took
			}
			events = r.Events
		}
	}
	for i, n := range counts {
		b.ReportMetric(float64(used[i].Nanoseconds())/float64(events)/1000, fmt.Sprintf("cpu-µs/event-%d-rules", n))
		if n > 50 {
			b.ReportMetric(float64(used[1])/float64(used[i]), fmt.Sprintf("speed-%d/50", n))
		}
	}
}

// operationsOf lists the operations that files have.
func operationsOf(b *testing.B, dir string) []string {
	b.Helper()
	seen := map[string]bool{}
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
			if r.Next(&e) != nil {
				return nil
			}
			seen[strings.Clone(e.Operation)] = true
		}
	}))
	var out []string
	for op := range seen {
		out = append(out, op)
	}
	slices.Sort(out)
	return out
}

// benchmarkRules is a package of n rules.
func benchmarkRules(n int, known []string) string {
	var list []string
	for i := range n {
		operation := fmt.Sprintf("Operation%d", i)
		if i%17 == 0 {
			operation = known[i/17%len(known)]
		}
		named := fmt.Sprintf(`{"fact":"operation","operator":"equal","value":%q}`, operation)
		rule := ""
		switch i % 10 {
		case 0:
			rule = fmt.Sprintf(`"type":"aggregate","groupBy":["identity"],"conditions":{"all":[%s,{"fact":"outcome","operator":"equal","value":"error"},{"fact":"occurrences","operator":"greaterThanInclusive","value":50},{"fact":"withInLast","operator":"equal","value":"10 minutes"}]}`, named)
		case 1:
			rule = fmt.Sprintf(`"conditions":{"all":[{"any":[%s,{"fact":"operation","operator":"equal","value":"Other%d"}]},{"fact":"identity","operator":"in","value":["arn:aws:iam::1:user/nobody"]}]}`, named, i)
		case 2:
			rule = fmt.Sprintf(`"conditions":{"all":[%s,{"fact":"outcome","operator":"equal","value":"success"},{"fact":"requestParameters","path":"$..Statement[?(@.Effect=='Allow' && @.Principal=='*')]","operator":"contains","value":"*"}]}`, named)
		default:
			rule = fmt.Sprintf(`"conditions":{"all":[%s,{"fact":"identity_kind","operator":"equal","value":"anonymous"}]}`, named)
		}
		list = append(list, fmt.Sprintf(`{"id":"r%d","provider":"aws",%s}`, i, rule))
	}
	return "[" + strings.Join(list, ",\n") + "]"
}
