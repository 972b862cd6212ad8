package simulate

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLateDelivery(t *testing.T) {
	o := Options{Seed: 2, Days: 1, Incidents: 20}
	inOrder := map[uint64]bool{}
	for r := range traffic(t, o).Records() {
		inOrder[hashString(string(r.JSON))] = true
	}
	o.Late = true
	tr := traffic(t, o)
	var last, newest time.Time
	n, shuffled := 0, 0
	var delay time.Duration
	for r := range tr.Records() {
		require.True(t, inOrder[hashString(string(r.JSON))], "late delivery changed a record")
		require.False(t, r.Delivered.Before(last), "not in order of delivery")
		last = r.Delivered
		d := r.Delivered.Sub(r.Time)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.LessOrEqual(t, d, MaxDelay)
		delay += d
		if r.Time.Before(newest) {
			shuffled++
		} else {
			newest = r.Time
		}
		n++
	}
	require.Len(t, inOrder, n)
	require.Greater(t, shuffled, n*9/10)
	mean := delay / time.Duration(n)
	require.Greater(t, mean, 2*time.Minute)
	require.Less(t, mean, 6*time.Minute)
}

func TestDuplicates(t *testing.T) {
	for _, late := range []bool{false, true} {
		tr := traffic(t, Options{Seed: 2, Days: 1, Duplicates: 0.05, Late: late})
		first := map[uint64]time.Time{}
		n, twice := 0, 0
		var last time.Time
		for r := range tr.Records() {
			n++
			require.False(t, r.Delivered.Before(last))
			last = r.Delivered
			h := hashString(string(r.JSON))
			if at, found := first[h]; found {
				twice++
				require.LessOrEqual(t, r.Delivered.Sub(at), MaxDelay)
				continue
			}
			first[h] = r.Delivered
		}
		require.InDelta(t, 0.05, float64(twice)/float64(n-twice), 0.005)
	}
}

func TestRecordsCanBeLeft(t *testing.T) {
	tr := traffic(t, Options{Seed: 2, Days: 3})
	var first, again [][]byte
	for r := range tr.Records() {
		if first = append(first, bytes.Clone(r.JSON)); len(first) == 1000 {
			break
		}
	}
	for r := range tr.Records() {
		if again = append(again, bytes.Clone(r.JSON)); len(again) == 1000 {
			break
		}
	}
	require.Equal(t, first, again)
}
