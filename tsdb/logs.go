package tsdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// The form of Prometheus' logs, as package wlog writes them: pages of 32 KB that
// hold pieces of records, each with a header of seven bytes, which are its kind,
// its length and its CRC-32C, both big-endian. A kind of 0 ends a page: the rest
// of it is zeros. A record never reaches into another file.
const (
	logPage   = 32 << 10
	logHeader = 7

	logEnd    = 0
	logFull   = 1
	logFirst  = 2
	logMiddle = 3
	logLast   = 4

	logKindMask   = 7
	logSnappyMask = 1 << 3
	logZstdMask   = 1 << 4
)

const (
	walDir       = "wal"
	wblDir       = wlog.WblDirName
	headChunkDir = "chunks_head"
)

// logScan is what was found in a file of a log.
type logScan struct {
	records int
	// good is where the last record before any damage ends.
	good int64
	// damaged says that something cannot be read, bad from where on.
	damaged bool
	bad     int64
}

// scanLog reads a file of a log and calls f, which may be nil, with each record
// that is whole. Unlike Prometheus' reader it goes on behind damage, at the next
// page. The record is valid until f returns.
func scanLog(r io.Reader, f func(rec []byte) error) (sc logScan, err error) {
	page := make([]byte, logPage)
	var whole, plain []byte
	// begin is where the record under way begins, -1 where none is.
	begin := int64(-1)
	hurt := func(at int64) {
		if !sc.damaged {
			sc.damaged, sc.bad = true, at
		}
		begin = -1
	}
	buf := compression.NewSyncDecodeBuffer()
	for base := int64(0); ; base += logPage {
		n, err := io.ReadFull(r, page)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return sc, err
		}
		for at := 0; at < n; {
			pos := base + int64(at)
			h := page[at]
			kind := h & logKindMask
			if kind == logEnd {
				// A record that is under way fills its page.
				if begin >= 0 {
					hurt(begin)
				}
				// Nothing stands behind the last record of a page: what does is damage,
				// from where it begins.
				if i := slices.IndexFunc(page[at:n], func(b byte) bool { return b != 0 }); i >= 0 {
					hurt(pos + int64(i))
				}
				break
			}
			if at+logHeader > n {
				hurt(pos)
				break
			}
			length := int(binary.BigEndian.Uint16(page[at+1:]))
			end := at + logHeader + length
			if end > n || h&^(logKindMask|logSnappyMask|logZstdMask) != 0 || kind > logLast ||
				crc32.Checksum(page[at+logHeader:end], castagnoli) != binary.BigEndian.Uint32(page[at+3:]) {
				hurt(pos)
				break
			}
			part := page[at+logHeader : end]
			at = end
			switch kind {
			case logFull, logFirst:
				if begin >= 0 {
					hurt(begin)
				}
				begin, whole = pos, append(whole[:0], part...)
			default:
				if begin < 0 {
					// Its beginning was damaged.
					hurt(pos)
					continue
				}
				whole = append(whole, part...)
			}
			if kind == logFirst || kind == logMiddle {
				continue
			}
			c := compression.None
			if h&logSnappyMask != 0 {
				c = compression.Snappy
			} else if h&logZstdMask != 0 {
				c = compression.Zstd
			}
			if plain, err = compression.Decode(c, whole, buf); err != nil {
				hurt(begin)
				continue
			}
			begin = -1
			sc.records++
			if !sc.damaged {
				sc.good = base + int64(end)
			}
			if f != nil {
				if err := f(plain); err != nil {
					return sc, err
				}
			}
		}
		if n < logPage {
			if begin >= 0 {
				hurt(begin)
			}
			return sc, nil
		}
	}
}

func scanLogFile(path string, f func(rec []byte) error) (logScan, error) {
	r, err := os.Open(path)
	if err != nil {
		return logScan{}, err
	}
	defer r.Close()
	return scanLog(r, f)
}

