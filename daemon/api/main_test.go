package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// worldNow is the time at which the world of the tests stands still.
var worldNow = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

const (
	worldAccount = "111122223333"
	worldAnna    = "arn:aws:iam::111122223333:user/anna"
	worldDeploy  = "arn:aws:iam::111122223333:role/deploy"
)

// world is an API over a real event log, real insights and real series.
type world struct {
	t        *testing.T
	log      *eventlog.Log
	insights *insight.Store
	db       *tsdb.DB
	registry *prometheus.Registry
	o        Options
	api      *API
	server   *httptest.Server
	ids      map[string]string
}

func newWorld(t *testing.T, changeOptions func(*Options)) *world {
	now := func() time.Time { return worldNow }
	w := &world{t: t, registry: prometheus.NewRegistry(), ids: map[string]string{}}
	var err error
	w.log, err = eventlog.Open(eventlog.Options{Dir: t.TempDir(), Now: now, Lookups: eventlog.Lookups{
		Automated: func() map[string]bool { return map[string]bool{worldDeploy: true} },
		HighRisk:  func(time.Time, time.Time) map[string]bool { return map[string]bool{"event-003": true} },
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.log.Close()) })
	_, err = w.log.Append(t.Context(), worldEvents(), eventlog.Replayable)
	require.NoError(t, err)

	w.insights, err = insight.Open(insight.Options{Now: now, Registerer: w.registry})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.insights.Close()) })
	w.putInsights()

	w.db, err = tsdb.Open(tsdb.Options{Dir: t.TempDir(), Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.db.Close()) })
	w.db.AddLive(liveInsights{w.insights})
	require.NoError(t, w.db.Append(worldSamples()))
	engine := tsdb.NewQueryEngine(tsdb.EngineOptions{})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })

	var metadata []PrometheusMetadata
	for _, m := range tsdb.Metrics {
		metadata = append(metadata, PrometheusMetadata{Name: m.Name, Type: tsdb.MetricType, Help: m.Help})
	}
	w.o = Options{
		Insights: w.insights, Events: w.log, Knowledge: worldKnowledge{}, Reviews: newWorldReviews(w), Exceptions: newWorldExceptions(w), Pusher: pusher{w.log},
		Prometheus: PrometheusOptions{
			Queryable: w.db.Queryable(), Engine: engine, Stats: w.db, Metadata: metadata, Now: now,
			Build: PrometheusBuild{Version: "0.1.0"}, Started: worldNow.Add(-time.Hour),
		},
		Locator: worldLocator{},
		Status: func() any {
			return []map[string]any{{"name": "trail", "kind": "file", "state": "at its end", "events": 60}}
		},
		Page:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "the page") }),
		Classify: worldClassify,
		Gatherer: w.registry, Registerer: w.registry, Now: now,
	}
	if changeOptions != nil {
		changeOptions(&w.o)
	}
	w.api, err = New(w.o)
	require.NoError(t, err)
	w.server = httptest.NewServer(w.api.Handler())
	t.Cleanup(w.server.Close)
	t.Cleanup(w.api.Close) // It ends the streams before the server waits for them.
	return w
}

// overTLS has the world served by another server, whose answers take at most write.
func (w *world) overTLS(http2 bool, write time.Duration) {
	w.server = httptest.NewUnstartedServer(w.api.Handler())
	w.server.EnableHTTP2, w.server.Config.WriteTimeout = http2, write
	w.server.StartTLS()
	w.t.Cleanup(w.server.Close)
}

// worldLocator knows where anna is.
type worldLocator struct{}

func (worldLocator) Cities() bool { return true }

func (worldLocator) Locate(address string) (Spot, bool) {
	return Spot{Latitude: 52.5244, Longitude: 13.4105, City: "Berlin", Country: "DE"}, address == "198.51.100.7"
}

// worldClassify is what a daemon says of the event log's errors.
func worldClassify(err error) ErrorType {
	var wrong *filter.Error
	if errors.As(err, &wrong) || errors.Is(err, eventlog.ErrBadQuery) || errors.Is(err, eventlog.ErrCursor) {
		return ErrorBadData
	}
	return ""
}

