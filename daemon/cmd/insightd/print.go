package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/insightd/insightd/daemon/insight"
)

// printRecords prints insights as a table, a line an insight.
func printTable(w io.Writer, list []insight.Insight) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "START\tEND\tTYPE\tCONFIDENCE\tSEVERITY\tREGION\tSUMMARY")
	for _, in := range list {
		end := "goes on"
		if !in.End.IsZero() {
			end = in.End.UTC().Format("15:04:05")
			if in.End.YearDay() != in.Start.YearDay() {
				end = in.End.UTC().Format("2006-01-02 15:04:05")
			}
		}
		mark := ""
		if in.Suppressed != "" {
			mark = " (suppressed)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f %s\t%s\t%s\t%s%s\n", in.Start.UTC().Format("2006-01-02 15:04:05"), end,
			in.Type, in.Confidence, insight.Level(in.Confidence), in.Severity, in.Region, in.Summary, mark)
	}
	return tw.Flush()
}

// printEvents prints the events of an answer.
func printEvents(w io.Writer, data json.RawMessage) error {
	var page struct {
		Events []struct {
			Time, Identity, Service, Operation, Outcome, Region, IP, Country string
			ErrorCode                                                        string `json:"error_code"`
		}
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if len(page.Events) == 0 {
		_, err := fmt.Fprintln(w, "no events match")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME\tIDENTITY\tSERVICE\tOPERATION\tOUTCOME\tREGION\tFROM")
	for _, e := range page.Events {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s %s\t%s\t%s %s\n", e.Time, e.Identity, e.Service, e.Operation, e.Outcome, e.ErrorCode, e.Region, e.IP, e.Country)
	}
	return tw.Flush()
}
