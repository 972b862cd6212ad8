package daemon

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
	"github.com/insightd/insightd/rules/packs"
)

// ruleset is the rules of a configuration: those that are sound, and what is wrong
// with the others.
type ruleset struct {
	set      *rules.Set
	problems []rules.Problem
}

// loadRules reads the packages that a configuration names, and then more, whose rules
// take the place of others. A rule with errors disables itself only; a file that is
// not there is an error of the configuration.
func loadRules(c *config.Config, more ...string) (*ruleset, error) {
	layers, err := shippedRules(packs.Layer(), c.Rules.Packs)
	if err != nil {
		return nil, err
	}
	for _, own := range []struct {
		name  string
		paths []string
	}{{"rules.files", c.Rules.Files}, {"--rules", more}} {
		for _, path := range own.paths {
			if _, err := os.Stat(path); err != nil {
				return nil, fmt.Errorf("reading %s: %w", own.name, err)
			}
		}
		if len(own.paths) > 0 {
			layers = append(layers, rules.Layer{Paths: own.paths})
		}
	}
	r := &ruleset{}
	r.set, r.problems = rules.Load(layers, rules.Options{})
	return r, nil
}

// shippedRules are the packs of some names, or all of them.
func shippedRules(all rules.Layer, names []string) ([]rules.Layer, error) {
	if slices.Contains(names, config.AllPacks) {
		return []rules.Layer{all}, nil
	}
	var out []rules.Layer
	for _, name := range names {
		if _, err := fs.Stat(all.FS, name); err != nil {
			return nil, fmt.Errorf("reading rules.packs: no pack %q is shipped with this version", name)
		}
		sub, err := fs.Sub(all.FS, name)
		if err != nil {
			return nil, fmt.Errorf("reading rules.packs: %w", err)
		}
		out = append(out, rules.Layer{Name: all.Name + "/" + name, FS: sub})
	}
	return out, nil
}

// toldProblems is how many problems of rules are logged one by one.
const toldProblems = 50

// tell logs what is in use, and what is wrong where nobody else is told of it.
func (r *ruleset) tell(logger *slog.Logger, problem func(rules.Problem)) {
	for i := range r.problems {
		p := &r.problems[i]
		switch {
		case problem != nil:
			problem(*p)
		case i >= toldProblems:
		case p.Warning:
			logger.Warn("A rule may not be as it is meant", "rule", p.Rule, "problem", p.Error())
		default:
			logger.Error("A rule is not used; insightd check rules shows the same", "rule", p.Rule, "problem", p.Error())
		}
	}
	logger.Info("Rules are in force", "active", r.set.Active(), "rules", len(r.set.Rules()), "errors", rules.Errors(r.problems), "hash", r.set.Hash())
}

// status lists the rules, in the order of package and id, and those with errors.
// findings counts what they found.
func (r *ruleset) status(findings map[string]uint64) []insight.RuleStatus {
	var out []insight.RuleStatus
	for _, x := range r.set.Rules() {
		out = append(out, statusOf(x, findings))
	}
	type place struct{ file, rule string }
	listed := map[place]bool{}
	for i := range r.problems {
		p := &r.problems[i]
		at := place{p.File, p.Rule}
		if p.Warning || listed[at] {
			continue
		}
		listed[at] = true
		out = append(out, insight.RuleStatus{
			ID: cmp.Or(p.Rule, p.File), Package: p.File, File: p.File, Line: p.Line, State: insight.RuleError, Problem: p.Error(),
		})
	}
	slices.SortStableFunc(out, func(a, b insight.RuleStatus) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Package, b.Package), strings.Compare(a.ID, b.ID))
	})
	return out
}

func statusOf(x *rules.Rule, findings map[string]uint64) insight.RuleStatus {
	return insight.RuleStatus{
		ID: x.ID, Package: x.Package, File: x.File, Line: x.Line, Version: x.Version, Hash: x.Hash,
		Title: x.Title, Description: x.Description, Severity: x.Severity, Type: x.Type.String(),
		Attack: x.Attack, KRI: x.KRI, State: engine.StateOf(x), WindowSeconds: int(x.Window / time.Second), Confidence: x.Confidence,
		Findings: findings[x.ID],
	}
}

// useRules puts rules in force.
func (d *Daemon) useRules(r *ruleset) {
	r.tell(d.logger, nil)
	d.rules.Store(r)
	d.engine.SetRules(r.set)
}

// Rules lists the rules in force, those that are built in first, and those with
// errors.
func (k knowledge) Rules(context.Context) []insight.RuleStatus {
	findings := k.d.engine.RuleFindings()
	var out []insight.RuleStatus
	for _, x := range engine.BuiltInRules() {
		out = append(out, statusOf(x, findings))
	}
	return append(out, k.d.rules.Load().status(findings)...)
}

var rulesDesc = prometheus.NewDesc("insightd_rules", "Rules of the packages in force, by state: active, shadow, dormant, or error for those that are not used since something is wrong with them.", []string{"state"}, nil)

// rulesCollector tells how many rules there are.
type rulesCollector struct{ d *Daemon }

func (c rulesCollector) Describe(ch chan<- *prometheus.Desc) { ch <- rulesDesc }

func (c rulesCollector) Collect(ch chan<- prometheus.Metric) {
	n := map[insight.RuleState]int{insight.RuleActive: 0, insight.RuleShadow: 0, insight.RuleDormant: 0, insight.RuleError: 0}
	if r := c.d.rules.Load(); r != nil {
		for _, x := range r.status(nil) {
			n[x.State]++
		}
	}
	for state, count := range n {
		ch <- prometheus.MustNewConstMetric(rulesDesc, prometheus.GaugeValue, float64(count), string(state))
	}
}
