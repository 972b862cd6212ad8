package simulate

import (
	"cmp"
	"math"
	"slices"
)

// profile is what an actor usually does: what an incident is measured against.
// It is taken from the first days of the traffic, without any incident.
type profile struct {
	days int
	apis map[apiID]*usage
	list []*usage // By API, so that choices do not depend on the map's order.
	// key is the 95th percentile of the minutes with writes.
	key float64
	// hours counts calls by hour of day in UTC, active the days with any.
	hours  [24]int
	active int
}

// usage is how an actor uses an API.
type usage struct {
	api     apiID
	calls   int
	errors  int
	minutes int // Minutes with calls.
	p95     float64
	hours   [24]int
}

// profile days: enough for every hour of every weekday, and no more than it
// takes, since everybody's are generated once more for it.
const profileDays = 10

func (t *Traffic) profile(a *actor) *profile {
	w := t.walk(a)
	first := int(floorDiv(t.start, daySeconds))
	days := profileDays
	if whole := int(floorDiv(t.warm-t.start, daySeconds)); whole < days {
		days = max(7, whole)
	}
	p := &profile{days: days, apis: map[apiID]*usage{}}
	minutes := map[apiID][]uint64{} // Histogram of calls a minute, up to 511.
	keys := make([]uint64, 512)
	var cells, writes []uint32
	for day := first - 1; day < first+days; day++ {
		calls := w.next(day)
		if day < first {
			continue // Only to begin where the traffic begins.
		}
		cells, writes = cells[:0], writes[:0]
		if len(calls) > 0 {
			p.active++
		}
		for i := range calls {
			c := &calls[i]
			u := p.apis[c.api]
			if u == nil {
				u = &usage{api: c.api}
				p.apis[c.api] = u
				minutes[c.api] = make([]uint64, 512)
			}
			u.calls++
			if c.err != ok {
				u.errors++
			}
			hour := (c.t/3600%24 + 24) % 24
			u.hours[hour]++
			p.hours[hour]++
			minute := uint32(c.t/60+8*1440) & 0xffff
			cells = append(cells, uint32(c.api)<<16|minute)
			if !catalog[c.api].read {
				writes = append(writes, minute)
			}
		}
		runs(cells, func(cell uint32, n int) {
			u := p.apis[apiID(cell>>16)]
			u.minutes++
			minutes[u.api][min(n, 511)]++
		})
		runs(writes, func(_ uint32, n int) { keys[min(n, 511)]++ })
	}
	for id, u := range p.apis {
		u.p95 = percentile(minutes[id], 0.95)
		p.list = append(p.list, u)
	}
	slices.SortFunc(p.list, func(a, b *usage) int { return cmp.Compare(a.api, b.api) })
	p.key = percentile(keys, 0.95)
	return p
}

// runs sorts the cells and hands every value with how often it occurs to f.
func runs(cells []uint32, f func(cell uint32, n int)) {
	slices.Sort(cells)
	for i := 0; i < len(cells); {
		j := i
		for j < len(cells) && cells[j] == cells[i] {
			j++
		}
		f(cells[i], j-i)
		i = j
	}
}

// percentile is the value below which that share of a histogram lies.
func percentile(histogram []uint64, share float64) float64 {
	total := uint64(0)
	for _, n := range histogram {
		total += n
	}
	want, sum := uint64(math.Ceil(share*float64(total))), uint64(0)
	for v, n := range histogram {
		if sum += n; sum >= want && sum > 0 {
			return float64(v)
		}
	}
	return 0
}
