package daemon

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insightd/insightd/daemon/config"
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
// rules, and all of enrichment (networks, identities, catalogue, GeoIP). Everything that can
// fail is done first; on error the old configuration stays as it was. Other
// keys are read at the start only, and a change of one is told.
func (d *Daemon) Reload() (err error) {
	defer func() { d.reloaded.set(err == nil, time.Now()) }()
	c, err := d.loadConfig()
	if err != nil {
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
	if err := d.sources.apply(c.Sources); err != nil {
		return fmt.Errorf("changing sources: %w", err)
	}
	d.intake.enricher.Store(x)
	d.api.SetTokens(known)
	d.useRules(r)
	for _, key := range waiting(d.config.Load(), c) {
		d.logger.Warn("A change of the configuration waits for a restart", "key", key)
	}
	d.config.Store(c)
	if d.ready.Load() {
		if err := d.configure(context.Background(), c); err != nil {
			return err
		}
	}
	d.logger.Info("The configuration was reloaded", "file", d.o.ConfigFile)
	return nil
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
