package tsdb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// spoolDayBytes is how much of a day gathers in memory before it is written.
	spoolDayBytes = 32 << 10
	// spoolMemory bounds what all days hold in memory.
	spoolMemory = 8 << 20

	spoolDaySuffix    = ".samples"
	spoolSeriesPrefix = "series-"
)

// spool keeps history on disk, by UTC day, until it is written to blocks.
//
// Files are of epochs: CommitBackfill and Open begin a new one, and the files of
// older epochs are only read and deleted. An epoch has one file with its series,
// which numbers them, and one file a day with samples, which name a series by
// its number. frame.go describes their bytes.
type spool struct {
	dir string
	o   spoolOptions

	mtx sync.Mutex
	// first and last are when samples were added since the last seal, zero where
	// none were.
	first, last time.Time
	// epoch is the one that is written to, from 1 on.
	epoch uint32
	// byHash holds the number of the last series with a hash, and next the
	// number before it that has the same hash, -1 where there is none.
	byHash map[uint64]int32
	next   []int32
	lsets  []labels.Labels
	series spoolFile
	days   map[int64]*spoolFile
	// memory is the size of all buffers.
	memory int
	// sealed are the day files of older epochs.
	sealed []spoolDay
	// count is how many samples wait in this epoch, sealedCount in older ones.
	count, sealedCount int
}

// spoolDay names a day file of an older epoch.
type spoolDay struct {
	day   int64
	epoch uint32
	path  string
	count int
}

// spoolFile is a file of the epoch that is written to.
type spoolFile struct {
	path string
	kind byte
	// buf holds the n records that are not written yet.
	buf []byte
	n   int
	// count is how many records the file has.
	count int
	// size is how long the file is, up to its last whole frame.
	size int64
	// dirty says that the file was written to since its last fsync.
	dirty bool
}

// spoolOptions are what a spool needs of its DB.
type spoolOptions struct {
	logger *slog.Logger
	now    func() time.Time
	// promised tells how long a file was when it was last fsynced, and gone takes
	// what is lost of that.
	promised func(path string) int64
	gone     func(Range)
}

// openSpool adopts what is in dir, and cleans up what a crash left.
func openSpool(dir string, o spoolOptions) (*spool, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("opening backfill: %w", err)
	}
	sp := &spool{dir: dir, o: o}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("opening backfill: %w", err)
	}
	series := make(map[uint32]spoolCount)
	var days []spoolDay
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if epoch, ok := parseSeriesName(e.Name()); ok {
			if series[epoch], err = countRecords(path, frameSeries); err != nil {
				return nil, fmt.Errorf("opening backfill: %w", err)
			}
			sp.epoch = max(sp.epoch, epoch)
		} else if day, epoch, ok := parseDayName(e.Name()); ok {
			days = append(days, spoolDay{day: day, epoch: epoch, path: path})
			sp.epoch = max(sp.epoch, epoch)
		}
	}
	for _, d := range days {
		adopted, err := sp.adopt(&d, series)
		if err != nil {
			return nil, fmt.Errorf("opening backfill: %w", err)
		}
		if adopted {
			sp.sealed = append(sp.sealed, d)
			sp.sealedCount += d.count
		}
	}
	epochs := make(map[uint32]bool)
	for epoch := range series {
		epochs[epoch] = true
	}
	if err := sp.dropSeries(epochs); err != nil {
		return nil, err
	}
	sp.begin()
	return sp, nil
}

// adopt takes over a day file of an earlier process. It tells what of that was
// promised to last and is lost: samples, or the series that they are of.
func (sp *spool) adopt(d *spoolDay, series map[uint32]spoolCount) (bool, error) {
	promised := sp.o.promised(d.path)
	s, hasSeries := series[d.epoch]
	seriesPromised := sp.o.promised(sp.seriesPath(d.epoch))
	c, err := countRecords(d.path, frameSamples)
	if err != nil {
		return false, err
	}
	d.count = c.records
	if c.good < promised || promised > 0 && s.good < seriesPromised {
		sp.o.logger.Error("backfill is damaged, keeping what can be read", "file", d.path, "good", c.good, "promised", promised,
			"series_good", s.good, "series_promised", seriesPromised)
		sp.o.gone(Range{Mint: d.day * dayMillis, Maxt: (d.day+1)*dayMillis - 1})
	} else if c.lost > 0 {
		sp.o.logger.Warn("backfill is torn, leaving out what was not synced", "file", d.path, "bytes", c.lost)
	}
	if c.foreign || hasSeries && s.foreign {
		// What a newer version wrote is kept for it.
		sp.o.logger.Error("backfill is of another version, setting it aside", "file", d.path)
		return false, setAside(d.path)
	}
	if !hasSeries {
		// Files are fsynced after their series file.
		sp.o.logger.Warn("backfill has samples without their series, deleting them", "file", d.path)
		return false, os.Remove(d.path)
	}
	return true, nil
}

