package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
)

// exceptionAnswer is the answer to what is said of an exception.
type exceptionAnswer struct {
	Exception insight.Exception
	DryRun    bool
	Hidden    *struct {
		Count    int
		Insights []struct{ ID, Summary, Suppressed string }
	}
}

// confessed are the insights on insightd itself, by object.
func (f *office) confessed() map[string]string {
	f.t.Helper()
	var page struct {
		Insights []struct {
			InsightDetails struct{ InsightObject, Identity, Severity, InsightType, Suppressed string }
		}
	}
	f.data("/api/v1/insights", url.Values{"provider": {insight.ProviderSelf}, "account": {insight.AccountSelf}}, &page)
	out := map[string]string{}
	for _, in := range page.Insights {
		d := in.InsightDetails
		require.Equal(f.t, insight.TypeTrailConcealment, d.InsightType)
		require.Empty(f.t, d.Suppressed)
		out[d.InsightObject] += fmt.Sprintf("%s by %s;", d.Severity, d.Identity)
	}
	return out
}

func TestExceptionsOverHTTP(t *testing.T) {
	f := newOffice(t, config.Default())
	f.run(at(8, 0, 0), map[int]int{6: 300}, "203.0.113.9")
	body := fmt.Sprintf(`{"kind":"maintenance","owner":"backup team","reason":"The move.","ticket":"CHG-1","starts":%q,"expires":%q,`+
		`"scope":{"identity":"*:user/backup","operation":"s3.amazonaws.com:*","network":"203.0.113.0/24","max_rate":60}}`,
		at(8, 0, 0).Format(time.RFC3339), at(9, 14, 5).Format(time.RFC3339))

	var dry exceptionAnswer
	f.say(http.MethodPost, "/api/v1/exceptions?dry_run=true", body, &dry)
	require.True(t, dry.DryRun)
	require.Positive(t, dry.Hidden.Count)
	ids := map[string]bool{}
	for _, in := range dry.Hidden.Insights {
		ids[in.ID] = true
	}
	require.True(t, ids[f.ofDay(6).SharedEventID])
	var list struct{ Exceptions []insight.Exception }
	f.data("/api/v1/exceptions", nil, &list)
	require.Empty(t, list.Exceptions)
	require.Empty(t, f.confessed())

	var made exceptionAnswer
	f.say(http.MethodPost, "/api/v1/exceptions", body, &made)
	require.Equal(t, "127.0.0.1", made.Exception.By)
	require.Equal(t, insight.ExceptionActive, made.Exception.State)
	id := made.Exception.ID
	require.Equal(t, map[string]string{"insightd:PutException": "Low by 127.0.0.1;"}, f.confessed())

	f.run(at(9, 0, 0), map[int]int{8: 300}, "203.0.113.9")
	require.Equal(t, "exception "+id+": maintenance of backup team until "+at(9, 14, 5).Format(time.RFC3339), f.ofDay(8).InsightDetails.Suppressed)
	f.again()
	f.run(at(10, 0, 0), map[int]int{9: 300}, "203.0.113.9")
	in := f.ofDay(9).InsightDetails
	require.Empty(t, in.Suppressed, "it goes on after its end")
	require.Contains(t, in.Reasons[len(in.Reasons)-1].Text, "goes on after exception "+id)
	f.data("/api/v1/exceptions", url.Values{"state": {"expired"}}, &list)
	require.Len(t, list.Exceptions, 1)
	require.GreaterOrEqual(t, list.Exceptions[0].Swallowed, uint64(2))
	_, metrics := f.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, `insightd_exceptions{kind="maintenance",state="expired"} 1`)
	require.Contains(t, metrics, fmt.Sprintf(`insightd_exception_insights_swallowed_total{id=%q,kind="maintenance"} %d`, id, list.Exceptions[0].Swallowed))
	require.Equal(t, http.StatusNotFound, f.status(http.MethodDelete, "/api/v1/exceptions/"+id, nil), "it is over")

	// One that is taken back.
	body = fmt.Sprintf(`{"kind":"mute","owner":"anna","reason":"Noise.","expires":%q,"scope":{"network":"203.0.113.0/24"}}`, at(20, 0, 0).Format(time.RFC3339))
	made = exceptionAnswer{}
	f.say(http.MethodPost, "/api/v1/exceptions", body, &made)
	f.say(http.MethodDelete, "/api/v1/exceptions/"+made.Exception.ID, "", &made)
	require.Equal(t, insight.ExceptionDeleted, made.Exception.State)
	f.run(at(12, 0, 0), map[int]int{11: 600}, "203.0.113.9")
	require.Empty(t, f.ofDay(11).InsightDetails.Suppressed)

	// A restart and a rebuild come to the same.
	want, told := f.records(), f.confessed()
	require.Contains(t, told["insightd:PutException"], "High by 127.0.0.1;")
	list.Exceptions = nil // What is decoded goes into what is there.
	f.data("/api/v1/exceptions", nil, &list)
	require.Len(t, list.Exceptions, 2)
	f.again()
	require.Equal(t, want, f.records())
	f.end()
	_, err := Rebuild(context.Background(), f.o, RebuildOptions{})
	require.NoError(t, err)
	f.started = start(t, f.o)
	require.Equal(t, want, f.records())
	require.Equal(t, told, f.confessed())
	var after struct{ Exceptions []insight.Exception }
	f.data("/api/v1/exceptions", nil, &after)
	require.Equal(t, list, after)
}

