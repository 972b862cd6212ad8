package eventlog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// scattered stores events of one hour in small blocks, and returns them.
func scattered(t testing.TB, l *Log) []event.Event {
	t.Helper()
	events := newTraffic(8, 2).events(300, time.Hour)
	for chunk := range slices.Chunk(events, 30) {
		_, err := l.Append(ctx, chunk, Replayable)
		require.NoError(t, err)
		require.NoError(t, l.Flush(ctx))
	}
	return events
}

// muchLater is when every hour was left alone for long enough.
var muchLater = time.Now().Add(1000 * time.Hour)

// TestReaderOfAMergedHourIsNotGivenTheNewFile reads an old block when the new file
// just got the name of the old one, which nobody has open.
func TestReaderOfAMergedHourIsNotGivenTheNewFile(t *testing.T) {
	var l *Log
	var old *blockMeta
	var told []error
	l = openTest(t, Options{BlockEvents: 200, tap: func(op diskOp, do func() error) error {
		err := do()
		if op.kind == diskRename && strings.HasSuffix(op.to, segmentSuffix) {
			l.files.forget(op.to) // As where many other files were opened meanwhile.
			_, rerr := old.ReadAt(make([]byte, old.hdr.length), 0)
			told = append(told, rerr)
		}
		return err
	}})
	events := scattered(t, l)
	old = l.hours[l.order[0]].seg.blocks[5]
	require.NoError(t, l.seal(muchLater))
	require.Equal(t, []error{errGone}, told)
	got, err := l.Read(ctx, ReadQuery{})
	require.NoError(t, err)
	requireSame(t, inOrder(events, false), got)
}
