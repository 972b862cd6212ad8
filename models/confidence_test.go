package models

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const tableCSV = `# Where it is from.
type,agreeing,from,right,of
a,0,3,10,40
a,0,5,30,40
a,1,3,36,40
b,0,1.5,2,40
b,0,2.5,40,400
b,0,8,9999,10000
`

func table(t *testing.T, s string) *Confidence {
	t.Helper()
	c, err := ReadConfidence(strings.NewReader(s))
	require.NoError(t, err)
	return c
}

// baseOfA is the share of right ones in a.
const baseOfA = 76.0 / 120

// share is what a block of a says without thumbs.
func share(right, n float64) float64 { return right / n }

func TestConfidenceLooksUp(t *testing.T) {
	c := table(t, tableCSV)
	require.Equal(t, []string{"a", "b"}, c.Types())
	for _, x := range []struct {
		typ      string
		score    float64
		agreeing int
		want     float64
	}{
		{"a", 3, 0, share(10, 40)},
		{"a", 4.99, 0, share(10, 40)},
		{"a", -1, 0, share(10, 40)}, // Lower than any that was seen.
		{"a", 5, 0, share(30, 40)},
		{"a", 99, 0, share(30, 40)},
		{"a", 3, 1, share(36, 40)},
		{"a", 3, 7, share(36, 40)}, // More than the table has.
		{"b", 1, 2, 2.0 / 40},
		{"b", 2.5, 0, 40.0 / 400},
		{"b", 1e9, 0, 0.99}, // Never certain.
	} {
		p, ok := c.Of(x.typ, x.score, x.agreeing, nil)
		require.True(t, ok)
		require.InDelta(t, x.want, p, 1e-12, "%+v", x)
	}
	_, ok := c.Of("c", 3, 0, nil)
	require.False(t, ok)
}

func TestThumbsMoveConfidence(t *testing.T) {
	c := table(t, tableCSV)
	thumbs := func(list ...Thumb) func(func(Thumb) bool) { return slices.Values(list) }
	of := func(typ string, score float64, th func(func(Thumb) bool)) float64 {
		p, ok := c.Of(typ, score, 0, th)
		require.True(t, ok)
		return p
	}
	// One thumb in the block: p = (10 + 5)/(40 + 5), and π_t = (10·π_s + 1)/11.
	const base = baseOfA
	p, tenant := share(15, 45), (10*base+1)/11
	odds := p / (1 - p) * tenant / (1 - tenant) * (1 - base) / base
	require.InDelta(t, odds/(1+odds), of("a", 3, thumbs(Thumb{"a", 3.5, 0, true})), 1e-12)
	// In another block it moves the base rate alone, of another type nothing.
	p = share(10, 40)
	odds = p / (1 - p) * tenant / (1 - tenant) * (1 - base) / base
	require.InDelta(t, odds/(1+odds), of("a", 3, thumbs(Thumb{"a", 6, 0, true})), 1e-12)
	require.InDelta(t, p, of("a", 3, thumbs(Thumb{"b", 3, 0, true})), 1e-12)

	// The more who say no the lower, but never under the block's lower bound.
	last := 1.0
	var down []Thumb
	for n := range 60 {
		p := of("a", 5, thumbs(down...))
		require.Less(t, p, last)
		require.GreaterOrEqual(t, p, max(0.01, lowerBound(30, 40+5*float64(n))))
		last = p
		down = append(down, Thumb{"a", 5, 0, false})
	}
	require.Less(t, last, 0.2)
	for _, p := range []float64{of("b", 1, thumbs(down...)), of("b", 9, thumbs(slices.Repeat([]Thumb{{"b", 9, 0, true}}, 50)...))} {
		require.GreaterOrEqual(t, p, leastConfidence)
		require.LessOrEqual(t, p, mostConfidence)
	}
}

// outcomes are insights whose chance to be right is known.
func outcomes(seed uint64, n int) []Outcome {
	r := rand.New(rand.NewPCG(seed, 3))
	var out []Outcome
	for range n {
		o := Outcome{Type: "x", Score: 3 + 4*r.ExpFloat64(), Agreeing: r.IntN(5)}
		o.Right = r.Float64() < chance(o)
		out = append(out, o)
	}
	return out
}

func chance(o Outcome) float64 {
	return 1 / (1 + math.Exp(2-0.4*(o.Score-3)-float64(min(o.Agreeing, 2))))
}

func TestFitConfidenceIsCalibrated(t *testing.T) {
	c := FitConfidence(outcomes(1, 4000))
	said, right, n := [10]float64{}, [10]float64{}, [10]float64{}
	list := outcomes(2, 4000)
	for _, o := range list {
		p, ok := c.Of(o.Type, o.Score, o.Agreeing, nil)
		require.True(t, ok)
		b := min(9, int(p*10))
		said[b] += p
		n[b]++
		if o.Right {
			right[b]++
		}
		require.InDelta(t, chance(o), p, 0.25, "%+v", o)
	}
	ece := 0.0
	for b := range n {
		ece += math.Abs(said[b]-right[b]) / float64(len(list))
	}
	require.Less(t, ece, 0.03)
}

