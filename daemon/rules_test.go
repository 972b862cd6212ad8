package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

func TestShippedRulesAreActiveFromTheStart(t *testing.T) {
	all, err := loadRules(config.Default())
	require.NoError(t, err)
	require.Empty(t, all.problems)
	require.NotZero(t, all.set.Active())
	only, err := loadRules(&config.Config{Rules: config.Rules{Packs: []string{"aws"}}})
	require.NoError(t, err)
	require.Empty(t, only.problems)
	for _, r := range only.set.Rules() {
		require.True(t, strings.HasPrefix(r.File, "shipped/aws/"), r.File)
		same, ok := all.set.Rule(r.ID)
		require.True(t, ok)
		require.Equal(t, r, same)
	}
	none, err := loadRules(&config.Config{})
	require.NoError(t, err)
	require.Zero(t, none.set.Active())

	_, err = shippedRules(rules.Layer{Name: "shipped", FS: fstest.MapFS{}}, []string{"aws"})
	require.EqualError(t, err, `reading rules.packs: no pack "aws" is shipped with this version`)
}

func TestOwnRulesTakeThePlaceOfShippedOnes(t *testing.T) {
	all, err := loadRules(config.Default())
	require.NoError(t, err)
	first, second := all.set.Rules()[0], all.set.Rules()[1]
	file := filepath.Join(t.TempDir(), "ours.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
- id: %s
  title: Ours
  stage: shadow
  conditions: {all: [{fact: operation, operator: equal, value: X}]}
- {id: %s, dormant: true}
- id: broken
  conditions: {all: [{fact: operation, operator: equals, value: X}]}
`, first.ID, second.ID), 0o600))
	r, err := loadRules(&config.Config{Rules: config.Rules{Packs: []string{config.AllPacks}, Files: []string{file}}})
	require.NoError(t, err)
	require.Len(t, r.set.Rules(), len(all.set.Rules()))
	require.Equal(t, all.set.Active()-1, r.set.Active())
	byID := map[string]insight.RuleStatus{}
	for _, s := range r.status(map[string]uint64{first.ID: 3}) {
		byID[s.ID] = s
	}
	require.Equal(t, insight.RuleShadow, byID[first.ID].State)
	require.Equal(t, "Ours", byID[first.ID].Title)
	require.Equal(t, uint64(3), byID[first.ID].Findings)
	require.Equal(t, insight.RuleDormant, byID[second.ID].State)
	require.Equal(t, insight.RuleError, byID["broken"].State)
	require.Contains(t, byID["broken"].Problem, file+":8:")

	_, err = loadRules(&config.Config{Rules: config.Rules{Files: []string{file, "no/such/file.yml"}}})
	require.ErrorContains(t, err, "reading rules.files: ")
}

// ruleGroups is what /api/v1/rules says of packages.
type ruleGroups struct {
	Groups []struct {
		Name, File string
		Rules      []struct {
			Name, State, Health, LastError string
			Annotations                    map[string]string
			Alerts                         []struct{ Labels map[string]string }
		}
	}
}

// TestRulesLive pushes what a rule is about: it is told within seconds, listed,
// alerted, and swapped by a reload; a reload that fails changes nothing.
func TestRulesLive(t *testing.T) {
	dir := t.TempDir()
	file, conf := filepath.Join(dir, "ours.yml"), filepath.Join(dir, "insightd.yml")
	write := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	rule := func(id, stage string) string {
		return fmt.Sprintf("- {id: %s, title: Tags were made, stage: %s, severity: High, conditions: {all: [{fact: operation, operator: equal, value: CreateTags}, {fact: requestParameters.tag, operator: equal, value: bad}]}}\n", id, stage)
	}
	write(conf, "rules: {packs: [], files: [ours.yml]}\n")
	write(file, rule("tags", "active")+rule("tried-out", "shadow")+"- {id: broken, conditions: {all: []}}\n")
	s := start(t, Options{ConfigFile: conf, EnableLifecycle: true})
	push := func(uid, tag string) {
		t.Helper()
		at := time.Now().UTC().Add(-time.Second)
		body := fmt.Sprintf(`{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/anna","accountId":"111122223333","userName":"anna"},`+
			`"eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"CreateTags","awsRegion":"eu-central-1","sourceIPAddress":"198.51.100.7","requestParameters":{"tag":%q},`+
			`"eventID":%q,"eventType":"AwsApiCall","managementEvent":true,"readOnly":false,"recipientAccountId":"111122223333","eventCategory":"Management"}`, at.Format(time.RFC3339), tag, uid)
		require.Equal(t, http.StatusOK, s.status(http.MethodPost, "/api/v1/events", strings.NewReader("["+body+"]")))
	}
	// Something before it, so that the account is known and has a watermark.
	old := time.Now().UTC().Add(-2 * time.Hour)
	body := fmt.Sprintf(`[{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/anna","accountId":"111122223333","userName":"anna"},"eventTime":%q,"eventSource":"ec2.amazonaws.com","eventName":"DescribeTags","awsRegion":"eu-central-1","eventID":"e0","eventType":"AwsApiCall","recipientAccountId":"111122223333"}]`, old.Format(time.RFC3339))
	require.Equal(t, http.StatusOK, s.status(http.MethodPost, "/api/v1/events", strings.NewReader(body)))

	push("e1", "good")
	push("e2", "bad")
	list := func(id string) []insight.Record {
		var out struct{ Insights []insight.Record }
		s.data("/api/v1/insights", url.Values{"type": {insight.TypeRule}, "object": {id}}, &out)
		return out.Insights
	}
	s.eventually(func() bool { return len(list("tags")) == 1 && len(list("tried-out")) == 1 }, "the rules have found it")
	d := list("tags")[0].InsightDetails
	require.True(t, d.Provisional)
	require.Equal(t, []string{"e2"}, d.SampleEventIDs)
	require.Equal(t, "tags", d.Rule.ID)
	require.Empty(t, d.Suppressed)
	require.Equal(t, "shadow", list("tried-out")[0].InsightDetails.Suppressed)
	var events struct{ Events []json.RawMessage }
	s.data("/api/v1/insights/"+list("tags")[0].SharedEventID+"/events", nil, &events)
	require.Len(t, events.Events, 1, "the filter of the insight finds what is behind it")

	var groups ruleGroups
	s.data("/api/v1/rules", url.Values{"file[]": {file}}, &groups)
	require.Len(t, groups.Groups, 2)
	ours, broken := groups.Groups[0], groups.Groups[1]
	if ours.Name != "ours" {
		ours, broken = broken, ours
	}
	require.Equal(t, "firing", ours.Rules[0].State)
	require.Len(t, ours.Rules[0].Alerts, 1)
	require.Equal(t, "inactive", ours.Rules[1].State, "nobody is told of what is tried out")
	require.Equal(t, "shadow", ours.Rules[1].Annotations["stage"])
	require.Equal(t, "err", broken.Rules[0].Health)
	require.Contains(t, broken.Rules[0].LastError, file+":3:")
	groups = ruleGroups{}
	s.data("/api/v1/rules", url.Values{"rule_name[]": {insight.RuleBreakGlass}}, &groups)
	require.Len(t, groups.Groups, 1, "what is built in is listed too")
	require.Equal(t, "built in", groups.Groups[0].Name)
	require.Equal(t, "active", groups.Groups[0].Rules[0].Annotations["stage"])
	_, metrics := s.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, "insightd_rules{state=\"active\"} 1\n")
	require.Contains(t, metrics, "insightd_rules{state=\"error\"} 1\n")
	require.Contains(t, metrics, "insightd_rules{state=\"shadow\"} 1\n")

	write(conf, "rules: {packs: [], files: [nowhere.yml]}\n")
	require.Equal(t, http.StatusInternalServerError, s.status(http.MethodPost, "/-/reload", nil))
	require.NotNil(t, s.rules.Load().set)
	require.Equal(t, 2, s.rules.Load().set.Active())

	write(conf, "rules: {packs: [], files: [ours.yml]}\n")
	write(file, rule("others", "active"))
	require.Equal(t, http.StatusOK, s.status(http.MethodPost, "/-/reload", nil))
	_, metrics = s.do(http.MethodGet, "/metrics", nil)
	require.Contains(t, metrics, "insightd_rules{state=\"error\"} 0\n")
	s.eventually(func() bool { return s.coverageOf(insight.TypeRule) == "1 rule looks at this account" }, "the stream has taken them over")
	push("e3", "bad")
	s.eventually(func() bool { return len(list("others")) == 1 }, "the new rule has found it")
}

// coverageOf is what the first account's coverage says of a type.
func (s *started) coverageOf(typ string) string {
	var c insight.Coverage
	s.data("/api/v1/coverage", nil, &c)
	for _, d := range c.Streams[0].Detectors {
		if d.InsightType == typ {
			return d.Reason
		}
	}
	return ""
}