func TestTheConfigurationSilencesInTheOpen(t *testing.T) {
	f := newOffice(t, nil)
	f.end()
	file := filepath.Join(t.TempDir(), "insightd.yml")
	write := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	const labels = "identities: {critical: {break_glass: ['*:user/backup']}}\n"
	write(labels)
	f.o.ConfigFile, f.o.Config = file, nil
	f.started = start(t, f.o)

	// Its first call is told, and its profile says what it is.
	var b bytes.Buffer
	f.call(&b, at(0, 0, 0), time.Minute, 1, "203.0.113.9")
	code, answer := f.do(http.MethodPost, "/api/v1/events", &b, "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusOK, code, answer)
	f.run(at(1, 0, 0), nil, "")
	var page struct {
		Insights []struct {
			InsightDetails struct {
				InsightObject, Severity string
				IdentityLabels          []string
			}
		}
	}
	f.data("/api/v1/insights", url.Values{"filter": {`identity_label="break-glass" type="RuleInsight"`}}, &page)
	require.NotEmpty(t, page.Insights)
	require.Equal(t, "break-glass", page.Insights[0].InsightDetails.InsightObject)
	require.Equal(t, "High", page.Insights[0].InsightDetails.Severity)
	var who struct{ Identities []insight.Profile }
	f.data("/api/v1/identities", nil, &who)
	require.Equal(t, []string{"break-glass"}, who.Identities[0].Labels)
	require.Empty(t, f.confessed())

	// A pack that is turned off, and an exception in the file.
	write(labels + "rules: {packs: [azure]}\nexceptions:\n  - {id: noise, kind: allow, owner: anna, reason: Known., expires: 2026-03-06, scope: {identity: '*:user/backup', operation: '*:PutBucketTagging'}}\n")
	require.NoError(t, f.Reload())
	told := f.confessed()
	require.Equal(t, "High by configuration;", told["insightd:PutRules"])
	require.Equal(t, "High by configuration;", told["insightd:PutException"], "it is of a critical identity")
	var list struct{ Exceptions []insight.Exception }
	f.data("/api/v1/exceptions", nil, &list)
	require.Len(t, list.Exceptions, 1)
	require.Equal(t, insight.ExceptionFromConfiguration, list.Exceptions[0].Source)
	require.Equal(t, http.StatusConflict, f.status(http.MethodDelete, "/api/v1/exceptions/noise", nil))
	require.NoError(t, f.Reload())
	require.Equal(t, told, f.confessed(), "nothing changed")
	f.again()
	require.Equal(t, told, f.confessed())

	write(labels)
	require.NoError(t, f.Reload())
	f.data("/api/v1/exceptions", nil, &list)
	require.Equal(t, insight.ExceptionDeleted, list.Exceptions[0].State)
	require.Equal(t, told, f.confessed(), "what is told again silences nothing")
}
