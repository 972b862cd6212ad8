package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

const (
	// outOfOrderWindow is how far behind the newest sample of all series a
	// sample may be and still go into the head.
	outOfOrderWindow = 24 * time.Hour
	// maxAhead is how far ahead of the clock a sample may be: an event may be
	// ten minutes ahead, and its minute ends up to one minute later.
	maxAhead = 15 * time.Minute

	blockMillis = promtsdb.DefaultBlockDuration
	hourMillis  = int64(time.Hour / time.Millisecond)
	dayMillis   = 24 * hourMillis
	// headSpanMillis is how much the head holds beyond its newest block once it
	// was compacted.
	headSpanMillis = 3 * hourMillis
	// maxBlockMillis bounds how long a block gets, whatever the retention.
	maxBlockMillis = 31 * dayMillis

	// stripeSize is how many stripes the head's tables have.
	stripeSize = 1 << 10

	// chunkFileSize is how long the chunk files of blocks get. Prometheus takes
	// that much room of the disk before it writes the first byte.
	chunkFileSize = 32 << 20

	// noTime stands for no timestamp.
	noTime = math.MinInt64

	backfillDir = "backfill"
)

// The errors of Append and Backfill. They are about some samples of the call:
// all others were taken in.
var (
	// ErrFuture is returned where samples are further ahead of the clock than
	// events may be. One such sample would make everyone else's too old.
	ErrFuture = errors.New("sample is in the future")
	// ErrConflict is returned where another value stands at the timestamp. The
	// one that was there first stays.
	ErrConflict = errors.New("another value stands at this timestamp")
	// ErrInvalid is returned for a sample that no query could show: without a
	// series or a name, with a label twice, or with a value that is not finite.
	ErrInvalid = errors.New("sample is invalid")
	// ErrClosed is returned after Close. Prometheus' API answers unavailable
	// where it is told that its TSDB is not ready.
	ErrClosed = fmt.Errorf("series are closed: %w", promtsdb.ErrNotReady)
)

// Options of a DB.
type Options struct {
	// Dir holds everything of the DB. One process at a time opens it.
	Dir string
	// Retention is how long samples are kept, counted from the clock; 0 keeps
	// them for ever. Blocks go as a whole, once all of a block is past it.
	Retention time.Duration
	// MaxBytes bounds blocks and head on disk: the oldest blocks go first. 0 is
	// no bound.
	MaxBytes int64
	// Gather is how long what Backfill took in waits for more before the DB
	// writes it to blocks by itself; where more keeps coming, ten times as long
	// at most, or until it is eight million samples. 0 leaves it to CommitBackfill.
	Gather time.Duration
	// Reserve is how much room the disk keeps, in bytes: with less, samples are
	// refused with an error that is ENOSPC, since Prometheus stops the program
	// where it cannot write a chunk. 0 is 64 MiB, a negative number no reserve.
	Reserve int64
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer takes the DB's own metrics and those of Prometheus' TSDB. A
	// second DB of the same process needs another one. It may be nil.
	Registerer prometheus.Registerer
	// Now is the clock, time.Now where it is nil.
	Now func() time.Time
}

