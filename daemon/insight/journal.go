package insight

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The bytes of the journal are described in DESIGN.md beside this file.
const (
	journalMagic = "insightd insights 1\n"
	frameHead    = 9 // Length, checksum, kind.
	// maxFrame bounds what a reader believes of a length.
	maxFrame = 4 << 20

	journalPrefix  = "insights-"
	journalSuffix  = ".journal"
	journalPartial = ".tmp"

	// wasteful is how much of a journal may be out of date before it is written
	// anew.
	wasteful = 4 << 20
)

// The kinds of frame.
const (
	frameRevision byte = 1 // JSON of a revision, in place of that of its number.
	frameDelete   byte = 2 // The id of an insight that is deleted.
	frameReset    byte = 3 // Everything before is forgotten.
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errNoJournal = errors.New("not a journal of insights that this version can read; move it away, and rebuild makes its insights anew")
)

// frame is one entry of a journal. Its payload is valid until the next is read.
type frame struct {
	kind    byte
	payload []byte
}

func (f frame) bytes() int64 { return frameHead + int64(len(f.payload)) }

// appendFrame puts a frame at the end of b.
func appendFrame(b []byte, kind byte, payload []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, 0, 0, 0, 0, kind)
	b = append(b, payload...)
	sum := crc32.Update(crc32.Checksum(b[at:at+4], castagnoli), castagnoli, b[at+8:])
	binary.LittleEndian.PutUint32(b[at+4:], sum)
	return b
}

// findings are what reading a journal came to.
type findings struct {
	// good is the length up to which the journal can be used and appended to.
	good int64
	// frames were read and used.
	frames int
	// corrupt counts stretches that could not be read and have a good frame
	// behind them: they cost only themselves. lost is how many bytes they take.
	corrupt int
	lost    int64
	// headless says that the beginning is wrong.
	headless bool
}

// readJournal reads the frames of a journal. Where bytes are wrong it looks for
// the next good frame; what comes after findings.good is a torn tail. An error
// of use makes its frame count as corrupt. The error is one of r.
func readJournal(r io.Reader, use func(frame) error) (findings, error) {
	var found findings
	br := bufio.NewReaderSize(r, frameHead+maxFrame)
	magic, err := br.Peek(len(journalMagic))
	found.headless = !strings.HasPrefix(journalMagic, string(magic))
	if err != nil {
		return found, tail(err)
	}
	at, _ := br.Discard(len(journalMagic))
	found.good = int64(at)
	var bad int64 // Bytes since the last good frame.
	for {
		f, err := peekFrame(br)
		switch {
		case errors.Is(err, errFrame):
			if _, err := br.Discard(1); err != nil {
				return found, tail(err)
			}
			bad++
			continue
		case err != nil:
			return found, tail(err)
		}
		if bad > 0 {
			found.corrupt++
			found.lost += bad
			found.good += bad
			bad = 0
		}
		if use(f) != nil {
			found.corrupt++
			found.lost += f.bytes()
		} else {
			found.frames++
		}
		if _, err := br.Discard(int(f.bytes())); err != nil {
			return found, err
		}
		found.good += f.bytes()
	}
}

// errFrame says that no frame begins here.
var errFrame = errors.New("no frame")

// peekFrame returns the frame that br stands at. The error is errFrame where
// there is none, and io.EOF at the end.
func peekFrame(br *bufio.Reader) (frame, error) {
	head, err := br.Peek(frameHead)
	if err != nil {
		return frame{}, err
	}
	size, kind := binary.LittleEndian.Uint32(head), head[8]
	if size > maxFrame || kind < frameRevision || kind > frameReset {
		return frame{}, errFrame
	}
	b, err := br.Peek(frameHead + int(size))
	switch {
	case tail(err) != nil:
		return frame{}, err
	case err != nil:
		return frame{}, errFrame
	}
	sum := crc32.Update(crc32.Checksum(b[:4], castagnoli), castagnoli, b[8:])
	if sum != binary.LittleEndian.Uint32(b[4:8]) {
		return frame{}, errFrame
	}
	return frame{kind: kind, payload: b[frameHead:]}, nil
}

