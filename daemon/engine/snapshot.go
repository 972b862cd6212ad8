package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/insightd/insightd/daemon/event"
)

// A snapshot is what a stream knew once a record was carried out:
//
//	"IDST" | version u16 | 0 u16 | body, as an S2 stream | CRC32C u32 of all before it
//
// The body is text provider, text account, the push clients, and stream.fields;
// numbers are zigzag varints, floats little-endian, texts have their length
// before them. Files are named by a hash of the stream and the position of the
// record: a snapshot is written beside the old one, synced, and renamed; the
// two newest of a stream stay.
const (
	snapshotMagic  = "IDST"
	snapshotSuffix = ".snapshot"
	snapshotHeader = 8
	snapshotsKept  = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode writes the state of a stream. The caller holds mtx.
func (s *stream) encode(w io.Writer, pushes []pushed) error {
	find := &codec{used: map[symbol]struct{}{0: {}}}
	s.fields(find)
	names := make([]symbol, 0, len(find.used))
	for y := range find.used {
		names = append(names, y)
	}
	slices.Sort(names)
	d := &codec{w: bufio.NewWriterSize(w, 1<<16), renumbered: make(map[symbol]symbol, len(names))}
	for i, y := range names {
		d.renumbered[y] = symbol(i)
	}
	for k, y := range s.apis.byPair { // What is used only here is not kept.
		if _, used := find.used[y]; !used {
			delete(s.apis.byPair, k)
		}
	}
	key := s.key
	d.text(&key.Provider)
	d.text(&key.Account)
	list(d, &pushes, func(p *pushed) { d.text(&p.client); d.moment(&p.newest) })
	s.fields(d)
	if d.err != nil {
		return d.err
	}
	return d.w.Flush()
}

// decode makes the stream that encode wrote.
func decode(r io.Reader, o *Options) (*stream, []pushed, error) {
	d := &codec{r: bufio.NewReaderSize(r, 1<<16)}
	var key event.StreamKey
	d.text(&key.Provider)
	d.text(&key.Account)
	var pushes []pushed
	list(d, &pushes, func(p *pushed) { d.text(&p.client); d.moment(&p.newest) })
	s := newStream(key, o, Settings{})
	s.fields(d)
	if d.err != nil {
		return nil, nil, d.err
	}
	if _, err := d.r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%w: more than its fields", errSnapshot)
	}
	s.counts.set = s.set
	s.open = newOpen(key, s.set.SeriesPerAccount)
	return s, pushes, nil
}

// compact forgets the symbols that nothing uses any more: of addresses, say,
// which are many. It does so by writing the stream and reading it back.
func (s *stream) compact() error {
	var b bytes.Buffer
	if err := s.encode(&b, nil); err != nil {
		return fmt.Errorf("forgetting unused names: %w", err)
	}
	o, _, err := decode(&b, s.o)
	if err != nil {
		return fmt.Errorf("forgetting unused names: %w", err)
	}
	s.symbols, s.apis, s.identities = o.symbols, o.apis, o.identities
	s.models, s.all, s.episodes = o.models, o.all, o.episodes
	s.slots, s.told, s.lookers, s.storms = o.slots, o.told, o.lookers, o.storms
	s.behaviours = o.behaviours
	s.sights, s.sightsBy, s.openBy = o.sights, o.sightsBy, o.openBy
	s.counts.symbols, s.counts.byKey = o.symbols, o.counts.byKey
	s.compacted = len(s.symbols.names)
	s.preview.detach()
	return nil
}

// compactFrom is from how many names on unused ones are looked for.
const compactFrom = 1 << 16

// overgrown reports whether the names may be mostly unused.
func (s *stream) overgrown() bool {
	return len(s.symbols.names) > compactFrom && len(s.symbols.names) > 2*s.compacted
}

// snapshotName is the name of a stream's snapshot at a position.
func snapshotName(key event.StreamKey, seq uint64) string {
	return fmt.Sprintf("%016x-%016x%s", xxhash.Sum64String(key.Provider+"\x00"+key.Account), seq, snapshotSuffix)
}

