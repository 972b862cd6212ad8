package models

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// This file makes labelled traffic for the tests: people with working hours,
// automation of nine kinds, legitimate changes, and incidents.

// epoch is a Monday, 00:00 UTC.
const epoch Minute = 2_948*weekMinutes - 3*dayMinutes

// sample is how many calls fell in a minute.
type sample struct {
	m Minute
	n float64
}

// line is a series of the generated traffic.
type line struct {
	who, api int
	samples  []sample
}

// span is something that the generator did on purpose: an incident, of one
// series, or a legitimate change, of one identity (-1: of all).
type span struct {
	kind       string
	who, line  int
	start, end Minute
}

// traffic is what a seed makes.
type traffic struct {
	days      int
	births    []Minute
	lines     []line
	incidents []span
	benign    []span
	gaps      []gap
}

// group is whom an identity is compared with: half of them are people.
func (t *traffic) group(who int) Group {
	if who%50 < 25 {
		return Person
	}
	return Workload
}

type maker struct {
	*rand.Rand
	t     *traffic
	index map[[2]int]int
	raw   map[int]map[Minute]float64 // by line
}

func (g *maker) add(who, api int, m Minute, n float64) int {
	key := [2]int{who, api}
	i, ok := g.index[key]
	if !ok {
		i = len(g.t.lines)
		g.index[key] = i
		g.t.lines = append(g.t.lines, line{who: who, api: api})
		g.raw[i] = map[Minute]float64{}
	}
	if n > 0 && m >= epoch && m < epoch+Minute(g.t.days)*dayMinutes {
		g.raw[i][m] += n
	}
	return i
}

func (g *maker) uniform(low, high float64) float64 { return low + (high-low)*g.Float64() }

// scaled is log-uniform.
func (g *maker) scaled(low, high float64) float64 {
	return math.Exp(g.uniform(math.Log(low), math.Log(high)))
}

func (g *maker) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*g.NormFloat64()))
	}
	k, p, limit := 0.0, 1.0, math.Exp(-mean)
	for {
		p *= g.Float64()
		if p <= limit {
			return k
		}
		k++
	}
}

// gamma has mean 1 and the given shape (Marsaglia and Tsang).
func (g *maker) gamma(shape float64) float64 {
	boost := 1.0
	k := shape
	if k < 1 {
		boost = math.Pow(g.Float64(), 1/k)
		k++
	}
	d := k - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := g.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(g.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return boost * d * v / shape
		}
	}
}

// negativeBinomial has the given mean, and variance phi times that.
func (g *maker) negativeBinomial(mean, phi float64) float64 {
	if phi <= 1 || mean <= 0 {
		return g.poisson(mean)
	}
	return g.poisson(mean * g.gamma(mean/(phi-1)))
}

func day(m Minute) int { return int((m - epoch) / dayMinutes) }

// weekend reports whether it is Saturday or Sunday where the clock is ahead of
// UTC by so many minutes.
func weekend(m, zone Minute) bool { return (m-epoch+zone+7*dayMinutes)/dayMinutes%7 >= 5 }

// pick chooses an index with weight falling as 1/(i+1).
func (g *maker) pick(n int) int {
	return min(n-1, int(math.Pow(float64(n+1), g.Float64()))-1)
}

// person works in sessions at local working hours.
func (g *maker) person(who int, from Minute, days int, busy float64, apis []int, curious float64, off func(day int) bool) {
	zone := []Minute{0, -300, -480, 60, 330, 480}[g.IntN(6)]
	weekends, loops := g.uniform(0, 0.2), g.scaled(0.0003, 0.02)
	for d := range days {
		start := from + Minute(d)*dayMinutes
		k := busy
		if weekend(start+720, zone) {
			k *= weekends
		}
		if off != nil && off(day(start)) {
			continue
		}
		for range int(g.poisson(k)) {
			hour := 10.5 + 1.3*g.NormFloat64()
			if g.Float64() < 0.5 {
				hour = 15.5 + 1.8*g.NormFloat64()
			}
			at := start - zone + Minute(hour*60)
			length := g.scaled(10, 90)
			for range 1 + g.IntN(3) {
				api := apis[g.pick(len(apis))]
				if g.Float64() < curious {
					api = g.IntN(120)
				}
				n := int(math.Exp(0.8 + 0.8*g.NormFloat64()))
				if g.Float64() < loops { // A page of the console, or a loop in a shell.
					b := at + Minute(g.uniform(0, length))
					w := g.uniform(1, 4)
					for range 3 + int(g.scaled(1, 30)) {
						g.add(who, api, b+Minute(g.uniform(0, w)), 1)
					}
				}
				for range min(n, 60) {
					g.add(who, api, at+Minute(g.uniform(0, length)), 1)
				}
			}
		}
	}
}

