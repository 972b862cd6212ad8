// Package eventlog is the durable, searchable log of events: the truth of which
// series, models and insights are views.
//
// Events are taken in batches, de-duplicated by (provider, account, uid),
// numbered in one order with the control records, and kept in memory by hour of
// event time until an hour's buffer makes a block. What was pushed is in a
// write-ahead log before it is acknowledged; what can be read again is durable
// once Flush returns. Blocks hold columns, an id filter and the raw records,
// and are searched with the filter language of filter.go. DESIGN.md describes
// the bytes on disk.
package eventlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/gofrs/flock"

	"github.com/insightd/insightd/daemon/event"
)

// Log is a log of events. Its methods are safe for concurrent use.
type Log struct {
	o         Options
	m         *metrics
	disk      disk
	root      *os.File // The log's directory.
	made      []string // Directories that Open added an entry to.
	files     *fileCache
	cache     *blockCache
	lock      *flock.Flock
	questions questions
	seen      *fastcache.Cache // Hash of an id to the hour that it was stored in.

	events  *journal
	control *journal
	commits *committer

	findings atomic.Uint64 // Damage since Open.
	stale    atomic.Bool   // A block is left out that the streams still count.

	// ops is held by everything that uses files, so that Close comes after it.
	ops sync.RWMutex

	flushMtx sync.Mutex // Held by Flush, which runs once at a time.
	syncMtx  sync.Mutex // Held while segments and their directories are synced.
	stop     chan struct{}
	stopped  chan struct{}
	wake     chan struct{} // The write-ahead log is long.

	filterMtx sync.Mutex // Held while a level of a filter is made from blocks.
	idleMtx   sync.Mutex // Held by what goes on in the background.

	pruneMtx sync.Mutex // Held while control records are pruned.
	thinned  int64      // Bytes of the control records after Thin last worked.

	// mtx guards what follows, and of each segment and buffer what they say. No file
	// is written with it; the file that merge made gets its name with it.
	mtx      sync.Mutex
	cond     *sync.Cond // A buffer's state changed.
	closed   bool
	seq      uint64 // Given last.
	hours    map[int64]*hourState
	order    []int64 // The keys of hours, rising.
	streams  map[streamID]*streamState
	last     *streamState
	buffered int64
	full     []*buffer // Frozen and not yet taken by who writes them.
	stuck    error     // Why the last block could not be written or synced.
	unsynced error     // Why segments could not be synced.
	fatal    error     // Why nothing is taken until a restart.
	dirty    map[*segment]struct{}
	kept     int64               // Bytes of blocks that are kept until they are synced.
	dirs     map[string]struct{} // Directories with entries that are not durable.
	floor    int64               // Events before it are refused, in nanoseconds.
	controls []event.Control     // Of a log without a write-ahead log.
	filters  int64               // Bytes of the hours' id filters in memory.
	tick     uint64              // Counts the passes over batches that ask filters.
}

// hourState is one hour of event time.
type hourState struct {
	hour   int64
	buf    *buffer   // Open, or nil.
	frozen []*buffer // Full, and not registered as blocks yet.
	seg    *segment  // Nil before the first block.
	filter *idFilter // Of all blocks, or nil where nobody has asked it.
	newest uint64    // The largest number of its events; 0 where it is not known.
}

// streamState is what is known of a stream.
type streamState struct {
	id           streamID
	key          event.StreamKey
	events       uint64
	first, last  int64
	watermark    time.Time
	watermarkNS  int64
	hasWatermark bool
}

