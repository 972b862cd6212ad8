package eventlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A journal is the files of one kind in the wal directory: "events" holds what
// was acknowledged and is in no durable block yet, "control" the control
// records. Files are numbered and only ever appended to.
type journal struct {
	dir    string
	prefix string
	disk   *disk
	m      *metrics
	limit  int64 // Bytes after which a new file is begun.

	mtx    sync.Mutex // Held while the file is written.
	f      *os.File
	number uint64
	size   int64 // Up to here every frame is whole and durable.
	opened time.Time
	total  int64            // Bytes of all files.
	old    map[uint64]int64 // Sizes of the files before the open one.
}

const journalSuffix = ".wal"

func journalPath(dir, prefix string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%08d%s", prefix, number, journalSuffix))
}

// journalFiles lists the numbers of a journal's files, rising.
func journalFiles(dir, prefix string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		s, ok := strings.CutPrefix(e.Name(), prefix+"-")
		if !ok {
			continue
		}
		if s, ok = strings.CutSuffix(s, journalSuffix); !ok {
			continue
		}
		if n, err := strconv.ParseUint(s, 10, 63); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// openNext makes the next file and appends to it from now on. The caller holds
// mtx, or is alone.
func (j *journal) openNext(now time.Time) error {
	next := j.number + 1
	path := journalPath(j.dir, j.prefix, next)
	f, err := j.disk.open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, os.ErrExist) {
		j.number = next // Left by an attempt that failed: numbers are not used twice.
		return j.openNext(now)
	}
	if err != nil {
		return fmt.Errorf("making journal file: %w", err)
	}
	head := appendJournalHeader(nil, next)
	err = j.disk.writeAt(f, head, 0)
	if err == nil {
		err = j.disk.sync(f)
	}
	if err == nil {
		err = j.disk.syncDir(j.dir)
	}
	if err != nil {
		f.Close()
		j.disk.discard(path)
		return fmt.Errorf("making journal file %q: %w", path, err)
	}
	j.retire()
	j.f, j.number, j.size, j.opened = f, next, journalHeader, now
	j.total += journalHeader
	return nil
}

// retire closes the open file and keeps it among the old ones.
func (j *journal) retire() {
	if j.f != nil {
		j.f.Close()
		j.f = nil
		j.old[j.number] = j.size
	}
}

// append writes sealed frames and syncs them. After an error the file is cut
// back to its last good frame; where that fails, or the sync did, after which
// nothing that was written can be trusted, a new file is begun.
func (j *journal) append(frames [][]byte, now time.Time) error {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	if j.f == nil || j.size >= j.limit {
		if err := j.openNext(now); err != nil {
			return err
		}
	}
	at := j.size
	var err error
	for _, p := range frames {
		sealFrame(p, j.number)
		if err = j.disk.writeAt(j.f, p, at); err != nil {
			break
		}
		at += int64(len(p))
	}
	synced := true
	if err == nil {
		start := time.Now()
		err = j.disk.sync(j.f)
		synced = err == nil
		j.m.fsync.WithLabelValues("wal").Observe(time.Since(start).Seconds())
	}
	if err == nil {
		j.total += at - j.size
		j.size = at
		return nil
	}
	terr := j.disk.truncate(j.f, j.size)
	if terr == nil {
		terr = j.disk.sync(j.f)
	}
	if terr != nil || !synced {
		// The next append begins a new file.
		j.retire()
	}
	return errors.Join(fmt.Errorf("writing %s journal: %w", j.prefix, err), terr)
}

// rotate begins a new file and returns the number of the last before it.
func (j *journal) rotate(now time.Time) (uint64, error) {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	if j.f != nil && j.size == journalHeader {
		return j.number - 1, nil
	}
	if err := j.openNext(now); err != nil {
		return 0, err
	}
	return j.number - 1, nil
}

// remove deletes the old files up to a number.
func (j *journal) remove(upTo uint64) error {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	var errs []error
	for n, size := range j.old {
		if n > upTo {
			continue
		}
		if err := j.disk.remove(journalPath(j.dir, j.prefix, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		j.total -= size
		delete(j.old, n)
	}
	return errors.Join(errs...)
}

func (j *journal) bytes() (total int64, oldest time.Time) {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	return j.total, j.opened
}

func (j *journal) close() error {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}

// committer writes what several callers hand it at once with one sync. Control
// records go first, so that an event that is durable never overtakes a control
// record with a smaller number. enqueue keeps the order of its calls.
type committer struct {
	control *journal
	events  *journal
	now     func() time.Time

	mtx     sync.Mutex
	pending []commit
	leading bool
}

type commit struct {
	frame   []byte
	control bool
	done    chan error
}

// enqueue hands over a frame; the error comes once it is durable.
func (c *committer) enqueue(frame []byte, control bool) <-chan error {
	done := make(chan error, 1)
	c.mtx.Lock()
	defer c.mtx.Unlock()
	c.pending = append(c.pending, commit{frame, control, done})
	if !c.leading {
		c.leading = true
		go c.lead()
	}
	return done
}

// lead writes until nothing is left.
func (c *committer) lead() {
	for {
		c.mtx.Lock()
		batch := c.pending
		c.pending = nil
		if len(batch) == 0 {
			c.leading = false
			c.mtx.Unlock()
			return
		}
		c.mtx.Unlock()

		var errs [2]error
		for i, j := range []*journal{c.control, c.events} {
			var frames [][]byte
			for _, b := range batch {
				if b.control == (i == 0) {
					frames = append(frames, b.frame)
				}
			}
			if len(frames) == 0 {
				continue
			}
			if i == 1 && errs[0] != nil {
				errs[1] = errs[0]
				continue
			}
			errs[i] = j.append(frames, c.now())
		}
		for _, b := range batch {
			if b.control {
				b.done <- errs[0]
			} else {
				b.done <- errs[1]
			}
		}
	}
}

// numbers lists the files, rising.
func (j *journal) numbers() []uint64 {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	out := make([]uint64, 0, len(j.old)+1)
	for n := range j.old {
		out = append(out, n)
	}
	if j.f != nil {
		out = append(out, j.number)
	}
	return sortedNumbers(out)
}

// read returns what is durable of a file.
func (j *journal) read(number uint64) ([]byte, error) {
	j.mtx.Lock()
	defer j.mtx.Unlock()
	p, err := os.ReadFile(journalPath(j.dir, j.prefix, number))
	if err == nil && j.f != nil && number == j.number {
		p = p[:min(int64(len(p)), j.size)]
	}
	return p, err
}

func sortedNumbers(n []uint64) []uint64 {
	n = slices.Clone(n)
	slices.Sort(n)
	return n
}
