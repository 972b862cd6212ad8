package main

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // Screenshots may be JPEG.
	_ "image/png"  // Or PNG.
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// This file does over what was built what Grafana's plugin validator does with
// what is submitted, as far as it can be done without Grafana's own service.

// pluginJSON is what the checks need of plugin.json.
type pluginJSON struct {
	Type, Name, ID, Executable                    string
	Backend, Metrics, Logs, Alerting, Annotations bool
	Streaming                                     bool
	Category                                      string
	Includes                                      []struct{ Type, Name, Path string }
	Info                                          struct {
		Description string
		Author      struct{ Name string }
		Keywords    []string
		Logos       struct{ Small, Large string }
		Links       []struct{ Name, URL string }
		Screenshots []struct{ Name, Path string }
		Version     string
		Updated     string
	}
	Dependencies struct {
		GrafanaDependency string
		Plugins           []any
	}
}

// missing ends a test that needs what was not built. `make -C grafana-plugin
// test` builds, and sets INSIGHTD_PLUGIN_DIST so that nothing is skipped there.
func missing(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		return
	}
	if os.Getenv("INSIGHTD_PLUGIN_DIST") != "" {
		t.Fatalf("%s is not there: %v", what, err)
	}
	t.Skipf("%s was not built; `make plugin` builds it", what)
}

// platforms are those of the archive, as GOOS_GOARCH.
var platforms = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"}

func TestDist(t *testing.T) {
	_, err := os.Stat("../dist/module.js")
	missing(t, "grafana-plugin/dist", err)
	current(t, os.DirFS("../dist"))
	validate(t, os.DirFS("../dist"), nil)
}

func TestArchive(t *testing.T) {
	source := readPlugin(t, os.DirFS("../src"))
	var npm struct{ Version string }
	decode(t, os.DirFS(".."), "package.json", &npm)
	name := filepath.Join("../../dist", source.ID+"-"+npm.Version+".zip")
	if _, err := os.Stat(name); err != nil && os.Getenv("INSIGHTD_PLUGIN_DIST") != "zip" {
		t.Skip("the archive was not built; `make plugin` builds it and tests it")
	} else {
		missing(t, name, err)
	}
	z, err := zip.OpenReader(name)
	require.NoError(t, err)
	defer z.Close()
	for _, f := range z.File {
		require.True(t, strings.HasPrefix(f.Name, source.ID+"/"), "%s is not in the one folder of the archive", f.Name)
		require.NotContains(t, f.Name, "..")
		if strings.HasPrefix(path.Base(f.Name), "gpx_") {
			require.Equal(t, os.FileMode(0o755), f.Mode().Perm(), f.Name)
		}
	}
	top, err := fs.Sub(z, source.ID)
	require.NoError(t, err)
	current(t, top)
	validate(t, top, platforms)
}

// current skips what was built of other sources, where nobody asked for it.
func current(t *testing.T, dist fs.FS) {
	t.Helper()
	want, err := hashes("../pkg")
	require.NoError(t, err)
	got, err := fs.ReadFile(dist, manifest)
	if (err != nil || string(got) != want) && os.Getenv("INSIGHTD_PLUGIN_DIST") == "" {
		t.Skip("what is there was built of other sources; `make plugin` builds it anew")
	}
}

func decode(t *testing.T, f fs.FS, name string, v any) []byte {
	t.Helper()
	b, err := fs.ReadFile(f, name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, v), name)
	return b
}

func readPlugin(t *testing.T, f fs.FS) pluginJSON {
	t.Helper()
	var p pluginJSON
	decode(t, f, "plugin.json", &p)
	return p
}

