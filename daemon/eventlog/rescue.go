package eventlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// After a sync that failed, nothing is known of what was written since the one
// before: the kernel may have dropped it, and tell the next sync that all is
// well. So blocks are kept in memory until they are synced, and where that
// fails the file is given up: the segment is written anew, checked block by
// block and synced under another name, which then replaces it. Where that fails
// too, as on a full disk, it is tried again until there is room; nothing is
// accepted meanwhile, and questions go on.

// maxKept bounds the blocks of all segments that are kept until they are
// synced. What is beyond it is read from the file again, and checked.
const maxKept = 32 << 20

// kept is bytes of a segment that are not durable.
type kept struct {
	off  int64
	data []byte
}

// rescue is what is known of a segment whose sync failed.
type rescue struct {
	err    error
	from   int64 // Up to here the file is durable.
	pieces []kept
}

// errLost says that a file does not hold any more what was written to it.
var errLost = errors.New("what was written is gone")

// rescueSegment writes a segment anew whose sync failed with err.
func (l *Log) rescueSegment(s *segment, err error) error {
	s.wmtx.Lock()
	defer s.wmtx.Unlock()
	if s.dead.Load() {
		return nil
	}
	l.mtx.Lock()
	blocks, from, pieces := s.blocks, s.synced, s.kept
	l.mtx.Unlock()
	r := s.broken.Load()
	if r == nil {
		r = &rescue{err: err, from: from, pieces: pieces}
		s.broken.Store(r)
		l.o.Logger.Error("syncing a segment failed, it is written anew", "file", s.path, "unsynced_bytes", s.end-from, "err", err)
	}
	if err := l.copySegment(s, r, blocks); err != nil {
		return fmt.Errorf("writing segment %q anew after a sync that failed: %w", s.path, err)
	}
	s.broken.Store(nil)
	l.mtx.Lock()
	l.dirs[filepath.Dir(s.path)] = struct{}{}
	l.mtx.Unlock()
	return nil
}

func (l *Log) copySegment(s *segment, r *rescue, blocks []*blockMeta) (err error) {
	tmp := s.path + tmpSuffix
	f, err := l.disk.open(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			l.disk.discard(tmp)
		}
	}()
	if err := l.disk.writeAt(f, appendSegmentHeader(nil, s.hour), 0); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for off := int64(segmentHeader); off < s.end; {
		p := buf[:min(int64(len(buf)), s.end-off)]
		if err := s.readAt(p, off); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: %w", errLost, err)
			}
			return err
		}
		if err := l.disk.writeAt(f, p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	for _, m := range blocks {
		if m.off+m.hdr.length <= r.from || m.dead.Load() {
			continue
		}
		if _, err := s.readBlock(f, m.off, s.end); isCorrupt(err) {
			return fmt.Errorf("%w: %w", errLost, err)
		} else if err != nil {
			return err
		}
	}
	if err := l.disk.sync(f); err != nil {
		return err
	}
	if err := l.disk.rename(tmp, s.path); err != nil {
		return err
	}
	s.files.forget(s.path) // Who reads the old file reads the same.
	return nil
}

