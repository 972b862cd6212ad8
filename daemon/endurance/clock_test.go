//go:build linux

package endurance

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// clock is a clock that processes share: nanoseconds since 1970 in a file that
// is mapped. It stands still until somebody sets it.
type clock struct{ mem []byte }

// newClock makes a clock. It is unmapped when the test ends.
func newClock(t *testing.T, path string, at time.Time) *clock {
	t.Helper()
	require.NoError(t, os.WriteFile(path, make([]byte, 8), 0o600))
	c, err := openClock(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(c.mem)) })
	c.set(at)
	return c
}

func openClock(path string) (*clock, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the clock: %w", err)
	}
	defer f.Close()
	mem, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the clock: %w", err)
	}
	return &clock{mem}, nil
}

func (c *clock) word() *int64 { return (*int64)(unsafe.Pointer(&c.mem[0])) }

func (c *clock) now() time.Time { return time.Unix(0, atomic.LoadInt64(c.word())).UTC() }

func (c *clock) set(t time.Time) { atomic.StoreInt64(c.word(), t.UnixNano()) }