// validate checks a plugin's folder. Of the backend's binaries those of the
// platforms have to be there, or one where none is given.
func validate(t *testing.T, dist fs.FS, platforms []string) {
	p := readPlugin(t, dist)

	t.Run("metadata", func(t *testing.T) {
		b, err := fs.ReadFile(dist, "plugin.json")
		require.NoError(t, err)
		require.NotContains(t, string(b), "%VERSION%")
		require.NotContains(t, string(b), "%TODAY%")
		require.Equal(t, "datasource", p.Type)
		require.Regexp(t, `^[a-z0-9]+-[a-z0-9]+-datasource$`, p.ID)
		require.NotEmpty(t, p.Name)
		require.NotRegexp(t, `(?i)grafana|plugin`, p.Name)
		require.NotEmpty(t, p.Info.Author.Name)
		require.Greater(t, len(p.Info.Description), 20)
		require.GreaterOrEqual(t, len(p.Info.Keywords), 2)
		require.Regexp(t, `^\d+\.\d+\.\d+`, p.Info.Version)
		require.Regexp(t, `^\d{4}-\d{2}-\d{2}$`, p.Info.Updated)
		require.Equal(t, ">=10.4.0", p.Dependencies.GrafanaDependency)
		require.True(t, p.Backend && p.Metrics && p.Logs && p.Alerting && p.Annotations && p.Streaming)
		var npm struct{ Version string }
		decode(t, os.DirFS(".."), "package.json", &npm)
		require.Equal(t, npm.Version, p.Info.Version)
		for _, l := range p.Info.Links {
			require.Regexp(t, `^https://`, l.URL)
			require.NotEmpty(t, l.Name)
		}
	})

	t.Run("paths", func(t *testing.T) {
		var paths []string
		for _, i := range p.Includes {
			paths = append(paths, i.Path)
		}
		for _, s := range p.Info.Screenshots {
			require.NotEmpty(t, s.Name)
			paths = append(paths, s.Path)
		}
		for _, name := range append(paths, p.Info.Logos.Small, p.Info.Logos.Large) {
			_, err := fs.Stat(dist, name)
			require.NoError(t, err, "plugin.json names it")
		}
	})

	t.Run("images", func(t *testing.T) {
		names := []string{p.Info.Logos.Small, p.Info.Logos.Large}
		for _, s := range p.Info.Screenshots {
			names = append(names, s.Path)
		}
		for _, name := range names {
			b, err := fs.ReadFile(dist, name)
			require.NoError(t, err)
			if path.Ext(name) == ".svg" {
				safe(t, name, b)
				continue
			}
			_, kind, err := image.DecodeConfig(bytes.NewReader(b))
			require.NoError(t, err, name)
			require.Equal(t, "image/"+kind, http.DetectContentType(b), name)
		}
	})

	t.Run("texts", func(t *testing.T) {
		for name, least := range map[string]int{"README.md": 1000, "CHANGELOG.md": 100, "LICENSE": 5000} {
			b, err := fs.ReadFile(dist, name)
			require.NoError(t, err)
			require.Greater(t, len(b), least, "%s says too little", name)
		}
		b, err := fs.ReadFile(dist, "README.md")
		require.NoError(t, err)
		for _, word := range []string{"Uncomment and replace", "your-plugin-id", "Are you intending to upload", "%VERSION%", "%PLUGIN_ID%", "<!--"} {
			require.NotContains(t, string(b), word, "the readme is the template's")
		}
		// Within Grafana a relative address leads nowhere.
		for _, m := range regexp.MustCompile(`\]\(([^)#][^)]*)\)`).FindAllStringSubmatch(string(b), -1) {
			require.Regexp(t, `^https://`, m[1])
		}
		b, err = fs.ReadFile(dist, "CHANGELOG.md")
		require.NoError(t, err)
		require.Contains(t, string(b), "## "+p.Info.Version)
		ours, err := os.ReadFile("../../LICENSE")
		require.NoError(t, err)
		license, err := fs.ReadFile(dist, "LICENSE")
		require.NoError(t, err)
		require.Equal(t, string(ours), string(license))
	})

	t.Run("module", func(t *testing.T) { module(t, dist, p) })
	t.Run("dashboards", func(t *testing.T) {
		for _, i := range p.Includes {
			var d struct {
				UID, Title    string
				SchemaVersion int
			}
			decode(t, dist, i.Path, &d)
			require.Equal(t, i.Name, d.Title)
		}
		require.NotEmpty(t, p.Includes)
	})
	t.Run("backend", func(t *testing.T) { backend(t, dist, p, platforms) })
	t.Run("manifest", func(t *testing.T) {
		b, err := fs.ReadFile(dist, manifest)
		require.NoError(t, err)
		want, err := hashes("../pkg")
		require.NoError(t, err)
		require.Equal(t, want, string(b), "the manifest is not of these sources; build anew")
	})
	t.Run("leftovers", func(t *testing.T) {
		require.NoError(t, fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			base := path.Base(name)
			require.False(t, base != "." && strings.HasPrefix(base, "."), "%s is hidden", name)
			require.NotContains(t, []string{"node_modules", "coverage", "package.json", "package-lock.json"}, base)
			require.NotContains(t, []string{".ts", ".tsx", ".go", ".bak", ".txt"}, path.Ext(name), name)
			require.NotContains(t, base, "debug")
			return nil
		}))
	})
	t.Run("size", func(t *testing.T) {
		require.NoError(t, fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
			require.NoError(t, err)
			if i, err := d.Info(); err == nil && !d.IsDir() && !strings.HasPrefix(path.Base(name), "gpx_") {
				require.Less(t, i.Size(), int64(5<<20), name)
			}
			return nil
		}))
	})
}

// safe fails for an SVG that could run something.
func safe(t *testing.T, name string, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, name)
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		require.NotContains(t, []string{"script", "foreignobject", "iframe", "embed", "object"}, strings.ToLower(e.Name.Local), name)
		for _, a := range e.Attr {
			require.False(t, strings.HasPrefix(strings.ToLower(a.Name.Local), "on"), "%s: %s", name, a.Name.Local)
			require.NotRegexp(t, `(?i)javascript:|data:text`, a.Value, name)
			if a.Name.Local == "href" {
				require.Regexp(t, `^#`, a.Value, name)
			}
		}
	}
}

// provided are the modules that every Grafana from 10.4 on gives to plugins.
// There is no react/jsx-runtime among them.
var provided = []string{
	"react", "react-dom", "@grafana/data", "@grafana/ui", "@grafana/runtime", "rxjs", "lodash", "@emotion/css", "module",
}

