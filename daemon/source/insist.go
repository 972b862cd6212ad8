package source

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// The pauses between tries double from the least to the most.
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

	mtx sync.Mutex
	// why is the error of what is being tried again, by what it is.
	why map[string]string
}

// insist calls f until it succeeds or ctx is done. doing says what f does.
func (i *insister) insist(ctx context.Context, doing string, f func() error) error {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		err := f()
		if err == nil {
			i.set(doing, "")
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i.once {
			return err
		}
		if i.set(doing, err.Error()) {
			i.logger.Warn("A source waits", "doing", doing, "err", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// set notes an error, and reports whether it is another one than before.
func (i *insister) set(doing, err string) bool {
	i.mtx.Lock()
	defer i.mtx.Unlock()
	if err == "" {
		delete(i.why, doing)
		return false
	}
	if i.why == nil {
		i.why = map[string]string{}
	}
	old := i.why[doing]
	i.why[doing] = err
	return old != err
}

// err is what is being waited for, empty where nothing is.
func (i *insister) err() string {
	i.mtx.Lock()
	defer i.mtx.Unlock()
	for doing, why := range i.why {
		return doing + ": " + why + "; it is tried again until it succeeds"
	}
	return ""
}
