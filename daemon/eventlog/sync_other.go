//go:build !linux

package eventlog

import "os"

// syncFiles makes files durable and returns the error of each.
func (l *Log) syncFiles(paths []string) []error {
	errs := make([]error, len(paths))
	for i, p := range paths {
		errs[i] = l.files.use(p, false, func(f *os.File) error { return f.Sync() })
	}
	return errs
}