// module checks the frontend.
func module(t *testing.T, dist fs.FS, p pluginJSON) {
	b, err := fs.ReadFile(dist, "module.js")
	require.NoError(t, err)
	text := string(b)
	var sourceMap struct {
		Version int
		Sources []string
		// A validator compares the sources with what is submitted.
		SourcesContent []string
	}
	decode(t, dist, "module.js.map", &sourceMap)
	require.Equal(t, 3, sourceMap.Version)
	require.Len(t, sourceMap.SourcesContent, len(sourceMap.Sources))
	require.Contains(t, text, "[create-plugin] version:", "it is built with Grafana's tools")
	require.Contains(t, text, p.ID+"@"+p.Info.Version)

	m := regexp.MustCompile(`(?s)define\(\[([^\]]*)\]`).FindStringSubmatch(text)
	require.NotNil(t, m, "module.js is an AMD module")
	var wanted []string
	for name := range strings.SplitSeq(m[1], ",") {
		wanted = append(wanted, strings.Trim(strings.TrimSpace(name), `"'`))
	}
	require.Contains(t, wanted, "react")
	for _, name := range wanted {
		require.True(t, slices.Contains(provided, name), "Grafana 10.4 does not provide %q", name)
	}
	require.NoError(t, fs.WalkDir(dist, ".", func(name string, _ fs.DirEntry, err error) error {
		require.NoError(t, err)
		if path.Ext(name) != ".js" {
			return nil
		}
		b, err := fs.ReadFile(dist, name)
		require.NoError(t, err)
		for _, word := range []string{
			"react/jsx-runtime", "react/jsx-dev-runtime", "react.element", // A bundled React meets another one at run time.
			"findDOMNode", "ReactDOM.render", "unmountComponentAtNode", "__SECRET_INTERNALS", // Gone in React 19.
			"google-analytics", "googletagmanager", "segment.io", "mixpanel", "amplitude.com", // Nobody is followed.
			"sourceMappingURL=data:", "webpack-dev-server", "livereload.js",
		} {
			require.NotContains(t, string(b), word, name)
		}
		return nil
	}))
}

// backend checks the binaries.
func backend(t *testing.T, dist fs.FS, p pluginJSON, platforms []string) {
	require.Equal(t, "gpx_insightd", p.Executable)
	names, err := fs.Glob(dist, p.Executable+"_*")
	require.NoError(t, err)
	require.NotEmpty(t, names, "plugin.json promises a backend")
	for _, platform := range platforms {
		name := p.Executable + "_" + platform
		if strings.HasPrefix(platform, "windows") {
			name += ".exe"
		}
		require.Contains(t, names, name)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			info, err := fs.Stat(dist, name)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o755), info.Mode().Perm())
			b, err := fs.ReadFile(dist, name)
			require.NoError(t, err)
			built, err := buildinfo.Read(bytes.NewReader(b))
			require.NoError(t, err)
			settings := map[string]string{}
			for _, s := range built.Settings {
				settings[s.Key] = s.Value
			}
			target := strings.TrimSuffix(strings.TrimPrefix(name, p.Executable+"_"), ".exe")
			require.Equal(t, target, settings["GOOS"]+"_"+settings["GOARCH"])
			require.Equal(t, "0", settings["CGO_ENABLED"])
			require.Equal(t, "true", settings["-trimpath"])
			require.NotContains(t, settings["-gcflags"], "-N", "it is built for a debugger")
			require.Equal(t, "github.com/insightd/insightd/grafana-plugin/pkg", built.Path)
			sdk := slices.IndexFunc(built.Deps, func(m *debug.Module) bool { return m.Path == "github.com/grafana/grafana-plugin-sdk-go" })
			require.GreaterOrEqual(t, sdk, 0)
			require.Nil(t, built.Deps[sdk].Replace)
			require.Contains(t, string(b), fmt.Sprintf(`"version":%q`, p.Info.Version))
			if settings["GOOS"] == "linux" {
				f, err := elf.NewFile(bytes.NewReader(b))
				require.NoError(t, err)
				defer f.Close()
				libs, err := f.ImportedLibraries()
				require.NoError(t, err)
				require.Empty(t, libs, "it is static")
				require.Nil(t, f.Section(".debug_info"), "it is stripped")
			}
		})
	}
}

// The backend reads no environment, no files and starts nothing: Grafana's rules
// for the code of plugins.
func TestBackendRules(t *testing.T) {
	forbidden := regexp.MustCompile(`\bos\.(Getenv|LookupEnv|Environ|Open|OpenFile|ReadFile|WriteFile|Create|Remove|RemoveAll|Mkdir\w*)\(|"(os/exec|syscall|unsafe|plugin|golang\.org/x/sys/\w+)"`)
	n := 0
	require.NoError(t, filepath.WalkDir("../pkg", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		n++
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, forbidden.FindAllString(string(b), -1), name)
		return nil
	}))
	require.Positive(t, n)
}
