package daemon

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/enrich"
)

// loadConfig reads the configuration that the options name.
func (d *Daemon) loadConfig() (*config.Config, error) {
	switch {
	case d.o.ConfigFile != "":
		return config.Load(d.o.ConfigFile)
	case d.o.Config != nil:
		return d.o.Config, nil
	}
	return config.Default(), nil
}

// Reload reads the configuration again and puts it in force: sources, tokens,
// rules, models, exceptions, and all of enrichment (networks, identities,
// catalogue, GeoIP). Everything that can fail is done first, so that on error the
// old configuration stays in force; only of exceptions some may be new then, and
// the error says so. Other keys are read at the start only, and a change of one
// is told. One reload comes after the other, so that the newest file wins.
func (d *Daemon) Reload() (err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	defer func() { d.reloaded.set(err == nil, time.Now()) }()
	c, err := d.loadConfig()
	if err != nil {
		return err
	}
	if err := d.staysClosed(c); err != nil {
		return err
	}
	x, err := newEnricher(c)
	if err != nil {
		return err
	}
	known, err := tokens(c)
	if err != nil {
		return err
	}
	r, err := loadRules(c)
	if err != nil {
		return err
	}
	change, err := d.sources.prepare(c.Sources)
	if err != nil {
		return fmt.Errorf("changing sources: %w", err)
	}
	if d.ready.Load() {
		if err := d.note(context.Background(), c, x, r); err != nil {
			return err
		}
		d.sources.apply(change)
	}
	d.intake.enricher.Store(x)
	d.api.SetTokens(known)
	d.useRules(r)
	for _, key := range waiting(d.config.Load(), c) {
		d.logger.Warn("A change of the configuration waits for a restart", "key", key)
	}
	d.config.Store(c)
	d.logger.Info("The configuration was reloaded", "file", d.o.ConfigFile)
	return nil
}

// begin starts the sources once the engine is where it was. configured is the
// configuration that is in force; a reload may have brought another since.
func (d *Daemon) begin(ctx context.Context, configured *config.Config) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	c := d.config.Load()
	if c != configured {
		if err := d.configure(ctx, c); err != nil {
			return err
		}
	}
	change, err := d.sources.prepare(c.Sources)
	if err != nil {
		return err
	}
	d.sources.apply(change)
	d.ready.Store(true)
	return nil
}

// noteFor bounds how long the log may take to note a configuration, and
// notePerException what an exception adds.
const (
	noteFor          = 10 * time.Second
	notePerException = 100 * time.Millisecond
)

// note puts exceptions and the models' part of a configuration in force, and
// notes them and the rules in the event log. Where it fails the settings and the
// rules are as they were; of the exceptions, those before the one that failed are new.
func (d *Daemon) note(ctx context.Context, c *config.Config, x *enrich.Enricher, r *ruleset) error {
	ctx, cancel := context.WithTimeout(ctx, noteFor+time.Duration(len(c.Exceptions))*notePerException)
	defer cancel()
	versions := x.Versions()
	versions["rules"] = r.set.Hash()
	if err := d.engine.ConfigureExceptions(ctx, c.ExceptionValues()); err != nil {
		return fmt.Errorf("putting exceptions in force, of which some may be: %w", err)
	}
	if err := d.engine.NoteRules(ctx, r.set, byConfiguration); err != nil {
		return err
	}
	return d.engine.Configure(ctx, settings(c), versions)
}

// waiting names the sections that differ and are read at the start only.
func waiting(old, c *config.Config) []string {
	var keys []string
	for name, pair := range map[string][2]any{
		"storage":    {old.Storage, c.Storage},
		"web.limits": {old.Web.Limits, c.Web.Limits},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			keys = append(keys, name)
		}
	}
	return keys
}

// reloadState is how the last reload went.
type reloadState struct {
	mtx sync.Mutex
	ok  bool
	at  time.Time
}

func (r *reloadState) set(ok bool, at time.Time) {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	r.ok = ok
	if ok {
		r.at = at
	}
}

func (r *reloadState) get() (bool, time.Time) {
	r.mtx.Lock()
	defer r.mtx.Unlock()
	return r.ok, r.at
}

// collector tells the state in Prometheus' two gauges.
func (r *reloadState) collector() prometheus.Collector {
	return reloadCollector{r}
}

type reloadCollector struct{ r *reloadState }

var (
	reloadOK = prometheus.NewDesc("insightd_config_last_reload_successful", "Whether the last reload of the configuration succeeded.", nil, nil)
	reloadAt = prometheus.NewDesc("insightd_config_last_reload_success_timestamp_seconds", "When the last reload that succeeded was.", nil, nil)
)

func (c reloadCollector) Describe(ch chan<- *prometheus.Desc) { ch <- reloadOK; ch <- reloadAt }

func (c reloadCollector) Collect(ch chan<- prometheus.Metric) {
	ok, at := c.r.get()
	v := 0.0
	if ok {
		v = 1
	}
	ch <- prometheus.MustNewConstMetric(reloadOK, prometheus.GaugeValue, v)
	ch <- prometheus.MustNewConstMetric(reloadAt, prometheus.GaugeValue, float64(at.Unix()))
}
