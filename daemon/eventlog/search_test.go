package eventlog

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// searchable is a log with events in blocks, in frozen and in open buffers, of
// several providers.
func searchable(t testing.TB, n int) (*Log, []event.Event) {
	l := openTest(t, Options{NoSync: true, BlockEvents: 150})
	g := newTraffic(21, 3)
	events := g.events(n, 5*time.Hour)
	for i := range events {
		switch i % 7 {
		case 0:
			events[i].Provider, events[i].Account = "azure", "sub"
			events[i].Operation = []string{"Microsoft.Compute/virtualMachines/write", "MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", "Microsoft.Sql/servers/delete"}[i%3]
		case 1:
			events[i].Time = events[i].Time.Add(time.Duration(i) * time.Microsecond)
		}
		if i%50 == 0 {
			events[i].Amends = events[max(i-1, 0)].UID
		}
	}
	r := rand.New(rand.NewPCG(4, 4))
	mixed := slices.Clone(events)
	r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	half := len(mixed) / 2
	_, err := l.Append(ctx, mixed[:half], Replayable)
	require.NoError(t, err)
	require.NoError(t, l.Flush(ctx))
	_, err = l.Append(ctx, mixed[half:], Replayable)
	require.NoError(t, err)
	return l, inOrder(mixed, true)
}

// filters for every kind of condition, with values that are there.
func someFilters(events []event.Event) []string {
	e := events[len(events)/3]
	out := []string{
		``, `outcome="error"`, `operation=~"Run.*|Stop.*" region!="eu-central-1"`, `"AccessDenied" access="write"`,
		`provider="azure" operation="microsoft.compute/virtualmachines/write"`, `operation=~"microsoft.*write"`, `operation!="microsoft.sql/servers/delete" provider="azure"`,
		`operation="Microsoft.Compute/virtualMachines/write" provider!="azure"`, `account!="sub" "AWS"`, `!"AccessDenied" outcome="error"`, `class="iam"`, `class!="iam"`, `class=""`,
		`resource=""`, `resource!~"arn:aws:s3.*"`, fmt.Sprintf(`uid=%q`, e.UID), fmt.Sprintf(`uid!=%q`, e.UID), `uid=~"a.*"`, fmt.Sprintf(`%q`, e.UID), fmt.Sprintf(`%q`, e.UID[3:20]),
		`"zzzzzz no such"`, `identity="nobody"`, `mfa="true" asn="64500"`, `asn=""`, `risk=~"[12]" network="cloud"`, `session!=""`, `country=""`,
	}
	for _, f := range event.Fields {
		out = append(out, fmt.Sprintf("%s=%q", f.Name, f.Value(&e)), fmt.Sprintf("%s!=%q", f.Name, f.Value(&e)))
	}
	return out
}

func matching(t testing.TB, events []event.Event, filter string, from, to time.Time) []event.Event {
	t.Helper()
	f, err := ParseFilter(filter, Lookups{}, time.Time{}, time.Time{})
	require.NoError(t, err)
	var out []event.Event
	for _, e := range events {
		if (from.IsZero() || !e.Time.Before(from)) && (to.IsZero() || e.Time.Before(to)) && f.Match(&e) {
			out = append(out, e)
		}
	}
	return out
}

func TestEventsAreThoseThatTheFilterMatches(t *testing.T) {
	l, events := searchable(t, 3000)
	check := func() {
		for i, filter := range someFilters(events) {
			var from, to time.Time
			if i%2 == 0 {
				from, to = day0.Add(37*time.Minute), day0.Add(4*time.Hour+time.Second)
			}
			want := matching(t, events, filter, from, to)
			for _, forward := range []bool{true, false} {
				page, err := l.Events(ctx, event.Query{Filter: filter, From: from, To: to, Forward: forward, Limit: 5000, Raw: true})
				require.NoError(t, err, filter)
				if !forward {
					slices.Reverse(page.Events)
				}
				require.Len(t, page.Events, len(want), filter)
				if !reflect.DeepEqual(want, page.Events) && len(want) > 0 {
					for i := range want {
						require.Equal(t, want[i], page.Events[i], filter)
					}
				}
			}
		}
	}
	check()
	require.NoError(t, l.Flush(ctx))
	check()
	require.Zero(t, l.Stats().Corruptions)
}

