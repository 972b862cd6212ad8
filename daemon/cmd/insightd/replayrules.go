package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/insightd/insightd/daemon"
	"github.com/insightd/insightd/daemon/insight"
)

// noPacks stands for no shipped pack.
const noPacks = "none"

// packNames are the names of packs as a flag has them, with commas or by itself.
func packNames(flags []string) ([]string, error) {
	var out []string
	for _, f := range flags {
		for name := range strings.SplitSeq(f, ",") {
			if name = strings.TrimSpace(name); name != "" {
				out = append(out, name)
			}
		}
	}
	if i := slices.Index(out, noPacks); i >= 0 {
		if len(out) > 1 {
			return nil, usageError{fmt.Errorf("--rules.packs: found %q beside others, expected it alone, or names of packs", noPacks)}
		}
		return []string{}, nil
	}
	if len(out) == 0 {
		return nil, usageError{errors.New("--rules.packs: found no name, expected none, all, or names of packs")}
	}
	return out, nil
}

// shownFindings is how many findings are listed below the table of rules.
const shownFindings = 100

// printRuleReport tells what rules would have raised: those that were asked for, and
// what else matched, as a table by rule; then the findings of those that were.
func printRuleReport(w io.Writer, r *daemon.Report, findings bool) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "RULE\tSEVERITY\tSTAGE\tINSIGHTS\tEVENTS\tACCOUNTS\tFIRST\tLAST\tTITLE")
	matched, asked := 0, map[string]bool{}
	for i := range r.Rules {
		x := &r.Rules[i]
		if x.Asked {
			asked[x.ID] = true
		}
		if x.Events > 0 {
			matched++
		} else if !x.Asked {
			continue
		}
		first, last := "-", "-"
		if x.Insights > 0 {
			first, last = x.First.UTC().Format("2006-01-02 15:04"), x.Last.UTC().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", x.ID, x.Severity, x.State, x.Insights, x.Events, x.Accounts, first, last, x.Title)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "rules: %d, matched: %d\n", len(r.Rules), matched); err != nil || !findings {
		return err
	}
	return printFindings(w, r.Insights, asked)
}

// printFindings lists what some rules found.
func printFindings(w io.Writer, list []insight.Insight, ids map[string]bool) error {
	var found []insight.Insight
	for i := range list {
		if r := list[i].Rule; r != nil && ids[r.ID] {
			found = append(found, list[i])
		}
	}
	if len(found) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	if err := printTable(w, found[:min(shownFindings, len(found))]); err != nil {
		return err
	}
	if more := len(found) - shownFindings; more > 0 {
		_, err := fmt.Fprintf(w, "and %d more; --format=json tells them all\n", more)
		return err
	}
	return nil
}