// wave is a daily wave around 1, with its own weekend.
func wave(m Minute, depth, phase, weekendShare float64) float64 {
	k := 1 + depth*math.Sin(2*math.Pi*(float64((m-epoch)%dayMinutes)/dayMinutes-phase))
	if weekend(m, 0) {
		k *= weekendShare
	}
	return k
}

// app calls at a rate that waves, with noise by the hour, and grows.
func (g *maker) app(who int, from Minute, days int, growth float64, level func(Minute) float64) {
	for a := range 2 + g.IntN(4) {
		api, rate := 200+g.IntN(60)+a, g.scaled(0.02, 4)
		depth, phase, we := g.uniform(0, 0.9), g.Float64(), g.uniform(0.3, 1)
		shape := g.scaled(3, 100)
		noise := 1.0
		for m := from; m < from+Minute(days)*dayMinutes; m++ {
			if m%60 == 0 {
				noise = g.gamma(shape)
			}
			r := rate * noise * wave(m, depth, phase, we) * math.Pow(1+growth, float64(m-from)/dayMinutes)
			if level != nil {
				r *= level(m)
			}
			if n := g.poisson(r); n > 0 {
				g.add(who, api, m, n)
			}
		}
	}
}

// runs are what CI does: bursts over several APIs in fixed proportion.
func (g *maker) runs(who int, from Minute, days int, perDay, low, high float64) {
	apis := 3 + g.IntN(5)
	base := 300 + g.IntN(100)
	night := g.uniform(0.05, 0.5)
	for m := from; m < from+Minute(days)*dayMinutes; m += 10 {
		h := (m - epoch) / 60 % 24
		k := 1.6
		if h < 8 || h > 19 {
			k = night
		}
		if weekend(m, 0) {
			k *= 0.2
		}
		for range int(g.poisson(perDay / 144 * k)) {
			calls, length := g.uniform(low, high), g.uniform(2, 15)
			for range int(calls) {
				g.add(who, base+g.pick(apis), m+Minute(g.uniform(0, length)), 1)
			}
		}
	}
}

// cron runs a batch at a fixed period.
func (g *maker) cron(who int, from Minute, days int) {
	for j := range 1 + g.IntN(3) {
		period := []Minute{15, 60, 360, 1440}[g.IntN(4)]
		size, at := g.scaled(1, 60), Minute(g.IntN(int(period)))
		monthly := -1
		if g.Float64() < 0.3 {
			monthly = g.IntN(28)
		}
		for m := from + at; m < from+Minute(days)*dayMinutes; m += period {
			n := size
			if day(m)%30 == monthly && (m-from)%dayMinutes < period {
				n *= 8
			}
			for left := g.negativeBinomial(n, 1.3); left > 0; {
				k := min(left, 1+float64(g.IntN(20)))
				g.add(who, 400+j+who%7*3, m+Minute(g.IntN(1+int(n/15))), k)
				left -= k
			}
		}
	}
}

// scaler follows a demand that is an AR(1) process in logs.
func (g *maker) scaler(who int, from Minute, days int) {
	for a := range 2 + g.IntN(3) {
		rate, x := g.scaled(0.02, 1), 0.0
		depth, phase, sigma := g.uniform(0, 0.8), g.Float64(), g.uniform(0.1, 0.35)
		for m := from; m < from+Minute(days)*dayMinutes; m++ {
			if m%10 == 0 {
				x = 0.95*x + sigma*g.NormFloat64()
			}
			if n := g.poisson(rate * math.Exp(x) * wave(m, depth, phase, 0.9)); n > 0 {
				g.add(who, 500+a, m, n)
			}
		}
	}
}

// batch is a load of calls within a time.
func (g *maker) batch(who, api int, at Minute, n, minutes float64) {
	for range int(n) {
		g.add(who, api, at+Minute(g.uniform(0, minutes)), 1)
	}
}

