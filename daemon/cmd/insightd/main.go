// Command insightd says what is unusual in a cloud account's activity.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	logger   *slog.Logger
}

// command is what a subcommand runs once its flags are parsed.
type command func(ctx context.Context, t *terminal) error

// usageError is an error in how a command was called.
type usageError struct{ error }

// exitCodeError ends a command that did what it was asked with a code that says what
// it found.
type exitCodeError int

func (e exitCodeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// scriptError is an error in a script that a command was given.
type scriptError struct{ error }

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// newApp declares every subcommand with its flags.
func newApp() (*kingpin.Application, map[string]command, *promslog.Config) {
	app := kingpin.New("insightd", "insightd reads cloud audit events, learns what is normal, and raises insights with a start, an end, a confidence and an explanation.")
	app.Version(version.Print("insightd"))
	app.HelpFlag.Short('h')
	app.UsageWriter(os.Stdout)

	logs := &promslog.Config{Level: promslog.NewLevel(), Format: promslog.NewFormat()}
	app.Flag("log.level", "Only log messages of this severity or above: debug, info, warn, error.").Default("info").SetValue(logs.Level)
	app.Flag("log.format", "Form of log messages: logfmt or json.").Default("logfmt").SetValue(logs.Format)

	commands := map[string]command{}
	for _, add := range []func(*kingpin.Application, map[string]command){
		addServe, addDemo, addReplay, addCheck, addTest, addSimulate, addDrill, addQuery, addRebuild, addVersion,
	} {
		add(app, commands)
	}
	return app, commands, logs
}

func run(args []string, in io.Reader, out, errw io.Writer) int {
	app, commands, logs := newApp()
	app.UsageWriter(out)
	app.ErrorWriter(errw)
	name, err := app.Parse(args)
	if err != nil {
		fmt.Fprintf(errw, "insightd: %v; see insightd --help\n", err)
		return exitUsage
	}
	logs.Writer = errw
	t := &terminal{in: in, out: out, err: errw, logger: promslog.New(logs)}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = commands[name](ctx, t)
	var usage usageError
	var code exitCodeError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(errw, "insightd: %v; see insightd %s --help\n", err, name)
		return exitUsage
	}
	fmt.Fprintf(errw, "insightd: %v\n", err)
	if errors.As(err, new(scriptError)) {
		return exitUsage
	}
	return exitError
}

func addVersion(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("version", "Print the version and how it was built.")
	commands[cmd.FullCommand()] = func(_ context.Context, t *terminal) error {
		_, err := fmt.Fprintln(t.out, version.Print("insightd"))
		return err
	}
}
