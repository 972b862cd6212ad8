package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/insightd/insightd/daemon/simulate"
)

// printDrill prints what a drill found, for people.
func printDrill(w io.Writer, d *drillResult) error {
	r := d.Pooled
	fmt.Fprintf(w, "%d insights in %g account-days after the warm-up; %d withdrawn, %d suppressed\n", r.Insights, r.AccountDays, r.Withdrawn, r.Suppressed)
	fmt.Fprintf(w, "false incidents an account and day: %g (%g with types that have no labels)\n", r.FalseIncidents, r.AllFalseIncidents)
	fmt.Fprintf(w, "addresses that should stay quiet and were reported: %d of %d\n", r.QuietReported, r.Quiet)
	if r.OtherForm > 0 {
		fmt.Fprintf(w, "missed since the identity is written in another form: %d\n", r.OtherForm)
	}
	for _, table := range []func(io.Writer){
		func(w io.Writer) { printTypes(w, r) },
		func(w io.Writer) { printSweep(w, r) },
		func(w io.Writer) { printKinds(w, r) },
		func(w io.Writer) { printCalibration(w, r) },
		func(w io.Writer) { printSeeds(w, d) },
	} {
		tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		table(tw)
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func printTypes(w io.Writer, r *simulate.Report) {
	fmt.Fprintln(w, "\nTYPE\tLABELS\tRECALL (95 %)\tFALSE/DAY\tPRECISION\tDELAY MIN (MEDIAN, 90 %)\tEND ERROR MIN\tCALIBRATION ERROR\tSERIES\tFALSE IN 1000 SERIES-WEEKS")
	for i := range r.Types {
		t := &r.Types[i]
		interval := ""
		if t.Recall95 != nil {
			interval = fmt.Sprintf(" (%.2f-%.2f)", t.Recall95[0], t.Recall95[1])
		}
		series := "-"
		if t.Series > 0 {
			series = fmt.Sprintf("%.0f", t.Series)
		}
		fmt.Fprintf(w, "%s\t%d\t%s%s\t%.2f\t%s\t%s, %s\t%s, %s\t%s\t%s\t%s\n", t.Type, t.Labels, number(t.Recall, 3), interval, t.FalseADay,
			number(t.Precision, 2), number(t.DelayMedian, 1), number(t.DelayP90, 1), number(t.EndErrorMedian, 1), number(t.EndErrorP90, 1),
			number(t.ECE, 3), series, number(t.FalseIn1000SeriesWeeks, 2))
	}
}

// printSweep prints the recall that other thresholds would have.
func printSweep(w io.Writer, r *simulate.Report) {
	head := false
	for i := range r.Types {
		t := &r.Types[i]
		if t.ByFalseADay == nil {
			continue
		}
		if !head {
			head = true
			fmt.Fprint(w, "\nRECALL AT")
			for _, p := range t.ByFalseADay {
				fmt.Fprintf(w, "\t%g/DAY", p.False)
			}
			for _, p := range t.ByFalseIn1000SeriesWeeks {
				fmt.Fprintf(w, "\t%g/1000 WEEKS", p.False)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprint(w, t.Type)
		for _, p := range slices.Concat(t.ByFalseADay, t.ByFalseIn1000SeriesWeeks) {
			fmt.Fprintf(w, "\t%.3f", p.Recall)
		}
		fmt.Fprintln(w)
	}
}

func printKinds(w io.Writer, r *simulate.Report) {
	fmt.Fprint(w, "\nINCIDENT\tINSIGHT\tFOUND")
	if slices.ContainsFunc(r.Kinds, func(k simulate.KindReport) bool { return k.ByFalseIn1000SeriesWeeks != nil }) {
		fmt.Fprint(w, "\tAT 1, 3, 10 FALSE IN 1000 SERIES-WEEKS")
	}
	fmt.Fprintln(w)
	for i := range r.Kinds {
		k := &r.Kinds[i]
		fmt.Fprintf(w, "%s\t%s\t%d of %d", k.Kind, k.Insight, k.Found, k.Labels)
		var at []string
		for _, p := range k.ByFalseIn1000SeriesWeeks {
			at = append(at, fmt.Sprintf("%.2f", p.Recall))
		}
		if at != nil {
			fmt.Fprintf(w, "\t%s", strings.Join(at, ", "))
		}
		fmt.Fprintln(w)
	}
}

func printCalibration(w io.Writer, r *simulate.Report) {
	fmt.Fprintln(w, "\nCONFIDENCE\tSAID\tTRUE\tINSIGHTS")
	for _, b := range r.Calibration {
		fmt.Fprintf(w, "%.1f-%.1f\t%.3f\t%.3f\t%d\n", b.From, b.To, b.Said, b.True, b.N)
	}
}

// printSeeds prints what was found with each seed, where there are several.
func printSeeds(w io.Writer, d *drillResult) {
	if len(d.Seeds) < 2 {
		return
	}
	fmt.Fprint(w, "\nSEED\tEVENTS\tSECONDS\tINSIGHTS\tFALSE INCIDENTS/DAY")
	for i := range d.Pooled.Types {
		if t := &d.Pooled.Types[i]; t.Labels > 0 {
			fmt.Fprintf(w, "\t%s", strings.TrimSuffix(t.Type, "Insight"))
		}
	}
	fmt.Fprintln(w)
	for i := range d.Seeds {
		s := &d.Seeds[i]
		fmt.Fprintf(w, "%d\t%d\t%.1f\t%d\t%g", s.Seed, s.Events, s.Seconds, s.Report.Insights, s.Report.FalseIncidents)
		for j := range d.Pooled.Types {
			t := &d.Pooled.Types[j]
			if t.Labels == 0 {
				continue
			}
			recall := (*float64)(nil)
			for k := range s.Report.Types {
				if s.Report.Types[k].Type == t.Type {
					recall = s.Report.Types[k].Recall
				}
			}
			fmt.Fprintf(w, "\t%s", number(recall, 3))
		}
		fmt.Fprintln(w)
	}
}

// number writes a number that may not be there.
func number(x *float64, decimals int) string {
	if x == nil {
		return "-"
	}
	return strconv.FormatFloat(*x, 'f', decimals, 64)
}
