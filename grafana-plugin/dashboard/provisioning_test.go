package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// read decodes a YAML file; what is not a field of v is an error.
func read(t *testing.T, name string, v any) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	require.NoError(t, d.Decode(v), name)
	return string(b)
}

func TestProvisionedDatasource(t *testing.T) {
	var f struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			OrgID                        int            `yaml:"orgId"`
			JSONData                     map[string]any `yaml:"jsonData"`
			SecureJSONData               map[string]any `yaml:"secureJsonData"`
			Editable                     bool
		}
	}
	text := read(t, "../provisioning/datasources/insightd.yml", &f)
	require.Equal(t, 1, f.APIVersion)
	require.Len(t, f.Datasources, 1)
	require.Equal(t, UID, f.Datasources[0].UID)
	require.Equal(t, PluginID, f.Datasources[0].Type)
	require.Equal(t, "proxy", f.Datasources[0].Access)

	// The lines that are there as a comment fit as well.
	uncommented := strings.NewReplacer("    # secureJsonData", "    secureJsonData", "    #   token", "      token").Replace(text)
	require.NotEqual(t, text, uncommented)
	require.NoError(t, yaml.Unmarshal([]byte(uncommented), &f))
	require.Contains(t, f.Datasources[0].SecureJSONData, "token")
}

func TestProvisionedDashboards(t *testing.T) {
	var f struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type    string
			OrgID                 int    `yaml:"orgId"`
			FolderUID             string `yaml:"folderUid"`
			DisableDeletion       bool   `yaml:"disableDeletion"`
			UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
			AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
			Options               struct {
				Path                      string
				FoldersFromFilesStructure bool `yaml:"foldersFromFilesStructure"`
			}
		}
	}
	read(t, "../provisioning/dashboards/insightd.yml", &f)
	require.Equal(t, 1, f.APIVersion)
	require.Len(t, f.Providers, 1)
	require.Equal(t, "file", f.Providers[0].Type)
	// Where Grafana's packages and its image have their provisioning.
	folder, ok := strings.CutPrefix(f.Providers[0].Options.Path, "/etc/grafana/provisioning/")
	require.True(t, ok)
	require.DirExists(t, filepath.Join("../provisioning", folder))
}

// alerting is the file of alert rules.
type alerting struct {
	APIVersion int `yaml:"apiVersion"`
	Groups     []struct {
		OrgID                  int `yaml:"orgId"`
		Name, Folder, Interval string
		Rules                  []alertRule
	}
}

type alertRule struct {
	UID, Title, Condition, For string
	NoDataState                string `yaml:"noDataState"`
	ExecErrState               string `yaml:"execErrState"`
	IsPaused                   bool   `yaml:"isPaused"`
	DashboardUID               string `yaml:"dashboardUid"`
	PanelID                    int    `yaml:"panelId"`
	Annotations, Labels        map[string]string
	Data                       []struct {
		RefID             string                 `yaml:"refId"`
		QueryType         string                 `yaml:"queryType"`
		RelativeTimeRange struct{ From, To int } `yaml:"relativeTimeRange"`
		DatasourceUID     string                 `yaml:"datasourceUid"`
		Model             map[string]any
	}
}

// readAlerting gives the rules as Grafana sees them: $$ has become $.
func readAlerting(t *testing.T) alerting {
	t.Helper()
	var f alerting
	text := read(t, "../provisioning/alerting/insightd.yml", &f)
	require.NotRegexp(t, `(^|[^$#])\$[^$]`, regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(text, ""),
		"Grafana would look for a single $ in its environment")
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			for k, v := range r.Annotations {
				r.Annotations[k] = strings.ReplaceAll(v, "$$", "$")
			}
		}
	}
	return f
}