// dropSeries deletes the series files, of those in epochs, that no day needs.
func (sp *spool) dropSeries(epochs map[uint32]bool) error {
	needed := make(map[uint32]bool)
	for _, d := range sp.sealed {
		needed[d.epoch] = true
	}
	for epoch := range epochs {
		if needed[epoch] {
			continue
		}
		if err := os.Remove(sp.seriesPath(epoch)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cleaning up backfill: %w", err)
		}
	}
	return nil
}

// begin starts a new epoch. The lock is held, or nobody knows of sp yet.
func (sp *spool) begin() {
	sp.epoch++
	sp.byHash = make(map[uint64]int32)
	sp.next, sp.lsets = nil, nil
	sp.series = spoolFile{path: sp.seriesPath(sp.epoch), kind: frameSeries}
	sp.days = make(map[int64]*spoolFile)
	sp.memory, sp.count = 0, 0
}

func (sp *spool) seriesPath(epoch uint32) string {
	return filepath.Join(sp.dir, spoolSeriesPrefix+strconv.FormatUint(uint64(epoch), 10))
}

func (sp *spool) dayPath(day int64, epoch uint32) string {
	return filepath.Join(sp.dir, strconv.FormatInt(day, 10)+"-"+strconv.FormatUint(uint64(epoch), 10)+spoolDaySuffix)
}

func parseSeriesName(name string) (epoch uint32, ok bool) {
	digits, ok := strings.CutPrefix(name, spoolSeriesPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

func parseDayName(name string) (day int64, epoch uint32, ok bool) {
	stem, ok := strings.CutSuffix(name, spoolDaySuffix)
	if !ok {
		return 0, 0, false
	}
	i := strings.LastIndexByte(stem, '-')
	if i < 1 {
		return 0, 0, false
	}
	day, err := strconv.ParseInt(stem[:i], 10, 64)
	if err != nil {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(stem[i+1:], 10, 32)
	return day, uint32(n), err == nil
}

// dayOf is the UTC day of t, counted from 1970.
func dayOf(t int64) int64 {
	d := t / dayMillis
	if t%dayMillis < 0 {
		d--
	}
	return d
}

// pending is how many samples wait.
func (sp *spool) pending() int {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	return sp.count + sp.sealedCount
}

// waiting is how many samples wait, and when the first and the last of them came
// since the last seal.
func (sp *spool) waiting() (count int, first, last time.Time) {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	return sp.count + sp.sealedCount, sp.first, sp.last
}

// add takes in samples. After an error a caller may repeat the call: samples
// that are there twice are written once.
func (sp *spool) add(samples []Sample) error {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	if len(samples) > 0 {
		sp.last = sp.o.now()
		if sp.first.IsZero() {
			sp.first = sp.last
		}
	}
	for i := range samples {
		s := &samples[i]
		id, err := sp.number(s.Series)
		if err != nil {
			return err
		}
		day := dayOf(s.T)
		f := sp.days[day]
		if f == nil {
			f = &spoolFile{path: sp.dayPath(day, sp.epoch), kind: frameSamples}
			sp.days[day] = f
		}
		before := len(f.buf)
		f.buf = appendSample(f.buf, id, uint64(s.T-day*dayMillis), s.V)
		f.n++
		sp.memory += len(f.buf) - before
		sp.count++
		if len(f.buf) >= spoolDayBytes {
			if err := sp.flushDay(f); err != nil {
				return err
			}
		}
	}
	if sp.memory >= spoolMemory {
		return sp.flush()
	}
	return nil
}

// number returns the number of a series in this epoch. The lock is held.
func (sp *spool) number(s *Series) (uint32, error) {
	s.mtx.Lock()
	defer s.mtx.Unlock()
	if s.spoolOwner == sp && s.spoolEpoch == sp.epoch {
		return s.spool, nil
	}
	h := s.lset.Hash()
	last, ok := sp.byHash[h]
	if !ok {
		last = -1
	}
	id := last
	for id >= 0 && !labels.Equal(sp.lsets[id], s.lset) {
		id = sp.next[id]
	}
	if id < 0 {
		if len(sp.lsets) > maxSpoolSeries {
			return 0, fmt.Errorf("backfill holds %d series: commit it first", len(sp.lsets))
		}
		id = int32(len(sp.lsets))
		sp.lsets = append(sp.lsets, s.lset)
		sp.next = append(sp.next, last)
		sp.byHash[h] = id
		before := len(sp.series.buf)
		sp.series.buf = appendLabels(sp.series.buf, s.lset)
		sp.series.n++
		sp.memory += len(sp.series.buf) - before
		if len(sp.series.buf) >= spoolDayBytes {
			if err := sp.write(&sp.series); err != nil {
				return 0, err
			}
		}
	}
	s.spoolOwner, s.spoolEpoch, s.spool = sp, sp.epoch, uint32(id)
	return s.spool, nil
}

// flushDay writes what is buffered of a day, after the series that it names.
func (sp *spool) flushDay(f *spoolFile) error {
	if err := sp.write(&sp.series); err != nil {
		return err
	}
	return sp.write(f)
}

// flush writes everything that is buffered. The lock is held.
func (sp *spool) flush() error {
	if err := sp.write(&sp.series); err != nil {
		return err
	}
	for _, f := range sp.days {
		if err := sp.write(f); err != nil {
			return err
		}
	}
	return nil
}

// write appends the buffer of f to its file as one frame. After an error the
// buffer is still there, and the file ends where it did.
func (sp *spool) write(f *spoolFile) (err error) {
	if f.n == 0 {
		return nil
	}
	frame := make([]byte, 0, len(f.buf)+64)
	if f.size == 0 {
		frame = appendFileHeader(frame, f.kind)
	}
	frame = appendFrame(frame, f.n, f.buf)
	w, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("writing backfill: %w", err)
	}
	defer func() {
		if cerr := w.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("writing backfill: %w", cerr)
		}
	}()
	if _, err := w.WriteAt(frame, f.size); err != nil {
		return errors.Join(fmt.Errorf("writing backfill: %w", err), w.Truncate(f.size))
	}
	f.size += int64(len(frame))
	f.dirty = true
	sp.memory -= len(f.buf)
	f.count += f.n
	f.buf, f.n = f.buf[:0], 0
	return nil
}

// sync makes everything that was added durable, and returns how long the files
// are.
func (sp *spool) sync() (map[string]int64, error) {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	if err := sp.syncFiles(); err != nil {
		return nil, err
	}
	sizes := make(map[string]int64)
	for _, d := range sp.sealed {
		for _, path := range []string{d.path, sp.seriesPath(d.epoch)} {
			st, err := os.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("syncing backfill: %w", err)
			}
			sizes[path] = st.Size()
		}
	}
	for _, f := range sp.days {
		sizes[f.path] = f.size
	}
	if sp.series.size > 0 {
		sizes[sp.series.path] = sp.series.size
	}
	return sizes, nil
}

