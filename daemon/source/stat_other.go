//go:build !unix

package source

import "io/fs"

// statOf knows no inodes here: a file that is renamed is read again.
func statOf(info fs.FileInfo) stat {
	return stat{size: info.Size(), mtime: info.ModTime().UnixNano()}
}