func TestAlertRules(t *testing.T) {
	f := readAlerting(t)
	require.Equal(t, 1, f.APIVersion)
	require.Len(t, f.Groups, 1)
	require.Len(t, f.Groups[0].Rules, 2)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	above := map[string]float64{}
	uids := map[string]bool{}
	for _, r := range f.Groups[0].Rules {
		t.Run(r.UID, func(t *testing.T) {
			require.False(t, uids[r.UID])
			uids[r.UID] = true
			require.LessOrEqual(t, len(r.UID), 40)
			require.Equal(t, "OK", r.NoDataState, "no insight is no alert")
			require.Equal(t, "Error", r.ExecErrState)
			require.NotEmpty(t, r.Labels["severity"])

			// The panel that shows the rule's state is there, and has a time axis.
			d, _ := load(t, provisionFolder, r.DashboardUID)
			found := false
			for _, p := range flat(d.Panels) {
				if p.ID == r.PanelID {
					found = true
					require.Equal(t, "timeseries", p.Type)
				}
			}
			require.True(t, found, "no panel %d", r.PanelID)
			require.Equal(t, r.DashboardUID, r.Annotations["__dashboardUid__"])
			require.Equal(t, fmt.Sprint(r.PanelID), r.Annotations["__panelId__"])

			// A query of ours, then a reduction of it, then a threshold of that.
			require.Len(t, r.Data, 3)
			for _, q := range r.Data {
				require.Equal(t, q.RefID, q.Model["refId"])
				require.Equal(t, 3600, q.RelativeTimeRange.From, "events arrive late, and what lasted a moment has to be seen")
				require.Zero(t, q.RelativeTimeRange.To)
			}
			a, b, c := r.Data[0], r.Data[1], r.Data[2]
			require.Equal(t, UID, a.DatasourceUID)
			ofInsight := a.QueryType == "confidence"
			if !ofInsight {
				require.Equal(t, "promql", a.QueryType)
				require.Equal(t, "incident_confidence", a.Model["expr"])
			}
			target(t, r.Title, jsonOf(t, a.Model))
			require.Equal(t, "__expr__", b.DatasourceUID)
			require.Equal(t, "reduce", b.Model["type"])
			require.Equal(t, a.RefID, b.Model["expression"])
			require.Equal(t, "last", b.Model["reducer"])
			require.Equal(t, "__expr__", c.DatasourceUID)
			require.Equal(t, "threshold", c.Model["type"])
			require.Equal(t, b.RefID, c.Model["expression"])
			require.Equal(t, c.RefID, r.Condition)
			e := jsonOf(t, c.Model)["conditions"].([]any)[0].(map[string]any)["evaluator"].(map[string]any)
			require.Equal(t, "gt", e["type"], "gte is younger than Grafana 10.4")
			above[r.UID] = e["params"].([]any)[0].(float64)

			// What contact points send.
			labels := map[string]string{
				"id": "de2e", "insight_type": "ApiCallRateInsight", "provider": "aws", "account": "111122223333",
				"region": "eu-central-1", "identity": "arn:aws:iam::111122223333:user/anna", "object": "ec2.amazonaws.com:RunInstances",
			}
			said := []string{"93%", labels["identity"], labels["object"], labels["account"], labels["region"]}
			link, account := "insightd-insight/?var-insight=de2e", "insightd-insight/?var-insight=de2e"
			if !ofInsight {
				labels = map[string]string{"incident": "5f0c", "provider": "aws", "account": labels["account"], "identity": labels["identity"]}
				said = []string{"93%", labels["identity"], labels["account"]}
				link, account = "insightd-identity/?var-identity="+labels["identity"], "insightd-overview/?var-account=111122223333"
			}
			require.Contains(t, render(t, r.Annotations["summary"], labels), labels["identity"])
			text := render(t, r.Annotations["description"], labels)
			for _, v := range said {
				require.Contains(t, text, v)
			}
			require.NotContains(t, text, "\n")
			const dashboards = "https://grafana.example.com/sub/d/"
			require.Equal(t, dashboards+link, render(t, r.Annotations["insight_url"], labels))
			delete(labels, "identity") // Of an account's own insight.
			require.Equal(t, dashboards+account, render(t, r.Annotations["insight_url"], labels))
			require.NotContains(t, render(t, r.Annotations["description"], labels), "by")
			require.NotContains(t, render(t, r.Annotations["summary"], labels), "by")

			_, anchor, ok := strings.Cut(r.Annotations["runbook_url"], "#")
			require.True(t, ok)
			require.Contains(t, strings.ToLower(string(readme)), "# "+strings.ReplaceAll(anchor, "-", " ")+"\n", "the runbook is a heading of the readme")
		})
	}
	// High is from 0.8 on and Medium from 0.5, and thresholds leave their bound out.
	require.Less(t, above["insightd-high-confidence"], 0.8)
	require.Greater(t, above["insightd-high-confidence"], 0.79)
	require.Less(t, above["insightd-trail-concealment"], 0.5)
	require.Greater(t, above["insightd-trail-concealment"], 0.49)
}

// render fills in a template with those of Grafana's functions that are used.
func render(t *testing.T, text string, labels map[string]string) string {
	t.Helper()
	tmpl, err := template.New("").Funcs(template.FuncMap{
		"externalURL":        func() string { return "https://grafana.example.com/sub/" },
		"humanizePercentage": func(v float64) string { return fmt.Sprintf("%.4g%%", v*100) },
		"reReplaceAll": func(pattern, by, text string) string {
			return regexp.MustCompile(pattern).ReplaceAllString(text, by)
		},
	}).Parse("{{$labels := .Labels}}{{$values := .Values}}" + text)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, tmpl.Execute(&b, map[string]any{
		"Labels": labels, "Values": map[string]any{"B": struct{ Value float64 }{0.93}},
	}))
	return b.String()
}

// jsonOf gives what Grafana stores of a model.
func jsonOf(t *testing.T, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var o map[string]any
	require.NoError(t, json.Unmarshal(b, &o))
	return o
}

// The compose file's paths are there, and its image is pinned.
func TestCompose(t *testing.T) {
	var f struct {
		Services map[string]struct {
			Build struct {
				Context, Dockerfile string
			}
			Image       string
			Command     []string
			NetworkMode string `yaml:"network_mode"`
			Ports       []string
			DependsOn   []string `yaml:"depends_on"`
			Environment map[string]string
			Volumes     []string
		}
		Volumes map[string]map[string]any
	}
	read(t, "../docker-compose.yml", &f)
	g := f.Services["grafana"]
	require.Regexp(t, `^grafana/grafana:\d+\.\d+\.\d+$`, g.Image)
	require.Equal(t, PluginID, g.Environment["GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS"])
	require.Equal(t, "service:insightd", g.NetworkMode)
	for _, p := range f.Services["insightd"].Ports {
		require.Regexp(t, `^127\.0\.0\.1:`, p, "everybody who reaches the port is let in")
	}
	require.FileExists(t, filepath.Join("..", f.Services["insightd"].Build.Context, f.Services["insightd"].Build.Dockerfile))
	for _, v := range g.Volumes {
		from, to, ok := strings.Cut(v, ":")
		require.True(t, ok)
		if from == "./dist" {
			require.True(t, strings.HasPrefix(to, "/var/lib/grafana/plugins/"+PluginID))
			continue // Made by `make plugin`.
		}
		if strings.HasPrefix(from, ".") {
			require.DirExists(t, filepath.Join("..", from))
		} else {
			require.Contains(t, f.Volumes, from)
		}
	}
	home := strings.TrimPrefix(g.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], "/etc/grafana/")
	require.FileExists(t, filepath.Join("..", home))
}
