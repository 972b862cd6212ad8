package insight

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// durableName is a file beside the journal that says up to where it was durable when
// others began to count on it. A tail that is missing behind that is as a power cut
// leaves it, and is raised again; one before it is a loss.
const durableName = "durable"

// durable is a place in a journal.
type durable struct {
	number uint64
	size   int64
}

// promise notes that what is in the journal now is durable. The caller fsynced it.
func (j *journal) promise() error { return j.note(durable{j.number, j.size}) }

func (j *journal) note(d durable) error {
	if d == j.promised {
		return nil
	}
	text := fmt.Sprintf("%08d %d", d.number, d.size)
	text += fmt.Sprintf(" %08x\n", crc32.Checksum([]byte(text), castagnoli))
	if err := replaceFile(filepath.Join(j.dir, durableName), text); err != nil {
		return fmt.Errorf("noting up to where insights are durable: %w", err)
	}
	j.promised = d
	return nil
}

// replaceFile writes a file so that after a crash there is the old or the new.
func replaceFile(name, text string) error {
	f, err := os.Create(name + journalPartial)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fileutil.Rename(f.Name(), name)
}

// readDurable returns what was promised in a directory, which is nothing before the
// first time.
func readDurable(dir string) (d durable, err error) {
	b, err := os.ReadFile(filepath.Join(dir, durableName))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	const sumLen = len(" 01234567\n")
	var sum uint32
	if len(b) > sumLen {
		text := b[:len(b)-sumLen]
		_, err = fmt.Sscanf(string(b), "%d %d %08x\n", &d.number, &d.size, &sum)
		if err == nil && sum == crc32.Checksum(text, castagnoli) {
			return d, nil
		}
	}
	return durable{}, errors.New("it is damaged")
}

// harmed is what is noted in the place of a promise from when a loss is found until it
// is mended, whatever happens to the journal meanwhile.
var harmed = durable{number: math.MaxUint64}

// examine finds out whether a part of the journal is missing that was durable.
func (j *journal) examine() {
	name := filepath.Join(j.dir, durableName)
	var err error
	if j.promised, err = readDurable(j.dir); err != nil {
		j.logger.Warn("Whether the insights' journal is as long as it was cannot be told", "file", name, "err", err)
	}
	switch {
	case j.corrupt > 0:
		j.harm = fmt.Sprintf("%d entries of the insights' journal are damaged", j.corrupt)
	case j.promised == harmed:
		j.harm = "the insights' journal was damaged, and was not mended yet"
	case j.number < j.promised.number, j.number == j.promised.number && j.size < j.promised.size:
		j.harm = "the insights' journal is shorter than it was"
	default:
		return
	}
	if err := j.note(harmed); err != nil {
		j.logger.Error("Noting that the insights' journal is damaged", "err", err)
	}
}
