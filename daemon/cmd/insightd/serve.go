package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon"
)

// serveFlags are the flags of everything that runs a daemon.
type serveFlags struct {
	o daemon.Options
}

func (f *serveFlags) add(cmd *kingpin.CmdClause) {
	cmd.Flag("config.file", "Configuration file. Without one the defaults hold, and events come by push alone.").PlaceHolder("FILE").StringVar(&f.o.ConfigFile)
	cmd.Flag("storage.path", "Folder for the event log, the series and the insights.").Default("data").StringVar(&f.o.StoragePath)
	cmd.Flag("web.listen-address", "Address to listen on. Can be repeated.").Default("127.0.0.1:9470").StringsVar(&f.o.ListenAddresses)
	cmd.Flag("web.config.file", "File with TLS certificate and basic auth users, in the form of Prometheus' exporter toolkit.").PlaceHolder("FILE").StringVar(&f.o.WebConfigFile)
	cmd.Flag("web.external-url", "URL under which others reach this daemon, https://HOST with :PORT and /PATH where they need them, for links in insights.").PlaceHolder("URL").StringVar(&f.o.ExternalURL)
	cmd.Flag("web.enable-lifecycle", "Allow reload and shutdown by POST to /-/reload and /-/quit.").BoolVar(&f.o.EnableLifecycle)
}

func addServe(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("serve", "Run the daemon (the default command).").Default()
	f := &serveFlags{}
	f.add(cmd)
	stdin := cmd.Flag("stdin", "Read events from standard input too.").Bool()
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		f.o.Logger, f.o.Flags = t.logger, map[string]string{}
		for _, flag := range cmd.Model().Flags {
			f.o.Flags[flag.Name] = flag.Value.String()
		}
		if *stdin {
			f.o.Stdin = t.in
		}
		// Before anything else: the signal's default is to end the process.
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		d, err := daemon.New(f.o)
		if err != nil {
			return err
		}
		go func() {
			for {
				select {
				case <-hup:
					if err := d.Reload(); err != nil {
						t.logger.Error("Reloading the configuration; the old one stays in force", "err", err)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		return d.Run(ctx)
	}
}

func addRebuild(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("rebuild", "Make series, models and insights anew from the event log, as they were made before. The daemon must not run. What is older than the oldest event stays.")
	f := &serveFlags{}
	ro := daemon.RebuildOptions{}
	cmd.Flag("config.file", "Configuration file.").PlaceHolder("FILE").StringVar(&f.o.ConfigFile)
	cmd.Flag("storage.path", "Folder of the daemon's storage.").Default("data").StringVar(&f.o.StoragePath)
	cmd.Flag("reinterpret", "Use today's configuration, networks, GeoIP databases and catalogue for all of history, rather than those that were in force.").BoolVar(&ro.Reinterpret)
	cmd.Flag("decode", "Decode every raw record anew first, under today's decoders and identities. Takes the space of the event log once more.").BoolVar(&ro.Decode)
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		f.o.Logger = t.logger
		if _, err := os.Stat(f.o.StoragePath); errors.Is(err, os.ErrNotExist) {
			return usageError{fmt.Errorf("there is no storage at %q: --storage.path names the folder that serve used", f.o.StoragePath)}
		}
		var p *progress
		name := ""
		ro.Progress = func(part string, done, total int64) {
			if part != name {
				if p != nil {
					p.done()
				}
				name, p = part, newProgress(t.err, part)
			}
			p.set(done, total)
		}
		r, err := daemon.Rebuild(ctx, f.o, ro)
		if p != nil {
			p.done()
		}
		if err != nil {
			return err
		}
		return r.Print(t.err)
	}
}
