package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// world is shared by the tests of this package.
var world *World

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "insightd-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	began := time.Now()
	if world, err = Start(ctx, dir); err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "a world in %.1f s\n", time.Since(began).Seconds())
	code := m.Run()
	if err := world.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the world:", err)
		return 1
	}
	return code
}
