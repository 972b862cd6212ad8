package engine

import (
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/insightd/insightd/daemon/event"
)

// A file beside the snapshots says up to which position the log may have been
// told to forget watermark records. A stream whose records go back no further
// can be made again from them exactly; any other needs its snapshot.
const thinnedName = "thinned"

func writeThinned(dir string, seq uint64) error {
	text := fmt.Sprintf("%016x", seq)
	text += fmt.Sprintf(" %08x\n", crc32.Checksum([]byte(text), castagnoli))
	if err := publish(dir, thinnedName, func(f io.Writer) error { _, err := io.WriteString(f, text); return err }); err != nil {
		return fmt.Errorf("noting what the log may forget: %w", err)
	}
	return nil
}

func readThinned(dir string) (uint64, bool) {
	b, err := os.ReadFile(filepath.Join(dir, thinnedName))
	if err != nil || len(b) != 26 {
		return 0, false
	}
	var seq uint64
	var sum uint32
	if _, err := fmt.Sscanf(string(b), "%016x %08x", &seq, &sum); err != nil || crc32.Checksum(b[:16], castagnoli) != sum {
		return 0, false
	}
	return seq, true
}

// Lost lists the streams that cannot be brought back to where they were: their
// snapshots are gone, and so are the records from which they could be made
// again. Everything has to be made anew then, with Rebuild. A snapshot counts as there
// if it can be read in full, as New will: of one that cannot, New would carry out the
// records that are left from the beginning, and series would get second values.
func Lost(log Log, dir string, logger *slog.Logger) []event.StreamKey {
	oldest := map[event.StreamKey]uint64{}
	for c := range log.ControlsSince(0) {
		if c.Kind == event.ControlWatermark && oldest[c.Stream] == 0 {
			oldest[c.Stream] = c.Seq
		}
	}
	thinned, known := readThinned(dir)
	o := Options{Log: log, Logger: logger}
	o.complete()
	var out []event.StreamKey
	for _, st := range log.Streams() {
		seq := oldest[st.Key]
		if seq == 0 || known && seq >= thinned {
			continue
		}
		usable := false
		for _, name := range snapshotsOf(dir, st.Key) {
			if _, _, err := readSnapshot(dir, name, st.Key, &o); err != nil {
				logger.Warn("A snapshot is damaged", "file", name, "stream", st.Key, "err", err)
				continue
			}
			usable = true
			break
		}
		if !usable {
			out = append(out, st.Key)
		}
	}
	return out
}

// Forget removes all snapshots, before everything is made anew. Until new ones
// are there, a start finds that they are lost.
func Forget(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err != nil {
		return fmt.Errorf("removing the snapshots: %w", err)
	}
	return writeThinned(dir, math.MaxUint64)
}
