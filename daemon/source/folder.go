package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// FolderOptions say what a Folder reads.
type FolderOptions struct {
	// Name is under which logs, metrics and checkpoints know the source. The
	// path where it is empty.
	Name string
	// Path is a file, a folder with everything below it, or a pattern of
	// path/filepath.
	Path string
	// Provider is whose records they are. Empty detects it for each record.
	Provider string
	// Account is the account of records that name none.
	Account string
	// Follow goes on with what is added. Without it Run returns at the end.
	Follow bool
	// PollInterval is how often to look for what the file system does not tell
	// of. 0 stands for 10 seconds.
	PollInterval time.Duration
	// Retry has Run wait where nothing is at the path, or where the sink fails,
	// rather than return an error. A source that is followed always does.
	Retry bool
	// Checkpoints remembers over restarts what has been read, and is nil where
	// nothing is to be remembered.
	Checkpoints *Checkpoints
	// Workers is how many files are read at once. 0 stands for two a processor,
	// since one of them often waits for the sink.
	Workers int
	// BatchEvents is how many events are delivered at once. 0 stands for 1000.
	BatchEvents int

	Now    func() time.Time
	Logger *slog.Logger
}

const (
	defaultPollInterval = 10 * time.Second
	defaultBatchEvents  = 1000
)

func (o *FolderOptions) validate() error {
	switch {
	case o.Path == "":
		return errors.New("source: no path")
	case o.PollInterval < 0 || o.Workers < 0 || o.BatchEvents < 0:
		return errors.New("source: an option is negative")
	}
	if _, err := filepath.Match(o.Path, ""); err != nil {
		return fmt.Errorf("source: the path %q: %w", o.Path, err)
	}
	if p := event.Providers(); o.Provider != "" && !slices.Contains(p, o.Provider) {
		return fmt.Errorf("source: unknown provider %q, the known ones are %q", o.Provider, p)
	}
	o.Path = filepath.Clean(o.Path)
	o.Name = cmp.Or(o.Name, o.Path)
	o.PollInterval = cmp.Or(o.PollInterval, defaultPollInterval)
	o.Workers = cmp.Or(o.Workers, 2*runtime.GOMAXPROCS(0))
	o.BatchEvents = cmp.Or(o.BatchEvents, defaultBatchEvents)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("source", o.Name)
	return nil
}

// Folder reads files: those that are there in the order of their names, and
// then those that come and those that grow.
type Folder struct {
	o      FolderOptions
	tally  tally
	insist insister
	watch  *watcher // nil where nothing is followed.

	// done and total are bytes, for Progress.
	done, total atomic.Int64

	// commitMtx is held while a checkpoint is written.
	commitMtx sync.Mutex

	mtx sync.Mutex
	// files holds every file that is there and not passed over, by path.
	files map[string]*file
	// inodes finds the files that a checkpoint knows when they are renamed.
	inodes map[inode]string
	// open holds what is to be read, and the oldest event time that it may
	// hold, zero where that is unknown.
	open map[string]time.Time
	// skipped says why a path is passed over.
	skipped map[string]string
	// troubled holds the files that cannot be opened or read.
	troubled map[string]error
	retries  map[string]*retry
	rootErr  error
	// looks are the pauses between looks at a path that cannot be read, and
	// looked counts the looks.
	looks  pauses
	looked uint64
	// failing is since when Status has an Err.
	failing time.Time
	// changed says that there is something to write into the checkpoint.
	changed bool
	// settled says that everything that was there at first has been delivered.
	settled bool
}

type inode struct{ dev, ino uint64 }

// file is what is known of one file. The goroutine of Run writes to it, and
// mark, under mtx.
type file struct {
	entry
	// known says that entry holds something.
	known bool
	// read says that all that was there has been read, but for an incomplete
	// last line.
	read bool
	// unfinished is since when the file ends in the middle of something, zero
	// where it does not; told says that this has been reported.
	unfinished time.Time
	told       bool
}

// NewFolder returns a source that has not begun to read.
func NewFolder(o FolderOptions) (*Folder, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Folder{
		o:        o,
		tally:    tally{now: o.Now},
		insist:   insister{logger: o.Logger, once: !o.Follow && !o.Retry},
		files:    map[string]*file{},
		inodes:   map[inode]string{},
		open:     map[string]time.Time{},
		skipped:  map[string]string{},
		troubled: map[string]error{},
		retries:  map[string]*retry{},
		looks:    pauses{least: min(o.PollInterval, leastLook), most: max(o.PollInterval, mostLook)},
	}, nil
}

