package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
)

// office is a daemon on a clock of its own, to which an account's activity is
// pushed.
type office struct {
	*started
	clock atomic.Int64 // Unix seconds
	o     Options
	lived time.Time // up to when there are events
	n     int       // of the last event
	r     *rand.Rand
}

// officeBegin is when the account's activity begins, a Monday.
var officeBegin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// at is a time of a day of the account.
func at(day, hour, minute int) time.Time {
	return officeBegin.Add(time.Duration(day)*24*time.Hour + time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

func newOffice(t *testing.T, c *config.Config) *office {
	f := &office{lived: officeBegin, r: rand.New(rand.NewPCG(1, 2))}
	f.clock.Store(officeBegin.Unix())
	f.o = Options{Config: c, StoragePath: t.TempDir(), Now: func() time.Time { return time.Unix(f.clock.Load(), 0).UTC() }}
	f.o.PushIdle = 10_000 * time.Hour // The clock jumps: nothing is final but by what is pushed.
	f.started = start(t, f.o)
	return f
}

// again ends the daemon and starts another one on the same storage.
func (f *office) again() {
	f.t.Helper()
	f.end()
	f.started = start(f.t, f.o)
}

// call appends n calls of the backup, spread over a span.
func (f *office) call(b *bytes.Buffer, from time.Time, span time.Duration, n int, ip string) {
	for i := range n {
		f.n++
		fmt.Fprintf(b, `{"eventVersion":"1.09","eventTime":%q,"eventSource":"s3.amazonaws.com","eventName":"PutBucketTagging","awsRegion":"eu-central-1",`+
			`"eventID":"e-%d","recipientAccountId":"111111111111","readOnly":false,"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,`+
			`"sourceIPAddress":%q,"userAgent":"aws-cli/2.15.0","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111111111111:user/backup",`+
			`"accountId":"111111111111","userName":"backup","accessKeyId":"AKIAIOSFODNN7EXAMPLE"}}`+"\n",
			from.Add(span*time.Duration(i)/time.Duration(n)).Format(time.RFC3339), f.n, ip)
	}
}

// run lets the account live until a time, with a burst of the backup at 14:00 of
// each day that is named, and waits until all of it is final.
func (f *office) run(to time.Time, bursts map[int]int, ip string) {
	f.t.Helper()
	var b bytes.Buffer
	until := to.Add(40 * time.Minute) // Longer than events may be late.
	for m := f.lived; m.Before(until); m = m.Add(time.Minute) {
		if m.Minute()%5 == 0 {
			f.call(&b, m.Add(time.Duration(f.r.IntN(60))*time.Second), time.Second, 1, "203.0.113.9")
		}
		if n := bursts[int(m.Sub(officeBegin).Hours()/24)]; n > 0 && m.Hour() == 14 && m.Minute() == 0 {
			f.call(&b, m, 10*time.Minute, n, ip)
		}
	}
	f.lived = until
	f.clock.Store(until.Unix())
	code, answer := f.do(http.MethodPost, "/api/v1/events", &b, "Content-Type", "application/x-ndjson")
	require.Equal(f.t, http.StatusOK, code, answer)
	f.eventually(func() bool { return !f.FinalUpTo().Before(to) }, "everything is final up to "+to.String())
}

type shownInsight struct {
	SharedEventID  string
	InsightDetails struct {
		State, Suppressed, StartTime, Summary string
		Reasons                               []insight.Reason
	}
}

// ofDay is the call-rate insight of a day.
func (f *office) ofDay(day int) shownInsight {
	f.t.Helper()
	var page struct{ Insights []shownInsight }
	f.data("/api/v1/insights", url.Values{
		"type": {insight.TypeAPICallRate}, "start": {at(day, 0, 0).Format(time.RFC3339)}, "end": {at(day+1, 0, 0).Format(time.RFC3339)},
	}, &page)
	require.Len(f.t, page.Insights, 1, "day %d", day)
	return page.Insights[0]
}

// say posts what somebody says and returns the answer's data.
func (f *office) say(method, path, body string, into any) {
	f.t.Helper()
	code, answer := f.do(method, path, strings.NewReader(body), "Content-Type", "application/json")
	require.Equal(f.t, http.StatusOK, code, answer)
	var env struct{ Data json.RawMessage }
	require.NoError(f.t, json.Unmarshal([]byte(answer), &env))
	require.NoError(f.t, json.Unmarshal(env.Data, into))
}

// records are the records of the newest revision of every insight, without its
// number.
func (f *office) records() string {
	f.t.Helper()
	var page struct {
		Insights []struct {
			SharedEventID  string
			InsightDetails struct{ Revision int }
		}
	}
	f.data("/api/v1/insights", url.Values{"sort": {"start"}, "limit": {"1000"}}, &page)
	var b strings.Builder
	for _, in := range page.Insights {
		var rs struct{ Records []insight.Record }
		f.data("/api/v1/insights/"+in.SharedEventID+"/records", nil, &rs)
		for _, r := range rs.Records {
			if r.InsightDetails.Revision != in.InsightDetails.Revision {
				continue
			}
			r.InsightDetails.Revision = 0
			line, err := json.Marshal(r)
			require.NoError(f.t, err)
			b.Write(append(line, '\n'))
		}
	}
	return b.String()
}

// said is the answer to what somebody says of an insight.
type said struct {
	Feedback insight.Feedback
	DryRun   bool
	Hidden   *struct {
		Count    int
		Insights []struct{ ID, Summary, Suppressed string }
	}
}

func TestThumbsKeepQuietWhatIsNormal(t *testing.T) {
	c := config.Default()
	f := newOffice(t, c)
	path := func(day int) string { return "/api/v1/insights/" + f.ofDay(day).SharedEventID + "/feedback" }
	f.run(at(8, 0, 0), map[int]int{5: 300, 6: 300}, "203.0.113.9")
	reviewed := f.ofDay(5)
	require.Empty(t, reviewed.InsightDetails.Suppressed)

	// A dry run says what it would have hidden, and changes nothing.
	var dry said
	f.say(http.MethodPost, path(5)+"?dry_run=true", `{"verdict":"down","note":"the new backup"}`, &dry)
	require.True(t, dry.DryRun)
	require.Equal(t, 2, dry.Hidden.Count)
	require.Equal(t, f.ofDay(6).SharedEventID, dry.Hidden.Insights[0].ID)
	require.Equal(t, reviewed.SharedEventID, dry.Hidden.Insights[1].ID)
	require.NotEmpty(t, dry.Hidden.Insights[0].Summary)
	var list struct{ Feedback []insight.Feedback }
	f.data(path(5), nil, &list)
	require.Empty(t, list.Feedback)

	// The same from many clients at once is one feedback.
	var wg sync.WaitGroup
	ids := make([]string, 8)
	for n := range ids {
		wg.Go(func() {
			var given said
			f.say(http.MethodPost, path(5), `{"verdict":"down","note":"the new backup"}`, &given)
			ids[n] = given.Feedback.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	f.data(path(5), nil, &list)
	require.Len(t, list.Feedback, 1)
	given := list.Feedback[0]
	require.Equal(t, "127.0.0.1", given.By)
	require.False(t, given.From.Before(at(8, 0, 0)))

	f.run(at(9, 0, 0), map[int]int{8: 300}, "203.0.113.9")
	same := f.ofDay(8)
	require.Equal(t, fmt.Sprintf("confirmed normal by 127.0.0.1 on %s: feedback %s", given.At.Format("2006-01-02"), given.ID), same.InsightDetails.Suppressed)
	var view struct {
		Feedback    []insight.Feedback
		ConfirmedBy *insight.Feedback
	}
	f.data("/api/v1/insights/"+same.SharedEventID, nil, &view)
	require.Empty(t, view.Feedback)
	require.Equal(t, reviewed.SharedEventID, view.ConfirmedBy.Insight)
	require.Equal(t, uint64(1), view.ConfirmedBy.Swallowed)
	require.Equal(t, same.InsightDetails.StartTime, view.ConfirmedBy.LastSwallowed.Truncate(time.Second).Format(time.RFC3339))
	_, metrics := f.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, `insightd_engine_insights_swallowed_total{account="111111111111",provider="aws"} 1`)
	require.Contains(t, metrics, `insightd_engine_feedback{account="111111111111",insight_type="ApiCallRateInsight",provider="aws",verdict="down"} 1`)
	f.again()

	// What is larger, and what comes from elsewhere, is told with a reason.
	f.run(at(10, 0, 0), map[int]int{9: 1200}, "203.0.113.9")
	f.run(at(11, 0, 0), map[int]int{10: 1200}, "198.51.100.7")
	for day, want := range map[int]string{9: " in a minute, where ", 10: "network 198.51.100.0/24"} {
		in := f.ofDay(day)
		require.Empty(t, in.InsightDetails.Suppressed)
		last := in.InsightDetails.Reasons[len(in.InsightDetails.Reasons)-1]
		require.Equal(t, "envelope", last.Feature)
		require.Contains(t, last.Text, want)
	}

	// It is quiet no more once it is undone.
	var undone said
	f.say(http.MethodPost, path(10), `{"verdict":"up"}`, &undone)
	f.say(http.MethodDelete, path(5), "", &undone)
	require.Equal(t, insight.FeedbackUndone, undone.Feedback.State)
	require.Equal(t, http.StatusNotFound, f.status(http.MethodDelete, path(5), nil))
	f.run(at(14, 0, 0), map[int]int{13: 900}, "203.0.113.9")
	require.Empty(t, f.ofDay(13).InsightDetails.Suppressed)

	// A restart and a rebuild come to the same.
	want := f.records()
	f.data(path(5), nil, &list)
	f.again()
	require.Equal(t, want, f.records())
	f.end()
	_, err := Rebuild(context.Background(), f.o, RebuildOptions{})
	require.NoError(t, err)
	f.started = start(t, f.o)
	require.Equal(t, want, f.records())
	var after struct{ Feedback []insight.Feedback }
	f.data(path(5), nil, &after)
	require.Equal(t, list, after)
	f.data(path(10), nil, &after)
	require.Equal(t, insight.Up, after.Feedback[0].Verdict)
}

func TestAnIdentityIsRebaselinedOverHTTP(t *testing.T) {
	f := newOffice(t, config.Default())
	f.run(at(5, 0, 0), nil, "")
	var page struct{ Identities []insight.Profile }
	f.data("/api/v1/identities", nil, &page)
	require.Len(t, page.Identities, 1)
	path := "/api/v1/identities/" + page.Identities[0].ID
	var answer struct{ Rebaseline insight.Rebaseline }
	f.say(http.MethodPost, path+"/rebaseline", `{"note":"makes all tags now"}`, &answer)
	r := answer.Rebaseline
	require.Equal(t, "makes all tags now", r.Note)
	require.False(t, r.From.Before(at(5, 0, 0)))
	require.Equal(t, 24*time.Hour, r.Until.Sub(r.From))
	confessed := map[string]string{"insightd:PutRebaseline": "Medium by 127.0.0.1;"}
	require.Equal(t, confessed, f.confessed())

	// On its first day anew it raises nothing; the day after it does.
	f.run(at(7, 0, 0), map[int]int{5: 600}, "203.0.113.9")
	var found struct{ Insights []shownInsight }
	f.data("/api/v1/insights", url.Values{"provider": {"aws"}}, &found)
	require.Empty(t, found.Insights)
	f.run(at(9, 0, 0), map[int]int{8: 3000}, "203.0.113.9")
	require.Empty(t, f.ofDay(8).InsightDetails.Suppressed)
	f.again()
	var one struct{ Identity insight.Profile }
	f.data(path, nil, &one)
	require.Equal(t, &r, one.Identity.Rebaselined)
	require.Equal(t, 5, one.Identity.ActiveDays, "since then, the hours on both sides included")
	require.Equal(t, confessed, f.confessed(), "a restart tells no less")
}
