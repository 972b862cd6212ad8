package scenario

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// entriesOf makes the events of a script of one case.
func entriesOf(t *testing.T, src string) []entry {
	t.Helper()
	f := parse(t, src+"\nexpect none\n")
	list, err := f.Cases[0].entries()
	require.NoError(t, err)
	return list
}

// timesOf shows when the events of a load happen, as weekday and time of day.
func timesOf(t *testing.T, src string) []string {
	t.Helper()
	var out []string
	for _, e := range entriesOf(t, src) {
		out = append(out, e.at.Format("Mon02 15:04"))
	}
	return out
}

func TestPatterns(t *testing.T) {
	f := func(src string, want ...string) {
		t.Helper()
		require.Equal(t, want, timesOf(t, src))
	}
	f("load 1d user a every 6h s3:ListBuckets", "Mon02 00:00", "Mon02 06:00", "Mon02 12:00", "Mon02 18:00")
	f("load +1d for 6h user a at :30 hours 2-5 s3:ListBuckets", "Tue03 02:30", "Tue03 03:30", "Tue03 04:30")
	f("load 2d user a at 03:00, 21:30 s3:ListBuckets", "Mon02 03:00", "Mon02 21:30", "Tue03 03:00", "Tue03 21:30")
	f("load 14d user a weekly wed, sun 10:00 s3:ListBuckets", "Wed04 10:00", "Sun08 10:00", "Wed11 10:00", "Sun15 10:00")
	f("load 66d user a monthly 4 02:00 s3:ListBuckets", "Wed04 02:00", "Sat04 02:00", "Mon04 02:00")
	f("load 8d user a weekends at 12:00 s3:ListBuckets", "Sat07 12:00", "Sun08 12:00")
	f("load 3d user a on tue 22-2 every 1h s3:ListBuckets", "Tue03 22:00", "Tue03 23:00", "Wed04 00:00", "Wed04 01:00")
	f("load 1d user a at 10:00 3 calls s3:ListBuckets", "Mon02 10:00", "Mon02 10:00", "Mon02 10:00")
	// Clocks in Berlin go forward on 29 March: the job comes an hour earlier.
	f("start 2026-03-28\nload 2d user a at 03:30 zone Europe/Berlin s3:ListBuckets", "Sat28 02:30", "Sun29 01:30")
	// Half past two does not exist on that day; it is told as half past three.
	f("start 2026-03-29\nload 1d user a at 02:30, 03:30 zone Europe/Berlin s3:ListBuckets", "Sun29 01:30")
	f("load 4d user a every 12h s3:ListBuckets\ngap +1d..+3d", "Mon02 00:00", "Mon02 12:00", "Thu05 00:00", "Thu05 12:00")
}

func TestRandomPatternsKeepTheirRate(t *testing.T) {
	f := func(src string, least, most int) []entry {
		t.Helper()
		list := entriesOf(t, src)
		require.True(t, len(list) >= least && len(list) <= most, "%d events", len(list))
		return list
	}
	f("load 20d user a poisson 10/h s3:ListBuckets", 4600, 5000)
	f("load 14d user a poisson 10/h weekdays 9-17 s3:ListBuckets", 720, 880)
	f("load 10d user a at 10:00 20-40 calls in 10m s3:ListBuckets", 220, 380)
	// 3 % a day over 20 days: 26.9 times the first day's.
	f("load 20d user a poisson 10/h growth 3% s3:ListBuckets", 6100, 6800)
	f("load 20d user a at 10:00 100 calls growth 3% s3:ListBuckets", 2650, 2850)
	failed := 0
	for _, e := range f("load 20d user a poisson 10/h s3:ListBuckets error AccessDenied 30%", 4600, 5000) {
		if e.call.Error != "" {
			failed++
		}
	}
	require.InDelta(t, 0.3, float64(failed)/4800, 0.04)
	for _, e := range f("load 10d user a every 1h ± 5m s3:ListBuckets from 203.0.113.0/25, 2001:db8::/64", 230, 240) {
		off := e.at.Sub(e.at.Round(time.Hour)).Abs()
		require.LessOrEqual(t, off, 5*time.Minute)
		require.True(t, strings.HasPrefix(e.call.From, "203.0.113.") || strings.HasPrefix(e.call.From, "2001:db8::"), e.call.From)
	}
}

// recordsOf are the records of a script as they are delivered.
func recordsOf(t *testing.T, src string) string {
	t.Helper()
	c := parse(t, src+"\nexpect none\n").Cases[0]
	list, err := c.entries()
	require.NoError(t, err)
	d := delivery{}
	if len(c.deliveries) > 0 {
		d = c.deliveries[0]
	}
	b, err := io.ReadAll(&feed{d: c.deliver(&d, list)})
	require.NoError(t, err)
	return string(b)
}