// syncFiles writes what is buffered and fsyncs the files of the epoch, the
// series first: samples without their series are nothing. The lock is held.
func (sp *spool) syncFiles() error {
	if err := sp.flush(); err != nil {
		return err
	}
	files := []*spoolFile{&sp.series}
	for _, f := range sp.days {
		files = append(files, f)
	}
	synced := false
	for _, f := range files {
		if !f.dirty {
			continue
		}
		if err := syncFile(f.path); err != nil {
			return fmt.Errorf("syncing backfill: %w", err)
		}
		f.dirty = false
		synced = true
	}
	if !synced {
		return nil
	}
	if err := syncFile(sp.dir); err != nil {
		return fmt.Errorf("syncing backfill: %w", err)
	}
	return nil
}

// seal ends the epoch and returns all day files, in order of day and epoch. They
// are fsynced: a Sync that comes while they wait does not look at them again.
func (sp *spool) seal() ([]spoolDay, error) {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	if err := sp.syncFiles(); err != nil {
		return nil, err
	}
	sp.first, sp.last = time.Time{}, time.Time{}
	if sp.count > 0 {
		for day, f := range sp.days {
			sp.sealed = append(sp.sealed, spoolDay{day: day, epoch: sp.epoch, path: f.path, count: f.count})
		}
		sp.sealedCount += sp.count
		sp.begin()
	}
	slices.SortFunc(sp.sealed, func(a, b spoolDay) int {
		if a.day != b.day {
			return cmp.Compare(a.day, b.day)
		}
		return cmp.Compare(a.epoch, b.epoch)
	})
	return slices.Clone(sp.sealed), nil
}

// remove deletes day files that were written to blocks, and series files that
// no day needs any more.
func (sp *spool) remove(days []spoolDay) error {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	epochs := make(map[uint32]bool)
	for _, d := range days {
		if err := os.Remove(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("deleting written backfill: %w", err)
		}
		sp.sealed = slices.DeleteFunc(sp.sealed, func(o spoolDay) bool { return o.path == d.path })
		sp.sealedCount -= d.count
		epochs[d.epoch] = true
	}
	return sp.dropSeries(epochs)
}

// close writes what is buffered.
func (sp *spool) close() error {
	sp.mtx.Lock()
	defer sp.mtx.Unlock()
	return sp.flush()
}

// syncFile fsyncs a file or a directory.
func syncFile(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return f.Sync()
}