func (o *Options) validate() error {
	if o.Dir == "" {
		return errors.New("no directory is given")
	}
	if o.Retention < 0 {
		return fmt.Errorf("retention %s is negative", o.Retention)
	}
	if o.Retention > 0 && o.Retention < 2*time.Hour {
		return fmt.Errorf("retention %s is less than the two hours of a block", o.Retention)
	}
	if o.MaxBytes < 0 {
		return fmt.Errorf("maximum of %d bytes is negative", o.MaxBytes)
	}
	if o.Gather < 0 {
		return fmt.Errorf("gathering for %s is negative", o.Gather)
	}
	if o.Reserve == 0 {
		o.Reserve = defaultReserve
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// maxBlock is the longest block that compaction makes, in milliseconds: a tenth
// of the retention, as in Prometheus.
func (o *Options) maxBlock() int64 {
	if o.Retention == 0 {
		return maxBlockMillis
	}
	return min(max(o.Retention.Milliseconds()/10, blockMillis), maxBlockMillis)
}

// DB holds the series of one data directory. Its methods are safe for
// concurrent use.
type DB struct {
	o       Options
	logger  *slog.Logger
	metrics *metrics
	head    *promtsdb.DB
	spool   *spool

	// dayBatch is about how many samples of a day CommitBackfill has in memory.
	dayBatch int
	// commitMtx lets one CommitBackfill run at a time.
	commitMtx sync.Mutex

	// syncMtx guards synced: the sizes that files of the WALs had when they were
	// last fsynced.
	syncMtx sync.Mutex
	synced  map[string]int64

	// stateMtx guards state.
	stateMtx sync.Mutex
	state    state
	// wounded says that a commit to the head failed half way.
	wounded atomic.Bool

	// blockMtx guards the blocks that have checksums, and those that are to be
	// deleted since they are set aside.
	blockMtx  sync.Mutex
	summed    map[blockID]bool
	condemned map[blockID]bool

	lock *tsdbutil.DirLocker
	// kept is closed when the keeper has ended.
	kept chan struct{}

	// liveMtx guards live.
	liveMtx sync.RWMutex
	live    []LiveSource

	// closeMtx is held for reading by what writes, so that Close waits for it.
	closeMtx sync.RWMutex
	closed   bool
	// ctx ends when Close begins, which stops a CommitBackfill.
	ctx    context.Context
	cancel context.CancelFunc
}

// Open opens the series under o.Dir, makes the directory where there is none,
// finishes or undoes what a crash left half written, and sets aside what is
// damaged: see Lost. What Backfill took in before is
// still there, and waits for CommitBackfill.
func Open(o Options) (*DB, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("opening series: %w", err)
	}
	if err := finishStage(o.Dir); err != nil {
		return nil, fmt.Errorf("opening series: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("opening series: %w", err)
	}
	db := &DB{
		o:         o,
		logger:    o.Logger,
		metrics:   newMetrics(nil),
		dayBatch:  dayBatch,
		synced:    make(map[string]int64),
		summed:    make(map[blockID]bool),
		condemned: make(map[blockID]bool),
		kept:      make(chan struct{}),
	}

	if err := db.open(); err != nil {
		return nil, fmt.Errorf("opening series in %q: %w", o.Dir, err)
	}
	return db, nil
}

// open opens the files, and closes them again where it fails.
func (db *DB) open() (err error) {
	// Prometheus' own lock would come after what we do before it.
	lock, err := tsdbutil.NewDirLocker(db.o.Dir, "tsdb", db.logger, nil)
	if err != nil {
		return err
	}
	if err := lock.Lock(); err != nil {
		return err
	}
	db.lock = lock
	db.ctx, db.cancel = context.WithCancel(context.Background())
	defer func() {
		if err == nil {
			return
		}
		db.cancel()
		if db.spool != nil {
			err = errors.Join(err, db.spool.close())
		}
		if db.head != nil {
			err = errors.Join(err, db.head.Close())
		}
		err = errors.Join(err, lock.Release())
	}()
	r := &recovery{db: db}
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.openHead(); err != nil {
		return err
	}
	if err := r.finish(); err != nil {
		return err
	}
	if err := db.metrics.register(db.o.Registerer, db); err != nil {
		return fmt.Errorf("registering metrics of series: %w", err)
	}
	go db.keep()
	return nil
}

// Close waits for writes that are under way, stops a CommitBackfill, and closes
// the files. What Backfill took in stays for the next Open. Close waits for
// queriers that are still open, so queries are stopped before it is called.
func (db *DB) Close() error {
	db.cancel()
	<-db.kept
	db.closeMtx.Lock()
	defer db.closeMtx.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.metrics.unregister(db.o.Registerer)
	_, err := db.spool.sync()
	err = errors.Join(err, db.head.Close())
	if err == nil && !db.wounded.Load() {
		h := db.head.Head()
		db.stateMtx.Lock()
		db.state.Mint, db.state.Maxt = min(h.MinTime(), h.MinOOOTime()), max(h.MaxTime(), h.MaxOOOTime())
		db.stateMtx.Unlock()
		err = db.writeState(true)
	}
	if err = errors.Join(err, db.lock.Release()); err != nil {
		return fmt.Errorf("closing series: %w", err)
	}
	return nil
}

// begin keeps Close from closing until done is called.
func (db *DB) begin() (done func(), err error) {
	db.closeMtx.RLock()
	if db.closed {
		db.closeMtx.RUnlock()
		return nil, ErrClosed
	}
	return db.closeMtx.RUnlock, nil
}

// PendingBackfill is how many samples wait for CommitBackfill. Queries do not
// see them until then.
func (db *DB) PendingBackfill() int { return db.spool.pending() }

// Bounds are the oldest and the newest time, in Unix milliseconds, that a stored
// sample may have. ok is false where nothing is stored.
func (db *DB) Bounds() (mint, maxt int64, ok bool) {
	mint, maxt = math.MaxInt64, noTime
	for _, b := range db.head.Blocks() {
		mint, maxt = min(mint, b.MinTime()), max(maxt, b.MaxTime()-1)
	}
	h := db.head.Head()
	if h.NumSeries() > 0 {
		mint, maxt = min(mint, h.MinTime(), h.MinOOOTime()), max(maxt, h.MaxTime())
	}
	return mint, maxt, mint <= maxt
}

// Stats are the head's statistics, as Prometheus' API shows them: how many
// series there are by the values of a label.
func (db *DB) Stats(statsByLabelName string, limit int) (*promtsdb.Stats, error) {
	done, err := db.begin()
	if err != nil {
		return nil, err
	}
	defer done()
	return db.head.Head().Stats(statsByLabelName, limit), nil
}

// BlockMetas describe the blocks.
func (db *DB) BlockMetas() ([]promtsdb.BlockMeta, error) {
	done, err := db.begin()
	if err != nil {
		return nil, err
	}
	defer done()
	return db.head.BlockMetas(), nil
}

// future is the newest time that a sample may have.
func (db *DB) future() int64 { return db.o.Now().Add(maxAhead).UnixMilli() }

// expired is the time up to which samples are past the retention.
func (db *DB) expired() int64 {
	if db.o.Retention == 0 {
		return noTime
	}
	return db.o.Now().Add(-db.o.Retention).UnixMilli()
}

// refusals gathers why samples of a call were not taken in.
type refusals struct {
	first  [numRefused]error
	counts [numRefused]int
}

func (r *refusals) add(why int, s *Sample, err error) {
	r.counts[why]++
	if r.first[why] == nil {
		r.first[why] = fmt.Errorf("%w: %s at %d", err, seriesName(s.Series), s.T)
	}
}

// err tells of the first sample of each kind, and counts all in m.
func (r *refusals) err(m *metrics) error {
	var errs []error
	for why, n := range r.counts {
		if n == 0 {
			continue
		}
		m.refused[why].Add(float64(n))
		if r.first[why] != nil {
			errs = append(errs, fmt.Errorf("refusing %d samples: %w", n, r.first[why]))
		}
	}
	return errors.Join(errs...)
}

// Refused says whether an error of Append, Backfill or CommitBackfill is only
// about samples that were not taken in, which no repetition changes. All others
// were written.
func Refused(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrFuture) || errors.Is(err, ErrInvalid)
}

func seriesName(s *Series) string {
	if s == nil {
		return "no series"
	}
	return s.lset.String()
}

// check says why a sample cannot be taken in, whatever is stored. It counts
// samples that are past the retention as refused, but they are no error: what
// takes them in would delete them at once.
func (db *DB) check(s *Sample, future, expired int64, r *refusals) bool {
	switch {
	case s.Series == nil:
		r.add(refusedInvalid, s, ErrInvalid)
	case math.IsNaN(s.V) || math.IsInf(s.V, 0):
		r.add(refusedInvalid, s, fmt.Errorf("%w: value %v", ErrInvalid, s.V))
	case s.T > future:
		r.add(refusedFuture, s, ErrFuture)
	case s.T < expired:
		r.counts[refusedExpired]++
	case !s.Series.valid():
		r.add(refusedInvalid, s, fmt.Errorf("%w: labels", ErrInvalid))
	default:
		return true
	}
	return false
}

// querier opens a querier over what is stored.
func (db *DB) querier(mint, maxt int64) (storage.Querier, error) {
	q, err := db.head.Querier(mint, maxt)
	if err != nil {
		return nil, fmt.Errorf("opening stored series: %w", err)
	}
	return q, nil
}

// exactly returns matchers that one series alone can match, and those that have
// more labels than it.
func exactly(lset labels.Labels) []*labels.Matcher {
	ms := make([]*labels.Matcher, 0, lset.Len())
	lset.Range(func(l labels.Label) {
		ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	return ms
}
