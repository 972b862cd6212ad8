package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
)

// demoHour is how much traffic is played live.
const demoHour = time.Hour

// demoFlags are how the demo runs.
type demoFlags struct {
	days       int
	identities int
	speed      float64
	seed       uint64
	exit       bool
	storage    string
	listen     []string
}

func addDemo(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("demo", "See insightd at work: three weeks of generated traffic as history, then an hour at high speed with attacks in it.")
	f := &demoFlags{}
	cmd.Flag("days", "Days of history.").Default("21").IntVar(&f.days)
	cmd.Flag("identities", "People and workloads in the account.").Default("40").IntVar(&f.identities)
	cmd.Flag("speed", "How many times faster than life the hour is played.").Default("60").Float64Var(&f.speed)
	cmd.Flag("seed", "Decides the traffic.").Default("7").Uint64Var(&f.seed)
	cmd.Flag("exit", "End after the hour rather than serve on.").BoolVar(&f.exit)
	cmd.Flag("storage.path", "Folder for the storage, which must be empty; a temporary one that is deleted at the end, by default.").PlaceHolder("DIR").StringVar(&f.storage)
	cmd.Flag("web.listen-address", "Address to listen on.").Default("127.0.0.1:9470").StringsVar(&f.listen)
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error { return f.run(ctx, t) }
}

// demoScript is what happens in the hour.
func demoScript(live time.Time) []simulate.Scripted {
	at := func(minute int) time.Time { return live.Add(time.Duration(minute) * time.Minute) }
	return []simulate.Scripted{
		{Kind: "new_api_burst", At: at(6), Duration: 8 * time.Minute},
		{Kind: "cred_enum", At: at(16), Duration: 8 * time.Minute},
		{Kind: "burst_x20", At: at(27), Duration: 10 * time.Minute},
		{Kind: simulate.KindKeyAbuse, At: at(38), Duration: 8 * time.Minute},
	}
}

// writer lets several goroutines write.
type writer struct {
	mtx sync.Mutex
	w   io.Writer
}

func (w *writer) Write(b []byte) (int, error) {
	w.mtx.Lock()
	defer w.mtx.Unlock()
	return w.w.Write(b)
}

func (f *demoFlags) run(ctx context.Context, t *terminal) (err error) {
	t = &terminal{in: t.in, out: &writer{w: t.out}, err: t.err, logger: t.logger}
	if f.days < 2 || f.speed < 1 {
		return usageError{errors.New("the demo needs at least 2 days of history and a speed of 1")}
	}
	work, err := os.MkdirTemp("", "insightd-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if f.storage == "" {
		f.storage = filepath.Join(work, "data")
	}
	live := time.Now().UTC().Truncate(time.Minute).Add(-demoHour)
	o := simulate.Options{
		Seed: f.seed, Start: live.Add(-time.Duration(f.days) * 24 * time.Hour), Days: float64(f.days),
		WarmupDays: float64(f.days), Identities: f.identities, Benign: -1,
	}
	history, err := simulate.New(o)
	if err != nil {
		return err
	}
	o.Days += demoHour.Hours() / 24
	o.Script = demoScript(live)
	traffic, err := simulate.New(o)
	if err != nil {
		return err
	}
	p := &player{history: history, traffic: traffic, live: live, clock: &clock{start: live, speed: f.speed}}
	fmt.Fprintf(t.out, "insightd demo: %d days of one AWS account with %d people and workloads, then an hour with attacks in it.\n\n", f.days, f.identities)
	folder := filepath.Join(work, "history")
	began := time.Now()
	n, err := p.writeHistory(ctx, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "1. Wrote %d events of history as CloudTrail does, in %.1f s.\n", n, time.Since(began).Seconds())

	c := config.Default()
	c.Lateness = time.Minute // The generated hour comes in order.
	c.Sources = []config.Source{{Type: "file", Name: "history", Path: folder, Follow: true, PollInterval: time.Minute}}
	d, err := daemon.New(daemon.Options{
		Config: c, StoragePath: f.storage, ListenAddresses: f.listen, Now: p.clock.now,
		Tick: 250 * time.Millisecond, Logger: quiet(t.logger), EnableLifecycle: true,
		PushIdle: time.Duration(p.clock.speed * float64(5*time.Second)), // Five seconds of a slow machine's.
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	var runErr error
	running.Add(1)
	began = time.Now()
	go func() {
		defer running.Done()
		defer cancel()
		runErr = d.Run(ctx)
	}()
	err = f.play(ctx, t, d, p, began)
	cancel()
	running.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
		fmt.Fprintln(t.out, "\nStopped.")
	}
	return errors.Join(err, runErr)
}

// play waits for the history to be learned, plays the hour, tells what is found
// as it is found, and at the end what was and what was not.
func (f *demoFlags) play(ctx context.Context, t *terminal, d *daemon.Daemon, p *player, began time.Time) error {
	select {
	case <-d.CaughtUp():
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Fprintf(t.out, "2. Read it, learned from it, and wrote its series, in %.1f s.\n\n", time.Since(began).Seconds())
	url := d.URL()
	fmt.Fprintf(t.out, "   Open  %s/   the page\n", url)
	fmt.Fprintf(t.out, "   Ask   curl '%s/api/v1/insights?state=active'\n", url)
	fmt.Fprintf(t.out, "   Graph insightd query range --url %s 'sum by (outcome) (sum_over_time(activity_events[5m]))'\n", url)
	fmt.Fprintf(t.out, "         or point Grafana's Prometheus datasource at %s\n\n", url)
	fmt.Fprintf(t.out, "3. Playing the hour from %s, %.0f times faster than life. What is found, as it is found:\n\n", p.live.Format("15:04"), p.clock.speed)

	changes, _, _ := d.Insights().Watch(ctx, 0)
	var telling sync.WaitGroup
	telling.Go(func() {
		final := map[string]bool{}
		for c := range changes {
			word := changeWord(c, final)
			if word == "" || c.Insight.Start.Before(p.live) || c.Insight.Suppressed != "" {
				continue
			}
			in := c.Insight
			when := in.Start
			if !in.End.IsZero() {
				when = in.End
			}
			fmt.Fprintf(t.out, "   %s  %-9s  %-20s  %.2f %-6s  %s\n", when.Format("15:04:05"), word, in.Type, in.Confidence, in.Severity, in.Summary)
		}
	})
	p.clock.run()
	if err := p.play(ctx, url); err != nil {
		return err
	}
	if err := p.settle(ctx, d); err != nil {
		return err
	}
	fmt.Fprintln(t.out)
	if err := p.compare(t.out, d.Insights()); err != nil {
		return err
	}
	if f.exit {
		return nil
	}
	fmt.Fprintf(t.out, "\nServing on at %s; Ctrl-C ends it.\n", url)
	<-ctx.Done()
	telling.Wait()
	return ctx.Err()
}

// changeWord is what a reader is told of a change in one word: nothing where
// only words or numbers of an insight changed. final are the insights that are
// known to be.
func changeWord(c insight.Change, final map[string]bool) string {
	switch c.Kind {
	case insight.KindStart:
		final[c.Insight.ID] = !c.Insight.Provisional
		return "Start"
	case insight.KindConfirmed, insight.KindRevision:
		if c.Insight.Provisional || final[c.Insight.ID] {
			return ""
		}
		final[c.Insight.ID] = true
		return "Final"
	case insight.KindEnd:
		return "End"
	case insight.KindWithdrawn:
		return "Withdrawn"
	}
	return ""
}
