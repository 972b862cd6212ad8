package models

import (
	"cmp"
	"slices"
	"strings"
)

// ItemSet is a set of items that stand together in Count transactions.
type ItemSet struct {
	Items []string // sorted
	Count int
}

// Mined says how a set of transactions is to be mined.
type Mined struct {
	// Count is in how many transactions a set must be.
	Count int
	// Items is how many items a set has at the most, and Sets how many sets are
	// found at the most: where there are more, Count is doubled until there are
	// not.
	Items, Sets int
}

// Transaction is a set of items, without repeats, that came Count times.
type Transaction struct {
	Items []string
	Count int
}

// FrequentItemSets returns the sets of items that stand together often, by
// FP-growth (Han, Pei and Yin, Mining frequent patterns without candidate
// generation, SIGMOD 2000): transactions become paths of a prefix tree, their
// frequent items first, and each item's sets are found in the tree of the paths
// that lead to it. The result is in order of the items and does not depend on
// the order of the transactions.
func FrequentItemSets(list []Transaction, m Mined) []ItemSet {
	m.Count = max(1, m.Count)
	for {
		g := growth{Mined: m}
		paths := make([]path, 0, len(list))
		for _, t := range list {
			if t.Count > 0 {
				paths = append(paths, path{t.Items, t.Count})
			}
		}
		g.grow(paths, nil)
		if g.full && m.Count < 1<<40 {
			m.Count *= 2
			continue
		}
		slices.SortFunc(g.found, func(a, b ItemSet) int { return slices.Compare(a.Items, b.Items) })
		return g.found
	}
}

// growth is one run of the search.
type growth struct {
	Mined
	found []ItemSet
	full  bool // there are more sets than may be found
}

// path is items that stand together, with how often.
type path struct {
	items []string
	count int
}

// fpNode is a node of the prefix tree.
type fpNode struct {
	item     int // in the order of the tree
	count    int
	parent   *fpNode
	children []*fpNode // by item
	next     *fpNode   // the next of the same item
}

// grow finds the frequent sets that end in suffix, in the transactions that have
// it.
func (g *growth) grow(paths []path, suffix []string) {
	counts := map[string]int{}
	for _, p := range paths {
		for _, item := range p.items {
			counts[item] += p.count
		}
	}
	var order []string // the frequent items, the most frequent first
	for item, n := range counts {
		if n >= g.Count {
			order = append(order, item)
		}
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b)) })
	rank := make(map[string]int, len(order))
	for i, item := range order {
		rank[item] = i
	}
	heads := g.tree(paths, rank, len(order))
	for i, last := range slices.Backward(order) {
		if len(g.found) >= g.Sets {
			g.full = true
			return
		}
		items := append(slices.Clone(suffix), last)
		sorted := slices.Clone(items)
		slices.Sort(sorted)
		g.found = append(g.found, ItemSet{sorted, counts[last]})
		if len(items) >= g.Items {
			continue
		}
		var below []path
		for n := heads[i]; n != nil; n = n.next {
			var way []string
			for p := n.parent; p.parent != nil; p = p.parent {
				way = append(way, order[p.item])
			}
			if len(way) > 0 {
				below = append(below, path{way, n.count})
			}
		}
		if len(below) > 0 {
			g.grow(below, items)
		}
	}
}

// tree makes the prefix tree of the frequent items of paths, and returns where
// each item stands in it.
func (g *growth) tree(paths []path, rank map[string]int, n int) []*fpNode {
	root := &fpNode{}
	heads := make([]*fpNode, n)
	var way []int
	for _, p := range paths {
		way = way[:0]
		for _, item := range p.items {
			if r, ok := rank[item]; ok {
				way = append(way, r)
			}
		}
		slices.Sort(way)
		at := root
		for _, r := range way {
			i, ok := slices.BinarySearchFunc(at.children, r, func(c *fpNode, r int) int { return c.item - r })
			if !ok {
				child := &fpNode{item: r, parent: at, next: heads[r]}
				heads[r] = child
				at.children = slices.Insert(at.children, i, child)
			}
			at = at.children[i]
			at.count += p.count
		}
	}
	return heads
}

// Rule says that transactions with the items If have the item Then as well.
type Rule struct {
	If   []string `json:"if"` // sorted
	Then string   `json:"then"`
	// Count is how many transactions have both, Of how many have If, Overall how
	// many have Then, and All how many there are.
	Count   int `json:"count"`
	Of      int `json:"of"`
	Overall int `json:"overall"`
	All     int `json:"all"`
}

// Support is the share of all transactions that have both sides.
func (r Rule) Support() float64 { return float64(r.Count) / float64(r.All) }

// Confidence is the share of the transactions with If that have Then.
func (r Rule) Confidence() float64 { return float64(r.Count) / float64(r.Of) }

// Lift is by what factor If makes Then likelier: 1 where they have nothing to do
// with each other.
func (r Rule) Lift() float64 {
	return r.Confidence() * float64(r.All) / float64(r.Overall)
}

// Conviction is how much more often the rule would be violated if the two had
// nothing to do with each other (Brin, Motwani, Ullman and Tsur, SIGMOD 1997).
// Half a violation stands for none, so that it stays finite.
func (r Rule) Conviction() float64 {
	missed := max(0.5, float64(r.Of-r.Count)) / float64(r.Of)
	return (1 - float64(r.Overall)/float64(r.All)) / missed
}

// Rules returns the rules with one item on the right that item sets give, with
// at least the given confidence, in order of their items. The sets are those of
// FrequentItemSets with the same least count for all; then has to hold for the
// item on the right.
func Rules(sets []ItemSet, all int, confidence float64, then func(string) bool) []Rule {
	if all <= 0 {
		return nil
	}
	counts := make(map[string]int, len(sets))
	for _, s := range sets {
		counts[joined(s.Items, -1)] = s.Count
	}
	var out []Rule
	for _, s := range sets {
		if len(s.Items) < 2 {
			continue
		}
		for i, item := range s.Items {
			if !then(item) {
				continue
			}
			r := Rule{
				If: slices.Delete(slices.Clone(s.Items), i, i+1), Then: item,
				Count: s.Count, Of: counts[joined(s.Items, i)], Overall: counts[item], All: all,
			}
			if r.Of > 0 && r.Overall > 0 && r.Confidence() >= confidence {
				out = append(out, r)
			}
		}
	}
	return out
}

// joined is a key of a set without one of its items.
func joined(items []string, without int) string {
	var b strings.Builder
	for i, item := range items {
		if i == without {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(0)
		}
		b.WriteString(item)
	}
	return b.String()
}
