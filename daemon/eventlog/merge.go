package eventlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/insightd/insightd/daemon/event"
)

// mergeAfter is from how many small blocks on a segment is written anew.
const mergeAfter = 4

// small reports whether a block is worth merging with others.
func (l *Log) small(m *blockMeta) bool {
	return m.hdr.rows < l.o.BlockEvents/2 && m.hdr.rawBytes < maxBlockRaw/2
}

// merge writes a segment anew where it has many small blocks, as a source makes
// that delivers little and flushes often, or a folder that is sorted by region:
// small blocks compress worse and are slower to search. The new file replaces
// the old at once; a crash leaves one or the other. Positions, versions and
// bytes of the events stay. A segment with damage is left as it is, so that what can
// be read of it can be, and nothing is taken for whole that is not.
func (l *Log) merge(s *segment) error {
	s.wmtx.Lock()
	defer s.wmtx.Unlock()
	l.mtx.Lock()
	blocks := s.blocks
	ready := s.synced >= s.bytes && !s.dead.Load()
	l.mtx.Unlock()
	n := 0
	for _, m := range blocks {
		if m.dead.Load() {
			return nil
		}
		if l.small(m) {
			n++
		}
	}
	if !ready || n < mergeAfter {
		return nil
	}
	tmp := s.path + ".tmp"
	out, err := l.writeMerged(tmp, s, blocks)
	if err != nil {
		l.disk.discard(tmp)
		if isCorrupt(err) {
			return nil // Which was told.
		}
		return fmt.Errorf("merging blocks of segment %q: %w", s.path, err)
	}
	// The old index would be taken for one of the new file.
	if err := l.disk.remove(indexPath(s.path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		l.disk.discard(tmp)
		return fmt.Errorf("removing the index of segment %q: %w", s.path, err)
	}
	dir := filepath.Dir(s.path)
	if err := l.disk.syncDir(dir); err != nil {
		l.disk.discard(tmp)
		return err
	}
	old, err := l.files.acquire(s.path, false)
	if err != nil {
		l.disk.discard(tmp)
		return fmt.Errorf("opening segment %q: %w", s.path, err)
	}
	l.mtx.Lock()
	// Before the name is that of the new file: who opens it by that name then has to
	// know that the blocks are not in there.
	s.old.Store(old)
	s.dead.Store(true)
	if err = l.disk.rename(tmp, s.path); err != nil {
		s.dead.Store(false)
		s.old.Store(nil)
	} else {
		l.files.forget(s.path)
		delete(l.dirty, s)
		out.written = s.written
		l.hours[s.hour].seg = out
		l.dropFilter(l.hours[s.hour])
		l.dirs[dir] = struct{}{}
	}
	l.mtx.Unlock()
	if err != nil {
		l.files.release(old)
		l.disk.discard(tmp)
		return fmt.Errorf("replacing segment %q: %w", s.path, err)
	}
	l.questions.replaced(func() { l.files.release(old) })
	l.cache.forget(blocks)
	// Before the new index is written: found beside the old file it would say
	// what is not there.
	return l.disk.syncDir(dir)
}

// writeMerged writes the new file and returns its segment. It tells of damage that it
// comes upon, and ends.
func (l *Log) writeMerged(tmp string, s *segment, blocks []*blockMeta) (*segment, error) {
	f, err := l.disk.open(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := &segment{hour: s.hour, path: s.path, files: l.files}
	put := func(p []byte) error {
		err := l.disk.writeAt(f, p, out.end)
		out.end += int64(len(p))
		return err
	}
	if err := put(appendSegmentHeader(nil, s.hour)); err != nil {
		return nil, err
	}
	type versions struct{ decoder, enrich uint32 }
	open := map[versions]*buffer{}
	enc := encoders.Get().(*encoder)
	defer encoders.Put(enc)
	write := func(v versions, b *buffer) error {
		o := l.o
		o.DecoderVersion, o.EnrichVersion = v.decoder, v.enrich
		view := b.sorted(&o)
		step := blockRows(view.hdr.rows, l.o.BlockEvents)
		for lo := 0; lo < view.hdr.rows; lo += step {
			at := out.end
			data, h := enc.encode(nil, view, lo, min(lo+step, view.hdr.rows))
			if err := put(data); err != nil {
				return err
			}
			out.blocks = append(out.blocks, &blockMeta{seg: out, off: at, hdr: h})
		}
		return nil
	}
	for _, m := range blocks {
		from := &block{hdr: m.hdr, src: m}
		if !l.small(m) {
			p, err := from.readAt(0, int(m.hdr.length))
			if err != nil {
				if isCorrupt(err) {
					l.damagedBlock(m, err)
				}
				return nil, err
			}
			out.blocks = append(out.blocks, &blockMeta{seg: out, off: out.end, hdr: m.hdr})
			if err := put(p); err != nil {
				return nil, err
			}
			continue
		}
		v := versions{m.hdr.decoder, m.hdr.enrich}
		b := open[v]
		if b == nil {
			b = &buffer{hour: s.hour}
			open[v] = b
		}
		if err := addBlock(b, from); err != nil {
			if isCorrupt(err) {
				l.damagedBlock(m, err)
			}
			return nil, err
		}
		if len(b.times) >= l.o.BlockEvents || b.rawBytes >= maxBlockRaw {
			if err := write(v, b); err != nil {
				return nil, err
			}
			delete(open, v)
		}
	}
	for v, b := range open {
		if err := write(v, b); err != nil {
			return nil, err
		}
	}
	if !l.o.NoSync {
		if err := l.disk.sync(f); err != nil {
			return nil, err
		}
	}
	out.bytes, out.synced = out.end, out.end
	return out, nil
}

// addBlock copies the events of a block into a buffer.
func addBlock(b *buffer, from *block) error {
	f, err := from.filler()
	if err != nil {
		return err
	}
	raw := from.rawReader()
	for i := range from.hdr.runs {
		r := &from.hdr.runs[i]
		for row := r.start; row < r.end; row++ {
			var e event.Event
			f.fill(&e, r, row)
			if e.Raw, err = raw.row(row); err != nil {
				return err
			}
			b.add(&e, r.stream, from.times[row], hashUID(e.UID))
		}
	}
	return nil
}
