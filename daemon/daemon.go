// Package daemon is the app: it wires the rooms of insightd into a line that
// runs, reloads and ends in order. It reads no flags and handles no signals, so
// a test starts it as main does.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/prometheus/promql"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/source"
	"github.com/insightd/insightd/daemon/vitals"
	"github.com/insightd/insightd/daemon/web"
	"github.com/insightd/insightd/tsdb"
)

// Options are what a Daemon is started with.
type Options struct {
	// ConfigFile is read at the start and at each reload; Config is used where
	// it is empty, and the defaults where both are.
	ConfigFile string
	Config     *config.Config

	StoragePath     string
	ListenAddresses []string
	WebConfigFile   string
	ExternalURL     string
	EnableLifecycle bool
	// Stdin, if not nil, is read as a source.
	Stdin io.Reader
	// Flags are what /api/v1/status/flags shows.
	Flags map[string]string

	// Now is the clock that events are compared with, time.Now by default.
	Now func() time.Time
	// PushIdle is after how long a push client that is silent is passed over by
	// the clock, a minute by default.
	PushIdle time.Duration
	// Tick is how often watermarks are looked at, a second by default.
	Tick time.Duration

	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.StoragePath == "" {
		o.StoragePath = "data"
	}
	if len(o.ListenAddresses) == 0 {
		o.ListenAddresses = []string{"127.0.0.1:9470"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tick == 0 {
		o.Tick = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// defaultGrace is Daemon.grace but for tests.
const defaultGrace = 10 * time.Second

// writeTimeout bounds how long an answer may take to be read. Pushes and streams
// set bounds of their own.
const writeTimeout = 10 * time.Minute

// Daemon is a running insightd.
type Daemon struct {
	o         Options
	logger    *slog.Logger
	registry  *prometheus.Registry
	started   time.Time
	stopping  teardown
	config    atomic.Pointer[config.Config]
	reloading sync.Mutex // held while a configuration is put in force
	reloaded  reloadState
	rules     atomic.Pointer[ruleset]
	log       *eventlog.Log
	remake    string // why the views are made anew; empty where they are not
	series    *tsdb.DB
	insights  *insight.Store
	engine    *engine.Engine
	intake    *intake
	sources   *sources
	queries   *promql.Engine
	vitals    *vitals.Recorder
	api       *api.API
	server    *http.Server
	listeners []net.Listener
	ready     atomic.Bool
	caughtUp  chan struct{}
	caught    sync.Once
	quit      chan struct{}
	quitOnce  sync.Once
	// grace bounds how long requests may go on after the end has begun.
	grace time.Duration
}

// New opens the storage and wires the line. Nothing is served or read yet. On
// error, what was opened is closed again.
func New(o Options) (_ *Daemon, err error) {
	o.setDefaults()
	d := &Daemon{
		o: o, logger: o.Logger, started: time.Now(), registry: prometheus.NewRegistry(),
		caughtUp: make(chan struct{}), quit: make(chan struct{}), grace: defaultGrace,
		stopping: teardown{logger: o.Logger},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.stopping.run(context.Background()))
		}
	}()
	d.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("insightd"), d.reloaded.collector(), rulesCollector{d}, exceptionsCollector{d},
	)
	c, err := d.loadConfig()
	if err != nil {
		return nil, err
	}
	d.config.Store(c)
	d.reloaded.set(true, d.started)

	for _, address := range o.ListenAddresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w; --web.listen-address names another address", address, err)
		}
		d.listeners = append(d.listeners, l)
		d.stopping.add("listener", func(context.Context) error { return closed(l.Close()) })
	}

	if d.log, err = eventlog.Open(eventlog.Options{
		Dir: o.StoragePath, Retention: c.Storage.Events.Retention, MaxBytes: int64(c.Storage.Events.MaxSize),
		Lookups: eventlog.Lookups{Automated: func() map[string]bool { return d.engine.Automated() }, HighRisk: d.highRisk},
		Logger:  o.Logger, Registerer: d.registry, Now: o.Now,
	}); err != nil {
		return nil, fmt.Errorf("opening the event log in %q: %w", o.StoragePath, err)
	}
	d.stopping.add("event log", func(context.Context) error { return d.log.Close() })

	if err := d.openViews(c); err != nil {
		return nil, err
	}
	enricher, err := enrichment(c)
	if err != nil {
		return nil, err
	}
	known, err := loadRules(c)
	if err != nil {
		return nil, err
	}
	known.tell(o.Logger, nil)
	d.rules.Store(known)
	eo := engineOptions(c, enricher, known)
	eo.Log, eo.Series, eo.Insights, eo.Now, eo.Logger, eo.Registerer = d.log, d.series, d.insights, o.Now, o.Logger, d.registry
	eo.StateDir, eo.GatherSamples, eo.PushIdle = o.statePath(), gatherSamples, o.PushIdle
	eo.Sources = func() []engine.SourceFrontier { return d.sources.frontiers() }
	if d.engine, err = engine.New(eo); err != nil {
		return nil, err
	}
	d.stopping.add("engine", func(context.Context) error { return d.engine.Close() })
	d.series.AddLive(d.engine)
	d.series.AddLive(insightSeries{d.insights})
	if d.vitals, err = vitals.New(vitals.Options{
		Gatherer: d.registry, Skip: []string{insight.MetricConfidence, insight.MetricIncident}, Now: o.Now, Logger: o.Logger, Registerer: d.registry,
	}); err != nil {
		return nil, err
	}
	d.series.AddLive(vitalSeries{d.vitals})

	d.intake = newIntake(d.log, d.engine, enricher, o.Now, o.Logger)
	cp, err := source.OpenCheckpoints(filepath.Join(o.StoragePath, "checkpoints"))
	if err != nil {
		return nil, fmt.Errorf("opening the checkpoints: %w", err)
	}
	d.sources = newSources(readable{d.intake}, cp, o.Now, o.Logger)
	d.stopping.add("sources", d.sources.close)
	if err := source.RegisterMetrics(d.registry, d.sources.status, o.Now); err != nil {
		return nil, err
	}

	handler, err := d.handler(c)
	if err != nil {
		return nil, err
	}
	d.warnIfOpen(c)
	base, cancel := context.WithCancel(context.Background())
	d.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: writeTimeout, IdleTimeout: 2 * time.Minute,
		// The API's own bound is half of it, and named in its error.
		MaxHeaderBytes: 2 * int(c.Web.Limits.MaxHeaderSize),
		BaseContext:    func(net.Listener) context.Context { return base },
		ConnState:      d.api.ConnState,
	}
	d.stopping.add("HTTP server", func(ctx context.Context) error {
		d.api.Close() // Streams end; other requests are given their time.
		defer cancel()
		err := d.server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			d.logger.Warn("Requests that were still under way are cut off", "after", d.grace)
			err = d.server.Close()
		}
		return err
	})
	return d, nil
}

