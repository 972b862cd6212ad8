package simulate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func traffic(t testing.TB, o Options) *Traffic {
	t.Helper()
	tr, err := New(o)
	require.NoError(t, err)
	return tr
}

// sum is a hash of the records with their delivery, and of the labels.
func sum(t *testing.T, tr *Traffic) string {
	t.Helper()
	h := sha256.New()
	for r := range tr.Records() {
		h.Write(r.JSON)
		h.Write([]byte(r.Delivered.Format(time.RFC3339)))
	}
	require.NoError(t, tr.Truth().WriteJSON(h))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func TestSameOptionsSameBytes(t *testing.T) {
	o := Options{Seed: 7, Days: 3, WarmupDays: 1, Accounts: 2, Identities: 30, Incidents: 6, Late: true, Duplicates: 0.01}
	tr := traffic(t, o)
	first := sum(t, tr)
	require.Equal(t, first, sum(t, tr), "a second reading differs")
	require.Equal(t, first, sum(t, traffic(t, o)), "a second plan differs")
	o.Seed = 8
	require.NotEqual(t, first, sum(t, traffic(t, o)))
	if runtime.GOARCH != "amd64" {
		t.Skip("the hash is pinned on amd64: elsewhere logarithms may differ in the last bit")
	}
	// It changes whenever the traffic does. Then models were tuned on other
	// traffic than the one that is generated, which is worth knowing.
	require.Equal(t, "5b7ce0053f1b5e3f", first)
}

func TestOptionsAreChecked(t *testing.T) {
	day := defaultStart.Add(time.Hour)
	for name, o := range map[string]Options{
		"days must be":                 {Days: -1},
		"warm-up days":                 {Days: 1, WarmupDays: 2},
		"accounts must":                {Accounts: -1},
		"identities must":              {Identities: 6000},
		"400,000":                      {Accounts: 1000, Identities: 1000},
		"activity":                     {Activity: -1},
		"incidents must":               {Incidents: -1},
		`unknown kind of incident "x"`: {Kinds: []string{"x"}},
		"duplicates":                   {Duplicates: 2},
		"padding":                      {PadTo: -1},
		"not within the traffic":       {Days: 1, Script: []Scripted{{Kind: kindBurst5, At: day.AddDate(0, 0, 2)}}},
		"no account 1":                 {Days: 1, Script: []Scripted{{Kind: kindBurst5, At: day, Account: 1}}},
		"unknown archetype":            {Days: 1, Script: []Scripted{{Kind: kindBurst5, At: day, Archetype: "x"}}},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, name)
	}
	_, err := New(Options{Days: 1, Identities: 1, Script: []Scripted{{Kind: kindBurst5, At: day, Archetype: "etl"}}})
	require.ErrorContains(t, err, "no identity etl is suited")
}

func TestRates(t *testing.T) {
	total := 0
	for seed := range uint64(4) {
		tr := traffic(t, Options{Seed: seed, Days: 7, Benign: -1})
		var days, peopleDays [7]int
		var hours [24]int
		tr.parcels(func(p *parcel) bool {
			a := tr.actors[p.actor]
			days[p.t/daySeconds]++
			if a.arch.person() {
				peopleDays[p.t/daySeconds]++
				hours[((p.t/3600+int32(sites[a.site].offset))%24+24)%24]++
			}
			return true
		})
		week := 0
		for _, n := range days {
			week += n
		}
		total += week
		require.InDelta(t, 72_000, week/7, 15_000, "seed %d", seed)
		weekday, weekend := float64(days[0]+days[1]+days[2]+days[3]+days[4])/5, float64(days[5]+days[6])/2
		require.Greater(t, weekday, 1.15*weekend, "seed %d", seed)
		people := peopleDays[0] + peopleDays[1] + peopleDays[2] + peopleDays[3] + peopleDays[4]
		require.Less(t, float64(peopleDays[5]+peopleDays[6])/2, 0.25*float64(people)/5, "seed %d", seed)
		require.Greater(t, people/5, 2000, "seed %d", seed)
		// Two peaks with a lunch between them, and quiet nights.
		require.Greater(t, max(hours[9], hours[10], hours[11]), hours[12]*11/10, "seed %d: %v", seed, hours)
		require.Greater(t, max(hours[13], hours[14], hours[15]), hours[12], "seed %d: %v", seed, hours)
		require.Less(t, hours[3]*20, hours[10], "seed %d: %v", seed, hours)
	}
	require.InDelta(t, 72_000, total/28, 5_000)
}

func TestActivityScales(t *testing.T) {
	count := func(activity float64) (n int) {
		tr := traffic(t, Options{Seed: 3, Days: 2, Activity: activity})
		tr.parcels(func(*parcel) bool { n++; return true })
		return n
	}
	require.InDelta(t, 3, float64(count(3))/float64(count(1)), 0.25)
}

func TestApportion(t *testing.T) {
	for _, n := range []int{1, 7, 20, 100, 333} {
		total := 0
		for _, c := range apportion(n) {
			require.GreaterOrEqual(t, c, 0)
			total += c
		}
		require.Equal(t, n, total)
	}
	require.Equal(t, shares, apportion(100))
}