// generate makes traffic of 100 identities.
func generate(seed uint64, days int, incidents bool) *traffic {
	g := &maker{rand.New(rand.NewPCG(seed, 77)), &traffic{days: days}, map[[2]int]int{}, map[int]map[Minute]float64{}}
	t := g.t
	holiday := 9 + g.IntN(max(1, days-10))
	t.benign = append(t.benign, span{"holiday", -1, -1, epoch + Minute(holiday)*dayMinutes, epoch + Minute(holiday+1)*dayMinutes})
	for who := range 100 {
		from, left := epoch, days
		excuse := func(kind string, start Minute, minutes Minute) {
			t.benign = append(t.benign, span{kind, who, -1, start, start + minutes})
		}
		if who%20 == 19 { // Somebody or something new.
			d := 5 + g.IntN(max(1, days-8))
			from, left = epoch+Minute(d)*dayMinutes, days-d
			excuse("new", from, 7*dayMinutes)
		}
		t.births = append(t.births, from)
		switch k := who % 50; {
		case k < 25:
			busy := g.scaled(1, 7)
			apis := make([]int, 6+g.IntN(16))
			for i := range apis {
				apis[i] = g.IntN(120)
			}
			curious := 0.005
			if g.Float64() < 0.2 {
				curious = 0.05
			}
			away, back := -1, -1
			if g.Float64() < 0.25 {
				away = 6 + g.IntN(days)
				back = away + 4 + g.IntN(8)
			}
			off := func(d int) bool { return d == holiday || d >= away && d < back }
			if g.Float64() < 0.06 && who%20 != 19 { // A new role, with other APIs.
				d := 8 + g.IntN(max(1, days-10))
				g.person(who, from, d, busy, apis, curious, off)
				for i := range apis {
					apis[i] = g.IntN(120)
				}
				g.person(who, from+Minute(d)*dayMinutes, left-d, busy, apis, curious, off)
				excuse("role_change", from+Minute(d)*dayMinutes, 7*dayMinutes)
				continue
			}
			g.person(who, from, left, busy, apis, curious, off)
		case k < 31:
			g.runs(who, from, left, g.scaled(4, 40), 20, 100)
		case k < 37:
			g.cron(who, from, left)
		case k < 39:
			g.scaler(who, from, left)
		case k < 40:
			for a := range 1 + g.IntN(2) {
				n, every := float64(1+g.IntN(5)), Minute(1+g.IntN(5))
				for m := from; m < from+Minute(left)*dayMinutes; m += every {
					g.add(who, 600+a, m, n)
				}
			}
		case k < 44:
			var level func(Minute) float64
			if g.Float64() < 0.3 {
				at := epoch + Minute(g.uniform(8, float64(days-1))*dayMinutes)
				by := g.uniform(2, 5)
				level = func(m Minute) float64 {
					if m >= at {
						return by
					}
					return 1
				}
				excuse("level_shift", at, 2*dayMinutes)
			}
			g.app(who, from, left, 0, level)
		case k < 45:
			g.app(who, from, left, g.uniform(0.02, 0.05), nil)
		case k < 47:
			hour, n, length := g.uniform(0, 6)*60, g.scaled(100, 2000), g.uniform(30, 180)
			for d := range left {
				g.batch(who, 700, from+Minute(d)*dayMinutes+Minute(hour+g.uniform(-10, 10)), n*g.gamma(20), length*g.uniform(0.8, 1.2))
			}
		case k < 48:
			at := Minute(g.IntN(5))*dayMinutes + Minute(g.uniform(8, 18)*60)
			for d := 0; d < left; d += 7 {
				m := from + Minute(d)*dayMinutes + at + Minute(g.uniform(-60, 60))
				for a := range 3 {
					g.batch(who, 710+a, m, g.uniform(100, 300), g.uniform(40, 120))
				}
			}
		default:
			for range int(g.poisson(float64(left) * g.uniform(0.3, 1.5))) {
				g.batch(who, 720+g.pick(5), from+Minute(g.uniform(0, float64(left))*dayMinutes), 1+float64(g.IntN(6)), 20)
			}
		}
	}
	for range days / 12 { // Nothing is delivered.
		at := epoch + Minute(g.uniform(8, float64(days-1))*dayMinutes)
		end := at + Minute(g.uniform(30, 210))
		t.gaps = append(t.gaps, gap{at, end})
		for _, raw := range g.raw {
			for m := at; m < end; m++ {
				delete(raw, m)
			}
		}
	}
	slices.SortFunc(t.gaps, func(a, b gap) int { return cmp.Compare(a.from, b.from) })
	if incidents {
		g.attack()
	}
	for i := range t.lines {
		for m, n := range g.raw[i] {
			t.lines[i].samples = append(t.lines[i].samples, sample{m, n})
		}
		slices.SortFunc(t.lines[i].samples, func(a, b sample) int { return cmp.Compare(a.m, b.m) })
	}
	return t
}

