package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/tsdb"
)

// Rebuild makes series, models and insights anew from the event log, which is
// all that it keeps. progress is told how many events are through of how many.
// The daemon must not run on the storage: the log's lock sees to that.
func Rebuild(ctx context.Context, o Options, progress func(done, total int64)) (*Report, error) {
	o.setDefaults()
	begun := time.Now()
	d := &Daemon{o: o}
	c, err := d.loadConfig()
	if err != nil {
		return nil, err
	}
	log, err := eventlog.Open(eventlog.Options{Dir: o.StoragePath, Logger: o.Logger, Now: o.Now})
	if err != nil {
		return nil, fmt.Errorf("opening the event log in %q: %w", o.StoragePath, err)
	}
	defer log.Close()
	seriesDir, insightsDir := filepath.Join(o.StoragePath, "series"), filepath.Join(o.StoragePath, "insights")
	for _, dir := range []string{seriesDir, insightsDir} {
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("making room: %w", err)
		}
	}
	series, err := tsdb.Open(tsdb.Options{Dir: seriesDir, Retention: c.Storage.Series.Retention, Logger: o.Logger, Now: o.Now})
	if err != nil {
		return nil, err
	}
	defer series.Close()
	store, err := insight.Open(insight.Options{Dir: insightsDir, Retention: c.Storage.Insights.Retention, Logger: o.Logger, Now: o.Now})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	enricher, err := enrichment(c)
	if err != nil {
		return nil, err
	}
	eo := engineOptions(c, enricher)
	eo.Log, eo.Series, eo.Insights, eo.Now, eo.Logger = log, series, store, o.Now, o.Logger
	eng, err := engine.New(eo)
	if err != nil {
		return nil, err
	}
	stop := tellProgress(progress, func() (int64, int64) {
		return int64(eng.Totals().Events), int64(log.Stats().Events)
	})
	err = eng.Rebuild(ctx)
	stop()
	if err != nil {
		return nil, fmt.Errorf("rebuilding: %w", err)
	}
	return report(nil, eng, store, begun)
}

// tellProgress tells of work a few times a second until it is stopped.
func tellProgress(tell func(done, total int64), state func() (done, total int64)) (stop func()) {
	if tell == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				tell(state())
			}
		}
	}()
	return func() { close(end); <-ended }
}
