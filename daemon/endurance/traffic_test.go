//go:build linux

package endurance

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/simulate"
)

// The ways in which a record is delivered.
const (
	byFile  = "file"  // A gzipped document of its own, as CloudTrail writes it.
	byLines = "lines" // A line of a file that grows.
	byPush  = "push"  // The body of a request, of one of the push clients.
	byStdin = "stdin" // A line of standard input.
)

// delivery is a record on its way: at its time it is to be delivered, and not
// before.
type delivery struct {
	uid     string
	raw     []byte
	time    time.Time // of the event
	at      time.Time
	account string
	region  string
	way     string
	client  int // which push client sends it
}

// traffic is what is delivered in a test: history, which is there before the
// daemon starts, and then a live part. A last event of every account stands in
// one and the same minute, so that a run and a replay end at the same time.
type traffic struct {
	begin, live, last time.Time
	accounts          []string
	all               []delivery // in order of delivery
}

// begin is when all traffic begins: a past Monday, so that no event is ahead
// of the wall clock in a replay.
var begin = time.Date(2025, time.March, 3, 0, 0, 0, 0, time.UTC)

// lateness is the daemon's default.
const lateness = 30 * time.Minute

// trafficOptions say what traffic is made.
type trafficOptions struct {
	seed       uint64
	history    time.Duration
	live       time.Duration
	accounts   int
	identities int
	activity   float64
	late       bool
	duplicates float64
	// ways are drawn from for the live part, with equal chances.
	ways []string
}

func newTraffic(t *testing.T, o trafficOptions) *traffic {
	t.Helper()
	live := begin.Add(o.history)
	end := live.Add(o.live)
	so := simulate.Options{
		Seed: o.seed, Start: begin, Days: end.Sub(begin).Hours() / 24, WarmupDays: o.history.Hours() / 24,
		Accounts: o.accounts, Identities: o.identities, Activity: o.activity, Late: o.late, Duplicates: o.duplicates,
	}
	if o.activity == 0 {
		so.Activity = 1
	}
	// Attacks in the live part and, where there is enough before them, in history.
	kinds := []string{"new_api_burst", "cred_enum", "burst_x20", simulate.KindKeyAbuse}
	attack := func(from time.Time, span time.Duration) {
		for i, kind := range kinds {
			at := from.Add(span * time.Duration(2*i+1) / time.Duration(2*len(kinds)))
			so.Script = append(so.Script, simulate.Scripted{Kind: kind, At: at, Account: i % o.accounts, Duration: min(10*time.Minute, span/16)})
		}
	}
	if o.live > 0 {
		attack(live, o.live)
	}
	if o.history >= 3*24*time.Hour {
		attack(live.Add(-24*time.Hour), 20*time.Hour)
	}
	tr, err := simulate.New(so)
	require.NoError(t, err)

	out := &traffic{begin: begin, live: live, accounts: tr.Truth().Accounts}
	rnd := rand.New(rand.NewPCG(o.seed, 1))
	newest := end
	lasts := map[string]delivery{}
	for r := range tr.Records() {
		d := delivery{
			raw: bytes.Clone(r.JSON), uid: uidOf(r.JSON), time: r.Time, at: r.Delivered, account: r.Account, region: r.Region, way: byFile,
		}
		if d.at.After(newest) {
			newest = d.at
		}
		lasts[d.account] = d
		if !d.at.Before(live) && len(o.ways) > 0 {
			d.way, d.client = o.ways[rnd.IntN(len(o.ways))], rnd.IntN(pushClients)
		}
		out.all = append(out.all, d)
	}
	out.last = newest.Truncate(time.Minute).Add(2 * time.Minute)
	for i, account := range out.accounts {
		d := lasts[account]
		require.NotEmpty(t, d.uid, "account %s did nothing", account)
		uid := fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)
		d.raw = bytes.Replace(d.raw, []byte(d.uid), []byte(uid), 1)
		d.raw = bytes.Replace(d.raw, []byte(`"eventTime":"`+d.time.Format(time.RFC3339)+`"`), []byte(`"eventTime":"`+out.last.Format(time.RFC3339)+`"`), 1)
		d.uid, d.time, d.at = uid, out.last, out.last
		if len(o.ways) > 0 {
			d.way = byPush
		}
		out.all = append(out.all, d)
	}
	return out
}

// uidOf finds the id of a record that was generated.
func uidOf(raw []byte) string {
	const key = `"eventID":"`
	i := bytes.Index(raw, []byte(key)) + len(key)
	return string(raw[i : i+bytes.IndexByte(raw[i:], '"')])
}

// truth is every record by its id.
func (tr *traffic) truth() map[string]string {
	out := make(map[string]string, len(tr.all))
	for i := range tr.all {
		out[tr.all[i].uid] = string(tr.all[i].raw)
	}
	return out
}

// split divides the deliveries at the beginning of the live part.
func (tr *traffic) split() (history, live []delivery) {
	i, _ := slices.BinarySearchFunc(tr.all, tr.live, func(d delivery, t time.Time) int {
		return cmp.Or(d.at.Compare(t), 1)
	})
	return tr.all[:i], tr.all[i:]
}

// writeFiles writes records as gzipped documents, one for each account, region
// and period of delivery, under the names that CloudTrail gives. Each appears
// under its name when it is whole.
func writeFiles(t *testing.T, dir string, ds []delivery, period time.Duration) {
	t.Helper()
	files := map[string][]delivery{}
	for _, d := range ds {
		key := d.account + d.region + d.at.Truncate(period).Format(time.RFC3339)
		files[key] = append(files[key], d)
	}
	for _, ds := range files {
		d, at := &ds[0], ds[0].at.Truncate(period)
		name := filepath.Join(dir, "AWSLogs", d.account, "CloudTrail", d.region, at.Format("2006/01/02"),
			fmt.Sprintf("%s_CloudTrail_%s_%s_%s.json.gz", d.account, d.region, at.Format("20060102T1504Z"), d.uid))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name+".tmp", document(ds, true), 0o600))
		require.NoError(t, os.Rename(name+".tmp", name))
	}
}

// document is a {"Records":[…]} document.
func document(ds []delivery, zip bool) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i := range ds {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(ds[i].raw)
	}
	b.WriteString("]}")
	if !zip {
		return b.Bytes()
	}
	return zipped(b.Bytes())
}

func zipped(p []byte) []byte {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = zw.Write(p)
	_ = zw.Close()
	return b.Bytes()
}

// lines is a record a line.
func lines(ds []delivery) []byte {
	var b bytes.Buffer
	for i := range ds {
		b.Write(ds[i].raw)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// delay delivers one live record in so many much later than its event.
func (tr *traffic) delay(every int, least, most time.Duration) {
	rnd := rand.New(rand.NewPCG(uint64(every), 4))
	for i := range tr.all {
		d := &tr.all[i]
		if d.at.Before(tr.live) || d.time.Equal(tr.last) || rnd.IntN(every) > 0 {
			continue
		}
		d.at = d.at.Add(least + time.Duration(rnd.Int64N(int64(most-least))))
		if limit := tr.last.Add(-time.Minute); d.at.After(limit) {
			d.at = limit
		}
	}
	slices.SortStableFunc(tr.all, func(a, b delivery) int { return a.at.Compare(b.at) })
}
