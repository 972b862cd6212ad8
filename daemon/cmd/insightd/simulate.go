package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon/simulate"
)

func addSimulate(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("simulate", "Make CloudTrail traffic with attacks in it, and the labels that say where they are. The same flags give the same bytes.")
	var format, output, labels string
	f := addTrafficFlags(cmd, trafficDefaults{days: "35", incidents: "2", late: "false"})
	cmd.Flag("seed", "Decides everything that the other flags leave open.").Default("1").Uint64Var(&f.o.Seed)
	cmd.Flag("format", "ndjson; records, one gzipped document; s3, a folder of files as in a trail's bucket.").Default("ndjson").EnumVar(&format, "ndjson", "records", "s3")
	cmd.Flag("output", "File, or folder for s3; - is standard output.").Short('o').Default("-").StringVar(&output)
	cmd.Flag("labels", "File for the labels.").PlaceHolder("FILE").StringVar(&labels)
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		o, err := f.options()
		if err != nil {
			return err
		}
		traffic, err := simulate.New(o)
		if err != nil {
			return usageError{err}
		}
		if err := writeTraffic(ctx, t, traffic, format, output); err != nil {
			return err
		}
		return writeLabels(traffic, labels)
	}
}

// trafficFlags say what traffic to make.
type trafficFlags struct {
	o        simulate.Options
	start    string
	benign   bool
	inject   []string
	injectAt string
}

// trafficDefaults are the defaults in which commands differ.
type trafficDefaults struct{ days, incidents, late string }

func addTrafficFlags(cmd *kingpin.CmdClause, d trafficDefaults) *trafficFlags {
	f := &trafficFlags{}
	cmd.Flag("start", "Time of the first event, RFC 3339.").Default("2026-03-02T00:00:00Z").StringVar(&f.start)
	cmd.Flag("days", "Length of the traffic.").Default(d.days).Float64Var(&f.o.Days)
	cmd.Flag("warmup-days", "Days without incidents at the start.").Default("14").Float64Var(&f.o.WarmupDays)
	cmd.Flag("accounts", "AWS accounts.").Default("1").IntVar(&f.o.Accounts)
	cmd.Flag("identities", "Identities of an account.").Default("100").IntVar(&f.o.Identities)
	cmd.Flag("activity", "Multiplies what everybody does; 1 is about 72000 events a day for 100 identities.").Default("1").Float64Var(&f.o.Activity)
	cmd.Flag("incidents", "Mean incidents an account and day after the warm-up.").Default(d.incidents).Float64Var(&f.o.Incidents)
	cmd.Flag("kind", "A kind of incident to draw from, repeatable; all by default: "+strings.Join(simulate.Kinds(), ", ")+".").StringsVar(&f.o.Kinds)
	cmd.Flag("benign", "Legitimate changes too: holidays, level shifts, new people, gaps in the data.").Default("true").BoolVar(&f.benign)
	cmd.Flag("late", "Deliver late and out of order, as CloudTrail does.").Default(d.late).BoolVar(&f.o.Late)
	cmd.Flag("duplicates", "Share of records that are delivered twice.").Default("0").Float64Var(&f.o.Duplicates)
	cmd.Flag("inject", "CloudTrail records of attacks to put into the traffic, repeatable: a file, or a folder of files, each of which is one attack. Times, accounts and regions become those of the traffic; the labels list them under injected.").PlaceHolder("PATH").StringsVar(&f.inject)
	cmd.Flag("inject-at", "When each of them begins, RFC 3339; spread over the days after the warm-up by default.").PlaceHolder("TIME").StringVar(&f.injectAt)
	return f
}

// options are what the flags say, once they are parsed.
func (f *trafficFlags) options() (simulate.Options, error) {
	o := f.o
	var err error
	if o.Start, err = time.Parse(time.RFC3339, f.start); err != nil {
		return o, usageError{fmt.Errorf("--start: %w", err)}
	}
	if !f.benign {
		o.Benign = -1
	}
	if f.injectAt != "" {
		if o.InjectAt, err = time.Parse(time.RFC3339, f.injectAt); err != nil {
			return o, usageError{fmt.Errorf("--inject-at: %w", err)}
		}
	}
	for _, path := range f.inject {
		c, err := simulate.ReadCaptured(path)
		if err != nil {
			return o, usageError{fmt.Errorf("--inject: %w", err)}
		}
		o.Inject = append(o.Inject, c...)
	}
	return o, nil
}

func writeTraffic(ctx context.Context, t *terminal, traffic *simulate.Traffic, format, output string) (err error) {
	truth := traffic.Truth()
	p := newProgress(t.err, "making traffic")
	defer p.done()
	n := 0
	progress := func(done int, at time.Time) {
		n = done
		p.set(int64(at.Sub(truth.Start)/time.Second), int64(truth.End.Sub(truth.Start)/time.Second))
	}
	begun := time.Now()
	defer func() {
		if err == nil {
			s := time.Since(begun).Seconds()
			fmt.Fprintf(t.err, "events: %d\nseconds: %.1f\nevents a second: %.0f\nlabels: %d\n", n, s, float64(n)/s, len(truth.Labels))
		}
	}()
	if format == "s3" {
		if output == "-" {
			return usageError{errors.New("--format=s3 needs a folder in --output")}
		}
		_, err := simulate.WriteS3(ctx, output, traffic, 0, progress)
		return err
	}
	w, done := t.out, func() error { return nil }
	if output != "-" {
		f, err := os.Create(output)
		if err != nil {
			return fmt.Errorf("making the output: %w", err)
		}
		w, done = f, f.Close
	} else if format == "records" && isTerminal(w) {
		return usageError{errors.New("gzip does not go to a terminal; name a file in --output")}
	}
	write := simulate.WriteNDJSON
	if format == "records" {
		write = simulate.WriteRecords
	}
	return errors.Join(write(ctx, w, traffic, progress), done())
}

func writeLabels(traffic *simulate.Traffic, name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("making the labels: %w", err)
	}
	truth := traffic.Truth()
	return errors.Join(truth.WriteJSON(f), f.Close())
}
