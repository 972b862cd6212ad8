package eventlog

import "fmt"

// Standing is why the log takes nothing in at the moment, or nil where it does.
// Unless the error says otherwise it goes on by itself once the cause is gone.
func (l *Log) Standing() error {
	l.mtx.Lock()
	defer l.mtx.Unlock()
	switch {
	case l.fatal != nil:
		return l.fatal
	case l.stuck != nil:
		return stands(l.stuck)
	}
	return nil
}

// stands says that the log takes nothing for a reason that may pass.
func stands(err error) error {
	return fmt.Errorf("event log takes nothing until it can write: %w", err)
}
