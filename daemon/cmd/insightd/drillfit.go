package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/simulate"
	"github.com/insightd/insightd/models"
)

// fitConfidence writes the table of confidence that fits what was judged. All
// insights after the warm-up count, those too that the budget held back, without
// those that a legitimate change excuses.
func (f *drillFlags) fitConfidence(all []*simulate.Judgement) error {
	if f.fit == "" {
		return nil
	}
	var list []models.Outcome
	for _, j := range all {
		for _, s := range j.Samples() {
			if s.Type == insight.TypeRule { // Rules say themselves how sure they are.
				continue
			}
			list = append(list, models.Outcome{Type: s.Type, Score: s.Score, Agreeing: s.Agreeing, Right: s.Right})
		}
	}
	c := models.FitConfidence(list)
	if len(c.Types()) == 0 {
		return errors.New("fitting confidence: there are too few insights, or all are right, or none; take more seeds")
	}
	out, err := os.Create(f.fit)
	if err != nil {
		return fmt.Errorf("making the table of confidence: %w", err)
	}
	return errors.Join(c.Write(out, f.provenance(len(list))), out.Close())
}

// provenance says where a table is from.
func (f *drillFlags) provenance(n int) string {
	o := f.traffic.o
	source := fmt.Sprintf("seeds %s, %g days of which %g are warm-up, %d identities in %d accounts, %g incidents a day",
		strings.Join(f.seeds, " "), o.Days, o.WarmupDays, o.Identities, o.Accounts, o.Incidents)
	if f.labels != "" {
		source = "files"
	}
	return fmt.Sprintf("How many of the insights with a score from `from` on were right, by insightd drill --fit-confidence:\n%s; %d insights.", source, n)
}
