//go:build !linux

package eventlog

// syncFiles makes segments durable and returns the error of each.
func (l *Log) syncFiles(segs []*segment) []error {
	errs := make([]error, len(segs))
	for i, s := range segs {
		errs[i] = l.files.sync(s.path)
	}
	return errs
}
