package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/event"
)

// TestManyRecordsThatCannotBeReadAreToldSparingly has a source fail without end beside
// one that fails once.
func TestManyRecordsThatCannotBeReadAreToldSparingly(t *testing.T) {
	var told bytes.Buffer
	in := newIntake(nil, nil, nil, time.Now, slog.New(slog.NewTextHandler(&told, nil)))
	for i := range 10_000 {
		in.Failed("trail", event.RecordError{Name: "a.json", Record: i, Err: errors.New("no JSON")})
	}
	in.Failed("other", event.RecordError{Name: "b.json", Err: errors.New("no JSON")})
	require.Equal(t, unreadTold, strings.Count(told.String(), "source=trail"))
	require.Contains(t, told.String(), "unread=10 ")
	require.Equal(t, 1, strings.Count(told.String(), "source=other"))
	require.Equal(t, uint64(10_001), in.failures.Load(), "all are counted")

	u, _ := in.unread.Load("trail")
	u.(*unread).tells.Interval = time.Nanosecond // A minute later.
	in.Failed("trail", event.RecordError{Name: "a.json", Err: errors.New("no JSON")})
	require.Contains(t, told.String(), "unread=10001 ", "with how many there were")
}
