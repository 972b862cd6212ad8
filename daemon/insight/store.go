package insight

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-memdb"
	"github.com/prometheus/client_golang/prometheus"
)

// Options of a Store.
type Options struct {
	// Dir holds the journal. Where it is empty nothing outlives the process.
	Dir string
	// Retention is how long insights are kept after they are over, by the
	// clock; 0 keeps them for ever. What goes on is always kept.
	Retention  time.Duration
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

func (o *Options) validate() error {
	if o.Retention < 0 {
		return fmt.Errorf("retention %s is negative", o.Retention)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

const (
	// syncEvery bounds how long an insight can be in the journal without being
	// fsynced. The insights are a view of the event log: what a power cut takes
	// is raised again.
	syncEvery = time.Second
	// maintainEvery is how often old insights are deleted and the journal is
	// looked at.
	maintainEvery = time.Minute
)

// ErrClosed is returned by what writes after Close.
var ErrClosed = errors.New("insights are closed")

// Store keeps insights: in tables for questions, and in a journal for the next
// start. Its methods are safe for concurrent use. Readers never wait for
// writers.
type Store struct {
	o       Options
	db      *memdb.MemDB
	metrics *metrics
	feed    *feed

	// mtx is held by what writes.
	mtx     sync.Mutex
	journal *journal // nil where nothing outlives the process
	closed  bool
	// unheard are the insights that go on and whose start was published
	// quietly.
	unheard map[string]struct{}
	tallies tallies
	words   words

	stop chan struct{}
	done sync.WaitGroup
}

// Open returns the store of a directory, with everything that was in it. One
// process at a time opens it.
func Open(o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("opening insights: %w", err)
	}
	db, err := memdb.NewMemDB(schema())
	if err != nil {
		return nil, fmt.Errorf("opening insights: %w", err)
	}
	s := &Store{o: o, db: db, metrics: newMetrics(), unheard: map[string]struct{}{}, tallies: tallies{}, words: words{}, stop: make(chan struct{})}
	// Positions rise over restarts, so that a reader who comes back with an old
	// one is not mistaken for one who has seen everything.
	s.feed = newFeed(uint64(max(0, o.Now().UnixMicro())), s.metrics.dropped)
	if o.Dir != "" {
		if err := s.load(); err != nil {
			return nil, fmt.Errorf("opening insights in %q: %w", o.Dir, err)
		}
	}
	if err := s.metrics.register(o.Registerer, s); err != nil {
		if s.journal != nil {
			err = errors.Join(err, s.journal.close())
		}
		return nil, fmt.Errorf("opening insights: registering metrics: %w", err)
	}
	if o.Dir != "" || o.Retention > 0 {
		s.done.Add(1)
		go s.maintain()
	}
	return s, nil
}

// load fills the tables from the journal.
func (s *Store) load() error {
	if err := os.MkdirAll(s.o.Dir, 0o777); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(s.o.Dir)); err != nil {
		return err
	}
	txn := s.db.Txn(true)
	defer txn.Abort()
	j, err := openJournal(s.o.Dir, s.o.Logger, func(j *journal, f frame) error {
		switch f.kind {
		case frameReset:
			j.garbage = j.size
			_, err := txn.DeleteAll(tableInsight, indexID)
			return err
		case frameDelete:
			e := get(txn, string(f.payload))
			j.garbage += f.bytes()
			if e == nil {
				return nil
			}
			j.garbage += e.bytes()
			return txn.Delete(tableInsight, e)
		}
		var r revision
		if err := json.Unmarshal(f.payload, &r); err != nil {
			return err
		}
		if r.Start.ID == "" {
			return errors.New("a revision without an id")
		}
		r.bytes = f.bytes()
		known := get(txn, r.Start.ID)
		for _, i := range []*Insight{&r.Start, r.End, r.Withdrawn} {
			if i != nil {
				s.words.intern(i)
			}
		}
		r.compact(known)
		e, old := known.with(r)
		if old != nil {
			j.garbage += old.bytes
		}
		return txn.Insert(tableInsight, e)
	})
	if err != nil {
		return err
	}
	txn.Commit()
	s.journal = j
	it, err := s.db.Txn(false).Get(tableInsight, indexID)
	if err != nil {
		return err
	}
	for o := it.Next(); o != nil; o = it.Next() {
		s.tallies.add(o.(*entry), 1)
	}
	s.metrics.corrupt.Add(float64(j.corrupt))
	s.metrics.cut.Add(float64(j.cut))
	return nil
}

func (e *entry) bytes() int64 {
	var n int64
	for i := range e.revisions {
		n += e.revisions[i].bytes
	}
	return n
}

// Put takes in what is now known of an insight, and reports whether that is
// anything new. The same again changes nothing. The end of an insight belongs
// to the revision of its start, unless it says something else of that start;
// any other difference is a new revision, which gets the next number unless i
// has a higher one. i may be an insight that is not known yet, in any state.
//
// What is provisional changes nothing of what is final; among itself it makes a
// revision only of what somebody would act on, and else takes the place of what
// was said. What is final confirms a provisional revision in its place where it
// says the same.
//
// Put keeps no memory of i.
func (s *Store) Put(i Insight) (changed bool, err error) {
	c, err := canonical(i)
	if err != nil {
		return false, err
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	s.words.intern(c)
	return s.put(c)
}

// put is Put with the lock held, of an insight in its canonical form.
func (s *Store) put(c *Insight) (changed bool, err error) {
	txn := s.db.Txn(true)
	defer txn.Abort()
	old := get(txn, c.ID)
	r, kinds := old.told(c)
	if kinds == nil {
		return false, nil
	}
	r = r.since(old, c)
	r.compact(old)
	if s.journal != nil {
		b, err := json.Marshal(&r)
		if err != nil {
			return false, fmt.Errorf("keeping insight %s: %w", c.ID, err)
		}
		if r.bytes, err = s.journal.append(frameRevision, b); err != nil {
			s.metrics.failures.Inc()
			return false, fmt.Errorf("keeping insight %s: %w", c.ID, err)
		}
	}
	e, replaced := old.with(r)
	if s.journal != nil && replaced != nil {
		s.journal.garbage += replaced.bytes
	}
	if err := txn.Insert(tableInsight, e); err != nil {
		return false, fmt.Errorf("keeping insight %s: %w", c.ID, err)
	}
	txn.Commit()
	s.tallies.add(old, -1)
	s.tallies.add(e, 1)
	s.metrics.judged(old, e)
	quiet := s.quiet(old, e)
	for n, k := range kinds {
		said := e.cur
		if n == 0 && len(kinds) > 1 {
			said = &r.Start
		}
		s.metrics.count(k, said)
		s.feed.publish(k, said, quiet)
	}
	return true, nil
}

// Harm says what the journal lost, so that insights may be missing or not be the
// newest, until Mended is called. It is empty where nothing is lost.
func (s *Store) Harm() string {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.journal == nil {
		return ""
	}
	return s.journal.harm
}

// Mended is called when everything that can be made anew from the event log was put
// again: the journal is written anew without what is damaged.
func (s *Store) Mended() error {
	if s.Harm() == "" {
		return nil
	}
	if err := s.compact(); err != nil {
		return err
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.closed {
		return nil
	}
	s.journal.harm = ""
	return s.journal.promise()
}

// Sync makes everything that was put durable. What is missing of it after that was
// lost, and is no torn tail.
func (s *Store) Sync() error {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.journal == nil {
		return nil
	}
	if err := s.journal.sync(); err != nil || s.journal.harm != "" {
		return err
	}
	return s.journal.promise()
}

// Maintain deletes what is past its retention and makes a journal smaller of
// which most is out of date. The store does this by itself every minute.
func (s *Store) Maintain() error {
	err := s.expire()
	if s.journal == nil {
		return err
	}
	s.mtx.Lock()
	due := !s.closed && s.journal.wasteful()
	s.mtx.Unlock()
	if due {
		err = errors.Join(err, s.compact())
	}
	return err
}

// expire deletes insights that have been over for longer than the retention.
func (s *Store) expire() error {
	if s.o.Retention == 0 {
		return nil
	}
	edge := s.o.Now().Add(-s.o.Retention)
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.closed {
		return nil
	}
	txn := s.db.Txn(true)
	defer txn.Abort()
	it, err := txn.Get(tableInsight, indexStart)
	if err != nil {
		return fmt.Errorf("deleting old insights: %w", err)
	}
	var old []*entry
	for o := it.Next(); o != nil; o = it.Next() {
		e := o.(*entry)
		if !e.cur.Start.Before(edge) {
			break
		}
		if !e.cur.Active() && e.over().Before(edge) {
			old = append(old, e)
		}
	}
	if err := s.remove(txn, old); err != nil {
		return fmt.Errorf("deleting old insights: %w", err)
	}
	s.metrics.expired.Add(float64(len(old)))
	return nil
}

// remove deletes insights and commits txn. The store's lock is held.
func (s *Store) remove(txn *memdb.Txn, es []*entry) error {
	for _, e := range es {
		if s.journal != nil {
			n, err := s.journal.append(frameDelete, []byte(e.id))
			if err != nil {
				s.metrics.failures.Inc()
				return err
			}
			s.journal.garbage += n + e.bytes()
		}
		if err := txn.Delete(tableInsight, e); err != nil {
			return err
		}
	}
	txn.Commit()
	for _, e := range es {
		s.tallies.add(e, -1)
		delete(s.unheard, e.id)
	}
	return nil
}

// over is when an insight that does not go on came to its end.
func (e *entry) over() time.Time {
	if e.cur.End.After(e.cur.Detected) {
		return e.cur.End
	}
	return e.cur.Detected
}

// compact writes a new journal that holds what the tables hold. Writers wait
// only for its last part.
func (s *Store) compact() error {
	s.mtx.Lock()
	if s.closed {
		s.mtx.Unlock()
		return nil
	}
	c, err := s.journal.begin()
	snapshot := s.db.Txn(false)
	s.mtx.Unlock()
	if err != nil {
		return err
	}
	it, err := snapshot.Get(tableInsight, indexID)
	for err == nil {
		o := it.Next()
		if o == nil {
			break
		}
		for _, r := range o.(*entry).revisions {
			var b []byte
			if b, err = json.Marshal(&r); err == nil {
				err = c.add(frameRevision, b)
			}
		}
	}
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if err != nil || s.closed {
		c.abandon()
		return err
	}
	return c.finish()
}

// maintain runs until Close.
func (s *Store) maintain() {
	defer s.done.Done()
	sync := time.NewTicker(syncEvery)
	defer sync.Stop()
	round := time.NewTicker(maintainEvery)
	defer round.Stop()
	for {
		var err error
		select {
		case <-s.stop:
			return
		case <-sync.C:
			err = s.Sync()
		case <-round.C:
			err = s.Maintain()
		}
		if err != nil {
			s.metrics.failures.Inc()
			s.o.Logger.Error("Looking after the insights' journal", "err", err)
		}
	}
}

// Close makes everything durable and ends all watches. What reads goes on to
// work.
func (s *Store) Close() error {
	s.mtx.Lock()
	if s.closed {
		s.mtx.Unlock()
		return nil
	}
	s.closed = true
	s.mtx.Unlock()
	close(s.stop)
	s.done.Wait()
	s.feed.close()
	s.metrics.unregister(s.o.Registerer)
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}
