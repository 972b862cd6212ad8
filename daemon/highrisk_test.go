package daemon

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
)

// TestEventsOfHighRisk has a backup, which has only ever tagged buckets, read the
// password of a machine and stop the trail, from elsewhere: a filter finds these calls,
// and neither what it always did nor what it does beside them.
func TestEventsOfHighRisk(t *testing.T) {
	f := newOffice(t, config.Default())
	f.run(at(6, 14, 0), nil, "203.0.113.9")
	odd := at(6, 14, 41)
	var b bytes.Buffer
	for i, call := range []string{"ec2:GetPasswordData", "ec2:GetPasswordData", "s3:PutBucketTagging", "cloudtrail:StopLogging"} {
		service, operation, _ := bytes.Cut([]byte(call), []byte(":"))
		fmt.Fprintf(&b, `{"eventVersion":"1.09","eventTime":%q,"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-central-1",`+
			`"eventID":"odd-%d","recipientAccountId":"111111111111","readOnly":false,"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true,`+
			`"requestParameters":{"name":"all"},`+
			`"sourceIPAddress":"51.15.176.41","userAgent":"Boto3/1.34.0","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111111111111:user/backup",`+
			`"accountId":"111111111111","userName":"backup","accessKeyId":"AKIAIOSFODNN7EXAMPLE"}}`+"\n",
			odd.Add(time.Duration(i)*time.Second).Format(time.RFC3339), service, operation, i)
	}
	f.clock.Store(odd.Add(time.Minute).Unix())
	code, answer := f.do(http.MethodPost, "/api/v1/events", &b, "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusOK, code, answer)
	f.run(at(6, 18, 0), nil, "203.0.113.9")

	var told struct{ Insights []insight.Record }
	f.data("/api/v1/insights", url.Values{"type": {insight.TypeFirstAction, insight.TypeTrailConcealment}}, &told)
	types := map[string]bool{}
	for _, r := range told.Insights {
		types[r.InsightDetails.InsightType] = true
	}
	require.True(t, types[insight.TypeFirstAction] && types[insight.TypeTrailConcealment], "%v", types)

	ask := func(filter string) (uids []string) {
		t.Helper()
		var page struct{ Events []struct{ UID string } }
		f.data("/api/v1/events", url.Values{"filter": {filter}, "direction": {"forward"}}, &page)
		for _, e := range page.Events {
			uids = append(uids, e.UID)
		}
		return uids
	}
	require.Equal(t, []string{"odd-0", "odd-3"}, ask(`high_risk="true"`))
	require.Equal(t, []string{"odd-3"}, ask(`high_risk="true" service="cloudtrail.amazonaws.com"`))
	require.Equal(t, []string{"odd-1", "odd-2"}, ask(`high_risk!="true" ip="51.15.176.41"`))
	var values struct {
		Values []struct {
			Value string
			Count int
		}
	}
	f.data("/api/v1/events/field/high_risk/values", url.Values{"start": {at(6, 0, 0).Format(time.RFC3339)}, "end": {at(7, 0, 0).Format(time.RFC3339)}}, &values)
	require.Len(t, values.Values, 1)
	require.Equal(t, 2, values.Values[0].Count)
}
