//go:build !linux

package eventlog

import "testing"

func smallFileSystem(t *testing.T, _ int) string {
	t.Helper()
	t.Skip("small file systems are made on Linux only")
	return ""
}
