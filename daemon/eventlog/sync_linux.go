package eventlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncMany is from how many files on one sync of the whole file system is
// cheaper than one of each.
const syncMany = 64

// syncFiles makes files durable and returns the error of each. A folder that is
// sorted by region leaves thousands of segments to sync.
func (l *Log) syncFiles(paths []string) []error {
	errs := make([]error, len(paths))
	if len(paths) < syncMany {
		for i, p := range paths {
			errs[i] = l.files.use(p, false, func(f *os.File) error { return f.Sync() })
		}
		return errs
	}
	err := l.files.use(paths[0], false, func(f *os.File) error { return unix.Syncfs(int(f.Fd())) })
	for i := range errs {
		errs[i] = err
	}
	return errs
}
