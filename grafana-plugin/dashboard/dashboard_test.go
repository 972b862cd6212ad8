package dashboard

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the dashboards' files anew")

// The folders of the two encodings.
const (
	importFolder    = "../src/dashboards"
	provisionFolder = "../provisioning/dashboards/insightd"
)

// The files are what is written here, and there are no others.
func TestFiles(t *testing.T) {
	want := map[string][]byte{}
	for _, d := range All() {
		b, err := d.Import()
		require.NoError(t, err)
		want[filepath.Join(importFolder, d.UID+".json")] = b
		b, err = d.Provisioned()
		require.NoError(t, err)
		want[filepath.Join(provisionFolder, d.UID+".json")] = b
	}
	for _, folder := range []string{importFolder, provisionFolder} {
		if *update {
			require.NoError(t, os.MkdirAll(folder, 0o755))
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.json"))
		require.NoError(t, err)
		for _, name := range files {
			if _, ok := want[name]; ok {
				continue
			}
			require.True(t, *update, "%s belongs to no dashboard; `make dashboards` removes it", name)
			require.NoError(t, os.Remove(name))
		}
	}
	for name, b := range want {
		if *update {
			require.NoError(t, os.WriteFile(name, b, 0o644))
		}
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, got), "%s is not what the code says; `make dashboards` writes it", name)
	}
}

// What plugin.json includes are the dashboards, in order.
func TestIncludes(t *testing.T) {
	b, err := os.ReadFile("../src/plugin.json")
	require.NoError(t, err)
	var p struct {
		ID       string `json:"id"`
		Includes []struct{ Type, Name, Path string }
	}
	require.NoError(t, json.Unmarshal(b, &p))
	require.Equal(t, PluginID, p.ID)
	ds := All()
	require.Len(t, p.Includes, len(ds))
	for i, d := range ds {
		require.Equal(t, "dashboard", p.Includes[i].Type)
		require.Equal(t, d.Title, p.Includes[i].Name)
		require.Equal(t, "dashboards/"+d.UID+".json", p.Includes[i].Path)
	}
}

// file is what the tests look at in Grafana's form.
type file struct {
	UID, Title, Description string
	SchemaVersion           int
	Inputs                  []map[string]any `json:"__inputs"`
	Templating              struct {
		List []struct {
			Name, Type, Description string
			Query                   any
		}
	}
	Annotations struct {
		List []struct {
			Name   string
			Target map[string]any
		}
	}
	Panels []filePanel
}

type filePanel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	Targets                  []map[string]any
	Transformations          []struct {
		ID      string
		Options map[string]any
	}
	FieldConfig struct {
		Defaults  map[string]any
		Overrides []struct {
			Matcher    struct{ ID, Options any }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Panels []filePanel
}

// load reads a dashboard as it lies in a folder.
func load(t *testing.T, folder, uid string) (file, string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, uid+".json"))
	require.NoError(t, err)
	var f file
	require.NoError(t, json.Unmarshal(b, &f))
	return f, string(b)
}

// flat gives the panels, those in collapsed rows too, without the rows.
func flat(ps []filePanel) []filePanel {
	var out []filePanel
	for _, p := range ps {
		if p.Type != "row" {
			out = append(out, p)
		}
		out = append(out, flat(p.Panels)...)
	}
	return out
}

// formats are the query types with their formats, the first being what is asked
// for where none is given.
var formats = map[string][]string{
	"promql":     {""},
	"bands":      {""},
	"confidence": {""},
	"insights":   {"table", "logs", "annotations", "timeline", "summary", "reasons", "attributions", "rule", "records"},
	"events":     {"logs", "table", "volume", "values"},
	"map":        {"country", "coordinates"},
	"identities": {"table", "summary", "hours", "operations", "networks", "countries", "agents", "regions"},
	"coverage":   {"detectors", "sources", "streams"},
}

// panelTypes are panels that Grafana 10.4 and later ones bring along.
var panelTypes = []string{"stat", "timeseries", "table", "bargauge", "piechart", "barchart", "geomap", "logs", "state-timeline"}

// builtin are variables that Grafana itself fills in, and %s of the fields of a
// row in data links.
var builtin = regexp.MustCompile(`^__(interval|interval_ms|url_time_range|field\.(labels\.\w+|name)|data\.fields\.\w+|value\.(raw|text|time))$`)

var reference = regexp.MustCompile(`\$\{([^}:]+)(?::[^}]*)?\}|\$(\w+)|\[\[(\w+)\]\]`)

