package models

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Outcome is an insight of which it is known whether it was right.
type Outcome struct {
	Type  string
	Score float64
	// Agreeing is how many other types of insight the same identity had within
	// the two hours before.
	Agreeing int
	Right    bool
}

// Thumb is what a reader said of an insight: that it was right, or not.
type Thumb struct {
	Type     string
	Score    float64
	Agreeing int
	Up       bool
}

// AgreeingMost is the number of agreeing types from which more make no
// difference.
const AgreeingMost = 2

const (
	// thumbWeight is how many generated insights a thumb counts for in its block,
	// priorThumbs how many thumbs the shipped base rate does.
	thumbWeight = 5
	priorThumbs = 10
	// mostConfidence and leastConfidence are the highest and the lowest that is
	// told: neither is ever certain.
	mostConfidence  = 0.99
	leastConfidence = 0.01
	// blockLeast is how many insights a block is made of at the least. A class of
	// agreement needs classLeast, and a type with fewer in all has no table.
	blockLeast = 15
	classLeast = 25
)

// block is a step of a table: of the insights with a score from from on, right
// of n were right.
type block struct {
	from     float64
	right, n float64
}

// class holds the blocks for one number of agreeing types and more, up to the
// next class.
type class struct {
	agreeing int
	blocks   []block // In rising order of from; the first holds whatever is lower, too.
}

// Confidence is a table of how often insights were right, by their type, their
// score and how many other types agreed: what a probability is read from. It
// does not change, and is safe for concurrent use.
type Confidence struct {
	types map[string]*calibrated
	order []string
}

// calibrated is the table of one type.
type calibrated struct {
	classes []class
	// base is the share of right ones among all that it was fitted to.
	base float64
}

//go:embed confidence.csv
var shippedConfidence []byte

// ShippedConfidence returns the table that comes with the program. It is fitted
// to generated traffic, see DESIGN.md.
var ShippedConfidence = sync.OnceValue(func() *Confidence {
	c, err := ReadConfidence(bytes.NewReader(shippedConfidence))
	if err != nil {
		panic(fmt.Sprintf("models: the table of confidence that is built in: %v", err))
	}
	return c
})

// Of is the probability that an insight is right, and false where the table
// does not know the type. thumbs, which may be nil, yields what was said of the
// tenant's insights.
//
// A block's probability is p = (k + 5·up) / (n + 5·(up + down)), k of n insights
// being right in the block and up and down the thumbs that fall into it. It was
// found where a share π_s of a type's insights are right; in a tenant where
// π_t are, its odds are
//
//	p/(1−p) · π_t/(1−π_t) · (1−π_s)/π_s    (Bayes),
//	π_t = (10·π_s + U) / (10 + U + D),
//
// U and D being all thumbs of the type: a tenant that has said nothing is taken
// to be as what was generated, with the weight of ten thumbs. It is at most
// 0.99, and at least the block's lower 5 % bound or 0.01.
func (c *Confidence) Of(typ string, score float64, agreeing int, thumbs func(yield func(Thumb) bool)) (float64, bool) {
	t := c.types[typ]
	if t == nil {
		return 0, false
	}
	cl, at := t.find(score, agreeing)
	b := t.classes[cl].blocks[at]
	up, all := 0.0, 0.0
	if thumbs != nil {
		for th := range thumbs {
			if th.Type != typ {
				continue
			}
			all++
			u := 0.0
			if th.Up {
				u = 1
			}
			up += u
			if tc, ta := t.find(th.Score, th.Agreeing); tc == cl && ta == at {
				b.right += thumbWeight * u
				b.n += thumbWeight
			}
		}
	}
	p := b.right / b.n
	tenant := (priorThumbs*t.base + up) / (priorThumbs + all)
	odds := p / (1 - p) * (tenant / (1 - tenant)) * ((1 - t.base) / t.base)
	if !math.IsInf(odds, 1) { // p is 1.
		p = odds / (1 + odds)
	}
	return min(mostConfidence, max(p, lowerBound(b.right, b.n), leastConfidence)), true
}

// find is the class and the block of a score.
func (t *calibrated) find(score float64, agreeing int) (cl, at int) {
	for cl+1 < len(t.classes) && t.classes[cl+1].agreeing <= agreeing {
		cl++
	}
	blocks := t.classes[cl].blocks
	for at+1 < len(blocks) && blocks[at+1].from <= score {
		at++
	}
	return cl, at
}

// FitConfidence makes a table from insights of which it is known whether they
// were right. Types of fewer than 25 insights, or of which all were right or
// none, are left out. Classes of agreement with fewer are one with that of less
// agreement, or with the next.
func FitConfidence(list []Outcome) *Confidence {
	byType := map[string][]Outcome{}
	for _, o := range list {
		if !math.IsNaN(o.Score) && !math.IsInf(o.Score, 0) {
			byType[o.Type] = append(byType[o.Type], o)
		}
	}
	c := &Confidence{types: map[string]*calibrated{}}
	for typ, of := range byType {
		right := 0
		for i := range of {
			if of[i].Right {
				right++
			}
		}
		if len(of) < classLeast || right == 0 || right == len(of) {
			continue
		}
		t := &calibrated{base: float64(right) / float64(len(of))}
		for _, part := range classesOf(of) {
			cl := class{agreeing: part.agreeing}
			for _, l := range coarsen(Isotonic(part.points), blockLeast) {
				cl.blocks = append(cl.blocks, block{l.From, math.Round(l.Value * l.Weight), l.Weight})
			}
			t.classes = append(t.classes, cl)
		}
		t.classes[0].agreeing = 0
		c.add(typ, t)
	}
	return c
}

