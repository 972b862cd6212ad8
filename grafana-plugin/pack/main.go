// Pack makes of a built dist folder what Grafana installs:
//
//	pack finish DIST SOURCES DATE         writes the manifest of the Go sources and
//	                                      the date into plugin.json, and sets modes
//	pack zip DIST SOURCES DATE FILE.zip   does that, and writes the archive
//
// DATE is YYYY-MM-DD, of the commit. The same source gives the same bytes,
// whenever and wherever it is built.
package main

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// manifest is the name that Grafana's validator looks for.
const manifest = "go_plugin_build_manifest"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 || args[0] == "zip" != (len(args) == 5) || args[0] != "zip" && args[0] != "finish" {
		return errors.New("usage: pack finish DIST SOURCES DATE, or pack zip DIST SOURCES DATE FILE.zip")
	}
	dist, sources := args[1], args[2]
	date, err := time.Parse(time.DateOnly, args[3])
	if err != nil {
		return fmt.Errorf("reading the date: %w; give the day of the commit, such as 2026-03-09", err)
	}
	if err := finish(dist, sources, date); err != nil {
		return err
	}
	if args[0] == "finish" {
		return nil
	}
	return write(dist, args[4], date)
}

// updated is the field of plugin.json that says when it was built.
var updated = regexp.MustCompile(`("updated":\s*)"[^"]*"`)

// finish adds to dist what no compiler writes.
func finish(dist, sources string, date time.Time) error {
	name := filepath.Join(dist, "plugin.json")
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading what was built: %w; build the frontend first", err)
	}
	b = updated.ReplaceAll(b, []byte(`${1}"`+date.Format(time.DateOnly)+`"`))
	if err := os.WriteFile(name, b, 0o644); err != nil {
		return fmt.Errorf("writing the date: %w", err)
	}
	text, err := hashes(sources)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dist, manifest), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return filepath.WalkDir(dist, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() || strings.HasPrefix(d.Name(), "gpx_"):
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// hashes lists the Go files that the backend is built of, as Grafana's SDK does:
// a SHA-256, a colon and the path.
func hashes(sources string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(sources, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(sources), path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x:%s\n", sha256.Sum256(text), filepath.ToSlash(rel))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("hashing the sources of the backend: %w", err)
	}
	return b.String(), nil
}

// write makes the archive: one folder at the top, named as the plugin's id.
func write(dist, name string, date time.Time) error {
	b, err := os.ReadFile(filepath.Join(dist, "plugin.json"))
	if err != nil {
		return fmt.Errorf("reading what was built: %w", err)
	}
	var plugin struct{ ID string }
	if err := json.Unmarshal(b, &plugin); err != nil || plugin.ID == "" {
		return fmt.Errorf("reading the plugin's id from plugin.json: %w", errors.Join(err, errors.New("there is none")))
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("making the archive's folder: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	if err := errors.Join(archive(f, dist, plugin.ID, date), f.Close()); err != nil {
		return fmt.Errorf("writing the archive: %w", errors.Join(err, os.Remove(name)))
	}
	return nil
}

// archive writes the files of a folder in the order of their names.
func archive(w io.Writer, dist, top string, date time.Time) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	err := filepath.WalkDir(dist, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dist, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: top + "/" + filepath.ToSlash(rel), Method: zip.Deflate, Modified: date}
		h.SetMode(info.Mode().Perm())
		to, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		from, err := os.Open(path)
		if err != nil {
			return err
		}
		defer from.Close()
		_, err = io.Copy(to, from)
		return err
	})
	return errors.Join(err, z.Close())
}
