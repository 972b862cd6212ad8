//go:build !linux && !darwin && !freebsd

package tsdb

// freeBytes is not known on this system.
func freeBytes(string) (free int64, ok bool) { return 0, false }
