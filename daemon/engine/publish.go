package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// snapshotState is what a stream knows of its snapshots.
type snapshotState struct {
	seq    uint64 // of the newest
	before uint64 // of the one before it
	done   time.Time
	at     time.Time // when it was written
}

// snapshot writes the snapshots that are due, or those of all streams that have
// moved, once everything that they cover is durable. What has something left to hand on
// waits.
func (e *Engine) snapshot(all bool) error {
	if e.o.StateDir == "" {
		return nil
	}
	now := e.o.Now()
	var due []*stream
	for _, s := range e.list() {
		switch {
		case !s.begun, s.shadow != nil, len(s.counts.samples)+len(s.unkept) > 0, !s.position.whole():
		case s.snapshot.seq == s.position.seq && s.snapshot.done.Equal(s.position.done):
		case all, s.snapshot.seq == 0, now.Sub(s.snapshot.at) >= e.o.SnapshotEvery, now.Before(s.snapshot.at):
			due = append(due, s)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if e.o.Series != nil {
		if err := e.o.Series.Sync(); err != nil {
			return fmt.Errorf("syncing series before a snapshot: %w", err)
		}
	}
	if err := e.o.Insights.Sync(); err != nil {
		return fmt.Errorf("syncing insights before a snapshot: %w", err)
	}
	for _, s := range due {
		begun := time.Now()
		pushes := e.pushesOf(s.key)
		s.mtx.Lock()
		err := s.writeSnapshot(e.o.StateDir, pushes)
		if err == nil {
			x := &s.snapshot
			if x.seq != s.position.seq {
				x.before = x.seq
			}
			x.seq, x.done, x.at = s.position.seq, s.position.done, now
		}
		s.mtx.Unlock()
		if err != nil {
			e.metrics.snapshotFailures.Inc()
			return err
		}
		e.metrics.snapshots.Observe(time.Since(begun).Seconds())
	}
	return e.thin()
}

// thin tells the log which control records no snapshot asks for.
func (e *Engine) thin() error {
	least := uint64(0)
	for _, s := range e.list() {
		if !s.begun {
			continue
		}
		if s.snapshot.before == 0 {
			return nil
		}
		if least == 0 || s.snapshot.before < least {
			least = s.snapshot.before
		}
	}
	if least == 0 {
		return nil
	}
	if err := writeThinned(e.o.StateDir, least); err != nil {
		return err
	}
	return e.o.Log.Thin(least)
}

// pushesOf lists how far the push clients of a stream are.
func (e *Engine) pushesOf(key event.StreamKey) []pushed {
	e.mtx.RLock()
	defer e.mtx.RUnlock()
	var out []pushed
	for k, p := range e.pushes {
		if k.stream == key {
			out = append(out, pushed{k.client, p.newest})
		}
	}
	slices.SortFunc(out, func(a, b pushed) int {
		if a.client < b.client {
			return -1
		}
		return 1
	})
	return out
}
