package daemon

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/source"
)

// sources runs what the configuration names, and starts and stops sources when
// it changes.
type sources struct {
	sink        source.Sink
	checkpoints *source.Checkpoints
	now         func() time.Time
	logger      *slog.Logger
	ctx         context.Context
	stop        context.CancelFunc

	mtx     sync.Mutex
	running map[string]*runningSource
}

type runningSource struct {
	source.Source
	conf config.Source
	stop context.CancelFunc
	done chan struct{}
	// ending says that it was told to stop, and next is what takes its place once it
	// has; nil where nothing does.
	ending bool
	next   *runningSource
}

// lasting is what runs under the name for good, nil where nothing does.
func (r *runningSource) lasting() *runningSource {
	if r != nil && r.ending {
		return r.next
	}
	return r
}

func newSources(sink source.Sink, cp *source.Checkpoints, now func() time.Time, logger *slog.Logger) *sources {
	ctx, stop := context.WithCancel(context.Background())
	return &sources{sink: sink, checkpoints: cp, now: now, logger: logger, ctx: ctx, stop: stop, running: map[string]*runningSource{}}
}

// change is what makes the running sources those of a configuration.
type change struct {
	conf  []config.Source
	fresh map[string]*runningSource
}

// prepare makes what a configuration needs, and touches nothing. Nobody else
// changes sources until it is applied.
func (s *sources) prepare(conf []config.Source) (change, error) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	ch := change{conf, map[string]*runningSource{}}
	for _, c := range conf {
		if old := s.running[c.Name].lasting(); old != nil && old.conf == c {
			continue
		}
		f, err := source.NewFolder(source.FolderOptions{
			Name: c.Name, Path: c.Path, Provider: c.Provider, Account: c.Account, Follow: c.Follow, Retry: true, PollInterval: c.PollInterval,
			Checkpoints: s.checkpoints, Now: s.now, Logger: s.logger,
		})
		if err != nil {
			return ch, err
		}
		ch.fresh[c.Name] = &runningSource{Source: f, conf: c}
	}
	return ch, nil
}

// apply makes the running sources those of a configuration. Sources that did not
// change run on. One that ends is not waited for here, since a read of a file
// system that is away may hang; what takes its name begins once it has ended.
func (s *sources) apply(ch change) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	for name, old := range s.running {
		if old.conf.Name == "" {
			continue // Standard input is not the file's.
		}
		kept := slices.ContainsFunc(ch.conf, func(c config.Source) bool { return c.Name == name })
		fresh := ch.fresh[name]
		if kept && fresh == nil {
			continue
		}
		old.next = fresh
		if !old.ending {
			old.ending = true
			old.stop()
			go s.succeed(name, old)
		}
	}
	for name, r := range ch.fresh {
		if s.running[name] == nil {
			s.start(name, r, s.sink)
		}
	}
}

// succeed waits for a source to end, and starts what takes its place.
func (s *sources) succeed(name string, old *runningSource) {
	<-old.done
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	delete(s.running, name)
	if old.next != nil {
		s.start(name, old.next, s.sink)
	}
}

// add runs a source that the configuration does not name, into a sink of its
// own.
func (s *sources) add(sink source.Sink, src source.Source) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	s.start(src.Name(), &runningSource{Source: src}, sink)
}

func (s *sources) start(name string, r *runningSource, sink source.Sink) {
	ctx, stop := context.WithCancel(s.ctx)
	r.stop, r.done = stop, make(chan struct{})
	s.running[name] = r
	go func() {
		defer close(r.done)
		if err := r.Run(ctx, sink); err != nil && !errors.Is(err, context.Canceled) {
			s.logger.Error("A source has stopped", "source", name, "err", err)
		}
	}()
}

// status lists how the sources are, by name. One that ends for good holds nothing
// back and is left out.
func (s *sources) status() []source.Status {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	out := make([]source.Status, 0, len(s.running))
	for _, r := range s.running {
		if r.lasting() != nil {
			out = append(out, r.Status())
		}
	}
	slices.SortFunc(out, func(a, b source.Status) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// coverage is how the sources are, in the words of what is covered.
func (s *sources) coverage() []insight.SourceCoverage {
	out := []insight.SourceCoverage{}
	for _, st := range s.status() {
		c := insight.SourceCoverage{
			Name: st.Name, Kind: st.Kind, State: insight.SourceReading, AtEnd: st.AtEnd, LagSeconds: st.LagSeconds,
			BacklogFiles: st.Backlog, BacklogBytes: st.BacklogBytes, Rate: st.Rate, Events: st.Events, Errors: st.Failures,
			LastError: st.Err, Hint: st.Hint,
		}
		switch {
		case st.Err != "":
			c.State = insight.SourceFailing
		case st.AtEnd:
			c.State = insight.SourceAtEnd
		}
		if t := st.Frontier; !t.IsZero() {
			c.Frontier = &t
		}
		if t := st.LastEvent; !t.IsZero() {
			c.LastEvent = &t
		}
		out = append(out, c)
	}
	return out
}

// frontiers is what the engine's watermarks wait for.
func (s *sources) frontiers() []engine.SourceFrontier {
	var out []engine.SourceFrontier
	for _, st := range s.status() {
		out = append(out, engine.SourceFrontier{Name: st.Name, AtEnd: st.AtEnd, Frontier: st.Frontier})
	}
	return out
}

// close ends every source and waits for them.
func (s *sources) close(context.Context) error {
	s.mtx.Lock()
	s.stop()
	running := slices.Collect(maps.Values(s.running))
	s.mtx.Unlock()
	for _, r := range running {
		<-r.done
	}
	return nil
}
