// Package vitals remembers what the daemon said of itself: a sample a minute of
// every metric that /metrics shows, for a day, in memory. Queries see them beside
// the stored series, so that a dashboard can show how the daemon has been without
// another Prometheus that scrapes it.
//
// They are no part of the stored series: these live in event time, and samples of
// the wall clock would stand ahead of it.
package vitals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const (
	// every is how far samples stand apart: the lookback of queries.
	every = time.Minute
	// chunkSamples is how many samples a chunk holds. What is too old goes by
	// whole chunks.
	chunkSamples = 120
	// tick is how often Run looks whether a minute has begun.
	tick = time.Second
)

// Options are what a Recorder is made with.
type Options struct {
	// Gatherer is what is remembered.
	Gatherer prometheus.Gatherer
	// Skip names metrics that are not remembered, since queries have them
	// otherwise.
	Skip []string
	// Keep is how far back it remembers; 0 is a day.
	Keep time.Duration
	// MaxSeries and MaxBytes bound it: 5,000 series and 32 MiB of samples where
	// they are 0. Series beyond are left out and counted; of more bytes the oldest
	// samples go.
	MaxSeries int
	MaxBytes  int

	Now func() time.Time
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) validate() error {
	if o.Gatherer == nil {
		return errors.New("nothing to gather from is given")
	}
	if o.Keep < 0 || o.MaxSeries < 0 || o.MaxBytes < 0 {
		return errors.New("a bound is negative")
	}
	if o.Keep == 0 {
		o.Keep = 24 * time.Hour
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = 5000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Recorder remembers metrics. It is safe for concurrent use.
type Recorder struct {
	o       Options
	metrics *metrics

	// gatherMtx is held while metrics are gathered, which is one at a time.
	gatherMtx sync.Mutex

	mtx    sync.RWMutex
	byKey  map[string]*series
	byName map[string][]*series
	// last is the minute of the newest samples, in Unix milliseconds.
	last  int64
	bytes int
	// dropped counts series that were left out, a gathering at a time.
	dropped  uint64
	failures uint64
}

// series is one series: chunks in order of time, of which the last is written to.
type series struct {
	labels labels.Labels
	chunks []chunk
	newest float64 // The last sample's value.
}

type chunk struct {
	mint, maxt int64
	data       *chunkenc.XORChunk
	app        chunkenc.Appender // Nil once the chunk is full.
	bytes      int
}

// New returns a Recorder that remembers nothing yet.
func New(o Options) (*Recorder, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("setting up the record of the daemon's own metrics: %w", err)
	}
	r := &Recorder{o: o, byKey: map[string]*series{}, byName: map[string][]*series{}}
	var err error
	if r.metrics, err = newMetrics(o.Registerer, r); err != nil {
		return nil, fmt.Errorf("setting up the record of the daemon's own metrics: %w", err)
	}
	return r, nil
}

// Run gathers at the start of each minute, and at once, until ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	failing := false
	for {
		err := r.Gather()
		if err != nil && !failing {
			r.o.Logger.Error("Gathering the daemon's own metrics; what could be gathered is kept", "err", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Gather remembers the metrics as they are, at the minute that has begun, unless
// it has done so already. An error leaves out what could not be gathered.
func (r *Recorder) Gather() error {
	r.gatherMtx.Lock()
	defer r.gatherMtx.Unlock()
	at := r.o.Now().Truncate(every).UnixMilli()
	r.mtx.RLock()
	done := at <= r.last
	r.mtx.RUnlock()
	if done {
		return nil
	}
	families, err := r.o.Gatherer.Gather()
	r.mtx.Lock()
	defer r.mtx.Unlock()
	if err != nil {
		r.failures++
	}
	var key []byte
	for _, f := range families {
		if slices.Contains(r.o.Skip, f.GetName()) {
			continue
		}
		samples(f, func(s sample) { key = r.append(s.key(key[:0]), s, at) })
	}
	r.last = at
	r.prune(at)
	if err != nil {
		return fmt.Errorf("gathering: %w", err)
	}
	return nil
}

// append adds a sample to its series, and returns the key for another use. The
// caller holds the mutex.
func (r *Recorder) append(key []byte, s sample, at int64) []byte {
	x := r.byKey[string(key)]
	if x == nil {
		if len(r.byKey) >= r.o.MaxSeries {
			r.dropped++
			return key
		}
		x = &series{labels: s.labels()}
		r.byKey[string(key)] = x
		r.byName[s.name] = append(r.byName[s.name], x)
	}
	n := len(x.chunks)
	if n == 0 || x.chunks[n-1].data.NumSamples() >= chunkSamples {
		if n > 0 {
			full := &x.chunks[n-1]
			full.app = nil
			full.data.Compact()
		}
		data := chunkenc.NewXORChunk()
		app, err := data.Appender()
		if err != nil {
			return key // An empty chunk has nothing that could be wrong.
		}
		x.chunks = append(x.chunks, chunk{mint: at, data: data, app: app})
		n++
	}
	c := &x.chunks[n-1]
	c.app.Append(0, at, s.value)
	c.maxt, x.newest = at, s.value
	r.bytes += len(c.data.Bytes()) - c.bytes
	c.bytes = len(c.data.Bytes())
	return key
}

// prune drops what is too old, and the oldest of what is too much.
func (r *Recorder) prune(now int64) {
	oldest := now - r.o.Keep.Milliseconds()
	for {
		next := int64(0)
		for key, x := range r.byKey {
			n := 0
			for n < len(x.chunks) && x.chunks[n].maxt < oldest {
				r.bytes -= x.chunks[n].bytes
				n++
			}
			x.chunks = slices.Delete(x.chunks, 0, n)
			if len(x.chunks) == 0 {
				delete(r.byKey, key)
				name := x.labels.Get(labels.MetricName)
				if list := slices.DeleteFunc(r.byName[name], func(o *series) bool { return o == x }); len(list) > 0 {
					r.byName[name] = list
				} else {
					delete(r.byName, name)
				}
				continue
			}
			if first := x.chunks[0].maxt; next == 0 || first < next {
				next = first
			}
		}
		if r.bytes <= r.o.MaxBytes || next == 0 || next >= now {
			return
		}
		oldest = next + 1 // The oldest chunks go, and no more than is needed.
	}
}