// writeSnapshot writes a stream's snapshot and removes those that it makes
// needless. The caller holds mtx.
func (s *stream) writeSnapshot(dir string, pushes []pushed) error {
	name := snapshotName(s.key, s.position.seq)
	if err := publish(dir, name, func(f io.Writer) error {
		sum := crc32.New(castagnoli)
		out := io.MultiWriter(f, sum)
		head := append([]byte(snapshotMagic), 0, 0, 0, 0)
		binary.LittleEndian.PutUint16(head[4:], stateVersion)
		if _, err := out.Write(head); err != nil {
			return err
		}
		packed := s2.NewWriter(out, s2.WriterConcurrency(1))
		if err := errors.Join(s.encode(packed, pushes), packed.Close()); err != nil {
			return err
		}
		_, err := f.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
		return err
	}); err != nil {
		return fmt.Errorf("writing snapshot %q: %w", name, err)
	}
	kept := snapshotsOf(dir, s.key)
	for _, old := range kept[min(snapshotsKept, len(kept)):] {
		if err := os.Remove(filepath.Join(dir, old)); err != nil {
			s.o.Logger.Warn("Removing an old snapshot", "file", old, "err", err)
		}
	}
	return nil
}

// publish writes a file so that after a crash there is the old or the new.
func publish(dir, name string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(dir, "*.tmp")
	if err != nil {
		return err
	}
	err = write(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = fileutil.Rename(tmp.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // It is gone where it has its name already.
	}
	return err
}

// snapshotsOf lists a stream's snapshots, the newest first.
func snapshotsOf(dir string, key event.StreamKey) []string {
	prefix, _, _ := strings.Cut(snapshotName(key, 0), "-")
	var out []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix+"-") && strings.HasSuffix(e.Name(), snapshotSuffix) {
			out = append(out, e.Name())
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(snapshotSeq(b), snapshotSeq(a)) })
	return out
}

func snapshotSeq(name string) uint64 {
	_, seq, _ := strings.Cut(strings.TrimSuffix(name, snapshotSuffix), "-")
	n, err := strconv.ParseUint(seq, 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// openSnapshot opens a snapshot and checks it in full. body is how long it is
// without its checksum.
func openSnapshot(path string) (f *os.File, body int64, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if body = st.Size() - 4; body < snapshotHeader {
		return nil, 0, io.ErrUnexpectedEOF
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, body)); err != nil {
		return nil, 0, err
	}
	var head [snapshotHeader]byte
	var tail [4]byte
	if _, err := f.ReadAt(tail[:], body); err != nil {
		return nil, 0, err
	}
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, 0, err
	}
	switch v := binary.LittleEndian.Uint16(head[4:]); {
	case binary.LittleEndian.Uint32(tail[:]) != sum.Sum32():
		return nil, 0, errors.New("the checksum is wrong")
	case string(head[:4]) != snapshotMagic:
		return nil, 0, errSnapshot
	case v != stateVersion:
		return nil, 0, fmt.Errorf("it has version %d, this program reads %d", v, stateVersion)
	}
	return f, body, nil
}

// readSnapshot reads a stream's snapshot, which it checks in full before it believes
// any of it.
func readSnapshot(dir, name string, key event.StreamKey, o *Options) (*stream, []pushed, error) {
	f, body, err := openSnapshot(filepath.Join(dir, name))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	s, pushes, err := decode(s2.NewReader(io.NewSectionReader(f, snapshotHeader, body-snapshotHeader)), o)
	switch {
	case err != nil:
		return nil, nil, err
	case s.key != key:
		return nil, nil, errors.New("it is another stream's")
	case s.position.seq != snapshotSeq(name):
		return nil, nil, errors.New("it is of another position")
	}
	return s, pushes, nil
}

// loadSnapshot returns the stream as its newest good snapshot has it, or nil
// where there is none. What is wrong with others is told.
func loadSnapshot(dir string, key event.StreamKey, o *Options) (*stream, []pushed) {
	kept := snapshotsOf(dir, key)
	for _, name := range kept {
		s, pushes, err := readSnapshot(dir, name, key, o)
		if err != nil {
			o.metrics.damaged.Inc()
			o.Logger.Warn("A snapshot cannot be used; an older one or the event log is used instead", "file", name, "stream", key, "err", err)
			continue
		}
		s.snapshot = snapshotState{seq: s.position.seq, before: snapshotSeq(kept[len(kept)-1]), done: s.position.done}
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s.snapshot.at = st.ModTime()
		}
		return s, pushes
	}
	return nil, nil
}
