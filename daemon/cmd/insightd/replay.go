package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

// shownFailures is how many unreadable records are told one by one.
const shownFailures = 20

func addReplay(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("replay", "Say what was unusual in files: read them, learn from them, and print the insights. Nothing is kept.")
	o := daemon.ReplayOptions{}
	cmd.Arg("path", "Files, folders with everything below them, patterns; - is standard input.").Required().StringsVar(&o.Paths)
	cmd.Flag("provider", "Whose records they are, such as aws; detected by default.").StringVar(&o.Provider)
	cmd.Flag("account", "The account of records that name none, such as the name of the cluster of a Kubernetes audit log.").StringVar(&o.Account)
	cmd.Flag("temp.path", "Folder for the temporary event log, about a sixth of the plain size of what is read.").PlaceHolder("DIR").StringVar(&o.TempDir)
	memory := cmd.Flag("memory", "About how much memory to use; what does not fit is in the temporary log.").Default("1GB").Bytes()
	conf := cmd.Flag("config.file", "Configuration file: networks, identities, models.").PlaceHolder("FILE").String()
	format := cmd.Flag("format", "table, or json for a Start or End record a line; with --rules those of rules alone, with --compare a difference a line.").Default("table").Enum("table", "json")
	cmd.Flag("rules", "File or folder with packages of rules, beside those of the configuration: tells what each rule would have raised. A rule takes the place of the one of its id. Can be repeated.").PlaceHolder("PATH").StringsVar(&o.Rules)
	packs := cmd.Flag("rules.packs", "Which of the shipped packs are in use, in the place of what the configuration says: none, all, or names such as aws,kubernetes.").PlaceHolder("NAMES").Strings()
	compare := cmd.Flag("compare", "Another configuration file: tells which insights it gains, loses and moves, against --config.file or the defaults.").PlaceHolder("FILE").String()
	exitCode := cmd.Flag("exit-code", "With --compare, exit with 1 where something differs.").Bool()
	failures := cmd.Flag("failures", "Tell every record that could not be read, not just the first.").Bool()
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		o.Stdin, o.Logger, o.Memory = t.in, t.logger, int64(*memory)
		if *memory < 64<<20 {
			return usageError{errors.New("--memory must be at least 64MB")}
		}
		for i, path := range o.Paths {
			if path == "" { // What kingpin makes of a lone dash.
				o.Paths[i] = "-"
			}
		}
		debug.SetMemoryLimit(o.Memory * 3 / 4)
		if *exitCode && *compare == "" {
			return usageError{errors.New("--exit-code is for --compare")}
		}
		var err error
		if o.Config, err = replayConfig(*conf, *packs); err != nil {
			return err
		}
		problems := map[string]bool{}
		o.Problem = func(p rules.Problem) {
			if text := p.Error(); !problems[text] {
				problems[text] = true // Two configurations may have the same.
				fmt.Fprintln(t.err, text)
			}
		}
		var mtx sync.Mutex
		failed := 0
		o.Failed = func(f event.RecordError) {
			mtx.Lock()
			defer mtx.Unlock()
			if failed++; failed <= shownFailures || *failures {
				fmt.Fprintf(t.err, "unreadable: %v\n", &f)
			}
		}
		p := newProgress(t.err, "reading and judging")
		o.Progress = func(done, total int64) { p.set(done, 2*total) }
		o.Judging = func(done, total int64) { p.set(total+done, 2*total) }
		var c *daemon.Comparison
		var r *daemon.Report
		if *compare != "" {
			var other *config.Config
			if other, err = replayConfig(*compare, *packs); err == nil {
				c, err = daemon.Compare(ctx, o, other)
			}
		} else {
			r, err = daemon.Replay(ctx, o)
		}
		p.done()
		if err != nil {
			return err
		}
		if more := failed - shownFailures; more > 0 && !*failures {
			fmt.Fprintf(t.err, "unreadable: %d more; --failures tells them all\n", more)
		}
		if c != nil {
			if err := printComparison(t, c, *format); err != nil {
				return err
			}
			if *exitCode && len(c.Differences) > 0 {
				return exitCodeError(exitError)
			}
			return nil
		}
		if err := printReport(t, r, *format, len(o.Rules) > 0); err != nil {
			return err
		}
		return r.Print(t.err)
	}
}

// replayConfig reads a configuration, or takes the defaults, and has it use other
// packs where some are named.
func replayConfig(file string, packs []string) (*config.Config, error) {
	c := config.Default()
	if file != "" {
		var err error
		if c, err = config.Load(file); err != nil {
			return nil, err
		}
	}
	if len(packs) > 0 {
		names, err := packNames(packs)
		if err != nil {
			return nil, err
		}
		c.Rules.Packs = names
	}
	return c, nil
}

// printReport writes what was found; byRule has it tell of rules alone.
func printReport(t *terminal, r *daemon.Report, format string, byRule bool) error {
	switch {
	case format == "json" && byRule:
		if err := writeRecords(t.out, r, insight.TypeRule); err != nil {
			return err
		}
		return printRuleReport(t.err, r, false)
	case format == "json":
		return writeRecords(t.out, r, "")
	case byRule:
		return printRuleReport(t.out, r, true)
	case len(r.Insights) == 0:
		_, err := fmt.Fprintln(t.out, "nothing unusual; the first day of an account only teaches, and so does what comes before it is known")
		return err
	}
	return printTable(t.out, r.Insights)
}

// writeRecords writes a record a line, of one type where one is named.
func writeRecords(w io.Writer, r *daemon.Report, typ string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range r.Records {
		rec := &r.Records[i]
		if typ != "" && rec.InsightDetails.InsightType != typ {
			continue
		}
		if err := enc.Encode(rec); err != nil {
			return fmt.Errorf("writing a record: %w", err)
		}
	}
	return nil
}
