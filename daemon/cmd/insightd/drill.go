package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/simulate"
	"github.com/insightd/insightd/models"
)

const drillHelp = `Say how good the insights are: make traffic with attacks in it, replay it, and score what was found against what is there.

Nothing is written but what --keep asks for. Each seed is other traffic; their results are pooled. Recall comes with its 95 % interval: a few incidents prove little. An insight is false where nothing was done by whom it names within 90 minutes, and no legitimate change explains it.

With --labels and --insights nothing is made: the records of a replay are scored against the labels of a simulation.`

// drillFlags are how a drill runs.
type drillFlags struct {
	traffic   *trafficFlags
	seeds     []string
	conf      string
	budget    float64
	temp      string
	memory    int64
	format    string
	keep      string
	labels    string
	insights  string
	series    float64
	minRecall float64
	maxFalse  float64
	fit       string
	fitPriors string
}

// asConfigured is a budget that the flags leave to the configuration.
const asConfigured = -1

func addDrill(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("drill", drillHelp)
	f := &drillFlags{}
	cmd.Flag("seed", "Seeds of the traffic, repeatable: a number, or a range such as 1-3.").Default("1").StringsVar(&f.seeds)
	f.traffic = addTrafficFlags(cmd, trafficDefaults{days: "28", incidents: "4", late: "true"})
	cmd.Flag("config.file", "Configuration file to judge with: models, networks, identities.").PlaceHolder("FILE").StringVar(&f.conf)
	cmd.Flag("budget", "False insights that an account may raise in a day, 0 for no bound, -1 for what the configuration says.").Default(strconv.Itoa(asConfigured)).Float64Var(&f.budget)
	cmd.Flag("format", "table, or json for machines.").Default("table").EnumVar(&f.format, "table", "json")
	cmd.Flag("keep", "Folder in which traffic, labels and insights of each seed are kept.").PlaceHolder("DIR").StringVar(&f.keep)
	cmd.Flag("labels", "Score files: the labels.").PlaceHolder("FILE").StringVar(&f.labels)
	cmd.Flag("insights", "Score files: the records, as replay --format=json prints them.").PlaceHolder("FILE").StringVar(&f.insights)
	cmd.Flag("series", "Score files: live model series, of which false insights in 1000 series-weeks are told.").PlaceHolder("N").Float64Var(&f.series)
	cmd.Flag("min-recall", "Fail where the recall of a type with labels is lower, 0 to 1.").PlaceHolder("SHARE").Float64Var(&f.minRecall)
	cmd.Flag("max-false", "Fail where there are more false incidents an account and day; -1 for never.").Default("-1").Float64Var(&f.maxFalse)
	cmd.Flag("fit-confidence", "Write the table of confidence that the insights of all seeds ask for; models/confidence.csv is one.").PlaceHolder("FILE").StringVar(&f.fit)
	cmd.Flag("fit-priors", "Make the traffic without incidents, and write what models take for usual before they have seen anything; models/priors.json is one. Nothing is scored.").PlaceHolder("FILE").StringVar(&f.fitPriors)
	cmd.Flag("temp.path", "Folder for the temporary event log.").PlaceHolder("DIR").StringVar(&f.temp)
	memory := cmd.Flag("memory", "About how much memory to use; what does not fit is in the temporary log.").Default("1GB").Bytes()
	commands[cmd.FullCommand()] = func(ctx context.Context, t *terminal) error {
		f.memory = int64(*memory)
		return f.run(ctx, t)
	}
}

// drillResult is what a drill found, as --format=json prints it.
type drillResult struct {
	Seeds  []seedResult     `json:"seeds"`
	Pooled *simulate.Report `json:"pooled"`
}

// seedResult is what it found with one seed.
type seedResult struct {
	Seed    uint64  `json:"seed"`
	Events  uint64  `json:"events"`
	Seconds float64 `json:"seconds"`
	// Told counts insights that were told before they were final, WithdrawnShare
	// is how many of them were taken back.
	Told           int              `json:"told"`
	WithdrawnShare float64          `json:"withdrawnShare"`
	Report         *simulate.Report `json:"report"`

	judgement *simulate.Judgement
	families  []*models.Family
}