// worldEvents are an hour of two identities: one calls every minute, the other
// fails thirty times in ten minutes.
func worldEvents() []event.Event {
	var out []event.Event
	add := func(at time.Time, identity, service, operation, code string) {
		e := event.Event{
			UID: fmt.Sprintf("event-%03d", len(out)), Time: at, Received: at.Add(5 * time.Minute),
			Provider: "aws", Account: worldAccount, Region: "eu-central-1", Service: service, Operation: operation,
			Category: event.CategoryManagement, Access: event.AccessWrite, Outcome: event.OutcomeSuccess,
			Actor:     event.Actor{Identity: identity, Kind: event.KindHuman, RawType: "IAMUser", Credential: "AKIAIOSFODNN7EXAMPLE", MFA: true},
			Source:    event.Source{Address: "198.51.100.7", IP: netip.MustParseAddr("198.51.100.7"), Country: "DE", ASN: 64500, Network: event.NetworkHosting},
			UserAgent: "aws-cli/2.15.0", AgentFamily: "aws-cli", Resources: []string{"i-0abc"}, Class: "compute destructive", Risk: 2,
		}
		if identity == worldDeploy {
			e.Actor = event.Actor{Identity: identity, Kind: event.KindRole, RawType: "AssumedRole", Session: "run-42"}
			e.Source = event.Source{Address: "AWS Internal", Network: event.NetworkInternal}
			e.Resources, e.Class, e.Risk = nil, "", 0
		}
		if code != "" {
			e.Outcome, e.ErrorCode, e.ErrorMessage = event.OutcomeError, code, "not authorised"
		}
		e.Raw = fmt.Appendf(nil, `{"eventID":%q,"eventTime":%q,"eventName":%q}`, e.UID, at.Format(time.RFC3339), operation)
		out = append(out, e)
	}
	start := worldNow.Add(-time.Hour)
	for n := range 30 {
		add(start.Add(time.Duration(n)*2*time.Minute), worldDeploy, "s3.amazonaws.com", "PutBucketPolicy", "")
	}
	for n := range 30 {
		add(start.Add(30*time.Minute+time.Duration(n)*20*time.Second), worldAnna, "ec2.amazonaws.com", "RunInstances", "Client.UnauthorizedOperation")
	}
	return out
}

func worldSamples() []tsdb.Sample {
	s := tsdb.NewSeries(labels.FromStrings(labels.MetricName, tsdb.MetricEvents, "provider", "aws", "account", worldAccount,
		"region", "eu-central-1", "service", "ec2.amazonaws.com", "operation", "RunInstances", "category", "management", "access", "write", "outcome", "error"))
	var out []tsdb.Sample
	for n := range 10 {
		out = append(out, tsdb.Sample{Series: s, T: tsdb.SampleTime(worldNow.Add(time.Duration(n-30) * time.Minute)), V: 3})
	}
	return out
}