// record is what the tests read of a record.
type record struct {
	EventID, EventName, EventSource, AwsRegion, SourceIPAddress, ErrorCode, ErrorMessage string
	EventTime                                                                            time.Time
	ReadOnly                                                                             *bool
	RecipientAccountID, EventVersion, EventCategory, UserAgent                           string
	UserIdentity                                                                         struct {
		Type, ARN, AccountID, AccessKeyID, UserName, InvokedBy string
		SessionContext                                         struct {
			SessionIssuer struct{ ARN, UserName string }
		}
	}
}

func parse(t *testing.T, b []byte) *record {
	t.Helper()
	var r record
	require.NoError(t, json.Unmarshal(b, &r), "%s", b)
	return &r
}

// identity is what DESIGN §3 says that a record's identity is.
func (r *record) identity() string {
	u := &r.UserIdentity
	switch {
	case u.InvokedBy != "":
		return u.InvokedBy
	case u.Type == "IAMUser":
		return u.ARN
	case len(u.SessionContext.SessionIssuer.UserName) > 14 && u.SessionContext.SessionIssuer.UserName[:14] == "AWSReservedSSO":
		return u.ARN
	}
	return u.SessionContext.SessionIssuer.ARN
}

func TestRecords(t *testing.T) {
	start := time.Date(2026, 5, 6, 7, 30, 0, 0, time.UTC)
	tr := traffic(t, Options{Seed: 1, Start: start, Days: 0.6, Accounts: 2, Incidents: 40})
	names, types, apis, regionsSeen, agentsSeen := tally{}, tally{}, tally{}, tally{}, tally{}
	uids := map[string]bool{}
	size, n, failed := 0, 0, 0
	last := start
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for r := range tr.Records() {
		require.False(t, r.Time.Before(start) || !r.Time.Before(tr.Truth().End), r.Time)
		require.False(t, r.Time.Before(last), "out of order")
		require.True(t, r.Time.Equal(r.Delivered))
		last = r.Time
		n++
		size += len(r.JSON)
		rec := parse(t, r.JSON)
		good := r.Time.Equal(rec.EventTime) && r.Account == rec.RecipientAccountID && r.Region == rec.AwsRegion &&
			rec.EventCategory == "Management" && rec.ReadOnly != nil && uuid.MatchString(rec.EventID) &&
			(rec.EventVersion == "1.09" || rec.EventVersion == "1.10" || rec.EventVersion == "1.11")
		require.True(t, good, "%s", r.JSON)
		require.False(t, uids[rec.EventID], "twice: %s", rec.EventID)
		uids[rec.EventID] = true
		if rec.ErrorCode != "" || rec.ErrorMessage != "" {
			failed++
		}
		names.count(rec.identity())
		types.count(rec.UserIdentity.Type)
		apis.count(rec.EventSource + ":" + rec.EventName)
		regionsSeen.count(rec.AwsRegion)
		agentsSeen.count(rec.UserAgent)
	}
	require.Greater(t, n, 50_000)
	require.InDelta(t, 1550, size/n, 120, "bytes a record")
	require.InDelta(t, 0.05, float64(failed)/float64(n), 0.04)
	require.Greater(t, len(apis), 120)
	require.Greater(t, len(regionsSeen), 4)
	require.Greater(t, len(agentsSeen), 12)
	require.Greater(t, types["IAMUser"], 1000)
	require.Greater(t, types["AssumedRole"], 1000)
	require.Greater(t, types["AWSService"], 500)
	known := map[string]bool{}
	for _, a := range tr.actors {
		known[a.identity] = true
	}
	for name := range names {
		require.True(t, known[name], "an event's identity is %s, which no actor has", name)
	}
}

func TestPadding(t *testing.T) {
	tr := traffic(t, Options{Seed: 1, Days: 0.05, PadTo: 3000})
	for r := range tr.Records() {
		require.GreaterOrEqual(t, len(r.JSON), 3000)
		require.True(t, json.Valid(r.JSON))
	}
}

// Every template is rendered: one with an unknown verb would panic.
func TestTemplates(t *testing.T) {
	tr := traffic(t, Options{Days: 0.01, Identities: 10})
	r := newRenderer(tr)
	for i := range catalog {
		for _, err := range []failure{ok, denied, throttled, missing, invalid, expired} {
			for _, a := range tr.actors {
				b := r.append(nil, &call{id: mix(uint64(i)), t: 100, actor: a.idx, api: apiID(i), err: err, addr: 1 << 24})
				require.True(t, json.Valid(b), "%s", b)
			}
		}
	}
	require.Greater(t, len(catalog), 120)
}

func BenchmarkRecords(b *testing.B) {
	tr := traffic(b, Options{Seed: 1, Days: 1})
	n, size := 0, 0
	for b.Loop() {
		for r := range tr.Records() {
			n++
			size += len(r.JSON)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(size)/float64(n), "B/event")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		traffic(b, Options{Seed: 1, Days: 35, WarmupDays: 14, Incidents: 10})
	}
}

func BenchmarkWriteNDJSON(b *testing.B) {
	tr := traffic(b, Options{Seed: 1, Days: 0.2})
	var w bytes.Buffer
	for b.Loop() {
		w.Reset()
		require.NoError(b, WriteNDJSON(context.Background(), &w, tr, nil))
	}
	b.SetBytes(int64(w.Len()))
}
