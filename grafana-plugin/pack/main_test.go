package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// lay writes files, by path.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// The archive has one folder, its binaries can be run, and the same source gives
// the same bytes.
func TestZip(t *testing.T) {
	sources := filepath.Join(lay(t, map[string]string{"pkg/main.go": "package main\n", "pkg/a/a.go": "package a\n", "pkg/a.txt": ""}), "pkg")
	build := func(built string) (string, []byte) {
		dist := lay(t, map[string]string{
			"plugin.json": `{"id":"org-name-datasource","info":{"updated": "` + built + `"}}`, "module.js": "define()", "img/logo.svg": "<svg/>",
			"gpx_name_linux_amd64": "ELF",
		})
		name := filepath.Join(t.TempDir(), "out", "plugin.zip")
		require.NoError(t, run([]string{"zip", dist, sources, "2026-03-09", name}))
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		return name, b
	}
	name, first := build("2026-03-09")
	_, second := build("2026-04-01")
	require.Equal(t, first, second)

	z, err := zip.OpenReader(name)
	require.NoError(t, err)
	defer z.Close()
	modes := map[string]os.FileMode{}
	for _, f := range z.File {
		modes[f.Name] = f.Mode()
	}
	require.Equal(t, map[string]os.FileMode{
		"org-name-datasource/plugin.json":              0o644,
		"org-name-datasource/module.js":                0o644,
		"org-name-datasource/img/logo.svg":             0o644,
		"org-name-datasource/gpx_name_linux_amd64":     0o755,
		"org-name-datasource/go_plugin_build_manifest": 0o644,
	}, modes)

	text, err := hashes(sources)
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{64}:pkg/a/a\.go\n[0-9a-f]{64}:pkg/main\.go\n$`, text)
}

func TestUsage(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		require.ErrorContains(t, run(args), want)
	}
	f("usage")
	f("usage", "zip", "dist", "pkg", "2026-03-09")
	f("usage", "tar", "dist", "pkg", "2026-03-09")
	f("reading the date", "finish", "dist", "pkg", "yesterday")
	f("build the frontend first", "finish", t.TempDir(), "pkg", "2026-03-09")
	f("there is none", "zip", lay(t, map[string]string{"plugin.json": "{}"}), t.TempDir(), "2026-03-09", "x.zip")
}
