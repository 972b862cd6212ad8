package source

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// The pauses between tries of the sink double from the least to the most.
const (
	leastPause = 100 * time.Millisecond
	mostPause  = 10 * time.Second
)

// insister tries again what the sink could not do: a full disk is waited for,
// rather than lost to.
type insister struct {
	logger *slog.Logger
	// once says that the first error is the last word.
	once bool

	// tries counts what was tried again.
	tries atomic.Uint64

	mtx sync.Mutex
	// why is the error of what is being tried again, by what it is.
	why map[string]error
}

// insist calls f until it succeeds or ctx is done. doing says what f does.
func (i *insister) insist(ctx context.Context, doing string, f func() error) error {
	for pause := (pauses{least: leastPause, most: mostPause}); ; i.tries.Add(1) {
		err := f()
		if err == nil {
			i.set(doing, nil)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i.once {
			return err
		}
		if i.set(doing, err) {
			i.logger.Warn("A source waits", "doing", doing, "err", err, "hint", hintOf(err))
		}
		timer := time.NewTimer(pause.next())
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// set notes an error, and reports whether it is another one than before.
func (i *insister) set(doing string, err error) bool {
	i.mtx.Lock()
	defer i.mtx.Unlock()
	if err == nil {
		delete(i.why, doing)
		return false
	}
	if i.why == nil {
		i.why = map[string]error{}
	}
	old := i.why[doing]
	i.why[doing] = err
	return old == nil || old.Error() != err.Error()
}

// err is what is being waited for and what to do, empty where nothing is.
func (i *insister) err() (text, hint string) {
	i.mtx.Lock()
	defer i.mtx.Unlock()
	for doing, why := range i.why {
		hint = hintOf(why)
		return withHint(doing+": "+why.Error(), hint) + "; it is tried again until it succeeds", hint
	}
	return "", ""
}
