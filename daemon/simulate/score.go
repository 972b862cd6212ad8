package simulate

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/insightd/insightd/daemon/insight"
)

// Judgement says what became of the labels and of the insights of one run. It
// holds what a Report needs and no more, so many can be kept and pooled.
type Judgement struct {
	Insights, Withdrawn, Suppressed int
	// AccountDays are the days after the warm-up, times the accounts.
	AccountDays float64
	// Weeks are those after the warm-up.
	Weeks float64
	// Series counts the live model series by insight type, where it is known.
	Series map[string]int
	// FalseIncidents are those of the types that there are labels of,
	// AllFalseIncidents those of any type.
	FalseIncidents, AllFalseIncidents int
	// Quiet are the addresses that should stay quiet, QuietReported those of them
	// that did not.
	Quiet, QuietReported int
	// OtherForm are labels missed whose identity has an insight in another form.
	OtherForm int

	labels  []labelResult
	results []insightResult
}

// labelResult is what became of a label.
type labelResult struct {
	insight, kind string
	// expected is false of what is to stay quiet; it names its type only.
	expected bool
	// counted is false of what lies in the warm-up: it is in no recall.
	counted bool
	found   bool
	// best is the highest score of the insights that found it, -Inf for none.
	best float64
	// delay and end are in minutes.
	delay, end float64
}

// insightResult is what became of an insight.
type insightResult struct {
	typ               string
	score, confidence *float64
	agreeing          int
	right, excused    bool
	// live is false of what was seen in the warm-up.
	live, suppressed bool
	// plain is false of what a detector or a reader held back: it says
	// nothing of how sure the score makes one.
	plain bool
}

// wrong reports whether the insight is a false one.
func (r *insightResult) wrong() bool { return !r.right && !r.excused }

// Judge compares insights with what is in the traffic.
//
// About an insight and a label see Told.about; found, near and excused likewise.
// An insight is right where it is about a label that it is near to, of whatever
// type; excused where it is not, and a legitimate change may be why; false
// otherwise. The labels of what should stay quiet make nothing right.
func Judge(truth *Truth, r Reading, series map[string]int) (*Judgement, error) {
	horizon, warm := unix(truth.End), unix(truth.WarmupEnd)
	if horizon <= warm {
		return nil, errors.New("nothing to judge: the traffic ends before its warm-up does; make it longer, or the warm-up shorter")
	}
	j := &Judgement{
		Withdrawn: r.Withdrawn, Series: series, Weeks: (horizon - warm) / (7 * daySeconds),
		AccountDays: (horizon - warm) / daySeconds * float64(max(1, len(truth.Accounts))),
	}
	var wanted, quiet []target
	for i := range truth.Labels {
		t := newTarget(&truth.Labels[i])
		if t.Expected {
			wanted = append(wanted, t)
		} else {
			quiet = append(quiet, t)
		}
	}
	var told []Told // Those that a reader was told of.
	var falseOnes, falseJudged []Told
	for i := range r.Told {
		t := &r.Told[i]
		res := insightResult{
			typ: t.Type, score: t.Score, confidence: t.Confidence, agreeing: t.Agreeing,
			live: t.Seen >= warm, suppressed: t.Suppressed != "",
			plain: t.Suppressed == "" || strings.HasPrefix(t.Suppressed, insight.SuppressedByBudget),
		}
		res.right = slices.ContainsFunc(wanted, func(l target) bool { return t.about(&l) && t.near(&l) })
		res.excused = !res.right && slices.ContainsFunc(truth.Benign, func(b Benign) bool { return b.excuses(t) })
		j.results = append(j.results, res)
		if t.Suppressed != "" {
			j.Suppressed++
			continue
		}
		told = append(told, *t)
		if res.live && res.wrong() {
			falseOnes = append(falseOnes, *t)
			if slices.Contains(judged, t.Type) {
				falseJudged = append(falseJudged, *t)
			}
		}
	}
	j.Insights = len(told)
	j.FalseIncidents, j.AllFalseIncidents = incidents(falseJudged), incidents(falseOnes)
	for i := range wanted {
		l := &wanted[i]
		res := l.look(told, horizon)
		if !res.found && slices.ContainsFunc(told, func(t Told) bool {
			return t.Type == l.Insight && t.Identity != "" && bareName(t.Identity) == bareName(l.Identity) && t.near(l)
		}) {
			j.OtherForm++
		}
		j.labels = append(j.labels, res)
	}
	for i := range quiet {
		l := &quiet[i]
		j.labels = append(j.labels, labelResult{insight: l.Insight, kind: l.Type})
		if l.Insight == insightIP {
			j.Quiet++
			if l.look(told, horizon).found {
				j.QuietReported++
			}
		}
	}
	return j, nil
}

// SeriesOfAll gives every type of insight the same number of series: what is
// known of files. It is nil for 0.
func SeriesOfAll(truth *Truth, r Reading, n int) map[string]int {
	if n <= 0 {
		return nil
	}
	out := map[string]int{}
	for i := range r.Told {
		out[r.Told[i].Type] = n
	}
	for i := range truth.Labels {
		out[truth.Labels[i].Insight] = n
	}
	return out
}

// look looks for a label among insights. The delay is that of the insight that
// was seen first, the error of the end that of the closest.
func (l *target) look(told []Told, horizon float64) labelResult {
	res := labelResult{
		insight: l.Insight, kind: l.Type, expected: true, counted: l.Type != kindPoisonSeed,
		best: math.Inf(-1), delay: math.Inf(1), end: math.Inf(1),
	}
	for i := range told {
		t := &told[i]
		end := horizon
		if t.HasEnd {
			end = t.End
		}
		if !t.finds(l, end) {
			continue
		}
		score := 0.0
		if t.Score != nil {
			score = *t.Score
		}
		res.found = true
		res.best = max(res.best, score)
		res.delay = min(res.delay, max(0, t.Seen-l.start)/60)
		res.end = min(res.end, math.Abs(end-l.end)/60)
	}
	return res
}

// Sample is an insight of which it is known whether it was right: what a table
// of confidence is fitted to.
type Sample struct {
	Type     string
	Score    float64
	Agreeing int
	Right    bool
}

// Samples returns the insights after the warm-up, without those that are excused
// and those that were held back for another reason than the budget.
func (j *Judgement) Samples() []Sample {
	var out []Sample
	for i := range j.results {
		if r := &j.results[i]; r.live && r.plain && !r.excused && r.score != nil {
			out = append(out, Sample{r.typ, *r.score, r.agreeing, r.right})
		}
	}
	slices.SortStableFunc(out, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Score, b.Score))
	})
	return out
}