func TestPagesNeitherRepeatNorSkip(t *testing.T) {
	l, events := searchable(t, 1500)
	g := newTraffic(99, 1)
	for _, forward := range []bool{true, false} {
		for _, filter := range []string{``, `access="read"`} {
			want := matching(t, events, filter, time.Time{}, time.Time{})
			if !forward {
				slices.Reverse(want)
			}
			known := map[string]bool{}
			for _, e := range events {
				known[e.UID] = true
			}
			var got []event.Event
			q := event.Query{Filter: filter, Forward: forward, Limit: 37}
			for {
				page, err := l.Events(ctx, q)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page.Events), 37)
				for _, e := range page.Events {
					if known[e.UID] {
						got = append(got, e)
					}
				}
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
				// Others come in between, before and behind the page.
				more := g.events(20, 5*time.Hour)
				_, err = l.Append(ctx, more, Replayable)
				require.NoError(t, err)
			}
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, want[i].UID, got[i].UID)
			}
		}
	}
}

func TestBadQueries(t *testing.T) {
	l, _ := searchable(t, 100)
	page, err := l.Events(ctx, event.Query{Limit: 10})
	require.NoError(t, err)
	for _, q := range []event.Query{
		{Filter: `nope="x"`},
		{Cursor: "???"},
		{Cursor: "AAAA"},
		{Cursor: page.Next, Forward: true},
		{Limit: maxLimit + 1},
		{From: day0.Add(time.Hour), To: day0},
	} {
		_, err := l.Events(ctx, q)
		require.ErrorIs(t, err, ErrBadQuery)
	}
	for _, q := range []event.VolumeQuery{
		{}, {Step: time.Second, By: "nope"}, {Step: time.Nanosecond}, {Step: -1}, {Step: time.Hour, Filter: "("},
	} {
		_, err := l.Volume(ctx, q)
		require.ErrorIs(t, err, ErrBadQuery)
	}
	_, err = l.Values(ctx, event.ValuesQuery{Field: "regon"})
	require.ErrorContains(t, err, "did you mean region?")
}

// values lists what an event counts under.
func values(f *event.Field, e *event.Event) []string {
	if f.Values == nil {
		return []string{f.Value(e)}
	}
	if v := f.Values(e); len(v) > 0 {
		return v
	}
	return []string{""}
}

func TestVolumeAndValues(t *testing.T) {
	l, events := searchable(t, 2500)
	from, to := day0.Add(10*time.Minute), day0.Add(4*time.Hour+7*time.Minute)
	step := 13 * time.Minute
	for _, filter := range []string{``, `outcome="error"`, `provider="azure"`, `"DescribeInstances"`, `identity="nobody"`} {
		for _, by := range append([]event.Field{{}}, event.Fields...) {
			want := map[string]map[int]uint64{}
			totals := map[string]uint64{}
			for _, e := range matching(t, events, filter, from, to) {
				vs := []string{""}
				if by.Name != "" {
					vs = values(&by, &e)
				}
				for _, v := range vs {
					if want[v] == nil {
						want[v] = map[int]uint64{}
					}
					want[v][int(e.Time.Sub(from)/step)]++
					totals[v]++
				}
			}
			got, err := l.Volume(ctx, event.VolumeQuery{Filter: filter, From: from, To: to, Step: step, By: by.Name, Top: 5000})
			require.NoError(t, err)
			require.True(t, got.From.Equal(from))
			require.Equal(t, step, got.Step)
			if by.Name == "" {
				require.Len(t, got.Series, 1)
			} else {
				require.Len(t, got.Series, len(want), "%s by %s", filter, by.Name)
			}
			for _, s := range got.Series {
				require.Len(t, s.Counts, 19)
				for i, n := range s.Counts {
					require.Equal(t, want[s.Value][i], n, "%s by %s, %q", filter, by.Name, s.Value)
				}
			}
			if by.Name == "" {
				continue
			}
			few, err := l.Volume(ctx, event.VolumeQuery{Filter: filter, From: from, To: to, Step: step, By: by.Name, Top: 2})
			require.NoError(t, err)
			require.LessOrEqual(t, len(few.Series), 3)
			var sum, all uint64
			for _, s := range few.Series {
				for _, n := range s.Counts {
					sum += n
				}
			}
			for _, n := range totals {
				all += n
			}
			require.Equal(t, all, sum, "top and the rest are all")
			if len(want) > 2 {
				require.Equal(t, OtherValue, few.Series[2].Value)
			}

			delete(totals, "")
			vals, err := l.Values(ctx, event.ValuesQuery{Filter: filter, From: from, To: to, Field: by.Name, Limit: 5000})
			require.NoError(t, err)
			require.Len(t, vals, len(totals))
			for i, v := range vals {
				require.Equal(t, totals[v.Value], v.Count)
				require.True(t, i == 0 || vals[i-1].Count >= v.Count)
			}
		}
	}
	some, err := l.Values(ctx, event.ValuesQuery{Field: "operation", Contains: "Instances", Limit: 1})
	require.NoError(t, err)
	require.Len(t, some, 1)
	require.Contains(t, some[0].Value, "Instances")
	whole, err := l.Volume(ctx, event.VolumeQuery{Step: time.Hour})
	require.NoError(t, err)
	require.True(t, whole.From.Equal(day0))
	require.Len(t, whole.Series[0].Counts, 5)

	empty := openTest(t, Options{NoSync: true})
	v, err := empty.Volume(ctx, event.VolumeQuery{Step: time.Hour})
	require.NoError(t, err)
	require.Empty(t, v.Series)
}

