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
// again. Everything has to be made anew then, with Rebuild.
func Lost(log Log, dir string, logger *slog.Logger) []event.StreamKey {
	oldest := map[event.StreamKey]uint64{}
	for c := range log.ControlsSince(0) {
		if c.Kind == event.ControlWatermark && oldest[c.Stream] == 0 {
			oldest[c.Stream] = c.Seq
		}
	}
	thinned, known := readThinned(dir)
	var out []event.StreamKey
	for _, st := range log.Streams() {
		seq := oldest[st.Key]
		if seq == 0 || known && seq >= thinned {
			continue
		}
		usable := false
		for _, name := range snapshotsOf(dir, st.Key) {
			err := checkSnapshot(filepath.Join(dir, name))
			if err == nil {
				usable = true
				break
			}
			logger.Warn("A snapshot is damaged", "file", name, "stream", st.Key, "err", err)
		}
		if !usable {
			out = append(out, st.Key)
		}
	}
	return out
}

// checkSnapshot reads a snapshot without believing it.
func checkSnapshot(path string) error {
	f, _, err := openSnapshot(path)
	if err != nil {
		return err
	}
	return f.Close()
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