// logFiles returns the files of the log in dir, oldest first: those of the last
// checkpoint and those that are read after it.
func logFiles(dir string) (checkpoint, segments []string, err error) {
	from := 0
	cp, idx, err := wlog.LastCheckpoint(dir)
	if err == nil {
		from = idx + 1
		if checkpoint, err = segmentFiles(cp, 0); err != nil {
			return nil, nil, err
		}
	}
	segments, err = segmentFiles(dir, from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	return checkpoint, segments, err
}

func segmentFiles(dir string, from int) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= from && !e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// logRepair is what was found in the logs, and done about it.
type logRepair struct {
	// lost says that anything is gone that was promised to last.
	lost bool
	// marked are the files, as a state names them, that hold marks of mapped chunks.
	marked []string
}

// isMark reports whether a record of a log marks where a mapped chunk begins. Prometheus
// takes what stands before it for mapped.
func isMark(rec []byte) bool { return len(rec) > 0 && record.Type(rec[0]) == record.MmapMarkers }

// repairLogs makes the logs in dir readable for Prometheus, whose own repair
// drops all that comes after a damaged record, and refuses to start where that
// is in a checkpoint. Torn ends are cut; from damaged files the records that
// are whole are kept.
func repairLogs(dir string, st state, logger *slog.Logger) (done logRepair, err error) {
	for _, name := range []string{walDir, wblDir} {
		// What a crash left of an earlier repair.
		if left, _ := filepath.Glob(filepath.Join(dir, name, "*"+repairSuffix)); len(left) > 0 {
			for _, path := range left {
				if err := os.RemoveAll(path); err != nil {
					return done, fmt.Errorf("cleaning up logs of series: %w", err)
				}
			}
		}
		checkpoint, segments, err := logFiles(filepath.Join(dir, name))
		if err != nil {
			return done, fmt.Errorf("reading logs of series: %w", err)
		}
		for i, path := range append(slices.Clone(checkpoint), segments...) {
			marked := false
			sc, err := scanLogFile(path, func(rec []byte) error {
				marked = marked || isMark(rec)
				return nil
			})
			if err != nil {
				return done, fmt.Errorf("reading logs of series: %w", err)
			}
			info, err := os.Stat(path)
			if err != nil {
				return done, fmt.Errorf("reading logs of series: %w", err)
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return done, fmt.Errorf("reading logs of series: %w", err)
			}
			promised := st.Files[filepath.ToSlash(rel)]
			short := info.Size() < promised
			torn := sc.damaged && !short && i >= len(checkpoint) && !st.Clean && sc.bad >= promised
			switch {
			case torn:
				logger.Warn("log of series is torn, cutting it", "file", path, "from", sc.good, "bytes", info.Size()-sc.good)
				if err := truncateFile(path, sc.good); err != nil {
					return done, fmt.Errorf("cutting a log of series: %w", err)
				}
			case sc.damaged, short:
				done.lost = true
				logger.Error("log of series is damaged, keeping what can be read", "file", path, "at", sc.bad, "records", sc.records,
					"bytes", info.Size(), "promised", promised)
			}
			switch {
			case sc.damaged && !torn:
				if err := rewriteLog(path, logger); err != nil {
					return done, fmt.Errorf("repairing a log of series: %w", err)
				}
			case marked:
				done.marked = append(done.marked, filepath.ToSlash(rel))
			}
		}
	}
	return done, nil
}

func truncateFile(path string, size int64) error {
	if err := os.Truncate(path, size); err != nil {
		return err
	}
	return syncFile(path)
}

// repairSuffix is what the folder ends in where a file of a log is written anew.
const repairSuffix = ".insightd-repair"

// rewriteLog replaces a file of a log by one that holds its whole records alone, without
// marks.
func rewriteLog(path string, logger *slog.Logger) (err error) {
	tmp := path + repairSuffix
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	w, err := wlog.NewSize(logger, nil, tmp, wlog.DefaultSegmentSize*4, compression.Snappy)
	if err != nil {
		return err
	}
	_, err = scanLogFile(path, func(rec []byte) error {
		if isMark(rec) {
			return nil
		}
		return w.Log(rec)
	})
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(tmp, filepath.Base(wlog.SegmentName(tmp, 0))), path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// setAside renames a file or a folder so that nobody takes it for what it was.
func setAside(path string) error {
	for n := 0; ; n++ {
		to := path + asideSuffix
		if n > 0 {
			to += "-" + strconv.Itoa(n)
		}
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := os.Rename(path, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncFile(filepath.Dir(path))
	}
}

// asideSuffix is what names of damaged files and folders end in. They are kept
// for whoever wants to look at them, and nothing reads them.
const asideSuffix = ".corrupt"

// isAside reports whether a name is that of something set aside.
func isAside(name string) bool { return strings.Contains(name, asideSuffix) }
