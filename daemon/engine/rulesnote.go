package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

// rulesData is the Data of a control record of the kind rules.
type rulesData struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Hash string    `json:"hash"`
	// Rules are those of the packages in force: by id, in which state, and with
	// which hash.
	Rules map[string]ruleNote `json:"rules"`
	// Silences is nil where no rule was taken out of use.
	Silences *silencing `json:"silences,omitempty"`
}

// ruleNote is a rule as a record knows it.
type ruleNote struct {
	State insight.RuleState `json:"state"`
	Hash  string            `json:"hash"`
	// Conceals says that it tells of who hides what he does.
	Conceals bool `json:"conceals,omitempty"`
}

// StateOf says whether a rule is used.
func StateOf(r *rules.Rule) insight.RuleState {
	switch {
	case r.Dormant:
		return insight.RuleDormant
	case r.Shadow:
		return insight.RuleShadow
	}
	return insight.RuleActive
}

// NoteRules writes down which rules are in force, in whose name, where they are not
// as they were. Those that were in use and are not any more are told of. The first
// time there is nothing to compare with.
func (e *Engine) NoteRules(ctx context.Context, set *rules.Set, by string) error {
	e.controlMtx.Lock()
	defer e.controlMtx.Unlock()
	old := e.notedRules
	if old != nil && old.Hash == set.Hash() {
		return nil
	}
	d := rulesData{By: by, At: e.o.Now().UTC().Truncate(time.Second), Hash: set.Hash(), Rules: map[string]ruleNote{}}
	for _, r := range set.Rules() {
		d.Rules[r.ID] = ruleNote{State: StateOf(r), Hash: r.Hash, Conceals: conceals(r)}
	}
	added, changed, removed := 0, 0, 0
	if old != nil {
		d.Silences = silencesRules(old, &d)
		for id, r := range d.Rules {
			if was, known := old.Rules[id]; !known {
				added++
			} else if was != r {
				changed++
			}
		}
		for id := range old.Rules {
			if _, still := d.Rules[id]; !still {
				removed++
			}
		}
	}
	b, err := json.Marshal(&d)
	if err != nil {
		return fmt.Errorf("noting the rules: %w", err)
	}
	if _, err := e.o.Log.AppendControl(ctx, event.Control{Kind: event.ControlRules, Data: b}); err != nil {
		return fmt.Errorf("noting the rules: %w", err)
	}
	e.notedRules = &d
	e.o.Logger.Info("Other rules are in force", "by", by, "hash", d.Hash, "added", added, "changed", changed, "removed", removed)
	e.confess(d.Silences)
	return nil
}

// recallRules takes over a record of before the start.
func (e *Engine) recallRules(c *event.Control) {
	var d rulesData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		e.o.Logger.Warn("Rules in the event log cannot be read; they are left out", "seq", c.Seq, "err", err)
		return
	}
	e.notedRules = &d
	e.confess(d.Silences)
}

// rulesNamed is how many rules an insight names at the most.
const rulesNamed = 20

// silencesRules is what a change of rules silences, nil where it silences nothing:
// Medium, since a rule that is not used stays so, and High where one of them tells
// of who hides what he does.
func silencesRules(old, now *rulesData) *silencing {
	var gone []string
	concealing := ""
	for _, id := range slices.Sorted(maps.Keys(old.Rules)) {
		if old.Rules[id].State != insight.RuleActive || now.Rules[id].State == insight.RuleActive {
			continue
		}
		gone = append(gone, id)
		if concealing == "" && old.Rules[id].Conceals {
			concealing = id
		}
	}
	if len(gone) == 0 {
		return nil
	}
	named := strings.Join(gone[:min(len(gone), rulesNamed)], ", ")
	if more := len(gone) - rulesNamed; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	d := &silencing{
		ID: now.Hash, Operation: putRules, By: now.By, At: now.At, Severity: insight.SeverityMedium, Of: gone[:min(len(gone), rulesNamed)],
		Summary: fmt.Sprintf("%s took %s out of use: %s", now.By, plural(len(gone), "rule", "rules"), named),
	}
	for _, id := range d.Of {
		state := "is gone"
		if r, still := now.Rules[id]; still {
			state = "is " + string(r.State)
		}
		d.because("rule", id, fmt.Sprintf("rule %s was active and %s", id, state))
	}
	if concealing != "" {
		d.grave(insight.SeverityHigh, "concealment", true, fmt.Sprintf("rule %s tells of somebody who hides what he does", concealing))
	}
	return d
}
