package main

import (
	"fmt"
	"os"

	"github.com/insightd/insightd/models"
)

// writePriors writes the priors that fit what the series of all seeds taught.
func (f *drillFlags) writePriors(results []seedResult) error {
	var all []*models.Family
	for _, r := range results {
		all = append(all, r.families...)
	}
	b, err := models.FitPriors(all)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.fitPriors, b, 0o644); err != nil {
		return fmt.Errorf("writing the priors: %w", err)
	}
	return nil
}
