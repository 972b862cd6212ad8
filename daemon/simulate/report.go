package simulate

import (
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// Report says how good insights are: overall, by their type, and by the kind of
// incident. What cannot be told, such as the recall of what there are no labels
// of, is nil. Shares have three decimals, minutes one.
type Report struct {
	Runs        int     `json:"runs"`
	Insights    int     `json:"insights"`
	Withdrawn   int     `json:"withdrawn"`
	Suppressed  int     `json:"suppressed"`
	AccountDays float64 `json:"accountDays"`
	// FalseIncidents are a day and account: of the types that there are labels
	// of, and of all.
	FalseIncidents    float64 `json:"falseIncidentsADay"`
	AllFalseIncidents float64 `json:"allTypesFalseIncidentsADay"`
	// QuietReported of Quiet addresses were reported and should not have been.
	QuietReported int `json:"quietReported"`
	Quiet         int `json:"quiet"`
	// OtherForm are labels missed because an identity is written otherwise.
	OtherForm int          `json:"missedForOtherFormOfIdentity"`
	Types     []TypeReport `json:"types"`
	Kinds     []KindReport `json:"kinds"`
	// Calibration is that of all types together.
	Calibration []Bin `json:"calibration"`
}

// TypeReport is what a report says of one type of insight.
type TypeReport struct {
	Type      string      `json:"type"`
	Labels    int         `json:"labels"`
	Found     int         `json:"found"`
	Recall    *float64    `json:"recall"`
	Recall95  *[2]float64 `json:"recall95"`
	Insights  int         `json:"insights"`
	Right     int         `json:"right"`
	False     int         `json:"false"`
	Excused   int         `json:"excused"`
	FalseADay float64     `json:"falseADay"` // An account.
	Precision *float64    `json:"precision"`
	// Minutes from a label's start to the insight, and between their ends.
	DelayMedian    *float64 `json:"delayMedian"`
	DelayP90       *float64 `json:"delayP90"`
	EndErrorMedian *float64 `json:"endErrorMedian"`
	EndErrorP90    *float64 `json:"endErrorP90"`
	// ECE is the expected calibration error of the confidence.
	ECE         *float64 `json:"ece"`
	Calibration []Bin    `json:"calibration"`
	// Series is the number of live model series, the mean of the runs; 0 where it
	// is not known.
	Series                   float64  `json:"series,omitempty"`
	FalseIn1000SeriesWeeks   *float64 `json:"falseIn1000SeriesWeeks,omitempty"`
	ByFalseADay              []Point  `json:"byFalseADay,omitempty"`
	ByFalseIn1000SeriesWeeks []Point  `json:"byFalseIn1000SeriesWeeks,omitempty"`
}

// KindReport is what a report says of the insights of one type that one kind of
// incident should raise.
type KindReport struct {
	Insight string `json:"insight"`
	Kind    string `json:"kind"`
	Labels  int    `json:"labels"`
	Found   int    `json:"found"`
	// ByFalseIn1000SeriesWeeks is as for the type.
	ByFalseIn1000SeriesWeeks []Point `json:"byFalseIn1000SeriesWeeks,omitempty"`
}

// Point is the recall with a threshold that lets so many false insights through:
// those above Above, which is nil where all are.
type Point struct {
	False  float64  `json:"false"`
	Above  *float64 `json:"above"`
	Recall float64  `json:"recall"`
}

// Bin is one of the ten bins of confidence: what was said and what was true, on
// average.
type Bin struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Said float64 `json:"said"`
	True float64 `json:"true"`
	N    int     `json:"n"`
}

// The rates of false insights for which a report gives the recall.
var (
	sweepADay        = []float64{.1, .3, 1, 3, 10}
	sweepSeriesWeeks = []float64{1, 3, 10}
)