// Open opens the log of a directory, or begins one. It puts right what a crash
// left: torn tails are cut, lost indexes are made again with the next seal, and
// what only the write-ahead log has is taken from it. All of that is logged and
// counted.
func Open(o Options) (_ *Log, err error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Log{
		o:       o,
		cache:   &blockCache{limit: o.CacheBytes},
		hours:   map[int64]*hourState{},
		streams: map[streamID]*streamState{},
		dirty:   map[*segment]struct{}{},
		dirs:    map[string]struct{}{},
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		wake:    make(chan struct{}, 1),
	}
	l.disk.tap = o.tap
	l.files = newFileCache(&l.disk)
	l.cond = sync.NewCond(&l.mtx)
	l.cache.damaged = l.damagedBlock
	if l.made, err = l.disk.mkdirAll(filepath.Join(o.Dir, "events")); err != nil {
		return nil, fmt.Errorf("making event log directory: %w", err)
	}
	if l.root, err = os.Open(o.Dir); err != nil {
		return nil, fmt.Errorf("opening event log directory: %w", err)
	}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	if !o.NoSync {
		l.lock = flock.New(filepath.Join(o.Dir, "LOCK"))
		ok, err := l.lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("locking event log directory %q: %w", o.Dir, err)
		}
		if !ok {
			return nil, fmt.Errorf("%w: %q: stop the other insightd, or choose another storage path", ErrLocked, o.Dir)
		}
	}
	l.seen = fastcache.New(o.DedupBytes / 2)
	l.m = newMetrics(l)
	if err := l.recover(); err != nil {
		return nil, err
	}
	if o.Registerer != nil {
		// Only now, since the gauges read what recover makes.
		if err := l.m.register(o.Registerer); err != nil {
			return nil, err
		}
	}
	if o.NoSync {
		close(l.stopped)
	} else {
		go l.maintainLoop()
	}
	return l, nil
}

func (l *Log) release() {
	l.files.closeAll()
	l.root.Close()
	if l.events != nil {
		l.events.close()
		l.control.close()
	}
	if l.seen != nil {
		l.seen.Reset()
	}
	if l.lock != nil {
		if err := l.lock.Unlock(); err != nil {
			l.o.Logger.Warn("unlocking the event log failed", "err", err)
		}
	}
}

// Close writes what is buffered and every index that is missing, and gives the
// directory free. It waits for the calls that are under way.
func (l *Log) Close() error {
	l.mtx.Lock()
	if l.closed {
		l.mtx.Unlock()
		return nil
	}
	l.closed = true
	l.mtx.Unlock()
	l.ops.Lock() // Who comes later finds the log closed.
	defer l.ops.Unlock()
	close(l.stop)
	<-l.stopped
	var err error
	if !l.o.NoSync { // A log that is thrown away needs neither.
		err = errors.Join(l.flush(), l.seal(time.Time{}))
	}
	if l.o.Registerer != nil {
		l.m.unregister(l.o.Registerer)
	}
	l.release()
	return err
}

func (l *Log) isClosed() bool {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	return l.closed
}

// hourState returns the state of an hour, made where it is new. The caller holds
// mtx.
func (l *Log) hourState(hour int64) *hourState {
	hr, ok := l.hours[hour]
	if !ok {
		hr = &hourState{hour: hour}
		l.hours[hour] = hr
		if n := len(l.order); n == 0 || l.order[n-1] < hour {
			l.order = append(l.order, hour)
		} else {
			i, _ := slices.BinarySearch(l.order, hour)
			l.order = slices.Insert(l.order, i, hour)
		}
	}
	return hr
}

// stream returns the state of a stream, made where it is new. The key's strings
// are cloned then. The caller holds mtx.
func (l *Log) stream(k event.StreamKey) *streamState {
	if l.last != nil && l.last.key == k {
		return l.last
	}
	id := unique.Make(k) // It clones the strings itself where they are new.
	st, ok := l.streams[id]
	if !ok {
		st = &streamState{id: id, key: id.Value()}
		l.streams[id] = st
	}
	l.last = st
	return st
}

// note counts events of a stream.
func (s *streamState) note(n int, mint, maxt int64) {
	if s.events == 0 {
		s.first, s.last = mint, maxt
	}
	s.events += uint64(n)
	s.first, s.last = min(s.first, mint), max(s.last, maxt)
}

// freshen counts the streams anew where a block turned out damaged. The caller
// holds mtx.
func (l *Log) freshen() {
	if l.stale.Swap(false) {
		l.recount()
	}
}

