package eventlog

import "golang.org/x/sys/unix"

// syncMany is from how many files on one sync of the whole file system is
// cheaper than one of each.
const syncMany = 64

// syncFiles makes segments durable and returns the error of each. A folder that
// is sorted by region leaves thousands of segments to sync. The sync of all is
// asked of the log's directory, which is open from the beginning: so it tells
// of every write that failed, whichever files were closed meanwhile.
func (l *Log) syncFiles(segs []*segment) []error {
	errs := make([]error, len(segs))
	lost := l.files.lost.Swap(false)
	if len(segs) < syncMany && !lost {
		for i, s := range segs {
			errs[i] = l.files.sync(s.path)
		}
		return errs
	}
	err := l.disk.do(diskOp{kind: diskSyncAll, path: l.o.Dir, f: l.root}, func() error { return unix.Syncfs(int(l.root.Fd())) })
	if err != nil {
		l.files.lost.Store(true)
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}
