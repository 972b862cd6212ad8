package tsdb

import (
	"slices"

	"github.com/oklog/ulid/v2"
	promtsdb "github.com/prometheus/prometheus/tsdb"
)

type blockID = ulid.ULID

// blocksToDelete picks the blocks that compaction has replaced, those that are
// wholly past the retention, counted back from now, and the oldest of those that
// exceed maxBytes together with the head. All times are in milliseconds; a
// retention or maxBytes of 0 is no bound.
func blocksToDelete(blocks []*promtsdb.Block, now, retention, maxBytes, headSize int64) map[blockID]struct{} {
	blocks = slices.Clone(blocks)
	slices.SortFunc(blocks, func(a, b *promtsdb.Block) int {
		switch {
		case a.MaxTime() > b.MaxTime():
			return -1
		case a.MaxTime() < b.MaxTime():
			return 1
		}
		return 0
	})
	deletable := make(map[blockID]struct{})
	size := headSize
	for _, b := range blocks {
		meta := b.Meta()
		if meta.Compaction.Deletable {
			deletable[meta.ULID] = struct{}{}
			continue
		}
		if retention > 0 && b.MaxTime() <= now-retention {
			deletable[meta.ULID] = struct{}{}
			continue
		}
		size += b.Size()
		if maxBytes > 0 && size > maxBytes {
			deletable[meta.ULID] = struct{}{}
		}
	}
	return deletable
}
