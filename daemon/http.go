package daemon

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/common/version"

	"github.com/insightd/insightd/daemon/api"
	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/event/filter"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// apiOptions are what the HTTP interface answers from.
func (d *Daemon) apiOptions(c *config.Config, page http.Handler, tokens []api.Token) api.Options {
	l := c.Web.Limits
	return api.Options{
		Insights:        d.insights,
		Events:          d.log,
		Knowledge:       knowledge{d},
		Reviews:         reviews{d},
		Exceptions:      exceptions{d},
		Pusher:          d.intake,
		Prometheus:      d.prometheusOptions(c),
		EnableLifecycle: d.o.EnableLifecycle,
		Lifecycle: api.Lifecycle{
			Ready:  d.readiness,
			Reload: d.Reload,
			Quit:   func() { d.quitOnce.Do(func() { close(d.quit) }) },
		},
		Locator:     locator{d},
		Status:      func() any { return d.sources.status() },
		Page:        page,
		Tokens:      tokens,
		LocalNames:  d.o.WebConfigFile == "", // It may have users.
		ExternalURL: d.o.ExternalURL,
		Limits: api.Limits{
			BodyBytes: int64(l.MaxBodySize), DecompressedBytes: int64(l.MaxDecompressedSize), Ratio: l.MaxCompressionRatio,
			RecordBytes: int(l.MaxRecordSize), BodyRate: int64(l.MinBodyRate),
			HeaderBytes: int(l.MaxHeaderSize), Headers: l.MaxHeaders, Connections: l.MaxConnections,
			Range: l.MaxQueryRange, Timeout: l.QueryTimeout,
			Searches: l.MaxConcurrentQueries, Pushes: l.MaxConcurrentPushes, Watchers: l.MaxWatchers,
		},
		Classify:   classify,
		Gatherer:   d.registry,
		Registerer: d.registry,
		Logger:     d.logger,
		Now:        d.o.Now,
	}
}

func (d *Daemon) prometheusOptions(c *config.Config) api.PrometheusOptions {
	l := c.Web.Limits
	var metadata []api.PrometheusMetadata
	for _, m := range tsdb.Metrics {
		metadata = append(metadata, api.PrometheusMetadata{Name: m.Name, Type: "gauge", Help: m.Help})
	}
	return api.PrometheusOptions{
		Queryable:     d.series.Queryable(),
		Engine:        d.queries,
		Stats:         d.series,
		Metadata:      metadata,
		OwnMetadata:   d.ownMetadata,
		MaxConcurrent: l.MaxConcurrentQueries,
		Logger:        d.logger,
		Gatherer:      d.registry,
		Now:           d.o.Now,
		Flags:         d.o.Flags,
		ConfigText:    func() string { return d.config.Load().String() },
		Build: api.PrometheusBuild{
			Version: version.Version, Revision: version.Revision, Branch: version.Branch,
			BuildUser: version.BuildUser, BuildDate: version.BuildDate,
		},
		Started:   d.started,
		Retention: c.Storage.Series.Retention,
		Reloaded:  d.reloaded.get,
		Ready:     d.ready.Load,
	}
}

// ownMetadata lists the daemon's own metrics, of which queries see a day.
func (d *Daemon) ownMetadata() []api.PrometheusMetadata {
	var out []api.PrometheusMetadata
	for _, m := range d.vitals.Metrics() {
		out = append(out, api.PrometheusMetadata{Name: m.Name, Type: m.Type, Help: m.Help})
	}
	return out
}

// readiness says whether the daemon answers from everything that it knows.
func (d *Daemon) readiness() (bool, string) {
	if d.ready.Load() {
		return true, ""
	}
	return false, "models are being rebuilt from the event log"
}

// classify says what errors of the rooms are to a client.
func classify(err error) api.ErrorType {
	var wrong *filter.Error
	switch {
	case errors.As(err, &wrong), errors.Is(err, eventlog.ErrBadQuery), errors.Is(err, eventlog.ErrCursor),
		errors.Is(err, insight.ErrQuery), errors.Is(err, engine.ErrBands), errors.Is(err, engine.ErrIdentities):
		return api.ErrorBadData
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return api.ErrorUnavailable // The disk is full: there may be room later.
	case errors.Is(err, eventlog.ErrClosed), errors.Is(err, tsdb.ErrClosed), errors.Is(err, insight.ErrClosed):
		return api.ErrorUnavailable
	}
	return ""
}

// knowledge answers from the engine in the API's words.
type knowledge struct{ d *Daemon }

// Coverage joins what the engine, the store of insights and the sources know.
func (k knowledge) Coverage(ctx context.Context) (insight.Coverage, error) {
	c, err := k.d.engine.Coverage(ctx)
	if err != nil {
		return c, err
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		t := k.d.insights.Tally(event.StreamKey{Provider: s.Provider, Account: s.Account})
		s.Withdrawn, s.Superseded = t.Withdrawn, t.Superseded
	}
	c.Sources = k.d.sources.coverage()
	if k.d.log.Standing() != nil {
		for i := range c.Sources {
			if s := &c.Sources[i]; s.State == insight.SourceFailing {
				s.State = insight.SourceWaiting // They could deliver.
			}
		}
	}
	return c, nil
}

func (k knowledge) Identities(ctx context.Context, q api.IdentityQuery) ([]insight.Profile, string, error) {
	return k.d.engine.Identities(ctx, engine.IdentityQuery(q))
}

// locator looks addresses up in the databases that are in force.
type locator struct{ d *Daemon }

func (l locator) Cities() bool { return l.d.intake.enricher.Load().Cities() }

func (l locator) Locate(address string) (api.Spot, bool) {
	s, ok := l.d.intake.enricher.Load().Locate(address)
	return api.Spot(s), ok
}

func (k knowledge) IdentityClass(stream event.StreamKey, identity string) string {
	return k.d.engine.IdentityClass(stream, identity)
}

func (k knowledge) Identity(ctx context.Context, id string) (insight.Profile, bool, error) {
	return k.d.engine.Identity(ctx, id)
}

func (k knowledge) Bands(ctx context.Context, selector string, from, to time.Time, step time.Duration) ([]insight.Band, error) {
	return k.d.engine.Bands(ctx, k.d.series.Queryable(), selector, from, to, step)
}