// StreamStat is what the log has of one stream.
type StreamStat struct {
	Key    event.StreamKey
	Events uint64
	// First and Last are the times of the oldest and the newest event.
	First, Last time.Time
}

// Streams lists the streams that the log has events of, by provider and
// account.
func (l *Log) Streams() []StreamStat {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	l.freshen()
	out := make([]StreamStat, 0, len(l.streams))
	for _, s := range l.streams {
		if s.events > 0 {
			out = append(out, StreamStat{s.key, s.events, nanoTime(s.first), nanoTime(s.last)})
		}
	}
	slices.SortFunc(out, func(a, b StreamStat) int { return compareKeys(a.Key, b.Key) })
	return out
}

// LastSeq returns the position given last, to an event or a control record.
func (l *Log) LastSeq() uint64 {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	return l.seq
}

// Stats is what the log holds, for the coverage page and for metrics.
type Stats struct {
	Events uint64
	// Bytes is the size of all segments, RawBytes that of the raw records in
	// them before compression.
	Bytes    int64
	RawBytes int64
	Segments int
	Blocks   int
	// Buffered counts events that are in no block yet.
	Buffered      int
	BufferedBytes int64
	WALBytes      int64
	// Oldest and Newest are the times of the oldest and the newest event, zero
	// where there is none.
	Oldest, Newest time.Time
	// LastSeq is the position given last, to an event or a control record.
	LastSeq uint64
	// Corruptions counts the damage found since Open.
	Corruptions uint64
}

// Stats returns what the log holds.
func (l *Log) Stats() Stats {
	var s Stats
	if l.events != nil {
		e, _ := l.events.bytes()
		c, _ := l.control.bytes()
		s.WALBytes = e + c
	}
	l.mtx.Lock()
	defer l.mtx.Unlock()
	l.freshen()
	s.LastSeq, s.BufferedBytes, s.Corruptions = l.seq, l.buffered, l.findings.Load()
	for _, st := range l.streams {
		if st.events == 0 {
			continue
		}
		first, last := nanoTime(st.first), nanoTime(st.last)
		if s.Events == 0 || first.Before(s.Oldest) {
			s.Oldest = first
		}
		if s.Events == 0 || last.After(s.Newest) {
			s.Newest = last
		}
		s.Events += st.events
	}
	for _, hr := range l.hours {
		for b := range hr.buffers() {
			s.Buffered += len(b.times)
		}
		if hr.seg == nil || len(hr.seg.blocks) == 0 {
			continue
		}
		s.Segments++
		s.Blocks += len(hr.seg.blocks)
		s.Bytes += hr.seg.bytes
		for _, m := range hr.seg.blocks {
			s.RawBytes += int64(m.hdr.rawBytes)
		}
	}
	return s
}

// buffers yields the hour's buffers, the open one last.
func (hr *hourState) buffers() func(yield func(*buffer) bool) {
	return func(yield func(*buffer) bool) {
		for _, b := range hr.frozen {
			if !yield(b) {
				return
			}
		}
		if hr.buf != nil {
			yield(hr.buf)
		}
	}
}

func nanoTime(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// damaged logs and counts damage.
func (l *Log) damaged(kind string, f finding) {
	l.m.corruption.WithLabelValues(kind).Inc()
	l.findings.Add(1)
	l.o.Logger.Warn("event log is damaged", "file", f.file, "offset", f.off, "what", f.what, "err", f.err)
}

// damagedBlock is damaged for a block that a reader came upon. What is wrong
// with a block is told once.
func (l *Log) damagedBlock(m *blockMeta, err error) {
	if m == nil {
		return
	}
	var c *corruptError
	if errors.As(err, &c) && c.columns && !m.dead.Swap(true) {
		m.seg.reseal.Store(true)
		l.stale.Store(true)
	}
	if !m.reported.Swap(true) {
		l.damaged("segment", finding{m.seg.path, m.off, "block cannot be read in full", err})
	}
}