// Name is the source's name.
func (f *Folder) Name() string { return f.o.Name }

// Progress is how many bytes of those that were found have been read.
func (f *Folder) Progress() (doneBytes, totalBytes int64) { return f.done.Load(), f.total.Load() }

// Status says how far the source is.
func (f *Folder) Status() Status {
	s := Status{Name: f.o.Name, Kind: kindFile, Path: f.o.Path}
	f.tally.status(&s)
	f.mtx.Lock()
	defer f.mtx.Unlock()
	s.Files, s.Backlog, s.Skipped = len(f.files), len(f.open), len(f.skipped)
	s.FilesDone = s.Files - s.Backlog
	for path := range f.troubled {
		if _, again := f.open[path]; !again {
			s.FilesDone--
		}
	}
	s.AtEnd = f.settled && len(f.open) == 0
	if f.settled {
		s.Frontier = f.frontier()
	}
	s.Err, s.Hint = f.err()
	s.Retries = f.looked + f.insist.tries.Load()
	s.BacklogBytes = max(0, f.total.Load()-f.done.Load())
	s.finish(f.o.Now(), &f.failing)
	return s
}

// frontier is the least of the files that are to be read. mtx is held.
func (f *Folder) frontier() time.Time {
	var least time.Time
	for _, t := range f.open {
		if t.IsZero() {
			return t
		}
		if least.IsZero() || t.Before(least) {
			least = t
		}
	}
	return least
}

// err says what is wrong and what to do about it. mtx is held.
func (f *Folder) err() (text, hint string) {
	if f.rootErr != nil {
		hint = hintOf(f.rootErr)
		return withHint(f.rootErr.Error(), hint), hint
	}
	if waits, hint := f.insist.err(); waits != "" {
		return waits, hint
	}
	if len(f.troubled) == 0 {
		return "", ""
	}
	first := ""
	for path := range f.troubled {
		if first == "" || path < first {
			first = path
		}
	}
	hint = cmp.Or(hintOf(f.troubled[first]), "see to it that this process may read it, or move it away")
	return withHint(fmt.Sprintf("files that cannot be read: %d; the first: %v", len(f.troubled), f.troubled[first]), hint), hint
}

// Run reads until ctx is done, which is no error, or, where nothing is
// followed, to the end; then it is an error to be cut off.
func (f *Folder) Run(ctx context.Context, sink Sink) error {
	f.restore(sink)
	if f.o.Follow {
		w, err := newWatcher(f.o.Logger)
		if err != nil {
			f.o.Logger.Warn("The file system does not tell of new files; they are looked for", "every", f.o.PollInterval, "err", err)
		}
		f.watch = w
		defer w.close()
	}
	err := f.run(ctx, sink)
	if ctx.Err() == nil {
		return err
	}
	if !f.o.Follow {
		return ctx.Err()
	}
	// What was delivered before the end is worth remembering.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCommit)
	defer cancel()
	if err := f.commit(last, sink); err != nil {
		f.o.Logger.Warn("The last checkpoint was not written; some files will be read again", "err", err)
	}
	return nil
}

const (
	// lastCommit bounds the checkpoint that is written on the way out.
	lastCommit = 10 * time.Second
	// commitEvery is the least time between two checkpoints. Where they take
	// long, it is costFactor times as long as the last one took.
	commitEvery = time.Second
	costFactor  = 20
	// gather is how long to wait for more once the file system told of
	// something.
	gather = 50 * time.Millisecond
)

