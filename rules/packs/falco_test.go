package packs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/rules"
)

// publicData is where data of others lies that is not part of the project.
const publicData = "../../../shared/data"

// falcoExceptions are the cases of Falco that do not hold here, and why.
var falcoExceptions = map[string]string{
	// What an installation trusts is its own affair: it takes the place of the
	// shipped rule with one that leaves its images out.
	"compat_engine_v4_create_privileged_trusted_pod":  "trusts the image nginx by a list of its own",
	"compat_engine_v4_create_hostnetwork_trusted_pod": "trusts the image nginx by a list of its own",
	"create_privileged_trusted_pod":                   "trusts the image nginx by a list of its own",
	"create_sensitive_mount_trusted_pod":              "trusts the image nginx by a list of its own",
	"create_hostnetwork_trusted_pod":                  "trusts the image nginx by a list of its own",
	"compat_engine_v4_create_disallowed_pod":          "allows the image apache only, by a list of its own",
	"create_disallowed_pod":                           "allows the image apache only, by a list of its own",
	"json_pointer_correct_parse":                      "brings a rule of its own along that every pod matches",
}

// TestFalco holds the packages for Kubernetes to the cases of Falco's plugin for
// audit events: what is to be detected matches a rule, active or in shadow, and
// what is not matches none. Cases that turn Falco's record of routine off
// (disallow_kactivity) are held to the packages without activity.yml.
func TestFalco(t *testing.T) {
	dir := filepath.Join(publicData, "falco-k8s")
	text, err := os.ReadFile(filepath.Join(dir, "falco_k8s_audit_tests.yaml"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not there: the packages for Kubernetes are not held to Falco's cases", dir)
	}
	require.NoError(t, err)
	var file struct {
		Cases map[string]struct {
			Detect  bool     `yaml:"detect"`
			Rules   []string `yaml:"rules_file"`
			Options string   `yaml:"addl_cmdline_opts"`
		} `yaml:"trace_files"`
	}
	require.NoError(t, yaml.Unmarshal(bytes.ReplaceAll(text, []byte("!mux"), nil), &file))
	require.NotEmpty(t, file.Cases)

	set := load(t)
	detected, quiet := 0, 0
	for name, c := range file.Cases {
		_, record, ok := strings.Cut(c.Options, "trace_files/k8s_audit/")
		require.True(t, ok, name)
		matched := matches(t, set, filepath.Join(dir, record))
		if slices.ContainsFunc(c.Rules, func(r string) bool { return strings.HasSuffix(r, "disallow_kactivity.yaml") }) {
			matched = slices.DeleteFunc(matched, func(id string) bool { return strings.HasPrefix(id, "kubernetes-activity-") })
		}
		holds := len(matched) > 0 == c.Detect
		if why, ok := falcoExceptions[name]; ok {
			require.False(t, holds, "%s holds by now, though it %s: take it off the list", name, why)
			continue
		}
		require.True(t, holds, "%s is to be detected: %t, and matches %v", name, c.Detect, matched)
		if c.Detect {
			detected++
		} else {
			quiet++
		}
	}
	t.Logf("detected: %d, quiet: %d, exceptions: %d", detected, quiet, len(falcoExceptions))
}

// TestStreamAlertActionTrail holds the packages for Alibaba Cloud to StreamAlert's
// events of ActionTrail: who is made an administrator and a trail that is moved and
// stopped are found, a machine that is stopped and a role that is taken are not.
func TestStreamAlertActionTrail(t *testing.T) {
	name := filepath.Join(publicData, "streamalert/rules/classifier/aliyun/aliyun_actiontrail.json")
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not there: the packages for Alibaba Cloud are not held to StreamAlert's events", name)
	}
	require.NoError(t, err)
	var cases []struct {
		Data json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	set := load(t)
	var found [][]string
	for _, c := range cases {
		found = append(found, match(t, set, c.Data))
	}
	require.Equal(t, [][]string{
		{"alibaba-administrator-made", "alibaba-change-outside-window", "alibaba-root-changed-rights"},
		{"alibaba-trail-narrowed"},
		nil,
		nil,
	}, found)
}

// matches returns the rules that any record of a file of JSON values matches.
func matches(t *testing.T, set *rules.Set, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var ids []string
	for d := json.NewDecoder(f); ; {
		var record json.RawMessage
		err := d.Decode(&record)
		if errors.Is(err, io.EOF) {
			return ids
		}
		require.NoError(t, err, name)
		ids = append(ids, match(t, set, record)...)
	}
}

// match returns the rules that a record matches. What is no audit record matches
// none.
func match(t *testing.T, set *rules.Set, record []byte) []string {
	t.Helper()
	decode, err := daemon.RuleDecoder()
	require.NoError(t, err)
	facts, err := decode(record)
	if err != nil || facts == nil {
		return nil
	}
	var ids []string
	for _, m := range set.Evaluate(rules.NewState(rules.Limits{}), facts, nil) {
		ids = append(ids, m.Rule.ID)
	}
	return ids
}
