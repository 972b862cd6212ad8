package daemon

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/rules"
)

// RuleReport is what one rule found in a replay.
type RuleReport struct {
	ID, Title, Severity string
	State               insight.RuleState
	// Asked says that the rule is from ReplayOptions.Rules.
	Asked bool
	// Events is how many events its conditions match. Of a rule that counts they are
	// those that count, whether it fired or not.
	Events uint64
	// Insights is how many it raised, in how many Accounts, and First and Last are
	// when the first and the last of them started. Of a rule in shadow they are those
	// that it would have raised.
	Insights, Accounts int
	First, Last        time.Time
}

// ruleReports tells what each rule of a set found: what was asked for first, and
// then those that found most. asked are the files and folders that were.
func ruleReports(set *rules.Set, matched map[string]uint64, found []insight.Insight, asked []string) []RuleReport {
	out := make([]RuleReport, 0, len(set.Rules()))
	at := map[string]int{}
	for i, r := range set.Rules() {
		at[r.ID] = i
		out = append(out, RuleReport{
			ID: r.ID, Title: r.Title, Severity: r.Severity, State: engine.StateOf(r), Events: matched[r.ID],
			Asked: slices.ContainsFunc(asked, func(path string) bool { return within(path, r.File) }),
		})
	}
	type place struct{ rule, provider, account string }
	seen := map[place]bool{}
	for i := range found {
		in := &found[i]
		if in.Rule == nil || in.State == insight.StateWithdrawn {
			continue
		}
		n, ok := at[in.Rule.ID]
		if !ok {
			continue
		}
		r := &out[n]
		r.Insights++
		if p := (place{r.ID, in.Provider, in.Account}); !seen[p] {
			seen[p] = true
			r.Accounts++
		}
		if r.First.IsZero() || in.Start.Before(r.First) {
			r.First = in.Start
		}
		if in.Start.After(r.Last) {
			r.Last = in.Start
		}
	}
	slices.SortStableFunc(out, func(a, b RuleReport) int {
		switch {
		case a.Asked != b.Asked && a.Asked:
			return -1
		case a.Asked != b.Asked:
			return 1
		}
		return cmp.Or(cmp.Compare(b.Insights, a.Insights), cmp.Compare(b.Events, a.Events))
	})
	return out
}

// within reports whether a file is the one that a path names, or in the folder that
// it names.
func within(path, file string) bool {
	return file == path || strings.HasPrefix(file, strings.TrimSuffix(path, "/")+"/")
}
