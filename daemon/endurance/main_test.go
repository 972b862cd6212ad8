//go:build linux

package endurance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/insightd/insightd/daemon"
)

// childVariable holds the spec of a daemon. Where it is set, the test binary is
// that daemon.
const childVariable = "INSIGHTD_ENDURANCE_CHILD"

// spec says how a daemon of a test is run.
type spec struct {
	Storage string
	Listen  string
	Config  string
	Clock   string
	Stdin   bool
	// Disk, if not 0, is the size in bytes of a file system of its own at
	// Storage. SIGUSR2 fills it but for a little, SIGUSR1 makes room again.
	Disk int64
}

// tests closes the connections that the tests' client keeps, before goroutines
// are counted.
type tests struct{ *testing.M }

// Run runs the tests.
func (t tests) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(tests{m})
}

// child is a daemon in a process of its own, as `insightd serve` is one, but
// for its clock. It ends with its parent: the parent holds the other end of
// file 3.
func child(text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(3, "parent"))
		os.Exit(3)
	}()
	if s.Disk > 0 {
		if err := mountDisk(&s); err != nil {
			return err
		}
	}
	c, err := openClock(s.Clock)
	if err != nil {
		return err
	}
	o := daemon.Options{
		ConfigFile: s.Config, StoragePath: s.Storage, ListenAddresses: []string{s.Listen}, EnableLifecycle: true,
		Now: c.now, Tick: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if s.Stdin {
		o.Stdin = os.Stdin
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	d, err := daemon.New(o)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// diskIsFull is said once the disk has been filled.
const diskIsFull = "child: the disk is full"

// leftFree is what is free, in bytes, on a disk that somebody else has filled.
const leftFree = 64 << 10

// mountDisk gives the daemon a disk of its own, which is seen by nobody else.
func mountDisk(s *spec) error {
	if err := syscall.Mount("tmpfs", s.Storage, "tmpfs", 0, "size="+strconv.FormatInt(s.Disk, 10)); err != nil {
		return fmt.Errorf("mounting a small file system: %w", err)
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	go keepFull(s.Storage, told)
	return nil
}

// keepFull fills a disk from the one signal to the other. What the daemon
// deletes meanwhile is filled again.
func keepFull(dir string, signals <-chan os.Signal) {
	ballast := filepath.Join(dir, "ballast")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	full, told := false, false
	for {
		select {
		case sig := <-signals:
			full = sig == syscall.SIGUSR2
		case <-tick.C:
		}
		var err error
		if full {
			if err = fill(dir, ballast); !told {
				told = true
				fmt.Fprintln(os.Stderr, diskIsFull)
			}
		} else {
			err = os.RemoveAll(ballast)
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			fmt.Fprintln(os.Stderr, "child: filling or emptying the disk:", err)
		}
	}
}

func fill(dir, ballast string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return err
	}
	more := int64(fs.Bavail)*fs.Bsize - leftFree
	if more <= 0 {
		return nil
	}
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(make([]byte, more))
	return err
}

// setting is a number from the environment, or that of the full size where
// INSIGHTD_ENDURANCE is set, or the small one.
func setting(t testing.TB, name string, small, full int) int {
	t.Helper()
	if v := os.Getenv("INSIGHTD_" + name); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			t.Fatalf("INSIGHTD_%s is %q, and should be a number", name, v)
		}
		return n
	}
	switch {
	case fullSize():
		return full
	case underRace:
		return (small + 2) / 3
	}
	return small
}

func fullSize() bool { return os.Getenv("INSIGHTD_ENDURANCE") == "1" }

// seedOf is what decides a test's chances.
func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(setting(t, "SEED", 1, int(time.Now().UnixNano()%1_000_000)))
	t.Logf("INSIGHTD_SEED=%d repeats this run", seed)
	return seed
}