func (f *Folder) run(ctx context.Context, sink Sink) error {
	var (
		all        = true // The next look is at everything.
		committed  = time.Now()
		nextCommit = commitEvery
		scanned    time.Time
		nextScan   time.Duration
	)
	for {
		begun := time.Now()
		tasks, err := f.scan(all)
		if err != nil && !f.o.Follow {
			if !f.o.Retry {
				return err
			}
			f.settle() // What is not there holds no watermark.
			if err := f.pause(ctx, f.nextLook()); err != nil {
				return err
			}
			continue
		}
		if all {
			scanned, nextScan = time.Now(), max(f.o.PollInterval, costFactor*time.Since(begun))
			if err != nil {
				nextScan = f.nextLook()
			}
		}
		if err := f.process(ctx, sink, tasks); err != nil {
			return err
		}
		first := f.settle()
		if first || !f.o.Follow || time.Since(committed) >= nextCommit {
			begun := time.Now()
			if err := f.commit(ctx, sink); err != nil {
				return err
			}
			committed, nextCommit = time.Now(), max(commitEvery, costFactor*time.Since(begun))
		}
		if first {
			s := f.Status()
			f.o.Logger.Info("Everything that was there has been read", "files", s.Files, "events", s.Events,
				"failures", s.Failures, "skipped", s.Skipped)
		}
		if !f.o.Follow {
			return nil
		}
		if all, err = f.wait(ctx, scanned.Add(nextScan), committed.Add(nextCommit)); err != nil {
			return err
		}
	}
}

// nextLook is how long to wait before the next look at a path that cannot be
// read.
func (f *Folder) nextLook() time.Duration {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.looked++
	return f.looks.next()
}

func (f *Folder) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// wait returns when the file system tells of something, when a checkpoint is
// due, or, with all set, when it is time to look at everything.
func (f *Folder) wait(ctx context.Context, scan, commit time.Time) (all bool, err error) {
	until := scan
	if f.mustCommit() && commit.Before(scan) {
		until = commit
	}
	timer := time.NewTimer(max(0, time.Until(until)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		return until.Equal(scan), nil
	case <-f.watch.woken():
	}
	timer.Reset(gather)
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
	}
	return !time.Now().Before(scan), nil
}

func (f *Folder) mustCommit() bool {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	return f.changed
}

// settle notes that all that was there has been read, and reports whether that
// is new.
func (f *Folder) settle() bool {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	if f.settled || len(f.open) > 0 {
		return false
	}
	f.settled = true
	return true
}

// restore loads the checkpoint. One that is damaged is reported, and
// everything is read again.
func (f *Folder) restore(sink Sink) {
	if f.o.Checkpoints == nil {
		return
	}
	entries, err := f.o.Checkpoints.load(f.o.Name)
	if err != nil {
		f.fail(sink, event.RecordError{Name: f.o.Checkpoints.path(f.o.Name), Err: fmt.Errorf("%w; everything is read again", err)})
	}
	f.mtx.Lock()
	defer f.mtx.Unlock()
	for path, e := range entries {
		f.files[path] = &file{entry: e, known: true, read: !e.lines || e.offset == e.size}
		f.inodes[inode{e.dev, e.ino}] = path
	}
}

// commit makes durable what was delivered, and then remembers it.
func (f *Folder) commit(ctx context.Context, sink Sink) error {
	f.commitMtx.Lock()
	defer f.commitMtx.Unlock()

	f.mtx.Lock()
	if !f.changed {
		f.mtx.Unlock()
		return nil
	}
	var entries map[string]entry
	if f.o.Checkpoints != nil {
		entries = make(map[string]entry, len(f.files))
		for path, fl := range f.files {
			if fl.known {
				entries[path] = fl.entry
			}
		}
	}
	f.changed = false
	f.mtx.Unlock()

	err := f.insist.insist(ctx, "making events durable", func() error { return sink.Flush(ctx) })
	if err == nil && f.o.Checkpoints != nil {
		err = f.o.Checkpoints.save(f.o.Name, encodeCheckpoint(f.o.Name, entries))
		if err != nil && (f.o.Follow || f.o.Retry) {
			// The next commit tries again; reading goes on.
			if f.insist.set("writing the checkpoint", err) {
				f.o.Logger.Warn("The checkpoint was not written", "err", err, "hint", hintOf(err))
			}
			f.remember()
			return nil
		}
		f.insist.set("writing the checkpoint", nil)
	}
	if err != nil {
		f.remember()
	}
	return err
}

func (f *Folder) remember() {
	f.mtx.Lock()
	defer f.mtx.Unlock()
	f.changed = true
}

// fail counts and reports a record or a file that cannot be read.
func (f *Folder) fail(sink Sink, e event.RecordError) {
	f.tally.failed()
	sink.Failed(f.o.Name, e)
}