// tail says that the end of the bytes is no error.
func tail(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// journal is the file that holds the insights. It is guarded by the store.
type journal struct {
	dir    string
	logger *slog.Logger
	f      *os.File
	number uint64
	size   int64
	// garbage is how much of size is out of date.
	garbage int64
	dirty   bool
	// suspect says that an fsync failed: what the disk holds is not known, so
	// that the journal is written anew.
	suspect bool
	// broken says why nothing can be appended any more.
	broken error
	// compaction takes a copy of every frame while it is under way.
	compaction *compaction

	// harm says what is lost of it, which only the event log can make again. It is
	// empty where nothing is.
	harm string
	// corrupt frames and cut bytes that were found when it was opened.
	corrupt int
	cut     int64
	// promised is up to where others count on it.
	promised durable
}

func journalName(number uint64) string {
	return journalPrefix + fmt.Sprintf("%08d", number) + journalSuffix
}

// openJournal opens the newest journal of dir, or begins one, and hands every
// frame to use. A torn tail is cut off.
func openJournal(dir string, logger *slog.Logger, use func(*journal, frame) error) (*journal, error) {
	number, err := clean(dir)
	if err != nil {
		return nil, err
	}
	j := &journal{dir: dir, logger: logger, number: number}
	name := filepath.Join(dir, journalName(number))
	if j.f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return nil, err
	}
	if err := j.read(use); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %q: %w", name, err), j.f.Close())
	}
	return j, nil
}

func (j *journal) read(use func(*journal, frame) error) error {
	size, err := j.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := j.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	found, err := readJournal(j.f, func(f frame) error {
		err := use(j, f)
		j.size += f.bytes()
		return err
	})
	if err != nil {
		return err
	}
	if found.headless && found.frames == 0 && size != int64(len(journalMagic)) {
		return errNoJournal
	}
	if found.headless {
		if _, err := j.f.WriteAt([]byte(journalMagic), 0); err != nil {
			return err
		}
		j.dirty = true
	}
	j.corrupt, j.cut = found.corrupt, size-found.good
	if j.corrupt > 0 {
		j.logger.Warn("The insights' journal has corrupt frames", "file", j.f.Name(), "frames", j.corrupt)
	}
	if j.cut > 0 {
		j.logger.Warn("Cutting off the torn tail of the insights' journal", "file", j.f.Name(), "bytes", j.cut, "at", found.good)
		if err := j.f.Truncate(found.good); err != nil {
			return err
		}
	}
	j.size = found.good
	j.garbage += found.lost
	j.examine()
	if _, err := j.f.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	if j.size == 0 {
		if _, err := j.f.WriteString(journalMagic); err != nil {
			return err
		}
		j.size = int64(len(journalMagic))
		j.dirty = true
		if err := j.sync(); err != nil {
			return err
		}
		return syncDir(j.dir)
	}
	return nil
}

// clean deletes what a crash left of a compaction, and returns the number of
// the newest journal, 1 where there is none.
func clean(dir string) (uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	newest := uint64(1)
	var old []string
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Name(), journalPrefix)
		if !ok {
			continue
		}
		if strings.HasSuffix(name, journalPartial) {
			old = append(old, f.Name())
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(name, journalSuffix), 10, 64)
		if err == nil && f.Name() == journalName(n) {
			newest = max(newest, n)
			old = append(old, f.Name())
		}
	}
	for _, name := range old {
		if name == journalName(newest) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return 0, err
		}
	}
	return newest, nil
}

