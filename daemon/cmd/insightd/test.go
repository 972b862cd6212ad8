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
	cmd := app.Command("test", "Run scenarios, which are scripts that load traffic and say which insights there have to be, and tests of rules. Exits with 1 where one does not hold, and with 2 where a script has errors.")
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
		names, err := scenario.Find(*paths)
		if err != nil {
			return scriptError{err}
		}
		tests, scripts, err := splitTests(names)
		if err != nil {
			return scriptError{err}
		}
		ruleFiles, bad := readRuleTests(tests)
		files, err := readScripts(scripts, o.Line, bad)
		if err != nil {
			return err
		}
		begun := time.Now()
		n, err := runRuleTests(t, ruleFiles, o.Match)
		if err != nil {
			return err
		}
		if err := runScripts(ctx, t, files, o, *verbose, &n); err != nil {
			return err
		}
		return n.tell(t, time.Since(begun))
	}
}

// readScripts reads every script, and tells every error of all of them, and those
// that were found before.
func readScripts(names []string, line scenario.Line, bad []error) ([]*scenario.File, error) {
	var files []*scenario.File
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
func runScripts(ctx context.Context, t *terminal, files []*scenario.File, o scenario.Options, verbose bool, n *tally) error {
	return scenario.Run(ctx, files, o, func(r *scenario.Result) {
		word := "PASS"
		switch {
		case r.Err != nil:
			word = "ERROR"
			n.broken++
		case r.Passed():
			n.passed++
		default:
			word = "FAIL"
			n.failed++
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
}

// tell prints the counts, and returns an error where not everything holds.
func (n *tally) tell(t *terminal, elapsed time.Duration) error {
	fmt.Fprintf(t.err, "passed: %d\nfailed: %d\nseconds: %.1f\n", n.passed, n.failed+n.broken, elapsed.Seconds())
	switch {
	case n.broken > 0:
		return scriptError{fmt.Errorf("cases that could not be run: %d", n.broken)}
	case n.failed > 0:
		return fmt.Errorf("cases that do not hold: %d", n.failed)
	case n.passed == 0:
		return usageError{errors.New("there is no such case")}
	}
	return nil
}
