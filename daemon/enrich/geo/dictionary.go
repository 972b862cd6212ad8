package geo

import (
	"cmp"
	"maps"
	"slices"
)

// dictionary returns the values of ranges, the most frequent first, so that
// their numbers are short, and the number of each.
func dictionary[V cmp.Ordered](columns ...[]Range[V]) ([]V, map[V]uint64) {
	count := map[V]int{}
	for _, rs := range columns {
		for _, r := range rs {
			count[r.Value]++
		}
	}
	values := slices.SortedFunc(maps.Keys(count), func(a, b V) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	number := make(map[V]uint64, len(values))
	for i, v := range values {
		number[v] = uint64(i)
	}
	return values, number
}
