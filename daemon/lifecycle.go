package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// teardown ends what was begun: last in, first out, every step named, errors
// joined. A step is registered on the line after its thing exists.
type teardown struct {
	logger *slog.Logger
	steps  []step
}

type step struct {
	name string
	stop func(context.Context) error
}

func (t *teardown) add(name string, stop func(context.Context) error) {
	t.steps = append(t.steps, step{name, stop})
}

// run ends everything. A step that does not heed ctx is waited for: what it
// holds is somebody's data.
func (t *teardown) run(ctx context.Context) error {
	var errs []error
	for _, s := range slices.Backward(t.steps) {
		t.logger.Debug("Stopping", "part", s.name)
		if err := s.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.name, err))
		}
	}
	t.steps = nil
	return errors.Join(errs...)
}
