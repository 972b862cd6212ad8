package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/insightd/insightd/daemon/insight"
	"github.com/insightd/insightd/models"
)

func TestBudget(t *testing.T) {
	b := newBudget(2)
	for i := range 3 {
		require.True(t, b.take(fmt.Sprint(i), 0.51, 1000))
	}
	require.True(t, b.take("surer", 0.8, 1001))
	require.False(t, b.take("c", 0.51, 1002), "what is left is too little")
	require.True(t, b.take("0", 0.1, 1003), "an incident is paid for once, whatever else is of it")
	require.False(t, b.take("c", 0.51, 1004), "what was not told stays so")
	require.True(t, b.take("c", 0.75, 1005), "unless it is surer now: then it costs less")
	require.True(t, b.take("d", 0.51, 1000+721), "half a day gives a token")
	require.True(t, b.take("d2", 0.51, 1000+722))
	require.False(t, b.take("e", 0.51, 1000+722))
	require.False(t, newBudget(5).take("x", 0.5, 1), "what is no more likely right than wrong is not told by itself")
	require.True(t, newBudget(5).take("x", 0.51, 1))
	require.True(t, newBudget(50).take("x", 0.06, 1), "but to who wants to see more")
	require.False(t, newBudget(50).take("x", 0.05, 1))
	require.True(t, newBudget(0).take("x", 0, 1), "no budget is no limit")

	flood, told := newBudget(1), 0
	for i := range 100 {
		if flood.take(fmt.Sprint(i), 0.99, 1000) {
			told++
		}
	}
	require.Equal(t, 10, told, "nor does what is surely true come as a flood")
}

func TestThresholdAndConfidence(t *testing.T) {
	require.InDelta(t, 3, threshold(4600, 5), 1e-9, "one in a thousand series-weeks")
	require.InDelta(t, 2, threshold(4600, 50), 1e-9, "and ten, for who wants to see more")
	require.InDelta(t, 4.76, threshold(1_000_000, 5), 0.01, "two and a half a day")
	require.Equal(t, 3.0, threshold(1_000_000, 0))
	last := 0.0
	for f := 1.0; f < 12; f += 0.5 {
		c := ofRate(f, 500)
		require.GreaterOrEqual(t, c, last)
		last = c
	}
	require.Equal(t, 0.99, ofRate(20, 500))
	require.Equal(t, 0.05, ofRate(0, 1_000_000))
}

func TestTallyKeepsTheMostFrequent(t *testing.T) {
	var y tally
	for i := range 1000 {
		y.add(symbol(1+i%3), 1)    // Three that are frequent,
		y.add(symbol(100+i/10), 1) // and many that are not.
	}
	total, frequent := float32(0), 0
	for _, s := range y {
		total += s.n
		if s.value >= 1 && s.value <= 3 {
			frequent++
			require.GreaterOrEqual(t, s.n, float32(333))
		}
	}
	require.Equal(t, 3, frequent)
	require.Equal(t, float32(2000), total, "space-saving counts add up to all")
}

func TestSharesAddUpToTheRate(t *testing.T) {
	counts := []valueCount{{"a", 50}, {"b", 20}, {"c", 10}, {"d", 8}, {"e", 6}, {"f", 4}, {"g", 2}}
	got := shares(counts, 100, 5)
	require.Len(t, got, 6)
	require.Equal(t, insight.ValueAverage{Value: "a", Average: 2.5}, got[0])
	require.Equal(t, "Other", got[5].Value)
	sum := 0.0
	for _, v := range got {
		sum += v.Average
	}
	require.InDelta(t, 5, sum, 1e-6)
	require.Nil(t, shares(counts, 100, 0))
}

func TestGapNeedsEventsThatAreDue(t *testing.T) {
	var g gauge
	start := models.Minute(29_000_000 / 60 * 60)
	for m := start; m < start+14*1440; m++ {
		if hour := m / 60 % 24; hour >= 8 && hour < 18 {
			g.add(m, 2) // 120 an hour by day, none by night.
		}
	}
	day := (start+14*1440)/1440*1440 + 1440
	require.True(t, g.gap(day+9*60, day+10*60), "an hour without events at noon")
	require.False(t, g.gap(day+9*60, day+9*60+10), "ten minutes are not enough")
	require.False(t, g.gap(day+1*60, day+5*60), "a night is quiet")
	require.True(t, g.gap(day, day+4*1440), "four days are always a gap")
	var empty gauge
	require.False(t, empty.gap(0, 1000))
}

func TestKnownIsBoundedAndForgetsTheOldest(t *testing.T) {
	y := newSymbols()
	var k known
	for i := range 200 {
		k.add(y, y.of(fmt.Sprintf("v%03d", i)), int32(i))
	}
	require.Len(t, k, knownLimit)
	require.Contains(t, k, y.of("v199"))
	require.NotContains(t, k, y.of("v000"))

	var f known
	for day := range int32(30) {
		f.add(y, y.of("daily"), day)
		if day == 3 || day == 20 {
			f.add(y, y.of("twice"), day)
		}
	}
	f.add(y, y.of("once"), 29)
	got := map[string]string{}
	for _, v := range f.list(y, 30) {
		got[v.Value] = v.Frequency
	}
	require.Equal(t, map[string]string{"daily": "frequent", "twice": "infrequent", "once": "rare"}, got)
}

func TestRecentCutsByWhatIsFinal(t *testing.T) {
	var r recent
	for m := range models.Minute(10_000) {
		if m%2 == 0 {
			r.add(m, 10, 100)
		}
	}
	require.Equal(t, models.Minute(9900), r.cut(0, 10_000, 500), "50 minutes have as many")
	require.Equal(t, models.Minute(9950), r.cut(9950, 10_000, 500), "none is cut")
	require.Equal(t, models.Minute(8000), r.cut(7000, 8100, 500), "of another time")
	require.Equal(t, models.Minute(9998), r.cut(0, 10_000, 5), "the last minute is always within")
	require.Equal(t, models.Minute(10), r.cut(10, 100, 500), "nothing is known of so long ago")
	require.Less(t, len(r.spans), recentMinutes/2+3)

	var quiet recent
	for m := range models.Minute(10_000) {
		quiet.add(m*60, 3, evidenceLimit)
	}
	require.Equal(t, models.Minute(5), quiet.cut(5, 600_000, evidenceLimit))
	require.Less(t, len(quiet.spans), recentSpans)
	require.Equal(t, 30_000, quiet.total)
}