// closed is nil for a thing that was closed already.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Run serves until ctx ends or somebody asks to quit, and then stops.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	go func() {
		err := toolkit.ServeMultiple(d.listeners, d.server, d.webFlags(), d.logger)
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving HTTP: %w", err)
		}
	}()
	var line sync.WaitGroup
	line.Go(func() {
		if err := d.line(ctx); err != nil && !errors.Is(err, context.Canceled) {
			failed <- err
		}
	})
	line.Go(func() { d.vitals.Run(ctx) })
	var err error
	select {
	case <-ctx.Done():
	case <-d.quit:
	case err = <-failed:
	}
	d.ready.Store(false)
	cancel()
	line.Wait()
	d.logger.Info("Stopping")
	return errors.Join(err, d.Stop())
}

// Stop ends what New and Run began, the last first, within a bound of time.
func (d *Daemon) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), d.grace)
	defer cancel()
	return d.stopping.run(ctx)
}

// line brings the engine back to where it was, starts the sources, and moves
// the watermarks on.
func (d *Daemon) line(ctx context.Context) error {
	begun := time.Now()
	configured := d.config.Load()
	if err := d.restore(ctx); err != nil {
		return err
	}
	if d.o.Stdin != nil {
		d.sources.add(passing{d.intake}, source.NewStream(source.StreamOptions{Name: "standard input", Reader: d.o.Stdin, Logger: d.logger, Now: d.o.Now, Retry: true}))
	}
	if err := d.begin(ctx, configured); err != nil {
		return err
	}
	d.logger.Info("Ready", "address", d.Addr(), "events", d.log.Stats().Events, "after", time.Since(begun).Round(time.Millisecond).String())

	t := time.NewTicker(d.o.Tick)
	defer t.Stop()
	told := time.Time{}
	for {
		read := d.sourcesRead()
		err := errors.Join(d.engine.Advance(ctx), d.engine.Preview(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && read:
			d.catchUp(ctx)
		case err != nil && time.Since(told) >= tellEvery:
			told = time.Now()
			d.logger.Error("Moving the line on; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// tellEvery is how often the log says that the line stands still.
const tellEvery = 30 * time.Second

// catchUp notes that what the sources held went through the models, and is there
// for queries.
func (d *Daemon) catchUp(ctx context.Context) {
	d.caught.Do(func() {
		if d.series.PendingBackfill() > 0 {
			if err := d.series.CommitBackfill(ctx, nil); err != nil && ctx.Err() == nil {
				d.logger.Error("Writing the history of series; trying again", "err", err)
			}
		}
		close(d.caughtUp)
	})
}

// sourcesRead reports whether every source was read to its end.
func (d *Daemon) sourcesRead() bool {
	for _, s := range d.sources.status() {
		if !s.AtEnd {
			return false
		}
	}
	return true
}

// CaughtUp is closed once every source was read to its end and what they held
// went through the models.
func (d *Daemon) CaughtUp() <-chan struct{} { return d.caughtUp }

// Insights is the store of insights, for those who run a daemon in their own
// process.
func (d *Daemon) Insights() *insight.Store { return d.insights }

// Addr is the address that the daemon listens on.
func (d *Daemon) Addr() string { return d.listeners[0].Addr().String() }

// URL is where a reader on this machine finds the daemon.
func (d *Daemon) URL() string {
	if d.o.ExternalURL != "" {
		return d.o.ExternalURL
	}
	return "http://" + d.Addr()
}

func (d *Daemon) webFlags() *toolkit.FlagConfig {
	systemd := false
	return &toolkit.FlagConfig{WebListenAddresses: &d.o.ListenAddresses, WebSystemdSocket: &systemd, WebConfigFile: &d.o.WebConfigFile}
}

// handler makes the HTTP interface.
func (d *Daemon) handler(c *config.Config) (http.Handler, error) {
	d.queries = tsdb.NewQueryEngine(tsdb.EngineOptions{
		MaxSamples: c.Web.Limits.MaxSamples, MaxConcurrency: c.Web.Limits.MaxConcurrentQueries, Timeout: c.Web.Limits.QueryTimeout,
		Logger: d.logger, Registerer: d.registry,
	})
	d.stopping.add("query engine", func(context.Context) error { return d.queries.Close() })
	page, err := web.New(d.pageData, d.logger)
	if err != nil {
		return nil, err
	}
	known, err := tokens(c)
	if err != nil {
		return nil, err
	}
	a, err := api.New(d.apiOptions(c, page, known))
	if err != nil {
		return nil, fmt.Errorf("preparing the HTTP interface: %w", err)
	}
	d.api = a
	return a.Handler(), nil
}

// FinalUpTo is up to when every account's activity is final.
func (d *Daemon) FinalUpTo() time.Time { return d.engine.FinalUpTo() }
