package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/insightd/insightd/daemon/config"
	"github.com/insightd/insightd/daemon/engine"
	"github.com/insightd/insightd/daemon/event"
	"github.com/insightd/insightd/daemon/eventlog"
	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/daemon/source"
	"github.com/insightd/insightd/models"
	"github.com/insightd/insightd/rules"
)

// ReplayOptions say what is replayed.
type ReplayOptions struct {
	// Paths are files, folders and patterns; "-" is Stdin.
	Paths []string
	Stdin io.Reader
	// Provider is whose records they are; empty detects it.
	Provider string
	// Account is the account of records that name none.
	Account string
	Config  *config.Config
	// Rules are files and folders with packages beside those of the configuration.
	// A rule in them takes the place of any other of its id.
	Rules []string
	// Problem is told of what is wrong with rules, or what their authors should
	// know; it is logged where Problem is nil.
	Problem func(rules.Problem)
	// TempDir is where the temporary event log goes; empty is the system's.
	TempDir string
	// Memory is about how much memory may be used, in bytes; what does not fit
	// is on disk. 0 is a gigabyte.
	Memory int64
	// Progress is told how many bytes have been read of how many.
	Progress func(done, total int64)
	// Judging is told how many events are final of how many, after all was read.
	Judging func(done, total int64)
	// Clean says that the events have nothing in them that an insight is for, so
	// that priors may be fitted to the families of models in the report.
	Clean bool
	// Failed is told of every record that could not be read.
	Failed func(event.RecordError)
	// Now is the clock that says when records were received; nil is the system's.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *ReplayOptions) setDefaults() {
	if o.Config == nil {
		o.Config = config.Default()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory <= 0 {
		o.Memory = 1 << 30
	}
}

// Report is what a replay or a rebuild found, and what it cost.
type Report struct {
	Events     uint64
	Duplicates uint64
	Failures   uint64
	Future     uint64
	Elapsed    time.Duration
	First      time.Time
	Last       time.Time
	// Series counts the live model series by insight type.
	Series   map[string]int
	Insights []insight.Insight
	Records  []insight.Record
	// Rules are the rules that were in force, of a replay.
	Rules []RuleReport
	// Families are what the series taught, where a replay was Clean.
	Families []*models.Family
	// Told counts insights that were told on arrival, Withdrawn those of them
	// that a final verdict took back.
	Told, Withdrawn int
	Suppressed      int
}

// eventBytes is about what an event takes in the final pass.
const eventBytes = 1000

// Replay runs history through the line and returns what it found. It goes in
// two passes: into a temporary log, in whatever order the files are; then
// through the final engine, hour by hour in order of time.
func Replay(ctx context.Context, o ReplayOptions) (*Report, error) {
	o.setDefaults()
	begun := time.Now()
	t, err := readTemporary(ctx, o)
	if err != nil {
		return nil, err
	}
	defer t.close()
	return t.report(ctx, o, t.judge, begun)
}

// report runs the final pass of a judge over what was read, and tells what it
// found.
func (t *temporary) report(ctx context.Context, o ReplayOptions, j *judge, begun time.Time) (*Report, error) {
	if err := judgeAll(ctx, o, j.engine, int64(t.in.accepted.Load())); err != nil {
		return nil, err
	}
	r, err := report(t.in, j.engine, j.store, begun)
	if err != nil {
		return nil, err
	}
	r.Rules = ruleReports(j.rules.set, j.engine.RuleMatches(), r.Insights, o.Rules)
	if o.Clean {
		r.Families = j.engine.Families()
	}
	return r, nil
}

// temporary is a line of which nothing is kept.
type temporary struct {
	dir string
	log *eventlog.Log
	*judge
	in *intake
}

// judge is the second half of a line: the engine, and what it needs to judge by a
// configuration.
type judge struct {
	rules    *ruleset
	enricher *current
	store    *insight.Store
	engine   *engine.Engine
}

// readTemporary makes the line of a replay, and reads everything into its log.
func readTemporary(ctx context.Context, o ReplayOptions) (*temporary, error) {
	t, err := openTemporary(o)
	if err != nil {
		return nil, err
	}
	if err := readAll(ctx, o, t.in); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// openTemporary makes the line of a replay, in a folder of its own. The options
// have their defaults.
func openTemporary(o ReplayOptions) (_ *temporary, err error) {
	t := &temporary{}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if t.dir, err = os.MkdirTemp(o.TempDir, "insightd-replay-"); err != nil {
		return nil, fmt.Errorf("making a folder for the temporary log: %w; --temp.path names another place", err)
	}
	t.log, err = eventlog.Open(eventlog.Options{
		Dir: t.dir, NoSync: true, Logger: o.Logger,
		MaxBufferedBytes: o.Memory / 4, CacheBytes: o.Memory / 16, DedupBytes: int(o.Memory / 16),
	})
	if err != nil {
		return nil, fmt.Errorf("opening the temporary log: %w", err)
	}
	if t.judge, err = newJudge(o, t.log, nil); err != nil {
		return nil, err
	}
	t.in = newIntake(t.log, t.engine, t.enricher, o.Now, o.Logger)
	t.in.onFailure = o.Failed
	return t, nil
}

// newJudge makes an engine over a log, under the configuration of the options. stored
// is the judge as whose configuration understands them events are stored; nil is this
// one.
func newJudge(o ReplayOptions, log *eventlog.Log, stored *judge) (*judge, error) {
	j := &judge{}
	var err error
	if j.enricher, err = enrichment(o.Config); err != nil {
		return nil, err
	}
	if j.rules, err = loadRules(o.Config, o.Rules...); err != nil {
		return nil, err
	}
	j.rules.tell(o.Logger, o.Problem)
	eo := engineOptions(o.Config, j.enricher, j.rules)
	eo.Log, eo.Logger, eo.Now, eo.Clean = log, o.Logger, o.Now, o.Clean
	eo.SliceEvents = int(o.Memory / 8 / eventBytes / int64(runtime.GOMAXPROCS(0)))
	if stored != nil {
		eo.Reinterpret, eo.Raw = understand(stored.enricher.Load(), j.enricher.Load())
	}
	if j.store, err = insight.Open(insight.Options{Logger: o.Logger}); err != nil {
		return nil, err
	}
	eo.Insights = j.store
	if j.engine, err = engine.New(eo); err != nil {
		j.store.Close()
		return nil, err
	}
	if err = j.engine.ConfigureExceptions(context.Background(), o.Config.ExceptionValues()); err != nil {
		j.store.Close()
		return nil, fmt.Errorf("putting the configuration's exceptions in force: %w", err)
	}
	return j, nil
}

// close lets go of the line, and of its folder.
func (t *temporary) close() {
	if t.judge != nil {
		t.store.Close()
	}
	if t.log != nil {
		t.log.Close()
	}
	os.RemoveAll(t.dir)
}

// judgeAll runs the final pass over what was read.
func judgeAll(ctx context.Context, o ReplayOptions, eng *engine.Engine, events int64) error {
	defer tellProgress(o.Judging, func() (done, total int64) { return int64(eng.Totals().Events), events })()
	return eng.Finish(ctx)
}

// readAll reads every path to its end, one after the other.
func readAll(ctx context.Context, o ReplayOptions, in *intake) error {
	if len(o.Paths) == 0 {
		return errors.New("nothing to replay: name a file, a folder or -")
	}
	for _, path := range o.Paths {
		if path == "-" {
			s := source.NewStream(source.StreamOptions{Name: "standard input", Reader: o.Stdin, Provider: o.Provider, Account: o.Account, Now: o.Now, Logger: o.Logger})
			if err := s.Run(ctx, passed{readable{in}}); err != nil {
				return fmt.Errorf("reading standard input: %w", err)
			}
			continue
		}
		if err := readPath(ctx, path, o, in); err != nil {
			return err
		}
	}
	return nil
}

// passed is the sink of a replay: the final pass reads what is in memory as well
// as what is on disk, and nothing has to outlive the process.
type passed struct{ readable }

// Flush makes passed a source.Sink.
func (passed) Flush(context.Context) error { return nil }

func readPath(ctx context.Context, path string, o ReplayOptions, in *intake) error {
	f, err := source.NewFolder(source.FolderOptions{Name: path, Path: path, Provider: o.Provider, Account: o.Account, Logger: o.Logger})
	if err != nil {
		return err
	}
	defer tellProgress(o.Progress, f.Progress)()
	if err := f.Run(ctx, passed{readable{in}}); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// report gathers what there is to tell at the end.
func report(in *intake, eng *engine.Engine, store *insight.Store, begun time.Time) (*Report, error) {
	t := eng.Totals()
	r := &Report{
		Events: t.Events, Future: t.Future, First: t.First, Last: t.Last, Suppressed: t.Suppressed,
		Series: eng.ModelSeries(), Elapsed: time.Since(begun),
	}
	if in != nil {
		r.Duplicates, r.Failures = in.duplicates.Load(), in.failures.Load()
		r.Events = in.accepted.Load()
	}
	var err error
	if r.Insights, err = listAll(store); err != nil {
		return nil, err
	}
	slices.SortFunc(r.Insights, func(a, b insight.Insight) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
	r.Told, r.Withdrawn = store.Totals().Told, store.Totals().Withdrawn
	for _, i := range r.Insights {
		r.Records = append(r.Records, store.Records(i.ID)...)
	}
	slices.SortStableFunc(r.Records, func(a, b insight.Record) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), cmp.Compare(a.SharedEventID, b.SharedEventID))
	})
	return r, nil
}

// listAll lists every insight of a store.
func listAll(store *insight.Store) ([]insight.Insight, error) {
	var out []insight.Insight
	q := insight.Query{Limit: 1000}
	for {
		page, err := store.List(q)
		if err != nil {
			return nil, fmt.Errorf("listing insights: %w", err)
		}
		out = append(out, page.Insights...)
		if q.Next = page.Next; q.Next == "" {
			return out, nil
		}
	}
}

// Print writes the summary: a line a number, without separators, for people and
// scripts alike.
func (r *Report) Print(w io.Writer) error {
	rate := 0.0
	if s := r.Elapsed.Seconds(); s > 0 {
		rate = float64(r.Events) / s
	}
	p := printer{w: w}
	p.line("events: %d", r.Events)
	p.line("duplicates: %d", r.Duplicates)
	p.line("decode failures: %d", r.Failures)
	if r.Future > 0 {
		p.line("events from the future: %d", r.Future)
	}
	if !r.First.IsZero() {
		p.line("from: %s", r.First.Format(time.RFC3339))
		p.line("to: %s", r.Last.Format(time.RFC3339))
	}
	p.line("seconds: %.1f", r.Elapsed.Seconds())
	p.line("events a second: %.0f", rate)
	byType := map[string]int{}
	for _, i := range r.Insights {
		byType[i.Type]++
	}
	p.line("insights: %d", len(r.Insights))
	for _, t := range slices.Sorted(maps.Keys(byType)) {
		p.line("  %s: %d", t, byType[t])
	}
	p.line("suppressed: %d", r.Suppressed)
	share := 0.0
	if r.Told > 0 {
		share = float64(r.Withdrawn) / float64(r.Told)
	}
	p.line("told on arrival: %d", r.Told)
	p.line("withdrawn share: %.3f", share)
	p.line("live series:")
	for _, t := range slices.Sorted(maps.Keys(r.Series)) {
		p.line("  %s: %d", t, r.Series[t])
	}
	return p.err
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
