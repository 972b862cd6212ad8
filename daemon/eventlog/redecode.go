package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/insightd/insightd/daemon/event"
)

// Redecode writes the new segments into a directory of their own. Once they are
// durable the directory gets the name that says so, and from then on the new
// ones count: who opens the log finishes what is left to do.
const (
	redecodeDir  = "redecode"   // The new segments, not all of them yet.
	redecodedDir = "events.new" // All of the new segments.
	replacedDir  = "events.old" // Those that they replace.
)

// RedecodeReport says what Redecode did.
type RedecodeReport struct {
	// Events counts those that were read.
	Events uint64
	// Failed counts the events that stayed as they were, since their raw record
	// could not be decoded, or is damaged; Err is the first of the reasons.
	Failed uint64
	Err    error
	// Duplicates counts events that turned out to be the same as another, which
	// was kept.
	Duplicates uint64
	// Lost counts the events of blocks that are damaged. They were not served
	// before and are not kept.
	Lost uint64
}

// Redecode makes every segment anew from the raw records. It calls again with
// each stored event, Raw included, in no promised order; again overwrites its
// fields from the raw bytes, as today's decoder and enrichment see them. Where
// it returns an error the event stays as it was. Seq and Received stay; time
// and uid may change.
//
// Nobody else may use the log meanwhile, again neither. It takes the space of
// the segments once more, memory within MaxBufferedBytes, and calls progress,
// where that is not nil, with how many events of how many are done. A crash, or
// an error, leaves all events as they were or all as they become.
func (l *Log) Redecode(ctx context.Context, again func(e *event.Event) error, progress func(done, total uint64)) (RedecodeReport, error) {
	var report RedecodeReport
	if err := ctx.Err(); err != nil {
		return report, err
	}
	l.idleMtx.Lock()
	defer l.idleMtx.Unlock()
	l.ops.Lock()
	defer l.ops.Unlock()
	if l.isClosed() {
		return report, ErrClosed
	}
	if err := l.flush(); err != nil {
		return report, err
	}
	if l.events != nil {
		// What the write-ahead log has would come back as it was.
		if n, _ := l.events.bytes(); n > journalHeader {
			return report, errors.New("the write-ahead log could not be emptied before decoding anew: see the errors logged before")
		}
		if err := l.disk.syncDir(l.events.dir); err != nil {
			return report, err
		}
	}
	dir := filepath.Join(l.o.Dir, redecodeDir)
	if err := l.disk.removeAll(dir); err != nil {
		return report, fmt.Errorf("removing what was begun before: %w", err)
	}
	err := l.redecodeTo(ctx, dir, &report, again, progress)
	if err == nil {
		err = l.replaceSegments(dir)
	}
	if err != nil {
		if rerr := l.disk.removeAll(dir); rerr != nil {
			err = errors.Join(err, rerr)
		}
		return report, fmt.Errorf("decoding events anew: %w", err)
	}
	return report, nil
}

// redecodeTo writes the new segments to a directory and makes them durable.
func (l *Log) redecodeTo(ctx context.Context, dir string, report *RedecodeReport, again func(*event.Event) error, progress func(done, total uint64)) (err error) {
	o := l.o
	o.Dir, o.NoSync, o.lasting, o.Registerer = dir, true, true, nil
	o.Retention, o.MaxBytes = 0, 0
	to, err := Open(o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := to.Close(); err == nil {
			err = cerr
		}
		if err == nil && !l.o.NoSync {
			err = l.disk.syncTree(dir)
		}
	}()
	var total uint64
	for _, hour := range l.order {
		if s := l.hours[hour].seg; s != nil {
			for _, m := range s.blocks {
				total += uint64(m.hdr.rows)
			}
		}
	}
	for _, hour := range l.order {
		s := l.hours[hour].seg
		if s == nil {
			continue
		}
		for _, m := range s.blocks {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.redecodeBlock(to, m, report, again); err != nil {
				return err
			}
			if progress != nil {
				progress(report.Events+report.Lost, total)
			}
		}
	}
	return to.flush()
}

