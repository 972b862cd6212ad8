package tsdb

import (
	"errors"
	"fmt"
	"syscall"
)

// defaultReserve is how much room the disk keeps where Options.Reserve says
// nothing: what the head's chunks and a compaction need.
const defaultReserve = 64 << 20

// errWounded is what Sync returns after a commit to the head failed half way.
// Prometheus may then have a series in memory that its log does not know, whose
// samples the next start would leave out; so nothing is promised any more, and
// at the next start all since the last Sync is written again.
var errWounded = errors.New("a write to the series failed: restart the daemon, which then repeats it")

// room returns an error that is ENOSPC where the disk has less room than the
// reserve.
func (db *DB) room() error {
	if db.o.Reserve < 0 {
		return nil
	}
	free, ok := freeBytes(db.o.Dir)
	if !ok || free >= db.o.Reserve {
		return nil
	}
	return fmt.Errorf("series keep %d bytes of the disk free, and %d are left: make room or lower the retention: %w", db.o.Reserve, free, syscall.ENOSPC)
}
