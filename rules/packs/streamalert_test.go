package packs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/rules"
)

// streamAlertExceptions are StreamAlert's cases for AWS that are judged otherwise
// here, and why.
var streamAlertExceptions = map[string]string{
	"Benign, user is MFAd": "a device taken away is told whoever does it: it is rare, and sessions with MFA are stolen too",
	"Adding permission to RDS Snapshot to only a single other account - Do not alert":                "a copy for another account is told as Medium, a public one as Critical",
	"A PutObjectAcl call via the S3 API with AllUsers or AuthenticatedUsers should create an alert.": "the member is named in a way that CloudTrail does not",
}

// TestStreamAlertCloudTrail holds the packages for AWS to the cases of
// StreamAlert's rules: what triggers a rule there matches one here, active or in
// shadow, and what triggers none matches none that is active.
func TestStreamAlertCloudTrail(t *testing.T) {
	dir := filepath.Join(publicData, "streamalert/rules/community/cloudwatch_events")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there: the packages for AWS are not held to StreamAlert's cases", dir)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	set := load(t)
	decode, err := daemon.RuleDecoder()
	require.NoError(t, err)
	told, quiet, excepted := 0, 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		var cases []struct {
			Description string   `json:"description"`
			Triggers    []string `json:"trigger_rules"`
			Data        struct {
				Records []json.RawMessage `json:"Records"`
				Detail  json.RawMessage   `json:"detail"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(text, &cases), name)
		for _, c := range cases {
			records := c.Data.Records
			if c.Data.Detail != nil {
				records = append(records, c.Data.Detail)
			}
			matched, active := false, false
			for _, r := range records {
				// What StreamAlert does not look at is left out of its records.
				service := "ec2.amazonaws.com"
				if bytes.Contains(r, []byte(`"bucketName"`)) {
					service = "s3.amazonaws.com"
				}
				r = bytes.Replace(r, []byte(`"eventTime": "..."`), []byte(`"eventTime": "2017-01-01T10:00:00Z"`), 1)
				r = bytes.Replace(r, []byte(`"eventSource": "..."`), []byte(`"eventSource": "`+service+`"`), 1)
				facts, err := decode(r)
				require.NoError(t, err, c.Description)
				require.NotNil(t, facts, c.Description)
				for _, m := range set.Evaluate(rules.NewState(rules.Limits{}), facts, nil) {
					matched, active = true, active || !m.Rule.Shadow
				}
			}
			holds := matched
			if len(c.Triggers) == 0 {
				holds = !active
			}
			if why, ok := streamAlertExceptions[c.Description]; ok {
				require.False(t, holds, "%q holds by now, though %s: take it off the list", c.Description, why)
				excepted++
				continue
			}
			if !holds {
				t.Errorf("%s: %q triggers %v there, and here matches: %t, active: %t", filepath.Base(name), c.Description, c.Triggers, matched, active)
			}
			if len(c.Triggers) > 0 {
				told++
			} else {
				quiet++
			}
		}
	}
	t.Logf("told: %d, quiet: %d, exceptions: %d", told, quiet, excepted)
}