// putInsights puts one insight that goes on, one that is over and was told
// twice, one that is suppressed and one that was withdrawn.
func (w *world) putInsights() {
	start := worldNow.Add(-30 * time.Minute)
	calls := insight.Insight{
		Type: insight.TypeAPICallRate, Provider: "aws", Account: worldAccount, Region: "eu-central-1",
		Object: "ec2.amazonaws.com:RunInstances", Identity: worldAnna, IdentityKind: "human", UserType: "IAMUser",
		Service: "ec2.amazonaws.com", Operation: "RunInstances", HighRisk: true,
		State: insight.StateStart, Start: start, Detected: start.Add(40 * time.Second),
		Confidence: 0.93, Score: 4.2, Severity: insight.SeverityHigh, Summary: "anna: RunInstances 3 a minute, usually 0.1",
		Incident: "5f0c2a9be1d34c77", Alert: insight.Alert{Reason: "no notifier is configured"},
		SourceIPs:    []insight.SourceIP{{IP: "198.51.100.7", Country: "DE", ASN: 64500, Network: "hosting"}},
		AccessKeyIDs: []string{"AKIAIOSFODNN7EXAMPLE"}, Resources: []string{"i-0abc"}, SampleEventIDs: []string{"event-030", "event-031"},
		KRI: "Identity and Access", Attack: []string{"T1078.004"},
		Reasons: []insight.Reason{
			{Feature: "rate", Observed: 3, Usual: 0.1, Contribution: 3.6, Text: "3 calls a minute, usually 0.1"},
			{Feature: "network", Observed: "hosting", Usual: "corporate", Contribution: 0.6, Text: "from a hosting network"},
		},
		Statistics: insight.Statistics{
			Baseline: insight.Average{Average: 0.1}, Insight: insight.Average{Average: 3}, Upper: 1.2,
			InsightDuration: 1, BaselineDuration: 10080, InsightCount: 3,
		},
		Attributions: []insight.Attribution{{
			Attribute: "userAgent", Insight: []insight.ValueAverage{{Value: "aws-cli", Average: 3}}, Baseline: []insight.ValueAverage{{Value: "console", Average: 0.1}},
		}},
		Filter:   fmt.Sprintf(`provider="aws" account=%q identity=%q service="ec2.amazonaws.com" operation="RunInstances"`, worldAccount, worldAnna),
		Selector: fmt.Sprintf(`activity_identity_api_events{provider="aws",account=%q,region="eu-central-1",identity=%q,service="ec2.amazonaws.com",operation="RunInstances",access="write",outcome="success"}`, worldAccount, worldAnna),
		Observed: 3, Expected: 0.1, Upper: 1.2,
	}
	failures := calls
	failures.Selector = ""
	failures.Type, failures.HighRisk, failures.Severity, failures.Confidence, failures.Score = insight.TypeAPIErrorRate, false, insight.SeverityMedium, 0.61, 2.4
	failures.Summary = "anna: 3 errors a minute, usually none"
	failures.Filter = fmt.Sprintf(`provider="aws" account=%q identity=%q outcome="error"`, worldAccount, worldAnna)
	told := failures
	told.Confidence = 0.55
	over := failures
	over.State, over.End = insight.StateEnd, start.Add(580*time.Second)
	over.Statistics.InsightDuration, over.Statistics.InsightCount = 10, 30

	account := calls
	account.Object, account.Identity, account.IdentityKind, account.UserType = "s3.amazonaws.com:PutBucketPolicy", "", "", ""
	account.Service, account.Operation, account.Start = "s3.amazonaws.com", "PutBucketPolicy", worldNow.Add(-time.Hour)
	account.Detected, account.Incident, account.Confidence, account.Severity = account.Start, "00aa11bb22cc33dd", 0.35, insight.SeverityLow
	account.Suppressed, account.Alert = "budget: more than 0.3 incidents a day", insight.Alert{Reason: "budget: more than 0.3 incidents a day"}
	account.Provisional = true
	account.Filter, account.SampleEventIDs = "", []string{"event-002", "event-001", "event-999"}
	account.Summary, account.SourceIPs, account.Reasons, account.Attributions = "PutBucketPolicy 0.5 a minute, usually 0.1", nil, nil, nil

	back := calls
	back.Type, back.Object, back.Start, back.State = insight.TypeAk, "AKIAIOSFODNN7EXAMPLE", worldNow.Add(-50*time.Minute), insight.StateStart
	back.Incident, back.Detected = "00aa11bb22cc33ee", back.Start
	gone := back
	gone.State = insight.StateWithdrawn

	former := calls
	former.Start, former.Detected, former.Provisional = calls.Start.Add(-2*time.Minute), calls.Start, true
	place := former
	place.State = insight.StateWithdrawn
	place.SupersededBy = insight.ID(calls.Type, event.StreamKey{Provider: calls.Provider, Account: calls.Account}, calls.Region, calls.Object, calls.Identity, calls.Start)
	calls.Supersedes = insight.ID(former.Type, event.StreamKey{Provider: former.Provider, Account: former.Account}, former.Region, former.Object, former.Identity, former.Start)

	for _, p := range []struct {
		name string
		in   insight.Insight
	}{{"account", account}, {"back", back}, {"back", gone}, {"former", former}, {"calls", calls}, {"former", place}, {"failures", told}, {"failures", failures}, {"failures", over}} {
		in := p.in
		in.ID = insight.ID(in.Type, event.StreamKey{Provider: in.Provider, Account: in.Account}, in.Region, in.Object, in.Identity, in.Start)
		w.ids[p.name] = in.ID
		_, err := w.insights.Put(in)
		require.NoError(w.t, err)
	}
	rule := worldRule()
	w.ids["rule"] = rule.ID
}

