package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/scenario"
)

func addTest(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("test", "Run scenarios: scripts that load traffic and say which insights there have to be. Exits with 1 where one does not hold, and with 2 where a script has errors.")
	paths := cmd.Arg("path", "Scripts, and folders with every .test file below them.").Required().Strings()
	match := cmd.Flag("run", "Run only the cases whose \"file: name\" the regular expression matches.").PlaceHolder("REGEXP").String()
	verbose := cmd.Flag("verbose", "Show the insights of every case.").Short('v').Bool()
	parallel := cmd.Flag("parallel", "Cases that run at once; 0 is one a processor.").Default("0").Int()
	temp := cmd.Flag("temp.path", "Folder for temporary event logs.").PlaceHolder("DIR").String()
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		o := scenario.Options{Line: &daemon.ScenarioLine{TempDir: *temp}, Parallel: *parallel}
		if *match != "" {
			re, err := regexp.Compile(*match)
			if err != nil {
				return usageError{fmt.Errorf("--run: %w", err)}
			}
			o.Match = re
		}
		files, err := readScripts(*paths, o.Line)
		if err != nil {
			return err
		}
		return runScripts(ctx, t, files, o, *verbose)
	}
}

// readScripts reads every script, and tells every error of all of them.
func readScripts(paths []string, line scenario.Line) ([]*scenario.File, error) {
	names, err := scenario.Find(paths)
	if err != nil {
		return nil, scriptError{err}
	}
	var files []*scenario.File
	var bad []error
	for _, name := range names {
		f, err := scenario.ParseFile(name, line.Check)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		files = append(files, f)
	}
	if len(bad) > 0 {
		return nil, scriptError{fmt.Errorf("scripts with errors: %d\n%w", len(bad), errors.Join(bad...))}
	}
	return files, nil
}

// runScripts runs the cases and prints a line for each.
func runScripts(ctx context.Context, t *terminal, files []*scenario.File, o scenario.Options, verbose bool) error {
	begun := time.Now()
	failed, passed, broken := 0, 0, 0
	err := scenario.Run(ctx, files, o, func(r *scenario.Result) {
		word := "PASS"
		switch {
		case r.Err != nil:
			word = "ERROR"
			broken++
		case r.Passed():
			passed++
		default:
			word = "FAIL"
			failed++
		}
		fmt.Fprintf(t.out, "%s %s: %s (%.2fs, %d events)\n", word, r.File, r.Case, r.Elapsed.Seconds(), r.Events)
		if r.Err != nil {
			fmt.Fprintf(t.out, "  %v\n", r.Err)
		}
		for _, f := range r.Failures {
			fmt.Fprintf(t.out, "  %s\n", strings.ReplaceAll(f.String(), "\n", "\n  "))
		}
		if verbose {
			for _, in := range r.Insights {
				fmt.Fprintf(t.out, "  raised %s\n", in)
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.err, "passed: %d\nfailed: %d\nseconds: %.1f\n", passed, failed+broken, time.Since(begun).Seconds())
	switch {
	case broken > 0:
		return scriptError{fmt.Errorf("cases that could not be run: %d", broken)}
	case failed > 0:
		return fmt.Errorf("cases that do not hold: %d", failed)
	case passed == 0:
		return usageError{errors.New("there is no such case")}
	}
	return nil
}