func (c *Confidence) add(typ string, t *calibrated) {
	c.types[typ] = t
	c.order = append(c.order, typ)
	slices.Sort(c.order)
}

// agreement are the points of a class.
type agreement struct {
	agreeing int
	points   []Point
}

// classesOf deals insights by how many types agreed, and joins classes that are
// too small.
func classesOf(list []Outcome) []agreement {
	out := make([]agreement, AgreeingMost+1)
	for i := range out {
		out[i].agreeing = i
	}
	for i := range list {
		o := &list[i]
		p := Point{X: o.Score, Weight: 1}
		if o.Right {
			p.Y = 1
		}
		a := &out[min(max(o.Agreeing, 0), AgreeingMost)]
		a.points = append(a.points, p)
	}
	for i := len(out) - 1; i > 0; i-- {
		if len(out[i].points) < classLeast || len(out[i-1].points) < classLeast {
			out[i-1].points = append(out[i-1].points, out[i].points...)
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}

// confidenceHeader are the columns of a table's file.
var confidenceHeader = []string{"type", "agreeing", "from", "right", "of"}

// ReadConfidence reads a table as WriteTo writes it.
func ReadConfidence(in io.Reader) (*Confidence, error) {
	r := csv.NewReader(in)
	r.Comment = '#'
	r.FieldsPerRecord = len(confidenceHeader)
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("reading a table of confidence: %w", err)
	}
	if !slices.Equal(head, confidenceHeader) {
		return nil, fmt.Errorf("reading a table of confidence: the columns are %v, expected %v", head, confidenceHeader)
	}
	c := &Confidence{types: map[string]*calibrated{}}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // It says in which line.
			return nil, fmt.Errorf("reading a table of confidence: %w", err)
		}
		if err := c.row(row); err != nil {
			line, _ := r.FieldPos(0)
			return nil, fmt.Errorf("reading a table of confidence: line %d: %w", line, err)
		}
	}
	for typ, t := range c.types {
		if err := t.settle(); err != nil {
			return nil, fmt.Errorf("reading a table of confidence: %s: %w", typ, err)
		}
	}
	return c, nil
}

// row adds a block to the table.
func (c *Confidence) row(row []string) error {
	if row[0] == "" || strings.ContainsFunc(row[0], func(r rune) bool { return !unicode.IsLetter(r) }) {
		return fmt.Errorf("type is %q, expected the name of a type of insight", row[0])
	}
	agreeing, err := strconv.Atoi(row[1])
	if err != nil || agreeing < 0 || agreeing > AgreeingMost {
		return fmt.Errorf("agreeing is %q, expected 0 to %d", row[1], AgreeingMost)
	}
	var v [3]float64
	for i := range v {
		if v[i], err = strconv.ParseFloat(row[2+i], 64); err != nil || math.IsNaN(v[i]) || math.IsInf(v[i], 0) {
			return fmt.Errorf("%s is %q, expected a number", confidenceHeader[2+i], row[2+i])
		}
	}
	b := block{from: v[0], right: v[1], n: v[2]}
	if b.right < 0 || b.n < max(1, b.right) {
		return fmt.Errorf("%g right of %g cannot be", b.right, b.n)
	}
	t := c.types[row[0]]
	if t == nil {
		t = &calibrated{}
		c.add(row[0], t)
	}
	last := len(t.classes) - 1
	switch {
	case last < 0 && agreeing != 0:
		return errors.New("the first class of a type must be that of 0 agreeing")
	case last >= 0 && t.classes[last].agreeing == agreeing:
		bs := t.classes[last].blocks
		if b.from <= bs[len(bs)-1].from {
			return errors.New("blocks must come in rising order of from")
		}
		t.classes[last].blocks = append(bs, b)
	case last >= 0 && t.classes[last].agreeing > agreeing:
		return errors.New("classes must come in rising order of agreeing")
	default:
		t.classes = append(t.classes, class{agreeing, []block{b}})
	}
	return nil
}

// settle derives the base rate from the blocks.
func (t *calibrated) settle() error {
	right, n := 0.0, 0.0
	for _, c := range t.classes {
		for _, b := range c.blocks {
			right += b.right
			n += b.n
		}
	}
	if right <= 0 || right >= n {
		return errors.New("all were right, or none: nothing can be learned from that")
	}
	t.base = right / n
	return nil
}

// Write writes the table as CSV, under a comment that says where it is from.
func (c *Confidence) Write(out io.Writer, comment string) error {
	b := &strings.Builder{}
	for line := range strings.Lines(comment) {
		fmt.Fprintf(b, "# %s\n", strings.TrimSuffix(line, "\n"))
	}
	w := csv.NewWriter(b)
	text := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	rows := [][]string{confidenceHeader}
	for _, typ := range c.order {
		for _, cl := range c.types[typ].classes {
			for _, bl := range cl.blocks {
				rows = append(rows, []string{typ, strconv.Itoa(cl.agreeing), text(bl.from), text(bl.right), text(bl.n)})
			}
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("writing a table of confidence: %w", err)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("writing a table of confidence: %w", err)
	}
	return nil
}

// Types are those that the table knows.
func (c *Confidence) Types() []string { return slices.Clone(c.order) }