// worldRule is what a rule found. It is put where it is wanted.
func worldRule() insight.Insight {
	rule := insight.Insight{
		Type: insight.TypeRule, Provider: "aws", Account: worldAccount, Region: "eu-central-1", Object: "bucket-opened",
		Service: "s3.amazonaws.com", Operation: "PutBucketPolicy", State: insight.StateStart, Incident: "00aa11bb22cc33dd",
		Statistics: insight.Statistics{Insight: insight.Average{Average: 1}, InsightDuration: 1, InsightCount: 1},
	}
	rule.Identity, rule.IdentityKind, rule.Confidence, rule.Score, rule.Severity = worldDeploy, "role", 0.8, 1.398, insight.SeverityHigh
	rule.Start, rule.Detected, rule.Alert = worldNow.Add(-8*time.Minute), worldNow.Add(-8*time.Minute), insight.Alert{Reason: "no notifier is configured"}
	rule.KRI, rule.Attack, rule.SampleEventIDs = "Data and Kubernetes", []string{"T1530"}, []string{"event-026"}
	rule.Summary = "A bucket was opened to the world: deploy called s3.amazonaws.com:PutBucketPolicy"
	rule.Filter = fmt.Sprintf(`provider="aws" account=%q identity=%q service="s3.amazonaws.com" operation="PutBucketPolicy" uid="event-026"`, worldAccount, worldDeploy)
	rule.Reasons = []insight.Reason{
		{Feature: "operation", Observed: "PutBucketPolicy", Usual: "", Contribution: 0.699, Text: "operation is PutBucketPolicy, equal PutBucketPolicy"},
		{Feature: "requestParameters.bucketPolicy..Principal", Observed: `["*"]`, Usual: "", Contribution: 0.699, Text: `requestParameters.bucketPolicy..Principal is ["*"], contains *`},
	}
	rule.Rule = &insight.Rule{
		ID: "bucket-opened", Version: "2", Hash: "6b1f7a2e90c4d358", Package: "ours", Title: "A bucket was opened to the world",
		Description: "Its policy allows everybody.", References: []string{"https://example.com/buckets"},
		Runbook: &insight.Runbook{
			What: "Everybody can read what the bucket holds.", Check: "aws s3api get-bucket-policy-status", Step: "Block public access of the bucket.",
			Rollback: "Allow it again.", Escalate: "Where the bucket holds data of customers.",
		},
	}
	rule.ID = insight.ID(rule.Type, event.StreamKey{Provider: rule.Provider, Account: rule.Account}, rule.Region, rule.Object, rule.Identity, rule.Start)
	return rule
}

// liveInsights shows insights as series, as the daemon does.
type liveInsights struct{ s *insight.Store }

func (l liveInsights) LiveSeries(mint, maxt int64, ms ...*labels.Matcher) []tsdb.LiveSeries {
	var out []tsdb.LiveSeries
	for _, s := range l.s.LiveSeries(mint, maxt, ms...) {
		out = append(out, tsdb.LiveSeries(s))
	}
	return out
}

// pusher stores what is pushed in a real log.
type pusher struct{ log *eventlog.Log }

func (p pusher) Push(ctx context.Context, source string, body io.Reader, o PushOptions) (PushResult, error) {
	var res PushResult
	r := event.NewReader(body, event.ReaderOptions{Name: source, Provider: o.Provider, Received: worldNow})
	for {
		var e event.Event
		err := r.Next(&e)
		var bad *event.RecordError
		switch {
		case err == nil:
			receipt, err := p.log.Append(ctx, []event.Event{e}, eventlog.Logged)
			if err != nil {
				return res, err
			}
			res.Accepted += receipt.Accepted
			res.Duplicates += receipt.Duplicates
		case errors.As(err, &bad):
			res.Rejected = append(res.Rejected, Rejection{Index: bad.Record - 1, Error: bad.Err.Error()})
		case errors.Is(err, io.EOF):
			return res, nil
		default:
			return res, fmt.Errorf("%w: reading the body: %w", ErrBadData, err)
		}
	}
}