func TestTheSameScriptGivesTheSameRecords(t *testing.T) {
	const load = "load 3d user a poisson 10/h s3:ListBuckets from 203.0.113.0/24\n"
	first, again := recordsOf(t, load), recordsOf(t, load)
	require.Equal(t, first, again)
	require.NotEqual(t, first, recordsOf(t, "seed 2\n"+load))
	// Another statement changes nothing of this one: the times are the same.
	alone, beside := map[string]bool{}, 0
	for _, e := range entriesOf(t, load) {
		alone[e.at.String()+e.call.From] = true
	}
	for _, e := range entriesOf(t, "load 3d user b every 7m iam:ListUsers\n"+load) {
		if alone[e.at.String()+e.call.From] && e.call.Caller.Name == "a" {
			beside++
		}
	}
	require.Len(t, alone, beside)
	// The same statement twice makes twice as much, not the same again.
	require.Greater(t, len(entriesOf(t, load+load)), len(alone)*3/2)
}

func TestDeliveryChangesOrderAndNothingElse(t *testing.T) {
	const load = "load 1d user a every 1m s3:ListBuckets\n"
	lines := func(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
	sorted := lines(recordsOf(t, load))
	require.Len(t, sorted, 1440)
	for _, how := range []string{"shuffled", "late", "late 2h"} {
		got := lines(recordsOf(t, load+"deliver "+how))
		require.ElementsMatch(t, sorted, got, how)
		require.NotEqual(t, sorted, got, how)
	}
	twice := lines(recordsOf(t, load+"deliver late, twice 20%"))
	require.InDelta(t, 1440*1.2, len(twice), 80)
	require.Subset(t, sorted, twice)

	c := parse(t, load+"deliver late 10m\nexpect none").Cases[0]
	list, err := c.entries()
	require.NoError(t, err)
	d := c.deliver(&c.deliveries[0], list)
	last := time.Time{}
	for i := range d.Len() {
		_, at := d.Append(nil, i)
		require.False(t, at.Before(last), "deliveries come in their order")
		last = at
		late := at.Sub(list[d.parcels[i].entry].at)
		require.True(t, late >= 0 && late <= 10*time.Minute, late)
	}
}

func TestRecordsAsTheyAreAreMoved(t *testing.T) {
	record := func(second int) string {
		return fmt.Sprintf(`{"eventVersion":"1.11","eventTime":"2025-01-01T00:00:%02dZ","eventID":"id-%d","eventSource":"s3.amazonaws.com","eventName":"ListBuckets","awsRegion":"eu-central-1","recipientAccountId":"111122223333","userIdentity":{"type":"Root","accountId":"111122223333"}}`, second, second)
	}
	list := entriesOf(t, "at +2d10:00 json "+record(7)+"\ngap +3d for 1h account 111122223333\nat +3d json "+record(8)+"\n")
	require.Len(t, list, 1, "a gap holds for records too")
	require.Equal(t, defaultStart.Add(58*time.Hour), list[0].at)
	require.Contains(t, string(list[0].raw), `"eventTime":"2026-03-04T10:00:00Z"`)

	file := func(name string) ([]byte, error) {
		require.Equal(t, "../sample.json", name)
		return []byte(`{"Records":[` + record(9) + `,` + "\n " + record(5) + `]}`), nil
	}
	f, err := Parse("x.test", []byte("load file ../sample.json at +1d\nexpect none"), ParseOptions{ReadFile: file})
	require.NoError(t, err)
	list, err = f.Cases[0].entries()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, defaultStart.Add(day), list[0].at, "the first is at the time, the others after it")
	require.Equal(t, defaultStart.Add(day+4*time.Second), list[1].at)
	require.NotContains(t, string(list[0].raw), "\n")

	_, err = Parse("x.test", []byte("load file ../sample.json\nexpect none"), ParseOptions{ReadFile: func(string) ([]byte, error) {
		return []byte("{}"), nil
	}})
	require.ErrorContains(t, err, "expected records that the daemon can read")
}

// TestAFeedIsReadInPieces reads records through a small buffer.
func TestAFeedIsReadInPieces(t *testing.T) {
	c := parse(t, "load 1d user a every 1h s3:ListBuckets\nexpect none").Cases[0]
	list, err := c.entries()
	require.NoError(t, err)
	whole, err := io.ReadAll(&feed{d: c.deliver(&delivery{}, list)})
	require.NoError(t, err)
	var b bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&b}, struct{ io.Reader }{&feed{d: c.deliver(&delivery{}, list)}}, make([]byte, 7))
	require.NoError(t, err)
	require.Equal(t, string(whole), b.String())
	require.Equal(t, 24, strings.Count(b.String(), "\n"))
}
