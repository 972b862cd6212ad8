package eventlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/insightd/insightd/daemon/event"
)

// recover reads what the directory has: segments, control records, and then the
// write-ahead log, of which it takes what no segment has.
func (l *Log) recover() error {
	if err := l.recoverSegments(); err != nil {
		return err
	}
	if l.o.NoSync {
		return nil
	}
	dir := filepath.Join(l.o.Dir, "wal")
	if _, err := l.disk.mkdirAll(dir); err != nil {
		return fmt.Errorf("making write-ahead log directory: %w", err)
	}
	// The directory that names the log's own too, where that is new.
	for _, d := range append([]string{filepath.Join(l.o.Dir, "events"), dir, l.o.Dir}, l.made...) {
		if err := l.disk.syncDir(d); err != nil {
			return err
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+tmpSuffix))
	if err != nil {
		return fmt.Errorf("listing what a crash left: %w", err)
	}
	for _, path := range left {
		if err := l.disk.remove(path); err != nil {
			return fmt.Errorf("removing what a crash left: %w", err)
		}
	}
	l.control = &journal{dir: dir, prefix: "control", disk: &l.disk, m: l.m, limit: controlFileSize, old: map[uint64]int64{}}
	l.events = &journal{dir: dir, prefix: "events", disk: &l.disk, m: l.m, limit: walFlushBytes, old: map[uint64]int64{}}
	l.commits = &committer{control: l.control, events: l.events, now: l.o.Now}
	if err := l.recoverControls(); err != nil {
		return err
	}
	if err := l.recoverEvents(); err != nil {
		return err
	}
	for _, j := range []*journal{l.control, l.events} {
		if j.f == nil {
			if err := j.openNext(l.o.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) recoverSegments() error {
	if err := l.finishRedecode(); err != nil {
		return err
	}
	root := filepath.Join(l.o.Dir, "events")
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("listing segments: %w", err)
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		hour, ok := segmentHour(rel)
		switch {
		case strings.HasSuffix(path, ".tmp"):
			return l.disk.remove(path)
		case strings.HasSuffix(path, indexSuffix):
			if _, err := os.Stat(strings.TrimSuffix(path, indexSuffix) + segmentSuffix); errors.Is(err, fs.ErrNotExist) {
				l.damaged("index", finding{path, 0, "index without a segment was removed", fs.ErrNotExist})
				return l.disk.remove(path)
			}
			return nil
		case !ok:
			l.o.Logger.Warn("event log has a file that is not its own", "file", path)
			return nil
		}
		seg, found, err := openSegment(l.files, path, hour)
		for _, f := range found {
			kind := "segment"
			if strings.HasSuffix(f.file, indexSuffix) {
				kind = "index"
			}
			l.damaged(kind, f)
		}
		if err != nil {
			return err
		}
		if len(seg.blocks) == 0 {
			l.files.forget(path)
			l.disk.discard(indexPath(path))
			if err := l.disk.remove(path); err != nil {
				return fmt.Errorf("removing an empty segment: %w", err)
			}
			return nil
		}
		l.hourState(hour).seg = seg
		for _, m := range seg.blocks {
			l.seq = max(l.seq, m.hdr.maxSeq)
			for _, r := range m.hdr.runs {
				l.stream(r.stream.Value()).note(r.end-r.start, r.mint, r.maxt)
			}
		}
		// What the process before wrote and did not sync may still be in the
		// kernel's memory only: it is made durable before anything relies on it.
		if !l.o.NoSync && seg.indexed < len(seg.blocks) {
			seg.synced = 0
			l.dirty[seg] = struct{}{}
			for dir := filepath.Dir(path); len(dir) >= len(l.o.Dir); dir = filepath.Dir(dir) {
				l.dirs[dir] = struct{}{}
			}
		}
		return nil
	})
}

func (l *Log) recoverControls() error {
	numbers, err := journalFiles(l.control.dir, l.control.prefix)
	if err != nil {
		return fmt.Errorf("listing control records: %w", err)
	}
	last := uint64(0)
	for i, n := range numbers {
		path := journalPath(l.control.dir, l.control.prefix, n)
		p, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading control records: %w", err)
		}
		known, frames := last, 0
		gaps := scanFrames(p, n, func(kind byte, payload []byte) error {
			c, err := readControl(kind, payload)
			if err != nil {
				return err
			}
			if frames++; c.Seq > last {
				last = c.Seq
				l.seq = max(l.seq, c.Seq)
				l.apply(&c)
			}
			return nil
		})
		size, clean := int64(len(p)), len(gaps) == 0
		if clean && frames > 0 && last == known {
			// A file before it has all that it had: a crash came before it was
			// deleted.
			if err := l.disk.remove(path); err != nil {
				return fmt.Errorf("removing a control file that was pruned: %w", err)
			}
			l.control.number = n
			continue
		}
		for _, g := range gaps {
			if errors.Is(g.err, errVersion) {
				return fmt.Errorf("reading %q: %w", path, g.err)
			}
			l.damaged("control", finding{path, int64(g.off), fmt.Sprintf("%d bytes are no whole control record", g.end-g.off), g.err})
		}
		if size < journalHeader {
			// A crash while the file was made, or a cut: nothing is in it.
			if err := l.disk.remove(path); err != nil {
				return fmt.Errorf("removing an empty journal file: %w", err)
			}
			l.control.number = n
			continue
		}
		if len(gaps) > 0 && gaps[0].off == 0 {
			if err := l.disk.restoreHeader(path, n); err != nil {
				return err
			}
		}
		if k := len(gaps); k > 0 && gaps[k-1].end == len(p) && gaps[k-1].off >= journalHeader {
			size = int64(gaps[k-1].off)
			if err := l.disk.cutFile(path, size); err != nil {
				return err
			}
		}
		l.control.number = n
		if i == len(numbers)-1 && clean && size < controlFileSize {
			f, err := os.OpenFile(path, os.O_RDWR, 0o640)
			if err != nil {
				return fmt.Errorf("opening control records: %w", err)
			}
			l.control.f, l.control.size, l.control.opened = f, size, l.o.Now()
		} else {
			l.control.old[n] = size
		}
		l.control.total += size
	}
	return nil
}

