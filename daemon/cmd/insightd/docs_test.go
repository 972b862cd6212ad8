package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write CLI.md anew")

// TestReference holds CLI.md against the flags.
func TestReference(t *testing.T) {
	app, _, _ := newApp()
	b := &strings.Builder{}
	b.WriteString("# Command line\n\nWritten by `make docs` from the flags. Every command also takes `--log.level` (debug, info, warn, error), `--log.format` (logfmt, json) and `--help`.\n")
	for _, c := range app.Model().Commands {
		describe(b, c, nil)
	}
	if *update {
		require.NoError(t, os.WriteFile("CLI.md", []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile("CLI.md")
	require.NoError(t, err, "run make docs")
	require.Equal(t, string(want), b.String(), "run make docs")
}

// describe writes a command, or the commands of a group, for which the group's
// flags hold too.
func describe(b *strings.Builder, c *kingpin.CmdModel, flags []*kingpin.FlagModel) {
	if c.Hidden || c.FullCommand == "help" {
		return
	}
	flags = append(slices.Clone(flags), c.Flags...)
	for _, sub := range c.Commands {
		describe(b, sub, flags)
	}
	if len(c.Commands) > 0 {
		return
	}
	fmt.Fprintf(b, "\n## insightd %s\n\n%s\n", c.FullCommand, c.Help)
	for _, a := range c.Args {
		fmt.Fprintf(b, "\n- `%s`: %s", a.Name, a.Help)
	}
	for _, f := range flags {
		if !f.Hidden {
			fmt.Fprintf(b, "\n- `%s`: %s%s", signature(f), f.Help, defaults(f))
		}
	}
	b.WriteString("\n")
}

func signature(f *kingpin.FlagModel) string {
	s := "--" + f.Name
	if !f.IsBoolFlag() {
		name := f.PlaceHolder
		if name == "" {
			name = strings.ToUpper(f.Name[strings.LastIndexAny(f.Name, ".-")+1:])
		}
		s += "=" + name
	}
	return s
}

func defaults(f *kingpin.FlagModel) string {
	if len(f.Default) == 0 || f.IsBoolFlag() && f.Default[0] == "false" {
		return ""
	}
	return fmt.Sprintf(" Default: `%s`.", strings.Join(f.Default, ", "))
}