// worldKnowledge knows of two identities.
type worldKnowledge struct{}

func (worldKnowledge) profiles() []insight.Profile {
	seen := worldNow.Add(-20 * time.Minute)
	anna := insight.Profile{
		ID: "0a1b2c3d", Provider: "aws", Account: worldAccount, Identity: worldAnna, IdentityKind: "human", UserTypes: []string{"IAMUser"},
		FirstSeen: worldNow.AddDate(0, 0, -30), LastSeen: seen, Events: 1200, Errors: 42, ActiveDays: 21,
		Operations: []insight.Known{{Value: "ec2.amazonaws.com:RunInstances", Count: 31, Frequency: "rare"}},
		Networks:   []insight.Known{{Value: "corporate", Count: 1170, Frequency: "frequent"}, {Value: "hosting", Count: 30, Frequency: "rare"}},
		Countries:  []insight.Known{{Value: "DE", Count: 1200, Frequency: "frequent"}},
		Agents:     []insight.Known{{Value: "aws-cli", Count: 30, Frequency: "infrequent"}},
		Regions:    []insight.Known{{Value: "eu-central-1", Count: 1200, Frequency: "frequent"}},
	}
	anna.Hours[9], anna.Hours[10] = 0.75, 0.25
	anna.Rebaselined = &insight.Rebaseline{
		Identity: worldAnna, Note: "moved to another team", By: "root", At: worldNow.Add(-time.Hour), From: worldNow.Add(-90 * time.Minute), Until: worldNow.Add(22*time.Hour + 30*time.Minute),
	}
	deploy := insight.Profile{
		ID: "4e5f6071", Provider: "aws", Account: worldAccount, Identity: worldDeploy, IdentityKind: "role",
		FirstSeen: worldNow.Add(-time.Hour), LastSeen: worldNow.Add(-2 * time.Minute), Events: 30, ActiveDays: 1, Risk: 12, RiskUsual: 10.5,
		Class: insight.ClassAutomation, ClassReason: "active on 30 of 30 days, weekends included",
	}
	return []insight.Profile{anna, deploy}
}

func (k worldKnowledge) Identities(_ context.Context, q IdentityQuery) ([]insight.Profile, string, error) {
	if q.Next == "broken" {
		return nil, "", fmt.Errorf("%w: next %q", ErrBadData, q.Next)
	}
	out, next := []insight.Profile{}, ""
	for _, p := range k.profiles() {
		if len(q.Kind) > 0 && !slices.Contains(q.Kind, p.IdentityKind) || q.Class != "" && q.Class != p.Class || !strings.Contains(p.Identity, q.Text) || p.ID <= q.Next {
			continue
		}
		if len(out) == q.Limit {
			next = out[len(out)-1].ID
			break
		}
		out = append(out, p)
	}
	return out, next, nil
}

func (k worldKnowledge) IdentityClass(stream event.StreamKey, identity string) string {
	for _, p := range k.profiles() {
		if p.Identity == identity && p.Provider == stream.Provider && p.Account == stream.Account {
			return p.Class
		}
	}
	return ""
}

func (k worldKnowledge) Identity(_ context.Context, id string) (insight.Profile, bool, error) {
	for _, p := range k.profiles() {
		if p.ID == id {
			return p, true, nil
		}
	}
	return insight.Profile{}, false, nil
}

func (worldKnowledge) Bands(_ context.Context, selector string, from, to time.Time, step time.Duration) ([]insight.Band, error) {
	if selector == "up" {
		return nil, fmt.Errorf("%w: the selector must name one of the activity_ metrics", ErrBadData)
	}
	b := insight.Band{Labels: map[string]string{labels.MetricName: tsdb.MetricEvents, "account": worldAccount}}
	for at := from.Add(step); !at.After(to); at = at.Add(step) {
		b.Times = append(b.Times, at.Unix())
		b.Observed = append(b.Observed, 3)
		b.Expected = append(b.Expected, 0.5)
		b.Lower = append(b.Lower, 0)
		b.Upper = append(b.Upper, 2.25)
	}
	b.Expected[0], b.Upper[0] = math.NaN(), math.Inf(1) // Nothing was learned yet.
	return []insight.Band{b}, nil
}