// cutFile cuts a torn tail off.
func (d *disk) cutFile(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("cutting a torn tail: %w", err)
	}
	err = d.truncate(f, size)
	if err == nil {
		err = d.sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("cutting a torn tail of %q: %w", path, err)
	}
	return nil
}

// restoreHeader writes a journal file's header again. Its frames do not depend
// on it.
func (d *disk) restoreHeader(path string, number uint64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("restoring a file header: %w", err)
	}
	err = d.writeAt(f, appendJournalHeader(nil, number), 0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("restoring the header of %q: %w", path, err)
	}
	return nil
}

// readControl reads a frame of a control file.
func readControl(kind byte, payload []byte) (event.Control, error) {
	if kind != frameControl {
		return event.Control{}, fmt.Errorf("%w: frame of kind %d among control records", errVersion, kind)
	}
	return parseControl(payload)
}

func (l *Log) recoverEvents() error {
	numbers, err := journalFiles(l.events.dir, l.events.prefix)
	if err != nil {
		return fmt.Errorf("listing the write-ahead log: %w", err)
	}
	recovered := 0
	for _, n := range numbers {
		path := journalPath(l.events.dir, l.events.prefix, n)
		p, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading the write-ahead log: %w", err)
		}
		var failed error
		gaps := scanFrames(p, n, func(kind byte, payload []byte) error {
			if kind != frameEvents {
				return fmt.Errorf("%w: frame of kind %d among events", errVersion, kind)
			}
			events, err := parseEvents(payload)
			if err != nil {
				return err
			}
			k, err := l.restore(events)
			recovered += k
			failed = errors.Join(failed, err)
			return nil
		})
		if failed != nil {
			return fmt.Errorf("recovering events of %q: %w", path, failed)
		}
		for _, g := range gaps {
			if errors.Is(g.err, errVersion) {
				return fmt.Errorf("reading %q: %w", path, g.err)
			}
			l.damaged("wal", finding{path, int64(g.off), fmt.Sprintf("%d bytes are no whole batch", g.end-g.off), g.err})
		}
		l.events.number = n
		l.events.old[n] = int64(len(p))
		l.events.total += int64(len(p))
	}
	if recovered > 0 {
		l.m.recovered.Add(float64(recovered))
		l.o.Logger.Info("recovered events from the write-ahead log", "events", recovered)
	}
	return nil
}

// restore takes what no block has of a batch that was logged, under the numbers
// that it was given then.
func (l *Log) restore(events []event.Event) (int, error) {
	l.mtx.Lock()
	l.tick++ // It is a pass that asks filters, as lookUp is.
	floor := l.floorAt(l.o.Now())
	n := 0
	for i := range events {
		e := &events[i]
		l.seq = max(l.seq, e.Seq)
		t := e.Time.UnixNano()
		if t < floor || t < 0 {
			continue
		}
		hr := l.hourState(hourOf(t))
		st := l.stream(event.StreamKey{Provider: e.Provider, Account: e.Account})
		h := hashUID(e.UID)
		was, err := l.duplicate(hr, st.id, e.UID, eventKey{t: t, hash: h}, nil, true)
		if err != nil {
			l.mtx.Unlock()
			return n, err
		}
		if was.stored {
			continue
		}
		b, row := l.insert(hr, st, e, t, h)
		b.mark(row)
		l.account(hr)
		n++
	}
	full := append(l.frozen(), l.relieve()...)
	l.mtx.Unlock()
	for _, b := range full {
		if err := l.writeBuffer(b); err != nil {
			return n, err
		}
	}
	return n, nil
}
