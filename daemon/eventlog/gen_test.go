package eventlog

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unique"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

var day0 = time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)

// traffic makes events as a CloudTrail decoder and enrichment would: about
// 1.6 KB of JSON each, a hundred identities, a few dozen operations.
type traffic struct {
	r        *rand.Rand
	accounts []string
	regions  []string
}

func newTraffic(seed uint64, accounts int) *traffic {
	g := &traffic{r: rand.New(rand.NewPCG(seed, 7)), regions: []string{"eu-central-1", "us-east-1", "ap-southeast-2"}}
	for i := range accounts {
		g.accounts = append(g.accounts, fmt.Sprintf("%012d", 100200300400+i))
	}
	return g
}

var testOperations = []struct {
	service, name string
	write         bool
}{
	{"ec2.amazonaws.com", "DescribeInstances", false},
	{"ec2.amazonaws.com", "RunInstances", true},
	{"ec2.amazonaws.com", "DescribeSecurityGroups", false},
	{"s3.amazonaws.com", "GetBucketAcl", false},
	{"s3.amazonaws.com", "PutBucketPolicy", true},
	{"sts.amazonaws.com", "AssumeRole", false},
	{"iam.amazonaws.com", "CreateAccessKey", true},
	{"iam.amazonaws.com", "ListRoles", false},
	{"lambda.amazonaws.com", "Invoke", true},
	{"kms.amazonaws.com", "Decrypt", false},
	{"cloudtrail.amazonaws.com", "StopLogging", true},
	{"logs.amazonaws.com", "CreateLogStream", true},
	{"dynamodb.amazonaws.com", "DescribeTable", false},
	{"rds.amazonaws.com", "DescribeDBInstances", false},
}

func (g *traffic) hex(n int) string {
	b := make([]byte, (n+1)/2)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return hex.EncodeToString(b)[:n]
}

func (g *traffic) uuid() string {
	h := g.hex(32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// event makes an event at a time.
func (g *traffic) event(t time.Time) event.Event {
	op := testOperations[min(g.r.IntN(len(testOperations)), g.r.IntN(len(testOperations)))]
	who := g.r.IntN(100)
	account := g.accounts[g.r.IntN(len(g.accounts))]
	e := event.Event{
		UID: g.uuid(), Time: t.Truncate(time.Second), Received: t.Truncate(time.Minute).Add(5 * time.Minute),
		Provider: "aws", Account: account, Region: g.regions[g.r.IntN(len(g.regions))],
		Service: op.service, Operation: op.name, Category: event.CategoryManagement,
		Access: event.AccessRead, Outcome: event.OutcomeSuccess,
		UserAgent:   fmt.Sprintf("aws-cli/2.%d.3 md/Botocore#1.40.%d ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.%d", who%7, who%11, who%5),
		AgentFamily: "aws-cli",
	}
	if op.write {
		e.Access = event.AccessWrite
		e.Class, e.Risk = "policy_change iam", 2
	}
	e.Actor = event.Actor{Identity: fmt.Sprintf("arn:aws:iam::%s:user/person-%02d", account, who), Kind: event.KindHuman, RawType: "IAMUser", Credential: fmt.Sprintf("AKIAIOSFODNN7%07d", who)}
	if who%3 == 0 {
		e.Actor = event.Actor{
			Identity: fmt.Sprintf("arn:aws:iam::%s:role/worker-%02d", account, who), Kind: event.KindRole, RawType: "AssumedRole",
			Session: "i-0" + g.hex(16), Credential: "ASIA" + strings.ToUpper(g.hex(16)), MFA: who%2 == 0,
		}
	}
	if g.r.IntN(12) == 0 {
		e.Outcome, e.ErrorCode = event.OutcomeError, "AccessDenied"
		e.ErrorMessage = fmt.Sprintf("User: %s is not authorized to perform: %s", e.Actor.Identity, op.name)
	}
	addr := fmt.Sprintf("198.51.%d.%d", who%4, g.r.IntN(200))
	e.Source = event.Source{Address: addr, IP: netip.MustParseAddr(addr), Country: []string{"DE", "US", "AU", ""}[who%4], ASN: uint32(64500 + who%4), Network: event.NetworkCloud}
	resource := fmt.Sprintf("arn:aws:s3:::bucket-%03d/key", g.r.IntN(300))
	if g.r.IntN(2) == 0 {
		e.Resources = []string{resource, "arn:aws:kms:eu-central-1:" + account + ":key/" + g.uuid()}
	}
	e.Raw = fmt.Appendf(nil, `{"eventVersion":"1.11","userIdentity":{"type":"%s","principalId":"AIDACKCEVSQ6C2EXAMPLE:%s","arn":"%s","accountId":"%s","accessKeyId":"%s","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROACKCEVSQ6C2EXAMPLE","arn":"%s","accountId":"%s","userName":"worker"},"attributes":{"creationDate":"%s","mfaAuthenticated":"false"}}},"eventTime":"%s","eventSource":"%s","eventName":"%s","awsRegion":"%s","sourceIPAddress":"%s","userAgent":"[%s]","errorCode":"%s","errorMessage":"%s","requestParameters":{"instancesSet":{"items":[{"instanceId":"i-0%s"},{"instanceId":"i-0%s"}]},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"},{"value":"stopped"}]}}]},"resource":"%s","maxResults":%d,"nextToken":"%s"},"responseElements":{"requestId":"%s","_return":true},"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"%s","bytesTransferredOut":%d},"requestID":"%s","eventID":"%s","readOnly":%t,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%s","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s"}}`,
		e.Actor.RawType, e.Actor.Session, e.Actor.Identity, account, e.Actor.Credential, e.Actor.Identity, account, t.Truncate(time.Hour).Format(time.RFC3339),
		e.Time.Format(time.RFC3339), op.service, op.name, e.Region, addr, e.UserAgent, e.ErrorCode, e.ErrorMessage, g.hex(16), g.hex(16), resource, g.r.IntN(1000), g.hex(24),
		g.uuid(), g.hex(32), g.r.IntN(100000), g.uuid(), e.UID, !op.write, account, op.service)
	return e
}

// events makes n events, spread evenly over a span of time from day0.
func (g *traffic) events(n int, over time.Duration) []event.Event {
	out := make([]event.Event, n)
	for i := range out {
		out[i] = g.event(day0.Add(time.Duration(int64(over) / int64(n) * int64(i))))
	}
	return out
}

// openTest opens a log and closes it at the end of the test.
func openTest(t testing.TB, o Options) *Log {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// stored is what a reader gets of an event: without what columns do not keep.
func stored(e event.Event, raw bool) event.Event {
	e.Actor.Name, e.Actor.ARN, e.Actor.PrincipalID, e.Actor.AccountID = "", "", "", ""
	e.Late = false
	if !raw {
		e.Raw = nil
	}
	return e
}

func streamOf(e *event.Event) streamID {
	return unique.Make(event.StreamKey{Provider: e.Provider, Account: e.Account})
}