func (l *Log) redecodeBlock(to *Log, m *blockMeta, report *RedecodeReport, again func(*event.Event) error) error {
	from := &block{hdr: m.hdr, src: m}
	f, err := from.filler()
	if m.dead.Load() || isCorrupt(err) {
		if err != nil {
			l.damagedBlock(m, err)
		}
		report.Lost += uint64(m.hdr.rows)
		return nil
	}
	if err != nil {
		return err
	}
	failed := func(err error) {
		report.Failed++
		if report.Err == nil {
			report.Err = err
		}
	}
	raw := from.rawReader()
	batch := make([]event.Event, 0, m.hdr.rows)
	for i := range m.hdr.runs {
		r := &m.hdr.runs[i]
		for row := r.start; row < r.end; row++ {
			var e event.Event
			f.fill(&e, r, row)
			report.Events++
			p, err := raw.row(row)
			switch {
			case isCorrupt(err):
				l.damagedBlock(m, err)
				failed(fmt.Errorf("event %q: %w", e.UID, err))
				batch = append(batch, e)
				continue
			case err != nil:
				return err
			}
			e.Raw = p
			was := e
			was.Resources = append([]string(nil), e.Resources...)
			if err = again(&e); err == nil {
				err = storable(&e)
			}
			if err != nil {
				failed(fmt.Errorf("event %q: %w", was.UID, err))
				e = was
			}
			e.Seq, e.Received, e.Raw, e.Late = was.Seq, was.Received, p, false
			batch = append(batch, e)
		}
	}
	n, err := to.restore(batch)
	report.Duplicates += uint64(len(batch) - n)
	return err
}

// storable reports why the log could not keep an event.
func storable(e *event.Event) error {
	if e.UID == "" {
		return errors.New("it has no uid")
	}
	if y := e.Time.Year(); y < 1970 || y > 2261 {
		return fmt.Errorf("its time %s is beyond what the log keeps", e.Time.Format(time.RFC3339))
	}
	return nil
}

// replaceSegments puts the new segments, which are durable, in place of the
// old, and reads them.
func (l *Log) replaceSegments(dir string) (err error) {
	if err := l.disk.rename(filepath.Join(dir, "events"), filepath.Join(l.o.Dir, redecodedDir)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// What were stored now would be in segments that are replaced.
			l.mtx.Lock()
			l.fatal = fmt.Errorf("event log takes nothing until it is restarted: its new segments could not be put in place: %w", err)
			l.mtx.Unlock()
		}
	}()
	if err := l.syncOwn(); err != nil {
		return err
	}
	l.mtx.Lock()
	for _, hr := range l.hours {
		l.dropFilter(hr)
		if hr.seg != nil {
			hr.seg.dead.Store(true)
			l.cache.forget(hr.seg.blocks)
		}
	}
	l.hours, l.order = map[int64]*hourState{}, nil
	l.dirty, l.dirs = map[*segment]struct{}{}, map[string]struct{}{}
	l.kept = 0
	for _, st := range l.streams {
		st.events, st.first, st.last = 0, 0, 0
	}
	l.seen.Reset()
	l.files.closeAll()
	l.mtx.Unlock()
	return l.recoverSegments()
}

func (l *Log) syncOwn() error {
	if l.o.NoSync {
		return nil
	}
	return l.disk.syncDir(l.o.Dir)
}

// finishRedecode does what a crash left undone of Redecode: it drops new
// segments that are not all there, and puts those that are in their place.
func (l *Log) finishRedecode() error {
	path := func(name string) string { return filepath.Join(l.o.Dir, name) }
	exists := func(name string) bool {
		_, err := os.Stat(path(name))
		return err == nil
	}
	if exists(redecodedDir) {
		l.o.Logger.Info("putting events that were decoded anew in place")
		if exists("events") {
			if err := l.disk.removeAll(path(replacedDir)); err != nil {
				return fmt.Errorf("removing segments that were replaced: %w", err)
			}
			if err := l.disk.rename(path("events"), path(replacedDir)); err != nil {
				return fmt.Errorf("replacing segments: %w", err)
			}
		}
		if err := l.disk.rename(path(redecodedDir), path("events")); err != nil {
			return fmt.Errorf("replacing segments: %w", err)
		}
		if err := l.syncOwn(); err != nil {
			return err
		}
	}
	for _, name := range []string{redecodeDir, replacedDir} {
		if exists(name) {
			if err := l.disk.removeAll(path(name)); err != nil {
				return fmt.Errorf("removing segments that nobody needs: %w", err)
			}
		}
	}
	return nil
}

// removeAll removes a directory and what is in it.
func (d *disk) removeAll(path string) error {
	return d.do(diskOp{kind: diskRemove, path: path}, func() error { return os.RemoveAll(path) })
}

// syncTree makes a directory and all that is in it durable.
func (d *disk) syncTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = d.sync(f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	})
	for _, dir := range dirs {
		if err == nil {
			err = d.syncDir(dir)
		}
	}
	return err
}
