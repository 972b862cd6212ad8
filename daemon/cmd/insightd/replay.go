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
	format := cmd.Flag("format", "table, or json for a Start or End record a line.").Default("table").Enum("table", "json")
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
		if *conf != "" {
			c, err := config.Load(*conf)
			if err != nil {
				return err
			}
			o.Config = c
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
		r, err := daemon.Replay(ctx, o)
		p.done()
		if err != nil {
			return err
		}
		if more := failed - shownFailures; more > 0 && !*failures {
			fmt.Fprintf(t.err, "unreadable: %d more; --failures tells them all\n", more)
		}
		if err := printReport(t, r, *format); err != nil {
			return err
		}
		return r.Print(t.err)
	}
}

func printReport(t *terminal, r *daemon.Report, format string) error {
	if format == "json" {
		return writeRecords(t.out, r)
	}
	if len(r.Insights) == 0 {
		_, err := fmt.Fprintln(t.out, "nothing unusual; the first day of an account only teaches, and so does what comes before it is known")
		return err
	}
	return printTable(t.out, r.Insights)
}

// writeRecords writes a record a line.
func writeRecords(w io.Writer, r *daemon.Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, rec := range r.Records {
		if err := enc.Encode(rec); err != nil {
			return fmt.Errorf("writing a record: %w", err)
		}
	}
	return nil
}
