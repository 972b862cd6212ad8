package models

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bruteForce counts every set of up to most items.
func bruteForce(list []Transaction, m Mined) []ItemSet {
	counts := map[string]int{}
	for _, t := range list {
		for mask := 1; mask < 1<<len(t.Items); mask++ {
			var set []string
			for i, item := range t.Items {
				if mask>>i&1 == 1 {
					set = append(set, item)
				}
			}
			if len(set) <= m.Items {
				slices.Sort(set)
				counts[strings.Join(set, "\x00")] += t.Count
			}
		}
	}
	var out []ItemSet
	for k, n := range counts {
		if n >= m.Count {
			out = append(out, ItemSet{strings.Split(k, "\x00"), n})
		}
	}
	slices.SortFunc(out, func(a, b ItemSet) int { return slices.Compare(a.Items, b.Items) })
	return out
}

func randomTransactions(r *rand.Rand, n int) []Transaction {
	list := make([]Transaction, n)
	for i := range list {
		for _, attr := range []string{"a", "b", "c", "d", "e", "f"} {
			if r.IntN(5) > 0 {
				list[i].Items = append(list[i].Items, fmt.Sprintf("%s=%d", attr, int(r.ExpFloat64()*2)))
			}
		}
		list[i].Count = r.IntN(4)
	}
	return list
}

func TestFrequentItemSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		list := randomTransactions(r, 1+r.IntN(80))
		for _, m := range []Mined{{Count: 1, Items: 6, Sets: 1 << 20}, {Count: 4, Items: 3, Sets: 1 << 20}, {Count: 9, Items: 2, Sets: 1 << 20}} {
			want := bruteForce(list, m)
			require.Equal(t, want, FrequentItemSets(list, m))
			shuffled := slices.Clone(list)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			require.Equal(t, want, FrequentItemSets(shuffled, m))
		}
	}
	require.Empty(t, FrequentItemSets(nil, Mined{Count: 1, Items: 3, Sets: 10}))
	require.Empty(t, FrequentItemSets([]Transaction{{[]string{"a"}, 2}}, Mined{Count: 3, Items: 3, Sets: 10}))
}

// Where there are too many sets, the rarest are left out.
func TestFrequentItemSetsAreBounded(t *testing.T) {
	list := randomTransactions(rand.New(rand.NewPCG(3, 4)), 300)
	got := FrequentItemSets(list, Mined{Count: 1, Items: 5, Sets: 200})
	require.LessOrEqual(t, len(got), 200)
	require.NotEmpty(t, got)
	least := got[0].Count
	for _, s := range got {
		least = min(least, s.Count)
	}
	count := 1
	for count*2 <= least {
		count *= 2
	}
	require.Equal(t, bruteForce(list, Mined{Count: count, Items: 5}), got, "all sets that are as frequent are there")
}

func TestRules(t *testing.T) {
	list := []Transaction{
		{[]string{"who=iac", "class=policy", "network=known"}, 412},
		{[]string{"who=anna", "class=policy", "network=known"}, 1},
		{[]string{"who=anna", "class=password", "network=new"}, 87},
	}
	sets := FrequentItemSets(list, Mined{Count: 2, Items: 3, Sets: 1000})
	rules := Rules(sets, 500, 0.9, func(item string) bool { return strings.HasPrefix(item, "who=") })
	i := slices.IndexFunc(rules, func(r Rule) bool { return slices.Equal(r.If, []string{"class=policy"}) })
	require.GreaterOrEqual(t, i, 0)
	x := rules[i]
	require.Equal(t, Rule{If: []string{"class=policy"}, Then: "who=iac", Count: 412, Of: 413, Overall: 412, All: 500}, x)
	require.InDelta(t, 0.824, x.Support(), 1e-9)
	require.InDelta(t, 412.0/413, x.Confidence(), 1e-9)
	require.InDelta(t, 412.0/413/(412.0/500), x.Lift(), 1e-9)
	require.InDelta(t, (1-0.824)/(1.0/413), x.Conviction(), 1e-6)
	for _, r := range rules {
		require.True(t, strings.HasPrefix(r.Then, "who="))
		require.GreaterOrEqual(t, r.Confidence(), 0.9)
		require.False(t, slices.Contains(r.If, r.Then))
	}
	require.Empty(t, Rules(sets, 0, 0.9, func(string) bool { return true }))
}

// What random rules say is what counting says.
func TestRulesCount(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		table := NewTransactions()
		for _, x := range randomTransactions(r, 60) {
			for range x.Count {
				if len(x.Items) > 0 {
					table.Add(x.Items, 20_000_000)
				}
			}
		}
		list, all := table.List()
		rules := Rules(FrequentItemSets(list, Mined{Count: 3, Items: 4, Sets: 1 << 20}), all, 0.5, func(string) bool { return true })
		for _, x := range rules {
			require.Equal(t, table.Count(append(slices.Clone(x.If), x.Then)...), x.Count)
			require.Equal(t, table.Count(x.If...), x.Of)
			require.Equal(t, table.Count(x.Then), x.Overall)
			require.Equal(t, table.Count(), x.All)
		}
	}
}

func TestTransactions(t *testing.T) {
	const monday = 20_520 / 7 * 7 * dayMinutes // the first minute of a week
	x := NewTransactions()
	for w := range Minute(10) {
		x.Add([]string{"a=1", "b=1"}, monday+w*weekMinutes)
		if w == 6 {
			x.Add([]string{"a=1"}, monday+w*weekMinutes+1)
		}
	}
	require.Equal(t, 4, x.Count("a=1", "b=1"), "the last four weeks")
	require.Equal(t, 5, x.Count("a=1"))
	x.Add([]string{"c=1"}, monday+10*weekMinutes)
	require.Equal(t, 3, x.Count("a=1"))
	x.Add([]string{"c=1"}, monday+40*weekMinutes)
	list, all := x.List()
	require.Equal(t, []Transaction{{[]string{"c=1"}, 1}}, list)
	require.Equal(t, 1, all)

	b, err := x.MarshalBinary()
	require.NoError(t, err)
	y := NewTransactions()
	require.NoError(t, y.UnmarshalBinary(b))
	require.Equal(t, x, y)
	for n := range b {
		require.Error(t, y.UnmarshalBinary(b[:n]))
	}
	require.Equal(t, x, y, "what cannot be read changes nothing")
}

func TestTransactionsAreBounded(t *testing.T) {
	x := NewTransactions()
	for i := range 5 * transactionsKept {
		x.Add([]string{"often=1"}, 20_000_000)
		x.Add([]string{fmt.Sprintf("n=%d", i)}, 20_000_000)
		require.LessOrEqual(t, len(x.rows), transactionsKept)
	}
	require.Equal(t, 5*transactionsKept, x.Count("often=1"))
}

func BenchmarkFrequentItemSets(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	list := make([]Transaction, transactionsKept)
	for i := range list {
		who := int(r.ExpFloat64() * 20)
		list[i] = Transaction{[]string{
			fmt.Sprintf("identity=%d", who), fmt.Sprintf("group=%d", who%6), fmt.Sprintf("class=%d", r.IntN(3)),
			fmt.Sprintf("network=%d", r.IntN(8)/7), fmt.Sprintf("hours=%d", r.IntN(4)), fmt.Sprintf("agent=%d", who%5),
			fmt.Sprintf("service=%d", r.IntN(6)), fmt.Sprintf("operation=%d", r.IntN(30)),
		}, 1 + r.IntN(20)}
	}
	b.ReportAllocs()
	for b.Loop() {
		FrequentItemSets(list, Mined{Count: 5, Items: 3, Sets: 20_000})
	}
}
