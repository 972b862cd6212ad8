package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// gatherFor is for how long counts that are too old for the head of the series
// are gathered before they are written as blocks.
const gatherFor = 30 * time.Second

// gatherSamples is from how many such counts on they are written at once, as
// those of a history that was read.
const gatherSamples = 20_000

// statePath is where the models' snapshots are.
func (o *Options) statePath() string { return filepath.Join(o.StoragePath, "state") }

// viewOptions are what series and insights are opened with.
func (o *Options) viewOptions(c *config.Config) (so tsdb.Options, io insight.Options) {
	so = tsdb.Options{
		Dir: filepath.Join(o.StoragePath, "series"), Retention: c.Storage.Series.Retention, MaxBytes: int64(c.Storage.Series.MaxSize),
		Logger: o.Logger, Now: o.Now,
	}
	io = insight.Options{
		Dir: filepath.Join(o.StoragePath, "insights"), Retention: c.Storage.Insights.Retention,
		Logger: o.Logger, Now: o.Now,
	}
	return so, io
}

// openViews opens what is made from the event log: series and insights. Where a
// snapshot of models is lost, or a part of the series, all of it is made anew
// from the oldest event that the log keeps; what is older stays.
func (d *Daemon) openViews(c *config.Config) (err error) {
	state := d.o.statePath()
	so, io := d.o.viewOptions(c)
	so.Registerer, io.Registerer, so.Gather = d.registry, d.registry, gatherFor
	since := d.log.Stats().Oldest
	if lost := engine.Lost(d.log, state, d.logger); len(lost) > 0 {
		d.remake = fmt.Sprintf("no snapshot of the models of %s can be used", lost[0])
	}
	if d.remake == "" {
		if d.series, err = tsdb.Open(so); err != nil {
			return fmt.Errorf("opening the series in %q: %w", so.Dir, err)
		}
		if lost := lostSince(d.series, since); len(lost) > 0 {
			d.remake = fmt.Sprintf("series from %s on are damaged", time.UnixMilli(lost[0].Mint).UTC().Format(time.RFC3339))
			if err := d.series.Close(); err != nil {
				return fmt.Errorf("closing damaged series: %w", err)
			}
		}
	}
	if d.remake != "" {
		d.logger.Warn("Series, models and insights are made anew from the event log", "reason", d.remake, "from", since, "events", d.log.Stats().Events)
		d.series, d.insights, err = emptyViews(context.Background(), state, so, io, since)
	} else {
		d.insights, err = insight.Open(io)
	}
	if d.series != nil {
		d.stopping.add("series", func(context.Context) error { return d.series.Close() })
	}
	if err != nil {
		return err
	}
	d.stopping.add("insights", func(context.Context) error { return d.insights.Close() })
	return nil
}

// lostSince lists the ranges that are lost and that events from a time on can
// make again. What is lost before it is gone with its events.
func lostSince(series *tsdb.DB, since time.Time) []tsdb.Range {
	return slices.DeleteFunc(series.Lost(), func(r tsdb.Range) bool { return time.UnixMilli(r.Maxt).Before(since) })
}

// emptyViews makes room for series and insights from a time on, and opens them.
// The snapshots go first: until there are new ones, whoever starts finds that
// everything is still to be made anew.
func emptyViews(ctx context.Context, state string, so tsdb.Options, io insight.Options, since time.Time) (*tsdb.DB, *insight.Store, error) {
	if err := engine.Forget(state); err != nil {
		return nil, nil, err
	}
	if err := tsdb.Rebuild(ctx, so, since, nil); err != nil {
		return nil, nil, fmt.Errorf("making room for new series: %w", err)
	}
	series, err := tsdb.Open(so)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the series in %q: %w", so.Dir, err)
	}
	store, err := insight.Open(io)
	if err == nil {
		if err = store.ResetSince(since); err == nil {
			return series, store, nil
		}
		err = errors.Join(fmt.Errorf("making room for new insights: %w", err), store.Close())
	}
	return nil, nil, errors.Join(err, series.Close())
}

// restore brings the engine back to where it was, or makes everything anew, and
// puts the configuration in force.
func (d *Daemon) restore(ctx context.Context) error {
	if d.remake != "" {
		if err := d.engine.Rebuild(ctx); err != nil {
			return fmt.Errorf("making models anew from the event log: %w", err)
		}
		if err := errors.Join(d.series.Sync(), d.insights.Mended()); err != nil {
			return fmt.Errorf("making models anew from the event log: %w", err)
		}
		for _, r := range lostSince(d.series, d.log.Stats().Oldest) {
			if err := d.series.Restored(r); err != nil {
				return fmt.Errorf("noting that series are whole again: %w", err)
			}
		}
	} else if err := d.engine.Restore(ctx); err != nil {
		return fmt.Errorf("restoring models from their snapshots and the event log: %w", err)
	} else if harm := d.insights.Harm(); harm != "" {
		d.mend(harm)
	}
	return d.configure(ctx, d.config.Load())
}

// mend has insights made anew, a part of which the journal lost, while the daemon goes
// on. Until that is done some may be missing or not be the newest.
func (d *Daemon) mend(harm string) {
	d.logger.Warn("Insights are made anew from the event log, while everything goes on", "reason", harm)
	d.engine.Mend(harm, func() {
		if err := d.insights.Mended(); err != nil {
			d.logger.Error("Writing the insights' journal anew", "err", err)
			return
		}
		d.logger.Info("Insights were made anew")
	})
}

// byConfiguration is in whose name the configuration changes what is told.
const byConfiguration = insight.ExceptionFromConfiguration

// configure notes the configuration that the daemon begins with. A log that cannot
// be written to does not stop a start: the next reload tries again.
func (d *Daemon) configure(ctx context.Context, c *config.Config) error {
	err := d.note(ctx, c, d.intake.enricher.Load(), d.rules.Load())
	if err != nil && ctx.Err() == nil {
		d.logger.Error("Noting the configuration in the event log; it is tried again at the next reload", "err", err)
		return nil
	}
	return err
}
