package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/insightd/insightd/daemon"
)

// printComparison tells what differs between two configurations.
func printComparison(t *terminal, c *daemon.Comparison, format string) error {
	counts := fmt.Sprintf("gained: %d, lost: %d, moved: %d, same: %d\n", c.Count(daemon.Gained), c.Count(daemon.Lost), c.Count(daemon.Moved), c.Same)
	if format == "json" {
		enc := json.NewEncoder(t.out)
		enc.SetEscapeHTML(false)
		for i := range c.Differences {
			if err := enc.Encode(&c.Differences[i]); err != nil {
				return fmt.Errorf("writing a difference: %w", err)
			}
		}
		_, err := io.WriteString(t.err, counts)
		return err
	}
	if err := printDifferences(t.out, c.Differences); err != nil {
		return err
	}
	_, err := io.WriteString(t.out, counts)
	return err
}

func printDifferences(w io.Writer, list []daemon.Difference) error {
	if len(list) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "CHANGE\tSTART\tTYPE\tCONFIDENCE\tSEVERITY\tREGION\tSUMMARY")
	for i := range list {
		d := &list[i]
		before, after := d.Before, d.After
		if before == nil {
			before = after
		}
		if after == nil {
			after = before
		}
		b, a := &before.InsightDetails, &after.InsightDetails
		mark, was := "", func(field, old, now string) string {
			if slices.Contains(d.Fields, field) {
				return old + " → " + now
			}
			return now
		}
		switch {
		case slices.Contains(d.Fields, "suppressed"):
			mark = " (" + was("suppressed", told(b.Suppressed), told(a.Suppressed)) + ")"
		case a.Suppressed != "":
			mark = " (" + told(a.Suppressed) + ")"
		}
		if slices.Contains(d.Fields, "object") {
			mark += " (was: " + b.InsightObject + ")"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f %s\t%s\t%s\t%s%s\n", d.Change,
			was("start", startText(b.StartTime), startText(a.StartTime)), a.InsightType,
			a.Confidence, was("level", b.ConfidenceLevel, a.ConfidenceLevel),
			was("severity", string(b.Severity), string(a.Severity)), after.Region, a.Summary, mark)
	}
	return tw.Flush()
}

func startText(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") }

// told says in one word whether an insight is told, or by what it is suppressed.
func told(suppressed string) string {
	if suppressed == "" {
		return "told"
	}
	by, _, _ := strings.Cut(suppressed, ":")
	return "suppressed by " + by
}