func TestGetAndAddenda(t *testing.T) {
	l, events := searchable(t, 1000)
	for range 2 {
		for i := 0; i < len(events); i += 17 {
			e, ok, err := l.Get(ctx, events[i].UID)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, events[i], e)
		}
		_, ok, err := l.Get(ctx, "nothing")
		require.NoError(t, err)
		require.False(t, ok)
		amended := 0
		for _, e := range events {
			if e.Amends == "" {
				continue
			}
			got, err := l.Addenda(ctx, e.Amends)
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, e, got[0])
			amended++
		}
		require.Equal(t, 20, amended)
		got, err := l.Addenda(ctx, "")
		require.NoError(t, err)
		require.Empty(t, got)
		require.NoError(t, l.Flush(ctx))
	}
}

func TestReadBounds(t *testing.T) {
	l, events := searchable(t, 1200)
	for i := range events {
		events[i].Raw = nil
	}
	for _, s := range l.Streams() {
		for _, b := range [][2]time.Duration{{0, 5 * time.Hour}, {30 * time.Minute, 31 * time.Minute}, {59 * time.Minute, 181 * time.Minute}, {5 * time.Hour, 6 * time.Hour}, {time.Hour, time.Hour}} {
			from, to := day0.Add(b[0]), day0.Add(b[1])
			want := slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool {
				return keyOf(&e) != s.Key || e.Time.Before(from) || !e.Time.Before(to) || e.Seq > 700
			})
			got, err := l.Read(ctx, ReadQuery{Stream: s.Key, From: from, To: to, MaxSeq: 700})
			require.NoError(t, err)
			requireSame(t, want, got)
			require.GreaterOrEqual(t, l.Count(s.Key, from, to), len(want))
		}
	}
	require.Zero(t, l.Count(event.StreamKey{Provider: "none"}, time.Time{}, time.Time{}))
	got, err := l.Read(ctx, ReadQuery{Stream: event.StreamKey{Provider: "none"}})
	require.NoError(t, err)
	require.Empty(t, got)
}

// TestAroundAnEvent walks away from an event in both directions, among many of
// the same instant, and finds every other event once and in order.
func TestAroundAnEvent(t *testing.T) {
	l, events := searchable(t, 900)
	more := events[:300]
	for i := range more { // A third of them at one instant.
		e := more[i]
		e.UID, e.Time = fmt.Sprintf("same-%03d", (i*7)%300), events[450].Time
		_, err := l.Append(ctx, []event.Event{e}, Replayable)
		require.NoError(t, err)
	}
	all, err := l.Events(ctx, event.Query{Forward: true, Limit: 5000})
	require.NoError(t, err)
	require.Len(t, all.Events, 1200)
	for _, n := range []int{0, 1, len(all.Events) / 2, len(all.Events) - 1, slices.IndexFunc(all.Events, func(e event.Event) bool { return e.UID == "same-150" })} {
		for _, limit := range []int{7, 100, 5000} {
			walk := func(forward bool) []string {
				out := []string{}
				for q := (event.Query{Around: all.Events[n].UID, Forward: forward, Limit: limit}); ; {
					page, err := l.Events(ctx, q)
					require.NoError(t, err)
					for _, e := range page.Events {
						out = append(out, e.UID)
					}
					if q.Cursor = page.Next; page.Next == "" {
						return out
					}
				}
			}
			got := walk(false)
			slices.Reverse(got)
			got = append(append(got, all.Events[n].UID), walk(true)...)
			want := make([]string, len(all.Events))
			for i, e := range all.Events {
				want[i] = e.UID
			}
			require.Equal(t, want, got)
		}
	}
	_, err = l.Events(ctx, event.Query{Around: "nobody"})
	require.ErrorIs(t, err, ErrBadQuery)
	require.ErrorContains(t, err, "nobody")
}
