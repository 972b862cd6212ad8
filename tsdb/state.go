package tsdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// stateFile is where a DB notes what it knows of its own files. It is JSON on
// one line and the CRC-32C of that line, in hexadecimal, on the next.
const stateFile = "insightd.state"

// state is what a DB knows of its files. It tells a torn end, which promised
// nothing, from damage, which did.
type state struct {
	Version int `json:"version"`
	// Clean says that the DB was closed: nothing may be torn.
	Clean bool `json:"clean"`
	// Files holds how long files of the logs and of the backfill were when they
	// were last fsynced, by their path in the directory.
	Files map[string]int64 `json:"files,omitempty"`
	// Mint and Maxt bound what the logs held at the last Sync, in Unix
	// milliseconds. Maxt is before Mint where they held nothing.
	Mint int64 `json:"mint"`
	Maxt int64 `json:"maxt"`
	// Lost is what was found gone and was not told to be restored since.
	Lost []Range `json:"lost,omitempty"`
}

// stateVersion is the form of the state that this program writes.
const stateVersion = 1

// Range is a range of time in Unix milliseconds, both ends included.
type Range struct {
	Mint int64 `json:"mint"`
	Maxt int64 `json:"maxt"`
}

// readState reads the state of a directory. known is false where there is none,
// or none that can be trusted.
func readState(dir string) (st state, known bool, err error) {
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{Mint: 0, Maxt: -1}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("reading the state of series: %w", err)
	}
	if line, ok := checked(b); ok && json.Unmarshal(line, &st) == nil && st.Version == stateVersion {
		return st, true, nil
	}
	return state{Mint: 0, Maxt: -1}, false, nil
}

// writeState makes st the state of a directory, durably.
func writeState(dir string, st state) error {
	st.Version = stateVersion
	line, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("writing the state of series: %w", err)
	}
	if err := replaceFile(filepath.Join(dir, stateFile), withChecksum(line)); err != nil {
		return fmt.Errorf("writing the state of series: %w", err)
	}
	return nil
}

// withChecksum returns the line and its checksum on a line of its own.
func withChecksum(line []byte) []byte {
	return fmt.Appendf(nil, "%s\n%08x\n", line, crc32.Checksum(line, castagnoli))
}

// checked returns the line that withChecksum was given. ok is false where it is
// not what was written.
func checked(b []byte) (line []byte, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(rest) != 9 || rest[8] != '\n' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(rest[:8]), 16, 32)
	return line, err == nil && uint32(sum) == crc32.Checksum(line, castagnoli)
}

// replaceFile writes a file so that after a crash there is the old or the new.
func replaceFile(path string, b []byte) (err error) {
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return fileutil.Rename(tmp, path)
}

// Lost returns the ranges of time from which samples are gone, since their files
// were found damaged: oldest first, without overlaps. What could be read of the
// damaged files is there. They stay, over restarts too, until Restored.
func (db *DB) Lost() []Range {
	db.stateMtx.Lock()
	defer db.stateMtx.Unlock()
	return slices.Clone(db.state.Lost)
}

// Restored notes that all samples from r.Mint to r.Maxt that can be had again
// were written again and Sync was called.
func (db *DB) Restored(r Range) error {
	done, err := db.begin()
	if err != nil {
		return err
	}
	defer done()
	db.stateMtx.Lock()
	defer db.stateMtx.Unlock()
	var left []Range
	for _, l := range db.state.Lost {
		if r.Maxt < l.Mint || r.Mint > l.Maxt {
			left = append(left, l)
			continue
		}
		if l.Mint < r.Mint {
			left = append(left, Range{Mint: l.Mint, Maxt: r.Mint - 1})
		}
		if l.Maxt > r.Maxt {
			left = append(left, Range{Mint: r.Maxt + 1, Maxt: l.Maxt})
		}
	}
	st := db.state
	st.Lost = left
	if err := writeState(db.o.Dir, st); err != nil {
		return err
	}
	db.state = st
	return nil
}

// addRange adds r to sorted ranges that do not overlap.
func addRange(ranges []Range, r Range) []Range {
	if r.Maxt < r.Mint {
		return ranges
	}
	var out []Range
	for _, o := range ranges {
		if o.Maxt < r.Mint-1 || o.Mint > r.Maxt+1 {
			out = append(out, o)
			continue
		}
		r = Range{Mint: min(r.Mint, o.Mint), Maxt: max(r.Maxt, o.Maxt)}
	}
	out = append(out, r)
	slices.SortFunc(out, func(a, b Range) int {
		if a.Mint < b.Mint {
			return -1
		}
		return 1
	})
	return out
}
