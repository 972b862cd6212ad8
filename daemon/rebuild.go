package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/enrich"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
)

// RebuildOptions say what a rebuild does beyond repeating.
type RebuildOptions struct {
	// Reinterpret uses today's configuration, catalogue and databases in the
	// place of those that were in force when events came. Who did what stays as
	// it was decoded.
	Reinterpret bool
	// Decode makes the event log's segments anew first: every raw record is
	// decoded and enriched again.
	Decode bool
	// Progress is told how many events are through of how many, and in which
	// part of the work.
	Progress func(part string, done, total int64)
}

// Rebuild makes series, models and insights anew from the event log. What is
// older than the oldest event that the log keeps stays as it is. The daemon must
// not run on the storage: the log's lock sees to that. After a crash the next
// start does what is left.
func Rebuild(ctx context.Context, o Options, ro RebuildOptions) (*Report, error) {
	o.setDefaults()
	begun := time.Now()
	c, err := (&Daemon{o: o}).loadConfig()
	if err != nil {
		return nil, err
	}
	enricher, err := enrichment(c)
	if err != nil {
		return nil, err
	}
	log, err := eventlog.Open(eventlog.Options{Dir: o.StoragePath, Logger: o.Logger, Now: o.Now})
	if err != nil {
		return nil, fmt.Errorf("opening the event log in %q: %w", o.StoragePath, err)
	}
	defer log.Close()
	if ro.Decode {
		if err := redecode(ctx, log, enricher.Load(), ro.Progress, o); err != nil {
			return nil, err
		}
	}
	so, io := o.viewOptions(c)
	series, store, err := emptyViews(ctx, o.statePath(), so, io, log.Stats().Oldest)
	if err != nil {
		return nil, err
	}
	defer series.Close()
	defer store.Close()
	known, err := loadRules(c)
	if err != nil {
		return nil, err
	}
	known.tell(o.Logger, nil)
	eo := engineOptions(c, enricher, known)
	eo.Log, eo.Series, eo.Insights, eo.Now, eo.Logger, eo.StateDir = log, series, store, o.Now, o.Logger, o.statePath()
	if ro.Reinterpret {
		x := enricher.Load()
		eo.Reinterpret, eo.Raw = x.Again, x.Conditional
	}
	eng, err := engine.New(eo)
	if err != nil {
		return nil, err
	}
	stop := tellProgress(part(ro.Progress, "rebuilding"), func() (int64, int64) {
		return int64(eng.Totals().Events), int64(log.Stats().Events)
	})
	err = eng.Rebuild(ctx)
	stop()
	if err != nil {
		return nil, fmt.Errorf("rebuilding: %w", err)
	}
	if err := store.Mended(); err != nil {
		return nil, fmt.Errorf("rebuilding: writing the insights' journal anew: %w", err)
	}
	return report(nil, eng, store, begun)
}

// part names what progress is told of.
func part(tell func(part string, done, total int64), name string) func(done, total int64) {
	if tell == nil {
		return nil
	}
	return func(done, total int64) { tell(name, done, total) }
}

// redecode has the log make its segments anew under today's decoders and
// enrichment.
func redecode(ctx context.Context, log *eventlog.Log, x *enrich.Enricher, progress func(string, int64, int64), o Options) error {
	tell := func(done, total uint64) {
		if progress != nil {
			progress("decoding", int64(done), int64(total))
		}
	}
	r, err := log.Redecode(ctx, func(e *event.Event) error { return decodeAgain(x, e) }, tell)
	if err != nil {
		return fmt.Errorf("decoding the event log anew: %w", err)
	}
	o.Logger.Info("The event log was decoded anew", "events", r.Events, "unchanged", r.Failed, "duplicates", r.Duplicates, "lost", r.Lost)
	if r.Err != nil {
		o.Logger.Warn("Events that could not be decoded stay as they were", "events", r.Failed, "first", r.Err)
	}
	return nil
}

// decodeAgain makes of a stored event with its raw record what decoder and enrichment
// make of it now.
func decodeAgain(x *enrich.Enricher, e *event.Event) error {
	var fresh event.Event
	if err := event.Decode(e.Provider, e.Raw, &fresh); err != nil {
		return err
	}
	if fresh.Account == "" {
		fresh.Account = e.Account // What was around the record named it, or the source did.
	}
	fresh.Seq, fresh.Received, fresh.Raw = e.Seq, e.Received, e.Raw
	x.Enrich(&fresh)
	*e = fresh
	return nil
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
