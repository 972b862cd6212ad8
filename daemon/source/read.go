package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/insightd/insightd/daemon/event"
)

// process reads files, several at once, beginning with them in order.
func (f *Folder) process(ctx context.Context, sink Sink, tasks []task) error {
	if len(tasks) == 0 {
		return nil
	}
	var (
		next atomic.Int64
		g, c = errgroup.WithContext(ctx)
		done = make(chan struct{})
		left atomic.Int64
	)
	workers := min(f.o.Workers, len(tasks))
	left.Store(int64(workers))
	for range workers {
		g.Go(func() error {
			defer func() {
				if left.Add(-1) == 0 {
					close(done)
				}
			}()
			w := &worker{f: f, sink: sink}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return w.deliver(c)
				}
				if err := w.file(c, &tasks[i]); err != nil {
					return err
				}
			}
		})
	}
	if f.o.Follow || f.o.Checkpoints != nil {
		g.Go(func() error { return f.commitNowAndThen(c, sink, done) })
	}
	return g.Wait()
}

// commitNowAndThen writes checkpoints until done is closed.
func (f *Folder) commitNowAndThen(ctx context.Context, sink Sink, done <-chan struct{}) error {
	timer := time.NewTimer(commitEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // The error is the workers' to return.
		case <-done:
			return nil
		case <-timer.C:
		}
		begun := time.Now()
		if err := f.commit(ctx, sink); err != nil {
			return err
		}
		timer.Reset(max(commitEvery, costFactor*time.Since(begun)))
	}
}

// worker reads one file after the other. Batches go on over the end of files,
// since CloudTrail's are small.
type worker struct {
	f     *Folder
	sink  Sink
	batch batch
	// marks is how far files will have been delivered once the batch is.
	marks []mark
}

type mark struct {
	path       string
	entry      entry
	read       bool
	unfinished time.Time
	told       bool
}

// deliver hands over the batch, and then notes how far its files are.
func (w *worker) deliver(ctx context.Context) error {
	if err := w.batch.deliver(ctx, &w.f.insist, &w.f.tally, w.sink, w.f.o.Name); err != nil {
		return err
	}
	for i := range w.marks {
		m := &w.marks[i]
		w.f.mark(m.path, m.entry, m.read, m.unfinished, m.told)
	}
	w.marks = w.marks[:0]
	return nil
}

// file reads one file. An error ends the source; what is wrong with the file
// alone is reported to the sink.
func (w *worker) file(ctx context.Context, t *task) error {
	counted := &countReader{ctx: ctx, f: w.f}
	// Progress goes by what was planned, whatever came of it.
	defer func() { w.f.done.Add(t.planned - counted.n) }()
	if t.err != nil {
		w.trouble(t, t.err)
		return nil
	}
	fd, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		w.f.gone(t.path)
		return nil
	}
	if err != nil {
		w.trouble(t, err)
		return nil
	}
	defer fd.Close()
	info, err := fd.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no longer a regular file")
	}
	if err != nil {
		w.trouble(t, err)
		return nil
	}
	st := statOf(info)
	if w.f.o.Follow && t.replacedBy(st) {
		return nil
	}
	p, err := newPlan(fd, st, t.from, t.known, w.f.o.Follow)
	if err != nil {
		w.trouble(t, err)
		return nil
	}
	counted.r = io.NewSectionReader(fd, p.start, p.end-p.start)
	return w.records(ctx, t, &p, counted)
}

// records reads the part of a file that the plan names.
func (w *worker) records(ctx context.Context, t *task, p *plan, in *countReader) error {
	r := event.NewReader(in, event.ReaderOptions{Provider: w.f.o.Provider, Account: w.f.o.Account, Received: w.f.o.Now().UTC()})
	newest := p.newest
	at := func() entry {
		return entry{
			stat: p.stat, offset: p.start + r.Offset(), records: p.records + r.Records() + r.Failed() + r.Omitted(),
			headLen: p.headLen, head: p.head, newest: newest, lines: p.lines,
		}
	}
	for {
		e := w.batch.next()
		err := r.Next(e)
		var bad *event.RecordError
		switch {
		case err == nil:
			w.batch.keep()
			newest = max(newest, e.Time.UnixNano())
			if !w.batch.full(w.f.o.BatchEvents) {
				continue
			}
			if p.lines && r.Between() {
				w.marks = append(w.marks, mark{path: t.path, entry: at()})
			}
			if err := w.deliver(ctx); err != nil {
				return err
			}
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &bad):
			bad.Name = t.path
			bad.Record += p.records
			bad.Offset += p.start
			w.f.fail(w.sink, *bad)
			continue
		case in.err != nil:
			w.trouble(t, in.err)
			return w.deliver(ctx)
		case errors.Is(err, io.EOF):
			err = nil
		}
		return w.end(ctx, t, p, at(), err)
	}
}

// end notes how a file ended. Err says what stood in the way of its rest.
func (w *worker) end(ctx context.Context, t *task, p *plan, e entry, err error) error {
	m := mark{path: t.path, entry: e, read: true}
	m.entry.offset = min(p.end, p.size)
	now, modified := w.f.o.Now(), time.Unix(0, p.mtime)
	settled := !w.f.o.Follow || now.Sub(modified) > unfinishedFor
	switch {
	case err != nil && errors.Is(err, io.ErrUnexpectedEOF) && !settled:
		// Somebody is writing it: it is read again when it has changed, or has
		// not for long.
		m.read, m.entry.offset, m.entry.lines, m.unfinished = false, 0, false, modified
	case err != nil:
		w.f.fail(w.sink, event.RecordError{Name: t.path, Offset: e.offset, Err: err})
	case p.end < p.size:
		m.unfinished, m.told = modified, t.told || settled
		if settled && !t.told {
			w.f.fail(w.sink, event.RecordError{
				Name: t.path, Record: e.records + 1, Offset: p.end,
				Err: fmt.Errorf("the last line is incomplete since %s; it is read once it is complete", modified.UTC().Format(time.RFC3339)),
			})
		}
	}
	w.marks = append(w.marks, m)
	if len(w.batch.events) == 0 {
		return w.deliver(ctx)
	}
	return nil
}

// trouble reports a file that cannot be opened or read, once.
func (w *worker) trouble(t *task, err error) {
	if w.f.trouble(t.path, t.stat, err) {
		w.f.fail(w.sink, event.RecordError{Name: t.path, Err: err})
	}
}

// countReader counts what is read, and ends when ctx does.
type countReader struct {
	ctx context.Context
	f   *Folder
	r   io.Reader
	n   int64
	// err is an error of the file system.
	err error
}

func (c *countReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.f.done.Add(int64(n))
	c.f.tally.read(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