func TestFitConfidenceRisesWithTheScore(t *testing.T) {
	c := FitConfidence(outcomes(3, 1000))
	for agreeing := range 4 {
		last := 0.0
		for s := 0.0; s < 30; s += 0.1 {
			p, ok := c.Of("x", s, agreeing, nil)
			require.True(t, ok)
			require.GreaterOrEqual(t, p, last)
			last = p
		}
	}
}

func TestFitConfidenceLeavesOutWhatIsTooLittle(t *testing.T) {
	few := outcomes(1, classLeast-1)
	all := outcomes(2, 200)
	for i := range all {
		all[i].Type, all[i].Right = "all", true
	}
	bad := Outcome{Type: "x", Score: math.NaN()}
	require.Empty(t, FitConfidence(append(append(few, all...), bad)).Types())

	// A class of agreement with too few joins the one below.
	list := outcomes(4, 300)
	for i := range list {
		list[i].Agreeing = 0
	}
	list[0].Agreeing, list[1].Agreeing = 1, 2
	c := FitConfidence(list)
	p, _ := c.Of("x", 5, 0, nil)
	q, _ := c.Of("x", 5, 2, nil)
	require.Equal(t, p, q)
	require.Len(t, c.types["x"].classes, 1)
	// And one without agreement joins the next.
	for i := range list {
		list[i].Agreeing = 2
	}
	c = FitConfidence(list)
	_, ok := c.Of("x", 5, 0, nil)
	require.True(t, ok)
	require.Equal(t, 0, c.types["x"].classes[0].agreeing)
}

func TestConfidenceIsReadAsItWasWritten(t *testing.T) {
	c := FitConfidence(append(outcomes(5, 500), func() []Outcome {
		l := outcomes(6, 500)
		for i := range l {
			l[i].Type = "another"
		}
		return l
	}()...))
	var b bytes.Buffer
	require.NoError(t, c.Write(&b, "two\nlines"))
	require.True(t, strings.HasPrefix(b.String(), "# two\n# lines\ntype,agreeing,from,right,of\n"))
	again, err := ReadConfidence(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, c, again)
	var second bytes.Buffer
	require.NoError(t, again.Write(&second, "two\nlines"))
	require.Equal(t, b.String(), second.String())
}

func TestBadTables(t *testing.T) {
	const head = "type,agreeing,from,right,of\n"
	for in, want := range map[string]string{
		"":                              "EOF",
		"a,b,c,d,e\n":                   "expected [type agreeing from right of]",
		head + "a b,0,1,1,2\n":          `type is "a b", expected the name`,
		head + "a,3,1,1,2\n":            `line 2: agreeing is "3", expected 0 to 2`,
		head + "a,0,x,1,2\n":            `from is "x", expected a number`,
		head + "a,0,NaN,1,2\n":          "expected a number",
		head + "a,0,1,3,2\n":            "3 right of 2 cannot be",
		head + "a,0,1,0,0\n":            "0 right of 0 cannot be",
		head + "a,1,1,1,2\n":            "the first class of a type must be that of 0 agreeing",
		head + "a,0,2,1,2\na,0,1,1,2\n": "line 3: blocks must come in rising order",
		head + "a,0,2,1,2\na,2,2,1,2\na,1,2,1,2\n": "line 4: classes must come in rising order",
		head + "a,0,2,2,2\n":                       "nothing can be learned",
		head + "a,0,2\n":                           "wrong number of fields",
	} {
		_, err := ReadConfidence(strings.NewReader(in))
		require.ErrorContains(t, err, want, "%q", in)
	}
}

func TestShippedConfidence(t *testing.T) {
	c := ShippedConfidence()
	for _, typ := range c.Types() {
		for agreeing := range 4 {
			last := 0.0
			for s := 0.0; s < 40; s += 0.25 {
				p, ok := c.Of(typ, s, agreeing, nil)
				require.True(t, ok)
				require.GreaterOrEqual(t, p, last, "%s at %g with %d", typ, s, agreeing)
				last = p
			}
		}
	}
}

func FuzzConfidence(f *testing.F) {
	f.Add([]byte(tableCSV))
	f.Add([]byte("type,agreeing,from,right,of\na,0,1e9,0.5,1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadConfidence(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, typ := range c.Types() {
			p, ok := c.Of(typ, 3, 1, slices.Values([]Thumb{{typ, 3, 1, true}, {typ, -3, 0, false}}))
			require.True(t, ok)
			require.True(t, p >= 0.01 && p <= 0.99, p)
		}
		var out bytes.Buffer
		require.NoError(t, c.Write(&out, ""))
		again, err := ReadConfidence(&out)
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func BenchmarkConfidence(b *testing.B) {
	c := FitConfidence(outcomes(1, 4000))
	thumbs := slices.Repeat([]Thumb{{"x", 4, 0, true}}, 100)
	for b.Loop() {
		c.Of("x", 4.5, 1, slices.Values(thumbs))
	}
}