// peak is the 95th percentile of a line's minutes with calls.
func (g *maker) peak(i int) float64 {
	var ns []float64
	for _, n := range g.raw[i] {
		ns = append(ns, n)
	}
	if len(ns) == 0 {
		return 1
	}
	slices.Sort(ns)
	return ns[len(ns)*95/100]
}

// attack puts incidents into the traffic, from the eighth day on.
func (g *maker) attack() {
	t := g.t
	var old []int // lines of identities that are known for a week, with some calls
	for i := range t.lines {
		if len(g.raw[i]) >= 8 && t.births[t.lines[i].who] == epoch {
			old = append(old, i)
		}
	}
	free := map[int][]Minute{}
	for n := range t.days * 5 {
		i := old[g.IntN(len(old))]
		if n%5 >= 3 { // As often by identity as by series.
			for {
				i = old[g.IntN(len(old))]
				if t.lines[i].who == n*7%100 || g.Float64() < 0.01 {
					break
				}
			}
		}
		who := t.lines[i].who
		at := epoch + Minute(g.uniform(8, float64(t.days)-1.2)*dayMinutes)
		busy := false
		for _, m := range free[who] {
			busy = busy || m-at < 2*dayMinutes && at-m < 2*dayMinutes
		}
		for _, b := range t.benign {
			busy = busy || b.who == who && at >= b.start-dayMinutes && at < b.end
		}
		if busy {
			continue
		}
		free[who] = append(free[who], at)
		s := span{who: who, line: i, start: at}
		burst := func(kind string, by float64) {
			s.kind = kind
			length := g.uniform(10, 60)
			rate := (by - 1) * g.peak(i)
			for m := at; m < at+Minute(length); m++ {
				if n := g.poisson(rate); n > 0 {
					g.add(who, t.lines[i].api, m, n)
				}
			}
			s.end = at + Minute(length)
		}
		switch g.IntN(5) {
		case 0:
			burst("burst_x2", 2)
		case 1:
			burst("burst_x5", 5)
		case 2:
			burst("burst_x20", 20)
		case 3:
			s.kind = "new_api_burst"
			length := g.uniform(3, 30)
			api := 900 + g.IntN(10)
			for g.index[[2]int{who, api}] != 0 {
				api++
			}
			s.line = g.add(who, api, at, 1)
			g.batch(who, api, at, g.scaled(12, 150), length)
			s.end = at + Minute(length)
		case 4:
			s.kind = "slow_low"
			api := t.lines[i].api
			if g.Float64() < 0.3 {
				api = 950 + g.IntN(10)
			}
			every := g.uniform(6, 20)
			s.end = at + Minute(g.uniform(10, 24)*60)
			for m := float64(at); m < float64(s.end); m += every * g.uniform(0.7, 1.3) {
				s.line = g.add(who, api, Minute(m), 1)
			}
		}
		t.incidents = append(t.incidents, s)
	}
}

// thinned keeps of every call whether it failed: few do, but for some series
// most.
func thinned(t *traffic, seed uint64) *traffic {
	g := &maker{Rand: rand.New(rand.NewPCG(seed, 5))}
	out := *t
	out.lines = nil
	for _, l := range t.lines {
		q := g.scaled(0.003, 0.1)
		if g.Float64() < 0.05 {
			q = g.uniform(0.2, 1)
		}
		e := line{who: l.who, api: l.api}
		for _, s := range l.samples {
			k := 0.0
			for range int(s.n) {
				if g.Float64() < q {
					k++
				}
			}
			if k > 0 {
				e.samples = append(e.samples, sample{s.m, k})
			}
		}
		if len(e.samples) > 0 {
			out.lines = append(out.lines, e)
		}
	}
	out.incidents = nil
	return &out
}