func (f *drillFlags) run(ctx context.Context, t *terminal) error {
	if f.fitPriors != "" && (f.labels != "" || f.fit != "") {
		return usageError{errors.New("--fit-priors makes traffic without incidents: there is nothing to score")}
	}
	results, err := f.score(ctx, t)
	if err != nil {
		return err
	}
	if f.fitPriors != "" {
		return f.writePriors(results)
	}
	all := make([]*simulate.Judgement, len(results))
	for i := range results {
		results[i].Report = simulate.NewReport(results[i].judgement)
		all[i] = results[i].judgement
	}
	r := &drillResult{results, simulate.NewReport(all...)}
	if f.format == "json" {
		enc := json.NewEncoder(t.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		err = enc.Encode(r)
	} else {
		err = printDrill(t.out, r)
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return errors.Join(f.fitConfidence(all), f.verdict(r.Pooled))
}

// score scores files, or what a replay finds in the traffic of each seed.
func (f *drillFlags) score(ctx context.Context, t *terminal) ([]seedResult, error) {
	if (f.labels == "") != (f.insights == "") {
		return nil, usageError{errors.New("--labels and --insights go together")}
	}
	if f.labels != "" {
		j, err := scoreFiles(f.labels, f.insights, f.series)
		if err != nil {
			return nil, err
		}
		return []seedResult{{judgement: j}}, nil
	}
	seeds, err := parseSeeds(f.seeds)
	if err != nil {
		return nil, usageError{fmt.Errorf("--seed: %w", err)}
	}
	o, err := f.traffic.options()
	if err != nil {
		return nil, err
	}
	if o.Days <= o.WarmupDays {
		return nil, usageError{errors.New("--days must be more than --warmup-days: only what comes after the warm-up is judged")}
	}
	if f.minRecall < 0 || f.minRecall > 1 {
		return nil, usageError{errors.New("--min-recall is a share between 0 and 1")}
	}
	if f.memory < 64<<20 {
		return nil, usageError{errors.New("--memory must be at least 64MB")}
	}
	debug.SetMemoryLimit(f.memory * 3 / 4)
	c := config.Default()
	if f.conf != "" {
		if c, err = config.Load(f.conf); err != nil {
			return nil, err
		}
	}
	if f.budget != asConfigured {
		if f.budget < 0 {
			return nil, usageError{errors.New("--budget must not be negative")}
		}
		c.Models.Budget.FalseInsightsPerDay = f.budget
	}
	if f.fitPriors != "" {
		o.Incidents = 0
	}
	d := &drill{t: t, config: c, temp: f.temp, memory: f.memory, keep: f.keep, clean: f.fitPriors != ""}
	var results []seedResult
	for i, seed := range seeds {
		o.Seed = seed
		began := time.Now()
		r, err := d.run(ctx, o, fmt.Sprintf("seed %d, %d of %d", seed, i+1, len(seeds)))
		if err != nil {
			return nil, fmt.Errorf("drilling with seed %d: %w", seed, err)
		}
		r.Seconds = float64(time.Since(began)/(time.Second/10)) / 10
		t.logger.Info("Drilled", "seed", seed, "events", r.Events, "seconds", r.Seconds, "insights", r.judgement.Insights)
		results = append(results, r)
	}
	return results, nil
}

// verdict is an error where the result is worse than the flags allow.
func (f *drillFlags) verdict(r *simulate.Report) error {
	var errs []error
	for _, x := range r.Types {
		if x.Recall != nil && *x.Recall < f.minRecall {
			errs = append(errs, fmt.Errorf("recall of %s is %.3f, asked for at least %g", x.Type, *x.Recall, f.minRecall))
		}
	}
	if f.maxFalse >= 0 && r.FalseIncidents > f.maxFalse {
		errs = append(errs, fmt.Errorf("there are %g false incidents an account and day, asked for at most %g", r.FalseIncidents, f.maxFalse))
	}
	return errors.Join(errs...)
}

// seedsMost is how many seeds a drill takes.
const seedsMost = 1000

// parseSeeds reads numbers and ranges of them.
func parseSeeds(list []string) ([]uint64, error) {
	var out []uint64
	for _, s := range list {
		first, last, isRange := strings.Cut(s, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 64)
		b, berr := strconv.ParseUint(last, 10, 64)
		if err = errors.Join(err, berr); err != nil || b < a || b-a >= seedsMost {
			return nil, fmt.Errorf("%q is neither a number nor a range such as 1-3 of at most %d", s, seedsMost)
		}
		for n := a; ; n++ {
			out = append(out, n)
			if n == b {
				break
			}
		}
	}
	return out, nil
}

// scoreFiles scores records in a file against labels in another.
func scoreFiles(labels, insights string, series float64) (*simulate.Judgement, error) {
	l, err := os.Open(labels)
	if err != nil {
		return nil, fmt.Errorf("opening the labels: %w", err)
	}
	defer l.Close()
	truth, err := simulate.ReadTruth(l)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	i, err := os.Open(insights)
	if err != nil {
		return nil, fmt.Errorf("opening the insights: %w", err)
	}
	defer i.Close()
	var records simulate.Records
	if err := records.ReadRecords(i); err != nil {
		return nil, fmt.Errorf("reading %s: %w", insights, err)
	}
	reading := records.Read()
	return simulate.Judge(&truth, reading, simulate.SeriesOfAll(&truth, reading, int(series)))
}
