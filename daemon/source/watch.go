package source

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watcher gathers the paths of which the file system tells that something
// happened to them. A nil watcher hears nothing.
type watcher struct {
	logger *slog.Logger
	w      *fsnotify.Watcher
	wake   chan struct{}
	ended  chan struct{}

	mtx sync.Mutex
	// paths is what was heard of since the last take.
	paths map[string]struct{}
	// missed says that something got lost, so that only a look at everything
	// helps.
	missed bool
	// complained says that it has been logged that no more folders can be
	// watched.
	complained bool
}

// mostHeard is after how many paths it is better to look at everything.
const mostHeard = 100_000

func newWatcher(logger *slog.Logger) (*watcher, error) {
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching the file system: %w", err)
	}
	w := &watcher{
		logger: logger, w: fw, wake: make(chan struct{}, 1), ended: make(chan struct{}),
		paths: map[string]struct{}{},
	}
	go w.listen()
	return w, nil
}

func (w *watcher) listen() {
	defer close(w.ended)
	for {
		select {
		case e, ok := <-w.w.Events:
			if !ok {
				return
			}
			w.mtx.Lock()
			if w.paths[e.Name] = struct{}{}; len(w.paths) > mostHeard {
				clear(w.paths)
				w.missed = true
			}
			w.mtx.Unlock()
		case err, ok := <-w.w.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.logger.Warn("Watching the file system went wrong; everything is looked at", "err", err)
			}
			w.mtx.Lock()
			w.missed = true
			w.mtx.Unlock()
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// add watches a folder. Folders that cannot be watched are polled.
func (w *watcher) add(dir string) {
	if w == nil {
		return
	}
	err := w.w.Add(dir)
	if err == nil {
		return
	}
	w.mtx.Lock()
	defer w.mtx.Unlock()
	if !w.complained {
		w.complained = true
		w.logger.Warn("A folder cannot be watched and is looked at now and then; the limit may be fs.inotify.max_user_watches",
			"folder", dir, "err", err)
	}
}

// woken has a value when there is something to take.
func (w *watcher) woken() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.wake
}

// take returns what was heard of. missed says that everything has to be looked
// at.
func (w *watcher) take() (paths map[string]struct{}, missed bool) {
	if w == nil {
		return nil, false
	}
	w.mtx.Lock()
	defer w.mtx.Unlock()
	paths, missed = w.paths, w.missed
	w.paths, w.missed = map[string]struct{}{}, false
	return paths, missed
}

func (w *watcher) close() {
	if w == nil {
		return
	}
	_ = w.w.Close()
	<-w.ended
}
