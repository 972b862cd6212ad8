package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// Checkpoints remembers, a file a source, which files have been read to where.
// A source's file is replaced as a whole and is either the old or the new one,
// whatever happens.
type Checkpoints struct{ dir string }

// entry says how far a file has been read, and what it looked like then.
type entry struct {
	stat
	// offset is how many bytes have been read and delivered, and records how
	// many records were in them. In a file that is read as a whole it is size.
	offset  int64
	records int
	// headLen bytes at the start of the file have the hash head.
	headLen int
	head    uint64
	// newest is the newest event time, in Unix nanoseconds; 0 is none.
	newest int64
	// lines says that what is added can be read on its own.
	lines bool
}

// stat is what tells one state of a file from another.
type stat struct {
	size  int64
	mtime int64 // Unix nanoseconds.
	dev   uint64
	ino   uint64
}

// OpenCheckpoints makes dir where it is missing.
func OpenCheckpoints(dir string) (*Checkpoints, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("opening the checkpoints: %w", err)
	}
	return &Checkpoints{dir: dir}, nil
}

// path is where a source's checkpoint is. The hash keeps apart names that look
// the same once they are fit for a file system.
func (c *Checkpoints) path(source string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, source)
	if len(plain) > 64 {
		plain = plain[len(plain)-64:]
	}
	return filepath.Join(c.dir, fmt.Sprintf("%s-%016x.checkpoint", strings.Trim(plain, "_"), xxhash.Sum64String(source)))
}

// load returns what is remembered of a source, and an empty map where nothing
// is. Beside an error, which says that the checkpoint is damaged, the map is
// empty too: the source starts over.
func (c *Checkpoints) load(source string) (map[string]entry, error) {
	name := c.path(source)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]entry{}, nil
	}
	if err == nil {
		var entries map[string]entry
		if entries, err = decodeCheckpoint(b, source); err == nil {
			return entries, nil
		}
	}
	return map[string]entry{}, fmt.Errorf("reading the checkpoint %s: %w", name, err)
}

// save puts an encoded checkpoint in place of the old one.
func (c *Checkpoints) save(source string, b []byte) (err error) {
	name := c.path(source)
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing the checkpoint %s: %w", name, err)
		}
	}()
	temp := name + ".tmp"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return fileutil.Rename(temp, name)
}