// NewReport pools the judgements of several runs.
func NewReport(js ...*Judgement) *Report {
	r := &Report{Runs: len(js), Types: []TypeReport{}, Kinds: []KindReport{}}
	var labels []labelResult
	var results []insightResult
	days, incidents, all := 0.0, 0, 0
	types := map[string]bool{}
	for _, j := range js {
		r.Insights += j.Insights
		r.Withdrawn += j.Withdrawn
		r.Suppressed += j.Suppressed
		r.Quiet += j.Quiet
		r.QuietReported += j.QuietReported
		r.OtherForm += j.OtherForm
		days += j.AccountDays
		incidents += j.FalseIncidents
		all += j.AllFalseIncidents
		labels = append(labels, j.labels...)
		for i := range j.results {
			if x := &j.results[i]; x.live && !x.suppressed {
				results = append(results, *x)
				types[x.typ] = true
			}
		}
	}
	kinds := map[[2]string]bool{}
	for i := range labels {
		l := &labels[i]
		types[l.insight] = true
		if l.expected {
			kinds[[2]string{l.insight, l.kind}] = true
		}
	}
	r.AccountDays = rounded(days, 2)
	r.FalseIncidents = rounded(float64(incidents)/days, 3)
	r.AllFalseIncidents = rounded(float64(all)/days, 3)
	r.Calibration, _ = calibration(results)
	cuts := map[string][]Point{}
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		t := typeReport(typ, labels, results, days, js)
		cuts[typ] = t.ByFalseIn1000SeriesWeeks
		r.Types = append(r.Types, t)
	}
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		r.Kinds = append(r.Kinds, kindReport(k[0], k[1], labels, cuts[k[0]]))
	}
	return r
}

func typeReport(typ string, labels []labelResult, results []insightResult, days float64, js []*Judgement) TypeReport {
	t := TypeReport{Type: typ}
	var mine []insightResult
	for i := range results {
		x := &results[i]
		if x.typ != typ {
			continue
		}
		mine = append(mine, *x)
		t.Insights++
		switch {
		case x.right:
			t.Right++
		case x.excused:
			t.Excused++
		default:
			t.False++
		}
	}
	var own []labelResult
	var delays, ends []float64
	for i := range labels {
		l := &labels[i]
		if l.insight != typ || !l.expected || !l.counted {
			continue
		}
		own = append(own, *l)
		if l.found {
			delays, ends = append(delays, l.delay), append(ends, l.end)
		}
	}
	t.Labels, t.Found = len(own), len(delays)
	t.Recall = share(t.Found, t.Labels)
	t.Recall95 = wilson(t.Found, t.Labels)
	t.Precision = share(t.Right, t.Right+t.False)
	t.FalseADay = rounded(float64(t.False)/days, 3)
	t.DelayMedian, t.DelayP90 = quantile(delays, .5), quantile(delays, .9)
	t.EndErrorMedian, t.EndErrorP90 = quantile(ends, .5), quantile(ends, .9)
	t.Calibration, t.ECE = calibration(mine)
	weeks := 0.0
	for _, j := range js {
		weeks += float64(j.Series[typ]) * j.Weeks
		t.Series += float64(j.Series[typ]) / float64(len(js))
	}
	t.Series = rounded(t.Series, 1)
	if weeks > 0 {
		f := rounded(float64(t.False)/weeks*1000, 3)
		t.FalseIn1000SeriesWeeks = &f
	}
	scores, known := falseScores(mine)
	if len(own) == 0 || !known {
		return t
	}
	for _, f := range sweepADay {
		t.ByFalseADay = append(t.ByFalseADay, point(f, f*days, scores, own))
	}
	if weeks > 0 {
		for _, f := range sweepSeriesWeeks {
			t.ByFalseIn1000SeriesWeeks = append(t.ByFalseIn1000SeriesWeeks, point(f, f*weeks/1000, scores, own))
		}
	}
	return t
}

func kindReport(typ, kind string, labels []labelResult, cuts []Point) KindReport {
	k := KindReport{Insight: typ, Kind: kind}
	var own []labelResult
	for i := range labels {
		l := &labels[i]
		if l.insight != typ || l.kind != kind || !l.expected {
			continue
		}
		own = append(own, *l)
		if l.found {
			k.Found++
		}
	}
	k.Labels = len(own)
	for _, c := range cuts {
		above := math.Inf(-1)
		if c.Above != nil {
			above = *c.Above
		}
		k.ByFalseIn1000SeriesWeeks = append(k.ByFalseIn1000SeriesWeeks, Point{c.False, c.Above, recallAbove(above, own)})
	}
	return k
}