// append writes a frame and returns its size. It is not fsynced.
func (j *journal) append(kind byte, payload []byte) (int64, error) {
	if j.broken != nil {
		return 0, j.broken
	}
	if len(payload) > maxFrame {
		return 0, fmt.Errorf("a frame of %d bytes is more than %d", len(payload), maxFrame)
	}
	b := appendFrame(nil, kind, payload)
	if _, err := j.f.Write(b); err != nil {
		// Back to the last good frame, or the next would stand behind half a
		// one.
		terr := j.f.Truncate(j.size)
		if _, serr := j.f.Seek(j.size, io.SeekStart); terr == nil {
			terr = serr
		}
		if terr != nil {
			j.broken = fmt.Errorf("the journal could not be cut back after a failed write: %w", terr)
			return 0, errors.Join(err, j.broken)
		}
		return 0, err
	}
	j.size += int64(len(b))
	j.dirty = true
	if j.compaction != nil {
		j.compaction.late = append(j.compaction.late, b...)
	}
	return int64(len(b)), nil
}

func (j *journal) sync() error {
	if !j.dirty {
		return nil
	}
	if err := j.f.Sync(); err != nil {
		j.suspect = true
		return fmt.Errorf("fsyncing %q: %w", j.f.Name(), err)
	}
	j.dirty = false
	return nil
}

// wasteful reports whether it is time to write the journal anew.
func (j *journal) wasteful() bool {
	return j.compaction == nil && (j.suspect || j.garbage > wasteful && j.garbage > j.size/2)
}

func (j *journal) close() error {
	if j.compaction != nil {
		j.compaction.abandon()
	}
	return errors.Join(j.sync(), j.f.Close())
}

// compaction is a new journal that is being written.
type compaction struct {
	j    *journal
	f    *os.File
	w    *bufio.Writer
	size int64
	// late are the frames that the old journal got meanwhile.
	late []byte
	err  error
}

// begin starts a compaction. From then on what is appended goes to both.
func (j *journal) begin() (*compaction, error) {
	if j.compaction != nil {
		return nil, errors.New("a compaction is under way")
	}
	f, err := os.Create(filepath.Join(j.dir, journalName(j.number+1)+journalPartial))
	if err != nil {
		return nil, fmt.Errorf("writing the journal anew: %w", err)
	}
	c := &compaction{j: j, f: f, w: bufio.NewWriterSize(f, 1<<16), size: int64(len(journalMagic))}
	_, c.err = c.w.WriteString(journalMagic)
	j.compaction = c
	return c, nil
}

// add writes a frame of what the tables hold. It needs no lock.
func (c *compaction) add(kind byte, payload []byte) error {
	b := appendFrame(nil, kind, payload)
	_, err := c.w.Write(b)
	c.size += int64(len(b))
	return err
}

// finish puts the new journal in the place of the old one. The store's lock is
// held.
func (c *compaction) finish() error {
	j := c.j
	err := c.err
	if err == nil {
		_, err = c.w.Write(c.late)
	}
	if err == nil {
		err = c.w.Flush()
	}
	if err == nil {
		err = c.f.Sync()
	}
	next := filepath.Join(j.dir, journalName(j.number+1))
	if err == nil {
		err = os.Rename(c.f.Name(), next)
	}
	if err != nil {
		c.abandon()
		return fmt.Errorf("writing the journal anew: %w", err)
	}
	old := j.f
	j.f, j.number, j.size = c.f, j.number+1, c.size+int64(len(c.late))
	// What came late may be out of date by now; the next compaction counts it.
	j.garbage, j.dirty, j.suspect, j.broken, j.compaction = 0, false, false, nil, nil
	return errors.Join(syncDir(j.dir), old.Close(), os.Remove(old.Name()))
}

// abandon leaves the old journal in force. The store's lock is held.
func (c *compaction) abandon() {
	name := c.f.Name()
	if err := errors.Join(c.f.Close(), os.Remove(name)); err != nil {
		c.j.logger.Warn("Deleting a journal that was not finished", "file", name, "err", err)
	}
	c.j.compaction = nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
