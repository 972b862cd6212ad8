package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/insightd/insightd/daemon/insight"
)

// printRecords prints insights as a table, a line an insight.
func printTable(w io.Writer, list []insight.Insight) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "START\tEND\tTYPE\tCONFIDENCE\tSEVERITY\tREGION\tSUMMARY")
	for _, in := range list {
		mark := ""
		if in.Suppressed != "" {
			mark = " (suppressed)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f %s\t%s\t%s\t%s%s\n", in.Start.UTC().Format("2006-01-02 15:04:05"), ending(in.Start, in.End),
			in.Type, in.Confidence, insight.Level(in.Confidence), in.Severity, in.Region, in.Summary, mark)
	}
	return tw.Flush()
}

// printInsights prints the insights of an answer.
func printInsights(w io.Writer, data json.RawMessage) error {
	var page struct{ Insights []insight.Record }
	if err := json.Unmarshal(data, &page); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if len(page.Insights) == 0 {
		_, err := fmt.Fprintln(w, "no insights match")
		return err
	}
	list := make([]insight.Insight, 0, len(page.Insights))
	for _, r := range page.Insights {
		d := r.InsightDetails
		list = append(list, insight.Insight{
			ID: r.SharedEventID, Type: d.InsightType, Region: r.Region, Start: d.StartTime, End: d.EndTime,
			Confidence: d.Confidence, Severity: d.Severity, Summary: d.Summary, Suppressed: d.Suppressed,
		})
	}
	return printTable(w, list)
}

// printIncidents prints a line an incident.
func printIncidents(w io.Writer, data json.RawMessage) error {
	var page struct{ Incidents []insight.Incident }
	if err := json.Unmarshal(data, &page); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if len(page.Incidents) == 0 {
		_, err := fmt.Fprintln(w, "no incidents match")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "START\tEND\tCONFIDENCE\tSEVERITY\tINSIGHTS\tWHAT HAPPENED")
	for _, in := range page.Incidents {
		fmt.Fprintf(tw, "%s\t%s\t%.2f %s\t%s\t%d\t%s\n", in.Start.UTC().Format("2006-01-02 15:04:05"), ending(in.Start, in.End),
			in.Confidence, in.ConfidenceLevel, in.Severity, in.Insights, in.Title)
	}
	return tw.Flush()
}

// ending tells when what began at start ended, with the day where it is another.
func ending(start, end time.Time) string {
	switch {
	case end.IsZero():
		return "goes on"
	case end.YearDay() != start.YearDay():
		return end.UTC().Format("2006-01-02 15:04:05")
	}
	return end.UTC().Format("15:04:05")
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
