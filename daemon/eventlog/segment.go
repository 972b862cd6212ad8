package eventlog

import (
	"bytes"
	"container/list"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A segment holds the blocks of one hour of event time, one behind the other.
// Blocks are only ever appended. Beside it stands its index, a copy of the
// headers, from which it is opened without reading it; the index may be lost.
const (
	segmentMagic   = "IDSG"
	segmentVersion = 1
	segmentHeader  = 16
	indexMagic     = "IDIX"
	indexVersion   = 1
	indexHeader    = 32
	segmentSuffix  = ".seg"
	indexSuffix    = ".idx"
)

// errGone is what a reader gets of a segment that was deleted meanwhile, or replaced
// where nobody keeps the old file open for it.
var errGone = errors.New("segment was deleted")

type segment struct {
	hour  int64
	path  string
	files *fileCache

	// wmtx lets one goroutine at a time write the file. It is taken before the
	// log's mutex.
	wmtx sync.Mutex
	end  int64 // Where the next block goes, guarded by wmtx.

	dead   atomic.Bool              // Set before the segment's file is deleted or replaced.
	old    atomic.Pointer[openFile] // Set before the file is replaced: the one that the blocks are in.
	reseal atomic.Bool              // Set when a block turned out damaged: the index leaves it out.
	broken atomic.Pointer[rescue]   // Set while the file is given up, until it is written anew.

	// What follows is guarded by the log's mutex.
	blocks  []*blockMeta
	bytes   int64  // Of the file.
	synced  int64  // What of the file is durable.
	kept    []kept // What was written since, rising.
	indexed int    // Blocks that the index on disk has.
	written time.Time
}

// blockMeta is a block on disk. It reads relative to the block's first byte.
type blockMeta struct {
	seg *segment
	off int64
	hdr *header
	// reported is set once something was found wrong with the block, so that it
	// is told and counted once. dead is set where its columns are hit: it is left
	// out from then on, so that its events can be stored anew.
	reported atomic.Bool
	dead     atomic.Bool

	// Guarded by the cache.
	cached      *block
	cachedBytes int64
	elem        *list.Element
}

// ReadAt implements io.ReaderAt.
func (m *blockMeta) ReadAt(p []byte, off int64) (int, error) {
	err := m.seg.readAt(p, m.off+off)
	if m.seg.dead.Load() && m.seg.old.Load() == nil {
		return 0, errGone
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = io.EOF // The file was taken away: everything in it is lost.
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// segmentPath is events/2026/03/09/14.seg below the log's directory.
func segmentPath(dir string, hour int64) string {
	t := time.Unix(hour*3600, 0).UTC()
	return filepath.Join(dir, "events", t.Format("2006"), t.Format("01"), t.Format("02"), t.Format("15")+segmentSuffix)
}

// segmentHour reads the hour from the end of a segment's path.
func segmentHour(rel string) (int64, bool) {
	rel, ok := strings.CutSuffix(filepath.ToSlash(rel), segmentSuffix)
	if !ok {
		return 0, false
	}
	t, err := time.Parse("2006/01/02/15", rel)
	if err != nil {
		return 0, false
	}
	return t.Unix() / 3600, true
}

func indexPath(path string) string { return strings.TrimSuffix(path, segmentSuffix) + indexSuffix }

func appendSegmentHeader(dst []byte, hour int64) []byte {
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, segmentVersion)
	dst = append(dst, 0, 0)
	return binary.LittleEndian.AppendUint64(dst, uint64(hour))
}

// append writes encoded blocks behind the others and returns where. The caller
// holds wmtx. After an error the file is as it was, or has a tail that the next
// append overwrites and that a reader cuts.
func (s *segment) append(data []byte) (int64, error) {
	if r := s.broken.Load(); r != nil {
		return 0, fmt.Errorf("writing segment %q: %w", s.path, r.err)
	}
	at := s.end
	if at == 0 {
		if _, err := s.files.disk.mkdirAll(filepath.Dir(s.path)); err != nil {
			return 0, fmt.Errorf("making segment directory: %w", err)
		}
		data = append(appendSegmentHeader(make([]byte, 0, segmentHeader+len(data)), s.hour), data...)
	}
	err := s.files.write(s.path, func(f *os.File) error {
		if err := s.files.disk.writeAt(f, data, at); err != nil {
			if terr := s.files.disk.truncate(f, at); terr != nil {
				err = errors.Join(err, terr)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("writing segment %q: %w", s.path, err)
	}
	s.end = at + int64(len(data))
	if at == 0 {
		at = segmentHeader
	}
	return at, nil
}

// finding is something that Open found wrong, in words for the log.
type finding struct {
	file string
	off  int64
	what string
	err  error
}

// openSegment reads a segment's blocks: those that the index has from it, the
// rest from the file, every byte of which is then checked. It cuts what is torn
// off the end, and leaves out what is damaged.
func openSegment(files *fileCache, path string, hour int64) (*segment, []finding, error) {
	s := &segment{hour: hour, path: path, files: files}
	var found []finding
	err := files.use(path, func(f *os.File) error {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		size := st.Size()
		var head [segmentHeader]byte
		if n, err := f.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if want := appendSegmentHeader(nil, hour); !bytes.Equal(head[:n], want[:min(n, len(want))]) {
			// The path and every block say the hour too, so the header is only told.
			found = append(found, finding{path, 0, "segment header was written again", errors.New("not as it was written")})
			if size >= segmentHeader {
				if err := files.disk.writeAt(f, want, 0); err != nil {
					return err
				}
			}
		}
		from, fs := s.readIndex(size)
		found = append(found, fs...)
		fs, err = s.scan(f, max(from, segmentHeader), size)
		found = append(found, fs...)
		return err
	})
	if err != nil {
		return nil, found, fmt.Errorf("opening segment %q: %w", path, err)
	}
	s.bytes, s.synced = s.end, s.end
	return s, found, nil
}

// scan reads the blocks from an offset on, without the index.
func (s *segment) scan(f *os.File, off, size int64) ([]finding, error) {
	var found []finding
	s.end = off
	for off < size {
		m, err := s.readBlock(f, off, size)
		if err == nil {
			s.blocks = append(s.blocks, m)
			off += m.hdr.length
			s.end = off
			continue
		}
		if errors.Is(err, errVersion) {
			return found, err
		}
		if !isCorrupt(err) && !errors.Is(err, errNoBlock) {
			return found, err
		}
		next, serr := s.nextBlock(f, off+1, size)
		if serr != nil {
			return found, serr
		}
		if next < 0 {
			// With what was left out since the last good block, or the next Open would
			// find that to be the tail.
			found = append(found, finding{s.path, s.end, "torn tail of " + strconv.FormatInt(size-s.end, 10) + " bytes was cut", err})
			if err := s.files.disk.truncate(f, s.end); err != nil {
				return found, fmt.Errorf("cutting a torn tail: %w", err)
			}
			if err := s.files.disk.sync(f); err != nil {
				return found, fmt.Errorf("cutting a torn tail: %w", err)
			}
			break
		}
		found = append(found, finding{s.path, off, "block was left out", err})
		off = next
	}
	return found, nil
}

// readBlock reads the header at an offset and checks every byte of the block.
func (s *segment) readBlock(f io.ReaderAt, off, size int64) (*blockMeta, error) {
	h, err := readHeader(f, off, size, s.hour)
	if err != nil {
		return nil, err
	}
	if off+h.length > size {
		return nil, corrupt("block", errShort)
	}
	m := &blockMeta{seg: s, off: off, hdr: h}
	b := &block{hdr: h, src: io.NewSectionReader(f, off, h.length)}
	return m, b.check()
}

// readHeader reads a block's prefix and header.
func readHeader(f io.ReaderAt, off, size int64, hour int64) (*header, error) {
	var prefix [prefixLen]byte
	if size-off < prefixLen {
		return nil, corrupt("block header", errShort)
	}
	if _, err := f.ReadAt(prefix[:], off); err != nil {
		return nil, err
	}
	n, err := peekHeader(prefix[:])
	if err != nil {
		return nil, corrupt("block header", err)
	}
	if int64(n) > size-off {
		return nil, corrupt("block header", errShort)
	}
	p := make([]byte, n)
	if _, err := f.ReadAt(p, off); err != nil {
		return nil, err
	}
	h, err := parseHeader(p, hour)
	if err != nil {
		return nil, corrupt("block header", err)
	}
	return h, nil
}

// nextBlock looks for the next header that is whole, or returns -1.
func (s *segment) nextBlock(f io.ReaderAt, off, size int64) (int64, error) {
	const chunk = 1 << 20
	buf := make([]byte, chunk+len(blockMagic)-1)
	for off < size {
		n := int(min(int64(len(buf)), size-off))
		if _, err := f.ReadAt(buf[:n], off); err != nil {
			return 0, err
		}
		p := buf[:n]
		for at := 0; ; {
			i := bytes.Index(p[at:], []byte(blockMagic))
			if i < 0 {
				break
			}
			at += i
			_, err := readHeader(f, off+int64(at), size, s.hour)
			if err == nil || errors.Is(err, errVersion) {
				return off + int64(at), nil
			}
			if !isCorrupt(err) {
				return 0, err
			}
			at++
		}
		off += chunk
	}
	return -1, nil
}

// check compares every checksum of a block without decompressing what need not
// be.
func (b *block) check() error {
	for i := range b.hdr.sections {
		s := &b.hdr.sections[i]
		if s.id == colRaw {
			continue
		}
		p, err := b.readAt(b.hdr.body+s.off, s.size)
		if err != nil {
			return err
		}
		if checksum(uint64(s.id), p) != s.crc {
			return corrupt(fmt.Sprintf("section %d", s.id), errCRC)
		}
	}
	d, err := b.rawDirectory()
	if err != nil {
		return err
	}
	raw := b.hdr.section(colRaw)
	if raw == nil {
		return corruptAside("raw records", errShort)
	}
	for i := range d.frames {
		f := &d.frames[i]
		p, err := b.readAt(b.hdr.body+raw.off+f.off, f.size)
		if err != nil {
			return err
		}
		if checksum(uint64(colRaw), p) != f.crc {
			return corrupt("raw frame", errCRC)
		}
	}
	return nil
}

// encodeIndex makes the index of a segment's blocks.
func encodeIndex(hour, covered int64, blocks []*blockMeta) []byte {
	blocks = slices.Clone(blocks)
	slices.SortFunc(blocks, func(a, b *blockMeta) int { return int(min(max(a.off-b.off, -1), 1)) })
	p := append([]byte(nil), indexMagic...)
	p = binary.LittleEndian.AppendUint16(p, indexVersion)
	p = append(p, 0, 0)
	p = binary.LittleEndian.AppendUint64(p, uint64(hour))
	p = binary.LittleEndian.AppendUint64(p, uint64(covered))
	p = binary.LittleEndian.AppendUint64(p, uint64(len(blocks)))
	for _, m := range blocks {
		p = binary.LittleEndian.AppendUint64(p, uint64(m.off))
		p = m.hdr.appendPrefixed(p)
	}
	return binary.LittleEndian.AppendUint32(p, checksum(uint64(hour), p))
}

// parseIndex reads an index: the blocks, and how much of the file they are.
func parseIndex(p []byte, hour int64) ([]blockMeta, int64, error) {
	if len(p) < indexHeader+4 || string(p[:4]) != indexMagic {
		return nil, 0, errors.New("no index")
	}
	body, sum := p[:len(p)-4], binary.LittleEndian.Uint32(p[len(p)-4:])
	if checksum(uint64(hour), body) != sum {
		return nil, 0, errCRC
	}
	if v := binary.LittleEndian.Uint16(p[4:]); v != indexVersion {
		return nil, 0, fmt.Errorf("index has version %d, this program reads %d", v, indexVersion)
	}
	covered := int64(binary.LittleEndian.Uint64(p[16:]))
	n := binary.LittleEndian.Uint64(p[24:])
	body = body[indexHeader:]
	if n > uint64(len(body)) {
		return nil, 0, errShort
	}
	out := make([]blockMeta, 0, n)
	for range n {
		if len(body) < 8+prefixLen {
			return nil, 0, errShort
		}
		off := int64(binary.LittleEndian.Uint64(body))
		k, err := peekHeader(body[8:])
		if err != nil {
			return nil, 0, err
		}
		if k > len(body)-8 {
			return nil, 0, errShort
		}
		h, err := parseHeader(body[8:8+k], hour)
		if err != nil {
			return nil, 0, err
		}
		if off < segmentHeader || h.length > maxBlockBytes || off+h.length > covered {
			return nil, 0, errors.New("index has a block that is out of bounds")
		}
		out = append(out, blockMeta{off: off, hdr: h})
		body = body[8+k:]
	}
	return out, covered, nil
}

// readIndex takes the blocks from the index and returns how much of the file
// they cover: nothing where the index is missing or damaged.
func (s *segment) readIndex(size int64) (int64, []finding) {
	path := indexPath(s.path)
	p, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var blocks []blockMeta
	var covered int64
	if err == nil {
		blocks, covered, err = parseIndex(p, s.hour)
	}
	if err != nil {
		return 0, []finding{{path, 0, "index is rebuilt from the blocks", err}}
	}
	var found []finding
	if covered > size {
		// What is left is checked byte by byte, as any tail is.
		return 0, []finding{{s.path, size, "segment is shorter than its index says", errShort}}
	}
	for i := range blocks {
		m := &blocks[i]
		s.blocks = append(s.blocks, &blockMeta{seg: s, off: m.off, hdr: m.hdr})
	}
	s.indexed = len(s.blocks)
	return covered, found
}