func TestDashboards(t *testing.T) {
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, d := range All() {
		require.False(t, uids[d.UID], "the uid %s is there twice", d.UID)
		require.False(t, titles[d.Title], "the title %s is there twice", d.Title)
		uids[d.UID], titles[d.Title] = true, true
	}
	for _, folder := range []string{importFolder, provisionFolder} {
		for _, d := range All() {
			t.Run(filepath.Base(folder)+"/"+d.UID, func(t *testing.T) {
				f, text := load(t, folder, d.UID)
				require.Equal(t, d.UID, f.UID)
				require.LessOrEqual(t, len(f.UID), 40, "Grafana's longest uid")
				require.Equal(t, 39, f.SchemaVersion)
				require.NotEmpty(t, f.Description)

				variables := map[string]bool{}
				for _, v := range f.Templating.List {
					require.False(t, variables[v.Name], "the variable %s is there twice", v.Name)
					require.NotEmpty(t, v.Description, "the variable %s", v.Name)
					variables[v.Name] = true
				}
				ds := UID
				if folder == importFolder {
					require.Len(t, f.Inputs, 1)
					ds = "${" + f.Inputs[0]["name"].(string) + "}"
					variables[f.Inputs[0]["name"].(string)] = true
				} else {
					require.Empty(t, f.Inputs, "nobody is asked while provisioning")
					require.NotContains(t, text, "${DS_")
				}
				for _, m := range reference.FindAllStringSubmatch(text, -1) {
					name := m[1] + m[2] + m[3]
					require.True(t, variables[name] || builtin.MatchString(name) || name == all[1:], "the variable %s is used and not defined", name)
				}
				for _, v := range f.Templating.List {
					require.Regexp(t, `\$(\{?)`+v.Name+`\b|"adhoc"`, text+typeText(v.Type), "the variable %s is defined and not used", v.Name)
				}

				for _, m := range regexp.MustCompile(`/d/([a-z-]+)/`).FindAllStringSubmatch(text, -1) {
					require.True(t, uids[m[1]], "a link leads to %s, which is none of the dashboards", m[1])
				}
				for _, m := range regexp.MustCompile(`/d/([a-z-]+)/\?([^"]*)`).FindAllStringSubmatch(text, -1) {
					linked(t, m[1], m[2])
				}

				ids, panelTitles := map[int]bool{}, map[string]bool{}
				for _, p := range f.Panels {
					if p.Type == "row" {
						require.False(t, ids[p.ID])
						ids[p.ID] = true
					}
				}
				section := ""
				for _, p := range f.Panels {
					if p.Type == "row" {
						section = p.Title
						continue
					}
					require.False(t, panelTitles[section+"/"+p.Title], "two panels of a row are called %s", p.Title)
					panelTitles[section+"/"+p.Title] = true
				}
				panels := flat(f.Panels)
				require.NotEmpty(t, panels)
				for _, p := range panels {
					require.False(t, ids[p.ID], "the id %d is there twice", p.ID)
					ids[p.ID] = true
					require.Contains(t, panelTypes, p.Type, p.Title)
					require.NotEmpty(t, p.Title)
					require.NotEmpty(t, p.Description, p.Title)
					require.NotEmpty(t, p.FieldConfig.Defaults["noValue"], "%s does not say why it is empty", p.Title)
					require.Equal(t, PluginID, p.Datasource.Type)
					require.Equal(t, ds, p.Datasource.UID)
					require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
					require.NotEmpty(t, p.Targets, p.Title)
					refs := map[string]bool{}
					for _, q := range p.Targets {
						target(t, p.Title, q)
						require.False(t, refs[q["refId"].(string)])
						refs[q["refId"].(string)] = true
					}
				}
				for i, p := range panels {
					for _, q := range panels[i+1:] {
						if len(f.Panels) == len(panels) { // Rows that are collapsed have a grid of their own.
							a, b := p.GridPos, q.GridPos
							require.False(t, a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H, "%s lies over %s", p.Title, q.Title)
						}
					}
				}
				for _, a := range f.Annotations.List {
					if a.Name == "Insights" {
						target(t, "annotations", a.Target)
						require.Equal(t, "annotations", a.Target["format"])
					}
				}
			})
		}
	}
}

// typeText has a variable of ad-hoc filters count as used: the datasource adds
// them to every query.
func typeText(kind string) string {
	if kind == "adhoc" {
		return `"adhoc"`
	}
	return ""
}

// linked checks that the variables that a link fills in are the dashboard's.
func linked(t *testing.T, uid, query string) {
	t.Helper()
	i := slices.IndexFunc(All(), func(d Dashboard) bool { return d.UID == uid })
	require.GreaterOrEqual(t, i, 0)
	has := func(name string) {
		require.True(t, slices.ContainsFunc(All()[i].Variables, func(v Variable) bool { return v.Name == name }),
			"a link fills in the variable %s of %s, which has none", name, uid)
	}
	for part := range strings.SplitSeq(query, "&") {
		if name, ok := strings.CutPrefix(part, "var-"); ok {
			name, _, _ = strings.Cut(name, "=")
			has(name)
		} else if m := reference.FindStringSubmatch(part); m != nil && strings.HasSuffix(part, ":queryparam}") {
			has(m[1])
		}
	}
}

// target checks that a query type and a format exist.
func target(t *testing.T, title string, q map[string]any) {
	t.Helper()
	kinds, ok := formats[q["queryType"].(string)]
	require.True(t, ok, "%s: no query type %v", title, q["queryType"])
	format, _ := q["format"].(string)
	require.Contains(t, kinds, format, title)
	require.EqualValues(t, 1, q["version"])
	require.NotEmpty(t, q["refId"])
}