// falseScores returns the scores of the false insights, the highest first. It
// reports false where an insight has no score.
func falseScores(mine []insightResult) ([]float64, bool) {
	var out []float64
	for i := range mine {
		x := &mine[i]
		if x.score == nil {
			return nil, false
		}
		if x.wrong() {
			out = append(out, *x.score)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, true
}

// point is the recall with the lowest threshold that lets at most n false
// insights through, of whose scores the highest come first.
func point(rate, n float64, scores []float64, labels []labelResult) Point {
	p := Point{False: rate}
	above := math.Inf(-1)
	if i := int(n + 1e-9); i < len(scores) {
		above = scores[i]
		p.Above = &scores[i]
	}
	p.Recall = recallAbove(above, labels)
	return p
}

func recallAbove(above float64, labels []labelResult) float64 {
	n := 0
	for i := range labels {
		if labels[i].found && labels[i].best > above {
			n++
		}
	}
	return rounded(float64(n)/float64(len(labels)), 3)
}

// calibration compares confidence with truth in ten bins. The expected
// calibration error is Σ n_b/n·|said_b − true_b|: M. Pakdaman Naeini, G. Cooper,
// M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning
// (AAAI 2015). It is nil where no insight has a confidence. Insights that are
// excused do not count.
func calibration(list []insightResult) ([]Bin, *float64) {
	var bins [10]Bin
	// The sums are exact, as the judge's are: what is rounded to three places may
	// lie on the edge.
	var said [10]big.Float
	n := 0
	for i := range list {
		x := &list[i]
		if x.confidence == nil || x.excused {
			continue
		}
		at := max(0, min(9, int(*x.confidence*10)))
		b := &bins[at]
		said[at].SetPrec(200).Add(&said[at], big.NewFloat(*x.confidence))
		if x.right {
			b.True++
		}
		b.N++
		n++
	}
	if n == 0 {
		return nil, nil
	}
	out, ece := []Bin{}, 0.0
	for i := range bins {
		b := &bins[i]
		if b.N == 0 {
			continue
		}
		k := float64(b.N)
		mean, _ := said[i].Quo(&said[i], big.NewFloat(k)).Float64()
		ece += k / float64(n) * math.Abs(mean-b.True/k)
		out = append(out, Bin{
			From: float64(i) / 10, To: float64(i+1) / 10, Said: rounded(mean, 3), True: rounded(b.True/k, 3), N: b.N,
		})
	}
	ece = rounded(ece, 3)
	return out, &ece
}

// share is k of n, nil where n is 0.
func share(k, n int) *float64 {
	if n == 0 {
		return nil
	}
	s := rounded(float64(k)/float64(n), 3)
	return &s
}

// wilson is the interval that holds a share of which k of n were seen with 95 %
// probability: E. Wilson, Probable inference (J. Am. Stat. Assoc. 22, 1927),
//
//	(p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n),  z = 1.96.
func wilson(k, n int) *[2]float64 {
	if n == 0 {
		return nil
	}
	const z = 1.96
	m := float64(n)
	p := float64(k) / m
	middle := p + z*z/2/m
	half := z * math.Sqrt(p*(1-p)/m+z*z/4/m/m)
	whole := 1 + z*z/m
	return &[2]float64{rounded(max(0, middle-half)/whole, 3), rounded((middle+half)/whole, 3)}
}

// quantile is the smallest value that a share q of the values does not exceed,
// nil where there are none.
func quantile(values []float64, q float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	s := slices.Sorted(slices.Values(values))
	v := rounded(s[max(0, min(len(s)-1, int(math.Ceil(q*float64(len(s))))-1))], 1)
	return &v
}

// rounded rounds to so many decimals, as the decimal number that x is.
func rounded(x float64, decimals int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', decimals, 64), 64)
	if err != nil {
		return x
	}
	return r + 0 // No negative zero.
}