// syncSegments makes what is written to segments durable, files before the
// directories that name them.
func (l *Log) syncSegments() error {
	if l.o.NoSync {
		return nil
	}
	l.syncMtx.Lock()
	defer l.syncMtx.Unlock()
	var whole, todo []*segment
	ends := map[*segment]int64{}
	l.mtx.Lock()
	for s := range l.dirty {
		ends[s] = s.bytes
		if todo = append(todo, s); s.broken.Load() == nil {
			whole = append(whole, s)
		}
	}
	l.mtx.Unlock()

	start := time.Now()
	var errs []error
	lost := false
	failed := map[*segment]error{}
	for i, err := range l.syncFiles(whole) {
		if err != nil && !whole[i].dead.Load() {
			failed[whole[i]] = err
		}
	}
	for _, s := range todo {
		r := s.broken.Load()
		err, bad := failed[s]
		if !bad && r == nil {
			continue
		}
		if bad {
			l.m.failures.WithLabelValues("segment").Inc()
		}
		if err = l.rescueSegment(s, err); err != nil {
			errs = append(errs, err)
			lost = lost || errors.Is(err, errLost)
			delete(ends, s)
		}
	}
	l.mtx.Lock()
	dirs := l.dirs
	l.dirs = map[string]struct{}{}
	l.mtx.Unlock()
	synced := true
	for dir := range dirs {
		err := l.disk.syncDir(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) { // Retention took it away.
			continue
		}
		// What a directory's sync could not do for want of room it can do later.
		// After another error nobody knows.
		errs = append(errs, err)
		lost = lost || !isFull(err)
		synced = false
	}
	if len(todo) > 0 {
		l.m.fsync.WithLabelValues("segment").Observe(time.Since(start).Seconds())
	}
	l.mtx.Lock()
	defer l.mtx.Unlock()
	if synced {
		for s, end := range ends {
			s.synced = max(s.synced, end)
			if s.synced >= s.bytes {
				delete(l.dirty, s)
			}
			l.unkeep(s, s.synced)
		}
	} else {
		for dir := range dirs {
			l.dirs[dir] = struct{}{}
		}
	}
	l.unsynced = errors.Join(errs...)
	if len(errs) > 0 {
		l.stuck = l.unsynced
		l.m.failures.WithLabelValues("segment").Add(float64(len(errs)))
	}
	if lost {
		// Only a restart, which reads the files and the write-ahead log again,
		// knows what is there.
		l.fatal = fmt.Errorf("event log takes nothing until it is restarted: a sync failed: %w", l.unsynced)
	}
	return l.unsynced
}

// keep holds on to what was written to a segment until it is synced. The caller
// holds mtx.
func (l *Log) keep(s *segment, off int64, data []byte) {
	if n := int64(len(data)); l.kept+n <= maxKept {
		l.kept += n
		s.kept = append(s.kept, kept{off, data})
	}
}

// unkeep lets go of what ends at or before an offset. The caller holds mtx.
func (l *Log) unkeep(s *segment, end int64) {
	var rest []kept // Anew, since a rescue may hold the old one.
	for _, k := range s.kept {
		if k.off+int64(len(k.data)) <= end {
			l.kept -= int64(len(k.data))
		} else {
			rest = append(rest, k)
		}
	}
	s.kept = rest
}

// readAt reads the segment's bytes: where its sync failed those that were kept,
// else the file's.
func (s *segment) readAt(p []byte, off int64) error {
	if r := s.broken.Load(); r != nil && off+int64(len(p)) > r.from {
		for _, k := range r.pieces {
			if end := k.off + int64(len(k.data)); off+int64(len(p)) <= k.off || end <= off {
				continue
			} else if off < k.off {
				head := k.off - off
				if err := s.readAt(p[:head], off); err != nil {
					return err
				}
				p, off = p[head:], k.off
			}
			n := copy(p, k.data[off-k.off:])
			p, off = p[n:], off+int64(n)
		}
		if len(p) == 0 {
			return nil
		}
	}
	if s.files.disk.reading != nil {
		s.files.disk.reading(s.path)
	}
	of, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.files.release(of)
	_, err = of.f.ReadAt(p, off)
	return err
}

// acquire opens the file that the segment's blocks are in.
func (s *segment) acquire() (*openFile, error) {
	if s.old.Load() == nil {
		of, err := s.files.acquire(s.path, false)
		if s.old.Load() == nil {
			return of, err
		}
		if err == nil { // It may be the new one.
			s.files.release(of)
		}
	}
	of := s.old.Load()
	if of == nil { // It was not replaced after all.
		return s.files.acquire(s.path, false)
	}
	if !s.files.retain(of) {
		return nil, errGone
	}
	return of, nil
}
