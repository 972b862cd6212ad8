//go:build linux || darwin || freebsd

package tsdb

import "syscall"

// freeBytes is how much room the file system of dir has left. ok is false where
// that is not known.
func freeBytes(dir string) (free int64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true //nolint:unconvert // Other systems have other types.
}