// Rules are one that fires, one in shadow, and one that cannot be used.
func (worldKnowledge) Rules(context.Context) []insight.RuleStatus {
	return []insight.RuleStatus{
		{
			ID: "bucket-opened", Package: "ours", File: "rules/ours.yml", Line: 4, Version: "2", Hash: "6b1f7a2e90c4d358", Title: "A bucket was opened to the world",
			Description: "Its policy allows everybody.", Severity: "High", Type: "boolean", Attack: []string{"T1530"}, KRI: "Data and Kubernetes",
			State: insight.RuleActive, Confidence: 0.8, Findings: 1,
		},
		{ID: "many-reads", Package: "ours", File: "rules/ours.yml", Line: 20, Hash: "0c9d8e7f6a5b4c3d", Title: "Many secrets are read", Severity: "Medium", Type: "aggregate", State: insight.RuleShadow, WindowSeconds: 600, Confidence: 0.65},
		{ID: "broken", Package: "rules/ours.yml", File: "rules/ours.yml", Line: 31, State: insight.RuleError, Problem: `rules/ours.yml:31:5: rule "broken": found the operator "equals", expected one of the operators; did you mean "equal"?`},
	}
}

func (worldKnowledge) Coverage(context.Context) (insight.Coverage, error) {
	watermark, until := worldNow.Add(-31*time.Minute), worldNow.Add(3*time.Hour)
	snapshot, last, frontier := worldNow.Add(-4*time.Minute), worldNow.Add(-2*time.Minute), worldNow.Add(-20*time.Hour)
	return insight.Coverage{Sources: []insight.SourceCoverage{
		{Name: "trail", Kind: "file", State: insight.SourceAtEnd, AtEnd: true, LastEvent: &last, LagSeconds: 120, Rate: 1.5, Events: 60},
		{
			Name: "archive", Kind: "file", State: insight.SourceReading, Frontier: &frontier, BacklogFiles: 12, BacklogBytes: 3 << 20, Errors: 1,
			LastError: "archive/a.json.gz: record 7: no eventTime", Hint: "the record was left out; look at the file",
		},
	}, Streams: []insight.StreamCoverage{{
		Provider: "aws", Account: worldAccount, FirstEvent: worldNow.AddDate(0, 0, -30), LastEvent: worldNow.Add(-2 * time.Minute),
		Watermark: &watermark, Events: 60, Late: 1, Future: 0, LiveSeries: map[string]int{insight.TypeAPICallRate: 12},
		Detectors: []insight.DetectorCoverage{
			{InsightType: insight.TypeAPICallRate, Region: "eu-central-1", State: "ready", Reason: "12 series have a model"},
			{InsightType: insight.TypeAPIErrorRate, Region: "eu-central-1", State: "learning", Until: &until, Reason: "the first day of an account teaches"},
			{InsightType: insight.TypeAk, State: "blind", Reason: "no event has a long-lived key"},
		},
		Provisional: 1, Superseded: 1, Folded: 3, Evicted: 2, Rebuilding: true, RebuildReason: "60 events came after the watermark", Snapshot: &snapshot,
		Swallowed: 3, Envelopes: 2, Rebaselined: []insight.Rebaseline{*worldKnowledge{}.profiles()[0].Rebaselined},
		Suppressed: 1, Networks: []insight.ProposedNetwork{{CIDR: "203.0.113.0/24", Identities: 4, Days: 20}},
	}}}, nil
}

// call asks, and returns the status, the headers and the body.
func (w *world) call(method, path string, body io.Reader, headers ...string) (int, http.Header, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, body)
	require.NoError(w.t, err)
	for n := 0; n < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	res, err := w.server.Client().Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res.StatusCode, res.Header, b
}

// answer is an envelope with its data still as it came.
type answer struct {
	Status    string
	Data      json.RawMessage
	ErrorType ErrorType
	Error     string
	Warnings  []string
}

// ask gets a path and returns the status and the envelope.
func (w *world) ask(path string) (int, answer) {
	w.t.Helper()
	code, _, b := w.call(http.MethodGet, path, nil)
	return code, decode(w.t, b)
}

func decode(t *testing.T, b []byte) answer {
	t.Helper()
	var a answer
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&a), "%s", b)
	return a
}
